/*
 * Types on paper. The same rows are walked for a terminal and for Markdown.
 */
#include <core/device/describe.h>

#include <core/device/object.h>
#include <core/device/tables.h>
#include <core/plugin/plugin_host.h>

/* ---- words --------------------------------------------------------------------------------------- */

static const char *const mode_words[] = { "rw", "ro", "wo", "w1c", "w1s", "rc", "raz/wi" };

char *pb_type_text(const pb_plugin *plugin, const pb_class *class)
{
    const char *stem = strchr(plugin->id, '-') + 1;

    if (strcmp(stem, class->name) == 0)
        return g_strdup(stem);
    return g_strdup_printf("%s/%s", stem, class->name);
}

static char *range_text(const pb_prop *prop)
{
    if (!prop->min && !prop->max)
        return g_strdup("");
    if (prop->type == PB_PROP_INT)
        return g_strdup_printf(", %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, (int64_t)prop->min,
                               (int64_t)prop->max);
    if (prop->max >= UINT32_MAX)
        return prop->min ? g_strdup_printf(", at least %" G_GUINT64_FORMAT, prop->min)
                         : g_strdup("");
    return g_strdup_printf(", %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, prop->min, prop->max);
}

char *pb_property_form(const pb_prop *prop)
{
    static const char *const words[] = {
        [PB_PROP_BOOL] = "true or false", [PB_PROP_UINT] = "a number",
        [PB_PROP_INT] = "a number",       [PB_PROP_SIZE] = "a size",
        [PB_PROP_HZ] = "a frequency",     [PB_PROP_STRING] = "text",
        [PB_PROP_PATH] = "a file",        [PB_PROP_UINTS] = "a list of numbers",
    };
    g_autofree char *range = range_text(prop);
    g_autofree char *choices = NULL;

    if (prop->type == PB_PROP_ENUM) {
        choices = g_strjoinv(", ", (char **)prop->choices);
        return g_strdup_printf("one of %s", choices);
    }
    return g_strconcat(words[prop->type], range, NULL);
}

/* "default 24MHz", or that it must be given. */
static char *initial_text(const pb_prop *prop)
{
    if (!prop->initial)
        return g_strdup("required");
    return *prop->initial ? g_strconcat("default ", prop->initial, NULL)
                          : g_strdup("default empty");
}

static char *port_name(const pb_class *class, const pb_port *port)
{
    if (port->count_offset) {
        for (const pb_prop *prop = class->props; prop && prop->name; prop++)
            if (prop->offset == port->count_offset - 1)
                return g_strdup_printf("%s[%s]", port->name, prop->name);
    }
    return port->count > 1 ? g_strdup_printf("%s[%u]", port->name, port->count)
                           : g_strdup(port->name);
}

static const char *region_word(const pb_region *region)
{
    static const char *const words[] = { "?",   "registers", "window",
                                         "RAM", "ROM",       "ROM with commands" };

    return words[region->kind];
}

static char *region_size(const pb_class *class, const pb_region *region)
{
    if (region->bytes_offset)
        for (const pb_prop *prop = class->props; prop && prop->name; prop++)
            if (prop->offset == region->bytes_offset - 1)
                return g_strdup_printf("property %s", prop->name);
    return region->bytes ? g_strdup_printf("0x%" G_GINT64_MODIFIER "x bytes", region->bytes)
                         : g_strdup("placed by its bus");
}

static char *register_name(const pb_reg *reg)
{
    return pb_reg_count(reg) > 1 ? g_strdup_printf("%s[%u]", reg->name, pb_reg_count(reg))
                                 : g_strdup(reg->name);
}

static char *field_bits(const pb_field *field)
{
    return field->width == 1 ? g_strdup_printf("%u", field->lsb)
                             : g_strdup_printf("%u:%u", field->lsb + field->width - 1, field->lsb);
}

static const char *status_mark(uint32_t status)
{
    return status == PB_UNMODELLED ? " (not modelled)" : "";
}

/* ---- terminal ------------------------------------------------------------------------------------ */

static void describe_registers(const pb_region *region, GString *text)
{
    for (const pb_reg *reg = region->regs; reg && reg->name; reg++) {
        g_autofree char *name = register_name(reg);

        g_string_append_printf(text,
                               "  0x%03" G_GINT64_MODIFIER
                               "x  %-16s %2u bits  %-6s reset 0x%-8" G_GINT64_MODIFIER "x %s%s\n",
                               reg->offset, name, reg->width, mode_words[reg->mode], reg->reset,
                               reg->doc, status_mark(reg->status));
        for (const pb_field *field = reg->fields; field && field->name; field++) {
            g_autofree char *bits = field_bits(field);

            g_string_append_printf(text, "           %5s  %-12s %-6s %s%s\n", bits, field->name,
                                   mode_words[pb_field_mode(reg, field)],
                                   field->doc ? field->doc : "", status_mark(field->status));
        }
    }
}

static void describe_properties(const pb_class *class, GString *text)
{
    if (class->props && class->props->name)
        g_string_append(text, "\nProperties:\n");
    for (const pb_prop *prop = class->props; prop && prop->name; prop++) {
        g_autofree char *form = pb_property_form(prop);
        g_autofree char *initial = initial_text(prop);

        g_string_append_printf(text, "  %-16s %s; %s\n                   %s\n", prop->name, form,
                               initial, prop->doc);
    }
}

static void describe_ports(const pb_class *class, GString *text)
{
    if (class->ports && class->ports->name)
        g_string_append(text, "\nPorts:\n");
    for (const pb_port *port = class->ports; port && port->name; port++) {
        g_autofree char *name = port_name(class, port);

        g_string_append_printf(text, "  %-16s %s %s%s\n                   %s\n", name,
                               port->role == PB_PROVIDES ? "provides" : "requires", port->protocol,
                               port->optional ? ", optional" : "", port->doc);
    }
}

static void describe_slots(const pb_class *class, GString *text)
{
    const char *group = NULL;

    if (class->kind != PB_KIND_CPU)
        return;
    g_string_append(text, "\nState:");
    for (const pb_slot *slot = ((const pb_cpu_type *)class)->slots; slot->name; slot++) {
        if (g_strcmp0(group, slot->group) != 0)
            g_string_append_printf(text, "\n  %s:", slot->group ? slot->group : "other");
        group = slot->group;
        g_string_append_printf(text, " %s", slot->name);
    }
    g_string_append_c(text, '\n');
}

void pb_describe_type(const pb_plugin *plugin, const pb_class *class, GString *text)
{
    const pb_device_type *device = pb_class_device(class);
    g_autofree char *type = pb_type_text(plugin, class);

    g_string_append_printf(text, "%s: %s\n%s type of %s %s (%s)\n", type, class->doc,
                           pb_kind_name(class->kind), plugin->id, plugin->version, plugin->licence);
    if (device && device->manual)
        g_string_append_printf(text, "Manual: %s\n", device->manual);
    describe_properties(class, text);
    describe_ports(class, text);
    for (const pb_region *region = device ? device->regions : NULL; region && region->name;
         region++) {
        g_autofree char *size = region_size(class, region);

        g_string_append_printf(text, "\nRegion %s: %s, %s: %s\n", region->name, region_word(region),
                               size, region->doc);
        describe_registers(region, text);
    }
    describe_slots(class, text);
}

/* ---- Markdown ------------------------------------------------------------------------------------ */

/* Text in a cell of a table. */
static char *cell(const char *text)
{
    g_auto(GStrv) pieces = g_strsplit(text ? text : "", "|", -1);

    return g_strjoinv("\\|", pieces);
}

static void reference_properties(const pb_class *class, GString *text)
{
    if (!class->props || !class->props->name)
        return;
    g_string_append(text, "\n## Properties\n\n| Name | Value | Default | |\n|---|---|---|---|\n");
    for (const pb_prop *prop = class->props; prop->name; prop++) {
        g_autofree char *form = pb_property_form(prop);
        g_autofree char *doc = cell(prop->doc);

        g_string_append_printf(text, "| `%s` | %s | %s | %s |\n", prop->name, form,
                               prop->initial ? prop->initial : "*required*", doc);
    }
}

static void reference_ports(const pb_class *class, GString *text)
{
    if (!class->ports || !class->ports->name)
        return;
    g_string_append(text, "\n## Ports\n\n| Name | Protocol | Role | |\n|---|---|---|---|\n");
    for (const pb_port *port = class->ports; port->name; port++) {
        g_autofree char *name = port_name(class, port);
        g_autofree char *doc = cell(port->doc);

        g_string_append_printf(text, "| `%s` | %s | %s%s | %s |\n", name, port->protocol,
                               port->role == PB_PROVIDES ? "provides" : "requires",
                               port->optional ? ", optional" : "", doc);
    }
}

static void reference_fields(const pb_reg *reg, GString *text)
{
    if (!reg->fields)
        return;
    g_string_append_printf(text, "\n### %s\n\n| Bits | Field | Access | |\n|---|---|---|---|\n",
                           reg->name);
    for (const pb_field *field = reg->fields; field->name; field++) {
        g_autofree char *bits = field_bits(field);
        g_autofree char *doc = cell(field->doc);

        g_string_append_printf(text, "| %s | `%s` | %s | %s%s |\n", bits, field->name,
                               mode_words[pb_field_mode(reg, field)], doc,
                               status_mark(field->status));
    }
}

static void reference_region(const pb_class *class, const pb_region *region, GString *text)
{
    g_autofree char *size = region_size(class, region);

    g_string_append_printf(text, "\n## Region `%s`\n\n%s: %s, %s.\n", region->name, region->doc,
                           region_word(region), size);
    if (!region->regs || !region->regs->name)
        return;
    g_string_append(
        text, "\n| Offset | Register | Bits | Access | Reset | |\n|---|---|---|---|---|---|\n");
    for (const pb_reg *reg = region->regs; reg->name; reg++) {
        g_autofree char *name = register_name(reg);
        g_autofree char *doc = cell(reg->doc);

        g_string_append_printf(text,
                               "| 0x%03" G_GINT64_MODIFIER
                               "x | `%s` | %u | %s | 0x%" G_GINT64_MODIFIER "x | %s%s |\n",
                               reg->offset, name, reg->width, mode_words[reg->mode], reg->reset,
                               doc, status_mark(reg->status));
    }
    for (const pb_reg *reg = region->regs; reg->name; reg++)
        reference_fields(reg, text);
}

void pb_reference_page(const pb_plugin *plugin, const pb_class *class, GString *text)
{
    const pb_device_type *device = pb_class_device(class);
    g_autofree char *type = pb_type_text(plugin, class);
    g_autoptr(GString) missing = g_string_new(NULL);

    g_string_append_printf(
        text, "# %s\n\n%s. A %s type of the plugin `%s`, version %s, licence %s.\n", type,
        class->doc, pb_kind_name(class->kind), plugin->id, plugin->version, plugin->licence);
    if (device && device->manual)
        g_string_append_printf(text, "\nManual: %s.\n", device->manual);
    reference_properties(class, text);
    reference_ports(class, text);
    for (const pb_region *region = device ? device->regions : NULL; region && region->name;
         region++)
        reference_region(class, region, text);
    if (pb_report_missing(class, missing))
        g_string_append_printf(text, "\n## Not modelled\n\n```\n%s```\n", missing->str);
}

/* ---- what is missing ----------------------------------------------------------------------------- */

static unsigned missing(GString *text, const char *group, const char *name, const char *doc)
{
    if (text)
        g_string_append_printf(text, "  %s %s%s%s\n", group, name, doc ? ": " : "", doc ? doc : "");
    return 1;
}

static unsigned missing_fields(const pb_reg *reg, GString *text)
{
    unsigned count = 0;

    for (const pb_field *field = reg->fields; field && field->name; field++) {
        g_autofree char *name = g_strdup_printf("%s.%s", reg->name, field->name);

        if (field->status == PB_UNMODELLED)
            count += missing(text, "field", name, field->doc);
    }
    return count;
}

static unsigned missing_registers(const pb_region *region, GString *text)
{
    unsigned count = 0;

    for (const pb_reg *reg = region->regs; reg && reg->name; reg++)
        count += reg->status == PB_UNMODELLED ? missing(text, "register", reg->name, reg->doc)
                                              : missing_fields(reg, text);
    return count;
}

/* The gaps that no other table shows. */
static const pb_gap *gaps_of(const pb_class *class)
{
    if (class->kind == PB_KIND_CPU)
        return ((const pb_cpu_type *)class)->gaps;
    if (class->kind == PB_KIND_DEVICE &&
        class->size >= offsetof(pb_device_type, gaps) + sizeof(const pb_gap *))
        return ((const pb_device_type *)class)->gaps;
    return NULL;
}

unsigned pb_report_missing(const pb_class *class, GString *text)
{
    const pb_device_type *device = pb_class_device(class);
    unsigned count = 0;

    for (const pb_region *region = device ? device->regions : NULL; region && region->name;
         region++)
        count += missing_registers(region, text);
    for (const pb_gap *gap = gaps_of(class); gap && gap->name; gap++)
        count += missing(text, gap->group, gap->name, gap->doc);
    return count;
}
