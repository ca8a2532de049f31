// Tiles of float weights: rows x a few registers of outputs, one chain of fused multiply-adds for each.

// sum + the products of two bfloats a lane: the second one's first, each with one rounding. That is the order of the
// instruction, found by experiment. (It also takes subnormal numbers as zero: there are none, nt_sizable.)
NT_INLINE nt_floats nt_bfloat_dot(nt_floats sum, nt_ints w, nt_ints x) {
#if defined(NT_HAS_BFLOAT_DOT)
    return (nt_floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)x);
#else
    const nt_ints high = (nt_ints)(int32_t)0xFFFF0000;
    sum = __builtin_elementwise_fma((nt_floats)(w & high), (nt_floats)(x & high), sum);
    return __builtin_elementwise_fma((nt_floats)(w << 16), (nt_floats)(x << 16), sum);
#endif
}

// One step: an input, or of BF16 a pair. `place` is where the outputs' weights lie.
NT_INLINE nt_floats nt_float_step(uint32_t type, nt_floats sum, const uint8_t *place, nt_ints x) {
    if (type == NT_BF16) return nt_bfloat_dot(sum, nt_ints_at(place), x);
    if (type == NT_F16) return __builtin_elementwise_fma(nt_halves_at(place), (nt_floats)x, sum);
    return __builtin_elementwise_fma((nt_floats)nt_ints_at(place), (nt_floats)x, sum);
}

// tile[row][lane ...] for the rows from `a`. `next` is prefetched, `lines` cache lines for each 16 steps.
NT_INLINE void nt_float_tile(uint32_t type, int rows, const uint8_t *panel, int64_t columns, const uint8_t *a,
                             size_t stride, float *tile, const uint8_t *next, int lines, int lane) {
    const int size = type == NT_F16 ? 2 : 4;
    const int64_t steps = type == NT_BF16 ? (columns + 1) / 2 : columns;
    nt_floats sums[NT_ROWS_AT_ONCE][NT_MOST_SIDES];
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++) sums[r][i] = (nt_floats)0;
    panel += lane * size;
    for (int64_t k = 0; k < steps; k++, panel += NT_PANEL * size, a += 4) {
        if (k % 16 == 0)
            for (int i = 0; i < lines; i++, next += 64) __builtin_prefetch(next, 0, 2);
#pragma unroll
        for (int r = 0; r < rows; r++) {
            const nt_ints x = nt_four_at(a + (size_t)r * stride);
            for (int i = 0; i < NT_SIDES(rows); i++)
                sums[r][i] = nt_float_step(type, sums[r][i], panel + i * NT_LANES * size, x);
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++)
            memcpy(tile + r * NT_PANEL + lane + i * NT_LANES, &sums[r][i], sizeof sums[r][i]);
}
