// Which set of kernels this processor can run, found at run time.
#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "workers.h"

typedef struct {
    const nt_kernel_set *kernels;
    int is_supported;
} nt_candidate;

// The best one first.
static int nt_candidates(nt_candidate *candidates) {
    int count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    const int vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    candidates[count++] = (nt_candidate){&nt_kernels_avx512bf16, vnni && __builtin_cpu_supports("avx512bf16")};
    candidates[count++] = (nt_candidate){&nt_kernels_avx512vnni, vnni};
    candidates[count++] = (nt_candidate){&nt_kernels_avx512, avx512};
    candidates[count++] = (nt_candidate){&nt_kernels_avxvnni, avx2 && __builtin_cpu_supports("avxvnni")};
    candidates[count++] = (nt_candidate){&nt_kernels_avx2, avx2};
#elif defined(__aarch64__)
    candidates[count++] = (nt_candidate){&nt_kernels_neondot, (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0};
#endif
    candidates[count++] = (nt_candidate){&nt_kernels_portable, 1};
    return count;
}

const nt_kernel_set *nt_choose_kernels(const char *features) {
    nt_candidate candidates[8];
    const int count = nt_candidates(candidates);
    for (int i = 0; i < count; i++)
        if (candidates[i].is_supported && (!features || !strcmp(features, candidates[i].kernels->name)))
            return candidates[i].kernels;
    return NULL;
}

int nt_has_features(const char *features) { return nt_choose_kernels(features) != NULL; }
