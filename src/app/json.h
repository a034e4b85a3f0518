/// json.h: members of a JSON object, one at a time.
///
/// Idea.    Texts are escaped, numbers have all their digits, and what is not a number is null.
/// Limits.  Braces, and the comma before the first member, are the caller's.
#ifndef COLOSSIM_APP_JSON_H
#define COLOSSIM_APP_JSON_H

#include <stdio.h>

/// A text in quotes; bytes that are no UTF-8 pass as they are.
void json_put_text(FILE *out, const char *text);
/// `, "name": value`.
void json_put_number(FILE *out, const char *name, double value);

#endif
