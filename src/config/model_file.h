/// model_file.h: the schema of jobs/models/*.yaml: the shape of a decoder transformer, and what a
/// job may change in it.
#ifndef COLOSSIM_CONFIG_MODEL_FILE_H
#define COLOSSIM_CONFIG_MODEL_FILE_H

#include "config/schema.h"
#include "workload/model.h"

extern const Schema model_schema;

/// `model_changes` of a job: counts of a ModelSpec, MODEL_KEPT where the catalogue's stands.
enum { MODEL_KEPT = -1 };
extern const Schema model_changes_schema;

/// `model` with what `changes` names put over it; reports there what then does not fit.
void model_file_change(Reader *reader, const Node *node, const ModelSpec *changes,
                       ModelSpec *model);

#endif
