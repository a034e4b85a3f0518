#include "engine/flow/maxmin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"

#define LABEL "maxmin"

enum { LINK_FROZEN = -1 };

static void list_users(const MaxminSystem *system, MaxminSolution *to) {
    MaxminLink *link = to->link.at;
    int32_t *first = to->user_first.at;
    memset(first, 0, sizeof *first * (size_t)(system->nlinks + 1));
    for (int64_t l = 0; l < system->nlinks; l++) link[l] = (MaxminLink){system->capacity[l], 0};
    for (int64_t i = 0; i < system->use_first[system->ntransfers]; i++) {
        first[system->use_link[i] + 1]++;
        link[system->use_link[i]].weight += system->use_a[i];
    }
    for (int64_t l = 0; l < system->nlinks; l++) first[l + 1] += first[l];
    // Filling a list moves its start to its end; walking transfers backwards and decrementing the
    // ends leaves the starts in place and the users in ascending order.
    for (int64_t f = system->ntransfers - 1; f >= 0; f--)
        for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++)
            to->user.at[--first[system->use_link[i] + 1]] = (int32_t)f;
    memmove(first, first + 1, (size_t)system->nlinks * sizeof *first);
    first[system->nlinks] = (int32_t)system->use_first[system->ntransfers];
}

/// A cap that some link does not exceed even for this transfer alone need not be watched.
static bool cap_can_bind(const MaxminSystem *system, int64_t f) {
    if (system->cap[f] == INT64_MAX) return false;
    for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++)
        if (system->capacity[system->use_link[i]] < ((Wide)system->cap[f] + 1) * system->use_a[i])
            return false;
    return true;
}

static int cap_compare(const void *a, const void *b) {
    const MaxminCap *x = a, *y = b;
    if (x->cap != y->cap) return x->cap < y->cap ? -1 : 1;
    return (x->transfer > y->transfer) - (x->transfer < y->transfer);
}

static void list_caps(const MaxminSystem *system, MaxminSolution *to) {
    bool sorted = true;
    array_clear(&to->caps);
    for (int64_t f = 0; f < system->ntransfers; f++) {
        if (!cap_can_bind(system, f)) continue;
        if (to->caps.n > 0 && to->caps.at[to->caps.n - 1].cap > system->cap[f]) sorted = false;
        to->caps.at[to->caps.n++] = (MaxminCap){system->cap[f], (int32_t)f};
    }
    if (!sorted) qsort(to->caps.at, (size_t)to->caps.n, sizeof *to->caps.at, cap_compare);
}

static void list_links(const MaxminSystem *system, MaxminSolution *to) {
    array_clear(&to->heap);
    for (int64_t l = 0; l < system->nlinks; l++) {
        const MaxminLink *link = &to->link.at[l];
        to->link_level.at[l] = LEVEL_NONE;
        if (link->weight == 0) continue;
        to->heap.at[to->heap.n++] =
            (LevelItem){link->residual / link->weight, (int32_t)l, (int32_t)l};
    }
    level_heap_build(to->heap.at, to->heap.n);
}

/// Fix a transfer at `level`, which no unfrozen link has passed: take its share from links that
/// stand higher.
static void freeze(const MaxminSystem *system, MaxminSolution *to, int32_t f, int64_t level,
                   int64_t binding_link) {
    to->level.at[f] = level;
    to->frozen.at[f] = true;
    for (int64_t i = system->use_first[f]; i < system->use_first[f + 1]; i++) {
        MaxminLink *link = &to->link.at[system->use_link[i]];
        if (system->use_link[i] == binding_link) to->bottleneck.at[f] = i;
        if (link->weight == LINK_FROZEN) continue;
        if (link->residual - link->weight < level * link->weight)
            continue; // freezes at this level too
        link->residual -= system->use_a[i] * level;
        link->weight -= system->use_a[i];
    }
}

static void freeze_link(const MaxminSystem *system, MaxminSolution *to, int32_t l, int64_t level) {
    to->link_level.at[l] = level;
    to->link.at[l].weight = LINK_FROZEN;
    for (int64_t i = to->user_first.at[l]; i < to->user_first.at[l + 1]; i++)
        if (!to->frozen.at[to->user.at[i]]) freeze(system, to, to->user.at[i], level, l);
}

static void fill(const MaxminSystem *system, MaxminSolution *to) {
    int64_t ncap = 0;
    while (to->heap.n > 0 || ncap < to->caps.n) {
        if (ncap < to->caps.n &&
            (to->heap.n == 0 || to->caps.at[ncap].cap <= to->heap.at[0].level)) {
            MaxminCap item = to->caps.at[ncap++];
            if (!to->frozen.at[item.transfer]) freeze(system, to, item.transfer, item.cap, -1);
            continue;
        }
        LevelItem top = to->heap.at[0];
        const MaxminLink *link = &to->link.at[top.item];
        if (link->weight == 0) {
            level_heap_pop(to->heap.at, &to->heap.n);
        } else if (link->residual / link->weight > top.level) {
            level_heap_raise_top(to->heap.at, to->heap.n, link->residual / link->weight);
        } else {
            level_heap_pop(to->heap.at, &to->heap.n);
            freeze_link(system, to, top.item, top.level);
        }
    }
}

static void make_room(const MaxminSystem *system, MaxminSolution *to) {
    to->level.label = to->link_level.label = to->bottleneck.label = to->link.label =
        to->user_first.label = to->user.label = to->frozen.label = to->heap.label = to->caps.label =
            LABEL;
    array_resize(&to->level, system->ntransfers);
    array_resize(&to->link_level, system->nlinks);
    array_resize(&to->bottleneck, system->ntransfers);
    array_resize(&to->link, system->nlinks);
    array_resize(&to->user_first, system->nlinks + 1);
    array_resize(&to->user, system->use_first[system->ntransfers]);
    array_resize(&to->frozen, system->ntransfers);
    array_reserve(&to->heap, system->nlinks);
    array_reserve(&to->caps, system->ntransfers);
}

void maxmin_solve(const MaxminSystem *system, MaxminSolution *to) {
    CHECK(system->use_first[system->ntransfers] < INT32_MAX, "%lld uses: more than 2^31",
          (long long)system->use_first[system->ntransfers]);
    make_room(system, to);
    for (int64_t f = 0; f < system->ntransfers; f++) {
        to->level.at[f] = system->cap[f];
        to->bottleneck.at[f] = -1;
        to->frozen.at[f] = false;
    }
    if (system->nlinks == 0) return;
    list_users(system, to);
    list_caps(system, to);
    list_links(system, to);
    fill(system, to);
    for (int64_t f = 0; f < system->ntransfers; f++)
        if (to->level.at[f] == system->cap[f]) to->bottleneck.at[f] = -1;
}

void maxmin_free(MaxminSolution *solution) {
    array_free(&solution->level);
    array_free(&solution->link_level);
    array_free(&solution->bottleneck);
    array_free(&solution->link);
    array_free(&solution->user_first);
    array_free(&solution->user);
    array_free(&solution->frozen);
    array_free(&solution->heap);
    array_free(&solution->caps);
}

void maxmin_draft_clear(MaxminDraft *draft) {
    draft->cap.label = draft->capacity.label = draft->use.label = draft->first.label =
        draft->link.label = draft->weight.label = LABEL;
    array_clear(&draft->cap);
    array_clear(&draft->capacity);
    array_clear(&draft->use);
}

void maxmin_draft_free(MaxminDraft *draft) {
    array_free(&draft->cap);
    array_free(&draft->capacity);
    array_free(&draft->use);
    array_free(&draft->first);
    array_free(&draft->link);
    array_free(&draft->weight);
    maxmin_free(&draft->solution);
}

void maxmin_draft_solve(MaxminDraft *draft) {
    int64_t n = draft->cap.n;
    array_resize(&draft->first, n + 2);
    array_resize(&draft->link, draft->use.n);
    array_resize(&draft->weight, draft->use.n);
    int64_t *first = draft->first.at;
    memset(first, 0, sizeof *first * (size_t)(n + 2));
    for (int64_t u = 0; u < draft->use.n; u++) first[draft->use.at[u].transfer + 2]++;
    for (int64_t f = 2; f < n + 2; f++) first[f] += first[f - 1];
    for (int64_t u = 0; u < draft->use.n; u++) {
        int64_t at = first[draft->use.at[u].transfer + 1]++;
        draft->link.at[at] = draft->use.at[u].link;
        draft->weight.at[at] = draft->use.at[u].weight;
    }
    maxmin_draft_solve_again(draft);
}

void maxmin_draft_solve_again(MaxminDraft *draft) {
    MaxminSystem system = {.nlinks = draft->capacity.n,
                           .ntransfers = draft->cap.n,
                           .capacity = draft->capacity.at,
                           .use_first = draft->first.at,
                           .use_link = draft->link.at,
                           .use_a = draft->weight.at,
                           .cap = draft->cap.at};
    maxmin_solve(&system, &draft->solution);
}
