/// settings.h: `--set a.b.c=value` of the command line, laid over the trees of the files before any
/// schema sees them.
///
/// Idea.    The settings are a text called "--set", one line each. A value is YAML; key and value
///          become nodes that know their place in that text, so that a wrong setting is reported
///          like a wrong file: "--set:1:16: error: ...". The first word of a path says where it
///          goes: a key of the topology, or of the jobs (all that know it); "topology." and "job."
///          in front decide where both know it. Items of lists go by number or by their `name`.
#ifndef COLOSSIM_CONFIG_SETTINGS_H
#define COLOSSIM_CONFIG_SETTINGS_H

#include "config/schema.h"

/// One file that settings may change.
typedef struct SettingTarget {
    const char *name;     ///< "topology" or "job"
    Node *root;           ///< a mapping, or NULL if the file could not be read
    const Schema *schema; ///< NULL if unknown
} SettingTarget;

/// Lay settings over targets[n]; errors are reported.
void settings_apply(Reader *reader, const char *const settings[], int32_t nsettings,
                    const SettingTarget targets[], int32_t ntargets);

#endif
