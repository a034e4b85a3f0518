#include "player/job.h"

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
