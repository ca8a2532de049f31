// Dot products over tiles of NT_Q8_0. A vector holds four bytes of each of sixteen positions or dimensions. Queries
// and weights have fifteen bits, so that theirs is not the error: sums are exact integers, the same however they are
// formed.

#if defined(NT_HAS_512)
// What a 32-bit sum takes from four bytes at once: the high and the low parts of four factors.
typedef struct { uint32_t first, second; } nt_quad;
typedef struct { nt_i16 high, low; } nt_quad_sum;
typedef __m512i nt_quads;

NT_INLINE nt_quad_sum nt_start_sum(int32_t start) {
    const nt_i16 lane = {start, start, start, start, start, start, start, start,
                         start, start, start, start, start, start, start, start};
    return (nt_quad_sum){{0}, lane};
}

NT_INLINE nt_quads nt_load_keys(const char *p) { return _mm512_loadu_si512(p); }
NT_INLINE nt_quads nt_load_values(const char *p) { return _mm512_loadu_si512(p); }

NT_INLINE nt_quad_sum nt_add_keys(nt_quad_sum sum, nt_quads w, const nt_quad *x) {
    return (nt_quad_sum){
        (nt_i16)_mm512_dpbusd_epi32((__m512i)sum.high, w, _mm512_set1_epi32((int)x->first)),
        (nt_i16)_mm512_dpbusd_epi32((__m512i)sum.low, w, _mm512_set1_epi32((int)x->second)),
    };
}

NT_INLINE nt_quad_sum nt_add_values(nt_quad_sum sum, nt_quads w, const nt_quad *x) {
    return (nt_quad_sum){
        (nt_i16)_mm512_dpbusd_epi32((__m512i)sum.high, _mm512_set1_epi32((int)x->first), w),
        (nt_i16)_mm512_dpbusd_epi32((__m512i)sum.low, _mm512_set1_epi32((int)x->second), w),
    };
}

NT_INLINE nt_v16 nt_key_sum(nt_quad_sum sum) { return __builtin_convertvector((sum.high << 7) + sum.low, nt_v16); }
NT_INLINE nt_v16 nt_value_sum(nt_quad_sum sum) { return __builtin_convertvector((sum.high << 8) + sum.low, nt_v16); }

// Sixteen whole numbers as bytes of two factors each: four quadruples.
NT_INLINE void nt_put_quads(nt_quad *quads, nt_i16 high, nt_i16 low) {
    typedef int32_t quarter __attribute__((vector_size(16)));
    const quarter a = (quarter)__builtin_convertvector(high, nt_c16), b = (quarter)__builtin_convertvector(low, nt_c16);
    const __m256i both = (__m256i)__builtin_shufflevector(a, b, 0, 4, 1, 5, 2, 6, 3, 7);
    memcpy(quads, &both, sizeof both);
}

NT_INLINE void nt_put_query_steps(nt_quad *quads, nt_i16 steps) {
    const nt_i16 high = (steps + 64) >> 7;
    nt_put_quads(quads, high, steps - (high << 7));
}

NT_INLINE void nt_put_weight_steps(nt_quad *quads, nt_i16 steps) { nt_put_quads(quads, steps >> 8, steps & 255); }
#else
// Pairs of 16 bits: elements 0 and 2 of four, then 1 and 3.
typedef struct { uint32_t first, second; } nt_quad;
typedef nt_i16 nt_quad_sum;
typedef int16_t nt_s32 __attribute__((vector_size(64)));
typedef struct { nt_s32 first, second; } nt_quads;

NT_INLINE nt_quad_sum nt_start_sum(int32_t start) {
    return (nt_i16){start, start, start, start, start, start, start, start,
                    start, start, start, start, start, start, start, start};
}

NT_INLINE nt_quads nt_load_keys(const char *p) {
    nt_u16 bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (nt_quads){(nt_s32)(bytes & 0x00FF00FF), (nt_s32)(bytes >> 8 & 0x00FF00FF)};
}

NT_INLINE nt_quads nt_load_values(const char *p) {
    nt_s32 bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (nt_quads){bytes << 8 >> 8, bytes >> 8};
}

// sum + the two products of each pair.
NT_INLINE nt_i16 nt_add_products(nt_i16 sum, nt_s32 w, uint32_t pair) {
#if defined(NT_HAS_512_FLOATS)
    return sum + (nt_i16)_mm512_madd_epi16((__m512i)w, _mm512_set1_epi32((int)pair));
#elif defined(NT_HAS_AVX2)
    typedef int32_t half __attribute__((vector_size(32)));
    __m256i halves[2];
    memcpy(halves, &w, sizeof w);
    const __m256i x = _mm256_set1_epi32((int)pair);
    const half low = (half)_mm256_madd_epi16(halves[0], x), high = (half)_mm256_madd_epi16(halves[1], x);
    return sum + __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const nt_i16 lanes = (nt_i16)w;
    return sum + (lanes << 16 >> 16) * (int32_t)(int16_t)pair + (lanes >> 16) * ((int32_t)pair >> 16);
#endif
}

NT_INLINE nt_quad_sum nt_add_keys(nt_quad_sum sum, nt_quads w, const nt_quad *x) {
    return nt_add_products(nt_add_products(sum, w.first, x->first), w.second, x->second);
}

NT_INLINE nt_quad_sum nt_add_values(nt_quad_sum sum, nt_quads w, const nt_quad *x) { return nt_add_keys(sum, w, x); }

NT_INLINE nt_v16 nt_key_sum(nt_quad_sum sum) { return __builtin_convertvector(sum, nt_v16); }
NT_INLINE nt_v16 nt_value_sum(nt_quad_sum sum) { return __builtin_convertvector(sum, nt_v16); }

NT_INLINE void nt_put_query_steps(nt_quad *quads, nt_i16 steps) {
    typedef int16_t half __attribute__((vector_size(32)));
    half lanes = __builtin_convertvector(steps, half);
    lanes = __builtin_shufflevector(lanes, lanes, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    memcpy(quads, &lanes, sizeof lanes);
}

NT_INLINE void nt_put_weight_steps(nt_quad *quads, nt_i16 steps) { nt_put_query_steps(quads, steps); }
#endif

typedef struct {
    const nt_quad *elements;
    const float *steps;
    const int32_t *offsets;
} nt_q8_queries;

// A query times the scale, in steps; and what the offset of the keys adds to each scale group.
NT_INLINE void nt_put_q8_query(const float *query, int64_t dimension, nt_v16 scale, nt_quad *elements, float *step,
                               int32_t *offsets) {
    nt_v16 largest = {0};
    for (int64_t k = 0; k < dimension; k += 16) {
        const nt_v16 x = (dimension - k < 16 ? nt_load_tail(query + k, dimension - k) : nt_load(query + k)) * scale;
        largest = nt_larger(largest, nt_larger(x, -x));
    }
    const float highest = nt_largest_lane(largest);
    const float inverse = highest > NT_LEAST_STEP ? NT_QUERY_STEPS / highest : 0;
    *step = highest * (1 / NT_QUERY_STEPS);
    nt_i16 sum = {0};
    for (int64_t k = 0; k < dimension; k += 16) {
        const nt_v16 x = (dimension - k < 16 ? nt_load_tail(query + k, dimension - k) : nt_load(query + k)) * scale;
        const nt_i16 steps = nt_nearest(x * nt_splat(inverse));
        nt_put_query_steps(elements + k / 16 * NT_GROUP_ROWS * 4, steps);
        sum = k % NT_KEY_GROUP ? sum + steps : steps;
        // Keys are 128 more than they say.
        offsets[k / NT_KEY_GROUP * NT_GROUP_ROWS] = -128 * __builtin_reduce_add(sum);
    }
}

// As nt_bf16_scores. A score is the sum over groups of 32 elements of (exact sum) * (the key's scale), then times the
// query's.
NT_INLINE void nt_q8_scores(const int rows, const nt_tiles *tiles, int tile, const nt_cache_layout *layout,
                            const nt_q8_queries *queries, float *scores, nt_ahead *ahead) {
    nt_ahead sent = *ahead;
    const int64_t quads = layout->padded_dimension / 4;
    for (int64_t start = 0, group = 0; start < quads; start += NT_KEY_GROUP / 4, group++) {
        const int64_t end = start + NT_KEY_GROUP / 4 < quads ? start + NT_KEY_GROUP / 4 : quads;
        const char *keys[NT_WIDE];
        nt_quad_sum sums[NT_Q8_ROWS][NT_WIDE];
        nt_v16 scale[NT_WIDE];
        for (int w = 0; w < NT_WIDE; w++) {
            keys[w] = tiles->keys[nt_tile_beside(tiles, tile, w)];
            scale[w] = nt_load_bfloats(keys[w] + layout->key_scales + group * 32);
        }
#pragma unroll
        for (int r = 0; r < rows; r++)
            for (int w = 0; w < NT_WIDE; w++) sums[r][w] = nt_start_sum(queries->offsets[group * NT_GROUP_ROWS + r]);
        for (int64_t k = start; k < end; k++) {
            const nt_quad *query = queries->elements + k / 4 * NT_GROUP_ROWS * 4 + k % 4;
            nt_quads key[NT_WIDE];
            for (int w = 0; w < NT_WIDE; w++) key[w] = nt_load_keys(keys[w] + k * 64);
            for (int i = 0; i < NT_WIDE + 1; i++) nt_send_for_line(&sent);
#pragma unroll
            for (int r = 0; r < rows; r++) {
                for (int w = 0; w < NT_WIDE; w++) sums[r][w] = nt_add_keys(sums[r][w], key[w], query + r * 4);
            }
        }
#pragma unroll
        for (int r = 0; r < rows; r++) {
            for (int w = 0; w < NT_WIDE; w++) {
                float *score = scores + r * NT_SCORE_STRIDE + (tile + w) * NT_TILE_POSITIONS;
                const nt_v16 before = start > 0 ? nt_load(score) : (nt_v16){0};
                const nt_v16 sum = nt_fma(nt_key_sum(sums[r][w]), scale[w], before);
                nt_put(score, end < quads ? sum : sum * nt_splat(queries->steps[r]));
            }
        }
    }
    *ahead = sent;
}

// As nt_bf16_values; fold->step is what a step of the row's weights is worth.
NT_INLINE void nt_q8_values(const int rows, const nt_tiles *tiles, int64_t start, int64_t padded, const float *weights,
                            const nt_fold_factors *fold, float *sums, int64_t width, nt_ahead *ahead) {
    nt_ahead sent = *ahead;
    nt_quad_sum chunk[NT_Q8_ROWS][NT_WIDE];
    int64_t column[NT_WIDE];
    for (int w = 0; w < NT_WIDE; w++) column[w] = (start + w * 16 < padded ? start + w * 16 : start) * 4;
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++) chunk[r][w] = nt_start_sum(0);
    for (int tile = tiles->first; tile < tiles->last; tile++) {
        const char *values = tiles->values[tile];
#pragma clang loop unroll_count(2)
        for (int k = 0; k < NT_TILE_POSITIONS / 4; k++) {
            nt_quads value[NT_WIDE];
            for (int w = 0; w < NT_WIDE; w++) value[w] = nt_load_values(values + k * padded * 4 + column[w]);
            for (int i = 0; i < NT_WIDE + 1; i++) nt_send_for_line(&sent);
#pragma unroll
            for (int r = 0; r < rows; r++) {
                const nt_quad *x = (const nt_quad *)(const void *)(weights + r * NT_SCORE_STRIDE) + tile * 4 + k;
                for (int w = 0; w < NT_WIDE; w++) chunk[r][w] = nt_add_values(chunk[r][w], value[w], x);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++)
            nt_fold_in(sums + r * width + start + w * 16, nt_value_sum(chunk[r][w]) * nt_splat(fold->step[r]), fold, r);
    *ahead = sent;
}
