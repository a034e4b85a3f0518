/// violation.h: do levels satisfy the definition of engine/flow/maxmin.h? Checked link by link, sharing nothing with the
/// solvers but the definition.
#ifndef COLOSSIM_TESTS_ENGINE_VIOLATION_H
#define COLOSSIM_TESTS_ENGINE_VIOLATION_H

#include "engine/flow/flow.h"
#include "engine/flow/maxmin.h"

/// -1 if they do, else the index of a transfer that violates it.
int64_t maxmin_violation(const MaxminSystem *system, const int64_t level[]);
/// The present levels of an engine, on every link that is contended: tag of a transfer that violates it, or -1.
int64_t flow_violation(const Flow *flow);

#endif
