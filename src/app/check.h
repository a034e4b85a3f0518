/// check.h: `colossim check FILE...`: all errors of all files, or in some lines what they come to.
///
/// Idea.    A file says what it is by its `kind`. Each is read alone; jobs given with one topology
///          are also held against it, GPU memory included, and of several is said whether run
///          would play them at once. With every default written out the output is YAML: the
///          resolved configuration, derived numbers as comments.
#ifndef COLOSSIM_APP_CHECK_H
#define COLOSSIM_APP_CHECK_H

#include <stdio.h>

#include "config/text.h"
#include "driver/run_spec.h"

/// What is printed of good files: derived numbers, the resolved configuration with them, what it describes (show.h), or of
/// a topology its cables (cluster/cable_list.h).
typedef enum CheckView { CHECK_DERIVED, CHECK_RESOLVED, CHECK_DESCRIBED, CHECK_CABLES } CheckView;

/// Check files with settings laid over topologies and jobs; what is wanted goes to `out`, errors
/// to `err`. Returns the exit code: 0, or 2 if anything is wrong.
///   MPI: local (rank 0 only).
int check_files(int nfiles, const char *const files[], int nsettings, const char *const settings[],
                CheckView view, FILE *out, FILE *err);

/// Derived numbers, one a line: switches, cables, bisection.
void check_print_cluster(const ClusterSpec *spec, TextBuffer *out);
/// Parameters of a model, all and those that a token passes.
void check_print_model(const ModelSpec *model, TextBuffer *out);
/// GPUs, spares, tokens, FLOP and memory of a job on a cluster.
///   Fails: STATUS_RANGE if a stage does not fit in GPU memory, with the terms of the sum.
Status check_print_job(const RunSpec *run, const JobSpec *job, TextBuffer *out);

#endif
