/// power.h: what a site draws while its GPUs do this or that, and how it adds up.
///
/// Idea.    What GPUs draw in which state, and under a cap, stands in hardware/gpu_power.h. Time at work is products as far
///          as its FLOP take them at the GPU's best rate, the rest is memory-bound. From there everything is linear in the
///          time that GPUs spend in each state, so that energies of parts of a step, of jobs and of phases add up:
///
///              GPUs + hosts + NICs        hosts: a constant, and more while their GPUs work
///                + fans                   share of that: air 15 %, liquid 3 %, immersion none
///                + switches               typical power * (55 % + 45 % * load of the links below them)
///                + optics                 both ends of every cable longer than copper goes, by its rate
///                / (1 - supply loss)      the wall: what power meters of nodes see
///                + services               storage and management, share of that
///                                         IT
///                + distribution loss      transformers and UPS, share of IT
///                + (PUE - 1) * IT         PUE of cooling and the building alone: air 1.4, liquid 1.15, immersion 1.1
///          A topology caps GPUs four ways, and the least holds: each, a rack or the site, of which what it draws at most is
///          kept below the cap by GPUs, all by the same part of their range; and by heat, for a GPU that draws P is
///          warmer than its coolant by R P: as hot as it may become at its limit and the warmest inlet it is rated for,
///          which gives R, so that limit * (hottest - inlet) / (hottest - rated) is left of the limit in warmer air.
/// Limits.  What a GPU draws follows at once (in truth within some 20 ms), smoothing by power supplies or a floor under the
///          draw is not played. Caps stand from the start to the end. Switches draw in all of a step what they do in
///          the mean, broken GPUs as if they worked.
/// Source.  Hosts, switches: planning values. Fans 15 and 3 %, PUE 1.3 to 1.5 (air) and 1.1 to 1.2 (liquid): planning
///          values of the trade. Supply 96 %: 80 PLUS Titanium at half load, 230 V. Rated inlets: 30 C of air (DGX H100),
///          45 C of coolant (GB200 NVL72); 87 C is the most that H100 reports to work at; planning values for others. Held
///          against MLPerf Training v4.0 with power, GPT-3 on 512 H100 (tests/system/power.py).
#ifndef COLOSSIM_OBSERVE_POWER_H
#define COLOSSIM_OBSERVE_POWER_H

#include "cluster/cluster.h"
#include "hardware/gpu_power.h"
#include "trace/trace.h"

/// What a site, or a job's share of it, does in a span.
typedef struct PowerUse {
    double span_s;
    double gpu_s[CLUSTER_GPU_KINDS_MAX][POWER_STATES]; ///< summed over GPUs of a kind; >= 0
    double products[CLUSTER_GPU_KINDS_MAX];            ///< of POWER_WORK, 0..1
    double share;                  ///< of hosts, NICs, switches and optics that count, 0..1
    double load[FABRIC_TIERS_MAX]; ///< [tier - 1] of links below switches of a tier, 0..1
} PowerUse;

/// Part of a cluster's GPUs that are of a kind.
double power_kind_share(const ClusterSpec *spec, int32_t kind);
/// Optics of a tier's cables, one at each end; 0: they are of copper. And what each draws.
int64_t power_noptics(const Cluster *cluster, int32_t tier);
double power_optic_W(const ClusterSpec *spec, int32_t tier);
/// Energy of a span by parts.
void power_spend(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]);
/// The same of a second in which GPUs draw a part (1: all) of what lies between idle and the most they may, and links are
/// full: what a site is built for.
void power_rate(const Cluster *cluster, double part, double part_W[TRACE_ENERGY_N]);
/// Cap the GPUs of a good cluster as its power says.   Fails: STATUS_RANGE where too little is left to one, by what *key
/// names.
Status power_cap_gpus(ClusterSpec *spec, const char **key);
/// Their sum, in the order of the table.
double power_sum(const double part[TRACE_ENERGY_N]);
/// The sum of those that are GPUs.
double power_gpus(const double part[TRACE_ENERGY_N]);
/// What nodes with so many GPUs take at the wall, in which GPUs, hosts and NICs draw so much.
double power_wall_W(const Cluster *cluster, double inside_W, double gpus);
/// What nodes take at the wall, of the energy of a span: their sum.
double power_nodes_J(const Cluster *cluster, const PowerUse *use,
                     const double part_J[TRACE_ENERGY_N]);

/// Peak, least, ramp, swing and battery from site_W over a step that repeats itself.
///   band  more or less than the mean that the grid may be asked for, share of it
void power_measure(double span_s, double band, TracePower *power);

#endif
