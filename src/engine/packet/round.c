#include "engine/packet/hubs.h"

void round_begin(const Engine *engine, QueuePair *qp, int64_t rounds) {
    const int64_t mtu_bytes = engine->net.spec.mtu_bytes,
                  bytes = qp_round_bytes(qp, rounds, qp->round);
    const int32_t n = qp_packets(bytes, mtu_bytes);
    qp->round_end += n;
    qp->last_bytes = (int32_t)(bytes - (n - 1) * mtu_bytes);
}

bool round_next(Engine *engine, QueuePair *qp) {
    const int64_t rounds = engine->plays.play.at[qp->play].rounds;
    if (qp->round + 1 >= qp->released) return false;
    qp->round++;
    round_begin(engine, qp, rounds);
    if (qp->round + 1 == qp->released && qp->ready_ps > qp->next_ps) qp->next_ps = qp->ready_ps;
    return true;
}
