// Which kernels run: the best table that CPU and operating system support, or the one asked for by name.

#include "tables.h"

#include <pthread.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)

static spec_isa avx2, avx512;

static void fill_tables(void) {
    avx2 = spec_isa_generic_avx2;
    spec_use_avx2_tiles(&avx2);
    avx512 = spec_isa_generic_avx512;
    spec_use_avx512_tiles(&avx512);
    avx512.attention_chunk = spec_attention_chunk_avx512;
}

// __builtin_cpu_supports also asks the operating system whether it saves the registers.
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}

const spec_isa *spec_isa_named(const char *name) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    __builtin_cpu_init();
    pthread_once(&once, fill_tables);
    if (strcmp(name, "avx512") == 0 && has_avx512()) return &avx512;
    if (strcmp(name, "avx2") == 0 && has_avx2()) return &avx2;
    if (strcmp(name, "portable") == 0) return &spec_isa_portable;
    return NULL;
}

#elif defined(__aarch64__)

static spec_isa neon;

static void fill_tables(void) {
    neon = spec_isa_portable;
    neon.name = "neon";
    spec_use_neon_tiles(&neon);
}

const spec_isa *spec_isa_named(const char *name) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_tables);
    if (strcmp(name, "neon") == 0 && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)) return &neon;
    return strcmp(name, "portable") == 0 ? &spec_isa_portable : NULL;
}

#else

const spec_isa *spec_isa_named(const char *name) {
    return strcmp(name, "portable") == 0 ? &spec_isa_portable : NULL;
}

#endif

const spec_isa *spec_isa_best(void) {
    static const char *const names[] = {"avx512", "avx2", "neon"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const spec_isa *isa = spec_isa_named(names[i]);
        if (isa) return isa;
    }
    return &spec_isa_portable;
}

const char *spec_isa_name(const spec_isa *isa) { return isa->name; }
