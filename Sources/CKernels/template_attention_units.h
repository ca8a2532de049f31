// Units of attention: passes for the tokens of each, and the folding of chunks that were units of their own.

typedef struct {
    int64_t first_token, last_token, kv_head;
    // -1: all.
    int64_t chunk;
} nt_attention_unit;

// Later tokens of a prompt see more; they come first, so that what is left at the end is short.
NT_INLINE nt_attention_unit nt_unit_at(const nt_attention_cut *cut, int64_t index) {
    const int64_t heads = cut->cache->kv_head_count, tokens = cut->plan->token_count;
    index = cut->unit_count - 1 - index;
    nt_attention_unit unit = {.chunk = -1};
    if (cut->chunk_count > 0) {
        unit.chunk = index % cut->chunk_count;
        index /= cut->chunk_count;
    }
    unit.kv_head = index % heads;
    unit.first_token = index / heads * cut->tokens_per_unit;
    unit.last_token = unit.first_token + cut->tokens_per_unit;
    if (unit.last_token > tokens) unit.last_token = tokens;
    return unit;
}

// Tokens from `token` that are of one row, one after the other, and lie in the unit; at most so many that they are rows of
// one pass, but at least one.
NT_INLINE nt_pass nt_pass_at(const nt_attention_cut *cut, const nt_attention_unit *unit, int64_t token) {
    const nt_attention_plan *plan = cut->plan;
    const int32_t row = plan->token_rows[token];
    int64_t last = token + 1;
    while (last < unit->last_token && plan->token_rows[last] == row &&
           plan->positions[last] == plan->positions[last - 1] + 1)
        last++;
    return (nt_pass){
        .token = token,
        .row_count = (last - token) * cut->group,
        .kv_head = unit->kv_head,
        .start = nt_window_start(plan, token),
        .end = plan->positions[last - 1] + 1,
        .table = plan->block_tables + plan->block_table_starts[row],
    };
}

// What the thread reads after unit `index`.
NT_INLINE nt_tiles nt_tiles_of(const nt_attention_cut *cut, int64_t index) {
    const nt_attention_unit unit = nt_unit_at(cut, index);
    const nt_pass pass = nt_pass_at(cut, &unit, unit.first_token);
    const int64_t first = pass.start / NT_CHUNK;
    return nt_find_tiles(cut, &pass, unit.chunk > first && unit.chunk <= (pass.end - 1) / NT_CHUNK ? unit.chunk : first);
}

// Sends for the queries of a unit, and for the lines where its results go.
NT_INLINE void nt_prefetch_unit(const nt_attention_cut *cut, int64_t index) {
    const nt_attention_plan *plan = cut->plan;
    const nt_attention_unit unit = nt_unit_at(cut, index);
    const int64_t count = cut->group * cut->cache->head_dimension, first = unit.kv_head * count;
    for (int64_t token = unit.first_token; token < unit.last_token; token++) {
        for (int64_t i = 0; i < count; i += 16) {
            __builtin_prefetch(plan->queries + token * plan->q_stride + first + i, 0, 2);
            __builtin_prefetch(plan->out + token * plan->out_stride + first + i, 1, 2);
        }
    }
}

static void nt_attend_units(const nt_attention_cut *cut, int64_t first, int64_t last, float *scratch) {
    nt_attention_memory memory;
    nt_attention_lay_out(&memory, scratch, cut->cache->head_dimension);
    for (int64_t index = first; index < last; index++) {
        const nt_attention_unit unit = nt_unit_at(cut, index);
        nt_tiles after;
        if (index + 1 < last) {
            after = nt_tiles_of(cut, index + 1);
            nt_prefetch_unit(cut, index + 1);
        }
        for (int64_t token = unit.first_token; token < unit.last_token;) {
            nt_pass pass = nt_pass_at(cut, &unit, token);
            const int64_t rows = pass.row_count, tokens = rows / cut->group;
            token += tokens;
            if (unit.chunk >= 0 && (unit.chunk < pass.start / NT_CHUNK || unit.chunk > (pass.end - 1) / NT_CHUNK))
                continue;
            for (; pass.first_row < rows; pass.first_row += NT_PASS_ROWS) {
                pass.row_count = rows - pass.first_row < NT_PASS_ROWS ? rows - pass.first_row : NT_PASS_ROWS;
                nt_run_pass(cut, &pass, unit.chunk, index + 1 < last ? &after : NULL, &memory);
            }
        }
    }
}

// Chunks kept by nt_keep_partials, from left to right, for query heads first ..< last of all tokens.
static void nt_fold_partials(const nt_attention_cut *cut, int64_t first, int64_t last, float *scratch) {
    const nt_attention_plan *plan = cut->plan;
    const int64_t dimension = cut->cache->head_dimension;
    for (int64_t row = first; row < last; row++) {
        const int64_t token = row / plan->query_head_count, head = row % plan->query_head_count;
        const int64_t end = plan->positions[token] / NT_CHUNK;
        nt_v16 maximum = nt_splat(NT_NOWHERE), total = {0};
        memset(scratch, 0, (size_t)cut->width * sizeof(float));
        for (int64_t chunk = nt_window_start(plan, token) / NT_CHUNK; chunk <= end; chunk++) {
            const float *partial = nt_partial(cut, token, head, chunk);
            const nt_v16 now = nt_larger(maximum, nt_splat(partial[0]));
            const nt_fold_factors fold = {nt_power(maximum - now), nt_power(nt_splat(partial[0]) - now), {0}};
            total = nt_fma(total, fold.old, nt_splat(partial[1]) * fold.fresh);
            maximum = now;
            for (int64_t d = 0; d < cut->width; d += 16)
                nt_fold_in(scratch + d, nt_load(partial + NT_PARTIAL_HEAD + d), &fold, 0);
        }
        nt_put_scaled(plan->out + token * plan->out_stride + head * dimension, scratch, 1.0f / total[0], dimension);
    }
}
