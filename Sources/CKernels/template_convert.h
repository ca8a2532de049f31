// Rows of floats as packed weights read them.

// The scale is the largest magnitude / 127; quants are rounded to nearest, ties to even.
NT_INLINE nt_row_block nt_quantize_block(const float *x) {
    const nt_v16 v[2] = {nt_load(x), nt_load(x + 16)};
    nt_i16 bits[2];
    memcpy(bits, v, sizeof bits);
    // As whole numbers magnitudes have the same order, and what is not finite comes last.
    const int32_t highest =
        __builtin_reduce_max(__builtin_elementwise_max(bits[0] & 0x7FFFFFFF, bits[1] & 0x7FFFFFFF));
    float most;
    memcpy(&most, &highest, 4);
    // What is not finite makes every product that reads it not a number; what has no inverse is nothing.
    if (highest >= 0x7F800000) return (nt_row_block){.scale = __builtin_nanf(""), .scaled_sum = __builtin_nanf("")};
    if (most < 0x1p-100f) return (nt_row_block){.scale = 0};
    nt_row_block block = {.scale = most * (1.0f / 127.0f)};
    int32_t sums[2];
    for (int half = 0; half < 2; half++) {
        // Adding 1.5 * 2^23 rounds to the nearest whole number, which then stands in the lowest bits.
        const nt_v16 shifted = v[half] * nt_splat(127.0f / most) + nt_splat(12582912.0f);
        nt_i16 q;
        memcpy(&q, &shifted, sizeof q);
        q -= 0x4B400000;
        const nt_c16 bytes = __builtin_convertvector(q, nt_c16);
        memcpy(block.quants + half * 16, &bytes, 16);
        sums[half] = __builtin_reduce_add(q);
    }
    block.scaled_sum = block.scale * (float)(sums[0] + sums[1]);
    block.offset = -128 * (sums[0] + sums[1]);
    block.first_offset = -128 * sums[0];
    return block;
}

// To nearest, ties to even.
NT_INLINE uint16_t nt_to_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    return nt_sizable((uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded));
}

static void nt_convert_row(nt_row_kind kind, const float *restrict x, int64_t columns, uint8_t *restrict row) {
    if (kind == NT_ROWS_F32) {
        memcpy(row, x, (size_t)columns * 4);
    } else if (kind == NT_ROWS_BF16) {
        uint16_t *out = (uint16_t *)(void *)row;
        for (int64_t k = 0; k < columns; k++) out[k] = nt_to_bfloat(x[k]);
        if (columns % 2) out[columns] = 0;
    } else {
        for (int64_t b = 0; b < columns / 32; b++) {
            const nt_row_block block = nt_quantize_block(x + b * 32);
            memcpy(row + b * NT_Q8_BLOCK, &block, sizeof block);
        }
    }
}
