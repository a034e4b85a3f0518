/// bare_sweep.h: how fast this machine moves packets through a fabric where nothing is modelled: the yardstick of packet_bench.
///
/// Idea.    The same fabric, permutation and acknowledgements, and no more: windows as wide as a wire, events counted into
///          place by node, taken in the order of time; a port is a time at which it is free. No queues, no buffers, no
///          pauses, no marks, no rate control, no links other than by arithmetic.
#ifndef COLOSSIM_TESTS_BENCH_BARE_SWEEP_H
#define COLOSSIM_TESTS_BENCH_BARE_SWEEP_H

#include <stdint.h>

/// A three-tier tree of radix k (k^3 / 4 hosts), on which each host sends `packets` to another, by d-mod-k.
///   to[hosts]  destinations
/// Returns hops, acknowledgements included.
int64_t bare_sweep(int32_t k, const int64_t to[], int64_t packets, int32_t acks_every);

#endif
