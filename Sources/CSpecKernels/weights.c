// Weight formats: GGUF rows to f32 and into panels (panels.h says how those look). The block formats are ggml's; the
// naive twins in reference.c read them by other code.

#include "half.h"
#include "isa.h"
#include "panels.h"

#include <string.h>

/// Panels per ticket when a matrix is repacked: a fraction of a millisecond.
#define PANELS_PER_TICKET 4

bool spec_type_is_float(spec_weight_type type) { return type == SPEC_F32 || type == SPEC_F16 || type == SPEC_BF16; }

static size_t element_bytes(spec_weight_type type) { return type == SPEC_F32 ? 4 : 2; }

size_t spec_panel_bytes(spec_weight_type type, int32_t k) {
    if (spec_type_is_float(type)) return ((size_t)k * SPEC_PANEL * element_bytes(type) + 63) / 64 * 64;
    if (spec_type_is_k(type)) return (size_t)(k / SPEC_SUPER) * spec_super_bytes(type);
    return (size_t)((k / SPEC_BLOCK + 1) / 2) * spec_pair_bytes(type);
}

// MARK: Blocks

// 32 inputs of one row: value[i] = scale · small_scale[i / 16] · (codes[i] - offset) - minimum_scale · small_minimum.
typedef struct block {
    uint8_t codes[32];
    uint16_t scale, minimum_scale;  // f16
    uint8_t small_scale[2];         // Q6_K: int8
    uint8_t small_minimum;
} block;

static uint16_t load_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static void read_nibbles(const uint8_t *low16, const uint8_t *high16, int shift, uint8_t *codes) {
    for (int i = 0; i < 16; i++) codes[i] = low16[i] >> shift & 15;
    for (int i = 0; i < 16; i++) codes[16 + i] = high16[i] >> shift & 15;
}

// The 6-bit scale and minimum of block b, of 8 that share 12 bytes.
static void read_small_scales(const uint8_t *packed, int b, block *out) {
    if (b < 4) {
        out->small_scale[0] = packed[b] & 63;
        out->small_minimum = packed[b + 4] & 63;
    } else {
        out->small_scale[0] = (uint8_t)((packed[b + 4] & 15) | packed[b - 4] >> 6 << 4);
        out->small_minimum = (uint8_t)(packed[b + 4] >> 4 | packed[b] >> 6 << 4);
    }
    out->small_scale[1] = out->small_scale[0];
}

// ggml's block_q4_K: d, dmin, 12 bytes of small scales, 128 bytes; block_q5_K: 32 bytes of fifth bits before those.
static void read_q4_k(const uint8_t *super, int b, bool has_fifth_bit, block *out) {
    out->scale = load_u16(super);
    out->minimum_scale = load_u16(super + 2);
    read_small_scales(super + 4, b, out);
    const uint8_t *fifth = super + 16, *codes = super + (has_fifth_bit ? 48 : 16) + b / 2 * 32;
    read_nibbles(codes, codes + 16, b % 2 * 4, out->codes);
    if (has_fifth_bit)
        for (int i = 0; i < 32; i++) out->codes[i] |= (fifth[i] >> b & 1) << 4;
}

// ggml's block_q6_K: 128 bytes of lower, 64 of upper bits, 16 int8 scales, d.
static void read_q6_k(const uint8_t *super, int b, block *out) {
    const int half = b / 4, quarter = b % 4;
    const uint8_t *lower = super + half * 64 + quarter % 2 * 32, *upper = super + 128 + half * 32;
    read_nibbles(lower, lower + 16, quarter / 2 * 4, out->codes);
    for (int i = 0; i < 32; i++) out->codes[i] |= (upper[i] >> (2 * quarter) & 3) << 4;
    memcpy(out->small_scale, super + 192 + 2 * b, 2);
    out->scale = load_u16(super + 208);
}

// Block b of a row of a quantised type.
static void read_block(spec_weight_type type, const uint8_t *row, int32_t b, block *out) {
    const size_t super = (size_t)(b / SPEC_BLOCKS_PER_SUPER);
    switch (type) {
    case SPEC_Q4_0:
        row += (size_t)b * 18;
        out->scale = load_u16(row);
        for (int i = 0; i < 16; i++) {
            out->codes[i] = row[2 + i] & 15;
            out->codes[16 + i] = row[2 + i] >> 4;
        }
        break;
    case SPEC_Q8_0:
        row += (size_t)b * 34;
        out->scale = load_u16(row);
        memcpy(out->codes, row + 2, 32);
        break;
    case SPEC_Q4_K: read_q4_k(row + super * 144, b % SPEC_BLOCKS_PER_SUPER, false, out); break;
    case SPEC_Q5_K: read_q4_k(row + super * 176, b % SPEC_BLOCKS_PER_SUPER, true, out); break;
    case SPEC_Q6_K: read_q6_k(row + super * 210, b % SPEC_BLOCKS_PER_SUPER, out); break;
    case SPEC_F32:
    case SPEC_F16:
    case SPEC_BF16: break;
    }
}

static size_t row_bytes(spec_weight_type type, int32_t k) {
    const size_t blocks = (size_t)(k / SPEC_BLOCK), supers = (size_t)(k / SPEC_SUPER);
    switch (type) {
    case SPEC_Q4_0: return blocks * 18;
    case SPEC_Q8_0: return blocks * 34;
    case SPEC_Q4_K: return supers * 144;
    case SPEC_Q5_K: return supers * 176;
    case SPEC_Q6_K: return supers * 210;
    case SPEC_F32:
    case SPEC_F16:
    case SPEC_BF16: break;
    }
    return (size_t)k * element_bytes(type);
}

// MARK: To f32

static void dequantize_block(spec_weight_type type, const block *in, float *out) {
    const float scale = spec_f16_to_f32(in->scale);
    for (int i = 0; i < 32; i++) {
        switch (type) {
        case SPEC_Q4_0: out[i] = (float)(in->codes[i] - 8) * scale; break;
        case SPEC_Q8_0: out[i] = (float)(int8_t)in->codes[i] * scale; break;
        case SPEC_Q6_K: out[i] = scale * (float)(int8_t)in->small_scale[i / 16] * (float)(in->codes[i] - 32); break;
        default:
            out[i] = scale * (float)in->small_scale[0] * (float)in->codes[i] -
                     spec_f16_to_f32(in->minimum_scale) * (float)in->small_minimum;
        }
    }
}

void spec_dequantize_row(spec_weight_type type, const uint8_t *row, float *out, int32_t k) {
    if (type == SPEC_F32) {
        memcpy(out, row, (size_t)k * 4);
    } else if (spec_type_is_float(type)) {
        for (int32_t i = 0; i < k; i++) {
            const uint16_t element = load_u16(row + (size_t)i * 2);
            out[i] = type == SPEC_F16 ? spec_f16_to_f32(element) : spec_bf16_to_f32(element);
        }
    } else {
        for (int32_t b = 0; b < k / SPEC_BLOCK; b++) {
            block block;
            read_block(type, row, b, &block);
            dequantize_block(type, &block, out + (size_t)b * SPEC_BLOCK);
        }
    }
}

// MARK: Into panels

// Four bytes of every 16 go to four vectors' lane.
static void scatter(const uint8_t *bytes, int32_t vectors, uint8_t *out, int32_t lane) {
    for (int32_t v = 0; v < vectors; v++) memcpy(out + v * 64 + lane * 4, bytes + v * 4, 4);
}

static void pack_plane(spec_weight_type type, const uint8_t *codes, uint8_t *plane, int32_t lane) {
    uint8_t packed[8] = {0};
    for (int v = 0; v < 4; v++)
        for (int t = 0; t < 4; t++) {
            const uint8_t low = codes[v * 4 + t] >> 4, high = codes[16 + v * 4 + t] >> 4;
            if (type == SPEC_Q5_K) {
                packed[t] |= (uint8_t)(low << v | high << (v + 4));
            } else {
                packed[t] |= (uint8_t)(low << (2 * v));
                packed[4 + t] |= (uint8_t)(high << (2 * v));
            }
        }
    scatter(packed, type == SPEC_Q5_K ? 1 : 2, plane, lane);
}

static void pack_block(spec_weight_type type, const block *in, uint8_t *panel, int32_t b, int32_t lane) {
    const spec_block_view view = spec_view_block(type, panel, b);
    memcpy((uint8_t *)view.scales + lane * 2, &in->scale, 2);
    if (type == SPEC_Q8_0) {
        scatter(in->codes, 8, (uint8_t *)view.codes, lane);
        return;
    }
    uint8_t nibbles[16];
    for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)((in->codes[i] & 15) | in->codes[16 + i] << 4);
    scatter(nibbles, 4, (uint8_t *)view.codes, lane);
    if (type == SPEC_Q4_0) return;
    if (view.plane) pack_plane(type, in->codes, (uint8_t *)view.plane, lane);
    ((uint8_t *)view.small_scales)[lane] = in->small_scale[0];
    if (type == SPEC_Q6_K) {
        ((uint8_t *)view.small_scales)[16 + lane] = in->small_scale[1];
    } else {
        ((uint8_t *)view.small_minima)[lane] = in->small_minimum;
        memcpy((uint8_t *)view.minimum_scales + lane * 2, &in->minimum_scale, 2);
    }
}

typedef struct repack_job {
    spec_weight_type type;
    const uint8_t *rows;
    int32_t n, k;
    uint8_t *out;
} repack_job;

// The float panel's [K][16] from up to 16 rows, 16 inputs at a time so that a cache line is written once.
static void repack_float_panel(const repack_job *job, const uint8_t *rows, int32_t lanes, uint8_t *out) {
    const size_t bytes = element_bytes(job->type), stride = row_bytes(job->type, job->k);
    for (int32_t begin = 0; begin < job->k; begin += 16) {
        const int32_t end = begin + 16 < job->k ? begin + 16 : job->k;
        for (int32_t lane = 0; lane < lanes; lane++)
            for (int32_t i = begin; i < end; i++)
                memcpy(out + ((size_t)i * SPEC_PANEL + (size_t)lane) * bytes,
                       rows + (size_t)lane * stride + (size_t)i * bytes, bytes);
    }
}

static void repack_panel(const repack_job *job, int32_t panel) {
    const size_t stride = row_bytes(job->type, job->k), panel_bytes = spec_panel_bytes(job->type, job->k);
    const int32_t first = panel * SPEC_PANEL, lanes = job->n - first < SPEC_PANEL ? job->n - first : SPEC_PANEL;
    const uint8_t *rows = job->rows + (size_t)first * stride;
    uint8_t *out = job->out + (size_t)panel * panel_bytes;
    if (lanes < SPEC_PANEL) memset(out, 0, panel_bytes);
    if (spec_type_is_float(job->type)) {
        repack_float_panel(job, rows, lanes, out);
        return;
    }
    for (int32_t lane = 0; lane < lanes; lane++)
        for (int32_t b = 0; b < job->k / SPEC_BLOCK; b++) {
            block block = {0};
            read_block(job->type, rows + (size_t)lane * stride, b, &block);
            pack_block(job->type, &block, out, b, lane);
        }
}

static void repack_ticket(void *context, uint32_t index) {
    const repack_job *job = context;
    const int32_t panels = (job->n + SPEC_PANEL - 1) / SPEC_PANEL, begin = (int32_t)index * PANELS_PER_TICKET;
    for (int32_t panel = begin; panel < begin + PANELS_PER_TICKET && panel < panels; panel++)
        repack_panel(job, panel);
}

bool spec_repack(spec_pool *pool, spec_weight_type type, const uint8_t *rows, int32_t n, int32_t k, uint8_t *out) {
    repack_job job = {.type = type, .rows = rows, .n = n, .k = k, .out = out};
    const int32_t panels = (n + SPEC_PANEL - 1) / SPEC_PANEL;
    if (pool)
        return spec_pool_run(pool, repack_ticket, &job,
                             (uint32_t)((panels + PANELS_PER_TICKET - 1) / PANELS_PER_TICKET));
    for (int32_t panel = 0; panel < panels; panel++) repack_panel(&job, panel);
    return true;
}
