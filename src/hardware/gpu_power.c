#include "hardware/gpu_power.h"

#include <math.h>

/// Of the range between idle power and limit.
static const double PRODUCTS = 0.975, MEMORY_BOUND = 0.75,
                    SHARES[POWER_STATES] = {[POWER_COMMUNICATION] = 0.35,
                                            [POWER_BUBBLE] = 0.20,
                                            [POWER_WAITING] = 0.20,
                                            [POWER_IDLE] = 0};
/// Of the clock at the limit, where voltage is least.
static const double LEAST_VOLTAGE = 0.82;

double gpu_draw_W(const GpuSpec *gpu, PowerState state, double products) {
    const double most = PRODUCTS * (1 - gpu->capped), memory = fmin(MEMORY_BOUND, most);
    const double share = state == POWER_WORK ? memory + (most - memory) * products : SHARES[state];
    return gpu->idle_W + share * (gpu->max_W - gpu->idle_W);
}

double gpu_most_W(const GpuSpec *gpu) {
    return gpu->max_W - gpu->capped * (gpu->max_W - gpu->idle_W);
}

void gpu_cap(GpuSpec *gpu, double part) {
    if (part < 1) gpu->capped = 1 - part * (1 - gpu->capped);
}

double gpu_least_cap_W(const GpuSpec *gpu) {
    return gpu->idle_W + SHARES[POWER_COMMUNICATION] / PRODUCTS * (gpu->max_W - gpu->idle_W);
}

double gpu_clock(const GpuSpec *gpu) {
    const double left = 1 - gpu->capped, rising = cbrt(left);
    return rising > LEAST_VOLTAGE ? rising : left / (LEAST_VOLTAGE * LEAST_VOLTAGE);
}
