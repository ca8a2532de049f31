// Attention of one token over a cache of NT_F32: every position that it sees in ascending order, whatever chunk or
// block it came in. Two passes (scores, then values), so that no partial result depends on where the context was cut.

// `base`: the keys of the first position, or the values.
NT_INLINE const float *nt_kv_at(const float *base, const nt_kv_layer *layer, const int32_t *table, int64_t kv_head,
                                int64_t position) {
    const int64_t block = table[position / layer->block_size], offset = position % layer->block_size;
    return base + ((block * layer->kv_head_count + kv_head) * layer->block_size * 2 + offset) * layer->head_dimension;
}

// Scores to weights: e^(score - max), then divided by their sum.
NT_INLINE void nt_softmax(float *scores, int64_t count) {
    nt_v16 high = nt_splat(scores[0]);
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) high = __builtin_elementwise_max(nt_load(scores + i), high);
    float maximum = nt_fold_max(high);
    for (; i < count; i++) maximum = scores[i] > maximum ? scores[i] : maximum;
    nt_v16 sum = {0};
    for (i = 0; i + 16 <= count; i += 16) {
        const nt_v16 e = nt_exp(nt_load(scores + i) - nt_splat(maximum));
        nt_put(scores + i, e);
        sum += e;
    }
    if (i < count) {
        nt_v16 e = nt_exp(nt_load_tail(scores + i, count - i) - nt_splat(maximum));
        memcpy(scores + i, &e, (size_t)(count - i) * sizeof(float));
        sum += nt_load_tail(scores + i, count - i);
    }
    const float scale = 1.0f / nt_fold(sum);
    for (i = 0; i < count; i++) scores[i] *= scale;
}

static void nt_attention_token(const nt_kv_layer *cache, const nt_attention_plan *plan, int64_t token, int64_t kv_head,
                               float *scratch) {
    const int64_t group = plan->query_head_count / cache->kv_head_count, dimension = cache->head_dimension;
    const int64_t end = plan->positions[token] + 1;
    const int64_t start = plan->window > 0 && end > plan->window ? end - plan->window : 0, count = end - start;
    const float *keys = cache->storage, *values = keys + cache->block_size * dimension;
    const int32_t *table = plan->block_tables + plan->block_table_starts[plan->token_rows[token]];
    const float *queries = plan->queries + token * plan->q_stride + kv_head * group * dimension;
    float *out = plan->out + token * plan->out_stride + kv_head * group * dimension;

    for (int64_t p = 0; p < count; p++) {
        const float *key = nt_kv_at(keys, cache, table, kv_head, start + p);
        for (int64_t h = 0; h < group; h++)
            scratch[h * count + p] = nt_dot(queries + h * dimension, key, dimension) * plan->scale;
    }
    for (int64_t h = 0; h < group; h++) nt_softmax(scratch + h * count, count);
    memset(out, 0, (size_t)(group * dimension) * sizeof(float));
    for (int64_t p = 0; p < count; p++) {
        const float *value = nt_kv_at(values, cache, table, kv_head, start + p);
        for (int64_t h = 0; h < group; h++) {
            const nt_v16 weight = nt_splat(scratch[h * count + p]);
            float *o = out + h * dimension;
            int64_t d = 0;
            for (; d + 16 <= dimension; d += 16) nt_put(o + d, nt_fma(weight, nt_load(value + d), nt_load(o + d)));
            for (; d < dimension; d++) o[d] = __builtin_fmaf(weight[0], value[d], o[d]);
        }
    }
}
