// The sums of links are held to the plain definition: a division a link, and a sort.
#include <string.h>
#include "../engine/race.h"

#include "base/memory.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "observe/load.h"

enum { HOSTS = 128, HOT = 5, LINKS_MAX = 4096, SCENES = 60 };

/// Random loads of random links of a cluster, each link at most once.
typedef struct Scene {
    uint64_t seed, draws;
    Cluster *cluster;
    int64_t start_ps, end_ps;
    int64_t n;
    LinkSample sample[LINKS_MAX];
} Scene;

static int64_t pick(Scene *scene, int64_t below) {
    return rng_below(14, RNG_TEST, scene->seed, scene->draws++, below);
}

/// What fits through a link in a span, as the file is to be understood.
static double room_bytes(const Cluster *cluster, LinkId link, int64_t span_ps) {
    return (double)cluster_capacity_Bps(cluster, link) * ((double)span_ps / 1e12);
}

/// Amounts of a link that is full of them, or is not far from it.
static int64_t draw_much(Scene *scene) {
    return pick(scene, 16) == 0 ? WIDE_FULL : pick(scene, INT64_MAX);
}

/// Bytes near the edge of a bin, where a quotient that is rounded otherwise would show.
static int64_t draw_bytes(Scene *scene, LinkId link) {
    double room = room_bytes(scene->cluster, link, scene->end_ps - scene->start_ps);
    int64_t bytes = (int64_t)(room * (double)pick(scene, 23) / 20) + pick(scene, 5) - 2;
    return bytes > 0 ? bytes : 0;
}

/// Every fourth scene is of amounts whose sums no word holds; in every fifth nothing is slow.
static void draw_scene(Scene *scene, uint64_t seed) {
    static const Routing ROUTINGS[] = {ROUTING_DMODK, ROUTING_ECMP, ROUTING_ADAPTIVE};
    *scene = (Scene){.seed = seed};
    ClusterSpec spec = race_spec(HOSTS);
    spec.routing = ROUTINGS[seed % 3];
    if (pick(scene, 2) == 1) {
        spec.nfaults = 1;
        spec.fault[0] = (LinkFaultSpec){.tier = 2, .lower = 3, .port = 1, .fraction = 0.3};
    }
    Status status = cluster_create(&spec, &scene->cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    assert_true(cluster_nresources(scene->cluster) <= LINKS_MAX);
    scene->start_ps = pick(scene, 1000000);
    scene->end_ps = scene->start_ps + 1 + pick(scene, INT64_C(1) << (4 * pick(scene, 12)));
    for (LinkId link = 0; link < cluster_nresources(scene->cluster); link++) {
        if (pick(scene, 3) == 0 || cluster_resource_width(scene->cluster, link) == 0) continue;
        bool slow = pick(scene, 4) == 0 && seed % 5 != 1, much = seed % 4 == 3;
        scene->sample[scene->n++] = (LinkSample){
            .link = link,
            .bytes = much ? draw_much(scene) : draw_bytes(scene, link),
            .delay_ps = !slow  ? 0
                        : much ? draw_much(scene)
                               : pick(scene, 4),
            .congested_ps = slow ? pick(scene, much ? TIME_END_PS : 100) : 0,
        };
    }
}

static void shuffle(Scene *scene) {
    for (int64_t i = scene->n - 1; i > 0; i--) {
        int64_t j = pick(scene, i + 1);
        LinkSample swap = scene->sample[i];
        scene->sample[i] = scene->sample[j];
        scene->sample[j] = swap;
    }
}

static LoadSum *new_sum(const Scene *scene) {
    LoadSum *sum = memory_alloc("test", load_sum_bytes(HOT));
    sum->start_ps = scene->start_ps;
    sum->end_ps = scene->end_ps;
    return sum;
}

static void free_sum(LoadSum *sum) { memory_free("test", sum, load_sum_bytes(HOT)); }

/// Delay of one of its links, then utilisation.
static bool hotter(const Cluster *cluster, const LinkSample *a, const LinkSample *b) {
    Wide width_a = cluster_resource_width(cluster, a->link);
    Wide width_b = cluster_resource_width(cluster, b->link);
    if (a->delay_ps * width_b != b->delay_ps * width_a)
        return a->delay_ps * width_b > b->delay_ps * width_a;
    Wide carried_a = (Wide)a->bytes * cluster_capacity_Bps(cluster, b->link);
    Wide carried_b = (Wide)b->bytes * cluster_capacity_Bps(cluster, a->link);
    return carried_a != carried_b ? carried_a > carried_b : a->link < b->link;
}

/// The definition.
static LoadSum *plain_sum(const Scene *scene) {
    LoadSum *sum = new_sum(scene);
    for (int64_t i = 0; i < scene->n; i++) {
        const LinkSample *sample = &scene->sample[i];
        double room = room_bytes(scene->cluster, sample->link, scene->end_ps - scene->start_ps);
        LoadTier *tier = &sum->tier[cluster_link_tier(scene->cluster, sample->link)]
                                   [cluster_link_direction(scene->cluster, sample->link)];
        tier->bytes += sample->bytes;
        tier->delay_ps += sample->delay_ps;
        int64_t width = cluster_resource_width(scene->cluster, sample->link);
        tier->congested_ps += (Wide)width * sample->congested_ps;
        if (sample->delay_ps == WIDE_FULL) tier->nfull++;
        double share = room > 0 ? (double)sample->bytes / room : 0;
        if (share > tier->utilisation_max) tier->utilisation_max = share;
        int bin = trace_bin(sample->bytes, room >= 1 ? (int64_t)room : 1);
        if (bin > 0) tier->histogram[bin] += width;
        int64_t rank = 0;
        for (int64_t k = 0; k < scene->n; k++)
            rank += hotter(scene->cluster, &scene->sample[k], sample);
        bool any = sample->bytes > 0 || sample->delay_ps > 0 || sample->congested_ps > 0;
        if (!any || rank >= HOT) continue;
        sum->hot[rank] =
            (HotLink){*sample, width, cluster_capacity_Bps(scene->cluster, sample->link)};
        sum->nhot++;
    }
    return sum;
}

static void assert_same(const LoadSum *a, const LoadSum *b) {
    assert_memory_equal(a->tier, b->tier, sizeof a->tier);
    assert_int_equal(a->nhot, b->nhot);
    assert_memory_equal(a->hot, b->hot, (size_t)a->nhot * sizeof a->hot[0]);
}

// Law: a sum is its definition, to the bit, in whatever order links come, and also for the second of two sums with
// spans of their own that an adder fills in turns.
static void a_sum_is_its_definition(void **state) {
    (void)state;
    Scene *scene = memory_alloc("test", sizeof *scene);
    for (uint64_t seed = 0; seed < SCENES; seed++) {
        draw_scene(scene, seed);
        LoadAdder adder;
        load_adder_init(&adder, scene->cluster, HOT);
        LoadSum *wanted = plain_sum(scene), *sum = new_sum(scene), *other = new_sum(scene);
        other->end_ps += 12345;
        shuffle(scene);
        for (int64_t i = 0; i < scene->n; i++) {
            const LinkSample *s = &scene->sample[i];
            load_adder_into(&adder, other);
            load_add_link(&adder, s->link, s->bytes / 2, s->delay_ps, s->congested_ps);
            load_adder_into(&adder, sum);
            load_add_link(&adder, s->link, s->bytes, s->delay_ps, s->congested_ps);
        }
        assert_same(wanted, sum);
        free_sum(wanted);
        free_sum(sum);
        free_sum(other);
        load_adder_fini(&adder);
        cluster_destroy(scene->cluster);
    }
    memory_free("test", scene, sizeof *scene);
}

/// One link in a sum of its own.
static void assert_bin(LoadAdder *adder, LoadSum *sum, int64_t bytes, int64_t capacity_bytes) {
    LinkId link = cluster_first_link(adder->cluster, 1, LINK_UP);
    memset(sum->tier, 0, sizeof sum->tier);
    sum->nhot = 0;
    load_adder_into(adder, sum);
    load_add_link(adder, link, bytes, 0, 0);
    assert_int_equal(sum->tier[1][LINK_UP].histogram[trace_bin(bytes, capacity_bytes)], 1);
}

// Law: a link is in the bin that trace_bin says, also where its load is a whole number of bins and the last digit of a
// quotient decides: loads of a few bytes, and loads that have more digits than a double.
static void bins_are_those_of_trace_bin(void **state) {
    (void)state;
    enum {
        SPANS = 300,
        WHOLE_PS = 400,
        NEAR = 40
    }; // in 400 ps a link of 50e9 B/s carries 20 bytes
    Cluster *cluster = race_cluster(HOSTS);
    LoadAdder adder;
    load_adder_init(&adder, cluster, HOT);
    LoadSum *sum = memory_alloc("test", load_sum_bytes(HOT));
    LinkId link = cluster_first_link(cluster, 1, LINK_UP);
    for (int64_t span = 1; span <= SPANS; span++) {
        sum->end_ps = span * WHOLE_PS;
        int64_t capacity_bytes = (int64_t)room_bytes(cluster, link, sum->end_ps);
        for (int64_t bytes = 1; bytes < 22 * span; bytes++)
            assert_bin(&adder, sum, bytes, capacity_bytes);
        sum->end_ps = INT64_MAX / span;
        capacity_bytes = (int64_t)room_bytes(cluster, link, sum->end_ps);
        for (int bin = 1; bin < TRACE_BINS; bin++)
            for (int64_t beside = -NEAR; beside <= NEAR; beside++)
                assert_bin(&adder, sum, capacity_bytes / 20 * bin + beside, capacity_bytes);
    }
    free_sum(sum);
    load_adder_fini(&adder);
    cluster_destroy(cluster);
}

// Law: every rank adds the links that it knows; merged, that is the sum of one rank.
static void ranks_merge_to_the_sum_of_one(void **state) {
    (void)state;
    enum { NRANKS = 3 };
    Scene *scene = memory_alloc("test", sizeof *scene);
    for (uint64_t seed = 0; seed < SCENES; seed++) {
        draw_scene(scene, seed);
        LoadSum *wanted = plain_sum(scene), *merged = new_sum(scene);
        for (int rank = 0; rank < NRANKS; rank++) {
            LoadAdder adder;
            load_adder_init(&adder, scene->cluster, HOT);
            LoadSum *sum = new_sum(scene);
            load_adder_into(&adder, sum);
            for (int64_t i = 0; i < scene->n; i++) {
                const LinkSample *s = &scene->sample[i];
                if (s->link % NRANKS != rank) continue;
                load_add_link(&adder, s->link, s->bytes, s->delay_ps, s->congested_ps);
            }
            load_merge(sum, HOT, merged);
            free_sum(sum);
            load_adder_fini(&adder);
        }
        assert_same(wanted, merged);
        free_sum(wanted);
        free_sum(merged);
        cluster_destroy(scene->cluster);
    }
    memory_free("test", scene, sizeof *scene);
}

/// What is told of a tier and direction, by its links one by one.
typedef struct PlainTier {
    double mean, most;
    int64_t idle;
} PlainTier;

static PlainTier plain_tier(const Scene *scene, int32_t tier, LinkDirection direction) {
    const int64_t n = cluster_tier_links(scene->cluster, tier),
                  first = cluster_first_link(scene->cluster, tier, direction);
    PlainTier plain = {.idle = n};
    for (int64_t i = 0; i < scene->n; i++) {
        const LinkSample *sample = &scene->sample[i];
        if (sample->link < first || sample->link >= first + n) continue;
        const double share = (double)sample->bytes / room_bytes(scene->cluster, sample->link,
                                                                scene->end_ps - scene->start_ps);
        plain.mean += share / (double)n;
        plain.most = fmax(plain.most, share);
        plain.idle -= sample->bytes > 0;
    }
    return plain;
}

// Law: of each tier and direction every link is in one bin, those that carried nothing in the first, and what is told of
// them is the mean (where all are healthy) and the most of their utilisations.
static void every_link_of_a_direction_counts_once(void **state) {
    (void)state;
    Scene *scene = memory_alloc("test", sizeof *scene);
    int means = 0;
    for (uint64_t seed = 0; seed < SCENES; seed++) {
        draw_scene(scene, seed);
        const Cluster *cluster = scene->cluster;
        const bool bundled = cluster_nresources(cluster) > cluster_nlinks(cluster);
        TraceHotLink hot[HOT];
        TraceLoad load;
        LoadAdder adder;
        load_adder_init(&adder, cluster, HOT);
        LoadSum *sum = new_sum(scene);
        load_adder_into(&adder, sum);
        load_add(&adder, scene->sample, scene->n);
        load_finish(cluster, sum, hot, &load);
        for (int32_t t = 0; t < cluster_ntiers(cluster) && !bundled; t++)
            for (int d = 0; d < TRACE_DIRECTIONS; d++) {
                const TraceTierLoad *tier = &load.tier[t][d];
                const PlainTier plain = plain_tier(scene, t, (LinkDirection)d);
                int64_t links = 0;
                for (int bin = 0; bin < TRACE_BINS; bin++) links += tier->histogram[bin];
                assert_int_equal(links, cluster_tier_links(cluster, t));
                assert_int_equal(tier->histogram[0], plain.idle);
                assert_close(tier->utilisation_max, plain.most, 1e-9 * plain.most);
                if (cluster_spec(cluster)->nfaults > 0) continue;
                assert_close(tier->utilisation_mean, plain.mean, 1e-9 * plain.mean);
                means += plain.mean > 0;
            }
        free_sum(sum);
        load_adder_fini(&adder);
        cluster_destroy(scene->cluster);
    }
    assert_true(means > SCENES / 4);
    memory_free("test", scene, sizeof *scene);
}

static Status check_tier(const Cluster *cluster, LoadTier tier) {
    LoadSum *sum = memory_alloc("test", load_sum_bytes(HOT));
    sum->tier[1][LINK_DOWN] = tier;
    Status status = load_check(cluster, sum);
    free_sum(sum);
    return status;
}

// Law: sums of times may be as large as they will; what a word of the trace is for must fit it, or the sum is refused by name.
static void what_no_word_holds_is_refused(void **state) {
    (void)state;
    Cluster *cluster = race_cluster(HOSTS);
    const Wide much = (Wide)INT64_MAX * INT32_MAX;
    Status good = check_tier(
        cluster, (LoadTier){.bytes = INT64_MAX - 1, .delay_ps = much, .congested_ps = much});
    assert_int_equal(good.code, STATUS_OK);
    Status bytes = check_tier(cluster, (LoadTier){.bytes = INT64_MAX});
    assert_int_equal(bytes.code, STATUS_FAILED);
    assert_non_null(strstr(bytes.text, "(down): links carry 2^63 bytes or more"));
    Status delay = check_tier(cluster, (LoadTier){.nfull = 1});
    assert_int_equal(delay.code, STATUS_FAILED);
    assert_non_null(strstr(delay.text, "(down): transfers lose 106 days (2^63 ps) or more"));
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sum_is_its_definition),
        cmocka_unit_test(bins_are_those_of_trace_bin),
        cmocka_unit_test(ranks_merge_to_the_sum_of_one),
        cmocka_unit_test(every_link_of_a_direction_counts_once),
        cmocka_unit_test(what_no_word_holds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
