/* The log and trace events: see trace.h. */
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_TEXTS 8192u /* different texts whose repetitions are counted */

/* A pattern of events. */
typedef struct trace_pattern {
    GPatternSpec *spec;
    char *text;
    bool is_asked; /* by the user, by itself: --trace, not an item of the log */
    bool is_met;   /* an event matched */
} trace_pattern;

static struct {
    GMutex lock;
    FILE *file; /* null: standard error */
    uint32_t items;
    GPtrArray *patterns; /* trace_pattern */
    GHashTable *events;  /* name -> whether it is on: a cache over the patterns */
    GHashTable *counts;  /* "path: text" -> times */
    bool tracing;        /* there are patterns; read without the lock */
} sink;

static const struct {
    const char *name;
    uint32_t item;
} items[] = {
    { "guest", PB_LOG_ITEM_GUEST }, { "unimp", PB_LOG_ITEM_UNIMP },
    { "int", PB_LOG_ITEM_INT },     { "mmio", PB_LOG_ITEM_MMIO },
    { "exec", PB_LOG_ITEM_EXEC },   { "in_asm", PB_LOG_ITEM_IN_ASM },
    { "ir", PB_LOG_ITEM_IR },       { "passes", PB_LOG_ITEM_PASSES },
    { "code", PB_LOG_ITEM_CODE },   { "info", PB_LOG_ITEM_INFO },
};

/* ---- setup ----------------------------------------------------------------------------------- */

bool pb_trace_open(const char *file, GError **error)
{
    FILE *opened = NULL;

    if (file) {
        opened = fopen(file, "we");
        if (!opened) {
            int number = errno;

            g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number),
                        "cannot write the log '%s': %s", file, g_strerror(number));
            return false;
        }
    }
    pb_trace_close(NULL);
    sink.file = opened;
    return true;
}

/* A pattern with a mistake in it must not look like a machine in which nothing happens. */
static void warn_of_unmet_patterns(void)
{
    for (unsigned i = 0; sink.patterns && i < sink.patterns->len; i++) {
        trace_pattern *pattern = g_ptr_array_index(sink.patterns, i);

        if (pattern->is_asked && !pattern->is_met)
            pb_trace_line("warning: no event of this run matches the pattern '%s'", pattern->text);
        pattern->is_met = true;
    }
}

bool pb_trace_close(GError **error)
{
    bool failed;

    warn_of_unmet_patterns();
    failed = sink.file && ferror(sink.file);
    errno = 0; /* ferror() does not tell which it was */
    if (sink.file && fclose(sink.file) != 0)
        failed = true;
    sink.file = NULL;
    if (failed)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "the log is not complete%s%s",
                    errno ? ": " : "", errno ? g_strerror(errno) : "");
    return !failed;
}

static uint32_t find_item(const char *word)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++) {
        if (strcmp(items[i].name, word) == 0)
            return items[i].item;
    }
    return 0;
}

static bool unknown_item(const char *word, GError **error)
{
    g_autoptr(GString) all = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(items); i++)
        g_string_append_printf(all, "%s%s", i > 0 ? ", " : "", items[i].name);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "there is no log item '%s'; there are %s", word, all->str);
    return false;
}

static void free_pattern(gpointer data)
{
    trace_pattern *pattern = data;

    g_pattern_spec_free(pattern->spec);
    g_free(pattern->text);
    g_free(pattern);
}

static void add_patterns(const char *list, bool are_asked)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    if (!sink.patterns) {
        sink.patterns = g_ptr_array_new_with_free_func(free_pattern);
        sink.events = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    g_hash_table_remove_all(sink.events);
    for (char **word = words; *word; word++) {
        trace_pattern *pattern;

        if (!**word)
            continue;
        pattern = g_new0(trace_pattern, 1);
        pattern->spec = g_pattern_spec_new(*word);
        pattern->text = g_strdup(*word);
        pattern->is_asked = are_asked;
        g_ptr_array_add(sink.patterns, pattern);
    }
    sink.tracing = sink.patterns->len > 0;
}

bool pb_trace_log_items(const char *list, GError **error)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    if (!*words)
        return unknown_item("", error);
    for (char **word = words; *word; word++) {
        uint32_t item = find_item(*word);

        if (!item)
            return unknown_item(*word, error);
        sink.items |= item;
        if (item == PB_LOG_ITEM_INT)
            add_patterns("*.exception,*.interrupt,*.eret", false);
    }
    return true;
}

void pb_trace_patterns(const char *list)
{
    add_patterns(list, true);
}

void pb_trace_reset(void)
{
    pb_trace_filter_reset();
    sink.items = 0;
    sink.tracing = false;
    g_clear_pointer(&sink.patterns, g_ptr_array_unref);
    g_clear_pointer(&sink.events, g_hash_table_unref);
    g_clear_pointer(&sink.counts, g_hash_table_unref);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void write_locked(const char *text)
{
    FILE *file = sink.file ? sink.file : stderr;

    fputs(text, file);
    fputc('\n', file);
}

bool pb_trace_wants(pb_log_item item)
{
    return sink.items & item;
}

void pb_trace_line(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_mutex_lock(&sink.lock);
    write_locked(text);
    g_mutex_unlock(&sink.lock);
}

static bool is_wanted(uint32_t kind)
{
    switch (kind) {
    case PB_LOG_GUEST:
        return pb_trace_wants(PB_LOG_ITEM_GUEST);
    case PB_LOG_UNIMP:
        return pb_trace_wants(PB_LOG_ITEM_UNIMP);
    case PB_LOG_INFO:
        return pb_trace_wants(PB_LOG_ITEM_INFO);
    default:
        return true;
    }
}

/* How often the line was to be written, with this time. */
static size_t count_locked(const char *line)
{
    size_t count;

    if (!sink.counts)
        sink.counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (g_hash_table_size(sink.counts) >= MAX_TEXTS)
        g_hash_table_remove_all(sink.counts);
    count = GPOINTER_TO_SIZE(g_hash_table_lookup(sink.counts, line)) + 1;
    g_hash_table_insert(sink.counts, g_strdup(line), GSIZE_TO_POINTER(count));
    return count;
}

void pb_trace_object(const char *path, uint32_t kind, const char *text)
{
    g_autoptr(GString) line = NULL;
    size_t count;

    if (!is_wanted(kind))
        return;
    line = g_string_new(NULL);
    g_string_printf(line, "%s: %s%s", path, kind == PB_LOG_WARNING ? "warning: " : "", text);
    pb_symbols_annotate(line, 0);
    g_mutex_lock(&sink.lock);
    count = count_locked(line->str);
    if (count <= 10) {
        write_locked(line->str);
    } else if ((count & (count - 1)) == 0) {
        g_autofree char *counted =
            g_strdup_printf("%s (%" G_GSIZE_FORMAT " times)", line->str, count);

        write_locked(counted);
    }
    g_mutex_unlock(&sink.lock);
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool matches_locked(const char *event)
{
    bool matches = false;

    for (unsigned i = 0; i < sink.patterns->len; i++) {
        trace_pattern *pattern = g_ptr_array_index(sink.patterns, i);

        if (g_pattern_spec_match_string(pattern->spec, event))
            matches = pattern->is_met = true;
    }
    return matches;
}

bool pb_trace_event_on(const char *event)
{
    gpointer known;
    bool on;

    if (!sink.tracing)
        return false;
    g_mutex_lock(&sink.lock);
    if (g_hash_table_lookup_extended(sink.events, event, NULL, &known)) {
        on = known != NULL;
    } else {
        on = matches_locked(event);
        g_hash_table_insert(sink.events, g_strdup(event), GINT_TO_POINTER(on));
    }
    g_mutex_unlock(&sink.lock);
    return on;
}

void pb_trace_event(const char *path, const char *event, const char *text)
{
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_printf(line, "%s: %s: %s", path, event, text);
    pb_symbols_annotate(line, 0);
    pb_trace_line("%s", line->str);
}
