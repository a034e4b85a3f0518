#include "workload/certainty.h"

#include <string.h>

static bool takes_gpu(const CertaintyClass *class, const char *gpu) {
    bool found = class->ngpu == 0;
    for (int32_t i = 0; i < class->ngpu && !found; i++)
        found = strcmp(class->gpu[i].name, gpu) == 0;
    return found;
}

const CertaintyClass *certainty_class(const CertaintySpec *spec, bool experts, const char *gpu,
                                      int64_t job_gpus) {
    for (int32_t i = 0; i < spec->nclasses; i++) {
        const CertaintyClass *class = &spec->class[i];
        if (class->experts == experts && takes_gpu(class, gpu) && job_gpus >= class->least_gpus &&
            (class->most_gpus == 0 || job_gpus <= class->most_gpus))
            return class;
    }
    return NULL;
}

int64_t certainty_largest(const CertaintySpec *spec, bool experts) {
    if (spec->nclasses == 0) return 0;
    return experts ? spec->largest_experts : spec->largest_dense;
}
