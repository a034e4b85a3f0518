// A window by delay, as Swift, see control.h.
#include <math.h>

#include "engine/packet/control_ops.h"

/// The queueing delay that a window aims at: more if it is small, whatever a packet is here; Swift's own target has the round
/// trip in it.
static double target_ps(const Control *control, const PacketSpec *spec) {
    const double range = 5, least = 0.1, most = 100,
                 slope = range / (1 / sqrt(least) - 1 / sqrt(most));
    const double packets = control->packets * (double)spec->mtu_bytes / PACKET_MTU_BYTES,
                 more = slope * (1 / sqrt(packets) - 1 / sqrt(most));
    const double base_ps = (double)spec->delay_ps;
    return base_ps + (more > 0 ? more * ((double)control->trip_ps + base_ps) : 0);
}

static void trip(Control *control, const PacketSpec *spec, const Heard *heard) {
    const double beta = 0.8, delay_ps = (double)(heard->trip_ps - control->trip_ps),
                 above_ps = delay_ps - target_ps(control, spec);
    if (above_ps < 0)
        control->packets += heard->packets / control->packets;
    else
        control_shrink(control, spec, beta * above_ps / delay_ps, heard);
}

const ControlOps CONTROL_window = {.timed = true, .trips = 1, .trip = trip};
