// Blocks to floats. The arithmetic is that of the GGUF types' descriptions: one multiply, one add or subtract at most, so
// that it is exact to the bit wherever it runs. Bytes may alias anything in C; restrict says that these do not.

static void nt_dequantize_q4_0(const nt_block_q4_0 *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++, out += 32) {
        const float scale = nt_half(block[b].scale);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)((block[b].quants[i] & 0xF) - 8) * scale;
            out[i + 16] = (float)((block[b].quants[i] >> 4) - 8) * scale;
        }
    }
}

static void nt_dequantize_q4_1(const nt_block_q4_1 *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++, out += 32) {
        const float scale = nt_half(block[b].scale), minimum = nt_half(block[b].minimum);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)(block[b].quants[i] & 0xF) * scale + minimum;
            out[i + 16] = (float)(block[b].quants[i] >> 4) * scale + minimum;
        }
    }
}

static void nt_dequantize_q5_0(const nt_block_q5_0 *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++, out += 32) {
        const float scale = nt_half(block[b].scale);
        uint32_t high;
        memcpy(&high, block[b].high, 4);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)((int)((block[b].quants[i] & 0xF) | (high >> i & 1) << 4) - 16) * scale;
            out[i + 16] = (float)((int)(block[b].quants[i] >> 4 | (high >> (i + 16) & 1) << 4) - 16) * scale;
        }
    }
}

static void nt_dequantize_q5_1(const nt_block_q5_1 *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++, out += 32) {
        const float scale = nt_half(block[b].scale), minimum = nt_half(block[b].minimum);
        uint32_t high;
        memcpy(&high, block[b].high, 4);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)((block[b].quants[i] & 0xF) | (high >> i & 1) << 4) * scale + minimum;
            out[i + 16] = (float)(block[b].quants[i] >> 4 | (high >> (i + 16) & 1) << 4) * scale + minimum;
        }
    }
}

static void nt_dequantize_q8_0(const nt_block_q8_0 *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++, out += 32) {
        const float scale = nt_half(block[b].scale);
        for (int i = 0; i < 32; i += 16) {
            nt_c16 quants;
            memcpy(&quants, block[b].quants + i, sizeof quants);
            nt_put(out + i, __builtin_convertvector(quants, nt_v16) * nt_splat(scale));
        }
    }
}

static void nt_dequantize_q4_k(const nt_block_q4_k *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++) {
        const float scale = nt_half(block[b].scale), minimum = nt_half(block[b].minimum);
        for (int j = 0; j < 8; j++, out += 32) {
            const float s = scale * nt_k_scale(block[b].scales, j), m = minimum * nt_k_minimum(block[b].scales, j);
            const uint8_t *quants = block[b].quants + j / 2 * 32;
            const int shift = j % 2 * 4;
            for (int i = 0; i < 32; i++) out[i] = s * (float)(quants[i] >> shift & 0xF) - m;
        }
    }
}

static void nt_dequantize_q5_k(const nt_block_q5_k *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++) {
        const float scale = nt_half(block[b].scale), minimum = nt_half(block[b].minimum);
        for (int j = 0; j < 8; j++, out += 32) {
            const float s = scale * nt_k_scale(block[b].scales, j), m = minimum * nt_k_minimum(block[b].scales, j);
            const uint8_t *quants = block[b].quants + j / 2 * 32;
            const int shift = j % 2 * 4;
            for (int i = 0; i < 32; i++) {
                const int q = (quants[i] >> shift & 0xF) | (block[b].high[i] >> j & 1) << 4;
                out[i] = s * (float)q - m;
            }
        }
    }
}

static void nt_dequantize_q6_k(const nt_block_q6_k *restrict block, float *restrict out, int64_t blocks) {
    for (int64_t b = 0; b < blocks; b++) {
        const float scale = nt_half(block[b].scale);
        // Two halves of 128; in each, four runs of 32: the low nibbles of 64 bytes, then their high nibbles.
        for (int half = 0; half < 2; half++) {
            const uint8_t *low = block[b].low + half * 64, *high = block[b].high + half * 32;
            const int8_t *scales = block[b].scales + half * 8;
            for (int run = 0; run < 4; run++, out += 32) {
                for (int i = 0; i < 32; i++) {
                    const int nibble = low[run % 2 * 32 + i] >> run / 2 * 4 & 0xF;
                    const int q = (nibble | (high[i] >> run * 2 & 3) << 4) - 32;
                    out[i] = scale * (float)scales[run * 2 + i / 16] * (float)q;
                }
            }
        }
    }
}

// Conversion to single precision is exact, so the processor's own and nt_half agree to the bit.
static void nt_dequantize_f16(const char *source, float *out, int64_t count) {
    int64_t i = 0;
#if defined(NT_HAS_HALF)
    typedef _Float16 nt_h16 __attribute__((vector_size(32)));
    for (; i + 16 <= count; i += 16) {
        nt_h16 halves;
        memcpy(&halves, source + i * 2, sizeof halves);
        nt_put(out + i, __builtin_convertvector(halves, nt_v16));
    }
#endif
    for (; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, source + i * 2, 2);
        out[i] = nt_half(bits);
    }
}

static void nt_dequantize(uint32_t type, const void *source, float *out, int64_t count) {
    switch (type) {
    case NT_F32: memcpy(out, source, (size_t)count * 4); break;
    case NT_F16: nt_dequantize_f16(source, out, count); break;
    case NT_BF16:
        for (int64_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, (const char *)source + i * 2, 2);
            out[i] = nt_bfloat(bits);
        }
        break;
    case NT_Q4_0: nt_dequantize_q4_0(source, out, count / 32); break;
    case NT_Q4_1: nt_dequantize_q4_1(source, out, count / 32); break;
    case NT_Q5_0: nt_dequantize_q5_0(source, out, count / 32); break;
    case NT_Q5_1: nt_dequantize_q5_1(source, out, count / 32); break;
    case NT_Q8_0: nt_dequantize_q8_0(source, out, count / 32); break;
    case NT_Q4_K: nt_dequantize_q4_k(source, out, count / 256); break;
    case NT_Q5_K: nt_dequantize_q5_k(source, out, count / 256); break;
    case NT_Q6_K: nt_dequantize_q6_k(source, out, count / 256); break;
    default: __builtin_trap();  // Kernels.Matrix takes no other type.
    }
}
