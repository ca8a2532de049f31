// How quantised blocks lie in a file. Source: the GGUF type descriptions; sizes are checked against ElementType by a test.
#ifndef NT_BLOCKS_H
#define NT_BLOCKS_H

#include <stdint.h>
#include <string.h>

typedef struct { uint16_t scale; uint8_t quants[16]; } nt_block_q4_0;
typedef struct { uint16_t scale, minimum; uint8_t quants[16]; } nt_block_q4_1;
typedef struct { uint16_t scale; uint8_t high[4]; uint8_t quants[16]; } nt_block_q5_0;
typedef struct { uint16_t scale, minimum; uint8_t high[4]; uint8_t quants[16]; } nt_block_q5_1;
typedef struct { uint16_t scale; int8_t quants[32]; } nt_block_q8_0;
// 256 weights in 8 groups of 32; each group has a 6-bit scale and a 6-bit minimum, packed in 12 bytes.
typedef struct { uint16_t scale, minimum; uint8_t scales[12]; uint8_t quants[128]; } nt_block_q4_k;
typedef struct { uint16_t scale, minimum; uint8_t scales[12]; uint8_t high[32]; uint8_t quants[128]; } nt_block_q5_k;
// 256 weights in 16 groups of 16 with an 8-bit scale each.
typedef struct { uint8_t low[128]; uint8_t high[64]; int8_t scales[16]; uint16_t scale; } nt_block_q6_k;

_Static_assert(sizeof(nt_block_q4_0) == 18 && sizeof(nt_block_q4_1) == 20, "");
_Static_assert(sizeof(nt_block_q5_0) == 22 && sizeof(nt_block_q5_1) == 24, "");
_Static_assert(sizeof(nt_block_q8_0) == 34 && sizeof(nt_block_q4_k) == 144, "");
_Static_assert(sizeof(nt_block_q5_k) == 176 && sizeof(nt_block_q6_k) == 210, "");

// Half to single precision, exact, in integer arithmetic: the same on every processor.
static inline float nt_half(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 0x1F;
    uint32_t fraction = bits & 0x3FF;
    uint32_t single;
    float value;
    if (exponent == 0x1F) {
        single = sign | 0x7F800000 | fraction << 13;
    } else if (exponent != 0) {
        single = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        // Subnormal: the fraction counts in units of 2^-24, which single precision holds exactly.
        value = (float)fraction * 0x1p-24f;
        memcpy(&single, &value, 4);
        single |= sign;
    }
    memcpy(&value, &single, 4);
    return value;
}

static inline float nt_bfloat(uint16_t bits) {
    uint32_t single = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &single, 4);
    return value;
}

// The scale (low) or minimum (high) of group j of a Q4_K or Q5_K block: 6 bits each; the first four groups lie whole,
// of the others four bits, with their upper two in the spare bits of the first.
static inline uint8_t nt_k_scale(const uint8_t *scales, int j) {
    return j < 4 ? scales[j] & 63 : (uint8_t)((scales[j + 4] & 0xF) | (scales[j - 4] >> 6) << 4);
}

static inline uint8_t nt_k_minimum(const uint8_t *scales, int j) {
    return j < 4 ? scales[j + 4] & 63 : (uint8_t)(scales[j + 4] >> 4 | (scales[j] >> 6) << 4);
}

#endif
