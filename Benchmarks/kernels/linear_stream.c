// How long all products of a pass of the default model take while its weights come from memory: what docs/NUMERICS.md
// quotes on fetching ahead. Medians and tenth percentiles in milliseconds, by rows. Processors with caches of more than
// 47 MB show those instead. From the checkout's root:
//
//   clang -O3 -ffp-contract=off -fno-math-errno -ISources/CSpecKernels/include Sources/CSpecKernels/*.c \
//     Benchmarks/kernels/linear_stream.c -lm -lpthread -o /tmp/linear_stream && /tmp/linear_stream avx2 2

#define _GNU_SOURCE  // clock_gettime, MAP_ANONYMOUS, madvise

#include "spec_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define TURNS 40
#define MOST_ROWS 16
#define ROW_COUNTS 6
static const int32_t row_counts[ROW_COUNTS] = {1, 2, 3, 4, 8, MOST_ROWS};

// Shapes of the default model's matrices, repeated until they are about as many bytes.
typedef struct shape {
    int32_t n, k, count;
} shape;
static const shape shapes[] = {{1792, 640, 40}, {640, 1792, 14}, {32768, 640, 1}};
#define SHAPES (sizeof shapes / sizeof *shapes)
#define GREATEST_N 32768

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static size_t matrix_bytes(shape s) { return (size_t)s.n / 16 * spec_panel_bytes(SPEC_Q4_0, s.k); }

// Codes and scales of ordinary size: products of subnormal numbers are several times slower.
static uint8_t *weights(size_t *bytes) {
    const size_t huge = (size_t)2 << 20;
    *bytes = 0;
    for (size_t i = 0; i < SHAPES; i++) *bytes += matrix_bytes(shapes[i]) * (size_t)shapes[i].count;
    const size_t mapped = (*bytes + 2 * huge) / huge * huge;
    uint8_t *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(1);
    madvise(p, mapped, MADV_HUGEPAGE);
    uint32_t state = 1;
    for (size_t i = 0; i < *bytes; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (uint8_t)(0x20 + ((state >> 24) & 15));
    }
    return p;
}

static uint8_t *inputs(const spec_isa *isa, int32_t k) {
    float *x = aligned_alloc(64, (size_t)(MOST_ROWS * k) * 4);
    uint8_t *q = aligned_alloc(64, spec_q8_row_bytes(k) * MOST_ROWS);
    if (!x || !q) exit(1);
    for (int32_t i = 0; i < MOST_ROWS * k; i++) x[i] = (float)(i % 17) - 8;
    spec_quantize_rows(isa, x, (size_t)k, q, MOST_ROWS, k);
    free(x);
    return q;
}

// Seconds of all products with `rows` rows; q: inputs by shape.
static double pass(spec_pool *pool, const uint8_t *panels, uint8_t *const *q, int32_t rows, float *y) {
    const double start = seconds();
    for (size_t s = 0; s < SHAPES; s++)
        for (int32_t i = 0; i < shapes[s].count; i++) {
            const spec_matrix w = {panels, SPEC_Q4_0, shapes[s].n, shapes[s].k};
            spec_linear_int8(pool, &w, 1, q[s], rows, y, (size_t)w.n);
            panels += matrix_bytes(shapes[s]);
        }
    return seconds() - start;
}

int main(int count, char **arguments) {
    const spec_isa *isa = count > 1 ? spec_isa_named(arguments[1]) : spec_isa_best();
    const int threads = count > 2 ? atoi(arguments[2]) : 1;
    if (!isa || threads < 1) {
        fprintf(stderr, "usage: linear_stream [avx512|avx2|neon|portable [THREADS]]; this CPU must have the set\n");
        return 2;
    }
    spec_pool *pool = spec_pool_create(threads, isa);
    size_t bytes;
    const uint8_t *panels = weights(&bytes);
    uint8_t *q[SHAPES];
    for (size_t s = 0; s < SHAPES; s++) q[s] = inputs(isa, shapes[s].k);
    float *y = aligned_alloc(64, (size_t)MOST_ROWS * GREATEST_N * 4);
    if (!pool || !y) return 1;
    spec_thread_flush_denormals();
    spec_pool_begin(pool, NULL);  // else the helpers sleep
    static double times[ROW_COUNTS][TURNS];
    for (int turn = 0; turn < TURNS; turn++)
        for (int r = 0; r < ROW_COUNTS; r++) {
            pass(pool, panels, q, row_counts[r], y);  // untimed: the pass before had another row count
            times[r][turn] = pass(pool, panels, q, row_counts[r], y);
        }
    printf("%s, %d threads, %.0f MB; rows: median (tenth percentile) ms", spec_isa_name(isa), threads,
           (double)bytes * 1e-6);
    for (int r = 0; r < ROW_COUNTS; r++) {
        qsort(times[r], TURNS, sizeof(double), compare);
        printf("  %d: %.2f (%.2f)", row_counts[r], 1e3 * times[r][TURNS / 2], 1e3 * times[r][TURNS / 10]);
    }
    printf("\n");
    spec_pool_end(pool);
    spec_pool_destroy(pool);
    return 0;
}
