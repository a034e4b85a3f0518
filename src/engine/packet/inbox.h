/// inbox.h: packets under way to a hub.
///
/// Idea.    Time is cut into stretches of a power of two picoseconds, no longer than a window. A hub has a list for each of the
///          INBOX_STRETCHES next ones, so that what arrives in a window is read in a row wherever it comes from. What comes
///          later than that, over long wires, is kept by time beside, and handed on when its stretch is near.
#ifndef COLOSSIM_ENGINE_PACKET_INBOX_H
#define COLOSSIM_ENGINE_PACKET_INBOX_H

#include "base/array.h"
#include "base/heap.h"
#include "engine/packet/ring.h"

enum { INBOX_STRETCHES = 8 };

/// What arrives in one stretch.
typedef struct InboxList {
    PacketQueue packets;
    int64_t least_ps; ///< TIME_NEVER_PS: empty
} InboxList;

typedef struct Inbox {
    InboxList list[INBOX_STRETCHES]; ///< by stretch modulo INBOX_STRETCHES
} Inbox;

typedef ARRAY_OF(Packet) PacketArray;

/// What comes later, of all hubs.
typedef struct FarPackets {
    Heap order;    ///< by arrival, then as they were put: of one wire some can come at one moment
    uint64_t nput; ///< so far
    PacketArray at;
    ARRAY_OF(int32_t) hub, free;
} FarPackets;

/// All inboxes together.
typedef struct Inboxes {
    Inbox *of; ///< [nhubs]
    int64_t nhubs;
    int32_t stretch_bits;
    int64_t near_ps; ///< end of the stretches that have lists
    FarPackets far;
} Inboxes;

void inboxes_init(Inboxes *inboxes, int64_t nhubs, int64_t window_ps);
void inboxes_fini(Inboxes *inboxes);
void inboxes_put_far(Inboxes *inboxes, int32_t hub, const Packet *packet);
/// It is now_ps: stretches before that are past.
void inboxes_pass(Inboxes *inboxes, int64_t now_ps);
/// Take one that is far no longer; false: there is none.
bool inboxes_next_near(Inboxes *inboxes, int32_t *hub, Packet *packet);
/// Move all that arrives before end_ps behind those in `taken`; returns when the next arrives that is near,
/// TIME_NEVER_PS: none.
int64_t inbox_take(const Inboxes *inboxes, RingPool *pool, int32_t hub, int64_t end_ps,
                   PacketArray *taken);

static inline void inboxes_put(Inboxes *inboxes, RingPool *pool, int32_t hub,
                               const Packet *packet) {
    if (packet->at_ps >= inboxes->near_ps) {
        inboxes_put_far(inboxes, hub, packet);
        return;
    }
    const int32_t k = (int32_t)(packet->at_ps >> inboxes->stretch_bits) & (INBOX_STRETCHES - 1);
    InboxList *list = &inboxes->of[hub].list[k];
    if (packet->at_ps < list->least_ps) list->least_ps = packet->at_ps;
    *ring_append(pool, &list->packets) = *packet;
}

#endif
