// The inner kernels as a table of function pointers, one table per instruction set. Internal to this target:
// the drivers (linear.c, attention.c, rows.c) cut work into tickets and call through the table.

#pragma once

#include "spec_kernels.h"

#include <string.h>

#pragma clang assume_nonnull begin

/// Rows that one call of a linear tile handles: eight accumulators, eight weight vectors and temporaries fill
/// the 32 registers of AVX-512.
#define SPEC_TILE_ROWS 8
/// Output rows per weight panel: one per 32-bit lane of a 512-bit vector.
#define SPEC_PANEL 16

/// One attention chunk as eight key groups and eight value groups, which need not be adjacent: a tree node's
/// last chunk mixes committed groups with private ones.
typedef struct spec_chunk_view {
    const uint8_t *_Nonnull key_groups[SPEC_CHUNK / SPEC_GROUP];
    const uint8_t *_Nonnull value_groups[SPEC_CHUNK / SPEC_GROUP];
    const uint8_t *_Nullable prefetch;  // the next chunk's keys, then values, in one piece; or NULL
} spec_chunk_view;

/// A chunk of the cache as it lies there. `next`: the chunk that is read after it, or NULL.
static inline void spec_view_chunk(const uint8_t *chunk, const uint8_t *_Nullable next, int32_t d,
                                   spec_chunk_view *view) {
    const size_t groups = SPEC_CHUNK / SPEC_GROUP;
    for (size_t g = 0; g < groups; g++) {
        view->key_groups[g] = chunk + g * spec_kv_group_bytes(d);
        view->value_groups[g] = chunk + (groups + g) * spec_kv_group_bytes(d);
    }
    view->prefetch = next;
}

/// The scales of a group of SPEC_GROUP keys or values.
static inline const float *spec_group_scales(const uint8_t *group, int32_t d) {
    return (const float *)(group + (size_t)SPEC_GROUP * (size_t)d);
}

/// Fields of a quantised head of D values.
static inline float spec_head_scale(const uint8_t *head, int32_t d) {
    float scale;
    memcpy(&scale, head + d, 4);
    return scale;
}

static inline int32_t spec_head_sum(const uint8_t *head, int32_t d) {
    int32_t sum;
    memcpy(&sum, head + d + 4, 4);
    return sum;
}

/// What is added to a softmax weight, scaled to 0…255, before its fraction is cut off: for key j of a chunk the bits of
/// j mirrored, over 128. Many small weights side by side keep their sum, where rounding each would lose all of them.
extern const float spec_weight_offsets[SPEC_CHUNK];

/// Attention of `rows` query rows over one chunk; row r sees keys [low[r], high[r]) of it.
/// queries [rows] quantised heads, 1/sqrt(D) in their scales; out: maximum [rows], sum [rows], out [rows, D], all
/// unnormalised partials. Rows with high ≤ low leave their outputs untouched. Dot products are exact, so every
/// instruction set gives the same bits.
typedef void spec_attention_chunk_fn(const uint8_t *queries, int32_t rows, const spec_chunk_view *chunk,
                                     const int32_t *low, const int32_t *high, int32_t d, float *maximum,
                                     float *sum, float *out);

/// (maximum, sum, out) ← merge with a later chunk's partial (m, l, o), per row: the one place where partial results
/// meet. A row whose maximum is −∞ has none yet and takes the partial as it is; rows that see nothing of the chunk
/// (high ≤ low) stay as they are.
typedef void spec_merge_partials_fn(int32_t rows, const int32_t *low, const int32_t *high, float *maximum, float *sum,
                                    float *out, const float *m, const float *l, const float *o, int32_t d);

/// Rows whose partial results are kept at once, chunk by chunk; more rows go in turns or share no chunks.
#define SPEC_PARTIAL_ROWS 16

/// How many tickets of one kv head share `chunk_count` chunks that all query rows see, and in `chunks_per_ticket` how
/// many chunks each takes, the last one perhaps fewer. Which ticket makes a chunk's partial result does not change it.
int32_t spec_attention_chunk_tickets(int32_t threads, int32_t chunk_count, int32_t kv_heads, int32_t query_rows,
                                     int32_t d, int32_t *chunks_per_ticket);

/// Some rows' queries of one kv head, f32 [rows, group, D] with row stride `stride` (elements), → quantised heads
/// [rows × group], their scales times `scale`.
void spec_quantize_queries(const spec_isa *isa, const float *queries, size_t stride, int32_t rows, int32_t group,
                           float scale, int32_t d, uint8_t *out);

/// Merges the kept partials of one row's group of query heads, chunk by chunk, and writes the heads to out [group, D].
/// `partials` is the first chunk's: maximum [R], sum [R], out [R, D]; the next chunk's follows R · (D + 2) floats on.
/// The group's heads are query rows [first, first + group) of the R.
void spec_attention_merge_group(const spec_isa *isa, const float *partials, int32_t chunk_count, int32_t query_rows,
                                int32_t first, int32_t group, int32_t d, float *out);

/// One panel of 16 outputs for 1…8 rows. x: quantised rows; y: 16 values per row at y_stride.
typedef void spec_int8_tile_fn(const uint8_t *panel, const uint8_t *x, size_t x_row_bytes, int32_t k, int32_t rows,
                               float *y, size_t y_stride);
/// The same with x in f32.
typedef void spec_float_tile_fn(const uint8_t *panel, const float *x, size_t x_stride, int32_t k, int32_t rows,
                                float *y, size_t y_stride);

struct spec_isa {
    const char *name;
    spec_int8_tile_fn *q4_0_tile, *q8_0_tile, *q4_k_tile, *q5_k_tile, *q6_k_tile;
    spec_float_tile_fn *f32_tile, *f16_tile, *bf16_tile;
    void (*quantize_row)(const float *x, uint8_t *out, int32_t k);
    /// One block of silu(gate) ⊙ up into block `block` of the quantised row `out` of K values.
    void (*gated_quantize)(const float *gate, const float *up, uint8_t *out, int32_t block, int32_t k);
    void (*rms_norm)(const float *x, const float *weight, float epsilon, float *out, int32_t k);
    void (*add_norm_quantize)(float *residual, const float *_Nullable addend, const float *weight, float epsilon,
                              uint8_t *out, int32_t k);
    void (*rope)(float *x, const float *cosines, const float *sines, int32_t d);
    void (*swiglu)(const float *gate, const float *up, float *out, int32_t n);
    void (*exp)(const float *x, float *out, int32_t n);
    float (*sum_exp)(const float *x, int32_t n, float maximum);
    void (*scale_add)(float *accumulator, float a, const float *x, float b, int32_t n);  // acc = acc·a + x·b
    /// f32 [D] → a quantised head.
    void (*quantize_head)(const float *x, uint8_t *out, int32_t d);
    float (*dot)(const float *a, const float *b, int32_t n);
    int32_t (*argmax)(const float *x, int32_t n);
    spec_attention_chunk_fn *attention_chunk;
    spec_merge_partials_fn *merge_partials;
};

/// Field offsets of a quantised row of K values.
static inline const float *spec_q8_scales(const uint8_t *row, int32_t k) { return (const float *)(row + k); }
static inline const int32_t *spec_q8_sums(const uint8_t *row, int32_t k) {
    return (const int32_t *)(row + k + (size_t)(k / SPEC_BLOCK) * 4);
}

static inline const int32_t *spec_q8_half_sums(const uint8_t *row, int32_t k) {
    return (const int32_t *)(row + k + (size_t)(k / SPEC_BLOCK) * 8);
}

#pragma clang assume_nonnull end
