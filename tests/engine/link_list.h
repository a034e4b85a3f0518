/// link_list.h: a LinkSink that keeps what it is given, for tests that look at single links.
#ifndef COLOSSIM_TESTS_ENGINE_LINK_LIST_H
#define COLOSSIM_TESTS_ENGINE_LINK_LIST_H

#include <stdlib.h>

#include "base/array.h"
#include "engine/engine.h"

typedef struct LinkEntry {
    int64_t index; ///< sampling interval or step
    LinkSample sample;
} LinkEntry;

/// Zero-initialise; array_free to release.
typedef ARRAY_OF(LinkEntry) LinkList;

static inline void link_list_put(void *list, int64_t index, const LinkSample sample[], int64_t n) {
    for (int64_t i = 0; i < n; i++) array_push((LinkList *)list, (LinkEntry){index, sample[i]});
}

static inline LinkSink link_list_sink(LinkList *list) {
    return (LinkSink){.put = link_list_put, .context = list};
}

static inline int link_entry_compare(const void *a, const void *b) {
    const LinkEntry *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->sample.link > y->sample.link) - (x->sample.link < y->sample.link);
}

/// By index, then link: an engine gives links in no order.
static inline void link_list_sort(LinkList *list) {
    if (list->n > 1) qsort(list->at, (size_t)list->n, sizeof *list->at, link_entry_compare);
}

#endif
