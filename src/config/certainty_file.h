/// certainty_file.h: the schema of topologies/residuals/*.yaml: how far emulated steps are from published ones.
///
/// Idea.    A catalogue entry that no file names: a run takes `published` where it stands beside the topology or in the share
///          folder. scripts/validate --record writes it.
#ifndef COLOSSIM_CONFIG_CERTAINTY_FILE_H
#define COLOSSIM_CONFIG_CERTAINTY_FILE_H

#include "config/schema.h"
#include "workload/certainty.h"

extern const Schema certainty_schema;

#endif
