/*
 * Does a plugin contradict itself? Everything that the core relies on later is checked here, once, when the
 * plugin is opened: names, sizes, members inside the instance, registers and fields inside their places.
 * So nothing else in the core doubts a table.
 *
 * Rules that are not obvious:
 * - Two registers may share an address if one is read-only and the other write-only, as in many manuals.
 * - Two registers may share storage: set and clear registers are two views of one value. Nothing else
 *   shares bytes of the instance.
 * - Names of properties and required ports are keys of the same mapping in a machine file.
 */
#include <core/device/object.h>
#include <core/device/tables.h>
#include <core/plugin/plugin_host.h>
#include <patchbay/accel.h>
#include <patchbay/codegen.h>
#include <patchbay/loader.h>

#define MAX_ROWS     65536 /* of any table: one without an end is found */
#define MAX_INSTANCE (256u << 20)
#define MAX_TEXT     4096

typedef struct checker {
    const char *file;
    const pb_class *class;
    bool functions;
    GError **error;
} checker;

/* One line: file, type, table row, what is wrong. False. */
static G_GNUC_PRINTF(3, 4) bool wrong(const checker *c, const char *row, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(c->error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_INVALID, "%s: type %s: %s%s%s", c->file,
                c->class && c->class->name ? c->class->name : "?", row ? row : "", row ? ": " : "",
                text);
    return false;
}

static bool is_name(const char *name, const char *others)
{
    if (!g_ascii_isalnum(*name))
        return false;
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr(others, *c))
            return false;
    return strlen(name) < MAX_TEXT;
}

/* Number of rows of a table whose rows begin with their name; MAX_ROWS if it has no end. */
static uint32_t count_rows(const void *table, size_t row_bytes)
{
    uint32_t count = 0;

    while (table && count < MAX_ROWS &&
           *(const char *const *)((const char *)table + count * row_bytes))
        count++;
    return count;
}

/* Every table ends, and its names are words and stand in it once. */
static bool check_names(const checker *c, const char *table_name, const void *table,
                        size_t row_bytes, const char *other_characters)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    uint32_t count = count_rows(table, row_bytes);

    if (count == MAX_ROWS)
        return wrong(c, table_name, "the table has no end");
    for (uint32_t i = 0; i < count; i++) {
        const char *name = *(const char *const *)((const char *)table + i * row_bytes);

        if (!is_name(name, other_characters))
            return wrong(c, table_name, "'%s' is no name", name);
        if (!g_hash_table_add(names, (gpointer)name))
            return wrong(c, table_name, "'%s' stands in it twice", name);
    }
    return true;
}

static bool inside(const checker *c, uint64_t offset, uint64_t width)
{
    return width && offset <= c->class->instance_size && width <= c->class->instance_size - offset;
}

/* ---- claims: who owns which bytes of the instance ------------------------------------------------- */

typedef struct claim {
    uint32_t first, end;
    const char *name;
    bool reg;
} claim;

static gint compare_claims(gconstpointer a, gconstpointer b)
{
    const claim *x = a, *y = b;

    return x->first != y->first ? (x->first < y->first ? -1 : 1) : 0;
}

static void add_claim(GArray *claims, const char *name, uint32_t first, uint32_t width, bool reg)
{
    claim row = { first, first + width, name, reg };

    g_array_append_val(claims, row);
}

static uint32_t handle_bytes(const pb_port *port)
{
    return (port->count && !port->count_offset ? port->count : 1) * (uint32_t)sizeof(void *);
}

static void claim_registers(GArray *claims, const pb_device_type *device)
{
    for (const pb_region *region = device->regions; region && region->name; region++)
        for (const pb_reg *reg = region->regs; reg && reg->name; reg++)
            if (reg->store_offset)
                add_claim(claims, reg->name, reg->store_offset - 1, reg->store_width, true);
}

static bool check_claims(const checker *c)
{
    g_autoptr(GArray) claims = g_array_new(FALSE, FALSE, sizeof(claim));
    const pb_class *class = c->class;

    if (class->self_offset)
        add_claim(claims, "pb_object", class->self_offset - 1, sizeof(void *), false);
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        add_claim(claims, prop->name, prop->offset, prop->width, false);
    for (const pb_port *port = class->ports; port && port->name; port++)
        if (port->handle_offset)
            add_claim(claims, port->name, port->handle_offset - 1, handle_bytes(port), false);
    for (const pb_state *state = class->state; state && state->name; state++)
        add_claim(claims, state->name, state->offset, state->width, false);
    if (pb_class_device(class))
        claim_registers(claims, pb_class_device(class));
    if (class->kind == PB_KIND_CPU)
        for (const pb_slot *slot = ((const pb_cpu_type *)class)->slots; slot->name; slot++)
            add_claim(claims, slot->name, slot->offset, pb_slot_bytes(slot->type), false);

    g_array_sort(claims, compare_claims);
    for (guint i = 1; i < claims->len; i++) {
        const claim *a = &g_array_index(claims, claim, i - 1), *b = a + 1;

        if (b->first < a->end && !(a->reg && b->reg))
            return wrong(c, NULL, "'%s' and '%s' claim the same bytes of the instance", a->name,
                         b->name);
    }
    return true;
}

/* ---- properties ---------------------------------------------------------------------------------- */

static bool width_fits(const pb_prop *prop)
{
    switch (prop->type) {
    case PB_PROP_BOOL:
        return prop->width == sizeof(bool);
    case PB_PROP_UINT:
    case PB_PROP_INT:
        return prop->width == 1 || prop->width == 2 || prop->width == 4 || prop->width == 8;
    case PB_PROP_SIZE:
    case PB_PROP_HZ:
        return prop->width == 4 || prop->width == 8;
    case PB_PROP_STRING:
    case PB_PROP_PATH:
        return prop->width == sizeof(char *);
    case PB_PROP_ENUM:
        return prop->width == 1 || prop->width == 2 || prop->width == 4;
    case PB_PROP_UINTS:
        return prop->width == sizeof(pb_uints);
    default:
        return false;
    }
}

static bool range_is_ordered(const pb_prop *prop)
{
    if (prop->type == PB_PROP_INT)
        return (int64_t)prop->min <= (int64_t)prop->max;
    return prop->min <= prop->max;
}

static bool check_property(const checker *c, const pb_prop *prop)
{
    /* What the composer says of every instance. */
    static const char *const reserved[] = { "type", "at", "when", "repeat", NULL };
    g_autoptr(GError) error = NULL;

    if (!prop->doc)
        return wrong(c, prop->name, "the property has no doc");
    if (g_strv_contains(reserved, prop->name))
        return wrong(c, prop->name, "the name is reserved in machine files");
    if (!width_fits(prop))
        return wrong(c, prop->name, "%u bytes do not suit property type %u", prop->width,
                     prop->type);
    if (!inside(c, prop->offset, prop->width))
        return wrong(c, prop->name, "bytes %u to %u are outside the instance of %u bytes",
                     prop->offset, prop->offset + prop->width, c->class->instance_size);
    if (prop->type == PB_PROP_ENUM && (!prop->choices || !prop->choices[0]))
        return wrong(c, prop->name, "an enum without choices");
    if (!range_is_ordered(prop))
        return wrong(c, prop->name, "the minimum is above the maximum");
    if (prop->initial && !pb_property_check(prop, prop->initial, NULL, &error))
        return wrong(c, prop->name, "bad default: %s", error->message);
    return true;
}

/* The property whose member is at the offset (of a count or a size), null if there is none. */
static const pb_prop *property_at(const pb_class *class, uint32_t offset)
{
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        if (prop->offset == offset)
            return prop;
    return NULL;
}

/* ---- ports --------------------------------------------------------------------------------------- */

/* Protocols of port.h: which side needs a table, and how long its first version was. */
static const struct {
    const char *name;
    size_t provider_bytes, client_bytes;
} protocols[] = {
    { PB_PROTOCOL_IRQ, sizeof(pb_line_iface), 0 },
    { PB_PROTOCOL_GPIO, sizeof(pb_line_iface), 0 },
    { PB_PROTOCOL_CHAR, offsetof(pb_stream_iface, busy), offsetof(pb_stream_client_iface, ready) },
    { PB_PROTOCOL_BLOCK, offsetof(pb_block_iface, drain), 0 },
    { PB_PROTOCOL_NET, sizeof(pb_net_iface), sizeof(pb_net_iface) },
};

static bool check_iface(const checker *c, const pb_port *port)
{
    for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
        size_t bytes;

        if (strcmp(port->protocol, protocols[i].name) != 0)
            continue;
        bytes = port->role == PB_PROVIDES ? protocols[i].provider_bytes : protocols[i].client_bytes;
        if (bytes && !port->iface)
            return wrong(c, port->name, "this side of protocol %s needs a table of functions",
                         port->protocol);
        if (bytes && *(const uint32_t *)port->iface < bytes)
            return wrong(c, port->name,
                         "the table of functions has %u bytes, protocol %s needs %zu",
                         *(const uint32_t *)port->iface, port->protocol, bytes);
    }
    return true;
}

static bool check_port(const checker *c, const pb_port *port)
{
    bool requires = port->role == PB_REQUIRES;

    if (!port->doc)
        return wrong(c, port->name, "the port has no doc");
    if (!port->protocol || !is_name(port->protocol, "-._/"))
        return wrong(c, port->name, "the port has no protocol");
    if (!requires && port->role != PB_PROVIDES)
        return wrong(c, port->name, "port role %u does not exist", port->role);
    if (port->count > MAX_ROWS || (port->count && port->count_offset))
        return wrong(c, port->name, "wrong count");
    if (port->count_offset) {
        const pb_prop *prop = property_at(c->class, port->count_offset - 1);

        if (!prop || prop->type != PB_PROP_UINT || prop->width != sizeof(uint32_t))
            return wrong(c, port->name, "the count is not a property of type uint32_t");
    }
    if (requires != (port->handle_offset != 0))
        return wrong(c, port->name,
                     requires ? "a required port needs a member for its handle"
                              : "a provided port has no handle");
    if (requires && !inside(c, port->handle_offset - 1, handle_bytes(port)))
        return wrong(c, port->name, "the handle is outside the instance of %u bytes",
                     c->class->instance_size);
    if (port->optional && !requires)
        return wrong(c, port->name, "only required ports can be optional");
    if (port->connected && requires)
        return wrong(c, port->name, "only provided ports are told of connections");
    for (const pb_prop *prop = c->class->props; requires && prop && prop->name; prop++)
        if (strcmp(prop->name, port->name) == 0)
            return wrong(c, port->name, "is a property and a port");
    return !c->functions || check_iface(c, port);
}

/* ---- state --------------------------------------------------------------------------------------- */

static bool check_state(const checker *c, const pb_state *state)
{
    if (!inside(c, state->offset, state->width))
        return wrong(c, state->name, "bytes %u to %u are outside the instance of %u bytes",
                     state->offset, state->offset + state->width, c->class->instance_size);
    switch (state->kind) {
    case PB_STATE_KIND_DATA:
        if (!state->element || state->width % state->element)
            return wrong(c, state->name, "%u bytes are no whole number of elements of %u",
                         state->width, state->element);
        return true;
    case PB_STATE_KIND_TIMER:
        if (state->width != sizeof(pb_timer *) || (c->functions && !state->expired))
            return wrong(c, state->name, "a timer is a pointer and has a function");
        return true;
    case PB_STATE_KIND_BUFFER:
        if (state->width != sizeof(void *) ||
            (state->length_width != 4 && state->length_width != 8) ||
            !inside(c, state->length_offset, state->length_width))
            return wrong(c, state->name, "a buffer is a pointer, with a length of 4 or 8 bytes");
        return true;
    case PB_STATE_KIND_TRANSIENT:
        if (!state->doc || !*state->doc)
            return wrong(c, state->name, "no reason why it is no state");
        return true;
    default:
        return wrong(c, state->name, "state kind %u does not exist", state->kind);
    }
}

/* ---- registers ----------------------------------------------------------------------------------- */

static bool check_fields(const checker *c, const pb_reg *reg)
{
    uint64_t taken = 0;

    if (!check_names(c, reg->name, reg->fields, sizeof(pb_field), "_-.[]"))
        return false;
    for (const pb_field *field = reg->fields; field && field->name; field++) {
        uint64_t mask;

        if (!field->width || field->width > 64 || field->lsb > 63 ||
            field->lsb + field->width > reg->width)
            return wrong(c, reg->name, "field %s, bits %u to %u, is outside its %u bits",
                         field->name, field->lsb + field->width - 1, field->lsb, reg->width);
        if (field->mode > PB_RAZ_WI || field->status > PB_UNMODELLED)
            return wrong(c, reg->name, "field %s: mode %u or status %u does not exist", field->name,
                         field->mode, field->status);
        mask = pb_bits_mask(field->width) << field->lsb;
        if (taken & mask)
            return wrong(c, reg->name, "field %s overlaps another one", field->name);
        taken |= mask;
    }
    return true;
}

static bool check_storage(const checker *c, const pb_region *region, const pb_reg *reg)
{
    uint32_t count = reg->count ? reg->count : 1;

    if (region->frame_bytes)
        return wrong(c, reg->name, "registers of a region of frames have no storage");
    if (!inside(c, reg->store_offset - 1, reg->store_width))
        return wrong(c, reg->name, "bytes %u to %u are outside the instance of %u bytes",
                     reg->store_offset - 1, reg->store_offset - 1 + reg->store_width,
                     c->class->instance_size);
    if (reg->element != 1 && reg->element != 2 && reg->element != 4 && reg->element != 8)
        return wrong(c, reg->name, "an element of storage has %u bytes, not 1, 2, 4 or 8",
                     reg->element);
    if (reg->width > reg->element * 8)
        return wrong(c, reg->name, "%u bits do not fit in storage of %u bytes", reg->width,
                     reg->element);
    if ((uint64_t)count * reg->element > reg->store_width)
        return wrong(c, reg->name, "%u elements do not fit in storage of %u bytes", count,
                     reg->store_width);
    return true;
}

static bool check_hooks(const checker *c, const pb_reg *reg)
{
    bool reads = reg->read || reg->read_at, writes = reg->write || reg->write_at;

    if ((reg->read && reg->read_at) || (reg->write && reg->write_at))
        return wrong(c, reg->name, "has two hooks for one thing");
    if (writes && (reg->mode == PB_RO || reg->mode == PB_RAZ_WI))
        return wrong(c, reg->name, "a register that ignores writes has a write hook");
    if (reads && (reg->mode == PB_WO || reg->mode == PB_RAZ_WI))
        return wrong(c, reg->name, "a register that reads as zero has a read hook");
    if (reg->raw_write && !writes)
        return wrong(c, reg->name, "raw writes without a write hook");
    if (!reg->store_offset && !reads && !writes && reg->status == PB_MODELLED &&
        reg->mode != PB_RO && reg->mode != PB_RAZ_WI)
        return wrong(c, reg->name,
                     "has neither storage nor hooks: it is PB_RO, PB_RAZ_WI or PB_UNMODELLED");
    return true;
}

static bool check_register(const checker *c, const pb_region *region, const pb_reg *reg)
{
    uint64_t space = region->frame_bytes ? region->frame_bytes : region->bytes;
    uint32_t count = reg->count ? reg->count : 1;

    if (!reg->doc)
        return wrong(c, reg->name, "the register has no doc");
    if (!reg->width || reg->width > 64)
        return wrong(c, reg->name, "width of %u bits", reg->width);
    if (reg->mode > PB_RAZ_WI || reg->status > PB_UNMODELLED)
        return wrong(c, reg->name, "mode %u or status %u does not exist", reg->mode, reg->status);
    if (reg->stride && reg->stride < pb_reg_bytes(reg))
        return wrong(c, reg->name, "elements %u bytes apart overlap", reg->stride);
    if (reg->offset > PB_REGS_MAX_BYTES || count > MAX_ROWS ||
        pb_reg_end(reg) > (space ? space : PB_REGS_MAX_BYTES))
        return wrong(c, reg->name, "is outside region %s of 0x%" G_GINT64_MODIFIER "x bytes",
                     region->name, space);
    if (reg->reset & ~pb_bits_mask(reg->width) || reg->write_mask & ~pb_bits_mask(reg->width))
        return wrong(c, reg->name, "reset value or write mask has bits above its %u bits",
                     reg->width);
    if (reg->store_offset && !check_storage(c, region, reg))
        return false;
    if (c->functions && !check_hooks(c, reg))
        return false;
    return check_fields(c, reg);
}

/* Bytes next to each other that are one register's. */
typedef struct span {
    uint64_t first, last;
    const pb_reg *reg;
} span;

static gint compare_spans(gconstpointer a, gconstpointer b)
{
    const span *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static void add_spans(GArray *spans, const pb_reg *reg)
{
    uint32_t bytes = pb_reg_bytes(reg), stride = pb_reg_stride(reg);

    if (stride == bytes) {
        span whole = { reg->offset, pb_reg_end(reg) - 1, reg };

        g_array_append_val(spans, whole);
        return;
    }
    for (uint64_t at = reg->offset; at < pb_reg_end(reg); at += stride) {
        span element = { at, at + bytes - 1, reg };

        g_array_append_val(spans, element);
    }
}

static bool check_spans(const checker *c, GArray *spans)
{
    const span *before = NULL;

    g_array_sort(spans, compare_spans);
    for (guint i = 0; i < spans->len; i++) {
        const span *s = &g_array_index(spans, span, i);

        if (before && s->first <= before->last)
            return wrong(c, MAX(s->reg, before->reg)->name,
                         "overlaps %s at 0x%" G_GINT64_MODIFIER "x", MIN(s->reg, before->reg)->name,
                         s->first);
        before = s;
    }
    return true;
}

/* Two registers at one address, unless one is for reading and the other for writing. */
static bool check_overlaps(const checker *c, const pb_region *region)
{
    g_autoptr(GArray) readers = g_array_new(FALSE, FALSE, sizeof(span));
    g_autoptr(GArray) writers = g_array_new(FALSE, FALSE, sizeof(span));

    for (const pb_reg *reg = region->regs; reg->name; reg++) {
        if (reg->mode != PB_WO)
            add_spans(readers, reg);
        if (reg->mode != PB_RO)
            add_spans(writers, reg);
    }
    return check_spans(c, readers) && check_spans(c, writers);
}

static bool check_registers(const checker *c, const pb_region *region)
{
    if (!region->regs)
        return wrong(c, region->name, "a region of registers without any");
    if (!check_names(c, region->name, region->regs, sizeof(pb_reg), "_-./"))
        return false;
    for (const pb_reg *reg = region->regs; reg->name; reg++)
        if (!check_register(c, region, reg))
            return false;
    return check_overlaps(c, region);
}

/* ---- regions ------------------------------------------------------------------------------------- */

static bool is_access_size(uint8_t bytes)
{
    return bytes == 0 || bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static bool check_region_size(const checker *c, const pb_region *region)
{
    if (region->bytes_offset) {
        const pb_prop *prop = property_at(c->class, region->bytes_offset - 1);

        if (!prop || prop->width != sizeof(uint64_t) ||
            (prop->type != PB_PROP_SIZE && prop->type != PB_PROP_UINT))
            return wrong(c, region->name, "the size is not a property of type uint64_t");
    } else if (!region->bytes && !region->placed_by_bus) {
        return wrong(c, region->name, "the region has no size");
    }
    if (region->frame_bytes && region->bytes % region->frame_bytes)
        return wrong(c, region->name, "the size is no whole number of frames");
    return true;
}

static bool check_region(const checker *c, const pb_region *region)
{
    if (!region->doc)
        return wrong(c, region->name, "the region has no doc");
    if (region->kind < PB_REGION_REGS || region->kind > PB_REGION_ROMD)
        return wrong(c, region->name, "region kind %u does not exist", region->kind);
    if (!check_region_size(c, region))
        return false;
    if (!is_access_size(region->access_min) || !is_access_size(region->access_max) ||
        (region->access_max && region->access_min > region->access_max))
        return wrong(c, region->name, "accesses of %u to %u bytes", region->access_min,
                     region->access_max);
    if (region->kind == PB_REGION_REGS)
        return check_registers(c, region);
    if (!c->functions)
        return true;
    if (region->kind == PB_REGION_MMIO &&
        (!region->ops || !region->ops->read || !region->ops->write))
        return wrong(c, region->name, "needs handlers for reads and writes");
    if (region->kind == PB_REGION_ROMD &&
        (!region->ops || !region->ops->read || !region->ops->write))
        return wrong(c, region->name, "needs handlers for reads and writes");
    return true;
}

static bool check_device(const checker *c)
{
    const pb_device_type *device = (const pb_device_type *)c->class;

    if (!check_names(c, "regions", device->regions, sizeof(pb_region), "_-"))
        return false;
    for (const pb_region *region = device->regions; region && region->name; region++)
        if (!check_region(c, region))
            return false;
    return true;
}

/* ---- processors ---------------------------------------------------------------------------------- */

static bool check_slots(const checker *c)
{
    const pb_cpu_type *cpu = (const pb_cpu_type *)c->class;
    uint32_t count = count_rows(cpu->slots, sizeof(pb_slot));

    if (!count || count == MAX_ROWS)
        return wrong(c, "slots", "the table is empty or has no end");
    for (uint32_t i = 0; i < count; i++) {
        const pb_slot *slot = &cpu->slots[i];

        if (slot->type == IR_VOID || slot->type >= IR_TYPE_COUNT)
            return wrong(c, slot->name, "IR type %u does not exist", slot->type);
        if (!inside(c, slot->offset, pb_slot_bytes(slot->type)))
            return wrong(c, slot->name, "is outside the instance of %u bytes",
                         c->class->instance_size);
    }
    if (cpu->pc_slot >= count)
        return wrong(c, "slots", "pc_slot %u, the table has %u rows", cpu->pc_slot, count);
    if (c->functions && (!cpu->translator || !cpu->walk || !cpu->raise))
        return wrong(c, NULL, "a cpu type has a translator, a walk and a raise function");
    return true;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static bool check_accel(const checker *c)
{
    const pb_accel_type *accel = (const pb_accel_type *)c->class;

    return !c->functions || accel->run || wrong(c, NULL, "an accelerator has a run function");
}

static bool check_backend(const checker *c)
{
    const pb_port *port = c->class->ports;

    for (; port && port->name; port++)
        if (port->role == PB_PROVIDES)
            return true;
    return wrong(c, NULL, "a backend provides a port");
}

/* By kind: how long the descriptor was in the first version of the ABI, and what else there is to check. */
static const struct {
    size_t bytes;
    bool (*check)(const checker *c);
} kinds[] = {
    [PB_KIND_CPU] = { sizeof(pb_cpu_type), check_slots },
    [PB_KIND_CODEGEN] = { sizeof(pb_codegen_type), NULL },
    [PB_KIND_ACCEL] = { sizeof(pb_accel_type), check_accel },
    [PB_KIND_DEVICE] = { offsetof(pb_device_type, gaps), check_device },
    [PB_KIND_BACKEND] = { sizeof(pb_class), check_backend },
    [PB_KIND_LOADER] = { sizeof(pb_loader_type), NULL },
    [PB_KIND_TOOL] = { sizeof(pb_class), NULL },
};

static bool check_tables(const checker *c)
{
    const pb_class *class = c->class;

    if (!check_names(c, "properties", class->props, sizeof(pb_prop), "-") ||
        !check_names(c, "ports", class->ports, sizeof(pb_port), "-_") ||
        !check_names(c, "state", class->state, sizeof(pb_state), "_.[]"))
        return false;
    for (const pb_prop *prop = class->props; prop && prop->name; prop++)
        if (!check_property(c, prop))
            return false;
    for (const pb_port *port = class->ports; port && port->name; port++)
        if (!check_port(c, port))
            return false;
    for (const pb_state *state = class->state; state && state->name; state++)
        if (!check_state(c, state))
            return false;
    return true;
}

static bool check_class(const checker *c, pb_kind plugin_kind)
{
    const pb_class *class = c->class;

    if (class->kind >= G_N_ELEMENTS(kinds) || !class->kind)
        return wrong(c, NULL, "kind %u does not exist", class->kind);
    if (class->size < kinds[class->kind].bytes || class->size > 16 * kinds[class->kind].bytes)
        return wrong(c, NULL, "its descriptor says that it has %u bytes, kind %s needs %zu",
                     class->size, pb_kind_name(class->kind), kinds[class->kind].bytes);
    if (!class->name || !is_name(class->name, "-_."))
        return wrong(c, NULL, "the name is missing or no name");
    if (class->kind != plugin_kind)
        return wrong(c, NULL, "a %s type does not belong in a plugin %s-*",
                     pb_kind_name(class->kind), pb_kind_prefix(plugin_kind));
    if (!class->doc)
        return wrong(c, NULL, "it has no doc");
    if (!class->instance_size || class->instance_size > MAX_INSTANCE)
        return wrong(c, NULL, "instances of %u bytes", class->instance_size);
    if (class->self_offset && !inside(c, class->self_offset - 1, sizeof(void *)))
        return wrong(c, NULL, "the pb_object member is outside the instance of %u bytes",
                     class->instance_size);
    return check_tables(c) && (!kinds[class->kind].check || kinds[class->kind].check(c)) &&
           check_claims(c);
}

bool pb_plugin_check(const pb_plugin *plugin, const char *file, bool functions, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    pb_kind kind = plugin->id ? pb_kind_of_plugin(plugin->id) : (pb_kind)0;
    const char *missing = !plugin->version   ? "version"
                          : !plugin->licence ? "licence"
                          : !plugin->doc     ? "doc"
                          : !plugin->types   ? "table of types"
                          : !*plugin->types  ? "type"
                                             : NULL;

    if (!kind || missing) {
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_INVALID, "%s: %s%s", file,
                    kind ? "it has no " : "no kind of plugin is called that", kind ? missing : "");
        return false;
    }
    for (uint32_t i = 0; plugin->types[i]; i++) {
        checker c = { file, plugin->types[i], functions, error };

        if (i == MAX_ROWS)
            return wrong(&c, NULL, "the table of types has no end");
        if (!check_class(&c, kind))
            return false;
        if (!g_hash_table_add(names, (gpointer)c.class->name))
            return wrong(&c, NULL, "stands in the plugin twice");
    }
    return true;
}
