/// report.h: the final table of a run, for a person.
#ifndef COLOSSIM_APP_REPORT_H
#define COLOSSIM_APP_REPORT_H

#include <stdio.h>

#include "observe/record.h"

/// Of each job its steps, where they go, the tiers and the hottest link.  MPI: rank 0 only.
void report_print(FILE *out, const Recorder *recorder);

#endif
