/// news.h: what members of groups said in a window of islands, merged over ranks by sum and maximum.
#ifndef COLOSSIM_PLAYER_NEWS_H
#define COLOSSIM_PLAYER_NEWS_H

#include "player/island.h"

/// Plain 64-bit integers, as ranks merge them.
typedef struct GroupNews {
    int64_t count; ///< members that have come to the collective
    Clocks at;
    int64_t op, kind, step;
} GroupNews;

/// Sum up what was said before end_ps into islands->news. False: nothing, anywhere.  MPI: collective.
bool news_gather(Islands *islands, int64_t end_ps);

#endif
