/*
 * Memory as the client sees it: virtual addresses of the processor that it looks at, translated without side effects, or
 * physical ones. RAM, ROM and flash are copied, and written as a programmer of the board would; devices are accessed, as the
 * processor's own loads and stores would.
 */
#include <core/gdb/internal.h>

#define FLASH_BLOCK 0x1000u /* that gdb erases; any size will do (flash.c) */

/* The physical address of a byte, and how many behind it, at most to the end of its page, follow. */
static bool translate(pb_gdb *gdb, uint64_t address, uint64_t *gpa, uint64_t *bytes,
                      pb_attrs *attrs)
{
    pb_vcpu *vcpu = gdb_cpu(gdb);
    pb_walk_request request = { .gva = address, .type = PB_ACCESS_READ, .debug = true };
    pb_guest_fault fault;
    pb_translation t;
    uint64_t mapping = PB_PAGE_SIZE;

    *gpa = address;
    *attrs = (pb_attrs){ .requester = vcpu->index };
    if (!gdb->physical) {
        request.mmu = vcpu->type->data_mmu(vcpu);
        if (vcpu->ops->translate(vcpu, &request, &t, &fault) != PB_MEM_OK)
            return false;
        *gpa = t.gpa;
        *attrs = t.attrs;
        mapping = MIN(MAX(t.page_bytes, 1), PB_PAGE_SIZE);
    }
    *bytes = mapping - (address & (mapping - 1));
    return true;
}

/* Physical bytes of one page. Returns how many could be read. */
static uint64_t read_physical(pb_gdb *gdb, uint64_t gpa, uint8_t *to, uint64_t bytes,
                              pb_attrs attrs)
{
    uint64_t done = 0;

    while (done < bytes) {
        uint64_t n, here = 0;
        pb_range range;

        if (!pb_space_next(gdb->host.memory, gpa + done, &range) || range.first > gpa + done)
            break;
        n = MIN(bytes - done, range.last - (gpa + done) + 1);
        if (range.ram) {
            memcpy(to + done,
                   pb_ram_host(range.ram) + range.ram_offset + (gpa + done - range.first), n);
            here = n;
        } else {
            pb_space_copy_out(gdb->host.memory, gpa + done, to + done, n, attrs, &here);
        }
        done += here;
        if (here < n)
            break;
    }
    return done;
}

uint64_t gdb_read_memory(pb_gdb *gdb, uint64_t address, void *to, uint64_t bytes)
{
    uint64_t done = 0;

    if (gdb->host.program)
        return gdb->host.program->read(gdb->host.opaque, address, to, bytes);
    gdb_registers_settle(gdb);
    pb_sched_lock_devices(gdb->host.sched);
    while (done < bytes) {
        uint64_t gpa, n, here;
        pb_attrs attrs;

        if (!translate(gdb, address + done, &gpa, &n, &attrs))
            break;
        n = MIN(n, bytes - done);
        here = read_physical(gdb, gpa, (uint8_t *)to + done, n, attrs);
        done += here;
        if (here < n)
            break;
    }
    pb_sched_unlock_devices(gdb->host.sched);
    return done;
}

static bool write_physical(pb_gdb *gdb, uint64_t gpa, const uint8_t *from, uint64_t bytes,
                           pb_attrs attrs)
{
    for (uint64_t done = 0, n; done < bytes; done += n) {
        pb_range range;

        if (!pb_space_next(gdb->host.memory, gpa + done, &range) || range.first > gpa + done)
            return false;
        n = MIN(bytes - done, range.last - (gpa + done) + 1);
        if (range.ram ? !pb_space_program(gdb->host.memory, gpa + done, from + done, n, "gdb", NULL)
                      : pb_space_copy_in(gdb->host.memory, gpa + done, from + done, n, attrs,
                                         NULL) != PB_BUS_OK)
            return false;
    }
    return true;
}

bool gdb_write_memory(pb_gdb *gdb, uint64_t address, const void *from, uint64_t bytes)
{
    bool ok = true;

    if (gdb->host.program)
        return gdb->host.program->write(gdb->host.opaque, address, from, bytes);
    gdb_registers_settle(gdb);
    pb_sched_lock_devices(gdb->host.sched);
    for (uint64_t done = 0, n = 0; ok && done < bytes; done += n) {
        uint64_t gpa;
        pb_attrs attrs;

        ok = translate(gdb, address + done, &gpa, &n, &attrs);
        n = MIN(n, bytes - done);
        ok = ok && write_physical(gdb, gpa, (const uint8_t *)from + done, n, attrs);
    }
    pb_sched_unlock_devices(gdb->host.sched);
    return ok;
}

/* ---- the map ------------------------------------------------------------------------------------------- */

const char *gdb_range_kind(const pb_range *range)
{
    return range->kind == PB_RANGE_RAM   ? "ram"
           : range->kind == PB_RANGE_ROM ? "rom"
           : range->ram                  ? "flash"
                                         : "device";
}

static bool is_flash(const pb_range *range)
{
    return range->ram && range->kind != PB_RANGE_RAM && range->kind != PB_RANGE_ROM;
}

/* Whether the client's addresses of the range are its physical ones: the map is of those. */
static bool is_seen_flat(pb_gdb *gdb, const pb_range *range)
{
    uint64_t gpa, bytes;
    pb_attrs attrs;

    return translate(gdb, range->first, &gpa, &bytes, &attrs) && gpa == range->first;
}

static void append_stretch(GString *xml, const char *kind, uint64_t first, uint64_t last)
{
    if (last == UINT64_MAX && first == 0) /* its length is no number: the last byte is left out */
        last--;
    g_string_append_printf(xml,
                           "<memory type=\"%s\" start=\"0x%" G_GINT64_MODIFIER
                           "x\" length=\"0x%" G_GINT64_MODIFIER "x\"",
                           kind, first, last - first + 1);
    if (strcmp(kind, "flash") == 0)
        g_string_append_printf(xml, "><property name=\"blocksize\">0x%x</property></memory>",
                               FLASH_BLOCK);
    else
        g_string_append(xml, "/>");
}

/* gdb refuses to access what no stretch has, so all that is neither flash nor ROM is one of RAM: devices, and addresses that
 * page tables lead somewhere. */
void gdb_memory_map(pb_gdb *gdb, GString *xml)
{
    uint64_t next = 0;
    bool ended = false;
    pb_range range;

    g_string_append(xml, "<?xml version=\"1.0\"?><!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD "
                         "GDB Memory Map V1.0//EN\" "
                         "\"http://sourceware.org/gdb/gdb-memory-map.dtd\"><memory-map>");
    gdb_registers_settle(gdb);
    pb_sched_lock_devices(gdb->host.sched);
    for (uint64_t at = 0; !ended && pb_space_next(gdb->host.memory, at, &range);) {
        uint64_t first = range.first, last = range.last;

        ended = last == UINT64_MAX;
        at = last + 1;
        if ((!is_flash(&range) && range.kind != PB_RANGE_ROM) || !is_seen_flat(gdb, &range))
            continue;
        if (is_flash(&range)) { /* in whole blocks */
            first = (first + FLASH_BLOCK - 1) & ~(uint64_t)(FLASH_BLOCK - 1);
            last = ((last + 1) & ~(uint64_t)(FLASH_BLOCK - 1)) - 1;
        }
        if (last < first || first < next)
            continue;
        if (first > next)
            append_stretch(xml, "ram", next, first - 1);
        append_stretch(xml, gdb_range_kind(&range), first, last);
        next = last + 1;
        ended |= next == 0;
    }
    pb_sched_unlock_devices(gdb->host.sched);
    if (!ended || next)
        append_stretch(xml, "ram", next, UINT64_MAX);
    g_string_append(xml, "</memory-map>");
}
