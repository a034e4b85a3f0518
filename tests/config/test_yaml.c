// YAML trees, places, and the look of an error.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "claims.h"
#include "config/yaml.h"

/// One text and what came of it.
typedef struct Parsed {
    Texts texts;
    Arena *arena;
    Diagnostics diagnostics;
    Node *root;
} Parsed;

static void parse_bytes(Parsed *parsed, const char *bytes, size_t size) {
    memset(parsed, 0, sizeof *parsed);
    parsed->arena = arena_create("test", 4096);
    const Text *text = texts_add(&parsed->texts, "a.yaml", bytes, (int64_t)size);
    parsed->root = yaml_parse(text, parsed->arena, &parsed->diagnostics);
}

static void parse(Parsed *parsed, const char *bytes) { parse_bytes(parsed, bytes, strlen(bytes)); }

static void done(Parsed *parsed) {
    diagnostics_fini(&parsed->diagnostics);
    texts_fini(&parsed->texts);
    arena_destroy(parsed->arena);
}

static void assert_place(Place place, int line, int column, int length) {
    assert_int_equal(place.line, line);
    assert_int_equal(place.column, column);
    assert_int_equal(place.length, length);
}

static void nodes_know_where_they_stand(void **state) {
    (void)state;
    Parsed p;
    parse(&p, "a: 1\nb:\n  - x\n  - {c: \"two\", d: [3, 4]}\n# end\n");
    assert_non_null(p.root);
    assert_int_equal(p.root->n, 2);
    assert_place(node_get(p.root, "a")->place, 1, 4, 1);
    const Node *c = node_find(p.root, "b.1.c");
    assert_string_equal(c->text, "two");
    assert_true(c->quoted);
    assert_place(c->place, 4, 9, 5);
    assert_string_equal(node_find(p.root, "b.1.d.1")->text, "4");
    assert_null(node_find(p.root, "b.2"));
    assert_null(node_find(p.root, "b.1.c.z"));
    // What was not written stands at its nearest ancestor that was.
    assert_place(node_place(p.root, "b.1.z.z"), 4, 5, 1);
    done(&p);
}

// Columns count characters: the caret stands under the right one after umlauts, and after a byte
// order mark.
static void columns_count_characters(void **state) {
    (void)state;
    Parsed p;
    parse(&p, "\xEF\xBB\xBF\xC3\xA4\xC3\xB6: {\xC2\xB5: 10 \xC2\xB5s}\r\nb: 2\r\n");
    assert_non_null(p.root);
    assert_place(p.root->item[0]->item[0]->place, 1, 9, 5);
    assert_place(node_get(p.root, "b")->place, 2, 4, 1);
    done(&p);
}

// YAML 1.1 would make NO false, 012 ten and 12:30:45 a number; here the schema decides.
static void scalars_stay_text(void **state) {
    (void)state;
    Parsed p;
    parse(&p, "[NO, 012, 12:30:45, 1e3, ~, null]");
    const char *const TEXTS[] = {"NO", "012", "12:30:45", "1e3", "~", "null"};
    assert_int_equal(p.root->n, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(p.root->item[i]->text, TEXTS[i]);
    done(&p);
}

// 16 levels are read, 17 are not.
static void depth_is_bounded(void **state) {
    (void)state;
    for (int depth = YAML_DEPTH_MAX; depth <= YAML_DEPTH_MAX + 1; depth++) {
        char text[64] = "";
        for (int i = 0; i < depth; i++) strcat(text, "[");
        for (int i = 0; i < depth; i++) strcat(text, "]");
        Parsed p;
        parse(&p, text);
        assert_int_equal(p.root != NULL, depth == YAML_DEPTH_MAX);
        done(&p);
    }
}

// Hostile texts of the largest size end quickly: no alias is expanded, no search is quadratic.
static void hostile_texts_are_refused_soon(void **state) {
    (void)state;
    static const char *const PARTS[] = {"[",  "{a: ", "- ", "a: &b\n", "? ", "\"", "a: 1\n",
                                        "\n", "!",    "%",  "- - ",    "' ", "#\n"};
    char *text = malloc(TEXT_BYTES_MAX + 1);
    for (size_t k = 0; k < sizeof PARTS / sizeof PARTS[0]; k++) {
        size_t length = strlen(PARTS[k]), used = 0;
        while (used + length <= TEXT_BYTES_MAX) {
            memcpy(text + used, PARTS[k], length);
            used += length;
        }
        Parsed p;
        parse_bytes(&p, text, used);
        assert_true(p.diagnostics.errors > 0);
        done(&p);
    }
    // Many different keys: the search for duplicates is bounded.
    size_t used = 0;
    for (int i = 0; used + 16 < TEXT_BYTES_MAX; i++)
        used += (size_t)sprintf(text + used, "k%d: 1\n", i);
    Parsed p;
    parse_bytes(&p, text, used);
    assert_int_equal(p.diagnostics.errors, 1);
    done(&p);
    free(text);
}

static void errors_show_line_and_caret_in_order(void **state) {
    (void)state;
    Parsed p;
    parse(&p, "a: 1\nlink: {bandwith: 400 Gb/s}\nb: x\n");
    const Node *link = node_get(p.root, "link");
    diagnostics_error(&p.diagnostics, node_get(p.root, "b")->place, "later");
    diagnostics_error(&p.diagnostics, link->key[0]->place, "unknown key '%s'", "bandwith");
    diagnostics_error(&p.diagnostics, link->key[0]->place, "unknown key '%s'", "bandwith");
    assert_int_equal(p.diagnostics.errors, 2);
    TextBuffer out = {0};
    diagnostics_print(&p.diagnostics, &out);
    char *text = text_take(&out);
    assert_string_equal(text,
                        "a.yaml:2:8: error: unknown key 'bandwith'\n"
                        "     2 | link: {bandwith: 400 Gb/s}\n"
                        "       |        ^~~~~~~~\n"
                        "a.yaml:3:4: error: later\n"
                        "     3 | b: x\n"
                        "       |    ^\n");
    text_free(text);
    done(&p);
}

// Twenty errors of a text are shown, the others counted; a long line is shown around its place;
// what a terminal would obey is not passed on.
static void output_is_bounded_and_harmless(void **state) {
    (void)state;
    char line[4001];
    memset(line, 'x', 4000);
    line[4000] = '\0';
    line[10] = '\x1B';
    Parsed p;
    memset(&p, 0, sizeof p);
    const Text *text = texts_add(&p.texts, "b.yaml", line, 4000);
    for (int i = 0; i < 25; i++)
        diagnostics_error(&p.diagnostics, (Place){text, 1, 11 + 100 * i, 3}, "number %d", i);
    TextBuffer out = {0};
    diagnostics_print(&p.diagnostics, &out);
    char *printed = text_take(&out);
    assert_null(strstr(printed, "number 20"));
    assert_non_null(strstr(printed, "b.yaml: 5 more errors"));
    assert_null(strchr(printed, '\x1B'));
    for (const char *at = printed; *at; at += strcspn(at, "\n") + 1)
        assert_true(strcspn(at, "\n") < 200);
    text_free(printed);
    diagnostics_fini(&p.diagnostics);
    texts_fini(&p.texts);
}

static void suggestions_are_close(void **state) {
    (void)state;
    static const char *const NAMES[] = {"bandwidth", "latency", "tp", "pp", "dp", "children"};
    assert_string_equal(diagnostics_closest("bandwith", NAMES, 6), "bandwidth");
    assert_string_equal(diagnostics_closest("childern", NAMES, 6), "children");
    assert_string_equal(diagnostics_closest("latncy", NAMES, 6), "latency");
    assert_string_equal(diagnostics_closest("tpp", NAMES, 6), "tp");
    assert_null(diagnostics_closest("colour", NAMES, 6));
    assert_null(diagnostics_closest("", NAMES, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_where_they_stand),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(scalars_stay_text),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(hostile_texts_are_refused_soon),
        cmocka_unit_test(errors_show_line_and_caret_in_order),
        cmocka_unit_test(output_is_bounded_and_harmless),
        cmocka_unit_test(suggestions_are_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
