/*
 * Virtio over MMIO (4.2): one transport, with a place for one device.
 */
#include "virtio.h"

typedef struct virtio_mmio {
    pb_object *self;
    pb_dma *dma;
    pb_line *irq;
    virtio_bus bus;
} virtio_mmio;

static void update_interrupt(void *transport)
{
    virtio_mmio *s = transport;

    pb_line_set(s->irq, s->bus.s.interrupt != 0);
}

static uint64_t device_id_read(void *self)
{
    const virtio_device_iface *device = virtio_device(&((virtio_mmio *)self)->bus);

    return device ? device->id : 0; /* 0: no device here (4.2.2) */
}

static uint64_t device_features_read(void *self)
{
    virtio_mmio *s = self;
    uint32_t word = s->bus.s.device_features_sel;

    return word > 1 ? 0 : virtio_features(&s->bus) >> (32 * word) & 0xffffffff;
}

static void driver_features_write(void *self, uint64_t old, uint64_t now)
{
    virtio_mmio *s = self;

    virtio_set_driver_features(&s->bus, s->bus.s.driver_features_sel, (uint32_t)now);
}

static uint64_t queue_max_read(void *self)
{
    virtio_mmio *s = self;

    return virtio_selected_queue(&s->bus) ? virtio_device(&s->bus)->queue_size : 0;
}

static void queue_num_write(void *self, uint64_t old, uint64_t now)
{
    virtio_set_queue_size(&((virtio_mmio *)self)->bus, (uint32_t)now);
}

static uint64_t queue_ready_read(void *self)
{
    virtq *q = virtio_selected_queue(&((virtio_mmio *)self)->bus);

    return q && q->ready;
}

static void queue_ready_write(void *self, uint64_t old, uint64_t now)
{
    virtio_set_queue_ready(&((virtio_mmio *)self)->bus, now & 1);
}

static void queue_notify_write(void *self, uint64_t old, uint64_t now)
{
    virtio_queue_notify(&((virtio_mmio *)self)->bus, (uint32_t)now);
}

static uint64_t interrupt_read(void *self)
{
    return ((virtio_mmio *)self)->bus.s.interrupt;
}

static void interrupt_ack_write(void *self, uint64_t old, uint64_t now)
{
    virtio_mmio *s = self;

    s->bus.s.interrupt &= ~(uint32_t)now;
    update_interrupt(s);
}

static uint64_t status_read(void *self)
{
    return virtio_status(&((virtio_mmio *)self)->bus);
}
static void status_write(void *self, uint64_t old, uint64_t now)
{
    virtio_set_status(&((virtio_mmio *)self)->bus, (uint32_t)now);
}

/* Addresses cannot change while the queue is in use (4.2.2.2). */
static void set_half(uint64_t *address, const virtq *q, uint64_t value, bool high)
{
    if (!q->ready)
        *address = high ? (*address & 0xffffffff) | value << 32
                        : (*address & ~UINT64_C(0xffffffff)) | (value & 0xffffffff);
}

static void desc_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    virtq *q = virtio_selected_queue(&((virtio_mmio *)self)->bus);

    if (q)
        set_half(&q->desc, q, now, a->index);
}

static void driver_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    virtq *q = virtio_selected_queue(&((virtio_mmio *)self)->bus);

    if (q)
        set_half(&q->driver, q, now, a->index);
}

static void device_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    virtq *q = virtio_selected_queue(&((virtio_mmio *)self)->bus);

    if (q)
        set_half(&q->device, q, now, a->index);
}

static void device_features_sel_write(void *self, uint64_t old, uint64_t now)
{
    ((virtio_mmio *)self)->bus.s.device_features_sel = (uint32_t)now;
}
static void driver_features_sel_write(void *self, uint64_t old, uint64_t now)
{
    ((virtio_mmio *)self)->bus.s.driver_features_sel = (uint32_t)now;
}
static void queue_sel_write(void *self, uint64_t old, uint64_t now)
{
    ((virtio_mmio *)self)->bus.s.queue_sel = (uint32_t)now;
}

static uint64_t generation_read(void *self)
{
    return ((virtio_mmio *)self)->bus.s.config_generation;
}

static uint64_t config_read(void *self, const pb_access *a)
{
    return virtio_config_read(&((virtio_mmio *)self)->bus, a->index);
}

static void config_write(void *self, const pb_access *a, uint64_t old, uint64_t now)
{
    virtio_config_write(&((virtio_mmio *)self)->bus, a->index, (uint8_t)now);
}

static const pb_reg virtio_mmio_regs[] = {
    { "MagicValue", 0x000, 32, .mode = PB_RO, .reset = 0x74726976, .doc = "\"virt\"" },
    { "Version", 0x004, 32, .mode = PB_RO, .reset = 2, .doc = "Device version" },
    { "DeviceID", 0x008, 32, .mode = PB_RO, .read = device_id_read,
      .doc = "Subsystem device ID; 0: no device" },
    { "VendorID", 0x00c, 32, .mode = PB_RO, .reset = 0x59484250, .doc = "\"PBHY\"" },
    { "DeviceFeatures", 0x010, 32, .mode = PB_RO, .read = device_features_read,
      .doc = "Features that the device supports" },
    { "DeviceFeaturesSel", 0x014, 32, .mode = PB_WO, .write = device_features_sel_write,
      .raw_write = true, .doc = "Word of DeviceFeatures" },
    { "DriverFeatures", 0x020, 32, .mode = PB_WO, .write = driver_features_write, .raw_write = true,
      .doc = "Features that the driver accepts" },
    { "DriverFeaturesSel", 0x024, 32, .mode = PB_WO, .write = driver_features_sel_write,
      .raw_write = true, .doc = "Word of DriverFeatures" },
    { "QueueSel", 0x030, 32, .mode = PB_WO, .write = queue_sel_write, .raw_write = true,
      .doc = "Queue that the next registers mean" },
    { "QueueNumMax", 0x034, 32, .mode = PB_RO, .read = queue_max_read,
      .doc = "Largest size; 0: no such queue" },
    { "QueueNum", 0x038, 32, .mode = PB_WO, .write = queue_num_write, .raw_write = true,
      .doc = "Size in use" },
    { "QueueReady", 0x044, 32, .read = queue_ready_read, .write = queue_ready_write,
      .raw_write = true, .doc = "The queue is in use" },
    { "QueueNotify", 0x050, 32, .mode = PB_WO, .write = queue_notify_write, .raw_write = true,
      .doc = "New buffers are in this queue" },
    { "InterruptStatus", 0x060, 32, .mode = PB_RO, .read = interrupt_read,
      .doc = "Causes of the interrupt" },
    { "InterruptACK", 0x064, 32, .mode = PB_WO, .write = interrupt_ack_write, .raw_write = true,
      .doc = "Causes that were handled" },
    { "Status", 0x070, 32, .read = status_read, .write = status_write, .raw_write = true,
      .doc = "Device status" },
    { "QueueDesc", 0x080, 32, .mode = PB_WO, .count = 2, .write_at = desc_write, .raw_write = true,
      .doc = "Address of the descriptor area, low and high half" },
    { "QueueDriver", 0x090, 32, .mode = PB_WO, .count = 2, .write_at = driver_write,
      .raw_write = true, .doc = "Address of the driver area" },
    { "QueueDevice", 0x0a0, 32, .mode = PB_WO, .count = 2, .write_at = device_write,
      .raw_write = true, .doc = "Address of the device area" },
    { "SHMSel", 0x0ac, 32, .mode = PB_RAZ_WI, .doc = "Shared memory region: there is none" },
    { "SHMLen", 0x0b0, 32, .mode = PB_RO, .count = 2, .reset = 0xffffffff,
      .doc = "Length of the shared memory region: all ones, none" },
    { "SHMBase", 0x0b8, 32, .mode = PB_RO, .count = 2, .reset = 0xffffffff,
      .doc = "Base of the shared memory region" },
    { "QueueReset", 0x0c0, 32, .mode = PB_RAZ_WI, .doc = "VIRTIO_F_RING_RESET is not offered" },
    { "ConfigGeneration", 0x0fc, 32, .mode = PB_RO, .read = generation_read,
      .doc = "Changes when the configuration does" },
    { "Config", 0x100, 8, .count = 256, .read_at = config_read, .write_at = config_write,
      .raw_write = true, .doc = "Device configuration" },
    { 0 },
};

static virtio_bus *get_bus(void *self)
{
    return &((virtio_mmio *)self)->bus;
}
static const virtio_transport_iface transport_iface = { sizeof(virtio_transport_iface), get_bus };

static void device_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((virtio_mmio *)self)->bus.device = peer;
}

static bool virtio_mmio_init(void *self, pb_error *error)
{
    virtio_mmio *s = self;

    virtio_bus_init(&s->bus, s->self, s->dma, s);
    s->bus.update_interrupt = update_interrupt;
    return true;
}

static void next_turn(void *self)
{
    virtio_next_turn(&((virtio_mmio *)self)->bus);
}

static void virtio_mmio_reset(void *self)
{
    virtio_bus_reset(&((virtio_mmio *)self)->bus);
}

static const pb_port virtio_mmio_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_PROVIDES, .iface = &transport_iface, .connected = device_connected,
      .doc = "Place for a device" },
    { "irq", PB_PROTOCOL_IRQ, PB_REQUIRES, PB_HANDLE(virtio_mmio, irq), .optional = true,
      .doc = "Interrupt" },
    { "dma", PB_PROTOCOL_DMA, PB_REQUIRES, PB_HANDLE(virtio_mmio, dma), .optional = true,
      .doc = "Memory; the system's unless wired" },
    { 0 },
};

static const pb_state virtio_mmio_state[] = {
    PB_STATE(virtio_mmio, bus.s),
    PB_TRANSIENT(virtio_mmio, bus.object, "wiring"),
    PB_TRANSIENT(virtio_mmio, bus.dma, "wiring"),
    PB_TRANSIENT(virtio_mmio, bus.device, "wiring"),
    PB_STATE_TIMER(virtio_mmio, bus.next_turn, next_turn),
    PB_TRANSIENT(virtio_mmio, bus.turn,
                 "counts within a notification; none is under way when saving"),
    PB_TRANSIENT(virtio_mmio, bus.update_interrupt, "wiring"),
    PB_TRANSIENT(virtio_mmio, bus.may_dma, "wiring"),
    PB_TRANSIENT(virtio_mmio, bus.transport, "wiring"),
    { 0 },
};

static const pb_region virtio_mmio_regions[] = {
    { "registers", PB_REGION_REGS, 0x200, .regs = virtio_mmio_regs, .doc = "Registers" },
    { 0 },
};

static const char *const virtio_mmio_compatible[] = { "virtio,mmio", NULL };
static const pb_fdt_desc virtio_mmio_fdt = {
    .size = sizeof(pb_fdt_desc),
    .node = "virtio_mmio",
    .compatible = virtio_mmio_compatible,
    .dma_coherent = true,
};

static const pb_gap gaps[] = {
    { "legacy interface", "feature", "4.2.4" },
    { "packed queues", "feature", "2.8" },
    { "shared memory regions", "feature", "2.10" },
    { 0 },
};

const pb_device_type virtio_mmio_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "mmio",
              .doc = "Virtio transport over MMIO",
              .instance_size = sizeof(virtio_mmio),
              PB_SELF(virtio_mmio, self),
              .ports = virtio_mmio_ports,
              .state = virtio_mmio_state,
              .init = virtio_mmio_init,
              .reset = virtio_mmio_reset },
    .regions = virtio_mmio_regions,
    .fdt = &virtio_mmio_fdt,
    .manual = "VIRTIO 1.2, 4.2",
    .gaps = gaps,
};
