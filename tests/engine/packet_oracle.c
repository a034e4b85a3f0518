#include "packet_oracle.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "base/wide.h"

#define LABEL "oracle"

enum { HOPS_MAX = 24, QUEUE_MAX = 1 << 12, EVENTS_MAX = 1 << 16, PAIRS_MAX = 1 << 10 };
enum { ROUNDS_MAX = 64 };

/// A queue pair: one part of an edge, of all rounds.
typedef struct Pair {
    int64_t tag;
    GpuId src, dst;
    LinkId path[HOPS_MAX];
    int32_t npath;
    int64_t bytes, rounds, gap_ps;
    int64_t ready_ps[ROUNDS_MAX]; ///< when a round may go; TIME_NEVER_PS: not known yet
    int64_t round, left;          ///< being sent, and what is left of it
    int64_t next_ps, since_ps;    ///< it can go from then on; could, but for others
    int64_t npackets;             ///< that have come
    int64_t come, coming;         ///< rounds that have come, and bytes still missing of the next
} Pair;

typedef struct Parcel {
    int32_t pair, hop;
    int64_t bytes;
    LinkId in; ///< that it came by; -1
    bool ack, last;
} Parcel;

typedef struct Line {
    Parcel *at; ///< [QUEUE_MAX], around the end
    int64_t head, tail, came_ps;
} Line;

typedef struct Port {
    Line data, control;
    int64_t free_ps, look_ps;
    int64_t held; ///< bytes at the far end that came by it
    bool paused, pausing;
    int64_t carried, pauses;
} Port;

typedef enum EventKind { COMES, FRAME, LOOK } EventKind;

typedef struct Event {
    int64_t at_ps, number;
    EventKind kind;
    LinkId link;
    Parcel parcel;
    bool pause;
} Event;

struct Oracle {
    const Cluster *cluster;
    PacketSpec spec;
    Port *port; ///< [nlinks]
    int64_t nlinks;
    int64_t *held; ///< [nswitches] bytes
    int64_t (
        *changed_ps)[2]; ///< [nswitches] when it has taken something, and let something go, last
    int64_t nswitches, first_switch[FABRIC_TIERS_MAX + 1];
    Pair *pair;
    int32_t npairs;
    Event *event;
    int64_t nevents, numbers, now_ps, tie_ps;
    int64_t end_ps[PAIRS_MAX];
};

static void *take(int64_t n, size_t bytes) { return memory_alloc(LABEL, (size_t)n * bytes); }
static void give(void *block, int64_t n, size_t bytes) {
    memory_free(LABEL, block, (size_t)n * bytes);
}

Oracle *oracle_create(const Cluster *cluster, const PacketSpec *spec) {
    Oracle *oracle = take(1, sizeof *oracle);
    oracle->cluster = cluster;
    oracle->spec = *spec;
    oracle->nlinks = cluster_nlinks(cluster);
    oracle->port = take(oracle->nlinks, sizeof *oracle->port);
    for (int32_t level = 1; level <= cluster_spec(cluster)->ntiers; level++) {
        oracle->first_switch[level] = oracle->nswitches;
        oracle->nswitches += cluster_nswitches(cluster, level);
    }
    oracle->held = take(oracle->nswitches, sizeof *oracle->held);
    oracle->changed_ps = take(oracle->nswitches, sizeof *oracle->changed_ps);
    oracle->pair = take(PAIRS_MAX, sizeof *oracle->pair);
    oracle->event = take(EVENTS_MAX, sizeof *oracle->event);
    oracle->tie_ps = TIME_NEVER_PS;
    return oracle;
}

void oracle_destroy(Oracle *oracle) {
    for (LinkId link = 0; link < oracle->nlinks; link++) {
        give(oracle->port[link].data.at, QUEUE_MAX, sizeof(Parcel));
        give(oracle->port[link].control.at, QUEUE_MAX, sizeof(Parcel));
    }
    give(oracle->port, oracle->nlinks, sizeof *oracle->port);
    give(oracle->held, oracle->nswitches, sizeof *oracle->held);
    give(oracle->changed_ps, oracle->nswitches, sizeof *oracle->changed_ps);
    give(oracle->pair, PAIRS_MAX, sizeof *oracle->pair);
    give(oracle->event, EVENTS_MAX, sizeof *oracle->event);
    give(oracle, 1, sizeof *oracle);
}

int64_t oracle_end_ps(const Oracle *oracle, int64_t tag) { return oracle->end_ps[tag]; }
int64_t oracle_bytes(const Oracle *oracle, LinkId link) { return oracle->port[link].carried; }
int64_t oracle_pauses(const Oracle *oracle, LinkId link) { return oracle->port[link].pauses; }
int64_t oracle_tie_ps(const Oracle *oracle) { return oracle->tie_ps; }

// Events: arrivals and frames of a moment before anything that begins to go.

static bool goes_before(const Event *a, const Event *b) {
    if (a->at_ps != b->at_ps) return a->at_ps < b->at_ps;
    if ((a->kind == LOOK) != (b->kind == LOOK)) return b->kind == LOOK;
    return a->number < b->number;
}

static void put(Oracle *oracle, Event event) {
    CHECK(oracle->nevents < EVENTS_MAX, "too many events");
    event.number = oracle->numbers++;
    int64_t i = oracle->nevents++;
    for (; i > 0 && goes_before(&event, &oracle->event[(i - 1) / 2]); i = (i - 1) / 2)
        oracle->event[i] = oracle->event[(i - 1) / 2];
    oracle->event[i] = event;
}

static Event first(Oracle *oracle) {
    const Event result = oracle->event[0], moved = oracle->event[--oracle->nevents];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < oracle->nevents; i = child) {
        if (child + 1 < oracle->nevents &&
            goes_before(&oracle->event[child + 1], &oracle->event[child]))
            child++;
        if (!goes_before(&oracle->event[child], &moved)) break;
        oracle->event[i] = oracle->event[child];
    }
    oracle->event[i] = moved;
    return result;
}

/// Look at a port then: may something go?
static void look(Oracle *oracle, LinkId link, int64_t at_ps) {
    put(oracle, (Event){.at_ps = at_ps, .kind = LOOK, .link = link});
}

static void note_tie(Oracle *oracle) {
    if (oracle->now_ps < oracle->tie_ps) oracle->tie_ps = oracle->now_ps;
}

// The machine.

static LinkId reverse_of(const Oracle *oracle, LinkId link) {
    const int32_t tier = cluster_link_tier(oracle->cluster, link);
    const LinkId up = cluster_first_link(oracle->cluster, tier, LINK_UP),
                 down = cluster_first_link(oracle->cluster, tier, LINK_DOWN);
    return cluster_link_direction(oracle->cluster, link) == LINK_UP ? down + link - up
                                                                    : up + link - down;
}

/// Number of the switch at an end of a link; -1: there is none.
static int64_t switch_at(const Oracle *oracle, LinkId link, bool far) {
    if (cluster_link_tier(oracle->cluster, link) == 0) return -1;
    FabricPlace from, to;
    routing_link_places(oracle->cluster, link, &from, &to);
    const FabricPlace *end = far ? &to : &from;
    return end->level == 0 ? -1 : oracle->first_switch[end->level] + end->number;
}

/// What a cable and what it leads to take: a switch, half of the adapters, half of a scale-up hop.
static int64_t delay_of(const Oracle *oracle, LinkId link) {
    const ClusterSpec *spec = cluster_spec(oracle->cluster);
    const int32_t tier = cluster_link_tier(oracle->cluster, link);
    if (tier == 0) return spec->scale_up.latency_ps / 2;
    FabricPlace from, to;
    routing_link_places(oracle->cluster, link, &from, &to);
    return spec->tier[tier - 1].cable_ps + (to.level == 0
                                                ? spec->nic.latency_ps / 2
                                                : spec->tier[to.level - 1].switch_spec.latency_ps);
}

static int64_t time_of(int64_t bytes, int64_t Bps) {
    return (int64_t)(((Wide)bytes * PS_PER_S + Bps - 1) / Bps);
}

static int64_t takes_ps(const Oracle *oracle, LinkId link, const Parcel *parcel) {
    const ClusterSpec *spec = cluster_spec(oracle->cluster);
    const int32_t tier = cluster_link_tier(oracle->cluster, link);
    if (!parcel->ack || tier == 0)
        return time_of(parcel->bytes, cluster_capacity_Bps(oracle->cluster, link));
    return time_of(parcel->bytes, spec->tier[tier - 1].link_Bps);
}

/// Does what comes by a link begin to leave before it has all come? Not to a GPU, nor into anything faster.
static bool cuts(const Oracle *oracle, LinkId link) {
    const int32_t tier = cluster_link_tier(oracle->cluster, link);
    const bool inward = tier == 0 && cluster_link_direction(oracle->cluster, link) == LINK_UP;
    const int64_t at = switch_at(oracle, link, true);
    if (oracle->spec.forwarding == FORWARDING_STORE || (at < 0 && !inward)) return false;
    const int64_t Bps = cluster_capacity_Bps(oracle->cluster, link);
    const int64_t domain = inward ? cluster_domain_of(oracle->cluster, link) : -1;
    for (LinkId out = 0; out < oracle->nlinks; out++) {
        const bool leaves =
            inward ? cluster_link_tier(oracle->cluster, out) == 0 &&
                         cluster_link_direction(oracle->cluster, out) == LINK_DOWN &&
                         cluster_domain_of(
                             oracle->cluster,
                             out - cluster_first_link(oracle->cluster, 0, LINK_DOWN)) == domain
                   : switch_at(oracle, out, false) == at;
        if (leaves && cluster_capacity_Bps(oracle->cluster, out) > Bps) return false;
    }
    return true;
}

// Ports.

static void line_up(Oracle *oracle, Line *line, const Parcel *parcel) {
    if (!line->at) line->at = take(QUEUE_MAX, sizeof *line->at);
    if (line->tail > line->head && line->came_ps == oracle->now_ps) note_tie(oracle);
    line->came_ps = oracle->now_ps;
    CHECK(line->tail - line->head < QUEUE_MAX, "a queue is too long");
    line->at[line->tail++ % QUEUE_MAX] = *parcel;
}

/// Ask for a pause of a link, or its end.
static void frame(Oracle *oracle, LinkId link, bool pause) {
    Port *port = &oracle->port[link];
    port->pausing = pause;
    put(oracle, (Event){.at_ps = oracle->now_ps + delay_of(oracle, reverse_of(oracle, link)),
                        .kind = FRAME,
                        .link = link,
                        .pause = pause});
}

/// What came by a link may take so much of a switch.
static int64_t share_bytes(const Oracle *oracle, int64_t at) {
    const int64_t free_bytes = oracle->spec.buffer_bytes - oracle->held[at];
    return free_bytes > 0 ? (int64_t)(oracle->spec.pfc_share * (double)free_bytes) : 0;
}

/// Something has come by a link: pause it, if that is too much.
static void check_pause(Oracle *oracle, LinkId link, int64_t at) {
    const Port *port = &oracle->port[link];
    if (!port->pausing && port->held > share_bytes(oracle, at)) frame(oracle, link, true);
}

/// Something that came by a link has left: let it go on two packets below its share.
static void check_resume(Oracle *oracle, LinkId link, int64_t at) {
    const Port *port = &oracle->port[link];
    const int64_t enough = share_bytes(oracle, at) - 2 * oracle->spec.mtu_bytes;
    if (port->pausing && port->held <= (enough > 0 ? enough : 0)) frame(oracle, link, false);
}

/// A switch has a parcel more, or less.
static void hold(Oracle *oracle, const Parcel *parcel, bool leaves) {
    const LinkId in = parcel->in;
    const int64_t bytes = leaves ? -parcel->bytes : parcel->bytes;
    if (parcel->ack || in < 0) return;
    const int64_t at = switch_at(oracle, in, true);
    if (at < 0) return;
    int64_t *changed_ps = &oracle->changed_ps[at][leaves];
    if (oracle->spec.flow_control == FLOW_PFC && *changed_ps == oracle->now_ps && bytes != 0)
        note_tie(oracle);
    *changed_ps = oracle->now_ps;
    oracle->held[at] += bytes;
    oracle->port[in].held += bytes;
    if (oracle->spec.flow_control != FLOW_PFC) return;
    if (leaves)
        check_resume(oracle, in, at);
    else
        check_pause(oracle, in, at);
}

/// The next link of a parcel; -1: it is there.
static LinkId next_link(const Oracle *oracle, const Parcel *parcel) {
    const Pair *pair = &oracle->pair[parcel->pair];
    if (parcel->hop == pair->npath) return -1;
    return parcel->ack ? reverse_of(oracle, pair->path[pair->npath - 1 - parcel->hop])
                       : pair->path[parcel->hop];
}

static void go(Oracle *oracle, LinkId link, Parcel parcel) {
    Port *port = &oracle->port[link];
    const int64_t busy_ps = takes_ps(oracle, link, &parcel);
    port->free_ps = oracle->now_ps + busy_ps;
    if (!parcel.ack) port->carried += parcel.bytes;
    hold(oracle, &parcel, true);
    parcel.in = link;
    parcel.hop++;
    put(oracle, (Event){.at_ps = oracle->now_ps + delay_of(oracle, link) +
                                 (cuts(oracle, link) ? 0 : busy_ps),
                        .kind = COMES,
                        .link = link,
                        .parcel = parcel});
    look(oracle, link, port->free_ps);
}

// Queue pairs.

/// The queue pair that has waited longest at a port, of several the first; NULL.
static Pair *whose_turn(Oracle *oracle, LinkId link) {
    Pair *best = NULL;
    for (Pair *pair = oracle->pair; pair < oracle->pair + oracle->npairs; pair++) {
        if (pair->path[0] != link || pair->left < 0 || pair->next_ps > oracle->now_ps) continue;
        if (!best || pair->since_ps < best->since_ps) best = pair;
    }
    return best;
}

static int64_t round_bytes(const Pair *pair, int64_t round) {
    return wide_part(pair->bytes, round, pair->rounds);
}

/// Go to the next round when it may go.
static void begin_round(Oracle *oracle, Pair *pair) {
    const int64_t ready_ps = pair->ready_ps[pair->round];
    pair->left = round_bytes(pair, pair->round);
    if (ready_ps > pair->next_ps) pair->next_ps = pair->since_ps = ready_ps;
    look(oracle, pair->path[0], pair->next_ps);
}

static void send_packet(Oracle *oracle, LinkId link, Pair *pair) {
    const int64_t mtu_bytes = oracle->spec.mtu_bytes;
    const int64_t bytes = pair->left > mtu_bytes ? mtu_bytes : pair->left;
    pair->left -= bytes;
    const bool last = pair->left == 0;
    go(oracle, link,
       (Parcel){.pair = (int32_t)(pair - oracle->pair), .bytes = bytes, .in = -1, .last = last});
    pair->next_ps = pair->since_ps = oracle->port[link].free_ps;
    if (!last) return;
    pair->left = -1;
    if (++pair->round < pair->rounds && pair->ready_ps[pair->round] < TIME_NEVER_PS)
        begin_round(oracle, pair);
}

static void look_at(Oracle *oracle, LinkId link) {
    Port *port = &oracle->port[link];
    if (port->free_ps > oracle->now_ps) return;
    if (port->control.tail > port->control.head)
        go(oracle, link, port->control.at[port->control.head++ % QUEUE_MAX]);
    else if (port->paused)
        return;
    else if (port->data.tail > port->data.head)
        go(oracle, link, port->data.at[port->data.head++ % QUEUE_MAX]);
    else {
        Pair *pair = whose_turn(oracle, link);
        if (pair) send_packet(oracle, link, pair);
    }
}

// What comes.

/// Rounds that have come to a GPU by all its queue pairs of a transfer; -1: none leads to it.
static int64_t rounds_at(const Oracle *oracle, int64_t tag, GpuId gpu) {
    int64_t least = -1;
    for (int32_t p = 0; p < oracle->npairs; p++) {
        const Pair *pair = &oracle->pair[p];
        if (pair->tag == tag && pair->dst == gpu && (least < 0 || pair->come < least))
            least = pair->come;
    }
    return least;
}

static void release(Oracle *oracle, int64_t tag, GpuId gpu, int64_t before, int64_t after) {
    for (int64_t round = before + 1; round <= after; round++)
        for (Pair *pair = oracle->pair; pair < oracle->pair + oracle->npairs; pair++) {
            if (pair->tag != tag || pair->src != gpu || round >= pair->rounds) continue;
            pair->ready_ps[round] = oracle->now_ps + pair->gap_ps;
            if (pair->round == round && pair->left < 0) begin_round(oracle, pair);
        }
}

static void acknowledge(Oracle *oracle, const Parcel *parcel) {
    Pair *pair = &oracle->pair[parcel->pair];
    const bool due = ++pair->npackets % oracle->spec.acks_every == 0 || parcel->last;
    if (!due) return;
    const Parcel ack = {.pair = parcel->pair, .bytes = oracle->spec.ack_bytes, .ack = true};
    const LinkId link = next_link(oracle, &ack);
    line_up(oracle, &oracle->port[link].control, &ack);
    look(oracle, link, oracle->now_ps);
}

static void deliver(Oracle *oracle, const Parcel *parcel) {
    Pair *pair = &oracle->pair[parcel->pair];
    if (parcel->ack) return;
    pair->coming -= parcel->bytes;
    acknowledge(oracle, parcel);
    if (!parcel->last) return;
    CHECK(pair->coming == 0, "bytes of a round are missing");
    const int64_t before = rounds_at(oracle, pair->tag, pair->dst);
    if (++pair->come < pair->rounds) pair->coming = round_bytes(pair, pair->come);
    release(oracle, pair->tag, pair->dst, before, rounds_at(oracle, pair->tag, pair->dst));
    if (oracle->now_ps > oracle->end_ps[pair->tag]) oracle->end_ps[pair->tag] = oracle->now_ps;
}

static void come(Oracle *oracle, const Event *event) {
    const LinkId next = next_link(oracle, &event->parcel);
    if (next < 0) {
        deliver(oracle, &event->parcel);
        return;
    }
    Port *port = &oracle->port[next];
    line_up(oracle, event->parcel.ack ? &port->control : &port->data, &event->parcel);
    hold(oracle, &event->parcel, false);
    look(oracle, next, oracle->now_ps);
}

void oracle_play(Oracle *oracle) {
    while (oracle->nevents > 0) {
        const Event event = first(oracle);
        oracle->now_ps = event.at_ps;
        switch (event.kind) {
            case COMES: come(oracle, &event); break;
            case LOOK: look_at(oracle, event.link); break;
            case FRAME:
                oracle->port[event.link].pauses += event.pause && !oracle->port[event.link].paused;
                oracle->port[event.link].paused = event.pause;
                if (!event.pause) look(oracle, event.link, oracle->now_ps);
                break;
        }
    }
}

// What is asked.

static void add_pair(Oracle *oracle, const Transfer *transfer, const Edge *edge, int32_t number) {
    CHECK(oracle->npairs < PAIRS_MAX && transfer->rounds <= ROUNDS_MAX, "too much to play");
    LinkId path[ROUTE_HOPS_MAX];
    Pair *pair = &oracle->pair[oracle->npairs++];
    const Status status =
        routing_path(oracle->cluster, edge->src, edge_sender(oracle->cluster, edge), edge->dst,
                     transfer->connection, number, path, &pair->npath);
    CHECK(status_is_ok(&status) && pair->npath <= HOPS_MAX, "%s", status.text);
    pair->tag = transfer->tag;
    pair->src = edge->src;
    pair->dst = edge->dst;
    pair->rounds = transfer->rounds;
    pair->bytes = wide_part(transfer->bytes * edge->weight, number, transfer->queue_pairs);
    pair->gap_ps = transfer->round_latency_ps;
    for (int32_t k = 0; k < pair->npath; k++) {
        pair->path[k] = path[k];
        pair->gap_ps -= delay_of(oracle, path[k]);
    }
    const int64_t start_ps = transfer->start_ps + pair->gap_ps;
    if (pair->gap_ps < 0) pair->gap_ps = 0;
    for (int64_t round = 0; round < pair->rounds; round++) pair->ready_ps[round] = TIME_NEVER_PS;
    pair->ready_ps[0] = start_ps > 0 ? start_ps : 0;
    pair->coming = round_bytes(pair, 0);
    pair->next_ps = pair->since_ps = -1;
    begin_round(oracle, pair);
}

void oracle_submit(Oracle *oracle, const Transfer *transfer) {
    const int32_t first_pair = oracle->npairs;
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        const Edge edge = transfer->edges.edge(transfer->edges.context, e);
        for (int32_t k = 0; k < transfer->queue_pairs; k++) add_pair(oracle, transfer, &edge, k);
    }
    for (int32_t p = first_pair; p < oracle->npairs; p++)
        if (rounds_at(oracle, transfer->tag, oracle->pair[p].src) < 0)
            for (int64_t round = 1; round < transfer->rounds; round++)
                oracle->pair[p].ready_ps[round] = 0;
}
