/// topology_file.h: a topology file (topologies/NAME.yaml) to a ClusterSpec.
///
/// Idea.    One schema; GPU, NIC, scale-up domain and switches are catalogue entries by name. What
///          contradicts itself (ports against radix, nodes against room) is reported at the key
///          that is wrong.
/// Source.  topologies/keys.md describes every key.
#ifndef COLOSSIM_CONFIG_TOPOLOGY_FILE_H
#define COLOSSIM_CONFIG_TOPOLOGY_FILE_H

#include "cluster/cluster.h"
#include "config/schema.h"

/// Fills a ClusterSpec. Read with reader_load_root: `kind: topology`.
extern const Schema topology_schema;

/// Elements of `slow` and `events`, which jobs may write too; a SlowSpec, an EventSpec.
extern const Field topology_slow_element, topology_event_element;
/// Add those to a good cluster that it bears; false after reporting the others.
///   node  the file they are written in
bool topology_add_troubles(Reader *reader, const Node *node, const SlowSpec slow[], int32_t nslow,
                           const EventSpec event[], int32_t nevents, ClusterSpec *cluster);

#endif
