/*
 * Output to a file, and input from another: for logs and for scripts. Both may be FIFOs.
 */
#include "chardev.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct file_backend {
    pb_object *self;
    const char *path, *input;
    bool append;
    uint32_t patience;
    channel channel;
    inbox inbox;
    int in, out;
} file_backend;

/* Does not wait for the other side of a FIFO; for reading that one may come later. */
static int open_file(const char *path, int flags, pb_error *error)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
    struct stat about;

    if (fd < 0) {
        pb_fail(error,
                errno == ENXIO ? "cannot open %s: nobody reads from it" : "cannot open %s: %s",
                path, strerror(errno));
        return -1;
    }
    if (fstat(fd, &about) < 0 || !S_ISDIR(about.st_mode))
        return fd;
    close(fd);
    pb_fail(error, "cannot open %s: %s", path, strerror(EISDIR));
    return -1;
}

static void close_files(file_backend *s)
{
    if (s->in >= 0)
        close(s->in);
    if (s->out >= 0)
        close(s->out);
}

static bool file_init(void *self, pb_error *error)
{
    file_backend *s = self;
    int flags = O_WRONLY | O_CREAT | (s->append ? O_APPEND : O_TRUNC);

    s->in = s->out = -1;
    if (!channel_init(&s->channel, s->self, s, &s->inbox, error))
        return false;
    if (!s->path)
        return pb_fail(error, "path is empty: expected the file to write to");
    /* Input first: if it is not there, output is not emptied. */
    if (s->input && (s->in = open_file(s->input, O_RDONLY, error)) < 0)
        return false;
    if ((s->out = open_file(s->path, flags, error)) < 0) {
        close_files(s);
        return false;
    }
    s->channel.name = s->path;
    s->channel.patience_ms = s->patience;
    channel_write_to(&s->channel, s->out);
    if (s->input)
        channel_read_from(&s->channel, s->in);
    return true;
}

static void file_finish(void *self)
{
    file_backend *s = self;

    channel_finish(&s->channel, false);
    close_files(s);
}

static void file_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((file_backend *)self)->inbox.client = peer;
}

static void file_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((file_backend *)self)->channel, bytes, length);
}

static void file_resume(void *self, uint32_t index)
{
    channel_resume(&((file_backend *)self)->channel);
}

static bool file_busy(void *self, uint32_t index)
{
    return channel_busy(&((file_backend *)self)->channel);
}

static const pb_stream_iface file_iface = {
    .size = sizeof(file_iface),
    .write = file_write,
    .resume = file_resume,
    .busy = file_busy,
};

static const pb_prop file_props[] = {
    { "path", PB_PROP_PATH, PB_MEMBER(file_backend, path), .doc = "File that output goes to" },
    { "append", PB_PROP_BOOL, PB_MEMBER(file_backend, append), "false",
      .doc = "Keep what the file holds" },
    { "input", PB_PROP_PATH, PB_MEMBER(file_backend, input), "",
      .doc = "File that input comes from" },
    { "patience", PB_PROP_UINT, PB_MEMBER(file_backend, patience), "0", CHANNEL_PATIENCE },
    { 0 },
};

static const pb_port file_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &file_iface, .connected = file_connected,
      .doc = "The stream" },
    { 0 },
};

static const pb_state file_state[] = {
    PB_TRANSIENT(file_backend, channel, "host stream"),
    PB_TRANSIENT(file_backend, inbox, "host stream"),
    PB_TRANSIENT(file_backend, in, "host descriptor"),
    PB_TRANSIENT(file_backend, out, "host descriptor"),
    { 0 },
};

const pb_class file_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "file",
    .doc = "Output to a file, input from another",
    .instance_size = sizeof(file_backend),
    PB_SELF(file_backend, self),
    .props = file_props,
    .ports = file_ports,
    .state = file_state,
    .init = file_init,
    .finish = file_finish,
};
