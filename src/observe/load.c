#include "observe/load.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"

static const char LABEL[] = "load.links";

size_t load_sum_bytes(int32_t hot_links) {
    return sizeof(LoadSum) + sizeof(HotLink) * (size_t)hot_links;
}

/// Exact: delay of each link, then bytes of each byte it could carry.
static bool hotter(const HotLink *a, const HotLink *b) {
    Wide x = (Wide)a->total.delay_ps * b->width, y = (Wide)b->total.delay_ps * a->width;
    if (x != y) return x > y;
    x = (Wide)a->total.bytes * b->capacity_Bps;
    y = (Wide)b->total.bytes * a->capacity_Bps;
    return x != y ? x > y : a->total.link < b->total.link;
}

/// Bytes that fit through a resource in a span.
static double room_bytes(const Cluster *cluster, LinkId link, int64_t span_ps) {
    return (double)cluster_best_Bps(cluster, link) * ((double)span_ps / 1e12);
}

/// Whether a link belongs to the hottest so far.
static bool is_hot(const LoadSum *sum, int32_t hot_links, const HotLink *link) {
    if (sum->nhot < hot_links) return true;
    return hot_links > 0 && hotter(link, &sum->hot[hot_links - 1]);
}

/// The same for most links that do not, at once: they lose no time, and others do, or are as hot or hotter.
static inline bool is_cold(const LoadSum *sum, int32_t hot_links, const LinkSample *sample,
                           int64_t capacity_Bps) {
    if (sum->nhot < hot_links || sample->delay_ps > 0) return false;
    if (hot_links == 0) return true;
    const HotLink *least = &sum->hot[hot_links - 1];
    if (least->total.delay_ps > 0) return true;
    if (least->capacity_Bps != capacity_Bps || sample->bytes > least->total.bytes) return false;
    return sample->bytes < least->total.bytes || sample->link > least->total.link;
}

static void insert_hot(LoadSum *sum, int32_t hot_links, const HotLink *link) {
    int64_t i = sum->nhot < hot_links ? sum->nhot++ : sum->nhot - 1;
    for (; i > 0 && hotter(link, &sum->hot[i - 1]); i--) sum->hot[i] = sum->hot[i - 1];
    sum->hot[i] = *link;
}

static void add_tier(LoadTier *tier, const LoadTier *more) {
    tier->bytes += more->bytes;
    tier->delay_ps += more->delay_ps;
    tier->congested_ps += more->congested_ps;
    tier->nfull += more->nfull;
    if (more->utilisation_max > tier->utilisation_max)
        tier->utilisation_max = more->utilisation_max;
    for (int bin = 0; bin < TRACE_BINS; bin++) tier->histogram[bin] += more->histogram[bin];
}

static void add_ports(LoadPorts *ports, const LoadPorts *more) {
    ports->queue_byte_ps += more->queue_byte_ps;
    ports->paused_ps += more->paused_ps;
    if (more->queue_most > ports->queue_most) ports->queue_most = more->queue_most;
    ports->marks += more->marks;
    ports->drops += more->drops;
    ports->trims += more->trims;
    ports->reordered += more->reordered;
    for (int bin = 0; bin < TRACE_QUEUE_BINS; bin++) ports->histogram[bin] += more->histogram[bin];
}

static bool paused_before(const PausedLink *a, const PausedLink *b) {
    return a->paused_ps != b->paused_ps ? a->paused_ps > b->paused_ps : a->link < b->link;
}

/// Among those paused longest, if it belongs there.
static void insert_paused(LoadSum *sum, const PausedLink *link) {
    int64_t i = sum->npaused;
    if (i == TRACE_VICTIMS && !paused_before(link, &sum->paused[--i])) return;
    if (sum->npaused < TRACE_VICTIMS) sum->npaused++;
    for (; i > 0 && paused_before(link, &sum->paused[i - 1]); i--)
        sum->paused[i] = sum->paused[i - 1];
    sum->paused[i] = *link;
}

enum {
    PAGE_BITS = 12,
    PAGE = 1 << PAGE_BITS,
    PLACE_UNKNOWN = 0, ///< of a link on its page; else PLACE_CLASS + its class
    PLACE_CLASS = 2,
};

void load_adder_init(LoadAdder *adder, const Cluster *cluster, int32_t hot_links) {
    int64_t npages = (cluster_nresources(cluster) + PAGE - 1) >> PAGE_BITS;
    *adder = (LoadAdder){.cluster = cluster, .hot_links = hot_links, .npages = npages};
    adder->page = memory_alloc(LABEL, (size_t)npages * sizeof *adder->page);
}

void load_adder_fini(LoadAdder *adder) {
    for (int64_t p = 0; p < adder->npages; p++)
        memory_free(LABEL, adder->page[p], PAGE * sizeof **adder->page);
    memory_free(LABEL, adder->page, (size_t)adder->npages * sizeof *adder->page);
    array_free(&adder->classes);
    *adder = (LoadAdder){0};
}

/// Most bytes with trace_bin(bytes, capacity_bytes) <= bin. The quotient in trace_bin is rounded by a few parts in
/// 2^53: the answer is as near to where exact arithmetic puts it.
static int64_t most_in_bin(int bin, int64_t capacity_bytes) {
    int64_t middle = (int64_t)((double)capacity_bytes * bin / (TRACE_BINS - 1));
    int64_t slack = (middle >> 50) + 2;
    int64_t in = middle > slack ? middle - slack : 0, above = middle + slack;
    while (above - in > 1) {
        int64_t bytes = in + (above - in) / 2;
        *(trace_bin(bytes, capacity_bytes) <= bin ? &in : &above) = bytes;
    }
    return in;
}

static void set_bins(LoadBins *bins, int64_t capacity_Bps, int64_t span_ps) {
    bins->room_bytes = (double)capacity_Bps * ((double)span_ps / 1e12);
    int64_t capacity_bytes = bins->room_bytes >= 1 ? (int64_t)bins->room_bytes : 1;
    bins->bins_per_byte = (double)(TRACE_BINS - 1) / (double)capacity_bytes;
    for (int bin = 0; bin < TRACE_BINS - 1; bin++)
        bins->most_bytes[bin] = most_in_bin(bin, capacity_bytes);
    bins->most_bytes[TRACE_BINS - 1] = INT64_MAX;
}

/// Which of the known spans this one is; made in the place of the oldest if it is new.
static int32_t find_span(LoadAdder *adder, int64_t span_ps) {
    for (int32_t s = 0; s < adder->nspans; s++)
        if (adder->span_ps[s] == span_ps) return s;
    int32_t s = adder->nspans < LOAD_SPANS ? adder->nspans++ : (adder->span + 1) % LOAD_SPANS;
    adder->span_ps[s] = span_ps;
    for (int64_t i = 0; i < adder->classes.n; i++)
        set_bins(&adder->classes.at[i].bins[s], adder->classes.at[i].capacity_Bps, span_ps);
    return s;
}

void load_adder_into(LoadAdder *adder, LoadSum *sum) {
    for (int64_t i = 0; i < adder->classes.n; i++) {
        LoadClass *class = &adder->classes.at[i];
        class->most_bytes = 0;
        class->in = &sum->tier[class->tier][class->direction];
        class->ports = &sum->ports[class->tier][class->direction];
    }
    adder->sum = sum;
    adder->span = find_span(adder, sum->end_ps - sum->start_ps);
}

static int64_t class_of(LoadAdder *adder, LinkId link) {
    const Cluster *cluster = adder->cluster;
    LoadClass new = {.tier = cluster_link_tier(cluster, link),
                     .direction = (int32_t)cluster_link_direction(cluster, link),
                     .capacity_Bps = cluster_best_Bps(cluster, link),
                     .width = cluster_resource_width(cluster, link)};
    for (int64_t i = 0; i < adder->classes.n; i++) {
        const LoadClass *old = &adder->classes.at[i];
        if (old->tier == new.tier && old->direction == new.direction && old->width == new.width &&
            old->capacity_Bps == new.capacity_Bps)
            return i;
    }
    CHECK(adder->classes.n < UINT16_MAX - PLACE_CLASS, "links of more than %lld kinds",
          (long long)adder->classes.n);
    for (int32_t s = 0; s < adder->nspans; s++)
        set_bins(&new.bins[s], new.capacity_Bps, adder->span_ps[s]);
    new.in = &adder->sum->tier[new.tier][new.direction];
    new.ports = &adder->sum->ports[new.tier][new.direction];
    array_push(&adder->classes, new);
    return adder->classes.n - 1;
}

/// Fill in the place of a link that is met for the first time.
static uint16_t find_place(LoadAdder *adder, LinkId link) {
    uint16_t **page = &adder->page[link >> PAGE_BITS];
    if (!*page) *page = memory_alloc(LABEL, PAGE * sizeof **page);
    return (*page)[link & (PAGE - 1)] = (uint16_t)(class_of(adder, link) + PLACE_CLASS);
}

static inline uint16_t place_of(const LoadAdder *adder, LinkId link) {
    const uint16_t *page = adder->page[link >> PAGE_BITS];
    return page ? page[link & (PAGE - 1)] : PLACE_UNKNOWN;
}

/// As trace_bin: the product may be off by one bin where it is nearly whole.
static int bin_of(const LoadBins *bins, int64_t bytes) {
    if (bytes > bins->most_bytes[TRACE_BINS - 2]) return TRACE_BINS - 1;
    int bin = (int)((double)bytes * bins->bins_per_byte);
    bin += bytes > bins->most_bytes[bin];
    return bin + (bytes > bins->most_bytes[bin]);
}

static void raise_most(LoadClass *class, double room_bytes, int64_t bytes) {
    class->most_bytes = bytes;
    double share = room_bytes > 0 ? (double)bytes / room_bytes : 0;
    if (share > class->in->utilisation_max) class->in->utilisation_max = share;
}

/// The rest of it where transfers were held.
static void add_slow(LoadTier *tier, int64_t width, const LinkSample *sample, int64_t n) {
    tier->delay_ps += (Wide)n * sample->delay_ps;
    tier->congested_ps += (Wide)(n * width) * sample->congested_ps;
    tier->nfull += sample->delay_ps == WIDE_FULL ? n : 0;
}

/// Add the totals of `n` links of a class, but for the hottest.
static inline void add_totals(const LoadAdder *adder, uint16_t place, const LinkSample *sample,
                              int64_t n) {
    LoadClass *class = &adder->classes.at[place - PLACE_CLASS];
    const LoadBins *bins = &class->bins[adder->span];
    LoadTier *tier = class->in;
    tier->bytes += (Wide)n * sample->bytes;
    if (sample->delay_ps > 0 || sample->congested_ps > 0) add_slow(tier, class->width, sample, n);
    if (sample->bytes > class->most_bytes) raise_most(class, bins->room_bytes, sample->bytes);
    int bin = bin_of(bins, sample->bytes);
    if (bin > 0) tier->histogram[bin] += n * class->width;
}

static inline void add_hot(LoadAdder *adder, uint16_t place, const LinkSample *sample) {
    const LoadClass *class = &adder->classes.at[place - PLACE_CLASS];
    if (is_cold(adder->sum, adder->hot_links, sample, class->capacity_Bps)) return;
    if (sample->bytes == 0 && sample->delay_ps == 0 && sample->congested_ps == 0) return;
    HotLink link = {*sample, class->width, class->capacity_Bps, {0}};
    if (!is_hot(adder->sum, adder->hot_links, &link)) return;
    if (sample->port) link.port = *sample->port;
    link.port.reordered = 0; // known where packets end, perhaps to another rank
    link.total.port = NULL;
    insert_hot(adder->sum, adder->hot_links, &link);
}

/// What packets met at the port of a link.
static void add_port(LoadAdder *adder, uint16_t place, const LinkSample *sample) {
    const PortSample *port = sample->port;
    LoadPorts one = {.queue_byte_ps = port->queue_byte_ps,
                     .paused_ps = port->paused_ps,
                     .queue_most = port->queue_most,
                     .marks = port->marks,
                     .drops = port->drops,
                     .trims = port->trims,
                     .reordered = port->reordered};
    if (port->queue_most > 0) one.histogram[trace_queue_bin(port->queue_most)] = 1;
    add_ports(adder->classes.at[place - PLACE_CLASS].ports, &one);
    if (port->paused_ps > 0)
        insert_paused(adder->sum, &(PausedLink){sample->link, port->cause, port->paused_ps});
}

/// How many from the first on are of one class and have the same totals: links of one route often do.
static int64_t run_of_same(const LinkSample sample[], int64_t n, const uint16_t place[]) {
    int64_t same = 1;
    while (same < n && !sample[0].port && place[same] == place[0] &&
           sample[same].bytes == sample[0].bytes && sample[same].delay_ps == sample[0].delay_ps &&
           sample[same].congested_ps == sample[0].congested_ps)
        same++;
    return same;
}

void load_add_alike(LoadAdder *adder, const LinkSample *each, const LinkId link[], int64_t listed,
                    int64_t n) {
    CHECK(listed == n || listed >= adder->hot_links, "%lld links of %lld cannot fill %d places",
          (long long)listed, (long long)n, adder->hot_links);
    uint16_t place = place_of(adder, link[0]);
    if (place == PLACE_UNKNOWN) place = find_place(adder, link[0]);
    const LoadClass *class = &adder->classes.at[place - PLACE_CLASS];
    add_totals(adder, place, each, n);
    HotLink one = {*each, class->width, class->capacity_Bps, {0}};
    for (int64_t i = 0; i < listed; i++) {
        one.total.link = link[i];
        if (!is_hot(adder->sum, adder->hot_links, &one)) break; // nor are those after it
        insert_hot(adder->sum, adder->hot_links, &one);
    }
}

void load_add_link(LoadAdder *adder, LinkId link, int64_t bytes, int64_t delay_ps,
                   int64_t congested_ps) {
    if (bytes == 0 && delay_ps == 0 && congested_ps == 0) return;
    load_add(adder, &(LinkSample){link, bytes, delay_ps, congested_ps, NULL}, 1);
}

/// Places of all, then sums of all: what the places wait for memory they wait for together.
static void add_some(LoadAdder *adder, const LinkSample sample[], int64_t n, uint16_t place[]) {
    for (int64_t i = 0; i < n; i++) place[i] = place_of(adder, sample[i].link);
    for (int64_t i = 0; i < n; i++)
        if (place[i] == PLACE_UNKNOWN) place[i] = find_place(adder, sample[i].link);
    for (int64_t i = 0, same; i < n; i += same) {
        same = run_of_same(sample + i, n - i, place + i);
        add_totals(adder, place[i], &sample[i], same);
        if (sample[i].port) add_port(adder, place[i], &sample[i]);
    }
    for (int64_t i = 0; i < n; i++) add_hot(adder, place[i], &sample[i]);
}

void load_add(LoadAdder *adder, const LinkSample sample[], int64_t n) {
    enum { TOGETHER = 64 };
    uint16_t place[TOGETHER];
    for (int64_t i = 0; i < n; i += TOGETHER)
        add_some(adder, sample + i, n - i < TOGETHER ? n - i : TOGETHER, place);
}

void load_merge(const LoadSum *other, int32_t hot_links, LoadSum *sum) {
    for (int tier = 0; tier < TRACE_TIERS_MAX; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++)
            add_tier(&sum->tier[tier][d], &other->tier[tier][d]);
    for (int tier = 0; tier < TRACE_TIERS_MAX; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++)
            add_ports(&sum->ports[tier][d], &other->ports[tier][d]);
    for (int64_t i = 0; i < other->npaused; i++) insert_paused(sum, &other->paused[i]);
    for (int64_t i = 0; i < other->nhot; i++)
        if (is_hot(sum, hot_links, &other->hot[i])) insert_hot(sum, hot_links, &other->hot[i]);
}

static TracePort finish_port(const PortSample *port, int64_t span_ps) {
    return (TracePort){.queue_mean = (double)port->queue_byte_ps / (double)span_ps,
                       .queue_most = port->queue_most,
                       .pause_ps = port->paused_ps,
                       .marks = port->marks,
                       .drops = port->drops,
                       .reordered = port->reordered};
}

static void describe(const Cluster *cluster, const HotLink *link, int64_t span_ps,
                     TraceHotLink *hot) {
    const LinkSample *sample = &link->total;
    double room = room_bytes(cluster, sample->link, span_ps);
    *hot = (TraceHotLink){
        .link = sample->link,
        .tier = cluster_link_tier(cluster, sample->link),
        .direction = (int32_t)cluster_link_direction(cluster, sample->link),
        .utilisation = room > 0 ? (double)sample->bytes / room : 0,
        .width = link->width,
        .delay_ps = sample->delay_ps,
        .bytes = sample->bytes,
        .congested_ps = sample->congested_ps,
        .port = finish_port(&link->port, span_ps),
    };
    char name[CLUSTER_NAME_BYTES];
    cluster_link_name(cluster, sample->link, name);
    snprintf(hot->name, sizeof hot->name, "%.*s", (int)sizeof hot->name - 1, name);
}

static TraceTierLoad finish_tier(const Cluster *cluster, int32_t t, int64_t span_ps,
                                 const LoadTier *sum) {
    int64_t links = cluster_tier_links(cluster, t);
    double room =
        (double)links * (double)cluster_healthy_Bps(cluster, t) * ((double)span_ps / 1e12);
    TraceTierLoad tier = {.bytes = wide_word(sum->bytes),
                          .delay_ps = (double)sum->delay_ps,
                          .congested_ps = (double)sum->congested_ps,
                          .utilisation_mean = room > 0 ? (double)sum->bytes / room : 0,
                          .utilisation_max = sum->utilisation_max};
    memcpy(tier.histogram, sum->histogram, sizeof tier.histogram);
    tier.histogram[0] = links;
    for (int bin = 1; bin < TRACE_BINS; bin++) tier.histogram[0] -= tier.histogram[bin];
    return tier;
}

static void finish_ports(const Cluster *cluster, int32_t t, int64_t span_ps, const LoadPorts *sum,
                         TraceTierLoad *tier) {
    const int64_t links = cluster_tier_links(cluster, t);
    const double spans_ps = (double)links * (double)span_ps;
    tier->queue_mean = spans_ps > 0 ? (double)sum->queue_byte_ps / spans_ps : 0;
    tier->queue_most = sum->queue_most;
    tier->pause_ps = (double)sum->paused_ps;
    tier->marks = sum->marks;
    tier->drops = sum->drops;
    tier->trims = sum->trims;
    tier->reordered = sum->reordered;
    memcpy(tier->queue_histogram, sum->histogram, sizeof tier->queue_histogram);
    tier->queue_histogram[0] = links;
    for (int bin = 1; bin < TRACE_QUEUE_BINS; bin++)
        tier->queue_histogram[0] -= tier->queue_histogram[bin];
}

/// Who was paused, by whom, and why, by name.
static void describe_pauses(const Cluster *cluster, const LoadSum *sum, TraceLoad *load) {
    char name[CLUSTER_NAME_BYTES];
    load->npaused = (int32_t)sum->npaused;
    for (int64_t i = 0; i < sum->npaused; i++) {
        const PausedLink *paused = &sum->paused[i];
        TracePause *pause = &load->paused[i];
        *pause = (TracePause){
            .link = paused->link, .cause = paused->cause, .pause_ps = paused->paused_ps};
        cluster_link_name(cluster, paused->link, name);
        snprintf(pause->name, sizeof pause->name, "%.*s", (int)sizeof pause->name - 1, name);
        if (paused->cause < 0) continue;
        cluster_link_name(cluster, paused->cause, name);
        snprintf(pause->cause_name, sizeof pause->cause_name, "%.*s",
                 (int)sizeof pause->cause_name - 1, name);
    }
}

Status load_check(const Cluster *cluster, const LoadSum *sum) {
    for (int32_t t = 0; t < cluster_ntiers(cluster); t++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            const LoadTier *tier = &sum->tier[t][d];
            REQUIRE(tier->nfull == 0 && tier->bytes < WIDE_FULL, STATUS_FAILED,
                    "from %.6f to %.6f s, tier %s (%s): %s; a trace cannot hold that",
                    units_seconds_from_ps(sum->start_ps), units_seconds_from_ps(sum->end_ps),
                    cluster_tier_name(cluster, t), d == LINK_UP ? "up" : "down",
                    tier->bytes < WIDE_FULL
                        ? "transfers lose 106 days (2^63 ps) or more at one link"
                        : "links carry 2^63 bytes or more");
        }
    return status_ok();
}

void load_finish(const Cluster *cluster, const LoadSum *sum, TraceHotLink hot[], TraceLoad *load) {
    memset(load, 0, sizeof *load);
    int64_t span_ps = sum->end_ps - sum->start_ps;
    load->start_ps = sum->start_ps;
    load->end_ps = sum->end_ps;
    for (int32_t t = 0; t < cluster_ntiers(cluster); t++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            load->tier[t][d] = finish_tier(cluster, t, span_ps, &sum->tier[t][d]);
            finish_ports(cluster, t, span_ps, &sum->ports[t][d], &load->tier[t][d]);
        }
    describe_pauses(cluster, sum, load);
    for (int64_t i = 0; i < sum->nhot; i++) describe(cluster, &sum->hot[i], span_ps, &hot[i]);
    load->hot = hot;
    load->nhot = (int32_t)sum->nhot;
}
