// Every line of cases.txt: exit code 2, the exact place, the expected words; no crash, no hang.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/check.h"
#include "claims.h"

enum {
    LINE_BYTES = 1024,
    WORDS_MAX = 8,
    ERRORS_BYTES = 1 << 16,
    CASES_LEAST = 100,
    SECONDS_MOST = 50
};

typedef struct Case {
    char line[LINE_BYTES];
    const char *files[WORDS_MAX], *settings[WORDS_MAX];
    int nfiles, nsettings;
    char place[LINE_BYTES];
    const char *phrase;
} Case;

/// Cut `text` at each `separator` into words[]; returns how many.
static int split(char *text, const char *separator, const char *words[], int most) {
    int n = 0;
    while (text && *text) {
        char *next = strstr(text, separator);
        if (next) {
            *next = '\0';
            next += strlen(separator);
        }
        assert_true(n < most);
        words[n++] = text;
        text = next;
    }
    return n;
}

/// "SHARE/x" is the x below the folder with topologies/ and jobs/.
static void resolve_share(const char *place, char out[LINE_BYTES]) {
    bool share = strncmp(place, "SHARE/", 6) == 0;
    snprintf(out, LINE_BYTES, "%s%s", share ? COLOSSIM_SOURCE_DIR "/" : "",
             share ? place + 6 : place);
}

static bool next_case(FILE *table, Case *one) {
    while (fgets(one->line, sizeof one->line, table)) {
        if (one->line[0] == '#') continue;
        one->line[strcspn(one->line, "\n")] = '\0';
        char *settings = strstr(one->line, " | ");
        assert_non_null(settings);
        *settings = '\0';
        settings += 3;
        // An empty column leaves "| " at its beginning.
        char *place = settings[0] == '|' ? settings + 2 : strstr(settings, " | ");
        assert_non_null(place);
        if (settings[0] == '|') {
            settings = NULL;
        } else {
            *place = '\0';
            place += 3;
        }
        char *phrase = strstr(place, " | ");
        assert_non_null(phrase);
        *phrase = '\0';
        one->phrase = phrase + 3;
        resolve_share(place, one->place);
        one->nfiles = split(one->line, " ", one->files, WORDS_MAX);
        one->nsettings = split(settings, " ; ", one->settings, WORDS_MAX);
        return true;
    }
    return false;
}

/// A line "PLACE: error: PHRASE..." (or "PLACE: PHRASE...", for the count of errors not shown).
static bool reports(const char *errors, const Case *one) {
    char wanted[2][2 * LINE_BYTES];
    snprintf(wanted[0], sizeof wanted[0], "%s: error: %s", one->place, one->phrase);
    snprintf(wanted[1], sizeof wanted[1], "%s: %s", one->place, one->phrase);
    for (const char *line = errors; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        for (int i = 0; i < 2; i++)
            if (strncmp(line, wanted[i], strlen(wanted[i])) == 0) return true;
    return false;
}

static int run_case(const Case *one, char errors[ERRORS_BYTES]) {
    FILE *out = tmpfile(), *err = tmpfile();
    assert_non_null(out);
    assert_non_null(err);
    int code = check_files(one->nfiles, one->files, one->nsettings, one->settings, CHECK_RESOLVED,
                           out, err);
    rewind(err);
    size_t n = fread(errors, 1, ERRORS_BYTES - 1, err);
    errors[n] = '\0';
    fclose(out);
    fclose(err);
    return code;
}

static void wrong_input_is_refused_at_its_place(void **state) {
    (void)state;
    // A hang would be caught by CTest too, but without saying where.
    alarm(SECONDS_MOST);
    assert_int_equal(chdir(COLOSSIM_SOURCE_DIR "/tests/bad-input"), 0);
    FILE *table = fopen("cases.txt", "r");
    assert_non_null(table);
    static Case one;
    static char errors[ERRORS_BYTES];
    int ncases = 0, nfailed = 0;
    while (next_case(table, &one)) {
        int code = run_case(&one, errors);
        ncases++;
        if (code == 2 && reports(errors, &one)) continue;
        nfailed++;
        print_error("%s: exit code %d, wanted 2 and\n  %s: error: %s\ngot\n%s\n",
                    one.files[one.nfiles - 1], code, one.place, one.phrase, errors);
    }
    fclose(table);
    assert_int_equal(nfailed, 0);
    assert_true(ncases >= CASES_LEAST);
}

static void good_input_is_accepted(void **state) {
    (void)state;
    assert_int_equal(chdir(COLOSSIM_SOURCE_DIR "/tests/bad-input"), 0);
    static char errors[ERRORS_BYTES];
    Case good = {.files = {"good-topology.yaml", "good-job.yaml", "good-traffic.yaml"},
                 .nfiles = 3};
    assert_int_equal(run_case(&good, errors), 0);
    assert_string_equal(errors, "");
}

int main(void) {
    setenv("COLOSSIM_SHARE", COLOSSIM_SOURCE_DIR, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_input_is_refused_at_its_place),
        cmocka_unit_test(good_input_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
