/// rng.h: counter-based random numbers: a pure function of (seed, purpose, entity, draw).
///
/// Idea.    No state, hence the same numbers for any number of ranks and any order of evaluation.
/// Source.  Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox4x32-10,
///          Random123).
#ifndef COLOSSIM_BASE_RNG_H
#define COLOSSIM_BASE_RNG_H

#include <stdint.h>

/// What a draw is for; one purpose per use in the whole program, so that streams never meet.
typedef enum RngPurpose {
    RNG_TEST = 1,
    RNG_GPU_SPEED,
    RNG_STEP_FACTOR,
    RNG_STRAGGLER,
    RNG_STRAGGLER_SIZE,
    RNG_PLACEMENT,
    RNG_ECMP,
    RNG_TRAFFIC,
    RNG_ROUTING,
} RngPurpose;

/// 64 uniform bits.
uint64_t rng_bits(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw);
/// Uniform double in [0, 1), 53 bits.
double rng_uniform(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw);
/// Standard normal (Box-Muller, one output per draw).
double rng_normal(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw);
/// Mix two words into one, for hashes that need speed rather than quality guarantees of Philox.
static inline uint64_t rng_mix(uint64_t a, uint64_t b) {
    uint64_t z = a * UINT64_C(0x9E3779B97F4A7C15) + b + UINT64_C(0xD1B54A32D192ED03);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

#endif
