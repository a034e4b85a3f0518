/// packet_race.c: the scenarios that htsim was timed on, by the packet engine: how long they last, and what they cost.
///
///     packet_race [repeats]
///
/// "Shift" on a k-ary fat tree (packet_rig.h has htsim's parameters): every host sends one message of 1 MiB, 256 packets, to
/// the one N / 2 further, all at once, across six links; acknowledgements of 64 B for every fourth packet. htsim sprays
/// (64 paths), marks and trims at 128,960 to 503,360 of 628,160 B a port, and its sender (NSCC) slows down; here packets are
/// spread by each switch, with `spray` at random and with `adaptive` by queues, and PFC with the buffers of all ports stands in
/// for trimming. htsim tells when the sender has the last acknowledgement: what that takes on idle links, 6 * (1 us + 1.28 ns),
/// is taken off. Each row: median CPU time of `repeats` runs (default 5), build of the fabric included. CSV:
///     case,routing,control,last_us,mean_us,htsim_last_us,htsim_mean_us,hops,cpu_s,htsim_cpu_s,speedup
///
/// Source.  htsim (uet-htsim, UEC/NSCC, oblivious spraying, seed 1), one core of the same kind of machine when it was quiet.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"
#include "engine/packet_rig.h"

enum { REPEATS_MAX = 99, MESSAGE_BYTES = 1 << 20 };

typedef struct Case {
    const char *name;
    int32_t ports;
    double last_us, mean_us, cpu_s; ///< htsim's, at the sender
} Case;

static const Case CASES[] = {
    {"S-128", 8, 41.71, 38.22, 0.149},
    {"S-1024", 16, 43.55, 39.11, 4.40},
};
static const double ACK_US = 6.00768;

static PacketRig rig;

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_us(void) {
    double sum_ps = 0;
    for (int64_t f = 0; f < rig.nflows; f++) sum_ps += (double)packet_rig_end_ps(&rig, f);
    return sum_ps / (double)rig.nflows * 1e-6;
}

/// CPU seconds of one run, which stays open.
static double run(const Case *race, Routing routing, RateControl control) {
    const clock_t begin = clock();
    packet_rig_tree(&rig, race->ports);
    rig.spec.routing = routing;
    rig.packet.control = control;
    rig.packet.buffer_bytes = INT64_C(628160) * race->ports;
    rig.packet.ecn_min_us = 128960 / 50e3;
    rig.packet.ecn_max_us = 503360 / 50e3;
    rig.packet.ecn_most = 1;
    packet_rig_open(&rig);
    const int64_t n = rig.spec.nodes;
    for (int64_t i = 0; i < n; i++) packet_rig_flow(&rig, i, (i + n / 2) % n, MESSAGE_BYTES, 1, 0);
    packet_rig_play(&rig);
    return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

static void row(const Case *race, Routing routing, RateControl control, int32_t repeats) {
    double cpu_s[REPEATS_MAX];
    for (int32_t r = 0; r < repeats; r++) {
        cpu_s[r] = run(race, routing, control);
        if (r + 1 < repeats) packet_rig_close(&rig);
    }
    qsort(cpu_s, (size_t)repeats, sizeof *cpu_s, ascending);
    const double median_s = cpu_s[repeats / 2];
    printf("%s,%s,%s,%.3f,%.3f,%.3f,%.3f,%lld,%.4f,%.3f,%.1f\n", race->name, ROUTING_NAMES[routing],
           CONTROL_NAMES[control], (double)packet_rig_last_ps(&rig) * 1e-6, mean_us(),
           race->last_us - ACK_US, race->mean_us - ACK_US,
           (long long)packet_counts(rig.engine).hops, median_s, race->cpu_s,
           race->cpu_s / median_s);
    packet_rig_close(&rig);
}

int main(int argc, char **argv) {
    int32_t repeats = argc > 1 ? (int32_t)strtol(argv[1], NULL, 10) : 5;
    if (repeats < 1 || repeats > REPEATS_MAX) repeats = 5;
    printf(
        "case,routing,control,last_us,mean_us,htsim_last_us,htsim_mean_us,hops,cpu_s,"
        "htsim_cpu_s,speedup\n");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        row(&CASES[i], ROUTING_SPRAY, CONTROL_NONE, repeats);
        row(&CASES[i], ROUTING_SPRAY, CONTROL_DCQCN, repeats);
        row(&CASES[i], ROUTING_ADAPTIVE, CONTROL_DCQCN, repeats);
    }
    return 0;
}
