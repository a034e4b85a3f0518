/// reach_check.h: does a job need a GPU that the topology's faults have cut off?
///
/// Idea.    A GPU all of whose NIC ports are dead can be a spare, or keep to its scale-up domain; one that has to hear from
///          another domain makes the run end with "no live path". Of traffic every pair with such a GPU is routed; of
///          training it is what surely reaches it: its pipeline neighbours, and its group of replicas unless that is one
///          ring, which most members do not leave their domain by.
/// Limits.  Cuts further up (all uplinks of a leaf) are found by the run alone.
#ifndef COLOSSIM_CONFIG_REACH_CHECK_H
#define COLOSSIM_CONFIG_REACH_CHECK_H

#include "driver/run_spec.h"

/// The fault (position in the list) that cuts off a GPU which the job needs, the GPU and its rank; -1: none does.
/// The job and the cluster are good, all sizes resolved.
///   csv_text  of a traffic job that has a table, or NULL
int32_t reach_find_cut(const ClusterSpec *cluster, const JobSpec *job, const char *csv_text,
                       GpuId *gpu, int64_t *rank);

#endif
