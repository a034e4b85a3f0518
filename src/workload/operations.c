#include "workload/operations.h"

#include <stdio.h>
#include <string.h>

#include "base/fingerprint.h"

void operations_free(Operations *operations) {
    array_free(&operations->op);
    array_free(&operations->wait);
    array_free(&operations->group);
    array_free(&operations->group_rank);
    table_free(&operations->group_of_text);
    array_free(&operations->rank_first);
    array_free(&operations->joint);
    array_free(&operations->member);
    array_free(&operations->waiter_first);
    array_free(&operations->waiter);
    array_free(&operations->order);
}

void operations_add(Operations *operations, Operation operation) {
    operation.first_wait = (int32_t)operations->wait.n;
    operation.nwaits = 0;
    operation.joint = -1;
    array_push(&operations->op, operation);
}

void operations_add_wait(Operations *operations, OperationWait wait) {
    array_push(&operations->wait, wait);
    operations->op.at[operations->op.n - 1].nwaits++;
}

int32_t operations_group(Operations *operations, const char *text, int64_t length, bool *found) {
    const int64_t hash = (int64_t)(fingerprint_bytes(text, (size_t)length) >> 1);
    for (int64_t key = hash;; key++) { // another text may have the same hash
        const int64_t *at = table_find(&operations->group_of_text, key);
        *found = at != NULL;
        if (!at) {
            table_insert(&operations->group_of_text, key, operations->group.n);
            array_push(&operations->group,
                       (OperationGroup){
                           .text = text, .length = length, .first = operations->group_rank.n});
            return (int32_t)operations->group.n - 1;
        }
        const OperationGroup *group = &operations->group.at[*at];
        if (group->length == length && memcmp(group->text, text, (size_t)length) == 0)
            return (int32_t)*at;
    }
}

int64_t operations_group_size(const Operations *operations, int32_t group) {
    const int64_t n = operations->group.at[group].n;
    return n > 0 ? n : operations->nranks;
}

int64_t operations_group_rank(const Operations *operations, int32_t group, int64_t member) {
    const OperationGroup *ranks = &operations->group.at[group];
    return ranks->n > 0 ? operations->group_rank.at[ranks->first + member] : member;
}

const char *operations_name(const Operations *operations, int64_t op, char *text, size_t capacity) {
    static const char *const NAMES[] = {[OPERATION_COMPUTE] = "compute",
                                        [OPERATION_SEND] = "send",
                                        [OPERATION_RECEIVE] = "receive"};
    const Operation *of = &operations->op.at[op];
    const char *name =
        of->what == OPERATION_COLLECTIVE ? COLLECTIVE_NAMES[of->kind] : NAMES[of->what];
    int n = snprintf(text, capacity, "%s %lld of rank %d", name,
                     (long long)operations_id(operations, op), (int)of->rank);
    if (of->line > 0 && n > 0 && (size_t)n < capacity)
        snprintf(text + n, capacity - (size_t)n, " (line %d)", (int)of->line);
    return text;
}
