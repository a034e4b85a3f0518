#include "driver/account.h"

int64_t account_sum_ps(const int64_t parts[ACCOUNT_N], NominalWork work) {
    int64_t sum_ps = work.compute_ps + nominal_exposed_ps(work) + work.sharing_ps;
    for (int part = 0; part < ACCOUNT_N; part++) sum_ps += parts[part];
    return sum_ps;
}

/// The kind of the last communication on the alone clock, ACCOUNT_BUBBLE if there is none.
static AccountPart released_by(const Release release[], int32_t n) {
    AccountPart kind = ACCOUNT_BUBBLE;
    int64_t last_ps = INT64_MIN;
    for (int32_t i = 0; i < n; i++) {
        if (release[i].kind == ACCOUNT_BUBBLE || release[i].at.nominal.alone_ps <= last_ps)
            continue;
        last_ps = release[i].at.nominal.alone_ps;
        kind = release[i].kind;
    }
    return kind;
}

void account_wait(int64_t parts[ACCOUNT_N], Clocks *at, const Release release[], int32_t n,
                  int64_t now_ps) {
    const Clocks from = *at;
    for (int32_t i = 0; i < n; i++) clocks_raise(at, &release[i].at);
    at->actual_ps = now_ps;
    const NominalClocks *to = &at->nominal;
    int64_t ideal_ps = to->ideal_ps - from.nominal.ideal_ps;
    int64_t alone_ps = to->alone_ps - from.nominal.alone_ps;
    int64_t shared_ps = to->shared_ps - from.nominal.shared_ps;
    int64_t slowed_ps = to->slowed_ps - from.nominal.slowed_ps;
    parts[ACCOUNT_BUBBLE] += ideal_ps;
    parts[released_by(release, n)] += alone_ps - ideal_ps;
    parts[ACCOUNT_SHARING] += shared_ps - alone_ps;
    parts[ACCOUNT_CONTENTION] += slowed_ps - shared_ps;
    parts[ACCOUNT_STRAGGLER] += now_ps - from.actual_ps - slowed_ps;
}
