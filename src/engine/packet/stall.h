/// stall.h: pauses that wait for each other in a circle, so that none of them ever ends.
///
/// Idea.    A pause ends when enough of what came over its wire has left the switch. It never does if what it waits for waits for
///          paused ports too, all the way round. That is found by supposing the best: all that waits at ports that may send
///          leaves at once. A pause that this can end is taken for ended, and so on until nothing more ends. What is left then
///          is paused for good, whatever else comes, since more that comes only fills the switches. Among them each
///          waits for the one at whose port most of it waits, which leads into a circle.
///
///              leaf 0 ---> leaf 1 ---> leaf 2 ---> leaf 0 ...    what is full at each is for the next
///
///          It is looked for once a STALL_PERIOD_PS while a port is paused, among pauses that have lasted so long: others will
///          be found the next time. Ranks gather those, and what holds them up, and all come to the same.
/// Limits.  A cable that is to die later, which would break the circle, is not waited for. Switches may have watchdogs that
///          drop what waits for so long (100 ms and more); there are none here.
/// Source.  Dally and Seitz, "Deadlock-free message routing in multiprocessor interconnection networks", IEEE ToC 1987; Guo et
///          al., "RDMA over commodity Ethernet at scale", SIGCOMM 2016 (a deadlock of pauses met in production); reduction of
///          the graph of who waits: Holt, "Some deadlock properties of computer systems", 1972.
#ifndef COLOSSIM_ENGINE_PACKET_STALL_H
#define COLOSSIM_ENGINE_PACKET_STALL_H

#include "base/status.h"
#include "engine/packet/net.h"

#define STALL_PERIOD_PS PS_PER_MS

/// When this rank wants to look, if it is now_ps and all is played up to then; TIME_NEVER_PS: no port of its own is paused.
int64_t stall_look_ps(const Net *net, int64_t now_ps);
/// It is then: STATUS_STUCK names the circle, if there is one, alike on all ranks.   MPI: collective.
Status stall_look(const Net *net, int64_t now_ps);

#endif
