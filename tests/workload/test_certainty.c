#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "claims.h"
#include "draws.h"
#include "workload/certainty.h"

static int32_t below(uint64_t *draw, int32_t n) {
    return (int32_t)rng_below(31, RNG_TEST, 0, (*draw)++, (uint64_t)n);
}

static const char *const GPUS[] = {"a", "b", "c"};

/// The law, word for word: does a job belong to a class?
static bool fits(const CertaintyClass *class, bool experts, const char *gpu, int64_t gpus) {
    bool named = class->ngpu == 0;
    for (int32_t i = 0; i < class->ngpu; i++) named |= strcmp(class->gpu[i].name, gpu) == 0;
    bool small = class->most_gpus == 0 || gpus <= class->most_gpus;
    return class->experts == experts && named && small && gpus >= class->least_gpus;
}

static CertaintySpec draw_spec(uint64_t *draw) {
    CertaintySpec spec = {
        .nclasses = 1 + below(draw, 8), .largest_dense = 100, .largest_experts = 7};
    for (int32_t i = 0; i < spec.nclasses; i++) {
        CertaintyClass *class = &spec.class[i];
        class->experts = below(draw, 2);
        class->ngpu = below(draw, 3);
        for (int32_t k = 0; k < class->ngpu; k++)
            snprintf(class->gpu[k].name, sizeof class->gpu[k].name, "%s", GPUS[below(draw, 3)]);
        class->least_gpus = below(draw, 2) ? below(draw, 50) : 0;
        class->most_gpus = below(draw, 2) ? class->least_gpus + below(draw, 50) : 0;
    }
    return spec;
}

// Law: a job belongs to the first class that it fits; to none only if it fits none.
static void a_job_belongs_to_the_first_class_that_it_fits(void **state) {
    (void)state;
    uint64_t draw = 0;
    for (int i = 0; i < 2000; i++) {
        const CertaintySpec spec = draw_spec(&draw);
        const bool experts = below(&draw, 2);
        const char *gpu = GPUS[below(&draw, 3)];
        const int64_t gpus = 1 + below(&draw, 120);
        const CertaintyClass *found = certainty_class(&spec, experts, gpu, gpus);
        int32_t first = 0;
        while (first < spec.nclasses && !fits(&spec.class[first], experts, gpu, gpus)) first++;
        assert_ptr_equal(found, first < spec.nclasses ? &spec.class[first] : NULL);
    }
}

static void without_a_table_nothing_is_known(void **state) {
    (void)state;
    const CertaintySpec none = {0};
    assert_null(certainty_class(&none, false, "a", 8));
    assert_int_equal(certainty_largest(&none, true), 0);
    const CertaintySpec some = {.nclasses = 1, .largest_dense = 100, .largest_experts = 7};
    assert_int_equal(certainty_largest(&some, false), 100);
    assert_int_equal(certainty_largest(&some, true), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_belongs_to_the_first_class_that_it_fits),
        cmocka_unit_test(without_a_table_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
