#include "engine/packet/control.h"

const char *const CONTROL_NAMES[] = {
    [CONTROL_NONE] = "none", [CONTROL_DCQCN] = "dcqcn", [CONTROL_WINDOW] = "window", NULL};
const char *const RECOVERY_NAMES[] = {
    [RECOVERY_SELECTIVE] = "selective-repeat", [RECOVERY_GO_BACK] = "go-back-n", NULL};
const char *const FORWARDING_NAMES[] = {
    [FORWARDING_CUT_THROUGH] = "cut-through", [FORWARDING_STORE] = "store-and-forward", NULL};

PacketSpec packet_default_spec(void) {
    return (PacketSpec){
        .mtu_bytes = 4096,
        .ack_bytes = 64,
        .acks_every = 4,
        .candidates = 4,
        .buffer_bytes = 64 << 20,
        .pfc = true,
        .pfc_share = 0.125,
        .ecn_min_us = 16,
        .ecn_max_us = 64,
        .ecn_most = 0.2,
        .drop_share = 1,
        .reorder_packets = 128,
        .timeout_ps = 1000000000,
        .control = CONTROL_DCQCN,
        .gain = 1.0 / 256,
        .alpha_ps = 50000000,
        .cut_ps = 50000000,
        .increase_ps = 55000000,
        .cnp_ps = 50000000,
        .add_share = 5.0 / 25000,
        .hyper_share = 50.0 / 25000,
        .least_share = 0.001,
        .fast_steps = 1,
        .delay_ps = 10000000,
        .window_share = 0.5,
    };
}

void control_begin(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps) {
    (void)spec;
    *control = (Control){.rate_Bps = (double)line_Bps,
                         .target_Bps = (double)line_Bps,
                         .alpha = 1,
                         .alpha_ps = now_ps,
                         .cut_ps = INT64_MIN / 2,
                         .rise_ps = now_ps,
                         .window = INT32_MAX};
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

void control_notice(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps) {
    if (spec->control != CONTROL_DCQCN) return;
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
    control->rises = 0;
    control->rise_ps = now_ps;
}
