/// plans.h: `colossim plans TOPOLOGY JOB`: many settings of one job, each answered in a line.
///
/// Idea.    A program that looks for the best plan asks about thousands: one process answers them all. A line of standard
///          input holds settings (KEY=VALUE, as behind --set) between tabs, laid over those of the command line; an
///          empty line is the job as it is. The answer is a line of JSON on standard output, at once:
///
///   {"verdict": "fits", "gpus": 512, ..., "least_ps": ...}     what is known of it unplayed (driver/bound.h)
///   {"verdict": "fits", ..., "duration_ps": [...], ...}        with --play, and what came of its steps
///   {"verdict": "impossible", "where": ..., "reason": ...}     values that are good alone, but not together, or here
///   {"verdict": "mistake", "where": ..., "reason": ...}        no key, no value of its kind, a file that cannot be read
///   {"verdict": "failed", "reason": ...}                       with --play: the run failed
///
///          `errors` of what cannot run holds all that `check` would print.
///          Of traffic there is no bound.
/// Limits.  One job, one process; nothing is written but the answers.
#ifndef COLOSSIM_APP_PLANS_H
#define COLOSSIM_APP_PLANS_H

#include "app/cli.h"

/// Answer until standard input ends; returns the exit code.
int plans_command(const CommandLine *line);

#endif
