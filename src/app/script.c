#include "app/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/cli_words.h"
#include "config/shipped.h"

void script_become(char *argv[]) {
    char room[TEXT_PATH_BYTES], path[TEXT_PATH_BYTES + 128], program[TEXT_PATH_BYTES];
    struct stat about;
    if (!argv[1] || strlen(argv[1]) > 64 || !shipped_is_name(argv[1]) || cli_command(argv[1]))
        return;
    snprintf(path, sizeof path, "%s/scripts/%s", text_share_folder(room), argv[1]);
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) || access(path, X_OK) != 0) return;
    // It shall call this very program, wherever that stands.
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n > 0) {
        program[n] = '\0';
        setenv("COLOSSIM_PROGRAM", program, 0);
    }
    argv[1] = path;
    execv(path, argv + 1);
    fprintf(stderr, "colossim: error: %s: %s\n", path, strerror(errno));
    exit(1);
}
