// What follows from a table that is complete.
#include <string.h>

#include "workload/operations_parts.h"

/// Make counts of n things the places where each begins, in an array that is one longer.
static void places_of_counts(int32_t count[], int64_t n) {
    int32_t sum = 0;
    for (int64_t i = 0; i <= n; i++) {
        const int32_t here = i < n ? count[i] : 0;
        count[i] = sum;
        sum += here;
    }
}

/// By rank; those of a rank stay in order.
static void sort_by_rank(Operations *operations) {
    const int64_t n = operations->op.n;
    array_resize(&operations->rank_first, operations->nranks + 1);
    int32_t *first = operations->rank_first.at;
    memset(first, 0, (size_t)(operations->nranks + 1) * sizeof *first);
    for (int64_t i = 0; i < n; i++) first[operations->op.at[i].rank]++;
    places_of_counts(first, operations->nranks);
    ARRAY_OF(int32_t) next = {0};
    ARRAY_OF(Operation) sorted = {0};
    array_resize(&next, operations->nranks);
    array_resize(&sorted, n);
    if (n > 0) memcpy(next.at, first, (size_t)operations->nranks * sizeof *first);
    for (int64_t i = 0; i < n; i++) {
        const Operation *op = &operations->op.at[i];
        sorted.at[next.at[op->rank]++] = *op;
    }
    if (n > 0) memcpy(operations->op.at, sorted.at, (size_t)n * sizeof(Operation));
    array_free(&next);
    array_free(&sorted);
}

/// Numbers on a rank become numbers among all.
static void find_waits(Operations *operations, Csv *csv) {
    for (int64_t i = 0; i < operations->op.n; i++) {
        const Operation *op = &operations->op.at[i];
        const int32_t first = operations->rank_first.at[op->rank],
                      end = operations->rank_first.at[op->rank + 1];
        for (int32_t w = 0; w < op->nwaits; w++) {
            OperationWait *wait = &operations->wait.at[op->first_wait + w];
            csv->line = op->line;
            if (wait->on >= end - first)
                csv_error(csv, 1, "after %d, but rank %d has %d operations", (int)wait->on,
                          (int)op->rank, (int)(end - first));
            else if (first + wait->on == i)
                csv_error(csv, 1, "operation %d of rank %d waits for itself", (int)wait->on,
                          (int)op->rank);
            wait->on += first;
        }
    }
}

static void list_waiters(Operations *operations) {
    const int64_t n = operations->op.n;
    array_resize(&operations->waiter_first, n + 1);
    array_resize(&operations->waiter, operations->wait.n);
    int32_t *first = operations->waiter_first.at;
    memset(first, 0, (size_t)(n + 1) * sizeof *first);
    for (int64_t w = 0; w < operations->wait.n; w++) first[operations->wait.at[w].on]++;
    places_of_counts(first, n);
    ARRAY_OF(int32_t) next = {0};
    array_resize(&next, n + 1);
    memcpy(next.at, first, (size_t)(n + 1) * sizeof *first);
    for (int64_t i = 0; i < n; i++) {
        const Operation *op = &operations->op.at[i];
        for (int32_t w = 0; w < op->nwaits; w++) {
            const OperationWait wait = operations->wait.at[op->first_wait + w];
            operations->waiter.at[next.at[wait.on]++] = (OperationWait){(int32_t)i, wait.begin};
        }
    }
    array_free(&next);
}

/// Numbers on a rank become numbers among all.
static void number_resources(Operations *operations) {
    Table known = {0};
    int32_t rank = -1;
    for (int64_t i = 0; i < operations->op.n; i++) {
        Operation *op = &operations->op.at[i];
        if (op->resource < 0) continue;
        if (op->rank != rank) table_clear(&known);
        rank = op->rank;
        const int64_t *at = table_find(&known, op->resource);
        const int32_t number = at ? (int32_t)*at : operations->nresources++;
        if (!at) table_insert(&known, op->resource, number);
        op->resource = number;
    }
    table_free(&known);
}

void operations_finish(Operations *operations, int64_t eager_bytes, Csv *csv) {
    sort_by_rank(operations);
    find_waits(operations, csv);
    if (csv->nerrors == 0) operations_match(operations, eager_bytes, csv);
    if (csv->nerrors > 0) return;
    list_waiters(operations);
    number_resources(operations);
    operations_put_in_order(operations, csv);
}
