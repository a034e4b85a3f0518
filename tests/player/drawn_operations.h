/// drawn_operations.h: tables of operations that can be played, drawn at random.
#ifndef COLOSSIM_TESTS_PLAYER_DRAWN_OPERATIONS_H
#define COLOSSIM_TESTS_PLAYER_DRAWN_OPERATIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { DRAWN_BYTES = 1 << 16, DRAWN_RANKS = 16 };

/// What happens one after the other is drawn (a computation, a message, a collective) and then written, ranks one after the
/// other, or in any order if `mixed`: whoever waits, waits for what has happened. `resources`: some need one.
///   ranks               up to DRAWN_RANKS
///   text[DRAWN_BYTES]  out
void drawn_operations(uint64_t seed, int32_t ranks, bool resources, bool mixed, char *text);

#endif
