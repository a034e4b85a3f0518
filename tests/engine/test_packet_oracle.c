// Law: on bound paths the packet engine says what the plainest simulation of its model says (packet_oracle.h), to the
// picosecond, wherever it is for the model to say: all scenes in which no two packets come to one queue at one moment.
#include "packet_oracle.h"

#include <stdio.h>

#include "base/units.h"
#include "claims.h"
#include "packet_scene.h"

#ifndef NSCENES
#define NSCENES 400
#endif

/// Nothing is to end before its alone-time, which is the engine's to say.
static int64_t expected_ps(const Oracle *oracle, const Completion *done) {
    const int64_t end_ps = oracle_end_ps(oracle, done->tag),
                  alone_ps = done->start_ps + done->alone_ps;
    return end_ps > alone_ps ? end_ps : alone_ps;
}

/// What is not as the oracle says; where two packets have met, the model does not say, and bytes alone count.
static int32_t count_wrong(const PacketScene *scene, const Cluster *cluster, const Oracle *oracle) {
    static PacketOutcome outcome;
    packet_scene_play(cluster, scene, (PacketHow){0}, &outcome);
    int32_t nwrong = outcome.ndone != scene->n;
    if (nwrong > 0) fprintf(stderr, "scene %d does not end\n", (int)scene->number);
    for (int32_t i = 0; oracle_tie_ps(oracle) == TIME_NEVER_PS && i < scene->n; i++) {
        const Completion *done = &outcome.done[i];
        if (done->end_ps == expected_ps(oracle, done)) continue;
        nwrong++;
        fprintf(stderr, "scene %d: transfer %d ends at %lld, not %lld\n", (int)scene->number, i,
                (long long)done->end_ps, (long long)expected_ps(oracle, done));
    }
    for (LinkId link = 0; link < cluster_nlinks(cluster); link++) {
        if (outcome.link[link].bytes == oracle_bytes(oracle, link)) continue;
        nwrong++;
        fprintf(stderr, "scene %d: link %d carries %lld bytes, not %lld\n", (int)scene->number,
                (int)link, (long long)outcome.link[link].bytes,
                (long long)oracle_bytes(oracle, link));
    }
    return nwrong;
}

/// Of a scene, what is wrong; `*said`: the model says all of it.
static int32_t try_scene(uint64_t number, bool *said) {
    static PacketScene scene;
    packet_scene_draw(&scene, number, false);
    Cluster *cluster = packet_scene_cluster(&scene);
    Oracle *oracle = oracle_create(cluster, &scene.packet);
    for (int32_t i = 0; i < scene.n; i++) oracle_submit(oracle, &scene.transfer[i]);
    oracle_play(oracle);
    const int32_t nwrong = count_wrong(&scene, cluster, oracle);
    *said = oracle_tie_ps(oracle) == TIME_NEVER_PS;
    oracle_destroy(oracle);
    cluster_destroy(cluster);
    return nwrong;
}

static void engine_says_what_the_oracle_says(void **state) {
    (void)state;
    int32_t nsaid = 0, nwrong = 0;
    for (uint64_t number = 0; number < NSCENES; number++) {
        bool said;
        nwrong += try_scene(number, &said);
        nsaid += said;
    }
    assert_int_equal(nwrong, 0);
    assert_in_range(nsaid, NSCENES / 2, NSCENES); // the others have ties
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(engine_says_what_the_oracle_says)};
    return cmocka_run_group_tests_name("packet_oracle", tests, NULL, NULL);
}
