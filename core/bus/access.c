/*
 * Accesses to address spaces: RAM directly, MMIO through its handlers with sizes and byte order
 * adapted, and the space's rules for what goes wrong.
 */
#include <core/bus/host.h>
#include <core/bus/internal.h>
#include <core/sched/sched.h>

static void lock_devices(pb_space *space)
{
    if (space->bus->sched)
        pb_sched_lock_devices(space->bus->sched);
}

static void unlock_devices(pb_space *space)
{
    if (space->bus->sched)
        pb_sched_unlock_devices(space->bus->sched);
}

/* ---- what goes wrong ------------------------------------------------------------------------------- */

static void say_bad(pb_space *space, const char *what, const char *verb, uint64_t gpa,
                    uint32_t size, pb_attrs attrs)
{
    if (space->rules.log)
        pb_bus_say(space->bus, "%s: %s of %u bytes at 0x%" PRIx64 " by requester 0x%x: %s",
                   space->name, verb, size, gpa, attrs.requester, what);
}

/* Answers a bad read by a rule. */
static pb_bus_result rule_read(uint8_t rule, uint32_t size, pb_bus_result error, uint64_t *value)
{
    *value = rule == PB_RULE_ONES ? pb_low_bytes(UINT64_MAX, size) : 0;
    return rule == PB_RULE_ERROR ? error : PB_BUS_OK;
}

static pb_bus_result unassigned_read(pb_space *space, uint64_t gpa, uint32_t size, pb_attrs attrs,
                                     uint64_t *value)
{
    say_bad(space, "nobody answers", "read", gpa, size, attrs);
    return rule_read(space->rules.unassigned, size, PB_BUS_DECODE, value);
}

static pb_bus_result unassigned_write(pb_space *space, uint64_t gpa, uint32_t size, pb_attrs attrs)
{
    say_bad(space, "nobody answers", "write", gpa, size, attrs);
    return space->rules.unassigned == PB_RULE_ERROR ? PB_BUS_DECODE : PB_BUS_OK;
}

static pb_bus_result wrong_size_read(pb_space *space, const pb_range *range, uint64_t gpa,
                                     uint32_t size, pb_attrs attrs, uint64_t *value)
{
    say_bad(space, range->region->name, "read of wrong size or alignment:", gpa, size, attrs);
    return rule_read(space->rules.wrong_size, size, PB_BUS_ERROR, value);
}

static pb_bus_result wrong_size_write(pb_space *space, const pb_range *range, uint64_t gpa,
                                      uint32_t size, pb_attrs attrs)
{
    say_bad(space, range->region->name, "write of wrong size or alignment:", gpa, size, attrs);
    return space->rules.wrong_size == PB_RULE_ERROR ? PB_BUS_ERROR : PB_BUS_OK;
}

static pb_bus_result rom_write(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                               pb_attrs attrs)
{
    say_bad(space, range->region->name, "write to ROM:", gpa, size, attrs);
    return space->rules.rom_write_error ? PB_BUS_ERROR : PB_BUS_OK;
}

/* ---- MMIO ------------------------------------------------------------------------------------------ */

/* Size of the first piece of an access; all are of this size or (aligned) larger, up to access_max. 0:
 * the region does not take it. */
static uint32_t piece_size(const pb_mmio *mmio, uint64_t offset, uint32_t size)
{
    uint32_t piece = mmio->access_max;

    while (piece > size || (!mmio->unaligned && (offset & (piece - 1)) != 0))
        piece /= 2;
    return piece < mmio->access_min ? 0 : piece;
}

static pb_bus_result mmio_read_piece(const pb_mmio *mmio, uint64_t offset, uint32_t size,
                                     pb_attrs attrs, uint64_t *value)
{
    pb_access access = { .offset = offset, .size = size, .attrs = attrs };
    uint64_t raw = 0;
    pb_bus_result result = mmio->ops->read(mmio->self, &access, &raw);

    raw = pb_low_bytes(raw, size);
    *value = mmio->big_endian ? pb_swap(raw, size) : raw;
    return result;
}

static pb_bus_result mmio_write_piece(const pb_mmio *mmio, uint64_t offset, uint32_t size,
                                      pb_attrs attrs, uint64_t value)
{
    pb_access access = { .offset = offset, .size = size, .attrs = attrs };

    value = pb_low_bytes(value, size);
    return mmio->ops->write(mmio->self, &access, mmio->big_endian ? pb_swap(value, size) : value);
}

static pb_bus_result mmio_read(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                               pb_attrs attrs, bool exact, uint64_t *value)
{
    const pb_mmio *mmio = &range->region->mmio;
    uint64_t offset = range->offset + (gpa - range->first);
    uint32_t piece = piece_size(mmio, offset, size);
    pb_bus_result result = PB_BUS_OK;

    if (piece == 0 || (exact && piece != size) || !mmio->ops->read)
        return wrong_size_read(space, range, gpa, size, attrs, value);
    *value = 0;
    lock_devices(space);
    for (uint32_t done = 0; done < size && result == PB_BUS_OK; done += piece) {
        uint64_t part;

        piece = piece_size(mmio, offset + done, size - done);
        result = mmio_read_piece(mmio, offset + done, piece, attrs, &part);
        *value |= part << (8 * done);
    }
    unlock_devices(space);
    return result;
}

static pb_bus_result mmio_write(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                                pb_attrs attrs, bool exact, uint64_t value)
{
    const pb_mmio *mmio = &range->region->mmio;
    uint64_t offset = range->offset + (gpa - range->first);
    uint32_t piece = piece_size(mmio, offset, size);
    pb_bus_result result = PB_BUS_OK;

    if (piece == 0 || (exact && piece != size) || !mmio->ops->write)
        return wrong_size_write(space, range, gpa, size, attrs);
    lock_devices(space);
    for (uint32_t done = 0; done < size && result == PB_BUS_OK; done += piece) {
        piece = piece_size(mmio, offset + done, size - done);
        result = mmio_write_piece(mmio, offset + done, piece, attrs, value >> (8 * done));
    }
    unlock_devices(space);
    return result;
}

/* ---- one access ------------------------------------------------------------------------------------- */

pb_bus_result pb_range_read(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                            pb_attrs attrs, bool exact, uint64_t *value)
{
    if (!range->host)
        return mmio_read(space, range, gpa, size, attrs, exact, value);
    *value = pb_host_load(range->host + (gpa - range->first), size);
    return PB_BUS_OK;
}

/* The bytes of a range from gpa were written. */
static void range_written(const pb_range *range, uint64_t gpa, uint64_t bytes)
{
    pb_ram_written(range->ram, range->ram_offset + (gpa - range->first), bytes);
}

pb_bus_result pb_range_write(pb_space *space, const pb_range *range, uint64_t gpa, uint32_t size,
                             pb_attrs attrs, bool exact, uint64_t value)
{
    switch (range->kind) {
    case PB_RANGE_RAM:
        pb_host_store(range->host + (gpa - range->first), size, value);
        range_written(range, gpa, size);
        return PB_BUS_OK;
    case PB_RANGE_ROM:
        return rom_write(space, range, gpa, size, attrs);
    default:
        return mmio_write(space, range, gpa, size, attrs, exact, value);
    }
}

static bool holds(const pb_range *range, uint64_t gpa, uint32_t size)
{
    return range && range->last - gpa >= size - 1;
}

/* Bytes of the access that the range at gpa (or the hole) takes, as a power of two. */
static uint32_t straddle_piece(const pb_range *range, uint64_t gpa, uint32_t left)
{
    uint32_t piece = 8;

    while (piece > left || (range && !holds(range, gpa, piece)))
        piece /= 2;
    return range ? piece : 1;
}

pb_bus_result pb_space_read(pb_space *space, pb_reader *reader, uint64_t gpa, uint32_t size,
                            pb_attrs attrs, bool exact, uint64_t *value)
{
    const pb_range *range = pb_space_lookup(space, reader, gpa);
    pb_bus_result result = PB_BUS_OK;

    if (holds(range, gpa, size))
        return pb_range_read(space, range, gpa, size, attrs, exact, value);
    if (!range || gpa + size - 1 < gpa)
        return unassigned_read(space, gpa, size, attrs, value);
    if (exact)
        return wrong_size_read(space, range, gpa, size, attrs, value);
    *value = 0;
    for (uint32_t done = 0, piece; done < size && result == PB_BUS_OK; done += piece) {
        uint64_t part;

        range = pb_space_lookup(space, reader, gpa + done);
        piece = straddle_piece(range, gpa + done, size - done);
        result = range ? pb_range_read(space, range, gpa + done, piece, attrs, false, &part)
                       : unassigned_read(space, gpa + done, piece, attrs, &part);
        *value |= part << (8 * done);
    }
    return result;
}

pb_bus_result pb_space_write(pb_space *space, pb_reader *reader, uint64_t gpa, uint32_t size,
                             pb_attrs attrs, bool exact, uint64_t value)
{
    const pb_range *range = pb_space_lookup(space, reader, gpa);
    pb_bus_result result = PB_BUS_OK;

    if (holds(range, gpa, size))
        return pb_range_write(space, range, gpa, size, attrs, exact, value);
    if (!range || gpa + size - 1 < gpa)
        return unassigned_write(space, gpa, size, attrs);
    if (exact)
        return wrong_size_write(space, range, gpa, size, attrs);
    for (uint32_t done = 0, piece; done < size && result == PB_BUS_OK; done += piece) {
        uint64_t part = value >> (8 * done);

        range = pb_space_lookup(space, reader, gpa + done);
        piece = straddle_piece(range, gpa + done, size - done);
        result = range ? pb_range_write(space, range, gpa + done, piece, attrs, false, part)
                       : unassigned_write(space, gpa + done, piece, attrs);
    }
    return result;
}

/* ---- many bytes ------------------------------------------------------------------------------------ */

/* The largest aligned access at gpa that fits in both the range and what is left. */
static uint32_t mmio_step(const pb_range *range, uint64_t gpa, uint64_t left)
{
    uint64_t room = MIN(left, range->last - gpa + 1);
    uint32_t step = 8;

    /* range->last - gpa + 1 is 0 for a range up to the last address from 0: it has room. */
    if (room == 0)
        room = left;
    while (step > room || (gpa & (step - 1)) != 0)
        step /= 2;
    return step;
}

/* Bytes from gpa, at most `left`, in the range, or in the hole before it if it begins higher. */
static uint64_t stretch(const pb_range *range, uint64_t gpa, uint64_t left)
{
    uint64_t end;

    if (!range)
        return left;
    end = range->first > gpa ? range->first - 1 : range->last;
    return left - 1 <= end - gpa ? left : end - gpa + 1;
}

typedef struct copy {
    pb_space *space;
    pb_attrs attrs;
    uint8_t *bytes; /* the host's side */
    bool in;        /* into the space */
} copy;

static pb_bus_result copy_hole(const copy *c, uint64_t gpa, uint8_t *bytes, uint64_t n)
{
    uint32_t size = (uint32_t)MIN(n, 8);
    uint64_t value;
    pb_bus_result result;

    if (c->in)
        return unassigned_write(c->space, gpa, size, c->attrs);
    result = unassigned_read(c->space, gpa, size, c->attrs, &value);
    if (result == PB_BUS_OK)
        memset(bytes, (int)(value & 0xff), n);
    return result;
}

/* DMA that reaches MMIO may cause DMA that does: a doorbell, then an interrupt message. But a guest can point a
 * device at its own registers, which then call themselves: it goes no deeper than this. */
#define DMA_DEPTH_MAX 8

static pb_bus_result too_deep(const copy *c, uint64_t gpa, uint32_t size)
{
    say_bad(c->space, "DMA calls itself by MMIO", c->in ? "write" : "read", gpa, size, c->attrs);
    return PB_BUS_ERROR;
}

/* The first bytes of n by one MMIO access; *n becomes their number. */
static pb_bus_result copy_mmio(const copy *c, const pb_range *range, uint64_t gpa, uint8_t *bytes,
                               uint64_t *n)
{
    uint32_t step = mmio_step(range, gpa, *n);
    uint64_t value = 0;
    pb_bus_result result;

    *n = step;
    if (c->space->bus->dma_depth == DMA_DEPTH_MAX)
        return too_deep(c, gpa, step);
    c->space->bus->dma_depth++;
    if (c->in) {
        memcpy(&value, bytes, step);
        result = pb_range_write(c->space, range, gpa, step, c->attrs, false, value);
    } else {
        result = pb_range_read(c->space, range, gpa, step, c->attrs, false, &value);
        if (result == PB_BUS_OK)
            memcpy(bytes, &value, step);
    }
    c->space->bus->dma_depth--;
    return result;
}

static pb_bus_result copy_ram(const copy *c, const pb_range *range, uint64_t gpa, uint8_t *bytes,
                              uint64_t n)
{
    uint8_t *host = range->host + (gpa - range->first);

    if (!c->in) {
        pb_host_copy(bytes, host, n);
        return PB_BUS_OK;
    }
    if (range->kind == PB_RANGE_ROM)
        return rom_write(c->space, range, gpa, (uint32_t)MIN(n, 8), c->attrs);
    pb_host_copy(host, bytes, n);
    range_written(range, gpa, n);
    return PB_BUS_OK;
}

static pb_bus_result copy_bytes(const copy *c, uint64_t gpa, uint64_t bytes, uint64_t *done)
{
    pb_reader *reader = pb_bus_device_reader(c->space->bus);
    pb_bus_result result = PB_BUS_OK;
    uint64_t at = 0;

    if (bytes > 0 && gpa + (bytes - 1) < gpa) /* over the end of the address space */
        result = PB_BUS_DECODE;
    pb_reader_enter(reader);
    while (at < bytes && result == PB_BUS_OK) {
        const pb_range *range = pb_space_at_or_above(c->space, gpa + at);
        uint64_t n = stretch(range, gpa + at, bytes - at);

        if (!range || range->first > gpa + at)
            result = copy_hole(c, gpa + at, c->bytes + at, n);
        else if (!range->host || (c->in && range->kind == PB_RANGE_ROMD))
            result = copy_mmio(c, range, gpa + at, c->bytes + at, &n);
        else
            result = copy_ram(c, range, gpa + at, c->bytes + at, n);
        if (result == PB_BUS_OK)
            at += n;
    }
    pb_reader_leave(reader);
    if (done)
        *done = at;
    return result;
}

pb_bus_result pb_space_copy_out(pb_space *space, uint64_t gpa, void *to, uint64_t bytes,
                                pb_attrs attrs, uint64_t *done)
{
    copy c = { .space = space, .attrs = attrs, .bytes = to };

    return copy_bytes(&c, gpa, bytes, done);
}

pb_bus_result pb_space_copy_in(pb_space *space, uint64_t gpa, const void *from, uint64_t bytes,
                               pb_attrs attrs, uint64_t *done)
{
    copy c = { .space = space, .attrs = attrs, .bytes = (uint8_t *)(uintptr_t)from, .in = true };

    return copy_bytes(&c, gpa, bytes, done);
}

/* ---- programming ----------------------------------------------------------------------------------- */

/* The bytes behind a range, whatever the guest may do there; null if there are none. */
static uint8_t *backing(const pb_range *range, uint64_t gpa)
{
    if (!range || range->first > gpa || !range->ram)
        return NULL;
    return pb_ram_host(range->ram) + range->ram_offset + (gpa - range->first);
}

/* The first address of the range of addresses that has no bytes behind it; false: all have. */
static bool find_unbacked(pb_space *space, uint64_t gpa, uint64_t bytes, bool ram_only,
                          uint64_t *where)
{
    for (uint64_t at = 0; at < bytes;) {
        const pb_range *range = pb_space_at_or_above(space, gpa + at);

        *where = gpa + at;
        if (!backing(range, gpa + at) || (ram_only && range->kind != PB_RANGE_RAM))
            return true;
        at += stretch(range, gpa + at, bytes - at);
    }
    return false;
}

bool pb_space_program(pb_space *space, uint64_t gpa, const void *from, uint64_t bytes,
                      const char *what, GError **error)
{
    pb_reader *reader = pb_bus_device_reader(space->bus);
    uint64_t where = gpa;
    int failed = 0;
    bool bad;

    if (bytes == 0)
        return true;
    pb_reader_enter(reader);
    bad = gpa + (bytes - 1) < gpa || find_unbacked(space, gpa, bytes, false, &where);
    for (uint64_t at = 0, n; !bad && !failed && at < bytes; at += n) {
        const pb_range *range = pb_space_at_or_above(space, gpa + at);

        n = stretch(range, gpa + at, bytes - at);
        failed = pb_ram_fill(range->ram, range->ram_offset + (gpa + at - range->first),
                             from ? (const uint8_t *)from + at : NULL, n);
    }
    pb_reader_leave(reader);
    if (bad)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAULT,
                    "%s: %" G_GUINT64_FORMAT " bytes at 0x%" PRIx64
                    " do not fit: there is no RAM or ROM at 0x%" PRIx64,
                    what, bytes, gpa, where);
    else if (failed)
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(failed),
                    "%s: cannot be copied to guest memory: %s", what,
                    failed == EFAULT ? "the file became shorter" : g_strerror(failed));
    return !bad && !failed;
}

bool pb_space_is_ram(pb_space *space, uint64_t gpa, uint64_t bytes)
{
    pb_reader *reader = pb_bus_device_reader(space->bus);
    uint64_t where;
    bool bad;

    if (bytes == 0)
        return true;
    pb_reader_enter(reader);
    bad = gpa + (bytes - 1) < gpa || find_unbacked(space, gpa, bytes, true, &where);
    pb_reader_leave(reader);
    return !bad;
}
