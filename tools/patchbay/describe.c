/* `patchbay describe`: a type from its tables, a machine from its file. */
#include "command.h"

#include <core/device/describe.h>
#include <core/machine/source.h>
#include <stdio.h>
#include <string.h>

static void print_type(void *opaque, const pb_plugin *plugin, const pb_class *type)
{
    g_autoptr(GString) page = g_string_new(NULL);

    pb_describe_type(plugin, type, page);
    fputs(page->str, stdout);
}

/* ---- machines -------------------------------------------------------------------------------- */

static const char *text_of(const pb_yaml_node *mapping, const char *key)
{
    const pb_yaml_node *node = pb_yaml_get(mapping, key);

    return node && node->kind == PB_YAML_SCALAR ? node->text : NULL;
}

/* A machine may be told about although it is wrong: what is not as it should be is passed over. */
static const pb_yaml_node *mapping_of(const pb_yaml_node *mapping, const char *key)
{
    const pb_yaml_node *node = pb_yaml_get(mapping, key);

    return node && node->kind == PB_YAML_MAPPING ? node : NULL;
}

/* A line with texts of the file in it. */
static void G_GNUC_PRINTF(1, 2) print_line(const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    line = pb_printable(text);
    puts(line);
}

static void print_parameter(const pb_yaml_entry *entry)
{
    g_autoptr(GString) line = g_string_new(NULL);
    const pb_yaml_node *choices = pb_yaml_get(entry->value, "choices");
    const char *type = text_of(entry->value, "type"), *initial = text_of(entry->value, "default");
    const char *min = text_of(entry->value, "min"), *max = text_of(entry->value, "max");
    const char *doc = text_of(entry->value, "doc");

    g_string_append_printf(line, "  %-12s %s", entry->key->text, type ? type : "?");
    if (initial)
        g_string_append_printf(line, ", default %s", *initial ? initial : "empty");
    if (min || max)
        g_string_append_printf(line, ", %s to %s", min ? min : "", max ? max : "");
    for (unsigned i = 0; choices && i < choices->n_entries; i++) {
        if (choices->entries[i].value->kind == PB_YAML_SCALAR)
            g_string_append_printf(line, "%s%s", i ? ", " : ", one of ",
                                   choices->entries[i].value->text);
    }
    print_line("%s%s%s", line->str, doc ? "; " : "", doc ? doc : "");
}

static void print_parameters(const pb_yaml_node *root)
{
    const pb_yaml_node *parameters = mapping_of(root, "parameters");
    const pb_yaml_node *rules = mapping_of(root, "attach");

    if (parameters)
        printf("\nparameters (--set NAME=VALUE):\n");
    for (unsigned i = 0; parameters && i < parameters->n_entries; i++)
        print_parameter(&parameters->entries[i]);
    if (rules) {
        g_autoptr(GString) names = g_string_new(NULL);

        for (unsigned i = 0; i < rules->n_entries; i++)
            g_string_append_printf(names, " %s", rules->entries[i].key->text);
        putchar('\n');
        print_line("attach rules (--attach RULE=SPEC; --drive, --net, --serial):%s", names->str);
    }
}

static void print_places(const pb_plan_part *part)
{
    const pb_region *regions =
        part->kind == PB_KIND_DEVICE ? ((const pb_device_type *)part->class)->regions : NULL;

    for (unsigned i = 0; i < part->mappings->len; i++) {
        const pb_plan_mapping *m = &g_array_index(part->mappings, pb_plan_mapping, i);

        printf("    0x%010" G_GINT64_MODIFIER "x-0x%010" G_GINT64_MODIFIER "x %s\n", m->gpa,
               m->gpa + (m->bytes - 1), regions[m->region].name);
    }
}

static void print_wires(const pb_plan *plan, const pb_plan_part *part)
{
    for (unsigned i = 0; i < plan->wires->len; i++) {
        const pb_plan_wire *wire = &g_array_index(plan->wires, pb_plan_wire, i);
        g_autofree char *from = NULL;
        g_autofree char *to = NULL;

        if (wire->from != part)
            continue;
        from = pb_plan_port_text(wire->from, wire->from_port, wire->from_index);
        to = pb_plan_port_text(wire->to, wire->to_port, wire->to_index);
        printf("    %s -> %s\n", from + strlen(part->path) + 1, to);
    }
}

static void print_plan(const pb_plan *plan)
{
    printf("\nparts (%u):\n", plan->parts->len);
    for (unsigned i = 0; i < plan->memories->len; i++) {
        const pb_plan_memory *m = g_ptr_array_index(plan->memories, i);

        printf("  %s: %s\n    0x%010" G_GINT64_MODIFIER "x-0x%010" G_GINT64_MODIFIER "x\n", m->name,
               m->type == PB_MEMORY_ROM ? "rom" : "ram", m->gpa, m->gpa + (m->bytes - 1));
    }
    for (unsigned i = 0; i < plan->parts->len; i++) {
        const pb_plan_part *part = g_ptr_array_index(plan->parts, i);

        printf("  %s: %s\n", part->path, part->type);
        print_places(part);
        print_wires(plan, part);
    }
}

static int describe_machine(const char *name, const machine_options *options)
{
    loaded_machine m;
    bool ok = load_machine(&m, name, options, false);

    if (m.root) {
        const char *machine = text_of(m.root, "machine"), *doc = text_of(m.root, "doc");

        print_line("%s%s%s", machine ? machine : name, doc ? ": " : "", doc ? doc : "");
        print_parameters(m.root);
    }
    if (ok)
        print_plan(m.plan);
    loaded_machine_finish(&m);
    return ok ? STATUS_OK : STATUS_USAGE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool is_machine(const char *name)
{
    g_autofree char *hint = NULL;
    g_autofree char *file = pb_source_find(name, NULL, &hint);

    return file && g_file_test(file, G_FILE_TEST_EXISTS);
}

static int describe(const char *name, const machine_options *options)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    type_visit visit = { .function = print_type };
    g_autofree char *hint = NULL;

    visit_types(host, 0, name, &visit);
    if (visit.count > 0)
        return visit.unreadable ? STATUS_FAILED : STATUS_OK;
    if (is_machine(name))
        return describe_machine(name, options);
    hint = suggest_type(host, name, true);
    return complain(STATUS_USAGE, "describe: there is no type or machine '%s'%s", name, hint);
}

int command_describe(int argc, char **argv)
{
    machine_options options;
    GOptionEntry entries[MACHINE_OPTION_ENTRIES];
    int status;

    machine_options_init(&options);
    machine_option_entries(entries);
    if (parse_options(
            "describe", entries, &options,
            "A type is written as in machine files: pl011, virtio/blk, arm64/cortex-a57. The "
            "options are for machines.",
            &argc, &argv, &status)) {
        if (argc == 2)
            status = describe(argv[1], &options);
        else
            status = complain(STATUS_USAGE, "describe: one type or machine is expected");
    }
    machine_options_finish(&options);
    return status;
}
