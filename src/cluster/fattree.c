#include "cluster/fattree.h"

#include "base/wide.h"

static bool fits(Wide count) { return count <= ((Wide)1 << 48); }

bool fattree_init(FatTree *tree, int32_t installed) {
    const int32_t top = tree->ntiers;
    if (tree->ntrees > 1) tree->children[top] = installed;
    tree->below[0] = tree->indices[0] = 1;
    tree->ports[0] = 0;
    for (int32_t t = 1; t <= top; t++) {
        const Wide below = (Wide)tree->below[t - 1] * tree->children[t];
        const Wide indices = (Wide)tree->indices[t - 1] * tree->parents[t];
        const Wide ports = (Wide)tree->parents[t] * tree->lanes[t];
        if (!fits(below) || !fits(indices) || ports > DIVIDER_MAX ||
            tree->children[t] > DIVIDER_MAX)
            return false;
        tree->below[t] = (int64_t)below;
        tree->indices[t] = (int64_t)indices;
        tree->ports[t] = (int32_t)ports;
        tree->by_children[t] = divider_make(tree->children[t]);
        tree->by_parents[t] = divider_make(tree->parents[t]);
        tree->by_lanes[t] = divider_make(tree->lanes[t]);
        tree->by_ports[t] = divider_make(tree->ports[t]);
    }
    tree->subtrees[top] = tree->ntrees;
    for (int32_t t = top; t >= 1; t--)
        tree->subtrees[t - 1] = tree->subtrees[t] * (t == top ? installed : tree->children[t]);
    for (int32_t t = 1; t <= top; t++)
        if (!fits((Wide)tree->subtrees[t - 1] * tree->indices[t] * tree->lanes[t])) return false;
    return true;
}

FatTreeCable fattree_cable(const FatTree *tree, int32_t tier, int64_t cable) {
    FatTreeCable end;
    end.lower = cable / tree->ports[tier];
    end.port = (int32_t)(cable % tree->ports[tier]);
    end.subtree = end.lower / tree->indices[tier - 1];
    end.index = end.lower % tree->indices[tier - 1];
    const int64_t upper_index =
        end.index + tree->indices[tier - 1] * (end.port % tree->parents[tier]);
    end.upper = end.subtree / tree->children[tier] * tree->indices[tier] + upper_index;
    return end;
}
