// fuzz_player LIST FIRST SEED: plays configurations one after the other, each on one rank and on all, in one process a rank.
//
// LIST has a line a configuration: TOPOLOGY|JOB|KEY=VALUE|... . To these settings some extremes (tests/config/extremes.h) are
// added, drawn from SEED and the number of the line. For each line from FIRST on, rank 0 prints its number before anything is
// done, and then what became of it: refused, too long to be played here, played, or failed with a reason. All ranks together
// and each alone must tell the same. What does not come back is judged by fuzz.py, from the last number.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../config/extremes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "config/job_file.h"
#include "config/run_file.h"
#include "config/topology_file.h"
#include "player/run.h"

enum { FIELDS = 32, LINE_BYTES = 8192, KNOBS_TURNED_MOST = 2 };
#define PASSES_MOST 20000.0      // of microbatches, on all units, that are played here
#define MEMORY_MOST_KB (1 << 20) // of the whole process

typedef struct Trial {
    char text[LINE_BYTES];
    char turned[2 * KNOBS_TURNED_MOST][256];
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

static void cut(Trial *trial) {
    trial->nfields = 0;
    for (char *at = strtok(trial->text, "|\n");
         at && trial->nfields < FIELDS - 2 * KNOBS_TURNED_MOST; at = strtok(NULL, "|\n"))
        trial->field[trial->nfields++] = at;
}

static void turn_knobs(Trial *trial, uint64_t seed, uint64_t number) {
    static Knob knob[KNOBS_MAX];
    uint64_t draws = 0;
    int64_t n = rng_below(seed, RNG_TEST, number, draws++, KNOBS_TURNED_MOST + 1);
    const Schema *job =
        strstr(trial->field[1], "traffic") ? &traffic_job_schema : &training_job_schema;
    for (int64_t i = 0; i < n; i++) {
        const Schema *schema =
            rng_below(seed, RNG_TEST, number, draws++, 3) == 0 ? &topology_schema : job;
        char setting[240];
        const char *whose = schema == &topology_schema ? "topology" : "job";
        int nknobs = knobs_of(schema, knob);
        const Knob *chosen = &knob[rng_below(seed, RNG_TEST, number, draws++, nknobs)];
        int extreme = (int)rng_below(seed, RNG_TEST, number, draws++, EXTREMES);
        knob_setting(chosen, extreme, setting, sizeof setting);
        const char *parts[] = {chosen->base, setting};
        for (int p = chosen->base[0] ? 0 : 1; p < 2; p++) {
            char *turned = trial->turned[2 * i + p];
            snprintf(turned, sizeof trial->turned[0], "%s.%s", whose, parts[p]);
            trial->field[trial->nfields++] = turned;
        }
    }
}

/// What a run costs here grows with the microbatches that it plays.
static bool is_long(const RunSpec *run) {
    const JobSpec *job = &run->job[0];
    if (job->kind == JOB_TRAFFIC) return job->steps > 100;
    double passes =
        (double)parallel_nranks(&job->parallel) * job->parallel.chunks * job->parallel.microbatches;
    return passes * job->steps > PASSES_MOST;
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
    Status alone, together;
    char *first = play(run, self, &alone), *second = play(run, world, &together);
    if (comm_rank(world) == 0) {
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
    RunRequest request = {
        trial->field[0],  &trial->field[1],   1,
        &trial->field[2], trial->nfields - 2, {text_read_file, NULL, text_share_folder()}};
    RunSpec *run = memory_alloc("test.run", sizeof *run);
    char *errors = NULL;
    Status status = run_spec_load(&request, run, &errors);
    bool root = comm_rank(world) == 0;
    if (!status_is_ok(&status)) {
        if (root) printf("refused: %.*s\n", (int)strcspn(errors, "\n"), errors);
        text_free(errors);
    } else {
        run->trace.path[0] = '\0';
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
    if (argc != 4) fail("usage: fuzz_player LIST FIRST SEED%s", "");
    FILE *list = fopen(argv[1], "r");
    if (!list) fail("no list %s", argv[1]);
    static Trial trial;
    for (long number = 0; fgets(trial.text, sizeof trial.text, list); number++) {
        if (number < atol(argv[2])) continue;
        cut(&trial);
        turn_knobs(&trial, (uint64_t)atol(argv[3]), (uint64_t)number);
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
