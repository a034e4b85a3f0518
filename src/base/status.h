/// status.h: errors of the outside world (files, options, impossible jobs), as values.
///
/// Idea.    A function that can fail for a reason the user can mend returns a Status. REQUIRE, TRY
///          and FAIL are the whole idiom. Our own mistakes are not a Status: see check.h.
#ifndef COLOSSIM_BASE_STATUS_H
#define COLOSSIM_BASE_STATUS_H

#include <stdbool.h>

/// code, process exit code, one word for the log. The exit codes are those of the command line:
/// 0 done, 1 the run failed, 2 wrong usage or input, 3 output failed, 4 stopped on request,
/// resumable.
#define STATUS_TABLE(X)  \
    X(STATUS_OK, 0)      \
    X(STATUS_USAGE, 2)   \
    X(STATUS_INPUT, 2)   \
    X(STATUS_RANGE, 2)   \
    X(STATUS_NO_PATH, 1) \
    X(STATUS_STUCK, 1)   \
    X(STATUS_FAILED, 1)  \
    X(STATUS_OUTPUT, 3)  \
    X(STATUS_STOPPED, 4)

typedef enum StatusCode {
#define STATUS_ENUM(code, exit_code) code,
    STATUS_TABLE(STATUS_ENUM)
#undef STATUS_ENUM
} StatusCode;

enum { STATUS_TEXT_BYTES = 1000 };

/// A code and, unless STATUS_OK, a message for a person (may hold several lines).
typedef struct Status {
    StatusCode code;
    char text[STATUS_TEXT_BYTES];
} Status;

/// Make a failed Status from a printf format; cut at STATUS_TEXT_BYTES.
__attribute__((format(printf, 2, 3))) Status status_make(StatusCode code, const char *format, ...);

/// The success value.
static inline Status status_ok(void) {
    Status ok;
    ok.code = STATUS_OK;
    ok.text[0] = '\0';
    return ok;
}

static inline bool status_is_ok(const Status *status) { return status->code == STATUS_OK; }

/// Exit code of the process for this status.
int status_exit_code(StatusCode code);

#define FAIL(code, ...) return status_make((code), __VA_ARGS__)
#define REQUIRE(condition, code, ...)                              \
    do {                                                           \
        if (!(condition)) return status_make((code), __VA_ARGS__); \
    } while (0)
#define TRY(expression)                                      \
    do {                                                     \
        Status try_status = (expression);                    \
        if (try_status.code != STATUS_OK) return try_status; \
    } while (0)

#endif
