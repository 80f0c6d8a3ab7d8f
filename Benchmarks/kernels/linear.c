// How fast one thread multiplies by weights of each format, and float weights through OpenBLAS: what docs/NUMERICS.md
// quotes. Best of many short runs; give it a quiet machine. From the checkout's root:
//
//   clang -O2 -ffp-contract=off -fno-math-errno -ISources/CSpecKernels/include Sources/CSpecKernels/*.c \
//     Benchmarks/kernels/linear.c -lopenblas -lm -lpthread -o /tmp/linear && env -u OPENBLAS_CORETYPE /tmp/linear

#define _GNU_SOURCE  // clock_gettime

#include "spec_kernels.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_ROWS 128
#define REPEATS 12

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 8191) / 64 * 64);  // panels are fetched ahead
    if (!p) exit(1);
    memset(p, 0x20, (bytes + 8191) / 64 * 64);
    return p;
}

typedef struct product {
    spec_pool *pool;
    spec_matrix w;
    const float *rows;  // the weights as OpenBLAS reads them
    const float *x;
    const uint8_t *q;
    float *y;
} product;

static void ours(const product *p, int32_t m) {
    if (spec_type_is_float(p->w.type))
        spec_linear_float(p->pool, &p->w, 1, p->x, (size_t)p->w.k, m, p->y, (size_t)p->w.n);
    else
        spec_linear_int8(p->pool, &p->w, 1, p->q, m, p->y, (size_t)p->w.n);
}

static void openblas(const product *p, int32_t m) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, p->w.n, p->w.k, 1, p->x, p->w.k, p->rows, p->w.k, 0, p->y,
                p->w.n);
}

// 10^9 operations per second.
static double rate(const product *p, int32_t m, void (*run)(const product *, int32_t)) {
    double best = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        const double start = seconds();
        run(p, m);
        const double time = seconds() - start;
        best = time < best ? time : best;
    }
    return 2.0 * p->w.n * p->w.k * m / best * 1e-9;
}

static void measure(product *p, const char *name, spec_weight_type type, int32_t n, int32_t k) {
    static const int32_t row_counts[] = {1, 8, 32, MOST_ROWS};
    uint8_t *panels = allocate((size_t)(n + 15) / 16 * spec_panel_bytes(type, k));
    spec_repack(NULL, type, (const uint8_t *)p->rows, n, k, panels);
    p->w = (spec_matrix){panels, type, n, k};
    printf("%5d x %-5d %-5s", n, k, name);
    for (int i = 0; i < 4; i++) printf("  M=%d %4.0f", row_counts[i], rate(p, row_counts[i], ours));
    if (type == SPEC_F32) {
        printf("  OpenBLAS");
        for (int i = 0; i < 4; i++) printf("  M=%d %4.0f", row_counts[i], rate(p, row_counts[i], openblas));
    }
    printf("\n");
    free(panels);
}

int main(void) {
    static const struct {
        spec_weight_type type;
        const char *name;
    } types[] = {{SPEC_Q4_0, "Q4_0"}, {SPEC_Q8_0, "Q8_0"}, {SPEC_Q4_K, "Q4_K"}, {SPEC_Q5_K, "Q5_K"},
                 {SPEC_Q6_K, "Q6_K"}, {SPEC_F32, "F32"},   {SPEC_F16, "F16"},   {SPEC_BF16, "BF16"}};
    static const int32_t shapes[][2] = {{1792, 768}, {640, 640}, {1792, 640}, {640, 1792}, {32768, 640}, {8960, 1536}};
    openblas_set_num_threads(1);
    const spec_isa *isa = spec_isa_best();
    product p = {.pool = spec_pool_create(1, isa)};
    printf("%s, OpenBLAS %s; 10^9 operations/s on one thread, M rows\n", spec_isa_name(isa), openblas_get_corename());
    for (int s = 0; s < 6; s++) {
        const int32_t n = shapes[s][0], k = shapes[s][1];
        float *x = allocate((size_t)(MOST_ROWS * k) * 4);
        p.rows = allocate((size_t)n * (size_t)k * 4);
        p.y = allocate((size_t)(MOST_ROWS * n) * 4);
        p.x = x;
        p.q = allocate(spec_q8_row_bytes(k) * MOST_ROWS);
        spec_quantize_rows(isa, x, (size_t)k, (uint8_t *)p.q, MOST_ROWS, k);
        for (int t = 0; t < 8; t++)
            if (types[t].type == SPEC_F32 || (k % 256 == 0 && n < 2000)) measure(&p, types[t].name, types[t].type, n, k);
        free(x), free((void *)p.rows), free(p.y), free((void *)p.q);
    }
    spec_pool_destroy(p.pool);
    return 0;
}
