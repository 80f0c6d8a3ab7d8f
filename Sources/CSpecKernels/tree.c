// Attention of tree nodes. The committed prefix needs no mask: its whole chunks run once for all rows through the
// same kernel as everything else. The last one or two chunks of a row are its own: committed groups where all 16
// keys are committed, else a private group that holds the committed keys and the row's ancestors in position order.
// Chunks are cut and merged as for one plain row, so the bits are the same. LongSpec (arXiv 2502.17421), section 3.3,
// splits prefix and tree in the same way but cuts at the prefix's end, which changes rounding.

#include "isa.h"

#include <math.h>
#include <string.h>

#define GROUPS (SPEC_CHUNK / SPEC_GROUP)
/// Groups that SPEC_TREE_DEPTH positions can touch: 15 before them in the first group, then whole ones.
#define PRIVATE_GROUPS ((SPEC_TREE_DEPTH + SPEC_GROUP - 2) / SPEC_GROUP + 1)
/// D ≤ 256.
#define MAXIMUM_GROUP_BYTES (SPEC_GROUP * 256 + SPEC_GROUP * 4)

// Writes a quantised key and value to lane `lane` of their groups.
static void store_lane(uint8_t *keys, uint8_t *values, int32_t lane, const uint8_t *heads, int32_t d) {
    const uint8_t *key = heads, *value = heads + spec_head_bytes(d);
    for (int32_t i = 0; i < d; i += 4) {
        uint32_t codes;
        memcpy(&codes, key + i, 4);
        codes ^= 0x80808080;  // + 128 in each byte
        memcpy(keys + (size_t)i * SPEC_GROUP + (size_t)lane * 4, &codes, 4);
    }
    uint8_t *quad = values + (size_t)(lane / 4) * (size_t)d * 4 + (size_t)(lane % 4);
    for (int32_t i = 0; i < d; i++) quad[i * 4] = value[i];
    memcpy(keys + (size_t)SPEC_GROUP * (size_t)d + (size_t)lane * 4, key + d, 4);
    memcpy(values + (size_t)SPEC_GROUP * (size_t)d + (size_t)lane * 4, value + d, 4);
}

void spec_kv_store_staged(uint8_t *chunk, int32_t index, const uint8_t *heads, int32_t d) {
    uint8_t *keys = chunk + (size_t)(index / SPEC_GROUP) * spec_kv_group_bytes(d);
    store_lane(keys, keys + GROUPS * spec_kv_group_bytes(d), index % SPEC_GROUP, heads, d);
}

typedef struct tree_job {
    const spec_isa *isa;
    const spec_tree_attention *a;
    int32_t row_begin, rows;           // of this turn
    int32_t group;                     // query heads per kv head
    int32_t first_chunk, chunk_count;  // that any row of the turn sees
    int32_t shared_chunks;             // of these, how many all rows share
    int32_t chunks_per_ticket;         // of the shared ones
    int32_t shared_tickets;            // per kv head
    bool has_tails;
} tree_job;

static int32_t length_of(const spec_tree_attention *a, int32_t row) { return a->lengths ? a->lengths[row] : 0; }

static int32_t end_of(const spec_tree_attention *a, int32_t row) { return a->committed + length_of(a, row); }

static int32_t first_key(const spec_tree_attention *a, int32_t row) {
    const int32_t end = end_of(a, row);
    return a->window > 0 && end > a->window ? end - a->window : 0;
}

static const uint8_t *chunk_base(const spec_tree_attention *a, int32_t kv_head, int32_t chunk) {
    return a->blocks[chunk] + a->layer_offset + (size_t)kv_head * spec_kv_chunk_bytes(a->head_dimension);
}

// The queries of rows [row_begin, row_begin + rows) for one kv head.
static void gather_queries(const tree_job *job, int32_t kv_head, int32_t row_begin, int32_t rows, uint8_t *out) {
    const spec_tree_attention *a = job->a;
    const int32_t d = a->head_dimension, group = job->group;
    spec_quantize_queries(job->isa, a->queries + (size_t)row_begin * a->query_stride + (size_t)(kv_head * group * d),
                          a->query_stride, rows, group, a->scale, d, out);
}

// Partials of one (kv head, chunk): maximum [R], sum [R], out [R, D] with R = rows of the turn × group.
static float *partials_of(const tree_job *job, int32_t kv_head, int32_t chunk) {
    const size_t query_rows = (size_t)(job->rows * job->group);
    const size_t index = (size_t)kv_head * (size_t)job->chunk_count + (size_t)(chunk - job->first_chunk);
    return job->a->partials + index * query_rows * (size_t)(job->a->head_dimension + 2);
}

// MARK: Chunks that all rows share

static void shared_ticket(const tree_job *job, int32_t index) {
    const spec_tree_attention *a = job->a;
    const int32_t d = a->head_dimension, query_rows = job->rows * job->group;
    const int32_t kv_head = index / job->shared_tickets, limit = job->first_chunk + job->shared_chunks;
    const int32_t begin = job->first_chunk + index % job->shared_tickets * job->chunks_per_ticket;
    const int32_t end = begin + job->chunks_per_ticket < limit ? begin + job->chunks_per_ticket : limit;
    uint8_t queries[(size_t)query_rows * spec_head_bytes(d)];
    int32_t low[query_rows], high[query_rows];
    gather_queries(job, kv_head, job->row_begin, job->rows, queries);
    for (int32_t chunk = begin; chunk < end; chunk++) {
        spec_chunk_view view;
        spec_view_chunk(chunk_base(a, kv_head, chunk), chunk + 1 < limit ? chunk_base(a, kv_head, chunk + 1) : NULL, d,
                        &view);
        const int32_t start = chunk * SPEC_CHUNK, to = a->committed - start;
        for (int32_t i = 0; i < query_rows; i++) {
            const int32_t from = first_key(a, job->row_begin + i / job->group) - start;
            low[i] = from < 0 ? 0 : from;
            high[i] = to > SPEC_CHUNK ? SPEC_CHUNK : to;
        }
        float *partials = partials_of(job, kv_head, chunk);
        job->isa->attention_chunk(queries, query_rows, &view, low, high, d, partials, partials + query_rows,
                                  partials + 2 * query_rows);
    }
}

// MARK: A row's own last chunks

// Fills a private group (keys, then values) with the keys of positions [start, start + 16) that `row` sees.
static void fill_private(const spec_tree_attention *a, int32_t row, int32_t kv_head, int32_t start, uint8_t *keys,
                         uint8_t *values) {
    const int32_t d = a->head_dimension, end = end_of(a, row);
    if (start < a->committed) {
        const uint8_t *base = chunk_base(a, kv_head, start / SPEC_CHUNK);
        const size_t g = (size_t)(start % SPEC_CHUNK / SPEC_GROUP);
        memcpy(keys, base + g * spec_kv_group_bytes(d), spec_kv_group_bytes(d));
        memcpy(values, base + (GROUPS + g) * spec_kv_group_bytes(d), spec_kv_group_bytes(d));
    } else {
        memset(keys, 0, spec_kv_group_bytes(d));
        memset(values, 0, spec_kv_group_bytes(d));
    }
    const int32_t from = start < a->committed ? a->committed : start;
    const int32_t to = start + SPEC_GROUP < end ? start + SPEC_GROUP : end;
    for (int32_t position = from; position < to; position++) {
        const uint8_t staged_row = a->paths[(size_t)row * SPEC_TREE_DEPTH + (size_t)(position - a->committed)];
        const size_t head = (size_t)staged_row * (size_t)a->kv_head_count + (size_t)kv_head;
        store_lane(keys, values, position - start, a->staged + head * 2 * spec_head_bytes(d), d);
    }
}

static void tail_ticket(const tree_job *job, int32_t index) {
    const spec_tree_attention *a = job->a;
    const int32_t d = a->head_dimension, group = job->group, query_rows = job->rows * group;
    const int32_t kv_head = index / job->rows, slot = index % job->rows, row = job->row_begin + slot;
    const int32_t end = end_of(a, row);
    _Alignas(64) uint8_t private_groups[PRIVATE_GROUPS * 2 * MAXIMUM_GROUP_BYTES];
    uint8_t *unused = private_groups;
    uint8_t queries[(size_t)group * spec_head_bytes(d)];
    int32_t low[group], high[group];
    gather_queries(job, kv_head, row, 1, queries);
    for (int32_t chunk = job->first_chunk + job->shared_chunks; chunk * SPEC_CHUNK < end; chunk++) {
        spec_chunk_view view = {.prefetch = NULL};
        for (int32_t g = 0; g < GROUPS; g++) {
            const int32_t start = chunk * SPEC_CHUNK + g * SPEC_GROUP;
            if (start + SPEC_GROUP <= a->committed || (start < a->committed && end == a->committed)) {
                const uint8_t *base = chunk_base(a, kv_head, chunk);
                view.key_groups[g] = base + (size_t)g * spec_kv_group_bytes(d);
                view.value_groups[g] = base + (size_t)(GROUPS + g) * spec_kv_group_bytes(d);
            } else if (start < end) {
                fill_private(a, row, kv_head, start, unused, unused + spec_kv_group_bytes(d));
                view.key_groups[g] = unused;
                view.value_groups[g] = unused + spec_kv_group_bytes(d);
                unused += 2 * spec_kv_group_bytes(d);
            } else {  // invisible, but a kernel may multiply it by zero: any finite group will do
                view.key_groups[g] = view.key_groups[g - 1];
                view.value_groups[g] = view.value_groups[g - 1];
            }
        }
        const int32_t origin = chunk * SPEC_CHUNK, from = first_key(a, row) - origin, to = end - origin;
        for (int32_t i = 0; i < group; i++) {
            low[i] = from < 0 ? 0 : from;
            high[i] = to > SPEC_CHUNK ? SPEC_CHUNK : to;
        }
        float *partials = partials_of(job, kv_head, chunk);
        const size_t first = (size_t)(slot * group);
        job->isa->attention_chunk(queries, group, &view, low, high, d, partials + first, partials + query_rows + first,
                                  partials + 2 * query_rows + first * (size_t)d);
    }
}

static void part_ticket(void *context, uint32_t index) {
    const tree_job *job = context;
    const int32_t shared = job->shared_tickets * job->a->kv_head_count;
    if ((int32_t)index < shared)
        shared_ticket(job, (int32_t)index);
    else
        tail_ticket(job, (int32_t)index - shared);
}

// MARK: Merging

// A ticket is one row over one kv head.
static void merge_ticket(void *context, uint32_t index) {
    const tree_job *job = context;
    const spec_tree_attention *a = job->a;
    const int32_t d = a->head_dimension, slot = (int32_t)index / a->kv_head_count;
    const int32_t kv_head = (int32_t)index % a->kv_head_count, row = job->row_begin + slot;
    const int32_t begin = first_key(a, row) / SPEC_CHUNK, last = (end_of(a, row) - 1) / SPEC_CHUNK;
    float *out = a->out + (size_t)row * a->out_stride + (size_t)(kv_head * job->group) * (size_t)d;
    spec_attention_merge_group(job->isa, partials_of(job, kv_head, begin), last + 1 - begin, job->rows * job->group,
                               slot * job->group, job->group, d, out);
}

bool spec_tree_attention_run(spec_pool *pool, const spec_tree_attention *a) {
    for (int32_t begin = 0; begin < a->m; begin += SPEC_PARTIAL_ROWS) {
        tree_job job = {.isa = spec_pool_isa(pool), .a = a, .row_begin = begin,
                        .group = a->head_count / a->kv_head_count};
        job.rows = a->m - begin < SPEC_PARTIAL_ROWS ? a->m - begin : SPEC_PARTIAL_ROWS;
        int32_t end = a->committed, first = first_key(a, begin);
        for (int32_t row = begin; row < begin + job.rows; row++) {
            end = end_of(a, row) > end ? end_of(a, row) : end;
            first = first_key(a, row) < first ? first_key(a, row) : first;
            job.has_tails |= length_of(a, row) > 0;
        }
        job.first_chunk = first / SPEC_CHUNK;
        job.chunk_count = (end - 1) / SPEC_CHUNK + 1 - job.first_chunk;
        const int32_t whole = job.has_tails ? a->committed / SPEC_CHUNK : (a->committed - 1) / SPEC_CHUNK + 1;
        job.shared_chunks = whole - job.first_chunk;
        if (job.shared_chunks < 0) job.shared_chunks = 0;
        job.shared_tickets =
            spec_attention_chunk_tickets(spec_pool_thread_count(pool), job.shared_chunks, a->kv_head_count,
                                         job.rows * job.group, a->head_dimension, &job.chunks_per_ticket);
        const int32_t tails = job.has_tails ? job.rows : 0;
        if (!spec_pool_run(pool, part_ticket, &job, (uint32_t)((job.shared_tickets + tails) * a->kv_head_count)) ||
            !spec_pool_run(pool, merge_ticket, &job, (uint32_t)(job.rows * a->kv_head_count)))
            return false;
    }
    return true;
}
