// The naive twins of the kernels, as the formulas say and nothing more, and the f32 attention of --reference.
// Never vectorised by hand: tests compare everything else with these.

#include "half.h"
#include "isa.h"

#include <math.h>
#include <string.h>

// MARK: Weights, by the definitions of ggml's blocks

// What element `index` of a row is: scale · code − minimum. The scale is a product of at most 18 bits, so exact.
typedef struct naive_element {
    int32_t code;
    float scale, minimum;
} naive_element;

static float half_at(const uint8_t *p) {
    uint16_t half;
    memcpy(&half, p, 2);
    return spec_f16_to_f32(half);
}

static naive_element naive_q45_k(const uint8_t *block, int32_t index, bool is_q5) {
    const int32_t j = index / 32, in_pair = index % 64, l = index % 32;
    const uint8_t *scales = block + 4, *codes = block + (is_q5 ? 48 : 16);
    const int32_t small_scale = j < 4 ? scales[j] % 64 : scales[j + 4] % 16 + scales[j - 4] / 64 * 16;
    const int32_t small_minimum = j < 4 ? scales[j + 4] % 64 : scales[j + 4] / 16 + scales[j] / 64 * 16;
    const uint8_t byte = codes[index / 64 * 32 + l];
    int32_t code = in_pair < 32 ? byte % 16 : byte / 16;
    if (is_q5) code += (block[16 + l] >> j) % 2 * 16;
    return (naive_element){code, half_at(block) * (float)small_scale, half_at(block + 2) * (float)small_minimum};
}

static naive_element naive_q6_k(const uint8_t *block, int32_t index) {
    const int32_t half = index / 128, in_half = index % 128, l = in_half % 32;
    const uint8_t lower = block[half * 64 + in_half % 64], upper = block[128 + half * 32 + l];
    const int32_t code = (in_half < 64 ? lower % 16 : lower / 16) + (upper >> in_half / 32 * 2) % 4 * 16 - 32;
    return (naive_element){code, half_at(block + 208) * (float)(int8_t)block[192 + index / 16], 0};
}

static naive_element naive_element_at(spec_weight_type type, const uint8_t *row, int32_t index) {
    const int32_t in_block = index % 32, in_super = index % 256;
    const uint8_t *q4 = row + (size_t)(index / 32) * 18, *q8 = row + (size_t)(index / 32) * 34;
    const size_t super = (size_t)(index / 256);
    switch (type) {
    case SPEC_Q4_0: return (naive_element){(q4[2 + in_block % 16] >> in_block / 16 * 4) % 16 - 8, half_at(q4), 0};
    case SPEC_Q8_0: return (naive_element){(int8_t)q8[2 + in_block], half_at(q8), 0};
    case SPEC_Q4_K: return naive_q45_k(row + super * 144, in_super, false);
    case SPEC_Q5_K: return naive_q45_k(row + super * 176, in_super, true);
    case SPEC_Q6_K: return naive_q6_k(row + super * 210, in_super);
    default: return (naive_element){0};
    }
}

static size_t naive_row_bytes(spec_weight_type type, int32_t k) {
    switch (type) {
    case SPEC_F32: return (size_t)k * 4;
    case SPEC_F16:
    case SPEC_BF16: return (size_t)k * 2;
    case SPEC_Q4_0: return (size_t)k / 32 * 18;
    case SPEC_Q8_0: return (size_t)k / 32 * 34;
    case SPEC_Q4_K: return (size_t)k / 256 * 144;
    case SPEC_Q5_K: return (size_t)k / 256 * 176;
    case SPEC_Q6_K: return (size_t)k / 256 * 210;
    }
    return 0;
}

float spec_naive_weight(spec_weight_type type, const uint8_t *row, int32_t index) {
    float value;
    uint16_t half;
    switch (type) {
    case SPEC_F32: memcpy(&value, row + (size_t)index * 4, 4); return value;
    case SPEC_F16: return half_at(row + (size_t)index * 2);
    case SPEC_BF16: memcpy(&half, row + (size_t)index * 2, 2); return spec_bf16_to_f32(half);
    default: break;
    }
    const naive_element element = naive_element_at(type, row, index);
    return element.scale * (float)element.code - element.minimum;
}

// MARK: Products

// Block b of one row by one output. The minimum multiplies the sum of the inputs, the scale their integer products.
static float naive_block(spec_weight_type type, const uint8_t *weights, const uint8_t *row, int32_t k, int32_t b,
                         float accumulator) {
    const int8_t *q = (const int8_t *)row + b * 32;
    int32_t dots[2] = {0, 0}, sum = 0;
    naive_element element = {0}, halves[2];
    for (int32_t i = 0; i < 32; i++) {
        element = naive_element_at(type, weights, b * 32 + i);
        halves[i / 16] = element;
        dots[i / 16] += element.code * q[i];
        sum += q[i];
    }
    const float x_scale = spec_q8_scales(row, k)[b], dot = (float)(dots[0] + dots[1]);
    if (type == SPEC_Q6_K)
        return fmaf(fmaf(halves[1].scale, (float)dots[1], halves[0].scale * (float)dots[0]), x_scale, accumulator);
    if (type == SPEC_Q4_K || type == SPEC_Q5_K)
        return fmaf(fmaf(element.scale, dot, -element.minimum * (float)sum), x_scale, accumulator);
    return fmaf(dot, element.scale * x_scale, accumulator);
}

void spec_naive_linear_int8(spec_weight_type type, const uint8_t *gguf_rows, int32_t n, int32_t k, const uint8_t *x,
                            int32_t m, float *y, size_t y_stride) {
    for (int32_t r = 0; r < m; r++)
        for (int32_t o = 0; o < n; o++) {
            const uint8_t *weights = gguf_rows + (size_t)o * naive_row_bytes(type, k);
            float accumulator = 0;
            for (int32_t b = 0; b < k / 32; b++)
                accumulator = naive_block(type, weights, x + (size_t)r * spec_q8_row_bytes(k), k, b, accumulator);
            y[(size_t)r * y_stride + (size_t)o] = accumulator;
        }
}

void spec_naive_linear_float(spec_weight_type type, const uint8_t *gguf_rows, int32_t n, int32_t k, const float *x,
                             size_t x_stride, int32_t m, float *y, size_t y_stride) {
    for (int32_t r = 0; r < m; r++)
        for (int32_t o = 0; o < n; o++) {
            const uint8_t *weights = gguf_rows + (size_t)o * naive_row_bytes(type, k);
            float sums[2] = {0, 0};
            const float *row = x + (size_t)r * x_stride;
            for (int32_t i = 0; i < k; i++)
                sums[i % 2] = fmaf(spec_naive_weight(type, weights, i), row[i], sums[i % 2]);
            y[(size_t)r * y_stride + (size_t)o] = sums[0] + sums[1];
        }
}

// MARK: Row operations

void spec_naive_quantize_row(const float *x, uint8_t *out, int32_t k) {
    for (int32_t b = 0; b < k / 32; b++) {
        float greatest = 0;
        for (int32_t i = 0; i < 32; i++) greatest = fmaxf(greatest, fabsf(x[b * 32 + i]));
        const float inverse = greatest > 0 ? 127.0f / greatest : 0;
        int32_t sum = 0, half_sum = 0;
        for (int32_t i = 0; i < 32; i++) {
            const int32_t q = (int32_t)nearbyintf(x[b * 32 + i] * inverse);
            ((int8_t *)out)[b * 32 + i] = (int8_t)q;
            sum += q;
            if (i < 16) half_sum += q;
        }
        ((float *)(out + k))[b] = greatest / 127.0f;
        ((int32_t *)(out + k))[k / 32 + b] = -8 * sum;
        ((int32_t *)(out + k))[2 * (k / 32) + b] = -8 * half_sum;
    }
}

void spec_naive_rms_norm(const float *x, const float *weight, float epsilon, float *out, int32_t k) {
    double total = 0;
    for (int32_t i = 0; i < k; i++) total += (double)x[i] * (double)x[i];
    const double inverse = 1.0 / sqrt(total / k + (double)epsilon);
    for (int32_t i = 0; i < k; i++) out[i] = (float)((double)x[i] * inverse * (double)weight[i]);
}

void spec_naive_rope(float *x, const float *cosines, const float *sines, int32_t d) {
    for (int32_t i = 0; i < d / 2; i++) {
        const double a = (double)x[i], b = (double)x[i + d / 2], c = (double)cosines[i], s = (double)sines[i];
        x[i] = (float)(a * c - b * s);
        x[i + d / 2] = (float)(b * c + a * s);
    }
}

void spec_naive_swiglu(const float *gate, const float *up, float *out, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        const double g = (double)gate[i];
        out[i] = (float)(g / (1 + exp(-g)) * (double)up[i]);
    }
}

int32_t spec_naive_argmax(const float *x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i]))) best = i;
    return best;
}

static void cached_head(const spec_attention *a, int32_t kv_head, int32_t position, bool value, float *out) {
    const int32_t d = a->head_dimension, group = position % SPEC_CHUNK / SPEC_GROUP, lane = position % SPEC_GROUP;
    const uint8_t *p = a->blocks[position / SPEC_CHUNK] + a->layer_offset + (size_t)kv_head * spec_kv_chunk_bytes(d) +
                       (size_t)(group + (value ? 8 : 0)) * spec_kv_group_bytes(d);
    for (int32_t i = 0; i < d; i++) {
        const int32_t code = value ? (int8_t)p[((lane / 4) * d + i) * 4 + lane % 4]
                                   : p[((i / 4) * SPEC_GROUP + lane) * 4 + i % 4] - 128;
        out[i] = (float)code * spec_group_scales(p, d)[lane];
    }
}

void spec_naive_attention(const spec_attention *a) {
    const int32_t d = a->head_dimension;
    for (int32_t r = 0; r < a->m; r++)
        for (int32_t h = 0; h < a->head_count; h++) {
            const int32_t kv_head = h / (a->head_count / a->kv_head_count), position = a->first_position + r;
            const int32_t first = a->window > 0 && position + 1 > a->window ? position + 1 - a->window : 0;
            const float *q = a->queries + (size_t)r * a->query_stride + (size_t)h * (size_t)d;
            double maximum = -INFINITY, sum = 0, out[d];
            float head[d];
            memset(out, 0, sizeof out);
            for (int32_t pass = 0; pass < 2; pass++)
                for (int32_t t = first; t <= position; t++) {
                    double score = 0;
                    cached_head(a, kv_head, t, false, head);
                    for (int32_t i = 0; i < d; i++) score += (double)q[i] * (double)head[i];
                    score *= (double)a->scale;
                    if (pass == 0) {
                        maximum = fmax(maximum, score);
                        continue;
                    }
                    const double p = exp(score - maximum);
                    sum += p;
                    cached_head(a, kv_head, t, true, head);
                    for (int32_t i = 0; i < d; i++) out[i] += p * (double)head[i];
                }
            for (int32_t i = 0; i < d; i++)
                a->out[(size_t)r * a->out_stride + (size_t)h * (size_t)d + (size_t)i] = (float)(out[i] / sum);
        }
}

// MARK: f32 attention of --reference

typedef struct reference_job {
    const spec_isa *isa;
    const float *queries, *keys, *values;
    float *out;
    size_t query_stride, kv_stride, out_stride;
    int32_t first_position, heads, kv_heads, d, window;
    float scale;
} reference_job;

// One ticket is one row and head: online softmax over single keys, in ascending order.
static void reference_ticket(void *context, uint32_t index) {
    const reference_job *job = context;
    const int32_t row = (int32_t)index / job->heads, head = (int32_t)index % job->heads, d = job->d;
    const size_t kv_offset = (size_t)(head / (job->heads / job->kv_heads)) * (size_t)d;
    const float *q = job->queries + (size_t)row * job->query_stride + (size_t)head * (size_t)d;
    float *out = job->out + (size_t)row * job->out_stride + (size_t)head * (size_t)d;
    const int32_t position = job->first_position + row;
    const int32_t first = job->window > 0 && position + 1 > job->window ? position + 1 - job->window : 0;
    float scores[SPEC_CHUNK], maximum = -INFINITY, sum = 0;
    memset(out, 0, (size_t)d * 4);
    for (int32_t t = first; t <= position; t += SPEC_CHUNK) {
        const int32_t count = position + 1 - t < SPEC_CHUNK ? position + 1 - t : SPEC_CHUNK;
        float greatest = maximum;
        for (int32_t i = 0; i < count; i++) {
            scores[i] = job->isa->dot(q, job->keys + (size_t)(t + i) * job->kv_stride + kv_offset, d) * job->scale;
            greatest = scores[i] > greatest ? scores[i] : greatest;
        }
        const float rescale = expf(maximum - greatest);
        sum *= rescale;
        for (int32_t i = 0; i < count; i++) {
            const float p = expf(scores[i] - greatest);
            sum += p;
            const float *value = job->values + (size_t)(t + i) * job->kv_stride + kv_offset;
            job->isa->scale_add(out, i == 0 ? rescale : 1, value, p, d);
        }
        maximum = greatest;
    }
    for (int32_t i = 0; i < d; i++) out[i] /= sum;
}

bool spec_reference_attention(spec_pool *pool, const float *queries, size_t query_stride, const float *keys,
                              const float *values, size_t kv_stride, float *out, size_t out_stride, int32_t m,
                              int32_t first_position, int32_t head_count, int32_t kv_head_count, int32_t d,
                              int32_t window, float scale) {
    reference_job job = {.isa = spec_pool_isa(pool), .queries = queries, .keys = keys, .values = values, .out = out,
                         .query_stride = query_stride, .kv_stride = kv_stride, .out_stride = out_stride,
                         .first_position = first_position, .heads = head_count, .kv_heads = kv_head_count, .d = d,
                         .window = window, .scale = scale};
    return spec_pool_run(pool, reference_ticket, &job, (uint32_t)(m * head_count));
}
