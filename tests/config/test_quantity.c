// Quantities: exact conversion, dimension checked, and what is written reads back.
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "claims.h"
#include "config/quantity.h"
#include "draws.h"

static int64_t parse(QuantityKind kind, const char *text) {
    int64_t value = -1;
    char reason[QUANTITY_REASON_BYTES] = "";
    if (!quantity_parse_int(kind, text, &value, reason))
        fail_msg("'%s' was refused: %s", text, reason);
    return value;
}

static void refuses(QuantityKind kind, const char *text, const char *phrase) {
    int64_t value;
    char reason[QUANTITY_REASON_BYTES] = "";
    if (quantity_parse_int(kind, text, &value, reason))
        fail_msg("'%s' was taken as %lld", text, (long long)value);
    if (!strstr(reason, phrase)) fail_msg("'%s': '%s' lacks '%s'", text, reason, phrase);
}

// b is a bit, B a byte: 8 b/s = 1 B/s. SI prefixes are powers of 1000, binary ones of 1024.
static void units_have_their_size(void **state) {
    (void)state;
    assert_int_equal(parse(QUANTITY_RATE, "400 Gb/s"), 50000000000);
    assert_int_equal(parse(QUANTITY_RATE, "400Gbps"), 50000000000);
    assert_int_equal(parse(QUANTITY_RATE, "50 GB/s"), 50000000000);
    assert_int_equal(parse(QUANTITY_RATE, "3.6 Tb/s"), 450000000000);
    assert_int_equal(parse(QUANTITY_RATE, "8 b/s"), 1);
    assert_int_equal(parse(QUANTITY_RATE, "1 GiB/s"), 1073741824);
    assert_int_equal(parse(QUANTITY_SIZE, "64 KiB"), 65536);
    assert_int_equal(parse(QUANTITY_SIZE, "0.5 GB"), 500000000);
    assert_int_equal(parse(QUANTITY_SIZE, "1 TiB"), 1099511627776);
    assert_int_equal(parse(QUANTITY_TIME, "10 us"), 10000000);
    assert_int_equal(parse(QUANTITY_TIME, "0.6 \xC2\xB5s"), 600000);
    assert_int_equal(parse(QUANTITY_TIME, "2.5 ns"), 2500);
    assert_int_equal(parse(QUANTITY_TIME, "1 s"), 1000000000000);
    assert_int_equal(parse(QUANTITY_POWER, "10.2 kW"), 10200);
    assert_int_equal(parse(QUANTITY_NONE, "12480"), 12480);
    assert_int_equal(parse(QUANTITY_NONE, "-3"), -3);
}

// Light in glass takes 5 ns a metre.
static void a_cable_is_a_length_or_a_delay(void **state) {
    (void)state;
    assert_int_equal(parse(QUANTITY_CABLE, "100 m"), 500000);
    assert_int_equal(parse(QUANTITY_CABLE, "12 km"), 60000000);
    assert_int_equal(parse(QUANTITY_CABLE, "500 ns"), 500000);
    refuses(QUANTITY_TIME, "100 m", "which is a cable delay or length");
}

static double parse_queue(const char *text) {
    double value = -1;
    char reason[QUANTITY_REASON_BYTES] = "";
    if (!quantity_parse_real(QUANTITY_QUEUE, text, &value, reason))
        fail_msg("'%s' was refused: %s", text, reason);
    return value;
}

static void refuses_queue(const char *text, const char *phrase) {
    double value;
    char reason[QUANTITY_REASON_BYTES] = "";
    if (quantity_parse_real(QUANTITY_QUEUE, text, &value, reason))
        fail_msg("'%s' was taken as %g", text, value);
    if (!strstr(reason, phrase)) fail_msg("'%s': '%s' lacks '%s'", text, reason, phrase);
}

// What waits at a port is as long as it takes to leave: n bytes at a rate of n bytes in t are t.
static void a_queue_is_a_time_or_a_size_at_a_rate(void **state) {
    (void)state;
    assert_true(parse_queue("16 us") == 16);
    assert_true(parse_queue("2.5 ns") == 0.0025);
    assert_true(parse_queue("800 kB at 400 Gb/s") == 16);
    assert_true(parse_queue("100kB at 25 Gb/s") == 32);
    assert_true(parse_queue("0 B at 1 Gb/s") == 0);
    refuses_queue("5", "wants a time, or a size at a rate with a unit, such as '16 us'");
    refuses_queue("5 kB", "got '5 kB', which is a size");
    refuses_queue("5 us at 1 Gb/s", "wants a size");
    refuses_queue("5 kB at 3 us", "wants a data rate");
    refuses_queue("5 kB at 0 Gb/s", "wants a rate above 0");
    refuses(QUANTITY_TIME, "800 kB at 400 Gb/s", "wants a time");
}

static void reals_are_the_nearest_double(void **state) {
    (void)state;
    double value;
    char reason[QUANTITY_REASON_BYTES];
    assert_true(quantity_parse_real(QUANTITY_FLOP_RATE, "989.4 TFLOP/s", &value, reason));
    assert_true(value == 989.4e12);
    assert_true(quantity_parse_real(QUANTITY_FRACTION, "0.5 %", &value, reason));
    assert_true(value == 0.005);
    assert_true(quantity_parse_real(QUANTITY_RATE, "3.35 TB/s", &value, reason));
    assert_true(value == 3.35e12);
    assert_true(quantity_parse_real(QUANTITY_NONE, "-2.25", &value, reason));
    assert_true(value == -2.25);
}

static void what_is_not_meant_is_refused(void **state) {
    (void)state;
    refuses(QUANTITY_RATE, "400", "wants a data rate with a unit, such as '400 Gb/s'");
    refuses(QUANTITY_RATE, "400 gb/s", "unknown unit 'gb/s', known are");
    refuses(QUANTITY_RATE, "400 GB", "which is a size");
    refuses(QUANTITY_SIZE, "64 kb", "unknown unit");
    refuses(QUANTITY_TIME, "10 Us", "unknown unit");
    refuses(QUANTITY_TIME, "0.3 ps", "wants a whole number of picoseconds");
    refuses(QUANTITY_RATE, "1 b/s", "wants a whole number of bytes per second");
    refuses(QUANTITY_NONE, "1e3", "wants a plain number");
    refuses(QUANTITY_NONE, "8 GB", "wants a plain number");
    refuses(QUANTITY_NONE, "", "wants a number");
    refuses(QUANTITY_NONE, ".", "wants a number");
    refuses(QUANTITY_SIZE, "10000000 TB", "is too large");
    refuses(QUANTITY_SIZE, "12345678901234567890 B", "more than 18 digits");
}

// parse(write(v)) = v for integers of every size, in every dimension.
static void what_is_written_reads_back(void **state) {
    (void)state;
    char text[QUANTITY_TEXT_BYTES], reason[QUANTITY_REASON_BYTES];
    for (int kind = QUANTITY_NONE; kind < QUANTITY_FRACTION; kind++)
        for (int i = 0; i < 2000; i++) {
            // 18 digits are read; values above have no short text.
            int64_t value =
                rng_below(3, RNG_TEST, (uint64_t)i, (uint64_t)kind, INT64_C(1) << (i % 57));
            quantity_write_int((QuantityKind)kind, value, text);
            int64_t back = -1;
            if (!quantity_parse_int((QuantityKind)kind, text, &back, reason) || back != value)
                fail_msg("%lld was written '%s' and read %lld: %s", (long long)value, text,
                         (long long)back, reason);
        }
    for (int i = 0; i < 2000; i++) {
        double value = rng_uniform(3, RNG_TEST, (uint64_t)i, 99) * (i % 3 == 0 ? 1 : 1e15),
               back = -1;
        // As a person would write it: six digits.
        snprintf(text, sizeof text, "%.6g", value);
        if (strchr(text, 'e')) continue;
        assert_true(quantity_parse_real(QUANTITY_NONE, text, &value, reason));
        quantity_write_real(QUANTITY_FRACTION, value, text);
        assert_true(quantity_parse_real(QUANTITY_FRACTION, text, &back, reason));
        assert_true(back == value);
    }
}

static void people_read_the_usual_unit(void **state) {
    (void)state;
    char text[QUANTITY_TEXT_BYTES];
    assert_string_equal(quantity_write_int(QUANTITY_RATE, 50000000000, text), "400 Gb/s");
    assert_string_equal(quantity_write_int(QUANTITY_TIME, 10000000, text), "10 us");
    assert_string_equal(quantity_write_int(QUANTITY_TIME, 8400000, text), "8.4 us");
    assert_string_equal(quantity_write_int(QUANTITY_SIZE, 65536, text), "64 KiB");
    assert_string_equal(quantity_write_int(QUANTITY_SIZE, 84000000000, text), "84 GB");
    assert_string_equal(quantity_write_real(QUANTITY_FRACTION, 0.005, text), "0.5 %");
    assert_string_equal(quantity_write_real(QUANTITY_FLOP_RATE, 989.4e12, text), "989.4 TFLOP/s");
}

// A prefix says the same before every unit, however the unit is spelled: powers of 1000, and of 1024 with an i; b is an
// eighth of B.
static void prefixes_mean_the_same_everywhere(void **state) {
    (void)state;
    static const struct {
        QuantityKind kind;
        const char *unit;
        int64_t per_eight; ///< base units in 8 of it
        bool binary;
    } UNITS[] = {{QUANTITY_RATE, "b/s", 1, false},        {QUANTITY_RATE, "bps", 1, false},
                 {QUANTITY_RATE, "B/s", 8, false},        {QUANTITY_RATE, "B/s", 8, true},
                 {QUANTITY_SIZE, "B", 8, false},          {QUANTITY_SIZE, "B", 8, true},
                 {QUANTITY_FLOP_RATE, "FLOP/s", 8, false}};
    static const char *const DECIMAL[] = {"k", "M", "G", "T"}, *const BINARY[] = {"Ki", "Mi", "Gi",
                                                                                  "Ti"};
    for (size_t u = 0; u < sizeof UNITS / sizeof UNITS[0]; u++) {
        int64_t expected = UNITS[u].per_eight;
        for (int p = 0; p < 4; p++) {
            char text[40];
            snprintf(text, sizeof text, "8 %s%s", UNITS[u].binary ? BINARY[p] : DECIMAL[p],
                     UNITS[u].unit);
            expected *= UNITS[u].binary ? 1024 : 1000;
            assert_int_equal(parse(UNITS[u].kind, text), expected);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_have_their_size),
        cmocka_unit_test(a_cable_is_a_length_or_a_delay),
        cmocka_unit_test(a_queue_is_a_time_or_a_size_at_a_rate),
        cmocka_unit_test(reals_are_the_nearest_double),
        cmocka_unit_test(what_is_not_meant_is_refused),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(people_read_the_usual_unit),
        cmocka_unit_test(prefixes_mean_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
