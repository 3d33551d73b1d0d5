/*
 * Seeing what a translation cache holds and executes: for perf, for debuggers, and as a report of what is hot.
 *
 * Settings of the process, made before machines are. With none of them set a cache does nothing for
 * them but look at one pointer where a unit is published and where a vCPU begins to execute.
 */
#ifndef CORE_TC_SEEING_H
#define CORE_TC_SEEING_H

#include <glib.h>
#include <stdbool.h>

typedef struct pb_seeing_options {
    /* A map for `perf report`: its file; "": /tmp/perf-PID.map, where perf looks; null: none. */
    const char *perf_map;
    /* The folder of a dump for `perf inject --jit`: FOLDER/jit-PID.dump, as perf wants it named; null: none. */
    const char *jitdump;
    /* Sample what vCPUs' threads execute, for pb_seeing_hot(). */
    bool hot;
    /* Tell debuggers of units and frames. */
    bool gdb;
} pb_seeing_options;

/* Files that cannot be made are errors. [setup] */
bool pb_seeing_begin(const pb_seeing_options *options, GError **error);
/* Close files, end sampling; the settings are none then. False if something of a file could not be written.
 * No machine runs. [setup] */
bool pb_seeing_end(GError **error);

/* Append the units of all caches with the most samples, `count` at most, with guest and host code: while no vCPU
 * executes. */
void pb_seeing_hot(unsigned count, GString *text);

#endif
