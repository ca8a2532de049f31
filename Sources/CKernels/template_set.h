// All kernels of one instruction set, and NT_KERNELS, which makes the set of them. Included once by each kernels_*.c,
// which says with which instructions.
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "kernel_set.h"
#include "template_vector.h"

#include "template_dequantize.h"

#include "packed.h"

#include "template_lanes.h"

#include "template_quantized.h"

#include "template_floats.h"

#include "template_packed.h"

#include "template_convert.h"

#include "template_rows.h"

#include "template_attention.h"

#define NT_NAME(suffix) #suffix
#define NT_KERNELS(suffix)                    \
    const nt_kernel_set nt_kernels_##suffix = { \
        .name = NT_NAME(suffix),              \
        .dequantize = nt_dequantize,          \
        .rows_at_once = NT_ROWS_AT_ONCE,      \
        .one_pass_rows = NT_ONE_PASS_ROWS,    \
        .tile = nt_packed_tile,               \
        .store = nt_store_tile,               \
        .convert = nt_convert_row,            \
        .rms_norm = nt_rms_norm_row,          \
        .layer_norm = nt_layer_norm_row,      \
        .rotary = nt_rotary_head,             \
        .activate = nt_activate_span,         \
        .peaks = nt_row_peaks,                \
        .attention = nt_attention_token,      \
        .attend = nt_attend_units,            \
        .fold_partials = nt_fold_partials,    \
    }
