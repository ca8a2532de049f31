// Tiles of weight rows x activation rows. Weight rows are turned to floats in scratch once and used for every row of x.

// mr x nr outputs: mr rows of x from x, nr weight rows from w. Both counts are constants where this is inlined.
NT_INLINE void nt_tile(const float *const *w, const float *x, int64_t columns, int mr, int nr, float *sums) {
    nt_v16 acc[4][NT_TILE];
    for (int m = 0; m < mr; m++)
        for (int n = 0; n < nr; n++) acc[m][n] = (nt_v16){0};
    int64_t k = 0;
    for (; k + 16 <= columns; k += 16) {
        nt_v16 a[4];
        for (int m = 0; m < mr; m++) a[m] = nt_load(x + m * columns + k);
        for (int n = 0; n < nr; n++) {
            const nt_v16 b = nt_load(w[n] + k);
            for (int m = 0; m < mr; m++) acc[m][n] = nt_fma(a[m], b, acc[m][n]);
        }
    }
    if (k < columns) {
        for (int n = 0; n < nr; n++) {
            const nt_v16 b = nt_load_tail(w[n] + k, columns - k);
            for (int m = 0; m < mr; m++)
                acc[m][n] = nt_fma(nt_load_tail(x + m * columns + k, columns - k), b, acc[m][n]);
        }
    }
    for (int m = 0; m < mr; m++)
        for (int n = 0; n < nr; n++) sums[m * NT_TILE + n] = nt_fold(acc[m][n]);
}

static void nt_tile_rows(const float *const *w, int nr, const float *x, int64_t columns, int mr, float *sums) {
    // Whole tiles have their counts as constants; a remainder goes one weight row at a time, in the same order.
    if (nr == NT_TILE && mr == 4) {
        nt_tile(w, x, columns, 4, 4, sums);
        nt_tile(w + 4, x, columns, 4, 4, sums + 4);
    } else if (nr == NT_TILE && mr == 3) {
        nt_tile(w, x, columns, 3, 4, sums);
        nt_tile(w + 4, x, columns, 3, 4, sums + 4);
    } else if (nr == NT_TILE && mr == 2) {
        nt_tile(w, x, columns, 2, 8, sums);
    } else if (nr == NT_TILE && mr == 1) {
        nt_tile(w, x, columns, 1, 8, sums);
    } else {
        for (int m = 0; m < mr; m++)
            for (int n = 0; n < nr; n++) nt_tile(w + n, x + m * columns, columns, 1, 1, sums + m * NT_TILE + n);
    }
}

static void nt_matmul_rows(const nt_matrix *w, const float *bias, const float *x, int64_t row_count, float *out,
                           int64_t out_stride, nt_store store, int64_t first, int64_t last, float *scratch) {
    for (int64_t n = first; n < last; n += NT_TILE) {
        const int nr = last - n < NT_TILE ? (int)(last - n) : NT_TILE;
        const float *rows[NT_TILE];
        for (int i = 0; i < nr; i++) {
            const char *source = (const char *)w->data + (size_t)(n + i) * w->row_bytes;
            float *row = scratch + i * w->columns;
            if (w->type == NT_F32) {
                rows[i] = (const float *)source;
                continue;
            }
            nt_dequantize(w->type, source, row, w->columns);
            rows[i] = row;
        }
        for (int64_t m = 0; m < row_count; m += 4) {
            const int mr = row_count - m < 4 ? (int)(row_count - m) : 4;
            float sums[4 * NT_TILE];
            nt_tile_rows(rows, nr, x + m * w->columns, w->columns, mr, sums);
            for (int i = 0; i < mr; i++) {
                for (int j = 0; j < nr; j++) {
                    float *o = out + (m + i) * out_stride + n + j;
                    const float sum = bias ? sums[i * NT_TILE + j] + bias[n + j] : sums[i * NT_TILE + j];
                    *o = store == NT_ADD ? *o + sum : sum;
                }
            }
        }
    }
}
