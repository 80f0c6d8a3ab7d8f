// The linear tiles for arm64 with the dot product extension (ARMv8.2 and later). Compiled and tested under emulation,
// never timed on hardware. A panel is worked on in quarters of four outputs: one register per group of four inputs.

#include "panels.h"
#include "tables.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define TARGET __attribute__((target("dotprod")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

// MARK: Quantised weights

// A block of 4 outputs: 8 vectors of codes (unsigned ones stay below 64, so they are signed bytes too) and scales.
typedef struct block {
    int8x16_t codes[8];
    float32x4_t scale, high_scale, minimum;
} block;

INLINE float32x4_t load_halves(const uint8_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p)));
}

INLINE float32x4_t load_u8(const uint8_t *p) {
    const float values[4] = {p[0], p[1], p[2], p[3]};
    return vld1q_f32(values);
}

INLINE float32x4_t load_i8(const uint8_t *p) {
    const float values[4] = {(int8_t)p[0], (int8_t)p[1], (int8_t)p[2], (int8_t)p[3]};
    return vld1q_f32(values);
}

INLINE void unpack_codes(const spec_weight_type type, const spec_block_view *view, int quarter, int8x16_t *codes) {
    const uint8x16_t mask = vdupq_n_u8(15), one = vdupq_n_u8(1), three = vdupq_n_u8(3);
    const uint8_t *p = view->codes + quarter * 16, *plane = view->plane ? view->plane + quarter * 16 : p;
    const uint8x16_t bits = vld1q_u8(plane);
    const uint8x16_t high_bits = type == SPEC_Q6_K ? vld1q_u8(plane + 64) : bits;
    UNROLL
    for (int v = 0; v < 4; v++) {
        const uint8x16_t w = vld1q_u8(p + v * 64);
        uint8x16_t low = vandq_u8(w, mask), high = vshrq_n_u8(w, 4);
        if (type == SPEC_Q8_0) {
            low = w;
            high = vld1q_u8(p + 256 + v * 64);
        }
        if (type == SPEC_Q5_K) {
            low = vorrq_u8(low, vshlq_n_u8(vandq_u8(vshlq_u8(bits, vdupq_n_s8((int8_t)-v)), one), 4));
            high = vorrq_u8(high, vshlq_n_u8(vandq_u8(vshlq_u8(bits, vdupq_n_s8((int8_t)(-v - 4))), one), 4));
        }
        if (type == SPEC_Q6_K) {
            const int8x16_t shift = vdupq_n_s8((int8_t)(-2 * v));
            low = vorrq_u8(low, vshlq_n_u8(vandq_u8(vshlq_u8(bits, shift), three), 4));
            high = vorrq_u8(high, vshlq_n_u8(vandq_u8(vshlq_u8(high_bits, shift), three), 4));
        }
        codes[v] = vreinterpretq_s8_u8(low);
        codes[4 + v] = vreinterpretq_s8_u8(high);
    }
}

INLINE void unpack(const spec_weight_type type, const uint8_t *panel, int quarter, int32_t b, block *out) {
    const spec_block_view view = spec_view_block(type, panel, b);
    unpack_codes(type, &view, quarter, out->codes);
    const float32x4_t scale = load_halves(view.scales + quarter * 8);
    out->scale = scale;
    if (type == SPEC_Q4_K || type == SPEC_Q5_K) {
        out->scale = vmulq_f32(scale, load_u8(view.small_scales + quarter * 4));
        const float32x4_t eighth = vmulq_n_f32(load_halves(view.minimum_scales + quarter * 8), 0.125f);
        out->minimum = vmulq_f32(eighth, load_u8(view.small_minima + quarter * 4));
    }
    if (type == SPEC_Q6_K) {
        out->scale = vmulq_f32(scale, load_i8(view.small_scales + quarter * 4));
        out->high_scale = vmulq_f32(scale, load_i8(view.small_scales + 16 + quarter * 4));
    }
}

// Four vectors of codes by sixteen inputs.
INLINE int32x4_t dot16(int32x4_t dot, const int8x16_t *codes, int8x16_t q) {
    dot = vdotq_laneq_s32(dot, codes[0], q, 0);
    dot = vdotq_laneq_s32(dot, codes[1], q, 1);
    dot = vdotq_laneq_s32(dot, codes[2], q, 2);
    return vdotq_laneq_s32(dot, codes[3], q, 3);
}

// One row's block: q its int8 inputs, `sum` and `half_sum` −8 times theirs.
INLINE float32x4_t add_block(const spec_weight_type type, const block *w, const int8_t *q, float x_scale, int32_t sum,
                             int32_t half_sum, float32x4_t accumulator) {
    const int8x16_t low_q = vld1q_s8(q), high_q = vld1q_s8(q + 16);
    const float32x4_t x_scales = vdupq_n_f32(x_scale);
    if (type == SPEC_Q6_K) {  // codes have the offset 32 = 4 · 8
        const int32x4_t low = dot16(vdupq_n_s32(4 * half_sum), w->codes, low_q);
        const int32x4_t high = dot16(vdupq_n_s32(4 * (sum - half_sum)), w->codes + 4, high_q);
        const float32x4_t product = vfmaq_f32(vmulq_f32(w->scale, vcvtq_f32_s32(low)), w->high_scale,
                                              vcvtq_f32_s32(high));
        return vfmaq_f32(accumulator, product, x_scales);
    }
    const int32x4_t start = vdupq_n_s32(type == SPEC_Q4_0 ? sum : 0);
    const float32x4_t dot = vcvtq_f32_s32(dot16(dot16(start, w->codes, low_q), w->codes + 4, high_q));
    if (type == SPEC_Q4_K || type == SPEC_Q5_K) {
        const float32x4_t minimum = vmulq_f32(w->minimum, vdupq_n_f32((float)sum));
        return vfmaq_f32(accumulator, vfmaq_f32(minimum, w->scale, dot), x_scales);
    }
    return vfmaq_f32(accumulator, dot, vmulq_f32(w->scale, x_scales));
}

// Four outputs (those of `quarter`) of `rows` rows. `type` and `rows` are constants in every caller.
INLINE void int8_rows(const spec_weight_type type, const uint8_t *panel, int quarter, const uint8_t *x,
                      size_t x_row_bytes, int32_t k, const int rows, float *y, size_t y_stride) {
    float32x4_t accumulators[SPEC_TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) accumulators[r] = vdupq_n_f32(0);
    for (int32_t b = 0; b < k / SPEC_BLOCK; b++) {
        block w;
        unpack(type, panel, quarter, b, &w);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const uint8_t *row = x + (size_t)r * x_row_bytes;
            accumulators[r] = add_block(type, &w, (const int8_t *)row + b * SPEC_BLOCK, spec_q8_scales(row, k)[b],
                                        spec_q8_sums(row, k)[b], spec_q8_half_sums(row, k)[b], accumulators[r]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) vst1q_f32(y + (size_t)r * y_stride + quarter * 4, accumulators[r]);
}

// MARK: Float weights

// Four outputs' weights for input i.
INLINE float32x4_t load_weights(const spec_weight_type type, const uint8_t *panel, int quarter, int32_t i) {
    const size_t at = (size_t)i * SPEC_PANEL + (size_t)quarter * 4;
    if (type == SPEC_F32) return vld1q_f32((const float *)panel + at);
    if (type == SPEC_F16) return load_halves(panel + at * 2);
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)panel + at), 16));
}

// Even and odd inputs have a sum each, as in avx512_linear.c.
INLINE void float_rows(const spec_weight_type type, const uint8_t *panel, int quarter, const float *x,
                       size_t x_stride, int32_t k, const int rows, float *y, size_t y_stride) {
    float32x4_t sums[2][SPEC_TILE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) sums[0][r] = sums[1][r] = vdupq_n_f32(0);
    int32_t i = 0;
    for (; i + 2 <= k; i += 2) {
        const float32x4_t w0 = load_weights(type, panel, quarter, i), w1 = load_weights(type, panel, quarter, i + 1);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const float *row = x + (size_t)r * x_stride + (size_t)i;
            sums[0][r] = vfmaq_n_f32(sums[0][r], w0, row[0]);
            sums[1][r] = vfmaq_n_f32(sums[1][r], w1, row[1]);
        }
    }
    if (i < k) {
        const float32x4_t w = load_weights(type, panel, quarter, i);
        UNROLL
        for (int r = 0; r < rows; r++)
            sums[0][r] = vfmaq_n_f32(sums[0][r], w, x[(size_t)r * x_stride + (size_t)i]);
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        vst1q_f32(y + (size_t)r * y_stride + quarter * 4, vaddq_f32(sums[0][r], sums[1][r]));
}

// MARK: Tiles

#define CASE(body, type, n)                                                                                     \
    case n: body(type, panel, quarter, x, x_stride, k, n, y, y_stride); break;
#define TILE(name, body, x_type, type)                                                                          \
    static TARGET void name(const uint8_t *panel, const x_type *x, size_t x_stride, int32_t k, int32_t rows,     \
                            float *y, size_t y_stride) {                                                        \
        for (int quarter = 0; quarter < 4; quarter++) switch (rows) {                                           \
                CASE(body, type, 1)                                                                             \
                CASE(body, type, 2)                                                                             \
                CASE(body, type, 3)                                                                             \
                CASE(body, type, 4)                                                                             \
                CASE(body, type, 5)                                                                             \
                CASE(body, type, 6)                                                                             \
                CASE(body, type, 7)                                                                             \
            default: body(type, panel, quarter, x, x_stride, k, 8, y, y_stride); break;                         \
            }                                                                                                   \
    }

TILE(q4_0_tile, int8_rows, uint8_t, SPEC_Q4_0)
TILE(q8_0_tile, int8_rows, uint8_t, SPEC_Q8_0)
TILE(q4_k_tile, int8_rows, uint8_t, SPEC_Q4_K)
TILE(q5_k_tile, int8_rows, uint8_t, SPEC_Q5_K)
TILE(q6_k_tile, int8_rows, uint8_t, SPEC_Q6_K)
TILE(f32_tile, float_rows, float, SPEC_F32)
TILE(f16_tile, float_rows, float, SPEC_F16)
TILE(bf16_tile, float_rows, float, SPEC_BF16)

void spec_use_neon_tiles(spec_isa *isa) {
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
