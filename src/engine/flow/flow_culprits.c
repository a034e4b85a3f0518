/// Who costs whom, where several jobs use links (definition: engine.h).
///
/// A transfer is charged as its delay is, whenever the stretch is cut in which it stood at one level (flow_stats.c). In such
/// a stretch users of its link may come, go and change their rates, though its own level stays. So before users go or change
/// on a contended link that holds somebody, those it holds are settled: then all on it stands as it was since the change
/// before (stats_settle_link); who has come since has nothing yet. What each job has of the link is added up once
/// between two changes, for all who ask. With one job, none of this is kept.
#include "base/check.h"
#include "engine/flow/flow_state.h"

void culprits_look_again(Flow *flow, int32_t at) {
    while (flow->shares.n <= at) {
        array_push(&flow->shares, (LinkShares){0});
        for (int32_t j = 0; j < flow->spec.njobs; j++) array_push(&flow->job_share, 0);
    }
    flow->shares.at[at] = (LinkShares){.changed_ps = flow->now_ps, .total = -1};
}

void culprits_fini(Flow *flow) {
    array_free(&flow->shares);
    array_free(&flow->job_share);
}

/// Rate units that a user has of a link; nothing before it has been solved.
static int64_t share_of(const Flow *flow, const UseNode *node) {
    const int64_t level = flow->active[node->transfer].level;
    return level > 0 ? node->weight * level : 0;
}

/// What each job has of a link: [njobs].
static const int64_t *look_up(Flow *flow, int32_t at) {
    int64_t *of_job = &flow->job_share.at[(int64_t)at * flow->spec.njobs];
    if (flow->shares.at[at].total >= 0) return of_job;
    const LinkState *link = &flow->link.at[at];
    const int32_t *users = link_users(flow, link);
    for (int32_t j = 0; j < flow->spec.njobs; j++) of_job[j] = 0;
    int64_t total = 0;
    for (int32_t i = 0; i < link->nusers; i++) {
        const UseNode *node = flow_node(flow, users[i]);
        int64_t share = share_of(flow, node);
        of_job[flow->active[node->transfer].job] += share;
        total += share;
    }
    flow->shares.at[at].total = total;
    return of_job;
}

void culprits_charge(Flow *flow, const Active *f, int32_t slot, int64_t loss, int64_t span_ps) {
    Tally *tally = step_tally(&flow->steps, f->step);
    const int64_t of_path = f->bottleneck < 0 ? loss : path_loss_alone(flow, f);
    if (of_path > 0) tally_charge(tally, slot, f->job, (Wide)of_path * span_ps);
    loss -= of_path;
    if (loss == 0) return; // its path alone held it, whatever link holds it from now on
    const UseNode *node = flow_node(flow, f->bottleneck);
    const int64_t *of_job = look_up(flow, node->link);
    const int64_t own = share_of(flow, node), others = flow->shares.at[node->link].total - own;
    DCHECK(flow->link.at[node->link].slot == slot && others >= 0,
           "transfer %lld is charged for another link", (long long)f->tag);
    int64_t sum = 0, before = 0; // running sums are rounded, so that the parts are all of the loss
    for (int32_t j = 0; j < flow->spec.njobs; j++) {
        sum += of_job[j] - (j == f->job ? own : 0);
        // Where nobody has anything, nobody else is to blame.
        int64_t until =
            others == 0 ? (j >= f->job ? loss : 0) : (int64_t)((Wide)loss * sum / others);
        if (until > before) tally_charge(tally, slot, j, (Wide)(until - before) * span_ps);
        before = until;
    }
}
