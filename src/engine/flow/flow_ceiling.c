/// Ceilings of long routes: what their transfers are counted for on their links.
///
/// A collective crosses thousands of links and stands, held by the worst of them, far below its cap for most of its
/// life. If it counted for its cap everywhere, every message that met it anywhere would be its rival, and each of its
/// moves would be felt on all these links; a message of many queue pairs that shares its NIC with one likewise. So it
/// counts for a ceiling: what it has reached lately and somewhat more. A solution that wants to raise it further stops
/// there, lifts the ceiling, and lists what comes to be contended: at levels below the ceiling none of these links could
/// hold anybody, so this is in time.
///
/// A link with slack at the ceilings holds nobody by the definition in maxmin.h: if it held u below its cap, its load
/// would be within the weight of its users of its capacity; but u, or another of u's level, is at least least_spare
/// below its ceiling, which is more than all weights together: no link has more users than there are transfers, and
/// none of them a weight above the largest so far.
#include "base/check.h"
#include "base/memory.h"
#include "engine/flow/flow_state.h"

enum {
    SPARE_DIVISOR = 8,  ///< a new ceiling is an eighth above the peak
    MARGIN_DIVISOR = 64 ///< transfers stop this part below it
};

static Ceiling *ceiling_of(const Flow *flow, int32_t route) {
    int32_t ceiling = flow->route[route].ceiling;
    return ceiling > 0 ? &flow->ceilings.at[ceiling - 1] : NULL;
}

int64_t ceiling_reach(const Flow *flow, const Active *f) {
    const Ceiling *ceiling = f->bounded ? ceiling_of(flow, f->route) : NULL;
    if (!ceiling || ceiling->level == 0) return f->cap;
    int64_t reach = ceiling->level - ceiling->level / MARGIN_DIVISOR;
    return reach < f->cap ? reach : f->cap;
}

static int32_t count_transfers(const Flow *flow, int32_t route) {
    int32_t n = 0;
    for (int32_t t = flow->route[route].first - 1; t >= 0; t = flow->active[t].next) n++;
    return n;
}

/// Let the transfers of a route count for `unit_load` per weight.
static void change_load(Flow *flow, int32_t r, int32_t unit_load) {
    const Route *route = &flow->routes.at[r];
    const RouteUse *uses = routes_uses(&flow->routes, route);
    const int32_t old = flow->route[r].unit_load;
    const int64_t n = count_transfers(flow, r);
    flow->route[r].unit_load = unit_load;
    if (n == 0) return;
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t slot = uses[u].slot;
        int64_t more = use_load(unit_load, uses[u].weight) - use_load(old, uses[u].weight);
        int64_t had = flow->slack[slot], left = had - n * more;
        // Who uses a link does not change: it matters whether it comes to be used up, or is it no more.
        if (left >= -DEBT && (left < 0) == (had < 0)) {
            flow->slack[slot] = (int32_t)left;
            continue;
        }
        bool used_up = links_take_slack(flow, slot, n * more);
        if (used_up == link_contended(flow, slot)) continue;
        if (!used_up)
            links_calm(flow, slot);
        else if (links_contend(flow, slot))
            array_push(&flow->lifted, flow->contended[slot] - 1);
    }
}

void ceiling_lift(Flow *flow, int32_t r, int64_t level) {
    Ceiling *ceiling = ceiling_of(flow, r);
    array_clear(&flow->lifted);
    if (!ceiling || ceiling->level == 0) return;
    int64_t alone = flow->routes.at[r].alone_level, wanted = level < alone / 2 ? 2 * level : 0;
    if (wanted > 0 && wanted <= ceiling->level) return; // others of the route have come further
    ceiling->level = wanted;
    ceiling->peak = level;
    ceiling->moves = 0;
    change_load(flow, r, links_unit_load(flow, ceiling->level > 0 ? ceiling->level : alone));
}

void ceiling_lift_all(Flow *flow) {
    for (int64_t i = 0; i < flow->ceilings.n; i++)
        if (flow->ceilings.at[i].level > 0)
            ceiling_lift(flow, flow->ceilings.at[i].route,
                         flow->routes.at[flow->ceilings.at[i].route].alone_level);
    array_clear(&flow->lifted);
}

void ceiling_expect(Flow *flow, int64_t ntransfers) {
    const int64_t weights = ntransfers * flow->routes.most_weight;
    if (weights < flow->least_spare) return;
    flow->least_spare = 2 * weights;
    ceiling_lift_all(flow);
}

static Ceiling *take_ceiling(Flow *flow, int32_t route) {
    if (flow->free_ceilings.n == 0) {
        array_push(&flow->free_ceilings, (int32_t)flow->ceilings.n);
        array_push(&flow->ceilings, (Ceiling){0});
    }
    int32_t index = flow->free_ceilings.at[--flow->free_ceilings.n];
    flow->route[route].ceiling = index + 1;
    // The first review comes at once.
    flow->ceilings.at[index] = (Ceiling){.route = route, .moves = flow->tuning.review_moves};
    return &flow->ceilings.at[index];
}

/// Lower the ceiling to what is needed, if that is much less.
static void lower(Flow *flow, Ceiling *ceiling) {
    int64_t alone = flow->routes.at[ceiling->route].alone_level, peak = ceiling->peak;
    for (int32_t t = flow->route[ceiling->route].first - 1; t >= 0; t = flow->active[t].next)
        if (flow->active[t].level > peak) peak = flow->active[t].level;
    ceiling->moves = 0;
    ceiling->peak = 0;
    int64_t now = ceiling->level > 0 ? ceiling->level : alone;
    int64_t wanted = peak + peak / SPARE_DIVISOR;
    if (wanted / MARGIN_DIVISOR < flow->least_spare || wanted >= now - now / SPARE_DIVISOR) return;
    ceiling->level = wanted;
    change_load(flow, ceiling->route, links_unit_load(flow, wanted));
    CHECK(flow->orphans.n == 0, "route %d: a link that holds somebody has slack", ceiling->route);
}

void ceiling_review(Flow *flow) {
    for (int64_t i = 0; i < flow->members.n; i++) {
        const Active *f = &flow->active[flow->members.at[i].transfer];
        if (!f->bounded || !f->attached) continue;
        Ceiling *ceiling = ceiling_of(flow, f->route);
        if (!ceiling) ceiling = take_ceiling(flow, f->route);
        if (f->level > ceiling->peak) ceiling->peak = f->level;
        if (++ceiling->moves >= flow->tuning.review_moves) lower(flow, ceiling);
    }
}
