/*
 * TCP and unix sockets: listening for one peer at a time, or connected to one.
 *
 * A peer that sends no more may still read: its connection is kept until it breaks, or until the
 * next peer comes. What it sent stays for the guest in any case.
 */
#include "chardev.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_MS 10000

typedef struct socket_backend {
    pb_object *self;
    const char *host; /* tcp */
    uint16_t port;    /* tcp */
    const char *path; /* unix */
    bool server;
    uint32_t patience;
    channel channel;
    inbox inbox;
    int listener, peer; /* -1: none */
    pb_watch *listen_watch;
    bool opened;      /* the client was told of the peer */
    uint64_t opening; /* the call that will; 0: none */
    uint64_t file[2]; /* unix: device and inode of the listener's name */
} socket_backend;

/* ---- peers ----------------------------------------------------------------------------------- */

static void tell_closed(socket_backend *s)
{
    if (s->opened)
        client_event(s->inbox.client, PB_STREAM_CLOSED);
    s->opened = false;
}

static void listen_again(socket_backend *s)
{
    if (s->listen_watch)
        s->channel.loop->watch_set(s->listen_watch, PB_FD_IN);
}

/* What was read stays in the inbox. What arrived and was not read is taken, so that closing does
 * not make the peer lose what we sent: a socket with unread data is closed by a reset. */
static void drop_peer(socket_backend *s)
{
    uint8_t bytes[1024];

    if (s->peer < 0)
        return;
    channel_drop(&s->channel);
    shutdown(s->peer, SHUT_WR);
    for (int i = 0; i < 64 && recv(s->peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
        ;
    close(s->peer);
    s->peer = -1;
    tell_closed(s);
}

static bool hung_up(int fd)
{
    struct pollfd look = { .fd = fd };

    return poll(&look, 1, 0) > 0 && look.revents & (POLLHUP | POLLERR);
}

static void peer_left(socket_backend *s)
{
    drop_peer(s);
    if (!s->server)
        pb_log(s->self, PB_LOG_WARNING, "the peer left: output is lost from here on");
}

/* The peer sends no more. */
static void input_ended(void *owner)
{
    socket_backend *s = owner;

    tell_closed(s);
    if (s->channel.out < 0 || hung_up(s->peer))
        peer_left(s);
    listen_again(s);
}

/* The peer reads no more; it may have sent something before it left. */
static void output_failed(void *owner)
{
    socket_backend *s = owner;

    if (s->channel.in < 0 && !s->opening)
        peer_left(s);
    listen_again(s);
}

static void use_peer(socket_backend *s, int fd)
{
    const int on = 1;

    s->peer = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* has no meaning for unix sockets */
    channel_write_to(&s->channel, fd);
}

static void start_peer(void *opaque)
{
    socket_backend *s = opaque;

    s->opening = 0;
    s->opened = true;
    client_event(s->inbox.client, PB_STREAM_OPENED);
    channel_read_from(&s->channel, s->peer);
}

static void peer_waits(void *opaque, uint32_t events)
{
    socket_backend *s = opaque;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;                                     /* it went away again */
    s->channel.loop->watch_set(s->listen_watch, 0); /* others wait until this one leaves */
    drop_peer(s);
    use_peer(s, fd);
    start_peer(s);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* As connect(), for a time that a user will wait for. */
static int connect_to(int fd, const struct sockaddr *address, socklen_t length)
{
    struct pollfd done = { .fd = fd, .events = POLLOUT };
    int why = 0;
    socklen_t size = sizeof(why);
    int n;

    if (connect(fd, address, length) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return -1;
    do
        n = poll(&done, 1, CONNECT_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        why = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) < 0)
        why = errno;
    errno = why;
    return why ? -1 : 0;
}

/* Bind and listen, or connect. The descriptor, or -1 with errno set. */
static int open_address(const socket_backend *s, const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why;
    const int on = 1;
    bool done;

    if (fd < 0)
        return -1;
    if (s->server) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        done = bind(fd, address, length) == 0 && listen(fd, 1) == 0;
    } else {
        done = connect_to(fd, address, length) == 0;
    }
    if (done)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The name of a socket at which nobody listens is what a machine left that was killed. */
static bool is_left_over(const struct sockaddr_un *address)
{
    struct stat about;
    int fd;
    bool refused;

    if (lstat(address->sun_path, &about) < 0 || !S_ISSOCK(about.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
              errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

static bool is_own_file(const socket_backend *s)
{
    struct stat about;

    return lstat(s->path, &about) == 0 && about.st_dev == s->file[0] && about.st_ino == s->file[1];
}

static void remember_file(socket_backend *s)
{
    struct stat about;

    if (lstat(s->path, &about) < 0)
        return;
    s->file[0] = about.st_dev;
    s->file[1] = about.st_ino;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool prepare(socket_backend *s, pb_error *error)
{
    s->listener = s->peer = -1;
    s->channel.input_ended = input_ended;
    s->channel.output_failed = output_failed;
    s->channel.name = "the peer";
    s->channel.peers_leave = true;
    s->channel.patience_ms = s->patience;
    return channel_init(&s->channel, s->self, s, &s->inbox, error);
}

/* The peer that we connected to is told to the guest when all parts are there; what the guest sends
 * goes to it from the beginning. */
static void start(socket_backend *s, int fd)
{
    if (s->server) {
        s->listener = fd;
        s->listen_watch = s->channel.loop->watch_new(s->self, fd, PB_FD_IN, peer_waits, s);
        return;
    }
    use_peer(s, fd);
    s->opening = s->channel.loop->call_after(s->self, 0, start_peer, s);
}

static const char *verb(const socket_backend *s)
{
    return s->server ? "listen at" : "connect to";
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
        fd = open_address(s, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    if (fd < 0)
        return pb_fail(error, "cannot %s %s port %u: %s", verb(s), s->host, s->port,
                       strerror(errno));
    start(s, fd);
    return true;
}

static bool unix_init(void *self, pb_error *error)
{
    socket_backend *s = self;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (!prepare(s, error))
        return false;
    if (!s->path || strlen(s->path) >= sizeof(address.sun_path))
        return pb_fail(error, "the path of a unix socket must have 1 to %zu bytes, not %zu",
                       sizeof(address.sun_path) - 1, s->path ? strlen(s->path) : 0);
    strcpy(address.sun_path, s->path);
    if (s->server && is_left_over(&address))
        unlink(s->path);
    fd = open_address(s, (struct sockaddr *)&address, sizeof(address));
    if (fd < 0)
        return pb_fail(error, "cannot %s %s: %s", verb(s), s->path, strerror(errno));
    if (s->server)
        remember_file(s);
    start(s, fd);
    return true;
}

static void socket_finish(void *self)
{
    socket_backend *s = self;

    if (s->opening)
        s->channel.loop->cancel(s->self, s->opening);
    s->opened = false; /* nobody is called any more */
    channel_finish(&s->channel, false);
    drop_peer(s);
    if (s->listen_watch)
        s->channel.loop->watch_free(s->listen_watch);
    if (s->listener < 0)
        return;
    close(s->listener);
    if (s->path && is_own_file(s))
        unlink(s->path);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void socket_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((socket_backend *)self)->inbox.client = peer;
}

static void socket_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((socket_backend *)self)->channel, bytes, length);
}

static void socket_resume(void *self, uint32_t index)
{
    channel_resume(&((socket_backend *)self)->channel);
}

static bool socket_busy(void *self, uint32_t index)
{
    return channel_busy(&((socket_backend *)self)->channel);
}

static const pb_stream_iface socket_iface = {
    .size = sizeof(socket_iface),
    .write = socket_write,
    .resume = socket_resume,
    .busy = socket_busy,
};

#define SERVER_ROW                                                         \
    {                                                                      \
        "server", PB_PROP_BOOL, PB_MEMBER(socket_backend, server), "true", \
            .doc = "Listen for a peer instead of connecting to one"        \
    }
#define PATIENCE_ROW                                                                            \
    {                                                                                           \
        "patience", PB_PROP_UINT, PB_MEMBER(socket_backend, patience), "1000", CHANNEL_PATIENCE \
    }

static const pb_prop tcp_props[] = {
    { "host", PB_PROP_STRING, PB_MEMBER(socket_backend, host), "127.0.0.1",
      .doc = "Name or address" },
    { "port", PB_PROP_UINT, PB_MEMBER(socket_backend, port), .min = 1, .max = 65535,
      .doc = "TCP port" },
    SERVER_ROW,
    PATIENCE_ROW,
    { 0 },
};

static const pb_prop unix_props[] = {
    { "path", PB_PROP_PATH, PB_MEMBER(socket_backend, path), .doc = "The socket's name" },
    SERVER_ROW,
    PATIENCE_ROW,
    { 0 },
};

static const pb_port socket_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &socket_iface, .connected = socket_connected,
      .doc = "The stream" },
    { 0 },
};

#define SOCKET_STATE                                                   \
    PB_TRANSIENT(socket_backend, channel, "host stream"),              \
        PB_TRANSIENT(socket_backend, inbox, "host stream"),            \
        PB_TRANSIENT(socket_backend, listener, "host descriptor"),     \
        PB_TRANSIENT(socket_backend, peer, "host descriptor"),         \
        PB_TRANSIENT(socket_backend, listen_watch, "host descriptor"), \
        PB_TRANSIENT(socket_backend, opened, "of the host's peer"),    \
        PB_TRANSIENT(socket_backend, opening, "of the host's peer"),   \
        PB_TRANSIENT(socket_backend, file, "host file")

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
