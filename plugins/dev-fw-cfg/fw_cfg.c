/*
 * Firmware configuration: items that the board hands to its firmware, read through a selector and a
 * data port or by DMA. The interface is described in the Linux kernel's
 * Documentation/devicetree/bindings/firmware/qemu,fw-cfg-mmio.yaml and include/uapi/linux/qemu_fw_cfg.h.
 *
 * Layout of the MMIO region: 0x00 data (any width, bytes in string order), 0x08 selector (16 bits, big-endian),
 * 0x10 DMA address (64 bits, big-endian; writing the low half starts the transfer).
 *
 * Items are configuration: made anew by the same machine, so a snapshot has only a digest of them.
 * Writing to items is not offered: no item of ours takes it.
 */
#include <patchbay/device.h>
#include <patchbay/fw_cfg.h>

#include <stdlib.h>

enum { KEY_SIGNATURE = 0x00, KEY_ID = 0x01, KEY_FILE_DIR = 0x19, KEY_FILE_FIRST = 0x20 };
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { REG_DATA = 0x00, REG_SELECTOR = 0x08, REG_DMA = 0x10, REGION_BYTES = 0x18 };

#define FILES     64
#define KEYS      (KEY_FILE_FIRST + FILES)
#define NAME_MAX_ 56 /* with the final zero */
#define DIR_ENTRY 64

/* "QEMU CFG", what the DMA address register reads as. */
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647)

typedef struct item {
    uint8_t *bytes;
    uint32_t length;
    uint64_t digest; /* of key and bytes; 0: no item */
    char name[NAME_MAX_];
} item;

typedef struct fw_cfg {
    pb_object *self;
    pb_dma *dma;
    item items[KEYS];
    uint32_t n_files;
    uint32_t selected, offset;
    uint64_t dma_address;
    uint64_t digest; /* of all items: a snapshot is for a machine with the same */
} fw_cfg;

static void put_be(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *from, int bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | from[i];
    return value;
}

/* ---- items -------------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits. */
static uint64_t digest(uint64_t hash, const void *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t digest_of_items(const fw_cfg *s)
{
    uint64_t all = 0;

    for (uint32_t key = 0; key < KEYS; key++)
        all ^= s->items[key].digest;
    return all;
}

static bool set_item(fw_cfg *s, uint32_t key, const void *bytes, uint32_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    if (!copy)
        return false;
    memcpy(copy, bytes, length);
    free(s->items[key].bytes);
    s->items[key].bytes = copy;
    s->items[key].length = length;
    s->items[key].digest =
        digest(digest(UINT64_C(0xcbf29ce484222325), &key, sizeof(key)), bytes, length);
    s->digest = digest_of_items(s);
    return true;
}

static bool add_item(void *self, uint16_t key, const void *bytes, uint32_t length)
{
    return key < KEY_FILE_FIRST && set_item(self, key, bytes, length);
}

/* The directory: a count, then for each file its size, key, 16 reserved bits and name. */
static bool write_directory(fw_cfg *s)
{
    uint8_t dir[4 + FILES * DIR_ENTRY] = { 0 };

    put_be(dir, s->n_files, 4);
    for (uint32_t i = 0; i < s->n_files; i++) {
        const item *file = &s->items[KEY_FILE_FIRST + i];
        uint8_t *entry = dir + 4 + i * DIR_ENTRY;

        put_be(entry, file->length, 4);
        put_be(entry + 4, KEY_FILE_FIRST + i, 2);
        memcpy(entry + 8, file->name, NAME_MAX_);
    }
    return set_item(s, KEY_FILE_DIR, dir, 4 + s->n_files * DIR_ENTRY);
}

static bool add_file(void *self, const char *name, const void *bytes, uint32_t length)
{
    fw_cfg *s = self;
    uint32_t i = 0;

    while (i < s->n_files && strcmp(s->items[KEY_FILE_FIRST + i].name, name))
        i++;
    if (i == FILES || strlen(name) >= NAME_MAX_ || !set_item(s, KEY_FILE_FIRST + i, bytes, length))
        return false;
    if (i == s->n_files) {
        strcpy(s->items[KEY_FILE_FIRST + i].name, name);
        s->n_files++;
    }
    return write_directory(s);
}

/* ---- the guest's side ------------------------------------------------------------------------------------ */

static void select_item(fw_cfg *s, uint32_t key)
{
    s->selected = key;
    s->offset = 0;
    if (key >= KEYS || !s->items[key].bytes)
        pb_log_guest(s->self, "item %#x does not exist", key);
}

/* Bytes of the selected item that are left. */
static uint32_t left(const fw_cfg *s)
{
    const item *it = s->selected < KEYS ? &s->items[s->selected] : NULL;

    return it && s->offset < it->length ? it->length - s->offset : 0;
}

/* Past the end, and for items that do not exist, zeros are read. */
static uint8_t next_byte(fw_cfg *s)
{
    return left(s) ? s->items[s->selected].bytes[s->offset++] : 0;
}

/* Write to guest RAM; null bytes: zeros. Not to MMIO: a guest could have the transfer call itself through our own
 * registers, or have us write 4 GiB byte by byte. */
static bool write_ram(fw_cfg *s, uint64_t address, const uint8_t *bytes, uint32_t length)
{
    while (length) {
        uint64_t piece = length;
        uint8_t *host = pb_dma_map(s->dma, address, &piece, true);

        if (!host)
            return false;
        if (bytes)
            memcpy(host, bytes, piece);
        else
            memset(host, 0, piece);
        pb_dma_unmap(s->dma, host, piece, piece);
        bytes = bytes ? bytes + piece : NULL;
        address += piece;
        length -= (uint32_t)piece;
    }
    return true;
}

/* Copy `length` bytes of the item to guest RAM, zeros past its end. The first address that is no RAM stops
 * the transfer. */
static bool dma_read(fw_cfg *s, uint64_t address, uint32_t length)
{
    uint32_t from_item = length < left(s) ? length : left(s);

    if (from_item) {
        if (!write_ram(s, address, s->items[s->selected].bytes + s->offset, from_item))
            return false;
        s->offset += from_item;
    }
    return write_ram(s, address + from_item, NULL, length - from_item);
}

/* The control word is written back: zero, or the error bit. */
static void answer(fw_cfg *s, uint64_t descriptor, bool ok)
{
    uint8_t control[4];

    put_be(control, ok ? 0 : DMA_ERROR, 4);
    if (!write_ram(s, descriptor, control, sizeof(control)))
        pb_log_guest(s->self, "the DMA descriptor at %#llx is not in RAM",
                     (unsigned long long)descriptor);
}

/* A descriptor in guest memory: control, length (32 bits each), address (64 bits), all big-endian. */
static void dma_transfer(fw_cfg *s)
{
    uint64_t descriptor = s->dma_address;
    uint8_t raw[16];
    uint32_t control, length;
    bool ok = true;

    s->dma_address = 0;
    if (pb_dma_read(s->dma, descriptor, raw, sizeof(raw)) != PB_BUS_OK) {
        answer(s, descriptor, false);
        return;
    }
    control = (uint32_t)get_be(raw, 4);
    length = (uint32_t)get_be(raw + 4, 4);
    if (control & DMA_SELECT)
        select_item(s, control >> 16);
    if (control & DMA_READ)
        ok = dma_read(s, get_be(raw + 8, 8), length);
    else if (control & DMA_WRITE)
        ok = false; /* no item is writable */
    else if (control & DMA_SKIP)
        s->offset += length < left(s) ? length : left(s);
    answer(s, descriptor, ok);
}

static pb_bus_result region_read(void *self, const pb_access *a, uint64_t *value)
{
    fw_cfg *s = self;

    *value = 0;
    if (a->offset < REG_SELECTOR) {
        if (a->attrs.requester != PB_REQUESTER_DEBUG)
            for (uint32_t i = 0; i < a->size; i++)
                *value = *value << 8 | next_byte(s);
    } else if (a->offset >= REG_DMA && a->offset + a->size <= REG_DMA + 8) {
        uint64_t shift = 8 * (REG_DMA + 8 - a->offset - a->size);

        *value =
            DMA_SIGNATURE >> shift & (a->size == 8 ? UINT64_MAX : (UINT64_C(1) << a->size * 8) - 1);
    }
    return PB_BUS_OK;
}

static pb_bus_result region_write(void *self, const pb_access *a, uint64_t value)
{
    fw_cfg *s = self;

    if (a->offset == REG_SELECTOR && a->size == 2) {
        select_item(s, (uint32_t)value);
    } else if (a->offset == REG_DMA && a->size == 8) {
        s->dma_address = value;
        dma_transfer(s);
    } else if (a->offset == REG_DMA && a->size == 4) {
        s->dma_address = value << 32;
    } else if (a->offset == REG_DMA + 4 && a->size == 4) {
        s->dma_address |= value;
        dma_transfer(s);
    } else {
        pb_log_guest(s->self, "write of %u bytes at offset %#llx", a->size,
                     (unsigned long long)a->offset);
    }
    return PB_BUS_OK;
}

/* ---- class --------------------------------------------------------------------------------------------------- */

static bool fw_cfg_init(void *self, pb_error *error)
{
    const uint8_t id[4] = { ID_TRADITIONAL | ID_DMA }; /* little-endian */

    return (add_item(self, KEY_SIGNATURE, "QEMU", 4) && add_item(self, KEY_ID, id, 4) &&
            write_directory(self)) ||
           pb_fail(error, "out of memory");
}

static void fw_cfg_finish(void *self)
{
    fw_cfg *s = self;

    for (int i = 0; i < KEYS; i++)
        free(s->items[i].bytes);
}

static void fw_cfg_reset(void *self)
{
    fw_cfg *s = self;

    s->selected = s->offset = 0;
    s->dma_address = 0;
}

static bool fw_cfg_loaded(void *self, pb_error *error)
{
    fw_cfg *s = self;

    return s->digest == digest_of_items(s) ||
           pb_fail(error,
                   "the items for the firmware are not those that it was saved with: give the "
                   "same kernel, initial RAM disk and command line");
}

static const pb_fw_cfg_iface iface = { sizeof(pb_fw_cfg_iface), add_item, add_file };

static const pb_port fw_cfg_ports[] = {
    { "items", PB_PROTOCOL_FW_CFG, PB_PROVIDES, .iface = &iface, .doc = "Who adds items" },
    { "dma", PB_PROTOCOL_DMA, PB_REQUIRES, PB_HANDLE(fw_cfg, dma), .optional = true,
      .doc = "Memory; the system's unless wired" },
    { 0 },
};

static const pb_state fw_cfg_state[] = {
    PB_STATE(fw_cfg, selected),
    PB_STATE(fw_cfg, offset),
    PB_STATE(fw_cfg, dma_address),
    PB_STATE(fw_cfg, digest),
    PB_TRANSIENT(fw_cfg, items, "configuration, made again by loaders and other parts"),
    PB_TRANSIENT(fw_cfg, n_files, "configuration, made again by loaders and other parts"),
    { 0 },
};

static const pb_mmio_ops region_ops = { sizeof(pb_mmio_ops), region_read, region_write };

static const pb_region fw_cfg_regions[] = {
    { "registers", PB_REGION_MMIO, REGION_BYTES, .ops = &region_ops, .big_endian = true,
      .doc = "Data, selector, DMA address" },
    { 0 },
};

static const char *const fw_cfg_compatible[] = { "qemu,fw-cfg-mmio", NULL };
static const pb_fdt_desc fw_cfg_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "fw-cfg",
    .compatible = fw_cfg_compatible,
    .dma_coherent = true,
};

static const pb_device_type fw_cfg_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "fw-cfg",
              .doc = "Firmware configuration items",
              .instance_size = sizeof(fw_cfg),
              PB_SELF(fw_cfg, self),
              .ports = fw_cfg_ports,
              .state = fw_cfg_state,
              .init = fw_cfg_init,
              .finish = fw_cfg_finish,
              .reset = fw_cfg_reset,
              .loaded = fw_cfg_loaded },
    .regions = fw_cfg_regions,
    .fdt = &fw_cfg_fdt,
    .manual = "Linux Documentation/devicetree/bindings/firmware/qemu,fw-cfg-mmio.yaml",
};

static const pb_class *const types[] = { &fw_cfg_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "dev-fw-cfg",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Firmware configuration items",
    .types = types,
};
