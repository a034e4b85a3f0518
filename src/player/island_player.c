// Plays a job that falls into islands, window after window, on all ranks.
#include "base/check.h"
#include "base/units.h"
#include "player/island.h"
#include "player/players.h"
#include "player/repeat.h"

// Width of a window.
#define NARROWEST_PS PS_PER_US
#define WIDEST_PS PS_PER_S

enum {
    LOG_BYTES = 16 << 20,  ///< windows are kept so short that their logs stay about there
    MOMENTS_MAX = 1000000, ///< at one time: more can only be an error
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// A window.

static int64_t window_end_ps(const Islands *islands) {
    int64_t end_ps =
        least(isles_next_ring_ps(islands->isles), heap_next_ps(&islands->machine->heap));
    const Intervals *intervals = &islands->machine->fabric->intervals;
    if (islands->first_ps < TIME_NEVER_PS) {
        int64_t from_ps = islands->first_ps > islands->now_ps ? islands->first_ps : islands->now_ps;
        end_ps = least(end_ps, from_ps + islands->width_ps);
    }
    if (end_ps < TIME_NEVER_PS && intervals->width_ps > 0)
        end_ps = least(end_ps, intervals_next_ps(intervals, islands->now_ps));
    return end_ps;
}

static int64_t log_bytes(const Islands *islands) {
    return islands->undo.old.n + isles_log_bytes(islands->isles);
}

/// Play up to wanted_ps; less where the logs would grow too long. Returns how far.
static int64_t play_islands(Islands *islands, int64_t wanted_ps) {
    int64_t end_ps = wanted_ps;
    islands->windows++;
    array_clear(&islands->undo.old);
    islands->undo.on = isles_have_rings(islands->isles) || wanted_ps > islands->quiet_ps;
    islands->violation_ps = TIME_NEVER_PS;
    isles_begin_window(islands->isles);
    for (int64_t i = 0; i < islands->n; i++) {
        int64_t until_ps = least(end_ps, islands->violation_ps);
        if (islands->next_ps[i] >= until_ps) continue;
        island_keep(islands, &islands->at[i]);
        island_play(islands, &islands->at[i], until_ps);
        if (log_bytes(islands) > 2 * LOG_BYTES && end_ps == wanted_ps)
            end_ps = islands->now_ps + (wanted_ps - islands->now_ps) / 8 + 1;
    }
    return end_ps;
}

/// Islands that went to end_ps or beyond play again up to it.
static void return_to(Islands *islands, int64_t end_ps) {
    for (int64_t i = 0; i < islands->n; i++) {
        Island *island = &islands->at[i];
        if (island->window != islands->windows || island->last_ps < end_ps) continue;
        island_return(islands, island);
        island_keep(islands, island);
        island->last_ps = islands->now_ps - 1;
        islands->replays++;
        bool plays = island_play(islands, island, end_ps);
        CHECK(plays, "a collective has to give way before the time that was found");
    }
}

/// Play from now_ps up to a moment at which something common happens; that moment is returned.
static int64_t play_window(Islands *islands) {
    int64_t ends_ps[] = {play_islands(islands, window_end_ps(islands)), islands->violation_ps,
                         -islands->arrival.n};
    comm_min_i64(islands->machine->comm, ends_ps, 3);
    islands->arrivals = ends_ps[2] < 0;
    islands->moved = ends_ps[1] <= ends_ps[0];
    int64_t end_ps = least(ends_ps[0], ends_ps[1]);
    end_ps = islands_first_begin_ps(islands, end_ps);
    return_to(islands, end_ps);
    if (isles_have_rings(islands->isles)) {
        int64_t bare_ps = isles_lay(islands->isles, islands->now_ps, end_ps);
        if (bare_ps < end_ps) {
            islands->moved = true;
            end_ps = bare_ps;
            return_to(islands, end_ps);
        }
    }
    isles_end_window(islands->isles, end_ps);
    islands->undo.on = false;
    int64_t reached_ps = end_ps - islands->now_ps;
    if (islands->moved)
        islands->width_ps = reached_ps > NARROWEST_PS ? reached_ps : NARROWEST_PS;
    else if (islands->width_ps < WIDEST_PS)
        islands->width_ps += islands->width_ps / 2;
    islands_meet(islands, end_ps);
    islands->arrivals = true;
    return end_ps;
}

// A moment.

static void end_interval(Islands *islands) {
    Machine *machine = islands->machine;
    if (machine->fabric->intervals.width_ps > 0 &&
        intervals_meet_at(&machine->fabric->intervals, islands->now_ps))
        isles_enter_totals(islands->isles, islands->now_ps, islands->machine->count.steps, true);
    machine->fabric->ops->advance(machine->fabric->engine, islands->now_ps);
    fabric_tell_time(machine->fabric, islands->now_ps);
}

/// Messages of all islands at this moment; whether there were any.
static void messages_due(Islands *islands) {
    array_clear(&islands->due);
    for (int64_t i = 0; i < islands->n; i++) {
        if (islands->next_ps[i] != islands->now_ps) continue;
        islands->at[i].last_ps = islands->now_ps;
        array_push(&islands->due,
                   (IslandDue){(int32_t)i,
                               island_messages_due(islands, &islands->at[i], islands->now_ps)});
    }
}

static void solve(Islands *islands) {
    if (isles_have_rings(islands->isles) &&
        (islands->moved || isles_rings_have_changed(islands->isles) ||
         islands->first_ps == islands->now_ps))
        isles_solve_rings(islands->isles, islands->now_ps);
    for (int64_t i = 0; i < islands->n; i++) {
        if (!isle_has_changed(islands->isles, i)) continue;
        bool agrees = isle_solve(islands->isles, i, islands->now_ps);
        CHECK(agrees, "an island does not agree with the levels of collectives");
        if (islands->at[i].last_ps < islands->now_ps) island_find_next(islands, &islands->at[i]);
    }
}

static void complete_rings(Islands *islands) {
    int64_t n;
    const Completion *done = isles_take_rings(islands->isles, &n);
    for (int64_t i = 0; i < n; i++) network_complete(islands->machine, &done[i]);
}

static void handle_groups(Islands *islands) {
    Machine *machine = islands->machine;
    while (heap_next_ps(&machine->heap) == islands->now_ps) {
        HeapItem item = heap_pop(&machine->heap);
        if ((Event)(item.item & 3) == EVENT_SHARE)
            network_share_due(machine, item.item >> 2, islands->now_ps);
        else
            network_end_collective(machine, item.item >> 2, islands->now_ps);
    }
}

/// Is nothing under way but computing?
static bool is_quiet(const Islands *islands) {
    bool quiet = isles_next_ring_ps(islands->isles) == TIME_NEVER_PS;
    for (int64_t i = 0; i < islands->n && quiet; i++) {
        if (!island_leads(islands, i)) continue;
        const int64_t *time_ps = &islands->at[i].state->time_ps[islands->stages];
        for (int32_t c = 0; c < islands->channels; c++)
            quiet = quiet && time_ps[c] == TIME_NEVER_PS;
    }
    return quiet;
}

static void begin_cycle(Islands *islands) {
    if (islands->machine->fabric->intervals.width_ps > 0)
        isles_enter_totals(islands->isles, islands->now_ps, islands->machine->count.steps, true);
    machine_begin_cycle(islands->machine, islands->now_ps, is_quiet(islands));
}

static void play_moment(Islands *islands) {
    end_interval(islands);
    messages_due(islands);
    isles_rings_due(islands->isles, islands->now_ps);
    solve(islands);
    for (int64_t i = 0; i < islands->due.n; i++)
        island_complete(islands, &islands->at[islands->due.at[i].island], islands->due.at[i].ended,
                        islands->now_ps);
    complete_rings(islands);
    for (int64_t i = 0; i < islands->due.n; i++)
        island_compute_due(islands, &islands->at[islands->due.at[i].island], islands->now_ps);
    handle_groups(islands);
    if (islands->machine->cycle.ended) begin_cycle(islands);
    for (int64_t i = 0; i < islands->n; i++)
        if (islands->at[i].last_ps == islands->now_ps) island_find_next(islands, &islands->at[i]);
    islands_meet(islands, TIME_NEVER_PS);
}

// Steps.

static int32_t steps_done(const Islands *islands) {
    int32_t steps = INT32_MAX;
    for (int64_t i = 0; i < islands->n; i++)
        if (islands->steps[i] < steps) steps = islands->steps[i];
    return steps;
}

/// All units have ended a step: gather what islands kept of it.
static void gather_step(Islands *islands) {
    StepCount *count = &islands->machine->count;
    const int32_t step = count->steps++;
    isles_enter_totals(islands->isles, islands->now_ps, step, false);
    count->begins[0] = count->begins[1] = 0;
    for (int64_t i = 0; i < islands->n; i++) {
        StepCount *own = &islands->at[i].state->count;
        count->fingerprint[step & 1] += own->fingerprint[step & 1];
        for (int parity = 0; parity < 2; parity++) count->begins[parity] += own->begins[parity];
        step_forget(own, step);
    }
}

/// What the ranks agree on after a moment.
typedef struct Agreed {
    int64_t next_ps, steps, fine;
    int64_t patience; ///< minus the most that is asked by signals (fabric.h)
    int64_t quiet;    ///< minus the time before which no collective can begin
    int64_t room;     ///< of undo logs; the least, negative where the last window had too little
} Agreed;

/// A collective needs a unit of the first replica here, but for those of shard groups: when can one of these come to it?
static int64_t quiet_ps(const Islands *islands) {
    if (islands->machine->more[STREAM_ACROSS]) return islands->now_ps;
    int64_t quiet_ps = TIME_NEVER_PS;
    for (int32_t s = 0; islands->n > 0 && s < islands->stages; s++)
        quiet_ps =
            least(quiet_ps, quiet_unit_ps(islands, &islands->at[0].unit[s], islands->now_ps));
    return islands->n > 0 ? quiet_ps : 0;
}

static Agreed agree(Islands *islands) {
    Agreed mine = {.next_ps = TIME_NEVER_PS,
                   .steps = steps_done(islands),
                   .fine = status_is_ok(&islands->machine->failure),
                   .patience = -fabric_stop_asked(islands->machine->fabric),
                   .quiet = -quiet_ps(islands),
                   .room = LOG_BYTES - log_bytes(islands)};
    for (int64_t i = 0; i < islands->n; i++)
        mine.next_ps = least(mine.next_ps, islands->next_ps[i]);
    comm_min_i64(islands->machine->comm, (int64_t *)&mine, (int)(sizeof mine / sizeof(int64_t)));
    return mine;
}

static void begin_units(Islands *islands) {
    for (int64_t i = 0; i < islands->n; i++) {
        islands->at[i].last_ps = -1;
        if (!island_leads(islands, i)) continue;
        islands_enter(islands, &islands->at[i]);
        for (int32_t s = 0; s < islands->stages; s++)
            unit_begin(islands->machine, &islands->at[i].unit[s], 0);
        island_find_next(islands, &islands->at[i]);
    }
}

/// Steps until all are done.
static Status play_steps(Islands *islands, Job *job) {
    Machine *machine = islands->machine;
    begin_units(islands);
    islands_meet(islands, TIME_NEVER_PS);
    while (machine->count.steps < machine->steps) {
        Agreed agreed = agree(islands);
        islands->first_ps = agreed.next_ps;
        islands->quiet_ps = -agreed.quiet;
        if (!agreed.fine) return comm_agree(islands->machine->comm, machine->failure);
        if (agreed.steps > machine->count.steps) {
            gather_step(islands);
            bool repeats = repeat_can_follow(job);
            TRY(job_tell(job, 0));
            if (repeats) return job_tell_rest(job);
            step_forget(&machine->count, machine->count.steps - 1);
            REQUIRE(agreed.patience == 0 || machine->count.steps == machine->steps, STATUS_STOPPED,
                    "stopped on request after step %d", machine->count.steps - 1);
            continue;
        }
        REQUIRE(agreed.patience > -STOP_NOW, STATUS_STOPPED, "stopped on request in step %d",
                machine->count.steps);
        if (window_end_ps(islands) == TIME_NEVER_PS) return machine_stuck(machine);
        int64_t end_ps = play_window(islands);
        islands->idle = end_ps > islands->now_ps ? 0 : islands->idle + 1;
        CHECK(islands->idle < MOMENTS_MAX, "time stands still at %lld ps",
              (long long)islands->now_ps);
        int64_t began_ps = islands->now_ps;
        islands->now_ps = end_ps;
        TRY(run_check_time(end_ps));
        agreed = agree(islands);
        islands->first_ps = agreed.next_ps;
        if (agreed.room < 0)
            islands->width_ps =
                least(islands->width_ps, (int64_t)((double)(end_ps - began_ps) * LOG_BYTES /
                                                   (double)(LOG_BYTES - agreed.room)));
        play_moment(islands);
    }
    return status_ok();
}

static Status island_player_play(Machine *machine) {
    static const JobOps TOLD = {.again = repeat_step};
    Job job = {.ops = &TOLD, .state = machine, .fabric = machine->fabric, .spec = machine->job};
    return play_steps(islands_of(machine), &job);
}

static Status island_submit(Machine *machine, const Transfer *transfer) {
    return isles_submit(islands_of(machine)->isles, transfer);
}

static PlayerStats island_stats(const Machine *machine) {
    const Islands *islands = islands_of(machine);
    PlayerStats stats = {.islands = machine->layout.nreplicas,
                         .windows = islands->windows - 1, // the first is number 2
                         .replays = islands->replays,
                         .transfers = isles_ntransfers(islands->isles)};
    for (int64_t i = 0; i < islands->n; i++) stats.islands_played += island_leads(islands, i);
    return stats;
}

static void island_player_destroy(Machine *machine) { islands_destroy(islands_of(machine)); }

bool island_player_open(Machine *machine) {
    static const PlayerOps OPS = {
        .divides = true,
        .message = island_message,
        .exchange = island_exchange,
        .arrive = island_arrive,
        .compute = island_compute,
        .submit = island_submit,
        .next_member = island_next_member,
        .touch = island_touch,
        .touch_done = island_done_changes,
        .fingerprint = island_fingerprint,
        .stats = island_stats,
        .play = island_player_play,
        .destroy = island_player_destroy,
    };
    if (!islands_possible(machine)) return false;
    layout_deal(&machine->layout, machine->rank, machine->nranks);
    fabric_open(machine->fabric);
    machine->playing = islands_create(machine);
    if (!machine->playing) {
        fabric_close(machine->fabric);
        return false;
    }
    machine->player = &OPS;
    return true;
}
