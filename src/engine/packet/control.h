/// control.h: how fast a queue pair may send, as it learns of congestion.
///
/// Idea.    Whatever control it is, it sets a rate and a window. DCQCN: a notification cuts the rate by alpha / 2, at most
///          every cut_ps; alpha decays while none come; the rate rises by halving the distance to its target, then the target
///          by add_share, later by hyper_share. All of that by timers, which are caught up with when a packet is sent or
///          a notification comes: in between a rate decides nothing. Window: the time an acknowledgement took beyond that of an
///          idle path is held against delay_ps, and the window shrinks or grows by it once a round trip.
/// Limits.  DCQCN's byte counter is left out: at 400 Gb/s 10 MB take 200 us, and the timer of 55 us is first. With an adapter's
///          2 MB and 300 us the counter would be, and rates would rise seven times as fast.
/// Source.  See packet_spec.h; Kumar et al., "Swift: delay is simple and effective", SIGCOMM 2020.
#ifndef COLOSSIM_ENGINE_PACKET_CONTROL_H
#define COLOSSIM_ENGINE_PACKET_CONTROL_H

#include "engine/packet/plays.h"

void control_begin(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps);
/// A packet is about to be sent: what has changed until now.
void control_until(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps);
/// The sender is told of congestion.
void control_notice(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps);

#endif
