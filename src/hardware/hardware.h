/// hardware.h: what a GPU, a NIC, a switch and a scale-up domain can do; filled from YAML.
///
/// Idea.    Data sheets and measured kernel tables as data (topologies/hardware/*.yaml, each figure
///          with its source). All rates are one-way, dense, in SI units (FLOP/s, B/s); times are
///          picoseconds.
/// Limits.  No clocks, no thermal state: what a power cap costs is in gpu_power.h, degradation enters as speed factors in
///          effects/.
#ifndef COLOSSIM_HARDWARE_HARDWARE_H
#define COLOSSIM_HARDWARE_HARDWARE_H

#include <stdbool.h>
#include <stdint.h>

enum { HARDWARE_NAME_BYTES = 64, GEMM_POINTS_MAX = 48 };

typedef enum Precision {
    PRECISION_FP32,
    PRECISION_FP16,
    PRECISION_BF16,
    PRECISION_FP8,         ///< per-tensor scale of the passes before ("delayed")
    PRECISION_FP8_CURRENT, ///< per-tensor scale of the numbers themselves: found in a pass of its own
    PRECISION_FP8_BLOCK,   ///< one fp32 scale for 128 numbers
    PRECISION_MXFP8,       ///< one 8-bit scale for 32 numbers, read by the tensor cores
    PRECISION_NVFP4,       ///< one 8-bit scale for 16 numbers, and one of the tensor
    PRECISION_MXFP4,       ///< one 8-bit scale for 32 numbers
    PRECISION_N,
} Precision;

/// What a number costs in a format, and how the tensor cores get it.
typedef struct PrecisionFormat {
    double bytes;    ///< of a number with its part of the scales
    bool cast;       ///< operands are made from 16-bit numbers by a kernel of their own
    bool scan;       ///< which reads them once more before, for the scale of the tensor
    bool one_scale;  ///< of the whole tensor: rows and columns have the same numbers
    Precision table; ///< whose product a GPU without a table of its own takes; itself: none
} PrecisionFormat;

extern const char *const PRECISION_NAMES[]; ///< [PRECISION_N], then "fp8-delayed" (fp8), NULL
extern const PrecisionFormat PRECISION_FORMATS[PRECISION_N];

typedef enum AttentionKernel {
    ATTENTION_UNFUSED, ///< scores written to memory: batched GEMM, softmax, GEMM
    ATTENTION_FLASH1,
    ATTENTION_FLASH2,
    ATTENTION_FLASH3,
    ATTENTION_CUDNN,
    ATTENTION_N,
} AttentionKernel;

extern const char *const ATTENTION_NAMES[]; ///< [ATTENTION_N], then NULL

/// One measured GEMM: C[m,n] = A[m,k] B[k,n] reached `rate_flop_per_s`.
typedef struct GemmPoint {
    double m, n, k;
    double rate_flop_per_s;
} GemmPoint;

/// Measured GEMM rates of one precision; npoints == 0 if the precision is not supported.
typedef struct GemmTable {
    double peak_flop_per_s; ///< data sheet, dense
    double best_flop_per_s; ///< best measured large GEMM
    double depth;           ///< of a sum, as long as a tile takes to begin and to end
    double sustained_share; ///< of these rates, kept in long runs; 0: the GPU's share
    int32_t npoints;
    GemmPoint point[GEMM_POINTS_MAX];
} GemmTable;

/// What one pass of attention keeps of its rate where it is not as measured; 0: not measured.
typedef struct AttentionShares {
    double narrow;   ///< heads of 64 instead of 128
    double latent;   ///< keys of 192 beside values of 128
    double fp8_gain; ///< times the rate, with products in fp8
} AttentionShares;

typedef struct GpuSpec {
    char name[HARDWARE_NAME_BYTES];
    GemmTable gemm[PRECISION_N];
    double attention_ramp;    ///< tokens by which attention takes as if its sequence were longer
    int64_t attention_key_ps; ///< of a tile of queries that walks along its keys, each; 0: not said
    /// Achieved by causal attention over 4096 tokens, bf16, head_dim 128; 0: no such kernel (unfused: GEMM table).
    double attention_forward_flop_per_s[ATTENTION_N];
    double attention_backward_flop_per_s[ATTENTION_N];
    AttentionShares attention_forward, attention_backward;
    int64_t memory_bytes;     ///< usable by a job, after driver and context
    double memory_Bps;        ///< data sheet
    double memory_stream_Bps; ///< achieved by a copy kernel
    double memory_pass_Bps;   ///< by kernels that pass over a tensor; 0: see roofline_pass_Bps
    int64_t launch_ps;        ///< gap on the GPU between dependent kernels
    int64_t graph_launch_ps;  ///< the same inside a CUDA graph, if it is less
    int64_t host_call_ps;     ///< of the host, to have one operation of a framework launched
    double sustained_share;   ///< of isolated GEMM and attention rates, in long runs; 0: not long
    /// Of the GPU, taken while communication runs on it, 0..0.99: inside a scale-up domain, and over the network.
    double scale_up_processor_share, network_processor_share;
    bool persistent_products; ///< they launch as many blocks as there are processors
    bool fp8_any_layout;      ///< products take fp8 operands by rows and by columns, with one copy
    int32_t processors;       ///< that run kernels; 0: not said
    double idle_W, typical_W, max_W;
    double
        capped; ///< of what lies between idle and max, what a cap takes (a topology says so); 0: none
} GpuSpec;

typedef struct NicSpec {
    char name[HARDWARE_NAME_BYTES];
    int64_t line_Bps;    ///< rate of the NIC, however many ports it has
    int64_t goodput_Bps; ///< what a large RDMA message sees, headers and pacing deducted
    int64_t latency_ps;  ///< both adapters and PCIe of one message, without cables and switches
    double power_W;
} NicSpec;

typedef struct SwitchSpec {
    char name[HARDWARE_NAME_BYTES];
    int32_t ports;      ///< at `port_Bps`
    int64_t port_Bps;   ///< line rate of one port
    int64_t latency_ps; ///< port to port, unloaded
    double typical_W;
} SwitchSpec;

/// A scale-up domain: NVLink node of 8, NVL72 rack. One egress and one ingress port per GPU.
typedef struct ScaleUpSpec {
    char name[HARDWARE_NAME_BYTES];
    int32_t gpus; ///< GPUs per domain
    int32_t
        used; ///< of them, that jobs use, the others are spares; 0: all (a topology says so, not a data sheet)
    int64_t line_Bps;    ///< data sheet, one way, per GPU
    int64_t goodput_Bps; ///< what a ring of large messages reaches, one way, per GPU
    int64_t reduce_Bps; ///< all-reduce bus bandwidth of all GPUs with in-network reduction; 0: none
    int64_t reduce_chunk_bytes; ///< of each GPU, in the pipeline of such a reduction
    int64_t copy_Bps;           ///< at which a GPU copies its own part of a collective; 0: at once
    int64_t exchange_Bps;       ///< all-to-all, one way, per GPU; 0: as goodput
    int64_t exchange_copy_Bps;  ///< own part of an all-to-all; 0: at once
    int64_t latency_ps; ///< per step of a collective (base latency per hop, software included)
    int64_t collective_base_ps; ///< launch and protocol cost of one collective
    int64_t bulk_latency_ps;    ///< extra per step when large messages use the bulk protocol
    int64_t bulk_base_ps;       ///< extra of a collective that does
    double small_share;         ///< of the goodput, reached by the protocol of least latency, 0..1
    double medium_share;        ///< of the goodput, by the one for medium messages; 0: it has none
    bool mesh; ///< a link for each pair: n GPUs of a domain have their n - 1 links each
} ScaleUpSpec;

/// How heat leaves a node.
typedef enum Cooling { COOLING_AIR, COOLING_LIQUID, COOLING_IMMERSION, COOLING_N } Cooling;

extern const char *const COOLING_NAMES[]; ///< [COOLING_N], then NULL

/// What a site draws beside its GPUs, NICs and switches (a topology says so); how it adds up: observe/power.h.
typedef struct PowerSpec {
    Cooling cooling;
    double host_W;            ///< of a node without GPUs, NICs and fans, for each of its GPUs
    double host_active_W;     ///< more of it while the GPU works
    double fans;              ///< share of what they cool; < 0: by cooling
    double optic_W;           ///< of one end of a cable of 400 Gb/s
    double supply_loss;       ///< share of what nodes and switches draw at the wall, 0..0.5
    double service;           ///< storage, management: for each watt of nodes and switches
    double distribution_loss; ///< transformers and UPS, for each watt of the rest
    double pue;               ///< of cooling and the building alone; < 1: by cooling
    double band; ///< share of the mean that the grid may be asked for more or less than it
    double gpu_cap_W, rack_cap_W, site_cap_W; ///< that GPUs are held below; 0: none
    double inlet_C,
        rated_C; ///< of air or coolant: as it comes, and at most for GPUs at their limit; < -273: by cooling
    double hottest_C; ///< at which a GPU holds its clock back
} PowerSpec;

/// GPUs of a domain that a job can have.
static inline int32_t scale_up_used(const ScaleUpSpec *scale_up) {
    return scale_up->used > 0 ? scale_up->used : scale_up->gpus;
}

/// Bytes of one number, its part of the scales included.
static inline double precision_bytes(Precision precision) {
    return PRECISION_FORMATS[precision].bytes;
}
/// Of an activation: they stay in 16 bit beside narrower products.
static inline double precision_activation_bytes(Precision precision) {
    return precision == PRECISION_FP32 ? 4 : 2;
}

/// Measured products of a precision: the GPU's own, or those of the format that stands for it; NULL: none.
const GemmTable *gpu_gemm(const GpuSpec *gpu, Precision precision);
/// Of the best rate of one of its tables, what the GPU keeps in long runs: the table's own share before the GPU's;
/// 0: not measured.
double gpu_sustained_share(const GpuSpec *gpu, const GemmTable *table);

#endif
