#include "observe/footprint.h"

#include <string.h>

#include "base/memory.h"

static const struct {
    const char *label;
    FootprintKind kind;
} LABELS[] = {
    {"driver.done", FOOTPRINT_GPU},         {"driver.groups", FOOTPRINT_GPU},
    {"driver.nodes", FOOTPRINT_GPU},        {"driver.units", FOOTPRINT_GPU},
    {"isles.slots", FOOTPRINT_LINK},        {"engine.links", FOOTPRINT_LINK},
    {"flow.links", FOOTPRINT_LINK},         {"driver.islands", FOOTPRINT_TRANSFER},
    {"isles", FOOTPRINT_TRANSFER},          {"isles.rings", FOOTPRINT_TRANSFER},
    {"flow.transfers", FOOTPRINT_TRANSFER}, {"traffic.flows", FOOTPRINT_TRANSFER},
    {"isles.uses", FOOTPRINT_USE},          {"engine.routes", FOOTPRINT_USE},
    {"flow.nodes", FOOTPRINT_USE},          {"flow.routes", FOOTPRINT_USE},
    {"flow.users", FOOTPRINT_USE},          {"maxmin", FOOTPRINT_USE},
    {"engine.tally", FOOTPRINT_TOTALS},     {"load.links", FOOTPRINT_TOTALS},
};

const FootprintRow FOOTPRINT_ROWS[FOOTPRINT_N] = {
    [FOOTPRINT_GPU] = {"GPU", "bytes_per_gpu", 64},
    [FOOTPRINT_LINK] = {"touched link", "bytes_per_link", 48},
    [FOOTPRINT_TRANSFER] = {"active transfer", "bytes_per_transfer", 128},
    [FOOTPRINT_USE] = {"link of a route", "bytes_per_use", 0},
    [FOOTPRINT_TOTALS] = {"link's totals", "bytes_per_link_totals", 0},
};

/// What a label counts as; FOOTPRINT_N: nothing that grows.
static FootprintKind footprint_kind(const char *label) {
    for (size_t i = 0; i < sizeof LABELS / sizeof LABELS[0]; i++)
        if (strcmp(LABELS[i].label, label) == 0) return LABELS[i].kind;
    return FOOTPRINT_N;
}

void footprint_count(Footprint *footprint, int64_t ngpus, EngineSizes sizes) {
    footprint->count[FOOTPRINT_GPU] = ngpus;
    footprint->count[FOOTPRINT_LINK] = sizes.links;
    footprint->count[FOOTPRINT_TRANSFER] = sizes.transfers;
    footprint->count[FOOTPRINT_USE] = sizes.uses;
    footprint->count[FOOTPRINT_TOTALS] = sizes.links;
}

void footprint_gather(Footprint *footprint, const Comm *comm) {
    enum { ROWS = 128 };
    MemoryRow row[ROWS];
    int n = memory_report(row, ROWS);
    memset(footprint->bytes, 0, sizeof footprint->bytes);
    for (int i = 0; i < n && i < ROWS; i++) {
        FootprintKind kind = footprint_kind(row[i].label);
        if (kind < FOOTPRINT_N) footprint->bytes[kind] += row[i].high_bytes;
    }
    comm_sum_i64(comm, footprint->count, FOOTPRINT_N);
    comm_sum_i64(comm, footprint->bytes, FOOTPRINT_N);
}

double footprint_each(const Footprint *footprint, FootprintKind kind) {
    if (footprint->count[kind] == 0) return 0;
    return (double)footprint->bytes[kind] / (double)footprint->count[kind];
}

void footprint_note(const Footprint *footprint, Trace *trace) {
    for (int kind = 0; kind < FOOTPRINT_N; kind++)
        (void)trace_run_double(trace, FOOTPRINT_ROWS[kind].attribute,
                               footprint_each(footprint, (FootprintKind)kind));
}
