/// claims.h: cmocka with what it needs before it, and a comparison of doubles (cmocka 1.1.5 has
/// floats only).
#ifndef COLOSSIM_TESTS_CLAIMS_H
#define COLOSSIM_TESTS_CLAIMS_H

// cmocka wants the first four before it.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <math.h>

/// |actual - expected| <= tolerance, absolute; prints the three numbers when it fails.
#define assert_close(actual, expected, tolerance)                                                  \
    do {                                                                                           \
        double close_a = (actual), close_e = (expected), close_t = (tolerance);                    \
        if (!(fabs(close_a - close_e) <= close_t))                                                 \
            fail_msg("%s is %.17g, expected %.17g within %g", #actual, close_a, close_e, close_t); \
    } while (0)

#endif
