#include "app/run.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "config/run_file.h"
#include "driver/driver.h"
#include "par/comm.h"

/// Set by SIGUSR1 and SIGUSR2: end after the current step.
static volatile sig_atomic_t stop_requested = 0;

static void request_stop(int signal_number) {
    (void)signal_number;
    stop_requested = 1;
}

static void install_signals(void) {
    struct sigaction action = {.sa_handler = request_stop};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
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
    char share[TEXT_PATH_BYTES] = ""; // rank 0's: hosts may differ in their environment
    snprintf(share, sizeof share, "%s", text_share_folder());
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

static Status load_and_play(const CommandLine *line, Comm *comm) {
    RunSpec spec = {0};
    TRY(load(line, comm, &spec));
    // Where a run is written is no part of what it is: two runs of one configuration have equal contents.
    if (line->output)
        snprintf(spec.trace.path, sizeof spec.trace.path, "%s",
                 strcmp(line->output, "none") == 0 ? "" : line->output);
    if (line->event_by_event) spec.dataflow = false;
    if (line->every_step) spec.repeat = false;
    bool root = comm_rank(comm) == 0;
    DriverOptions options = {
        .command_line = line->joined,
        .csv_text = run_spec_text(&spec, spec.job[0].traffic.file),
        .stop = &stop_requested,
        .table = stdout,
        .progress = root && line->progress != PROGRESS_NONE ? stderr : NULL,
        .memory = line->memory,
    };
    Status status = driver_run(&spec, comm, &options);
    if (status_is_ok(&status) && root && spec.trace.path[0])
        printf("\n  trace: %s\n", spec.trace.path);
    run_spec_fini(&spec);
    return status;
}

int run_command(const CommandLine *line) {
    MPI_Init(NULL, NULL);
    Comm *comm = comm_create_world();
    install_signals();
    Status status = load_and_play(line, comm);
    if (!status_is_ok(&status) && comm_rank(comm) == 0) log_error("%s", status.text);
    fflush(stdout);
    if (status.code == STATUS_OUTPUT) { // HDF5 would crash in MPI_Finalize: see trace/trace.h
        if (comm_rank(comm) == 0) MPI_Abort(MPI_COMM_WORLD, status_exit_code(status.code));
        comm_barrier(comm); // until the abort arrives
    }
    comm_destroy(comm);
    MPI_Finalize();
    return status_exit_code(status.code);
}
