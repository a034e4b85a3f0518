/// filling.h: max-min levels of the few messages of an island that meet, among collectives whose levels stand.
///
/// Idea.    Water filling as in maxmin.h, over the lanes of a set of channels that is closed under sharing lanes. A
///          collective on a lane is a user whose cap is its level. If every lane lets it have that much, the levels
///          found are those of the whole machine; if one does not, the collective's level is too high: it is said.
/// Limits.  At most ISLAND_CHANNELS_MAX messages. Levels are exact integers; nothing is allocated once warm.
#ifndef COLOSSIM_PLAYER_FILLING_H
#define COLOSSIM_PLAYER_FILLING_H

#include "player/island.h"

/// A lane being filled.
typedef struct FillLane {
    int64_t residual, weight;
    int64_t share,
        ring_level; ///< next levels at which it binds; at which a collective on it stands
    int64_t level;  ///< at which it binds; LEVEL_NONE
    int32_t lane;
    const struct RingUse *ring_use; ///< latest collective on it, NULL
    bool live;
} FillLane;

typedef struct Filling {
    ARRAY_OF(FillLane) lane;
    ARRAY_OF(int32_t) place; ///< by lane of the island: index + 1 in `lane`, if it is there
    int64_t level[ISLAND_CHANNELS_MAX];
    int32_t binding
        [ISLAND_CHANNELS_MAX]; ///< lane of the least link that holds the message, -1: its cap
} Filling;

Filling *filling_create(void);
void filling_destroy(Filling *filling);
/// Levels of the messages of `channels`, a closed set of present ones.  False: a collective has to give way.
bool filling_run(Filling *filling, const Islands *islands, const Island *island, uint64_t channels);

#endif
