/*
 * Values in machine files may be expressions ("${ram}"), so that next to its own form every value may be a text with
 * one. A part whose type is an expression is not judged beyond the keys that all parts have.
 */
#include <core/machine/schema.h>

#include <core/device/describe.h>
#include <core/machine/plan.h>
#include <json-glib/json-glib.h>

#define MAX_EXACT (UINT64_C(1) << 53) /* of JSON numbers */

static void member(JsonBuilder *json, const char *name, const char *text)
{
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, text);
}

static void begin(JsonBuilder *json, const char *name)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
}

static void words(JsonBuilder *json, const char *name, const char *const *list)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_array(json);
    for (; *list; list++)
        json_builder_add_string_value(json, *list);
    json_builder_end_array(json);
}

/* ---- values -------------------------------------------------------------------------------------- */

static void add_range(JsonBuilder *json, const pb_prop *prop)
{
    if ((!prop->min && !prop->max) || prop->max > MAX_EXACT || prop->type == PB_PROP_INT)
        return;
    json_builder_set_member_name(json, "minimum");
    json_builder_add_int_value(json, (gint64)prop->min);
    json_builder_set_member_name(json, "maximum");
    json_builder_add_int_value(json, (gint64)prop->max);
}

static void add_choices(JsonBuilder *json, const pb_prop *prop)
{
    json_builder_set_member_name(json, "anyOf");
    json_builder_begin_array(json);
    json_builder_begin_object(json);
    words(json, "enum", prop->choices);
    json_builder_end_object(json);
    json_builder_begin_object(json);
    member(json, "pattern", "\\$\\{");
    json_builder_end_object(json);
    json_builder_end_array(json);
}

static void add_property(JsonBuilder *json, const pb_prop *prop)
{
    static const char *const scalar[] = { "integer", "string", NULL };
    static const char *const boolean[] = { "boolean", "string", NULL };
    static const char *const list[] = { "array", "integer", "string", NULL };
    static const char *const text[] = { "string", "number", "boolean", "null", NULL };
    g_autofree char *form = pb_property_form(prop);
    g_autofree char *doc = g_strdup_printf("%s (%s)", prop->doc, form);

    begin(json, prop->name);
    member(json, "description", doc);
    if (prop->type == PB_PROP_ENUM)
        add_choices(json, prop);
    else
        words(json, "type",
              prop->type == PB_PROP_BOOL                                   ? boolean
              : prop->type == PB_PROP_UINTS                                ? list
              : prop->type == PB_PROP_STRING || prop->type == PB_PROP_PATH ? text
                                                                           : scalar);
    add_range(json, prop);
    if (prop->initial)
        member(json, "default", prop->initial);
    json_builder_end_object(json);
}

/* Keys that have a description of their own, `except`, are left to the caller. */
static void add_keys(JsonBuilder *json, const pb_key *keys, const char *const *except)
{
    for (; keys->name; keys++) {
        if (g_strv_contains(except, keys->name))
            continue;
        begin(json, keys->name);
        member(json, "description", keys->doc);
        if (strcmp(keys->form, "mapping") == 0)
            member(json, "type", "object");
        json_builder_end_object(json);
    }
}

static void add_record(JsonBuilder *json, const pb_prop *rows)
{
    member(json, "type", "object");
    begin(json, "properties");
    for (; rows->name; rows++)
        add_property(json, rows);
    json_builder_end_object(json);
}

/* ---- types --------------------------------------------------------------------------------------- */

static void add_ports(JsonBuilder *json, const pb_class *class)
{
    begin(json, "patternProperties");
    for (const pb_port *port = class->ports; port && port->name; port++) {
        g_autofree char *pattern = g_strdup_printf("^%s(\\[.*\\])?$", port->name);

        begin(json, pattern);
        member(json, "description", port->doc);
        json_builder_end_object(json);
    }
    json_builder_end_object(json);
}

/* `if` the part is of the type, `then` it may have these keys. */
static void add_type(JsonBuilder *json, const pb_plugin *plugin, const pb_class *class)
{
    g_autofree char *type = pb_type_text(plugin, class);

    json_builder_begin_object(json);
    begin(json, "if");
    begin(json, "properties");
    begin(json, "type");
    member(json, "const", type);
    json_builder_end_object(json);
    json_builder_end_object(json);
    json_builder_end_object(json);
    begin(json, "then");
    member(json, "description", class->doc);
    begin(json, "properties");
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        add_property(json, prop);
    json_builder_end_object(json);
    add_ports(json, class);
    json_builder_end_object(json);
    json_builder_end_object(json);
}

static const pb_plugin *describe(pb_plugin_host *host, const char *id, GString *skipped)
{
    g_autoptr(GError) error = NULL;
    const pb_plugin *plugin = pb_plugin_host_describe_plugin(host, id, &error);

    if (!plugin)
        g_string_append_printf(skipped, "%s\n", error->message);
    return plugin;
}

static void add_section(JsonBuilder *json, GPtrArray *plugins, const char *section, pb_kind kind)
{
    begin(json, section);
    member(json, "type", "object");
    begin(json, "additionalProperties");
    member(json, "type", "object");
    begin(json, "properties");
    add_keys(json, pb_keys_part, (const char *const[]){ NULL });
    json_builder_end_object(json);
    words(json, "required", (const char *const[]){ "type", NULL });
    json_builder_set_member_name(json, "allOf");
    json_builder_begin_array(json);
    for (guint i = 0; i < plugins->len; i++) {
        const pb_plugin *plugin = plugins->pdata[i];

        for (const pb_class *const *class = plugin->types; *class; class ++)
            if ((*class)->kind == kind)
                add_type(json, plugin, *class);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    json_builder_end_object(json);
}

static void add_sections(JsonBuilder *json, GPtrArray *plugins)
{
    static const char *const described[] = { "cpus", "devices", "backends", "boot",
                                             "run",  "fdt",     NULL };

    add_keys(json, pb_keys_machine, described);
    add_section(json, plugins, "cpus", PB_KIND_CPU);
    add_section(json, plugins, "devices", PB_KIND_DEVICE);
    add_section(json, plugins, "backends", PB_KIND_BACKEND);
    add_section(json, plugins, "boot", PB_KIND_LOADER);
    begin(json, "run");
    add_record(json, pb_props_run);
    json_builder_end_object(json);
    begin(json, "fdt");
    add_record(json, pb_props_fdt);
    json_builder_end_object(json);
}

char *pb_schema_text(pb_plugin_host *host, GString *skipped)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(GPtrArray) plugins = g_ptr_array_new();
    g_autoptr(JsonNode) root = NULL;
    g_auto(GStrv) ids = pb_plugin_host_list(host);

    for (char **id = ids; *id; id++) {
        const pb_plugin *plugin = describe(host, *id, skipped);

        if (plugin)
            g_ptr_array_add(plugins, (gpointer)plugin);
    }
    json_builder_begin_object(json);
    member(json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    member(json, "title", "Patchbay machine");
    member(json, "type", "object");
    begin(json, "properties");
    add_sections(json, plugins);
    json_builder_end_object(json);
    json_builder_set_member_name(json, "additionalProperties");
    json_builder_add_boolean_value(json, FALSE);
    json_builder_end_object(json);

    root = json_builder_get_root(json);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    return json_generator_to_data(generator, NULL);
}
