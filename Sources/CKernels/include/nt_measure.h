// What this machine can do at most, measured: the roofline that benches hold their figures against.
#ifndef NT_MEASURE_H
#define NT_MEASURE_H

#include <stddef.h>
#include <stdint.h>

// The units that multiply: floats, pairs of BF16, quadruples of bytes.
typedef enum { NT_UNIT_FP32 = 0, NT_UNIT_BF16 = 1, NT_UNIT_INT8 = 2 } nt_unit;

// The best instruction that this processor has for a unit, for people ("AVX-512 VNNI"); NULL where it has none.
const char *nt_unit_name(nt_unit unit);

// Threads that a measurement has at most.
#define NT_MEASURE_THREADS 512

// Bytes a second that `thread_count` threads read, each its own part of `memory` `pass_count` times. To say something about
// memory, `byte_count` is several times the last cache. 0 where threads are not to be had.
double nt_measure_read(int thread_count, const void *memory, size_t byte_count, int pass_count);

// Operations a second (a multiplication and an addition are two) of `thread_count` threads that do nothing else for about
// `seconds`, from registers. 0 where the processor has no such unit, or threads are not to be had.
double nt_measure_peak(int thread_count, nt_unit unit, double seconds);

#endif
