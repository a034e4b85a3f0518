/// model_file.h: the schema of jobs/models/*.yaml: the shape of a dense decoder transformer.
#ifndef COLOSSIM_CONFIG_MODEL_FILE_H
#define COLOSSIM_CONFIG_MODEL_FILE_H

#include "config/schema.h"

extern const Schema model_schema;

#endif
