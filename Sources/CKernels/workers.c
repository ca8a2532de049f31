// One fork and join per operation. A worker spins briefly and then sleeps in the kernel: a long spin keeps the very core
// that the woken thread is put on (kernels.md section 5 measured 1000 us for it). Late workers are not waited for: an
// operation closes when its tasks are taken, and the caller waits only for those who entered.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workers.h"

// Pauses before a worker sleeps: about 10 us, which spans the gaps between the operations of a step.
enum { NT_SPINS = 400, NT_MAX_THREADS = 512 };

// The smallest chunk is this part of a thread's share of an operation.
enum { NT_CHUNKS = 32 };

// `job` = generation << 32 | open << 31 | workers inside.
#define NT_OPEN (UINT64_C(1) << 31)
#define NT_INSIDE (NT_OPEN - 1)

struct nt_workers {
    const nt_kernel_set *kernels;
    int thread_count;
    size_t scratch_floats;
    float *scratch;
    pthread_t *threads;
    _Alignas(64) _Atomic uint32_t generation;
    _Atomic uint32_t sleepers;
    _Atomic uint32_t stopping;
    _Alignas(64) _Atomic uint64_t job;
    nt_task task;
    void *context;
    int64_t task_count;
    int64_t least_chunk;
    _Alignas(64) _Atomic int64_t next;
};

typedef struct {
    nt_workers *workers;
    int index;
} nt_worker_start;

static inline void nt_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void nt_futex(_Atomic uint32_t *word, int operation, uint32_t value) {
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static float *nt_scratch(nt_workers *workers, int index) {
    return workers->scratch + (size_t)index * workers->scratch_floats;
}

// Chunks get smaller towards the end: a thread that loses its core, or gets the costly tasks, holds up little.
static void nt_take_tasks(nt_workers *workers, float *scratch) {
    const int64_t count = workers->task_count, shares = (int64_t)workers->thread_count * 3;
    int64_t first = atomic_load_explicit(&workers->next, memory_order_relaxed);
    while (first < count) {
        int64_t chunk = (count - first) / shares;
        if (chunk < workers->least_chunk) chunk = workers->least_chunk;
        const int64_t last = first + chunk < count ? first + chunk : count;
        if (!atomic_compare_exchange_weak_explicit(&workers->next, &first, last, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        workers->task(workers->context, first, last, scratch);
        first = atomic_load_explicit(&workers->next, memory_order_relaxed);
    }
}

// Enters the job of `generation` while it is open.
static int nt_enter(nt_workers *workers, uint32_t generation) {
    uint64_t job = atomic_load_explicit(&workers->job, memory_order_acquire);
    while ((uint32_t)(job >> 32) == generation && job & NT_OPEN) {
        if (atomic_compare_exchange_weak_explicit(&workers->job, &job, job + 1, memory_order_acquire,
                                                  memory_order_acquire))
            return 1;
    }
    return 0;
}

static uint32_t nt_wait_for_work(nt_workers *workers, uint32_t seen) {
    for (int spin = 0; spin < NT_SPINS; spin++) {
        const uint32_t now = atomic_load_explicit(&workers->generation, memory_order_acquire);
        if (now != seen) return now;
        nt_pause();
    }
    atomic_fetch_add(&workers->sleepers, 1);
    while (atomic_load(&workers->generation) == seen) nt_futex(&workers->generation, FUTEX_WAIT, seen);
    atomic_fetch_sub(&workers->sleepers, 1);
    return atomic_load(&workers->generation);
}

static void *nt_worker_main(void *argument) {
    const nt_worker_start start = *(nt_worker_start *)argument;
    free(argument);
    nt_workers *workers = start.workers;
    uint32_t seen = 0;
    for (;;) {
        seen = nt_wait_for_work(workers, seen);
        if (atomic_load(&workers->stopping)) return NULL;
        if (!nt_enter(workers, seen)) continue;
        nt_take_tasks(workers, nt_scratch(workers, start.index));
        atomic_fetch_sub_explicit(&workers->job, 1, memory_order_release);
    }
}

static void nt_announce(nt_workers *workers, uint32_t generation) {
    atomic_store(&workers->generation, generation);
    if (atomic_load(&workers->sleepers) > 0) nt_futex(&workers->generation, FUTEX_WAKE, NT_MAX_THREADS);
}

void nt_workers_run(nt_workers *workers, nt_task task, void *context, int64_t count) {
    if (count <= 0) return;
    if (workers->thread_count == 1 || count == 1) {
        task(context, 0, count, nt_scratch(workers, 0));
        return;
    }
    workers->task = task;
    workers->context = context;
    workers->task_count = count;
    // Taking a chunk costs about 50 ns, more where threads contend.
    workers->least_chunk = (count + NT_CHUNKS * workers->thread_count - 1) / (NT_CHUNKS * workers->thread_count);
    atomic_store_explicit(&workers->next, 0, memory_order_relaxed);
    uint32_t generation = atomic_load_explicit(&workers->generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&workers->job, (uint64_t)generation << 32 | NT_OPEN, memory_order_release);
    nt_announce(workers, generation);
    nt_take_tasks(workers, nt_scratch(workers, 0));
    atomic_fetch_and_explicit(&workers->job, ~NT_OPEN, memory_order_acq_rel);
    for (int spin = 0; atomic_load_explicit(&workers->job, memory_order_acquire) & NT_INSIDE; spin++) {
        nt_pause();
        // The worker may wait for this very core.
        if (spin >= NT_SPINS) sched_yield();
    }
}

static int nt_start_threads(nt_workers *workers) {
    // Signals belong to the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = 1;
    for (; started < workers->thread_count; started++) {
        nt_worker_start *start = malloc(sizeof *start);
        if (!start) break;
        *start = (nt_worker_start){workers, started};
        if (pthread_create(&workers->threads[started], NULL, nt_worker_main, start)) {
            free(start);
            break;
        }
        pthread_setname_np(workers->threads[started], "kernel");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

nt_workers *nt_workers_create(int thread_count, size_t scratch_floats, const char *features) {
    const nt_kernel_set *kernels = nt_choose_kernels(features);
    if (!kernels || thread_count < 1 || thread_count > NT_MAX_THREADS) return NULL;
    nt_workers *workers = aligned_alloc(64, sizeof *workers);
    if (!workers) return NULL;
    memset(workers, 0, sizeof *workers);
    workers->kernels = kernels;
    workers->thread_count = thread_count;
    workers->scratch_floats = (scratch_floats + 15) / 16 * 16;
    workers->scratch = aligned_alloc(64, (size_t)thread_count * workers->scratch_floats * sizeof(float) + 64);
    workers->threads = calloc((size_t)thread_count, sizeof(pthread_t));
    const int started = workers->scratch && workers->threads ? nt_start_threads(workers) : 0;
    if (started == thread_count) return workers;
    workers->thread_count = started;
    nt_workers_destroy(workers);
    return NULL;
}

void nt_workers_destroy(nt_workers *workers) {
    if (!workers) return;
    atomic_store(&workers->stopping, 1);
    nt_announce(workers, atomic_load(&workers->generation) + 1);
    for (int i = 1; i < workers->thread_count; i++) pthread_join(workers->threads[i], NULL);
    free(workers->threads);
    free(workers->scratch);
    free(workers);
}

const char *nt_workers_features(const nt_workers *workers) { return workers->kernels->name; }

const nt_kernel_set *nt_workers_kernels(const nt_workers *workers) { return workers->kernels; }

int nt_workers_thread_count(const nt_workers *workers) { return workers->thread_count; }
