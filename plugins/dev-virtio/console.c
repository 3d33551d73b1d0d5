/*
 * Virtio console device (5.3): one port, no control queues.
 */
#include "virtio.h"

enum { QUEUE_RX = 0, QUEUE_TX = 1 };

#define QUEUE_SIZE 128u
#define PIECE      1024u
#define OUTPUT_MAX \
    (1u << 20) /* bytes of one request: what is longer would keep everybody waiting */

typedef struct virtio_console {
    pb_object *self;
    const pb_link *bus, *stream;
    uint32_t sent;     /* bytes of the oldest request to write, while the stream is busy */
    virtq_chain chain; /* scratch */
} virtio_console;

static virtio_bus *bus_of(const virtio_console *s)
{
    return virtio_bus_of(s->bus);
}

/* Write what is left of the popped request. False: the stream is busy, and the rest waits. */
static bool write_request(virtio_console *s)
{
    uint8_t bytes[PIECE];
    uint64_t n;

    while ((n = virtq_read(bus_of(s), &s->chain, s->sent, bytes, sizeof(bytes))) > 0) {
        if (pb_stream_busy(s->stream))
            return false;
        pb_stream_write(s->stream, bytes, (uint32_t)n);
        s->sent += (uint32_t)n;
    }
    s->sent = 0;
    return true;
}

static void transmit(virtio_console *s)
{
    virtio_bus *bus = bus_of(s);
    bool any = false;

    while (virtq_pop(bus, QUEUE_TX, &s->chain)) {
        uint16_t head = s->chain.head;

        if (s->chain.out_bytes > OUTPUT_MAX) {
            virtq_break(bus, QUEUE_TX, "a request to write is too long");
            return;
        }
        if (!write_request(s)) {
            virtq_unpop(bus, QUEUE_TX);
            break;
        }
        virtq_push(bus, QUEUE_TX, head, 0);
        any = true;
    }
    if (any)
        virtq_notify_driver(bus, QUEUE_TX);
}

static void queue_notify(void *self, uint32_t queue)
{
    virtio_console *s = self;

    if (queue == QUEUE_TX)
        transmit(s);
    else
        pb_stream_resume(s->stream);
}

static uint32_t can_receive(void *self, uint32_t index)
{
    virtio_console *s = self;
    uint64_t room = virtq_room(bus_of(s), QUEUE_RX, &s->chain);

    return room < PIECE ? (uint32_t)room : PIECE;
}

static void receive(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    virtio_console *s = self;
    virtio_bus *bus = bus_of(s);
    uint16_t head;

    if (!virtq_pop(bus, QUEUE_RX, &s->chain))
        return;
    head = s->chain.head;
    virtq_push(bus, QUEUE_RX, head, (uint32_t)virtq_write(bus, &s->chain, 0, bytes, length));
    virtq_notify_driver(bus, QUEUE_RX);
}

/* The stream is not busy any more. */
static void ready(void *self, uint32_t index)
{
    virtio_queue_notify(bus_of(self), QUEUE_TX);
}

static uint64_t features(void *self)
{
    return 0;
}

static void reset(void *self)
{
    ((virtio_console *)self)->sent = 0;
}

static const virtio_device_iface console_iface = {
    .size = sizeof(virtio_device_iface),
    .id = VIRTIO_ID_CONSOLE,
    .class_code = 0x078000,
    .n_queues = 2,
    .queue_size = QUEUE_SIZE,
    .features = features,
    .queue_notify = queue_notify,
    .reset = reset,
};

static const pb_stream_client_iface client_iface = {
    .size = sizeof(pb_stream_client_iface),
    .can_receive = can_receive,
    .receive = receive,
    .ready = ready,
};

static const pb_port console_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_REQUIRES, PB_HANDLE(virtio_console, bus), .iface = &console_iface,
      .doc = "Transport" },
    { "stream", PB_PROTOCOL_CHAR, PB_REQUIRES, PB_HANDLE(virtio_console, stream),
      .iface = &client_iface, .optional = true, .doc = "The console" },
    { 0 },
};

static const pb_state console_state[] = {
    PB_STATE(virtio_console, sent),
    PB_TRANSIENT(virtio_console, chain, "scratch"),
    { 0 },
};

static const pb_gap gaps[] = {
    { "more than one port", "feature", "VIRTIO_CONSOLE_F_MULTIPORT" },
    { "size", "feature", "VIRTIO_CONSOLE_F_SIZE" },
    { "emergency write", "feature", "VIRTIO_CONSOLE_F_EMERG_WRITE" },
    { 0 },
};

const pb_device_type virtio_console_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "console",
              .doc = "Virtio console",
              .instance_size = sizeof(virtio_console),
              PB_SELF(virtio_console, self),
              .ports = console_ports,
              .state = console_state },
    .manual = "VIRTIO 1.2, 5.3",
    .gaps = gaps,
};
