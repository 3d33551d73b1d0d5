/*
 * `patchbay schema`: a JSON Schema (draft 7) of machine files, for editors. Made from the
 * composer's tables of keys and the tables of all types that are there.
 *
 * It refuses less than `patchbay check`: it does not know wires, addresses and expressions, and where a
 * file may override an included one it does not ask for what that has.
 */
#include "command.h"

#include <core/device/describe.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define EXPRESSION "\\$\\{"                                  /* any text with one */
#define NAME       "^[A-Za-z][A-Za-z0-9_-]*(\\[[0-9]+\\])?$" /* of a part */

/* Takes the value. There is none if there was no memory for it; GLib ends the program then too. */
static void put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new_nocheck(object, name, value) < 0)
        g_error("schema: no memory for %s", name);
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        g_error("schema: no memory for an element");
}

/* A plugin's text; null if it has none. Whether it is UTF-8 is seen when all is printed. */
static json_t *text_of(const char *text)
{
    return json_string_nocheck(text);
}

/* A list of JSON types separated by blanks. */
static json_t *types_of(const char *types)
{
    g_auto(GStrv) words = g_strsplit(types, " ", -1);
    json_t *list = json_array();

    for (char **word = words; *word; word++)
        append(list, json_string(*word));
    return list;
}

/* ---- values ---------------------------------------------------------------------------------- */

static json_t *types_choice(const char *types)
{
    return json_pack("{s:o}", "type", types_of(types));
}

static json_t *pattern_choice(const char *pattern)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

/* What every value may be: an expression; null, which deletes what an included file has. */
static json_t *new_choices(void)
{
    return json_pack("[o, o]", pattern_choice(EXPRESSION), types_choice("null"));
}

static void add_limit(json_t *number, const char *name, const pb_prop *prop, uint64_t limit)
{
    if (prop->type != PB_PROP_INT && limit > INT64_MAX)
        return; /* no number of JSON that every reader takes */
    put(number, name, json_integer((json_int_t)limit));
}

static void add_number_choices(json_t *choices, const pb_prop *prop)
{
    g_autofree char *pattern = pb_property_pattern(prop);
    json_t *number = json_pack("{s:s}", "type", "integer");

    if (prop->min || prop->max) {
        add_limit(number, "minimum", prop, prop->min);
        add_limit(number, "maximum", prop, prop->max);
    } else if (prop->type != PB_PROP_INT) {
        add_limit(number, "minimum", prop, 0);
    }
    append(choices, pattern_choice(pattern));
    append(choices, number);
}

static json_t *words_choice(const char *const *words)
{
    json_t *list = json_array();

    for (; *words; words++)
        append(list, text_of(*words));
    return json_pack("{s:o}", "enum", list);
}

static void add_prop_choices(json_t *choices, const pb_prop *prop)
{
    switch (prop->type) {
    case PB_PROP_BOOL:
        append(choices, types_choice("boolean"));
        append(choices, pattern_choice("^(true|false)$"));
        break;
    case PB_PROP_UINT:
    case PB_PROP_INT:
    case PB_PROP_SIZE:
    case PB_PROP_HZ:
        add_number_choices(choices, prop);
        break;
    case PB_PROP_ENUM:
        append(choices, words_choice(prop->choices));
        break;
    case PB_PROP_UINTS:
        append(choices, types_choice("array integer string"));
        break;
    default:
        append(choices, types_choice("string number boolean"));
        break;
    }
}

static void add_prop(json_t *properties, const pb_prop *prop)
{
    g_autofree char *form = pb_property_form(prop);
    g_autofree char *doc =
        g_strdup_printf("%s%s%s", prop->doc ? prop->doc : "", prop->doc ? ": " : "", form);
    json_t *choices = new_choices();

    add_prop_choices(choices, prop);
    put(properties, prop->name,
        json_pack("{s:o, s:o*, s:o}", "description", text_of(doc), "default",
                  text_of(prop->initial), "anyOf", choices));
}

static void add_port(json_t *properties, const pb_port *port)
{
    g_autofree char *doc =
        g_strdup_printf("%s%swire to a port of protocol %s", port->doc ? port->doc : "",
                        port->doc ? ": " : "", port->protocol);

    put(properties, port->name,
        json_pack("{s:o, s:o}", "description", text_of(doc), "type",
                  types_of("string array null")));
}

static json_t *parameter_types(void)
{
    json_t *list = json_array();

    for (unsigned i = 0; pb_parameter_type(i); i++)
        append(list, json_string(pb_parameter_type(i)));
    return list;
}

static void add_key(json_t *properties, const pb_key *key)
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
    bool listed = strcmp(key->form, "parameter type") == 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++)
        types = strcmp(forms[i].form, key->form) == 0 ? forms[i].types : types;
    put(properties, key->name,
        json_pack("{s:s, s:o, s:o*}", "description", key->doc, "type", types_of(types), "enum",
                  listed ? parameter_types() : NULL));
}

static json_t *keys_of(const pb_key *keys)
{
    json_t *properties = json_object();

    for (const pb_key *key = keys; key && key->name; key++)
        add_key(properties, key);
    return properties;
}

/* An object with these properties and nothing else. */
static json_t *closed_object(json_t *properties)
{
    return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                     "additionalProperties", false);
}

static json_t *record_of(const pb_prop *props, const pb_key *others)
{
    json_t *properties = json_object();

    for (const pb_prop *prop = props; prop->name; prop++)
        add_prop(properties, prop);
    for (const pb_key *key = others; key && key->name; key++)
        add_key(properties, key);
    return json_pack("{s:o, s:o, s:b}", "type", types_of("object null"), "properties", properties,
                     "additionalProperties", false);
}

/* ---- types ----------------------------------------------------------------------------------- */

static json_t *class_of(const pb_class *class)
{
    json_t *properties = keys_of(pb_keys_part);

    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        add_prop(properties, prop);
    for (const pb_port *port = class->ports; port && port->name; port++) {
        if (port->role == PB_REQUIRES)
            add_port(properties, port);
    }
    return json_pack("{s:o*, s:s, s:o, s:b, s:{s:{}}}", "description", text_of(class->doc), "type",
                     "object", "properties", properties, "additionalProperties", false,
                     "patternProperties", "\\[[0-9]+\\]$"); /* single elements: irq[2] */
}

/* { "if": type is this one, "then": what it may have } */
static void add_rule(void *rules, const pb_plugin *plugin, const pb_class *class)
{
    g_autofree char *type = pb_type_text(plugin, class);

    append(rules,
           json_pack("{s:{s:s, s:[s], s:{s:{s:s}}}, s:o}", "if", "type", "object", "required",
                     "type", "properties", "type", "const", type, "then", class_of(class)));
}

static void add_type_name(void *names, const pb_plugin *plugin, const pb_class *class)
{
    g_autofree char *text = pb_type_text(plugin, class);

    append(names, json_string(text));
}

/* A list that a function makes of all types of a kind. */
static json_t *list_of(pb_plugin_host *host, pb_kind kind,
                       void (*function)(void *list, const pb_plugin *, const pb_class *))
{
    json_t *list = json_array();
    type_visit visit = { .function = function, .opaque = list };

    visit_types(host, kind, NULL, &visit);
    return list;
}

/* A part: one of the types of its kind, and what that has. Null deletes an included file's. */
static json_t *part_of(pb_plugin_host *host, pb_kind kind)
{
    json_t *choices = new_choices();

    append(choices, json_pack("{s:o}", "enum", list_of(host, kind, add_type_name)));
    return json_pack("{s:o, s:{s:{s:o}}, s:o}", "type", types_of("object null"), "properties",
                     "type", "anyOf", choices, "allOf", list_of(host, kind, add_rule));
}

static json_t *parts_of(pb_plugin_host *host)
{
    json_t *parts = json_object();

    put(parts, "cpu", part_of(host, PB_KIND_CPU));
    put(parts, "device", part_of(host, PB_KIND_DEVICE));
    put(parts, "backend", part_of(host, PB_KIND_BACKEND));
    put(parts, "loader", part_of(host, PB_KIND_LOADER));
    put(parts, "accel", part_of(host, PB_KIND_ACCEL));
    return parts;
}

/* ---- sections -------------------------------------------------------------------------------- */

static json_t *reference_to(const char *definition)
{
    return json_pack("{s:s+}", "$ref", "#/definitions/", definition);
}

/* Things of one form by name. */
static json_t *map_of(json_t *form)
{
    return json_pack("{s:s, s:{s:s}, s:o}", "type", "object", "propertyNames", "pattern", NAME,
                     "additionalProperties", form);
}

static json_t *asserts(void)
{
    json_t *items = closed_object(keys_of(pb_keys_assert));
    json_t *required = json_array();

    for (const pb_key *key = pb_keys_assert; key->name; key++)
        append(required, json_string(key->name));
    put(items, "required", required);
    return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

/* A backend, or a list of them to choose from, and devices. */
static json_t *attach(void)
{
    json_t *properties = keys_of(pb_keys_attach);

    put(properties, "backend",
        json_pack("{s:[o, {s:s, s:o}]}", "anyOf", reference_to("backend"), "type", "array", "items",
                  reference_to("backend")));
    put(properties, "devices", map_of(reference_to("device")));
    return map_of(closed_object(properties));
}

/* Sections with a shape of their own; the rest of the table of keys is plain. */
static json_t *sections(void)
{
    static const char *const own[] = { "parameters", "asserts", "cpus", "memory", "devices",
                                       "backends",   "attach",  "boot", "accel",  "fdt",
                                       "bus",        "run",     NULL };
    json_t *all = json_object();

    for (const pb_key *key = pb_keys_machine; key->name; key++) {
        if (!g_strv_contains(own, key->name))
            add_key(all, key);
    }
    put(all, "parameters", map_of(closed_object(keys_of(pb_keys_parameter))));
    put(all, "asserts", asserts());
    put(all, "memory", map_of(record_of(pb_props_memory, pb_keys_memory)));
    put(all, "cpus", map_of(reference_to("cpu")));
    put(all, "devices", map_of(reference_to("device")));
    put(all, "backends", map_of(reference_to("backend")));
    put(all, "boot", map_of(reference_to("loader")));
    put(all, "attach", attach());
    put(all, "accel", reference_to("accel"));
    put(all, "fdt", record_of(pb_props_fdt, pb_keys_fdt));
    put(all, "bus", record_of(pb_props_bus, NULL));
    put(all, "run", record_of(pb_props_run, NULL));
    return all;
}

/* A machine has a name, its own or that of the machine it includes. */
static json_t *schema_of(pb_plugin_host *host)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:[{s:[s]}, {s:[s]}], s:o}", "$schema",
                     "http://json-schema.org/draft-07/schema#", "title", "Patchbay machine", "type",
                     "object", "properties", sections(), "additionalProperties", false, "anyOf",
                     "required", "machine", "required", "include", "definitions", parts_of(host));
}

static int print_schema(void)
{
    g_autoptr(pb_plugin_host) host = pb_plugin_host_new(NULL);
    json_auto_t *schema = schema_of(host);
    g_autofree char *text = json_dumps(schema, JSON_INDENT(2));

    if (!text)
        return complain(STATUS_FAILED, "schema: a text in a plugin's tables is not UTF-8");
    puts(text);
    return STATUS_OK;
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
    return print_schema();
}
