#include "collective/domains.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "base/table.h"
#include "base/wide.h"

#define LABEL "collective.domains"

Domains domains_even(int64_t n, int64_t each) {
    return (Domains){
        .nmembers = n * each, .n = n, .each = each, .least = each, .most = each, .common = each};
}

/// Members of each domain into first[1 + d], numbered as they come; the number of each member into
/// `number`. Returns whether members of some domain do not follow each other.
static bool count_members(Domains *domains, int64_t (*domain)(const void *context, int64_t i),
                          const void *context, int64_t number[]) {
    Table known = {0};
    bool scattered = false;
    for (int64_t i = 0; i < domains->nmembers; i++) {
        int64_t id = domain(context, i);
        const int64_t *found = table_find(&known, id);
        number[i] = found ? *found : domains->n;
        if (!found) table_insert(&known, id, domains->n++);
        scattered = scattered || (i > 0 && number[i] < number[i - 1]) ||
                    (found && number[i] != number[i - 1]);
        domains->first[1 + number[i]]++;
    }
    table_free(&known);
    return scattered;
}

/// From counts in first[1 + d] to positions, and what follows from them.
static void sum_up(Domains *domains) {
    domains->least = domains->nmembers;
    for (int64_t d = 0; d < domains->n; d++) {
        int64_t size = domains->first[d + 1];
        if (size < domains->least) domains->least = size;
        if (size > domains->most) domains->most = size;
        domains->common = (int64_t)wide_gcd(size, domains->common);
        domains->first[d + 1] += domains->first[d];
        domains->alone[d + 1] = domains->alone[d] + (size == 1);
    }
    if (domains->least == domains->most) domains->each = domains->least;
}

/// Counting sort by domain, members of one in their order.
static void list_members(Domains *domains, const int64_t number[]) {
    size_t bytes = sizeof(int64_t) * (size_t)domains->n;
    int64_t *next = memory_alloc(LABEL, bytes);
    domains->order = memory_alloc(LABEL, sizeof(int64_t) * (size_t)domains->nmembers);
    for (int64_t d = 0; d < domains->n; d++) next[d] = domains->first[d];
    for (int64_t i = 0; i < domains->nmembers; i++) domains->order[next[number[i]]++] = i;
    memory_free(LABEL, next, bytes);
}

static void free_lists(Domains *domains) {
    size_t bytes = sizeof(int64_t) * (size_t)(domains->n + 1);
    memory_free(LABEL, domains->first, bytes);
    memory_free(LABEL, domains->alone, bytes);
    domains->first = domains->alone = NULL;
}

Domains domains_make(int64_t nmembers, int64_t (*domain)(const void *context, int64_t i),
                     const void *context) {
    Domains domains = {.nmembers = nmembers};
    size_t room = sizeof(int64_t) * (size_t)(nmembers + 1);
    int64_t *number = memory_alloc(LABEL, room);
    domains.first = memory_alloc(LABEL, room);
    domains.alone = memory_alloc(LABEL, room);
    bool scattered = count_members(&domains, domain, context, number);
    sum_up(&domains);
    if (scattered) list_members(&domains, number);
    size_t kept = sizeof(int64_t) * (size_t)(domains.n + 1);
    domains.first = memory_resize(LABEL, domains.first, room, kept);
    domains.alone = memory_resize(LABEL, domains.alone, room, kept);
    if (domains.each > 0) free_lists(&domains);
    memory_free(LABEL, number, room);
    return domains;
}

void domains_free(Domains *domains) {
    free_lists(domains);
    memory_free(LABEL, domains->order, sizeof(int64_t) * (size_t)domains->nmembers);
    *domains = (Domains){0};
}

int64_t domains_together(const Domains *domains, int64_t d) {
    if (domains->each > 0) return domains->each > 1 ? d * domains->each : 0;
    return domains->first[d] - domains->alone[d];
}

int64_t domains_find_together(const Domains *domains, int64_t i) {
    if (domains->each > 0) return i / domains->each;
    int64_t low = 0, high = domains->n - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (domains_together(domains, middle) <= i)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/// Places that a domain lacks before its first member, see above.
static int64_t places_before(const Domains *domains, int64_t d) {
    return d == 0 ? domains->most - domains_size(domains, 0) : 0;
}

/// The place, in a full domain, of channel 0: where the first of the smallest domain stands.
static int64_t first_channel(const Domains *domains) {
    return domains_size(domains, 0) == domains->least ? places_before(domains, 0) : 0;
}

static int64_t rest_of(int64_t a, int64_t n) {
    int64_t rest = a % n;
    return rest < 0 ? rest + n : rest;
}

int64_t domains_port(const Domains *domains, int64_t d, int64_t k) {
    int64_t place = first_channel(domains) + k - places_before(domains, d);
    return domains_first(domains, d) + rest_of(place, domains_size(domains, d));
}

int64_t domains_channels_at(const Domains *domains, int64_t d, int64_t r) {
    int64_t k =
        rest_of(r + places_before(domains, d) - first_channel(domains), domains_size(domains, d));
    return k < domains->least;
}
