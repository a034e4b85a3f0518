// fuzz_player LIST FIRST: plays configurations one after the other, each on one rank and on all, in one process a rank.
//
// LIST has a line a configuration: TOPOLOGY|JOB|KEY=VALUE|... , where @topology:K:E or @job:K:E stands for the K-th key of that
// file at its E-th extreme (tests/config/extremes.h). For each line from FIRST on, rank 0 prints its number before anything is
// done, and then what became of it: refused, too long to be played here, played, or failed with a reason. All ranks together
// and each alone must tell the same. What does not come back is judged by fuzz.py, from the last number.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../config/extremes.h"
#include "app/play.h"
#include "base/memory.h"
#include "config/job_file.h"
#include "config/run_file.h"
#include "config/topology_file.h"

enum { FIELDS = 32, LINE_BYTES = 8192 };
#define PASSES_MOST 200000.0     // of microbatches, on all units, that are played here
#define MEMORY_MOST_KB (1 << 20) // of the whole process

typedef struct Trial {
    char text[LINE_BYTES];
    char turned[FIELDS][256];
    const char *field[FIELDS];
    int nfields;
} Trial;

static void fail(const char *format, const char *what) {
    printf("FAILED: ");
    printf(format, what);
    printf("\n");
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/// "@topology:K:E" or "@job:K:E" is the K-th key of that schema at its E-th extreme, counted around.
static void turn_knob(Trial *trial, const char *field) {
    static Knob knob[KNOBS_MAX];
    bool whose_job = field[1] == 'j';
    const Schema *schema = !whose_job                           ? &topology_schema
                           : strstr(trial->field[1], "traffic") ? &traffic_job_schema
                                                                : &training_job_schema;
    long k = atol(strchr(field, ':') + 1), e = atol(strrchr(field, ':') + 1);
    const Knob *chosen = &knob[k % knobs_of(schema, knob)];
    char setting[240];
    knob_setting(chosen, (int)(e % EXTREMES), setting, sizeof setting);
    const char *parts[] = {chosen->base, setting};
    for (int p = chosen->base[0] ? 0 : 1; p < 2 && trial->nfields < FIELDS; p++) {
        char *turned = trial->turned[trial->nfields];
        snprintf(turned, sizeof trial->turned[0], "%s.%s", whose_job ? "job" : "topology",
                 parts[p]);
        trial->field[trial->nfields++] = turned;
    }
}

static void cut(Trial *trial) {
    trial->nfields = 0;
    for (char *at = strtok(trial->text, "|\n"); at && trial->nfields < FIELDS;
         at = strtok(NULL, "|\n"))
        if (at[0] == '@')
            turn_knob(trial, at);
        else
            trial->field[trial->nfields++] = at;
}

/// What a run costs here grows with the microbatches that it plays.
static bool is_long(const RunSpec *run) {
    const JobSpec *job = &run->job[0];
    if (job->kind == JOB_TRAFFIC) return job->steps > 1000;
    double passes =
        (double)parallel_nranks(&job->parallel) * job->parallel.chunks * job->parallel.microbatches;
    return passes * job->steps > PASSES_MOST;
}

/// Steps of a job move gigabytes: of packets as a job has them if it says nothing they are played in larger ones.
static void coarsen(RunSpec *run) {
    const PacketSpec standard = packet_default_spec();
    if (run->job[0].kind != JOB_TRAFFIC && run->packet.mtu_bytes == standard.mtu_bytes)
        run->packet.mtu_bytes *= 32;
}

static char *play(const RunSpec *run, Comm *comm, Status *status) {
    char *table = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&table, &size);
    DriverOptions options = {.command_line = "", .table = out};
    *status = driver_run(run, comm, &options);
    fclose(out);
    return table;
}

/// Alone and together: the same table or the same reason.
static void compare(const RunSpec *run, Comm *world, Comm *self) {
    Status alone = status_ok(), together;
    bool root = comm_rank(world) == 0;
    char *first = root ? play(run, self, &alone) : NULL;
    comm_await(world, &alone, sizeof alone, 0); // without taking rank 0's core
    char *second = play(run, world, &together);
    if (root) {
        if (alone.code != together.code || strcmp(alone.text, together.text) != 0) {
            printf("alone: %s\ntogether: ", alone.text);
            fail("%s", together.text);
        }
        if (status_is_ok(&alone) && strcmp(first, second) != 0) fail("tables differ: %s", second);
        if (!status_is_ok(&alone) && !alone.text[0]) fail("no reason%s", "");
        printf("%s%s\n", status_is_ok(&alone) ? "played" : "failed: ", alone.text);
    }
    free(first);
    free(second);
}

static void try_line(Trial *trial, Comm *world, Comm *self) {
    char share[TEXT_PATH_BYTES];
    RunRequest request = {
        trial->field[0],  &trial->field[1],   1,
        &trial->field[2], trial->nfields - 2, {text_read_file, NULL, text_share_folder(share)}};
    RunSpec *run = memory_alloc("test.run", sizeof *run);
    char *errors = NULL;
    Status status = run_spec_load(&request, run, &errors);
    bool root = comm_rank(world) == 0;
    if (!status_is_ok(&status)) {
        if (root) printf("refused: %.*s\n", (int)strcspn(errors, "\n"), errors);
        text_free(errors);
    } else {
        run->trace.path[0] = '\0';
        coarsen(run);
        if (!is_long(run))
            compare(run, world, self);
        else if (root)
            printf("long\n");
        run_spec_fini(run);
    }
    memory_free("test.run", run, sizeof *run);
}

int main(int argc, char *argv[]) {
    MPI_Init(&argc, &argv);
    Comm *world = comm_create_world(), *self = comm_create_self();
    if (argc != 3) fail("usage: fuzz_player LIST FIRST%s", "");
    FILE *list = fopen(argv[1], "r");
    if (!list) fail("no list %s", argv[1]);
    static Trial trial;
    for (long number = 0; fgets(trial.text, sizeof trial.text, list); number++) {
        if (number < atol(argv[2])) continue;
        cut(&trial);
        if (comm_rank(world) == 0) {
            printf("%ld", number);
            for (int i = 0; i < trial.nfields; i++) printf("|%s", trial.field[i]);
            printf("\n");
            fflush(stdout);
        }
        try_line(&trial, world, self);
        fflush(stdout);
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        if (usage.ru_maxrss > MEMORY_MOST_KB) fail("more than 1 GiB of memory%s", "");
    }
    fclose(list);
    comm_destroy(self);
    comm_destroy(world);
    MPI_Finalize();
    return 0;
}
