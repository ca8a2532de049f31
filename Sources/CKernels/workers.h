// The thread pool as operations.c sees it.
#ifndef NT_WORKERS_H
#define NT_WORKERS_H

#include "kernel_set.h"

// A part of an operation: tasks first ..< last, with the scratch of the thread that runs it.
typedef void (*nt_task)(void *context, int64_t first, int64_t last, float *scratch);

const nt_kernel_set *nt_workers_kernels(const nt_workers *workers);
int nt_workers_thread_count(const nt_workers *workers);

// The set of this name, or without one the best that this processor has; NULL when it has not the instructions.
const nt_kernel_set *nt_choose_kernels(const char *features);

// Runs tasks 0 ..< count on all threads in chunks, and returns when each has run. Which thread runs a task never changes
// its result.
void nt_workers_run(nt_workers *workers, nt_task task, void *context, int64_t count);

#endif
