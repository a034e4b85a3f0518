#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "published.h"
#include "workload/pricing.h"

static StepCost priced(const PublishedRun *run) {
    StepCost cost;
    const Status status = step_cost_init(&cost, &run->model, &run->parallel, &run->training,
                                         &run->gpu, &run->scale_up, NULL);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return cost;
}

/// Time of one microbatch on stage s, forward and backward, all chunks.
static double stage_s(const StepCost *cost, int32_t s) {
    int64_t sum_ps = 0;
    for (int32_t c = 0; c < cost->chunks; ++c) {
        const ChunkCost *chunk = &cost->chunk[c * cost->pp + s];
        sum_ps +=
            chunk->whole.pass[PASS_FORWARD].compute_ps + chunk->whole.pass[PASS_FORWARD].tp_ps +
            chunk->whole.pass[PASS_FORWARD].sharing_ps +
            chunk->whole.pass[PASS_BACKWARD].compute_ps + chunk->whole.pass[PASS_BACKWARD].tp_ps +
            chunk->whole.pass[PASS_BACKWARD].sharing_ps;
    }
    return units_seconds_from_ps(sum_ps);
}

/// A step without data-parallel traffic, hand-overs and noise: the slowest stage is busy all the
/// time, the pipeline fills and drains once ((pp - 1) / vp mean microbatches), then the optimizer
/// runs.
static double closed_form_step_s(const StepCost *cost, const PublishedRun *run) {
    double worst = 0, mean = 0, optimizer = 0;
    for (int32_t s = 0; s < cost->pp; ++s) {
        worst = fmax(worst, stage_s(cost, s));
        mean += stage_s(cost, s) / cost->pp;
        optimizer = fmax(optimizer, units_seconds_from_ps(cost->optimizer_ps[s]));
    }
    return run->parallel.microbatches * worst + (cost->pp - 1.0) / cost->chunks * mean + optimizer;
}

// With kernel and link tables alone; what is left out can only add (data parallelism, hand-overs,
// noise), so the closed form lies below the published step, and not by more than 16 %.
static void published_steps_are_met_from_below_within_16_percent(void **state) {
    (void)state;
    const PublishedRun runs[] = {published_q(), published_c07(), published_p1()};
    for (int i = 0; i < 3; ++i) {
        StepCost cost = priced(&runs[i]);
        const double step_s = closed_form_step_s(&cost, &runs[i]);
        print_message("%s: %.2f s, published %.2f to %.2f s\n", runs[i].name, step_s,
                      runs[i].step_lo_s, runs[i].step_hi_s);
        assert_true(step_s < runs[i].step_hi_s);
        assert_true(step_s > 0.84 * runs[i].step_lo_s);
        step_cost_fini(&cost);
    }
}

// Parameters of the virtual stages, times tp, are those of the model; matrices are cut, norms are
// on every GPU.
static void chunks_hold_every_parameter(void **state) {
    (void)state;
    const PublishedRun run = published_p1();
    StepCost cost = priced(&run);
    double sum = 0, grad = 0;
    for (int32_t v = 0; v < 128; ++v) {
        sum += (double)cost.chunk[v].whole.parameters;
        grad += (double)cost.chunk[v].whole.grad_bytes;
        assert_int_equal(cost.chunk[v].whole.gather_bytes, 2 * cost.chunk[v].whole.parameters);
    }
    assert_close(8 * sum, 405.85e9 + 7 * 16384.0 * (2 * 126 + 1), 0.01e9);
    assert_close(grad, 4 * sum, 0);
    assert_true(cost.chunk[0].embedding && !cost.chunk[0].head && cost.chunk[127].head);
    assert_close((double)cost.chunk[0].whole.parameters, 128256.0 / 8 * 16384, 0);
    step_cost_fini(&cost);
}

static void the_job_counts_its_tokens_and_hand_overs(void **state) {
    (void)state;
    const PublishedRun run = published_p1();
    StepCost cost = priced(&run);
    assert_close(cost.tokens, 2048.0 * 8192, 0);
    assert_close(cost.model_flop_full / cost.tokens, 2.6254e12, 0.0001e12);
    assert_int_equal(cost.boundary_bytes, 8192 * 16384 * 2 / 8);
    assert_int_equal(cost.embedding_grad_bytes, 0);
    assert_int_equal(cost.bucket_parameters, 64000000);
    assert_close(cost.peak_flop_per_s, 989e12, 0);
    step_cost_fini(&cost);
    const PublishedRun tied = published_q();
    cost = priced(&tied);
    assert_int_equal(cost.embedding_grad_bytes, 51200 / 8 * 12288 * 2);
    assert_int_equal(cost.bucket_parameters, 40000000);
    step_cost_fini(&cost);
}

// The sum over the virtual stages does not depend on how the layers are dealt.
static void dealing_layers_differently_moves_time_but_makes_none(void **state) {
    (void)state;
    PublishedRun run = published_q();
    StepCost even = priced(&run);
    run.parallel.nlayers = 24;
    for (int v = 0; v < 24; ++v) run.parallel.layers[v] = v % 2 ? 6 : 2;
    StepCost uneven = priced(&run);
    int64_t before_ps = 0, after_ps = 0;
    for (int v = 0; v < 24; ++v) {
        before_ps += even.chunk[v].whole.pass[PASS_FORWARD].compute_ps +
                     even.chunk[v].whole.pass[PASS_BACKWARD].compute_ps;
        after_ps += uneven.chunk[v].whole.pass[PASS_FORWARD].compute_ps +
                    uneven.chunk[v].whole.pass[PASS_BACKWARD].compute_ps;
    }
    assert_close((double)after_ps, (double)before_ps, 24);
    assert_close(uneven.hardware_flop / even.hardware_flop, 1, 1e-12);
    step_cost_fini(&even);
    step_cost_fini(&uneven);
}

// Tensor-parallel time is apart: none on one GPU; overlap moves it into compute, sequence
// parallelism keeps compute.
static void tensor_parallel_time_stands_apart(void **state) {
    (void)state;
    PublishedRun run = published_c07();
    run.training.tp_overlap = false;
    StepCost off = priced(&run);
    run.training.tp_overlap = true;
    StepCost on = priced(&run);
    assert_true(on.chunk[7].whole.pass[PASS_FORWARD].tp_ps <
                off.chunk[7].whole.pass[PASS_FORWARD].tp_ps);
    assert_true(on.chunk[7].whole.pass[PASS_FORWARD].compute_ps >
                off.chunk[7].whole.pass[PASS_FORWARD].compute_ps);
    step_cost_fini(&off);
    step_cost_fini(&on);
    run.parallel.size[DIM_TP] = 1;
    StepCost alone = priced(&run);
    assert_int_equal(alone.chunk[7].whole.pass[PASS_FORWARD].tp_ps, 0);
    assert_int_equal(alone.chunk[7].whole.pass[PASS_BACKWARD].tp_ps, 0);
    step_cost_fini(&alone);
}

// A pass takes as long as its host takes to launch it, where that is longer; graphs need no host.
static void a_gpu_waits_for_its_host(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.parallel.size[DIM_TP] = 1;
    run.scale_up.gpus = 1;
    StepCost quick = priced(&run);
    run.gpu.host_call_ps = 100 * PS_PER_MS;
    StepCost slow = priced(&run);
    run.training.cuda_graph = GRAPH_FULL;
    StepCost graphs = priced(&run);
    for (int pass = 0; pass < PASS_N; ++pass) {
        const int64_t quick_ps = quick.chunk[7].whole.pass[pass].compute_ps;
        const int64_t slow_ps = slow.chunk[7].whole.pass[pass].compute_ps;
        assert_true(quick_ps < PS_PER_S);
        assert_true(slow_ps > PS_PER_S && slow_ps < 10 * PS_PER_S);
        assert_true(graphs.chunk[7].whole.pass[pass].compute_ps < quick_ps);
    }
    step_cost_fini(&quick);
    step_cost_fini(&slow);
    step_cost_fini(&graphs);
}

// Law: a pass lasts until GPU and host are done, so what it waits for the GPU with the most rows is what it would gain if
// nobody waited.
static void a_host_hides_waiting_as_far_as_it_is_late(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 1000; ++draw) {
        double s[4];
        for (int i = 0; i < 4; ++i) s[i] = rng_uniform(3, RNG_TEST, draw, (uint64_t)i);
        const PassCost pass = {.compute_s = s[0],
                               .exposed_s = {[DIM_EP] = s[1] + s[2]},
                               .waiting_s = s[2],
                               .host_s = 3 * s[3]};
        const double without_s = fmax(s[0] + s[1], pass.host_s);
        const double with_s = fmax(s[0] + s[1] + s[2], pass.host_s);
        assert_close(pricing_seen_waiting_s(&pass), with_s - without_s, 1e-12);
    }
}

// Sharding the optimizer over dp divides its work; only zeroing the gradients stays.
static void zero_divides_the_optimizer(void **state) {
    (void)state;
    PublishedRun run = published_c07();
    StepCost sharded = priced(&run);
    run.parallel.zero = 0;
    StepCost whole = priced(&run);
    assert_true(whole.optimizer_ps[0] > 8 * sharded.optimizer_ps[0]);
    step_cost_fini(&sharded);
    step_cost_fini(&whole);
}

static void what_has_no_table_or_domain_is_refused(void **state) {
    (void)state;
    StepCost cost;
    PublishedRun run = published_q();
    run.training.precision = PRECISION_FP8;
    Status status = step_cost_init(&cost, &run.model, &run.parallel, &run.training, &run.gpu,
                                   &run.scale_up, NULL);
    assert_int_equal(status.code, STATUS_RANGE);
    assert_non_null(strstr(status.text, "a100-80g-sxm has no measured GEMM table for fp8"));
    run = published_q();
    run.scale_up.gpus = 4;
    status = step_cost_init(&cost, &run.model, &run.parallel, &run.training, &run.gpu,
                            &run.scale_up, NULL);
    assert_int_equal(status.code, STATUS_RANGE);
    assert_non_null(strstr(status.text, "tp = 8, but a scale-up domain (nvlink3-8) has 4 GPUs"));
    step_cost_fini(&cost); // legal after a refusal
}

// Bytes of a parameter in the optimizer, each pass by name: fp32 gradient read for the norm, read and written when
// clipped, read by Adam; weight and two moments read and written; the weight read, and written in 16 bit: with ZeRO only in its shard. The
// buffer of gradients is zeroed whole, read whole where its norm is looked at, and read and written where replicas divide it.
static void the_optimizer_moves_the_bytes_of_its_passes(void **state) {
    (void)state;
    PublishedRun run = published_c07();
    for (int32_t i = 0; i < 16; ++i) {
        const int32_t dp = 1 << (i & 3) * 2;
        run.parallel.size[DIM_DP] = dp;
        run.training.grad_scaling = i & 4;
        run.training.grad_check = i & 8;
        StepCost cost = priced(&run);
        double parameters = 0;
        for (int32_t c = 0; c < cost.chunks; ++c)
            parameters += (double)cost.chunk[c * cost.pp + 1].whole.parameters;
        const double passes = 4 + (4 + 4) + 4 + 3 * (4 + 4) + 4 + 2, zeroing = 4;
        const double whole = zeroing + (i & 8 ? 4 : 0) + (i & 4 && dp > 1 ? 4 + 4 : 0);
        const double bytes = ceil(parameters / dp) * passes + parameters * whole;
        const double moved_s =
            units_seconds_from_ps(cost.optimizer_ps[1]) - units_seconds_from_ps(run.gpu.launch_ps);
        assert_close(moved_s * 0.91 * run.gpu.memory_stream_Bps / bytes, 1, 1e-6);
        step_cost_fini(&cost);
    }
}

// What is recomputed whole has nothing left to recompute apart: lists of modules make no difference.
static void whole_layers_leave_no_module_to_recompute(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.training.recompute_full_every = 1;
    for (int32_t gelu = 0; gelu < 2;
         ++gelu, run = published_q(), run.training.recompute_full_every = 1) {
        run.training.recompute &= ~RECOMPUTE_BIT(RECOMPUTE_CORE_ATTENTION);
        StepCost plain = priced(&run);
        run.training.recompute |= RECOMPUTE_BIT(RECOMPUTE_CORE_ATTENTION) |
                                  RECOMPUTE_BIT(RECOMPUTE_MLP_ACTIVATION) |
                                  RECOMPUTE_BIT(RECOMPUTE_LAYERNORM);
        StepCost listed = priced(&run);
        for (int32_t v = 0; v < plain.pp * plain.chunks; ++v) {
            assert_int_equal(listed.chunk[v].whole.pass[PASS_BACKWARD].compute_ps,
                             plain.chunk[v].whole.pass[PASS_BACKWARD].compute_ps);
            assert_close(listed.chunk[v].backward_flop, plain.chunk[v].backward_flop, 0);
        }
        step_cost_fini(&plain);
        step_cost_fini(&listed);
    }
}

static double parameters_of(const PublishedRun *run) {
    StepCost cost = priced(run);
    double sum = 0;
    for (int32_t v = 0; v < cost.pp * cost.chunks; ++v)
        sum += (double)cost.chunk[v].whole.parameters;
    step_cost_fini(&cost);
    return sum;
}

// Tied embeddings are one matrix where one GPU has both ends, and two equal ones where it has not.
static void tied_embeddings_are_held_once_a_gpu(void **state) {
    (void)state;
    PublishedRun run = published_q();
    for (int32_t pp = 1; pp <= 8; pp *= 8) {
        run.parallel = (ParallelSpec){.size = {8, 1, 1, 1, pp},
                                      .ep = 1,
                                      .expert_tp = 1,
                                      .order = {DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
                                      .chunks = 1,
                                      .sequence_parallel = true,
                                      .schedule = pp == 1 ? SCHEDULE_NONE : SCHEDULE_1F1B,
                                      .microbatch = 1,
                                      .microbatches = 8};
        run.model.tied_embeddings = false;
        const double apart = parameters_of(&run);
        run.model.tied_embeddings = true;
        assert_close(apart - parameters_of(&run), pp == 1 ? 51200.0 / 8 * 12288 : 0, 0);
    }
}

// What causal attention leaves out is half of the attention, 6 L h s^2 a sequence, and the hardware does the rest of the
// model at least. Work of all kinds grows with the replicas.
static void flop_of_a_step_follow_their_definitions(void **state) {
    (void)state;
    for (int32_t which = 0; which < 2; ++which) {
        PublishedRun run = which ? published_p1() : published_c07();
        StepCost cost = priced(&run);
        const double h = (double)run.model.heads * run.model.head_dim, s = run.training.sequence;
        const double half = cost.tokens / s * 6 * run.model.layers * h * s * s;
        assert_close((cost.model_flop_full - cost.model_flop_causal) / half, 1, 1e-9);
        assert_true(cost.hardware_flop > 0.99 * cost.model_flop_causal);
        assert_true(cost.hardware_flop < 1.4 * cost.model_flop_full);
        run.parallel.size[DIM_DP] *= 2;
        StepCost twice = priced(&run);
        assert_close(twice.hardware_flop / cost.hardware_flop, 2, 1e-12);
        assert_close(twice.model_flop_full / cost.model_flop_full, 2, 1e-12);
        assert_close(twice.model_flop_causal / cost.model_flop_causal, 2, 1e-12);
        assert_close(twice.tokens / cost.tokens, 2, 1e-12);
        step_cost_fini(&cost);
        step_cost_fini(&twice);
    }
}

// What is computed layer by layer is the chunk: its time to a picosecond a segment, its parameters to the last. Of a model
// on one stage the embedding is gathered with the head, and both stay.
static void segments_are_the_chunk(void **state) {
    (void)state;
    PublishedRun runs[] = {published_q(), published_c07(), published_p1()};
    for (int i = 0; i < 3; ++i) {
        for (int32_t full = 0; full <= 3; full += 3) {
            runs[i].training.recompute_full_every = full;
            runs[i].parallel.zero = 3;
            runs[i].parallel.reshard = true;
            runs[i].parallel.size[DIM_DP] = 16;
            StepCost cost = priced(&runs[i]);
            for (int32_t v = 0; v < cost.pp * cost.chunks; ++v) {
                const ChunkCost *chunk = &cost.chunk[v];
                assert_int_equal(chunk->nsegments, chunk->layers + chunk->embedding + chunk->head);
                int64_t sum_ps[PASS_N] = {0}, parameters = 0, kept = 0;
                for (int32_t s = 0; s < chunk->nsegments; ++s) {
                    const SegmentCost *segment = &cost.segment[chunk->first_segment + s];
                    for (int pass = 0; pass < PASS_N; ++pass)
                        sum_ps[pass] += segment->pass[pass].compute_ps + segment->pass[pass].tp_ps;
                    parameters += segment->parameters;
                    kept += segment->kept;
                }
                for (int pass = 0; pass < PASS_N; ++pass)
                    assert_close((double)sum_ps[pass],
                                 (double)(chunk->whole.pass[pass].compute_ps +
                                          chunk->whole.pass[pass].tp_ps),
                                 2 + 2 * chunk->nsegments);
                assert_int_equal(parameters, chunk->whole.parameters);
                assert_int_equal(kept, chunk->embedding + chunk->head);
            }
            step_cost_fini(&cost);
        }
    }
}

/// Time of a part of a pass of the first stage.
static int64_t part_ps(const StepCost *cost, OpKind kind, int32_t part, int32_t parts) {
    Op op = program_op(kind, STREAM_COMPUTE, 0, 0);
    op.part = part;
    op.parts = parts;
    const NominalWork work = step_cost_work(cost, 0, &op);
    return work.compute_ps + work.sharing_ps + nominal_exposed_ps(work);
}

// The parts of a pass are the pass to the picosecond; as many of them as the embedding has of the parameters take no time,
// the first of a forward and the last of a backward, and the others are alike.
static void parts_of_a_pass_leave_the_embedding_out(void **state) {
    (void)state;
    PublishedRun run = published_q();
    StepCost cost = priced(&run);
    const SegmentCost *whole = &cost.chunk[0].whole;
    assert_true(whole->first_parameters > 0);
    static const OpKind KINDS[] = {OP_FORWARD, OP_BACKWARD};
    for (int32_t parts = 1; parts <= 400; parts = parts * 3 + 1) {
        const int64_t idle = whole->first_parameters * parts / whole->parameters;
        for (int pass = 0; pass < 2; ++pass) {
            int64_t sum_ps = 0;
            const int64_t all_ps = part_ps(&cost, KINDS[pass], 0, 1);
            for (int32_t part = 0; part < parts; ++part) {
                const int64_t ps = part_ps(&cost, KINDS[pass], part, parts);
                const bool of_embedding = pass == 0 ? part < idle : part >= parts - idle;
                if (of_embedding) assert_int_equal(ps, 0);
                if (part > idle && part < parts - idle - 1)
                    assert_close((double)ps * (double)parts,
                                 (double)all_ps * (double)whole->parameters /
                                     (double)(whole->parameters - whole->first_parameters),
                                 1e-6 * (double)all_ps);
                sum_ps += ps;
            }
            assert_int_equal(sum_ps, all_ps);
        }
    }
    step_cost_fini(&cost);
}

/// Bytes that part of a chunk gathers.
static int64_t gathered_bytes(const StepCost *cost, int32_t stage, int32_t part, int32_t parts) {
    Op op = program_op(OP_PARAM_GATHER, STREAM_DP, 0, -1);
    op.part = part;
    op.parts = parts;
    return step_cost_bytes(cost, stage, &op);
}

// Parts of a gather are the gather to the byte. In 16 bits every parameter takes two bytes; in 8 the matrices of words keep
// them, and they come first.
static void words_are_gathered_in_16_bits_and_first(void **state) {
    (void)state;
    for (int narrow = 0; narrow < 2; ++narrow) {
        PublishedRun run = published_c07();
        run.training.param_precision = narrow ? PRECISION_FP8 : PRECISION_BF16;
        StepCost cost = priced(&run);
        const int64_t words =
            (int64_t)run.model.vocab * run.model.hidden / run.parallel.size[DIM_TP];
        const int64_t all = cost.chunk[0].whole.parameters;
        assert_true(llabs(cost.chunk[0].whole.first_parameters - words) < words / 20);
        for (int32_t parts = 1; parts < 50; parts += 7) {
            int64_t sum = 0;
            for (int32_t part = 0; part < parts; ++part)
                sum += gathered_bytes(&cost, 0, part, parts);
            assert_int_equal(sum, 2 * all - narrow * (all - cost.chunk[0].whole.first_parameters));
        }
        const double first = (double)gathered_bytes(&cost, 0, 0, 50);
        assert_close(first, 2.0 * (double)all / 50, 1e-3 * first);
        const double last = (double)gathered_bytes(&cost, 0, 49, 50);
        assert_close(last, (narrow ? 1.0 : 2.0) * (double)all / 50, 1e-3 * last);
        step_cost_fini(&cost);
    }
}

// Megatron-LM cuts the first chunk of the first stage into buckets, if gradients overlap; who shards gradients cuts all.
static void buckets_are_cut_where_it_matters(void **state) {
    (void)state;
    PublishedRun run = published_q();
    run.training.bucket_parameters = 100000000;
    StepCost cost = priced(&run);
    for (int zero = 0; zero < 3; ++zero)
        for (int overlap = 0; overlap < 2; ++overlap)
            for (int32_t v = 0; v < cost.pp * cost.chunks; ++v) {
                run.parallel.zero = zero;
                run.training.grad_overlap = overlap;
                const int64_t n = step_cost_buckets(&cost, &run.parallel, &run.training, v);
                const int64_t cut = (cost.chunk[v].whole.parameters + 99999999) / 100000000;
                assert_true(cut > 1);
                assert_int_equal(n, zero == 2 || (overlap && v == 0) ? cut : 1);
            }
    step_cost_fini(&cost);
}

static int64_t pass_ps(const SegmentCost *segment, Pass pass) {
    const NominalWork *work = &segment->pass[pass];
    return work->compute_ps + work->sharing_ps + nominal_exposed_ps(*work);
}

// A backward in two parts does the same work: on one GPU to the picosecond; of a tensor-parallel group what was hidden
// behind gradients of weights shows. Gradients of weights are half of a backward's FLOP, attention apart.
static void a_split_backward_is_the_whole(void **state) {
    (void)state;
    for (int tp = 1; tp <= 8; tp *= 8) {
        PublishedRun run = published_p1();
        run.parallel.size[DIM_TP] = tp;
        run.parallel.sequence_parallel = tp > 1;
        StepCost cost = priced(&run);
        for (int32_t v = 0; v < cost.pp * cost.chunks; ++v) {
            const SegmentCost *whole = &cost.chunk[v].whole;
            const int64_t input_ps = pass_ps(whole, PASS_BACKWARD_INPUT);
            const int64_t weight_ps = pass_ps(whole, PASS_BACKWARD_WEIGHT);
            const int64_t both_ps = pass_ps(whole, PASS_BACKWARD);
            if (tp == 1) assert_close((double)(input_ps + weight_ps), (double)both_ps, 4);
            assert_true(input_ps + weight_ps >= both_ps - 4);
            if (cost.chunk[v].layers == 0) continue;
            assert_true(weight_ps > both_ps / 4 && weight_ps < both_ps / 2);
        }
        step_cost_fini(&cost);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_steps_are_met_from_below_within_16_percent),
        cmocka_unit_test(chunks_hold_every_parameter),
        cmocka_unit_test(the_job_counts_its_tokens_and_hand_overs),
        cmocka_unit_test(dealing_layers_differently_moves_time_but_makes_none),
        cmocka_unit_test(tensor_parallel_time_stands_apart),
        cmocka_unit_test(a_gpu_waits_for_its_host),
        cmocka_unit_test(a_host_hides_waiting_as_far_as_it_is_late),
        cmocka_unit_test(zero_divides_the_optimizer),
        cmocka_unit_test(what_has_no_table_or_domain_is_refused),
        cmocka_unit_test(the_optimizer_moves_the_bytes_of_its_passes),
        cmocka_unit_test(whole_layers_leave_no_module_to_recompute),
        cmocka_unit_test(tied_embeddings_are_held_once_a_gpu),
        cmocka_unit_test(segments_are_the_chunk),
        cmocka_unit_test(parts_of_a_pass_leave_the_embedding_out),
        cmocka_unit_test(words_are_gathered_in_16_bits_and_first),
        cmocka_unit_test(buckets_are_cut_where_it_matters),
        cmocka_unit_test(a_split_backward_is_the_whole),
        cmocka_unit_test(flop_of_a_step_follow_their_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
