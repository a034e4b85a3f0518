// What an island is at a moment: what changes is kept, so that it can return; what bears on what; what comes next.
#include <string.h>

#include "base/units.h"
#include "player/island.h"

static char *base_of(const Island *island, UndoPart part) {
    switch (part) {
        case UNDO_UNITS: return (char *)island->unit;
        case UNDO_STATE: return (char *)island->state;
        case UNDO_BOUND: return (char *)island->bound.at;
        case UNDO_DONE: return (char *)island->done.at.at;
        case UNDO_POOL: break;
    }
    return NULL;
}

static void put_undo(Islands *islands, UndoPart part, size_t offset, const void *old,
                     size_t bytes) {
    UndoEntry entry = {.part = part, .bytes = (int32_t)bytes, .offset = (int64_t)offset};
    array_reserve(&islands->undo, islands->undo.n + (int64_t)(bytes + sizeof entry));
    char *to = islands->undo.at + islands->undo.n;
    memcpy(to, old, bytes);
    memcpy(to + bytes, &entry, sizeof entry);
    islands->undo.n += (int64_t)(bytes + sizeof entry);
}

void island_touch(Islands *islands, Island *island, UndoPart part, size_t offset, size_t bytes) {
    if (bytes == 0) return;
    put_undo(islands, part, offset, base_of(island, part) + offset, bytes);
}

void island_keep(Islands *islands, Island *island) {
    island->window = islands->windows;
    island->undo_first = islands->undo.n;
    island->kept_messages = 0;
    island->kept_units = 0;
    island->kept_bound = false;
    island_touch(islands, island, UNDO_STATE, 0, offsetof(IslandState, message));
    size_t times = (size_t)((char *)island->time_ps - (char *)island->state);
    island_touch(islands, island, UNDO_STATE, times, islands->state_bytes - times);
    int64_t pool[2] = {island->done.at.n, island->done.free};
    put_undo(islands, UNDO_POOL, 0, pool, sizeof pool);
}

void islands_mark_bound(Islands *islands, const Island *island, bool bound) {
    for (int32_t i = 0; i < island->state->nbound; i++) {
        int32_t slot = island->slot[island->bound.at[i].lane];
        islands->slot_lane.at[slot].bound = bound ? (uint16_t)(i + 1) : 0;
        if (bound)
            islands->slot_notes.at[slot] |= SLOT_BOUND;
        else
            islands->slot_notes.at[slot] &= (uint8_t)~SLOT_BOUND;
    }
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// Of n times, 3 for each stage: three chains of comparisons do not wait for each other.
static int64_t least_of(const int64_t time_ps[], int32_t n) {
    int64_t a = TIME_NEVER_PS, b = TIME_NEVER_PS, c = TIME_NEVER_PS;
    for (int32_t i = 0; i < n; i += 3) {
        a = smaller(a, time_ps[i]);
        b = smaller(b, time_ps[i + 1]);
        c = smaller(c, time_ps[i + 2]);
    }
    return smaller(a, smaller(b, c));
}

void island_find_next(Islands *islands, Island *island) {
    const int64_t *time_ps = island->time_ps;
    int32_t n = islands->stages + islands->channels;
    int64_t least = least_of(time_ps, n);
    int32_t event = -1, several = 0;
    for (int32_t i = 0; i < n; i++) {
        bool next = time_ps[i] == least;
        several += next;
        event = next ? i : event;
    }
    int64_t index = island_index(islands, island);
    island->next_event = several == 1 ? event : -1;
    islands->next_ps[index] = least;
    islands->steps[index] = island->state->count.steps;
}

void island_return(Islands *islands, Island *island) {
    islands_mark_bound(islands, island, false);
    for (int64_t end = island->undo_end; end > island->undo_first;) {
        UndoEntry entry;
        memcpy(&entry, islands->undo.at + end - sizeof entry, sizeof entry);
        end -= (int64_t)(sizeof entry) + entry.bytes;
        const char *old = islands->undo.at + end;
        if (entry.part == UNDO_POOL) {
            int64_t pool[2];
            memcpy(pool, old, sizeof pool);
            island->done.at.n = pool[0];
            island->done.free = (int32_t)pool[1];
        } else {
            memcpy(base_of(island, entry.part) + entry.offset, old, (size_t)entry.bytes);
        }
    }
    islands_mark_bound(islands, island, true);
    island->round++;
    island->changed = 0;
    island_find_next(islands, island);
}

uint64_t island_reach(const Island *island, uint64_t channels) {
    uint64_t present = island->state->present, seen = 0, all = channels;
    for (uint64_t left; (left = all & ~seen) != 0;) {
        int32_t c = __builtin_ctzll(left);
        seen |= UINT64_C(1) << c;
        all |= island->shape->channel[c].neighbours & present;
    }
    return all;
}
