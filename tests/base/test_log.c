#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "claims.h"

/// Everything written to stderr while two messages are logged.
static void log_what_is_said(char *text, size_t capacity) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    log_warning("port %d is dead", 3);
    log_error("%s", "and so am I");
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, capacity - 1, file)] = '\0';
    fclose(file);
}

static void log_prints_a_line_a_message(void **state) {
    (void)state;
    char text[256];
    log_what_is_said(text, sizeof text);
    assert_string_equal(text,
                        "colossim: warning: port 3 is dead\n"
                        "colossim: error: and so am I\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(log_prints_a_line_a_message)};
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
