/*
 * The plugin host: finds plugins by name, opens them, checks what they say of themselves, and hands out
 * their types.
 *
 * A type is found from the section of the machine file (the kind) and the type text: kind device and
 * "virtio/blk" is the type `blk` of the plugin `dev-virtio`; "pl011" is the type `pl011` of `dev-pl011`.
 *
 * Search order, first hit wins:
 *   1. modules linked into the program (a build with static_plugins)
 *   2. the directories of PATCHBAY_PLUGIN_PATH, separated by colons
 *   3. $XDG_DATA_HOME/patchbay/plugins, by default ~/.local/share/patchbay/plugins
 *   4. the build tree that the program runs from, if it does
 *   5. LIBDIR/patchbay of the installation
 *
 * Errors are one line that names the file. All functions are for one thread at a time; types stay valid
 * until the host is freed.
 */
#ifndef CORE_PLUGIN_PLUGIN_HOST_H
#define CORE_PLUGIN_PLUGIN_HOST_H

#include <glib.h>
#include <ltdl.h>
#include <patchbay/plugin.h>

#define PB_PLUGIN_ERROR (pb_plugin_error_quark())
GQuark pb_plugin_error_quark(void);

typedef enum pb_plugin_error {
    PB_PLUGIN_ERROR_NAME,    /* the type text is malformed */
    PB_PLUGIN_ERROR_MISSING, /* no such plugin on the path, or no such type in the plugin */
    PB_PLUGIN_ERROR_LOAD,    /* the file cannot be opened: dependency, architecture, damage */
    PB_PLUGIN_ERROR_ABI,     /* no entry, or for another version of the ABI */
    PB_PLUGIN_ERROR_INVALID, /* the tables contradict themselves */
} pb_plugin_error;

typedef struct pb_plugin_host pb_plugin_host;

/* Modules that are linked into the program: the generated list of a static build. Call it before the first
 * pb_plugin_host_new(). The list is as libltdl wants it (plugins/preload-list
 * writes it): each module's archive, then its entry; it ends with a null name. */
void pb_plugin_host_preload(const lt_dlsymlist *modules);

/* A host with the search path above, or with `path` (directories separated by colons) in place of 2 to 5. */
pb_plugin_host *pb_plugin_host_new(const char *path);

/* Closes every plugin: nothing of them may be in use. Null is fine. */
void pb_plugin_host_free(pb_plugin_host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(pb_plugin_host, pb_plugin_host_free)

/* The directories searched, in order; ends with null; the host's. */
const char *const *pb_plugin_host_path(const pb_plugin_host *host);

/* The plugin with this id ("dev-pl011"), opened and checked, or null with the error set. */
const pb_plugin *pb_plugin_host_open(pb_plugin_host *host, const char *id, GError **error);

/* The plugin in this file, which may be anywhere, opened and checked. */
const pb_plugin *pb_plugin_host_open_file(pb_plugin_host *host, const char *file, GError **error);

/* The type with this text of a kind, ready for instances, or null with the error set. Opens the one plugin
 * that has it. Cast to the kind's descriptor: pb_device_type and so on. */
const pb_class *pb_plugin_host_type(pb_plugin_host *host, pb_kind kind, const char *type,
                                    GError **error);

/* The same from the manifest that lies beside the plugin, without opening the plugin: for listing,
 * describing and checking. All tables are there, functions are not: a function pointer is null, and there
 * can be no instances. Opens the plugin if its manifest is missing or not of this build of it. */
const pb_class *pb_plugin_host_describe(pb_plugin_host *host, pb_kind kind, const char *type,
                                        GError **error);

/* The plugin's own lines (id, version, licence, doc, types) in the same way. */
const pb_plugin *pb_plugin_host_describe_plugin(pb_plugin_host *host, const char *id,
                                                GError **error);

/* The file of a plugin, or null if there is none on the path; "(linked in)" for a preloaded one. */
char *pb_plugin_host_find(pb_plugin_host *host, const char *id);

/* Ids of all plugins on the path, sorted, each once; free with g_strfreev(). */
char **pb_plugin_host_list(pb_plugin_host *host);

/* The word of a kind in file names ("dev") and for people ("device"), null if it is no kind; and back. */
const char *pb_kind_prefix(uint32_t kind);
const char *pb_kind_name(uint32_t kind);
pb_kind pb_kind_of_plugin(const char *id); /* 0 if the prefix is of no kind */

/* Checks all that a plugin says of itself: kinds, sizes, tables. `file` is named in the error. `functions`: there are
 * functions; otherwise the tables come from a manifest, which has none. */
bool pb_plugin_check(const pb_plugin *plugin, const char *file, bool functions, GError **error);

/* The known name closest to a misspelt one, or null if none is close. `names` ends with null. */
const char *pb_closest_name(const char *name, const char *const *names);

#endif
