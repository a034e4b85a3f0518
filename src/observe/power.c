#include "observe/power.h"

#include <math.h>

/// Of what lies between idle power and limit.
static const double PRODUCTS = 0.975, MEMORY_BOUND = 0.75,
                    SHARES[POWER_STATES] = {[POWER_COMMUNICATION] = 0.35,
                                            [POWER_BUBBLE] = 0.20,
                                            [POWER_WAITING] = 0.20,
                                            [POWER_IDLE] = 0};
/// Of a switch without load; passive copper of 400 Gb/s goes as far as 3 m.
static const double SWITCH_BASE = 0.55, OPTIC_BPS = 50e9;
enum { COPPER_PS = 15000 };

static const double FANS[COOLING_N] = {0.15, 0.03, 0}, PUE[COOLING_N] = {1.4, 1.15, 1.1};

static double fans_of(const PowerSpec *spec) {
    return spec->fans < 0 ? FANS[spec->cooling] : spec->fans;
}

static double pue_of(const PowerSpec *spec) {
    return spec->pue < 1 ? PUE[spec->cooling] : spec->pue;
}

double power_kind_share(const ClusterSpec *spec, int32_t kind) {
    const int64_t from = kind == 0 ? 0 : spec->other[kind - 1].from,
                  until = kind == spec->nothers ? spec->nodes : spec->other[kind].from;
    return (double)(until - from) / (double)spec->nodes;
}

double power_gpu_W(const GpuSpec *gpu, PowerState state, double products) {
    const double share =
        state == POWER_WORK ? MEMORY_BOUND + (PRODUCTS - MEMORY_BOUND) * products : SHARES[state];
    return gpu->idle_W + share * (gpu->max_W - gpu->idle_W);
}

/// One end of all cables of a tier, one of which a node has; 0 where they are copper.
static double optics_W(const Cluster *cluster, int32_t tier) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const TierSpec *below = &spec->tier[tier - 1];
    if (below->cable_ps <= COPPER_PS) return 0;
    return spec->power.optic_W * (double)below->link_Bps / OPTIC_BPS *
           (double)cluster_ncables(cluster, tier);
}

/// Switches and both ends of cables, of the whole site.
static void add_fabric(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    for (int32_t tier = 1; tier <= spec->ntiers; tier++) {
        const double load = SWITCH_BASE + (1 - SWITCH_BASE) * use->load[tier - 1];
        part_J[TRACE_ENERGY_SWITCHES] += use->share * use->span_s *
                                         (double)cluster_nswitches(cluster, tier) *
                                         spec->tier[tier - 1].switch_spec.typical_W * load;
        part_J[TRACE_ENERGY_OPTICS] += use->share * use->span_s * 2 * optics_W(cluster, tier);
    }
}

/// What is in nodes beside GPUs.
static void add_hosts(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const double gpus_s = use->share * use->span_s * (double)cluster_ngpus(cluster);
    part_J[TRACE_ENERGY_HOSTS] = spec->power.host_W * gpus_s;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        part_J[TRACE_ENERGY_HOSTS] += spec->power.host_active_W * use->gpu_s[kind][POWER_WORK];
    part_J[TRACE_ENERGY_NICS] = spec->nic.power_W * gpus_s;
}

double power_sum(const double part[TRACE_ENERGY_N]) {
    double sum = 0;
    for (int i = 0; i < TRACE_ENERGY_N; i++) sum += part[i];
    return sum;
}

double power_gpus(const double part[TRACE_ENERGY_N]) {
    double sum = 0;
    for (int i = 0; i <= TRACE_ENERGY_GPU_IDLE; i++) sum += part[i];
    return sum;
}

/// What follows from what GPUs draw, which stands in the parts; the others are 0.
static void add_site(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]) {
    const PowerSpec *spec = &cluster_spec(cluster)->power;
    add_hosts(cluster, use, part_J);
    part_J[TRACE_ENERGY_FANS] = fans_of(spec) * power_sum(part_J);
    add_fabric(cluster, use, part_J);
    const double inside_J = power_sum(part_J), wall_J = inside_J / (1 - spec->supply_loss);
    part_J[TRACE_ENERGY_SERVICES] = spec->service * wall_J;
    const double it_J = wall_J + part_J[TRACE_ENERGY_SERVICES];
    part_J[TRACE_ENERGY_LOSS] = wall_J - inside_J + spec->distribution_loss * it_J;
    part_J[TRACE_ENERGY_COOLING] = (pue_of(spec) - 1) * it_J;
}

void power_spend(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]) {
    static const TraceEnergy PART[POWER_STATES] = {
        [POWER_WORK] = TRACE_ENERGY_GPU_COMPUTE,
        [POWER_COMMUNICATION] = TRACE_ENERGY_GPU_COMMUNICATION,
        [POWER_BUBBLE] = TRACE_ENERGY_GPU_BUBBLE,
        [POWER_WAITING] = TRACE_ENERGY_GPU_WAITING,
        [POWER_IDLE] = TRACE_ENERGY_GPU_IDLE,
    };
    const ClusterSpec *spec = cluster_spec(cluster);
    for (int i = 0; i < TRACE_ENERGY_N; i++) part_J[i] = 0;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        for (int state = 0; state < POWER_STATES; state++)
            part_J[PART[state]] +=
                use->gpu_s[kind][state] * power_gpu_W(cluster_gpu_of_kind(spec, kind),
                                                      (PowerState)state, use->products[kind]);
    add_site(cluster, use, part_J);
}

void power_rate(const Cluster *cluster, double part_W[TRACE_ENERGY_N]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    PowerUse use = {.span_s = 1, .share = 1};
    for (int32_t t = 0; t < FABRIC_TIERS_MAX; t++) use.load[t] = 1;
    for (int i = 0; i < TRACE_ENERGY_N; i++) part_W[i] = 0;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const double gpus = power_kind_share(spec, kind) * (double)cluster_ngpus(cluster);
        use.gpu_s[kind][POWER_WORK] = gpus;
        part_W[TRACE_ENERGY_GPU_COMPUTE] += gpus * cluster_gpu_of_kind(spec, kind)->max_W;
    }
    add_site(cluster, &use, part_W);
}

double power_nodes_J(const Cluster *cluster, const PowerUse *use,
                     const double part_J[TRACE_ENERGY_N]) {
    double inside_J = use->share * use->span_s * optics_W(cluster, 1);
    for (int i = 0; i <= TRACE_ENERGY_NICS; i++) inside_J += part_J[i];
    return inside_J / (1 - cluster_spec(cluster)->power.supply_loss);
}

/// Peak to peak of what swings once in all phases.
static double first_harmonic(const double value[TRACE_PHASES]) {
    double real = 0, imaginary = 0;
    for (int i = 0; i < TRACE_PHASES; i++) {
        const double angle = 2 * acos(-1.0) * i / TRACE_PHASES;
        real += value[i] * cos(angle);
        imaginary += value[i] * sin(angle);
    }
    return 4 * sqrt(real * real + imaginary * imaginary) / TRACE_PHASES;
}

/// The largest sum of phases behind each other of sign * value - beyond, the first following the last. Their mean being at
/// most 0, none longer than all phases is larger.
static double largest_run(const double value[TRACE_PHASES], double sign, double beyond) {
    double run = 0, largest = 0;
    for (int i = 0; i < 2 * TRACE_PHASES; i++) {
        run += sign * value[i % TRACE_PHASES] - beyond;
        if (run < 0) run = 0;
        if (run > largest) largest = run;
    }
    return largest;
}

// A battery must give what any run of phases takes beyond the upper edge of the band, and take what any leaves below the
// lower; and with the larger of both, there always is a charge from which nothing fails.
void power_measure(double span_s, double band, TracePower *power) {
    const double *site_W = power->site_W, phase_s = span_s / TRACE_PHASES;
    double mean_W = 0, change_W = 0;
    power->peak_W = power->least_W = site_W[0];
    for (int i = 0; i < TRACE_PHASES; i++) {
        power->peak_W = fmax(power->peak_W, site_W[i]);
        power->least_W = fmin(power->least_W, site_W[i]);
        change_W = fmax(change_W, fabs(site_W[(i + 1) % TRACE_PHASES] - site_W[i]));
        mean_W += site_W[i] / TRACE_PHASES;
    }
    power->ramp_W_per_s = phase_s > 0 ? change_W / phase_s : 0;
    power->swing_W = first_harmonic(site_W);
    power->battery_J = phase_s * fmax(largest_run(site_W, 1, mean_W * (1 + band)),
                                      largest_run(site_W, -1, -mean_W * (1 - band)));
}
