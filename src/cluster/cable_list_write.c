#include <ctype.h>
#include <string.h>

#include "cluster/cable_list.h"
#include "cluster/cluster_parts.h"

/// Parallel cables that are not printed yet.
typedef struct Row {
    int32_t tier, count;
    CableEnd end[2];
} Row;

static bool name_fits(const char *name) {
    const size_t length = strlen(name);
    return length > 0 && strcmp(name, "gpu") != 0 && name[0] != '#' && !strpbrk(name, ",\r\n") &&
           !isspace((unsigned char)name[0]) && !isspace((unsigned char)name[length - 1]);
}

static Status check_readable(const Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    const int64_t nics = cluster_ncables(cluster, 1);
    int64_t others = 0;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        REQUIRE(name_fits(spec->tier[t - 1].name), STATUS_RANGE,
                "tier '%s' cannot be named in a list of cables", spec->tier[t - 1].name);
        if (t > 1) others += cluster->ncables[t];
    }
    REQUIRE(
        cluster->ngpus <= GRAPH_CABLES_MAX && others <= GRAPH_CABLES_MAX &&
            nics + others <= 2 * GRAPH_CABLES_MAX,
        STATUS_RANGE,
        "%lld GPUs, %lld cables of NICs and %lld between switches; a list holds at most %d GPUs, "
        "%d cables between switches and %d in all",
        (long long)cluster->ngpus, (long long)nics, (long long)others, GRAPH_CABLES_MAX,
        GRAPH_CABLES_MAX, 2 * GRAPH_CABLES_MAX);
    return status_ok();
}

static void print_row(const Cluster *cluster, const Row *row, FILE *out) {
    if (row->count == 0) return;
    for (int k = 0; k < 2; k++) {
        const CableEnd *end = &row->end[k];
        fprintf(out, "%s %lld,", end->level == 0 ? "gpu" : cluster->spec.tier[end->level - 1].name,
                (long long)end->number);
    }
    fprintf(out, "%d,%s\n", row->count, cluster->spec.tier[row->tier - 1].name);
}

/// One more cable: parallel to those of the row, or the first of the next.
static void add(const Cluster *cluster, Row *row, int32_t tier, const CableEnd end[2], FILE *out) {
    const bool parallel = row->count > 0 && row->count < CABLE_COUNT_MAX && row->tier == tier &&
                          row->end[0].level == end[0].level && row->end[1].level == end[1].level &&
                          row->end[0].number == end[0].number &&
                          row->end[1].number == end[1].number;
    if (!parallel) {
        print_row(cluster, row, out);
        *row = (Row){tier, 0, {end[0], end[1]}};
    }
    row->count++;
}

Status cable_list_write(const Cluster *cluster, FILE *out) {
    TRY(check_readable(cluster));
    Row row = {0};
    CableEnd end[2];
    fprintf(out, "from,to,count,tier\n");
    for (GpuId gpu = 0; gpu < cluster->ngpus; gpu++)
        for (int32_t port = 0; port < cluster->nic_ports; port++) {
            const int64_t cable = cluster->topology->nic_cable(cluster, gpu) + port;
            cluster->topology->ends(cluster, (CableRef){1, cable}, end);
            end[0].number = gpu;
            add(cluster, &row, 1, end, out);
        }
    for (int32_t t = 2; t <= cluster->spec.ntiers; t++)
        for (int64_t cable = 0; cable < cluster->ncables[t]; cable++) {
            cluster->topology->ends(cluster, (CableRef){t, cable}, end);
            add(cluster, &row, t, end, out);
        }
    print_row(cluster, &row, out);
    return status_ok();
}
