#include "cluster/bundle.h"

#include "base/check.h"
#include "base/wide.h"
#include "cluster/cluster_parts.h"

// ids

LinkId bundle_id(const Cluster *cluster, int32_t tier, LinkDirection direction, int64_t subtree,
                 int32_t path_class) {
    return cluster->first_bundle[tier][direction] + subtree * cluster->faults.nclasses[tier] +
           path_class;
}

Bundle bundle_from_id(const Cluster *cluster, LinkId id) {
    const int32_t range = cluster_range_of(cluster, id);
    Bundle bundle = {.tier = range / 2, .direction = (LinkDirection)(range % 2)};
    const int32_t nclasses = cluster->faults.nclasses[bundle.tier];
    const int64_t place = id - cluster->first_bundle[bundle.tier][bundle.direction];
    bundle.subtree = place / nclasses;
    bundle.path_class = (int32_t)(place % nclasses);
    return bundle;
}

// members

/// Indices of tier `tier` in a class and in no deeper class of that tier.
static int64_t class_indices(const FatTree *tree, const LinkFaults *faults, int32_t tier,
                             int32_t path_class) {
    const PathClass *own = &faults->path_class[path_class];
    const int64_t all = tree->indices[tier] / tree->indices[own->level];
    if (own->child_level > tier) return all;
    return all - own->nchildren * (tree->indices[tier] / tree->indices[own->child_level]);
}

/// k-th index of a class: the digit of the child level runs over those that no child has taken, the
/// digits above it are free.
static int64_t class_index_at(const FatTree *tree, const LinkFaults *faults, int32_t tier,
                              int32_t path_class, int64_t k) {
    const PathClass *own = &faults->path_class[path_class];
    if (own->child_level > tier) return own->residue;
    const int64_t step = tree->indices[own->level];
    const int32_t width = tree->parents[own->child_level], untaken = width - own->nchildren;
    int64_t digit = k % untaken;
    // Children are sorted by residue, hence by digit: step over each taken one in turn.
    for (int32_t c = path_class + 1; c < faults->nclasses[tier]; c++)
        if (faults->path_class[c].parent == path_class &&
            (faults->path_class[c].residue - own->residue) / step <= digit)
            digit++;
    return own->residue + step * (k / untaken * width + digit);
}

int64_t bundle_width(const Cluster *cluster, const Bundle *bundle) {
    return class_indices(&cluster->tree, &cluster->faults, bundle->tier, bundle->path_class) *
           cluster->tree.lanes[bundle->tier];
}

LinkId bundle_link(const Cluster *cluster, const Bundle *bundle, int64_t i) {
    const FatTree *tree = &cluster->tree;
    const int32_t t = bundle->tier;
    const int64_t upper =
        class_index_at(tree, &cluster->faults, t, bundle->path_class, i / tree->lanes[t]);
    const int64_t lower = bundle->subtree * tree->indices[t - 1] + upper % tree->indices[t - 1];
    const int64_t port = upper / tree->indices[t - 1] + tree->parents[t] * (i % tree->lanes[t]);
    return cluster->first_link[t][bundle->direction] + lower * tree->ports[t] + port;
}

/// The next fault of a bundle at or behind position k of the list; nfaults: none.
static int32_t next_fault(const Cluster *cluster, const Bundle *bundle, int32_t k) {
    const LinkFaults *faults = &cluster->faults;
    const int64_t end = (bundle->subtree + 1) * cluster->tree.indices[bundle->tier - 1];
    for (; k < faults->nfaults; k++) {
        const LinkFault *fault = &faults->fault[k];
        if (fault->tier != bundle->tier || fault->lower >= end) return faults->nfaults;
        if (fault->path_class == bundle->path_class) return k;
    }
    return k;
}

static int32_t first_fault(const Cluster *cluster, const Bundle *bundle) {
    const int64_t begin = bundle->subtree * cluster->tree.indices[bundle->tier - 1];
    return next_fault(
        cluster, bundle,
        linkfault_first(&cluster->faults, bundle->tier, begin * cluster->tree.ports[bundle->tier]));
}

static const LinkFault *bundle_fault(const Cluster *cluster, const Bundle *bundle) {
    const int32_t k = first_fault(cluster, bundle);
    return k < cluster->faults.nfaults ? &cluster->faults.fault[k] : NULL;
}

Bundle bundle_of_fault(const Cluster *cluster, const LinkFault *fault) {
    return (Bundle){.tier = fault->tier,
                    .subtree = fault->lower / cluster->tree.indices[fault->tier - 1],
                    .path_class = fault->path_class};
}

int64_t bundle_capacity_Bps(const Cluster *cluster, const Bundle *bundle) {
    const int64_t whole_Bps = cluster->link_Bps[bundle->tier];
    int64_t live = bundle_width(cluster, bundle);
    int64_t sum_Bps = live * whole_Bps, slowest_Bps = whole_Bps;
    for (int32_t k = first_fault(cluster, bundle); k < cluster->faults.nfaults;
         k = next_fault(cluster, bundle, k + 1)) {
        const LinkFault *fault = &cluster->faults.fault[k];
        // What routing believes dead carries nothing; what is, unknown to it, holds a sprayed class altogether.
        const int64_t left_Bps = linkfault_left_Bps(fault->fraction, whole_Bps);
        live -= fault->dead;
        sum_Bps -= whole_Bps - (fault->dead ? 0 : left_Bps);
        if (!fault->dead && left_Bps < slowest_Bps) slowest_Bps = left_Bps;
    }
    return cluster->spec.routing == ROUTING_SPRAY ? live * slowest_Bps : sum_Bps;
}

int64_t bundle_best_Bps(const Cluster *cluster, const Bundle *bundle) {
    const LinkFault *fault = bundle_fault(cluster, bundle);
    return fault ? fault->best_bundle_Bps
                 : bundle_width(cluster, bundle) * cluster->link_Bps[bundle->tier];
}

// weights

/// A fault that makes links of a bundle differ: not one on the only link of a subtree, such as a
/// NIC's.
static bool fault_splits(const FatTree *tree, const LinkFault *fault) {
    return fattree_subtree_links(tree, fault->tier) > 1;
}

/// Live lanes and live share (of p lanes, in 1/1000 of a lane) of the trunk of one side and tier on
/// a path class.
typedef struct Trunk {
    int32_t lanes, share;
    bool touched; ///< some path of this message crosses a faulty trunk here
} Trunk;

static Trunk trunk_of(const FatTree *tree, const LinkFaults *faults, const ActiveFaults *active,
                      int32_t side, int32_t tier, int32_t path_class) {
    const int32_t lanes = tree->lanes[tier];
    Trunk trunk = {.lanes = lanes, .share = lanes * FAULT_SHARE_WHOLE};
    for (int32_t k = 0; k < active->n; k++) {
        const LinkFault *fault = active->item[k].fault;
        if (active->item[k].side != side || fault->tier != tier) continue;
        trunk.touched = true;
        if (!linkfault_class_within(faults, path_class, fault->path_class)) continue;
        trunk.lanes -= fault->dead;
        trunk.share -= FAULT_SHARE_WHOLE - fault->share;
    }
    return trunk;
}

static int64_t lanes_multiple(const FatTree *tree, int32_t level) {
    int64_t multiple = 1;
    for (int32_t t = 1; t <= level; t++)
        multiple *= tree->lanes[t] / (int64_t)wide_gcd(multiple, tree->lanes[t]);
    return multiple;
}

/// Worth of one path of a class, see bundle.h; 0 if it is dead.
static Wide path_worth(const FatTree *tree, const LinkFaults *faults, Routing routing,
                       int32_t level, const ActiveFaults *active, int32_t path_class) {
    const int64_t multiple = lanes_multiple(tree, level);
    Wide choices = 1, least = multiple * FAULT_SHARE_WHOLE;
    for (int32_t t = 1; t <= level; t++)
        for (int32_t side = 0; side < 2; side++) {
            const Trunk trunk = trunk_of(tree, faults, active, side, t, path_class);
            if (trunk.lanes == 0) return 0;
            if (fattree_subtree_links(tree, t) == 1 || !trunk.touched) continue;
            const Wide share = (Wide)trunk.share * (multiple / tree->lanes[t]);
            if (share < least) least = share;
            choices *= trunk.lanes;
        }
    return routing == ROUTING_SPRAY ? choices : least;
}

/// Worth of all paths through each class of tier `level`; returns their sum.
static Wide class_worths(const FatTree *tree, const LinkFaults *faults, Routing routing,
                         int32_t level, const ActiveFaults *active, Wide worth[PATH_CLASSES_MAX]) {
    Wide total = 0;
    for (int32_t c = 0; c < faults->nclasses[level]; c++) {
        worth[c] = path_worth(tree, faults, routing, level, active, c) *
                   class_indices(tree, faults, level, c);
        total += worth[c];
    }
    return total;
}

/// Fold the classes of tier t into those of tier t - 1: a class of depth t becomes part of its
/// parent.
static void fold_classes(const LinkFaults *faults, int32_t tier, Wide worth[PATH_CLASSES_MAX]) {
    for (int32_t c = faults->nclasses[tier] - 1; c >= faults->nclasses[tier - 1]; c--)
        worth[faults->path_class[c].parent] += worth[c];
}

/// Whole parts of `unit` in proportion to worth; what rounding leaves goes to the largest
/// fractions, lowest class first.
static void deal_unit(int32_t n, const Wide worth[], Wide total, int64_t unit, int32_t weight[]) {
    int64_t left = unit;
    for (int32_t c = 0; c < n; c++) {
        weight[c] = (int32_t)(worth[c] * unit / total);
        left -= weight[c];
    }
    while (left > 0) {
        Wide largest = 0;
        int32_t taker = -1;
        for (int32_t c = 0; c < n; c++) {
            const Wide rest = worth[c] * unit - (Wide)weight[c] * total;
            if (rest > largest) {
                largest = rest;
                taker = c;
            }
        }
        CHECK(taker >= 0, "rounding left %lld parts and no class to take them", (long long)left);
        weight[taker]++;
        left--;
    }
}

bool bundle_weights(const FatTree *tree, const LinkFaults *faults, Routing routing, int32_t level,
                    const ActiveFaults *active, int64_t unit,
                    int32_t weight[FATTREE_LEVELS][PATH_CLASSES_MAX]) {
    Wide worth[PATH_CLASSES_MAX];
    const Wide total = class_worths(tree, faults, routing, level, active, worth);
    if (total == 0) return false;
    for (int32_t t = level; t >= 1; t--) {
        deal_unit(faults->nclasses[t], worth, total, unit, weight[t]);
        fold_classes(faults, t, worth);
    }
    return true;
}

// the common denominator

/// Least common multiple of `split` and all denominators of one situation; BUNDLE_SPLIT_MAX if it
/// passes that.
static int64_t widen_split(const FatTree *tree, const LinkFaults *faults, Routing routing,
                           int32_t level, const ActiveFaults *active, int64_t split) {
    Wide worth[PATH_CLASSES_MAX];
    const Wide total = class_worths(tree, faults, routing, level, active, worth);
    if (total == 0) return split;
    for (int32_t t = level; t >= 1; t--) {
        for (int32_t c = 0; c < faults->nclasses[t]; c++) {
            const Wide denominator = total / wide_gcd(total, worth[c]);
            const Wide wider = denominator / wide_gcd(split, denominator) * split;
            if (wider > BUNDLE_SPLIT_MAX) return BUNDLE_SPLIT_MAX;
            split = (int64_t)wider;
        }
        fold_classes(faults, t, worth);
    }
    return split;
}

/// Do enough of fault[n] stand for this one already?
static bool fault_is_met(const FatTree *tree, const LinkFault *const fault[], int32_t n,
                         const LinkFault *own) {
    int32_t alike = 0;
    for (int32_t k = 0; k < n; k++)
        alike += fault[k]->tier == own->tier && fault[k]->path_class == own->path_class &&
                 fault[k]->share == own->share;
    return alike == 2 * tree->lanes[own->tier];
}

int64_t bundle_split(const FatTree *tree, const LinkFaults *faults, Routing routing,
                     int64_t split) {
    const LinkFault *splitting[BUNDLE_EXACT_FAULTS];
    int32_t n = 0, situations = 1;
    for (int32_t k = 0; k < faults->nfaults; k++) {
        const LinkFault *fault = &faults->fault[k];
        if (!fault_splits(tree, fault) || fault->share == FAULT_SHARE_WHOLE) continue;
        if (fault_is_met(tree, splitting, n, fault)) continue;
        if (n == BUNDLE_EXACT_FAULTS) return BUNDLE_SPLIT_MAX;
        splitting[n++] = fault;
        situations *= 3;
    }
    // Each fault may lie below the source, below the destination or nowhere near: more cases than
    // can occur, cheaply.
    for (int32_t level = 1; level <= tree->ntiers; level++)
        for (int32_t situation = 0; situation < situations; situation++) {
            ActiveFaults active;
            active.n = 0;
            for (int32_t k = 0, digits = situation; k < n; k++, digits /= 3)
                if (digits % 3 < 2 && splitting[k]->tier <= level)
                    active.item[active.n++] =
                        (ActiveFault){.fault = splitting[k], .side = digits % 3};
            split = widen_split(tree, faults, routing, level, &active, split);
            if (split == BUNDLE_SPLIT_MAX) return split;
        }
    return split;
}
