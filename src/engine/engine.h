/// engine.h: the second waist: transfers in, completions out. How long does it take to move these
/// bytes?
///
/// Idea.    A Transfer is a set of edges that progress together: one message, the rails of a node
///          side by side, or all edges of a pipelined collective. While it has progressed by one
///          byte, each edge has carried `weight` bytes from src to dst. It starts at a time that
///          the caller has fixed (launch and protocol latency included) and the engine says when
///          its last byte arrives. An engine knows bytes, endpoints and links; never transformers,
///          groups or files.
///          A collective of R rounds waits R latencies: alone it takes R * round_latency +
///          bytes / B. That is a cap on its rate; what serial time remains (filling a pipeline) is
///          part of start_ps. A transfer of no bytes loads no link and takes R * round_latency: it completes at
///          start_ps if there are no rounds. Nothing ends before its alone-time.
///
///              create -> submit ... -> next_ps -> advance -> drain -> submit ... -> step_links -> step_clear -> destroy
///                                         ^----------------------------'
///
///          The outcome depends on the transfers alone: not on the order in which they are submitted, nor on the
///          instants advanced to.
///
///          Who costs whom. While a transfer runs below its alone-rate, one link binds it. What it loses in time then, the
///          others on that link cost it, each in proportion to the rate that it has there; one that has ended counts as
///          long as it is felt. Itself it costs nothing, so of n equal transfers on a link each costs each other the time
///          it takes alone: as much as all of them would end sooner without it. Added up by jobs, that is what a job's
///          transfers lose to those of each job, their own included. What it loses because the cluster has changed, while it
///          waits for a path or has a worse one than at its beginning, is on the narrowest link of its path (of several, the
///          least), and its own.
/// Terms.   transfer     edges that progress together: a message, or one phase of a collective on one rail
///          link         one direction of a cable, a port or a NIC; where a message spreads evenly over a bundle of links,
///                       the bundle counts as one (cluster.h)
///          route        what a transfer puts on each of its links (routes.h); slot: a link that some route has touched
///          stream       one queue pair of one edge; queue: what the transfers of one queue_key share
///          level        bytes a second of a transfer's fullest stream; a link has one too, at which it holds its highest
///                       users (flow/maxmin.h); the bottleneck of a transfer is the link whose level is its own
///          cap, alone   the level that a transfer has alone, and the time it takes at that
///          ghost        what others still feel of a transfer that has ended, for a control delay
///          delay        time that transfers lose against alone, charged to their bottleneck
///          isle, ring   links that are apart and what is played on them; a transfer that crosses isles (isles.h)
/// Ranks.   An engine is the matter of one rank: all its operations are local, and none needs another rank. What cannot
///          be cut is played by one rank, whose engine gets all transfers; the engines of the others get none. Two kinds are
///          used by several. One that is `apart`: each plays transfers that share no link with another's. One that can
///          `serve` divides the work itself: rank 0 uses it as if it were alone, while the others serve until they are
///          dismissed; each has the totals of its own links.
/// Limits.  Edges of one transfer share one rate (ideal pipelining). What is not pipelined is
///          several transfers.
///          No call-backs but for samples, which would fill memory until they are asked for.
#ifndef COLOSSIM_ENGINE_ENGINE_H
#define COLOSSIM_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/wide.h"
#include "cluster/cluster.h"
#include "cluster/routing.h"
#include "engine/packet_spec.h"
#include "par/comm.h"

/// Bytes from src to dst; `weight` bytes per byte of progress of the transfer, >= 1. src != dst.
typedef struct Edge {
    GpuId src, dst;
    int32_t weight;
    bool own_nic; ///< sent by the NIC of src: its relay (routing.h) is none of the communicator
} Edge;

static inline GpuId edge_sender(const Cluster *cluster, const Edge *edge) {
    return edge->own_nic ? edge->src : routing_relay(cluster, edge->src, edge->dst);
}

/// Edges by arithmetic: edge(context, i) for 0 <= i < nedges. `context` is borrowed for the call that
/// a transfer is handed over by: an engine keeps what it needs of them.
typedef struct EdgeSet {
    int64_t nedges;
    Edge (*edge)(const void *context, int64_t i);
    const void *context;
    uint64_t
        key; ///< equal keys promise equal edges, connection and queue_key (routes are cached); 0: none
} EdgeSet;

typedef struct Transfer {
    int64_t tag; ///< unique among unfinished transfers; the same on any number of ranks
    EdgeSet edges;
    int32_t step;        ///< that its bytes are counted for (step_links)
    int32_t job;         ///< whose it is, 0 .. EngineSpec.njobs - 1
    int32_t queue_pairs; ///< per edge, 1..QUEUE_PAIRS_MAX
    uint64_t connection; ///< communicator id: an edge hashes (connection, src, dst), always alike
    /// Transfers with equal keys use the same queue pairs, one after the other, wherever these lead: the next takes over
    /// what the others still feel of the one before, and does not wait for it. 0: nobody follows it
    uint64_t queue_key;
    int64_t bytes;            ///< progress to make, >= 0; an edge carries weight * bytes
    int64_t rounds;           ///< >= 1
    int64_t round_latency_ps; ///< >= 0, see above; 0 for a plain message
    int64_t start_ps;         ///< first byte on the links
} Transfer;

enum { ENGINE_TIERS_MAX = FABRIC_TIERS_MAX + 2 };

/// How long a transfer ran below its alone-rate, by the tier of the link that bound it then, and the link that did so for
/// longest at a stretch.
typedef struct Slowed {
    int64_t tier_ps[ENGINE_TIERS_MAX];
    int64_t longest_ps; ///< 0: none
    LinkId link;
} Slowed;

static inline void slowed_add(Slowed *slowed, const Cluster *cluster, LinkId link,
                              int64_t span_ps) {
    slowed->tier_ps[cluster_link_tier(cluster, link)] += span_ps;
    if (slowed->longest_ps > 0 && slowed->link == link) {
        slowed->longest_ps += span_ps;
    } else if (span_ps > slowed->longest_ps) {
        slowed->longest_ps = span_ps;
        slowed->link = link;
    }
}

typedef struct Completion {
    int64_t tag;
    int64_t start_ps, end_ps;
    int64_t alone_ps; ///< duration alone on all its links (rounded alike: equal if never slowed)
    Slowed
        slowed; ///< only if asked for (EngineSpec); of one that several ranks play, by this rank's links
} Completion;

/// Asked for a transfer that has not ended by its tag, its owner describes it once more, as it was handed over. What it
/// refers to is borrowed until he is asked again.
typedef struct TransferSource {
    Transfer (*describe)(void *context, int64_t tag);
    void *context;
} TransferSource;

/// What an engine keeps state for, 0 where it keeps none: links that any transfer has touched, the most transfers it has
/// held at once (ended ones that are still felt included), and the links of the routes it knows, each counted for each
/// route.
typedef struct EngineSizes {
    int64_t links, transfers, uses;
} EngineSizes;

/// What packets met at the port that feeds a link, for one step or within one sampling interval. Of a step they are what its
/// own packets met, and the pauses that they brought about.
typedef struct PortSample {
    LooseWide queue_byte_ps; ///< bytes of data that waited, over time
    int64_t queue_most;      ///< of them at once
    int64_t paused_ps;       ///< the far end did not want any data
    int64_t marks, drops;    ///< packets
    int64_t trims;           ///< packets of which only the header went on
    int64_t
        reordered; ///< packets that came to their end over the link, and one sent before them had not
    LinkId
        cause; ///< the port at the far end that pauses it most: what came over the link waits there; -1: none
} PortSample;

/// Bytes a link carried for one step, or within one sampling interval; bytes and delay are WIDE_FULL from there on.
typedef struct LinkSample {
    LinkId link;
    int64_t bytes;
    int64_t
        delay_ps; ///< what transfers lost in time while it was their bottleneck: over all links, actual less alone
    int64_t congested_ps;   ///< time it was the bottleneck of a transfer below its alone-rate
    const PortSample *port; ///< borrowed for the call; NULL: the engine knows of no packets
} LinkSample;

/// Packets of a step.
typedef struct PacketTotals {
    int64_t sent, resent, acknowledgements;
    int64_t skipped; ///< of those sent: passed over, not played
} PacketTotals;

/// Where an engine puts totals of links: batches of links that have any, each link in one batch, in no order.
///   index   the sampling interval (intervals_name), or the step
///   put     may be NULL: nobody wants them; must not call the engine; sample[n] is borrowed for the call
typedef struct LinkSink {
    void (*put)(void *context, int64_t index, const LinkSample sample[], int64_t n);
    void *context;
    /// The totals of each of n links of one tier, direction and capacity, for an engine that keeps them once for all;
    /// the least of them, ascending, are link[listed]: as many as were wanted, see isles.h. NULL: put() gets them all.
    void (*put_alike)(void *context, int64_t index, const LinkSample *each, const LinkId link[],
                      int64_t listed, int64_t n);
} LinkSink;

/// Where an engine puts what transfers of a step lost on a link, by whose transfers cost it: one call for each link with
/// any, in no order.
///   delay_ps[njobs]  borrowed for the call; they sum to the delay_ps of the link's LinkSample, which a word holds
typedef struct CulpritSink {
    void (*put)(void *context, LinkId link, const int64_t delay_ps[]);
    void *context;
} CulpritSink;

enum { ENGINE_JOBS_MAX = 32 };

/// What an engine is created with, beside the cluster.
typedef struct EngineSpec {
    int32_t
        njobs; ///< that use it, up to ENGINE_JOBS_MAX; who costs whom is kept if there are several. 0: one
    int64_t control_delay_ps; ///< >= 0: until others feel that a transfer has ended
    int64_t interval_ps;      ///< shortest sampling interval of link statistics; 0: none
    int64_t intervals_most;   ///< of them, before they are merged (intervals.h); 0: any number
    const PacketSpec *packet; ///< for engines of packets; borrowed until create() returns
    uint64_t seed;            ///< of what an engine draws
    bool tell_slowed;         ///< fill Completion.slowed; an engine of packets does not
    Comm *comm; ///< whose ranks an engine may divide its work by; NULL: this one alone
} EngineSpec;

/// Why a rank that served returns.
typedef enum Served {
    SERVED_DISMISSED,
    SERVED_CUT,   ///< rank 0 has begun its intervals anew
    SERVED_CHANGE ///< the cluster of rank 0 has changed
} Served;

/// State of one engine: each engine defines the struct in its own files.
typedef struct Engine Engine;

/// An engine, and what it can.
typedef struct EngineOps {
    const char *name; ///< as in configuration files and traces
    /// Transfers that share no link with others may be played elsewhere, at levels of its own, and entered into its
    /// statistics (isles.h).
    bool apart;
    /// Can it play on a cluster? NULL: on any.
    ///   Fails: STATUS_RANGE for what is outside the engine's arithmetic.
    Status (*check)(const Cluster *cluster);
    /// The cluster is borrowed, and one that the engine can play on.
    Engine *(*create)(const Cluster *cluster, const EngineSpec *spec);
    void (*destroy)(Engine *engine); ///< NULL is allowed
    /// Hand in a transfer, which is copied; start_ps >= now_ps().
    ///   Fails: STATUS_NO_PATH; STATUS_RANGE for what is outside the engine's arithmetic.
    Status (*submit)(Engine *engine, const Transfer *transfer);
    /// Time of the earliest pending event (a completion, or what has an effect on one), TIME_NEVER_PS: none.
    int64_t (*next_ps)(const Engine *engine);
    /// Time advanced to.
    int64_t (*now_ps)(const Engine *engine);
    /// Apply all events up to and including to_ps >= now_ps(), in order; TIME_NEVER_PS: until none is left, and stay at
    /// the last.
    void (*advance)(Engine *engine, int64_t to_ps);
    /// Copy out up to `capacity` completions not yet drained, ordered by (end_ps, tag); returns how many.
    int64_t (*drain)(Engine *engine, Completion completions[], int64_t capacity);
    /// Transfers submitted and not completed.
    int64_t (*nunfinished)(const Engine *engine);
    /// What advance() has stopped at, which no transfer can ever get past.  NULL: it never does.   Fails: STATUS_STUCK.
    Status (*stuck)(const Engine *engine);
    /// Duration of a transfer alone on its links, with the rounding of Completion.alone_ps.  Fails: as submit.
    Status (*alone_ps)(Engine *engine, const Transfer *transfer, int64_t *duration_ps);
    /// Totals of the links for the transfers of `step`, exact when all have completed; they are kept until step_clear.
    void (*step_links)(Engine *engine, int32_t step, LinkSink sink);
    void (*step_clear)(Engine *engine, int32_t step);
    /// Of the same step, who cost whom; only with several jobs. NULL: nobody slows anybody.
    void (*step_culprits)(const Engine *engine, int32_t step, CulpritSink sink);
    /// Of the same step, how many packets. NULL: the engine knows none, and LinkSample.port is NULL.
    PacketTotals (*step_packets)(const Engine *engine, int32_t step);
    /// Who gets the totals of sampling intervals by their intervals_name, from the one on that ends next: each when
    /// advance() passes its end, and behind it each longer one that ends there. None for intervals without traffic.
    /// Bytes are counted as they move. NULL: the engine has no intervals.
    void (*sample_into)(Engine *engine, LinkSink sink);
    /// End the open interval at now_ps(), which becomes the origin of those that follow; nothing is told of the longer
    /// ones. NULL: as above.
    void (*restart_intervals)(Engine *engine);
    /// The cluster has changed at now_ps(): transfers under way go on with what is left of them, over the routes and
    /// capacities there are now, and wait where a link of theirs carries nothing as long as the cluster may still change.
    /// The alone-time of one that lives through a change stays that of the path on which it began to move, but no longer
    /// than it took; what a better one gains it is not set against what it lost. NULL: the engine cannot, and links must
    /// carry the same at all times.
    ///   Fails: STATUS_NO_PATH for a transfer that can never go on.
    Status (*refresh)(Engine *engine, TransferSource source);
    EngineSizes (*sizes)(const Engine *engine);
    /// Rank 0 returns SERVED_DISMISSED at once, and its operations are served from then on. The others take part in them until
    /// it dismisses them, or has done what they have to do likewise at now_ps(), refresh() without a source, before they serve
    /// on. NULL, and so the next: only one rank has a part in this engine.
    ///   MPI: collective over EngineSpec.comm together with the operations of rank 0.
    Served (*serve)(Engine *engine);
    /// Rank 0: the others return.   MPI: collective with serve.
    void (*dismiss)(Engine *engine);
} EngineOps;

#endif
