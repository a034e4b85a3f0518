#include "observe/account.h"

#include <stdlib.h>

#include "base/array.h"

/// Something of a state begins (+1) or ends (-1).
typedef struct Turn {
    int64_t at_ps;
    int8_t state, by;
} Turn;
typedef ARRAY_OF(Turn) Turns;

static int by_time(const void *a, const void *b) {
    const int64_t x = ((const Turn *)a)->at_ps, y = ((const Turn *)b)->at_ps;
    return (x > y) - (x < y);
}

static void add(Turns *turns, RankState state, int64_t begin_ps, int64_t end_ps) {
    if (end_ps <= begin_ps) return;
    array_push(turns, (Turn){begin_ps, (int8_t)state, 1});
    array_push(turns, (Turn){end_ps, (int8_t)state, -1});
}

static void add_operation(const TrafficRun *traffic, int64_t number, Turns *turns) {
    const Operation *op = &traffic_operations(traffic)->op.at[number];
    const OperationSpan span = traffic_operation_span(traffic, number);
    if (op->joint < 0) {
        add(turns, RANK_COMPUTES, span.begin_ps, span.end_ps);
        return;
    }
    const int64_t moves_ps = traffic->ops->move(traffic, op->joint).begin_ps,
                  met_ps = moves_ps > span.begin_ps ? moves_ps : span.begin_ps;
    add(turns, RANK_WAITS, span.begin_ps, met_ps);
    add(turns, RANK_COMMUNICATES, met_ps, span.end_ps);
}

RankAccount account_rank(const TrafficRun *traffic, int64_t rank) {
    const int32_t *first = &traffic_operations(traffic)->rank_first.at[rank];
    Turns turns = {0};
    for (int64_t i = first[0]; i < first[1]; i++) add_operation(traffic, i, &turns);
    if (turns.n > 0) qsort(turns.at, (size_t)turns.n, sizeof(Turn), by_time);
    RankAccount account = {0};
    int32_t under_way[RANK_STATE_N] = {[RANK_IDLE] = 1};
    int64_t now_ps = 0;
    for (int64_t i = 0; i <= turns.n; i++) {
        const int64_t end_ps =
            i < turns.n ? turns.at[i].at_ps : traffic->now.end_ps - traffic->now.begin_ps;
        int state = 0;
        while (under_way[state] == 0) state++;
        account.ps[state] += end_ps - now_ps;
        now_ps = end_ps;
        if (i < turns.n) under_way[turns.at[i].state] += turns.at[i].by;
    }
    array_free(&turns);
    return account;
}
