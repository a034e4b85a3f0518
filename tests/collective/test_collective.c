// Laws, for n members and B bytes, all-reduce with P = 2 passes and everything else with P = 1:
//   each member sends and receives P (n - 1) / n B, whatever the algorithm; where domains differ,
//   hierarchical asks more of some ports: then each receives that in a gather and sends it in a
//   reduce-scatter, and an all-reduce is both, edge by edge
//   trees send 2 (n - 1) B in all, and every port but that of a root 2 B / C at most
//   rounds: ring P (n - 1); halving/doubling P log2 n; direct P; hierarchical P (D - 1), after
//   P (p - 1) inside the domains
//   a member is never behind the algebra, and ahead by less than one weight per edge and phase
#include <string.h>

#include "claims.h"
#include "collective/collective.h"

enum { MEMBERS_MAX = 128 };

static const CollectiveKind kinds[] = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_REDUCE_SCATTER,
                                       COLLECTIVE_ALL_GATHER, COLLECTIVE_ALL_TO_ALL};

static int64_t passes_of(CollectiveKind kind) { return kind == COLLECTIVE_ALL_REDUCE ? 2 : 1; }

/// Domains of the latest plans, which borrow them.
enum { PLANS_KEPT = 8 };
static Domains kept[PLANS_KEPT];

static const Domains *keep(Domains domains) {
    static int next;
    next = (next + 1) % PLANS_KEPT;
    domains_free(&kept[next]);
    kept[next] = domains;
    return &kept[next];
}

static int free_kept(void **state) {
    (void)state;
    for (int i = 0; i < PLANS_KEPT; i++) domains_free(&kept[i]);
    return 0;
}

static int64_t consecutive(const void *context, int64_t i) { return i / *(const int32_t *)context; }

/// The last domain may be short.
static const Domains *domains_of(int64_t n, int32_t per_domain) {
    return keep(domains_make(n, consecutive, &per_domain));
}

static CollectivePlan plan_over(CollectiveKind kind, CollectiveAlgorithm algorithm, int64_t bytes,
                                const Domains *domains) {
    CollectiveSpec spec = {.kind = kind,
                           .algorithm = algorithm,
                           .bytes = bytes,
                           .round_latency_ps = 5000000,
                           .domain_latency_ps = 700001,
                           .base_ps = 31};
    CollectivePlan plan;
    Status status = collective_plan(&plan, &spec, NULL, domains);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return plan;
}

static CollectivePlan plan_of(CollectiveKind kind, CollectiveAlgorithm algorithm, int64_t bytes,
                              int64_t n, int32_t per_domain) {
    return plan_over(kind, algorithm, bytes, domains_of(n, per_domain));
}

static bool is_possible(CollectiveKind kind, CollectiveAlgorithm algorithm, int64_t n) {
    if (kind == COLLECTIVE_ALL_TO_ALL && algorithm != ALGORITHM_DIRECT &&
        algorithm != ALGORITHM_AUTO)
        return false;
    return algorithm != ALGORITHM_HALVING_DOUBLING || !(n & (n - 1));
}

/// What each member sends and receives by all edges, and the sum of the weights of those edges.
typedef struct Played {
    int64_t sent[MEMBERS_MAX], received[MEMBERS_MAX];
    int64_t sent_weight[MEMBERS_MAX], received_weight[MEMBERS_MAX];
} Played;

static Played play_edges(const CollectivePlan *plan) {
    Played played = {0};
    int64_t total = 0;
    for (int32_t phase = 0; phase < plan->nphases; phase++) {
        static bool seen[MEMBERS_MAX][MEMBERS_MAX];
        memset(seen, 0, sizeof seen);
        Phase shape = collective_phase(plan, phase);
        assert_true(shape.rounds >= 1);
        for (int64_t i = 0; i < shape.nedges; i++) {
            PhaseEdge edge = collective_edge(plan, phase, i);
            assert_true(edge.src >= 0 && edge.src < plan->n && edge.dst >= 0 && edge.dst < plan->n);
            assert_true(edge.src != edge.dst && edge.weight >= 1);
            // A pair may have an edge inside and one across only if the domain is no domain at all; two trees may share one.
            assert_false(seen[edge.src][edge.dst] && plan->spec.algorithm != ALGORITHM_TREE);
            seen[edge.src][edge.dst] = true;
            played.sent[edge.src] += edge.weight * shape.bytes;
            played.received[edge.dst] += edge.weight * shape.bytes;
            played.sent_weight[edge.src] += edge.weight;
            played.received_weight[edge.dst] += edge.weight;
            total += edge.weight * shape.bytes;
        }
    }
    assert_int_equal(total, collective_total_bytes(plan));
    return played;
}

/// Of n members, one has moved `moved` by edges of these weights.
static void check_member(const CollectivePlan *plan, int64_t moved, int64_t weight) {
    int64_t n = plan->n, bytes = plan->spec.bytes;
    int64_t algebra_times_n = passes_of(plan->spec.kind) * (n - 1) * bytes;
    assert_true(moved * n >= algebra_times_n);
    assert_true(moved * n < algebra_times_n + weight * n);
    if (bytes % (n * plan->domains->least) == 0) assert_int_equal(moved, algebra_times_n / n);
}

static void check_algebra(const CollectivePlan *plan) {
    Played played = play_edges(plan);
    bool even = plan->domains->each > 0 || plan->spec.algorithm != ALGORITHM_HIERARCHICAL;
    CollectiveKind kind = plan->spec.kind;
    if (plan->spec.algorithm == ALGORITHM_TREE) {
        const int64_t units = 2 * plan->domains->least;
        assert_int_equal(collective_total_bytes(plan),
                         2 * (plan->n - 1) * units * collective_phase(plan, 0).bytes);
        return;
    }
    for (int64_t m = 0; m < plan->n; m++) {
        if (even || kind == COLLECTIVE_REDUCE_SCATTER)
            check_member(plan, played.sent[m], played.sent_weight[m]);
        if (even || kind == COLLECTIVE_ALL_GATHER)
            check_member(plan, played.received[m], played.received_weight[m]);
    }
}

static void each_member_sends_what_the_algebra_says(void **state) {
    (void)state;
    static const int32_t domains[] = {1, 2, 3, 4, 8, 72};
    static const int64_t bytes[] = {0, 1, 17, 4096 * 3 * 5 * 7 * 11, INT64_C(1) << 33, 999999937};
    for (int64_t n = 2; n <= 48; n++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            for (CollectiveAlgorithm algorithm = 0; algorithm < ALGORITHM_N; algorithm++) {
                for (size_t d = 0; d < sizeof domains / sizeof domains[0]; d++) {
                    if (!is_possible(kinds[k], algorithm, n)) continue;
                    for (size_t b = 0; b < sizeof bytes / sizeof bytes[0]; b++) {
                        CollectivePlan plan = plan_of(kinds[k], algorithm, bytes[b], n, domains[d]);
                        check_algebra(&plan);
                    }
                }
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        CollectivePlan plan =
            plan_of(COLLECTIVE_ALL_REDUCE, k ? ALGORITHM_HIERARCHICAL : ALGORITHM_HALVING_DOUBLING,
                    INT64_C(1) << 30, 128, 8);
        check_algebra(&plan);
    }
}

/// Domains drawn at random, of 1 to `most` members, which follow each other or not.
typedef struct Drawn {
    int64_t domain[MEMBERS_MAX];
    int64_t n;
} Drawn;

static int64_t drawn_domain(const void *context, int64_t i) {
    return ((const Drawn *)context)->domain[i];
}

static uint64_t draw(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static Drawn draw_domains(uint64_t *state) {
    Drawn drawn = {.n = 0};
    int64_t ndomains = 1 + (int64_t)(draw(state) % 6), most = 1 + (int64_t)(draw(state) % 9);
    for (int64_t d = 0; d < ndomains; d++)
        for (int64_t p = 1 + (int64_t)(draw(state) % (uint64_t)most); p > 0; p--)
            drawn.domain[drawn.n++] = 10 * d;
    bool scattered = draw(state) % 2;
    for (int64_t i = drawn.n - 1; scattered && i > 0; i--) {
        int64_t j = (int64_t)(draw(state) % (uint64_t)(i + 1)), other = drawn.domain[j];
        drawn.domain[j] = drawn.domain[i];
        drawn.domain[i] = other;
    }
    return drawn;
}

/// An edge's bytes in one of three plans; all have the same edges.
static int64_t edge_bytes(const CollectivePlan *plan, int64_t src, int64_t dst) {
    Phase phase = collective_phase(plan, 0);
    for (int64_t i = 0; i < phase.nedges; i++) {
        PhaseEdge edge = collective_edge(plan, 0, i);
        if (edge.src == src && edge.dst == dst) return edge.weight * phase.bytes;
    }
    fail_msg("no edge from %lld to %lld", (long long)src, (long long)dst);
    return 0;
}

/// Into each domain comes just what its members do not bring, out of it goes just what it has to
/// reduce for others, by `least` ports of equal load: nothing that is right could take less time.
static void check_bound(const CollectivePlan *plan, const Drawn *drawn) {
    Phase phase = collective_phase(plan, 0);
    const Domains *domains = plan->domains;
    bool gather = plan->spec.kind == COLLECTIVE_ALL_GATHER;
    int64_t size[64] = {0}, across[64] = {0}, port[MEMBERS_MAX] = {0};
    for (int64_t m = 0; m < plan->n; m++) size[drawn->domain[m]]++;
    for (int64_t i = 0; i < phase.nedges; i++) {
        PhaseEdge edge = collective_edge(plan, 0, i);
        int64_t end = gather ? edge.dst : edge.src;
        if (drawn->domain[edge.src] == drawn->domain[edge.dst]) continue;
        assert_true(edge.own_nic); // by another it might meet the channel of that port
        across[drawn->domain[end]] += edge.weight * phase.bytes;
        port[end] += edge.weight * phase.bytes;
    }
    for (int64_t m = 0; m < plan->n && domains->n > 1; m++) {
        int64_t p = size[drawn->domain[m]];
        assert_int_equal(across[drawn->domain[m]], plan->spec.bytes / plan->n * (plan->n - p));
        assert_true(port[m] == 0 || port[m] * domains->least == across[drawn->domain[m]]);
        if (p == domains->least) assert_true(port[m] > 0); // uses all it has
    }
}

static void uneven_domains_keep_the_algebra_and_the_bound(void **state) {
    (void)state;
    uint64_t random = 7;
    for (int trial = 0; trial < 400; trial++) {
        Drawn drawn = draw_domains(&random);
        if (drawn.n < 2) continue;
        const Domains *domains = keep(domains_make(drawn.n, drawn_domain, &drawn));
        int64_t bytes = drawn.n * domains->least * 1000;
        CollectivePlan plan[3];
        for (int k = 0; k < 3; k++) {
            plan[k] = plan_over(kinds[k], ALGORITHM_HIERARCHICAL, bytes, domains);
            check_algebra(&plan[k]);
            if (kinds[k] != COLLECTIVE_ALL_REDUCE) check_bound(&plan[k], &drawn);
        }
        for (int64_t i = 0; i < collective_phase(&plan[0], 0).nedges; i++) {
            PhaseEdge edge = collective_edge(&plan[0], 0, i);
            assert_int_equal(edge_bytes(&plan[0], edge.src, edge.dst),
                             edge_bytes(&plan[1], edge.src, edge.dst) +
                                 edge_bytes(&plan[2], edge.src, edge.dst));
        }
    }
}

// Where all domains are full but the first or the last, as when a group of consecutive ranks begins
// or ends in mid-domain, no channel leaves its rail.
static void channels_stay_on_their_rails(void **state) {
    (void)state;
    for (int64_t lacking = 0; lacking < 8; lacking++)
        for (int at_end = 0; at_end < 2; at_end++) {
            Drawn drawn = {.n = 24 - lacking};
            int64_t begin = at_end ? 0 : lacking;
            for (int64_t i = 0; i < drawn.n; i++) drawn.domain[i] = (begin + i) / 8;
            CollectivePlan plan = plan_over(COLLECTIVE_ALL_REDUCE, ALGORITHM_HIERARCHICAL, 1 << 20,
                                            keep(domains_make(drawn.n, drawn_domain, &drawn)));
            for (int64_t i = 0; i < collective_phase(&plan, 0).nedges; i++) {
                PhaseEdge edge = collective_edge(&plan, 0, i);
                if (drawn.domain[edge.src] == drawn.domain[edge.dst]) continue;
                assert_int_equal((begin + edge.src) % 8, (begin + edge.dst) % 8);
            }
        }
}

static void rounds_are_those_of_the_algorithm(void **state) {
    (void)state;
    for (int64_t passes = 1; passes <= 2; passes++) {
        CollectiveKind kind = passes == 2 ? COLLECTIVE_ALL_REDUCE : COLLECTIVE_ALL_GATHER;
        CollectivePlan plan = plan_of(kind, ALGORITHM_RING, 1 << 20, 780, 1);
        assert_int_equal(plan.nphases, 1);
        Phase phase = collective_phase(&plan, 0);
        assert_int_equal(phase.nedges, 780);
        assert_int_equal(phase.rounds, passes * 779);
        assert_int_equal(phase.round_latency_ps, 5000000);
        assert_int_equal(phase.fill_ps, 31);

        plan = plan_of(kind, ALGORITHM_HALVING_DOUBLING, 1 << 20, 64, 1);
        assert_int_equal(plan.nphases, passes * 6);
        for (int32_t k = 0; k < plan.nphases; k++) {
            phase = collective_phase(&plan, k);
            assert_int_equal(phase.rounds, 1);
            assert_int_equal(phase.fill_ps, k == 0 ? 31 : 0);
        }

        plan = plan_of(kind, ALGORITHM_DIRECT, 1 << 20, 64, 8);
        phase = collective_phase(&plan, 0);
        assert_int_equal(phase.rounds, passes);
        assert_int_equal(phase.nedges, 64 * 63);

        plan = plan_of(kind, ALGORITHM_HIERARCHICAL, 1 << 20, 64, 8);
        phase = collective_phase(&plan, 0);
        assert_int_equal(phase.rounds, passes * 7);
        assert_int_equal(phase.round_latency_ps, 5000000);
        assert_int_equal(phase.fill_ps, 31 + passes * 7 * 700001);
        assert_int_equal(phase.nedges, 2 * 64);
    }
}

// A piece hops from member to member; the last one arrives after the slowest walk of R hops around
// the ring.
static int64_t slowest_walk_ps(const CollectivePlan *plan, int64_t hops) {
    int64_t arrival[MEMBERS_MAX] = {0}, next[MEMBERS_MAX], slowest = 0;
    for (int64_t hop = 0; hop < hops; hop++) {
        for (int64_t m = 0; m < plan->n; m++) {
            int64_t from = m == 0 ? plan->n - 1 : m - 1;
            bool inside = from / plan->domains->most == m / plan->domains->most;
            next[m] = arrival[from] +
                      (inside ? plan->spec.domain_latency_ps : plan->spec.round_latency_ps);
        }
        memcpy(arrival, next, sizeof next);
    }
    for (int64_t m = 0; m < plan->n; m++) {
        if (arrival[m] > slowest) slowest = arrival[m];
    }
    return slowest;
}

static void ring_waits_for_the_slowest_walk(void **state) {
    (void)state;
    for (int64_t n = 2; n <= 40; n++) {
        for (int32_t per_domain = 1; per_domain <= 12; per_domain++) {
            for (int k = 0; k < 2; k++) {
                CollectivePlan plan = plan_of(kinds[k], ALGORITHM_RING, 1000, n, per_domain);
                Phase phase = collective_phase(&plan, 0);
                int64_t latency_ps = phase.rounds * phase.round_latency_ps + phase.fill_ps - 31;
                assert_int_equal(latency_ps, slowest_walk_ps(&plan, phase.rounds));
            }
        }
    }
}

// Doubling: each member starts with one shard and takes over all of its partner's; what it gets is
// what the phase carries, and at the end everyone has everything.
static void doubling_gathers_all_shards(void **state) {
    (void)state;
    for (int64_t n = 2; n <= 64; n *= 2) {
        CollectivePlan plan =
            plan_of(COLLECTIVE_ALL_GATHER, ALGORITHM_HALVING_DOUBLING, 100 * n, n, 1);
        uint64_t has[64], partner[64];
        for (int64_t m = 0; m < n; m++) has[m] = UINT64_C(1) << m;
        for (int32_t phase = 0; phase < plan.nphases; phase++) {
            memcpy(partner, has, sizeof has);
            for (int64_t i = 0; i < n; i++) {
                PhaseEdge edge = collective_edge(&plan, phase, i);
                assert_int_equal(has[edge.dst] & partner[edge.src], 0);
                assert_int_equal(__builtin_popcountll(partner[edge.src]) * 100,
                                 collective_phase(&plan, phase).bytes);
                has[edge.dst] |= partner[edge.src];
            }
        }
        for (int64_t m = 0; m < n; m++) assert_int_equal(__builtin_popcountll(has[m]), n);
    }
}

// Halving is doubling backwards: same partners and bytes in reverse, and all-reduce is one after
// the other.
static void halving_mirrors_doubling(void **state) {
    (void)state;
    CollectivePlan scatter =
        plan_of(COLLECTIVE_REDUCE_SCATTER, ALGORITHM_HALVING_DOUBLING, 12345, 32, 4);
    CollectivePlan gather =
        plan_of(COLLECTIVE_ALL_GATHER, ALGORITHM_HALVING_DOUBLING, 12345, 32, 4);
    CollectivePlan both = plan_of(COLLECTIVE_ALL_REDUCE, ALGORITHM_HALVING_DOUBLING, 12345, 32, 4);
    for (int32_t phase = 0; phase < 5; phase++) {
        Phase down = collective_phase(&scatter, phase), up = collective_phase(&gather, 4 - phase);
        assert_int_equal(down.bytes, up.bytes);
        assert_int_equal(down.round_latency_ps, up.round_latency_ps);
        assert_int_equal(collective_phase(&both, phase).bytes, down.bytes);
        assert_int_equal(collective_phase(&both, 9 - phase).bytes, down.bytes);
        // Distances 16, 8, 4 leave a domain of 4; 2 and 1 do not.
        assert_int_equal(down.round_latency_ps, phase < 3 ? 5000000 : 700001);
        for (int64_t i = 0; i < 32; i++) {
            PhaseEdge edge = collective_edge(&scatter, phase, i);
            assert_int_equal(edge.dst, edge.src ^ (16 >> phase));
            assert_int_equal(collective_edge(&scatter, phase, edge.dst).dst, i);
        }
    }
}

/// Bytes of the fullest edge between domains (within == false) or inside one.
static int64_t fullest_edge_bytes(const CollectivePlan *plan, bool within) {
    Phase phase = collective_phase(plan, 0);
    int64_t most = 0;
    for (int64_t i = 0; i < phase.nedges; i++) {
        PhaseEdge edge = collective_edge(plan, 0, i);
        bool inside = edge.src / 8 == edge.dst / 8;
        if (inside == within && edge.weight * phase.bytes > most) most = edge.weight * phase.bytes;
    }
    return most;
}

// Between domains a ring of n = 8 D puts P (n - 1) / n B / 8 on each port, hierarchical P (D - 1) / n B: less by
// 8 (D - 1) / (n - 1), since it reduces inside first. Inside both put P 7 / 8 B on every port, the ring what it keeps from
// the network.
static void hierarchical_reduces_before_it_crosses(void **state) {
    (void)state;
    for (int64_t domains = 2; domains <= 16; domains++) {
        int64_t n = 8 * domains, bytes = n * 8000;
        for (int k = 0; k < 3; k++) {
            CollectivePlan ring = plan_of(kinds[k], ALGORITHM_RING, bytes, n, 8);
            CollectivePlan rails = plan_of(kinds[k], ALGORITHM_HIERARCHICAL, bytes, n, 8);
            int64_t port = fullest_edge_bytes(&ring, false),
                    each = fullest_edge_bytes(&rails, false);
            assert_int_equal(each * (n - 1), port * 8 * (domains - 1));
            assert_int_equal(port * 8 * n, passes_of(kinds[k]) * (n - 1) * bytes);
            assert_int_equal(fullest_edge_bytes(&ring, true), 7 * port);
            assert_int_equal(fullest_edge_bytes(&rails, true), passes_of(kinds[k]) * bytes / 8 * 7);
        }
    }
}

// Edges across join equal slots of neighbouring domains, edges inside stay at home.
static void hierarchical_edges_stay_on_their_rail(void **state) {
    (void)state;
    CollectivePlan plan = plan_of(COLLECTIVE_ALL_REDUCE, ALGORITHM_HIERARCHICAL, 1 << 20, 40, 8);
    for (int64_t i = 0; i < 80; i++) {
        PhaseEdge edge = collective_edge(&plan, 0, i);
        if (i < 40) {
            assert_int_equal(edge.src / 8, edge.dst / 8);
            assert_int_equal(edge.weight, 7 * 5); // (p - 1) D : D - 1, gcd(7, 4) = 1
        } else {
            assert_int_equal(edge.src % 8, edge.dst % 8);
            assert_int_equal((edge.src / 8 + 1) % 5, edge.dst / 8);
            assert_int_equal(edge.weight, 4);
        }
    }
}

// Alone in a domain, or one domain: hierarchical is the ring, in edges, bytes and latency.
static void hierarchical_of_one_level_is_the_ring(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        for (int k = 0; k < 3; k++) {
            int32_t per_domain = whole ? 16 : 1;
            CollectivePlan ring = plan_of(kinds[k], ALGORITHM_RING, 54321, 12, per_domain);
            CollectivePlan rails = plan_of(kinds[k], ALGORITHM_HIERARCHICAL, 54321, 12, per_domain);
            Phase expected = collective_phase(&ring, 0), phase = collective_phase(&rails, 0);
            assert_int_equal(phase.nedges, expected.nedges);
            assert_int_equal(phase.bytes, expected.bytes);
            assert_int_equal(phase.rounds, expected.rounds);
            assert_int_equal(phase.round_latency_ps, expected.round_latency_ps);
            assert_int_equal(phase.fill_ps, expected.fill_ps);
            for (int64_t i = 0; i < 12; i++) {
                PhaseEdge a = collective_edge(&ring, 0, i), b = collective_edge(&rails, 0, i);
                assert_true(a.src == b.src && a.dst == b.dst && a.weight == b.weight);
            }
        }
    }
}

static void one_member_has_nothing_to_do(void **state) {
    (void)state;
    for (CollectiveAlgorithm algorithm = 0; algorithm < ALGORITHM_N; algorithm++) {
        CollectivePlan plan = plan_of(COLLECTIVE_ALL_REDUCE, algorithm, 1 << 20, 1, 8);
        assert_int_equal(plan.nphases, 0);
        assert_int_equal(collective_total_bytes(&plan), 0);
    }
}

static void assert_refused(CollectiveSpec spec, int64_t n, int32_t per_domain,
                           const char *expected) {
    CollectivePlan plan;
    Domains domains = domains_even(n / per_domain, per_domain);
    Status status = collective_plan(&plan, &spec, NULL, &domains);
    assert_int_equal(status.code, STATUS_RANGE);
    if (!strstr(status.text, expected)) fail_msg("'%s' does not say '%s'", status.text, expected);
}

static void impossible_collectives_are_refused(void **state) {
    (void)state;
    CollectiveSpec spec = {.algorithm = ALGORITHM_HALVING_DOUBLING, .bytes = 8};
    assert_refused(spec, 12, 1, "a power of two of members, not 12");
    spec.algorithm = ALGORITHM_HIERARCHICAL;
    assert_refused(spec, INT64_C(999910000000), 99991, "members are too many");
    spec.algorithm = ALGORITHM_RING;
    assert_refused(spec, 0, 1, "at least 1 member");
    spec.bytes = INT64_MAX / 4;
    assert_refused(spec, 100, 1, "more than 2^63 bytes");
    spec.bytes = INT64_MAX;
    assert_refused(spec, 2, 1, "a collective of");
    spec = (CollectiveSpec){.kind = COLLECTIVE_ALL_TO_ALL, .algorithm = ALGORITHM_RING, .bytes = 8};
    assert_refused(spec, 4, 1, "ring does not do all_to_all: use direct");
}

// nccl-tests, doc/PERFORMANCE.md.
static void bus_factors_are_those_of_nccl_tests(void **state) {
    (void)state;
    assert_close(collective_bus_factor(COLLECTIVE_ALL_REDUCE, 8), 1.75, 0);
    assert_close(collective_bus_factor(COLLECTIVE_ALL_GATHER, 8), 0.875, 0);
    assert_close(collective_bus_factor(COLLECTIVE_REDUCE_SCATTER, 4), 0.75, 0);
    assert_close(collective_bus_factor(COLLECTIVE_ALL_TO_ALL, 2), 0.5, 0);
}

// Inside one domain nobody waits for the network: whatever a round over it takes.
static void inside_a_domain_the_network_costs_nothing(void **state) {
    (void)state;
    for (int32_t k = 0; k < COLLECTIVE_KIND_N; k++)
        for (int32_t algorithm = 0; algorithm < ALGORITHM_N; algorithm++)
            for (int64_t n = 2; n <= 8; n++) {
                if (!is_possible(kinds[k], (CollectiveAlgorithm)algorithm, n)) continue;
                CollectivePlan near =
                    plan_of(kinds[k], (CollectiveAlgorithm)algorithm, 1 << 20, n, 8);
                CollectivePlan far = near;
                far.spec.round_latency_ps *= 1000;
                for (int32_t p = 0; p < near.nphases; p++) {
                    Phase a = collective_phase(&near, p), b = collective_phase(&far, p);
                    assert_int_equal(a.round_latency_ps, b.round_latency_ps);
                    assert_int_equal(a.fill_ps, b.fill_ps);
                }
                assert_int_equal(collective_phase(&near, 0).round_latency_ps, 700001);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_member_sends_what_the_algebra_says),
        cmocka_unit_test(uneven_domains_keep_the_algebra_and_the_bound),
        cmocka_unit_test(channels_stay_on_their_rails),
        cmocka_unit_test(rounds_are_those_of_the_algorithm),
        cmocka_unit_test(ring_waits_for_the_slowest_walk),
        cmocka_unit_test(doubling_gathers_all_shards),
        cmocka_unit_test(halving_mirrors_doubling),
        cmocka_unit_test(hierarchical_reduces_before_it_crosses),
        cmocka_unit_test(hierarchical_edges_stay_on_their_rail),
        cmocka_unit_test(hierarchical_of_one_level_is_the_ring),
        cmocka_unit_test(one_member_has_nothing_to_do),
        cmocka_unit_test(impossible_collectives_are_refused),
        cmocka_unit_test(bus_factors_are_those_of_nccl_tests),
        cmocka_unit_test(inside_a_domain_the_network_costs_nothing),
    };
    return cmocka_run_group_tests_name("collective", tests, NULL, free_kept);
}
