/// power_tiers.h: power in time of each tier of the site: nodes, racks, rows, halls, the site.
///
/// Idea.    Units of a tier are GPUs that follow each other, and each tier divides the one above (where sites are filled in
///          part, what straddles their border is two units):
///
///              node
///              rack      the nodes of a scale-up domain that holds several, else those that share their leaves
///              leaf ...  what a switch of that tier of a tree holds together, in whole nodes (so that with rails all the
///                        leaves of a unit do), where that is whole units of the tier before, and less than the site
///              site
///
///          What a GPU does when is known of its stage (power_step.h), how long it does it of the GPU itself. So its power
///          is that of its stage's shapes, each scaled to what the GPU spent in that state. GPUs are added in their order:
///          a node that is complete becomes a wave, which is added to its rack's, and so on; of a tier there is no more
///          than one unit under way, and nothing is kept but the mean, the least and the most at each time, and the wave
///          of the unit that draws most.
/// Limits.  As power_step.h. A rack has its nodes alone: switches and what lies behind the nodes' power supplies count for the
///          site.
#ifndef COLOSSIM_OBSERVE_POWER_TIERS_H
#define COLOSSIM_OBSERVE_POWER_TIERS_H

#include "observe/power_step.h"

/// Tiers of a site; returns how many.
int32_t power_site_tiers(const Cluster *cluster, TraceSiteTier tier[TRACE_SITE_TIERS_MAX]);

typedef struct PowerTiers PowerTiers; // opaque

/// Of a step of a job.
///   shapes[stages]  of the units of each stage, borrowed
///   idle            GPUs that the job does not have are idle, and count; else they are nothing
PowerTiers *power_tiers_create(const Cluster *cluster, const PowerShapes shapes[], int32_t stages,
                               double span_s, bool idle);
void power_tiers_destroy(PowerTiers *tiers); ///< NULL is legal
/// The next GPU: its stage, and what it spent in each shape, what the host spends on it while it works included; stage -1: it
/// is not of the job.
void power_tiers_add(PowerTiers *tiers, int32_t stage, const double shape_J[POWER_SHAPES]);
/// All GPUs of the cluster have been added: [tiers of the site], borrowed.
const TraceTierPower *power_tiers_end(PowerTiers *tiers);

#endif
