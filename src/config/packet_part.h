/// packet_part.h: the schema of how packets are played, a part of both kinds of job.
#ifndef COLOSSIM_CONFIG_PACKET_PART_H
#define COLOSSIM_CONFIG_PACKET_PART_H

#include "config/schema.h"

extern const Schema packet_schema; ///< of a PacketSpec

#endif
