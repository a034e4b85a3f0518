/// shares.h: how many microbatches of a step each replica computes.
///
/// Idea.    Equal shares: as many each. Where GPUs are of several kinds, a replica goes at the pace of the slowest kind
///          that it has GPUs of; replicas of a quicker kind may compute more microbatches, and in the global batch each
///          microbatch counts the same: gradients are weighted by how many a replica has, which costs nothing.
///          Microbatches are dealt in rounds (one, or as many as there are stages where a schedule wants that), all of
///          them, and each replica has some. `proportional`: so that the replica that takes longest takes least,
///
///              least T with  sum over kinds of replicas * floor((T - fixed) / round) >= rounds of the step
///
///          where fixed is what a step takes beside its rounds: filling the pipeline, the optimizer. Of the deals that
///          take T the one nearest to equal shares is taken: equal shares where they take no longer. `listed`: what is
///          written, of kinds that are named; the others share evenly what is left. Replicas of a kind differ by a
///          round at most: the first have more. A role is a pipeline stage of replicas of one kind with as many
///          microbatches: they run one program.
/// Limits.  A round is priced at the slowest stage, on GPUs of one kind, without what the network adds: the deal of
///          `proportional` is the best by that price. Where parameters are gathered in every microbatch (ZeRO-3), all
///          replicas need as many.
/// Source.  Batches by the speed of each GPU: Jia et al., "Whale: efficient giant model training over heterogeneous
///          GPUs", ATC'22.
#ifndef COLOSSIM_DRIVER_SHARES_H
#define COLOSSIM_DRIVER_SHARES_H

#include "driver/run_spec.h"

/// Replicas of one kind, for the deal.
typedef struct ShareKind {
    int64_t replicas;
    int64_t round_ps, fixed_ps; ///< of a step of n rounds: n * round_ps + fixed_ps; round_ps > 0
    int64_t rounds;             ///< out: of each replica, ...
    int64_t more;               ///< out: ... and of so many of them one more
} ShareKind;

/// Deal `rounds` over all replicas, at least `least` to each (which must be enough), so that the longest step is shortest.
void shares_deal_rounds(ShareKind kind[], int32_t nkinds, int64_t rounds, int64_t least);

enum { SHARE_ROLES_MAX = 2 * CLUSTER_GPU_KINDS_MAX };

typedef struct ShareRole {
    int32_t kind; ///< of GPUs: the slowest of its replicas
    int32_t microbatches;
    int64_t replicas; ///< of units (workload/units.h): EP of the model's each
} ShareRole;

typedef struct Shares {
    int32_t nroles;
    ShareRole role[SHARE_ROLES_MAX];
    int32_t most[CLUSTER_GPU_KINDS_MAX]; ///< microbatches of any replica that has GPUs of a kind
    double mean[CLUSTER_GPU_KINDS_MAX];  ///< microbatches of a kind's GPUs over those of all GPUs
    bool uneven;                         ///< roles differ in microbatches
    uint8_t *of;                         ///< [replicas] roles; NULL: all are of role 0
    int64_t replicas;
} Shares;

/// The job must be one that parallel_validate accepts.
///   Fails: STATUS_RANGE, beginning with `batch_shares`, if the microbatches cannot be dealt so. *shares must then still be
///   finished.
Status shares_init(Shares *shares, const JobSpec *job, const ClusterSpec *cluster);
void shares_fini(Shares *shares);

static inline int32_t shares_role(const Shares *shares, int64_t replica) {
    return shares->of ? shares->of[replica] : 0;
}
/// The job's plan as a role has it; with the most that GPUs of a kind must do for.
ParallelSpec shares_of_role(const Shares *shares, const ParallelSpec *parallel, int32_t role);
ParallelSpec shares_of_kind(const Shares *shares, const ParallelSpec *parallel, int32_t kind);

#endif
