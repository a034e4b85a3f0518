/// hardware_file.h: schemas of topologies/hardware/*.yaml: GPUs, NICs, switches, scale-up domains.
///
/// Idea.    One table a struct of hardware/hardware.h. Defaults exist only where "none" has a
///          meaning (no fp8 table, no such attention kernel, no in-network reduction); a figure of
///          a part is never assumed.
#ifndef COLOSSIM_CONFIG_HARDWARE_FILE_H
#define COLOSSIM_CONFIG_HARDWARE_FILE_H

#include "config/schema.h"

extern const Schema gpu_schema, nic_schema, switch_schema, scale_up_schema;

#endif
