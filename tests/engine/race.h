/// race.h: the flow-level race scenarios that other simulators were timed on, as fabrics and lists
/// of flows.
///
/// Idea.    Fat trees of single 50e9 B/s cables at full bisection, latency zero, d-mod-k routing; N
///          hosts start their flows at time 0.
///            shift    i -> i + N/2, 1 GB
///            ring     i -> i + 1, 1 GB
///            perm     one random permutation, 1 GB, fixed points left out
///            permvar  the same pairs, 1 GB * (1 + (i mod 16) / 16)
///            permrnd  the same pairs, random sizes of 1 to 2 GB
///            a2a8     i -> i + j * (N/16 + 1) for j = 1..8, 125 MB * (1 + (i mod 16) / 16)
///            incast   i -> 16 * floor((i + N/2) / 16), 1 GB: 16 hosts flood one
///            random   i mod N -> a random other host, 10^6 flows, 1 GB
/// Source.  Answers: SimGrid 3.32 (plain CM02 model, no TCP window bound, no cross-traffic).
#ifndef COLOSSIM_TESTS_ENGINE_RACE_H
#define COLOSSIM_TESTS_ENGINE_RACE_H

#include "engine/flow/flow.h"

typedef enum RaceKind {
    RACE_SHIFT,
    RACE_RING,
    RACE_PERM,
    RACE_PERMVAR,
    RACE_A2A8,
    RACE_INCAST,
    RACE_RANDOM,
    RACE_PERMRND,
} RaceKind;

/// One message; the context of its own edge set.
typedef struct RaceFlow {
    Edge edge;
    int64_t bytes;
} RaceFlow;

/// The cluster of one race size: 16, 128, 1,024, 8,192, 32,768 or 65,536 hosts of one GPU.
ClusterSpec race_spec(int64_t nhosts);
Cluster *race_cluster(int64_t nhosts);

/// The flows of a scenario into flows[8 * nhosts] ([10^6] for RACE_RANDOM); returns how many.
int64_t race_flows(RaceKind kind, int64_t nhosts, RaceFlow flows[]);

/// Transfer of one flow, starting at start_ps; `key` as in EdgeSet.
Transfer race_transfer(const RaceFlow *flow, int64_t tag, uint64_t key, int64_t start_ps);

typedef struct RaceResult {
    double last_s, mean_s;
    int64_t ncompleted;
} RaceResult;

/// Submit all flows at time 0 and play to the end.
RaceResult race_play(Flow *flow, const RaceFlow flows[], int64_t nflows);

/// Ring all-reduce of 1 GB, bulk-synchronous: 2 (N - 1) steps, each of floor(1e9 / N) bytes from
/// every i to i + 1.
double race_ring_allreduce_s(Flow *flow, int64_t nhosts);

#endif
