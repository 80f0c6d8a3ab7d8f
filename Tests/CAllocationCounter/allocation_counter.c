// The counting functions. They pass on to the names under which the GNU C library exports its own, so they need no
// dlsym, which would allocate itself.

#define _GNU_SOURCE

#include "allocation_counter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#if defined(__GLIBC__) && defined(__LP64__) && !defined(HAS_SANITIZER)
#define IS_AVAILABLE 1
#else
#define IS_AVAILABLE 0
#endif

static _Thread_local bool is_watched;
static _Atomic(uint64_t) total;

bool allocation_counter_is_available(void) { return IS_AVAILABLE; }

void allocation_counter_watch(bool watched) { is_watched = watched; }

uint64_t allocation_counter_total(void) { return total; }

void allocation_counter_watch_ticket(void *context, uint32_t index) {
    (void)index;
    allocation_counter_team *team = context;
    __atomic_add_fetch(&team->arrived_count, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&team->arrived_count, __ATOMIC_ACQUIRE) < team->thread_count) {
    }
    is_watched = team->is_watched;
}

#if IS_AVAILABLE

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count_one(void) {
    if (is_watched) atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    count_one();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    count_one();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    count_one();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    count_one();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count_one();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    count_one();
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
    count_one();
    return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
}

#endif
