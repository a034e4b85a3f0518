#include "driver/load.h"

#include <stdio.h>
#include <string.h>

size_t load_sum_bytes(int32_t hot_links) {
    return sizeof(LoadSum) + sizeof(LinkSample) * (size_t)hot_links;
}

static bool hotter(const LinkSample *a, const LinkSample *b) {
    if (a->lost_bytes != b->lost_bytes) return a->lost_bytes > b->lost_bytes;
    if (a->bytes != b->bytes) return a->bytes > b->bytes;
    return a->link < b->link;
}

/// Bytes that fit through a resource in a span.
static double room_bytes(const Cluster *cluster, LinkId link, int64_t span_ps) {
    return (double)cluster_capacity_Bps(cluster, link) * ((double)span_ps / 1e12);
}

static void insert_hot(LoadSum *sum, int32_t hot_links, const LinkSample *sample) {
    if (sum->nhot == hot_links && (hot_links == 0 || !hotter(sample, &sum->hot[sum->nhot - 1])))
        return;
    int64_t i = sum->nhot < hot_links ? sum->nhot++ : sum->nhot - 1;
    for (; i > 0 && hotter(sample, &sum->hot[i - 1]); i--) sum->hot[i] = sum->hot[i - 1];
    sum->hot[i] = *sample;
}

static void add_tier(TraceTierLoad *tier, const TraceTierLoad *more) {
    tier->bytes += more->bytes;
    tier->lost_bytes += more->lost_bytes;
    tier->congested_ps += more->congested_ps;
    if (more->utilisation_max > tier->utilisation_max)
        tier->utilisation_max = more->utilisation_max;
    for (int bin = 0; bin < TRACE_BINS; bin++) tier->histogram[bin] += more->histogram[bin];
}

/// Resources that are looked up once: the healthy links of one tier and direction, or a single resource.
typedef struct Range {
    LinkId first, end;
    TraceTierLoad *tier;
    double room; ///< bytes that fit through one of them in the span
    int64_t width;
} Range;

static Range range_of(const Cluster *cluster, LinkId link, LoadSum *sum) {
    int32_t tier = cluster_link_tier(cluster, link);
    LinkDirection direction = cluster_link_direction(cluster, link);
    Range range = {.first = link,
                   .end = link + 1,
                   .tier = &sum->tier[tier][direction],
                   .room = room_bytes(cluster, link, sum->end_ps - sum->start_ps),
                   .width = cluster_resource_width(cluster, link)};
    if (cluster_spec(cluster)->nfaults > 0 || link >= cluster_nlinks(cluster)) return range;
    range.first = cluster_first_link(cluster, tier, direction);
    range.end = range.first + cluster_tier_links(cluster, tier);
    return range;
}

static void add_sample(const LinkSample *sample, const Range *range) {
    TraceTierLoad *tier = range->tier;
    double share = range->room > 0 ? (double)sample->bytes / range->room : 0;
    tier->bytes += sample->bytes;
    tier->lost_bytes += sample->lost_bytes;
    tier->congested_ps += sample->congested_ps;
    if (share > tier->utilisation_max) tier->utilisation_max = share;
    int bin = trace_bin(sample->bytes, range->room >= 1 ? (int64_t)range->room : 1);
    if (bin > 0) tier->histogram[bin] += range->width;
}

bool load_owns(const LoadOwner *owner, LinkId link) {
    if (owner->nodes.nranks == 1) return true;
    GpuId first = cluster_first_gpu_below(owner->cluster, link);
    return partition_owner(&owner->nodes, cluster_node_of(owner->cluster, first)) == owner->rank;
}

void load_add(const LoadOwner *owner, const LinkSample sample[], int64_t n, int32_t hot_links,
              LoadSum *sum) {
    Range range = {0};
    for (int64_t i = 0; i < n; i++) {
        if (!load_owns(owner, sample[i].link)) continue;
        if (sample[i].link < range.first || sample[i].link >= range.end)
            range = range_of(owner->cluster, sample[i].link, sum);
        add_sample(&sample[i], &range);
        insert_hot(sum, hot_links, &sample[i]);
    }
}

void load_merge(const LoadSum *other, int32_t hot_links, LoadSum *sum) {
    for (int tier = 0; tier < TRACE_TIERS_MAX; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++)
            add_tier(&sum->tier[tier][d], &other->tier[tier][d]);
    for (int64_t i = 0; i < other->nhot; i++) insert_hot(sum, hot_links, &other->hot[i]);
}

static void describe(const Cluster *cluster, const LinkSample *sample, int64_t span_ps,
                     TraceHotLink *hot) {
    double room = room_bytes(cluster, sample->link, span_ps);
    *hot = (TraceHotLink){
        .link = sample->link,
        .tier = cluster_link_tier(cluster, sample->link),
        .direction = (int32_t)cluster_link_direction(cluster, sample->link),
        .utilisation = room > 0 ? (double)sample->bytes / room : 0,
        .lost_bytes = sample->lost_bytes,
        .bytes = sample->bytes,
        .congested_ps = sample->congested_ps,
    };
    char name[CLUSTER_NAME_BYTES];
    cluster_link_name(cluster, sample->link, name);
    snprintf(hot->name, sizeof hot->name, "%.*s", (int)sizeof hot->name - 1, name);
}

static void finish_tier(const Cluster *cluster, int32_t t, int64_t span_ps, TraceTierLoad *tier) {
    int64_t links = cluster_tier_links(cluster, t);
    double room =
        (double)links * (double)cluster_healthy_Bps(cluster, t) * ((double)span_ps / 1e12);
    if (room > 0) tier->utilisation_mean = (double)tier->bytes / room;
    tier->histogram[0] = links;
    for (int bin = 1; bin < TRACE_BINS; bin++) tier->histogram[0] -= tier->histogram[bin];
}

void load_finish(const Cluster *cluster, const LoadSum *sum, TraceHotLink hot[], TraceLoad *load) {
    memset(load, 0, sizeof *load);
    int64_t span_ps = sum->end_ps - sum->start_ps;
    load->start_ps = sum->start_ps;
    load->end_ps = sum->end_ps;
    memcpy(load->tier, sum->tier, sizeof load->tier);
    for (int32_t t = 0; t <= cluster_spec(cluster)->ntiers; t++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++)
            finish_tier(cluster, t, span_ps, &load->tier[t][d]);
    for (int64_t i = 0; i < sum->nhot; i++) describe(cluster, &sum->hot[i], span_ps, &hot[i]);
    load->hot = hot;
    load->nhot = (int32_t)sum->nhot;
}
