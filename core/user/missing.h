/*
 * What programs asked for and did not get, remembered over runs in a file of the user's state folder.
 *
 * Lines of the file: calls, runs, kind, architecture, name, program; tabs between them, the last as g_strescape() has it.
 * Processes take turns by a lock on a file beside it, and replace it whole.
 */
#ifndef CORE_USER_MISSING_H
#define CORE_USER_MISSING_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct pb_missing_row {
    uint64_t calls, runs; /* how often, and in how many processes */
    char *kind;           /* "system call", "ioctl" ... */
    char *architecture;   /* "aarch64" */
    char *name;
    char *program; /* path */
} pb_missing_row;

void pb_missing_row_free(pb_missing_row *row);

/* XDG_STATE_HOME/patchbay/missing, or where that is without the variable; null: there is no such folder. g_free() it. */
char *pb_missing_file(void);
/* All rows (pb_missing_row); none if the file is not there. Null with an error. */
GPtrArray *pb_missing_read(const char *file, GError **error);
/* Add rows to those of the same kind, architecture, name and program. */
bool pb_missing_add(const char *file, const GPtrArray *rows, GError **error);
/* Forget all. */
bool pb_missing_clear(const char *file, GError **error);

#endif
