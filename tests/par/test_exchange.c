// Laws: each record put is delivered once, to the rank named, in sender order then put order,
// unchanged; the header reaches all; messages per round are n - 1, plus one for each bundle above
// the eager capacity.
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "par/exchange.h"
#include "par_assert.h"

enum { MOST_BYTES = 300000 };

/// What rank `from` puts to rank `to` in a round, as a function both sides can compute.
static int records_of(int round, int from, int to) {
    return (int)rng_below(1, RNG_TEST, (uint64_t)round, (uint64_t)(from * 100 + to), 4);
}

/// Mostly short; sometimes around and far beyond the eager capacity; round 0 is empty.
static size_t length_of(int round, int from, int to, int record) {
    uint64_t draw = (uint64_t)((from * 100 + to) * 10 + record);
    int64_t kind = rng_below(2, RNG_TEST, (uint64_t)round, draw, 12);
    int64_t most = kind == 0 ? MOST_BYTES : kind < 3 ? 2 * EXCHANGE_EAGER_BYTES : 100;
    return round == 0 ? 0 : (size_t)rng_below(3, RNG_TEST, (uint64_t)round, draw, most);
}

static char letter_of(int round, int from, int to, int record) {
    return (char)(round * 31 + from * 17 + to * 5 + record);
}

static void put_round(Exchange *exchange, const Comm *comm, int round, char *scratch) {
    int rank = comm_rank(comm);
    // Puts to different ranks in between must not disturb the order towards one rank.
    for (int record = 0; record < 4; record++)
        for (int to = 0; to < comm_nranks(comm); to++) {
            if (record >= records_of(round, rank, to)) continue;
            size_t n = length_of(round, rank, to, record);
            memset(scratch, letter_of(round, rank, to, record), n);
            exchange_put(exchange, to, scratch, n);
        }
    exchange_set_header(exchange, (int64_t[4]){round, rank, -rank, INT64_MAX - rank});
}

static bool received_as_expected(Exchange *exchange, const Comm *comm, int round) {
    bool good = true;
    int rank = comm_rank(comm), from_rank;
    const void *bytes;
    size_t n;
    for (int from = 0; from < comm_nranks(comm); from++) {
        const int64_t *header = exchange_header(exchange, from);
        good = good && header[0] == round && header[1] == from && header[3] == INT64_MAX - from;
        for (int record = 0; record < records_of(round, from, rank); record++) {
            good = good && exchange_next(exchange, &from_rank, &bytes, &n) && from_rank == from;
            good = good && n == length_of(round, from, rank, record) && (uintptr_t)bytes % 8 == 0;
            for (size_t i = 0; good && i < n; i++)
                good = ((const char *)bytes)[i] == letter_of(round, from, rank, record);
        }
    }
    return good && !exchange_next(exchange, &from_rank, &bytes, &n);
}

static void exchange_delivers_everything_once_in_order(void **state) {
    const Comm *comm = *state;
    Exchange *exchange = exchange_create(comm);
    char *scratch = memory_alloc("test", MOST_BYTES);
    for (int round = 0; round < 60; round++) {
        put_round(exchange, comm, round, scratch);
        exchange_run(exchange);
        assert_all_ranks(comm, received_as_expected(exchange, comm, round));
        assert_all_ranks(comm, exchange_header_min(exchange, 2) == 1 - comm_nranks(comm));
    }
    memory_free("test", scratch, MOST_BYTES);
    exchange_destroy(exchange);
}

static void exchange_sends_one_message_per_neighbour(void **state) {
    const Comm *comm = *state;
    Exchange *exchange = exchange_create(comm);
    int64_t neighbours = comm_nranks(comm) - 1;
    // A record is its bytes and an 8-byte length: the first fits exactly, the second is one word
    // too long.
    char *block = memory_alloc("test", EXCHANGE_EAGER_BYTES);
    exchange_run(exchange);
    assert_all_ranks(comm, exchange_stats(exchange).messages == neighbours);
    exchange_put_all(exchange, block, EXCHANGE_EAGER_BYTES - 8);
    exchange_run(exchange);
    assert_all_ranks(comm, exchange_stats(exchange).messages == 2 * neighbours);
    exchange_put_all(exchange, block, EXCHANGE_EAGER_BYTES);
    exchange_run(exchange);
    assert_all_ranks(comm, exchange_stats(exchange).messages == 4 * neighbours);
    assert_all_ranks(comm, exchange_stats(exchange).rounds == 3);
    memory_free("test", block, EXCHANGE_EAGER_BYTES);
    exchange_destroy(exchange);
}

// Two exchanges on one communicator, used in different proportions, must not take each other's
// messages.
static void exchanges_do_not_mix(void **state) {
    const Comm *comm = *state;
    Exchange *often = exchange_create(comm), *seldom = exchange_create(comm);
    bool good = true;
    for (int64_t round = 0; round < 50; round++) {
        exchange_set_header(often, (int64_t[4]){round});
        exchange_run(often);
        good = good && exchange_header_min(often, 0) == round;
        if (round % 7) continue;
        exchange_set_header(seldom, (int64_t[4]){-round});
        exchange_run(seldom);
        good = good && exchange_header_min(seldom, 0) == -round;
    }
    assert_all_ranks(comm, good);
    exchange_destroy(often);
    exchange_destroy(seldom);
}

// A rank that is late in every round: the others' next messages must wait for their turn.
static void exchange_survives_ranks_out_of_step(void **state) {
    const Comm *comm = *state;
    Exchange *exchange = exchange_create(comm);
    bool good = true;
    for (int64_t round = 0; round < 200; round++) {
        volatile double spin = 0;
        if (round % comm_nranks(comm) == comm_rank(comm))
            for (int i = 0; i < 20000; i++) spin = spin + i;
        exchange_put_all(exchange, &round, sizeof round);
        exchange_run(exchange);
        int from, n_records = 0;
        const void *bytes;
        size_t n;
        while (exchange_next(exchange, &from, &bytes, &n)) {
            good = good && n == sizeof round && memcmp(bytes, &round, n) == 0;
            n_records++;
        }
        good = good && n_records == comm_nranks(comm);
    }
    assert_all_ranks(comm, good);
    exchange_destroy(exchange);
}

// Answers put while reading arrive in the next round, and reading is not disturbed by them.
static void exchange_takes_puts_while_reading(void **state) {
    const Comm *comm = *state;
    Exchange *exchange = exchange_create(comm);
    int64_t token = comm_rank(comm);
    exchange_put_all(exchange, &token, sizeof token);
    bool good = true;
    for (int round = 1; round < 20; round++) {
        exchange_run(exchange);
        int from, expected = 0;
        const void *bytes;
        size_t n;
        while (exchange_next(exchange, &from, &bytes, &n)) {
            int64_t value;
            memcpy(&value, bytes, sizeof value);
            // Odd rounds bring the sender's own number, even rounds ours, sent back to us.
            good = good && from == expected++ && value == (round % 2 ? from : comm_rank(comm));
            int64_t answer = round % 2 ? value : comm_rank(comm);
            exchange_put(exchange, from, &answer, sizeof answer);
        }
        good = good && expected == comm_nranks(comm);
    }
    assert_all_ranks(comm, good);
    exchange_destroy(exchange);
}

// Law: a bundle is of any size, whatever one MPI message may hold; each rank sends each another amount.
static void exchange_delivers_bundles_larger_than_a_message(void **state) {
    const Comm *comm = *state;
    Exchange *exchange = exchange_create(comm);
    const int64_t words = COMM_PIECE_BYTES / 8 + 1000;
    int64_t *record = memory_alloc("test", (size_t)words * sizeof *record);
    for (int64_t i = 0; i < words; i++) record[i] = i * 3 + comm_rank(comm);
    for (int to = 0; to < comm_nranks(comm); to++)
        for (int k = 0; k < (to + comm_rank(comm)) % 3; k++)
            exchange_put(exchange, to, record, (size_t)words * sizeof *record);
    exchange_run(exchange);
    int from, got = 0, expected = 0;
    const void *bytes;
    size_t n;
    bool good = true;
    while (exchange_next(exchange, &from, &bytes, &n)) {
        const int64_t *word = bytes;
        got++;
        good = good && n == (size_t)words * sizeof *record;
        for (int64_t i = 0; good && i < words; i++) good = word[i] == i * 3 + from;
    }
    for (int r = 0; r < comm_nranks(comm); r++) expected += (r + comm_rank(comm)) % 3;
    assert_all_ranks(comm, good && got == expected);
    memory_free("test", record, (size_t)words * sizeof *record);
    exchange_destroy(exchange);
}

int main(int argc, char **argv) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(exchange_delivers_everything_once_in_order, comm),
        cmocka_unit_test_prestate(exchange_sends_one_message_per_neighbour, comm),
        cmocka_unit_test_prestate(exchanges_do_not_mix, comm),
        cmocka_unit_test_prestate(exchange_survives_ranks_out_of_step, comm),
        cmocka_unit_test_prestate(exchange_delivers_bundles_larger_than_a_message, comm),
        cmocka_unit_test_prestate(exchange_takes_puts_while_reading, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("exchange", tests, NULL, NULL));
}
