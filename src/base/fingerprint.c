#include "base/fingerprint.h"

#include <xxhash.h>

uint64_t fingerprint_bytes(const void *bytes, size_t n) { return XXH3_64bits(bytes, n); }

uint64_t fingerprint_of(int64_t id, int64_t start_ps, int64_t end_ps) {
    int64_t words[] = {id, start_ps, end_ps};
    return fingerprint_bytes(words, sizeof words);
}
