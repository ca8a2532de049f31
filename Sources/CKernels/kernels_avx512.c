// The kernels for avx512. The templates say what they compute; this file says with which instructions.
#if defined(__x86_64__)
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "kernel_set.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#include "template_vector.h"

#include "template_dequantize.h"

#include "template_matmul.h"

#include "template_rows.h"

#include "template_attention.h"
#pragma clang attribute pop

const nt_kernel_set nt_kernels_avx512 = {
    .name = "avx512",
    .dequantize = nt_dequantize,
    .matmul = nt_matmul_rows,
    .rms_norm = nt_rms_norm_row,
    .layer_norm = nt_layer_norm_row,
    .rotary = nt_rotary_head,
    .activate = nt_activate_span,
    .attention = nt_attention_token,
};
#endif
