#ifndef NT_PAGES_H
#define NT_PAGES_H

#include <stddef.h>
#include <stdint.h>

// Zeroed memory, aligned to 2 MB; NULL when there is not so much.
void *nt_pages_allocate(size_t byte_count);
void nt_pages_free(void *base, size_t byte_count);

#endif
