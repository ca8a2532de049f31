// Writing keys and values into the cache. Integer arithmetic and single float operations, so one code for all
// instruction sets.
//
// Tokens of one step may share a tile and be written by different threads: each token is written with stores of 16
// bits or of a byte that hold nothing of another token.

#include "blocks.h"
#include "cache_layout.h"
#include "workers.h"

// Elements that are converted before they are stored each in its place.
enum { NT_SPAN = 64 };

typedef struct {
    const nt_kv_layer *cache;
    nt_cache_layout layout;
    const float *keys, *values;
    int64_t row_stride;
    const int32_t *slots;
} nt_write_job;

static void nt_write_floats(const nt_write_job *job, char *head, int64_t offset, const float *key, const float *value) {
    const size_t bytes = (size_t)job->cache->head_dimension * sizeof(float);
    memcpy(head + (size_t)offset * bytes, key, bytes);
    memcpy(head + job->layout.values + (size_t)offset * bytes, value, bytes);
}

static void nt_write_bfloats(const nt_write_job *job, char *tile, int64_t place, const float *key, const float *value) {
    const int64_t dimension = job->cache->head_dimension;
    uint32_t *keys = (uint32_t *)tile + place;
    uint16_t *values = (uint16_t *)(tile + job->layout.values);
    values += place / 2 * 2 * job->layout.padded_dimension + place % 2;
    for (int64_t start = 0; start < dimension; start += NT_SPAN) {
        const int64_t count = dimension - start < NT_SPAN ? dimension - start : NT_SPAN;
        uint16_t rounded[NT_SPAN + 1];
        for (int64_t i = 0; i < count; i++) rounded[i] = nt_cache_bfloat(key[start + i]);
        // The partner of an odd last element.
        rounded[count] = 0;
        for (int64_t i = 0; i < count; i += 2) memcpy(keys + (start + i) / 2 * 16, rounded + i, sizeof *keys);
        for (int64_t i = 0; i < count; i++) rounded[i] = nt_cache_bfloat(value[start + i]);
        for (int64_t i = 0; i < count; i++) values[(start + i) * 2] = rounded[i];
    }
}

// As bits, which order numbers of one sign, infinity and what is no number, in this order.
static float nt_largest(const float *x, int64_t count) {
    int32_t largest = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t bits;
        memcpy(&bits, x + i, 4);
        bits &= 0x7FFFFFFF;
        largest = bits > largest ? bits : largest;
    }
    float result;
    memcpy(&result, &largest, 4);
    return result;
}

// 127 steps of it reach `largest`: rounded up. Zero for what is too small to divide by.
static uint16_t nt_step(float largest) {
    const float step = largest * (1.0f / 127);
    uint32_t bits;
    memcpy(&bits, &step, 4);
    return step < NT_LEAST_STEP ? 0 : (uint16_t)((bits + 0xFFFF) >> 16);
}

// The inverse of a step; zero for none and for what is not finite.
static float nt_inverse(uint16_t step) { return step == 0 || step >= 0x7F80 ? 0 : 1.0f / nt_bfloat(step); }

// x / step to the nearest whole number, ties to even. Integer from the bits, so that no input is undefined.
static int nt_steps(float x, float inverse) {
    const float shifted = x * inverse + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    bits -= 0x4B400000;
    return bits > 127 ? 127 : bits < -127 ? -127 : bits;
}

static void nt_to_steps(const float *x, int64_t count, float inverse, int8_t *steps) {
    for (int64_t i = 0; i < count; i++) steps[i] = (int8_t)nt_steps(x[i], inverse);
}

static void nt_write_byte_key(const nt_write_job *job, char *tile, int64_t place, const float *key) {
    const int64_t dimension = job->cache->head_dimension, padded = job->layout.padded_dimension;
    uint32_t *keys = (uint32_t *)tile + place;
    uint16_t *scales = (uint16_t *)(tile + job->layout.key_scales) + place;
    for (int64_t start = 0; start < padded; start += NT_KEY_GROUP) {
        const int64_t end = start + NT_KEY_GROUP < padded ? start + NT_KEY_GROUP : padded;
        const int64_t filled = (end < dimension ? end : dimension) - start;
        const uint16_t step = nt_step(nt_largest(key + start, filled));
        int8_t steps[NT_KEY_GROUP] = {0};
        nt_to_steps(key + start, filled, nt_inverse(step), steps);
        for (int64_t i = 0; i < end - start; i += 4) {
            uint32_t quadruple;
            memcpy(&quadruple, steps + i, 4);
            // q + 128.
            keys[(start + i) / 4 * 16] = quadruple ^ 0x80808080;
        }
        scales[start / NT_KEY_GROUP * 16] = step;
    }
}

static void nt_write_byte_value(const nt_write_job *job, char *tile, int64_t place, const float *value) {
    const int64_t dimension = job->cache->head_dimension;
    int8_t *values = (int8_t *)(tile + job->layout.values) + place / 4 * 4 * job->layout.padded_dimension + place % 4;
    const uint16_t step = nt_step(nt_largest(value, dimension));
    for (int64_t start = 0; start < dimension; start += NT_SPAN) {
        const int64_t count = dimension - start < NT_SPAN ? dimension - start : NT_SPAN;
        int8_t steps[NT_SPAN];
        nt_to_steps(value + start, count, nt_inverse(step), steps);
        for (int64_t i = 0; i < count; i++) values[(start + i) * 4] = steps[i];
    }
    ((uint16_t *)(tile + job->layout.value_scales))[place] = step;
}

static void nt_write_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_write_job *job = context;
    const nt_kv_layer *cache = job->cache;
    for (int64_t t = first; t < last; t++) {
        if (job->slots[t] < 0) continue;
        const int64_t block = job->slots[t] / cache->block_size, offset = job->slots[t] % cache->block_size;
        for (int64_t h = 0; h < cache->kv_head_count; h++) {
            const int64_t from = t * job->row_stride + h * cache->head_dimension;
            const float *key = job->keys + from, *value = job->values + from;
            if (cache->type == NT_F32) {
                nt_write_floats(job, nt_cache_head(cache, &job->layout, block, h), offset, key, value);
                continue;
            }
            char *tile = nt_cache_tile(cache, &job->layout, block, h, offset);
            if (cache->type == NT_BF16) {
                nt_write_bfloats(job, tile, offset % NT_TILE_POSITIONS, key, value);
            } else {
                nt_write_byte_key(job, tile, offset % NT_TILE_POSITIONS, key);
                nt_write_byte_value(job, tile, offset % NT_TILE_POSITIONS, value);
            }
        }
    }
}

void nt_kv_write(nt_workers *workers, const nt_kv_layer *cache, const float *keys, const float *values,
                 int64_t row_stride, const int32_t *slots, int64_t token_count) {
    nt_write_job job = {cache, nt_cache_layout_of(cache), keys, values, row_stride, slots};
    nt_workers_run(workers, nt_write_task, &job, token_count);
}

size_t nt_kv_block_bytes(uint32_t type, int64_t block_size, int64_t kv_head_count, int64_t head_dimension) {
    if (block_size < 1 || kv_head_count < 1 || head_dimension < 1) return 0;
    if (type != NT_F32 && type != NT_BF16 && type != NT_Q8_0) return 0;
    if (type != NT_F32 && block_size % NT_TILE_POSITIONS) return 0;
    const nt_kv_layer cache = {NULL, type, block_size, kv_head_count, head_dimension};
    return nt_cache_layout_of(&cache).block_bytes;
}
