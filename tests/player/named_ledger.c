// Apart from the tests: the inner header of the engine has names that the driver has too.
#include "player/named_ledger.h"

#include "base/memory.h"
#include "engine/flow/flow_state.h"

#define LABEL "test.ledger"

Flow *named_ledger_create(int32_t link[], int64_t nslots) {
    Flow *ledger = memory_alloc(LABEL, sizeof *ledger);
    ledger->routes.link = link;
    ledger->routes.nslots = nslots;
    return ledger;
}

void named_ledger_destroy(Flow *ledger) { memory_free(LABEL, ledger, sizeof *ledger); }
