/// chosen.h: loads of links that were asked for by name (trace.links), span by span.
///
/// Idea.    What an engine loads is a link, or a bundle over whose links bytes and delay spread evenly, and which are all
///          congested when it is; a chosen link has its part of each. Which of what is loaded has one is listed once.
#ifndef COLOSSIM_OBSERVE_CHOSEN_H
#define COLOSSIM_OBSERVE_CHOSEN_H

#include "cluster/cluster.h"
#include "driver/run_spec.h"
#include "engine/engine.h"
#include "trace/trace.h"

/// The part of a chosen link in what an engine loads: number k of `width`.
typedef struct ChosenUse {
    LinkId resource;
    int32_t place; ///< among the chosen
    int64_t k, width;
} ChosenUse;

typedef struct ChosenLinks {
    LinkId *link;        ///< [n] ascending
    TraceLinkName *name; ///< [n] the same, as a trace names them
    int32_t n;
    ChosenUse *use; ///< [nuses] by resource, then place
    int64_t nuses;
} ChosenLinks;

ChosenLinks chosen_make(const Cluster *cluster, const LinksSpec *spec);
void chosen_fini(ChosenLinks *chosen);
/// Add what a link or bundle carried to load[chosen->n].
void chosen_add(const ChosenLinks *chosen, const LinkSample *sample, TraceLinkLoad load[]);

#endif
