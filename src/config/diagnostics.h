/// diagnostics.h: errors in input texts: collected, sorted by place, shown with line, caret and
/// suggestion.
///
///     jobs/a.yaml:4:3: error: unknown key 'bandwith' in tier; did you mean 'bandwidth'?
///          4 |   bandwith: 400 Gb/s
///            |   ^~~~~~~~
///
/// Limits.  At most DIAGNOSTICS_PER_TEXT errors of a text are shown; the rest is counted.
#ifndef COLOSSIM_CONFIG_DIAGNOSTICS_H
#define COLOSSIM_CONFIG_DIAGNOSTICS_H

#include <stdarg.h>

#include "config/text.h"

enum { DIAGNOSTICS_PER_TEXT = 20, DIAGNOSTIC_BYTES = 600 };

typedef struct Diagnostic {
    Place place;
    char message[DIAGNOSTIC_BYTES];
} Diagnostic;

/// Zero-initialise to use.
typedef struct Diagnostics {
    Diagnostic *at;
    int64_t n, capacity;
    const char *label; ///< array.h
    int64_t errors;    ///< different ones, shown or not
    int64_t conflicts; ///< of these: between values that are good, each alone
    int64_t reports;   ///< calls: what was read between two equal counts is good
} Diagnostics;

/// Report an error at a place. The message has no full stop and no line break; several sentences
/// are joined by ';'. The same message at the same place is kept once (a catalogue entry may be
/// read twice).
__attribute__((format(printf, 3, 4))) void diagnostics_error(Diagnostics *diagnostics, Place place,
                                                             const char *format, ...);
/// The same of values that are good alone, but not together, or not on this cluster: another combination may be right.
__attribute__((format(printf, 3, 4))) void diagnostics_conflict(Diagnostics *diagnostics,
                                                                Place place, const char *format,
                                                                ...);
/// Both, by `conflict`.
__attribute__((format(printf, 4, 0))) void diagnostics_report(Diagnostics *diagnostics, Place place,
                                                              bool conflict, const char *format,
                                                              va_list arguments);
/// Print all errors in order of text, line and column.
void diagnostics_print(Diagnostics *diagnostics, TextBuffer *out);
void diagnostics_fini(Diagnostics *diagnostics);

/// The name most like `word` among `names[n]`, or NULL if none is close (edit distance at most a
/// third of its length).
const char *diagnostics_closest(const char *word, const char *const names[], int n);

#endif
