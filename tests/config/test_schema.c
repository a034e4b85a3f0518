// Tables to structs and back: every kind of field, defaults, places, settings.
#include <string.h>

#include "base/memory.h"
#include "claims.h"
#include "config/schema.h"
#include "config/settings.h"

enum { POINTS_MAX = 3, WORDS_MAX = 4 };
typedef enum Colour { RED, GREEN } Colour;
typedef struct Point {
    double x;
    int64_t rate_Bps;
} Point;
typedef struct Box {
    Colour kind;
    int32_t width;
} Box;
typedef struct Thing {
    char name[16];
    int32_t small;
    int64_t large;
    uint64_t seed;
    double share;
    bool flag;
    Box box;
    Point point[POINTS_MAX];
    int32_t npoints;
    char word[WORDS_MAX][8];
    int32_t nwords;
    int32_t pair[2];
    Box list[2];
    int32_t nlist;
} Thing;

static const char *const COLOURS[] = {[RED] = "red", [GREEN] = "green", NULL};
static const Field POINT_FIELDS[] = {
    FIELD_NUMBER_AT("x", Point, x, NULL, -10, 10, "where"),
    FIELD_QUANTITY_AT("rate", Point, rate_Bps, QUANTITY_RATE, NULL, 1, 0, "how fast"),
};
static const Schema POINT_SCHEMA = {
    .name = "point", .field = POINT_FIELDS, .nfields = 2, .bytes = sizeof(Point), .tuple = true};
static const Field POINT_ELEMENT = ELEMENT_STRUCT(Point, &POINT_SCHEMA);
static const Field BOX_FIELDS[] = {
    FIELD_ENUM_AT("kind", Box, kind, COLOURS, "green", "colour"),
    FIELD_COUNT_AT("width", Box, width, "7", 1, 9, "width"),
};
static const Schema BOX_SCHEMA = {
    .name = "box", .field = BOX_FIELDS, .nfields = 2, .bytes = sizeof(Box), .shorthand = true};
static const Field BOX_ELEMENT = ELEMENT_STRUCT(Box, &BOX_SCHEMA);
static const Field WORD_ELEMENT = ELEMENT_STRING(8);
static const Field COUNT_ELEMENT = ELEMENT_COUNT(int32_t, STORE_INT32, 0, 100);
static const Field THING_FIELDS[] = {
    FIELD_STRING_AT("name", Thing, name, "", "name"),
    FIELD_COUNT_AT("small", Thing, small, NULL, 1, 100, "a count"),
    FIELD_QUANTITY_OR_WORD_AT("large", Thing, large, QUANTITY_TIME, "never", -1, "never", 0, 0,
                              "a time"),
    FIELD_COUNT_AT("seed", Thing, seed, "5", 0, 0, "a seed"),
    FIELD_QUANTITY_AT("share", Thing, share, QUANTITY_FRACTION, "2.5 %", 0, 1, "a share"),
    FIELD_BOOL_AT("flag", Thing, flag, "on", "a flag"),
    FIELD_STRUCT_AT("box", Thing, box, &BOX_SCHEMA, "", "a box"),
    FIELD_LIST_AT("points", Thing, point, npoints, &POINT_ELEMENT, "", "points"),
    FIELD_LIST_AT("words", Thing, word, nwords, &WORD_ELEMENT, "", "words"),
    FIELD_ARRAY_AT("pair", Thing, pair, &COUNT_ELEMENT, NULL, "two counts"),
    FIELD_LIST_AT("list", Thing, list, nlist, &BOX_ELEMENT, "", "boxes"),
    FIELD_TEXT_AT("remark", "free"),
};
static const Schema THING_SCHEMA = {.name = "thing",
                                    .field = THING_FIELDS,
                                    .nfields = FIELDS_N(THING_FIELDS),
                                    .bytes = sizeof(Thing)};

typedef struct Fixture {
    Texts texts;
    Diagnostics diagnostics;
    TextSource source;
    Reader reader;
    Node *root;
    Thing thing;
    bool good;
} Fixture;

static void read_with(Fixture *f, const char *text, const char *const settings[], int nsettings) {
    memset(f, 0, sizeof *f);
    f->reader =
        (Reader){"t.yaml", &f->source, &f->texts, arena_create("test", 4096), &f->diagnostics};
    f->root = yaml_parse(texts_add(&f->texts, "t.yaml", text, (int64_t)strlen(text)),
                         f->reader.arena, &f->diagnostics);
    assert_non_null(f->root);
    const SettingTarget target = {"job", f->root, &THING_SCHEMA};
    settings_apply(&f->reader, settings, nsettings, &target, 1);
    f->good =
        schema_read(&f->reader, &THING_SCHEMA, f->root, &f->thing) && f->diagnostics.errors == 0;
}

static void read(Fixture *f, const char *text) { read_with(f, text, NULL, 0); }

static char *errors_of(Fixture *f) {
    TextBuffer out = {0};
    diagnostics_print(&f->diagnostics, &out);
    return text_take(&out);
}

static void done(Fixture *f) {
    diagnostics_fini(&f->diagnostics);
    texts_fini(&f->texts);
    arena_destroy(f->reader.arena);
}

static const char FULL[] =
    "name: \"a b\"\nsmall: 3\nlarge: 2 us\nseed: 18\nshare: 50 %\nflag: off\n"
    "box: {kind: red, width: 2}\npoints:\n  - [1.5, 8 Gb/s]\n  - {rate: 1 GB/s, x: -2}\n"
    "words: [one, two]\npair: [4, 5]\nlist: [red, {width: 3}]\nremark: [x, y]\n";

static void every_kind_of_field_is_stored(void **state) {
    (void)state;
    Fixture f;
    read(&f, FULL);
    assert_true(f.good);
    const Thing *t = &f.thing;
    assert_string_equal(t->name, "a b");
    assert_int_equal(t->small, 3);
    assert_int_equal(t->large, 2000000);
    assert_int_equal(t->seed, 18);
    assert_close(t->share, 0.5, 0);
    assert_false(t->flag);
    assert_int_equal(t->box.kind, RED);
    assert_int_equal(t->box.width, 2);
    assert_int_equal(t->npoints, 2);
    assert_close(t->point[0].x, 1.5, 0);
    assert_int_equal(t->point[1].rate_Bps, 1000000000);
    assert_int_equal(t->nwords, 2);
    assert_string_equal(t->word[1], "two");
    assert_int_equal(t->pair[1], 5);
    assert_int_equal(t->nlist, 2);
    assert_int_equal(t->list[0].kind, RED);
    assert_int_equal(t->list[0].width, 7);
    assert_int_equal(t->list[1].kind, GREEN);
    assert_int_equal(t->list[1].width, 3);
    done(&f);
}

static void what_is_not_written_has_its_default(void **state) {
    (void)state;
    Fixture f;
    read(&f, "small: 3\npair: [0, 0]\n");
    assert_true(f.good);
    assert_int_equal(f.thing.large, -1);
    assert_int_equal(f.thing.seed, 5);
    assert_close(f.thing.share, 0.025, 0);
    assert_true(f.thing.flag);
    assert_int_equal(f.thing.box.kind, GREEN);
    assert_int_equal(f.thing.box.width, 7);
    assert_int_equal(f.thing.npoints, 0);
    assert_string_equal(f.thing.name, "");
    done(&f);
}

// Reading what was written gives the same struct, defaults included, and marks exactly what was not
// given.
static void writing_and_reading_are_inverse(void **state) {
    (void)state;
    static const char *const TEXTS[] = {FULL, "small: 3\npair: [0, 0]\nbox: red\n"};
    for (int i = 0; i < 2; i++) {
        Fixture f, again;
        read(&f, TEXTS[i]);
        assert_true(f.good);
        TextBuffer out = {0};
        schema_write(&THING_SCHEMA, &f.thing, f.root, 0, &out);
        char *written = text_take(&out);
        read(&again, written);
        assert_true(again.good);
        assert_memory_equal(&f.thing, &again.thing, sizeof f.thing);
        if (i == 1) {
            assert_non_null(strstr(written, "seed: 5  # default\n"));
            assert_non_null(strstr(written, "small: 3\n"));
            assert_non_null(strstr(written, "  kind: red\n"));
            assert_non_null(strstr(written, "  width: 7  # default\n"));
        }
        text_free(written);
        done(&f);
        done(&again);
    }
}

// One run reports them all: five mistakes, five places.
static void all_mistakes_are_reported_at_once(void **state) {
    (void)state;
    Fixture f;
    read(&f,
         "smal: 3\nlarge: 2\nflag: maybe\nbox: {width: 10}\npoints: [[1, 2, 3]]\nwords: [much too "
         "long]\n");
    assert_false(f.good);
    char *errors = errors_of(&f);
    static const char *const WANTED[] = {
        "t.yaml:1:1: error: unknown key 'smal' in thing; did you mean 'small'?",
        "t.yaml:1:1: error: missing key 'small' in thing: a count",
        "t.yaml:1:1: error: missing key 'pair' in thing: two counts",
        "t.yaml:2:8: error: large wants a time with a unit, such as '10 us' or '600 ns', got '2'",
        "t.yaml:3:7: error: flag wants on or off, got 'maybe'",
        "t.yaml:4:14: error: width must be at most 9, got '10'",
        "t.yaml:5:10: error: points wants 2 values in each point, got 3",
        "t.yaml:6:9: error: words wants at most 7 bytes, got 13",
    };
    for (int i = 0; i < 8; i++)
        if (!strstr(errors, WANTED[i])) fail_msg("no '%s' in\n%s", WANTED[i], errors);
    assert_int_equal(f.diagnostics.errors, 8);
    text_free(errors);
    done(&f);
}

static void lists_keep_their_bounds(void **state) {
    (void)state;
    Fixture f;
    read(&f, "small: 3\npair: [1]\npoints: [[1, 1 B/s], [1, 1 B/s], [1, 1 B/s], [1, 1 B/s]]\n");
    char *errors = errors_of(&f);
    assert_non_null(strstr(errors, "t.yaml:2:7: error: pair wants exactly 2 elements, got 1"));
    assert_non_null(strstr(errors, "t.yaml:3:9: error: points wants at most 3 elements, got 4"));
    text_free(errors);
    done(&f);
}

// A setting replaces, adds, goes into lists and behind shorthands; the last one wins.
static void settings_go_through_the_same_table(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"small=8",    "box.width=4", "list.0.width=5",
                                           "large=7 ns", "large=never", "points=[[1, 8 b/s]]"};
    Fixture f;
    read_with(&f, "small: 3\npair: [1, 2]\nbox: red\nlist: [red]\n", SETTINGS, 6);
    assert_true(f.good);
    assert_int_equal(f.thing.small, 8);
    assert_int_equal(f.thing.box.kind, RED);
    assert_int_equal(f.thing.box.width, 4);
    assert_int_equal(f.thing.large, -1);
    assert_int_equal(f.thing.npoints, 1);
    assert_int_equal(f.thing.point[0].rate_Bps, 1);
    done(&f);
}

static void wrong_settings_are_reported_like_wrong_files(void **state) {
    (void)state;
    static const char *const SETTINGS[] = {"small=8", "large = 10", "box.widht=4"};
    Fixture f;
    read_with(&f, "small: 3\npair: [1, 2]\n", SETTINGS, 3);
    assert_false(f.good);
    char *errors = errors_of(&f);
    assert_non_null(strstr(errors, "--set:2:"));
    assert_non_null(strstr(errors,
                           "--set:3:5: error: unknown key 'widht' in box; did you mean 'width'?\n"
                           "     3 | box.widht=4\n"
                           "       |     ^~~~~\n"));
    text_free(errors);
    done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_field_is_stored),
        cmocka_unit_test(what_is_not_written_has_its_default),
        cmocka_unit_test(writing_and_reading_are_inverse),
        cmocka_unit_test(all_mistakes_are_reported_at_once),
        cmocka_unit_test(lists_keep_their_bounds),
        cmocka_unit_test(settings_go_through_the_same_table),
        cmocka_unit_test(wrong_settings_are_reported_like_wrong_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
