/* Types of plugins, for the commands that tell about them. */
#include "command.h"

#include <core/device/describe.h>
#include <core/machine/source.h>
#include <string.h>

/* Whether the name may mean a type of this plugin: `virtio`, `virtio/blk` of dev-virtio. */
static bool may_be_of(const char *id, const char *name)
{
    const char *stem = strchr(id, '-') + 1;
    size_t length = strcspn(name, "/");

    return strlen(stem) == length && strncmp(stem, name, length) == 0;
}

static void visit_plugin(const pb_plugin *plugin, const char *name, type_visit *visit)
{
    for (const pb_class *const *type = plugin->types; *type; type++) {
        g_autofree char *text = pb_type_text(plugin, *type);

        if (name && strcmp(name, text) != 0 && strchr(name, '/'))
            continue;
        visit->count++;
        visit->function(visit->opaque, plugin, *type);
    }
}

void visit_types(pb_plugin_host *host, pb_kind kind, const char *name, type_visit *visit)
{
    g_auto(GStrv) ids = pb_plugin_host_list(host);

    for (char **id = ids; *id; id++) {
        g_autoptr(GError) error = NULL;
        const pb_plugin *plugin;

        if ((kind && pb_kind_of_plugin(*id) != kind) || (name && !may_be_of(*id, name)))
            continue;
        plugin = pb_plugin_host_describe_plugin(host, *id, &error);
        if (plugin)
            visit_plugin(plugin, name, visit);
        else
            visit->unreadable += (unsigned)complain(1, "%s", error->message);
    }
}

static void add_name(void *opaque, const pb_plugin *plugin, const pb_class *type)
{
    g_ptr_array_add(opaque, pb_type_text(plugin, type));
}

char *suggest_type(pb_plugin_host *host, const char *name, bool machines)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) files = machines ? pb_source_list() : g_new0(char *, 1);
    type_visit visit = { .function = add_name, .opaque = names };

    visit_types(host, 0, NULL, &visit);
    for (char **file = files; *file; file++)
        g_ptr_array_add(names, g_strdup(*file));
    g_ptr_array_add(names, NULL);
    return pb_did_you_mean(name, (const char *const *)names->pdata);
}
