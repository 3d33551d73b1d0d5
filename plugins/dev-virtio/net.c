/*
 * Virtio network device (5.1): one pair of queues, no offloads.
 */
#include "virtio.h"

#define FEATURE_MAC       (UINT64_C(1) << 5)
#define FEATURE_MRG_RXBUF (UINT64_C(1) << 15)
#define FEATURE_STATUS    (UINT64_C(1) << 16)

enum { QUEUE_RX = 0, QUEUE_TX = 1 };
enum { LINK_UP = 1 };

#define QUEUE_SIZE   256u
#define HEADER_BYTES 12u /* 5.1.6; num_buffers at 10 */
#define NUM_BUFFERS  10u
#define FRAME_MIN    14u /* an Ethernet header */

typedef struct virtio_net {
    pb_object *self;
    const pb_link *bus, *net;
    const char *mac_text;
    uint8_t mac[6];
    virtq_chain first, chain; /* scratch: too large for the stack */
    uint8_t frame[HEADER_BYTES + PB_NET_FRAME_MAX];
    bool rx_waits; /* the backend holds frames until the driver adds buffers */
} virtio_net;

static virtio_bus *bus_of(const virtio_net *s)
{
    return virtio_bus_of(s->bus);
}

static const pb_net_iface *backend(const virtio_net *s)
{
    return s->net ? s->net->iface : NULL;
}

/* ---- to the guest ----------------------------------------------------------------------------------------- */

/* Write bytes `from` to `from + length` of the header, all zeros, and the frame behind it. The header does not
 * cross a buffer. */
static void write_part(virtio_bus *bus, const virtq_chain *chain, const uint8_t *frame,
                       uint32_t from, uint32_t length)
{
    static const uint8_t header[HEADER_BYTES];
    uint32_t n = from == 0 ? HEADER_BYTES : 0;

    virtq_write(bus, chain, 0, header, n);
    virtq_write(bus, chain, n, frame + from + n - HEADER_BYTES, length - n);
}

/* Spread header and frame over as many buffers as it takes (5.1.6.3.1): the number of buffers, 0 if they
 * do not suffice now, in which case all are given back. */
static uint32_t fill_buffers(virtio_net *s, const uint8_t *frame, uint32_t total)
{
    virtio_bus *bus = bus_of(s);
    bool mergeable = virtio_has(bus, FEATURE_MRG_RXBUF);
    uint32_t done = 0, n = 0;

    while (done < total) {
        virtq_chain *chain = n ? &s->chain : &s->first;
        uint32_t piece = total - done;
        uint16_t head;

        if (!virtq_pop(bus, QUEUE_RX, chain)) {
            while (n--)
                virtq_unpop(bus, QUEUE_RX);
            return 0;
        }
        head = chain->head;
        piece = piece < chain->in_bytes ? piece : (uint32_t)chain->in_bytes;
        if ((!mergeable && piece < total) || (n == 0 && piece < HEADER_BYTES) || piece == 0) {
            virtq_break(bus, QUEUE_RX, "a receive buffer is too small");
            return 0;
        }
        write_part(bus, chain, frame, done, piece);
        virtq_fill(bus, QUEUE_RX, head, piece, n);
        done += piece;
        n++;
    }
    virtq_write(bus, &s->first, NUM_BUFFERS, &(uint16_t){ (uint16_t)n }, 2);
    return n;
}

/* May come from inside transmit, with the frame that is being sent: neither is touched. */
static bool receive(void *self, uint32_t index, const uint8_t *frame, uint32_t length)
{
    virtio_net *s = self;
    virtio_bus *bus = bus_of(s);
    uint32_t n;

    if (length > PB_NET_FRAME_MAX || !virtio_running(bus))
        return true; /* dropped: nobody listens */
    n = fill_buffers(s, frame, HEADER_BYTES + length);
    if (n == 0) {
        s->rx_waits = virtio_running(bus);
        return !s->rx_waits;
    }
    virtq_publish(bus, QUEUE_RX, n);
    virtq_notify_driver(bus, QUEUE_RX);
    return true;
}

/* ---- from the guest ----------------------------------------------------------------------------------------- */

static void transmit(virtio_net *s)
{
    virtio_bus *bus = bus_of(s);
    const pb_net_iface *to = backend(s);
    bool any = false;

    while (virtq_pop(bus, QUEUE_TX, &s->chain)) {
        uint16_t head = s->chain.head;
        uint64_t length = s->chain.out_bytes;

        if (length < HEADER_BYTES || length > sizeof(s->frame)) {
            virtq_break(bus, QUEUE_TX, "a frame to send has a wrong length");
            return;
        }
        /* What is not in memory, or has no header, is not sent. A backend that is busy drops the frame, as a
         * network does. */
        if (virtq_read(bus, &s->chain, 0, s->frame, length) == length && to &&
            length >= HEADER_BYTES + FRAME_MIN)
            to->send(s->net->self, s->net->index, s->frame + HEADER_BYTES,
                     (uint32_t)length - HEADER_BYTES);
        virtq_push(bus, QUEUE_TX, head, 0);
        any = true;
    }
    if (any)
        virtq_notify_driver(bus, QUEUE_TX);
}

/* There is room again, or nobody listens any more: the backend need not keep its frames. */
static void stop_waiting(virtio_net *s)
{
    bool waited = s->rx_waits;

    s->rx_waits = false;
    if (waited && backend(s) && backend(s)->ready)
        backend(s)->ready(s->net->self, s->net->index);
}

static void queue_notify(void *self, uint32_t queue)
{
    if (queue == QUEUE_TX)
        transmit(self);
    else
        stop_waiting(self);
}

/* ---- configuration ---------------------------------------------------------------------------------------------- */

/* 5.1.4; the first fields. */
typedef struct net_config {
    uint8_t mac[6];
    uint16_t status;
} net_config;

static uint64_t features(void *self)
{
    return FEATURE_MAC | FEATURE_MRG_RXBUF | FEATURE_STATUS;
}

static void config_read(void *self, uint8_t *config)
{
    virtio_net *s = self;
    net_config c = { .status = s->net ? LINK_UP : 0 };

    memcpy(c.mac, s->mac, sizeof(c.mac));
    memcpy(config, &c, sizeof(c));
}

static void net_reset(void *self)
{
    stop_waiting(self);
}

static bool net_init(void *self, pb_error *error)
{
    virtio_net *s = self;
    unsigned m[6];
    char rest;

    if (sscanf(s->mac_text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
               &rest) != 6 ||
        (m[0] & 1))
        return pb_fail(error, "mac '%s' is not a unicast address such as 52:54:00:12:34:56",
                       s->mac_text);
    for (int i = 0; i < 6; i++)
        s->mac[i] = (uint8_t)m[i];
    return true;
}

static const virtio_device_iface net_iface = {
    .size = sizeof(virtio_device_iface),
    .id = VIRTIO_ID_NET,
    .class_code = 0x020000,
    .n_queues = 2,
    .queue_size = QUEUE_SIZE,
    .features = features,
    .config_bytes = sizeof(net_config),
    .config_read = config_read,
    .queue_notify = queue_notify,
    .reset = net_reset,
};

static const pb_net_iface client_iface = { sizeof(pb_net_iface), receive, NULL };

static const pb_prop net_props[] = {
    { "mac", PB_PROP_STRING, PB_MEMBER(virtio_net, mac_text), "52:54:00:12:34:56",
      .doc = "Address of the card" },
    { 0 },
};

static const pb_port net_ports[] = {
    { "bus", VIRTIO_PROTOCOL, PB_REQUIRES, PB_HANDLE(virtio_net, bus), .iface = &net_iface,
      .doc = "Transport" },
    { "net", PB_PROTOCOL_NET, PB_REQUIRES, PB_HANDLE(virtio_net, net), .iface = &client_iface,
      .optional = true, .doc = "Network; the link is down without one" },
    { 0 },
};

static const pb_state net_state[] = {
    PB_STATE(virtio_net, rx_waits),
    PB_TRANSIENT(virtio_net, mac, "made from a property"),
    PB_TRANSIENT(virtio_net, first, "scratch"),
    PB_TRANSIENT(virtio_net, chain, "scratch"),
    PB_TRANSIENT(virtio_net, frame, "scratch"),
    { 0 },
};

static const pb_gap gaps[] = {
    { "checksum and segmentation offloads", "feature",
      "5.1.6: VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM and those that need them" },
    { "control queue", "feature", "5.1.6.5: VIRTIO_NET_F_CTRL_VQ" },
    { "more than one pair of queues", "feature", "VIRTIO_NET_F_MQ, VIRTIO_NET_F_RSS" },
    { "MTU", "feature", "VIRTIO_NET_F_MTU" },
    { 0 },
};

const pb_device_type virtio_net_type = {
    .head = { .size = sizeof(pb_device_type),
              .kind = PB_KIND_DEVICE,
              .name = "net",
              .doc = "Virtio network device",
              .instance_size = sizeof(virtio_net),
              PB_SELF(virtio_net, self),
              .props = net_props,
              .ports = net_ports,
              .state = net_state,
              .init = net_init },
    .manual = "VIRTIO 1.2, 5.1",
    .gaps = gaps,
};
