/// script.h: scripts of the project as commands: `colossim plot run.h5`.
#ifndef COLOSSIM_APP_SCRIPT_H
#define COLOSSIM_APP_SCRIPT_H

/// Become the script that stands as argv[1] in scripts/ of the share folder. Returns where there is none, or where the
/// program has a command of that name; a script that cannot be started ends the process with exit code 1.
void script_become(char *argv[]);

#endif
