#include "schedule/order.h"

void schedule_merge(const ScheduleSpec *spec, int64_t warmup,
                    Slot (*nth)(const ScheduleSpec *spec, bool backward, int64_t k), Slot slots[]) {
    int64_t nforwards = schedule_nslots(spec) / 2, forwards = 0, n = 0;
    while (forwards < warmup && forwards < nforwards) slots[n++] = nth(spec, false, forwards++);
    for (int64_t backwards = 0; backwards < nforwards; backwards++) {
        if (forwards < nforwards) slots[n++] = nth(spec, false, forwards++);
        slots[n++] = nth(spec, true, backwards);
    }
}
