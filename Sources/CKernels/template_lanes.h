// Outputs side by side in a register, NT_LANES of them, and the one operation that instruction sets differ in: four
// unsigned bytes of weights times four signed bytes of activations, added up in each lane, exactly.

#if defined(NT_HAS_512) || defined(NT_HAS_512_FLOATS)
#define NT_LANES 16
#else
#define NT_LANES 8
#endif

// Rows of a tile. Two registers of integer sums and two of floats a row: 32 registers hold them for six rows. Without
// a unit that adds up four products a row has two more.
#if defined(NT_HAS_512)
#define NT_ROWS_AT_ONCE 6
#elif defined(NT_HAS_AVX2) || !defined(__x86_64__)
#define NT_ROWS_AT_ONCE 4
#else
// Without a fused multiply-add it is slow anyway, and the code of larger tiles is large.
#define NT_ROWS_AT_ONCE 2
#endif

// Registers of outputs side by side in a tile. Small ones hold a whole panel for a row or two, which are a matter of
// memory, so that it is read in one pass; more rows take two passes.
#if NT_LANES == 16
#define NT_ONE_PASS_ROWS NT_ROWS_AT_ONCE
#define NT_SIDES(rows) 2
#else
#define NT_ONE_PASS_ROWS 2
#define NT_SIDES(rows) ((rows) <= NT_ONE_PASS_ROWS ? 4 : 2)
#endif
#define NT_MOST_SIDES 4

typedef int32_t nt_ints __attribute__((ext_vector_type(NT_LANES)));
typedef uint32_t nt_words __attribute__((ext_vector_type(NT_LANES)));
typedef float nt_floats __attribute__((ext_vector_type(NT_LANES)));

NT_INLINE nt_ints nt_ints_at(const void *p) {
    nt_ints v;
    memcpy(&v, p, sizeof v);
    return v;
}

// The same four bytes in every lane.
NT_INLINE nt_ints nt_four_at(const void *p) {
    int32_t four;
    memcpy(&four, p, 4);
    return (nt_ints)four;
}

NT_INLINE nt_floats nt_halves_at(const uint8_t *p) {
#if defined(NT_HAS_HALF)
    typedef _Float16 nt_halves __attribute__((ext_vector_type(NT_LANES)));
    nt_halves halves;
    memcpy(&halves, p, sizeof halves);
    return __builtin_convertvector(halves, nt_floats);
#else
    nt_floats v;
    for (int i = 0; i < NT_LANES; i++) {
        uint16_t half;
        memcpy(&half, p + i * 2, 2);
        v[i] = nt_half(half);
    }
    return v;
#endif
}

NT_INLINE nt_floats nt_bytes_at(const uint8_t *p) {
    typedef uint8_t nt_bytes __attribute__((ext_vector_type(NT_LANES)));
    nt_bytes bytes;
    memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(bytes, nt_floats);
}

NT_INLINE nt_ints nt_signed_bytes_at(const uint8_t *p) {
    typedef int8_t nt_signed_bytes __attribute__((ext_vector_type(NT_LANES)));
    nt_signed_bytes bytes;
    memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(bytes, nt_ints);
}

// nt_byte_dot(sum, w, x, bits): weights have `bits` bits. NT_DOT_STEPS(bits): the steps for which a sum may run on
// its own before nt_widen adds it to whole ones; 0 where a sum is whole all along. NT_DOT_IS_SIGNED: weights of 8
// bits have their offset taken.
#if defined(NT_HAS_512) || defined(NT_HAS_AVXVNNI)
#define NT_DOT_STEPS(bits) ((bits) * 0)
#define NT_DOT_IS_SIGNED 0
NT_INLINE nt_ints nt_byte_dot(nt_ints sum, nt_ints w, nt_ints x, int bits) {
    (void)bits;
#if defined(NT_HAS_512)
    return (nt_ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
#else
    return (nt_ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, (__m256i)x);
#endif
}
NT_INLINE nt_ints nt_widen(nt_ints whole, nt_ints sum) { return whole + sum; }

#elif defined(NT_HAS_AVX2)
// maddubs adds two products at 16 bits and saturates. Of weights of 4 bits 16 products fit there, of 5 bits 8, of 6
// bits 4. Those of 8 bits give their sign to the activations, so that two fit: 2 x 128 x 127 < 32768.
#define NT_DOT_STEPS(bits) ((bits) == 8 ? 0 : (bits) == 6 ? 2 : (bits) == 5 ? 4 : 8)
#define NT_DOT_IS_SIGNED 1
#if defined(NT_HAS_512_FLOATS)
NT_INLINE nt_ints nt_byte_pairs(nt_ints w, nt_ints x) { return (nt_ints)_mm512_maddubs_epi16((__m512i)w, (__m512i)x); }
NT_INLINE nt_ints nt_add_shorts(nt_ints a, nt_ints b) { return (nt_ints)_mm512_add_epi16((__m512i)a, (__m512i)b); }
NT_INLINE nt_ints nt_widen(nt_ints whole, nt_ints sum) {
    return whole + (nt_ints)_mm512_madd_epi16((__m512i)sum, _mm512_set1_epi16(1));
}
NT_INLINE nt_ints nt_signed_byte_pairs(nt_ints w, nt_ints x) {
    const __m512i q = _mm512_xor_si512((__m512i)w, _mm512_set1_epi8((char)0x80)), zero = _mm512_setzero_si512();
    const __m512i turned = _mm512_mask_sub_epi8((__m512i)x, _mm512_movepi8_mask(q), zero, (__m512i)x);
    return nt_byte_pairs((nt_ints)_mm512_abs_epi8(q), (nt_ints)turned);
}
#else
NT_INLINE nt_ints nt_byte_pairs(nt_ints w, nt_ints x) { return (nt_ints)_mm256_maddubs_epi16((__m256i)w, (__m256i)x); }
NT_INLINE nt_ints nt_add_shorts(nt_ints a, nt_ints b) { return (nt_ints)_mm256_add_epi16((__m256i)a, (__m256i)b); }
NT_INLINE nt_ints nt_widen(nt_ints whole, nt_ints sum) {
    return whole + (nt_ints)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1));
}
NT_INLINE nt_ints nt_signed_byte_pairs(nt_ints w, nt_ints x) {
    const __m256i q = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8((char)0x80));
    return nt_byte_pairs((nt_ints)_mm256_abs_epi8(q), (nt_ints)_mm256_sign_epi8((__m256i)x, q));
}
#endif
NT_INLINE nt_ints nt_byte_dot(nt_ints sum, nt_ints w, nt_ints x, int bits) {
    sum = bits == 8 ? nt_widen(sum, nt_signed_byte_pairs(w, x)) : nt_add_shorts(sum, nt_byte_pairs(w, x));
    // Keeps the compiler from adding, and so reading weights, in another order, which the processor's prefetching does
    // not follow.
    __asm__("" : "+v"(sum));
    return sum;
}

#elif defined(NT_HAS_NEONDOT)
// Bytes of both are signed: weights of fewer than 8 bits fit, those of 8 have their offset taken.
#define NT_DOT_STEPS(bits) ((bits) * 0)
#define NT_DOT_IS_SIGNED 1
NT_INLINE nt_ints nt_byte_dot(nt_ints sum, nt_ints w, nt_ints x, int bits) {
    if (bits == 8) w ^= (nt_ints)(int32_t)0x80808080;
    int32x4_t sums[2];
    int8x16_t weights[2], inputs[2];
    memcpy(sums, &sum, sizeof sum);
    memcpy(weights, &w, sizeof w);
    memcpy(inputs, &x, sizeof x);
    for (int i = 0; i < 2; i++) sums[i] = vdotq_s32(sums[i], weights[i], inputs[i]);
    memcpy(&sum, sums, sizeof sum);
    return sum;
}
NT_INLINE nt_ints nt_widen(nt_ints whole, nt_ints sum) { return whole + sum; }

#else
#define NT_DOT_STEPS(bits) ((bits) * 0)
#define NT_DOT_IS_SIGNED 0
// Sums of neighbouring products.
NT_INLINE nt_ints nt_byte_pairs(nt_ints a, nt_ints b) {
    typedef int16_t nt_shorts __attribute__((ext_vector_type(2 * NT_LANES)));
    typedef int32_t nt_products __attribute__((ext_vector_type(2 * NT_LANES)));
    const nt_products p =
        __builtin_convertvector((nt_shorts)a, nt_products) * __builtin_convertvector((nt_shorts)b, nt_products);
    return __builtin_shufflevector(p, p, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(p, p, 1, 3, 5, 7, 9, 11, 13, 15);
}
// Bytes 0 and 2 of each lane, then 1 and 3.
NT_INLINE nt_ints nt_byte_dot(nt_ints sum, nt_ints w, nt_ints x, int bits) {
    (void)bits;
    typedef int16_t nt_shorts __attribute__((ext_vector_type(2 * NT_LANES)));
    const nt_ints even = w & 0x00FF00FF, odd = (nt_ints)((nt_words)w >> 8) & 0x00FF00FF;
    const nt_shorts shorts = (nt_shorts)x;
    return sum + nt_byte_pairs(even, (nt_ints)(shorts << 8 >> 8)) + nt_byte_pairs(odd, (nt_ints)(shorts >> 8));
}
NT_INLINE nt_ints nt_widen(nt_ints whole, nt_ints sum) { return whole + sum; }
#endif
