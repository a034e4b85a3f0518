/// topology_file.h: a topology file (topologies/NAME.yaml) to a ClusterSpec.
///
/// Idea.    One schema; GPU, NIC, scale-up domain and switches are catalogue entries by name. What
///          contradicts itself (ports against radix, nodes against room) is reported at the key
///          that is wrong.
/// Source.  topologies/README.md describes every key.
#ifndef COLOSSIM_CONFIG_TOPOLOGY_FILE_H
#define COLOSSIM_CONFIG_TOPOLOGY_FILE_H

#include "cluster/cluster.h"
#include "config/schema.h"

/// Fills a ClusterSpec. Read with reader_load_root: `kind: topology`.
extern const Schema topology_schema;

#endif
