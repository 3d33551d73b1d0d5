/*
 * Backends of host-chardev, one at a time: what a guest and a command line cannot show exactly.
 */
#include "chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define BUFFER (64u * 1024)

static char folder[] = "/tmp/patchbay-test-XXXXXX";

static char *in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

/* Byte i of a long output. */
static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* Writes such bytes, the first of them byte `from`, in small pieces. */
static void write_from(rig *r, uint64_t from, uint64_t length)
{
    uint8_t piece[64];

    while (length) {
        uint64_t n = MIN(length, sizeof(piece));

        for (uint64_t i = 0; i < n; i++)
            piece[i] = byte_at(from + i);
        rig_write(r, 0, piece, n);
        from += n;
        length -= n;
    }
}

/* Writes as a UART does: not while the stream is busy. Bytes written in all. */
static uint64_t write_until_busy(rig *r, uint64_t from)
{
    while (!rig_busy(r, 0))
        write_from(r, from++, 1);
    return from;
}

static bool can_read(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN };

    return poll(&look, 1, 0) == 1 && look.revents & POLLIN;
}

/* Reads and lets the main loop write, until `length` bytes are there. */
static void read_all(rig *r, int fd, uint8_t *bytes, uint64_t length)
{
    for (uint64_t at = 0; at < length;) {
        ssize_t n;

        if (!can_read(fd)) {
            rig_turn(r);
            continue;
        }
        n = read(fd, bytes + at, length - at);
        CU_ASSERT_FATAL(n > 0);
        at += (uint64_t)n;
    }
}

static bool is_from(const uint8_t *bytes, uint64_t from, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        if (bytes[i] != byte_at(from + i))
            return false;
    return true;
}

/* ---- input ----------------------------------------------------------------------------------- */

static void make_file(const char *path, uint64_t length)
{
    g_autofree char *text = g_malloc(length);

    for (uint64_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 26);
    CU_ASSERT_FATAL(g_file_set_contents(path, text, (gssize)length, NULL));
}

/* A client that asks for more while it receives gets each byte once, in order. */
static void nested_resume(void)
{
    g_autofree char *input = in_folder("input"), *output = in_folder("output");
    const char *const properties[] = { "path", output, "input", input, NULL };
    rig *r = rig_new("chardev/file", properties, 1, PB_THREADS_PARALLEL);
    bool right = true;

    make_file(input, 10000);
    r->clients[0].nests = 20000;
    r->clients[0].room = 3;
    rig_start(r);
    RIG_UNTIL(r, r->clients[0].got->len >= 10000);
    rig_turn(r);
    CU_ASSERT_EQUAL(r->clients[0].got->len, 10000);
    for (uint32_t i = 0; i < 10000; i++)
        right = right && r->clients[0].got->str[i] == (char)('a' + i % 26);
    CU_ASSERT(right);
    rig_free(r);
}

/* Random bytes come without end: a client that asks while it receives must not nest without end. */
static void nested_random(void)
{
    const char *const properties[] = { "seed", "5", NULL };
    rig *r = rig_new("chardev/random", properties, 1, PB_THREADS_PARALLEL);
    g_autofree char *first = NULL;

    rig_start(r);
    r->clients[0].room = 0;
    r->clients[0].nests = 99000;
    rig_give_room(r, 0, 1000);
    CU_ASSERT(r->clients[0].got->len >= 99000);
    CU_ASSERT_EQUAL(r->clients[0].room, 0);
    r->clients[0].nests = 0;
    first = g_memdup2(r->clients[0].got->str, 1000);
    g_string_truncate(r->clients[0].got, 0);
    rig_lock(r);
    pb_instance_reset(r->backend);
    rig_unlock(r);
    rig_give_room(r, 0, 1000);
    CU_ASSERT_EQUAL(r->clients[0].got->len, 1000);
    CU_ASSERT_EQUAL(memcmp(first, r->clients[0].got->str, 1000), 0);
    rig_free(r);
}

/* What the client does not take is left with the host; nothing is lost, and the loop does not
 * turn. */
static void slow_client(void)
{
    g_autofree char *input = in_folder("input"), *output = in_folder("output");
    const char *const properties[] = { "path", output, "input", input, NULL };
    rig *r = rig_new("chardev/file", properties, 1, PB_THREADS_PARALLEL);

    make_file(input, 20000);
    r->clients[0].room = 0;
    rig_start(r);
    for (uint32_t i = 0; i < 50; i++)
        rig_turn(r);
    CU_ASSERT_EQUAL(r->clients[0].got->len, 0);
    while (r->clients[0].got->len < 20000) {
        rig_give_room(r, 0, 700);
        rig_turn(r);
    }
    CU_ASSERT_EQUAL(r->clients[0].got->str[19999], 'a' + 19999 % 26);
    rig_free(r);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    return address;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CU_ASSERT_FATAL(bind(fd, (struct sockaddr *)&address, length) == 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    close(fd);
    return ntohs(address.sin_port);
}

static int connect_tcp(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Bytes of a peer that has left are there for a guest that reads late; the next peer need not wait
 * for that. */
static void peer_leaves(void)
{
    g_autofree char *path = in_folder("peer");
    const char *const properties[] = { "path", path, NULL };
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);
    char byte;
    int fd;

    r->clients[0].room = 0;
    rig_start(r);
    fd = connect_unix(path);
    send_text(fd, "first");
    close(fd);
    RIG_UNTIL(r, strstr(r->clients[0].got->str, "<closed>"));
    rig_got(r, 0, "<opened><closed>");

    fd = connect_unix(path);
    send_text(fd, "second");
    RIG_UNTIL(r, *r->clients[0].got->str);
    rig_got(r, 0, "<opened>");
    rig_write(r, 0, "!", 1);
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 1);
    RIG_UNTIL(r, (rig_give_room(r, 0, 4), r->clients[0].got->len >= 11));
    rig_got(r, 0, "firstsecond");
    close(fd);
    rig_finish(r);
    CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
    rig_said(r, "");
    rig_free(r);
}

/* A peer that only says that it sends no more still gets what the guest answers; when the next one
 * comes it goes. */
static void half_closed(void)
{
    g_autofree char *port = g_strdup_printf("%u", free_port());
    const char *const properties[] = { "port", port, NULL };
    rig *r = rig_new("chardev/tcp", properties, 1, PB_THREADS_PARALLEL);
    char answer[8];
    int fd, next;

    rig_start(r);
    fd = connect_tcp((uint16_t)atoi(port));
    send_text(fd, "question");
    shutdown(fd, SHUT_WR);
    RIG_UNTIL(r, strstr(r->clients[0].got->str, "<closed>"));
    rig_got(r, 0, "<opened>question<closed>");
    rig_write(r, 0, "answer", 6);
    CU_ASSERT_EQUAL(recv(fd, answer, 6, MSG_WAITALL), 6);

    next = connect_tcp((uint16_t)atoi(port));
    RIG_UNTIL(r, *r->clients[0].got->str);
    rig_got(r, 0, "<opened>");
    CU_ASSERT_EQUAL(recv(fd, answer, 1, 0), 0);
    rig_write(r, 0, "hello", 5);
    CU_ASSERT_EQUAL(recv(next, answer, 5, MSG_WAITALL), 5);
    close(fd);
    close(next);
    rig_free(r);
}

/* A peer that stops reading and leaves: found out by writing, and what it sent before is not
 * lost. */
static void broken_pipe(void)
{
    g_autofree char *path = in_folder("broken");
    const char *const properties[] = { "path", path, NULL };
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);
    int fd;

    rig_start(r);
    r->clients[0].room = 0;
    fd = connect_unix(path);
    RIG_UNTIL(r, *r->clients[0].got->str);
    send_text(fd, "last words");
    close(fd);
    rig_write(r, 0, "x", 1); /* fails, before the input was read */
    RIG_UNTIL(r, strstr(r->clients[0].got->str, "<closed>"));
    rig_give_room(r, 0, 100);
    rig_got(r, 0, "<opened><closed>last words");
    rig_write(r, 0, "y", 1); /* to nobody */
    rig_said(r, "");
    rig_free(r);
}

/* A client of a listener hears of it on the main loop, not from init: its device is not there yet
 * then. What the guest writes meanwhile is sent. */
static void connects(void)
{
    g_autofree char *path = in_folder("listener");
    const char *const properties[] = { "path", path, "server", "false", NULL };
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);
    char bytes[8];

    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CU_ASSERT_FATAL(listen(listener, 1) == 0);
    rig_start(r);
    fd = accept(listener, NULL, NULL);
    send_text(fd, "early");
    rig_got(r, 0, "");
    rig_write(r, 0, "boot", 4);
    CU_ASSERT_EQUAL(recv(fd, bytes, 4, MSG_WAITALL), 4);
    RIG_UNTIL(r, strstr(r->clients[0].got->str, "early"));
    rig_got(r, 0, "<opened>early");

    close(fd);
    RIG_UNTIL(r, *r->clients[0].got->str);
    rig_got(r, 0, "<closed>");
    close(listener);
    rig_free(r);
}

/* The same, finished before the main loop ran. */
static void never_ran(void)
{
    g_autofree char *path = in_folder("never");
    const char *const properties[] = { "path", path, "server", "false", NULL };
    struct sockaddr_un address = address_of(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);

    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    CU_ASSERT_FATAL(listen(listener, 1) == 0);
    rig_start(r);
    rig_finish(r);
    rig_turn(r);
    rig_got(r, 0, "");
    close(listener);
    unlink(path);
    rig_free(r);
}

/* ---- output that nobody takes, or that goes slowly ------------------------------------------- */

/* A slow reader slows the client down, and gets every byte. */
static void slow_reader(void)
{
    g_autofree char *path = in_folder("slow");
    const char *const properties[] = { "path", path, "patience", "0", NULL };
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);
    g_autofree uint8_t *bytes = NULL;
    uint64_t sent, rest;
    int fd;

    rig_start(r);
    fd = connect_unix(path);
    RIG_UNTIL(r, *r->clients[0].got->str);
    sent = write_until_busy(r, 0);
    CU_ASSERT(sent > BUFFER / 4);
    CU_ASSERT_EQUAL(r->clients[0].ready, 0);
    bytes = g_malloc(sent + 100000);
    read_all(r, fd, bytes, sent);
    RIG_UNTIL(r, r->clients[0].ready);
    CU_ASSERT(!rig_busy(r, 0));
    rest = write_until_busy(r, sent);
    CU_ASSERT(rest > sent);
    CU_ASSERT_FATAL(rest - sent < sent + 100000);
    CU_ASSERT(is_from(bytes, 0, sent));
    read_all(r, fd, bytes, rest - sent);
    CU_ASSERT(is_from(bytes, sent, rest - sent));
    rig_said(r, "");
    close(fd);
    rig_free(r);
}

#define NOBODY_READS(name)                                                                    \
    "warning: nobody reads from " name ": of the output only the last 64 KiB are kept until " \
    "somebody does\n"

/* A peer that never reads: patience ends, the client is told to go on, and the last bytes are
 * kept. */
static void no_reader(void)
{
    g_autofree char *path = in_folder("deaf");
    const char *const properties[] = { "path", path, "patience", "5", NULL };
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_PARALLEL);
    g_autofree uint8_t *bytes = g_malloc(4 * BUFFER);
    uint64_t sent, first, n = 0;
    int fd;

    rig_start(r);
    fd = connect_unix(path);
    RIG_UNTIL(r, *r->clients[0].got->str);
    sent = write_until_busy(r, 0);
    RIG_UNTIL(r, r->clients[0].ready);
    rig_said(r, NOBODY_READS("the peer"));
    write_from(r, sent, 10 * BUFFER);
    sent += 10 * BUFFER;
    CU_ASSERT(!rig_busy(r, 0));

    /* Now it reads: what the host had taken, and the end. */
    while (n < BUFFER || bytes[n - 1] != byte_at(sent - 1) ||
           !is_from(bytes + n - BUFFER, sent - BUFFER, BUFFER)) {
        read_all(r, fd, bytes + n, 1);
        CU_ASSERT_FATAL(++n < 4 * BUFFER);
    }
    first = n - BUFFER;
    CU_ASSERT(is_from(bytes, 0, first));
    rig_turn(r);
    CU_ASSERT(!rig_busy(r, 0));
    write_until_busy(r,
                     0); /* somebody reads: flow control is back; the second time nothing is said */
    RIG_UNTIL(r, !rig_busy(r, 0));
    rig_said(r, "");
    close(fd);
    rig_free(r);
}

/* Clients that do not look are waited for, but not for ever. So is everybody in a deterministic
 * machine, to which the host's speed does not show. */
static void deterministic(void)
{
    g_autofree char *path = in_folder("deterministic");
    const char *const properties[] = { "path", path, "patience", "5", NULL };
    rig *r = rig_new("chardev/unix", properties, 1, PB_THREADS_ROUND_ROBIN);
    bool busy = false;
    int fd;

    rig_start(r);
    fd = connect_unix(path);
    RIG_UNTIL(r, *r->clients[0].got->str);
    for (uint32_t i = 0; i < 20; i++) {
        write_from(r, 0, BUFFER / 2 + 1000);
        busy = busy || rig_busy(r, 0);
    }
    CU_ASSERT(!busy);
    CU_ASSERT_EQUAL(r->clients[0].ready, 0);
    rig_said(r, NOBODY_READS("the peer"));
    close(fd);
    rig_free(r);
}

static void pty_without_reader(void)
{
    const char *const properties[] = { "patience", "5", NULL };
    rig *r = rig_new("chardev/pty", properties, 1, PB_THREADS_PARALLEL);
    g_autofree char *name = NULL, *expected = NULL;

    rig_start(r);
    CU_ASSERT_FATAL(g_str_has_prefix(r->log->str, "notice: pty /dev/pts/"));
    name = g_strndup(r->log->str + strlen("notice: pty "), r->log->len - strlen("notice: pty \n"));
    g_string_truncate(r->log, 0);
    write_until_busy(r, 0);
    RIG_UNTIL(r, r->clients[0].ready);
    write_from(r, 0, 4 * BUFFER);
    expected = g_strdup_printf(NOBODY_READS("%s"), name);
    rig_said(r, expected);
    rig_finish(r);
    rig_said(r, "");
    rig_free(r);
}

/* ---- output that fails ----------------------------------------------------------------------- */

static void no_space(void)
{
    const char *const properties[] = { "path", "/dev/full", NULL };
    rig *r = rig_new("chardev/file", properties, 1, PB_THREADS_PARALLEL);

    rig_start(r);
    rig_write(r, 0, "x", 1);
    rig_said(r, "warning: cannot write to /dev/full: No space left on device; output is lost until "
                "there is space\n");
    rig_write(r, 0, "y", 1);
    rig_turn(r);
    rig_finish(r);
    rig_said(r, "");
    rig_free(r);
}

static void reader_leaves(void)
{
    g_autofree char *path = in_folder("fifo"), *expected = NULL;
    const char *const properties[] = { "path", path, NULL };
    rig *r = rig_new("chardev/file", properties, 1, PB_THREADS_PARALLEL);
    g_autoptr(GError) error = NULL;
    char byte;
    int fd;

    CU_ASSERT_FATAL(mkfifo(path, 0600) == 0);
    CU_ASSERT(!pb_instance_init(r->backend, &error));
    expected = g_strdup_printf("serial0: cannot open %s: nobody reads from it", path);
    CU_ASSERT_STRING_EQUAL(error->message, expected);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    rig_start(r);
    rig_write(r, 0, "a", 1);
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 1);
    write_until_busy(r, 0);
    close(fd);
    RIG_UNTIL(r, r->clients[0].ready); /* no longer busy: it goes nowhere */
    g_free(expected);
    expected = g_strdup_printf(
        "warning: cannot write to %s: Broken pipe; output is lost from here on\n", path);
    rig_said(r, expected);
    CU_ASSERT(!rig_busy(r, 0));
    write_from(r, 0, 4 * BUFFER);
    rig_turn(r);
    rig_finish(r);
    rig_said(r, "");
    rig_free(r);
}

/* ---- the terminal ---------------------------------------------------------------------------- */

/* Standard input and output are a terminal meanwhile. */
typedef struct standard {
    int before[2], keyboard;
    struct termios settings;
} standard;

static void standard_begin(standard *s)
{
    int screen;

    *s = (standard){ 0 }; /* settings are compared as bytes */
    fflush(stdout);
    s->keyboard = posix_openpt(O_RDWR | O_NOCTTY);
    CU_ASSERT_FATAL(s->keyboard >= 0 && grantpt(s->keyboard) == 0 && unlockpt(s->keyboard) == 0);
    screen = open(ptsname(s->keyboard), O_RDWR | O_NOCTTY);
    CU_ASSERT_FATAL(screen >= 0);
    CU_ASSERT_EQUAL(tcgetattr(screen, &s->settings), 0);
    for (int fd = 0; fd < 2; fd++) {
        s->before[fd] = dup(fd);
        dup2(screen, fd);
    }
    close(screen);
}

static void standard_end(standard *s)
{
    struct termios now = { 0 };

    CU_ASSERT_EQUAL(tcgetattr(STDIN_FILENO, &now), 0);
    CU_ASSERT_EQUAL(memcmp(&now, &s->settings, sizeof(now)), 0);
    for (int fd = 0; fd < 2; fd++) {
        dup2(s->before[fd], fd);
        close(s->before[fd]);
    }
    close(s->keyboard);
}

static void type(standard *s, const char *keys)
{
    CU_ASSERT_EQUAL(write(s->keyboard, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* What is on the screen, once there is as much as expected. The terminal puts a return before each
 * newline. */
static void seen(rig *r, standard *s, const char *expected)
{
    GString *screen = g_string_new(NULL);

    while (screen->len < strlen(expected)) {
        char bytes[1024];
        ssize_t n;

        rig_turn(r);
        n = can_read(s->keyboard) ? read(s->keyboard, bytes, sizeof(bytes)) : 0;
        g_string_append_len(screen, bytes, n);
    }
    CU_ASSERT_STRING_EQUAL(screen->str, expected);
    if (strcmp(screen->str, expected) != 0)
        fprintf(stderr, "on the screen: '%s', not '%s'\n", screen->str, expected);
    g_string_free(screen, TRUE);
}

static rig *terminal_rig(standard *s, const char *ports, uint32_t clients, bool button)
{
    const char *const properties[] = { "ports", ports, NULL };
    rig *r = rig_new("chardev/stdio", properties, clients, PB_THREADS_PARALLEL);
    g_autoptr(GError) error = NULL;
    pb_port_ref port;

    if (button) {
        CU_ASSERT_FATAL(pb_instance_port(r->backend, "power-button", &port, &error));
        CU_ASSERT_FATAL(pb_instance_attach(&port, &rig_button_iface, r, 0, NULL, &error));
    }
    standard_begin(s);
    rig_start(r);
    return r;
}

static void terminal_end(rig *r, standard *s)
{
    rig_finish(r);
    standard_end(s);
    rig_said(r, "");
    rig_free(r);
}

/* Every key but Ctrl-A is the guest's. */
static void keys(void)
{
    standard s;
    rig *r = terminal_rig(&s, "1", 1, false);

    type(&s, "\3\4\32\34\21\23a\r\n\177\1\1");
    RIG_UNTIL(r, r->clients[0].got->len >= 11);
    rig_got(r, 0, "\3\4\32\34\21\23a\r\n\177\1");
    type(&s, "b\1!c"); /* no command */
    RIG_UNTIL(r, r->clients[0].got->len >= 2);
    rig_got(r, 0, "bc");
    rig_write(r, 0, "out\r\n", 5);
    seen(r, &s, "out\r\r\n");
    terminal_end(r, &s);
}

/* The help is of what is there. */
static void help(void)
{
    standard s;
    rig *r = terminal_rig(&s, "1", 1, false);

    type(&s, "\1h");
    seen(r, &s,
         "\r\r\nCtrl-A x       end the run\r\r\n"
         "Ctrl-A h       this help\r\r\n"
         "Ctrl-A b       send a break\r\r\n"
         "Ctrl-A Ctrl-A  send Ctrl-A\r\r\n");
    type(&s, "\1p");
    seen(r, &s, "\r\r\nThis machine has none. Ctrl-A h tells the keys.\r\r\n");
    terminal_end(r, &s);

    r = terminal_rig(&s, "2", 2, true);
    type(&s, "\1?\1h");
    seen(r, &s,
         "\r\r\nCtrl-A x       end the run\r\r\n"
         "Ctrl-A h       this help\r\r\n"
         "Ctrl-A c       send what is typed to the next port\r\r\n"
         "Ctrl-A b       send a break\r\r\n"
         "Ctrl-A p       press the power button\r\r\n"
         "Ctrl-A Ctrl-A  send Ctrl-A\r\r\n");
    terminal_end(r, &s);
}

/* What was typed before a command is the old port's, what comes after it the new one's: also what
 * it did not take yet. */
static void ports(void)
{
    standard s;
    rig *r = terminal_rig(&s, "3", 2, false);

    r->clients[0].room = 2;
    type(&s, "first\1csecond\1bx\1cthird");
    RIG_UNTIL(r, strchr(r->clients[1].got->str, 'x'));
    rig_got(r, 1, "second<break>x");
    rig_got(r, 0, "fi");
    rig_give_room(r, 0, 100);
    RIG_UNTIL(r, g_str_has_suffix(r->clients[0].got->str,
                                  "third")); /* a terminal may give it in pieces */
    rig_got(r, 0, "rstthird");               /* the third port is not connected */
    seen(r, &s, "\r\r\n[input goes to port 1]\r\r\n\r\r\n[input goes to port 0]\r\r\n");
    rig_write(r, 0, "a", 1);
    rig_write(r, 1, "b\r\n", 3);
    seen(r, &s, "ab\r\r\n");
    terminal_end(r, &s);
}

/* Commands come through when the guest takes nothing, however much was typed. */
static void commands_come_through(void)
{
    g_autofree char *text = g_strnfill(3000, 'x');
    standard s;
    rig *r = terminal_rig(&s, "1", 1, false);

    r->clients[0].room = 0;
    for (uint32_t i = 0; i < 4; i++) {
        type(&s, text);
        while (ioctl(STDIN_FILENO, FIONREAD, &(int){ 0 }) == 0 && can_read(STDIN_FILENO))
            rig_turn(r);
    }
    type(&s, "\1x");
    RIG_UNTIL(r, r->powered_off);
    rig_give_room(r, 0, 100000);
    CU_ASSERT_EQUAL(r->clients[0].got->len, 4096); /* the rest was dropped */
    terminal_end(r, &s);
}

static void set_flag(void *opaque)
{
    *(bool *)opaque = true;
}

static void power_button(void)
{
    bool later = false;
    standard s;
    rig *r = terminal_rig(&s, "1", 1, true);

    type(&s, "\1p");
    RIG_UNTIL(r, r->button->len >= 2);
    CU_ASSERT_STRING_EQUAL(r->button->str, "10");
    type(&s, "\1p\1p"); /* the second press does not wait for the first release */
    RIG_UNTIL(r, r->button->len >= 6);
    CU_ASSERT_STRING_EQUAL(r->button->str, "101010");
    type(&s, "\1p");
    RIG_UNTIL(r, r->button->len >= 7);
    rig_finish(r); /* between press and release: nobody is called any more */
    standard_end(&s);
    pb_sched_call_after(r->sched, 100, set_flag, &later); /* behind the release */
    RIG_UNTIL(r, later);
    CU_ASSERT_STRING_EQUAL(r->button->str, "1010101");
    rig_free(r);
}

static void one_holder(void)
{
    standard s;
    rig *r = terminal_rig(&s, "1", 1, false), *other;
    g_autoptr(GError) error = NULL;

    other = rig_new("chardev/stdio", NULL, 1, PB_THREADS_PARALLEL);
    CU_ASSERT(!pb_instance_init(other->backend, &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "serial0: serial0 has standard input and output already: several ports "
                           "share them by one chardev/stdio with 'ports'");
    rig_free(other);
    terminal_end(r, &s);
}

static bool make_folder(void)
{
    return mkdtemp(folder) != NULL;
}

static void remove_folder(void)
{
    g_autofree char *command = g_strdup_printf("rm -r %s", folder);

    if (system(command) != 0)
        printf("cannot remove %s\n", folder);
}

int main(void)
{
    static const unit_case cases[] = {
        { "nested resume", nested_resume },
        { "nested resume of random bytes", nested_random },
        { "a client that takes little", slow_client },
        { "a peer leaves", peer_leaves },
        { "a peer sends no more, and reads", half_closed },
        { "a peer leaves while the guest writes", broken_pipe },
        { "connecting", connects },
        { "connected, never run", never_ran },
        { "a slow reader", slow_reader },
        { "a peer that does not read", no_reader },
        { "a deterministic machine", deterministic },
        { "a pty without a reader", pty_without_reader },
        { "no space", no_space },
        { "a reader leaves", reader_leaves },
        { "keys", keys },
        { "help", help },
        { "several ports", ports },
        { "commands come through", commands_come_through },
        { "power button", power_button },
        { "one holder of the terminal", one_holder },
        { 0 },
    };
    int status;

    if (!make_folder())
        return 2;
    signal(SIGPIPE, SIG_IGN); /* as the command does */
    status = unit_run("chardev", cases);
    remove_folder();
    return status;
}
