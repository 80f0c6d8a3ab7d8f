// What one chunk of attention is made of on this CPU, and what keys in int8 would change: what docs/NUMERICS.md quotes.
// One thread, 8 query rows, 128 keys of 64 dimensions, everything in the first-level caches; nanoseconds and cycles of
// each part, the best of many short runs. The part with int8 keys is for this comparison alone; nothing else uses it.
// Needs AVX-512 with BF16 and VNNI. From the checkout's root:
//
//   clang -O3 -ffp-contract=off -fno-math-errno -ISources/CSpecKernels/include -ISources/CSpecKernels \
//     $(ls Sources/CSpecKernels/*.c | grep -v avx512_attention) Benchmarks/kernels/attention.c -lm -lpthread \
//     -o /tmp/attention && /tmp/attention

#define _GNU_SOURCE  // clock_gettime

#include "../../Sources/CSpecKernels/avx512_attention.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define D 64
#define ROWS 8
#define QUADS (D / 4)
#define CALLS 2000
#define REPEATS 25

typedef struct work {
    float *queries;        // [ROWS, D]
    uint8_t *chunk;        // keys, then values, as spec_kv_store writes them
    uint8_t *bytes;        // keys + 128 in groups of 16: [group, quad, 16, 4]
    float *key_scales;     // [SPEC_CHUNK]
    int32_t *query_quads;  // four int8 inputs each: [ROWS, QUADS]
    int32_t *query_sums;   // 128 · Σ of a row's inputs
    float *query_scales;
    spec_chunk_view view;
    uint32_t q[ROWS * MAXIMUM_PAIRS], p[ROWS * SPEC_CHUNK / 2];
    float *scores, *out, maximum[ROWS], sum[ROWS];
    int32_t low[ROWS], high[ROWS];
} work;

static TARGET_BF16 double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static TARGET_BF16 void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) exit(1);
    memset(p, 0, (bytes + 63) / 64 * 64);
    return p;
}

static TARGET_BF16 float uniform(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

static TARGET_BF16 void fill(work *w) {
    uint32_t state = 1;
    w->queries = allocate(ROWS * D * 4), w->chunk = allocate(spec_kv_chunk_bytes(D));
    w->bytes = allocate(SPEC_CHUNK * D), w->key_scales = allocate(SPEC_CHUNK * 4);
    w->query_quads = allocate(ROWS * D), w->query_sums = allocate(ROWS * 4), w->query_scales = allocate(ROWS * 4);
    w->scores = allocate(ROWS * SPEC_CHUNK * 4), w->out = allocate(ROWS * D * 4);
    for (int32_t i = 0; i < ROWS * D; i++) w->queries[i] = uniform(&state) / 4;
    for (int32_t key = 0; key < SPEC_CHUNK; key++) {
        float k[D], v[D];
        for (int32_t i = 0; i < D; i++) k[i] = uniform(&state), v[i] = uniform(&state);
        spec_kv_store(w->chunk, key, k, v, D);
        w->key_scales[key] = 1.0f / 127;
        for (int32_t i = 0; i < D; i++)
            w->bytes[((key / 16 * QUADS + i / 4) * 16 + key % 16) * 4 + i % 4] = (uint8_t)(k[i] * 127 + 128.5f);
    }
    for (int32_t r = 0; r < ROWS; r++) {
        int8_t *quads = (int8_t *)(w->query_quads + r * QUADS);
        w->query_scales[r] = 0.25f / 127;
        for (int32_t i = 0; i < D; i++) {
            quads[i] = (int8_t)(w->queries[r * D + i] * 4 * 127);
            w->query_sums[r] += 128 * quads[i];
        }
        w->low[r] = 0, w->high[r] = SPEC_CHUNK;
    }
    for (int32_t g = 0; g < GROUPS; g++) {
        w->view.key_groups[g] = w->chunk + g * D * SPEC_GROUP * 2;
        w->view.value_groups[g] = w->chunk + (GROUPS + g) * D * SPEC_GROUP * 2;
    }
    w->view.prefetch = NULL;
    for (int32_t i = 0; i < ROWS * D; i += 32)
        _mm512_storeu_si512(w->q + i / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(w->queries + i + 16),
                                                                      _mm512_loadu_ps(w->queries + i)));
}

static TARGET_BF16 void scores_bf16(work *w) {
    for (int32_t g = 0; g < GROUPS; g += 2)
        score_tile(w->q, ROWS, D / 2, &w->view, g, D * SPEC_GROUP * 2, w->scores + g * 16);
}

static TARGET_BF16 void scores_int8(work *w) {
    for (int32_t g = 0; g < GROUPS; g += 2) {
        __m512i a0[ROWS], a1[ROWS];
        UNROLL
        for (int r = 0; r < ROWS; r++) a0[r] = a1[r] = _mm512_set1_epi32(-w->query_sums[r]);
        for (int32_t i = 0; i < QUADS; i++) {
            const __m512i k0 = _mm512_load_si512(w->bytes + (g * QUADS + i) * 64);
            const __m512i k1 = _mm512_load_si512(w->bytes + ((g + 1) * QUADS + i) * 64);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                const __m512i b = _mm512_set1_epi32(w->query_quads[r * QUADS + i]);
                a0[r] = _mm512_dpbusd_epi32(a0[r], k0, b);
                a1[r] = _mm512_dpbusd_epi32(a1[r], k1, b);
            }
        }
        const __m512 s0 = _mm512_load_ps(w->key_scales + g * 16), s1 = _mm512_load_ps(w->key_scales + g * 16 + 16);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            const __m512 s = _mm512_set1_ps(w->query_scales[r]);
            float *out = w->scores + r * SPEC_CHUNK + g * 16;
            _mm512_store_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(a0[r]), _mm512_mul_ps(s0, s)));
            _mm512_store_ps(out + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(a1[r]), _mm512_mul_ps(s1, s)));
        }
    }
}

static TARGET_BF16 void softmax(work *w) {
    for (int32_t r = 0; r < ROWS; r++)
        soften(w->scores + r * SPEC_CHUNK, 0, GROUPS, 0, SPEC_CHUNK, w->p + r * (SPEC_CHUNK / 2), w->maximum + r,
               w->sum + r);
}

static TARGET_BF16 void values(work *w) {
    for (int32_t r = 0; r < ROWS; r += VALUE_ROWS)
        value_tile(w->p + r * (SPEC_CHUNK / 2), ROWS - r < VALUE_ROWS ? ROWS - r : VALUE_ROWS, &w->view, 0, 64, D, 0,
                   w->out + r * D);
}

static TARGET_BF16 void whole_bf16(work *w) {
    spec_attention_chunk_avx512_bf16(w->queries, ROWS, &w->view, w->low, w->high, D, w->maximum, w->sum, w->out);
}

static TARGET_BF16 void parts_int8(work *w) {
    scores_int8(w);
    softmax(w);
    values(w);
}

// Cycles per nanosecond, by a chain of dependent additions.
static TARGET_BF16 double clock_rate(void) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        const double start = seconds();
        uint64_t x = 1;
        for (int j = 0; j < 1000000; j++) __asm__ volatile("add $1, %0" : "+r"(x));
        const double rate = 1000000 / ((seconds() - start) * 1e9);
        best = rate > best ? rate : best;
    }
    return best;
}

// Dot products of one instruction per cycle when nothing else is done: sixteen independent chains.
static TARGET_BF16 double peak(double rate, bool int8) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        __m512 f[16];
        __m512i n[16];
        const __m512i one = _mm512_set1_epi32(1);
        for (int j = 0; j < 16; j++) f[j] = _mm512_setzero_ps(), n[j] = _mm512_setzero_si512();
        const double start = seconds();
        for (int j = 0; j < 100000; j++) {
            UNROLL
            for (int c = 0; c < 16; c++) {
                if (int8) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(n[c]) : "v"(one));
                else __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(f[c]) : "v"(one));
            }
        }
        const double per_cycle = 1600000 / ((seconds() - start) * 1e9 * rate);
        best = per_cycle > best ? per_cycle : best;
    }
    return best;
}

static TARGET_BF16 double nanoseconds(work *w, void (*run)(work *)) {
    double best = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        const double start = seconds();
        for (int j = 0; j < CALLS; j++) {
            run(w);
            __asm__ volatile("" ::: "memory");
        }
        const double time = (seconds() - start) / CALLS * 1e9;
        best = time < best ? time : best;
    }
    return best;
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(work *);
        int32_t products;  // dot product instructions
    } parts[] = {{"scores, bf16 keys", scores_bf16, ROWS * SPEC_CHUNK * D / 32},
                 {"scores, int8 keys", scores_int8, ROWS * SPEC_CHUNK * D / 64},
                 {"softmax", softmax, 0},
                 {"values, bf16", values, ROWS * SPEC_CHUNK * D / 32},
                 {"whole, bf16 keys", whole_bf16, ROWS * SPEC_CHUNK * D / 16},
                 {"parts, int8 keys", parts_int8, ROWS * SPEC_CHUNK * D / 32 + ROWS * SPEC_CHUNK * D / 64}};
    work *w = allocate(sizeof(work));
    fill(w);
    float error = 0;
    scores_bf16(w);
    float *expected = allocate(ROWS * SPEC_CHUNK * 4);
    memcpy(expected, w->scores, ROWS * SPEC_CHUNK * 4);
    scores_int8(w);
    for (int i = 0; i < ROWS * SPEC_CHUNK; i++) {
        const float difference = w->scores[i] > expected[i] ? w->scores[i] - expected[i] : expected[i] - w->scores[i];
        error = difference > error ? difference : error;
    }
    const double rate = clock_rate();
    printf("%.2f GHz; vdpbf16ps %.2f, vpdpbusd %.2f in a cycle; greatest difference of int8 scores %.3f\n", rate,
           peak(rate, false), peak(rate, true), error);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const double ns = nanoseconds(w, parts[i].run);
        printf("%-18s %6.0f ns %6.0f cycles", parts[i].name, ns, ns * rate);
        if (parts[i].products) printf("  %.2f dot products in a cycle", parts[i].products / (ns * rate));
        printf("\n");
    }
    return 0;
}
