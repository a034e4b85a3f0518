#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static LogLevel level_now = LOG_INFO;

void log_set_level(LogLevel level) { level_now = level; }

void log_message(LogLevel level, const char *format, ...) {
    static const char *const word[] = {[LOG_ERROR] = "error",
                                       [LOG_WARNING] = "warning",
                                       [LOG_INFO] = "info",
                                       [LOG_DEBUG] = "debug"};
    if (level > level_now) return;
    // One write a line, so that ranks sharing a terminal do not mix; long lines are cut.
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "colossim: %s: %s\n", word[level], text);
}
