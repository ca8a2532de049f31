// Dot products over tiles of NT_BF16. A vector holds pairs of elements; a sum takes the second of a pair first, then
// the first, each with one rounding: the order of the instruction. Nothing that is added is subnormal
// (nt_cache_bfloat).

#if defined(NT_HAS_BFLOAT_DOT)
typedef uint32_t nt_pair;
typedef __m512bh nt_pairs;

NT_INLINE nt_pairs nt_load_pairs(const char *p) { return (nt_pairs)_mm512_loadu_si512(p); }

NT_INLINE nt_v16 nt_add_pairs(nt_v16 sum, nt_pairs w, nt_pair x) {
    return (nt_v16)_mm512_dpbf16_ps((__m512)sum, w, (__m512bh)_mm512_set1_epi32((int)x));
}
#else
typedef struct { float first, second; } nt_pair;
typedef struct { nt_v16 first, second; } nt_pairs;

NT_INLINE nt_pairs nt_load_pairs(const char *p) {
    nt_u16 bits;
    memcpy(&bits, p, sizeof bits);
    return (nt_pairs){(nt_v16)(bits << 16), (nt_v16)(bits & 0xFFFF0000)};
}

NT_INLINE nt_v16 nt_add_pairs(nt_v16 sum, nt_pairs w, nt_pair x) {
    return nt_fma(w.first, nt_splat(x.first), nt_fma(w.second, nt_splat(x.second), sum));
}
#endif

// Sixteen floats of either sign, none of them subnormal, as eight pairs.
NT_INLINE void nt_put_pairs(void *pairs, nt_v16 x) {
#if defined(NT_HAS_BFLOAT_DOT)
    const __m256bh half = _mm512_cvtneps_pbh((__m512)x);
    memcpy(pairs, &half, sizeof half);
#else
    nt_u16 bits = (nt_u16)x;
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
    memcpy(pairs, &bits, sizeof bits);
#endif
}

NT_INLINE nt_pair nt_pair_at(const void *pairs, int64_t index) {
    nt_pair pair;
    memcpy(&pair, (const char *)pairs + index * (int64_t)sizeof pair, sizeof pair);
    return pair;
}

// A query times the scale. What is less than 2^-56 becomes zero, as in the cache.
NT_INLINE void nt_put_bf16_query(const float *query, int64_t dimension, nt_v16 scale, nt_pair *elements) {
    for (int64_t k = 0; k < dimension; k += 16) {
        const nt_v16 x = (dimension - k < 16 ? nt_load_tail(query + k, dimension - k) : nt_load(query + k)) * scale;
        const nt_i16 is_kept = ((nt_i16)x & 0x7FFFFFFF) >= 0x23800000;
        nt_put_pairs(elements + k / 16 * NT_GROUP_ROWS * 8, nt_only(x, is_kept));
    }
}

// Scores of `rows` rows for the positions of one tile, or of two.
NT_INLINE void nt_bf16_scores(const int rows, const nt_tiles *tiles, int tile, int64_t pairs, const nt_pair *queries,
                              float *scores, nt_ahead *ahead) {
    const char *keys[NT_WIDE];
    nt_v16 sums[NT_GROUP_ROWS][NT_WIDE];
    for (int w = 0; w < NT_WIDE; w++) keys[w] = tiles->keys[nt_tile_beside(tiles, tile, w)];
    nt_ahead sent = *ahead;
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++) sums[r][w] = (nt_v16){0};
    for (int64_t start = 0; start < pairs; start += 8, queries += NT_GROUP_ROWS * 8) {
        const int64_t count = pairs - start < 8 ? pairs - start : 8;
        const char *lines = nt_take_lines(&sent, 8 * NT_WIDE, keys[0]);
#pragma clang loop unroll_count(2)
        for (int64_t k = 0; k < count; k++) {
            nt_pairs key[NT_WIDE];
            for (int w = 0; w < NT_WIDE; w++) {
                key[w] = nt_load_pairs(keys[w] + (start + k) * 64);
                __builtin_prefetch(lines + (k * NT_WIDE + w) * 64, 0, 2);
            }
#pragma unroll
            for (int r = 0; r < rows; r++) {
                const nt_pair x = queries[r * 8 + k];
                for (int w = 0; w < NT_WIDE; w++) sums[r][w] = nt_add_pairs(sums[r][w], key[w], x);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++)
            nt_put(scores + r * NT_SCORE_STRIDE + (tile + w) * NT_TILE_POSITIONS, sums[r][w]);
    *ahead = sent;
}

// sums = sums * fold->old + (weighted values of the chunk) * fold->new, for NT_WIDE * 16 dimensions from `start`.
NT_INLINE void nt_bf16_values(const int rows, const nt_tiles *tiles, int64_t start, int64_t padded,
                              const float *weights, const nt_fold_factors *fold, float *sums, int64_t width,
                              nt_ahead *ahead) {
    nt_v16 chunk[NT_GROUP_ROWS][NT_WIDE];
    int64_t column[NT_WIDE];
    for (int w = 0; w < NT_WIDE; w++) column[w] = (start + w * 16 < padded ? start + w * 16 : start) * 4;
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++) chunk[r][w] = (nt_v16){0};
    nt_ahead sent = *ahead;
    for (int tile = tiles->first; tile < tiles->last; tile++) {
        const char *values = tiles->values[tile], *lines = nt_take_lines(&sent, 8 * NT_WIDE, values);
#pragma clang loop unroll_count(2)
        for (int k = 0; k < NT_TILE_POSITIONS / 2; k++) {
            nt_pairs value[NT_WIDE];
            for (int w = 0; w < NT_WIDE; w++) {
                value[w] = nt_load_pairs(values + k * padded * 4 + column[w]);
                __builtin_prefetch(lines + (k * NT_WIDE + w) * 64, 0, 2);
            }
#pragma unroll
            for (int r = 0; r < rows; r++) {
                const nt_pair x = nt_pair_at(weights + r * NT_SCORE_STRIDE, tile * 8 + k);
                for (int w = 0; w < NT_WIDE; w++) chunk[r][w] = nt_add_pairs(chunk[r][w], value[w], x);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rows; r++)
        for (int w = 0; w < NT_WIDE; w++) nt_fold_in(sums + r * width + start + w * 16, chunk[r][w], fold, r);
    *ahead = sent;
}
