/// table.h: an open-addressing hash table from int64 keys to int64 values.
///
/// Idea.    Linear probing at a load of at most 1/2, removal by shifting back (no tombstones). The
///          place of a key depends on the key alone, never on addresses.
/// Limits.  No iteration, on purpose: slot order depends on history, and results must not. Keep an
///          array beside it where order matters. INT64_MIN is not a key.
/// Source.  Knuth, The Art of Computer Programming vol. 3, 6.4, algorithm R (removal).
#ifndef COLOSSIM_BASE_TABLE_H
#define COLOSSIM_BASE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct TableSlot {
    int64_t key, value;
} TableSlot;

/// Zero-initialise to use: Table table = {0}.
typedef struct Table {
    TableSlot *at;
    int64_t n, capacity; ///< capacity is 0 or a power of two
} Table;

/// Set the value of a key; returns true if the key is new.
bool table_insert(Table *table, int64_t key, int64_t value);

/// Where the value of a key is kept, or NULL; valid until the next insert or remove.
int64_t *table_find(const Table *table, int64_t key);

/// Remove a key; returns false if it was not there.
bool table_remove(Table *table, int64_t key);

/// Forget all keys, keep the storage.
void table_clear(Table *table);
void table_free(Table *table);

#endif
