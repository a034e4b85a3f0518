#include "shapes.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "draws.h"

enum { SHAPE_SEED = 20 };

static const int64_t LINE_BPS = INT64_C(50000000000), GOODPUT_BPS = INT64_C(48000000000);
static const char *const TIER_NAMES[FABRIC_TIERS_MAX] = {"leaf", "spine", "core", "site"};

ClusterSpec shape_spec(int64_t nodes, int32_t gpus_per_node, Wiring wiring, int32_t ntiers,
                       const Tier tier[]) {
    ClusterSpec spec = {
        .name = "test",
        .nodes = nodes,
        .gpus_per_node = gpus_per_node,
        .nic = {.name = "nic",
                .line_Bps = LINE_BPS,
                .goodput_Bps = GOODPUT_BPS,
                .latency_ps = 900 * PS_PER_NS},
        .scale_up = {.name = "nvlink",
                     .gpus = gpus_per_node,
                     .line_Bps = INT64_C(450000000000),
                     .goodput_Bps = INT64_C(360000000000),
                     .latency_ps = 600 * PS_PER_NS},
        .ntiers = ntiers,
        .installed = tier[ntiers - 1].children,
        .wiring = wiring,
        .routing = ROUTING_ECMP,
        .ecmp_seed = 1,
    };
    for (int32_t t = 0; t < ntiers; t++) {
        TierSpec *own = &spec.tier[t];
        own->children = tier[t].children;
        own->parents = tier[t].parents;
        own->lanes = tier[t].lanes;
        own->link_Bps = own->switch_spec.port_Bps = LINE_BPS;
        own->cable_ps = 150 * PS_PER_NS;
        own->switch_spec.latency_ps = 600 * PS_PER_NS;
        own->switch_spec.ports = tier[t].children * tier[t].lanes;
        if (t + 1 < ntiers) own->switch_spec.ports += tier[t + 1].parents * tier[t + 1].lanes;
        snprintf(own->name, sizeof own->name, "%s", TIER_NAMES[t]);
    }
    return spec;
}

ClusterSpec shape_colossus(void) {
    const Tier tier[] = {{64, 1, 1}, {64, 64, 1}, {32, 16, 4}};
    ClusterSpec spec = shape_spec(12500, 8, WIRING_RAIL, 3, tier);
    spec.installed = 25;
    return spec;
}

/// Numbered draws of one random shape.
typedef struct Draws {
    uint64_t shape, next;
} Draws;

/// Uniform in 0 .. n - 1.
static int32_t pick(Draws *draws, int32_t n) {
    return (int32_t)rng_below(SHAPE_SEED, RNG_TEST, draws->shape, draws->next++, n);
}

static void pick_tiers(Draws *draws, int32_t ntiers, Tier tier[]) {
    static const int32_t most[FABRIC_TIERS_MAX] = {24, 9, 5,
                                                   3}; // keeps the brute-force oracles quick
    for (int32_t t = 0; t < ntiers; t++) {
        const int32_t least = t == ntiers - 1 ? 2 : 1;
        tier[t].children = least + pick(draws, most[ntiers - 1]);
        tier[t].parents = t == 0 ? 1 + (pick(draws, 4) == 0) : 1 + pick(draws, most[ntiers - 1]);
        tier[t].lanes = t == 0 ? 1 + (pick(draws, 6) == 0) : 1 + pick(draws, 3);
    }
}

/// Nodes are below some children of the top level, with room left in others, where each has whole units.
static void fill_in_part(Draws *draws, ClusterSpec *spec) {
    int64_t ports = 1;
    for (int32_t t = 1; t < spec->ntiers; t++) ports *= spec->tier[t - 1].children;
    const int64_t unit =
        spec->gpus_per_node * (spec->wiring == WIRING_RAIL ? spec->tier[0].children : 1);
    if (spec->ntiers == 1 || ports % unit != 0 || pick(draws, 2) == 0) return;
    const int64_t room = ports / spec->gpus_per_node;
    spec->nodes = 0;
    for (int32_t i = 0; i < spec->installed && i < CLUSTER_FILLED_MAX; i++) {
        const int64_t some =
            i == 0 ? 1 + pick(draws, (int32_t)room) : pick(draws, (int32_t)room + 1);
        spec->filled[spec->nfilled++] = some;
        spec->nodes += some;
    }
}

ClusterSpec shape_random(uint64_t draw) {
    Draws draws = {.shape = draw};
    const int32_t ntiers = 1 + (int32_t)(draw % FABRIC_TIERS_MAX);
    Tier tier[FABRIC_TIERS_MAX];
    pick_tiers(&draws, ntiers, tier);
    ClusterSpec spec = shape_spec(1, 1, pick(&draws, 2) ? WIRING_RAIL : WIRING_PLAIN, ntiers, tier);
    if (spec.installed > 2) spec.installed -= pick(&draws, 2);
    int64_t leaves = ntiers == 1 ? 1 : spec.installed;
    for (int32_t t = 1; t + 1 < ntiers; t++) leaves *= tier[t].children;
    const int64_t in_leaf = ntiers == 1 ? spec.installed : tier[0].children;
    const int64_t most_rails = spec.wiring == WIRING_RAIL ? leaves : leaves * in_leaf;
    spec.gpus_per_node = spec.scale_up.gpus =
        1 + pick(&draws, most_rails < 4 ? (int32_t)most_rails : 4);
    const int64_t room = spec.wiring == WIRING_RAIL ? leaves / spec.gpus_per_node * in_leaf
                                                    : leaves * in_leaf / spec.gpus_per_node;
    spec.nodes = room - (room > 3 ? pick(&draws, 3) : 0);
    spec.pxn = pick(&draws, 2) == 1;
    spec.ecmp_seed = draw;
    fill_in_part(&draws, &spec);
    return spec;
}

void shape_add_fault(ClusterSpec *spec, int32_t tier, int64_t lower, int32_t port,
                     double fraction) {
    spec->fault[spec->nfaults++] =
        (LinkFaultSpec){.tier = tier, .lower = lower, .port = port, .fraction = fraction};
}

// graphs

static int32_t random_below(uint64_t graph, uint64_t draw, int32_t n) {
    return (int32_t)rng_below(31, RNG_TEST, graph, draw, n);
}

ClusterSpec shape_graph(FabricKind fabric, int64_t gpus, int32_t ntiers, const Tier tier[]) {
    ClusterSpec spec = shape_spec(gpus, 1, WIRING_PLAIN, ntiers, tier);
    spec.fabric = fabric;
    for (int32_t t = 0; t < ntiers; t++) spec.tier[t].switch_spec.ports = 4096;
    return spec;
}

/// A random list: some switches of two levels, joined at random and by a chain so that all are reached.
static ClusterSpec random_list(uint64_t draw, char text[SHAPE_LIST_BYTES]) {
    const int32_t leaves = 2 + random_below(draw, 1, 6), spines = 1 + random_below(draw, 2, 4);
    const int32_t gpus = leaves * 2, ports = 1 + random_below(draw, 3, 2);
    const Tier tier[] = {{1, 1, ports}, {1, 1, 1}, {1, 1, 1}};
    int n = snprintf(text, SHAPE_LIST_BYTES, "from,to,count,tier\n# made\n\n");
    for (int32_t g = 0; g < gpus * ports; g++)
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), "gpu %d,leaf %d\n", g / ports,
                      g < leaves ? g : random_below(draw, (uint64_t)g + 100, leaves));
    for (int32_t l = 0; l < leaves; l++)
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), " leaf %d , spine %d,%d\n", l,
                      l % spines, 1 + random_below(draw, (uint64_t)l + 300, 3));
    for (int32_t k = 0; k < 6; k++) {
        const int32_t a = random_below(draw, (uint64_t)k + 500, leaves), b = (a + 1) % leaves;
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), "leaf %d,leaf %d,1,core\n", a, b);
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), "spine %d,leaf %d,,\n",
                      random_below(draw, (uint64_t)k + 600, spines), a);
    }
    for (int32_t s = 1; s < spines; s++)
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), "spine %d,spine %d\n", s - 1, s);
    for (int32_t s = leaves; s < spines; s++)
        n += snprintf(text + n, (size_t)(SHAPE_LIST_BYTES - n), "leaf 0,spine %d\n", s);
    ClusterSpec spec = shape_graph(FABRIC_GRAPH, gpus, 3, tier);
    snprintf(spec.cables, sizeof spec.cables, "list.csv");
    spec.cable_text = text;
    return spec;
}

ClusterSpec shape_random_graph(uint64_t draw, char text[SHAPE_LIST_BYTES]) {
    static const FabricKind KIND[] = {FABRIC_TORUS, FABRIC_MESH, FABRIC_DRAGONFLY, FABRIC_GRAPH};
    static const Routing ROUTING[] = {ROUTING_ECMP, ROUTING_DOR, ROUTING_SPRAY, ROUTING_ADAPTIVE};
    const FabricKind kind = KIND[draw % 4];
    ClusterSpec spec;
    if (kind == FABRIC_GRAPH) {
        spec = random_list(draw, text);
    } else {
        const bool flies = kind == FABRIC_DRAGONFLY;
        const int32_t ntiers = flies ? 3 : 2 + random_below(draw, 1, 3),
                      size = 1 + random_below(draw, 2, 4);
        Tier tier[FABRIC_TIERS_MAX] = {
            {1 + random_below(draw, 3, 3), 1, 1 + random_below(draw, 4, 2)}};
        int64_t switches = 1;
        for (int32_t t = 1; t < ntiers; t++) {
            tier[t] = (Tier){1 + random_below(draw, (uint64_t)t + 10, 5), 1,
                             1 + random_below(draw, (uint64_t)t + 20, 2)};
            if (flies && t == 1) tier[t].children = size;
            switches *= tier[t].children;
        }
        if (flies) tier[2].parents = (tier[2].children + size - 1) / size;
        spec = shape_graph(kind, switches * tier[0].children, ntiers, tier);
    }
    spec.routing = ROUTING[draw / 4 % 4];
    spec.ecmp_seed = draw;
    return spec;
}
