// Collectives that members on islands have come to: what was said in a window, merged over ranks by sum and maximum.
#include "base/check.h"
#include "base/memory.h"
#include "player/island.h"

/// What was said on this rank before end_ps; returns how often.
static int64_t listen(Islands *islands, int64_t end_ps) {
    GroupNews *news = islands->news;
    int64_t nnews = 0;
    for (int64_t g = 0; g < islands->ngroups; g++)
        news[g] = (GroupNews){.at = {-1, {-1, -1, -1, -1}}, .sequence = -1, .kind = -1, .step = -1};
    for (int64_t i = 0; i < islands->arrival.n; i++) {
        const IslandArrival *arrival = &islands->arrival.at[i];
        const Meeting *meeting = &arrival->meeting;
        if (islands->at[arrival->island].round != arrival->round) continue;
        if (meeting->at.actual_ps >= end_ps) continue;
        GroupNews *to = &news[units_meeting_index(&islands->machine->layout.units, meeting->group)];
        CHECK(to->kind < 0 || to->kind == (int64_t)meeting->kind,
              "group %lld: members disagree on the collective", (long long)meeting->group);
        clocks_raise(&to->at, &meeting->at);
        to->sequence = meeting->sequence;
        to->kind = meeting->kind;
        to->step = meeting->step;
        to->count += isle_nlike(islands->isles, arrival->island);
        nnews++;
    }
    return nnews;
}

/// Counts are summed up, of all else the latest is told.
static void merge(GroupNews news[], int64_t ngroups, const Comm *comm) {
    static const char LABEL[] = "driver.news";
    enum { WORDS = sizeof(GroupNews) / sizeof(int64_t) };
    int64_t *count = memory_alloc(LABEL, sizeof(int64_t) * (size_t)ngroups);
    for (int64_t g = 0; g < ngroups; g++) count[g] = news[g].count;
    comm_sum_i64(comm, count, (int)ngroups);
    comm_max_i64(comm, (int64_t *)news, (int)ngroups * WORDS);
    for (int64_t g = 0; g < ngroups; g++) news[g].count = count[g];
    memory_free(LABEL, count, sizeof(int64_t) * (size_t)ngroups);
}

/// Sum up what was said before end_ps. False: nothing, anywhere.  MPI: collective.
static bool gather_news(Islands *islands, int64_t end_ps) {
    const Comm *comm = islands->machine->comm;
    if (!islands->arrivals) return false;
    int64_t nnews = listen(islands, end_ps);
    if (comm_nranks(comm) == 1) return nnews > 0;
    comm_max_i64(comm, &nnews, 1);
    if (nnews > 0) merge(islands->news, islands->ngroups, comm);
    return nnews > 0;
}

int64_t islands_first_begin_ps(Islands *islands, int64_t end_ps) {
    const Machine *machine = islands->machine;
    if (!gather_news(islands, end_ps)) return end_ps;
    for (int64_t place = 0; place < islands->ngroups; place++) {
        const GroupNews *news = &islands->news[place];
        const int64_t group = units_meeting_group(&machine->layout.units, place);
        if (news->count == 0 || machine->group[place].arrived + news->count <
                                    units_group(&machine->layout.units, group).n)
            continue;
        const int64_t begin_ps = news->at.actual_ps + network_least_base_ps(machine);
        if (begin_ps < end_ps) end_ps = begin_ps;
    }
    return end_ps;
}

void islands_meet(Islands *islands, int64_t end_ps) {
    Machine *machine = islands->machine;
    bool any = gather_news(islands, end_ps);
    array_clear(&islands->arrival);
    for (int64_t place = 0; place < islands->ngroups && any; place++) {
        const GroupNews *news = &islands->news[place];
        if (news->count == 0) continue;
        Meeting meeting = {.group = units_meeting_group(&machine->layout.units, place),
                           .step = (int32_t)news->step,
                           .sequence = (int32_t)news->sequence,
                           .kind = (OpKind)news->kind,
                           .at = news->at};
        if (network_meet(machine, &meeting, news->count)) network_collective(machine, &meeting);
    }
}
