// The kernel tables by instruction set, and how one starts from another.

#pragma once

#include "isa.h"

#pragma clang assume_nonnull begin

extern const spec_isa spec_isa_portable;
#if defined(__x86_64__)
extern const spec_isa spec_isa_generic_avx2;
extern const spec_isa spec_isa_generic_avx512;
#endif

/// Replaces a table's linear tiles by hand-written ones.
void spec_use_avx2_tiles(spec_isa *isa);
void spec_use_avx512_tiles(spec_isa *isa);
void spec_use_neon_tiles(spec_isa *isa);
spec_attention_chunk_fn spec_attention_chunk_avx512;

#pragma clang assume_nonnull end
