/// packet_spec.h: what the packet engine is told of switches, NICs and transport beside the cluster.
///
/// Source.  ECN marking and DCQCN: Zhu et al., "Congestion control for large-scale RDMA deployments", SIGCOMM 2015, and the
///          parameter files of HPCC (Li et al., SIGCOMM 2019), which scale Kmin, Kmax and the increase with the link rate.
///          As they belong together: alpha that decays every microsecond forgets a notification before the next, which comes
///          50 us later, and equal flows that begin 50 us after each other stay unequal (Jain 0.70); the times of HPCC's
///          "dcqcn_paper" are the defaults, at which they are equal (0.997).
///          PFC: IEEE 802.1Qbb; dynamic thresholds: Choudhury and Hahne, ToN 1998.
#ifndef COLOSSIM_ENGINE_PACKET_SPEC_H
#define COLOSSIM_ENGINE_PACKET_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/// What a switch does with a packet that has begun to arrive.
typedef enum Forwarding { FORWARDING_CUT_THROUGH, FORWARDING_STORE } Forwarding;
extern const char *const FORWARDING_NAMES[]; ///< then NULL

#define PACKET_ENDLESS_BYTES (INT64_C(1) << 50)

/// What slows a sender down. None: it sends at line rate.
typedef enum RateControl { CONTROL_NONE, CONTROL_DCQCN, CONTROL_WINDOW } RateControl;
extern const char *const CONTROL_NAMES[]; ///< then NULL

/// What a receiver does with packets behind a gap: it keeps them, or has all sent again from the gap on.
typedef enum Recovery { RECOVERY_SELECTIVE, RECOVERY_GO_BACK } Recovery;
extern const char *const RECOVERY_NAMES[]; ///< then NULL

typedef struct PacketSpec {
    int64_t mtu_bytes;  ///< payload of a full packet
    int64_t ack_bytes;  ///< of an acknowledgement on the wire
    int32_t acks_every; ///< packets; marked packets and the last of a round are always acknowledged
    Forwarding forwarding;
    int32_t candidates; ///< links that adaptive routing compares for a packet
    int64_t
        buffer_bytes; ///< of a switch, shared by its ports; PACKET_ENDLESS_BYTES: as much as it takes
    bool pfc;         ///< pause whoever fills it; else what finds no room is dropped
    double pfc_share;              ///< of the free buffer, that what came over one link may take
    double ecn_min_us, ecn_max_us; ///< Kmin and Kmax, as time of the link that they fill
    double ecn_most;               ///< share of packets marked at Kmax; beyond it all are
    double drop_share; ///< without PFC: of the free buffer, that what waits for one link may take
    bool trim;         ///< what finds no room is cut to a header, not dropped
    double loss_share; ///< of packets, that each link into a switch loses
    Recovery recovery; ///< on paths of a queue pair's own; on spread ones receivers always keep
    int32_t reorder_packets; ///< on spread paths one is lost when one so far behind it has come
    int64_t timeout_ps;      ///< without acknowledgement, until all is sent again
    RateControl control;
    // DCQCN
    double gain; ///< g
    int64_t alpha_ps, cut_ps,
        increase_ps; ///< alpha is updated, rates are cut at most, and rise, so often
    int64_t cnp_ps;  ///< least time between notifications of one queue pair
    double add_share, hyper_share, least_share; ///< of the line rate: increases, and the least rate
    int32_t fast_steps;                         ///< increases that halve the distance to the target
    // window
    int64_t delay_ps;    ///< queueing delay aimed at
    double window_share; ///< of the window, lost at most in a round trip
} PacketSpec;

/// As configuration files have them.
PacketSpec packet_default_spec(void);

#endif
