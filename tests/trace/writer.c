/// writer.c: writes a made-up run (fake.h) on any number of ranks; what the tests of the trace look at.
///
///     writer FILE [--nodes n] [--stages n] [--steps n] [--intervals n] [--trouble 0..100] [--compress 0..9]
///            [--seed n] [--traffic] [--only-traffic] [--full-links] [--pause ms] [--empty-ranks]
///            [--limit bytes]   no file may grow beyond: what a full disk does
///
/// One line a step on stdout: the number of committed steps. Ranks share GPUs and rows unevenly on purpose.

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "fake.h"
#include "par/comm.h"

typedef struct Options {
    Fake fake;
    const char *path;
    int64_t steps, pause_ms;
    int32_t compress;
    bool training, traffic, full_links, empty_ranks;
} Options;

/// This rank's share of n items: uneven, and nothing at all on every second rank if so asked.
typedef struct Share {
    int64_t first, n;
} Share;

static Share share_of(const Comm *comm, const Options *options, int64_t n) {
    const int64_t rank = comm_rank(comm), nranks = comm_nranks(comm);
    if (options->empty_ranks) {
        const int64_t working = (nranks + 1) / 2, place = rank / 2;
        if (rank % 2 == 1) return (Share){0, 0};
        return (Share){n * place / working, n * (place + 1) / working - n * place / working};
    }
    // Squares make the last rank's share the largest, and cuts fall inside chunks.
    const int64_t first = n * rank * rank / (nranks * nranks);
    return (Share){first, n * (rank + 1) * (rank + 1) / (nranks * nranks) - first};
}

static int64_t number_after(int argc, char **argv, const char *name, int64_t fallback) {
    for (int i = 2; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return atoll(argv[i + 1]);
    return fallback;
}

static bool has_option(int argc, char **argv, const char *name) {
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return false;
}

static Options read_options(int argc, char **argv) {
    Options o = {.path = argv[1]};
    o.fake.nodes = number_after(argc, argv, "--nodes", 9);
    o.fake.stages = (int32_t)number_after(argc, argv, "--stages", 4);
    o.fake.intervals = (int32_t)number_after(argc, argv, "--intervals", 10);
    o.fake.trouble = (int32_t)number_after(argc, argv, "--trouble", 60);
    o.fake.seed = (uint64_t)number_after(argc, argv, "--seed", 1);
    o.steps = number_after(argc, argv, "--steps", 3);
    o.pause_ms = number_after(argc, argv, "--pause", 0);
    o.compress = (int32_t)number_after(argc, argv, "--compress", 1);
    o.training = !has_option(argc, argv, "--only-traffic");
    o.traffic = !o.training || has_option(argc, argv, "--traffic");
    o.full_links = has_option(argc, argv, "--full-links");
    o.empty_ranks = has_option(argc, argv, "--empty-ranks");
    return o;
}

/// All ranks fail together; see trace.h for why not MPI_Finalize.
static void expect(Status status) {
    if (status_is_ok(&status)) return;
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        fprintf(stderr, "writer: %s\n", status.text);
        MPI_Abort(MPI_COMM_WORLD, status_exit_code(status.code));
    }
    MPI_Barrier(MPI_COMM_WORLD); // until the abort arrives
}

static TraceGpu place_gpu(const void *fake, int64_t gpu) { return fake_gpu(fake, gpu); }

static Trace *open_trace(const Comm *comm, const Options *o) {
    static const TraceSource source[] = {{"jobs/fake.yaml", "schema_version: 1\nname: fake # µs\n"},
                                         {"topologies/fake.yaml", "schema_version: 1\n"}};
    TraceTier tier[FAKE_TIERS];
    for (int t = 0; t < FAKE_TIERS; t++) tier[t] = fake_tier(&o->fake, t);
    const TraceInfo info = {.path = o->path,
                            .title = "a made-up run",
                            .job = "fake-gpt",
                            .cluster = "fake-cluster",
                            .engine = "none",
                            .routing = "ecmp",
                            .placement = "contiguous",
                            .precision = "bf16",
                            .resolved = "job: fake\n",
                            .source = source,
                            .nsources = 2,
                            .seed = o->fake.seed,
                            .control_delay_ps = 10000000,
                            .interval_ps = 50000000000,
                            .training = o->training,
                            .traffic = o->traffic,
                            .ngpus = fake_ngpus(&o->fake),
                            .gpus_per_node = FAKE_TP,
                            .tier = tier,
                            .ntiers = FAKE_TIERS,
                            .site_tier = &(TraceSiteTier){"site", 1},
                            .nsite_tiers = 1,
                            .nlinks = fake_nlinks(&o->fake),
                            .hot_links = FAKE_HOT,
                            .full_links = o->full_links,
                            .compress = o->compress,
                            .commit_every = true,
                            .command_line = "writer"};
    Trace *trace = NULL;
    expect(trace_create(comm, &info, &trace));
    const Share share = share_of(comm, o, info.ngpus);
    expect(trace_static_gpus(trace, share.first, share.n, place_gpu, &o->fake));
    return trace;
}

static void put_intervals(Trace *trace, const Options *o, int64_t step) {
    const int32_t n = o->fake.intervals;
    TraceLoad *load = memory_alloc("test", (size_t)n * sizeof *load);
    TraceHotLink *hot = memory_alloc("test", (size_t)n * FAKE_HOT * sizeof *hot);
    for (int32_t i = 0; i < n; i++)
        load[i] = fake_load(&o->fake, step, i, hot + (size_t)i * FAKE_HOT);
    // In two pieces, as a run would.
    expect(trace_append_intervals(trace, n / 2, load));
    expect(trace_append_intervals(trace, n - n / 2, load + n / 2));
    memory_free("test", hot, (size_t)n * FAKE_HOT * sizeof *hot);
    memory_free("test", load, (size_t)n * sizeof *load);
}

typedef struct GpuColumns {
    const Fake *fake;
    int64_t step;
    int64_t sum[TRACE_GPU_COLUMNS];
} GpuColumns;

static void fill_column(void *context, int column, int64_t first, int64_t n, int64_t value_ps[]) {
    GpuColumns *columns = context;
    for (int64_t i = 0; i < n; i++) {
        const FakeGpuStep gpu = fake_gpu_step(columns->fake, columns->step, first + i);
        value_ps[i] = TRACE_NO_TIME_PS;
        if (!gpu.working) continue;
        value_ps[i] = column == TRACE_GPU_DURATION ? gpu.duration_ps : gpu.part_ps[column];
        columns->sum[column] += value_ps[i];
    }
}

/// Means over GPUs from integer sums, so that ranks cannot show.
static void put_gpus(Trace *trace, const Comm *comm, const Options *o, int64_t step,
                     TraceStep *whole) {
    const Share share = share_of(comm, o, fake_ngpus(&o->fake));
    GpuColumns columns = {.fake = &o->fake, .step = step};
    expect(trace_write_gpus(trace, share.first, share.n, fill_column, &columns));
    comm_sum_i64(comm, columns.sum, TRACE_GPU_COLUMNS);
    const double n = (double)fake_working(&o->fake);
    whole->mean_duration_ps = (double)columns.sum[TRACE_GPU_DURATION] / n;
    for (int p = 0; p < TRACE_PART_N; p++) whole->mean_part_ps[p] = (double)columns.sum[p] / n;
}

static void put_collectives(Trace *trace, const Comm *comm, const Options *o, int64_t step) {
    const Share share = share_of(comm, o, fake_ncollectives(&o->fake));
    TraceCollective *row = memory_alloc("test", (size_t)share.n * sizeof *row);
    for (int64_t i = 0; i < share.n; i++) row[i] = fake_collective(&o->fake, step, share.first + i);
    expect(trace_append_collectives(trace, share.n, row));
    memory_free("test", row, (size_t)share.n * sizeof *row);
}

static void put_flows(Trace *trace, const Comm *comm, const Options *o, int64_t step) {
    const Share share = share_of(comm, o, fake_nflows(&o->fake));
    TraceFlow *flow = memory_alloc("test", (size_t)share.n * sizeof *flow);
    for (int64_t i = 0; i < share.n; i++) flow[i] = fake_flow(&o->fake, step, share.first + i);
    expect(trace_append_flows(trace, share.n, flow));
    memory_free("test", flow, (size_t)share.n * sizeof *flow);
}

static void put_links(Trace *trace, const Comm *comm, const Options *o, int64_t step) {
    TraceHotLink hot[FAKE_HOT];
    const TraceLoad load = fake_load(&o->fake, step, -1, hot);
    expect(trace_write_links(trace, comm_rank(comm) == 0 ? &load : NULL, true));
    if (!o->full_links) return;
    const Share share = share_of(comm, o, fake_nlinks(&o->fake));
    int64_t *bytes = memory_alloc("test", (size_t)share.n * sizeof *bytes);
    for (int64_t i = 0; i < share.n; i++)
        bytes[i] = fake_link_bytes(&o->fake, step, share.first + i);
    expect(trace_write_full_links(trace, share.first, share.n, bytes));
    memory_free("test", bytes, (size_t)share.n * sizeof *bytes);
}

static void write_step(Trace *trace, const Comm *comm, const Options *o, int64_t step) {
    TraceStep whole = {.links_step = step,
                       .intervals_start_ps = fake_step_start_ps(&o->fake, step),
                       .start_ps = fake_step_start_ps(&o->fake, step),
                       .end_ps = fake_step_start_ps(&o->fake, step + 1),
                       .working_gpus = fake_working(&o->fake),
                       .tokens = 8192 * fake_working(&o->fake),
                       .peak_flop_per_s = 989e12};
    whole.fingerprint = fingerprint_of(step, whole.start_ps, whole.end_ps);
    whole.model_flop_full = 2.75e15 * (double)whole.working_gpus;
    whole.model_flop_causal = 2.6e15 * (double)whole.working_gpus;
    whole.hardware_flop = 2.9e15 * (double)whole.working_gpus;
    expect(trace_begin_step(trace));
    put_intervals(trace, o, step);
    if (o->training) put_gpus(trace, comm, o, step, &whole);
    if (o->training) put_collectives(trace, comm, o, step);
    if (o->traffic) put_flows(trace, comm, o, step);
    put_links(trace, comm, o, step);
    const TracePower power = fake_power(&o->fake, step);
    expect(trace_write_power(trace, comm_rank(comm) == 0 ? &power : NULL));
    TraceTierPower site = {.units = 1};
    for (int i = 0; i < TRACE_PHASES; i++)
        site.mean_W[i] = site.least_W[i] = site.most_W[i] = site.hottest_W[i] = power.gpus_W[i];
    if (o->training) expect(trace_write_tier_power(trace, &site));
    expect(trace_write_step(trace, comm_rank(comm) == 0 ? &whole : NULL));
    int64_t committed = 0;
    expect(trace_commit(trace, false, &committed));
    if (comm_rank(comm) != 0) return;
    printf("%lld\n", (long long)committed);
    fflush(stdout);
}

/// The write that goes beyond fails with EFBIG instead of a signal.
static void limit_files(int64_t bytes) {
    const struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    if (argc < 2) return 2;
    const int64_t limit_bytes = number_after(argc, argv, "--limit", 0);
    if (limit_bytes > 0) limit_files(limit_bytes);
    const Options options = read_options(argc, argv);
    Comm *comm = comm_create_world();
    Trace *trace = open_trace(comm, &options);
    for (int64_t step = 0; step < options.steps; step++) {
        write_step(trace, comm, &options, step);
        const struct timespec pause = {.tv_sec = options.pause_ms / 1000,
                                       .tv_nsec = options.pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    expect(trace_run_double(trace, "wall_s", MPI_Wtime()));
    // Every rank says another; readers.py looks for that of rank 0.
    const double numbers[] = {comm_rank(comm), -comm_rank(comm)};
    expect(trace_run_int(trace, "rank", comm_rank(comm)));
    expect(trace_run_doubles(trace, "ranks", numbers, 2));
    expect(trace_close(&trace, "complete", ""));
    comm_destroy(comm);
    MPI_Finalize();
    return 0;
}
