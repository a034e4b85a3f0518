#include "config/explain_check.h"

/// Of the training jobs; 0: none trains.
static int64_t most_steps(const CrossCheck *files) {
    int64_t most = 0;
    for (int32_t i = 0; i < files->njobs; i++) {
        const JobSpec *job = &files->job[i].file->job;
        if (job->kind == JOB_TRAINING && job->steps > most) most = job->steps;
    }
    return most;
}

void explain_check(Reader *reader, const CrossCheck *files) {
    const Node *root = files->job[0].root;
    const TraceSpec *trace = &files->job[0].file->trace;
    const int64_t steps = most_steps(files);
    if (trace->explain && steps == 0)
        reader_error(reader, root, "trace.explain",
                     "explain is on, but no job trains: only training has steps to explain");
    else if (trace->explain_step >= 0 && !trace->explain)
        reader_error(reader, root, "trace.explain_step",
                     "explain_step is given, but explain is off");
    else if (trace->explain_step >= steps && trace->explain)
        reader_error(reader, root, "trace.explain_step",
                     "explain_step is %d, but steps are 0 to %lld", (int)trace->explain_step,
                     (long long)steps - 1);
}
