#include "config/quantity.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wide.h"

/// One unit is numerator / denominator base units. The first spelling of a value is the one
/// written; `written` marks units used for writing, largest first.
typedef struct QuantityUnit {
    QuantityKind kind;
    bool written;
    const char *name;
    int64_t numerator, denominator;
} QuantityUnit;

#define E3 INT64_C(1000)
#define E6 INT64_C(1000000)
#define E9 INT64_C(1000000000)
#define E12 INT64_C(1000000000000)
#define E15 INT64_C(1000000000000000)
#define E18 INT64_C(1000000000000000000)
#define KI INT64_C(1024)

static const QuantityUnit UNITS[] = {
    {QUANTITY_RATE, true, "Tb/s", E12, 8},
    {QUANTITY_RATE, true, "Gb/s", E9, 8},
    {QUANTITY_RATE, true, "Mb/s", E6, 8},
    {QUANTITY_RATE, true, "kb/s", E3, 8},
    {QUANTITY_RATE, true, "b/s", 1, 8},
    {QUANTITY_RATE, false, "Tbps", E12, 8},
    {QUANTITY_RATE, false, "Gbps", E9, 8},
    {QUANTITY_RATE, false, "Mbps", E6, 8},
    {QUANTITY_RATE, false, "kbps", E3, 8},
    {QUANTITY_RATE, false, "TB/s", E12, 1},
    {QUANTITY_RATE, false, "GB/s", E9, 1},
    {QUANTITY_RATE, false, "MB/s", E6, 1},
    {QUANTITY_RATE, false, "kB/s", E3, 1},
    {QUANTITY_RATE, false, "B/s", 1, 1},
    {QUANTITY_RATE, false, "TiB/s", KI *KI *KI *KI, 1},
    {QUANTITY_RATE, false, "GiB/s", KI *KI *KI, 1},
    {QUANTITY_RATE, false, "MiB/s", KI *KI, 1},
    {QUANTITY_RATE, false, "KiB/s", KI, 1},
    {QUANTITY_SIZE, true, "TB", E12, 1},
    {QUANTITY_SIZE, true, "GB", E9, 1},
    {QUANTITY_SIZE, true, "MB", E6, 1},
    {QUANTITY_SIZE, true, "kB", E3, 1},
    {QUANTITY_SIZE, true, "B", 1, 1},
    {QUANTITY_SIZE, false, "TiB", KI *KI *KI *KI, 1},
    {QUANTITY_SIZE, false, "GiB", KI *KI *KI, 1},
    {QUANTITY_SIZE, false, "MiB", KI *KI, 1},
    {QUANTITY_SIZE, false, "KiB", KI, 1},
    {QUANTITY_TIME, true, "s", E12, 1},
    {QUANTITY_TIME, true, "ms", E9, 1},
    {QUANTITY_TIME, true, "us", E6, 1},
    {QUANTITY_TIME, true, "ns", E3, 1},
    {QUANTITY_TIME, true, "ps", 1, 1},
    {QUANTITY_TIME, false, "\xC2\xB5s", E6, 1},
    {QUANTITY_TIME, false, "\xCE\xBCs", E6, 1},
    {QUANTITY_CABLE, true, "ms", E9, 1},
    {QUANTITY_CABLE, true, "us", E6, 1},
    {QUANTITY_CABLE, true, "ns", E3, 1},
    {QUANTITY_CABLE, true, "ps", 1, 1},
    // Light in glass: refractive index 1.5, so 5 ns a metre.
    {QUANTITY_CABLE, false, "m", 5 * E3, 1},
    {QUANTITY_CABLE, false, "km", 5 * E6, 1},
    {QUANTITY_CABLE, false, "\xC2\xB5s", E6, 1},
    {QUANTITY_CABLE, false, "\xCE\xBCs", E6, 1},
    {QUANTITY_QUEUE, true, "ms", E3, 1},
    {QUANTITY_QUEUE, true, "us", 1, 1},
    {QUANTITY_QUEUE, true, "ns", 1, E3},
    {QUANTITY_QUEUE, true, "ps", 1, E6},
    {QUANTITY_QUEUE, false, "s", E6, 1},
    {QUANTITY_QUEUE, false, "\xC2\xB5s", 1, 1},
    {QUANTITY_QUEUE, false, "\xCE\xBCs", 1, 1},
    {QUANTITY_FLOP_RATE, true, "PFLOP/s", E15, 1},
    {QUANTITY_FLOP_RATE, true, "TFLOP/s", E12, 1},
    {QUANTITY_FLOP_RATE, true, "GFLOP/s", E9, 1},
    {QUANTITY_FLOP_RATE, true, "MFLOP/s", E6, 1},
    {QUANTITY_FLOP_RATE, true, "FLOP/s", 1, 1},
    {QUANTITY_FLOP_RATE, false, "kFLOP/s", E3, 1},
    {QUANTITY_POWER, true, "MW", E6, 1},
    {QUANTITY_POWER, true, "kW", E3, 1},
    {QUANTITY_POWER, true, "W", 1, 1},
    {QUANTITY_FRACTION, true, "%", 1, 100},
    {QUANTITY_TEMPERATURE, true, "C", 1, 1},
    {QUANTITY_TEMPERATURE, false, "\302\260C", 1, 1},
};
enum { UNITS_N = sizeof UNITS / sizeof UNITS[0], DIGITS_MAX = 18 };

static const struct {
    const char *name, *examples, *units;
} KINDS[QUANTITY_N] = {
    [QUANTITY_NONE] = {"a number", "'8'", ""},
    [QUANTITY_RATE] = {"a data rate", "'400 Gb/s' or '50 GB/s'",
                       "b/s kb/s Mb/s Gb/s Tb/s, B/s kB/s MB/s GB/s TB/s"},
    [QUANTITY_SIZE] = {"a size", "'64 KiB' or '80 GB'", "B kB MB GB TB, KiB MiB GiB TiB"},
    [QUANTITY_TIME] = {"a time", "'10 us' or '600 ns'", "ps ns us ms s"},
    [QUANTITY_CABLE] = {"a cable delay or length", "'50 m' or '250 ns'", "m km, ps ns us ms"},
    [QUANTITY_QUEUE] = {"a time, or a size at a rate", "'16 us' or '800 kB at 400 Gb/s'",
                        "ps ns us ms s"},
    [QUANTITY_FLOP_RATE] = {"a rate of floating-point operations",
                            "'989 TFLOP/s' or '1.98 PFLOP/s'",
                            "FLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s"},
    [QUANTITY_POWER] = {"a power", "'700 W' or '10.2 kW'", "W kW MW"},
    [QUANTITY_FRACTION] = {"a percentage", "'3 %' or '0.5 %'", "%"},
    [QUANTITY_TEMPERATURE] = {"a temperature", "'45 C'", "C"},
};

/// Between a size and a rate.
static const char AT[] = " at ";

const char *quantity_name(QuantityKind kind) { return KINDS[kind].name; }

static const char NUMBER[] = "[-+]?[0-9]*[.]?[0-9]* *";

/// "(GB|MB|B)" of a kind; returns the end.
static char *write_units(QuantityKind kind, char *out, const char *end) {
    const char *before = "(";
    for (int i = 0; i < UNITS_N; i++) {
        if (UNITS[i].kind != kind) continue;
        out += snprintf(out, (size_t)(end - out), "%s%s", before, UNITS[i].name);
        before = "|";
    }
    return out + snprintf(out, (size_t)(end - out), ")");
}

const char *quantity_pattern(QuantityKind kind, char out[QUANTITY_PATTERN_BYTES]) {
    const char *end = out + QUANTITY_PATTERN_BYTES;
    char *at = out + snprintf(out, QUANTITY_PATTERN_BYTES, "^(%s", NUMBER);
    at = write_units(kind, at, end);
    if (kind == QUANTITY_QUEUE) {
        at += snprintf(at, (size_t)(end - at), "|%s", NUMBER);
        at = write_units(QUANTITY_SIZE, at, end);
        at += snprintf(at, (size_t)(end - at), "%s%s", AT, NUMBER);
        at = write_units(QUANTITY_RATE, at, end);
    }
    CHECK(at + 3 <= end, "a pattern of %d bytes", (int)(at - out));
    snprintf(at, (size_t)(end - at), ")$");
    return out;
}

/// A decimal number as digits / 10^decimals.
typedef struct Decimal {
    bool negative;
    int64_t digits;
    int decimals;
} Decimal;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Read a number at the beginning of `text`; returns what follows it, or NULL if there is none or
/// it has more than DIGITS_MAX digits.
static const char *parse_decimal(const char *text, Decimal *out) {
    Decimal decimal = {0};
    const char *at = text;
    int ndigits = 0, significant = 0;
    if (*at == '-' || *at == '+') decimal.negative = *at++ == '-';
    bool point = false;
    for (; is_digit(*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        ndigits++;
        if (significant > 0 || *at != '0') significant++;
        if (significant > DIGITS_MAX || ndigits > 2 * DIGITS_MAX) return NULL;
        decimal.digits = decimal.digits * 10 + (*at - '0');
        decimal.decimals += point;
    }
    if (ndigits == 0) return NULL;
    while (decimal.decimals > 0 && decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.decimals--;
    }
    if (decimal.decimals > DIGITS_MAX) return NULL;
    *out = decimal;
    return at;
}

static const QuantityUnit *find_unit(QuantityKind kind, const char *name) {
    for (int i = 0; i < UNITS_N; i++)
        if (UNITS[i].kind == kind && strcmp(UNITS[i].name, name) == 0) return &UNITS[i];
    return NULL;
}

/// Another dimension that knows this unit, for the message; QUANTITY_NONE if none does.
static QuantityKind kind_of_unit(const char *name) {
    for (int i = 0; i < UNITS_N; i++)
        if (strcmp(UNITS[i].name, name) == 0) return UNITS[i].kind;
    return QUANTITY_NONE;
}

static bool explain_unit(QuantityKind kind, const char *text, const char *unit,
                         char reason[QUANTITY_REASON_BYTES]) {
    QuantityKind other = kind_of_unit(unit);
    if (*unit == '\0')
        snprintf(reason, QUANTITY_REASON_BYTES, "wants %s with a unit, such as %s, got '%.60s'",
                 KINDS[kind].name, KINDS[kind].examples, text);
    else if (other != QUANTITY_NONE)
        snprintf(reason, QUANTITY_REASON_BYTES, "wants %s, such as %s, got '%.60s', which is %s",
                 KINDS[kind].name, KINDS[kind].examples, text, KINDS[other].name);
    else
        snprintf(reason, QUANTITY_REASON_BYTES,
                 "wants %s, such as %s; unknown unit '%.30s', known are %s", KINDS[kind].name,
                 KINDS[kind].examples, unit, KINDS[kind].units);
    return false;
}

/// Number and unit of a text; false with the reason.
static bool parse_parts(QuantityKind kind, const char *text, Decimal *decimal,
                        const QuantityUnit **unit, char reason[QUANTITY_REASON_BYTES]) {
    static const QuantityUnit ONE = {QUANTITY_NONE, false, "", 1, 1};
    const char *rest = parse_decimal(text, decimal);
    if (!rest && strspn(text, "+-.0123456789") > DIGITS_MAX) {
        snprintf(reason, QUANTITY_REASON_BYTES, "has more than %d digits: '%.60s'", DIGITS_MAX,
                 text);
        return false;
    }
    if (!rest) {
        snprintf(reason, QUANTITY_REASON_BYTES, "wants %s, such as %s, got '%.60s'",
                 KINDS[kind].name, KINDS[kind].examples, text);
        return false;
    }
    while (*rest == ' ') rest++;
    if (kind == QUANTITY_NONE) {
        *unit = &ONE;
        if (*rest == '\0') return true;
        snprintf(reason, QUANTITY_REASON_BYTES, "wants a plain number, got '%.60s'", text);
        return false;
    }
    *unit = find_unit(kind, rest);
    return *unit || explain_unit(kind, text, rest, reason);
}

static Wide power_of_ten(int exponent) {
    Wide power = 1;
    for (int i = 0; i < exponent; i++) power *= 10;
    return power;
}

double quantity_most(QuantityKind kind) {
    static const double MOST[QUANTITY_N] = {
        [QUANTITY_RATE] = 1e15,  [QUANTITY_SIZE] = 1e16,  [QUANTITY_TIME] = 1e15,
        [QUANTITY_CABLE] = 1e15, [QUANTITY_QUEUE] = 1e15, [QUANTITY_FLOP_RATE] = 1e21,
        [QUANTITY_POWER] = 1e12,
    };
    return MOST[kind];
}

bool quantity_parse_int(QuantityKind kind, const char *text, int64_t *value,
                        char reason[QUANTITY_REASON_BYTES]) {
    Decimal decimal;
    const QuantityUnit *unit;
    if (!parse_parts(kind, text, &decimal, &unit, reason)) return false;
    // digits < 10^18 and numerator <= 10^15 fit 128 bits; so does 10^18 * 8.
    Wide numerator = (Wide)decimal.digits * unit->numerator;
    Wide denominator = power_of_ten(decimal.decimals) * unit->denominator;
    static const char *const WHOLE[QUANTITY_N] = {"whole number",
                                                  "whole number of bytes per second",
                                                  "whole number of bytes",
                                                  "whole number of picoseconds",
                                                  "whole number of picoseconds",
                                                  "whole number of microseconds",
                                                  "whole number of FLOP/s",
                                                  "whole number of watts",
                                                  "whole number",
                                                  "whole number of degrees"};
    if (numerator % denominator != 0) {
        snprintf(reason, QUANTITY_REASON_BYTES, "wants a %s, got '%.60s'", WHOLE[kind], text);
        return false;
    }
    Wide result = numerator / denominator;
    if (result > INT64_MAX) {
        snprintf(reason, QUANTITY_REASON_BYTES,
                 "is too large: '%.60s' is more than 2^63 in base units", text);
        return false;
    }
    *value = decimal.negative ? -(int64_t)result : (int64_t)result;
    return true;
}

/// What the size before `at` takes at the rate behind it.
static bool parse_queue(const char *text, const char *at, double *value,
                        char reason[QUANTITY_REASON_BYTES]) {
    char size[QUANTITY_TEXT_BYTES];
    double bytes, Bps;
    snprintf(size, sizeof size, "%.*s", (int)(at - text), text);
    if (!quantity_parse_real(QUANTITY_SIZE, size, &bytes, reason) ||
        !quantity_parse_real(QUANTITY_RATE, at + strlen(AT), &Bps, reason))
        return false;
    *value = bytes * 1e6 / Bps;
    if (Bps > 0) return true;
    snprintf(reason, QUANTITY_REASON_BYTES, "wants a rate above 0, got '%.60s'", text);
    return false;
}

bool quantity_parse_real(QuantityKind kind, const char *text, double *value,
                         char reason[QUANTITY_REASON_BYTES]) {
    const char *at = kind == QUANTITY_QUEUE ? strstr(text, AT) : NULL;
    if (at) return parse_queue(text, at, value, reason);
    Decimal decimal;
    const QuantityUnit *unit;
    if (!parse_parts(kind, text, &decimal, &unit, reason)) return false;
    // Numerator and denominator are exact in double up to 2^53 = 9e15: one rounding for all
    // sensible texts.
    double numerator = (double)((Wide)decimal.digits * unit->numerator);
    double denominator = (double)(power_of_ten(decimal.decimals) * unit->denominator);
    double magnitude = numerator / denominator;
    *value = decimal.negative ? -magnitude : magnitude;
    return true;
}

/// Largest unit for writing in which the magnitude is at least 1; the smallest one otherwise.
static const QuantityUnit *unit_for_writing(QuantityKind kind, double magnitude) {
    const QuantityUnit *unit = NULL;
    // A whole number of KiB below 1000 of them (and so on) was meant so.
    for (int i = 0; i < UNITS_N && kind == QUANTITY_SIZE; i++) {
        double many = magnitude / (double)UNITS[i].numerator;
        bool binary = UNITS[i].kind == QUANTITY_SIZE && UNITS[i].numerator % KI == 0;
        if (binary && many >= 1 && many < 1000 && many == floor(many)) return &UNITS[i];
    }
    for (int i = 0; i < UNITS_N; i++) {
        if (UNITS[i].kind != kind || !UNITS[i].written) continue;
        unit = &UNITS[i];
        if (magnitude >= (double)unit->numerator / (double)unit->denominator) break;
    }
    return unit;
}

const char *quantity_write_int(QuantityKind kind, int64_t value, char out[QUANTITY_TEXT_BYTES]) {
    if (kind == QUANTITY_NONE) {
        snprintf(out, QUANTITY_TEXT_BYTES, "%" PRId64, value);
        return out;
    }
    Wide magnitude = value < 0 ? -(Wide)value : (Wide)value;
    const QuantityUnit *unit = unit_for_writing(kind, (double)magnitude);
    // Units are 2^a 5^b, so the decimals end: at most 12 after the point, for picoseconds in
    // seconds.
    Wide whole = magnitude * unit->denominator / unit->numerator;
    Wide rest = magnitude * unit->denominator % unit->numerator;
    char decimals[32];
    int n = 0;
    while (rest > 0 && n < 30) {
        rest *= 10;
        decimals[n++] = (char)('0' + (int)(rest / unit->numerator));
        rest %= unit->numerator;
    }
    decimals[n] = '\0';
    snprintf(out, QUANTITY_TEXT_BYTES, "%s%" PRId64 "%s%s %s", value < 0 ? "-" : "", (int64_t)whole,
             n > 0 ? "." : "", decimals, unit->name);
    return out;
}

const char *quantity_write_real(QuantityKind kind, double value, char out[QUANTITY_TEXT_BYTES]) {
    const QuantityUnit *unit = kind == QUANTITY_NONE ? NULL : unit_for_writing(kind, fabs(value));
    double scale = unit ? (double)unit->denominator / (double)unit->numerator : 1.0;
    char number[QUANTITY_TEXT_BYTES] = "0";
    char reason[QUANTITY_REASON_BYTES];
    // Fewest decimals that read back to the same double; %f because exponents are no part of the
    // format.
    for (int digits = 0; digits <= DIGITS_MAX; digits++) {
        int length = snprintf(number, sizeof number, "%.*f", digits, value * scale);
        if (length < 0 || length > 40) break;
        snprintf(out, QUANTITY_TEXT_BYTES, "%.40s%s%s", number, unit ? " " : "",
                 unit ? unit->name : "");
        double back;
        if (quantity_parse_real(kind, out, &back, reason) && back == value) return out;
    }
    snprintf(out, QUANTITY_TEXT_BYTES, "%.40s%s%s", number, unit ? " " : "",
             unit ? unit->name : "");
    return out;
}
