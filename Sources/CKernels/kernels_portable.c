// For any processor: what the compiler makes of the vectors. On ARM that is NEON.
#if defined(__aarch64__)
#define NT_HAS_HALF
#endif
#include "template_set.h"

NT_KERNELS(portable);
