// The arithmetic of one instruction set. operations.c splits the work over threads and calls these for a part.
#ifndef NT_KERNEL_SET_H
#define NT_KERNEL_SET_H

#include "CKernels.h"

// A call of nt_attention, cut into units: attention_cut.h.
typedef struct nt_attention_cut nt_attention_cut;

typedef struct {
    const char *name;
    void (*dequantize)(uint32_t type, const void *source, float *out, int64_t count);
    // Rows of a tile of packed products at most.
    int rows_at_once;
    // So many rows at most read a panel in one pass.
    int one_pass_rows;
    // Products of `rows` rows from `a` with a panel: tile[row][32]. `next` is prefetched, `lines` cache lines for
    // each block of 32 inputs, or 16 steps of floats.
    void (*tile)(uint32_t type, int rows, const uint8_t *panel, int64_t columns, const uint8_t *a, size_t stride,
                 float *tile, const uint8_t *next, int lines);
    // out[row][n] (+)= tile[row][n] + bias[n] for n < width; bias may be NULL.
    void (*store)(const float *tile, int64_t rows, int64_t width, const float *bias, float *out, int64_t out_stride,
                  nt_store store);
    void (*convert)(nt_row_kind kind, const float *x, int64_t columns, uint8_t *row);
    void (*rms_norm)(const float *x, int64_t columns, const float *weight, float epsilon, float *out);
    void (*layer_norm)(const float *x, int64_t columns, const float *weight, const float *bias, float epsilon,
                       float *out);
    void (*rotary)(float *head, int64_t rotary_dimension, const float *cosines, const float *sines,
                   nt_rotary_layout layout);
    void (*activate)(nt_activation activation, float *gate, const float *up, int64_t count);
    // The peaks of runs, the first of which starts at x.
    void (*peaks)(const float *x, int64_t count, float *peaks);
    // Over a cache of NT_F32: all query heads of one KV head for one token. scratch: heads per KV head x context.
    void (*attention)(const nt_kv_layer *cache, const nt_attention_plan *plan, int64_t token, int64_t kv_head,
                      float *scratch);
    // Over the tiled types: units first ..< last, and the folding of query heads first ..< last of all tokens where
    // units are chunks. scratch: nt_attention_scratch.
    void (*attend)(const nt_attention_cut *cut, int64_t first, int64_t last, float *scratch);
    void (*fold_partials)(const nt_attention_cut *cut, int64_t first, int64_t last, float *scratch);
} nt_kernel_set;

extern const nt_kernel_set nt_kernels_portable;
#if defined(__x86_64__)
extern const nt_kernel_set nt_kernels_avx2;
extern const nt_kernel_set nt_kernels_avxvnni;
extern const nt_kernel_set nt_kernels_avx512;
extern const nt_kernel_set nt_kernels_avx512vnni;
extern const nt_kernel_set nt_kernels_avx512bf16;
#elif defined(__aarch64__)
extern const nt_kernel_set nt_kernels_neondot;
#endif

#endif
