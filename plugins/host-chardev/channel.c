/*
 * A byte stream over host descriptors: see channel.h.
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define WRITE_MAX 4096 /* PIPE_BUF: a descriptor that polls writable takes it without blocking */
#define DRAIN_MS  1000

static const pb_stream_client_iface *client_iface(const pb_link *client)
{
    return client ? client->iface : NULL;
}

void channel_deliver(const pb_link *client, const uint8_t *bytes, uint32_t length)
{
    const pb_stream_client_iface *iface = client_iface(client);

    if (iface && length)
        iface->receive(client->self, client->index, bytes, length);
}

void channel_event(const pb_link *client, uint32_t event)
{
    const pb_stream_client_iface *iface = client_iface(client);

    if (iface && iface->event)
        iface->event(client->self, client->index, event);
}

bool channel_init(channel *c, pb_object *object, void *owner, pb_error *error)
{
    c->object = object;
    c->owner = owner;
    c->in = c->out = -1;
    c->loop = pb_extension(object, PB_EXTENSION_MAIN_LOOP);
    return c->loop || pb_fail(error, "the host offers no %s", PB_EXTENSION_MAIN_LOOP);
}

static uint32_t room(const channel *c)
{
    const pb_stream_client_iface *iface = client_iface(c->client);

    return iface ? iface->can_receive(c->client->self, c->client->index) : UINT32_MAX;
}

/* Give the client what it takes of the pending input. */
static void feed(channel *c)
{
    while (c->n_pending) {
        uint32_t n = room(c);

        n = n < c->n_pending ? n : c->n_pending;
        if (n == 0)
            break;
        channel_deliver(c->client, c->pending, n);
        c->n_pending -= n;
        memmove(c->pending, c->pending + n, c->n_pending);
    }
    if (c->watch_in)
        c->loop->watch_set(c->watch_in, c->greedy || c->n_pending < CHANNEL_PENDING ? PB_FD_IN : 0);
}

static void input_ready(void *opaque, uint32_t events)
{
    channel *c = opaque;
    uint8_t bytes[1024];
    uint32_t free_bytes = CHANNEL_PENDING - c->n_pending, kept;
    uint32_t wanted = c->greedy || free_bytes > sizeof(bytes) ? sizeof(bytes) : free_bytes;
    ssize_t n = read(c->in, bytes, wanted);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        c->loop->watch_free(c->watch_in);
        c->watch_in = NULL;
        c->in = -1;
        if (c->ended)
            c->ended(c->owner);
        return;
    }
    kept = c->filter ? c->filter(c->owner, bytes, (uint32_t)n) : (uint32_t)n;
    free_bytes = CHANNEL_PENDING - c->n_pending; /* the filter may have fed another client */
    kept = kept < free_bytes ? kept : free_bytes;
    memcpy(c->pending + c->n_pending, bytes, kept);
    c->n_pending += kept;
    feed(c);
}

/* Write from the buffer while the descriptor takes it, waiting up to `ms` for it. False if it broke. */
static bool drain(channel *c, int ms)
{
    while (c->used && c->out >= 0) {
        struct pollfd poll_out = { .fd = c->out, .events = POLLOUT };
        uint32_t piece = CHANNEL_BUFFER - c->first;
        ssize_t n;

        if (poll(&poll_out, 1, ms) <= 0)
            return true;
        piece = piece < c->used ? piece : c->used;
        n = write(c->out, c->buffer + c->first, piece < WRITE_MAX ? piece : WRITE_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0) {
            c->used = 0; /* nobody reads any more */
            return false;
        }
        c->first = (c->first + (uint32_t)n) % CHANNEL_BUFFER;
        c->used -= (uint32_t)n;
    }
    return true;
}

static void output_ready(void *opaque, uint32_t events)
{
    channel *c = opaque;

    drain(c, 0);
    if (!c->used)
        c->loop->watch_set(c->watch_out, 0);
}

void channel_open(channel *c, int in, int out)
{
    c->in = in;
    c->out = out;
    if (in >= 0)
        c->watch_in = c->loop->watch_new(c->object, in, PB_FD_IN, input_ready, c);
    if (out >= 0)
        c->watch_out = c->loop->watch_new(c->object, out, 0, output_ready, c);
}

void channel_stop(channel *c)
{
    if (!c->loop)
        return;
    drain(c, DRAIN_MS);
    if (c->watch_in)
        c->loop->watch_free(c->watch_in);
    if (c->watch_out)
        c->loop->watch_free(c->watch_out);
    c->watch_in = c->watch_out = NULL;
    c->in = c->out = -1;
    c->used = c->n_pending = 0;
}

void channel_write(channel *c, const uint8_t *bytes, uint32_t length)
{
    if (c->out < 0)
        return;
    for (uint32_t i = 0; i < length; i++) {
        while (c->used == CHANNEL_BUFFER)
            if (!drain(c, -1))
                return;
        c->buffer[(c->first + c->used++) % CHANNEL_BUFFER] = bytes[i];
    }
    drain(c, 0);
    if (c->used)
        c->loop->watch_set(c->watch_out, PB_FD_OUT);
}

void channel_resume(channel *c)
{
    feed(c);
}
