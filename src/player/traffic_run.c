#include "player/traffic_run.h"

#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/units.h"

#define LABEL "traffic"

/// What the job moves, on the rank that plays it.
static Status load(TrafficRun *traffic, Comm *comm) {
    int64_t asked = traffic->job->traffic.ranks;
    const ClusterSpec *machine = cluster_spec(traffic->cluster);
    traffic->ranks = asked > 0 ? asked : placement_room(&traffic->job->placement, machine);
    TRY(placement_init(&traffic->placement, &traffic->job->placement,
                       cluster_spec(traffic->cluster), traffic->ranks, 1));
    return comm_agree(comm, traffic->plays ? traffic->ops->load(traffic) : status_ok());
}

// The traffic as a job.

static TrafficRun *traffic_of(const Job *job) { return job->state; }

/// One repetition: from the end of the one before to the last byte.
static Status job_begin(Job *job, int64_t now_ps) {
    TrafficRun *traffic = traffic_of(job);
    traffic->now =
        (TrafficStep){.begin_ps = now_ps, .end_ps = now_ps, .moves_before = traffic->now.moves};
    return traffic->ops->begin(traffic);
}

static int64_t job_next_ps(const Job *job) {
    const TrafficRun *traffic = traffic_of(job);
    return traffic->ended ? TIME_NEVER_PS : traffic->ops->next_ps(traffic);
}

/// Nothing is left: the step has ended.
static Status job_due(Job *job, int64_t now_ps) {
    TrafficRun *traffic = traffic_of(job);
    if (traffic->ended || traffic->step >= traffic->job->steps) return status_ok();
    TRY(traffic->ops->due(traffic, now_ps));
    traffic->ended = traffic->ops->nleft(traffic) == 0;
    return status_ok();
}

static Status job_complete(Job *job, const Completion *done) {
    TrafficRun *traffic = traffic_of(job);
    const int64_t begin_ps = traffic->now.begin_ps;
    traffic->now.moves +=
        fingerprint_of(done->tag, done->start_ps - begin_ps, done->end_ps - begin_ps);
    if (done->end_ps > traffic->now.end_ps) traffic->now.end_ps = done->end_ps;
    return traffic->ops->complete(traffic, done);
}

static Transfer job_describe(Job *job, int64_t tag) {
    TrafficRun *traffic = traffic_of(job);
    return traffic_transfer(traffic, tag, &traffic->asked);
}

static int32_t job_steps(const Job *job) { return traffic_of(job)->step + traffic_of(job)->ended; }

/// Its end also ends sampling intervals.
static void job_share(Job *job) {
    TrafficRun *traffic = traffic_of(job);
    // The cluster may still change where it is played.
    traffic->now.still_from = job->fabric->change_ps < TIME_NEVER_PS ? INT32_MAX : job->still_step;
    comm_broadcast(job->fabric->comm, &traffic->now, sizeof traffic->now, 0);
    if (job->fabric->run->njobs == 1) fabric_cut(job->fabric, traffic->now.end_ps);
}

/// All that follow are the step that was played, if it was that before it: what it left on the links is what it found
/// there, transfers that have ended and are still felt, which are told by their ends.
static bool job_repeats(Job *job) {
    TrafficRun *traffic = traffic_of(job);
    const TrafficStep *now = &traffic->now;
    bool same = job->fabric->run->repeat && traffic->step > 0 &&
                traffic->step + 1 < traffic->job->steps && now->moves == now->moves_before &&
                now->end_ps > now->begin_ps && traffic->step >= now->still_from;
    if (same) traffic->later_ps = now->end_ps - now->begin_ps;
    return same;
}

static Status job_again(Job *job, int64_t *later_ps) {
    TrafficRun *traffic = traffic_of(job);
    *later_ps = traffic->later_ps;
    TRY(run_check_time(traffic->now.end_ps + traffic->later_ps));
    traffic->step++;
    traffic->now.begin_ps += traffic->later_ps;
    traffic->now.end_ps += traffic->later_ps;
    return status_ok();
}

static Status job_go_on(Job *job, int64_t now_ps) {
    TrafficRun *traffic = traffic_of(job);
    traffic->step++;
    traffic->ended = false;
    bool more = traffic->plays && traffic->step < traffic->job->steps;
    return more ? job_begin(job, now_ps) : status_ok();
}

static Status job_stuck(Job *job) {
    const TrafficRun *traffic = traffic_of(job);
    Status mine = status_ok();
    if (traffic->plays && traffic->ops->nleft(traffic) > 0) mine = traffic->ops->stuck(traffic);
    return comm_agree(job->fabric->comm, mine);
}

Status traffic_open(Fabric *fabric, int32_t number, TrafficRun **out) {
    TrafficRun *traffic = memory_alloc(LABEL, sizeof *traffic);
    *out = traffic;
    *traffic = (TrafficRun){.fabric = fabric,
                            .number = number,
                            .job = &fabric->run->job[number],
                            .cluster = fabric->cluster,
                            .plays = fabric->rank == 0};
    traffic->ops =
        traffic_is_graph(traffic->job->traffic.pattern) ? &TRAFFIC_GRAPH_OPS : &TRAFFIC_FLOW_OPS;
    return load(traffic, fabric->comm);
}

void traffic_close(TrafficRun *traffic) {
    if (!traffic) return;
    if (traffic->moves) traffic->ops->unload(traffic);
    memory_free(LABEL, traffic, sizeof *traffic);
}

int64_t traffic_estimate_ps(const TrafficRun *traffic) {
    int64_t estimate_ps = traffic->estimate_ps;
    comm_broadcast(traffic->fabric->comm, &estimate_ps, sizeof estimate_ps, 0);
    return estimate_ps;
}

Job traffic_job(TrafficRun *traffic) {
    static const JobOps OPS = {
        .begin = job_begin,
        .next_ps = job_next_ps,
        .due = job_due,
        .complete = job_complete,
        .describe = job_describe,
        .steps = job_steps,
        .share = job_share,
        .repeats = job_repeats,
        .again = job_again,
        .go_on = job_go_on,
        .stuck = job_stuck,
    };
    return (Job){.ops = &OPS,
                 .state = traffic,
                 .fabric = traffic->fabric,
                 .spec = traffic->job,
                 .number = traffic->number};
}
