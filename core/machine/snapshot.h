/*
 * Snapshots of whole machines: save, load, hash.
 *
 * A snapshot is self-describing (paths, types, field names) and checked before it is loaded: a
 * damaged one, or one of another machine, is refused with the reason. It is written beside the old
 * file and renamed, so that a crash leaves the old one. What is outside of the machine (disk
 * images, sockets) is not in it.
 *
 * The machine stands still for all of these: before pb_machine_run(), after it, or in the function
 * of pb_machine_count().
 */
#ifndef CORE_MACHINE_SNAPSHOT_H
#define CORE_MACHINE_SNAPSHOT_H

#include <core/machine/machine.h>

bool pb_machine_save(pb_machine *machine, const char *file, GError **error);

/* Into a machine that was built from an equal plan. After an error that comes from a part, the
 * machine must not be run. */
bool pb_machine_load(pb_machine *machine, const char *file, GError **error);

/* SHA-256 over all state of the machine, as 64 digits: equal for equal machines, whatever the host
 * holds in memory. Free it. */
char *pb_machine_hash(pb_machine *machine);

#endif
