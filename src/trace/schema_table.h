/// schema_table.h: the datasets of the output file, one a line: a part of schema.h, which alone includes it.
#ifndef COLOSSIM_TRACE_SCHEMA_TABLE_H
#define COLOSSIM_TRACE_SCHEMA_TABLE_H

#define TRACE_AXES1(a) TRACE_AXIS_##a, TRACE_AXIS_NONE, TRACE_AXIS_NONE, TRACE_AXIS_NONE
#define TRACE_AXES2(a, b) TRACE_AXIS_##a, TRACE_AXIS_##b, TRACE_AXIS_NONE, TRACE_AXIS_NONE
#define TRACE_AXES3(a, b, c) TRACE_AXIS_##a, TRACE_AXIS_##b, TRACE_AXIS_##c, TRACE_AXIS_NONE
#define TRACE_AXES4(a, b, c, d) TRACE_AXIS_##a, TRACE_AXIS_##b, TRACE_AXIS_##c, TRACE_AXIS_##d
#define TRACE_AXES0 TRACE_AXIS_NONE, TRACE_AXIS_NONE, TRACE_AXIS_NONE, TRACE_AXIS_NONE

#define TRACE_STEPS_PART(X, id, name, meaning)                      \
    X(STEPS_##id, STEPS, name "_ps", F64, "ps", PLAIN, IF_TRAINING, \
      "Mean over the job's GPUs. " meaning, TRACE_AXES1(STEP))
#define TRACE_GPUS_PART(X, id, name, meaning) \
    X(GPUS_##id, GPUS, name "_ps", I64, "ps", SIGNED, IF_TRAINING, meaning, TRACE_AXES2(STEP, GPU))

#define TRACE_TIMELINE_PART(X, id, name, meaning)                                    \
    X(TIMELINE_##id, TIMELINE, name "_ps", I64, "ps", SIGNED, IF_TIMELINE,           \
      "Of the compute stream: what the row adds to this part of the step. " meaning, \
      TRACE_AXES1(OPERATION))

#define TRACE_POWER_PART(X, id, name, meaning) \
    X(POWER_##id, POWER, name "_J", F64, "J", PLAIN, ALWAYS, meaning, TRACE_AXES1(STEP))

/// Datasets beside the labels of the axes.  id, group, name, type, unit, flags, when, meaning, axes
/// (clang-format off: a table is read by column)
// clang-format off
#define TRACE_DATASET_TABLE(X) \
    X(COMMITTED, ROOT, "committed_steps", I64, "1", PLAIN, ALWAYS, "Steps that are complete in this file: read [:committed_steps] of the step axis.", TRACE_AXES0) \
    \
    X(STEPS_START, STEPS, "start_ps", I64, "ps", PLAIN, ALWAYS, "Start of the step: end of the step before (0 for the first).", TRACE_AXES1(STEP)) \
    X(STEPS_END, STEPS, "end_ps", I64, "ps", PLAIN, ALWAYS, "End of the step: when the last GPU has ended it.", TRACE_AXES1(STEP)) \
    X(STEPS_DURATION, STEPS, "duration_ps", I64, "ps", PLAIN, ALWAYS, "end_ps - start_ps.", TRACE_AXES1(STEP)) \
    X(STEPS_GPU_MEAN, STEPS, "gpu_duration_ps", F64, "ps", PLAIN, IF_TRAINING, "Mean over the job's GPUs of their own step (end of optimizer to end of optimizer); the parts below sum to it.", TRACE_AXES1(STEP)) \
    TRACE_PART_TABLE(TRACE_STEPS_PART, X) \
    X(STEPS_TOKENS, STEPS, "tokens", I64, "1", PLAIN, IF_TRAINING, "Tokens trained on.", TRACE_AXES1(STEP)) \
    X(STEPS_GPUS, STEPS, "gpus_in_job", I64, "1", PLAIN, IF_TRAINING, "GPUs of the job, spares not counted.", TRACE_AXES1(STEP)) \
    X(STEPS_MODEL_FLOP_FULL, STEPS, "model_flop_full", F64, "1", PLAIN, IF_TRAINING, "Model FLOP of the step, attention counted in full, recomputation not counted.", TRACE_AXES1(STEP)) \
    X(STEPS_MODEL_FLOP_CAUSAL, STEPS, "model_flop_causal", F64, "1", PLAIN, IF_TRAINING, "Model FLOP of the step, attention counted below the diagonal only.", TRACE_AXES1(STEP)) \
    X(STEPS_HARDWARE_FLOP, STEPS, "hardware_flop", F64, "1", PLAIN, IF_TRAINING, "FLOP the GPUs execute, recomputation included.", TRACE_AXES1(STEP)) \
    X(STEPS_PRICED_INSIDE, STEPS, "priced_scale_up_bytes", F64, "B", PLAIN, IF_TRAINING, "What the job's GPUs send inside scale-up domains for tensor and context parallelism, and for experts that are all in one domain: priced alone, in none of /links.", TRACE_AXES1(STEP)) \
    X(STEPS_PRICED_OUTSIDE, STEPS, "priced_nic_bytes", F64, "B", PLAIN, IF_TRAINING, "What they send by NICs for tensor and context parallelism across domains: priced alone, in none of /links.", TRACE_AXES1(STEP)) \
    X(STEPS_PEAK, STEPS, "peak_flop_per_s", F64, "s-1", PLAIN, IF_TRAINING, "Dense peak of one GPU that MFU is measured against, of several kinds the mean over the job; attribute mfu_precision of the root names its precision.", TRACE_AXES1(STEP)) \
    X(STEPS_MFU_FULL, STEPS, "mfu_full", F64, "1", PLAIN, IF_TRAINING, "model_flop_full / (duration * gpus_in_job * peak_flop_per_s).", TRACE_AXES1(STEP)) \
    X(STEPS_MFU_CAUSAL, STEPS, "mfu_causal", F64, "1", PLAIN, IF_TRAINING, "model_flop_causal / (duration * gpus_in_job * peak_flop_per_s).", TRACE_AXES1(STEP)) \
    X(STEPS_TOKEN_RATE, STEPS, "tokens_per_s_gpu", F64, "s-1", PLAIN, IF_TRAINING, "Tokens per second and GPU.", TRACE_AXES1(STEP)) \
    X(STEPS_LIKELY_LEAST, STEPS, "likely_least_ps", F64, "ps", PLAIN, IF_TRAINING, "duration_ps times the least of what published runs like it took for what the program makes of them: 8 in 10 of those lie between this and likely_most_ps.", TRACE_AXES1(STEP)) \
    X(STEPS_LIKELY_MOST, STEPS, "likely_most_ps", F64, "ps", PLAIN, IF_TRAINING, "Times the most.", TRACE_AXES1(STEP)) \
    X(STEPS_LIKELY_RUNS, STEPS, "likely_runs", I64, "1", PLAIN, IF_TRAINING, "Published runs behind these bounds.", TRACE_AXES1(STEP)) \
    X(STEPS_LARGEST_RUN, STEPS, "largest_run_gpus", I64, "1", PLAIN, IF_TRAINING, "GPUs of the largest published run of its kind, with experts or without: where gpus_in_job is more, no measurement exists.", TRACE_AXES1(STEP)) \
    X(STEPS_COMPUTING, STEPS, "computing_ps", F64, "ps", PLAIN, IF_TRAFFIC, "Of a job of operations: mean over its ranks of the time in which any computation is under way. This and the next three add up to the step; NaN: the job has no operations.", TRACE_AXES1(STEP)) \
    X(STEPS_COMMUNICATING, STEPS, "communicating_ps", F64, "ps", PLAIN, IF_TRAFFIC, "In which none is, but a message or collective that the rank has begun.", TRACE_AXES1(STEP)) \
    X(STEPS_AWAITING, STEPS, "awaiting_ps", F64, "ps", PLAIN, IF_TRAFFIC, "In which neither is, but the rank has come to one for which others are not there yet.", TRACE_AXES1(STEP)) \
    X(STEPS_RANK_IDLE, STEPS, "idle_ps", F64, "ps", PLAIN, IF_TRAFFIC, "In which it has nothing to do, or has ended.", TRACE_AXES1(STEP)) \
    X(STEPS_FINGERPRINT, STEPS, "fingerprint", U64, "1", PLAIN, ALWAYS, "Checksum of all completions of the step; equal on any number of MPI ranks.", TRACE_AXES1(STEP)) \
    X(STEPS_PACKETS, STEPS, "packets", I64, "1", PLAIN, IF_PACKETS, "Packets of data sent, once for each that was sent again.", TRACE_AXES1(STEP)) \
    X(STEPS_RESENT, STEPS, "packets_resent", I64, "1", PLAIN, IF_PACKETS, "Of them, those sent again.", TRACE_AXES1(STEP)) \
    X(STEPS_ACKS, STEPS, "acknowledgements", I64, "1", PLAIN, IF_PACKETS, "Acknowledgements sent up to the end of the step.", TRACE_AXES1(STEP)) \
    X(STEPS_SKIPPED, STEPS, "packets_skipped", I64, "1", PLAIN, IF_PACKETS, "Of the packets, those that were passed over and not played (packet.skip).", TRACE_AXES1(STEP)) \
    X(STEPS_JOB, STEPS, "job", I32, "1", PLAIN, IF_SEVERAL, "Number of the job whose step it is; rows are in the order in which steps end.", TRACE_AXES1(STEP)) \
    X(STEPS_JOB_STEP, STEPS, "job_step", I64, "1", PLAIN, IF_SEVERAL, "Number of the step within its job, from 0.", TRACE_AXES1(STEP)) \
    X(STEPS_COLLECTIVES_END, STEPS, "collectives_end", I64, "1", PLAIN, IF_TRAINING, "Rows of /collectives up to the end of this step.", TRACE_AXES1(STEP)) \
    X(STEPS_FLOWS_END, STEPS, "flows_end", I64, "1", PLAIN, IF_TRAFFIC, "Rows of /flows up to the end of this step.", TRACE_AXES1(STEP)) \
    X(STEPS_INTERVALS_END, STEPS, "intervals_end", I64, "1", PLAIN, ALWAYS, "Rows of /intervals up to the end of this step; those of a step are the ones since the step before.", TRACE_AXES1(STEP)) \
    X(STEPS_INTERVALS_START, STEPS, "intervals_start_ps", I64, "ps", PLAIN, ALWAYS, "Start of the first interval of the step: behind all that the step before has moved (0 for the first).", TRACE_AXES1(STEP)) \
    X(STEPS_LINKS_STEP, STEPS, "links_step", I64, "1", PLAIN, ALWAYS, "Step whose intervals and hot links are those of this one too: its own number, or that of an earlier one, which this one repeats. They stand once, in the rows of that step; times of its intervals are then later by the difference of intervals_start_ps.", TRACE_AXES1(STEP)) \
    X(STEPS_TIMELINE_END, STEPS, "timeline_end", I64, "1", PLAIN, IF_TIMELINE, "Rows of /timeline up to the end of this step; those of a step are the ones since the step before.", TRACE_AXES1(STEP)) \
    X(STEPS_TIMELINE_STEP, STEPS, "timeline_step", I64, "1", PLAIN, IF_TIMELINE, "Step whose rows of /timeline are those of this one too: its own number, or that of an earlier one, which this one repeats; times are then later by the difference of start_ps, numbers of collectives and rows are those of that step. -1: not kept (trace.timeline_every).", TRACE_AXES1(STEP)) \
    \
    X(GPUS_NODE, GPUS, "node", I64, "1", PLAIN, ALWAYS, "Node the GPU is in.", TRACE_AXES1(GPU)) \
    X(GPUS_SLOT, GPUS, "slot", I32, "1", PLAIN, ALWAYS, "Place of the GPU in its node; also its rail.", TRACE_AXES1(GPU)) \
    X(GPUS_JOB, GPUS, "job", I32, "1", PLAIN, ALWAYS, "Number of the job it works for; -1: spare or unused.", TRACE_AXES1(GPU)) \
    X(GPUS_JOB_RANK, GPUS, "job_rank", I64, "1", PLAIN, ALWAYS, "Rank within the job; -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_TP, GPUS, "tp", I32, "1", PLAIN, IF_TRAINING, "Tensor-parallel coordinate; -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_CP, GPUS, "cp", I32, "1", PLAIN, IF_TRAINING, "Context-parallel coordinate; -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_PP, GPUS, "pp", I32, "1", PLAIN, IF_TRAINING, "Pipeline stage; -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_DP, GPUS, "dp", I32, "1", PLAIN, IF_TRAINING, "Data-parallel coordinate; -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_MICROBATCHES, GPUS, "microbatches", I32, "1", PLAIN, IF_TRAINING, "Microbatches of its replica in a step: all have as many, unless the job says otherwise (parallel.batch_shares); -1: none.", TRACE_AXES1(GPU)) \
    X(GPUS_DURATION, GPUS, "duration_ps", I64, "ps", SIGNED, IF_TRAINING, "The GPU's own step: end of optimizer to end of optimizer; the parts sum to it exactly.", TRACE_AXES2(STEP, GPU)) \
    TRACE_PART_TABLE(TRACE_GPUS_PART, X) \
    \
    X(COLLECTIVES_STEP, COLLECTIVES, "step", I64, "1", PLAIN, IF_TRAINING, "Step it belongs to.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_KIND, COLLECTIVES, "kind", I8, "1", KIND_FLAGS, IF_TRAINING, "What it does.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_TRAFFIC, COLLECTIVES, "traffic", I8, "1", TRAFFIC_FLAGS, IF_TRAINING, "Dimension of parallelism it serves.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_FIRST, COLLECTIVES, "group_first", I64, "1", PLAIN, IF_TRAINING, "Job rank of its first member.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_STRIDE, COLLECTIVES, "group_stride", I64, "1", PLAIN, IF_TRAINING, "Job ranks from one member to the next; 0: not always as many.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_SIZE, COLLECTIVES, "group_size", I64, "1", PLAIN, IF_TRAINING, "Members.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_BYTES, COLLECTIVES, "bytes", I64, "B", PLAIN, IF_TRAINING, "Size as nccl-tests counts it: all-reduce the vector, reduce-scatter the input, all-gather the output.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_START, COLLECTIVES, "start_ps", I64, "ps", PLAIN, IF_TRAINING, "Last member has arrived.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_END, COLLECTIVES, "end_ps", I64, "ps", PLAIN, IF_TRAINING, "Last member has the result.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_BUS, COLLECTIVES, "bus_Bps", F64, "B s-1", PLAIN, IF_TRAINING, "Bus bandwidth as in nccl-tests: bytes / time, times 2(n-1)/n for all-reduce, (n-1)/n otherwise.", TRACE_AXES1(COLLECTIVE)) \
    X(COLLECTIVES_SLOWDOWN, COLLECTIVES, "slowdown", F64, "1", PLAIN, IF_TRAINING, "Duration over its duration alone on the fabric.", TRACE_AXES1(COLLECTIVE)) \
    \
    X(TIMELINE_STEP, TIMELINE, "step", I64, "1", PLAIN, IF_TIMELINE, "Step it belongs to.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_GPU, TIMELINE, "gpu", I64, "1", PLAIN, IF_TIMELINE, "GPU that does it.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_STREAM, TIMELINE, "stream", I8, "1", STREAM_FLAGS, IF_TIMELINE, "Where its operations are one after the other; prev and next are stages of the pipeline.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_KIND, TIMELINE, "kind", I8, "1", OPERATION_FLAGS, IF_TIMELINE, "What it does.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_MICROBATCH, TIMELINE, "microbatch", I32, "1", PLAIN, IF_TIMELINE, "Microbatch that it is of; -1: of none.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_CHUNK, TIMELINE, "chunk", I32, "1", PLAIN, IF_TIMELINE, "Part of the model on the stage (virtual stage); -1: of none.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_SEGMENT, TIMELINE, "segment", I32, "1", PLAIN, IF_TIMELINE, "Segment of the chunk, such as what stands between two exchanges of experts; -1: all of it.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_PART, TIMELINE, "part", I32, "1", PLAIN, IF_TIMELINE, "Bucket of a gather or reduction; of work that is cut at buckets, which piece.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_START, TIMELINE, "start_ps", I64, "ps", PLAIN, IF_TIMELINE, "It is issued: its stream is free, and what it waits for has ended.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_BEGUN, TIMELINE, "begun_ps", I64, "ps", PLAIN, IF_TIMELINE, "Communication: the other end, or the last member, is there too; else start_ps.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_END, TIMELINE, "end_ps", I64, "ps", PLAIN, IF_TIMELINE, "It ends.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_ALONE, TIMELINE, "alone_ps", I64, "ps", MISSING, IF_TIMELINE, "Communication: what it takes from begun_ps on, alone on the fabric.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_BYTES, TIMELINE, "bytes", I64, "B", MISSING, IF_TIMELINE, "Communication: bytes, of a message those that this GPU moves, of a collective as in /collectives, of an exchange all rows of the GPU's tokens.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_PEER, TIMELINE, "peer", I64, "1", PLAIN, IF_TIMELINE, "Messages: GPU at the other end; -1: none.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_COLLECTIVE, TIMELINE, "collective", I64, "1", PLAIN, IF_TIMELINE, "Row of /collectives that it is part of; -1: none, or a group of one.", TRACE_AXES1(OPERATION)) \
    X(TIMELINE_AWAITED, TIMELINE, "awaited", I64, "1", PLAIN, IF_TIMELINE, "Row of the operation of another stream that it, or the wait, waited for last; -1: none.", TRACE_AXES1(OPERATION)) \
    TRACE_PART_TABLE(TRACE_TIMELINE_PART, X) \
    \
    X(FLOWS_STEP, FLOWS, "step", I64, "1", PLAIN, IF_TRAFFIC, "Step it belongs to.", TRACE_AXES1(FLOW)) \
    X(FLOWS_SOURCE, FLOWS, "source", I64, "1", PLAIN, IF_TRAFFIC, "Job rank that sends; of an all-to-all, the first of those on its node; of a collective, the first member.", TRACE_AXES1(FLOW)) \
    X(FLOWS_DESTINATION, FLOWS, "destination", I64, "1", PLAIN, IF_TRAFFIC, "Job rank that receives; likewise, of a collective the last member.", TRACE_AXES1(FLOW)) \
    X(FLOWS_BYTES, FLOWS, "bytes", I64, "B", PLAIN, IF_TRAFFIC, "Bytes moved.", TRACE_AXES1(FLOW)) \
    X(FLOWS_START, FLOWS, "start_ps", I64, "ps", PLAIN, IF_TRAFFIC, "Submitted, or both ends are there; latency counts.", TRACE_AXES1(FLOW)) \
    X(FLOWS_END, FLOWS, "end_ps", I64, "ps", PLAIN, IF_TRAFFIC, "Last byte has arrived.", TRACE_AXES1(FLOW)) \
    X(FLOWS_SLOWDOWN, FLOWS, "slowdown", F64, "1", PLAIN, IF_TRAFFIC, "Duration over its duration alone on the fabric.", TRACE_AXES1(FLOW)) \
    \
    X(JOBS_NAME, JOBS, "name", CHAR, "1", PLAIN, IF_SEVERAL, "Name of the job.", TRACE_AXES2(JOB, CHAR)) \
    X(JOBS_DELAY, JOBS, "delay_ps", F64, "ps", PLAIN, IF_SEVERAL, "What the transfers of the step, which is one of job /steps/job, lost in time to the transfers of each job, their own included. While a transfer is slower than alone, what it loses is charged to the others on the link that binds it, in proportion to the rate each has there; one that has ended counts as long as it is felt (control_delay_ps). What a path costs that is dead, or worse than at the beginning (/events), is charged to the job itself. Over all culprits, the sum is delay_ps of /links.", TRACE_AXES4(STEP, CULPRIT, TIER, DIRECTION)) \
    \
    X(POWER_ENERGY, POWER, "energy_J", F64, "J", PLAIN, ALWAYS, "Energy of the step; the parts below sum to it.", TRACE_AXES1(STEP)) \
    TRACE_ENERGY_TABLE(TRACE_POWER_PART, X) \
    X(POWER_TOKEN, POWER, "energy_per_token_J", F64, "J", PLAIN, IF_TRAINING, "energy_J over the tokens of the step.", TRACE_AXES1(STEP)) \
    X(POWER_MEAN, POWER, "mean_W", F64, "W", PLAIN, ALWAYS, "energy_J over the duration of the step.", TRACE_AXES1(STEP)) \
    X(POWER_NODE, POWER, "node_W", F64, "W", PLAIN, ALWAYS, "What a node draws at the wall, power supplies included, in the mean.", TRACE_AXES1(STEP)) \
    X(POWER_PEAK, POWER, "peak_W", F64, "W", PLAIN, ALWAYS, "Most of site_W.", TRACE_AXES1(STEP)) \
    X(POWER_LEAST, POWER, "least_W", F64, "W", PLAIN, ALWAYS, "Least of site_W.", TRACE_AXES1(STEP)) \
    X(POWER_RAMP, POWER, "ramp_W_per_s", F64, "W s-1", PLAIN, ALWAYS, "Steepest change of site_W from one phase to the next, over the length of a phase, the last phase being followed by the first.", TRACE_AXES1(STEP)) \
    X(POWER_SWING, POWER, "swing_W", F64, "W", PLAIN, ALWAYS, "What of site_W swings once a step, from top to bottom: twice the amplitude of its first harmonic.", TRACE_AXES1(STEP)) \
    X(POWER_BATTERY, POWER, "battery_J", F64, "J", PLAIN, ALWAYS, "What a battery without loss must hold at least so that the grid gives no more and no less than the mean times 1 +- power.band, step for step.", TRACE_AXES1(STEP)) \
    X(POWER_GPU, POWER, "gpu_J", F64, "J", PLAIN, IF_TRAINING, "Energy of each GPU over its own step (/gpus/duration_ps), NaN without a training job: /gpus/node says what to sum up for nodes, racks, halls.", TRACE_AXES2(STEP, GPU)) \
    X(POWER_STEP, POWER, "wave_step", I64, "1", PLAIN, ALWAYS, "Step whose site_W and gpus_W are those of this one too: its own number, or that of an earlier one, which this one repeats, and in whose row they stand once.", TRACE_AXES1(STEP)) \
    X(POWER_SITE, POWER, "site_W", F64, "W", PLAIN, ALWAYS, "Power of the site in time.", TRACE_AXES2(STEP, PHASE)) \
    X(POWER_GPUS, POWER, "gpus_W", F64, "W", PLAIN, ALWAYS, "Of it, of its GPUs.", TRACE_AXES2(STEP, PHASE)) \
    X(POWER_TIER_GPUS, POWER, "tier_gpus", I64, "1", PLAIN, IF_TRAINING, "GPUs of a unit of the tier, where nodes end of fewer.", TRACE_AXES1(SITE_TIER)) \
    X(POWER_TIER_UNITS, POWER, "tier_units", I64, "1", PLAIN, IF_TRAINING, "Units in which the job has GPUs, the ones meant below. This column and those below stand in the row wave_step, as site_W.", TRACE_AXES2(STEP, SITE_TIER)) \
    X(POWER_TIER_MEAN, POWER, "tier_mean_W", F64, "W", PLAIN, IF_TRAINING, "What the nodes of a unit draw at the wall in time, mean over units: idle GPUs beside a job that is alone included, of several jobs each its own GPUs and their part of nodes. Switches, services, cooling are in site_W alone.", TRACE_AXES3(STEP, SITE_TIER, PHASE)) \
    X(POWER_TIER_LEAST, POWER, "tier_least_W", F64, "W", PLAIN, IF_TRAINING, "The least over units at that time: of whole ones, if there are any.", TRACE_AXES3(STEP, SITE_TIER, PHASE)) \
    X(POWER_TIER_MOST, POWER, "tier_most_W", F64, "W", PLAIN, IF_TRAINING, "The most over units at that time.", TRACE_AXES3(STEP, SITE_TIER, PHASE)) \
    X(POWER_TIER_HOTTEST, POWER, "tier_hottest", I64, "1", PLAIN, IF_TRAINING, "First GPU of the unit that draws most over the step.", TRACE_AXES2(STEP, SITE_TIER)) \
    X(POWER_TIER_HOTTEST_W, POWER, "tier_hottest_W", F64, "W", PLAIN, IF_TRAINING, "What it draws in time.", TRACE_AXES3(STEP, SITE_TIER, PHASE)) \
    \
    X(EVENTS_TIME, EVENTS, "time_ps", I64, "ps", PLAIN, IF_EVENTS, "When it happens; what NICs and links carry changes at once.", TRACE_AXES1(EVENT)) \
    X(EVENTS_KNOWN, EVENTS, "known_ps", I64, "ps", PLAIN, IF_EVENTS, "When routing knows: network.reroute_delay later (at once at 0 ps).", TRACE_AXES1(EVENT)) \
    X(EVENTS_FROM, EVENTS, "from", F64, "1", PLAIN, IF_EVENTS, "Share that was left of it before, by events that name the same.", TRACE_AXES1(EVENT)) \
    X(EVENTS_TO, EVENTS, "to", F64, "1", PLAIN, IF_EVENTS, "Share that is left of it from then on: of the speed of GPUs and of what their NICs carry, or of what links carry; 0 is dead.", TRACE_AXES1(EVENT)) \
    X(EVENTS_WHAT, EVENTS, "what", CHAR, "1", PLAIN, IF_EVENTS, "What it hits, by name.", TRACE_AXES2(EVENT, CHAR)) \
    \
    X(LINKS_COUNT, LINKS, "links", I64, "1", PLAIN, ALWAYS, "Links of the tier, each direction.", TRACE_AXES1(TIER)) \
    X(LINKS_CAPACITY, LINKS, "capacity_Bps", I64, "B s-1", PLAIN, ALWAYS, "Goodput of one healthy link, one direction.", TRACE_AXES1(TIER)) \
    X(LINKS_FIRST, LINKS, "first_link", I64, "1", PLAIN, ALWAYS, "Id of the first link; ids of a tier and direction are consecutive.", TRACE_AXES2(TIER, DIRECTION)) \
    X(LINKS_BYTES, LINKS, "bytes", I64, "B", PLAIN, ALWAYS, "Bytes carried by all links of the tier and direction.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_DELAY, LINKS, "delay_ps", F64, "ps", PLAIN, ALWAYS, "What transfers lost in time (actual less alone), each while a link here was what bound it, or, where links come and go (/events), was dead or the narrowest of a path worse than the one it began on: over all tiers and directions, the sum over all transfers. What a better path gains is not taken off.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_CONGESTED, LINKS, "congested_ps", F64, "ps", PLAIN, ALWAYS, "Time a link was what bound a transfer below its rate alone, summed over links; a bundle counts as all of its links.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_MEAN, LINKS, "utilisation_mean", F64, "1", PLAIN, ALWAYS, "bytes / (links * capacity * duration).", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_MAX, LINKS, "utilisation_max", F64, "1", PLAIN, ALWAYS, "Of the busiest link over the whole step.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_HISTOGRAM, LINKS, "histogram", I64, "1", PLAIN, ALWAYS, "Links per bin of utilisation over the whole step.", TRACE_AXES4(STEP, TIER, DIRECTION, BIN)) \
    X(LINKS_HOT_LINK, LINKS, "hot_link", I64, "1", PLAIN, ALWAYS, "Hottest links of the step: id, or of a bundle (hot_width), whose ids are behind those of all links; -1: none.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_TIER, LINKS, "hot_tier", I8, "1", PLAIN, ALWAYS, "Hottest links: index on the tier axis; -1: none.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_DIRECTION, LINKS, "hot_direction", I8, "1", DIRECTION_FLAGS, ALWAYS, "Hottest links: direction.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_BYTES, LINKS, "hot_bytes", I64, "B", MISSING, ALWAYS, "Hottest links: bytes carried.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_DELAY, LINKS, "hot_delay_ps", I64, "ps", MISSING, ALWAYS, "Hottest links: what transfers lost in time while it bound them.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_WIDTH, LINKS, "hot_width", I64, "1", MISSING, ALWAYS, "Hottest links: 1, or the links of a bundle (spray, adaptive), over which bytes and delay spread evenly.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_CONGESTED, LINKS, "hot_congested_ps", I64, "ps", MISSING, ALWAYS, "Hottest links: congested time.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_UTILISATION, LINKS, "hot_utilisation", F64, "1", PLAIN, ALWAYS, "Hottest links: bytes / (capacity * duration), the capacity that hot_width links have at their best, whatever comes and goes.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_TRAFFIC, LINKS, "hot_traffic_bytes", I64, "B", MISSING, ALWAYS, "Hottest links: bytes by what they are for.", TRACE_AXES3(STEP, HOT, TRAFFIC)) \
    X(LINKS_USER_TRAFFIC, LINKS, "user_traffic", I8, "1", TRAFFIC_FLAGS, ALWAYS, "Users of the hottest links: what for; -1: none.", TRACE_AXES3(STEP, HOT, USER)) \
    X(LINKS_USER_SOURCE, LINKS, "user_source", I64, "1", PLAIN, ALWAYS, "Users of the hottest links: GPU that sends; -1: none.", TRACE_AXES3(STEP, HOT, USER)) \
    X(LINKS_USER_DESTINATION, LINKS, "user_destination", I64, "1", PLAIN, ALWAYS, "Users of the hottest links: GPU that receives; -1: none.", TRACE_AXES3(STEP, HOT, USER)) \
    X(LINKS_USER_BYTES, LINKS, "user_bytes", I64, "B", MISSING, ALWAYS, "Users of the hottest links: bytes from this source to this destination over the link.", TRACE_AXES3(STEP, HOT, USER)) \
    X(LINKS_HOT_NAME, LINKS, "hot_name", CHAR, "1", PLAIN, ALWAYS, "Hottest links: name.", TRACE_AXES3(STEP, HOT, CHAR)) \
    X(LINKS_QUEUE_MEAN, LINKS, "queue_mean", F64, "B", PLAIN, IF_PACKETS, "Bytes of data that waited at a port, mean over time and over the ports that feed the links of the tier and direction.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_QUEUE_MOST, LINKS, "queue_most", I64, "B", PLAIN, IF_PACKETS, "The most that waited at one of them: of a step, when one of its packets came.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_PAUSE, LINKS, "pause_ps", F64, "ps", PLAIN, IF_PACKETS, "Time that a port was not to send data, because the far end wanted none (PFC) or had given no credits, summed over links: of a step, what its packets have brought about.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_MARKS, LINKS, "marks", I64, "1", PLAIN, IF_PACKETS, "Packets that got a mark of congestion (ECN) on leaving the port.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_DROPS, LINKS, "drops", I64, "1", PLAIN, IF_PACKETS, "Packets that were lost: they found no room at the port, no way by it, or were hit on the cable before it.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_TRIMS, LINKS, "trims", I64, "1", PLAIN, IF_PACKETS, "Packets that found no room at the port but for their header, which went on.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_REORDERED, LINKS, "reordered", I64, "1", PLAIN, IF_PACKETS, "Packets that came to their end over the link, before one that was sent earlier.", TRACE_AXES3(STEP, TIER, DIRECTION)) \
    X(LINKS_QUEUE_HISTOGRAM, LINKS, "queue_histogram", I64, "1", PLAIN, IF_PACKETS, "Ports per bin of queue_most, of the step.", TRACE_AXES4(STEP, TIER, DIRECTION, QUEUE_BIN)) \
    X(LINKS_HOT_QUEUE_MEAN, LINKS, "hot_queue_mean", F64, "B", PLAIN, IF_PACKETS, "Hottest links: bytes that waited at its port, mean over time.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_QUEUE_MOST, LINKS, "hot_queue_most", I64, "B", MISSING, IF_PACKETS, "Hottest links: the most that waited there.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_PAUSE, LINKS, "hot_pause_ps", I64, "ps", MISSING, IF_PACKETS, "Hottest links: time its port was paused.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_MARKS, LINKS, "hot_marks", I64, "1", MISSING, IF_PACKETS, "Hottest links: packets marked there.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_HOT_DROPS, LINKS, "hot_drops", I64, "1", MISSING, IF_PACKETS, "Hottest links: packets lost there.", TRACE_AXES2(STEP, HOT)) \
    X(LINKS_PAUSED_LINK, LINKS, "paused_link", I64, "1", PLAIN, IF_PACKETS, "Links paused longest: id, by the switch that the link leads to; -1: none.", TRACE_AXES2(STEP, VICTIM)) \
    X(LINKS_PAUSED_TIME, LINKS, "paused_link_ps", I64, "ps", MISSING, IF_PACKETS, "Links paused longest: for how long.", TRACE_AXES2(STEP, VICTIM)) \
    X(LINKS_PAUSED_CAUSE, LINKS, "paused_cause", I64, "1", PLAIN, IF_PACKETS, "Links paused longest: id of the port of that switch where what came over the link waited for most of the time; if it is paused itself it has a cause of its own, and so on to the port that is only too full, the root; -1: none.", TRACE_AXES2(STEP, VICTIM)) \
    X(LINKS_PAUSED_NAME, LINKS, "paused_name", CHAR, "1", PLAIN, IF_PACKETS, "Links paused longest: name; behind the arrow stands who pauses it.", TRACE_AXES3(STEP, VICTIM, CHAR)) \
    X(LINKS_PAUSED_CAUSE_NAME, LINKS, "paused_cause_name", CHAR, "1", PLAIN, IF_PACKETS, "Links paused longest: name of the cause.", TRACE_AXES3(STEP, VICTIM, CHAR)) \
    X(LINKS_CHOSEN, LINKS, "chosen_link", I64, "1", PLAIN, IF_CHOSEN, "Chosen links: id.", TRACE_AXES1(CHOSEN)) \
    X(LINKS_CHOSEN_NAME, LINKS, "chosen_name", CHAR, "1", PLAIN, IF_CHOSEN, "Chosen links: name.", TRACE_AXES2(CHOSEN, CHAR)) \
    X(LINKS_CHOSEN_BYTES, LINKS, "chosen_bytes", I64, "B", MISSING, IF_CHOSEN, "Chosen links: bytes carried. These columns stand in the row links_step, as those of the hottest links; of a bundle (spray, adaptive) each link has its even part.", TRACE_AXES2(STEP, CHOSEN)) \
    X(LINKS_CHOSEN_DELAY, LINKS, "chosen_delay_ps", I64, "ps", MISSING, IF_CHOSEN, "Chosen links: what transfers lost in time while it bound them.", TRACE_AXES2(STEP, CHOSEN)) \
    X(LINKS_CHOSEN_CONGESTED, LINKS, "chosen_congested_ps", I64, "ps", MISSING, IF_CHOSEN, "Chosen links: congested time.", TRACE_AXES2(STEP, CHOSEN)) \
    X(LINKS_CHOSEN_TRAFFIC, LINKS, "chosen_traffic_bytes", I64, "B", MISSING, IF_CHOSEN, "Chosen links: bytes by what they are for.", TRACE_AXES3(STEP, CHOSEN, TRAFFIC)) \
    X(LINKS_CHOSEN_USER_TRAFFIC, LINKS, "chosen_user_traffic", I8, "1", TRAFFIC_FLAGS, IF_CHOSEN, "Users of the chosen links: what for; -1: none.", TRACE_AXES3(STEP, CHOSEN, USER)) \
    X(LINKS_CHOSEN_USER_SOURCE, LINKS, "chosen_user_source", I64, "1", PLAIN, IF_CHOSEN, "Users of the chosen links: GPU that sends; -1: none.", TRACE_AXES3(STEP, CHOSEN, USER)) \
    X(LINKS_CHOSEN_USER_DESTINATION, LINKS, "chosen_user_destination", I64, "1", PLAIN, IF_CHOSEN, "Users of the chosen links: GPU that receives; -1: none.", TRACE_AXES3(STEP, CHOSEN, USER)) \
    X(LINKS_CHOSEN_USER_BYTES, LINKS, "chosen_user_bytes", I64, "B", MISSING, IF_CHOSEN, "Users of the chosen links: bytes from this source to this destination over the link.", TRACE_AXES3(STEP, CHOSEN, USER)) \
    X(LINKS_FULL, LINKS, "link_bytes", I64, "B", PLAIN, IF_FULL_LINKS, "Bytes carried by every link.", TRACE_AXES2(STEP, LINK)) \
    \
    X(PATH_STEP, PATH, "step", I64, "1", PLAIN, IF_EXPLAINED, "Step it belongs to: row of /steps.", TRACE_AXES1(SEGMENT)) \
    X(PATH_KIND, PATH, "kind", I8, "1", OPERATION_FLAGS, IF_EXPLAINED, "What it is: computing, a message between stages, an exchange among experts, a collective.", TRACE_AXES1(SEGMENT)) \
    X(PATH_GPU, PATH, "gpu", I64, "1", PLAIN, IF_EXPLAINED, "GPU that computes, receives or takes part: the first of those that share its layers.", TRACE_AXES1(SEGMENT)) \
    X(PATH_PEER, PATH, "peer", I64, "1", PLAIN, IF_EXPLAINED, "GPU that sends a message; of a collective the one that came last, where that is another; -1: none.", TRACE_AXES1(SEGMENT)) \
    X(PATH_MICROBATCH, PATH, "microbatch", I32, "1", PLAIN, IF_EXPLAINED, "Microbatch; -1: none.", TRACE_AXES1(SEGMENT)) \
    X(PATH_CHUNK, PATH, "chunk", I32, "1", PLAIN, IF_EXPLAINED, "Chunk of the stage; -1: none.", TRACE_AXES1(SEGMENT)) \
    X(PATH_START, PATH, "start_ps", I64, "ps", PLAIN, IF_EXPLAINED, "Start: end of the operation before.", TRACE_AXES1(SEGMENT)) \
    X(PATH_END, PATH, "end_ps", I64, "ps", PLAIN, IF_EXPLAINED, "End.", TRACE_AXES1(SEGMENT)) \
    X(PATH_ALONE, PATH, "alone_ps", I64, "ps", PLAIN, IF_EXPLAINED, "What it would have taken on GPUs of nominal speed beside no communication; a transfer alone on the fabric.", TRACE_AXES1(SEGMENT)) \
    X(PATH_SLOWED, PATH, "slowed_ps", I64, "ps", PLAIN, IF_EXPLAINED, "How long a transfer ran below the rate it has alone; of a collective its rail that ended last.", TRACE_AXES1(SEGMENT)) \
    X(PATH_TIER, PATH, "tier", I8, "1", PLAIN, IF_EXPLAINED, "Tier of the link that held it below that for longest: index on the tier axis; -1: none.", TRACE_AXES1(SEGMENT)) \
    X(PATH_LINK, PATH, "link", I64, "1", PLAIN, IF_EXPLAINED, "Id of that link or bundle; -1: none.", TRACE_AXES1(SEGMENT)) \
    X(PATH_LINK_NAME, PATH, "link_name", CHAR, "", PLAIN, IF_EXPLAINED, "Its name.", TRACE_AXES2(SEGMENT, CHAR)) \
    \
    X(GAINS_SIZE, GAINS, "size", F64, "1", PLAIN, IF_EXPLAINED, "By how much: 0.01 is a hundredth faster or shorter, 1 is gone.", TRACE_AXES1(CHANGE)) \
    X(GAINS_EXPLAINED, GAINS, "explained", I64, "1", MISSING, IF_EXPLAINED, "Rows of /path up to the end of this step, if it is one that is explained; no value: it is not.", TRACE_AXES1(STEP)) \
    X(GAINS_STEP, GAINS, "step_ps", I64, "ps", MISSING, IF_EXPLAINED, "What the step would take, in a run of such steps; no value: it is not explained, or the job cannot have the change (memory does not hold it).", TRACE_AXES2(STEP, CHANGE)) \
    \
    X(INTERVALS_START, INTERVALS, "start_ps", I64, "ps", PLAIN, ALWAYS, "Start of the interval.", TRACE_AXES1(INTERVAL)) \
    X(INTERVALS_END, INTERVALS, "end_ps", I64, "ps", PLAIN, ALWAYS, "End of the interval.", TRACE_AXES1(INTERVAL)) \
    X(INTERVALS_BYTES, INTERVALS, "bytes", I64, "B", PLAIN, ALWAYS, "Bytes carried by all links of the tier and direction.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_DELAY, INTERVALS, "delay_ps", F64, "ps", PLAIN, ALWAYS, "As in /links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_CONGESTED, INTERVALS, "congested_ps", F64, "ps", PLAIN, ALWAYS, "As in /links, summed over links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_HISTOGRAM, INTERVALS, "histogram", I64, "1", PLAIN, ALWAYS, "Links per bin of utilisation over the interval.", TRACE_AXES4(INTERVAL, TIER, DIRECTION, BIN)) \
    X(INTERVALS_CHOSEN_BYTES, INTERVALS, "chosen_bytes", I64, "B", PLAIN, IF_CHOSEN, "Chosen links: bytes carried, of a bundle their even part.", TRACE_AXES2(INTERVAL, CHOSEN)) \
    X(INTERVALS_CHOSEN_DELAY, INTERVALS, "chosen_delay_ps", I64, "ps", PLAIN, IF_CHOSEN, "Chosen links: what transfers lost in time while it bound them.", TRACE_AXES2(INTERVAL, CHOSEN)) \
    X(INTERVALS_CHOSEN_CONGESTED, INTERVALS, "chosen_congested_ps", I64, "ps", PLAIN, IF_CHOSEN, "Chosen links: congested time.", TRACE_AXES2(INTERVAL, CHOSEN)) \
    X(INTERVALS_HOT_LINK, INTERVALS, "hot_link", I64, "1", PLAIN, ALWAYS, "Hottest links of the interval: id, or of a bundle (hot_width), whose ids are behind those of all links; -1: none.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_TIER, INTERVALS, "hot_tier", I8, "1", PLAIN, ALWAYS, "Hottest links: index on the tier axis; -1: none.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_DIRECTION, INTERVALS, "hot_direction", I8, "1", DIRECTION_FLAGS, ALWAYS, "Hottest links: direction.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_UTILISATION, INTERVALS, "hot_utilisation", F64, "1", PLAIN, ALWAYS, "Hottest links: bytes / (capacity * interval).", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_DELAY, INTERVALS, "hot_delay_ps", I64, "ps", MISSING, ALWAYS, "Hottest links: what transfers lost in time while it bound them.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_WIDTH, INTERVALS, "hot_width", I64, "1", MISSING, ALWAYS, "Hottest links: as in /links.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_QUEUE_MEAN, INTERVALS, "queue_mean", F64, "B", PLAIN, IF_PACKETS, "As in /links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_QUEUE_MOST, INTERVALS, "queue_most", I64, "B", PLAIN, IF_PACKETS, "The most that waited at one of them.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_PAUSE, INTERVALS, "pause_ps", F64, "ps", PLAIN, IF_PACKETS, "As in /links: in the interval, whatever brought it about.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_MARKS, INTERVALS, "marks", I64, "1", PLAIN, IF_PACKETS, "As in /links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_DROPS, INTERVALS, "drops", I64, "1", PLAIN, IF_PACKETS, "As in /links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_TRIMS, INTERVALS, "trims", I64, "1", PLAIN, IF_PACKETS, "As in /links.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_REORDERED, INTERVALS, "reordered", I64, "1", PLAIN, IF_PACKETS, "As in /links; ends are a moment ahead (of the shortest wire), so that one may count for the interval before.", TRACE_AXES3(INTERVAL, TIER, DIRECTION)) \
    X(INTERVALS_QUEUE_HISTOGRAM, INTERVALS, "queue_histogram", I64, "1", PLAIN, IF_PACKETS, "Ports per bin of queue_most, of the interval.", TRACE_AXES4(INTERVAL, TIER, DIRECTION, QUEUE_BIN)) \
    X(INTERVALS_HOT_QUEUE_MEAN, INTERVALS, "hot_queue_mean", F64, "B", PLAIN, IF_PACKETS, "Hottest links: bytes that waited at its port, mean over time.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_QUEUE_MOST, INTERVALS, "hot_queue_most", I64, "B", MISSING, IF_PACKETS, "Hottest links: the most that waited there.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_PAUSE, INTERVALS, "hot_pause_ps", I64, "ps", MISSING, IF_PACKETS, "Hottest links: time its port was paused.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_HOT_MARKS, INTERVALS, "hot_marks", I64, "1", MISSING, IF_PACKETS, "Hottest links: packets marked there.", TRACE_AXES2(INTERVAL, HOT)) \
    X(INTERVALS_PAUSED_LINK, INTERVALS, "paused_link", I64, "1", PLAIN, IF_PACKETS, "Links paused longest: id, by the switch that the link leads to; -1: none.", TRACE_AXES2(INTERVAL, VICTIM)) \
    X(INTERVALS_PAUSED_TIME, INTERVALS, "paused_link_ps", I64, "ps", MISSING, IF_PACKETS, "Links paused longest: for how long.", TRACE_AXES2(INTERVAL, VICTIM)) \
    X(INTERVALS_PAUSED_CAUSE, INTERVALS, "paused_cause", I64, "1", PLAIN, IF_PACKETS, "Links paused longest: id of the port of that switch where what came over the link waited for most of the time; if it is paused itself it has a cause of its own, and so on to the port that is only too full, the root; -1: none.", TRACE_AXES2(INTERVAL, VICTIM))
// clang-format on

#endif
