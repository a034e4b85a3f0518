#include "cluster/cluster.h"

#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/wide.h"
#include "cluster/address.h"
#include "cluster/bundle.h"
#include "cluster/clustercheck.h"
#include "cluster/tree_fabric.h"

static const char *const MEMORY_LABEL = "cluster";
#define UPLINKS_BPS_MAX (INT64_C(1) << 60)

// building

static int64_t mean_domain_Bps(const ClusterSpec *spec) {
    Wide sum_Bps = 0;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        sum_Bps +=
            (Wide)(cluster_first_of_kind(spec, kind + 1) - cluster_first_of_kind(spec, kind)) *
            cluster_scale_up_of_kind(spec, kind)->goodput_Bps;
    return (int64_t)(sum_Bps / cluster_spec_ngpus(spec));
}

/// Payload bytes are what engines count, on every cable of the fabric.
static int64_t link_goodput_Bps(const ClusterSpec *spec, int32_t tier) {
    if (tier == 0) return mean_domain_Bps(spec);
    if (tier > spec->ntiers) return spec->nic.goodput_Bps;
    return (int64_t)((Wide)spec->tier[tier - 1].link_Bps * spec->nic.goodput_Bps /
                     spec->nic.line_Bps);
}

static void number_links(Cluster *cluster) {
    LinkId next = 0;
    for (int32_t t = 0; t < cluster->ntiers; t++)
        for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
            cluster->first_link[t][d] = next;
            next += cluster_tier_links(cluster, t);
        }
    cluster->nlinks = next;
    for (int32_t t = 0; t < cluster->ntiers; t++)
        for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
            cluster->first_bundle[t][d] = next;
            if (cluster_tier_bundled(cluster, t))
                next += cluster->tree.subtrees[t - 1] * cluster->faults.nclasses[t];
        }
    cluster->nresources = next;
}

/// Every link carries something, and bundles of them can be counted.
static Status check_rates(const Cluster *cluster) {
    for (int32_t t = 1; t <= cluster->spec.ntiers; t++) {
        const char *name = cluster->spec.tier[t - 1].name;
        REQUIRE(cluster->link_Bps[t] > 0, STATUS_RANGE,
                "links of tier %d (%s) have less than 1 B/s of goodput", t, name);
        REQUIRE((Wide)cluster->uplinks[t] * cluster->link_Bps[t] < UPLINKS_BPS_MAX, STATUS_RANGE,
                "links of tier %d (%s) carry more than 2^60 B/s together", t, name);
    }
    return status_ok();
}

static const Topology *topology_of(const ClusterSpec *spec) {
    return spec->fabric == FABRIC_TREE ? &tree_fabric : &graph_fabric;
}

static Status build(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    TRY(clustercheck_spec(spec));
    TRY(clustercheck_filled(spec));
    TRY(address_lay_out(cluster));
    cluster->ecmp_key = rng_mix(spec->ecmp_seed, RNG_ECMP);
    cluster->split = 1;
    for (int32_t t = 0; t <= spec->ntiers; t++) cluster->binds[t] = true;
    TRY(cluster->topology->create(cluster));
    cluster->ntiers = spec->ntiers + 1 + cluster_nics_loaded(cluster);
    for (int32_t t = 0; t < cluster->ntiers; t++) cluster->link_Bps[t] = link_goodput_Bps(spec, t);
    TRY(check_rates(cluster));
    TRY(troubles_take(cluster));
    TRY(cluster->topology->take_faults(cluster));
    number_links(cluster);
    REQUIRE(cluster->nresources < INT64_C(1) << 40, STATUS_RANGE,
            "the fabric has room for %lld links; at most 2^40 are supported",
            (long long)cluster->nresources);
    return status_ok();
}

Status cluster_create(const ClusterSpec *spec, Cluster **cluster) {
    *cluster = memory_alloc(MEMORY_LABEL, sizeof **cluster);
    (*cluster)->spec = *spec;
    (*cluster)->topology = topology_of(spec);
    (*cluster)->troubles = memory_alloc(MEMORY_LABEL, sizeof *(*cluster)->troubles);
    const Status status = build(*cluster);
    if (!status_is_ok(&status)) {
        cluster_destroy(*cluster);
        *cluster = NULL;
    }
    return status;
}

void cluster_destroy(Cluster *cluster) {
    if (!cluster) return;
    cluster->topology->destroy(cluster);
    array_free(&cluster->troubles->cable);
    memory_free(MEMORY_LABEL, cluster->troubles, sizeof *cluster->troubles);
    memory_free(MEMORY_LABEL, cluster, sizeof *cluster);
}

const ClusterSpec *cluster_spec(const Cluster *cluster) { return &cluster->spec; }

int64_t cluster_ngpus(const Cluster *cluster) { return cluster->ngpus; }

// counts

int64_t cluster_nswitches(const Cluster *cluster, int32_t level) {
    return cluster->nswitches[level];
}

int64_t cluster_ncables(const Cluster *cluster, int32_t tier) {
    return tier == 1 ? cluster->ngpus * cluster->nic_ports : cluster->ncables[tier];
}

void cluster_switch_ports(const Cluster *cluster, int32_t level, int64_t *down, int64_t *up) {
    *down = cluster->ports[level][0];
    *up = cluster->ports[level][1];
}

double cluster_ports_in_use(const Cluster *cluster, int32_t level) {
    return cluster->ports_in_use[level];
}

double cluster_bisection_Bps(const Cluster *cluster) {
    return cluster->topology->bisection_Bps(cluster);
}

// links and bundles

int64_t cluster_nlinks(const Cluster *cluster) { return cluster->nlinks; }

int64_t cluster_nresources(const Cluster *cluster) { return cluster->nresources; }

LinkId cluster_first_link(const Cluster *cluster, int32_t tier, LinkDirection direction) {
    return cluster->first_link[tier][direction];
}

int32_t cluster_ntiers(const Cluster *cluster) { return cluster->ntiers; }

const char *cluster_tier_name(const Cluster *cluster, int32_t tier) {
    if (tier == 0) return "scale-up";
    return cluster_tier_in_fabric(cluster, tier) ? cluster->spec.tier[tier - 1].name : "nic";
}

int64_t cluster_tier_links(const Cluster *cluster, int32_t tier) {
    return cluster_tier_in_fabric(cluster, tier) ? cluster->ncables[tier] : cluster->ngpus;
}

LinkId cluster_fault_link(const Cluster *cluster, const LinkFaultSpec *fault) {
    CableRef cable = {0, 0};
    const Status status = troubles_fault_cable(cluster, fault, &cable);
    CHECK(status_is_ok(&status), "%s", status.text);
    return cluster->first_link[cable.tier][LINK_UP] + cable.cable;
}

int32_t cluster_link_tier(const Cluster *cluster, LinkId link) {
    return cluster_range_of(cluster, link) / 2;
}

LinkDirection cluster_link_direction(const Cluster *cluster, LinkId link) {
    return (LinkDirection)(cluster_range_of(cluster, link) % 2);
}

/// Of the cable that a link is in; NULL: none.
static const LinkFault *fault_of(const Cluster *cluster, LinkId link) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_fabric(cluster, tier) || cluster->faults.nfaults == 0) return NULL;
    return linkfault_find(&cluster->faults, tier, cluster_cable_of(cluster, link, range).cable);
}

/// Of a healthy link.
static int64_t whole_Bps(const Cluster *cluster, LinkId link) {
    const int32_t range = cluster_range_of(cluster, link);
    if (range / 2 > 0 || cluster->spec.nothers == 0) return cluster->link_Bps[range / 2];
    const GpuId gpu = link - cluster->first_link[0][range];
    return cluster_scale_up_of_kind(&cluster->spec, cluster_gpu_kind(&cluster->spec, gpu))
        ->goodput_Bps;
}

int64_t cluster_capacity_Bps(const Cluster *cluster, LinkId link) {
    if (cluster_is_bundle(cluster, link)) {
        const Bundle bundle = bundle_from_id(cluster, link);
        return bundle_capacity_Bps(cluster, &bundle);
    }
    const LinkFault *fault = fault_of(cluster, link);
    return linkfault_left_Bps(fault ? fault->fraction : 1, whole_Bps(cluster, link));
}

int64_t cluster_best_Bps(const Cluster *cluster, LinkId link) {
    if (cluster_is_bundle(cluster, link)) {
        const Bundle bundle = bundle_from_id(cluster, link);
        return bundle_best_Bps(cluster, &bundle);
    }
    const LinkFault *fault = fault_of(cluster, link);
    return linkfault_left_Bps(fault ? fault->best : 1, whole_Bps(cluster, link));
}

int64_t cluster_healthy_Bps(const Cluster *cluster, int32_t tier) {
    return cluster->link_Bps[tier];
}

int64_t cluster_uplinks_Bps(const Cluster *cluster, int32_t tier) {
    return cluster_tier_up_Bps(cluster, tier);
}

bool cluster_can_bind(const Cluster *cluster, LinkId link) {
    return !cluster_is_bundle(cluster, link) || cluster->binds[cluster_range_of(cluster, link) / 2];
}

int64_t cluster_resource_width(const Cluster *cluster, LinkId link) {
    if (!cluster_is_bundle(cluster, link)) return 1;
    const Bundle bundle = bundle_from_id(cluster, link);
    return bundle_width(cluster, &bundle);
}

LinkId cluster_resource_link(const Cluster *cluster, LinkId resource, int64_t i) {
    if (!cluster_is_bundle(cluster, resource)) return resource;
    const Bundle bundle = bundle_from_id(cluster, resource);
    return bundle_link(cluster, &bundle, i);
}

GpuId cluster_first_gpu_below(const Cluster *cluster, LinkId link) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_fabric(cluster, tier)) return link - cluster->first_link[tier][range % 2];
    return cluster_is_bundle(cluster, link)
               ? tree_first_gpu(cluster, tier, bundle_from_id(cluster, link).subtree)
               : cluster->topology->first_gpu_below(cluster,
                                                    cluster_cable_of(cluster, link, range));
}

void cluster_link_ends(const Cluster *cluster, LinkId link, int64_t *lower, SwitchId *upper) {
    CHECK(!cluster_is_bundle(cluster, link), "resource %lld is a bundle: it has no two ends",
          (long long)link);
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_fabric(cluster, tier)) {
        *lower = link - cluster->first_link[tier][range % 2];
        *upper =
            tier == 0 ? cluster_domain_of(cluster, *lower) : cluster_endpoint_of(cluster, *lower);
        return;
    }
    CableEnd end[2];
    cluster->topology->ends(cluster, cluster_cable_of(cluster, link, range), end);
    *lower = end[0].number;
    *upper = end[1].number;
}

// names

static void name_link(const Cluster *cluster, LinkId link, int32_t range,
                      char text[CLUSTER_NAME_BYTES]) {
    char lower[CLUSTER_NAME_BYTES], upper[CLUSTER_NAME_BYTES];
    cluster->topology->name_ends(cluster, cluster_cable_of(cluster, link, range), lower, upper);
    if (range % 2 == LINK_UP)
        snprintf(text, CLUSTER_NAME_BYTES, "%.45s -> %.45s", lower, upper);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "%.45s -> %.45s", upper, lower);
}

const char *cluster_link_name(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (cluster_is_bundle(cluster, link))
        tree_name_bundle(cluster, link, text);
    else if (cluster_tier_in_fabric(cluster, tier))
        name_link(cluster, link, range, text);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "gpu %lld %s %s",
                 (long long)(link - cluster->first_link[tier][range % 2]),
                 cluster_tier_name(cluster, tier), range % 2 == LINK_UP ? "->" : "<-");
    return text;
}
