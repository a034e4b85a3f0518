#include "app/cli_words.h"

#include <string.h>

#include "build_info.h"

const CommandWord CLI_COMMANDS[] = {
    {"run", "TOPOLOGY JOB...",
     "play a job, or several on one fabric; under mpirun on all its ranks", "@name", 2, 64,
     COMMAND_RUN},
    {"check", "FILE...",
     "report every error of topology, job and catalogue files, or what they come to", "@name", 1,
     64, COMMAND_CHECK},
    {"show", "FILE...", "counts, tiers, bisection, memory, FLOP: what the files describe", "@name",
     1, 64, COMMAND_SHOW},
    {"plans", "TOPOLOGY JOB",
     "answer lines of settings on standard input, each by a line of JSON: memory, a bound on the "
     "step, or why it cannot run; with --play the step",
     "@name", 2, 2, COMMAND_PLANS},
    {"users", "TRACE.h5 LINK...",
     "who sends what over links of a run in a step, without another run; links as in trace.links",
     "@file", 2, 64, COMMAND_USERS},
    {"list", "[WHAT]", "what is shipped: topologies, jobs, models, hardware",
     "topologies jobs models hardware", 0, 1, COMMAND_LIST},
    {"keys", "KIND", "every key of a kind of files: what it means, its unit, default and limits",
     "topology training traffic model gpu nic switch scale_up", 1, 1, COMMAND_KEYS},
    {"schema", "KIND", "the same as a JSON Schema, for editors",
     "topology training traffic model gpu nic switch scale_up", 1, 1, COMMAND_SCHEMA},
    {"completion", "SHELL", "a script that completes commands, options and names in bash or zsh",
     "bash zsh", 1, 1, COMMAND_COMPLETION},
    {"man", "", "this as a manual page", "", 0, 0, COMMAND_MAN},
    {"version", "", "version, commit, kind of build and compiler", "", 0, 0, COMMAND_VERSION},
    {"help", "", "this", "", 0, 0, COMMAND_HELP},
};
const int CLI_NCOMMANDS = sizeof CLI_COMMANDS / sizeof *CLI_COMMANDS;

const OptionWord CLI_OPTIONS[] = {
    {"set", "KEY=VALUE", "override a key of the files, e.g. --set fabric.routing=spray", "",
     OPTION_SET, COMMAND_ANY},
    {"steps", "N", "training steps (--set steps=N)", "", OPTION_STEPS, COMMAND_ANY},
    {"seed", "N", "of noise and hashes (--set seed=N)", "", OPTION_SEED, COMMAND_ANY},
    {"output", "FILE.h5", "trace; replaces one that is there; none: no file", "none @file",
     OPTION_OUTPUT, COMMAND_RUN},
    {"resume", "FILE.h5",
     "play the run of a trace that did not end, and go on, with what it was asked for; no "
     "topology, job or setting is named",
     "@file", OPTION_RESUME, COMMAND_RUN},
    {"progress", "WHEN",
     "auto: lines where stderr is a terminal, or ranks are several; lines; none", "auto lines none",
     OPTION_PROGRESS, COMMAND_RUN},
    {"json", NULL, "print an object of JSON instead of the table", "", OPTION_JSON, COMMAND_RUN},
    {"quiet", NULL, "print nothing but errors", "", OPTION_QUIET, COMMAND_RUN},
    {"memory", NULL, "bytes by purpose, and per GPU, link and transfer, at the end of a run", "",
     OPTION_MEMORY, COMMAND_RUN},
    {"player", "HOW",
     "event: one moment after the other; island: replicas apart, each ahead of the others; auto: "
     "what costs less (same results)",
     "auto event island", OPTION_PLAYER, COMMAND_RUN},
    {"every-step", NULL,
     "play also steps that cannot differ from the one before (same results, slower)", "",
     OPTION_EVERY_STEP, COMMAND_RUN},
    {"cables", "FILE.csv",
     "list all cables of a topology instead, as fabric.cables reads them, in a new file or, "
     "with -, on standard output",
     "- @file", OPTION_CABLES, COMMAND_SHOW},
    {"defaults", NULL, "print the files as YAML, with every default written out", "",
     OPTION_DEFAULTS, COMMAND_CHECK},
    {"play", NULL, "play those that can run", "", OPTION_PLAY, COMMAND_PLANS},
    {"help", NULL, "this", "", OPTION_HELP, COMMAND_ANY},
};
const int CLI_NOPTIONS = sizeof CLI_OPTIONS / sizeof *CLI_OPTIONS;

enum { HELP_BYTES = 320 };

static const char TITLE[] = "emulates training runs on AI superclusters";

static const char FILES[] =
    "TOPOLOGY, JOB and FILE are paths, or names of what 'colossim list' shows. Scripts of the "
    "project are commands too, such as 'colossim plot run.h5'.";

static const struct {
    int code;
    const char *meaning;
} CODES[] = {{0, "done"},
             {1, "the run failed"},
             {2, "wrong usage or input"},
             {3, "output failed"},
             {4, "stopped on request"}};
enum { NCODES = sizeof CODES / sizeof *CODES };

static const char SIGNALS[] =
    "SIGUSR1 and SIGUSR2 stop a run after its step; SIGINT and SIGTERM leave the step, and keep "
    "those that are complete; a second one ends at once.";

const CommandWord *cli_command(const char *word) {
    if (strcmp(word, "-h") == 0) word = "help";
    if (strncmp(word, "--", 2) == 0) word += 2;
    for (int i = 0; i < CLI_NCOMMANDS; i++)
        if (strcmp(word, CLI_COMMANDS[i].word) == 0) return &CLI_COMMANDS[i];
    return NULL;
}

const char *cli_word(Command command) {
    for (int i = 0; i < CLI_NCOMMANDS; i++)
        if (CLI_COMMANDS[i].command == command) return CLI_COMMANDS[i].word;
    return "";
}

/// What an option is for, and of which command.
static const char *help_of(const OptionWord *option, char text[], size_t bytes) {
    const bool any = option->of == COMMAND_ANY;
    snprintf(text, bytes, "%s%s%s", any ? "" : cli_word(option->of), any ? "" : ": ", option->help);
    return text;
}

/// Text in lines of at most WIDTH columns, from column `at` >= indent on, those after the first `indent` spaces in.
static void wrap(const char *text, int at, int indent, FILE *out) {
    enum { WIDTH = 100 };
    while (*text) {
        const int length = (int)strcspn(text, " ");
        const bool first = at <= indent;
        if (!first && at + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        }
        at += fprintf(out, "%s%.*s", first || at == indent ? "" : " ", length, text);
        text += length;
        text += *text == ' ';
    }
    fputc('\n', out);
}

static void write_row(const char *first, const char *second, const char *before, const char *help,
                      FILE *out) {
    enum { COLUMN = 32 };
    int at = fprintf(out, "  %s%s %s", before, first, second);
    if (at < COLUMN) at += fprintf(out, "%*s", COLUMN - at, "");
    wrap(help, at, COLUMN, out);
}

void cli_write_help(FILE *out) {
    fprintf(out, "colossim: %s\n\ncolossim COMMAND [OPTION...] [ARGUMENT...]\n\n", TITLE);
    for (int i = 0; i < CLI_NCOMMANDS; i++)
        write_row(CLI_COMMANDS[i].word, CLI_COMMANDS[i].arguments, "colossim ",
                  CLI_COMMANDS[i].help, out);
    fputs("\noptions\n", out);
    for (int i = 0; i < CLI_NOPTIONS; i++) {
        const OptionWord *option = &CLI_OPTIONS[i];
        char help[HELP_BYTES];
        write_row(option->name, option->value ? option->value : "", "--",
                  help_of(option, help, sizeof help), out);
    }
    fputc('\n', out);
    wrap(FILES, 0, 0, out);
    fputs("\nexit codes: ", out);
    for (int i = 0; i < NCODES; i++)
        fprintf(out, "%s%d %s", i ? ", " : "", CODES[i].code, CODES[i].meaning);
    fputc('\n', out);
    wrap(SIGNALS, 0, 0, out);
}

/// Text for troff: dashes stay dashes, and no line begins with a dot.
static void write_troff(const char *text, FILE *out) {
    if (text[0] == '.' || text[0] == '\'') fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '-' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
}

static void write_troff_entry(const char *dashes, const char *word, const char *value,
                              const char *help, FILE *out) {
    fputs(".TP\n.B ", out);
    write_troff(dashes, out);
    write_troff(word, out);
    if (value && value[0]) {
        fputs(" \\fI", out);
        write_troff(value, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    write_troff(help, out);
    fputc('\n', out);
}

static void write_troff_section(const char *name, const char *text, FILE *out) {
    fprintf(out, ".SH %s\n", name);
    write_troff(text, out);
    if (text[0]) fputc('\n', out);
}

void cli_write_man(FILE *out) {
    fprintf(out, ".TH COLOSSIM 1 \"\" \"colossim %s\"\n.SH NAME\ncolossim \\- %s\n",
            BUILD_INFO_VERSION, TITLE);
    fputs(
        ".SH SYNOPSIS\n.B colossim\n\\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]\n"
        ".br\n.B mpirun\n\\-n \\fIRANKS\\fR \\fBcolossim run\\fR \\fITOPOLOGY JOB\\fR...\n",
        out);
    write_troff_section("COMMANDS", "", out);
    for (int i = 0; i < CLI_NCOMMANDS; i++)
        write_troff_entry("", CLI_COMMANDS[i].word, CLI_COMMANDS[i].arguments, CLI_COMMANDS[i].help,
                          out);
    write_troff_section("OPTIONS", "", out);
    for (int i = 0; i < CLI_NOPTIONS; i++) {
        char help[HELP_BYTES];
        write_troff_entry("--", CLI_OPTIONS[i].name, CLI_OPTIONS[i].value,
                          help_of(&CLI_OPTIONS[i], help, sizeof help), out);
    }
    write_troff_section("FILES", FILES, out);
    write_troff_section("EXIT STATUS", "", out);
    for (int i = 0; i < NCODES; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", CODES[i].code);
        write_troff_entry("", code, NULL, CODES[i].meaning, out);
    }
    write_troff_section("SIGNALS", SIGNALS, out);
    write_troff_entry("", "COLOSSIM_SHARE", NULL,
                      "folder that holds topologies/ and jobs/ instead of those installed", out);
}

/// How a shell lists what an argument may be.
static void write_values(const char *values, FILE *out) {
    if (strstr(values, "@name"))
        fputs("$(\"${COMP_WORDS[0]}\" list 2>/dev/null | sed -n 's/^  \\([^ ]*\\).*/\\1/p')", out);
    else
        for (const char *at = values; *at; at += strcspn(at, " "), at += *at == ' ') {
            const int length = (int)strcspn(at, " ");
            if (*at != '@') fprintf(out, "%.*s ", length, at);
        }
}

/// Those of scripts/ that people call as commands.
static const char SCRIPTS[] =
    "calibrate compare draw explain export import plot report search sweep validate";

/// The first word is the program, whatever its path.
static void write_bash(FILE *out) {
    fputs(
        "_colossim() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
        "    case $COMP_CWORD:$before in\n",
        out);
    for (int i = 0; i < CLI_NOPTIONS; i++) {
        if (!CLI_OPTIONS[i].value) continue;
        fprintf(out, "        *:--%s) words=\"", CLI_OPTIONS[i].name);
        write_values(CLI_OPTIONS[i].values, out);
        fputs("\" ;;\n", out);
    }
    fputs("        1:*) words=\"", out);
    for (int i = 0; i < CLI_NCOMMANDS; i++) fprintf(out, "%s ", CLI_COMMANDS[i].word);
    fputs(SCRIPTS, out);
    fputs("\" ;;\n        *)\n            if [[ $word == -* ]]; then\n                words=\"",
          out);
    for (int i = 0; i < CLI_NOPTIONS; i++) fprintf(out, "--%s ", CLI_OPTIONS[i].name);
    fputs("\"\n            else\n                case ${COMP_WORDS[1]} in\n", out);
    for (int i = 0; i < CLI_NCOMMANDS; i++) {
        if (!CLI_COMMANDS[i].values[0]) continue;
        fprintf(out, "                    %s) words=\"", CLI_COMMANDS[i].word);
        write_values(CLI_COMMANDS[i].values, out);
        fputs("\" ;;\n", out);
    }
    fputs(
        "                esac\n            fi ;;\n    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
        "}\ncomplete -o default -F _colossim colossim\n",
        out);
}

bool cli_write_completion(const char *shell, FILE *out) {
    const bool zsh = strcmp(shell, "zsh") == 0;
    if (!zsh && strcmp(shell, "bash") != 0) return false;
    // zsh runs completions of bash.
    if (zsh) fputs("#compdef colossim\nautoload -U +X bashcompinit && bashcompinit\n", out);
    write_bash(out);
    return true;
}
