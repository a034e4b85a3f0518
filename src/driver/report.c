#include "driver/report.h"

#include "base/units.h"

static double ms(double time_ps) { return time_ps / 1e9; }

static void print_step_rows(FILE *out, const Recorder *recorder) {
    fprintf(out, "  %-5s %10s %9s %9s %9s   %s\n", "step", "ms", "tok/s/GPU", "MFU", "MFU caus.",
            "fingerprint");
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const StepSummary *step = &recorder->step.at[i];
        fprintf(out, "  %-5lld %10.3f %9.1f %8.1f%% %8.1f%%   %016llx\n", (long long)i,
                ms((double)(step->end_ps - step->start_ps)), step->tokens_per_s_gpu,
                100 * step->mfu_full, 100 * step->mfu_causal,
                (unsigned long long)step->fingerprint);
    }
}

/// Parts of the last step, mean over GPUs, in the order of the table that declares them.
static void print_parts(FILE *out, const StepSummary *step) {
    double sum_ps = 0;
    for (int part = 0; part < TRACE_PART_N; part++) sum_ps += step->mean_part_ps[part];
    fprintf(out, "\n  Where a GPU's last step goes (mean over GPUs)\n");
    for (int part = 0; part < TRACE_PART_N; part++) {
        double part_ps = step->mean_part_ps[part];
        if (part_ps == 0) continue;
        fprintf(out, "  %-14s %10.3f ms %6.1f%%\n", trace_part_name((TracePart)part), ms(part_ps),
                100 * part_ps / sum_ps);
    }
}

/// A time for a column: milliseconds, or seconds where these have grown long.
static void print_time(FILE *out, int width, double time_ps) {
    if (time_ps < 1e13)
        fprintf(out, "%*.3f ms", width, ms(time_ps));
    else
        fprintf(out, "%*.3f s ", width, time_ps / 1e12);
}

static void print_tiers(FILE *out, const Recorder *recorder, const StepSummary *step) {
    const Cluster *cluster = recorder->cluster;
    const JobSpec *job = &recorder->run->job[0];
    fprintf(out, "\n  %-10s %18s %22s\n", "tier", "busiest link", "delay of transfers");
    for (int32_t tier = 0; tier < cluster_ntiers(cluster); tier++) {
        bool lacks_tp = tier == 0 && job->kind == JOB_TRAINING && job->parallel.size[DIM_TP] > 1;
        fprintf(out, "  %-10s %17.1f%% ", cluster_tier_name(cluster, tier),
                100 * step->utilisation_max[tier]);
        print_time(out, 19, (double)step->delay_ps[tier]);
        fprintf(out, "%s\n", lacks_tp ? "  without tensor-parallel traffic" : "");
    }
    if (!step->hottest[0]) return;
    bool bundle = step->hottest_width > 1;
    fprintf(out, "  hottest: %s, ", step->hottest);
    if (bundle) fprintf(out, "%lld links, each ", (long long)step->hottest_width);
    fprintf(out, "%.1f%% of the step, delay ", 100 * step->hottest_utilisation);
    print_time(out, 0, (double)step->hottest_delay_ps / (double)step->hottest_width);
    fputc('\n', out);
}

static void print_title(FILE *out, const Recorder *recorder) {
    const ClusterSpec *spec = cluster_spec(recorder->cluster);
    const JobSpec *job = &recorder->run->job[0];
    fprintf(out, "\n%s on %s (%lld GPUs)\n\n", job->name, spec->name,
            (long long)cluster_ngpus(recorder->cluster));
}

void report_training(FILE *out, const Recorder *recorder) {
    if (recorder->step.n == 0) return;
    const StepSummary *last = &recorder->step.at[recorder->step.n - 1];
    print_title(out, recorder);
    print_step_rows(out, recorder);
    print_parts(out, last);
    print_tiers(out, recorder, last);
}

void report_traffic(FILE *out, const Recorder *recorder) {
    if (recorder->step.n == 0) return;
    const StepSummary *step = &recorder->step.at[0];
    print_title(out, recorder);
    fprintf(out, "  all done after %.6f ms   fingerprint %016llx\n", ms((double)step->end_ps),
            (unsigned long long)step->fingerprint);
    print_tiers(out, recorder, step);
}
