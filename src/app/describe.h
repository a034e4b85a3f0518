/// describe.h: what the program knows by itself: what is shipped, keys of files, completion, the manual page.
#ifndef COLOSSIM_APP_DESCRIBE_H
#define COLOSSIM_APP_DESCRIBE_H

#include "app/cli.h"

/// Obey `list`, `keys`, `schema`, `completion` and `man`, on stdout. Returns the exit code, having said what is wrong.
int describe_command(const CommandLine *line);

#endif
