/*
 * Parallel NOR flash with the Intel/Sharp command set (CFI command set 0x0001), as two 16-bit chips side by side on a
 * 32-bit bus. JEDEC JESD68.01 (CFI), JEP137B; command semantics: Intel StrataFlash P30 data sheet.
 *
 * Reading the array goes straight to memory; a command switches the chips to another read mode, in which
 * reads come here. Programming can only clear bits, erasing sets a whole sector.
 *
 * Contents come from `file`, and live as long as the machine; or they are those of the disk image at `drive`, which
 * is read when the machine is built and gets what the guest changes. The image may be smaller than the flash;
 * what it does not cover cannot be changed.
 *
 * The hardware takes its time and reports it in the status register; ours is busy only while the image is written,
 * takes commands meanwhile, and has nothing to suspend. Both chips get every command; the hardware takes one for each,
 * by its half of the bus. The hardware is delivered erased, all ones; bytes that nothing covers are zeros here until they
 * are erased, because pages that nobody touches then cost no memory.
 * Not modelled: block locking (lock commands are accepted), protection registers.
 */
#include <patchbay/device.h>

#include <errno.h>
#include <stdlib.h>

#define SECTOR       (256u * 1024) /* of the pair of chips */
#define BUFFER_BYTES 2048u         /* write buffer of the pair */
#define BANK         4u            /* bytes of the bus */
#define DISK_SECTOR  512u

enum { STATUS_READY = 0x80, STATUS_ERASE_ERROR = 0x20, STATUS_PROGRAM_ERROR = 0x10 };
#define STATUS_SEQUENCE_ERROR (STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR)

enum read_mode { READ_ARRAY = 0, READ_STATUS, READ_ID, READ_CFI };

/* What the next write cycle is. */
enum write_state {
    WRITE_COMMAND = 0,
    WRITE_WORD,
    WRITE_COUNT,
    WRITE_BUFFER,
    WRITE_CONFIRM,
    WRITE_ERASE_CONFIRM,
    WRITE_LOCK
};

typedef struct cfi_flash {
    pb_object *self;
    uint64_t size;
    const char *file;
    const pb_link *drive; /* null: the contents are kept nowhere */
    bool read_only;
    uint64_t changeable;             /* bytes from the start */
    uint8_t *array;                  /* the region's bytes */
    uint64_t dirty_first, dirty_end; /* not at the drive yet; none if the end is 0 */
    bool transferring;
    bool foreign; /* the drive may have contents of another moment */
    pb_block_request request;
    pb_iovec iov;
    uint32_t status;
    uint8_t read_mode, write_state;
    uint64_t buffer_base; /* first byte of the buffered program */
    uint32_t buffer_left; /* bus cycles still to come */
    uint8_t buffer[BUFFER_BYTES], written[BUFFER_BYTES];
} cfi_flash;

/* ---- the drive ---------------------------------------------------------------------------------------- */

static void transfer(cfi_flash *s, uint32_t op, uint64_t first, uint64_t end,
                     void (*done)(pb_block_request *request))
{
    s->iov = (pb_iovec){ s->array + first, end - first };
    s->request = (pb_block_request){ .size = sizeof(s->request),
                                     .op = op,
                                     .offset = first,
                                     .length = end - first,
                                     .iov = &s->iov,
                                     .iov_count = 1,
                                     .done = done,
                                     .opaque = s };
    s->transferring = true;
    ((const pb_block_iface *)s->drive->iface)->submit(s->drive->self, s->drive->index, &s->request);
}

static void write_back(cfi_flash *s);

static void written_back(pb_block_request *request)
{
    cfi_flash *s = request->opaque;

    s->transferring = false;
    if (request->error) {
        s->status |= STATUS_PROGRAM_ERROR;
        pb_log(s->self, PB_LOG_WARNING, "cannot write the contents to the drive: %s",
               strerror(request->error));
    }
    write_back(s);
}

/* One write at a time, straight from the array: what changes under it is dirty again. */
static void write_back(cfi_flash *s)
{
    uint64_t first = s->dirty_first, end = s->dirty_end;

    if (s->transferring || !end)
        return;
    s->dirty_end = 0;
    transfer(s, PB_BLOCK_WRITE, first, end, written_back);
}

/* Bytes of the array are others now. */
static void changed(cfi_flash *s, uint64_t first, uint64_t length)
{
    uint64_t end = (first + length + DISK_SECTOR - 1) & ~(uint64_t)(DISK_SECTOR - 1);

    s->self->ops->region_changed(s->self, 0, first, length);
    if (!s->drive)
        return;
    first &= ~(uint64_t)(DISK_SECTOR - 1);
    if (s->foreign) {
        first = 0;
        end = s->changeable;
        s->foreign = false;
    }
    s->dirty_first = s->dirty_end && s->dirty_first < first ? s->dirty_first : first;
    s->dirty_end = s->dirty_end > end ? s->dirty_end : end;
    write_back(s);
}

static bool can_change(const cfi_flash *s, uint64_t first, uint64_t length)
{
    return !s->read_only && first + length <= s->changeable;
}

/* ---- what the guest sees -------------------------------------------------------------------------------- */

/* The CFI query structure of one chip (JESD68.01), from index 0x10. Sizes are per chip. */
static uint8_t cfi_query(const cfi_flash *s, uint32_t index)
{
    static const uint8_t fixed[] = {
        [0x00] = 'Q',  'R',  'Y',  [0x03] = 0x01, 0x00, /* primary command set: Intel extended */
        [0x05] = 0x31, 0x00,                            /* primary extended table */
        [0x0b] = 0x17, 0x20, 0x00, 0x00, /* supply voltages: 1.7 V to 2.0 V, no programming supply */
        [0x0f] = 0x08, 0x09, 0x0a, 0x00, /* typical times, powers of two: word, buffer, erase, chip */
        [0x13] = 0x01, 0x01, 0x02, 0x00, /* longest, as powers of two of the typical */
        [0x18] = 0x01, 0x00,             /* x16 interface */
        [0x1a] = 0x0a, 0x00,             /* write buffer: 2^10 bytes */
        [0x1c] = 0x01,                   /* one erase region */
        [0x21] = 'P',  'R',  'I',  '1',           '3',
        [0x26] = 0x00, 0x00, 0x00, 0x00, /* optional features: none */
        [0x2a] = 0x00, 0x00, 0x00,
    };
    uint32_t sectors = (uint32_t)(s->size / SECTOR) - 1, chip_sector = SECTOR / 2 / 256;

    switch (index) {
    case 0x27: /* device size, log2 of bytes */
        return (uint8_t)(63 - __builtin_clzll(s->size / 2));
    case 0x2d:
        return sectors & 0xff;
    case 0x2e:
        return sectors >> 8 & 0xff;
    case 0x2f:
        return chip_sector & 0xff;
    case 0x30:
        return chip_sector >> 8 & 0xff;
    }
    return index >= 0x10 && index - 0x10 < sizeof(fixed) ? fixed[index - 0x10] : 0;
}

/* Manufacturer and device code of a 128-Mbit part; block lock status follows: never locked. */
static uint8_t identifier(uint32_t index)
{
    return index == 0 ? 0x89 : index == 1 ? 0x18 : 0;
}

/* Both chips answer alike: the value stands in each 16-bit lane. */
static uint64_t in_lanes(uint8_t value, const pb_access *a)
{
    uint64_t lanes = value * UINT64_C(0x0001000100010001) >> (a->offset & 1 ? 8 : 0);

    return a->size == 8 ? lanes : lanes & ((UINT64_C(1) << a->size * 8) - 1);
}

static void set_read_mode(cfi_flash *s, uint8_t mode)
{
    if (s->read_mode != mode) {
        s->read_mode = mode;
        s->self->ops->region_romd(s->self, 0, mode == READ_ARRAY);
    }
}

static pb_bus_result flash_read(void *self, const pb_access *a, uint64_t *value)
{
    cfi_flash *s = self;
    uint32_t index = (uint32_t)(a->offset / BANK);

    switch (s->read_mode) {
    case READ_STATUS:
        *value = in_lanes((uint8_t)(s->status | (s->transferring ? 0 : STATUS_READY)), a);
        break;
    case READ_ID:
        *value = in_lanes(identifier(index % (SECTOR / BANK)), a);
        break;
    case READ_CFI:
        *value = in_lanes(cfi_query(s, index), a);
        break;
    default:
        *value = 0;
        memcpy(value, s->array + a->offset, a->size);
    }
    return PB_BUS_OK;
}

static void program(cfi_flash *s, uint64_t offset, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        s->array[offset + i] &= bytes[i];
    changed(s, offset, length);
}

static void erase_sector(cfi_flash *s, uint64_t offset)
{
    uint64_t first = offset & ~(uint64_t)(SECTOR - 1);

    memset(s->array + first, 0xff, SECTOR);
    changed(s, first, SECTOR);
}

static void fail(cfi_flash *s, uint32_t bits)
{
    s->status |= bits;
    s->write_state = WRITE_COMMAND;
    set_read_mode(s, READ_STATUS);
}

static void command(cfi_flash *s, uint8_t code)
{
    static const struct {
        uint8_t code, read_mode, write_state;
    } commands[] = {
        { 0xff, READ_ARRAY, WRITE_COMMAND },        { 0xf0, READ_ARRAY, WRITE_COMMAND },
        { 0x70, READ_STATUS, WRITE_COMMAND },       { 0x90, READ_ID, WRITE_COMMAND },
        { 0x98, READ_CFI, WRITE_COMMAND },          { 0x10, READ_STATUS, WRITE_WORD },
        { 0x40, READ_STATUS, WRITE_WORD },          { 0xe8, READ_STATUS, WRITE_COUNT },
        { 0x20, READ_STATUS, WRITE_ERASE_CONFIRM }, { 0x60, READ_STATUS, WRITE_LOCK },
        { 0xb0, READ_STATUS, WRITE_COMMAND }, /* suspend: nothing is under way */
        { 0xd0, READ_STATUS, WRITE_COMMAND }, /* resume */
    };

    if (code == 0x50) { /* clear status */
        s->status = 0;
        return;
    }
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(commands); i++) {
        if (commands[i].code == code) {
            set_read_mode(s, commands[i].read_mode);
            s->write_state = commands[i].write_state;
            return;
        }
    }
    pb_log_guest(s->self, "unknown flash command %#x", code);
    set_read_mode(s, READ_ARRAY);
}

/* One cycle of a buffered program: all data must lie in one buffer-sized, aligned block. */
static void buffer_cycle(cfi_flash *s, const pb_access *a, const uint8_t *bytes)
{
    uint64_t base = a->offset & ~(uint64_t)(BUFFER_BYTES - 1);
    uint32_t at = (uint32_t)(a->offset - base);

    if (s->buffer_base == UINT64_MAX)
        s->buffer_base = base;
    if (base != s->buffer_base || at + a->size > BUFFER_BYTES) {
        pb_log_guest(s->self, "buffered program crosses its block at %#llx",
                     (unsigned long long)a->offset);
        fail(s, STATUS_SEQUENCE_ERROR);
        return;
    }
    memcpy(s->buffer + at, bytes, a->size);
    memset(s->written + at, 1, a->size);
    if (--s->buffer_left == 0)
        s->write_state = WRITE_CONFIRM;
}

static void buffer_commit(cfi_flash *s)
{
    if (!can_change(s, s->buffer_base, BUFFER_BYTES)) {
        fail(s, STATUS_PROGRAM_ERROR);
        return;
    }
    for (uint32_t i = 0; i < BUFFER_BYTES; i++)
        if (s->written[i])
            s->array[s->buffer_base + i] &= s->buffer[i];
    changed(s, s->buffer_base, BUFFER_BYTES);
    s->write_state = WRITE_COMMAND;
}

static pb_bus_result flash_write(void *self, const pb_access *a, uint64_t value)
{
    cfi_flash *s = self;
    uint8_t bytes[8], code = (uint8_t)value;

    memcpy(bytes, &value, sizeof(bytes));
    switch (s->write_state) {
    case WRITE_COMMAND:
        command(s, code);
        break;
    case WRITE_WORD:
        s->write_state = WRITE_COMMAND;
        if (!can_change(s, a->offset, a->size))
            fail(s, STATUS_PROGRAM_ERROR);
        else
            program(s, a->offset, bytes, a->size);
        break;
    case WRITE_COUNT: /* words of one chip, less one: as many bus cycles */
        s->buffer_left = (uint32_t)(value & 0xffff) + 1;
        s->buffer_base = UINT64_MAX;
        memset(s->written, 0, sizeof(s->written));
        if (s->buffer_left > BUFFER_BYTES / BANK)
            fail(s, STATUS_SEQUENCE_ERROR);
        else
            s->write_state = WRITE_BUFFER;
        break;
    case WRITE_BUFFER:
        buffer_cycle(s, a, bytes);
        break;
    case WRITE_CONFIRM:
        if (code == 0xd0)
            buffer_commit(s);
        else
            fail(s, STATUS_SEQUENCE_ERROR);
        break;
    case WRITE_ERASE_CONFIRM:
        s->write_state = WRITE_COMMAND;
        if (code != 0xd0)
            fail(s, STATUS_SEQUENCE_ERROR);
        else if (!can_change(s, a->offset & ~(uint64_t)(SECTOR - 1), SECTOR))
            fail(s, STATUS_ERASE_ERROR);
        else
            erase_sector(s, a->offset);
        break;
    case WRITE_LOCK: /* 0x01 lock, 0xd0 unlock, 0x2f lock down */
        s->write_state = WRITE_COMMAND;
        if (code != 0x01 && code != 0xd0 && code != 0x2f)
            fail(s, STATUS_SEQUENCE_ERROR);
        break;
    }
    return PB_BUS_OK;
}

/* ---- contents -------------------------------------------------------------------------------------------- */

/* Fill the array from the file. */
static bool load_file(cfi_flash *s, pb_error *error)
{
    FILE *f = fopen(s->file, "rb");
    bool fits;
    int failed;

    if (!f)
        return pb_fail(error, "cannot open %s: %s", s->file, strerror(errno));
    fread(s->array, 1, s->size, f);
    failed = ferror(f) ? errno : 0;
    fits = failed || fgetc(f) == EOF;
    fclose(f);
    if (failed)
        return pb_fail(error, "cannot read %s: %s", s->file, strerror(failed));
    return fits || pb_fail(error, "%s is larger than the flash of %llu bytes", s->file,
                           (unsigned long long)s->size);
}

static void drive_read(pb_block_request *request)
{
    cfi_flash *s = request->opaque;

    s->transferring = false;
    if (request->error) {
        pb_log(s->self, PB_LOG_WARNING, "cannot read the contents from the drive: %s",
               strerror(request->error));
        s->self->ops->request(s->self, PB_MACHINE_POWER_OFF, 1);
    }
}

/* Fill the array from the drive: it is there before the machine starts. */
static bool load_drive(cfi_flash *s, pb_error *error)
{
    pb_block_info info = { .size = sizeof(info) };

    ((const pb_block_iface *)s->drive->iface)->info(s->drive->self, s->drive->index, &info);
    if (info.bytes > s->size)
        return pb_fail(error, "the drive has %llu bytes, the flash %llu",
                       (unsigned long long)info.bytes, (unsigned long long)s->size);
    s->changeable = info.read_only ? 0 : info.bytes;
    transfer(s, PB_BLOCK_READ, 0, info.bytes, drive_read);
    return true;
}

static bool cfi_flash_init(void *self, pb_error *error)
{
    cfi_flash *s = self;
    uint64_t bytes;

    if (s->size & (s->size - 1))
        return pb_fail(error, "size %llu is not a power of two", (unsigned long long)s->size);
    if (s->file && s->drive)
        return pb_fail(error, "the contents are either those of `file` or of `drive`");
    s->array = s->self->ops->region_bytes(s->self, 0, &bytes);
    s->changeable = s->size;
    return s->drive ? load_drive(s, error) : !s->file || load_file(s, error);
}

static void cfi_flash_reset(void *self)
{
    cfi_flash *s = self;

    s->status = 0;
    s->write_state = WRITE_COMMAND;
    s->buffer_base = UINT64_MAX;
    s->buffer_left = 0;
    memset(s->buffer, 0, sizeof(s->buffer));
    memset(s->written, 0, sizeof(s->written));
    set_read_mode(s, READ_ARRAY);
}

static bool cfi_flash_loaded(void *self, pb_error *error)
{
    cfi_flash *s = self;

    s->self->ops->region_romd(s->self, 0, s->read_mode == READ_ARRAY);
    s->foreign = true;
    return true;
}

static const pb_prop cfi_flash_props[] = {
    { "size", PB_PROP_SIZE, PB_MEMBER(cfi_flash, size), "64MiB", SECTOR, UINT64_C(1) << 30,
      .doc = "Bytes, a power of two" },
    { "file", PB_PROP_PATH, PB_MEMBER(cfi_flash, file), "",
      .doc = "Initial contents; changes are not written to it" },
    { "read-only", PB_PROP_BOOL, PB_MEMBER(cfi_flash, read_only), "false",
      .doc = "Programming and erasing fail" },
    { 0 },
};

static const pb_port cfi_flash_ports[] = {
    { "drive", PB_PROTOCOL_BLOCK, PB_REQUIRES, PB_HANDLE(cfi_flash, drive), .optional = true,
      .doc = "The contents, with all changes" },
    { 0 },
};

static const pb_state cfi_flash_state[] = {
    PB_STATE(cfi_flash, status),
    PB_STATE(cfi_flash, read_mode),
    PB_STATE(cfi_flash, write_state),
    PB_STATE(cfi_flash, buffer_base),
    PB_STATE(cfi_flash, buffer_left),
    PB_STATE_ARRAY(cfi_flash, buffer),
    PB_STATE_ARRAY(cfi_flash, written),
    PB_TRANSIENT(cfi_flash, changeable, "size of the drive"),
    PB_TRANSIENT(cfi_flash, array, "address of the region's bytes, which are saved as memory"),
    PB_TRANSIENT(cfi_flash, dirty_first, "the machine waits for the drive before it is saved"),
    PB_TRANSIENT(cfi_flash, dirty_end, "the machine waits for the drive before it is saved"),
    PB_TRANSIENT(cfi_flash, transferring, "the machine waits for the drive before it is saved"),
    PB_TRANSIENT(cfi_flash, foreign, "about the drive, which is not part of a snapshot"),
    PB_TRANSIENT(cfi_flash, request, "the machine waits for the drive before it is saved"),
    PB_TRANSIENT(cfi_flash, iov, "the machine waits for the drive before it is saved"),
    { 0 },
};

static const pb_mmio_ops flash_ops = { sizeof(pb_mmio_ops), flash_read, flash_write };

static const pb_region cfi_flash_regions[] = {
    { "array", PB_REGION_ROMD, PB_REGION_SIZE(cfi_flash, size), .ops = &flash_ops, .access_max = 4,
      .doc = "The flash" },
    { 0 },
};

static bool cfi_flash_fdt_extra(void *self, const pb_fdt_writer *w, pb_error *error)
{
    const uint32_t bank_width = BANK;

    w->cells(w, "bank-width", &bank_width, 1);
    return true;
}

static const char *const cfi_flash_compatible[] = { "cfi-flash", NULL };
static const pb_fdt_desc cfi_flash_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "flash",
    .compatible = cfi_flash_compatible,
    .extra = cfi_flash_fdt_extra,
};

static const pb_gap gaps[] = {
    { "block locking", "feature", "its commands are accepted" },
    { "protection registers", "feature", "JEP137B" },
    { 0 },
};

static const pb_device_type cfi_flash_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "cfi-flash",
              .doc = "NOR flash, Intel command set, two 16-bit chips",
              .instance_size = sizeof(cfi_flash),
              PB_SELF(cfi_flash, self),
              .props = cfi_flash_props,
              .ports = cfi_flash_ports,
              .state = cfi_flash_state,
              .init = cfi_flash_init,
              .reset = cfi_flash_reset,
              .loaded = cfi_flash_loaded },
    .regions = cfi_flash_regions,
    .fdt = &cfi_flash_fdt,
    .manual = "JEDEC JESD68.01, JEP137B; Intel StrataFlash P30",
    .gaps = gaps,
};

static const pb_class *const types[] = { &cfi_flash_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-cfi-flash",
    .version = "0.1",
    .licence = "MIT",
    .doc = "NOR flash, Intel command set",
    .types = types,
};
