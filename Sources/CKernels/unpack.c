// Rows of packed weights as floats again: what nt_reference_dequantize gives of the same weights, but for bfloats
// less than 2^-56, which are zero.
#include "packed.h"
#include "workers.h"

static uint16_t nt_half_at(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, 2);
    return bits;
}

// Input k of a block for output n, the offset taken.
static int nt_quant_at(uint32_t type, nt_layout layout, const uint8_t *block, int k, int n) {
    const uint8_t *quants = block + nt_quants_offset(layout);
    const int step = k / 4, byte = n * 4 + k % 4;
    if (type == NT_Q8_0) return quants[step * 128 + byte] - layout.offset;
    int q = quants[step % 4 * 128 + byte] >> step / 4 * 4 & 15;
    if (layout.bits == 1) q |= (block[byte] >> step & 1) << 4;
    if (layout.bits == 2) q |= (block[nt_plane_offset(layout, step / 4) + (size_t)byte] >> step % 4 * 2 & 3) << 4;
    return q - layout.offset;
}

static void nt_unpack_block(uint32_t type, const uint8_t *panel, int64_t b, int n, float *out) {
    const nt_layout layout = nt_layout_of(type);
    const uint8_t *block = panel + nt_block_offset(layout, b), *scales = block + nt_scales_offset(layout);
    const uint8_t *halves = layout.head ? panel + nt_head_offset(layout, b) : scales;
    const float scale = nt_half(nt_half_at(halves + n * 2));
    const float minimum = nt_has_minimum(type) ? nt_half(nt_half_at(halves + 64 + n * 2)) : 0;
    for (int k = 0; k < 32; k++) {
        const float q = (float)nt_quant_at(type, layout, block, k, n);
        if (type == NT_Q6_K)
            out[k] = scale * (float)(int8_t)scales[n + k / 16 * 32] * q;
        else if (layout.head)
            out[k] = scale * (float)scales[n] * q - minimum * (float)scales[n + 32];
        else
            out[k] = nt_has_minimum(type) ? q * scale + minimum : q * scale;
    }
}

void nt_unpack_row(const nt_packed *w, int64_t row, float *out) {
    const uint8_t *panel = (const uint8_t *)w->panels + (size_t)(row / NT_PANEL) * w->panel_bytes;
    const int n = (int)(row % NT_PANEL);
    if (nt_is_quantized(w->type)) {
        for (int64_t b = 0; b < w->columns / 32; b++) nt_unpack_block(w->type, panel, b, n, out + b * 32);
    } else if (w->type == NT_F32) {
        for (int64_t k = 0; k < w->columns; k++) memcpy(out + k, panel + (k * NT_PANEL + n) * 4, 4);
    } else if (w->type == NT_F16) {
        for (int64_t k = 0; k < w->columns; k++) out[k] = nt_half(nt_half_at(panel + (k * NT_PANEL + n) * 2));
    } else {
        for (int64_t k = 0; k < w->columns; k++)
            out[k] = nt_bfloat(nt_half_at(panel + (k / 2 * NT_PANEL * 2 + n * 2 + k % 2) * 2));
    }
}

typedef struct {
    const nt_packed *w;
    const int32_t *ids;
    float *out;
} nt_gather_packed_job;

static void nt_gather_packed_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_gather_packed_job *job = context;
    for (int64_t i = first; i < last; i++) nt_unpack_row(job->w, job->ids[i], job->out + i * job->w->columns);
}

void nt_gather_packed(nt_workers *workers, const nt_packed *w, const int32_t *ids, int64_t count, float *out) {
    nt_gather_packed_job job = {w, ids, out};
    nt_workers_run(workers, nt_gather_packed_task, &job, count);
}
