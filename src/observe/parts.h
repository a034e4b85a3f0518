/// parts.h: the parts of a step that the trace has, from those that the driver sums up and the work of the step.
#ifndef COLOSSIM_OBSERVE_PARTS_H
#define COLOSSIM_OBSERVE_PARTS_H

#include "driver/account.h"
#include "trace/schema.h"

/// A part of a step, or of an operation, of one unit.
int64_t record_part_ps(const int64_t parts[ACCOUNT_N], NominalWork work, TracePart part);

#endif
