// Arithmetic and the thread pool, nothing else. Calls are synchronous, allocate nothing and keep no pointer;
// nt_workers_create is the one that allocates.
//
// One row, one answer: every output element has one fixed order of summation, which depends on no other row, on no
// thread count and on no instruction set. A product is one chain (nt_product). A sum over a row is sixteen chains of
// fused multiply-adds (lane k mod 16, k ascending), folded as a tree: lane i takes lane i + 8, then i + 4, i + 2, i +
// 1.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "nt_cache.h"
#include "nt_digest.h"
#include "nt_measure.h"
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

// `features`: the name of a set (features.c), or NULL for the best that this processor has. `scratch_floats` is the
// memory that each thread has for an operation. NULL when memory, threads or the features are not to be had.
nt_workers *nt_workers_create(int thread_count, size_t scratch_floats, const char *features);
void nt_workers_destroy(nt_workers *workers);
const char *nt_workers_features(const nt_workers *workers);
int nt_has_features(const char *features);

// Calls `body` for parts of 0 ..< count, on all threads. For work that is done once and is no kernel.
void nt_split(nt_workers *workers, int64_t count, void (*body)(void *context, int64_t first, int64_t last),
              void *context);

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

// Scores of a row that share a peak.
enum { NT_PEAK_RUN = 64 };

// peaks[i, r] = the highest of the r-th run of NT_PEAK_RUN of x[i, ...], the last one perhaps shorter; infinity where the
// run holds NaN or infinity. peaks: [row_count, (columns + NT_PEAK_RUN - 1) / NT_PEAK_RUN].
void nt_peaks(nt_workers *workers, const float *x, int64_t row_count, int64_t columns, float *peaks);

// How rows of activations lie for packed weights. NT_ROWS_Q8: blocks of 32 signed bytes with their scale and sums.
// NT_ROWS_BF16: whole pairs, less than 2^-56 as zero.
typedef enum { NT_ROWS_F32 = 0, NT_ROWS_BF16 = 1, NT_ROWS_Q8 = 2 } nt_row_kind;

typedef struct {
    void *data;
    nt_row_kind kind;
    int64_t columns;
    size_t row_bytes;
} nt_rows;

size_t nt_row_bytes(nt_row_kind kind, int64_t columns);

// Number of the layout of packed weights: whoever keeps them in a file keeps it beside them.
enum { NT_PACKED_LAYOUT = 1 };

// Weights in panels of 32 outputs, made for the unit that computes them, alike for all instruction sets: packed.h.
// `type` is that of the matrix.
typedef struct {
    const void *panels;
    uint32_t type;
    int64_t rows;
    int64_t columns;
    size_t panel_bytes;
} nt_packed;

// A multiple of 64; there are (rows + 31) / 32 panels.
size_t nt_packed_panel_bytes(uint32_t type, int64_t columns);
nt_row_kind nt_packed_input(uint32_t type);
// `panels` is aligned to 64 bytes.
void nt_pack(nt_workers *workers, const nt_matrix *w, void *panels);
// A row as floats; bfloats less than 2^-56 are zero.
void nt_unpack_row(const nt_packed *w, int64_t row, float *out);
// out[i] = the rows `ids[i]` of w as floats: [count, columns].
void nt_gather_packed(nt_workers *workers, const nt_packed *w, const int32_t *ids, int64_t count, float *out);

// One of several products of one input: out[m, n] (+)= sum_k x[m, k] * w[n, k] + bias[n]. bias may be NULL.
//
// A sum is one chain of fused multiply-adds, k or block ascending. F32, F16: weight times activation. BF16: of each
// pair the second product, then the first. A quantised block: its sum of whole products, exact, times (weights' scale
// * activations' scale); then, for types with a minimum, that times (activations' scale * their sum). Q6_K multiplies
// the sums of the halves by their whole scales first.
typedef struct {
    const nt_packed *w;
    const float *bias;
    float *out;
    int64_t out_stride;
    nt_store store;
} nt_product;

// All products in one pass. Their weights read rows of the input's kind.
void nt_project(nt_workers *workers, const nt_product *products, int count, const nt_rows *input, int64_t row_count);

// Rows of output = activation(gate) * up, or activation(gate) where up is NULL, converted while they are hot.
void nt_project_gated(nt_workers *workers, const nt_product *gate, const nt_product *up, nt_activation activation,
                      const nt_rows *input, int64_t row_count, const nt_rows *output);

// Norm of each row (root mean square where bias is NULL), to rows of any kind, and as floats where floats is not
// NULL. Takes nt_norm_scratch floats of scratch.
void nt_norm_rows(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride, int64_t columns,
                  const float *weight, const float *bias, float epsilon, const nt_rows *output, float *floats,
                  int64_t floats_stride);
size_t nt_norm_scratch(int64_t columns);
void nt_convert_rows(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride, const nt_rows *output);

// The plain references: the same order of summation, one element at a time, one thread. Tests compare bits.
void nt_reference_dequantize(uint32_t type, const void *source, float *out, int64_t count);
void nt_reference_project(const nt_matrix *w, const float *bias, const nt_rows *input, int64_t row_count, float *out,
                          int64_t out_stride, nt_store store);
void nt_reference_convert(nt_row_kind kind, const float *x, int64_t columns, void *row);
void nt_reference_rms_norm(const float *x, int64_t row_count, int64_t row_stride, int64_t columns, const float *weight,
                           float epsilon, float *out, int64_t out_stride);
void nt_reference_layer_norm(const float *x, int64_t row_count, int64_t columns, const float *weight, const float *bias,
                             float epsilon, float *out);
void nt_reference_rotary(float *x, int64_t row_count, int64_t row_stride, int64_t head_count, int64_t head_dimension,
                         int64_t rotary_dimension, const float *cosines, const float *sines, nt_rotary_layout layout);
void nt_reference_activate(nt_activation activation, float *gate, const float *up, int64_t count);
void nt_reference_peaks(const float *x, int64_t row_count, int64_t columns, float *peaks);

#endif
