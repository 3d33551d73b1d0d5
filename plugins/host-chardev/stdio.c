/*
 * The terminal that the command runs in, or whatever standard input and output are, shared by
 * several ports.
 *
 * Ports: port[n] (char), power-button (gpio, pushed by Ctrl-A p).
 * In raw mode every key goes to the guest but Ctrl-A, which begins a command: see `commands`.
 */
#include "chardev.h"
#include "terminal.h"

#include <errno.h>
#include <unistd.h>

#define PORTS    8
#define ESCAPE   1 /* Ctrl-A */
#define PRESS_MS 100

typedef struct stdio_backend {
    pb_object *self;
    uint32_t ports, patience;
    bool raw;
    pb_line *power_button;
    channel channel;
    inbox inboxes[PORTS];
    uint32_t waiting; /* a bit for each port that was told to wait */
    uint32_t focus;   /* the port that input goes to */
    bool escaped;     /* the key before was Ctrl-A */
    bool is_raw;
    bool leaving;     /* Ctrl-A x */
    uint64_t release; /* the call that releases the power button; 0: none */
    int in, out;
} stdio_backend;

/* Who has standard input and output: there is one of them in a process. */
static const stdio_backend *holder;

/* ---- commands -------------------------------------------------------------------------------- */

/* To the user, who looks at the terminal, also where standard output goes elsewhere. */
static void say(stdio_backend *s, const char *text)
{
    uint32_t length = (uint32_t)strlen(text);

    if (isatty(STDOUT_FILENO))
        channel_write(&s->channel, (const uint8_t *)text, length);
    else
        (void)!write(s->in, text, length); /* whom should a failure be told? */
}

static uint32_t connected_ports(const stdio_backend *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->ports; i++)
        n += s->inboxes[i].client != NULL;
    return n;
}

static void quit(stdio_backend *s)
{
    say(s, "\r\n");
    s->leaving = true;
    s->self->ops->request(s->self, PB_MACHINE_POWER_OFF, 0);
}

static bool has_other_ports(const stdio_backend *s)
{
    return connected_ports(s) > 1;
}

static void next_port(stdio_backend *s)
{
    char text[64];

    do
        s->focus = (s->focus + 1) % s->ports;
    while (!s->inboxes[s->focus].client);
    s->channel.inbox = &s->inboxes[s->focus];
    snprintf(text, sizeof(text), "\r\n[input goes to port %u]\r\n", s->focus);
    say(s, text);
}

static void send_break(stdio_backend *s)
{
    inbox_break(&s->inboxes[s->focus]);
}

static bool has_button(const stdio_backend *s)
{
    return s->power_button != NULL;
}

static void release_button(void *opaque)
{
    stdio_backend *s = opaque;

    s->release = 0;
    pb_line_set(s->power_button, false);
}

static void press_button(stdio_backend *s)
{
    if (s->release)
        s->channel.loop->cancel(s->self, s->release);
    pb_line_set(s->power_button, false); /* each press is an edge */
    pb_line_set(s->power_button, true);
    s->release = s->channel.loop->call_after(s->self, PRESS_MS, release_button, s);
}

static void send_escape(stdio_backend *s)
{
    inbox_put(&s->inboxes[s->focus], &(uint8_t){ ESCAPE }, 1);
}

static void show_help(stdio_backend *s);

static const struct {
    uint8_t key;
    const char *help;
    void (*run)(stdio_backend *s);
    bool (*there)(const stdio_backend *s); /* null: always */
} commands[] = {
    { 'x', "Ctrl-A x       end the run", quit },
    { 'h', "Ctrl-A h       this help", show_help },
    { 'c', "Ctrl-A c       send what is typed to the next port", next_port, has_other_ports },
    { 'b', "Ctrl-A b       send a break", send_break },
    { 'p', "Ctrl-A p       press the power button", press_button, has_button },
    { ESCAPE, "Ctrl-A Ctrl-A  send Ctrl-A", send_escape },
};

static void show_help(stdio_backend *s)
{
    say(s, "\r\n");
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(commands); i++) {
        if (commands[i].there && !commands[i].there(s))
            continue;
        say(s, commands[i].help);
        say(s, "\r\n");
    }
}

/* The key after Ctrl-A. */
static void command(stdio_backend *s, uint8_t key)
{
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(commands); i++) {
        if (commands[i].key != key)
            continue;
        if (!commands[i].there || commands[i].there(s))
            commands[i].run(s);
        else
            say(s, "\r\nThis machine has none. Ctrl-A h tells the keys.\r\n");
        return;
    }
}

static void filter(void *owner, const uint8_t *bytes, uint32_t length)
{
    stdio_backend *s = owner;

    if (!s->is_raw) { /* a pipe or file: bytes are bytes */
        inbox_put(s->channel.inbox, bytes, length);
        return;
    }
    for (uint32_t i = 0; i < length; i++) {
        bool was_escaped = s->escaped;

        s->escaped = !was_escaped && bytes[i] == ESCAPE;
        if (was_escaped)
            command(s, bytes[i]);
        else if (!s->escaped)
            inbox_put(s->channel.inbox, &bytes[i], 1);
    }
    for (uint32_t i = 0; i < s->ports; i++)
        inbox_feed(&s->inboxes[i]);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void output_ready(void *owner)
{
    stdio_backend *s = owner;
    uint32_t waiting = s->waiting;

    s->waiting = 0;
    for (uint32_t i = 0; i < s->ports; i++)
        if (waiting >> i & 1)
            client_ready(s->inboxes[i].client);
}

static void close_streams(stdio_backend *s)
{
    terminal_restore();
    if (s->in > STDERR_FILENO)
        close(s->in);
    if (s->out > STDERR_FILENO)
        close(s->out);
    holder = NULL;
}

static bool stdio_init(void *self, pb_error *error)
{
    stdio_backend *s = self;
    bool terminal = isatty(STDIN_FILENO);

    if (holder)
        return pb_fail(error,
                       "%s has standard input and output already: several ports share them by "
                       "one chardev/stdio with 'ports'",
                       holder->self->ops->path(holder->self));
    while (s->focus + 1 < s->ports && !s->inboxes[s->focus].client)
        s->focus++;
    if (!channel_init(&s->channel, s->self, s, &s->inboxes[s->focus], error))
        return false;
    /* Messages to the user go to the terminal too: see say(). */
    s->in = channel_reopen(STDIN_FILENO, terminal ? O_RDWR : O_RDONLY);
    s->out = channel_reopen(STDOUT_FILENO, O_WRONLY);
    holder = s;
    s->is_raw = s->channel.greedy = s->raw && terminal;
    if (s->is_raw && !terminal_make_raw(s->in, error)) {
        close_streams(s);
        return false;
    }
    s->channel.filter = filter;
    s->channel.output_ready = output_ready;
    s->channel.name = "standard output";
    s->channel.patience_ms = s->patience;
    channel_read_from(&s->channel, s->in);
    channel_write_to(&s->channel, s->out);
    return true;
}

/* The terminal comes first: while output waits for its reader, Ctrl-C works again. */
static void stdio_finish(void *self)
{
    stdio_backend *s = self;

    if (s->release)
        s->channel.loop->cancel(s->self, s->release);
    terminal_restore();
    channel_finish(&s->channel, s->leaving);
    close_streams(s);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void stdio_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((stdio_backend *)self)->inboxes[index].client = peer;
}

static void stdio_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((stdio_backend *)self)->channel, bytes, length);
}

static void stdio_resume(void *self, uint32_t index)
{
    stdio_backend *s = self;

    inbox_feed(&s->inboxes[index]);
    if (index == s->focus)
        channel_resume(&s->channel);
}

static bool stdio_busy(void *self, uint32_t index)
{
    stdio_backend *s = self;

    if (!channel_busy(&s->channel))
        return false;
    s->waiting |= 1u << index;
    return true;
}

static const pb_stream_iface stdio_iface = {
    .size = sizeof(stdio_iface),
    .write = stdio_write,
    .resume = stdio_resume,
    .busy = stdio_busy,
};

static const pb_prop stdio_props[] = {
    { "ports", PB_PROP_UINT, PB_MEMBER(stdio_backend, ports), "1", 1, PORTS,
      .doc = "Ports that share the terminal" },
    { "raw", PB_PROP_BOOL, PB_MEMBER(stdio_backend, raw), "true",
      .doc = "Put a terminal into raw mode; Ctrl-A begins commands" },
    { "patience", PB_PROP_UINT, PB_MEMBER(stdio_backend, patience), "0", CHANNEL_PATIENCE },
    { 0 },
};

static const pb_port stdio_ports[] = {
    { "port", PB_PROTOCOL_CHAR, PB_PROVIDES, PB_COUNT(stdio_backend, ports), .iface = &stdio_iface,
      .connected = stdio_connected, .doc = "The terminal" },
    { "power-button", PB_PROTOCOL_GPIO, PB_REQUIRES, PB_HANDLE(stdio_backend, power_button),
      .optional = true, .doc = "High for a moment when Ctrl-A p is typed" },
    { 0 },
};

static const pb_state stdio_state[] = {
    PB_TRANSIENT(stdio_backend, channel, "host stream"),
    PB_TRANSIENT(stdio_backend, inboxes, "wiring, and input that the user may type again"),
    PB_TRANSIENT(stdio_backend, waiting, "depends on the host's speed"),
    PB_TRANSIENT(stdio_backend, focus, "the user's choice"),
    PB_TRANSIENT(stdio_backend, escaped, "the user's half-typed command"),
    PB_TRANSIENT(stdio_backend, is_raw, "host terminal"),
    PB_TRANSIENT(stdio_backend, leaving, "the user's choice"),
    PB_TRANSIENT(stdio_backend, release, "the user's finger"),
    PB_TRANSIENT(stdio_backend, in, "host descriptor"),
    PB_TRANSIENT(stdio_backend, out, "host descriptor"),
    { 0 },
};

const pb_class stdio_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "stdio",
    .doc = "Standard input and output, a terminal in raw mode if it is one",
    .instance_size = sizeof(stdio_backend),
    PB_SELF(stdio_backend, self),
    .props = stdio_props,
    .ports = stdio_ports,
    .state = stdio_state,
    .init = stdio_init,
    .finish = stdio_finish,
};
