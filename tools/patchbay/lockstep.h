/* `patchbay run --lockstep`. */
#ifndef TOOLS_PATCHBAY_LOCKSTEP_H
#define TOOLS_PATCHBAY_LOCKSTEP_H

#include "command.h"

/* As on the command line; all but `machine` and `pair` may be null. */
typedef struct lockstep_options {
    machine_options *machine; /* accelerator and determinism are set in it */
    const char *pair;         /* "interp,jit" */
    const char *every, *load, *stop;
} lockstep_options;

/* The exit status. */
int run_lockstep(const char *name, const lockstep_options *o);

#endif
