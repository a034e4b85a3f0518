#include "config/packet_part.h"

#include "base/units.h"
#include "engine/packet_spec.h"

/// A default as the engine has it (packet_spec.h).
#define TEXT_OF_TOKEN(token) #token
#define TEXT_OF(macro) TEXT_OF_TOKEN(macro)
#define SHARE_AT(k, m, standard, most, text) \
    FIELD_QUANTITY_AT(k, PacketSpec, m, QUANTITY_FRACTION, TEXT_OF(standard) " %", 0, most, text)
#define EVERY_AT(k, m, standard, least_ps, text)                                          \
    FIELD_QUANTITY_AT(k, PacketSpec, m, QUANTITY_TIME, TEXT_OF(standard) " us", least_ps, \
                      PS_PER_S, text)

static const Field DCQCN_FIELDS[] = {
    FIELD_NUMBER_AT("gain", PacketSpec, gain, TEXT_OF(PACKET_GAIN), 0.0001, 1,
                    "g: weight of a notification in alpha"),
    EVERY_AT("alpha_every", alpha_ps, PACKET_ALPHA_US, 100 * PS_PER_NS,
             "alpha decays while no notification comes"),
    EVERY_AT("cut_every", cut_ps, PACKET_CUT_US, 0, "a rate is cut at most"),
    EVERY_AT("increase_every", increase_ps, PACKET_INCREASE_US, 100 * PS_PER_NS,
             "a rate rises while no notification comes"),
    EVERY_AT("cnp_every", cnp_ps, PACKET_CNP_US, 0, "a receiver notifies a queue pair at most"),
    FIELD_ENUM_AT("cnp", PacketSpec, cnp, CNP_NAMES, "spaced",
                  "notifications: so far apart, or one in each window of that"),
    SHARE_AT("increase", add_share, PACKET_ADD_PERCENT, 1, "of the line rate"),
    SHARE_AT("hyper_increase", hyper_share, PACKET_HYPER_PERCENT, 1,
             "of the line rate, after twice fast_steps"),
    SHARE_AT("least_rate", least_share, PACKET_LEAST_PERCENT, 1, "of the line rate"),
    FIELD_COUNT_AT("fast_steps", PacketSpec, fast_steps, TEXT_OF(PACKET_FAST_STEPS), 0, 1000,
                   "increases that halve the way back before the target rises"),
    FIELD_QUANTITY_OR_WORD_AT("byte_counter", PacketSpec, counter_bytes, QUANTITY_SIZE, "off",
                              PACKET_ENDLESS_BYTES, TEXT_OF(PACKET_COUNTER), 1,
                              PACKET_ENDLESS_BYTES,
                              "a rate rises each time that so much was sent, too"),
};
static const Schema DCQCN_SCHEMA = {.name = "dcqcn",
                                    .field = DCQCN_FIELDS,
                                    .nfields = FIELDS_N(DCQCN_FIELDS),
                                    .bytes = sizeof(PacketSpec)};

static const Field WINDOW_FIELDS[] = {
    EVERY_AT("delay", delay_ps, PACKET_DELAY_US, 100 * PS_PER_NS, "queueing delay aimed at"),
    SHARE_AT("most", window_share, PACKET_WINDOW_PERCENT, 1,
             "of the window, lost at most in a round trip"),
};
static const Schema WINDOW_SCHEMA = {.name = "window",
                                     .field = WINDOW_FIELDS,
                                     .nfields = FIELDS_N(WINDOW_FIELDS),
                                     .bytes = sizeof(PacketSpec)};

static const Field PACKET_FIELDS[] = {
    FIELD_QUANTITY_AT("mtu", PacketSpec, mtu_bytes, QUANTITY_SIZE, TEXT_OF(PACKET_MTU_BYTES) " B",
                      PACKET_MTU_LEAST, PACKET_MTU_MOST, "payload of a packet"),
    FIELD_QUANTITY_AT("ack", PacketSpec, ack_bytes, QUANTITY_SIZE, TEXT_OF(PACKET_ACK_BYTES) " B",
                      0, PACKET_MTU_MOST, "of an acknowledgement on the wire"),
    FIELD_COUNT_AT("acks_every", PacketSpec, acks_every, TEXT_OF(PACKET_ACKS_EVERY), 1, 1000000,
                   "packets; the last, and those that notify, are always acknowledged"),
    FIELD_ENUM_AT("forwarding", PacketSpec, forwarding, FORWARDING_NAMES, "cut-through",
                  "of switches; cut-through where no faster link leads on"),
    FIELD_COUNT_AT("candidates", PacketSpec, candidates, TEXT_OF(PACKET_CANDIDATES), 1,
                   PACKET_CANDIDATES_MOST, "links that adaptive routing compares for a packet"),
    FIELD_ENUM_AT("multipath", PacketSpec, multipath, MULTIPATH_NAMES, "random",
                  "of routing spray: switches draw, or the sender says which way"),
    FIELD_COUNT_AT("paths", PacketSpec, paths, TEXT_OF(PACKET_PATHS), 1, PACKET_PATHS_MOST,
                   "values of a queue pair, by which its sender says it"),
    FIELD_QUANTITY_OR_WORD_AT("buffer", PacketSpec, buffer_bytes, QUANTITY_SIZE, "endless",
                              PACKET_ENDLESS_BYTES, TEXT_OF(PACKET_BUFFER_MB) " MB", 1,
                              PACKET_ENDLESS_BYTES, "of a switch, shared by its ports"),
    FIELD_ENUM_AT("flow_control", PacketSpec, flow_control, FLOW_CONTROL_NAMES, "pfc",
                  "pauses, credits, or none: what finds no room is lost"),
    FIELD_QUANTITY_AT("credits", PacketSpec, credit_bytes, QUANTITY_SIZE,
                      TEXT_OF(PACKET_CREDITS_KIB) " KiB", 1, PACKET_CREDITS_MOST,
                      "of flow_control credits: a switch keeps that for each link to it"),
    SHARE_AT("pfc_share", pfc_share, PACKET_PFC_PERCENT, 100,
             "of the free buffer: what came over one link may take that"),
    SHARE_AT("drop_share", drop_share, PACKET_DROP_PERCENT, 100,
             "without flow control, of the free buffer: what waits for one link may take that"),
    FIELD_BOOL_AT("trim", PacketSpec, trim, "off", "what finds no room is cut to a header"),
    FIELD_BOOL_AT("skip", PacketSpec, skip, "off", "steady phases are passed over, not played"),
    SHARE_AT("loss", loss_share, 0, 0.5, "of packets, that each link into a switch loses"),
    FIELD_ENUM_AT("recovery", PacketSpec, recovery, RECOVERY_NAMES, "selective-repeat",
                  "of what is lost on a path of a queue pair's own"),
    FIELD_COUNT_AT("reorder", PacketSpec, reorder_packets, TEXT_OF(PACKET_REORDER), 1, 1000000,
                   "packets: on spread paths one is lost when one so far behind it has come"),
    EVERY_AT("timeout", timeout_ps, PACKET_TIMEOUT_US, PS_PER_US,
             "without acknowledgement, until all is sent again"),
    FIELD_QUANTITY_AT("ecn_min", PacketSpec, ecn_min_us, QUANTITY_QUEUE,
                      TEXT_OF(PACKET_ECN_MIN_US) " us", 0, 1e6,
                      "Kmin: packets are marked in queues that take longer"),
    FIELD_QUANTITY_AT("ecn_max", PacketSpec, ecn_max_us, QUANTITY_QUEUE,
                      TEXT_OF(PACKET_ECN_MAX_US) " us", 0, 1e6, "Kmax: beyond it, all are"),
    SHARE_AT("ecn_most", ecn_most, PACKET_ECN_PERCENT, 1, "Pmax: of packets, marked at Kmax"),
    FIELD_ENUM_AT("control", PacketSpec, control, CONTROL_NAMES, "dcqcn", "what slows senders"),
    FIELD_PART("dcqcn", PacketSpec, &DCQCN_SCHEMA, "", "of control dcqcn"),
    FIELD_PART("window", PacketSpec, &WINDOW_SCHEMA, "", "of controls window and nscc"),
};
static void finish_packet(Reader *reader, const Node *node, void *data) {
    const PacketSpec *packet = data;
    if (packet->ecn_max_us < packet->ecn_min_us)
        reader_error(reader, node, node_get(node, "ecn_max") ? "ecn_max" : "ecn_min",
                     "ecn_max is below ecn_min");
    if (packet->flow_control == FLOW_CREDITS && packet->credit_bytes < packet->mtu_bytes)
        reader_error(reader, node, node_get(node, "credits") ? "credits" : "mtu",
                     "no packet of %lld B has as many credits: none would ever go on",
                     (long long)packet->mtu_bytes);
    if (packet->flow_control == FLOW_NONE && !packet_has_room(packet))
        reader_error(reader, node,
                     node_get(node, "buffer")       ? "buffer"
                     : node_get(node, "drop_share") ? "drop_share"
                                                    : "mtu",
                     "one port may have less of the buffer than a packet of %lld B: none would "
                     "ever go on",
                     (long long)packet->mtu_bytes);
}
const Schema packet_schema = {.name = "packet",
                              .field = PACKET_FIELDS,
                              .nfields = FIELDS_N(PACKET_FIELDS),
                              .bytes = sizeof(PacketSpec),
                              .finish = finish_packet};
