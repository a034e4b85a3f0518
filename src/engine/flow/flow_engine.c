#include "engine/flow/flow.h"

const EngineOps FLOW_ENGINE = {
    .name = FLOW_NAME,
    .apart = true,
    .create = flow_create,
    .destroy = flow_destroy,
    .submit = flow_submit,
    .next_ps = flow_next_ps,
    .now_ps = flow_now_ps,
    .advance = flow_advance,
    .drain = flow_drain,
    .nunfinished = flow_nunfinished,
    .alone_ps = flow_alone_ps,
    .step_links = flow_step_links,
    .step_clear = flow_step_clear,
    .step_culprits = flow_step_culprits,
    .sample_into = flow_sample_into,
    .restart_intervals = flow_restart_intervals,
    .refresh = flow_refresh,
    .sizes = flow_sizes,
};
