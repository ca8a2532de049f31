// Sixteen floats at a time in the compiler's vector language: one AVX-512 register, two of AVX2, four of NEON. Included by
// the kernels_*.c files under their instruction set.

// Every function that takes a vector is inlined, so how it would be passed does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float nt_v16 __attribute__((vector_size(64)));
typedef int32_t nt_i16 __attribute__((vector_size(64)));
typedef int8_t nt_c16 __attribute__((vector_size(16)));
typedef float nt_v8 __attribute__((vector_size(32)));
typedef float nt_v4 __attribute__((vector_size(16)));

#define NT_INLINE static inline __attribute__((always_inline))

NT_INLINE nt_v16 nt_load(const float *p) {
    nt_v16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

NT_INLINE void nt_put(float *p, nt_v16 v) { memcpy(p, &v, sizeof v); }

// The last count < 16 floats, the missing lanes zero.
NT_INLINE nt_v16 nt_load_tail(const float *p, int64_t count) {
    nt_v16 v = {0};
    memcpy(&v, p, (size_t)count * sizeof(float));
    return v;
}

NT_INLINE nt_v16 nt_splat(float x) { return (nt_v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

NT_INLINE nt_v16 nt_fma(nt_v16 a, nt_v16 b, nt_v16 c) { return __builtin_elementwise_fma(a, b, c); }

// The tree of CKernels.h: lane i takes lane i + 8, i + 4, i + 2, i + 1.
NT_INLINE float nt_fold(nt_v16 v) {
    nt_v8 a = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    nt_v4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}

// a in the lanes of which the mask's bits are set, b where they are not.
NT_INLINE nt_v16 nt_select(nt_i16 mask, nt_v16 a, nt_v16 b) {
    nt_i16 x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (mask & x) | (~mask & y);
    memcpy(&a, &x, sizeof a);
    return a;
}

NT_INLINE float nt_fold_max(nt_v16 v) {
    float m = v[0];
    for (int i = 1; i < 16; i++) m = v[i] > m ? v[i] : m;
    return m;
}

// The last count < 16 floats, the missing lanes `rest`.
NT_INLINE nt_v16 nt_load_tail_or(const float *p, int64_t count, float rest) {
    nt_v16 v = nt_splat(rest);
    memcpy(&v, p, (size_t)count * sizeof(float));
    return v;
}

NT_INLINE float nt_dot(const float *a, const float *b, int64_t count) {
    nt_v16 sum = {0};
    int64_t k = 0;
    for (; k + 16 <= count; k += 16) sum = nt_fma(nt_load(a + k), nt_load(b + k), sum);
    if (k < count) sum = nt_fma(nt_load_tail(a + k, count - k), nt_load_tail(b + k, count - k), sum);
    return nt_fold(sum);
}

// e^x to within a few units in the last place (a test holds silu, which is made of it, to 1e-6): 2^n * p(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; below -87 and
// above 88 it stays at the ends. The coefficients are those of the Taylor series to degree 7, whose remainder there is
// under 5e-9.
NT_INLINE nt_v16 nt_exp(nt_v16 x) {
    x = __builtin_elementwise_min(__builtin_elementwise_max(x, nt_splat(-87.0f)), nt_splat(88.0f));
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    nt_v16 n = (x * nt_splat(1.44269504f) + nt_splat(12582912.0f)) - nt_splat(12582912.0f);
    nt_v16 r = nt_fma(n, nt_splat(-0.693145752f), x);
    r = nt_fma(n, nt_splat(-1.42860677e-6f), r);
    nt_v16 p = nt_splat(1.0f / 5040);
    p = nt_fma(p, r, nt_splat(1.0f / 720));
    p = nt_fma(p, r, nt_splat(1.0f / 120));
    p = nt_fma(p, r, nt_splat(1.0f / 24));
    p = nt_fma(p, r, nt_splat(1.0f / 6));
    p = nt_fma(p, r, nt_splat(0.5f));
    p = nt_fma(p, r, nt_splat(1.0f));
    p = nt_fma(p, r, nt_splat(1.0f));
    nt_i16 bits = (__builtin_convertvector(n, nt_i16) + 127) << 23;
    nt_v16 power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}
