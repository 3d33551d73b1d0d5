/* Collected errors and warnings: see diag.h. */
#include <core/machine/diag.h>
#include <core/plugin/plugin_host.h>

typedef struct diag {
    pb_mark mark;
    unsigned file_order, sequence;
    bool warning;
    char *text;
} diag;

struct pb_diags {
    GArray *items;    /* diag */
    GPtrArray *files; /* interned names, in order of appearance */
    GHashTable *seen; /* the lines that are there already */
    unsigned errors;
};

static void clear_item(gpointer item)
{
    g_free(((diag *)item)->text);
}

pb_mark pb_mark_option(const char *option)
{
    return (pb_mark){ .file = g_intern_string(option) };
}

pb_diags *pb_diags_new(void)
{
    pb_diags *diags = g_new0(pb_diags, 1);

    diags->items = g_array_new(FALSE, TRUE, sizeof(diag));
    g_array_set_clear_func(diags->items, clear_item);
    diags->files = g_ptr_array_new();
    diags->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return diags;
}

void pb_diags_free(pb_diags *diags)
{
    if (!diags)
        return;
    g_array_unref(diags->items);
    g_ptr_array_unref(diags->files);
    g_hash_table_unref(diags->seen);
    g_free(diags);
}

static unsigned file_order(pb_diags *diags, const char *file)
{
    guint index;

    if (!g_ptr_array_find(diags->files, file, &index)) {
        index = diags->files->len;
        g_ptr_array_add(diags->files, (gpointer)file);
    }
    return index + 1;
}

const char *pb_diags_file(pb_diags *diags, const char *file)
{
    file = g_intern_string(file);
    file_order(diags, file);
    return file;
}

static char *line_text(const diag *item)
{
    const char *kind = item->warning ? "warning: " : "";

    if (item->mark.line == 0)
        return g_strdup_printf("%s: %s%s", item->mark.file, kind, item->text);
    return g_strdup_printf("%s:%u:%u: %s%s", item->mark.file, item->mark.line, item->mark.column,
                           kind, item->text);
}

static void add(pb_diags *diags, bool warning, pb_mark mark, const char *format, va_list args)
{
    diag item = { .mark = mark, .warning = warning, .sequence = diags->items->len };

    item.text = g_strdup_vprintf(format, args);
    if (!g_hash_table_add(diags->seen, line_text(&item))) {
        g_free(item.text);
        return;
    }
    item.file_order = mark.line == 0 ? 0 : file_order(diags, mark.file);
    g_array_append_val(diags->items, item);
    diags->errors += !warning;
}

void pb_diag_error(pb_diags *diags, pb_mark mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(diags, false, mark, format, args);
    va_end(args);
}

void pb_diag_warning(pb_diags *diags, pb_mark mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(diags, true, mark, format, args);
    va_end(args);
}

unsigned pb_diags_errors(const pb_diags *diags)
{
    return diags->errors;
}

unsigned pb_diags_warnings(const pb_diags *diags)
{
    return diags->items->len - diags->errors;
}

static int compare(gconstpointer first, gconstpointer second)
{
    const diag *a = first, *b = second;

    if (a->file_order != b->file_order)
        return a->file_order < b->file_order ? -1 : 1;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column)
        return a->mark.column < b->mark.column ? -1 : 1;
    return a->sequence < b->sequence ? -1 : 1;
}

char *pb_diags_text(pb_diags *diags)
{
    GString *text = g_string_new(NULL);

    g_array_sort(diags->items, compare);
    for (guint i = 0; i < diags->items->len; i++) {
        g_autofree char *line = line_text(&g_array_index(diags->items, diag, i));

        g_string_append(text, line);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

char *pb_did_you_mean(const char *name, const char *const *names)
{
    const char *closest = pb_closest_name(name, names);

    return closest ? g_strdup_printf("; did you mean '%s'?", closest) : g_strdup("");
}
