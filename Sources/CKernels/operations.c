// Each operation: how it is cut into tasks. A task owns its outputs, so the cut never shows in them.
#include <string.h>

#include "workers.h"

size_t nt_matmul_scratch(int64_t columns) { return (size_t)columns * NT_TILE; }

size_t nt_attention_scratch(int64_t context_count, int64_t heads_per_kv_head) {
    return (size_t)(context_count * heads_per_kv_head);
}

typedef struct {
    const nt_kernel_set *kernels;
    const nt_matrix *w;
    const float *bias, *x;
    int64_t row_count;
    float *out;
    int64_t out_stride;
    nt_store store;
} nt_matmul_job;

static void nt_matmul_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_matmul_job *job = context;
    const int64_t end = last * NT_TILE < job->w->rows ? last * NT_TILE : job->w->rows;
    job->kernels->matmul(job->w, job->bias, job->x, job->row_count, job->out, job->out_stride, job->store,
                         first * NT_TILE, end, scratch);
}

void nt_matmul(nt_workers *workers, const nt_matrix *w, const float *bias, const float *x, int64_t row_count, float *out,
               int64_t out_stride, nt_store store) {
    nt_matmul_job job = {nt_workers_kernels(workers), w, bias, x, row_count, out, out_stride, store};
    nt_workers_run(workers, nt_matmul_task, &job, (w->rows + NT_TILE - 1) / NT_TILE);
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

typedef struct {
    const nt_kv_layer *cache;
    const float *keys, *values;
    int64_t row_stride;
    const int32_t *slots;
} nt_write_job;

static void nt_write_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_write_job *job = context;
    const nt_kv_layer *cache = job->cache;
    const size_t bytes = (size_t)cache->head_dimension * sizeof(float);
    for (int64_t t = first; t < last; t++) {
        if (job->slots[t] < 0) continue;
        const int64_t block = job->slots[t] / cache->block_size, offset = job->slots[t] % cache->block_size;
        for (int64_t h = 0; h < cache->kv_head_count; h++) {
            const int64_t from = t * job->row_stride + h * cache->head_dimension;
            const int64_t to =
                ((block * cache->kv_head_count + h) * cache->block_size + offset) * cache->head_dimension;
            memcpy(cache->keys + to, job->keys + from, bytes);
            memcpy(cache->values + to, job->values + from, bytes);
        }
    }
}

void nt_kv_write(nt_workers *workers, const nt_kv_layer *cache, const float *keys, const float *values,
                 int64_t row_stride, const int32_t *slots, int64_t token_count) {
    nt_write_job job = {cache, keys, values, row_stride, slots};
    nt_workers_run(workers, nt_write_task, &job, token_count);
}

typedef struct {
    const nt_kernel_set *kernels;
    const nt_kv_layer *cache;
    const nt_attention_plan *plan;
} nt_attention_job;

static void nt_attention_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_attention_job *job = context;
    const int64_t heads = job->cache->kv_head_count;
    for (int64_t i = first; i < last; i++) job->kernels->attention(job->cache, job->plan, i / heads, i % heads, scratch);
}

void nt_attention(nt_workers *workers, const nt_kv_layer *cache, const nt_attention_plan *plan) {
    nt_attention_job job = {nt_workers_kernels(workers), cache, plan};
    nt_workers_run(workers, nt_attention_task, &job, plan->token_count * cache->kv_head_count);
}
