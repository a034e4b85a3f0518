/// wide.h: 128-bit integers for work in rate unit x picosecond; the one GNU extension of the
/// project.
#ifndef COLOSSIM_BASE_WIDE_H
#define COLOSSIM_BASE_WIDE_H

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UWide;

#endif
