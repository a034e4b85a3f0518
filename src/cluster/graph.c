#include "cluster/graph.h"

#include <string.h>

#include "base/memory.h"

static const char *const MEMORY_LABEL = "cluster.graph";
enum { ROWS_BYTES = 1 << 28 };

Graph *graph_new(int64_t nnics, int32_t nic_ports) {
    Graph *graph = memory_alloc(MEMORY_LABEL, sizeof *graph);
    graph->nnics = nnics;
    graph->nic_ports = nic_ports;
    graph->attach = memory_alloc(MEMORY_LABEL, (size_t)(nnics * nic_ports) * sizeof(int32_t));
    for (int32_t t = 0; t < FATTREE_LEVELS; t++) graph->length[t] = 1;
    return graph;
}

// rows

static void rows_init(GraphRows *rows, bool live, int32_t nswitches) {
    int64_t capacity = ROWS_BYTES / ((int64_t)sizeof(uint16_t) * nswitches);
    if (capacity < GRAPH_ROWS_LEAST) capacity = GRAPH_ROWS_LEAST;
    if (capacity > nswitches) capacity = nswitches;
    *rows = (GraphRows){.live = live, .capacity = (int32_t)capacity};
    rows->row = memory_alloc(MEMORY_LABEL, (size_t)capacity * sizeof *rows->row);
    rows->target = memory_alloc(MEMORY_LABEL, (size_t)capacity * sizeof *rows->target);
    rows->row_of = memory_alloc(MEMORY_LABEL, (size_t)nswitches * sizeof *rows->row_of);
    for (int32_t v = 0; v < nswitches; v++) rows->row_of[v] = -1;
}

static void rows_forget(GraphRows *rows, int32_t nswitches) {
    for (int32_t k = 0; k < rows->n; k++) {
        rows->row_of[rows->target[k]] = -1;
        memory_free(MEMORY_LABEL, rows->row[k], (size_t)nswitches * sizeof(uint16_t));
    }
    rows->n = rows->next = 0;
}

static void rows_fini(GraphRows *rows, int32_t nswitches) {
    rows_forget(rows, nswitches);
    memory_free(MEMORY_LABEL, rows->row, (size_t)rows->capacity * sizeof *rows->row);
    memory_free(MEMORY_LABEL, rows->target, (size_t)rows->capacity * sizeof *rows->target);
    memory_free(MEMORY_LABEL, rows->row_of, (size_t)nswitches * sizeof *rows->row_of);
}

/// A row for a target: a new one, or the oldest.
static int32_t take_row(const Graph *graph, GraphRows *rows, int32_t target) {
    int32_t k = rows->n;
    if (k < rows->capacity) {
        rows->row[k] = memory_alloc(MEMORY_LABEL, (size_t)graph->nswitches * sizeof(uint16_t));
        rows->n++;
    } else {
        k = rows->next;
        rows->next = k + 1 < rows->capacity ? k + 1 : 0;
        rows->row_of[rows->target[k]] = -1;
    }
    rows->target[k] = target;
    rows->row_of[target] = k;
    return k;
}

static void search(Graph *graph, bool live, int32_t target, uint16_t distance[]) {
    const int32_t n = graph->nswitches;
    for (int32_t v = 0; v < n; v++) distance[v] = GRAPH_UNREACHED;
    distance[target] = 0;
    graph->queue[0] = target;
    int32_t head = 0, queued = 1;
    for (; queued > 0; queued--) {
        const int32_t v = graph->queue[head];
        head = head + 1 < n ? head + 1 : 0;
        graph->queued[v] = false;
        for (int32_t i = graph->arc_first[v]; i < graph->arc_first[v + 1]; i++) {
            const GraphArc *arc = &graph->arc[i];
            const int32_t far = distance[v] + graph->length[graph->cable[arc->cable].tier];
            if (far >= distance[arc->to] || (live && graph->dead[arc->cable])) continue;
            distance[arc->to] = (uint16_t)far;
            if (graph->queued[arc->to]) continue;
            graph->queued[arc->to] = true;
            const int32_t tail = head + queued - 1;
            graph->queue[tail < n ? tail : tail - n] = arc->to;
            queued++;
        }
    }
}

const uint16_t *graph_distances(Graph *graph, bool live, int32_t target) {
    GraphRows *rows = live ? &graph->live : &graph->healthy;
    if (rows->row_of[target] < 0) {
        const int32_t k = take_row(graph, rows, target);
        search(graph, live, target, rows->row[k]);
    }
    return rows->row[rows->row_of[target]];
}

void graph_forget(Graph *graph) { rows_forget(&graph->live, graph->nswitches); }

// building

/// Count, then deal: cables by tier, arcs by vertex.
static void sort_cables(Graph *graph, const GraphCable cable[]) {
    int64_t next[FATTREE_LEVELS + 1] = {0};
    for (int64_t k = 0; k < graph->ncables; k++) next[cable[k].tier]++;
    int64_t first = 0;
    for (int32_t t = 0; t <= FATTREE_LEVELS; t++) {
        graph->first_cable[t] = first;
        if (t < FATTREE_LEVELS) first += next[t];
    }
    memcpy(next, graph->first_cable, sizeof next);
    for (int64_t k = 0; k < graph->ncables; k++) graph->cable[next[cable[k].tier]++] = cable[k];
}

static void list_arcs(Graph *graph) {
    int32_t *first = graph->arc_first;
    for (int64_t k = 0; k < graph->ncables; k++) {
        first[graph->cable[k].a + 1]++;
        first[graph->cable[k].b + 1]++;
    }
    for (int32_t v = 0; v < graph->nswitches; v++) first[v + 1] += first[v];
    for (int64_t k = 0; k < graph->ncables; k++) {
        const GraphCable *own = &graph->cable[k];
        graph->arc[first[own->a]++] = (GraphArc){own->b, (int32_t)k, false};
        graph->arc[first[own->b]++] = (GraphArc){own->a, (int32_t)k, true};
    }
    for (int32_t v = graph->nswitches; v > 0; v--) first[v] = first[v - 1];
    first[0] = 0;
}

void graph_join(Graph *graph, const int64_t nswitches[FATTREE_LEVELS], int64_t ncables,
                const GraphCable cable[]) {
    for (int32_t l = 1; l < FATTREE_LEVELS; l++)
        graph->first_switch[l + 1] = graph->first_switch[l] + (int32_t)nswitches[l];
    graph->nswitches = graph->first_switch[FATTREE_LEVELS];
    graph->ncables = ncables;
    graph->cable = memory_alloc(MEMORY_LABEL, (size_t)ncables * sizeof *graph->cable);
    graph->dead = memory_alloc(MEMORY_LABEL, (size_t)ncables * sizeof *graph->dead);
    graph->arc = memory_alloc(MEMORY_LABEL, (size_t)(2 * ncables) * sizeof *graph->arc);
    graph->arc_first =
        memory_alloc(MEMORY_LABEL, (size_t)(graph->nswitches + 1) * sizeof *graph->arc_first);
    graph->queue = memory_alloc(MEMORY_LABEL, (size_t)graph->nswitches * sizeof *graph->queue);
    graph->queued = memory_alloc(MEMORY_LABEL, (size_t)graph->nswitches * sizeof *graph->queued);
    sort_cables(graph, cable);
    list_arcs(graph);
    rows_init(&graph->live, true, graph->nswitches);
    rows_init(&graph->healthy, false, graph->nswitches);
}

void graph_free(Graph *graph) {
    if (!graph) return;
    const size_t nswitches = (size_t)graph->nswitches, ncables = (size_t)graph->ncables;
    if (graph->arc_first) {
        rows_fini(&graph->live, graph->nswitches);
        rows_fini(&graph->healthy, graph->nswitches);
        memory_free(MEMORY_LABEL, graph->queue, nswitches * sizeof *graph->queue);
        memory_free(MEMORY_LABEL, graph->queued, nswitches * sizeof *graph->queued);
        memory_free(MEMORY_LABEL, graph->arc_first, (nswitches + 1) * sizeof *graph->arc_first);
        memory_free(MEMORY_LABEL, graph->arc, 2 * ncables * sizeof *graph->arc);
        memory_free(MEMORY_LABEL, graph->dead, ncables * sizeof *graph->dead);
        memory_free(MEMORY_LABEL, graph->cable, ncables * sizeof *graph->cable);
    }
    memory_free(MEMORY_LABEL, graph->attach,
                (size_t)(graph->nnics * graph->nic_ports) * sizeof *graph->attach);
    memory_free(MEMORY_LABEL, graph, sizeof *graph);
}
