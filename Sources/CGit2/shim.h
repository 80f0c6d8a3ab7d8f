// libgit2 as Swift sees it. Swift does not import variadic functions, so each option of
// git_libgit2_opts that we use has a wrapper here. Every wrapper compiles against the headers of
// libgit2 1.1 to 1.9: an option that the installed headers do not know yet answers
// FORETOKEN_GIT_UNSUPPORTED, and the caller must ask at run time instead of assuming it worked.
#pragma once
#include <git2.h>
#include <stddef.h>
#include <string.h>

#define FORETOKEN_GIT_UNSUPPORTED (-1000)

#ifdef LIBGIT2_VERSION_MAJOR  // the newer of the two spellings
#define FORETOKEN_GIT_MAJOR LIBGIT2_VERSION_MAJOR
#define FORETOKEN_GIT_MINOR LIBGIT2_VERSION_MINOR
#else
#define FORETOKEN_GIT_MAJOR LIBGIT2_VER_MAJOR
#define FORETOKEN_GIT_MINOR LIBGIT2_VER_MINOR
#endif
#define FORETOKEN_GIT_HEADERS_AT_LEAST(major, minor) \
    (FORETOKEN_GIT_MAJOR > (major) || (FORETOKEN_GIT_MAJOR == (major) && FORETOKEN_GIT_MINOR >= (minor)))

// Declares repository extensions that libgit2 would otherwise refuse ("unsupported extension name").
static inline int foretoken_git_set_extensions(const char **names, size_t count) {
#if FORETOKEN_GIT_HEADERS_AT_LEAST(1, 3)
    return git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, names, count);
#else
    (void)names;
    (void)count;
    return FORETOKEN_GIT_UNSUPPORTED;
#endif
}

// Turns libgit2's own ownership check on or off for the whole process.
static inline int foretoken_git_set_owner_validation(int enabled) {
#if FORETOKEN_GIT_HEADERS_AT_LEAST(1, 5)
    return git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, enabled);
#else
    (void)enabled;
    return FORETOKEN_GIT_UNSUPPORTED;
#endif
}

// Bound of the object cache shared by all open repositories, in bytes.
static inline int foretoken_git_set_cache_byte_count(ptrdiff_t byte_count) {
    return git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, byte_count);
}

// Bound of the memory-mapped pack windows, in bytes.
static inline int foretoken_git_set_mapped_byte_count(size_t byte_count) {
    return git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, byte_count);
}

// Whether each object read is hashed again and compared with its name (a third of the time of a read).
static inline int foretoken_git_set_strict_hash_verification(int enabled) {
    return git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, enabled);
}

// Where configuration of one level is looked for; tests use it to leave the user's own files alone.
static inline int foretoken_git_set_search_path(int level, const char *path) {
    return git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, path);
}

// The 20 bytes of a SHA-1 object name; the struct's layout differs between versions.
static inline void foretoken_git_oid_bytes(const git_oid *oid, unsigned char *out) {
    memcpy(out, oid->id, 20);
}

static inline int foretoken_git_oid_from_bytes(git_oid *out, const unsigned char *bytes) {
    memset(out, 0, sizeof *out);
    memcpy(out->id, bytes, 20);
    return 0;
}
