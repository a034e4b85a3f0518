#include "engine/violation.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/wide.h"
#include "engine/flow/flow_state.h"

#define LABEL "test.violation"

typedef struct UserLevel {
    int64_t level;
    int64_t weight;
    int32_t link;
} UserLevel;

static int user_level_compare(const void *a, const void *b) {
    const UserLevel *x = a, *y = b;
    if (x->link != y->link) return x->link < y->link ? -1 : 1;
    return (x->level > y->level) - (x->level < y->level);
}

/// Least s >= 0 with capacity - below(s) < (s + 1) * weight_from(s), users sorted by level;
/// LEVEL_NONE if none.
static int64_t level_by_definition(int64_t capacity, const UserLevel users[], int64_t nusers) {
    Wide below = 0, from = 0;
    for (int64_t i = 0; i < nusers; i++) from += users[i].weight;
    int64_t first = 0; // least s of the range in which below and from are constant
    for (int64_t i = 0; i < nusers; i++) {
        if (users[i].level >= first) {
            Wide left = (Wide)capacity - below;
            Wide share = left < 0 ? 0 : left / from;
            if (share < first) share = first;
            if (share <= users[i].level) return (int64_t)share;
            first = users[i].level + 1;
        }
        below += (Wide)users[i].weight * users[i].level;
        from -= users[i].weight;
    }
    return LEVEL_NONE;
}

int64_t maxmin_violation(const MaxminSystem *system, const int64_t level[]) {
    if (system->ntransfers == 0) return -1;
    size_t nuses = (size_t)system->use_first[system->ntransfers];
    UserLevel *users = memory_alloc(LABEL, nuses * sizeof *users);
    int64_t *link_level = memory_alloc(LABEL, (size_t)system->nlinks * sizeof(int64_t));
    for (int64_t l = 0; l < system->nlinks; l++) link_level[l] = LEVEL_NONE;
    for (int64_t f = 0; f < system->ntransfers; f++)
        for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++)
            users[i] = (UserLevel){level[f], system->use_a[i], system->use_link[i]};
    if (nuses > 0) qsort(users, nuses, sizeof *users, user_level_compare);
    for (size_t i = 0, end; i < nuses; i = end) {
        for (end = i; end < nuses && users[end].link == users[i].link;) end++;
        link_level[users[i].link] =
            level_by_definition(system->capacity[users[i].link], &users[i], (int64_t)(end - i));
    }
    int64_t violated = -1;
    for (int64_t f = 0; f < system->ntransfers && violated < 0; f++) {
        int64_t least = system->cap[f];
        for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++)
            if (link_level[system->use_link[i]] < least) least = link_level[system->use_link[i]];
        if (level[f] != least) violated = f;
    }
    memory_free(LABEL, users, nuses * sizeof *users);
    memory_free(LABEL, link_level, (size_t)system->nlinks * sizeof(int64_t));
    return violated;
}

/// What an engine holds, as a system.
typedef struct Held {
    ARRAY_OF(int64_t) cap;
    ARRAY_OF(int64_t) level;
    ARRAY_OF(int64_t) tag;
    ARRAY_OF(int64_t) first;
    ARRAY_OF(int64_t) capacity;
    ARRAY_OF(int32_t) link;
    ARRAY_OF(int32_t) weight;
} Held;

static void take(Held *held, const Flow *flow, const Active *f) {
    array_push(&held->cap, f->cap);
    array_push(&held->level, f->level);
    array_push(&held->tag, f->tag);
    for (int32_t i = 0; i < f->nshared; i++) {
        array_push(&held->link, shared_nodes(flow, f)[i].link);
        array_push(&held->weight, shared_nodes(flow, f)[i].weight);
    }
    array_push(&held->first, held->link.n);
}

int64_t flow_violation(const Flow *flow) {
    Held held = {0};
    array_push(&held.first, 0);
    for (int64_t l = 0; l < flow->link.n; l++)
        array_push(&held.capacity,
                   flow->link.at[l].nusers > 0 ? link_capacity(flow, &flow->link.at[l]) : 0);
    for (int64_t t = 0; t < flow->nactive; t++)
        if (flow->active[t].attached) take(&held, flow, &flow->active[t]);
    MaxminSystem system = {.nlinks = held.capacity.n,
                           .ntransfers = held.cap.n,
                           .capacity = held.capacity.at,
                           .use_first = held.first.at,
                           .use_link = held.link.at,
                           .use_a = held.weight.at,
                           .cap = held.cap.at};
    int64_t violated = maxmin_violation(&system, held.level.at);
    if (violated >= 0) violated = held.tag.at[violated];
    array_free(&held.cap);
    array_free(&held.level);
    array_free(&held.tag);
    array_free(&held.first);
    array_free(&held.capacity);
    array_free(&held.link);
    array_free(&held.weight);
    return violated;
}
