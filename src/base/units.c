#include "base/units.h"

#include <math.h>

#include "base/check.h"
#include "base/wide.h"

int64_t units_ps_from_seconds(double seconds) {
    CHECK(fabs(seconds) < 9.2e6, "%g s does not fit into 64-bit picoseconds", seconds);
    return (int64_t)llround(seconds * 1e12);
}

int64_t units_ps_for_bytes(int64_t bytes, int64_t rate_Bps) {
    CHECK(bytes >= 0 && rate_Bps > 0, "%lld B at %lld B/s", (long long)bytes, (long long)rate_Bps);
    Wide time_ps = ((Wide)bytes * PS_PER_S + rate_Bps - 1) / rate_Bps;
    CHECK(time_ps < (Wide)TIME_NEVER_PS, "%lld B at %lld B/s takes longer than 106 days",
          (long long)bytes, (long long)rate_Bps);
    return (int64_t)time_ps;
}
