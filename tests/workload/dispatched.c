// What exchanges among experts take, emulated and measured: a table of measurements.
//
//   dispatched TABLE.csv [--list] [--within PERCENT]
//
//   TABLE    source, dispatcher, domain_GBs, nic_GBs, nodes, gpus, tokens, hidden, experts, top_k, nodes_of_token,
//            processors, dispatch_us, combine_us                                                   (dispatched.csv)
//   --list   every row, not only sums
//   --within at least that share of dispatches and combines must lie within 15 %
//
// Dispatched by DeepEP in 8 bits with a scale for 128 numbers, by Hybrid-EP in 16 bits; combined in 16 bits.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "deviations.h"
#include "workload/exchange.h"

static const double BOUND = 0.15;

typedef struct Row {
    char source[128], dispatcher[32];
    double domain_GBs, nic_GBs, tokens, hidden, measured_us[2];
    int nodes, gpus, experts, top_k, nodes_of_token, processors;
} Row;

static bool parse(const char *line, Row *row) {
    return sscanf(line, "%127[^,],%31[^,],%lf,%lf,%d,%d,%lf,%lf,%d,%d,%d,%d,%lf,%lf", row->source,
                  row->dispatcher, &row->domain_GBs, &row->nic_GBs, &row->nodes, &row->gpus,
                  &row->tokens, &row->hidden, &row->experts, &row->top_k, &row->nodes_of_token,
                  &row->processors, &row->measured_us[0], &row->measured_us[1]) == 14;
}

static double emulated_us(const Row *row, bool combines) {
    const bool hybrid = strcmp(row->dispatcher, DISPATCHER_NAMES[DISPATCH_HYBRID]) == 0;
    const ScaleUpSpec scale_up = {.goodput_Bps = (int64_t)(row->domain_GBs * 1e9)};
    LayerLinks links = {.scale_up = &scale_up,
                        .uplink = {.nic_Bps = row->nic_GBs * 1e9},
                        .parts[DIM_EP] = {row->gpus, row->gpus / row->nodes}};
    layer_links_route(&links, hybrid ? DISPATCH_HYBRID : DISPATCH_NODE_DEDUP, row->experts,
                      row->top_k, row->nodes_of_token);
    links.processors = row->processors;
    const double each = combines || hybrid ? 2 : 1 + 4 / 128.0;
    links.row_bytes[combines] = row->hidden * each;
    return 1e6 *
           layer_exchange(&links, combines, row->tokens * row->hidden * row->top_k * each).alone_s;
}

static void add(Deviations *all, const Row *row, bool combines, double error) {
    char name[64];
    snprintf(name, sizeof name, "%s %s on %d nodes", row->dispatcher,
             combines ? "combine" : "dispatch", row->nodes);
    deviations_add(all, name, error, BOUND);
}

static void hold(Deviations *all, const Row *row) {
    for (int way = 0; way < 2; way++) {
        const double us = emulated_us(row, way), error = us / row->measured_us[way] - 1;
        add(all, row, way, error);
        if (all->list)
            printf(
                "%-24.24s %-10s %-8s %d nodes %7.0f tokens %3d processors %10.1f us %10.1f us "
                "%+6.1f %% %s\n",
                row->source, row->dispatcher, way ? "combine" : "dispatch", row->nodes, row->tokens,
                row->processors, row->measured_us[way], us, 100 * error,
                fabs(error) > BOUND ? "!" : "");
    }
}

int main(int argc, char **argv) {
    Deviations all = deviations_asked(argc, argv, 2);
    FILE *table = argc < 2 ? NULL : fopen(argv[1], "r");
    if (!table) {
        fprintf(stderr, "usage: dispatched TABLE.csv [--list] [--within PERCENT]\n");
        return 2;
    }
    char line[512];
    Row row;
    while (fgets(line, sizeof line, table))
        if (parse(line, &row)) hold(&all, &row);
    fclose(table);
    return deviations_report(&all);
}
