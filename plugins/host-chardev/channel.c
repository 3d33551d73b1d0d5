/*
 * A byte stream over host descriptors: see channel.h.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY      (CHANNEL_BUFFER / 2)
#define READY     (CHANNEL_BUFFER / 4)
#define PIECE     4096 /* PIPE_BUF: a descriptor that polls writable takes it without blocking */
#define WAIT_MS   1000 /* where no patience is given and waiting for ever is not an answer */
#define FINISH_MS 5000 /* for output that is left at the end, however slowly it goes */
#define NS_PER_MS UINT64_C(1000000)

/* ---- descriptors ----------------------------------------------------------------------------- */

static bool is_pty_master(int fd)
{
    unsigned number;

    return ioctl(fd, TIOCGPTN, &number) == 0;
}

int channel_reopen(int fd, int mode)
{
    struct stat about;
    char path[32];
    int own;

    /* A pseudo-terminal's master opened anew would be another one. */
    if (fstat(fd, &about) < 0 || !(isatty(fd) || S_ISFIFO(about.st_mode)) || is_pty_master(fd))
        return fd;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own >= 0 ? own : fd;
}

static channel_way way_of(int fd)
{
    struct stat about = { 0 };
    int flags = fcntl(fd, F_GETFL);

    if (fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode))
        return CHANNEL_SOCKET;
    if (flags >= 0 && (flags & O_NONBLOCK || S_ISREG(about.st_mode)))
        return CHANNEL_PLAIN;
    return CHANNEL_BLOCKS;
}

/* Whether the descriptor is ready for POLLIN or POLLOUT, or failed, within that time; -1: wait for
 * ever. */
static bool ready(int fd, short events, int ms)
{
    struct pollfd wanted = { .fd = fd, .events = events };
    int n;

    do
        n = poll(&wanted, 1, ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* read() and write() that never block: EAGAIN instead. */
static ssize_t read_some(const channel *c, uint8_t *bytes, size_t length)
{
    if (c->in_way == CHANNEL_SOCKET)
        return recv(c->in, bytes, length, MSG_DONTWAIT);
    if (c->in_way == CHANNEL_BLOCKS && !ready(c->in, POLLIN, 0)) {
        errno = EAGAIN;
        return -1;
    }
    return read(c->in, bytes, length);
}

static ssize_t write_some(const channel *c, const uint8_t *bytes, size_t length)
{
    if (c->out_way == CHANNEL_SOCKET)
        return send(c->out, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (c->out_way == CHANNEL_BLOCKS && !ready(c->out, POLLOUT, 0)) {
        errno = EAGAIN;
        return -1;
    }
    return write(c->out, bytes, length < PIECE ? length : PIECE);
}

/* ---- input ----------------------------------------------------------------------------------- */

/* Read on as long as there is room. */
static void watch_input(channel *c)
{
    if (c->watch_in)
        c->loop->watch_set(c->watch_in, c->greedy || inbox_room(c->inbox) ? PB_FD_IN : 0);
}

static void stop_input(channel *c)
{
    if (c->watch_in)
        c->loop->watch_free(c->watch_in);
    c->watch_in = NULL;
    c->in = -1;
}

static void input_ready(void *opaque, uint32_t events)
{
    channel *c = opaque;
    uint8_t bytes[1024];
    uint32_t room = c->greedy ? sizeof(bytes) : inbox_room(c->inbox);
    ssize_t n = read_some(c, bytes, room < sizeof(bytes) ? room : sizeof(bytes));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        stop_input(c);
        if (c->input_ended)
            c->input_ended(c->owner);
        return;
    }
    if (c->filter)
        c->filter(c->owner, bytes, (uint32_t)n);
    else
        inbox_put(c->inbox, bytes, (uint32_t)n);
    channel_resume(c);
}

void channel_resume(channel *c)
{
    inbox_feed(c->inbox);
    watch_input(c);
}

void channel_read_from(channel *c, int fd)
{
    c->in = fd;
    c->in_way = way_of(fd);
    c->watch_in = c->loop->watch_new(c->object, fd, 0, input_ready, c);
    watch_input(c);
}

/* ---- output ---------------------------------------------------------------------------------- */

static void watch_output(channel *c, bool on)
{
    if (c->watch_out && on != c->watching_out)
        c->loop->watch_set(c->watch_out, on ? PB_FD_OUT : 0);
    c->watching_out = on;
}

static void output_broke(channel *c, int why)
{
    bool full = why == ENOSPC || why == EDQUOT || why == EFBIG; /* may pass */

    c->used = 0;
    if (!full)
        c->failure = why;
    if (!c->peers_leave && !c->said_failure)
        pb_log(c->object, PB_LOG_WARNING, "cannot write to %s: %s; output is lost%s", c->name,
               strerror(why), full ? " until there is space" : " from here on");
    c->said_failure = true;
}

/* Write from the buffer while the descriptor takes it. */
static void drain(channel *c)
{
    while (c->used) {
        uint32_t piece = CHANNEL_BUFFER - c->first;
        ssize_t n = write_some(c, c->buffer + c->first, piece < c->used ? piece : c->used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            output_broke(c, errno);
            return;
        }
        c->first = (c->first + (uint32_t)n) % CHANNEL_BUFFER;
        c->used -= (uint32_t)n;
        c->taken += (uint64_t)n;
        c->dropping = false;
    }
}

static void no_longer_busy(channel *c)
{
    if (!c->backed_up)
        return;
    c->backed_up = false;
    if (c->output_ready)
        c->output_ready(c->owner);
    else
        client_ready(c->inbox->client);
}

static void nobody_reads(channel *c)
{
    c->dropping = true;
    if (!c->said_dropping)
        pb_log(c->object, PB_LOG_WARNING,
               "nobody reads from %s: of the output only the last %u KiB are kept until "
               "somebody does",
               c->name, CHANNEL_BUFFER / 1024);
    c->said_dropping = true;
}

static void look_for_reader(void *opaque);

static void be_patient(channel *c)
{
    if (!c->patience_ms || c->impatience)
        return;
    c->taken_then = c->taken;
    c->impatience = c->loop->call_after(c->object, c->patience_ms, look_for_reader, c);
}

/* Some time after the stream became busy. */
static void look_for_reader(void *opaque)
{
    channel *c = opaque;

    c->impatience = 0;
    if (!c->backed_up)
        return;
    if (c->taken != c->taken_then) {
        be_patient(c);
        return;
    }
    nobody_reads(c);
    no_longer_busy(c);
}

static void stop_output(channel *c)
{
    if (c->impatience)
        c->loop->cancel(c->object, c->impatience);
    if (c->watch_out)
        c->loop->watch_free(c->watch_out);
    c->impatience = 0;
    c->watch_out = NULL;
    c->watching_out = c->dropping = false;
    c->out = -1;
    c->used = 0;
    c->failure = 0;
}

static void output_ready(void *opaque, uint32_t events)
{
    channel *c = opaque;

    drain(c);
    if (c->failure) {
        stop_output(c);
        no_longer_busy(c);
        if (c->output_failed)
            c->output_failed(c->owner);
        return;
    }
    watch_output(c, c->used > 0);
    if (c->used <= READY)
        no_longer_busy(c);
}

void channel_write_to(channel *c, int fd)
{
    c->out = fd;
    c->out_way = way_of(fd);
    c->watch_out = c->loop->watch_new(c->object, fd, 0, output_ready, c);
}

/* Keep what fits of the bytes; their number. */
static uint32_t keep(channel *c, const uint8_t *bytes, uint32_t length)
{
    uint32_t n = CHANNEL_BUFFER - c->used;

    n = n < length ? n : length;
    for (uint32_t i = 0; i < n; i++)
        c->buffer[(c->first + c->used++) % CHANNEL_BUFFER] = bytes[i];
    return n;
}

/* The buffer is full and there are more bytes. */
static void make_room(channel *c, uint32_t length)
{
    uint64_t before = c->taken;
    uint32_t n = length < c->used ? length : c->used;

    if (!c->dropping) {
        ready(c->out, POLLOUT, (int)(c->patience_ms ? c->patience_ms : WAIT_MS));
        drain(c);
        if (c->taken != before || c->failure || !c->used)
            return;
        nobody_reads(c);
    }
    c->first = (c->first + n) % CHANNEL_BUFFER;
    c->used -= n;
}

void channel_write(channel *c, const uint8_t *bytes, uint32_t length)
{
    while (length && c->out >= 0 && !c->failure) {
        uint32_t n = keep(c, bytes, length);

        bytes += n;
        length -= n;
        if (length)
            make_room(c, length);
        else if (!c->watching_out)
            drain(c); /* otherwise the main loop does, when the descriptor is ready */
    }
    if (c->used || c->failure)
        watch_output(c, true);
}

bool channel_busy(channel *c)
{
    if (c->out < 0 || c->used <= BUSY || c->dropping || c->deterministic)
        return false;
    c->backed_up = true; /* the main loop is watching: there is output */
    be_patient(c);
    return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

bool channel_init(channel *c, pb_object *object, void *owner, inbox *box, pb_error *error)
{
    c->object = object;
    c->owner = owner;
    c->inbox = box;
    c->in = c->out = -1;
    c->loop = pb_extension(object, PB_EXTENSION_MAIN_LOOP);
    if (!c->loop || !PB_HAS(c->loop, interrupted))
        return pb_fail(error, "the host has no %s, or an older one", PB_EXTENSION_MAIN_LOOP);
    c->deterministic = c->loop->deterministic(object);
    return true;
}

/* Wait for readers, at most for these times; 0: for ever. */
static void flush(channel *c, uint32_t patience_ms)
{
    uint64_t end_ns = c->loop->host_now_ns() + FINISH_MS * NS_PER_MS;
    int ms = patience_ms ? (int)patience_ms : -1;

    drain(c);
    while (c->used && ready(c->out, POLLOUT, ms)) {
        drain(c);
        if (patience_ms && c->loop->host_now_ns() > end_ns)
            break;
    }
    if (c->used)
        pb_log(c->object, PB_LOG_WARNING,
               "nobody reads from %s: the last %u bytes of output are lost", c->name, c->used);
}

void channel_finish(channel *c, bool haste)
{
    uint32_t patience_ms = c->patience_ms;

    if (!c->loop)
        return;
    if (haste || c->loop->interrupted(c->object))
        patience_ms = patience_ms && patience_ms < WAIT_MS ? patience_ms : WAIT_MS;
    if (c->out >= 0 && !c->dropping && !c->failure)
        flush(c, patience_ms);
    channel_drop(c);
}

void channel_drop(channel *c)
{
    if (!c->loop)
        return;
    stop_input(c);
    stop_output(c);
    c->backed_up = false;
}
