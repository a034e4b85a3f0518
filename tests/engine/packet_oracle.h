/// packet_oracle.h: what the packet engine should say, by the plainest simulation there is.
///
/// Idea.    One event after the other from one heap, one packet an event: no windows, no hubs, no queues shared by packets
///          under way, nothing asked for later. Paths are routing_path's, what links carry is the cluster's; all else is
///          written down here once more, from the texts of engine/packet and packet_spec.h:
///            - a port sends control before data, each first come, first served, and data only while it is not paused;
///            - a packet goes on when its last bit is there (store), or its first (cut-through), but not into a faster link;
///            - a NIC sends the packets of its queue pairs in turn, beside those it relays;
///            - a switch pauses a link that takes more than its share of the free buffer, until it takes less.
///          At one moment all arrivals come before all that begins to go.
/// Limits.  Bound paths alone (ecmp, dmodk), no marks, no rate control, nothing lost; acknowledgements take no time. Links
///          stay as they are.
#ifndef COLOSSIM_TESTS_ENGINE_PACKET_ORACLE_H
#define COLOSSIM_TESTS_ENGINE_PACKET_ORACLE_H

#include "engine/engine.h"

typedef struct Oracle Oracle;

Oracle *oracle_create(const Cluster *cluster, const PacketSpec *spec);
void oracle_destroy(Oracle *oracle);
/// All of them before oracle_play, by rising tag from 0.
void oracle_submit(Oracle *oracle, const Transfer *transfer);
void oracle_play(Oracle *oracle);
int64_t oracle_end_ps(const Oracle *oracle, int64_t tag);
int64_t oracle_bytes(const Oracle *oracle, LinkId link);
/// Times that a link was paused.
int64_t oracle_pauses(const Oracle *oracle, LinkId link);
/// Moments at which two packets came to one queue, or, where switches pause, to one switch or left it: the first of them; TIME_NEVER_PS: none.
int64_t oracle_tie_ps(const Oracle *oracle);

#endif
