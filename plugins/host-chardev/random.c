/*
 * Random bytes on demand: the kernel's, or a repeatable sequence when a seed is given.
 *
 * The sequence is xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled", 2016). It is for repeatable runs: its output is not secret.
 */
#include "chardev.h"

#include <errno.h>
#include <sys/random.h>

typedef struct random_backend {
    pb_object *self;
    uint64_t seed;
    const pb_link *client;
    uint64_t sequence; /* state of the repeatable generator */
    bool feeding;
} random_backend;

static uint8_t next_repeatable(random_backend *s)
{
    s->sequence ^= s->sequence >> 12;
    s->sequence ^= s->sequence << 25;
    s->sequence ^= s->sequence >> 27;
    return (uint8_t)((s->sequence * UINT64_C(0x2545f4914f6cdd1d)) >> 56);
}

/* Fill, and give the number of bytes there are. */
static uint32_t generate(random_backend *s, uint8_t *bytes, uint32_t length)
{
    ssize_t n;

    if (s->seed) {
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = next_repeatable(s);
        return length;
    }
    do
        n = getrandom(bytes, length, 0);
    while (n < 0 && errno == EINTR);
    return n > 0 ? (uint32_t)n : 0;
}

/* Some bytes for the client; false: it wants none now, or there are none. */
static bool feed(random_backend *s)
{
    const pb_link *client = s->client;
    const pb_stream_client_iface *iface = client->iface;
    uint32_t n = iface->can_receive(client->self, client->index);
    uint8_t bytes[256];

    n = generate(s, bytes, n < sizeof(bytes) ? n : sizeof(bytes));
    if (n)
        iface->receive(client->self, client->index, bytes, n);
    return n > 0;
}

/* The client may ask for more while it receives: the outermost call goes on. */
static void random_resume(void *self, uint32_t index)
{
    random_backend *s = self;

    if (s->feeding || !s->client)
        return;
    s->feeding = true;
    while (feed(s))
        ;
    s->feeding = false;
}

static void random_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length) {}

static void random_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((random_backend *)self)->client = peer;
}

static void random_reset(void *self)
{
    ((random_backend *)self)->sequence = ((random_backend *)self)->seed;
}

static const pb_stream_iface random_iface = {
    .size = sizeof(random_iface),
    .write = random_write,
    .resume = random_resume,
};

static const pb_prop random_props[] = {
    { "seed", PB_PROP_UINT, PB_MEMBER(random_backend, seed), "0",
      .doc = "Start of a repeatable sequence; 0: the kernel's random numbers" },
    { 0 },
};

static const pb_port random_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &random_iface, .connected = random_connected,
      .doc = "The bytes" },
    { 0 },
};

static const pb_state random_state[] = {
    PB_STATE(random_backend, sequence),
    PB_TRANSIENT(random_backend, client, "wiring"),
    PB_TRANSIENT(random_backend, feeding, "false between calls"),
    { 0 },
};

const pb_class random_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "random",
    .doc = "Random bytes, or a repeatable sequence",
    .instance_size = sizeof(random_backend),
    PB_SELF(random_backend, self),
    .props = random_props,
    .ports = random_ports,
    .state = random_state,
    .reset = random_reset,
};
