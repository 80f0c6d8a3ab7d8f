// How weight panels are laid out: the one place that packing and all tiles agree on. A panel is 16 output rows; in
// every 64-byte vector of it a 32-bit lane is one output, holding four consecutive inputs of one byte each.
//
// Everything that a block needs lies beside it, and a panel is read from its first byte to its last: hardware
// prefetchers follow a stream without gaps, and stop at one that skips even ten cache lines per panel.
//
// Per block of 32 inputs:
//   4-bit codes    256 bytes: vector v holds inputs 4v… in its low nibbles and 16 + 4v… in its high nibbles
//   8-bit codes    512 bytes: vector v holds inputs 4v…
//   plane of Q5_K  64 bytes: bit v is the fifth bit of a low nibble of vector v, bit 4 + v that of a high nibble
//   plane of Q6_K  128 bytes: bits 2v… are the upper two bits of vector v; first the low nibbles', then the high ones'
//   scales         32 bytes. Q4_0, Q8_0: [16] f16; K types: small scales and minima [2][16] u8 (Q6_K: scales of halves
//                  [2][16] i8)
//
// A pair of blocks is the scales of both, then codes and plane of the one, then of the other: whole cache lines. A last
// block without a partner leaves the other half of its pair unused. K types begin each 256 inputs with 64 bytes: f16
// scales [16], f16 scales of the minima [16] (Q6_K: unused).
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

/// Bytes of a pair of blocks of a quantised type; a multiple of 64.
static inline size_t spec_pair_bytes(spec_weight_type type) {
    return 64 + 2 * (spec_code_bytes(type) + spec_plane_bytes(type));
}

/// Bytes of 256 inputs of a panel of a K type; a multiple of 64.
static inline size_t spec_super_bytes(spec_weight_type type) {
    return 64 + SPEC_BLOCKS_PER_SUPER / 2 * spec_pair_bytes(type);
}

static inline bool spec_type_is_k(spec_weight_type type) {
    return type == SPEC_Q4_K || type == SPEC_Q5_K || type == SPEC_Q6_K;
}

/// Block b of a panel of a quantised type. `type` is a constant where this is inlined into a tile.
static inline __attribute__((always_inline)) spec_block_view spec_view_block(spec_weight_type type,
                                                                              const uint8_t *panel, int32_t b) {
    spec_block_view view = {};
    const size_t block_bytes = spec_code_bytes(type) + spec_plane_bytes(type), second = (size_t)(b % 2);
    const uint8_t *pair = panel + (size_t)(b / 2) * spec_pair_bytes(type);
    if (spec_type_is_k(type)) pair += ((size_t)(b / SPEC_BLOCKS_PER_SUPER) + 1) * 64;
    view.codes = pair + 64 + second * block_bytes;
    if (!spec_type_is_k(type)) {
        view.scales = pair + second * 32;
        return view;
    }
    if (spec_plane_bytes(type)) view.plane = view.codes + spec_code_bytes(type);
    view.small_scales = pair + second * 32;
    if (type != SPEC_Q6_K) view.small_minima = view.small_scales + 16;
    view.scales = panel + (size_t)(b / SPEC_BLOCKS_PER_SUPER) * spec_super_bytes(type);
    view.minimum_scales = view.scales + 32;
    return view;
}

#pragma clang assume_nonnull end
