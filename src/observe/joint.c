#include "observe/joint.h"

#include <stdlib.h>
#include <string.h>

void joint_add(JointList *list, const Cluster *cluster, int64_t index, const LinkSample sample[],
               int64_t n, LoadAdder *adder) {
    int64_t first = 0;
    for (int64_t i = 0; i < n; i++) {
        if (cluster_can_bind(cluster, sample[i].link)) continue;
        load_add(adder, sample + first, i - first);
        array_push(list, (JointBytes){index, sample[i].link, sample[i].bytes});
        first = i + 1;
    }
    load_add(adder, sample + first, n - first);
}

static int by_index_and_link(const void *a, const void *b) {
    const JointBytes *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->link > y->link) - (x->link < y->link);
}

/// Sort, and make one of what is of the same index and link.
static void add_up(JointList *total) {
    if (total->n == 0) return;
    qsort(total->at, (size_t)total->n, sizeof *total->at, by_index_and_link);
    int64_t n = 1;
    for (int64_t i = 1; i < total->n; i++) {
        JointBytes *last = &total->at[n - 1];
        if (by_index_and_link(last, &total->at[i]) == 0)
            last->bytes = wide_word((Wide)last->bytes + total->at[i].bytes);
        else
            total->at[n++] = total->at[i];
    }
    total->n = n;
}

void joint_gather(const Comm *comm, JointList *list, JointList *total) {
    Gathered all = comm_gather(comm, list->at, list->n * (int64_t)sizeof *list->at);
    int64_t n = all.nranks > 0 ? all.first[all.nranks] / (int64_t)sizeof *list->at : 0;
    array_resize(total, n);
    if (n > 0) memcpy(total->at, all.bytes, (size_t)n * sizeof *list->at);
    gathered_free(&all);
    array_free(list);
    add_up(total);
}
