#include "config/cross_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/engine_check.h"
#include "config/explain_check.h"
#include "config/links_check.h"
#include "config/reach_check.h"
#include "config/share_nodes.h"
#include "config/timeline_check.h"
#include "config/topology_file.h"
#include "driver/shares.h"
#include "workload/cost.h"
#include "workload/operations_csv.h"
#include "workload/traffic.h"

/// One job against the topology.
typedef struct Pair {
    Reader *reader;
    const CrossCheck *files;
    const JobEntry *entry;
    JobSpec *job;
    const ClusterSpec *cluster;
    int64_t gpus;
} Pair;

typedef struct PlaceText {
    char text[TEXT_PATH_BYTES + 64];
} PlaceText;

static const char *topology_place(const Pair *pair, const char *path, PlaceText *out) {
    return place_name(node_place(pair->files->topology_root, path), out->text);
}

/// Where it stands how many GPUs the job may have.
static const char *room_place(const Pair *pair, PlaceText *out) {
    PlaceText whole;
    const bool rest =
        pair->job->placement.first_node > 0 && strcmp(pair->job->placement.nodes, "all") == 0;
    snprintf(out->text, sizeof out->text, "%s%s", rest ? "what the jobs before leave of " : "",
             topology_place(pair, "nodes", &whole));
    return out->text;
}

#define PAIR_ERROR(pair, path, ...) \
    reader_error((pair)->reader, (pair)->entry->root, (path), __VA_ARGS__)

/// The last of the sizes that were written down: where the product is reported.
static const char *size_key(const Pair *pair) {
    static const char *const KEYS[] = {"parallel.dp", "parallel.pp", "parallel.tp", "parallel.cp"};
    for (int i = 0; i < 4; i++)
        if (node_find(pair->entry->root, KEYS[i])) return KEYS[i];
    return "parallel";
}

/// As many replicas as there is room for, in whole numbers of those that hold experts together.
static int32_t whole_replicas(const ParallelSpec *parallel, int64_t room) {
    const int64_t together = parallel_expert_replicas(parallel);
    return (int32_t)(room < together ? room : room / together * together);
}

static bool check_ranks(const Pair *pair) {
    ParallelSpec *parallel = &pair->job->parallel;
    PlaceText place;
    int64_t one = 1;
    if (parallel->dp_auto) parallel->size[DIM_DP] = 1; // at least
    for (int d = 0; d < DIM_N && one <= pair->gpus; d++)
        if (d != DIM_DP && d != DIM_EP) one *= parallel->size[d];
    if (one > pair->gpus) {
        PAIR_ERROR(pair, size_key(pair),
                   "one replica needs tp*pp*cp >= %lld GPUs, but %s has %lld GPUs", (long long)one,
                   room_place(pair, &place), (long long)pair->gpus);
        return false;
    }
    if (parallel->dp_auto) parallel->size[DIM_DP] = whole_replicas(parallel, pair->gpus / one);
    pair->entry->file->replicas = (int32_t)parallel_replicas(parallel);
    int64_t ranks = one * parallel_replicas(parallel);
    if (ranks > pair->gpus) {
        PAIR_ERROR(pair, size_key(pair), "tp*pp*cp*dp = %lld GPUs, but %s has %lld GPUs",
                   (long long)ranks, room_place(pair, &place), (long long)pair->gpus);
        return false;
    }
    Status status = parallel_deal_experts(parallel);
    if (!status_is_ok(&status)) PAIR_ERROR(pair, "parallel.ep", "%s", status.text);
    return status_is_ok(&status);
}

static bool check_domain(const Pair *pair) {
    Parts parts;
    PlaceText place;
    bool good = true;
    for (int d = 0; d < DIM_N; d++) {
        if (!(DIM_UNIT >> d & 1)) continue;
        Status status = run_spec_parts(pair->job, pair->cluster, (Dimension)d, &parts);
        if (status_is_ok(&status)) continue;
        char path[32];
        snprintf(path, sizeof path, "parallel.%s", DIMENSION_NAMES[d]);
        PAIR_ERROR(pair, path, "%s (%s)", status.text,
                   topology_place(pair, "node.scale_up", &place));
        good = false;
    }
    return good;
}

static void gpu_path(int32_t kind, char path[48]) {
    snprintf(path, 48, "node.gpu");
    if (kind > 0) snprintf(path, 48, "node.others.%d.gpu", (int)kind - 1);
}

static bool check_gpu(const Pair *pair, int32_t kind) {
    const TrainingSpec *training = &pair->job->training;
    const GpuSpec *gpu = cluster_gpu_of_kind(pair->cluster, kind);
    PlaceText place;
    char path[48];
    gpu_path(kind, path);
    bool precision = gpu_gemm(gpu, training->precision);
    if (!precision)
        PAIR_ERROR(pair, "training.precision", "GPU %s (%s) has no table for precision %s",
                   gpu->name, topology_place(pair, path, &place),
                   PRECISION_NAMES[training->precision]);
    bool kernel = training->attention == ATTENTION_UNFUSED ||
                  gpu->attention_forward_flop_per_s[training->attention] > 0;
    if (!kernel)
        PAIR_ERROR(pair, "training.attention",
                   "GPU %s (%s) has no figure for this attention kernel", gpu->name,
                   topology_place(pair, path, &place));
    return precision && kernel;
}

/// The key that a message of the workload is about: the first word of it that the job writes down.
static void place_of_message(const Pair *pair, const char *message, char path[96]) {
    static const char *const SECTIONS[] = {"parallel.", "training.", ""};
    snprintf(path, 96, "parallel");
    for (const char *at = message; *at;) {
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        for (int s = 0; s < 3 && length > 0 && length < 64; s++) {
            char key[96];
            snprintf(key, sizeof key, "%s%.*s", SECTIONS[s], (int)length, at);
            if (!node_find(pair->entry->root, key)) continue;
            memcpy(path, key, sizeof key);
            return;
        }
        at += length > 0 ? length : 1;
    }
}

/// What communication leaves of a GPU's speed, at least.
static double least_speed(const GpuSpec *gpu) {
    const double most = fmax(gpu->scale_up_processor_share, gpu->network_processor_share);
    return 1 - fmax(most, exchange_processor_share(DISPATCH_HYBRID, gpu));
}

/// How many times as long work may take where GPUs are slow, at most.
static double slowest(const ClusterSpec *cluster) {
    double slow = 1, degraded = 1;
    for (int32_t i = 0; i < cluster->nslow; i++) slow *= cluster->slow[i].compute;
    for (int32_t i = 0; i < cluster->nevents; i++)
        if (cluster->event[i].remaining > 0)
            degraded = fmax(degraded, 1 / cluster->event[i].remaining);
    return fmin(slow * degraded, CLUSTER_SLOWER_MOST);
}

/// Kinds of GPUs that shares are listed for exist.
static bool check_listed(const Pair *pair) {
    const ParallelSpec *parallel = &pair->job->parallel;
    bool good = true;
    for (int32_t i = 0; i < parallel->nlisted; i++) {
        const char *name = parallel->listed[i].gpu;
        bool known = false;
        for (int32_t k = 0; k < cluster_ngpu_kinds(pair->cluster); k++)
            known = known || strcmp(name, cluster_gpu_of_kind(pair->cluster, k)->name) == 0;
        if (known) continue;
        char path[64];
        PlaceText place;
        snprintf(path, sizeof path, "parallel.batch_shares.of.%d.gpu", (int)i);
        PAIR_ERROR(pair, path, "no GPUs of %s are %.60s", topology_place(pair, "node.gpu", &place),
                   name);
        good = false;
    }
    return good;
}

/// What a step needs of memory (the terms of the sum stand in the message), of time and bytes.
static Status try_cost(const Pair *pair, const Shares *shares, int32_t kind, char path[96]) {
    const ClusterSpec *cluster = pair->cluster;
    const JobSpec *job = pair->job;
    const GpuSpec *gpu = cluster_gpu_of_kind(cluster, kind);
    StepCost cost;
    const Uplink uplink = run_spec_uplink(job, cluster);
    const ParallelSpec parallel = shares_of_kind(shares, &job->parallel, kind);
    Status status = step_cost_init(&cost, &job->model, &parallel, &job->training, gpu,
                                   cluster_scale_up_of_kind(cluster, kind), &uplink);
    if (!status_is_ok(&status)) return status;
    status = step_cost_check_memory(&cost, gpu);
    if (status_is_ok(&status)) {
        status = step_cost_check_range(
            &cost, &parallel, &job->training, job->steps,
            noise_most(&job->noise) * slowest(pair->files->troubled) / least_speed(gpu));
        if (!status_is_ok(&status)) place_of_message(pair, status.text, path);
    }
    step_cost_fini(&cost);
    return status;
}

static bool check_costs(const Pair *pair, const int64_t gpus[CLUSTER_GPU_KINDS_MAX]) {
    char path[96] = "model";
    Shares shares;
    Status status = shares_init(&shares, pair->job, pair->cluster);
    if (!status_is_ok(&status)) place_of_message(pair, status.text, path);
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX && status_is_ok(&status); kind++)
        if (gpus[kind] > 0) status = try_cost(pair, &shares, kind, path);
    shares_fini(&shares);
    if (!status_is_ok(&status)) PAIR_ERROR(pair, path, "%s", status.text);
    return status_is_ok(&status);
}

/// Plan it as the run will, but for where its members are.
static Status plan_among(const Pair *pair, const CollectiveSpec *wanted, int64_t members) {
    CollectivePlan plan;
    const Domains domains = domains_even(members, 1);
    return run_spec_plan(&plan, pair->job, pair->cluster, wanted, 0, 0, &domains);
}

/// Can the algorithm of the job's collectives serve `members`?
static bool check_group(const Pair *pair, int64_t members, const char *whose) {
    const CollectiveSpec norm = {.kind = COLLECTIVE_ALL_REDUCE,
                                 .algorithm = pair->job->network.dp_algorithm,
                                 .bytes = GRAD_NORM_BYTES};
    Status status = plan_among(pair, &norm, members);
    if (!status_is_ok(&status))
        PAIR_ERROR(pair, "network.dp_algorithm", "%s (%s)", status.text, whose);
    return status_is_ok(&status);
}

/// Of the groups, two can have a size that is too odd for an algorithm; the pair of the embeddings never has, and the norm of
/// gradients has none of its own.
static bool check_groups(const Pair *pair) {
    const ParallelSpec *parallel = &pair->job->parallel;
    if (!check_group(pair, parallel_holders(parallel), "the replicas of a stage")) return false;
    return !parallel_is_hybrid(parallel) ||
           (check_group(pair, parallel_shards(parallel), "a shard group") &&
            check_group(pair, parallel_holders(parallel) / parallel_shards(parallel),
                        "those of all shard groups that hold one share"));
}

/// A placement that deals blocks of nodes, where tensor parallelism needs several, leaves out what fills none.
///   gpus  out: of the job, of each kind
static bool check_blocks(const Pair *pair, int64_t gpus[CLUSTER_GPU_KINDS_MAX]) {
    const PlacementSpec *spec = &pair->job->placement;
    if (spec->kind == PLACEMENT_STRIDED && spec->stride > pair->cluster->nodes) return true; // said
    Placement placement;
    Status status = run_spec_placement(pair->job, pair->cluster, &placement);
    if (status_is_ok(&status))
        placement_count_kinds(&placement, pair->cluster, gpus);
    else
        PAIR_ERROR(pair, "placement.kind", "%s", status.text);
    return status_is_ok(&status);
}

/// Nominal is what GPUs of kind 0 do, though the job may have none.
static bool check_gpus(const Pair *pair, const int64_t gpus[CLUSTER_GPU_KINDS_MAX]) {
    bool good = true;
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++)
        if (kind == 0 || gpus[kind] > 0) good = check_gpu(pair, kind) && good;
    return good;
}

static bool check_training(const Pair *pair) {
    int64_t gpus[CLUSTER_GPU_KINDS_MAX] = {0};
    bool good = check_ranks(pair) && check_domain(pair);
    const bool placed = good && check_blocks(pair, gpus);
    good = check_gpus(pair, gpus) && placed && check_groups(pair);
    if (!good) return false;
    if (!job_file_resolve_batch(pair->reader, pair->entry->root, pair->entry->file)) return false;
    Status status =
        parallel_validate(&pair->job->parallel, &pair->job->model, &pair->job->training);
    if (status_is_ok(&status)) return check_listed(pair) && check_costs(pair, gpus);
    char path[96];
    place_of_message(pair, status.text, path);
    PAIR_ERROR(pair, path, "%s", status.text);
    return false;
}

/// Most bytes of a flow.
static Status read_flows(const Pair *pair, const Text *csv, int64_t *most_bytes) {
    Traffic *flows = NULL;
    TRY(traffic_create(&pair->job->traffic, pair->job->traffic.ranks,
                       placement_common(&pair->job->placement, pair->cluster), csv->bytes, &flows));
    for (int64_t i = 0; i < traffic_nflows(flows); i++)
        if (traffic_flow(flows, i).bytes > *most_bytes) *most_bytes = traffic_flow(flows, i).bytes;
    traffic_destroy(flows);
    return status_ok();
}

/// Most bytes of a message; each collective must have a plan.
static Status read_operations(const Pair *pair, const Text *csv, int64_t *most_bytes) {
    const TrafficSpec *traffic = &pair->job->traffic;
    Operations operations = {0};
    Status status = operations_csv_parse(traffic->file, csv->bytes, traffic->ranks,
                                         traffic->eager_bytes, &operations);
    for (int64_t j = 0; j < operations.joint.n && status_is_ok(&status); j++) {
        const Joint *joint = &operations.joint.at[j];
        if (joint->bytes > *most_bytes) *most_bytes = joint->bytes;
        if (joint->group < 0) continue;
        const CollectiveSpec wanted = {.kind = (CollectiveKind)joint->kind,
                                       .algorithm = pair->job->collective.algorithm,
                                       .bytes = joint->bytes};
        status = plan_among(pair, &wanted, joint->n);
        if (!status_is_ok(&status))
            status = status_make(STATUS_INPUT, "%.200s:%d:1: %.600s", traffic->file,
                                 (int)joint_operation(&operations, joint, 0)->line, status.text);
    }
    operations_free(&operations);
    return status;
}

/// Read the CSV beside the job file, so that it travels with the run, and check its lines.
static bool check_table(const Pair *pair) {
    TrafficSpec *traffic = &pair->job->traffic;
    const Node *root = pair->entry->root;
    const Text *csv = reader_open_data(pair->reader, root, "traffic.file", pair->entry->path,
                                       traffic->file, sizeof traffic->file);
    if (!csv) return false;
    int64_t most_bytes = 0;
    Status status =
        (traffic->pattern == TRAFFIC_FLOWS ? read_flows : read_operations)(pair, csv, &most_bytes);
    if (!status_is_ok(&status)) {
        reader_report_data(pair->reader, root, "traffic.file", csv, &status);
        return false;
    }
    return engine_check_bytes(pair->reader, pair->files, pair->entry, "traffic.file", most_bytes,
                              traffic->queue_pairs);
}

/// Groups are whole: of all ranks those that fill some, of a count that is written all.
static bool check_all_to_all(const Pair *pair) {
    TrafficSpec *traffic = &pair->job->traffic;
    PlaceText place;
    if (traffic->pattern != TRAFFIC_ALL_TO_ALL || traffic->group == 0) return true;
    if (traffic->group > pair->gpus) {
        PAIR_ERROR(pair, "traffic.group", "group is %lld, but %s has %lld GPUs",
                   (long long)traffic->group, room_place(pair, &place), (long long)pair->gpus);
        return false;
    }
    if (traffic->ranks == 0) traffic->ranks = pair->gpus / traffic->group * traffic->group;
    if (traffic->ranks % traffic->group != 0) {
        PAIR_ERROR(pair, "traffic.group", "group is %lld, but ranks is %lld: not whole groups",
                   (long long)traffic->group, (long long)traffic->ranks);
        return false;
    }
    return true;
}

/// What cannot be planned is said here, with its place.
static bool check_collective(const Pair *pair) {
    Status status = plan_among(pair, &pair->job->collective, pair->job->traffic.ranks);
    if (status_is_ok(&status)) return true;
    bool named = node_find(pair->entry->root, "traffic.algorithm") != NULL;
    PAIR_ERROR(pair, named ? "traffic.algorithm" : "traffic.collective", "%s", status.text);
    return false;
}

/// Patterns that leave nobody to send to.
static bool check_pattern(const Pair *pair) {
    Traffic *flows = NULL;
    Status status =
        traffic_create(&pair->job->traffic, pair->job->traffic.ranks,
                       placement_common(&pair->job->placement, pair->cluster), NULL, &flows);
    if (!status_is_ok(&status)) PAIR_ERROR(pair, "traffic.pattern", "%s", status.text);
    traffic_destroy(flows);
    return status_is_ok(&status);
}

/// A NIC that sends the bytes of one flow in each repetition, or the share of a rank in a collective, needs so long at least.
static bool check_duration(const Pair *pair) {
    const TrafficSpec *traffic = &pair->job->traffic;
    const ClusterSpec *cluster = pair->cluster;
    const TierSpec *leaf = &cluster->tier[0];
    if (traffic_has_table(traffic->pattern) || traffic->ranks <= node_runs_most(cluster).domain)
        return true;
    double share = traffic->pattern == TRAFFIC_COLLECTIVE ? (double)traffic->ranks : 1;
    double rate_Bps = (double)leaf->link_Bps * leaf->parents * leaf->lanes *
                      (double)cluster->nic.goodput_Bps / (double)cluster->nic.line_Bps;
    double least_s = (double)traffic->bytes / share / rate_Bps * pair->job->steps;
    if (least_s < units_seconds_from_ps(TIME_END_PS)) return true;
    PAIR_ERROR(pair, "traffic.bytes",
               "a NIC needs at least %.3g s for them; a run can have 53 days of simulated time",
               least_s);
    return false;
}

static bool check_traffic(const Pair *pair) {
    TrafficSpec *traffic = &pair->job->traffic;
    PlaceText place;
    if (!check_all_to_all(pair)) return false;
    if (traffic->ranks == 0) traffic->ranks = pair->gpus;
    if (traffic->ranks < 2) {
        reader_error(pair->reader, pair->files->topology_root, "nodes",
                     "traffic wants two ranks (%s), but the cluster has one GPU",
                     place_name(node_place(pair->entry->root, "traffic.pattern"), place.text));
        return false;
    }
    if (traffic->ranks > pair->gpus) {
        PAIR_ERROR(pair, "traffic.ranks", "ranks is %lld, but %s has %lld GPUs",
                   (long long)traffic->ranks, room_place(pair, &place), (long long)pair->gpus);
        return false;
    }
    if (traffic->pattern == TRAFFIC_SHIFT && traffic->shift == 0)
        traffic->shift = traffic->ranks / 2;
    if (traffic->pattern == TRAFFIC_SHIFT && traffic->shift >= traffic->ranks) {
        PAIR_ERROR(pair, "traffic.shift", "shift is %lld, but only %lld ranks take part",
                   (long long)traffic->shift, (long long)traffic->ranks);
        return false;
    }
    if (traffic->pattern == TRAFFIC_INCAST && traffic->fan_in > traffic->ranks) {
        PAIR_ERROR(pair, "traffic.fan_in", "fan_in is %lld, but only %lld ranks take part",
                   (long long)traffic->fan_in, (long long)traffic->ranks);
        return false;
    }
    if (!check_duration(pair)) return false;
    if (traffic_has_table(traffic->pattern)) return check_table(pair);
    const bool collective = traffic->pattern == TRAFFIC_COLLECTIVE;
    if (!engine_check_bytes(pair->reader, pair->files, pair->entry, "traffic.bytes", traffic->bytes,
                            collective ? pair->job->network.queue_pairs : traffic->queue_pairs))
        return false;
    return collective ? check_collective(pair) : check_pattern(pair);
}

/// A GPU whose NIC is dead may be a spare, but not one that others have to reach.
static void check_reach(const Pair *pair) {
    const TrafficSpec *traffic = &pair->job->traffic;
    const Text *csv = NULL;
    Status reason;
    if (pair->job->kind == JOB_TRAFFIC && traffic_has_table(traffic->pattern))
        csv = texts_open(pair->reader->texts, pair->reader->source, traffic->file,
                         TEXT_DATA_BYTES_MAX, &reason);
    GpuId gpu;
    int64_t rank;
    int32_t fault = reach_find_cut(pair->cluster, pair->job, csv ? csv->bytes : NULL, &gpu, &rank);
    if (fault < 0) return;
    char path[48];
    snprintf(path, sizeof path, "fabric.faults.%d", (int)fault);
    reader_error(pair->reader, pair->files->topology_root, path,
                 "GPU %lld has no live port, but %s needs it as rank %lld", (long long)gpu,
                 pair->job->name, (long long)rank);
}

static bool check_placement(const Pair *pair) {
    PlaceText place;
    const PlacementSpec *placement = &pair->job->placement;
    if (placement->kind != PLACEMENT_STRIDED || placement->stride <= pair->cluster->nodes)
        return true;
    PAIR_ERROR(pair, "placement.stride", "stride is %lld nodes, but %s has %lld",
               (long long)placement->stride, topology_place(pair, "nodes", &place),
               (long long)pair->cluster->nodes);
    return false;
}

/// Engine and seed belong to the run: jobs that write them must agree.
static void check_agreement(Reader *reader, const CrossCheck *files, const JobEntry *job) {
    const JobEntry *first = &files->job[0];
    const JobFile *a = first->file, *b = job->file;
    PlaceText place;
    engine_check_agreement(reader, files, job);
    if (node_get(job->root, "seed") && a->seed != b->seed)
        reader_error(reader, job->root, "seed", "another seed than %s: jobs of a run share one",
                     place_name(node_place(first->root, "seed"), place.text));
}

/// The seed of the run draws the hashes too, unless the topology has a seed of its own.
static void resolve_hash_seed(const CrossCheck *files) {
    if (files->cluster->ecmp_seed == UINT64_MAX)
        files->cluster->ecmp_seed = files->job[0].file->seed;
}

/// Slow spells and events of all files together.
static bool join_troubles(Reader *reader, CrossCheck *files) {
    bool good = true;
    *files->troubled = *files->cluster;
    files->troubled->reroute_delay_ps = files->job[0].file->job.network.reroute_delay_ps;
    for (int32_t i = 0; i < files->njobs; i++) {
        const JobFile *file = files->job[i].file;
        good = topology_add_troubles(reader, files->job[i].root, file->slow, file->nslow,
                                     file->event, file->nevents, files->troubled) &&
               good;
    }
    return good;
}

void cross_check(Reader *reader, CrossCheck *files) {
    resolve_hash_seed(files);
    if (!join_troubles(reader, files) || !engine_check_cluster(reader, files)) return;
    NodeShares shares = {0};
    bool all_good = true;
    for (int32_t i = 0; i < files->njobs; i++) {
        const JobEntry *entry = &files->job[i];
        JobSpec *job = &entry->file->job;
        share_nodes_offer(&shares, files, job);
        Pair pair = {reader, files,          entry,
                     job,    files->cluster, placement_room(&job->placement, files->cluster)};
        bool good = pair.job->kind == JOB_TRAINING ? check_training(&pair) : check_traffic(&pair);
        good = check_placement(&pair) && good;
        if (good) share_nodes_take(&shares, files, job);
        if (good) check_reach(&pair);
        all_good = all_good && good;
        if (i > 0) check_agreement(reader, files, entry);
    }
    if (all_good) share_nodes_check(reader, files);
    timeline_check(reader, files);
    explain_check(reader, files);
    if (all_good) links_check(reader, files);
}
