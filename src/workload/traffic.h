/// traffic.h: jobs that are only traffic: patterns of flows over the ranks of a job, and flows from
/// a CSV.
///
/// Idea.    flow(i) is arithmetic for the patterns; a CSV (traffic_csv.h) is read into columns, and
///          a permutation is a table of 8 B a rank. One collective is a traffic job of its own
///          kind, planned by collective/: no flows here.
///              permutation  Fisher-Yates from the last index down, with the MMIX linear congruence
///                           started at `seed`:
///                           state = state * 6364136223846793005 + 1442695040888963407, swap i with
///                           (state >> 33) mod (i + 1)
///              incast       i -> fan_in * floor((i + ranks / 2) / fan_in) mod ranks
///          A rank whose destination is itself sends nothing.
/// Source.  permutation, permvar, shift, ring, incast and a2a as in the race scenarios of
///          tests/README.md.
#ifndef COLOSSIM_WORKLOAD_TRAFFIC_H
#define COLOSSIM_WORKLOAD_TRAFFIC_H

#include <stdint.h>

#include "base/status.h"

typedef enum TrafficPattern {
    TRAFFIC_PERMUTATION, ///< one keyed random permutation, fixed points skipped
    TRAFFIC_SHIFT,       ///< i -> i + shift mod n
    TRAFFIC_RING,        ///< i -> i + 1 mod n
    TRAFFIC_INCAST,      ///< every `fan_in` ranks flood one
    TRAFFIC_ALL_TO_ALL,  ///< every ordered pair
    TRAFFIC_COLLECTIVE,  ///< one collective among all ranks
    TRAFFIC_FLOWS,       ///< from a CSV: source, destination, bytes, start
    TRAFFIC_PATTERN_N,
} TrafficPattern;

typedef struct TrafficSpec {
    TrafficPattern pattern;
    int64_t ranks;  ///< 0: all GPUs of the cluster
    int64_t bytes;  ///< per flow (collective: its size)
    int64_t shift;  ///< for shift; 0: ranks / 2
    int64_t fan_in; ///< for incast
    uint64_t seed;  ///< for permutation
    int32_t queue_pairs;
    /// extra start-up latency per flow, on top of the path's; -1: none at all (race scenarios)
    int64_t latency_ps;
    char file[1024]; ///< for flows
} TrafficSpec;

typedef struct TrafficFlow {
    int64_t src, dst; ///< job ranks
    int64_t bytes;
    int64_t start_ps;
} TrafficFlow;

typedef struct Traffic Traffic; // opaque

/// `ranks` is resolved (> 0).  Fails: STATUS_INPUT (file:line:column of bad CSV fields),
/// STATUS_RANGE (no flow would be left, or a size or fan-in below 1).  MPI: local.
/// `csv_text` is the content of the file for TRAFFIC_FLOWS (NULL otherwise): rank 0 reads, all
/// parse the same text.
Status traffic_create(const TrafficSpec *spec, int64_t ranks, const char *csv_text,
                      Traffic **traffic);
void traffic_destroy(Traffic *traffic);
/// Number of flows; flow i (0 <= i < nflows). A flow with src == dst never occurs.
int64_t traffic_nflows(const Traffic *traffic);
TrafficFlow traffic_flow(const Traffic *traffic, int64_t i);
const char *traffic_pattern_name(TrafficPattern pattern);

#endif
