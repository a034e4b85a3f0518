#include "effects/noise.h"

#include <math.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/wide.h"

/// Draws after which a truncated normal gives up (see below); draws of one (entity, step) stay
/// apart by it.
enum { NOISE_DRAWS = 16 };

/// The mean extra of a straggler is cut at this many means.
#define NOISE_STRAGGLER_CUT 10.0

/// Standard normal cut at `cut` sigmas, by drawing again. When the cut is so narrow that
/// NOISE_DRAWS misses are likely (at 1 sigma: 1e-8), the density inside is flat, and a uniform draw
/// is the distribution.
static double noise_truncated(const NoiseSpec *spec, RngPurpose purpose, uint64_t entity,
                              uint64_t index) {
    double cut = spec->truncate;
    if (!(cut > 0)) return 0;
    uint64_t first = index * (NOISE_DRAWS + 1);
    for (uint64_t draw = 0; draw < NOISE_DRAWS; draw++) {
        double z = rng_normal(spec->seed, purpose, entity, first + draw);
        if (fabs(z) <= cut) return z;
    }
    return cut * (2 * rng_uniform(spec->seed, purpose, entity, first + NOISE_DRAWS) - 1);
}

/// Extra of a straggler, relative: 0 in most steps.
static double noise_straggler(const NoiseSpec *spec, uint64_t entity, uint64_t step) {
    if (!(spec->straggler_probability > 0)) return 0;
    double lot = rng_uniform(spec->seed, RNG_STRAGGLER, entity, step);
    if (lot >= spec->straggler_probability) return 0;
    double size = -log1p(-rng_uniform(spec->seed, RNG_STRAGGLER_SIZE, entity, step));
    return spec->straggler_slowdown * fmin(size, NOISE_STRAGGLER_CUT);
}

static int64_t noise_from_real(double factor) {
    int64_t scaled = llround(factor * (double)NOISE_ONE);
    return scaled < NOISE_ONE / 2 ? NOISE_ONE / 2 : scaled;
}

int64_t noise_factor(const NoiseSpec *spec, int64_t gpu, int64_t step) {
    uint64_t entity = (uint64_t)gpu, index = (uint64_t)step;
    double factor = 1;
    if (spec->gpu_sigma > 0) {
        factor += spec->gpu_sigma * fabs(noise_truncated(spec, RNG_GPU_SPEED, entity, 0));
    }
    if (spec->step_sigma > 0) {
        factor *= 1 + spec->step_sigma * noise_truncated(spec, RNG_STEP_FACTOR, entity, index);
    }
    factor *= 1 + noise_straggler(spec, entity, index);
    return noise_from_real(factor);
}

/// Deviations at which the draws of routing are cut.
#define NOISE_ROUTING_CUT 3.0

int64_t noise_routing_factor(uint64_t seed, double sigma, int64_t unit, int64_t step) {
    if (sigma == 0) return NOISE_ONE;
    const NoiseSpec spec = {.seed = seed, .truncate = NOISE_ROUTING_CUT};
    return noise_from_real(
        1 + sigma * noise_truncated(&spec, RNG_ROUTING, (uint64_t)unit, (uint64_t)step));
}

int64_t noise_routing_least(double sigma) { return noise_from_real(1 - sigma * NOISE_ROUTING_CUT); }

/// Static slowdown and straggler only add, so the fastest is the fastest jitter.
int64_t noise_least_factor(const NoiseSpec *spec) {
    double jitter =
        spec->step_sigma > 0 && spec->truncate > 0 ? spec->step_sigma * spec->truncate : 0;
    return noise_from_real(1 - jitter);
}

double noise_most(const NoiseSpec *spec) {
    double straggler =
        spec->straggler_probability > 0 ? spec->straggler_slowdown * NOISE_STRAGGLER_CUT : 0;
    return (1 + spec->gpu_sigma * spec->truncate) * (1 + spec->step_sigma * spec->truncate) *
           (1 + straggler);
}

int64_t noise_apply(int64_t nominal_ps, int64_t factor) {
    DCHECK(nominal_ps >= 0 && factor > 0, "noise on %lld ps by %lld", (long long)nominal_ps,
           (long long)factor);
    return (int64_t)(((Wide)nominal_ps * factor + NOISE_ONE / 2) / NOISE_ONE);
}

bool noise_is_off(const NoiseSpec *spec) {
    bool still = !(spec->truncate > 0) || (spec->gpu_sigma == 0 && spec->step_sigma == 0);
    return still && !(spec->straggler_probability > 0);
}

bool noise_is_steady(const NoiseSpec *spec) {
    bool jitters = spec->step_sigma > 0 && spec->truncate > 0;
    return !jitters && !(spec->straggler_probability > 0);
}
