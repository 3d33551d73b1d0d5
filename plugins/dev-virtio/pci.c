/*
 * Virtio over PCI (4.1), modern layout: one 16 KiB memory BAR with the four structures.
 * Not there, and not announced: MSI-X (interrupts go by INTx#), the legacy I/O BAR.
 */
#include "virtio.h"

#include <patchbay/pci.h>

enum {
    COMMON_AT = 0x0000,
    ISR_AT = 0x1000,
    DEVICE_AT = 0x2000,
    NOTIFY_AT = 0x3000,
    WINDOW_BYTES = 0x1000,
    BAR_BYTES = 0x4000,
    NOTIFY_MULTIPLIER = 4
};

/* Capability types (4.1.4). */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_PCI = 5 };

/* Fields of the common structure (4.1.4.3). */
enum {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_MSIX_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    DEVICE_STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_MSIX_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    QUEUE_NOTIFY_DATA = 0x38,
    QUEUE_RESET = 0x3a
};

#define NO_VECTOR 0xffffu

typedef struct virtio_pci {
    pb_object *self;
    pb_dma *dma;
    const pb_link *slot;
    virtio_bus bus;
} virtio_pci;

static void update_interrupt(void *transport)
{
    virtio_pci *s = transport;
    const pb_pci_bus_iface *pci = s->slot->iface;

    pci->set_intx(s->slot->self, s->slot->index, s->bus.s.interrupt != 0);
}

static bool may_dma(void *transport)
{
    virtio_pci *s = transport;

    return ((const pb_pci_bus_iface *)s->slot->iface)->bus_master(s->slot->self, s->slot->index);
}

/* ---- the BAR ----------------------------------------------------------------------------------------------- */

static uint64_t queue_field(const virtq *q, uint32_t queue, uint32_t offset)
{
    switch (offset) {
    case QUEUE_SIZE:
        return q->size;
    case QUEUE_MSIX_VECTOR:
        return NO_VECTOR;
    case QUEUE_ENABLE:
        return q->ready;
    case QUEUE_NOTIFY_OFF:
        return queue;
    case QUEUE_DESC:
        return q->desc;
    case QUEUE_DESC + 4:
        return q->desc >> 32;
    case QUEUE_DRIVER:
        return q->driver;
    case QUEUE_DRIVER + 4:
        return q->driver >> 32;
    case QUEUE_DEVICE:
        return q->device;
    case QUEUE_DEVICE + 4:
        return q->device >> 32;
    }
    return 0;
}

static uint64_t common_read(virtio_pci *s, uint32_t offset)
{
    virtio_bus *bus = &s->bus;
    const virtio_device_iface *device = virtio_device(bus);
    virtq *q = virtio_selected_queue(bus);

    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        return bus->s.device_features_sel;
    case DEVICE_FEATURE:
        return bus->s.device_features_sel > 1
                   ? 0
                   : virtio_features(bus) >> (32 * bus->s.device_features_sel);
    case DRIVER_FEATURE_SELECT:
        return bus->s.driver_features_sel;
    case DRIVER_FEATURE:
        return bus->s.driver_features_sel > 1
                   ? 0
                   : bus->s.driver_features >> (32 * bus->s.driver_features_sel);
    case CONFIG_MSIX_VECTOR:
        return NO_VECTOR;
    case NUM_QUEUES:
        return device ? device->n_queues : 0;
    case DEVICE_STATUS:
        return virtio_status(bus);
    case CONFIG_GENERATION:
        return bus->s.config_generation;
    case QUEUE_SELECT:
        return bus->s.queue_sel;
    }
    return q ? queue_field(q, bus->s.queue_sel, offset) : 0;
}

/* An address comes whole or in halves, nothing else (4.1.3.1). */
static void set_address(uint64_t *address, const virtq *q, uint32_t at, uint32_t size,
                        uint64_t value)
{
    if (q->ready)
        return;
    if (size == 8)
        *address = value;
    else if (size == 4 && at == 0)
        *address = (*address & ~UINT64_C(0xffffffff)) | value;
    else if (size == 4)
        *address = (*address & 0xffffffff) | value << 32;
}

static void common_write(virtio_pci *s, uint32_t offset, uint32_t size, uint64_t value)
{
    virtio_bus *bus = &s->bus;
    virtq *q = virtio_selected_queue(bus);

    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        bus->s.device_features_sel = (uint32_t)value;
        return;
    case DRIVER_FEATURE_SELECT:
        bus->s.driver_features_sel = (uint32_t)value;
        return;
    case DRIVER_FEATURE:
        virtio_set_driver_features(bus, bus->s.driver_features_sel, (uint32_t)value);
        return;
    case DEVICE_STATUS:
        virtio_set_status(bus, (uint32_t)value);
        return;
    case QUEUE_SELECT:
        bus->s.queue_sel = (uint32_t)value;
        return;
    case QUEUE_SIZE:
        virtio_set_queue_size(bus, (uint32_t)value);
        return;
    case QUEUE_ENABLE:
        if (value == 1) /* 0 is not allowed: a queue is disabled by reset (4.1.4.3.2) */
            virtio_set_queue_ready(bus, true);
        return;
    }
    if (q && offset >= QUEUE_DESC && offset < QUEUE_DRIVER)
        set_address(&q->desc, q, offset - QUEUE_DESC, size, value);
    else if (q && offset >= QUEUE_DRIVER && offset < QUEUE_DEVICE)
        set_address(&q->driver, q, offset - QUEUE_DRIVER, size, value);
    else if (q && offset >= QUEUE_DEVICE && offset < QUEUE_NOTIFY_DATA)
        set_address(&q->device, q, offset - QUEUE_DEVICE, size, value);
}

static pb_bus_result bar_read(void *self, const pb_access *a, uint64_t *value)
{
    virtio_pci *s = self;
    uint32_t offset = (uint32_t)a->offset % WINDOW_BYTES;

    *value = 0;
    switch (a->offset - offset) {
    case COMMON_AT:
        *value = common_read(s, offset);
        break;
    case ISR_AT: /* reading acknowledges (4.1.4.5) */
        if (offset != 0)
            break;
        *value = s->bus.s.interrupt;
        if (a->attrs.requester != PB_REQUESTER_DEBUG) {
            s->bus.s.interrupt = 0;
            update_interrupt(s);
        }
        break;
    case DEVICE_AT:
        for (uint32_t i = 0; i < a->size; i++)
            *value |= (uint64_t)virtio_config_read(&s->bus, offset + i) << (8 * i);
        break;
    }
    return PB_BUS_OK;
}

static pb_bus_result bar_write(void *self, const pb_access *a, uint64_t value)
{
    virtio_pci *s = self;
    uint32_t offset = (uint32_t)a->offset % WINDOW_BYTES;

    switch (a->offset - offset) {
    case COMMON_AT:
        common_write(s, offset, a->size, value);
        break;
    case DEVICE_AT:
        for (uint32_t i = 0; i < a->size; i++)
            virtio_config_write(&s->bus, offset + i, (uint8_t)(value >> (8 * i)));
        break;
    case NOTIFY_AT:
        virtio_queue_notify(&s->bus, offset / NOTIFY_MULTIPLIER);
        break;
    }
    return PB_BUS_OK;
}

/* ---- configuration space ------------------------------------------------------------------------------------ */

/* Vendor-specific capabilities (4.1.4): type, BAR 0, offset, length; notify adds its multiplier, PCI a data
 * window onto the BAR. */
#define CAP(type, bytes_, at)                                                 \
    [2] = (bytes_), [3] = (type), [8] = (at)&0xff, [9] = (at) >> 8, [12] = 0, \
    [13] = WINDOW_BYTES >> 8

static const uint8_t cap_common[16] = { CAP(CAP_COMMON, 16, COMMON_AT) };
static const uint8_t cap_isr[16] = { CAP(CAP_ISR, 16, ISR_AT) };
static const uint8_t cap_device[16] = { CAP(CAP_DEVICE, 16, DEVICE_AT) };
static const uint8_t cap_notify[20] = { CAP(CAP_NOTIFY, 20, NOTIFY_AT), [16] = NOTIFY_MULTIPLIER };
static const uint8_t cap_pci[20] = { [2] = 20, [3] = CAP_PCI };
static const uint8_t cap_pci_mask[20] = { [4] = 0xff, [8] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff,       0xff,       0xff, 0xff, 0xff, 0xff };

enum { PCI_CAP_VENDOR = 9, CAP_PCI_INDEX = 4, CAP_PCI_DATA = 16 };

static const pb_pci_capability capabilities[] = {
    { PCI_CAP_VENDOR, sizeof(cap_common), cap_common, NULL },
    { PCI_CAP_VENDOR, sizeof(cap_isr), cap_isr, NULL },
    { PCI_CAP_VENDOR, sizeof(cap_device), cap_device, NULL },
    { PCI_CAP_VENDOR, sizeof(cap_notify), cap_notify, NULL },
    [CAP_PCI_INDEX] = { PCI_CAP_VENDOR, sizeof(cap_pci), cap_pci, cap_pci_mask },
};

static void describe(void *self, uint32_t index, pb_pci_description *d)
{
    virtio_pci *s = self;
    const virtio_device_iface *device = virtio_device(&s->bus);

    d->vendor = d->subsystem_vendor = 0x1af4;
    d->device = (uint16_t)(0x1040 + (device ? device->id : 0));
    d->subsystem = 0x1100;
    d->class_code = device ? device->class_code : 0xff0000;
    d->revision = 1; /* modern (4.1.2.1) */
    d->interrupt_pin = 1;
    d->bars[0] = (pb_pci_bar){ .region = 0, .flags = PB_PCI_BAR_64, .bytes = BAR_BYTES };
    d->capabilities = capabilities;
    d->n_capabilities = PB_ARRAY_SIZE(capabilities);
}

static void bar_map(void *self, uint32_t index, uint32_t bar, uint64_t address, bool mapped)
{
    virtio_pci *s = self;

    s->self->ops->region_map(s->self, 0, address, mapped);
}

/* The access that the PCI capability's window describes: through BAR 0, aligned, 1, 2 or 4 bytes. */
static bool window(const uint8_t *stored, pb_access *a)
{
    uint32_t offset, length;

    memcpy(&offset, stored + 8, sizeof(offset));
    memcpy(&length, stored + 12, sizeof(length));
    *a = (pb_access){ .offset = offset, .size = length };
    return stored[4] == 0 && (length == 1 || length == 2 || length == 4) && offset % length == 0 &&
           offset < BAR_BYTES;
}

static void capability_read(void *self, uint32_t index, uint32_t capability, uint32_t offset,
                            uint32_t bytes, uint8_t *stored)
{
    uint64_t value;
    pb_access a;

    if (capability != CAP_PCI_INDEX || offset + bytes <= CAP_PCI_DATA || !window(stored, &a))
        return;
    bar_read(self, &a, &value);
    memcpy(stored + CAP_PCI_DATA, &value, 4);
}

static void capability_write(void *self, uint32_t index, uint32_t capability, uint32_t offset,
                             uint32_t bytes, uint8_t *stored)
{
    uint32_t value;
    pb_access a;

    if (capability != CAP_PCI_INDEX || offset + bytes <= CAP_PCI_DATA || !window(stored, &a))
        return;
    memcpy(&value, stored + CAP_PCI_DATA, sizeof(value));
    bar_write(self, &a, a.size == 4 ? value : value & ((1u << a.size * 8) - 1));
}

/* ---- class ------------------------------------------------------------------------------------------------------- */

static virtio_bus *get_bus(void *self)
{
    return &((virtio_pci *)self)->bus;
}
static const virtio_transport_iface transport_iface = { sizeof(virtio_transport_iface), get_bus };

static const pb_pci_function_iface function_iface = {
    sizeof(pb_pci_function_iface), describe, bar_map, capability_read, capability_write,
};

static void device_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((virtio_pci *)self)->bus.device = peer;
}

static bool virtio_pci_init(void *self, pb_error *error)
{
    virtio_pci *s = self;

    virtio_bus_init(&s->bus, s->self, s->dma, s);
    s->bus.update_interrupt = update_interrupt;
    s->bus.may_dma = may_dma;
    return s->bus.device || pb_fail(error, "no virtio device is plugged into bus");
}

static void next_turn(void *self)
{
    virtio_next_turn(&((virtio_pci *)self)->bus);
}

static void virtio_pci_reset(void *self)
{
    virtio_bus_reset(&((virtio_pci *)self)->bus);
}

static const pb_port virtio_pci_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_PROVIDES, .iface = &transport_iface, .connected = device_connected,
      .doc = "Place for a device" },
    { "slot", PB_PROTOCOL_PCI, PB_REQUIRES, PB_HANDLE(virtio_pci, slot), .iface = &function_iface,
      .doc = "Slot of a PCI bus" },
    { "dma", PB_PROTOCOL_DMA, PB_REQUIRES, PB_HANDLE(virtio_pci, dma), .optional = true,
      .doc = "Memory; the system's unless wired" },
    { 0 },
};

static const pb_state virtio_pci_state[] = {
    PB_STATE(virtio_pci, bus.s),
    PB_TRANSIENT(virtio_pci, bus.object, "wiring"),
    PB_TRANSIENT(virtio_pci, bus.dma, "wiring"),
    PB_TRANSIENT(virtio_pci, bus.device, "wiring"),
    PB_STATE_TIMER(virtio_pci, bus.next_turn, next_turn),
    PB_TRANSIENT(virtio_pci, bus.turn,
                 "counts within a notification; none is under way when saving"),
    PB_TRANSIENT(virtio_pci, bus.update_interrupt, "wiring"),
    PB_TRANSIENT(virtio_pci, bus.may_dma, "wiring"),
    PB_TRANSIENT(virtio_pci, bus.transport, "wiring"),
    { 0 },
};

static const pb_mmio_ops bar_ops = { sizeof(pb_mmio_ops), bar_read, bar_write };

static const pb_region virtio_pci_regions[] = {
    { "bar0", PB_REGION_MMIO, BAR_BYTES, .ops = &bar_ops, .placed_by_bus = true,
      .doc = "Common configuration, ISR status, device configuration, notifications" },
    { 0 },
};

static const pb_gap gaps[] = {
    { "legacy and transitional devices", "feature", "4.1.4.8" },
    { "MSI-X", "feature", "4.1.5.1.2: interrupts go by INTx#" },
    { "packed queues", "feature", "2.8" },
    { "shared memory regions", "feature", "2.10" },
    { 0 },
};

const pb_device_type virtio_pci_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "pci",
              .doc = "Virtio transport over PCI",
              .instance_size = sizeof(virtio_pci),
              PB_SELF(virtio_pci, self),
              .ports = virtio_pci_ports,
              .state = virtio_pci_state,
              .init = virtio_pci_init,
              .reset = virtio_pci_reset },
    .regions = virtio_pci_regions,
    .manual = "VIRTIO 1.2, 4.1",
    .gaps = gaps,
};
