#include "observe/toll.h"

static const struct {
    const char *name; ///< NULL: it has an attribute of its own
    bool summed;
} ROWS[BILL_N] = {
    [BILL_AGREEMENTS] = {"agreements", false},
    [BILL_AGREEMENT_BYTES] = {"agreement_bytes", true},
    [BILL_ISLANDS] = {"islands", true},
    [BILL_ISLANDS_PLAYED] = {"islands_played", true},
    [BILL_WINDOWS] = {"windows", false},
    [BILL_REPLAYS] = {"replays", true},
    [BILL_PLAY_NS] = {NULL, false},
    [BILL_STEPS_REPEATED] = {"steps_repeated", false},
};

Toll toll_begin(const Comm *comm) {
    return (Toll){.begin_ns = comm_clock_ns(), .comm = comm_stats(comm)};
}

// A run whose steps are all written does not fail for what it cost.
static void write(Trace *trace, const Bill *bill, const double share[], int nranks) {
    for (int k = 0; k < BILL_N; k++)
        if (ROWS[k].name) (void)trace_run_int(trace, ROWS[k].name, bill->row[k]);
    (void)trace_run_double(trace, "play_s", (double)bill->row[BILL_PLAY_NS] / 1e9);
    (void)trace_run_doubles(trace, "wait_share", share, nranks);
}

Bill toll_settle(const Toll *toll, const Comm *comm, const PlayerStats *player, int64_t repeated,
                 Trace *trace) {
    const CommStats stats = comm_stats(comm);
    const int64_t play_ns = comm_clock_ns() - toll->begin_ns;
    Bill bill = {.row = {[BILL_AGREEMENTS] = stats.agreements - toll->comm.agreements,
                         [BILL_AGREEMENT_BYTES] = stats.bytes - toll->comm.bytes,
                         [BILL_ISLANDS] = player->islands,
                         [BILL_ISLANDS_PLAYED] = player->islands_played,
                         [BILL_WINDOWS] = player->windows,
                         [BILL_REPLAYS] = player->replays,
                         [BILL_STEPS_REPEATED] = repeated,
                         [BILL_PLAY_NS] = play_ns}};
    const double own =
        play_ns > 0 ? (double)(stats.wait_ns - toll->comm.wait_ns) / (double)play_ns : 0;
    Bill sums = bill;
    comm_sum_i64(comm, sums.row, BILL_N);
    comm_max_i64(comm, bill.row, BILL_N);
    for (int k = 0; k < BILL_N; k++)
        if (ROWS[k].summed) bill.row[k] = sums.row[k];
    Gathered all = comm_allgather(comm, &own, sizeof own);
    const double *share = (const double *)(const void *)all.bytes;
    if (trace) write(trace, &bill, share, all.nranks);
    bill.least_share = bill.most_share = share[0];
    for (int r = 1; r < all.nranks; r++) {
        if (share[r] < bill.least_share) bill.least_share = share[r];
        if (share[r] > bill.most_share) bill.most_share = share[r];
    }
    gathered_free(&all);
    return bill;
}
