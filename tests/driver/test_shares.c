// How rounds of a step are dealt over replicas of several kinds.
#include "claims.h"
#include "draws.h"
#include "driver/shares.h"

enum { KINDS = 4 };

static int64_t below(uint64_t entity, uint64_t draw, int64_t n) {
    return rng_below(1, RNG_TEST, entity, draw, n);
}

static int64_t sum_of(const ShareKind kind[], int32_t n) {
    int64_t sum = 0;
    for (int32_t k = 0; k < n; k++) sum += kind[k].rounds * kind[k].replicas + kind[k].more;
    return sum;
}

/// Of the replica that takes longest.
static int64_t longest_ps(const ShareKind kind[], int32_t n) {
    int64_t longest = 0;
    for (int32_t k = 0; k < n; k++) {
        const int64_t step_ps =
            (kind[k].rounds + (kind[k].more > 0)) * kind[k].round_ps + kind[k].fixed_ps;
        if (kind[k].replicas > 0 && step_ps > longest) longest = step_ps;
    }
    return longest;
}

/// Kinds with up to `replicas` each (the first has some), and what is dealt.
static int64_t draw(uint64_t entity, int64_t replicas, ShareKind kind[KINDS], int32_t *n,
                    int64_t *least) {
    int64_t all = 0;
    *n = 1 + (int32_t)below(entity, 0, KINDS);
    *least = 1 + below(entity, 1, 3);
    for (int32_t k = 0; k < *n; k++) {
        const uint64_t own = 10 * (uint64_t)(k + 1);
        kind[k] = (ShareKind){.replicas = (k == 0) + below(entity, own, replicas),
                              .round_ps = 1 + below(entity, own + 1, 1000),
                              .fixed_ps = below(entity, own + 2, 3000)};
        all += kind[k].replicas;
    }
    return all * (*least + below(entity, 2, 12));
}

// Law: all rounds are dealt, and each replica has its least. The replica that takes longest takes no longer than with equal
// shares. Replicas of a kind differ by one at most, and where equal shares take no longer, they are kept.
static void the_longest_step_is_no_longer_than_with_equal_shares(void **state) {
    (void)state;
    for (uint64_t entity = 0; entity < 3000; entity++) {
        ShareKind kind[KINDS], equal[KINDS];
        int32_t n;
        int64_t least, all = 0;
        const int64_t rounds = draw(entity, 2000, kind, &n, &least);
        for (int32_t k = 0; k < n; k++) all += kind[k].replicas;
        shares_deal_rounds(kind, n, rounds, least);
        assert_int_equal(sum_of(kind, n), rounds);
        bool is_equal = true;
        for (int32_t k = 0; k < n; k++) {
            equal[k] = kind[k];
            equal[k].rounds = rounds / all;
            equal[k].more = 0;
            if (kind[k].replicas == 0) continue;
            assert_in_range(kind[k].rounds, least, rounds);
            assert_in_range(kind[k].more, 0, kind[k].replicas);
            is_equal = is_equal && kind[k].rounds == rounds / all && kind[k].more == 0;
        }
        assert_true(longest_ps(kind, n) <= longest_ps(equal, n));
        assert_true(is_equal == (longest_ps(kind, n) == longest_ps(equal, n)));
    }
}

/// The shortest that any deal of all rounds takes, by trying steps one after the other.
static int64_t shortest_ps(const ShareKind kind[], int32_t n, int64_t rounds, int64_t least) {
    for (int64_t step_ps = 0;; step_ps++) {
        int64_t room = 0;
        bool good = true;
        for (int32_t k = 0; k < n; k++) {
            if (kind[k].replicas == 0) continue;
            int64_t own = 0;
            while ((own + 1) * kind[k].round_ps + kind[k].fixed_ps <= step_ps) own++;
            good = good && own >= least;
            room += own * kind[k].replicas;
        }
        if (good && room >= rounds) return step_ps;
    }
}

// Law: no deal of whole rounds takes less.
static void no_deal_is_shorter(void **state) {
    (void)state;
    for (uint64_t entity = 10000; entity < 10300; entity++) {
        ShareKind kind[KINDS];
        int32_t n;
        int64_t least;
        const int64_t rounds = draw(entity, 6, kind, &n, &least);
        const int64_t expected = shortest_ps(kind, n, rounds, least);
        shares_deal_rounds(kind, n, rounds, least);
        assert_int_equal(sum_of(kind, n), rounds);
        assert_int_equal(longest_ps(kind, n), expected);
    }
}

// 3 replicas at 2 a round and 2 at 1 share 30 rounds: at 9 the slow ones have 4 each and the others room for 9, of which 18
// are left. Of 31 one of the others has one more, and the step takes 10.
static void a_deal_by_hand(void **state) {
    (void)state;
    ShareKind kind[2] = {{.replicas = 3, .round_ps = 2}, {.replicas = 2, .round_ps = 1}};
    shares_deal_rounds(kind, 2, 30, 1);
    assert_int_equal(kind[0].rounds, 4);
    assert_int_equal(kind[1].rounds, 9);
    assert_int_equal(kind[0].more + kind[1].more, 0);
    shares_deal_rounds(kind, 2, 31, 1);
    assert_int_equal(longest_ps(kind, 2), 10);
    assert_int_equal(sum_of(kind, 2), 31);
    // Huge counts and times do not wrap.
    ShareKind huge[2] = {{.replicas = INT64_C(10000000), .round_ps = INT64_C(4000000000000000)},
                         {.replicas = INT64_C(10000000), .round_ps = INT64_C(2000000000000000)}};
    shares_deal_rounds(huge, 2, INT64_C(30000000000000), 1);
    assert_int_equal(huge[0].rounds, 1000000);
    assert_int_equal(huge[1].rounds, 2000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_step_is_no_longer_than_with_equal_shares),
        cmocka_unit_test(no_deal_is_shorter),
        cmocka_unit_test(a_deal_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
