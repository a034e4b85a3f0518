#include "workload/pricing.h"

#include <math.h>

#include "base/units.h"
#include "workload/roofline.h"

#define SECONDS_CLIP 2e6

int64_t pricing_clipped_ps(double seconds) {
    return units_ps_from_seconds(fmin(seconds, SECONDS_CLIP));
}

void pricing_add_list(const Pricing *p, const WorkList *list, double times, PassCost *sum) {
    const WorkTime time = roofline_list(list, &p->links, p->gpu, p->training);
    sum->compute_s += times * time.compute_s;
    sum->sharing_s += times * time.sharing_s;
    for (int d = 0; d < DIM_N; ++d) {
        sum->exposed_s[d] += times * time.exposed_s[d];
        exchange_rows_add(&sum->sent[d], times, time.sent[d]);
    }
    sum->host_s += times * time.host_s;
    sum->flop += times * transformer_flop(list);
}

void pricing_whole_backward(const TransformerShape *shape, WorkList *list) {
    TransformerShape plain = *shape;
    plain.recompute = 0;
    transformer_layer_backward(&plain, list);
}

double pricing_gpu_s(const PassCost *cost) {
    double sum_s = cost->compute_s + cost->sharing_s;
    for (int d = 0; d < DIM_N; ++d) sum_s += cost->exposed_s[d];
    return sum_s;
}

double pricing_host_waiting_s(const PassCost *cost) {
    return fmax(0, cost->host_s - pricing_gpu_s(cost));
}

double pricing_seen_waiting_s(const PassCost *cost) {
    return fmin(cost->waiting_s, fmax(0, pricing_gpu_s(cost) - cost->host_s));
}

NominalWork pricing_nominal(const PassCost *cost, double waiting_s) {
    return (NominalWork){.compute_ps = pricing_clipped_ps(cost->compute_s + waiting_s),
                         .tp_ps = pricing_clipped_ps(cost->exposed_s[DIM_TP]),
                         .cp_ps = pricing_clipped_ps(cost->exposed_s[DIM_CP]),
                         .ep_ps = pricing_clipped_ps(cost->exposed_s[DIM_EP]),
                         .sharing_ps = pricing_clipped_ps(cost->sharing_s)};
}

Span pricing_chunk_span(const Pricing *p, int32_t number) {
    const int32_t v = parallel_part(p->parallel, number);
    const int32_t nstages = p->parallel->size[DIM_PP] * p->parallel->chunks;
    return (Span){.first = parallel_stage_layers(p->parallel, p->model, v).first,
                  .n = parallel_layers(p->parallel, p->model, v),
                  .mtp = parallel_mtp_layers(p->parallel, p->model, v),
                  .begins = true,
                  .ends = true,
                  .embedding = v == 0,
                  .head = v == nstages - 1};
}
