#include "engine/price.h"

/// Bytes that `work` >= 0 of one byte a level is worth, rounded down.
static int64_t whole_bytes(int32_t rate_bits, Wide work) {
    enum { TWOS = 12 }; // 10^12 is 5^12 * 2^12, and rounding down twice rounds down once
    _Static_assert(PS_PER_S >> TWOS << TWOS == PS_PER_S, "2^12 divides a second");
    UWide scaled = (UWide)work >> (rate_bits + TWOS);
    if (scaled >> 64 == 0) return (int64_t)((uint64_t)scaled / (uint64_t)(PS_PER_S >> TWOS));
    return (int64_t)(scaled / (UWide)(PS_PER_S >> TWOS));
}

int64_t price_bytes_left(const Routes *routes, const Route *route, Wide work) {
    if (work <= 0) return 0;
    int64_t left = whole_bytes(routes->rate_bits, work + price_work(routes, route, 1) - 1);
    return route->fullest == 1 ? left : left / route->fullest; // rounding twice rounds once
}

int64_t price_duration_ps(Wide work, int64_t level_work, int64_t level) {
    if (work <= 0) return 0;
    if (level == 0) return TIME_NEVER_PS;
    UWide rate = (UWide)level_work * (UWide)level;
    UWide duration = ((UWide)work + rate - 1) / rate;
    return duration < (UWide)TIME_END_PS ? (int64_t)duration : TIME_NEVER_PS;
}

int64_t price_end_ps(int64_t now_ps, Wide work, int64_t level_work, int64_t level) {
    int64_t left_ps = price_duration_ps(work, level_work, level);
    return left_ps < TIME_NEVER_PS - now_ps ? now_ps + left_ps : TIME_NEVER_PS;
}

int64_t price_loss(int64_t cap, int64_t level) {
    return (int64_t)(((UWide)(cap - level) << PRICE_DELAY_BITS) / (UWide)cap);
}

Wide price_delay(int64_t cap, int64_t level, int64_t span_ps) {
    return (Wide)price_loss(cap, level) * span_ps;
}

static Price price_alone(const Routes *routes, const Route *route, const Transfer *transfer) {
    int64_t waits_ps = transfer->rounds * transfer->round_latency_ps;
    if (transfer->bytes == 0) return (Price){route->alone_level, waits_ps};
    Wide work = price_work(routes, route, transfer->bytes);
    Price price = {route->alone_level,
                   price_duration_ps(work, route->level_work, route->alone_level)};
    if (waits_ps == 0 || price.alone_ps == TIME_NEVER_PS) return price;
    if (waits_ps >= TIME_END_PS - price.alone_ps) return (Price){0, TIME_NEVER_PS};
    Wide level = work / ((Wide)route->level_work * (price.alone_ps + waits_ps));
    price.level = level > 0 ? (int64_t)level : 1;
    price.alone_ps = price_duration_ps(work, route->level_work, price.level);
    return price;
}

Status price_never_ends(const Transfer *transfer) {
    FAIL(STATUS_NO_PATH,
         "transfer %lld would never end: a link of its path carries nothing, or %lld bytes take "
         "longer than a run "
         "can last (53 days)",
         (long long)transfer->tag, (long long)transfer->bytes);
}

Status price_hold(Routes *routes, const Transfer *transfer, const LinkOwner *own, int32_t *out,
                  Price *price) {
    REQUIRE(transfer->bytes >= 0, STATUS_RANGE, "transfer %lld of %lld bytes",
            (long long)transfer->tag, (long long)transfer->bytes);
    REQUIRE(transfer->rounds >= 0 && transfer->round_latency_ps >= 0, STATUS_RANGE,
            "transfer %lld: %lld rounds of %lld ps", (long long)transfer->tag,
            (long long)transfer->rounds, (long long)transfer->round_latency_ps);
    TRY(routes_hold(routes, transfer, own, out));
    const Route *route = &routes->at[*out];
    if ((Wide)transfer->bytes * route->fullest >= PRICE_BYTES_MAX) {
        int32_t fullest = route->fullest;
        routes_let_go(routes, *out);
        FAIL(STATUS_RANGE, "transfer %lld of %lld bytes: less than 2^55 / %d are allowed",
             (long long)transfer->tag, (long long)transfer->bytes, fullest);
    }
    *price = price_alone(routes, route, transfer);
    return status_ok();
}
