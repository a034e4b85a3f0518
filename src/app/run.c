#include "app/run.h"

#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/play.h"
#include "app/resume.h"
#include "base/fingerprint.h"
#include "base/log.h"
#include "base/memory.h"
#include "build_info.h"
#include "config/run_file.h"
#include "driver/fabric.h"
#include "par/comm.h"
#include "trace/trace.h"

static volatile sig_atomic_t stop_flag = STOP_NOT;

/// SIGUSR1 and SIGUSR2 let the step end; SIGINT and SIGTERM leave it, a second one leaves everything.
static void request_stop(int signal_number) {
    bool impatient = signal_number == SIGINT || signal_number == SIGTERM;
    if (impatient && stop_flag == STOP_NOW) _exit(status_exit_code(STATUS_STOPPED));
    if (stop_flag != STOP_NOW) stop_flag = impatient ? STOP_NOW : STOP_AFTER_STEP;
}

static void install_signals(void) {
    static const int STOPS[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof STOPS / sizeof *STOPS; i++) sigaction(STOPS[i], &action, NULL);
    signal(SIGXFSZ,
           SIG_IGN); // a file that may not grow is an error of a write, not the end of the process
}

/// What MPI and HDF5 open must not take the place of a standard stream that the caller has closed: the table would go there.
static void hold_standard_streams(void) {
    int fd = STDIN_FILENO;
    while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDONLY);
    if (fd > STDERR_FILENO) close(fd);
}

/// Fails on all ranks alike if `mine` is not that of rank 0 on all.
static Status agree_on(const Comm *comm, uint64_t mine, const char *what) {
    uint64_t first = mine;
    comm_broadcast(comm, &first, sizeof first, 0);
    Status status = status_ok();
    if (mine != first)
        status =
            status_make(STATUS_USAGE, "rank %d has another %s than rank 0: all must run the same",
                        comm_rank(comm), what);
    return comm_agree(comm, status);
}

/// The program itself: what is built from other sources, or otherwise, computes otherwise.
static uint64_t program_checksum(void) {
    char *bytes = NULL;
    int64_t size = 0;
    static const char BUILD[] = BUILD_INFO_VERSION BUILD_INFO_COMMIT BUILD_INFO_TYPE;
    Status status = text_read_file(NULL, "/proc/self/exe", &bytes, &size);
    if (!status_is_ok(&status)) return fingerprint_bytes(BUILD, sizeof BUILD);
    uint64_t checksum = fingerprint_bytes(bytes, (size_t)size);
    memory_free("config.text", bytes, (size_t)size + 1);
    return checksum;
}

/// Rank 0 reads, all get the same bytes or the same reason.
static Status read_shared(void *context, const char *path, char **bytes, int64_t *size) {
    Comm *comm = context;
    Status status = status_ok();
    if (comm_rank(comm) == 0) status = text_read_file(NULL, path, bytes, size);
    comm_broadcast(comm, &status, sizeof status, 0);
    if (!status_is_ok(&status)) return status;
    comm_broadcast(comm, size, sizeof *size, 0);
    if (comm_rank(comm) != 0) *bytes = memory_alloc("config.text", (size_t)*size + 1);
    comm_broadcast(comm, *bytes, *size, 0);
    return status_ok();
}

static Status load(const CommandLine *line, Comm *comm, RunSpec *spec) {
    char room[TEXT_PATH_BYTES];
    char share[TEXT_PATH_BYTES] = ""; // rank 0's: hosts may differ in their environment
    snprintf(share, sizeof share, "%s", text_share_folder(room));
    comm_broadcast(comm, share, sizeof share, 0);
    RunRequest request = {
        .topology_path = line->file[0],
        .job_path = &line->file[1],
        .njobs = line->nfiles - 1,
        .setting = line->set,
        .nsettings = line->nsets,
        .source = {.read = read_shared, .context = comm, .share = share},
    };
    char *errors = NULL;
    Status status = run_spec_load(&request, spec, &errors);
    if (errors && comm_rank(comm) == 0) fputs(errors, stderr);
    text_free(errors);
    return status;
}

/// Where a run is written is no part of what it is: two runs of one configuration have equal contents.
static Status set_output(const char *output, TraceSpec *trace) {
    if (!output) return status_ok();
    REQUIRE(strlen(output) < sizeof trace->path, STATUS_USAGE, "--output: the path is too long");
    snprintf(trace->path, sizeof trace->path, "%s", strcmp(output, "none") == 0 ? "" : output);
    trace->make_folder = false;
    return status_ok();
}

/// Where mpiexec collects what several ranks say, nobody knows whether a terminal is at its end.
static bool wants_progress(const CommandLine *line, const Comm *comm) {
    if (line->quiet || line->progress == PROGRESS_NONE) return false;
    return line->progress == PROGRESS_LINES || comm_nranks(comm) > 1 || isatty(STDERR_FILENO);
}

static Status play(const CommandLine *line, Comm *comm, RunSpec *spec) {
    TRY(set_output(line->output, &spec->trace));
    spec->player = line->player;
    if (line->every_step) spec->repeat = false;
    bool root = comm_rank(comm) == 0;
    DriverOptions options = {
        .command_line = line->joined,
        .stop = &stop_flag,
        .table = line->quiet || line->json ? NULL : stdout,
        .object = line->json ? stdout : NULL,
        .progress = root && wants_progress(line, comm) ? stderr : NULL,
        .memory = line->memory,
    };
    Status status = driver_run(spec, comm, &options);
    if (status_is_ok(&status) && root && spec->trace.path[0] && options.table)
        printf("\n  trace: %s\n", spec->trace.path);
    return status;
}

static Status meet(const CommandLine *line, Comm *comm) {
    TRY(agree_on(comm, program_checksum(), "program"));
    return agree_on(comm, line->checksum, "command line");
}

static Status load_and_play(const CommandLine *line, Comm *comm) {
    RunSpec spec = {0};
    TraceBegun begun = {0};
    TRY(meet(line, comm));
    if (line->error) return (Status){.code = STATUS_USAGE}; // cli.h has said why
    Status status =
        line->resume ? resume_load(line->resume, comm, &begun, &spec) : load(line, comm, &spec);
    if (status_is_ok(&status))
        status = agree_on(comm, fingerprint_bytes(spec.resolved, strlen(spec.resolved)),
                          "configuration");
    if (status_is_ok(&status)) status = play(line, comm, &spec);
    if (spec.resolved) run_spec_fini(&spec);
    trace_begun_fini(&begun);
    return status;
}

/// Open MPI asks every network there might be, and starts a daemon for a process that nobody launched: 0.3 of the 0.4 s that
/// a small run takes. Alone it needs no network, and without a file no daemon: MPI-IO wants a folder that no other process has,
/// which the daemon makes. Whoever set these variables wins; other libraries do not know them.
static void start_mpi(bool writes) {
    if (!cli_is_launched()) {
        setenv("OMPI_MCA_pml", "ob1", 0);
        setenv("OMPI_MCA_btl", "self", 0);
        if (!writes) setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
    }
    MPI_Init(NULL, NULL);
}

Comm *run_begin(bool writes) {
    hold_standard_streams();
    start_mpi(writes);
    return comm_create_world();
}

void run_end(Comm *comm) {
    comm_destroy(comm);
    MPI_Finalize();
}

int run_command(const CommandLine *line) {
    install_signals();
    const bool writes = !line->output || strcmp(line->output, "none") != 0;
    Comm *comm = run_begin(writes);
    Status status = (line->command == COMMAND_RUN ? load_and_play : meet)(line, comm);
    if (status.text[0] && comm_rank(comm) == 0) log_error("%s", status.text);
    int code = cli_finish_output(status_exit_code(status.code));
    int64_t held = trace_is_held();
    comm_max_i64(comm, &held, 1);
    if (held) {
        if (comm_rank(comm) == 0) MPI_Abort(MPI_COMM_WORLD, code);
        comm_barrier(comm); // until the abort arrives
    }
    run_end(comm);
    return code;
}
