/// address.h: where nodes stand in a fabric.
#ifndef COLOSSIM_CLUSTER_ADDRESS_H
#define COLOSSIM_CLUSTER_ADDRESS_H

#include "cluster/cluster_parts.h"

/// Find runs and stretches of cluster->spec, which clustercheck has seen, and what follows from them: ngpus, end_endpoint
/// and the dividers.   Fails: STATUS_RANGE if a child of the top level has no room for the nodes it is filled with.
Status address_lay_out(Cluster *cluster);

#endif
