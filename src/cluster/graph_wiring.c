#include "cluster/graph_wiring.h"

#include "base/wide.h"

static void add_lanes(GraphCables *cables, int32_t tier, int64_t a, int64_t b, int32_t lanes) {
    for (int32_t lane = 0; lane < lanes; lane++)
        array_push(cables, (GraphCable){tier, (int32_t)a, (int32_t)b});
}

static Status check_count(Wide ncables) {
    REQUIRE(ncables <= GRAPH_CABLES_MAX, STATUS_RANGE,
            "the fabric has more than %d cables between switches; wanted a tree, or a smaller one",
            GRAPH_CABLES_MAX);
    return status_ok();
}

// torus and mesh

static Status wire_grid(const ClusterSpec *spec, int64_t *nswitches, GraphCables *cables) {
    Wide all = 1, ncables = 0;
    for (int32_t t = 2; t <= spec->ntiers; t++) {
        all *= spec->tier[t - 1].children;
        TRY(check_count(all));
    }
    for (int32_t t = 2; t <= spec->ntiers; t++) ncables += all * spec->tier[t - 1].lanes;
    TRY(check_count(ncables));
    *nswitches = (int64_t)all;
    int64_t stride = 1;
    for (int32_t t = 2; t <= spec->ntiers; t++) {
        const TierSpec *tier = &spec->tier[t - 1];
        const int64_t length = tier->children;
        for (int64_t v = 0; v < *nswitches; v++) {
            const bool last = v / stride % length == length - 1;
            const bool closes = spec->fabric == FABRIC_TORUS && length > 2;
            if (!last || closes)
                add_lanes(cables, t, v, last ? v - (length - 1) * stride : v + stride, tier->lanes);
        }
        stride *= length;
    }
    return status_ok();
}

// dragonfly

static void wire_group(const TierSpec *tier, int64_t group, GraphCables *cables) {
    const int64_t first = group * tier->children;
    for (int64_t a = 0; a < tier->children; a++)
        for (int64_t b = a + 1; b < tier->children; b++)
            add_lanes(cables, 2, first + a, first + b, tier->lanes);
}

/// Port k of a group and the one at its other end: as far on the way back as this is on the way out, of the same turn.
static void wire_groups(const ClusterSpec *spec, GraphCables *cables) {
    const int64_t size = spec->tier[1].children, groups = spec->tier[2].children;
    const int64_t each = (int64_t)spec->tier[2].parents * spec->tier[2].lanes, others = groups - 1;
    if (others == 0) return;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t k = 0; k < size * each / others * others; k++) {
            const int64_t far = (g + k % others + 1) % groups;
            const int64_t back = k / others * others + (others - 1 - k % others);
            if (g < far) add_lanes(cables, 3, g * size + k / each, far * size + back / each, 1);
        }
}

static Status wire_dragonfly(const ClusterSpec *spec, int64_t *nswitches, GraphCables *cables) {
    REQUIRE(spec->ntiers == 3, STATUS_RANGE,
            "a dragonfly has 3 tiers: NICs at a switch, switches of a group, groups; got %d",
            spec->ntiers);
    const TierSpec *group = &spec->tier[1], *all = &spec->tier[2];
    const Wide ports = (Wide)group->children * all->parents * all->lanes;
    REQUIRE(ports >= all->children - 1, STATUS_RANGE,
            "a group of %d switches with %d global ports each cannot reach %d other groups",
            group->children, all->parents * all->lanes, all->children - 1);
    *nswitches = (int64_t)group->children * all->children;
    TRY(check_count((Wide)*nswitches * (group->children - 1) / 2 * group->lanes +
                    ports * all->children));
    for (int64_t g = 0; g < all->children; g++) wire_group(group, g, cables);
    wire_groups(spec, cables);
    return status_ok();
}

Status graph_wire(const ClusterSpec *spec, int64_t *nswitches, GraphCables *cables) {
    return spec->fabric == FABRIC_DRAGONFLY ? wire_dragonfly(spec, nswitches, cables)
                                            : wire_grid(spec, nswitches, cables);
}
