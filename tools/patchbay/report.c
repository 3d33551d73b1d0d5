/* `patchbay report missing`: what is known and not modelled, from the tables of the types. */
#include "command.h"

#include <core/device/describe.h>
#include <stdio.h>
#include <string.h>

/* Gaps of the types of one plugin whose text is `only`, or of all. */
static unsigned report_plugin(const pb_plugin *plugin, const char *only, bool *found)
{
    unsigned gaps = 0;

    for (const pb_class *const *type = plugin->types; *type; type++) {
        g_autofree char *name = pb_type_text(plugin, *type);
        g_autoptr(GString) text = g_string_new(NULL);

        if (only && strcmp(only, name) != 0)
            continue;
        *found = true;
        gaps += pb_report_missing(plugin, *type, text);
        fputs(text->str, stdout);
    }
    return gaps;
}

static int report_missing(const char *only)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    g_auto(GStrv) ids = pb_plugin_host_list(host);
    unsigned gaps = 0, unreadable = 0;
    bool found = false;

    for (char **id = ids; *id; id++) {
        g_autoptr(GError) error = NULL;
        const pb_plugin *plugin = pb_plugin_host_describe_plugin(host, *id, &error);

        if (plugin)
            gaps += report_plugin(plugin, only, &found);
        else
            unreadable += complain(1, "%s", error->message);
    }
    if (only && !found)
        return complain(STATUS_USAGE, "report: there is no type '%s'", only);
    printf("%u known and not modelled\n", gaps);
    return unreadable ? STATUS_FAILED : STATUS_OK;
}

int command_report(int argc, char **argv)
{
    GOptionEntry entries[] = { { 0 } };
    int status;

    if (!parse_options("report", entries, NULL,
                       "missing  each register, field, instruction or feature that is known and "
                       "not modelled,\n"
                       "         of all types or one",
                       &argc, &argv, &status))
        return status;
    if (argc < 2 || argc > 3 || strcmp(argv[1], "missing") != 0)
        return complain(STATUS_USAGE,
                        "report: 'missing' is expected, and a type if only that is of interest");
    return report_missing(argc == 3 ? argv[2] : NULL);
}
