/// check.h: our own mistakes stop the run, in every build type.
///
/// CHECK prints place, expression and message, flushes, and calls the abort hook (par/ points it at
/// MPI_Abort). DCHECK is CHECK in debug builds and nothing otherwise. No assert.h anywhere.
#ifndef COLOSSIM_BASE_CHECK_H
#define COLOSSIM_BASE_CHECK_H

/// Print a failed check and end the process through the hook; never returns.
__attribute__((noreturn, format(printf, 4, 5))) void check_fail(const char *file, int line,
                                                                const char *expression,
                                                                const char *format, ...);

/// Install what ends all processes (default: abort()). `hook` must not return.
void check_set_abort_hook(void (*hook)(void));

#define CHECK(condition, ...)                                        \
    do {                                                             \
        if (__builtin_expect(!(condition), 0))                       \
            check_fail(__FILE__, __LINE__, #condition, __VA_ARGS__); \
    } while (0)

#ifdef COLOSSIM_DEBUG
#define DCHECK(condition, ...) CHECK(condition, __VA_ARGS__)
#else
#define DCHECK(condition, ...) ((void)sizeof(!(condition)))
#endif

#endif
