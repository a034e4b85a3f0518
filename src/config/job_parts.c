#include "config/job_parts.h"

#include "config/job_file.h"

// Seeds: the word "run" stands for the job's seed.
#define SEED_AT(T, m) \
    FIELD_COUNT_OR_WORD_AT("seed", T, m, "run", -1, "run", 0, 0, "run: the seed of the run")

static const Field PLACEMENT_FIELDS[] = {
    FIELD_ENUM_AT("kind", PlacementSpec, kind, PLACEMENT_NAMES, "contiguous",
                  "how job nodes are dealt over the cluster"),
    FIELD_COUNT_AT("stride", PlacementSpec, stride, "1", 1, 0, "nodes, for strided"),
    SEED_AT(PlacementSpec, seed),
    FIELD_STRING_AT("nodes", PlacementSpec, nodes, "all",
                    "that the job may have: all, a range 0-511, or every second of one 1-1023/2"),
};
const Schema placement_schema = {.name = "placement",
                                 .field = PLACEMENT_FIELDS,
                                 .nfields = FIELDS_N(PLACEMENT_FIELDS),
                                 .bytes = sizeof(PlacementSpec),
                                 .shorthand = true};

static const Field LISTED_FIELDS[] = {
    FIELD_STRING_AT("gpu", ListedShare, gpu, NULL, "name of a kind of GPUs of the machine"),
    FIELD_COUNT_AT("microbatches", ListedShare, microbatches, NULL, 1, INT32_MAX,
                   "of each replica that has no slower ones"),
};
static const Schema LISTED_SCHEMA = {.name = "of",
                                     .field = LISTED_FIELDS,
                                     .nfields = FIELDS_N(LISTED_FIELDS),
                                     .bytes = sizeof(ListedShare)};
static const Field LISTED_ELEMENT = ELEMENT_STRUCT(ListedShare, &LISTED_SCHEMA);
static const Field BATCH_SHARES_FIELDS[] = {
    FIELD_ENUM_AT("kind", JobFile, job.parallel.shares, BATCH_SHARES_NAMES, "equal",
                  "proportional: so that the step is shortest; listed: as `of` says"),
    FIELD_LIST_AT("of", JobFile, job.parallel.listed, job.parallel.nlisted, &LISTED_ELEMENT, "",
                  "listed: of kinds of GPUs; those not named share evenly what is left"),
};
static void finish_batch_shares(Reader *reader, const Node *node, void *data) {
    const ParallelSpec *parallel = &((const JobFile *)data)->job.parallel;
    if ((parallel->shares == SHARES_LISTED) == (parallel->nlisted > 0)) return;
    reader_error(reader, node, parallel->nlisted > 0 ? "of" : "kind",
                 parallel->nlisted > 0 ? "a list of shares wants kind: listed"
                                       : "kind listed wants a list, such as of: [{gpu: h200-sxm, "
                                         "microbatches: 20}]");
}
const Schema batch_shares_schema = {.name = "batch_shares",
                                    .field = BATCH_SHARES_FIELDS,
                                    .nfields = FIELDS_N(BATCH_SHARES_FIELDS),
                                    .bytes = sizeof(JobFile),
                                    .shorthand = true,
                                    .finish = finish_batch_shares};

static const Field NOISE_FIELDS[] = {
    FIELD_BOOL_AT("enabled", JobFile, noise_on, "on", "off: every GPU runs at nominal speed"),
    SEED_AT(JobFile, job.noise.seed),
    FIELD_QUANTITY_AT("gpu_sigma", JobFile, job.noise.gpu_sigma, QUANTITY_FRACTION, "1 %", 0, 1,
                      "lasting slowness of a GPU (half-normal)"),
    FIELD_QUANTITY_AT("step_sigma", JobFile, job.noise.step_sigma, QUANTITY_FRACTION, "0.5 %", 0, 1,
                      "per GPU and step (normal)"),
    FIELD_NUMBER_AT("truncate", JobFile, job.noise.truncate, "3", 0, 10,
                    "both are cut at this many sigmas"),
    FIELD_QUANTITY_AT("straggler_probability", JobFile, job.noise.straggler_probability,
                      QUANTITY_FRACTION, "0.0001 %", 0, 1, "per GPU and step"),
    FIELD_QUANTITY_AT("straggler_slowdown", JobFile, job.noise.straggler_slowdown,
                      QUANTITY_FRACTION, "28 %", 0, 100, "mean extra time of a straggler"),
};
const Schema noise_schema = {.name = "noise",
                             .field = NOISE_FIELDS,
                             .nfields = FIELDS_N(NOISE_FIELDS),
                             .bytes = sizeof(JobFile),
                             .shorthand = true};

static const Field ENGINE_FIELDS[] = {
    FIELD_ENUM_AT("kind", EngineFile, kind, ENGINE_NAMES, "flow",
                  "closed: every transfer as if alone; flow: max-min sharing; rounds: the same, "
                  "collectives round by round; packet: every packet"),
    FIELD_QUANTITY_AT("control_delay", EngineFile, control_delay_ps, QUANTITY_TIME, "10 us", 0, 0,
                      "until an end is felt by others"),
};
const Schema engine_schema = {.name = "engine",
                              .field = ENGINE_FIELDS,
                              .nfields = FIELDS_N(ENGINE_FIELDS),
                              .bytes = sizeof(EngineFile),
                              .shorthand = true};

static const Field TIMELINE_ELEMENT = ELEMENT_STRING(TIMELINE_TEXT_BYTES);
static const Field LINKS_ELEMENT = ELEMENT_STRING(CLUSTER_NAME_BYTES);
static const Field TRACE_FIELDS[] = {
    FIELD_STRING_AT("path", TraceSpec, path, "auto",
                    "HDF5 file below output/; auto: TOPOLOGY-JOB-SETTINGS.h5; none: no file"),
    FIELD_COUNT_AT("hot_links", TraceSpec, hot_links, "64", 0, 1024,
                   "hottest links kept per step and per interval"),
    FIELD_COUNT_AT("intervals", TraceSpec, intervals, "200", 1, 100000, "wanted per step"),
    FIELD_COUNT_AT("compress", TraceSpec, compress, "1", 0, 9, "gzip level"),
    FIELD_BOOL_AT("full_links", TraceSpec, full_links, "off", "also every link of every step"),
    FIELD_LIST_AT("links", TraceSpec, links.text, links.ntexts, &LINKS_ELEMENT, "",
                  "links of which every interval is kept: [spine, leaf up, leaf 0 port 0 -> spine "
                  "0], or [all]"),
    FIELD_LIST_AT("timeline", TraceSpec, timeline.text, timeline.ntexts, &TIMELINE_ELEMENT, "",
                  "GPUs of which every operation is kept: [0, 8-15, 0-1023/128], or [all]"),
    FIELD_COUNT_AT("timeline_every", TraceSpec, timeline.every, "1", 1, 1000000,
                   "of so many steps the operations of one are kept"),
    FIELD_BOOL_AT("explain", TraceSpec, explain, "off",
                  "also the critical path of a step, and what it would gain by changes"),
    FIELD_COUNT_OR_WORD_AT("explain_step", TraceSpec, explain_step, "last", -1, "last", 0,
                           INT32_MAX, "which; last: of those that are played"),
};
const Schema trace_schema = {.name = "trace",
                             .field = TRACE_FIELDS,
                             .nfields = FIELDS_N(TRACE_FIELDS),
                             .bytes = sizeof(TraceSpec)};
