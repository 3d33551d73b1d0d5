/*
 * A pseudo-terminal: prints its name when the machine starts, for screen, minicom or test runners.
 *
 * We keep the slave side open ourselves: otherwise the master reads as ended whenever nobody has it open.
 */
#include "chardev.h"

#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

typedef struct pty_backend {
    pb_object *self;
    const char *link;
    channel channel;
    int master, slave;
} pty_backend;

static bool open_pair(pty_backend *s)
{
    struct termios raw;
    const char *name;

    s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->master < 0 || grantpt(s->master) < 0 || unlockpt(s->master) < 0)
        return false;
    name = ptsname(s->master);
    s->slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    if (s->slave < 0 || tcgetattr(s->slave, &raw) < 0)
        return false;
    cfmakeraw(&raw);
    return tcsetattr(s->slave, TCSANOW, &raw) == 0 && fcntl(s->master, F_SETFL, O_NONBLOCK) == 0;
}

static void close_pair(pty_backend *s)
{
    if (s->slave >= 0)
        close(s->slave);
    if (s->master >= 0)
        close(s->master);
}

static bool pty_init(void *self, pb_error *error)
{
    pty_backend *s = self;
    const char *name;

    s->master = s->slave = -1;
    if (!channel_init(&s->channel, s->self, s, error))
        return false;
    if (!open_pair(s)) {
        pb_fail(error, "cannot make a pseudo-terminal: %s", strerror(errno));
        close_pair(s);
        return false;
    }
    name = ptsname(s->master);
    if (s->link && symlink(name, s->link) < 0) {
        pb_fail(error, "cannot make the link %s: %s", s->link, strerror(errno));
        close_pair(s);
        return false;
    }
    pb_log(s->self, PB_LOG_WARNING, "char device redirected to %s", name);
    channel_open(&s->channel, s->master, s->master);
    return true;
}

static void pty_finish(void *self)
{
    pty_backend *s = self;

    channel_stop(&s->channel);
    if (s->link)
        unlink(s->link);
    close_pair(s);
}

static void pty_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((pty_backend *)self)->channel.client = peer;
}

static void pty_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((pty_backend *)self)->channel, bytes, length);
}

static void pty_resume(void *self, uint32_t index)
{
    channel_resume(&((pty_backend *)self)->channel);
}

static const pb_stream_iface pty_iface = { sizeof(pb_stream_iface), pty_write, pty_resume };

static const pb_prop pty_props[] = {
    { "link", PB_PROP_PATH, PB_MEMBER(pty_backend, link), "",
      .doc = "Symbolic link to make to the terminal" },
    { 0 },
};

static const pb_port pty_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &pty_iface, .connected = pty_connected,
      .doc = "The terminal" },
    { 0 },
};

static const pb_state pty_state[] = {
    PB_TRANSIENT(pty_backend, channel, "host stream"),
    PB_TRANSIENT(pty_backend, master, "host descriptor"),
    PB_TRANSIENT(pty_backend, slave, "host descriptor"),
    { 0 },
};

const pb_class pty_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "pty",
    .doc = "A new pseudo-terminal",
    .instance_size = sizeof(pty_backend),
    PB_SELF(pty_backend, self),
    .props = pty_props,
    .ports = pty_ports,
    .state = pty_state,
    .init = pty_init,
    .finish = pty_finish,
};
