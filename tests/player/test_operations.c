// Laws of operations that wait for each other: when each begins and ends, whatever the engine; and what is refused.
#include "player/small_run.h"

#include "claims.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "drawn_operations.h"
#include "observe/account.h"
#include "player/traffic_graph.h"
#include "workload/operations_csv.h"

enum { NODES = 4, RANKS = 16, CASES = 40, NODE_GPUS = 4, MOST = RANKS * 64, STEPS = 2 };

typedef struct Seen {
    const TrafficRun *traffic;
    OperationSpan span[MOST], before[MOST];
    TrafficMove move[MOST];
    int32_t steps;
} Seen;

/// A FabricListener.
static Status keep(void *context, int32_t job, int32_t step, int64_t later_ps) {
    Seen *seen = context;
    (void)job, (void)step, (void)later_ps;
    const Operations *operations = traffic_operations(seen->traffic);
    assert_true(operations->op.n <= MOST);
    memcpy(seen->before, seen->span, sizeof seen->span);
    for (int64_t i = 0; i < operations->op.n; i++)
        seen->span[i] = traffic_operation_span(seen->traffic, i);
    for (int64_t j = 0; j < operations->joint.n; j++)
        seen->move[j] = seen->traffic->ops->move(seen->traffic, j);
    seen->steps++;
    return status_ok();
}

/// Play a table, and look at each step with `judge`; returns how it ended.
static Status play(char *text, EngineKind engine, int64_t eager_bytes, Seen *seen,
                   void (*judge)(const Operations *operations, const Seen *seen)) {
    RunSpec run;
    small_run_init(&run, NODES, 1, 1, SCHEDULE_NONE, 1, 1);
    run.engine = engine_of(engine);
    run.repeat = false;
    run.source[0] = (SourceText){.path = "operations.csv", .text = text};
    run.nsources = 1;
    run.job[0].kind = JOB_TRAFFIC;
    run.job[0].steps = STEPS;
    run.job[0].traffic = (TrafficSpec){.pattern = TRAFFIC_OPERATIONS,
                                       .ranks = RANKS,
                                       .queue_pairs = 1,
                                       .latency_ps = 2 * PS_PER_US,
                                       .eager_bytes = eager_bytes,
                                       .file = "operations.csv"};
    Comm *self = comm_create_self();
    Cluster *cluster = NULL;
    Status status = cluster_create(&run.cluster, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    Fabric fabric = fabric_make(&run, cluster, self);
    TrafficRun *traffic = NULL;
    *seen = (Seen){0};
    status = traffic_open(&fabric, 0, &traffic);
    if (status_is_ok(&status)) {
        seen->traffic = traffic;
        fabric.listener = (FabricListener){.context = seen, .step = keep};
        fabric_open(&fabric);
        Job job = traffic_job(traffic);
        status = moments_play(&(Job *){&job}, 1);
        if (status_is_ok(&status)) judge(traffic_operations(traffic), seen);
    }
    traffic_close(traffic);
    fabric_close(&fabric);
    cluster_destroy(cluster);
    comm_destroy(self);
    small_run_fini(&run);
    return status;
}

/// When all that it waits for was there.
static int64_t ready_ps(const Operations *operations, const Seen *seen, int64_t i) {
    const Operation *op = &operations->op.at[i];
    int64_t ready_ps = 0;
    for (int32_t w = 0; w < op->nwaits; w++) {
        const OperationWait wait = operations->wait.at[op->first_wait + w];
        const OperationSpan on = seen->span[wait.on];
        const int64_t at_ps = wait.begin ? on.begin_ps : on.end_ps;
        if (at_ps > ready_ps) ready_ps = at_ps;
    }
    return ready_ps;
}

/// Did its resource become free at that moment, and was it never in use twice?
static void assert_resource(const Operations *operations, const Seen *seen, int64_t i,
                            int64_t ready) {
    const OperationSpan mine = seen->span[i];
    bool freed = mine.begin_ps == ready;
    for (int64_t k = 0; k < operations->op.n; k++) {
        if (k == i || operations->op.at[k].resource != operations->op.at[i].resource) continue;
        const OperationSpan other = seen->span[k];
        freed = freed || other.end_ps == mine.begin_ps;
        assert_true(other.end_ps <= mine.begin_ps || other.begin_ps >= mine.end_ps);
        // Who could begin first begins first.
        if (ready_ps(operations, seen, k) < ready) assert_true(other.begin_ps <= mine.begin_ps);
    }
    assert_true(freed);
}

static int64_t ncontended, nwaited;

// Law: an operation begins when what it waits for is there and its resource is free; a computation takes what is written;
// a joint begins with the last of its members, and ends for all of them at once; a buffered send ends as it begins. Alone
// it takes what it takes alone, else no less.
static void assert_times(const Operations *operations, const Seen *seen) {
    assert_int_equal(seen->steps, STEPS);
    for (int64_t i = 0; i < operations->op.n; i++) {
        const Operation *op = &operations->op.at[i];
        const OperationSpan span = seen->span[i];
        const int64_t ready = ready_ps(operations, seen, i);
        if (op->resource >= 0)
            assert_resource(operations, seen, i, ready);
        else
            assert_int_equal(span.begin_ps, ready);
        ncontended += span.begin_ps > ready;
        if (op->joint < 0) {
            assert_int_equal(span.end_ps - span.begin_ps, op->amount);
            continue;
        }
        const bool eager = operations->joint.at[op->joint].eager,
                   sends = op->what == OPERATION_SEND;
        const TrafficMove move = seen->move[op->joint];
        nwaited += move.begin_ps > span.begin_ps;
        if (!eager || sends) assert_true(move.begin_ps >= span.begin_ps);
        const int64_t arrives = move.end_ps > span.begin_ps ? move.end_ps : span.begin_ps;
        assert_int_equal(span.end_ps, eager && sends ? span.begin_ps : arrives);
    }
    for (int64_t j = 0; j < operations->joint.n; j++) {
        const Joint *joint = &operations->joint.at[j];
        int64_t last_ps = 0;
        for (int32_t m = 0; m < (joint->eager ? 1 : joint->n); m++) {
            const int64_t at_ps = seen->span[operations->member.at[joint->first + m]].begin_ps;
            if (at_ps > last_ps) last_ps = at_ps;
        }
        assert_int_equal(seen->move[j].begin_ps, last_ps);
        assert_true(seen->move[j].end_ps - last_ps >= seen->move[j].alone_ps);
    }
}

/// Then steps do not feel each other either.
static void assert_times_alone(const Operations *operations, const Seen *seen) {
    assert_times(operations, seen);
    for (int64_t i = 0; i < operations->op.n; i++) {
        assert_int_equal(seen->span[i].begin_ps, seen->before[i].begin_ps);
        assert_int_equal(seen->span[i].end_ps, seen->before[i].end_ps);
    }
    for (int64_t j = 0; j < operations->joint.n; j++)
        assert_int_equal(seen->move[j].end_ps - seen->move[j].begin_ps, seen->move[j].alone_ps);
}

/// Does a rank compute at a moment, or else communicate, or else wait?
static RankState state_at(const Operations *operations, const Seen *seen, int64_t rank,
                          int64_t at_ps) {
    RankState state = RANK_IDLE;
    for (int64_t i = operations->rank_first.at[rank]; i < operations->rank_first.at[rank + 1];
         i++) {
        const OperationSpan span = seen->span[i];
        const int32_t joint = operations->op.at[i].joint;
        if (at_ps < span.begin_ps || at_ps >= span.end_ps) continue;
        const RankState mine = joint < 0                             ? RANK_COMPUTES
                               : at_ps >= seen->move[joint].begin_ps ? RANK_COMMUNICATES
                                                                     : RANK_WAITS;
        if (mine < state) state = mine;
    }
    return state;
}

// Law: the account of a rank adds up to the step, and is what one sees who looks at moments, here at one in each 20 us.
static void assert_account(const Operations *operations, const Seen *seen) {
    const int64_t step_ps = seen->traffic->now.end_ps - seen->traffic->now.begin_ps;
    enum { LOOKS = 2000 };
    for (int64_t rank = 0; rank < RANKS; rank++) {
        const RankAccount account = account_rank(seen->traffic, rank);
        int64_t sum_ps = 0, seen_ps[RANK_STATE_N] = {0};
        for (int k = 0; k < LOOKS; k++)
            seen_ps[state_at(operations, seen, rank, step_ps / LOOKS * k + step_ps / LOOKS / 2)] +=
                step_ps / LOOKS;
        for (int state = 0; state < RANK_STATE_N; state++) {
            sum_ps += account.ps[state];
            assert_true(account.ps[state] >= 0);
            assert_close((double)account.ps[state], (double)seen_ps[state], 0.02 * (double)step_ps);
        }
        assert_int_equal(sum_ps, step_ps);
    }
}

static void accounts_add_up(void **state) {
    (void)state;
    static char text[DRAWN_BYTES];
    static Seen seen;
    for (uint64_t seed = 0; seed < 4; seed++) {
        drawn_operations(seed, RANKS, seed % 2 == 1, false, text);
        Status status = play(text, ENGINE_FLOW, seed < 2 ? 0 : 100000, &seen, assert_account);
        if (!status_is_ok(&status)) fail_msg("seed %d: %s", (int)seed, status.text);
    }
}

static void operations_begin_when_they_can(void **state) {
    (void)state;
    static char text[DRAWN_BYTES];
    static Seen seen;
    ncontended = nwaited = 0;
    for (uint64_t seed = 0; seed < CASES; seed++) {
        drawn_operations(seed, RANKS, seed % 2 == 1, false, text);
        const int64_t eager = seed % 3 == 0 ? -1 : seed % 3 == 1 ? 0 : 100000;
        const bool alone = seed % 4 < 2;
        Status status = play(text, alone ? ENGINE_CLOSED : ENGINE_FLOW, eager, &seen,
                             alone ? assert_times_alone : assert_times);
        if (!status_is_ok(&status)) fail_msg("seed %d: %s", (int)seed, status.text);
    }
    assert_true(ncontended > 50 && nwaited > 500);
}

static void parse(const char *text, Operations *operations) {
    Status status = operations_csv_parse("t.csv", text, RANKS, 0, operations);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
}

// Law: in which order ranks stand in the table decides nothing.
static void order_of_ranks_decides_nothing(void **state) {
    (void)state;
    static char text[DRAWN_BYTES], mixed[DRAWN_BYTES];
    for (uint64_t seed = 0; seed < 20; seed++) {
        Operations a = {0}, b = {0};
        drawn_operations(seed, RANKS, true, false, text);
        drawn_operations(seed, RANKS, true, true, mixed);
        assert_true(strcmp(text, mixed) != 0 && strlen(text) == strlen(mixed));
        parse(text, &a);
        parse(mixed, &b);
        assert_int_equal(a.joint.n, b.joint.n);
        assert_int_equal(a.op.n, a.order.n);
        for (int64_t i = 0; i < a.op.n; i++) {
            assert_int_equal(a.op.at[i].joint, b.op.at[i].joint);
            assert_int_equal(a.op.at[i].resource, b.op.at[i].resource);
            assert_int_equal(a.op.at[i].amount, b.op.at[i].amount);
        }
        for (int64_t m = 0; m < a.member.n; m++)
            assert_int_equal(operations_id(&a, a.member.at[a.joint.at[0].first]),
                             operations_id(&b, b.member.at[b.joint.at[0].first]));
        operations_free(&a);
        operations_free(&b);
    }
}

// Law: whatever of a message or collective is changed at one of its ends, and any wait for what comes later, is found.
static void what_does_not_fit_is_found(void **state) {
    (void)state;
    static char text[DRAWN_BYTES], broken[DRAWN_BYTES + 8];
    int64_t tried = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        drawn_operations(seed, RANKS, false, false, text);
        for (char *at = text; (at = strstr(at, " B,")) != NULL; at++) {
            const size_t before = (size_t)(at - text); // another size: a digit more
            snprintf(broken, sizeof broken, "%.*s1%s", (int)before, text, at);
            Operations operations = {0};
            Status status = operations_csv_parse("t.csv", broken, RANKS, 0, &operations);
            assert_int_equal(status.code, STATUS_INPUT);
            assert_non_null(strstr(status.text, "t.csv:"));
            operations_free(&operations);
            tried++;
        }
    }
    assert_true(tried > 500);
}

#define HEADER "rank,id,what,with,tag,bytes,time,resource,after\n"

/// Of a table that is refused.
static void assert_refused(const char *rows, const char *why) {
    char text[1024];
    snprintf(text, sizeof text, HEADER "%s", rows);
    Operations operations = {0};
    Status status = operations_csv_parse("t.csv", text, RANKS, 0, &operations);
    assert_int_equal(status.code, STATUS_INPUT);
    if (!strstr(status.text, why)) fail_msg("'%s' does not say '%s'", status.text, why);
    operations_free(&operations);
}

// Law: tags tell messages apart, in whatever order they are listed; within a tag the order does. What meets is alike, and nobody
// waits for himself through others.
static void tags_and_kinds_decide_who_meets(void **state) {
    (void)state;
    Operations operations = {0};
    parse(HEADER
          "0,0,send,1,5,1 B,,,\n"
          "0,1,send,1,6,2 B,,,\n"
          "0,2,send,1,5,3 B,,,\n"
          "1,0,receive,0,6,2 B,,,\n"
          "1,1,receive,0,5,1 B,,,\n"
          "1,2,receive,0,5,3 B,,,\n",
          &operations);
    assert_int_equal(operations.joint.n, 3);
    for (int64_t i = 0; i < 3; i++) assert_int_equal(operations.joint.at[i].bytes, i + 1);
    operations_free(&operations);
    assert_refused("0,0,all_reduce,0-1,,8 B,,,\n1,0,all_gather,0-1,,8 B,,,\n",
                   "rank 1 has all_gather of 8 B where rank 0 has all_reduce of 8 B (line 2)");
    assert_refused(
        "0,0,compute,,,,1 us,,1\n0,1,compute,,,,1 us,,0\n",
        "t.csv:2:1: operations wait for each other: compute 0 of rank 0 (line 2) waits for "
        "compute 1 of rank 0 (line 3) waits for the first");
    assert_refused(
        "2,0,all_reduce,0-1,,8 B,,,\n0,0,all_reduce,0-1,,8 B,,,\n"
        "1,0,all_reduce,0-1,,8 B,,,\n",
        "rank 2 takes part in a collective of group '0-1', of which it is none");
}

static void nobody(const Operations *operations, const Seen *seen) {
    (void)operations, (void)seen;
    fail_msg("it cannot end");
}

// Law: resources that lock each other out end the run, which says whose they are.
static void locked_resources_are_named(void **state) {
    (void)state;
    static Seen seen;
    static char text[] =
        "rank,id,what,with,tag,bytes,time,resource,after\n"
        "0,0,receive,1,0,1 MB,,0,\n"
        "0,1,send,1,0,1 MB,,0,\n"
        "1,0,receive,0,0,1 MB,,0,\n"
        "1,1,send,0,0,1 MB,,0,\n";
    Status status = play(text, ENGINE_FLOW, 0, &seen, nobody);
    assert_int_equal(status.code, STATUS_STUCK);
    assert_non_null(strstr(status.text, "4 operations cannot end, the first receive 0 of rank 0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_begin_when_they_can),
        cmocka_unit_test(accounts_add_up),
        cmocka_unit_test(order_of_ranks_decides_nothing),
        cmocka_unit_test(what_does_not_fit_is_found),
        cmocka_unit_test(tags_and_kinds_decide_who_meets),
        cmocka_unit_test(locked_resources_are_named),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
