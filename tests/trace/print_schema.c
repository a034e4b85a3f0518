/// print_schema.c: the tables of schema.h as Markdown, for output/README.md.

#include <stdio.h>

#include "trace/schema.h"

static const char *when_text(TraceWhen when) {
    switch (when) {
        case TRACE_ALWAYS: return "";
        case TRACE_IF_TRAINING: return "Training jobs only. ";
        case TRACE_IF_TRAFFIC: return "Traffic jobs only. ";
        case TRACE_IF_SEVERAL: return "Several jobs only. ";
        case TRACE_IF_EVENTS: return "Runs with events only. ";
        case TRACE_IF_FULL_LINKS: return "Only if a full row of links was asked for. ";
        case TRACE_IF_PACKETS: return "Packet engine only. ";
        case TRACE_IF_CHOSEN: return "Only if links were chosen. ";
        case TRACE_IF_TIMELINE: return "Only if a timeline was asked for. ";
        case TRACE_IF_EXPLAINED: return "Only with trace.explain. ";
    }
    return "";
}

static void print_axes(void) {
    puts("| axis | grows | labels |\n|---|---|---|");
    for (int a = 0; a < TRACE_AXIS_N; a++)
        printf("| `%s` | %s | %s |\n", TRACE_AXES[a].name, TRACE_AXES[a].grows ? "yes" : "no",
               TRACE_AXES[a].meaning);
}

static const char *type_name(TraceType type) {
    static const char *const name[] = {
        [TRACE_I8] = "int8",    [TRACE_I32] = "int32",   [TRACE_I64] = "int64",
        [TRACE_U64] = "uint64", [TRACE_F64] = "float64", [TRACE_CHAR] = "char",
        [TRACE_TEXT] = "string"};
    return name[type];
}

static void print_dataset(const TraceDatasetRow *row, const TraceGroupRow *group) {
    int nwords = 0;
    const char *words = trace_flag_meanings(row->flags, &nwords);
    printf("| `%s` | ", row->name);
    for (int i = 0; i < TRACE_RANK_MAX && row->axis[i] != TRACE_AXIS_NONE; i++)
        printf("%s%s", i ? ", " : "", TRACE_AXES[row->axis[i]].name);
    printf(" | %s | %s | %s%s", type_name(row->type), row->type == TRACE_CHAR ? "" : row->unit,
           row->when == group->when ? "" : when_text(row->when), row->meaning);
    if (nwords > 0) printf(" Flags from 0: %s.", words);
    puts(" |");
}

int main(void) {
    puts("### Axes\n");
    print_axes();
    for (int g = 0; g < TRACE_GROUP_N; g++) {
        printf("\n### `/%s`\n\n%s%s\n\n", TRACE_GROUPS[g].name, when_text(TRACE_GROUPS[g].when),
               TRACE_GROUPS[g].meaning);
        puts("| dataset | axes | type | unit | meaning |\n|---|---|---|---|---|");
        for (int d = 0; d < TRACE_DATASET_N; d++)
            if ((int)TRACE_DATASETS[d].group == g)
                print_dataset(&TRACE_DATASETS[d], &TRACE_GROUPS[g]);
    }
    return 0;
}
