/// power_step.h: power and energy of a step that has ended, from the account of its GPUs and the load of its links.
///
/// Idea.    How long GPUs were in each state is in the account, exactly: that makes the energies. When they were is known of
///          some replicas (Noted, driver/machine.h), each unit of which works, communicates or stands still from the end of
///          one operation to that of the next. Summed over those units, that is the shape of each state in time; fitted to
///          the account, it is the power of all, whose integral is the energy. Shapes are whole picoseconds, so ranks can
///          add theirs up in any order.
/// Limits.  Other replicas do as the noted ones in time, and so do all kinds of GPUs. GPUs without a job, and those of
///          traffic, are of each kind as the cluster has them. What a unit waits for between two operations it does all at once,
///          in proportion; so does what an operation holds of communication. A unit's step that begins before that of the
///          job is cut there.
#ifndef COLOSSIM_OBSERVE_POWER_STEP_H
#define COLOSSIM_OBSERVE_POWER_STEP_H

#include "base/wide.h"
#include "driver/machine.h"
#include "observe/power.h"

/// When GPUs work, when they communicate, when they stand still; by phase of a step, in ps, summed over units of a stage.
typedef enum PowerShape { SHAPE_WORK, SHAPE_COMMUNICATION, SHAPE_STILL, POWER_SHAPES } PowerShape;
typedef struct PowerShapes {
    int64_t ps[POWER_SHAPES][TRACE_PHASES];
} PowerShapes;

/// Add amount_ps, spread evenly over [from_ps, to_ps), to the phases between edge_ps; what lies outside is left out.
///   *phase   0 at first; spans come in order, by their begin
void power_shape_add(int64_t phase_ps[TRACE_PHASES], const int64_t edge_ps[TRACE_PHASES + 1],
                     int *phase, int64_t from_ps, int64_t to_ps, int64_t amount_ps);
/// Of the noted replicas of all ranks, on all; shapes[stages].  MPI: collective.
void power_shapes(const Machine *machine, const TraceStep *row, PowerShapes shapes[]);
/// Of a part of a step.
PowerShape power_shape_of(TracePart part);
/// What a GPU of each kind draws in each part of its step; `part_ps` as below.
void power_of_parts(const Machine *machine,
                    const Wide part_ps[CLUSTER_GPU_KINDS_MAX][TRACE_GPU_COLUMNS],
                    double part_W[CLUSTER_GPU_KINDS_MAX][TRACE_PART_N]);
/// What the GPUs of a training job did in a step; of a traffic job.
///   part_ps[kind]  sums over its GPUs of a kind
PowerUse power_use_training(const Machine *machine, const TraceStep *row,
                            const Wide part_ps[CLUSTER_GPU_KINDS_MAX][TRACE_GPU_COLUMNS]);
PowerUse power_use_traffic(const Fabric *fabric, const TraceStep *row);
/// All of it. Load of links: of the step.
///   shapes[stages]  none: the same at all times
void power_of_step(const Fabric *fabric, PowerUse use, const TraceLoad *load,
                   const PowerShapes shapes[], int32_t stages, const TraceStep *row,
                   TracePower *power);

#endif
