#include "engine/named_ledger.h"

#include "base/memory.h"
#include "engine/flow/flow_state.h"

#define LABEL "test.ledger"

Engine *named_ledger_create(LinkId link[], int64_t capacity[], int64_t nslots) {
    Engine *ledger = memory_alloc(LABEL, sizeof *ledger);
    ledger->routes.link = link;
    ledger->routes.capacity = memory_alloc(LABEL, sizeof(uint16_t) * (size_t)nslots);
    for (int32_t s = 0; s < nslots; s++) {
        ledger->routes.capacity[s] = (uint16_t)s;
        array_push(&ledger->routes.capacities, capacity[s]);
    }
    ledger->routes.nslots = nslots;
    return ledger;
}

void named_ledger_destroy(Engine *ledger) {
    memory_free(LABEL, ledger->routes.capacity, sizeof(uint16_t) * (size_t)ledger->routes.nslots);
    array_free(&ledger->routes.capacities);
    memory_free(LABEL, ledger, sizeof *ledger);
}
