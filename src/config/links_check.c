#include "config/links_check.h"

#include <stdio.h>
#include <string.h>

typedef struct Choosing {
    const Cluster *cluster;
    LinksSpec *links;
} Choosing;

static void take(const Choosing *choosing, LinkId first, int64_t n) {
    choosing->links->range[choosing->links->nranges++] = (LinkRange){first, n};
    choosing->links->n += n;
}

/// A tier, both ways or one: "spine", "spine up".
static bool take_tier(const Choosing *choosing, const char *text) {
    static const char *const WAYS[] = {[LINK_UP] = " up", [LINK_DOWN] = " down"};
    for (int32_t tier = 0; tier < cluster_ntiers(choosing->cluster); tier++) {
        const char *name = cluster_tier_name(choosing->cluster, tier);
        const size_t length = strlen(name);
        if (strncmp(text, name, length) != 0) continue;
        bool found = false;
        for (int way = LINK_UP; way <= LINK_DOWN; way++) {
            if (text[length] != '\0' && strcmp(text + length, WAYS[way]) != 0) continue;
            take(choosing, cluster_first_link(choosing->cluster, tier, (LinkDirection)way),
                 cluster_tier_links(choosing->cluster, tier));
            found = true;
        }
        if (found) return true;
    }
    return false;
}

static bool take_link(const Choosing *choosing, const char *text) {
    char name[CLUSTER_NAME_BYTES];
    for (LinkId link = 0; link < cluster_nlinks(choosing->cluster); link++) {
        if (strcmp(cluster_link_name(choosing->cluster, link, name), text) != 0) continue;
        take(choosing, link, 1);
        return true;
    }
    return false;
}

static bool take_text(const Choosing *choosing, const char *text) {
    if (strcmp(text, "all") == 0) {
        take(choosing, 0, cluster_nlinks(choosing->cluster));
        return true;
    }
    return take_tier(choosing, text) || take_link(choosing, text);
}

static void choose(Reader *reader, const Node *root, const Choosing *choosing) {
    const LinksSpec *links = choosing->links;
    const int32_t last = cluster_ntiers(choosing->cluster) - 1;
    for (int32_t i = 0; i < links->ntexts; i++) {
        char path[32], name[CLUSTER_NAME_BYTES];
        snprintf(path, sizeof path, "trace.links.%d", (int)i);
        if (!take_text(choosing, links->text[i])) {
            reader_error(
                reader, root, path,
                "links names no link or tier '%s'; wanted all, a tier such as '%s' or '%s "
                "up', or a link such as '%s'",
                links->text[i], cluster_tier_name(choosing->cluster, last),
                cluster_tier_name(choosing->cluster, last),
                cluster_link_name(choosing->cluster,
                                  cluster_first_link(choosing->cluster, last, LINK_UP), name));
            return;
        }
        if (links->n <= LINKS_CHOSEN_MAX) continue;
        reader_error(reader, root, path, "links chooses %lld links; at most %d are kept in time",
                     (long long)links->n, (int)LINKS_CHOSEN_MAX);
        return;
    }
}

void links_check(Reader *reader, CrossCheck *files) {
    LinksSpec *links = &files->job[0].file->trace.links;
    links->nranges = 0;
    links->n = 0;
    if (links->ntexts == 0) return;
    Cluster *cluster = NULL;
    const Status status = cluster_create(files->troubled, &cluster);
    if (status_is_ok(&status)) choose(reader, files->job[0].root, &(Choosing){cluster, links});
    cluster_destroy(cluster); // of one that cannot be the run says why
}
