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

/// What a word counts: how many there are (0: it is no such word), and the first GPU of each.
typedef struct Counted {
    int64_t n;
    GpuId (*first)(const NodeRuns *runs, int64_t number);
} Counted;

static GpuId first_of_gpu(const NodeRuns *runs, int64_t gpu) {
    (void)runs;
    return gpu;
}

static GpuId first_of_node(const NodeRuns *runs, int64_t node) {
    return node_run_gpu(node_run_of_node(runs, node), node);
}

static Counted counted_by(const Cluster *cluster, const char **text) {
    if (read_word(text, "gpu")) return (Counted){cluster->ngpus, first_of_gpu};
    if (read_word(text, "node")) return (Counted){cluster->spec.nodes, first_of_node};
    if (read_word(text, "rack"))
        return (Counted){node_runs_nracks(&cluster->runs), node_runs_rack_gpu};
    return (Counted){0, NULL};
}

static Status parse_switch(const Cluster *cluster, const char *what, Site *site) {
    const ClusterSpec *spec = &cluster->spec;
    for (int32_t level = 1; level <= spec->ntiers; level++) {
        const char *text = what;
        if (!spec->tier[level - 1].name[0] || !read_word(&text, spec->tier[level - 1].name))
            continue;
        *site = (Site){.kind = SITE_SWITCH, .level = level, .port = -1};
        REQUIRE(read_range(&text, &site->first, &site->last) && site->first == site->last,
                STATUS_RANGE, "'%s' wants the number of a switch", what);
        REQUIRE(site->last < cluster->nswitches[level], STATUS_RANGE,
                "'%s': there are %lld such switches, counted from 0", what,
                (long long)cluster->nswitches[level]);
        while (*text == ' ') text++;
        if (*text == '\0') return status_ok();
        int64_t port = 0, same = 0;
        REQUIRE(read_word(&text, "port") && read_range(&text, &port, &same) && port == same &&
                    *text == '\0',
                STATUS_RANGE, "'%s': only 'port' and its number may follow", what);
        const int64_t ports = cluster->topology->nports_up(cluster, level, site->first);
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

Status site_parse(const Cluster *cluster, const char *what, Site *site) {
    const char *text = what;
    const Counted counted = counted_by(cluster, &text);
    if (counted.n == 0) return parse_switch(cluster, what, site);
    *site = (Site){.kind = SITE_GPUS, .port = -1};
    REQUIRE(read_range(&text, &site->first, &site->last), STATUS_RANGE,
            "'%s' wants a number or two, as 'gpu 17' or 'gpu 8-15'", what);
    REQUIRE(site->last < counted.n, STATUS_RANGE, "'%s': there are %lld of them, counted from 0",
            what, (long long)counted.n);
    bool one = counted.first == first_of_gpu && site->first == site->last;
    const NodeRuns *runs = &cluster->runs;
    const bool ends = site->last + 1 == counted.n;
    site->last = (ends ? cluster->ngpus : counted.first(runs, site->last + 1)) - 1;
    site->first = counted.first(runs, site->first);
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
    REQUIRE(port < cluster->nic_ports, STATUS_RANGE, "'%s': it has %d ports, counted from 0", what,
            cluster->nic_ports);
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
    cluster->topology->learned(cluster);
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
    TRY(site_parse(cluster, what, &cause->site));
    troubles->ncauses++;
    return status_ok();
}

/// All cables while they are listed.
typedef struct CableList {
    ARRAY_OF(CableFault) fault; ///< of the spec, then those of causes
    int32_t cause;
    ARRAY_OF(TroubledCable) cable;
} CableList;

static void list_cable(CableList *list, CableRef ref) {
    int64_t k = 0;
    while (k < list->fault.n &&
           (list->fault.at[k].tier != ref.tier || list->fault.at[k].cable != ref.cable))
        k++;
    if (k > LINK_FAULTS_MAX) return; // said later
    if (k == list->fault.n) array_push(&list->fault, (CableFault){ref.tier, ref.cable, 1});
    array_push(&list->cable, (TroubledCable){list->cause, (int32_t)k});
}

static void list_nic(const Cluster *cluster, CableList *list, GpuId gpu, int32_t port) {
    const int64_t first = cluster->topology->nic_cable(cluster, gpu);
    for (int32_t p = 0; p < cluster->nic_ports; p++)
        if (port < 0 || p == port) list_cable(list, (CableRef){1, first + p});
}

static void list_cables(const Cluster *cluster, CableList *list, const Site *site) {
    const Topology *topology = cluster->topology;
    CableRef cable[LINK_FAULTS_MAX + 1];
    int32_t n;
    switch (site->kind) {
        case SITE_GPUS:
        case SITE_NIC:
            for (GpuId gpu = site->first; gpu <= site->last && list->fault.n <= LINK_FAULTS_MAX;
                 gpu++)
                list_nic(cluster, list, gpu, site->port);
            break;
        case SITE_SWITCH:
            n = topology->cables_of(cluster, site->level, site->first, LINK_FAULTS_MAX + 1, cable);
            for (int32_t k = 0; k < n; k++) list_cable(list, cable[k]);
            break;
        case SITE_UPLINK:
            list_cable(list, topology->cable_up(cluster, site->level, site->first, site->port));
            break;
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

/// A site that is a cable and no more.
static Status cable_of_site(const Cluster *cluster, const char *what, CableRef *cable) {
    Site site;
    TRY(site_parse(cluster, what, &site));
    const bool nic = site.kind == SITE_NIC && (site.port >= 0 || cluster->nic_ports == 1);
    REQUIRE(nic || site.kind == SITE_UPLINK, STATUS_RANGE,
            "'%s' is no single cable: a fault wants one, as 'gpu 17 nic port 0' or '%s 2 port 0'",
            what, cluster->spec.tier[0].name);
    if (nic)
        *cable = (CableRef){
            1, cluster->topology->nic_cable(cluster, site.first) + (site.port > 0 ? site.port : 0)};
    else
        *cable = cluster->topology->cable_up(cluster, site.level, site.first, site.port);
    return status_ok();
}

Status troubles_fault_cable(const Cluster *cluster, const LinkFaultSpec *fault, CableRef *cable) {
    const ClusterSpec *spec = &cluster->spec;
    if (fault->what[0]) return cable_of_site(cluster, fault->what, cable);
    REQUIRE(fault->tier >= 1 && fault->tier <= spec->ntiers, STATUS_RANGE,
            "link fault at tier %d, but the fabric has tiers 1 to %d", fault->tier, spec->ntiers);
    REQUIRE(fault->tier > 1 || (fault->lower >= 0 && fault->lower < cluster->ngpus), STATUS_RANGE,
            "link fault at the NIC of GPU %lld, but the cluster has %lld GPUs",
            (long long)fault->lower, (long long)cluster->ngpus);
    cable->tier = fault->tier;
    return cluster->topology->fault_cable(cluster, fault, &cable->cable);
}

static Status list_fault(const Cluster *cluster, CableList *list, const LinkFaultSpec *fault) {
    CableRef ref = {0, 0};
    char name[2][CLUSTER_NAME_BYTES];
    TRY(troubles_fault_cable(cluster, fault, &ref));
    cluster->topology->name_ends(cluster, ref, name[0], name[1]);
    REQUIRE(fault->fraction >= 0 && fault->fraction < 1, STATUS_RANGE,
            "link fault at %s leaves fraction %g; wanted 0 <= fraction < 1", name[0],
            fault->fraction);
    for (int64_t k = 0; k < list->fault.n; k++)
        REQUIRE(list->fault.at[k].tier != ref.tier || list->fault.at[k].cable != ref.cable,
                STATUS_RANGE, "link fault at %s to %s is listed twice", name[0], name[1]);
    array_push(&list->fault, (CableFault){ref.tier, ref.cable, fault->fraction});
    return status_ok();
}

static Status list_faults(const Cluster *cluster, CableList *list) {
    const ClusterSpec *spec = &cluster->spec;
    REQUIRE(spec->nfaults >= 0 && spec->nfaults <= CLUSTER_FAULTS_MAX, STATUS_RANGE,
            "%d link faults, at most %d are supported", spec->nfaults, CLUSTER_FAULTS_MAX);
    for (int32_t k = 0; k < spec->nfaults; k++) TRY(list_fault(cluster, list, &spec->fault[k]));
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
    linkfault_init(&cluster->faults, (int32_t)list->fault.n, list->fault.at);
    const LinkFault *first = cluster->faults.fault;
    for (int64_t i = 0; i < list->fault.n; i++) { // they have been sorted
        const CableFault *own = &list->fault.at[i];
        troubles->lasting[linkfault_find(&cluster->faults, own->tier, own->cable) - first] =
            own->fraction;
    }
    for (int64_t i = 0; i < list->cable.n; i++) {
        const CableFault *own = &list->fault.at[list->cable.at[i].fault];
        const int64_t fault = linkfault_find(&cluster->faults, own->tier, own->cable) - first;
        array_push(&troubles->cable, (TroubledCable){list->cable.at[i].cause, (int32_t)fault});
    }
    return status_ok();
}

void troubles_find_best(Cluster *cluster) {
    for (int64_t at_ps = 0; at_ps < TIME_NEVER_PS; at_ps = cluster_next_change_ps(cluster, at_ps)) {
        cluster_set_time(cluster, at_ps);
        for (int32_t k = 0; k < cluster->faults.nfaults; k++) {
            LinkFault *fault = &cluster->faults.fault[k];
            if (at_ps == 0 || fault->fraction > fault->best) fault->best = fault->fraction;
            if (!cluster->bundled) continue;
            const Bundle bundle = bundle_of_fault(cluster, fault);
            const int64_t bundle_Bps = bundle_capacity_Bps(cluster, &bundle);
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
    array_free(&list.fault);
    array_free(&list.cable);
    return status;
}
