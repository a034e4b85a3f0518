// What a GPU draws, and keeps of its clock under a cap: laws on random GPUs and caps, then measurements.
#include "base/rng.h"
#include "claims.h"
#include "hardware/gpu_power.h"

enum { DRAWS = 2000 };

static double real(uint64_t seed, uint64_t draw, double least, double most) {
    return least + (most - least) * rng_uniform(31, RNG_TEST, seed, draw);
}

static GpuSpec random_gpu(uint64_t seed) {
    GpuSpec gpu = {.idle_W = real(seed, 0, 0, 300)};
    gpu.max_W = gpu.idle_W + real(seed, 1, 1, 2000);
    return gpu;
}

/// Cap it at so much.
static GpuSpec capped(GpuSpec gpu, double most_W) {
    gpu_cap(&gpu, (most_W - gpu.idle_W) / (gpu_most_W(&gpu) - gpu.idle_W));
    return gpu;
}

// A cap, however often a GPU is capped, is what it says, and nothing draws more; nor more than without.
static void nothing_draws_more_than_its_cap(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        const GpuSpec free = random_gpu(seed);
        const double least_W = gpu_least_cap_W(&free),
                     first_W = real(seed, 2, least_W, 1.2 * free.max_W),
                     second_W = real(seed, 3, least_W, 1.2 * free.max_W);
        const GpuSpec gpu = capped(capped(free, first_W), second_W);
        const double most_W = fmin(free.max_W, fmin(first_W, second_W));
        assert_close(gpu_most_W(&gpu), most_W, 1e-9);
        for (int s = 0; s < POWER_STATES; s++) {
            const double products = real(seed, 4, 0, 1),
                         now_W = gpu_draw_W(&gpu, (PowerState)s, products);
            assert_true(now_W <= most_W + 1e-9);
            assert_true(now_W <= gpu_draw_W(&free, (PowerState)s, products));
            // What only moves or waits is left as it is.
            if (s != POWER_WORK)
                assert_close(now_W, gpu_draw_W(&free, (PowerState)s, products), 1e-9);
        }
    }
}

// A cap at the limit or above is none, to the bit.
static void a_cap_at_the_limit_is_none(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        const GpuSpec free = random_gpu(seed), gpu = capped(free, free.max_W * real(seed, 2, 1, 3)),
                      same = capped(free, free.max_W);
        assert_memory_equal(&gpu, &free, sizeof gpu);
        assert_memory_equal(&same, &free, sizeof same);
        assert_true(gpu_clock(&free) == 1);
        for (int s = 0; s < POWER_STATES; s++)
            assert_true(gpu_draw_W(&gpu, (PowerState)s, 0.3) ==
                        gpu_draw_W(&free, (PowerState)s, 0.3));
    }
}

// Less power, less clock; a little less power costs little; and the rate for a watt of the range rises as the cap falls, down
// to the least voltage.
static void clocks_follow_caps(void **state) {
    (void)state;
    double before = 1;
    for (int i = 1; i <= 640; i++) {
        GpuSpec gpu = {.idle_W = 100, .max_W = 1100};
        gpu_cap(&gpu, 1 - i / 1000.0);
        const double clock = gpu_clock(&gpu), left = 1 - i / 1000.0;
        assert_true(0 < clock && clock < before && before - clock < 0.004);
        assert_true(left <= clock);
        assert_true(clock / left >= before / (left + 0.001) * (1 - 1e-12));
        if (clock < 0.8) assert_close(clock / left, 1 / 0.6724, 1e-9);
        before = clock;
    }
}

/// Joules of so much work at `share` of products, with what draws all the time beside it.
static double work_J(const GpuSpec *gpu, double share, double beside_W) {
    return (gpu_draw_W(gpu, POWER_WORK, share) + beside_W) / gpu_clock(gpu);
}

// From the limit downwards, the same products cost less energy until what draws all the time outweighs it, and then more: there
// is one best cap, higher the more draws beside the GPU.
static void energy_falls_then_rises(void **state) {
    (void)state;
    enum { CAPS = 500 };
    for (uint64_t seed = 0; seed < 100; seed++) {
        const GpuSpec free = random_gpu(seed);
        int best_before = CAPS;
        for (double beside = 0; beside <= 3; beside += 0.5) {
            int best = 0, turns = 0;
            double least_J = INFINITY, before_J = INFINITY;
            for (int i = 0; i < CAPS; i++) {
                const GpuSpec gpu =
                    capped(free, free.max_W - (free.max_W - gpu_least_cap_W(&free)) * i / CAPS);
                const double now_J = work_J(&gpu, 1, beside * free.max_W);
                if (now_J < least_J) best = i;
                if (i > 1 && (now_J > before_J) != (turns & 1)) turns++;
                least_J = fmin(least_J, now_J);
                before_J = now_J;
            }
            assert_true(turns <= 1);
            assert_true(best <= best_before);
            best_before = best;
        }
        assert_true(best_before < CAPS / 2);
    }
}

/// A clock, and how long and with how many joules a pass ran at it.
typedef struct Pass {
    double MHz, time_s, energy_J;
} Pass;

// GPT-3 175B on A100 SXM, a stage at clocks down to three fifths: ml-energy/zeus, sosp24_data/emulation/stage_profile (Chung
// et al., Perseus, SOSP'24). As if the power it drew at a clock were its cap, the law says how long it takes.
static void a100_at_other_clocks(void **state) {
    (void)state;
    static const Pass PASS[2][9] = {
        {{1410, 0.05016166687, 23.805472},
         {1365, 0.05044544601, 23.495304},
         {1305, 0.05196970940, 22.181072},
         {1230, 0.05481546783, 19.817704},
         {1170, 0.05741975594, 18.557808},
         {1110, 0.06034601021, 17.864672},
         {1050, 0.06367572975, 17.584520},
         {975, 0.06849078178, 17.869016},
         {855, 0.07773071098, 18.239360}},
        {{1410, 0.09295377922, 44.584248},
         {1365, 0.09346574020, 43.539560},
         {1305, 0.09599606895, 41.203800},
         {1230, 0.10076145936, 37.103768},
         {1170, 0.10526102066, 34.780064},
         {1110, 0.11014442062, 33.262424},
         {1050, 0.11590795326, 32.582736},
         {975, 0.12450939560, 33.066392},
         {855, 0.14056828690, 33.641920}},
    };
    const double within[2] = {0.017, 0.03};
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 9; i++) {
            const Pass *at = &PASS[pass][i], *top = &PASS[pass][0];
            const GpuSpec free = {.idle_W = 55, .max_W = top->energy_J / top->time_s};
            const GpuSpec gpu = capped(free, at->energy_J / at->time_s);
            assert_close(gpu_clock(&gpu) * at->time_s / top->time_s, 1, within[pass]);
        }
}

// ResNet-50, batches of 256, on V100 capped at 250 W and less: ml-energy/zeus, zeus_nsdi23/trace (You et al., NSDI'23): seconds
// an epoch, and the power drawn.
static void v100_under_caps(void **state) {
    (void)state;
    static const double EPOCH[][2] = {{3514.99, 220.25}, {3584.30, 205.44}, {3700.97, 184.94},
                                      {3852.18, 166.37}, {4148.66, 144.59}, {5064.97, 121.97}};
    const GpuSpec free = {.idle_W = 38, .max_W = EPOCH[0][1]};
    for (int i = 1; i < 6; i++) {
        const GpuSpec gpu = capped(free, EPOCH[i][1]);
        assert_close(gpu_clock(&gpu) * EPOCH[i][0] / EPOCH[0][0], 1, 0.026);
    }
}

// What Meta gives a GB200, 960 of 1,200 W: products keep 92 % of their rate.
static void gb200_at_960_W(void **state) {
    (void)state;
    const GpuSpec gpu = capped((GpuSpec){.idle_W = 150, .max_W = 1200}, 960);
    assert_close(gpu_clock(&gpu), 0.9171, 1e-4);
    assert_close(gpu_draw_W(&gpu, POWER_WORK, 1), 150 + 0.975 * 810, 1e-9);
    assert_close(gpu_draw_W(&gpu, POWER_WORK, 0), 150 + 0.75 * 1050, 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_draws_more_than_its_cap),
        cmocka_unit_test(a_cap_at_the_limit_is_none),
        cmocka_unit_test(clocks_follow_caps),
        cmocka_unit_test(energy_falls_then_rises),
        cmocka_unit_test(a100_at_other_clocks),
        cmocka_unit_test(v100_under_caps),
        cmocka_unit_test(gb200_at_960_W),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
