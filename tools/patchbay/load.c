/* Machine files for the commands: options that change them, loading, composing. */
#include "command.h"

#include <core/machine/source.h>
#include <stdio.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

void machine_options_init(machine_options *o)
{
    *o = (machine_options){ .sets = g_array_new(FALSE, FALSE, sizeof(pb_plan_set)),
                            .attaches = g_array_new(FALSE, FALSE, sizeof(pb_plan_attach)),
                            .texts = g_ptr_array_new_with_free_func(g_free) };
}

void machine_options_finish(machine_options *o)
{
    g_array_unref(o->sets);
    g_array_unref(o->attaches);
    g_ptr_array_unref(o->texts);
    g_free(o->accel);
}

static const char *keep(machine_options *o, char *text)
{
    g_ptr_array_add(o->texts, text);
    return text;
}

void machine_options_set(machine_options *o, const char *option, const char *parameter,
                         const char *text)
{
    const pb_plan_set set = { keep(o, g_strdup(option)), keep(o, g_strdup(parameter)),
                              keep(o, g_strdup(text)) };

    g_array_append_val(o->sets, set);
}

/* NAME=TEXT to its halves. */
static bool split(const char *option, const char *value, char **name, const char **text,
                  GError **error)
{
    const char *equals = strchr(value, '=');

    if (equals && equals > value) {
        *name = g_strndup(value, (gsize)(equals - value));
        *text = equals + 1;
        return true;
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s %s: NAME=VALUE is expected",
                option, value);
    return false;
}

static void attach(machine_options *o, const char *option, const char *rule, const char *text)
{
    const pb_plan_attach added = { keep(o, g_strdup(option)), keep(o, g_strdup(rule)),
                                   keep(o, g_strdup(text)) };

    g_array_append_val(o->attaches, added);
}

gboolean machine_option_parse(const char *name, const char *value, gpointer opaque, GError **error)
{
    machine_options *o = opaque;
    g_autofree char *left = NULL;
    const char *right;

    if (strcmp(name, "--set") == 0) {
        g_autofree char *label = NULL;

        if (!split(name, value, &left, &right, error))
            return FALSE;
        label = g_strconcat("--set ", left, NULL);
        machine_options_set(o, label, left, right);
    } else if (strcmp(name, "--attach") == 0) {
        if (!split(name, value, &left, &right, error))
            return FALSE;
        attach(o, name, left, right);
    } else if (strcmp(name, "--drive") == 0 || strcmp(name, "--net") == 0 ||
               strcmp(name, "--serial") == 0) {
        attach(o, name, name + 2, value);
    } else if (strcmp(name, "--accel") == 0) {
        g_free(o->accel);
        o->accel = g_strdup(value);
    } else if (strcmp(name, "--deterministic") == 0) {
        o->deterministic = TRUE;
    } else {
        machine_options_set(o, name, name + 2, value ? value : "true");
    }
    return TRUE;
}

void machine_option_entries(GOptionEntry entries[MACHINE_OPTION_ENTRIES])
{
    static const struct {
        const char *name, *doc, *argument;
    } rows[] = {
        { "set", "Set a parameter of the machine", "NAME=VALUE" },
        { "kernel", "Kernel (the parameter of this name, as all up to --firmware)", "FILE" },
        { "initrd", "Initial RAM disk", "FILE" },
        { "append", "Kernel command line", "TEXT" },
        { "dtb", "Device tree instead of the machine's own", "FILE" },
        { "firmware", "Firmware", "FILE" },
        { "drive", "Add a disk: FILE[,PROPERTY=VALUE...]", "SPEC" },
        { "net", "Add a network card: user[,PROPERTY=VALUE...]", "SPEC" },
        { "serial", "Connect the next serial port: stdio, file,path=F, tcp,port=N ...", "SPEC" },
        { "attach", "Add by another rule of the machine file's section 'attach'", "RULE=SPEC" },
        { "snapshot", "Writes to disks are thrown away at the end", NULL },
        { "accel", "What executes guest code: TYPE[,PROPERTY=VALUE...]", "SPEC" },
        { "deterministic", "One thread, counted instructions: every run is the same", NULL },
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(rows) == MACHINE_OPTION_ENTRIES - 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        entries[i] = (GOptionEntry){ rows[i].name,
                                     0,
                                     rows[i].argument ? 0 : G_OPTION_FLAG_NO_ARG,
                                     G_OPTION_ARG_CALLBACK,
                                     (gpointer)machine_option_parse,
                                     rows[i].doc,
                                     rows[i].argument };
    }
    entries[MACHINE_OPTION_ENTRIES - 1] = (GOptionEntry){ 0 };
}

/* ---- machines -------------------------------------------------------------------------------- */

static const pb_class *describe(void *opaque, pb_kind kind, const char *type, GError **error)
{
    return pb_plugin_host_describe(opaque, kind, type, error);
}

/* A machine that is going to run needs its plugins anyhow; opening them is faster than reading
 * manifests. */
static const pb_class *find_type(void *opaque, pb_kind kind, const char *type, GError **error)
{
    return pb_plugin_host_type(opaque, kind, type, error);
}

static void compose(loaded_machine *m, const char *file, const machine_options *o, bool to_run)
{
    const pb_catalog catalog = { to_run ? find_type : describe, m->host };
    const pb_plan_options options = { .sets = (const pb_plan_set *)o->sets->data,
                                      .n_sets = o->sets->len,
                                      .attaches = (const pb_plan_attach *)o->attaches->data,
                                      .n_attaches = o->attaches->len,
                                      .accel = o->accel,
                                      .no_reboot = o->no_reboot,
                                      .deterministic = o->deterministic };

    m->root = pb_source_load(m->yaml, file, m->diags);
    if (m->root)
        m->plan = pb_plan_compose(m->yaml, m->root, &options, &catalog, m->diags);
}

bool load_machine(loaded_machine *m, const char *name, const machine_options *o, bool to_run)
{
    g_autofree char *hint = NULL;
    g_autofree char *file = pb_source_find(name, NULL, &hint);
    g_autofree char *text = NULL;

    *m = (loaded_machine){ .host = pb_plugin_host_new(is_alone ? "" : NULL),
                           .yaml = pb_yaml_new(),
                           .diags = pb_diags_new() };
    if (!file) {
        complain(0, "there is no machine '%s'%s", name, hint);
        return false;
    }
    compose(m, file, o, to_run);
    text = pb_diags_text(m->diags);
    fputs(text, stderr);
    return pb_diags_errors(m->diags) == 0;
}

void loaded_machine_finish(loaded_machine *m)
{
    pb_plan_free(m->plan);
    pb_diags_free(m->diags);
    pb_yaml_free(m->yaml);
    pb_plugin_host_free(m->host);
}
