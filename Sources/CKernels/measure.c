// Loops that do one thing as fast as it goes: read memory, or multiply from registers. Threads of their own, so that
// they say nothing about the pool; they start together, and the time is that of the slowest.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "nt_measure.h"

typedef uint64_t nt_line __attribute__((vector_size(64)));

static double nt_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// MARK: Reading

// Two streams a thread, so that two pages are open at a time; what is read is folded, so that no load can be left out.
#define NT_READ_BODY                                                                      \
    const size_t half = line_count / 2;                                                   \
    nt_line a = {0}, b = {0}, c = {0}, d = {0};                                           \
    size_t i = 0;                                                                         \
    for (; i + 2 <= half; i += 2) {                                                       \
        a ^= lines[i];                                                                    \
        b ^= lines[half + i];                                                             \
        c ^= lines[i + 1];                                                                \
        d ^= lines[half + i + 1];                                                         \
    }                                                                                     \
    const nt_line sum = a ^ b ^ c ^ d;                                                    \
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];

static uint64_t nt_read_plain(const nt_line *lines, size_t line_count) { NT_READ_BODY }

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t nt_read_avx2(const nt_line *lines, size_t line_count) { NT_READ_BODY }
__attribute__((target("avx512f"))) static uint64_t nt_read_avx512(const nt_line *lines, size_t line_count) {
    NT_READ_BODY
}
#endif

typedef uint64_t (*nt_reader)(const nt_line *, size_t);

static nt_reader nt_choose_reader(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return nt_read_avx512;
    if (__builtin_cpu_supports("avx2")) return nt_read_avx2;
#endif
    return nt_read_plain;
}

// MARK: Multiplying

// Twelve chains: more than latency × units of any processor that we know.
#define NT_CHAINS(step) \
    step(a0) step(a1) step(a2) step(a3) step(a4) step(a5) step(a6) step(a7) step(a8) step(a9) step(a10) step(a11)
#define NT_DECLARE(type, zero) \
    type a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero, a8 = zero, a9 = zero, \
         a10 = zero, a11 = zero;
#define NT_KEEP(a) __asm__ volatile("" : : "v"(a));

typedef void (*nt_multiplier)(int64_t);

typedef struct {
    const char *name;
    nt_multiplier run;
    // Operations of one round of twelve steps.
    double operations;
} nt_unit_choice;

#if defined(__x86_64__)
typedef float nt_f16x __attribute__((vector_size(64)));
typedef float nt_f8x __attribute__((vector_size(32)));

// A function that repeats one instruction with three operands on twelve chains.
#define NT_MULTIPLIER(function, features, type, instruction)                             \
    __attribute__((target(features))) static void function(int64_t rounds) {             \
        const type zero = {0};                                                            \
        type x = zero, y = zero;                                                          \
        NT_DECLARE(type, zero)                                                            \
        for (int64_t i = 0; i < rounds; i++) {                                            \
            NT_CHAINS(instruction)                                                        \
        }                                                                                 \
        NT_CHAINS(NT_KEEP)                                                                \
    }
#define NT_FMA(a) __asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(a) : "v"(x), "v"(y));
#define NT_DOT_BF16(a) __asm__ volatile("vdpbf16ps %1, %2, %0" : "+v"(a) : "v"(x), "v"(y));
#define NT_DOT_BYTES(a) __asm__ volatile("vpdpbusd %1, %2, %0" : "+v"(a) : "v"(x), "v"(y));
// The same by VEX, which processors have that have AVX-VNNI and no AVX-512.
#define NT_DOT_BYTES_VEX(a) __asm__ volatile("%{vex%} vpdpbusd %1, %2, %0" : "+x"(a) : "x"(x), "x"(y));
// What stands for it without VNNI: products of bytes, pairs of them, and the sum.
#define NT_DOT_BYTES_AVX2(a)                                                                     \
    {                                                                                            \
        type_i t;                                                                                \
        __asm__ volatile("vpmaddubsw %2, %3, %1; vpmaddwd %2, %1, %1; vpaddd %1, %0, %0"         \
                         : "+x"(a), "=&x"(t)                                                     \
                         : "x"(x), "x"(y));                                                      \
    }
typedef nt_f8x type_i;

NT_MULTIPLIER(nt_fma_avx2, "avx2,fma", nt_f8x, NT_FMA)
NT_MULTIPLIER(nt_fma_avx512, "avx512f", nt_f16x, NT_FMA)
NT_MULTIPLIER(nt_bf16_avx512, "avx512f,avx512bf16", nt_f16x, NT_DOT_BF16)
NT_MULTIPLIER(nt_int8_avx512, "avx512f,avx512vnni", nt_f16x, NT_DOT_BYTES)
NT_MULTIPLIER(nt_int8_vex, "avx2,avxvnni", nt_f8x, NT_DOT_BYTES_VEX)
NT_MULTIPLIER(nt_int8_avx2, "avx2", nt_f8x, NT_DOT_BYTES_AVX2)

static nt_unit_choice nt_choose_unit(nt_unit unit) {
    __builtin_cpu_init();
    const int avx512 = __builtin_cpu_supports("avx512f");
    const int avx2 = __builtin_cpu_supports("avx2");
    switch (unit) {
    case NT_UNIT_FP32:
        if (avx512) return (nt_unit_choice){"AVX-512 FMA", nt_fma_avx512, 12 * 32};
        if (avx2 && __builtin_cpu_supports("fma")) return (nt_unit_choice){"AVX2 FMA", nt_fma_avx2, 12 * 16};
        break;
    case NT_UNIT_BF16:
        if (avx512 && __builtin_cpu_supports("avx512bf16"))
            return (nt_unit_choice){"AVX-512 BF16", nt_bf16_avx512, 12 * 64};
        break;
    case NT_UNIT_INT8:
        if (avx512 && __builtin_cpu_supports("avx512vnni"))
            return (nt_unit_choice){"AVX-512 VNNI", nt_int8_avx512, 12 * 128};
        if (avx2 && __builtin_cpu_supports("avxvnni")) return (nt_unit_choice){"AVX-VNNI", nt_int8_vex, 12 * 64};
        if (avx2) return (nt_unit_choice){"AVX2 vpmaddubsw", nt_int8_avx2, 12 * 64};
        break;
    }
    return (nt_unit_choice){NULL, NULL, 0};
}
#else
typedef float nt_f4x __attribute__((vector_size(16)));

static void nt_fma_any(int64_t rounds) {
    nt_f4x x = {0}, y = {0};
    __asm__ volatile("" : "+m"(x), "+m"(y));
    NT_DECLARE(nt_f4x, x)
    for (int64_t i = 0; i < rounds; i++) {
#define NT_FMA_ANY(a) a = __builtin_elementwise_fma(x, y, a);
        NT_CHAINS(NT_FMA_ANY)
    }
    nt_f4x sum = x;
#define NT_SUM(a) sum += a;
    NT_CHAINS(NT_SUM)
    __asm__ volatile("" : "+m"(sum));
}

static nt_unit_choice nt_choose_unit(nt_unit unit) {
    if (unit == NT_UNIT_FP32) return (nt_unit_choice){"128-bit FMA", nt_fma_any, 12 * 8};
    return (nt_unit_choice){NULL, NULL, 0};
}
#endif

const char *nt_unit_name(nt_unit unit) { return nt_choose_unit(unit).name; }

// MARK: Threads

typedef struct {
    // What a thread does, as one of these two.
    nt_reader read;
    nt_multiplier multiply;
    const nt_line *lines;
    size_t line_count;
    int64_t rounds;
    int pass_count;
    int thread_count;
    _Atomic int arrived;
    // Somebody could not be started: nobody waits for him.
    _Atomic int is_off;
    _Atomic uint64_t result;
} nt_measurement;

typedef struct {
    nt_measurement *all;
    int index;
    double started, ended;
} nt_runner;

static void *nt_run(void *context) {
    nt_runner *runner = context;
    nt_measurement *all = runner->all;
    atomic_fetch_add(&all->arrived, 1);
    while (atomic_load(&all->arrived) < all->thread_count && !atomic_load(&all->is_off)) sched_yield();
    runner->started = nt_seconds();
    if (all->multiply) {
        all->multiply(all->rounds);
    } else {
        const size_t share = all->line_count / (size_t)all->thread_count;
        uint64_t result = 0;
        for (int pass = 0; pass < all->pass_count; pass++)
            result += all->read(all->lines + (size_t)runner->index * share, share);
        atomic_fetch_add(&all->result, result);
    }
    runner->ended = nt_seconds();
    return NULL;
}

// Seconds from the first start to the last end; 0 where not all threads could be started.
static double nt_measure(nt_measurement *all) {
    pthread_t threads[NT_MEASURE_THREADS];
    nt_runner runners[NT_MEASURE_THREADS];
    if (all->thread_count < 1 || all->thread_count > NT_MEASURE_THREADS) return 0;
    int started = 1;
    for (int i = 0; i < all->thread_count; i++) runners[i] = (nt_runner){all, i, 0, 0};
    while (started < all->thread_count && !pthread_create(&threads[started], NULL, nt_run, &runners[started]))
        started++;
    if (started < all->thread_count) atomic_store(&all->is_off, 1);
    nt_run(&runners[0]);
    for (int i = 1; i < started; i++) pthread_join(threads[i], NULL);
    if (started < all->thread_count) return 0;
    double first = runners[0].started, last = runners[0].ended;
    for (int i = 1; i < all->thread_count; i++) {
        if (runners[i].started < first) first = runners[i].started;
        if (runners[i].ended > last) last = runners[i].ended;
    }
    return last - first;
}

double nt_measure_read(int thread_count, const void *memory, size_t byte_count, int pass_count) {
    // From the first whole line on.
    const size_t skip = (64 - ((uintptr_t)memory & 63)) & 63;
    if (byte_count < skip + 4096 || pass_count < 1) return 0;
    nt_measurement all = {.read = nt_choose_reader(),
                          .lines = (const nt_line *)((const char *)memory + skip),
                          .line_count = (byte_count - skip) / 64,
                          .pass_count = pass_count,
                          .thread_count = thread_count};
    const double seconds = nt_measure(&all);
    const size_t read = all.line_count / (size_t)(thread_count > 0 ? thread_count : 1) / 4 * 4 * (size_t)thread_count;
    return seconds > 0 ? 64.0 * (double)read * pass_count / seconds : 0;
}

double nt_measure_peak(int thread_count, nt_unit unit, double seconds) {
    const nt_unit_choice choice = nt_choose_unit(unit);
    if (!choice.run || !(seconds > 0)) return 0;
    // How many rounds fill the time is found by the first ones.
    const int64_t probe = 20000;
    nt_measurement all = {.multiply = choice.run, .rounds = probe, .thread_count = thread_count};
    const double one = nt_measure(&all);
    if (!(one > 0)) return 0;
    const double wanted = seconds / one * (double)probe;
    all.rounds = wanted < (double)probe ? probe : wanted < 1e12 ? (int64_t)wanted : (int64_t)1e12;
    atomic_store(&all.arrived, 0);
    const double spent = nt_measure(&all);
    return spent > 0 ? choice.operations * (double)thread_count * (double)all.rounds / spent : 0;
}
