#include "player/small_run.h"

#include <string.h>

#include "par_assert.h"

#include "app/play.h"
#include "base/units.h"

/// Law: all ranks together play a run as one rank does.
static void assert_as_alone(Comm *comm, const RunSpec *run) {
    Comm *self = comm_create_self();
    Played together = small_run_play(run, comm), alone = small_run_play(run, self);
    assert_all_ranks(comm, together.fingerprint == alone.fingerprint);
    assert_all_ranks(comm, together.end_ps == alone.end_ps);
    assert_all_ranks(comm, together.links == alone.links);
    for (int64_t k = 0; k < alone.nunits * TRACE_PART_N; k++)
        assert_all_ranks(comm, together.unit_part_ps[k] == alone.unit_part_ps[k]);
    comm_destroy(self);
    played_fini(&together);
    played_fini(&alone);
}

// Law: what a rank count can show is nothing. The same run on this communicator and on one rank gives the same times
// and the same bytes on every link.
static void ranks_do_not_show(void **state) {
    Comm *comm = *state;
    static const struct {
        int32_t pp, dp, chunks, microbatches;
        Schedule schedule;
        PlacementKind placement;
        Routing routing;
        EngineKind engine;
    } CASES[] = {
        {1, 8, 1, 2, SCHEDULE_NONE, PLACEMENT_CONTIGUOUS, ROUTING_ECMP, ENGINE_FLOW},
        {4, 3, 1, 8, SCHEDULE_1F1B, PLACEMENT_RANDOM, ROUTING_ECMP, ENGINE_FLOW},
        {4, 2, 2, 8, SCHEDULE_INTERLEAVED, PLACEMENT_CONTIGUOUS, ROUTING_DMODK, ENGINE_FLOW},
        {2, 5, 4, 4, SCHEDULE_INTERLEAVED, PLACEMENT_RANDOM, ROUTING_SPRAY, ENGINE_FLOW},
        {4, 4, 1, 4, SCHEDULE_GPIPE, PLACEMENT_STRIDED, ROUTING_ADAPTIVE, ENGINE_FLOW},
        // On 4 ranks the second has the nodes 3 and 4 on two leaves; what they tell each other climbs over cables that
        // belong to the first and third.
        {8, 2, 1, 8, SCHEDULE_1F1B, PLACEMENT_CONTIGUOUS, ROUTING_ECMP, ENGINE_FLOW},
        {8, 2, 1, 8, SCHEDULE_1F1B, PLACEMENT_CONTIGUOUS, ROUTING_ECMP, ENGINE_CLOSED},
        {4, 3, 2, 8, SCHEDULE_INTERLEAVED, PLACEMENT_RANDOM, ROUTING_ADAPTIVE, ENGINE_CLOSED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RunSpec run;
        small_run_init(&run, 9, CASES[i].pp, CASES[i].dp, CASES[i].schedule, CASES[i].chunks,
                       CASES[i].microbatches);
        run.job[0].placement = (PlacementSpec){.kind = CASES[i].placement, .stride = 2, .seed = 3};
        run.cluster.routing = CASES[i].routing;
        run.engine = engine_of(CASES[i].engine);
        assert_as_alone(comm, &run);
        small_run_fini(&run);
    }
}

/// A mixture of eight experts, dealt over `ep` GPUs.
static void mixture_init(RunSpec *run, int32_t pp, int32_t dp, int32_t cp, int32_t ep) {
    small_run_init(run, 16, pp, dp, pp > 1 ? SCHEDULE_1F1B : SCHEDULE_NONE, 1, 6);
    JobSpec *job = &run->job[0];
    job->model.experts = 8;
    job->model.top_k = 2;
    job->model.expert_ffn = 512;
    job->model.first_dense = 1;
    job->parallel.size[DIM_CP] = cp;
    job->parallel.ep = ep;
}

// Law: the same of units that are more than a tensor-parallel group: sequences shared among GPUs, layers' experts dealt
// over GPUs of several nodes, which exchange by whatever dispatcher, in turn with another microbatch or not. And what is
// played event by event is what is played island by island.
static void exchanges_do_not_show_ranks(void **state) {
    Comm *comm = *state;
    static const struct {
        int32_t pp, dp, cp, ep;
        Dispatcher dispatcher;
        bool overlap;
        PlacementKind placement;
    } CASES[] = {
        {1, 4, 2, 1, DISPATCH_ALLTOALL, false, PLACEMENT_CONTIGUOUS},
        {2, 2, 4, 1, DISPATCH_ALLTOALL, false, PLACEMENT_RANDOM},
        {1, 8, 1, 8, DISPATCH_ALLTOALL, false, PLACEMENT_CONTIGUOUS},
        {2, 8, 1, 8, DISPATCH_NODE_DEDUP, false, PLACEMENT_RANDOM},
        {2, 8, 1, 8, DISPATCH_HYBRID, true, PLACEMENT_CONTIGUOUS},
        {2, 4, 2, 8, DISPATCH_ALLTOALL, true, PLACEMENT_CONTIGUOUS},
        {2, 4, 1, 4, DISPATCH_ALLTOALL, true, PLACEMENT_CONTIGUOUS},
        {2, 4, 1, 2, DISPATCH_ALLTOALL, true, PLACEMENT_CONTIGUOUS},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RunSpec run;
        mixture_init(&run, CASES[i].pp, CASES[i].dp, CASES[i].cp, CASES[i].ep);
        run.job[0].training.dispatcher = CASES[i].dispatcher;
        run.job[0].training.ep_overlap = CASES[i].overlap;
        run.job[0].placement = (PlacementSpec){.kind = CASES[i].placement, .seed = 3};
        Status status = parallel_deal_experts(&run.job[0].parallel);
        assert_all_ranks(comm, status_is_ok(&status));
        assert_as_alone(comm, &run);
        run.player = PLAYER_ISLAND;
        Played islands = small_run_play(&run, comm);
        run.player = PLAYER_EVENT;
        Played events = small_run_play(&run, comm);
        assert_all_ranks(comm, islands.fingerprint == events.fingerprint);
        assert_all_ranks(comm, islands.links == events.links && islands.end_ps == events.end_ps);
        played_fini(&islands);
        played_fini(&events);
        small_run_fini(&run);
    }
}

/// Where a job runs on two kinds of GPUs.
typedef struct TwoKinds {
    int64_t nodes; ///< 4: all below one leaf, wired alike
    int32_t cp;    ///< 4: units of two nodes, which may have GPUs of both kinds
    PlacementKind placement;
} TwoKinds;

/// Two stages on all nodes, of which those from `from` on (nodes: none) have GPUs that take `times` as long.
static void two_kinds_init(RunSpec *run, const TwoKinds *of, int64_t from, double times) {
    const int32_t dp = (int32_t)of->nodes / of->cp;
    small_run_init(run, of->nodes, 2, dp, SCHEDULE_1F1B, 1, 6);
    ParallelSpec *parallel = &run->job[0].parallel;
    parallel->size[DIM_CP] = of->cp;
    parallel->order[3] = DIM_PP; // stages are neighbours, so that replicas share no link
    parallel->order[4] = DIM_DP;
    run->cluster.nothers = from < of->nodes;
    run->cluster.other[0] =
        (OtherNodesSpec){.from = from, .gpu = small_run_slower_gpu(&run->cluster.gpu, times)};
    run->control_delay_ps = PS_PER_US; // islands need one that no message is quicker than
    run->job[0].noise = (NoiseSpec){0};
    run->job[0].placement = (PlacementSpec){.kind = of->placement, .stride = 2, .seed = 5};
}

static Played play_two_kinds(Comm *comm, const TwoKinds *of, int64_t from, double times,
                             PlayerChoice player) {
    RunSpec run;
    two_kinds_init(&run, of, from, times);
    run.player = player;
    Played played = small_run_play(&run, comm);
    small_run_fini(&run);
    return played;
}

/// All of the nodes' GPUs take `times` as long.
static Played play_one_kind(Comm *comm, const TwoKinds *of, double times) {
    RunSpec run;
    two_kinds_init(&run, of, of->nodes, 1);
    run.cluster.gpu = small_run_slower_gpu(&run.cluster.gpu, times);
    Played played = small_run_play(&run, comm);
    small_run_fini(&run);
    return played;
}

/// All ranks play it as one does, and event by event as by islands. Returns the end of the run.
static int64_t assert_two_kinds(Comm *comm, const TwoKinds *of, int64_t from, double times) {
    RunSpec run;
    two_kinds_init(&run, of, from, times);
    assert_as_alone(comm, &run);
    small_run_fini(&run);
    Played islands = play_two_kinds(comm, of, from, times, PLAYER_ISLAND);
    Played events = play_two_kinds(comm, of, from, times, PLAYER_EVENT);
    assert_all_ranks(comm, islands.islands > 0 && events.islands == 0);
    assert_all_ranks(comm, islands.fingerprint == events.fingerprint);
    assert_all_ranks(comm, islands.part_ps[TRACE_PART_OWN_SLOW] * (times > 1 ? 1 : -1) > 0);
    assert_all_ranks(comm, islands.part_ps[TRACE_PART_STRAGGLER] >= 0);
    const int64_t end_ps = islands.end_ps;
    played_fini(&islands);
    played_fini(&events);
    return end_ps;
}

// Law: GPUs of another kind that are as quick change nothing. Where some are slower, or quicker, a step takes no less than with
// the quick ones alone and no more than with the slow ones alone, and the more nodes have slow ones, the longer. Who has slow ones
// is told that it is slow itself.
static void the_slowest_kind_sets_the_pace(void **state) {
    Comm *comm = *state;
    static const TwoKinds CASES[] = {{8, 1, PLACEMENT_CONTIGUOUS},
                                     {8, 1, PLACEMENT_RANDOM},
                                     {4, 1, PLACEMENT_CONTIGUOUS},
                                     {8, 4, PLACEMENT_CONTIGUOUS}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const TwoKinds *of = &CASES[i];
        Played one = play_one_kind(comm, of, 1), slow = play_one_kind(comm, of, 1.5);
        Played same = play_two_kinds(comm, of, of->nodes - 1, 1, PLAYER_BY_COST);
        assert_all_ranks(comm, one.fingerprint == same.fingerprint && one.links == same.links);
        assert_all_ranks(comm, one.part_ps[TRACE_PART_OWN_SLOW] == 0);
        assert_all_ranks(comm, slow.end_ps > one.end_ps);
        int64_t before_ps = one.end_ps;
        for (int64_t from = of->nodes - 1; from > 0; from -= 3) {
            const int64_t end_ps = assert_two_kinds(comm, of, from, 1.5);
            assert_all_ranks(comm, end_ps >= before_ps && end_ps <= slow.end_ps);
            before_ps = end_ps;
        }
        if (of->cp == 1) assert_all_ranks(comm, assert_two_kinds(comm, of, 2, 0.6) <= one.end_ps);
        played_fini(&one);
        played_fini(&slow);
        played_fini(&same);
    }
}

/// Mixture that exchanges behind computing, by a dispatcher, on GPUs of so many processors.
static int64_t overlapped_ps(Comm *comm, Dispatcher dispatcher, double inside, int32_t processors) {
    RunSpec run;
    mixture_init(&run, 1, 4, 1, 4);
    run.job[0].training.dispatcher = dispatcher;
    run.job[0].training.ep_overlap = true;
    run.job[0].training.grad_overlap = run.job[0].training.param_overlap = false;
    run.cluster.gpu.scale_up_processor_share = inside;
    run.cluster.gpu.network_processor_share = 0;
    run.cluster.gpu.processors = processors;
    const Status status = parallel_deal_experts(&run.job[0].parallel);
    assert_all_ranks(comm, status_is_ok(&status));
    Played played = small_run_play(&run, comm);
    const int64_t end_ps = played.end_ps;
    played_fini(&played);
    small_run_fini(&run);
    return end_ps;
}

// Law: what an exchange takes of the computing beside it is what its dispatcher holds: all-to-all as much as a collective of
// the domain (of which there are others), the others so many processors, which weigh less the more there are.
static void exchanges_take_what_their_dispatcher_holds(void **state) {
    Comm *comm = *state;
    int64_t all_to_all_ps = 0;
    for (int d = 0; d < DISPATCHER_N; ++d) {
        const bool inside = d == DISPATCH_ALLTOALL;
        const int64_t many = overlapped_ps(comm, (Dispatcher)d, 0, 100000);
        const int64_t by_domain = overlapped_ps(comm, (Dispatcher)d, 0.5, 100000);
        const int64_t few = overlapped_ps(comm, (Dispatcher)d, 0, 100);
        if (inside) all_to_all_ps = by_domain - many;
        assert_all_ranks(comm, inside ? all_to_all_ps > 0 : by_domain - many < all_to_all_ps / 2);
        assert_all_ranks(comm, inside ? few == many : few > many);
    }
}

// Two scale-up domains in a node, each with a leaf port at hand: their messages take 6.65 us (5 to launch, 1.65 over the
// leaf), less than those inside a domain (7) and those to other nodes (8.35). They stay on a rank until a collective comes
// to their links; then all ranks must learn of them before they start. Law: as above.
static void ranks_hear_in_time_of_messages_inside_a_node(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 2, 9, SCHEDULE_GPIPE, 1, 8);
    run.cluster.wiring = WIRING_PLAIN;
    run.cluster.installed = 9;
    run.cluster.scale_up.gpus = 2;
    run.job[0].training.pp_overlap = false;
    memcpy(run.job[0].parallel.order, (Dimension[]){DIM_TP, DIM_CP, DIM_PP, DIM_DP, DIM_EP},
           sizeof run.job[0].parallel.order);
    assert_as_alone(comm, &run);
    small_run_fini(&run);
}

// A phase inside the nodes leaves the NICs to messages that stay on a rank; the next phase, over those NICs, starts the
// moment it ends. Everything is slow here, so that messages are on their way at that moment. Law: as above.
static void ranks_hear_in_time_of_messages_before_the_next_phase(void **state) {
    Comm *comm = *state;
    static const int64_t SLOW_Bps = INT64_C(2000000000);
    RunSpec run;
    small_run_init(&run, 9, 4, 4, SCHEDULE_1F1B, 1, 8);
    run.cluster.wiring = WIRING_PLAIN;
    run.cluster.installed = 9;
    run.cluster.nic.line_Bps = run.cluster.nic.goodput_Bps = SLOW_Bps;
    run.cluster.scale_up.line_Bps = run.cluster.scale_up.goodput_Bps = SLOW_Bps;
    for (int t = 0; t < run.cluster.ntiers; t++)
        run.cluster.tier[t].link_Bps = run.cluster.tier[t].switch_spec.port_Bps = SLOW_Bps;
    run.job[0].placement = (PlacementSpec){.kind = PLACEMENT_RANDOM, .seed = 9};
    run.job[0].network.dp_algorithm = ALGORITHM_HALVING_DOUBLING;
    run.job[0].training.sequence = 4096;
    run.job[0].training.bucket_parameters = 1000000;
    run.job[0].parallel.zero = 0;
    assert_as_alone(comm, &run);
    small_run_fini(&run);
}

/// Every unit must idle exactly `bubble_ps` on the ideal clock.
static void check_bubble(Comm *comm, Schedule schedule, int32_t pp, int32_t chunks, int32_t m,
                         int64_t bubble_ps) {
    RunSpec run;
    small_run_init(&run, 9, pp, 1, schedule, chunks, m);
    run.job[0].noise = (NoiseSpec){0};
    run.job[0].steps = 1;
    Played played = small_run_play_even(&run, comm, PS_PER_MS, 2 * PS_PER_MS);
    for (int64_t unit = 0; unit < played.nunits; unit++) {
        const int64_t *part_ps = &played.unit_part_ps[unit * TRACE_PART_N];
        assert_all_ranks(comm, part_ps[TRACE_PART_BUBBLE] == bubble_ps);
        assert_all_ranks(comm, part_ps[TRACE_PART_COMPUTE] == 3 * PS_PER_MS * chunks * m);
    }
    played_fini(&played);
    small_run_fini(&run);
}

// Law (Narayanan et al., SC'21): with forward f and backward b of a chunk, a stage idles (pp - 1) (f + b) in GPipe, 1F1B
// and interleaved alike; as a share of compute (pp - 1) / m and (pp - 1) / (chunks m). With gradients of inputs and of
// weights b / 2 each it idles (pp - 1) (f + b / 2 - b / 2) in ZB-H1 (arXiv:2401.10241), and in DualPipe, a pair taking f + b,
// (pp / 2 - 1) (f + b + b - 3 b / 2) (arXiv:2412.19437).
static void bubbles_equal_their_closed_forms(void **state) {
    Comm *comm = *state;
    static const int32_t STAGES[] = {2, 4, 8};
    for (size_t i = 0; i < sizeof STAGES / sizeof *STAGES; i++) {
        int32_t pp = STAGES[i];
        int64_t bubble_ps = (pp - 1) * 3 * PS_PER_MS;
        check_bubble(comm, SCHEDULE_GPIPE, pp, 1, 8, bubble_ps);
        check_bubble(comm, SCHEDULE_1F1B, pp, 1, 9, bubble_ps);
        check_bubble(comm, SCHEDULE_INTERLEAVED, pp, 2, 2 * pp, bubble_ps);
        if (pp < 8) check_bubble(comm, SCHEDULE_INTERLEAVED, pp, 4, pp, bubble_ps);
        check_bubble(comm, SCHEDULE_ZERO_BUBBLE, pp, 1, 2 * pp, (pp - 1) * PS_PER_MS);
        check_bubble(comm, SCHEDULE_DUALPIPE, pp, 1, 2 * pp, (pp / 2 - 1) * 2 * PS_PER_MS);
    }
}

// Law: communication is what it would be at nominal speed and alone, so one slow GPU adds nothing to anyone's
// communication, bubble or compute: it is slow itself, and the others wait for a straggler.
static void a_slow_gpu_adds_nothing_to_communication(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 4, 3, SCHEDULE_1F1B, 1, 8);
    run.job[0].noise = (NoiseSpec){0};
    Played even = small_run_play(&run, comm);
    run.job[0].noise = (NoiseSpec){
        .seed = 11, .truncate = 3, .straggler_probability = 0.03, .straggler_slowdown = 0.5};
    Played slow = small_run_play(&run, comm);
    assert_all_ranks(comm, slow.end_ps > even.end_ps);
    static const TracePart UNTOUCHED[] = {TRACE_PART_COMPUTE, TRACE_PART_BUBBLE,
                                          TRACE_PART_TP_EXPOSED, TRACE_PART_PP_EXPOSED,
                                          TRACE_PART_DP_EXPOSED};
    for (int64_t unit = 0; unit < even.nunits; unit++)
        for (size_t i = 0; i < sizeof UNTOUCHED / sizeof *UNTOUCHED; i++) {
            int64_t k = unit * TRACE_PART_N + UNTOUCHED[i];
            assert_all_ranks(comm, even.unit_part_ps[k] == slow.unit_part_ps[k]);
        }
    assert_all_ranks(
        comm, slow.part_ps[TRACE_PART_OWN_SLOW] > 0 && slow.part_ps[TRACE_PART_STRAGGLER] > 0);
    played_fini(&even);
    played_fini(&slow);
    small_run_fini(&run);
}

// Law: the closed engine never loses to the flow engine: sharing can only take longer, and contention is then what differs.
static void the_closed_engine_is_a_bound(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 4, 4, SCHEDULE_1F1B, 1, 8);
    run.job[0].noise = (NoiseSpec){0};
    Played flow = small_run_play(&run, comm);
    run.engine = engine_of(ENGINE_CLOSED);
    Played closed = small_run_play(&run, comm);
    assert_all_ranks(comm, closed.end_ps <= flow.end_ps);
    assert_all_ranks(comm, closed.part_ps[TRACE_PART_CONTENTION] == 0);
    played_fini(&flow);
    played_fini(&closed);
    small_run_fini(&run);
}

// Law: a run that cannot go on says who waits for what, on every rank, and is a failure.
static void a_run_that_cannot_go_on_says_who_waits(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 2, 3, SCHEDULE_1F1B, 1, 4);
    Status status = small_run_play_broken(&run, comm);
    assert_all_ranks(comm, status.code == STATUS_STUCK);
    assert_all_ranks(comm,
                     strstr(status.text, "stage 1 step 0 waits in receive-prev: receive") != NULL);
    assert_all_ranks(comm, strstr(status.text, "microbatch 3") != NULL);
    assert_all_ranks(comm, status_exit_code(status.code) == 1);
    small_run_fini(&run);
}

// Law: a run that is refused before it has begun says why, on every rank, and leaves nothing behind.
static void a_run_that_is_refused_says_why(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 2, 3, SCHEDULE_1F1B, 1, 4);
    run.trace.intervals = 40;
    run.job[0].parallel.size[DIM_TP] = 3;
    Status training = driver_run(&run, comm, &(DriverOptions){0});
    assert_all_ranks(comm, training.code == STATUS_RANGE);
    assert_all_ranks(comm, strstr(training.text, "tp = 3 does not divide the 4 GPUs") != NULL);
    run.job[0].kind = JOB_TRAFFIC;
    run.job[0].traffic = (TrafficSpec){.pattern = TRAFFIC_COLLECTIVE, .ranks = 8, .queue_pairs = 1};
    run.job[0].collective = (CollectiveSpec){
        .kind = COLLECTIVE_ALL_TO_ALL, .algorithm = ALGORITHM_HIERARCHICAL, .bytes = 1000000};
    Status traffic = driver_run(&run, comm, &(DriverOptions){0});
    assert_all_ranks(comm, traffic.code == STATUS_RANGE);
    assert_all_ranks(comm, strstr(traffic.text, "hierarchical does not do all_to_all") != NULL);
    small_run_fini(&run);
}

/// All members of a group that are here, in the order of slots; returns how many.
static int64_t walk_members(Machine *machine, int64_t group) {
    const Layout *layout = &machine->layout;
    int64_t n = 0, cursor = 0;
    const Unit *before = NULL;
    for (const Unit *unit; (unit = members_next(machine, group, &cursor)) != NULL; n++) {
        bool belongs = units_group_of(&layout->units, unit->id,
                                      units_group_kind(&layout->units, group)) == group;
        if (!belongs || (before && before >= unit)) return -1;
        before = unit;
    }
    return n;
}

// Law: the members of a group, over all ranks, are its units, each once, and in order on each rank; groups that meet are
// all but those of embeddings that are not tied.
static void members_are_the_units_of_their_groups(void **state) {
    Comm *comm = *state;
    for (int tied = 0; tied < 2; tied++) {
        RunSpec run;
        small_run_init(&run, 9, 4, 4, SCHEDULE_1F1B, 1, 4);
        run.job[0].placement = (PlacementSpec){.kind = PLACEMENT_RANDOM, .seed = 3};
        run.job[0].model.tied_embeddings = tied;
        Cluster *cluster = NULL;
        Status status = cluster_create(&run.cluster, &cluster);
        assert_all_ranks(comm, status_is_ok(&status));
        Machine *machine = NULL;
        Fabric fabric = fabric_make(&run, cluster, comm);
        status = machine_create(&fabric, 0, &machine);
        assert_all_ranks(comm, status_is_ok(&status));
        machine_deal(machine, fabric.nranks);
        const Layout *layout = &machine->layout;
        assert_all_ranks(comm, units_nmeeting(&layout->units) == 4 + 4 * tied + 1);
        for (int64_t index = 0; index < units_nmeeting(&layout->units); index++) {
            int64_t group = units_meeting_group(&layout->units, index);
            assert_all_ranks(comm, units_meeting_index(&layout->units, group) == index);
            int64_t n = walk_members(machine, group);
            assert_all_ranks(comm, n == layout_group_slots(layout, group).n);
            comm_sum_i64(comm, &n, 1);
            assert_all_ranks(comm, n == units_group(&layout->units, group).n);
        }
        machine_destroy(machine);
        cluster_destroy(cluster);
        small_run_fini(&run);
    }
}

// Law: slots and units are one to one, over all ranks, however many play.
static void every_unit_has_one_place(void **state) {
    Comm *comm = *state;
    RunSpec run;
    small_run_init(&run, 9, 4, 4, SCHEDULE_1F1B, 1, 4);
    Cluster *cluster = NULL;
    Status status = cluster_create(&run.cluster, &cluster);
    assert_all_ranks(comm, status_is_ok(&status));
    Layout layout;
    status = layout_init(&layout, cluster, &run.job[0]);
    assert_all_ranks(comm, status_is_ok(&status));
    for (int nranks = 1; nranks <= 6; nranks++) {
        int64_t here = 0, units = 0;
        for (int rank = 0; rank <= nranks; rank++) {
            layout_deal(&layout, rank, nranks);
            units += layout.nslots;
            for (int64_t slot = 0; slot < layout.nslots; slot++) {
                int64_t unit = layout_unit_at(&layout, slot);
                here += layout_slot(&layout, unit) == slot &&
                        layout_owner_of_gpu(&layout, layout_gpu(&layout, unit, 0)) == rank &&
                        units_stage(&layout.units, unit) == slot % layout.units.stages;
            }
        }
        assert_all_ranks(comm, here == layout.units.n && units == layout.units.n);
    }
    layout_fini(&layout);
    cluster_destroy(cluster);
    small_run_fini(&run);
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(ranks_do_not_show, comm),
        cmocka_unit_test_prestate(exchanges_do_not_show_ranks, comm),
        cmocka_unit_test_prestate(exchanges_take_what_their_dispatcher_holds, comm),
        cmocka_unit_test_prestate(ranks_hear_in_time_of_messages_inside_a_node, comm),
        cmocka_unit_test_prestate(ranks_hear_in_time_of_messages_before_the_next_phase, comm),
        cmocka_unit_test_prestate(bubbles_equal_their_closed_forms, comm),
        cmocka_unit_test_prestate(a_slow_gpu_adds_nothing_to_communication, comm),
        cmocka_unit_test_prestate(the_slowest_kind_sets_the_pace, comm),
        cmocka_unit_test_prestate(the_closed_engine_is_a_bound, comm),
        cmocka_unit_test_prestate(members_are_the_units_of_their_groups, comm),
        cmocka_unit_test_prestate(every_unit_has_one_place, comm),
        cmocka_unit_test_prestate(a_run_that_cannot_go_on_says_who_waits, comm),
        cmocka_unit_test_prestate(a_run_that_is_refused_says_why, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("driver", tests, NULL, NULL));
}
