// Sampling intervals that are merged when there are too many: where they end, and what they hold.
#include "race.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "claims.h"
#include "draws.h"
#include "engine/flow/flow.h"
#include "engine/intervals.h"
#include "link_list.h"

enum { SCENES = 200, HOSTS = 16, MESSAGES = 12, LINKS_MAX = 512 };

static int64_t pick(uint64_t seed, uint64_t *draws, int64_t below) {
    return rng_below(21, RNG_TEST, seed, (*draws)++, below);
}

static Intervals draw_intervals(uint64_t seed, uint64_t *draws) {
    return (Intervals){.width_ps = 1 + pick(seed, draws, 50),
                       .most = intervals_bound(1 + pick(seed, draws, 12)),
                       .origin_ps = pick(seed, draws, 1000)};
}

// Whenever all is cut there are at most `most`, also just before and behind where they are merged; those of a level are
// equally wide, and one of the next holds INTERVALS_MERGED of them. The ends that are passed are those of the levels, in
// order; how many there are grows with the logarithm of time.
static void there_are_never_more_than_most(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        uint64_t draws = 0;
        Intervals intervals = draw_intervals(seed, &draws);
        int64_t now_ps = intervals.origin_ps, ends = 0, end_ps;
        while (ends < 12 * intervals.most) {
            end_ps = intervals_next_ps(&intervals, now_ps);
            for (int64_t t = now_ps + 1; t <= end_ps; t += 1 + (end_ps - now_ps) / 7) {
                int64_t n = intervals_number(&intervals, t);
                assert_in_range(n, 1, intervals.most);
                int64_t width_ps = intervals_width_ps(&intervals, intervals_level(&intervals, t));
                assert_true((n - 1) * width_ps < t - intervals.origin_ps);
                assert_true(n * width_ps >= t - intervals.origin_ps);
                assert_int_equal(intervals_meet_at(&intervals, t), t == end_ps);
            }
            int64_t width_ps = intervals_width_ps(&intervals, intervals_level(&intervals, end_ps));
            assert_int_equal((end_ps - intervals.origin_ps) % width_ps, 0);
            assert_int_equal(end_ps - now_ps, width_ps);
            now_ps = end_ps;
            ends++;
        }
        assert_true(now_ps > (INT64_C(1) << 20) * intervals.width_ps);
    }
}

// Twice the wanted number, but for what does not divide.
static void at_most_twice_what_is_wanted(void **state) {
    (void)state;
    for (int64_t wanted = 1; wanted < 1000; wanted++) {
        int64_t most = intervals_bound(wanted);
        assert_int_equal(most % INTERVALS_MERGED, 0);
        assert_true(most >= INTERVALS_MERGED);
        assert_true(most <= 2 * wanted || most == INTERVALS_MERGED);
        assert_true(most > 2 * wanted - INTERVALS_MERGED);
    }
}

// No time is too long for the arithmetic.
static void the_longest_time_has_its_interval(void **state) {
    (void)state;
    Intervals intervals = {.width_ps = 1, .most = 4};
    for (int64_t t = INT64_MAX; t > INT64_MAX / 2; t -= INT64_MAX / 9) {
        assert_in_range(intervals_number(&intervals, t), 1, 4);
        assert_true(intervals_level(&intervals, t) < INTERVALS_LEVELS);
        if (t < INT64_MAX) assert_true(intervals_next_ps(&intervals, t) > t);
    }
}

typedef struct Played {
    LinkList sample, step;
    int64_t end_ps;
} Played;

static Edge edge_of(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

/// Random messages, bytes in halves and thirds over several queue pairs, one phase of which is long; then a cut.
static void play(uint64_t seed, int64_t most, Played *played) {
    uint64_t draws = 0;
    Cluster *cluster = race_cluster(HOSTS);
    int64_t byte_ps = 20, width_ps = byte_ps * (40 + pick(seed, &draws, 100));
    Flow *flow = flow_create(
        cluster, &(EngineSpec){.interval_ps = width_ps,
                               .intervals_most = most,
                               .control_delay_ps = pick(seed, &draws, 2) * 30 * width_ps});
    flow_sample_into(flow, link_list_sink(&played->sample));
    Edge edge[MESSAGES];
    for (int i = 0; i < MESSAGES; i++) {
        int64_t src = pick(seed, &draws, HOSTS), dst = pick(seed, &draws, HOSTS - 1);
        edge[i] = (Edge){.src = src, .dst = dst + (dst >= src), .weight = 1};
        Transfer transfer = {.tag = i,
                             .edges = {1, edge_of, &edge[i], 0},
                             .queue_pairs = 1 + (int32_t)pick(seed, &draws, 3),
                             .connection = 7,
                             .bytes = 1 + pick(seed, &draws, 1 << pick(seed, &draws, 16)),
                             .rounds = 1,
                             .start_ps = pick(seed, &draws, 400) * width_ps};
        assert_true(status_is_ok(&(Status[]){flow_submit(flow, &transfer)}[0]));
    }
    while (flow_nunfinished(flow) > 0) {
        Completion done[MESSAGES];
        flow_advance(flow, flow_next_ps(flow));
        for (int64_t n = flow_drain(flow, done, MESSAGES); n > 0; n--)
            played->end_ps =
                done[n - 1].end_ps > played->end_ps ? done[n - 1].end_ps : played->end_ps;
    }
    flow_restart_intervals(flow);
    flow_step_links(flow, 0, link_list_sink(&played->step));
    flow_destroy(flow);
    cluster_destroy(cluster);
}

/// Totals of a link over what was told of a level between two times.
static LinkSample sum_of(const Played *played, int64_t width_ps, int32_t level, LinkId link,
                         int64_t from_ps, int64_t to_ps) {
    const Intervals base = {.width_ps = width_ps};
    int64_t each_ps = intervals_width_ps(&base, level);
    LinkSample sum = {.link = link};
    for (int64_t i = 0; i < played->sample.n; i++) {
        const LinkEntry *entry = &played->sample.at[i];
        int64_t begin_ps = intervals_number_of(entry->index) * each_ps;
        if (entry->sample.link != link || intervals_level_of(entry->index) != level ||
            begin_ps < from_ps || begin_ps >= to_ps)
            continue;
        sum.bytes += entry->sample.bytes;
        sum.congested_ps += entry->sample.congested_ps;
    }
    return sum;
}

static int64_t base_width_ps(uint64_t seed) {
    uint64_t draws = 0;
    return 20 * (40 + pick(seed, &draws, 100));
}

// Whatever was merged on the way, each link's intervals on the level at the cut hold what those without a bound do, and
// sum to what the step moved over it, to the byte.
static void merged_intervals_hold_the_sums(void **state) {
    (void)state;
    int merged = 0;
    for (uint64_t seed = 1; seed <= SCENES; seed++) {
        uint64_t draws = 1000;
        int64_t most = intervals_bound(1 + pick(seed, &draws, 60)), width_ps = base_width_ps(seed);
        Played bounded = {0}, free = {0};
        play(seed, most, &bounded);
        play(seed, 0, &free);
        assert_int_equal(bounded.end_ps, free.end_ps);
        Intervals intervals = {.width_ps = width_ps, .most = most};
        int32_t level = intervals_level(&intervals, bounded.end_ps);
        int64_t wide_ps = intervals_width_ps(&intervals, level);
        merged += level > 0;
        for (int64_t k = 0; k < bounded.step.n; k++) {
            LinkId link = bounded.step.at[k].sample.link;
            LinkSample all = sum_of(&bounded, width_ps, level, link, 0, INT64_MAX);
            assert_int_equal(all.bytes, bounded.step.at[k].sample.bytes);
            assert_int_equal(all.congested_ps, bounded.step.at[k].sample.congested_ps);
            for (int64_t t = 0; t < bounded.end_ps; t += wide_ps) {
                LinkSample one = sum_of(&bounded, width_ps, level, link, t, t + wide_ps);
                LinkSample sum = sum_of(&free, width_ps, 0, link, t, t + wide_ps);
                assert_int_equal(one.bytes, sum.bytes);
                assert_int_equal(one.congested_ps, sum.congested_ps);
            }
        }
        array_free(&bounded.sample);
        array_free(&bounded.step);
        array_free(&free.sample);
        array_free(&free.step);
    }
    assert_true(merged > SCENES / 3);
}

// Also sums that no 64 bits hold: a link counts 64 parts a byte here.
static void wide_sums_lose_nothing(void **state) {
    (void)state;
    enum { QUEUE_PAIRS = 64, TRANSFERS = 600, FASTER = 8 };
    const int64_t bytes = (INT64_C(1) << 55) / QUEUE_PAIRS - 1, width_ps = INT64_C(1) << 58;
    ClusterSpec spec = race_spec(HOSTS); // faster, so that it ends before simulated time does
    spec.nic.line_Bps = spec.nic.goodput_Bps *= FASTER;
    for (int32_t t = 0; t < spec.ntiers; t++)
        spec.tier[t].link_Bps = spec.tier[t].switch_spec.port_Bps *= FASTER;
    Cluster *cluster = NULL;
    assert_true(status_is_ok(&(Status[]){cluster_create(&spec, &cluster)}[0]));
    Flow *flow = flow_create(cluster, &(EngineSpec){.interval_ps = width_ps, .intervals_most = 8});
    Played played = {0};
    flow_sample_into(flow, link_list_sink(&played.sample));
    Edge edge = {.src = 0, .dst = HOSTS - 1, .weight = 1};
    for (int64_t i = 0; i < TRANSFERS; i++) {
        Transfer transfer = {.tag = i,
                             .edges = {1, edge_of, &edge, 0},
                             .queue_pairs = QUEUE_PAIRS,
                             .connection = 7,
                             .bytes = bytes,
                             .rounds = 1};
        assert_true(status_is_ok(&(Status[]){flow_submit(flow, &transfer)}[0]));
    }
    while (flow_nunfinished(flow) > 0) {
        flow_advance(flow, flow_next_ps(flow));
        flow_drain(flow, &(Completion){0}, 1);
    }
    flow_restart_intervals(flow);
    flow_step_links(flow, 0, link_list_sink(&played.step));
    assert_true(played.step.n > 0 && played.sample.n > played.step.n);
    LinkId ends[2] = {-1, -1};
    for (int64_t k = 0; k < played.step.n; k++) {
        LinkSample link = played.step.at[k].sample;
        LinkSample all = sum_of(&played, width_ps, 0, link.link, 0, INT64_MAX);
        assert_int_equal(all.bytes, link.bytes);
        if (link.bytes == TRANSFERS * bytes) ends[ends[0] >= 0] = link.link;
    }
    assert_true(ends[0] >= 0 && ends[1] > ends[0]); // from the sender and to the receiver
    array_free(&played.sample);
    array_free(&played.step);
    flow_destroy(flow);
    cluster_destroy(cluster);
}

// Law: n equal transfers into one NIC take n times their time alone, so that they lose n (n - 1) times that time there. More
// than a word holds is as much as it holds, and never less.
static void losses_that_no_word_holds_are_full(void **state) {
    (void)state;
    enum { BYTE_PS = 20 };
    const int64_t bytes = INT64_C(5000000000000000);
    Cluster *cluster = race_cluster(HOSTS);
    int32_t full = 0;
    for (int64_t n = 2; n < HOSTS; n++) {
        Flow *flow = flow_create(cluster, &(EngineSpec){0});
        RaceFlow flows[HOSTS];
        for (int64_t i = 0; i < n; i++)
            flows[i] = (RaceFlow){.edge = {.src = i + 1, .dst = 0, .weight = 1}, .bytes = bytes};
        assert_int_equal(race_play(flow, flows, n).ncompleted, n);
        LinkList links = {0};
        flow_step_links(flow, 0, link_list_sink(&links));
        int64_t most_ps = 0;
        for (int64_t k = 0; k < links.n; k++)
            if (links.at[k].sample.delay_ps > most_ps) most_ps = links.at[k].sample.delay_ps;
        const double lost_ps = (double)(n * (n - 1)) * (double)bytes * BYTE_PS;
        assert_close((double)most_ps, fmin(lost_ps, (double)WIDE_FULL), 1e-6 * lost_ps);
        full += most_ps == WIDE_FULL;
        array_free(&links);
        flow_destroy(flow);
    }
    assert_true(full > 0 && full < HOSTS - 2);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_never_more_than_most),
        cmocka_unit_test(at_most_twice_what_is_wanted),
        cmocka_unit_test(the_longest_time_has_its_interval),
        cmocka_unit_test(merged_intervals_hold_the_sums),
        cmocka_unit_test(wide_sums_lose_nothing),
        cmocka_unit_test(losses_that_no_word_holds_are_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
