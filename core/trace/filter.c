/* Which units the log shows: `--log-filter`. */
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <string.h>

typedef struct range {
    uint64_t first, last;
} range;

static GArray *ranges; /* null: all */

static bool read_number(const char *text, const char **end, uint64_t *value)
{
    char *behind;

    if (!g_ascii_isdigit(*text))
        return false;
    *value = g_ascii_strtoull(text, &behind, 0);
    *end = behind;
    return true;
}

/* "0x1000", "0x1000-0x1fff" or a symbol. */
static bool read_range(const char *text, range *r)
{
    const char *end;

    if (!read_number(text, &end, &r->first))
        return pb_symbols_find(text, &r->first, &r->last);
    r->last = r->first;
    if (*end == '-' && !read_number(end + 1, &end, &r->last))
        return false;
    return *end == '\0' && r->first <= r->last;
}

static bool is_no_range(const char *word, GError **error)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--log-filter: '%s' is neither an address, nor a range FIRST-LAST, nor a symbol of "
                "a file given by --symbols",
                word);
    return false;
}

bool pb_trace_filter(const char *list, GError **error)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    if (!ranges)
        ranges = g_array_new(FALSE, FALSE, sizeof(range));
    if (!*words)
        return is_no_range("", error);
    for (char **word = words; *word; word++) {
        range r;

        if (!read_range(*word, &r))
            return is_no_range(*word, error);
        g_array_append_val(ranges, r);
    }
    return true;
}

void pb_trace_filter_reset(void)
{
    g_clear_pointer(&ranges, g_array_unref);
}

static bool is_in(uint64_t pc)
{
    for (guint i = 0; i < ranges->len; i++) {
        const range *r = &g_array_index(ranges, range, i);

        if (pc >= r->first && pc <= r->last)
            return true;
    }
    return false;
}

bool pb_trace_has(const ir_unit *unit)
{
    if (!ranges)
        return true;
    for (uint32_t i = 0; i < unit->n_marks; i++)
        if (is_in(unit->marks[i].pc))
            return true;
    return false;
}
