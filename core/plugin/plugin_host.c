/*
 * Finding and opening plugins. libltdl walks the search path and serves modules that are linked into the
 * program; GModule opens shared objects, with local binding and every symbol resolved at once, so that a plugin
 * that lacks something fails here and not in the middle of a run.
 */
#include <core/plugin/plugin_host.h>

#include <core/plugin/elf_file.h>
#include <core/plugin/manifest.h>
#include <core/util/places.h>
#include <dlfcn.h>
#include <gmodule.h>
#include <link.h>
#include <unistd.h>

#define LINKED_IN "(linked in)"

/* One opened, or only described, plugin. */
typedef struct entry {
    GModule *module;       /* of a file */
    lt_dlhandle preloaded; /* of a module that is linked in */
    pb_manifest *manifest; /* of a described one */
    const pb_plugin *plugin;
} entry;

struct pb_plugin_host {
    GPtrArray *path;       /* directories, ends with null */
    GHashTable *opened;    /* file name, or id of a preloaded module -> entry */
    GHashTable *described; /* the same */
};

static const lt_dlsymlist *preloaded_modules;

G_DEFINE_QUARK(pb - plugin - error, pb_plugin_error)

/* Set the error; always null, so that a failing function ends in `return fail(...)`. */
static G_GNUC_PRINTF(3, 4) void *fail(GError **error, pb_plugin_error code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(PB_PLUGIN_ERROR, code, format, args));
    va_end(args);
    return NULL;
}

/* ---- search path --------------------------------------------------------------------------------- */

static void add_directories(GPtrArray *path, const char *list)
{
    g_auto(GStrv) directories = g_strsplit(list, G_SEARCHPATH_SEPARATOR_S, -1);

    for (char **directory = directories; *directory; directory++)
        if (**directory)
            g_ptr_array_add(path, g_strdup(*directory));
}

static void add_default_path(GPtrArray *path)
{
    const char *environment = g_getenv("PATCHBAY_PLUGIN_PATH");
    char *build = pb_build_tree_folder("plugins");

    if (environment)
        add_directories(path, environment);
    g_ptr_array_add(path, g_build_filename(g_get_user_data_dir(), "patchbay", "plugins", NULL));
    if (build)
        g_ptr_array_add(path, build);
    g_ptr_array_add(path, pb_installed_folder(PB_PLUGIN_DIR));
}

const char *const *pb_plugin_host_path(const pb_plugin_host *host)
{
    return (const char *const *)host->path->pdata;
}

static char *path_text(const pb_plugin_host *host)
{
    return g_strjoinv(", ", (char **)host->path->pdata);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void entry_free(gpointer data)
{
    entry *e = data;

    if (e->module)
        g_module_close(e->module);
    if (e->preloaded)
        lt_dlclose(e->preloaded);
    pb_manifest_free(e->manifest);
    g_free(e);
}

void pb_plugin_host_preload(const lt_dlsymlist *modules)
{
    preloaded_modules = modules;
}

pb_plugin_host *pb_plugin_host_new(const char *path)
{
    pb_plugin_host *host = g_new0(pb_plugin_host, 1);

    /* libltdl counts its users; it only fails where it cannot allocate. */
    if (lt_dlinit() != 0)
        g_error("libltdl: %s", lt_dlerror());
    if (preloaded_modules && lt_dlpreload(preloaded_modules) != 0)
        g_error("libltdl: %s", lt_dlerror());
    host->path = g_ptr_array_new_with_free_func(g_free);
    host->opened = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    host->described = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    if (path)
        add_directories(host->path, path);
    else
        add_default_path(host->path);
    g_ptr_array_add(host->path, NULL);
    return host;
}

void pb_plugin_host_free(pb_plugin_host *host)
{
    if (!host)
        return;
    g_hash_table_unref(host->described);
    g_hash_table_unref(host->opened);
    g_ptr_array_unref(host->path);
    g_free(host);
    lt_dlexit();
}

/* ---- finding ------------------------------------------------------------------------------------- */

/* libltdl's name of a preloaded module: that of its archive, with `_` for what is no letter or digit. */
static char *archive_name(const char *id)
{
    char *name = g_strconcat(id, ".a", NULL);

    for (char *c = name; c < name + strlen(id); c++)
        if (!g_ascii_isalnum(*c))
            *c = '_';
    return name;
}

static bool is_preloaded(const char *id)
{
    g_autofree char *name = archive_name(id);

    for (const lt_dlsymlist *row = preloaded_modules; row && row->name; row++)
        if (!row->address && strcmp(row->name, name) == 0)
            return true;
    return false;
}

static char *find_file(const pb_plugin_host *host, const char *id)
{
    g_autofree char *name = g_strconcat(id, "." G_MODULE_SUFFIX, NULL);

    for (const char *const *directory = pb_plugin_host_path(host); *directory; directory++) {
        g_autofree char *file = g_build_filename(*directory, name, NULL);

        if (g_file_test(file, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&file);
    }
    return NULL;
}

char *pb_plugin_host_find(pb_plugin_host *host, const char *id)
{
    return is_preloaded(id) ? g_strdup(LINKED_IN) : find_file(host, id);
}

/* libltdl hands over each file of the path once, without its suffix. */
static int note_file(const char *stem, lt_ptr data)
{
    g_autofree char *id = g_path_get_basename(stem);
    g_autofree char *file = g_strconcat(stem, "." G_MODULE_SUFFIX, NULL);

    if (pb_kind_of_plugin(id) && !g_hash_table_contains(data, id) &&
        g_file_test(file, G_FILE_TEST_EXISTS))
        g_hash_table_add(data, g_steal_pointer(&id));
    return 0;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **pb_plugin_host_list(pb_plugin_host *host)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer id;

    for (const lt_dlsymlist *row = preloaded_modules; row && row->name; row++)
        if (row->address)
            g_hash_table_add(ids, g_strdup(((const pb_plugin *)row->address)->id));
    for (const char *const *directory = pb_plugin_host_path(host); *directory; directory++)
        if (g_file_test(*directory, G_FILE_TEST_IS_DIR))
            lt_dlforeachfile(*directory, note_file, ids);

    g_hash_table_iter_init(&iter, ids);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_ptr_array_add(list, id);
    g_ptr_array_sort(list, compare_names);
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

/* Behind the kind of a plugin's id: "pl011" of "dev-pl011". */
static const char *name_in(const char *id)
{
    const char *dash = strchr(id, '-');

    return dash ? dash + 1 : id;
}

/* "; did you mean dev-pl011?" for a plugin that is not there: one of that name and another kind, or of the same
 * kind and almost that name; else "". */
static char *suggestion(pb_plugin_host *host, const char *id)
{
    g_auto(GStrv) ids = pb_plugin_host_list(host);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    int kind = (int)(name_in(id) - id);
    const char *closest;

    for (char **other = ids; *other; other++) {
        if (strcmp(name_in(*other), name_in(id)) == 0)
            return g_strdup_printf("; did you mean %s?", *other);
        if (strncmp(*other, id, (size_t)kind) == 0)
            g_ptr_array_add(names, *other + kind);
    }
    g_ptr_array_add(names, NULL);
    closest = pb_closest_name(id + kind, (const char *const *)names->pdata);
    return closest ? g_strdup_printf("; did you mean %.*s%s?", kind, id, closest) : g_strdup("");
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* Bytes of the object at an address, as the shared object's symbol table has it; 0 if it is not told. */
static size_t symbol_bytes(const void *address)
{
    const ElfW(Sym) *symbol = NULL;
    Dl_info info;

    if (!dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
        return 0;
    return symbol->st_size;
}

/* What must be right before any other member is looked at. */
static bool check_entry(const pb_plugin *plugin, const char *file, const char *id, GError **error)
{
    size_t bytes = symbol_bytes(plugin);

    if (bytes && bytes < offsetof(pb_plugin, id))
        return fail(error, PB_PLUGIN_ERROR_ABI, "%s: " PB_PLUGIN_SYMBOL " has only %zu bytes", file,
                    bytes);
    if (plugin->abi_major != PB_ABI_MAJOR)
        return fail(error, PB_PLUGIN_ERROR_ABI,
                    "%s: built for version %u.%u of the plugin ABI, this program has %u.%u", file,
                    plugin->abi_major, plugin->abi_minor, PB_ABI_MAJOR, PB_ABI_MINOR);
    if (plugin->size < sizeof(pb_plugin) || (bytes && plugin->size > bytes))
        return fail(error, PB_PLUGIN_ERROR_ABI,
                    "%s: " PB_PLUGIN_SYMBOL
                    " says that it has %u bytes, it has %zu, ABI %u.%u needs %zu",
                    file, plugin->size, bytes, PB_ABI_MAJOR, PB_ABI_MINOR, sizeof(pb_plugin));
    if (!plugin->id || strcmp(plugin->id, id) != 0)
        return fail(error, PB_PLUGIN_ERROR_INVALID,
                    "%s: calls itself '%s', must be '%s' as the file", file,
                    plugin->id ? plugin->id : "", id);
    return pb_plugin_check(plugin, file, true, error);
}

/* The dynamic linker's reason, without the name of the file if it begins with that. */
static const char *open_reason(const char *file, const GError *error)
{
    const char *reason = error->message;

    while (g_str_has_prefix(reason, file) && g_str_has_prefix(reason + strlen(file), ": "))
        reason += strlen(file) + 2;
    return reason;
}

static const pb_plugin *remember(GHashTable *table, const char *key, entry *e)
{
    g_hash_table_insert(table, g_strdup(key), e);
    return e->plugin;
}

static char *id_of_file(const char *file)
{
    char *id = g_path_get_basename(file);

    if (g_str_has_suffix(id, "." G_MODULE_SUFFIX))
        id[strlen(id) - strlen("." G_MODULE_SUFFIX)] = '\0';
    return id;
}

const pb_plugin *pb_plugin_host_open_file(pb_plugin_host *host, const char *file, GError **error)
{
    entry *e = g_hash_table_lookup(host->opened, file);
    g_autofree char *id = id_of_file(file);
    g_autofree char *absolute = g_canonicalize_filename(file, NULL);
    g_autoptr(GError) reason = NULL;
    GModule *module;
    gpointer symbol;

    if (e)
        return e->plugin;
    if (!pb_elf_check(file, NULL, error))
        return NULL;
    /* Without a slash the dynamic linker would look elsewhere, so the name is absolute. */
    module = g_module_open_full(absolute, G_MODULE_BIND_LOCAL, &reason);
    if (!module)
        return fail(error, PB_PLUGIN_ERROR_LOAD, "%s: cannot be opened: %s", file,
                    open_reason(absolute, reason));
    if (!g_module_symbol(module, PB_PLUGIN_SYMBOL, &symbol) || !symbol) {
        g_module_close(module);
        return fail(error, PB_PLUGIN_ERROR_ABI,
                    "%s: not a Patchbay plugin: it has no symbol " PB_PLUGIN_SYMBOL, file);
    }
    if (!check_entry(symbol, file, id, error)) {
        g_module_close(module);
        return NULL;
    }
    e = g_new0(entry, 1);
    e->module = module;
    e->plugin = symbol;
    return remember(host->opened, file, e);
}

static const pb_plugin *open_preloaded(pb_plugin_host *host, const char *id, GError **error)
{
    entry *e = g_hash_table_lookup(host->opened, id);
    lt_dladvise advise;
    lt_dlhandle handle;
    const pb_plugin *plugin;

    if (e)
        return e->plugin;
    if (lt_dladvise_init(&advise) != 0 || lt_dladvise_preload(&advise) != 0)
        g_error("libltdl: %s", lt_dlerror());
    handle = lt_dlopenadvise(id, advise);
    lt_dladvise_destroy(&advise);
    if (!handle)
        return fail(error, PB_PLUGIN_ERROR_LOAD, "%s %s: %s", id, LINKED_IN, lt_dlerror());
    plugin = lt_dlsym(handle, PB_PLUGIN_SYMBOL);
    if (!plugin || !check_entry(plugin, id, id, error)) {
        if (!plugin)
            fail(error, PB_PLUGIN_ERROR_ABI, "%s %s: no symbol " PB_PLUGIN_SYMBOL, id, LINKED_IN);
        lt_dlclose(handle);
        return NULL;
    }
    e = g_new0(entry, 1);
    e->preloaded = handle;
    e->plugin = plugin;
    return remember(host->opened, id, e);
}

const pb_plugin *pb_plugin_host_open(pb_plugin_host *host, const char *id, GError **error)
{
    g_autofree char *file = NULL;
    g_autofree char *path = NULL;
    g_autofree char *hint = NULL;

    if (is_preloaded(id))
        return open_preloaded(host, id, error);
    file = find_file(host, id);
    if (file)
        return pb_plugin_host_open_file(host, file, error);
    path = path_text(host);
    hint = suggestion(host, id);
    return fail(error, PB_PLUGIN_ERROR_MISSING, "no plugin %s." G_MODULE_SUFFIX " in %s%s", id,
                *path ? path : "an empty search path", hint);
}

/* ---- describing ---------------------------------------------------------------------------------- */

const pb_plugin *pb_plugin_host_describe_plugin(pb_plugin_host *host, const char *id,
                                                GError **error)
{
    entry *e = g_hash_table_lookup(host->described, id);
    g_autofree char *file = NULL;
    pb_manifest *manifest;

    if (e)
        return e->plugin;
    file = is_preloaded(id) ? NULL : find_file(host, id);
    manifest = file ? pb_manifest_read(file) : NULL;
    if (!manifest)
        return pb_plugin_host_open(host, id, error);
    e = g_new0(entry, 1);
    e->manifest = manifest;
    e->plugin = pb_manifest_plugin(manifest);
    return remember(host->described, id, e);
}

/* ---- types --------------------------------------------------------------------------------------- */

static bool is_type_text(const char *text)
{
    bool slash = false;

    for (const char *c = text; *c; c++) {
        if (*c == '/' && !slash && c > text && c[1])
            slash = true;
        else if (!g_ascii_isalnum(*c) && !strchr("-_.", *c))
            return false;
    }
    return g_ascii_isalnum(*text);
}

static char *type_names(const pb_plugin *plugin, pb_kind kind, GPtrArray *names)
{
    for (const pb_class *const *class = plugin->types; *class; class ++)
        if ((*class)->kind == kind)
            g_ptr_array_add(names, (gpointer)(*class)->name);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}

static const pb_class *find_type(const pb_plugin *plugin, pb_kind kind, const char *name,
                                 GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autofree char *list = NULL;
    const char *closest;

    for (const pb_class *const *class = plugin->types; *class; class ++)
        if ((*class)->kind == kind && strcmp((*class)->name, name) == 0)
            return *class;
    list = type_names(plugin, kind, names);
    closest = pb_closest_name(name, (const char *const *)names->pdata);
    return fail(error, PB_PLUGIN_ERROR_MISSING, "plugin %s has no %s type '%s'%s%s%s%s%s",
                plugin->id, pb_kind_name(kind), name, *list ? "; it has " : "", list,
                closest ? "; did you mean '" : "", closest ? closest : "", closest ? "'?" : "");
}

static const pb_class *lookup(pb_plugin_host *host, pb_kind kind, const char *type, bool describe,
                              GError **error)
{
    const char *slash = strchr(type, '/');
    g_autofree char *stem = slash ? g_strndup(type, (gsize)(slash - type)) : g_strdup(type);
    g_autofree char *id = NULL;
    const pb_plugin *plugin;

    g_return_val_if_fail(pb_kind_prefix(kind), NULL);
    if (!is_type_text(type))
        return fail(error, PB_PLUGIN_ERROR_NAME,
                    "'%s' is no type; a type is written NAME or PLUGIN/NAME", type);
    id = g_strconcat(pb_kind_prefix(kind), "-", stem, NULL);
    plugin = describe ? pb_plugin_host_describe_plugin(host, id, error)
                      : pb_plugin_host_open(host, id, error);
    return plugin ? find_type(plugin, kind, slash ? slash + 1 : type, error) : NULL;
}

const pb_class *pb_plugin_host_type(pb_plugin_host *host, pb_kind kind, const char *type,
                                    GError **error)
{
    return lookup(host, kind, type, false, error);
}

const pb_class *pb_plugin_host_describe(pb_plugin_host *host, pb_kind kind, const char *type,
                                        GError **error)
{
    return lookup(host, kind, type, true, error);
}
