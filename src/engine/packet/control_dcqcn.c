// DCQCN, see control.h.
#include "engine/packet/control_ops.h"

/// What the target rises by, as a share of the line rate.
static double rise_share(const Control *control, const PacketSpec *spec) {
    const int32_t fast = spec->fast_steps, by_time = control->rises - fast,
                  by_bytes = control->byte_rises - fast;
    if (by_time <= 0 && by_bytes <= 0) return 0;
    if (spec->counter_bytes == PACKET_ENDLESS_BYTES)
        return by_time > fast ? spec->hyper_share : spec->add_share;
    const int32_t both = by_time < by_bytes ? by_time : by_bytes;
    return both > 0 ? both * spec->hyper_share : spec->add_share;
}

static void rise(Control *control, const PacketSpec *spec, double line_Bps) {
    control->target_Bps += rise_share(control, spec) * line_Bps;
    if (control->target_Bps > line_Bps) control->target_Bps = line_Bps;
    control->rate_Bps = (control->rate_Bps + control->target_Bps) / 2;
}

static void decay(Control *control, const PacketSpec *spec, int64_t now_ps) {
    for (; control->alpha_ps + spec->alpha_ps <= now_ps && control->alpha > 1e-9;
         control->alpha_ps += spec->alpha_ps)
        control->alpha *= 1 - spec->gain;
    if (control->alpha <= 1e-9) control->alpha_ps = now_ps;
}

static void until(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps) {
    for (; control->rise_ps + spec->increase_ps <= now_ps; control->rise_ps += spec->increase_ps) {
        control->rises++;
        rise(control, spec, (double)line_Bps);
    }
}

static void send(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps,
                 int32_t bytes) {
    until(control, spec, line_Bps, now_ps);
    control->counted_bytes += bytes;
    if (control->counted_bytes < spec->counter_bytes) return;
    control->counted_bytes = 0;
    control->byte_rises++;
    rise(control, spec, (double)line_Bps);
}

/// Told of congestion.
static void hear(Control *control, const PacketSpec *spec, int64_t line_Bps, const Heard *heard) {
    const int64_t now_ps = heard->now_ps;
    if (!heard->marked) return;
    if (control->rate_Bps < (double)line_Bps) until(control, spec, line_Bps, now_ps);
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
    control->rises = control->byte_rises = 0;
    control->counted_bytes = 0;
    control->rise_ps = now_ps;
}

const ControlOps CONTROL_dcqcn = {.send = send, .hear = hear};
