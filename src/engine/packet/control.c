#include "engine/packet/control.h"

#include <math.h>

static int32_t whole(double packets) { return packets < 1 ? 1 : (int32_t)packets; }

/// Packets that the line carries in a round trip.
static double line_packets(const PacketSpec *spec, int64_t line_Bps, int64_t trip_ps) {
    return (double)line_Bps * (double)trip_ps * 1e-12 / (double)spec->mtu_bytes;
}

void control_begin(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t trip_ps,
                   int64_t now_ps) {
    *control = (Control){.rate_Bps = (double)line_Bps,
                         .target_Bps = (double)line_Bps,
                         .alpha = 1,
                         .line_Bps = (double)line_Bps,
                         .alpha_ps = now_ps,
                         .cut_ps = INT64_MIN / 2,
                         .rise_ps = now_ps,
                         .trip_ps = trip_ps,
                         .window = INT32_MAX};
    if (!control_is_timed(spec)) return;
    const double trips = spec->control == CONTROL_NSCC ? 1.5 : 1;
    control->packets = trips * line_packets(spec, line_Bps, trip_ps);
    control->window = whole(control->packets);
}

static void rise(Control *control, const PacketSpec *spec, double line_Bps) {
    control->rises++;
    if (control->rises > spec->fast_steps) {
        const double share =
            control->rises > 2 * spec->fast_steps ? spec->hyper_share : spec->add_share;
        control->target_Bps += share * line_Bps;
        if (control->target_Bps > line_Bps) control->target_Bps = line_Bps;
    }
    control->rate_Bps = (control->rate_Bps + control->target_Bps) / 2;
}

static void decay(Control *control, const PacketSpec *spec, int64_t now_ps) {
    for (; control->alpha_ps + spec->alpha_ps <= now_ps && control->alpha > 1e-9;
         control->alpha_ps += spec->alpha_ps)
        control->alpha *= 1 - spec->gain;
    if (control->alpha <= 1e-9) control->alpha_ps = now_ps;
}

void control_until(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps) {
    if (spec->control != CONTROL_DCQCN || control->rate_Bps >= (double)line_Bps) return;
    for (; control->rise_ps + spec->increase_ps <= now_ps; control->rise_ps += spec->increase_ps)
        rise(control, spec, (double)line_Bps);
}

// DCQCN: told of congestion.

static void notice(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps) {
    control_until(control, spec, line_Bps, now_ps);
    decay(control, spec, now_ps);
    control->alpha = (1 - spec->gain) * control->alpha + spec->gain;
    control->alpha_ps = now_ps;
    if (now_ps - control->cut_ps < spec->cut_ps) return;
    control->cut_ps = now_ps;
    control->target_Bps = control->rate_Bps;
    control->rate_Bps *= 1 - control->alpha / 2;
    if (control->rate_Bps < spec->least_share * (double)line_Bps)
        control->rate_Bps = spec->least_share * (double)line_Bps;
    control->cuts++;
    control->rises = 0;
    control->rise_ps = now_ps;
}

// Windows.

/// At most once a round trip, and by no more than may be lost.
static void shrink(Control *control, const PacketSpec *spec, double by, const Heard *heard) {
    if (heard->now_ps - control->cut_ps < heard->trip_ps) return;
    control->cut_ps = heard->now_ps;
    control->packets *= 1 - (by < spec->window_share ? by : spec->window_share);
}

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

static void hear_window(Control *control, const PacketSpec *spec, const Heard *heard) {
    const double beta = 0.8, delay_ps = (double)(heard->trip_ps - control->trip_ps),
                 above_ps = delay_ps - target_ps(control, spec);
    if (above_ps < 0)
        control->packets += heard->packets / control->packets;
    else
        shrink(control, spec, beta * above_ps / delay_ps, heard);
}

static void hear_nscc(Control *control, const PacketSpec *spec, const Heard *heard) {
    const double gain = 4, fair = 0.25, gamma = 0.8, share = 1.0 / 80;
    const double delay_ps = (double)(heard->trip_ps - control->trip_ps),
                 most_ps = (double)spec->delay_ps;
    control->mean_ps += share * (delay_ps - control->mean_ps);
    if (!heard->marked) {
        const double left = delay_ps < most_ps ? gain * (most_ps - delay_ps) / most_ps : fair;
        control->packets += left * heard->packets / control->packets;
    } else if (delay_ps >= most_ps && control->mean_ps > most_ps) {
        shrink(control, spec, gamma * (control->mean_ps - most_ps) / control->mean_ps, heard);
    }
}

static void hear_trip(Control *control, const PacketSpec *spec, int64_t line_Bps,
                      const Heard *heard) {
    if (heard->trip_ps < control->trip_ps) control->trip_ps = heard->trip_ps;
    if (spec->control == CONTROL_NSCC)
        hear_nscc(control, spec, heard);
    else
        hear_window(control, spec, heard);
    const double most = 1.5 * line_packets(spec, line_Bps, control->trip_ps + spec->delay_ps);
    if (control->packets > most) control->packets = most;
    if (control->packets < 1) control->packets = 1;
    control->window = whole(control->packets);
}

void control_hear(Control *control, const PacketSpec *spec, int64_t line_Bps, const Heard *heard) {
    if (control_is_timed(spec)) {
        if (heard->trip_ps >= 0) hear_trip(control, spec, line_Bps, heard);
    } else if (spec->control == CONTROL_DCQCN && heard->marked) {
        notice(control, spec, line_Bps, heard->now_ps);
    }
}
