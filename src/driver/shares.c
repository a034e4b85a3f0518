#include "driver/shares.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"
#include "workload/cost.h"
#include "workload/units.h"

static const char LABEL[] = "driver.shares";

// The deal.

static int64_t between(int64_t least, Wide value, int64_t most) {
    return value < least ? least : value > most ? most : (int64_t)value;
}

/// Rounds that a replica ends in a step of so long, of at least `least` and at most all.
static int64_t fits(const ShareKind *kind, Wide step_ps, int64_t least, int64_t all) {
    const Wide left_ps = step_ps - kind->fixed_ps;
    return left_ps < 0 ? least : between(least, left_ps / kind->round_ps, all);
}

static Wide step_of(const ShareKind *kind, int64_t rounds) {
    return (Wide)rounds * kind->round_ps + kind->fixed_ps;
}

/// The least step in which all rounds fit; equal shares take no less.
static Wide shortest_ps(const ShareKind kind[], int32_t n, int64_t rounds, int64_t least) {
    Wide low_ps = -1, high_ps = 0; // it is in (low, high]
    int64_t replicas = 0;
    for (int32_t k = 0; k < n; k++) replicas += kind[k].replicas;
    for (int32_t k = 0; k < n; k++) {
        const Wide equal_ps = step_of(&kind[k], (rounds + replicas - 1) / replicas);
        if (kind[k].replicas > 0 && equal_ps > high_ps) high_ps = equal_ps;
    }
    while (high_ps - low_ps > 1) {
        const Wide step_ps = low_ps + (high_ps - low_ps) / 2;
        Wide done = 0;
        for (int32_t k = 0; k < n; k++)
            done += (Wide)kind[k].replicas * fits(&kind[k], step_ps, least, rounds);
        *(done >= rounds ? &high_ps : &low_ps) = step_ps;
    }
    return high_ps;
}

/// The highest level up to which all can be filled; how much that is of all goes into *filled.
static int64_t level_of(const ShareKind kind[], const int64_t room[], int32_t n, int64_t rounds,
                        Wide *filled) {
    int64_t low = 0, high = rounds + 1; // it is in [low, high)
    *filled = 0;
    while (high - low > 1) {
        const int64_t level = low + (high - low) / 2;
        Wide sum = 0;
        for (int32_t k = 0; k < n; k++)
            sum += (Wide)kind[k].replicas * (room[k] < level ? room[k] : level);
        if (sum > rounds) {
            high = level;
        } else {
            low = level;
            *filled = sum;
        }
    }
    return low;
}

void shares_deal_rounds(ShareKind kind[], int32_t n, int64_t rounds, int64_t least) {
    const Wide step_ps = shortest_ps(kind, n, rounds, least);
    int64_t room[SHARE_ROLES_MAX];
    Wide filled;
    for (int32_t k = 0; k < n; k++) room[k] = fits(&kind[k], step_ps, least, rounds);
    const int64_t level = level_of(kind, room, n, rounds, &filled);
    int64_t left = (int64_t)(rounds - filled);
    for (int32_t k = 0; k < n; k++) {
        kind[k].rounds = room[k] < level ? room[k] : level;
        kind[k].more = 0;
        CHECK(kind[k].replicas == 0 || kind[k].rounds >= least, "a share of %lld rounds",
              (long long)kind[k].rounds);
    }
    // What does not fill another level goes to those that take least for it.
    while (left > 0) {
        int32_t quickest = -1;
        for (int32_t k = 0; k < n; k++) {
            if (kind[k].replicas == 0 || kind[k].more > 0 || kind[k].rounds >= room[k]) continue;
            if (quickest < 0 || step_of(&kind[k], level + 1) < step_of(&kind[quickest], level + 1))
                quickest = k;
        }
        CHECK(quickest >= 0, "%lld rounds have no room", (long long)left);
        kind[quickest].more = left < kind[quickest].replicas ? left : kind[quickest].replicas;
        left -= kind[quickest].more;
    }
}

// The kinds of a job.

/// What is dealt over what.
typedef struct Deal {
    const JobSpec *job;
    const ClusterSpec *cluster;
    Placement placement;
    Units units;
    int32_t nkinds;
    ShareKind kind[CLUSTER_GPU_KINDS_MAX];
    uint8_t *kinds; ///< [replicas] of their GPUs, as bits
    int64_t replicas;
    int64_t gpus[CLUSTER_GPU_KINDS_MAX]; ///< of the job
} Deal;

static Status price_kinds(Deal *deal) {
    const JobSpec *job = deal->job;
    const ParallelSpec *parallel = &job->parallel;
    const Uplink uplink = run_spec_uplink(job, deal->cluster);
    const int32_t copies = parallel_copies(parallel);
    for (int32_t k = 0; k < deal->nkinds; k++) {
        deal->kind[k].round_ps = 1;
        if (deal->gpus[k] == 0) continue;
        StepCost cost;
        Status status = step_cost_init(&cost, &job->model, parallel, &job->training,
                                       cluster_gpu_of_kind(deal->cluster, k),
                                       cluster_scale_up_of_kind(deal->cluster, k), &uplink);
        if (status_is_ok(&status)) {
            const Wide round_ps = step_cost_round_ps(&cost);
            Wide fixed_ps = round_ps * (cost.pp - 1) / cost.chunks + cost.optimizer_ps[0];
            deal->kind[k].round_ps =
                between(1, round_ps * parallel_round(parallel) / copies, INT64_MAX);
            deal->kind[k].fixed_ps = between(0, fixed_ps, INT64_MAX);
        }
        step_cost_fini(&cost);
        TRY(status);
    }
    return status_ok();
}

/// Replica and kind of a job rank.
static int64_t replica_of(const Deal *deal, int64_t rank, int32_t *kind) {
    *kind = cluster_gpu_kind(deal->cluster, placement_gpu(&deal->placement, rank));
    return units_replica(&deal->units, units_of_rank(&deal->units, rank));
}

/// Which kinds of GPUs each replica has.
static void find_kinds(Deal *deal) {
    int32_t kind;
    deal->kinds = memory_alloc(LABEL, (size_t)deal->replicas);
    for (int64_t rank = 0; rank < deal->placement.job_gpus; rank++) {
        const int64_t replica = replica_of(deal, rank, &kind);
        deal->kinds[replica] |= (uint8_t)(1 << kind);
        deal->gpus[kind]++;
    }
}

/// The slowest kind of a replica; of equals the first.
static int32_t slowest_of(const Deal *deal, int64_t replica) {
    int32_t slowest = -1;
    for (int32_t k = 0; k < deal->nkinds; k++)
        if (deal->kinds[replica] >> k & 1 &&
            (slowest < 0 || deal->kind[k].round_ps > deal->kind[slowest].round_ps))
            slowest = k;
    return slowest;
}

static const char *name_of(const Deal *deal, int32_t kind) {
    return cluster_gpu_of_kind(deal->cluster, kind)->name;
}

static const ListedShare *listed_of(const Deal *deal, int32_t kind) {
    const ParallelSpec *parallel = &deal->job->parallel;
    for (int32_t i = 0; i < parallel->nlisted; i++)
        if (strcmp(parallel->listed[i].gpu, name_of(deal, kind)) == 0) return &parallel->listed[i];
    return NULL;
}

/// What is listed is given; what is left of the rounds of a step goes evenly to the others.
static Status deal_listed(Deal *deal, int64_t rounds) {
    const int32_t round = parallel_round(&deal->job->parallel),
                  least = parallel_least_rounds(&deal->job->parallel);
    ShareKind rest[CLUSTER_GPU_KINDS_MAX] = {{0}};
    int64_t left = rounds, others = 0;
    for (int32_t k = 0; k < deal->nkinds; k++) {
        const ListedShare *listed = listed_of(deal, k);
        rest[k] = (ShareKind){.replicas = listed ? 0 : deal->kind[k].replicas, .round_ps = 1};
        others += rest[k].replicas;
        if (!listed) continue;
        REQUIRE(listed->microbatches % round == 0 && listed->microbatches / round >= least,
                STATUS_RANGE,
                "batch_shares gives replicas on %s %d microbatches, but this schedule wants "
                "multiples of %d, and %d at least",
                listed->gpu, listed->microbatches, round, least * round);
        deal->kind[k].rounds = listed->microbatches / round;
        left -= deal->kind[k].rounds * deal->kind[k].replicas;
    }
    REQUIRE(others > 0 || left == 0, STATUS_RANGE,
            "batch_shares deals %lld of the %lld microbatches of a step: a kind of GPUs that is "
            "not listed "
            "would take the others",
            (long long)((rounds - left) * round), (long long)(rounds * round));
    REQUIRE(left >= least * others, STATUS_RANGE,
            "batch_shares leaves %lld of the %lld microbatches of a step to %lld replicas that are "
            "not listed: "
            "they want %lld at least, by smaller shares of the listed or a larger batch",
            (long long)(left * round), (long long)(rounds * round), (long long)others,
            (long long)(least * others * round));
    if (others > 0) shares_deal_rounds(rest, deal->nkinds, left, least);
    for (int32_t k = 0; k < deal->nkinds; k++) {
        if (rest[k].replicas == 0) continue;
        deal->kind[k].rounds = rest[k].rounds;
        deal->kind[k].more = rest[k].more;
    }
    return status_ok();
}

static Status deal_rounds(Deal *deal) {
    const ParallelSpec *parallel = &deal->job->parallel;
    const int64_t rounds = deal->replicas * (parallel->microbatches / parallel_round(parallel));
    REQUIRE(!parallel_shards_layers(parallel), STATUS_RANGE,
            "batch_shares is %s, but with zero 3 all replicas gather parameters in every "
            "microbatch, and "
            "need as many: zero up to 2 would do",
            BATCH_SHARES_NAMES[parallel->shares]);
    for (int64_t r = 0; r < deal->replicas; r++) deal->kind[slowest_of(deal, r)].replicas++;
    if (parallel->shares == SHARES_LISTED) return deal_listed(deal, rounds);
    shares_deal_rounds(deal->kind, deal->nkinds, rounds, parallel_least_rounds(parallel));
    return status_ok();
}

// What follows.

/// The role of a kind with so many rounds; made if there is none.
static int32_t role_of(Shares *shares, int32_t kind, int32_t microbatches) {
    for (int32_t r = 0; r < shares->nroles; r++)
        if (shares->role[r].kind == kind && shares->role[r].microbatches == microbatches) return r;
    shares->role[shares->nroles] = (ShareRole){.kind = kind, .microbatches = microbatches};
    return shares->nroles++;
}

static void give_roles(Shares *shares, const Deal *deal) {
    const int32_t round = parallel_round(&deal->job->parallel);
    int64_t seen[CLUSTER_GPU_KINDS_MAX] = {0};
    shares->of = memory_alloc(LABEL, (size_t)deal->replicas);
    for (int64_t i = 0; i < deal->replicas; i++) {
        const int32_t kind = slowest_of(deal, i);
        const bool more = seen[kind]++ < deal->kind[kind].more;
        const int32_t microbatches = (int32_t)((deal->kind[kind].rounds + more) * round);
        shares->of[i] = (uint8_t)role_of(shares, kind, microbatches);
        shares->role[shares->of[i]].replicas++;
    }
}

/// What roles give the GPUs of each kind.
static void sum_kinds(Shares *shares, const Deal *deal) {
    int64_t sum[CLUSTER_GPU_KINDS_MAX] = {0};
    int32_t kind;
    for (int64_t rank = 0; rank < deal->placement.job_gpus; rank++) {
        const int64_t replica = replica_of(deal, rank, &kind);
        const int32_t microbatches = shares->role[shares_role(shares, replica)].microbatches;
        sum[kind] += microbatches;
        if (microbatches > shares->most[kind]) shares->most[kind] = microbatches;
    }
    for (int32_t r = 1; r < shares->nroles; r++)
        shares->uneven =
            shares->uneven || shares->role[r].microbatches != shares->role[0].microbatches;
    for (int32_t k = 0; k < deal->nkinds; k++)
        if (deal->gpus[k] > 0)
            shares->mean[k] =
                (double)sum[k] / (double)deal->gpus[k] / deal->job->parallel.microbatches;
}

static void share_equally(Shares *shares, const ParallelSpec *parallel) {
    shares->nroles = 1;
    shares->role[0] =
        (ShareRole){.microbatches = parallel->microbatches, .replicas = shares->replicas};
    for (int32_t k = 0; k < CLUSTER_GPU_KINDS_MAX; k++) {
        shares->most[k] = parallel->microbatches;
        shares->mean[k] = 1;
    }
}

static Status deal_all(Shares *shares, Deal *deal) {
    find_kinds(deal);
    TRY(price_kinds(deal));
    TRY(deal_rounds(deal));
    give_roles(shares, deal);
    sum_kinds(shares, deal);
    for (int32_t r = 0; r < shares->nroles; r++) {
        const ParallelSpec own = shares_of_role(shares, &deal->job->parallel, r);
        TRY(parallel_validate(&own, &deal->job->model, &deal->job->training));
    }
    return status_ok();
}

Status shares_init(Shares *shares, const JobSpec *job, const ClusterSpec *cluster) {
    const ParallelSpec *parallel = &job->parallel;
    *shares = (Shares){.replicas = parallel_replicas(parallel) / parallel->size[DIM_EP]};
    if (parallel->shares == SHARES_EQUAL) {
        share_equally(shares, parallel);
        return status_ok();
    }
    Deal deal = {.job = job,
                 .cluster = cluster,
                 .nkinds = cluster_ngpu_kinds(cluster),
                 .replicas = shares->replicas};
    TRY(run_spec_placement(job, cluster, &deal.placement));
    units_init(&deal.units, parallel, &job->model);
    const Status status = deal_all(shares, &deal);
    memory_free(LABEL, deal.kinds, (size_t)deal.replicas);
    units_fini(&deal.units);
    return status;
}

void shares_fini(Shares *shares) {
    if (shares->of) memory_free(LABEL, shares->of, (size_t)shares->replicas);
    shares->of = NULL;
}

ParallelSpec shares_of_role(const Shares *shares, const ParallelSpec *parallel, int32_t role) {
    ParallelSpec own = *parallel;
    own.microbatches = own.most_microbatches = shares->role[role].microbatches;
    return own;
}

ParallelSpec shares_of_kind(const Shares *shares, const ParallelSpec *parallel, int32_t kind) {
    ParallelSpec own = *parallel;
    own.most_microbatches = shares->most[kind];
    return own;
}
