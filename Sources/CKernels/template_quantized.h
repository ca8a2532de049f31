// Tiles of quantised weights: rows x a few registers of outputs, all inputs, sums in registers. Type and row count are
// constants where these are inlined.

// Step 0 ... 7 of a block for the outputs from `lane`: their quants, unsigned.
NT_INLINE nt_ints nt_step_at(uint32_t type, const uint8_t *block, int step, int lane) {
    const nt_layout layout = nt_layout_of(type);
    const uint8_t *quants = block + nt_quants_offset(layout) + lane * 4;
    if (type == NT_Q8_0) return nt_ints_at(quants + step * 128);
    const nt_words pair = (nt_words)nt_ints_at(quants + step % 4 * 128);
    const nt_words low = (step < 4 ? pair : pair >> 4) & 0x0F0F0F0F;
    if (layout.bits == 0) return (nt_ints)low;
    // The plane's bits, moved to stand above the nibble.
    const int place = layout.bits == 1 ? step : step % 4 * 2;
    const uint8_t *plane = block + nt_plane_offset(layout, layout.bits == 2 && step >= 4);
    const nt_words bits = (nt_words)nt_ints_at(plane + lane * 4);
    return (nt_ints)(low | ((place < 4 ? bits << (4 - place) : bits >> (place - 4)) &
                            (layout.bits == 1 ? 0x10101010 : 0x30303030)));
}

NT_INLINE nt_floats nt_scale_at(uint32_t type, const uint8_t *block, const uint8_t *head, int lane) {
    const uint8_t *scales = block + nt_scales_offset(nt_layout_of(type));
    if (type == NT_Q6_K) return nt_halves_at(head + lane * 2);
    if (nt_layout_of(type).head) return nt_halves_at(head + lane * 2) * nt_bytes_at(scales + lane);
    return nt_halves_at(scales + lane * 2);
}

// What each unit of the activations' sum adds.
NT_INLINE nt_floats nt_minimum_at(uint32_t type, const uint8_t *block, const uint8_t *head, int lane) {
    const uint8_t *scales = block + nt_scales_offset(nt_layout_of(type));
    if (nt_layout_of(type).head) return -(nt_halves_at(head + 64 + lane * 2) * nt_bytes_at(scales + 32 + lane));
    return nt_halves_at(scales + 64 + lane * 2);
}

// A row's block of activations.
NT_INLINE const nt_row_block *nt_block_of(const uint8_t *a, size_t stride, int row) {
    return (const nt_row_block *)(const void *)(a + (size_t)row * stride);
}

// What the offset of the weights' quants is worth; of Q6_K in a half of the block.
NT_INLINE nt_ints nt_offset_of(uint32_t type, const nt_row_block *x, int half) {
    const int offset = nt_layout_of(type).offset;
    if (offset == 0 || (type == NT_Q8_0 && NT_DOT_IS_SIGNED)) return (nt_ints)0;
    if (type == NT_Q6_K && half == 0) return nt_four_at(&x->first_offset) >> 2;
    if (type == NT_Q6_K) return (nt_four_at(&x->offset) - nt_four_at(&x->first_offset)) >> 2;
    return nt_four_at(&x->offset) >> (offset == 128 ? 0 : offset == 16 ? 3 : 4);
}

// Sums of a block's products, or of a half of it.
NT_INLINE void nt_block_dots(uint32_t type, int rows, const uint8_t *block, const uint8_t *a, size_t stride, int lane,
                             int half, nt_ints dots[][NT_MOST_SIDES]) {
    const nt_layout layout = nt_layout_of(type);
    const int bits = type == NT_Q8_0 ? 8 : 4 + layout.bits, first = half * 4, count = type == NT_Q6_K ? 4 : 8;
    const int run = NT_DOT_STEPS(bits) ? NT_DOT_STEPS(bits) : count;
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++) dots[r][i] = nt_offset_of(type, nt_block_of(a, stride, r), half);
#pragma unroll
    for (int start = first; start < first + count; start += run) {
        nt_ints sums[NT_ROWS_AT_ONCE][NT_MOST_SIDES];
#pragma unroll
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < NT_SIDES(rows); i++) sums[r][i] = NT_DOT_STEPS(bits) ? (nt_ints)0 : dots[r][i];
#pragma unroll
        for (int step = start; step < start + run; step++) {
            nt_ints w[NT_MOST_SIDES];
            for (int i = 0; i < NT_SIDES(rows); i++) w[i] = nt_step_at(type, block, step, lane + i * NT_LANES);
#pragma unroll
            for (int r = 0; r < rows; r++) {
                const nt_ints x = nt_four_at(nt_block_of(a, stride, r)->quants + step * 4);
                for (int i = 0; i < NT_SIDES(rows); i++) sums[r][i] = nt_byte_dot(sums[r][i], w[i], x, bits);
            }
        }
#pragma unroll
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < NT_SIDES(rows); i++)
                dots[r][i] = NT_DOT_STEPS(bits) ? nt_widen(dots[r][i], sums[r][i]) : sums[r][i];
    }
}

// Q6_K scales each half by a whole number: the sum stays one, at most 2 x 16 x 32 x 127 x 128 < 2^24, which a float
// holds.
NT_INLINE void nt_halves_dots(int rows, const uint8_t *block, const uint8_t *a, size_t stride, int lane,
                              nt_ints dots[][NT_MOST_SIDES]) {
    nt_ints second[NT_ROWS_AT_ONCE][NT_MOST_SIDES];
    const uint8_t *scales = block + nt_scales_offset(nt_layout_of(NT_Q6_K)) + lane;
    nt_block_dots(NT_Q6_K, rows, block, a, stride, lane, 0, dots);
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++) dots[r][i] *= nt_signed_bytes_at(scales + i * NT_LANES);
    nt_block_dots(NT_Q6_K, rows, block, a, stride, lane, 1, second);
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++)
            dots[r][i] += second[r][i] * nt_signed_bytes_at(scales + 32 + i * NT_LANES);
}

// One block's step of the chains: the products, then the minimum.
NT_INLINE void nt_add_block(uint32_t type, int rows, const uint8_t *block, const uint8_t *head, const uint8_t *a,
                            size_t stride, int lane, nt_ints dots[][NT_MOST_SIDES],
                            nt_floats sums[][NT_MOST_SIDES]) {
#pragma unroll
    for (int i = 0; i < NT_SIDES(rows); i++) {
        const nt_floats scale = nt_scale_at(type, block, head, lane + i * NT_LANES);
#pragma unroll
        for (int r = 0; r < rows; r++)
            sums[r][i] = __builtin_elementwise_fma(__builtin_convertvector(dots[r][i], nt_floats),
                                                   scale * (nt_floats)nt_block_of(a, stride, r)->scale, sums[r][i]);
    }
    if (!nt_has_minimum(type)) return;
#pragma unroll
    for (int i = 0; i < NT_SIDES(rows); i++) {
        const nt_floats minimum = nt_minimum_at(type, block, head, lane + i * NT_LANES);
#pragma unroll
        for (int r = 0; r < rows; r++)
            sums[r][i] = __builtin_elementwise_fma(minimum, (nt_floats)nt_block_of(a, stride, r)->scaled_sum,
                                                   sums[r][i]);
    }
}

// tile[row][lane ...] for the rows from `a`. `next` is prefetched, `lines` cache lines a block.
NT_INLINE void nt_quantized_tile(uint32_t type, int rows, const uint8_t *panel, int64_t columns, const uint8_t *a,
                                 size_t stride, float *tile, const uint8_t *next, int lines, int lane) {
    const nt_layout layout = nt_layout_of(type);
    const uint8_t *head = panel, *block = panel;
    nt_floats sums[NT_ROWS_AT_ONCE][NT_MOST_SIDES];
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++) sums[r][i] = (nt_floats)0;
    for (int64_t b = 0; b < columns / 32; b++) {
        if (layout.head && b % 8 == 0) {
            head = block;
            block += layout.head * 64;
        }
        for (int i = 0; i < lines; i++, next += 64) __builtin_prefetch(next, 0, 2);
        nt_ints dots[NT_ROWS_AT_ONCE][NT_MOST_SIDES];
        if (type == NT_Q6_K)
            nt_halves_dots(rows, block, a, stride, lane, dots);
        else
            nt_block_dots(type, rows, block, a, stride, lane, 0, dots);
        nt_add_block(type, rows, block, head, a, stride, lane, dots, sums);
        block += nt_block_bytes(layout);
        a += NT_Q8_BLOCK;
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < NT_SIDES(rows); i++)
            memcpy(tile + r * NT_PANEL + lane + i * NT_LANES, &sums[r][i], sizeof sums[r][i]);
}
