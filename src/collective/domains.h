/// domains.h: how the members of a collective stand in scale-up domains.
///
/// Idea.    Members are taken domain by domain, domains in the order in which their first members
///          come: a *position* counts members in that order. Mostly it is the order of the members
///          themselves, and all domains have as many: then everything is arithmetic. Where domains
///          differ, their first positions are listed; where members of a domain do not follow each
///          other (a domain of many nodes, placed node by node), so is who stands where.
///          Channels are the rings that a collective runs side by side over the domains. Each
///          enters and leaves a domain by the port of one member, no two by the same, so there are
///          as many as the fewest members of any domain:
///              domain 0   - - 2 3 4 5 6 7     channel k at the same letters: a first domain that
///              domain 1   0 1 2 3 4 5 6 7     is not full lacks its first members, any other its
///              domain 2   0 1 2 3 4 - - -     last, so that channels stay on their rails where
///              channel    a b c d e           they can (in domain 0: a at 6, b at 7)
/// Source.  NCCL's channels: each node finds what its own NICs allow, and all take the least
///          (src/init.cc, initTransportsRank: nChannels = min over ranks).
#ifndef COLOSSIM_COLLECTIVE_DOMAINS_H
#define COLOSSIM_COLLECTIVE_DOMAINS_H

#include <stdint.h>

/// Read-only; made by the functions below.
typedef struct Domains {
    int64_t nmembers, n; ///< n: domains
    int64_t each;        ///< members of every domain; 0: they differ, see `first`
    int64_t least, most; ///< members of a domain
    int64_t common;      ///< greatest number that divides the members of every domain
    int64_t *first;      ///< [n + 1] position of the first member, where domains differ
    int64_t *alone;      ///< [n + 1] domains before this one that have one member
    int64_t *order;      ///< [nmembers] member at a position; NULL: position i is member i
} Domains;

/// n domains of `each` members that follow each other.
Domains domains_even(int64_t n, int64_t each);
/// Find out from domain(context, i), a number >= 0 for each member 0 <= i < nmembers.
///   Cost: O(nmembers).
Domains domains_make(int64_t nmembers, int64_t (*domain)(const void *context, int64_t i),
                     const void *context);
void domains_free(Domains *domains);

static inline int64_t domains_first(const Domains *domains, int64_t d) {
    return domains->each > 0 ? d * domains->each : domains->first[d];
}
static inline int64_t domains_size(const Domains *domains, int64_t d) {
    return domains->each > 0 ? domains->each : domains->first[d + 1] - domains->first[d];
}
static inline int64_t domains_member(const Domains *domains, int64_t position) {
    return domains->order ? domains->order[position] : position;
}
/// Members before domain d, those that are alone in theirs left out; d <= n.
int64_t domains_together(const Domains *domains, int64_t d);
/// The domain of the i-th member that is not alone in its domain.
int64_t domains_find_together(const Domains *domains, int64_t i);
/// Position of the member that channel 0 <= k < least uses in domain d.
int64_t domains_port(const Domains *domains, int64_t d, int64_t k);
/// Channels, 0 or 1, at place 0 <= r < size of domain d.
int64_t domains_channels_at(const Domains *domains, int64_t d, int64_t r);

#endif
