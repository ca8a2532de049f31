// From scores to weights: the softmax of a chunk.

// Of a row's scores in low ..< high the largest. The other lanes of their vectors become NT_NOWHERE.
NT_INLINE float nt_largest_score(float *scores, int low, int high) {
    const int first = low & ~15, last = (high + 15) & ~15;
    for (int at = first; at < last; at += at == first && last - 16 > first ? last - 16 - first : 16) {
        if (at >= low && at + 16 <= high) continue;
        const nt_i16 seen = nt_lanes_within(at, low, high);
        nt_put(scores + at, nt_choose(seen, nt_load(scores + at), nt_splat(NT_NOWHERE)));
    }
    nt_v16 largest = nt_splat(NT_NOWHERE);
    for (int at = first; at < last; at += 16) largest = nt_larger(largest, nt_load(scores + at));
    return nt_largest_lane(largest);
}

// Scores to weights 2^(score - maximum), zero where the row sees nothing, and their sum.
NT_INLINE float nt_bf16_weights(float *scores, const nt_tiles *tiles, int low, int high, float maximum) {
    nt_v16 sum = {0};
    for (int at = tiles->first * 16; at < tiles->last * 16; at += 16) {
        nt_v16 weight = nt_power(nt_load(scores + at) - nt_splat(maximum));
        if (at < low || at + 16 > high) weight = nt_only(weight, nt_lanes_within(at, low, high));
        sum += weight;
        nt_put_pairs((nt_pair *)(void *)scores + at / 2, weight);
    }
    return nt_fold(sum);
}

// As nt_bf16_weights; what is stored is the weight times the value's scale, in steps of the largest such.
NT_INLINE float nt_q8_weights(float *scores, const nt_tiles *tiles, int low, int high, float maximum,
                              size_t value_scales, float *step) {
    nt_v16 sum = {0}, largest = {0};
    for (int tile = tiles->first; tile < tiles->last; tile++) {
        const int at = tile * 16;
        nt_v16 weight = nt_power(nt_load(scores + at) - nt_splat(maximum));
        nt_v16 scale = nt_load_bfloats(tiles->keys[tile] + value_scales);
        if (at < low || at + 16 > high) {
            const nt_i16 seen = nt_lanes_within(at, low, high);
            weight = nt_only(weight, seen);
            scale = nt_only(scale, seen);
        }
        sum += weight;
        largest = nt_larger(largest, weight * scale);
        nt_put(scores + at, weight * scale);
    }
    const float highest = nt_largest_lane(largest);
    const nt_v16 inverse = nt_splat(highest > NT_LEAST_STEP ? NT_WEIGHT_STEPS / highest : 0);
    *step = highest * (1 / NT_WEIGHT_STEPS);
    for (int tile = tiles->first; tile < tiles->last; tile++) {
        const nt_i16 steps = nt_nearest(nt_load(scores + tile * 16) * inverse);
        nt_put_weight_steps((nt_quad *)(void *)scores + tile * 4, steps);
    }
    return nt_fold(sum);
}

// The weights of a group's rows, and how the chunk is folded into the group's maxima and totals.
static nt_fold_factors nt_weigh(const nt_attention_cut *cut, const nt_pass *pass, const nt_tiles *tiles, int64_t chunk,
                                int64_t group, nt_attention_memory *memory) {
    const int first = pass->groups[group], rows = pass->groups[group + 1] - first;
    const int32_t base = (int32_t)(chunk * NT_CHUNK);
    int low[NT_GROUP_ROWS], high[NT_GROUP_ROWS];
    float highest[16] = {0}, sums[16] = {0}, steps[16] = {0};
    for (int r = 0; r < rows; r++) {
        const int32_t start = memory->starts[first + r] - base, end = memory->ends[first + r] - base;
        low[r] = start < 0 ? 0 : start < NT_CHUNK ? start : NT_CHUNK;
        high[r] = end > NT_CHUNK ? NT_CHUNK : end > low[r] ? end : low[r];
        highest[r] = nt_largest_score(memory->scores + r * NT_SCORE_STRIDE, low[r], high[r]);
    }
    for (int r = 0; r < rows; r++) {
        float *scores = memory->scores + r * NT_SCORE_STRIDE;
        sums[r] = cut->cache->type == NT_BF16
                      ? nt_bf16_weights(scores, tiles, low[r], high[r], highest[r])
                      : nt_q8_weights(scores, tiles, low[r], high[r], highest[r], cut->layout.value_scales, &steps[r]);
    }
    float *maxima = memory->maxima + group * 16, *totals = memory->totals + group * 16;
    const nt_v16 before = nt_load(maxima), fresh = nt_load(highest), now = nt_larger(before, fresh);
    const nt_fold_factors fold = {nt_power(before - now), nt_power(fresh - now), nt_load(steps)};
    nt_put(maxima, now);
    nt_put(totals, nt_fma(nt_load(totals), fold.old, nt_load(sums) * fold.fresh));
    return fold;
}
