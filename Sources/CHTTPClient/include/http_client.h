// One HTTP request by libcurl, which is opened at run time with dlopen and only when a request is made: a daemon that
// talks to nobody maps no network library. Blocking; any thread; no state but the loaded library.
#pragma once
#include <stddef.h>

// Called with each piece of the body. Returning 0 ends the transfer.
typedef int (*foretoken_http_on_body)(void *context, const char *bytes, size_t count);
// Asked a few times a second. Returning non-zero ends the transfer.
typedef int (*foretoken_http_should_stop)(void *context);

typedef struct {
    const char *url;
    const char *const *headers;  // "Name: value"
    size_t header_count;
    const char *body;  // NULL for a GET request
    size_t body_byte_count;
    long connect_timeout_ms;
    long timeout_ms;       // of the whole transfer
    int allows_plain_http; // for loopback addresses
    foretoken_http_on_body on_body;
    foretoken_http_should_stop should_stop;
    void *context;
} foretoken_http_request;

typedef enum {
    FORETOKEN_HTTP_DONE = 0,
    FORETOKEN_HTTP_STOPPED = 1,     // by on_body or should_stop
    FORETOKEN_HTTP_NO_LIBRARY = 2,  // libcurl is not installed
    FORETOKEN_HTTP_UNREACHABLE = 3, // no connection; another attempt may succeed
    FORETOKEN_HTTP_TIMEOUT = 4,
    FORETOKEN_HTTP_FAILED = 5,      // anything else: a certificate, a broken answer, a bad URL
} foretoken_http_outcome;

typedef struct {
    foretoken_http_outcome outcome;
    long status;        // of the response; 0 when there was none
    char message[256];  // libcurl's words; never the URL's secrets, because they are in headers
} foretoken_http_result;

// Sends the request and hands the body over as it comes. Redirects are not followed: their status is the result.
void foretoken_http_perform(const foretoken_http_request *request, foretoken_http_result *result);
