/// credits.h: a port sends only what the far end of its wire has room for.
///
/// Idea.    A switch keeps PacketSpec.credit_bytes for each wire that leads to it. What a wire carries uses up credits of its
///          port; when a packet has begun to leave the switch, by whichever port, they go back over the cable, those of a stretch
///          of time together. A port that has too few for a full packet is paused, as by PFC, and what it says of that in totals
///          means the same; its cause is the port by which that left whose credits end it, and until then the one of
///          the last that came.
///
///              credits of the port + under way + held at the far end + on their way back = credit_bytes
///
///          Stretches are two packets long, or a window, if that is longer, and begin at multiples of that: so what goes back
///          when does not depend on the order in which ports of a switch are played, nor on how windows are cut.
/// Limits.  Acknowledgements have a lane of their own, which never lacks credits; credits take no time of a cable, and
///          are not lost. One lane of data: what waits for a full port holds up what comes behind it over the same wire
///          once credits are used up, and rings can be stuck (stall.h).
/// Source.  InfiniBand specification 1.3, 7.9 (flow control by credits of 64 bytes for each link and virtual lane).
#ifndef COLOSSIM_ENGINE_PACKET_CREDITS_H
#define COLOSSIM_ENGINE_PACKET_CREDITS_H

#include "engine/packet/net.h"

/// What leaves the far end of a wire in one stretch.
typedef struct Freed {
    int64_t until_ps; ///< the stretch ends
    int64_t last_ps;  ///< the last left
    int32_t bytes;    ///< 0: nothing
    int32_t cause;    ///< by this port
} Freed;

struct Credits {
    Freed freed[2]; ///< a window touches no more stretches
    int32_t next;   ///< wire of the same switch that has some; -1
    int32_t cause;  ///< by which the last credits were freed that have come back; -1
};

/// Give every port that leads to a switch its credits.
void credits_init(Net *net);
void credits_fini(Net *net);
/// A port has begun to send a packet of data.
void credits_spend(Net *net, int32_t wire, const Packet *packet, int64_t now_ps);
/// So much of what came over a wire has left its far end, by the port `cause` (-1: it is lost).
void credits_free(Net *net, int32_t wire, int64_t bytes, int32_t cause, int64_t now_ps);
/// All is played up to end_ps: send back what stretches that have ended have freed; when the next does, TIME_NEVER_PS.
int64_t credits_return(Net *net, Hub *hub, int64_t end_ps);
/// Credits have come back at a port, which has been asked until then: is its pause over?
bool credits_take(Net *net, const Packet *credit);

#endif
