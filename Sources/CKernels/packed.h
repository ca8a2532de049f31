// How weights lie in panels, and activations in rows.
//
// A panel is 32 outputs. Quantised types go block by block of 32 inputs; within a block, step s (0 ... 7) is inputs
// 4s ... 4s+3, and 128 bytes hold them for all outputs: output n has bytes 4n ... 4n+3. In this order, in which a
// tile reads it (the processor's prefetching follows nothing else as well):
//
//   plane     the bits above the nibbles. One bit: 128 bytes, bit s of each is step s. Two bits: 128 bytes, bits 2s and
//             2s+1 of each are step s < 4; those of the other steps follow the quants
//   quants    Q8_0: 8 steps x 128 bytes, q + 128. Others: 4 x 128 bytes; the low nibbles of the j-th are step j, the
//             high ones step j + 4
//   scales    what the type has: 32 halves, 32 halves of minima, or bytes (below)
//
// Types in blocks of 256 lead each eight blocks with a head of halves: the scale, and the minimum where there is one.
// A block's own scales are then bytes: 32 scales and 32 minima (Q4_K, Q5_K), or 2 x 32 signed scales for the two
// halves of the inputs (Q6_K). That is exact: half x byte has at most 19 bits.
//
// BF16: inputs in pairs, [K / 2][32][2]. F16: [K][32]. F32: [K][32]. What is missing to a whole pair or panel is zero.
#ifndef NT_PACKED_H
#define NT_PACKED_H

#include "CKernels.h"
#include "blocks.h"

#define NT_PANEL 32
#define NT_Q8_BLOCK 48

// A block of activations: the quants and their scale, and what each row of weights would compute anew from them: the
// scale times their sum, which a minimum is multiplied with; -128 times their sum and the first half's, what an
// offset of 128 of the weights is worth.
typedef struct {
    int8_t quants[32];
    float scale;
    float scaled_sum;
    int32_t offset;
    int32_t first_offset;
} nt_row_block;

_Static_assert(sizeof(nt_row_block) == NT_Q8_BLOCK, "");

// Parts of a block of 32 outputs x 32 inputs, in units of 64 bytes.
typedef struct {
    uint8_t head;    // before each eight blocks
    uint8_t scales;
    uint8_t quants;
    uint8_t plane;
    uint8_t bits;    // of the plane, for each weight
    uint8_t offset;  // taken from the unsigned quants
} nt_layout;

static inline nt_layout nt_layout_of(uint32_t type) {
    switch (type) {
    case NT_Q8_0: return (nt_layout){0, 1, 16, 0, 0, 128};
    case NT_Q4_0: return (nt_layout){0, 1, 8, 0, 0, 8};
    case NT_Q4_1: return (nt_layout){0, 2, 8, 0, 0, 0};
    case NT_Q5_0: return (nt_layout){0, 1, 8, 2, 1, 16};
    case NT_Q5_1: return (nt_layout){0, 2, 8, 2, 1, 0};
    case NT_Q4_K: return (nt_layout){2, 1, 8, 0, 0, 0};
    case NT_Q5_K: return (nt_layout){2, 1, 8, 2, 1, 0};
    case NT_Q6_K: return (nt_layout){1, 1, 8, 4, 2, 32};
    default: return (nt_layout){0, 0, 0, 0, 0, 0};
    }
}

static inline int nt_is_quantized(uint32_t type) { return nt_layout_of(type).quants > 0; }

static inline int nt_has_minimum(uint32_t type) {
    return type == NT_Q4_1 || type == NT_Q5_1 || type == NT_Q4_K || type == NT_Q5_K;
}

static inline size_t nt_block_bytes(nt_layout layout) {
    return (size_t)(layout.scales + layout.quants + layout.plane) * 64;
}

// The parts of a block. `half`: of the steps, where the plane has two bits.
static inline size_t nt_quants_offset(nt_layout layout) { return layout.plane ? 128 : 0; }
static inline size_t nt_plane_offset(nt_layout layout, int half) {
    return half ? nt_quants_offset(layout) + (size_t)layout.quants * 64 : 0;
}
static inline size_t nt_scales_offset(nt_layout layout) { return (size_t)(layout.plane + layout.quants) * 64; }

// Where block b of a panel begins; the head of its eight lies before the first of them.
static inline size_t nt_block_offset(nt_layout layout, int64_t b) {
    return (size_t)b * nt_block_bytes(layout) + (size_t)(b / 8 + 1) * layout.head * 64;
}

static inline size_t nt_head_offset(nt_layout layout, int64_t b) {
    return nt_block_offset(layout, b / 8 * 8) - (size_t)layout.head * 64;
}

static inline int64_t nt_panel_count(const nt_packed *w) { return (w->rows + NT_PANEL - 1) / NT_PANEL; }

// A bfloat less than 2^-56 counts as zero, as a weight and as an activation. Then every product of two, and every sum
// of products, is zero or at least 2^-126, and it never shows that the processor's unit takes subnormal numbers as
// zero.
static inline uint16_t nt_sizable(uint16_t bits) { return (bits & 0x7FFF) < (127 - 56) << 7 ? bits & 0x8000 : bits; }

#endif
