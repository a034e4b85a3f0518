// Laws: a layout that is written, in whatever way repeats are folded, is read as it was meant; what is none is refused at
// its letter. Numbers: the layouts of published runs.
#include <stdio.h>
#include <string.h>

#include "claims.h"
#include "config/layout_text.h"
#include "draws.h"

static void published_layouts_hold_their_models(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int32_t stages, layers, mtp, first, last;
    } LAYOUTS[] = {
        {"Et|(t*2|)*62tL", 64, 126, 0, 1, 1},     // MLPerf v5, Llama 3.1 405B
        {"E|(t|)*126L", 128, 126, 0, 0, 0},       // Llama 3
        {"Et*3|(t*4|)*30t*3L", 32, 126, 0, 3, 3}, // Megatron-Bridge
        {"Et*4|(t*4|)*14tmL", 16, 61, 1, 4, 1},   // DeepSeek-V3 with one layer of prediction
        {"Et|(tt|)*30mL", 32, 61, 1, 1, 0},
        {"Et*5|(t*6|)*14t*5L", 16, 94, 0, 5, 5}, // Qwen3 235B
        {"E, t*2 | (t, t |)*1 L", 3, 4, 0, 2, 0},
    };
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof LAYOUTS[0]; i++) {
        PipelineLayout layout;
        Status status = layout_read(LAYOUTS[i].text, &layout);
        if (status.code != STATUS_OK) fail_msg("%s", status.text);
        int32_t sum = 0;
        for (int32_t v = 0; v < layout.n; v++) sum += layout.layers[v];
        assert_int_equal(layout.n, LAYOUTS[i].stages);
        assert_int_equal(sum, LAYOUTS[i].layers);
        assert_int_equal(layout.mtp_layers, LAYOUTS[i].mtp);
        assert_int_equal(layout.layers[0], LAYOUTS[i].first);
        assert_int_equal(layout.layers[layout.n - 1], LAYOUTS[i].last);
    }
}

/// n times one letter: in a row, with a count, or as a group.
static void write_times(char *text, char letter, int32_t n, uint64_t way) {
    char *end = text + strlen(text);
    if (n == 0) return;
    if (way == 0)
        for (int32_t i = 0; i < n; i++) *end++ = letter;
    else
        end += sprintf(end, way == 1 ? "%c*%d" : "(%c)*%d", letter, (int)n);
    *end = '\0';
}

static void what_is_written_is_read(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 300; draw++) {
        char text[2048] = "E";
        int32_t layers[40], n = 1 + (int32_t)rng_below(3, RNG_TEST, draw, 0, 40);
        for (int32_t v = 0; v < n; v++) {
            layers[v] = (int32_t)rng_below(3, RNG_TEST, draw, 1 + (uint64_t)v, 7);
            if (v > 0) strcat(text, draw % 2 ? "|" : " |,");
            write_times(text, 't', layers[v], rng_below(3, RNG_TEST, draw, 50 + (uint64_t)v, 3));
        }
        int32_t mtp = (int32_t)rng_below(3, RNG_TEST, draw, 99, 3);
        write_times(text, 'm', mtp, draw % 3);
        strcat(text, "L");
        PipelineLayout layout;
        Status status = layout_read(text, &layout);
        if (status.code != STATUS_OK) fail_msg("%s: %s", text, status.text);
        assert_int_equal(layout.n, n);
        assert_int_equal(layout.mtp_layers, mtp);
        assert_memory_equal(layout.layers, layers, (size_t)n * sizeof layers[0]);
    }
}

static void what_is_no_layout_is_refused_at_its_letter(void **state) {
    (void)state;
    static const char *const REFUSED[][2] = {
        {"", "from letter 1 on ('')"},
        {"tL", "from letter 1 on ('tL'): a layout begins with the embedding E"},
        {"Et|t", "from letter 5 on ('')"},
        {"EtEL", "from letter 3 on ('EL')"},
        {"Et|E|L", "from letter 4 on"},
        {"EtLt", "from letter 4 on ('t')"},
        {"EtL|", "from letter 4 on ('|')"},
        {"Etm|L", "from letter 4 on ('|L')"},
        {"EtmtL", "from letter 4 on ('tL')"},
        {"Et*|L", "from letter 3 on ('*|L')"},
        {"Et*0L", "from letter 3 on"},
        {"Et*-1L", "from letter 3 on"},
        {"Et*99999999999999999999L", "from letter 3 on"},
        {"E(tL", "from letter 2 on"},
        {"Et)L", "from letter 3 on"},
        {"E((t)L", "from letter 2 on"},
        {"EtxL", "from letter 3 on ('xL')"},
        {"E((((((((((t))))))))))L", "too deep"},
        {"E((t|)*65536)*65536L", "more virtual stages than supported"},
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        PipelineLayout layout;
        Status status = layout_read(REFUSED[i][0], &layout);
        if (status.code != STATUS_RANGE) fail_msg("'%s' is no layout", REFUSED[i][0]);
        if (!strstr(status.text, REFUSED[i][1]))
            fail_msg("'%s' does not say '%s'", status.text, REFUSED[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_layouts_hold_their_models),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_no_layout_is_refused_at_its_letter),
    };
    return cmocka_run_group_tests_name("layout_text", tests, NULL, NULL);
}
