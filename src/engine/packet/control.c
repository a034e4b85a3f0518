#include "engine/packet/control_ops.h"

const ControlOps CONTROL_line_rate = {0};

const ControlOps *const CONTROL_OPS[] = {
#define CONTROL_ROW(code, name, ops, keys) [code] = &CONTROL_##ops,
    CONTROL_TABLE(CONTROL_ROW)
#undef CONTROL_ROW
};

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
    const double trips = CONTROL_OPS[spec->control]->trips;
    if (trips <= 0) return;
    control->packets = trips * line_packets(spec, line_Bps, trip_ps);
    control->window = whole(control->packets);
}

static void hear_trip(Control *control, const PacketSpec *spec, int64_t line_Bps,
                      const Heard *heard) {
    if (heard->trip_ps < control->trip_ps) control->trip_ps = heard->trip_ps;
    CONTROL_OPS[spec->control]->trip(control, spec, heard);
    const double most = 1.5 * line_packets(spec, line_Bps, control->trip_ps + spec->delay_ps);
    if (control->packets > most) control->packets = most;
    if (control->packets < 1) control->packets = 1;
    control->window = whole(control->packets);
}

void control_hear(Control *control, const PacketSpec *spec, int64_t line_Bps, const Heard *heard) {
    const ControlOps *ops = CONTROL_OPS[spec->control];
    if (ops->hear) ops->hear(control, spec, line_Bps, heard);
    if (ops->trip && heard->trip_ps >= 0) hear_trip(control, spec, line_Bps, heard);
}
