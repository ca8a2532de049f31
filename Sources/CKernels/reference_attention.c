// The plain reference of attention: scalar, one element at a time, in the order that nt_cache.h fixes.
#include "attention_cut.h"
#include "blocks.h"
#include "plain.h"

static const float *nt_plain_kv(const float *cache, const nt_kv_layer *layer, const int32_t *table, int64_t head,
                                int64_t position) {
    const int64_t block = table[position / layer->block_size], offset = position % layer->block_size;
    return cache + ((block * layer->kv_head_count + head) * layer->block_size * 2 + offset) * layer->head_dimension;
}

static void nt_plain_softmax(float *scores, int64_t count) {
    float maximum = scores[0];
    for (int64_t i = 1; i < count; i++) maximum = scores[i] > maximum ? scores[i] : maximum;
    float lanes[16] = {0};
    for (int64_t i = 0; i < count; i++) {
        scores[i] = nt_plain_exp(scores[i] - maximum);
        lanes[i % 16] += scores[i];
    }
    const float scale = 1.0f / nt_plain_fold(lanes);
    for (int64_t i = 0; i < count; i++) scores[i] *= scale;
}

// One query head of one token over a cache of NT_F32.
static void nt_plain_attention(const nt_kv_layer *cache, const float *query, float scale, const int32_t *table,
                               int64_t head, int64_t start, int64_t end, float *out, float *scores) {
    const int64_t dimension = cache->head_dimension;
    const float *keys = cache->storage, *values = keys + cache->block_size * dimension;
    for (int64_t p = start; p < end; p++)
        scores[p - start] = nt_plain_dot(query, nt_plain_kv(keys, cache, table, head, p), dimension) * scale;
    nt_plain_softmax(scores, end - start);
    for (int64_t d = 0; d < dimension; d++) out[d] = 0;
    for (int64_t p = start; p < end; p++) {
        const float *value = nt_plain_kv(values, cache, table, head, p);
        for (int64_t d = 0; d < dimension; d++) out[d] = fmaf(scores[p - start], value[d], out[d]);
    }
}

// One position of a tiled cache.
typedef struct {
    const nt_kv_layer *cache;
    nt_cache_layout layout;
    const char *tile;
    int64_t place;
} nt_plain_position;

static nt_plain_position nt_plain_find(const nt_kv_layer *cache, const int32_t *table, int64_t head, int64_t position) {
    const nt_cache_layout layout = nt_cache_layout_of(cache);
    const int64_t block = table[position / cache->block_size], offset = position % cache->block_size;
    return (nt_plain_position){cache, layout, nt_cache_tile(cache, &layout, block, head, offset),
                               offset % NT_TILE_POSITIONS};
}

static float nt_plain_key(const nt_plain_position *p, int64_t i) {
    return nt_bfloat(((const uint16_t *)p->tile)[i / 2 * 32 + p->place * 2 + i % 2]);
}

static float nt_plain_value(const nt_plain_position *p, int64_t i) {
    const uint16_t *values = (const uint16_t *)(p->tile + p->layout.values);
    return nt_bfloat(values[(p->place / 2 * p->layout.padded_dimension + i) * 2 + p->place % 2]);
}

static int nt_plain_key_step(const nt_plain_position *p, int64_t i) {
    return ((const uint8_t *)p->tile)[i / 4 * 64 + p->place * 4 + i % 4] - 128;
}

static float nt_plain_key_scale(const nt_plain_position *p, int64_t i) {
    return nt_bfloat(((const uint16_t *)(p->tile + p->layout.key_scales))[i / NT_KEY_GROUP * 16 + p->place]);
}

static int nt_plain_value_step(const nt_plain_position *p, int64_t i) {
    const int8_t *values = (const int8_t *)(p->tile + p->layout.values);
    return values[(p->place / 4 * p->layout.padded_dimension + i) * 4 + p->place % 4];
}

static float nt_plain_value_scale(const nt_plain_position *p) {
    return nt_bfloat(((const uint16_t *)(p->tile + p->layout.value_scales))[p->place]);
}

void nt_reference_kv_read(const nt_kv_layer *cache, int64_t slot, int64_t kv_head, float *key, float *value) {
    const int32_t block = (int32_t)(slot / cache->block_size);
    const nt_plain_position p = nt_plain_find(cache, &block, kv_head, slot % cache->block_size);
    for (int64_t i = 0; i < cache->head_dimension; i++) {
        if (cache->type == NT_F32) {
            const float *head = (const float *)nt_cache_head(cache, &p.layout, block, kv_head);
            key[i] = head[slot % cache->block_size * cache->head_dimension + i];
            value[i] = head[(cache->block_size + slot % cache->block_size) * cache->head_dimension + i];
        } else if (cache->type == NT_BF16) {
            key[i] = nt_plain_key(&p, i);
            value[i] = nt_plain_value(&p, i);
        } else {
            key[i] = (float)nt_plain_key_step(&p, i) * nt_plain_key_scale(&p, i);
            value[i] = (float)nt_plain_value_step(&p, i) * nt_plain_value_scale(&p);
        }
    }
}

static float nt_plain_power(float x) {
    x = x > -50.0f ? x : -50.0f;
    const float n = (x + 12582912.0f) - 12582912.0f, r = x - n;
    const float series[] = {0.0559064262f, 0.240240991f, 0.693124175f, 1.0f};
    float p = 0.00958285294f;
    for (int i = 0; i < 4; i++) p = fmaf(p, r, series[i]);
    return ldexpf(p, (int)n);
}

static float nt_plain_rounded(float x) { return nt_bfloat(nt_cache_bfloat(x)); }

// A query times the scale: bfloats, or whole steps of `step`.
static void nt_plain_query(const nt_kv_layer *cache, const float *query, float scale, float *elements, float *step) {
    float largest = 0;
    for (int64_t i = 0; i < cache->head_dimension; i++) {
        elements[i] = query[i] * (scale * NT_LOG2_E);
        largest = fabsf(elements[i]) > largest ? fabsf(elements[i]) : largest;
    }
    const float inverse = largest > NT_LEAST_STEP ? NT_QUERY_STEPS / largest : 0;
    *step = largest * (1 / NT_QUERY_STEPS);
    for (int64_t i = 0; i < cache->head_dimension; i++)
        elements[i] = cache->type == NT_BF16 ? nt_plain_rounded(elements[i]) : nearbyintf(elements[i] * inverse);
}

static float nt_plain_score(const nt_plain_position *p, const float *elements, float step) {
    const int64_t dimension = p->cache->head_dimension;
    float score = 0;
    if (p->cache->type == NT_BF16) {
        for (int64_t i = 0; i < dimension; i += 2) {
            if (i + 1 < dimension) score = fmaf(nt_plain_key(p, i + 1), elements[i + 1], score);
            score = fmaf(nt_plain_key(p, i), elements[i], score);
        }
        return score;
    }
    for (int64_t start = 0; start < dimension; start += NT_KEY_GROUP) {
        int32_t sum = 0;
        for (int64_t i = start; i < start + NT_KEY_GROUP && i < dimension; i++)
            sum += nt_plain_key_step(p, i) * (int32_t)elements[i];
        score = fmaf((float)sum, nt_plain_key_scale(p, start), score);
    }
    return score * step;
}

// Positions low ..< high of a chunk: the largest score, the sum of weights, and the weighted values.
static void nt_plain_chunk(const nt_kv_layer *cache, const float *elements, float step, const int32_t *table,
                           int64_t head, int64_t low, int64_t high, float *maximum, float *total, float *sums) {
    float weights[NT_CHUNK], lanes[16] = {0}, largest = 0;
    *maximum = NT_NOWHERE;
    for (int64_t at = low; at < high; at++) {
        const nt_plain_position p = nt_plain_find(cache, table, head, at);
        weights[at % NT_CHUNK] = nt_plain_score(&p, elements, step);
        *maximum = weights[at % NT_CHUNK] > *maximum ? weights[at % NT_CHUNK] : *maximum;
    }
    for (int64_t at = low; at < high; at++) {
        const nt_plain_position p = nt_plain_find(cache, table, head, at);
        float *weight = weights + at % NT_CHUNK;
        *weight = nt_plain_power(*weight - *maximum);
        lanes[at % 16] += *weight;
        *weight = cache->type == NT_BF16 ? nt_plain_rounded(*weight) : *weight * nt_plain_value_scale(&p);
        largest = *weight > largest ? *weight : largest;
    }
    *total = nt_plain_fold(lanes);
    const float inverse = largest > NT_LEAST_STEP ? NT_WEIGHT_STEPS / largest : 0;
    for (int64_t d = 0; d < cache->head_dimension; d++) {
        float sum = 0;
        int32_t steps = 0;
        // Of a pair of positions the second one's product comes first.
        for (int64_t i = low & ~1; i < ((high + 1) & ~1); i++) {
            const int64_t at = i ^ 1;
            if (at < low || at >= high) continue;
            const nt_plain_position p = nt_plain_find(cache, table, head, at);
            if (cache->type == NT_BF16)
                sum = fmaf(nt_plain_value(&p, d), weights[at % NT_CHUNK], sum);
            else
                steps += nt_plain_value_step(&p, d) * (int32_t)nearbyintf(weights[at % NT_CHUNK] * inverse);
        }
        sums[d] = cache->type == NT_BF16 ? sum : (float)steps * (largest * (1 / NT_WEIGHT_STEPS));
    }
}

// One query head of one token over a tiled cache. scratch: two heads.
static void nt_plain_chunks(const nt_kv_layer *cache, const float *query, float scale, const int32_t *table,
                            int64_t head, int64_t start, int64_t end, float *out, float *scratch) {
    const int64_t dimension = cache->head_dimension;
    float *elements = scratch, *sums = scratch + dimension, step, maximum = NT_NOWHERE, total = 0;
    nt_plain_query(cache, query, scale, elements, &step);
    for (int64_t d = 0; d < dimension; d++) out[d] = 0;
    for (int64_t low = start; low < end; low = low / NT_CHUNK * NT_CHUNK + NT_CHUNK) {
        const int64_t chunk_end = low / NT_CHUNK * NT_CHUNK + NT_CHUNK;
        float chunk_maximum, chunk_total;
        nt_plain_chunk(cache, elements, step, table, head, low, chunk_end < end ? chunk_end : end, &chunk_maximum,
                       &chunk_total, sums);
        const float now = chunk_maximum > maximum ? chunk_maximum : maximum;
        const float old = nt_plain_power(maximum - now), fresh = nt_plain_power(chunk_maximum - now);
        total = fmaf(total, old, chunk_total * fresh);
        for (int64_t d = 0; d < dimension; d++) out[d] = fmaf(out[d], old, sums[d] * fresh);
        maximum = now;
    }
    for (int64_t d = 0; d < dimension; d++) out[d] *= 1.0f / total;
}

void nt_reference_attention(const nt_kv_layer *cache, const nt_attention_plan *plan, float *scratch) {
    const int64_t group = plan->query_head_count / cache->kv_head_count, dimension = cache->head_dimension;
    for (int64_t t = 0; t < plan->token_count; t++) {
        const int64_t end = plan->positions[t] + 1;
        const int64_t start = plan->window > 0 && end > plan->window ? end - plan->window : 0;
        const int32_t *table = plan->block_tables + plan->block_table_starts[plan->token_rows[t]];
        for (int64_t h = 0; h < plan->query_head_count; h++) {
            const float *query = plan->queries + t * plan->q_stride + h * dimension;
            float *out = plan->out + t * plan->out_stride + h * dimension;
            if (cache->type == NT_F32)
                nt_plain_attention(cache, query, plan->scale, table, h / group, start, end, out, scratch);
            else
                nt_plain_chunks(cache, query, plan->scale, table, h / group, start, end, out, scratch);
        }
    }
}
