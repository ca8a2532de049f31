// XXH64. Source: the xxHash specification, "XXH64 algorithm description".
#include <string.h>

#include "CKernels.h"
#include "workers.h"

static const uint64_t nt_prime_1 = UINT64_C(0x9E3779B185EBCA87), nt_prime_2 = UINT64_C(0xC2B2AE3D27D4EB4F),
                      nt_prime_3 = UINT64_C(0x165667B19E3779F9), nt_prime_4 = UINT64_C(0x85EBCA77C2B2AE63),
                      nt_prime_5 = UINT64_C(0x27D4EB2F165667C5);

static inline uint64_t nt_rotated(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static inline uint64_t nt_long_at(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

static inline uint64_t nt_digest_round(uint64_t sum, uint64_t lane) {
    return nt_rotated(sum + lane * nt_prime_2, 31) * nt_prime_1;
}

static inline uint64_t nt_digest_merge(uint64_t digest, uint64_t sum) {
    return (digest ^ nt_digest_round(0, sum)) * nt_prime_1 + nt_prime_4;
}

// Whole stripes of 32 bytes: four chains, which the processor runs side by side.
static uint64_t nt_digest_stripes(const uint8_t *p, size_t count) {
    uint64_t a = nt_prime_1 + nt_prime_2, b = nt_prime_2, c = 0, d = -nt_prime_1;
    for (size_t i = 0; i < count; i++, p += 32) {
        a = nt_digest_round(a, nt_long_at(p));
        b = nt_digest_round(b, nt_long_at(p + 8));
        c = nt_digest_round(c, nt_long_at(p + 16));
        d = nt_digest_round(d, nt_long_at(p + 24));
    }
    const uint64_t sum = nt_rotated(a, 1) + nt_rotated(b, 7) + nt_rotated(c, 12) + nt_rotated(d, 18);
    return nt_digest_merge(nt_digest_merge(nt_digest_merge(nt_digest_merge(sum, a), b), c), d);
}

static uint64_t nt_digest_rest(uint64_t digest, const uint8_t *p, size_t count) {
    for (; count >= 8; count -= 8, p += 8)
        digest = nt_rotated(digest ^ nt_digest_round(0, nt_long_at(p)), 27) * nt_prime_1 + nt_prime_4;
    if (count >= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        digest = nt_rotated(digest ^ word * nt_prime_1, 23) * nt_prime_2 + nt_prime_3;
        count -= 4;
        p += 4;
    }
    for (; count > 0; count--, p++) digest = nt_rotated(digest ^ *p * nt_prime_5, 11) * nt_prime_1;
    return digest;
}

uint64_t nt_digest(const void *data, size_t byte_count) {
    const uint8_t *p = data;
    const size_t stripes = byte_count / 32;
    uint64_t digest = (stripes > 0 ? nt_digest_stripes(p, stripes) : nt_prime_5) + byte_count;
    digest = nt_digest_rest(digest, p + stripes * 32, byte_count % 32);
    digest = (digest ^ digest >> 33) * nt_prime_2;
    digest = (digest ^ digest >> 29) * nt_prime_3;
    return digest ^ digest >> 32;
}

typedef struct {
    const uint8_t *data;
    size_t byte_count, piece;
    uint64_t *digests;
} nt_digest_job;

static void nt_digest_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_digest_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const size_t start = (size_t)i * job->piece, left = job->byte_count - start;
        job->digests[i] = nt_digest(job->data + start, left < job->piece ? left : job->piece);
    }
}

void nt_digest_pieces(nt_workers *workers, const void *data, size_t byte_count, size_t piece, uint64_t *digests) {
    nt_digest_job job = {data, byte_count, piece, digests};
    nt_workers_run(workers, nt_digest_task, &job, (int64_t)((byte_count + piece - 1) / piece));
}
