// See http_client.h. The numbers below are libcurl's binary interface (soname 4, unchanged since 2006); where its
// headers are installed, the compiler compares.

#include "http_client.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_WRITEDATA = 10001,
    OPTION_URL = 10002,
    OPTION_PROXY = 10004,
    OPTION_ERRORBUFFER = 10010,
    OPTION_POSTFIELDS = 10015,
    OPTION_HTTPHEADER = 10023,
    OPTION_XFERINFODATA = 10057,
    OPTION_NOPROGRESS = 43,
    OPTION_FOLLOWLOCATION = 52,
    OPTION_NOSIGNAL = 99,
    OPTION_TIMEOUT_MS = 155,
    OPTION_CONNECTTIMEOUT_MS = 156,
    OPTION_PROTOCOLS = 181,
    OPTION_WRITEFUNCTION = 20011,
    OPTION_XFERINFOFUNCTION = 20219,
    OPTION_POSTFIELDSIZE_LARGE = 30120,
    INFO_RESPONSE_CODE = 0x200002,
    PROTOCOL_HTTP = 1,
    PROTOCOL_HTTPS = 2,
    GLOBAL_DEFAULT = 3,
    ERROR_BUFFER_SIZE = 256,
    CODE_OK = 0,
    CODE_COULDNT_RESOLVE_PROXY = 5,
    CODE_COULDNT_RESOLVE_HOST = 6,
    CODE_COULDNT_CONNECT = 7,
    CODE_PARTIAL_FILE = 18,
    CODE_WRITE_ERROR = 23,
    CODE_TIMEDOUT = 28,
    CODE_ABORTED_BY_CALLBACK = 42,
    CODE_GOT_NOTHING = 52,
    CODE_SEND_ERROR = 55,
    CODE_RECV_ERROR = 56,
};

#if __has_include(<curl/curl.h>)
#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "libcurl's numbers")
SAME(OPTION_WRITEDATA, CURLOPT_WRITEDATA);
SAME(OPTION_URL, CURLOPT_URL);
SAME(OPTION_PROXY, CURLOPT_PROXY);
SAME(OPTION_ERRORBUFFER, CURLOPT_ERRORBUFFER);
SAME(OPTION_POSTFIELDS, CURLOPT_POSTFIELDS);
SAME(OPTION_HTTPHEADER, CURLOPT_HTTPHEADER);
SAME(OPTION_XFERINFODATA, CURLOPT_XFERINFODATA);
SAME(OPTION_NOPROGRESS, CURLOPT_NOPROGRESS);
SAME(OPTION_FOLLOWLOCATION, CURLOPT_FOLLOWLOCATION);
SAME(OPTION_NOSIGNAL, CURLOPT_NOSIGNAL);
SAME(OPTION_TIMEOUT_MS, CURLOPT_TIMEOUT_MS);
SAME(OPTION_PROTOCOLS, CURLOPT_PROTOCOLS);
SAME(OPTION_CONNECTTIMEOUT_MS, CURLOPT_CONNECTTIMEOUT_MS);
SAME(OPTION_WRITEFUNCTION, CURLOPT_WRITEFUNCTION);
SAME(OPTION_XFERINFOFUNCTION, CURLOPT_XFERINFOFUNCTION);
SAME(OPTION_POSTFIELDSIZE_LARGE, CURLOPT_POSTFIELDSIZE_LARGE);
SAME(INFO_RESPONSE_CODE, CURLINFO_RESPONSE_CODE);
SAME(GLOBAL_DEFAULT, CURL_GLOBAL_DEFAULT);
SAME(CODE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_PROXY);
SAME(CODE_PARTIAL_FILE, CURLE_PARTIAL_FILE);
SAME(CODE_GOT_NOTHING, CURLE_GOT_NOTHING);
SAME(CODE_ABORTED_BY_CALLBACK, CURLE_ABORTED_BY_CALLBACK);
#endif

typedef struct list list;
static struct {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    int (*easy_setopt)(void *handle, int option, ...);
    int (*easy_perform)(void *handle);
    int (*easy_getinfo)(void *handle, int info, ...);
    void (*easy_cleanup)(void *handle);
    const char *(*easy_strerror)(int code);
    list *(*slist_append)(list *, const char *);
    void (*slist_free_all)(list *);
    int is_loaded;
} curl;

static void load(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    *(void **)&curl.global_init = dlsym(library, "curl_global_init");
    *(void **)&curl.easy_init = dlsym(library, "curl_easy_init");
    *(void **)&curl.easy_setopt = dlsym(library, "curl_easy_setopt");
    *(void **)&curl.easy_perform = dlsym(library, "curl_easy_perform");
    *(void **)&curl.easy_getinfo = dlsym(library, "curl_easy_getinfo");
    *(void **)&curl.easy_cleanup = dlsym(library, "curl_easy_cleanup");
    *(void **)&curl.easy_strerror = dlsym(library, "curl_easy_strerror");
    *(void **)&curl.slist_append = dlsym(library, "curl_slist_append");
    *(void **)&curl.slist_free_all = dlsym(library, "curl_slist_free_all");
    curl.is_loaded = curl.global_init && curl.easy_init && curl.easy_setopt && curl.easy_perform && curl.easy_getinfo &&
                     curl.easy_cleanup && curl.easy_strerror && curl.slist_append && curl.slist_free_all &&
                     curl.global_init(GLOBAL_DEFAULT) == CODE_OK;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *context) {
    const foretoken_http_request *request = context;
    return request->on_body(request->context, bytes, size * count) ? size * count : 0;
}

static int on_progress(void *context, long long a, long long b, long long c, long long d) {
    (void)a, (void)b, (void)c, (void)d;
    const foretoken_http_request *request = context;
    return request->should_stop(request->context);
}

static foretoken_http_outcome outcome(int code) {
    switch (code) {
    case CODE_OK: return FORETOKEN_HTTP_DONE;
    case CODE_WRITE_ERROR:
    case CODE_ABORTED_BY_CALLBACK: return FORETOKEN_HTTP_STOPPED;
    case CODE_TIMEDOUT: return FORETOKEN_HTTP_TIMEOUT;
    case CODE_COULDNT_RESOLVE_PROXY:
    case CODE_PARTIAL_FILE:
    case CODE_COULDNT_RESOLVE_HOST:
    case CODE_COULDNT_CONNECT:
    case CODE_GOT_NOTHING:
    case CODE_SEND_ERROR:
    case CODE_RECV_ERROR: return FORETOKEN_HTTP_UNREACHABLE;
    default: return FORETOKEN_HTTP_FAILED;
    }
}

void foretoken_http_perform(const foretoken_http_request *request, foretoken_http_result *result) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    memset(result, 0, sizeof *result);
    void *handle = curl.is_loaded ? curl.easy_init() : NULL;
    if (!handle) {
        result->outcome = FORETOKEN_HTTP_NO_LIBRARY;
        return;
    }
    char message[ERROR_BUFFER_SIZE] = "";
    list *headers = NULL;
    for (size_t i = 0; i < request->header_count; i++) headers = curl.slist_append(headers, request->headers[i]);
    long protocols = request->allows_plain_http ? PROTOCOL_HTTP | PROTOCOL_HTTPS : PROTOCOL_HTTPS;
    curl.easy_setopt(handle, OPTION_URL, request->url);
    curl.easy_setopt(handle, OPTION_PROTOCOLS, protocols);
    curl.easy_setopt(handle, OPTION_FOLLOWLOCATION, 0L);
    curl.easy_setopt(handle, OPTION_NOSIGNAL, 1L);
    curl.easy_setopt(handle, OPTION_ERRORBUFFER, message);
    curl.easy_setopt(handle, OPTION_HTTPHEADER, headers);
    curl.easy_setopt(handle, OPTION_CONNECTTIMEOUT_MS, request->connect_timeout_ms);
    curl.easy_setopt(handle, OPTION_TIMEOUT_MS, request->timeout_ms);
    curl.easy_setopt(handle, OPTION_WRITEFUNCTION, on_write);
    curl.easy_setopt(handle, OPTION_WRITEDATA, request);
    curl.easy_setopt(handle, OPTION_NOPROGRESS, 0L);
    curl.easy_setopt(handle, OPTION_XFERINFOFUNCTION, on_progress);
    curl.easy_setopt(handle, OPTION_XFERINFODATA, request);
    // A server on this machine is never asked for through a proxy.
    if (request->allows_plain_http) curl.easy_setopt(handle, OPTION_PROXY, "");
    if (request->body) {
        curl.easy_setopt(handle, OPTION_POSTFIELDSIZE_LARGE, (long long)request->body_byte_count);
        curl.easy_setopt(handle, OPTION_POSTFIELDS, request->body);
    }
    int code = curl.easy_perform(handle);
    curl.easy_getinfo(handle, INFO_RESPONSE_CODE, &result->status);
    result->outcome = outcome(code);
    snprintf(result->message, sizeof result->message, "%s", message[0] ? message : curl.easy_strerror(code));
    curl.easy_cleanup(handle);
    curl.slist_free_all(headers);
}
