// Reading memory as fast as the threads can, and nothing else: the yardstick for decoding, which has to read every
// weight once per token. Not part of the forward pass.

#include "spec_kernels.h"

#include <stdatomic.h>
#include <string.h>

// A thread reads this much before it takes the next piece: long enough for the hardware prefetcher, short enough that
// threads end together.
#define PIECE_BYTES ((size_t)512 << 10)
// Bytes ahead of the reader that are asked for, as far as the weights' kernels do.
#define PREFETCH_BYTES 4096

typedef uint64_t lanes __attribute__((vector_size(64), aligned(64)));

typedef struct {
    const uint8_t *bytes;
    size_t count;
    _Atomic(uint64_t) sum;
} stream_job;

// One body for every instruction set: 512-bit lanes become as many registers as the target has.
static inline __attribute__((always_inline)) uint64_t read_piece(const uint8_t *bytes, size_t count) {
    lanes sums[4] = {{0}};
    for (size_t i = 0; i + 256 <= count; i += 256) {
        const lanes *line = (const lanes *)(bytes + i);
        for (int part = 0; part < 4; part++) {
            __builtin_prefetch(bytes + i + PREFETCH_BYTES + 64 * part, 0, 3);
            sums[part] += line[part];
        }
    }
    const lanes total = sums[0] + sums[1] + sums[2] + sums[3];
    uint64_t sum = 0;
    for (int lane = 0; lane < 8; lane++) sum += total[lane];
    return sum;
}

static uint64_t read_portable(const uint8_t *bytes, size_t count) { return read_piece(bytes, count); }

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t read_avx512(const uint8_t *bytes, size_t count) {
    return read_piece(bytes, count);
}
__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *bytes, size_t count) {
    return read_piece(bytes, count);
}
#endif

static void read_ticket(void *context, uint32_t index) {
    stream_job *job = context;
    const size_t first = index * PIECE_BYTES;
    const size_t count = job->count - first < PIECE_BYTES ? job->count - first : PIECE_BYTES;
    uint64_t sum;
#if defined(__x86_64__)
    // The machine's limit is wanted, whatever instruction set the engine was told to use.
    if (__builtin_cpu_supports("avx512f")) {
        sum = read_avx512(job->bytes + first, count);
    } else if (__builtin_cpu_supports("avx2")) {
        sum = read_avx2(job->bytes + first, count);
    } else {
        sum = read_portable(job->bytes + first, count);
    }
#else
    sum = read_portable(job->bytes + first, count);
#endif
    atomic_fetch_add_explicit(&job->sum, sum, memory_order_relaxed);
}

uint64_t spec_stream_read(spec_pool *pool, const uint8_t *bytes, size_t count) {
    stream_job job = {.bytes = bytes, .count = count};
    spec_pool_run(pool, read_ticket, &job, (uint32_t)((count + PIECE_BYTES - 1) / PIECE_BYTES));
    return job.sum;
}
