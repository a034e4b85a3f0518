#include "app/users.h"

#include <stdio.h>
#include <string.h>

#include "app/resume.h"
#include "app/run.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/run_file.h"
#include "driver/machine.h"
#include "observe/crossing.h"
#include "player/traffic_run.h"

static const char LABEL[] = "app.users";

static int64_t sum_bytes(const TraceLinkUsers *users) {
    int64_t sum = 0;
    for (int t = 0; t < TRACE_TRAFFIC_N; t++) sum += users->traffic_bytes[t];
    return sum;
}

/// Into a caller's text, which is returned.
static const char *write_bytes(int64_t bytes, char text[32]) {
    static const char *const UNIT[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double amount = (double)bytes;
    int u = 0;
    for (; amount >= 1000 && u < 6; u++) amount /= 1000;
    snprintf(text, 32, "%.4g %s", amount, UNIT[u]);
    return text;
}

static void print_purpose(const TraceLinkUsers *users, TraceTraffic traffic, const char *job) {
    if (users->traffic_bytes[traffic] == 0) return;
    char text[32];
    printf("    %s, %s: %s", job, trace_traffic_name(traffic),
           write_bytes(users->traffic_bytes[traffic], text));
    const char *before = "; most";
    for (int32_t u = 0; u < users->n; u++) {
        const TraceLinkUser *user = &users->user[u];
        if (user->traffic != traffic) continue;
        printf("%s GPU %lld -> GPU %lld %s", before, (long long)user->source,
               (long long)user->destination, write_bytes(user->bytes, text));
        before = ",";
    }
    putchar('\n');
}

/// users[jobs][links]
static void print_users(const RunSpec *run, const ChosenLinks *chosen,
                        const TraceLinkUsers *users) {
    for (int32_t i = 0; i < chosen->n; i++) {
        int64_t all = 0;
        for (int32_t j = 0; j < run->njobs; j++) all += sum_bytes(&users[j * chosen->n + i]);
        char text[32];
        printf("%.*s: %s a step\n", (int)sizeof chosen->name[i].name, chosen->name[i].name,
               write_bytes(all, text));
        for (int32_t j = 0; j < run->njobs; j++)
            for (int t = 0; t < TRACE_TRAFFIC_N; t++)
                print_purpose(&users[j * chosen->n + i], (TraceTraffic)t, run->job[j].name);
    }
}

/// What job `number` of a fabric sends in a step, built and not played.
static Status name_users(Fabric *fabric, int32_t number, const ChosenLinks *chosen,
                         TraceLinkUsers users[]) {
    Machine *machine = NULL;
    TrafficRun *traffic = NULL;
    const bool trains = fabric->run->job[number].kind == JOB_TRAINING;
    Status status =
        trains ? machine_create(fabric, number, &machine) : traffic_open(fabric, number, &traffic);
    if (status_is_ok(&status))
        crossing_name(trains ? crossing_of_training : crossing_of_traffic,
                      trains ? (void *)machine : (void *)traffic, NULL, 0, chosen, users);
    machine_destroy(machine);
    traffic_close(traffic);
    return status;
}

static Status tell_links(const RunSpec *run, Fabric *fabric) {
    ChosenLinks chosen = chosen_make(fabric->cluster, &run->trace.links);
    const size_t bytes = (size_t)(run->njobs * chosen.n) * sizeof(TraceLinkUsers);
    TraceLinkUsers *users = memory_alloc(LABEL, bytes);
    Status status = status_ok();
    for (int32_t j = 0; j < run->njobs && status_is_ok(&status); j++)
        status = name_users(fabric, j, &chosen, &users[j * chosen.n]);
    if (status_is_ok(&status)) print_users(run, &chosen, users);
    memory_free(LABEL, users, bytes);
    chosen_fini(&chosen);
    return status;
}

static Status tell(const RunSpec *run, Comm *comm) {
    Cluster *cluster = NULL;
    TRY(cluster_create(&run->cluster, &cluster));
    Fabric fabric = fabric_make(run, cluster, comm);
    const Status status = tell_links(run, &fabric);
    cluster_destroy(cluster);
    return status;
}

/// The links as a setting of trace.links.
static Status write_setting(const CommandLine *line, char *setting, size_t size) {
    size_t n = (size_t)snprintf(setting, size, "trace.links=[");
    for (int i = 1; i < line->nfiles && n < size; i++)
        n += (size_t)snprintf(setting + n, size - n, "%s'%s'", i > 1 ? ", " : "", line->file[i]);
    if (n < size) n += (size_t)snprintf(setting + n, size - n, "]");
    REQUIRE(n < size, STATUS_USAGE, "users: these names are longer than %zu bytes", size);
    return status_ok();
}

static Status load_and_tell(const CommandLine *line, Comm *comm) {
    char setting[8192];
    RunSpec run = {0};
    TraceBegun begun = {0};
    TRY(write_setting(line, setting, sizeof setting));
    Status status = resume_look(line->file[0], setting, &begun, &run);
    if (status_is_ok(&status)) status = tell(&run, comm);
    if (run.resolved) run_spec_fini(&run);
    trace_begun_fini(&begun);
    return status;
}

int users_command(const CommandLine *line) {
    Comm *comm = run_begin(false);
    const Status status = load_and_tell(line, comm);
    if (status.text[0]) log_error("%s", status.text);
    run_end(comm);
    return status_exit_code(status.code);
}
