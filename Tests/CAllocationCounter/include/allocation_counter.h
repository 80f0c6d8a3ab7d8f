// Counts what threads allocate, for tests. Linking this target puts its own malloc, calloc, realloc, aligned variants
// and mmap in front of the C library's, for the whole test process; they count on threads that are watched and
// otherwise only pass on.

#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __clang__
#pragma clang assume_nonnull begin
#endif

/// Whether calls are seen: with the GNU C library and without a sanitizer, which brings functions of its own.
bool allocation_counter_is_available(void);

/// From now on the calling thread's allocations count, or no longer do.
void allocation_counter_watch(bool is_watched);

/// Allocations by watched threads since the process began.
uint64_t allocation_counter_total(void);

/// A change for every thread of a team, made by as many tickets.
typedef struct allocation_counter_team {
    int32_t thread_count;
    int32_t arrived_count;  // 0
    bool is_watched;
} allocation_counter_team;

/// A ticket: waits until all threads have taken one, so that none takes two, then watches its own thread or stops.
void allocation_counter_watch_ticket(void *team, uint32_t index);

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
