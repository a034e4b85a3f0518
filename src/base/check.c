#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// Beside the log level the one thing that must be reachable from everywhere: there is no other way
// out.
static void (*abort_hook)(void) = abort;

void check_set_abort_hook(void (*hook)(void)) { abort_hook = hook ? hook : abort; }

void check_fail(const char *file, int line, const char *expression, const char *format, ...) {
    // One write, so that the lines of several failing ranks do not mix.
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "colossim: %s:%d: CHECK(%s) failed: %s\n", file, line, expression, text);
    fflush(stderr);
    abort_hook();
    abort();
}
