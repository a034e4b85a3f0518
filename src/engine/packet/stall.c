#include "engine/packet/stall.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/packet/port.h"

#define LABEL "packet.stall"

/// A wire that has been paused for long.
typedef struct Paused {
    int64_t since_ps;
    int32_t wire;
} Paused;

/// So much of what came over a wire waits at a port that has been paused for long; of one that is to be paused further: so
/// much its switch holds of it (at: -1).
typedef struct Held {
    int64_t bytes;
    int32_t wire, at;
} Held;

typedef struct Stall {
    const Net *net;
    ARRAY_OF(Paused) paused; ///< by wire
    ARRAY_OF(Held) held;
    int32_t *slot; ///< [nlinks] 1 + place in `paused`; 0: may send
    ARRAY_OF(int64_t)
    here; ///< [paused.n] of what came over each, what waits for good; -1: it is not to be paused further
    ARRAY_OF(int64_t) all; ///< [paused.n] what its switch holds of it
    int64_t *full;         ///< [nhubs] what waits for good in a switch
} Stall;

// What ranks know.

static int64_t period_ps(const Net *net) {
    const int64_t few_ps = 4 * net->window_ps;
    return few_ps > STALL_PERIOD_PS ? few_ps : STALL_PERIOD_PS;
}

int64_t stall_look_ps(const Net *net, int64_t now_ps) {
    const int64_t each_ps = period_ps(net);
    return net->npaused > 0 ? (now_ps / each_ps + 1) * each_ps : TIME_NEVER_PS;
}

/// Paused for so long that all that was under way then has arrived.
static bool is_old(const Net *net, int32_t w, int64_t now_ps) {
    const WireKind *kind = net_kind(net, &net->wire[w]);
    return net->wire[w].paused &&
           net->totals.pause[w].since_ps + period_ps(net) + kind->delay_ps + kind->full_ps <=
               now_ps;
}

static void list_paused(Stall *stall, int64_t now_ps) {
    const Net *net = stall->net;
    for (int32_t w = 0; w < net->nlinks && net->npaused > 0; w++)
        if (net->wire[w].from >= 0 && ranks_have(&net->ranks, net->wire[w].from) &&
            is_old(net, w, now_ps))
            array_push(&stall->paused, ((Paused){net->totals.pause[w].since_ps, w}));
    if (net->ranks.owner) RANKS_SHARE_LIST(&net->ranks, &stall->paused);
}

/// What waits at a paused port of a switch of this rank.
static void list_queue(Stall *stall, int32_t at) {
    const Net *net = stall->net;
    const PacketQueue *queue = &net->wire[at].data;
    if (!ring_waits(queue)) return;
    for (int32_t p = queue->head; p != queue->tail; p = ring_next(&net->rings, p)) {
        const Packet *packet = &net->rings.at[p];
        Held *last = stall->held.n > 0 ? &stall->held.at[stall->held.n - 1] : NULL;
        if (last && last->at == at && last->wire == packet->in)
            last->bytes += packet->bytes;
        else
            array_push(&stall->held, ((Held){packet->bytes, packet->in, at}));
    }
}

static void list_held(Stall *stall) {
    const Net *net = stall->net;
    for (int64_t i = 0; i < stall->paused.n; i++) {
        const int32_t w = stall->paused.at[i].wire;
        const Wire *wire = &net->wire[w];
        if (ranks_have(&net->ranks, wire->from) && net->hub[wire->from].kind == HUB_SWITCH)
            list_queue(stall, w);
        if (ranks_have(&net->ranks, wire->to) && wire->pausing)
            array_push(&stall->held, ((Held){wire->held_bytes, w, -1}));
    }
    if (net->ranks.owner) RANKS_SHARE_LIST(&net->ranks, &stall->held);
}

// What follows from it.

static int compare(int32_t a, int32_t b) { return (a > b) - (a < b); }

static int is_before(const void *a, const void *b) {
    return compare(((const Paused *)a)->wire, ((const Paused *)b)->wire);
}

static int holds_before(const void *a, const void *b) {
    const Held *left = a, *right = b;
    const int wires = compare(left->wire, right->wire);
    return wires != 0 ? wires : compare(left->at, right->at);
}

/// By wire, then by port; those of the same are one.
static void join_held(Stall *stall) {
    qsort(stall->held.at, (size_t)stall->held.n, sizeof *stall->held.at, holds_before);
    int64_t n = 0;
    for (int64_t i = 0; i < stall->held.n; i++) {
        const Held *held = &stall->held.at[i];
        Held *last = n > 0 ? &stall->held.at[n - 1] : NULL;
        if (last && last->wire == held->wire && last->at == held->at)
            last->bytes += held->bytes;
        else
            stall->held.at[n++] = *held;
    }
    stall->held.n = n;
}

static Paused *paused_of(const Stall *stall, int32_t wire) {
    return stall->slot[wire] > 0 ? &stall->paused.at[stall->slot[wire] - 1] : NULL;
}

/// What waits for good, if those in `slot` never send again.
static void sum_held(Stall *stall) {
    const Net *net = stall->net;
    for (int64_t i = 0; i < stall->paused.n; i++) {
        stall->here.at[i] = 0;
        stall->all.at[i] = -1;
        stall->full[net->wire[stall->paused.at[i].wire].to] = 0;
    }
    for (int64_t i = 0; i < stall->held.n; i++) {
        const Held *held = &stall->held.at[i];
        const int32_t s = stall->slot[held->wire] - 1;
        if (held->at < 0 && s >= 0) stall->all.at[s] = held->bytes;
        if (held->at < 0 || stall->slot[held->at] == 0) continue;
        if (s >= 0) stall->here.at[s] += held->bytes;
        stall->full[net->wire[held->at].from] += held->bytes;
    }
}

/// Can a pause end, if all leaves that may?
static bool may_end(const Stall *stall, int64_t i) {
    const int64_t here = stall->here.at[i], all = stall->all.at[i];
    const PacketSpec *spec = &stall->net->spec;
    if (spec->flow_control == FLOW_CREDITS) return spec->credit_bytes - here >= spec->mtu_bytes;
    if (all < 0) return true; // it is on its way
    const int32_t hub = stall->net->wire[stall->paused.at[i].wire].to;
    return here < all && here <= port_resume_bytes(stall->net, stall->full[hub]);
}

/// Take out of `slot` what ends; returns how many are left.
static int64_t reduce(Stall *stall) {
    int64_t left = stall->paused.n, before;
    do {
        before = left;
        sum_held(stall);
        for (int64_t i = 0; i < stall->paused.n; i++) {
            int32_t *slot = &stall->slot[stall->paused.at[i].wire];
            if (*slot == 0 || !may_end(stall, i)) continue;
            *slot = 0;
            left--;
        }
    } while (left < before && left > 0);
    return left;
}

/// The paused port where most waits of what came over a wire; of several the least.
static int32_t waits_for(const Stall *stall, int32_t wire) {
    int32_t best = -1;
    int64_t most = 0;
    for (int64_t i = 0; i < stall->held.n; i++) {
        const Held *held = &stall->held.at[i];
        if (held->wire != wire || held->at < 0 || stall->slot[held->at] == 0) continue;
        if (held->bytes <= most) continue;
        most = held->bytes;
        best = held->at;
    }
    CHECK(best >= 0, "wire %d is paused for good, and nothing of it waits", wire);
    return best;
}

/// The least wire of the circle that the least wire leads to.
static int32_t find_circle(const Stall *stall) {
    int32_t at = 0;
    while (stall->slot[at] == 0) at++;
    for (int64_t i = 0; i < stall->paused.n; i++) at = waits_for(stall, at);
    int32_t least = at;
    for (int32_t w = waits_for(stall, at); w != at; w = waits_for(stall, w))
        if (w < least) least = w;
    return least;
}

// What is said.

static Status describe(const Stall *stall, int64_t left) {
    enum { NAMED = 6 };
    char text[800] = "", name[CLUSTER_NAME_BYTES];
    const int32_t first = find_circle(stall);
    int64_t since_ps = 0, n = 0;
    size_t used = 0;
    for (int32_t w = first; n == 0 || w != first; w = waits_for(stall, w)) {
        const Paused *paused = paused_of(stall, w);
        if (paused->since_ps > since_ps) since_ps = paused->since_ps;
        if (n++ < NAMED)
            used += (size_t)snprintf(text + used, sizeof text - used, "\n  %s",
                                     cluster_link_name(stall->net->cluster, w, name));
    }
    if (n > NAMED)
        snprintf(text + used, sizeof text - used, "\n  and %lld more", (long long)(n - NAMED));
    return status_make(STATUS_STUCK,
                       "the run cannot go on: since %.6f ms %lld ports wait for each other in a "
                       "circle, each paused until the next sends; %lld ports in all are paused for "
                       "good:%s",
                       (double)since_ps / PS_PER_MS, (long long)n, (long long)left, text);
}

static Status judge(Stall *stall) {
    const Net *net = stall->net;
    const size_t slots = (size_t)net->nlinks * sizeof *stall->slot,
                 hubs = (size_t)net->nhubs * sizeof *stall->full;
    qsort(stall->paused.at, (size_t)stall->paused.n, sizeof *stall->paused.at, is_before);
    join_held(stall);
    stall->slot = memory_alloc(LABEL, slots);
    stall->full = memory_alloc(LABEL, hubs);
    for (int64_t i = 0; i < stall->paused.n; i++)
        stall->slot[stall->paused.at[i].wire] = (int32_t)i + 1;
    array_resize(&stall->here, stall->paused.n);
    array_resize(&stall->all, stall->paused.n);
    const int64_t left = reduce(stall);
    const Status status = left > 0 ? describe(stall, left) : status_ok();
    memory_free(LABEL, stall->slot, slots);
    memory_free(LABEL, stall->full, hubs);
    array_free(&stall->here);
    array_free(&stall->all);
    return status;
}

Status stall_look(const Net *net, int64_t now_ps) {
    Stall stall = {.net = net};
    Status status = status_ok();
    list_paused(&stall, now_ps);
    if (stall.paused.n > 0) {
        list_held(&stall);
        status = judge(&stall);
    }
    array_free(&stall.paused);
    array_free(&stall.held);
    return status;
}
