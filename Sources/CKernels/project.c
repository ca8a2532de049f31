// Products of packed weights: how they are cut into tasks, and what becomes of a tile.
#include "packed.h"
#include "workers.h"

// Rows of a tile of any set at most.
#define NT_TILE_ROWS 6
// How far ahead of itself a tile prefetches that has its panel alone. 8 and 64 KB do the same.
#define NT_AHEAD_BYTES ((size_t)16 << 10)

// What the tasks of a call share. A task is a panel: all rows pass it while it is near. (Rows in blocks that stay in
// the second-level cache gain nothing: a tile reads two or three bytes of activations a cycle, one row after the
// other.)
typedef struct {
    const nt_kernel_set *kernels;
    const nt_rows *input;
    int64_t row_count;
} nt_sweep;

// Rows that meet a panel, as groups of nearly equal size, each a tile. A tile prefetches some lines a unit: its share
// of the next panel, or where it is alone its own panel, if at all.
typedef struct {
    const nt_packed *w;
    int64_t panel, groups, size, larger;
    size_t ahead, share;
    int lines;
} nt_meeting;

// Blocks, or 16 steps of floats.
static int64_t nt_unit_count(const nt_packed *w) {
    if (nt_is_quantized(w->type)) return w->columns / 32;
    return ((w->type == NT_BF16 ? (w->columns + 1) / 2 : w->columns) + 15) / 16;
}

// So few rows leave the time to memory, which the processor reads best unasked: up to twice as fast. With more it no
// longer reads ahead while it computes. (Measured on Zen 4.)
static int nt_is_read_unasked(const nt_kernel_set *kernels, uint32_t type, int64_t rows) {
    if (rows > kernels->one_pass_rows) return 0;
    if (type == NT_F32 || type == NT_BF16) return 1;
    return rows <= (type == NT_Q8_0 ? 5 : type == NT_F16 ? 1 : 3);
}

static nt_meeting nt_meeting_of(const nt_sweep *sweep, const nt_packed *w, int64_t panel) {
    const int64_t rows = sweep->row_count, at_once = sweep->kernels->rows_at_once;
    const int64_t groups = (rows + at_once - 1) / at_once;
    nt_meeting meeting = {w, panel, groups, rows / groups, rows % groups, 0, 0, 0};
    const int64_t units = nt_unit_count(w), share = groups * units;
    const int is_last = panel + 1 >= nt_panel_count(w);
    if (share == 0 || (groups == 1 ? nt_is_read_unasked(sweep->kernels, w->type, rows) : is_last)) return meeting;
    meeting.lines = (int)(((int64_t)(w->panel_bytes / 64) + share - 1) / share);
    meeting.share = (size_t)meeting.lines * (size_t)units * 64;
    meeting.ahead = groups == 1 ? NT_AHEAD_BYTES : w->panel_bytes;
    return meeting;
}

typedef struct {
    int64_t first, count;
} nt_group;

static nt_group nt_group_of(const nt_meeting *meeting, int64_t g) {
    return (nt_group){g * meeting->size + (g < meeting->larger ? g : meeting->larger),
                      meeting->size + (g < meeting->larger)};
}

// Outputs of the panel that there are.
static int64_t nt_width(const nt_meeting *meeting) {
    const int64_t left = meeting->w->rows - meeting->panel * NT_PANEL;
    return left < NT_PANEL ? left : NT_PANEL;
}

static void nt_make_tile(const nt_sweep *sweep, const nt_meeting *meeting, int64_t g, float *tile) {
    const nt_packed *w = meeting->w;
    const nt_rows *input = sweep->input;
    const nt_group group = nt_group_of(meeting, g);
    const uint8_t *panel = (const uint8_t *)w->panels + (size_t)meeting->panel * w->panel_bytes;
    const size_t shared = (size_t)g * meeting->share;
    sweep->kernels->tile(w->type, (int)group.count, panel, w->columns,
                         (const uint8_t *)input->data + (size_t)group.first * input->row_bytes, input->row_bytes, tile,
                         panel + meeting->ahead + shared, shared < w->panel_bytes ? meeting->lines : 0);
}

static const float *nt_bias_at(const nt_product *product, int64_t panel) {
    return product->bias ? product->bias + panel * NT_PANEL : NULL;
}

typedef struct {
    nt_sweep sweep;
    const nt_product *products;
} nt_project_job;

// Lines that are stored to are fetched first; meanwhile the tile is computed.
static void nt_expect_stores(const float *out, int64_t rows, int64_t stride) {
    for (int64_t r = 0; r < rows; r++, out += stride) {
        __builtin_prefetch(out, 1, 2);
        __builtin_prefetch(out + NT_PANEL / 2, 1, 2);
    }
}

static void nt_project_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_project_job *job = context;
    const nt_sweep *sweep = &job->sweep;
    _Alignas(64) float tile[NT_TILE_ROWS * NT_PANEL];
    for (int64_t task = first; task < last; task++) {
        int64_t panel = task;
        const nt_product *product = job->products;
        for (; panel >= nt_panel_count(product->w); product++) panel -= nt_panel_count(product->w);
        const nt_meeting meeting = nt_meeting_of(sweep, product->w, panel);
        for (int64_t g = 0; g < meeting.groups; g++) {
            const nt_group group = nt_group_of(&meeting, g);
            float *out = product->out + group.first * product->out_stride + panel * NT_PANEL;
            nt_expect_stores(out, group.count, product->out_stride);
            nt_make_tile(sweep, &meeting, g, tile);
            sweep->kernels->store(tile, group.count, nt_width(&meeting), nt_bias_at(product, panel), out,
                                  product->out_stride, product->store);
        }
    }
}

void nt_project(nt_workers *workers, const nt_product *products, int count, const nt_rows *input, int64_t row_count) {
    if (row_count <= 0) return;
    int64_t panels = 0;
    for (int i = 0; i < count; i++) panels += nt_panel_count(products[i].w);
    nt_project_job job = {{nt_workers_kernels(workers), input, row_count}, products};
    nt_workers_run(workers, nt_project_task, &job, panels);
}

typedef struct {
    nt_sweep sweep;
    const nt_product *gate, *up;
    nt_activation activation;
    const nt_rows *output;
} nt_gated_job;

// Where a panel's outputs lie in a row.
static size_t nt_place_in_row(nt_row_kind kind, int64_t panel) {
    return (size_t)panel * (kind == NT_ROWS_Q8 ? NT_Q8_BLOCK : kind == NT_ROWS_BF16 ? NT_PANEL * 2 : NT_PANEL * 4);
}

static void nt_finish_gated(const nt_gated_job *job, const nt_meeting *meeting, int64_t g, float *gate,
                            const float *up) {
    const nt_kernel_set *kernels = job->sweep.kernels;
    const nt_group group = nt_group_of(meeting, g);
    kernels->activate(job->activation, gate, up, group.count * NT_PANEL);
    uint8_t *row = (uint8_t *)job->output->data + (size_t)group.first * job->output->row_bytes +
                   nt_place_in_row(job->output->kind, meeting->panel);
    for (int64_t r = 0; r < group.count; r++, row += job->output->row_bytes)
        kernels->convert(job->output->kind, gate + r * NT_PANEL, nt_width(meeting), row);
}

static void nt_make_biased_tile(const nt_sweep *sweep, const nt_product *product, const nt_meeting *meeting, int64_t g,
                                float *tile) {
    nt_make_tile(sweep, meeting, g, tile);
    if (product->bias)
        sweep->kernels->store(tile, nt_group_of(meeting, g).count, nt_width(meeting),
                              nt_bias_at(product, meeting->panel), tile, NT_PANEL, NT_STORE);
}

static void nt_gated_task(void *context, int64_t first, int64_t last, float *scratch) {
    (void)scratch;
    const nt_gated_job *job = context;
    const nt_sweep *sweep = &job->sweep;
    _Alignas(64) float gate[NT_TILE_ROWS * NT_PANEL], up[NT_TILE_ROWS * NT_PANEL];
    for (int64_t panel = first; panel < last; panel++) {
        const nt_meeting gates = nt_meeting_of(sweep, job->gate->w, panel);
        const nt_meeting ups = nt_meeting_of(sweep, job->up ? job->up->w : job->gate->w, panel);
        for (int64_t g = 0; g < gates.groups; g++) {
            nt_make_biased_tile(sweep, job->gate, &gates, g, gate);
            if (job->up) nt_make_biased_tile(sweep, job->up, &ups, g, up);
            nt_finish_gated(job, &gates, g, gate, job->up ? up : NULL);
        }
    }
}

void nt_project_gated(nt_workers *workers, const nt_product *gate, const nt_product *up, nt_activation activation,
                      const nt_rows *input, int64_t row_count, const nt_rows *output) {
    if (row_count <= 0) return;
    nt_gated_job job = {{nt_workers_kernels(workers), input, row_count}, gate, up, activation, output};
    nt_workers_run(workers, nt_gated_task, &job, nt_panel_count(gate->w));
}
