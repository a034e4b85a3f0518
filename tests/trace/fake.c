#include "fake.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/units.h"

static const double LINK_BPS[FAKE_TIERS] = {450e9, 50e9, 50e9, 100e9};
/// What a random number is for.
enum {
    FOR_SLOW = 1,
    FOR_STRAGGLER,
    FOR_CONTENTION,
    FOR_DP,
    FOR_LOAD,
    FOR_HOT,
    FOR_LINK,
    FOR_BYTES
};

static double uniform(const Fake *fake, int what, int64_t entity, int64_t draw) {
    return rng_uniform(fake->seed, RNG_TEST, (uint64_t)entity * 64 + (uint64_t)what,
                       (uint64_t)draw);
}

int64_t fake_ngpus(const Fake *fake) { return fake->nodes * FAKE_TP; }

static int64_t replicas(const Fake *fake) { return (fake->nodes - 1) / fake->stages; }

int64_t fake_working(const Fake *fake) { return replicas(fake) * fake->stages * FAKE_TP; }

TraceTier fake_tier(const Fake *fake, int t) {
    static const char *const name[FAKE_TIERS] = {"scale-up", "leaf", "spine", "core"};
    const int64_t ngpus = fake_ngpus(fake),
                  count[FAKE_TIERS] = {ngpus, ngpus, ngpus, (ngpus + 3) / 4};
    TraceTier tier = {.name = name[t], .links = count[t], .capacity_Bps = (int64_t)LINK_BPS[t]};
    for (int u = 0; u < t; u++) tier.first_link[0] += 2 * count[u];
    tier.first_link[1] = tier.first_link[0] + count[t];
    return tier;
}

int64_t fake_nlinks(const Fake *fake) {
    TraceTier top = fake_tier(fake, FAKE_TIERS - 1);
    return top.first_link[1] + top.links;
}

/// The whole job's step: a little different each time.
static int64_t step_length_ps(const Fake *fake, int64_t step) {
    return units_ps_from_seconds(6.5 + 0.012 * fake->trouble +
                                 0.15 * uniform(fake, FOR_STRAGGLER, -1, step));
}

int64_t fake_step_start_ps(const Fake *fake, int64_t step) {
    int64_t start_ps = 0;
    for (int64_t s = 0; s < step; s++) start_ps += step_length_ps(fake, s);
    return start_ps;
}

TraceGpu fake_gpu(const Fake *fake, int64_t gpu) {
    if (gpu >= fake_working(fake))
        return (TraceGpu){.job = TRACE_NONE,
                          .job_rank = TRACE_NONE,
                          .tp = TRACE_NONE,
                          .cp = TRACE_NONE,
                          .pp = TRACE_NONE,
                          .dp = TRACE_NONE,
                          .microbatches = TRACE_NONE,
                          .node = gpu / FAKE_TP,
                          .slot = (int32_t)(gpu % FAKE_TP)};
    const int64_t unit = gpu / FAKE_TP;
    return (TraceGpu){.job = 0,
                      .job_rank = gpu,
                      .tp = (int32_t)(gpu % FAKE_TP),
                      .pp = (int32_t)(unit % fake->stages),
                      .dp = (int32_t)(unit / fake->stages),
                      .node = gpu / FAKE_TP,
                      .slot = (int32_t)(gpu % FAKE_TP)};
}

FakeGpuStep fake_gpu_step(const Fake *fake, int64_t step, int64_t gpu) {
    FakeGpuStep row = {.working = gpu < fake_working(fake)};
    if (!row.working) return row;
    const TraceGpu place = fake_gpu(fake, gpu);
    const double stage = (double)place.pp / fake->stages;
    const bool last = place.pp == fake->stages - 1;
    const double slow = uniform(fake, FOR_SLOW, gpu, step),
                 share = uniform(fake, FOR_CONTENTION, place.dp, step);
    double part_s[TRACE_PART_N] = {0};
    part_s[TRACE_PART_COMPUTE] = last ? 4.62 : 4.35;
    part_s[TRACE_PART_OWN_SLOW] = 0.03 - 0.03 * log(1.0 - 0.99 * slow);
    part_s[TRACE_PART_SHARING] = 0.04;
    part_s[TRACE_PART_BUBBLE] = last ? 0.33 : 0.60;
    part_s[TRACE_PART_TP_EXPOSED] = 0.52;
    part_s[TRACE_PART_PP_EXPOSED] = place.pp == 0 || last ? 0.05 : 0.09;
    part_s[TRACE_PART_DP_EXPOSED] = 0.18 + 0.06 * stage;
    part_s[TRACE_PART_CONTENTION] = 0.012 * fake->trouble * (0.3 + 0.7 * share);
    int64_t rest_ps = step_length_ps(fake, step) - units_ps_from_seconds(0.004 * stage);
    row.duration_ps = rest_ps;
    for (int p = 0; p < TRACE_PART_N; p++) {
        row.part_ps[p] = units_ps_from_seconds(part_s[p]);
        rest_ps -= row.part_ps[p];
    }
    row.part_ps[TRACE_PART_STRAGGLER] += rest_ps; // may be negative: parts are signed
    return row;
}

int64_t fake_ncollectives(const Fake *fake) { return 2 * fake->stages * FAKE_TP; }

TraceCollective fake_collective(const Fake *fake, int64_t step, int64_t i) {
    const bool reduce = i >= fake_ncollectives(fake) / 2;
    const int64_t group = i % (fake->stages * FAKE_TP), n = replicas(fake),
                  bytes = INT64_C(6442450944);
    const double slowdown = 1.0 + 0.01 * fake->trouble * uniform(fake, FOR_DP, i, step);
    const double bus_Bps = 46e9 / slowdown, factor = (double)(n - 1) / (double)n;
    const int64_t start_ps = fake_step_start_ps(fake, step) +
                             (reduce ? step_length_ps(fake, step) * 4 / 5 : 0) + i * PS_PER_US;
    return (TraceCollective){
        .kind = reduce ? TRACE_COLLECTIVE_REDUCE_SCATTER : TRACE_COLLECTIVE_ALL_GATHER,
        .traffic = TRACE_TRAFFIC_DP,
        .group_first = group,
        .group_stride = fake->stages * FAKE_TP,
        .group_size = n,
        .bytes = bytes,
        .start_ps = start_ps,
        .end_ps = start_ps + units_ps_from_seconds((double)bytes * factor / bus_Bps),
        .bus_Bps = bus_Bps,
        .slowdown = slowdown};
}

int64_t fake_nflows(const Fake *fake) { return fake_ngpus(fake); }

TraceFlow fake_flow(const Fake *fake, int64_t step, int64_t i) {
    const int64_t n = fake_nflows(fake), start_ps = fake_step_start_ps(fake, step);
    const double slowdown = 1.0 + 3.0 * uniform(fake, FOR_BYTES, i, step);
    return (TraceFlow){.source = i,
                       .destination = (i + n / 2) % n,
                       .bytes = 1000 + i,
                       .start_ps = start_ps,
                       .end_ps = start_ps + units_ps_from_seconds(0.1 * slowdown),
                       .slowdown = slowdown};
}

/// Mean utilisation of a tier at a point 0..1 of the step.
static double wave(const Fake *fake, int t, int d, double x) {
    const double gather = exp(-pow((x - 0.05) / 0.04, 2)), reduce = exp(-pow((x - 0.88) / 0.05, 2));
    const double pipeline = 0.5 + 0.5 * sin(120.0 * x + d);
    switch (t) {
        case 0: return 0.28 + 0.06 * pipeline;
        case 1: return 0.03 + 0.05 * pipeline + 0.62 * gather + 0.55 * reduce;
        case 2:
            return (0.02 +
                    0.010 * fake->trouble * (0.1 * pipeline + 0.75 * gather + 0.65 * reduce));
        default: return 0.007 * fake->trouble * (0.1 * pipeline + 0.9 * gather + 0.8 * reduce);
    }
}

/// Utilisation of one link around the mean of its tier: ECMP deals unevenly above the leaves.
static double link_utilisation(const Fake *fake, int t, double mean, int64_t link, int64_t draw) {
    const double spread = t < 2 ? 0.1 : 0.6, u = 2.0 * uniform(fake, FOR_LINK, link, draw) - 1.0;
    const double utilisation = mean * (1.0 + spread * u);
    return utilisation > 1.0 ? 1.0 : utilisation < 0.004 ? 0.0 : utilisation;
}

static TraceTierLoad tier_load(const Fake *fake, int t, int d, double mean, int64_t draw,
                               double seconds) {
    const TraceTier tier = fake_tier(fake, t);
    const double room = (double)tier.capacity_Bps * seconds;
    TraceTierLoad load = {0};
    for (int64_t i = 0; i < tier.links; i++) {
        const double u = link_utilisation(fake, t, mean, tier.first_link[d] + i, draw);
        const int64_t bytes = (int64_t)(u * room);
        load.bytes += bytes;
        load.histogram[trace_bin(bytes, (int64_t)room)]++;
        if (u > load.utilisation_max) load.utilisation_max = u;
        if (t >= 2 && u > 0.6) {
            load.delay_ps += units_ps_from_seconds((u - 0.6) * 0.8 * seconds);
            load.congested_ps += units_ps_from_seconds((u - 0.6) * seconds);
        }
    }
    load.utilisation_mean = (double)load.bytes / (room * (double)tier.links);
    return load;
}

static TraceHotLink hot_link(const Fake *fake, int k, int64_t draw, double seconds) {
    const int t = k % 3 == 0 ? 3 : 2, d = k % 2;
    const TraceTier tier = fake_tier(fake, t);
    const double u = 0.98 - 0.02 * k, room = (double)tier.capacity_Bps * seconds;
    const int64_t i = (int64_t)(uniform(fake, FOR_HOT, k, draw) * (double)tier.links);
    TraceHotLink hot = {
        .link = tier.first_link[d] + i, .tier = t, .direction = d, .utilisation = u};
    hot.bytes = (int64_t)(u * room);
    hot.delay_ps = units_ps_from_seconds(0.01 * fake->trouble * (0.4 - 0.02 * k) * seconds);
    hot.width = 1;
    hot.congested_ps = units_ps_from_seconds(0.005 * fake->trouble * seconds);
    hot.users.traffic_bytes[TRACE_TRAFFIC_DP] = hot.bytes - hot.bytes / 5;
    hot.users.traffic_bytes[TRACE_TRAFFIC_PP] = hot.bytes / 5;
    hot.users.n = 3;
    for (int n = 0; n < hot.users.n; n++) {
        const int64_t source = (i * 7 + n) % fake_working(fake);
        hot.users.user[n] =
            (TraceLinkUser){n < 2 ? TRACE_TRAFFIC_DP : TRACE_TRAFFIC_PP, source,
                            (source + 17) % fake_working(fake), hot.bytes / (2 + n)};
    }
    if (t == 2)
        snprintf(hot.name, sizeof hot.name, "leaf %d port %d %s spine %d", (int)(i / 32),
                 (int)(i % 32), d ? "<-" : "->", (int)(i % 16));
    else
        snprintf(hot.name, sizeof hot.name, "spine %d port %d %s core %d", (int)(i / 8),
                 (int)(i % 8), d ? "<-" : "->", (int)(i % 4));
    return hot;
}

TraceLoad fake_load(const Fake *fake, int64_t step, int64_t interval, TraceHotLink hot[FAKE_HOT]) {
    const int64_t length_ps = step_length_ps(fake, step), begin_ps = fake_step_start_ps(fake, step);
    const bool whole = interval < 0;
    const int64_t first = whole ? 0 : interval, last = whole ? fake->intervals : interval + 1;
    TraceLoad load = {.start_ps = begin_ps + length_ps * first / fake->intervals,
                      .end_ps = begin_ps + length_ps * last / fake->intervals,
                      .hot = hot};
    const double seconds = units_seconds_from_ps(load.end_ps - load.start_ps);
    const int64_t draw = step * 1000 + (whole ? 999 : interval);
    for (int t = 0; t < FAKE_TIERS; t++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            double mean = 0;
            for (int64_t i = first; i < last; i++)
                mean += wave(fake, t, d, ((double)i + 0.5) / fake->intervals);
            load.tier[t][d] = tier_load(fake, t, d, mean / (double)(last - first), draw, seconds);
            // Means hide the bursts: what a whole step loses is made up from what it carries.
            if (whole && t >= 2)
                load.tier[t][d].delay_ps = units_ps_from_seconds(
                    (double)load.tier[t][d].bytes / (double)fake_tier(fake, t).capacity_Bps / 500 *
                    fake->trouble);
        }
    load.nhot = FAKE_HOT - (int32_t)(draw % 3);
    for (int k = 0; k < load.nhot; k++) hot[k] = hot_link(fake, k, draw, seconds);
    return load;
}

TracePower fake_power(const Fake *fake, int64_t step) {
    const double gpus = (double)fake_ngpus(fake),
                 seconds = units_seconds_from_ps(step_length_ps(fake, step));
    TracePower power = {.wave_step = step, .peak_W = 1300 * gpus, .ramp_W_per_s = 1e5 * gpus};
    for (int i = 0; i < TRACE_PHASES; i++) {
        power.gpus_W[i] = gpus * (500 + 100 * sin(i / 5.0));
        power.site_W[i] = 2 * power.gpus_W[i] + 100 * gpus;
        power.energy_J += power.site_W[i] * seconds / TRACE_PHASES;
    }
    for (int part = 0; part < TRACE_ENERGY_N; part++)
        power.part_J[part] = power.energy_J / TRACE_ENERGY_N;
    power.mean_W = power.energy_J / seconds;
    power.per_token_J = power.energy_J / (8192 * gpus);
    return power;
}

int64_t fake_link_bytes(const Fake *fake, int64_t step, int64_t link) {
    return (int64_t)(1e9 * uniform(fake, FOR_LINK, link, step));
}
