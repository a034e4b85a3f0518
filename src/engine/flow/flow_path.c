/// What the path of a transfer lets it have: its narrowest link, and what a path costs that is dead, or worse than the one it
/// began to move on.
#include "engine/flow/flow_state.h"

int64_t path_width(const Flow *flow, RouteUse use) {
    return routes_capacity(&flow->routes, use.slot) / use.weight;
}

RouteUse path_narrowest(Flow *flow, int32_t r) {
    const RouteUse *uses = routes_uses(&flow->routes, &flow->routes.at[r]);
    RouteState *state = &flow->route[r];
    if (state->narrowest > 0) return uses[state->narrowest - 1];
    int64_t least = INT64_MAX;
    int32_t slot = 0;
    for (int32_t u = 0; u < flow->routes.at[r].nbind; u++) {
        int64_t width = path_width(flow, uses[u]);
        if (width > least ||
            (width == least && flow->routes.link[uses[u].slot] > flow->routes.link[slot]))
            continue;
        least = width;
        slot = uses[u].slot;
        state->narrowest = u + 1;
    }
    return uses[state->narrowest - 1];
}

const Lived *path_lived(const Flow *flow, const Active *f) {
    const int64_t index = f - flow->active;
    return index < flow->lived.n && flow->lived.at[index].alone_ps > 0 ? &flow->lived.at[index]
                                                                       : NULL;
}

int64_t path_loss(const Flow *flow, const Active *f, int64_t level) {
    const Lived *lived = path_lived(flow, f);
    const int64_t alone_level = lived ? lived->level : f->cap;
    if (alone_level == 0) return price_loss(1, 0);
    return level < alone_level ? price_loss(alone_level, level) : 0;
}

int64_t path_loss_alone(const Flow *flow, const Active *f) { return path_loss(flow, f, f->cap); }

int32_t path_slow_slot(Flow *flow, const Active *f) {
    if (f->bottleneck >= 0) return flow->link.at[flow_node(flow, f->bottleneck)->link].slot;
    if (flow->lived.n + flow->nwaiting == 0 || f->level == LEVEL_UNKNOWN) return -1;
    return path_loss(flow, f, f->level) > 0 ? path_narrowest(flow, f->route).slot : -1;
}
