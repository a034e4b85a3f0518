/// trace.h: writes the HDF5 file of a run, so that what is committed survives a kill at any moment.
///
/// Idea.    Rank 0 makes the whole structure of schema.h with the serial driver, then all ranks reopen the
///          file with MPI-IO and fill it. A step is:
///
///              trace_begin_step            every step axis grows by one row (of fill values)
///              trace_append_intervals      any number of times, as the run goes
///              trace_write_gpus            each rank its slab of GPUs
///              trace_append_collectives / trace_append_flows, trace_append_operations
///              trace_write_links, trace_write_full_links, trace_write_power, trace_write_step
///              trace_commit                flush, then committed_steps = rows written
///
///          The file has its name from the first committed step on (draft.h). Nothing committed is ever
///          written again: compressed chunks hold one step each, and uncompressed ones are filled in place.
///          Readers cut at committed_steps; how many rows of the tables belong to a step stands in
///          /steps/{collectives,flows,intervals}_end. The MPI-IO driver takes no file lock, so the file opens
///          while the run is going.
/// Limits.  HDF5 promises nothing about power loss; the layout was tried with SIGKILL only. Room on the file
///          system is set aside before the file grows; where that cannot be done it is only looked at, and a
///          quota that runs out may still hang HDF5.
///          What may differ between equal runs (ranks, host, date, wall time) is an attribute of /run.
/// Errors.  Everything that HDF5 refuses is STATUS_OUTPUT; all ranks get the same status.
///          After one, only trace_run_* (which then do nothing) and trace_close may be called; then, if
///          trace_is_held, the process must leave through MPI_Abort, not MPI_Finalize, where HDF5 1.10.8 would
///          crash over a file that it cannot close.
#ifndef COLOSSIM_TRACE_TRACE_H
#define COLOSSIM_TRACE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "par/comm.h"
#include "trace/schema.h"

typedef struct Trace Trace; // opaque

/// A file the run was configured from.
typedef struct TraceSource {
    const char *path;
    const char *text;
} TraceSource;

/// One tier of links. Index 0 of the tier axis is the scale-up domain.
typedef struct TraceTier {
    const char *name;
    int64_t links;        ///< each direction
    int64_t capacity_Bps; ///< of one healthy link, one direction
    int64_t first_link[TRACE_DIRECTIONS];
} TraceTier;

/// One tier of the site: units of so many GPUs that follow each other.
typedef struct TraceSiteTier {
    const char *name;
    int64_t gpus;
} TraceSiteTier;

/// Something that changes: columns of /events.
typedef struct TraceEvent {
    int64_t time_ps, known_ps;
    double from, to;
    char what[TRACE_NAME_CHARS];
} TraceEvent;

/// What is changed by one of the columns of /gains.
typedef struct TraceChange {
    const char *name;
    double size;
} TraceChange;

/// An operation on the critical path of a step: a row of /path.
typedef struct TraceSegment {
    TraceOperationKind kind;
    int32_t microbatch, chunk, tier;
    int64_t gpu, peer;
    int64_t start_ps, end_ps, alone_ps, slowed_ps;
    int64_t link;
    char link_name[TRACE_NAME_CHARS];
} TraceSegment;
/// A link, and what it is called.
typedef struct TraceLinkName {
    int64_t link;
    char name[TRACE_NAME_CHARS];
} TraceLinkName;

/// What the file says about itself. Equal on all ranks; `path` and `begun` are borrowed until trace_close, all else for the
/// call.
typedef struct TraceInfo {
    const char *path;  ///< of the file; a trace that is there is replaced once a step is committed
    bool make_folder;  ///< make missing folders on the way to it
    const char *title; ///< e.g. "llama3.1-405b on colossus-100k"
    const char *job;   ///< name(s) of the jobs
    const char *cluster;       ///< name of the topology
    const char *engine;        ///< "closed", "flow"
    const char *routing;       ///< "ecmp" ...
    const char *placement;     ///< "contiguous", "random" ...
    const char *precision;     ///< of peak_flop_per_s; "" without a training job
    const char *resolved;      ///< normalised configuration, YAML
    const TraceSource *source; ///< [nsources]
    int32_t nsources;
    uint64_t seed;
    int64_t control_delay_ps;
    int64_t interval_ps; ///< sampling interval
    int32_t njobs;
    const char *const *job_name; ///< [njobs]; looked at if there are several
    bool training, traffic;      ///< kinds of job that take part
    int64_t ngpus;               ///< GPUs of the cluster, spares included
    int64_t gpus_per_node;
    const TraceTier *tier;          ///< [ntiers]
    int32_t ntiers;                 ///< 1 .. TRACE_TIERS_MAX
    const TraceSiteTier *site_tier; ///< [nsite_tiers]
    int32_t nsite_tiers;            ///< 1 .. TRACE_SITE_TIERS_MAX
    const TraceEvent *event;        ///< [nevents], by time
    int32_t nevents;
    const TraceChange *change; ///< [nchanges] of /gains; none: no step is to be explained
    int32_t nchanges;
    int64_t nlinks;    ///< of all tiers and directions
    int32_t hot_links; ///< >= 0, per step and per interval
    bool full_links;
    bool packets;                ///< the engine knows packets
    bool timeline;               ///< operations of some GPUs are kept
    const TraceLinkName *chosen; ///< [nchosen] links that are kept in time, by id
    int32_t nchosen;
    int32_t compress;         ///< gzip level 0..9
    bool commit_every;        ///< never thin out commits
    const char *command_line; ///< goes to /run
    const char *arguments;    ///< to /run, for begun.h
    const uint64_t *
        begun; ///< [nbegun] fingerprints that the first steps must have; the file takes its name once it has them
    int64_t nbegun;
} TraceInfo;

/// A GPU's place in the job; TRACE_NONE where it has none.
enum { TRACE_NONE = -1 };
typedef struct TraceGpu {
    int32_t job;
    int64_t job_rank;
    int32_t tp, cp, pp, dp;
    int32_t microbatches; ///< of its replica, in a step
    int64_t node;         ///< this and its place there all have
    int32_t slot;
} TraceGpu;

/// Columns of a GPU's step, in ps: its parts, signed, in the order of TracePart, and what they sum to (CHECKed).
enum { TRACE_GPU_DURATION = TRACE_PART_N, TRACE_GPU_COLUMNS };

/// "No value" in all columns: a spare, or of a traffic job. netCDF's own fill value of int64: a signed time never is
/// that, but it may well be -1.
#define TRACE_NO_TIME_PS (INT64_MIN + 2)

/// One column of the GPUs [first, first + n) into value_ps[n].
typedef void (*TraceGpuFill)(void *context, int column, int64_t first, int64_t n,
                             int64_t value_ps[]);

/// The whole job's step. Derived columns (duration, mfu, token rate) are computed here.
typedef struct TraceStep {
    int32_t job;
    int64_t job_step;
    int64_t start_ps, end_ps;
    uint64_t fingerprint;
    int64_t links_step; ///< whose intervals and hot links are those of this one too
    int64_t
        timeline_step; ///< whose operations are those of this one too; TRACE_NONE: they are not kept
    int64_t intervals_start_ps;                         ///< when the first of its intervals begins
    int64_t packets, resent, acknowledgements, skipped; ///< of an engine that knows them
    /// Training only:
    int64_t working_gpus;
    double mean_duration_ps; ///< over working GPUs
    double mean_part_ps[TRACE_PART_N];
    int64_t tokens;
    double model_flop_full, model_flop_causal, hardware_flop;
    double priced_scale_up_bytes, priced_nic_bytes; ///< of layers, in no link
    double peak_flop_per_s;                         ///< of one GPU
    double likely_least_ps, likely_most_ps;         ///< NAN: no published run is like it
    int64_t likely_runs, largest_run_gpus;
    /// Traffic only; NAN: it has no operations.
    double computing_ps, communicating_ps, awaiting_ps, idle_ps; ///< mean over ranks
} TraceStep;

/// What the site draws in a step.
typedef struct TracePower {
    double energy_J, part_J[TRACE_ENERGY_N];
    double per_token_J; ///< NAN: it trains on none
    double mean_W, node_W, peak_W, least_W, ramp_W_per_s, swing_W, battery_J;
    int64_t wave_step; ///< whose site_W and gpus_W are those of this one too
    double site_W[TRACE_PHASES], gpus_W[TRACE_PHASES];
} TracePower;

/// What units of a tier of the site draw, those in which a job has GPUs.
typedef struct TraceTierPower {
    int64_t units, hottest;
    double mean_W[TRACE_PHASES], least_W[TRACE_PHASES], most_W[TRACE_PHASES],
        hottest_W[TRACE_PHASES];
} TraceTierPower;

/// What follows from it; NAN but for a training step.  MPI: local.
typedef struct TraceRates {
    double mfu_full, mfu_causal, tokens_per_s_gpu;
} TraceRates;
TraceRates trace_rates(const TraceStep *step);

typedef struct TraceCollective {
    TraceCollectiveKind kind;
    TraceTraffic traffic;
    int64_t group_first, group_stride, group_size; ///< job ranks
    int64_t bytes;
    int64_t start_ps, end_ps;
    double bus_Bps;
    double slowdown;
} TraceCollective;

/// An operation of a chosen GPU, or a wait.
typedef struct TraceOperation {
    int64_t gpu;
    TraceStream stream;
    TraceOperationKind kind;
    int32_t microbatch, chunk, segment, part;
    int64_t start_ps, begun_ps, end_ps;
    int64_t alone_ps, bytes;           ///< TRACE_NONE: it is no communication
    int64_t peer, collective, awaited; ///< TRACE_NONE
    int64_t part_ps[TRACE_PART_N];     ///< TRACE_NO_TIME_PS: it is not of the compute stream
} TraceOperation;

typedef struct TraceFlow {
    int64_t source, destination; ///< job ranks
    int64_t bytes;
    int64_t start_ps, end_ps;
    double slowdown;
} TraceFlow;

/// All links of one tier and direction, over a step or an interval.
typedef struct TraceTierLoad {
    int64_t bytes;
    double delay_ps, congested_ps;            ///< whole numbers, which together may pass 2^63
    double utilisation_mean, utilisation_max; ///< step only
    int64_t histogram[TRACE_BINS];            ///< links per bin; trace_bin says which
    double queue_mean, pause_ps;              ///< from here on only with packets
    int64_t queue_most, marks, drops, trims, reordered;
    int64_t queue_histogram[TRACE_QUEUE_BINS]; ///< links per bin; trace_queue_bin says which
} TraceTierLoad;

/// What packets met at the port of a link.
typedef struct TracePort {
    double queue_mean;
    int64_t queue_most, pause_ps, marks, drops, reordered;
} TracePort;

/// A link that was paused, by the switch (or GPU) that it leads to, and the port there that most of it was for.
typedef struct TracePause {
    int64_t link, cause; ///< cause TRACE_NONE: unknown
    int64_t pause_ps;
    char name[TRACE_NAME_CHARS], cause_name[TRACE_NAME_CHARS]; ///< (step)
} TracePause;

typedef struct TraceLinkUser {
    TraceTraffic traffic;
    int64_t source, destination; ///< GPUs
    int64_t bytes;
} TraceLinkUser;

/// Who uses a link, and what for.
typedef struct TraceLinkUsers {
    int64_t traffic_bytes[TRACE_TRAFFIC_N];
    int32_t n;                       ///< 0 .. TRACE_USERS
    TraceLinkUser user[TRACE_USERS]; ///< most bytes first
} TraceLinkUsers;

/// A hot link. Fields marked (step) are not looked at for an interval.
typedef struct TraceHotLink {
    int64_t link;
    int32_t tier, direction;
    int64_t width; ///< links: 1, or those of a bundle, over which amounts spread evenly
    double utilisation;
    int64_t delay_ps;
    int64_t bytes, congested_ps; ///< (step)
    TraceLinkUsers users;        ///< (step)
    char name[TRACE_NAME_CHARS]; ///< (step)
    TracePort port;              ///< only with packets
} TraceHotLink;

/// What a chosen link carried.
typedef struct TraceLinkLoad {
    int64_t bytes, delay_ps, congested_ps;
} TraceLinkLoad;

/// Load of one step or one interval; only rank 0's is looked at.
typedef struct TraceLoad {
    int64_t start_ps, end_ps;                              ///< of an interval
    TraceTierLoad tier[TRACE_TIERS_MAX][TRACE_DIRECTIONS]; ///< [ntiers]
    const TraceHotLink *hot;                               ///< [nhot], hottest first
    int32_t nhot;                                          ///< <= hot_links
    const TraceLinkLoad *chosen;                           ///< [nchosen]
    const TraceLinkUsers *chosen_users;                    ///< [nchosen] of a step
    int32_t npaused;                                       ///< only with packets, as the rest
    TracePause paused[TRACE_VICTIMS];                      ///< longest first
} TraceLoad;

/// Bin of a link that carried `bytes` where `capacity_bytes` would have fitted: 0 for 0 bytes, then
/// ceil(20 * share), at most TRACE_BINS - 1.   capacity_bytes > 0.   MPI: local.
int trace_bin(int64_t bytes, int64_t capacity_bytes);
/// Bin of a queue of so many bytes: 0 for none, then 1 up to 1 KiB, 2 up to 2 KiB, and so on doubled; the last holds what is
/// more.   MPI: local.
int trace_queue_bin(int64_t bytes);

/// Create the file with everything that is known before the first step; attribute status = "running". It stands
/// beside its place, under a lock, until the first step is committed (draft.h).
///   MPI: collective over `comm`, which is borrowed until trace_close; MPI_Init must have been called.
///   Fails: STATUS_OUTPUT, naming the file and what the system said; also if what is at `path` is no trace, an
///   input, or being written.
Status trace_create(const Comm *comm, const TraceInfo *info, Trace **trace);

/// Each rank its GPUs [first, first + n): consecutive physical ids; ranks must not overlap. n = 0 is legal.
///   place   called several times for each of them, so that no more than 8 bytes a GPU are held at a time
///   Once, before the first step.   MPI: collective.
Status trace_static_gpus(Trace *trace, int64_t first, int64_t n,
                         TraceGpu (*place)(const void *context, int64_t gpu), const void *context);

/// Open the next step (numbers from 0).   MPI: collective.
Status trace_begin_step(Trace *trace);

/// Of the open step: GPUs as trace_static_gpus. Training only.   MPI: collective.
///   fill   called once for each column, with the same `first` and `n`: 8 bytes a GPU are held at a time
Status trace_write_gpus(Trace *trace, int64_t first, int64_t n, TraceGpuFill fill, void *context);

/// Of the open step of a training job: energy of the GPUs [first, first + n) into value_J[n], NAN: none.   MPI: collective.
typedef void (*TraceEnergyFill)(const void *context, int64_t first, int64_t n, double value_J[]);
Status trace_write_gpu_energy(Trace *trace, int64_t first, int64_t n, TraceEnergyFill fill,
                              const void *context);

/// Append n rows of this rank, behind those of the ranks before it: either all rows stand on rank 0, or the
/// concatenation over ranks is in final order. They count for the open step. Training | traffic only.
///   MPI: collective.
Status trace_append_collectives(Trace *trace, int64_t n, const TraceCollective row[]);
Status trace_append_flows(Trace *trace, int64_t n, const TraceFlow row[]);
/// If a timeline was asked for.
Status trace_append_operations(Trace *trace, int64_t n, const TraceOperation row[]);
/// Rows of the tables of collectives and operations so far: numbers of those that are appended next.   MPI: local.
int64_t trace_ncollectives(const Trace *trace);
int64_t trace_noperations(const Trace *trace);

/// Append n intervals, in the order of time. Only rank 0's are looked at (the others pass n = 0 or the same).
///   MPI: collective.
Status trace_append_intervals(Trace *trace, int32_t n, const TraceLoad load[]);

/// Of the open step; only rank 0's load is looked at (NULL elsewhere), and its `hot`: write hot and chosen links too; else the
/// step has the row of "no value", as links_step says where they stand.   MPI: collective.
Status trace_write_links(Trace *trace, const TraceLoad *load, bool hot);

/// Of the open step of one of several jobs: what its transfers lost to those of each job; only rank 0's is looked at.
///   delay_ps[njobs][ntiers][TRACE_DIRECTIONS]
///   MPI: collective.
Status trace_write_job_costs(Trace *trace, const double delay_ps[]);

/// Of the open step, if asked for in TraceInfo: each rank its consecutive link ids, as trace_static_gpus.
///   MPI: collective; may be called several times a step by all ranks together (n = 0 is legal).
Status trace_write_full_links(Trace *trace, int64_t first, int64_t n, const int64_t bytes[]);

/// Of the open step; only rank 0's struct is looked at (NULL elsewhere). In time only where wave_step is the step itself;
/// else its row is one of "no value".   MPI: collective.
Status trace_write_power(Trace *trace, const TracePower *power);

/// Of the open step of a training job, where wave_step is the step itself; only rank 0's is looked at, and NULL there too is
/// a row of "no value".
///   tier[nsite_tiers]
///   MPI: collective.
Status trace_write_tier_power(Trace *trace, const TraceTierPower tier[]);

/// Of the open step: its critical path, in the order of time, and what it would take with each change. Only rank 0's are
/// looked at.
///   step_ps[nchanges]  TRACE_NONE: it cannot be
///   MPI: collective.
Status trace_write_path(Trace *trace, int64_t n, const TraceSegment path[],
                        const int64_t step_ps[]);

/// Close the open step; only rank 0's struct is looked at (NULL elsewhere).   MPI: collective.
Status trace_write_step(Trace *trace, const TraceStep *step);

/// Flush, then count the closed steps as committed, unless commits take more than 5 % of wall time and the
/// last is less than 2 s ago (`force` or commit_every: always).
///   *committed   out, may be NULL: steps that are in the file for good, equal on all ranks.
///   MPI: collective.
Status trace_commit(Trace *trace, bool force, int64_t *committed);

/// An attribute of /run: what may vary between equal runs (wall times, memory). Only rank 0's value is looked at.
///   MPI: collective.
Status trace_run_double(Trace *trace, const char *name, double value);
Status trace_run_doubles(Trace *trace, const char *name, const double values[], int n); ///< n >= 1
Status trace_run_int(Trace *trace, const char *name, int64_t value);

/// Commit what is closed, set attributes status ("complete", "stopped", "failed") and reason (why, or ""), close the
/// file and free. After a failure of another trace function the file is left as it was committed, with
/// status "failed". Without a committed step there is no file. *trace becomes NULL; NULL is legal.
///   MPI: collective.
Status trace_close(Trace **trace, const char *status, const char *reason);

/// Whether HDF5 still has a file that it could not close.   MPI: local.
bool trace_is_held(void);

#endif
