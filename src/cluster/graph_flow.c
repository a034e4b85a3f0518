// The most that can flow through a graph, by Dinic's algorithm: search layers, fill paths of them, until none is left.
#include <string.h>

#include "base/memory.h"
#include "cluster/graph.h"

typedef struct Flow {
    const Graph *graph;
    int64_t (*rest)[2]; ///< [cable][down] what it still carries
    int64_t *from, *to; ///< [vertex] what it still sends and takes
    int32_t *layer,
        *arc;      ///< [vertex] cables from where something starts, -1 none; the arc that is tried
    int32_t *path; ///< [vertex] arcs from the start on; searches use it as their queue
} Flow;

static int64_t *rest_of(const Flow *flow, int32_t arc, bool back) {
    const GraphArc *own = &flow->graph->arc[arc];
    return &flow->rest[own->cable][own->down != back];
}

/// False: no vertex that takes anything can be reached.
static bool find_layers(const Flow *flow) {
    const Graph *graph = flow->graph;
    int32_t head = 0, tail = 0;
    bool reached = false;
    for (int32_t v = 0; v < graph->nswitches; v++) {
        flow->arc[v] = graph->arc_first[v];
        flow->layer[v] = flow->from[v] > 0 ? 0 : -1;
        if (flow->from[v] > 0) flow->path[tail++] = v;
    }
    while (head < tail) {
        const int32_t v = flow->path[head++];
        reached = reached || flow->to[v] > 0;
        for (int32_t i = graph->arc_first[v]; i < graph->arc_first[v + 1]; i++) {
            const int32_t next = graph->arc[i].to;
            if (flow->layer[next] >= 0 || *rest_of(flow, i, false) == 0) continue;
            flow->layer[next] = flow->layer[v] + 1;
            flow->path[tail++] = next;
        }
    }
    return reached;
}

static int64_t fill_path(const Flow *flow, int32_t start, int32_t end, int32_t length) {
    int64_t least = flow->from[start] < flow->to[end] ? flow->from[start] : flow->to[end];
    for (int32_t k = 0; k < length; k++) {
        const int64_t rest = *rest_of(flow, flow->path[k], false);
        if (rest < least) least = rest;
    }
    for (int32_t k = 0; k < length; k++) {
        *rest_of(flow, flow->path[k], false) -= least;
        *rest_of(flow, flow->path[k], true) += least;
    }
    flow->from[start] -= least;
    flow->to[end] -= least;
    return least;
}

/// Go on by an arc to the next layer; false: there is none.
static bool advance(const Flow *flow, int32_t v) {
    const Graph *graph = flow->graph;
    for (; flow->arc[v] < graph->arc_first[v + 1]; flow->arc[v]++)
        if (*rest_of(flow, flow->arc[v], false) > 0 &&
            flow->layer[graph->arc[flow->arc[v]].to] == flow->layer[v] + 1)
            return true;
    return false;
}

/// All that goes from one vertex over the present layers.
static int64_t fill_from(const Flow *flow, int32_t start) {
    const Graph *graph = flow->graph;
    int64_t sum = 0;
    int32_t v = start, length = 0;
    while (flow->from[start] > 0) {
        if (flow->to[v] > 0) {
            sum += fill_path(flow, start, v, length);
            v = start;
            length = 0;
        } else if (advance(flow, v)) {
            flow->path[length++] = flow->arc[v];
            v = graph->arc[flow->arc[v]].to;
        } else if (length == 0) {
            break;
        } else { // a dead end: back
            const GraphArc *last = &graph->arc[flow->path[--length]];
            flow->layer[v] = -1;
            v = last->down ? graph->cable[last->cable].b : graph->cable[last->cable].a;
        }
    }
    return sum;
}

int64_t graph_flow(const Graph *graph, const int64_t rate[FATTREE_LEVELS], const int64_t from[],
                   const int64_t to[]) {
    const char *label = "cluster.flow";
    const size_t n = (size_t)graph->nswitches, ncables = (size_t)graph->ncables;
    Flow flow = {.graph = graph,
                 .rest = memory_alloc(label, ncables * sizeof *flow.rest),
                 .from = memory_alloc(label, n * sizeof *flow.from),
                 .to = memory_alloc(label, n * sizeof *flow.to),
                 .layer = memory_alloc(label, n * sizeof *flow.layer),
                 .arc = memory_alloc(label, n * sizeof *flow.arc),
                 .path = memory_alloc(label, n * sizeof *flow.path)};
    for (size_t k = 0; k < ncables; k++)
        flow.rest[k][0] = flow.rest[k][1] = rate[graph->cable[k].tier];
    memcpy(flow.from, from, n * sizeof *from);
    memcpy(flow.to, to, n * sizeof *to);
    int64_t sum = 0;
    while (find_layers(&flow))
        for (int32_t v = 0; v < graph->nswitches; v++)
            if (flow.from[v] > 0) sum += fill_from(&flow, v);
    memory_free(label, flow.rest, ncables * sizeof *flow.rest);
    memory_free(label, flow.from, n * sizeof *flow.from);
    memory_free(label, flow.to, n * sizeof *flow.to);
    memory_free(label, flow.layer, n * sizeof *flow.layer);
    memory_free(label, flow.arc, n * sizeof *flow.arc);
    memory_free(label, flow.path, n * sizeof *flow.path);
    return sum;
}
