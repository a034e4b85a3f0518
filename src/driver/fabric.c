#include "driver/fabric.h"

_Static_assert((int)RUN_JOBS_MAX <= (int)ENGINE_JOBS_MAX, "jobs of a run");

Fabric fabric_make(const RunSpec *run, Cluster *cluster, Comm *comm) {
    return (Fabric){.run = run,
                    .cluster = cluster,
                    .comm = comm,
                    .rank = comm_rank(comm),
                    .nranks = comm_nranks(comm),
                    .ops = run->engine,
                    .change_ps = cluster_next_change_ps(cluster, 0)};
}

void fabric_open(Fabric *fabric) {
    EngineSpec spec = {.njobs = fabric->run->njobs,
                       .comm = fabric->comm,
                       .control_delay_ps = fabric->run->control_delay_ps,
                       .interval_ps = fabric->intervals.width_ps,
                       .intervals_most = fabric->intervals.most,
                       .packet = &fabric->run->packet,
                       .seed = fabric->run->seed,
                       .tell_slowed = fabric->run->trace.explain};
    fabric->engine = fabric->ops->create(fabric->cluster, &spec);
}

void fabric_close(Fabric *fabric) {
    if (fabric->engine) fabric->ops->destroy(fabric->engine);
    fabric->engine = NULL;
}

void fabric_cut(Fabric *fabric, int64_t now_ps) {
    if (fabric->intervals.width_ps == 0) return;
    if (fabric->listener.cut) fabric->listener.cut(fabric->listener.context, now_ps);
    fabric->intervals.origin_ps = now_ps;
}

void fabric_tell_time(Fabric *fabric, int64_t now_ps) {
    if (!fabric->listener.speak || now_ps < fabric->speak_after_ps) return;
    fabric->listener.speak(fabric->listener.context);
    fabric->speak_after_ps = now_ps + fabric->intervals.width_ps;
}

Status fabric_tell_step(const Fabric *fabric, int32_t job, int32_t step, int64_t later_ps) {
    const FabricListener *listener = &fabric->listener;
    return listener->step ? listener->step(listener->context, job, step, later_ps) : status_ok();
}

Status fabric_check_stop(const Fabric *fabric, int32_t step, bool done) {
    int64_t stopping = fabric_stop_asked(fabric);
    comm_max_i64(fabric->comm, &stopping, 1);
    REQUIRE(!stopping || done, STATUS_STOPPED, "stopped on request after step %d", step);
    return status_ok();
}
