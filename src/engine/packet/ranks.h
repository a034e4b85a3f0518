/// ranks.h: hubs divided over ranks: who has which, and what they send each other.
///
/// Idea.    A rank has whole hubs: the GPUs of a stretch of scale-up domains, switches whose children are all its own, and of
///          the others each nranks-th. All ranks have all wires, queue pairs and transfers by the same numbers, but keep up only
///          what their hubs change: of a wire its port at the one end, and what it has put into the switch at the other.
///          In each window all play their own hubs, then hand each other, in one message a pair, the packets and pauses that
///          leave for hubs of others: these arrive a window later at the earliest, so they are in time. Before it they agree
///          on where it begins, and at the end of an advance on what has ended.
///
///              rank 0    submit, submit ... advance:  orders | least, windows ... | news      dismiss
///              others    serve:                       orders | least, windows ... | news      return
///
/// Limits.  Each window costs every rank an agreement and a message to each other.
#ifndef COLOSSIM_ENGINE_PACKET_RANKS_H
#define COLOSSIM_ENGINE_PACKET_RANKS_H

#include <string.h>

#include "base/array.h"
#include "engine/packet/inbox.h"
#include "par/comm.h"

/// Pause or resume, on its way to the hub that feeds a wire.
typedef struct PauseFrame {
    int64_t at_ps;
    int32_t wire, next; ///< in Net.frame; -1
    int32_t cause;      ///< of a pause: the wire that what came over this one waits for
    uint8_t tally;      ///< likewise: of the packet that brought it about
    bool pause;
} PauseFrame;

/// What leaves for hubs of one rank.
typedef struct Outbox {
    PacketArray packet;
    ARRAY_OF(PauseFrame) frame;
} Outbox;

typedef struct Ranks {
    const Comm *comm; ///< NULL: alone
    int32_t rank, nranks;
    int32_t *owner; ///< [nhubs]; NULL: alone
    int64_t nhubs;
    Outbox *outbox; ///< [nranks]
    Outbox inbox;   ///< what has come from all, until it is handed out
} Ranks;

static inline bool ranks_have(const Ranks *ranks, int32_t hub) {
    return ranks->owner == NULL || ranks->owner[hub] == ranks->rank;
}

/// Begin, all hubs unowned as yet: ranks->owner is the caller's to fill if there are several ranks.
void ranks_init(Ranks *ranks, Comm *comm, int64_t nhubs);
void ranks_fini(Ranks *ranks);
/// Let a list be those of all ranks behind each other.   MPI: collective.
#define RANKS_SHARE_LIST(ranks, list)                                               \
    do {                                                                            \
        const int64_t each = (int64_t)sizeof *(list)->at;                           \
        Gathered all = comm_allgather((ranks)->comm, (list)->at, (list)->n * each); \
        const int64_t bytes = all.first[all.nranks];                                \
        array_resize((list), bytes / each);                                         \
        if (bytes > 0) memcpy((list)->at, all.bytes, (size_t)bytes);                \
        gathered_free(&all);                                                        \
    } while (0)

/// Send all outboxes; ranks->inbox has what came.   MPI: collective.
void ranks_exchange(Ranks *ranks);

#endif
