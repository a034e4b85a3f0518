#include "observe/passes.h"

const char *const PASS_SHARE_NAMES[SHARE_N] = {
    "forward", "backward", "weights", "pairs", "optimizer", "between",
};

static PassShare share_of(const Op *op) {
    switch (op->kind) {
        case OP_FORWARD: return SHARE_FORWARD;
        case OP_BACKWARD_WEIGHT: return SHARE_WEIGHT;
        case OP_OPTIMIZER: return SHARE_OPTIMIZER;
        default: return SHARE_BACKWARD;
    }
}

/// Add the rounds of one stage.
static void add_stage(const Program *program, const OpSpan span[], double sum_ps[SHARE_N]) {
    const int32_t n = program->stream_nops[STREAM_COMPUTE];
    const int32_t *index = program->stream_op[STREAM_COMPUTE];
    for (int32_t i = 0, end; i < n; i = end) {
        const Op *first = &program->op[index[i]];
        PassShare share = share_of(first);
        for (end = i + 1; end < n && program->op[index[end]].round == first->round; end++)
            if (share_of(&program->op[index[end]]) != share) share = SHARE_PAIR;
        sum_ps[share] += (double)(span[end - 1].end_ps - span[i].begin_ps);
        const PassShare before = share == SHARE_OPTIMIZER ? SHARE_OPTIMIZER : SHARE_BETWEEN;
        if (i > 0) sum_ps[before] += (double)(span[i].begin_ps - span[i - 1].end_ps);
    }
    sum_ps[SHARE_BETWEEN] += (double)(span[0].begin_ps - span[n].begin_ps);
}

/// Schedules whose passes are split or beside each other are told of by passes.
static bool are_told(const JobSpec *job) {
    return job->parallel.schedule >= SCHEDULE_ZERO_BUBBLE || job->training.ep_overlap;
}

bool passes_sum(const Machine *machine, int32_t step, PassTimes *times) {
    const bool here = machine->layout.first_replica == 0 && machine->noted.n > 0;
    if (!here || !are_told(machine->job)) return false;
    const int32_t stages = machine->layout.units.stages;
    *times = (PassTimes){.mean_ps = {0}};
    add_stage(machine_program(machine, machine_noted_role(machine, 0), 0),
              machine_spans(machine, 0, 0, step), times->first_ps);
    for (int32_t stage = 0; stage < stages; stage++)
        add_stage(machine_program(machine, machine_noted_role(machine, 0), stage),
                  machine_spans(machine, 0, stage, step), times->mean_ps);
    for (int k = 0; k < SHARE_N; k++) times->mean_ps[k] /= stages;
    return true;
}
