#include "app/play.h"

#include <math.h>
#include <time.h>

#include "app/report.h"
#include "base/units.h"
#include "observe/record.h"
#include "observe/toll.h"
#include "player/players.h"
#include "player/traffic_run.h"

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/// A job of the run, of one kind or the other.
typedef struct RunJob {
    Machine *machine;
    TrafficRun *traffic;
    Job job;
} RunJob;

/// What listening to the fabric needs.
typedef struct Speech {
    Recorder *recorder;
    const RunJob *job;
    const DriverOptions *options;
    double begin_s, spoke_s; ///< wall clock
    // Of a job alone, where it is:
    int32_t step, steps; ///< which is under way, of how many
    int64_t from_ps,
        for_ps; ///< since when; as long as the one before took, the first as long as it is thought to take
} Speech;

enum { SILENCE_S = 5 };

/// About how much of a step is played. One that takes longer than thought stays before its end.
static double part_of_step(const Speech *speech, int64_t now_ps) {
    const double played_ps = (double)(now_ps - speech->from_ps);
    return speech->for_ps > 0 ? fmin(fmax(played_ps / (double)speech->for_ps, 0), 0.99) : 0;
}

/// Say where the run is if nothing was said for a while.
static void say_progress(void *context) {
    Speech *speech = context;
    const Recorder *recorder = speech->recorder;
    FILE *out = recorder->fabric->rank == 0 ? speech->options->progress : NULL;
    double now_s = comm_clock_s();
    if (!out || now_s - speech->spoke_s < SILENCE_S) return;
    speech->spoke_s = now_s;
    const int64_t now_ps = recorder->fabric->ops->now_ps(recorder->fabric->engine);
    const double part = part_of_step(speech, now_ps), took_s = now_s - speech->begin_s,
                 done = speech->step + part;
    fprintf(out, "  ...  ");
    if (speech->steps > 0)
        fprintf(out, "step %d/%d about %.0f %%  ", (int)speech->step + 1, (int)speech->steps,
                100 * part);
    fprintf(out, "sim %.3f s  wall %.1f s", units_seconds_from_ps(now_ps), took_s);
    if (speech->steps > 0 && done > 0)
        fprintf(out, "  eta %.0f s", took_s / done * (speech->steps - done));
    fputc('\n', out);
    fflush(out);
}

static void cut_interval(void *context, int64_t now_ps) {
    recorder_cut_interval(((Speech *)context)->recorder, now_ps);
}

/// mpiexec does not read for a second while it ends its ranks: who has filled the pipe by then is stuck, and killed.
#define BREATH_S 0.02

/// Say that a step has ended; of many in a moment, only some.
static void say_step(Speech *speech, const Machine *machine, int32_t step) {
    FILE *out = machine->rank == 0 ? speech->options->progress : NULL;
    const Recorder *recorder = speech->recorder;
    double now_s = comm_clock_s();
    bool some = step == 0 || step + 1 == machine->steps || now_s - speech->spoke_s >= BREATH_S;
    if (!out || !some) return;
    speech->spoke_s = now_s;
    double took_s = now_s - speech->begin_s;
    const TraceStep *row = &recorder->step.at[recorder->step.n - 1].row;
    if (machine->run->njobs > 1) fprintf(out, "%s  ", machine->job->name);
    fprintf(out,
            "step %d/%d  committed %lld  sim %.3f s  wall %.1f s  eta %.0f s  (step %.3f ms)\n",
            step + 1, machine->steps, (long long)recorder->committed,
            units_seconds_from_ps(row->end_ps), took_s,
            took_s / (step + 1) * (machine->steps - step - 1),
            (double)(row->end_ps - row->start_ps) / 1e9);
    fflush(out);
}

/// The next step begins where this one ends, and is thought to take as long.
static void note_step(Speech *speech, int32_t step) {
    const Recorder *recorder = speech->recorder;
    if (recorder->step.n == 0) return; // not this rank's
    const TraceStep *row = &recorder->step.at[recorder->step.n - 1].row;
    speech->step = step + 1;
    speech->from_ps = row->end_ps;
    speech->for_ps = row->end_ps - row->start_ps;
}

static Status keep_step(void *context, int32_t number, int32_t step, int64_t later_ps) {
    Speech *speech = context;
    const RunJob *job = &speech->job[number];
    if (job->traffic)
        TRY(record_traffic_step(speech->recorder, job->traffic, later_ps));
    else
        TRY(record_training_step(speech->recorder, job->machine, step, later_ps));
    note_step(speech, step);
    if (job->machine) say_step(speech, job->machine, step);
    return status_ok();
}

/// Compute of one step of the slowest stage plus its bubble: what sampling intervals are cut from.
static int64_t estimate_ps(const Machine *machine) {
    const StepCost *cost = &machine->cost;
    const Wide slowest_ps = step_cost_round_ps(cost);
    int64_t m = machine->job->parallel.microbatches / parallel_copies(&machine->job->parallel);
    return wide_word(slowest_ps * m + slowest_ps * (cost->pp - 1) / cost->chunks);
}

/// Make all jobs; the longest step of any is what sampling intervals are cut from.
static Status open_jobs(Fabric *fabric, RunJob jobs[], int64_t *longest_ps_out) {
    int64_t longest_ps = 0;
    for (int32_t j = 0; j < fabric->run->njobs; j++) {
        bool training = fabric->run->job[j].kind == JOB_TRAINING;
        TRY(training ? machine_create(fabric, j, &jobs[j].machine)
                     : traffic_open(fabric, j, &jobs[j].traffic));
        int64_t step_ps =
            training ? estimate_ps(jobs[j].machine) : traffic_estimate_ps(jobs[j].traffic);
        if (step_ps > longest_ps) longest_ps = step_ps;
    }
    *longest_ps_out = longest_ps;
    fabric->intervals = intervals_for(longest_ps, fabric->run->trace.intervals);
    return status_ok();
}

/// Several jobs, or one of traffic, are played moment by moment; one of training by whoever costs less.
static void open_players(Fabric *fabric, RunJob jobs[]) {
    bool alone = fabric->run->njobs == 1 && jobs[0].machine;
    for (int32_t j = 0; j < fabric->run->njobs; j++) {
        Machine *machine = jobs[j].machine;
        if (alone) {
            player_choose(machine);
        } else if (machine) {
            event_player_open(machine);
            jobs[j].job = event_job(machine);
        } else {
            jobs[j].job = traffic_job(jobs[j].traffic);
        }
    }
    if (!fabric->engine) fabric_open(fabric);
}

static Status open_recorder(Fabric *fabric, const RunJob jobs[], Recorder *recorder,
                            const DriverOptions *options) {
    RecordedJob recorded[RUN_JOBS_MAX];
    for (int32_t j = 0; j < fabric->run->njobs; j++)
        recorded[j] = (RecordedJob){
            jobs[j].machine ? &jobs[j].machine->layout.placement : &jobs[j].traffic->placement,
            jobs[j].machine};
    const bool players = jobs[0].machine && jobs[0].machine->player->divides;
    const bool divided = (players || fabric->ops->serve) && fabric->nranks > 1;
    TRY(recorder_open(recorder, divided, options->command_line));
    return recorder_static_gpus(recorder, recorded);
}

static Status play_jobs(const Fabric *fabric, RunJob jobs[]) {
    Machine *machine = jobs[0].machine;
    if (fabric->run->njobs == 1 && machine) return machine->player->play(machine);
    Job *job[RUN_JOBS_MAX];
    for (int32_t j = 0; j < fabric->run->njobs; j++) job[j] = &jobs[j].job;
    return moments_play(job, fabric->run->njobs);
}

/// What playing has cost.
static void note_costs(const Fabric *fabric, const RunJob jobs[], const Toll *toll,
                       Recorder *recorder, FILE *out) {
    EngineSizes sizes = fabric->ops->sizes(fabric->engine);
    PlayerStats stats = {0};
    int64_t ngpus = 0;
    for (int32_t j = 0; j < fabric->run->njobs; j++) {
        const Machine *machine = jobs[j].machine;
        if (machine) {
            if (machine->player->stats) stats = machine->player->stats(machine);
            sizes.transfers += stats.transfers;
            ngpus += machine->layout.nreplicas * machine->layout.units.stages *
                     machine->layout.units.width;
        } else {
            ngpus += cluster_ngpus(fabric->cluster);
        }
    }
    Bill bill = toll_settle(toll, fabric->comm, &stats, recorder->nrepeated, recorder->trace);
    if (out && fabric->rank == 0)
        report_bill(out, &bill, fabric->nranks, fabric->ops->serve != NULL);
    footprint_count(&recorder->footprint, ngpus, sizes);
}

static void close_jobs(const Fabric *fabric, RunJob jobs[]) {
    for (int32_t j = 0; j < fabric->run->njobs; j++) {
        machine_destroy(jobs[j].machine);
        traffic_close(jobs[j].traffic);
    }
}

static Status play_fabric(Fabric *fabric, const DriverOptions *options, Recorder *recorder) {
    RunJob jobs[RUN_JOBS_MAX] = {0};
    Speech speech = {.recorder = recorder,
                     .job = jobs,
                     .options = options,
                     .begin_s = comm_clock_s(),
                     .spoke_s = comm_clock_s(),
                     .steps = fabric->run->njobs == 1 ? fabric->run->job[0].steps : 0};
    Status status = open_jobs(fabric, jobs, &speech.for_ps);
    if (status_is_ok(&status)) {
        open_players(fabric, jobs);
        fabric->listener = (FabricListener){&speech, say_progress, cut_interval, keep_step};
        fabric->stop = options->stop;
        status = open_recorder(fabric, jobs, recorder, options);
        Toll toll = toll_begin(fabric->comm);
        if (status_is_ok(&status)) status = play_jobs(fabric, jobs);
        note_costs(fabric, jobs, &toll, recorder, jobs[0].machine ? options->progress : NULL);
    }
    close_jobs(fabric, jobs);
    fabric_close(fabric);
    return status;
}

static const char *closing_word(const Status *status) {
    if (status_is_ok(status)) return "complete";
    return status->code == STATUS_STOPPED ? "stopped" : "failed";
}

static Status play(const RunSpec *run, Cluster *cluster, Comm *comm, const DriverOptions *options) {
    double wall_begin_s = comm_clock_s();
    Fabric fabric = fabric_make(run, cluster, comm);
    Recorder recorder = {.fabric = &fabric};
    Status status = comm_agree(comm, play_fabric(&fabric, options, &recorder));
    footprint_gather(&recorder.footprint, comm);
    if (recorder.trace && status.code != STATUS_OUTPUT) {
        double seconds[2] = {comm_clock_s() - wall_begin_s, cpu_s()};
        (void)trace_run_double(recorder.trace, "wall_s", seconds[0]);
        (void)trace_run_double(recorder.trace, "cpu_s_rank0", seconds[1]);
        footprint_note(&recorder.footprint, recorder.trace);
    }
    Status closed = recorder_close(&recorder, closing_word(&status), status.text);
    // A trace that could not be ended is worse than that the run was stopped.
    if (status_is_ok(&status) || (status.code == STATUS_STOPPED && !status_is_ok(&closed)))
        status = closed;
    bool root = comm_rank(comm) == 0;
    // Of a run that failed there is nothing to tell but why.
    const bool told = root && (status_is_ok(&status) || status.code == STATUS_STOPPED);
    if (told && options->table) report_print(options->table, &recorder);
    if (told && options->object) report_json_run(options->object, &recorder);
    if (root && options->json && status_is_ok(&status)) report_json(options->json, &recorder);
    if (root && options->memory)
        report_memory(options->table ? options->table : stdout, &recorder.footprint);
    array_free(&recorder.step);
    return status;
}

Status driver_run(const RunSpec *run, Comm *comm, const DriverOptions *options) {
    Cluster *cluster = NULL;
    TRY(cluster_create(&run->cluster, &cluster));
    Status status = play(run, cluster, comm, options);
    cluster_destroy(cluster);
    return status;
}
