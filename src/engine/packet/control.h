/// control.h: how fast a queue pair may send, as it learns of congestion.
///
/// Idea.    Whatever control it is, it sets a rate and a window. DCQCN: a notification cuts the rate by alpha / 2, at most
///          every cut_ps; alpha decays while none come; the rate rises by halving the distance to its target, then the target
///          by add_share, later by hyper_share. All of that by timers, which are caught up with when a packet is sent or
///          a notification comes: in between a rate decides nothing. With a byte counter it rises by what was sent, too: the
///          target from when the one or the other has risen fast_steps times on, by hyper_share, times how often, when
///          both have. Window: the time an acknowledgement took beyond that of an idle path is held against delay_ps,
///          or more where the window is small, so that those who share a queue come to equal windows: below it the
///          window grows by a packet a round trip, above it shrinks by up to window_share, once a round trip. NSCC: the
///          same with marks: without, it grows, by as much as the delay is below delay_ps or by little; with, it
///          shrinks by the mean delay, if that is above. Windows begin with what the line carries in a round trip, or
///          one and a half times that.
/// Limits.  A window is at least one packet. What waits in several queues of a path counts together: who crosses two that are
///          full gets less than his share of either, by windows that go by delay (Wang et al., "Poseidon", NSDI 2023).
///          NSCC's quick adaptation, which goes by what has come in a round trip of losses, is left out.
/// Source.  See packet_spec.h; Kumar et al., "Swift: delay is simple and effective", SIGCOMM 2020 (beta 0.8, a packet a round
///          trip; scaling by the window, 3.5, with the figures of csg-htsim: five times the delay aimed at, of windows
///          from 0.1 to 100 packets); Ultra Ethernet specification 1.0, NSCC, as htsim has it (gamma 0.8).
#ifndef COLOSSIM_ENGINE_PACKET_CONTROL_H
#define COLOSSIM_ENGINE_PACKET_CONTROL_H

#include "engine/packet/plays.h"

///   trip_ps  what a round trip takes on an idle path
void control_begin(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t trip_ps,
                   int64_t now_ps);
/// An acknowledgement has come.
typedef struct Heard {
    int64_t now_ps;
    int64_t trip_ps; ///< since its packet was sent; -1: unknown
    int32_t packets; ///< that are now known to have come, more than before
    bool marked;
} Heard;

/// A control; {0}: none.
typedef struct ControlOps {
    bool timed; ///< it wants to know how long round trips take, and of all marks
    double
        trips; ///< its window begins with what the line carries in so many round trips; 0: it has none
    /// A packet of so many bytes is about to be sent at now_ps, and the rate is below that of the line. NULL: rates do not rise
    /// by themselves.
    void (*send)(Control *control, const PacketSpec *spec, int64_t line_Bps, int64_t now_ps,
                 int32_t bytes);
    /// An acknowledgement has come. NULL: what else it says than round trips does not matter.
    void (*hear)(Control *control, const PacketSpec *spec, int64_t line_Bps, const Heard *heard);
    /// Its round trip is known, and control->trip_ps is no longer than that: change control->packets, which is then kept within
    /// its bounds. NULL: it has no window.
    void (*trip)(Control *control, const PacketSpec *spec, const Heard *heard);
} ControlOps;
extern const ControlOps *const CONTROL_OPS[]; ///< by RateControl

void control_hear(Control *control, const PacketSpec *spec, int64_t line_Bps, const Heard *heard);
/// A packet is about to be sent: what has changed until then.
static inline void control_send(Control *control, const PacketSpec *spec, int64_t line_Bps,
                                int64_t now_ps, int32_t bytes) {
    if (control->rate_Bps >= (double)line_Bps) return;
    const ControlOps *ops = CONTROL_OPS[spec->control];
    if (ops->send) ops->send(control, spec, line_Bps, now_ps, bytes);
}
static inline bool control_is_timed(const PacketSpec *spec) {
    return CONTROL_OPS[spec->control]->timed;
}

/// Has a rate been cut, and not come back?
static inline bool control_is_below(const Control *control) {
    return control->rate_Bps < 0.999 * control->line_Bps;
}

#endif
