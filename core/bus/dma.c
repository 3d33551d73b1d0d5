/*
 * DMA handles (port.h): an address space as one bus master sees it.
 *
 * A mapping keeps a reference to the RAM it points into, so it outlives changes of the map. Its writes
 * are told at unmap; until then they are what the architecture calls incoherent with instruction
 * fetch and what displays have not noticed.
 */
#include <core/bus/internal.h>

typedef struct mapping {
    pb_ram *ram; /* a reference */
    uint8_t *host;
} mapping;

typedef struct dma {
    pb_dma head;
    pb_space *space;
    pb_attrs attrs;
    GArray *mappings;
} dma;

static pb_bus_result dma_read(pb_dma *head, uint64_t gpa, void *to, uint64_t length)
{
    dma *d = (dma *)head;

    return pb_space_copy_out(d->space, gpa, to, length, d->attrs, NULL);
}

static pb_bus_result dma_write(pb_dma *head, uint64_t gpa, const void *from, uint64_t length)
{
    dma *d = (dma *)head;

    return pb_space_copy_in(d->space, gpa, from, length, d->attrs, NULL);
}

static bool may_map(const pb_range *range, bool write)
{
    return range && range->host && (range->kind == PB_RANGE_RAM || !write);
}

static void *dma_map(pb_dma *head, uint64_t gpa, uint64_t *length, bool write)
{
    dma *d = (dma *)head;
    pb_reader *reader = pb_bus_device_reader(pb_space_bus(d->space));
    mapping m = { NULL, NULL };
    const pb_range *range;

    pb_reader_enter(reader);
    range = pb_space_lookup(d->space, reader, gpa);
    if (*length > 0 && may_map(range, write)) {
        if (*length - 1 > range->last - gpa)
            *length = range->last - gpa + 1;
        m.ram = pb_ram_ref(range->ram);
        m.host = range->host + (gpa - range->first);
        g_array_append_val(d->mappings, m);
    }
    pb_reader_leave(reader);
    return m.host;
}

static void dma_unmap(pb_dma *head, void *host, uint64_t length, uint64_t written)
{
    dma *d = (dma *)head;

    for (uint32_t i = d->mappings->len; i-- > 0;) {
        mapping m = g_array_index(d->mappings, mapping, i);

        if (m.host != host)
            continue;
        g_array_remove_index_fast(d->mappings, i);
        pb_ram_written(m.ram, (uint64_t)(m.host - pb_ram_host(m.ram)), MIN(written, length));
        pb_ram_unref(m.ram);
        return;
    }
    g_assert_not_reached(); /* unmapped twice, or not a result of map */
}

static const pb_dma_iface dma_iface = {
    .size = sizeof(pb_dma_iface),
    .read = dma_read,
    .write = dma_write,
    .map = dma_map,
    .unmap = dma_unmap,
};

pb_dma *pb_dma_new(pb_space *space, uint32_t requester)
{
    dma *d = g_new0(dma, 1);

    d->head.iface = &dma_iface;
    d->space = space;
    d->attrs.requester = requester;
    d->mappings = g_array_new(false, false, sizeof(mapping));
    return &d->head;
}

void pb_dma_free(pb_dma *head)
{
    dma *d = (dma *)head;

    if (!d)
        return;
    for (uint32_t i = 0; i < d->mappings->len; i++)
        pb_ram_unref(g_array_index(d->mappings, mapping, i).ram);
    g_array_unref(d->mappings);
    g_free(d);
}

void pb_dma_set_requester(pb_dma *head, uint32_t requester)
{
    ((dma *)head)->attrs.requester = requester;
}
