#include "player/run.h"

#include <time.h>

#include "base/memory.h"
#include "base/units.h"
#include "driver/record.h"
#include "driver/report.h"
#include "player/chooser.h"
#include "player/toll.h"
#include "player/traffic_run.h"

static double wall_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/// A step's progress needs the recorder and the clock of its start.
typedef struct Training {
    Recorder *recorder;
    const DriverOptions *options;
    double begin_s, spoke_s; ///< wall clock
} Training;

enum { SILENCE_S = 10 };

/// Say where the run is if nothing was said for a while.
static void say_progress(void *context) {
    Training *training = context;
    const Recorder *recorder = training->recorder;
    FILE *out = comm_rank(recorder->comm) == 0 ? training->options->progress : NULL;
    double now_s = wall_s();
    if (!out || now_s - training->spoke_s < SILENCE_S) return;
    training->spoke_s = now_s;
    fprintf(out, "  ...  sim %.3f s  wall %.1f s\n",
            units_seconds_from_ps(recorder->ops->now_ps(recorder->engine)),
            now_s - training->begin_s);
    fflush(out);
}

static void cut_interval(void *context, int64_t now_ps) {
    recorder_cut_interval(((Training *)context)->recorder, now_ps);
}

static Status training_step_done(void *context, Machine *machine, int32_t step) {
    Training *training = context;
    TRY(record_training_step(training->recorder, machine, step));
    if (machine->rank == 0 && training->options->progress) {
        training->spoke_s = wall_s();
        double took_s = training->spoke_s - training->begin_s;
        const StepSummary *summary = &training->recorder->step.at[step];
        fprintf(training->options->progress,
                "step %d/%d  committed %lld  sim %.3f s  wall %.1f s  eta %.0f s  (step %.3f ms)\n",
                step + 1, machine->steps, (long long)training->recorder->committed,
                units_seconds_from_ps(summary->end_ps), took_s,
                took_s / (step + 1) * (machine->steps - step - 1),
                (double)(summary->end_ps - summary->start_ps) / 1e9);
        fflush(training->options->progress);
    }
    return status_ok();
}

/// Compute of one step of the slowest stage plus its bubble: what sampling intervals are cut from.
static int64_t estimate_ps(const Machine *machine) {
    const StepCost *cost = &machine->cost;
    int64_t slowest_ps = 1, m = machine->job->parallel.microbatches;
    for (int32_t stage = 0; stage < cost->pp; stage++) {
        int64_t stage_ps = 0;
        for (int32_t chunk = 0; chunk < cost->chunks; chunk++) {
            const ChunkCost *c = &cost->chunk[chunk * cost->pp + stage];
            stage_ps += c->forward_ps + c->backward_ps + c->forward_tp_ps + c->backward_tp_ps +
                        c->forward_sharing_ps + c->backward_sharing_ps;
        }
        if (stage_ps > slowest_ps) slowest_ps = stage_ps;
    }
    return slowest_ps * m + slowest_ps * (cost->pp - 1) / cost->chunks;
}

static Status play_training(const RunSpec *run, Cluster *cluster, Comm *comm,
                            const DriverOptions *options, Recorder *recorder) {
    Machine *machine = NULL;
    Training training = {
        .recorder = recorder, .options = options, .begin_s = wall_s(), .spoke_s = wall_s()};
    Status status = machine_create(run, cluster, comm, &machine);
    if (status_is_ok(&status)) {
        int64_t interval_ps = record_interval_ps(estimate_ps(machine), run->trace.intervals);
        machine_prepare(machine, interval_ps);
        player_choose(machine);
        recorder->ops = machine->ops;
        recorder->engine = machine->engine;
        recorder->divided = machine->player->divides && machine->nranks > 1;
        machine->collect = say_progress;
        machine->cut = cut_interval;
        machine->collector = &training;
        status = recorder_open(recorder, run, cluster, comm, interval_ps, options->command_line);
        if (status_is_ok(&status))
            status = recorder_static_gpus(recorder, &machine->layout.placement);
        Toll toll = toll_begin(machine);
        if (status_is_ok(&status))
            status = machine->player->play(machine, training_step_done, &training, options->stop);
        toll_note(&toll, machine, recorder->trace, options->progress);
        EngineSizes sizes = machine->ops->sizes(machine->engine);
        sizes.transfers += machine->player->stats(machine).transfers;
        footprint_count(&recorder->footprint, machine->layout.nslots * machine->layout.width,
                        sizes);
    }
    machine_destroy(machine);
    return status;
}

static void print_memory(FILE *out, const Footprint *footprint) {
    enum { ROWS = 128 };
    MemoryRow row[ROWS];
    int n = memory_report(row, ROWS);
    fprintf(out, "\n  %-24s %14s %14s\n", "memory of rank 0", "now, bytes", "most, bytes");
    for (int i = 0; i < n && i < ROWS; i++)
        fprintf(out, "  %-24s %14lld %14lld\n", row[i].label, (long long)row[i].live_bytes,
                (long long)row[i].high_bytes);
    footprint_print(footprint, out);
}

static const char *closing_word(const Status *status) {
    if (status_is_ok(status)) return "complete";
    return status->code == STATUS_STOPPED ? "stopped" : "failed";
}

static Status play(const RunSpec *run, Cluster *cluster, Comm *comm, const DriverOptions *options) {
    Recorder recorder = {0};
    double wall_begin_s = wall_s();
    bool training = run->job[0].kind == JOB_TRAINING;
    Status status = training ? play_training(run, cluster, comm, options, &recorder)
                             : traffic_play(run, cluster, comm, options->csv_text,
                                            options->command_line, &recorder, options->stop);
    status = comm_agree(comm, status);
    footprint_gather(&recorder.footprint, comm);
    if (recorder.trace && status.code != STATUS_OUTPUT) {
        double seconds[2] = {wall_s() - wall_begin_s, cpu_s()};
        (void)trace_run_double(recorder.trace, "wall_s", seconds[0]);
        (void)trace_run_double(recorder.trace, "cpu_s_rank0", seconds[1]);
        footprint_note(&recorder.footprint, recorder.trace);
    }
    Status closed = recorder_close(&recorder, closing_word(&status));
    if (status_is_ok(&status)) status = closed;
    bool root = comm_rank(comm) == 0;
    // Of a run that failed there is nothing to tell but why.
    if (root && options->table && (status_is_ok(&status) || status.code == STATUS_STOPPED))
        (training ? report_training : report_traffic)(options->table, &recorder);
    if (root && options->memory)
        print_memory(options->table ? options->table : stdout, &recorder.footprint);
    array_free(&recorder.step);
    return status;
}

Status driver_run(const RunSpec *run, Comm *comm, const DriverOptions *options) {
    REQUIRE(run->njobs == 1, STATUS_USAGE, "one job a run for now, got %d", run->njobs);
    Cluster *cluster = NULL;
    TRY(cluster_create(&run->cluster, &cluster));
    Status status = play(run, cluster, comm, options);
    cluster_destroy(cluster);
    return status;
}
