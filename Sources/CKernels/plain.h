// What the plain references share: scalar, in the order that CKernels.h fixes.
#ifndef NT_PLAIN_H
#define NT_PLAIN_H

#include <math.h>
#include <stdint.h>

static inline float nt_plain_fold(float *lanes) {
    for (int width = 8; width > 0; width /= 2)
        for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    return lanes[0];
}

static inline float nt_plain_dot(const float *a, const float *b, int64_t count) {
    float lanes[16] = {0};
    for (int64_t k = 0; k < count; k++) lanes[k % 16] = fmaf(a[k], b[k], lanes[k % 16]);
    return nt_plain_fold(lanes);
}

static inline float nt_plain_exp(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    float r = fmaf(n, -0.693145752f, x);
    r = fmaf(n, -1.42860677e-6f, r);
    const float series[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
    float p = 1.0f / 5040;
    for (int i = 0; i < 7; i++) p = fmaf(p, r, series[i]);
    return ldexpf(p, (int)n);
}

#endif
