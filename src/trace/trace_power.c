#include "base/check.h"
#include "base/memory.h"
#include "trace/slab.h"
#include "trace/trace.h"

/// Columns of a step that are one number.
static const Column NUMBER_COLUMN[] = {
    COLUMN(TRACE_POWER_ENERGY, TracePower, energy_J),
    COLUMN(TRACE_POWER_TOKEN, TracePower, per_token_J),
    COLUMN(TRACE_POWER_MEAN, TracePower, mean_W),
    COLUMN(TRACE_POWER_NODE, TracePower, node_W),
    COLUMN(TRACE_POWER_PEAK, TracePower, peak_W),
    COLUMN(TRACE_POWER_LEAST, TracePower, least_W),
    COLUMN(TRACE_POWER_RAMP, TracePower, ramp_W_per_s),
    COLUMN(TRACE_POWER_SWING, TracePower, swing_W),
    COLUMN(TRACE_POWER_BATTERY, TracePower, battery_J),
    COLUMN(TRACE_POWER_STEP, TracePower, wave_step),
};

/// Columns by tier of the site.
static const Column TIER_COLUMN[] = {
    COLUMN(TRACE_POWER_TIER_UNITS, TraceTierPower, units),
    COLUMN(TRACE_POWER_TIER_HOTTEST, TraceTierPower, hottest),
    COLUMN_OF(TRACE_POWER_TIER_MEAN, TraceTierPower, mean_W, TRACE_PHASES),
    COLUMN_OF(TRACE_POWER_TIER_LEAST, TraceTierPower, least_W, TRACE_PHASES),
    COLUMN_OF(TRACE_POWER_TIER_MOST, TraceTierPower, most_W, TRACE_PHASES),
    COLUMN_OF(TRACE_POWER_TIER_HOTTEST_W, TraceTierPower, hottest_W, TRACE_PHASES),
};

/// The datasets of the parts follow each other in the schema.
static Status write_parts(Trace *trace, const TracePower *power, int64_t row, int64_t n) {
    Status status = status_ok();
    for (int part = 0; part < TRACE_ENERGY_N; part++)
        slab_keep(&status, slab_write_rows(trace, TRACE_POWER_GPU_COMPUTE + (TraceDataset)part, row,
                                           n, n ? &power->part_J[part] : NULL));
    return status;
}

Status trace_write_gpu_energy(Trace *trace, int64_t first, int64_t n, TraceEnergyFill fill,
                              const void *context) {
    CHECK(trace->open && trace->info.training, "no step of a training job is open");
    const size_t bytes = (size_t)n * sizeof(double);
    double *value_J = memory_alloc("trace", bytes);
    fill(context, first, n, value_J);
    Status status = slab_write_packed(trace, TRACE_POWER_GPU, 1, first, n, value_J);
    memory_free("trace", value_J, bytes);
    return slab_leave(trace, status);
}

Status trace_write_power(Trace *trace, const TracePower *power) {
    CHECK(trace->open, "no step is open");
    const int64_t n = slab_on_root(trace) ? 1 : 0, row = trace->step - 1,
                  waves = n && power->wave_step == row ? 1 : 0;
    Status status = slab_write_columns(trace, NUMBER_COLUMN, COUNT_OF(NUMBER_COLUMN), power,
                                       sizeof *power, 0, row, n);
    slab_keep(&status, write_parts(trace, power, row, n));
    slab_keep(&status,
              slab_write_rows(trace, TRACE_POWER_SITE, row, waves, n ? power->site_W : NULL));
    slab_keep(&status,
              slab_write_rows(trace, TRACE_POWER_GPUS, row, waves, n ? power->gpus_W : NULL));
    return slab_leave(trace, status);
}

Status trace_write_tier_power(Trace *trace, const TraceTierPower tier[]) {
    CHECK(trace->open && trace->info.training, "no step of a training job is open");
    const int64_t n = slab_on_root(trace) && tier ? trace->info.nsite_tiers : 0;
    return slab_leave(trace, slab_write_columns(trace, TIER_COLUMN, COUNT_OF(TIER_COLUMN), tier,
                                                sizeof *tier, 1, 0, n));
}
