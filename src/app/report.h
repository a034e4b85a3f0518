/// report.h: the final table of a run, for a person.
#ifndef COLOSSIM_APP_REPORT_H
#define COLOSSIM_APP_REPORT_H

#include <stdio.h>

#include "observe/record.h"
#include "observe/toll.h"

/// Of each job its steps, where they go, the tiers and the hottest link.  MPI: rank 0 only.
void report_print(FILE *out, const Recorder *recorder);
/// A run as one object, a line: its jobs, each step, and of the last step what report_json says.
void report_json_run(FILE *out, const Recorder *recorder);
/// The same of a training job as members of a JSON object, each with a comma before it; its last step, and how long all took.
void report_json(FILE *out, const Recorder *recorder);
/// For a person, beside the progress lines: what differs from run to run is no part of the table. Of a run that took a
/// while also how many ranks pay, as it has shown; `served`: an engine divided its work among the ranks (engine.h).
void report_bill(FILE *out, const Bill *bill, int nranks, bool served);
/// Bytes by purpose on this rank, and for each GPU, link and transfer of all ranks.
void report_memory(FILE *out, const Footprint *footprint);

#endif
