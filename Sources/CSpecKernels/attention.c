// Attention over the block cache: cuts a layer's attention into tickets, calls the chunk kernel, merges partial
// results. A row's result is the merge of its chunks' partials in ascending order, whichever thread made them;
// few rows spread their chunks over the threads, many rows spread themselves.

#include "isa.h"

#include <math.h>
#include <string.h>

/// Up to this many rows the chunks are spread over threads and the partials kept; above, rows are spread.
#define CHUNK_PARALLEL_ROWS SPEC_PARTIAL_ROWS
/// Rows per ticket when rows are spread, at most, and multiplications, which make it fewer over long contexts: about
/// half a millisecond with byte dot products.
#define ROWS_PER_TICKET 8
#define TICKET_PRODUCTS ((int64_t)1 << 27)
/// Chunks per ticket when chunks are spread: many in one piece, since a thread finds the first one of a ticket far
/// away, but few enough that every thread gets some tickets.
#define CHUNKS_PER_TICKET_MINIMUM 4
#define CHUNKS_PER_TICKET_MAXIMUM 16
#define CHUNK_TICKETS_PER_THREAD 2
/// Multiplications of such a ticket, at most: about half a millisecond with a slow instruction set.
#define CHUNK_TICKET_PRODUCTS ((int64_t)1 << 25)
/// Query rows that one ticket holds at once (rows × heads of a group); more are taken in turns.
#define TICKET_QUERY_ROWS 128

#define MIRROR_2(x) ((x) + 0.5f) / 128, ((x) + 64.5f) / 128
#define MIRROR_8(x) MIRROR_2(x), MIRROR_2(x + 32), MIRROR_2(x + 16), MIRROR_2(x + 48)
#define MIRROR_32(x) MIRROR_8(x), MIRROR_8(x + 8), MIRROR_8(x + 4), MIRROR_8(x + 12)
_Alignas(64) const float spec_weight_offsets[SPEC_CHUNK] = {MIRROR_32(0), MIRROR_32(2), MIRROR_32(1), MIRROR_32(3)};

void spec_kv_store(const spec_isa *isa, uint8_t *chunk, int32_t index, const float *key, const float *value,
                   int32_t d) {
    uint8_t heads[2 * spec_head_bytes(d)];
    isa->quantize_head(key, heads, d);
    isa->quantize_head(value, heads + spec_head_bytes(d), d);
    spec_kv_store_staged(chunk, index, heads, d);
}

size_t spec_attention_scratch_floats(int32_t m, int32_t positions, int32_t head_count, int32_t d) {
    const int32_t rows = m < CHUNK_PARALLEL_ROWS ? m : CHUNK_PARALLEL_ROWS;
    const int32_t chunks = (positions + SPEC_CHUNK - 1) / SPEC_CHUNK;
    return (size_t)rows * (size_t)chunks * (size_t)head_count * (size_t)(d + 2);
}

typedef struct attention_job {
    const spec_isa *isa;
    const spec_attention *a;
    int32_t first_chunk, chunk_count;  // that any row sees
    int32_t chunks_per_ticket;         // when chunks are spread
    int32_t chunk_tickets;             // per kv head, then
    int32_t rows_per_ticket;           // when rows are spread
} attention_job;

static int32_t first_key(const spec_attention *a, int32_t row) {
    const int32_t position = a->first_position + row;
    return a->window > 0 && position + 1 > a->window ? position + 1 - a->window : 0;
}

static const uint8_t *chunk_base(const spec_attention *a, int32_t kv_head, int32_t chunk) {
    return a->blocks[chunk] + a->layer_offset + (size_t)kv_head * spec_kv_chunk_bytes(a->head_dimension);
}

// `last`: the chunk behind which this piece of work reads no further.
static void view_chunk(const spec_attention *a, int32_t kv_head, int32_t chunk, int32_t last, spec_chunk_view *view) {
    spec_view_chunk(chunk_base(a, kv_head, chunk), chunk < last ? chunk_base(a, kv_head, chunk + 1) : NULL,
                    a->head_dimension, view);
}

// The keys of `chunk` that the query rows see: query row i is row (row_begin + i / group) of the batch.
static void visible_keys(const spec_attention *a, int32_t row_begin, int32_t query_rows, int32_t group, int32_t chunk,
                         int32_t *low, int32_t *high) {
    for (int32_t i = 0; i < query_rows; i++) {
        const int32_t row = row_begin + i / group, start = chunk * SPEC_CHUNK;
        const int32_t from = first_key(a, row) - start, to = a->first_position + row + 1 - start;
        low[i] = from < 0 ? 0 : from;
        high[i] = to > SPEC_CHUNK ? SPEC_CHUNK : to;
    }
}

void spec_quantize_queries(const spec_isa *isa, const float *queries, size_t stride, int32_t rows, int32_t group,
                           float scale, int32_t d, uint8_t *out) {
    for (int32_t r = 0; r < rows; r++)
        for (int32_t h = 0; h < group; h++, out += spec_head_bytes(d)) {
            isa->quantize_head(queries + (size_t)r * stride + (size_t)(h * d), out, d);
            const float scaled = spec_head_scale(out, d) * scale;
            memcpy(out + d, &scaled, 4);
        }
}

// The queries of rows [row_begin, row_begin + rows) for one kv head.
static void gather_queries(const attention_job *job, int32_t kv_head, int32_t row_begin, int32_t rows, uint8_t *out) {
    const spec_attention *a = job->a;
    const int32_t group = a->head_count / a->kv_head_count, d = a->head_dimension;
    spec_quantize_queries(job->isa, a->queries + (size_t)row_begin * a->query_stride + (size_t)(kv_head * group * d),
                          a->query_stride, rows, group, a->scale, d, out);
}

static void write_head(float *out, float sum, const float *o, int32_t d) {
    const float inverse = 1.0f / sum;
    for (int32_t i = 0; i < d; i++) out[i] = o[i] * inverse;
}

// MARK: Many rows: a ticket is some rows of one kv head, all their chunks

static void rows_ticket(void *context, uint32_t index) {
    const attention_job *job = context;
    const spec_attention *a = job->a;
    const int32_t d = a->head_dimension, group = a->head_count / a->kv_head_count;
    const int32_t kv_head = (int32_t)index % a->kv_head_count;
    const int32_t begin = (int32_t)index / a->kv_head_count * job->rows_per_ticket;
    const int32_t end = begin + job->rows_per_ticket < a->m ? begin + job->rows_per_ticket : a->m;
    const int32_t per_turn = TICKET_QUERY_ROWS / group < ROWS_PER_TICKET ? TICKET_QUERY_ROWS / group : ROWS_PER_TICKET;
    uint8_t queries[TICKET_QUERY_ROWS * spec_head_bytes(d)];
    float partial[TICKET_QUERY_ROWS * d], total[TICKET_QUERY_ROWS * d];
    float maximum[TICKET_QUERY_ROWS], sum[TICKET_QUERY_ROWS], m[TICKET_QUERY_ROWS], l[TICKET_QUERY_ROWS];
    int32_t low[TICKET_QUERY_ROWS], high[TICKET_QUERY_ROWS];
    for (int32_t row = begin; row < end; row += per_turn) {
        const int32_t rows = end - row < per_turn ? end - row : per_turn, query_rows = rows * group;
        gather_queries(job, kv_head, row, rows, queries);
        for (int32_t i = 0; i < query_rows; i++) maximum[i] = -INFINITY;
        const int32_t last = (a->first_position + row + rows - 1) / SPEC_CHUNK;
        for (int32_t chunk = first_key(a, row) / SPEC_CHUNK; chunk <= last; chunk++) {
            spec_chunk_view view;
            view_chunk(a, kv_head, chunk, last, &view);
            visible_keys(a, row, query_rows, group, chunk, low, high);
            job->isa->attention_chunk(queries, query_rows, &view, low, high, d, m, l, partial);
            job->isa->merge_partials(query_rows, low, high, maximum, sum, total, m, l, partial, d);
        }
        for (int32_t i = 0; i < query_rows; i++) {
            float *out = a->out + (size_t)(row + i / group) * a->out_stride;
            out += (size_t)(kv_head * group + i % group) * (size_t)d;
            write_head(out, sum[i], total + (size_t)i * (size_t)d, d);
        }
    }
}

static int32_t rows_per_ticket(const spec_attention *a) {
    const int32_t positions = a->first_position + a->m;
    const int64_t keys = a->window > 0 && a->window < positions ? a->window : positions;
    const int64_t rows = TICKET_PRODUCTS / (2 * keys * a->head_dimension * (a->head_count / a->kv_head_count));
    return rows < 1 ? 1 : rows > ROWS_PER_TICKET ? ROWS_PER_TICKET : (int32_t)rows;
}

// MARK: Few rows: a ticket is some chunks of one kv head, all rows; then one ticket per row merges

// Partials of one (kv head, chunk): maximum [R], sum [R], out [R, D] with R = M · group.
static float *partials_of(const attention_job *job, int32_t kv_head, int32_t chunk) {
    const spec_attention *a = job->a;
    const size_t query_rows = (size_t)(a->m * (a->head_count / a->kv_head_count));
    const size_t index = (size_t)kv_head * (size_t)job->chunk_count + (size_t)(chunk - job->first_chunk);
    return a->partials + index * query_rows * (size_t)(a->head_dimension + 2);
}

int32_t spec_attention_chunk_tickets(int32_t threads, int32_t chunk_count, int32_t kv_heads, int32_t query_rows,
                                     int32_t d, int32_t *chunks_per_ticket) {
    const int64_t affordable = CHUNK_TICKET_PRODUCTS / ((int64_t)2 * SPEC_CHUNK * query_rows * d);
    int64_t chunks = (int64_t)chunk_count * kv_heads / (threads * CHUNK_TICKETS_PER_THREAD);
    if (chunks > CHUNKS_PER_TICKET_MAXIMUM) chunks = CHUNKS_PER_TICKET_MAXIMUM;
    if (chunks > affordable) chunks = affordable;
    if (chunks < CHUNKS_PER_TICKET_MINIMUM) chunks = CHUNKS_PER_TICKET_MINIMUM;
    *chunks_per_ticket = (int32_t)chunks;
    return (chunk_count + (int32_t)chunks - 1) / (int32_t)chunks;
}

static void chunks_ticket(void *context, uint32_t index) {
    const attention_job *job = context;
    const spec_attention *a = job->a;
    const int32_t d = a->head_dimension, group = a->head_count / a->kv_head_count, query_rows = a->m * group;
    const int32_t kv_head = (int32_t)index / job->chunk_tickets;
    const int32_t begin = job->first_chunk + (int32_t)index % job->chunk_tickets * job->chunks_per_ticket;
    const int32_t limit = job->first_chunk + job->chunk_count;
    const int32_t end = begin + job->chunks_per_ticket < limit ? begin + job->chunks_per_ticket : limit;
    uint8_t queries[(size_t)query_rows * spec_head_bytes(d)];
    int32_t low[query_rows], high[query_rows];
    gather_queries(job, kv_head, 0, a->m, queries);
    for (int32_t chunk = begin; chunk < end; chunk++) {
        spec_chunk_view view;
        view_chunk(a, kv_head, chunk, limit - 1, &view);
        visible_keys(a, 0, query_rows, group, chunk, low, high);
        float *partials = partials_of(job, kv_head, chunk);
        job->isa->attention_chunk(queries, query_rows, &view, low, high, d, partials, partials + query_rows,
                                  partials + 2 * query_rows);
    }
}

void spec_attention_merge_group(const spec_isa *isa, const float *partials, int32_t chunk_count, int32_t query_rows,
                                int32_t first, int32_t group, int32_t d, float *out) {
    float total[group * d], maximum[group], sum[group];
    int32_t low[group], high[group];
    for (int32_t i = 0; i < group; i++) {
        maximum[i] = -INFINITY;
        low[i] = 0;
        high[i] = SPEC_CHUNK;
    }
    for (int32_t chunk = 0; chunk < chunk_count; chunk++, partials += (size_t)query_rows * (size_t)(d + 2))
        isa->merge_partials(group, low, high, maximum, sum, total, partials + first, partials + query_rows + first,
                            partials + 2 * query_rows + (size_t)first * (size_t)d, d);
    for (int32_t i = 0; i < group; i++)
        write_head(out + (size_t)i * (size_t)d, sum[i], total + (size_t)i * (size_t)d, d);
}

// A ticket is one row over one kv head.
static void merge_ticket(void *context, uint32_t index) {
    const attention_job *job = context;
    const spec_attention *a = job->a;
    const int32_t d = a->head_dimension, group = a->head_count / a->kv_head_count;
    const int32_t row = (int32_t)index / a->kv_head_count, kv_head = (int32_t)index % a->kv_head_count;
    const int32_t begin = first_key(a, row) / SPEC_CHUNK, last = (a->first_position + row) / SPEC_CHUNK;
    spec_attention_merge_group(job->isa, partials_of(job, kv_head, begin), last + 1 - begin, a->m * group, row * group,
                               group, d, a->out + (size_t)row * a->out_stride + (size_t)(kv_head * group) * (size_t)d);
}

bool spec_attention_run(spec_pool *pool, const spec_attention *a) {
    attention_job job = {.isa = spec_pool_isa(pool), .a = a};
    if (a->m > CHUNK_PARALLEL_ROWS) {
        job.rows_per_ticket = rows_per_ticket(a);
        const int32_t row_tickets = (a->m + job.rows_per_ticket - 1) / job.rows_per_ticket;
        return spec_pool_run(pool, rows_ticket, &job, (uint32_t)(row_tickets * a->kv_head_count));
    }
    job.first_chunk = first_key(a, 0) / SPEC_CHUNK;
    job.chunk_count = (a->first_position + a->m - 1) / SPEC_CHUNK + 1 - job.first_chunk;
    const int32_t query_rows = a->m * (a->head_count / a->kv_head_count);
    job.chunk_tickets = spec_attention_chunk_tickets(spec_pool_thread_count(pool), job.chunk_count, a->kv_head_count,
                                                     query_rows, a->head_dimension, &job.chunks_per_ticket);
    return spec_pool_run(pool, chunks_ticket, &job, (uint32_t)(job.chunk_tickets * a->kv_head_count)) &&
           spec_pool_run(pool, merge_ticket, &job, (uint32_t)(a->m * a->kv_head_count));
}
