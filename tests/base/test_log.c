#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "claims.h"

/// Everything written to stderr while two messages are logged at `level`.
static void logged_at(LogLevel level, char *text, size_t capacity) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    log_set_level(level);
    log_warning("port %d is dead", 3);
    log_debug("detail");
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, capacity - 1, file)] = '\0';
    fclose(file);
}

static void log_prints_what_the_level_allows(void **state) {
    (void)state;
    char text[256];
    logged_at(LOG_ERROR, text, sizeof text);
    assert_string_equal(text, "");
    logged_at(LOG_INFO, text, sizeof text);
    assert_string_equal(text, "colossim: warning: port 3 is dead\n");
    logged_at(LOG_DEBUG, text, sizeof text);
    assert_non_null(strstr(text, "colossim: debug: detail\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(log_prints_what_the_level_allows)};
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
