// ARM processors that multiply and add four bytes at once.
#if defined(__aarch64__)
// Headers first: only our own functions may use the instructions.
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define NT_HAS_HALF
#define NT_HAS_NEONDOT
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#include "template_set.h"
#pragma clang attribute pop

NT_KERNELS(neondot);
#endif
