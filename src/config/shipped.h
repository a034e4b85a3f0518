/// shipped.h: topologies, jobs and entries of catalogues by their names.
///
/// Idea.    A name that is no path stands for a file of the share folder; entries of catalogues are looked for beside the
///          file that names them first. A value with a '/' is a path, from the folder of the file that names it. Where
///          nothing is found, the names of the folders that were looked into say what may have been meant.
#ifndef COLOSSIM_CONFIG_SHIPPED_H
#define COLOSSIM_CONFIG_SHIPPED_H

#include "config/schema.h"

/// The text of a file of the command line: a path, or the name of a shipped topology, job, model or piece of hardware,
/// looked for in this order. NULL: there is none, and *reason says so.
const Text *shipped_open_file(Reader *reader, const char *name, Status *reason);

/// The text of entry `name` of a catalogue folder: <folder of reader->base>/<folder>/<name>.yaml, else the same one folder
/// above, else <share>/<topologies or jobs>/<folder>/<name>.yaml; or the path that `name` is. NULL: there is none, and
/// `tried` says where it was looked for and which name is most like it.
const Text *shipped_open_entry(Reader *reader, const char *folder, const char *name,
                               char tried[DIAGNOSTIC_BYTES]);

/// Is this the name of an entry (no path)?
bool shipped_is_name(const char *name);

#endif
