#include "workload/traffic.h"

#include <stdbool.h>

#include "base/array.h"
#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"
#include "workload/traffic_csv.h"

static const char *const traffic_memory = "traffic";

enum { TRAFFIC_FLOWS_MAX = 1 << 24 }; ///< a flow takes about 200 bytes of a run
#define TRAFFIC_BYTES_MAX (INT64_C(1) << 60)

struct Traffic {
    TrafficSpec spec;
    int64_t ranks, nflows;
    int64_t *permutation;     ///< [ranks], for TRAFFIC_PERMUTATION
    ARRAY_OF(int64_t) silent; ///< ranks that would send to themselves, ascending
    TrafficFlows flows;       ///< for TRAFFIC_FLOWS
    int32_t ranks_per_node;
    int64_t *group_end; ///< [ngroups], for TRAFFIC_ALL_TO_ALL: flows of all groups up to this one
    int64_t ngroups;
};

/// The ranks of a group by node: the inner blocks are whole nodes, the outer two may be less.
typedef struct GroupBlocks {
    int64_t first, end; ///< job ranks
    int64_t first_node, n;
} GroupBlocks;

const char *traffic_pattern_name(TrafficPattern pattern) {
    static const char *const name[TRAFFIC_PATTERN_N] = {
        [TRAFFIC_PERMUTATION] = "permutation",
        [TRAFFIC_SHIFT] = "shift",
        [TRAFFIC_RING] = "ring",
        [TRAFFIC_INCAST] = "incast",
        [TRAFFIC_ALL_TO_ALL] = "all_to_all",
        [TRAFFIC_COLLECTIVE] = "collective",
        [TRAFFIC_FLOWS] = "flows",
        [TRAFFIC_OPERATIONS] = "operations",
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

static Status traffic_check_spec(const TrafficSpec *spec, int64_t ranks) {
    REQUIRE(traffic_has_table(spec->pattern) || spec->bytes >= 1, STATUS_RANGE,
            "traffic %s needs a size of at least 1 B, not %lld",
            traffic_pattern_name(spec->pattern), (long long)spec->bytes);
    REQUIRE(spec->pattern != TRAFFIC_INCAST || spec->fan_in >= 1, STATUS_RANGE,
            "traffic incast needs a fan-in of at least 1, not %lld", (long long)spec->fan_in);
    REQUIRE(spec->pattern != TRAFFIC_SHIFT || spec->shift >= 0, STATUS_RANGE,
            "traffic shift needs a shift of at least 0, not %lld", (long long)spec->shift);
    REQUIRE(traffic_is_graph(spec->pattern) || ranks <= TRAFFIC_FLOWS_MAX, STATUS_RANGE,
            "traffic %s among %lld ranks; at most %d are supported",
            traffic_pattern_name(spec->pattern), (long long)ranks, TRAFFIC_FLOWS_MAX);
    return status_ok();
}

static GroupBlocks group_blocks(const Traffic *traffic, int64_t group) {
    int64_t size = traffic->spec.group, per_node = traffic->ranks_per_node;
    GroupBlocks blocks = {.first = group * size, .end = (group + 1) * size};
    blocks.first_node = blocks.first / per_node;
    blocks.n = (blocks.end - 1) / per_node - blocks.first_node + 1;
    return blocks;
}

static int64_t block_first(const Traffic *traffic, const GroupBlocks *blocks, int64_t b) {
    return b == 0 ? blocks->first : (blocks->first_node + b) * traffic->ranks_per_node;
}

static int32_t block_nranks(const Traffic *traffic, const GroupBlocks *blocks, int64_t b) {
    int64_t end = b == blocks->n - 1 ? blocks->end : block_first(traffic, blocks, b + 1);
    return (int32_t)(end - block_first(traffic, blocks, b));
}

/// Flows from block b of a group: to all blocks, to itself only if it has two ranks.
static int64_t block_nflows(const Traffic *traffic, const GroupBlocks *blocks, int64_t b) {
    return blocks->n - (block_nranks(traffic, blocks, b) == 1);
}

/// Flows from the blocks before b: all inner ones have as many.
static int64_t flows_before_block(const Traffic *traffic, const GroupBlocks *blocks, int64_t b) {
    if (b == 0) return 0;
    int64_t inner = b > 1 ? (b - 1) * (blocks->n - (traffic->ranks_per_node == 1)) : 0;
    return block_nflows(traffic, blocks, 0) + inner;
}

static Status traffic_fill_all_to_all(Traffic *traffic) {
    int64_t ranks = traffic->ranks;
    if (traffic->spec.group == 0) traffic->spec.group = ranks;
    REQUIRE(ranks >= 2 && ranks <= INT32_MAX, STATUS_RANGE, "traffic all_to_all among %lld ranks",
            (long long)ranks);
    REQUIRE(traffic->spec.group >= 2 && ranks % traffic->spec.group == 0, STATUS_RANGE,
            "traffic all_to_all in groups of %lld, but among %lld ranks",
            (long long)traffic->spec.group, (long long)ranks);
    traffic->ngroups = ranks / traffic->spec.group;
    traffic->group_end =
        memory_alloc(traffic_memory, (size_t)traffic->ngroups * sizeof *traffic->group_end);
    for (int64_t g = 0; g < traffic->ngroups; g++) {
        GroupBlocks blocks = group_blocks(traffic, g);
        int64_t last = blocks.n - 1;
        traffic->nflows +=
            flows_before_block(traffic, &blocks, last) + block_nflows(traffic, &blocks, last);
        REQUIRE(traffic->nflows <= TRAFFIC_FLOWS_MAX, STATUS_RANGE,
                "traffic all_to_all in groups of %lld has more than %d flows between nodes",
                (long long)traffic->spec.group, TRAFFIC_FLOWS_MAX);
        traffic->group_end[g] = traffic->nflows;
    }
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

/// Sums over flows, ranks and links fit 63 bits, with room for the links of a path.
static Status check_total(const Traffic *traffic) {
    Wide total = 0;
    for (int64_t i = 0; i < traffic->nflows; i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        total += (Wide)flow.bytes * traffic_flow_npairs(&flow);
    }
    REQUIRE(total < TRAFFIC_BYTES_MAX, STATUS_RANGE,
            "traffic of %.3g bytes in all; at most %.3g are supported", (double)total,
            (double)TRAFFIC_BYTES_MAX);
    return status_ok();
}

static Status traffic_fill(Traffic *traffic, const char *csv_text) {
    switch (traffic->spec.pattern) {
        case TRAFFIC_COLLECTIVE:
        case TRAFFIC_OPERATIONS: return status_ok();
        case TRAFFIC_FLOWS:
            CHECK(csv_text != NULL, "flows without the text of their file");
            TRY(traffic_csv_parse(traffic->spec.file, csv_text, traffic->ranks, &traffic->flows));
            traffic->nflows = traffic->flows.n;
            return status_ok();
        case TRAFFIC_ALL_TO_ALL: return traffic_fill_all_to_all(traffic);
        default: return traffic_fill_pattern(traffic);
    }
}

Status traffic_create(const TrafficSpec *spec, int64_t ranks, int32_t ranks_per_node,
                      const char *csv_text, Traffic **traffic) {
    *traffic = NULL;
    CHECK(ranks > 0 && ranks_per_node > 0, "traffic among %lld ranks, %d a node", (long long)ranks,
          ranks_per_node);
    TRY(traffic_check_spec(spec, ranks));
    Traffic *made = memory_alloc(traffic_memory, sizeof *made);
    made->spec = *spec;
    made->ranks = ranks;
    made->ranks_per_node = ranks_per_node;
    Status status = traffic_fill(made, csv_text);
    if (status_is_ok(&status)) status = check_total(made);
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
    memory_free(traffic_memory, traffic->group_end,
                (size_t)traffic->ngroups * sizeof *traffic->group_end);
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

/// Block of flow i of a group, and how many flows from that block come before it.
static int64_t find_block(const Traffic *traffic, const GroupBlocks *blocks, int64_t i,
                          int64_t *before) {
    int64_t outer = block_nflows(traffic, blocks, 0),
            inner = blocks->n - (traffic->ranks_per_node == 1);
    int64_t b = i < outer ? 0 : 1 + (i - outer) / inner;
    *before = i - flows_before_block(traffic, blocks, b);
    return b;
}

/// From each block to the next ones, around, and last to itself.
static TrafficFlow all_to_all_flow(const Traffic *traffic, int64_t i) {
    int64_t low = 0, high = traffic->ngroups - 1, before;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (traffic->group_end[middle] <= i) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    GroupBlocks blocks = group_blocks(traffic, low);
    if (low > 0) i -= traffic->group_end[low - 1];
    int64_t from = find_block(traffic, &blocks, i, &before), to = (from + 1 + before) % blocks.n;
    return (TrafficFlow){.src = block_first(traffic, &blocks, from),
                         .dst = block_first(traffic, &blocks, to),
                         .nsrc = block_nranks(traffic, &blocks, from),
                         .ndst = block_nranks(traffic, &blocks, to),
                         .bytes = traffic->spec.bytes};
}

TrafficFlow traffic_flow(const Traffic *traffic, int64_t i) {
    DCHECK(i >= 0 && i < traffic->nflows, "flow %lld of %lld", (long long)i,
           (long long)traffic->nflows);
    if (traffic->spec.pattern == TRAFFIC_FLOWS) return traffic->flows.at[i];
    if (traffic->spec.pattern == TRAFFIC_ALL_TO_ALL) return all_to_all_flow(traffic, i);
    int64_t src = traffic_source(traffic, i);
    return (TrafficFlow){.src = src,
                         .dst = traffic_destination(traffic, src),
                         .nsrc = 1,
                         .ndst = 1,
                         .bytes = traffic->spec.bytes};
}

int64_t traffic_flow_npairs(const TrafficFlow *flow) {
    return (int64_t)flow->nsrc * (flow->src == flow->dst ? flow->ndst - 1 : flow->ndst);
}

TrafficPair traffic_flow_pair(const TrafficFlow *flow, int64_t i) {
    if (flow->src != flow->dst)
        return (TrafficPair){(int32_t)(i / flow->ndst), (int32_t)(i % flow->ndst)};
    int32_t others = flow->ndst - 1, src = (int32_t)(i / others), ahead = (int32_t)(i % others) + 1;
    return (TrafficPair){src, (src + ahead) % flow->ndst};
}

int64_t traffic_busiest_bytes(const Traffic *traffic) {
    const size_t bytes_of_ranks = sizeof(int64_t) * (size_t)(2 * traffic->ranks);
    int64_t *load = memory_alloc("traffic.load", bytes_of_ranks), busiest = 0;
    for (int64_t i = 0; i < traffic_nflows(traffic); i++) {
        const TrafficFlow flow = traffic_flow(traffic, i);
        const int64_t npairs = traffic_flow_npairs(&flow);
        for (int32_t k = 0; k < flow.nsrc; k++)
            load[2 * (flow.src + k)] += npairs / flow.nsrc * flow.bytes;
        for (int32_t k = 0; k < flow.ndst; k++)
            load[2 * (flow.dst + k) + 1] += npairs / flow.ndst * flow.bytes;
    }
    for (int64_t k = 0; k < 2 * traffic->ranks; k++)
        if (load[k] > busiest) busiest = load[k];
    memory_free("traffic.load", load, bytes_of_ranks);
    return busiest;
}

int64_t traffic_latest_ps(const Traffic *traffic) {
    int64_t latest_ps = 0;
    for (int64_t i = 0; i < traffic_nflows(traffic); i++)
        if (traffic_flow(traffic, i).start_ps > latest_ps)
            latest_ps = traffic_flow(traffic, i).start_ps;
    return latest_ps;
}
