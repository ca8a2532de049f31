// Arithmetic and the thread pool, nothing else. Calls are synchronous, allocate nothing and keep no pointer;
// nt_workers_create is the one that allocates.
//
// One row, one answer: every output element has one fixed order of summation, which depends on no other row, on no
// thread count and on no instruction set. A sum over k is sixteen chains of fused multiply-adds (lane k mod 16, k
// ascending), folded as a tree: lane i takes lane i + 8, then i + 4, i + 2, i + 1.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "nt_pages.h"

// Element types carry the numbers of ggml_type; InferenceTypes.ElementType has the same ones.
enum {
    NT_F32 = 0,
    NT_F16 = 1,
    NT_Q4_0 = 2,
    NT_Q4_1 = 3,
    NT_Q5_0 = 6,
    NT_Q5_1 = 7,
    NT_Q8_0 = 8,
    NT_Q4_K = 12,
    NT_Q5_K = 13,
    NT_Q6_K = 14,
    NT_BF16 = 30,
};

// A matrix of weights as it lies in the checkpoint: `rows` outputs of `columns` inputs.
typedef struct {
    const void *data;
    uint32_t type;
    int64_t rows;
    int64_t columns;
    size_t row_bytes;
} nt_matrix;

// What becomes of a product: it replaces the output, or is added to it (a residual).
typedef enum { NT_STORE = 0, NT_ADD = 1 } nt_store;

typedef enum { NT_SILU = 0, NT_GELU_TANH = 1, NT_GELU_ERF = 2 } nt_activation;

// Pairs that rotary embedding turns: (i, i + d/2), or (2i, 2i + 1).
typedef enum { NT_HALF_SPLIT = 0, NT_INTERLEAVED = 1 } nt_rotary_layout;

// Threads that share each operation, the caller among them. One caller at a time.
typedef struct nt_workers nt_workers;

// `features`: "avx512", "avx2", "portable", or NULL for the best that this processor has. `scratch_floats` is the
// memory that each thread has for an operation. NULL when memory, threads or the features are not to be had.
nt_workers *nt_workers_create(int thread_count, size_t scratch_floats, const char *features);
void nt_workers_destroy(nt_workers *workers);
const char *nt_workers_features(const nt_workers *workers);

// Floats of scratch that nt_matmul needs for `columns`, and nt_attention for a context.
size_t nt_matmul_scratch(int64_t columns);
size_t nt_attention_scratch(int64_t context_count, int64_t heads_per_kv_head);

// out[m, n] = sum_k x[m, k] * w[n, k] + bias[n]. x is [row_count, columns], out [row_count, w.rows] with `out_stride`
// floats between rows. bias may be NULL.
void nt_matmul(nt_workers *workers, const nt_matrix *w, const float *bias, const float *x, int64_t row_count, float *out,
               int64_t out_stride, nt_store store);

// out[i] = the rows `ids[i]` of w as floats: [count, columns].
void nt_gather_rows(nt_workers *workers, const nt_matrix *w, const int32_t *ids, int64_t count, float *out);

// Root mean square norm of each row: x / sqrt(mean(x^2) + epsilon) * weight.
void nt_rms_norm(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride, int64_t columns,
                 const float *weight, float epsilon, float *out, int64_t out_stride);

// Layer norm of each row: (x - mean) / sqrt(variance + epsilon) * weight + bias.
void nt_layer_norm(nt_workers *workers, const float *x, int64_t row_count, int64_t columns, const float *weight,
                   const float *bias, float epsilon, float *out);

// Turns `head_count` heads of `head_dimension` of each row in place by its angles: cosines and sines are
// [row_count, rotary_dimension / 2].
void nt_rotary(nt_workers *workers, float *x, int64_t row_count, int64_t row_stride, int64_t head_count,
               int64_t head_dimension, int64_t rotary_dimension, const float *cosines, const float *sines,
               nt_rotary_layout layout);

// gate = activation(gate) * up, or gate = activation(gate) where up is NULL. Both [count].
void nt_activate(nt_workers *workers, nt_activation activation, float *gate, const float *up, int64_t count);

// A layer's K or V cache: [block][kv head][token in block][head dimension].
typedef struct {
    float *keys;
    float *values;
    int64_t block_size;
    int64_t kv_head_count;
    int64_t head_dimension;
} nt_kv_layer;

// Writes each token's K and V ([token_count, kv heads, head dimension], `row_stride` floats between tokens) to its slot; a
// negative slot is skipped: they are there already.
void nt_kv_write(nt_workers *workers, const nt_kv_layer *cache, const float *keys, const float *values,
                 int64_t row_stride, const int32_t *slots, int64_t token_count);

// Attention of each token over its sequence's positions (window lower bound) ... position.
// q [token_count, query heads, head dimension] with q_stride floats between tokens; out likewise with out_stride.
// token_rows[t]: the row of token t; block_tables + block_table_starts[row]: that row's blocks.
typedef struct {
    const float *queries;
    int64_t q_stride;
    float *out;
    int64_t out_stride;
    int64_t token_count;
    int64_t query_head_count;
    float scale;
    // Positions that a token sees, itself included; <= 0 means all.
    int64_t window;
    const int32_t *positions;
    const int32_t *token_rows;
    const int32_t *block_tables;
    const int32_t *block_table_starts;
} nt_attention_plan;

void nt_attention(nt_workers *workers, const nt_kv_layer *cache, const nt_attention_plan *plan);

// The plain references: the same order of summation, one element at a time, one thread. Tests compare bits.
void nt_reference_dequantize(uint32_t type, const void *source, float *out, int64_t count);
void nt_reference_matmul(const nt_matrix *w, const float *bias, const float *x, int64_t row_count, float *out,
                         int64_t out_stride, nt_store store);
void nt_reference_rms_norm(const float *x, int64_t row_count, int64_t row_stride, int64_t columns, const float *weight,
                           float epsilon, float *out, int64_t out_stride);
void nt_reference_layer_norm(const float *x, int64_t row_count, int64_t columns, const float *weight, const float *bias,
                             float epsilon, float *out);
void nt_reference_rotary(float *x, int64_t row_count, int64_t row_stride, int64_t head_count, int64_t head_dimension,
                         int64_t rotary_dimension, const float *cosines, const float *sines, nt_rotary_layout layout);
void nt_reference_activate(nt_activation activation, float *gate, const float *up, int64_t count);
void nt_reference_attention(const nt_kv_layer *cache, const nt_attention_plan *plan, float *scratch);

#endif
