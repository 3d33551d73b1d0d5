/* Seeing what `patchbay run` translated: the options --perf-map, --jitdump, --gdb-jit and --hot. */
#ifndef PATCHBAY_COMMAND_SEEING_H
#define PATCHBAY_COMMAND_SEEING_H

#include <glib.h>
#include <stdbool.h>

/* As the user gave them. */
typedef struct seeing_options {
    char *perf_map; /* "": where perf looks; or null */
    char *jitdump;  /* a folder, or null */
    gboolean gdb;   /* tell debuggers */
    gint hot;       /* units to show, 0: none */
} seeing_options;

/* Before the machine is made. */
bool seeing_begin(const seeing_options *o, GError **error);
/* After the run, while the machine is there: to standard error. */
void seeing_report(const seeing_options *o);
/* After the machine was freed. False with the error: a file is not complete. */
bool seeing_end(GError **error);
void seeing_options_finish(seeing_options *o);

#endif
