/// published.h: published runs as specs, for tests of the workload layer (which knows no YAML).
///
/// The hardware figures repeat topologies/hardware/*.yaml, where the source of each stands.
#ifndef COLOSSIM_TESTS_WORKLOAD_PUBLISHED_H
#define COLOSSIM_TESTS_WORKLOAD_PUBLISHED_H

#include "workload/cost.h"

typedef struct PublishedRun {
    const char *name;
    ModelSpec model;
    ParallelSpec parallel;
    TrainingSpec training;
    GpuSpec gpu;
    ScaleUpSpec scale_up;
    double nic_Bps; ///< goodput of the NIC of a GPU
    double step_lo_s, step_hi_s;
} PublishedRun;

GpuSpec published_a100(void);
GpuSpec published_h100(void);
ScaleUpSpec published_nvlink_a100(void);
ScaleUpSpec published_nvlink_h100(void);

/// GPT-3 175B on 64 A100, selective recompute: arXiv:2205.05198, table 5.
PublishedRun published_q(void);
/// GPT 177B on 2304 H100: Megatron-LM README, weak scaling, core r0.8.
PublishedRun published_c07(void);
/// Llama-3.1-405B on 8192 H100: arXiv:2407.21783, table 4.
PublishedRun published_p1(void);
/// The same weakly scaled to 99,840 GPUs.
PublishedRun published_colossus(void);

#endif
