#ifndef NT_PAGES_H
#define NT_PAGES_H

#include <stddef.h>
#include <stdint.h>

// Where large pages begin.
#define NT_LARGE_PAGE ((size_t)2 << 20)

// Zeroed memory, aligned to 2 MB; NULL when there is not so much.
void *nt_pages_allocate(size_t byte_count);

// A file's bytes from `offset`, a multiple of 2 MB, to read only, aligned to 2 MB; NULL (and errno) where the system does
// not map it. What follows the last page faults.
void *nt_pages_map(int descriptor, size_t offset, size_t byte_count);

// Brings mapped pages into memory. Zero where they cannot be read: the disk fails, or somebody shortened the file; whoever
// looked at such a page would be ended with SIGBUS. `base` is aligned to pages.
int nt_pages_populate(const void *base, size_t byte_count);

// Gives back what either of the first two gave.
void nt_pages_free(void *base, size_t byte_count);

#endif
