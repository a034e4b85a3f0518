#include <math.h>

#include "claims.h"
#include "collective/tuning.h"
#include "draws.h"
#include "workload/exchange.h"

static int32_t below(uint64_t *draws, int32_t n) {
    return (int32_t)rng_below(11, RNG_TEST, 0, (*draws)++, n);
}

/// Experts of one token: the first k of a shuffled list.
static void draw_experts(uint64_t *draws, int32_t experts, int32_t k, int32_t list[]) {
    for (int32_t i = 0; i < experts; ++i) list[i] = i;
    for (int32_t i = 0; i < k; ++i) {
        const int32_t j = i + below(draws, experts - i), kept = list[i];
        list[i] = list[j];
        list[j] = kept;
    }
}

/// Rows that one token of GPU 0 needs, counted.
static ExchangeRows count_rows(Dispatcher dispatcher, const int32_t list[], int32_t k,
                               int32_t experts, Parts ep) {
    ExchangeRows rows = {0};
    bool gpu[64] = {false}, domain[64] = {false};
    for (int32_t i = 0; i < k; ++i) {
        const int32_t at = list[i] / (experts / ep.n), in = at / ep.inside;
        if (dispatcher == DISPATCH_ALLTOALL) {
            rows.outside += in != 0;
            rows.inside += at % ep.inside != 0;
        } else {
            rows.outside += in != 0 && !domain[in];
            // What comes in arrives at the GPU with the sender's place in its domain.
            rows.inside += !gpu[at] && at != in * ep.inside;
        }
        gpu[at] = domain[in] = true;
    }
    return rows;
}

// Law: what closed form says of a dispatch is what counting tokens gives, for any experts, GPUs and domains.
static void rows_are_what_tokens_need(void **state) {
    (void)state;
    enum { TOKENS = 20000 };
    uint64_t draws = 0;
    for (int32_t round = 0; round < 12; ++round) {
        Parts ep = {.inside = 1 << below(&draws, 4)};
        ep.n = ep.inside << below(&draws, 3);
        const int32_t experts = ep.n * (1 + below(&draws, 4));
        const int32_t k = 1 + below(&draws, experts < 8 ? experts : 8);
        for (int d = 0; d < DISPATCHER_N; ++d) {
            double inside = 0, outside = 0;
            for (int32_t t = 0; t < TOKENS; ++t) {
                int32_t list[256];
                draw_experts(&draws, experts, k, list);
                const ExchangeRows one = count_rows((Dispatcher)d, list, k, experts, ep);
                inside += one.inside / TOKENS;
                outside += one.outside / TOKENS;
            }
            const ExchangeRows rows = exchange_rows((Dispatcher)d, experts, k, ep);
            assert_close(rows.inside, inside, 0.04 + 0.01 * k);
            assert_close(rows.outside, outside, 0.04 + 0.01 * k);
        }
    }
}

// Nobody sends more where rows are put together, and all rows end somewhere.
static void putting_rows_together_saves(void **state) {
    (void)state;
    for (int32_t n = 1; n <= 256; n *= 2)
        for (int32_t inside = 1; inside <= n; inside *= 2) {
            const Parts ep = {n, inside};
            const ExchangeRows plain = exchange_rows(DISPATCH_ALLTOALL, 256, 8, ep);
            const ExchangeRows dedup = exchange_rows(DISPATCH_NODE_DEDUP, 256, 8, ep);
            assert_close(plain.inside, 8.0 * (inside - 1) / inside, 1e-12);
            assert_close(plain.outside, 8.0 * (n - inside) / n, 1e-12);
            assert_true(dedup.outside <= plain.outside + 1e-12);
        }
}

static LayerLinks links_of(const ScaleUpSpec *scale_up, Dimension along, Parts parts) {
    LayerLinks links = {.scale_up = scale_up,
                        .uplink = {.nic_Bps = 46e9, .base_s = 8e-6, .round_s = 14e-6}};
    links.parts[along] = parts;
    links.of_rows =
        (ExchangeRows){(parts.inside - 1.0) / parts.n, (double)(parts.n - parts.inside) / parts.n};
    return links;
}

static double layer_s(const LayerLinks *links, CollectiveKind kind, Dimension along, double bytes) {
    return along == DIM_EP && kind == COLLECTIVE_ALL_TO_ALL
               ? layer_exchange(links, false, bytes).alone_s
               : layer_collective(links, kind, along, bytes).alone_s;
}

// Inside a domain a layer pays what anybody pays; across domains never less than the NICs need for their bytes, nor less
// than inside one; and of members in fewer domains the more are served by the same bytes of each NIC.
static void layers_pay_for_ports_and_nics(void **state) {
    (void)state;
    const ScaleUpSpec scale_up = {.gpus = 64,
                                  .goodput_Bps = INT64_C(360000000000),
                                  .latency_ps = 1000000,
                                  .collective_base_ps = 6000000,
                                  .bulk_latency_ps = 1000000,
                                  .small_share = 0.3};
    static const Dimension ALONG[] = {DIM_TP, DIM_CP, DIM_EP};
    for (int kind = 0; kind < COLLECTIVE_KIND_N; ++kind)
        for (int d = 0; d < 3; ++d)
            for (double bytes = 1e3; bytes < 1e10; bytes *= 100) {
                const CollectiveKind of = (CollectiveKind)kind;
                const LayerLinks one = links_of(&scale_up, ALONG[d], (Parts){16, 16});
                const double alone_s = layer_s(&one, of, ALONG[d], bytes);
                assert_close(alone_s, collective_domain_s(of, bytes, 16, &scale_up),
                             1e-12 * alone_s);
                double before_s = INFINITY;
                for (int32_t inside = 1; inside < 16; inside *= 2) {
                    const LayerLinks many = links_of(&scale_up, ALONG[d], (Parts){16, inside});
                    const double across_s = layer_s(&many, of, ALONG[d], bytes);
                    // Others choose among algorithms that need members to be alone, or not to be.
                    if (of == COLLECTIVE_ALL_TO_ALL)
                        assert_true(across_s >= alone_s / 2 && across_s <= before_s * (1 + 1e-12));
                    const double passes = of == COLLECTIVE_ALL_REDUCE ? 2 : 1;
                    const double nic = of == COLLECTIVE_ALL_TO_ALL
                                           ? (16.0 - inside) / 16
                                           : passes * (1 - inside / 16.0) / inside;
                    assert_true(across_s >= bytes * nic / 46e9);
                    before_s = across_s;
                }
            }
}

// Fewer domains to choose from send less over NICs; all of them is no limit.
static void limited_routing_saves_bytes(void **state) {
    (void)state;
    for (int32_t most = 1; most <= 8; ++most) {
        LayerLinks links = {.parts[DIM_EP] = {64, 8}};
        layer_links_route(&links, DISPATCH_NODE_DEDUP, 256, 8, most);
        const double less = links.of_rows.outside;
        layer_links_route(&links, DISPATCH_NODE_DEDUP, 256, 8, most < 8 ? most + 1 : most);
        assert_true(less <= links.of_rows.outside + 1e-12);
        if (most < 8) continue;
        const ExchangeRows rows = exchange_rows(DISPATCH_NODE_DEDUP, 256, 8, links.parts[DIM_EP]);
        assert_close(less, rows.outside / 8, 1e-12);
    }
}

// Law: an exchange takes no less than its bytes on ports and NICs, and than its processors' copies, a row of which has a time of
// its own; of more processors, fewer bytes or the same bytes in fewer rows no more; what comes back takes longer
// than what went, in rows as wide as those of large models.
static void exchanges_pay_for_links_and_processors(void **state) {
    (void)state;
    const ScaleUpSpec scale_up = {.goodput_Bps = INT64_C(370000000000)};
    uint64_t draws = 500;
    for (int32_t round = 0; round < 500; ++round) {
        const int32_t inside = 1 << below(&draws, 4), n = inside << (1 + below(&draws, 4));
        LayerLinks links = {.scale_up = &scale_up,
                            .uplink = {.nic_Bps = 1e9 * (10 + below(&draws, 90))},
                            .parts[DIM_EP] = {n, inside}};
        const int32_t k = 1 + below(&draws, 8);
        layer_links_route(&links, below(&draws, 2) ? DISPATCH_NODE_DEDUP : DISPATCH_HYBRID, 256, k,
                          n / inside);
        links.processors = 1 + below(&draws, 40);
        const double bytes = 1e3 * (1 + below(&draws, 1000000));
        const double width = 1024 * (1 + below(&draws, 14)), rows = bytes / width;
        for (int way = 0; way < 2; ++way) links.row_bytes[way] = width;
        for (int combines = 0; combines < 2; ++combines) {
            const double time_s = layer_exchange(&links, combines, bytes).alone_s;
            assert_true(time_s >= bytes * links.of_rows.outside / links.uplink.nic_Bps);
            assert_true(time_s >= bytes * links.of_rows.inside / 370e9);
            assert_true(time_s >= rows * links.copied[combines] * 20e-9 / links.processors);
            assert_true(time_s >= bytes * links.copied[combines] / (links.processors * 65e9));
            assert_true(layer_exchange(&links, combines, bytes / 2).alone_s <= time_s);
            LayerLinks more = links;
            more.processors *= 2;
            assert_true(layer_exchange(&more, combines, bytes).alone_s <= time_s);
            LayerLinks wide = links;
            wide.row_bytes[combines] *= 2;
            assert_true(layer_exchange(&wide, combines, bytes).alone_s <= time_s);
        }
        if (width >= 8192)
            assert_true(layer_exchange(&links, true, bytes).alone_s >
                        layer_exchange(&links, false, bytes).alone_s);
    }
}

// A ring passes every block over every border: across domains no faster than a gather that uses the NICs of all, the same
// from one GPU a domain; more time where there are more bytes or slower links. Every GPU sends every block but one; of each
// domain one GPU does by its NIC, the others by their ports, and of a domain that has all of them none.
static void rings_pass_all_blocks_over_every_border(void **state) {
    (void)state;
    const ScaleUpSpec scale_up = {.gpus = 8,
                                  .goodput_Bps = INT64_C(360000000000),
                                  .latency_ps = 1000000,
                                  .collective_base_ps = 6000000,
                                  .small_share = 0.3};
    for (int32_t n = 2; n <= 32; n *= 2)
        for (int32_t inside = 1; inside <= n && inside <= 8; inside *= 2) {
            const LayerLinks links = links_of(&scale_up, DIM_CP, (Parts){n, inside});
            const double bytes = 1e9, rate_Bps = inside < n ? 46e9 : 360e9;
            const double ring_s = layer_ring(&links, DIM_CP, bytes).alone_s;
            assert_close(ring_s * rate_Bps, bytes * (n - 1) / n, 32 * 15e-6 * rate_Bps);
            assert_true(ring_s >= bytes * (n - 1) / n / rate_Bps);
            assert_true(layer_ring(&links, DIM_CP, 2 * bytes).alone_s > ring_s);
            const ExchangeRows sent = layer_ring(&links, DIM_CP, bytes).sent;
            assert_close(sent.inside + sent.outside, bytes * (n - 1) / n, 1e-6 * bytes);
            assert_close(inside * sent.outside, inside < n ? bytes * (n - 1) / n : 0, 1e-6 * bytes);
        }
    assert_close(
        layer_ring(&(LayerLinks){.scale_up = &scale_up, .parts = {{1, 1}, {1, 1}}}, DIM_CP, 1e9)
            .alone_s,
        0, 0);
}

// DeepEP holds 20 processors and Hybrid-EP 32 of however many there are, never all; all-to-all takes what a collective of the
// domain does, and so do all where nobody says how many there are.
static void dispatchers_hold_processors(void **state) {
    (void)state;
    for (int32_t processors = 0; processors < 400; processors += 4) {
        const GpuSpec gpu = {.scale_up_processor_share = 0.41, .processors = processors};
        const double dedup = exchange_processor_share(DISPATCH_NODE_DEDUP, &gpu);
        const double hybrid = exchange_processor_share(DISPATCH_HYBRID, &gpu);
        assert_close(exchange_processor_share(DISPATCH_ALLTOALL, &gpu), 0.41, 0);
        assert_true(dedup > 0 && hybrid >= dedup && hybrid < 1);
        if (processors == 0) assert_close(hybrid, 0.41, 0);
        if (processors >= 40) assert_close(dedup, 20.0 / processors, 1e-12);
        if (processors >= 40) assert_close(hybrid, 32.0 / processors, 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_tokens_need),
        cmocka_unit_test(putting_rows_together_saves),
        cmocka_unit_test(layers_pay_for_ports_and_nics),
        cmocka_unit_test(rings_pass_all_blocks_over_every_border),
        cmocka_unit_test(limited_routing_saves_bytes),
        cmocka_unit_test(exchanges_pay_for_links_and_processors),
        cmocka_unit_test(dispatchers_hold_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
