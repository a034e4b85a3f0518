#include "observe/power.h"

#include <math.h>

/// Of a switch without load; passive copper of 400 Gb/s goes as far as 3 m.
static const double SWITCH_BASE = 0.55, OPTIC_BPS = 50e9;
enum { COPPER_PS = 15000 };

static const double FANS[COOLING_N] = {0.15, 0.03, 0}, PUE[COOLING_N] = {1.4, 1.15, 1.1};

static const double RATED_C[COOLING_N] = {30, 45, 45}, COLDEST_C = -273;

static double fans_of(const PowerSpec *spec) {
    return spec->fans < 0 ? FANS[spec->cooling] : spec->fans;
}

static double pue_of(const PowerSpec *spec) {
    return spec->pue < 1 ? PUE[spec->cooling] : spec->pue;
}

double power_kind_share(const ClusterSpec *spec, int32_t kind) {
    const GpuId first = cluster_first_of_kind(spec, kind),
                end = cluster_first_of_kind(spec, kind + 1);
    return (double)(end - first) / (double)cluster_spec_ngpus(spec);
}

int64_t power_noptics(const Cluster *cluster, int32_t tier) {
    const bool copper = cluster_spec(cluster)->tier[tier - 1].cable_ps <= COPPER_PS;
    return copper ? 0 : 2 * cluster_ncables(cluster, tier);
}

double power_optic_W(const ClusterSpec *spec, int32_t tier) {
    return spec->power.optic_W * (double)spec->tier[tier - 1].link_Bps / OPTIC_BPS;
}

/// All of a tier.
static double optics_W(const Cluster *cluster, int32_t tier) {
    return power_optic_W(cluster_spec(cluster), tier) * (double)power_noptics(cluster, tier);
}

/// Switches and both ends of cables, of the whole site.
static void add_fabric(const Cluster *cluster, const PowerUse *use, double part_J[TRACE_ENERGY_N]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    for (int32_t tier = 1; tier <= spec->ntiers; tier++) {
        const double load = SWITCH_BASE + (1 - SWITCH_BASE) * use->load[tier - 1];
        part_J[TRACE_ENERGY_SWITCHES] += use->share * use->span_s *
                                         (double)cluster_nswitches(cluster, tier) *
                                         spec->tier[tier - 1].switch_spec.typical_W * load;
        part_J[TRACE_ENERGY_OPTICS] += use->share * use->span_s * optics_W(cluster, tier);
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
                use->gpu_s[kind][state] *
                gpu_draw_W(cluster_gpu_of_kind(spec, kind), (PowerState)state, use->products[kind]);
    add_site(cluster, use, part_J);
}

void power_rate(const Cluster *cluster, double part, double part_W[TRACE_ENERGY_N]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    PowerUse use = {.span_s = 1, .share = 1};
    for (int32_t t = 0; t < FABRIC_TIERS_MAX; t++) use.load[t] = 1;
    for (int i = 0; i < TRACE_ENERGY_N; i++) part_W[i] = 0;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const double gpus = power_kind_share(spec, kind) * (double)cluster_ngpus(cluster);
        use.gpu_s[kind][POWER_WORK] = gpus;
        const GpuSpec *gpu = cluster_gpu_of_kind(spec, kind);
        part_W[TRACE_ENERGY_GPU_COMPUTE] +=
            gpus *
            (part < 1 ? gpu->idle_W + part * (gpu_most_W(gpu) - gpu->idle_W) : gpu_most_W(gpu));
    }
    add_site(cluster, &use, part_W);
}

/// What a cap leaves of the range of a GPU, 1 and more: all. They hold in this order, each of what those before left.
static double left_of(const GpuSpec *gpu, double most_W) {
    return (most_W - gpu->idle_W) / (gpu_most_W(gpu) - gpu->idle_W);
}

static double left_by_gpu(const Cluster *cluster, int32_t kind) {
    return left_of(cluster_gpu_of_kind(cluster_spec(cluster), kind),
                   cluster_spec(cluster)->power.gpu_cap_W);
}

static double left_by_heat(const Cluster *cluster, int32_t kind) {
    const GpuSpec *gpu = cluster_gpu_of_kind(cluster_spec(cluster), kind);
    const PowerSpec *spec = &cluster_spec(cluster)->power;
    const double rated_C = spec->rated_C < COLDEST_C ? RATED_C[spec->cooling] : spec->rated_C;
    if (spec->inlet_C <= rated_C) return 1;
    return left_of(gpu,
                   gpu->max_W * (spec->hottest_C - spec->inlet_C) / (spec->hottest_C - rated_C));
}

static double left_by_rack(const Cluster *cluster, int32_t kind) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const PowerSpec *power = &spec->power;
    const GpuSpec *gpu = cluster_gpu_of_kind(spec, kind);
    const double inside_W = power->rack_cap_W / (double)cluster_rack_gpus(spec, kind) *
                            (1 - power->supply_loss),
                 optic_W = optics_W(cluster, 1) / 2 / (double)cluster_ngpus(cluster);
    return left_of(gpu, (inside_W - optic_W) / (1 + fans_of(power)) - power->host_W -
                            power->host_active_W - spec->nic.power_W);
}

static double left_by_site(const Cluster *cluster, int32_t kind) {
    (void)kind;
    double idle_W[TRACE_ENERGY_N], most_W[TRACE_ENERGY_N];
    power_rate(cluster, 0, idle_W);
    power_rate(cluster, 1, most_W);
    return (cluster_spec(cluster)->power.site_cap_W - power_sum(idle_W)) /
           (power_sum(most_W) - power_sum(idle_W));
}

/// All GPUs, by one of the caps.
static Status cap_all(ClusterSpec *spec, double (*left)(const Cluster *, int32_t kind)) {
    ClusterSpec still = *spec;
    still.nfaults = still.nslow = still.nevents = 0;
    Cluster *cluster = NULL;
    TRY(cluster_create(&still, &cluster));
    Status status = status_ok();
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        GpuSpec *gpu = kind == 0 ? &spec->gpu : &spec->other[kind - 1].gpu;
        gpu_cap(gpu, left(cluster, kind));
        if (gpu_most_W(gpu) < gpu_least_cap_W(gpu) && status_is_ok(&status))
            status = status_make(STATUS_RANGE,
                                 "leaves %.4g W to a GPU (%s); below %.4g W communication would "
                                 "be slower too, which is not emulated",
                                 fmax(0, gpu_most_W(gpu)), gpu->name, gpu_least_cap_W(gpu));
    }
    cluster_destroy(cluster);
    return status;
}

Status power_cap_gpus(ClusterSpec *spec, const char **key) {
    const PowerSpec *power = &spec->power;
    const struct {
        const char *key;
        bool holds;
        double (*left)(const Cluster *, int32_t kind);
    } CAPS[] = {{"gpu_cap", power->gpu_cap_W > 0, left_by_gpu},
                {"inlet", power->inlet_C > COLDEST_C, left_by_heat},
                {"rack_cap", power->rack_cap_W > 0, left_by_rack},
                {"site_cap", power->site_cap_W > 0, left_by_site}};
    for (size_t i = 0; i < sizeof CAPS / sizeof CAPS[0]; i++) {
        *key = CAPS[i].key;
        if (CAPS[i].holds) TRY(cap_all(spec, CAPS[i].left));
    }
    return status_ok();
}

double power_wall_W(const Cluster *cluster, double inside_W, double gpus) {
    const PowerSpec *spec = &cluster_spec(cluster)->power;
    const double optic_W = optics_W(cluster, 1) / 2 / (double)cluster_ngpus(cluster);
    return (inside_W * (1 + fans_of(spec)) + optic_W * gpus) / (1 - spec->supply_loss);
}

double power_nodes_J(const Cluster *cluster, const PowerUse *use,
                     const double part_J[TRACE_ENERGY_N]) {
    double inside_J = use->share * use->span_s * optics_W(cluster, 1) / 2;
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
