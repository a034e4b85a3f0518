#include "app/report.h"

#include <math.h>
#include <string.h>

#include "app/show.h"
#include "base/memory.h"
#include "base/units.h"

#define WAITED_MUCH 0.5                     // of its time that a rank waits
static const int64_t WORTH_NS = 5000000000; // to think of more ranks

static double ms(double time_ps) { return time_ps / 1e9; }

/// Of more than twice as many steps, the first and the last so many: the others are in the trace.
enum { SHOWN = 50 };

static void print_step_rows(FILE *out, const Recorder *recorder, int32_t job, int64_t last) {
    fprintf(out, "  %-5s %10s %9s %9s %9s   %s\n", "step", "ms", "tok/s/GPU", "MFU", "MFU caus.",
            "fingerprint");
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const TraceStep *step = &recorder->step.at[i].row;
        if (step->job != job) continue;
        if (step->job_step == SHOWN && last >= 2 * SHOWN)
            fprintf(out, "  ... %lld more in the trace\n", (long long)(last + 1 - 2 * SHOWN));
        if (step->job_step >= SHOWN && step->job_step <= last - SHOWN) continue;
        const TraceRates rates = trace_rates(step);
        fprintf(out, "  %-5lld %10.3f %9.1f %8.1f%% %8.1f%%   %016llx\n", (long long)step->job_step,
                ms((double)(step->end_ps - step->start_ps)), rates.tokens_per_s_gpu,
                100 * rates.mfu_full, 100 * rates.mfu_causal,
                (unsigned long long)step->fingerprint);
    }
}

/// All steps together, where they differ.
static void print_spread(FILE *out, const Recorder *recorder, int32_t job) {
    double sum_ps = 0, squares = 0; // of the differences from the first
    int64_t first_ps = -1;
    int64_t n = 0, least_ps = INT64_MAX, most_ps = 0, slowest = 0;
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const TraceStep *step = &recorder->step.at[i].row;
        if (step->job != job) continue;
        const int64_t took_ps = step->end_ps - step->start_ps;
        if (n++ == 0) first_ps = took_ps;
        const double more_ps = (double)(took_ps - first_ps);
        sum_ps += more_ps;
        squares += more_ps * more_ps;
        if (took_ps < least_ps) least_ps = took_ps;
        if (took_ps > most_ps) slowest = step->job_step;
        if (took_ps > most_ps) most_ps = took_ps;
    }
    if (most_ps == least_ps) return;
    const double more_ps = sum_ps / (double)n, mean_ps = (double)first_ps + more_ps;
    const double deviation_ps = sqrt(fmax(squares / (double)n - more_ps * more_ps, 0));
    fprintf(out,
            "  all %lld: mean %.3f ms, standard deviation %.3f ms, slowest step %lld (%+.1f%%)\n",
            (long long)n, ms(mean_ps), ms(deviation_ps), (long long)slowest,
            100 * ((double)most_ps / mean_ps - 1));
}

/// Parts of the last step, mean over GPUs, in the order of the table that declares them.
static void print_parts(FILE *out, const StepSummary *step) {
    double sum_ps = 0;
    for (int part = 0; part < TRACE_PART_N; part++) sum_ps += step->row.mean_part_ps[part];
    fprintf(out, "\n  Where a GPU's last step goes (mean over GPUs)\n");
    for (int part = 0; part < TRACE_PART_N; part++) {
        double part_ps = step->row.mean_part_ps[part];
        if (part_ps == 0) continue;
        fprintf(out, "  %-14s %10.3f ms %6.1f%%\n", trace_part_name((TracePart)part), ms(part_ps),
                100 * part_ps / sum_ps);
    }
}

/// Where passes are split or beside each other: what a stage's last step is made of.
static void print_passes(FILE *out, const StepSummary *step) {
    double sum_ps = 0;
    for (int k = 0; k < SHARE_N; k++) sum_ps += step->detail->pass.mean_ps[k];
    if (sum_ps == 0) return;
    fprintf(out, "\n  Passes of a stage in it (first replica: mean over stages, and the first)\n");
    for (int k = 0; k < SHARE_N; k++)
        if (step->detail->pass.mean_ps[k] > 0)
            fprintf(out, "  %-14s %10.3f ms %6.1f%% %12.3f ms\n", PASS_SHARE_NAMES[k],
                    ms(step->detail->pass.mean_ps[k]), 100 * step->detail->pass.mean_ps[k] / sum_ps,
                    ms(step->detail->pass.first_ps[k]));
}

/// A time for a column: milliseconds, or seconds where these have grown long.
static void print_time(FILE *out, int width, double time_ps) {
    if (time_ps < 1e13)
        fprintf(out, "%*.3f ms", width, ms(time_ps));
    else
        fprintf(out, "%*.3f s ", width, time_ps / 1e12);
}

/// What of a training job is in no link of the tier.
static void print_priced(FILE *out, const TraceStep *row, int32_t tier) {
    const double bytes = tier == 0   ? row->priced_scale_up_bytes
                         : tier == 1 ? row->priced_nic_bytes
                                     : 0;
    if (bytes > 0)
        fprintf(out, "  without %.4g GB a GPU of tp, cp and ep",
                bytes / 1e9 / (double)row->working_gpus);
}

static void print_tiers(FILE *out, const Recorder *recorder, const StepSummary *step) {
    const Cluster *cluster = recorder->fabric->cluster;
    const JobSpec *job = &recorder->fabric->run->job[step->row.job];
    fprintf(out, "\n  %-10s %18s %22s\n", "tier", "busiest link", "delay of transfers");
    for (int32_t tier = 0; tier < cluster_ntiers(cluster); tier++) {
        fprintf(out, "  %-10s %17.1f%% ", cluster_tier_name(cluster, tier),
                100 * step->detail->utilisation_max[tier]);
        print_time(out, 19, step->detail->delay_ps[tier]);
        if (job->kind == JOB_TRAINING) print_priced(out, &step->row, tier);
        fprintf(out, "\n");
    }
    if (!step->detail->hottest[0]) return;
    bool bundle = step->detail->hottest_width > 1;
    fprintf(out, "  hottest: %s, ", step->detail->hottest);
    if (bundle) fprintf(out, "%lld links, each ", (long long)step->detail->hottest_width);
    fprintf(out, "%.1f%% of the step, delay ", 100 * step->detail->hottest_utilisation);
    print_time(out, 0,
               (double)step->detail->hottest_delay_ps / (double)step->detail->hottest_width);
    fputc('\n', out);
}

/// Bytes for a column.
static void print_bytes(FILE *out, int width, double bytes) {
    const bool small = bytes < 1e6;
    fprintf(out, "%*.4g %s", width, bytes / (small ? 1e3 : 1e6), small ? "kB" : "MB");
}

/// What packets met at ports, of tiers where anything waited or was lost.
static void print_packets(FILE *out, const Recorder *recorder, const StepSummary *step) {
    const Fabric *fabric = recorder->fabric;
    if (!fabric->ops->step_packets) return;
    fprintf(out, "\n  %lld packets, %lld sent again, %lld acknowledgements\n",
            (long long)step->row.packets, (long long)step->row.resent,
            (long long)step->row.acknowledgements);
    if (fabric->run->packet.skip)
        fprintf(out, "  %lld of them (%.1f%%) passed over, not played (packet.skip)\n",
                (long long)step->row.skipped,
                100 * (double)step->row.skipped / (double)step->row.packets);
    fprintf(out, "  %-10s %17s %15s %11s %11s %11s\n", "tier", "largest queue", "ports paused",
            "marks", "drops", "reordered");
    for (int32_t tier = 0; tier < cluster_ntiers(fabric->cluster); tier++) {
        const TracePort *port = &step->detail->port[tier];
        if (port->queue_most + port->reordered + port->drops == 0) continue;
        fprintf(out, "  %-10s ", cluster_tier_name(fabric->cluster, tier));
        print_bytes(out, 14, (double)port->queue_most);
        print_time(out, 13, (double)port->pause_ps);
        fprintf(out, " %11lld %11lld %11lld\n", (long long)port->marks, (long long)port->drops,
                (long long)port->reordered);
    }
}

/// How sure: what published runs like it took for what the program makes of them.
static void print_certainty(FILE *out, const Recorder *recorder, const StepSummary *step) {
    const JobSpec *job = &recorder->fabric->run->job[step->row.job];
    const CertaintyClass *class = step->certainty;
    const double duration_s = (double)(step->row.end_ps - step->row.start_ps) / 1e12;
    const bool experts = job->model.experts > 0;
    const int64_t largest = certainty_largest(&recorder->fabric->run->certainty, experts);
    if (class)
        fprintf(out, "  step interval %.4g to %.4g s: 8 in 10 of %d published runs (%s)\n",
                duration_s * class->least, duration_s * class->most, class->runs, class->name);
    if (largest > 0 && parallel_nranks(&job->parallel) > largest)
        fprintf(out, "  no measurement exists: no %s on more than %lld GPUs is published\n",
                experts ? "mixture of experts" : "run", (long long)largest);
}

/// What the site draws for the last step, and how uneven it is; small sites in kW and kJ.
static void print_power(FILE *out, const Recorder *recorder, const TraceStep *row) {
    const TracePower *power = &recorder->power[row->job];
    const double band = cluster_spec(recorder->fabric->cluster)->power.band;
    const bool small = power->mean_W < 1e6;
    const double unit_W = small ? 1e3 : 1e6, unit_J = small ? 1e3 : 3.6e6;
    const char *watt = small ? "kW" : "MW", *joule = small ? "kJ" : "kWh";
    fprintf(out, "\n  site %.4g %s, its GPUs %.4g %s, a node %.4g kW", power->mean_W / unit_W, watt,
            power_gpus(power->part_J) / power->energy_J * power->mean_W / unit_W, watt,
            power->node_W / 1e3);
    if (row->tokens > 0) fprintf(out, ", %.4g J a token", power->per_token_J);
    fprintf(out, "\n  %.4g to %.4g %s within the step, %.3g %s/s at most; %.3g %s of battery keep",
            power->least_W / unit_W, power->peak_W / unit_W, watt, power->ramp_W_per_s / unit_W,
            watt, power->battery_J / unit_J, joule);
    fprintf(out, " it within %.3g %%\n", 100 * band);
    show_caps(cluster_spec(recorder->fabric->cluster), out);
}

static const StepSummary *find_step(const Recorder *recorder, int32_t job, bool last) {
    const StepSummary *found = NULL;
    for (int64_t i = 0; i < recorder->step.n; i++)
        if (recorder->step.at[i].row.job == job && (last || !found)) found = &recorder->step.at[i];
    return found;
}

static void print_training(FILE *out, const Recorder *recorder, int32_t job) {
    const StepSummary *last = find_step(recorder, job, true);
    print_step_rows(out, recorder, job, last->row.job_step);
    print_spread(out, recorder, job);
    print_certainty(out, recorder, last);
    print_parts(out, last);
    print_passes(out, last);
    print_tiers(out, recorder, last);
    print_packets(out, recorder, last);
    print_power(out, recorder, &last->row);
}

static void print_flows(FILE *out, const FlowSpread *flows) {
    if (flows->n == 0) return;
    fprintf(out, "  %lld flow%s, goodput %.4g GB/s on average, %.4g of the slowest\n",
            (long long)flows->n, flows->n == 1 ? "" : "s", flows->mean_Bps / 1e9,
            flows->least_Bps / 1e9);
    if (flows->n < 2) return;
    fprintf(out, "  completion %.6g ms median, %.6g ms 99th percentile, %.6g ms longest\n",
            ms((double)flows->median_ps), ms((double)flows->high_ps), ms((double)flows->most_ps));
}

/// Of a job of operations.
static void print_account(FILE *out, const TraceStep *row, int64_t nranks) {
    const struct {
        const char *name;
        double ps;
    } part[] = {{"computing", row->computing_ps},
                {"communicating", row->communicating_ps},
                {"waiting", row->awaiting_ps},
                {"nothing to do", row->idle_ps}};
    if (isnan(row->computing_ps)) return;
    fprintf(out, "\n  Where a rank's step goes (mean over %lld ranks)\n", (long long)nranks);
    const double step_ps = (double)(row->end_ps - row->start_ps);
    for (int i = 0; i < 4; i++)
        fprintf(out, "  %-16s %12.3f ms %6.1f%%\n", part[i].name, ms(part[i].ps),
                step_ps > 0 ? 100 * part[i].ps / step_ps : 0);
}

static void print_traffic(FILE *out, const Recorder *recorder, int32_t job) {
    const StepSummary *step = find_step(recorder, job, false);
    fprintf(out, "  all done after %.6f ms   fingerprint %016llx\n",
            ms((double)(step->row.end_ps - recorder->fabric->run->job[job].start_ps)),
            (unsigned long long)step->row.fingerprint);
    if (step->collective) // auto: none of them has protocols
        fprintf(out, "  %s by %s%s%s, algorithm bandwidth %.2f GB/s, bus bandwidth %.2f GB/s\n",
                step->collective, step->algorithm,
                strcmp(step->protocol, PROTOCOL_NAMES[PROTOCOL_AUTO]) ? ", " : "",
                strcmp(step->protocol, PROTOCOL_NAMES[PROTOCOL_AUTO]) ? step->protocol : "",
                step->algorithm_Bps / 1e9, step->bus_Bps / 1e9);
    print_flows(out, &step->flows);
    print_account(out, &step->row, recorder->fabric->run->job[job].traffic.ranks);
    print_tiers(out, recorder, step);
    print_packets(out, recorder, step);
}

/// What happened before the end of the last step.
static void print_events(FILE *out, const Recorder *recorder) {
    TraceEvent event[CLUSTER_EVENTS_MAX];
    int32_t n = record_list_events(cluster_spec(recorder->fabric->cluster), event);
    int64_t end_ps = recorder->step.at[recorder->step.n - 1].row.end_ps;
    for (int32_t i = 0; i < n && event[i].time_ps < end_ps; i++)
        fprintf(out, "%s  %14.3f ms   %-24s %5.1f%% -> %5.1f%%\n",
                i == 0 ? "\n  Events (left of what they hit)\n" : "", ms((double)event[i].time_ps),
                event[i].what, 100 * event[i].from, 100 * event[i].to);
}

enum { CALL_BYTES = HARDWARE_NAME_BYTES + 24 };

/// A job by number, as names may be alike.
static const char *call_job(const Recorder *recorder, int32_t job, char text[CALL_BYTES]) {
    snprintf(text, CALL_BYTES, "job %d (%s)", job, recorder->fabric->run->job[job].name);
    return text;
}

/// Tiers with less of a sum are not named.
#define SMALLEST_SHARE 0.0005

/// What a job lost to one, itself or another, and where.
static void print_cost(FILE *out, const Recorder *recorder, int32_t victim, int32_t culprit,
                       int width, double lost_ps) {
    const Wide *tier_ps = recorder->cost_ps[victim][culprit];
    char text[CALL_BYTES];
    double sum_ps = 0;
    for (int32_t t = 0; t < TRACE_TIERS_MAX; t++) sum_ps += (double)tier_ps[t];
    fprintf(out, "  %-*s ", width, call_job(recorder, victim, text));
    print_time(out, 14, sum_ps);
    fprintf(out, " %6.1f%%  to %s", lost_ps > 0 ? 100 * sum_ps / lost_ps : 0,
            culprit == victim ? "itself" : call_job(recorder, culprit, text));
    const char *before = ": ";
    for (int32_t t = 0; t < cluster_ntiers(recorder->fabric->cluster); t++) {
        if ((double)tier_ps[t] < SMALLEST_SHARE * sum_ps || tier_ps[t] == 0) continue;
        fprintf(out, "%s%s %.1f%%", before, cluster_tier_name(recorder->fabric->cluster, t),
                100 * (double)tier_ps[t] / sum_ps);
        before = ", ";
    }
    fputc('\n', out);
}

/// Who cost whom, if there are several jobs.
static void print_costs(FILE *out, const Recorder *recorder) {
    const int32_t njobs = recorder->fabric->run->njobs;
    if (njobs < 2) return;
    int width = 0;
    char text[CALL_BYTES];
    for (int32_t j = 0; j < njobs; j++) {
        int length = (int)strlen(call_job(recorder, j, text));
        if (length > width) width = length;
    }
    fprintf(out, "\n  What transfers lose to those of each job (all steps), and where\n");
    for (int32_t victim = 0; victim < njobs; victim++) {
        double lost_ps = 0;
        for (int32_t j = 0; j < njobs; j++)
            for (int32_t t = 0; t < TRACE_TIERS_MAX; t++)
                lost_ps += (double)recorder->cost_ps[victim][j][t];
        for (int32_t j = 0; j < njobs; j++) print_cost(out, recorder, victim, j, width, lost_ps);
    }
}

/// Which job on which machine, and how much of it a training job has.
static void print_title(FILE *out, const Recorder *recorder, int32_t j) {
    const Cluster *cluster = recorder->fabric->cluster;
    const JobSpec *job = &recorder->fabric->run->job[j];
    const StepSummary *step = find_step(recorder, j, false);
    int64_t gpus = cluster_ngpus(cluster), working = gpus;
    if (step && job->kind == JOB_TRAINING) working = step->row.working_gpus;
    fprintf(out, "\n%s on %s (", job->name, cluster_spec(cluster)->name);
    if (working < gpus) fprintf(out, "%lld of ", (long long)working);
    fprintf(out, "%lld GPUs)\n\n", (long long)gpus);
}

void report_print(FILE *out, const Recorder *recorder) {
    const RunSpec *run = recorder->fabric->run;
    if (recorder->step.n == 0) return;
    for (int32_t j = 0; j < run->njobs; j++) {
        const JobSpec *job = &run->job[j];
        print_title(out, recorder, j);
        if (!find_step(recorder, j, false))
            fprintf(out, "  no step ended\n");
        else
            (job->kind == JOB_TRAINING ? print_training : print_traffic)(out, recorder, j);
    }
    print_costs(out, recorder);
    print_events(out, recorder);
}

/// How many ranks pay: those that have something to play and wait little for each other. Waiting grows with ranks, as what
/// each has to play between two agreements becomes less even (README, "Ranks and scaling"): no further than twice as many is
/// looked.
static void print_ranks(FILE *out, const Bill *bill, int nranks, bool served) {
    const long long islands = (long long)bill->row[BILL_ISLANDS_PLAYED];
    fprintf(out, "  ranks: ");
    if (islands <= 1 && !served)
        fprintf(out, "one plays what cannot be cut, as this; more help only to write the trace\n");
    else if (nranks > 1 && bill->most_share > WAITED_MUCH)
        fprintf(out, "some waited for the others for more than half of their time: fewer pay\n");
    else if (nranks > 1 && bill->most_share > WAITED_MUCH / 2)
        fprintf(out, "no more than these pay\n");
    else if (served)
        fprintf(out, "switches and NICs are dealt to them: twice as many pay\n");
    else
        fprintf(out, "%lld islands are dealt to %d: %s\n", islands, nranks,
                islands >= 2 * nranks ? "twice as many pay" : "no more than these pay");
}

void report_bill(FILE *out, const Bill *bill, int nranks, bool served) {
    const int64_t *row = bill->row;
    fprintf(out, "played in %.3f s  ", (double)row[BILL_PLAY_NS] / 1e9);
    if (row[BILL_ISLANDS] > 0)
        fprintf(out, "%lld islands (%lld played)  %lld windows  %lld replays  ",
                (long long)row[BILL_ISLANDS], (long long)row[BILL_ISLANDS_PLAYED],
                (long long)row[BILL_WINDOWS], (long long)row[BILL_REPLAYS]);
    else
        fprintf(out, "event by event  ");
    if (row[BILL_STEPS_REPEATED] > 0)
        fprintf(out, "%lld steps repeated  ", (long long)row[BILL_STEPS_REPEATED]);
    if (nranks > 1)
        fprintf(out, "%lld agreements, %lld B  ranks waited %.1f to %.1f %%",
                (long long)row[BILL_AGREEMENTS], (long long)row[BILL_AGREEMENT_BYTES],
                100 * bill->least_share, 100 * bill->most_share);
    fprintf(out, "\n");
    if (row[BILL_PLAY_NS] > WORTH_NS) print_ranks(out, bill, nranks, served);
    fflush(out);
}

void report_memory(FILE *out, const Footprint *footprint) {
    enum { ROWS = 128 };
    MemoryRow row[ROWS];
    int n = memory_report(row, ROWS);
    fprintf(out, "\n  %-24s %14s %14s\n", "memory of rank 0", "now, bytes", "most, bytes");
    for (int i = 0; i < n && i < ROWS; i++)
        fprintf(out, "  %-24s %14lld %14lld\n", row[i].label, (long long)row[i].live_bytes,
                (long long)row[i].high_bytes);
    fprintf(out, "\n  %-16s %12s %14s %9s %7s\n", "all ranks", "most at once", "most, bytes",
            "each, B", "budget");
    for (int kind = 0; kind < FOOTPRINT_N; kind++) {
        const FootprintRow *about = &FOOTPRINT_ROWS[kind];
        char budget[32] = "none";
        if (about->budget_bytes > 0)
            snprintf(budget, sizeof budget, "%lld", (long long)about->budget_bytes);
        fprintf(out, "  %-16s %12lld %14lld %9.1f %7s\n", about->name,
                (long long)footprint->count[kind], (long long)footprint->bytes[kind],
                footprint_each(footprint, (FootprintKind)kind), budget);
    }
}
