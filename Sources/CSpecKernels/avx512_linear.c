// The linear tiles for AVX-512, by hand: VNNI dot products for quantised weights, multiply-adds for float ones. A tile
// is one body, inlined for every weight format and row count, so that the accumulators stay in registers.

#include "panels.h"
#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

// MARK: Quantised weights

// A block of 16 outputs: 8 vectors of unsigned codes (their order is that of the inputs' groups of four) and scales.
typedef struct block {
    __m512i codes[8];
    __m512 scale, high_scale, minimum;
} block;

INLINE __m512 load_halves(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)p)); }

INLINE __m512 load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)p)));
}

INLINE __m512 load_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)p)));
}

// nibbles | (bits & mask)
INLINE __m512i insert(__m512i nibbles, __m512i bits, __m512i mask) {
    return _mm512_ternarylogic_epi32(bits, nibbles, mask, 0xec);
}

INLINE void unpack_nibbles(const uint8_t *p, __m512i *codes) {
    const __m512i mask = _mm512_set1_epi8(15);
    UNROLL
    for (int v = 0; v < 4; v++) {
        const __m512i w = _mm512_load_si512(p + v * 64);
        codes[v] = _mm512_and_si512(w, mask);
        codes[4 + v] = _mm512_and_si512(_mm512_srli_epi16(w, 4), mask);
    }
}

// int8 to offset 128, so that they are unsigned.
INLINE void unpack_bytes(const uint8_t *p, __m512i *codes) {
    UNROLL
    for (int v = 0; v < 8; v++) {
        codes[v] = _mm512_xor_si512(_mm512_load_si512(p + v * 64), _mm512_set1_epi8(-128));
    }
}

INLINE void add_fifth_bits(const uint8_t *plane, __m512i *codes) {
    const __m512i mask = _mm512_set1_epi8(16), bits = _mm512_load_si512(plane);
    UNROLL
    for (int v = 0; v < 4; v++) {
        codes[v] = insert(codes[v], _mm512_slli_epi16(bits, (unsigned)(4 - v)), mask);
        codes[4 + v] = insert(codes[4 + v], _mm512_srli_epi16(bits, (unsigned)v), mask);
    }
}

INLINE void add_upper_bits(const uint8_t *plane, __m512i *codes) {
    const __m512i mask = _mm512_set1_epi8(48);
    UNROLL
    for (int half = 0; half < 2; half++) {
        const __m512i bits = _mm512_load_si512(plane + half * 64);
        __m512i *out = codes + 4 * half;
        out[0] = insert(out[0], _mm512_slli_epi16(bits, 4), mask);
        out[1] = insert(out[1], _mm512_slli_epi16(bits, 2), mask);
        out[2] = insert(out[2], bits, mask);
        out[3] = insert(out[3], _mm512_srli_epi16(bits, 2), mask);
    }
}

INLINE void unpack(const spec_weight_type type, const uint8_t *panel, int32_t b, block *out) {
    const spec_block_view view = spec_view_block(type, panel, b);
    if (type == SPEC_Q8_0) unpack_bytes(view.codes, out->codes);
    else unpack_nibbles(view.codes, out->codes);
    if (type == SPEC_Q5_K) add_fifth_bits(view.plane, out->codes);
    if (type == SPEC_Q6_K) add_upper_bits(view.plane, out->codes);
    const __m512 scale = load_halves(view.scales);
    out->scale = scale;
    if (type == SPEC_Q4_K || type == SPEC_Q5_K) {
        out->scale = _mm512_mul_ps(scale, load_u8(view.small_scales));
        const __m512 eighth = _mm512_mul_ps(load_halves(view.minimum_scales), _mm512_set1_ps(0.125f));
        out->minimum = _mm512_mul_ps(eighth, load_u8(view.small_minima));
    }
    if (type == SPEC_Q6_K) {
        out->scale = _mm512_mul_ps(scale, load_i8(view.small_scales));
        out->high_scale = _mm512_mul_ps(scale, load_i8(view.small_scales + 16));
    }
}

// Rows of quantised inputs (spec_quantize_rows) of k values each; a block's sums are −8 times its inputs'.
typedef struct input_rows {
    const uint8_t *first;
    size_t row_bytes, scales, sums, half_sums;  // the last three: offsets into a row
} input_rows;

INLINE input_rows view_rows(const uint8_t *x, size_t row_bytes, int32_t k) {
    const size_t field_bytes = (size_t)(k / SPEC_BLOCK) * 4, scales = (size_t)k;
    return (input_rows){x, row_bytes, scales, scales + field_bytes, scales + 2 * field_bytes};
}

INLINE const int32_t *codes_of(const input_rows *x, int r, int32_t b) {
    return (const int32_t *)(x->first + (size_t)r * x->row_bytes + (size_t)b * SPEC_BLOCK);
}

INLINE const void *field_of(const input_rows *x, size_t offset, int r, int32_t b) {
    return x->first + (size_t)r * x->row_bytes + offset + (size_t)b * 4;
}

// Four vectors of codes by sixteen inputs of every row, from group `first` on. A dot product waits for the one before
// it in its row, so the rows take turns (docs/NUMERICS.md).
INLINE void dot16(const __m512i *codes, const input_rows *x, int32_t b, int first, const int rows, __m512i *dots) {
    UNROLL
    for (int v = 0; v < 4; v++) {
        UNROLL
        for (int r = 0; r < rows; r++)
            dots[r] = _mm512_dpbusd_epi32(dots[r], codes[v], _mm512_set1_epi32(codes_of(x, r, b)[first + v]));
    }
}

// Up to so many rows sum the halves of a block side by side: two chains each, for which there are registers. Four was
// measured against none.
#define FEW_ROWS 4

// Block b of all rows: integer sums, which begin with what takes the codes' offset off (8 with Q4_0, 16 · 8 with Q8_0,
// 4 · 8 with Q6_K), then scales in the order that every tile has.
INLINE void add_block(const spec_weight_type type, const block *w, const input_rows *x, int32_t b, const int rows,
                      __m512 *accumulators) {
    const bool has_minimum = type == SPEC_Q4_K || type == SPEC_Q5_K;
    const bool apart = type == SPEC_Q6_K || rows <= FEW_ROWS;
    __m512i low[SPEC_TILE_ROWS], high[SPEC_TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        const int32_t sum = *(const int32_t *)field_of(x, x->sums, r, b);
        const int32_t half_sum = *(const int32_t *)field_of(x, x->half_sums, r, b);
        const int32_t offset = has_minimum ? 0 : type == SPEC_Q8_0 ? 16 * sum : sum;
        low[r] = _mm512_set1_epi32(type == SPEC_Q6_K ? 4 * half_sum : offset);
        high[r] = _mm512_set1_epi32(type == SPEC_Q6_K ? 4 * (sum - half_sum) : 0);
    }
    dot16(w->codes, x, b, 0, rows, low);
    dot16(w->codes + 4, x, b, 4, rows, apart ? high : low);
    UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512 x_scale = _mm512_set1_ps(*(const float *)field_of(x, x->scales, r, b));
        if (type == SPEC_Q6_K) {
            const __m512 product = _mm512_fmadd_ps(w->high_scale, _mm512_cvtepi32_ps(high[r]),
                                                   _mm512_mul_ps(w->scale, _mm512_cvtepi32_ps(low[r])));
            accumulators[r] = _mm512_fmadd_ps(product, x_scale, accumulators[r]);
            continue;
        }
        const __m512 dot = _mm512_cvtepi32_ps(apart ? _mm512_add_epi32(low[r], high[r]) : low[r]);
        if (has_minimum) {
            const float sum = (float)*(const int32_t *)field_of(x, x->sums, r, b);
            const __m512 minimum = _mm512_mul_ps(w->minimum, _mm512_set1_ps(sum));
            accumulators[r] = _mm512_fmadd_ps(_mm512_fmadd_ps(w->scale, dot, minimum), x_scale, accumulators[r]);
        } else {
            accumulators[r] = _mm512_fmadd_ps(dot, _mm512_mul_ps(w->scale, x_scale), accumulators[r]);
        }
    }
}

// A tile multiplies so long between two lines that the hardware's prefetcher loses its stream, so it fetches ahead
// itself (measurements, all of 4-bit codes: docs/NUMERICS.md).
#define FETCH_AHEAD 4096  // bytes
// Tiles of fewer rows do not: on the AMD processor that was measured they lost by it, on the Intel one they gained. Set
// once, by spec_use_avx512_tiles, before any tile runs.
static int fewest_fetching_rows = 3;

// 256 bytes of a block's codes: all of 4-bit ones, half of Q8_0's, no planes. Behind the last panel it is nobody's
// memory: a prefetch does not fault.
INLINE void fetch_ahead(const uint8_t *codes, const int rows) {
    if (rows < fewest_fetching_rows) return;
    UNROLL
    for (int v = 0; v < 4; v++) _mm_prefetch((const char *)(codes + FETCH_AHEAD + v * 64), _MM_HINT_T0);
}

// `type` and `rows` are constants in every caller.
INLINE void int8_rows(const spec_weight_type type, const uint8_t *panel, const uint8_t *x, size_t x_row_bytes,
                      int32_t k, const int rows, float *y, size_t y_stride) {
    const input_rows inputs = view_rows(x, x_row_bytes, k);
    __m512 accumulators[SPEC_TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) accumulators[r] = _mm512_setzero_ps();
    for (int32_t b = 0; b < k / SPEC_BLOCK; b++) {
        block w;
        unpack(type, panel, b, &w);
        fetch_ahead(spec_view_block(type, panel, b).codes, rows);
        add_block(type, &w, &inputs, b, rows, accumulators);
    }
    UNROLL
    for (int r = 0; r < rows; r++) _mm512_storeu_ps(y + (size_t)r * y_stride, accumulators[r]);
}

// MARK: Float weights

// Sixteen outputs' weights for input i.
INLINE __m512 load_weights(const spec_weight_type type, const uint8_t *panel, int32_t i) {
    if (type == SPEC_F32) return _mm512_load_ps((const float *)panel + (size_t)i * SPEC_PANEL);
    const __m256i w = _mm256_load_si256((const __m256i *)(panel + (size_t)i * SPEC_PANEL * 2));
    if (type == SPEC_F16) return _mm512_cvtph_ps(w);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(w), 16));
}

// Even and odd inputs have a sum each: two chains hide the latency of a multiply-add where there is one row.
INLINE void float_rows(const spec_weight_type type, const uint8_t *panel, const float *x, size_t x_stride, int32_t k,
                       const int rows, float *y, size_t y_stride) {
    __m512 even[SPEC_TILE_ROWS], odd[SPEC_TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) even[r] = odd[r] = _mm512_setzero_ps();
    int32_t i = 0;
    for (; i + 2 <= k; i += 2) {
        const __m512 w0 = load_weights(type, panel, i), w1 = load_weights(type, panel, i + 1);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const float *row = x + (size_t)r * x_stride + (size_t)i;
            even[r] = _mm512_fmadd_ps(w0, _mm512_set1_ps(row[0]), even[r]);
            odd[r] = _mm512_fmadd_ps(w1, _mm512_set1_ps(row[1]), odd[r]);
        }
    }
    if (i < k) {
        const __m512 w = load_weights(type, panel, i);
        UNROLL
        for (int r = 0; r < rows; r++)
            even[r] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[(size_t)r * x_stride + (size_t)i]), even[r]);
    }
    UNROLL
    for (int r = 0; r < rows; r++) _mm512_storeu_ps(y + (size_t)r * y_stride, _mm512_add_ps(even[r], odd[r]));
}

// MARK: Tiles

#define ROW_COUNTS(call)                                                                                        \
    switch (rows) {                                                                                             \
    case 1: call(1); break;                                                                                     \
    case 2: call(2); break;                                                                                     \
    case 3: call(3); break;                                                                                     \
    case 4: call(4); break;                                                                                     \
    case 5: call(5); break;                                                                                     \
    case 6: call(6); break;                                                                                     \
    case 7: call(7); break;                                                                                     \
    default: call(8); break;                                                                                    \
    }
#define INT8_TILE(name, type)                                                                                   \
    static TARGET void name(const uint8_t *panel, const uint8_t *x, size_t x_row_bytes, int32_t k, int32_t rows, \
                            float *y, size_t y_stride) {                                                        \
        ROW_COUNTS(INT8_CALL_##type)                                                                            \
    }
#define FLOAT_TILE(name, type)                                                                                  \
    static TARGET void name(const uint8_t *panel, const float *x, size_t x_stride, int32_t k, int32_t rows,      \
                            float *y, size_t y_stride) {                                                        \
        ROW_COUNTS(FLOAT_CALL_##type)                                                                           \
    }
#define INT8_CALL_SPEC_Q4_0(n) int8_rows(SPEC_Q4_0, panel, x, x_row_bytes, k, n, y, y_stride)
#define INT8_CALL_SPEC_Q8_0(n) int8_rows(SPEC_Q8_0, panel, x, x_row_bytes, k, n, y, y_stride)
#define INT8_CALL_SPEC_Q4_K(n) int8_rows(SPEC_Q4_K, panel, x, x_row_bytes, k, n, y, y_stride)
#define INT8_CALL_SPEC_Q5_K(n) int8_rows(SPEC_Q5_K, panel, x, x_row_bytes, k, n, y, y_stride)
#define INT8_CALL_SPEC_Q6_K(n) int8_rows(SPEC_Q6_K, panel, x, x_row_bytes, k, n, y, y_stride)
#define FLOAT_CALL_SPEC_F32(n) float_rows(SPEC_F32, panel, x, x_stride, k, n, y, y_stride)
#define FLOAT_CALL_SPEC_F16(n) float_rows(SPEC_F16, panel, x, x_stride, k, n, y, y_stride)
#define FLOAT_CALL_SPEC_BF16(n) float_rows(SPEC_BF16, panel, x, x_stride, k, n, y, y_stride)

INT8_TILE(q4_0_tile, SPEC_Q4_0)
INT8_TILE(q8_0_tile, SPEC_Q8_0)
INT8_TILE(q4_k_tile, SPEC_Q4_K)
INT8_TILE(q5_k_tile, SPEC_Q5_K)
INT8_TILE(q6_k_tile, SPEC_Q6_K)
FLOAT_TILE(f32_tile, SPEC_F32)
FLOAT_TILE(f16_tile, SPEC_F16)
FLOAT_TILE(bf16_tile, SPEC_BF16)

void spec_use_avx512_tiles(spec_isa *isa) {
    if (__builtin_cpu_is("intel")) fewest_fetching_rows = 1;
    isa->q4_0_tile = q4_0_tile;
    isa->q8_0_tile = q8_0_tile;
    isa->q4_k_tile = q4_k_tile;
    isa->q5_k_tile = q5_k_tile;
    isa->q6_k_tile = q6_k_tile;
    isa->f32_tile = f32_tile;
    isa->f16_tile = f16_tile;
    isa->bf16_tile = bf16_tile;
}

#endif
