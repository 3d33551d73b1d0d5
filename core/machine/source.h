/*
 * Machine files on disk: finding them by name, including, overriding.
 *
 * A file's `include:` names one or several other files, which it overrides: mappings are merged key
 * by key, anything else replaces, `null` deletes a key, and a mapping or list with the tag !replace
 * is not merged. Of several included files a later one overrides an earlier one. `asserts:` add up.
 * Every node keeps the place that it was written at.
 */
#ifndef CORE_MACHINE_SOURCE_H
#define CORE_MACHINE_SOURCE_H

#include <core/machine/yaml.h>

#define PB_SOURCE_MAX_FILES 32u

/* A machine file that is linked into the program. */
typedef struct pb_source_text {
    const char *name; /* of the machine */
    const char *text;
} pb_source_text;

/* Machines that are found by name before all others; the list ends with a row without a name and stays. [setup] */
void pb_source_preload(const pb_source_text *texts);

/* The file of a machine: a path if there is a '/' or ".yaml" in the name, relative to `directory`
 * (null: the working directory); otherwise NAME.yaml on the machine path, or one that is linked in, whose file is
 * "(linked in)/NAME.yaml". Null if there is none, with the suggestion for a misspelt name in *hint; free both. */
char *pb_source_find(const char *name, const char *directory, char **hint);

/* The machine path: $PATCHBAY_MACHINE_PATH (directories separated by colons), the user's data
 * folder, the build tree that the program runs from, the installation. Free it with
 * g_strfreev(). */
char **pb_source_path(void);

/* Names of all machines on the path, sorted, each once. Free it with g_strfreev(). */
char **pb_source_list(void);

/* Read a file with all that it includes: the merged mapping, null after errors. Keys `include` are
 * gone. */
pb_yaml_node *pb_source_load(pb_yaml *yaml, const char *file, pb_diags *diags);

#endif
