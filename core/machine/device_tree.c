/*
 * The flattened device tree of a composed machine. Devicetree Specification v0.4; the bindings are those of
 * the Linux kernel's Documentation/devicetree.
 *
 * Nothing here knows a device: names and compatible strings are in the types' descriptions (pb_fdt_desc), places
 * and wires in the plan. The core writes what follows from those two; a type's `extra` hook adds the rest
 * through a pb_fdt_writer.
 *
 * Handles: part number n of the plan (from 0) has phandle n + 1, the board's fixed clock the one after them.
 */
#include <core/machine/device_tree.h>

#include <libfdt.h>
#include <patchbay/cpu.h>

#define TREE_BYTES       (2u << 20) /* the most that Linux takes (Documentation/arm64/booting.rst) */
#define TREE_BYTES_FIRST (16u << 10) /* enough for most boards: touching memory takes time */
#define CELLS_MAX        8           /* of an interrupt specifier */

typedef struct tree {
    pb_fdt_writer writer; /* first: handed to the types' hooks */
    const pb_plan *plan;
    const pb_device_tree_options *options;
    const pb_plan_part *part; /* the part whose node is being written */
    void *blob;
    uint32_t blob_bytes;
    int failed; /* first error of libfdt, 0: none */
} tree;

static tree *tree_of(const pb_fdt_writer *w)
{
    return w->opaque;
}

static void keep(tree *t, int result)
{
    if (result < 0 && !t->failed)
        t->failed = result;
}

/* ---- parts ------------------------------------------------------------------------------------------- */

static pb_instance *instance_of(const tree *t, const pb_plan_part *part)
{
    return t->options->instance(t->options->opaque, part->path);
}

/* The description of a part, null if guests are not told about it. */
static const pb_fdt_desc *desc_of(const tree *t, const pb_plan_part *part)
{
    const pb_class *class = pb_instance_class(instance_of(t, part));

    if (class->kind == PB_KIND_CPU)
        return ((const pb_cpu_type *)class)->fdt;
    return class->kind == PB_KIND_DEVICE ? ((const pb_device_type *)class)->fdt : NULL;
}

static uint32_t phandle_of(const tree *t, const pb_plan_part *part)
{
    guint index;

    return g_ptr_array_find(t->plan->parts, part, &index) ? index + 1 : 0;
}

static uint32_t clock_phandle(const tree *t)
{
    return t->plan->parts->len + 1;
}

static const pb_plan_wire *wire_from(const tree *t, const pb_plan_part *part, const char *port,
                                     uint32_t index)
{
    for (guint i = 0; i < t->plan->wires->len; i++) {
        const pb_plan_wire *wire = &g_array_index(t->plan->wires, pb_plan_wire, i);

        if (wire->from == part && wire->from_index == index && !strcmp(wire->from_port->name, port))
            return wire;
    }
    return NULL;
}

/* "pl011@9000000", "fw-cfg" for a device without registers. */
static char *node_name(const tree *t, const pb_plan_part *part, const pb_fdt_desc *desc)
{
    if (part->kind == PB_KIND_CPU)
        return g_strdup_printf("cpu@%" G_GINT64_MODIFIER "x", MAX(part->index, 0));
    if (part->mappings->len)
        return g_strdup_printf("%s@%" G_GINT64_MODIFIER "x", desc->node,
                               g_array_index(part->mappings, pb_plan_mapping, 0).gpa);
    return g_strdup(desc->node);
}

/* ---- the writer that types get -------------------------------------------------------------------------- */

static void write_empty(const pb_fdt_writer *w, const char *name)
{
    keep(tree_of(w), fdt_property(tree_of(w)->blob, name, NULL, 0));
}

static void write_cells(const pb_fdt_writer *w, const char *name, const uint32_t *cells,
                        uint32_t count)
{
    g_autofree fdt32_t *big = g_new(fdt32_t, count + 1);

    for (uint32_t i = 0; i < count; i++)
        big[i] = cpu_to_fdt32(cells[i]);
    keep(tree_of(w), fdt_property(tree_of(w)->blob, name, big, (int)(count * sizeof(*big))));
}

static void write_string(const pb_fdt_writer *w, const char *name, const char *text)
{
    keep(tree_of(w), fdt_property_string(tree_of(w)->blob, name, text));
}

static void write_bytes(const pb_fdt_writer *w, const char *name, const void *bytes,
                        uint32_t length)
{
    keep(tree_of(w), fdt_property(tree_of(w)->blob, name, bytes, (int)length));
}

static void write_begin(const pb_fdt_writer *w, const char *node)
{
    keep(tree_of(w), fdt_begin_node(tree_of(w)->blob, node));
}

static void write_end(const pb_fdt_writer *w)
{
    keep(tree_of(w), fdt_end_node(tree_of(w)->blob));
}

static uint32_t find_phandle(const pb_fdt_writer *w, const char *path)
{
    const tree *t = tree_of(w);
    const pb_plan_part *part;

    if (*path == '.') {
        const pb_plan_wire *wire = wire_from(t, t->part, path + 1, 0);

        return wire ? phandle_of(t, wire->to) : 0;
    }
    part = pb_plan_find(t->plan, path);
    return part ? phandle_of(t, part) : 0;
}

static uint32_t find_interrupt(const pb_fdt_writer *w, const char *port, uint32_t index,
                               uint32_t cells[CELLS_MAX])
{
    const tree *t = tree_of(w);
    const pb_plan_wire *wire = wire_from(t, t->part, port, index);
    const pb_fdt_desc *controller = wire ? desc_of(t, wire->to) : NULL;

    if (!controller || !controller->interrupt || controller->interrupt_cells > CELLS_MAX ||
        !controller->interrupt(pb_instance_self(instance_of(t, wire->to)), wire->to_port->name,
                               wire->to_index, cells))
        return 0;
    return controller->interrupt_cells;
}

static bool find_region(const pb_fdt_writer *w, const char *region, uint64_t *gpa, uint64_t *bytes)
{
    const tree *t = tree_of(w);
    int row = pb_class_region(pb_instance_class(instance_of(t, t->part)), region, NULL);

    for (guint i = 0; row >= 0 && i < t->part->mappings->len; i++) {
        const pb_plan_mapping *m = &g_array_index(t->part->mappings, pb_plan_mapping, i);

        if (m->region == (uint32_t)row) {
            *gpa = m->gpa;
            *bytes = m->bytes;
            return true;
        }
    }
    return false;
}

static bool find_peer(const pb_fdt_writer *w, const char *port, uint32_t index, uint32_t *phandle,
                      uint32_t *peer_index)
{
    const tree *t = tree_of(w);
    const pb_plan_wire *wire = wire_from(t, t->part, port, index);

    if (!wire)
        return false;
    *phandle = phandle_of(t, wire->to);
    *peer_index = wire->to_index;
    return true;
}

/* ---- properties of a node ----------------------------------------------------------------------------------- */

static void cell(tree *t, const char *name, uint32_t value)
{
    keep(t, fdt_property_u32(t->blob, name, value));
}

/* A list of strings, one after the other with their zeros. */
static void strings(tree *t, const char *name, const char *const *list)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (; *list; list++)
        g_byte_array_append(bytes, (const guint8 *)*list, (guint)strlen(*list) + 1);
    keep(t, fdt_property(t->blob, name, bytes->data, (int)bytes->len));
}

/* Address and size pairs, two cells each. */
static void regs(tree *t, const GArray *pairs)
{
    g_autofree fdt64_t *big = g_new(fdt64_t, pairs->len + 1);

    for (guint i = 0; i < pairs->len; i++)
        big[i] = cpu_to_fdt64(g_array_index(pairs, uint64_t, i));
    keep(t, fdt_property(t->blob, "reg", big, (int)(pairs->len * sizeof(*big))));
}

static int by_region(gconstpointer a, gconstpointer b)
{
    return (int)((const pb_plan_mapping *)a)->region - (int)((const pb_plan_mapping *)b)->region;
}

static void part_regs(tree *t, const pb_fdt_desc *desc)
{
    g_autoptr(GArray) sorted = g_array_copy(t->part->mappings);
    g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    g_array_sort(sorted, by_region);
    for (guint i = 0; i < sorted->len && (!desc->reg_regions || i < desc->reg_regions); i++) {
        const pb_plan_mapping *m = &g_array_index(sorted, pb_plan_mapping, i);

        g_array_append_val(pairs, m->gpa);
        g_array_append_val(pairs, m->bytes);
    }
    if (pairs->len)
        regs(t, pairs);
}

/* Every wired irq output of the part, in the order of the rows. */
static void part_interrupts(tree *t, const pb_fdt_desc *desc)
{
    const pb_class *class = pb_instance_class(instance_of(t, t->part));
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    if (desc->interrupt || desc->no_interrupts || class->kind == PB_KIND_CPU)
        return;
    for (const pb_port *port = class->ports; port && port->name; port++) {
        uint32_t n = pb_plan_port_count(t->part, port), cells[CELLS_MAX];

        if (port->role != PB_REQUIRES || strcmp(port->protocol, PB_PROTOCOL_IRQ))
            continue;
        for (uint32_t i = 0; i < n; i++)
            g_array_append_vals(all, cells, find_interrupt(&t->writer, port->name, i, cells));
    }
    if (all->len)
        write_cells(&t->writer, "interrupts", &g_array_index(all, uint32_t, 0), all->len);
}

/* Every clock that a type names is the board's fixed one. */
static void part_clocks(tree *t, const pb_fdt_desc *desc)
{
    g_autoptr(GArray) clocks = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t clock = clock_phandle(t);

    if (!desc->clock_names)
        return;
    for (const char *const *name = desc->clock_names; *name; name++)
        g_array_append_val(clocks, clock);
    write_cells(&t->writer, "clocks", &g_array_index(clocks, uint32_t, 0), clocks->len);
    strings(t, "clock-names", desc->clock_names);
}

static bool hook_failed(const tree *t, const pb_error *error, GError **to)
{
    g_set_error(to, PB_OBJECT_ERROR, PB_OBJECT_ERROR_INIT, "%s: device tree: %s", t->part->path,
                error->text);
    return false;
}

static bool part_node(tree *t, const pb_plan_part *part, GError **error)
{
    const pb_fdt_desc *desc = desc_of(t, part);
    pb_error text = PB_ERROR_INIT;
    g_autofree char *name = NULL;

    if (!desc)
        return true;
    t->part = part;
    name = node_name(t, part, desc);
    keep(t, fdt_begin_node(t->blob, name));
    if (part->kind == PB_KIND_CPU)
        write_string(&t->writer, "device_type", "cpu");
    if (desc->compatible)
        strings(t, "compatible", desc->compatible);
    part_regs(t, desc);
    part_interrupts(t, desc);
    part_clocks(t, desc);
    if (desc->dma_coherent)
        write_empty(&t->writer, "dma-coherent");
    if (desc->interrupt) {
        write_empty(&t->writer, "interrupt-controller");
        cell(t, "#interrupt-cells", desc->interrupt_cells);
    }
    cell(t, "phandle", phandle_of(t, part));
    if (desc->extra && !desc->extra(pb_instance_self(instance_of(t, part)), &t->writer, &text))
        return hook_failed(t, &text, error);
    keep(t, fdt_end_node(t->blob));
    return true;
}

/* ---- the root's nodes ----------------------------------------------------------------------------------------- */

/* The interrupt controller that the first wired device uses is everybody's parent. */
static void interrupt_parent(tree *t)
{
    for (guint i = 0; i < t->plan->wires->len; i++) {
        const pb_plan_wire *wire = &g_array_index(t->plan->wires, pb_plan_wire, i);
        const pb_fdt_desc *desc = wire->to->kind == PB_KIND_DEVICE ? desc_of(t, wire->to) : NULL;

        if (desc && desc->interrupt) {
            cell(t, "interrupt-parent", phandle_of(t, wire->to));
            return;
        }
    }
}

static void memory_nodes(tree *t)
{
    for (guint i = 0; i < t->plan->memories->len; i++) {
        const pb_plan_memory *memory = g_ptr_array_index(t->plan->memories, i);
        g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        g_autofree char *name = NULL;

        if (memory->type != PB_MEMORY_RAM)
            continue;
        name = g_strdup_printf("memory@%" G_GINT64_MODIFIER "x", memory->gpa);
        keep(t, fdt_begin_node(t->blob, name));
        write_string(&t->writer, "device_type", "memory");
        g_array_append_val(pairs, memory->gpa);
        g_array_append_val(pairs, memory->bytes);
        regs(t, pairs);
        keep(t, fdt_end_node(t->blob));
    }
}

static void clock_node(tree *t)
{
    const pb_plan_fdt *fdt = &t->plan->fdt;

    if (!fdt->clock_hz)
        return;
    keep(t, fdt_begin_node(t->blob, "apb-pclk"));
    write_string(&t->writer, "compatible", "fixed-clock");
    cell(t, "#clock-cells", 0);
    cell(t, "clock-frequency", (uint32_t)fdt->clock_hz);
    write_string(&t->writer, "clock-output-names", "apb-pclk");
    cell(t, "phandle", clock_phandle(t));
    keep(t, fdt_end_node(t->blob));
}

static void chosen_node(tree *t)
{
    const pb_device_tree_options *o = t->options;
    const pb_plan_part *console =
        t->plan->fdt.stdout_path ? pb_plan_find(t->plan, t->plan->fdt.stdout_path) : NULL;
    const pb_fdt_desc *desc = console ? desc_of(t, console) : NULL;

    keep(t, fdt_begin_node(t->blob, "chosen"));
    if (o->bootargs)
        write_string(&t->writer, "bootargs", o->bootargs);
    if (desc) {
        g_autofree char *name = node_name(t, console, desc);
        g_autofree char *path = g_strconcat("/", name, NULL);

        write_string(&t->writer, "stdout-path", path);
    }
    if (o->initrd_bytes) {
        keep(t, fdt_property_u64(t->blob, "linux,initrd-start", o->initrd_gpa));
        keep(t, fdt_property_u64(t->blob, "linux,initrd-end", o->initrd_gpa + o->initrd_bytes));
    }
    if (o->rng_seed)
        write_bytes(&t->writer, "rng-seed", o->rng_seed, (uint32_t)o->rng_seed_bytes);
    keep(t, fdt_end_node(t->blob));
}

/* Processors, and what comes with them at the root (psci, timer): the first one tells. */
static bool cpu_nodes(tree *t, GError **error)
{
    const pb_plan_part *first = NULL;
    const pb_cpu_type *type;
    pb_error text = PB_ERROR_INIT;

    keep(t, fdt_begin_node(t->blob, "cpus"));
    cell(t, "#address-cells", 1); /* types write reg with one cell */
    cell(t, "#size-cells", 0);
    for (guint i = 0; i < t->plan->parts->len; i++) {
        const pb_plan_part *part = g_ptr_array_index(t->plan->parts, i);

        if (part->kind != PB_KIND_CPU)
            continue;
        if (!first)
            first = part;
        if (!part_node(t, part, error))
            return false;
    }
    keep(t, fdt_end_node(t->blob));
    if (!first)
        return true;
    t->part = first;
    type = (const pb_cpu_type *)pb_instance_class(instance_of(t, first));
    if (type->fdt_root &&
        !type->fdt_root(pb_instance_self(instance_of(t, first)), &t->writer, &text))
        return hook_failed(t, &text, error);
    return true;
}

static bool write_tree(tree *t, GError **error)
{
    const pb_plan_fdt *fdt = &t->plan->fdt;

    keep(t, fdt_create(t->blob, (int)t->blob_bytes));
    keep(t, fdt_finish_reservemap(t->blob));
    keep(t, fdt_begin_node(t->blob, ""));
    strings(t, "compatible", (const char *const *)fdt->compatible);
    if (fdt->model)
        write_string(&t->writer, "model", fdt->model);
    cell(t, "#address-cells", 2);
    cell(t, "#size-cells", 2);
    interrupt_parent(t);
    chosen_node(t);
    memory_nodes(t);
    clock_node(t);
    if (!cpu_nodes(t, error))
        return false;
    for (guint i = 0; i < t->plan->parts->len; i++) {
        const pb_plan_part *part = g_ptr_array_index(t->plan->parts, i);

        if (part->kind == PB_KIND_DEVICE && !part_node(t, part, error))
            return false;
    }
    keep(t, fdt_end_node(t->blob));
    keep(t, fdt_finish(t->blob));
    if (!t->failed)
        return true;
    g_set_error(error, PB_OBJECT_ERROR, PB_OBJECT_ERROR_INIT, "the device tree cannot be made: %s",
                fdt_strerror(t->failed));
    return false;
}

void *pb_device_tree_new(const pb_plan *plan, const pb_device_tree_options *options,
                         uint32_t *length, GError **error)
{
    tree t = { .plan = plan, .options = options };

    t.writer = (pb_fdt_writer){ .size = sizeof(pb_fdt_writer),
                                .opaque = &t,
                                .empty = write_empty,
                                .cells = write_cells,
                                .string = write_string,
                                .bytes = write_bytes,
                                .begin = write_begin,
                                .end = write_end,
                                .phandle = find_phandle,
                                .interrupt = find_interrupt,
                                .region = find_region,
                                .peer = find_peer };
    if (!plan->fdt.compatible) {
        g_set_error(error, PB_OBJECT_ERROR, PB_OBJECT_ERROR_INIT,
                    "machine '%s' has no section 'fdt', so no device tree can be made", plan->name);
        return NULL;
    }
    for (t.blob_bytes = TREE_BYTES_FIRST;; t.blob_bytes *= 2) {
        g_autoptr(GError) failure = NULL;

        t.failed = 0;
        t.blob = g_malloc(t.blob_bytes);
        if (write_tree(&t, &failure)) {
            *length = fdt_totalsize(t.blob);
            return g_realloc(t.blob, *length);
        }
        g_free(t.blob);
        if (t.failed != -FDT_ERR_NOSPACE || t.blob_bytes == TREE_BYTES) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
    }
}
