// Who meets whom: by the order in which ranks list what they do.
#include <stdlib.h>

#include "workload/operations_parts.h"

/// What has to be equal for two operations to meet, and then their order.
typedef struct MatchKey {
    int64_t at, of; ///< of a message where from and where to, of a collective its group and rank
    int64_t tag;
    int32_t op;
} MatchKey;
typedef ARRAY_OF(MatchKey) MatchKeys;

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_channel(const void *a, const void *b) {
    const MatchKey *x = a, *y = b;
    int order = compare(x->at, y->at);
    if (order == 0) order = compare(x->of, y->of);
    if (order == 0) order = compare(x->tag, y->tag);
    return order ? order : compare(x->op, y->op);
}

static bool of_one_channel(const MatchKey *a, const MatchKey *b) {
    return a->at == b->at && a->of == b->of && a->tag == b->tag;
}

/// Groups and tags, of one its members by rank.
static int by_group(const void *a, const void *b) {
    const MatchKey *x = a, *y = b;
    int order = compare(x->at, y->at);
    if (order == 0) order = compare(x->tag, y->tag);
    return order ? order : compare(x->op, y->op);
}

static MatchKeys list_of(const Operations *operations, OperationWhat what,
                         int (*order)(const void *, const void *)) {
    MatchKeys keys = {0};
    for (int64_t i = 0; i < operations->op.n; i++) {
        const Operation *op = &operations->op.at[i];
        if (op->what != (int8_t)what) continue;
        const bool receives = what == OPERATION_RECEIVE;
        array_push(&keys,
                   (MatchKey){.at = receives || what == OPERATION_COLLECTIVE ? op->with : op->rank,
                              .of = receives || what == OPERATION_COLLECTIVE ? op->rank : op->with,
                              .tag = op->tag,
                              .op = (int32_t)i});
    }
    if (keys.n > 0) qsort(keys.at, (size_t)keys.n, sizeof(MatchKey), order);
    return keys;
}

// Messages

static void report_alone(const Operations *operations, int32_t number, Csv *csv) {
    const Operation *op = &operations->op.at[number];
    const bool sends = op->what == OPERATION_SEND;
    csv->line = op->line;
    csv_error(csv, 1,
              "rank %d %s rank %d with tag %lld, but there is no such %s that is left for it",
              (int)op->rank, sends ? "sends to" : "receives from", (int)op->with,
              (long long)op->tag, sends ? "receive" : "send");
}

static void add_joint(Operations *operations, Joint joint) {
    for (int32_t i = 0; i < joint.n; i++)
        operations->op.at[operations->member.at[joint.first + i]].joint =
            (int32_t)operations->joint.n;
    array_push(&operations->joint, joint);
}

static void join_message(Operations *operations, int32_t send, int32_t receive, int64_t eager_bytes,
                         Csv *csv) {
    const Operation *from = &operations->op.at[send], *to = &operations->op.at[receive];
    if (from->amount != to->amount) {
        csv->line = to->line;
        csv_error(csv, 1, "rank %d receives %lld B of rank %d, which sends %lld B on line %d",
                  (int)to->rank, (long long)to->amount, (int)from->rank, (long long)from->amount,
                  (int)from->line);
    }
    Joint joint = {.bytes = from->amount,
                   .first = (int32_t)operations->member.n,
                   .n = 2,
                   .group = -1,
                   .eager = eager_bytes < 0 || from->amount <= eager_bytes};
    array_push(&operations->member, send);
    array_push(&operations->member, receive);
    add_joint(operations, joint);
}

static void match_messages(Operations *operations, int64_t eager_bytes, Csv *csv) {
    MatchKeys sends = list_of(operations, OPERATION_SEND, by_channel),
              receives = list_of(operations, OPERATION_RECEIVE, by_channel);
    int64_t s = 0, r = 0;
    while (s < sends.n || r < receives.n) {
        const MatchKey *send = s < sends.n ? &sends.at[s] : NULL,
                       *receive = r < receives.n ? &receives.at[r] : NULL;
        if (send && receive && of_one_channel(send, receive)) {
            join_message(operations, send->op, receive->op, eager_bytes, csv);
            s++, r++;
        } else if (!receive || (send && by_channel(send, receive) < 0)) {
            report_alone(operations, send->op, csv);
            s++;
        } else {
            report_alone(operations, receive->op, csv);
            r++;
        }
    }
    array_free(&sends);
    array_free(&receives);
}

// Collectives

static void report_absent(const Operations *operations, const MatchKey *key, int64_t rank,
                          int64_t mine, int64_t others, Csv *csv) {
    const OperationGroup *group = &operations->group.at[key->at];
    const CsvCell shown = {group->text, group->length, 1};
    csv->line = operations->op.at[key->op].line;
    csv_error(
        csv, 1,
        "rank %lld takes part in %lld collectives of group '%.*s' with tag %lld, but rank %lld "
        "in %lld",
        (long long)operations->op.at[key->op].rank, (long long)mine, csv_shown(&shown), group->text,
        (long long)key->tag, (long long)rank, (long long)others);
}

static bool same_collective(const Operations *operations, int32_t a, int32_t b, Csv *csv) {
    const Operation *x = &operations->op.at[a], *y = &operations->op.at[b];
    if (x->kind == y->kind && x->amount == y->amount) return true;
    csv->line = y->line;
    csv_error(csv, 1, "rank %d has %s of %lld B where rank %d has %s of %lld B (line %d)",
              (int)y->rank, COLLECTIVE_NAMES[y->kind], (long long)y->amount, (int)x->rank,
              COLLECTIVE_NAMES[x->kind], (long long)x->amount, (int)x->line);
    return false;
}

/// Where in the list of a group and tag each rank begins; the list is by rank.
typedef struct Rounds {
    const MatchKey *key;
    int64_t n, each; ///< operations; of each member
    Table first;     ///< by rank
} Rounds;

/// The first who takes part and is no member; false.
static bool report_stranger(const Operations *operations, const Rounds *rounds, Csv *csv) {
    const int32_t number = (int32_t)rounds->key->at;
    const OperationGroup *group = &operations->group.at[number];
    const CsvCell shown = {group->text, group->length, 1};
    Table members = {0};
    for (int64_t m = 0; m < group->n; m++)
        table_insert(&members, operations_group_rank(operations, number, m), 1);
    int64_t i = 0;
    while (table_find(&members, rounds->key[i].of)) i++;
    csv->line = operations->op.at[rounds->key[i].op].line;
    csv_error(csv, 1, "rank %lld takes part in a collective of group '%.*s', of which it is none",
              (long long)rounds->key[i].of, csv_shown(&shown), group->text);
    table_free(&members);
    return false;
}

/// Do all members of the group take part equally often, and nobody else?
static bool count_rounds(const Operations *operations, Rounds *rounds, Csv *csv) {
    const int32_t group = (int32_t)rounds->key->at;
    int64_t most = 0, of_most = 0, count = 0;
    for (int64_t i = 0; i < rounds->n; i++) {
        count = i > 0 && rounds->key[i].of == rounds->key[i - 1].of ? count + 1 : 1;
        if (count == 1) table_insert(&rounds->first, rounds->key[i].of, i);
        if (count > most) most = count, of_most = i;
    }
    rounds->each = most;
    const int64_t size = operations_group_size(operations, group);
    for (int64_t m = 0; m < size; m++) {
        const int64_t rank = operations_group_rank(operations, group, m);
        const int64_t *first = table_find(&rounds->first, rank);
        int64_t have = 0;
        while (first && *first + have < rounds->n && rounds->key[*first + have].of == rank) have++;
        if (have == most) continue;
        report_absent(operations, &rounds->key[of_most], rank, most, have, csv);
        return false;
    }
    return rounds->n == most * size || report_stranger(operations, rounds, csv);
}

static void join_rounds(Operations *operations, const Rounds *rounds, Csv *csv) {
    const int32_t group = (int32_t)rounds->key->at;
    const int64_t size = operations_group_size(operations, group);
    bool good = true;
    for (int64_t k = 0; k < rounds->each && good; k++) {
        Joint joint = {.first = (int32_t)operations->member.n, .n = (int32_t)size, .group = group};
        for (int64_t m = 0; m < size; m++) {
            const int64_t rank = operations_group_rank(operations, group, m);
            array_push(&operations->member, rounds->key[*table_find(&rounds->first, rank) + k].op);
        }
        const int32_t *member = &operations->member.at[joint.first];
        for (int64_t m = 1; m < size && good; m++)
            good = same_collective(operations, member[0], member[m], csv);
        joint.bytes = operations->op.at[member[0]].amount;
        joint.kind = operations->op.at[member[0]].kind;
        add_joint(operations, joint);
    }
}

static void match_collectives(Operations *operations, Csv *csv) {
    MatchKeys keys = list_of(operations, OPERATION_COLLECTIVE, by_group);
    for (int64_t i = 0, end; i < keys.n; i = end) {
        for (end = i; end < keys.n && keys.at[end].at == keys.at[i].at &&
                      keys.at[end].tag == keys.at[i].tag;)
            end++;
        Rounds rounds = {.key = &keys.at[i], .n = end - i};
        if (count_rounds(operations, &rounds, csv)) join_rounds(operations, &rounds, csv);
        table_free(&rounds.first);
    }
    array_free(&keys);
}

/// By the first operation that takes part, so that the order of ranks in the table decides nothing.
static void number_joints(Operations *operations) {
    ARRAY_OF(Joint) sorted = {0};
    ARRAY_OF(int32_t) number = {0};
    array_resize(&sorted, operations->joint.n);
    array_resize(&number, operations->joint.n);
    for (int64_t j = 0; j < number.n; j++) number.at[j] = -1;
    int32_t n = 0;
    for (int64_t i = 0; i < operations->op.n; i++) {
        Operation *op = &operations->op.at[i];
        if (op->joint < 0) continue;
        if (number.at[op->joint] < 0) {
            sorted.at[n] = operations->joint.at[op->joint];
            number.at[op->joint] = n++;
        }
        op->joint = number.at[op->joint];
    }
    for (int32_t j = 0; j < n; j++) operations->joint.at[j] = sorted.at[j];
    array_free(&sorted);
    array_free(&number);
}

void operations_match(Operations *operations, int64_t eager_bytes, Csv *csv) {
    match_messages(operations, eager_bytes, csv);
    match_collectives(operations, csv);
    if (csv->nerrors == 0) number_joints(operations);
}
