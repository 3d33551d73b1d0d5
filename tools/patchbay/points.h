/* Points of a run at which `patchbay run` does something. */
#ifndef PATCHBAY_COMMAND_POINTS_H
#define PATCHBAY_COMMAND_POINTS_H

#include <core/machine/machine.h>

/* As the user gave them. */
typedef struct point_options {
    gint64 hash_every; /* 0: never */
    char **saves;      /* WHEN=FILE; may be null */
    char *stop;        /* WHEN, or null */
} point_options;

typedef struct run_points run_points;

/* Reads the options; files must be such that can be written. */
run_points *points_new(pb_machine *machine, const point_options *o, GError **error);
void points_free(run_points *p); /* null is fine; before the machine */

/* Before the run, when the machine was reset or loaded: sets what will come. */
bool points_set(run_points *p, GError **error);
/* After the run. False: a snapshot could not be written, now or before; it was said. */
bool points_end(run_points *p);

#endif
