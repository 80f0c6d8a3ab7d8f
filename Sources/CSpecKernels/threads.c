// The thread team: dynamic tickets, the caller takes part, helpers spin while a request is live and sleep on a
// futex between requests. Dynamic tickets because a helper that the scheduler has taken off its core must not
// hold up a join for a time slice: developers compile while they type.

#define _GNU_SOURCE  // sched_getaffinity

#include "isa.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define spin_pause() _mm_pause()
#else
#define spin_pause() __asm__ volatile("yield")
#endif

struct spec_cancel {
    atomic_bool raised;
};

// Epoch, ticket count and next ticket in one word: a claim that succeeds names the job it belongs to, and that
// job cannot end, nor its context be replaced, before the claimed ticket is reported done.
#define NEXT_BITS 21
#define COUNT_BITS 20
#define NEXT_MASK ((1ull << NEXT_BITS) - 1)
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)

struct spec_pool {
    _Alignas(64) _Atomic(uint64_t) word;
    _Alignas(64) _Atomic(uint32_t) done;
    _Alignas(64) void (*ticket)(void *, uint32_t);
    void *context;
    const spec_cancel *cancel;
    _Alignas(64) _Atomic(uint32_t) live;  // futex: 1 while a request is live, 2 when the pool ends
    const spec_isa *isa;
    int32_t thread_count;
    int32_t started;
    pthread_t threads[];
};

#define MAXIMUM_THREADS 64
// Pauses before a spinning helper offers its core: about 50 µs, longer than any serial part of a pass.
#define SPINS_BEFORE_YIELD 2000

static bool cancelled(const spec_pool *pool) {
    return pool->cancel && atomic_load_explicit(&pool->cancel->raised, memory_order_relaxed);
}

// Executes tickets of the current job until none is left, then reports how many this thread finished.
static void work(spec_pool *pool) {
    uint32_t finished = 0;
    for (;;) {
        uint64_t word = atomic_load_explicit(&pool->word, memory_order_acquire);
        if ((word & NEXT_MASK) >= ((word >> NEXT_BITS) & COUNT_MASK)) break;
        word = atomic_fetch_add_explicit(&pool->word, 1, memory_order_acquire);
        const uint32_t next = (uint32_t)(word & NEXT_MASK);
        if (next >= ((word >> NEXT_BITS) & COUNT_MASK)) break;
        if (!cancelled(pool)) pool->ticket(pool->context, next);
        finished++;
    }
    if (finished) atomic_fetch_add_explicit(&pool->done, finished, memory_order_release);
}

static void futex_wait(_Atomic(uint32_t) *address, uint32_t expected) {
    syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic(uint32_t) *address) {
    syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
}

static void *helper(void *argument) {
    spec_pool *pool = argument;
    spec_thread_set_name("compute-helper");
    spec_thread_flush_denormals();
    uint32_t idle = 0;
    for (;;) {
        const uint32_t live = atomic_load_explicit(&pool->live, memory_order_acquire);
        if (live == 2) return NULL;
        if (live == 0) {
            futex_wait(&pool->live, 0);
            continue;
        }
        const uint64_t word = atomic_load_explicit(&pool->word, memory_order_relaxed);
        if ((word & NEXT_MASK) < ((word >> NEXT_BITS) & COUNT_MASK)) {
            work(pool);
            idle = 0;
        } else if (++idle > SPINS_BEFORE_YIELD) {
            sched_yield();
        } else {
            spin_pause();
        }
    }
}

spec_pool *spec_pool_create(int32_t thread_count, const spec_isa *isa) {
    if (thread_count < 1 || thread_count > MAXIMUM_THREADS) return NULL;
    const size_t bytes = sizeof(spec_pool) + (size_t)thread_count * sizeof(pthread_t);
    spec_pool *pool = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!pool) return NULL;
    memset(pool, 0, bytes);
    pool->isa = isa;
    pool->thread_count = thread_count;
    for (int32_t i = 0; i + 1 < thread_count; i++) {
        if (pthread_create(&pool->threads[i], NULL, helper, pool) != 0) {
            spec_pool_destroy(pool);
            return NULL;
        }
        pool->started++;
    }
    return pool;
}

void spec_pool_destroy(spec_pool *pool) {
    atomic_store_explicit(&pool->live, 2, memory_order_release);
    futex_wake_all(&pool->live);
    for (int32_t i = 0; i < pool->started; i++) pthread_join(pool->threads[i], NULL);
    free(pool);
}

int32_t spec_pool_thread_count(const spec_pool *pool) { return pool->thread_count; }
const spec_isa *spec_pool_isa(const spec_pool *pool) { return pool->isa; }

void spec_pool_begin(spec_pool *pool, const spec_cancel *cancel) {
    pool->cancel = cancel;
    atomic_store_explicit(&pool->live, 1, memory_order_release);
    if (pool->started) futex_wake_all(&pool->live);
}

void spec_pool_end(spec_pool *pool) {
    atomic_store_explicit(&pool->live, 0, memory_order_release);
    pool->cancel = NULL;
}

bool spec_pool_run(spec_pool *pool, void (*ticket)(void *, uint32_t), void *context, uint32_t ticket_count) {
    if (ticket_count == 0) return !cancelled(pool);
    if (pool->thread_count == 1 || ticket_count == 1) {
        for (uint32_t i = 0; i < ticket_count; i++) {
            if (cancelled(pool)) return false;
            ticket(context, i);
        }
        return !cancelled(pool);
    }
    pool->ticket = ticket;
    pool->context = context;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    const uint64_t epoch = (atomic_load_explicit(&pool->word, memory_order_relaxed) >> (NEXT_BITS + COUNT_BITS)) + 1;
    atomic_store_explicit(&pool->word,
                          epoch << (NEXT_BITS + COUNT_BITS) | (uint64_t)ticket_count << NEXT_BITS,
                          memory_order_release);
    work(pool);
    uint32_t spins = 0;
    while (atomic_load_explicit(&pool->done, memory_order_acquire) < ticket_count) {
        if (++spins > SPINS_BEFORE_YIELD) sched_yield();
        else spin_pause();
    }
    return !cancelled(pool);
}

spec_cancel *spec_cancel_create(void) {
    spec_cancel *cancel = malloc(sizeof(spec_cancel));
    if (cancel) atomic_init(&cancel->raised, false);
    return cancel;
}

void spec_cancel_destroy(spec_cancel *cancel) { free(cancel); }
void spec_cancel_raise(spec_cancel *cancel) { atomic_store(&cancel->raised, true); }
bool spec_cancel_is_raised(const spec_cancel *cancel) { return atomic_load(&cancel->raised); }

void spec_thread_flush_denormals(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);  // flush-to-zero and denormals-are-zero
#endif
}

void spec_thread_set_name(const char *name) { prctl(PR_SET_NAME, name); }

int32_t spec_available_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}
