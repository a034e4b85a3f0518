#include "base/table.h"

#include <stddef.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"

enum { TABLE_FIRST_CAPACITY = 16 };
#define TABLE_EMPTY INT64_MIN

static const char *const table_label = "table";

static int64_t home_of(const Table *table, int64_t key) {
    return (int64_t)(rng_mix((uint64_t)key, 0) & (uint64_t)(table->capacity - 1));
}

static int64_t next_slot(const Table *table, int64_t slot) {
    return (slot + 1) & (table->capacity - 1);
}

/// The slot that holds `key`, or the empty one where it would go.
static int64_t slot_of(const Table *table, int64_t key) {
    int64_t slot = home_of(table, key);
    while (table->at[slot].key != key && table->at[slot].key != TABLE_EMPTY)
        slot = next_slot(table, slot);
    return slot;
}

static void grow(Table *table) {
    Table old = *table;
    table->capacity = old.capacity ? 2 * old.capacity : TABLE_FIRST_CAPACITY;
    table->at = memory_alloc(table_label, (size_t)table->capacity * sizeof *table->at);
    table_clear(table);
    for (int64_t i = 0; i < old.capacity; i++)
        if (old.at[i].key != TABLE_EMPTY) table_insert(table, old.at[i].key, old.at[i].value);
    table_free(&old);
}

bool table_insert(Table *table, int64_t key, int64_t value) {
    CHECK(key != TABLE_EMPTY, "INT64_MIN is not a key");
    if (2 * (table->n + 1) > table->capacity) grow(table);
    TableSlot *slot = &table->at[slot_of(table, key)];
    bool is_new = slot->key == TABLE_EMPTY;
    *slot = (TableSlot){.key = key, .value = value};
    table->n += is_new;
    return is_new;
}

int64_t *table_find(const Table *table, int64_t key) {
    if (table->n == 0) return NULL;
    TableSlot *slot = &table->at[slot_of(table, key)];
    return slot->key == TABLE_EMPTY ? NULL : &slot->value;
}

/// May the key at `slot`, at home in `home`, move to `hole` before it? Only if its probe sequence
/// passes the hole: home is not cyclically within (hole, slot].
static bool may_move(int64_t hole, int64_t home, int64_t slot) {
    return hole <= slot ? home <= hole || home > slot : home <= hole && home > slot;
}

bool table_remove(Table *table, int64_t key) {
    if (!table_find(table, key)) return false;
    int64_t hole = slot_of(table, key);
    for (int64_t slot = next_slot(table, hole); table->at[slot].key != TABLE_EMPTY;
         slot = next_slot(table, slot)) {
        if (!may_move(hole, home_of(table, table->at[slot].key), slot)) continue;
        table->at[hole] = table->at[slot];
        hole = slot;
    }
    table->at[hole].key = TABLE_EMPTY;
    table->n--;
    return true;
}

void table_clear(Table *table) {
    for (int64_t i = 0; i < table->capacity; i++) table->at[i].key = TABLE_EMPTY;
    table->n = 0;
}

void table_free(Table *table) {
    memory_free(table_label, table->at, (size_t)table->capacity * sizeof *table->at);
    *table = (Table){0};
}
