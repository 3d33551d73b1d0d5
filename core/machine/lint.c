/* What is wrong with a machine as a whole: overlaps, open ports. See compose.h. */
#include <core/machine/compose.h>
#include <string.h>

typedef struct area {
    uint64_t first, last;
    char *what;
    pb_mark mark;
} area;

static void clear_area(gpointer item)
{
    g_free(((area *)item)->what);
}

static int compare_areas(gconstpointer first, gconstpointer second)
{
    const area *a = first, *b = second;

    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->last > b->last) - (a->last < b->last);
}

static void add_area(GArray *areas, uint64_t gpa, uint64_t bytes, char *what, pb_mark mark)
{
    area item = { gpa, gpa + (bytes - 1), what, mark };

    g_array_append_val(areas, item);
}

static void add_part_areas(GArray *areas, const pb_plan_part *part)
{
    for (unsigned i = 0; i < part->mappings->len; i++) {
        const pb_plan_mapping *m = &g_array_index(part->mappings, pb_plan_mapping, i);
        const pb_region *region = &((const pb_device_type *)part->class)->regions[m->region];

        add_area(areas, m->gpa, m->bytes, g_strdup_printf("'%s' of '%s'", region->name, part->path),
                 m->mark);
    }
}

/* Both of two areas that overlap have a mark; the later one of the file is told. */
static void tell_overlap(composer *c, const area *a, const area *b)
{
    if (a->mark.line > b->mark.line ||
        (a->mark.line == b->mark.line && a->mark.column > b->mark.column)) {
        const area *swap = a;

        a = b;
        b = swap;
    }
    pb_diag_error(c->diags, b->mark,
                  "%s (0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER
                  "x) overlaps %s (0x%" G_GINT64_MODIFIER "x-0x%" G_GINT64_MODIFIER "x) in line %u",
                  b->what, b->first, b->last, a->what, a->first, a->last, a->mark.line);
}

static void check_overlaps(composer *c)
{
    g_autoptr(GArray) areas = g_array_new(FALSE, FALSE, sizeof(area));
    const area *reaches = NULL; /* of those so far, the one that goes farthest */

    g_array_set_clear_func(areas, clear_area);
    for (unsigned i = 0; i < c->plan->memories->len; i++) {
        const pb_plan_memory *m = g_ptr_array_index(c->plan->memories, i);

        if (m->bytes > 0 && m->gpa + (m->bytes - 1) >= m->gpa)
            add_area(areas, m->gpa, m->bytes, g_strdup_printf("memory '%s'", m->name), m->mark);
    }
    for (unsigned i = 0; i < c->plan->parts->len; i++)
        add_part_areas(areas, g_ptr_array_index(c->plan->parts, i));
    g_array_sort(areas, compare_areas);
    for (unsigned i = 0; i < areas->len; i++) {
        const area *next = &g_array_index(areas, area, i);

        if (reaches && next->first <= reaches->last)
            tell_overlap(c, reaches, next);
        if (!reaches || next->last > reaches->last)
            reaches = next;
    }
}

/* The machine itself gives these. */
static bool is_given(const pb_port *port)
{
    return strcmp(port->protocol, PB_PROTOCOL_CLOCK) == 0 ||
           strcmp(port->protocol, PB_PROTOCOL_DMA) == 0;
}

/* A key that should have connected the port, whose error was told. */
static bool was_tried(const source_part *source, const pb_port *port)
{
    size_t length = strlen(port->name);

    for (unsigned i = 0; i < source->node->n_entries; i++) {
        const char *key = source->node->entries[i].key->text;

        if (strncmp(key, port->name, length) == 0 && (!key[length] || key[length] == '['))
            return true;
    }
    return false;
}

static uint32_t first_open(const composer *c, const pb_plan_part *part, const pb_port *port,
                           uint32_t count)
{
    uint32_t index;

    for (index = 0; index < count; index++) {
        g_autofree char *text = pb_plan_port_text(part, port, index);

        if (!g_hash_table_contains(c->connected, text))
            break;
    }
    return index;
}

static void check_port(composer *c, const source_part *source, const pb_port *port)
{
    const pb_plan_part *part = source->part;
    uint32_t count = pb_plan_port_count(part, port);
    uint32_t open;
    g_autofree char *text = NULL;

    if (port->role != PB_REQUIRES || port->optional || is_given(port))
        return;
    open = first_open(c, part, port, count);
    if (open == count || (open == 0 && was_tried(source, port)))
        return;
    text = pb_plan_port_text(part, port, open);
    if (pb_port_is_line(port))
        pb_diag_warning(c->diags, part->mark, "'%s' is not connected", text);
    else
        pb_diag_error(c->diags, part->mark,
                      "'%s' is not connected; %s requires a port of protocol '%s'", text,
                      part->type, port->protocol);
}

/* A device whose interrupts go nowhere is most likely a forgotten wire, even if the device can do
 * without. */
static void check_interrupts(composer *c, const source_part *source)
{
    const pb_plan_part *part = source->part;
    const pb_port *open = NULL;

    for (const pb_port *port = part->class->ports; port && port->name; port++) {
        if (port->role != PB_REQUIRES || strcmp(port->protocol, PB_PROTOCOL_IRQ) != 0)
            continue;
        if (!port->optional || was_tried(source, port))
            return;
        open = open ? open : port;
    }
    if (open && part->kind == PB_KIND_DEVICE)
        pb_diag_warning(c->diags, part->mark, "no interrupt of '%s' is connected ('%s')",
                        part->name, open->name);
}

/* A backend that nothing is wired to: an option for a board that has no use for it, or a forgotten
 * wire. */
static void check_use(composer *c, const source_part *source)
{
    const pb_plan_part *part = source->part;

    for (const pb_port *port = part->class->ports; port && port->name; port++) {
        uint32_t count = pb_plan_port_count(part, port);

        for (uint32_t i = 0; port->role == PB_PROVIDES && i < count; i++) {
            g_autofree char *text = pb_plan_port_text(part, port, i);

            if (g_hash_table_contains(c->connected, text))
                return;
        }
    }
    pb_diag_warning(c->diags, part->mark, "nothing uses '%s'", part->path);
}

static bool has_more_than_processors(const pb_plan *plan)
{
    for (unsigned i = 0; i < plan->parts->len; i++) {
        if (((const pb_plan_part *)g_ptr_array_index(plan->parts, i))->kind != PB_KIND_CPU)
            return true;
    }
    return false;
}

void compose_lint(composer *c)
{
    unsigned errors = pb_diags_errors(c->diags);

    check_overlaps(c);
    for (unsigned i = 0; i < c->parts->len; i++) {
        const source_part *source = g_ptr_array_index(c->parts, i);
        const pb_class *class = source->part->class;

        if (source->broken)
            continue;
        for (const pb_port *port = class->ports; port && port->name; port++)
            check_port(c, source, port);
        check_interrupts(c, source);
        if (source->part->kind == PB_KIND_BACKEND && errors == 0)
            check_use(c, source);
    }
    /* A processor alone runs programs, which bring theirs. */
    if (c->plan->memories->len == 0 && errors == 0 && has_more_than_processors(c->plan))
        pb_diag_warning(c->diags, c->root->mark, "the machine has no memory");
}
