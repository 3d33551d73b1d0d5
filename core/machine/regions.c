/* Memories of a machine and regions of its devices on the bus. */
#include <core/machine/internal.h>
#include <core/trace/trace.h>
#include <string.h>

/* What a bus with slots places is seen before the window of the bus. */
#define PRIORITY_FIXED  0
#define PRIORITY_PLACED 1

/* ---- memories -------------------------------------------------------------------------------- */

bool machine_memories(pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < machine->plan->memories->len; i++) {
        machine_memory memory = { .plan = g_ptr_array_index(machine->plan->memories, i) };
        const pb_plan_memory *plan = memory.plan;

        memory.ram = pb_ram_new(machine->bus, plan->name, plan->bytes, PB_RAM_PAGES, error);
        if (!memory.ram)
            return false;
        if (plan->type == PB_MEMORY_ROM)
            memory.bus =
                pb_bus_region_new_rom(machine->bus, plan->name, memory.ram, 0, plan->bytes);
        else
            memory.bus =
                pb_bus_region_new_ram(machine->bus, plan->name, memory.ram, 0, plan->bytes);
        pb_bus_region_add(machine->root, memory.bus, plan->gpa, PRIORITY_FIXED);
        g_array_append_val(machine->memories, memory);
    }
    return true;
}

bool machine_memory_files(pb_machine *machine, GError **error)
{
    for (unsigned i = 0; i < machine->memories->len; i++) {
        const machine_memory *memory = &g_array_index(machine->memories, machine_memory, i);
        const char *file = memory->plan->file;
        const void *bytes;
        uint64_t length;
        int failed;

        if (!file)
            continue;
        bytes = machine_file(machine, file, &length, error);
        if (!bytes)
            return false;
        if (length > memory->plan->bytes) {
            g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_LOAD,
                        "'%s' has %" G_GUINT64_FORMAT " bytes, memory '%s' has %" G_GUINT64_FORMAT,
                        file, length, memory->plan->name, memory->plan->bytes);
            return false;
        }
        failed = pb_ram_fill(memory->ram, 0, bytes, length);
        if (failed) {
            g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_LOAD,
                        "'%s' cannot be copied to memory '%s': %s", file, memory->plan->name,
                        g_strerror(failed));
            return false;
        }
    }
    return true;
}

/* ---- regions of devices ---------------------------------------------------------------------- */

static const pb_region *row_of(const machine_region *region)
{
    return pb_instance_region(region->part->instance, region->index);
}

static bool has_ram(const pb_region *row)
{
    return row->kind == PB_REGION_RAM || row->kind == PB_REGION_ROM || row->kind == PB_REGION_ROMD;
}

static char *region_name(const machine_region *region)
{
    return g_strconcat(region->part->plan->path, ".", row_of(region)->name, NULL);
}

static void read_places(machine_part *part)
{
    for (unsigned i = 0; i < part->plan->mappings->len; i++) {
        const pb_plan_mapping *mapping = &g_array_index(part->plan->mappings, pb_plan_mapping, i);

        part->regions[mapping->region].gpa = mapping->gpa;
        part->regions[mapping->region].placed = true;
    }
}

bool machine_part_ram(machine_part *part, GError **error)
{
    part->n_regions = pb_instance_region_count(part->instance);
    part->regions = g_new0(machine_region, part->n_regions);
    for (uint32_t i = 0; i < part->n_regions; i++) {
        machine_region *region = &part->regions[i];
        g_autofree char *name = NULL;

        region->part = part;
        region->index = i;
        if (!has_ram(row_of(region)))
            continue;
        name = region_name(region);
        region->ram = pb_ram_new(part->machine->bus, name,
                                 pb_instance_region_bytes(part->instance, i), PB_RAM_PAGES, error);
        if (!region->ram)
            return false;
    }
    read_places(part);
    return true;
}

/* ---- `--log mmio` ---------------------------------------------------------------------------- */

static void log_access(const machine_region *region, const char *what, const pb_access *access,
                       uint64_t value, pb_bus_result result)
{
    static const char *const results[] = { "", " decode error", " bus error" };

    pb_trace_line("mmio %s.%s+0x%" G_GINT64_MODIFIER "x %s%u 0x%" G_GINT64_MODIFIER "x by %d%s",
                  region->part->plan->path, row_of(region)->name,
                  access->offset + access->frame * row_of(region)->frame_bytes, what, access->size,
                  value, (int)access->attrs.requester, results[result]);
}

static pb_bus_result logged_read(void *self, const pb_access *access, uint64_t *value)
{
    machine_region *region = self;
    pb_bus_result result = region->calls.ops->read(region->calls.opaque, access, value);

    log_access(region, "read", access, *value, result);
    return result;
}

static pb_bus_result logged_write(void *self, const pb_access *access, uint64_t value)
{
    machine_region *region = self;
    pb_bus_result result = region->calls.ops->write(region->calls.opaque, access, value);

    log_access(region, "write", access, value, result);
    return result;
}

static const pb_mmio_ops logged_ops = { .size = sizeof(pb_mmio_ops),
                                        .read = logged_read,
                                        .write = logged_write };

/* ---- on the bus ------------------------------------------------------------------------------ */

static pb_mmio handlers(machine_region *region)
{
    const pb_region *row = row_of(region);
    bool logged = pb_trace_wants(PB_LOG_ITEM_MMIO);

    region->calls = pb_instance_handlers(region->part->instance, region->index);
    return (pb_mmio){ .ops = logged ? &logged_ops : region->calls.ops,
                      .self = logged ? region : region->calls.opaque,
                      .access_min = row->access_min,
                      .access_max = row->access_max,
                      .big_endian = row->big_endian,
                      .unaligned = row->unaligned };
}

static pb_bus_region *new_region(machine_region *region)
{
    pb_bus *bus = region->part->machine->bus;
    uint64_t bytes = pb_instance_region_bytes(region->part->instance, region->index);
    g_autofree char *name = region_name(region);
    pb_mmio mmio;

    switch (row_of(region)->kind) {
    case PB_REGION_RAM:
        return pb_bus_region_new_ram(bus, name, region->ram, 0, bytes);
    case PB_REGION_ROM:
        return pb_bus_region_new_rom(bus, name, region->ram, 0, bytes);
    case PB_REGION_ROMD:
        mmio = handlers(region);
        return pb_bus_region_new_romd(bus, name, region->ram, 0, bytes, &mmio);
    default:
        mmio = handlers(region);
        return pb_bus_region_new_mmio(bus, name, bytes, &mmio);
    }
}

void machine_part_regions(machine_part *part)
{
    for (uint32_t i = 0; i < part->n_regions; i++) {
        machine_region *region = &part->regions[i];

        if (pb_instance_region_bytes(part->instance, i) == 0)
            continue; /* a region that this instance does not have */
        region->bus = new_region(region);
        if (region->handlers)
            pb_bus_region_set_romd(region->bus, false);
        pb_bus_region_set_visible(region->bus, region->placed);
        pb_bus_region_add(part->machine->root, region->bus, region->gpa,
                          row_of(region)->placed_by_bus ? PRIORITY_PLACED : PRIORITY_FIXED);
    }
}

void machine_part_free_regions(machine_part *part)
{
    for (uint32_t i = 0; i < part->n_regions; i++) {
        machine_region *region = &part->regions[i];

        if (region->bus)
            pb_bus_region_remove(region->bus);
        pb_bus_region_unref(region->bus);
        pb_ram_unref(region->ram);
    }
    g_clear_pointer(&part->regions, g_free);
    part->n_regions = 0;
}

/* ---- services -------------------------------------------------------------------------------- */

static machine_region *find_region(void *opaque, pb_instance *instance, uint32_t index)
{
    machine_part *part = machine_part_of(opaque, instance);

    return index < part->n_regions ? &part->regions[index] : NULL;
}

void machine_region_map(void *opaque, pb_instance *instance, uint32_t index, uint64_t gpa,
                        bool mapped)
{
    machine_region *region = find_region(opaque, instance, index);

    if (!region)
        return;
    region->placed = mapped;
    if (mapped)
        region->gpa = gpa;
    if (!region->bus)
        return; /* in init: the region is made with this place */
    pb_bus_begin(region->part->machine->bus);
    if (mapped)
        pb_bus_region_move(region->bus, gpa);
    pb_bus_region_set_visible(region->bus, mapped);
    pb_bus_commit(region->part->machine->bus);
}

bool machine_region_place(void *opaque, pb_instance *instance, uint32_t index, uint64_t *gpa)
{
    machine_region *region = find_region(opaque, instance, index);

    if (!region || !region->placed)
        return false;
    *gpa = region->gpa;
    return true;
}

void *machine_region_bytes(void *opaque, pb_instance *instance, uint32_t index, uint64_t *size)
{
    machine_region *region = find_region(opaque, instance, index);

    if (!region || !region->ram)
        return NULL;
    *size = pb_instance_region_bytes(instance, index);
    return pb_ram_host(region->ram);
}

void machine_region_romd(void *opaque, pb_instance *instance, uint32_t index, bool romd)
{
    machine_region *region = find_region(opaque, instance, index);

    if (!region || !region->ram || region->handlers == !romd)
        return;
    region->handlers = !romd;
    if (region->bus)
        pb_bus_region_set_romd(region->bus, romd);
}

void machine_region_changed(void *opaque, pb_instance *instance, uint32_t index, uint64_t first,
                            uint64_t length)
{
    machine_region *region = find_region(opaque, instance, index);
    uint64_t bytes;

    if (!region || !region->ram)
        return;
    bytes = pb_ram_bytes(region->ram);
    if (first < bytes && length > 0)
        pb_ram_written(region->ram, first, MIN(length, bytes - first));
}
