/// named_ledger.h: an engine's ledger of which only the names and capacities of links are known.
#ifndef COLOSSIM_TESTS_ENGINE_NAMED_LEDGER_H
#define COLOSSIM_TESTS_ENGINE_NAMED_LEDGER_H

#include "engine/flow/ledger.h"

/// A ledger whose slot s is link[s] of capacity[s], borrowed; good for ledger_routes only.  Free with named_ledger_destroy.
Engine *named_ledger_create(LinkId link[], int64_t capacity[], int64_t nslots);
void named_ledger_destroy(Engine *ledger);

#endif
