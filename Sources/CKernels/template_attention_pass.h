// One pass: rows of one KV head over a range of chunks.

// A row's place in the step. Rows of a token are its query heads that read this KV head.
typedef struct {
    int64_t token, head;
} nt_row;

NT_INLINE nt_row nt_first_row(const nt_attention_cut *cut, const nt_pass *pass) {
    return (nt_row){pass->token + pass->first_row / cut->group, pass->first_row % cut->group};
}

NT_INLINE void nt_next_row(const nt_attention_cut *cut, nt_row *row) {
    if (++row->head < cut->group) return;
    row->head = 0;
    row->token++;
}

NT_INLINE int64_t nt_query_head(const nt_attention_cut *cut, const nt_pass *pass, nt_row row) {
    return pass->kv_head * cut->group + row.head;
}

NT_INLINE int64_t nt_window_start(const nt_attention_plan *plan, int64_t token) {
    const int64_t end = plan->positions[token] + 1;
    return plan->window > 0 && end > plan->window ? end - plan->window : 0;
}

static void nt_form_groups(const nt_attention_cut *cut, nt_pass *pass) {
    const int64_t at_once = cut->cache->type == NT_BF16 ? NT_BF16_ROWS : NT_Q8_ROWS;
    pass->group_count = (int)((pass->row_count + at_once - 1) / at_once);
    for (int g = 0; g <= pass->group_count; g++) pass->groups[g] = (int)(pass->row_count * g / pass->group_count);
}

static nt_tiles nt_find_tiles(const nt_attention_cut *cut, const nt_pass *pass, int64_t chunk) {
    const int64_t base = chunk * NT_CHUNK, tiles_per_block = cut->cache->block_size / NT_TILE_POSITIONS;
    const int64_t low = pass->start > base ? pass->start - base : 0;
    const int64_t high = pass->end - base < NT_CHUNK ? pass->end - base : NT_CHUNK;
    nt_tiles tiles = {.first = (int)(low / NT_TILE_POSITIONS),
                      .last = (int)((high + NT_TILE_POSITIONS - 1) / NT_TILE_POSITIONS)};
    const int64_t first = chunk * NT_CHUNK_TILES + tiles.first;
    int64_t block = first / tiles_per_block, within = first % tiles_per_block;
    for (int tile = tiles.first; tile < tiles.last; tile++) {
        tiles.keys[tile] = nt_cache_head(cut->cache, &cut->layout, pass->table[block], pass->kv_head) +
                           (size_t)within * cut->layout.tile_bytes;
        tiles.values[tile] = tiles.keys[tile] + cut->layout.values;
        if (++within < tiles_per_block) continue;
        within = 0;
        block++;
    }
    return tiles;
}

// What lies behind the context is no number perhaps, and times a weight of zero would stay so.
static void nt_clear_last_values(const nt_attention_cut *cut, nt_tiles *tiles, int64_t count, char *copy) {
    const size_t pair_bytes = (size_t)cut->layout.padded_dimension * 4, tile_bytes = NT_TILE_POSITIONS / 2 * pair_bytes;
    const size_t kept = (size_t)(count / 2) * pair_bytes;
    memcpy(copy, tiles->values[tiles->last - 1], kept);
    memset(copy + kept, 0, tile_bytes - kept);
    const char *single = tiles->values[tiles->last - 1] + kept;
    if (count % 2)
        for (size_t i = 0; i < pair_bytes; i += 4) memcpy(copy + kept + i, single + i, 2);
    tiles->values[tiles->last - 1] = copy;
}

// Queries in the order in which the kernels read them, and what each row sees.
static void nt_load_queries(const nt_attention_cut *cut, const nt_pass *pass, nt_attention_memory *memory) {
    const nt_attention_plan *plan = cut->plan;
    const int64_t padded = cut->layout.padded_dimension, dimension = cut->cache->head_dimension;
    const nt_v16 scale = nt_splat(plan->scale * NT_LOG2_E);
    nt_row row = nt_first_row(cut, pass);
    for (int64_t g = 0, index = 0; g < pass->group_count; g++) {
        for (int64_t slot = 0; index < pass->groups[g + 1]; slot++, index++, nt_next_row(cut, &row)) {
            const float *query =
                plan->queries + row.token * plan->q_stride + nt_query_head(cut, pass, row) * dimension;
            memory->starts[index] = (int32_t)nt_window_start(plan, row.token);
            memory->ends[index] = plan->positions[row.token] + 1;
            if (cut->cache->type == NT_BF16)
                nt_put_bf16_query(query, dimension, scale,
                                  (nt_pair *)memory->queries + (g * padded / 2 * NT_GROUP_ROWS + slot * 8));
            else
                nt_put_q8_query(query, dimension, scale,
                                (nt_quad *)memory->queries + (g * padded / 4 * NT_GROUP_ROWS + slot * 4),
                                memory->query_steps + g * NT_GROUP_ROWS + slot,
                                memory->query_offsets + g * (cut->width / NT_KEY_GROUP) * NT_GROUP_ROWS + slot);
        }
    }
}

#define NT_CASE(count, call)   \
    case count: {              \
        enum { rows = count }; \
        call;                  \
        break;                 \
    }
#if defined(NT_HAS_512) || defined(NT_HAS_512_FLOATS)
#define NT_BF16_CASES(call)                                                                               \
    NT_CASE(1, call) NT_CASE(2, call) NT_CASE(3, call) NT_CASE(4, call) NT_CASE(5, call) NT_CASE(6, call) \
    NT_CASE(7, call) NT_CASE(8, call) NT_CASE(9, call) NT_CASE(10, call) NT_CASE(11, call) NT_CASE(12, call)
#define NT_Q8_CASES(call)                                                                                 \
    NT_CASE(1, call) NT_CASE(2, call) NT_CASE(3, call) NT_CASE(4, call) NT_CASE(5, call) NT_CASE(6, call) \
    NT_CASE(7, call)
#else
#define NT_BF16_CASES(call) NT_CASE(1, call) NT_CASE(2, call) NT_CASE(3, call) NT_CASE(4, call)
#define NT_Q8_CASES(call) NT_BF16_CASES(call)
#endif

static void nt_scores(const nt_attention_cut *cut, const nt_tiles *tiles, int tile, int row_count, int64_t group,
                      nt_attention_memory *memory, nt_ahead *ahead) {
    const int64_t padded = cut->layout.padded_dimension, pairs = (cut->cache->head_dimension + 1) / 2;
    if (cut->cache->type == NT_BF16) {
        const nt_pair *queries = (nt_pair *)memory->queries + group * padded / 2 * NT_GROUP_ROWS;
        switch (row_count) { NT_BF16_CASES(nt_bf16_scores(rows, tiles, tile, pairs, queries, memory->scores, ahead)) }
    } else {
        const nt_q8_queries queries = {(nt_quad *)memory->queries + group * padded / 4 * NT_GROUP_ROWS,
                                       memory->query_steps + group * NT_GROUP_ROWS,
                                       memory->query_offsets + group * (cut->width / NT_KEY_GROUP) * NT_GROUP_ROWS};
        switch (row_count) {
            NT_Q8_CASES(nt_q8_scores(rows, tiles, tile, &cut->layout, &queries, memory->scores, ahead))
        }
    }
}

static void nt_values(const nt_attention_cut *cut, const nt_tiles *tiles, int64_t start, int row_count,
                      const nt_fold_factors *fold, const float *weights, float *sums, nt_ahead *ahead) {
    const int64_t padded = cut->layout.padded_dimension, width = cut->width;
    if (cut->cache->type == NT_BF16)
        switch (row_count) {
            NT_BF16_CASES(nt_bf16_values(rows, tiles, start, padded, weights, fold, sums, width, ahead))
        }
    else
        switch (row_count) {
            NT_Q8_CASES(nt_q8_values(rows, tiles, start, padded, weights, fold, sums, width, ahead))
        }
}

// A tile that nobody has sent for yet.
NT_INLINE void nt_send_for_tile(const nt_attention_cut *cut, const nt_tiles *tiles, int tile) {
    if (tile >= tiles->last) return;
    for (size_t i = 0; i < cut->layout.tile_bytes; i += 64) __builtin_prefetch(tiles->keys[tile] + i, 0, 2);
}

NT_INLINE nt_ahead nt_look_ahead(const nt_attention_cut *cut, const nt_tiles *tiles) {
    nt_ahead ahead = {.tiles = tiles, .tile_bytes = cut->layout.tile_bytes};
    if (tiles) {
        ahead.tile = tiles->first - 1;
        ahead.last = tiles->last;
    }
    return nt_next_tile_ahead(ahead);
}

// `sent`: the first tile that nobody sent for. Returns the same of the next chunk.
static int nt_attend_chunk(const nt_attention_cut *cut, const nt_pass *pass, int64_t chunk, const nt_tiles *tiles,
                           int sent, const nt_tiles *next, nt_attention_memory *memory) {
    nt_ahead ahead = nt_look_ahead(cut, next);
    for (int64_t g = 0; g < pass->group_count; g++) {
        const int first = pass->groups[g], rows = pass->groups[g + 1] - first;
        for (int tile = tiles->first; tile < tiles->last; tile += NT_WIDE) {
            for (int w = NT_WIDE; w < 2 * NT_WIDE && g == 0; w++)
                if (tile + w >= sent) nt_send_for_tile(cut, tiles, tile + w);
            nt_scores(cut, tiles, tile, rows, g, memory, &ahead);
        }
        const nt_fold_factors fold = nt_weigh(cut, pass, tiles, chunk, g, memory);
        for (int64_t d = 0; d < cut->layout.padded_dimension; d += NT_WIDE * 16)
            nt_values(cut, tiles, d, rows, &fold, memory->scores, memory->sums + first * cut->width, &ahead);
    }
    return ahead.tile;
}

NT_INLINE void nt_put_scaled(float *out, const float *sums, float scale, int64_t dimension) {
    int64_t d = 0;
    for (; d + 16 <= dimension; d += 16) nt_put(out + d, nt_load(sums + d) * nt_splat(scale));
    for (; d < dimension; d++) out[d] = sums[d] * scale;
}

// Sums over the total of their weights.
static void nt_finish(const nt_attention_cut *cut, const nt_pass *pass, const nt_attention_memory *memory) {
    const nt_attention_plan *plan = cut->plan;
    const int64_t dimension = cut->cache->head_dimension;
    nt_row row = nt_first_row(cut, pass);
    for (int g = 0, index = 0; g < pass->group_count; g++) {
        const nt_v16 scales = nt_splat(1.0f) / nt_load(memory->totals + g * 16);
        for (int slot = 0; index < pass->groups[g + 1]; slot++, index++, nt_next_row(cut, &row)) {
            float *out = plan->out + row.token * plan->out_stride + nt_query_head(cut, pass, row) * dimension;
            nt_put_scaled(out, memory->sums + index * cut->width, scales[slot], dimension);
        }
    }
}

// The place of a row's partial result of a chunk.
NT_INLINE float *nt_partial(const nt_attention_cut *cut, int64_t token, int64_t head, int64_t chunk) {
    const int64_t row = token * cut->plan->query_head_count + head;
    return cut->plan->partials + (row * cut->chunk_count + chunk) * (NT_PARTIAL_HEAD + cut->width);
}

static void nt_keep_partials(const nt_attention_cut *cut, const nt_pass *pass, int64_t chunk,
                             const nt_attention_memory *memory) {
    nt_row row = nt_first_row(cut, pass);
    for (int g = 0, index = 0; g < pass->group_count; g++) {
        for (int slot = 0; index < pass->groups[g + 1]; slot++, index++, nt_next_row(cut, &row)) {
            float *partial = nt_partial(cut, row.token, nt_query_head(cut, pass, row), chunk);
            partial[0] = memory->maxima[g * 16 + slot];
            partial[1] = memory->totals[g * 16 + slot];
            memcpy(partial + NT_PARTIAL_HEAD, memory->sums + index * cut->width, (size_t)cut->width * sizeof(float));
        }
    }
}

// `sent`: the first tile of the pass that nobody sent for; `after`: the tiles that the thread reads next, or NULL.
// Returns the first of these that nobody sent for.
static int nt_run_pass(const nt_attention_cut *cut, nt_pass *pass, int sent, const nt_tiles *after,
                       nt_attention_memory *memory) {
    nt_form_groups(cut, pass);
    nt_load_queries(cut, pass, memory);
    for (int i = 0; i < pass->group_count * 16; i += 16) {
        nt_put(memory->maxima + i, nt_splat(NT_NOWHERE));
        nt_put(memory->totals + i, (nt_v16){0});
    }
    memset(memory->sums, 0, (size_t)(pass->row_count * cut->width) * sizeof(float));
    nt_tiles tiles = nt_find_tiles(cut, pass, pass->first_chunk), next;
    for (int64_t chunk = pass->first_chunk; chunk <= pass->last_chunk; chunk++) {
        const int has_next = chunk < pass->last_chunk;
        if (has_next) next = nt_find_tiles(cut, pass, chunk + 1);
        const int64_t count = pass->end - chunk * NT_CHUNK;
        if (count < NT_CHUNK && count % NT_TILE_POSITIONS && cut->cache->type == NT_BF16)
            nt_clear_last_values(cut, &tiles, count % NT_TILE_POSITIONS, memory->last_values);
        sent = nt_attend_chunk(cut, pass, chunk, &tiles, sent, has_next ? &next : after, memory);
        if (has_next) tiles = next;
    }
    if (cut->chunk_count > 0)
        nt_keep_partials(cut, pass, pass->first_chunk, memory);
    else
        nt_finish(cut, pass, memory);
    return sent;
}
