// 256-bit registers that multiply and add four bytes at once.
#if defined(__x86_64__)
// Headers first: only our own functions may use the instructions.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define NT_HAS_HALF
#define NT_HAS_AVX2
#define NT_HAS_AVXVNNI
#pragma clang attribute push(__attribute__((target("avxvnni,avx2,fma,f16c"))), apply_to = function)
#include "template_set.h"
#pragma clang attribute pop

NT_KERNELS(avxvnni);
#endif
