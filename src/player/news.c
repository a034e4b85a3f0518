#include "player/news.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL "driver.news"

/// What was said on this rank; returns how often.
static int64_t listen(GroupNews news[], int64_t ngroups, const Islands *islands, int64_t end_ps) {
    int64_t nnews = 0;
    for (int64_t g = 0; g < ngroups; g++)
        news[g] = (GroupNews){.at = {-1, {-1, -1, -1, -1}}, .op = -1, .kind = -1, .step = -1};
    for (int64_t i = 0; i < islands->arrival.n; i++) {
        const IslandArrival *arrival = &islands->arrival.at[i];
        if (islands->at[arrival->island].round != arrival->round) continue;
        if (arrival->at.actual_ps >= end_ps) continue;
        GroupNews *to = &news[layout_meeting_index(&islands->machine->layout, arrival->group)];
        CHECK(to->kind < 0 || to->kind == arrival->kind,
              "group %lld: members disagree on the collective", (long long)arrival->group);
        clocks_raise(&to->at, &arrival->at);
        to->op = arrival->op;
        to->kind = arrival->kind;
        to->step = arrival->step;
        to->count += isle_nlike(islands->isles, arrival->island);
        nnews++;
    }
    return nnews;
}

/// Counts are summed up, of all else the latest is told.
static void merge(GroupNews news[], int64_t ngroups, Comm *comm) {
    enum { WORDS = sizeof(GroupNews) / sizeof(int64_t) };
    int64_t *count = memory_alloc(LABEL, sizeof(int64_t) * (size_t)ngroups);
    for (int64_t g = 0; g < ngroups; g++) count[g] = news[g].count;
    comm_sum_i64(comm, count, (int)ngroups);
    comm_max_i64(comm, (int64_t *)news, (int)ngroups * WORDS);
    for (int64_t g = 0; g < ngroups; g++) news[g].count = count[g];
    memory_free(LABEL, count, sizeof(int64_t) * (size_t)ngroups);
}

bool news_gather(Islands *islands, int64_t end_ps) {
    Comm *comm = islands->machine->comm;
    int64_t nnews = listen(islands->news, islands->ngroups, islands, end_ps);
    if (comm_nranks(comm) == 1) return nnews > 0;
    comm_max_i64(comm, &nnews, 1);
    if (nnews == 0) return false;
    merge(islands->news, islands->ngroups, comm);
    return true;
}
