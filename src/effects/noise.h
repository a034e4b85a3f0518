/// noise.h: how much slower than nominal a GPU computes in a step.
///
/// Idea.    factor = static(gpu) * jitter(gpu, step) * straggler(gpu, step), each a pure function
///          of the seed. Static: a truncated half-normal slowdown per GPU (chips of one node
///          differ). Jitter: a truncated normal per GPU and step. Straggler: with a small
///          probability per GPU and step, a large factor. Factors are integers in units of 2^-20.
/// Limits.  One factor per GPU and step; what is slow because somebody said so, and when, is in cluster/trouble.h.
/// Source.  See jobs/keys.md for the figures and where they come from.
#ifndef COLOSSIM_EFFECTS_NOISE_H
#define COLOSSIM_EFFECTS_NOISE_H

#include <stdbool.h>
#include <stdint.h>

#define NOISE_ONE INT64_C(1048576) /* 2^20: nominal speed */

typedef struct NoiseSpec {
    uint64_t seed;
    double gpu_sigma;             ///< static, relative
    double step_sigma;            ///< per GPU and step, relative
    double truncate;              ///< both cut at this many sigmas; 0: no static, no jitter
    double straggler_probability; ///< per GPU and step
    /// mean extra, relative (0.3: 30 % slower), exponential, cut at 10 times the mean
    double straggler_slowdown;
} NoiseSpec;

/// Time multiplier of GPUs that wait for each other's experts (`unit`) in a step: 1 + sigma times a truncated normal.
/// The least of it.
int64_t noise_routing_factor(uint64_t seed, double sigma, int64_t unit, int64_t step);
int64_t noise_routing_least(double sigma);

/// Time multiplier of a GPU in a step, in 2^-20; >= 2^19. MPI: local.
int64_t noise_factor(const NoiseSpec *spec, int64_t gpu, int64_t step);
/// Is every factor NOISE_ONE?
bool noise_is_off(const NoiseSpec *spec);
/// Is the factor of a GPU the same in every step?
bool noise_is_steady(const NoiseSpec *spec);
/// The least value noise_factor can take.
int64_t noise_least_factor(const NoiseSpec *spec);
/// No noise_factor is above this, in times the nominal.
double noise_most(const NoiseSpec *spec);
/// nominal_ps * factor / 2^20, rounded to nearest, ties up; nominal_ps >= 0.
int64_t noise_apply(int64_t nominal_ps, int64_t factor);

#endif
