#include "observe/toll.h"

#include "base/memory.h"

#define LABEL "driver.toll"

Toll toll_begin(const Comm *comm) {
    return (Toll){.begin_ns = comm_clock_ns(), .comm = comm_stats(comm)};
}

/// Of one rank, then of all of them.
typedef struct Bill {
    // Summed over ranks.
    int64_t agreement_bytes;
    int64_t islands, played, replays; ///< PlayerStats
    // The same on all ranks, but for play_ns; the most.
    int64_t agreements, windows, repeated, play_ns;
} Bill;

enum { BILL_SUMS = 4, BILL_MOSTS = 4 };

static Bill bill_of(const Toll *toll, const Comm *comm, const PlayerStats *player, int64_t repeated,
                    int64_t *wait_ns) {
    CommStats stats = comm_stats(comm);
    *wait_ns = stats.wait_ns - toll->comm.wait_ns;
    return (Bill){.agreements = stats.agreements - toll->comm.agreements,
                  .agreement_bytes = stats.bytes - toll->comm.bytes,
                  .islands = player->islands,
                  .played = player->islands_played,
                  .replays = player->replays,
                  .windows = player->windows,
                  .repeated = repeated,
                  .play_ns = comm_clock_ns() - toll->begin_ns};
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

static void print(FILE *out, const Bill *bill, const double share[], int nranks) {
    double least = share[0], most = share[0];
    for (int r = 1; r < nranks; r++) {
        least = share[r] < least ? share[r] : least;
        most = share[r] > most ? share[r] : most;
    }
    fprintf(out, "played in %.3f s  ", (double)bill->play_ns / 1e9);
    if (bill->islands > 0)
        fprintf(out, "%lld islands (%lld played)  %lld windows  %lld replays  ",
                (long long)bill->islands, (long long)bill->played, (long long)bill->windows,
                (long long)bill->replays);
    else
        fprintf(out, "event by event  ");
    if (bill->repeated > 0) fprintf(out, "%lld steps repeated  ", (long long)bill->repeated);
    if (nranks > 1)
        fprintf(out, "%lld agreements, %lld B  ranks waited %.1f to %.1f %%",
                (long long)bill->agreements, (long long)bill->agreement_bytes, 100 * least,
                100 * most);
    fprintf(out, "\n");
    fflush(out);
}

void toll_note(const Toll *toll, const Fabric *fabric, const PlayerStats *player, int64_t repeated,
               Trace *trace, FILE *out) {
    const Comm *comm = fabric->comm;
    int nranks = fabric->nranks;
    int64_t wait_ns;
    Bill bill = bill_of(toll, comm, player, repeated, &wait_ns);
    double own = bill.play_ns > 0 ? (double)wait_ns / (double)bill.play_ns : 0;
    size_t bytes = sizeof(double) * (size_t)nranks;
    double *share = memory_alloc(LABEL, bytes);
    gather_shares(comm, own, share);
    comm_sum_i64(comm, &bill.agreement_bytes, BILL_SUMS);
    comm_max_i64(comm, &bill.agreements, BILL_MOSTS);
    if (trace) write(trace, &bill, share, nranks);
    if (out && fabric->rank == 0) print(out, &bill, share, nranks);
    memory_free(LABEL, share, bytes);
}
