/// run_spec.h: everything a run needs to know, resolved; free of YAML, MPI and HDF5.
///
/// Idea.    config/ fills it from a topology file, job files and --set; the driver consumes it. The texts it came from
///          travel along, so that the trace holds them.
#ifndef COLOSSIM_DRIVER_RUN_SPEC_H
#define COLOSSIM_DRIVER_RUN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "cluster/placement.h"
#include "collective/collective.h"
#include "effects/noise.h"
#include "engine/engine.h"
#include "workload/certainty.h"
#include "workload/exchange.h"
#include "workload/model.h"
#include "workload/traffic.h"

typedef enum JobKind { JOB_TRAINING, JOB_TRAFFIC } JobKind;

/// How messages of a job meet the network.
typedef struct NetworkSpec {
    int32_t queue_pairs; ///< per connection between two nodes
    int64_t
        message_latency_ps; ///< launch and protocol of a point-to-point message, on top of the path's latency
    int64_t round_latency_ps;   ///< per network round of a collective, on top of the path's latency
    int64_t collective_base_ps; ///< launch and protocol of a collective
    int64_t eager_bytes; ///< messages up to this size do not load the links (priced in closed form)
    int64_t reroute_delay_ps; ///< until routing knows that a link is dead, or back
    CollectiveAlgorithm dp_algorithm;
    CollectiveProtocol protocol; ///< of collectives
} NetworkSpec;

typedef struct JobSpec {
    char name[HARDWARE_NAME_BYTES];
    JobKind kind;
    ModelSpec model;
    ParallelSpec parallel;
    TrainingSpec training;
    TrafficSpec traffic;
    CollectiveSpec collective; ///< traffic jobs of pattern TRAFFIC_COLLECTIVE
    PlacementSpec placement;
    NoiseSpec noise;
    NetworkSpec network;
    int32_t steps;
    int64_t start_ps; ///< when it begins
} JobSpec;

/// GPUs of which every operation is kept (driver/timeline.h).
enum { TIMELINE_GPUS_MAX = 256, TIMELINE_TEXTS_MAX = 32, TIMELINE_TEXT_BYTES = 48 };
typedef struct TimelineSpec {
    char text[TIMELINE_TEXTS_MAX][TIMELINE_TEXT_BYTES]; ///< ranges as written; not looked at
    int32_t ntexts;
    int32_t every;                  ///< step of a job whose number is a multiple of it is kept
    int64_t gpu[TIMELINE_GPUS_MAX]; ///< [ngpus] ascending, each once; computed
    int32_t ngpus;
} TimelineSpec;

/// Links of which every sampling interval is kept (observe/chosen.h).
enum { LINKS_CHOSEN_MAX = 8192, LINKS_TEXTS_MAX = 32 };
typedef struct LinkRange {
    LinkId first;
    int64_t n;
} LinkRange;
typedef struct LinksSpec {
    char text[LINKS_TEXTS_MAX][CLUSTER_NAME_BYTES]; ///< as written; not looked at
    int32_t ntexts;
    LinkRange range[2 * LINKS_TEXTS_MAX]; ///< [nranges]; computed
    int32_t nranges;
    int64_t n; ///< links of all ranges
} LinksSpec;

typedef struct TraceSpec {
    char path[1024];   ///< "": no file is written
    int32_t hot_links; ///< hottest links kept per sampling interval and per step
    int32_t intervals; ///< wanted per step; the interval is a 1-2-5 value near estimate / intervals
    int32_t compress;  ///< gzip level 0..9
    bool full_links;   ///< also a full row of every link per step
    TimelineSpec timeline;
    bool explain;         ///< also the critical path of a step, and what changes would gain
    int32_t explain_step; ///< of each job; -1: the last that is played
    LinksSpec links;
    bool make_folder; ///< the path is below output/, which is made where it is missing; computed
    const uint64_t
        *begun; ///< [nbegun] fingerprints that the first steps must have (trace/begun.h); borrowed
    int64_t nbegun;
} TraceSpec;

/// A file the run was configured from, as it was read.
typedef struct SourceText {
    char path[1024];
    char *text; ///< owned by the RunSpec
    int64_t bytes;
} SourceText;

enum { RUN_JOBS_MAX = 16, RUN_SOURCES_MAX = 64 };

/// Who moves the units of a training job (driver/player.h): whoever costs less, or the one named where it can.
typedef enum PlayerChoice { PLAYER_BY_COST, PLAYER_EVENT, PLAYER_ISLAND } PlayerChoice;

typedef struct RunSpec {
    ClusterSpec cluster;
    JobSpec *job; ///< [njobs]
    int32_t njobs;
    const EngineOps *engine; ///< not in the texts: any may be plugged in
    int64_t control_delay_ps;
    PacketSpec packet;   ///< for engines of packets
    PlayerChoice player; ///< changes no result
    bool
        repeat; ///< tell steps that cannot differ from the one before (player/repeat.h); changes no result
    uint64_t seed;
    CertaintySpec certainty; ///< how far the model was from published runs
    TraceSpec trace;
    SourceText source[RUN_SOURCES_MAX];
    int32_t nsources;
    char *arguments; ///< lines: share folder, paths of topology and jobs, as they were read; owned
    char *resolved;  ///< normalised configuration with all defaults written out (YAML text); owned
} RunSpec;

/// Plan a collective of a job on a cluster, with what it pays and is tuned by there.
///   wanted   its kind, algorithm and bytes; its round_latency_ps comes to that of the job, the rest is not looked at
///   kind     whose scale-up domains it runs in, at the pace of the slowest (Spread)
///   path_ps  of a path between scale-up domains
///   domains  borrowed by the plan
/// Fails: as collective_plan.
Status run_spec_plan(CollectivePlan *plan, const JobSpec *job, const ClusterSpec *cluster,
                     const CollectiveSpec *wanted, int32_t kind, int64_t path_ps,
                     const Domains *domains);
/// Text of a source by its path (the CSV of a traffic job), NUL-terminated, or NULL. Borrowed.
const char *run_spec_text(const RunSpec *spec, const char *path);
/// STATUS_FAILED where a run has come further than simulated time goes.
Status run_check_time(int64_t now_ps);
/// GPUs of a job; of traffic that names none 0.
int64_t run_spec_ranks(const JobSpec *job);
/// Where the GPUs of a job are.   Fails: as placement_init.
Status run_spec_placement(const JobSpec *job, const ClusterSpec *cluster, Placement *placement);
/// How the groups of a dimension lie in scale-up domains: alike in all that a job may have nodes of.   Fails: STATUS_RANGE.
Status run_spec_parts(const JobSpec *job, const ClusterSpec *cluster, Dimension dimension,
                      Parts *parts);
/// A GPU's way out of its scale-up domain, to one below the same leaf.
Uplink run_spec_uplink(const JobSpec *job, const ClusterSpec *cluster);
/// Release what config/run_file.h filled; the struct is zero afterwards.
void run_spec_fini(RunSpec *spec);

#endif
