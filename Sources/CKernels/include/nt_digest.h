// A checksum of much memory, as fast as memory is read.
#ifndef NT_DIGEST_H
#define NT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

typedef struct nt_workers nt_workers;

// XXH64 with seed 0, as its published specification has it (on a machine that puts the low byte first). Finds what happens
// by accident: bits that flip, blocks that were not written. It is no signature: who may write the file may write its
// checksum, whatever the function, so that a slower one would gain nothing.
uint64_t nt_digest(const void *data, size_t byte_count);

// Of each run of `piece` bytes, all threads together; the last may be shorter. `digests` has one for each.
void nt_digest_pieces(nt_workers *workers, const void *data, size_t byte_count, size_t piece, uint64_t *digests);

#endif
