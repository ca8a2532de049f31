// Memory for weights: whole pages, in large ones where the system has them, which spares the processor's page tables.
#define _GNU_SOURCE
#include <sys/mman.h>

#include "nt_pages.h"

// Where large pages begin.
#define NT_LARGE_PAGE ((size_t)2 << 20)

static size_t nt_rounded(size_t byte_count) { return (byte_count + NT_LARGE_PAGE - 1) / NT_LARGE_PAGE * NT_LARGE_PAGE; }

void *nt_pages_allocate(size_t byte_count) {
    const size_t size = nt_rounded(byte_count ? byte_count : 1);
    if (size < byte_count) return NULL;
    char *base = mmap(NULL, size + NT_LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    // What lies before the first large page, and behind the last, goes back.
    char *aligned = (char *)(((uintptr_t)base + NT_LARGE_PAGE - 1) & ~(uintptr_t)(NT_LARGE_PAGE - 1));
    if (aligned > base) munmap(base, (size_t)(aligned - base));
    munmap(aligned + size, NT_LARGE_PAGE - (size_t)(aligned - base));
#ifdef MADV_HUGEPAGE
    madvise(aligned, size, MADV_HUGEPAGE);
#endif
    return aligned;
}

void nt_pages_free(void *base, size_t byte_count) {
    if (base) munmap(base, nt_rounded(byte_count ? byte_count : 1));
}
