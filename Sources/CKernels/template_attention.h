// Attention over the tiled types. Rows (a query head of a token) that read the same keys go through the context
// together, a chunk at a time: scores, weights, weighted values, and these are folded into what the chunks before
// gave.
#include "attention_cut.h"
#include "template_attention_f32.h"
#include "template_attention_vector.h"

// Vectors side by side, and rows at once: what the registers hold.
#if defined(NT_HAS_512) || defined(NT_HAS_512_FLOATS)
enum { NT_WIDE = 2, NT_BF16_ROWS = 12, NT_Q8_ROWS = 7 };
#else
enum { NT_WIDE = 1, NT_BF16_ROWS = 4, NT_Q8_ROWS = 4 };
#endif

// The tiles of a chunk that any row sees: first ..< last. The keys of others are some of these.
typedef struct {
    const char *keys[NT_CHUNK_TILES], *values[NT_CHUNK_TILES];
    int first, last;
} nt_tiles;

// What is being sent for: the tiles of the chunk that comes next, a line at a time, in the order in which they lie in
// memory. Blocks lie anywhere, so the processor's own prefetching does not find them; and requests that come in
// bursts are dropped.
typedef struct {
    const nt_tiles *tiles;
    int tile, last;
    // NULL when all has been sent for.
    const char *line, *end;
    size_t tile_bytes;
} nt_ahead;

// By value: what has an address would not stay in registers.
static nt_ahead nt_next_tile_ahead(nt_ahead ahead) {
    if (ahead.tile < ahead.last) ahead.tile++;
    ahead.line = ahead.tile < ahead.last ? ahead.tiles->keys[ahead.tile] : NULL;
    ahead.end = ahead.line ? ahead.line + ahead.tile_bytes : NULL;
    return ahead;
}

NT_INLINE void nt_send_for_line(nt_ahead *ahead) {
    if (!ahead->line) return;
    __builtin_prefetch(ahead->line, 0, 2);
    ahead->line += 64;
    if (__builtin_expect(ahead->line == ahead->end, 0)) *ahead = nt_next_tile_ahead(*ahead);
}

// The next lines, of which a tile has a multiple; where there are none, some that are at hand.
NT_INLINE const char *nt_take_lines(nt_ahead *ahead, int count, const char *at_hand) {
    const char *lines = ahead->line;
    if (!lines) return at_hand;
    ahead->line += count * 64;
    if (__builtin_expect(ahead->line == ahead->end, 0)) *ahead = nt_next_tile_ahead(*ahead);
    return lines;
}

// The tile `beside` places on, or where there is none the same again.
NT_INLINE int nt_tile_beside(const nt_tiles *tiles, int tile, int beside) {
    return tile + beside < tiles->last ? tile + beside : tile;
}

// Rows of one KV head that go through their context together.
typedef struct {
    int64_t token, first_row, row_count, kv_head;
    // Positions that the rows see, all together.
    int64_t start, end;
    int64_t first_chunk, last_chunk;
    const int32_t *table;
    // Groups of rows that the kernels compute at once: group g is rows groups[g] ..< groups[g + 1].
    int group_count;
    int groups[NT_PASS_GROUPS + 1];
} nt_pass;

// For each row: what becomes of the sums so far, and of the chunk's.
typedef struct {
    nt_v16 old, fresh, step;
} nt_fold_factors;

NT_INLINE void nt_fold_in(float *sums, nt_v16 chunk, const nt_fold_factors *fold, int row) {
    nt_put(sums, nt_fma(nt_load(sums), nt_splat(fold->old[row]), chunk * nt_splat(fold->fresh[row])));
}

#include "template_attention_bf16.h"
#include "template_attention_q8.h"
#include "template_attention_weights.h"

#include "template_attention_pass.h"
#include "template_attention_units.h"
