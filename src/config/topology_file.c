#include "config/topology_file.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cluster/clustercheck.h"
#include "config/hardware_file.h"
#include "observe/power.h"

enum { CHILDREN_MOST = 1 << 20 };

static const Field TIER_FIELDS[] = {
    FIELD_STRING_AT("name", TierSpec, name, NULL,
                    "what switches of this level are called: leaf, spine, core"),
    FIELD_REFERENCE_OR_NONE_AT("switch", TierSpec, switch_spec, "hardware", &switch_schema,
                               "catalogue entry of the switches"),
    FIELD_COUNT_OR_WORD_AT("children", TierSpec, children, "listed", 0, "listed", 1, CHILDREN_MOST,
                           "room for nodes of the level below under one switch"),
    FIELD_COUNT_AT("parents", TierSpec, parents, "1", 1, CHILDREN_MOST,
                   "switches of this level above one node of the level below"),
    FIELD_COUNT_AT("lanes", TierSpec, lanes, "1", 1, CHILDREN_MOST,
                   "parallel links to each of them"),
    FIELD_QUANTITY_AT("rate", TierSpec, link_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "line rate of one link"),
    FIELD_QUANTITY_AT("cable", TierSpec, cable_ps, QUANTITY_CABLE, NULL, 0, 0,
                      "length or delay of one cable"),
};
static const Schema TIER_SCHEMA = {.name = "tier",
                                   .field = TIER_FIELDS,
                                   .nfields = FIELDS_N(TIER_FIELDS),
                                   .bytes = sizeof(TierSpec)};
static const Field TIER_ELEMENT = ELEMENT_STRUCT(TierSpec, &TIER_SCHEMA);

static const Field FAULT_FIELDS[] = {
    FIELD_STRING_AT("what", LinkFaultSpec, what, "",
                    "a cable by name: leaf 3 port 17, gpu 17 nic; else the next three say it"),
    FIELD_COUNT_OR_WORD_AT("tier", LinkFaultSpec, tier, "named", -1, "named", 1, FABRIC_TIERS_MAX,
                           "tier of the link pair, 1 is the NIC's"),
    FIELD_COUNT_OR_WORD_AT("lower", LinkFaultSpec, lower, "named", -1, "named", 0, 0,
                           "node of the level below (tier 1: the GPU whose NIC it is)"),
    FIELD_COUNT_OR_WORD_AT("port", LinkFaultSpec, port, "named", -1, "named", 0, 0,
                           "its upward port: parent + parents * lane"),
    FIELD_QUANTITY_AT("remaining", LinkFaultSpec, fraction, QUANTITY_FRACTION, "0 %", 0, 0.999999,
                      "capacity left; 0 % is dead"),
};
/// By name or by numbers: not by both, and by all of them.
static void finish_fault(Reader *reader, const Node *node, void *data) {
    const LinkFaultSpec *fault = data;
    const char *const key[] = {"tier", "lower", "port"};
    const bool said[] = {fault->tier >= 0, fault->lower >= 0, fault->port >= 0};
    for (int i = 0; i < 3; i++) {
        if (fault->what[0] && said[i])
            reader_error(reader, node, key[i], "%s beside what, which names the cable", key[i]);
        if (!fault->what[0] && !said[i])
            reader_error(reader, node, "",
                         "missing key '%s' in fault: a cable by tier, lower and port, or by what: "
                         "'leaf 3 port 17'",
                         key[i]);
    }
}
static const Schema FAULT_SCHEMA = {.name = "fault",
                                    .field = FAULT_FIELDS,
                                    .nfields = FIELDS_N(FAULT_FIELDS),
                                    .bytes = sizeof(LinkFaultSpec),
                                    .finish = finish_fault};
static const Field FAULT_ELEMENT = ELEMENT_STRUCT(LinkFaultSpec, &FAULT_SCHEMA);

static const Field SLOW_FIELDS[] = {
    FIELD_STRING_AT("what", SlowSpec, what, NULL, "gpu 17, gpu 8-15, node 3, rack 0-1"),
    FIELD_NUMBER_AT("compute", SlowSpec, compute, "1", 1, 1000, "work takes so many times as long"),
    FIELD_NUMBER_AT("nic", SlowSpec, nic, "1", 1, 1000, "so do the bytes of the NICs"),
    FIELD_QUANTITY_AT("from", SlowSpec, from_ps, QUANTITY_TIME, "0 s", 0, 0, "in simulated time"),
    FIELD_QUANTITY_OR_WORD_AT("until", SlowSpec, until_ps, QUANTITY_TIME, "never", TIME_NEVER_PS,
                              "never", 0, 0, "in simulated time"),
};
static const Schema SLOW_SCHEMA = {.name = "slow",
                                   .field = SLOW_FIELDS,
                                   .nfields = FIELDS_N(SLOW_FIELDS),
                                   .bytes = sizeof(SlowSpec)};
const Field topology_slow_element = ELEMENT_STRUCT(SlowSpec, &SLOW_SCHEMA);

static const Field EVENT_FIELDS[] = {
    FIELD_QUANTITY_AT("at", EventSpec, at_ps, QUANTITY_TIME, NULL, 0, 0, "in simulated time"),
    FIELD_STRING_AT("what", EventSpec, what, NULL,
                    "gpu 17, node 3, rack 0, gpu 17 nic, spine 12, leaf 3 port 17"),
    FIELD_QUANTITY_AT("remaining", EventSpec, remaining, QUANTITY_FRACTION, NULL, 0, 1,
                      "left of it from then on; 0 % is dead, 100 % is back"),
};
static const Schema EVENT_SCHEMA = {.name = "event",
                                    .field = EVENT_FIELDS,
                                    .nfields = FIELDS_N(EVENT_FIELDS),
                                    .bytes = sizeof(EventSpec)};
const Field topology_event_element = ELEMENT_STRUCT(EventSpec, &EVENT_SCHEMA);

static const Field OTHER_FIELDS[] = {
    FIELD_COUNT_AT("from", OtherNodesSpec, from, NULL, 1, 0, "first node that has them"),
    FIELD_REFERENCE_AT("gpu", OtherNodesSpec, gpu, "hardware", &gpu_schema,
                       "catalogue entry of the GPUs"),
    FIELD_COUNT_OR_WORD_AT("gpus", OtherNodesSpec, gpus, "node", 0, "node", 1, 4096,
                           "GPUs, NICs and rails of a node; node: as many as the first nodes have"),
    FIELD_REFERENCE_OR_NONE_AT("scale_up", OtherNodesSpec, scale_up, "hardware", &scale_up_schema,
                               "catalogue entry of their scale-up domain; default: as the first "
                               "nodes"),
    FIELD_COUNT_OR_WORD_AT("domain_used", OtherNodesSpec, scale_up.used, "all", 0, "all", 1, 4096,
                           "as in node, of a scale_up of their own"),
};
static const Schema OTHER_SCHEMA = {.name = "other",
                                    .field = OTHER_FIELDS,
                                    .nfields = FIELDS_N(OTHER_FIELDS),
                                    .bytes = sizeof(OtherNodesSpec)};
static const Field OTHER_ELEMENT = ELEMENT_STRUCT(OtherNodesSpec, &OTHER_SCHEMA);

static const Field NODE_FIELDS[] = {
    FIELD_REFERENCE_AT("gpu", ClusterSpec, gpu, "hardware", &gpu_schema,
                       "catalogue entry of the GPUs"),
    FIELD_COUNT_AT("gpus", ClusterSpec, gpus_per_node, NULL, 1, 4096,
                   "GPUs, NICs and rails of a node"),
    FIELD_REFERENCE_AT("nic", ClusterSpec, nic, "hardware", &nic_schema,
                       "catalogue entry of the NICs, one per GPU"),
    FIELD_REFERENCE_AT("scale_up", ClusterSpec, scale_up, "hardware", &scale_up_schema,
                       "catalogue entry of the scale-up domain"),
    FIELD_COUNT_OR_WORD_AT(
        "domain_used", ClusterSpec, scale_up.used, "all", 0, "all", 1, 4096,
        "GPUs of each scale-up domain that jobs use, in whole nodes; the others are spares"),
    FIELD_LIST_AT("others", ClusterSpec, other, nothers, &OTHER_ELEMENT, "",
                  "nodes from one on are others than those before, up to the next entry"),
};
static const Schema NODE_SCHEMA = {.name = "node",
                                   .field = NODE_FIELDS,
                                   .nfields = FIELDS_N(NODE_FIELDS),
                                   .bytes = sizeof(ClusterSpec)};

static const Field FILLED_ELEMENT = ELEMENT_COUNT(int64_t, STORE_INT64, 0, 4294967296.0);
static const Field FABRIC_FIELDS[] = {
    FIELD_ENUM_AT("kind", ClusterSpec, fabric, FABRIC_NAMES, "tree", "what the tiers mean"),
    FIELD_STRING_AT("cables", ClusterSpec, cables, "",
                    "of a graph: the file that lists its cables"),
    FIELD_ENUM_AT("wiring", ClusterSpec, wiring, WIRING_NAMES, "rail",
                  "rail: NIC r of every node of a unit goes to leaf r of that unit"),
    FIELD_BOOL_AT("pxn", ClusterSpec, pxn, "on",
                  "cross-rail messages hop over the scale-up domain to the right rail first"),
    FIELD_ENUM_AT("routing", ClusterSpec, routing, ROUTING_NAMES, "ecmp", "how paths are chosen"),
    FIELD_COUNT_OR_WORD_AT("hash_seed", ClusterSpec, ecmp_seed, "run", -1, "run", 0, 0,
                           "seed of the ecmp hashes; run: the seed of the run"),
    FIELD_BOOL_AT("in_network_reduction", ClusterSpec, in_network_reduction, "off",
                  "switches add up what collectives send (SHARP)"),
    FIELD_BOOL_AT("shared_seed", ClusterSpec, shared_seed, "off",
                  "all switches hash alike (polarisation)"),
    FIELD_COUNT_OR_WORD_AT("installed", ClusterSpec, installed, "all", 0, "all", 1, CHILDREN_MOST,
                           "children of the top level that exist"),
    FIELD_LIST_AT("filled", ClusterSpec, filled, nfilled, &FILLED_ELEMENT, "",
                  "nodes below each child of the top level; default: one after the other is full"),
    FIELD_LIST_AT("tiers", ClusterSpec, tier, ntiers, &TIER_ELEMENT, NULL,
                  "1 to 4 tiers, leaf first"),
    FIELD_LIST_AT("faults", ClusterSpec, fault, nfaults, &FAULT_ELEMENT, "",
                  "dead and degraded link pairs"),
};
static const Schema FABRIC_SCHEMA = {.name = "fabric",
                                     .field = FABRIC_FIELDS,
                                     .nfields = FIELDS_N(FABRIC_FIELDS),
                                     .bytes = sizeof(ClusterSpec)};

static const Field POWER_FIELDS[] = {
    FIELD_ENUM_AT("cooling", ClusterSpec, power.cooling, COOLING_NAMES, "air", "of the nodes"),
    FIELD_QUANTITY_AT("host", ClusterSpec, power.host_W, QUANTITY_POWER, "150 W", 0, 0,
                      "of a node without GPUs, NICs and fans, for each of its GPUs"),
    FIELD_QUANTITY_AT("host_active", ClusterSpec, power.host_active_W, QUANTITY_POWER, "50 W", 0, 0,
                      "more of it while the GPU works"),
    FIELD_QUANTITY_OR_WORD_AT("fans", ClusterSpec, power.fans, QUANTITY_FRACTION, "cooling", -1,
                              "cooling", 0, 1, "of what they cool"),
    FIELD_QUANTITY_AT("optic", ClusterSpec, power.optic_W, QUANTITY_POWER, "8 W", 0, 0,
                      "one end of a cable of 400 Gb/s; in proportion to its rate"),
    FIELD_QUANTITY_AT("supply_loss", ClusterSpec, power.supply_loss, QUANTITY_FRACTION, "4 %", 0,
                      0.5, "in power supplies, of what nodes and switches draw at the wall"),
    FIELD_QUANTITY_AT("service", ClusterSpec, power.service, QUANTITY_FRACTION, "5 %", 0, 1,
                      "storage and management, beside nodes and switches"),
    FIELD_QUANTITY_AT("distribution_loss", ClusterSpec, power.distribution_loss, QUANTITY_FRACTION,
                      "3 %", 0, 1, "in transformers and UPS"),
    FIELD_NUMBER_OR_WORD_AT("pue", ClusterSpec, power.pue, "cooling", -1, "cooling", 1, 10,
                            "cooling and the building, for each watt of IT, and that watt"),
    FIELD_QUANTITY_OR_WORD_AT("gpu_cap", ClusterSpec, power.gpu_cap_W, QUANTITY_POWER, "none", 0,
                              "none", 1, 0, "that a GPU draws at most"),
    FIELD_QUANTITY_OR_WORD_AT("rack_cap", ClusterSpec, power.rack_cap_W, QUANTITY_POWER, "none", 0,
                              "none", 1, 0, "that the nodes of a rack draw at most at the wall"),
    FIELD_QUANTITY_OR_WORD_AT("site_cap", ClusterSpec, power.site_cap_W, QUANTITY_POWER, "none", 0,
                              "none", 1, 0, "that the site draws at most"),
    FIELD_QUANTITY_OR_WORD_AT("inlet", ClusterSpec, power.inlet_C, QUANTITY_TEMPERATURE, "cool",
                              -1000, "cool", -50, 150, "of the air or coolant of GPUs"),
    FIELD_QUANTITY_OR_WORD_AT("inlet_rated", ClusterSpec, power.rated_C, QUANTITY_TEMPERATURE,
                              "cooling", -1000, "cooling", -50, 80,
                              "of the warmest with which GPUs may draw all they can"),
    FIELD_QUANTITY_AT("gpu_hottest", ClusterSpec, power.hottest_C, QUANTITY_TEMPERATURE, "87 C", 81,
                      150, "at which a GPU holds its clock back"),
    FIELD_QUANTITY_AT("band", ClusterSpec, power.band, QUANTITY_FRACTION, "5 %", 0, 1,
                      "more or less than the mean that the grid may be asked for"),
};
static const Schema POWER_SCHEMA = {.name = "power",
                                    .field = POWER_FIELDS,
                                    .nfields = FIELDS_N(POWER_FIELDS),
                                    .bytes = sizeof(ClusterSpec)};

static bool check_tier_ports(Reader *reader, const Node *node, const ClusterSpec *cluster,
                             int32_t level) {
    const TierSpec *tier = &cluster->tier[level - 1];
    char path[64];
    int64_t fastest = tier->link_Bps;
    if (level < cluster->ntiers && cluster->tier[level].link_Bps > fastest)
        fastest = cluster->tier[level].link_Bps;
    if (tier->switch_spec.port_Bps < fastest) {
        char port[QUANTITY_TEXT_BYTES], link[QUANTITY_TEXT_BYTES];
        snprintf(path, sizeof path, "fabric.tiers.%d.switch", (int)level - 1);
        reader_error(reader, node, path,
                     "a port of switch %s carries %s, but tier %s has links of %s",
                     tier->switch_spec.name,
                     quantity_write_int(QUANTITY_RATE, tier->switch_spec.port_Bps, port),
                     fastest == tier->link_Bps ? tier->name : cluster->tier[level].name,
                     quantity_write_int(QUANTITY_RATE, fastest, link));
        return false;
    }
    int64_t down = clustercheck_ports_down(cluster, level),
            up = clustercheck_ports_up(cluster, level);
    if (down + up <= tier->switch_spec.ports) return true;
    snprintf(path, sizeof path, "fabric.tiers.%d.children", (int)level - 1);
    reader_error(reader, node, path, "%s needs %lld ports down and %lld up, but switch %s has %d",
                 tier->name, (long long)down, (long long)up, tier->switch_spec.name,
                 (int)tier->switch_spec.ports);
    return false;
}

static bool check_tiers(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    if (cluster->ntiers == 0) {
        reader_error(reader, node, "fabric.tiers", "tiers wants 1 to %d tiers, got none",
                     FABRIC_TIERS_MAX);
        return false;
    }
    bool good = true;
    char path[64];
    for (int32_t level = 1; level <= cluster->ntiers; level++) {
        const TierSpec *tier = &cluster->tier[level - 1];
        for (int32_t below = 1; below < level; below++) {
            if (strcmp(cluster->tier[below - 1].name, tier->name) != 0) continue;
            snprintf(path, sizeof path, "fabric.tiers.%d.name", (int)level - 1);
            reader_error(reader, node, path, "tiers %d and %d are both named '%s'", (int)below,
                         (int)level, tier->name);
            good = false;
        }
        if (cluster->fabric == FABRIC_TREE)
            good = check_tier_ports(reader, node, cluster, level) && good;
        const NicSpec *nic = &cluster->nic;
        if ((double)tier->link_Bps * (double)nic->goodput_Bps >= (double)nic->line_Bps) continue;
        snprintf(path, sizeof path, "fabric.tiers.%d.rate", (int)level - 1);
        reader_error(reader, node, path, "links of tier %s have less than 1 B/s of goodput",
                     tier->name);
        good = false;
    }
    const TierSpec *top = &cluster->tier[cluster->ntiers - 1];
    if (cluster->fabric == FABRIC_TREE && cluster->installed > top->children) {
        reader_error(reader, node, "fabric.installed",
                     "installed is %d, but %s has room for %d children", (int)cluster->installed,
                     top->name, (int)top->children);
        good = false;
    }
    if (cluster->tier[0].link_Bps > cluster->nic.line_Bps) {
        reader_error(reader, node, "fabric.tiers.0.rate",
                     "rate of the first tier is above the line rate of NIC %s", cluster->nic.name);
        good = false;
    }
    return good;
}

/// NIC ports of the installed tree; stops where it is enough for any cluster.
static int64_t fabric_endpoints(const ClusterSpec *cluster) {
    int64_t endpoints = cluster->installed;
    for (int32_t t = 0; t < cluster->ntiers - 1 && endpoints < INT64_C(1) << 40; t++)
        endpoints *= cluster->tier[t].children;
    return endpoints;
}

static Status try_spec(const ClusterSpec *spec) {
    Cluster *built = NULL;
    Status status = cluster_create(spec, &built);
    cluster_destroy(built);
    return status;
}

/// What the machine's own check says of the cluster with as many nodes and the first faults alone.
static Status try_cluster(const ClusterSpec *cluster, int64_t nodes, int32_t nfaults) {
    ClusterSpec part = *cluster;
    part.nodes = nodes;
    part.nfaults = nfaults;
    part.nslow = part.nevents = part.nfilled = 0;
    return try_spec(&part);
}

/// Is the spell or event right that was taken last? It is given back after reporting what the machine says of it.
static bool try_trouble(Reader *reader, const Node *node, const char *list, int32_t i,
                        const ClusterSpec *cluster, int32_t *taken) {
    char path[64];
    snprintf(path, sizeof path, "%s.%d.what", list, (int)i);
    Status status = try_spec(cluster);
    if (status_is_ok(&status)) return true;
    reader_error(reader, node, path, "%s", status.text);
    --*taken;
    return false;
}

bool topology_add_troubles(Reader *reader, const Node *node, const SlowSpec slow[], int32_t nslow,
                           const EventSpec event[], int32_t nevents, ClusterSpec *cluster) {
    if (cluster->nslow + nslow > CLUSTER_SLOW_MAX) {
        reader_error(reader, node, "slow", "at most %d slow spells are supported in one run",
                     CLUSTER_SLOW_MAX);
        return false;
    }
    if (cluster->nevents + nevents > CLUSTER_EVENTS_MAX) {
        reader_error(reader, node, "events", "at most %d events are supported in one run",
                     CLUSTER_EVENTS_MAX);
        return false;
    }
    bool good = true;
    for (int32_t i = 0; i < nslow; i++) {
        cluster->slow[cluster->nslow++] = slow[i];
        good = try_trouble(reader, node, "slow", i, cluster, &cluster->nslow) && good;
    }
    for (int32_t i = 0; i < nevents; i++) {
        cluster->event[cluster->nevents++] = event[i];
        good = try_trouble(reader, node, "events", i, cluster, &cluster->nevents) && good;
    }
    return good;
}

static void report_troubles(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    ClusterSpec part = *cluster;
    part.nslow = part.nevents = 0;
    topology_add_troubles(reader, node, cluster->slow, cluster->nslow, cluster->event,
                          cluster->nevents, &part);
}

/// It knows no places: they follow from how little of the file it takes for the same error.
static void report_cluster(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    ClusterSpec whole = *cluster; // without spares
    whole.scale_up.used = 0;
    for (int32_t i = 0; i < whole.nothers; i++) whole.other[i].scale_up.used = 0;
    Status part = clustercheck_spec(&whole);
    char path[64] = "node.gpus";
    if (status_is_ok(&part)) {
        part = clustercheck_spec(cluster);
        snprintf(path, sizeof path, "node.domain_used");
    }
    whole = *cluster; // without others
    for (whole.nothers = 0; !status_is_ok(&part) && whole.nothers < cluster->nothers;
         whole.nothers++) {
        const Status before = clustercheck_spec(&whole);
        if (status_is_ok(&before))
            snprintf(path, sizeof path, "node.others.%d", (int)whole.nothers);
    }
    if (status_is_ok(&part)) { // a list of cables is of all nodes
        part = try_cluster(cluster, cluster->fabric == FABRIC_GRAPH ? cluster->nodes : 1, 0);
        snprintf(path, sizeof path, "fabric.tiers");
    }
    if (status_is_ok(&part)) {
        part = try_cluster(cluster, cluster->nodes, 0);
        snprintf(path, sizeof path, "nodes");
    }
    int32_t first = 0;
    while (status_is_ok(&part) && first < cluster->nfaults) {
        snprintf(path, sizeof path, "fabric.faults.%d", (int)first);
        part = try_cluster(cluster, cluster->nodes, ++first);
    }
    if (status_is_ok(&part))
        report_troubles(reader, node, cluster);
    else
        reader_error(reader, node, path, "%s", part.text);
}

/// A domain has GPUs of one kind.
static bool check_others(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    int64_t before = 0, begun = 0; // of the entry before, of its run
    for (int32_t i = 0; i < cluster->nothers; i++) {
        const int64_t from = cluster->other[i].from,
                      domain = cluster_scale_up_of_kind(cluster, i)->gpus,
                      each = cluster_gpus_of_kind(cluster, i);
        char path[64];
        if (cluster->other[i].scale_up.used > 0 && cluster->other[i].scale_up.gpus == 0) {
            snprintf(path, sizeof path, "node.others.%d.domain_used", (int)i);
            reader_error(reader, node, path,
                         "domain_used is of a scale_up of these nodes, but none is named");
            return false;
        }
        snprintf(path, sizeof path, "node.others.%d.from", (int)i);
        if (from <= before && i > 0) {
            reader_error(reader, node, path, "from is %lld, behind an entry from %lld",
                         (long long)from, (long long)before);
            return false;
        }
        if (from >= cluster->nodes) {
            reader_error(reader, node, path, "from is %lld, but the last of %lld nodes is %lld",
                         (long long)from, (long long)cluster->nodes, (long long)cluster->nodes - 1);
            return false;
        }
        if ((from - begun) % (domain > each ? domain / each : 1) != 0) {
            reader_error(reader, node, path,
                         "node %lld is in the midst of a scale-up domain of %lld nodes",
                         (long long)from, (long long)(domain / each));
            return false;
        }
        before = from;
        if (!node_runs_alike(cluster, i, i + 1)) begun = from;
    }
    return true;
}

static void cap_gpus(Reader *reader, const Node *node, ClusterSpec *cluster) {
    const char *key;
    const Status status = power_cap_gpus(cluster, &key);
    if (status_is_ok(&status)) return;
    char path[64];
    snprintf(path, sizeof path, "power.%s", key);
    reader_error(reader, node, path, "%s %s", key, status.text);
}

/// What tiers of each kind of fabric must have, and may leave out: of the others the first tier has the switches.
static bool fill_tiers(Reader *reader, const Node *node, ClusterSpec *cluster) {
    const FabricKind fabric = cluster->fabric;
    bool good = true;
    for (int32_t t = 1; t <= cluster->ntiers; t++) {
        TierSpec *tier = &cluster->tier[t - 1];
        char path[64];
        snprintf(path, sizeof path, "fabric.tiers.%d", (int)t - 1);
        if (!tier->switch_spec.name[0] && t > 1 && fabric != FABRIC_TREE)
            tier->switch_spec = cluster->tier[0].switch_spec;
        if (!tier->switch_spec.name[0]) {
            reader_error(reader, node, path,
                         "missing key 'switch' in tier: catalogue entry of the switches");
            good = false;
        }
        const bool parents = fabric == FABRIC_TREE || (fabric == FABRIC_DRAGONFLY && t == 3);
        if ((tier->parents > 1 && !parents) || (tier->children > 1 && fabric == FABRIC_GRAPH)) {
            reader_error(reader, node, path, "a tier of a %s has no %s", FABRIC_NAMES[fabric],
                         tier->parents > 1 ? "parents" : "children: the cables say it");
            good = false;
        }
        if (tier->children > 0) continue;
        tier->children = 1;
        if (fabric == FABRIC_GRAPH) continue;
        reader_error(reader, node, path,
                     "missing key 'children' in tier: room for nodes of the level below under one "
                     "switch");
        good = false;
    }
    return good;
}

/// Is it good? Else it is reported at the key.
static bool report_at(Reader *reader, const Node *node, const char *path, Status status) {
    if (!status_is_ok(&status)) reader_error(reader, node, path, "%s", status.text);
    return status_is_ok(&status);
}

/// Keys of other kinds of fabric.
static bool check_fabric_keys(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    const bool graph = cluster->fabric == FABRIC_GRAPH;
    if (!report_at(reader, node, "fabric.routing", clustercheck_routing(cluster)) ||
        !report_at(reader, node, "fabric.wiring", clustercheck_wiring(cluster)))
        return false;
    const char *const of_trees = cluster->installed > 0 ? "installed"
                                 : cluster->nfilled > 0 ? "filled"
                                                        : NULL;
    if (cluster->fabric != FABRIC_TREE && of_trees) {
        char path[32];
        snprintf(path, sizeof path, "fabric.%s", of_trees);
        reader_error(reader, node, path, "%s is of trees, this is a %s", of_trees,
                     FABRIC_NAMES[cluster->fabric]);
        return false;
    }
    if (graph == (cluster->cables[0] != '\0')) return true;
    if (graph)
        reader_error(reader, node, "fabric",
                     "missing key 'cables' in fabric: the file that lists them");
    else
        reader_error(reader, node, "fabric.cables", "cables are listed of a graph, this is a %s",
                     FABRIC_NAMES[cluster->fabric]);
    return false;
}

/// The list of a graph; *table is NULL for other fabrics.
static bool open_cables(Reader *reader, const Node *node, ClusterSpec *cluster,
                        const Text **table) {
    *table = NULL;
    if (cluster->fabric != FABRIC_GRAPH) return true;
    *table = reader_open_data(reader, node, "fabric.cables", reader->base, cluster->cables,
                              sizeof cluster->cables);
    cluster->cable_text = *table ? (*table)->bytes : NULL;
    return *table != NULL;
}

static bool check_room(Reader *reader, const Node *node, const ClusterSpec *cluster) {
    const int64_t trees = cluster->wiring == WIRING_RAIL_ONLY ? cluster->gpus_per_node : 1;
    const int64_t endpoints = trees * fabric_endpoints(cluster);
    const NodeRuns runs = node_runs(cluster);
    if (cluster->fabric != FABRIC_TREE || cluster->nodes <= endpoints / cluster->gpus_per_node ||
        runs.n > 1) // then the cluster says it
        return true;
    reader_error(
        reader, node, "nodes",
        "nodes is %lld with %d NICs each, but the installed fabric has room for %lld NICs, "
        "which are what children of the lowest tier count%s",
        (long long)cluster->nodes, (int)cluster->gpus_per_node, (long long)endpoints,
        trees == 1 ? "; with 'wiring: rail-only' each NIC of a node has a fabric of its own" : "");
    return false;
}

static void finish_topology(Reader *reader, const Node *node, void *data) {
    ClusterSpec *cluster = data;
    const Text *table;
    if (!cluster->name[0]) text_stem(reader->base, cluster->name, sizeof cluster->name);
    if (!fill_tiers(reader, node, cluster)) return;
    if (cluster->ntiers > 0 && cluster->installed == 0 && cluster->fabric == FABRIC_TREE)
        cluster->installed = cluster->tier[cluster->ntiers - 1].children;
    if (!check_fabric_keys(reader, node, cluster) || !check_tiers(reader, node, cluster) ||
        !check_room(reader, node, cluster) || !check_others(reader, node, cluster) ||
        !report_at(reader, node, "fabric.filled", clustercheck_filled(cluster)) ||
        !open_cables(reader, node, cluster, &table))
        return;
    const Status status = try_spec(cluster);
    if (status_is_ok(&status))
        cap_gpus(reader, node, cluster);
    else if (table && status.code == STATUS_INPUT) // lines of the list
        reader_report_data(reader, node, "fabric.cables", table, &status);
    else
        report_cluster(reader, node, cluster);
}

static const Field TOPOLOGY_FIELDS[] = {
    FIELD_STRING_AT("name", ClusterSpec, name, "", "for people; default: the file's name"),
    FIELD_COUNT_AT("nodes", ClusterSpec, nodes, NULL, 1, 4294967296.0, "nodes of the cluster"),
    FIELD_PART("node", ClusterSpec, &NODE_SCHEMA, NULL, "what is in a node"),
    FIELD_PART("fabric", ClusterSpec, &FABRIC_SCHEMA, NULL, "the network between nodes"),
    FIELD_PART("power", ClusterSpec, &POWER_SCHEMA, "", "what the site draws beside its GPUs"),
    FIELD_LIST_AT("slow", ClusterSpec, slow, nslow, &topology_slow_element, "",
                  "GPUs, nodes and racks that are slower than nominal"),
    FIELD_LIST_AT("events", ClusterSpec, event, nevents, &topology_event_element, "",
                  "what degrades, dies and returns"),
};
const Schema topology_schema = {.name = "topology",
                                .field = TOPOLOGY_FIELDS,
                                .nfields = FIELDS_N(TOPOLOGY_FIELDS),
                                .bytes = sizeof(ClusterSpec),
                                .kind = "topology",
                                .finish = finish_topology};
