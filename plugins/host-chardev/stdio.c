/*
 * The terminal that the command runs in, shared by several ports.
 *
 * Ports: port[n] (char), power-button (gpio, pushed by Ctrl-A p).
 * In raw mode every key goes to the guest but Ctrl-A, which begins a command:
 *   x quit   h help   c next port   b break   p power button   Ctrl-A a Ctrl-A for the guest
 *
 * The terminal's settings are restored however the process ends: a child process, which does nothing
 * else, waits for the end of a pipe that only we hold and then sets them.
 */
#include "chardev.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PORTS    8
#define ESCAPE   1 /* Ctrl-A */
#define PRESS_MS 100

typedef struct stdio_backend {
    pb_object *self;
    uint32_t ports;
    bool raw;
    pb_line *power_button;
    const pb_link *clients[PORTS];
    channel channel;
    uint32_t focus;
    bool escaped;
    bool is_raw;
    struct termios saved;
    int guard_pipe;
    pid_t guard;
} stdio_backend;

static void say(stdio_backend *s, const char *text)
{
    channel_write(&s->channel, (const uint8_t *)text, (uint32_t)strlen(text));
}

static void release_button(void *opaque)
{
    pb_line_set(((stdio_backend *)opaque)->power_button, false);
}

static void press_button(stdio_backend *s)
{
    if (!s->power_button) {
        say(s, "\r\nThis machine has no power button.\r\n");
        return;
    }
    pb_line_set(s->power_button, true);
    s->channel.loop->call_after(s->self, PRESS_MS, release_button, s);
}

static void next_port(stdio_backend *s)
{
    char text[48];

    for (uint32_t i = 1; i <= s->ports; i++) {
        uint32_t port = (s->focus + i) % s->ports;

        if (s->clients[port]) {
            s->focus = port;
            break;
        }
    }
    s->channel.client = s->clients[s->focus];
    snprintf(text, sizeof(text), "\r\n[input goes to port %u]\r\n", s->focus);
    say(s, text);
    channel_resume(&s->channel);
}

static const char help[] = "\r\n"
                           "Ctrl-A x       quit\r\n"
                           "Ctrl-A h       this help\r\n"
                           "Ctrl-A c       send input to the next port\r\n"
                           "Ctrl-A b       send a break\r\n"
                           "Ctrl-A p       press the power button\r\n"
                           "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

/* The key after Ctrl-A; true if it goes to the guest. */
static bool command(stdio_backend *s, uint8_t key)
{
    switch (key) {
    case 'x':
        say(s, "\r\n");
        s->self->ops->request(s->self, PB_MACHINE_POWER_OFF, 0);
        return false;
    case 'h':
    case '?':
        say(s, help);
        return false;
    case 'c':
        next_port(s);
        return false;
    case 'b':
        channel_event(s->channel.client, PB_STREAM_BREAK);
        return false;
    case 'p':
        press_button(s);
        return false;
    }
    return key == ESCAPE;
}

static uint32_t filter(void *owner, uint8_t *bytes, uint32_t length)
{
    stdio_backend *s = owner;
    uint32_t kept = 0;

    if (!s->is_raw)
        return length; /* a pipe or file: bytes are bytes */
    for (uint32_t i = 0; i < length; i++) {
        bool pass = s->escaped ? command(s, bytes[i]) : bytes[i] != ESCAPE;

        s->escaped = !s->escaped && bytes[i] == ESCAPE;
        if (pass)
            bytes[kept++] = bytes[i];
    }
    return kept;
}

/* The child: nothing of ours but the pipe and the terminal stays open in it. */
static _Noreturn void guard_main(int pipe_end, const struct termios *saved)
{
    char byte;

    setsid(); /* no signals from the terminal; and tcsetattr from here does not stop us */
    signal(SIGPIPE, SIG_IGN);
    if (pipe_end != 3)
        dup2(pipe_end, 3);
    close_range(4, ~0u, 0);
    while (read(3, &byte, 1) < 0 && errno == EINTR)
        ;
    tcsetattr(STDIN_FILENO, TCSADRAIN, saved);
    _exit(0);
}

static bool start_guard(stdio_backend *s, pb_error *error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return pb_fail(error, "cannot make a pipe: %s", strerror(errno));
    s->guard = fork();
    if (s->guard < 0) {
        close(ends[0]);
        close(ends[1]);
        return pb_fail(error, "cannot start a process: %s", strerror(errno));
    }
    if (s->guard == 0) {
        close(ends[1]);
        guard_main(ends[0], &s->saved);
    }
    close(ends[0]);
    s->guard_pipe = ends[1];
    return true;
}

static void make_raw(const struct termios *saved)
{
    struct termios raw = *saved;

    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |=
        OPOST; /* our own messages may have plain newlines; a guest's CR LF stays as it is */
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static bool stdio_init(void *self, pb_error *error)
{
    stdio_backend *s = self;

    s->guard_pipe = -1;
    if (!channel_init(&s->channel, s->self, s, error))
        return false;
    if (s->raw && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->saved) == 0) {
        if (!start_guard(s, error))
            return false;
        make_raw(&s->saved);
        s->is_raw = s->channel.greedy = true;
    }
    s->channel.filter = filter;
    s->channel.client = s->clients[0];
    channel_open(&s->channel, STDIN_FILENO, STDOUT_FILENO);
    return true;
}

static void stdio_finish(void *self)
{
    stdio_backend *s = self;

    channel_stop(&s->channel);
    if (s->guard_pipe >= 0) {
        close(s->guard_pipe); /* the guard restores the terminal */
        while (waitpid(s->guard, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}

static void stdio_connected(void *self, uint32_t index, const pb_link *peer)
{
    ((stdio_backend *)self)->clients[index] = peer;
}

static void stdio_write(void *self, uint32_t index, const uint8_t *bytes, uint32_t length)
{
    channel_write(&((stdio_backend *)self)->channel, bytes, length);
}

static void stdio_resume(void *self, uint32_t index)
{
    stdio_backend *s = self;

    if (index == s->focus)
        channel_resume(&s->channel);
}

static const pb_stream_iface stdio_iface = { sizeof(pb_stream_iface), stdio_write, stdio_resume };

static const pb_prop stdio_props[] = {
    { "ports", PB_PROP_UINT, PB_MEMBER(stdio_backend, ports), "1", 1, PORTS,
      .doc = "Ports that share the terminal" },
    { "raw", PB_PROP_BOOL, PB_MEMBER(stdio_backend, raw), "true",
      .doc = "Put a terminal into raw mode; Ctrl-A begins commands" },
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
    PB_TRANSIENT(stdio_backend, clients, "wiring"),
    PB_TRANSIENT(stdio_backend, channel, "host stream"),
    PB_TRANSIENT(stdio_backend, focus, "the user's choice"),
    PB_TRANSIENT(stdio_backend, escaped, "the user's half-typed command"),
    PB_TRANSIENT(stdio_backend, is_raw, "host terminal"),
    PB_TRANSIENT(stdio_backend, saved, "host terminal"),
    PB_TRANSIENT(stdio_backend, guard_pipe, "host process"),
    PB_TRANSIENT(stdio_backend, guard, "host process"),
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
