/// idle_keys.h: keys of a job that ask for what the job, as it is, cannot do.
///
/// Idea.    A key whose value is another than the default, in a job of a kind that has no use for it, is a mistake about one of
///          the two: experts of a dense model, a shard group where nothing is sharded. It is refused where it stands.
/// Limits.  What a job does not do anyway may be denied (off, none, 0), and defaults may be written out. A size is no kind:
///          how a group would do something may be said of groups of one, so that sizes can be swept. Seeds, `network`
///          and `noise` describe what is there, whether or not it is used.
#ifndef COLOSSIM_CONFIG_IDLE_KEYS_H
#define COLOSSIM_CONFIG_IDLE_KEYS_H

#include "config/job_file.h"

/// Report them all, the job being complete otherwise.
///   schema, node  of the job file
void idle_keys_report(Reader *reader, const Schema *schema, const Node *node, const JobFile *file);

#endif
