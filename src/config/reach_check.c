#include "config/reach_check.h"

#include <stddef.h>

#include "cluster/routing.h"
#include "workload/operations_csv.h"

enum { PAIRS_MOST = 1 << 20 }; ///< more are not looked through

typedef struct Reach {
    const JobSpec *job;
    Cluster *cluster;
    Placement placement;
    int64_t ranks;
    int64_t pairs_left;
} Reach;

/// GPU whose NIC a fault kills a port of; -1: none.
static GpuId killed_at(const Cluster *cluster, int32_t k) {
    const LinkFaultSpec *fault = &cluster_spec(cluster)->fault[k];
    const LinkId link = cluster_fault_link(cluster, fault);
    if (cluster_link_tier(cluster, link) != 1 || fault->fraction > 0) return -1;
    return cluster_first_gpu_below(cluster, link);
}

/// GPU of a NIC that the fault is at, if all its ports are dead; -1: none.
static GpuId cut_at(const Cluster *cluster, int32_t k) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const GpuId gpu = killed_at(cluster, k);
    int32_t ndead = 0;
    for (int32_t i = 0; i < spec->nfaults && gpu >= 0; i++) ndead += killed_at(cluster, i) == gpu;
    return ndead == spec->tier[0].parents * spec->tier[0].lanes ? gpu : -1;
}

static int64_t domain_of(const void *context, int64_t rank) {
    const Reach *reach = context;
    return cluster_domain_of(reach->cluster, placement_gpu(&reach->placement, rank));
}

static bool other_domain(const Reach *reach, int64_t a, int64_t b) {
    return domain_of(reach, a) != domain_of(reach, b);
}

/// Of members of a pipeline the two neighbours, around where chunks go around; of replicas all.
static bool training_needs(const Reach *reach, int64_t rank) {
    const ParallelSpec *parallel = &reach->job->parallel;
    const Group stages = parallel_group(parallel, rank, DIM_BIT(DIM_PP));
    const DimensionSet alike = GROUPS[GROUP_DP].dimensions;
    const int64_t holders = parallel_group_index(parallel, rank, alike);
    const int64_t stage = (rank - stages.first) / stages.stride;
    for (int64_t i = -1; i <= 1; i += 2) {
        int64_t next = stage + i;
        if (parallel->chunks > 1) next = (next + stages.n) % stages.n;
        if (next < 0 || next >= stages.n) continue;
        if (other_domain(reach, rank, stages.first + next * stages.stride)) return true;
    }
    if (reach->job->network.dp_algorithm == ALGORITHM_RING) return false;
    for (int64_t i = 0; i < parallel_holders(parallel); i++)
        if (other_domain(reach, rank, parallel_member(parallel, holders, alike, i))) return true;
    return false;
}

/// Does a message between two ranks, one of them `rank`, find no path? It goes by a relay of the job, if it may.
static bool pair_fails(Reach *reach, int64_t rank, int64_t src, int64_t dst, bool own_nic) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    reach->pairs_left--;
    if (src == dst || (src != rank && dst != rank)) return false;
    GpuId from = placement_gpu(&reach->placement, src), to = placement_gpu(&reach->placement, dst);
    GpuId relay = routing_relay(reach->cluster, from, to);
    if (own_nic || placement_job_rank(&reach->placement, relay) < 0) relay = from;
    Status status = routing_route_by(reach->cluster, from, relay, to, 0, 1, uses, &nuses);
    return !status_is_ok(&status);
}

static bool collective_needs(Reach *reach, int64_t rank) {
    CollectivePlan plan;
    Domains domains = domains_make(reach->ranks, domain_of, reach);
    Status status = run_spec_plan(&plan, reach->job, cluster_spec(reach->cluster),
                                  &reach->job->collective, 0, 0, &domains);
    bool needs = false;
    for (int32_t p = 0; status_is_ok(&status) && p < plan.nphases; p++) {
        const int64_t nedges = collective_phase(&plan, p).nedges;
        for (int64_t i = 0; i < nedges && reach->pairs_left > 0 && !needs; i++) {
            PhaseEdge edge = collective_edge(&plan, p, i);
            needs = pair_fails(reach, rank, edge.src, edge.dst, edge.own_nic);
        }
    }
    domains_free(&domains);
    return needs;
}

static bool flows_need(Reach *reach, const char *csv_text, int64_t rank) {
    Traffic *traffic = NULL;
    Status status = traffic_create(
        &reach->job->traffic, reach->ranks,
        placement_common(&reach->job->placement, cluster_spec(reach->cluster)), csv_text, &traffic);
    bool needs = false;
    for (int64_t i = 0; status_is_ok(&status) && i < traffic_nflows(traffic) && !needs; i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        for (int64_t k = 0; k < traffic_flow_npairs(&flow) && reach->pairs_left > 0 && !needs;
             k++) {
            TrafficPair pair = traffic_flow_pair(&flow, k);
            needs = pair_fails(reach, rank, flow.src + pair.src, flow.dst + pair.dst, false);
        }
    }
    traffic_destroy(traffic);
    return needs;
}

/// As in training of collectives: a ring may go around it.
static bool operations_need(Reach *reach, const char *csv_text, int64_t rank) {
    const TrafficSpec *traffic = &reach->job->traffic;
    const bool ring = reach->job->collective.algorithm == ALGORITHM_RING;
    Operations operations = {0};
    Status status = operations_csv_parse(traffic->file, csv_text, reach->ranks,
                                         traffic->eager_bytes, &operations);
    bool needs = false;
    for (int64_t j = 0; status_is_ok(&status) && j < operations.joint.n && !needs; j++) {
        const Joint *joint = &operations.joint.at[j];
        bool takes_part = false, far = false;
        for (int32_t i = 0; i < joint->n; i++) {
            const int64_t other = joint_operation(&operations, joint, i)->rank;
            takes_part = takes_part || other == rank;
            far = far || other_domain(reach, rank, other);
        }
        needs = takes_part && far && !(joint->group >= 0 && ring);
    }
    operations_free(&operations);
    return needs;
}

static bool job_needs(Reach *reach, const char *csv_text, int64_t rank) {
    if (reach->job->kind == JOB_TRAINING) return training_needs(reach, rank);
    if (reach->job->traffic.pattern == TRAFFIC_COLLECTIVE) return collective_needs(reach, rank);
    if (reach->job->traffic.pattern == TRAFFIC_OPERATIONS)
        return operations_need(reach, csv_text, rank);
    return flows_need(reach, csv_text, rank);
}

int32_t reach_find_cut(const ClusterSpec *spec, const JobSpec *job, const char *csv_text,
                       GpuId *gpu, int64_t *rank) {
    if (spec->nfaults == 0) return -1;
    Reach reach = {.job = job, .ranks = run_spec_ranks(job), .pairs_left = PAIRS_MOST};
    Status status = cluster_create(spec, &reach.cluster);
    if (status_is_ok(&status)) status = run_spec_placement(job, spec, &reach.placement);
    int32_t found = -1;
    for (int32_t k = 0; status_is_ok(&status) && k < spec->nfaults && found < 0; k++) {
        *gpu = cut_at(reach.cluster, k);
        if (*gpu < 0) continue;
        *rank = placement_job_rank(&reach.placement, *gpu);
        if (*rank >= 0 && job_needs(&reach, csv_text, *rank)) found = k;
    }
    cluster_destroy(reach.cluster);
    return found;
}
