#include "observe/change.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const char LABEL[] = "observe.path";
enum { KINDS = 1 << CLUSTER_GPU_KINDS_MAX };

/// A compute operation at nominal speed.
typedef struct OpPrice {
    int64_t busy_ps, exposed_ps; ///< that slow GPUs stretch, or not
} OpPrice;

struct Changed {
    const Machine *machine; ///< as it was played
    const WhatIf *change;
    const Played *played;
    Changed *as_is;
    // The run as changed.
    RunSpec run;
    JobSpec *job;
    Comm *comm;
    Cluster *cluster;
    Fabric fabric;
    Machine *priced;
    bool moves;        ///< transfers are priced anew, too
    int64_t *factor;   ///< [slots] how much slower than nominal its units are
    OpPrice **op;      ///< [roles * stages * KINDS][operations] what has been asked for
    int64_t *message;  ///< [slots * CHANNEL_SIDES] latency included; -1: not asked for
    int64_t **meets;   ///< [groups that meet][operations of a stream] the same of collectives
    int64_t *nmeets;   ///< [groups that meet]
    int64_t *exchange; ///< [(slots + 1) * EXCHANGES_N] the same of exchanges; the last of unit 0
};

// What a change does to the specification.

static const double MORE = 1 + CHANGE_BIT;
static void quicken(double *rate) { *rate *= MORE; }
static void quicken_Bps(int64_t *rate) { *rate = (int64_t)((double)*rate * MORE + 0.5); }
static void shorten(int64_t *time_ps) { *time_ps = (int64_t)((double)*time_ps / MORE + 0.5); }

static void quicken_products(GpuSpec *gpu) {
    for (int p = 0; p < PRECISION_N; p++) {
        quicken(&gpu->gemm[p].peak_flop_per_s);
        quicken(&gpu->gemm[p].best_flop_per_s);
        for (int i = 0; i < gpu->gemm[p].npoints; i++)
            quicken(&gpu->gemm[p].point[i].rate_flop_per_s);
    }
    for (int k = 0; k < ATTENTION_N; k++) {
        quicken(&gpu->attention_forward_flop_per_s[k]);
        quicken(&gpu->attention_backward_flop_per_s[k]);
    }
    shorten(&gpu->attention_key_ps);
}

static void quicken_memory(GpuSpec *gpu) {
    quicken(&gpu->memory_Bps);
    quicken(&gpu->memory_stream_Bps);
    quicken(&gpu->memory_pass_Bps);
}

static void quicken_launches(GpuSpec *gpu) {
    shorten(&gpu->launch_ps);
    shorten(&gpu->graph_launch_ps);
    shorten(&gpu->host_call_ps);
}

static void change_gpu(GpuSpec *gpu, ChangeKind kind) {
    if (kind == CHANGE_GPU || kind == CHANGE_PRODUCTS) quicken_products(gpu);
    if (kind == CHANGE_GPU || kind == CHANGE_MEMORY) quicken_memory(gpu);
    if (kind == CHANGE_GPU || kind == CHANGE_LAUNCHES) quicken_launches(gpu);
    if (kind == CHANGE_NO_CAP) gpu->capped = 0;
}

static void change_scale_up(ScaleUpSpec *domain, ChangeKind kind) {
    if (kind == CHANGE_SCALE_UP_RATE) {
        quicken_Bps(&domain->line_Bps);
        quicken_Bps(&domain->goodput_Bps);
        quicken_Bps(&domain->reduce_Bps);
        quicken_Bps(&domain->exchange_Bps);
    } else if (kind == CHANGE_SCALE_UP_LATENCY) {
        shorten(&domain->latency_ps);
        shorten(&domain->collective_base_ps);
        shorten(&domain->bulk_latency_ps);
        shorten(&domain->bulk_base_ps);
    }
}

/// Ports of switches grow with the links of any tier, so that all have room on them still.
static void change_tier_rate(ClusterSpec *spec, int32_t tier) {
    quicken_Bps(&spec->tier[tier - 1].link_Bps);
    for (int32_t t = 0; t < spec->ntiers; t++) quicken_Bps(&spec->tier[t].switch_spec.port_Bps);
    if (tier > 1) return;
    quicken_Bps(&spec->nic.line_Bps);
    quicken_Bps(&spec->nic.goodput_Bps);
}

static void change_links(ClusterSpec *spec, const WhatIf *change) {
    if (change->kind == CHANGE_TIER_RATE) {
        change_tier_rate(spec, change->of);
    } else if (change->kind == CHANGE_TIER_LATENCY) {
        shorten(&spec->tier[change->of - 1].cable_ps);
        shorten(&spec->tier[change->of - 1].switch_spec.latency_ps);
    } else if (change->kind == CHANGE_NIC_LATENCY) {
        shorten(&spec->nic.latency_ps);
    } else if (change->kind == CHANGE_HEALTHY) {
        spec->nfaults = spec->nevents = 0;
        for (int32_t i = 0; i < spec->nslow; i++) spec->slow[i].nic = 1;
    } else if (change->kind == CHANGE_SPREAD) {
        spec->routing = ROUTING_SPRAY;
    }
}

static void change_cluster(ClusterSpec *spec, const WhatIf *change) {
    for (int32_t k = 0; k < cluster_ngpu_kinds(spec); k++) {
        change_gpu(k == 0 ? &spec->gpu : &spec->other[k - 1].gpu, change->kind);
        change_scale_up(k == 0 ? &spec->scale_up : &spec->other[k - 1].scale_up, change->kind);
    }
    change_links(spec, change);
}

/// False: this job cannot have it.
static bool change_job(JobSpec *job, ChangeKind kind) {
    TrainingSpec *training = &job->training;
    ParallelSpec *parallel = &job->parallel;
    if (kind == CHANGE_SOFTWARE_LATENCY) {
        shorten(&job->network.message_latency_ps);
        shorten(&job->network.round_latency_ps);
        shorten(&job->network.collective_base_ps);
    } else if (kind == CHANGE_EVEN_EXPERTS) {
        training->routing = EXPERTS_BALANCED;
    } else if (kind == CHANGE_KEEP_ALL) {
        if (training->recompute == 0 && training->recompute_full_every == 0) return false;
        training->recompute = 0;
        training->recompute_full_every = 0;
    } else if (kind == CHANGE_MICROBATCH) {
        if (parallel->shares != SHARES_EQUAL) return false;
        parallel->microbatch *= 2;
    }
    return true;
}

/// Does it change what transfers take alone? GPUs do that copy what they exchange.
static bool moves_transfers(ChangeKind kind) {
    return kind <= CHANGE_SOFTWARE_LATENCY || kind == CHANGE_HEALTHY ||
           kind == CHANGE_EVEN_EXPERTS || kind == CHANGE_SPREAD;
}

/// Does it change what comes before and behind a transfer, whatever its rate?
static bool is_of_latency(ChangeKind kind) {
    return kind <= CHANGE_LAUNCHES || kind == CHANGE_SCALE_UP_LATENCY ||
           kind == CHANGE_TIER_LATENCY || kind == CHANGE_NIC_LATENCY ||
           kind == CHANGE_SOFTWARE_LATENCY;
}

// The job as changed.

static Status price(Changed *changed, int64_t begin_ps) {
    TRY(cluster_create(&changed->run.cluster, &changed->cluster));
    cluster_set_time(changed->cluster, begin_ps);
    changed->fabric = fabric_make(&changed->run, changed->cluster, changed->comm);
    TRY(machine_create(&changed->fabric, changed->machine->number, &changed->priced));
    const StepCost *as_is = &changed->machine->cost, *now = &changed->priced->cost;
    REQUIRE(as_is->nsegments == now->nsegments && as_is->chunks == now->chunks, STATUS_RANGE,
            "its chunks are cut otherwise");
    if (changed->moves) fabric_open(&changed->fabric);
    return status_ok();
}

/// How slow the GPUs of a unit would be in a step, at a moment.
static int64_t factor_at(const Changed *changed, int64_t slot, int32_t step, int64_t now_ps) {
    const Machine *machine = changed->machine;
    const int64_t unit = machine->unit[slot].id;
    int64_t slow = NOISE_ONE, routing = NOISE_ONE;
    if (changed->change->kind != CHANGE_EVEN_GPUS)
        slow = unit_slow_factor(machine, unit, step, now_ps);
    if (changed->change->kind != CHANGE_EVEN_EXPERTS)
        routing = unit_routing_factor(changed->priced, unit, step); // experts are another part
    return noise_apply(slow, routing);
}

static int64_t factor_of(const Changed *changed, int64_t slot) {
    const PathLog *log = changed->machine->path_log;
    return factor_at(changed, slot, log->step, log->begin_ps[slot]);
}

static void make_room(Changed *changed) {
    const Machine *machine = changed->machine;
    const Units *units = &machine->layout.units;
    const int64_t slots = machine->path_log->nslots, groups = units_nmeeting(units);
    const size_t tables = (size_t)(machine->shares.nroles * units->stages * KINDS);
    changed->op = memory_alloc(LABEL, tables * sizeof *changed->op);
    changed->factor = memory_alloc(LABEL, (size_t)slots * sizeof *changed->factor);
    for (int64_t slot = 0; slot < slots; slot++) changed->factor[slot] = factor_of(changed, slot);
    changed->message =
        memory_alloc(LABEL, (size_t)slots * CHANNEL_SIDES * sizeof *changed->message);
    for (int64_t i = 0; i < slots * CHANNEL_SIDES; i++) changed->message[i] = -1;
    changed->meets = memory_alloc(LABEL, (size_t)groups * sizeof *changed->meets);
    changed->nmeets = memory_alloc(LABEL, (size_t)groups * sizeof *changed->nmeets);
    changed->exchange = memory_alloc(LABEL, (size_t)(slots + 1) * EXCHANGES_N * sizeof(int64_t));
    for (int64_t i = 0; i < (slots + 1) * EXCHANGES_N; i++) changed->exchange[i] = -1;
}

Changed *change_make(const Machine *machine, const WhatIf *change, const Played *played,
                     Changed *as_is) {
    const RunSpec *run = machine->run;
    Changed *changed = memory_alloc(LABEL, sizeof *changed);
    *changed = (Changed){.machine = machine,
                         .change = change,
                         .played = played,
                         .run = *run,
                         .moves = moves_transfers(change->kind)};
    changed->as_is = as_is ? as_is : changed;
    changed->job = memory_alloc(LABEL, (size_t)run->njobs * sizeof *changed->job);
    memcpy(changed->job, run->job, (size_t)run->njobs * sizeof *changed->job);
    changed->run.job = changed->job;
    changed->run.trace.explain = false;
    changed->comm = comm_create_self();
    const bool possible = change_job(&changed->job[machine->number], change->kind);
    change_cluster(&changed->run.cluster, change);
    const int64_t begin_ps = machine->cycle.begin.actual_ps;
    Status status = possible ? price(changed, begin_ps) : status_make(STATUS_RANGE, "not here");
    if (status_is_ok(&status)) {
        make_room(changed);
        return changed;
    }
    change_free(changed);
    return NULL;
}

void change_free(Changed *changed) {
    if (!changed) return;
    const Machine *machine = changed->machine;
    const Units *units = &machine->layout.units;
    const int32_t tables = changed->op ? machine->shares.nroles * units->stages * KINDS : 0;
    for (int32_t i = 0; i < tables; i++) {
        const Program *program = &machine->program[i / KINDS];
        memory_free(LABEL, changed->op[i],
                    changed->op[i] ? (size_t)program->nops * sizeof **changed->op : 0);
    }
    const int64_t groups = units_nmeeting(units), slots = machine->path_log->nslots;
    for (int64_t g = 0; changed->meets && g < groups; g++)
        memory_free(LABEL, changed->meets[g], (size_t)changed->nmeets[g] * sizeof(int64_t));
    if (changed->op) {
        memory_free(LABEL, changed->op, (size_t)tables * sizeof *changed->op);
        memory_free(LABEL, changed->factor, (size_t)slots * sizeof(int64_t));
        memory_free(LABEL, changed->message, (size_t)slots * CHANNEL_SIDES * sizeof(int64_t));
        memory_free(LABEL, changed->exchange, (size_t)(slots + 1) * EXCHANGES_N * sizeof(int64_t));
        memory_free(LABEL, changed->meets, (size_t)groups * sizeof *changed->meets);
        memory_free(LABEL, changed->nmeets, (size_t)groups * sizeof *changed->nmeets);
    }
    machine_destroy(changed->priced);
    fabric_close(&changed->fabric);
    cluster_destroy(changed->cluster);
    comm_destroy(changed->comm);
    memory_free(LABEL, changed->job, (size_t)changed->run.njobs * sizeof *changed->job);
    memory_free(LABEL, changed, sizeof *changed);
}

// What operations cost.

static OpPrice price_op(const Changed *changed, const Unit *unit, const Op *op) {
    const Machine *priced = changed->priced;
    const bool even = changed->change->kind == CHANGE_EVEN_GPUS && !priced->shares.uneven;
    const NominalWork work =
        even ? step_cost_work(machine_nominal(priced, unit->role), unit->stage, op)
             : unit_work(priced, unit->kinds, unit->stage, op);
    const ChangeKind kind = changed->change->kind;
    const int64_t sharing_ps = kind == CHANGE_NO_SHARING ? 0 : work.sharing_ps;
    OpPrice all = {work.compute_ps + sharing_ps, nominal_exposed_ps(work)};
    const int32_t of = changed->change->of;
    if (kind == CHANGE_MICROBATCH && op->kind != OP_OPTIMIZER)
        all = (OpPrice){all.busy_ps / 2, all.exposed_ps / 2};
    if (kind == CHANGE_FREE_ALL) all.exposed_ps = 0;
    if (kind == CHANGE_FREE && of == DIM_TP) all.exposed_ps -= work.tp_ps;
    if (kind == CHANGE_FREE && of == DIM_CP) all.exposed_ps -= work.cp_ps;
    if (kind == CHANGE_FREE && of == DIM_EP) all.exposed_ps -= work.ep_ps;
    return all;
}

static OpPrice op_price(Changed *changed, int64_t slot, int32_t index) {
    const Unit *unit = &changed->machine->unit[slot];
    const Program *program = unit_program(changed->machine, unit);
    const int32_t table =
        ((int32_t)unit->role * changed->machine->layout.units.stages + unit->stage) * KINDS +
        unit->kinds;
    if (!changed->op[table]) {
        changed->op[table] = memory_alloc(LABEL, (size_t)program->nops * sizeof **changed->op);
        for (int32_t i = 0; i < program->nops; i++)
            if (OP_KINDS[program->op[i].kind].form == FORM_COMPUTE)
                changed->op[table][i] = price_op(changed, unit, &program->op[i]);
    }
    return changed->op[table][index];
}

static int64_t slow_ps(OpPrice price, int64_t factor) {
    return noise_apply(price.busy_ps, factor) + price.exposed_ps;
}

/// On the GPUs of a unit, as slow as they are.
static int64_t busy_ps(const Changed *changed, int64_t slot, OpPrice price) {
    return slow_ps(price, changed->factor[slot]);
}

int64_t change_later_ps(Changed *changed, int64_t slot, int32_t op) {
    const PathLog *log = changed->machine->path_log;
    if (log->step == 0) return 0;
    const int64_t end_ps = log->begin_ps[slot] - 1;
    int64_t took_ps[2];
    Changed *const as[] = {changed, changed->as_is};
    for (int i = 0; i < 2; i++)
        took_ps[i] =
            slow_ps(op_price(as[i], slot, op), factor_at(as[i], slot, log->step - 1, end_ps));
    return took_ps[0] - took_ps[1];
}

static int64_t scaled(int64_t time_ps, int64_t to, int64_t from) {
    if (to == from || from <= 0) return time_ps;
    return (int64_t)llround((double)time_ps * ((double)to / (double)from));
}

/// Alone on the links of the changed cluster, from when it could begin.
static int64_t price_transfer(const Changed *changed, const Transfer *transfer) {
    const Fabric *fabric = &changed->fabric;
    int64_t alone_ps = 0;
    const Status status = fabric->ops->alone_ps(fabric->engine, transfer, &alone_ps);
    return status_is_ok(&status) ? transfer->start_ps + alone_ps : 0;
}

static int64_t message_ps(Changed *changed, int64_t slot, ChannelSide side) {
    int64_t *known = &changed->message[slot * CHANNEL_SIDES + (int64_t)side];
    if (*known >= 0) return *known;
    JobEdges edges;
    const int64_t channel =
        changed->machine->unit[slot].id * (int64_t)CHANNEL_SIDES + (int64_t)side;
    const Transfer transfer = network_message(changed->priced, channel, &edges);
    return *known = price_transfer(changed, &transfer);
}

static int64_t price_exchange(const Changed *changed, int64_t unit, Exchange which) {
    const ExchangePlan *plan = &changed->priced->exchange_plan;
    JobEdges edges;
    if (plan->timed) return plan->latency_ps[which];
    const Transfer transfer = network_exchange(changed->priced, unit, which, &edges);
    return price_transfer(changed, &transfer);
}

/// Does what bounds an exchange depend on whose it is?
static bool is_apart(const Changed *changed) {
    const ClusterSpec *spec = cluster_spec(changed->machine->cluster);
    const ChangeKind kind = changed->change->kind;
    return change_is_degraded(spec) || (change_is_hashed(spec) && !is_of_latency(kind));
}

/// What units exchange, they do on paths of their own: each is priced as it is. What a change makes of that is taken from one,
/// the same on all ranks, where it is the same of all.
static int64_t exchange_ps(Changed *changed, int64_t slot, Exchange which) {
    const int64_t nslots = changed->machine->path_log->nslots;
    const bool each = changed == changed->as_is || is_apart(changed);
    int64_t *known = &changed->exchange[(each ? slot : nslots) * EXCHANGES_N + (int64_t)which];
    if (*known < 0)
        *known = price_exchange(changed, each ? changed->machine->unit[slot].id : 0, which);
    if (each) return *known;
    int64_t *was = &changed->as_is->exchange[nslots * EXCHANGES_N + (int64_t)which];
    if (*was < 0) *was = price_exchange(changed->as_is, 0, which);
    return scaled(exchange_ps(changed->as_is, slot, which), *known, *was);
}

/// Its slowest rail, phase after phase.
static int64_t price_collective(const Changed *changed, int64_t group, OpKind kind,
                                int32_t sequence) {
    const Machine *priced = changed->priced;
    const int64_t bytes = network_bytes(priced, group, kind, sequence);
    CollectivePlan plan;
    Status status = network_plan(priced, group, kind, bytes, &plan);
    if (!status_is_ok(&status)) return 0;
    if (bytes <= priced->job->network.eager_bytes) return collective_waits_ps(&plan);
    int64_t longest_ps = 0;
    for (int32_t r = 0; r < units_rails(&priced->layout.units, group)->n; r++) {
        int64_t sum_ps = 0;
        for (int32_t p = 0; p < plan.nphases; p++) {
            const JobEdges edges = {
                .machine = priced, .plan = &plan, .group = group, .rail = r, .phase = p};
            const Transfer transfer = network_phase(priced, &edges, 0);
            sum_ps += price_transfer(changed, &transfer);
        }
        longest_ps = clock_later(longest_ps, sum_ps);
    }
    return longest_ps;
}

static int64_t collective_ps(Changed *changed, int64_t slot, const Op *op) {
    const Machine *machine = changed->machine;
    const Units *units = &machine->layout.units;
    const Unit *unit = &machine->unit[slot];
    const GroupKind among = OP_KINDS[op->kind].group;
    const int64_t group = units_group_of(units, unit->id, among);
    if (units_rail_size(units, group) == 1) return 0;
    const int64_t g = units_meeting_index(units, group);
    const int32_t place = group_is_of_stage(among) ? op->sequence : 0;
    if (!changed->meets[g]) {
        changed->nmeets[g] = unit_program(machine, unit)->stream_nops[op->stream];
        changed->meets[g] = memory_alloc(LABEL, (size_t)changed->nmeets[g] * sizeof(int64_t));
        for (int64_t i = 0; i < changed->nmeets[g]; i++) changed->meets[g][i] = -1;
    }
    int64_t *known = &changed->meets[g][place];
    if (*known < 0) *known = price_collective(changed, group, op->kind, op->sequence);
    return *known;
}

static int64_t transfer_alone_ps(Changed *changed, int64_t slot, const Op *op) {
    if (!changed->moves) changed = changed->as_is;
    switch (OP_KINDS[op->kind].form) {
        case FORM_RECEIVE:
            return message_ps(
                changed, slot,
                op->stream == STREAM_RECV_PREV ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT);
        case FORM_EXCHANGE:
            return exchange_ps(changed, slot,
                               op->kind == OP_DISPATCH ? EXCHANGE_DISPATCH : EXCHANGE_COMBINE);
        case FORM_COLLECTIVE: return collective_ps(changed, slot, op);
        case FORM_COMPUTE:
        case FORM_SEND: break;
    }
    return 0;
}

static const Slowed *slowed_of(const Changed *changed, int64_t slot, int32_t index, const Op *op) {
    static const Slowed NOT = {{0}, 0, 0};
    const Slowed *slowed = path_log_slowed_of(changed->machine->path_log, slot, index,
                                              OP_KINDS[op->kind].form == FORM_COLLECTIVE);
    return slowed ? slowed : &NOT;
}

/// Do links of a tier carry more?
static bool quickens(const WhatIf *change, const ClusterSpec *spec, int32_t tier) {
    if (change->kind == CHANGE_SCALE_UP_RATE) return tier == 0;
    if (change->kind != CHANGE_TIER_RATE) return false;
    return tier == change->of || (change->of == 1 && tier > spec->ntiers);
}

/// Does a link carry more since nothing is degraded?
static bool is_mended(const Changed *changed, LinkId link) {
    return changed->change->kind == CHANGE_HEALTHY &&
           cluster_capacity_Bps(changed->cluster, link) >
               cluster_capacity_Bps(changed->machine->cluster, link);
}

/// Latencies between the rounds of a transfer are no longer what it waits for while its links are shared: only of the rest
/// of its time can they take a hundredth.
static int64_t sooner_ps(int64_t took_ps, int64_t gain_ps, int64_t slow_ps) {
    const int64_t rest_ps = took_ps - slow_ps,
                  most_ps = rest_ps - (int64_t)((double)rest_ps / MORE);
    return took_ps - (slow_ps > 0 && gain_ps > most_ps ? most_ps : gain_ps);
}

static int64_t transfer_ps(Changed *changed, int64_t slot, int32_t index, const Op *op,
                           int64_t took_ps) {
    const WhatIf *change = changed->change;
    const int64_t was_ps = transfer_alone_ps(changed->as_is, slot, op),
                  is_ps = transfer_alone_ps(changed, slot, op);
    const Slowed *slowed = slowed_of(changed, slot, index, op);
    int64_t slow_ps = 0;
    for (int t = 0; t < ENGINE_TIERS_MAX; t++) slow_ps += slowed->tier_ps[t];
    if (change->kind == CHANGE_ALONE) return was_ps < took_ps ? was_ps : took_ps;
    if (change->kind == CHANGE_ALONE_TIER)
        return took_ps - (slow_ps > 0 && took_ps > was_ps
                              ? scaled(took_ps - was_ps, slowed->tier_ps[change->of], slow_ps)
                              : 0);
    if (is_of_latency(change->kind) && slow_ps <= took_ps)
        return sooner_ps(took_ps, was_ps - is_ps, slow_ps);
    if (slow_ps > took_ps || slow_ps == 0 || is_mended(changed, slowed->link))
        return scaled(took_ps, is_ps, was_ps);
    int64_t all_ps = scaled(took_ps - slow_ps, is_ps, was_ps);
    for (int t = 0; t < ENGINE_TIERS_MAX; t++) {
        const bool more = quickens(change, &changed->run.cluster, t);
        all_ps += more ? (int64_t)((double)slowed->tier_ps[t] / MORE + 0.5) : slowed->tier_ps[t];
    }
    return all_ps;
}

static bool is_free(const WhatIf *change, const Op *op) {
    if (change->kind == CHANGE_FREE_ALL) return true;
    return change->kind == CHANGE_FREE && (int32_t)OP_KINDS[op->kind].serves == change->of;
}

static int64_t communication_ps(Changed *changed, int64_t slot, int32_t index) {
    const Machine *machine = changed->machine;
    const Op *op = &unit_program(machine, &machine->unit[slot])->op[index];
    const int64_t took_ps = changed->played->took_ps[machine->path_log->first[slot] + index];
    if (is_free(changed->change, op)) return 0;
    return transfer_ps(changed, slot, index, op, took_ps);
}

/// What it took beyond its price was taken by communication, or the GPU was dead.
static int64_t compute_ps(Changed *changed, int64_t slot, int32_t op) {
    const Played *played = changed->played;
    const int64_t at = changed->machine->path_log->first[slot] + op;
    const int64_t was_ps = busy_ps(changed->as_is, slot, op_price(changed->as_is, slot, op)),
                  is_ps = busy_ps(changed, slot, op_price(changed, slot, op)),
                  lost_ps = played->took_ps[at] - was_ps;
    const int32_t beside = played->beside[at];
    if (beside < 0)
        return changed->change->kind == CHANGE_NO_SHARING ? is_ps
                                                          : is_ps + scaled(lost_ps, is_ps, was_ps);
    if (beside == 0) return is_ps + lost_ps;
    if (changed->change->kind == CHANGE_NO_SHARING) return is_ps;
    return is_ps + scaled(lost_ps, communication_ps(changed, slot, beside - 1),
                          played->took_ps[at - op + beside - 1]);
}

static int64_t took_ps(void *context, int64_t slot, int32_t index, int64_t begin_ps) {
    Changed *changed = context;
    (void)begin_ps;
    const Machine *machine = changed->machine;
    const Op *op = &unit_program(machine, &machine->unit[slot])->op[index];
    if (changed->change->kind == CHANGE_NOTHING)
        return changed->played->took_ps[machine->path_log->first[slot] + index];
    return OP_KINDS[op->kind].form == FORM_COMPUTE ? compute_ps(changed, slot, index)
                                                   : communication_ps(changed, slot, index);
}

ReplayTimes change_times(Changed *changed) { return (ReplayTimes){took_ps, changed}; }

int64_t change_alone_ps(Changed *changed, int64_t slot, int32_t index) {
    const Op *op = &unit_program(changed->machine, &changed->machine->unit[slot])->op[index];
    if (OP_KINDS[op->kind].form != FORM_COMPUTE) return transfer_alone_ps(changed, slot, op);
    const OpPrice price = op_price(changed, slot, index);
    return price.busy_ps + price.exposed_ps;
}
