// The paged cache of keys and values, and attention over it.
//
// One token, one answer: the context is cut at absolute multiples of NT_CHUNK positions, each chunk gives (maximum,
// sum, weighted values), and these are folded from left to right. So a token's result depends on no other token of
// the step, on no cut of its prompt, on no thread count and on no instruction set. (NT_F32 has its own order: two
// passes over the whole context.)
#ifndef NT_CACHE_H
#define NT_CACHE_H

#include <stddef.h>
#include <stdint.h>

typedef struct nt_workers nt_workers;

enum {
    // Positions that the tiled types keep together: the block size is a multiple of it.
    NT_TILE_POSITIONS = 16,
    // Positions of a chunk of the context.
    NT_CHUNK = 256,
    // Elements of a key that share a scale in NT_Q8_0.
    NT_KEY_GROUP = 32,
};

// A layer's cache: `storage` is [block], each of nt_kv_block_bytes, 64-byte aligned. A block is one run of memory:
// whoever copies it copies its tokens.
typedef struct {
    void *storage;
    // NT_F32: exact. NT_BF16: rounded to nearest even, less than 2^-56 to zero. NT_Q8_0: bytes, a scale for each 32
    // elements of a key and for each value.
    uint32_t type;
    int64_t block_size;
    int64_t kv_head_count;
    int64_t head_dimension;
} nt_kv_layer;

// Bytes of one block, K and V of all heads; 0 where there is no such cache: another type, or a block size that the type
// cannot have.
size_t nt_kv_block_bytes(uint32_t type, int64_t block_size, int64_t kv_head_count, int64_t head_dimension);

// Writes each token's K and V ([token_count, kv heads, head dimension], `row_stride` floats between tokens) to its
// slot; a negative slot is skipped: they are there already. No two tokens have the same slot.
void nt_kv_write(nt_workers *workers, const nt_kv_layer *cache, const float *keys, const float *values,
                 int64_t row_stride, const int32_t *slots, int64_t token_count);

// Attention of each token over its sequence's positions (window lower bound) ... position. queries [token_count,
// query heads, head dimension] with q_stride floats between tokens; out likewise with out_stride. token_rows[t]: the
// row of token t; block_tables + block_table_starts[row]: that row's blocks. Tokens of a row that follow each other
// are computed together.
typedef struct {
    const float *queries;
    int64_t q_stride;
    float *out;
    int64_t out_stride;
    int64_t token_count;
    int64_t query_head_count;
    float scale;
    // Positions that a token sees, itself included; <= 0 means all.
    int64_t window;
    const int32_t *positions;
    const int32_t *token_rows;
    const int32_t *block_tables;
    const int32_t *block_table_starts;
    // Few tokens with long contexts are cut into chunks for all threads where there is room for their results:
    // nt_attention_partials floats or fewer. May be NULL and 0; never shows in the result.
    float *partials;
    size_t partial_count;
} nt_attention_plan;

void nt_attention(nt_workers *workers, const nt_kv_layer *cache, const nt_attention_plan *plan);

// Floats of scratch that nt_attention needs for each thread. Only NT_F32 needs more for a longer context.
size_t nt_attention_scratch(uint32_t type, int64_t head_dimension, int64_t heads_per_kv_head, int64_t context_count);

// Floats with which `token_count` tokens of up to `context_count` positions can be cut into chunks.
size_t nt_attention_partials(int64_t token_count, int64_t query_head_count, int64_t head_dimension,
                             int64_t context_count);

// The plain reference: scalar, one thread. Tests compare bits. scratch: floats of the context, or of two heads if
// those are more.
void nt_reference_attention(const nt_kv_layer *cache, const nt_attention_plan *plan, float *scratch);

// K and V of one slot and head as floats: what attention sees.
void nt_reference_kv_read(const nt_kv_layer *cache, int64_t slot, int64_t kv_head, float *key, float *value);

#endif
