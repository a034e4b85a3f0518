/// gpu_power.h: what a GPU draws while it does this or that, and what a cap on its power costs it.
///
/// Idea.    A GPU is always in one of a few states, and draws its idle power and a share of what lies between that and its
///          data sheet's limit, its range:
///
///              products        97.5 %   tensor cores near the power limit
///              memory-bound    75 %     norms, activations, optimizer, attention that waits for memory
///              communication   35 %     nothing but a collective or a message
///              bubble, waiting 20 %     a kernel that looks for what does not come
///              idle             0 %
///
///          Under a cap nothing draws more than 97.5 % of what the cap leaves of the range. What computes is held there by
///          its clock f: power goes with f V^2, and V with f, so f = (share of the range)^(1/3), down to the least voltage,
///          which is reached at 82 % of the clock at the limit; from there on power goes with f alone. Products and attention
///          keep f of the rate they sustain at the limit (sustained_share, whose clock is one of the same law); passes over
///          memory and communication keep theirs, since they draw less by running fewer cycles for nothing. That holds
///          as long as communication draws less than the cap, so that a lower one is refused.
///          A cap at the limit is none: all follows continuously from there, and to the bit.
/// Limits.  The clock follows each kernel at once, in truth the mean over some 50 ms. Constants are the same for all GPUs and
///          precisions; leakage does not grow with temperature. A hot GPU is a capped one (power.h).
/// Source.  Least voltage: time and energy of the stages of GPT-3 175B on A100 SXM at 37 clocks (Chung et al., Perseus,
///          SOSP'24; ml-energy/zeus, sosp24_data): from 1410 to 855 MHz, where they draw half, the law meets the speed of
///          forward passes within 1.7 %, of backward passes within 3 %. ResNet-50 on V100 capped at 200, 175, 150, 125 of
///          250 W takes 5, 10, 18, 44 % longer; by the law and the power it drew 7, 12, 20, 46 % (You et al., Zeus, NSDI'23,
///          trace/summary_power_v100.csv). H200 bound by memory draw 137 to 300 of 700 W, and no cap above slows them
///          (arXiv:2605.11999). Meta gives a GB200 960 of its 1,200 W (arXiv:2605.24461).
///          Shares of the states: planning values; that GPUs compute near their limit and fall close to idle in
///          communication: Choukse et al., Power stabilization for AI training datacenters (arXiv:2508.14318).
#ifndef COLOSSIM_HARDWARE_GPU_POWER_H
#define COLOSSIM_HARDWARE_GPU_POWER_H

#include "hardware/hardware.h"

typedef enum PowerState {
    POWER_WORK,
    POWER_COMMUNICATION,
    POWER_BUBBLE,
    POWER_WAITING,
    POWER_IDLE,
    POWER_STATES
} PowerState;

/// Of one GPU.
///   products   part of POWER_WORK, 0..1
double gpu_draw_W(const GpuSpec *gpu, PowerState state, double products);
/// The most it may draw: by its data sheet, or its cap.
double gpu_most_W(const GpuSpec *gpu);
/// Cap it at a part of what now lies between idle and the most; 1 and more: as before.
void gpu_cap(GpuSpec *gpu, double part);
/// The least cap: below, communication would draw more.
double gpu_least_cap_W(const GpuSpec *gpu);
/// Of the rate that it keeps at its limit in what computes, what it keeps under its cap; 1 without one.
double gpu_clock(const GpuSpec *gpu);

#endif
