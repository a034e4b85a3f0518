#include "base/units.h"

#include <math.h>

#include "base/check.h"

int64_t units_ps_from_seconds(double seconds) {
    CHECK(fabs(seconds) < 9.2e6, "%g s does not fit into 64-bit picoseconds", seconds);
    return (int64_t)llround(seconds * 1e12);
}
