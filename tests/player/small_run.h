/// small_run.h: a small cluster and a small job, built by hand, for the tests of the driver.
#ifndef COLOSSIM_TESTS_PLAYER_SMALL_RUN_H
#define COLOSSIM_TESTS_PLAYER_SMALL_RUN_H

#include "driver/machine.h"
#include "driver/player.h"
#include "engine/engines.h"
#include "observe/record.h"

/// `nodes` nodes of 4 GPUs behind leaves of 4 nodes and full bisection; a GPT of 8 layers, width 512, tp 2.
///   Free with small_run_fini.
void small_run_init(RunSpec *run, int64_t nodes, int32_t pp, int32_t dp, Schedule schedule,
                    int32_t chunks, int32_t microbatches);
void small_run_fini(RunSpec *run);
/// GPUs that take `times` as long for whatever they compute.
GpuSpec small_run_slower_gpu(const GpuSpec *of, double times);

/// What a played run leaves, summed or gathered over all ranks.
typedef struct Played {
    int64_t end_ps;                ///< of the last step
    uint64_t fingerprint;          ///< of all steps
    uint64_t links;                ///< of the totals of every link in every step
    int64_t part_ps[TRACE_PART_N]; ///< sums over units and steps
    int64_t *unit_part_ps; ///< [nunits][TRACE_PART_N], summed over steps; equal on all ranks
    int64_t nunits;
    int64_t islands; ///< replicas played apart; 0: event by event
    int32_t ntold;   ///< steps that were not played; of their links nothing is kept
} Played;

/// Play on `comm`; CHECKs that the run succeeds.  MPI: collective.
Played small_run_play(const RunSpec *run, Comm *comm);
/// The same with every chunk costing forward_ps and backward_ps, half of it for gradients of weights, and nothing else
/// costing compute.
Played small_run_play_even(const RunSpec *run, Comm *comm, int64_t forward_ps, int64_t backward_ps);
/// Play with a recorder that writes no file: sums over steps of what it tells of them, means over GPUs in ps. Returns their
/// durations, of GPUs in the mean, too.
double small_run_record(const RunSpec *run, Comm *comm, double mean_part_ps[TRACE_PART_N]);
/// Play with the last send of stage 0 left out of its program; returns how the run ended.
Status small_run_play_broken(const RunSpec *run, Comm *comm);
void played_fini(Played *played);

#endif
