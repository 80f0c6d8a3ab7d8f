// Half-precision conversions, inline because they stand in inner loops. By integer arithmetic, so that they are the
// same on every target and unaffected by flush-to-zero.

#pragma once

#include <stdint.h>
#include <string.h>

/// IEEE binary16 to f32, exactly.
static inline float spec_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    uint32_t bits = (exponent + 112) << 23 | fraction << 13;
    if (exponent == 31) bits |= 0x7f800000;
    if (exponent == 0) {
        const float small = (float)fraction * 0x1p-24f;
        memcpy(&bits, &small, 4);
    }
    bits |= sign;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/// bf16 to f32, exactly.
static inline float spec_bf16_to_f32(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
