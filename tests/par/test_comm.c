#include <string.h>

#include "base/memory.h"
#include "par_assert.h"

static void comm_reductions_are_those_of_the_closed_form(void **state) {
    const Comm *comm = *state;
    int64_t rank = comm_rank(comm), n = comm_nranks(comm);
    int64_t least[2] = {rank, -rank}, most[2] = {rank, -rank}, sum[2] = {rank, 1};
    comm_min_i64(comm, least, 2);
    comm_max_i64(comm, most, 2);
    comm_sum_i64(comm, sum, 2);
    assert_all_ranks(comm, least[0] == 0 && least[1] == 1 - n);
    assert_all_ranks(comm, most[0] == n - 1 && most[1] == 0);
    assert_all_ranks(comm, sum[0] == n * (n - 1) / 2 && sum[1] == n);
}

// Sums of fingerprints wrap around modulo 2^64.
static void comm_sum_u64_wraps_around(void **state) {
    const Comm *comm = *state;
    uint64_t sum = UINT64_MAX;
    comm_sum_u64(comm, &sum, 1);
    assert_all_ranks(comm, sum == (uint64_t)0 - (uint64_t)comm_nranks(comm));
}

static void comm_broadcast_copies_from_any_root(void **state) {
    const Comm *comm = *state;
    for (int root = 0; root < comm_nranks(comm); root++) {
        int64_t value = 100 + comm_rank(comm);
        comm_broadcast(comm, &value, sizeof value, root);
        assert_all_ranks(comm, value == 100 + root);
    }
}

/// Rank r contributes r bytes of the letter 'a' + r: rank 0 contributes nothing.
static bool is_staircase(const Gathered *all, int nranks) {
    bool good = all->nranks == nranks;
    for (int r = 0; good && r < nranks; r++) {
        good = all->first[r + 1] - all->first[r] == r;
        for (int64_t i = all->first[r]; good && i < all->first[r + 1]; i++)
            good = all->bytes[i] == 'a' + r;
    }
    return good;
}

static void comm_gathers_blocks_of_different_length_in_rank_order(void **state) {
    const Comm *comm = *state;
    char block[16];
    memset(block, 'a' + comm_rank(comm), sizeof block);
    Gathered everywhere = comm_allgather(comm, block, comm_rank(comm));
    assert_all_ranks(comm, is_staircase(&everywhere, comm_nranks(comm)));
    gathered_free(&everywhere);
    Gathered at_zero = comm_gather(comm, block, comm_rank(comm));
    bool good =
        comm_rank(comm) == 0 ? is_staircase(&at_zero, comm_nranks(comm)) : at_zero.nranks == 0;
    assert_all_ranks(comm, good);
    gathered_free(&at_zero);
}

/// Rank r's block: r bytes short of two and a half pieces, none on rank 0; byte i is a hash of both.
static char letter(int rank, int64_t i) { return (char)((i * 2654435761 >> 13) + rank); }

static bool is_large(const Gathered *all, int nranks) {
    bool good = all->nranks == nranks;
    for (int r = 0; good && r < nranks; r++)
        for (int64_t i = all->first[r]; good && i < all->first[r + 1]; i++)
            good = all->bytes[i] == letter(r, i - all->first[r]);
    return good;
}

// Law: blocks are of any size, whatever one MPI message may hold.
static void comm_moves_blocks_larger_than_a_message(void **state) {
    const Comm *comm = *state;
    const int rank = comm_rank(comm), nranks = comm_nranks(comm);
    const int64_t most = COMM_PIECE_BYTES / 2 * 5, n = rank == 0 && nranks > 1 ? 0 : most - rank;
    char *block = memory_alloc("test", (size_t)most);
    for (int64_t i = 0; i < n; i++) block[i] = letter(rank, i);
    Gathered all = comm_allgather(comm, block, n);
    assert_all_ranks(comm, is_large(&all, nranks));
    gathered_free(&all);
    all = comm_gather(comm, block, n);
    assert_all_ranks(comm, rank == 0 ? is_large(&all, nranks) : all.nranks == 0);
    gathered_free(&all);
    const int last = nranks - 1;
    comm_broadcast(comm, block, most - last, last);
    bool good = true;
    for (int64_t i = 0; i < most - last; i++) good = good && block[i] == letter(last, i);
    assert_all_ranks(comm, good);
    memory_free("test", block, (size_t)most);
}

static void comm_agree_gives_the_lowest_failing_rank(void **state) {
    const Comm *comm = *state;
    Status fine = comm_agree(comm, status_ok());
    assert_all_ranks(comm, status_is_ok(&fine));
    for (int first = 0; first < comm_nranks(comm); first++) {
        Status mine = status_ok();
        if (comm_rank(comm) >= first) mine = status_make(STATUS_INPUT, "rank %d", comm_rank(comm));
        char expected[32];
        snprintf(expected, sizeof expected, "rank %d", first);
        Status agreed = comm_agree(comm, mine);
        assert_all_ranks(comm, agreed.code == STATUS_INPUT && strcmp(agreed.text, expected) == 0);
    }
}

static void comm_check_same_accepts_equal_values(void **state) {
    const Comm *comm = *state;
    const int64_t values[] = {0, -1, 7, INT64_MIN, INT64_MAX};
    for (int i = 0; i < 5; i++) comm_check_same(comm, values[i], "value");
    assert_all_ranks(comm, true);
}

// A gather on every rank is two MPI calls, lengths and bytes; a communicator of one rank calls no MPI at all.
static void comm_counts_agreements_and_their_bytes(void **state) {
    const Comm *comm = *state;
    bool alone = comm_nranks(comm) == 1;
    CommStats before = comm_stats(comm);
    int64_t values[3] = {0};
    comm_min_i64(comm, values, 3);
    Gathered all = comm_allgather(comm, "abcde", 5);
    comm_barrier(comm);
    CommStats after = comm_stats(comm);
    gathered_free(&all);
    assert_all_ranks(comm, after.agreements - before.agreements == (alone ? 0 : 4));
    int64_t bytes = (int64_t)(4 * sizeof(int64_t)) + 5;
    assert_all_ranks(comm, after.bytes - before.bytes == (alone ? 0 : bytes));
    assert_all_ranks(comm, alone ? after.wait_ns == 0 : after.wait_ns > before.wait_ns);
}

int main(int argc, char **argv) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(comm_reductions_are_those_of_the_closed_form, comm),
        cmocka_unit_test_prestate(comm_sum_u64_wraps_around, comm),
        cmocka_unit_test_prestate(comm_broadcast_copies_from_any_root, comm),
        cmocka_unit_test_prestate(comm_gathers_blocks_of_different_length_in_rank_order, comm),
        cmocka_unit_test_prestate(comm_moves_blocks_larger_than_a_message, comm),
        cmocka_unit_test_prestate(comm_agree_gives_the_lowest_failing_rank, comm),
        cmocka_unit_test_prestate(comm_check_same_accepts_equal_values, comm),
        cmocka_unit_test_prestate(comm_counts_agreements_and_their_bytes, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("comm", tests, NULL, NULL));
}
