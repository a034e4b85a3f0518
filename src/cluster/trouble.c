#include "cluster/trouble.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cluster/bundle.h"
#include "cluster/cluster_parts.h"

#define FACTOR_ONE (INT64_C(1) << 20)

// places

/// Numbers `first-last` or `first` behind a word; false: there are none, or something else follows. *text is moved behind
/// them.
static bool read_range(const char **text, int64_t *first, int64_t *last) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    *first = *last = strtoll(*text, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9') *last = strtoll(end + 1, &end, 10);
    *text = end;
    return *first <= *last && (*end == '\0' || *end == ' ');
}

static bool read_word(const char **text, const char *word) {
    size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) return false;
    if ((*text)[length] != ' ' && (*text)[length] != '\0') return false;
    *text += length;
    while (**text == ' ') (*text)++;
    return true;
}

int64_t cluster_rack_gpus(const ClusterSpec *spec) {
    const int64_t node = spec->gpus_per_node, children = spec->tier[0].children;
    if (spec->scale_up.gpus > node) return spec->scale_up.gpus;
    if (spec->wiring == WIRING_RAIL) return children * node;
    return children > node ? children / node * node : node;
}

/// GPUs of what a word counts: 0: it is no such word.
static int64_t gpus_of_word(const ClusterSpec *spec, const char **text) {
    if (read_word(text, "gpu")) return 1;
    if (read_word(text, "node")) return spec->gpus_per_node;
    return read_word(text, "rack") ? cluster_rack_gpus(spec) : 0;
}

static Status parse_switch(const ClusterSpec *spec, const FatTree *tree, const char *what,
                           Site *site) {
    for (int32_t level = 1; level <= spec->ntiers; level++) {
        const char *text = what;
        if (!spec->tier[level - 1].name[0] || !read_word(&text, spec->tier[level - 1].name))
            continue;
        *site = (Site){.kind = SITE_SWITCH, .level = level, .port = -1};
        REQUIRE(read_range(&text, &site->first, &site->last) && site->first == site->last,
                STATUS_RANGE, "'%s' wants the number of a switch", what);
        REQUIRE(site->last < fattree_nnodes(tree, level), STATUS_RANGE,
                "'%s': there are %lld such switches, counted from 0", what,
                (long long)fattree_nnodes(tree, level));
        while (*text == ' ') text++;
        if (*text == '\0') return status_ok();
        int64_t port = 0, same = 0;
        REQUIRE(read_word(&text, "port") && read_range(&text, &port, &same) && port == same &&
                    *text == '\0',
                STATUS_RANGE, "'%s': only 'port' and its number may follow", what);
        const int64_t ports = level < spec->ntiers ? tree->ports[level + 1] : 0;
        REQUIRE(port < ports, STATUS_RANGE, "'%s': it has %lld ports upwards, counted from 0", what,
                (long long)ports);
        site->kind = SITE_UPLINK;
        site->port = (int32_t)port;
        return status_ok();
    }
    FAIL(STATUS_RANGE,
         "'%s' wants gpu, node, rack or a switch by the name of its tier, and a number: 'gpu 17', "
         "'node 0-3', '%s 2', '%s 2 port 0', 'gpu 17 nic'",
         what, spec->tier[spec->ntiers - 1].name, spec->tier[0].name);
}

Status site_parse(const ClusterSpec *spec, const FatTree *tree, const char *what, Site *site) {
    const char *text = what;
    const int64_t gpus = gpus_of_word(spec, &text), all = spec->nodes * spec->gpus_per_node;
    if (gpus == 0) return parse_switch(spec, tree, what, site);
    *site = (Site){.kind = SITE_GPUS, .port = -1};
    REQUIRE(read_range(&text, &site->first, &site->last), STATUS_RANGE,
            "'%s' wants a number or two, as 'gpu 17' or 'gpu 8-15'", what);
    REQUIRE(site->last < (all + gpus - 1) / gpus, STATUS_RANGE,
            "'%s': there are %lld of them, counted from 0", what,
            (long long)((all + gpus - 1) / gpus));
    bool one = gpus == 1 && site->first == site->last;
    site->first *= gpus;
    site->last = (site->last + 1) * gpus - 1 < all ? (site->last + 1) * gpus - 1 : all - 1;
    while (*text == ' ') text++;
    if (*text == '\0') return status_ok();
    REQUIRE(one && read_word(&text, "nic"), STATUS_RANGE,
            "'%s': only 'nic' may follow, and that the number of one GPU", what);
    site->kind = SITE_NIC;
    if (*text == '\0') return status_ok();
    int64_t port = 0, same = 0;
    REQUIRE(read_word(&text, "port") && read_range(&text, &port, &same) && port == same &&
                *text == '\0',
            STATUS_RANGE, "'%s': only 'port' and its number may follow", what);
    REQUIRE(port < tree->ports[1], STATUS_RANGE, "'%s': it has %d ports, counted from 0", what,
            tree->ports[1]);
    site->port = (int32_t)port;
    return status_ok();
}

// what is left at a moment

/// What a cause leaves: of the speed of a GPU (0: it is dead), and of cables.
typedef struct Left {
    double speed, capacity;
} Left;

static Left left_by(const Cluster *cluster, const Cause *cause, int64_t at_ps) {
    const ClusterSpec *spec = &cluster->spec;
    Left left = {1, 1};
    for (int32_t i = 0; i < spec->nslow; i++) {
        const SlowSpec *slow = &spec->slow[i];
        if (at_ps < slow->from_ps || at_ps >= slow->until_ps ||
            strcmp(slow->what, cause->what) != 0)
            continue;
        left.speed /= slow->compute;
        left.capacity /= slow->nic;
    }
    const EventSpec *latest = NULL;
    for (int32_t i = 0; i < spec->nevents; i++) {
        const EventSpec *event = &spec->event[i];
        if (event->at_ps > at_ps || strcmp(event->what, cause->what) != 0) continue;
        if (!latest || event->at_ps >= latest->at_ps) latest = event;
    }
    if (latest) {
        left.speed *= latest->remaining;
        left.capacity *= latest->remaining;
    }
    return left;
}

static bool concerns(const Cause *cause, GpuId gpu) {
    return cause->site.kind == SITE_GPUS && gpu >= cause->site.first && gpu <= cause->site.last;
}

/// What is left of the speed of a GPU; of its dead times nothing is told.
static double speed_left(const Cluster *cluster, GpuId gpu, int64_t at_ps) {
    double speed = 1;
    for (int32_t c = 0; c < cluster->troubles->ncauses; c++) {
        const Cause *cause = &cluster->troubles->cause[c];
        if (!concerns(cause, gpu)) continue;
        double left = left_by(cluster, cause, at_ps).speed;
        if (left > 0) speed *= left;
    }
    return speed;
}

int64_t cluster_slow_factor(const Cluster *cluster, GpuId gpu, int64_t at_ps) {
    if (cluster->troubles->even) return FACTOR_ONE;
    return llround(fmin(1 / speed_left(cluster, gpu, at_ps), CLUSTER_SLOWER_MOST) *
                   (double)FACTOR_ONE);
}

bool cluster_may_change(const Cluster *cluster) { return cluster->patient; }

bool cluster_is_even(const Cluster *cluster) { return cluster->troubles->even; }

static bool is_dead(const Cluster *cluster, GpuId gpu, int64_t at_ps) {
    for (int32_t c = 0; c < cluster->troubles->ncauses; c++)
        if (concerns(&cluster->troubles->cause[c], gpu) &&
            left_by(cluster, &cluster->troubles->cause[c], at_ps).speed == 0)
            return true;
    return false;
}

int64_t cluster_works_from_ps(const Cluster *cluster, GpuId gpu, int64_t at_ps) {
    if (cluster->troubles->even) return at_ps;
    while (at_ps < TIME_NEVER_PS && is_dead(cluster, gpu, at_ps))
        at_ps = cluster_next_change_ps(cluster, at_ps);
    return at_ps;
}

int64_t cluster_slowest_factor(const Cluster *cluster, GpuId gpu, int64_t from_ps, int64_t to_ps) {
    int64_t most = FACTOR_ONE;
    if (cluster->troubles->even) return most;
    for (int64_t at_ps = from_ps; at_ps < to_ps; at_ps = cluster_next_change_ps(cluster, at_ps)) {
        int64_t factor = is_dead(cluster, gpu, at_ps) ? (int64_t)CLUSTER_SLOWER_MOST * FACTOR_ONE
                                                      : cluster_slow_factor(cluster, gpu, at_ps);
        if (factor > most) most = factor;
    }
    return most;
}

// changes

static void earlier(int64_t *next_ps, int64_t after_ps, int64_t at_ps) {
    if (at_ps > after_ps && at_ps < *next_ps) *next_ps = at_ps;
}

/// A change, and when routing knows of it: at once of those before the beginning.
static void note_change(const Cluster *cluster, int64_t *next_ps, int64_t after_ps, int64_t at_ps,
                        bool of_cables) {
    if (at_ps <= 0 || at_ps == TIME_NEVER_PS) return;
    earlier(next_ps, after_ps, at_ps);
    if (of_cables) earlier(next_ps, after_ps, at_ps + cluster->spec.reroute_delay_ps);
}

bool cluster_spec_is_still(const ClusterSpec *spec) {
    bool still = true;
    for (int32_t i = 0; i < spec->nslow; i++)
        still = still && (spec->slow[i].nic == 1 ||
                          (spec->slow[i].from_ps == 0 && spec->slow[i].until_ps == TIME_NEVER_PS));
    for (int32_t i = 0; i < spec->nevents; i++) still = still && spec->event[i].at_ps == 0;
    return still;
}

int64_t cluster_next_change_ps(const Cluster *cluster, int64_t after_ps) {
    const ClusterSpec *spec = &cluster->spec;
    int64_t next_ps = TIME_NEVER_PS;
    for (int32_t i = 0; i < spec->nslow; i++) {
        const SlowSpec *slow = &spec->slow[i];
        note_change(cluster, &next_ps, after_ps, slow->from_ps, slow->nic > 1);
        note_change(cluster, &next_ps, after_ps, slow->until_ps, slow->nic > 1);
    }
    for (int32_t i = 0; i < spec->nevents; i++)
        note_change(cluster, &next_ps, after_ps, spec->event[i].at_ps, true);
    return next_ps;
}

/// What is left of each cable at a moment.
static void list_left(const Cluster *cluster, int64_t at_ps, double left[]) {
    const Troubles *troubles = cluster->troubles;
    double by[CAUSES_MAX];
    for (int32_t c = 0; c < troubles->ncauses; c++)
        by[c] = left_by(cluster, &troubles->cause[c], at_ps).capacity;
    for (int32_t k = 0; k < cluster->faults.nfaults; k++) left[k] = troubles->lasting[k];
    for (int64_t i = 0; i < troubles->cable.n; i++)
        left[troubles->cable.at[i].fault] *= by[troubles->cable.at[i].cause];
}

static void learn(Cluster *cluster, int64_t of_ps) {
    double left[LINK_FAULTS_MAX];
    list_left(cluster, of_ps, left);
    for (int32_t k = 0; k < cluster->faults.nfaults; k++)
        linkfault_learn(&cluster->faults.fault[k], left[k]);
}

void cluster_set_time(Cluster *cluster, int64_t now_ps) {
    if (cluster->troubles->ncauses == 0) return;
    double left[LINK_FAULTS_MAX];
    list_left(cluster, now_ps, left);
    for (int32_t k = 0; k < cluster->faults.nfaults; k++)
        cluster->faults.fault[k].fraction = left[k];
    const int64_t known_ps = now_ps - cluster->spec.reroute_delay_ps;
    learn(cluster, known_ps > 0 ? known_ps : 0);
    cluster->patient = cluster_next_change_ps(cluster, now_ps) < TIME_NEVER_PS;
}

int64_t troubles_split(Cluster *cluster) {
    int64_t split = 1;
    for (int64_t at_ps = 0; at_ps < TIME_NEVER_PS; at_ps = cluster_next_change_ps(cluster, at_ps)) {
        learn(cluster, at_ps);
        split = bundle_split(&cluster->tree, &cluster->faults, cluster->spec.routing, split);
    }
    learn(cluster, 0);
    return split;
}

// what there is

static Status add_cause(Cluster *cluster, const char *what) {
    Troubles *troubles = cluster->troubles;
    for (int32_t c = 0; c < troubles->ncauses; c++)
        if (strcmp(troubles->cause[c].what, what) == 0) return status_ok();
    Cause *cause = &troubles->cause[troubles->ncauses];
    cause->what = what;
    TRY(site_parse(&cluster->spec, &cluster->tree, what, &cause->site));
    troubles->ncauses++;
    return status_ok();
}

/// All cables while they are listed.
typedef struct CableList {
    ARRAY_OF(LinkFaultSpec) fault; ///< of the spec, then those of causes
    int32_t cause;
    ARRAY_OF(TroubledCable) cable;
} CableList;

static void list_cable(CableList *list, int32_t tier, int64_t lower, int32_t port) {
    int64_t k = 0;
    while (k < list->fault.n &&
           (list->fault.at[k].tier != tier || list->fault.at[k].lower != lower ||
            list->fault.at[k].port != port))
        k++;
    if (k > LINK_FAULTS_MAX) return; // said later
    if (k == list->fault.n) array_push(&list->fault, (LinkFaultSpec){tier, lower, port, 1});
    array_push(&list->cable, (TroubledCable){list->cause, (int32_t)k});
}

static void list_ports(CableList *list, int32_t tier, int64_t lower, int32_t port, int32_t nports) {
    for (int32_t p = port < 0 ? 0 : port; p < (port < 0 ? nports : port + 1); p++)
        list_cable(list, tier, lower, p);
}

static void list_switch(const Cluster *cluster, CableList *list, const Site *site) {
    const FatTree *tree = &cluster->tree;
    const int32_t l = site->level;
    const int64_t subtree = site->first / tree->indices[l], index = site->first % tree->indices[l];
    const int64_t lower = index % tree->indices[l - 1], parent = index / tree->indices[l - 1];
    for (int64_t child = 0; child < tree->children[l] && list->fault.n <= LINK_FAULTS_MAX;
         child++) {
        const int64_t node = (subtree * tree->children[l] + child) * tree->indices[l - 1] + lower;
        if (node >= fattree_nnodes(tree, l - 1)) break;
        if (l == 1 && cluster_gpu_at(cluster, node) < 0) continue;
        for (int32_t lane = 0; lane < tree->lanes[l]; lane++)
            list_cable(list, l, node, (int32_t)parent + tree->parents[l] * lane);
    }
    if (l < tree->ntiers) list_ports(list, l + 1, site->first, -1, tree->ports[l + 1]);
}

static void list_cables(const Cluster *cluster, CableList *list, const Site *site) {
    const FatTree *tree = &cluster->tree;
    switch (site->kind) {
        case SITE_GPUS:
        case SITE_NIC:
            for (GpuId gpu = site->first; gpu <= site->last && list->fault.n <= LINK_FAULTS_MAX;
                 gpu++)
                list_ports(list, 1, cluster_endpoint_of(cluster, gpu), site->port, tree->ports[1]);
            break;
        case SITE_SWITCH: list_switch(cluster, list, site); break;
        case SITE_UPLINK: list_ports(list, site->level + 1, site->first, site->port, 0); break;
    }
}

/// Does a cause ever change what cables carry?
static bool touches_cables(const ClusterSpec *spec, const Cause *cause) {
    for (int32_t i = 0; i < spec->nslow; i++)
        if (spec->slow[i].nic > 1 && strcmp(spec->slow[i].what, cause->what) == 0) return true;
    for (int32_t i = 0; i < spec->nevents; i++)
        if (strcmp(spec->event[i].what, cause->what) == 0) return true;
    return false;
}

static Status check_spec(const ClusterSpec *spec) {
    REQUIRE(spec->nslow >= 0 && spec->nslow <= CLUSTER_SLOW_MAX && spec->nevents >= 0 &&
                spec->nevents <= CLUSTER_EVENTS_MAX,
            STATUS_RANGE, "%d slow spells and %d events; at most %d and %d are supported",
            spec->nslow, spec->nevents, CLUSTER_SLOW_MAX, CLUSTER_EVENTS_MAX);
    REQUIRE(spec->reroute_delay_ps >= 0, STATUS_RANGE, "a reroute delay of %lld ps",
            (long long)spec->reroute_delay_ps);
    for (int32_t i = 0; i < spec->nslow; i++) {
        const SlowSpec *slow = &spec->slow[i];
        REQUIRE(slow->compute >= 1 && slow->nic >= 1 && slow->compute <= CLUSTER_SLOWER_MOST &&
                    slow->nic <= CLUSTER_SLOWER_MOST,
                STATUS_RANGE, "'%s' is slower by the factors %g and %g; wanted 1 to %g", slow->what,
                slow->compute, slow->nic, CLUSTER_SLOWER_MOST);
        REQUIRE(slow->from_ps >= 0 && slow->from_ps < slow->until_ps, STATUS_RANGE,
                "'%s' is slow from %lld ps until %lld ps", slow->what, (long long)slow->from_ps,
                (long long)slow->until_ps);
    }
    for (int32_t i = 0; i < spec->nevents; i++)
        REQUIRE(spec->event[i].at_ps >= 0 && spec->event[i].remaining >= 0 &&
                    spec->event[i].remaining <= 1,
                STATUS_RANGE, "'%s' at %lld ps: %g of it remain; wanted 0 to 1",
                spec->event[i].what, (long long)spec->event[i].at_ps, spec->event[i].remaining);
    return status_ok();
}

/// Read the causes, and whose work they concern.
static Status take_causes(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    Troubles *troubles = cluster->troubles;
    troubles->even = true;
    TRY(check_spec(spec));
    for (int32_t i = 0; i < spec->nslow; i++) TRY(add_cause(cluster, spec->slow[i].what));
    for (int32_t i = 0; i < spec->nevents; i++) TRY(add_cause(cluster, spec->event[i].what));
    for (int32_t i = 0; i < spec->nslow; i++)
        if (spec->slow[i].compute > 1) troubles->even = false;
    for (int32_t c = 0; c < troubles->ncauses; c++)
        for (int32_t i = 0; i < spec->nevents; i++)
            if (troubles->cause[c].site.kind == SITE_GPUS &&
                strcmp(spec->event[i].what, troubles->cause[c].what) == 0)
                troubles->even = false;
    for (int32_t c = 0; c < troubles->ncauses; c++)
        for (int32_t i = 0; i < spec->nslow; i++)
            REQUIRE(troubles->cause[c].site.kind == SITE_GPUS ||
                        strcmp(spec->slow[i].what, troubles->cause[c].what) != 0,
                    STATUS_RANGE,
                    "'%s': GPUs, nodes and racks can be slow; of links, events say it",
                    spec->slow[i].what);
    return status_ok();
}

/// A fault of tier 1 is given by GPU, the list wants the endpoint.
static Status list_faults(const Cluster *cluster, CableList *list) {
    const ClusterSpec *spec = &cluster->spec;
    REQUIRE(spec->nfaults >= 0 && spec->nfaults <= CLUSTER_FAULTS_MAX, STATUS_RANGE,
            "%d link faults, at most %d are supported", spec->nfaults, CLUSTER_FAULTS_MAX);
    for (int32_t k = 0; k < spec->nfaults; k++) {
        LinkFaultSpec fault = spec->fault[k];
        REQUIRE(!(fault.fraction >= 1), STATUS_RANGE,
                "link fault at tier %d, node %lld, port %d leaves fraction %g; wanted less than 1",
                fault.tier, (long long)fault.lower, fault.port, fault.fraction);
        if (fault.tier == 1) {
            REQUIRE(fault.lower >= 0 && fault.lower < cluster->ngpus, STATUS_RANGE,
                    "link fault at the NIC of GPU %lld, but the cluster has %lld GPUs",
                    (long long)fault.lower, (long long)cluster->ngpus);
            fault.lower = cluster_endpoint_of(cluster, fault.lower);
        }
        array_push(&list->fault, fault);
    }
    return status_ok();
}

static Status take_cables(Cluster *cluster, CableList *list) {
    Troubles *troubles = cluster->troubles;
    TRY(list_faults(cluster, list));
    for (int32_t c = 0; c < troubles->ncauses; c++) {
        list->cause = c;
        if (touches_cables(&cluster->spec, &troubles->cause[c]))
            list_cables(cluster, list, &troubles->cause[c].site);
    }
    REQUIRE(list->fault.n <= LINK_FAULTS_MAX, STATUS_RANGE,
            "faults, slow NICs and events touch more than %d cables", LINK_FAULTS_MAX);
    TRY(linkfault_init(&cluster->faults, &cluster->tree, (int32_t)list->fault.n, list->fault.at));
    for (int64_t i = 0; i < list->fault.n; i++) { // they have been sorted
        const LinkFaultSpec *spec = &list->fault.at[i];
        const LinkFault *fault =
            linkfault_find(&cluster->faults, spec->tier, spec->lower, spec->port);
        troubles->lasting[fault - cluster->faults.fault] = spec->fraction;
    }
    for (int64_t i = 0; i < list->cable.n; i++) {
        const LinkFaultSpec *spec = &list->fault.at[list->cable.at[i].fault];
        const LinkFault *fault =
            linkfault_find(&cluster->faults, spec->tier, spec->lower, spec->port);
        array_push(&troubles->cable, (TroubledCable){list->cable.at[i].cause,
                                                     (int32_t)(fault - cluster->faults.fault)});
    }
    return status_ok();
}

/// The most that there ever is of each cable and bundle; at the beginning in the end.
static void find_best(Cluster *cluster) {
    for (int64_t at_ps = 0; at_ps < TIME_NEVER_PS; at_ps = cluster_next_change_ps(cluster, at_ps)) {
        cluster_set_time(cluster, at_ps);
        for (int32_t k = 0; k < cluster->faults.nfaults; k++) {
            LinkFault *fault = &cluster->faults.fault[k];
            const Bundle bundle = bundle_of_fault(cluster, fault);
            const int64_t bundle_Bps = bundle_capacity_Bps(cluster, &bundle);
            if (at_ps == 0 || fault->fraction > fault->best) fault->best = fault->fraction;
            if (at_ps == 0 || bundle_Bps > fault->best_bundle_Bps)
                fault->best_bundle_Bps = bundle_Bps;
        }
    }
    cluster_set_time(cluster, 0);
}

Status troubles_take(Cluster *cluster) {
    CableList list = {0};
    Status status = take_causes(cluster);
    if (status_is_ok(&status)) status = take_cables(cluster, &list);
    if (status_is_ok(&status)) find_best(cluster);
    array_free(&list.fault);
    array_free(&list.cable);
    return status;
}
