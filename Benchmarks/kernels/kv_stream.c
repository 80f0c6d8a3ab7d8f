// How fast attention reads a long cache, against reading the same bytes in the same order and doing nothing with them:
// what docs/NUMERICS.md quotes for decoding. One query row (five heads for each of two key heads), 14 layers, 64 chunks
// of 128 positions in blocks as the cache lays them out, 31 MB, two threads with half of the chunks each; in pages of
// 4 KiB and in huge ones. Needs AVX-512 with VNNI. From the checkout's root:
//
//   clang -O2 -ffp-contract=off -fno-math-errno -ISources/CSpecKernels/include -ISources/CSpecKernels \
//     $(ls Sources/CSpecKernels/*.c | grep -v avx512_attention) Benchmarks/kernels/kv_stream.c -lm -lpthread \
//     -o /tmp/kv_stream && /tmp/kv_stream

#define _GNU_SOURCE  // MADV_HUGEPAGE

#include "../../Sources/CSpecKernels/avx512_attention.c"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define D 64
#define ROWS 5
#define LAYERS 14
#define KV_HEADS 2
#define CHUNKS 64
#define REPEATS 41
#define HUGE_PAGE ((size_t)2 << 20)
#define PREFETCH_BYTES 4096

typedef enum { READ, ATTEND } work;

static uint8_t *cache;
static uint8_t queries[ROWS * (D + 8)] __attribute__((aligned(64)));
static work asked;
static pthread_barrier_t barrier;
static float sinks[2];

static size_t chunk_bytes(void) { return spec_kv_chunk_bytes(D); }
static size_t layer_bytes(void) { return KV_HEADS * chunk_bytes(); }
static size_t cache_bytes(void) { return CHUNKS * LAYERS * layer_bytes(); }

static uint8_t *chunk_at(int chunk, int layer, int head) {
    return cache + ((size_t)chunk * LAYERS + (size_t)layer) * layer_bytes() + (size_t)head * chunk_bytes();
}

static TARGET float read_chunk(const uint8_t *chunk, const uint8_t *next) {
    __m512i a = _mm512_setzero_si512(), b = a;
    for (size_t i = 0; i < chunk_bytes(); i += 128) {
        const size_t ahead = i + PREFETCH_BYTES;
        const uint8_t *line = ahead < chunk_bytes() ? chunk + ahead : next + (ahead - chunk_bytes());
        _mm_prefetch((const char *)line, _MM_HINT_T0);
        _mm_prefetch((const char *)line + 64, _MM_HINT_T0);
        a = _mm512_add_epi64(a, _mm512_load_si512(chunk + i));
        b = _mm512_add_epi64(b, _mm512_load_si512(chunk + i + 64));
    }
    return (float)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
}

static TARGET float attend_chunk(const uint8_t *chunk, const uint8_t *next) {
    float maximum[ROWS], sum[ROWS], out[ROWS * D];
    int32_t low[ROWS] = {0}, high[ROWS];
    spec_chunk_view view;
    spec_view_chunk(chunk, next, D, &view);
    for (int r = 0; r < ROWS; r++) high[r] = SPEC_CHUNK;
    spec_attention_chunk_avx512(queries, ROWS, &view, low, high, D, maximum, sum, out);
    return out[0];
}

static void run(int thread) {
    float total = 0;
    for (int layer = 0; layer < LAYERS; layer++)
        for (int head = 0; head < KV_HEADS; head++)
            for (int i = 0; i < CHUNKS / 2; i++) {
                const int chunk = thread * CHUNKS / 2 + i, last = i + 1 == CHUNKS / 2;
                const uint8_t *now = chunk_at(chunk, layer, head);
                const uint8_t *next = last ? now : chunk_at(chunk + 1, layer, head);
                total += asked == READ ? read_chunk(now, next) : attend_chunk(now, next);
            }
    sinks[thread] = total;
}

static void *helper(void *unused) {
    (void)unused;
    for (;;) {
        pthread_barrier_wait(&barrier);
        run(1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_time(work what) {
    double times[REPEATS];
    asked = what;
    for (int i = 0; i < REPEATS; i++) {
        const double start = seconds();
        pthread_barrier_wait(&barrier);
        run(0);
        pthread_barrier_wait(&barrier);
        times[i] = seconds() - start;
    }
    qsort(times, REPEATS, sizeof times[0], ascending);
    return times[REPEATS / 2];
}

static uint8_t *mapped(int advice) {
    uint8_t *pages = mmap(NULL, cache_bytes() + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) exit(1);
    uint8_t *aligned = (uint8_t *)(((uintptr_t)pages + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    madvise(aligned, cache_bytes(), advice);
    // Whatever the codes are, scales have to be numbers.
    uint32_t *words = (uint32_t *)aligned;
    for (size_t i = 0; i < cache_bytes() / 4; i++) words[i] = 0x3c000000 + (uint32_t)(i * 2654435761u >> 16 & 0xffff);
    return aligned;
}

int main(void) {
    uint8_t *caches[2] = {mapped(MADV_NOHUGEPAGE), mapped(MADV_HUGEPAGE)};
    const char *names[2] = {"pages of 4 KiB", "huge pages"};
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, helper, NULL)) return 1;
    float heads[ROWS * D];
    for (int i = 0; i < ROWS * D; i++) heads[i] = 0.01f * (float)(i % 17);
    spec_quantize_queries(spec_isa_named("avx512"), heads, D, ROWS, 1, 0.125f, D, queries);
    for (int turn = 0; turn < 3; turn++)
        for (int i = 0; i < 2; i++) {
            cache = caches[i];
            const double reading = median_time(READ), attention = median_time(ATTEND);
            printf("%-14s  reading %.2f ms, %.1f GB/s; attention %.2f ms, %.1f GB/s\n", names[i], reading * 1e3,
                   (double)cache_bytes() / reading / 1e9, attention * 1e3, (double)cache_bytes() / attention / 1e9);
        }
    printf("(sums %g and %g, so that nothing is left out)\n", (double)sinks[0], (double)sinks[1]);
    return 0;
}
