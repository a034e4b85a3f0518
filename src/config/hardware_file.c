#include "config/hardware_file.h"

#include "hardware/hardware.h"

static const Field POINT_FIELDS[] = {
    FIELD_NUMBER_AT("m", GemmPoint, m, NULL, 1, 1e9, "rows of the result"),
    FIELD_NUMBER_AT("n", GemmPoint, n, NULL, 1, 1e9, "columns of the result"),
    FIELD_NUMBER_AT("k", GemmPoint, k, NULL, 1, 1e9, "depth of the sum"),
    FIELD_QUANTITY_AT("rate", GemmPoint, rate_flop_per_s, QUANTITY_FLOP_RATE, NULL, 1, 0,
                      "measured rate"),
};
static const Schema point_schema = {.name = "point",
                                    .field = POINT_FIELDS,
                                    .nfields = FIELDS_N(POINT_FIELDS),
                                    .bytes = sizeof(GemmPoint),
                                    .tuple = true};
static const Field POINT_ELEMENT = ELEMENT_STRUCT(GemmPoint, &point_schema);

static const Field GEMM_FIELDS[] = {
    FIELD_QUANTITY_AT("peak", GemmTable, peak_flop_per_s, QUANTITY_FLOP_RATE, "0 FLOP/s", 0, 0,
                      "data sheet, dense"),
    FIELD_QUANTITY_AT("best", GemmTable, best_flop_per_s, QUANTITY_FLOP_RATE, "0 FLOP/s", 0, 0,
                      "best measured large GEMM"),
    FIELD_NUMBER_AT("depth", GemmTable, depth, "0", 0, 1e5,
                    "of a sum, as long as a tile takes to begin and to end"),
    FIELD_QUANTITY_AT("sustained_share", GemmTable, sustained_share, QUANTITY_FRACTION, "0 %", 0, 2,
                      "of these rates, kept in long runs; above 100 %: training has faster "
                      "kernels than the table; 0 %: as for the GPU"),
    FIELD_LIST_AT("points", GemmTable, point, npoints, &POINT_ELEMENT, "",
                  "measured GEMMs [m, n, k, rate], smallest first"),
};

static double point_size(const GemmPoint *point) { return point->m * point->n * point->k; }
static double point_s(const GemmPoint *point) { return point_size(point) / point->rate_flop_per_s; }

/// A table is whole or absent; its points ascend in m n k and in time, and stay below the peak.
static void finish_gemm(Reader *reader, const Node *node, void *data) {
    const GemmTable *table = data;
    const bool given = table->npoints > 0;
    if (given != (table->peak_flop_per_s > 0) || given != (table->best_flop_per_s > 0)) {
        reader_error(reader, node, "", "a GEMM table wants peak, best and points together");
        return;
    }
    if (table->best_flop_per_s > table->peak_flop_per_s)
        reader_error(reader, node, "best", "best is above the peak");
    for (int32_t i = 0; i < table->npoints; ++i) {
        if (table->point[i].rate_flop_per_s > table->peak_flop_per_s)
            reader_error(reader, node, "points", "point %d is above the peak", i + 1);
        if (i > 0 && point_size(&table->point[i]) <= point_size(&table->point[i - 1]))
            reader_error(reader, node, "points", "point %d is not larger than the one before it",
                         i + 1);
        else if (i > 0 && point_s(&table->point[i]) < point_s(&table->point[i - 1]))
            reader_error(reader, node, "points",
                         "point %d takes less time than the smaller one before it", i + 1);
    }
}

static const Schema gemm_schema = {.name = "gemm table",
                                   .field = GEMM_FIELDS,
                                   .nfields = FIELDS_N(GEMM_FIELDS),
                                   .bytes = sizeof(GemmTable),
                                   .finish = finish_gemm};

#define GEMM_AT(key, precision) \
    FIELD_STRUCT_AT(key, GpuSpec, gemm[precision], &gemm_schema, "", "GEMM rates of this precision")
#define ATTENTION_AT(key, member, text) \
    FIELD_QUANTITY_AT(key, GpuSpec, member, QUANTITY_FLOP_RATE, "0 FLOP/s", 0, 0, text)
#define FORWARD_TEXT "attention forward, causal, 4096 tokens, head_dim 128; 0: no such kernel"
#define BACKWARD_TEXT "attention backward, causal, 4096 tokens, head_dim 128"

static const Field GPU_FIELDS[] = {
    GEMM_AT("gemm_fp32", PRECISION_FP32),
    GEMM_AT("gemm_fp16", PRECISION_FP16),
    GEMM_AT("gemm_bf16", PRECISION_BF16),
    GEMM_AT("gemm_fp8", PRECISION_FP8),
    GEMM_AT("gemm_fp8_block", PRECISION_FP8_BLOCK),
    GEMM_AT("gemm_mxfp8", PRECISION_MXFP8),
    GEMM_AT("gemm_nvfp4", PRECISION_NVFP4),
    GEMM_AT("gemm_mxfp4", PRECISION_MXFP4),
    ATTENTION_AT("flash1_forward", attention_forward_flop_per_s[ATTENTION_FLASH1], FORWARD_TEXT),
    ATTENTION_AT("flash1_backward", attention_backward_flop_per_s[ATTENTION_FLASH1], BACKWARD_TEXT),
    ATTENTION_AT("flash2_forward", attention_forward_flop_per_s[ATTENTION_FLASH2], FORWARD_TEXT),
    ATTENTION_AT("flash2_backward", attention_backward_flop_per_s[ATTENTION_FLASH2], BACKWARD_TEXT),
    ATTENTION_AT("flash3_forward", attention_forward_flop_per_s[ATTENTION_FLASH3], FORWARD_TEXT),
    ATTENTION_AT("flash3_backward", attention_backward_flop_per_s[ATTENTION_FLASH3], BACKWARD_TEXT),
    ATTENTION_AT("cudnn_forward", attention_forward_flop_per_s[ATTENTION_CUDNN], FORWARD_TEXT),
    ATTENTION_AT("cudnn_backward", attention_backward_flop_per_s[ATTENTION_CUDNN], BACKWARD_TEXT),
    FIELD_QUANTITY_AT("attention_64_forward", GpuSpec, attention_forward.narrow, QUANTITY_FRACTION,
                      "100 %", 0.01, 1, "of the rate of attention, kept by heads of 64"),
    FIELD_QUANTITY_AT("attention_64_backward", GpuSpec, attention_backward.narrow,
                      QUANTITY_FRACTION, "100 %", 0.01, 1, "the same, backward"),
    FIELD_NUMBER_AT("attention_latent_forward", GpuSpec, attention_forward.latent, "0.92", 0.01, 4,
                    "of the rate of attention, kept by keys of 192 beside values of 128"),
    FIELD_NUMBER_AT("attention_latent_backward", GpuSpec, attention_backward.latent, "0.79", 0.01,
                    4, "the same, backward"),
    FIELD_NUMBER_AT("attention_ramp", GpuSpec, attention_ramp, "0", 0, 1e5,
                    "tokens by which attention takes as if its sequence were longer"),
    FIELD_QUANTITY_AT("attention_key", GpuSpec, attention_key_ps, QUANTITY_TIME, "0 s", 0, 0,
                      "of one tile of attention, for each key it walks along; 0: not said"),
    FIELD_NUMBER_AT("attention_fp8_forward", GpuSpec, attention_forward.fp8_gain, "0", 0, 4,
                    "times the rate of attention with products in fp8; 0: not measured"),
    FIELD_NUMBER_AT("attention_fp8_backward", GpuSpec, attention_backward.fp8_gain, "1", 0.01, 4,
                    "the same, backward"),
    FIELD_QUANTITY_AT("memory", GpuSpec, memory_bytes, QUANTITY_SIZE, NULL, 1, 0,
                      "usable by a job, after driver and context"),
    FIELD_QUANTITY_AT("memory_rate", GpuSpec, memory_Bps, QUANTITY_RATE, NULL, 1, 0, "data sheet"),
    FIELD_QUANTITY_AT("memory_stream_rate", GpuSpec, memory_stream_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "achieved by a copy kernel"),
    FIELD_QUANTITY_AT("memory_pass_rate", GpuSpec, memory_pass_Bps, QUANTITY_RATE, "0 GB/s", 0, 0,
                      "achieved by kernels that pass over a tensor; 0: 91 % of the stream rate"),
    FIELD_QUANTITY_AT("launch", GpuSpec, launch_ps, QUANTITY_TIME, NULL, 0, 0,
                      "gap between dependent kernels"),
    FIELD_QUANTITY_AT("graph_launch", GpuSpec, graph_launch_ps, QUANTITY_TIME, "1.8 us", 0, 0,
                      "gap between the kernels of a CUDA graph"),
    FIELD_QUANTITY_AT("host_call", GpuSpec, host_call_ps, QUANTITY_TIME, "13.5 us", 0, 0,
                      "of the host, to have one operation of a framework launched"),
    FIELD_QUANTITY_AT("sustained_share", GpuSpec, sustained_share, QUANTITY_FRACTION, "100 %", 0.01,
                      1, "of isolated GEMM and attention rates, kept in long runs"),
    FIELD_QUANTITY_AT("collective_share", GpuSpec, scale_up_processor_share, QUANTITY_FRACTION,
                      NULL, 0, 0.99, "of the GPU, taken by communication inside a scale-up domain"),
    FIELD_QUANTITY_AT("network_collective_share", GpuSpec, network_processor_share,
                      QUANTITY_FRACTION, "16 %", 0, 0.99,
                      "of the GPU, taken by a collective over the network"),
    FIELD_BOOL_AT(
        "persistent_products", GpuSpec, persistent_products, "off",
        "products hold all processors to their end: beside a collective they take twice as long"),
    FIELD_BOOL_AT("fp8_any_layout", GpuSpec, fp8_any_layout, "off",
                  "products take fp8 operands by rows and by columns: one copy does for all"),
    FIELD_COUNT_AT("processors", GpuSpec, processors, "0", 0, 100000,
                   "that run kernels, of which an exchange of rows holds some; 0: not said"),
    FIELD_QUANTITY_AT("idle_power", GpuSpec, idle_W, QUANTITY_POWER, NULL, 0, 0, "doing nothing"),
    FIELD_QUANTITY_AT("typical_power", GpuSpec, typical_W, QUANTITY_POWER, NULL, 0, 0, "training"),
    FIELD_QUANTITY_AT("max_power", GpuSpec, max_W, QUANTITY_POWER, NULL, 0, 0, "limit"),
};

static void finish_gpu(Reader *reader, const Node *node, void *data) {
    static const char *const KERNEL_KEYS[ATTENTION_N] = {[ATTENTION_UNFUSED] = "",
                                                         [ATTENTION_FLASH1] = "flash1_forward",
                                                         [ATTENTION_FLASH2] = "flash2_forward",
                                                         [ATTENTION_FLASH3] = "flash3_forward",
                                                         [ATTENTION_CUDNN] = "cudnn_forward"};
    const GpuSpec *gpu = data;
    if (gpu->memory_stream_Bps > gpu->memory_Bps)
        reader_error(reader, node, "memory_stream_rate",
                     "memory_stream_rate is above the data sheet's memory_rate");
    for (int a = 0; a < ATTENTION_N; ++a)
        if ((gpu->attention_forward_flop_per_s[a] > 0) !=
            (gpu->attention_backward_flop_per_s[a] > 0))
            reader_error(reader, node, KERNEL_KEYS[a],
                         "an attention kernel wants forward and backward rate");
    if (gpu->idle_W > gpu->typical_W || gpu->typical_W > gpu->max_W)
        reader_error(reader, node, "typical_power",
                     "typical_power must lie between idle_power and max_power");
}

const Schema gpu_schema = {.name = "gpu",
                           .field = GPU_FIELDS,
                           .nfields = FIELDS_N(GPU_FIELDS),
                           .bytes = sizeof(GpuSpec),
                           .kind = "gpu",
                           .finish = finish_gpu};

static const Field NIC_FIELDS[] = {
    FIELD_QUANTITY_AT("line_rate", NicSpec, line_Bps, QUANTITY_RATE, NULL, 1, 0, "port rate"),
    FIELD_QUANTITY_AT("goodput", NicSpec, goodput_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "what a large RDMA message sees"),
    FIELD_QUANTITY_AT("latency", NicSpec, latency_ps, QUANTITY_TIME, NULL, 0, 0,
                      "both adapters and PCIe of one message"),
    FIELD_QUANTITY_AT("power", NicSpec, power_W, QUANTITY_POWER, "25 W", 0, 0, "of the adapter"),
};

static void finish_nic(Reader *reader, const Node *node, void *data) {
    const NicSpec *nic = data;
    if (nic->goodput_Bps > nic->line_Bps)
        reader_error(reader, node, "goodput", "goodput is above the line_rate");
}

const Schema nic_schema = {.name = "nic",
                           .field = NIC_FIELDS,
                           .nfields = FIELDS_N(NIC_FIELDS),
                           .bytes = sizeof(NicSpec),
                           .kind = "nic",
                           .finish = finish_nic};

static const Field SWITCH_FIELDS[] = {
    FIELD_COUNT_AT("ports", SwitchSpec, ports, NULL, 2, 100000, "at port_rate"),
    FIELD_QUANTITY_AT("port_rate", SwitchSpec, port_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "line rate of one port"),
    FIELD_QUANTITY_AT("latency", SwitchSpec, latency_ps, QUANTITY_TIME, NULL, 0, 0,
                      "port to port, unloaded"),
    FIELD_QUANTITY_AT("typical_power", SwitchSpec, typical_W, QUANTITY_POWER, NULL, 0, 0,
                      "typical draw"),
};

const Schema switch_schema = {.name = "switch",
                              .field = SWITCH_FIELDS,
                              .nfields = FIELDS_N(SWITCH_FIELDS),
                              .bytes = sizeof(SwitchSpec),
                              .kind = "switch"};

static const Field SCALE_UP_FIELDS[] = {
    FIELD_COUNT_AT("gpus", ScaleUpSpec, gpus, NULL, 1, 100000, "GPUs per domain"),
    FIELD_QUANTITY_AT("line_rate", ScaleUpSpec, line_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "data sheet, one way, per GPU"),
    FIELD_QUANTITY_AT("goodput", ScaleUpSpec, goodput_Bps, QUANTITY_RATE, NULL, 1, 0,
                      "what a ring of large messages reaches, one way, per GPU"),
    FIELD_QUANTITY_AT("reduce_rate", ScaleUpSpec, reduce_Bps, QUANTITY_RATE, "0 GB/s", 0, 0,
                      "all-reduce bus bandwidth of all GPUs with in-network reduction; 0: none"),
    FIELD_QUANTITY_AT("reduce_chunk", ScaleUpSpec, reduce_chunk_bytes, QUANTITY_SIZE, "2 MiB", 0, 0,
                      "of each GPU, in the pipeline of such a reduction"),
    FIELD_QUANTITY_AT("copy_rate", ScaleUpSpec, copy_Bps, QUANTITY_RATE, "0 GB/s", 0, 0,
                      "a GPU copies its own part of a collective; 0: at once"),
    FIELD_QUANTITY_AT("exchange_rate", ScaleUpSpec, exchange_Bps, QUANTITY_RATE, "0 GB/s", 0, 0,
                      "all-to-all, one way, per GPU; 0: as goodput"),
    FIELD_QUANTITY_AT("exchange_copy_rate", ScaleUpSpec, exchange_copy_Bps, QUANTITY_RATE, "0 GB/s",
                      0, 0, "a GPU copies its own part of an all-to-all; 0: at once"),
    FIELD_QUANTITY_AT("latency", ScaleUpSpec, latency_ps, QUANTITY_TIME, NULL, 0, 0,
                      "per step of a collective"),
    FIELD_QUANTITY_AT("collective_base", ScaleUpSpec, collective_base_ps, QUANTITY_TIME, NULL, 0, 0,
                      "launch and protocol of one collective"),
    FIELD_QUANTITY_AT("bulk_latency", ScaleUpSpec, bulk_latency_ps, QUANTITY_TIME, "0 us", 0, 0,
                      "extra per step of the protocol for large messages"),
    FIELD_QUANTITY_AT("bulk_base", ScaleUpSpec, bulk_base_ps, QUANTITY_TIME, "0 us", 0, 0,
                      "extra of a collective by that protocol"),
    FIELD_QUANTITY_AT("small_share", ScaleUpSpec, small_share, QUANTITY_FRACTION, "100 %", 0.01, 1,
                      "of the goodput, reached by the protocol for small messages"),
    FIELD_QUANTITY_AT("medium_share", ScaleUpSpec, medium_share, QUANTITY_FRACTION, "0 %", 0, 1,
                      "of the goodput, by the one for medium messages; 0: it has none"),
    FIELD_BOOL_AT("mesh", ScaleUpSpec, mesh, "off",
                  "a link for each pair: some GPUs have those among them alone"),
};

static void finish_scale_up(Reader *reader, const Node *node, void *data) {
    const ScaleUpSpec *domain = data;
    if (domain->goodput_Bps > domain->line_Bps)
        reader_error(reader, node, "goodput", "goodput is above the line_rate");
    if (domain->exchange_Bps > domain->goodput_Bps)
        reader_error(reader, node, "exchange_rate", "exchange_rate is above the goodput");
}

const Schema scale_up_schema = {.name = "scale_up",
                                .field = SCALE_UP_FIELDS,
                                .nfields = FIELDS_N(SCALE_UP_FIELDS),
                                .bytes = sizeof(ScaleUpSpec),
                                .kind = "scale_up",
                                .finish = finish_scale_up};
