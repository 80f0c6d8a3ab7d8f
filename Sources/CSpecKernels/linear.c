// The drivers of linear layers: they cut a product into tickets of panels. N is split between threads, K never, so a
// row's bits do not depend on the thread count.

#include "isa.h"

#include <string.h>

/// Tickets per thread, at most: enough to even out a helper that was taken off its core, few enough that each reads a
/// long piece. With eight, decoding takes 4 to 7 per cent longer.
#define TICKETS_PER_THREAD 4
/// And at least, however small the product.
#define FEWEST_TICKETS_PER_THREAD 2
/// Multiplications of one ticket, at least: with one row a ticket then reads 70 KB of 4-bit weights in one piece. The
/// hardware's prefetcher has to find its stream anew in every ticket.
#define FEWEST_TICKET_PRODUCTS ((int64_t)1 << 17)
/// Multiplications of one ticket, at most: below a millisecond in f32 on AVX2, the slowest tuned kernel.
#define TICKET_PRODUCTS ((int64_t)1 << 24)

size_t spec_q8_row_bytes(int32_t k) { return ((size_t)k + (size_t)(k / SPEC_BLOCK) * 12 + 63) / 64 * 64; }

static int64_t clamp(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

// For `units` of `products` multiplications each.
static uint32_t ticket_count(const spec_pool *pool, int32_t units, int64_t products) {
    const int64_t threads = spec_pool_thread_count(pool), total = units * products;
    const int64_t even = clamp(total / FEWEST_TICKET_PRODUCTS, threads * FEWEST_TICKETS_PER_THREAD,
                               threads * TICKETS_PER_THREAD);
    return (uint32_t)clamp(total / TICKET_PRODUCTS, even < units ? even : units, units);
}

static spec_int8_tile_fn *int8_tile(const spec_isa *isa, spec_weight_type type) {
    switch (type) {
    case SPEC_Q8_0: return isa->q8_0_tile;
    case SPEC_Q4_K: return isa->q4_k_tile;
    case SPEC_Q5_K: return isa->q5_k_tile;
    case SPEC_Q6_K: return isa->q6_k_tile;
    default: return isa->q4_0_tile;
    }
}

static spec_float_tile_fn *float_tile(const spec_isa *isa, spec_weight_type type) {
    switch (type) {
    case SPEC_F16: return isa->f16_tile;
    case SPEC_BF16: return isa->bf16_tile;
    default: return isa->f32_tile;
    }
}

// The units [begin, end) of ticket `index` out of `count`: sizes differ by one at most.
static void share(int32_t units, uint32_t count, uint32_t index, int32_t *begin, int32_t *end) {
    *begin = (int32_t)((int64_t)units * index / count);
    *end = (int32_t)((int64_t)units * (index + 1) / count);
}

// MARK: Products

typedef struct linear_job {
    const spec_isa *isa;
    const spec_matrix *parts;
    const void *x;    // rows of spec_q8_row_bytes(k), or f32
    size_t x_stride;  // bytes, or elements
    int32_t m;
    float *y;
    size_t y_stride;
    int32_t panels;
    uint32_t tickets;
} linear_job;

// Rows [0, rows) of x, at most SPEC_TILE_ROWS of them, by one panel of a matrix.
static void run_tile(const linear_job *job, const spec_matrix *w, const uint8_t *panel, int32_t first_row,
                     int32_t rows, float *y, size_t y_stride) {
    if (spec_type_is_float(w->type)) {
        const float *x = (const float *)job->x + (size_t)first_row * job->x_stride;
        float_tile(job->isa, w->type)(panel, x, job->x_stride, w->k, rows, y, y_stride);
    } else {
        const uint8_t *x = (const uint8_t *)job->x + (size_t)first_row * job->x_stride;
        int8_tile(job->isa, w->type)(panel, x, job->x_stride, w->k, rows, y, y_stride);
    }
}

// One panel of a matrix whose outputs begin at `y`. The last panel may reach past N: it goes through a buffer, so that
// y needs no padding.
static void run_panel(const linear_job *job, const spec_matrix *w, int32_t panel, float *y) {
    const uint8_t *weights = w->panels + (size_t)panel * spec_panel_bytes(w->type, w->k);
    const int32_t outputs = w->n - panel * SPEC_PANEL < SPEC_PANEL ? w->n - panel * SPEC_PANEL : SPEC_PANEL;
    y += (size_t)panel * SPEC_PANEL;
    for (int32_t r = 0; r < job->m; r += SPEC_TILE_ROWS) {
        const int32_t rows = job->m - r < SPEC_TILE_ROWS ? job->m - r : SPEC_TILE_ROWS;
        float *out = y + (size_t)r * job->y_stride;
        if (outputs == SPEC_PANEL) {
            run_tile(job, w, weights, r, rows, out, job->y_stride);
            continue;
        }
        float tail[SPEC_TILE_ROWS * SPEC_PANEL];
        run_tile(job, w, weights, r, rows, tail, SPEC_PANEL);
        for (int32_t i = 0; i < rows; i++)
            memcpy(out + (size_t)i * job->y_stride, tail + i * SPEC_PANEL, (size_t)outputs * 4);
    }
}

static int32_t panel_count(const spec_matrix *w) { return (w->n + SPEC_PANEL - 1) / SPEC_PANEL; }

static void linear_ticket(void *context, uint32_t index) {
    const linear_job *job = context;
    int32_t begin, end;
    share(job->panels, job->tickets, index, &begin, &end);
    const spec_matrix *w = job->parts;
    float *y = job->y;
    int32_t first = 0;  // panel of w
    for (int32_t panel = begin; panel < end; panel++) {
        while (panel - first >= panel_count(w)) {
            first += panel_count(w);
            y += w->n;
            w++;
        }
        run_panel(job, w, panel - first, y);
    }
}

static bool run_linear(spec_pool *pool, linear_job *job, int32_t part_count) {
    job->isa = spec_pool_isa(pool);
    for (int32_t i = 0; i < part_count; i++) job->panels += panel_count(job->parts + i);
    job->tickets = ticket_count(pool, job->panels, (int64_t)SPEC_PANEL * job->parts->k * job->m);
    return spec_pool_run(pool, linear_ticket, job, job->tickets);
}

bool spec_linear_int8(spec_pool *pool, const spec_matrix *parts, int32_t part_count, const uint8_t *x, int32_t m,
                      float *y, size_t y_stride) {
    linear_job job = {.parts = parts, .x = x, .x_stride = spec_q8_row_bytes(parts->k), .m = m, .y = y,
                      .y_stride = y_stride};
    return run_linear(pool, &job, part_count);
}

bool spec_linear_float(spec_pool *pool, const spec_matrix *parts, int32_t part_count, const float *x,
                       size_t x_stride, int32_t m, float *y, size_t y_stride) {
    linear_job job = {.parts = parts, .x = x, .x_stride = x_stride, .m = m, .y = y, .y_stride = y_stride};
    return run_linear(pool, &job, part_count);
}

// MARK: The gated unit

typedef struct gated_job {
    const spec_isa *isa;
    const spec_matrix *gate, *up;
    const uint8_t *x;
    int32_t m;
    uint8_t *out;
    uint32_t tickets;
} gated_job;

// A unit is a block of 32 outputs: two panels of each matrix, then one quantised block per row.
static void gated_ticket(void *context, uint32_t index) {
    const gated_job *job = context;
    const int32_t n = job->gate->n, k = job->gate->k;
    const size_t x_bytes = spec_q8_row_bytes(k), out_bytes = spec_q8_row_bytes(n);
    const size_t gate_bytes = spec_panel_bytes(job->gate->type, k), up_bytes = spec_panel_bytes(job->up->type, k);
    spec_int8_tile_fn *gate_tile = int8_tile(job->isa, job->gate->type);
    spec_int8_tile_fn *up_tile = int8_tile(job->isa, job->up->type);
    int32_t begin, end;
    share(n / SPEC_BLOCK, job->tickets, index, &begin, &end);
    _Alignas(64) float gate[SPEC_TILE_ROWS * SPEC_BLOCK], up[SPEC_TILE_ROWS * SPEC_BLOCK];
    for (int32_t block = begin; block < end; block++)
        for (int32_t r = 0; r < job->m; r += SPEC_TILE_ROWS) {
            const int32_t rows = job->m - r < SPEC_TILE_ROWS ? job->m - r : SPEC_TILE_ROWS;
            const uint8_t *x = job->x + (size_t)r * x_bytes;
            for (int32_t half = 0; half < 2; half++) {
                const size_t panel = (size_t)(block * 2 + half), column = (size_t)half * SPEC_PANEL;
                gate_tile(job->gate->panels + panel * gate_bytes, x, x_bytes, k, rows, gate + column, SPEC_BLOCK);
                up_tile(job->up->panels + panel * up_bytes, x, x_bytes, k, rows, up + column, SPEC_BLOCK);
            }
            for (int32_t i = 0; i < rows; i++)
                job->isa->gated_quantize(gate + i * SPEC_BLOCK, up + i * SPEC_BLOCK,
                                         job->out + (size_t)(r + i) * out_bytes, block, n);
        }
}

bool spec_gated_linear(spec_pool *pool, const spec_matrix *gate, const spec_matrix *up, const uint8_t *x, int32_t m,
                       uint8_t *out) {
    gated_job job = {.isa = spec_pool_isa(pool), .gate = gate, .up = up, .x = x, .m = m, .out = out};
    job.tickets = ticket_count(pool, gate->n / SPEC_BLOCK, (int64_t)2 * SPEC_BLOCK * gate->k * m);
    return spec_pool_run(pool, gated_ticket, &job, job.tickets);
}
