/// port.h: what a port does with the packets that wait at it: control first, data unless it is paused, one after the other.
///
/// Idea.    Whoever gives a port a packet or a pause, or asks how much waits there, first lets it send all that could begin
///          before (port_until). A switch counts what it holds, and by which wire that came; a wire that takes more
///          than its share of what is free is paused when more comes by it, and resumed when of what came by it so much has left
///          that it is two packets below. Only then the order of what leaves by different ports matters, and all of them are
///          taken together (hub_until).
/// Source.  IEEE 802.1Qbb; marking at the head of the queue by its length: RED as in DCQCN (packet_spec.h).
#ifndef COLOSSIM_ENGINE_PACKET_PORT_H
#define COLOSSIM_ENGINE_PACKET_PORT_H

#include "engine/packet/net.h"

/// When something waits at a port that may go; TIME_NEVER_PS.
static inline int64_t port_next_ps(const Wire *wire) {
    if (ring_waits(&wire->control) || (ring_waits(&wire->data) && !wire->paused))
        return wire->free_ps;
    return TIME_NEVER_PS;
}

/// Send the next of what waits and may go.
void port_send_next(Net *net, int32_t wire);
/// Send all that waits and can begin before to_ps.
static inline void port_until(Net *net, int32_t wire, int64_t to_ps) {
    while (port_next_ps(&net->wire[wire]) < to_ps) port_send_next(net, wire);
}
/// The same for all ports of a hub, in the order of time.
void hub_until(Net *net, Hub *hub, int64_t to_ps);
/// The same, and ports where nothing waits any more are no longer looked at; when the first of the others can go on.
int64_t hub_flush(Net *net, Hub *hub, int64_t to_ps);
/// A packet begins to go now, when the port is free and nothing waits.
void port_send(Net *net, int32_t wire, Packet *packet, int64_t now_ps);
/// A packet has come to a port at packet->at_ps; the port has been asked until then.
void port_queue(Net *net, int32_t wire, const Packet *packet);
/// Pause or resume a port, as a frame has it; the port has been asked until then.
void port_pause(Net *net, const PauseFrame *frame);
/// A cable has died: what waits at its port is put behind `lost`, and no pause of it is felt any more.
void port_die(Net *net, int32_t wire, int64_t now_ps, PacketArray *lost);
/// Of what came over one wire, so much a switch that holds so much in all keeps before it pauses it, and resumes it.
int64_t port_pause_bytes(const Net *net, int64_t held_bytes);
int64_t port_resume_bytes(const Net *net, int64_t held_bytes);
/// A switch has taken a packet of data that came over packet->in and waits for the wire `next`, or has let it go: pause or
/// resume whoever sends on that.
void port_check_pause(Net *net, Hub *hub, const Packet *packet, int32_t next, int64_t now_ps);

#endif
