#include "base/memory.h"
#include "engine/packet/ranks.h"
#include "par/comm_mpi.h"

#define LABEL "packet.ranks"

void ranks_init(Ranks *ranks, Comm *comm, int64_t nhubs) {
    *ranks = (Ranks){.comm = comm, .nranks = 1, .nhubs = nhubs};
    if (comm == NULL || comm_nranks(comm) == 1) return;
    ranks->rank = comm_rank(comm);
    ranks->nranks = comm_nranks(comm);
    ranks->owner = memory_alloc(LABEL, (size_t)nhubs * sizeof *ranks->owner);
    ranks->outbox = memory_alloc(LABEL, (size_t)ranks->nranks * sizeof *ranks->outbox);
}

void ranks_fini(Ranks *ranks) {
    if (!ranks->owner) return;
    for (int32_t r = 0; r < ranks->nranks; r++) {
        array_free(&ranks->outbox[r].packet);
        array_free(&ranks->outbox[r].frame);
    }
    array_free(&ranks->inbox.packet);
    array_free(&ranks->inbox.frame);
    memory_free(LABEL, ranks->owner, (size_t)ranks->nhubs * sizeof *ranks->owner);
    memory_free(LABEL, ranks->outbox, (size_t)ranks->nranks * sizeof *ranks->outbox);
}

enum { RANKS_PARTS = 2, RANKS_MANY = 64 };

typedef struct Sizes {
    int64_t n[RANKS_PARTS]; ///< packets, frames
} Sizes;

typedef struct Mail {
    MPI_Comm comm;
    MPI_Request request[2 * RANKS_PARTS];
    int n;
} Mail;

/// One part of what goes to, and comes from, another rank; what is long goes in pieces of the library's own.
static void post(Mail *mail, void *out, int64_t nout, void *in, int64_t nin, size_t bytes, int rank,
                 int part) {
    if (nin > 0)
        MPI_Irecv(in, (int)(nin * (int64_t)bytes), MPI_BYTE, rank, part, mail->comm,
                  &mail->request[mail->n++]);
    if (nout > 0)
        MPI_Isend(out, (int)(nout * (int64_t)bytes), MPI_BYTE, rank, part, mail->comm,
                  &mail->request[mail->n++]);
}

/// Exchange with one rank: it is everyone's turn with someone in each round.
static void exchange_with(Ranks *ranks, int rank) {
    Outbox *out = &ranks->outbox[rank], *in = &ranks->inbox;
    Mail mail = {.comm = comm_mpi(ranks->comm)};
    const Sizes mine = {{out->packet.n, out->frame.n}};
    Sizes its;
    MPI_Sendrecv(&mine, sizeof mine, MPI_BYTE, rank, RANKS_PARTS, &its, sizeof its, MPI_BYTE, rank,
                 RANKS_PARTS, mail.comm, MPI_STATUS_IGNORE);
    const int64_t packets = in->packet.n, frames = in->frame.n;
    array_resize(&in->packet, packets + its.n[0]);
    array_resize(&in->frame, frames + its.n[1]);
    post(&mail, out->packet.at, out->packet.n, in->packet.at + packets, its.n[0], sizeof(Packet),
         rank, 0);
    post(&mail, out->frame.at, out->frame.n, in->frame.at + frames, its.n[1], sizeof(PauseFrame),
         rank, 1);
    MPI_Waitall(mail.n, mail.request, MPI_STATUSES_IGNORE);
    array_clear(&out->packet);
    array_clear(&out->frame);
}

void ranks_exchange(Ranks *ranks) {
    array_clear(&ranks->inbox.packet);
    array_clear(&ranks->inbox.frame);
    for (int32_t round = 0; round < ranks->nranks; round++) {
        const int32_t other = (round - ranks->rank + ranks->nranks) % ranks->nranks;
        if (other != ranks->rank) exchange_with(ranks, other);
    }
}
