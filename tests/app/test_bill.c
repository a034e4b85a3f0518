// What a run says at its end of what it has cost, and of how many ranks pay.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/report.h"

enum { SECONDS = 1000000000, TEXT_BYTES = 512 };

static const char *said(int64_t islands, double share, int nranks, bool served, int64_t play_ns) {
    static char text[TEXT_BYTES];
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    Bill bill = {.least_share = 0, .most_share = share};
    bill.row[BILL_ISLANDS] = bill.row[BILL_ISLANDS_PLAYED] = islands;
    bill.row[BILL_PLAY_NS] = play_ns;
    report_bill(out, &bill, nranks, served);
    fclose(out);
    return text;
}

static int pays(int64_t islands, double share, int nranks, bool served) {
    const char *text = said(islands, share, nranks, served, 10LL * SECONDS);
    if (strstr(text, "twice as many pay")) return 1;
    if (strstr(text, "no more than these pay")) return 0;
    assert_true(strstr(text, "fewer pay") || strstr(text, "cannot be cut"));
    return -1;
}

// Laws: who waits longer is advised to no more ranks; nobody to more ranks than there are islands; what cannot be cut pays on
// one rank; a run of a moment is no reason to think of ranks.
static void test_advice(void **state) {
    (void)state;
    for (int nranks = 2; nranks <= 64; nranks *= 2)
        for (int64_t islands = 2; islands <= 256; islands *= 2) {
            int before = 1;
            for (double share = 0; share < 1; share += 0.05) {
                const int advice = pays(islands, share, nranks, false);
                assert_true(advice <= before);
                before = advice;
                if (advice == 1) assert_true(islands >= 2 * nranks);
            }
            assert_int_equal(before, -1);
        }
    assert_int_equal(pays(780, 0, 1, false), 1);
    assert_int_equal(pays(0, 0, 1, false), -1);
    assert_int_equal(pays(1, 0, 4, false), -1);
    assert_int_equal(pays(0, 0.1, 4, true), 1);
    assert_non_null(strstr(said(780, 0, 1, false, SECONDS), "played in 1.000 s"));
    assert_null(strstr(said(780, 0, 1, false, SECONDS), "ranks:"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_advice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
