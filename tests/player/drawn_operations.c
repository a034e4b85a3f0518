#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "drawn_operations.h"

#include "draws.h"

enum { EACH_MAX = 40, ROW_BYTES = 160 };

typedef struct Drawing {
    uint64_t seed, draws;
    int32_t ranks;
    bool resources;
    int32_t n[DRAWN_RANKS];
    char row[DRAWN_RANKS][EACH_MAX][ROW_BYTES];
} Drawing;

static int32_t below(Drawing *drawing, int32_t n) {
    return (int32_t)rng_below(drawing->seed, RNG_TEST, 0, drawing->draws++, n);
}

/// An operation of a rank, behind some that it has already; of half of these the begin is enough.
static void add(Drawing *drawing, int32_t rank, const char *what, bool needs_resource) {
    const int32_t id = drawing->n[rank]++;
    char *row = drawing->row[rank][id];
    int used = snprintf(row, ROW_BYTES, "%d,%d,%s,", rank, id, what);
    if (drawing->resources && needs_resource && below(drawing, 3) > 0)
        used += snprintf(row + used, ROW_BYTES - (size_t)used, "%d", below(drawing, 2));
    used += snprintf(row + used, ROW_BYTES - (size_t)used, ",");
    const int32_t waits = id == 0 ? 0 : below(drawing, 3);
    for (int32_t w = 0, last = id; w < waits && last > 0; w++) {
        last = below(drawing, last);
        used += snprintf(row + used, ROW_BYTES - (size_t)used, "%s%d%s", w > 0 ? " " : "", last,
                         below(drawing, 4) == 0 ? "+" : "");
    }
    snprintf(row + used, ROW_BYTES - (size_t)used, "\n");
}

static void add_message(Drawing *drawing) {
    char what[80];
    const int32_t from = below(drawing, drawing->ranks),
                  to = (from + 1 + below(drawing, drawing->ranks - 1)) % drawing->ranks,
                  tag = below(drawing, 2), bytes = below(drawing, 3) * below(drawing, 2000000);
    snprintf(what, sizeof what, "send,%d,%d,%d B,", to, tag, bytes);
    add(drawing, from, what, false);
    snprintf(what, sizeof what, "receive,%d,%d,%d B,", from, tag, bytes);
    add(drawing, to, what, false);
}

static void add_collective(Drawing *drawing) {
    static const char *const KINDS[] = {"all_reduce", "reduce_scatter", "all_gather", "all_to_all"};
    char what[80], group[32] = "all";
    int32_t step = 1 + below(drawing, 3), first = below(drawing, step);
    if (below(drawing, 2) == 0) {
        step = 1, first = 0;
    } else {
        snprintf(group, sizeof group, "%d-%d/%d", first, drawing->ranks - 1, step);
    }
    snprintf(what, sizeof what, "%s,%s,%d,%d B,", KINDS[below(drawing, 4)], group, 0,
             1 + below(drawing, 3000000));
    for (int32_t rank = first; rank < drawing->ranks; rank += step) add(drawing, rank, what, false);
}

static void add_compute(Drawing *drawing) {
    char what[80];
    snprintf(what, sizeof what, "compute,,,,%d ns", below(drawing, 3) * below(drawing, 90000));
    add(drawing, below(drawing, drawing->ranks), what, true);
}

static bool has_room(const Drawing *drawing) {
    for (int32_t r = 0; r < drawing->ranks; r++)
        if (drawing->n[r] + 2 > EACH_MAX) return false;
    return true;
}

void drawn_operations(uint64_t seed, int32_t ranks, bool resources, bool mixed, char *text) {
    static Drawing drawing;
    drawing = (Drawing){.seed = seed, .ranks = ranks, .resources = resources};
    while (has_room(&drawing)) {
        const int32_t what = below(&drawing, 8);
        if (what < 4)
            add_compute(&drawing);
        else if (what < 7)
            add_message(&drawing);
        else
            add_collective(&drawing);
    }
    size_t used =
        (size_t)snprintf(text, DRAWN_BYTES, "rank,id,what,with,tag,bytes,time,resource,after\n");
    int32_t next[DRAWN_RANKS] = {0}, left = 0;
    for (int32_t r = 0; r < ranks; r++) left += drawing.n[r];
    for (int32_t rank = 0; left > 0; left--) {
        if (mixed) rank = below(&drawing, ranks);
        while (next[rank] == drawing.n[rank]) rank = (rank + 1) % ranks;
        const char *row = drawing.row[rank][next[rank]++];
        used += (size_t)snprintf(text + used, DRAWN_BYTES - used, "%s", row);
    }
}
