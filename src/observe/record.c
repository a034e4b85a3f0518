#include "observe/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "observe/change.h"
#include "observe/power_tiers.h"

/// The tier axis: scale-up domain, then the tiers of the fabric, and NICs of several ports.
static int32_t describe_tiers(const Cluster *cluster, TraceTier tier[TRACE_TIERS_MAX]) {
    const int32_t ntiers = cluster_ntiers(cluster);
    for (int32_t t = 0; t < ntiers; t++) {
        tier[t].name = cluster_tier_name(cluster, t);
        tier[t].links = cluster_tier_links(cluster, t);
        tier[t].first_link[0] = cluster_first_link(cluster, t, LINK_UP);
        tier[t].first_link[1] = cluster_first_link(cluster, t, LINK_DOWN);
        tier[t].capacity_Bps = cluster_healthy_Bps(cluster, t);
    }
    return ntiers;
}

void recorder_cut_interval(Recorder *recorder, int64_t now_ps) {
    const Fabric *fabric = recorder->fabric;
    if (recorder->trace && recorder_has_loads(recorder))
        sampling_cut(&recorder->sampling, fabric->ops, fabric->engine, now_ps);
    else if (fabric->ops->restart_intervals)
        fabric->ops->restart_intervals(fabric->engine);
}

/// What the trace says of the jobs.
typedef struct JobWords {
    const JobSpec *training, *traffic; ///< the first of each kind, NULL: none
    const char *name[RUN_JOBS_MAX];
    char names[RUN_JOBS_MAX * (HARDWARE_NAME_BYTES + 3)]; ///< joined
    char title[(RUN_JOBS_MAX + 1) * (HARDWARE_NAME_BYTES + 4)];
    TraceSource source[RUN_SOURCES_MAX];
} JobWords;

static void say_jobs(const RunSpec *run, JobWords *words) {
    *words = (JobWords){0};
    size_t used = 0;
    for (int32_t j = 0; j < run->njobs; j++) {
        const JobSpec *job = &run->job[j];
        const JobSpec **first = job->kind == JOB_TRAINING ? &words->training : &words->traffic;
        if (!*first) *first = job;
        words->name[j] = job->name;
        used += (size_t)snprintf(words->names + used, sizeof words->names - used, "%s%s",
                                 j ? " + " : "", job->name);
    }
    snprintf(words->title, sizeof words->title, "%s on %s", words->names, run->cluster.name);
    for (int32_t i = 0; i < run->nsources; i++)
        words->source[i] = (TraceSource){.path = run->source[i].path, .text = run->source[i].text};
}

static int by_time(const void *a, const void *b) {
    const TraceEvent *x = a, *y = b;
    if (x->time_ps != y->time_ps) return x->time_ps < y->time_ps ? -1 : 1;
    return strcmp(x->what, y->what);
}

_Static_assert((int)CLUSTER_EVENTS_MAX <= (int)TRACE_EVENTS_MAX, "events of a trace");

int32_t record_list_events(const ClusterSpec *spec, TraceEvent event[CLUSTER_EVENTS_MAX]) {
    for (int32_t i = 0; i < spec->nevents; i++) {
        const EventSpec *own = &spec->event[i];
        event[i] = (TraceEvent){.time_ps = own->at_ps, .to = own->remaining, .from = 1};
        event[i].known_ps = own->at_ps > 0 ? own->at_ps + spec->reroute_delay_ps : 0;
        snprintf(event[i].what, sizeof event[i].what, "%s", own->what);
    }
    qsort(event, (size_t)spec->nevents, sizeof *event, by_time);
    for (int32_t i = 0; i < spec->nevents; i++)
        for (int32_t before = 0; before < i; before++)
            if (strcmp(event[before].what, event[i].what) == 0) event[i].from = event[before].to;
    return spec->nevents;
}

/// What a step that is explained is to be held against; none if none is wanted, or there is none.
typedef struct NamedChanges {
    WhatIf change[CHANGES_MAX];
    TraceChange named[CHANGES_MAX]; ///< [n]
    int32_t n;
} NamedChanges;

/// The names point into `changes`.
static void name_changes(bool wanted, const Cluster *cluster, NamedChanges *changes) {
    changes->n = wanted ? changes_list(cluster, changes->change) : 0;
    for (int32_t i = 0; i < changes->n; i++)
        changes->named[i] = (TraceChange){changes->change[i].name, changes->change[i].size};
}

_Static_assert((int)CHANGES_MAX <= (int)TRACE_CHANGES_MAX, "changes of a trace");

static Status open_trace(Recorder *recorder, const char *command_line) {
    const Fabric *fabric = recorder->fabric;
    const RunSpec *run = fabric->run;
    const Cluster *cluster = fabric->cluster;
    const ClusterSpec *spec = cluster_spec(cluster);
    TraceTier tier[TRACE_TIERS_MAX];
    TraceSiteTier site_tier[TRACE_SITE_TIERS_MAX];
    TraceEvent event[CLUSTER_EVENTS_MAX];
    JobWords jobs;
    say_jobs(run, &jobs);
    NamedChanges changes;
    name_changes(run->trace.explain && jobs.training, cluster, &changes);
    TraceInfo info = {
        .path = run->trace.path,
        .make_folder = run->trace.make_folder,
        .title = jobs.title,
        .job = jobs.names,
        .njobs = run->njobs,
        .job_name = jobs.name,
        .cluster = spec->name,
        .engine = run->engine->name,
        .routing = ROUTING_NAMES[spec->routing],
        .placement = PLACEMENT_NAMES[run->job[0].placement.kind],
        .precision = jobs.training ? PRECISION_NAMES[jobs.training->training.precision] : "",
        .resolved = run->resolved,
        .source = jobs.source,
        .nsources = run->nsources,
        .seed = run->seed,
        .control_delay_ps = run->control_delay_ps,
        .interval_ps = fabric->intervals.width_ps,
        .training = jobs.training != NULL,
        .traffic = jobs.traffic != NULL,
        .ngpus = cluster_ngpus(cluster),
        .gpus_per_node = node_runs_most(spec).node,
        .tier = tier,
        .ntiers = describe_tiers(cluster, tier),
        .site_tier = site_tier,
        .nsite_tiers = power_site_tiers(cluster, site_tier),
        .event = event,
        .nevents = record_list_events(spec, event),
        .nlinks = cluster_nlinks(cluster),
        .hot_links = run->trace.hot_links,
        .full_links = run->trace.full_links,
        .change = changes.named,
        .nchanges = changes.n,
        .packets = fabric->ops->step_packets != NULL,
        .chosen = recorder->chosen.name,
        .nchosen = recorder->chosen.n,
        .timeline = run->trace.timeline.ngpus > 0,
        .compress = run->trace.compress,
        .command_line = command_line,
        .arguments = run->arguments,
        .begun = run->trace.begun,
        .nbegun = run->trace.nbegun,
    };
    return trace_create(fabric->comm, &info, &recorder->trace);
}

Status recorder_open(Recorder *recorder, bool divided, const char *command_line) {
    const Fabric *fabric = recorder->fabric;
    const TraceSpec *trace = &fabric->run->trace;
    load_adder_init(&recorder->adder, fabric->cluster, trace->hot_links);
    recorder->chosen = chosen_make(fabric->cluster, &trace->links);
    recorder->adder.chosen = &recorder->chosen;
    recorder->adder.divided = divided;
    sampling_init(&recorder->sampling, fabric->intervals, &recorder->adder);
    if (!trace->path[0]) return status_ok();
    TRY(open_trace(recorder, command_line));
    if (fabric->ops->sample_into)
        fabric->ops->sample_into(fabric->engine, sampling_sink(&recorder->sampling));
    else
        recorder->sampling.intervals.width_ps = 0;
    return status_ok();
}

/// What places are told from.
typedef struct Places {
    const RunSpec *run;
    const RecordedJob *job; ///< [njobs]
    NodeRuns nodes;
} Places;

static TraceGpu place_gpu(const void *context, int64_t gpu) {
    const Places *places = context;
    const AlikeNodes *run = node_run_of_gpu(&places->nodes, gpu);
    TraceGpu place = {.job = TRACE_NONE,
                      .job_rank = TRACE_NONE,
                      .tp = TRACE_NONE,
                      .cp = TRACE_NONE,
                      .pp = TRACE_NONE,
                      .dp = TRACE_NONE,
                      .microbatches = TRACE_NONE,
                      .node = node_run_node(run, gpu),
                      .slot = (int32_t)((gpu - run->first_gpu) % run->gpus)};
    int64_t rank = -1;
    int32_t j = 0;
    while (j < places->run->njobs && (rank = placement_job_rank(places->job[j].placement, gpu)) < 0)
        j++;
    if (rank < 0) return place;
    const JobSpec *job = &places->run->job[j];
    place.job = j;
    place.job_rank = rank;
    if (job->kind != JOB_TRAINING) return place;
    place.tp = parallel_coordinate(&job->parallel, rank, DIM_TP);
    place.cp = parallel_coordinate(&job->parallel, rank, DIM_CP);
    place.pp = parallel_coordinate(&job->parallel, rank, DIM_PP);
    place.dp = (int32_t)parallel_replica(&job->parallel, rank);
    const Machine *machine = places->job[j].machine;
    const Units *units = &machine->layout.units;
    const int64_t replica = units_replica(units, units_of_rank(units, rank));
    place.microbatches = machine->shares.role[machine_role(machine, replica)].microbatches;
    return place;
}

Status recorder_static_gpus(Recorder *recorder, const RecordedJob job[]) {
    if (!recorder->trace) return status_ok();
    const Fabric *fabric = recorder->fabric;
    const Places places = {fabric->run, job, node_runs(cluster_spec(fabric->cluster))};
    Partition gpus = partition_make(cluster_ngpus(fabric->cluster), 1, fabric->nranks);
    return trace_static_gpus(recorder->trace, partition_first(&gpus, fabric->rank),
                             partition_count(&gpus, fabric->rank), place_gpu, &places);
}

Status recorder_write_power(Recorder *recorder, int64_t later_ps, const PowerUse *use,
                            const PowerShapes shapes[], int32_t stages, const TraceStep *row) {
    const Fabric *fabric = recorder->fabric;
    TracePower *stands = &recorder->power[row->job];
    if (later_ps == 0 && fabric->rank == 0) {
        TracePower power;
        power_of_step(fabric, *use, &recorder->stands.load, shapes, stages, row, &power);
        const bool same = memcmp(power.site_W, stands->site_W, sizeof power.site_W) == 0 &&
                          memcmp(power.gpus_W, stands->gpus_W, sizeof power.gpus_W) == 0;
        power.wave_step = same ? stands->wave_step : recorder->step.n; // its row
        *stands = power;
    }
    return recorder->trace ? trace_write_power(recorder->trace, stands) : status_ok();
}

_Static_assert(sizeof(StepSummary) <= 512, "a million steps stay below half a GiB");

StepDetail *recorder_detail(Recorder *recorder, int32_t job, int64_t step) {
    StepDetail *detail = &recorder->detail[job][step > 0];
    *detail = (StepDetail){0};
    return detail;
}

Status recorder_end_step(Recorder *recorder, const StepSummary *summary) {
    array_push(&recorder->step, *summary);
    if (!recorder->trace) return status_ok();
    TraceStep row = summary->row;
    row.links_step = recorder->stands.step;
    row.intervals_start_ps = recorder->cycle_begin_ps;
    TRY(trace_write_step(recorder->trace, recorder->fabric->rank == 0 ? &row : NULL));
    bool last = row.job_step + 1 == recorder->fabric->run->job[row.job].steps;
    return trace_commit(recorder->trace, last, &recorder->committed);
}

Status recorder_close(Recorder *recorder, const char *status, const char *reason) {
    recorder_free_links(recorder, &recorder->stands);
    sampling_fini(&recorder->sampling);
    for (int32_t j = 0; j < RUN_JOBS_MAX; j++) record_timeline_free(&recorder->timeline[j]);
    memory_free("record.collectives", recorder->collective,
                sizeof(TraceCollective) * (size_t)recorder->ncollectives);
    load_adder_fini(&recorder->adder);
    chosen_fini(&recorder->chosen);
    return trace_close(&recorder->trace, status, reason);
}
