/*
 * `patchbay schema`: a JSON Schema (draft 7) of machine files, for editors. Made from the
 * composer's tables of keys and the tables of all types that are there.
 */
#include "command.h"

#include <core/device/describe.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

static void add_text(JsonBuilder *b, const char *name, const char *text)
{
    json_builder_set_member_name(b, name);
    json_builder_add_string_value(b, text);
}

static void add_truth(JsonBuilder *b, const char *name, bool truth)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, truth);
}

static void begin(JsonBuilder *b, const char *name)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
}

/* { "type": [..] } of a list of JSON types separated by blanks. */
static void add_types(JsonBuilder *b, const char *types)
{
    g_auto(GStrv) words = g_strsplit(types, " ", -1);

    json_builder_set_member_name(b, "type");
    json_builder_begin_array(b);
    for (char **word = words; *word; word++)
        json_builder_add_string_value(b, *word);
    json_builder_end_array(b);
}

/* Any value may be an expression, so strings are always allowed. */
static const char *json_types(uint32_t type)
{
    switch (type) {
    case PB_PROP_BOOL:
        return "boolean string";
    case PB_PROP_UINT:
    case PB_PROP_INT:
    case PB_PROP_SIZE:
    case PB_PROP_HZ:
        return "integer string";
    case PB_PROP_UINTS:
        return "array integer string";
    default:
        return "string number boolean";
    }
}

static void add_prop(JsonBuilder *b, const pb_prop *prop)
{
    g_autofree char *form = pb_property_form(prop);
    g_autofree char *doc =
        g_strdup_printf("%s%s%s", prop->doc ? prop->doc : "", prop->doc ? ": " : "", form);

    begin(b, prop->name);
    add_text(b, "description", doc);
    add_types(b, json_types(prop->type));
    if (prop->initial)
        add_text(b, "default", prop->initial);
    json_builder_end_object(b);
}

static void add_port(JsonBuilder *b, const pb_port *port)
{
    g_autofree char *doc =
        g_strdup_printf("%s%swire to a port of protocol %s", port->doc ? port->doc : "",
                        port->doc ? ": " : "", port->protocol);

    begin(b, port->name);
    add_text(b, "description", doc);
    add_types(b, "string array");
    json_builder_end_object(b);
}

static void add_key(JsonBuilder *b, const pb_key *key)
{
    static const struct {
        const char *form, *types;
    } forms[] = {
        { "mapping", "object" },        { "list", "array string" },
        { "number", "integer string" }, { "condition", "string boolean" },
        { "word", "string" },           { "mapping or list", "object array" },
    };
    const char *types = "string number boolean array object";

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++)
        types = strcmp(forms[i].form, key->form) == 0 ? forms[i].types : types;
    begin(b, key->name);
    add_text(b, "description", key->doc);
    add_types(b, types);
    json_builder_end_object(b);
}

/* An object with the keys of a table and nothing else; left open in "properties". */
static void begin_keys(JsonBuilder *b, const pb_key *keys)
{
    add_text(b, "type", "object");
    begin(b, "properties");
    for (const pb_key *key = keys; key && key->name; key++)
        add_key(b, key);
}

static void add_record(JsonBuilder *b, const char *name, const pb_prop *props)
{
    begin(b, name);
    add_text(b, "type", "object");
    begin(b, "properties");
    for (const pb_prop *prop = props; prop->name; prop++)
        add_prop(b, prop);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

/* ---- types ----------------------------------------------------------------------------------- */

static void add_class(JsonBuilder *b, const pb_class *class)
{
    add_text(b, "description", class->doc ? class->doc : class->name);
    begin_keys(b, pb_keys_part);
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        add_prop(b, prop);
    for (const pb_port *port = class->ports; port && port->name; port++) {
        if (port->role == PB_REQUIRES)
            add_port(b, port);
    }
    json_builder_end_object(b);
    begin(b, "patternProperties"); /* single elements: irq[2] */
    json_builder_set_member_name(b, "\\[[0-9]+\\]$");
    json_builder_begin_object(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
    add_truth(b, "additionalProperties", false);
}

/* { "if": type is this one, "then": what it may have } */
static void add_rule(JsonBuilder *b, const char *text, const pb_class *class)
{
    json_builder_begin_object(b);
    begin(b, "if");
    begin(b, "properties");
    begin(b, "type");
    add_text(b, "const", text);
    json_builder_end_object(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
    begin(b, "then");
    add_class(b, class);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

/* A part: an object with a type, and rules for the types of the kind. */
static void add_part(JsonBuilder *b, pb_plugin_host *host, pb_kind kind)
{
    g_auto(GStrv) ids = pb_plugin_host_list(host);

    add_text(b, "type", "object");
    json_builder_set_member_name(b, "allOf");
    json_builder_begin_array(b);
    for (char **id = ids; *id; id++) {
        const pb_plugin *plugin =
            pb_kind_of_plugin(*id) == kind ? pb_plugin_host_describe_plugin(host, *id, NULL) : NULL;

        for (const pb_class *const *type = plugin ? plugin->types : NULL; type && *type; type++) {
            g_autofree char *text = pb_type_text(plugin, *type);

            add_rule(b, text, *type);
        }
    }
    json_builder_end_array(b);
}

static void add_section(JsonBuilder *b, pb_plugin_host *host, const char *name, pb_kind kind)
{
    begin(b, name);
    add_text(b, "type", "object");
    begin(b, "additionalProperties");
    add_part(b, host, kind);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

static void add_map_of(JsonBuilder *b, const char *name, const pb_key *keys)
{
    begin(b, name);
    add_text(b, "type", "object");
    begin(b, "additionalProperties");
    begin_keys(b, keys);
    json_builder_end_object(b);
    add_truth(b, "additionalProperties", false);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

static void add_memory(JsonBuilder *b)
{
    begin(b, "memory");
    add_text(b, "type", "object");
    add_record(b, "additionalProperties", pb_props_memory);
    json_builder_end_object(b);
}

/* Sections with a shape of their own; the rest of the table of keys is plain. */
static void add_sections(JsonBuilder *b, pb_plugin_host *host)
{
    static const char *const own[] = { "parameters", "cpus",   "memory", "devices",
                                       "backends",   "attach", "boot",   "accel",
                                       "fdt",        "bus",    "run",    NULL };

    for (const pb_key *key = pb_keys_machine; key->name; key++) {
        if (!g_strv_contains(own, key->name))
            add_key(b, key);
    }
    add_map_of(b, "parameters", pb_keys_parameter);
    add_section(b, host, "cpus", PB_KIND_CPU);
    add_memory(b);
    add_section(b, host, "devices", PB_KIND_DEVICE);
    add_section(b, host, "backends", PB_KIND_BACKEND);
    add_map_of(b, "attach", pb_keys_attach);
    add_section(b, host, "boot", PB_KIND_LOADER);
    begin(b, "accel");
    add_part(b, host, PB_KIND_ACCEL);
    json_builder_end_object(b);
    add_record(b, "fdt", pb_props_fdt);
    add_record(b, "bus", pb_props_bus);
    add_record(b, "run", pb_props_run);
}

static void print_schema(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(b);
    add_text(b, "$schema", "http://json-schema.org/draft-07/schema#");
    add_text(b, "title", "Patchbay machine");
    add_text(b, "type", "object");
    begin(b, "properties");
    add_sections(b, host);
    json_builder_end_object(b);
    add_truth(b, "additionalProperties", false);
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    text = json_generator_to_data(generator, NULL);
    puts(text);
}

int command_schema(int argc, char **argv)
{
    GOptionEntry entries[] = { { 0 } };
    int status;

    if (!parse_options(
            "schema", entries, NULL,
            "Prints a JSON Schema of machine files, for editors that complete and check YAML.",
            &argc, &argv, &status))
        return status;
    if (argc > 1)
        return complain(STATUS_USAGE, "schema: no arguments are expected");
    print_schema();
    return STATUS_OK;
}
