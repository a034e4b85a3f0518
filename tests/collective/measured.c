// What collectives take, predicted and measured: a table of measurements, or a user's own.
//
//   measured FOLDER TABLE.csv [--list] [--within PERCENT]
//
//   FOLDER   of the hardware files
//   TABLE    source, scale_up, nic_GBs, path_us, op, domains, gpus, bytes, time_us, launch_us   (measured.csv), or
//            gpu, nccl, op, n_gpu, bytes, latency_us, busbw_GBs                                 (nccl-tests in one domain)
//   --list   every row, not only sums
//   --within at least that share of rows must lie within its bound: 10 % above 16 MiB, 20 % from 1 to 16 MiB, 30 % below
//
// launch_us: what the host of the measuring program needs to launch one while the one before it runs; 0: it hides.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "collective/tuning.h"
#include "config/hardware_file.h"
#include "deviations.h"

enum { FILES_MAX = 16 };

typedef struct Row {
    char source[128], scale_up[64], op[32];
    double nic_GBs, path_us, bytes, time_us, launch_us;
    long domains, gpus;
} Row;

static ScaleUpSpec files[FILES_MAX];
static int nfiles;

static const ScaleUpSpec *scale_up_named(const char *folder, const char *name) {
    for (int i = 0; i < nfiles; i++)
        if (strcmp(files[i].name, name) == 0) return &files[i];
    ScaleUpSpec *spec = &files[nfiles];
    TextBuffer why = {.n = 0};
    if (nfiles == FILES_MAX ||
        !catalogue_load(folder, "hardware", name, &scale_up_schema, spec, &why)) {
        fprintf(stderr, "no scale-up domain %s in %s\n", name, folder);
        exit(2);
    }
    nfiles++;
    return spec;
}

static CollectiveKind kind_named(const char *op) {
    if (strcmp(op, "alltoall") == 0) return COLLECTIVE_ALL_TO_ALL;
    for (int kind = 0; kind < COLLECTIVE_KIND_N; kind++)
        if (strcmp(op, COLLECTIVE_NAMES[kind]) == 0) return (CollectiveKind)kind;
    fprintf(stderr, "no collective %s\n", op);
    exit(2);
}

/// The file of the domains of a GPU.
static const char *domain_of(const char *gpu) {
    static const char *const KNOWN[][2] = {{"A100", "nvlink3-8"},  {"H100", "nvlink4-8"},
                                           {"H200", "nvlink4-8"},  {"B200", "nvlink5-8"},
                                           {"B300", "nvlink5-8"},  {"GB200", "nvlink5-72"},
                                           {"GB300", "nvlink5-72"}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (strcmp(gpu, KNOWN[i][0]) == 0) return KNOWN[i][1];
    return gpu;
}

static bool parse(const char *line, Row *row) {
    char gpu[64];
    *row = (Row){.domains = 1};
    if (sscanf(line, "%127[^,],%63[^,],%lf,%lf,%31[^,],%ld,%ld,%lf,%lf,%lf", row->source,
               row->scale_up, &row->nic_GBs, &row->path_us, row->op, &row->domains, &row->gpus,
               &row->bytes, &row->time_us, &row->launch_us) == 10)
        return true;
    *row = (Row){.domains = 1};
    if (sscanf(line, "%63[^,],%*[^,],%31[^,],%ld,%lf,%lf", gpu, row->op, &row->gpus, &row->bytes,
               &row->time_us) != 5)
        return false;
    snprintf(row->scale_up, sizeof row->scale_up, "%s", domain_of(gpu));
    snprintf(row->source, sizeof row->source, "%s", gpu);
    return true;
}

static CollectivePrice price(const char *folder, const Row *row) {
    const CollectiveShape shape = {.kind = kind_named(row->op),
                                   .bytes = row->bytes,
                                   .n = row->gpus,
                                   .domains = row->domains,
                                   .most = row->gpus / row->domains,
                                   .channels = row->gpus / row->domains};
    const CollectiveCosts costs = {.scale_up = scale_up_named(folder, row->scale_up),
                                   .base_s = 8.4e-6,
                                   .path_s = row->path_us * 1e-6,
                                   .round_s = 10e-6,
                                   .nic_Bps = row->nic_GBs * 1e9};
    return tuning_choose(&shape, &costs, ALGORITHM_AUTO, PROTOCOL_AUTO);
}

static double bound(double bytes) {
    return bytes < 1048576 ? 0.3 : bytes <= 16 * 1048576.0 ? 0.2 : 0.1;
}

static void add(Deviations *all, const Row *row, double error) {
    char name[128];
    snprintf(name, sizeof name, "%s %s %s", row->scale_up, row->op,
             row->domains > 1 ? "several domains" : "one domain");
    deviations_add(all, name, error, bound(row->bytes));
}

int main(int argc, char **argv) {
    Deviations all = deviations_asked(argc, argv, 3);
    FILE *table = argc < 3 ? NULL : fopen(argv[2], "r");
    if (!table) {
        fprintf(stderr, "usage: measured FOLDER TABLE.csv [--list] [--within PERCENT]\n");
        return 2;
    }
    char line[512];
    Row row;
    while (fgets(line, sizeof line, table)) {
        if (!parse(line, &row)) continue;
        const CollectivePrice found = price(argv[1], &row);
        const double us = fmax(found.time_s * 1e6, row.launch_us), error = us / row.time_us - 1;
        add(&all, &row, error);
        if (all.list)
            printf(
                "%-14.14s %-10s %-14s %4ld in %3ld %12.0f B  %10.1f us  %10.1f us  %+6.1f %% %s %s "
                "%s\n",
                row.source, row.scale_up, row.op, row.gpus, row.domains, row.bytes, row.time_us, us,
                100 * error, fabs(error) > bound(row.bytes) ? "!" : " ",
                ALGORITHM_NAMES[found.algorithm], PROTOCOL_NAMES[found.protocol]);
    }
    fclose(table);
    return deviations_report(&all);
}
