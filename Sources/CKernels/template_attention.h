// Attention over the tiled types. Rows (a query head of a token) that read the same keys go through the context together, a
// chunk at a time: scores, weights, weighted values, and these are folded into what the chunks before gave.
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

// The tile `beside` places on, or where there is none the same again.
NT_INLINE int nt_tile_beside(const nt_tiles *tiles, int tile, int beside) {
    return tile + beside < tiles->last ? tile + beside : tile;
}

// For each row: what becomes of the sums so far, and of the chunk's.
typedef struct {
    nt_v16 old, fresh, step;
} nt_fold_factors;

NT_INLINE void nt_fold_in(float *sums, nt_v16 chunk, const nt_fold_factors *fold, int row) {
    nt_put(sums, nt_fma(nt_load(sums), nt_splat(fold->old[row]), chunk * nt_splat(fold->fresh[row])));
}

#include "template_attention_bf16.h"
#include "template_attention_q8.h"
#include "template_attention_pass.h"
#include "template_attention_units.h"
