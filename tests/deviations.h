/// deviations.h: how far emulated figures are from measured ones, by groups of rows: what programs that read a table share.
///
///     PROGRAM ... [--list] [--within PERCENT]
///
///   --list   every row, not only sums
///   --within at least that share of rows must lie within its bound
#ifndef COLOSSIM_TESTS_DEVIATIONS_H
#define COLOSSIM_TESTS_DEVIATIONS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEVIATION_GROUPS = 64 };

/// Of the rows of a group; `worst` in times their bound.
typedef struct Deviation {
    char name[128];
    long rows, within;
    double signed_error, worst;
} Deviation;

typedef struct Deviations {
    bool list;
    double wanted; ///< percent
    int n;
    Deviation group[DEVIATION_GROUPS];
} Deviations;

/// None yet, with what argv[first] and the words behind it ask for.
static inline Deviations deviations_asked(int argc, char **argv, int first) {
    Deviations all = {.n = 0};
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) all.list = true;
        if (strcmp(argv[i], "--within") == 0 && i + 1 < argc) all.wanted = atof(argv[++i]);
    }
    return all;
}

/// A row of a group is off by `error`, a share of what was measured. Groups beyond the last are dropped.
static inline void deviations_add(Deviations *all, const char *group, double error, double bound) {
    int i = 0;
    while (i < all->n && strcmp(all->group[i].name, group) != 0) i++;
    if (i == DEVIATION_GROUPS) return;
    Deviation *its = &all->group[i];
    if (i == all->n) snprintf(all->group[all->n++].name, sizeof its->name, "%s", group);
    its->rows++;
    its->within += fabs(error) <= bound;
    its->signed_error += error;
    its->worst = fmax(its->worst, fabs(error) / bound);
}

/// Print the groups and their sum; returns the exit code: 1 if fewer are within their bounds than wanted.
static inline int deviations_report(const Deviations *all) {
    long rows = 0, within = 0;
    printf("%-48s %5s %8s %8s %8s\n", "", "rows", "within", "mean", "worst");
    for (int i = 0; i < all->n; i++) {
        const Deviation *its = &all->group[i];
        printf("%-48s %5ld %6.1f %% %+6.1f %% %7.2f x\n", its->name, its->rows,
               100.0 * (double)its->within / (double)its->rows,
               100 * its->signed_error / (double)its->rows, its->worst);
        rows += its->rows;
        within += its->within;
    }
    const double share = rows > 0 ? 100.0 * (double)within / (double)rows : 0;
    printf("%-48s %5ld %6.1f %%\n", "all", rows, share);
    return share >= all->wanted ? 0 : 1;
}

#endif
