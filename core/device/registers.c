/*
 * Registers: from an access of the bus to rows, and back.
 *
 * Rules (device.h has the author's view):
 * 1. A region has a table from offset to row, in granules, the largest power of two that keeps rows apart; so
 *    dispatch is one load. Where read-only and write-only rows share addresses there are two tables.
 * 2. An access is cut into the parts that fall on different registers, lowest address first. Each part is one
 *    read or write of a register, with the lanes (bytes) that it covers. Most accesses are one part.
 * 3. Bytes behind a register, up to the next one or the end of their 32-bit word, belong to it: they read as zero
 *    and take any write. Other bytes without a register do the same and are logged as the guest's error.
 * 4. The value of a write hook is complete when it is called: stored, or merged and not stored (raw_write).
 * 5. PB_REQUESTER_DEBUG changes nothing by reading: no clear-on-read. (Hooks see the requester.)
 * 6. What a guest does wrong, or what is not modelled, is logged once a register or field, then not again.
 */
#include <core/device/instance.h>

/* What a row says, per bit, so that an access is a few masks. */
typedef struct row {
    const pb_reg *reg;
    uint32_t bytes, stride, count;
    uint64_t valid;    /* width */
    uint64_t readable; /* not PB_WO, PB_RAZ_WI */
    uint64_t writable; /* PB_RW and PB_WO, in write_mask */
    uint64_t w1c, w1s, rc;
    uint64_t unmodelled; /* fields that are so marked */
    uint64_t unmodelled_logged;
    bool logged; /* an unmodelled register was used, or a read-only one written */
} row;

struct pb_dispatch {
    pb_instance *instance;
    const pb_region *region;
    uint64_t bytes;       /* of the region */
    uint64_t frame_bytes; /* of a frame; of the region if there are none */
    row *rows;
    uint32_t n_rows;
    uint32_t shift; /* log2 of the granule */
    uint32_t n_granules;
    uint16_t *readers, *writers; /* row + 1 by granule, 0: none; the same array if no rows share */
    GHashTable *holes;           /* offsets without register that were logged */
};

#define MAX_LOGGED_HOLES 64

/* ---- making -------------------------------------------------------------------------------------- */

static void add_mode(row *r, uint32_t mode, uint64_t bits, uint64_t write_mask)
{
    if (mode != PB_WO && mode != PB_RAZ_WI)
        r->readable |= bits;
    bits &= write_mask;
    switch (mode) {
    case PB_RW:
    case PB_WO:
        r->writable |= bits;
        break;
    case PB_W1C:
        r->w1c |= bits;
        break;
    case PB_W1S:
        r->w1s |= bits;
        break;
    default:
        break;
    }
}

static void init_row(row *r, const pb_reg *reg)
{
    uint64_t write_mask = reg->write_mask ? reg->write_mask : UINT64_MAX;
    uint64_t rest = pb_bits_mask(reg->width);

    r->reg = reg;
    r->bytes = pb_reg_bytes(reg);
    r->stride = pb_reg_stride(reg);
    r->count = pb_reg_count(reg);
    r->valid = rest;
    for (const pb_field *field = reg->fields; field && field->name; field++) {
        uint64_t bits = pb_bits_mask(field->width) << field->lsb;
        uint32_t mode = pb_field_mode(reg, field);

        add_mode(r, mode, bits, write_mask);
        if (mode == PB_RC)
            r->rc |= bits;
        if (field->status == PB_UNMODELLED)
            r->unmodelled |= bits;
        rest &= ~bits;
    }
    add_mode(r, reg->mode, rest, write_mask);
    if (reg->mode == PB_RC)
        r->rc |= rest;
}

/* Log2 of the largest granule at whose multiples all registers begin and in which none ends early. */
static uint32_t granule_shift(const pb_dispatch *d)
{
    uint64_t all = 8;

    for (uint32_t i = 0; i < d->n_rows; i++)
        all |= d->rows[i].reg->offset | (d->rows[i].count > 1 ? d->rows[i].stride : 0);
    return (uint32_t)__builtin_ctzll(all);
}

static void enter(pb_dispatch *d, uint16_t *table, uint32_t index)
{
    const row *r = &d->rows[index];

    for (uint32_t element = 0; element < r->count; element++) {
        uint64_t first = r->reg->offset + (uint64_t)element * r->stride;

        for (uint64_t at = first; at < first + r->bytes; at += UINT64_C(1) << d->shift)
            table[at >> d->shift] = (uint16_t)(index + 1);
    }
}

static bool shares_addresses(const pb_region *region)
{
    bool read_only = false, write_only = false;

    for (const pb_reg *reg = region->regs; reg->name; reg++) {
        read_only |= reg->mode == PB_RO;
        write_only |= reg->mode == PB_WO;
    }
    return read_only && write_only;
}

static void make_tables(pb_dispatch *d)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < d->n_rows; i++)
        end = MAX(end, pb_reg_end(d->rows[i].reg));
    d->shift = granule_shift(d);
    d->n_granules = (uint32_t)((end + (UINT64_C(1) << d->shift) - 1) >> d->shift);
    d->readers = g_new0(uint16_t, d->n_granules);
    d->writers = shares_addresses(d->region) ? g_new0(uint16_t, d->n_granules) : d->readers;

    /* A register of one direction stands in the other's table too, where that has none of its own: so an
     * access in the wrong direction is met by its mode. */
    for (uint32_t i = 0; i < d->n_rows; i++) {
        if (d->rows[i].reg->mode == PB_WO)
            enter(d, d->readers, i);
        if (d->rows[i].reg->mode == PB_RO)
            enter(d, d->writers, i);
    }
    for (uint32_t i = 0; i < d->n_rows; i++) {
        if (d->rows[i].reg->mode != PB_WO)
            enter(d, d->readers, i);
        if (d->rows[i].reg->mode != PB_RO)
            enter(d, d->writers, i);
    }
}

pb_dispatch *pb_dispatch_new(pb_instance *instance, uint32_t region)
{
    pb_dispatch *d = g_new0(pb_dispatch, 1);

    d->instance = instance;
    d->region = pb_instance_region(instance, region);
    d->bytes = pb_instance_region_bytes(instance, region);
    d->frame_bytes = d->region->frame_bytes ? d->region->frame_bytes : d->bytes;
    while (d->region->regs[d->n_rows].name)
        d->n_rows++;
    d->rows = g_new0(row, d->n_rows);
    for (uint32_t i = 0; i < d->n_rows; i++)
        init_row(&d->rows[i], &d->region->regs[i]);
    make_tables(d);
    d->holes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return d;
}

void pb_dispatch_free(pb_dispatch *d)
{
    if (!d)
        return;
    if (d->writers != d->readers)
        g_free(d->writers);
    g_free(d->readers);
    g_free(d->rows);
    g_hash_table_unref(d->holes);
    g_free(d);
}

/* ---- storage ------------------------------------------------------------------------------------- */

static void *storage(const pb_dispatch *d, const row *r, uint32_t index)
{
    return (char *)d->instance->self + r->reg->store_offset - 1 + (size_t)index * r->reg->element;
}

void pb_dispatch_reset(pb_dispatch *d)
{
    for (uint32_t i = 0; i < d->n_rows; i++) {
        const row *r = &d->rows[i];

        for (uint32_t index = 0; r->reg->store_offset && index < r->count; index++)
            pb_store_uint(storage(d, r, index), r->reg->element, r->reg->reset);
    }
}

/* ---- log ----------------------------------------------------------------------------------------- */

static void log_hole(pb_dispatch *d, const pb_access *access, const char *verb)
{
    gint64 offset = (gint64)access->offset;

    if (g_hash_table_size(d->holes) >= MAX_LOGGED_HOLES || g_hash_table_contains(d->holes, &offset))
        return;
    g_hash_table_add(d->holes, g_memdup2(&offset, sizeof(offset)));
    pb_instance_log(d->instance, PB_LOG_GUEST,
                    "%s of %u bytes at offset 0x%" G_GINT64_MODIFIER
                    "x of %s, where no register is",
                    verb, access->size, access->offset, d->region->name);
}

static void log_register(pb_dispatch *d, row *r, const char *verb)
{
    if (r->reg->status != PB_UNMODELLED || r->logged)
        return;
    r->logged = true;
    pb_instance_log(d->instance, PB_LOG_UNIMP, "%s of %s, which is not modelled (%s)", verb,
                    r->reg->name, r->reg->doc);
}

static void log_fields(pb_dispatch *d, row *r, uint64_t changed)
{
    changed &= r->unmodelled & ~r->unmodelled_logged;
    if (!changed)
        return;
    for (const pb_field *field = r->reg->fields; field->name; field++) {
        uint64_t bits = pb_bits_mask(field->width) << field->lsb;

        if (!(changed & bits) || field->status != PB_UNMODELLED)
            continue;
        r->unmodelled_logged |= bits;
        pb_instance_log(d->instance, PB_LOG_UNIMP, "write of %s.%s, which is not modelled (%s)",
                        r->reg->name, field->name, field->doc ? field->doc : "");
    }
}

static void log_ignored(pb_dispatch *d, row *r, uint64_t value)
{
    if (r->logged || r->reg->status == PB_UNMODELLED)
        return;
    r->logged = true;
    pb_instance_log(d->instance, PB_LOG_GUEST,
                    "write of 0x%" G_GINT64_MODIFIER "x to %s, which is read-only", value,
                    r->reg->name);
}

/* ---- one register -------------------------------------------------------------------------------- */

/* What it holds, without the effects of reading it as a guest does, except those of a hook. */
static uint64_t fetch(pb_dispatch *d, const row *r, const pb_access *access, bool hook_first)
{
    const pb_reg *reg = r->reg;

    if (reg->store_offset && !(hook_first && (reg->read || reg->read_at)))
        return pb_load_uint(storage(d, r, access->index), reg->element);
    if (reg->read)
        return reg->read(d->instance->self);
    if (reg->read_at)
        return reg->read_at(d->instance->self, access);
    return reg->reset;
}

static uint64_t read_register(pb_dispatch *d, row *r, const pb_access *access, uint64_t lanes)
{
    uint64_t value;

    log_register(d, r, "read");
    if (!r->readable)
        return 0;
    value = fetch(d, r, access, true) & r->valid & r->readable;
    if (r->rc & lanes && r->reg->store_offset && access->attrs.requester != PB_REQUESTER_DEBUG) {
        void *at = storage(d, r, access->index);

        pb_store_uint(at, r->reg->element, pb_load_uint(at, r->reg->element) & ~(r->rc & lanes));
    }
    return value;
}

/* The old value that a write is merged with. One that nobody can read is zero. */
static uint64_t old_value(pb_dispatch *d, const row *r, const pb_access *access)
{
    const pb_reg *reg = r->reg;

    if (!reg->store_offset && (!r->readable || reg->raw_write))
        return 0;
    return fetch(d, r, access, false) & r->valid;
}

static uint64_t merge(const row *r, uint64_t old, uint64_t written, uint64_t lanes)
{
    uint64_t now = (old & ~(lanes & r->writable)) | (written & lanes & r->writable);

    now &= ~(written & lanes & r->w1c);
    return now | (written & lanes & r->w1s);
}

static void write_register(pb_dispatch *d, row *r, const pb_access *access, uint64_t written,
                           uint64_t lanes)
{
    const pb_reg *reg = r->reg;
    uint64_t old, now;

    log_register(d, r, "write");
    lanes &= r->valid;
    if (!(r->writable | r->w1c | r->w1s) && !reg->raw_write) {
        if (reg->mode == PB_RO)
            log_ignored(d, r, written);
        return;
    }
    old = old_value(d, r, access);
    now = reg->raw_write ? written & lanes : merge(r, old, written, lanes);
    log_fields(d, r, old ^ now);
    if (reg->store_offset && !reg->raw_write)
        pb_store_uint(storage(d, r, access->index), reg->element, now);
    if (reg->write)
        reg->write(d->instance->self, old, now);
    else if (reg->write_at)
        reg->write_at(d->instance->self, access, old, now);
}

/* ---- one access ---------------------------------------------------------------------------------- */

/* The register whose bytes include the offset, null if there is none; *index is the element, *into the byte
 * in it, *left the bytes to the end of it, or of the hole. */
static row *find(const pb_dispatch *d, const uint16_t *table, uint64_t offset, uint32_t *index,
                 uint32_t *into, uint32_t *left)
{
    uint64_t granule = offset >> d->shift;
    uint16_t entry = granule < d->n_granules ? table[granule] : 0;
    row *r;

    *left = (1u << d->shift) - ((uint32_t)offset & ((1u << d->shift) - 1));
    if (!entry)
        return NULL;
    r = &d->rows[entry - 1];
    *index = (uint32_t)((offset - r->reg->offset) / r->stride);
    *into = (uint32_t)((offset - r->reg->offset) % r->stride);
    if (*index >= r->count || *into >= r->bytes)
        return NULL;
    *left = r->bytes - *into;
    return r;
}

/* Where bytes `at` to `at + n` of something `bytes` wide stand in its value, as a shift. */
static uint32_t lane_shift(const pb_dispatch *d, uint32_t bytes, uint32_t at, uint32_t n)
{
    return 8 * (d->region->big_endian ? bytes - at - n : at);
}

/* Rule 3: the byte lies in the 32-bit word of the register before it. */
static bool is_tail(const pb_dispatch *d, const uint16_t *table, uint64_t offset)
{
    uint32_t index, into, left;

    for (uint64_t at = offset & ~UINT64_C(3); at < offset; at++)
        if (find(d, table, at, &index, &into, &left))
            return true;
    return false;
}

static bool accepts(const pb_dispatch *d, const pb_access *access)
{
    const pb_region *region = d->region;
    uint32_t min = region->access_min ? region->access_min : 1;
    uint32_t max = region->access_max ? region->access_max : 8;

    return access->size >= min && access->size <= max && access->size <= 8 &&
           (region->unaligned || access->offset % access->size == 0) && access->offset < d->bytes &&
           access->size <= d->bytes - access->offset;
}

/* Do one access; reads gather *value, writes take it apart. */
static void run_access(pb_dispatch *d, const pb_access *access, pb_access_side side,
                       uint64_t *value)
{
    const uint16_t *table = side == PB_SIDE_READ ? d->readers : d->writers;
    pb_access whole = *access;
    bool met = false;

    whole.frame = d->region->frame_bytes ? (uint32_t)(access->offset / d->frame_bytes) : 0;
    whole.offset = access->offset - (uint64_t)whole.frame * d->frame_bytes;
    for (uint32_t done = 0, n; done < access->size; done += n) {
        pb_access part = whole;
        uint32_t into, left, access_shift, register_shift;
        uint64_t mask;
        row *r;

        part.offset = whole.offset + done;
        r = find(d, table, part.offset, &part.index, &into, &left);
        n = MIN(left, access->size - done);
        if (!r) {
            met = met || is_tail(d, table, part.offset);
            continue;
        }
        met = true;
        part.size = n;
        mask = pb_bits_mask(8 * n);
        access_shift = lane_shift(d, access->size, done, n);
        register_shift = lane_shift(d, r->bytes, into, n);
        if (side == PB_SIDE_READ)
            *value |= (read_register(d, r, &part, mask << register_shift) >> register_shift & mask)
                      << access_shift;
        else
            write_register(d, r, &part, (*value >> access_shift & mask) << register_shift,
                           mask << register_shift);
    }
    if (!met)
        log_hole(d, &whole, side == PB_SIDE_READ ? "read" : "write");
}

static pb_bus_result dispatch_read(void *self, const pb_access *access, uint64_t *value)
{
    *value = 0;
    if (!accepts(self, access))
        return PB_BUS_ERROR;
    run_access(self, access, PB_SIDE_READ, value);
    return PB_BUS_OK;
}

static pb_bus_result dispatch_write(void *self, const pb_access *access, uint64_t value)
{
    if (!accepts(self, access))
        return PB_BUS_ERROR;
    run_access(self, access, PB_SIDE_WRITE, &value);
    return PB_BUS_OK;
}

const pb_mmio_ops pb_dispatch_ops = {
    .size = sizeof(pb_dispatch_ops),
    .read = dispatch_read,
    .write = dispatch_write,
};
