// The compute kernels of SpecEngine, as plain C: the only header that Swift sees.
//
// Everything here is row-independent: the bits of an output row depend on that row's inputs alone, never on
// how many rows are computed beside it, on the thread count, or on how a prompt was cut into passes. The
// arithmetic is fixed by position (blocks of 32 along K, chunks of 128 keys), so cold, warm and speculative
// passes agree bit for bit within one instruction set. docs/NUMERICS.md states the contract.
//
// Symbols: M rows (tokens), N outputs, K inputs, H query heads, G key/value heads, D head dimension.
// None of these functions allocates, except the *_create functions. Sizes are validated by the caller.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

// MARK: Instruction sets

/// A set of kernels compiled for one instruction set. Immutable; lives as long as the process.
typedef struct spec_isa spec_isa;

/// The best set this CPU and operating system support.
const spec_isa *spec_isa_best(void);

/// The set of that name ("avx512", "avx2", "neon", "portable"), or NULL where unknown or unsupported.
const spec_isa *_Nullable spec_isa_named(const char *name);

const char *spec_isa_name(const spec_isa *isa);

// MARK: Threads

/// A team of threads that executes numbered tickets of a job; the calling thread takes part.
/// One job at a time; only one thread may call spec_pool_run.
typedef struct spec_pool spec_pool;

/// `thread_count` includes the caller and is between 1 and 64. NULL when a thread cannot be started.
spec_pool *_Nullable spec_pool_create(int32_t thread_count, const spec_isa *isa);
void spec_pool_destroy(spec_pool *pool);
int32_t spec_pool_thread_count(const spec_pool *pool);
const spec_isa *spec_pool_isa(const spec_pool *pool);

/// A cancel flag that other threads may raise and that every ticket polls before it starts.
typedef struct spec_cancel spec_cancel;
spec_cancel *_Nullable spec_cancel_create(void);
void spec_cancel_destroy(spec_cancel *cancel);
void spec_cancel_raise(spec_cancel *cancel);
bool spec_cancel_is_raised(const spec_cancel *cancel);

/// Between begin and end the helpers spin for work (microseconds between jobs); outside they sleep in the kernel.
/// Tickets are skipped once `cancel` is raised.
void spec_pool_begin(spec_pool *pool, const spec_cancel *_Nullable cancel);
void spec_pool_end(spec_pool *pool);

/// Runs `ticket` once for every index below `ticket_count` (< 2^20), in any order, on any thread; outside of begin and
/// end the helpers sleep and the caller does all of it.
/// False when the cancel flag was raised, in which case some tickets did not run.
bool spec_pool_run(spec_pool *pool, void (*ticket)(void *context, uint32_t index), void *context,
                   uint32_t ticket_count);

/// Reads `count` bytes (64-byte aligned; a rest below 256 is left out) once with all threads and returns a sum of them:
/// the fastest that memory can be read here, which decoding is compared with.
uint64_t spec_stream_read(spec_pool *pool, const uint8_t *bytes, size_t count);

/// Sets flush-to-zero on the calling thread, as the pool does on its own: denormals cost hundreds of cycles.
void spec_thread_flush_denormals(void);

/// Cores that this process may run on (affinity masks and cpusets respected), at least 1.
int32_t spec_available_cores(void);

/// Names the calling thread in debuggers and top (15 bytes are kept).
void spec_thread_set_name(const char *name);

// MARK: Quantised rows (activations)

/// Values per quantisation block of activations; every weight format is a multiple of it.
#define SPEC_BLOCK 32

/// Bytes of one quantised activation row of K values: K int8, then per block of 32 an f32 scale, then per block an
/// int32 sum, then per block the int32 sum of its first half. Sums are times −8: the offset of unsigned 4-bit weights,
/// from which those of other formats follow by a shift. A multiple of 64.
size_t spec_q8_row_bytes(int32_t k);

/// x [rows, K] f32 with row stride `x_stride` (elements) → out: rows of spec_q8_row_bytes(k). K % 32 == 0.
void spec_quantize_rows(const spec_isa *isa, const float *x, size_t x_stride, uint8_t *out, int32_t rows,
                        int32_t k);

// MARK: Weight matrices

/// How a matrix's elements are stored in a GGUF file. Values are ggml's type numbers.
typedef enum spec_weight_type {
    SPEC_F32 = 0,
    SPEC_F16 = 1,
    SPEC_Q4_0 = 2,  // 32 values: f16 scale, 4-bit codes
    SPEC_Q8_0 = 8,  // 32 values: f16 scale, int8 codes
    SPEC_Q4_K = 12, // 256 values: f16 scales of 6-bit scales and minima per 32, 4-bit codes
    SPEC_Q5_K = 13, // as Q4_K with 5-bit codes
    SPEC_Q6_K = 14, // 256 values: f16 scale of int8 scales per 16, 6-bit codes
    SPEC_BF16 = 30,
} spec_weight_type;

/// Float types multiply f32 activations, all others quantised ones.
bool spec_type_is_float(spec_weight_type type);

/// W [N, K] in panels of 16 output rows (layouts: panels.h). Rows past N are zero. K is a multiple of the type's block.
typedef struct spec_matrix {
    const uint8_t *panels;  // [ceil(N/16), spec_panel_bytes(type, K)], 64-byte aligned
    spec_weight_type type;
    int32_t n;
    int32_t k;
} spec_matrix;

size_t spec_panel_bytes(spec_weight_type type, int32_t k);

/// Repacks rows of a GGUF matrix [N, K] into all of its panels, shared between the threads (NULL: the caller alone).
/// False when cancelled.
bool spec_repack(spec_pool *_Nullable pool, spec_weight_type type, const uint8_t *rows, int32_t n, int32_t k,
                 uint8_t *out);

/// One row of a GGUF matrix to f32, with the bits of ggml's own conversion. `row` points at the row's first byte.
void spec_dequantize_row(spec_weight_type type, const uint8_t *row, float *out, int32_t k);

/// y [M, N] = x [M, K] · Wᵀ with x quantised, where W is `part_count` matrices of quantised types and one K stacked
/// along N, all but the last with N % 16 == 0. K is reduced block by block in ascending order; what happens to the
/// exact integer product of a block is in docs/NUMERICS.md. y_stride in elements, ≥ N. False when cancelled.
bool spec_linear_int8(spec_pool *pool, const spec_matrix *parts, int32_t part_count, const uint8_t *x, int32_t m,
                      float *y, size_t y_stride);

/// The same for parts of float types: one fused multiply-add per input in f32, even and odd inputs in two sums.
bool spec_linear_float(spec_pool *pool, const spec_matrix *parts, int32_t part_count, const float *x,
                       size_t x_stride, int32_t m, float *y, size_t y_stride);

/// The gated unit of SwiGLU in one pass: out = quantise(silu(x·Wgᵀ) ⊙ (x·Wuᵀ)), both matrices [N, K] of quantised
/// types, N % 32 == 0. `out` holds M rows of spec_q8_row_bytes(N).
bool spec_gated_linear(spec_pool *pool, const spec_matrix *gate, const spec_matrix *up, const uint8_t *x, int32_t m,
                       uint8_t *out);

// MARK: Row operations

/// out = x / rms(x) ⊙ weight, per row of `k` values.
void spec_rms_norm(const spec_isa *isa, const float *x, size_t x_stride, const float *weight, float epsilon,
                   float *out, size_t out_stride, int32_t rows, int32_t k);

/// The step between two linear layers: residual += addend (when given), then out = quantise(rms_norm(residual)).
/// residual [M, K] f32 contiguous, addend [M, K] f32 contiguous, out M rows of spec_q8_row_bytes(K).
bool spec_add_norm_quantize(spec_pool *pool, float *residual, const float *_Nullable addend,
                            const float *weight, float epsilon, uint8_t *out, int32_t m, int32_t k);

/// Quantises M rows in parallel.
bool spec_quantize(spec_pool *pool, const float *x, size_t x_stride, uint8_t *out, int32_t m, int32_t k);

/// Half-split (NeoX) rotation of one head in place: x [D], cosines and sines [D/2].
void spec_rope(const spec_isa *isa, float *x, const float *cosines, const float *sines, int32_t d);

/// out = silu(gate) ⊙ up, n values.
void spec_swiglu(const spec_isa *isa, const float *gate, const float *up, float *out, int32_t n);

/// Index of the greatest value, the lowest index on ties; NaN never wins. n ≥ 1.
int32_t spec_argmax(const spec_isa *isa, const float *x, int32_t n);

/// The `count` greatest values in descending order (lowest index first on ties) into `indices`; count ≤ 64.
/// Returns how many were written (fewer where values are NaN).
int32_t spec_top_k(const spec_isa *isa, const float *x, int32_t n, int32_t count, int32_t *indices);

/// ln Σ e^x over the values that are not NaN, given their maximum.
float spec_log_sum_exp(const spec_isa *isa, const float *x, int32_t n, float maximum);

/// The f32 exponential of the kernels, for tests of its error.
void spec_exp(const spec_isa *isa, const float *x, float *out, int32_t n);

// MARK: Key/value cache

/// Positions per cache block, and per attention chunk: chunks are cut at multiples of this logical position.
#define SPEC_CHUNK 128
/// Keys per group, the unit that a chunk is made of.
#define SPEC_GROUP 16

/// A quantised head: D int8 codes, then an f32 scale (the greatest magnitude is 127 · scale), then 128 · Σ codes as
/// int32. D % 16 == 0.
static inline size_t spec_head_bytes(int32_t d) { return (size_t)d + 8; }

/// One cache block holds SPEC_CHUNK positions of every layer: [layer][kv head] chunks of
/// spec_kv_chunk_bytes(D). A chunk is 8 key groups, then 8 value groups, of spec_kv_group_bytes(D) each. A key group is
/// [D/4][16 keys][4] codes + 128 (uint8), a value group [4][D][4 positions] codes (int8); behind them [16] f32 scales.
/// Zero-filled when new: unwritten rows are multiplied by zero and must be finite.
static inline size_t spec_kv_group_bytes(int32_t d) { return SPEC_GROUP * ((size_t)d + 4); }
static inline size_t spec_kv_chunk_bytes(int32_t d) { return 2 * (SPEC_CHUNK / SPEC_GROUP) * spec_kv_group_bytes(d); }

/// Quantises one position's key and value head (f32) into its chunk. `index` < SPEC_CHUNK.
void spec_kv_store(const spec_isa *isa, uint8_t *chunk, int32_t index, const float *key, const float *value, int32_t d);

/// What the attention of one layer needs. Rows are consecutive positions of one sequence.
typedef struct spec_attention {
    const float *queries;     // [M, q_stride]: H heads of D, normalised and rotated
    size_t query_stride;
    float *out;               // [M, out_stride]: H heads of D
    size_t out_stride;
    uint8_t *const _Nonnull *_Nonnull blocks;  // block table: block b holds positions [128 b, 128 b + 128)
    size_t layer_offset;      // bytes from a block's start to this layer's first chunk
    int32_t m;
    int32_t first_position;   // position of row 0; its keys are [window start, first_position]
    int32_t head_count;
    int32_t kv_head_count;
    int32_t head_dimension;   // D % 16 == 0
    int32_t window;           // keys a query sees at most, its own included; 0 for all
    float scale;              // 1/sqrt(D), folded into the queries' scales
    float *partials;          // scratch: spec_attention_scratch_floats
} spec_attention;

/// Scratch for `m` rows ending below `positions` with H heads of D.
size_t spec_attention_scratch_floats(int32_t m, int32_t positions, int32_t head_count, int32_t d);

/// Softmax(q·Kᵀ·scale)·V per row and head: chunk by chunk in ascending order, partial results merged by
/// log-sum-exp in that order. False when cancelled.
bool spec_attention_run(spec_pool *pool, const spec_attention *a);

/// What happens to one layer's projections before attention: bias, per-head RMS norm of queries and keys (each NULL
/// where the model has none), rotation, and the keys' and values' way into the cache.
typedef struct spec_qkv {
    float *qkv;               // [M, stride]: H query heads, G key heads, G value heads of D; changed in place
    size_t stride;
    const float *_Nullable bias;        // [H + 2G, D]
    const float *_Nullable query_norm;  // [D]
    const float *_Nullable key_norm;    // [D]
    float epsilon;
    const float *cosines;     // [M, R/2]
    const float *sines;       // [M, R/2]
    uint8_t *const _Nonnull *_Nonnull blocks;
    size_t layer_offset;
    int32_t m;
    int32_t first_position;
    int32_t head_count;
    int32_t kv_head_count;
    int32_t head_dimension;   // D ≤ 256
    int32_t rotated_dimension;  // R: the leading values of a head that turn, even, ≤ D
    bool pairs_are_neighbours;  // values 2i and 2i + 1 turn together (not i and i + R/2) and come out half-split
    uint8_t *_Nullable staged;  // [M, G, 2] quantised heads: keys and values go here instead of the blocks
} spec_qkv;

bool spec_qkv_finish(spec_pool *pool, const spec_qkv *a);

// MARK: Trees of draft tokens

/// The most staged keys that a row sees: the depth of a tree, its root included.
#define SPEC_TREE_DEPTH 32

/// Attention of rows that see a committed prefix and, behind it, staged keys of their own choice: a tree node sees
/// its ancestors and itself. Row r stands at position committed + lengths[r] - 1 and its result has the bits that
/// spec_attention_run gives once those staged keys are in the cache.
typedef struct spec_tree_attention {
    const float *queries;     // [M, query_stride]: H heads of D, normalised and rotated
    size_t query_stride;
    float *out;               // [M, out_stride]: H heads of D
    size_t out_stride;
    uint8_t *const _Nonnull *_Nonnull blocks;
    size_t layer_offset;
    int32_t committed;        // positions in the blocks, at least 1 unless every row has staged keys
    const uint8_t *_Nullable staged;   // [rows, G, 2] quantised heads
    const uint8_t *_Nullable paths;    // [M, SPEC_TREE_DEPTH]: the staged row at position committed + i
    const int32_t *_Nullable lengths;  // [M] staged keys that a row sees, ≤ SPEC_TREE_DEPTH; NULL: none
    int32_t m;
    int32_t head_count;
    int32_t kv_head_count;
    int32_t head_dimension;   // D % 16 == 0, D ≤ 256
    int32_t window;           // as in spec_attention
    float scale;
    float *partials;          // scratch: spec_attention_scratch_floats
} spec_tree_attention;

/// The prefix's whole chunks run once for all rows, without a mask; each row's last chunks mix committed groups of
/// keys with a private copy of its ancestors'. Merged in ascending order, as always. False when cancelled.
bool spec_tree_attention_run(spec_pool *pool, const spec_tree_attention *a);

/// Copies one staged row of one head (a quantised key, then its value) into its chunk. `index` < SPEC_CHUNK.
void spec_kv_store_staged(uint8_t *chunk, int32_t index, const uint8_t *heads, int32_t d);

// MARK: Float reference (--reference)

/// Causal attention in f32 over contiguous caches, for golden comparisons: queries [M, H·D] at positions
/// first_position…, keys and values [positions, G·D]. Row-independent.
bool spec_reference_attention(spec_pool *pool, const float *queries, size_t query_stride, const float *keys,
                              const float *values, size_t kv_stride, float *out, size_t out_stride, int32_t m,
                              int32_t first_position, int32_t head_count, int32_t kv_head_count, int32_t d,
                              int32_t window, float scale);

// MARK: Naive twins (never vectorised by hand; the tests' oracle)

/// One element of a GGUF row, by the format's definition.
float spec_naive_weight(spec_weight_type type, const uint8_t *row, int32_t index);
void spec_naive_linear_int8(spec_weight_type type, const uint8_t *gguf_rows, int32_t n, int32_t k, const uint8_t *x,
                            int32_t m, float *y, size_t y_stride);
void spec_naive_linear_float(spec_weight_type type, const uint8_t *gguf_rows, int32_t n, int32_t k, const float *x,
                             size_t x_stride, int32_t m, float *y, size_t y_stride);
void spec_naive_quantize_row(const float *x, uint8_t *out, int32_t k);
void spec_naive_rms_norm(const float *x, const float *weight, float epsilon, float *out, int32_t k);
void spec_naive_rope(float *x, const float *cosines, const float *sines, int32_t d);
void spec_naive_swiglu(const float *gate, const float *up, float *out, int32_t n);
int32_t spec_naive_argmax(const float *x, int32_t n);
/// In double precision over the values that the cache's codes and scales stand for; queries are not quantised.
void spec_naive_attention(const spec_attention *a);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
