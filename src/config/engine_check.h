/// engine_check.h: what a topology and jobs say about the engine of the run.
///
/// Idea.    The engine and how it is set are those of the first job. Others that write any of it must agree; and it must be one
///          that can play what the files ask for, so that `check` refuses what an engine would.
#ifndef COLOSSIM_CONFIG_ENGINE_CHECK_H
#define COLOSSIM_CONFIG_ENGINE_CHECK_H

#include "config/cross_check.h"

/// Can the engine play on the machine, with all that changes there? Reported at the first job.
bool engine_check_cluster(Reader *reader, const CrossCheck *files);
/// Of another job than the first.
void engine_check_agreement(Reader *reader, const CrossCheck *files, const JobEntry *job);
/// Can it send so many bytes from one GPU to another, as the key of a job wants them?
bool engine_check_bytes(Reader *reader, const CrossCheck *files, const JobEntry *job,
                        const char *key, int64_t bytes, int32_t queue_pairs);

#endif
