// Weights from how they lie in a file into panels, once at load.
#include "packed.h"
#include "workers.h"

// One output's part of a block, as it lies in a panel: for each step four quants, or two steps' nibbles; its bits of
// the plane; its scales.
typedef struct {
    uint32_t quants[8];
    uint32_t plane[2];
    uint16_t scale, minimum;
    // Bytes of types with a head: scale and minimum, or the scales of the halves.
    uint8_t small[2];
} nt_part;

static inline uint32_t nt_word(const void *p, int index) {
    uint32_t word;
    memcpy(&word, (const char *)p + index * 4, 4);
    return word;
}

// Bit k of 32 to bit k / 4 of byte k % 4.
static uint32_t nt_plane_of(const uint8_t *high) {
    uint32_t plane = 0;
    for (int step = 0; step < 8; step++) {
        const uint32_t four = high[step / 2] >> step % 2 * 4 & 15;
        // One bit to each byte.
        plane |= (four * 0x00204081 & 0x01010101) << step;
    }
    return plane;
}

// Nibbles of 16 and 16 inputs that lie in one half of 32 bytes each.
static void nt_pair_nibbles(const uint8_t *bytes, int shift, nt_part *part) {
    for (int j = 0; j < 4; j++) {
        const uint32_t low = nt_word(bytes, j) >> shift, high = nt_word(bytes, j + 4) >> shift;
        part->quants[j] = (low & 0x0F0F0F0F) | (high & 0x0F0F0F0F) << 4;
    }
}

static void nt_copy_nibbles(const uint8_t *quants, nt_part *part) { memcpy(part->quants, quants, 16); }

static void nt_read_k(uint16_t scale, uint16_t minimum, const uint8_t *scales, const uint8_t *quants, int group,
                      nt_part *part) {
    part->scale = scale;
    part->minimum = minimum;
    part->small[0] = nt_k_scale(scales, group);
    part->small[1] = nt_k_minimum(scales, group);
    nt_pair_nibbles(quants + group / 2 * 32, group % 2 * 4, part);
}

static void nt_read_q6_k(const nt_block_q6_k *block, int group, nt_part *part) {
    const int half = group / 4, run = group % 4;
    const uint8_t *high = block->high + half * 32;
    part->scale = block->scale;
    memcpy(part->small, block->scales + half * 8 + run * 2, 2);
    nt_pair_nibbles(block->low + half * 64 + run % 2 * 32, run / 2 * 4, part);
    part->plane[0] = part->plane[1] = 0;
    for (int step = 0; step < 8; step++)
        part->plane[step / 4] |= (nt_word(high, step) >> run * 2 & 0x03030303) << step % 4 * 2;
}

// Block b of a row.
static void nt_read_part(uint32_t type, const void *row, int64_t b, nt_part *part) {
    switch (type) {
    case NT_Q8_0: {
        const nt_block_q8_0 *block = (const nt_block_q8_0 *)row + b;
        part->scale = block->scale;
        // Adds 128 to each byte.
        for (int step = 0; step < 8; step++) part->quants[step] = nt_word(block->quants, step) ^ 0x80808080;
        break;
    }
    case NT_Q4_0: {
        const nt_block_q4_0 *block = (const nt_block_q4_0 *)row + b;
        part->scale = block->scale;
        nt_copy_nibbles(block->quants, part);
        break;
    }
    case NT_Q4_1: {
        const nt_block_q4_1 *block = (const nt_block_q4_1 *)row + b;
        part->scale = block->scale;
        part->minimum = block->minimum;
        nt_copy_nibbles(block->quants, part);
        break;
    }
    case NT_Q5_0: {
        const nt_block_q5_0 *block = (const nt_block_q5_0 *)row + b;
        part->scale = block->scale;
        part->plane[0] = nt_plane_of(block->high);
        nt_copy_nibbles(block->quants, part);
        break;
    }
    case NT_Q5_1: {
        const nt_block_q5_1 *block = (const nt_block_q5_1 *)row + b;
        part->scale = block->scale;
        part->minimum = block->minimum;
        part->plane[0] = nt_plane_of(block->high);
        nt_copy_nibbles(block->quants, part);
        break;
    }
    case NT_Q4_K: {
        const nt_block_q4_k *block = (const nt_block_q4_k *)row + b / 8;
        nt_read_k(block->scale, block->minimum, block->scales, block->quants, (int)(b % 8), part);
        break;
    }
    case NT_Q5_K: {
        const nt_block_q5_k *block = (const nt_block_q5_k *)row + b / 8;
        const int group = (int)(b % 8);
        nt_read_k(block->scale, block->minimum, block->scales, block->quants, group, part);
        part->plane[0] = 0;
        for (int step = 0; step < 8; step++)
            part->plane[0] |= (nt_word(block->high, step) >> group & 0x01010101) << step;
        break;
    }
    case NT_Q6_K: nt_read_q6_k((const nt_block_q6_k *)row + b / 8, (int)(b % 8), part); break;
    default: __builtin_trap();  // nt_is_quantized says no.
    }
}

static void nt_put_part(nt_layout layout, const nt_part *part, uint8_t *panel, int64_t b, int n) {
    uint8_t *block = panel + nt_block_offset(layout, b), *scales = block + nt_scales_offset(layout);
    uint8_t *halves = layout.head ? panel + nt_head_offset(layout, b) : scales;
    memcpy(halves + n * 2, &part->scale, 2);
    if (layout.head == 2 || layout.scales == 2) memcpy(halves + 64 + n * 2, &part->minimum, 2);
    if (layout.head) {
        scales[n] = part->small[0];
        scales[n + 32] = part->small[1];
    }
    uint8_t *quants = block + nt_quants_offset(layout);
    for (int j = 0; j < layout.quants / 2; j++) memcpy(quants + j * 128 + n * 4, &part->quants[j], 4);
    for (int j = 0; j < layout.bits; j++) memcpy(block + nt_plane_offset(layout, j) + n * 4, &part->plane[j], 4);
}

// Two bfloats, or one and zero.
static inline void nt_put_pair(const char *weights, int is_whole, uint8_t *place) {
    uint16_t first, second = 0;
    memcpy(&first, weights, 2);
    if (is_whole) memcpy(&second, weights + 2, 2);
    const uint32_t pair = (uint32_t)nt_sizable(second) << 16 | nt_sizable(first);
    memcpy(place, &pair, 4);
}

// Columns first ..< last of one output; `last` is even but for the matrix's last.
static void nt_put_floats(uint32_t type, const char *row, int64_t first, int64_t last, uint8_t *panel, int n) {
    if (type == NT_F32) {
        for (int64_t k = first; k < last; k++) memcpy(panel + (k * NT_PANEL + n) * 4, row + k * 4, 4);
    } else if (type == NT_F16) {
        for (int64_t k = first; k < last; k++) memcpy(panel + (k * NT_PANEL + n) * 2, row + k * 2, 2);
    } else {
        for (int64_t k = first; k < last; k += 2)
            nt_put_pair(row + k * 2, k + 1 < last, panel + (k / 2 * NT_PANEL + n) * 4);
    }
}

// Columns that are packed for all outputs before the next: a row is read in long runs, and what they fill stays in the
// second-level cache.
enum { NT_PACKED_AT_ONCE = 1024 };

static void nt_pack_panel(const nt_matrix *w, int64_t first, uint8_t *panel, size_t panel_bytes) {
    const nt_layout layout = nt_layout_of(w->type);
    const int outputs = w->rows - first < NT_PANEL ? (int)(w->rows - first) : NT_PANEL;
    if (outputs < NT_PANEL) memset(panel, 0, panel_bytes);
    for (int64_t start = 0; start < w->columns; start += NT_PACKED_AT_ONCE) {
        const int64_t end = start + NT_PACKED_AT_ONCE < w->columns ? start + NT_PACKED_AT_ONCE : w->columns;
        for (int n = 0; n < outputs; n++) {
            const char *row = (const char *)w->data + (size_t)(first + n) * w->row_bytes;
            if (nt_is_quantized(w->type)) {
                nt_part part;
                for (int64_t b = start / 32; b < end / 32; b++) {
                    nt_read_part(w->type, row, b, &part);
                    nt_put_part(layout, &part, panel, b, n);
                }
            } else {
                nt_put_floats(w->type, row, start, end, panel, n);
            }
        }
    }
}

typedef struct {
    const nt_matrix *w;
    uint8_t *panels;
    size_t panel_bytes;
} nt_pack_job;

static void nt_pack_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_pack_job *job = context;
    for (int64_t p = first; p < last; p++)
        nt_pack_panel(job->w, p * NT_PANEL, job->panels + (size_t)p * job->panel_bytes, job->panel_bytes);
}

void nt_pack(nt_workers *workers, const nt_matrix *w, void *panels) {
    nt_pack_job job = {w, panels, nt_packed_panel_bytes(w->type, w->columns)};
    nt_workers_run(workers, nt_pack_task, &job, (w->rows + NT_PANEL - 1) / NT_PANEL);
}

size_t nt_packed_panel_bytes(uint32_t type, int64_t columns) {
    if (type == NT_F32) return (size_t)columns * NT_PANEL * 4;
    if (type == NT_F16) return (size_t)columns * NT_PANEL * 2;
    if (type == NT_BF16) return (size_t)(columns + 1) / 2 * NT_PANEL * 4;
    const nt_layout layout = nt_layout_of(type);
    const int64_t blocks = columns / 32;
    return (size_t)blocks * nt_block_bytes(layout) + (size_t)(blocks / 8) * layout.head * 64;
}
