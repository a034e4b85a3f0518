/// crossing.h: who crosses hot and chosen links in a step: found afterwards by walking the routes again.
///
/// Idea.    The transfers of a step follow from programs and groups, or are the flows of a traffic job; each edge is routed
///          once more with the hash the engine used, and what crosses a link is added to its traffic by kind and to its
///          largest users. A chosen link has its even part of what crosses its bundle.
/// Limits.  Cost: one route per edge of the job and step, on rank 0.
#ifndef COLOSSIM_OBSERVE_CROSSING_H
#define COLOSSIM_OBSERVE_CROSSING_H

#include "observe/chosen.h"

/// Who uses links or bundles, each of them once; users[n] are zeroed.
typedef void (*Crossing)(const void *context, const LinkId link[], TraceLinkUsers users[],
                         int32_t n);

/// Of a Machine, and of a TrafficRun.
void crossing_of_training(const void *machine, const LinkId link[], TraceLinkUsers users[],
                          int32_t n);
void crossing_of_traffic(const void *traffic, const LinkId link[], TraceLinkUsers users[],
                         int32_t n);

/// Name the users of hot[nhot], and of the chosen links in users[chosen->n] (zeroed; NULL: those are not wanted): routes are
/// walked once for all of them.
void crossing_name(Crossing crossing, const void *context, TraceHotLink hot[], int32_t nhot,
                   const ChosenLinks *chosen, TraceLinkUsers users[]);

#endif
