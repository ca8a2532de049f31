// How attention is cut into tasks. A task owns its outputs, so the cut never shows in them.
#include "attention_cut.h"
#include "workers.h"

enum {
    // Units for each thread, where there is so much work: whoever is done early takes from the rest.
    NT_UNITS_PER_THREAD = 16,
    // Chunks of a context that pay for keeping their results and folding them.
    NT_LEAST_CHUNKS = 4,
};

size_t nt_attention_scratch(uint32_t type, int64_t head_dimension, int64_t heads_per_kv_head, int64_t context_count) {
    if (type == NT_F32) return (size_t)(context_count * heads_per_kv_head);
    nt_attention_memory memory;
    return nt_attention_lay_out(&memory, NULL, head_dimension);
}

size_t nt_attention_partials(int64_t token_count, int64_t query_head_count, int64_t head_dimension,
                             int64_t context_count) {
    const int64_t chunks = (context_count + NT_CHUNK - 1) / NT_CHUNK;
    return (size_t)(token_count * query_head_count * chunks * (NT_PARTIAL_HEAD + nt_sums_width(head_dimension)));
}

typedef struct {
    const nt_kernel_set *kernels;
    nt_attention_cut cut;
} nt_attention_job;

static void nt_float_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_attention_job *job = context;
    const int64_t heads = job->cut.cache->kv_head_count;
    for (int64_t i = first; i < last; i++)
        job->kernels->attention(job->cut.cache, job->cut.plan, i / heads, i % heads, scratch);
}

static void nt_unit_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_attention_job *job = context;
    job->kernels->attend(&job->cut, first, last, scratch);
}

static void nt_fold_task(void *context, int64_t first, int64_t last, float *scratch) {
    const nt_attention_job *job = context;
    job->kernels->fold_partials(&job->cut, first, last, scratch);
}

// Few tokens and many threads: each chunk is a unit of its own.
static void nt_cut_chunks(nt_attention_cut *cut, int64_t thread_count) {
    const nt_attention_plan *plan = cut->plan;
    if (plan->token_count * cut->cache->kv_head_count >= thread_count) return;
    int64_t chunks = 0;
    for (int64_t t = 0; t < plan->token_count; t++)
        chunks = plan->positions[t] / NT_CHUNK >= chunks ? plan->positions[t] / NT_CHUNK + 1 : chunks;
    const size_t floats = nt_attention_partials(plan->token_count, plan->query_head_count, cut->cache->head_dimension,
                                                chunks * NT_CHUNK);
    if (chunks < NT_LEAST_CHUNKS || floats > plan->partial_count || !plan->partials) return;
    cut->chunk_count = chunks;
    cut->unit_count = plan->token_count * cut->cache->kv_head_count * chunks;
}

static nt_attention_cut nt_cut(const nt_kv_layer *cache, const nt_attention_plan *plan, int64_t thread_count) {
    nt_attention_cut cut = {.cache = cache, .plan = plan, .layout = nt_cache_layout_of(cache)};
    cut.width = nt_sums_width(cache->head_dimension);
    cut.group = plan->query_head_count / cache->kv_head_count;
    const int64_t most = cut.group < NT_PASS_ROWS ? NT_PASS_ROWS / cut.group : 1;
    const int64_t wanted = plan->token_count * cache->kv_head_count / (thread_count * NT_UNITS_PER_THREAD);
    cut.tokens_per_unit = wanted < 1 ? 1 : wanted > most ? most : wanted;
    cut.unit_count = (plan->token_count + cut.tokens_per_unit - 1) / cut.tokens_per_unit * cache->kv_head_count;
    nt_cut_chunks(&cut, thread_count);
    return cut;
}

void nt_attention(nt_workers *workers, const nt_kv_layer *cache, const nt_attention_plan *plan) {
    nt_attention_job job = {nt_workers_kernels(workers), nt_cut(cache, plan, nt_workers_thread_count(workers))};
    if (cache->type == NT_F32) {
        nt_workers_run(workers, nt_float_task, &job, plan->token_count * cache->kv_head_count);
        return;
    }
    nt_workers_run(workers, nt_unit_task, &job, job.cut.unit_count);
    if (job.cut.chunk_count > 0)
        nt_workers_run(workers, nt_fold_task, &job, plan->token_count * plan->query_head_count);
}
