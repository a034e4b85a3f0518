#include "app/cables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/check.h"
#include "base/status.h"

static int list(const CommandLine *line, FILE *out) {
    return check_files(line->nfiles, line->file, line->nsets, line->set, CHECK_CABLES, out, stderr);
}

static bool copy(FILE *from, FILE *to) {
    char bytes[1 << 16];
    size_t n;
    rewind(from);
    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0)
        if (fwrite(bytes, 1, n, to) < n) return false;
    return !ferror(from);
}

/// What has come together in a file without a name.
static Status place(FILE *whole, const char *path) {
    REQUIRE(fflush(whole) == 0, STATUS_OUTPUT, "a temporary file cannot be written: %s",
            strerror(errno));
    FILE *file = fopen(path, "wx");
    REQUIRE(file, STATUS_OUTPUT, "%s: %s", path,
            errno == EEXIST ? "is there already, and stays as it is" : strerror(errno));
    const bool good = copy(whole, file);
    const int reason = errno;
    if (fclose(file) == 0 && good) return status_ok();
    remove(path);
    FAIL(STATUS_OUTPUT, "%s: cannot be written: %s", path, strerror(good ? errno : reason));
}

int cables_command(const CommandLine *line) {
    if (strcmp(line->cables, "-") == 0) return list(line, stdout);
    FILE *whole = tmpfile();
    Status status =
        whole ? status_ok()
              : status_make(STATUS_OUTPUT, "a temporary file cannot be made: %s", strerror(errno));
    int code = 0;
    if (whole) {
        code = list(line, whole);
        if (code == 0) status = place(whole, line->cables);
        fclose(whole);
    }
    if (status_is_ok(&status)) return code;
    fprintf(stderr, "error: %s\n", status.text);
    return status_exit_code(status.code);
}
