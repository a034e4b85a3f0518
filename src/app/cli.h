/// cli.h: the command line: subcommands, options, usage errors.
///
/// Idea.    getopt_long after the subcommand; nothing is read or initialised before the whole line is understood.
/// Limits.  Usage errors go to stderr and give exit code 2.
#ifndef COLOSSIM_APP_CLI_H
#define COLOSSIM_APP_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "app/cli_words.h"
#include "driver/run_spec.h"

enum { CLI_FILES_MAX = 64, CLI_SETS_MAX = 256 };

typedef enum Progress { PROGRESS_AUTO, PROGRESS_LINES, PROGRESS_NONE } Progress;

typedef struct CommandLine {
    Command command;
    const char *file[CLI_FILES_MAX]; ///< arguments; of run: topology, jobs
    int nfiles;
    const char *set[CLI_SETS_MAX]; ///< key=value; --steps and --seed are settings too
    int nsets;
    const char *output;      ///< trace file; NULL: as configured
    const char *resume;      ///< run: trace of the run to go on with, or NULL
    char shorthand[8][1100]; ///< storage of those settings
    int nshorthand;
    Progress progress;
    const char *cables; ///< show: where cables are listed instead, "-": stdout; or NULL
    bool memory, quiet, json;
    bool play;     ///< plans: do so
    bool defaults; ///< check: print the files with them
    PlayerChoice player;
    bool every_step;   ///< no repeated steps (player/repeat.h)
    int error;         ///< exit code of a line that was not understood, or 0
    char joined[2048]; ///< the whole line, for the trace
    uint64_t checksum; ///< of all words but the first, which may spell the program differently
} CommandLine;

/// Understand argv; prints usage errors.
void cli_parse(int argc, char *argv[], CommandLine *line);

/// Of --version, to stdout.
void cli_print_version(void);
/// A usage error, in which `what` takes the place of the %s; returns its exit code.
int cli_usage(const char *format, const char *what);

/// Exit code of a process that has printed to stdout: `code`, or that of a failed output, with the reason.
int cli_finish_output(int code);

/// True where this process was started by a launcher (mpirun, srun...).
bool cli_is_launched(void);
/// True on the process that prints when several run the same command without MPI (a launcher's rank 0, or no launcher).
bool cli_is_first_process(void);
/// True where a launcher has started others beside this process.
bool cli_has_others(void);

#endif
