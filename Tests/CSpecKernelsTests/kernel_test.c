// The kernels against their naive twins as a program of its own, for instruction sets that the Swift tests cannot run
// on: scripts/test-neon.sh compiles it for arm64 and runs it under emulation. Prints one line per check and instruction
// set; exits with the number of failures.

#include "spec_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 42;

static uint32_t next(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static float signed_float(float scale) { return ((float)next() / 0x1p30f - 1) * scale; }

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p) exit(100);
    memset(p, 0, (bytes + 127) / 64 * 64);
    return p;
}

typedef struct format {
    spec_weight_type type;
    const char *name;
    int32_t block;
    size_t block_bytes;
    size_t scales[2];  // where f16 scales stand in a block; 0 and 0: one at the start
} format;

static const format formats[] = {
    {SPEC_Q4_0, "Q4_0", 32, 18, {0, 0}},    {SPEC_Q8_0, "Q8_0", 32, 34, {0, 0}}, {SPEC_Q4_K, "Q4_K", 256, 144, {0, 2}},
    {SPEC_Q5_K, "Q5_K", 256, 176, {0, 2}},  {SPEC_Q6_K, "Q6_K", 256, 210, {208, 208}},
    {SPEC_F32, "F32", 1, 4, {0, 0}},        {SPEC_F16, "F16", 1, 2, {0, 0}},     {SPEC_BF16, "BF16", 1, 2, {0, 0}},
};

// f16 of about the given magnitude, either sign: exponents near that of 0.01.
static uint16_t random_half(void) { return (uint16_t)((next() & 0x83ff) | 8 << 10 | (next() & 1) << 10); }

static uint8_t *random_rows(const format *f, int32_t n, int32_t k) {
    const size_t blocks = (size_t)n * (size_t)(k / f->block);
    uint8_t *rows = allocate(blocks * f->block_bytes);
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *block = rows + b * f->block_bytes;
        for (size_t i = 0; i < f->block_bytes; i++) block[i] = (uint8_t)next();
        if (f->type == SPEC_F32) {
            const float value = signed_float(1);
            memcpy(block, &value, 4);
        } else if (f->type == SPEC_BF16) {
            block[1] = (uint8_t)((next() & 0x80) | 0x3e);
        } else {
            for (int i = 0; i < 2; i++) {
                const uint16_t half = random_half();
                memcpy(block + f->scales[i], &half, 2);
            }
        }
    }
    return rows;
}

static bool is_float(const format *f) { return spec_type_is_float(f->type); }

static int check(bool good, const char *isa, const char *what, const char *detail) {
    printf("%s %-14s %s %s\n", good ? "ok  " : "FAIL", isa, what, detail);
    return good ? 0 : 1;
}

static int test_linear(spec_pool *pool, const format *f) {
    static const int32_t shapes[][2] = {{16, 256}, {1, 512}, {17, 768}, {50, 1280}};
    const spec_isa *isa = spec_pool_isa(pool);
    bool good = true;
    for (int s = 0; s < 4; s++) {
        const int32_t n = shapes[s][0], k = shapes[s][1] + (f->block == 1 ? 1 : f->block == 32 ? 32 : 0), most = 19;
        uint8_t *rows = random_rows(f, n, k);
        spec_matrix w = {allocate((size_t)(n + 15) / 16 * spec_panel_bytes(f->type, k)), f->type, n, k};
        spec_repack(pool, f->type, rows, n, k, (uint8_t *)w.panels);
        float *x = allocate((size_t)(most * k) * 4), *y = allocate((size_t)(most * n) * 4);
        float *expected = allocate((size_t)(most * n) * 4), *row = allocate((size_t)k * 4);
        for (int32_t i = 0; i < most * k; i++) x[i] = signed_float(3);
        uint8_t *q = allocate(spec_q8_row_bytes(k) * (size_t)most), *q_naive = allocate(spec_q8_row_bytes(k));
        if (is_float(f)) {
            spec_naive_linear_float(f->type, rows, n, k, x, (size_t)k, most, expected, (size_t)n);
        } else {
            spec_quantize_rows(isa, x, (size_t)k, q, most, k);
            spec_naive_quantize_row(x, q_naive, k);
            good &= memcmp(q, q_naive, (size_t)k + (size_t)(k / 32) * 12) == 0;
            spec_naive_linear_int8(f->type, rows, n, k, q, most, expected, (size_t)n);
        }
        for (int32_t m = 1; m <= most; m += m < 9 ? 1 : 10) {
            memset(y, 0xff, (size_t)(most * n) * 4);
            if (is_float(f)) spec_linear_float(pool, &w, 1, x, (size_t)k, m, y, (size_t)n);
            else spec_linear_int8(pool, &w, 1, q, m, y, (size_t)n);
            good &= memcmp(y, expected, (size_t)(m * n) * 4) == 0;
        }
        spec_dequantize_row(f->type, rows, row, k);
        for (int32_t i = 0; i < k; i++) good &= row[i] == spec_naive_weight(f->type, rows, i);
        free(rows), free((void *)w.panels), free(x), free(y), free(expected), free(row), free(q), free(q_naive);
    }
    return check(good, spec_isa_name(isa), "linear, equal bits:", f->name);
}

static int test_attention(spec_pool *pool, int32_t d, int32_t window) {
    enum { heads = 6, kv_heads = 2, positions = 300, rows = 20 };
    const size_t chunk = spec_kv_chunk_bytes(d);
    uint8_t *blocks[3];
    for (int b = 0; b < 3; b++) blocks[b] = allocate(chunk * kv_heads);
    float head[2][256];
    for (int32_t p = 0; p < positions; p++)
        for (int32_t g = 0; g < kv_heads; g++) {
            for (int32_t i = 0; i < d; i++) head[0][i] = signed_float(2), head[1][i] = signed_float(1);
            spec_kv_store(spec_pool_isa(pool), blocks[p / SPEC_CHUNK] + (size_t)g * chunk, p % SPEC_CHUNK, head[0],
                          head[1], d);
        }
    const size_t width = (size_t)(heads * d);
    float *queries = allocate(width * rows * 4), *out = allocate(width * rows * 4), *naive = allocate(width * rows * 4);
    for (size_t i = 0; i < width * rows; i++) queries[i] = signed_float(2);
    float *partials = allocate(spec_attention_scratch_floats(rows, positions, heads, d) * 4);
    spec_attention a = {.queries = queries, .query_stride = width, .out = out, .out_stride = width, .blocks = blocks,
                        .m = rows, .first_position = positions - rows, .head_count = heads, .kv_head_count = kv_heads,
                        .head_dimension = d, .window = window, .scale = 1 / sqrtf((float)d), .partials = partials};
    spec_attention_run(pool, &a);
    a.out = naive;
    spec_naive_attention(&a);
    float worst = 0;
    for (size_t i = 0; i < width * rows; i++) worst = fmaxf(worst, fabsf(out[i] - naive[i]));
    // One row at a time: equal bits.
    bool same = true;
    for (int32_t r = 0; r < rows; r++) {
        a.queries = queries + (size_t)r * width, a.m = 1, a.first_position = positions - rows + r;
        spec_attention_run(pool, &a);
        same &= memcmp(naive, out + (size_t)r * width, width * 4) == 0;
    }
    char detail[80];
    snprintf(detail, sizeof detail, "D %d window %d: off by %g at most", d, window, (double)worst);
    for (int b = 0; b < 3; b++) free(blocks[b]);
    free(queries), free(out), free(naive), free(partials);
    return check(worst < 2e-2f && same, spec_isa_name(spec_pool_isa(pool)), "attention,", detail);
}

static int test_rows(const spec_isa *isa) {
    enum { n = 640 };
    float x[n], w[n], out[n], expected[n];
    for (int i = 0; i < n; i++) x[i] = signed_float(10), w[i] = signed_float(1);
    float worst = 0;
    spec_rms_norm(isa, x, n, w, 1e-6f, out, n, 1, n);
    spec_naive_rms_norm(x, w, 1e-6f, expected, n);
    for (int i = 0; i < n; i++) worst = fmaxf(worst, fabsf(out[i] - expected[i]));
    spec_swiglu(isa, x, w, out, n);
    spec_naive_swiglu(x, w, expected, n);
    for (int i = 0; i < n; i++) worst = fmaxf(worst, fabsf(out[i] - expected[i]));
    const bool same = spec_argmax(isa, x, n) == spec_naive_argmax(x, n);
    return check(worst < 1e-5f && same, spec_isa_name(isa), "norm, SwiGLU, argmax", "");
}

int main(int argc, char **argv) {
    int failures = 0, sets = 0;
    for (int i = 1; i < argc; i++) {
        const spec_isa *isa = spec_isa_named(argv[i]);
        if (!isa) {
            printf("none %s: this machine does not have it\n", argv[i]);
            continue;
        }
        spec_pool *pool = spec_pool_create(2, isa);
        spec_pool_begin(pool, NULL);
        sets++;
        for (size_t t = 0; t < sizeof formats / sizeof *formats; t++) failures += test_linear(pool, formats + t);
        failures += test_attention(pool, 64, 0) + test_attention(pool, 128, 130) + test_attention(pool, 32, 200);
        failures += test_rows(isa);
        spec_pool_end(pool);
        spec_pool_destroy(pool);
    }
    printf("%d instruction sets, %d failures\n", sets, failures);
    return sets == 0 ? 1 : failures;
}
