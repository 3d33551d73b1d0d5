/*
 * A pseudo-terminal: tells its name when the machine starts, for screen, minicom or test runners.
 *
 * We keep the slave side open ourselves: otherwise its settings were lost, and the master read as
 * ended, whenever nobody has it open.
 */
#include "chardev.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_MS  5   /* between looks at what a reader has not read */
#define STILL_MS 200 /* nothing is read any more */

typedef struct pty_backend {
    pb_object *self;
    const char *link;
    uint32_t patience;
    channel channel;
    inbox inbox;
    int master, slave;
    char name[64];
    bool linked;
} pty_backend;

/* ---- the terminal ---------------------------------------------------------------------------- */

static bool open_pair(pty_backend *s)
{
    struct termios raw;
    int failed;

    s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (s->master < 0 || grantpt(s->master) < 0 || unlockpt(s->master) < 0)
        return false;
    failed = ptsname_r(s->master, s->name, sizeof(s->name));
    if (failed) {
        errno = failed;
        return false;
    }
    s->slave = open(s->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
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

/* Closing the master would take from a reader what it has not read yet: wait as long as it
 * reads. */
static void let_reader_finish(const pty_backend *s)
{
    int left = 0, before = -1;

    for (int still = 0; still < STILL_MS; still = left == before ? still + LOOK_MS : 0) {
        struct pollfd look = { .fd = s->slave, .events = POLLIN };

        before = left;
        poll(&look, 1,
             0); /* makes the kernel hand over what is under way, which FIONREAD does not count */
        if (ioctl(s->slave, FIONREAD, &left) < 0 || left == 0)
            return;
        poll(NULL, 0, LOOK_MS);
    }
}

/* ---- the link -------------------------------------------------------------------------------- */

static bool points_to(const char *link, const char *name)
{
    char target[64];
    ssize_t n = readlink(link, target, sizeof(target));

    return n >= 0 && (size_t)n == strlen(name) && memcmp(target, name, (size_t)n) == 0;
}

/* A link that leads nowhere, or here, is what a machine left that was killed. */
static bool is_left_over(const char *link, const char *name)
{
    struct stat about;

    return points_to(link, name) || (lstat(link, &about) == 0 && S_ISLNK(about.st_mode) &&
                                     stat(link, &about) < 0 && errno == ENOENT);
}

static bool make_link(pty_backend *s, pb_error *error)
{
    if (!s->link)
        return true;
    if (is_left_over(s->link, s->name))
        unlink(s->link);
    s->linked = symlink(s->name, s->link) == 0;
    return s->linked || pb_fail(error, "cannot make the link %s: %s", s->link, strerror(errno));
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool pty_init(void *self, pb_error *error)
{
    pty_backend *s = self;

    s->master = s->slave = -1;
    if (!channel_init(&s->channel, s->self, s, &s->inbox, error))
        return false;
    if (!open_pair(s)) {
        pb_fail(error, "cannot make a pseudo-terminal: %s", strerror(errno));
        close_pair(s);
        return false;
    }
    if (!make_link(s, error)) {
        close_pair(s);
        return false;
    }
    pb_log(s->self, PB_LOG_NOTICE, "pty %s", s->name); /* docs/command.md promises this line */
    s->channel.name = s->name;
    s->channel.patience_ms = s->patience;
    channel_read_from(&s->channel, s->master);
    channel_write_to(&s->channel, s->master);
    return true;
}

static void pty_finish(void *self)
{
    pty_backend *s = self;
    bool unread = s->channel.dropping;

    channel_finish(&s->channel, false);
    if (!unread)
        let_reader_finish(s);
    if (s->linked && points_to(s->link, s->name))
        unlink(s->link);
    close_pair(s);
}

static void pty_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((pty_backend *)self)->inbox.client = peer;
}

static void pty_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((pty_backend *)self)->channel, bytes, length);
}

static void pty_resume(void *self, uint32_t index)
{
    channel_resume(&((pty_backend *)self)->channel);
}

static bool pty_busy(void *self, uint32_t index)
{
    return channel_busy(&((pty_backend *)self)->channel);
}

static const pb_stream_iface pty_iface = {
    .size = sizeof(pty_iface),
    .write = pty_write,
    .resume = pty_resume,
    .busy = pty_busy,
};

static const pb_prop pty_props[] = {
    { "link", PB_PROP_PATH, PB_MEMBER(pty_backend, link), "",
      .doc = "Symbolic link to make to the terminal" },
    { "patience", PB_PROP_UINT, PB_MEMBER(pty_backend, patience), "1000", CHANNEL_PATIENCE },
    { 0 },
};

static const pb_port pty_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &pty_iface, .connected = pty_connected,
      .doc = "The terminal" },
    { 0 },
};

static const pb_state pty_state[] = {
    PB_TRANSIENT(pty_backend, channel, "host stream"),
    PB_TRANSIENT(pty_backend, inbox, "host stream"),
    PB_TRANSIENT(pty_backend, master, "host descriptor"),
    PB_TRANSIENT(pty_backend, slave, "host descriptor"),
    PB_TRANSIENT(pty_backend, name, "host file"),
    PB_TRANSIENT(pty_backend, linked, "host file"),
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
