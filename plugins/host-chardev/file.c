/*
 * Output to a file, and input from another: for logs and for scripts.
 */
#include "chardev.h"

#include <errno.h>
#include <unistd.h>

typedef struct file_backend {
    pb_object *self;
    const char *path, *input;
    bool append;
    channel channel;
    int in, out;
} file_backend;

static bool file_init(void *self, pb_error *error)
{
    file_backend *s = self;

    s->in = s->out = -1;
    if (!channel_init(&s->channel, s->self, s, error))
        return false;
    if (!s->path)
        return pb_fail(error, "path is empty: expected the file to write to");
    s->out = open(s->path, O_WRONLY | O_CREAT | O_CLOEXEC | (s->append ? O_APPEND : O_TRUNC), 0644);
    if (s->out < 0)
        return pb_fail(error, "cannot open %s: %s", s->path, strerror(errno));
    if (s->input) {
        s->in = open(s->input, O_RDONLY | O_CLOEXEC);
        if (s->in < 0) {
            int why = errno;

            close(s->out);
            return pb_fail(error, "cannot open %s: %s", s->input, strerror(why));
        }
    }
    channel_open(&s->channel, s->in, s->out);
    return true;
}

static void file_finish(void *self)
{
    file_backend *s = self;

    channel_stop(&s->channel);
    if (s->in >= 0)
        close(s->in);
    close(s->out);
}

static void file_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((file_backend *)self)->channel.client = peer;
}

static void file_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((file_backend *)self)->channel, bytes, length);
}

static void file_resume(void *self, uint32_t index)
{
    channel_resume(&((file_backend *)self)->channel);
}

static const pb_stream_iface file_iface = { sizeof(pb_stream_iface), file_write, file_resume };

static const pb_prop file_props[] = {
    { "path", PB_PROP_PATH, PB_MEMBER(file_backend, path), .doc = "File that output goes to" },
    { "append", PB_PROP_BOOL, PB_MEMBER(file_backend, append), "false",
      .doc = "Keep what the file holds" },
    { "input", PB_PROP_PATH, PB_MEMBER(file_backend, input), "",
      .doc = "File that input comes from" },
    { 0 },
};

static const pb_port file_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, .iface = &file_iface, .connected = file_connected,
      .doc = "The stream" },
    { 0 },
};

static const pb_state file_state[] = {
    PB_TRANSIENT(file_backend, channel, "host stream"),
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
