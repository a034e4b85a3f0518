/// exchange.h: rounds in which every rank hands every other rank a bundle of records.
///
/// Idea.    Records put during a round are packed per destination; exchange_run sends exactly one
///          message to each other rank: a fixed header of four integers (next event time, counters,
///          votes: an agreement that costs nothing extra), the length, and the first
///          EXCHANGE_EAGER_BYTES of records. Only what exceeds that travels in further messages.
///          Receives are posted one round ahead into the other half of a double buffer, so that a
///          peer that is early finds its place.
///
///              exchange_put(ex, to, &record, sizeof record);
///              exchange_set_header(ex, (int64_t[4]){next_ps});
///              exchange_run(ex);
///              while (exchange_next(ex, &from, &bytes, &n)) ...
/// Limits.  Every rank talks to every other rank in each round: made for up to some hundreds of
///          ranks, with 2 x 16 KiB of receive buffer per peer. Bundles are below 2 GiB.
#ifndef COLOSSIM_PAR_EXCHANGE_H
#define COLOSSIM_PAR_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "par/comm.h"

enum { EXCHANGE_HEADER_WORDS = 4, EXCHANGE_EAGER_BYTES = 16384 };

typedef struct Exchange Exchange;

/// What this rank has done since creation.
typedef struct ExchangeStats {
    int64_t rounds;
    int64_t messages; ///< sent, second messages included
    int64_t bytes;    ///< sent, headers included
    int64_t wait_ns;  ///< wall time until messages of a round had come and gone
} ExchangeStats;

/// MPI: collective (local for one rank, as everything below).
Exchange *exchange_create(const Comm *comm);

/// MPI: collective, after the same number of rounds on all ranks. NULL is legal.
void exchange_destroy(Exchange *exchange);

/// Append a copy of bytes[n] to what the next round delivers to a rank, this one included. MPI:
/// local.
void exchange_put(Exchange *exchange, int to_rank, const void *bytes, size_t n);

/// The same to every rank, this one included. MPI: local.
void exchange_put_all(Exchange *exchange, const void *bytes, size_t n);

/// Set what the next round shows to all ranks; stays until set again, zero at first. MPI: local.
void exchange_set_header(Exchange *exchange, const int64_t header[EXCHANGE_HEADER_WORDS]);

/// Deliver. What exchange_next and exchange_header gave before becomes invalid. MPI: collective.
void exchange_run(Exchange *exchange);

/// Next record of the last round, by rank of the sender, then in the order it was put; false at the
/// end. Aligned to 8 bytes; borrowed until the next exchange_run. Putting in between is fine. MPI:
/// local.
bool exchange_next(Exchange *exchange, int *from_rank, const void **bytes, size_t *n);

/// Header of a rank, this one included, in the last round; borrowed as above. MPI: local.
const int64_t *exchange_header(const Exchange *exchange, int rank);

/// Least value of one header word over all ranks in the last round. MPI: local.
int64_t exchange_header_min(const Exchange *exchange, int word);

ExchangeStats exchange_stats(const Exchange *exchange);

#endif
