/// linkfault.h: the short list of dead and degraded cables, and the path classes they make.
///
/// Idea.    Faults are kept sorted by (tier, cable), so that those that concern one subtree of a tree
///          are a range. In a tree a fault at tier t spoils, for the endpoints below its subtree, the
///          paths whose index begins with the t digits of the faulty cable's upper switch. The
///          digit strings of all faults form a trie; the *path class* of an index is the deepest
///          trie node on its digits. Any message loads all links of one tier, one subtree and one
///          class alike, so a bundle split by class stays exact. Digits of width 1 are left out:
///          they choose nothing. A tier-t bundle has the classes of depth <= t: a prefix of the
///          list.
///              classes = { all } for a healthy cluster, one more per digit of a fault otherwise
///          Faults over time (trouble.h) are in the list from the beginning, with all their capacity while there is none:
///          so classes, and the ids of bundles, never change.
/// Limits.  A fault takes both directions of a cable. Fractions enter splits rounded to 1/1000,
///          capacities exactly.
#ifndef COLOSSIM_CLUSTER_LINKFAULT_H
#define COLOSSIM_CLUSTER_LINKFAULT_H

#include "cluster/cluster.h"
#include "cluster/fattree.h"

enum {
    LINK_FAULTS_MAX = 1024,
    PATH_CLASSES_MAX = 1 + LINK_FAULTS_MAX * FABRIC_TIERS_MAX,
    FAULT_SHARE_WHOLE = 1000,
};

/// What is left of a cable.
typedef struct CableFault {
    int32_t tier;
    int64_t cable;   ///< within its tier
    double fraction; ///< 0 .. 1
} CableFault;

typedef struct LinkFault {
    int32_t tier;
    int64_t cable;
    double fraction;         ///< that is left of it now; a fault that comes or goes may leave all
    double best;             ///< the most that is ever left of it
    int64_t best_bundle_Bps; ///< the most that its bundle ever carries (bundle.h)
    bool dead;               ///< to the knowledge of routing: fraction is 0
    int32_t share;           ///< the same: fraction in 1/1000, at least 1 unless dead
    // In a tree, computed:
    int64_t lower;        ///< node of level tier - 1
    int64_t index;        ///< of the lower node in its subtree
    int32_t port, parent; ///< up port of the lower node; port mod w
    int32_t path_class;   ///< of the upper switch
} LinkFault;

/// All indices that end up congruent to `residue` modulo W_level and in no deeper class.
typedef struct PathClass {
    int32_t level;  ///< 0 for the root
    int32_t parent; ///< class; -1 for the root
    int64_t residue;
    int32_t child_level; ///< computed: the next level whose digit chooses; FATTREE_LEVELS if none
    int32_t nchildren;   ///< computed: classes cut out of this one, all of child_level
} PathClass;

typedef struct LinkFaults {
    int32_t nfaults;
    LinkFault fault[LINK_FAULTS_MAX];
    int32_t nclasses[FATTREE_LEVELS]; ///< [t] classes of a tier-t bundle; [0] is 1
    PathClass path_class[PATH_CLASSES_MAX];
} LinkFaults;

/// Faults that concern one message: those below its source (side 0) and its destination (side 1).
typedef struct ActiveFault {
    const LinkFault *fault;
    int32_t side;
} ActiveFault;
typedef struct ActiveFaults {
    int32_t n;
    ActiveFault item[2 * LINK_FAULTS_MAX];
} ActiveFaults;

/// Take over a list of different cables.
void linkfault_init(LinkFaults *faults, int32_t nfaults, const CableFault cable[]);

/// Say where in a tree the faults are, and the path classes they make.
void linkfault_place(LinkFaults *faults, const FatTree *tree);

/// Let routing know that so much is left of a link.
void linkfault_learn(LinkFault *fault, double fraction);

/// Goodput of a link of which a fraction is left, rounded down.
static inline int64_t linkfault_left_Bps(double fraction, int64_t whole_Bps) {
    return (int64_t)(fraction * (double)whole_Bps);
}

/// The fault of a cable, or NULL.   Cost: O(log nfaults).
const LinkFault *linkfault_find(const LinkFaults *faults, int32_t tier, int64_t cable);

/// First fault of a tier with a cable >= `cable`, as a position 0 .. nfaults.
int32_t linkfault_first(const LinkFaults *faults, int32_t tier, int64_t cable);

/// Collect the faults on tiers 1 .. level below endpoint a (side 0) and endpoint b (side 1).
void linkfault_collect(const LinkFaults *faults, const FatTree *tree, int64_t a, int64_t b,
                       int32_t level, ActiveFaults *active);

/// True if the path class is `ancestor` or lies in it.
bool linkfault_class_within(const LinkFaults *faults, int32_t path_class, int32_t ancestor);

#endif
