#include "engine/flow/maxmin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"
#include "engine/flow/level_heap.h"

#define LABEL "maxmin"

/// What the water has left of a link: capacity not taken by frozen users, weight of the others.
typedef struct MaxminLink {
    int64_t residual;
    int64_t weight; ///< LINK_FROZEN once its level is known
} MaxminLink;

enum { LINK_FROZEN = -1 };

typedef struct CapItem {
    int64_t cap;
    int32_t transfer;
} CapItem;

typedef struct MaxminFilling {
    const MaxminSystem *system;
    int64_t *level;      // out
    int64_t *link_level; // out
    int64_t *bottleneck; // out
    MaxminLink *link;    // [nlinks]
    int32_t *user_first; // [nlinks + 1]
    bool *frozen;        // [ntransfers] small, as most users met are frozen already
    int32_t *user;       // [nuses] transfers by link
    LevelItem *heap;     // [nlinks]
    int64_t nheap;
    CapItem *caps; // [ntransfers] ascending, only those that could bind
    int64_t ncaps;
} MaxminFilling;

static int64_t phi_of(const MaxminSystem *system, int64_t f) {
    return system->phi ? system->phi[f] : 1;
}

static void filling_list_users(MaxminFilling *fill) {
    const MaxminSystem *system = fill->system;
    for (int64_t f = 0; f < system->ntransfers; f++)
        for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++) {
            int32_t l = system->use_link[i];
            fill->user_first[l + 1]++;
            fill->link[l].weight += (int64_t)system->use_a[i] * phi_of(system, f);
        }
    for (int64_t l = 0; l < system->nlinks; l++) {
        fill->user_first[l + 1] += fill->user_first[l];
        fill->link[l].residual = system->capacity[l];
    }
    // Filling a list moves its start to its end; walking transfers backwards and decrementing the
    // ends leaves the starts in place and the users in ascending order.
    for (int64_t f = system->ntransfers - 1; f >= 0; f--)
        for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++)
            fill->user[--fill->user_first[system->use_link[i] + 1]] = (int32_t)f;
    memmove(fill->user_first, fill->user_first + 1, (size_t)system->nlinks * sizeof(int32_t));
    fill->user_first[system->nlinks] = (int32_t)system->use_first[system->ntransfers];
}

/// A cap that some link does not exceed even for this transfer alone need not be watched.
static bool cap_can_bind(const MaxminSystem *system, int64_t f) {
    if (system->cap[f] == INT64_MAX) return false;
    for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++) {
        int64_t weight = (int64_t)system->use_a[i] * phi_of(system, f);
        if (system->capacity[system->use_link[i]] < ((Wide)system->cap[f] + 1) * weight)
            return false;
    }
    return true;
}

static int cap_compare(const void *a, const void *b) {
    const CapItem *x = a, *y = b;
    if (x->cap != y->cap) return x->cap < y->cap ? -1 : 1;
    return (x->transfer > y->transfer) - (x->transfer < y->transfer);
}

static void filling_list_caps(MaxminFilling *fill) {
    bool sorted = true;
    for (int64_t f = 0; f < fill->system->ntransfers; f++) {
        if (!cap_can_bind(fill->system, f)) continue;
        if (fill->ncaps > 0 && fill->caps[fill->ncaps - 1].cap > fill->system->cap[f])
            sorted = false;
        fill->caps[fill->ncaps++] = (CapItem){fill->system->cap[f], (int32_t)f};
    }
    if (!sorted) qsort(fill->caps, (size_t)fill->ncaps, sizeof *fill->caps, cap_compare);
}

static void filling_list_links(MaxminFilling *fill) {
    for (int64_t l = 0; l < fill->system->nlinks; l++) {
        fill->link_level[l] = LEVEL_NONE;
        if (fill->link[l].weight == 0) continue;
        fill->heap[fill->nheap++] =
            (LevelItem){fill->link[l].residual / fill->link[l].weight, (int32_t)l, (int32_t)l};
    }
    level_heap_build(fill->heap, fill->nheap);
}

/// Fix a transfer at `level`, which no unfrozen link has passed: take its share from links that
/// stand higher.
static void filling_freeze(MaxminFilling *fill, int32_t f, int64_t level, int64_t binding_link) {
    const MaxminSystem *system = fill->system;
    fill->level[f] = level;
    fill->frozen[f] = true;
    for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++) {
        MaxminLink *link = &fill->link[system->use_link[i]];
        if (system->use_link[i] == binding_link) fill->bottleneck[f] = i;
        if (link->weight == LINK_FROZEN) continue;
        if (link->residual - link->weight < level * link->weight)
            continue; // freezes at this level too
        int64_t weight = (int64_t)system->use_a[i] * phi_of(system, f);
        link->residual -= weight * level;
        link->weight -= weight;
    }
}

static void filling_freeze_link(MaxminFilling *fill, int64_t l, int64_t level) {
    fill->link_level[l] = level;
    fill->link[l].weight = LINK_FROZEN;
    for (int64_t i = fill->user_first[l]; i < fill->user_first[l + 1]; i++)
        if (!fill->frozen[fill->user[i]]) filling_freeze(fill, fill->user[i], level, l);
}

static void filling_run(MaxminFilling *fill) {
    int64_t ncap = 0;
    while (fill->nheap > 0 || ncap < fill->ncaps) {
        if (ncap < fill->ncaps &&
            (fill->nheap == 0 || fill->caps[ncap].cap <= fill->heap[0].level)) {
            CapItem item = fill->caps[ncap++];
            if (!fill->frozen[item.transfer]) filling_freeze(fill, item.transfer, item.cap, -1);
            continue;
        }
        LevelItem top = fill->heap[0];
        const MaxminLink *link = &fill->link[top.item];
        if (link->weight == 0) {
            level_heap_pop(fill->heap, &fill->nheap);
        } else if (link->residual / link->weight > top.level) {
            level_heap_raise_top(fill->heap, fill->nheap, link->residual / link->weight);
        } else {
            level_heap_pop(fill->heap, &fill->nheap);
            filling_freeze_link(fill, top.item, top.level);
        }
    }
}

void maxmin_solve_links(const MaxminSystem *system, int64_t level[], int64_t link_level[],
                        int64_t bottleneck[]) {
    size_t nlinks = (size_t)system->nlinks, ntransfers = (size_t)system->ntransfers;
    size_t nuses = ntransfers > 0 ? (size_t)system->use_first[ntransfers] : 0;
    MaxminFilling fill = {
        .system = system,
        .level = level,
        .link_level = link_level,
        .bottleneck = bottleneck,
        .link = memory_alloc(LABEL, nlinks * sizeof(MaxminLink)),
        .user_first = memory_alloc(LABEL, (nlinks + 1) * sizeof(int32_t)),
        .frozen = memory_alloc(LABEL, ntransfers * sizeof(bool)),
        .user = memory_alloc(LABEL, nuses * sizeof(int32_t)),
        .heap = memory_alloc(LABEL, nlinks * sizeof(LevelItem)),
        .caps = memory_alloc(LABEL, ntransfers * sizeof(CapItem)),
    };
    for (size_t f = 0; f < ntransfers; f++) {
        level[f] = system->cap[f];
        bottleneck[f] = -1;
    }
    CHECK(nuses < INT32_MAX, "%zu uses: more than 2^31", nuses);
    filling_list_users(&fill);
    filling_list_caps(&fill);
    filling_list_links(&fill);
    filling_run(&fill);
    for (size_t f = 0; f < ntransfers; f++)
        if (level[f] == system->cap[f]) bottleneck[f] = -1;
    memory_free(LABEL, fill.link, nlinks * sizeof(MaxminLink));
    memory_free(LABEL, fill.user_first, (nlinks + 1) * sizeof(int32_t));
    memory_free(LABEL, fill.frozen, ntransfers * sizeof(bool));
    memory_free(LABEL, fill.user, nuses * sizeof(int32_t));
    memory_free(LABEL, fill.heap, nlinks * sizeof(LevelItem));
    memory_free(LABEL, fill.caps, ntransfers * sizeof(CapItem));
}

void maxmin_solve(const MaxminSystem *system, int64_t level[]) {
    size_t link_bytes = (size_t)system->nlinks * sizeof(int64_t);
    size_t transfer_bytes = (size_t)system->ntransfers * sizeof(int64_t);
    int64_t *link_level = memory_alloc(LABEL, link_bytes);
    int64_t *bottleneck = memory_alloc(LABEL, transfer_bytes);
    maxmin_solve_links(system, level, link_level, bottleneck);
    memory_free(LABEL, link_level, link_bytes);
    memory_free(LABEL, bottleneck, transfer_bytes);
}

// The check shares nothing with the solver but the definition.

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
            users[i] = (UserLevel){level[f], (int64_t)system->use_a[i] * phi_of(system, f),
                                   system->use_link[i]};
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
