/// collective.h: from "all-reduce n bytes among these GPUs" to transfers: rounds of edges.
///
/// Idea.    A plan is a list of phases that follow each other; a phase is one coupled Transfer
///          shape (edges, bytes per unit weight, rounds, latency per round, fill). All are one phase
///          (their rounds are pipelined) but halving/doubling, which is log2 n phases; direct is
///          one phase of n(n-1) edges (all-to-all is not coupled: one phase per pair is possible,
///          see traffic).
///          Which algorithm and protocol serve is tuned, and with them what is to be waited for:
///          alone on full links a collective takes what tuning.h predicts.
///          Members are numbers 0 .. n - 1; who shares a scale-up domain with whom stands in
///          Domains.
///          Whatever the algorithm, all members together send passes * (n - 1) * bytes (all-reduce
///          2 passes, else 1; less where switches reduce), and each receives a share alike in a gather and sends one in a
///          reduce-scatter; each file has the algebra. Bytes are rounded up per edge, never down:
///          see algorithm.h.
/// Limits.  Where switches reduce, what they send each other is not on the links.
/// Source.  Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in
///          MPICH", 2005; NCCL tuning model for the latency constants (topology files give them).
#ifndef COLOSSIM_COLLECTIVE_COLLECTIVE_H
#define COLOSSIM_COLLECTIVE_COLLECTIVE_H

#include <stdbool.h>

#include "base/status.h"
#include "cluster/cluster.h"
#include "collective/domains.h"
#include "collective/tuning.h"
#include "program/kinds.h"

/// What a collective pays beside bytes.
typedef struct CollectiveSpec {
    /// all-reduce: vector; reduce-scatter: input; all-gather: output; all-to-all: sent per member
    int64_t bytes;
    int64_t round_latency_ps;  ///< per round over the network, path and Simple protocol
    int64_t domain_latency_ps; ///< per round inside a scale-up domain, where nothing is tuned
    int64_t base_ps;           ///< launch of the whole collective
    CollectiveKind kind;
    CollectiveAlgorithm algorithm;
    CollectiveProtocol protocol;
} CollectiveSpec;

/// What the choice of algorithm and protocol knows beside that.
typedef struct CollectiveTuning {
    const ScaleUpSpec *scale_up;
    int64_t nic_Bps;
    int64_t path_latency_ps; ///< of round_latency_ps, the path
    bool in_network;         ///< the fabric can reduce
} CollectiveTuning;

/// One edge of a phase, in members: from member `src` to member `dst`, `weight` bytes per unit of
/// progress.
typedef struct PhaseEdge {
    int64_t src, dst;
    int32_t weight;
    bool own_nic; ///< sent by the NIC of `src`, whatever the rail of `dst`
} PhaseEdge;

typedef struct Phase {
    int64_t nedges;
    int64_t bytes; ///< progress: bytes of a weight-1 edge
    int64_t rounds;
    int64_t round_latency_ps;
    /// serial time before the first byte (pipeline fill, base), not shortened by bandwidth
    int64_t fill_ps;
} Phase;

enum { COLLECTIVE_PHASES_MAX = 128 };

typedef struct CollectivePlan {
    CollectiveSpec spec;    ///< algorithm and protocol: what was chosen; AUTO: it has no protocol
    int64_t n;              ///< members
    const Domains *domains; ///< borrowed
    int64_t divisor;        ///< hierarchical: of all weights, see there
    int64_t waits_ps; ///< of algorithms that tuning.h prices, what bytes at full rate do not take
    int32_t nphases;
} CollectivePlan;

/// Plan a collective. One member alone has nothing to do: no phases.
///   tuning   what is chosen and waited for by; NULL: nothing, rounds cost their latency and bytes the links
///   domains  of all its members, >= 1; borrowed by the plan
///   Fails: STATUS_RANGE (halving/doubling with n not a power of two, all-to-all by anything but
///   direct, more members than weights can tell, more than 2^63 bytes in all).
Status collective_plan(CollectivePlan *plan, const CollectiveSpec *spec,
                       const CollectiveTuning *tuning, const Domains *domains);
Phase collective_phase(const CollectivePlan *plan, int32_t phase);
/// What a plan takes beside bytes on links: all phases, one after the other.
int64_t collective_waits_ps(const CollectivePlan *plan);
PhaseEdge collective_edge(const CollectivePlan *plan, int32_t phase, int64_t i);
/// Whether all members are in one scale-up domain.
bool collective_in_one_domain(const CollectivePlan *plan);
/// Whether two plans of the same members have the same edges with the same weights in each phase.
bool collective_same_edges(const CollectivePlan *a, const CollectivePlan *b);
/// Bytes all members together send over all phases (the algebra of the collective), for
/// conservation checks.
int64_t collective_total_bytes(const CollectivePlan *plan);
/// Bus bandwidth factor of nccl-tests: all-reduce 2(n-1)/n, others (n-1)/n.
double collective_bus_factor(CollectiveKind kind, int64_t n);

#endif
