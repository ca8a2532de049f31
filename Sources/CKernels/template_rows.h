// Norms, rotary turns, activations: one row at a time.

static void nt_rms_norm_row(const float *x, int64_t columns, const float *weight, float epsilon, float *out) {
    const float scale = 1.0f / sqrtf(nt_dot(x, x, columns) / (float)columns + epsilon);
    for (int64_t i = 0; i < columns; i++) out[i] = x[i] * scale * weight[i];
}

static void nt_layer_norm_row(const float *x, int64_t columns, const float *weight, const float *bias, float epsilon,
                              float *out) {
    nt_v16 sum = {0}, square = {0};
    int64_t k = 0;
    for (; k + 16 <= columns; k += 16) sum += nt_load(x + k);
    if (k < columns) sum += nt_load_tail(x + k, columns - k);
    const float mean = nt_fold(sum) / (float)columns;
    for (int64_t i = 0; i < columns; i++) out[i] = x[i] - mean;
    for (k = 0; k + 16 <= columns; k += 16) square = nt_fma(nt_load(out + k), nt_load(out + k), square);
    if (k < columns) {
        const nt_v16 rest = nt_load_tail(out + k, columns - k);
        square = nt_fma(rest, rest, square);
    }
    const float scale = 1.0f / sqrtf(nt_fold(square) / (float)columns + epsilon);
    for (int64_t i = 0; i < columns; i++) out[i] = out[i] * scale * weight[i] + bias[i];
}

static void nt_rotary_head(float *head, int64_t rotary_dimension, const float *cosines, const float *sines,
                           nt_rotary_layout layout) {
    const int64_t pairs = rotary_dimension / 2;
    const int64_t step = layout == NT_INTERLEAVED ? 2 : 1, other = layout == NT_INTERLEAVED ? 1 : pairs;
    for (int64_t i = 0; i < pairs; i++) {
        float *a = head + i * step, *b = a + other;
        const float real = *a * cosines[i] - *b * sines[i];
        const float imaginary = *a * sines[i] + *b * cosines[i];
        *a = real;
        *b = imaginary;
    }
}

NT_INLINE nt_v16 nt_activation_value(nt_activation activation, nt_v16 x) {
    const nt_v16 one = nt_splat(1);
    // tanh(u) = 1 - 2 / (e^2u + 1), so gelu's 0.5 * (1 + tanh(u)) is 1 - 1 / (e^2u + 1) = 1 / (1 + e^-2u).
    if (activation == NT_GELU_TANH) {
        const nt_v16 u = nt_splat(0.7978845608f) * nt_fma(nt_splat(0.044715f) * x, x * x, x);
        return x / (one + nt_exp(nt_splat(-2) * u));
    }
    if (activation == NT_GELU_ERF) {
        nt_v16 y;
        for (int i = 0; i < 16; i++) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
        return y;
    }
    return x / (one + nt_exp(-x));
}

static void nt_activate_span(nt_activation activation, float *gate, const float *up, int64_t count) {
    int64_t k = 0;
    for (; k + 16 <= count; k += 16) {
        const nt_v16 value = nt_activation_value(activation, nt_load(gate + k));
        nt_put(gate + k, up ? value * nt_load(up + k) : value);
    }
    if (k < count) {
        nt_v16 value = nt_activation_value(activation, nt_load_tail(gate + k, count - k));
        if (up) value *= nt_load_tail(up + k, count - k);
        memcpy(gate + k, &value, (size_t)(count - k) * sizeof(float));
    }
}

// A comparison with NaN is false, so a lane that once was not below infinity stays marked.
static void nt_row_peaks(const float *x, int64_t count, float *peaks) {
    const nt_v16 infinity = nt_splat(INFINITY);
    for (int64_t start = 0; start < count; start += NT_PEAK_RUN) {
        const int64_t end = start + NT_PEAK_RUN < count ? start + NT_PEAK_RUN : count;
        nt_v16 highest = nt_splat(-INFINITY);
        nt_i16 sound = {0};
        sound = ~sound;
        for (int64_t k = start; k < end; k += 16) {
            const nt_v16 v = k + 16 <= end ? nt_load(x + k) : nt_load_tail_or(x + k, end - k, -INFINITY);
            sound &= v < infinity;
            highest = nt_select(v > highest, v, highest);
        }
        *peaks++ = nt_fold_max(nt_select(sound, highest, infinity));
    }
}
