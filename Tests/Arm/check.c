// Packed products and attention of each set of instructions against the plain references, bit for bit; as a program, so that it
// runs where Swift does not.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

enum { ROWS = 70, COLUMNS = 512, TOKENS = 9 };

static uint64_t state = 88172645463325252u;
static uint32_t bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}
static float number(void) { return (float)(bits() % 20001) / 10000.0f - 1; }
static uint16_t half_of(float x) {
    _Float16 half = (_Float16)x;
    uint16_t raw;
    memcpy(&raw, &half, 2);
    return raw;
}

// Bytes and elements of a block, and where its scales are.
typedef struct {
    const char *name;
    uint32_t type;
    int bytes, elements, scale, minimum;
} format;

static const format formats[] = {
    {"F32", NT_F32, 4, 1, -1, -1},      {"F16", NT_F16, 2, 1, -1, -1},      {"BF16", NT_BF16, 2, 1, -1, -1},
    {"Q4_0", NT_Q4_0, 18, 32, 0, -1},   {"Q4_1", NT_Q4_1, 20, 32, 0, 2},    {"Q5_0", NT_Q5_0, 22, 32, 0, -1},
    {"Q5_1", NT_Q5_1, 24, 32, 0, 2},    {"Q8_0", NT_Q8_0, 34, 32, 0, -1},   {"Q4_K", NT_Q4_K, 144, 256, 0, 2},
    {"Q5_K", NT_Q5_K, 176, 256, 0, 2},  {"Q6_K", NT_Q6_K, 210, 256, 208, -1},
};

static void fill(const format *f, uint8_t *block) {
    for (int i = 0; i < f->bytes; i++) block[i] = (uint8_t)bits();
    const float x = number();
    const uint16_t scale = half_of(x * 0.01f), minimum = half_of(number() * 0.1f);
    if (f->type == NT_F32) memcpy(block, &x, 4);
    if (f->type == NT_F16) memcpy(block, &(uint16_t){half_of(x)}, 2);
    if (f->type == NT_BF16) memcpy(block, (const char *)&x + 2, 2);
    if (f->scale >= 0) memcpy(block + f->scale, &scale, 2);
    if (f->minimum >= 0) memcpy(block + f->minimum, &minimum, 2);
}

static int check_product(const char *set, nt_workers *workers, const format *f) {
    const size_t row_bytes = (size_t)(COLUMNS / f->elements * f->bytes);
    uint8_t *weights = malloc(row_bytes * ROWS);
    for (size_t i = 0; i < row_bytes * ROWS; i += (size_t)f->bytes) fill(f, weights + i);
    const nt_matrix w = {weights, f->type, ROWS, COLUMNS, row_bytes};
    const size_t panel_bytes = nt_packed_panel_bytes(f->type, COLUMNS);
    void *panels = aligned_alloc(64, panel_bytes * ((ROWS + 31) / 32));
    nt_pack(workers, &w, panels);
    const nt_packed packed = {panels, f->type, ROWS, COLUMNS, panel_bytes};
    static float x[TOKENS * COLUMNS], found[TOKENS * ROWS], expected[TOKENS * ROWS];
    for (int i = 0; i < TOKENS * COLUMNS; i++) x[i] = number();
    const nt_row_kind kind = nt_packed_input(f->type);
    const size_t input_bytes = nt_row_bytes(kind, COLUMNS);
    nt_rows rows = {aligned_alloc(64, (input_bytes * TOKENS + 63) / 64 * 64), kind, COLUMNS, input_bytes};
    uint8_t *plain = calloc(TOKENS, input_bytes);
    nt_convert_rows(workers, x, TOKENS, COLUMNS, &rows);
    for (int t = 0; t < TOKENS; t++) nt_reference_convert(kind, x + t * COLUMNS, COLUMNS, plain + (size_t)t * input_bytes);
    int wrong = memcmp(rows.data, plain, input_bytes * TOKENS) != 0;
    for (int tokens = 1; tokens <= TOKENS; tokens++) {
        const nt_product product = {&packed, NULL, found, ROWS, NT_STORE};
        nt_project(workers, &product, 1, &rows, tokens);
        nt_reference_project(&w, NULL, &rows, tokens, expected, ROWS, NT_STORE);
        wrong |= memcmp(found, expected, sizeof(float) * (size_t)(tokens * ROWS)) != 0;
    }
    printf("%s %s: %s\n", set, f->name, wrong ? "WRONG" : "equal");
    free(weights);
    free(panels);
    free(rows.data);
    free(plain);
    return wrong;
}

enum { BLOCK = 16, BLOCKS = 20, KV_HEADS = 2, HEADS = 4, DIMENSION = 64, POSITIONS = BLOCK * BLOCKS };

static int check_attention(const char *set, nt_workers *workers, const char *name, uint32_t type) {
    const size_t bytes = nt_kv_block_bytes(type, BLOCK, KV_HEADS, DIMENSION) * BLOCKS;
    const nt_kv_layer cache = {aligned_alloc(64, bytes), type, BLOCK, KV_HEADS, DIMENSION};
    memset(cache.storage, 0, bytes);
    static float keys[POSITIONS * KV_HEADS * DIMENSION], values[POSITIONS * KV_HEADS * DIMENSION];
    static float queries[3 * HEADS * DIMENSION], found[3 * HEADS * DIMENSION], expected[3 * HEADS * DIMENSION];
    static float scratch[POSITIONS + 2 * DIMENSION];
    int32_t slots[POSITIONS], table[BLOCKS];
    for (int i = 0; i < POSITIONS * KV_HEADS * DIMENSION; i++) keys[i] = number(), values[i] = number();
    for (int i = 0; i < 3 * HEADS * DIMENSION; i++) queries[i] = number();
    for (int i = 0; i < POSITIONS; i++) slots[i] = i;
    for (int i = 0; i < BLOCKS; i++) table[i] = i;
    nt_kv_write(workers, &cache, keys, values, KV_HEADS * DIMENSION, slots, POSITIONS);
    nt_attention_plan plan = {queries, HEADS * DIMENSION, found, HEADS * DIMENSION, 3, HEADS, 0.125f, 0,
                              (const int32_t[]){POSITIONS - 3, POSITIONS - 2, POSITIONS - 1}, (const int32_t[]){0, 0, 0},
                              table, (const int32_t[]){0, BLOCKS}, NULL, 0};
    nt_attention(workers, &cache, &plan);
    plan.out = expected;
    nt_reference_attention(&cache, &plan, scratch);
    const int wrong = memcmp(found, expected, sizeof found) != 0;
    printf("%s attention over %s: %s\n", set, name, wrong ? "WRONG" : "equal");
    free(cache.storage);
    return wrong;
}

int main(int count, char **sets) {
    int wrong = 0;
    for (int i = 1; i < count; i++) {
        nt_workers *workers = nt_workers_create(2, 65536, sets[i]);
        if (!workers) {
            printf("%s: not to be had here\n", sets[i]);
            return 2;
        }
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) wrong |= check_product(sets[i], workers, &formats[f]);
        wrong |= check_attention(sets[i], workers, "F32", NT_F32);
        wrong |= check_attention(sets[i], workers, "BF16", NT_BF16);
        wrong |= check_attention(sets[i], workers, "Q8_0", NT_Q8_0);
        nt_workers_destroy(workers);
    }
    return wrong;
}
