// What communication costs a training step when nothing disturbs it, by arithmetic: closed engine, no noise, even chunks.
#include "player/small_run.h"

#include "claims.h"
#include "draws.h"

#include "base/units.h"

enum { UNITS_PER_NODE = 2, TP = 2 };

/// A pipeline of one replica, two layers a stage, one microbatch unless told otherwise.
static void pipeline_init(RunSpec *run, int32_t pp, int32_t dp) {
    small_run_init(run, 9, pp, dp, pp == 1 ? SCHEDULE_NONE : SCHEDULE_1F1B, 1, 1);
    run->engine = engine_of(ENGINE_CLOSED);
    JobSpec *job = &run->job[0];
    job->noise = (NoiseSpec){0};
    job->steps = 1;
    job->model.layers = 2 * pp;
    job->network.queue_pairs = 1;
    run->cluster.gpu.network_processor_share = 0;
}

/// A part of the step of unit 0, the first stage of the first replica.
static int64_t first_unit_ps(const RunSpec *run, TracePart part) {
    Comm *self = comm_create_self();
    Played played = small_run_play_even(run, self, PS_PER_MS, 2 * PS_PER_MS);
    const int64_t part_ps = played.unit_part_ps[part];
    played_fini(&played);
    comm_destroy(self);
    return part_ps;
}

// One microbatch goes through all stages and back: 2 (pp - 1) hand-overs that nothing hides. Each costs its launch and its
// path once; two stages share a node, so every second one crosses the network.
static void a_lone_microbatch_pays_every_hand_over(void **state) {
    (void)state;
    for (int32_t pp = 2; pp <= 8; pp++) {
        RunSpec run;
        pipeline_init(&run, pp, 1);
        const int64_t plain_ps = first_unit_ps(&run, TRACE_PART_PP_EXPOSED);
        run.job[0].network.message_latency_ps += 7 * PS_PER_US;
        const int64_t launched_ps = first_unit_ps(&run, TRACE_PART_PP_EXPOSED);
        assert_int_equal(launched_ps - plain_ps, 2 * (pp - 1) * 7 * PS_PER_US);
        run.cluster.nic.latency_ps += 11 * PS_PER_US;
        const int64_t farther_ps = first_unit_ps(&run, TRACE_PART_PP_EXPOSED);
        const int32_t crossings = (pp - 1) / UNITS_PER_NODE;
        assert_int_equal(farther_ps - launched_ps, 2 * crossings * 11 * PS_PER_US);
        small_run_fini(&run);
    }
}

// Activations of a microbatch, 1,024 tokens of 512 numbers of 2 bytes, are cut over the GPUs of a stage: at a thousandth of
// the rate nothing else counts.
static void a_hand_over_carries_the_activations_once(void **state) {
    (void)state;
    RunSpec run;
    pipeline_init(&run, 6, 1);
    run.cluster.nic.goodput_Bps /= 1000;
    const double message_s = 1024.0 * 512 * 2 / TP / (double)run.cluster.nic.goodput_Bps;
    const double took_s = units_seconds_from_ps(first_unit_ps(&run, TRACE_PART_PP_EXPOSED));
    assert_close(took_s / (4 * message_s), 1, 0.01);
    small_run_fini(&run);
}

// The gradient norm loads no link: one launch, and at most the 2 (n - 1) hops of a ring, each a path and what a protocol
// waits.
static void the_norm_is_launched_once_and_waits_for_its_hops(void **state) {
    (void)state;
    for (int32_t pp = 3; pp <= 9; pp++) {
        const int64_t hops = 2 * (pp - 1);
        RunSpec run;
        pipeline_init(&run, pp, 1);
        const int64_t plain_ps = first_unit_ps(&run, TRACE_PART_DP_EXPOSED);
        run.job[0].network.round_latency_ps += 7 * PS_PER_US;
        const int64_t waited_ps = first_unit_ps(&run, TRACE_PART_DP_EXPOSED);
        assert_in_range(waited_ps - plain_ps, 0, hops * 7 * PS_PER_US);
        run.job[0].network.collective_base_ps += 5 * PS_PER_US;
        const int64_t based_ps = first_unit_ps(&run, TRACE_PART_DP_EXPOSED);
        assert_int_equal(based_ps - waited_ps, 5 * PS_PER_US);
        run.cluster.nic.latency_ps += 11 * PS_PER_US;
        const int64_t farther_ps = first_unit_ps(&run, TRACE_PART_DP_EXPOSED) - based_ps;
        assert_in_range(farther_ps, 1, hops * 2 * 11 * PS_PER_US);
        small_run_fini(&run);
    }
}

/// What data parallelism costs when nothing hides it and the network is a thousand times as slow.
static double exposed_s(RunSpec *run, int32_t zero, int64_t bucket_parameters) {
    run->job[0].parallel.zero = zero;
    run->job[0].training.bucket_parameters = bucket_parameters;
    return units_seconds_from_ps(first_unit_ps(run, TRACE_PART_DP_EXPOSED));
}

// A replica is one unit; 8 of them fill 4 nodes, p = 2 a node. Gradients (4 bytes a parameter) are reduced among D = 4 nodes
// on both NICs of a rail, (D - 1) / D / p of their bytes in each of 2 passes. ZeRO-1 scatters them in one pass and gathers
// parameters (2 bytes) in one. Buckets cut the bytes and make none.
static void gradients_and_parameters_travel_as_the_algebra_says(void **state) {
    (void)state;
    RunSpec run;
    pipeline_init(&run, 1, 8);
    run.job[0].training.grad_overlap = run.job[0].training.param_overlap = false;
    run.cluster.nic.goodput_Bps /= 1000;
    StepCost cost;
    Status status =
        step_cost_init(&cost, &run.job[0].model, &run.job[0].parallel, &run.job[0].training,
                       &run.cluster.gpu, &run.cluster.scale_up, NULL);
    assert_true(status_is_ok(&status));
    const double pass_s =
        (double)cost.chunk[0].whole.parameters * 3 / 4 / 2 / (double)run.cluster.nic.goodput_Bps;
    for (int64_t bucket = 200000; bucket <= INT64_C(1) << 30; bucket *= 20) {
        assert_close(exposed_s(&run, 0, bucket) / (2 * 4 * pass_s), 1, 0.01);
        assert_close(exposed_s(&run, 1, bucket) / ((4 + 2) * pass_s), 1, 0.01);
    }
    step_cost_fini(&cost);
    // ZeRO-3: in each microbatch layers are gathered twice and reduced once; embedding and head, one and kept, are gathered
    // once.
    run.job[0].parallel.reshard = true;
    for (int32_t m = 1; m <= 3; m++) {
        run.job[0].parallel.zero = 3;
        run.job[0].parallel.microbatches = m;
        status =
            step_cost_init(&cost, &run.job[0].model, &run.job[0].parallel, &run.job[0].training,
                           &run.cluster.gpu, &run.cluster.scale_up, NULL);
        assert_true(status_is_ok(&status));
        const double root =
            (double)cost.segment[0].parameters / (double)cost.chunk[0].whole.parameters;
        const double each = 2 * root + (2 + 2) * (1 - root) + 4;
        assert_close(exposed_s(&run, 3, 0) / (m * each * pass_s), 1, 0.01);
        step_cost_fini(&cost);
    }
    // In shard groups of a node, whose ports are fast, all that is seen is a share of the gradients, half of them on each of
    // two GPUs, reduced among 4 nodes in two passes: in each microbatch, or once.
    run.job[0].parallel.shard_group = 2;
    assert_close(exposed_s(&run, 3, 0) / (3 * 2 * 4 * pass_s), 1, 0.01);
    assert_close(exposed_s(&run, 1, 200000) / (2 * 4 * pass_s), 1, 0.01);
    small_run_fini(&run);
}

// Hybrid sharding: each replica is in one shard group of consecutive ones, and with one of each other group in a group
// across; slots are those of the members.
static void shard_groups_cut_the_replicas(void **state) {
    (void)state;
    for (int32_t dp = 4; dp <= 16; dp += 4)
        for (int32_t shard = 1; shard < dp; shard++)
            for (int32_t pp = 1; pp <= 2; pp++) {
                if (dp % shard != 0 || pp * dp > 16) continue;
                RunSpec run;
                pipeline_init(&run, pp, dp);
                run.job[0].parallel.zero = 3;
                run.job[0].parallel.shard_group = shard;
                Cluster *cluster = NULL;
                Status status = cluster_create(&run.cluster, &cluster);
                assert_true(status_is_ok(&status));
                Layout layout;
                status = layout_init(&layout, cluster, &run.job[0]);
                assert_true(status_is_ok(&status));
                assert_int_equal(units_ngroups_of(&layout.units, GROUP_SHARD), pp * dp / shard);
                assert_int_equal(units_ngroups_of(&layout.units, GROUP_ACROSS), pp * shard);
                for (int64_t unit = 0; unit < layout.units.n; unit++) {
                    const int64_t in = units_group_of(&layout.units, unit, GROUP_SHARD);
                    const int64_t across = units_group_of(&layout.units, unit, GROUP_ACROSS);
                    const Group a = units_group(&layout.units, in);
                    const Group b = units_group(&layout.units, across);
                    assert_int_equal(a.n, shard);
                    assert_int_equal(b.n, dp / shard);
                    int32_t both = 0, found = 0;
                    for (int64_t i = 0; i < a.n; i++) {
                        const int64_t other = a.first + i * a.stride;
                        found += other == unit;
                        both += units_group_of(&layout.units, other, GROUP_ACROSS) == across;
                        assert_int_equal(units_group_of(&layout.units, other, GROUP_SHARD), in);
                    }
                    for (int64_t i = 0; i < b.n; i++)
                        assert_int_equal(
                            units_group_of(&layout.units, b.first + i * b.stride, GROUP_ACROSS),
                            across);
                    assert_int_equal(found, 1);
                    assert_int_equal(both, 1);
                    const Group slots = layout_group_slots(&layout, across);
                    assert_int_equal(slots.n, b.n);
                    for (int64_t i = 0; i < slots.n; i++)
                        assert_int_equal(layout_unit_at(&layout, slots.first + i * slots.stride),
                                         b.first + i * b.stride);
                }
                layout_fini(&layout);
                cluster_destroy(cluster);
                small_run_fini(&run);
            }
}

// While a bucket is reduced, compute loses share s of the time that takes; reductions here are shorter than the part of the
// backward pass beside them, so that nobody waits for them and all of it is lost.
static void compute_beside_a_collective_loses_its_share(void **state) {
    (void)state;
    RunSpec run;
    pipeline_init(&run, 1, 8);
    run.job[0].parallel.zero = 0;
    run.job[0].training.bucket_parameters = 1000000;
    int64_t lost_ps[3];
    for (int tenths = 0; tenths < 3; tenths++) {
        run.cluster.gpu.network_processor_share = tenths / 10.0;
        lost_ps[tenths] = first_unit_ps(&run, TRACE_PART_SHARING);
    }
    const int64_t tensor_ps = lost_ps[0]; // what tensor-parallel communication takes
    assert_true(lost_ps[1] - tensor_ps > 10 * PS_PER_US);
    assert_close((double)(lost_ps[2] - tensor_ps) / (double)(lost_ps[1] - tensor_ps), 2, 0.01);
    small_run_fini(&run);
}

// Tied embeddings stand on the first and the last stage of a replica: these two add their gradients, and no other.
static void tied_embeddings_join_the_ends_of_a_replica(void **state) {
    (void)state;
    for (int32_t pp = 2; pp <= 5; pp++) {
        RunSpec run;
        pipeline_init(&run, pp, 3);
        run.job[0].model.tied_embeddings = true;
        Cluster *cluster = NULL;
        Status status = cluster_create(&run.cluster, &cluster);
        assert_true(status_is_ok(&status));
        Layout layout;
        status = layout_init(&layout, cluster, &run.job[0]);
        assert_true(status_is_ok(&status));
        for (int64_t unit = 0; unit < layout.units.n; unit++) {
            const int64_t group = units_group_of(&layout.units, unit, GROUP_EMBEDDING);
            const int32_t stage = units_stage(&layout.units, unit);
            assert_int_equal(group >= 0, stage == 0 || stage == pp - 1);
            if (group < 0) continue;
            const Group pair = units_group(&layout.units, group);
            assert_int_equal(pair.n, 2);
            assert_int_equal(units_stage(&layout.units, pair.first), 0);
            assert_int_equal(units_stage(&layout.units, pair.first + pair.stride), pp - 1);
            assert_true(unit == pair.first || unit == pair.first + pair.stride);
        }
        layout_fini(&layout);
        cluster_destroy(cluster);
        small_run_fini(&run);
    }
}

static int32_t below(uint64_t *draws, int32_t n) {
    return (int32_t)rng_below(17, RNG_TEST, 0, (*draws)++, n);
}

/// Where a plan is like the one before on all dimensions but those of a set.
static bool differ_along(const ParallelSpec *parallel, int64_t a, int64_t b, DimensionSet set) {
    for (int d = 0; d < DIM_N; d++)
        if (!(set >> d & 1) && parallel_coordinate(parallel, a, (Dimension)d) !=
                                   parallel_coordinate(parallel, b, (Dimension)d))
            return false;
    return true;
}

// Law: for any sizes and order, rails of a kind of groups partition the ranks of the job (those of its units at an end of
// the pipeline, for embeddings); members of a rail differ along the kind's dimensions alone, and are found on it.
static void rails_partition_the_ranks(void **state) {
    (void)state;
    uint64_t draws = 0;
    for (int round = 0; round < 60; round++) {
        RunSpec run;
        small_run_init(&run, 64, 1, 1, SCHEDULE_NONE, 1, 1);
        ParallelSpec *parallel = &run.job[0].parallel;
        for (int d = 0; d < DIM_N; d++) parallel->size[d] = 1 << below(&draws, 2);
        for (int i = 0; i < DIM_N; i++) {
            const int j = below(&draws, DIM_N);
            const Dimension kept = parallel->order[i];
            parallel->order[i] = parallel->order[j];
            parallel->order[j] = kept;
        }
        if (parallel_units_are_consecutive(parallel))
            parallel->ep = parallel->size[DIM_TP] * parallel->size[DIM_CP] * parallel->size[DIM_EP];
        run.job[0].model.experts = 64;
        Cluster *cluster = NULL;
        Status status = cluster_create(&run.cluster, &cluster);
        assert_true(status_is_ok(&status));
        Layout layout;
        status = layout_init(&layout, cluster, &run.job[0]);
        assert_true(status_is_ok(&status));
        for (int kind = 0; kind < GROUP_KIND_N; kind++) {
            int met[64] = {0};
            for (int64_t group = layout.units.first_group[kind];
                 group < layout.units.first_group[kind + 1]; group++)
                for (int32_t rail = 0; rail < units_rails(&layout.units, group)->n; rail++) {
                    const int64_t first = units_rail_job_rank(&layout.units, group, rail, 0);
                    for (int64_t i = 0; i < units_rail_size(&layout.units, group); i++) {
                        const int64_t rank = units_rail_job_rank(&layout.units, group, rail, i);
                        assert_true(
                            GROUPS[kind].experts
                                ? (rank - first) % parallel_expert_span(parallel) == 0
                                : differ_along(parallel, rank, first, GROUPS[kind].dimensions));
                        const GpuId gpu = layout_rail_gpu(&layout, group, rail, i);
                        assert_true(layout_on_rail(&layout, group, rail, gpu));
                        met[rank]++;
                    }
                }
            for (int64_t rank = 0; rank < parallel_nranks(parallel); rank++) {
                const int32_t stage = parallel_coordinate(parallel, rank, DIM_PP);
                const bool ends =
                    layout.units.stages > 1 && (stage == 0 || stage == layout.units.stages - 1);
                const bool there =
                    (!GROUPS[kind].ends_only || ends) && GROUPS[kind].part == PART_ALL &&
                    (!GROUPS[kind].experts || parallel_experts_apart(parallel, &run.job[0].model));
                assert_int_equal(met[rank], there);
            }
        }
        layout_fini(&layout);
        cluster_destroy(cluster);
        small_run_fini(&run);
    }
}

/// A machine that nobody plays, on one rank.
typedef struct Unplayed {
    RunSpec run;
    Cluster *cluster;
    Comm *self;
    Fabric fabric;
    Machine *machine;
} Unplayed;

/// unplayed->run is filled.
static const Machine *unplayed_init(Unplayed *unplayed) {
    Status status = cluster_create(&unplayed->run.cluster, &unplayed->cluster);
    assert_true(status_is_ok(&status));
    unplayed->self = comm_create_self();
    unplayed->fabric = fabric_make(&unplayed->run, unplayed->cluster, unplayed->self);
    status = machine_create(&unplayed->fabric, 0, &unplayed->machine);
    assert_true(status_is_ok(&status));
    return unplayed->machine;
}

static void unplayed_fini(Unplayed *unplayed) {
    machine_destroy(unplayed->machine);
    cluster_destroy(unplayed->cluster);
    comm_destroy(unplayed->self);
    small_run_fini(&unplayed->run);
}

// Law: in an exchange every GPU of a unit sends, and gets, what the algebra says, by its NIC and by its port: rows of
// workload/exchange.h times bytes of a row; more by a thousandth at most, never less.
static void exchanges_carry_what_the_algebra_says(void **state) {
    (void)state;
    static const struct {
        int32_t cp, dp, ep, expert_tp;
    } CASES[] = {{1, 4, 8, 1}, {2, 4, 16, 1}, {1, 8, 8, 2}, {1, 2, 4, 1}, {1, 16, 4, 4}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int d = 0; d < DISPATCHER_N; d++) {
            Unplayed unplayed;
            RunSpec *run = &unplayed.run;
            small_run_init(run, 16, 1, CASES[i].dp, SCHEDULE_NONE, 1, 1);
            JobSpec *job = &run->job[0];
            job->model.experts = 32;
            job->model.top_k = 4;
            job->model.expert_ffn = 512;
            job->training.dispatcher = (Dispatcher)d;
            job->training.ep_overlap = true;
            job->parallel.size[DIM_CP] = CASES[i].cp;
            job->parallel.ep = CASES[i].ep;
            job->parallel.expert_tp = CASES[i].expert_tp;
            Status status = parallel_deal_experts(&job->parallel);
            assert_true(status_is_ok(&status));
            const Machine *machine = unplayed_init(&unplayed);
            const Cluster *cluster = unplayed.cluster;
            const LayerLinks *links = &machine->cost.links;
            const ExchangeRows rows = exchange_rows((Dispatcher)d, 32, 4, links->parts[DIM_EP]);
            JobEdges edges;
            const Transfer transfer = network_exchange(machine, 0, EXCHANGE_DISPATCH, &edges);
            const bool inside = links->parts[DIM_EP].inside == links->parts[DIM_EP].n;
            assert_int_equal(transfer.edges.nedges == 0, inside);
            double sent[64][2] = {{0}}, got[64][2] = {{0}};
            for (int64_t e = 0; e < transfer.edges.nedges; e++) {
                const Edge edge = transfer.edges.edge(&edges, e);
                const bool out =
                    cluster_domain_of(cluster, edge.src) != cluster_domain_of(cluster, edge.dst);
                sent[edge.src][out] += (double)edge.weight * (double)transfer.bytes;
                got[edge.dst][out] += (double)edge.weight * (double)transfer.bytes;
            }
            const double row = (double)machine->cost.exchange_bytes[EXCHANGE_DISPATCH] / 4;
            for (int32_t g = 0; g < machine->layout.units.width && !inside; g++) {
                const GpuId gpu = layout_gpu(&machine->layout, 0, g);
                const double wanted[] = {rows.inside * row, rows.outside * row};
                for (int out = 0; out < 2; out++) {
                    assert_true(sent[gpu][out] >= wanted[out]);
                    assert_close(sent[gpu][out], wanted[out], 2e-3 * wanted[out] + 2000);
                    assert_close(got[gpu][out], sent[gpu][out], 0);
                }
            }
            unplayed_fini(&unplayed);
        }
}

// Law: a message leaves by the NIC that has its end's place in the node, if the GPU of that NIC is of the same replica and
// of the same place in its unit; else by its own.
static void messages_leave_by_nics_of_their_replica(void **state) {
    (void)state;
    uint64_t draws = 0;
    int seen[2] = {0};
    for (int round = 0; round < 40; round++) {
        Unplayed unplayed;
        const int32_t pp = 2 + below(&draws, 3), dp = 1 + below(&draws, 4);
        small_run_init(&unplayed.run, 9, pp, dp, SCHEDULE_1F1B, 1, 1);
        unplayed.run.cluster.pxn = true;
        JobSpec *job = &unplayed.run.job[0];
        job->model.layers = 2 * pp;
        ParallelSpec *parallel = &job->parallel;
        if (below(&draws, 2) == 0)
            for (int i = 0; i < DIM_N; i++)
                parallel->order[i] = parallel->order[i] == DIM_PP   ? DIM_DP
                                     : parallel->order[i] == DIM_DP ? DIM_PP
                                                                    : parallel->order[i];
        const Machine *machine = unplayed_init(&unplayed);
        for (int64_t channel = 0; channel < machine->layout.units.n * CHANNEL_SIDES; channel++) {
            JobEdges ends;
            const Transfer message = network_message(machine, channel, &ends);
            for (int64_t i = 0; i < message.edges.nedges; i++) {
                const Edge edge = message.edges.edge(&ends, i);
                const GpuId other = routing_relay(unplayed.cluster, edge.src, edge.dst);
                if (other == edge.src) continue;
                const int64_t rank = placement_job_rank(&machine->layout.placement, edge.src),
                              theirs = placement_job_rank(&machine->layout.placement, other);
                const bool same =
                    theirs >= 0 && differ_along(parallel, theirs, rank, DIM_BIT(DIM_PP));
                assert_int_equal(edge_sender(unplayed.cluster, &edge), same ? other : edge.src);
                seen[same]++;
            }
        }
        unplayed_fini(&unplayed);
    }
    assert_true(seen[0] > 100 && seen[1] > 100);
}

/// Edges of a group's collective that another GPU of the node could send, [whether they are let]; each is held to the law.
static void check_senders(const Machine *machine, int64_t group, int64_t seen[2]) {
    const Layout *layout = &machine->layout;
    const ParallelSpec *parallel = &machine->job->parallel;
    CollectivePlan plan;
    Status status = network_plan(machine, group, OP_GRAD_REDUCE, 100000000, &plan);
    if (!status_is_ok(&status)) return; // not every algorithm does what there are so many of
    JobEdges edges = {.machine = machine, .plan = &plan, .group = group};
    for (edges.rail = 0; edges.rail < units_rails(&layout->units, group)->n; edges.rail++)
        for (edges.phase = 0; edges.phase < plan.nphases; edges.phase++) {
            const Transfer phase = network_phase(machine, &edges, 0);
            for (int64_t i = 0; i < phase.edges.nedges; i++) {
                const Edge edge = phase.edges.edge(&edges, i);
                const GpuId other = routing_relay(machine->cluster, edge.src, edge.dst);
                if (other == edge.src || collective_edge(&plan, edges.phase, i).own_nic) continue;
                const int64_t rank = placement_job_rank(&layout->placement, edge.src),
                              theirs = placement_job_rank(&layout->placement, other);
                const bool same = theirs >= 0 &&
                                  differ_along(parallel, theirs, rank, GROUPS[GROUP_DP].dimensions);
                assert_int_equal(edge_sender(machine->cluster, &edge), same ? other : edge.src);
                seen[same]++;
            }
        }
}

// Law: the same of collectives: by the NIC of another GPU only if that is a member of the same rail.
static void rails_leave_by_nics_of_their_members(void **state) {
    (void)state;
    uint64_t draws = 0;
    int64_t seen[2] = {0};
    for (int round = 0; round < 80; round++) {
        Unplayed unplayed;
        const int32_t pp = 1 + below(&draws, 3), dp = 2 + below(&draws, 5);
        small_run_init(&unplayed.run, 9, pp, dp, pp > 1 ? SCHEDULE_1F1B : SCHEDULE_NONE, 1, 1);
        unplayed.run.cluster.pxn = true;
        JobSpec *job = &unplayed.run.job[0];
        job->model.layers = 2 * pp;
        job->network.dp_algorithm = (CollectiveAlgorithm)(round % ALGORITHM_N);
        if (below(&draws, 2) == 0) {
            job->parallel.order[3] = DIM_PP;
            job->parallel.order[4] = DIM_DP;
        }
        const Machine *machine = unplayed_init(&unplayed);
        const int64_t *first = machine->layout.units.first_group;
        for (int64_t group = first[GROUP_DP]; group < first[GROUP_DP + 1]; group++)
            check_senders(machine, group, seen);
        unplayed_fini(&unplayed);
    }
    assert_true(seen[0] > 100 && seen[1] > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_microbatch_pays_every_hand_over),
        cmocka_unit_test(a_hand_over_carries_the_activations_once),
        cmocka_unit_test(the_norm_is_launched_once_and_waits_for_its_hops),
        cmocka_unit_test(gradients_and_parameters_travel_as_the_algebra_says),
        cmocka_unit_test(shard_groups_cut_the_replicas),
        cmocka_unit_test(compute_beside_a_collective_loses_its_share),
        cmocka_unit_test(tied_embeddings_join_the_ends_of_a_replica),
        cmocka_unit_test(rails_partition_the_ranks),
        cmocka_unit_test(exchanges_carry_what_the_algebra_says),
        cmocka_unit_test(messages_leave_by_nics_of_their_replica),
        cmocka_unit_test(rails_leave_by_nics_of_their_members),
    };
    return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
