/* Where the program's own files are: plugins, machines. */
#ifndef CORE_UTIL_PLACES_H
#define CORE_UTIL_PLACES_H

#include <glib.h>

/* The folder `name` at the top of the build tree that the program lies in; null if it lies in none. */
char *pb_build_tree_folder(const char *name);

/* An installed folder, given below the prefix ("share/patchbay") or absolute. The prefix is the one that
 * the program lies in, if it has the folder, so that a moved or copied prefix works; otherwise the one
 * that was configured. */
char *pb_installed_folder(const char *path);

#endif
