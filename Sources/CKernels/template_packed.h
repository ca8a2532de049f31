// Tiles by type and number of rows, each a function with both as constants; and what becomes of a tile.

#define NT_TILE_PARAMETERS                                                                                   \
    const uint8_t *panel, int64_t columns, const uint8_t *a, size_t stride, float *tile, const uint8_t *next, \
        int lines

// A panel takes one pass, or several where the registers are smaller.
#define NT_TILE_OF(type, rows)                                                                                \
    static __attribute__((noinline)) void nt_tile_##type##_##rows(NT_TILE_PARAMETERS) {                       \
        for (int lane = 0; lane < NT_PANEL; lane += NT_SIDES(rows) * NT_LANES, lines = 0) {                   \
            if (nt_is_quantized(type))                                                                        \
                nt_quantized_tile(type, rows, panel, columns, a, stride, tile, next, lines, lane);            \
            else                                                                                              \
                nt_float_tile(type, rows, panel, columns, a, stride, tile, next, lines, lane);                \
        }                                                                                                     \
    }

#if NT_ROWS_AT_ONCE == 6
#define NT_TILES_OF(type)                                                                               \
    NT_TILE_OF(type, 1) NT_TILE_OF(type, 2) NT_TILE_OF(type, 3) NT_TILE_OF(type, 4) NT_TILE_OF(type, 5) \
    NT_TILE_OF(type, 6)
#define NT_TILE_NAMES(type)                                                                            \
    {nt_tile_##type##_1, nt_tile_##type##_2, nt_tile_##type##_3, nt_tile_##type##_4, nt_tile_##type##_5, \
     nt_tile_##type##_6}
#elif NT_ROWS_AT_ONCE == 4
#define NT_TILES_OF(type) NT_TILE_OF(type, 1) NT_TILE_OF(type, 2) NT_TILE_OF(type, 3) NT_TILE_OF(type, 4)
#define NT_TILE_NAMES(type) {nt_tile_##type##_1, nt_tile_##type##_2, nt_tile_##type##_3, nt_tile_##type##_4}
#else
#define NT_TILES_OF(type) NT_TILE_OF(type, 1) NT_TILE_OF(type, 2)
#define NT_TILE_NAMES(type) {nt_tile_##type##_1, nt_tile_##type##_2}
#endif

NT_TILES_OF(NT_F32)
NT_TILES_OF(NT_F16)
NT_TILES_OF(NT_BF16)
NT_TILES_OF(NT_Q4_0)
NT_TILES_OF(NT_Q4_1)
NT_TILES_OF(NT_Q5_0)
NT_TILES_OF(NT_Q5_1)
NT_TILES_OF(NT_Q8_0)
NT_TILES_OF(NT_Q4_K)
NT_TILES_OF(NT_Q5_K)
NT_TILES_OF(NT_Q6_K)

static void nt_packed_tile(uint32_t type, int rows, NT_TILE_PARAMETERS) {
    typedef void (*nt_tile_function)(NT_TILE_PARAMETERS);
    static const nt_tile_function functions[][NT_ROWS_AT_ONCE] = {
        [NT_F32] = NT_TILE_NAMES(NT_F32),   [NT_F16] = NT_TILE_NAMES(NT_F16),   [NT_BF16] = NT_TILE_NAMES(NT_BF16),
        [NT_Q4_0] = NT_TILE_NAMES(NT_Q4_0), [NT_Q4_1] = NT_TILE_NAMES(NT_Q4_1), [NT_Q5_0] = NT_TILE_NAMES(NT_Q5_0),
        [NT_Q5_1] = NT_TILE_NAMES(NT_Q5_1), [NT_Q8_0] = NT_TILE_NAMES(NT_Q8_0), [NT_Q4_K] = NT_TILE_NAMES(NT_Q4_K),
        [NT_Q5_K] = NT_TILE_NAMES(NT_Q5_K), [NT_Q6_K] = NT_TILE_NAMES(NT_Q6_K),
    };
    functions[type][rows - 1](panel, columns, a, stride, tile, next, lines);
}

NT_INLINE void nt_store_16(const float *sums, const float *bias, float *out, nt_store store) {
    nt_v16 v = nt_load(sums);
    if (bias) v += nt_load(bias);
    nt_put(out, store == NT_ADD ? nt_load(out) + v : v);
}

static void nt_store_tile(const float *tile, int64_t rows, int64_t width, const float *bias, float *out,
                          int64_t out_stride, nt_store store) {
    for (int64_t r = 0; r < rows; r++, tile += NT_PANEL, out += out_stride) {
        if (width == NT_PANEL) {
            nt_store_16(tile, bias, out, store);
            nt_store_16(tile + 16, bias ? bias + 16 : NULL, out + 16, store);
            continue;
        }
        for (int64_t n = 0; n < width; n++) {
            const float sum = bias ? tile[n] + bias[n] : tile[n];
            out[n] = store == NT_ADD ? out[n] + sum : sum;
        }
    }
}
