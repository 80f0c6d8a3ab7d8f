// The kernel tables by instruction set, and how one starts from another.

#pragma once

#include "isa.h"

#pragma clang assume_nonnull begin

extern const spec_isa spec_isa_portable;
#if defined(__x86_64__)
extern const spec_isa spec_isa_generic_avx2;
extern const spec_isa spec_isa_generic_avx512;
#endif

void spec_q4_tile_avx2(const uint8_t *panel, const uint8_t *x, size_t x_row_bytes, int32_t k, int32_t rows, float *y,
                       size_t y_stride);
void spec_q4_tile_avx512(const uint8_t *panel, const uint8_t *x, size_t x_row_bytes, int32_t k, int32_t rows,
                         float *y, size_t y_stride);
spec_attention_chunk_fn spec_attention_chunk_avx512_bf16;

#pragma clang assume_nonnull end
