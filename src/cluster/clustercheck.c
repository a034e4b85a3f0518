#include "cluster/clustercheck.h"

#include <string.h>

const char *const WIRING_NAMES[] = {
    [WIRING_PLAIN] = "plain", [WIRING_RAIL] = "rail", [WIRING_RAIL_ONLY] = "rail-only", NULL};
const char *const FABRIC_NAMES[] = {
    [FABRIC_TREE] = "tree",           [FABRIC_TORUS] = "torus", [FABRIC_MESH] = "mesh",
    [FABRIC_DRAGONFLY] = "dragonfly", [FABRIC_GRAPH] = "graph", NULL};

int64_t clustercheck_ports(const SwitchSpec *sw, int64_t links, int64_t link_Bps) {
    const int64_t links_per_port = sw->port_Bps / link_Bps;
    return (links + links_per_port - 1) / links_per_port;
}

int64_t clustercheck_ports_down(const ClusterSpec *spec, int32_t level) {
    const TierSpec *tier = &spec->tier[level - 1];
    return clustercheck_ports(&tier->switch_spec, (int64_t)tier->children * tier->lanes,
                              tier->link_Bps);
}

int64_t clustercheck_ports_up(const ClusterSpec *spec, int32_t level) {
    if (level == spec->ntiers) return 0;
    const TierSpec *above = &spec->tier[level];
    return clustercheck_ports(&spec->tier[level - 1].switch_spec,
                              (int64_t)above->parents * above->lanes, above->link_Bps);
}

/// The domain of nodes of so many GPUs.
static Status check_domain(const ScaleUpSpec *domain, int32_t gpus) {
    REQUIRE(gpus >= 1, STATUS_RANGE, "a node has %d GPUs; wanted at least 1", gpus);
    REQUIRE(gpus <= DIVIDER_MAX && domain->gpus <= DIVIDER_MAX, STATUS_RANGE,
            "a node of %d GPUs and a scale-up domain of %d GPUs; at most %d are supported", gpus,
            domain->gpus, DIVIDER_MAX);
    REQUIRE(domain->gpus >= 1, STATUS_RANGE, "a scale-up domain has %d GPUs; wanted at least 1",
            domain->gpus);
    REQUIRE(
        domain->gpus % gpus == 0 || gpus % domain->gpus == 0, STATUS_RANGE,
        "a scale-up domain of %d GPUs and a node of %d GPUs: one must be a multiple of the other",
        domain->gpus, gpus);
    REQUIRE(scale_up_used(domain) == domain->gpus ||
                (domain->used > 0 && domain->used < domain->gpus && domain->used % gpus == 0),
            STATUS_RANGE,
            "domain_used is %d: wanted whole nodes of %d GPUs, at most the %d of a scale-up domain",
            domain->used, gpus, domain->gpus);
    REQUIRE(domain->gpus == 1 || domain->goodput_Bps > 0, STATUS_RANGE,
            "a scale-up domain of %d GPUs has goodput %lld B/s; wanted more than 0", domain->gpus,
            (long long)domain->goodput_Bps);
    REQUIRE(domain->goodput_Bps >= 0 && domain->latency_ps >= 0, STATUS_RANGE,
            "the scale-up domain has a negative goodput (%lld B/s) or latency (%lld ps)",
            (long long)domain->goodput_Bps, (long long)domain->latency_ps);
    return status_ok();
}

static Status check_domains(const ClusterSpec *spec) {
    REQUIRE(spec->nodes >= 1, STATUS_RANGE, "the cluster has %lld nodes; wanted at least 1",
            (long long)spec->nodes);
    REQUIRE(spec->nodes <= INT64_C(1) << 32, STATUS_RANGE,
            "the cluster has %lld nodes; at most 2^32 are supported", (long long)spec->nodes);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        TRY(check_domain(cluster_scale_up_of_kind(spec, kind), cluster_gpus_of_kind(spec, kind)));
    return status_ok();
}

static Status check_nic(const ClusterSpec *spec) {
    const NicSpec *nic = &spec->nic;
    REQUIRE(nic->line_Bps > 0 && nic->goodput_Bps > 0 && nic->goodput_Bps <= nic->line_Bps,
            STATUS_RANGE,
            "the NIC has goodput %lld B/s and line rate %lld B/s; wanted 0 < goodput <= line rate",
            (long long)nic->goodput_Bps, (long long)nic->line_Bps);
    REQUIRE(nic->latency_ps >= 0, STATUS_RANGE, "the NIC has latency %lld ps; wanted 0 or more",
            (long long)nic->latency_ps);
    REQUIRE(spec->tier[0].link_Bps <= nic->line_Bps, STATUS_RANGE,
            "tier 1 has links of %lld B/s, but the NIC's line rate is %lld B/s",
            (long long)spec->tier[0].link_Bps, (long long)nic->line_Bps);
    return status_ok();
}

static Status check_tier(const ClusterSpec *spec, int32_t t) {
    const TierSpec *tier = &spec->tier[t - 1];
    REQUIRE(tier->children >= 1 && tier->parents >= 1 && tier->lanes >= 1, STATUS_RANGE,
            "tier %d (%s) has children %d, parents %d, lanes %d; each must be at least 1", t,
            tier->name, tier->children, tier->parents, tier->lanes);
    REQUIRE(tier->link_Bps > 0, STATUS_RANGE,
            "tier %d (%s) has links of %lld B/s; wanted more than 0", t, tier->name,
            (long long)tier->link_Bps);
    REQUIRE(tier->cable_ps >= 0 && tier->switch_spec.latency_ps >= 0, STATUS_RANGE,
            "tier %d (%s) has cable delay %lld ps and switch latency %lld ps; wanted 0 or more", t,
            tier->name, (long long)tier->cable_ps, (long long)tier->switch_spec.latency_ps);
    for (int32_t below = 1; below < t; below++)
        REQUIRE(tier->name[0] == '\0' || strcmp(spec->tier[below - 1].name, tier->name) != 0,
                STATUS_RANGE, "tiers %d and %d are both named %s", below, t, tier->name);
    return status_ok();
}

static Status check_radix(const ClusterSpec *spec, int32_t level) {
    const TierSpec *tier = &spec->tier[level - 1];
    const SwitchSpec *sw = &tier->switch_spec;
    const bool top = level == spec->ntiers;
    const int64_t fastest_Bps = top || tier->link_Bps > spec->tier[level].link_Bps
                                    ? tier->link_Bps
                                    : spec->tier[level].link_Bps;
    REQUIRE(sw->port_Bps >= fastest_Bps, STATUS_RANGE,
            "tier %d (%s): a switch port of %lld B/s cannot carry a link of %lld B/s", level,
            tier->name, (long long)sw->port_Bps, (long long)fastest_Bps);
    const int64_t down = clustercheck_ports_down(spec, level),
                  up = clustercheck_ports_up(spec, level);
    REQUIRE(down + up <= sw->ports, STATUS_RANGE,
            "tier %d (%s): a switch needs %lld ports down and %lld up, but %s has %d", level,
            tier->name, (long long)down, (long long)up, sw->name[0] ? sw->name : "the switch",
            sw->ports);
    return status_ok();
}

Status clustercheck_routing(const ClusterSpec *spec) {
    const bool tree = spec->fabric == FABRIC_TREE;
    REQUIRE(spec->routing != (tree ? ROUTING_DOR : ROUTING_DMODK), STATUS_RANGE,
            "%s is for %s, this is a %s", ROUTING_NAMES[spec->routing],
            tree ? "torus, mesh, dragonfly and graph" : "trees", FABRIC_NAMES[spec->fabric]);
    return status_ok();
}

Status clustercheck_wiring(const ClusterSpec *spec) {
    if (spec->wiring != WIRING_RAIL_ONLY) return status_ok();
    bool whole = true, alike = true;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const int32_t gpus = cluster_gpus_of_kind(spec, kind);
        whole = whole && cluster_scale_up_of_kind(spec, kind)->gpus % gpus == 0;
        alike = alike && gpus == spec->gpus_per_node;
    }
    REQUIRE(spec->fabric == FABRIC_TREE && spec->pxn && whole, STATUS_RANGE,
            "rail-only wants a tree, pxn, and whole nodes in a scale-up domain: messages change "
            "rails there");
    REQUIRE(alike, STATUS_RANGE, "rail-only wants as many GPUs in all nodes: as there are rails");
    return status_ok();
}

Status clustercheck_spec(const ClusterSpec *spec) {
    REQUIRE(spec->ntiers >= 1 && spec->ntiers <= FABRIC_TIERS_MAX, STATUS_RANGE,
            "the fabric has %d tiers; wanted 1 to %d", spec->ntiers, FABRIC_TIERS_MAX);
    TRY(check_domains(spec));
    TRY(check_nic(spec));
    for (int32_t t = 1; t <= spec->ntiers; t++) TRY(check_tier(spec, t));
    TRY(clustercheck_routing(spec));
    TRY(clustercheck_wiring(spec));
    if (spec->fabric != FABRIC_TREE) return status_ok();
    for (int32_t l = 1; l <= spec->ntiers; l++) TRY(check_radix(spec, l));
    const TierSpec *top = &spec->tier[spec->ntiers - 1];
    REQUIRE(spec->installed >= 1 && spec->installed <= top->children, STATUS_RANGE,
            "%d children of the top tier (%s) are installed; wanted 1 to %d", spec->installed,
            top->name, top->children);
    return status_ok();
}

/// A child of the top level that has so many NIC ports has room for whole units of nodes of a run, and for those it is given.
static Status check_child(const ClusterSpec *spec, int32_t child, const AlikeNodes *run,
                          int64_t ports) {
    const int64_t nodes = spec->filled[child], unit = (int64_t)spec->tier[0].children *
                                                      (spec->wiring == WIRING_RAIL ? run->gpus : 1);
    REQUIRE(ports % unit == 0 && ports % run->gpus == 0, STATUS_RANGE,
            "filled counts nodes of each child of the top tier, but those have %lld NIC ports: not "
            "whole "
            "units of nodes",
            (long long)ports);
    REQUIRE(nodes >= 0 && nodes <= ports / run->gpus, STATUS_RANGE,
            "filled gives child %d of the top tier %lld nodes, but it has room for %lld", child,
            (long long)nodes, (long long)(ports / run->gpus));
    return status_ok();
}

Status clustercheck_filled(const ClusterSpec *spec) {
    if (spec->nfilled == 0) return status_ok();
    REQUIRE(
        spec->wiring != WIRING_RAIL_ONLY, STATUS_RANGE,
        "filled wants wiring rail or plain: with %s no child of the top tier has nodes of its own",
        "rail-only");
    const NodeRuns runs = node_runs(spec);
    const AlikeNodes *least = &runs.run[0]; // of the fewest GPUs: there is most room for them
    for (int32_t r = 1; r < runs.n; r++)
        if (runs.run[r].gpus < least->gpus) least = &runs.run[r];
    int64_t ports = 1, sum = 0;
    for (int32_t t = 1; t < spec->ntiers; t++) ports *= spec->tier[t - 1].children;
    REQUIRE(spec->nfilled <= spec->installed, STATUS_RANGE,
            "filled lists %d children of the top tier, but %d are installed", spec->nfilled,
            spec->installed);
    for (int32_t i = 0; i < spec->nfilled; sum += spec->filled[i++])
        TRY(check_child(spec, i, least, ports));
    REQUIRE(sum == spec->nodes, STATUS_RANGE, "filled sums to %lld nodes, but there are %lld",
            (long long)sum, (long long)spec->nodes);
    return status_ok();
}

/// Nodes of `rails` NICs that there is room for.
static int64_t room_for(const ClusterSpec *spec, const FatTree *tree, int32_t rails) {
    if (spec->wiring != WIRING_RAIL) return tree->subtrees[0] / rails;
    if (spec->ntiers == 1) return rails == 1 ? tree->subtrees[0] : 0;
    return tree->subtrees[1] / rails * tree->children[1];
}

Status clustercheck_room(const Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    const FatTree *tree = &cluster->tree;
    for (int32_t r = 0; r < cluster->runs.n; r++) {
        const AlikeNodes *run = &cluster->runs.run[r];
        const int64_t room = room_for(spec, tree, run->gpus);
        REQUIRE(
            run->nodes <= room, STATUS_RANGE,
            "%lld nodes of %d NICs, but the installed fabric (%lld leaves of %d, %s wiring) has "
            "room for %lld",
            (long long)run->nodes, run->gpus, (long long)tree->subtrees[1], tree->children[1],
            WIRING_NAMES[spec->wiring], (long long)room);
    }
    REQUIRE(cluster->runs.n == 1 || cluster->end_endpoint <= tree->subtrees[0], STATUS_RANGE,
            "%lld nodes of different counts of GPUs take %lld NIC ports (%s wiring), but the "
            "installed fabric has %lld",
            (long long)spec->nodes, (long long)cluster->end_endpoint, WIRING_NAMES[spec->wiring],
            (long long)tree->subtrees[0]);
    return status_ok();
}
