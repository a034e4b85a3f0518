#include "base/status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

Status status_make(StatusCode code, const char *format, ...) {
    Status status = {.code = code};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(status.text, sizeof status.text, format, arguments);
    va_end(arguments);
    return status;
}

int status_exit_code(StatusCode code) {
    static const int EXIT_CODES[] = {
#define STATUS_ROW(code, exit_code) [code] = exit_code,
        STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
    };
    CHECK((size_t)code < sizeof EXIT_CODES / sizeof EXIT_CODES[0],
          "status code %d is not in STATUS_TABLE", (int)code);
    return EXIT_CODES[code];
}
