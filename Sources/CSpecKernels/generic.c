// The portable kernels, compiled for the compiler's baseline and, on x86-64, for AVX2 and AVX-512.

#include "half.h"
#include "isa.h"
#include "panels.h"
#include "tables.h"
#include "vectors.h"

#pragma clang diagnostic ignored "-Wpsabi"  // wide vectors never cross a call: every function that takes one inlines

#define SPEC_TARGET
#define SPEC_SUFFIX portable
#include "generic.inc"
const spec_isa spec_isa_portable = SPEC_GENERIC_TABLE("portable");
#undef SPEC_TARGET
#undef SPEC_SUFFIX

#if defined(__x86_64__)

#include <immintrin.h>

#define SPEC_TARGET __attribute__((target("avx2,fma,f16c")))
#define SPEC_SUFFIX avx2
#define SPEC_WORD_PRODUCTS
#include "generic.inc"
const spec_isa spec_isa_generic_avx2 = SPEC_GENERIC_TABLE("avx2");
#undef SPEC_TARGET
#undef SPEC_SUFFIX
#undef SPEC_WORD_PRODUCTS

#define SPEC_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c")))
#define SPEC_SUFFIX avx512
#include "generic.inc"
const spec_isa spec_isa_generic_avx512 = SPEC_GENERIC_TABLE("avx512");
#undef SPEC_TARGET
#undef SPEC_SUFFIX

#endif
