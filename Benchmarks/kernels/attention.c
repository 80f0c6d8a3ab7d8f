// What one chunk of attention is made of on this CPU: what docs/NUMERICS.md quotes. One thread, 8 query rows, 128 keys of
// 64 dimensions, everything in the first-level caches; nanoseconds and cycles of each part, the best of many short runs,
// and how far the result lies from double precision. Needs AVX-512 with VNNI. From the checkout's root:
//
//   clang -O2 -ffp-contract=off -fno-math-errno -ISources/CSpecKernels/include -ISources/CSpecKernels \
//     $(ls Sources/CSpecKernels/*.c | grep -v avx512_attention) Benchmarks/kernels/attention.c -lm -lpthread \
//     -o /tmp/attention && /tmp/attention

#define _GNU_SOURCE  // clock_gettime

#include "../../Sources/CSpecKernels/avx512_attention.c"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define D 64
#define ROWS 8
#define CALLS 2000
#define REPEATS 25

typedef struct work {
    float *keys, *values, *queries;  // [SPEC_CHUNK, D] twice, [ROWS, D]
    uint8_t *chunk, *heads;          // as spec_kv_store and spec_quantize_queries write them
    spec_chunk_view view;
    uint8_t p[ROWS * SPEC_CHUNK] __attribute__((aligned(64)));
    float *scores, *out, maximum[ROWS], sum[ROWS];
    softened result;
    int32_t low[ROWS], high[ROWS];
} work;

static TARGET double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static TARGET void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) exit(1);
    memset(p, 0, (bytes + 63) / 64 * 64);
    return p;
}

static TARGET float uniform(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 23) - 1;
}

static TARGET void fill(work *w) {
    uint32_t state = 1;
    const spec_isa *isa = spec_isa_named("avx512");
    w->keys = allocate(SPEC_CHUNK * D * 4), w->values = allocate(SPEC_CHUNK * D * 4);
    w->queries = allocate(ROWS * D * 4), w->heads = allocate(ROWS * spec_head_bytes(D));
    w->chunk = allocate(spec_kv_chunk_bytes(D));
    w->scores = allocate(ROWS * SPEC_CHUNK * 4), w->out = allocate(ROWS * D * 4);
    for (int32_t i = 0; i < ROWS * D; i++) w->queries[i] = 2 * uniform(&state);
    for (int32_t i = 0; i < SPEC_CHUNK * D; i++) w->keys[i] = uniform(&state), w->values[i] = uniform(&state);
    for (int32_t key = 0; key < SPEC_CHUNK; key++)
        spec_kv_store(isa, w->chunk, key, w->keys + key * D, w->values + key * D, D);
    spec_quantize_queries(isa, w->queries, D, ROWS, 1, 1, D, w->heads);
    for (int32_t r = 0; r < ROWS; r++) w->low[r] = 0, w->high[r] = SPEC_CHUNK;
    spec_view_chunk(w->chunk, w->chunk, D, &w->view);
}

static TARGET void scores(work *w) {
    for (int32_t g = 0; g < GROUPS; g += 2) score_tile(w->heads, ROWS, D, &w->view, g, w->scores + g * 16);
}

static TARGET void softmax(work *w) {
    soften(w->scores, ROWS, &w->view, 0, GROUPS, w->low, w->high, D, w->p, &w->result);
}

static TARGET void values(work *w) {
    for (int32_t r = 0; r < ROWS; r += VALUE_ROWS)
        value_tile(w->p + r * SPEC_CHUNK, w->result.unit + r, ROWS - r < VALUE_ROWS ? ROWS - r : VALUE_ROWS, &w->view,
                   0, SPEC_CHUNK / 4, D, 0, w->out + r * D);
}

static TARGET void whole(work *w) {
    spec_attention_chunk_avx512(w->heads, ROWS, &w->view, w->low, w->high, D, w->maximum, w->sum, w->out);
}

static TARGET void whole_avx2(work *w) {
    spec_isa_named("avx2")->attention_chunk(w->heads, ROWS, &w->view, w->low, w->high, D, w->maximum, w->sum, w->out);
}

// The greatest difference from double precision, over the values' root mean square (uniform in ±1: 0.577).
static TARGET double error_of(work *w) {
    double worst = 0;
    for (int32_t r = 0; r < ROWS; r++) {
        double score[SPEC_CHUNK], maximum = -1e300, sum = 0, out[D] = {0};
        for (int32_t key = 0; key < SPEC_CHUNK; key++) {
            score[key] = 0;
            for (int32_t i = 0; i < D; i++) score[key] += (double)w->queries[r * D + i] * (double)w->keys[key * D + i];
            maximum = score[key] > maximum ? score[key] : maximum;
        }
        for (int32_t key = 0; key < SPEC_CHUNK; key++) {
            const double p = exp(score[key] - maximum);
            sum += p;
            for (int32_t i = 0; i < D; i++) out[i] += p * (double)w->values[key * D + i];
        }
        for (int32_t i = 0; i < D; i++) {
            const double difference = fabs(out[i] / sum - (double)(w->out[r * D + i] / w->sum[r]));
            worst = difference > worst ? difference : worst;
        }
    }
    return worst / 0.577;
}

// Cycles per nanosecond, by a chain of dependent additions.
static TARGET double clock_rate(void) {
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
static TARGET double peak(double rate) {
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        __m512i n[16];
        const __m512i one = _mm512_set1_epi32(1);
        for (int j = 0; j < 16; j++) n[j] = _mm512_setzero_si512();
        const double start = seconds();
        for (int j = 0; j < 100000; j++) {
            UNROLL
            for (int c = 0; c < 16; c++) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(n[c]) : "v"(one));
        }
        const double per_cycle = 1600000 / ((seconds() - start) * 1e9 * rate);
        best = per_cycle > best ? per_cycle : best;
    }
    return best;
}

static TARGET double nanoseconds(work *w, void (*run)(work *)) {
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
    } parts[] = {{"scores", scores, ROWS * SPEC_CHUNK * D / 64},
                 {"softmax", softmax, 0},
                 {"values", values, ROWS * SPEC_CHUNK * D / 64},
                 {"whole", whole, ROWS * SPEC_CHUNK * D / 32},
                 {"whole, AVX2", whole_avx2, 0}};
    work *w = allocate(sizeof(work));
    fill(w);
    const double rate = clock_rate();
    whole_avx2(w);
    float *other = allocate(ROWS * D * 4);
    memcpy(other, w->out, ROWS * D * 4);
    whole(w);
    const bool same = memcmp(other, w->out, ROWS * D * 4) == 0;
    printf("%.2f GHz; vpdpbusd %.2f in a cycle; error %.4f; AVX2 has %s bits\n", rate, peak(rate), error_of(w),
           same ? "the same" : "OTHER");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        // The softmax writes over its scores, and what it makes of its own weights takes as long.
        const double ns = nanoseconds(w, parts[i].run);
        printf("%-12s %6.0f ns %6.0f cycles", parts[i].name, ns, ns * rate);
        if (parts[i].products) printf("  %.2f dot products in a cycle", parts[i].products / (ns * rate));
        printf("\n");
    }
    return 0;
}
