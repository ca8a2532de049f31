// The plain references: scalar, one element at a time, in the order that CKernels.h fixes. Slow on purpose; a test holds
// every kernel set against them, bit for bit.
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "CKernels.h"
#include "plain.h"

// The weight of index i of a row, from its block alone.
static float nt_plain_weight(uint32_t type, const void *row, int64_t i) {
    switch (type) {
    case NT_F32: {
        float value;
        memcpy(&value, (const char *)row + i * 4, 4);
        return value;
    }
    case NT_F16:
    case NT_BF16: {
        uint16_t bits;
        memcpy(&bits, (const char *)row + i * 2, 2);
        return type == NT_F16 ? nt_half(bits) : nt_bfloat(bits);
    }
    case NT_Q4_0: {
        const nt_block_q4_0 *b = (const nt_block_q4_0 *)row + i / 32;
        return (float)((b->quants[i % 16] >> (i % 32 / 16 * 4) & 0xF) - 8) * nt_half(b->scale);
    }
    case NT_Q4_1: {
        const nt_block_q4_1 *b = (const nt_block_q4_1 *)row + i / 32;
        return (float)(b->quants[i % 16] >> (i % 32 / 16 * 4) & 0xF) * nt_half(b->scale) + nt_half(b->minimum);
    }
    case NT_Q5_0: {
        const nt_block_q5_0 *b = (const nt_block_q5_0 *)row + i / 32;
        const int high = b->high[i % 32 / 8] >> (i % 8) & 1, low = b->quants[i % 16] >> (i % 32 / 16 * 4) & 0xF;
        return (float)((low | high << 4) - 16) * nt_half(b->scale);
    }
    case NT_Q5_1: {
        const nt_block_q5_1 *b = (const nt_block_q5_1 *)row + i / 32;
        const int high = b->high[i % 32 / 8] >> (i % 8) & 1, low = b->quants[i % 16] >> (i % 32 / 16 * 4) & 0xF;
        return (float)(low | high << 4) * nt_half(b->scale) + nt_half(b->minimum);
    }
    case NT_Q8_0: {
        const nt_block_q8_0 *b = (const nt_block_q8_0 *)row + i / 32;
        return (float)b->quants[i % 32] * nt_half(b->scale);
    }
    case NT_Q4_K: {
        const nt_block_q4_k *b = (const nt_block_q4_k *)row + i / 256;
        const int j = (int)(i % 256 / 32), k = (int)(i % 32), q = b->quants[j / 2 * 32 + k] >> (j % 2 * 4) & 0xF;
        return nt_half(b->scale) * nt_k_scale(b->scales, j) * (float)q - nt_half(b->minimum) * nt_k_minimum(b->scales, j);
    }
    case NT_Q5_K: {
        const nt_block_q5_k *b = (const nt_block_q5_k *)row + i / 256;
        const int j = (int)(i % 256 / 32), k = (int)(i % 32);
        const int q = (b->quants[j / 2 * 32 + k] >> (j % 2 * 4) & 0xF) | (b->high[k] >> j & 1) << 4;
        return nt_half(b->scale) * nt_k_scale(b->scales, j) * (float)q - nt_half(b->minimum) * nt_k_minimum(b->scales, j);
    }
    case NT_Q6_K: {
        const nt_block_q6_k *b = (const nt_block_q6_k *)row + i / 256;
        const int half = (int)(i % 256 / 128), run = (int)(i % 128 / 32), k = (int)(i % 32);
        const int low = b->low[half * 64 + run % 2 * 32 + k] >> run / 2 * 4 & 0xF;
        const int high = b->high[half * 32 + k] >> run * 2 & 3;
        return nt_half(b->scale) * (float)b->scales[half * 8 + run * 2 + k / 16] * (float)((low | high << 4) - 32);
    }
    default: __builtin_trap();  // Kernels.Matrix takes no other type.
    }
}

void nt_reference_dequantize(uint32_t type, const void *source, float *out, int64_t count) {
    for (int64_t i = 0; i < count; i++) out[i] = nt_plain_weight(type, source, i);
}

void nt_reference_rms_norm(const float *x, int64_t row_count, int64_t row_stride, int64_t columns, const float *weight,
                           float epsilon, float *out, int64_t out_stride) {
    for (int64_t m = 0; m < row_count; m++, x += row_stride, out += out_stride) {
        const float scale = 1.0f / sqrtf(nt_plain_dot(x, x, columns) / (float)columns + epsilon);
        for (int64_t i = 0; i < columns; i++) out[i] = x[i] * scale * weight[i];
    }
}

void nt_reference_layer_norm(const float *x, int64_t row_count, int64_t columns, const float *weight, const float *bias,
                             float epsilon, float *out) {
    for (int64_t m = 0; m < row_count; m++, x += columns, out += columns) {
        float lanes[16] = {0};
        for (int64_t i = 0; i < columns; i++) lanes[i % 16] += x[i];
        const float mean = nt_plain_fold(lanes) / (float)columns;
        for (int64_t i = 0; i < columns; i++) out[i] = x[i] - mean;
        const float scale = 1.0f / sqrtf(nt_plain_dot(out, out, columns) / (float)columns + epsilon);
        for (int64_t i = 0; i < columns; i++) out[i] = out[i] * scale * weight[i] + bias[i];
    }
}

void nt_reference_rotary(float *x, int64_t row_count, int64_t row_stride, int64_t head_count, int64_t head_dimension,
                         int64_t rotary_dimension, const float *cosines, const float *sines, nt_rotary_layout layout) {
    const int64_t pairs = rotary_dimension / 2;
    for (int64_t m = 0; m < row_count; m++) {
        for (int64_t h = 0; h < head_count; h++) {
            float *head = x + m * row_stride + h * head_dimension;
            for (int64_t i = 0; i < pairs; i++) {
                const int64_t first = layout == NT_INTERLEAVED ? 2 * i : i;
                const int64_t second = layout == NT_INTERLEAVED ? 2 * i + 1 : i + pairs;
                const float a = head[first], b = head[second], c = cosines[m * pairs + i], s = sines[m * pairs + i];
                head[first] = a * c - b * s;
                head[second] = a * s + b * c;
            }
        }
    }
}

static float nt_plain_activation(nt_activation activation, float x) {
    switch (activation) {
    case NT_SILU: return x / (1.0f + nt_plain_exp(-x));
    case NT_GELU_TANH: return x / (1.0f + nt_plain_exp(-2.0f * (0.7978845608f * fmaf(0.044715f * x, x * x, x))));
    case NT_GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    }
    __builtin_trap();  // Kernels.ActivationKind has no other case.
}

void nt_reference_activate(nt_activation activation, float *gate, const float *up, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const float value = nt_plain_activation(activation, gate[i]);
        gate[i] = up ? value * up[i] : value;
    }
}

void nt_reference_peaks(const float *x, int64_t row_count, int64_t columns, float *peaks) {
    for (int64_t i = 0; i < row_count; i++)
        for (int64_t start = 0; start < columns; start += NT_PEAK_RUN) {
            float peak = -INFINITY;
            for (int64_t k = start; k < columns && k < start + NT_PEAK_RUN; k++) {
                const float value = x[i * columns + k];
                if (!(value < INFINITY)) peak = INFINITY;
                if (value > peak) peak = value;
            }
            *peaks++ = peak;
        }
}
