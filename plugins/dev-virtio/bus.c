/*
 * Negotiation and status: what both transports do alike (2.1, 2.2, 3.1).
 */
#include "virtio.h"

const virtio_device_iface *virtio_device(const virtio_bus *bus)
{
    return bus->device ? bus->device->iface : NULL;
}

void virtio_bus_init(virtio_bus *bus, pb_object *object, pb_dma *dma, void *transport)
{
    bus->object = object;
    bus->dma = dma;
    bus->transport = transport;
    bus->turn = VIRTIO_NO_LIMIT;
}

void virtio_bus_reset(virtio_bus *bus)
{
    const virtio_device_iface *device = virtio_device(bus);

    bus->s = (virtio_bus_state){ 0 };
    for (uint32_t i = 0; device && i < device->n_queues && i < VIRTIO_QUEUES; i++)
        bus->s.queues[i].size = device->queue_size;
    if (device && device->reset)
        device->reset(bus->device->self);
    pb_timer_cancel(bus->next_turn);
    bus->update_interrupt(bus->transport);
}

/* After a reset it reads as 0 when the reset is complete (2.4.2); until then the device needs it. */
uint32_t virtio_status(const virtio_bus *bus)
{
    const virtio_device_iface *device = virtio_device(bus);

    if (bus->s.status == 0 && device && device->busy && device->busy(bus->device->self))
        return VIRTIO_NEEDS_RESET;
    return bus->s.status;
}

uint64_t virtio_features(const virtio_bus *bus)
{
    const virtio_device_iface *device = virtio_device(bus);

    if (!device)
        return 0;
    return device->features(bus->device->self) | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC |
           VIRTIO_F_EVENT_IDX;
}

/* Bits that were not offered are dropped: the driver must not set them (2.2.1). */
void virtio_set_driver_features(virtio_bus *bus, uint32_t word, uint32_t value)
{
    uint64_t wanted;

    if (word > 1 || (bus->s.status & VIRTIO_FEATURES_OK))
        return;
    wanted = (bus->s.driver_features & ~(UINT64_C(0xffffffff) << (32 * word))) | (uint64_t)value
                                                                                     << (32 * word);
    if (wanted & ~virtio_features(bus))
        pb_log_guest(bus->object, "driver accepts features that were not offered: %#llx",
                     (unsigned long long)(wanted & ~virtio_features(bus)));
    bus->s.driver_features = wanted & virtio_features(bus);
}

void virtio_set_status(virtio_bus *bus, uint32_t status)
{
    const virtio_device_iface *device = virtio_device(bus);
    uint32_t rising = status & ~bus->s.status;

    status &= 0xff;
    if (status == 0) {
        virtio_bus_reset(bus);
        return;
    }
    if (!device)
        return;
    /* FEATURES_OK reads back as 0 if we cannot work with the choice: a legacy driver (3.1.1). */
    if ((rising & VIRTIO_FEATURES_OK) && !(bus->s.driver_features & VIRTIO_F_VERSION_1))
        status &= ~(uint32_t)VIRTIO_FEATURES_OK;
    /* This bit is ours to set. */
    bus->s.status = (status & ~(uint32_t)VIRTIO_NEEDS_RESET) | (bus->s.status & VIRTIO_NEEDS_RESET);
    if ((rising & VIRTIO_DRIVER_OK) && device->driver_ok)
        device->driver_ok(bus->device->self);
}

bool virtio_has(const virtio_bus *bus, uint64_t feature)
{
    return bus->s.driver_features & feature;
}

bool virtio_running(const virtio_bus *bus)
{
    const uint32_t ready = VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;

    return (bus->s.status & (ready | VIRTIO_NEEDS_RESET)) == ready &&
           (!bus->may_dma || bus->may_dma(bus->transport));
}

void virtio_config_changed(virtio_bus *bus)
{
    bus->s.config_generation++;
    if (bus->s.status & VIRTIO_DRIVER_OK) {
        bus->s.interrupt |= VIRTIO_INTERRUPT_CONFIG;
        bus->update_interrupt(bus->transport);
    }
}

/* ---- queues ---------------------------------------------------------------------------------------------- */

virtq *virtio_selected_queue(virtio_bus *bus)
{
    const virtio_device_iface *device = virtio_device(bus);
    uint32_t n = bus->s.queue_sel;

    return device && n < device->n_queues && n < VIRTIO_QUEUES ? &bus->s.queues[n] : NULL;
}

void virtio_set_queue_size(virtio_bus *bus, uint32_t size)
{
    virtq *q = virtio_selected_queue(bus);

    if (!q || q->ready)
        return;
    if (size == 0 || size > virtio_device(bus)->queue_size || (size & (size - 1)))
        pb_log_guest(bus->object, "queue %u: size %u is not a power of two up to %u",
                     bus->s.queue_sel, size, virtio_device(bus)->queue_size);
    else
        q->size = (uint16_t)size;
}

void virtio_set_queue_ready(virtio_bus *bus, bool ready)
{
    virtq *q = virtio_selected_queue(bus);

    if (!q)
        return;
    if (ready && !q->ready)
        q->last_avail = q->used = q->signalled = q->signalled_valid = 0;
    q->ready = ready;
}

void virtio_queue_notify(virtio_bus *bus, uint32_t queue)
{
    const virtio_device_iface *device = virtio_device(bus);

    if (!device || queue >= device->n_queues || queue >= VIRTIO_QUEUES) {
        pb_log_guest(bus->object, "notification of queue %u, which does not exist", queue);
        return;
    }
    if (!virtio_running(bus))
        return;
    if (bus->turn != VIRTIO_NO_LIMIT) { /* DMA of the device to its own register: the same turn */
        device->queue_notify(bus->device->self, queue);
        return;
    }
    bus->turn = VIRTIO_TURN;
    device->queue_notify(bus->device->self, queue);
    bus->turn = VIRTIO_NO_LIMIT;
}

void virtio_next_turn(virtio_bus *bus)
{
    uint64_t queues = bus->s.postponed;

    bus->s.postponed = 0;
    for (uint32_t i = 0; i < VIRTIO_QUEUES; i++)
        if (queues >> i & 1)
            virtio_queue_notify(bus, i);
}

/* ---- device configuration ----------------------------------------------------------------------------------- */

uint8_t virtio_config_read(virtio_bus *bus, uint32_t offset)
{
    const virtio_device_iface *device = virtio_device(bus);
    uint8_t config[256] = { 0 };

    if (!device || offset >= device->config_bytes || offset >= sizeof(config))
        return 0;
    device->config_read(bus->device->self, config);
    return config[offset];
}

void virtio_config_write(virtio_bus *bus, uint32_t offset, uint8_t value)
{
    const virtio_device_iface *device = virtio_device(bus);

    if (device && offset < device->config_bytes && device->config_write)
        device->config_write(bus->device->self, offset, value);
    else
        pb_log_guest(bus->object, "write to device configuration at %#x", offset);
}
