// The kernels for any processor. The templates say what they compute; this file says with which instructions.
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "kernel_set.h"

#include "template_vector.h"

#include "template_dequantize.h"

#include "template_matmul.h"

#include "template_rows.h"

#include "template_attention.h"

const nt_kernel_set nt_kernels_portable = {
    .name = "portable",
    .dequantize = nt_dequantize,
    .matmul = nt_matmul_rows,
    .rms_norm = nt_rms_norm_row,
    .layer_norm = nt_layer_norm_row,
    .rotary = nt_rotary_head,
    .activate = nt_activate_span,
    .attention = nt_attention_token,
};
