// Isles and links that are alike, found before any isle or route is built: from the edges of all channels and rings, in a few
// bytes a link. What a ring puts on a link is added up there, by a factor of its own for each weight of its edges: links with
// equal sums are met by the same edges of the same rings (but for one chance in 2^64). An isle's print is that of its
// channels in order, with lanes numbered as they come and what rings put on each. Of isles with one print the first
// leads; the second has totals of its own, which stand for those of all that follow: where all hold a ring back it is
// the least link that is named, which is a leader's.
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/isles/isle.h"

#define LABEL "isles.fold"

/// Which lane a link is.
typedef struct LinkLane {
    int32_t isle; ///< + 1; 0: no channel uses it; COMMON: it holds nobody, and any may
    int32_t lane;
} LinkLane;

enum { COMMON = -1 };

/// A sum that is about to grow: many at once, as each is far from the one before.
typedef struct LateSum {
    uint64_t *at, more;
} LateSum;

enum { LATE_SUMS = 64 };

/// Links behind the first of their kind, as many as are listed, `each` for one isle after the other.
typedef struct LinkList {
    ARRAY_OF(LinkId) at;
    int64_t n; ///< isles, or links, that there are
} LinkList;

/// Isles with one print.
typedef struct IsleKind {
    int32_t leader;
    bool common; ///< they load links that hold nobody, and others load too
    int32_t nlanes;
    LinkId *last;    ///< [nlanes] links of the last of them
    int32_t *order;  ///< [nlanes] lanes by their links
    LinkList others; ///< lanes of each
} IsleKind;

struct IslesFold {
    Routes *routes;
    IslesSpec spec;
    uint64_t (*kind)(const void *context, int64_t isle);
    int64_t listed;
    uint64_t **rings; ///< [npages] by link: the sum of what they put there. Pages on demand
    LinkLane **lanes; ///< [npages] by link
    Table known;      ///< rings by key
    uint64_t factor;  ///< of the ring that is added
    LateSum late[LATE_SUMS];
    int32_t nlate;
    bool fits; ///< channels fall into isles
    Table by_print;
    ARRAY_OF(IsleKind) isle_kind;
    ARRAY_OF(LinkList) link_kind;
    FoldedIsles folded;
    // The isle that is looked at.
    int64_t isle;
    uint64_t print;
    bool common;
    ARRAY_OF(LinkId) lane;
};

static void *page_of(void **pages, LinkId link, size_t each) {
    void **page = &pages[link >> LINK_PAGE_BITS];
    if (!*page) *page = memory_alloc(LABEL, LINK_PAGE * each);
    return *page;
}

static uint64_t rings_on(const IslesFold *fold, LinkId link) {
    const uint64_t *page = fold->rings[link >> LINK_PAGE_BITS];
    return page ? page[link & (LINK_PAGE - 1)] : 0;
}

static LinkLane *lane_at(const IslesFold *fold, LinkId link) {
    LinkLane *page = page_of((void **)fold->lanes, link, sizeof(LinkLane));
    return &page[link & (LINK_PAGE - 1)];
}

static bool owns(const IslesFold *fold, LinkId link) {
    const LinkOwner *own = fold->spec.own;
    return !own || own->owns(own->context, link);
}

/// What holds nobody several ranks load.
static bool is_told_here(const IslesFold *fold, LinkId link) {
    return !fold->spec.own || (cluster_can_bind(fold->routes->cluster, link) && owns(fold, link));
}

IslesFold *isles_fold_begin(Engine *engine, const IslesSpec *spec,
                            uint64_t (*kind)(const void *context, int64_t isle), int64_t listed) {
    IslesFold *fold = memory_alloc(LABEL, sizeof *fold);
    *fold = (IslesFold){
        .routes = ledger_fold(engine), .spec = *spec, .kind = kind, .listed = listed, .fits = true};
    fold->rings = memory_alloc(LABEL, sizeof *fold->rings * (size_t)fold->routes->npages);
    fold->lanes = memory_alloc(LABEL, sizeof *fold->lanes * (size_t)fold->routes->npages);
    fold->folded = (FoldedIsles){
        .leader = memory_alloc(LABEL, sizeof *fold->folded.leader * (size_t)spec->n),
        .kept = memory_alloc(LABEL, sizeof *fold->folded.kept * (size_t)spec->n),
        .n = spec->n,
    };
    return fold;
}

static void add_late(IslesFold *fold) {
    for (int32_t i = 0; i < fold->nlate; i++) *fold->late[i].at += fold->late[i].more;
    fold->nlate = 0;
}

static void put_ring(void *context, int32_t edge_weight, const LinkUse uses[], int32_t nuses) {
    IslesFold *fold = context;
    const uint64_t factor = rng_mix(fold->factor, (uint64_t)edge_weight) | 1;
    for (int32_t u = 0; u < nuses; u++) {
        const LinkId link = uses[u].link;
        if (!is_told_here(fold, link)) continue;
        uint64_t *page = page_of((void **)fold->rings, link, sizeof(uint64_t));
        LateSum late = {&page[link & (LINK_PAGE - 1)], factor * (uint64_t)uses[u].weight};
        __builtin_prefetch(late.at, 1);
        fold->late[fold->nlate++] = late;
        if (fold->nlate == LATE_SUMS) add_late(fold);
    }
}

void isles_fold_ring(IslesFold *fold, const Transfer *ring) {
    if (!table_insert(&fold->known, (int64_t)ring->edges.key, 1)) return;
    fold->factor = ring->edges.key;
    const Status status = routes_walk(fold->routes, ring, (EdgeSink){put_ring, fold});
    add_late(fold);
    fold->fits = fold->fits && status_is_ok(&status); // said again where it is met
}

// Isles.

static void print(IslesFold *fold, uint64_t word) { fold->print = rng_mix(fold->print, word); }

static void print_lane(IslesFold *fold, LinkId link) {
    LinkLane *at = lane_at(fold, link);
    if (at->isle == 0) {
        *at = (LinkLane){(int32_t)fold->isle + 1, (int32_t)fold->lane.n};
        array_push(&fold->lane, link);
        print(fold, (uint64_t)cluster_capacity_Bps(fold->routes->cluster, link));
        print(fold, rings_on(fold, link));
        fold->fits = fold->fits && owns(fold, link) && fold->lane.n <= ISLE_LANES_MAX;
    }
    print(fold, (uint64_t)at->lane);
    fold->fits = fold->fits && at->isle == fold->isle + 1;
}

static void put_channel(void *context, int32_t edge_weight, const LinkUse uses[], int32_t nuses) {
    IslesFold *fold = context;
    const Cluster *cluster = fold->routes->cluster;
    print(fold, (uint64_t)edge_weight << 32 | (uint64_t)nuses);
    for (int32_t u = 0; u < nuses; u++) {
        print(fold, (uint64_t)uses[u].weight);
        if (cluster_can_bind(cluster, uses[u].link)) {
            print_lane(fold, uses[u].link);
            continue;
        }
        fold->common = true;
        lane_at(fold, uses[u].link)->isle = COMMON;
        print(fold, (uint64_t)cluster_capacity_Bps(cluster, uses[u].link));
    }
}

static void print_isle(IslesFold *fold, int64_t isle) {
    const IslesSpec *spec = &fold->spec;
    fold->isle = isle;
    fold->print = fold->kind(spec->context, isle);
    fold->common = false;
    array_clear(&fold->lane);
    for (int32_t c = 0; c < spec->channels && fold->fits; c++) {
        Transfer transfer;
        int64_t latency_ps;
        const bool carries = spec->channel(spec->context, isle, c, &transfer, &latency_ps);
        print(fold, (uint64_t)carries);
        if (!carries) continue;
        print(fold, (uint64_t)transfer.bytes);
        print(fold, (uint64_t)latency_ps);
        const Status status = routes_walk(fold->routes, &transfer, (EdgeSink){put_channel, fold});
        fold->fits = fold->fits && status_is_ok(&status);
    }
}

static void add_kind(IslesFold *fold) {
    const size_t n = (size_t)fold->lane.n;
    IsleKind kind = {.leader = (int32_t)fold->isle,
                     .common = fold->common,
                     .nlanes = (int32_t)n,
                     .last = memory_alloc(LABEL, sizeof(LinkId) * n),
                     .order = memory_alloc(LABEL, sizeof(int32_t) * n)};
    for (int32_t l = 0; l < kind.nlanes; l++) {
        int32_t at = l; // lanes mostly come in the order of their links
        kind.last[l] = fold->lane.at[l];
        for (; at > 0 && kind.last[kind.order[at - 1]] > kind.last[l]; at--)
            kind.order[at] = kind.order[at - 1];
        kind.order[at] = l;
    }
    array_push(&fold->isle_kind, kind);
}

/// Are all links of the isle behind those of the last of a kind, and in their order?
static bool follows(const IslesFold *fold, const IsleKind *kind) {
    for (int32_t i = 0; i < kind->nlanes; i++) {
        const int32_t l = kind->order[i];
        if (fold->lane.at[l] <= kind->last[l]) return false;
        if (i > 0 && fold->lane.at[l] < fold->lane.at[kind->order[i - 1]]) return false;
    }
    return true;
}

/// One more behind the leader. Its links are the totals' own, if it is the first.
static void join(IslesFold *fold, IsleKind *kind) {
    FoldedIsles *folded = &fold->folded;
    folded->leader[fold->isle] = kind->leader;
    folded->kept[fold->isle] = kind->common || kind->others.n == 0;
    if (kind->nlanes > 0) memcpy(kind->last, fold->lane.at, sizeof(LinkId) * (size_t)kind->nlanes);
    if (kind->common) return;
    for (int32_t l = 0; l < kind->nlanes; l++) {
        if (kind->others.n < fold->listed) array_push(&kind->others.at, fold->lane.at[l]);
        if (kind->others.n > 0) routes_mute(fold->routes, fold->lane.at[l]);
    }
    kind->others.n++;
}

static void fold_isles(IslesFold *fold) {
    for (int64_t i = 0; i < fold->spec.n && fold->fits; i++) {
        print_isle(fold, i);
        fold->folded.leader[i] = (int32_t)i;
        fold->folded.kept[i] = true;
        const int64_t *at = table_find(&fold->by_print, (int64_t)(fold->print >> 1));
        IsleKind *kind = at ? &fold->isle_kind.at[*at] : NULL;
        if (!kind) {
            table_insert(&fold->by_print, (int64_t)(fold->print >> 1), fold->isle_kind.n);
            add_kind(fold);
        } else if (follows(fold, kind)) {
            join(fold, kind);
        }
    }
}

/// The first of a list stands for all of it; of each of `each` lanes.
static void stand_for(const IslesFold *fold, const LinkList *list, int64_t each) {
    if (list->n < 2) return;
    const int64_t listed = list->n < fold->listed ? list->n : fold->listed;
    LinkId *link = memory_alloc(LABEL, sizeof(LinkId) * (size_t)listed);
    for (int64_t l = 0; l < each; l++) {
        for (int64_t i = 0; i < listed; i++) link[i] = list->at.at[i * each + l];
        routes_stand_for(fold->routes, link, listed, list->n);
    }
    memory_free(LABEL, link, sizeof(LinkId) * (size_t)listed);
}

// Links that only rings use.

static void fold_link(IslesFold *fold, LinkId link, uint64_t sum) {
    const Cluster *cluster = fold->routes->cluster;
    uint64_t place = rng_mix(sum, (uint64_t)cluster_capacity_Bps(cluster, link));
    place = rng_mix(place, (uint64_t)(2 * cluster_link_tier(cluster, link) +
                                      (int)cluster_link_direction(cluster, link)));
    const int64_t *at = table_find(&fold->by_print, (int64_t)(place >> 1));
    if (!at) {
        table_insert(&fold->by_print, (int64_t)(place >> 1), fold->link_kind.n);
        array_push(&fold->link_kind, (LinkList){0});
        return;
    }
    LinkList *others = &fold->link_kind.at[*at];
    if (others->n < fold->listed) array_push(&others->at, link);
    if (others->n > 0) routes_mute(fold->routes, link);
    others->n++;
}

static void fold_links(IslesFold *fold) {
    table_clear(&fold->by_print);
    for (int64_t p = 0; p < fold->routes->npages; p++)
        for (int64_t i = 0; fold->rings[p] && i < LINK_PAGE; i++)
            if (fold->rings[p][i] != 0 && (!fold->lanes[p] || fold->lanes[p][i].isle == 0))
                fold_link(fold, p * LINK_PAGE + i, fold->rings[p][i]);
}

/// Nothing is alike.
static void unfold(IslesFold *fold) {
    routes_unmute(fold->routes);
    for (int64_t i = 0; i < fold->folded.n; i++) {
        fold->folded.leader[i] = (int32_t)i;
        fold->folded.kept[i] = true;
    }
}

static void fold_free(IslesFold *fold) {
    const size_t npages = (size_t)fold->routes->npages;
    for (size_t p = 0; p < npages; p++) {
        memory_free(LABEL, fold->rings[p], LINK_PAGE * sizeof(uint64_t));
        memory_free(LABEL, fold->lanes[p], LINK_PAGE * sizeof(LinkLane));
    }
    memory_free(LABEL, fold->rings, sizeof *fold->rings * npages);
    memory_free(LABEL, fold->lanes, sizeof *fold->lanes * npages);
    for (int64_t k = 0; k < fold->isle_kind.n; k++) {
        IsleKind *kind = &fold->isle_kind.at[k];
        memory_free(LABEL, kind->last, sizeof(LinkId) * (size_t)kind->nlanes);
        memory_free(LABEL, kind->order, sizeof(int32_t) * (size_t)kind->nlanes);
        array_free(&kind->others.at);
    }
    for (int64_t k = 0; k < fold->link_kind.n; k++) array_free(&fold->link_kind.at[k].at);
    array_free(&fold->isle_kind);
    array_free(&fold->link_kind);
    array_free(&fold->lane);
    table_free(&fold->known);
    table_free(&fold->by_print);
    memory_free(LABEL, fold, sizeof *fold);
}

FoldedIsles isles_fold_end(IslesFold *fold) {
    fold_isles(fold);
    if (fold->fits) {
        fold_links(fold);
        for (int64_t k = 0; k < fold->isle_kind.n; k++)
            stand_for(fold, &fold->isle_kind.at[k].others, fold->isle_kind.at[k].nlanes);
        for (int64_t k = 0; k < fold->link_kind.n; k++) stand_for(fold, &fold->link_kind.at[k], 1);
    } else {
        unfold(fold);
    }
    const FoldedIsles folded = fold->folded;
    fold_free(fold);
    return folded;
}

void isles_folded_free(FoldedIsles *folded) {
    memory_free(LABEL, folded->leader, sizeof *folded->leader * (size_t)folded->n);
    memory_free(LABEL, folded->kept, sizeof *folded->kept * (size_t)folded->n);
    *folded = (FoldedIsles){0};
}
