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
///          part of start_ps. A transfer of no bytes loads no link and takes R * round_latency.
///          Transfers share links by their streams: a stream is one queue pair of one edge (routes.h).
/// Limits.  Edges of one transfer share one rate (ideal pipelining). What is not pipelined is
///          several transfers.
#ifndef COLOSSIM_ENGINE_ENGINE_H
#define COLOSSIM_ENGINE_ENGINE_H

#include <stdint.h>

#include "base/status.h"
#include "cluster/cluster.h"
#include "cluster/routing.h"

/// Bytes from src to dst; `weight` bytes per byte of progress of the transfer, >= 1. src != dst.
typedef struct Edge {
    GpuId src, dst;
    int32_t weight;
} Edge;

/// Edges by arithmetic: edge(context, i) for 0 <= i < nedges. `context` is borrowed for the call that
/// a transfer is handed over by: an engine keeps the links.
typedef struct EdgeSet {
    int64_t nedges;
    Edge (*edge)(const void *context, int64_t i);
    const void *context;
    uint64_t
        key; ///< equal keys promise equal edges, connection and queue_key (routes are cached); 0: none
} EdgeSet;

/// What the transfer is, for the statistics of the links only.
typedef enum TransferKind {
    TRANSFER_FLOW, ///< traffic job
    TRANSFER_TP,
    TRANSFER_PP,
    TRANSFER_CP,
    TRANSFER_EP,
    TRANSFER_DP,
    TRANSFER_KIND_N,
} TransferKind;

typedef struct Transfer {
    int64_t tag; ///< unique among unfinished transfers; the same on any number of ranks
    EdgeSet edges;
    TransferKind kind;
    int32_t step;        ///< training step (statistics are kept per step)
    int32_t queue_pairs; ///< per edge, 1..QUEUE_PAIRS_MAX
    uint64_t connection; ///< communicator id: an edge hashes (connection, src, dst), always alike
    /// Transfers with equal keys use the same queue pairs, one after the other, wherever these lead: the next takes over
    /// what the others still feel of the one before, and does not wait for it. 0: nobody follows it
    uint64_t queue_key;
    int64_t bytes;            ///< progress to make, >= 0; an edge carries weight * bytes
    int64_t rounds;           ///< >= 1
    int64_t round_latency_ps; ///< >= 0, see above; 0 for a plain message
    int64_t start_ps;         ///< first byte on the links
    bool everywhere; ///< every rank has it: each counts it on the links that are its own (routes.h)
} Transfer;

typedef struct Completion {
    int64_t tag;
    int64_t start_ps, end_ps;
    int64_t alone_ps; ///< duration alone on all its links (rounded alike: equal if never slowed)
} Completion;

/// What an engine keeps state for: links that any transfer has touched, the most transfers it has held at once, and the
/// links of the routes it knows, each counted for each route.
typedef struct EngineSizes {
    int64_t links, transfers, uses;
} EngineSizes;

/// Bytes a link carried for one step, or within one sampling interval.
typedef struct LinkSample {
    LinkId link;
    int64_t bytes;
    int64_t
        delay_ps; ///< what transfers lost in time while it was their bottleneck: over all links, actual less alone
    int64_t congested_ps; ///< time it was the bottleneck of a transfer below its alone-rate
} LinkSample;

/// Where an engine puts totals of links: batches of links that have any, each link in one batch, in no order.
///   index   the sampling interval (intervals_name), or the training step
///   put     may be NULL: nobody wants them; must not call the engine; sample[n] is borrowed for the call
typedef struct LinkSink {
    void (*put)(void *context, int64_t index, const LinkSample sample[], int64_t n);
    void *context;
    /// The totals of each of link[n], ascending, of one tier, direction and capacity; NULL: put() gets them all.
    void (*put_alike)(void *context, int64_t index, const LinkSample *each, const int32_t link[],
                      int64_t n);
} LinkSink;

#endif
