// How attention over the tiled types is cut into units, and what a thread works in. A unit is a few tokens and one KV
// head; where there are fewer of them than threads, each of their chunks is one.
#ifndef NT_ATTENTION_CUT_H
#define NT_ATTENTION_CUT_H

#include "cache_layout.h"
#include "kernel_set.h"

enum {
    // Tiles of a chunk.
    NT_CHUNK_TILES = NT_CHUNK / NT_TILE_POSITIONS,
    // Rows (a query head of a token) that go through the context together, so that it is read once for all: their
    // sums stay in the first cache beside a row of scores.
    NT_PASS_ROWS = 48,
    // Rows that the kernels compute at once at most. Their scores, their floats of state and their queries lie in
    // slots for so many, whatever the instruction set.
    NT_GROUP_ROWS = 12,
    // Groups of a pass at most: the smallest kernels compute four rows at once.
    NT_PASS_GROUPS = NT_PASS_ROWS / 4,
    // Floats from one row of scores to the next: not a power of two, so that rows do not meet in one set of the cache.
    NT_SCORE_STRIDE = NT_CHUNK + 16,
    // Floats before the sums of a partial result: maximum, sum of weights.
    NT_PARTIAL_HEAD = 16,
};

// The largest score of no position; its weight beside any other is nothing.
#define NT_NOWHERE (-1e30f)

// Scores are powers of two: this factor of the queries makes them so.
#define NT_LOG2_E 1.44269504f

// Queries of NT_Q8_0 have so many steps on either side of zero: 128 * 127, so that they are two signed bytes, the
// high one worth 128.
#define NT_QUERY_STEPS 16256.0f

// Weights of NT_Q8_0: fifteen bits for the largest of a chunk.
#define NT_WEIGHT_STEPS 32767.0f

struct nt_attention_cut {
    const nt_kv_layer *cache;
    const nt_attention_plan *plan;
    nt_cache_layout layout;
    // Floats of a row of sums: whole pairs of vectors.
    int64_t width;
    // Query heads of a KV head.
    int64_t group;
    int64_t tokens_per_unit;
    int64_t unit_count;
    // Chunks of the longest context where units are single chunks, otherwise 0. Then results go to the plan's partials:
    // [token][query head][chunk], each NT_PARTIAL_HEAD + width floats.
    int64_t chunk_count;
};

// A thread's memory; all of it is for one pass.
typedef struct {
    // [group][16 elements][row][pairs, of 32 or 64 bits, or quadruples of 64].
    void *queries;
    // Of NT_Q8_0: what a step of a query is worth [row], and what the offset of the keys adds [scale group][row].
    float *query_steps;
    int32_t *query_offsets;
    // Positions that a row sees: starts[row] ..< ends[row].
    int32_t *starts, *ends;
    // [row][position], and in the same place the weights.
    float *scores;
    // [row][width].
    float *sums;
    // [group][16 rows].
    float *maxima, *totals;
    // Values of the last tile, without what lies behind the context.
    char *last_values;
} nt_attention_memory;

static inline int64_t nt_sums_width(int64_t head_dimension) { return (head_dimension + 31) / 32 * 32; }

static inline float *nt_take_floats(float *base, size_t *used, size_t count) {
    float *taken = base ? base + *used : NULL;
    *used += (count + 15) / 16 * 16;
    return taken;
}

// Lays the memory out from `base`, which is aligned to 64 bytes, and returns its floats. Without a base it only counts.
static inline size_t nt_attention_lay_out(nt_attention_memory *memory, float *base, int64_t head_dimension) {
    const size_t width = (size_t)nt_sums_width(head_dimension), slots = NT_PASS_GROUPS * NT_GROUP_ROWS;
    size_t used = 0;
    memory->queries = nt_take_floats(base, &used, slots * width);
    memory->query_steps = nt_take_floats(base, &used, slots);
    memory->query_offsets = (int32_t *)nt_take_floats(base, &used, slots * (width / NT_KEY_GROUP));
    memory->starts = (int32_t *)nt_take_floats(base, &used, NT_PASS_ROWS);
    memory->ends = (int32_t *)nt_take_floats(base, &used, NT_PASS_ROWS);
    memory->scores = nt_take_floats(base, &used, NT_GROUP_ROWS * NT_SCORE_STRIDE);
    memory->sums = nt_take_floats(base, &used, NT_PASS_ROWS * width);
    memory->maxima = nt_take_floats(base, &used, NT_PASS_GROUPS * 16);
    memory->totals = nt_take_floats(base, &used, NT_PASS_GROUPS * 16);
    memory->last_values = (char *)nt_take_floats(base, &used, width * NT_TILE_POSITIONS / 2);
    return used;
}

#endif
