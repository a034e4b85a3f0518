/// traffic_graph.h: what operations of a traffic job took, for those who tell of it.
#ifndef COLOSSIM_PLAYER_TRAFFIC_GRAPH_H
#define COLOSSIM_PLAYER_TRAFFIC_GRAPH_H

#include "player/traffic_run.h"
#include "workload/operations.h"

/// Of an operation of the step that has ended, from its begin.
typedef struct OperationSpan {
    int64_t begin_ps, end_ps;
} OperationSpan;

/// NULL: the job has none, or is played elsewhere. Borrowed.
const Operations *traffic_operations(const TrafficRun *traffic);
OperationSpan traffic_operation_span(const TrafficRun *traffic, int64_t op);

#endif
