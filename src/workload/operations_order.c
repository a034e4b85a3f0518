// One order in which operations can begin, or the circle in which they wait for each other.
#include <stdio.h>
#include <string.h>

#include "workload/operations_parts.h"

/// What has happened so far.
typedef struct Ordering {
    Operations *operations;
    ARRAY_OF(int32_t) left;   ///< waits of each operation
    ARRAY_OF(int32_t) absent; ///< of each joint: operations that have not begun
    ARRAY_OF(int8_t) begun, ended;
} Ordering;

static void release(Ordering *ordering, int32_t op, bool begin) {
    Operations *operations = ordering->operations;
    const int32_t *first = &operations->waiter_first.at[op];
    for (int32_t w = first[0]; w < first[1]; w++) {
        const OperationWait *waiter = &operations->waiter.at[w];
        if (waiter->begin != begin) continue;
        if (--ordering->left.at[waiter->on] == 0) array_push(&operations->order, waiter->on);
    }
}

static void end(Ordering *ordering, int32_t op) {
    if (ordering->ended.at[op]) return;
    ordering->ended.at[op] = true;
    release(ordering, op, false);
}

static void begin(Ordering *ordering, int32_t number) {
    const Operations *operations = ordering->operations;
    const Operation *op = &operations->op.at[number];
    ordering->begun.at[number] = true;
    release(ordering, number, true);
    if (op->joint < 0) {
        end(ordering, number);
        return;
    }
    const Joint *joint = &operations->joint.at[op->joint];
    if (joint->eager && op->what == OPERATION_SEND) end(ordering, number);
    if (--ordering->absent.at[op->joint] > 0) return;
    for (int32_t i = 0; i < joint->n; i++) end(ordering, operations->member.at[joint->first + i]);
}

/// Who an operation that has not ended waits for: one of which the same is true.
static int32_t waits_for(const Ordering *ordering, int32_t number) {
    const Operations *operations = ordering->operations;
    const Operation *op = &operations->op.at[number];
    if (!ordering->begun.at[number]) {
        for (int32_t w = 0; w < op->nwaits; w++) {
            const OperationWait *wait = &operations->wait.at[op->first_wait + w];
            if (wait->begin ? !ordering->begun.at[wait->on] : !ordering->ended.at[wait->on])
                return wait->on;
        }
    }
    const Joint *joint = &operations->joint.at[op->joint];
    int32_t i = 0;
    while (ordering->begun.at[operations->member.at[joint->first + i]]) i++;
    return operations->member.at[joint->first + i];
}

enum { CIRCLE_SHOWN = 5, NAME_BYTES = 64 };

/// Walk from who waits to who he waits for; behind as many steps as there are operations that is in a circle.
static void report_circle(const Ordering *ordering, int32_t blocked, Csv *csv) {
    const Operations *operations = ordering->operations;
    int32_t at = blocked;
    for (int64_t i = 0; i < operations->op.n; i++) at = waits_for(ordering, at);
    const int32_t start = at;
    int32_t first = at; // of the circle, by rank
    do {
        at = waits_for(ordering, at);
        if (at < first) first = at;
    } while (at != start);
    char text[CIRCLE_SHOWN * (NAME_BYTES + 16)] = "", name[NAME_BYTES];
    size_t n = 0;
    at = first;
    for (int k = 0; k < CIRCLE_SHOWN && (k == 0 || at != first); k++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", k > 0 ? " waits for " : "",
                              operations_name(operations, at, name, sizeof name));
        at = waits_for(ordering, at);
    }
    csv->line = operations->op.at[first].line;
    csv_error(csv, 1, "operations wait for each other: %s waits for %s", text,
              at == first ? "the first" : "others");
}

void operations_put_in_order(Operations *operations, Csv *csv) {
    Ordering ordering = {.operations = operations};
    const int64_t n = operations->op.n;
    array_resize(&ordering.left, n);
    array_resize(&ordering.begun, n);
    array_resize(&ordering.ended, n);
    array_resize(&ordering.absent, operations->joint.n);
    array_reserve(&operations->order, n);
    for (int64_t j = 0; j < operations->joint.n; j++)
        ordering.absent.at[j] = operations->joint.at[j].n;
    for (int64_t i = 0; i < n; i++) {
        ordering.left.at[i] = operations->op.at[i].nwaits;
        ordering.begun.at[i] = ordering.ended.at[i] = false;
        if (ordering.left.at[i] == 0) array_push(&operations->order, (int32_t)i);
    }
    for (int64_t i = 0; i < operations->order.n; i++) begin(&ordering, operations->order.at[i]);
    for (int32_t i = 0; i < n && csv->nerrors == 0; i++)
        if (!ordering.begun.at[i] || !ordering.ended.at[i]) report_circle(&ordering, i, csv);
    array_free(&ordering.left);
    array_free(&ordering.begun);
    array_free(&ordering.ended);
    array_free(&ordering.absent);
}
