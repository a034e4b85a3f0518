#include "observe/chosen.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/order.h"
#include "base/wide.h"

static const char LABEL[] = "record.chosen";

static int by_resource(const void *a, const void *b) {
    const ChosenUse *x = a, *y = b;
    if (x->resource != y->resource) return x->resource < y->resource ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/// Place of a link among the chosen, -1: it is not.
static int32_t find(const ChosenLinks *chosen, LinkId link) {
    const LinkId *at = bsearch(&link, chosen->link, (size_t)chosen->n, sizeof link, order_i64);
    return at ? (int32_t)(at - chosen->link) : -1;
}

/// Links of all ranges, each once.
static void list_links(ChosenLinks *chosen, const LinksSpec *spec) {
    int32_t n = 0;
    for (int32_t i = 0; i < spec->nranges; i++)
        for (int64_t k = 0; k < spec->range[i].n; k++) chosen->link[n++] = spec->range[i].first + k;
    chosen->n = (int32_t)order_unique_i64(chosen->link, n);
}

/// Links are resources themselves; bundles follow them.
static void list_uses(ChosenLinks *chosen, const Cluster *cluster, int64_t capacity) {
    const int64_t nlinks = cluster_nlinks(cluster);
    for (int32_t i = 0; i < chosen->n; i++)
        chosen->use[chosen->nuses++] = (ChosenUse){chosen->link[i], i, 0, 1};
    for (LinkId bundle = nlinks; bundle < cluster_nresources(cluster); bundle++) {
        const int64_t width = cluster_resource_width(cluster, bundle);
        for (int64_t k = 0; k < width && chosen->nuses < capacity; k++) {
            const int32_t place = find(chosen, cluster_resource_link(cluster, bundle, k));
            if (place >= 0) chosen->use[chosen->nuses++] = (ChosenUse){bundle, place, k, width};
        }
    }
    qsort(chosen->use, (size_t)chosen->nuses, sizeof *chosen->use, by_resource);
}

static void name_links(ChosenLinks *chosen, const Cluster *cluster) {
    for (int32_t i = 0; i < chosen->n; i++) {
        char text[CLUSTER_NAME_BYTES];
        TraceLinkName *name = &chosen->name[i];
        name->link = chosen->link[i];
        strncpy(name->name, cluster_link_name(cluster, name->link, text), sizeof name->name - 1);
    }
}

/// A link is in one bundle at most.
static int64_t uses_most(const LinksSpec *spec) { return 2 * (int64_t)spec->n; }

ChosenLinks chosen_make(const Cluster *cluster, const LinksSpec *spec) {
    ChosenLinks chosen = {0};
    if (spec->n == 0) return chosen;
    chosen.link = memory_alloc(LABEL, sizeof *chosen.link * LINKS_CHOSEN_MAX);
    chosen.name = memory_alloc(LABEL, sizeof *chosen.name * LINKS_CHOSEN_MAX);
    chosen.use = memory_alloc(LABEL, sizeof *chosen.use * 2 * LINKS_CHOSEN_MAX);
    list_links(&chosen, spec);
    list_uses(&chosen, cluster, uses_most(spec));
    name_links(&chosen, cluster);
    return chosen;
}

void chosen_fini(ChosenLinks *chosen) {
    if (!chosen->link) return;
    memory_free(LABEL, chosen->link, sizeof *chosen->link * LINKS_CHOSEN_MAX);
    memory_free(LABEL, chosen->name, sizeof *chosen->name * LINKS_CHOSEN_MAX);
    memory_free(LABEL, chosen->use, sizeof *chosen->use * 2 * LINKS_CHOSEN_MAX);
    *chosen = (ChosenLinks){0};
}

void chosen_add(const ChosenLinks *chosen, const LinkSample *sample, TraceLinkLoad load[]) {
    int64_t low = 0, high = chosen->nuses;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (chosen->use[middle].resource < sample->link)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < chosen->nuses && chosen->use[low].resource == sample->link; low++) {
        const ChosenUse *use = &chosen->use[low];
        TraceLinkLoad *of = &load[use->place];
        of->bytes += wide_part(sample->bytes, use->k, use->width);
        of->delay_ps += wide_part(sample->delay_ps, use->k, use->width);
        of->congested_ps += sample->congested_ps;
    }
}
