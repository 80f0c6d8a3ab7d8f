// The attention chunk with AVX-512 BF16 dot products, by hand.

#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")))
#define INLINE static inline __attribute__((always_inline))
// Row counts are constants where this is used: unrolled, the accumulators stay in registers.
#define UNROLL _Pragma("clang loop unroll(full)")

// MARK: Attention chunk

#define GROUPS (SPEC_CHUNK / SPEC_GROUP)
#define SCORE_ROWS 8   // query rows per pass over a pair of key groups: 16 accumulators
#define VALUE_ROWS 6   // query rows per pass over the values: 24 accumulators for 64 dimensions
#define MAXIMUM_PAIRS 128  // D ≤ 256

INLINE TARGET_BF16 __m512bh as_bf16(__m512i v) { return (__m512bh)v; }

// The next chunk lies in another block, where the hardware's prefetcher would have to find its stream anew. So while a
// group of this chunk is multiplied the same group of the next one is fetched, a line per step: 32 KiB ahead at D = 64,
// into the second level, since the first has no room for two chunks. index: key groups, then value groups.
INLINE const uint8_t *ahead_of(const spec_chunk_view *chunk, int32_t index, size_t group_bytes) {
    return chunk->prefetch ? chunk->prefetch + (size_t)index * group_bytes : chunk->key_groups[0];
}

// Scores of `rows` rows against two key groups, fetching two others. q: bf16 pairs [rows, pairs].
INLINE TARGET_BF16 void score_rows(const uint32_t *q, const int rows, int32_t pairs, const uint8_t *keys0,
                                   const uint8_t *keys1, const uint8_t *ahead0, const uint8_t *ahead1,
                                   float *scores) {
    __m512 a0[SCORE_ROWS], a1[SCORE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) a0[r] = a1[r] = _mm512_setzero_ps();
    for (int32_t i = 0; i < pairs; i++) {
        _mm_prefetch((const char *)(ahead0 + (size_t)i * 64), _MM_HINT_T1);
        _mm_prefetch((const char *)(ahead1 + (size_t)i * 64), _MM_HINT_T1);
        const __m512bh k0 = as_bf16(_mm512_load_si512(keys0 + (size_t)i * 64));
        const __m512bh k1 = as_bf16(_mm512_load_si512(keys1 + (size_t)i * 64));
        UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512bh b = as_bf16(_mm512_set1_epi32((int32_t)q[(size_t)r * (size_t)pairs + (size_t)i]));
            a0[r] = _mm512_dpbf16_ps(a0[r], k0, b);
            a1[r] = _mm512_dpbf16_ps(a1[r], k1, b);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        _mm512_store_ps(scores + (size_t)r * SPEC_CHUNK, a0[r]);
        _mm512_store_ps(scores + (size_t)r * SPEC_CHUNK + 16, a1[r]);
    }
}

INLINE TARGET_BF16 void score_tile(const uint32_t *q, int32_t rows, int32_t pairs, const spec_chunk_view *chunk,
                                   int32_t g, size_t group_bytes, float *scores) {
    const uint8_t *keys0 = chunk->key_groups[g], *keys1 = chunk->key_groups[g + 1];
    const uint8_t *ahead0 = ahead_of(chunk, g, group_bytes), *ahead1 = ahead_of(chunk, g + 1, group_bytes);
    switch (rows) {
    case 1: score_rows(q, 1, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 2: score_rows(q, 2, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 3: score_rows(q, 3, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 4: score_rows(q, 4, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 5: score_rows(q, 5, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 6: score_rows(q, 6, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    case 7: score_rows(q, 7, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    default: score_rows(q, 8, pairs, keys0, keys1, ahead0, ahead1, scores); break;
    }
}

// out[r, 64 dims at c] = Σ over key pairs [first, last) of p · v. p: bf16 pairs [rows, 64].
INLINE TARGET_BF16 void value_rows(const uint32_t *p, const int rows, const spec_chunk_view *chunk, int32_t first,
                                   int32_t last, int32_t d, int32_t c, float *out) {
    __m512 a[VALUE_ROWS][4];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int j = 0; j < 4; j++) a[r][j] = _mm512_setzero_ps();
    for (int32_t i = first; i < last; i++) {
        const size_t offset = ((size_t)(i % 8) * (size_t)d + (size_t)c) * 4;
        const uint8_t *v = chunk->value_groups[i / 8] + offset;
        const uint8_t *ahead = ahead_of(chunk, GROUPS + i / 8, (size_t)d * SPEC_GROUP * 2) + offset;
        __m512bh values[4];
        UNROLL
        for (int j = 0; j < 4; j++) _mm_prefetch((const char *)(ahead + j * 64), _MM_HINT_T1);
        UNROLL
        for (int j = 0; j < 4; j++) values[j] = as_bf16(_mm512_load_si512(v + j * 64));
        UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512bh b = as_bf16(_mm512_set1_epi32((int32_t)p[(size_t)r * (SPEC_CHUNK / 2) + (size_t)i]));
            UNROLL
            for (int j = 0; j < 4; j++) a[r][j] = _mm512_dpbf16_ps(a[r][j], values[j], b);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int j = 0; j < 4; j++) _mm512_storeu_ps(out + (size_t)r * (size_t)d + (size_t)(c + j * 16), a[r][j]);
}

INLINE TARGET_BF16 void value_tile(const uint32_t *p, int32_t rows, const spec_chunk_view *chunk, int32_t first,
                                   int32_t last, int32_t d, int32_t c, float *out) {
    switch (rows) {
    case 1: value_rows(p, 1, chunk, first, last, d, c, out); break;
    case 2: value_rows(p, 2, chunk, first, last, d, c, out); break;
    case 3: value_rows(p, 3, chunk, first, last, d, c, out); break;
    case 4: value_rows(p, 4, chunk, first, last, d, c, out); break;
    case 5: value_rows(p, 5, chunk, first, last, d, c, out); break;
    default: value_rows(p, 6, chunk, first, last, d, c, out); break;
    }
}

// 2^x: the whole part of x goes into the exponent, a polynomial of degree 4 does the rest (relative error 2.6e-6, where
// rounding the weights to bf16 costs 2e-3). Half the instructions of generic.inc's exp16; −∞ gives zero.
INLINE TARGET_BF16 __m512 power_of_two(__m512 x) {
    const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(1.3534137141e-2f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.2011489905e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4144276249e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9300382636e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0000025943f));
    return _mm512_scalef_ps(p, x);  // scales by 2^⌊x⌋
}

INLINE TARGET_BF16 __mmask16 visible(int32_t group, int32_t low, int32_t high) {
    const int32_t from = low - group * SPEC_GROUP, to = high - group * SPEC_GROUP;
    const uint32_t below_to = to >= 16 ? 0xffffu : to <= 0 ? 0 : (1u << to) - 1;
    const uint32_t below_from = from >= 16 ? 0xffffu : from <= 0 ? 0 : (1u << from) - 1;
    return (__mmask16)(below_to & ~below_from);
}

// Keys outside [low, high) get a score of −∞.
INLINE TARGET_BF16 void hide(float *scores, int32_t first, int32_t last, int32_t low, int32_t high) {
    for (int32_t g = first; g < last; g++) {
        const __m512 s = _mm512_load_ps(scores + g * 16);
        _mm512_store_ps(scores + g * 16,
                        _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), visible(g, low, high), s));
    }
}

// One row's scores → exponentials as bf16 pairs; keys outside [low, high) become exact zeros.
INLINE TARGET_BF16 void soften(float *scores, int32_t first, int32_t last, int32_t low, int32_t high, uint32_t *p,
                               float *maximum, float *sum) {
    if (low > first * SPEC_GROUP || high < last * SPEC_GROUP) hide(scores, first, last, low, high);
    __m512 greatest = _mm512_load_ps(scores + first * 16);
    for (int32_t g = first + 1; g < last; g++) greatest = _mm512_max_ps(greatest, _mm512_load_ps(scores + g * 16));
    *maximum = _mm512_reduce_max_ps(greatest);
    const __m512 base = _mm512_set1_ps(1.44269504f), m = _mm512_mul_ps(_mm512_set1_ps(*maximum), base);
    __m512 total = _mm512_setzero_ps();
    for (int32_t g = first; g < last; g++) {
        const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(scores + g * 16), base, m));
        total = _mm512_add_ps(total, e);
        _mm256_store_si256((__m256i *)(p + g * 8), (__m256i)_mm512_cvtneps_pbh(e));
    }
    *sum = _mm512_reduce_add_ps(total);
}

// At most SCORE_ROWS rows, none of them blind (high > low).
INLINE TARGET_BF16 void attend_tile(const uint32_t *q, int32_t rows, const spec_chunk_view *chunk,
                                    const int32_t *low, const int32_t *high, int32_t d, float *maximum, float *sum,
                                    float *out) {
    _Alignas(64) float scores[SCORE_ROWS * SPEC_CHUNK];
    _Alignas(64) uint32_t p[SCORE_ROWS * SPEC_CHUNK / 2];
    int32_t first = GROUPS, last = 0;
    for (int32_t r = 0; r < rows; r++) {
        if (low[r] / SPEC_GROUP < first) first = low[r] / SPEC_GROUP;
        if ((high[r] + SPEC_GROUP - 1) / SPEC_GROUP > last) last = (high[r] + SPEC_GROUP - 1) / SPEC_GROUP;
    }
    first &= ~1;  // key groups go by twos, four keys pairs of values by eights
    last = (last + 1) & ~1;
    const size_t group_bytes = (size_t)d * SPEC_GROUP * 2;
    for (int32_t g = first; g < last; g += 2) score_tile(q, rows, d / 2, chunk, g, group_bytes, scores + g * 16);
    for (int32_t r = 0; r < rows; r++)
        soften(scores + r * SPEC_CHUNK, first, last, low[r], high[r], p + r * (SPEC_CHUNK / 2), maximum + r, sum + r);
    for (int32_t c = 0; c < d; c += 64)
        for (int32_t r = 0; r < rows; r += VALUE_ROWS)
            value_tile(p + (size_t)r * (SPEC_CHUNK / 2), rows - r < VALUE_ROWS ? rows - r : VALUE_ROWS, chunk,
                       first * 8, last * 8, d, c, out + (size_t)r * (size_t)d);
}

TARGET_BF16 void spec_attention_chunk_avx512_bf16(const float *queries, int32_t rows, const spec_chunk_view *chunk,
                                                  const int32_t *low, const int32_t *high, int32_t d,
                                                  float *maximum, float *sum, float *out) {
    if (d % 64 != 0 || d > 2 * MAXIMUM_PAIRS) {
        spec_isa_generic_avx512.attention_chunk(queries, rows, chunk, low, high, d, maximum, sum, out);
        return;
    }
    uint32_t q[SCORE_ROWS * MAXIMUM_PAIRS];
    for (int32_t r = 0; r < rows;) {
        if (high[r] <= low[r]) {
            r++;
            continue;
        }
        int32_t count = 1;
        while (count < SCORE_ROWS && r + count < rows && high[r + count] > low[r + count]) count++;
        for (int32_t i = 0; i < count * d; i += 32) {
            const float *x = queries + (size_t)r * (size_t)d + (size_t)i;
            const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
            _mm512_storeu_si512(q + i / 2, (__m512i)pair);
        }
        attend_tile(q, count, chunk, low + r, high + r, d, maximum + r, sum + r, out + (size_t)r * (size_t)d);
        r += count;
    }
}

#endif
