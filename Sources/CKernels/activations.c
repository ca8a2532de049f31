// Rows of activations as packed weights read them: after a norm, or as they are.
#include "packed.h"
#include "workers.h"

nt_row_kind nt_packed_input(uint32_t type) {
    return type == NT_BF16 ? NT_ROWS_BF16 : nt_is_quantized(type) ? NT_ROWS_Q8 : NT_ROWS_F32;
}

// Rows of bfloats have a whole number of pairs.
size_t nt_row_bytes(nt_row_kind kind, int64_t columns) {
    switch (kind) {
    case NT_ROWS_BF16: return (size_t)(columns + 1) / 2 * 4;
    case NT_ROWS_Q8: return (size_t)(columns + 31) / 32 * NT_Q8_BLOCK;
    default: return (size_t)columns * 4;
    }
}

size_t nt_norm_scratch(int64_t columns) { return (size_t)columns; }

typedef struct {
    const nt_kernel_set *kernels;
    const float *x;
    int64_t row_stride, columns;
    const float *weight, *bias;
    float epsilon;
    const nt_rows *output;
    float *floats;
    int64_t floats_stride;
} nt_norm_rows_job;

static void *nt_output_row(const nt_rows *rows, int64_t row) {
    return (char *)rows->data + (size_t)row * rows->row_bytes;
}

static void nt_norm_rows_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_norm_rows_job *job = context;
    for (int64_t i = first; i < last; i++) {
        const float *x = job->x + i * job->row_stride;
        float *out = job->floats ? job->floats + i * job->floats_stride : scratch;
        if (job->bias)
            job->kernels->layer_norm(x, job->columns, job->weight, job->bias, job->epsilon, out);
        else
            job->kernels->rms_norm(x, job->columns, job->weight, job->epsilon, out);
        job->kernels->convert(job->output->kind, out, job->columns, nt_output_row(job->output, i));
    }
}

void nt_norm_rows(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride, int64_t columns,
                  const float *weight, const float *bias, float epsilon, const nt_rows *output, float *floats,
                  int64_t floats_stride) {
    nt_norm_rows_job job = {nt_workers_kernels(workers), x,      row_stride, columns,      weight, bias, epsilon,
                            output,                      floats, floats_stride};
    nt_workers_run(workers, nt_norm_rows_task, &job, row_count);
}

typedef struct {
    const nt_kernel_set *kernels;
    const float *x;
    int64_t row_stride;
    const nt_rows *output;
} nt_convert_job;

static void nt_convert_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_convert_job *job = context;
    for (int64_t i = first; i < last; i++)
        job->kernels->convert(job->output->kind, job->x + i * job->row_stride, job->output->columns,
                              nt_output_row(job->output, i));
}

void nt_convert_rows(nt_workers *workers, const float *x, int64_t row_count, int64_t row_stride,
                     const nt_rows *output) {
    nt_convert_job job = {nt_workers_kernels(workers), x, row_stride, output};
    nt_workers_run(workers, nt_convert_task, &job, row_count);
}
