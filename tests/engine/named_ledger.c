#include "engine/named_ledger.h"

#include "base/memory.h"
#include "engine/flow/flow_state.h"

#define LABEL "test.ledger"

Engine *named_ledger_create(int32_t link[], int64_t capacity[], int64_t nslots) {
    Engine *ledger = memory_alloc(LABEL, sizeof *ledger);
    ledger->routes.link = link;
    ledger->routes.capacity = capacity;
    ledger->routes.nslots = nslots;
    return ledger;
}

void named_ledger_destroy(Engine *ledger) { memory_free(LABEL, ledger, sizeof *ledger); }
