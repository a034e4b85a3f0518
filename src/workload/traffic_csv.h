/// traffic_csv.h: flows from comma-separated text, with every error at its place.
///
/// Idea.    One header line, then one flow a line:
///              source,destination,bytes,start
///              0,5,1 MiB,0 us
///              # a comment; empty lines are skipped too
///          Sizes and times carry a unit and must be whole bytes and whole picoseconds; a bare
///          number is refused, as in the YAML files.
/// Limits.  No quotes, no other columns, no exponents.
#ifndef COLOSSIM_WORKLOAD_TRAFFIC_CSV_H
#define COLOSSIM_WORKLOAD_TRAFFIC_CSV_H

#include "base/array.h"
#include "workload/traffic.h"

typedef ARRAY_OF(TrafficFlow) TrafficFlows;

/// Parse all of `text`; flows are appended in the order of the file. `file` is named in messages.
///   Fails: STATUS_INPUT listing file:line:column of the errors, as many as a Status holds.
///   MPI: local. Also on failure `flows` is the caller's to release.
Status traffic_csv_parse(const char *file, const char *text, int64_t ranks, TrafficFlows *flows);

#endif
