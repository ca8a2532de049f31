// How a block of the cache lies in memory, for all kernels and the references.
//
// NT_F32: for each head keys [position][dimension], then values likewise.
// The tiled types: for each head a tile of 16 positions after the other. In a tile one vector holds the same elements
// of sixteen positions (keys), or of sixteen dimensions (values), as the dot product instructions take them:
//   NT_BF16  keys [dimension / 2][16 positions][2], values [8 pairs of positions][dimension][2]
//   NT_Q8_0  keys [dimension / 4][16 positions][4] as q + 128, scales [dimension / 32][16 positions] as BF16,
//            values [4 quadruples of positions][dimension][4], scales [16 positions] as BF16
// Dimensions are padded to a multiple of 16.
#ifndef NT_CACHE_LAYOUT_H
#define NT_CACHE_LAYOUT_H

#include <string.h>

#include "CKernels.h"

typedef struct {
    int64_t padded_dimension;
    // Within a tile, or for NT_F32 within a head's part of a block.
    size_t key_scales, values, value_scales;
    // Bytes of 16 positions of one head (NT_F32: of a whole block of one head).
    size_t tile_bytes;
    size_t head_bytes, block_bytes;
} nt_cache_layout;

static inline size_t nt_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

static inline nt_cache_layout nt_cache_layout_of(const nt_kv_layer *cache) {
    nt_cache_layout layout = {.padded_dimension = (cache->head_dimension + 15) / 16 * 16};
    const size_t padded = (size_t)layout.padded_dimension, tiles = (size_t)cache->block_size / NT_TILE_POSITIONS;
    if (cache->type == NT_F32) {
        layout.values = (size_t)(cache->block_size * cache->head_dimension) * sizeof(float);
        layout.tile_bytes = layout.head_bytes = 2 * layout.values;
    } else if (cache->type == NT_BF16) {
        layout.values = padded * 32;
        layout.tile_bytes = 2 * layout.values;
        layout.head_bytes = tiles * layout.tile_bytes;
    } else {
        const size_t groups = (padded + NT_KEY_GROUP - 1) / NT_KEY_GROUP;
        layout.key_scales = padded * 16;
        layout.values = nt_lines(layout.key_scales + groups * 32);
        layout.value_scales = layout.values + padded * 16;
        layout.tile_bytes = nt_lines(layout.value_scales + 32);
        layout.head_bytes = tiles * layout.tile_bytes;
    }
    layout.block_bytes = (size_t)cache->kv_head_count * layout.head_bytes;
    return layout;
}

// A head's part of a block.
static inline char *nt_cache_head(const nt_kv_layer *cache, const nt_cache_layout *layout, int64_t block,
                                  int64_t head) {
    return (char *)cache->storage + (size_t)block * layout->block_bytes + (size_t)head * layout->head_bytes;
}

// The tile of a position within its block.
static inline char *nt_cache_tile(const nt_kv_layer *cache, const nt_cache_layout *layout, int64_t block, int64_t head,
                                  int64_t offset) {
    return nt_cache_head(cache, layout, block, head) + (size_t)(offset / NT_TILE_POSITIONS) * layout->tile_bytes;
}

// What is less than this has no steps that could be divided by: it is zero.
#define NT_LEAST_STEP 0x1p-110f

// Rounded to nearest even; less than 2^-56 becomes zero. Then every product of two, and every sum of products, is
// zero or at least 2^-126: whether an instruction flushes subnormal numbers makes no difference.
static inline uint16_t nt_cache_bfloat(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = (bits & 0x7FFFFFFF) < 0x23800000 ? 0 : bits;
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#endif
