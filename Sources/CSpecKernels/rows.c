// Row operations between the linear layers, cut into tickets of rows.

#include "half.h"
#include "isa.h"

#include <math.h>
#include <string.h>

void spec_quantize_rows(const spec_isa *isa, const float *x, size_t x_stride, uint8_t *out, int32_t rows,
                        int32_t k) {
    for (int32_t r = 0; r < rows; r++)
        isa->quantize_row(x + (size_t)r * x_stride, out + (size_t)r * spec_q8_row_bytes(k), k);
}

void spec_rms_norm(const spec_isa *isa, const float *x, size_t x_stride, const float *weight, float epsilon,
                   float *out, size_t out_stride, int32_t rows, int32_t k) {
    for (int32_t r = 0; r < rows; r++)
        isa->rms_norm(x + (size_t)r * x_stride, weight, epsilon, out + (size_t)r * out_stride, k);
}

void spec_rope(const spec_isa *isa, float *x, const float *cosines, const float *sines, int32_t d) {
    isa->rope(x, cosines, sines, d);
}

void spec_swiglu(const spec_isa *isa, const float *gate, const float *up, float *out, int32_t n) {
    isa->swiglu(gate, up, out, n);
}

int32_t spec_argmax(const spec_isa *isa, const float *x, int32_t n) { return isa->argmax(x, n); }

void spec_exp(const spec_isa *isa, const float *x, float *out, int32_t n) { isa->exp(x, out, n); }

float spec_log_sum_exp(const spec_isa *isa, const float *x, int32_t n, float maximum) {
    return maximum + logf(isa->sum_exp(x, n, maximum));
}

int32_t spec_top_k(const spec_isa *isa, const float *x, int32_t n, int32_t count, int32_t *indices) {
    (void)isa;
    int32_t found = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!(x[i] == x[i])) continue;
        if (found == count && !(x[i] > x[indices[count - 1]])) continue;
        int32_t at = found < count ? found++ : count - 1;
        for (; at > 0 && x[i] > x[indices[at - 1]]; at--) indices[at] = indices[at - 1];
        indices[at] = i;
    }
    return found;
}

typedef struct rows_job {
    const spec_isa *isa;
    float *residual;
    const float *addend;
    const float *weight;
    float epsilon;
    const float *x;
    size_t x_stride;
    uint8_t *out;
    int32_t m;
    int32_t k;
    int32_t rows_per_ticket;
} rows_job;

/// Rows per ticket, at most: about ten microseconds of work.
#define ROWS_PER_TICKET 8
/// And at least: a smaller piece costs more to hand over than it saves.
#define FEWEST_ROWS_PER_TICKET 2

// Few rows are shared between the threads, since one thread would do them while the others wait.
static int32_t rows_per_ticket(const spec_pool *pool, int32_t m) {
    const int32_t threads = spec_pool_thread_count(pool), even = (m + threads - 1) / threads;
    return even < FEWEST_ROWS_PER_TICKET ? FEWEST_ROWS_PER_TICKET : even < ROWS_PER_TICKET ? even : ROWS_PER_TICKET;
}

static uint32_t ticket_count(int32_t m, int32_t rows) { return (uint32_t)((m + rows - 1) / rows); }

// One past the last row of ticket `index`.
static int32_t ticket_end(uint32_t index, int32_t rows, int32_t m) {
    const int32_t end = ((int32_t)index + 1) * rows;
    return end < m ? end : m;
}

static void add_norm_ticket(void *context, uint32_t index) {
    const rows_job *job = context;
    const int32_t begin = (int32_t)index * job->rows_per_ticket;
    const int32_t end = ticket_end(index, job->rows_per_ticket, job->m);
    const size_t k = (size_t)job->k, out_bytes = spec_q8_row_bytes(job->k);
    for (int32_t r = begin; r < end; r++)
        job->isa->add_norm_quantize(job->residual + (size_t)r * k, job->addend ? job->addend + (size_t)r * k : NULL,
                                    job->weight, job->epsilon, job->out + (size_t)r * out_bytes, job->k);
}

static void quantize_ticket(void *context, uint32_t index) {
    const rows_job *job = context;
    const int32_t begin = (int32_t)index * job->rows_per_ticket;
    const int32_t end = ticket_end(index, job->rows_per_ticket, job->m);
    for (int32_t r = begin; r < end; r++)
        job->isa->quantize_row(job->x + (size_t)r * job->x_stride, job->out + (size_t)r * spec_q8_row_bytes(job->k),
                               job->k);
}

bool spec_add_norm_quantize(spec_pool *pool, float *residual, const float *addend, const float *weight,
                            float epsilon, uint8_t *out, int32_t m, int32_t k) {
    rows_job job = {.isa = spec_pool_isa(pool), .residual = residual, .addend = addend, .weight = weight,
                    .epsilon = epsilon, .out = out, .m = m, .k = k, .rows_per_ticket = rows_per_ticket(pool, m)};
    return spec_pool_run(pool, add_norm_ticket, &job, ticket_count(m, job.rows_per_ticket));
}

bool spec_quantize(spec_pool *pool, const float *x, size_t x_stride, uint8_t *out, int32_t m, int32_t k) {
    rows_job job = {.isa = spec_pool_isa(pool), .x = x, .x_stride = x_stride, .out = out, .m = m, .k = k,
                    .rows_per_ticket = rows_per_ticket(pool, m)};
    return spec_pool_run(pool, quantize_ticket, &job, ticket_count(m, job.rows_per_ticket));
}

typedef struct qkv_job {
    const spec_isa *isa;
    const spec_qkv *a;
    int32_t rows_per_ticket;
} qkv_job;

/// Even values to the first half, odd ones to the second: then neighbours turn as halves do. Queries and keys are
/// rearranged alike, and a dot product does not depend on the order of its terms.
static void split_neighbours(float *head, int32_t rotated) {
    float odd[128];
    for (int32_t i = 0; i < rotated / 2; i++) {
        odd[i] = head[2 * i + 1];
        head[i] = head[2 * i];
    }
    memcpy(head + rotated / 2, odd, (size_t)(rotated / 2) * sizeof(float));
}

static void qkv_ticket(void *context, uint32_t index) {
    const qkv_job *job = context;
    const spec_qkv *a = job->a;
    const int32_t d = a->head_dimension, heads = a->head_count, kv_heads = a->kv_head_count;
    const int32_t rotated = a->rotated_dimension;
    const int32_t begin = (int32_t)index * job->rows_per_ticket;
    const int32_t end = ticket_end(index, job->rows_per_ticket, a->m);
    for (int32_t r = begin; r < end; r++) {
        float *row = a->qkv + (size_t)r * a->stride;
        const float *cosines = a->cosines + (size_t)r * (size_t)(rotated / 2);
        const float *sines = a->sines + (size_t)r * (size_t)(rotated / 2);
        if (a->bias)
            for (int32_t i = 0; i < (heads + 2 * kv_heads) * d; i++) row[i] += a->bias[i];
        for (int32_t h = 0; h < heads + kv_heads; h++) {
            float *head = row + (size_t)h * (size_t)d;
            const float *norm = h < heads ? a->query_norm : a->key_norm;
            if (norm) job->isa->rms_norm(head, norm, a->epsilon, head, d);
            if (a->pairs_are_neighbours) split_neighbours(head, rotated);
            job->isa->rope(head, cosines, sines, rotated);
        }
        if (a->staged) {
            uint8_t *head = a->staged + (size_t)(r * kv_heads * 2) * spec_head_bytes(d);
            for (int32_t g = 0; g < kv_heads; g++)
                for (int32_t part = 0; part < 2; part++, head += spec_head_bytes(d))  // the key, then the value
                    job->isa->quantize_head(row + (heads + part * kv_heads + g) * d, head, d);
            continue;
        }
        if (kv_heads == 0) continue;  // queries alone: cross-attention
        const int32_t position = a->first_position + r;
        uint8_t *chunk = a->blocks[position / SPEC_CHUNK] + a->layer_offset;
        for (int32_t g = 0; g < kv_heads; g++)
            spec_kv_store(job->isa, chunk + (size_t)g * spec_kv_chunk_bytes(d), position % SPEC_CHUNK,
                          row + (size_t)(heads + g) * (size_t)d, row + (size_t)(heads + kv_heads + g) * (size_t)d, d);
    }
}

bool spec_qkv_finish(spec_pool *pool, const spec_qkv *a) {
    qkv_job job = {.isa = spec_pool_isa(pool), .a = a, .rows_per_ticket = rows_per_ticket(pool, a->m)};
    return spec_pool_run(pool, qkv_ticket, &job, ticket_count(a->m, job.rows_per_ticket));
}
