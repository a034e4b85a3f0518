// Law: levels are the only ones that satisfy the definition of maxmin.h, whatever the order of
// transfers and links; in large units they are the max-min fair rates of the rationals.
#include "engine/flow/maxmin.h"

#include <stdbool.h>
#include <string.h>

#include "base/wide.h"
#include "claims.h"
#include "draws.h"
#include "engine/violation.h"

enum { LINKS_MAX = 12, TRANSFERS_MAX = 24, USES_MAX = LINKS_MAX * TRANSFERS_MAX, NSYSTEMS = 10000 };

/// A system with its storage. `weight[f][l]` is 0 where f does not use l.
typedef struct Random {
    MaxminSystem system;
    int64_t capacity[LINKS_MAX], use_first[TRANSFERS_MAX + 1], cap[TRANSFERS_MAX];
    int32_t use_link[USES_MAX], use_a[USES_MAX];
    int32_t a[TRANSFERS_MAX][LINKS_MAX];
    uint64_t entity, draw;
} Random;

static int64_t pick(Random *r, int64_t n) {
    return rng_below(11, RNG_TEST, r->entity, r->draw++, n);
}

static void compress(Random *r) {
    int64_t n = 0;
    for (int64_t f = 0; f < r->system.ntransfers; f++) {
        r->use_first[f] = n;
        for (int32_t l = 0; l < r->system.nlinks; l++)
            if (r->a[f][l] > 0) {
                r->use_link[n] = l;
                r->use_a[n++] = r->a[f][l];
            }
    }
    r->use_first[r->system.ntransfers] = n;
}

static void point(Random *r) {
    r->system.capacity = r->capacity;
    r->system.use_first = r->use_first;
    r->system.use_link = r->use_link;
    r->system.use_a = r->use_a;
    r->system.cap = r->cap;
}

static void draw_system(Random *r, uint64_t entity, int64_t capacity_max, int32_t links_max,
                        int32_t a_max, bool caps) {
    memset(r, 0, sizeof *r);
    r->entity = entity;
    r->system.nlinks = 1 + pick(r, links_max);
    r->system.ntransfers = 1 + pick(r, TRANSFERS_MAX);
    for (int64_t l = 0; l < r->system.nlinks; l++) r->capacity[l] = pick(r, capacity_max);
    int64_t density = 1 + pick(r, 4);
    for (int64_t f = 0; f < r->system.ntransfers; f++) {
        int32_t streams = 1 + (int32_t)pick(r, 3);
        r->cap[f] = caps && pick(r, 2) ? pick(r, capacity_max) : INT64_MAX;
        for (int64_t l = 0; l < r->system.nlinks; l++)
            if (pick(r, 4) < density) r->a[f][l] = streams * (1 + (int32_t)pick(r, a_max));
    }
    compress(r);
    point(r);
}

/// Play the definition level by level: at level s a link binds if what users below s leave is less
/// than s + 1 for each unit of weight at or above s, and its users that are still free then have
/// level s.
static void solve_by_definition(const Random *r, int64_t level[]) {
    const int64_t n = r->system.ntransfers;
    int64_t nfree = 0, most = 0;
    for (int64_t f = 0; f < n; f++) {
        level[f] = r->use_first[f] == r->use_first[f + 1] ? r->cap[f] : -1;
        nfree += level[f] < 0;
    }
    for (int64_t l = 0; l < r->system.nlinks; l++)
        most = r->capacity[l] > most ? r->capacity[l] : most;
    for (int64_t s = 0; nfree > 0 && s <= most; s++) {
        bool freeze[TRANSFERS_MAX] = {false};
        for (int64_t l = 0; l < r->system.nlinks; l++) {
            Wide left = r->capacity[l], from = 0;
            for (int64_t f = 0; f < n; f++) {
                Wide weight = (Wide)r->a[f][l];
                if (level[f] >= 0 && level[f] < s)
                    left -= weight * level[f];
                else
                    from += weight;
            }
            for (int64_t f = 0; f < n && left < (s + 1) * from; f++) freeze[f] |= r->a[f][l] > 0;
        }
        for (int64_t f = 0; f < n; f++)
            if (level[f] < 0 && (freeze[f] || r->cap[f] == s)) {
                level[f] = s;
                nfree--;
            }
    }
}

static void solve(const Random *r, int64_t level[]) {
    MaxminSolution solution = {0};
    maxmin_solve(&r->system, &solution);
    memcpy(level, solution.level.at, sizeof *level * (size_t)r->system.ntransfers);
    maxmin_free(&solution);
}

static void levels_are_those_of_the_definition(void **state) {
    (void)state;
    Random r;
    for (uint64_t i = 0; i < NSYSTEMS; i++) {
        draw_system(&r, i, 2 + (int64_t)(i % 5) * 40, LINKS_MAX, 4, true);
        int64_t level[TRANSFERS_MAX], wanted[TRANSFERS_MAX];
        solve(&r, level);
        solve_by_definition(&r, wanted);
        for (int64_t f = 0; f < r.system.ntransfers; f++) assert_int_equal(level[f], wanted[f]);
        assert_int_equal(maxmin_violation(&r.system, level), -1);
    }
}

// Water filling in fractions: rate of every transfer num / den, exact in 128 bits for the sizes
// drawn here.
typedef struct Fraction {
    Wide num, den;
} Fraction;

static Wide gcd(Wide a, Wide b) {
    while (b != 0) {
        Wide rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

static Fraction reduced(Wide num, Wide den) {
    Wide g = gcd(num, den);
    return g == 0 ? (Fraction){0, 1} : (Fraction){num / g, den / g};
}

static void solve_in_fractions(const Random *r, Fraction rate[]) {
    bool frozen[TRANSFERS_MAX] = {false};
    for (int64_t round = 0; round < r->system.nlinks; round++) {
        Fraction least = {1, 0}; // infinite
        int64_t binding = -1;
        for (int64_t l = 0; l < r->system.nlinks; l++) {
            Fraction left = {r->capacity[l], 1};
            Wide weight = 0;
            for (int64_t f = 0; f < r->system.ntransfers; f++) {
                Wide w = (Wide)r->a[f][l];
                if (frozen[f])
                    left = reduced(left.num * rate[f].den - w * rate[f].num * left.den,
                                   left.den * rate[f].den);
                else
                    weight += w;
            }
            if (weight == 0) continue;
            Fraction share = reduced(left.num, left.den * weight);
            if (share.num * least.den < least.num * share.den) {
                least = share;
                binding = l;
            }
        }
        for (int64_t f = 0; binding >= 0 && f < r->system.ntransfers; f++)
            if (!frozen[f] && r->a[f][binding] > 0) {
                frozen[f] = true;
                rate[f] = least;
            }
    }
}

static void levels_are_the_fair_rates_of_the_rationals(void **state) {
    (void)state;
    Random r;
    for (uint64_t i = 0; i < NSYSTEMS; i++) {
        draw_system(&r, NSYSTEMS + i, INT64_C(1) << 36, 4, 2, false);
        int64_t level[TRANSFERS_MAX];
        Fraction rate[TRANSFERS_MAX] = {{0, 0}};
        solve(&r, level);
        solve_in_fractions(&r, rate);
        for (int64_t f = 0; f < r.system.ntransfers; f++) {
            if (rate[f].den == 0) continue; // no links
            // A link's remainder is below its weight (at most 144) and is passed on at most 3
            // times.
            Wide error = level[f] * rate[f].den - rate[f].num;
            assert_true((error < 0 ? -error : error) < 2000 * rate[f].den);
        }
    }
}

static void shuffle(Random *r, int64_t n, int64_t to[]) {
    for (int64_t i = 0; i < n; i++) to[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = pick(r, i + 1), swap = to[i];
        to[i] = to[j];
        to[j] = swap;
    }
}

static void levels_do_not_depend_on_order(void **state) {
    (void)state;
    Random r, other;
    for (uint64_t i = 0; i < NSYSTEMS / 4; i++) {
        draw_system(&r, 3 * NSYSTEMS + i, INT64_C(1) << 40, LINKS_MAX, 5, true);
        int64_t level[TRANSFERS_MAX], shuffled[TRANSFERS_MAX], transfer_to[TRANSFERS_MAX],
            link_to[LINKS_MAX];
        shuffle(&r, r.system.ntransfers, transfer_to);
        shuffle(&r, r.system.nlinks, link_to);
        other = r;
        point(&other);
        for (int64_t l = 0; l < r.system.nlinks; l++) other.capacity[link_to[l]] = r.capacity[l];
        for (int64_t f = 0; f < r.system.ntransfers; f++) {
            other.cap[transfer_to[f]] = r.cap[f];
            for (int64_t l = 0; l < r.system.nlinks; l++)
                other.a[transfer_to[f]][link_to[l]] = r.a[f][l];
        }
        compress(&other);
        solve(&r, level);
        solve(&other, shuffled);
        for (int64_t f = 0; f < r.system.ntransfers; f++)
            assert_int_equal(level[f], shuffled[transfer_to[f]]);
    }
}

static void a_level_moved_by_one_violates_the_definition(void **state) {
    (void)state;
    Random r;
    for (uint64_t i = 0; i < NSYSTEMS / 4; i++) {
        draw_system(&r, 4 * NSYSTEMS + i, 100000, LINKS_MAX, 4, true);
        int64_t level[TRANSFERS_MAX];
        solve(&r, level);
        int64_t f = pick(&r, r.system.ntransfers), move = pick(&r, 2) || level[f] == 0 ? 1 : -1;
        if (level[f] == INT64_MAX) continue;
        level[f] += move;
        assert_int_not_equal(maxmin_violation(&r.system, level), -1);
    }
}

static void bottleneck_is_the_least_link_at_the_level(void **state) {
    (void)state;
    Random r;
    MaxminSolution solution = {0};
    for (uint64_t i = 0; i < NSYSTEMS / 4; i++) {
        draw_system(&r, 5 * NSYSTEMS + i, 300, LINKS_MAX, 3, true);
        maxmin_solve(&r.system, &solution);
        const int64_t *level = solution.level.at, *bottleneck = solution.bottleneck.at;
        for (int64_t f = 0; f < r.system.ntransfers; f++) {
            int64_t wanted = -1;
            for (int64_t u = r.use_first[f];
                 u < r.use_first[f + 1] && wanted < 0 && level[f] < r.cap[f]; u++)
                if (solution.link_level.at[r.use_link[u]] == level[f]) wanted = u;
            assert_int_equal(bottleneck[f], wanted);
            assert_true(bottleneck[f] >= 0 || level[f] == r.cap[f]);
        }
    }
    maxmin_free(&solution);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_those_of_the_definition),
        cmocka_unit_test(levels_are_the_fair_rates_of_the_rationals),
        cmocka_unit_test(levels_do_not_depend_on_order),
        cmocka_unit_test(a_level_moved_by_one_violates_the_definition),
        cmocka_unit_test(bottleneck_is_the_least_link_at_the_level),
    };
    return cmocka_run_group_tests_name("maxmin", tests, NULL, NULL);
}
