#include "observe/parts.h"

int64_t record_part_ps(const int64_t parts[ACCOUNT_N], NominalWork work, TracePart part) {
    switch (part) {
        case TRACE_PART_COMPUTE: return work.compute_ps;
        case TRACE_PART_TP_EXPOSED: return work.tp_ps;
        case TRACE_PART_CP_EXPOSED: return work.cp_ps;
        case TRACE_PART_EP_EXPOSED: return parts[ACCOUNT_EP_EXPOSED] + work.ep_ps;
        case TRACE_PART_OWN_SLOW: return parts[ACCOUNT_OWN_SLOW];
        case TRACE_PART_SHARING: return parts[ACCOUNT_SHARING] + work.sharing_ps;
        case TRACE_PART_BUBBLE: return parts[ACCOUNT_BUBBLE];
        case TRACE_PART_PP_EXPOSED: return parts[ACCOUNT_PP_EXPOSED];
        case TRACE_PART_DP_EXPOSED: return parts[ACCOUNT_DP_EXPOSED];
        case TRACE_PART_CONTENTION: return parts[ACCOUNT_CONTENTION];
        case TRACE_PART_STRAGGLER: return parts[ACCOUNT_STRAGGLER];
        case TRACE_PART_N: break;
    }
    return 0;
}
