/// wide.h: 128-bit integers for work in rate unit x picosecond; with LooseWide the GNU extensions of
/// the project.
#ifndef COLOSSIM_BASE_WIDE_H
#define COLOSSIM_BASE_WIDE_H

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UWide;
/// In structs that must not be padded to 16 bytes.
typedef Wide LooseWide __attribute__((aligned(8)));

#endif
