/* --gdb and --gdb-wait of `patchbay run`. */
#ifndef PATCHBAY_TOOL_DEBUGGER_H
#define PATCHBAY_TOOL_DEBUGGER_H

#include <core/gdb/gdb.h>
#include <core/machine/machine.h>

typedef struct debugger_options {
    char *address; /* null: none */
    gboolean here; /* -s */
    gboolean wait;
} debugger_options;

/* Listen, and say where. *gdb is null if it is not asked for. False with the error set. Before the run. */
bool debugger_begin(const debugger_options *options, pb_machine *machine, pb_gdb **gdb,
                    GError **error);
void debugger_options_finish(debugger_options *options);

#endif
