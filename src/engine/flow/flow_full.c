/// The whole active set as one system: for mass starts, as the oracle of the regional solution, and
/// to be checked.
#include "base/memory.h"
#include "engine/flow/flow_state.h"

#define FULL_LABEL "flow.full"

/// The whole active set as one system; `transfer` and the compressed arrays in one block each.
typedef struct FullSystem {
    int64_t ntransfers, nlinks, nuses;
    int32_t *transfer; // [ntransfers]
    int32_t *link;     // [nlinks] by link id, so that ties are broken by link id
    int64_t *capacity, *use_first, *cap;
    int32_t *use_link, *use_a;
    MaxminSystem system;
    MaxminSolution solution;
} FullSystem;

static bool enters(const Active *f) {
    return f->attached && (f->nshared > 0 || f->level != f->cap);
}

static void *full_array(int64_t n, size_t bytes) {
    return memory_alloc(FULL_LABEL, (size_t)n * bytes);
}

static void full_free(void *block, int64_t n, size_t bytes) {
    memory_free(FULL_LABEL, block, (size_t)n * bytes);
}

static void full_list_links(Flow *flow, FullSystem *full) {
    const int32_t *order = step_slots(&flow->steps, &flow->routes);
    full->link = full_array(flow->routes.nslots, sizeof(int32_t));
    full->capacity = full_array(flow->routes.nslots, sizeof(int64_t));
    for (int64_t i = 0; i < flow->routes.nslots; i++) {
        if (order[i] >= flow->nslots || !link_contended(flow, order[i])) continue;
        full->link[full->nlinks] = flow->contended[order[i]] - 1;
        LinkState *link = &flow->link.at[full->link[full->nlinks]];
        link->region = (int32_t)full->nlinks;
        full->capacity[full->nlinks++] = link_capacity(flow, link);
    }
}

static void full_list_transfers(const Flow *flow, FullSystem *full) {
    for (int64_t t = 0; t < flow->nactive; t++) {
        if (!enters(&flow->active[t])) continue;
        full->ntransfers++;
        full->nuses += flow->active[t].nshared;
    }
    full->transfer = full_array(full->ntransfers, sizeof(int32_t));
    full->use_first = full_array(full->ntransfers + 1, sizeof(int64_t));
    full->cap = full_array(full->ntransfers, sizeof(int64_t));
    full->use_link = full_array(full->nuses, sizeof(int32_t));
    full->use_a = full_array(full->nuses, sizeof(int32_t));
    int64_t n = 0, u = 0;
    for (int64_t t = 0; t < flow->nactive; t++) {
        const Active *f = &flow->active[t];
        if (!enters(f)) continue;
        full->transfer[n] = (int32_t)t;
        full->cap[n] = f->cap;
        for (int32_t i = 0; i < f->nshared; i++, u++) {
            const UseNode *node = shared_nodes(flow, f) + i;
            full->use_link[u] = flow->link.at[node->link].region;
            full->use_a[u] = node->weight;
        }
        full->use_first[++n] = u;
    }
}

static void take_room(Flow *flow, const Active *f) {
    const UseNode *nodes = shared_nodes(flow, f);
    for (int32_t i = 0; i < f->nshared; i++) {
        LinkState *link = &flow->link.at[nodes[i].link];
        if (!link_holds(link)) link->level -= room_taken(f, nodes[i].weight);
    }
}

static void full_commit(Flow *flow, const FullSystem *full) {
    for (int64_t l = 0; l < full->nlinks; l++) {
        LinkState *link = &flow->link.at[full->link[l]];
        link->level = full->solution.link_level.at[l];
        if (link->level == LEVEL_NONE) link_set_room(link, full->capacity[l]);
        link->region = -1;
    }
    for (int64_t i = 0; i < full->ntransfers; i++) {
        Active *f = &flow->active[full->transfer[i]];
        Member member = member_of(flow, full->transfer[i]);
        f->level = full->solution.level.at[i];
        f->bottleneck = -1;
        int64_t use = full->solution.bottleneck.at[i];
        if (use >= 0) {
            const UseNode *node = shared_nodes(flow, f) + (use - full->use_first[i]);
            f->bottleneck = (int32_t)(node - flow_node(flow, 0));
        }
        take_room(flow, f);
        solve_commit(flow, member);
    }
}

static void full_make(Flow *flow, FullSystem *full) {
    full_list_links(flow, full);
    full_list_transfers(flow, full);
    full->system = (MaxminSystem){.nlinks = full->nlinks,
                                  .ntransfers = full->ntransfers,
                                  .capacity = full->capacity,
                                  .use_first = full->use_first,
                                  .use_link = full->use_link,
                                  .use_a = full->use_a,
                                  .cap = full->cap};
}

static void full_fini(const Flow *flow, FullSystem *full) {
    full_free(full->link, flow->routes.nslots, sizeof(int32_t));
    full_free(full->capacity, flow->routes.nslots, sizeof(int64_t));
    full_free(full->transfer, full->ntransfers, sizeof(int32_t));
    full_free(full->use_first, full->ntransfers + 1, sizeof(int64_t));
    full_free(full->cap, full->ntransfers, sizeof(int64_t));
    full_free(full->use_link, full->nuses, sizeof(int32_t));
    full_free(full->use_a, full->nuses, sizeof(int32_t));
    maxmin_free(&full->solution);
}

void solve_all(Flow *flow) {
    for (int32_t at = 0; at < flow->shares.n; at++)
        if (flow->link.at[at].nusers > 0) stats_before_change(flow, at);
    ceiling_lift_all(flow);
    FullSystem full = {0};
    full_make(flow, &full);
    maxmin_solve(&full.system, &full.solution);
    full_commit(flow, &full);
    full_fini(flow, &full);
}
