// What a site draws: bounds, sums and the measures of a wave, held to plain definitions on random inputs.
#include <string.h>
#include "../engine/race.h"

#include "base/rng.h"
#include "claims.h"
#include "draws.h"
#include "observe/power_tiers.h"

enum { DRAWS = 400 };

typedef struct Draw {
    uint64_t seed, n;
} Draw;

static double real(Draw *draw, double least, double most) {
    return least + (most - least) * rng_uniform(23, RNG_TEST, draw->seed, draw->n++);
}

static int64_t whole(Draw *draw, int64_t below) {
    return rng_below(23, RNG_TEST, draw->seed, draw->n++, below);
}

static Cluster *random_site(Draw *draw) {
    ClusterSpec spec = race_spec(whole(draw, 2) ? 16 : 128);
    spec.gpu.idle_W = real(draw, 0, 200);
    spec.gpu.max_W = spec.gpu.idle_W + real(draw, 1, 1500);
    spec.nic.power_W = real(draw, 0, 100);
    for (int32_t t = 0; t < spec.ntiers; t++) {
        spec.tier[t].switch_spec.typical_W = real(draw, 0, 3000);
        spec.tier[t].cable_ps = whole(draw, 30000);
    }
    spec.power = (PowerSpec){.cooling = (Cooling)whole(draw, COOLING_N),
                             .host_W = real(draw, 0, 300),
                             .host_active_W = real(draw, 0, 100),
                             .fans = whole(draw, 2) ? -1 : real(draw, 0, 0.3),
                             .optic_W = real(draw, 0, 20),
                             .supply_loss = real(draw, 0, 0.2),
                             .service = real(draw, 0, 0.2),
                             .distribution_loss = real(draw, 0, 0.1),
                             .pue = whole(draw, 2) ? -1 : real(draw, 1, 2)};
    Cluster *cluster = NULL;
    Status status = cluster_create(&spec, &cluster);
    assert_true(status_is_ok(&status));
    return cluster;
}

static PowerUse random_use(Draw *draw) {
    PowerUse use = {.span_s = real(draw, 0.1, 10), .products = {0.6}, .share = 1};
    for (int state = 0; state < POWER_STATES; state++) use.gpu_s[0][state] = real(draw, 0, 100);
    for (int t = 0; t < FABRIC_TIERS_MAX; t++) use.load[t] = 0.25;
    return use;
}

// A GPU's draw never leaves what lies between idle and its limit; work draws most, and nothing draws less than to wait.
static void gpus_draw_between_idle_and_their_limit(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        GpuSpec gpu = {.idle_W = real(&draw, 0, 300)};
        gpu.max_W = gpu.idle_W + real(&draw, 0, 2000);
        double before_W = gpu.max_W;
        const double products = real(&draw, 0, 1);
        for (int s = 0; s < POWER_STATES; s++) {
            const double now_W = gpu_draw_W(&gpu, (PowerState)s, products);
            assert_true(gpu.idle_W <= now_W && now_W <= before_W);
            before_W = now_W;
        }
        assert_true(before_W == gpu.idle_W);
        assert_true(gpu_draw_W(&gpu, POWER_WORK, products) >= gpu_draw_W(&gpu, POWER_WORK, 0));
    }
    const GpuSpec h100 = {.idle_W = 85, .max_W = 700};
    assert_close(gpu_draw_W(&h100, POWER_WORK, 1), 684.625, 1e-9);
    assert_close(gpu_draw_W(&h100, POWER_WORK, 0), 546.25, 1e-9);
    assert_close(gpu_draw_W(&h100, POWER_COMMUNICATION, 1), 300.25, 1e-9);
    assert_close(gpu_draw_W(&h100, POWER_BUBBLE, 1), 208, 1e-9);
}

// Energies of two spans add up to those of both together, in each part.
static void energies_add_up(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        Cluster *site = random_site(&draw);
        PowerUse one = random_use(&draw), other = random_use(&draw), both = one;
        both.span_s += other.span_s;
        for (int s = 0; s < POWER_STATES; s++) both.gpu_s[0][s] += other.gpu_s[0][s];
        double one_J[TRACE_ENERGY_N], other_J[TRACE_ENERGY_N], both_J[TRACE_ENERGY_N];
        power_spend(site, &one, one_J);
        power_spend(site, &other, other_J);
        power_spend(site, &both, both_J);
        for (int i = 0; i < TRACE_ENERGY_N; i++) {
            assert_close(one_J[i] + other_J[i], both_J[i], 1e-11 * power_sum(both_J));
            assert_true(both_J[i] >= 0);
        }
        cluster_destroy(site);
    }
}

// More at work instead of waiting costs more; the same work with a bubble behind it draws less, but costs more.
static void bubbles_draw_less_and_cost_more(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        Cluster *site = random_site(&draw);
        const double gpus = (double)cluster_ngpus(site), work_s = real(&draw, 1, 10),
                     bubble_s = real(&draw, 0.1, 5);
        PowerUse dense = {.span_s = work_s, .share = 1, .products = {real(&draw, 0, 1)}};
        dense.gpu_s[0][POWER_WORK] = gpus * work_s;
        PowerUse holey = dense, busy = dense;
        busy.span_s = holey.span_s = work_s + bubble_s;
        holey.gpu_s[0][POWER_BUBBLE] = gpus * bubble_s;
        busy.gpu_s[0][POWER_WORK] += gpus * bubble_s;
        double dense_J[TRACE_ENERGY_N], holey_J[TRACE_ENERGY_N], busy_J[TRACE_ENERGY_N];
        power_spend(site, &dense, dense_J);
        power_spend(site, &holey, holey_J);
        power_spend(site, &busy, busy_J);
        assert_true(power_sum(holey_J) > power_sum(dense_J));
        assert_true(power_sum(holey_J) / holey.span_s < power_sum(dense_J) / dense.span_s);
        assert_true(power_sum(busy_J) > power_sum(holey_J));
        double most_W[TRACE_ENERGY_N];
        power_rate(site, 1, most_W);
        assert_true(power_sum(dense_J) / dense.span_s <= power_sum(most_W));
        cluster_destroy(site);
    }
}

// One node of 8 H100 and what is around it, added up by hand.
static void a_site_adds_up(void **state) {
    (void)state;
    ClusterSpec spec = race_spec(16);
    spec.gpu.idle_W = 100;
    spec.gpu.max_W = 700;
    spec.nic.power_W = 25;
    for (int32_t t = 0; t < spec.ntiers; t++) {
        spec.tier[t].switch_spec.typical_W = 1000;
        spec.tier[t].cable_ps = t == 0 ? 15000 : 15001; // NICs by copper
        spec.tier[t].link_Bps = 50000000000;
    }
    spec.power = (PowerSpec){.cooling = COOLING_AIR,
                             .host_W = 150,
                             .host_active_W = 50,
                             .fans = -1,
                             .optic_W = 8,
                             .supply_loss = 0.04,
                             .service = 0.05,
                             .distribution_loss = 0.03,
                             .pue = -1};
    Cluster *site = NULL;
    Status status = cluster_create(&spec, &site);
    assert_true(status_is_ok(&status));
    double W[TRACE_ENERGY_N];
    power_rate(site, 1, W);
    double switches = 0, optics_W = 0;
    for (int32_t t = 1; t <= spec.ntiers; t++) {
        switches += (double)cluster_nswitches(site, t);
        if (t > 1) optics_W += 2 * 8 * (double)cluster_ncables(site, t);
    }
    assert_close(W[TRACE_ENERGY_GPU_COMPUTE], 16 * 700, 1e-9);
    assert_close(W[TRACE_ENERGY_HOSTS], 16 * 200, 1e-9);
    assert_close(W[TRACE_ENERGY_NICS], 16 * 25, 1e-9);
    assert_close(W[TRACE_ENERGY_FANS], 0.15 * 16 * 925, 1e-9);
    assert_close(W[TRACE_ENERGY_SWITCHES], 1000 * switches, 1e-9);
    assert_close(W[TRACE_ENERGY_OPTICS], optics_W, 1e-9);
    const double inside_W = 1.15 * 16 * 925 + 1000 * switches + optics_W, wall_W = inside_W / 0.96;
    assert_close(W[TRACE_ENERGY_SERVICES], 0.05 * wall_W, 1e-6);
    assert_close(W[TRACE_ENERGY_LOSS], wall_W - inside_W + 0.03 * 1.05 * wall_W, 1e-6);
    assert_close(W[TRACE_ENERGY_COOLING], 0.4 * 1.05 * wall_W, 1e-6);
    const PowerUse second = {.span_s = 1, .share = 1};
    assert_close(power_nodes_J(site, &second, W), 1.15 * 16 * 925 / 0.96, 1e-6);
    cluster_destroy(site);
}

// A quarter of 16 GPUs are of another kind: each draws by its own limits.
static void kinds_draw_by_themselves(void **state) {
    (void)state;
    ClusterSpec spec = race_spec(16);
    spec.gpu.max_W = 700;
    spec.nothers = 1;
    spec.other[0] = (OtherNodesSpec){.from = 12, .gpu = {.idle_W = 200, .max_W = 1200}};
    Cluster *site = NULL;
    Status status = cluster_create(&spec, &site);
    assert_true(status_is_ok(&status));
    double most_W[TRACE_ENERGY_N], part_J[TRACE_ENERGY_N];
    power_rate(site, 1, most_W);
    assert_close(most_W[TRACE_ENERGY_GPU_COMPUTE], 12 * 700 + 4 * 1200, 1e-9);
    PowerUse use = {.span_s = 1, .share = 1, .products = {0, 1}};
    use.gpu_s[0][POWER_WORK] = 12;
    use.gpu_s[1][POWER_WORK] = 3;
    use.gpu_s[1][POWER_IDLE] = 1;
    power_spend(site, &use, part_J);
    assert_close(part_J[TRACE_ENERGY_GPU_COMPUTE], 12 * 0.75 * 700 + 3 * (200 + 0.975 * 1000),
                 1e-9);
    assert_close(part_J[TRACE_ENERGY_GPU_IDLE], 200, 1e-9);
    cluster_destroy(site);
}

/// Of the nodes of a rack at most, if all its GPUs are of a kind.
static double rack_most_W(const Cluster *site, int32_t kind) {
    double part_W[TRACE_ENERGY_N];
    power_rate(site, 1, part_W);
    const double gpus = (double)cluster_ngpus(site);
    const ClusterSpec *spec = cluster_spec(site);
    const PowerUse second = {.span_s = 1, .share = 1};
    const double change_W =
        gpus * gpu_most_W(cluster_gpu_of_kind(spec, kind)) - part_W[TRACE_ENERGY_GPU_COMPUTE];
    part_W[TRACE_ENERGY_GPU_COMPUTE] += change_W;
    part_W[TRACE_ENERGY_FANS] += spec->power.fans * change_W;
    return power_nodes_J(site, &second, part_W) / gpus * (double)cluster_rack_gpus(spec, 0);
}

// Whatever caps stand together: none is passed, and the one that holds is used up, but where a GPU's limit comes before.
static void caps_hold_and_are_used_up(void **state) {
    (void)state;
    int refused = 0, held = 0;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        Cluster *free = random_site(&draw);
        ClusterSpec spec = *cluster_spec(free);
        if (spec.power.fans < 0) spec.power.fans = 0.1;
        spec.nothers = (int32_t)whole(&draw, 2);
        spec.other[0] =
            (OtherNodesSpec){.from = 8, .gpu = {.idle_W = 50, .max_W = real(&draw, 60, 900)}};
        cluster_destroy(free);
        Status status = cluster_create(&spec, &free);
        assert_true(status_is_ok(&status));
        double part_W[TRACE_ENERGY_N];
        power_rate(free, 1, part_W);
        PowerSpec *power = &spec.power;
        power->inlet_C = whole(&draw, 2) ? -1000 : real(&draw, 30, 45);
        power->rated_C = whole(&draw, 2) ? -1000 : real(&draw, 20, 60);
        power->hottest_C = real(&draw, 85, 100);
        if (whole(&draw, 2)) power->gpu_cap_W = spec.gpu.max_W * real(&draw, 0.6, 1.2);
        if (whole(&draw, 2)) power->rack_cap_W = rack_most_W(free, 0) * real(&draw, 0.6, 1.2);
        if (whole(&draw, 2)) power->site_cap_W = power_sum(part_W) * real(&draw, 0.6, 1.2);
        cluster_destroy(free);
        const char *key;
        status = power_cap_gpus(&spec, &key);
        Cluster *site = NULL;
        Status built = cluster_create(&spec, &site);
        assert_true(status_is_ok(&built));
        power_rate(site, 1, part_W);
        bool used = false, whole_gpus = true;
        for (int32_t kind = 0; kind <= spec.nothers; kind++) {
            const GpuSpec *gpu = cluster_gpu_of_kind(&spec, kind);
            const double most_W = gpu_most_W(gpu), close = 1e-9 * gpu->max_W;
            if (status_is_ok(&status)) assert_true(most_W >= gpu_least_cap_W(gpu));
            whole_gpus = whole_gpus && most_W == gpu->max_W;
            if (!status_is_ok(&status)) continue;
            if (power->gpu_cap_W > 0) {
                assert_true(most_W <= power->gpu_cap_W + close);
                used = used || most_W >= power->gpu_cap_W - close;
            }
            if (power->inlet_C > -273) {
                const double warmest[COOLING_N] = {30, 45, 45},
                             rated_C =
                                 power->rated_C < -273 ? warmest[power->cooling] : power->rated_C,
                             warmer_C = fmax(0, power->inlet_C - rated_C),
                             heat_W = gpu->max_W * (1 - warmer_C / (power->hottest_C - rated_C));
                assert_true(most_W <= heat_W + close);
                used = used || most_W >= heat_W - close;
            }
            if (power->rack_cap_W > 0) {
                assert_true(rack_most_W(site, kind) <= power->rack_cap_W * (1 + 1e-9));
                used = used || rack_most_W(site, kind) >= power->rack_cap_W * (1 - 1e-9);
            }
        }
        if (status_is_ok(&status) && power->site_cap_W > 0) {
            assert_true(power_sum(part_W) <= power->site_cap_W * (1 + 1e-9));
            used = used || power_sum(part_W) >= power->site_cap_W * (1 - 1e-9);
        }
        if (status_is_ok(&status)) assert_true(used || whole_gpus);
        refused += !status_is_ok(&status);
        held += status_is_ok(&status) && !whole_gpus;
        cluster_destroy(site);
    }
    assert_true(refused > 20 && held > 100);
}

/// Length of what two spans have in common.
static double common(double a, double b, double c, double d) {
    return fmax(0, fmin(b, d) - fmax(a, c));
}

// What is spread over a span lies in phases as its time does; none is lost, and none is added.
static void shapes_hold_what_is_added(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        int64_t phase_ps[TRACE_PHASES] = {0}, sum_ps = 0;
        const int64_t start_ps = whole(&draw, 1000000),
                      end_ps = start_ps + 1 + whole(&draw, seed % 3 ? 1000000 : 300);
        const int64_t from_ps = whole(&draw, 2000000), to_ps = from_ps + 1 + whole(&draw, 500000);
        const int64_t amount_ps = whole(&draw, to_ps - from_ps + 1);
        int64_t edge_ps[TRACE_PHASES + 1];
        for (int i = 0; i <= TRACE_PHASES; i++)
            edge_ps[i] = start_ps + (end_ps - start_ps) * i / TRACE_PHASES;
        int phase = 0;
        power_shape_add(phase_ps, edge_ps, &phase, from_ps, to_ps, amount_ps);
        for (int i = 0; i < TRACE_PHASES; i++) {
            const double width = (double)(end_ps - start_ps) / TRACE_PHASES,
                         begin = (double)start_ps + width * i;
            const double part = common(begin, begin + width, (double)from_ps, (double)to_ps);
            assert_close((double)phase_ps[i], part * (double)amount_ps / (double)(to_ps - from_ps),
                         2.1);
            sum_ps += phase_ps[i];
        }
        const double inside =
            common((double)start_ps, (double)end_ps, (double)from_ps, (double)to_ps);
        assert_close((double)sum_ps, inside * (double)amount_ps / (double)(to_ps - from_ps), 1.1);
        if (from_ps >= start_ps && to_ps <= end_ps) assert_int_equal(sum_ps, amount_ps);
    }
}

/// What the test gives each GPU, and its wave, by the definition.
typedef struct GpuWave {
    int32_t stage;
    double shape_J[POWER_SHAPES], W[TRACE_PHASES];
} GpuWave;

static void draw_wave(Draw *draw, const Cluster *site, const PowerShapes shapes[], int32_t stages,
                      double span_s, bool idle, GpuWave *gpu) {
    const ClusterSpec *spec = cluster_spec(site);
    memset(gpu, 0, sizeof *gpu);
    gpu->stage = whole(draw, 5) ? (int32_t)whole(draw, stages) : -1;
    const bool counts = gpu->stage >= 0 || idle;
    for (int shape = 0; shape < POWER_SHAPES; shape++)
        gpu->shape_J[shape] = whole(draw, 4) ? real(draw, 0, 900) : 0;
    for (int p = 0; p < TRACE_PHASES && counts; p++) {
        gpu->W[p] = spec->power.host_W + spec->nic.power_W;
        if (gpu->stage < 0) gpu->W[p] += spec->gpu.idle_W;
        for (int shape = 0; shape < POWER_SHAPES && gpu->stage >= 0; shape++) {
            const int64_t *ps = shapes[gpu->stage].ps[shape];
            double sum_ps = 0;
            for (int q = 0; q < TRACE_PHASES; q++) sum_ps += (double)ps[q];
            const double part = sum_ps > 0 ? (double)ps[p] / sum_ps : 1.0 / TRACE_PHASES;
            gpu->W[p] += gpu->shape_J[shape] * part / (span_s / TRACE_PHASES);
        }
        gpu->W[p] = power_wall_W(site, gpu->W[p], 1);
    }
}

/// By the place that a node has where children of the top are filled in part; a unit ends where a larger one does.
static int64_t unit_number(const ClusterSpec *spec, const TraceSiteTier tier[], int32_t n,
                           int32_t t, int64_t gpu) {
    int64_t number = 0, node = gpu / spec->gpus_per_node, place = node;
    if (spec->nfilled > 0) {
        int32_t child = 0;
        for (; node >= spec->filled[child]; child++) node -= spec->filled[child];
        int64_t room = 1;
        for (int32_t l = 0; l < spec->ntiers - 1; l++) room *= spec->tier[l].children;
        place = child * room / spec->gpus_per_node + node;
    }
    for (int32_t above = n - 1; above >= t; above--) {
        const bool by_switch = strncmp(tier[above].name, "tier", 4) == 0;
        number = number * 1000 + (by_switch ? place * spec->gpus_per_node : gpu) / tier[above].gpus;
    }
    return number;
}

// Of each tier of a random site with jobs here and there: units, mean, least, most and the wave of the hottest are those of
// sums over GPUs, one by one; and each tier divides the one above.
static void tiers_are_sums_over_gpus(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Draw draw = {.seed = seed};
        Cluster *drawn = random_site(&draw), *site = NULL;
        ClusterSpec spec = *cluster_spec(drawn);
        spec.wiring = whole(&draw, 2) ? WIRING_RAIL : WIRING_PLAIN;
        spec.gpus_per_node = 1 << whole(&draw, 3);
        spec.nodes = spec.nodes / spec.gpus_per_node - whole(&draw, 3);
        spec.scale_up.gpus = spec.gpus_per_node << whole(&draw, 2);
        if (whole(&draw, 2)) {
            const int64_t room = spec.tier[0].children / spec.gpus_per_node;
            spec.wiring = WIRING_PLAIN;
            spec.nfilled = spec.installed;
            spec.nodes = 0;
            for (int32_t c = 0; c < spec.nfilled; c++)
                spec.nodes += spec.filled[c] = 1 + whole(&draw, room);
        }
        Status status = cluster_create(&spec, &site);
        assert_true(status_is_ok(&status));
        cluster_destroy(drawn);
        const int32_t stages = 1 + (int32_t)whole(&draw, 3);
        const double span_s = real(&draw, 0.1, 10);
        const bool idle = whole(&draw, 2);
        PowerShapes shapes[3] = {{.ps = {{0}}}};
        for (int32_t i = 0; i < stages * POWER_SHAPES; i++)
            for (int p = 0; p < TRACE_PHASES && whole(&draw, 50); p++)
                shapes[i / POWER_SHAPES].ps[i % POWER_SHAPES][p] = whole(&draw, 1000000);
        static GpuWave gpu[128];
        const int64_t gpus = cluster_ngpus(site);
        assert_true(gpus <= 128);
        PowerTiers *tiers = power_tiers_create(site, shapes, stages, span_s, idle);
        for (int64_t g = 0; g < gpus; g++) {
            draw_wave(&draw, site, shapes, stages, span_s, idle, &gpu[g]);
            power_tiers_add(tiers, gpu[g].stage, gpu[g].stage < 0 ? NULL : gpu[g].shape_J);
        }
        const TraceTierPower *found = power_tiers_end(tiers);
        TraceSiteTier tier[TRACE_SITE_TIERS_MAX];
        const int32_t n = power_site_tiers(site, tier);
        assert_int_equal(tier[n - 1].gpus, gpus);
        for (int32_t t = 0; t < n; t++) {
            if (t > 0 && t < n - 1) assert_int_equal(tier[t].gpus % tier[t - 1].gpus, 0);
            int64_t units = 0, wholes = 0, hottest = -1;
            double most_J = -1, mean_W[TRACE_PHASES] = {0}, least_W[TRACE_PHASES],
                   most_W[TRACE_PHASES], hot_W[TRACE_PHASES];
            for (int64_t first = 0, next; first < gpus; first = next) {
                double W[TRACE_PHASES] = {0}, J = 0;
                bool works = false;
                for (next = first; next < gpus && unit_number(&spec, tier, n, t, next) ==
                                                      unit_number(&spec, tier, n, t, first);
                     next++) {
                    works = works || gpu[next].stage >= 0;
                    for (int p = 0; p < TRACE_PHASES; p++) W[p] += gpu[next].W[p];
                }
                if (!works) continue;
                const bool whole = next - first == tier[t].gpus;
                for (int p = 0; p < TRACE_PHASES; p++) {
                    J += W[p];
                    mean_W[p] += W[p];
                    if (units == 0 || (whole && (wholes == 0 || W[p] < least_W[p])))
                        least_W[p] = W[p];
                    most_W[p] = units ? fmax(most_W[p], W[p]) : W[p];
                }
                units++;
                wholes += whole;
                if (J <= most_J) continue;
                most_J = J;
                hottest = first;
                memcpy(hot_W, W, sizeof W);
            }
            assert_int_equal(found[t].units, units);
            assert_int_equal(found[t].hottest, hottest);
            for (int p = 0; p < TRACE_PHASES; p++) {
                const double close_W = 1e-9 * (1 + most_W[p]);
                assert_close(found[t].mean_W[p], mean_W[p] / (double)units, close_W);
                assert_close(found[t].least_W[p], least_W[p], close_W);
                assert_close(found[t].most_W[p], most_W[p], close_W);
                assert_close(found[t].hottest_W[p], hot_W[p], close_W);
            }
        }
        power_tiers_destroy(tiers);
        cluster_destroy(site);
    }
}

/// Can the grid stay in its band for ever with a battery of that size? By the charges that can be reached.
static bool battery_suffices(const TracePower *power, double span_s, double mean_W, double band,
                             double size_J) {
    double low_J = 0, high_J = size_J;
    for (int i = 0; i < 10 * TRACE_PHASES; i++) {
        const double phase_s = span_s / TRACE_PHASES, site_W = power->site_W[i % TRACE_PHASES];
        low_J = fmax(0, low_J + phase_s * (mean_W * (1 - band) - site_W));
        high_J = fmin(size_J, high_J + phase_s * (mean_W * (1 + band) - site_W));
        if (low_J > high_J) return false;
    }
    return true;
}

// A battery of that size keeps the grid in its band, a smaller one does not.
static void batteries_are_as_small_as_can_be(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        Draw draw = {.seed = seed};
        TracePower power;
        const double span_s = real(&draw, 0.1, 20), band = real(&draw, 0, 0.2);
        double mean_W = 0, level_W = 1e6;
        for (int i = 0; i < TRACE_PHASES; i++) {
            if (whole(&draw, 12) == 0) level_W = real(&draw, 4e5, 2e6);
            power.site_W[i] = level_W * real(&draw, 0.98, 1.02);
            mean_W += power.site_W[i] / TRACE_PHASES;
        }
        power_measure(span_s, band, &power);
        const double slack_J = 1e-7 * mean_W * span_s;
        assert_true(battery_suffices(&power, span_s, mean_W, band, power.battery_J + slack_J));
        if (power.battery_J > slack_J)
            assert_false(battery_suffices(&power, span_s, mean_W, band, 0.99 * power.battery_J));
    }
}

// A wave of known shape: half of a second at 3 MW, half at 1 MW; a sine of 2 MW from top to bottom.
static void waves_are_measured(void **state) {
    (void)state;
    TracePower power;
    for (int i = 0; i < TRACE_PHASES; i++) power.site_W[i] = i < TRACE_PHASES / 2 ? 3e6 : 1e6;
    power_measure(1, 0, &power);
    assert_close(power.peak_W, 3e6, 0);
    assert_close(power.least_W, 1e6, 0);
    assert_close(power.ramp_W_per_s, 2e6 * TRACE_PHASES, 1e-3);
    assert_close(power.battery_J, 0.5e6, 1e-3);
    assert_close(power.swing_W, 4 * 2e6 / acos(-1.0), 200); // first harmonic of a square wave
    power_measure(1, 0.1, &power);
    assert_close(power.battery_J, 0.5 * 0.8e6, 1e-3);
    for (int i = 0; i < TRACE_PHASES; i++)
        power.site_W[i] = 5e6 + 1e6 * sin(2 * acos(-1.0) * i / TRACE_PHASES);
    power_measure(2, 0, &power);
    assert_close(power.swing_W, 2e6, 1e-3);
    assert_close(power.battery_J, 2 * 1e6 / acos(-1.0), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_draw_between_idle_and_their_limit),
        cmocka_unit_test(energies_add_up),
        cmocka_unit_test(bubbles_draw_less_and_cost_more),
        cmocka_unit_test(a_site_adds_up),
        cmocka_unit_test(kinds_draw_by_themselves),
        cmocka_unit_test(caps_hold_and_are_used_up),
        cmocka_unit_test(shapes_hold_what_is_added),
        cmocka_unit_test(tiers_are_sums_over_gpus),
        cmocka_unit_test(batteries_are_as_small_as_can_be),
        cmocka_unit_test(waves_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
