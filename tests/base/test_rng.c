#include <string.h>

#include <Random123/philox.h>

#include "base/rng.h"
#include "claims.h"
#include "draws.h"

enum { N_DRAWS = 100000 };

// Known answers of Philox4x32-10: Random123 1.14, tests/kat_vectors.
static void rng_philox_gives_the_published_answers(void **state) {
    (void)state;
    philox4x32_ctr_t zero = {{0, 0, 0, 0}}, pi = {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    philox4x32_key_t zero_key = {{0, 0}}, pi_key = {{0xa4093822, 0x299f31d0}};
    philox4x32_ctr_t first = philox4x32(zero, zero_key), second = philox4x32(pi, pi_key);
    const uint32_t expected_first[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const uint32_t expected_second[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    assert_memory_equal(first.v, expected_first, sizeof expected_first);
    assert_memory_equal(second.v, expected_second, sizeof expected_second);
}

// Every word of (seed, purpose, entity, draw) counts: changing one changes about half of the bits.
static void rng_every_argument_matters(void **state) {
    (void)state;
    int flipped[4] = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t base = rng_bits(i, RNG_TEST, i, i);
        flipped[0] +=
            __builtin_popcountll(base ^ rng_bits(i + (UINT64_C(1) << 40), RNG_TEST, i, i));
        flipped[1] += __builtin_popcountll(base ^ rng_bits(i, RNG_ECMP, i, i));
        flipped[2] +=
            __builtin_popcountll(base ^ rng_bits(i, RNG_TEST, i + (UINT64_C(1) << 40), i));
        flipped[3] +=
            __builtin_popcountll(base ^ rng_bits(i, RNG_TEST, i, i + (UINT64_C(1) << 40)));
    }
    // 64,000 fair bits: mean 32,000, standard deviation 126.
    for (int k = 0; k < 4; k++) assert_in_range(flipped[k], 32000 - 760, 32000 + 760);
}

static void rng_is_a_pure_function(void **state) {
    (void)state;
    uint64_t first = rng_bits(1, RNG_TEST, 2, 3);
    (void)rng_bits(9, RNG_ECMP, 9, 9);
    assert_true(rng_bits(1, RNG_TEST, 2, 3) == first);
}

// Mean 1/2 with standard error sqrt(1/12/n) = 0.0009; five of them.
static void rng_uniform_has_its_mean_and_range(void **state) {
    (void)state;
    double sum = 0;
    for (uint64_t i = 0; i < N_DRAWS; i++) {
        double u = rng_uniform(5, RNG_TEST, i, 0);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_close(sum / N_DRAWS, 0.5, 0.0046);
}

// Moments of the standard normal: mean 0, variance 1, kurtosis 3; five standard errors each.
static void rng_normal_has_its_moments(void **state) {
    (void)state;
    double sum = 0, squares = 0, fourths = 0;
    for (uint64_t i = 0; i < N_DRAWS; i++) {
        double x = rng_normal(6, RNG_TEST, 0, i);
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
    }
    assert_close(sum / N_DRAWS, 0, 0.016);
    assert_close(squares / N_DRAWS, 1, 0.0224);
    assert_close(fourths / N_DRAWS, 3, 0.155);
}

// Chi-square over 10 cells, 9 degrees of freedom: 27.9 is passed by chance once in 1,000 seeds.
static void rng_below_is_even(void **state) {
    (void)state;
    int64_t cells[10] = {0};
    for (uint64_t i = 0; i < N_DRAWS; i++) cells[rng_below(7, RNG_TEST, i, 0, 10)]++;
    double chi2 = 0;
    for (int k = 0; k < 10; k++) {
        double off = (double)cells[k] - N_DRAWS / 10.0;
        chi2 += off * off / (N_DRAWS / 10.0);
    }
    assert_true(chi2 < 27.9);
    assert_int_equal(rng_below(7, RNG_TEST, 0, 0, 1), 0);
}

// A change of the key layout would silently change every run: the values are part of the contract.
static void rng_values_are_pinned(void **state) {
    (void)state;
    assert_true(rng_bits(1, RNG_TEST, 2, 3) == UINT64_C(0x6491121DBBF7AA24));
    assert_true(rng_mix(1, 2) == UINT64_C(0xFB3867150874E9F3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rng_philox_gives_the_published_answers),
        cmocka_unit_test(rng_every_argument_matters),
        cmocka_unit_test(rng_is_a_pure_function),
        cmocka_unit_test(rng_uniform_has_its_mean_and_range),
        cmocka_unit_test(rng_normal_has_its_moments),
        cmocka_unit_test(rng_below_is_even),
        cmocka_unit_test(rng_values_are_pinned),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
