#include "app/plans.h"

#include <inttypes.h>
#include <string.h>

#include "app/json.h"
#include "app/play.h"
#include "app/run.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/run_file.h"
#include "driver/bound.h"

enum { LINE_BYTES = 1 << 16 };

typedef struct Plans {
    const CommandLine *line;
    Comm *comm;                        ///< NULL: nothing is played
    const char *setting[CLI_SETS_MAX]; ///< of the plan in question
    int32_t nsettings;
    FILE *out;
} Plans;

/// The settings of the command line, and those of a line of the list, which is cut at its tabs.
static Status take_line(Plans *plans, char *text) {
    plans->nsettings = plans->line->nsets;
    for (int i = 0; i < plans->line->nsets; i++) plans->setting[i] = plans->line->set[i];
    for (char *at = strtok(text, "\t"); at; at = strtok(NULL, "\t")) {
        REQUIRE(plans->nsettings < CLI_SETS_MAX, STATUS_USAGE, "more than %d settings",
                CLI_SETS_MAX);
        plans->setting[plans->nsettings++] = at;
    }
    return status_ok();
}

static void put_refusal(FILE *out, const char *verdict, const char *where, const char *reason,
                        const char *errors) {
    fprintf(out, "{\"verdict\": \"%s\", \"where\": ", verdict);
    json_put_text(out, where);
    fprintf(out, ", \"reason\": ");
    json_put_text(out, reason);
    fprintf(out, ", \"errors\": ");
    json_put_text(out, errors);
}

/// Place and message of the first error of a text "place: error: message".
static void put_errors(FILE *out, const char *verdict, const char *errors) {
    static const char MARK[] = ": error: ";
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(errors, "\n"), errors);
    char *mark = strstr(line, MARK);
    if (mark) *mark = '\0';
    put_refusal(out, verdict, mark ? line : "", mark ? mark + sizeof MARK - 1 : line, errors);
}

static void put_bound(FILE *out, const JobSpec *job, const StepBound *bound) {
    const ParallelSpec *parallel = &job->parallel;
    fprintf(out, "{\"verdict\": \"fits\", \"gpus\": %" PRId64 ", \"dp\": %" PRId64,
            parallel_nranks(parallel), parallel_replicas(parallel));
    fprintf(out, ", \"microbatches\": %" PRId32 ", \"sequence\": %" PRId32, parallel->microbatches,
            job->training.sequence);
    fprintf(out, ", \"tokens\": %.0f, \"least_ps\": %" PRId64, bound->tokens, bound->least_ps);
    fprintf(out, ", \"memory_bytes\": %" PRId64 ", \"gpu_memory_bytes\": %" PRId64,
            bound->memory.total, bound->memory_bytes);
}

static Status put_known(FILE *out, const RunSpec *run, const JobSpec *job) {
    if (job->kind == JOB_TRAFFIC) {
        fprintf(out, "{\"verdict\": \"fits\", \"gpus\": %" PRId64, job->traffic.ranks);
        return status_ok();
    }
    StepBound bound;
    TRY(bound_step(run, job, &bound));
    put_bound(out, job, &bound);
    return status_ok();
}

static Status answer_good(Plans *plans, RunSpec *run) {
    TRY(put_known(plans->out, run, &run->job[0]));
    if (!plans->comm) return status_ok();
    run->trace.path[0] = '\0';
    DriverOptions options = {.command_line = plans->line->joined, .json = plans->out};
    const Status status = driver_run(run, plans->comm, &options);
    if (status_is_ok(&status)) return status;
    // The object is begun: of members with one name the last counts.
    fprintf(plans->out, ", \"verdict\": \"failed\", \"reason\": ");
    json_put_text(plans->out, status.text);
    return status_ok();
}

static void answer(Plans *plans, char *text) {
    Status status = take_line(plans, text);
    RunSpec run;
    char *errors = NULL, room[TEXT_PATH_BYTES];
    const bool taken = status_is_ok(&status);
    if (taken) {
        const RunRequest request = {plans->line->file[0],
                                    &plans->line->file[1],
                                    1,
                                    plans->setting,
                                    plans->nsettings,
                                    {text_read_file, NULL, text_share_folder(room)}};
        status = run_spec_load(&request, &run, &errors);
    }
    const bool loaded = taken && status_is_ok(&status);
    if (loaded) status = answer_good(plans, &run);
    const char *verdict = status.code == STATUS_RANGE ? "impossible" : "mistake";
    if (errors)
        put_errors(plans->out, verdict, errors);
    else if (!status_is_ok(&status))
        put_refusal(plans->out, verdict, "", status.text, status.text);
    fprintf(plans->out, "}\n");
    fflush(plans->out);
    text_free(errors);
    if (loaded) run_spec_fini(&run);
}

/// Read lines into text[LINE_BYTES] and answer them; the exit code.
static int answer_lines(Plans *plans, char *text) {
    while (!ferror(plans->out) && fgets(text, LINE_BYTES, stdin)) {
        const size_t length = strlen(text);
        if (length > 0 && text[length - 1] == '\n') {
            text[length - 1] = '\0';
        } else if (!feof(stdin)) {
            log_error("plans: a line has more than %d bytes", LINE_BYTES - 2);
            return status_exit_code(STATUS_USAGE);
        }
        answer(plans, text);
    }
    return 0;
}

static int answer_all(Plans *plans) {
    char *text = memory_alloc("app.plans", LINE_BYTES);
    const int code = answer_lines(plans, text);
    memory_free("app.plans", text, LINE_BYTES);
    return code;
}

int plans_command(const CommandLine *line) {
    Plans plans = {.line = line, .out = stdout};
    if (!line->play) return answer_all(&plans);
    plans.comm = run_begin(false);
    const int code = answer_all(&plans);
    run_end(plans.comm);
    return code;
}
