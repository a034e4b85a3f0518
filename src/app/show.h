/// show.h: what a person wants to know about a machine before running on it.
///
/// Idea.    Plain text, one line a fact: GPUs and nodes; per tier switches, cables, ports used
///          against radix, oversubscription and link ids; optics, and the same of each plane; bisection; path lengths and
///          latencies; power; faults; routing.
/// Limits.  For eyes. Programs read the HDF5 file, which holds the resolved configuration.
#ifndef COLOSSIM_APP_SHOW_H
#define COLOSSIM_APP_SHOW_H

#include <stdio.h>

#include "cluster/cluster.h"

/// Print the machine.   MPI: local; call it on rank 0.
void show_cluster(const Cluster *cluster, FILE *out);
/// For each kind of GPUs that is capped, at what, and what that costs.
void show_caps(const ClusterSpec *spec, FILE *out);

#endif
