#include "hardware/hardware.h"

#include <stddef.h>

const char *const PRECISION_NAMES[] = {[PRECISION_FP32] = "fp32",
                                       [PRECISION_FP16] = "fp16",
                                       [PRECISION_BF16] = "bf16",
                                       [PRECISION_FP8] = "fp8",
                                       [PRECISION_FP8_CURRENT] = "fp8-current",
                                       [PRECISION_FP8_BLOCK] = "fp8-block",
                                       [PRECISION_MXFP8] = "mxfp8",
                                       [PRECISION_NVFP4] = "nvfp4",
                                       [PRECISION_MXFP4] = "mxfp4",
                                       [PRECISION_N] = "fp8-delayed",
                                       NULL};

const char *const ATTENTION_NAMES[] = {
    [ATTENTION_UNFUSED] = "unfused", [ATTENTION_FLASH1] = "flash1", [ATTENTION_FLASH2] = "flash2",
    [ATTENTION_FLASH3] = "flash3",   [ATTENTION_CUDNN] = "cudnn",   NULL};

const char *const COOLING_NAMES[] = {[COOLING_AIR] = "air",
                                     [COOLING_LIQUID] = "liquid",
                                     [COOLING_IMMERSION] = "immersion",
                                     [COOLING_N] = NULL};

// Scales: fp8-block has four bytes for 1 x 128 numbers (Transformer Engine, Float8BlockScaling), the MX formats one for 32
// (OCP Microscaling formats 1.0), NVFP4 one for 16 and one of the whole tensor, which is found by a pass as in
// fp8-current.
const PrecisionFormat PRECISION_FORMATS[PRECISION_N] = {
    [PRECISION_FP32] = {.bytes = 4, .table = PRECISION_FP32},
    [PRECISION_FP16] = {.bytes = 2, .table = PRECISION_FP16},
    [PRECISION_BF16] = {.bytes = 2, .table = PRECISION_BF16},
    [PRECISION_FP8] = {.bytes = 1, .cast = true, .one_scale = true, .table = PRECISION_FP8},
    [PRECISION_FP8_CURRENT] =
        {.bytes = 1, .cast = true, .scan = true, .one_scale = true, .table = PRECISION_FP8},
    [PRECISION_FP8_BLOCK] = {.bytes = 1 + 4.0 / 128, .cast = true, .table = PRECISION_FP8_BLOCK},
    [PRECISION_MXFP8] = {.bytes = 1 + 1.0 / 32, .cast = true, .table = PRECISION_MXFP8},
    [PRECISION_NVFP4] = {.bytes = 0.5 + 1.0 / 16,
                         .cast = true,
                         .scan = true,
                         .table = PRECISION_NVFP4},
    [PRECISION_MXFP4] = {.bytes = 0.5 + 1.0 / 32, .cast = true, .table = PRECISION_MXFP4},
};

const GemmTable *gpu_gemm(const GpuSpec *gpu, Precision precision) {
    if (gpu->gemm[precision].npoints > 0) return &gpu->gemm[precision];
    const GemmTable *other = &gpu->gemm[PRECISION_FORMATS[precision].table];
    return other->npoints > 0 ? other : NULL;
}

double gpu_sustained_share(const GpuSpec *gpu, const GemmTable *table) {
    return table->sustained_share > 0 ? table->sustained_share : gpu->sustained_share;
}
