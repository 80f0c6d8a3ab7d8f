// How weight panels are laid out: the one place that packing and all tiles agree on. A panel is 16 output rows; in
// every 64-byte vector of it a 32-bit lane is one output, holding four consecutive inputs of one byte each.
//
// Per block of 32 inputs:
//   4-bit codes    256 bytes: vector v holds inputs 4v… in its low nibbles and 16 + 4v… in its high nibbles
//   8-bit codes    512 bytes: vector v holds inputs 4v…
//   plane of Q5_K  64 bytes: bit v is the fifth bit of a low nibble of vector v, bit 4 + v that of a high nibble
//   plane of Q6_K  128 bytes: bits 2v… are the upper two bits of vector v; first the low nibbles', then the high ones'
//
// Q4_0, Q8_0: the codes of all blocks, then their f16 scales [block][16].
// K types, per 256 inputs: the codes of 8 blocks, their planes, then small scales and minima [8][16] u8 (Q6_K: scales
// of halves [8][2][16] i8), f16 scales [16], f16 scales of the minima [16] (Q6_K: unused).
// Float types: [K][16] elements.

#pragma once

#include "spec_kernels.h"

#pragma clang assume_nonnull begin

#define SPEC_SUPER 256
#define SPEC_BLOCKS_PER_SUPER (SPEC_SUPER / SPEC_BLOCK)

/// Where the parts of one block of a panel lie. Parts that the type does not have are NULL.
typedef struct spec_block_view {
    const uint8_t *codes;
    const uint8_t *_Nullable plane;
    const uint8_t *scales;                   // [16] f16
    const uint8_t *_Nullable minimum_scales; // [16] f16
    const uint8_t *_Nullable small_scales;   // [16] u8, Q6_K: [2][16] i8
    const uint8_t *_Nullable small_minima;   // [16] u8
} spec_block_view;

static inline size_t spec_code_bytes(spec_weight_type type) { return type == SPEC_Q8_0 ? 512 : 256; }

static inline size_t spec_plane_bytes(spec_weight_type type) {
    return type == SPEC_Q5_K ? 64 : type == SPEC_Q6_K ? 128 : 0;
}

/// Bytes of 256 inputs of a panel of a K type; a multiple of 64.
static inline size_t spec_super_bytes(spec_weight_type type) {
    return SPEC_BLOCKS_PER_SUPER * (256 + spec_plane_bytes(type) + 32) + 64;
}

static inline bool spec_type_is_k(spec_weight_type type) {
    return type == SPEC_Q4_K || type == SPEC_Q5_K || type == SPEC_Q6_K;
}

/// Block b of a panel of a quantised type. `type` is a constant where this is inlined into a tile.
static inline __attribute__((always_inline)) spec_block_view spec_view_block(spec_weight_type type,
                                                                              const uint8_t *panel, int32_t k,
                                                                              int32_t b) {
    spec_block_view view = {};
    if (!spec_type_is_k(type)) {
        view.codes = panel + (size_t)b * spec_code_bytes(type);
        view.scales = panel + (size_t)(k / SPEC_BLOCK) * spec_code_bytes(type) + (size_t)b * 32;
        return view;
    }
    const size_t in_super = (size_t)(b % SPEC_BLOCKS_PER_SUPER), plane_bytes = spec_plane_bytes(type);
    const uint8_t *super = panel + (size_t)(b / SPEC_BLOCKS_PER_SUPER) * spec_super_bytes(type);
    const uint8_t *planes = super + SPEC_BLOCKS_PER_SUPER * 256, *small = planes + SPEC_BLOCKS_PER_SUPER * plane_bytes;
    view.codes = super + in_super * 256;
    if (plane_bytes) view.plane = planes + in_super * plane_bytes;
    view.small_scales = small + in_super * (type == SPEC_Q6_K ? 32 : 16);
    if (type != SPEC_Q6_K) view.small_minima = small + (SPEC_BLOCKS_PER_SUPER + in_super) * 16;
    view.scales = small + SPEC_BLOCKS_PER_SUPER * 32;
    view.minimum_scales = view.scales + 32;
    return view;
}

#pragma clang assume_nonnull end
