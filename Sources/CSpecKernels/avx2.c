// The linear tiles for AVX2, where there is no instruction for byte dot products: products of unsigned codes and int8
// inputs are summed in pairs in 16 bits, as many pairs as stay below 2^15, then widened. Same bits as every other tile.

#include "panels.h"
#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

/// Rows per pass over a half panel (8 outputs): eight weight vectors, four accumulators and temporaries fill the 16
/// registers.
#define ROWS 4

// MARK: Quantised weights

// A block of 8 outputs: 8 vectors of codes (unsigned; Q8_0: signed) and scales.
typedef struct block {
    __m256i codes[8];
    __m256 scale, high_scale, minimum;
} block;

INLINE __m256 load_halves(const uint8_t *p) { return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)p)); }

INLINE __m256 load_u8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

INLINE __m256 load_i8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

INLINE __m256i load_bytes(const uint8_t *p) { return _mm256_load_si256((const __m256i *)p); }

INLINE __m256i insert(__m256i nibbles, __m256i bits, __m256i mask) {
    return _mm256_or_si256(nibbles, _mm256_and_si256(bits, mask));
}

INLINE void unpack_nibbles(const uint8_t *p, __m256i *codes) {
    const __m256i mask = _mm256_set1_epi8(15);
    UNROLL
    for (int v = 0; v < 4; v++) {
        const __m256i w = load_bytes(p + v * 64);
        codes[v] = _mm256_and_si256(w, mask);
        codes[4 + v] = _mm256_and_si256(_mm256_srli_epi16(w, 4), mask);
    }
}

INLINE void add_fifth_bits(const uint8_t *plane, __m256i *codes) {
    const __m256i mask = _mm256_set1_epi8(16), bits = load_bytes(plane);
    UNROLL
    for (int v = 0; v < 4; v++) {
        codes[v] = insert(codes[v], _mm256_slli_epi16(bits, 4 - v), mask);
        codes[4 + v] = insert(codes[4 + v], _mm256_srli_epi16(bits, v), mask);
    }
}

INLINE void add_upper_bits(const uint8_t *plane, __m256i *codes) {
    const __m256i mask = _mm256_set1_epi8(48);
    UNROLL
    for (int half = 0; half < 2; half++) {
        const __m256i bits = load_bytes(plane + half * 64);
        __m256i *out = codes + 4 * half;
        out[0] = insert(out[0], _mm256_slli_epi16(bits, 4), mask);
        out[1] = insert(out[1], _mm256_slli_epi16(bits, 2), mask);
        out[2] = insert(out[2], bits, mask);
        out[3] = insert(out[3], _mm256_srli_epi16(bits, 2), mask);
    }
}

// Outputs [8 · half, 8 · half + 8) of block b.
INLINE void unpack(const spec_weight_type type, const uint8_t *panel, int half, int32_t b, block *out) {
    const spec_block_view view = spec_view_block(type, panel, b);
    const uint8_t *codes = view.codes + half * 32;
    if (type == SPEC_Q8_0) {
        UNROLL
        for (int v = 0; v < 8; v++) out->codes[v] = load_bytes(codes + v * 64);
    } else {
        unpack_nibbles(codes, out->codes);
    }
    if (type == SPEC_Q5_K) add_fifth_bits(view.plane + half * 32, out->codes);
    if (type == SPEC_Q6_K) add_upper_bits(view.plane + half * 32, out->codes);
    const __m256 scale = load_halves(view.scales + half * 16);
    out->scale = scale;
    if (type == SPEC_Q4_K || type == SPEC_Q5_K) {
        out->scale = _mm256_mul_ps(scale, load_u8(view.small_scales + half * 8));
        const __m256 eighth = _mm256_mul_ps(load_halves(view.minimum_scales + half * 16), _mm256_set1_ps(0.125f));
        out->minimum = _mm256_mul_ps(eighth, load_u8(view.small_minima + half * 8));
    }
    if (type == SPEC_Q6_K) {
        out->scale = _mm256_mul_ps(scale, load_i8(view.small_scales + half * 8));
        out->high_scale = _mm256_mul_ps(scale, load_i8(view.small_scales + 16 + half * 8));
    }
}

INLINE __m256i pairs(__m256i codes, int32_t q) { return _mm256_maddubs_epi16(codes, _mm256_set1_epi32(q)); }

// Products of signed codes: |w| · (q with the sign of w). Up to 2 · 128 · 127, so one vector at a time is widened.
INLINE __m256i signed_dot(const __m256i *codes, const int32_t *q) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i dot = _mm256_setzero_si256();
    UNROLL
    for (int v = 0; v < 8; v++) {
        const __m256i products = _mm256_sign_epi8(_mm256_set1_epi32(q[v]), codes[v]);
        const __m256i sums = _mm256_maddubs_epi16(_mm256_abs_epi8(codes[v]), products);
        dot = _mm256_add_epi32(dot, _mm256_madd_epi16(sums, ones));
    }
    return dot;
}

// `count` vectors of codes, `together` of which may be summed in 16 bits.
INLINE __m256i unsigned_dot(const __m256i *codes, const int32_t *q, const int count, const int together) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i dot = _mm256_setzero_si256();
    UNROLL
    for (int v = 0; v < count; v += together) {
        __m256i sums = pairs(codes[v], q[v]);
        UNROLL
        for (int i = 1; i < together; i++) sums = _mm256_add_epi16(sums, pairs(codes[v + i], q[v + i]));
        dot = _mm256_add_epi32(dot, _mm256_madd_epi16(sums, ones));
    }
    return dot;
}

// One row's block: q its int8 inputs, `sum` and `half_sum` −8 times theirs.
INLINE __m256 add_block(const spec_weight_type type, const block *w, const int32_t *q, __m256 x_scale, int32_t sum,
                        int32_t half_sum, __m256 accumulator) {
    if (type == SPEC_Q6_K) {  // codes have the offset 32 = 4 · 8; four products of 63 · 127 stay below 2^15
        __m256i low = unsigned_dot(w->codes, q, 4, 2), high = unsigned_dot(w->codes + 4, q + 4, 4, 2);
        low = _mm256_add_epi32(low, _mm256_set1_epi32(4 * half_sum));
        high = _mm256_add_epi32(high, _mm256_set1_epi32(4 * (sum - half_sum)));
        const __m256 product = _mm256_fmadd_ps(w->high_scale, _mm256_cvtepi32_ps(high),
                                               _mm256_mul_ps(w->scale, _mm256_cvtepi32_ps(low)));
        return _mm256_fmadd_ps(product, x_scale, accumulator);
    }
    if (type == SPEC_Q4_K || type == SPEC_Q5_K) {  // 16 products of 15 · 127, 8 of 31 · 127
        const __m256i dot = unsigned_dot(w->codes, q, 8, type == SPEC_Q4_K ? 8 : 4);
        const __m256 minimum = _mm256_mul_ps(w->minimum, _mm256_set1_ps((float)sum));
        return _mm256_fmadd_ps(_mm256_fmadd_ps(w->scale, _mm256_cvtepi32_ps(dot), minimum), x_scale, accumulator);
    }
    __m256i dot;
    if (type == SPEC_Q8_0) dot = signed_dot(w->codes, q);
    else dot = _mm256_add_epi32(unsigned_dot(w->codes, q, 8, 8), _mm256_set1_epi32(sum));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(w->scale, x_scale), accumulator);
}

// Vectors are half a line, so a tile reads each panel twice, the second time from the first-level cache while memory
// idles. So the first reading fetches ahead (measurements, all of 4-bit codes: docs/NUMERICS.md), 256 bytes of a block
// as avx512_linear.c does. Behind the last panel a prefetch does not fault.
#define FETCH_AHEAD 2048  // bytes; which is best differs between processors

INLINE void fetch_ahead(const uint8_t *codes, int half) {
    if (half != 0) return;
    UNROLL
    for (int v = 0; v < 4; v++) _mm_prefetch((const char *)(codes + FETCH_AHEAD + v * 64), _MM_HINT_T0);
}

// Eight outputs (the lanes at `half`) of `rows` rows. `type` and `rows` are constants in every caller.
INLINE void int8_rows(const spec_weight_type type, const uint8_t *panel, int half, const uint8_t *x,
                      size_t x_row_bytes, int32_t k, const int rows, float *y, size_t y_stride) {
    const size_t scale_offset = (size_t)k, sum_offset = scale_offset + (size_t)(k / SPEC_BLOCK) * 4;
    const size_t half_offset = sum_offset + (size_t)(k / SPEC_BLOCK) * 4;
    __m256 accumulators[ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) accumulators[r] = _mm256_setzero_ps();
    for (int32_t b = 0; b < k / SPEC_BLOCK; b++) {
        block w;
        unpack(type, panel, half, b, &w);
        fetch_ahead(spec_view_block(type, panel, b).codes, half);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const uint8_t *row = x + (size_t)r * x_row_bytes, *fields = row + (size_t)b * 4;
            const __m256 x_scale = _mm256_set1_ps(*(const float *)(fields + scale_offset));
            accumulators[r] = add_block(type, &w, (const int32_t *)(row + (size_t)b * SPEC_BLOCK), x_scale,
                                        *(const int32_t *)(fields + sum_offset),
                                        *(const int32_t *)(fields + half_offset), accumulators[r]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) _mm256_storeu_ps(y + (size_t)r * y_stride + half * 8, accumulators[r]);
}

// MARK: Float weights

// Eight outputs' weights for input i.
INLINE __m256 load_weights(const spec_weight_type type, const uint8_t *panel, int half, int32_t i) {
    if (type == SPEC_F32) return _mm256_load_ps((const float *)panel + (size_t)i * SPEC_PANEL + half * 8);
    const __m128i w = _mm_load_si128((const __m128i *)(panel + (size_t)i * SPEC_PANEL * 2 + half * 16));
    if (type == SPEC_F16) return _mm256_cvtph_ps(w);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(w), 16));
}

// Even and odd inputs have a sum each, as in avx512_linear.c.
INLINE void float_rows(const spec_weight_type type, const uint8_t *panel, int half, const float *x, size_t x_stride,
                       int32_t k, const int rows, float *y, size_t y_stride) {
    __m256 even[ROWS], odd[ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) even[r] = odd[r] = _mm256_setzero_ps();
    int32_t i = 0;
    for (; i + 2 <= k; i += 2) {
        const __m256 w0 = load_weights(type, panel, half, i), w1 = load_weights(type, panel, half, i + 1);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const float *row = x + (size_t)r * x_stride + (size_t)i;
            even[r] = _mm256_fmadd_ps(w0, _mm256_set1_ps(row[0]), even[r]);
            odd[r] = _mm256_fmadd_ps(w1, _mm256_set1_ps(row[1]), odd[r]);
        }
    }
    if (i < k) {
        const __m256 w = load_weights(type, panel, half, i);
        UNROLL
        for (int r = 0; r < rows; r++)
            even[r] = _mm256_fmadd_ps(w, _mm256_set1_ps(x[(size_t)r * x_stride + (size_t)i]), even[r]);
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        _mm256_storeu_ps(y + (size_t)r * y_stride + half * 8, _mm256_add_ps(even[r], odd[r]));
}

// MARK: Tiles

#define ROW_TURNS(body, x_type, type)                                                                           \
    for (int32_t r = 0; r < rows; r += ROWS) {                                                                  \
        const x_type *first = x + (size_t)r * x_stride;                                                         \
        float *out = y + (size_t)r * y_stride;                                                                  \
        for (int half = 0; half < 2; half++) switch (rows - r) {                                                \
            case 1: body(type, panel, half, first, x_stride, k, 1, out, y_stride); break;                       \
            case 2: body(type, panel, half, first, x_stride, k, 2, out, y_stride); break;                       \
            case 3: body(type, panel, half, first, x_stride, k, 3, out, y_stride); break;                       \
            default: body(type, panel, half, first, x_stride, k, 4, out, y_stride); break;                      \
            }                                                                                                   \
    }
#define TILE(name, body, x_type, type)                                                                          \
    static TARGET void name(const uint8_t *panel, const x_type *x, size_t x_stride, int32_t k, int32_t rows,     \
                            float *y, size_t y_stride) {                                                        \
        ROW_TURNS(body, x_type, type)                                                                           \
    }

TILE(q4_0_tile, int8_rows, uint8_t, SPEC_Q4_0)
TILE(q8_0_tile, int8_rows, uint8_t, SPEC_Q8_0)
TILE(q4_k_tile, int8_rows, uint8_t, SPEC_Q4_K)
TILE(q5_k_tile, int8_rows, uint8_t, SPEC_Q5_K)
TILE(q6_k_tile, int8_rows, uint8_t, SPEC_Q6_K)
TILE(f32_tile, float_rows, float, SPEC_F32)
TILE(f16_tile, float_rows, float, SPEC_F16)
TILE(bf16_tile, float_rows, float, SPEC_BF16)

void spec_use_avx2_tiles(spec_isa *isa) {
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
