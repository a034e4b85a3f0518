/// certainty.h: between what bounds a step is likely to lie, by what published runs like it took.
///
/// Idea.    scripts/validate plays every published run and writes, for each class of runs (experts or none, GPUs, size of
///          the job), between which shares of the emulated step 8 in 10 of the published ones lie
///          (topologies/residuals/published.yaml). A run belongs to the first class of the list that it fits; the
///          last ones take all, so that a run unlike any gets the widest bounds.
/// Limits.  The bounds say how far the model was off where it could be held against a measurement. Runs of one table share
///          unknowns, so bounds of few runs are too narrow. Nothing is known of sizes above the largest published.
#ifndef COLOSSIM_WORKLOAD_CERTAINTY_H
#define COLOSSIM_WORKLOAD_CERTAINTY_H

#include <stdbool.h>
#include <stdint.h>

#include "hardware/hardware.h"

enum { CERTAINTY_CLASSES_MAX = 64, CERTAINTY_GPUS_MAX = 16 };

typedef struct CertaintyGpu {
    char name[HARDWARE_NAME_BYTES];
} CertaintyGpu;

/// Runs of one kind, and what they took.
typedef struct CertaintyClass {
    char name[64];
    bool experts;
    CertaintyGpu gpu[CERTAINTY_GPUS_MAX]; ///< entries of the catalogue; none: any
    int32_t ngpu;
    int64_t least_gpus, most_gpus; ///< of a job; most 0: any
    int32_t runs;                  ///< published runs behind the bounds
    double least, most;            ///< published step over emulated step
} CertaintyClass;

/// The table; nclasses 0: none was found.
typedef struct CertaintySpec {
    char name[HARDWARE_NAME_BYTES];
    int64_t largest_dense, largest_experts; ///< GPUs of the largest published runs
    CertaintyClass class[CERTAINTY_CLASSES_MAX];
    int32_t nclasses;
} CertaintySpec;

/// The class of a job, or NULL.
const CertaintyClass *certainty_class(const CertaintySpec *spec, bool experts, const char *gpu,
                                      int64_t job_gpus);
/// GPUs of the largest published run with or without experts; 0: there is no table.
int64_t certainty_largest(const CertaintySpec *spec, bool experts);

#endif
