#include "schedule/order.h"

int64_t schedule_merge(const ScheduleSpec *spec, int64_t warmup,
                       Slot (*nth)(const ScheduleSpec *spec, bool backward, int64_t k),
                       Slot slots[]) {
    int64_t nforwards = (int64_t)spec->chunks * spec->microbatches, forwards = 0, n = 0;
    while (forwards < warmup && forwards < nforwards) slots[n++] = nth(spec, false, forwards++);
    for (int64_t backwards = 0; backwards < nforwards; backwards++) {
        if (forwards < nforwards) slots[n++] = nth(spec, false, forwards++);
        slots[n++] = nth(spec, true, backwards);
    }
    return n;
}
