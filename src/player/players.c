#include "player/players.h"

// Measured with tests/bench/step_cost, one rank on a quiet core of 2024: 98 thousand to 9.6 million operations.
enum {
    EVENT_NS = 450,     ///< an operation, state in the cache
    EVENT_FAR_NS = 600, ///< more, state beyond it
    FAR_UNITS = 12480,  ///< of so many units and more nothing is in the cache when its turn comes
    ISLAND_NS = 520,    ///< an operation of an island, what is played again included
    WINDOW_NS = 10000,  ///< a window of one rank ...
    MEETING_NS = 12000, ///< ... and what several ranks add
    WINDOWS_A_STEP =
        10000, ///< about as many, whatever the size: what collectives do to each other ends most
};

/// Operations of all units in a step.
static double operations(const Machine *machine) {
    double sum = 0;
    for (int32_t role = 0; role < machine->shares.nroles; role++) {
        double nops = 0;
        for (int32_t stage = 0; stage < machine->layout.units.stages; stage++)
            nops += machine_program(machine, role, stage)->nops;
        sum += nops * (double)machine->shares.role[role].replicas;
    }
    return sum;
}

/// CPU time of a step event by event.
static double event_cost_ns(const Machine *machine) {
    double far = (double)machine->layout.units.n / FAR_UNITS;
    return operations(machine) * (EVENT_NS + EVENT_FAR_NS * (far < 1 ? far : 1));
}

/// Time of a step on the slowest rank as islands.
static double island_cost_ns(const Machine *machine) {
    double replicas = (double)(machine->layout.units.n / machine->layout.units.stages);
    double played = machine_is_even(machine) ? operations(machine) / replicas
                                             : operations(machine) / machine->nranks;
    return played * ISLAND_NS +
           WINDOWS_A_STEP * (double)(WINDOW_NS + (machine->nranks > 1 ? MEETING_NS : 0));
}

void player_choose(Machine *machine) {
    PlayerChoice choice = machine->run->player;
    bool apart = choice == PLAYER_ISLAND ||
                 (choice == PLAYER_BY_COST && island_cost_ns(machine) < event_cost_ns(machine));
    if (apart && island_player_open(machine)) return;
    event_player_open(machine);
    fabric_open(machine->fabric);
}
