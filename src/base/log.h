/// log.h: levelled messages to stderr; the log level is the project's only mutable global.
#ifndef COLOSSIM_BASE_LOG_H
#define COLOSSIM_BASE_LOG_H

#include <stdbool.h>

typedef enum LogLevel { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG } LogLevel;

/// Set what is printed; ranks other than 0 are usually set to LOG_ERROR by main.
void log_set_level(LogLevel level);

/// Print one line "colossim: <word>: text" to stderr when `level` is enabled.
__attribute__((format(printf, 2, 3))) void log_message(LogLevel level, const char *format, ...);

#define log_error(...) log_message(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)

#endif
