/// links_check.h: which links of a cluster `trace.links` names: one by its name, a tier or one direction of it, or all.
#ifndef COLOSSIM_CONFIG_LINKS_CHECK_H
#define COLOSSIM_CONFIG_LINKS_CHECK_H

#include "config/cross_check.h"

/// List them for the run, whose trace is that of the first job; reports what names no link of the cluster, and more than
/// are kept.
void links_check(Reader *reader, CrossCheck *files);

#endif
