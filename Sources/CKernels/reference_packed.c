// The plain references of packed products: one output at a time, from the weights as they lie in a file.
#include <math.h>

#include "packed.h"

// Weight i of a row: scale * small_scale * quant + minimum. The small scale is Q6_K's of 16 weights.
typedef struct {
    int quant, small_scale;
    float scale, minimum;
} nt_plain_quant;

static int nt_plain_nibble(const uint8_t *quants, int64_t i) { return quants[i % 16] >> (i % 32 / 16 * 4) & 15; }

static int nt_plain_fifth_bit(const uint8_t *high, int64_t i) { return (high[i % 32 / 8] >> i % 8 & 1) << 4; }

static nt_plain_quant nt_plain_quant_at(uint32_t type, const void *row, int64_t i) {
    const int group = (int)(i % 256 / 32), k = (int)(i % 32);
    switch (type) {
    case NT_Q4_0: {
        const nt_block_q4_0 *b = (const nt_block_q4_0 *)row + i / 32;
        return (nt_plain_quant){nt_plain_nibble(b->quants, i) - 8, 1, nt_half(b->scale), 0};
    }
    case NT_Q4_1: {
        const nt_block_q4_1 *b = (const nt_block_q4_1 *)row + i / 32;
        return (nt_plain_quant){nt_plain_nibble(b->quants, i), 1, nt_half(b->scale), nt_half(b->minimum)};
    }
    case NT_Q5_0: {
        const nt_block_q5_0 *b = (const nt_block_q5_0 *)row + i / 32;
        const int q = nt_plain_nibble(b->quants, i) | nt_plain_fifth_bit(b->high, i);
        return (nt_plain_quant){q - 16, 1, nt_half(b->scale), 0};
    }
    case NT_Q5_1: {
        const nt_block_q5_1 *b = (const nt_block_q5_1 *)row + i / 32;
        const int q = nt_plain_nibble(b->quants, i) | nt_plain_fifth_bit(b->high, i);
        return (nt_plain_quant){q, 1, nt_half(b->scale), nt_half(b->minimum)};
    }
    case NT_Q8_0: {
        const nt_block_q8_0 *b = (const nt_block_q8_0 *)row + i / 32;
        return (nt_plain_quant){b->quants[k], 1, nt_half(b->scale), 0};
    }
    case NT_Q4_K: {
        const nt_block_q4_k *b = (const nt_block_q4_k *)row + i / 256;
        const int q = b->quants[group / 2 * 32 + k] >> group % 2 * 4 & 15;
        return (nt_plain_quant){q, 1, nt_half(b->scale) * (float)nt_k_scale(b->scales, group),
                                -(nt_half(b->minimum) * (float)nt_k_minimum(b->scales, group))};
    }
    case NT_Q5_K: {
        const nt_block_q5_k *b = (const nt_block_q5_k *)row + i / 256;
        const int q = (b->quants[group / 2 * 32 + k] >> group % 2 * 4 & 15) | (b->high[k] >> group & 1) << 4;
        return (nt_plain_quant){q, 1, nt_half(b->scale) * (float)nt_k_scale(b->scales, group),
                                -(nt_half(b->minimum) * (float)nt_k_minimum(b->scales, group))};
    }
    case NT_Q6_K: {
        const nt_block_q6_k *b = (const nt_block_q6_k *)row + i / 256;
        const int half = group / 4, run = group % 4;
        const int low = b->low[half * 64 + run % 2 * 32 + k] >> run / 2 * 4 & 15;
        const int high = b->high[half * 32 + k] >> run * 2 & 3;
        return (nt_plain_quant){(low | high << 4) - 32, b->scales[half * 8 + run * 2 + k / 16], nt_half(b->scale), 0};
    }
    default: __builtin_trap();  // nt_is_quantized says no.
    }
}

static float nt_plain_quantized(const nt_matrix *w, const char *weights, const uint8_t *row) {
    float sum = 0;
    for (int64_t b = 0; b < w->columns / 32; b++) {
        nt_row_block x;
        memcpy(&x, row + b * NT_Q8_BLOCK, sizeof x);
        const nt_plain_quant first = nt_plain_quant_at(w->type, weights, b * 32);
        int32_t dot = 0, total = 0;
        for (int i = 0; i < 32; i++) {
            const nt_plain_quant weight = nt_plain_quant_at(w->type, weights, b * 32 + i);
            dot += weight.small_scale * weight.quant * x.quants[i];
            total += x.quants[i];
        }
        sum = fmaf((float)dot, first.scale * x.scale, sum);
        if (nt_has_minimum(w->type)) sum = fmaf(first.minimum, x.scale * (float)total, sum);
    }
    return sum;
}

static float nt_plain_bfloat(const void *row, int64_t i, int64_t count) {
    uint16_t bits;
    if (i >= count) return 0;
    memcpy(&bits, (const char *)row + i * 2, 2);
    const float value = nt_bfloat(bits);
    return fabsf(value) < 0x1p-56f ? copysignf(0, value) : value;
}

// Of each pair the second one first.
static float nt_plain_bfloats(const nt_matrix *w, const char *weights, const uint8_t *row) {
    float sum = 0;
    for (int64_t k = 0; k < w->columns; k += 2) {
        for (int64_t i = k + 1; i >= k; i--)
            sum = fmaf(nt_plain_bfloat(weights, i, w->columns), nt_plain_bfloat(row, i, w->columns), sum);
    }
    return sum;
}

static float nt_plain_floats(const nt_matrix *w, const char *weights, const uint8_t *row) {
    float sum = 0;
    for (int64_t k = 0; k < w->columns; k++) {
        float x, value;
        memcpy(&x, row + k * 4, 4);
        nt_reference_dequantize(w->type, weights + k * (w->type == NT_F32 ? 4 : 2), &value, 1);
        sum = fmaf(value, x, sum);
    }
    return sum;
}

void nt_reference_project(const nt_matrix *w, const float *bias, const nt_rows *input, int64_t row_count, float *out,
                          int64_t out_stride, nt_store store) {
    for (int64_t m = 0; m < row_count; m++) {
        const uint8_t *row = (const uint8_t *)input->data + (size_t)m * input->row_bytes;
        for (int64_t n = 0; n < w->rows; n++) {
            const char *weights = (const char *)w->data + (size_t)n * w->row_bytes;
            float sum = nt_is_quantized(w->type) ? nt_plain_quantized(w, weights, row)
                        : w->type == NT_BF16     ? nt_plain_bfloats(w, weights, row)
                                                 : nt_plain_floats(w, weights, row);
            if (bias) sum += bias[n];
            float *o = out + m * out_stride + n;
            *o = store == NT_ADD ? *o + sum : sum;
        }
    }
}

static uint16_t nt_plain_to_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
    uint32_t result = bits >> 16;
    const uint32_t below = bits & 0xFFFF;
    if (below > 0x8000 || (below == 0x8000 && result & 1)) result++;
    return fabsf(nt_bfloat((uint16_t)result)) < 0x1p-56f ? (uint16_t)(result & 0x8000) : (uint16_t)result;
}

static nt_row_block nt_plain_block(const float *x) {
    float most = 0;
    for (int i = 0; i < 32; i++) {
        if (!isfinite(x[i])) return (nt_row_block){.scale = nanf(""), .scaled_sum = nanf("")};
        most = fmaxf(most, fabsf(x[i]));
    }
    if (most < 0x1p-100f) return (nt_row_block){.scale = 0};
    nt_row_block block = {.scale = most * (1.0f / 127.0f)};
    int sum = 0;
    for (int i = 0; i < 32; i++) {
        block.quants[i] = (int8_t)rintf(x[i] * (127.0f / most));
        sum += block.quants[i];
        if (i == 15) block.first_offset = -128 * sum;
    }
    block.scaled_sum = block.scale * (float)sum;
    block.offset = -128 * sum;
    return block;
}

void nt_reference_convert(nt_row_kind kind, const float *x, int64_t columns, void *row) {
    if (kind == NT_ROWS_F32) {
        memcpy(row, x, (size_t)columns * 4);
    } else if (kind == NT_ROWS_BF16) {
        memset(row, 0, nt_row_bytes(kind, columns));
        for (int64_t k = 0; k < columns; k++) {
            const uint16_t bits = nt_plain_to_bfloat(x[k]);
            memcpy((char *)row + k * 2, &bits, 2);
        }
    } else {
        for (int64_t b = 0; b < columns / 32; b++) {
            const nt_row_block block = nt_plain_block(x + b * 32);
            memcpy((char *)row + b * NT_Q8_BLOCK, &block, sizeof block);
        }
    }
}
