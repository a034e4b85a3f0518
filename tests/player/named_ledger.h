/// named_ledger.h: an engine's ledger of which only the names of links are known.
#ifndef COLOSSIM_TESTS_PLAYER_NAMED_LEDGER_H
#define COLOSSIM_TESTS_PLAYER_NAMED_LEDGER_H

#include "engine/flow/shared.h"

/// A ledger whose slot s is link[s]; good for ledger_routes only.  Free with named_ledger_destroy.
Engine *named_ledger_create(int32_t link[], int64_t nslots);
void named_ledger_destroy(Engine *ledger);

#endif
