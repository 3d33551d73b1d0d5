/* Collected errors and warnings: see diag.h. */
#include <core/machine/diag.h>
#include <core/plugin/plugin_host.h>
#include <stdbool.h>

#define MAX_LINE  2000u /* bytes; longer ones are cut */
#define MAX_LINES 100u  /* of errors and of warnings; the rest are counted */

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

char *pb_printable(const char *text)
{
    GString *result = g_string_new(NULL);
    int bytes;

    for (const char *at = text; *at && result->len < MAX_LINE; at += bytes) {
        gunichar c = g_utf8_get_char_validated(at, -1);
        bool valid = c < (gunichar)-2;

        bytes = valid ? g_utf8_next_char(at) - at : 1;
        if (valid && !g_unichar_iscntrl(c))
            g_string_append_len(result, at, bytes);
        else
            for (int i = 0; i < bytes; i++)
                g_string_append_printf(result, "\\x%02x", (guchar)at[i]);
    }
    if (result->len >= MAX_LINE)
        g_string_append(result, "...");
    return g_string_free(result, FALSE);
}

static char *line_text(const diag *item)
{
    const char *kind = item->warning ? "warning: " : "";
    g_autofree char *place =
        item->mark.line == 0
            ? g_strdup(item->mark.file)
            : g_strdup_printf("%s:%u:%u", item->mark.file, item->mark.line, item->mark.column);
    g_autofree char *line = g_strdup_printf("%s: %s%s", place, kind, item->text);

    return pb_printable(line);
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

static void count_rest(GString *text, unsigned shown, const char *what)
{
    if (shown > MAX_LINES)
        g_string_append_printf(text, "and %u more %s\n", shown - MAX_LINES, what);
}

char *pb_diags_text(pb_diags *diags)
{
    GString *text = g_string_new(NULL);
    unsigned shown[2] = { 0, 0 }; /* errors, warnings */

    g_array_sort(diags->items, compare);
    for (guint i = 0; i < diags->items->len; i++) {
        const diag *item = &g_array_index(diags->items, diag, i);
        g_autofree char *line = line_text(item);

        if (shown[item->warning]++ < MAX_LINES)
            g_string_append_printf(text, "%s\n", line);
    }
    count_rest(text, shown[0], "errors");
    count_rest(text, shown[1], "warnings");
    return g_string_free(text, FALSE);
}

char *pb_did_you_mean(const char *name, const char *const *names)
{
    const char *closest = pb_closest_name(name, names);

    return closest ? g_strdup_printf("; did you mean '%s'?", closest) : g_strdup("");
}
