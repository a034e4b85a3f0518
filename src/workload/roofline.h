/// roofline.h: time of one Work on a GPU, and of a tensor-parallel collective in its domain.
///
/// Idea.    GEMM        T = sqrt(Tc^2 + Tm^2) + launch. Tm: traffic at stream bandwidth. Tc: FLOP at
///                      a rate read from the measured table by problem size (m n k)^(1/3), straight
///                      lines in log-log between points, above the last going on up to the best
///                      rate ever measured, constant *time* below the first (a small kernel costs
///                      its latency). Thin shapes pay whole 128-wide tiles. The root of squares
///                      stands between "perfectly overlapped" (max) and "one after the other"
///                      (sum); measured points come back, since each point's Tm is taken out when
///                      its Tc is read off.
///          attention   FLOP at the kernel's measured rate, less for narrow heads and short sequences, or
///                      traffic, whichever is longer.
///          memory      bytes at 0.91 of stream bandwidth + launch.
///          accumulate  what adding into an accumulator reads and writes beyond a plain result stands
///                      behind the products of a tile: half of it is added to the GEMM, of experts'
///                      products nearly all.
///          launch      a gap between kernels, a shorter one in a CUDA graph. The host launches ahead,
///                      one operation of the framework after the other; a GPU that is faster than
///                      its host waits (cost.c), but for what is in graphs.
///          collective  as collective/tuning.h prices it.
///          overlap     tp_overlap cuts a collective and its GEMM into n pieces; a piece of m / n
///                      rows is computed while the next one is on the wire. Exposed is what n - 1
///                      pieces do not cover: the first of a gather, or the last of a scatter, has
///                      nothing to hide, and of the others a part stays visible (PIECES_REACH); where
///                      the pieces cost more than they hide, nothing is cut.
///                      A collective beside a GEMM takes `scale_up_processor_share` of the GPU from
///                      it, until it would do better not beside it.
///          long runs   keep `sustained_share` of GEMM and attention rates: kernels are measured
///                      alone and cool, training holds the GPU at its power cap. One figure a GPU,
///                      read off published single-node runs that hardly communicate; a table that
///                      was measured warm, in long loops on random data, has its own. A table that
///                      falls towards its largest products met the cap there: the share is of the
///                      highest rate up to a size. A lower cap lowers the clock from there (gpu_power.h).
/// Limits.  The software of the years the tables are from: later libraries run the same GPU faster.
///          No cache reuse between kernels.
/// Source.  Size as the one measure of a shape: in OpenXLA's measured matmul table
///          (xla/service/gpu/model/matmul_interpolator_data.h) shapes of equal m n k lie within a
///          tenth of their mean unless a side is below 512. Pieces: Wang et al., "Overlap
///          communication with dependent computation via decomposition", ASPLOS'23, and Transformer
///          Engine's userbuffers (ring exchange). Share: Isaev et al., Calculon, SC'23. Accumulators
///          and passes over memory: MooreThreads/SimuMax, configs/system, measured on A100 and B200.
#ifndef COLOSSIM_WORKLOAD_ROOFLINE_H
#define COLOSSIM_WORKLOAD_ROOFLINE_H

#include "workload/exchange.h"
#include "workload/transformer.h"

/// Bytes a second of a kernel that passes over its data: measured, or 0.91 of what a copy reaches (A100, SimuMax).
double roofline_pass_Bps(const GpuSpec *gpu);

/// Time of one kernel in seconds; 0 for collectives.
double roofline_work_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training);

/// Of an exchange, what its kernels take to put rows in order.
double roofline_sort_s(const Work *exchange, const GpuSpec *gpu, const TrainingSpec *training);

/// Sums over a list, seconds.
typedef struct WorkTime {
    double host_s;            ///< of the host, to launch it: a GPU that is done before waits
    double compute_s;         ///< with what cutting it into pieces costs
    double sharing_s;         ///< what the collectives beside it take from it
    double exposed_s[DIM_N];  ///< communication that stays visible, by who takes part
    ExchangeRows sent[DIM_N]; ///< bytes of communication of each GPU
} WorkTime;
WorkTime roofline_list(const WorkList *list, const LayerLinks *links, const GpuSpec *gpu,
                       const TrainingSpec *training);

/// STATUS_RANGE if the GPU has no table for the precision or no such attention kernel.
Status roofline_supports(const GpuSpec *gpu, const TrainingSpec *training);

#endif
