/// job_parts.h: schemas of the parts of a job file that training and traffic have alike.
///
/// Idea.    Where a job stands, how much slower than nominal GPUs are, which engine plays it, what is written.
#ifndef COLOSSIM_CONFIG_JOB_PARTS_H
#define COLOSSIM_CONFIG_JOB_PARTS_H

#include "config/schema.h"

extern const Schema placement_schema, batch_shares_schema, noise_schema, engine_schema,
    trace_schema;

#endif
