/// share_nodes.h: which nodes of a cluster each job of a run may have.
///
/// Idea.    A job that names its nodes (placement.nodes) has those. Jobs that name none follow each other: each has as many
///          as it needs, behind the nodes of the one before. A single job has all.
/// Limits.  Whole nodes.
#ifndef COLOSSIM_CONFIG_SHARE_NODES_H
#define COLOSSIM_CONFIG_SHARE_NODES_H

#include "config/cross_check.h"

/// Where the next job that names no nodes begins.
typedef struct NodeShares {
    int64_t next_node;
} NodeShares;

/// Before a job is checked: it may have what is left.
void share_nodes_offer(const NodeShares *shares, const CrossCheck *files, JobSpec *job);
/// After it was checked and found good: it has what it needs.
void share_nodes_take(NodeShares *shares, const CrossCheck *files, JobSpec *job);
/// Report jobs that have a GPU in common.
void share_nodes_check(Reader *reader, const CrossCheck *files);

#endif
