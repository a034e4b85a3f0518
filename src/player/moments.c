#include "player/moments.h"

#include "base/units.h"

enum { DRAIN_BATCH = 256 };

Status job_tell(Job *job, int64_t later_ps) {
    TRY(fabric_tell_step(job->fabric, job->number, job->told, later_ps));
    job->told++;
    return status_ok();
}

Status job_tell_rest(Job *job) {
    while (job->told < job->spec->steps) {
        int64_t later_ps;
        TRY(fabric_check_stop(job->fabric, job->told - 1, false));
        TRY(job->ops->again(job, &later_ps));
        TRY(job_tell(job, later_ps));
    }
    return status_ok();
}

typedef struct Moments {
    Fabric *fabric;
    Job *const *job; ///< [n]
    int32_t n;
    bool *begun; ///< not yet: it waits for its start
    int64_t now_ps;
} Moments;

/// What rank 0 tells the others when a step is over, or the run.
typedef struct News {
    Status failure;
    int32_t job;     ///< whose step is over; -1: nothing is under way
    int64_t next_ps; ///< then: TIME_NEVER_PS, or too late for a run
} News;

static int64_t next_ps(const Moments *moments) {
    int64_t next_ps = moments->fabric->ops->next_ps(moments->fabric->engine);
    if (moments->fabric->change_ps < next_ps) next_ps = moments->fabric->change_ps;
    for (int32_t j = 0; j < moments->n; j++) {
        const Job *job = moments->job[j];
        int64_t own_ps = TIME_NEVER_PS;
        if (!moments->begun[j])
            own_ps = job->spec->start_ps;
        else if (job->ops->next_ps)
            own_ps = job->ops->next_ps(job);
        if (own_ps < next_ps) next_ps = own_ps;
    }
    return next_ps;
}

/// Tell jobs of their transfers that have ended.
static Status complete(const Moments *moments) {
    const Fabric *fabric = moments->fabric;
    Completion done[DRAIN_BATCH];
    int64_t n;
    do {
        n = fabric->ops->drain(fabric->engine, done, DRAIN_BATCH);
        for (int64_t i = 0; i < n; i++) {
            Job *job = moments->job[fabric_tag_job(done[i].tag)];
            done[i].tag = fabric_tag_own(done[i].tag);
            TRY(job->ops->complete(job, &done[i]));
        }
    } while (n == DRAIN_BATCH);
    return status_ok();
}

static Transfer describe(void *context, int64_t tag) {
    const Moments *moments = context;
    Job *job = moments->job[fabric_tag_job(tag)];
    return job->ops->describe(job, fabric_tag_own(tag));
}

/// The cluster changes now: what is under way goes on as it can.
static Status change(Moments *moments, int64_t now_ps) {
    Fabric *fabric = moments->fabric;
    cluster_set_time(fabric->cluster, now_ps);
    fabric->change_ps = cluster_next_change_ps(fabric->cluster, now_ps);
    for (int32_t j = 0; j < moments->n; j++) {
        Job *job = moments->job[j];
        if (!moments->begun[j]) continue;
        job->still_step = job->told + 2; // some of it may be in the next already
        if (job->ops->change) job->ops->change(job, now_ps);
    }
    if (!fabric->ops->refresh) return status_ok(); // then only GPUs change
    return fabric->ops->refresh(fabric->engine, (TransferSource){describe, moments});
}

static Status play_moment(Moments *moments, int64_t now_ps) {
    Fabric *fabric = moments->fabric;
    moments->now_ps = now_ps;
    fabric->ops->advance(fabric->engine, now_ps);
    if (fabric->ops->stuck) TRY(fabric->ops->stuck(fabric->engine));
    fabric_tell_time(fabric, now_ps);
    if (fabric->change_ps == now_ps) TRY(change(moments, now_ps));
    TRY(complete(moments));
    for (int32_t j = 0; j < moments->n; j++) {
        Job *job = moments->job[j];
        if (!moments->begun[j] && job->spec->start_ps == now_ps) {
            moments->begun[j] = true;
            TRY(job->ops->begin(job, now_ps));
        }
        if (moments->begun[j] && job->ops->due) TRY(job->ops->due(job, now_ps));
    }
    return status_ok();
}

/// The first job with a step that is over and not written; -1: none.
static int32_t job_with_step(const Moments *moments) {
    for (int32_t j = 0; j < moments->n; j++)
        if (moments->job[j]->ops->steps(moments->job[j]) > moments->job[j]->told) return j;
    return -1;
}

/// Play until a step is over, a job fails, or nothing is under way.
static Status play(Moments *moments, News *news) {
    while ((news->job = job_with_step(moments)) < 0 &&
           (news->next_ps = next_ps(moments)) < TIME_END_PS) {
        TRY(play_moment(moments, news->next_ps));
        REQUIRE(fabric_stop_asked(moments->fabric) != STOP_NOW, STATUS_STOPPED,
                "stopped on request in step %d", moments->job[0]->told);
    }
    return status_ok();
}

static bool all_done(const Moments *moments) {
    for (int32_t j = 0; j < moments->n; j++)
        if (moments->job[j]->told < moments->job[j]->spec->steps) return false;
    return true;
}

/// Why no step has ended.
static Status say_why(const Moments *moments, const News *news) {
    TRY(news->failure);
    if (news->next_ps < TIME_NEVER_PS) TRY(run_check_time(news->next_ps));
    for (int32_t j = 0; j < moments->n; j++) TRY(moments->job[j]->ops->stuck(moments->job[j]));
    return status_make(STATUS_STUCK, "the run cannot go on: nothing is under way");
}

/// Take part in what the engine of rank 0 does.
static void serve(Fabric *fabric) {
    for (Served why; (why = fabric->ops->serve(fabric->engine)) != SERVED_DISMISSED;) {
        const int64_t now_ps = fabric->ops->now_ps(fabric->engine);
        if (why == SERVED_CUT) {
            fabric_cut(fabric, now_ps);
            continue;
        }
        cluster_set_time(fabric->cluster, now_ps);
        fabric->ops->refresh(fabric->engine, (TransferSource){0}); // rank 0 says if that fails
    }
}

static Status play_all(Moments *moments) {
    Fabric *fabric = moments->fabric;
    while (!all_done(moments)) {
        News news = {.failure = status_ok(), .job = -1};
        if (fabric->ops->serve) serve(fabric);
        if (fabric->rank == 0) news.failure = play(moments, &news);
        if (fabric->rank == 0 && fabric->ops->dismiss) fabric->ops->dismiss(fabric->engine);
        comm_await(fabric->comm, &news, sizeof news, 0);
        if (!status_is_ok(&news.failure) || news.job < 0) return say_why(moments, &news);
        Job *job = moments->job[news.job];
        if (job->ops->share) job->ops->share(job);
        // Steps of several jobs end at different moments: their rows are between those.
        if (moments->n > 1) fabric_cut(fabric, fabric->ops->now_ps(fabric->engine));
        bool repeats = moments->n == 1 && job->ops->repeats(job);
        TRY(job_tell(job, 0));
        if (repeats) return job_tell_rest(job);
        TRY(fabric_check_stop(fabric, moments->job[0]->told - 1, all_done(moments)));
        TRY(comm_agree(fabric->comm, job->ops->go_on(job, moments->now_ps)));
    }
    return status_ok();
}

Status moments_play(Job *const job[], int32_t n) {
    bool begun[RUN_JOBS_MAX] = {false};
    Moments moments = {.fabric = job[0]->fabric, .job = job, .n = n, .begun = begun};
    return play_all(&moments);
}
