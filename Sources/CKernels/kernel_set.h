// The arithmetic of one instruction set. operations.c splits the work over threads and calls these for a part.
#ifndef NT_KERNEL_SET_H
#define NT_KERNEL_SET_H

#include "CKernels.h"

// Weight rows that a task of nt_matmul computes together: eight chains hide the latency of a fused multiply-add.
#define NT_TILE 8

typedef struct {
    const char *name;
    void (*dequantize)(uint32_t type, const void *source, float *out, int64_t count);
    // Outputs first ..< last for all rows of x. scratch: NT_TILE padded rows.
    void (*matmul)(const nt_matrix *w, const float *bias, const float *x, int64_t row_count, float *out,
                   int64_t out_stride, nt_store store, int64_t first, int64_t last, float *scratch);
    void (*rms_norm)(const float *x, int64_t columns, const float *weight, float epsilon, float *out);
    void (*layer_norm)(const float *x, int64_t columns, const float *weight, const float *bias, float epsilon, float *out);
    void (*rotary)(float *head, int64_t rotary_dimension, const float *cosines, const float *sines,
                   nt_rotary_layout layout);
    void (*activate)(nt_activation activation, float *gate, const float *up, int64_t count);
    // All query heads of one KV head for one token. scratch: heads per KV head x context.
    void (*attention)(const nt_kv_layer *cache, const nt_attention_plan *plan, int64_t token, int64_t kv_head,
                      float *scratch);
} nt_kernel_set;

extern const nt_kernel_set nt_kernels_portable;
#if defined(__x86_64__)
extern const nt_kernel_set nt_kernels_avx2;
extern const nt_kernel_set nt_kernels_avx512;
#endif

#endif
