#include "app/show.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "cluster/node_runs.h"
#include "cluster/routing.h"
#include "observe/power.h"

enum { COUNT_BYTES = 32, FAULTS_SHOWN = 20 };

/// A count >= 0 with a comma every three digits.
static const char *count_text(int64_t count, char text[COUNT_BYTES]) {
    char digits[COUNT_BYTES];
    const int n = snprintf(digits, sizeof digits, "%" PRId64, count);
    char *end = text;
    for (int k = 0; k < n; k++) {
        if (k > 0 && (n - k) % 3 == 0) *end++ = ',';
        *end++ = digits[k];
    }
    *end = '\0';
    return text;
}

static double gigabytes(int64_t rate_Bps) { return (double)rate_Bps / 1e9; }

static double microseconds(int64_t time_ps) { return (double)time_ps / (double)PS_PER_US; }

static const char *name_or(const char *name, const char *otherwise) {
    return name[0] != '\0' ? name : otherwise;
}

/// Of the nodes from one on.
static void show_domain(const ScaleUpSpec *domain, NodeId from, FILE *out) {
    char text[COUNT_BYTES + 16] = "", node[COUNT_BYTES];
    if (from > 0) snprintf(text, sizeof text, "from node %s on ", count_text(from, node));
    fprintf(out,
            "  scale-up   %s%s: domains of %d GPUs, %.1f GB/s goodput a GPU each way, %.2f us a "
            "step\n",
            text, name_or(domain->name, "unnamed"), domain->gpus, gigabytes(domain->goodput_Bps),
            microseconds(domain->latency_ps));
}

static void show_machine(const Cluster *cluster, FILE *out) {
    const ClusterSpec *spec = cluster_spec(cluster);
    char gpus[COUNT_BYTES], nodes[COUNT_BYTES];
    const NodeRuns runs = node_runs(spec);
    fprintf(out, "%s: %s GPUs (%s) in %s nodes%s of %d\n", name_or(spec->name, "cluster"),
            count_text(cluster_ngpus(cluster), gpus), name_or(spec->gpu.name, "unnamed"),
            count_text(spec->nodes, nodes), runs.n > 1 ? ", the first" : "", spec->gpus_per_node);
    for (int32_t kind = 1; kind < cluster_ngpu_kinds(spec); kind++) {
        fprintf(out, "  from node  %s on %s", count_text(spec->other[kind - 1].from, nodes),
                name_or(spec->other[kind - 1].gpu.name, "unnamed"));
        if (runs.n > 1) fprintf(out, " in nodes of %d", cluster_gpus_of_kind(spec, kind));
        fputc('\n', out);
    }
    show_domain(&spec->scale_up, 0, out);
    for (int32_t kind = 1; kind < cluster_ngpu_kinds(spec); kind++)
        if (cluster_scale_up_of_kind(spec, kind) != &spec->scale_up)
            show_domain(&spec->other[kind - 1].scale_up, spec->other[kind - 1].from, out);
    fprintf(out, "  NIC        %s: %.1f GB/s line, %.1f GB/s goodput, %.2f us both ends\n",
            name_or(spec->nic.name, "unnamed"), gigabytes(spec->nic.line_Bps),
            gigabytes(spec->nic.goodput_Bps), microseconds(spec->nic.latency_ps));
    const TierSpec *nic = &spec->tier[0];
    if (nic->parents > 1)
        fprintf(out, "  planes     %d, in each %d port%s of %.1f GB/s of a NIC\n", nic->parents,
                nic->lanes, nic->lanes > 1 ? "s" : "", gigabytes(nic->link_Bps));
    if (spec->fabric != FABRIC_TREE) fprintf(out, "  fabric     %s\n", FABRIC_NAMES[spec->fabric]);
    fprintf(out, "  wiring     %s%s\n", WIRING_NAMES[spec->wiring],
            spec->wiring != WIRING_PLAIN && spec->pxn
                ? ", cross-rail messages over the scale-up domain (PXN)"
                : "");
    fprintf(out, "  routing    %s", ROUTING_NAMES[spec->routing]);
    if (spec->routing == ROUTING_ECMP)
        fprintf(out, ", %s", spec->shared_seed ? "one seed for all switches" : "a seed per switch");
    if (routing_unit_bytes(cluster, 1) > 1)
        fprintf(out, ", messages split into parts of 1/%" PRId64, routing_unit_bytes(cluster, 1));
    fputc('\n', out);
}

/// Bytes from below over bytes upwards of one switch, all ports busy; 0 at the top.
static double oversubscription(const ClusterSpec *spec, int32_t level) {
    if (level == spec->ntiers) return 0.0;
    const TierSpec *own = &spec->tier[level - 1], *above = &spec->tier[level];
    return (double)own->children * own->lanes * (double)own->link_Bps /
           ((double)above->parents * above->lanes * (double)above->link_Bps);
}

static void show_tiers(const Cluster *cluster, FILE *out) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const bool tree = spec->fabric == FABRIC_TREE;
    fprintf(out, "\n  %-12s %9s %12s %9s %9s %18s %8s %9s %9s\n", "tier", "switches",
            "cables below", "GB/s line", "goodput", "ports down+up/of", "oversub", "cable us",
            "switch us");
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        const TierSpec *tier = &spec->tier[t - 1];
        char switches[COUNT_BYTES], cables[COUNT_BYTES], ports[3 * COUNT_BYTES],
            ratio[COUNT_BYTES] = "-";
        int64_t down, up;
        cluster_switch_ports(cluster, t, &down, &up);
        snprintf(ports, sizeof ports, "%" PRId64 "+%" PRId64 "/%d", down, up,
                 tier->switch_spec.ports);
        if (tree && t < spec->ntiers)
            snprintf(ratio, sizeof ratio, "%.3g:1", oversubscription(spec, t));
        fprintf(out, "  %-12.12s %9s %12s %9.1f %9.1f %18s %8s %9.3f %9.3f\n",
                name_or(tier->name, "unnamed"), count_text(cluster_nswitches(cluster, t), switches),
                count_text(cluster_ncables(cluster, t), cables), gigabytes(tier->link_Bps),
                gigabytes(cluster_healthy_Bps(cluster, t)), ports, ratio,
                microseconds(tier->cable_ps), microseconds(tier->switch_spec.latency_ps));
    }
    const TierSpec *top = &spec->tier[spec->ntiers - 1];
    if (tree)
        fprintf(out, "  installed  %d of %d children of the top tier\n", spec->installed,
                top->children);
    fprintf(out, "  bisection  %.1f TB/s each way (%.1f GB/s a GPU)\n",
            cluster_bisection_Bps(cluster) / 1e12,
            cluster_bisection_Bps(cluster) / ((double)cluster_ngpus(cluster) / 2) / 1e9);
}

/// What light goes through, and how full switches are; of each plane the same part.
static void show_optics(const Cluster *cluster, FILE *out) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const int64_t planes = spec->tier[0].parents;
    fprintf(out, "\n  %-12s %13s %12s %8s %9s %9s", "tier", "ports in use", "optics", "W each",
            "MW", "cable m");
    if (planes > 1) fprintf(out, "   in each plane: switches, cables, optics");
    fputc('\n', out);
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        const int64_t optics = power_noptics(cluster, t);
        const double each_W = power_optic_W(spec, t);
        const double all =
            (double)cluster_nswitches(cluster, t) * spec->tier[t - 1].switch_spec.ports;
        char text[3][COUNT_BYTES];
        fprintf(out, "  %-12.12s %12.1f%% %12s %8.3g %9.4g %9.4g",
                name_or(spec->tier[t - 1].name, "unnamed"),
                all > 0 ? 100 * cluster_ports_in_use(cluster, t) / all : 0,
                count_text(optics, text[0]), optics > 0 ? each_W : 0, (double)optics * each_W / 1e6,
                (double)spec->tier[t - 1].cable_ps / 5000);
        if (planes > 1)
            fprintf(out, "   %s, %s, %s",
                    count_text(cluster_nswitches(cluster, t) / planes, text[0]),
                    count_text(cluster_ncables(cluster, t) / planes, text[1]),
                    count_text(optics / planes, text[2]));
        fputc('\n', out);
    }
}

static void show_paths(const Cluster *cluster, FILE *out) {
    const ClusterSpec *spec = cluster_spec(cluster);
    fprintf(out, "\n  %-28s %8s %8s %12s\n", "path", "switches", "cables", "one way us");
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const ScaleUpSpec *domain = cluster_scale_up_of_kind(spec, kind);
        const bool known =
            kind > 0 && (domain == &spec->scale_up ||
                         strcmp(domain->name, cluster_scale_up_of_kind(spec, kind - 1)->name) == 0);
        if (known || domain->gpus == 1 || cluster_ngpus(cluster) == 1) continue;
        char label[29 + HARDWARE_NAME_BYTES] = "same scale-up domain";
        if (kind > 0) snprintf(label, sizeof label, "same domain, %s", domain->name);
        fprintf(out, "  %-28.28s %8d %8d %12.3f\n", label, 0, 0, microseconds(domain->latency_ps));
    }
    Distance distance;
    for (int32_t k = 0; routing_distance(cluster, k, &distance); k++)
        if (distance.used)
            fprintf(out, "  %-28.28s %8d %8d %12.3f\n", distance.label, distance.switches,
                    distance.cables, microseconds(distance.latency_ps));
    if (routing_least_latency_ps(cluster) < TIME_NEVER_PS)
        fprintf(out, "  least latency between nodes: %.3f us\n",
                microseconds(routing_least_latency_ps(cluster)));
}

static void show_link_ids(const Cluster *cluster, FILE *out) {
    fprintf(out, "\n  %-12s %28s %28s\n", "link ids", "up", "down");
    for (int32_t t = 0; t < cluster_ntiers(cluster); t++) {
        char range[2][3 * COUNT_BYTES];
        for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
            const LinkId first = cluster_first_link(cluster, t, (LinkDirection)d);
            snprintf(range[d], sizeof range[d], "%" PRId64 " .. %" PRId64, first,
                     first + cluster_tier_links(cluster, t) - 1);
        }
        fprintf(out, "  %-12.12s %28s %28s\n", name_or(cluster_tier_name(cluster, t), "unnamed"),
                range[LINK_UP], range[LINK_DOWN]);
    }
    const int64_t bundles = cluster_nresources(cluster) - cluster_nlinks(cluster);
    if (bundles > 0)
        fprintf(out, "  %-12s %" PRId64 " .. %" PRId64 "\n", "bundles", cluster_nlinks(cluster),
                cluster_nresources(cluster) - 1);
}

void show_caps(const ClusterSpec *spec, FILE *out) {
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const GpuSpec *gpu = cluster_gpu_of_kind(spec, kind);
        if (gpu_clock(gpu) < 1)
            fprintf(out,
                    "  GPUs (%s) are capped at %.4g of %.4g W: what computes keeps %.1f %% of its "
                    "rate\n",
                    name_or(gpu->name, "unnamed"), gpu_most_W(gpu), gpu->max_W,
                    100 * gpu_clock(gpu));
    }
}

/// All at their most, as a sum: GPUs at their limit, hosts at work, links full.
static void show_power(const Cluster *cluster, FILE *out) {
    double part_W[TRACE_ENERGY_N];
    power_rate(cluster, 1, part_W);
    const double site_W = power_sum(part_W), gpus_W = power_gpus(part_W);
    fprintf(out, "\n  power      %.4g MW at most, %s cooling\n", site_W / 1e6,
            COOLING_NAMES[cluster_spec(cluster)->power.cooling]);
    fprintf(out, "    %-10s %10.3f MW %6.1f%%\n", "gpus", gpus_W / 1e6, 100 * gpus_W / site_W);
    for (int i = TRACE_ENERGY_GPU_IDLE + 1; i < TRACE_ENERGY_N; i++)
        fprintf(out, "    %-10s %10.3f MW %6.1f%%\n", trace_energy_name((TraceEnergy)i),
                part_W[i] / 1e6, 100 * part_W[i] / site_W);
    show_caps(cluster_spec(cluster), out);
}

static void show_faults(const Cluster *cluster, FILE *out) {
    const ClusterSpec *spec = cluster_spec(cluster);
    fprintf(out, "\n  faults     %d\n", spec->nfaults);
    for (int32_t k = 0; k < spec->nfaults && k < FAULTS_SHOWN; k++) {
        const LinkFaultSpec *fault = &spec->fault[k];
        char name[CLUSTER_NAME_BYTES];
        cluster_link_name(cluster, cluster_fault_link(cluster, fault), name);
        if (fault->fraction == 0.0)
            fprintf(out, "    %s: dead\n", name);
        else
            fprintf(out, "    %s: %.3g of its capacity\n", name, fault->fraction);
    }
    if (spec->nfaults > FAULTS_SHOWN)
        fprintf(out, "    and %d more\n", spec->nfaults - FAULTS_SHOWN);
}

void show_cluster(const Cluster *cluster, FILE *out) {
    show_machine(cluster, out);
    show_tiers(cluster, out);
    show_optics(cluster, out);
    show_paths(cluster, out);
    show_link_ids(cluster, out);
    show_power(cluster, out);
    show_faults(cluster, out);
}
