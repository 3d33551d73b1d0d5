/*
 * The socket: one client at a time, bytes in and out. Nothing here waits but for the end of the run, whose announcement is
 * sent as far as the client takes it.
 */
#include <core/gdb/internal.h>

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What may wait to be sent: a client that does not read gets no more. */
#define MOST_OUT (4u << 20)
/* What may wait to be handled while the machine runs. */
#define MOST_IN (1u << 20)

static bool wrong(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool wrong(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "gdb: %s", text);
    return false;
}

static void remove_source(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(*source);
    *source = NULL;
}

static GSource *watch(pb_gdb *gdb, int fd, GIOCondition condition, GUnixFDSourceFunc fn)
{
    GSource *source = g_unix_fd_source_new(fd, condition);

    g_source_set_callback(source, (GSourceFunc)(void (*)(void))fn, gdb, NULL);
    g_source_attach(source, pb_sched_context(gdb->host.sched));
    return source;
}

/* ---- out ----------------------------------------------------------------------------------------------- */

static gboolean can_write(gint fd, GIOCondition condition, gpointer opaque);

static void flush(pb_gdb *gdb)
{
    while (gdb->client >= 0 && gdb->out->len > 0) {
        ssize_t n = send(gdb->client, gdb->out->str, gdb->out->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* what is wrong with the connection, reading will tell */
        g_string_erase(gdb->out, 0, n);
    }
    if (gdb->out->len > 0 && gdb->client >= 0 && !gdb->writing)
        gdb->writing = watch(gdb, gdb->client, G_IO_OUT, can_write);
    else if (gdb->out->len == 0)
        remove_source(&gdb->writing);
}

static gboolean can_write(gint fd, GIOCondition condition, gpointer opaque)
{
    flush(opaque);
    return G_SOURCE_CONTINUE;
}

static void put(pb_gdb *gdb, const char *bytes, gsize length)
{
    if (gdb->client < 0 || gdb->out->len + length > MOST_OUT)
        return;
    g_string_append_len(gdb->out, bytes, length);
    flush(gdb);
}

void gdb_send(pb_gdb *gdb, const char *data, gsize length)
{
    g_string_truncate(gdb->last, 0);
    gdb_frame(gdb->last, data, length);
    put(gdb, gdb->last->str, gdb->last->len);
}

void gdb_send_text(pb_gdb *gdb, const char *text)
{
    gdb_send(gdb, text, strlen(text));
}

/* ---- in ------------------------------------------------------------------------------------------------ */

static void handle_packet(pb_gdb *gdb)
{
    if (!gdb->no_ack)
        put(gdb, "+", 1);
    gdb_command(gdb, gdb->reader.packet->str, gdb->reader.packet->len);
}

/* While the machine runs only a request to stop is expected; a packet is one too, and is answered behind it. */
void gdb_handle_input(pb_gdb *gdb)
{
    gsize done = 0;

    if (gdb->handling) /* the one that calls goes on with it */
        return;
    gdb->handling = true;

    while (gdb->client >= 0 && done < gdb->in->len) {
        uint8_t byte = (uint8_t)gdb->in->str[done];

        if (!gdb->paused && gdb->reader.state == GDB_OUTSIDE && byte == '$')
            gdb_halt(gdb, GDB_SIGNAL_INT);
        done++;
        switch (gdb_read_byte(&gdb->reader, !gdb->no_ack, byte)) {
        case GDB_READ_PACKET:
            handle_packet(gdb);
            break;
        case GDB_READ_WRONG:
            if (!gdb->no_ack)
                put(gdb, "-", 1);
            break;
        case GDB_READ_NAK:
            if (!gdb->no_ack)
                put(gdb, gdb->last->str, gdb->last->len);
            break;
        case GDB_READ_INTERRUPT:
            gdb_halt(gdb, GDB_SIGNAL_INT);
            break;
        default:
            break;
        }
    }
    g_string_erase(gdb->in, 0, (gssize)MIN(done, gdb->in->len)); /* is empty if the client went */
    /* Who has let all go, and asks for something, has none that it would let go on. */
    if (gdb->let_go && gdb->paused && !gdb->killed && gdb->client >= 0 &&
        gdb->reader.state == GDB_OUTSIDE)
        gdb_release(gdb);
    gdb->handling = false;
}

static gboolean can_read(gint fd, GIOCondition condition, gpointer opaque)
{
    pb_gdb *gdb = opaque;
    char bytes[4096];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0 || gdb->in->len + (gsize)n > MOST_IN) {
        gdb_disconnect(gdb);
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(gdb->in, bytes, n);
    gdb_handle_input(gdb);
    return gdb->reading ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- clients ------------------------------------------------------------------------------------------- */

static void forget_settings(pb_gdb *gdb)
{
    g_string_truncate(gdb->in, 0);
    g_string_truncate(gdb->out, 0);
    g_string_truncate(gdb->last, 0);
    gdb->reader.state = GDB_OUTSIDE;
    gdb->no_ack = gdb->multiprocess = gdb->says_breaks = gdb->extended = false;
    gdb->says_executes = gdb->says_none_left = gdb->physical = gdb->interrupts = false;
    gdb_take_all_back(gdb);
    gdb->thread = gdb->threads->len > 0 ? gdb_thread_at(gdb, 0)->number : 1;
    gdb->step_thread = 0;
    gdb->running = false;
    g_array_set_size(gdb->points, 0);
    gdb_flash_forget(gdb);
    gdb_file_forget(gdb);
    gdb_program_forget(gdb);
}

void gdb_serve(pb_gdb *gdb, int client)
{
    remove_source(&gdb->listening); /* one at a time: the next one waits */
    gdb->client = client;
    gdb->reading = watch(gdb, client, G_IO_IN | G_IO_HUP | G_IO_ERR, can_read);
}

static gboolean can_accept(gint fd, GIOCondition condition, gpointer opaque)
{
    pb_gdb *gdb = opaque;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), on = 1;

    if (client >= 0 && gdb->host.program)
        client = gdb->host.program->own(gdb->host.opaque, client);
    if (client < 0)
        return G_SOURCE_CONTINUE;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not on Unix sockets */
    forget_settings(gdb);
    gdb_attach(gdb, true);
    gdb_serve(gdb, client);
    gdb_halt(gdb, GDB_SIGNAL_TRAP);
    return G_SOURCE_REMOVE;
}

void gdb_disconnect(pb_gdb *gdb)
{
    if (gdb->client < 0)
        return;
    remove_source(&gdb->reading);
    remove_source(&gdb->writing);
    close(gdb->client);
    gdb->client = -1;
    gdb_attach(gdb, false);
    forget_settings(gdb);
    gdb_release(gdb);
    if (gdb->listener >= 0)
        gdb->listening = watch(gdb, gdb->listener, G_IO_IN, can_accept);
}

/* ---- listening ----------------------------------------------------------------------------------------- */

static int listen_unix(const char *path, GError **error)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct stat there;
    int fd;

    if (strlen(path) >= sizeof(name.sun_path) || !*path) {
        wrong(error, "unix:%s: a path of 1 to %zu characters is expected", path,
              sizeof(name.sun_path) - 1);
        return -1;
    }
    strcpy(name.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* One that nobody listens at was left by somebody who is gone. */
    if (fd >= 0 && lstat(path, &there) == 0 && S_ISSOCK(there.st_mode) &&
        connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == ECONNREFUSED)
        unlink(path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 1) == 0)
        return fd;
    wrong(error, "unix:%s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int listen_at(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    int on = 1, why;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1) == 0)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The port that it listens at. */
static unsigned port_of(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);

    if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
        return 0;
    return ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                            : ((struct sockaddr_in *)&name)->sin_port);
}

/* "HOST:PORT", "[::1]:PORT", ":PORT": this host alone. */
static int listen_tcp(const char *text, char **address, GError **error)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE };
    const char *colon = strrchr(text, ':');
    g_autofree char *host = colon ? g_strndup(text, (gsize)(colon - text)) : NULL;
    struct addrinfo *found = NULL;
    gsize length = host ? strlen(host) : 0;
    int fd = -1, status;

    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        wrong(error, "tcp:%s: HOST:PORT is expected", text);
        return -1;
    }
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length - 2);
        host[length - 2] = 0;
    }
    status = getaddrinfo(*host ? host : "localhost", colon + 1, &hints, &found);
    if (status != 0) {
        wrong(error, "tcp:%s: %s", text, gai_strerror(status));
        return -1;
    }
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = listen_at(a);
    if (fd < 0)
        wrong(error, "tcp:%s: %s", text, g_strerror(errno));
    else
        *address = g_strdup_printf("tcp:%.*s:%u", (int)(colon - text), text, port_of(fd));
    freeaddrinfo(found);
    return fd;
}

void gdb_listen_on(pb_gdb *gdb, int listener, const char *address)
{
    gdb->listener = listener;
    gdb->address = g_strdup(address);
    if (g_str_has_prefix(address, "unix:"))
        gdb->path = g_strdup(address + strlen("unix:"));
    gdb->listening = watch(gdb, gdb->listener, G_IO_IN, can_accept);
}

bool gdb_listen(pb_gdb *gdb, const char *address, GError **error)
{
    if (gdb->host.program && g_str_has_prefix(address, "handed:"))
        return gdb_take_over(gdb, address + strlen("handed:"), error);
    if (g_str_has_prefix(address, "unix:")) {
        gdb->listener = listen_unix(address + strlen("unix:"), error);
        if (gdb->listener >= 0) {
            gdb->path = g_strdup(address + strlen("unix:"));
            gdb->address = g_strdup(address);
        }
    } else if (g_str_has_prefix(address, "tcp:")) {
        gdb->listener = listen_tcp(address + strlen("tcp:"), &gdb->address, error);
    } else {
        return wrong(error, "%s: tcp:HOST:PORT or unix:PATH is expected", address);
    }
    if (gdb->listener < 0)
        return false;
    gdb->listening = watch(gdb, gdb->listener, G_IO_IN, can_accept);
    return true;
}

void gdb_stop_listening(pb_gdb *gdb)
{
    remove_source(&gdb->listening);
    if (gdb->listener >= 0)
        close(gdb->listener);
    gdb->listener = -1;
    if (gdb->path)
        unlink(gdb->path);
    g_clear_pointer(&gdb->path, g_free);
}
