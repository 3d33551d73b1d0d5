/*
 * A plan as a machine file. Parameters, expressions, repeats and attach rules are gone: what they
 * came to is written, elements of arrays one by one; files' names are absolute. Composing the text
 * gives the same plan.
 */
#include <core/machine/plan.h>
#include <string.h>

typedef struct dump {
    const pb_plan *plan;
    GString *text;
} dump;

/* `indent` spaces, the key and a colon. */
static void add_key(dump *d, unsigned indent, const char *key)
{
    g_autofree char *quoted = pb_yaml_quote(key);

    g_string_append_printf(d->text, "%*s%s:", (int)indent, "", quoted);
}

/* Texts of properties may have dollar signs and look like something else: they are quoted where
 * needed. */
static void add_value(dump *d, const char *text)
{
    GString *escaped = g_string_new(text);
    g_autofree char *quoted = NULL;

    g_string_replace(escaped, "$", "$$", 0);
    quoted = pb_yaml_quote(escaped->str);
    g_string_append(d->text, quoted);
    g_string_free(escaped, TRUE);
}

static void add_line(dump *d, unsigned indent, const char *key, const char *text)
{
    add_key(d, indent, key);
    g_string_append_c(d->text, ' ');
    add_value(d, text);
    g_string_append_c(d->text, '\n');
}

/* Top-level texts are no expressions. */
static void add_plain(dump *d, const char *key, const char *text)
{
    g_autofree char *quoted = pb_yaml_quote(text);

    g_string_append_printf(d->text, "%s: %s\n", key, quoted);
}

static void add_path(dump *d, unsigned indent, const char *key, const char *file)
{
    g_autofree char *absolute = *file ? g_canonicalize_filename(file, NULL) : g_strdup("");

    add_line(d, indent, key, absolute);
}

static void add_number(dump *d, unsigned indent, const char *key, uint64_t number)
{
    add_key(d, indent, key);
    g_string_append_printf(d->text, " 0x%" G_GINT64_MODIFIER "x\n", number);
}

static void add_prop(dump *d, const pb_plan_prop *prop)
{
    if (prop->row->type == PB_PROP_PATH) {
        add_path(d, 4, prop->row->name, prop->texts[0]);
        return;
    }
    if (prop->row->type != PB_PROP_UINTS) {
        add_line(d, 4, prop->row->name, prop->texts[0]);
        return;
    }
    add_key(d, 4, prop->row->name);
    g_string_append(d->text, " [");
    for (char **text = prop->texts; *text; text++) {
        g_string_append(d->text, text > prop->texts ? ", " : "");
        add_value(d, *text);
    }
    g_string_append(d->text, "]\n");
}

static bool is_last(const pb_plan_part *part, unsigned index)
{
    const pb_prop *row = g_array_index(part->props, pb_plan_prop, index).row;

    for (unsigned i = index + 1; i < part->props->len; i++) {
        if (g_array_index(part->props, pb_plan_prop, i).row == row)
            return false;
    }
    return true;
}

static void add_mappings(dump *d, const pb_plan_part *part)
{
    const pb_region *regions = ((const pb_device_type *)part->class)->regions;

    add_key(d, 4, "at");
    g_string_append_c(d->text, '\n');
    for (unsigned i = 0; i < part->mappings->len; i++) {
        const pb_plan_mapping *m = &g_array_index(part->mappings, pb_plan_mapping, i);

        add_number(d, 6, regions[m->region].name, m->gpa);
    }
}

static const pb_plan_wire *wire_at(const dump *d, unsigned i)
{
    return &g_array_index(d->plan->wires, pb_plan_wire, i);
}

/* Wire `i` and what follows from the same element of the port: a split. */
static void add_wire(dump *d, unsigned i)
{
    const pb_plan_wire *wire = wire_at(d, i);
    g_autofree char *key = pb_port_is_array(wire->from_port)
                               ? g_strdup_printf("%s[%u]", wire->from_port->name, wire->from_index)
                               : g_strdup(wire->from_port->name);
    g_autoptr(GPtrArray) ends = g_ptr_array_new_with_free_func(g_free);

    for (unsigned n = i; n < d->plan->wires->len; n++) {
        const pb_plan_wire *other = wire_at(d, n);

        if (other->from == wire->from && other->from_port == wire->from_port &&
            other->from_index == wire->from_index)
            g_ptr_array_add(ends, pb_plan_port_text(other->to, other->to_port, other->to_index));
    }
    if (ends->len == 1) {
        add_line(d, 4, key, g_ptr_array_index(ends, 0));
        return;
    }
    add_key(d, 4, key);
    g_string_append(d->text, " [");
    for (unsigned n = 0; n < ends->len; n++) {
        g_string_append(d->text, n > 0 ? ", " : "");
        add_value(d, g_ptr_array_index(ends, n));
    }
    g_string_append(d->text, "]\n");
}

/* Whether an earlier wire begins at the same element: add_wire() has written it. */
static bool is_split(const dump *d, unsigned i)
{
    const pb_plan_wire *wire = wire_at(d, i);

    for (unsigned n = 0; n < i; n++) {
        const pb_plan_wire *other = wire_at(d, n);

        if (other->from == wire->from && other->from_port == wire->from_port &&
            other->from_index == wire->from_index)
            return true;
    }
    return false;
}

static void add_contents(dump *d, const pb_plan_part *part)
{
    add_line(d, 4, "type", part->type);
    if (part->cluster)
        add_number(d, 4, "cluster", part->cluster);
    if (part->mappings->len > 0)
        add_mappings(d, part);
    for (unsigned i = 0; i < part->props->len; i++) {
        if (is_last(part, i))
            add_prop(d, &g_array_index(part->props, pb_plan_prop, i));
    }
    for (unsigned i = 0; i < d->plan->wires->len; i++) {
        if (wire_at(d, i)->from == part && !is_split(d, i))
            add_wire(d, i);
    }
}

static void add_section(dump *d, const char *section, pb_kind kind)
{
    bool first = true;

    for (unsigned i = 0; i < d->plan->parts->len; i++) {
        const pb_plan_part *part = g_ptr_array_index(d->plan->parts, i);
        g_autofree char *key = NULL;

        if (part->kind != kind)
            continue;
        if (first)
            g_string_append_printf(d->text, "%s:\n", section);
        first = false;
        key = part->index < 0
                  ? g_strdup(part->name)
                  : g_strdup_printf("%s[%" G_GINT64_FORMAT "]", part->name, part->index);
        add_key(d, 2, key);
        g_string_append_c(d->text, '\n');
        add_contents(d, part);
    }
}

static void add_memory(dump *d)
{
    for (unsigned i = 0; i < d->plan->memories->len; i++) {
        const pb_plan_memory *memory = g_ptr_array_index(d->plan->memories, i);

        if (i == 0)
            g_string_append(d->text, "memory:\n");
        add_key(d, 2, memory->name);
        g_string_append_c(d->text, '\n');
        add_line(d, 4, "type", memory->type == PB_MEMORY_ROM ? "rom" : "ram");
        add_number(d, 4, "at", memory->gpa);
        add_number(d, 4, "size", memory->bytes);
        if (memory->file)
            add_path(d, 4, "file", memory->file);
    }
}

static void add_run(dump *d)
{
    const pb_plan_run *run = &d->plan->run;

    g_string_append(d->text, "run:\n");
    add_line(d, 2, "threads", pb_props_run[0].choices[run->threads]);
    add_line(d, 2, "reboot", run->reboot ? "true" : "false");
    g_string_append_printf(d->text, "  ns-per-instruction: %u\n", run->ns_per_instruction);
    if (run->epoch)
        add_line(d, 2, "epoch", run->epoch);
    if (run->seed)
        add_line(d, 2, "seed", run->seed);
}

static void add_bus(dump *d)
{
    const pb_plan_bus *bus = &d->plan->bus;

    g_string_append(d->text, "bus:\n");
    add_line(d, 2, "unassigned", pb_props_bus[0].choices[bus->unassigned]);
    add_line(d, 2, "wrong-size", pb_props_bus[1].choices[bus->wrong_size]);
    add_line(d, 2, "rom-writes", pb_props_bus[2].choices[bus->rom_writes]);
}

static void add_fdt(dump *d)
{
    const pb_plan_fdt *fdt = &d->plan->fdt;

    if (!fdt->compatible)
        return;
    g_string_append(d->text, "fdt:\n  compatible: [");
    for (char **text = fdt->compatible; *text; text++) {
        g_string_append(d->text, text > fdt->compatible ? ", " : "");
        add_value(d, *text);
    }
    g_string_append(d->text, "]\n");
    if (fdt->model)
        add_line(d, 2, "model", fdt->model);
    g_string_append_printf(d->text, "  clock: %" G_GUINT64_FORMAT "\n", fdt->clock_hz);
    if (fdt->stdout_path)
        add_line(d, 2, "stdout", fdt->stdout_path);
}

char *pb_plan_dump(const pb_plan *plan)
{
    dump d = { plan, g_string_new(NULL) };

    add_plain(&d, "machine", plan->name);
    if (plan->doc)
        add_plain(&d, "doc", plan->doc);
    add_section(&d, "cpus", PB_KIND_CPU);
    add_memory(&d);
    add_section(&d, "devices", PB_KIND_DEVICE);
    add_section(&d, "backends", PB_KIND_BACKEND);
    add_section(&d, "boot", PB_KIND_LOADER);
    if (plan->accel) {
        g_string_append(d.text, "accel:\n");
        add_contents(&d, plan->accel);
    }
    add_bus(&d);
    add_run(&d);
    add_fdt(&d);
    return g_string_free(d.text, FALSE);
}
