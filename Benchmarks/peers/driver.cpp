// One measurement of llama.cpp at a time, on demand, so that another engine's can come in between: prepares a context
// once, says `ready`, and then answers every line on standard input with one number on standard output, the seconds
// that the measured passes took. Built against libllama by build.sh; run.py talks to it. `foretoken bench --paced`
// speaks the same protocol.
//
// usage: driver MODEL TEXT THREADS KIND COUNT DEPTH FLASH KEYS VALUES STATES
//   TEXT    file whose tokens are read; its first DEPTH tokens stand before everything measured
//   KIND    prompt: COUNT tokens in one call; decode: COUNT tokens one by one; rows: one pass of COUNT rows with
//           logits for each, as a verification of drafted tokens needs (the mean of a few)
//   FLASH   1 or 0: flash attention
//   KEYS, VALUES   f16 or q8_0: types of the cache
//   STATES  directory where the keys and values of DEPTH tokens are kept, since reading them again takes minutes
//
// Tokens are given, not sampled: llama.cpp's figure is that of its passes alone. Batches are those of llama-bench
// (2048 tokens, 512 at once).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "llama.h"

namespace {

constexpr int batch_tokens = 2048;
constexpr int pass_tokens = 512;
constexpr int passes_per_timing = 8;  // of `rows`: one alone is too short to time

[[noreturn]] void fail(const std::string &what) {
    std::fprintf(stderr, "driver: %s\n", what.c_str());
    std::exit(1);
}

ggml_type cache_type(const std::string &name) {
    if (name == "f16") return GGML_TYPE_F16;
    if (name == "q8_0") return GGML_TYPE_Q8_0;
    fail("unknown cache type " + name);
}

std::vector<llama_token> tokens_of(const std::string &path, const llama_vocab *vocab) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail("cannot read " + path);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<llama_token> tokens(text.size());
    const int count = llama_tokenize(vocab, text.data(), (int32_t)text.size(), tokens.data(),
                                     (int32_t)tokens.size(), false, false);
    if (count < 0) fail("cannot tokenize " + path);
    tokens.resize(count);
    return tokens;
}

// FNV-1a over the token ids: both engines print it, so that run.py can tell whether they read the same tokens.
uint64_t fingerprint(const std::vector<llama_token> &tokens) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const llama_token token : tokens) {
        for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ ((uint32_t)token >> shift & 0xff)) * 0x100000001b3u;
    }
    return hash;
}

// One pass (or several, beyond a batch) over `count` tokens; logits of the last, or of all.
void pass(llama_context *context, const llama_token *tokens, int first, int count, bool all_logits) {
    for (int done = 0; done < count;) {
        const int size = std::min(batch_tokens, count - done);
        llama_batch batch = llama_batch_init(size, 0, 1);
        for (int i = 0; i < size; i++) {
            batch.token[i] = tokens[first + done + i];
            batch.pos[i] = first + done + i;
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i] = all_logits || done + i == count - 1;
        }
        batch.n_tokens = size;
        if (llama_decode(context, batch) != 0) fail("llama_decode failed");
        llama_batch_free(batch);
        done += size;
    }
    llama_synchronize(context);
}

void prepare_depth(llama_context *context, const std::vector<llama_token> &tokens, int depth, const std::string &state) {
    if (depth == 0) return;
    std::vector<llama_token> restored(depth);
    size_t restored_count = 0;
    if (std::ifstream(state).good() &&
        llama_state_seq_load_file(context, state.c_str(), 0, restored.data(), depth, &restored_count) > 0 &&
        restored_count == (size_t)depth && std::equal(restored.begin(), restored.end(), tokens.begin())) {
        return;
    }
    llama_memory_clear(llama_get_memory(context), true);
    pass(context, tokens.data(), 0, depth, false);
    const std::string unfinished = state + ".unfinished";
    llama_state_seq_save_file(context, unfinished.c_str(), 0, tokens.data(), depth);
    std::rename(unfinished.c_str(), state.c_str());
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 11) fail("usage: driver MODEL TEXT THREADS KIND COUNT DEPTH FLASH KEYS VALUES STATES");
    const std::string model_path = argv[1], text = argv[2], kind = argv[4], flash = argv[7], keys = argv[8],
                      values = argv[9];
    const int threads = std::atoi(argv[3]), count = std::atoi(argv[5]), depth = std::atoi(argv[6]);

    llama_log_set([](ggml_log_level level, const char *message, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) std::fputs(message, stderr);
    }, nullptr);
    llama_backend_init();
    llama_model *model = llama_model_load_from_file(model_path.c_str(), llama_model_default_params());
    if (!model) fail("cannot load " + model_path);

    std::vector<llama_token> tokens = tokens_of(text, llama_model_get_vocab(model));
    if (tokens.size() < (size_t)(depth + count)) fail(text + " has only " + std::to_string(tokens.size()) + " tokens");
    tokens.resize(depth + count);

    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = (depth + count + 255) / 256 * 256;
    parameters.n_batch = batch_tokens;
    parameters.n_ubatch = pass_tokens;
    parameters.n_seq_max = 1;
    parameters.n_threads = parameters.n_threads_batch = threads;
    parameters.flash_attn_type = flash == "1" ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    parameters.type_k = cache_type(keys);
    parameters.type_v = cache_type(values);
    parameters.no_perf = true;
    llama_context *context = llama_init_from_model(model, parameters);
    if (!context) fail("cannot make a context");

    const std::string name = model_path.substr(model_path.rfind('/') + 1) + "-" + std::to_string(depth) + "-fa" +
                             flash + "-" + keys + "-" + values + ".state";
    prepare_depth(context, tokens, depth, std::string(argv[10]) + "/" + name);
    std::printf("ready %016llx\n", (unsigned long long)fingerprint(tokens));
    std::fflush(stdout);

    for (std::string line; std::getline(std::cin, line);) {
        const auto start = std::chrono::steady_clock::now();
        int repeats = 1;
        if (kind == "decode") {
            for (int i = 0; i < count; i++) pass(context, tokens.data(), depth + i, 1, true);
        } else if (kind == "prompt") {
            pass(context, tokens.data(), depth, count, false);
        } else {
            repeats = passes_per_timing;
            for (int i = 0; i < repeats; i++) {
                llama_memory_seq_rm(llama_get_memory(context), 0, depth, -1);
                pass(context, tokens.data(), depth, count, true);
            }
        }
        const std::chrono::duration<double> seconds = (std::chrono::steady_clock::now() - start) / repeats;
        llama_memory_seq_rm(llama_get_memory(context), 0, depth, -1);
        std::printf("%.9f\n", seconds.count());
        std::fflush(stdout);
    }
    llama_free(context);
    llama_model_free(model);
    llama_backend_free();
}
