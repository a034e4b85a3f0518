/// traffic.h: jobs that are only traffic: patterns of flows over the ranks of a job, and flows from
/// a CSV.
///
/// Idea.    flow(i) is arithmetic for the patterns; a CSV (traffic_csv.h) is read into columns, and
///          a permutation is a table of 8 B a rank. One collective, and what ranks do one after the
///          other, are no flows: operations.h.
///              permutation  Fisher-Yates from the last index down, with the MMIX linear congruence
///                           started at `seed`:
///                           state = state * 6364136223846793005 + 1442695040888963407, swap i with
///                           (state >> 33) mod (i + 1)
///              incast       i -> fan_in * floor((i + ranks / 2) / fan_in) mod ranks
///              all_to_all   in every group of `group` consecutive ranks at once. A flow is not a
///                           pair of ranks but a pair of blocks, the ranks of a group on one node
///                           each: what all of one send to all of the other. What a block sends
///                           to itself is a flow too. A group on B nodes has B * B flows, not
///                           group * (group - 1).
///          A rank whose destination is itself sends nothing.
/// Source.  permutation, permvar, shift, ring, incast and a2a as in the race scenarios of
///          tests/README.md.
#ifndef COLOSSIM_WORKLOAD_TRAFFIC_H
#define COLOSSIM_WORKLOAD_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum TrafficPattern {
    TRAFFIC_PERMUTATION, ///< one keyed random permutation, fixed points skipped
    TRAFFIC_SHIFT,       ///< i -> i + shift mod n
    TRAFFIC_RING,        ///< i -> i + 1 mod n
    TRAFFIC_INCAST,      ///< every `fan_in` ranks flood one
    TRAFFIC_ALL_TO_ALL,  ///< every ordered pair of a group
    TRAFFIC_COLLECTIVE,  ///< one collective among all ranks
    TRAFFIC_FLOWS,       ///< from a CSV: source, destination, bytes, start
    TRAFFIC_OPERATIONS,  ///< from a CSV: what each rank does (operations_csv.h)
    TRAFFIC_PATTERN_N,
} TrafficPattern;

typedef struct TrafficSpec {
    TrafficPattern pattern;
    int64_t ranks;  ///< 0: all GPUs of the cluster
    int64_t bytes;  ///< per flow (all_to_all: per pair of ranks; collective: its size)
    int64_t group;  ///< for all_to_all: consecutive ranks that exchange; 0: all
    int64_t shift;  ///< for shift; 0: ranks / 2
    int64_t fan_in; ///< for incast
    uint64_t seed;  ///< for permutation
    int32_t queue_pairs;
    /// extra start-up latency per flow, on top of the path's; -1: none at all (race scenarios)
    int64_t latency_ps;
    char file[1024]; ///< for flows and operations
    int64_t
        eager_bytes; ///< for operations: above this messages wait for their receives; -1: none does
} TrafficSpec;

/// Is it played as operations that wait for each other, not as flows?
static inline bool traffic_is_graph(TrafficPattern pattern) {
    return pattern == TRAFFIC_COLLECTIVE || pattern == TRAFFIC_OPERATIONS;
}
/// Is there a table to it?
static inline bool traffic_has_table(TrafficPattern pattern) {
    return pattern == TRAFFIC_FLOWS || pattern == TRAFFIC_OPERATIONS;
}

/// What a block of consecutive ranks sends to another, or to itself; blocks are single ranks but
/// for all_to_all.
typedef struct TrafficFlow {
    int64_t src, dst;   ///< first job ranks; equal: inside one block, nobody to itself
    int32_t nsrc, ndst; ///< ranks of each block, >= 1
    int64_t bytes;      ///< of each pair
    int64_t start_ps;
} TrafficFlow;

/// Places within the two blocks of a flow.
typedef struct TrafficPair {
    int32_t src, dst;
} TrafficPair;

typedef struct Traffic Traffic; // opaque

/// `ranks` is resolved (> 0); ranks_per_node > 0 consecutive ranks share a node, from rank 0 on.
/// Fails: STATUS_INPUT (file:line:column of bad CSV fields), STATUS_RANGE (no flow would be left, a
/// size or fan-in below 1, or ranks that groups do not divide).  MPI: local.
/// `csv_text` is the content of the file for TRAFFIC_FLOWS (NULL otherwise): rank 0 reads, all
/// parse the same text.
Status traffic_create(const TrafficSpec *spec, int64_t ranks, int32_t ranks_per_node,
                      const char *csv_text, Traffic **traffic);
void traffic_destroy(Traffic *traffic);
/// Number of flows; flow i (0 <= i < nflows). Each has at least one pair.
int64_t traffic_nflows(const Traffic *traffic);
TrafficFlow traffic_flow(const Traffic *traffic, int64_t i);
/// Ordered pairs of different ranks of a flow; pair i of them.
int64_t traffic_flow_npairs(const TrafficFlow *flow);
TrafficPair traffic_flow_pair(const TrafficFlow *flow, int64_t i);
/// Bytes that the busiest rank sends or receives; when the last flow begins.
int64_t traffic_busiest_bytes(const Traffic *traffic);
int64_t traffic_latest_ps(const Traffic *traffic);
const char *traffic_pattern_name(TrafficPattern pattern);

#endif
