#include "cluster/linkfault.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static int compare_place(int32_t tier_a, int64_t cable_a, const LinkFault *b) {
    if (tier_a != b->tier) return tier_a < b->tier ? -1 : 1;
    return cable_a < b->cable ? -1 : cable_a > b->cable;
}

static int compare_faults(const void *a, const void *b) {
    const LinkFault *x = a;
    return compare_place(x->tier, x->cable, b);
}

static int compare_classes(const void *a, const void *b) {
    const PathClass *x = a, *y = b;
    if (x->level != y->level) return x->level < y->level ? -1 : 1;
    return x->residue < y->residue ? -1 : x->residue > y->residue;
}

void linkfault_learn(LinkFault *fault, double fraction) {
    const int32_t share = (int32_t)lround(fraction * FAULT_SHARE_WHOLE);
    fault->dead = fraction == 0.0;
    fault->share = fault->dead || share > 0 ? share : 1;
}

/// Deepest level <= tier whose digit chooses something; 0 if none does.
static int32_t choosing_level(const FatTree *tree, int32_t tier) {
    while (tier > 0 && tree->parents[tier] == 1) tier--;
    return tier;
}

static int32_t find_class(const LinkFaults *faults, int32_t nclasses, int32_t level,
                          int64_t residue) {
    const PathClass key = {.level = level, .residue = residue};
    const PathClass *hit =
        bsearch(&key, faults->path_class, (size_t)nclasses, sizeof key, compare_classes);
    CHECK(hit != NULL, "path class of level %d is missing", level);
    return (int32_t)(hit - faults->path_class);
}

static int32_t unique_classes(PathClass list[], int32_t n) {
    qsort(list, (size_t)n, sizeof list[0], compare_classes);
    int32_t kept = 1;
    for (int32_t k = 1; k < n; k++)
        if (compare_classes(&list[k], &list[kept - 1]) != 0) list[kept++] = list[k];
    return kept;
}

static int64_t upper_index(const FatTree *tree, const LinkFault *fault) {
    return fault->index + tree->indices[fault->tier - 1] * fault->parent;
}

static void link_classes(LinkFaults *faults, const FatTree *tree, int32_t n) {
    PathClass *list = faults->path_class;
    for (int32_t k = 0; k < n; k++) {
        list[k].child_level = list[k].level + 1;
        while (list[k].child_level <= tree->ntiers && tree->parents[list[k].child_level] == 1)
            list[k].child_level++;
        if (list[k].child_level > tree->ntiers) list[k].child_level = FATTREE_LEVELS;
    }
    for (int32_t k = 1; k < n; k++) {
        const int32_t level = choosing_level(tree, list[k].level - 1);
        list[k].parent = find_class(faults, n, level, list[k].residue % tree->indices[level]);
        list[list[k].parent].nchildren++;
    }
}

static void make_classes(LinkFaults *faults, const FatTree *tree) {
    PathClass *list = faults->path_class;
    int32_t n = 0;
    list[n++] = (PathClass){.level = 0, .parent = -1, .residue = 0};
    for (int32_t k = 0; k < faults->nfaults; k++) {
        const LinkFault *fault = &faults->fault[k];
        for (int32_t l = 1; l <= fault->tier; l++)
            if (tree->parents[l] > 1)
                list[n++] =
                    (PathClass){.level = l, .residue = upper_index(tree, fault) % tree->indices[l]};
    }
    n = unique_classes(list, n);
    for (int32_t t = 0; t <= tree->ntiers; t++) {
        faults->nclasses[t] = 0;
        while (faults->nclasses[t] < n && list[faults->nclasses[t]].level <= t)
            faults->nclasses[t]++;
    }
    link_classes(faults, tree, n);
    for (int32_t k = 0; k < faults->nfaults; k++) {
        LinkFault *fault = &faults->fault[k];
        const int32_t level = choosing_level(tree, fault->tier);
        fault->path_class =
            find_class(faults, n, level, upper_index(tree, fault) % tree->indices[level]);
    }
}

void linkfault_init(LinkFaults *faults, int32_t nfaults, const CableFault cable[]) {
    CHECK(nfaults >= 0 && nfaults <= LINK_FAULTS_MAX, "%d link faults", nfaults);
    memset(faults, 0, sizeof *faults);
    faults->nfaults = nfaults;
    for (int32_t k = 0; k < nfaults; k++) {
        faults->fault[k] = (LinkFault){
            .tier = cable[k].tier, .cable = cable[k].cable, .fraction = cable[k].fraction};
        linkfault_learn(&faults->fault[k], cable[k].fraction);
    }
    qsort(faults->fault, (size_t)nfaults, sizeof faults->fault[0], compare_faults);
}

void linkfault_place(LinkFaults *faults, const FatTree *tree) {
    for (int32_t k = 0; k < faults->nfaults; k++) {
        LinkFault *fault = &faults->fault[k];
        const FatTreeCable end = fattree_cable(tree, fault->tier, fault->cable);
        fault->lower = end.lower;
        fault->index = end.index;
        fault->port = end.port;
        fault->parent = end.port % tree->parents[fault->tier];
    }
    make_classes(faults, tree);
}

int32_t linkfault_first(const LinkFaults *faults, int32_t tier, int64_t cable) {
    int32_t low = 0, high = faults->nfaults;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (compare_place(tier, cable, &faults->fault[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const LinkFault *linkfault_find(const LinkFaults *faults, int32_t tier, int64_t cable) {
    const int32_t k = linkfault_first(faults, tier, cable);
    if (k == faults->nfaults || compare_place(tier, cable, &faults->fault[k]) != 0) return NULL;
    return &faults->fault[k];
}

static void collect_side(const LinkFaults *faults, const FatTree *tree, int64_t endpoint,
                         int32_t level, int32_t side, ActiveFaults *active) {
    int64_t subtree = endpoint;
    for (int32_t t = 1; t <= level; t++) {
        const int64_t begin = subtree * tree->indices[t - 1], end = begin + tree->indices[t - 1];
        for (int32_t k = linkfault_first(faults, t, begin * tree->ports[t]); k < faults->nfaults;
             k++) {
            const LinkFault *fault = &faults->fault[k];
            if (fault->tier != t || fault->lower >= end) break;
            active->item[active->n++] = (ActiveFault){.fault = fault, .side = side};
        }
        subtree /= tree->children[t];
    }
}

void linkfault_collect(const LinkFaults *faults, const FatTree *tree, int64_t a, int64_t b,
                       int32_t level, ActiveFaults *active) {
    active->n = 0;
    collect_side(faults, tree, a, level, 0, active);
    collect_side(faults, tree, b, level, 1, active);
}

bool linkfault_class_within(const LinkFaults *faults, int32_t path_class, int32_t ancestor) {
    while (path_class > ancestor) path_class = faults->path_class[path_class].parent;
    return path_class == ancestor;
}
