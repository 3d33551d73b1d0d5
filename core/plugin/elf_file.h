/*
 * What can be told of a shared object without opening it: whether it is one, for which machine, and which build.
 */
#ifndef CORE_PLUGIN_ELF_FILE_H
#define CORE_PLUGIN_ELF_FILE_H

#include <glib.h>
#include <stdbool.h>

/* True if the file is a shared object for the machine that this program runs on; otherwise the error
 * (domain PB_PLUGIN_ERROR) names the file and the reason. With build_id not null, its linker's build id goes there in
 * hexadecimal, or null if it has none; free it. */
bool pb_elf_check(const char *file, char **build_id, GError **error);

#endif
