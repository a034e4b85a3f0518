// colossim: an MPI-distributed emulator of AI training superclusters.
#include <stdio.h>

#include "app/cables.h"
#include "app/check.h"
#include "app/cli.h"
#include "app/describe.h"
#include "app/plans.h"
#include "app/run.h"
#include "app/script.h"
#include "app/users.h"

/// `check` and `show` use no MPI: started by a launcher, only its first process speaks.
static int inspect(const CommandLine *line, CheckView view) {
    if (!cli_is_first_process()) return 0;
    if (line->cables) return cables_command(line);
    return check_files(line->nfiles, line->file, line->nsets, line->set, view, stdout, stderr);
}

static int obey(const CommandLine *line) {
    switch (line->command) {
        case COMMAND_RUN: return run_command(line);
        case COMMAND_CHECK: return inspect(line, line->defaults ? CHECK_RESOLVED : CHECK_DERIVED);
        case COMMAND_SHOW: return inspect(line, CHECK_DESCRIBED);
        case COMMAND_PLANS: return plans_command(line);
        case COMMAND_USERS: return users_command(line);
        case COMMAND_VERSION:
            if (cli_is_first_process()) cli_print_version();
            return 0;
        case COMMAND_HELP:
            if (cli_is_first_process()) cli_write_help(stdout);
            return 0;
        default: return cli_is_first_process() ? describe_command(line) : 0;
    }
    return 2;
}

int main(int argc, char *argv[]) {
    script_become(argv);
    CommandLine line;
    cli_parse(argc, argv, &line);
    if (line.command != COMMAND_RUN && cli_has_others()) {
        int code = run_command(&line);
        if (code) return code;
    }
    // A launcher kills the others when one fails: only the process that says why may, or it might never say it. In a
    // run the others wait for it.
    if (line.error && line.command != COMMAND_RUN) return cli_is_first_process() ? line.error : 0;
    return cli_finish_output(obey(&line));
}
