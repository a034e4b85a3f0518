#include "player/news.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL "driver.dataflow"

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

enum { MAXIMA = 8 };

static void merge(GroupNews news[], int64_t ngroups, Comm *comm) {
    int64_t *count = memory_alloc(LABEL, sizeof(int64_t) * (size_t)ngroups);
    int64_t(*most)[MAXIMA] = memory_alloc(LABEL, sizeof *most * (size_t)ngroups);
    for (int64_t g = 0; g < ngroups; g++) {
        count[g] = news[g].count;
        const NominalClocks *at = &news[g].at.nominal;
        const int64_t values[MAXIMA] = {news[g].at.actual_ps, at->slowed_ps, at->shared_ps,
                                        at->alone_ps,         at->ideal_ps,  news[g].op,
                                        news[g].kind,         news[g].step};
        for (int k = 0; k < MAXIMA; k++) most[g][k] = values[k];
    }
    comm_sum_i64(comm, count, (int)ngroups);
    comm_max_i64(comm, most[0], (int)ngroups * MAXIMA);
    for (int64_t g = 0; g < ngroups; g++)
        news[g] = (GroupNews){.count = count[g],
                              .at = {most[g][0], {most[g][1], most[g][2], most[g][3], most[g][4]}},
                              .op = most[g][5],
                              .kind = most[g][6],
                              .step = most[g][7]};
    memory_free(LABEL, count, sizeof(int64_t) * (size_t)ngroups);
    memory_free(LABEL, most, sizeof *most * (size_t)ngroups);
}

bool news_gather(GroupNews news[], const Islands *islands, int64_t end_ps) {
    const Machine *machine = islands->machine;
    int64_t ngroups = layout_nmeeting(&machine->layout);
    int64_t nnews = listen(news, ngroups, islands, end_ps);
    if (comm_nranks(machine->comm) == 1) return nnews > 0;
    comm_max_i64(machine->comm, &nnews, 1);
    if (nnews == 0) return false;
    merge(news, ngroups, machine->comm);
    return true;
}
