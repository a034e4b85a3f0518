#include "base/memory.h"
#include "engine/packet/hubs.h"

void round_release(QueuePair *qp, int64_t ready_ps) {
    if (qp->released++ == qp->round + 1) {
        qp->ready_ps = ready_ps;
        return;
    }
    if (qp->nlater == qp->later_capacity) {
        const int32_t capacity = qp->later_capacity > 0 ? 2 * qp->later_capacity : 4;
        qp->later_ps = memory_resize(ROUNDS_NAME, qp->later_ps,
                                     (size_t)qp->later_capacity * sizeof *qp->later_ps,
                                     (size_t)capacity * sizeof *qp->later_ps);
        qp->later_capacity = capacity;
    }
    qp->later_ps[qp->nlater++] = ready_ps;
}

/// What is said of the next round is now said of the one behind it.
static void take_later(QueuePair *qp) {
    if (qp->nlater == 0) return;
    qp->ready_ps = qp->later_ps[0];
    qp->nlater--;
    for (int32_t k = 0; k < qp->nlater; k++) qp->later_ps[k] = qp->later_ps[k + 1];
}

int32_t round_packets(const Engine *engine, const QueuePair *qp, int64_t rounds, int32_t round,
                      int32_t *last_bytes) {
    const int64_t mtu_bytes = engine->net.spec.mtu_bytes, bytes = qp_round_bytes(qp, rounds, round);
    const int32_t n = qp_packets(bytes, mtu_bytes);
    *last_bytes = (int32_t)(bytes - (n - 1) * mtu_bytes);
    return n;
}

void round_begin(const Engine *engine, QueuePair *qp, int64_t rounds) {
    qp->round_end += round_packets(engine, qp, rounds, qp->round, &qp->last_bytes);
}

bool round_next(Engine *engine, QueuePair *qp) {
    if (qp->round + 1 >= qp->released) return false;
    qp->round++;
    round_begin(engine, qp, engine->plays.play.at[qp->play].rounds);
    if (qp->ready_ps > qp->next_ps) qp->next_ps = qp->since_ps = qp->ready_ps;
    take_later(qp);
    return true;
}
