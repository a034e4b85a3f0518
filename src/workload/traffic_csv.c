#include "workload/traffic_csv.h"

#include "workload/csv_cells.h"

enum { CSV_COLUMNS = 4 };

static const char *const csv_column[CSV_COLUMNS] = {"source", "destination", "bytes", "start"};

static void csv_add_flow(Csv *csv, int64_t ranks, TrafficFlows *flows) {
    const CsvCell *field = csv->cell;
    if (csv->ncells != CSV_COLUMNS) {
        csv_error(csv, 1, "a flow has %d fields (source,destination,bytes,start), got %lld",
                  CSV_COLUMNS, (long long)csv->ncells);
        return;
    }
    int64_t errors = csv->nerrors;
    TrafficFlow flow = {
        .nsrc = 1,
        .ndst = 1,
        .src = csv_rank(csv, ranks, &field[0], csv_column[0]),
        .dst = csv_rank(csv, ranks, &field[1], csv_column[1]),
        .bytes = csv_quantity(csv, &field[2], csv_column[2], &csv_size),
        .start_ps = csv_quantity(csv, &field[3], csv_column[3], &csv_time),
    };
    if (flow.src >= 0 && flow.src == flow.dst) {
        csv_error(csv, field[1].column, "destination is the source, rank %lld",
                  (long long)flow.dst);
    }
    if (flow.bytes == 0) csv_error(csv, field[2].column, "a flow of 0 bytes");
    if (csv->nerrors == errors) array_push(flows, flow);
}

Status traffic_csv_parse(const char *file, const char *text, int64_t ranks, TrafficFlows *flows) {
    Csv csv = csv_open(file, text);
    if (csv_header(&csv, csv_column, CSV_COLUMNS, CSV_COLUMNS)) {
        while (csv_next(&csv)) csv_add_flow(&csv, ranks, flows);
        if (csv.nerrors == 0 && flows->n == 0) csv_error(&csv, 1, "no flow after the header");
    }
    return csv_status(&csv);
}
