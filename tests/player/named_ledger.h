/// named_ledger.h: an engine's ledger of which only the names of links are known.
#ifndef COLOSSIM_TESTS_PLAYER_NAMED_LEDGER_H
#define COLOSSIM_TESTS_PLAYER_NAMED_LEDGER_H

#include "engine/flow/flow_ledger.h"

/// A ledger whose slot s is link[s]; good for ledger_routes only.  Free with named_ledger_destroy.
Flow *named_ledger_create(int32_t link[], int64_t nslots);
void named_ledger_destroy(Flow *ledger);

#endif
