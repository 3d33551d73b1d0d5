/*
 * Virtio entropy device (5.4). The bytes come from a port, so a deterministic machine plugs in a
 * deterministic source.
 */
#include "virtio.h"

#define QUEUE_SIZE 64u
#define PIECE      256u /* bytes taken from the source at a time */

typedef struct virtio_rng {
    pb_object *self;
    const pb_link *bus, *source;
    virtq_chain chain; /* scratch */
} virtio_rng;

static virtio_bus *bus_of(const virtio_rng *s)
{
    return virtio_bus_of(s->bus);
}

static void queue_notify(void *self, uint32_t queue)
{
    pb_stream_resume(((virtio_rng *)self)->source);
}

static uint32_t can_receive(void *self, uint32_t index)
{
    virtio_rng *s = self;
    uint64_t room = virtq_room(bus_of(s), 0, &s->chain);

    return room < PIECE ? (uint32_t)room : PIECE;
}

/* Fill a request with what came; a short answer is allowed (5.4.6.1). */
static void receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    virtio_rng *s = self;
    virtio_bus *bus = bus_of(s);
    uint16_t head;

    if (!virtq_pop(bus, 0, &s->chain))
        return;
    head = s->chain.head;
    virtq_push(bus, 0, head, (uint32_t)virtq_write(bus, &s->chain, 0, bytes, length));
    virtq_notify_driver(bus, 0);
}

static uint64_t features(void *self)
{
    return 0;
}

static const virtio_device_iface rng_iface = {
    .size = sizeof(virtio_device_iface),
    .id = VIRTIO_ID_ENTROPY,
    .class_code = 0x100000,
    .n_queues = 1,
    .queue_size = QUEUE_SIZE,
    .features = features,
    .queue_notify = queue_notify,
};

static const pb_stream_client_iface client_iface = {
    sizeof(pb_stream_client_iface),
    can_receive,
    receive,
    NULL,
};

static const pb_port rng_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_REQUIRES, PB_HANDLE(virtio_rng, bus), .iface = &rng_iface,
      .doc = "Transport" },
    { "source", PB_PROTOCOL_CHAR, PB_REQUIRES, PB_HANDLE(virtio_rng, source),
      .iface = &client_iface, .doc = "Where entropy comes from" },
    { 0 },
};

static const pb_state rng_state[] = {
    PB_TRANSIENT(virtio_rng, chain, "scratch"),
    { 0 },
};

const pb_device_type virtio_rng_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "rng",
              .doc = "Virtio entropy device",
              .instance_size = sizeof(virtio_rng),
              PB_SELF(virtio_rng, self),
              .ports = rng_ports,
              .state = rng_state },
    .manual = "VIRTIO 1.2, 5.4",
};
