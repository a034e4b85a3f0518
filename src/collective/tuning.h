/// tuning.h: what a collective costs, as the library that runs it would price it.
///
/// Idea.    base + steps * latency + bytes on the wire / rate, in the better of two protocols: low latency and a share of
///          the bandwidth, or all of the bandwidth and more latency per step. An all-to-all is one step in which everybody
///          sends to everybody.
/// Source.  NVIDIA/nccl src/graph/tuning.cc.
#ifndef COLOSSIM_COLLECTIVE_TUNING_H
#define COLOSSIM_COLLECTIVE_TUNING_H

#include "hardware/hardware.h"
#include "program/kinds.h"

/// Time in seconds of a collective among n GPUs of an otherwise idle scale-up domain; 0 if n is 1.
///   bytes  all-reduce: vector; reduce-scatter: input; all-gather: output; all-to-all: what a member has for all, itself
///          included
double collective_domain_s(CollectiveKind kind, double bytes, int32_t n,
                           const ScaleUpSpec *scale_up);

#endif
