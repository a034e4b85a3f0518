#include "engine/packet/net.h"

#include "base/check.h"
#include "base/memory.h"
#include "engine/packet/credits.h"

#define LABEL "packet.net"

enum { NO_KIND = 0, CACHE_LINE = 64 };

static void *take(int64_t n, size_t bytes) { return memory_alloc(LABEL, (size_t)n * bytes); }

static void give(void *block, int64_t n, size_t bytes) {
    memory_free(LABEL, block, (size_t)n * bytes);
}

// hubs

static void place_switches(Net *net) {
    const ClusterSpec *spec = cluster_spec(net->cluster);
    int64_t next = net->ngpus;
    for (int32_t level = 1; level <= spec->ntiers; level++) {
        net->first_switch[level] = (int32_t)next;
        next += cluster_nswitches(net->cluster, level);
    }
    net->first_switch[spec->ntiers + 1] = (int32_t)next; // domains
    next += cluster_domain_of(net->cluster, net->ngpus - 1) + 1;
    net->first_sink = (next + AGENDA_BLOCK - 1) / AGENDA_BLOCK * AGENDA_BLOCK;
    net->nhubs = net->first_sink + net->ngpus;
}

static void make_hubs(Net *net) {
    const ClusterSpec *spec = cluster_spec(net->cluster);
    net->hub = take(net->nhubs, sizeof *net->hub);
    for (int64_t h = 0; h < net->nhubs; h++)
        net->hub[h] = (Hub){.kind = HUB_DOMAIN, .first_frame = -1, .first_freed = -1, .gpu = -1};
    for (GpuId gpu = 0; gpu < net->ngpus; gpu++) {
        Hub *nic = &net->hub[gpu], *sink = &net->hub[net->first_sink + gpu];
        nic->kind = HUB_NIC;
        sink->kind = HUB_SINK;
        nic->gpu = sink->gpu = gpu;
        nic->place = sink->place =
            routing_place(net->cluster, 0, cluster_endpoint_of(net->cluster, gpu));
    }
    for (int32_t level = 1; level <= spec->ntiers; level++)
        for (int64_t s = 0; s < cluster_nswitches(net->cluster, level); s++) {
            Hub *hub = &net->hub[net->first_switch[level] + s];
            hub->kind = HUB_SWITCH;
            hub->place = routing_place(net->cluster, level, s);
        }
}

/// Hub at an end of a link, -1: a port where there is no GPU.
static int32_t hub_at(const Net *net, const FabricPlace *place, bool receives) {
    if (place->level > 0) return net->first_switch[place->level] + (int32_t)place->number;
    const GpuId gpu = cluster_gpu_at(net->cluster, place->number);
    return gpu < 0 ? -1 : (int32_t)(receives ? net->first_sink + gpu : gpu);
}

// wires

static void join_domains(Net *net) {
    const int32_t first = net->first_switch[cluster_spec(net->cluster)->ntiers + 1];
    for (GpuId gpu = 0; gpu < net->ngpus; gpu++) {
        const int32_t domain = first + (int32_t)cluster_domain_of(net->cluster, gpu);
        const LinkId up = cluster_first_link(net->cluster, 0, LINK_UP) + gpu,
                     down = cluster_first_link(net->cluster, 0, LINK_DOWN) + gpu;
        net->wire[up].from = (int32_t)gpu;
        net->wire[up].to = net->wire[down].from = domain;
        net->wire[down].to = (int32_t)(net->first_sink + gpu);
        net->reverse[up] = (int32_t)down;
        net->reverse[down] = (int32_t)up;
    }
}

static void join_fabric(Net *net) {
    for (int32_t t = 1; t <= cluster_spec(net->cluster)->ntiers; t++) {
        const int64_t n = cluster_tier_links(net->cluster, t);
        const LinkId first[] = {cluster_first_link(net->cluster, t, LINK_UP),
                                cluster_first_link(net->cluster, t, LINK_DOWN)};
        for (int64_t i = 0; i < 2 * n; i++) {
            const LinkId link = first[i / n] + i % n;
            FabricPlace from, to;
            routing_link_places(net->cluster, link, &from, &to);
            net->wire[link].from = hub_at(net, &from, false);
            net->wire[link].to = hub_at(net, &to, true);
            if (net->wire[link].from < 0 || net->wire[link].to < 0)
                net->wire[link].from = net->wire[link].to = -1;
            net->reverse[link] = (int32_t)(first[1 - i / n] + i % n);
        }
    }
}

/// Give each hub its lists of wires, and each wire its numbers there.
static void list_wires(Net *net) {
    for (int64_t w = 0; w < net->nlinks; w++) {
        if (net->wire[w].from < 0) continue;
        net->hub[net->wire[w].from].nout++;
        net->hub[net->wire[w].to].nin++;
    }
    int32_t out = 0, words = 0;
    for (int64_t h = 0; h < net->nhubs; h++) {
        Hub *hub = &net->hub[h];
        CHECK(hub->nin <= NET_DEGREE_MOST && hub->nout <= NET_DEGREE_MOST, "hub %lld has %d links",
              (long long)h, hub->nin + hub->nout);
        hub->first_out = out;
        out += hub->nout;
        hub->out_words = words;
        words += (hub->nout + 63) / 64;
        hub->nin = hub->nout = 0;
    }
    net->wires_out = take(net->nlinks, sizeof *net->wires_out);
    net->nwords = words;
    net->words = take(words, sizeof *net->words);
    for (int64_t w = 0; w < net->nlinks; w++) {
        Wire *wire = &net->wire[w];
        if (wire->from < 0) continue;
        Hub *from = &net->hub[wire->from], *to = &net->hub[wire->to];
        net->wires_out[from->first_out + (wire->out_bit = (uint16_t)from->nout++)] = (int32_t)w;
        wire->in_bit = (uint16_t)to->nin++;
    }
}

// kinds

/// From the last bit sent until a packet is taken. Frames that pause a port take as long as a packet of their cable in the
/// other direction does.
static int64_t delay_of(const Net *net, const Wire *wire, int32_t tier) {
    const ClusterSpec *spec = cluster_spec(net->cluster);
    if (tier == 0) {
        const Hub *end = &net->hub[net->hub[wire->from].gpu >= 0 ? wire->from : wire->to];
        const int32_t kind = cluster_gpu_kind(spec, end->gpu);
        const int64_t half_ps = cluster_scale_up_of_kind(spec, kind)->latency_ps / 2;
        return half_ps > net->window_ps ? half_ps : net->window_ps;
    }
    return net_link_delay_ps(spec, tier, net->hub[wire->to].place.level);
}

/// Bytes that a wire carries in so long.
static int64_t bytes_in(double us, int64_t Bps) { return (int64_t)(us * 1e-6 * (double)Bps); }

static uint16_t kind_of(Net *net, const WireKind *wanted) {
    for (int64_t k = net->kind.n - 1; k > NO_KIND; k--) {
        const WireKind *kind = &net->kind.at[k];
        if (kind->Bps == wanted->Bps && kind->delay_ps == wanted->delay_ps &&
            kind->ack_ps == wanted->ack_ps && kind->cut == wanted->cut &&
            kind->mark_min == wanted->mark_min)
            return (uint16_t)k;
    }
    CHECK(net->kind.n < UINT16_MAX, "%lld kinds of wires", (long long)net->kind.n);
    array_push(&net->kind, *wanted);
    return (uint16_t)(net->kind.n - 1);
}

/// The fastest link that leaves a hub.
static int64_t fastest_out_Bps(const Net *net, const Hub *hub) {
    int64_t most_Bps = 0;
    for (int32_t i = 0; i < hub->nout; i++) {
        const int64_t Bps = cluster_capacity_Bps(net->cluster, net->wires_out[hub->first_out + i]);
        if (Bps > most_Bps) most_Bps = Bps;
    }
    return most_Bps;
}

static WireKind kind_for(const Net *net, LinkId link, int64_t fastest_Bps) {
    const Wire *wire = &net->wire[link];
    const ClusterSpec *spec = cluster_spec(net->cluster);
    const int32_t tier = cluster_link_tier(net->cluster, link);
    const int64_t Bps = cluster_capacity_Bps(net->cluster, link);
    const Hub *to = &net->hub[wire->to];
    const int64_t line_Bps = tier == 0 ? Bps : spec->tier[tier - 1].link_Bps;
    WireKind kind = {
        .Bps = Bps,
        .full_ps = Bps > 0 ? net_time_ps(net->spec.mtu_bytes, Bps) : 0,
        .ack_ps = line_Bps > 0 ? net_time_ps(net->spec.ack_bytes, line_Bps) : 0,
        .delay_ps = delay_of(net, wire, tier),
        .mark_min = INT64_MAX,
        .mark_max = INT64_MAX,
    };
    if (net->hub[wire->from].kind == HUB_SWITCH) {
        kind.mark_min = bytes_in(net->spec.ecn_min_us, Bps);
        kind.mark_max = bytes_in(net->spec.ecn_max_us, Bps);
    }
    if (net->spec.forwarding == FORWARDING_CUT_THROUGH && to->kind != HUB_SINK)
        kind.cut = fastest_Bps <= Bps;
    return kind;
}

static void set_kinds(Net *net) {
    int64_t *fastest_Bps = take(net->nhubs, sizeof *fastest_Bps); // out of each hub
    for (int64_t h = 0; h < net->nhubs; h++) fastest_Bps[h] = fastest_out_Bps(net, &net->hub[h]);
    for (LinkId link = 0; link < net->nlinks; link++)
        if (net->wire[link].from >= 0) {
            const WireKind kind = kind_for(net, link, fastest_Bps[net->wire[link].to]);
            net->wire[link].kind = kind_of(net, &kind);
            net->wire[link].dead = kind.Bps == 0;
        }
    give(fastest_Bps, net->nhubs, sizeof *fastest_Bps);
}

/// What is the least any wire of the fabric takes; a domain takes no less.
static void set_window(Net *net) {
    net->window_ps = INT64_C(1) << NET_WINDOW_BITS;
    for (LinkId link = 0; link < net->nlinks; link++)
        if (net->wire[link].from >= 0 && cluster_link_tier(net->cluster, link) > 0) {
            const int64_t delay_ps = net_kind(net, &net->wire[link])->delay_ps;
            if (delay_ps < net->window_ps) net->window_ps = delay_ps;
        }
    for (int64_t k = NO_KIND + 1; k < net->kind.n; k++)
        if (net->kind.at[k].delay_ps < net->window_ps) net->kind.at[k].delay_ps = net->window_ps;
}

static void make_agenda(Net *net) {
    Agenda *agenda = &net->agenda;
    agenda->nblocks = (net->nhubs + AGENDA_BLOCK - 1) / AGENDA_BLOCK;
    agenda->next_ps = take(agenda->nblocks * AGENDA_BLOCK, sizeof(int64_t));
    agenda->block_ps = take(agenda->nblocks, sizeof(int64_t));
    for (int64_t h = 0; h < agenda->nblocks * AGENDA_BLOCK; h++) agenda->next_ps[h] = TIME_NEVER_PS;
    for (int64_t b = 0; b < agenda->nblocks; b++) agenda->block_ps[b] = TIME_NEVER_PS;
}

// ranks

/// The rank of all children of a switch, or -1.
static int32_t rank_below(const Net *net, int32_t hub) {
    int32_t rank = -1;
    for (int32_t i = 0; i < net->hub[hub].nout; i++) {
        const int32_t w = net->wires_out[net->hub[hub].first_out + i];
        if (cluster_link_direction(net->cluster, w) == LINK_UP) continue;
        const int32_t own = net->ranks.owner[net->wire[w].to];
        if (rank >= 0 && own != rank) return -1;
        rank = own;
    }
    return rank;
}

/// See ranks.h.
static void deal_hubs(Net *net) {
    Ranks *ranks = &net->ranks;
    const int64_t ndomains = cluster_domain_of(net->cluster, net->ngpus - 1) + 1;
    const int32_t levels = cluster_spec(net->cluster)->ntiers;
    for (GpuId gpu = 0; gpu < net->ngpus; gpu++) {
        const int64_t domain = cluster_domain_of(net->cluster, gpu);
        const int32_t rank = (int32_t)(domain * ranks->nranks / ndomains);
        ranks->owner[gpu] = ranks->owner[net->first_sink + gpu] = rank;
        ranks->owner[net->first_switch[levels + 1] + domain] = rank;
    }
    for (int32_t level = 1; level <= levels; level++)
        for (int32_t h = net->first_switch[level]; h < net->first_switch[level + 1]; h++) {
            const int32_t below = rank_below(net, h);
            ranks->owner[h] = below >= 0 ? below : (h - net->first_switch[level]) % ranks->nranks;
        }
}

static int64_t nlines(const Net *net) { return 2 * net->nlinks + 1; }

static void take_lines(Net *net, int32_t njobs) {
    net->lines = take(nlines(net), CACHE_LINE);
    char *first = net->lines + (CACHE_LINE - (uintptr_t)net->lines % CACHE_LINE) % CACHE_LINE;
    net->wire = (Wire *)first;
    totals_init(&net->totals, net->nlinks, njobs, (WireTotals *)(first + net->nlinks * CACHE_LINE));
}

void net_init(Net *net, const Cluster *cluster, const PacketSpec *spec, uint64_t seed,
              int32_t njobs, Comm *comm) {
    *net = (Net){.cluster = cluster,
                 .spec = *spec,
                 .seed = seed,
                 .ngpus = cluster_ngpus(cluster),
                 .nlinks = cluster_nlinks(cluster),
                 .rings.first_free = -1,
                 .free_frame = -1};
    array_push(&net->kind, (WireKind){0});
    place_switches(net);
    make_hubs(net);
    take_lines(net, njobs);
    CHECK(spec->flow_control != FLOW_NONE || packet_has_room(spec),
          "a packet of %lld bytes finds no room in an empty switch of %lld bytes",
          (long long)spec->mtu_bytes, (long long)spec->buffer_bytes);
    net->lossy = (spec->flow_control == FLOW_NONE && spec->buffer_bytes < PACKET_ENDLESS_BYTES) ||
                 spec->loss_share > 0 || !cluster_spec_is_still(cluster_spec(cluster));
    net->reverse = take(net->nlinks, sizeof *net->reverse);
    for (int64_t w = 0; w < net->nlinks; w++)
        net->wire[w] = (Wire){.data = {-1, -1}, .control = {-1, -1}, .from = -1, .to = -1};
    join_domains(net);
    join_fabric(net);
    list_wires(net);
    set_kinds(net);
    set_window(net);
    CHECK(net->window_ps > 0, "a link takes no time");
    make_agenda(net);
    if (spec->flow_control == FLOW_CREDITS) credits_init(net);
    inboxes_init(&net->inboxes, net->nhubs, net->window_ps);
    ranks_init(&net->ranks, comm, net->nhubs);
    if (net->ranks.owner) deal_hubs(net);
}

static void add_frame(Net *net, PauseFrame frame) {
    int32_t f = net->free_frame;
    if (f < 0) {
        f = (int32_t)net->frame.n;
        array_resize(&net->frame, net->frame.n + 1);
    } else {
        net->free_frame = net->frame.at[f].next;
    }
    const int32_t h = net->wire[frame.wire].from;
    frame.next = net->hub[h].first_frame;
    net->frame.at[f] = frame;
    net->hub[h].first_frame = f;
    net_wake(net, h, frame.at_ps);
}

void net_pause(Net *net, const PauseFrame *frame) {
    const int32_t hub = net->wire[frame->wire].from;
    if (ranks_have(&net->ranks, hub))
        add_frame(net, *frame);
    else
        array_push(&net->ranks.outbox[net->ranks.owner[hub]].frame, *frame);
}

void net_exchange(Net *net) {
    if (net->ranks.owner == NULL) return;
    ranks_exchange(&net->ranks);
    const Outbox *came = &net->ranks.inbox;
    for (int64_t i = 0; i < came->packet.n; i++)
        net_carry(net, net_destination(net, &came->packet.at[i]), &came->packet.at[i]);
    for (int64_t i = 0; i < came->frame.n; i++) add_frame(net, came->frame.at[i]);
}

void net_pass(Net *net, int64_t now_ps) {
    int32_t hub;
    Packet packet;
    inboxes_pass(&net->inboxes, now_ps);
    while (inboxes_next_near(&net->inboxes, &hub, &packet)) net_carry(net, hub, &packet);
}

void net_refresh(Net *net) { set_kinds(net); }

void net_fini(Net *net) {
    ring_pool_fini(&net->rings);
    ranks_fini(&net->ranks);
    if (net->inboxes.of) inboxes_fini(&net->inboxes);
    array_free(&net->kind);
    array_free(&net->frame);
    array_free(&net->parts);
    if (net->hub) give(net->hub, net->nhubs, sizeof *net->hub);
    totals_fini(&net->totals);
    credits_fini(net);
    if (net->lines) give(net->lines, nlines(net), CACHE_LINE);
    if (net->reverse) give(net->reverse, net->nlinks, sizeof *net->reverse);
    if (net->wires_out) give(net->wires_out, net->nlinks, sizeof *net->wires_out);
    if (net->words) give(net->words, net->nwords, sizeof *net->words);
    if (net->agenda.next_ps) {
        give(net->agenda.next_ps, net->agenda.nblocks * AGENDA_BLOCK, sizeof(int64_t));
        give(net->agenda.block_ps, net->agenda.nblocks, sizeof(int64_t));
    }
}
