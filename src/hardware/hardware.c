#include "hardware/hardware.h"

#include <stddef.h>

const char *const PRECISION_NAMES[] = {[PRECISION_FP32] = "fp32",
                                       [PRECISION_FP16] = "fp16",
                                       [PRECISION_BF16] = "bf16",
                                       [PRECISION_FP8] = "fp8",
                                       NULL};
