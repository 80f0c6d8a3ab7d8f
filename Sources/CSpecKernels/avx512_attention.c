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
    const size_t stride = spec_head_bytes(d);
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

INLINE __m512 combine(const bool adds, __m512 a, __m512 b) {
    return adds ? _mm512_add_ps(a, b) : _mm512_max_ps(a, b);
}

_Static_assert(SCORE_ROWS == 8, "reduce_rows halves eight rows three times");

// Lane r < 8 of the result is the sum, or the greatest, of the lanes of v[r]: all rows are reduced at once, in the
// order of a single one's reduction, lane i with lane i + 8, then + 4, + 2 and + 1.
INLINE __m512 reduce_rows(const bool adds, const __m512 *v) {
    __m512 eights[4], fours[2];
    UNROLL
    for (int i = 0; i < 4; i++)
        eights[i] = combine(adds, _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0x44),
                           _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0xee));
    UNROLL
    for (int i = 0; i < 2; i++)
        fours[i] = combine(adds, _mm512_shuffle_f32x4(eights[2 * i], eights[2 * i + 1], 0x88),
                          _mm512_shuffle_f32x4(eights[2 * i], eights[2 * i + 1], 0xdd));
    const __m512 twos = combine(adds, _mm512_shuffle_ps(fours[0], fours[1], 0x44),
                               _mm512_shuffle_ps(fours[0], fours[1], 0xee));
    const __m512 ones = combine(adds, _mm512_shuffle_ps(twos, twos, 0x88), _mm512_shuffle_ps(twos, twos, 0xdd));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
    return _mm512_permutexvar_ps(order, ones);
}

// Whole numbers 0…255 of one group: its weights in `steps` plus the offsets, cut off.
INLINE __m512i cut_off(const float *weights, __m512 steps, __m512 offsets) {
    return _mm512_cvttps_epi32(_mm512_fmadd_ps(_mm512_load_ps(weights), steps, offsets));
}

// One row's weights → bytes. Four groups are packed at once where there are four.
INLINE void write_bytes(const float *weights, __m512 steps, const __m512 *offsets, const int32_t first,
                        const int32_t last, uint8_t *p) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    int32_t g = first;
    for (; g + 4 <= last; g += 4) {
        __m512i codes[4];
        UNROLL
        for (int i = 0; i < 4; i++) codes[i] = cut_off(weights + (g + i) * 16, steps, offsets[g + i]);
        const __m512i low = _mm512_packs_epi32(codes[0], codes[1]), high = _mm512_packs_epi32(codes[2], codes[3]);
        _mm512_storeu_si512(p + g * 16, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
    }
    for (; g < last; g++)
        _mm_store_si128((__m128i *)(p + g * 16), _mm512_cvtepi32_epi8(cut_off(weights + g * 16, steps, offsets[g])));
}

// What `soften` leaves beside the bytes: lane r < SCORE_ROWS is row r's.
typedef struct softened {
    _Alignas(64) float maximum[16], sum[16], unit[16];
} softened;

// Rows' scores of key groups [first, last) → weights times their values' scales in 0…255, in units of `unit`; keys
// outside [low, high) become exact zeros.
INLINE void soften(float *scores, int32_t rows, const spec_chunk_view *chunk, const int32_t first, const int32_t last,
                   const int32_t *low, const int32_t *high, int32_t d, uint8_t *p, softened *result) {
    const __m512 base = _mm512_set1_ps(1.44269504f);
    _Alignas(64) float exponents[16], steps[16];
    __m512 greatest[SCORE_ROWS], total[SCORE_ROWS], heaviest[SCORE_ROWS], scales[GROUPS], offsets[GROUPS];
    for (int32_t r = rows; r < SCORE_ROWS; r++) greatest[r] = total[r] = heaviest[r] = _mm512_setzero_ps();
    for (int32_t g = first; g < last; g++) {
        scales[g] = _mm512_load_ps(spec_group_scales(chunk->value_groups[g], d));
        offsets[g] = _mm512_load_ps(spec_weight_offsets + g * SPEC_GROUP);
    }
    for (int32_t r = 0; r < rows; r++) {
        float *row = scores + r * SPEC_CHUNK;
        if (low[r] > first * SPEC_GROUP || high[r] < last * SPEC_GROUP) hide(row, first, last, low[r], high[r]);
        __m512 most = _mm512_load_ps(row + first * 16);
        for (int32_t g = first + 1; g < last; g++) most = _mm512_max_ps(most, _mm512_load_ps(row + g * 16));
        greatest[r] = most;
    }
    const __m512 maximum = reduce_rows(false, greatest);
    _mm512_store_ps(result->maximum, maximum);
    _mm512_store_ps(exponents, _mm512_mul_ps(maximum, base));
    for (int32_t r = 0; r < rows; r++) {
        float *row = scores + r * SPEC_CHUNK;
        const __m512 m = _mm512_set1_ps(exponents[r]);
        __m512 sum = _mm512_setzero_ps(), most = _mm512_setzero_ps();
        for (int32_t g = first; g < last; g++) {
            const __m512 e = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(row + g * 16), base, m));
            const __m512 weight = _mm512_mul_ps(e, scales[g]);
            sum = _mm512_add_ps(sum, e);
            most = _mm512_max_ps(most, weight);
            _mm512_store_ps(row + g * 16, weight);
        }
        total[r] = sum;
        heaviest[r] = most;
    }
    const __m512 most = reduce_rows(false, heaviest), full = _mm512_set1_ps(255.0f);
    _mm512_store_ps(result->sum, reduce_rows(true, total));
    _mm512_store_ps(result->unit, _mm512_div_ps(most, full));
    const __mmask16 is_positive = _mm512_cmp_ps_mask(most, _mm512_setzero_ps(), _CMP_GT_OQ);
    _mm512_store_ps(steps, _mm512_maskz_div_ps(is_positive, full, most));
    for (int32_t r = 0; r < rows; r++)
        write_bytes(scores + r * SPEC_CHUNK, _mm512_set1_ps(steps[r]), offsets, first, last,
                    p + r * SPEC_CHUNK);
}

// At most SCORE_ROWS rows, none of them blind (high > low).
INLINE void attend_tile(const uint8_t *q, int32_t rows, const spec_chunk_view *chunk, const int32_t *low,
                        const int32_t *high, int32_t d, float *maximum, float *sum, float *out) {
    _Alignas(64) float scores[SCORE_ROWS * SPEC_CHUNK];
    _Alignas(64) uint8_t p[SCORE_ROWS * SPEC_CHUNK];
    softened result;
    int32_t first = GROUPS, last = 0;
    for (int32_t r = 0; r < rows; r++) {
        if (low[r] / SPEC_GROUP < first) first = low[r] / SPEC_GROUP;
        if ((high[r] + SPEC_GROUP - 1) / SPEC_GROUP > last) last = (high[r] + SPEC_GROUP - 1) / SPEC_GROUP;
    }
    first &= ~1;  // key groups go by twos
    last = (last + 1) & ~1;
    for (int32_t g = first; g < last; g += 2) score_tile(q, rows, d, chunk, g, scores + g * 16);
    if (last - first == GROUPS)  // as constants
        soften(scores, rows, chunk, 0, GROUPS, low, high, d, p, &result);
    else
        soften(scores, rows, chunk, first, last, low, high, d, p, &result);
    memcpy(maximum, result.maximum, (size_t)rows * 4);
    memcpy(sum, result.sum, (size_t)rows * 4);
    for (int32_t c = 0; c < d; c += 64)
        for (int32_t r = 0; r < rows; r += VALUE_ROWS)
            value_tile(p + r * SPEC_CHUNK, result.unit + r, rows - r < VALUE_ROWS ? rows - r : VALUE_ROWS, chunk,
                       first * 4, last * 4, d, c, out + (size_t)r * (size_t)d);
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
