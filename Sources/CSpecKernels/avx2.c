// The 4-bit linear tile for AVX2, where there is no instruction for byte dot products: pairs of products are summed in
// 16 bits (eight pairs of 15 · 127 · 2 stay below 2^15), then widened once per block. Same bits as every other tile.

#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

/// Rows per pass over a half panel: eight weight vectors, four accumulators and temporaries fill 16 registers.
#define ROWS 4

// Eight outputs (the lanes at `half`) of `rows` rows.
INLINE TARGET void half_panel(const uint8_t *panel, int half, const uint8_t *x, size_t x_row_bytes, int32_t k,
                              const int rows, float *y, size_t y_stride) {
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    const uint8_t *weights = panel + half * 32, *scales = panel + spec_q4_scale_offset(k) + half * 16;
    const size_t scale_offset = (size_t)k, sum_offset = (size_t)k + (size_t)(k / SPEC_BLOCK) * 4;
    __m256 accumulators[ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) accumulators[r] = _mm256_setzero_ps();
    for (int32_t b = 0; b < k / SPEC_BLOCK; b++, weights += 256) {
        __m256i low[4], high[4];
        UNROLL
        for (int v = 0; v < 4; v++) {
            const __m256i w = _mm256_load_si256((const __m256i *)(weights + v * 64));
            low[v] = _mm256_and_si256(w, nibble);
            high[v] = _mm256_and_si256(_mm256_srli_epi16(w, 4), nibble);
        }
        const __m256 scale = _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(scales + (size_t)b * 32)));
        UNROLL
        for (int r = 0; r < rows; r++) {
            const uint8_t *row = x + (size_t)r * x_row_bytes;
            const int32_t *q = (const int32_t *)(row + (size_t)b * SPEC_BLOCK);
            __m256i pairs = _mm256_maddubs_epi16(low[0], _mm256_set1_epi32(q[0]));
            pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(high[0], _mm256_set1_epi32(q[4])));
            UNROLL
            for (int v = 1; v < 4; v++) {
                pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(low[v], _mm256_set1_epi32(q[v])));
                pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(high[v], _mm256_set1_epi32(q[v + 4])));
            }
            const __m256i sum = _mm256_set1_epi32(*(const int32_t *)(row + sum_offset + (size_t)b * 4));
            const __m256i dot = _mm256_add_epi32(_mm256_madd_epi16(pairs, ones), sum);
            const __m256 x_scale = _mm256_set1_ps(*(const float *)(row + scale_offset + (size_t)b * 4));
            accumulators[r] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(scale, x_scale), accumulators[r]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) _mm256_storeu_ps(y + (size_t)r * y_stride + half * 8, accumulators[r]);
}

TARGET void spec_q4_tile_avx2(const uint8_t *panel, const uint8_t *x, size_t x_row_bytes, int32_t k, int32_t rows,
                              float *y, size_t y_stride) {
    for (int32_t r = 0; r < rows; r += ROWS) {
        const uint8_t *first = x + (size_t)r * x_row_bytes;
        float *out = y + (size_t)r * y_stride;
        for (int half = 0; half < 2; half++) {
            switch (rows - r) {
            case 1: half_panel(panel, half, first, x_row_bytes, k, 1, out, y_stride); break;
            case 2: half_panel(panel, half, first, x_row_bytes, k, 2, out, y_stride); break;
            case 3: half_panel(panel, half, first, x_row_bytes, k, 3, out, y_stride); break;
            default: half_panel(panel, half, first, x_row_bytes, k, 4, out, y_stride); break;
            }
        }
    }
}

#endif
