#include "observe/toll.h"

#include "base/memory.h"

#define LABEL "driver.toll"

Toll toll_begin(const Comm *comm) {
    return (Toll){.begin_ns = comm_clock_ns(), .comm = comm_stats(comm)};
}

/// Parts of their play time that all ranks have waited.
static void gather_shares(const Comm *comm, double own, double share[]) {
    Gathered all = comm_allgather(comm, &own, sizeof own);
    for (int r = 0; r < all.nranks; r++) share[r] = ((const double *)(void *)all.bytes)[r];
    gathered_free(&all);
}

static void write(Trace *trace, const Bill *bill, const double share[], int nranks) {
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"agreements", bill->agreements},  {"agreement_bytes", bill->agreement_bytes},
                {"islands", bill->islands},        {"islands_played", bill->played},
                {"windows", bill->windows},        {"replays", bill->replays},
                {"steps_repeated", bill->repeated}};
    // A run whose steps are all written does not fail for what it cost.
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        (void)trace_run_int(trace, rows[i].name, rows[i].value);
    (void)trace_run_double(trace, "play_s", (double)bill->play_ns / 1e9);
    (void)trace_run_doubles(trace, "wait_share", share, nranks);
}

Bill toll_settle(const Toll *toll, const Comm *comm, const PlayerStats *player, int64_t repeated,
                 Trace *trace) {
    enum { SUMS = 4, MOSTS = 4 };
    CommStats stats = comm_stats(comm);
    int nranks = comm_nranks(comm);
    Bill bill = {.agreements = stats.agreements - toll->comm.agreements,
                 .agreement_bytes = stats.bytes - toll->comm.bytes,
                 .islands = player->islands,
                 .played = player->islands_played,
                 .replays = player->replays,
                 .windows = player->windows,
                 .repeated = repeated,
                 .play_ns = comm_clock_ns() - toll->begin_ns};
    double waited_ns = (double)(stats.wait_ns - toll->comm.wait_ns);
    double *share = memory_alloc(LABEL, sizeof(double) * (size_t)nranks);
    gather_shares(comm, bill.play_ns > 0 ? waited_ns / (double)bill.play_ns : 0, share);
    comm_sum_i64(comm, &bill.agreement_bytes, SUMS);
    comm_max_i64(comm, &bill.agreements, MOSTS);
    if (trace) write(trace, &bill, share, nranks);
    bill.least_share = bill.most_share = share[0];
    for (int r = 1; r < nranks; r++) {
        if (share[r] < bill.least_share) bill.least_share = share[r];
        if (share[r] > bill.most_share) bill.most_share = share[r];
    }
    memory_free(LABEL, share, sizeof(double) * (size_t)nranks);
    return bill;
}
