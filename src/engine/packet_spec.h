/// packet_spec.h: what the packet engine is told of switches, NICs and transport beside the cluster, and the standard of that.
///
/// Idea.    The standard of each figure is one macro here, in the unit that people write it in: configuration files
///          (config/packet_part.c) make their defaults of the same macros.
/// Source.  ECN marking and DCQCN: Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015 (the
///          paper). Its figures at today's rates: those of HPCC (Li et al., SIGCOMM 2019; its run script and sample
///          configuration), of SimAI (its sample configuration), and of NVIDIA's adapters (DOCA, "DCQCN CC parameters").
///          DCQCN's times belong together: alpha that decays every microsecond forgets a notification before the next, which
///          comes 50 us later, and equal flows that begin 50 us after each other stay unequal (Jain 0.70); at the times of
///          HPCC's "dcqcn_paper", the standard here, they are equal (0.997).
///          PFC: IEEE 802.1Qbb; credits: InfiniBand specification, 7.9; dynamic thresholds: Choudhury and Hahne, ToN
///          1998. Where figures go by the rate of a link, as in HPCC's script, they are times or shares of it here.
#ifndef COLOSSIM_ENGINE_PACKET_SPEC_H
#define COLOSSIM_ENGINE_PACKET_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/// The largest of RoCE and InfiniBand. HPCC sends 1,000 bytes, SimAI 9,000.
#define PACKET_MTU_BYTES 4096
/// The least frame of Ethernet.
#define PACKET_ACK_BYTES 64
/// Assumed: adapters join acknowledgements; HPCC and SimAI acknowledge each packet.
#define PACKET_ACKS_EVERY 4
/// Assumed: two do most of what any number can (Mitzenmacher, "The power of two choices", 2001).
#define PACKET_CANDIDATES 4
/// HPCC's script has 16 MB where NICs have 50 Gb/s, and goes by their rate: at 400 Gb/s. A Spectrum-4 has 160 MB.
#define PACKET_BUFFER_MB 128
/// Assumed: what 400 Gb/s carry in 5 us, longer than what credits of a link of 300 m take to come back.
#define PACKET_CREDITS_KIB 256
/// htsim's UEC: 64 path ids. Packets have six bits for them.
#define PACKET_PATHS 64
/// HPCC and SimAI: what is free, shifted by 3.
#define PACKET_PFC_PERCENT 12.5
/// SimAI at 400 Gb/s: 800 and 3,200 KB, 20 %. HPCC's script has twice the time, 100 and 400 KB at 25 Gb/s, which conweave-ns3
/// calls too large.
#define PACKET_ECN_MIN_US 16
#define PACKET_ECN_MAX_US 64
#define PACKET_ECN_PERCENT 20
/// Assumed: as much as waits elsewhere too.
#define PACKET_DROP_PERCENT 100
/// Assumed.
#define PACKET_REORDER 128
#define PACKET_TIMEOUT_US 1000
/// g: 1/256 in the paper, HPCC and SimAI; adapters 5/1024.
#define PACKET_GAIN 0.00390625
/// HPCC's "dcqcn_paper". Adapters 1, 4, 300 and 4; HPCC's "dcqcn" 1, 4 and 300, SimAI 1, 4 and 900, both with a notification in
/// every acknowledgement.
#define PACKET_ALPHA_US 50
#define PACKET_CUT_US 50
#define PACKET_INCREASE_US 55
#define PACKET_CNP_US 50
/// HPCC: 5 and 50 Mb/s at 25 Gb/s. Adapters have as much at any rate.
#define PACKET_ADD_PERCENT 0.02
#define PACKET_HYPER_PERCENT 0.2
/// HPCC's sample: 100 Mb/s at 100 Gb/s.
#define PACKET_LEAST_PERCENT 0.1
/// Adapters, HPCC and SimAI; the paper 5.
#define PACKET_FAST_STEPS 1
/// HPCC and SimAI; the paper 10 MB.
#define PACKET_COUNTER off
/// Assumed.
#define PACKET_DELAY_US 10
/// Swift, as csg-htsim has it.
#define PACKET_WINDOW_PERCENT 50

/// What a switch does with a packet that has begun to arrive.
typedef enum Forwarding { FORWARDING_CUT_THROUGH, FORWARDING_STORE } Forwarding;
extern const char *const FORWARDING_NAMES[]; ///< then NULL

#define PACKET_ENDLESS_BYTES (INT64_C(1) << 50)

/// What decides on the way of each packet of spread paths: switches, at random; the sender, by values that they hash, in turn; or
/// that, but for values of which packets were marked, which give way to others (packet/entropy.h).
typedef enum Multipath { MULTIPATH_RANDOM, MULTIPATH_TURNS, MULTIPATH_AVOIDING } Multipath;
extern const char *const MULTIPATH_NAMES[]; ///< then NULL

/// What keeps buffers of switches from running over: pauses (PFC), credits (InfiniBand), or nothing: then what finds no room is
/// dropped.
typedef enum FlowControl { FLOW_NONE, FLOW_PFC, FLOW_CREDITS } FlowControl;
extern const char *const FLOW_CONTROL_NAMES[]; ///< then NULL

/// Which of the keys below a control has parameters in.
typedef enum ControlKeys { CONTROL_KEYS_NONE, CONTROL_KEYS_DCQCN, CONTROL_KEYS_WINDOW } ControlKeys;

/// What slows a sender down: code, name, its functions (packet/control_ops.h), its keys. None: it sends at line rate. Window: by
/// delay, as Swift. NSCC: by delay and marks, as Ultra Ethernet's sender.
#define CONTROL_TABLE(X)                                     \
    X(CONTROL_NONE, "none", line_rate, CONTROL_KEYS_NONE)    \
    X(CONTROL_DCQCN, "dcqcn", dcqcn, CONTROL_KEYS_DCQCN)     \
    X(CONTROL_WINDOW, "window", window, CONTROL_KEYS_WINDOW) \
    X(CONTROL_NSCC, "nscc", nscc, CONTROL_KEYS_WINDOW)

typedef enum RateControl {
#define CONTROL_CODE(code, name, ops, keys) code,
    CONTROL_TABLE(CONTROL_CODE)
#undef CONTROL_CODE
} RateControl;
extern const char *const CONTROL_NAMES[]; ///< then NULL
extern const ControlKeys CONTROL_KEYS[];

/// When a receiver tells of marks: at once, unless it has within cnp_ps; or once in each window of cnp_ps that has some, however
/// near to that of the window before.
typedef enum CnpTiming { CNP_SPACED, CNP_WINDOWS } CnpTiming;
extern const char *const CNP_NAMES[]; ///< then NULL

/// What a receiver does with packets behind a gap: it keeps them, or has all sent again from the gap on.
typedef enum Recovery { RECOVERY_SELECTIVE, RECOVERY_GO_BACK } Recovery;
extern const char *const RECOVERY_NAMES[]; ///< then NULL

typedef struct PacketSpec {
    int64_t mtu_bytes;  ///< payload of a full packet, PACKET_MTU_LEAST .. PACKET_MTU_MOST
    int64_t ack_bytes;  ///< of an acknowledgement on the wire
    int32_t acks_every; ///< packets; marked packets and the last of a round are always acknowledged
    Forwarding forwarding;
    int32_t candidates;  ///< links that adaptive routing compares for a packet
    Multipath multipath; ///< where routing sprays
    int32_t paths;       ///< values of a queue pair, 1 .. PACKET_PATHS_MOST
    int64_t
        buffer_bytes; ///< of a switch, shared by its ports; PACKET_ENDLESS_BYTES: as much as it takes
    FlowControl flow_control;
    int64_t
        credit_bytes; ///< with credits: of what a switch keeps for each link that leads to it, not of buffer_bytes
    double pfc_share;              ///< of the free buffer, that what came over one link may take
    double ecn_min_us, ecn_max_us; ///< Kmin and Kmax, as time of the link that they fill
    double ecn_most;               ///< share of packets marked at Kmax; beyond it all are
    double drop_share; ///< without PFC: of the free buffer, that what waits for one link may take
    bool trim;         ///< what finds no room is cut to a header, not dropped
    bool skip;         ///< steady phases are passed over (packet/skip.h)
    double loss_share; ///< of packets, that each link into a switch loses
    Recovery recovery; ///< on paths of a queue pair's own; on spread ones receivers always keep
    int32_t reorder_packets; ///< on spread paths one is lost when one so far behind it has come
    int64_t timeout_ps;      ///< without acknowledgement, until all is sent again
    RateControl control;
    // DCQCN
    double gain; ///< g
    int64_t alpha_ps, cut_ps,
        increase_ps; ///< alpha is updated, rates are cut at most, and rise, so often
    int64_t cnp_ps;  ///< least time between notifications of one queue pair, or windows of it
    CnpTiming cnp;
    double add_share, hyper_share, least_share; ///< of the line rate: increases, and the least rate
    int32_t fast_steps;                         ///< increases that halve the distance to the target
    int64_t
        counter_bytes; ///< a rate rises each time that so much was sent, too; PACKET_ENDLESS_BYTES: not
    // window
    int64_t delay_ps;    ///< queueing delay aimed at
    double window_share; ///< of the window, lost at most in a round trip
} PacketSpec;

enum {
    PACKET_MTU_LEAST = 64,
    PACKET_MTU_MOST = 1 << 20,
    PACKET_CANDIDATES_MOST = 8,
    PACKET_PATHS_MOST = 64,
    PACKET_CREDITS_MOST = 1 << 30,
    PACKET_NUMBERS_MOST = INT32_MAX ///< packets of a queue pair in a transfer
};

PacketSpec packet_default_spec(void);

/// Without flow control: does a full packet find room in an empty switch?
static inline bool packet_has_room(const PacketSpec *spec) {
    return (double)spec->mtu_bytes <= spec->drop_share * (double)spec->buffer_bytes;
}

#endif
