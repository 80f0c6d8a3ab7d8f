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

/// f32 to bf16: to nearest, ties to even; NaN stays NaN; denormals become zero, as the hardware conversion makes them.
static inline uint16_t spec_f32_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    if ((bits & 0x7f800000) == 0) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float spec_bf16_to_f32(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
