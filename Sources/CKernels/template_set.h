// All kernels of one instruction set, and NT_KERNELS, which makes the set of them. Included once by each kernels_*.c, which says with which
// instructions.
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "kernel_set.h"
#include "template_vector.h"

#include "template_dequantize.h"

#include "template_matmul.h"

#include "template_rows.h"

#include "template_attention.h"

#define NT_NAME(suffix) #suffix
#define NT_KERNELS(suffix)                    \
    const nt_kernel_set nt_kernels_##suffix = { \
        .name = NT_NAME(suffix),              \
        .dequantize = nt_dequantize,          \
        .matmul = nt_matmul_rows,             \
        .rms_norm = nt_rms_norm_row,          \
        .layer_norm = nt_layer_norm_row,      \
        .rotary = nt_rotary_head,             \
        .activate = nt_activate_span,         \
        .attention = nt_attention_token,      \
    }
