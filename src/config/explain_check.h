/// explain_check.h: whether a run has the step that `trace.explain` asks for.
#ifndef COLOSSIM_CONFIG_EXPLAIN_CHECK_H
#define COLOSSIM_CONFIG_EXPLAIN_CHECK_H

#include "config/cross_check.h"

/// Of the first job, whose trace is that of the run; reports a step that no job plays, and one that nobody is to explain.
void explain_check(Reader *reader, const CrossCheck *files);

#endif
