/* Machine files on disk: see source.h. */
#include <core/machine/source.h>
#include <core/plugin/plugin_host.h>
#include <core/util/file.h>
#include <core/util/places.h>
#include <string.h>

typedef struct loader {
    pb_yaml *yaml;
    pb_diags *diags;
    GPtrArray *open; /* canonical names of the files that are being read: a chain of includes */
    unsigned files;
} loader;

static pb_yaml_node *load_file(loader *l, const char *file, const pb_yaml_node *blame);

/* ---- machines that are linked in --------------------------------------------------------------- */

#define LINKED_IN "(linked in)/"

static const pb_source_text *preloaded;

void pb_source_preload(const pb_source_text *texts)
{
    preloaded = texts;
}

/* Null: there is none. */
static const char *find_preloaded(const char *name, size_t length)
{
    for (const pb_source_text *row = preloaded; row && row->name; row++) {
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return row->text;
    }
    return NULL;
}

/* The opposite of the name that pb_source_find() makes; null: it is another file. */
static const char *preloaded_text(const char *file)
{
    const char *name = file + strlen(LINKED_IN);

    return g_str_has_prefix(file, LINKED_IN) && g_str_has_suffix(name, ".yaml")
               ? find_preloaded(name, strlen(name) - strlen(".yaml"))
               : NULL;
}

/* ---- the machine path ------------------------------------------------------------------------ */

static bool is_path(const char *name)
{
    return strchr(name, '/') || g_str_has_suffix(name, ".yaml") || g_str_has_suffix(name, ".yml");
}

char **pb_source_path(void)
{
    GStrvBuilder *path = g_strv_builder_new();
    const char *environment = g_getenv("PATCHBAY_MACHINE_PATH");
    g_auto(GStrv) listed = g_strsplit(environment ? environment : "", ":", -1);
    g_autofree char *user = g_build_filename(g_get_user_data_dir(), "patchbay", "machines", NULL);
    g_autofree char *build = pb_build_tree_folder("machines");
    g_autofree char *installed = pb_installed_folder(PB_MACHINE_DIR);
    char **result;

    for (char **directory = listed; *directory; directory++) {
        if (**directory)
            g_strv_builder_add(path, *directory);
    }
    g_strv_builder_add(path, user);
    if (build)
        g_strv_builder_add(path, build);
    g_strv_builder_add(path, installed);
    result = g_strv_builder_end(path);
    g_strv_builder_unref(path);
    return result;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **pb_source_list(void)
{
    g_auto(GStrv) path = pb_source_path();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *sorted = g_ptr_array_new();
    GHashTableIter iter;
    gpointer name;

    for (const pb_source_text *row = preloaded; row && row->name; row++)
        g_hash_table_add(names, g_strdup(row->name));
    for (char **directory = path; *directory; directory++) {
        g_autoptr(GDir) dir = g_dir_open(*directory, 0, NULL);
        const char *file;

        while (dir && (file = g_dir_read_name(dir))) {
            if (g_str_has_suffix(file, ".yaml"))
                g_hash_table_add(names, g_strndup(file, strlen(file) - strlen(".yaml")));
        }
    }
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_ptr_array_add(sorted, g_strdup(name));
    g_ptr_array_sort(sorted, compare_names);
    g_ptr_array_add(sorted, NULL);
    return (char **)g_ptr_array_free(sorted, FALSE);
}

char *pb_source_find(const char *name, const char *directory, char **hint)
{
    g_auto(GStrv) path = NULL;
    g_auto(GStrv) known = NULL;

    *hint = NULL;
    if (is_path(name)) {
        if (!directory || strcmp(directory, ".") == 0 || g_path_is_absolute(name))
            return g_strdup(name);
        return g_build_filename(directory, name, NULL);
    }
    if (find_preloaded(name, strlen(name)))
        return g_strconcat(LINKED_IN, name, ".yaml", NULL);
    path = pb_source_path();
    for (char **at = path; *at; at++) {
        g_autofree char *leaf = g_strconcat(name, ".yaml", NULL);
        g_autofree char *file = g_build_filename(*at, leaf, NULL);

        if (g_file_test(file, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&file);
    }
    known = pb_source_list();
    *hint = pb_did_you_mean(name, (const char *const *)known);
    return NULL;
}

/* ---- merging --------------------------------------------------------------------------------- */

static pb_yaml_node *merge(loader *l, pb_yaml_node *base, pb_yaml_node *over);

static bool can_merge(const pb_yaml_node *base, const pb_yaml_node *over)
{
    return base->kind == PB_YAML_MAPPING && over->kind == PB_YAML_MAPPING && !over->replace;
}

/* The value of an overriding entry, `base` being what it overrides or null. Null: the key goes. */
static pb_yaml_node *merge_value(loader *l, const pb_yaml_entry *over, pb_yaml_node *base)
{
    pb_yaml_node *value = over->value;

    if (pb_yaml_is_null(value)) {
        if (!base)
            pb_diag_error(
                l->diags, over->key->mark,
                "'%s' has no value; null deletes what an included file has, and none has it",
                over->key->text);
        return NULL;
    }
    if (base && can_merge(base, value))
        return merge(l, base, value);
    if (base && base->kind == PB_YAML_SEQUENCE && value->kind == PB_YAML_SEQUENCE &&
        !value->replace && strcmp(over->key->text, "asserts") == 0)
        return pb_yaml_join(l->yaml, base, value);
    if (value->kind == PB_YAML_MAPPING)
        return merge(l, pb_yaml_mapping(l->yaml, value->mark), value);
    return value;
}

/* Both are mappings; a new one. */
static pb_yaml_node *merge(loader *l, pb_yaml_node *base, pb_yaml_node *over)
{
    pb_yaml_node *merged = pb_yaml_mapping(l->yaml, over->mark);

    for (unsigned i = 0; i < base->n_entries; i++) {
        const pb_yaml_entry *entry = &base->entries[i];
        const pb_yaml_entry *by = pb_yaml_find(over, entry->key->text);
        pb_yaml_node *value = by ? merge_value(l, by, entry->value) : entry->value;

        if (value)
            pb_yaml_add(l->yaml, merged, by ? by->key : entry->key, value);
    }
    for (unsigned i = 0; i < over->n_entries; i++) {
        const pb_yaml_entry *entry = &over->entries[i];
        pb_yaml_node *value;

        if (pb_yaml_find(base, entry->key->text))
            continue;
        value = merge_value(l, entry, NULL);
        if (value)
            pb_yaml_add(l->yaml, merged, entry->key, value);
    }
    return merged;
}

/* ---- loading --------------------------------------------------------------------------------- */

static pb_yaml_node *include(loader *l, pb_yaml_node *base, const pb_yaml_node *name,
                             const char *from)
{
    g_autofree char *directory = g_path_get_dirname(from);
    g_autofree char *hint = NULL;
    g_autofree char *file = NULL;
    pb_yaml_node *included;

    if (name->kind != PB_YAML_SCALAR || !*name->text) {
        pb_diag_error(l->diags, name->mark, "a machine's name or a file is expected, this is %s",
                      pb_yaml_kind_name(name));
        return NULL;
    }
    file = pb_source_find(name->text, directory, &hint);
    if (!file) {
        pb_diag_error(l->diags, name->mark, "there is no machine '%s'%s", name->text, hint);
        return NULL;
    }
    included = load_file(l, file, name);
    return included ? merge(l, base, included) : NULL;
}

/* The files that `root` includes, merged; an empty mapping if there are none, null after errors. */
static pb_yaml_node *load_includes(loader *l, const pb_yaml_node *root, const char *file)
{
    const pb_yaml_node *names = pb_yaml_get(root, "include");
    pb_yaml_node *base = pb_yaml_mapping(l->yaml, root->mark);

    if (!names)
        return base;
    if (names->kind == PB_YAML_SCALAR)
        return include(l, base, names, file);
    if (names->kind == PB_YAML_MAPPING) {
        pb_diag_error(l->diags, names->mark,
                      "a file or a list of files is expected, this is a mapping");
        return NULL;
    }
    for (unsigned i = 0; base && i < names->n_entries; i++)
        base = include(l, base, names->entries[i].value, file);
    return base;
}

static pb_yaml_node *without_include(loader *l, const pb_yaml_node *root)
{
    pb_yaml_node *rest = pb_yaml_mapping(l->yaml, root->mark);

    for (unsigned i = 0; i < root->n_entries; i++) {
        if (strcmp(root->entries[i].key->text, "include") != 0)
            pb_yaml_add(l->yaml, rest, root->entries[i].key, root->entries[i].value);
    }
    return rest;
}

static pb_yaml_node *load_text(loader *l, const char *file, const char *text, gsize length)
{
    pb_yaml_node *root = pb_yaml_parse(l->yaml, file, text, length, l->diags);
    pb_yaml_node *base;

    if (!root)
        return NULL;
    if (root->kind != PB_YAML_MAPPING) {
        pb_diag_error(l->diags, root->mark,
                      "a machine is a mapping (machine:, cpus:, ...), this is %s",
                      pb_yaml_kind_name(root));
        return NULL;
    }
    base = load_includes(l, root, file);
    return base ? merge(l, base, without_include(l, root)) : NULL;
}

/* `blame` is the scalar that names the file, null for the first file. */
static pb_yaml_node *load_file(loader *l, const char *file, const pb_yaml_node *blame)
{
    g_autofree char *canonical = g_canonicalize_filename(file, NULL);
    const char *inside = preloaded_text(file);
    g_autofree char *text = g_strdup(inside);
    g_autoptr(GError) error = NULL;
    pb_mark mark = blame ? blame->mark : pb_mark_option(file);
    gsize length = inside ? strlen(inside) : 0;
    pb_yaml_node *root;

    if (g_ptr_array_find_with_equal_func(l->open, canonical, g_str_equal, NULL)) {
        pb_diag_error(l->diags, mark, "'%s' includes itself", file);
        return NULL;
    }
    if (++l->files > PB_SOURCE_MAX_FILES) {
        pb_diag_error(l->diags, mark, "more than %u files", PB_SOURCE_MAX_FILES);
        return NULL;
    }
    if (!inside && !pb_file_read(file, PB_YAML_MAX_BYTES, &text, &length, &error)) {
        pb_diag_error(l->diags, mark, "%s", error->message);
        return NULL;
    }
    g_ptr_array_add(l->open, canonical);
    root = load_text(l, file, text, length);
    g_ptr_array_remove_index(l->open, l->open->len - 1);
    return root;
}

pb_yaml_node *pb_source_load(pb_yaml *yaml, const char *file, pb_diags *diags)
{
    loader l = { .yaml = yaml, .diags = diags, .open = g_ptr_array_new() };
    pb_yaml_node *root = load_file(&l, file, NULL);

    g_ptr_array_unref(l.open);
    return root;
}
