/*
 * `patchbay schema`: a JSON Schema (draft 7) of machine files, for editors. Made from the
 * composer's tables of keys and the tables of all types that are there.
 *
 * It refuses less than `patchbay check`: it does not know wires, addresses and expressions, and where a
 * file may override an included one it does not ask for what that has.
 */
#include "command.h"

#include <core/device/describe.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

#define EXPRESSION "\\$\\{"                                  /* any text with one */
#define NAME       "^[A-Za-z][A-Za-z0-9_-]*(\\[[0-9]+\\])?$" /* of a part */

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

static void begin_array(JsonBuilder *b, const char *name)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_array(b);
}

/* { "type": [..] } of a list of JSON types separated by blanks. */
static void add_types(JsonBuilder *b, const char *types)
{
    g_auto(GStrv) words = g_strsplit(types, " ", -1);

    begin_array(b, "type");
    for (char **word = words; *word; word++)
        json_builder_add_string_value(b, *word);
    json_builder_end_array(b);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void add_types_choice(JsonBuilder *b, const char *types)
{
    json_builder_begin_object(b);
    add_types(b, types);
    json_builder_end_object(b);
}

static void add_pattern_choice(JsonBuilder *b, const char *pattern)
{
    json_builder_begin_object(b);
    add_text(b, "type", "string");
    add_text(b, "pattern", pattern);
    json_builder_end_object(b);
}

/* What every value may be: an expression; null, which deletes what an included file has. */
static void begin_choices(JsonBuilder *b)
{
    begin_array(b, "anyOf");
    add_pattern_choice(b, EXPRESSION);
    add_types_choice(b, "null");
}

static void add_limit(JsonBuilder *b, const char *name, const pb_prop *prop, uint64_t limit)
{
    if (prop->type != PB_PROP_INT && limit > INT64_MAX)
        return; /* no number of JSON that every reader takes */
    json_builder_set_member_name(b, name);
    json_builder_add_int_value(b, (int64_t)limit);
}

static void add_number_choices(JsonBuilder *b, const pb_prop *prop)
{
    g_autofree char *pattern = pb_property_pattern(prop);

    add_pattern_choice(b, pattern);
    json_builder_begin_object(b);
    add_text(b, "type", "integer");
    if (prop->min || prop->max) {
        add_limit(b, "minimum", prop, prop->min);
        add_limit(b, "maximum", prop, prop->max);
    } else if (prop->type != PB_PROP_INT) {
        add_limit(b, "minimum", prop, 0);
    }
    json_builder_end_object(b);
}

static void add_word_choices(JsonBuilder *b, const char *const *words)
{
    json_builder_begin_object(b);
    begin_array(b, "enum");
    for (; *words; words++)
        json_builder_add_string_value(b, *words);
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void add_prop_choices(JsonBuilder *b, const pb_prop *prop)
{
    switch (prop->type) {
    case PB_PROP_BOOL:
        add_types_choice(b, "boolean");
        add_pattern_choice(b, "^(true|false)$");
        break;
    case PB_PROP_UINT:
    case PB_PROP_INT:
    case PB_PROP_SIZE:
    case PB_PROP_HZ:
        add_number_choices(b, prop);
        break;
    case PB_PROP_ENUM:
        add_word_choices(b, prop->choices);
        break;
    case PB_PROP_UINTS:
        add_types_choice(b, "array integer string");
        break;
    default:
        add_types_choice(b, "string number boolean");
        break;
    }
}

static void add_prop(JsonBuilder *b, const pb_prop *prop)
{
    g_autofree char *form = pb_property_form(prop);
    g_autofree char *doc =
        g_strdup_printf("%s%s%s", prop->doc ? prop->doc : "", prop->doc ? ": " : "", form);

    begin(b, prop->name);
    add_text(b, "description", doc);
    if (prop->initial)
        add_text(b, "default", prop->initial);
    begin_choices(b);
    add_prop_choices(b, prop);
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void add_port(JsonBuilder *b, const pb_port *port)
{
    g_autofree char *doc =
        g_strdup_printf("%s%swire to a port of protocol %s", port->doc ? port->doc : "",
                        port->doc ? ": " : "", port->protocol);

    begin(b, port->name);
    add_text(b, "description", doc);
    add_types(b, "string array null");
    json_builder_end_object(b);
}

static void add_parameter_types(JsonBuilder *b)
{
    begin_array(b, "enum");
    for (unsigned i = 0; pb_parameter_type(i); i++)
        json_builder_add_string_value(b, pb_parameter_type(i));
    json_builder_end_array(b);
}

static void add_key(JsonBuilder *b, const pb_key *key)
{
    static const struct {
        const char *form, *types;
    } forms[] = {
        { "mapping", "object" },        { "list", "array string" },
        { "number", "integer string" }, { "condition", "string boolean" },
        { "word", "string" },           { "mapping or list", "object array" },
        { "parameter type", "string" },
    };
    const char *types = "string number boolean array object null";

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++)
        types = strcmp(forms[i].form, key->form) == 0 ? forms[i].types : types;
    begin(b, key->name);
    add_text(b, "description", key->doc);
    add_types(b, types);
    if (strcmp(key->form, "parameter type") == 0)
        add_parameter_types(b);
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

static void end_keys(JsonBuilder *b)
{
    json_builder_end_object(b);
    add_truth(b, "additionalProperties", false);
}

static void add_record(JsonBuilder *b, const char *name, const pb_prop *props, const pb_key *others)
{
    begin(b, name);
    add_types(b, "object null");
    begin(b, "properties");
    for (const pb_prop *prop = props; prop->name; prop++)
        add_prop(b, prop);
    for (const pb_key *key = others; key && key->name; key++)
        add_key(b, key);
    end_keys(b);
    json_builder_end_object(b);
}

/* ---- types ----------------------------------------------------------------------------------- */

static void add_class(JsonBuilder *b, const pb_class *class)
{
    add_text(b, "description", class->doc);
    begin_keys(b, pb_keys_part);
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        add_prop(b, prop);
    for (const pb_port *port = class->ports; port && port->name; port++) {
        if (port->role == PB_REQUIRES)
            add_port(b, port);
    }
    end_keys(b);
    begin(b, "patternProperties"); /* single elements: irq[2] */
    begin(b, "\\[[0-9]+\\]$");
    json_builder_end_object(b);
    json_builder_end_object(b);
}

/* { "if": type is this one, "then": what it may have } */
static void add_rule(void *opaque, const pb_plugin *plugin, const pb_class *class)
{
    JsonBuilder *b = opaque;
    g_autofree char *text = pb_type_text(plugin, class);

    json_builder_begin_object(b);
    begin(b, "if");
    add_text(b, "type", "object");
    begin_array(b, "required");
    json_builder_add_string_value(b, "type");
    json_builder_end_array(b);
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

static void add_type_name(void *opaque, const pb_plugin *plugin, const pb_class *class)
{
    g_autofree char *text = pb_type_text(plugin, class);

    json_builder_add_string_value(opaque, text);
}

/* A part: one of the types of its kind, and what that has. Null deletes an included file's. */
static void define_part(JsonBuilder *b, pb_plugin_host *host, const char *name, pb_kind kind)
{
    type_visit names = { .function = add_type_name, .opaque = b };
    type_visit rules = { .function = add_rule, .opaque = b };

    begin(b, name);
    add_types(b, "object null");
    begin(b, "properties");
    begin(b, "type");
    begin_choices(b);
    json_builder_begin_object(b);
    begin_array(b, "enum");
    visit_types(host, kind, NULL, &names);
    json_builder_end_array(b);
    json_builder_end_object(b);
    json_builder_end_array(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
    begin_array(b, "allOf");
    visit_types(host, kind, NULL, &rules);
    json_builder_end_array(b);
    json_builder_end_object(b);
}

static void define_parts(JsonBuilder *b, pb_plugin_host *host)
{
    begin(b, "definitions");
    define_part(b, host, "cpu", PB_KIND_CPU);
    define_part(b, host, "device", PB_KIND_DEVICE);
    define_part(b, host, "backend", PB_KIND_BACKEND);
    define_part(b, host, "loader", PB_KIND_LOADER);
    define_part(b, host, "accel", PB_KIND_ACCEL);
    json_builder_end_object(b);
}

/* ---- sections -------------------------------------------------------------------------------- */

static void begin_map(JsonBuilder *b, const char *name)
{
    begin(b, name);
    add_text(b, "type", "object");
    begin(b, "propertyNames");
    add_text(b, "pattern", NAME);
    json_builder_end_object(b);
}

/* Parts by name. */
static void add_section(JsonBuilder *b, const char *name, const char *reference)
{
    begin_map(b, name);
    begin(b, "additionalProperties");
    add_text(b, "$ref", reference);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

static void add_parameters(JsonBuilder *b)
{
    begin_map(b, "parameters");
    begin(b, "additionalProperties");
    begin_keys(b, pb_keys_parameter);
    end_keys(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

static void add_memory(JsonBuilder *b)
{
    begin_map(b, "memory");
    add_record(b, "additionalProperties", pb_props_memory, pb_keys_memory);
    json_builder_end_object(b);
}

static void add_asserts(JsonBuilder *b)
{
    begin(b, "asserts");
    add_text(b, "type", "array");
    begin(b, "items");
    begin_keys(b, pb_keys_assert);
    end_keys(b);
    begin_array(b, "required");
    for (const pb_key *key = pb_keys_assert; key->name; key++)
        json_builder_add_string_value(b, key->name);
    json_builder_end_array(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

/* A backend, or a list of them to choose from, and devices. */
static void add_attach(JsonBuilder *b)
{
    begin_map(b, "attach");
    begin(b, "additionalProperties");
    begin_keys(b, pb_keys_attach);
    begin(b, "backend");
    begin_array(b, "anyOf");
    json_builder_begin_object(b);
    add_text(b, "$ref", "#/definitions/backend");
    json_builder_end_object(b);
    json_builder_begin_object(b);
    add_text(b, "type", "array");
    begin(b, "items");
    add_text(b, "$ref", "#/definitions/backend");
    json_builder_end_object(b);
    json_builder_end_object(b);
    json_builder_end_array(b);
    json_builder_end_object(b);
    add_section(b, "devices", "#/definitions/device");
    end_keys(b);
    json_builder_end_object(b);
    json_builder_end_object(b);
}

/* Sections with a shape of their own; the rest of the table of keys is plain. */
static void add_sections(JsonBuilder *b)
{
    static const char *const own[] = { "parameters", "asserts", "cpus", "memory", "devices",
                                       "backends",   "attach",  "boot", "accel",  "fdt",
                                       "bus",        "run",     NULL };

    for (const pb_key *key = pb_keys_machine; key->name; key++) {
        if (!g_strv_contains(own, key->name))
            add_key(b, key);
    }
    add_parameters(b);
    add_asserts(b);
    add_memory(b);
    add_section(b, "cpus", "#/definitions/cpu");
    add_section(b, "devices", "#/definitions/device");
    add_section(b, "backends", "#/definitions/backend");
    add_section(b, "boot", "#/definitions/loader");
    add_attach(b);
    begin(b, "accel");
    add_text(b, "$ref", "#/definitions/accel");
    json_builder_end_object(b);
    add_record(b, "fdt", pb_props_fdt, pb_keys_fdt);
    add_record(b, "bus", pb_props_bus, NULL);
    add_record(b, "run", pb_props_run, NULL);
}

/* A machine has a name, its own or that of the machine it includes. */
static void add_required(JsonBuilder *b)
{
    begin_array(b, "anyOf");
    for (unsigned i = 0; i < 2; i++) {
        json_builder_begin_object(b);
        begin_array(b, "required");
        json_builder_add_string_value(b, i ? "include" : "machine");
        json_builder_end_array(b);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
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
    add_sections(b);
    end_keys(b);
    add_required(b);
    define_parts(b, host);
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
