// Laws: a factor is a pure function of (seed, gpu, step); static and jitter have the moments of the
// normal cut at t sigmas; stragglers come as often as told, with an exponential extra cut at 10
// means.
#include <math.h>

#include "claims.h"
#include "effects/noise.h"

enum { N_DRAWS = 200000 };

static const double pi = 3.14159265358979323846;

typedef struct Moments {
    double mean, sigma, least, most;
} Moments;

/// Over GPUs (by_step: over steps of one GPU) of factor / 2^20.
static Moments moments_of(const NoiseSpec *spec, int by_step) {
    double sum = 0, squares = 0;
    Moments moments = {.least = INFINITY};
    for (int64_t i = 0; i < N_DRAWS; i++) {
        double x = (double)noise_factor(spec, by_step ? 7 : i, by_step ? i : 3) / (double)NOISE_ONE;
        sum += x - 1;
        squares += (x - 1) * (x - 1);
        moments.least = fmin(moments.least, x);
        moments.most = fmax(moments.most, x);
    }
    double mean = sum / N_DRAWS;
    moments.mean = 1 + mean;
    moments.sigma = sqrt(squares / N_DRAWS - mean * mean);
    return moments;
}

// Normal cut at +-t: variance 1 - 2 t phi(t) / (2 Phi(t) - 1).
static double cut_variance(double t) {
    double density = exp(-t * t / 2) / sqrt(2 * pi);
    return 1 - 2 * t * density / erf(t / sqrt(2));
}

// Half of it: mean 2 (phi(0) - phi(t)) / (2 Phi(t) - 1).
static double cut_half_mean(double t) {
    return 2 * (1 - exp(-t * t / 2)) / sqrt(2 * pi) / erf(t / sqrt(2));
}

static void no_noise_is_nominal_speed(void **state) {
    (void)state;
    NoiseSpec quiet = {.seed = 1};
    NoiseSpec uncut = {.seed = 1, .gpu_sigma = 0.1, .step_sigma = 0.1, .truncate = 0};
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(noise_factor(&quiet, i, 2 * i), NOISE_ONE);
        assert_int_equal(noise_factor(&uncut, i, 2 * i), NOISE_ONE);
    }
    assert_int_equal(noise_least_factor(&quiet), NOISE_ONE);
}

// Five standard errors: sigma / sqrt(n) of the mean, sigma / sqrt(2 n) of sigma; cut and rounding
// are far below.
static void jitter_has_the_moments_of_a_cut_normal(void **state) {
    (void)state;
    for (int by_step = 0; by_step < 2; by_step++) {
        for (double cut = 1; cut <= 3; cut += 1) {
            NoiseSpec spec = {.seed = 5, .step_sigma = 0.02, .truncate = cut};
            double sigma = 0.02 * sqrt(cut_variance(cut));
            Moments moments = moments_of(&spec, by_step);
            assert_close(moments.mean, 1, 5 * sigma / sqrt(N_DRAWS));
            assert_close(moments.sigma, sigma, 5 * sigma / sqrt(2.0 * N_DRAWS));
            assert_true(moments.least >= 1 - 0.02 * cut - 1e-6 && moments.least < 1 - 0.019 * cut);
            assert_true(moments.most <= 1 + 0.02 * cut + 1e-6 && moments.most > 1 + 0.019 * cut);
        }
    }
}

static void static_slowdown_is_half_a_cut_normal_and_constant(void **state) {
    (void)state;
    NoiseSpec spec = {.seed = 6, .gpu_sigma = 0.03, .truncate = 2.5};
    double mean = 0.03 * cut_half_mean(2.5);
    double sigma = sqrt(0.03 * 0.03 * cut_variance(2.5) - mean * mean);
    Moments moments = moments_of(&spec, 0);
    assert_close(moments.mean, 1 + mean, 5 * sigma / sqrt(N_DRAWS));
    assert_close(moments.sigma, sigma,
                 8 * sigma / sqrt(2.0 * N_DRAWS)); // not normal: kurtosis above 3
    assert_true(moments.least >= 1 && moments.most <= 1 + 0.03 * 2.5 + 1e-6);
    assert_true(moments_of(&spec, 1).sigma < 1e-9);
}

// Rate p with standard error sqrt(p (1 - p) / n); the mean extra of an exponential cut at 10 means
// is 1 - e^-10 of it.
static void stragglers_come_as_often_and_as_late_as_told(void **state) {
    (void)state;
    NoiseSpec spec = {.seed = 7, .straggler_probability = 0.05, .straggler_slowdown = 0.3};
    int64_t count = 0;
    double extra = 0, most = 0;
    for (int64_t i = 0; i < N_DRAWS; i++) {
        int64_t factor = noise_factor(&spec, i % 1000, i / 1000);
        assert_true(factor >= NOISE_ONE);
        double over = (double)(factor - NOISE_ONE) / (double)NOISE_ONE;
        count += factor > NOISE_ONE;
        extra += over;
        most = fmax(most, over);
    }
    assert_close((double)count / N_DRAWS, 0.05, 5 * sqrt(0.05 * 0.95 / N_DRAWS));
    assert_close(extra / (double)count, 0.3 * (1 - exp(-10)), 5 * 0.3 / sqrt((double)count));
    assert_true(most <= 3.0 + 1e-6 && most > 1.5);
}

// With every step a straggler, e^-10 of 200,000 draws (9 of them) reach the cut of 10 means.
static void straggler_extra_is_cut_at_ten_means(void **state) {
    (void)state;
    NoiseSpec spec = {.seed = 7, .straggler_probability = 1, .straggler_slowdown = 0.25};
    assert_close(moments_of(&spec, 0).most, 3.5, 1e-12);
}

// Cut so narrow that a normal hardly ever falls inside: uniform, sigma = cut / sqrt 3.
static void a_narrow_cut_is_uniform(void **state) {
    (void)state;
    NoiseSpec spec = {.seed = 8, .step_sigma = 0.9, .truncate = 0.05};
    double sigma = 0.9 * 0.05 / sqrt(3);
    Moments moments = moments_of(&spec, 1);
    assert_close(moments.mean, 1, 5 * sigma / sqrt(N_DRAWS));
    assert_close(moments.sigma, sigma, 5 * sigma / sqrt(2.0 * N_DRAWS));
}

static void factors_are_never_below_the_least(void **state) {
    (void)state;
    NoiseSpec specs[] = {
        {.seed = 9,
         .gpu_sigma = 0.01,
         .step_sigma = 0.005,
         .truncate = 3,
         .straggler_probability = 1e-3,
         .straggler_slowdown = 0.3},
        {.seed = 9, .step_sigma = 0.4, .truncate = 3}, // would go below zero: held at one half
    };
    for (int k = 0; k < 2; k++) {
        int64_t least = noise_least_factor(&specs[k]), seen = INT64_MAX;
        for (int64_t i = 0; i < N_DRAWS; i++) {
            int64_t factor = noise_factor(&specs[k], i, i % 17);
            if (factor < seen) seen = factor;
        }
        assert_true(seen >= least && least >= NOISE_ONE / 2);
        // The bound is not idle: draws come within a tenth of the way to it.
        assert_true(seen - least <= (NOISE_ONE - least) / 10);
    }
    assert_int_equal(noise_least_factor(&specs[1]), NOISE_ONE / 2);
}

// Same value in whatever order it is asked for; seed, GPU and step all count.
static void factors_do_not_depend_on_the_order_of_evaluation(void **state) {
    (void)state;
    enum { N = 50 };
    static int64_t forward[N][N];
    NoiseSpec spec = {.seed = 10,
                      .gpu_sigma = 0.01,
                      .step_sigma = 0.02,
                      .truncate = 3,
                      .straggler_probability = 0.1,
                      .straggler_slowdown = 0.5};
    for (int64_t gpu = 0; gpu < N; gpu++) {
        for (int64_t step = 0; step < N; step++)
            forward[gpu][step] = noise_factor(&spec, gpu, step);
    }
    NoiseSpec other = spec;
    other.seed = 11;
    int same_seed = 0, same_gpu = 0, same_step = 0;
    for (int64_t step = N - 1; step >= 0; step--) {
        for (int64_t gpu = N - 1; gpu >= 0; gpu--) {
            assert_int_equal(noise_factor(&spec, gpu, step), forward[gpu][step]);
            same_seed += noise_factor(&other, gpu, step) == forward[gpu][step];
            if (gpu > 0) same_gpu += forward[gpu - 1][step] == forward[gpu][step];
            if (step > 0) same_step += forward[gpu][step - 1] == forward[gpu][step];
        }
    }
    // 2,500 pairs of about 16 random bits each: chance equals are rare.
    assert_true(same_seed < 5 && same_gpu < 5 && same_step < 5);
}

// Neighbours are not correlated: the coefficient of n pairs has standard error 1 / sqrt(n).
static void jitter_of_neighbours_is_uncorrelated(void **state) {
    (void)state;
    NoiseSpec spec = {.seed = 12, .step_sigma = 0.02, .truncate = 3};
    double by_gpu = 0, by_step = 0, square = 0;
    for (int64_t i = 0; i < N_DRAWS; i++) {
        double here = (double)(noise_factor(&spec, i, i) - NOISE_ONE);
        by_gpu += here * (double)(noise_factor(&spec, i + 1, i) - NOISE_ONE);
        by_step += here * (double)(noise_factor(&spec, i, i + 1) - NOISE_ONE);
        square += here * here;
    }
    assert_close(by_gpu / square, 0, 5 / sqrt(N_DRAWS));
    assert_close(by_step / square, 0, 5 / sqrt(N_DRAWS));
}

static void apply_rounds_to_nearest_ties_up(void **state) {
    (void)state;
    assert_int_equal(noise_apply(1000, NOISE_ONE), 1000);
    assert_int_equal(noise_apply(0, NOISE_ONE * 3), 0);
    assert_int_equal(noise_apply(1, NOISE_ONE / 2), 1); // 0.5
    assert_int_equal(noise_apply(3, NOISE_ONE / 2), 2); // 1.5
    assert_int_equal(noise_apply(1, NOISE_ONE / 2 - 1), 0);
    // A day times 11 does not fit 64 bits on the way.
    int64_t day_ps = INT64_C(86400) * 1000000000000;
    assert_int_equal(noise_apply(day_ps, NOISE_ONE * 11), day_ps * 11);
}

// Off: every factor is 1. Steady: every step has the factors of the first. Neither is said of noise that is not.
static void what_is_called_off_or_steady_is(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 64; draw++) {
        NoiseSpec spec = {.seed = draw,
                          .gpu_sigma = draw & 1 ? 0.02 : 0,
                          .step_sigma = draw & 2 ? 0.01 : 0,
                          .truncate = draw & 4 ? 3 : 0,
                          .straggler_probability = draw & 8 ? 0.2 : 0,
                          .straggler_slowdown = draw & 16 ? 0.3 : 0.1};
        bool off = true, steady = true;
        for (int64_t gpu = 0; gpu < 50; gpu++)
            for (int64_t step = 0; step < 10; step++) {
                off = off && noise_factor(&spec, gpu, step) == NOISE_ONE;
                steady = steady && noise_factor(&spec, gpu, step) == noise_factor(&spec, gpu, 0);
            }
        assert_int_equal(noise_is_off(&spec), off);
        assert_int_equal(noise_is_steady(&spec), steady);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_noise_is_nominal_speed),
        cmocka_unit_test(jitter_has_the_moments_of_a_cut_normal),
        cmocka_unit_test(static_slowdown_is_half_a_cut_normal_and_constant),
        cmocka_unit_test(stragglers_come_as_often_and_as_late_as_told),
        cmocka_unit_test(straggler_extra_is_cut_at_ten_means),
        cmocka_unit_test(a_narrow_cut_is_uniform),
        cmocka_unit_test(factors_are_never_below_the_least),
        cmocka_unit_test(factors_do_not_depend_on_the_order_of_evaluation),
        cmocka_unit_test(jitter_of_neighbours_is_uncorrelated),
        cmocka_unit_test(apply_rounds_to_nearest_ties_up),
        cmocka_unit_test(what_is_called_off_or_steady_is),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
