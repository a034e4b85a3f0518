/// What the flow engine costs against the number of flows that are active.
///
///     solve_bench [most]     flows of the largest row, 1,000 .. 10,000,000 (default)
///
/// N messages between random hosts of 65,536 (race.h: three tiers at full bisection, d-mod-k) start together; then some
/// more start one after the other, each at an instant of its own.
///
/// CSV: flows; CPU time of the start, routes and one solution included; CPU time of one more start and the solution after
/// it, while the flows are active; peak memory of the engine by its labels, per flow.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "draws.h"
#include "engine/race.h"

enum { LEAST = 1000, MOST = 10000000, CHANGES = 100, PATIENCE_S = 3, HOSTS = 65536, SEED = 7 };

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static RaceFlow random_flow(int64_t i) {
    GpuId src = rng_below(SEED, RNG_TEST, (uint64_t)i, 0, HOSTS);
    GpuId dst = (src + 1 + rng_below(SEED, RNG_TEST, (uint64_t)i, 1, HOSTS - 1)) % HOSTS;
    return (RaceFlow){{src, dst, 1}, 1000000000};
}

static void submit(Flow *flow, const RaceFlow *message, int64_t tag, int64_t start_ps) {
    Transfer transfer = race_transfer(message, tag, 0, start_ps);
    Status status = flow_submit(flow, &transfer);
    CHECK(status_is_ok(&status), "%s", status.text);
}

/// Most bytes of all labels of engines since the program began.
static int64_t engine_bytes(void) {
    enum { ROWS = 128 };
    MemoryRow row[ROWS];
    int64_t bytes = 0;
    int n = memory_report(row, ROWS);
    for (int i = 0; i < n && i < ROWS; i++)
        if (strcmp(row[i].label, "bench") != 0 && strcmp(row[i].label, "cluster") != 0)
            bytes += row[i].high_bytes;
    return bytes;
}

static void measure(int64_t nflows) {
    Cluster *cluster = race_cluster(HOSTS);
    size_t bytes = sizeof(RaceFlow) * (size_t)(nflows + CHANGES);
    RaceFlow *message = memory_alloc("bench", bytes);
    for (int64_t i = 0; i < nflows + CHANGES; i++) message[i] = random_flow(i);
    double begin_s = cpu_s();
    Flow *flow = flow_create(cluster, &(EngineSpec){0});
    for (int64_t i = 0; i < nflows; i++) submit(flow, &message[i], i, 0);
    flow_advance(flow, 0);
    double started_s = cpu_s();
    double ended_s = started_s;
    int64_t more = 0;
    for (; more < CHANGES && ended_s - started_s < PATIENCE_S; more++) {
        submit(flow, &message[nflows + more], nflows + more, more + 1);
        flow_advance(flow, more + 1);
        ended_s = cpu_s();
    }
    CHECK(flow_nunfinished(flow) == nflows + more, "flows of 1 GB ended within %d ps", CHANGES);
    printf("%lld,%.6f,%.3f,%.1f\n", (long long)nflows, started_s - begin_s,
           (ended_s - started_s) / (double)more * 1e6, (double)engine_bytes() / (double)nflows);
    fflush(stdout);
    flow_destroy(flow);
    cluster_destroy(cluster);
    memory_free("bench", message, bytes);
}

int main(int argc, char **argv) {
    int64_t most = argc > 1 ? atoll(argv[1]) : MOST;
    if (most < LEAST || most > MOST) return 2;
    printf("flows,start_cpu_s,change_cpu_us,bytes_per_flow\n");
    for (int64_t nflows = LEAST; nflows <= most; nflows *= 10) measure(nflows);
    return 0;
}
