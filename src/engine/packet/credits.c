#include "engine/packet/credits.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL "packet.credits"

void credits_init(Net *net) {
    net->credits = memory_alloc(LABEL, (size_t)net->nlinks * sizeof *net->credits);
    for (int64_t w = 0; w < net->nlinks; w++) {
        net->wire[w].credit_bytes = (int32_t)net->spec.credit_bytes;
        net->credits[w].cause = -1;
    }
}

void credits_fini(Net *net) {
    if (net->credits) memory_free(LABEL, net->credits, (size_t)net->nlinks * sizeof *net->credits);
}

void credits_spend(Net *net, int32_t w, const Packet *packet, int64_t now_ps) {
    Wire *wire = &net->wire[w];
    if (net->hub[wire->to].kind != HUB_SWITCH) return;
    wire->credit_bytes -= packet->bytes;
    CHECK(wire->credit_bytes >= 0, "wire %d has sent more than it had credits for", w);
    if (wire->credit_bytes >= net->spec.mtu_bytes) return;
    wire->paused = true;
    net->npaused++;
    totals_pause(&net->totals, w, net->credits[w].cause, packet->tally, now_ps);
}

// The far end.

static int64_t stretch_ps(const Net *net, int32_t w) {
    const int64_t two_ps = 2 * net_kind(net, &net->wire[w])->full_ps;
    return two_ps > net->window_ps ? two_ps : net->window_ps;
}

static Freed *freed_until(Net *net, int32_t w, int64_t until_ps) {
    Freed *freed = net->credits[w].freed;
    for (int32_t k = 0; k < 2; k++)
        if (freed[k].bytes > 0 && freed[k].until_ps == until_ps) return &freed[k];
    const int32_t k = freed[0].bytes > 0;
    CHECK(freed[k].bytes == 0, "wire %d frees in three stretches at once", w);
    freed[k] = (Freed){.until_ps = until_ps, .last_ps = -1, .cause = -1};
    return &freed[k];
}

void credits_free(Net *net, int32_t w, int64_t bytes, int32_t cause, int64_t now_ps) {
    struct Credits *credits = &net->credits[w];
    Hub *hub = &net->hub[net->wire[w].to];
    const int64_t each_ps = stretch_ps(net, w), until_ps = (now_ps / each_ps + 1) * each_ps;
    if (credits->freed[0].bytes == 0 && credits->freed[1].bytes == 0) {
        credits->next = hub->first_freed;
        hub->first_freed = w;
    }
    Freed *freed = freed_until(net, w, until_ps);
    freed->bytes += (int32_t)bytes;
    if (now_ps > freed->last_ps || (now_ps == freed->last_ps && cause < freed->cause)) {
        freed->last_ps = now_ps;
        freed->cause = cause;
    }
    net_wake(net, net->wire[w].to, until_ps - 1);
}

static void send_back(Net *net, int32_t w, const Freed *freed) {
    const int32_t back = net->reverse[w];
    const Packet credit = {.at_ps = freed->until_ps + net_kind(net, &net->wire[back])->delay_ps,
                           .qp = -1,
                           .number = w,
                           .bytes = freed->bytes,
                           .in = back,
                           .to = freed->cause,
                           .kind = PACKET_CREDIT};
    net_carry(net, net->wire[w].from, &credit);
}

int64_t credits_return(Net *net, Hub *hub, int64_t end_ps) {
    int64_t next_ps = TIME_NEVER_PS;
    for (int32_t *link = &hub->first_freed; *link >= 0;) {
        const int32_t w = *link;
        Freed *freed = net->credits[w].freed;
        for (int32_t k = 0; k < 2; k++) {
            if (freed[k].bytes == 0) continue;
            if (freed[k].until_ps > end_ps) {
                if (freed[k].until_ps - 1 < next_ps) next_ps = freed[k].until_ps - 1;
                continue;
            }
            send_back(net, w, &freed[k]);
            freed[k].bytes = 0;
        }
        if (freed[0].bytes == 0 && freed[1].bytes == 0)
            *link = net->credits[w].next;
        else
            link = &net->credits[w].next;
    }
    return next_ps;
}

bool credits_take(Net *net, const Packet *credit) {
    const int32_t w = credit->number;
    Wire *wire = &net->wire[w];
    wire->credit_bytes += credit->bytes;
    CHECK(wire->credit_bytes <= net->spec.credit_bytes, "wire %d gets credits that it never had",
          w);
    net->credits[w].cause = credit->to;
    if (!wire->paused || wire->credit_bytes < net->spec.mtu_bytes) return false;
    wire->paused = false;
    net->npaused--;
    if (wire->free_ps < credit->at_ps) wire->free_ps = credit->at_ps;
    net->totals.pause[w].cause = credit->to;
    totals_pause_until(&net->totals, w, credit->at_ps);
    return true;
}
