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

// Tokens from `token` that are of one row, one after the other, and lie in the unit.
NT_INLINE nt_pass nt_pass_at(const nt_attention_cut *cut, const nt_attention_unit *unit, int64_t token) {
    const nt_attention_plan *plan = cut->plan;
    const int32_t row = plan->token_rows[token];
    int64_t last = token + 1;
    while (last < unit->last_token && plan->token_rows[last] == row &&
           plan->positions[last] == plan->positions[last - 1] + 1)
        last++;
    nt_pass pass = {
        .token = token,
        .row_count = (last - token) * cut->group,
        .kv_head = unit->kv_head,
        .start = nt_window_start(plan, token),
        .end = plan->positions[last - 1] + 1,
        .table = plan->block_tables + plan->block_table_starts[row],
    };
    pass.first_chunk = pass.start / NT_CHUNK;
    pass.last_chunk = (pass.end - 1) / NT_CHUNK;
    return pass;
}

// The passes of units `index` ..< `last`, one after the other.
typedef struct {
    int64_t index, last;
    nt_attention_unit unit;
    int64_t token;
    // What is left of tokens that have more rows than a pass.
    nt_pass rest;
} nt_passes;

// What the next pass reads before it comes to the cache, and the lines where its results go.
NT_INLINE void nt_send_for_queries(const nt_attention_cut *cut, const nt_pass *pass) {
    const nt_attention_plan *plan = cut->plan;
    const int64_t count = cut->group * cut->cache->head_dimension, first = pass->kv_head * count;
    for (int64_t token = pass->token; token < pass->token + pass->row_count / cut->group; token++) {
        for (int64_t i = 0; i < count; i += 16) {
            __builtin_prefetch(plan->queries + token * plan->q_stride + first + i, 0, 2);
            __builtin_prefetch(plan->out + token * plan->out_stride + first + i, 1, 2);
        }
    }
}

// Of a unit that is one chunk, the passes that have it.
static int nt_take_pass(const nt_attention_cut *cut, nt_passes *passes, nt_pass *pass) {
    while (passes->rest.row_count == 0) {
        if (passes->token >= passes->unit.last_token) {
            if (passes->index == passes->last) return 0;
            passes->unit = nt_unit_at(cut, passes->index++);
            passes->token = passes->unit.first_token;
        }
        nt_pass next = nt_pass_at(cut, &passes->unit, passes->token);
        passes->token += next.row_count / cut->group;
        const int64_t chunk = passes->unit.chunk;
        if (chunk >= 0) {
            if (chunk < next.first_chunk || chunk > next.last_chunk) continue;
            next.first_chunk = next.last_chunk = chunk;
        }
        passes->rest = next;
        nt_send_for_queries(cut, &next);
    }
    *pass = passes->rest;
    if (pass->row_count > NT_PASS_ROWS) pass->row_count = NT_PASS_ROWS;
    passes->rest.first_row += pass->row_count;
    passes->rest.row_count -= pass->row_count;
    return 1;
}

static void nt_attend_units(const nt_attention_cut *cut, int64_t first, int64_t last, float *scratch) {
    nt_attention_memory memory;
    nt_attention_lay_out(&memory, scratch, cut->cache->head_dimension);
    nt_passes passes = {.index = first, .last = last};
    nt_pass pass, next;
    nt_tiles after;
    int sent = 0;
    for (int is_there = nt_take_pass(cut, &passes, &pass); is_there;) {
        is_there = nt_take_pass(cut, &passes, &next);
        if (is_there) after = nt_find_tiles(cut, &next, next.first_chunk);
        sent = nt_run_pass(cut, &pass, sent, is_there ? &after : NULL, &memory);
        pass = next;
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
