/* `patchbay report missing`: what is known and not modelled, from the tables of the types; and what programs asked for. */
#include "command.h"

#include <core/device/describe.h>
#include <core/user/missing.h>
#include <stdio.h>
#include <string.h>

/* Types of one plugin that miss the same things, such as processors of one family. */
typedef struct group {
    const pb_plugin *plugin;
    GString *types; /* "arm64/cortex-a53, arm64/cortex-a57" */
    GString *gaps;  /* lines */
    unsigned count;
} group;

static void group_free(gpointer data)
{
    group *g = data;

    g_string_free(g->types, TRUE);
    g_string_free(g->gaps, TRUE);
    g_free(g);
}

static void add_type(void *opaque, const pb_plugin *plugin, const pb_class *type)
{
    GPtrArray *groups = opaque;
    g_autofree char *name = pb_type_text(plugin, type);
    g_autoptr(GString) gaps = g_string_new(NULL);
    unsigned count = pb_report_missing(type, gaps);
    group *added;

    for (unsigned i = 0; i < groups->len; i++) {
        group *g = g_ptr_array_index(groups, i);

        if (g->plugin == plugin && g_string_equal(g->gaps, gaps)) {
            g_string_append_printf(g->types, ", %s", name);
            return;
        }
    }
    if (count == 0)
        return;
    added = g_new(group, 1);
    *added = (group){ plugin, g_string_new(name), g_steal_pointer(&gaps), count };
    g_ptr_array_add(groups, added);
}

/* ---- what programs asked for ------------------------------------------------------------------ */

/* What most runs asked for first. */
static gint compare_rows(gconstpointer a, gconstpointer b)
{
    const pb_missing_row *x = *(const pb_missing_row *const *)a,
                         *y = *(const pb_missing_row *const *)b;

    if (x->runs != y->runs)
        return x->runs < y->runs ? 1 : -1;
    if (x->calls != y->calls)
        return x->calls < y->calls ? 1 : -1;
    return strcmp(x->name, y->name);
}

static int clear_programs(const char *file)
{
    g_autoptr(GError) error = NULL;

    if (!pb_missing_clear(file, &error))
        return complain(STATUS_FAILED, "report: %s", error->message);
    return STATUS_OK;
}

static int report_programs(const char *file)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) rows = pb_missing_read(file, &error);

    if (!rows)
        return complain(STATUS_FAILED, "report: %s", error->message);
    if (rows->len == 0) {
        printf("no program has asked for anything that is not there (%s)\n", file);
        return STATUS_OK;
    }
    g_ptr_array_sort(rows, compare_rows);
    printf("%8s %8s  %-36s %s\n", "runs", "times", "what", "program");
    for (guint i = 0; i < rows->len; i++) {
        const pb_missing_row *row = g_ptr_array_index(rows, i);
        g_autofree char *what = g_strdup_printf("%s %s", row->kind, row->name);
        g_autofree char *program = g_strescape(row->program, NULL);

        printf("%8" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT "  %-36s %s (%s)\n", row->runs,
               row->calls, what, program, row->architecture);
    }
    return STATUS_OK;
}

/* ---- what types do not model ------------------------------------------------------------------ */

static int report_missing(const char *only)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(group_free);
    type_visit visit = { .function = add_type, .opaque = groups };
    unsigned total = 0;

    visit_types(host, 0, only, &visit);
    if (only && visit.count + visit.unreadable == 0) {
        g_autofree char *hint = suggest_type(host, only, false);

        return complain(STATUS_USAGE, "report: there is no type '%s'%s", only, hint);
    }
    for (unsigned i = 0; i < groups->len; i++) {
        const group *g = g_ptr_array_index(groups, i);

        printf("%s: %u\n%s\n", g->types->str, g->count, g->gaps->str);
        total += g->count;
    }
    printf("%u known and not modelled\n", total);
    return visit.unreadable ? STATUS_FAILED : STATUS_OK;
}

int command_report(int argc, char **argv)
{
    gboolean programs = FALSE, clear = FALSE;
    GOptionEntry entries[] = { { "programs", 0, 0, G_OPTION_ARG_NONE, &programs,
                                 "What programs asked for, under `patchbay user`, and did not get",
                                 NULL },
                               { "clear", 0, 0, G_OPTION_ARG_NONE, &clear, "Forget that", NULL },
                               { 0 } };
    g_autofree char *file = pb_missing_file();
    int status;

    if (!parse_options(
            "report", entries, NULL,
            "missing  each register, field, instruction or feature that is known and "
            "not modelled,\n"
            "         of all types, of one (gic/v2) or of a plugin's (gic)\n"
            "missing --programs\n"
            "         system calls and requests that are not there, and instructions that are "
            "none:\n"
            "         counted over runs of `patchbay user` in XDG_STATE_HOME/patchbay/missing,\n"
            "         but for runs with --no-record or PATCHBAY_RECORD=no",
            &argc, &argv, &status))
        return status;
    if (argc < 2 || argc > 3 || strcmp(argv[1], "missing") != 0)
        return complain(STATUS_USAGE,
                        "report: 'missing' is expected, and a type if only that is of interest");
    if (!programs && !clear)
        return report_missing(argc == 3 ? argv[2] : NULL);
    if (argc == 3)
        return complain(STATUS_USAGE, "report: of programs all is told; '%s' is not expected",
                        argv[2]);
    if (!file)
        return complain(STATUS_USAGE, "report: nothing is remembered without a home folder");
    return clear ? clear_programs(file) : report_programs(file);
}
