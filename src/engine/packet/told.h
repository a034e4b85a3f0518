/// told.h: the totals of wires, to whoever wants those of a step or of sampling intervals.
///
/// Idea.    See totals.h. An interval that ends is told, and added to that of the next level, which is told behind it if it ends
///          too, and so on.
#ifndef COLOSSIM_ENGINE_PACKET_TOLD_H
#define COLOSSIM_ENGINE_PACKET_TOLD_H

#include "engine/engine.h"
#include "engine/intervals.h"
#include "engine/packet/net.h"

/// Of one wire and one interval; or what has been told of it.
typedef struct IntervalTotals {
    StepTotals all; ///< what still waits is in its area
    PortEvents events;
} IntervalTotals;

typedef struct Told {
    LinkSink sink;
    Intervals intervals;
    int64_t end_ps; ///< of the open interval; TIME_NEVER_PS: nobody wants any
    StepTotals *of; ///< [nlinks] when the last ended; NULL: likewise
    int32_t level;  ///< of the open interval
    IntervalTotals *longer
        [INTERVALS_LEVELS]; ///< [nlinks] of the open interval of each level above; NULL: nothing yet
} Told;

void told_init(Told *told, Intervals intervals);
void told_fini(Told *told, const Net *net);
void told_sample_into(Told *told, const Net *net, LinkSink sink, int64_t now_ps);
/// It is told->end_ps, and all is played up to there.
void told_end(Told *told, Net *net);
/// See engine.h.
void told_restart(Told *told, Net *net, int64_t now_ps);
/// Of a step, whose slot is `tally`.
void told_step(Net *net, int32_t tally, int32_t step, LinkSink sink, int64_t now_ps);
void told_culprits(const Net *net, int32_t tally, CulpritSink sink);

#endif
