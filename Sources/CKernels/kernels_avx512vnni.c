#if defined(__x86_64__)
// Headers first: only our own functions may use the instructions.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define NT_HAS_HALF
#define NT_HAS_512
#define NT_TARGET "avx512vnni,avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"
#pragma clang attribute push(__attribute__((target(NT_TARGET))), apply_to = function)
#include "template_set.h"
#pragma clang attribute pop

NT_KERNELS(avx512vnni);
#endif
