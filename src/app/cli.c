#include "app/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/log.h"
#include "base/status.h"
#include "build_info.h"
#include "config/diagnostics.h"

enum { NAMES_MAX = 32, NAME_BYTES = 32 };

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

int cli_usage(const char *format, const char *what) {
    if (cli_is_first_process()) {
        fprintf(stderr, "colossim: ");
        fprintf(stderr, format, what);
        fprintf(stderr, "; try 'colossim --help'\n");
    }
    return 2;
}

/// A command or option that there is not, and which of `names` may have been meant.
static int refuse_word(const char *what, const char *word, const char *const names[], int n) {
    char words[160];
    const char *close = diagnostics_closest(word, names, n);
    snprintf(words, sizeof words, "unknown %s '%.60s'%s%s%s", what, word,
             close ? " (did you mean '" : "", close ? close : "", close ? "'?)" : "");
    return cli_usage("%s", words);
}

static int refuse_command(const char *word) {
    const char *names[NAMES_MAX];
    CHECK(CLI_NCOMMANDS <= NAMES_MAX, "%d commands", CLI_NCOMMANDS);
    for (int i = 0; i < CLI_NCOMMANDS; i++) names[i] = CLI_COMMANDS[i].word;
    return refuse_word("command", word, names, CLI_NCOMMANDS);
}

static int refuse_option(const char *word) {
    char written[NAMES_MAX][NAME_BYTES];
    const char *names[NAMES_MAX];
    CHECK(CLI_NOPTIONS <= NAMES_MAX, "%d options", CLI_NOPTIONS);
    for (int i = 0; i < CLI_NOPTIONS; i++) {
        snprintf(written[i], NAME_BYTES, "--%s", CLI_OPTIONS[i].name);
        names[i] = written[i];
    }
    return refuse_word("option", word, names, CLI_NOPTIONS);
}

static void add_set(CommandLine *line, const char *key, const char *value) {
    char *text = line->shorthand[line->nshorthand++];
    snprintf(text, sizeof line->shorthand[0], "%s=%s", key, value);
    line->set[line->nsets++] = text;
}

static int refuse_more_than(int most, const char *what) {
    char words[80];
    snprintf(words, sizeof words, "too many %s: at most %d", what, most);
    return cli_usage("%s", words);
}

static int take_option(CommandLine *line, int option, const char *word) {
    if (line->nsets == CLI_SETS_MAX || line->nshorthand == 8)
        return refuse_more_than(CLI_SETS_MAX, "settings");
    switch (option) {
        case OPTION_SET: line->set[line->nsets++] = optarg; return 0;
        case OPTION_STEPS: add_set(line, "steps", optarg); return 0;
        case OPTION_OUTPUT:
            line->output = optarg;
            return optarg[0] ? 0 : cli_usage("--output wants a file or none%s", "");
        case OPTION_RESUME:
            line->resume = optarg;
            return optarg[0] ? 0 : cli_usage("--resume wants a trace%s", "");
        case OPTION_SEED: add_set(line, "seed", optarg); return 0;
        case OPTION_MEMORY: line->memory = true; return 0;
        case OPTION_QUIET: line->quiet = true; return 0;
        case OPTION_JSON: line->json = true; return 0;
        case OPTION_PLAYER:
            if (strcmp(optarg, "auto") == 0)
                line->player = PLAYER_BY_COST;
            else if (strcmp(optarg, "event") == 0)
                line->player = PLAYER_EVENT;
            else if (strcmp(optarg, "island") == 0)
                line->player = PLAYER_ISLAND;
            else
                return cli_usage("--player is auto, event or island, not '%s'", optarg);
            return 0;
        case OPTION_EVERY_STEP: line->every_step = true; return 0;
        case OPTION_CABLES:
            line->cables = optarg;
            return optarg[0] ? 0 : cli_usage("--cables wants a file or -%s", "");
        case OPTION_PLAY: line->play = true; return 0;
        case OPTION_DEFAULTS: line->defaults = true; return 0;
        case OPTION_HELP: line->command = COMMAND_HELP; return 0;
        case OPTION_PROGRESS:
            if (strcmp(optarg, "none") == 0)
                line->progress = PROGRESS_NONE;
            else if (strcmp(optarg, "lines") == 0)
                line->progress = PROGRESS_LINES;
            else if (strcmp(optarg, "auto") == 0)
                line->progress = PROGRESS_AUTO;
            else
                return cli_usage("--progress is auto, lines or none, not '%s'", optarg);
            return 0;
        case ':': return cli_usage("option '%s' wants a value", word);
        default: return refuse_option(word);
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

/// The table of options as getopt wants it.
static void list_options(struct option options[]) {
    for (int i = 0; i < CLI_NOPTIONS; i++)
        options[i] = (struct option){CLI_OPTIONS[i].name,
                                     CLI_OPTIONS[i].value ? required_argument : no_argument, NULL,
                                     (int)CLI_OPTIONS[i].option};
    options[CLI_NOPTIONS] = (struct option){0};
}

/// An option that the command has not is refused: it would be left out of account in silence.
static int check_option(const CommandLine *line, int option) {
    for (int i = 0; i < CLI_NOPTIONS; i++) {
        const OptionWord *word = &CLI_OPTIONS[i];
        if ((int)word->option != option || word->of == COMMAND_ANY || word->of == line->command)
            continue;
        char words[64];
        snprintf(words, sizeof words, "--%s is of %s, not of %s", word->name, cli_word(word->of),
                 cli_word(line->command));
        return cli_usage("%s", words);
    }
    return 0;
}

static int parse_options(int argc, char *argv[], CommandLine *line) {
    enum { OPTIONS_MAX = 32 };
    struct option options[OPTIONS_MAX];
    CHECK(CLI_NOPTIONS < OPTIONS_MAX, "%d options", CLI_NOPTIONS);
    list_options(options);
    optind = 1;
    opterr = 0;
    int option;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        int code = check_option(line, option);
        if (!code) code = take_option(line, option, argv[optind - 1]);
        if (code) return code;
    }
    for (; optind < argc; optind++) {
        if (line->nfiles == CLI_FILES_MAX) return refuse_more_than(CLI_FILES_MAX, "files");
        line->file[line->nfiles++] = argv[optind];
    }
    return 0;
}

/// Another number of arguments than a command takes.
static int refuse_count(const CommandWord *command, const char *wants) {
    char words[160];
    const bool listed = command->values[0] && command->values[0] != '@';
    snprintf(words, sizeof words, "%s %s%s%s%s%s", command->word, wants, command->most ? " " : "",
             command->arguments, listed ? ": one of " : "", listed ? command->values : "");
    return cli_usage("%s", words);
}

/// A run that goes on is the one that it was.
static int check_resume(const CommandLine *line) {
    if (line->nfiles > 0)
        return cli_usage("--resume knows its files: '%s' is one too many", line->file[0]);
    if (line->nsets > 0 || line->output)
        return cli_usage(
            "--resume goes on with what the run was asked for: no other settings, steps, seed or "
            "output%s",
            "");
    return 0;
}

static int parse(int argc, char *argv[], CommandLine *line) {
    if (argc < 2) return cli_usage("which command?%s", "");
    const CommandWord *command = cli_command(argv[1]);
    if (!command) return refuse_command(argv[1]);
    line->command = command->command;
    int code = parse_options(argc - 1, argv + 1, line);
    if (code || line->command == COMMAND_HELP) return code;
    if (line->resume) return check_resume(line);
    if (line->nfiles < command->least) return refuse_count(command, "wants");
    if (line->nfiles > command->most)
        return refuse_count(command, command->most ? "wants only" : "wants nothing behind it");
    if ((line->command == COMMAND_PLANS || line->command == COMMAND_USERS) && cli_has_others())
        return cli_usage("%s is one process: start several, not one on several ranks",
                         command->word);
    if (line->command == COMMAND_USERS && line->nsets > 0)
        return cli_usage("users is of the run as it was: it takes no setting such as %s",
                         line->set[0]);
    if (line->cables && line->nfiles != 1) return cli_usage("--cables is of one topology%s", "");
    return 0;
}

void cli_parse(int argc, char *argv[], CommandLine *line) {
    memset(line, 0, sizeof *line);
    join(line, argc, argv);
    line->error = parse(argc, argv, line);
}
