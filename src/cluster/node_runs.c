#include "cluster/node_runs.h"

// kinds

int32_t cluster_ngpu_kinds(const ClusterSpec *spec) { return 1 + spec->nothers; }

const GpuSpec *cluster_gpu_of_kind(const ClusterSpec *spec, int32_t kind) {
    return kind == 0 ? &spec->gpu : &spec->other[kind - 1].gpu;
}

int32_t cluster_gpus_of_kind(const ClusterSpec *spec, int32_t kind) {
    const int32_t own = kind == 0 ? 0 : spec->other[kind - 1].gpus;
    return own > 0 ? own : spec->gpus_per_node;
}

const ScaleUpSpec *cluster_scale_up_of_kind(const ClusterSpec *spec, int32_t kind) {
    const ScaleUpSpec *own = kind == 0 ? &spec->scale_up : &spec->other[kind - 1].scale_up;
    return own->gpus > 0 ? own : &spec->scale_up;
}

bool cluster_domains_differ(const ClusterSpec *spec) {
    for (int32_t kind = 1; kind < cluster_ngpu_kinds(spec); kind++)
        if (cluster_scale_up_of_kind(spec, kind) != &spec->scale_up) return true;
    return false;
}

/// Behind the last where the cluster ends before.
static NodeId first_node_of_kind(const ClusterSpec *spec, int32_t kind) {
    if (kind == 0) return 0;
    const NodeId from = kind > spec->nothers ? spec->nodes : spec->other[kind - 1].from;
    return from < spec->nodes ? from : spec->nodes;
}

GpuId cluster_first_of_kind(const ClusterSpec *spec, int32_t kind) {
    GpuId first = 0;
    for (int32_t k = 0; k < kind; k++)
        first += (first_node_of_kind(spec, k + 1) - first_node_of_kind(spec, k)) *
                 cluster_gpus_of_kind(spec, k);
    return first;
}

int64_t cluster_spec_ngpus(const ClusterSpec *spec) {
    return cluster_first_of_kind(spec, cluster_ngpu_kinds(spec));
}

int32_t cluster_gpu_kind(const ClusterSpec *spec, GpuId gpu) {
    int32_t kind = 0;
    GpuId end = 0; // of it
    for (; kind < spec->nothers; kind++) {
        const NodeId from = kind == 0 ? 0 : spec->other[kind - 1].from;
        end += (spec->other[kind].from - from) * cluster_gpus_of_kind(spec, kind);
        if (gpu < end) break;
    }
    return kind;
}

// runs

/// Of a rack of nodes that are alike: see cluster_rack_gpus.
static int64_t rack_gpus(const ClusterSpec *spec, int64_t node, int64_t domain) {
    const int64_t children = spec->tier[0].children;
    if (domain > node) return domain;
    if (spec->wiring != WIRING_PLAIN) return children * node;
    return children > node ? children / node * node : node;
}

static int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }

/// A run behind the others, at their ends.
static void begin_run(const ClusterSpec *spec, NodeRuns *runs, NodeId first, int32_t kind) {
    const ScaleUpSpec *domain = cluster_scale_up_of_kind(spec, kind);
    AlikeNodes run = {.first_node = first,
                      .gpus = cluster_gpus_of_kind(spec, kind),
                      .domain = domain->gpus,
                      .used = scale_up_used(domain)};
    run.rack_gpus = rack_gpus(spec, run.gpus, run.domain);
    if (runs->n > 0) {
        const AlikeNodes *before = &runs->run[runs->n - 1];
        run.first_gpu = before->first_gpu + node_run_ngpus(before);
        run.first_domain = before->first_domain + ceiling(node_run_ngpus(before), before->domain);
        run.first_rack = before->first_rack + ceiling(node_run_ngpus(before), before->rack_gpus);
    }
    runs->run[runs->n++] = run;
}

bool node_runs_alike(const ClusterSpec *spec, int32_t a, int32_t b) {
    const ScaleUpSpec *own = cluster_scale_up_of_kind(spec, a),
                      *other = cluster_scale_up_of_kind(spec, b);
    return cluster_gpus_of_kind(spec, a) == cluster_gpus_of_kind(spec, b) &&
           own->gpus == other->gpus && scale_up_used(own) == scale_up_used(other);
}

NodeRuns node_runs(const ClusterSpec *spec) {
    NodeRuns runs = {0};
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const NodeId first = kind == 0 ? 0 : spec->other[kind - 1].from;
        if (kind > 0 && first >= spec->nodes) break;
        if (kind > 0 && node_runs_alike(spec, kind - 1, kind)) continue;
        if (runs.n > 0) {
            AlikeNodes *before = &runs.run[runs.n - 1];
            before->nodes = first - before->first_node;
        }
        begin_run(spec, &runs, first, kind);
    }
    AlikeNodes *last = &runs.run[runs.n - 1];
    last->nodes = spec->nodes - last->first_node;
    return runs;
}

int64_t node_runs_ngpus(const NodeRuns *runs) {
    const AlikeNodes *last = &runs->run[runs->n - 1];
    return last->first_gpu + node_run_ngpus(last);
}

MostGpus node_runs_most(const ClusterSpec *spec) {
    const NodeRuns runs = node_runs(spec);
    MostGpus most = {0};
    for (const AlikeNodes *run = runs.run; run < runs.run + runs.n; run++) {
        if (run->gpus > most.node) most.node = run->gpus;
        if (run->domain > most.domain) most.domain = run->domain;
        if (run->rack_gpus > most.rack) most.rack = run->rack_gpus;
    }
    return most;
}

int64_t node_runs_nracks(const NodeRuns *runs) {
    return node_runs_rack(runs, node_runs_ngpus(runs) - 1) + 1;
}

int64_t node_runs_rack(const NodeRuns *runs, GpuId gpu) {
    const AlikeNodes *run = node_run_of_gpu(runs, gpu);
    return run->first_rack + (gpu - run->first_gpu) / run->rack_gpus;
}

GpuId node_runs_rack_gpu(const NodeRuns *runs, int64_t rack) {
    const AlikeNodes *run = &runs->run[runs->n - 1];
    while (rack < run->first_rack) run--;
    return run->first_gpu + (rack - run->first_rack) * run->rack_gpus;
}

int64_t cluster_rack_gpus(const ClusterSpec *spec, int32_t kind) {
    return rack_gpus(spec, cluster_gpus_of_kind(spec, kind),
                     cluster_scale_up_of_kind(spec, kind)->gpus);
}
