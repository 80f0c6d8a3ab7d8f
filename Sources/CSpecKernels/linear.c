// Linear layers: repacking into panels, and the drivers that cut a product into tickets of panels. N is split
// between threads, K never, so a row's bits do not depend on the thread count.

#include "half.h"
#include "isa.h"

#include <string.h>

/// Tickets per thread: enough to even out a helper that was taken off its core, few enough that claiming them
/// costs nothing.
#define TICKETS_PER_THREAD 8

size_t spec_q8_row_bytes(int32_t k) { return ((size_t)k + (size_t)(k / SPEC_BLOCK) * 8 + 63) / 64 * 64; }

size_t spec_q4_panel_bytes(int32_t k) {
    return spec_q4_scale_offset(k) + ((size_t)(k / SPEC_BLOCK) * 32 + 63) / 64 * 64;
}

// A GGUF Q4_0 block: f16 scale, then 16 bytes; byte j holds input j in its low and input j + 16 in its high nibble.
#define Q4_BLOCK_BYTES 18

void spec_q4_repack(const uint8_t *rows, int32_t n, int32_t k, uint8_t *out, int32_t panel_begin,
                    int32_t panel_end) {
    const int32_t blocks = k / SPEC_BLOCK;
    const size_t row_bytes = (size_t)blocks * Q4_BLOCK_BYTES, panel_bytes = spec_q4_panel_bytes(k);
    for (int32_t panel = panel_begin; panel < panel_end; panel++) {
        uint8_t *weights = out + (size_t)panel * panel_bytes, *scales = weights + spec_q4_scale_offset(k);
        if ((panel + 1) * SPEC_PANEL > n) memset(weights, 0, panel_bytes);
        for (int32_t lane = 0; lane < SPEC_PANEL && panel * SPEC_PANEL + lane < n; lane++) {
            const uint8_t *source = rows + (size_t)(panel * SPEC_PANEL + lane) * row_bytes;
            for (int32_t b = 0; b < blocks; b++, source += Q4_BLOCK_BYTES) {
                memcpy(scales + (size_t)b * 32 + (size_t)lane * 2, source, 2);
                for (int32_t v = 0; v < 4; v++)
                    memcpy(weights + (size_t)b * 256 + (size_t)v * 64 + (size_t)lane * 4, source + 2 + v * 4, 4);
            }
        }
    }
}

void spec_q4_dequantize_row(const uint8_t *row, float *out, int32_t k) {
    for (int32_t b = 0; b < k / SPEC_BLOCK; b++, row += Q4_BLOCK_BYTES) {
        uint16_t half;
        memcpy(&half, row, 2);
        const float scale = spec_f16_to_f32(half);
        for (int32_t j = 0; j < 16; j++) {
            out[b * 32 + j] = (float)((row[2 + j] & 15) - 8) * scale;
            out[b * 32 + 16 + j] = (float)((row[2 + j] >> 4) - 8) * scale;
        }
    }
}

void spec_f32_repack(const float *rows, int32_t n, int32_t k, float *out) {
    for (int32_t panel = 0; panel < (n + SPEC_PANEL - 1) / SPEC_PANEL; panel++)
        for (int32_t i = 0; i < k; i++)
            for (int32_t lane = 0; lane < SPEC_PANEL; lane++) {
                const int32_t row = panel * SPEC_PANEL + lane;
                *out++ = row < n ? rows[(size_t)row * (size_t)k + (size_t)i] : 0;
            }
}

static uint32_t ticket_count(const spec_pool *pool, int32_t units) {
    const int32_t wanted = spec_pool_thread_count(pool) * TICKETS_PER_THREAD;
    return (uint32_t)(units < wanted ? units : wanted);
}

// The units [begin, end) of ticket `index` out of `count`: sizes differ by one at most.
static void share(int32_t units, uint32_t count, uint32_t index, int32_t *begin, int32_t *end) {
    *begin = (int32_t)((int64_t)units * index / count);
    *end = (int32_t)((int64_t)units * (index + 1) / count);
}

typedef struct linear_job {
    const spec_isa *isa;
    const spec_q4_matrix *q4;
    const spec_f32_matrix *f32;
    const uint8_t *x8;
    const float *x32;
    size_t x_stride;
    int32_t m;
    float *y;
    size_t y_stride;
    int32_t panels;
    uint32_t tickets;
} linear_job;

// The last panel may reach past N: it goes through a buffer, so that y needs no padding.
static void linear_ticket(void *context, uint32_t index) {
    const linear_job *job = context;
    const int32_t n = job->q4 ? job->q4->n : job->f32->n, k = job->q4 ? job->q4->k : job->f32->k;
    const size_t x8_bytes = spec_q8_row_bytes(k), panel_bytes = spec_q4_panel_bytes(k);
    int32_t begin, end;
    share(job->panels, job->tickets, index, &begin, &end);
    for (int32_t panel = begin; panel < end; panel++) {
        const int32_t outputs = n - panel * SPEC_PANEL < SPEC_PANEL ? n - panel * SPEC_PANEL : SPEC_PANEL;
        for (int32_t r = 0; r < job->m; r += SPEC_TILE_ROWS) {
            const int32_t rows = job->m - r < SPEC_TILE_ROWS ? job->m - r : SPEC_TILE_ROWS;
            float tail[SPEC_TILE_ROWS * SPEC_PANEL];
            float *y = job->y + (size_t)r * job->y_stride + (size_t)panel * SPEC_PANEL;
            float *target = outputs == SPEC_PANEL ? y : tail;
            const size_t stride = outputs == SPEC_PANEL ? job->y_stride : SPEC_PANEL;
            if (job->q4)
                job->isa->q4_tile(job->q4->panels + (size_t)panel * panel_bytes, job->x8 + (size_t)r * x8_bytes,
                                  x8_bytes, k, rows, target, stride);
            else
                job->isa->f32_tile(job->f32->panels + (size_t)panel * (size_t)k * SPEC_PANEL,
                                   job->x32 + (size_t)r * job->x_stride, job->x_stride, k, rows, target, stride);
            if (outputs < SPEC_PANEL)
                for (int32_t i = 0; i < rows; i++)
                    memcpy(y + (size_t)i * job->y_stride, tail + i * SPEC_PANEL, (size_t)outputs * 4);
        }
    }
}

bool spec_linear_q4(spec_pool *pool, const spec_q4_matrix *w, const uint8_t *x, int32_t m, float *y,
                    size_t y_stride) {
    linear_job job = {.isa = spec_pool_isa(pool), .q4 = w, .x8 = x, .m = m, .y = y, .y_stride = y_stride};
    job.panels = (w->n + SPEC_PANEL - 1) / SPEC_PANEL;
    job.tickets = ticket_count(pool, job.panels);
    return spec_pool_run(pool, linear_ticket, &job, job.tickets);
}

bool spec_linear_f32(spec_pool *pool, const spec_f32_matrix *w, const float *x, size_t x_stride, int32_t m,
                     float *y, size_t y_stride) {
    linear_job job = {.isa = spec_pool_isa(pool), .f32 = w, .x32 = x, .x_stride = x_stride, .m = m, .y = y,
                      .y_stride = y_stride};
    job.panels = (w->n + SPEC_PANEL - 1) / SPEC_PANEL;
    job.tickets = ticket_count(pool, job.panels);
    return spec_pool_run(pool, linear_ticket, &job, job.tickets);
}

typedef struct gated_job {
    const spec_isa *isa;
    const spec_q4_matrix *gate, *up;
    const uint8_t *x;
    int32_t m;
    uint8_t *out;
    uint32_t tickets;
} gated_job;

// A unit is a block of 32 outputs: two panels of each matrix, then one quantised block per row.
static void gated_ticket(void *context, uint32_t index) {
    const gated_job *job = context;
    const int32_t n = job->gate->n, k = job->gate->k;
    const size_t x_bytes = spec_q8_row_bytes(k), panel_bytes = spec_q4_panel_bytes(k), out_bytes = spec_q8_row_bytes(n);
    int32_t begin, end;
    share(n / SPEC_BLOCK, job->tickets, index, &begin, &end);
    _Alignas(64) float gate[SPEC_TILE_ROWS * SPEC_BLOCK], up[SPEC_TILE_ROWS * SPEC_BLOCK];
    for (int32_t block = begin; block < end; block++) {
        const uint8_t *gate_panel = job->gate->panels + (size_t)block * 2 * panel_bytes;
        const uint8_t *up_panel = job->up->panels + (size_t)block * 2 * panel_bytes;
        for (int32_t r = 0; r < job->m; r += SPEC_TILE_ROWS) {
            const int32_t rows = job->m - r < SPEC_TILE_ROWS ? job->m - r : SPEC_TILE_ROWS;
            const uint8_t *x = job->x + (size_t)r * x_bytes;
            for (int32_t half = 0; half < 2; half++) {
                const size_t panel = (size_t)half * panel_bytes, column = (size_t)half * SPEC_PANEL;
                job->isa->q4_tile(gate_panel + panel, x, x_bytes, k, rows, gate + column, SPEC_BLOCK);
                job->isa->q4_tile(up_panel + panel, x, x_bytes, k, rows, up + column, SPEC_BLOCK);
            }
            for (int32_t i = 0; i < rows; i++) {
                uint8_t *row = job->out + (size_t)(r + i) * out_bytes;
                float *scale = (float *)(row + n) + block;
                int32_t *sum = (int32_t *)(row + n + (size_t)(n / SPEC_BLOCK) * 4) + block;
                job->isa->gated_quantize(gate + i * SPEC_BLOCK, up + i * SPEC_BLOCK, row + (size_t)block * SPEC_BLOCK,
                                         scale, sum);
            }
        }
    }
}

bool spec_gated_linear_q4(spec_pool *pool, const spec_q4_matrix *gate, const spec_q4_matrix *up, const uint8_t *x,
                          int32_t m, uint8_t *out) {
    gated_job job = {.isa = spec_pool_isa(pool), .gate = gate, .up = up, .x = x, .m = m, .out = out};
    job.tickets = ticket_count(pool, gate->n / SPEC_BLOCK);
    return spec_pool_run(pool, gated_ticket, &job, job.tickets);
}
