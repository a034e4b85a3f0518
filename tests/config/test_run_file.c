// From files to a RunSpec: what ships loads, resolves to the published numbers, and contradictions
// name both places.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "claims.h"
#include "config/hardware_file.h"
#include "config/job_file.h"
#include "config/packet_part.h"
#include "config/run_file.h"
#include "config/topology_file.h"

enum { ARENA_BYTES = 4096 };

typedef struct Loaded {
    RunSpec run;
    char *errors;
    Status status;
} Loaded;

static void load(Loaded *loaded, const char *topology, const char *job, const char *setting) {
    memset(loaded, 0, sizeof *loaded);
    RunRequest request = {topology, &job, 1, &setting, setting ? 1 : 0, {text_read_file, NULL, ""}};
    loaded->status = run_spec_load(&request, &loaded->run, &loaded->errors);
}

static void load_good(Loaded *loaded, const char *topology, const char *job, const char *setting) {
    load(loaded, topology, job, setting);
    if (!status_is_ok(&loaded->status)) fail_msg("%s with %s:\n%s", topology, job, loaded->errors);
}

static void done(Loaded *loaded) {
    text_free(loaded->errors);
    if (status_is_ok(&loaded->status)) run_spec_fini(&loaded->run);
}

static void refuses(const char *topology, const char *job, const char *setting,
                    const char *phrase) {
    static Loaded loaded;
    load(&loaded, topology, job, setting);
    assert_true(loaded.status.code == STATUS_INPUT || loaded.status.code == STATUS_RANGE);
    if (!strstr(loaded.errors, phrase)) fail_msg("no '%s' in\n%s", phrase, loaded.errors);
    done(&loaded);
}

// Llama 3's published plan (arXiv:2407.21783, table 4): 8 * 16 * 64 = 8,192 GPUs, 2,048 sequences a
// step. The main job: the same plan with 780 replicas, 99,840 GPUs, 12,480 sequences.
static void llama_plans_have_the_published_sizes(void **state) {
    (void)state;
    static Loaded l;
    load_good(&l, "topologies/meta-24k-roce.yaml", "jobs/llama3.1-405b-8k.yaml", NULL);
    const ParallelSpec *p = &l.run.job[0].parallel;
    assert_int_equal(parallel_nranks(p), 8192);
    assert_int_equal(p->size[DIM_DP] * p->microbatch * p->microbatches, 2048);
    assert_int_equal(p->order[0], DIM_TP);
    assert_int_equal(p->order[1], DIM_CP);
    assert_int_equal(p->order[2], DIM_PP);
    assert_int_equal(p->order[3], DIM_DP);
    assert_int_equal(p->schedule, SCHEDULE_INTERLEAVED);
    assert_int_equal(p->zero, 2);
    // 126 layers, embedding and head over 128 places: one each.
    int32_t layers = 0;
    for (int32_t v = 0; v < 128; v++) layers += parallel_layers(p, &l.run.job[0].model, v);
    assert_int_equal(layers, 126);
    assert_int_equal(l.run.cluster.nodes * l.run.cluster.gpus_per_node, 24576);
    done(&l);
    load_good(&l, "topologies/colossus-100k.yaml", "jobs/llama3.1-405b-colossus.yaml", NULL);
    p = &l.run.job[0].parallel;
    assert_int_equal(parallel_nranks(p), 99840);
    assert_int_equal(p->size[DIM_DP] * p->microbatch * p->microbatches, 12480);
    assert_int_equal(l.run.cluster.nodes * l.run.cluster.gpus_per_node - parallel_nranks(p), 160);
    assert_int_equal(l.run.job[0].training.recompute, RECOMPUTE_BIT(RECOMPUTE_MLP_ACTIVATION));
    assert_false(l.run.job[0].training.tp_overlap);
    assert_true(l.run.job[0].noise.straggler_probability > 0);
    assert_int_equal(l.run.job[0].placement.kind, PLACEMENT_CONTIGUOUS);
    assert_int_equal(l.run.control_delay_ps, 10000000);
    done(&l);
}

// Counts of the SuperPOD tables (docs.nvidia.com, DGX SuperPOD reference architectures) and of
// Colossus' tree.
static void fabrics_have_the_published_counts(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int32_t ntiers;
        int64_t gpus, switches[3];
    } WANTED[] = {
        {"topologies/laptop-16.yaml", 2, 16, {8, 2}},
        {"topologies/superpod-h100-1su.yaml", 2, 256, {8, 4}},
        {"topologies/superpod-h100-4su.yaml", 2, 1024, {32, 16}},
        {"topologies/meta-24k-roce.yaml", 3, 24576, {1536, 128, 112}},
        {"topologies/colossus-100k.yaml", 3, 100000, {1600, 1600, 1024}},
        {"topologies/colossus-200k.yaml", 3, 200000, {3136, 3136, 2048}},
        {"topologies/hopper-1m.yaml", 3, 1048576, {16384, 16384, 4096}},
    };
    for (size_t i = 0; i < sizeof WANTED / sizeof WANTED[0]; i++) {
        static Loaded l;
        load_good(&l, WANTED[i].path, "jobs/ddp-small.yaml", NULL);
        Cluster *cluster = NULL;
        Status status = cluster_create(&l.run.cluster, &cluster);
        assert_true(status_is_ok(&status));
        assert_int_equal(cluster_ngpus(cluster), WANTED[i].gpus);
        assert_int_equal(l.run.cluster.ntiers, WANTED[i].ntiers);
        for (int32_t t = 1; t <= WANTED[i].ntiers; t++)
            assert_int_equal(cluster_nswitches(cluster, t), WANTED[i].switches[t - 1]);
        // dp: auto is what fits.
        assert_int_equal(l.run.job[0].parallel.size[DIM_DP], WANTED[i].gpus);
        cluster_destroy(cluster);
        done(&l);
    }
}

static void traffic_jobs_load_on_the_laptop(void **state) {
    (void)state;
    static const struct {
        const char *path;
        TrafficPattern pattern;
    } JOBS[] = {
        {"jobs/traffic-permutation.yaml", TRAFFIC_PERMUTATION},
        {"jobs/traffic-shift.yaml", TRAFFIC_SHIFT},
        {"jobs/traffic-ring.yaml", TRAFFIC_RING},
        {"jobs/traffic-incast.yaml", TRAFFIC_INCAST},
        {"jobs/traffic-all-to-all.yaml", TRAFFIC_ALL_TO_ALL},
        {"jobs/traffic-all-reduce.yaml", TRAFFIC_COLLECTIVE},
        {"jobs/traffic-flows.yaml", TRAFFIC_FLOWS},
    };
    for (size_t i = 0; i < sizeof JOBS / sizeof JOBS[0]; i++) {
        static Loaded l;
        load_good(&l, "topologies/laptop-16.yaml", JOBS[i].path, NULL);
        const JobSpec *job = &l.run.job[0];
        assert_int_equal(job->kind, JOB_TRAFFIC);
        assert_int_equal(job->traffic.pattern, JOBS[i].pattern);
        assert_int_equal(job->traffic.ranks, 16);
        if (JOBS[i].pattern == TRAFFIC_SHIFT) assert_int_equal(job->traffic.shift, 8);
        // The table of flows travels with the run.
        const char *csv = run_spec_text(&l.run, job->traffic.file);
        assert_int_equal(csv != NULL, JOBS[i].pattern == TRAFFIC_FLOWS);
        if (csv) assert_memory_equal(csv, "source,", 7);
        done(&l);
    }
}

// 100,000 GPUs hold 1,562 groups of 64 and 32 GPUs more; 256 hold four.
static void groups_of_experts_fill_the_machine(void **state) {
    (void)state;
    static Loaded l;
    load_good(&l, "topologies/colossus-100k.yaml", "jobs/traffic-expert-all-to-all.yaml", NULL);
    assert_int_equal(l.run.job[0].traffic.group, 64);
    assert_int_equal(l.run.job[0].traffic.ranks, 99968);
    assert_int_equal(l.run.job[0].traffic.bytes, 4096 * 8 / 64 * 7168);
    done(&l);
    load_good(&l, "topologies/superpod-h100-1su.yaml", "jobs/traffic-expert-all-to-all.yaml", NULL);
    assert_int_equal(l.run.job[0].traffic.ranks, 256);
    done(&l);
}

/// A file, or a text in its place, by its schema.
typedef struct Copy {
    void *data;
    size_t bytes;
    char *written;
} Copy;

static Copy read_copy(const char *path, const char *text) {
    Texts texts = {0};
    Diagnostics diagnostics = {0};
    const TextSource source = {text_read_file, NULL, ""};
    Reader reader = {path, &source, &texts, arena_create("test", ARENA_BYTES), &diagnostics};
    Node *root = text ? yaml_parse(texts_add(&texts, "written", text, (int64_t)strlen(text)),
                                   reader.arena, &diagnostics)
                      : run_file_open(&reader, path);
    assert_non_null(root);
    const Schema *schema = run_file_schema(&reader, root);
    assert_non_null(schema);
    Copy copy = {.data = memory_alloc("test.copy", schema->bytes), .bytes = schema->bytes};
    if (!reader_load_root(&reader, root, schema, copy.data))
        fail_msg("%s: %s", path, diagnostics.at[0].message);
    TextBuffer out = {0};
    run_file_write(schema, copy.data, root, 0, &out);
    copy.written = text_take(&out);
    texts_fini(&texts);
    arena_destroy(reader.arena);
    return copy;
}

// The resolved configuration is a configuration: reading it gives the same struct, byte for byte.
static void resolved_files_read_back(void **state) {
    (void)state;
    static const char *const PATHS[] = {
        "topologies/laptop-16.yaml",
        "topologies/meta-24k-roce.yaml",
        "topologies/colossus-100k.yaml",
        "topologies/dojo-exapod.yaml",
        "topologies/deepseek-2k.yaml",
        "jobs/ddp-small.yaml",
        "jobs/llama3.1-405b-8k.yaml",
        "topologies/hopper-1m.yaml",
        "jobs/llama3.1-405b-colossus.yaml",
        "jobs/llama3.1-405b-1m.yaml",
        "jobs/traffic-flows.yaml",
        "jobs/traffic-all-reduce.yaml",
        "jobs/traffic-expert-all-to-all.yaml",
        "jobs/models/llama3.1-405b.yaml",
        "topologies/hardware/h100-sxm.yaml",
        "topologies/hardware/nvlink4-8.yaml",
    };
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        Copy first = read_copy(PATHS[i], NULL), second = read_copy(PATHS[i], first.written);
        assert_int_equal(first.bytes, second.bytes);
        assert_memory_equal(first.data, second.data, first.bytes);
        assert_null(strstr(second.written, "default"));
        memory_free("test.copy", first.data, first.bytes);
        memory_free("test.copy", second.data, second.bytes);
        text_free(first.written);
        text_free(second.written);
    }
}

static void settings_change_the_run(void **state) {
    (void)state;
    static Loaded l;
    load_good(&l, "topologies/colossus-100k.yaml", "jobs/llama3.1-405b-colossus.yaml",
              "placement=random");
    assert_int_equal(l.run.job[0].placement.kind, PLACEMENT_RANDOM);
    assert_non_null(strstr(l.run.resolved, "kind: random\n"));
    assert_non_null(run_spec_text(&l.run, "--set"));
    done(&l);
    // A shorthand changes the first key of what stands there, and nothing else.
    load_good(&l, "topologies/colossus-100k.yaml", "jobs/shared/llama3.1-405b-4k-even.yaml",
              "placement=random");
    assert_non_null(strstr(l.run.resolved, "kind: random\n"));
    assert_non_null(strstr(l.run.resolved, "nodes: 0-1022/2\n"));
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml",
              "fabric.tiers.spine.rate=100 Gb/s");
    assert_int_equal(l.run.cluster.tier[1].link_Bps, 12500000000);
    assert_int_equal(l.run.cluster.tier[0].link_Bps, 50000000000);
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml", "trace.path=none");
    assert_string_equal(l.run.trace.path, "");
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml", "seed=77");
    assert_int_equal(l.run.job[0].placement.seed, 77);
    assert_int_equal(l.run.job[0].noise.seed, 77);
    assert_string_equal(l.run.trace.path, "output/laptop-16-ddp-small-seed=77.h5");
    assert_true(l.run.trace.make_folder);
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml", NULL);
    assert_string_equal(l.run.trace.path, "output/laptop-16-ddp-small.h5");
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml", "trace.path=../a.h5");
    assert_string_equal(l.run.trace.path, "../a.h5");
    assert_false(l.run.trace.make_folder);
    done(&l);
}

static char *packet_text(const PacketSpec *packet) {
    TextBuffer out = {0};
    schema_write(&packet_schema, packet, NULL, 0, &out);
    return text_take(&out);
}

// A job that says nothing of packets is played as the engine would alone, to the bit; and each key reaches its member.
static void packets_are_as_a_job_says(void **state) {
    (void)state;
    static Loaded l;
    load_good(&l, "topologies/laptop-16.yaml", "jobs/traffic-ring.yaml", NULL);
    const PacketSpec standard = packet_default_spec();
    char *wanted = packet_text(&standard), *got = packet_text(&l.run.packet);
    assert_string_equal(got, wanted);
    text_free(got);
    text_free(wanted);
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "jobs/traffic-ring.yaml", "engine=packet");
    assert_int_equal(l.run.packet.mtu_bytes, standard.mtu_bytes);
    done(&l);
    load_good(&l, "topologies/laptop-16.yaml", "tests/config/traffic-packets.yaml",
              "fabric.routing=spray");
    assert_string_equal(l.run.engine->name, "packet");
    const PacketSpec all = {.mtu_bytes = 1000,
                            .ack_bytes = 84,
                            .acks_every = 1,
                            .forwarding = FORWARDING_STORE,
                            .candidates = 2,
                            .multipath = MULTIPATH_TURNS,
                            .paths = 16,
                            .buffer_bytes = 32000000,
                            .flow_control = FLOW_NONE,
                            .credit_bytes = 262144,
                            .pfc_share = 0.125,
                            .ecn_min_us = 32,
                            .ecn_max_us = 128,
                            .ecn_most = 0.25,
                            .drop_share = 0.3,
                            .trim = true,
                            .loss_share = 0.005,
                            .recovery = RECOVERY_GO_BACK,
                            .reorder_packets = 12,
                            .timeout_ps = 5000000000,
                            .control = CONTROL_DCQCN,
                            .gain = 0.5,
                            .alpha_ps = 55000000,
                            .cut_ps = 49000000,
                            .increase_ps = 56000000,
                            .cnp_ps = 51000000,
                            .cnp = CNP_WINDOWS,
                            .add_share = 0.0001,
                            .hyper_share = 0.001,
                            .least_share = 0.01,
                            .delay_ps = standard.delay_ps,
                            .window_share = standard.window_share,
                            .fast_steps = 5,
                            .counter_bytes = 2000000};
    wanted = packet_text(&all);
    got = packet_text(&l.run.packet);
    assert_string_equal(got, wanted);
    text_free(got);
    text_free(wanted);
    done(&l);
}

static void contradictions_name_both_places(void **state) {
    (void)state;
    refuses("topologies/laptop-16.yaml", "jobs/llama3.1-405b-8k.yaml", NULL,
            "but topologies/laptop-16.yaml:7:8 has 16 GPUs");
    refuses("topologies/laptop-16.yaml", "jobs/ddp-small.yaml", "parallel.tp=3",
            "scale-up domain (topologies/laptop-16.yaml:12:13)");
    refuses("topologies/colossus-200k.yaml", "jobs/ddp-small.yaml", "node.others.0.from=25000",
            "the last of 25000 nodes is 24999");
    refuses("topologies/colossus-200k.yaml", "jobs/ddp-small.yaml",
            "node.others=[{from: 4, gpu: a100-80g-sxm}, {from: 3, gpu: h200-sxm}]",
            "from is 3, behind an entry from 4");
    refuses("topologies/laptop-16.yaml", "jobs/ddp-small.yaml",
            "node={gpu: h100-sxm, gpus: 2, nic: connectx-7-ndr400, scale_up: nvlink4-8, others: "
            "[{from: 1, gpu: h200-sxm}]}",
            "node 1 is in the midst of a scale-up domain of 4 nodes");
    refuses("topologies/colossus-200k.yaml", "jobs/ddp-small.yaml",
            "parallel.batch_shares={kind: listed, of: [{gpu: a100, microbatches: 4}]}",
            "no GPUs of topologies/colossus-200k.yaml:13:8 are a100");
    refuses("topologies/colossus-200k.yaml", "jobs/ddp-small.yaml",
            "parallel.batch_shares={kind: listed, of: [{gpu: h200-sxm, microbatches: 1000}]}",
            "smaller shares of the listed or a larger batch");
    refuses("topologies/colossus-200k.yaml", "jobs/ddp-small.yaml", "parallel.batch_shares=listed",
            "kind listed wants a list");
    refuses("topologies/laptop-16.yaml", "jobs/ddp-small.yaml", "parallel.global_batch=100",
            "jobs/ddp-small.yaml:");
}

static void roles_of_files_are_checked(void **state) {
    (void)state;
    refuses("jobs/ddp-small.yaml", "topologies/laptop-16.yaml", NULL, "a job is wanted here");
    refuses("topologies/laptop-16.yaml", "topologies/hardware/h100-sxm.yaml", NULL,
            "a job is wanted here");
    refuses("topologies/nowhere.yaml", "jobs/nowhere.yaml", NULL,
            "jobs/nowhere.yaml: error: cannot be read");
}

/// What the ring job and the shift job, behind it, have beside what is in their files.
typedef struct Additions {
    const char *ring, *shift;
} Additions;

static Status read_with_more(void *context, const char *path, char **bytes, int64_t *size) {
    const Additions *additions = context;
    TRY(text_read_file(NULL, path, bytes, size));
    const char *more = strstr(path, "shift")  ? additions->shift
                       : strstr(path, "ring") ? additions->ring
                                              : "";
    *bytes =
        memory_resize("config.text", *bytes, (size_t)*size + 1, (size_t)*size + strlen(more) + 1);
    memcpy(*bytes + *size, more, strlen(more) + 1);
    *size += (int64_t)strlen(more);
    return status_ok();
}

// Jobs of a run share engine and seed; a second one that writes another is refused.
static void jobs_of_a_run_agree(void **state) {
    (void)state;
    static const char *const JOBS[] = {"jobs/traffic-ring.yaml", "jobs/traffic-shift.yaml"};
    static const char *const HALF[] = {"traffic.ranks=8"};
    const RunRequest request = {"topologies/laptop-16.yaml", JOBS, 2, HALF, 1,
                                {text_read_file, NULL, ""}};
    static RunSpec run;
    char *errors = NULL;
    Status status = run_spec_load(&request, &run, &errors);
    assert_true(status_is_ok(&status));
    assert_int_equal(run.njobs, 2);
    assert_int_equal(run.job[1].placement.first_node, 1); // behind the first
    run_spec_fini(&run);
    static const struct {
        Additions additions;
        const char *phrase; ///< NULL: they agree
    } CASES[] = {
        {{"", "seed: 9\n"}, "another seed than jobs/traffic-ring.yaml:"},
        {{"", "engine: closed\n"}, "another engine than jobs/traffic-ring.yaml:"},
        {{"", "engine: {control_delay: 1 us}\n"}, "another engine than jobs/traffic-ring.yaml:"},
        {{"engine: packet\n", "engine: packet\npacket: {dcqcn: {fast_steps: 2}}\n"},
         "another packet than jobs/traffic-ring.yaml:"},
        {{"engine: packet\npacket: {mtu: 1 KiB}\n", "engine: packet\npacket: {mtu: 1 KiB}\n"},
         NULL},
        {{"engine: packet\npacket: {mtu: 1 KiB}\n", "engine: packet\n"}, NULL},
        {{"engine: packet\n", ""}, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        Additions additions = CASES[i].additions;
        const RunRequest other = {"topologies/laptop-16.yaml",     JOBS, 2, HALF, 1,
                                  {read_with_more, &additions, ""}};
        status = run_spec_load(&other, &run, &errors);
        assert_int_equal(status.code, CASES[i].phrase ? STATUS_RANGE : STATUS_OK);
        if (!CASES[i].phrase) {
            run_spec_fini(&run);
            continue;
        }
        assert_non_null(strstr(errors, "jobs/traffic-shift.yaml:"));
        assert_non_null(strstr(errors, CASES[i].phrase));
        text_free(errors);
    }
}

// A step has the sequences it was asked for, dealt over replicas and microbatches of any size; and a job that says nothing of
// noise has none.
static void what_a_job_asks_for_is_what_it_gets(void **state) {
    (void)state;
    static const char *const SIZES[] = {"parallel={tp: 2, dp: 4, microbatch: 2, global_batch: 64}",
                                        "parallel={tp: 1, dp: 2, microbatch: 4, global_batch: 64}",
                                        "parallel={tp: 4, microbatch: 1, global_batch: 64}"};
    static Loaded l;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        load_good(&l, "topologies/laptop-16.yaml", "jobs/ddp-small.yaml", SIZES[i]);
        const JobSpec *job = &l.run.job[0];
        const ParallelSpec *p = &job->parallel;
        assert_int_equal(p->size[DIM_DP] * p->microbatch * p->microbatches, 64);
        assert_true(noise_is_off(&job->noise));
        done(&l);
    }
}

int main(void) {
    if (chdir(COLOSSIM_SOURCE_DIR) != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_plans_have_the_published_sizes),
        cmocka_unit_test(fabrics_have_the_published_counts),
        cmocka_unit_test(traffic_jobs_load_on_the_laptop),
        cmocka_unit_test(groups_of_experts_fill_the_machine),
        cmocka_unit_test(resolved_files_read_back),
        cmocka_unit_test(settings_change_the_run),
        cmocka_unit_test(packets_are_as_a_job_says),
        cmocka_unit_test(contradictions_name_both_places),
        cmocka_unit_test(roles_of_files_are_checked),
        cmocka_unit_test(jobs_of_a_run_agree),
        cmocka_unit_test(what_a_job_asks_for_is_what_it_gets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
