#include "app/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/log.h"
#include "base/status.h"
#include "build_info.h"

enum {
    OPTION_SET = 256,
    OPTION_STEPS,
    OPTION_OUTPUT,
    OPTION_SEED,
    OPTION_PROGRESS,
    OPTION_MEMORY,
    OPTION_PLAYER,
    OPTION_EVERY_STEP,
    OPTION_CABLES,
    OPTION_PLAY,
    OPTION_HELP
};

static const struct option OPTIONS[] = {
    {"set", required_argument, NULL, OPTION_SET},
    {"steps", required_argument, NULL, OPTION_STEPS},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"progress", required_argument, NULL, OPTION_PROGRESS},
    {"memory", no_argument, NULL, OPTION_MEMORY},
    {"player", required_argument, NULL, OPTION_PLAYER},
    {"every-step", no_argument, NULL, OPTION_EVERY_STEP},
    {"cables", required_argument, NULL, OPTION_CABLES},
    {"play", no_argument, NULL, OPTION_PLAY},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

void cli_print_help(void) {
    printf(
        "colossim: emulates training runs on AI superclusters\n\n"
        "  colossim run TOPOLOGY JOB...  play a job, or several on one fabric; under mpirun on all "
        "its "
        "ranks\n"
        "  colossim check FILE...        report every error of topology, job and catalogue files\n"
        "  colossim show FILE...         counts, tiers, bisection, memory, FLOP: what the files "
        "describe\n"
        "  colossim plans TOPOLOGY JOB   answer lines of settings on standard input, each by a "
        "line "
        "of JSON:\n"
        "                                memory, a bound on the step, or why it cannot run; with "
        "--play the step\n"
        "  colossim --version | --help\n\n"
        "options\n"
        "  --set KEY=VALUE      override a key of the files, e.g. --set fabric.routing=spray\n"
        "  --steps N            training steps            (--set steps=N)\n"
        "  --seed N             of noise and hashes       (--set seed=N)\n"
        "  --output FILE.h5     trace; replaces one that is there; none: no file\n"
        "  --progress lines|none\n"
        "  --memory             bytes by purpose, and per GPU, link and transfer, at the end of a "
        "run\n"
        "  --player auto|event|island   one moment after the other, or replicas apart, each ahead "
        "of "
        "the others\n"
        "                       (same results; auto: what costs less)\n"
        "  --every-step         play also steps that cannot differ from the one before (same "
        "results, slower)\n"
        "  --cables FILE.csv|-  show: list all cables of a topology instead, as fabric.cables "
        "reads "
        "them, in a\n"
        "                       new file or on standard output\n"
        "  --play               plans: play those that can run\n\n"
        "exit codes: 0 done, 1 the run failed, 2 wrong usage or input, 3 output failed, 4 stopped "
        "on request\n"
        "SIGUSR1 and SIGUSR2 stop a run after its step; SIGINT and SIGTERM leave the step, and "
        "keep "
        "those\nthat are complete; a second one ends at once\n");
}

void cli_print_version(void) {
    printf("colossim %s (%s, %s, %s)\n", BUILD_INFO_VERSION, BUILD_INFO_COMMIT, BUILD_INFO_TYPE,
           BUILD_INFO_COMPILER);
}

/// Number of this process as whoever launched it says; NULL: nobody did.
static const char *launched_rank(void) {
    static const char *const RANK_VARIABLES[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                                 "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof RANK_VARIABLES / sizeof *RANK_VARIABLES; i++) {
        const char *rank = getenv(RANK_VARIABLES[i]);
        if (rank) return rank;
    }
    return NULL;
}

bool cli_is_launched(void) { return launched_rank() != NULL; }

bool cli_is_first_process(void) {
    const char *rank = launched_rank();
    return !rank || strcmp(rank, "0") == 0;
}

bool cli_has_others(void) {
    static const char *const SIZE_VARIABLES[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < sizeof SIZE_VARIABLES / sizeof *SIZE_VARIABLES; i++) {
        const char *size = getenv(SIZE_VARIABLES[i]);
        if (size) return strcmp(size, "1") != 0;
    }
    return false;
}

int cli_finish_output(int code) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    log_error("standard output could not be written: %s", errno ? strerror(errno) : "see above");
    clearerr(stdout);
    return code ? code : status_exit_code(STATUS_OUTPUT);
}

static int usage(const char *format, const char *what) {
    if (cli_is_first_process()) {
        fprintf(stderr, "colossim: ");
        fprintf(stderr, format, what);
        fprintf(stderr, "; try 'colossim --help'\n");
    }
    return 2;
}

static void add_set(CommandLine *line, const char *key, const char *value) {
    char *text = line->shorthand[line->nshorthand++];
    snprintf(text, sizeof line->shorthand[0], "%s=%s", key, value);
    line->set[line->nsets++] = text;
}

static int take_option(CommandLine *line, int option, const char *word) {
    if (line->nsets == CLI_SETS_MAX || line->nshorthand == 8)
        return usage("too many settings%s", "");
    switch (option) {
        case OPTION_SET: line->set[line->nsets++] = optarg; return 0;
        case OPTION_STEPS: add_set(line, "steps", optarg); return 0;
        case OPTION_OUTPUT:
            line->output = optarg;
            return optarg[0] ? 0 : usage("--output wants a file or none%s", "");
        case OPTION_SEED: add_set(line, "seed", optarg); return 0;
        case OPTION_MEMORY: line->memory = true; return 0;
        case OPTION_PLAYER:
            if (strcmp(optarg, "auto") == 0)
                line->player = PLAYER_BY_COST;
            else if (strcmp(optarg, "event") == 0)
                line->player = PLAYER_EVENT;
            else if (strcmp(optarg, "island") == 0)
                line->player = PLAYER_ISLAND;
            else
                return usage("--player is auto, event or island, not '%s'", optarg);
            return 0;
        case OPTION_EVERY_STEP: line->every_step = true; return 0;
        case OPTION_CABLES:
            line->cables = optarg;
            return optarg[0] ? 0 : usage("--cables wants a file or -%s", "");
        case OPTION_PLAY: line->play = true; return 0;
        case OPTION_HELP: line->command = COMMAND_HELP; return 0;
        case OPTION_PROGRESS:
            if (strcmp(optarg, "none") == 0)
                line->progress = PROGRESS_NONE;
            else if (strcmp(optarg, "lines") == 0)
                line->progress = PROGRESS_LINES;
            else if (strcmp(optarg, "auto") == 0)
                line->progress = PROGRESS_AUTO;
            else
                return usage("--progress is auto, lines or none, not '%s'", optarg);
            return 0;
        case ':': return usage("option '%s' wants a value", word);
        default: return usage("unknown option '%s'", word);
    }
}

static void join(CommandLine *line, int argc, char *argv[]) {
    size_t used = 0;
    for (int i = 0; i < argc && used < sizeof line->joined - 1; i++) {
        int n = snprintf(line->joined + used, sizeof line->joined - used, "%s%s", i ? " " : "",
                         argv[i]);
        used += (size_t)n;
    }
    for (int i = 1; i < argc; i++)
        line->checksum = 31 * line->checksum + fingerprint_bytes(argv[i], strlen(argv[i]) + 1);
}

static int parse_options(int argc, char *argv[], CommandLine *line) {
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":", OPTIONS, NULL)) != -1) {
        int code = take_option(line, option, argv[optind - 1]);
        if (code) return code;
    }
    for (; optind < argc; optind++) {
        if (line->nfiles == CLI_FILES_MAX) return usage("too many files%s", "");
        line->file[line->nfiles++] = argv[optind];
    }
    return 0;
}

static int parse(int argc, char *argv[], CommandLine *line) {
    static const struct {
        const char *word;
        Command command;
    } COMMANDS[] = {
        {"run", COMMAND_RUN},     {"check", COMMAND_CHECK},       {"show", COMMAND_SHOW},
        {"plans", COMMAND_PLANS}, {"--help", COMMAND_HELP},       {"help", COMMAND_HELP},
        {"-h", COMMAND_HELP},     {"--version", COMMAND_VERSION}, {"version", COMMAND_VERSION}};
    if (argc < 2) return usage("which command?%s", "");
    size_t i = 0, n = sizeof COMMANDS / sizeof *COMMANDS;
    while (i < n && strcmp(argv[1], COMMANDS[i].word) != 0) i++;
    if (i == n) return usage("unknown command '%s'", argv[1]);
    line->command = COMMANDS[i].command;
    int code = parse_options(argc - 1, argv + 1, line);
    if (code) return code;
    if (line->command == COMMAND_RUN && line->nfiles < 2)
        return usage("run wants a topology and a job%s", "");
    if ((line->command == COMMAND_CHECK || line->command == COMMAND_SHOW) && line->nfiles < 1)
        return usage("which file?%s", "");
    if (line->command == COMMAND_PLANS && line->nfiles != 2)
        return usage("plans wants a topology and a job%s", "");
    if (line->command == COMMAND_PLANS && cli_has_others())
        return usage("plans is one process: start several, not one on several ranks%s", "");
    if (line->play && line->command != COMMAND_PLANS) return usage("--play is of plans%s", "");
    if (line->cables && (line->command != COMMAND_SHOW || line->nfiles != 1))
        return usage("--cables is of show, and of one topology%s", "");
    return 0;
}

void cli_parse(int argc, char *argv[], CommandLine *line) {
    memset(line, 0, sizeof *line);
    join(line, argc, argv);
    line->error = parse(argc, argv, line);
}
