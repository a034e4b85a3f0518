#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

/// One write a line, so that ranks sharing a terminal do not mix; long lines are cut.
static void print(const char *word, const char *format, va_list arguments) {
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "colossim: %s: %s\n", word, text);
}

void log_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print("error", format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print("warning", format, arguments);
    va_end(arguments);
}
