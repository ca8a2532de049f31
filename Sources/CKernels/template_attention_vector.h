// What attention needs of vectors beside template_vector.h.

typedef uint32_t nt_u16 __attribute__((vector_size(64)));
typedef uint16_t nt_h16 __attribute__((vector_size(32)));

// a where the mask is set, b elsewhere.
NT_INLINE nt_v16 nt_choose(nt_i16 mask, nt_v16 a, nt_v16 b) {
    return (nt_v16)(((nt_i16)a & mask) | ((nt_i16)b & ~mask));
}

// The larger of each; either one where one is no number.
NT_INLINE nt_v16 nt_larger(nt_v16 a, nt_v16 b) {
#if defined(NT_HAS_512) || defined(NT_HAS_512_FLOATS)
    return (nt_v16)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return nt_choose(a > b, a, b);
#endif
}

NT_INLINE float nt_largest_lane(nt_v16 v) {
    v = nt_larger(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    v = nt_larger(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
    v = nt_larger(v, __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3));
    return v[0] > v[1] ? v[0] : v[1];
}

// 2^x for x <= 0 to within 3e-6; below -50 it stays there, which keeps every weight a normal number. p(r) is the
// polynomial of degree 4 with p(0) = 1 and the least relative error on [-1/2, 1/2].
NT_INLINE nt_v16 nt_power(nt_v16 x) {
    x = nt_larger(x, nt_splat(-50.0f));
    // Adding 1.5 * 2^23 rounds to the nearest whole number, which then stands in the lowest bits.
    const nt_v16 shifted = x + nt_splat(12582912.0f);
    const nt_v16 r = x - (shifted - nt_splat(12582912.0f));
    nt_v16 p = nt_splat(0.00958285294f);
    p = nt_fma(p, r, nt_splat(0.0559064262f));
    p = nt_fma(p, r, nt_splat(0.240240991f));
    p = nt_fma(p, r, nt_splat(0.693124175f));
    p = nt_fma(p, r, nt_splat(1.0f));
    return (nt_v16)((nt_u16)p + ((nt_u16)shifted << 23));
}

// All bits where the lane's position, from `start`, lies in low ..< high.
NT_INLINE nt_i16 nt_lanes_within(int start, int low, int high) {
    const nt_i16 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return (lanes >= low - start) & (lanes < high - start);
}

NT_INLINE nt_v16 nt_only(nt_v16 v, nt_i16 mask) { return (nt_v16)((nt_i16)v & mask); }

// Sixteen bfloats as floats.
NT_INLINE nt_v16 nt_load_bfloats(const char *p) {
    nt_h16 half;
    memcpy(&half, p, sizeof half);
    return (nt_v16)(__builtin_convertvector(half, nt_u16) << 16);
}

// To the nearest whole number, ties to even, of |x| < 2^22.
NT_INLINE nt_i16 nt_nearest(nt_v16 x) { return (nt_i16)(x + nt_splat(12582912.0f)) - 0x4B400000; }
