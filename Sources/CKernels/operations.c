// Each operation: how it is cut into tasks. A task owns its outputs, so the cut never shows in them.
#include <string.h>

#include "workers.h"

typedef struct {
    void (*body)(void *context, int64_t first, int64_t last);
    void *context;
} nt_split_job;

static void nt_split_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_split_job *job = context;
    job->body(job->context, first, last);
}

void nt_split(nt_workers *workers, int64_t count, void (*body)(void *context, int64_t first, int64_t last),
              void *context) {
    nt_split_job job = {body, context};
    nt_workers_run(workers, nt_split_task, &job, count);
}

typedef struct {
    const nt_kernel_set *kernels;
    const nt_matrix *w;
    const int32_t *ids;
    float *out;
} nt_gather_job;

static void nt_gather_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_gather_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const char *row = (const char *)job->w->data + (size_t)job->ids[i] * job->w->row_bytes;
        job->kernels->dequantize(job->w->type, row, job->out + i * job->w->columns, job->w->columns);
    }
}

void nt_gather_rows(nt_workers *workers, const nt_matrix *w, const int32_t *ids, int64_t count, float *out) {
    nt_gather_job job = {nt_workers_kernels(workers), w, ids, out};
    nt_workers_run(workers, nt_gather_task, &job, count);
}

typedef struct {
    const nt_kernel_set *kernels;
    const float *x;
    int64_t row_stride, columns;
    const float *weight, *bias;
    float epsilon;
    float *out;
    int64_t out_stride;
} nt_norm_job;

static void nt_norm_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_norm_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const float *x = job->x + i * job->row_stride;
        float *out = job->out + i * job->out_stride;
        if (job->bias)
            job->kernels->layer_norm(x, job->columns, job->weight, job->bias, job->epsilon, out);
        else
            job->kernels->rms_norm(x, job->columns, job->weight, job->epsilon, out);
    }
}

void nt_rms_norm(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride, int64_t columns,
                 const float *weight, float epsilon, float *out, int64_t out_stride) {
    nt_norm_job job = {nt_workers_kernels(workers), x, row_stride, columns, weight, NULL, epsilon, out, out_stride};
    nt_workers_run(workers, nt_norm_task, &job, row_count);
}

void nt_layer_norm(nt_workers *workers, const float *x, int64_t row_count, int64_t columns, const float *weight,
                   const float *bias, float epsilon, float *out) {
    nt_norm_job job = {nt_workers_kernels(workers), x, columns, columns, weight, bias, epsilon, out, columns};
    nt_workers_run(workers, nt_norm_task, &job, row_count);
}

typedef struct {
    const nt_kernel_set *kernels;
    float *x;
    int64_t row_stride, head_count, head_dimension, rotary_dimension;
    const float *cosines, *sines;
    nt_rotary_layout layout;
} nt_rotary_job;

static void nt_rotary_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_rotary_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const int64_t angles = i * (job->rotary_dimension / 2);
        for (int64_t h = 0; h < job->head_count; h++)
            job->kernels->rotary(job->x + i * job->row_stride + h * job->head_dimension, job->rotary_dimension,
                                 job->cosines + angles, job->sines + angles, job->layout);
    }
}

void nt_rotary(nt_workers *workers, float *x, int64_t row_count, int64_t row_stride, int64_t head_count,
               int64_t head_dimension, int64_t rotary_dimension, const float *cosines, const float *sines,
               nt_rotary_layout layout) {
    nt_rotary_job job = {nt_workers_kernels(workers), x,       row_stride, head_count, head_dimension,
                         rotary_dimension,            cosines, sines,      layout};
    nt_workers_run(workers, nt_rotary_task, &job, row_count);
}

// Floats of one task: enough that taking it costs little, and a multiple of the vector so that lanes never move.
enum { NT_SPAN = 1024 };

typedef struct {
    const nt_kernel_set *kernels;
    nt_activation activation;
    float *gate;
    const float *up;
    int64_t count;
} nt_activate_job;

static void nt_activate_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_activate_job *job = context;
    const int64_t start = first * NT_SPAN, end = last * NT_SPAN < job->count ? last * NT_SPAN : job->count;
    job->kernels->activate(job->activation, job->gate + start, job->up ? job->up + start : NULL, end - start);
}

void nt_activate(nt_workers *workers, nt_activation activation, float *gate, const float *up, int64_t count) {
    nt_activate_job job = {nt_workers_kernels(workers), activation, gate, up, count};
    nt_workers_run(workers, nt_activate_task, &job, (count + NT_SPAN - 1) / NT_SPAN);
}

// Runs of one task: 8,192 scores, so that two threads share a vocabulary.
enum { NT_PEAK_TASK = 128 };

typedef struct {
    const nt_kernel_set *kernels;
    const float *x;
    int64_t columns, tasks_of_row, peaks_of_row;
    float *peaks;
} nt_peaks_job;

static void nt_peaks_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_peaks_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const int64_t row = i / job->tasks_of_row, run = i % job->tasks_of_row * NT_PEAK_TASK;
        const int64_t start = run * NT_PEAK_RUN, most = (int64_t)NT_PEAK_TASK * NT_PEAK_RUN;
        const int64_t count = job->columns - start < most ? job->columns - start : most;
        job->kernels->peaks(job->x + row * job->columns + start, count, job->peaks + row * job->peaks_of_row + run);
    }
}

void nt_peaks(nt_workers *workers, const float *x, int64_t row_count, int64_t columns, float *peaks) {
    const int64_t runs = (columns + NT_PEAK_RUN - 1) / NT_PEAK_RUN;
    const int64_t tasks = (runs + NT_PEAK_TASK - 1) / NT_PEAK_TASK;
    nt_peaks_job job = {nt_workers_kernels(workers), x, columns, tasks, runs, peaks};
    nt_workers_run(workers, nt_peaks_task, &job, row_count * tasks);
}
