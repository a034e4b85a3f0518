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

typedef struct StatusRow {
    int exit_code;
    const char *word;
} StatusRow;

static const StatusRow status_rows[] = {
#define STATUS_ROW(code, exit_code, word) [code] = {exit_code, word},
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static const StatusRow *row_of(StatusCode code) {
    CHECK((size_t)code < sizeof status_rows / sizeof status_rows[0],
          "status code %d is not in STATUS_TABLE", (int)code);
    return &status_rows[code];
}

int status_exit_code(StatusCode code) { return row_of(code)->exit_code; }

const char *status_word(StatusCode code) { return row_of(code)->word; }
