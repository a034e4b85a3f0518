#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "collective/tuning.h"
#include "hardware/gpu_power.h"
#include "published.h"
#include "workload/roofline.h"

static Work gemm(double m, double n, double k, double operand) {
    return (Work){.name = "test",
                  .kind = WORK_GEMM,
                  .batch = 1,
                  .m = m,
                  .n = n,
                  .k = k,
                  .flop = 2 * m * n * k,
                  .bytes = operand * (m * k + k * n) + 2 * m * n,
                  .partner = -1};
}

/// A GPU alone and cool, without launch gaps: what the tables were measured on.
static GpuSpec isolated(GpuSpec gpu) {
    gpu.launch_ps = 0;
    gpu.sustained_share = 0;
    for (int p = 0; p < PRECISION_N; ++p) gpu.gemm[p].sustained_share = 0;
    return gpu;
}

// No shape is faster than the data sheet's FLOP rate or its memory, in any precision.
static void no_gemm_beats_peak_or_memory(void **state) {
    (void)state;
    const GpuSpec gpus[] = {isolated(published_a100()), isolated(published_h100())};
    const double sides[] = {1, 64, 100, 128, 192, 1000, 4096, 12288, 100000};
    for (int g = 0; g < 2; ++g)
        for (int p = PRECISION_FP16; p < PRECISION_N; ++p) {
            if (gpus[g].gemm[p].npoints == 0) continue;
            const TrainingSpec training = {.precision = (Precision)p};
            for (int i = 0; i < 729; ++i) {
                const Work work = gemm(sides[i % 9], sides[i / 9 % 9], sides[i / 81],
                                       precision_bytes((Precision)p));
                const double time_s = roofline_work_s(&work, &gpus[g], &training);
                assert_true(work.flop / time_s <= gpus[g].gemm[p].peak_flop_per_s);
                assert_true(work.bytes / time_s <= gpus[g].memory_Bps);
            }
        }
}

// The tables come back: every measured point within 0.1 %, except where memory alone explains it.
static void measured_points_are_reproduced(void **state) {
    (void)state;
    const GpuSpec gpus[] = {isolated(published_a100()), isolated(published_h100())};
    for (int g = 0; g < 2; ++g)
        for (int p = PRECISION_FP16; p < PRECISION_N; ++p)
            for (int32_t i = 0; i < gpus[g].gemm[p].npoints; ++i) {
                const GemmPoint *point = &gpus[g].gemm[p].point[i];
                const TrainingSpec training = {.precision = (Precision)p};
                const Work work = gemm(point->m, point->n, point->k, precision_bytes((Precision)p));
                const double time_s = roofline_work_s(&work, &gpus[g], &training);
                assert_close(work.flop / time_s / point->rate_flop_per_s, 1, 1e-3);
            }
}

// A shape no table holds: 802816 x 192 x 768 was measured at 157.8 (A100 fp16) and 663.8 TFLOP/s
// (H100 fp8), Azure AI-benchmarking-guide. Bound by memory and by a side that is no multiple of a
// tile.
static void a_thin_gemm_is_predicted_within_15_percent(void **state) {
    (void)state;
    const GpuSpec a100 = isolated(published_a100()), h100 = isolated(published_h100());
    const TrainingSpec fp16 = {.precision = PRECISION_FP16}, fp8 = {.precision = PRECISION_FP8};
    const Work wide = gemm(802816, 192, 768, 2), narrow = gemm(802816, 192, 768, 1);
    assert_close(wide.flop / roofline_work_s(&wide, &a100, &fp16) / 157.8e12, 1, 0.15);
    assert_close(narrow.flop / roofline_work_s(&narrow, &h100, &fp8) / 663.8e12, 1, 0.15);
}

// A large GEMM in a long run takes 1 / share of its time alone: the table's share where it has one,
// else the GPU's.
static void long_runs_keep_the_share_of_their_table(void **state) {
    (void)state;
    GpuSpec gpu = isolated(published_h100());
    gpu.memory_stream_Bps = 1e18; // no memory time beside the compute time
    const TrainingSpec bf16 = {.precision = PRECISION_BF16}, fp8 = {.precision = PRECISION_FP8};
    const Work wide = gemm(8192, 8192, 8192, 2), narrow = gemm(8192, 8192, 8192, 1);
    const double wide_s = roofline_work_s(&wide, &gpu, &bf16);
    const double narrow_s = roofline_work_s(&narrow, &gpu, &fp8);
    gpu.sustained_share = 0.5;
    gpu.gemm[PRECISION_FP8].sustained_share = 0.8;
    assert_close(roofline_work_s(&wide, &gpu, &bf16) / wide_s, 2, 1e-6);
    assert_close(roofline_work_s(&narrow, &gpu, &fp8) / narrow_s, 1.25, 1e-6);
    gpu.gemm[PRECISION_FP8].sustained_share = 0;
    assert_close(roofline_work_s(&narrow, &gpu, &fp8) / narrow_s, 2, 1e-6);
}

// A table that falls at its end has met the power cap there: its share counts once.
static void products_that_met_the_power_cap_do_not_pay_twice(void **state) {
    (void)state;
    GpuSpec gpu = isolated(published_h100());
    gpu.memory_stream_Bps = 1e18;
    GemmTable *table = &gpu.gemm[PRECISION_BF16];
    table->npoints = 3;
    table->point[0] = (GemmPoint){1024, 1024, 1024, 400e12};
    table->point[1] = (GemmPoint){4096, 4096, 4096, 700e12};
    table->point[2] = (GemmPoint){16384, 16384, 16384, 500e12};
    const TrainingSpec training = {.precision = PRECISION_BF16};
    const Work large = gemm(16384, 16384, 16384, 2);
    const double alone_s = roofline_work_s(&large, &gpu, &training);
    assert_close(large.flop / alone_s, 500e12, 1e6);
    for (double share = 0.2; share < 1.3; share += 0.1) {
        table->sustained_share = share;
        table->best_flop_per_s = table->peak_flop_per_s = 1e15;
        assert_close(large.flop / roofline_work_s(&large, &gpu, &training), share * 700e12, 1e6);
    }
}

static void larger_gemms_take_longer(void **state) {
    (void)state;
    const GpuSpec gpu = published_h100();
    const TrainingSpec training = {.precision = PRECISION_BF16};
    double before_s = 0;
    for (double side = 64; side < 40000; side *= 1.1) {
        const Work work = gemm(side, side, side, 2);
        const double time_s = roofline_work_s(&work, &gpu, &training);
        assert_true(time_s >= before_s);
        before_s = time_s;
    }
}

// A kernel that moves bytes takes bytes / (0.91 of the stream rate, or what was measured) and its launch, nothing else.
static void memory_bound_work_runs_at_stream_rate(void **state) {
    (void)state;
    GpuSpec gpu = published_a100();
    const TrainingSpec training = {.precision = PRECISION_BF16};
    const Work work = {.name = "copy", .kind = WORK_MEMORY, .bytes = 1.61e9, .partner = -1};
    assert_close(roofline_work_s(&work, &gpu, &training), 1e-3 / 0.91 + 4.3e-6, 1e-12);
    gpu.memory_pass_Bps = 1.4e12;
    assert_close(roofline_work_s(&work, &gpu, &training), 1.15e-3 + 4.3e-6, 1e-12);
}

/// A collective and the GEMM of m rows that it hides behind, with or without overlap, over links `slower` times as slow as
/// they are.
static WorkTime pair_on(const GpuSpec *gpu, double slower, WorkKind kind, Hiding hiding, double m,
                        bool overlap, bool backward) {
    ScaleUpSpec domain = published_nvlink_h100();
    domain.goodput_Bps = (int64_t)((double)domain.goodput_Bps / slower);
    const TrainingSpec training = {
        .precision = PRECISION_BF16, .tp_overlap = overlap, .tp_backward_overlap = backward};
    WorkList list = {.n = 2};
    list.work[0] = (Work){
        .name = "collective", .kind = kind, .bytes = 2 * 12288 * m, .hiding = hiding, .partner = 1};
    list.work[1] = gemm(m, 6144, 12288, 2);
    const LayerLinks links = {.scale_up = &domain, .parts = {[DIM_TP] = {8, 8}}};
    return roofline_list(&list, &links, gpu, &training);
}

static WorkTime pair_over(double slower, WorkKind kind, Hiding hiding, double m, bool overlap,
                          double share) {
    GpuSpec gpu = published_h100();
    gpu.scale_up_processor_share = share;
    return pair_on(&gpu, slower, kind, hiding, m, overlap, overlap);
}

static WorkTime gather_and_gemm_over(double slower, double m, bool overlap) {
    return pair_over(slower, WORK_GATHER, HIDE_WITH_GEMM, m, overlap, 0.15);
}

static double total_s(WorkTime time) {
    return time.compute_s + time.sharing_s + time.exposed_s[DIM_TP];
}

// Law: overlap hides at most the collective, never makes a pair of collective and GEMM faster than the
// longer of the two, and never slower than one after the other, whatever it takes of the GPU.
static void overlap_hides_no_more_than_there_is(void **state) {
    (void)state;
    static const struct {
        WorkKind kind;
        Hiding hiding;
    } CASES[] = {{WORK_GATHER, HIDE_WITH_GEMM},
                 {WORK_SCATTER, HIDE_WITH_GEMM},
                 {WORK_GATHER, HIDE_BESIDE},
                 {WORK_SCATTER, HIDE_BESIDE}};
    const double rows[] = {1, 64, 1024, 4096, 32768};
    for (int c = 0; c < 4; ++c)
        for (int i = 0; i < 5; ++i)
            for (double slower = 0.01; slower < 200; slower *= 3) {
                const WorkKind kind = CASES[c].kind;
                const Hiding hiding = CASES[c].hiding;
                const WorkTime off = pair_over(slower, kind, hiding, rows[i], false, 0.15);
                const WorkTime on = pair_over(slower, kind, hiding, rows[i], true, 0.15);
                const WorkTime greedy = pair_over(slower, kind, hiding, rows[i], true, 0.8);
                assert_true(on.exposed_s[DIM_TP] <= off.exposed_s[DIM_TP]);
                assert_true(on.compute_s >= off.compute_s);
                assert_true(total_s(on) >= fmax(off.compute_s, off.exposed_s[DIM_TP]));
                assert_true(total_s(on) <= total_s(off) * (1 + 1e-12));
                assert_true(total_s(greedy) >= total_s(on) * (1 - 1e-12));
                assert_true(total_s(greedy) <= total_s(off) * (1 + 1e-12));
            }
}

// Large products hide all of what runs beside them, and of what pieces could hide (all of a gathered ring, all but the last
// of four pieces of a scatter) 35 %. Copy engines take nothing of the GPU, pieces 24 of 132 processors, a collective beside
// a product its share.
static void large_products_hide_what_can_be_hidden(void **state) {
    (void)state;
    const double rows = 32768;
    const WorkTime off = gather_and_gemm_over(1, rows, false);
    const WorkTime ring = gather_and_gemm_over(1, rows, true);
    assert_close(ring.exposed_s[DIM_TP] / off.exposed_s[DIM_TP], 1 - 0.35, 1e-9);
    assert_close(ring.sharing_s, 0, 0);
    // As long on the wire as the product computes, so that pieces are worth it.
    const double slower = off.compute_s / off.exposed_s[DIM_TP];
    const WorkTime apart = pair_over(slower, WORK_SCATTER, HIDE_WITH_GEMM, rows, false, 0.15);
    const WorkTime pieces = pair_over(slower, WORK_SCATTER, HIDE_WITH_GEMM, rows, true, 0.15);
    assert_close(pieces.exposed_s[DIM_TP] / apart.exposed_s[DIM_TP], 1 - 0.35 * 0.75, 1e-9);
    assert_close(pieces.sharing_s / pieces.compute_s, 24.0 / 108, 1e-9);
    const WorkTime beside = pair_over(1, WORK_SCATTER, HIDE_BESIDE, rows, true, 0.15);
    assert_close(beside.exposed_s[DIM_TP], 0, 0);
    assert_close(beside.sharing_s / off.exposed_s[DIM_TP], 0.15, 1e-9);
}

// Law: a product with a block for each processor ends one product behind the collective, or two behind their begin, whichever
// comes first; a longer collective hides it whole. Userbuffers have it leave some processors: then it is as without.
static void products_that_hold_all_processors_gain_little(void **state) {
    (void)state;
    GpuSpec gpu = published_h100(), other = gpu;
    gpu.persistent_products = true;
    for (double slower = 0.01; slower < 200; slower *= 1.5) {
        const WorkTime apart = pair_on(&gpu, slower, WORK_GATHER, HIDE_BESIDE, 4096, false, false);
        const WorkTime beside = pair_on(&gpu, slower, WORK_GATHER, HIDE_BESIDE, 4096, false, true);
        const double product_s = apart.compute_s, collective_s = apart.exposed_s[DIM_TP];
        const double both_s = fmin(collective_s + product_s, 2 * product_s);
        assert_close(total_s(beside), fmax(both_s, collective_s), 1e-12);
        const WorkTime room = pair_on(&gpu, slower, WORK_GATHER, HIDE_BESIDE, 4096, true, true);
        const WorkTime old = pair_on(&other, slower, WORK_GATHER, HIDE_BESIDE, 4096, true, true);
        assert_close(total_s(room), total_s(old), 0);
    }
}

// Adding into an accumulator costs more than writing a result, and no more than its traffic does.
static void accumulators_cost_a_part_of_their_traffic(void **state) {
    (void)state;
    const GpuSpec gpu = published_h100();
    const TrainingSpec training = {.precision = PRECISION_BF16};
    for (double side = 128; side < 40000; side *= 1.7) {
        const Work plain = gemm(side, 4096, 4096, 2);
        Work added = plain;
        added.accumulator_bytes = 6 * added.m * added.n;
        added.bytes += added.accumulator_bytes;
        const double more_s =
            roofline_work_s(&added, &gpu, &training) - roofline_work_s(&plain, &gpu, &training);
        assert_true(more_s > 0);
        assert_true(more_s <= added.accumulator_bytes / gpu.memory_stream_Bps * (1 + 1e-9));
        // Those of experts hide less: their tiles end together.
        Work experts = added;
        experts.grouped = true;
        const double experts_s =
            roofline_work_s(&experts, &gpu, &training) - roofline_work_s(&plain, &gpu, &training);
        assert_true(experts_s > more_s);
        assert_true(experts_s <= added.accumulator_bytes / gpu.memory_stream_Bps * (1 + 1e-9));
    }
}

typedef void AddWorks(const TransformerShape *, WorkList *);

/// A layer of a run on its GPU, with what its host makes it wait.
static double pass_s(AddWorks *pass, const PublishedRun *run) {
    const TransformerShape shape = transformer_shape(&run->model, &run->parallel, &run->training);
    WorkList list = {.n = 0};
    pass(&shape, &list);
    const int32_t tp = run->parallel.size[DIM_TP];
    const LayerLinks links = {.scale_up = &run->scale_up, .parts = {[DIM_TP] = {tp, tp}}};
    const WorkTime time = roofline_list(&list, &links, &run->gpu, &run->training);
    return fmax(time.host_s, total_s(time));
}

// Law: what a graph holds is launched no slower, whatever else one holds; all in graphs, no host is
// waited for. A slower host never makes a layer faster.
static void graphs_never_cost(void **state) {
    (void)state;
    AddWorks *const passes[] = {transformer_layer_forward, transformer_layer_backward};
    PublishedRun run = published_p1();
    for (uint64_t i = 0; i < 200; i++) {
        const uint64_t bits = rng_bits(1, RNG_TEST, i, 0);
        run.training.sequence = 64 << (bits & 7);
        run.parallel.size[DIM_TP] = 1 << (bits >> 3 & 3);
        run.gpu.host_call_ps = (1 + (int64_t)(bits >> 5 & 31)) * PS_PER_US;
        run.training.cuda_graph = (GraphSet)(bits >> 10) & ((1U << PART_N) - 1);
        PublishedRun more = run, slow = run;
        more.training.cuda_graph |= 1U << (bits >> 32) % PART_N;
        slow.gpu.host_call_ps += PS_PER_US;
        for (int b = 0; b < 2; b++) {
            assert_true(pass_s(passes[b], &more) <= pass_s(passes[b], &run));
            assert_true(pass_s(passes[b], &slow) >= pass_s(passes[b], &run));
        }
    }
    run.gpu.host_call_ps = PS_PER_S;
    run.training.cuda_graph = GRAPH_FULL;
    assert_true(pass_s(transformer_layer_forward, &run) < 1);
    run.training.cuda_graph = 0;
    assert_true(pass_s(transformer_layer_forward, &run) > 13);
}

// Law: collectives beside products they do not feed never cost; where they take nothing, they save
// nothing.
static void overlap_in_the_backward_never_costs(void **state) {
    (void)state;
    for (int32_t tp = 2; tp <= 8; tp *= 2) {
        PublishedRun run = published_p1();
        run.parallel.size[DIM_TP] = tp;
        run.training.tp_backward_overlap = false;
        const double off_s = pass_s(transformer_layer_backward, &run);
        run.training.tp_backward_overlap = true;
        assert_true(pass_s(transformer_layer_backward, &run) < off_s);
        run.scale_up.goodput_Bps = INT64_C(1) << 60;
        run.scale_up.latency_ps = run.scale_up.bulk_latency_ps = 0;
        run.scale_up.collective_base_ps = run.scale_up.copy_Bps = 0;
        const double free_s = pass_s(transformer_layer_backward, &run);
        run.training.tp_backward_overlap = false;
        assert_close(pass_s(transformer_layer_backward, &run) / free_s, 1, 1e-6);
    }
}

// Law: a product that adds its weight gradient up is no slower than one that leaves it to a pass of
// its own; gradients that are sent away cost less than either.
static void fused_gradients_never_cost(void **state) {
    (void)state;
    for (int32_t sequence = 128; sequence <= 8192; sequence *= 2) {
        PublishedRun run = published_p1();
        run.training.sequence = sequence;
        const double fused_s = pass_s(transformer_layer_backward, &run);
        run.training.grad_fusion = false;
        const double apart_s = pass_s(transformer_layer_backward, &run);
        assert_true(fused_s < apart_s);
        run.parallel.zero = 3;
        run.parallel.size[DIM_DP] = 8;
        assert_true(pass_s(transformer_layer_backward, &run) < fused_s);
    }
}

static void missing_tables_and_kernels_are_refused(void **state) {
    (void)state;
    const GpuSpec gpu = published_a100();
    const TrainingSpec fp8 = {.precision = PRECISION_FP8};
    const TrainingSpec cudnn = {.precision = PRECISION_BF16, .attention = ATTENTION_CUDNN};
    const TrainingSpec flash = {.precision = PRECISION_BF16, .attention = ATTENTION_FLASH2};
    assert_int_equal(roofline_supports(&gpu, &fp8).code, STATUS_RANGE);
    assert_int_equal(roofline_supports(&gpu, &cudnn).code, STATUS_RANGE);
    assert_int_equal(roofline_supports(&gpu, &flash).code, STATUS_OK);
}

// Below the smallest measured GEMM time stays what it is there: a GPU that is not full is no faster for it. And a GEMM is
// computed in tiles: what does not fill one takes as long as what does.
static void small_and_ragged_gemms_save_nothing(void **state) {
    (void)state;
    GpuSpec gpu = isolated(published_h100());
    gpu.memory_stream_Bps = 1e18; // no memory time beside the compute time
    const TrainingSpec training = {.precision = PRECISION_BF16};
    const Work smallest = gemm(512, 512, 512, 2);
    const double smallest_s = roofline_work_s(&smallest, &gpu, &training);
    for (double side = 128; side < 512; side += 128) {
        const Work work = gemm(side, side, side, 2);
        assert_close(roofline_work_s(&work, &gpu, &training) / smallest_s, 1, 1e-9);
    }
    for (double rows = 1; rows <= 4096; rows = 2 * rows + 1) {
        const double whole = ceil(rows / 128) * 128;
        const Work work = gemm(rows, 4096, 4096, 2), turned = gemm(4096, rows, 4096, 2),
                   filled = gemm(whole, 4096, 4096, 2);
        const double filled_s = roofline_work_s(&filled, &gpu, &training);
        assert_close(roofline_work_s(&work, &gpu, &training) / filled_s, 1, 1e-9);
        assert_close(roofline_work_s(&turned, &gpu, &training) / filled_s, 1, 1e-9);
    }
}

// Of n pieces one has nothing to hide behind: collective and GEMM together take no less than the collective and one piece.
static void overlap_leaves_one_piece_of_the_gemm_alone(void **state) {
    (void)state;
    const double rows[] = {1024, 4096, 32768};
    for (int i = 0; i < 3; ++i) {
        const WorkTime off = gather_and_gemm_over(30, rows[i], false);
        const WorkTime on = gather_and_gemm_over(30, rows[i], true);
        assert_true(on.exposed_s[DIM_TP] > 0); // the collective is the longer one here
        assert_true(on.compute_s + on.exposed_s[DIM_TP] >=
                    off.exposed_s[DIM_TP] + off.compute_s / 8 * (1 - 1e-9));
    }
}

// The measured rate comes back at 4096 tokens and a head of 128; more FLOP a token, of longer sequences or wider heads, never
// take less time, and run at a rate that is no lower.
static void attention_gains_by_longer_sequences_and_wider_heads(void **state) {
    (void)state;
    const TrainingSpec training = {.precision = PRECISION_BF16, .attention = ATTENTION_FLASH3};
    GpuSpec gpu = isolated(published_h100());
    gpu.attention_ramp = 500;
    gpu.attention_forward.narrow = 0.6;
    const double rate = gpu.attention_forward_flop_per_s[ATTENTION_FLASH3];
    for (int wide = 0; wide < 2; ++wide) {
        double before = 0, before_s = 0;
        for (double size = 16; size < 1e5; size *= 2) {
            const double n = wide ? 4096 : size, k = wide ? size : 128;
            const Work work = {.kind = WORK_ATTENTION, .n = n, .k = k, .flop = 2e6 * n * k};
            const double time_s = roofline_work_s(&work, &gpu, &training);
            assert_true(work.flop / time_s > before * (1 - 1e-12) && time_s >= before_s);
            if (n == 4096 && k >= 128) assert_close(work.flop / time_s / rate, 1, 1e-12);
            if (n == 4096 && k == 64) assert_close(work.flop / time_s / rate, 0.6, 1e-12);
            before = work.flop / time_s;
            before_s = time_s;
        }
    }
}

/// How much faster each pass of attention becomes by a property of the work or of the job; less than 1: slower.
static void attention_gains(const GpuSpec *gpu, bool latent, bool fp8, double k, double gain[2]) {
    const TrainingSpec plain = {.precision = PRECISION_BF16, .attention = ATTENTION_FLASH3};
    TrainingSpec training = plain;
    training.attention_fp8 = fp8;
    for (int p = 0; p < 2; ++p) {
        Work work = {.kind = p ? WORK_ATTENTION_BACKWARD : WORK_ATTENTION,
                     .n = 4096,
                     .k = 128,
                     .flop = 1e13};
        const double before_s = roofline_work_s(&work, gpu, &plain);
        work.latent = latent;
        work.k = k;
        gain[p] = before_s / roofline_work_s(&work, gpu, &training);
    }
}

// Each pass has figures of its own for narrow heads, for keys wider than values and for products in fp8, and none of them
// touches the other pass or another property.
static void attention_has_figures_by_pass(void **state) {
    (void)state;
    GpuSpec gpu = isolated(published_h100());
    gpu.attention_forward = (AttentionShares){.narrow = 0.6, .latent = 0.9, .fp8_gain = 1.25};
    gpu.attention_backward = (AttentionShares){.narrow = 0.7, .latent = 0.8, .fp8_gain = 1.1};
    const AttentionShares *want[2] = {&gpu.attention_forward, &gpu.attention_backward};
    double narrow[2], latent[2], fp8[2], plain[2];
    attention_gains(&gpu, false, false, 64, narrow);
    attention_gains(&gpu, true, false, 128, latent);
    attention_gains(&gpu, false, true, 128, fp8);
    attention_gains(&gpu, false, false, 192, plain);
    for (int p = 0; p < 2; ++p) {
        assert_close(narrow[p], want[p]->narrow, 1e-12);
        assert_close(latent[p], want[p]->latent, 1e-12);
        assert_close(fp8[p], want[p]->fp8_gain, 1e-12);
        assert_close(plain[p], 1, 1e-12);
    }
}

// Four experts fill the GPU together, more wait for each other; one kernel of all is never slower.
static void four_experts_run_at_once(void **state) {
    (void)state;
    GpuSpec gpu = isolated(published_h100());
    TrainingSpec training = {.precision = PRECISION_BF16};
    double before_s = 0;
    for (double experts = 1; experts <= 64; experts *= 2) {
        Work work = gemm(1024, 1024, 1024, 2);
        work.batch = experts;
        work.grouped = true;
        work.flop *= experts;
        work.bytes *= experts;
        training.fused_experts = true;
        const double fused_s = roofline_work_s(&work, &gpu, &training);
        training.fused_experts = false;
        const double time_s = roofline_work_s(&work, &gpu, &training);
        assert_true(time_s >= fused_s * (1 - 1e-12));
        if (experts <= 4) assert_close(time_s / fused_s, 1, 1e-12);
        if (experts > 4) assert_close(time_s / before_s, 2, 1e-9);
        before_s = time_s;
    }
}

// Casts of experts are kernels one after the other, scans three each; one kernel for all where experts are fused.
static void casts_of_experts_follow_each_other(void **state) {
    (void)state;
    const GpuSpec gpu = published_h100();
    const double gap_s = units_seconds_from_ps(gpu.launch_ps);
    TrainingSpec training = {.precision = PRECISION_FP8};
    for (int more = 0; more < 3; ++more)
        for (double experts = 1; experts <= 64; experts *= 2) {
            Work work = {.kind = WORK_MEMORY,
                         .bytes = 1e9,
                         .grouped = true,
                         .batch = experts,
                         .more_kernels = more};
            training.fused_experts = true;
            const double fused_s = roofline_work_s(&work, &gpu, &training);
            training.fused_experts = false;
            const double time_s = roofline_work_s(&work, &gpu, &training);
            assert_close(time_s - fused_s, (experts * (1 + more) - 1) * gap_s, 1e-9);
        }
}

// What a tile takes to begin and to end weighs on shallow sums, and leaves measured points as they are.
static void shallow_products_pay_for_the_ends_of_tiles(void **state) {
    (void)state;
    const TrainingSpec training = {.precision = PRECISION_BF16};
    const GpuSpec flat = isolated(published_h100());
    GpuSpec deep = flat;
    deep.gemm[PRECISION_BF16].depth = 500;
    const Work shallow = gemm(32768, 8192, 512, 2), long_one = gemm(1024, 1024, 16384, 2);
    assert_true(roofline_work_s(&shallow, &deep, &training) >
                1.2 * roofline_work_s(&shallow, &flat, &training));
    assert_true(roofline_work_s(&long_one, &deep, &training) <=
                roofline_work_s(&long_one, &flat, &training) * (1 + 1e-9));
}

// Each pass of attention runs at the rate that was measured for it.
static void attention_runs_at_the_rate_of_its_pass(void **state) {
    (void)state;
    const TrainingSpec training = {.precision = PRECISION_BF16, .attention = ATTENTION_FLASH3};
    const Work pass[2] = {
        {.name = "f", .kind = WORK_ATTENTION, .n = 4096, .k = 128, .flop = 1e13, .partner = -1},
        {.name = "b",
         .kind = WORK_ATTENTION_BACKWARD,
         .n = 4096,
         .k = 128,
         .flop = 1e13,
         .partner = -1}};
    for (int slowed = 0; slowed < 2; ++slowed) {
        GpuSpec gpu = isolated(published_h100());
        double before_s[2];
        for (int p = 0; p < 2; ++p) before_s[p] = roofline_work_s(&pass[p], &gpu, &training);
        double *rate =
            slowed ? gpu.attention_backward_flop_per_s : gpu.attention_forward_flop_per_s;
        rate[ATTENTION_FLASH3] /= 2;
        for (int p = 0; p < 2; ++p)
            assert_close(roofline_work_s(&pass[p], &gpu, &training) / before_s[p],
                         p == slowed ? 2 : 1, 1e-9);
    }
}

// A lower cap never makes a kernel faster, and none longer than by its clock; it is nothing to a pass over memory, and the more
// to a product the more its FLOP take of it.
static void caps_slow_what_computes(void **state) {
    (void)state;
    const GpuSpec free = published_h100();
    const TrainingSpec training = {.precision = PRECISION_BF16};
    const double k[] = {16, 64, 256, 1024, 4096, 16384};
    const Work memory = {.name = "test", .kind = WORK_MEMORY, .bytes = 1e9, .partner = -1};
    double shares_before = 0;
    for (int i = 0; i < 6; i++) {
        const Work work = gemm(8192, 8192, k[i], 2);
        const double free_s = roofline_work_s(&work, &free, &training);
        double before_s = free_s;
        for (double part = 0.95; part > 0.36; part -= 0.05) {
            GpuSpec gpu = free;
            gpu_cap(&gpu, part);
            const double now_s = roofline_work_s(&work, &gpu, &training);
            assert_true(before_s <= now_s && now_s <= free_s / gpu_clock(&gpu) * (1 + 1e-12));
            assert_true(roofline_work_s(&memory, &gpu, &training) ==
                        roofline_work_s(&memory, &free, &training));
            before_s = now_s;
        }
        assert_true(before_s / free_s >= shares_before);
        shares_before = before_s / free_s;
    }
    assert_true(shares_before > 1.65);
    Work attention = gemm(4096, 4096, 128, 2);
    attention.kind = WORK_ATTENTION;
    attention.flop *= 64;
    const TrainingSpec flash = {.precision = PRECISION_BF16, .attention = ATTENTION_FLASH2};
    GpuSpec slow = free;
    slow.launch_ps = 0;
    const double before_s = roofline_work_s(&attention, &slow, &flash);
    gpu_cap(&slow, 0.6);
    assert_close(roofline_work_s(&attention, &slow, &flash) * gpu_clock(&slow) / before_s, 1,
                 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_gemm_beats_peak_or_memory),
        cmocka_unit_test(measured_points_are_reproduced),
        cmocka_unit_test(a_thin_gemm_is_predicted_within_15_percent),
        cmocka_unit_test(long_runs_keep_the_share_of_their_table),
        cmocka_unit_test(products_that_met_the_power_cap_do_not_pay_twice),
        cmocka_unit_test(larger_gemms_take_longer),
        cmocka_unit_test(memory_bound_work_runs_at_stream_rate),
        cmocka_unit_test(overlap_hides_no_more_than_there_is),
        cmocka_unit_test(accumulators_cost_a_part_of_their_traffic),
        cmocka_unit_test(graphs_never_cost),
        cmocka_unit_test(overlap_in_the_backward_never_costs),
        cmocka_unit_test(fused_gradients_never_cost),
        cmocka_unit_test(large_products_hide_what_can_be_hidden),
        cmocka_unit_test(products_that_hold_all_processors_gain_little),
        cmocka_unit_test(missing_tables_and_kernels_are_refused),
        cmocka_unit_test(small_and_ragged_gemms_save_nothing),
        cmocka_unit_test(overlap_leaves_one_piece_of_the_gemm_alone),
        cmocka_unit_test(attention_runs_at_the_rate_of_its_pass),
        cmocka_unit_test(attention_gains_by_longer_sequences_and_wider_heads),
        cmocka_unit_test(attention_has_figures_by_pass),
        cmocka_unit_test(four_experts_run_at_once),
        cmocka_unit_test(casts_of_experts_follow_each_other),
        cmocka_unit_test(shallow_products_pay_for_the_ends_of_tiles),
        cmocka_unit_test(caps_slow_what_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
