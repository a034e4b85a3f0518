// A graph of cables behind topology.h: counts, names, faults, bisection. Its paths: graph_routes.c.
#include "cluster/graph_fabric.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "cluster/cable_list.h"
#include "cluster/clustercheck.h"

// building

/// NICs meet the switches of level 1 by number, as they meet leaves.
static Status attach_by_number(Cluster *cluster, int64_t nswitches) {
    const ClusterSpec *spec = &cluster->spec;
    const int64_t in_leaf = spec->tier[0].children, rails = spec->gpus_per_node;
    const int64_t room =
        spec->wiring == WIRING_PLAIN ? nswitches * in_leaf / rails : nswitches / rails * in_leaf;
    REQUIRE(cluster->runs.n > 1 || spec->nodes <= room, STATUS_RANGE,
            "%lld nodes of %lld NICs, but the fabric (%lld switches of %lld NICs, %s wiring) has "
            "room for %lld",
            (long long)spec->nodes, (long long)rails, (long long)nswitches, (long long)in_leaf,
            WIRING_NAMES[spec->wiring], (long long)room);
    REQUIRE(
        cluster->end_endpoint <= nswitches * in_leaf, STATUS_RANGE,
        "%lld nodes of different counts of GPUs take %lld NIC ports (%s wiring), but the fabric "
        "has %lld",
        (long long)spec->nodes, (long long)cluster->end_endpoint, WIRING_NAMES[spec->wiring],
        (long long)(nswitches * in_leaf));
    for (GpuId gpu = 0; gpu < cluster->ngpus; gpu++)
        for (int32_t port = 0; port < cluster->nic_ports; port++)
            cluster->graph->attach[gpu * cluster->nic_ports + port] =
                (int32_t)(cluster_nic_endpoint(cluster, gpu) / in_leaf);
    return status_ok();
}

/// Each NIC has the cables that the first tier says.
static Status attach_as_listed(Cluster *cluster, const ListedCables *list) {
    const int32_t ports = cluster->nic_ports;
    uint8_t *taken = memory_alloc("cluster.attach", (size_t)cluster->ngpus);
    for (int64_t i = 0; i < list->nics.n; i++) {
        const GraphCable *nic = &list->nics.at[i];
        if (taken[nic->a] < ports)
            cluster->graph->attach[(int64_t)nic->a * ports + taken[nic->a]] = nic->b;
        if (taken[nic->a] <= ports) taken[nic->a]++;
    }
    GpuId gpu = 0;
    while (gpu < cluster->ngpus && taken[gpu] == ports) gpu++;
    const int32_t has = gpu < cluster->ngpus ? taken[gpu] : ports;
    memory_free("cluster.attach", taken, (size_t)cluster->ngpus);
    REQUIRE(gpu == cluster->ngpus, STATUS_INPUT,
            "%s: gpu %lld has %s cables than the %d (lanes of the first tier) of each NIC: %d%s",
            cluster->spec.cables, (long long)gpu, has < ports ? "fewer" : "more", ports, has,
            has > ports ? " or more" : "");
    return status_ok();
}

static Status join(Cluster *cluster, ListedCables *list) {
    const ClusterSpec *spec = &cluster->spec;
    if (spec->fabric == FABRIC_GRAPH) {
        TRY(cable_list_read(spec, list));
        TRY(attach_as_listed(cluster, list));
    } else {
        TRY(graph_wire(spec, &list->nswitches[1], &list->cables));
        if (spec->fabric == FABRIC_DRAGONFLY) cluster->graph->length[3] = DRAGONFLY_GLOBAL_LENGTH;
        TRY(attach_by_number(cluster, list->nswitches[1]));
    }
    REQUIRE(list->cables.n <= GRAPH_CABLES_MAX, STATUS_RANGE,
            "%lld cables between switches; at most %d are supported", (long long)list->cables.n,
            GRAPH_CABLES_MAX);
    graph_join(cluster->graph, list->nswitches, list->cables.n, list->cables.at);
    return status_ok();
}

/// Links of a tier at a switch, NICs among them.
static void count_links(const Graph *graph, int64_t links[]) {
    for (int64_t i = 0; i < graph->nnics * graph->nic_ports; i++)
        links[graph->attach[i] * FATTREE_LEVELS + 1]++;
    for (int64_t k = 0; k < graph->ncables; k++) {
        links[graph->cable[k].a * FATTREE_LEVELS + graph->cable[k].tier]++;
        links[graph->cable[k].b * FATTREE_LEVELS + graph->cable[k].tier]++;
    }
}

/// Ports that the links of one switch take: for those of its own tier and below, and for those above.
static Status ports_of(const ClusterSpec *spec, int32_t level, const int64_t links[],
                       int64_t ports[2]) {
    const TierSpec *own = &spec->tier[level - 1];
    int64_t cables = 0;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        const int64_t link_Bps = spec->tier[t - 1].link_Bps;
        if (t > 1) cables += links[t];
        if (links[t] == 0) continue;
        REQUIRE(own->switch_spec.port_Bps >= link_Bps, STATUS_RANGE,
                "tier %d (%s): a switch port of %lld B/s cannot carry a link of %lld B/s", t,
                spec->tier[t - 1].name, (long long)own->switch_spec.port_Bps, (long long)link_Bps);
        ports[t > level] += clustercheck_ports(&own->switch_spec, links[t], link_Bps);
    }
    REQUIRE(cables <= GRAPH_DEGREE_MAX, STATUS_RANGE,
            "a %s has %lld cables to others; at most %d are supported", own->name,
            (long long)cables, GRAPH_DEGREE_MAX);
    REQUIRE(ports[0] + ports[1] <= own->switch_spec.ports, STATUS_RANGE,
            "tier %d (%s): a switch needs %lld ports, but %s has %d", level, own->name,
            (long long)(ports[0] + ports[1]), own->switch_spec.name, own->switch_spec.ports);
    return status_ok();
}

/// Of the fullest switch of each level, and of all.
static Status count_ports(Cluster *cluster) {
    const Graph *graph = cluster->graph;
    const size_t bytes = (size_t)graph->nswitches * FATTREE_LEVELS * sizeof(int64_t);
    int64_t *links = memory_alloc("cluster.attach", bytes);
    count_links(graph, links);
    Status status = status_ok();
    for (int32_t v = 0; v < graph->nswitches && status_is_ok(&status); v++) {
        const int32_t level = graph_level(graph, v);
        int64_t ports[2] = {0}, *most = cluster->ports[level];
        status = ports_of(&cluster->spec, level, &links[(size_t)v * FATTREE_LEVELS], ports);
        if (ports[0] + ports[1] > most[0] + most[1]) memcpy(most, ports, sizeof ports);
        cluster->ports_in_use[level] += (double)(ports[0] + ports[1]);
    }
    memory_free("cluster.attach", links, bytes);
    return status;
}

/// One part of the graph has a port of every NIC; the parts of the ports of GPU 0 are tried.
static Status check_reach(const Cluster *cluster) {
    Graph *graph = cluster->graph;
    const int32_t ports = cluster->nic_ports;
    GpuId lost = 0, farthest = 0;
    for (int32_t p = 0; p < ports; p++) {
        const uint16_t *distance = graph_distances(graph, false, graph->attach[p]);
        bool meets = true;
        for (lost = 0; lost < cluster->ngpus && meets; lost++) {
            meets = false;
            for (int32_t q = 0; q < ports; q++)
                meets = meets || distance[graph->attach[lost * ports + q]] != GRAPH_UNREACHED;
        }
        if (meets) return status_ok();
        if (lost - 1 > farthest) farthest = lost - 1;
    }
    FAIL(STATUS_RANGE,
         "no part of the fabric reaches all GPUs: none has a port of gpu 0 and one of gpu %lld",
         (long long)farthest);
}

static Status create(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    cluster->nic_ports = spec->tier[0].lanes;
    REQUIRE(spec->tier[0].parents == 1 && cluster->nic_ports <= GRAPH_PORTS_MAX, STATUS_RANGE,
            "of a NIC %d ports (lanes of the first tier) and %d parents; at most %d and 1 are "
            "supported but in trees",
            cluster->nic_ports, spec->tier[0].parents, GRAPH_PORTS_MAX);
    REQUIRE(cluster->ngpus <= GRAPH_CABLES_MAX, STATUS_RANGE,
            "%lld GPUs; at most %d are supported but in trees", (long long)cluster->ngpus,
            GRAPH_CABLES_MAX);
    cluster->graph = graph_new(cluster->ngpus, cluster->nic_ports);
    ListedCables list = {0};
    const Status status = join(cluster, &list);
    array_free(&list.cables);
    array_free(&list.nics);
    TRY(status);
    const Graph *graph = cluster->graph;
    cluster->ncables[1] = cluster->ngpus * cluster->nic_ports;
    cluster->uplinks[1] = cluster->nic_ports;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        cluster->nswitches[t] = graph->first_switch[t + 1] - graph->first_switch[t];
        if (t == 1) continue;
        cluster->ncables[t] = graph->first_cable[t + 1] - graph->first_cable[t];
        cluster->uplinks[t] = 1;
    }
    cluster->split =
        spec->routing == ROUTING_SPRAY || spec->routing == ROUTING_ADAPTIVE ? GRAPH_PIECES : 1;
    TRY(count_ports(cluster));
    return check_reach(cluster);
}

static void destroy(Cluster *cluster) { graph_free(cluster->graph); }

// faults

static void learned(Cluster *cluster) {
    Graph *graph = cluster->graph;
    bool changed = false;
    for (int32_t k = 0; k < cluster->faults.nfaults; k++) {
        const LinkFault *fault = &cluster->faults.fault[k];
        if (fault->tier == 1) continue;
        bool *dead = &graph->dead[graph->first_cable[fault->tier] + fault->cable];
        changed = changed || *dead != fault->dead;
        *dead = fault->dead;
    }
    if (changed) graph_forget(graph);
}

static Status take_faults(Cluster *cluster) {
    learned(cluster);
    troubles_find_best(cluster);
    return status_ok();
}

/// Position of the k-th cable of a tier (0: of all) at a switch; -1: there are not so many.
static int64_t nth_cable(const Graph *graph, int32_t vertex, int32_t tier, int32_t k) {
    for (int32_t i = graph->arc_first[vertex]; i < graph->arc_first[vertex + 1]; i++) {
        const int32_t cable = graph->arc[i].cable;
        if ((tier == 0 || graph->cable[cable].tier == tier) && k-- == 0) return cable;
    }
    return -1;
}

static CableRef ref_of(const Graph *graph, int64_t cable) {
    const int32_t tier = graph->cable[cable].tier;
    return (CableRef){tier, cable - graph->first_cable[tier]};
}

/// The level whose switches count cables of a tier: the lowest that has an end of one.
static int32_t level_below(const Graph *graph, int32_t tier) {
    int32_t lowest = tier;
    for (int64_t k = graph->first_cable[tier]; k < graph->first_cable[tier + 1]; k++) {
        const int32_t level = graph_level(graph, graph->cable[k].a);
        if (level < lowest) lowest = level;
    }
    return lowest;
}

static Status fault_cable(const Cluster *cluster, const LinkFaultSpec *fault, int64_t *cable) {
    const Graph *graph = cluster->graph;
    const int32_t t = fault->tier;
    if (t == 1) {
        REQUIRE(fault->port >= 0 && fault->port < cluster->nic_ports, STATUS_RANGE,
                "link fault at the NIC of GPU %lld, port %d, but it has %d ports",
                (long long)fault->lower, fault->port, cluster->nic_ports);
        *cable = fault->lower * cluster->nic_ports + fault->port;
        return status_ok();
    }
    const int32_t level = level_below(graph, t);
    const char *name = cluster->spec.tier[level - 1].name;
    REQUIRE(fault->lower >= 0 && fault->lower < cluster->nswitches[level], STATUS_RANGE,
            "link fault at tier %d, %s %lld, but there are %lld", t, name, (long long)fault->lower,
            (long long)cluster->nswitches[level]);
    const int64_t found =
        nth_cable(graph, graph->first_switch[level] + (int32_t)fault->lower, t, fault->port);
    REQUIRE(found >= 0, STATUS_RANGE,
            "link fault at tier %d, %s %lld, port %d: it has not so many cables of it", t, name,
            (long long)fault->lower, fault->port);
    *cable = ref_of(graph, found).cable;
    return status_ok();
}

static int64_t nic_cable(const Cluster *cluster, GpuId gpu) { return gpu * cluster->nic_ports; }

static int32_t vertex_of(const Graph *graph, int32_t level, SwitchId id) {
    return graph->first_switch[level] + (int32_t)id;
}

/// All its cables to other switches: none of them is upwards from it alone.
static int32_t nports_up(const Cluster *cluster, int32_t level, SwitchId id) {
    const Graph *graph = cluster->graph;
    const int32_t v = vertex_of(graph, level, id);
    return graph->arc_first[v + 1] - graph->arc_first[v];
}

static CableRef cable_up(const Cluster *cluster, int32_t level, SwitchId id, int32_t port) {
    const Graph *graph = cluster->graph;
    return ref_of(graph, nth_cable(graph, vertex_of(graph, level, id), 0, port));
}

static int32_t cables_of(const Cluster *cluster, int32_t level, SwitchId id, int32_t room,
                         CableRef cable[]) {
    const Graph *graph = cluster->graph;
    const int32_t v = vertex_of(graph, level, id);
    int32_t n = 0;
    for (int64_t i = 0; i < cluster->ncables[1] && n < room; i++)
        if (graph->attach[i] == v) cable[n++] = (CableRef){1, i};
    for (int32_t k = graph->arc_first[v]; k < graph->arc_first[v + 1] && n < room; k++)
        cable[n++] = ref_of(graph, graph->arc[k].cable);
    return n;
}

// ends

static GpuId first_gpu_below(const Cluster *cluster, CableRef ref) {
    if (ref.tier == 1) return ref.cable / cluster->nic_ports;
    return ref.cable * cluster->ngpus / cluster->ncables[ref.tier]; // nobody's own: deal them
}

static CableEnd end_of(const Graph *graph, int32_t vertex) {
    const int32_t level = graph_level(graph, vertex);
    return (CableEnd){level, vertex - graph->first_switch[level]};
}

static void ends(const Cluster *cluster, CableRef ref, CableEnd end[2]) {
    const Graph *graph = cluster->graph;
    if (ref.tier == 1) {
        end[0] = (CableEnd){0, ref.cable / cluster->nic_ports};
        end[1] = end_of(graph, graph->attach[ref.cable]);
        return;
    }
    const GraphCable *cable = &graph->cable[graph->first_cable[ref.tier] + ref.cable];
    end[0] = end_of(graph, cable->a);
    end[1] = end_of(graph, cable->b);
}

/// "leaf 3 port 2", the port among its cables to switches; port -1: none is told.
static void name_switch(const Cluster *cluster, int32_t vertex, int32_t port,
                        char text[CLUSTER_NAME_BYTES]) {
    const CableEnd end = end_of(cluster->graph, vertex);
    char suffix[24] = "";
    if (port >= 0) snprintf(suffix, sizeof suffix, " port %d", port);
    snprintf(text, CLUSTER_NAME_BYTES, "%.24s %lld%s", cluster->spec.tier[end.level - 1].name,
             (long long)end.number, suffix);
}

static void name_ends(const Cluster *cluster, CableRef ref, char lower[CLUSTER_NAME_BYTES],
                      char upper[CLUSTER_NAME_BYTES]) {
    const Graph *graph = cluster->graph;
    if (ref.tier == 1) {
        char suffix[24] = "";
        if (cluster->nic_ports > 1)
            snprintf(suffix, sizeof suffix, " port %d", (int)(ref.cable % cluster->nic_ports));
        snprintf(lower, CLUSTER_NAME_BYTES, "gpu %lld nic%s",
                 (long long)(ref.cable / cluster->nic_ports), suffix);
        name_switch(cluster, graph->attach[ref.cable], -1, upper);
        return;
    }
    const int64_t own = graph->first_cable[ref.tier] + ref.cable;
    const GraphCable *cable = &graph->cable[own];
    int32_t port = 0;
    while (graph->arc[graph->arc_first[cable->a] + port].cable != own) port++;
    name_switch(cluster, cable->a, port, lower);
    name_switch(cluster, cable->b, -1, upper);
}

// bisection

/// The GPUs whose switches have the smaller keys, by number where these are alike, are one half; what flows to the other.
///   key[nswitches]  >= 0
static int64_t flow_of_half_Bps(const Cluster *cluster, const int32_t key[]) {
    const char *label = "cluster.halves";
    const Graph *graph = cluster->graph;
    const int32_t ports = cluster->nic_ports;
    const size_t bytes = (size_t)graph->nswitches * sizeof(int64_t);
    int32_t most = 0, edge = 0;
    for (int32_t v = 0; v < graph->nswitches; v++)
        if (key[v] > most) most = key[v];
    const size_t count_bytes = ((size_t)most + 1) * sizeof(int64_t);
    int64_t *count = memory_alloc(label, count_bytes), left = cluster->ngpus / 2;
    for (GpuId gpu = 0; gpu < cluster->ngpus; gpu++) count[key[graph->attach[gpu * ports]]]++;
    for (; left >= count[edge]; edge++) left -= count[edge];
    memory_free(label, count, count_bytes);
    int64_t *half[2], port_Bps = cluster->spec.nic.goodput_Bps / ports;
    for (int32_t h = 0; h < 2; h++) half[h] = memory_alloc(label, bytes);
    if (port_Bps > cluster->link_Bps[1]) port_Bps = cluster->link_Bps[1];
    for (GpuId gpu = 0; gpu < cluster->ngpus; gpu++) {
        const int32_t *attach = &graph->attach[gpu * ports], own = key[attach[0]];
        const bool first = own < edge || (own == edge && left-- > 0);
        for (int32_t port = 0; port < ports; port++) half[!first][attach[port]] += port_Bps;
    }
    const int64_t flow_Bps = graph_flow(graph, cluster->link_Bps, half[0], half[1]);
    for (int32_t h = 0; h < 2; h++) memory_free(label, half[h], bytes);
    return flow_Bps;
}

/// Cut across each dimension.
static int64_t grid_bisection_Bps(const Cluster *cluster, int32_t key[]) {
    int64_t least_Bps = INT64_MAX, stride = 1;
    for (int32_t t = 2; t <= cluster->spec.ntiers; t++) {
        const int64_t length = cluster->spec.tier[t - 1].children;
        for (int32_t v = 0; v < cluster->graph->nswitches; v++)
            key[v] = (int32_t)(v / stride % length);
        const int64_t Bps = flow_of_half_Bps(cluster, key);
        if (Bps < least_Bps) least_Bps = Bps;
        stride *= length;
    }
    return least_Bps;
}

/// By number; then by how far from the switch that is farthest from the first GPU's, and from the one farthest from that: a
/// long fabric is cut across.
static int64_t graph_bisection_Bps(const Cluster *cluster, int32_t key[]) {
    enum { SWEEPS = 2 };
    Graph *graph = cluster->graph;
    int64_t least_Bps = flow_of_half_Bps(cluster, key);
    int32_t end = graph->attach[0];
    for (int32_t sweep = 0; sweep <= SWEEPS; sweep++) {
        const uint16_t *distance = graph_distances(graph, false, end);
        for (int32_t v = 0; v < graph->nswitches; v++) {
            key[v] = distance[v];
            if (distance[v] != GRAPH_UNREACHED && distance[v] > distance[end]) end = v;
        }
        if (sweep == 0) continue;
        const int64_t Bps = flow_of_half_Bps(cluster, key);
        if (Bps < least_Bps) least_Bps = Bps;
    }
    return least_Bps;
}

static double bisection_Bps(const Cluster *cluster) {
    const size_t bytes = (size_t)cluster->graph->nswitches * sizeof(int32_t);
    int32_t *key = memory_alloc("cluster.halves", bytes);
    const FabricKind fabric = cluster->spec.fabric;
    const bool grid = fabric == FABRIC_TORUS || fabric == FABRIC_MESH;
    const int64_t Bps = (grid ? grid_bisection_Bps : graph_bisection_Bps)(cluster, key);
    memory_free("cluster.halves", key, bytes);
    return (double)Bps;
}

static int64_t least_latency_ps(const Cluster *cluster) {
    (void)cluster;
    return TIME_NEVER_PS;
}

const Topology graph_fabric = {
    .create = create,
    .take_faults = take_faults,
    .learned = learned,
    .destroy = destroy,
    .route = graph_route,
    .path = graph_path,
    .place = graph_place,
    .onward = graph_onward,
    .latency_ps = graph_latency_ps,
    .nswitches = graph_nswitches,
    .distance = graph_distance,
    .least_latency_ps = least_latency_ps,
    .bisection_Bps = bisection_Bps,
    .fault_cable = fault_cable,
    .nic_cable = nic_cable,
    .nports_up = nports_up,
    .cable_up = cable_up,
    .cables_of = cables_of,
    .first_gpu_below = first_gpu_below,
    .ends = ends,
    .name_ends = name_ends,
};
