#include "cluster/routing.h"

#include <stddef.h>

#include "base/check.h"
#include "cluster/cluster_parts.h"

const char *const ROUTING_NAMES[] = {
    [ROUTING_ECMP] = "ecmp",         [ROUTING_DMODK] = "dmodk", [ROUTING_SPRAY] = "spray",
    [ROUTING_ADAPTIVE] = "adaptive", [ROUTING_DOR] = "dor",     NULL};

// messages

static bool same_domain(const Cluster *cluster, GpuId a, GpuId b) {
    return cluster_domain_number(cluster, a) == cluster_domain_number(cluster, b);
}

GpuId routing_relay(const Cluster *cluster, GpuId src, GpuId dst) {
    if (!cluster->spec.pxn || cluster->spec.wiring == WIRING_PLAIN) return src;
    const int64_t rail = cluster_slot_of(cluster, dst);
    if (rail >= cluster->runs.run[cluster_run_of(cluster, src)].gpus) return src; // it has no such
    const GpuId relay = src - cluster_slot_of(cluster, src) + rail;
    return same_domain(cluster, src, relay) ? relay : src;
}

/// The NIC that sends: the one asked for, but where rails have nothing between them that of the destination's rail.
static GpuId sender_of(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst) {
    return cluster->spec.wiring == WIRING_RAIL_ONLY ? routing_relay(cluster, src, dst) : sender;
}

/// Egress of `from` and ingress of `to` in one scale-up domain.
static int32_t use_domain(const Cluster *cluster, GpuId from, GpuId to, int32_t unit,
                          LinkUse uses[]) {
    uses[0] = (LinkUse){.link = cluster->first_link[0][LINK_UP] + from, .weight = unit};
    uses[1] = (LinkUse){.link = cluster->first_link[0][LINK_DOWN] + to, .weight = unit};
    return 2;
}

int64_t routing_unit_bytes(const Cluster *cluster, int32_t queue_pairs) {
    return queue_pairs * cluster->split;
}

/// From the domain of src, over its sender's NIC.
static Status route_from(const Cluster *cluster, const Message *message, bool healthy,
                         LinkUse uses[], int32_t *nuses, int32_t *dead) {
    const int32_t unit = (int32_t)routing_unit_bytes(cluster, message->queue_pairs);
    int32_t hop = 0, nfabric = 0;
    if (message->sender != message->src)
        hop = use_domain(cluster, message->src, message->sender, unit, uses);
    TRY(cluster->topology->route(cluster, message, healthy, &uses[hop], &nfabric, dead));
    *nuses = hop + nfabric;
    return status_ok();
}

/// As route_from, of one queue pair: the path that it is bound to.
static Status path_from(const Cluster *cluster, const Message *message, int32_t queue_pair,
                        bool healthy, LinkId path[], int32_t *n, int32_t *dead) {
    *n = 0;
    *dead = 0;
    if (message->sender != message->src) {
        path[(*n)++] = cluster->first_link[0][LINK_UP] + message->src;
        path[(*n)++] = cluster->first_link[0][LINK_DOWN] + message->sender;
    }
    if (routing_is_spread(cluster)) return status_ok();
    return cluster->topology->path(cluster, message, queue_pair, healthy, path, n, dead);
}

/// What is asked for of a message: the links of all its queue pairs, or the path of one.
typedef struct Way {
    LinkUse *uses; ///< NULL: a path
    LinkId *path;
    int32_t queue_pair;
    int32_t *n;
} Way;

static Status way_from(const Cluster *cluster, const Message *message, bool healthy, const Way *way,
                       int32_t *dead) {
    if (way->uses) return route_from(cluster, message, healthy, way->uses, way->n, dead);
    return path_from(cluster, message, way->queue_pair, healthy, way->path, way->n, dead);
}

/// Past what is dead, as long as there is a way.
static Status find_way(const Cluster *cluster, Message message, const Way *way) {
    int32_t dead = 0;
    TRY(way_from(cluster, &message, false, way, &dead));
    if (dead > 0 && message.sender != message.src &&
        cluster->spec.wiring ==
            WIRING_RAIL) { // the relay is cut off: cross the rails in the fabric
        message.sender = message.src;
        TRY(way_from(cluster, &message, false, way, &dead));
    }
    if (dead > 0 && cluster->patient) // wait on the path there would be, which carries nothing
        TRY(way_from(cluster, &message, true, way, &dead));
    REQUIRE(dead == 0, STATUS_NO_PATH,
            "no live path from GPU %lld to GPU %lld: all are cut at tier %d (%s)",
            (long long)message.src, (long long)message.dst, dead,
            cluster->spec.tier[dead - 1].name);
    return status_ok();
}

Status routing_route_by(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst,
                        uint64_t flow_key, int32_t queue_pairs, LinkUse uses[], int32_t *nuses) {
    CHECK(src != dst && src >= 0 && dst >= 0 && src < cluster->ngpus && dst < cluster->ngpus,
          "message from GPU %lld to GPU %lld of %lld", (long long)src, (long long)dst,
          (long long)cluster->ngpus);
    CHECK(queue_pairs >= 1 && queue_pairs <= QUEUE_PAIRS_MAX, "%d queue pairs", queue_pairs);
    if (same_domain(cluster, src, dst)) {
        *nuses =
            use_domain(cluster, src, dst, (int32_t)routing_unit_bytes(cluster, queue_pairs), uses);
        return status_ok();
    }
    const Message message = {src, dst, sender_of(cluster, src, sender, dst), flow_key, queue_pairs};
    return find_way(cluster, message, &(Way){.uses = uses, .n = nuses});
}

Status routing_route(const Cluster *cluster, GpuId src, GpuId dst, uint64_t flow_key,
                     int32_t queue_pairs, LinkUse uses[], int32_t *nuses) {
    return routing_route_by(cluster, src, routing_relay(cluster, src, dst), dst, flow_key,
                            queue_pairs, uses, nuses);
}

// packets

FabricPlace routing_place(const Cluster *cluster, int32_t level, int64_t number) {
    FabricPlace place = {.level = level, .number = number};
    cluster->topology->place(cluster, &place);
    return place;
}

void routing_link_places(const Cluster *cluster, LinkId link, FabricPlace *from, FabricPlace *to) {
    const int32_t range = cluster_range_of(cluster, link), up = range % 2 == LINK_UP;
    CableEnd end[2];
    cluster->topology->ends(cluster, cluster_cable_of(cluster, link, range), end);
    *from = routing_place(cluster, end[!up].level, end[!up].number);
    *to = routing_place(cluster, end[up].level, end[up].number);
}

Status routing_path(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst, uint64_t flow_key,
                    int32_t queue_pair, LinkId path[], int32_t *n) {
    if (same_domain(cluster, src, dst)) {
        path[0] = cluster->first_link[0][LINK_UP] + src;
        path[1] = cluster->first_link[0][LINK_DOWN] + dst;
        *n = 2;
        return status_ok();
    }
    const Message message = {src, dst, sender_of(cluster, src, sender, dst), flow_key,
                             queue_pair + 1};
    return find_way(cluster, message, &(Way){.path = path, .queue_pair = queue_pair, .n = n});
}

bool routing_is_spread(const Cluster *cluster) {
    return cluster->spec.routing == ROUTING_SPRAY || cluster->spec.routing == ROUTING_ADAPTIVE;
}

void routing_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                    Onward *onward) {
    cluster->topology->onward(cluster, place, endpoint, onward);
}

// lengths

int64_t routing_latency_by_ps(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst) {
    const ClusterSpec *spec = &cluster->spec;
    const int64_t hop_ps = cluster_scale_up_of_kind(spec, cluster_gpu_kind(spec, src))->latency_ps;
    if (same_domain(cluster, src, dst)) return hop_ps;
    sender = sender_of(cluster, src, sender, dst);
    return cluster->topology->latency_ps(cluster, sender, dst) + (sender != src ? hop_ps : 0);
}

int64_t routing_latency_ps(const Cluster *cluster, GpuId src, GpuId dst) {
    return routing_latency_by_ps(cluster, src, routing_relay(cluster, src, dst), dst);
}

bool routing_distance(const Cluster *cluster, int32_t k, Distance *distance) {
    return cluster->topology->distance(cluster, k, distance);
}

int32_t routing_nswitches(const Cluster *cluster, GpuId src, GpuId dst) {
    if (same_domain(cluster, src, dst)) return 0;
    return cluster->topology->nswitches(cluster, routing_relay(cluster, src, dst), dst);
}

int64_t routing_least_latency_ps(const Cluster *cluster) {
    return cluster->topology->least_latency_ps(cluster);
}
