#include "workload/traffic.h"

#include <stdbool.h>

#include "base/array.h"
#include "base/check.h"
#include "base/memory.h"
#include "workload/traffic_csv.h"

static const char *const traffic_memory = "traffic";

struct Traffic {
    TrafficSpec spec;
    int64_t ranks, nflows;
    int64_t *permutation;     ///< [ranks], for TRAFFIC_PERMUTATION
    ARRAY_OF(int64_t) silent; ///< ranks that would send to themselves, ascending
    TrafficFlows flows;       ///< for TRAFFIC_FLOWS
};

const char *traffic_pattern_name(TrafficPattern pattern) {
    static const char *const name[TRAFFIC_PATTERN_N] = {
        [TRAFFIC_PERMUTATION] = "permutation",
        [TRAFFIC_SHIFT] = "shift",
        [TRAFFIC_RING] = "ring",
        [TRAFFIC_INCAST] = "incast",
        [TRAFFIC_ALL_TO_ALL] = "all_to_all",
        [TRAFFIC_COLLECTIVE] = "collective",
        [TRAFFIC_FLOWS] = "flows",
    };
    CHECK(pattern >= 0 && pattern < TRAFFIC_PATTERN_N, "traffic pattern %d", (int)pattern);
    return name[pattern];
}

static void traffic_fill_permutation(Traffic *traffic) {
    int64_t *at = memory_alloc(traffic_memory, (size_t)traffic->ranks * sizeof(int64_t));
    for (int64_t i = 0; i < traffic->ranks; i++) at[i] = i;
    uint64_t state = traffic->spec.seed;
    for (int64_t i = traffic->ranks - 1; i > 0; i--) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t j = (int64_t)((state >> 33) % (uint64_t)(i + 1)), swapped = at[i];
        at[i] = at[j];
        at[j] = swapped;
    }
    traffic->permutation = at;
}

/// Where a rank sends in the patterns of one flow a rank; itself: nowhere.
static int64_t traffic_destination(const Traffic *traffic, int64_t src) {
    int64_t n = traffic->ranks, fan_in = traffic->spec.fan_in;
    switch (traffic->spec.pattern) {
        case TRAFFIC_PERMUTATION: return traffic->permutation[src];
        case TRAFFIC_SHIFT: return (src + traffic->spec.shift) % n;
        case TRAFFIC_RING: return (src + 1) % n;
        case TRAFFIC_INCAST: return fan_in * ((src + n / 2) / fan_in) % n;
        default:
            CHECK(false, "%s has no single destination",
                  traffic_pattern_name(traffic->spec.pattern));
    }
}

static Status traffic_check_spec(const TrafficSpec *spec) {
    REQUIRE(spec->pattern == TRAFFIC_FLOWS || spec->bytes >= 1, STATUS_RANGE,
            "traffic %s needs a size of at least 1 B, not %lld",
            traffic_pattern_name(spec->pattern), (long long)spec->bytes);
    REQUIRE(spec->pattern != TRAFFIC_INCAST || spec->fan_in >= 1, STATUS_RANGE,
            "traffic incast needs a fan-in of at least 1, not %lld", (long long)spec->fan_in);
    REQUIRE(spec->pattern != TRAFFIC_SHIFT || spec->shift >= 0, STATUS_RANGE,
            "traffic shift needs a shift of at least 0, not %lld", (long long)spec->shift);
    return status_ok();
}

/// Patterns of one flow a rank: find who stays silent.
static Status traffic_fill_pattern(Traffic *traffic) {
    if (traffic->spec.pattern == TRAFFIC_PERMUTATION) traffic_fill_permutation(traffic);
    if (traffic->spec.pattern == TRAFFIC_SHIFT) {
        int64_t shift = traffic->spec.shift;
        traffic->spec.shift = (shift == 0 ? traffic->ranks / 2 : shift) % traffic->ranks;
    }
    for (int64_t i = 0; i < traffic->ranks; i++) {
        if (traffic_destination(traffic, i) == i) array_push(&traffic->silent, i);
    }
    traffic->nflows = traffic->ranks - traffic->silent.n;
    REQUIRE(traffic->nflows > 0, STATUS_RANGE,
            "traffic %s among %lld ranks has no flow but to itself",
            traffic_pattern_name(traffic->spec.pattern), (long long)traffic->ranks);
    return status_ok();
}

static Status traffic_fill(Traffic *traffic, const char *csv_text) {
    switch (traffic->spec.pattern) {
        case TRAFFIC_COLLECTIVE: return status_ok();
        case TRAFFIC_FLOWS:
            CHECK(csv_text != NULL, "flows without the text of their file");
            TRY(traffic_csv_parse(traffic->spec.file, csv_text, traffic->ranks, &traffic->flows));
            traffic->nflows = traffic->flows.n;
            return status_ok();
        case TRAFFIC_ALL_TO_ALL:
            REQUIRE(traffic->ranks >= 2 && traffic->ranks <= INT32_MAX, STATUS_RANGE,
                    "traffic all_to_all among %lld ranks", (long long)traffic->ranks);
            traffic->nflows = traffic->ranks * (traffic->ranks - 1);
            return status_ok();
        default: return traffic_fill_pattern(traffic);
    }
}

Status traffic_create(const TrafficSpec *spec, int64_t ranks, const char *csv_text,
                      Traffic **traffic) {
    *traffic = NULL;
    CHECK(ranks > 0, "traffic among %lld ranks", (long long)ranks);
    TRY(traffic_check_spec(spec));
    Traffic *made = memory_alloc(traffic_memory, sizeof *made);
    made->spec = *spec;
    made->ranks = ranks;
    Status status = traffic_fill(made, csv_text);
    if (status_is_ok(&status)) {
        *traffic = made;
    } else {
        traffic_destroy(made);
    }
    return status;
}

void traffic_destroy(Traffic *traffic) {
    if (!traffic) return;
    if (traffic->permutation) {
        memory_free(traffic_memory, traffic->permutation, (size_t)traffic->ranks * sizeof(int64_t));
    }
    array_free(&traffic->silent);
    array_free(&traffic->flows);
    memory_free(traffic_memory, traffic, sizeof *traffic);
}

int64_t traffic_nflows(const Traffic *traffic) { return traffic->nflows; }

/// Source of flow i: the i-th rank that is not silent. silent[k] - k ranks before silent[k] do
/// send.
static int64_t traffic_source(const Traffic *traffic, int64_t i) {
    int64_t low = 0, high = traffic->silent.n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (traffic->silent.at[middle] - middle <= i) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return i + low;
}

TrafficFlow traffic_flow(const Traffic *traffic, int64_t i) {
    DCHECK(i >= 0 && i < traffic->nflows, "flow %lld of %lld", (long long)i,
           (long long)traffic->nflows);
    if (traffic->spec.pattern == TRAFFIC_FLOWS) return traffic->flows.at[i];
    TrafficFlow flow = {.bytes = traffic->spec.bytes};
    if (traffic->spec.pattern == TRAFFIC_ALL_TO_ALL) {
        int64_t others = traffic->ranks - 1;
        flow.src = i / others;
        flow.dst = (flow.src + 1 + i % others) % traffic->ranks;
    } else {
        flow.src = traffic_source(traffic, i);
        flow.dst = traffic_destination(traffic, flow.src);
    }
    return flow;
}
