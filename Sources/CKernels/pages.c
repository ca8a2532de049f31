// Memory for weights: whole pages, in large ones where the system has them, which spares the processor's page tables.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "nt_pages.h"

// Linux 5.14.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

static size_t nt_rounded(size_t byte_count) { return (byte_count + NT_LARGE_PAGE - 1) / NT_LARGE_PAGE * NT_LARGE_PAGE; }

// Room for so many bytes, a multiple of 2 MB, that begins where a large page does.
static void *nt_reserve(size_t size, int protection, int flags) {
    char *base = mmap(NULL, size + NT_LARGE_PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (base == MAP_FAILED) return NULL;
    // What lies before the first large page, and behind the last, goes back.
    char *aligned = (char *)(((uintptr_t)base + NT_LARGE_PAGE - 1) & ~(uintptr_t)(NT_LARGE_PAGE - 1));
    if (aligned > base) munmap(base, (size_t)(aligned - base));
    munmap(aligned + size, NT_LARGE_PAGE - (size_t)(aligned - base));
    return aligned;
}

static void nt_advise_large(void *base, size_t byte_count) {
#ifdef MADV_HUGEPAGE
    madvise(base, byte_count, MADV_HUGEPAGE);
#endif
}

void *nt_pages_allocate(size_t byte_count) {
    const size_t size = nt_rounded(byte_count ? byte_count : 1);
    if (size < byte_count) return NULL;
    void *base = nt_reserve(size, PROT_READ | PROT_WRITE, 0);
    if (base) nt_advise_large(base, size);
    return base;
}

void *nt_pages_map(int descriptor, size_t offset, size_t byte_count) {
    const size_t size = nt_rounded(byte_count);
    if (byte_count == 0 || size < byte_count || offset % NT_LARGE_PAGE) {
        errno = EINVAL;
        return NULL;
    }
    void *base = nt_reserve(size, PROT_NONE, MAP_NORESERVE);
    if (!base) return NULL;
    if (mmap(base, byte_count, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor, (off_t)offset) == MAP_FAILED) {
        const int reason = errno;
        munmap(base, size);
        errno = reason;
        return NULL;
    }
    // A file system that keeps large folios (ext4 and XFS of Linux 6.16) maps them as large pages; another does nothing.
    nt_advise_large(base, byte_count);
    return base;
}

int nt_pages_populate(const void *base, size_t byte_count) {
    while (madvise((void *)(uintptr_t)base, byte_count, MADV_POPULATE_READ)) {
        // An older system brings pages in when they are looked at.
        if (errno == EINVAL) return 1;
        if (errno != EINTR && errno != EAGAIN) return 0;
    }
    return 1;
}

void nt_pages_free(void *base, size_t byte_count) {
    if (base) munmap(base, nt_rounded(byte_count ? byte_count : 1));
}
