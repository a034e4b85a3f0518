#include "player/island_player.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "driver/stop.h"
#include "player/news.h"
#include "player/repeat.h"
#include "player/rings.h"

#define LABEL "driver.dataflow"

// Width of a window.
#define FIRST_WIDTH_PS PS_PER_MS
#define NARROWEST_PS PS_PER_US
#define WIDEST_PS PS_PER_S

enum {
    LOG_BYTES = 16 << 20,  ///< windows are kept so short that their logs stay about there
    MOMENTS_MAX = 1000000, ///< at one time: more can only be an error
};

/// An island with messages that ended at this moment.
typedef struct Due {
    int32_t island;
    uint64_t ended;
} Due;

typedef struct Dataflow {
    Machine *machine;
    Islands *islands;
    Rings *rings;
    Comm *comm;
    int64_t now_ps, width_ps;
    int64_t first_ps;    ///< earliest event of any island of any rank
    int64_t quiet_ps;    ///< no collective can begin before
    bool moved;          ///< levels of collectives must be solved at now_ps
    int64_t ngroups;     ///< layout_nmeeting
    GroupNews *news;     ///< [ngroups]
    int64_t slow_before; ///< log entries of windows before
    ARRAY_OF(Due) due;
    int64_t idle; ///< moments in a row that did not move time
} Dataflow;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Collectives that members have come to.

/// Would the news complete a group?
static bool completes(const Dataflow *flow, int64_t place) {
    const Layout *layout = &flow->machine->layout;
    const GroupNews *news = &flow->news[place];
    int64_t group = layout_meeting_group(layout, place);
    return news->count > 0 && flow->machine->group[place].arrival.count + news->count ==
                                  layout_group_units(layout, group).n;
}

/// Earliest time at which a collective that begins before end_ps can be felt.
static int64_t first_begin_ps(Dataflow *flow, int64_t end_ps) {
    if (!news_gather(flow->news, flow->islands, end_ps)) return end_ps;
    for (int64_t place = 0; place < flow->ngroups; place++)
        if (completes(flow, place))
            end_ps = least(end_ps, flow->news[place].at.actual_ps +
                                       flow->machine->job->network.collective_base_ps);
    return end_ps;
}

/// Members that came before end_ps are there for good; groups that are complete begin.
static void meet(Dataflow *flow, int64_t end_ps) {
    Machine *machine = flow->machine;
    bool any = news_gather(flow->news, flow->islands, end_ps);
    array_clear(&flow->islands->arrival);
    for (int64_t place = 0; place < flow->ngroups && any; place++) {
        const GroupNews *news = &flow->news[place];
        if (news->count == 0) continue;
        Meeting meeting = {.group = layout_meeting_group(&machine->layout, place),
                           .step = (int32_t)news->step,
                           .op = (int32_t)news->op,
                           .kind = (OpKind)news->kind,
                           .at = news->at};
        if (match_members(machine, &meeting, news->count)) network_collective(machine, &meeting);
    }
}

// A window.

static int64_t window_end_ps(const Dataflow *flow) {
    int64_t end_ps = least(rings_next_ps(flow->rings), heap_next_ps(&flow->machine->heap));
    const Intervals *intervals = &flow->machine->fabric->intervals;
    if (flow->first_ps < TIME_NEVER_PS) {
        int64_t from_ps = flow->first_ps > flow->now_ps ? flow->first_ps : flow->now_ps;
        end_ps = least(end_ps, from_ps + flow->width_ps);
    }
    if (end_ps < TIME_NEVER_PS && intervals->width_ps > 0)
        end_ps = least(end_ps, intervals_next_ps(intervals, flow->now_ps));
    return end_ps;
}

static int64_t log_bytes(const Islands *islands) {
    return islands->undo.n + islands->bind.n * (int64_t)sizeof(BindSpan);
}

/// Play up to wanted_ps; less where the logs would grow too long. Returns how far.
static int64_t play_islands(Dataflow *flow, int64_t wanted_ps) {
    int64_t end_ps = wanted_ps;
    Islands *islands = flow->islands;
    islands->windows++;
    array_clear(&islands->undo);
    islands->undoable = rings_any(flow->rings) || wanted_ps > flow->quiet_ps;
    islands->violation_ps = TIME_NEVER_PS;
    flow->slow_before = islands->slow.n;
    array_clear(&islands->bind);
    for (int64_t i = 0; i < islands->n; i++) {
        int64_t until_ps = least(end_ps, islands->violation_ps);
        if (islands->next_ps[i] >= until_ps) continue;
        if (islands->undoable) island_keep(islands, &islands->at[i]);
        island_play(islands, &islands->at[i], until_ps);
        if (log_bytes(islands) > 2 * LOG_BYTES && end_ps == wanted_ps)
            end_ps = flow->now_ps + (wanted_ps - flow->now_ps) / 8 + 1;
    }
    return end_ps;
}

/// Islands that went to end_ps or beyond play again up to it.
static void return_to(Dataflow *flow, int64_t end_ps) {
    Islands *islands = flow->islands;
    for (int64_t i = 0; i < islands->n; i++) {
        Island *island = &islands->at[i];
        if (!island_is_kept(islands, island) || island->last_ps < end_ps) continue;
        island_return(islands, island);
        island_keep(islands, island);
        island->last_ps = flow->now_ps - 1;
        islands->replays++;
        bool plays = island_play(islands, island, end_ps);
        CHECK(plays, "a collective has to give way before the time that was found");
    }
}

/// Where the stretches of a lane are chained.
static int32_t *bind_head(Islands *islands, const BindSpan *bind) {
    return &islands->slot_bind.at[islands->at[bind->island].slot[bind->lane]];
}

/// Drop what undone rounds have logged of slow links.
static void drop_undone(Dataflow *flow) {
    Islands *islands = flow->islands;
    int64_t n = flow->slow_before;
    for (int64_t i = n; i < islands->slow.n; i++) {
        SlowSpan span = islands->slow.at[i];
        if (island_undid(islands, span.island, span.round)) continue;
        islands->slow.at[n++] = span;
    }
    islands->slow.n = n;
}

/// List binding stretches by slot.
static void chain_binds(Islands *islands) {
    for (int64_t b = 0; b < islands->bind.n; b++) {
        BindSpan *bind = &islands->bind.at[b];
        if (island_undid(islands, bind->island, bind->round)) continue;
        int32_t *head = bind_head(islands, bind);
        islands->slot_notes.at[islands->at[bind->island].slot[bind->lane]] |= SLOT_BIND;
        bind->next = *head;
        *head = (int32_t)b + 1;
    }
}

static void clear_binds(Islands *islands) {
    for (int64_t b = 0; b < islands->bind.n; b++) {
        const BindSpan *bind = &islands->bind.at[b];
        *bind_head(islands, bind) = 0;
        islands->slot_notes.at[islands->at[bind->island].slot[bind->lane]] &= (uint8_t)~SLOT_BIND;
    }
}

/// What held collectives back in the window.
static void log_rings(Dataflow *flow, int64_t end_ps) {
    const Rings *rings = flow->rings;
    for (int64_t i = 0; i < rings->span.n; i++) {
        const RingSpan *span = &rings->span.at[i];
        const Ring *ring = &rings->ring.at[span->ring];
        int64_t to_ps = least(span->to_ps, end_ps);
        int32_t use = rings_find_use(rings, span->ring, span->link);
        if (ring->state != RING_RUNNING || span->from_ps >= to_ps || use < 0) continue;
        const Routes *routes = ledger_routes(rings->ledger);
        Wide delay = price_delay(ring->cap, ring->level, to_ps - span->from_ps);
        array_push(&flow->islands->slow,
                   (SlowSpan){.delay = delay,
                              .from_ps = span->from_ps,
                              .to_ps = to_ps,
                              .slot = routes_uses(routes, &routes->at[ring->route])[use].slot,
                              .step = ring->step,
                              .island = -1});
    }
}

/// Play from now_ps up to a moment at which something common happens; that moment is returned.
static int64_t play_window(Dataflow *flow) {
    int64_t ends_ps[] = {play_islands(flow, window_end_ps(flow)), flow->islands->violation_ps};
    comm_min_i64(flow->comm, ends_ps, 2);
    flow->moved = ends_ps[1] <= ends_ps[0];
    int64_t end_ps = least(ends_ps[0], ends_ps[1]);
    end_ps = first_begin_ps(flow, end_ps);
    return_to(flow, end_ps);
    if (rings_any(flow->rings)) {
        chain_binds(flow->islands);
        int64_t bare_ps = rings_lay(flow->rings, flow->now_ps, end_ps);
        clear_binds(flow->islands);
        if (bare_ps < end_ps) {
            flow->moved = true;
            end_ps = bare_ps;
            return_to(flow, end_ps);
        }
        log_rings(flow, end_ps);
    }
    drop_undone(flow);
    flow->islands->undoable = false;
    for (int64_t i = flow->slow_before; i < flow->islands->slow.n; i++)
        flow->islands->slow.at[i].island = -1;
    int64_t reached_ps = end_ps - flow->now_ps;
    if (flow->moved)
        flow->width_ps = reached_ps > NARROWEST_PS ? reached_ps : NARROWEST_PS;
    else if (flow->width_ps < WIDEST_PS)
        flow->width_ps += flow->width_ps / 2;
    meet(flow, end_ps);
    return end_ps;
}

// Statistics of links.

static int by_slot_and_step(const void *a, const void *b) {
    const SlowSpan *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (x->from_ps > y->from_ps) - (x->from_ps < y->from_ps);
}

static int by_slot_and_time(const void *a, const void *b) {
    const SlowSpan *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    return (x->from_ps > y->from_ps) - (x->from_ps < y->from_ps);
}

/// Enter sorted spans, overlapping ones as one.
static void enter_spans(Dataflow *flow, bool by_step) {
    Engine *ledger = flow->islands->ledger;
    const SlowSpan *span = flow->islands->slow.at;
    int64_t n = flow->islands->slow.n;
    for (int64_t i = 0; i < n;) {
        int64_t first = i, to_ps = span[i].to_ps;
        Wide delay = 0;
        for (; i < n && span[i].slot == span[first].slot && span[i].from_ps <= to_ps &&
               (!by_step || span[i].step == span[first].step);
             i++) {
            delay += span[i].delay;
            if (span[i].to_ps > to_ps) to_ps = span[i].to_ps;
        }
        if (by_step)
            ledger_add_slow(ledger, span[first].step, span[first].slot, span[first].from_ps, to_ps,
                            delay);
        else
            ledger_add_period_slow(ledger, span[first].slot, span[first].from_ps, to_ps, delay);
    }
}

/// Bring the ledger up to date. `sample`: also what is under way.
static void enter_statistics(Dataflow *flow, int64_t now_ps, bool sample) {
    Islands *islands = flow->islands;
    for (int64_t i = 0; i < islands->n; i++) {
        if (islands->at[i].leader != i) continue;
        island_cut_slow(islands, &islands->at[i], now_ps);
        island_enter_bytes(islands, &islands->at[i], now_ps, sample);
    }
    if (sample) rings_sample(flow->rings, now_ps);
    if (islands->slow.n == 0) return;
    qsort(islands->slow.at, (size_t)islands->slow.n, sizeof(SlowSpan), by_slot_and_step);
    enter_spans(flow, true);
    qsort(islands->slow.at, (size_t)islands->slow.n, sizeof(SlowSpan), by_slot_and_time);
    enter_spans(flow, false);
    array_clear(&islands->slow);
}

static void end_interval(Dataflow *flow) {
    Machine *machine = flow->machine;
    if (machine->fabric->intervals.width_ps > 0 &&
        intervals_meet_at(&machine->fabric->intervals, flow->now_ps))
        enter_statistics(flow, flow->now_ps, true);
    machine->fabric->ops->advance(flow->islands->ledger, flow->now_ps);
    fabric_tell_time(machine->fabric, flow->now_ps);
}

// A moment.

/// Messages of all islands at this moment; whether there were any.
static void messages_due(Dataflow *flow) {
    Islands *islands = flow->islands;
    array_clear(&flow->due);
    for (int64_t i = 0; i < islands->n; i++) {
        if (islands->next_ps[i] != flow->now_ps) continue;
        islands->at[i].last_ps = flow->now_ps;
        array_push(&flow->due,
                   (Due){(int32_t)i, island_messages_due(islands, &islands->at[i], flow->now_ps)});
    }
}

static void solve(Dataflow *flow) {
    Islands *islands = flow->islands;
    bool all = false;
    if (rings_any(flow->rings) &&
        (flow->moved || flow->rings->changed || flow->first_ps == flow->now_ps))
        all = rings_solve(flow->rings, flow->now_ps);
    for (int64_t i = 0; i < islands->n; i++) {
        Island *island = &islands->at[i];
        if (all) island->changed |= island->ring_channels;
        if (!island->changed) continue;
        bool agrees = island_solve(islands, island, flow->now_ps);
        CHECK(agrees, "an island does not agree with the levels of collectives");
        if (island->last_ps < flow->now_ps) island_find_next(islands, island);
    }
}

static void complete_rings(Dataflow *flow) {
    int64_t n;
    const Completion *done = rings_take_done(flow->rings, &n);
    for (int64_t i = 0; i < n; i++) network_complete(flow->machine, &done[i]);
}

static void handle_groups(Dataflow *flow) {
    Machine *machine = flow->machine;
    while (heap_next_ps(&machine->heap) == flow->now_ps) {
        HeapItem item = heap_pop(&machine->heap);
        if ((Event)(item.item & 3) == EVENT_SHARE)
            network_share_due(machine, item.item >> 2, flow->now_ps);
        else
            network_small_due(machine, item.item >> 2, flow->now_ps);
    }
}

/// Is nothing under way but computing?
static bool is_quiet(const Dataflow *flow) {
    const Islands *islands = flow->islands;
    bool quiet = rings_next_ps(flow->rings) == TIME_NEVER_PS;
    for (int64_t i = 0; i < islands->n && quiet; i++) {
        const Island *island = &islands->at[i];
        if (island->leader != i) continue;
        for (int32_t c = 0; c < islands->channels; c++)
            quiet = quiet && island->time_ps[islands->stages + c] == TIME_NEVER_PS;
    }
    return quiet;
}

static void begin_cycle(Dataflow *flow) {
    if (flow->machine->fabric->intervals.width_ps > 0) enter_statistics(flow, flow->now_ps, true);
    machine_begin_cycle(flow->machine, flow->now_ps, is_quiet(flow));
}

static void play_moment(Dataflow *flow) {
    Islands *islands = flow->islands;
    end_interval(flow);
    messages_due(flow);
    rings_due(flow->rings, flow->now_ps);
    solve(flow);
    for (int64_t i = 0; i < flow->due.n; i++)
        island_complete(islands, &islands->at[flow->due.at[i].island], flow->due.at[i].ended,
                        flow->now_ps);
    complete_rings(flow);
    for (int64_t i = 0; i < flow->due.n; i++)
        island_compute_due(islands, &islands->at[flow->due.at[i].island], flow->now_ps);
    handle_groups(flow);
    if (flow->machine->cycle.ended) begin_cycle(flow);
    for (int64_t i = 0; i < islands->n; i++)
        if (islands->at[i].last_ps == flow->now_ps) island_find_next(islands, &islands->at[i]);
    meet(flow, TIME_NEVER_PS);
}

// Steps.

static int32_t steps_done(const Islands *islands) {
    int32_t steps = INT32_MAX;
    for (int64_t i = 0; i < islands->n; i++)
        if (islands->steps[i] < steps) steps = islands->steps[i];
    return steps;
}

/// All units have ended a step: gather what islands kept of it.
static void gather_step(Dataflow *flow) {
    Islands *islands = flow->islands;
    StepCount *count = &flow->machine->count;
    enter_statistics(flow, flow->now_ps, false);
    int parity = islands->recorded & 1;
    count->begins[0] = count->begins[1] = 0;
    for (int64_t i = 0; i < islands->n; i++) {
        StepCount *own = &islands->at[i].state->count;
        count->fingerprint[parity] += own->fingerprint[parity];
        count->begins[parity] += own->begins[parity];
        count->begins[!parity] += own->begins[!parity];
        step_forget(own, islands->recorded);
    }
    islands_copy_results(islands);
    count->steps = ++islands->recorded;
}

/// What the ranks agree on after a moment.
typedef struct Agreed {
    int64_t next_ps, steps, fine;
    int64_t patience; ///< minus the most that is asked by signals (stop.h)
    int64_t quiet;    ///< minus the time before which no collective can begin
    int64_t room;     ///< of undo logs; the least, negative where the last window had too little
} Agreed;

/// A collective needs a unit of the first replica here: when can one of these come to it?
static int64_t quiet_ps(const Dataflow *flow) {
    const Islands *islands = flow->islands;
    int64_t quiet_ps = TIME_NEVER_PS;
    for (int32_t s = 0; islands->n > 0 && s < islands->stages; s++)
        quiet_ps = least(quiet_ps, quiet_unit_ps(islands, &islands->at[0].unit[s], flow->now_ps));
    return islands->n > 0 ? quiet_ps : 0;
}

static Agreed agree(Dataflow *flow) {
    const Islands *islands = flow->islands;
    Agreed mine = {.next_ps = TIME_NEVER_PS,
                   .steps = steps_done(islands),
                   .fine = status_is_ok(&flow->machine->failure),
                   .patience = -stop_requested(flow->machine->fabric->stop),
                   .quiet = -quiet_ps(flow),
                   .room = LOG_BYTES - log_bytes(islands)};
    for (int64_t i = 0; i < islands->n; i++)
        mine.next_ps = least(mine.next_ps, islands->next_ps[i]);
    comm_min_i64(flow->comm, (int64_t *)&mine, (int)(sizeof mine / sizeof(int64_t)));
    return mine;
}

static void begin_units(Islands *islands) {
    for (int64_t i = 0; i < islands->n; i++) {
        islands->at[i].last_ps = -1;
        if (islands->at[i].leader != i) continue;
        islands_enter(islands, &islands->at[i]);
        for (int32_t s = 0; s < islands->stages; s++)
            unit_begin(islands->machine, &islands->at[i].unit[s], 0);
        island_find_next(islands, &islands->at[i]);
    }
}

/// Steps until all are done.
static Status play_steps(Dataflow *flow, Job *job) {
    Machine *machine = flow->machine;
    Islands *islands = flow->islands;
    islands_fold(islands);
    begin_units(islands);
    meet(flow, TIME_NEVER_PS);
    while (islands->recorded < machine->steps) {
        Agreed agreed = agree(flow);
        flow->first_ps = agreed.next_ps;
        flow->quiet_ps = -agreed.quiet;
        if (!agreed.fine) return network_agree_failure(machine);
        if (agreed.steps > islands->recorded) {
            gather_step(flow);
            bool repeats = repeat_can_follow(job);
            TRY(job_tell(job, 0));
            if (repeats) return job_tell_rest(job);
            step_forget(&machine->count, islands->recorded - 1);
            REQUIRE(agreed.patience == 0 || islands->recorded == machine->steps, STATUS_STOPPED,
                    "stopped on request after step %d", islands->recorded - 1);
            continue;
        }
        REQUIRE(agreed.patience > -STOP_NOW, STATUS_STOPPED, "stopped on request in step %d",
                islands->recorded);
        if (window_end_ps(flow) == TIME_NEVER_PS) return machine_stuck(machine);
        int64_t end_ps = play_window(flow);
        flow->idle = end_ps > flow->now_ps ? 0 : flow->idle + 1;
        CHECK(flow->idle < MOMENTS_MAX, "time stands still at %lld ps", (long long)flow->now_ps);
        int64_t began_ps = flow->now_ps;
        flow->now_ps = end_ps;
        TRY(run_check_time(end_ps));
        agreed = agree(flow);
        flow->first_ps = agreed.next_ps;
        if (agreed.room < 0)
            flow->width_ps =
                least(flow->width_ps, (int64_t)((double)(end_ps - began_ps) * LOG_BYTES /
                                                (double)(LOG_BYTES - agreed.room)));
        play_moment(flow);
    }
    return status_ok();
}

static Status island_player_play(Machine *machine) {
    static const JobOps TOLD = {.again = repeat_step};
    Job job = {.ops = &TOLD, .state = machine, .fabric = machine->fabric, .spec = machine->job};
    Islands *islands = islands_of(machine);
    Dataflow flow = {.machine = machine,
                     .islands = islands,
                     .rings = islands->rings,
                     .comm = machine->comm,
                     .width_ps = FIRST_WIDTH_PS,
                     .ngroups = layout_nmeeting(&machine->layout)};
    flow.news = memory_alloc(LABEL, sizeof(GroupNews) * (size_t)flow.ngroups);
    Status status = play_steps(&flow, &job);
    memory_free(LABEL, flow.news, sizeof(GroupNews) * (size_t)flow.ngroups);
    array_free(&flow.due);
    return status;
}

static Status island_submit(Machine *machine, const Transfer *transfer) {
    return rings_submit(islands_of(machine)->rings, transfer);
}

static PlayerStats island_stats(const Machine *machine) {
    const Islands *islands = islands_of(machine);
    PlayerStats stats = {.islands = islands->n,
                         .windows = islands->windows - 1, // the first is number 2
                         .replays = islands->replays,
                         .transfers = islands->rings->ring.n};
    for (int64_t i = 0; i < islands->n; i++) {
        stats.islands_played += islands->at[i].leader == i;
        for (int32_t c = 0; c < islands->channels; c++)
            stats.transfers += islands->at[i].route[c] >= 0;
    }
    return stats;
}

static void island_player_destroy(Machine *machine) { islands_destroy(islands_of(machine)); }

bool island_player_open(Machine *machine) {
    static const PlayerOps OPS = {
        .divides = true,
        .send = island_send,
        .receive = island_receive,
        .arrive = island_arrive,
        .compute = island_compute,
        .submit = island_submit,
        .next_member = island_next_member,
        .touch_done = island_done_changes,
        .fingerprint = island_fingerprint,
        .stats = island_stats,
        .play = island_player_play,
        .destroy = island_player_destroy,
    };
    if (!islands_possible(machine)) return false;
    machine_deal(machine, machine->nranks);
    fabric_open(machine->fabric);
    machine->playing = islands_create(machine);
    if (!machine->playing) {
        fabric_close(machine->fabric);
        return false;
    }
    machine->player = &OPS;
    return true;
}
