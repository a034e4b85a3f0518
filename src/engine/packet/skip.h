/// skip.h: steady phases are passed over, not played (packet.skip).
///
/// Idea.    What is under way is measured twice in a row. If every queue pair got as much both times, its queue did not grow
///          and its control did not drift, nothing new happens until one of them is near its end or something begins: until
///          then each goes on at the pace that was measured. Playing on from there is the state at the end of the measurement
///          with all its times moved on, and all numbers of a queue pair's packets by what has been passed over.
///
///              fresh --all move--> first --a half--> half --another--> steady? --yes--> passing ... end, or something begins
///                ^                                  ^---------no--------'                               |
///                '---------------------------------------------------------------------------------------'
///
///          A queue pair of one round is passed on by packets. Those of a transfer that goes round by round go on by as many
///          rounds each, since every round is as many packets; its pace is taken from when rounds were complete.
///          State is moved when somebody looks: at the end, when a transfer begins, at the end of a sampling interval. Each time
///          anew from the beginning of the phase, so nothing adds up. Bytes are counted on the wires that they would have
///          crossed, to the byte; over spread paths evenly by hops. Waits, marks, pauses, reordering and acknowledgements go on
///          as often as they were measured.
///          Decisions come from sums over all ranks, so they are the same on any number.
/// Limits.  All that is under way must be steady at once: no transfer is passed over while another one, anywhere, has just begun
///          or ends. Nothing is passed over where packets may be lost, nor while DCQCN lets a rate rise that nobody cuts, nor
///          in transfers whose rounds are not of equally many packets. Queues of random paths that grow as a random walk stop
///          growing while they are passed over; what is rare, such as a mark now and then that is not in the
///          measurement, does not happen then. Of 2,090 transfers in 612 random scenes 22 were off by more than 2 %,
///          none by more than 6. Phases already seen are not remembered.
/// Source.  Long et al., "Supercharging packet-level network simulation of large model training via memoization and
///          fast-forwarding" (Wormhole), NSDI 2026: steady rates, skipped, and skipped back when something begins; it cuts the
///          fabric in parts, which this does not. "HyGra", arXiv:2603.12671: packets or flows by phases.
#ifndef COLOSSIM_ENGINE_PACKET_SKIP_H
#define COLOSSIM_ENGINE_PACKET_SKIP_H

#include "base/array.h"
#include "engine/packet/totals.h"

struct Engine;

/// Where a queue pair stands. Each word is known to one rank, and is summed over all.
typedef struct Stand {
    int64_t sent, received; ///< packets
    int64_t done, done_ps;  ///< rounds that have come, and when the last
    int64_t below;          ///< its rate is below that of its line
    int64_t cuts;           ///< of its rate
    int64_t window;         ///< packets
} Stand;

enum { STAND_WORDS = sizeof(Stand) / sizeof(int64_t) };

/// A queue pair that is measured, and its pace: `units` packets, or rounds, in span_ps.
typedef struct SkipPair {
    int32_t qp;
    int32_t packets; ///< of a round; 0: one round
    int64_t rounds;
    Stand first, half, last;
    int64_t units, span_ps;
    int64_t passed; ///< packets or rounds
} SkipPair;

/// What a wire has done.
typedef struct SkipWire {
    int64_t wait_ps, busy_wait_ps, area;
    int64_t paused_ps, cause_ps, marks, reordered;
} SkipWire;

/// What all wires have done until a mark.
typedef struct SkipNote {
    SkipWire *wire;             ///< [nlinks]
    int64_t *cost[NET_TALLIES]; ///< as Totals.cost; NULL: nothing yet
    int64_t acks[NET_TALLIES];
} SkipNote;

typedef enum SkipStage { SKIP_FRESH, SKIP_FIRST, SKIP_HALF, SKIP_PASSING } SkipStage;

typedef struct Skip {
    bool wanted;
    SkipStage stage;
    int64_t look_ps; ///< then
    int64_t tries;   ///< measurements that were not steady since something changed
    int64_t soon_ps; ///< what has not begun does no earlier
    int64_t first_ps, half_ps;
    int64_t span_ps;                ///< of the measurement that is extended
    int64_t from_ps, at_ps, end_ps; ///< of what is passed over; at_ps: the state is of then
    ARRAY_OF(SkipPair) pair;        ///< by queue pair
    SkipNote note[2];               ///< at first_ps, which then is what was measured; at half_ps
    int32_t *moved;                 ///< [nmoved] scratch: packets by queue pair
    int64_t nmoved;
} Skip;

void skip_init(struct Engine *engine);
void skip_fini(struct Engine *engine);
/// Something has begun, ended or changed: what was measured is void. State is that of engine->now_ps.
void skip_break(struct Engine *engine);
/// An interval ends, whose events are told and forgotten.
void skip_before_told(struct Engine *engine);
/// When it is to be looked at what is under way; TIME_NEVER_PS.
int64_t skip_look_ps(const struct Engine *engine);
/// It is then: measure, and begin to pass over what is steady.   MPI: collective.
void skip_look(struct Engine *engine);
/// Pass on to at most to_ps; false: nothing is passed over.
bool skip_pass(struct Engine *engine, int64_t to_ps);
/// Let the state be that of engine->now_ps.
void skip_settle(struct Engine *engine);

// skip_totals.c: what wires have done.

void skip_free_notes(struct Engine *engine);
void skip_note_totals(struct Engine *engine, int32_t note);
/// Of the first note, how much more it is now.   MPI: collective.
void skip_measure_totals(struct Engine *engine);
/// A queue pair's packets from pair->passed on until `passed` are counted on all wires that they cross.
void skip_count_packets(struct Engine *engine, const SkipPair *pair, int64_t passed);
/// Everything else that happened, as often as in span_ps, between two times since skip.from_ps.
void skip_extend_totals(struct Engine *engine, int64_t span_ps, int64_t since_ps, int64_t until_ps);

// skip_shift.c: the state.

/// All times are shift_ps later; packets of queue pairs have numbers that are skip.moved higher.
void skip_shift(struct Engine *engine, int64_t shift_ps);

#endif
