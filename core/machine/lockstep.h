/*
 * Two accelerators against each other: the same machine twice, run side by side to the same counts of instructions, compared
 * there, and stopped at the first difference.
 *
 * Both are deterministic machines, built from plans that differ in accelerator and backends only. They are compared as a
 * whole: registers, floating-point flags, the state of devices, time, and memory byte by byte. So whatever an instruction did
 * wrong is seen, unless it was undone before the next look.
 *
 * A difference is narrowed to one instruction by running again, to fewer instructions each time. The first machine is the
 * judge, it may be stopped and saved anywhere. The second one is only ever stopped at the end of an attempt: where a run is
 * stopped units end, and what is wrong with a unit may depend on all of it. If the difference shows from a snapshot
 * of the last equal state, attempts begin there; else at the start, since it then comes of something the accelerator
 * remembers. The instruction that is named is the last one of the shortest run with a difference.
 */
#ifndef CORE_MACHINE_LOCKSTEP_H
#define CORE_MACHINE_LOCKSTEP_H

#include <core/machine/machine.h>

typedef struct pb_lockstep {
    const pb_plan *plans[2]; /* the judge's, and the one's that is tested; threads: round-robin */
    pb_plugin_host *hosts[2];
    const char *load; /* snapshot that both go on from, null: reset */
    uint64_t every;   /* instructions between two looks, at least 1 */
    uint64_t until;   /* instructions; 0: as long as the guest runs */
    /* A piece of the report, whole lines. [main] */
    void (*say)(void *opaque, const char *text);
    void *opaque;
} pb_lockstep;

typedef struct pb_lockstep_result {
    bool differ;
    uint64_t insns; /* executed; if they differ: up to the first difference */
    uint64_t pc;    /* if they differ: of the instruction */
    int status;     /* the run's, if they do not: the guest's, or of the signal that ended it */
} pb_lockstep_result;

/* False with the error set if a machine cannot be built, loaded, reset or saved. Nothing runs before or after. [setup] */
bool pb_lockstep_run(const pb_lockstep *lockstep, pb_lockstep_result *result, GError **error);

#endif
