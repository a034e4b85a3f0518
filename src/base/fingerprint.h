/// fingerprint.h: order-independent 64-bit checksums of what happened when.
///
/// Idea.    Each (id, start, end) is hashed with XXH3 and the hashes are added modulo 2^64: the sum
///          does not depend on order or partition, and sums over ranks merge with MPI_SUM.
/// Source.  xxHash 0.8 (XXH3_64bits).
#ifndef COLOSSIM_BASE_FINGERPRINT_H
#define COLOSSIM_BASE_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/// Hash of one completion, to be added to a running sum with unsigned wrap-around.
uint64_t fingerprint_of(int64_t id, int64_t start_ps, int64_t end_ps);
/// Hash of a block of bytes (configuration texts, keys).
uint64_t fingerprint_bytes(const void *bytes, size_t n);

#endif
