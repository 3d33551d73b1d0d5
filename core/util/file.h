/* Files of the user: read and written with care. */
#ifndef CORE_UTIL_FILE_H
#define CORE_UTIL_FILE_H

#include <glib.h>
#include <stdbool.h>

/* Read a whole file of at most `max` bytes; a zero byte follows them. Errors name the file and the
 * cause. Pipes are read too; directories are not. */
bool pb_file_read(const char *file, gsize max, char **bytes, gsize *length, GError **error);

/* Where a descriptor of the calling thread leads, as the kernel names it (proc(5), /proc/PID/fd): a path, which may be one that was, or
 * what kind of thing without a path it is. Null: it is not open, or there is no /proc. g_free() it. */
char *pb_file_of_descriptor(int fd);
/* Cut off what the kernel puts behind the path of a file that was removed. */
void pb_file_cut_deleted(char *path);
/* A path by which the calling thread opens what a descriptor of its own leads to, also if that has no name. g_free() it. */
char *pb_file_by_descriptor(int fd);

/* A new file beside `file`, which pb_file_commit() puts in its place: whoever reads `file` sees the
 * old or the new one, also after a crash. What is not a plain file (a pipe, a device) is written to
 * directly; a link stays one. */
typedef struct pb_file_writer pb_file_writer;

pb_file_writer *pb_file_writer_new(const char *file, GError **error);
/* False after the first error, which is kept for pb_file_commit(). */
bool pb_file_write(pb_file_writer *writer, const void *bytes, gsize length);
/* Write to the disk, then rename. Frees the writer. */
bool pb_file_commit(pb_file_writer *writer, GError **error);
/* Remove the new file, keep the old. Frees the writer. */
void pb_file_abandon(pb_file_writer *writer);

#endif
