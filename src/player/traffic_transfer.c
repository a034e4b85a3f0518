// What transfers of traffic jobs have in common.
#include <math.h>

#include "base/units.h"
#include "player/traffic_run.h"

enum { CONNECTION_FLOW = 1 };

Edge traffic_edge(const TrafficRun *traffic, Edge edge) {
    if (edge.own_nic) return edge;
    GpuId relay = routing_relay(traffic->cluster, edge.src, edge.dst);
    edge.own_nic = relay != edge.src && placement_job_rank(&traffic->placement, relay) < 0;
    return edge;
}

int64_t traffic_latency_ps(const TrafficRun *traffic, const EdgeSet *edges) {
    int64_t extra_ps = traffic->job->traffic.latency_ps, longest_ps = 0;
    for (int64_t i = 0; extra_ps >= 0 && i < edges->nedges; i++) {
        Edge edge = edges->edge(edges->context, i);
        int64_t path_ps = routing_latency_by_ps(traffic->cluster, edge.src,
                                                edge_sender(traffic->cluster, &edge), edge.dst);
        if (path_ps > longest_ps) longest_ps = path_ps;
    }
    return extra_ps < 0 ? 0 : extra_ps + longest_ps;
}

Transfer traffic_transfer(const TrafficRun *traffic, int64_t number, TrafficEdges *edges) {
    *edges = (TrafficEdges){traffic, number};
    Transfer transfer = {
        .tag = fabric_tag(traffic->number, number),
        .edges.context = edges,
        .job = traffic->number,
        .step = fabric_step(traffic->fabric, traffic->number, traffic->step),
        .connection = CONNECTION_FLOW,
    };
    traffic->ops->fill(traffic, number, &transfer);
    return transfer;
}

Status traffic_submit(TrafficRun *traffic, int64_t number) {
    Transfer transfer = traffic_transfer(traffic, number, &traffic->asked);
    return traffic->fabric->ops->submit(traffic->fabric->engine, &transfer);
}

int64_t traffic_busy_ps(const TrafficRun *traffic, int64_t bytes) {
    const double goodput_Bps = (double)cluster_spec(traffic->cluster)->nic.goodput_Bps;
    const double busy_ps = ceil((double)bytes / goodput_Bps * (double)PS_PER_S);
    return (int64_t)fmin(busy_ps, (double)(TIME_END_PS / 2)) + PS_PER_US;
}
