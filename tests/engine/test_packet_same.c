// Laws: what packets do does not depend on how they are played. On random scenes of every routing, control and machine: the
// same again; submitted in another order; advanced in small steps; sampled. Intervals sum to the step.
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "claims.h"
#include "packet_scene.h"

#ifndef NSCENES
#define NSCENES 350
#endif

static PacketScene scene;
static PacketOutcome first, other;

static void assert_same(uint64_t number, const char *how) {
    if (other.ndone != scene.n)
        fail_msg("scene %d, %s: %d of %d end", (int)number, how, other.ndone, scene.n);
    for (int32_t i = 0; i < scene.n; i++)
        if (memcmp(&first.done[i], &other.done[i], sizeof other.done[i]) != 0)
            fail_msg("scene %d, %s: transfer %d ends at %lld, not %lld", (int)number, how, i,
                     (long long)other.done[i].end_ps, (long long)first.done[i].end_ps);
    for (int32_t link = 0; link < SCENE_LINKS_MAX; link++)
        if (memcmp(&first.link[link], &other.link[link], sizeof *first.link) != 0)
            fail_msg("scene %d, %s: link %d has %lld bytes, %lld ps, not %lld bytes, %lld ps",
                     (int)number, how, link, (long long)other.link[link].bytes,
                     (long long)other.link[link].delay_ps, (long long)first.link[link].bytes,
                     (long long)first.link[link].delay_ps);
}

static void play(uint64_t number, PacketHow how, PacketOutcome *outcome) {
    packet_scene_draw(&scene, number, true);
    Cluster *cluster = packet_scene_cluster(&scene);
    packet_scene_play(cluster, &scene, how, outcome);
    cluster_destroy(cluster);
}

static void all_scenes_are_as_first(PacketHow how, const char *what) {
    for (uint64_t number = 0; number < NSCENES; number++) {
        play(number, (PacketHow){0}, &first);
        play(number, how, &other);
        assert_same(number, what);
    }
}

static void a_scene_is_the_same_again(void **state) {
    (void)state;
    all_scenes_are_as_first((PacketHow){0}, "again");
}

static void order_of_submission_does_not_matter(void **state) {
    (void)state;
    all_scenes_are_as_first((PacketHow){.backwards = true}, "backwards");
}

static void small_steps_are_as_one(void **state) {
    (void)state;
    all_scenes_are_as_first((PacketHow){.step_ps = 77777}, "in steps");
}

static void intervals_change_nothing_and_sum_to_the_step(void **state) {
    (void)state;
    for (uint64_t number = 0; number < NSCENES; number++) {
        play(number, (PacketHow){0}, &first);
        play(number, (PacketHow){.interval_ps = 3 * PS_PER_US}, &other);
        assert_same(number, "sampled");
        for (int32_t link = 0; link < SCENE_LINKS_MAX; link++) {
            assert_int_equal(other.sampled[link].bytes, other.link[link].bytes);
            assert_int_equal(other.sampled[link].delay_ps, other.link[link].delay_ps);
            assert_int_equal(other.sampled[link].congested_ps, other.link[link].congested_ps);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scene_is_the_same_again),
        cmocka_unit_test(order_of_submission_does_not_matter),
        cmocka_unit_test(small_steps_are_as_one),
        cmocka_unit_test(intervals_change_nothing_and_sum_to_the_step),
    };
    return cmocka_run_group_tests_name("packet_same", tests, NULL, NULL);
}
