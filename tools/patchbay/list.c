/* `patchbay list`: machines and types, with their one-line descriptions. */
#include "command.h"

#include <core/device/describe.h>
#include <core/machine/source.h>
#include <stdio.h>
#include <string.h>

static void print_row(const char *name, const char *doc)
{
    printf("  %-24s %s\n", name, doc ? doc : "");
}

static void list_machine(const char *name)
{
    g_autoptr(pb_yaml) yaml = pb_yaml_new();
    g_autoptr(pb_diags) diags = pb_diags_new();
    g_autofree char *hint = NULL;
    g_autofree char *file = pb_source_find(name, NULL, &hint);
    const pb_yaml_node *root = file ? pb_source_load(yaml, file, diags) : NULL;
    const pb_yaml_node *node = pb_yaml_get(root, "doc");
    g_autofree char *doc = pb_printable(node && node->kind == PB_YAML_SCALAR ? node->text : "");

    print_row(name, root ? doc : "(cannot be read: patchbay check tells why)");
}

static void list_machines(void)
{
    g_auto(GStrv) names = pb_source_list();

    for (char **name = names; *name; name++)
        list_machine(*name);
}

static void list_type(void *opaque, const pb_plugin *plugin, const pb_class *type)
{
    g_autofree char *text = pb_type_text(plugin, type);

    print_row(text, type->doc);
}

static const struct {
    const char *name;
    pb_kind kind; /* 0: machines */
} lists[] = {
    { "machines", 0 },
    { "devices", PB_KIND_DEVICE },
    { "cpus", PB_KIND_CPU },
    { "accels", PB_KIND_ACCEL },
    { "codegens", PB_KIND_CODEGEN },
    { "backends", PB_KIND_BACKEND },
    { "loaders", PB_KIND_LOADER },
};

static int print_lists(const char *only)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    const char *names[G_N_ELEMENTS(lists) + 1] = { NULL };
    type_visit visit = { .function = list_type };
    g_autofree char *hint = NULL;
    bool found = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
        names[i] = lists[i].name;
        if (only && strcmp(only, lists[i].name) != 0)
            continue;
        found = true;
        printf("%s:\n", lists[i].name);
        if (lists[i].kind)
            visit_types(host, lists[i].kind, NULL, &visit);
        else
            list_machines();
    }
    if (found)
        return visit.unreadable ? STATUS_FAILED : STATUS_OK;
    hint = pb_did_you_mean(only, names);
    return complain(STATUS_USAGE, "list: there is no list '%s'%s", only, hint);
}

int command_list(int argc, char **argv)
{
    GOptionEntry entries[] = { { 0 } };
    int status;

    if (!parse_options("list", entries, NULL, "Without an argument, lists everything.", &argc,
                       &argv, &status))
        return status;
    if (argc > 2)
        return complain(STATUS_USAGE, "list: one list is expected");
    return print_lists(argc == 2 ? argv[1] : NULL);
}
