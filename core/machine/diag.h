/*
 * What is wrong with a machine: errors and warnings with their places, collected, so that a user
 * sees all of them at once and in the order of the file.
 */
#ifndef CORE_MACHINE_DIAG_H
#define CORE_MACHINE_DIAG_H

#include <glib.h>

/* A place that a user can go to. `file` is an interned string: a path as the user wrote it, or an
 * option of the command ("--set ram"), which has no line. Lines and columns (characters) count from
 * 1. */
typedef struct pb_mark {
    const char *file;
    unsigned line, column;
} pb_mark;

/* The place of an option of the command. */
pb_mark pb_mark_option(const char *option);

typedef struct pb_diags pb_diags;

pb_diags *pb_diags_new(void);
void pb_diags_free(pb_diags *diags); /* null is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_diags, pb_diags_free)

/* Files are reported in the order in which they are first named, options before all of them.
 * Returns the interned name. */
const char *pb_diags_file(pb_diags *diags, const char *file);

/* The text is one line without a full stop: what is wrong, what was expected; did you mean. The
 * same text at the same place is kept once. */
void pb_diag_error(pb_diags *diags, pb_mark mark, const char *format, ...) G_GNUC_PRINTF(3, 4);
void pb_diag_warning(pb_diags *diags, pb_mark mark, const char *format, ...) G_GNUC_PRINTF(3, 4);

unsigned pb_diags_errors(const pb_diags *diags);
unsigned pb_diags_warnings(const pb_diags *diags);

/* All of them, sorted, a line each, `file:line:column: text`. The text of warnings begins with
 * "warning: ". Control characters are shown as \xNN. Of very many the first are there, and the number of
 * the rest. */
char *pb_diags_text(pb_diags *diags);

/* The text for a terminal, as a line: control characters are shown as \xNN, and it is cut where it is
 * longer than a screen. Names and values of a file must not give commands, nor look like another line. */
char *pb_printable(const char *text);

/* "; did you mean 'NAME'?" for the closest of the names (null-terminated), or "". */
char *pb_did_you_mean(const char *name, const char *const *names);

#endif
