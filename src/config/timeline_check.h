/// timeline_check.h: which GPUs of a cluster `trace.timeline` names.
#ifndef COLOSSIM_CONFIG_TIMELINE_CHECK_H
#define COLOSSIM_CONFIG_TIMELINE_CHECK_H

#include "config/cross_check.h"

/// List them for the run, whose trace is that of the first job; reports what is no range, names no GPU of the cluster, or
/// is more than a timeline holds.
void timeline_check(Reader *reader, CrossCheck *files);

#endif
