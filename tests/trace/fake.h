/// fake.h: a made-up run that looks like a training job, as a pure function of (step, GPU, link, interval).
///
/// Idea.    Tests of the trace need content that is the same on any number of ranks and plausible to the eye,
///          not content that is right: no engine is behind it. TP 8, order tp-pp-dp, the last node spare;
///          parameters are gathered at the start of a step and gradients reduced at its end, and that is
///          when the upper tiers are congested.
#ifndef COLOSSIM_TESTS_TRACE_FAKE_H
#define COLOSSIM_TESTS_TRACE_FAKE_H

#include "trace/trace.h"

enum { FAKE_TIERS = 4, FAKE_HOT = 12, FAKE_TP = 8 };

typedef struct Fake {
    int64_t nodes;     ///< of 8 GPUs, at least 2
    int32_t stages;    ///< pipeline
    int32_t intervals; ///< per step
    int32_t trouble;   ///< 0 .. 100: how congested the upper tiers are
    uint64_t seed;
} Fake;

int64_t fake_ngpus(const Fake *fake);
int64_t fake_working(const Fake *fake);
TraceTier fake_tier(const Fake *fake, int t);
int64_t fake_nlinks(const Fake *fake);
int64_t fake_step_start_ps(const Fake *fake, int64_t step);
TraceGpu fake_gpu(const Fake *fake, int64_t gpu);
/// A GPU's step; not working: a spare.
typedef struct FakeGpuStep {
    bool working;
    int64_t duration_ps;
    int64_t part_ps[TRACE_PART_N];
} FakeGpuStep;
FakeGpuStep fake_gpu_step(const Fake *fake, int64_t step, int64_t gpu);
int64_t fake_ncollectives(const Fake *fake);
TraceCollective fake_collective(const Fake *fake, int64_t step, int64_t i);
int64_t fake_nflows(const Fake *fake);
TraceFlow fake_flow(const Fake *fake, int64_t step, int64_t i);
/// `hot` is the caller's room for FAKE_HOT links; the load borrows it. interval < 0: the whole step.
TraceLoad fake_load(const Fake *fake, int64_t step, int64_t interval, TraceHotLink hot[FAKE_HOT]);
TracePower fake_power(const Fake *fake, int64_t step);
int64_t fake_link_bytes(const Fake *fake, int64_t step, int64_t link);

#endif
