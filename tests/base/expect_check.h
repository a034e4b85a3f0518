/// expect_check.h: run a statement in a child process and see whether a CHECK stopped it.
#ifndef COLOSSIM_TESTS_EXPECT_CHECK_H
#define COLOSSIM_TESTS_EXPECT_CHECK_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "claims.h"

enum { EXPECT_CHECK_EXIT = 77 };

static inline void expect_check_hook(void) { _exit(EXPECT_CHECK_EXIT); }

/// Exit code of a child that ran `body`; its stderr is closed to keep the log quiet.
static inline int exit_code_of(void (*body)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fclose(stderr);
        check_set_abort_hook(expect_check_hook);
        body();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define assert_stops(body) assert_int_equal(exit_code_of(body), EXPECT_CHECK_EXIT)

#endif
