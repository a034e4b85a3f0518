/// packet_engine.h: every packet, hop by hop: conservative parallel discrete events behind engine.h.
///
/// Idea.    See net.h for the machine and hubs.h for what is done where. Windows as wide as the shortest wire are played hub by
///          hub; a window ends earlier where the driver, a sampling interval or a change of the cluster wants it, and windows
///          without events are skipped. What a transfer is in packets: plays.h.
///          A transfer's alone-time is that of engine.h and what its wires store of the last packet: a path of its own takes
///          just that, if switches do not pause and nothing else is under way. Pauses that never end: stall.h.
/// Terms.   hub, wire    net.h
///          queue pair   a part of an edge, one after the other over its own path
///          hop          a packet that has come to the end of a wire
/// Limits.  Refused: a cluster whose cables and switches take no time. A NIC of several ports is as fast as its ports are
///          together, and its own link carries nothing. A scale-up domain takes no less than a window each way.
#ifndef COLOSSIM_ENGINE_PACKET_PACKET_ENGINE_H
#define COLOSSIM_ENGINE_PACKET_PACKET_ENGINE_H

#include "engine/engine.h"

#define PACKET_NAME "packet"

extern const EngineOps PACKET_ENGINE;

/// For benchmarks and tests.
typedef struct PacketCounts {
    int64_t hops, packets, acks, reordered, notices, windows;
    int64_t drops, trims, resent, timeouts; ///< packets that were lost, shortened, sent again
    int64_t skipped;                        ///< packets that were passed over (skip.h)
    int64_t held_most;                      ///< bytes, of any switch when a wire was paused
} PacketCounts;
PacketCounts packet_counts(const Engine *engine);

#endif
