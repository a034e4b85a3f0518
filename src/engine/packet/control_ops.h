/// control_ops.h: what a control is: its parameters and functions. One file of ops and one row of CONTROL_TABLE (packet_spec.h)
/// make a new one.
///
/// Idea.    A control changes a rate, a window, or both, when it hears something; a rate that is below that of the line also
///          when a packet is about to be sent. It is asked once an acknowledgement, and once a packet where a rate has been
///          cut, never at a hop.
#ifndef COLOSSIM_ENGINE_PACKET_CONTROL_OPS_H
#define COLOSSIM_ENGINE_PACKET_CONTROL_OPS_H

#include "engine/packet/control.h"

#define CONTROL_OF(code, name, ops, keys) extern const ControlOps CONTROL_##ops;
CONTROL_TABLE(CONTROL_OF)
#undef CONTROL_OF

/// Make a window smaller by this share of it, at most once a round trip, and by no more than may be lost.
static inline void control_shrink(Control *control, const PacketSpec *spec, double by,
                                  const Heard *heard) {
    if (heard->now_ps - control->cut_ps < heard->trip_ps) return;
    control->cut_ps = heard->now_ps;
    control->packets *= 1 - (by < spec->window_share ? by : spec->window_share);
}

#endif
