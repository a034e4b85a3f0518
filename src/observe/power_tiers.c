#include "observe/power_tiers.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cluster/node_runs.h"

static const char LABEL[] = "record.power";

/// A unit that is not complete yet.
typedef struct SiteUnit {
    int64_t gpus, job_gpus;
    double W[TRACE_PHASES];
} SiteUnit;

struct PowerTiers {
    const Cluster *cluster;
    const PowerShapes *shapes;
    int32_t stages, ntiers;
    double phase_s;
    bool idle;
    NodeRuns runs;
    GpuId gpu;        ///< to come
    GpuId first, end; ///< of the node under way
    TraceSiteTier tier[TRACE_SITE_TIERS_MAX];
    int64_t by_ports[TRACE_SITE_TIERS_MAX];
    TraceTierPower power[TRACE_SITE_TIERS_MAX];
    double hottest_J[TRACE_SITE_TIERS_MAX];
    bool whole[TRACE_SITE_TIERS_MAX]; ///< a whole unit has been there
    SiteUnit under_way[TRACE_SITE_TIERS_MAX];
    double constant_W, counted; ///< of the node under way: what it draws all the time, GPUs
    double *J;                  ///< [stages * POWER_SHAPES] of its GPUs
    int64_t *sum_ps;            ///< [stages * POWER_SHAPES] over all phases
};

static size_t table_bytes(const PowerTiers *tiers) {
    return (size_t)tiers->stages * POWER_SHAPES * sizeof(double);
}

/// Endpoints below a switch of a tier, of which units are made that whole nodes lie in; 0: the tier is none of a tree, or
/// leaves of nodes of different counts.
static int64_t unit_ports(const ClusterSpec *spec, const NodeRuns *runs, int32_t tier) {
    int64_t ports = spec->fabric == FABRIC_TREE;
    for (int32_t t = 0; t <= tier; t++) ports *= spec->tier[t].children;
    if (tier > 0 || spec->wiring != WIRING_RAIL) return ports;
    return runs->n > 1 ? 0 : ports * spec->gpus_per_node;
}

/// Do units of so many endpoints hold whole racks of a run, and whole units of its rails?
static bool holds_racks(const Cluster *cluster, const AlikeNodes *run, int64_t ports) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const int64_t begun = cluster_endpoint_of(cluster, run->first_gpu) % ports,
                  left = begun > 0 ? ports - begun : 0; // of the unit that it begins in
    const int64_t rails =
        spec->wiring == WIRING_RAIL ? (int64_t)spec->tier[0].children * run->gpus : run->gpus;
    return ports % rails == 0 && left % rails == 0 && ports % run->rack_gpus == 0 &&
           left % run->rack_gpus == 0;
}

static bool holds_all_racks(const Cluster *cluster, const NodeRuns *runs, int64_t ports) {
    for (int32_t r = 0; r < runs->n; r++)
        if (!holds_racks(cluster, &runs->run[r], ports)) return false;
    return true;
}

/// With what the numbers of their endpoints are divided by, 0: nodes, racks and the site are counted.
static int32_t list_tiers(const Cluster *cluster, TraceSiteTier tier[TRACE_SITE_TIERS_MAX],
                          int64_t by_ports[TRACE_SITE_TIERS_MAX]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const NodeRuns runs = node_runs(spec);
    const MostGpus most = node_runs_most(spec);
    const int64_t node = most.node, rack = most.rack, all = cluster_ngpus(cluster);
    int32_t n = 0;
    tier[n++] = (TraceSiteTier){"node", node};
    if (rack > node && rack < all) tier[n++] = (TraceSiteTier){"rack", rack};
    for (int i = 0; i < TRACE_SITE_TIERS_MAX; i++) by_ports[i] = 0;
    for (int32_t t = 0; t < spec->ntiers - 1; t++) {
        const int64_t ports = unit_ports(spec, &runs, t), before = tier[n - 1].gpus,
                      gpus = spec->wiring == WIRING_RAIL_ONLY ? ports * node : ports;
        if (gpus <= before || gpus >= all) continue;
        if (runs.n == 1 ? gpus % before != 0 : !holds_all_racks(cluster, &runs, ports)) continue;
        by_ports[n] = ports;
        tier[n++] = (TraceSiteTier){spec->tier[t].name, gpus};
    }
    tier[n++] = (TraceSiteTier){"site", all};
    return n;
}

int32_t power_site_tiers(const Cluster *cluster, TraceSiteTier tier[TRACE_SITE_TIERS_MAX]) {
    int64_t by_ports[TRACE_SITE_TIERS_MAX];
    return list_tiers(cluster, tier, by_ports);
}

/// Number of the unit of a tier above nodes that a GPU is in.
static int64_t unit_of(const PowerTiers *tiers, int32_t t, GpuId gpu) {
    if (tiers->by_ports[t] > 0)
        return cluster_endpoint_of(tiers->cluster, gpu) / tiers->by_ports[t];
    return t + 1 < tiers->ntiers ? node_runs_rack(&tiers->runs, gpu) : 0;
}

/// The node that begins with the GPU to come.
static void begin_node(PowerTiers *tiers) {
    tiers->first = tiers->gpu;
    tiers->end = tiers->gpu + node_run_of_gpu(&tiers->runs, tiers->gpu)->gpus;
}

PowerTiers *power_tiers_create(const Cluster *cluster, const PowerShapes shapes[], int32_t stages,
                               double span_s, bool idle) {
    PowerTiers *tiers = memory_alloc(LABEL, sizeof *tiers);
    memset(tiers, 0, sizeof *tiers);
    tiers->cluster = cluster;
    tiers->shapes = shapes;
    tiers->stages = stages;
    tiers->phase_s = span_s / TRACE_PHASES;
    tiers->idle = idle;
    tiers->ntiers = list_tiers(cluster, tiers->tier, tiers->by_ports);
    tiers->runs = node_runs(cluster_spec(cluster));
    begin_node(tiers);
    tiers->J = memory_alloc(LABEL, table_bytes(tiers));
    memset(tiers->J, 0, table_bytes(tiers));
    tiers->sum_ps = memory_alloc(LABEL, table_bytes(tiers));
    for (int32_t i = 0; i < stages * POWER_SHAPES; i++) {
        tiers->sum_ps[i] = 0;
        for (int p = 0; p < TRACE_PHASES; p++)
            tiers->sum_ps[i] += shapes[i / POWER_SHAPES].ps[i % POWER_SHAPES][p];
    }
    return tiers;
}

/// Add what the GPUs of the node spent in one shape of a stage; where it has none, evenly.
static void add_shape(const PowerTiers *tiers, int32_t i, double W[TRACE_PHASES]) {
    const int64_t *ps = tiers->shapes[i / POWER_SHAPES].ps[i % POWER_SHAPES];
    const double each_W = tiers->J[i] / tiers->phase_s, sum_ps = (double)tiers->sum_ps[i];
    for (int p = 0; p < TRACE_PHASES; p++)
        W[p] += each_W * (sum_ps > 0 ? (double)ps[p] / sum_ps : 1.0 / TRACE_PHASES);
}

/// The node under way is complete: its wave, at the wall.
static void end_node(PowerTiers *tiers) {
    double *W = tiers->under_way[0].W;
    for (int32_t i = 0; i < tiers->stages * POWER_SHAPES; i++) {
        if (tiers->J[i] != 0) add_shape(tiers, i, W);
        tiers->J[i] = 0;
    }
    for (int p = 0; p < TRACE_PHASES; p++)
        W[p] = power_wall_W(tiers->cluster, W[p] + tiers->constant_W, tiers->counted);
    tiers->constant_W = tiers->counted = 0;
}

/// GPUs of a unit of a tier that lacks none; nodes and racks as those of the node under way.
static int64_t whole_gpus(const PowerTiers *tiers, int32_t t) {
    const AlikeNodes *run = node_run_of_gpu(&tiers->runs, tiers->first);
    if (t == 0) return run->gpus;
    const bool rack = tiers->by_ports[t] == 0 && t + 1 < tiers->ntiers;
    return rack ? run->rack_gpus : tiers->tier[t].gpus;
}

/// A unit is complete: it counts for its tier, and is part of the one above. Where nodes end, it may lack some of its GPUs.
static void end_unit(PowerTiers *tiers, int32_t t) {
    SiteUnit *unit = &tiers->under_way[t];
    const bool whole = unit->gpus == whole_gpus(tiers, t);
    TraceTierPower *power = &tiers->power[t];
    double sum_W = 0;
    for (int p = 0; p < TRACE_PHASES; p++) sum_W += unit->W[p];
    if (unit->job_gpus > 0) {
        const bool first = power->units++ == 0;
        for (int p = 0; p < TRACE_PHASES; p++) {
            power->mean_W[p] += unit->W[p];
            if (first || (whole && (!tiers->whole[t] || unit->W[p] < power->least_W[p])))
                power->least_W[p] = unit->W[p];
            power->most_W[p] = first ? unit->W[p] : fmax(power->most_W[p], unit->W[p]);
        }
        tiers->whole[t] = tiers->whole[t] || whole;
        if (first || sum_W > tiers->hottest_J[t]) {
            tiers->hottest_J[t] = sum_W;
            power->hottest = tiers->gpu - unit->gpus;
            memcpy(power->hottest_W, unit->W, sizeof unit->W);
        }
    }
    if (t + 1 < tiers->ntiers) {
        SiteUnit *above = unit + 1;
        above->gpus += unit->gpus;
        above->job_gpus += unit->job_gpus;
        for (int p = 0; p < TRACE_PHASES; p++) above->W[p] += unit->W[p];
    }
    *unit = (SiteUnit){0};
}

/// A node has all its GPUs: it ends, and what ends with it; where a unit ends, so do those in it.
static void end_units(PowerTiers *tiers) {
    const GpuId next = tiers->gpu, last = tiers->first;
    int32_t top = tiers->ntiers - 1;
    while (top > 0 && next < cluster_ngpus(tiers->cluster) &&
           unit_of(tiers, top, next) == unit_of(tiers, top, last))
        top--;
    end_node(tiers);
    for (int32_t t = 0; t <= top; t++) end_unit(tiers, t);
}

void power_tiers_add(PowerTiers *tiers, int32_t stage, const double shape_J[POWER_SHAPES]) {
    const ClusterSpec *spec = cluster_spec(tiers->cluster);
    const GpuSpec *gpu = cluster_gpu_of_kind(spec, cluster_gpu_kind(spec, tiers->gpu));
    if (stage >= 0 || tiers->idle) {
        tiers->counted++;
        tiers->constant_W += spec->power.host_W + spec->nic.power_W;
    }
    if (stage < 0 && tiers->idle) tiers->constant_W += gpu_draw_W(gpu, POWER_IDLE, 0);
    for (int shape = 0; stage >= 0 && shape < POWER_SHAPES; shape++)
        tiers->J[stage * POWER_SHAPES + shape] += shape_J[shape];
    tiers->under_way[0].gpus++;
    tiers->under_way[0].job_gpus += stage >= 0;
    if (++tiers->gpu < tiers->end) return;
    end_units(tiers);
    begin_node(tiers);
}

const TraceTierPower *power_tiers_end(PowerTiers *tiers) {
    for (int32_t t = 0; t < tiers->ntiers; t++)
        for (int p = 0; p < TRACE_PHASES; p++)
            tiers->power[t].mean_W[p] /= (double)tiers->power[t].units;
    return tiers->power;
}

void power_tiers_destroy(PowerTiers *tiers) {
    if (!tiers) return;
    memory_free(LABEL, tiers->sum_ps, table_bytes(tiers));
    memory_free(LABEL, tiers->J, table_bytes(tiers));
    memory_free(LABEL, tiers, sizeof *tiers);
}
