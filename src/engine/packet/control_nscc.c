// A window by delay and marks, as the sender of Ultra Ethernet, see control.h.
#include "engine/packet/control_ops.h"

static void trip(Control *control, const PacketSpec *spec, const Heard *heard) {
    const double gain = 4, fair = 0.25, gamma = 0.8, share = 1.0 / 80;
    const double delay_ps = (double)(heard->trip_ps - control->trip_ps),
                 most_ps = (double)spec->delay_ps;
    control->mean_ps += share * (delay_ps - control->mean_ps);
    if (!heard->marked) {
        const double left = delay_ps < most_ps ? gain * (most_ps - delay_ps) / most_ps : fair;
        control->packets += left * heard->packets / control->packets;
    } else if (delay_ps >= most_ps && control->mean_ps > most_ps) {
        control_shrink(control, spec, gamma * (control->mean_ps - most_ps) / control->mean_ps,
                       heard);
    }
}

const ControlOps CONTROL_nscc = {.timed = true, .trips = 1.5, .trip = trip};
