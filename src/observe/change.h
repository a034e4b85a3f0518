/// change.h: what would operations take if something about the machine or the job were other than it is?
///
/// Idea.    A change is made to the specification of the run, and the job is priced anew by what prices it for a run: kernels
///          by workload/cost.h, latencies and plans of collectives by driver/network.c, transfers alone by the engine on the
///          changed cluster. What an operation took is scaled as its price is, so that noise, and what communication took of
///          a GPU, stay in it. A transfer that was slowed took some of its time below its alone-rate, held by links of some
///          tier (engine.h, Slowed): that part goes as the rate of this tier, the rest as its time alone.
///          What communication takes of GPUs that compute beside it, it takes as long as it lasts: of one that ended while its
///          unit computed that loss goes with the time of the transfer, of one that was waited for with that of the work.
///          Two sorts: one hundredth faster, for what the step gains from a bit of it; and gone, for what it costs in all.
/// Limits.  Who shares links with whom, and when, stays as it was: what a change would do to that is left out. So are other
///          schedules and plans. Where links of two tiers are about as full, a faster one leaves it to the other to hold the
///          same transfers: what is said is then what a slower one costs. Not of an engine of packets, which does not say
///          what held a transfer.
#ifndef COLOSSIM_OBSERVE_CHANGE_H
#define COLOSSIM_OBSERVE_CHANGE_H

#include "observe/replay.h"

typedef enum ChangeKind {
    CHANGE_NOTHING,
    CHANGE_GPU,      ///< all that GPUs compute
    CHANGE_PRODUCTS, ///< matrix products and attention
    CHANGE_MEMORY,   ///< what is bound by memory
    CHANGE_LAUNCHES, ///< of kernels, by GPU and host
    CHANGE_SCALE_UP_RATE,
    CHANGE_SCALE_UP_LATENCY,
    CHANGE_TIER_RATE, ///< links of a tier of the fabric; of the first with the NICs
    CHANGE_TIER_LATENCY,
    CHANGE_NIC_LATENCY,
    CHANGE_SOFTWARE_LATENCY, ///< of messages and collectives over the network
    CHANGE_EVEN_GPUS,        ///< from here on something is gone: GPUs that are slower than nominal
    CHANGE_EVEN_EXPERTS,     ///< some experts have more to do than others
    CHANGE_NO_CAP,           ///< on the power of GPUs
    CHANGE_HEALTHY,          ///< links and NICs that are degraded or dead
    CHANGE_SPREAD,           ///< of a tree: one link of many for all of a message, by a hash
    CHANGE_ALONE,            ///< transfers that slow each other down
    CHANGE_ALONE_TIER,       ///< ... on links of a tier
    CHANGE_NO_SHARING,       ///< communication takes nothing of the GPUs that it runs on
    CHANGE_FREE,             ///< communication of a dimension takes no time
    CHANGE_FREE_ALL,
    CHANGE_KEEP_ALL, ///< recomputation; not if memory does not hold it
    CHANGE_MICROBATCH, ///< microbatches twice as large: what kernels gain by it; not if memory does not hold it
} ChangeKind;

typedef struct WhatIf {
    ChangeKind kind;
    int32_t of; ///< tier or dimension
    double size;
    char name[HARDWARE_NAME_BYTES];
} WhatIf;

#define CHANGE_BIT 0.01
enum { CHANGES_MAX = 48 };
/// All that can be said of a cluster; the first is CHANGE_NOTHING.
int32_t changes_list(const Cluster *cluster, WhatIf change[CHANGES_MAX]);

bool change_is_degraded(const ClusterSpec *spec); ///< links, at any time
bool change_is_hashed(const ClusterSpec *spec);   ///< which link a message takes

/// Can it make a difference to a job?
///   slowed  the sum over its transfers, or as much as shows on which tiers there are any
bool change_matters(const Machine *machine, const WhatIf *change, const Slowed *slowed);

/// The step as it was played; arrays by operation, as PathLog.end_ps.
typedef struct Played {
    int64_t *took_ps;
    /// Of computing the transfer, by its operation + 1, that took most of its GPUs beside it, and ended while they computed;
    /// negative: and was waited for; 0: none
    int32_t *beside;
} Played;

/// The job of a machine with a change.
typedef struct Changed Changed; // opaque

/// NULL: it cannot be (memory does not hold it, or it is not of this job).
///   played   borrowed, as the others
///   as_is    the same job with CHANGE_NOTHING; NULL: this is it
///   MPI: local.
Changed *change_make(const Machine *machine, const WhatIf *change, const Played *played,
                     Changed *as_is);
void change_free(Changed *changed); ///< NULL is legal
/// What its operations take.
ReplayTimes change_times(Changed *changed);
/// How much later a unit would have ended the step before, which ends with an operation like this; 0 if this is the first.
int64_t change_later_ps(Changed *changed, int64_t slot, int32_t op);
/// What an operation takes alone and at nominal speed.
int64_t change_alone_ps(Changed *changed, int64_t slot, int32_t op);

#endif
