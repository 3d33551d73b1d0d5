/*
 * Regions and the tree they form. What an address space makes of the tree is in view.c.
 */
#include <core/bus/internal.h>

static pb_bus_region *region_new(pb_bus *bus, const char *name, pb_bus_region_kind kind,
                                 uint64_t bytes)
{
    pb_bus_region *region = g_new0(pb_bus_region, 1);

    g_assert(bytes > 0 || kind == PB_BUS_CONTAINER);
    region->refs = 1;
    region->bus = bus;
    region->name = g_strdup(name);
    region->kind = kind;
    region->last = bytes - 1;
    region->visible = true;
    return region;
}

static bool is_access_size(uint8_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static void set_mmio(pb_bus_region *region, const pb_mmio *mmio)
{
    region->mmio = *mmio;
    if (region->mmio.access_min == 0)
        region->mmio.access_min = 1;
    if (region->mmio.access_max == 0)
        region->mmio.access_max = 8;
    g_assert(is_access_size(region->mmio.access_min) && is_access_size(region->mmio.access_max));
    g_assert(region->mmio.access_min <= region->mmio.access_max);
}

static pb_bus_region *region_new_bytes(pb_bus *bus, const char *name, pb_bus_region_kind kind,
                                       pb_ram *ram, uint64_t offset, uint64_t bytes)
{
    pb_bus_region *region = region_new(bus, name, kind, bytes);

    g_assert(offset <= pb_ram_bytes(ram) && bytes <= pb_ram_bytes(ram) - offset);
    region->ram = pb_ram_ref(ram);
    region->ram_offset = offset;
    return region;
}

pb_bus_region *pb_bus_region_new_container(pb_bus *bus, const char *name, uint64_t bytes)
{
    pb_bus_region *region = region_new(bus, name, PB_BUS_CONTAINER, bytes);

    region->children = g_ptr_array_new();
    return region;
}

pb_bus_region *pb_bus_region_new_ram(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                     uint64_t bytes)
{
    return region_new_bytes(bus, name, PB_BUS_RAM, ram, offset, bytes);
}

pb_bus_region *pb_bus_region_new_rom(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                     uint64_t bytes)
{
    return region_new_bytes(bus, name, PB_BUS_ROM, ram, offset, bytes);
}

pb_bus_region *pb_bus_region_new_romd(pb_bus *bus, const char *name, pb_ram *ram, uint64_t offset,
                                      uint64_t bytes, const pb_mmio *mmio)
{
    pb_bus_region *region = region_new_bytes(bus, name, PB_BUS_ROMD, ram, offset, bytes);

    set_mmio(region, mmio);
    region->romd_direct = true;
    return region;
}

pb_bus_region *pb_bus_region_new_mmio(pb_bus *bus, const char *name, uint64_t bytes,
                                      const pb_mmio *mmio)
{
    pb_bus_region *region = region_new(bus, name, PB_BUS_MMIO, bytes);

    set_mmio(region, mmio);
    return region;
}

pb_bus_region *pb_bus_region_new_alias(pb_bus *bus, const char *name, pb_bus_region *target,
                                       uint64_t offset, uint64_t bytes)
{
    pb_bus_region *region = region_new(bus, name, PB_BUS_ALIAS, bytes);

    region->target = pb_bus_region_ref(target);
    region->target_offset = offset;
    return region;
}

pb_bus_region *pb_bus_region_ref(pb_bus_region *region)
{
    g_atomic_int_inc(&region->refs);
    return region;
}

void pb_bus_region_unref(pb_bus_region *region)
{
    if (!region || !g_atomic_int_dec_and_test(&region->refs))
        return;
    for (uint32_t i = 0; region->children && i < region->children->len; i++) {
        pb_bus_region *child = region->children->pdata[i];

        child->parent = NULL;
        pb_bus_region_unref(child);
    }
    if (region->children)
        g_ptr_array_unref(region->children);
    pb_bus_region_unref(region->target);
    pb_ram_unref(region->ram);
    g_free(region->name);
    g_free(region);
}

const char *pb_bus_region_name(const pb_bus_region *region)
{
    return region->name;
}

/* Whether one can come from `region` to `wanted` by children and aliases. */
static bool reaches(const pb_bus_region *region, const pb_bus_region *wanted)
{
    if (region == wanted)
        return true;
    if (region->target)
        return reaches(region->target, wanted);
    for (uint32_t i = 0; region->children && i < region->children->len; i++) {
        if (reaches(region->children->pdata[i], wanted))
            return true;
    }
    return false;
}

/* Higher priorities first; among equal ones, the later added first. */
static void link_child(pb_bus_region *container, pb_bus_region *child)
{
    uint32_t i = 0;

    while (i < container->children->len &&
           ((pb_bus_region *)container->children->pdata[i])->priority > child->priority)
        i++;
    g_ptr_array_insert(container->children, (int)i, child);
}

void pb_bus_region_add(pb_bus_region *container, pb_bus_region *child, uint64_t at, int priority)
{
    g_assert(container->kind == PB_BUS_CONTAINER && !child->parent);
    g_assert(!reaches(child, container)); /* a tree without end cannot be flattened */
    child->parent = container;
    child->at = at;
    child->priority = priority;
    link_child(container, pb_bus_region_ref(child));
    pb_bus_changed(container->bus);
}

void pb_bus_region_remove(pb_bus_region *child)
{
    pb_bus_region *container = child->parent;
    pb_bus *bus = child->bus;

    if (!container)
        return;
    g_ptr_array_remove(container->children, child);
    child->parent = NULL;
    pb_bus_region_unref(child);
    pb_bus_changed(bus);
}

void pb_bus_region_move(pb_bus_region *child, uint64_t at)
{
    if (child->at == at)
        return;
    child->at = at;
    pb_bus_changed(child->bus);
}

void pb_bus_region_set_visible(pb_bus_region *region, bool visible)
{
    if (region->visible == visible)
        return;
    region->visible = visible;
    pb_bus_changed(region->bus);
}

void pb_bus_region_set_romd(pb_bus_region *region, bool direct)
{
    g_assert(region->kind == PB_BUS_ROMD);
    if (region->romd_direct == direct)
        return;
    region->romd_direct = direct;
    pb_bus_changed(region->bus);
}
