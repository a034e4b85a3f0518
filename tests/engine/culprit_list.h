/// culprit_list.h: a CulpritSink that keeps what it is given, for tests that look at single links.
#ifndef COLOSSIM_TESTS_ENGINE_CULPRIT_LIST_H
#define COLOSSIM_TESTS_ENGINE_CULPRIT_LIST_H

#include <stdlib.h>

#include "base/array.h"
#include "engine/engine.h"

typedef struct CulpritEntry {
    LinkId link;
    int64_t delay_ps[ENGINE_JOBS_MAX];
} CulpritEntry;

/// Zero-initialise but for njobs; array_free `rows` to release.
typedef struct CulpritList {
    int32_t njobs;
    ARRAY_OF(CulpritEntry) rows;
} CulpritList;

static inline void culprit_list_put(void *context, LinkId link, const int64_t delay_ps[]) {
    CulpritList *list = context;
    CulpritEntry row = {.link = link};
    for (int32_t j = 0; j < list->njobs; j++) row.delay_ps[j] = delay_ps[j];
    array_push(&list->rows, row);
}

static inline int culprit_compare(const void *a, const void *b) {
    const CulpritEntry *x = a, *y = b;
    return (x->link > y->link) - (x->link < y->link);
}

/// Those of a step, by link: an engine gives links in no order.
static inline void culprit_list_take(CulpritList *list, const EngineOps *ops, const Engine *engine,
                                     int32_t step) {
    array_clear(&list->rows);
    ops->step_culprits(engine, step, (CulpritSink){culprit_list_put, list});
    if (list->rows.n > 1)
        qsort(list->rows.at, (size_t)list->rows.n, sizeof *list->rows.at, culprit_compare);
}

#endif
