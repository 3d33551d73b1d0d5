/*
 * TCP and unix sockets: listening for one peer at a time, or connected to one.
 */
#include "chardev.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct socket_backend {
    pb_object *self;
    const char *host; /* tcp */
    uint16_t port;    /* tcp */
    const char *path; /* unix */
    bool server;
    channel channel;
    int listener, peer;
    pb_watch *listen_watch;
} socket_backend;

static void peer_gone(void *owner)
{
    socket_backend *s = owner;
    const pb_link *client = s->channel.client;

    channel_stop(&s->channel);
    close(s->peer);
    s->peer = -1;
    channel_event(client, PB_STREAM_CLOSED);
    if (s->listen_watch)
        s->channel.loop->watch_set(s->listen_watch, PB_FD_IN);
}

static void use_peer(socket_backend *s, int fd)
{
    const int on = 1;

    s->peer = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* has no meaning for unix sockets */
    channel_open(&s->channel, fd, fd);
    channel_event(s->channel.client, PB_STREAM_OPENED);
}

static void peer_waits(void *opaque, uint32_t events)
{
    socket_backend *s = opaque;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;                                     /* it went away again */
    s->channel.loop->watch_set(s->listen_watch, 0); /* others wait until this one leaves */
    use_peer(s, fd);
}

/* Bind and listen, or connect. The descriptor, or -1 with errno set. */
static int open_address(const socket_backend *s, const struct sockaddr *address, socklen_t length,
                        int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), why;
    const int on = 1;

    if (fd < 0)
        return -1;
    if (s->server) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, address, length) == 0 && listen(fd, 1) == 0)
            return fd;
    } else if (connect(fd, address, length) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        return fd;
    }
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

static bool start(socket_backend *s, int fd, pb_error *error)
{
    s->channel.ended = peer_gone;
    if (!s->server) {
        use_peer(s, fd);
        return true;
    }
    s->listener = fd;
    s->listen_watch = s->channel.loop->watch_new(s->self, fd, PB_FD_IN, peer_waits, s);
    return true;
}

static bool prepare(socket_backend *s, pb_error *error)
{
    s->listener = s->peer = -1;
    return channel_init(&s->channel, s->self, s, error);
}

static bool tcp_init(void *self, pb_error *error)
{
    socket_backend *s = self;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = s->server ? AI_PASSIVE : 0 };
    struct addrinfo *found, *a;
    char service[8];
    int fd = -1, failed;

    if (!prepare(s, error))
        return false;
    snprintf(service, sizeof(service), "%u", s->port);
    failed = getaddrinfo(s->host, service, &hints, &found);
    if (failed)
        return pb_fail(error, "cannot resolve %s: %s", s->host, gai_strerror(failed));
    for (a = found; a && fd < 0; a = a->ai_next)
        fd = open_address(s, a->ai_addr, a->ai_addrlen, a->ai_family);
    freeaddrinfo(found);
    if (fd < 0)
        return pb_fail(error, "cannot %s %s port %u: %s", s->server ? "listen at" : "connect to",
                       s->host, s->port, strerror(errno));
    return start(s, fd, error);
}

static bool unix_init(void *self, pb_error *error)
{
    socket_backend *s = self;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (!prepare(s, error))
        return false;
    if (!s->path || strlen(s->path) >= sizeof(address.sun_path))
        return pb_fail(error, "path of a unix socket must have 1 to %zu bytes",
                       sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, s->path);
    fd = open_address(s, (struct sockaddr *)&address, sizeof(address), AF_UNIX);
    if (fd < 0)
        return pb_fail(error, "cannot %s %s: %s", s->server ? "listen at" : "connect to", s->path,
                       strerror(errno));
    return start(s, fd, error);
}

static void socket_finish(void *self)
{
    socket_backend *s = self;

    channel_stop(&s->channel);
    if (s->listen_watch)
        s->channel.loop->watch_free(s->listen_watch);
    if (s->peer >= 0)
        close(s->peer);
    if (s->listener >= 0) {
        close(s->listener);
        if (s->path)
            unlink(s->path);
    }
}

static void socket_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((socket_backend *)self)->channel.client = peer;
}

static void socket_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((socket_backend *)self)->channel, bytes, length);
}

static void socket_resume(void *self, uint32_t index)
{
    channel_resume(&((socket_backend *)self)->channel);
}

static const pb_stream_iface socket_iface = { sizeof(pb_stream_iface), socket_write,
                                              socket_resume };

static const pb_prop tcp_props[] = {
    { "host", PB_PROP_STRING, PB_MEMBER(socket_backend, host), "127.0.0.1",
      .doc = "Name or address" },
    { "port", PB_PROP_UINT, PB_MEMBER(socket_backend, port), .min = 1, .max = 65535,
      .doc = "TCP port" },
    { "server", PB_PROP_BOOL, PB_MEMBER(socket_backend, server), "true",
      .doc = "Listen for a peer instead of connecting to one" },
    { 0 },
};

static const pb_prop unix_props[] = {
    { "path", PB_PROP_PATH, PB_MEMBER(socket_backend, path), .doc = "The socket's name" },
    { "server", PB_PROP_BOOL, PB_MEMBER(socket_backend, server), "true",
      .doc = "Listen for a peer instead of connecting to one" },
    { 0 },
};

static const pb_port socket_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &socket_iface, .connected = socket_connected,
      .doc = "The stream" },
    { 0 },
};

#define SOCKET_STATE                                               \
    PB_TRANSIENT(socket_backend, channel, "host stream"),          \
        PB_TRANSIENT(socket_backend, listener, "host descriptor"), \
        PB_TRANSIENT(socket_backend, peer, "host descriptor"),     \
        PB_TRANSIENT(socket_backend, listen_watch, "host descriptor")

static const pb_state tcp_state[] = {
    SOCKET_STATE,
    PB_TRANSIENT(socket_backend, path, "of the unix type"),
    { 0 },
};

static const pb_state unix_state[] = {
    SOCKET_STATE,
    PB_TRANSIENT(socket_backend, host, "of the tcp type"),
    PB_TRANSIENT(socket_backend, port, "of the tcp type"),
    { 0 },
};

const pb_class tcp_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "tcp",
    .doc = "A TCP connection",
    .instance_size = sizeof(socket_backend),
    PB_SELF(socket_backend, self),
    .props = tcp_props,
    .ports = socket_ports,
    .state = tcp_state,
    .init = tcp_init,
    .finish = socket_finish,
};

const pb_class unix_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "unix",
    .doc = "A unix socket connection",
    .instance_size = sizeof(socket_backend),
    PB_SELF(socket_backend, self),
    .props = unix_props,
    .ports = socket_ports,
    .state = unix_state,
    .init = unix_init,
    .finish = socket_finish,
};
