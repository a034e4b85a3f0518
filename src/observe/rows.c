#include "observe/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char LABEL[] = "record.intervals";

static size_t chosen_bytes(const LoadRows *rows, int64_t n) {
    return sizeof(TraceLinkLoad) * (size_t)(n * rows->nchosen);
}

void rows_push(LoadRows *rows, const LoadAdder *adder, int64_t start_ps, int64_t end_ps) {
    const size_t each = load_sum_bytes(adder->hot_links);
    rows->hot_links = adder->hot_links;
    rows->nchosen = adder->chosen ? adder->chosen->n : 0;
    if (rows->n == rows->capacity) {
        int64_t capacity = rows->n + rows->n / 2 + 8;
        rows->chosen = memory_resize(LABEL, rows->chosen, chosen_bytes(rows, rows->capacity),
                                     chosen_bytes(rows, capacity));
        rows->first =
            memory_resize(LABEL, rows->first, (size_t)rows->n * each, (size_t)capacity * each);
        rows->capacity = capacity;
    }
    LoadSum *sum = rows_at(rows, rows->n++);
    memset(sum, 0, each);
    sum->start_ps = start_ps;
    sum->end_ps = end_ps;
}

void rows_free(LoadRows *rows) {
    memory_free(LABEL, rows->first, (size_t)rows->capacity * load_sum_bytes(rows->hot_links));
    memory_free(LABEL, rows->chosen, chosen_bytes(rows, rows->capacity));
    array_free(&rows->joint);
    *rows = (LoadRows){0};
}

/// Add to the chosen links; what several ranks load is added when ranks are.
static void add_chosen(const LoadRows *rows, int64_t row, const LoadAdder *adder,
                       const LinkSample sample[], int64_t n) {
    if (rows->nchosen == 0) return;
    for (int64_t i = 0; i < n; i++)
        if (!adder->divided || cluster_can_bind(adder->cluster, sample[i].link))
            chosen_add(adder->chosen, &sample[i], rows_chosen(rows, row));
}

void rows_add(LoadRows *rows, int64_t row, LoadAdder *adder, const LinkSample sample[], int64_t n) {
    int64_t first = 0;
    add_chosen(rows, row, adder, sample, n);
    load_adder_into(adder, rows_at(rows, row));
    for (int64_t i = 0; i < n && adder->divided; i++) {
        if (cluster_can_bind(adder->cluster, sample[i].link)) continue;
        load_add(adder, sample + first, i - first);
        array_push(&rows->joint, (JointBytes){row, sample[i].link, sample[i].bytes});
        first = i + 1;
    }
    load_add(adder, sample + first, n - first);
}

void rows_add_alike(LoadRows *rows, int64_t row, LoadAdder *adder, const LinkSample *each,
                    const LinkId link[], int64_t listed, int64_t n) {
    load_adder_into(adder, rows_at(rows, row));
    load_add_alike(adder, each, link, listed, n);
    for (int64_t i = 0; i < listed && rows->nchosen > 0; i++) {
        LinkSample one = *each;
        one.link = link[i];
        chosen_add(adder->chosen, &one, rows_chosen(rows, row));
    }
}

static int by_row_and_link(const void *a, const void *b) {
    const JointBytes *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    return (x->link > y->link) - (x->link < y->link);
}

/// Sort, and make one of what is of the same row and link.
static void add_up(JointList *total) {
    if (total->n == 0) return;
    qsort(total->at, (size_t)total->n, sizeof *total->at, by_row_and_link);
    int64_t n = 1;
    for (int64_t i = 1; i < total->n; i++) {
        JointBytes *last = &total->at[n - 1];
        if (by_row_and_link(last, &total->at[i]) == 0)
            last->bytes = wide_word((Wide)last->bytes + total->at[i].bytes);
        else
            total->at[n++] = total->at[i];
    }
    total->n = n;
}

JointList joint_gather(const Comm *comm, JointList *list) {
    JointList total = {0};
    Gathered all = comm_gather(comm, list->at, list->n * (int64_t)sizeof *list->at);
    int64_t n = all.nranks > 0 ? all.first[all.nranks] / (int64_t)sizeof *list->at : 0;
    array_resize(&total, n);
    if (n > 0) memcpy(total.at, all.bytes, (size_t)n * sizeof *list->at);
    gathered_free(&all);
    array_free(list);
    add_up(&total);
    return total;
}

static void add_joint(LoadRows *rows, LoadAdder *adder, const Comm *comm) {
    JointList total = joint_gather(comm, &rows->joint);
    for (int64_t i = 0; i < total.n; i++) {
        load_adder_into(adder, rows_at(rows, total.at[i].row));
        load_add_link(adder, total.at[i].link, total.at[i].bytes, 0, 0);
        if (rows->nchosen > 0)
            chosen_add(adder->chosen,
                       &(LinkSample){total.at[i].link, total.at[i].bytes, 0, 0, NULL},
                       rows_chosen(rows, total.at[i].row));
    }
    array_free(&total);
}

/// Chosen links, a row at a time.
static void merge_chosen(const LoadRows *rows, const Comm *comm) {
    enum { WORDS = sizeof(TraceLinkLoad) / sizeof(int64_t) };
    for (int64_t i = 0; i < rows->n && rows->nchosen > 0; i++)
        comm_sum_i64(comm, (int64_t *)rows_chosen(rows, i), rows->nchosen * WORDS);
}

/// A few rows at a time: messages do not grow with the settings.
static void merge_ranks(LoadRows *rows, const Comm *comm) {
    enum { TOGETHER = 64 };
    const int64_t each = (int64_t)load_sum_bytes(rows->hot_links);
    for (int64_t first = 0; first < rows->n; first += TOGETHER) {
        int64_t some = rows->n - first < TOGETHER ? rows->n - first : TOGETHER;
        Gathered all = comm_gather(comm, rows_at(rows, first), some * each);
        for (int rank = 1; rank < all.nranks; rank++)
            for (int64_t i = 0; i < some; i++)
                load_merge((const LoadSum *)(all.bytes + all.first[rank] + i * each),
                           rows->hot_links, rows_at(rows, first + i));
        gathered_free(&all);
    }
}

Status rows_gather(LoadRows *rows, LoadAdder *adder, const Comm *comm) {
    if (adder->divided) {
        add_joint(rows, adder, comm);
        merge_ranks(rows, comm);
        merge_chosen(rows, comm);
    }
    for (int64_t i = 0; i < rows->n; i++) TRY(load_check(adder->cluster, rows_at(rows, i)));
    return status_ok();
}
