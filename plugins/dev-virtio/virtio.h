/*
 * What the devices and transports of this plugin share: the "virtio" protocol between them, and virtqueues.
 * Virtual I/O Device (VIRTIO) Version 1.2, OASIS; section numbers below are of that document.
 *
 * A transport (mmio.c, pci.c) owns a virtio_bus: negotiation, queues, interrupts. A device sits on the bus through a port
 * and takes requests from the queues. Modern (version 1) devices only; split virtqueues only.
 *
 * Everything in guest memory is the guest's, and may change while we look: each field is read once,
 * checked, and used from the copy. A queue that breaks the rules is refused until the device is
 * reset (DEVICE_NEEDS_RESET, 2.1.2); chains are bounded by VIRTQ_SEGMENTS.
 */
#ifndef DEV_VIRTIO_H
#define DEV_VIRTIO_H

#include <patchbay/device.h>

#define VIRTIO_PROTOCOL "virtio"

#define VIRTIO_QUEUES  8
#define VIRTQ_SIZE_MAX 1024u
#define VIRTQ_SEGMENTS 1026u /* of one chain: a full queue's worth, header and status */
#define VIRTIO_TURN \
    1024u /* requests that one notification may serve before others have their turn */

/* Device types (5). */
enum { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_ENTROPY = 4 };

/* Status bits (2.1). */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128
};

/* Features of every device (6). */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)

/* Interrupt causes (4.1.4.5, 4.2.2). */
enum { VIRTIO_INTERRUPT_QUEUE = 1, VIRTIO_INTERRUPT_CONFIG = 2 };

/* One virtqueue: plain state, saved with the transport. */
typedef struct virtq {
    uint64_t desc, driver, device; /* guest addresses of the three areas */
    uint16_t size, ready;
    uint16_t last_avail; /* next entry of the driver area to take */
    uint16_t used;       /* next entry of the device area to fill */
    uint16_t signalled;  /* value of used when the driver was last notified */
    uint16_t signalled_valid;
    uint32_t broken;
} virtq;

/* The part of a bus that is state. */
typedef struct virtio_bus_state {
    uint64_t driver_features;
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    uint32_t status, interrupt, config_generation;
    uint64_t postponed; /* a bit for each queue that goes on in the next turn */
    virtq queues[VIRTIO_QUEUES];
} virtio_bus_state;

typedef struct virtio_bus virtio_bus;

struct virtio_bus {
    pb_object *object;
    pb_dma *dma;
    const pb_link *device; /* null: nothing is plugged in */
    virtio_bus_state s;
    /* Requests that may still be taken in this turn, VIRTIO_NO_LIMIT outside of notifications. A guest that adds
     * requests as fast as we take them must not keep us, and with us the device lock, for ever. */
    uint32_t turn;
    pb_timer *next_turn;
    /* The interrupt state changed: the transport drives its line. */
    void (*update_interrupt)(void *transport);
    /* Whether the device may access memory now; null: always. */
    bool (*may_dma)(void *transport);
    void *transport;
};

#define VIRTIO_NO_LIMIT UINT32_MAX

/* What a transport says to its device; the port's provided table. */
typedef struct virtio_transport_iface {
    uint32_t size;
    virtio_bus *(*bus)(void *self);
} virtio_transport_iface;

/* A device's table. All [device]. */
typedef struct virtio_device_iface {
    uint32_t size;
    uint32_t id, class_code; /* of this header; PCI class */
    uint32_t n_queues;
    uint16_t queue_size;              /* of every queue, a power of two */
    uint64_t (*features)(void *self); /* device-specific bits */
    /* Bytes of the device configuration; reads past the end give zero. */
    uint32_t config_bytes;
    void (*config_read)(void *self, uint8_t *config);
    void (*config_write)(void *self, uint32_t offset, uint8_t value); /* may be null */
    void (*queue_notify)(void *self, uint32_t queue);
    void (*driver_ok)(void *self); /* the driver is ready; may be null */
    void (*reset)(void *self);     /* forget requests under way; may be null */
    /* Whether requests from before a reset still use the guest's memory: the reset is not complete. May be
     * null. */
    bool (*busy)(void *self);
} virtio_device_iface;

/* ---- for transports (bus.c) ------------------------------------------------------------------------ */

const virtio_device_iface *virtio_device(const virtio_bus *bus);
/* Before anything else; the callbacks are set. */
void virtio_bus_init(virtio_bus *bus, pb_object *object, pb_dma *dma, void *transport);
void virtio_bus_reset(virtio_bus *bus);
uint64_t virtio_features(const virtio_bus *bus);
void virtio_set_driver_features(virtio_bus *bus, uint32_t word, uint32_t value);
uint32_t virtio_status(const virtio_bus *bus);
void virtio_set_status(virtio_bus *bus, uint32_t status);
virtq *virtio_selected_queue(virtio_bus *bus); /* null: it does not exist */
void virtio_set_queue_size(virtio_bus *bus, uint32_t size);
void virtio_set_queue_ready(virtio_bus *bus, bool ready);
void virtio_queue_notify(virtio_bus *bus, uint32_t queue);
void virtio_next_turn(virtio_bus *bus); /* bus->next_turn expired */
uint8_t virtio_config_read(virtio_bus *bus, uint32_t offset);
void virtio_config_write(virtio_bus *bus, uint32_t offset, uint8_t value);

/* ---- for devices ------------------------------------------------------------------------------------- */

/* The bus behind a device's port. */
static inline virtio_bus *virtio_bus_of(const pb_link *link)
{
    return ((const virtio_transport_iface *)link->iface)->bus(link->self);
}

bool virtio_has(const virtio_bus *bus, uint64_t feature); /* was negotiated */
bool virtio_running(const virtio_bus *bus); /* the driver is ready, nothing is broken */
void virtio_config_changed(virtio_bus *bus);

/* A piece of guest memory. */
typedef struct virtq_segment {
    uint64_t gpa;
    uint32_t length;
} virtq_segment;

/* A request: first what the device reads, then what it writes (2.7.4.2). */
typedef struct virtq_chain {
    uint16_t head;
    uint32_t n_out, n_in;
    uint64_t out_bytes, in_bytes;
    virtq_segment segments[VIRTQ_SEGMENTS];
} virtq_chain;

/* Take the next request; false: there is none, or the queue is broken, or it is others' turn. Whoever stops at a
 * false is notified of the next request. */
bool virtq_pop(virtio_bus *bus, uint32_t queue, virtq_chain *chain);
/* Give the last popped request back untaken. */
void virtq_unpop(virtio_bus *bus, uint32_t queue);
/* Bytes that the next request has room for, 0 if none waits, as for virtq_pop. One without room breaks the
 * queue. `scratch` is overwritten. */
uint64_t virtq_room(virtio_bus *bus, uint32_t queue, virtq_chain *scratch);
/* Return a request with the number of bytes written to it. `ahead` requests returned before it are not yet
 * published: publish with virtq_publish. */
void virtq_fill(virtio_bus *bus, uint32_t queue, uint16_t head, uint32_t written, uint32_t ahead);
void virtq_publish(virtio_bus *bus, uint32_t queue, uint32_t count);
/* Fill and publish one. */
void virtq_push(virtio_bus *bus, uint32_t queue, uint16_t head, uint32_t written);
/* Interrupt the driver if it wants to hear of what was published. */
void virtq_notify_driver(virtio_bus *bus, uint32_t queue);
/* The guest broke a rule: stop using the queue, ask for a reset. */
void virtq_break(virtio_bus *bus, uint32_t queue, const char *why);

/* Copy from the readable part, or into the writable part, at an offset. Bytes copied: less than asked at the
 * part's end or where memory does not answer. */
uint64_t virtq_read(virtio_bus *bus, const virtq_chain *chain, uint64_t offset, void *to,
                    uint64_t length);
uint64_t virtq_write(virtio_bus *bus, const virtq_chain *chain, uint64_t offset, const void *from,
                     uint64_t length);

extern const pb_device_type virtio_mmio_type, virtio_pci_type, virtio_blk_type, virtio_net_type,
    virtio_rng_type, virtio_console_type;

#endif
