#include "engine/packet_spec.h"

#include <stddef.h>

#include "base/units.h"

const char *const CONTROL_NAMES[] = {
#define CONTROL_NAME(code, name, ops, keys) [code] = name,
    CONTROL_TABLE(CONTROL_NAME)
#undef CONTROL_NAME
        NULL};
const ControlKeys CONTROL_KEYS[] = {
#define CONTROL_KEYS_OF(code, name, ops, keys) [code] = keys,
    CONTROL_TABLE(CONTROL_KEYS_OF)
#undef CONTROL_KEYS_OF
};
const char *const MULTIPATH_NAMES[] = {[MULTIPATH_RANDOM] = "random",
                                       [MULTIPATH_TURNS] = "turns",
                                       [MULTIPATH_AVOIDING] = "avoiding",
                                       NULL};
const char *const FLOW_CONTROL_NAMES[] = {
    [FLOW_NONE] = "none", [FLOW_PFC] = "pfc", [FLOW_CREDITS] = "credits", NULL};
const char *const RECOVERY_NAMES[] = {
    [RECOVERY_SELECTIVE] = "selective-repeat", [RECOVERY_GO_BACK] = "go-back-n", NULL};
const char *const CNP_NAMES[] = {[CNP_SPACED] = "spaced", [CNP_WINDOWS] = "windows", NULL};
const char *const FORWARDING_NAMES[] = {
    [FORWARDING_CUT_THROUGH] = "cut-through", [FORWARDING_STORE] = "store-and-forward", NULL};

PacketSpec packet_default_spec(void) {
    return (PacketSpec){
        .mtu_bytes = PACKET_MTU_BYTES,
        .ack_bytes = PACKET_ACK_BYTES,
        .acks_every = PACKET_ACKS_EVERY,
        .candidates = PACKET_CANDIDATES,
        .paths = PACKET_PATHS,
        .buffer_bytes = PACKET_BUFFER_MB * INT64_C(1000000),
        .flow_control = FLOW_PFC,
        .credit_bytes = PACKET_CREDITS_KIB * INT64_C(1024),
        .pfc_share = PACKET_PFC_PERCENT / 100.0,
        .ecn_min_us = PACKET_ECN_MIN_US,
        .ecn_max_us = PACKET_ECN_MAX_US,
        .ecn_most = PACKET_ECN_PERCENT / 100.0,
        .drop_share = PACKET_DROP_PERCENT / 100.0,
        .reorder_packets = PACKET_REORDER,
        .timeout_ps = PACKET_TIMEOUT_US * PS_PER_US,
        .control = CONTROL_DCQCN,
        .gain = PACKET_GAIN,
        .alpha_ps = PACKET_ALPHA_US * PS_PER_US,
        .cut_ps = PACKET_CUT_US * PS_PER_US,
        .increase_ps = PACKET_INCREASE_US * PS_PER_US,
        .cnp_ps = PACKET_CNP_US * PS_PER_US,
        .add_share = PACKET_ADD_PERCENT / 100.0,
        .hyper_share = PACKET_HYPER_PERCENT / 100.0,
        .least_share = PACKET_LEAST_PERCENT / 100.0,
        .fast_steps = PACKET_FAST_STEPS,
        .counter_bytes = PACKET_ENDLESS_BYTES,
        .delay_ps = PACKET_DELAY_US * PS_PER_US,
        .window_share = PACKET_WINDOW_PERCENT / 100.0,
    };
}
