// What the packet engine tells of ports: of steps and of sampling intervals, merged or not; who paused whom, who cost whom.
#include "race.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/intervals.h"
#include "engine/packet/packet_engine.h"

enum { HOSTS = 16, MESSAGES = 24, SCENES = 24, JOBS = 3 };

/// Of one link, with what the sample borrows.
typedef struct PortEntry {
    int64_t index;
    LinkSample sample;
    PortSample port;
} PortEntry;

typedef ARRAY_OF(PortEntry) PortList;

static void keep(void *context, int64_t index, const LinkSample sample[], int64_t n) {
    for (int64_t i = 0; i < n; i++)
        array_push((PortList *)context, (PortEntry){index, sample[i], *sample[i].port});
}

static int64_t pick(uint64_t seed, uint64_t *draws, int64_t below) {
    return rng_below(33, RNG_TEST, seed, (*draws)++, below);
}

static Cluster *cluster_with(Routing routing) {
    ClusterSpec spec = race_spec(HOSTS);
    Cluster *cluster = NULL;
    spec.routing = routing;
    spec.nic.latency_ps = 400000;
    for (int32_t t = 0; t < spec.ntiers; t++) {
        spec.tier[t].cable_ps = 100000;
        spec.tier[t].switch_spec.latency_ps = 200000;
    }
    assert_true(status_is_ok(&(Status[]){cluster_create(&spec, &cluster)}[0]));
    return cluster;
}

/// Small buffers, which pause soon, or no end of them.
static PacketSpec packets(bool pfc) {
    PacketSpec spec = packet_default_spec();
    spec.flow_control = pfc ? FLOW_PFC : FLOW_NONE;
    spec.buffer_bytes = pfc ? 4 << 20 : PACKET_ENDLESS_BYTES;
    return spec;
}

typedef struct Played {
    PortList sample, step[JOBS];
    int64_t cost_ps[JOBS][JOBS], delay_ps[JOBS];
    PacketTotals packets;
    int64_t end_ps, width_ps;
} Played;

typedef struct Victim {
    Played *played;
    int32_t job;
} Victim;

static void add_cost(void *context, LinkId link, const int64_t delay_ps[]) {
    const Victim *victim = context;
    int64_t sum_ps = 0;
    const PortList *step = &victim->played->step[victim->job];
    for (int32_t j = 0; j < JOBS; j++) {
        assert_true(delay_ps[j] >= 0);
        sum_ps += delay_ps[j];
        victim->played->cost_ps[victim->job][j] += delay_ps[j];
    }
    for (int64_t i = 0; i < step->n; i++)
        if (step->at[i].sample.link == link) assert_int_equal(step->at[i].sample.delay_ps, sum_ps);
}

static Edge edge_of(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

/// Random messages, most of them to a few hosts, and of one job unless there are several; then a cut.
static void play(uint64_t seed, int64_t most, Routing routing, int32_t njobs, Played *played) {
    uint64_t draws = 0;
    Cluster *cluster = cluster_with(routing);
    const PacketSpec spec = packets(seed % 4 != 0);
    const EngineOps *ops = &PACKET_ENGINE;
    *played = (Played){.width_ps = 1000000 * (1 + pick(seed, &draws, 9))};
    Engine *engine = ops->create(cluster, &(EngineSpec){.interval_ps = played->width_ps,
                                                        .intervals_most = most,
                                                        .njobs = njobs,
                                                        .packet = &spec});
    ops->sample_into(engine, (LinkSink){.put = keep, .context = &played->sample});
    Edge edge[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        const int64_t src = pick(seed, &draws, HOSTS), dst = pick(seed, &draws, 3);
        edge[i] = (Edge){.src = src, .dst = dst == src ? dst + 1 : dst, .weight = 1};
        const Transfer transfer = {.tag = i,
                                   .edges = {1, edge_of, &edge[i], 0},
                                   .step = i % njobs,
                                   .job = i % njobs,
                                   .queue_pairs = 1 + (int32_t)pick(seed, &draws, 3),
                                   .connection = 7,
                                   .bytes = 1 + pick(seed, &draws, 1 << 22),
                                   .rounds = 1,
                                   .start_ps = pick(seed, &draws, 40) * 1000000};
        assert_true(status_is_ok(&(Status[]){ops->submit(engine, &transfer)}[0]));
    }
    while (ops->nunfinished(engine) > 0) {
        Completion done[MESSAGES];
        ops->advance(engine, ops->next_ps(engine));
        for (int64_t n = ops->drain(engine, done, MESSAGES); n > 0; n--)
            played->end_ps =
                done[n - 1].end_ps > played->end_ps ? done[n - 1].end_ps : played->end_ps;
    }
    played->end_ps += 50000000; // resumes and acknowledgements are under way
    ops->advance(engine, played->end_ps);
    ops->restart_intervals(engine);
    for (int32_t j = 0; j < njobs; j++) {
        ops->step_links(engine, j, (LinkSink){.put = keep, .context = &played->step[j]});
        ops->step_culprits(engine, j, (CulpritSink){add_cost, &(Victim){played, j}});
        const PacketTotals packets = ops->step_packets(engine, j);
        played->packets.sent += packets.sent;
        played->packets.acknowledgements += packets.acknowledgements;
        for (int64_t i = 0; i < played->step[j].n; i++)
            played->delay_ps[j] += played->step[j].at[i].sample.delay_ps;
        ops->step_clear(engine, j);
    }
    ops->destroy(engine);
    cluster_destroy(cluster);
}

static void forget(Played *played) {
    array_free(&played->sample);
    for (int32_t j = 0; j < JOBS; j++) array_free(&played->step[j]);
}

static void add_entry(PortEntry *sum, const PortEntry *entry) {
    sum->sample.bytes += entry->sample.bytes;
    sum->sample.delay_ps += entry->sample.delay_ps;
    sum->sample.congested_ps += entry->sample.congested_ps;
    sum->port.queue_byte_ps += entry->port.queue_byte_ps;
    sum->port.paused_ps += entry->port.paused_ps;
    sum->port.marks += entry->port.marks;
    sum->port.drops += entry->port.drops;
    sum->port.trims += entry->port.trims;
    sum->port.reordered += entry->port.reordered;
    if (entry->port.queue_most > sum->port.queue_most)
        sum->port.queue_most = entry->port.queue_most;
}

/// Of a link, over what was told of a level between two times.
static PortEntry sum_of(const Played *played, int32_t level, LinkId link, int64_t from_ps,
                        int64_t to_ps) {
    const Intervals base = {.width_ps = played->width_ps};
    const int64_t each_ps = intervals_width_ps(&base, level);
    PortEntry sum = {.sample.link = link};
    for (int64_t i = 0; i < played->sample.n; i++) {
        const PortEntry *entry = &played->sample.at[i];
        const int64_t begin_ps = intervals_number_of(entry->index) * each_ps;
        if (entry->sample.link != link || intervals_level_of(entry->index) != level ||
            begin_ps < from_ps || begin_ps >= to_ps)
            continue;
        add_entry(&sum, entry);
    }
    return sum;
}

static void assert_equal(const PortEntry *a, const PortEntry *b) {
    assert_int_equal(a->sample.bytes, b->sample.bytes);
    assert_int_equal(a->sample.delay_ps, b->sample.delay_ps);
    assert_int_equal(a->sample.congested_ps, b->sample.congested_ps);
    assert_true(a->port.queue_byte_ps == b->port.queue_byte_ps);
    assert_int_equal(a->port.queue_most, b->port.queue_most);
    assert_int_equal(a->port.paused_ps, b->port.paused_ps);
    assert_int_equal(a->port.marks, b->port.marks);
    assert_int_equal(a->port.drops, b->port.drops);
    assert_int_equal(a->port.trims, b->port.trims);
    assert_int_equal(a->port.reordered, b->port.reordered);
}

// Law: whatever was merged on the way, a port's intervals on the level at the cut hold what those without a bound do, and
// together what the step met there: bytes, waits, queues over time, pauses, marks, reordering; of the queue the most.
static void merged_intervals_hold_the_sums(void **state) {
    (void)state;
    int merged = 0, paused = 0, marked = 0, reordered = 0;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        uint64_t draws = 1000;
        const int64_t most = intervals_bound(1 + pick(seed, &draws, 20));
        const Routing routing = seed % 3 ? ROUTING_ECMP : ROUTING_SPRAY;
        Played bounded, free;
        play(seed, most, routing, 1, &bounded);
        play(seed, 0, routing, 1, &free);
        assert_int_equal(bounded.end_ps, free.end_ps);
        const Intervals intervals = {.width_ps = bounded.width_ps, .most = most};
        const int32_t level = intervals_level(&intervals, bounded.end_ps);
        const int64_t wide_ps = intervals_width_ps(&intervals, level);
        merged += level > 0;
        for (int64_t k = 0; k < bounded.step[0].n; k++) {
            const PortEntry *step = &bounded.step[0].at[k];
            const PortEntry all = sum_of(&bounded, level, step->sample.link, 0, INT64_MAX);
            assert_equal(&all, step);
            for (int64_t t = 0; t < bounded.end_ps; t += wide_ps) {
                const PortEntry one = sum_of(&bounded, level, step->sample.link, t, t + wide_ps),
                                sum = sum_of(&free, 0, step->sample.link, t, t + wide_ps);
                assert_equal(&one, &sum);
            }
            paused += step->port.paused_ps > 0;
            marked += step->port.marks > 0;
            reordered += step->port.reordered > 0;
        }
        forget(&bounded);
        forget(&free);
    }
    assert_true(merged > SCENES / 3 && paused > SCENES && marked > SCENES && reordered >= SCENES);
}

// Law: within an interval no queue is longer in the mean than at most, no port is paused for longer than the interval, and a
// port that sends all the time while something waits carries what fits.
static void no_interval_holds_more_than_its_time(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        Played played;
        play(seed, 0, ROUTING_ECMP, 1, &played);
        for (int64_t i = 0; i < played.sample.n; i++) {
            const PortSample *port = &played.sample.at[i].port;
            assert_in_range(port->paused_ps, 0, played.width_ps);
            assert_true(port->queue_byte_ps >= 0);
            // a moment is counted in 2^10 ps
            assert_true(port->queue_byte_ps <=
                        (Wide)port->queue_most * (played.width_ps + (1 << 10)));
            assert_true((port->cause >= 0) == (port->paused_ps > 0));
        }
        forget(&played);
    }
}

// Law: who is paused is paused by a port of the switch that its link leads to, and without PFC nobody is.
static void a_pause_has_a_cause_where_the_link_ends(void **state) {
    (void)state;
    Cluster *cluster = cluster_with(ROUTING_ECMP);
    int causes = 0;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        Played played;
        play(seed, 0, ROUTING_ECMP, 1, &played);
        for (int64_t i = 0; i < played.step[0].n; i++) {
            const PortEntry *entry = &played.step[0].at[i];
            if (seed % 4 == 0) assert_int_equal(entry->port.paused_ps, 0);
            if (entry->port.cause < 0) continue;
            int64_t lower[2];
            SwitchId upper[2];
            cluster_link_ends(cluster, entry->sample.link, &lower[0], &upper[0]);
            cluster_link_ends(cluster, entry->port.cause, &lower[1], &upper[1]);
            const bool up = cluster_link_direction(cluster, entry->sample.link) == LINK_UP,
                       on = cluster_link_direction(cluster, entry->port.cause) == LINK_UP;
            assert_int_equal(up ? upper[0] : lower[0], on ? lower[1] : upper[1]);
            causes++;
        }
        forget(&played);
    }
    assert_true(causes > SCENES);
    cluster_destroy(cluster);
}

// Law: what the transfers of a job lose at a port is shared, to the picosecond, among the jobs that used it; who is alone in
// the cluster loses to himself.
static void what_is_lost_is_lost_to_somebody(void **state) {
    (void)state;
    int64_t crossed_ps = 0;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        Played played;
        play(seed, 0, ROUTING_ECMP, JOBS, &played);
        for (int32_t victim = 0; victim < JOBS; victim++) {
            int64_t sum_ps = 0;
            for (int32_t j = 0; j < JOBS; j++) sum_ps += played.cost_ps[victim][j];
            assert_int_equal(sum_ps, played.delay_ps[victim]);
            crossed_ps += sum_ps - played.cost_ps[victim][victim];
        }
        forget(&played);
    }
    assert_true(crossed_ps > 0);
}

// Law: a message of n bytes is as many packets as fit, whatever is in its way; all are acknowledged.
static void packets_are_counted(void **state) {
    (void)state;
    Cluster *cluster = cluster_with(ROUTING_DMODK);
    const EngineOps *ops = &PACKET_ENGINE;
    const int64_t mtu_bytes = packet_default_spec().mtu_bytes;
    for (int64_t n = 1; n < 40; n += 7) {
        Engine *engine = ops->create(cluster, &(EngineSpec){0});
        Edge edge = {.src = 0, .dst = HOSTS - 1, .weight = 1};
        const Transfer transfer = {.edges = {1, edge_of, &edge, 0},
                                   .step = 5,
                                   .queue_pairs = 1,
                                   .bytes = n * mtu_bytes - 1,
                                   .rounds = 1};
        assert_true(status_is_ok(&(Status[]){ops->submit(engine, &transfer)}[0]));
        ops->advance(engine, TIME_NEVER_PS);
        const PacketTotals packets = ops->step_packets(engine, 5);
        assert_int_equal(packets.sent, n);
        assert_int_equal(packets.resent, 0);
        assert_in_range(packets.acknowledgements, 1, n);
        assert_int_equal(ops->step_packets(engine, 4).sent, 0);
        ops->destroy(engine);
    }
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_intervals_hold_the_sums),
        cmocka_unit_test(no_interval_holds_more_than_its_time),
        cmocka_unit_test(a_pause_has_a_cause_where_the_link_ends),
        cmocka_unit_test(what_is_lost_is_lost_to_somebody),
        cmocka_unit_test(packets_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
