// A run, or its training job, as members of a JSON object, for scripts: names and units as in the trace.
#include <inttypes.h>
#include <math.h>

#include "app/json.h"
#include "app/report.h"

static void put_tiers(FILE *out, const Recorder *recorder, const StepSummary *step) {
    const Cluster *cluster = recorder->fabric->cluster;
    const ClusterSpec *spec = cluster_spec(cluster);
    fprintf(out, ", \"tiers\": [");
    for (int32_t tier = 0; tier < cluster_ntiers(cluster); tier++) {
        // Links of a tier that a message can take from where it is: of one there is nothing to route.
        const bool fabric = tier > 0 && tier <= spec->ntiers;
        const int32_t ways = fabric ? spec->tier[tier - 1].parents * spec->tier[tier - 1].lanes : 1;
        fprintf(out, "%s{\"name\": ", tier > 0 ? ", " : "");
        json_put_text(out, cluster_tier_name(cluster, tier));
        fprintf(out, ", \"ways\": %" PRId32, ways);
        json_put_number(out, "utilisation_max", step->detail->utilisation_max[tier]);
        json_put_number(out, "delay_ps", step->detail->delay_ps[tier]);
        fputc('}', out);
    }
    fputc(']', out);
}

static void put_parts(FILE *out, const TraceStep *row) {
    fprintf(out, ", \"parts_ps\": {");
    for (int part = 0; part < TRACE_PART_N; part++)
        fprintf(out, "%s\"%s\": %.17g", part > 0 ? ", " : "", trace_part_name((TracePart)part),
                row->mean_part_ps[part]);
    fputc('}', out);
}

/// Of a repetition of traffic, where it tells of them: its flows, and the collective that it is.
static void put_traffic(FILE *out, const StepSummary *step) {
    if (step->flows.n > 0) {
        fprintf(out, ", \"flows\": {\"n\": %" PRId64, step->flows.n);
        json_put_number(out, "goodput_mean_Bps", step->flows.mean_Bps);
        json_put_number(out, "goodput_least_Bps", step->flows.least_Bps);
        json_put_number(out, "completion_median_ps", (double)step->flows.median_ps);
        json_put_number(out, "completion_99_percent_ps", (double)step->flows.high_ps);
        json_put_number(out, "completion_most_ps", (double)step->flows.most_ps);
        fputc('}', out);
    }
    if (!step->collective) return;
    const char *words[][2] = {{"collective", step->collective},
                              {"algorithm", step->algorithm},
                              {"protocol", step->protocol}};
    for (int i = 0; i < 3; i++) {
        fprintf(out, ", \"%s\": ", words[i][0]);
        json_put_text(out, words[i][1] ? words[i][1] : "");
    }
    json_put_number(out, "algorithm_bandwidth_Bps", step->algorithm_Bps);
    json_put_number(out, "bus_bandwidth_Bps", step->bus_Bps);
}

void report_json_run(FILE *out, const Recorder *recorder) {
    const RunSpec *run = recorder->fabric->run;
    fputs("{\"cluster\": ", out);
    json_put_text(out, run->cluster.name);
    fputs(", \"jobs\": [", out);
    for (int32_t j = 0; j < run->njobs; j++) {
        fputs(j > 0 ? ", " : "", out);
        json_put_text(out, run->job[j].name);
    }
    fputs("], \"trace\": ", out);
    json_put_text(out, run->trace.path);
    fputs(", \"steps\": [", out);
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const TraceStep *row = &recorder->step.at[i].row;
        const TraceRates rates = trace_rates(row);
        fprintf(out,
                "%s{\"job\": %" PRId32 ", \"step\": %" PRId64 ", \"start_ps\": %" PRId64
                ", \"end_ps\": %" PRId64 ", \"fingerprint\": \"%016" PRIx64 "\"",
                i > 0 ? ", " : "", row->job, row->job_step, row->start_ps, row->end_ps,
                row->fingerprint);
        json_put_number(out, "tokens_per_s_gpu", rates.tokens_per_s_gpu);
        json_put_number(out, "mfu_full", rates.mfu_full);
        put_traffic(out, &recorder->step.at[i]);
        fputc('}', out);
    }
    fputs("]", out);
    report_json(out, recorder);
    fputs("}\n", out);
}

void report_json(FILE *out, const Recorder *recorder) {
    if (recorder->step.n == 0) return;
    const StepSummary *last = &recorder->step.at[recorder->step.n - 1];
    const TraceRates rates = trace_rates(&last->row);
    const TracePower *power = &recorder->power[last->row.job];
    fprintf(out, ", \"duration_ps\": [");
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const TraceStep *row = &recorder->step.at[i].row;
        fprintf(out, "%s%" PRId64, i > 0 ? ", " : "", row->end_ps - row->start_ps);
    }
    fprintf(out, "], \"fingerprint\": \"%016" PRIx64 "\"", last->row.fingerprint);
    json_put_number(out, "mfu_full", rates.mfu_full);
    json_put_number(out, "mfu_causal", rates.mfu_causal);
    json_put_number(out, "likely_least_ps", last->row.likely_least_ps);
    json_put_number(out, "likely_most_ps", last->row.likely_most_ps);
    json_put_number(out, "mean_W", power->mean_W);
    json_put_number(out, "energy_per_token_J", power->per_token_J);
    put_parts(out, &last->row);
    put_tiers(out, recorder, last);
}
