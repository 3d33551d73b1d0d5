/* A stub for gdb on a machine: what it may ask of it. */
#include "debugger.h"

#include <core/machine/snapshot.h>
#include <stdio.h>

/* Where QEMU's -s listens. */
#define USUAL_ADDRESS "tcp:localhost:1234"

static void end(void *machine)
{
    pb_machine_stop(machine, 0);
}

static void reset(void *machine)
{
    pb_sched_request(pb_machine_sched(machine), PB_MACHINE_RESET, 0);
}

static bool save(void *machine, const char *file, GError **error)
{
    return pb_machine_save(machine, file, error);
}

static void statistics(void *machine, void (*line)(void *to, const char *name, uint64_t value),
                       void *to)
{
    pb_machine_statistics(machine, line, to);
}

static void devices(void *machine, GString *text)
{
    const pb_plan *plan = pb_machine_plan(machine);

    for (unsigned i = 0; i < plan->parts->len; i++) {
        const pb_plan_part *part = g_ptr_array_index(plan->parts, i);

        g_string_append_printf(text, "%-20s %s\n", part->path, part->type);
    }
}

bool debugger_begin(const debugger_options *o, pb_machine *machine, pb_gdb **gdb, GError **error)
{
    const pb_gdb_host host = { .sched = pb_machine_sched(machine),
                               .cpus = pb_machine_cpus(machine),
                               .memory = pb_machine_memory(machine),
                               .opaque = machine,
                               .end = end,
                               .reset = reset,
                               .save = save,
                               .statistics = statistics,
                               .devices = devices };

    *gdb = NULL;
    if (!o->address && !o->here) {
        if (!o->wait)
            return true;
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--gdb-wait goes with --gdb");
        return false;
    }
    *gdb = pb_gdb_new(&host, o->address ? o->address : USUAL_ADDRESS, o->wait, error);
    if (*gdb)
        fprintf(stderr, "patchbay: gdb may connect to %s\n", pb_gdb_address(*gdb));
    return *gdb != NULL;
}

void debugger_options_finish(debugger_options *o)
{
    g_free(o->address);
}
