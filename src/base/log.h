/// log.h: messages to stderr.
#ifndef COLOSSIM_BASE_LOG_H
#define COLOSSIM_BASE_LOG_H

/// Print one line "colossim: error: text", or "colossim: warning: text", to stderr.
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);

#endif
