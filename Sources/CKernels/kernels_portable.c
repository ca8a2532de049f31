// For any processor: what the compiler makes of the vectors. On ARM that is NEON.
#include "template_set.h"

NT_KERNELS(portable);
