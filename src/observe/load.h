/// load.h: from totals of links to what the trace holds of a step or an interval: tiers, histograms, hottest links.
///
/// Idea.    Each rank sums the links that its transfers load; a link's totals are known to one rank (rows.h sees to those
///          that several load), so sums of ranks merge exactly: they are integers, and the hottest links are a total order:
///          most delay, then highest utilisation, then least id. So links may come in any order. A link may be a bundle
///          (spray, adaptive): it counts as its links, over which its bytes and delay spread evenly, and which are all
///          congested when it is.
///          Sums are wide: 2^63 ps are 106 days, which many transfers together may well lose in a second.
///          An adder keeps what a link would otherwise have to be asked each time: its class, which is the tier,
///          direction, capacity and width it shares with thousands of others, in 2 bytes a link; and for each class the
///          most bytes of every bin of the histogram, so that a link costs one multiplication and no division.
#ifndef COLOSSIM_OBSERVE_LOAD_H
#define COLOSSIM_OBSERVE_LOAD_H

#include "base/array.h"
#include "base/wide.h"
#include "cluster/cluster.h"
#include "engine/engine.h"
#include "observe/chosen.h"
#include "trace/trace.h"

/// One of the hottest: a link, or a bundle of `width` links that are as hot.
typedef struct HotLink {
    LinkSample total;
    int64_t width, capacity_Bps;
    PortSample port; ///< of an engine that knows packets; total.port is NULL
} HotLink;

/// Sums over the links of a tier and direction.
typedef struct LoadTier {
    LooseWide bytes, delay_ps, congested_ps;
    double utilisation_max;
    int64_t nfull;                 ///< links whose delay is WIDE_FULL
    int64_t histogram[TRACE_BINS]; ///< idle links not counted in [0]
} LoadTier;

/// Sums over the ports of a tier and direction.
typedef struct LoadPorts {
    LooseWide queue_byte_ps, paused_ps;
    int64_t queue_most, marks, drops, trims, reordered;
    int64_t histogram
        [TRACE_QUEUE_BINS]; ///< by their largest queue; those without one not counted in [0]
} LoadPorts;

/// One of the links that were paused longest.
typedef struct PausedLink {
    LinkId link, cause;
    int64_t paused_ps;
} PausedLink;

/// Part of a span's load; plain bytes, so that ranks can hand it over.
typedef struct LoadSum {
    int64_t start_ps, end_ps;
    LoadTier tier[TRACE_TIERS_MAX][TRACE_DIRECTIONS];
    LoadPorts ports[TRACE_TIERS_MAX][TRACE_DIRECTIONS]; ///< of engines that know packets
    int64_t npaused;
    PausedLink paused[TRACE_VICTIMS]; ///< longest first, then by id
    int64_t nhot;
    HotLink hot[]; ///< [hot_links], hottest first
} LoadSum;

/// Bins of the histogram of a class of links in a span.
typedef struct LoadBins {
    int64_t most_bytes[TRACE_BINS]; ///< of a link in each bin, ascending
    double bins_per_byte;
    double room_bytes; ///< what fits through one of the links in the span
} LoadBins;

/// Sums of intervals of several widths take turns.
enum { LOAD_SPANS = 8 };

/// Links that differ in nothing that a sum looks at.
typedef struct LoadClass {
    int32_t tier, direction;
    int64_t capacity_Bps, width;
    LoadBins bins[LOAD_SPANS]; ///< of the spans that the adder knows
    int64_t most_bytes;        ///< of those added to the present sum
    LoadTier *in;              ///< the tier and direction in the present sum
    LoadPorts *ports;          ///< likewise
} LoadClass;

/// Adds links to one sum after another; set by load_adder_init, its members are load.c's.
typedef struct LoadAdder {
    const Cluster *cluster;
    LoadSum *sum;
    int64_t span_ps[LOAD_SPANS]; ///< that there are bins for
    int32_t nspans, span;        ///< how many; which one the present sum has
    int32_t hot_links;
    const ChosenLinks *chosen; ///< borrowed; what rows (rows.h) keep beside the sums
    bool divided;              ///< several ranks load links; false until its owner says so
    uint16_t **page;           ///< [npages] what a link is by id, pages made on demand
    int64_t npages;
    ARRAY_OF(LoadClass) classes;
} LoadAdder;

size_t load_sum_bytes(int32_t hot_links);

/// `cluster` is borrowed.
void load_adder_init(LoadAdder *adder, const Cluster *cluster, int32_t hot_links);
/// Legal for a zeroed adder, and twice.
void load_adder_fini(LoadAdder *adder);
/// From now on add to `sum`, borrowed: of load_sum_bytes(hot_links), zeroed but for its span, or filled by an adder
/// before. Sums may take turns; a change to a span as long as one of the last few costs a few stores for each class
/// (there are about ten), to another length a microsecond for each.
void load_adder_into(LoadAdder *adder, LoadSum *sum);
/// Add the totals of a link (or bundle) over the span of the present sum, once for each link and span: bin and
/// hotness are of the total, so parts of a link's bytes must have been added up before. Order is free.
///   link                              0 .. cluster_nresources - 1
///   bytes, delay_ps, congested_ps   as in LinkSample, >= 0; all 0 is legal and adds nothing
///   MPI: local.   Cost: about 15 ns; the first time for a link about 100 ns.
void load_add_link(LoadAdder *adder, LinkId link, int64_t bytes, int64_t delay_ps,
                   int64_t congested_ps);
/// The same for sample[n], of which each has something that is not 0.
void load_add(LoadAdder *adder, const LinkSample sample[], int64_t n);
/// The same for n links, all of one tier, direction and capacity, with the totals of `each`.
///   link[listed]  the least of them, ascending: all, or as many as there are places among the hottest
///   Cost: as one link, and a few for the hottest.
void load_add_alike(LoadAdder *adder, const LinkSample *each, const LinkId link[], int64_t listed,
                    int64_t n);
/// Merge the sum of another rank of the same span.
void load_merge(const LoadSum *other, int32_t hot_links, LoadSum *sum);
/// Can a trace hold a sum? Words hold the bytes of a tier, and bytes and delay of one link.  Fails: STATUS_FAILED.
Status load_check(const Cluster *cluster, const LoadSum *sum);
/// What the trace wants.
///   hot[hot_links]  out, storage that load->hot borrows; named, users left empty
void load_finish(const Cluster *cluster, const LoadSum *sum, TraceHotLink hot[], TraceLoad *load);

#endif
