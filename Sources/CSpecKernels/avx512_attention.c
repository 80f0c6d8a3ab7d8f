// The attention chunk with AVX-512 byte dot products, by hand. The bits of generic_attention.inc's.

#include "tables.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET
// Row counts are constants where this is used: unrolled, the accumulators stay in registers.
#define UNROLL _Pragma("clang loop unroll(full)")

#define GROUPS (SPEC_CHUNK / SPEC_GROUP)
#define SCORE_ROWS 8  // query rows per pass over a pair of key groups: 16 accumulators
#define VALUE_ROWS 6  // query rows per pass over the values: 24 accumulators for 64 dimensions

INLINE __m512i broadcast(const uint8_t *four_bytes) {
    int32_t quad;
    memcpy(&quad, four_bytes, 4);
    return _mm512_set1_epi32(quad);
}

// The next chunk lies in another block, where the hardware's prefetcher would have to find its stream anew. So while a
// group of this chunk is multiplied the same group of the next one is fetched, a line per step: 17 KB ahead at D = 64,
// into the second level, since the first has no room for two chunks. index: key groups, then value groups.
INLINE const uint8_t *ahead_of(const spec_chunk_view *chunk, int32_t index, int32_t d) {
    return chunk->prefetch ? chunk->prefetch + (size_t)index * spec_kv_group_bytes(d) : chunk->key_groups[0];
}

// Scores of `rows` rows against two key groups, fetching two others. Keys are stored + 128: a row's sum takes that off.
INLINE void score_rows(const uint8_t *q, const int rows, int32_t d, const uint8_t *keys0, const uint8_t *keys1,
                       const uint8_t *ahead0, const uint8_t *ahead1, float *scores) {
    const size_t stride = (size_t)d + 8;
    __m512i a0[SCORE_ROWS], a1[SCORE_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++)
        a0[r] = a1[r] = _mm512_set1_epi32(-spec_head_sum(q + (size_t)r * stride, d));
    for (int32_t i = 0; i < d; i += 4) {
        _mm_prefetch((const char *)(ahead0 + (size_t)i * 16), _MM_HINT_T1);
        _mm_prefetch((const char *)(ahead1 + (size_t)i * 16), _MM_HINT_T1);
        const __m512i k0 = _mm512_load_si512(keys0 + (size_t)i * 16), k1 = _mm512_load_si512(keys1 + (size_t)i * 16);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512i b = broadcast(q + (size_t)r * stride + (size_t)i);
            a0[r] = _mm512_dpbusd_epi32(a0[r], k0, b);
            a1[r] = _mm512_dpbusd_epi32(a1[r], k1, b);
        }
    }
    _mm_prefetch((const char *)spec_group_scales(ahead0, d), _MM_HINT_T1);
    _mm_prefetch((const char *)spec_group_scales(ahead1, d), _MM_HINT_T1);
    const __m512 scales0 = _mm512_load_ps(spec_group_scales(keys0, d));
    const __m512 scales1 = _mm512_load_ps(spec_group_scales(keys1, d));
    UNROLL
    for (int r = 0; r < rows; r++) {
        const __m512 scale = _mm512_set1_ps(spec_head_scale(q + (size_t)r * stride, d));
        float *out = scores + (size_t)r * SPEC_CHUNK;
        _mm512_store_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(a0[r]), _mm512_mul_ps(scales0, scale)));
        _mm512_store_ps(out + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(a1[r]), _mm512_mul_ps(scales1, scale)));
    }
}

INLINE void score_tile(const uint8_t *q, int32_t rows, int32_t d, const spec_chunk_view *chunk, int32_t g,
                       float *scores) {
    const uint8_t *keys0 = chunk->key_groups[g], *keys1 = chunk->key_groups[g + 1];
    const uint8_t *ahead0 = ahead_of(chunk, g, d), *ahead1 = ahead_of(chunk, g + 1, d);
    switch (rows) {
    case 1: score_rows(q, 1, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 2: score_rows(q, 2, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 3: score_rows(q, 3, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 4: score_rows(q, 4, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 5: score_rows(q, 5, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 6: score_rows(q, 6, d, keys0, keys1, ahead0, ahead1, scores); break;
    case 7: score_rows(q, 7, d, keys0, keys1, ahead0, ahead1, scores); break;
    default: score_rows(q, 8, d, keys0, keys1, ahead0, ahead1, scores); break;
    }
}

// out[r, 64 dims at c] = Σ over quads of keys [first, last) of p · v, in units of the row. p: bytes [rows, SPEC_CHUNK].
INLINE void value_rows(const uint8_t *p, const float *unit, const int rows, const spec_chunk_view *chunk,
                       int32_t first, int32_t last, int32_t d, int32_t c, float *out) {
    __m512i a[VALUE_ROWS][4];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int j = 0; j < 4; j++) a[r][j] = _mm512_setzero_si512();
    for (int32_t i = first; i < last; i++) {
        const size_t offset = ((size_t)(i % 4) * (size_t)d + (size_t)c) * 4;
        const uint8_t *v = chunk->value_groups[i / 4] + offset;
        const uint8_t *ahead = ahead_of(chunk, GROUPS + i / 4, d) + offset;
        __m512i values[4];
        UNROLL
        for (int j = 0; j < 4; j++) _mm_prefetch((const char *)(ahead + j * 64), _MM_HINT_T1);
        UNROLL
        for (int j = 0; j < 4; j++) values[j] = _mm512_load_si512(v + j * 64);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const __m512i b = broadcast(p + (size_t)r * SPEC_CHUNK + (size_t)i * 4);
            UNROLL
            for (int j = 0; j < 4; j++) a[r][j] = _mm512_dpbusd_epi32(a[r][j], b, values[j]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int j = 0; j < 4; j++)
            _mm512_storeu_ps(out + (size_t)r * (size_t)d + (size_t)(c + j * 16),
                             _mm512_mul_ps(_mm512_cvtepi32_ps(a[r][j]), _mm512_set1_ps(unit[r])));
}

INLINE void value_tile(const uint8_t *p, const float *unit, int32_t rows, const spec_chunk_view *chunk, int32_t first,
                       int32_t last, int32_t d, int32_t c, float *out) {
    switch (rows) {
    case 1: value_rows(p, unit, 1, chunk, first, last, d, c, out); break;
    case 2: value_rows(p, unit, 2, chunk, first, last, d, c, out); break;
    case 3: value_rows(p, unit, 3, chunk, first, last, d, c, out); break;
    case 4: value_rows(p, unit, 4, chunk, first, last, d, c, out); break;
    case 5: value_rows(p, unit, 5, chunk, first, last, d, c, out); break;
    default: value_rows(p, unit, 6, chunk, first, last, d, c, out); break;
    }
}

// As in generic_attention.inc; −∞ gives zero.
INLINE __m512 power_of_two(__m512 x) {
    const __m512 r = _mm512_sub_ps(x, _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC));
    __m512 p = _mm512_set1_ps(1.3534137141e-2f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.2011489905e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4144276249e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9300382636e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0000025943f));
    return _mm512_scalef_ps(p, x);  // scales by 2^⌊x⌋
}

INLINE __mmask16 visible(int32_t group, int32_t low, int32_t high) {
    const int32_t from = low - group * SPEC_GROUP, to = high - group * SPEC_GROUP;
    const uint32_t below_to = to >= 16 ? 0xffffu : to <= 0 ? 0 : (1u << to) - 1;
    const uint32_t below_from = from >= 16 ? 0xffffu : from <= 0 ? 0 : (1u << from) - 1;
    return (__mmask16)(below_to & ~below_from);
}

// Keys outside [low, high) get a score of −∞.
INLINE void hide(float *scores, int32_t first, int32_t last, int32_t low, int32_t high) {
    for (int32_t g = first; g < last; g++) {
        const __m512 s = _mm512_load_ps(scores + g * 16);
        _mm512_store_ps(scores + g * 16,
                        _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), visible(g, low, high), s));
    }
}

// One row's scores → weights times their values' scales in 0…255, in units of `unit`; keys outside [low, high) become
// exact zeros.
INLINE void soften(float *scores, const spec_chunk_view *chunk, int32_t first, int32_t last, int32_t low, int32_t high,
                   int32_t d, uint8_t *p, float *maximum, float *sum, float *unit) {
    if (low > first * SPEC_GROUP || high < last * SPEC_GROUP) hide(scores, first, last, low, high);
    __m512 greatest = _mm512_load_ps(scores + first * 16);
    for (int32_t g = first + 1; g < last; g++) greatest = _mm512_max_ps(greatest, _mm512_load_ps(scores + g * 16));
    *maximum = _mm512_reduce_max_ps(greatest);
    const __m512 base = _mm512_set1_ps(1.44269504f), m = _mm512_mul_ps(_mm512_set1_ps(*maximum), base);
    __m512 total = _mm512_setzero_ps(), heaviest = _mm512_setzero_ps();
    for (int32_t g = first; g < last; g++) {
        const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(scores + g * 16), base, m));
        total = _mm512_add_ps(total, e);
        const __m512 weight = _mm512_mul_ps(e, _mm512_load_ps(spec_group_scales(chunk->value_groups[g], d)));
        heaviest = _mm512_max_ps(heaviest, weight);
        _mm512_store_ps(scores + g * 16, weight);
    }
    *sum = _mm512_reduce_add_ps(total);
    const float most = _mm512_reduce_max_ps(heaviest);
    const __m512 steps = _mm512_set1_ps(most > 0 ? 255.0f / most : 0);
    *unit = most / 255.0f;
    for (int32_t g = first; g < last; g++) {
        const __m512 weight = _mm512_fmadd_ps(_mm512_load_ps(scores + g * 16), steps,
                                              _mm512_load_ps(spec_weight_offsets + g * SPEC_GROUP));
        _mm_store_si128((__m128i *)(p + g * 16), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(weight)));
    }
}

// At most SCORE_ROWS rows, none of them blind (high > low).
INLINE void attend_tile(const uint8_t *q, int32_t rows, const spec_chunk_view *chunk, const int32_t *low,
                        const int32_t *high, int32_t d, float *maximum, float *sum, float *out) {
    _Alignas(64) float scores[SCORE_ROWS * SPEC_CHUNK];
    _Alignas(64) uint8_t p[SCORE_ROWS * SPEC_CHUNK];
    float unit[SCORE_ROWS];
    int32_t first = GROUPS, last = 0;
    for (int32_t r = 0; r < rows; r++) {
        if (low[r] / SPEC_GROUP < first) first = low[r] / SPEC_GROUP;
        if ((high[r] + SPEC_GROUP - 1) / SPEC_GROUP > last) last = (high[r] + SPEC_GROUP - 1) / SPEC_GROUP;
    }
    first &= ~1;  // key groups go by twos
    last = (last + 1) & ~1;
    for (int32_t g = first; g < last; g += 2) score_tile(q, rows, d, chunk, g, scores + g * 16);
    for (int32_t r = 0; r < rows; r++)
        soften(scores + r * SPEC_CHUNK, chunk, first, last, low[r], high[r], d, p + r * SPEC_CHUNK, maximum + r,
               sum + r, unit + r);
    for (int32_t c = 0; c < d; c += 64)
        for (int32_t r = 0; r < rows; r += VALUE_ROWS)
            value_tile(p + r * SPEC_CHUNK, unit + r, rows - r < VALUE_ROWS ? rows - r : VALUE_ROWS, chunk, first * 4,
                       last * 4, d, c, out + (size_t)r * (size_t)d);
}

TARGET void spec_attention_chunk_avx512(const uint8_t *queries, int32_t rows, const spec_chunk_view *chunk,
                                        const int32_t *low, const int32_t *high, int32_t d, float *maximum, float *sum,
                                        float *out) {
    if (d % 64 != 0) {
        spec_isa_generic_avx512.attention_chunk(queries, rows, chunk, low, high, d, maximum, sum, out);
        return;
    }
    for (int32_t r = 0; r < rows;) {
        if (high[r] <= low[r]) {
            r++;
            continue;
        }
        int32_t count = 1;
        while (count < SCORE_ROWS && r + count < rows && high[r + count] > low[r + count]) count++;
        attend_tile(queries + (size_t)r * spec_head_bytes(d), count, chunk, low + r, high + r, d, maximum + r, sum + r,
                    out + (size_t)r * (size_t)d);
        r += count;
    }
}

#endif
