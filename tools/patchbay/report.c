/* `patchbay report missing`: what is known and not modelled, from the tables of the types. */
#include "command.h"

#include <core/device/describe.h>
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
    GOptionEntry entries[] = { { 0 } };
    int status;

    if (!parse_options("report", entries, NULL,
                       "missing  each register, field, instruction or feature that is known and "
                       "not modelled,\n"
                       "         of all types, of one (gic/v2) or of a plugin's (gic)",
                       &argc, &argv, &status))
        return status;
    if (argc < 2 || argc > 3 || strcmp(argv[1], "missing") != 0)
        return complain(STATUS_USAGE,
                        "report: 'missing' is expected, and a type if only that is of interest");
    return report_missing(argc == 3 ? argv[2] : NULL);
}
