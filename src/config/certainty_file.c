#include "config/certainty_file.h"

static const Field GPU_ELEMENT = ELEMENT_STRING(HARDWARE_NAME_BYTES);

static const Field CLASS_FIELDS[] = {
    FIELD_STRING_AT("name", CertaintyClass, name, NULL, "the class in words"),
    FIELD_BOOL_AT("experts", CertaintyClass, experts, NULL, "mixtures of experts, or dense models"),
    FIELD_LIST_AT("gpu", CertaintyClass, gpu, ngpu, &GPU_ELEMENT, "", "any of these; none: any"),
    FIELD_COUNT_AT("least_gpus", CertaintyClass, least_gpus, "0", 0, 1e12,
                   "GPUs of the smallest job of the class"),
    FIELD_COUNT_AT("most_gpus", CertaintyClass, most_gpus, "0", 0, 1e12,
                   "GPUs of the largest job of the class; 0: any"),
    FIELD_COUNT_AT("runs", CertaintyClass, runs, NULL, 1, 1e6, "published runs behind the bounds"),
    FIELD_QUANTITY_AT("least", CertaintyClass, least, QUANTITY_FRACTION, NULL, 0, 100,
                      "published step over emulated step: lower bound of 8 in 10"),
    FIELD_QUANTITY_AT("most", CertaintyClass, most, QUANTITY_FRACTION, NULL, 0, 100, "upper bound"),
};

static const Schema CLASS_SCHEMA = {.name = "class",
                                    .field = CLASS_FIELDS,
                                    .nfields = FIELDS_N(CLASS_FIELDS),
                                    .bytes = sizeof(CertaintyClass)};
static const Field CLASS_ELEMENT = ELEMENT_STRUCT(CertaintyClass, &CLASS_SCHEMA);

static const Field CERTAINTY_FIELDS[] = {
    FIELD_COUNT_AT("largest_dense", CertaintySpec, largest_dense, NULL, 0, 1e12,
                   "GPUs of the largest published run of a dense model"),
    FIELD_COUNT_AT("largest_experts", CertaintySpec, largest_experts, NULL, 0, 1e12,
                   "GPUs of the largest published run of a mixture of experts"),
    FIELD_LIST_AT("classes", CertaintySpec, class, nclasses, &CLASS_ELEMENT, NULL,
                  "a run belongs to the first that it fits"),
};

const Schema certainty_schema = {.name = "residuals",
                                 .field = CERTAINTY_FIELDS,
                                 .nfields = FIELDS_N(CERTAINTY_FIELDS),
                                 .bytes = sizeof(CertaintySpec),
                                 .kind = "residuals"};
