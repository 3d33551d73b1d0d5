/*
 * Semihosting: Arm, "Semihosting for AArch32 and AArch64", release 2.0, chapters "Semihosting operations" and
 * "Feature-bits". The operations are a table below.
 *
 * 1. A guest reaches files below one folder only, by openat2() with RESOLVE_IN_ROOT: neither ".." nor links lead out of it, and
 *    absolute names begin there. Without a folder there are none. What is not a regular file is not opened.
 * 2. Handles are numbers of a table here, never descriptors of the host.
 * 3. Waiting for input ends when the processor is wanted elsewhere; the instruction is then executed again.
 * 4. What cannot be read or written of the guest's memory makes a call fail, with EFAULT: there is no exception.
 *
 * Time is the machine's: with --deterministic it is the same in each run.
 *
 * Left out: SYS_SYSTEM, which fails: a guest executes nothing on the host. SYS_HEAPINFO tells that nothing is known: programs are
 * linked with their places.
 */
#include <core/semihosting/semihosting.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_HANDLES 64
#define MOST_NAME    4096
#define MOST_CHUNK   65536
#define WAIT_MS      100 /* until the processor is asked again whether it is wanted */

#define FEATURES_NAME ":semihosting-features"
#define CONSOLE_NAME  ":tt"

/* "SHFB", then bits: SYS_EXIT_EXTENDED is there; ":tt" is standard error too. */
static const uint8_t features[] = { 0x53, 0x48, 0x46, 0x42, 3 };

typedef enum handle_kind { FREE = 0, ON_FILE, ON_CONSOLE, ON_FEATURES } handle_kind;

typedef struct handle {
    handle_kind kind;
    int fd;
    uint64_t at; /* in the features */
} handle;

struct pb_semihosting {
    pb_semihosting_ops ops;
    char *arguments;
    int root; /* descriptor of the folder, -1: none */
    pb_semihosting_exit *exit;
    int (*keep)(void *opaque, int fd); /* null: descriptors stay what they are */
    void *opaque;
    pthread_mutex_t lock; /* of what follows, and held while files are read and written */
    handle handles[MOST_HANDLES];
    int error; /* SYS_ERRNO */
};

/* A call that is being made. */
typedef struct context {
    pb_semihosting *s;
    pb_vcpu *vcpu;
    const pb_semihosting_call *call;
    pb_semihosting_status status;
} context;

#define FAILED (~UINT64_C(0))

static uint64_t fail(context *c, int error)
{
    c->s->error = error;
    return FAILED;
}

/* ---- the guest's memory ------------------------------------------------------------------------------------ */

static bool load(const context *c, uint64_t gva, uint32_t log2, uint64_t *value)
{
    pb_guest_fault fault;
    pb_u128 loaded;

    if (c->vcpu->ops->load(c->vcpu, gva, c->call->attr | PB_MEM_SIZE_LOG2(log2), &loaded, &fault) !=
        PB_MEM_OK)
        return false;
    *value = loaded.lo;
    return true;
}

static bool store(const context *c, uint64_t gva, uint32_t log2, uint64_t value)
{
    const pb_u128 stored = { .lo = value };
    pb_guest_fault fault;

    return c->vcpu->ops->store(c->vcpu, gva, c->call->attr | PB_MEM_SIZE_LOG2(log2), stored,
                               &fault) == PB_MEM_OK;
}

static bool read_bytes(const context *c, uint64_t gva, uint8_t *to, uint64_t n)
{
    uint64_t value;

    for (uint64_t i = 0; i < n; i++) {
        if (!load(c, gva + i, 0, &value))
            return false;
        to[i] = (uint8_t)value;
    }
    return true;
}

static bool write_bytes(const context *c, uint64_t gva, const uint8_t *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!store(c, gva + i, 0, from[i]))
            return false;
    }
    return true;
}

/* Words of the block that the argument points to. */
static bool take(const context *c, uint64_t *words, uint32_t n)
{
    uint32_t bytes = c->call->word_bytes;

    for (uint32_t i = 0; i < n; i++) {
        if (!load(c, c->call->argument + i * bytes, bytes == 8 ? 3 : 2, &words[i]))
            return false;
    }
    return true;
}

/* A text by its address and length; null with the error noted. */
static char *take_text(context *c, uint64_t gva, uint64_t length)
{
    g_autofree char *text = NULL;

    if (length >= MOST_NAME) {
        fail(c, ENAMETOOLONG);
        return NULL;
    }
    text = g_malloc0(length + 1);
    if (!read_bytes(c, gva, (uint8_t *)text, length)) {
        fail(c, EFAULT);
        return NULL;
    }
    return g_steal_pointer(&text);
}

/* ---- files below the folder -------------------------------------------------------------------------------- */

static int open_below(const pb_semihosting *s, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? 0666 : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };

    if (s->root < 0) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_openat2, s->root, name, &how, sizeof(how));
}

/* A regular file; nothing that waits, or is a device. */
static int open_file(const pb_semihosting *s, const char *name, int flags)
{
    int fd = open_below(s, name, flags | O_NONBLOCK | O_NOCTTY);
    struct stat info;

    if (fd >= 0 && (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))) {
        close(fd);
        errno = EACCES;
        return -1;
    }
    return fd >= 0 && s->keep ? s->keep(s->opaque, fd) : fd;
}

/* The folder of a name, and in *last its last part, which is neither "." nor ".." (free it). -1 with errno. */
static int open_parent(const pb_semihosting *s, const char *name, char **last)
{
    g_autofree char *folder = g_path_get_dirname(name);

    *last = g_path_get_basename(name);
    if (!*name || g_str_has_suffix(name, "/") || strcmp(*last, ".") == 0 ||
        strcmp(*last, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    return open_below(s, folder, O_PATH | O_DIRECTORY);
}

/* ---- handles ----------------------------------------------------------------------------------------------- */

/* They begin at 1. */
static handle *find(context *c, uint64_t number)
{
    handle *h = number >= 1 && number <= MOST_HANDLES ? &c->s->handles[number - 1] : NULL;

    if (h && h->kind != FREE)
        return h;
    fail(c, EBADF);
    return NULL;
}

static uint64_t add_handle(context *c, handle_kind kind, int fd)
{
    for (uint32_t i = 0; i < MOST_HANDLES; i++) {
        if (c->s->handles[i].kind == FREE) {
            c->s->handles[i] = (handle){ .kind = kind, .fd = fd };
            return i + 1;
        }
    }
    if (kind == ON_FILE)
        close(fd);
    return fail(c, EMFILE);
}

/* Modes are those of fopen(): r, rb, r+, r+b, then w and a. */
static uint64_t sys_open(context *c)
{
    static const int ways[] = { O_RDONLY,
                                O_RDWR,
                                O_WRONLY | O_CREAT | O_TRUNC,
                                O_RDWR | O_CREAT | O_TRUNC,
                                O_WRONLY | O_CREAT | O_APPEND,
                                O_RDWR | O_CREAT | O_APPEND };
    uint64_t words[3];
    g_autofree char *name = NULL;
    int fd;

    if (!take(c, words, 3))
        return fail(c, EFAULT);
    if (words[1] >= 2 * G_N_ELEMENTS(ways))
        return fail(c, EINVAL);
    name = take_text(c, words[0], words[2]);
    if (!name)
        return FAILED;
    if (strcmp(name, CONSOLE_NAME) == 0)
        return add_handle(c, ON_CONSOLE, (int)words[1] / 4);
    if (strcmp(name, FEATURES_NAME) == 0)
        return words[1] < 2 ? add_handle(c, ON_FEATURES, -1) : fail(c, EACCES);
    fd = open_file(c->s, name, ways[words[1] / 2]);
    return fd < 0 ? fail(c, errno) : add_handle(c, ON_FILE, fd);
}

static uint64_t sys_close(context *c)
{
    uint64_t number = 0;
    handle *h = take(c, &number, 1) ? find(c, number) : NULL;

    if (!h)
        return fail(c, EBADF);
    if (h->kind == ON_FILE)
        close(h->fd);
    h->kind = FREE;
    return 0;
}

static uint64_t sys_istty(context *c)
{
    uint64_t number = 0;
    handle *h = take(c, &number, 1) ? find(c, number) : NULL;

    return h ? h->kind == ON_CONSOLE : fail(c, EBADF);
}

/* ---- reading and writing ----------------------------------------------------------------------------------- */

/* Bytes written. */
static uint64_t write_host(context *c, int fd, const uint8_t *bytes, uint64_t n)
{
    uint64_t done = 0;

    while (done < n) {
        ssize_t now = write(fd, bytes + done, n - done);

        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, WAIT_MS);
            continue;
        }
        if (now <= 0) {
            c->s->error = errno;
            break;
        }
        done += (uint64_t)now;
    }
    return done;
}

/* Result: how many bytes are left over. */
static uint64_t sys_write(context *c)
{
    uint64_t words[3], left;
    g_autofree uint8_t *bytes = g_malloc(MOST_CHUNK);
    const handle *h;

    if (!take(c, words, 3))
        return fail(c, EFAULT);
    left = words[2];
    h = find(c, words[0]);
    while (h && h->kind != ON_FEATURES && left) {
        uint64_t n = MIN(left, MOST_CHUNK), done;

        if (!read_bytes(c, words[1] + (words[2] - left), bytes, n)) {
            c->s->error = EFAULT;
            break;
        }
        done = write_host(c, h->fd, bytes, n);
        left -= done;
        if (done < n)
            break;
    }
    return left;
}

/* Whether there is input; if not, the instruction is made again. Without the lock. */
static bool await_input(context *c)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

    pthread_mutex_unlock(&c->s->lock);
    while (poll(&in, 1, 0) == 0) {
        if (__atomic_load_n(&c->vcpu->exit_request, __ATOMIC_SEQ_CST)) {
            c->status = PB_SEMIHOSTING_AGAIN;
            break;
        }
        poll(&in, 1, WAIT_MS);
    }
    pthread_mutex_lock(&c->s->lock);
    return c->status == PB_SEMIHOSTING_DONE;
}

static ssize_t read_handle(context *c, handle *h, uint8_t *bytes, uint64_t n)
{
    uint64_t rest;

    switch (h->kind) {
    case ON_FEATURES:
        rest = MIN(n, sizeof(features) - h->at);
        memcpy(bytes, features + h->at, rest);
        h->at += rest;
        return (ssize_t)rest;
    case ON_CONSOLE:
        return h->fd == STDIN_FILENO && await_input(c) ? read(STDIN_FILENO, bytes, n) : 0;
    default:
        return read(h->fd, bytes, n);
    }
}

/* Result: how many bytes were not read. */
static uint64_t sys_read(context *c)
{
    uint64_t words[3], left;
    g_autofree uint8_t *bytes = g_malloc(MOST_CHUNK);
    handle *h;

    if (!take(c, words, 3))
        return fail(c, EFAULT);
    left = words[2];
    h = find(c, words[0]);
    while (h && left) {
        ssize_t n = read_handle(c, h, bytes, MIN(left, MOST_CHUNK));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            c->s->error = errno;
        if (n <= 0)
            break;
        if (!write_bytes(c, words[1] + (words[2] - left), bytes, (uint64_t)n)) {
            c->s->error = EFAULT;
            break;
        }
        left -= (uint64_t)n;
        if (h->kind == ON_CONSOLE) /* a line */
            break;
    }
    return left;
}

static uint64_t sys_writec(context *c)
{
    uint8_t byte;

    if (read_bytes(c, c->call->argument, &byte, 1))
        write_host(c, STDOUT_FILENO, &byte, 1);
    return 0;
}

static uint64_t sys_write0(context *c)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t byte = 0;

    for (uint64_t at = c->call->argument; text->len < (1u << 20) && load(c, at, 0, &byte) && byte;
         at++)
        g_string_append_c(text, (char)byte);
    write_host(c, STDOUT_FILENO, (const uint8_t *)text->str, text->len);
    return 0;
}

static uint64_t sys_readc(context *c)
{
    uint8_t byte = 0;

    if (!await_input(c))
        return 0;
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : FAILED;
}

static uint64_t sys_seek(context *c)
{
    uint64_t words[2];
    handle *h = take(c, words, 2) ? find(c, words[0]) : NULL;

    if (!h || h->kind == ON_CONSOLE)
        return fail(c, h ? ESPIPE : EBADF);
    if (h->kind == ON_FEATURES) {
        h->at = MIN(words[1], sizeof(features));
        return 0;
    }
    return words[1] > INT64_MAX || lseek(h->fd, (off_t)words[1], SEEK_SET) < 0 ? fail(c, EINVAL)
                                                                               : 0;
}

static uint64_t sys_flen(context *c)
{
    uint64_t number = 0;
    handle *h = take(c, &number, 1) ? find(c, number) : NULL;
    struct stat info;

    if (!h)
        return fail(c, EBADF);
    if (h->kind == ON_FEATURES)
        return sizeof(features);
    return h->kind == ON_FILE && fstat(h->fd, &info) == 0 ? (uint64_t)info.st_size
                                                          : fail(c, EINVAL);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

static uint64_t sys_remove(context *c)
{
    uint64_t words[2];
    g_autofree char *name = take(c, words, 2) ? take_text(c, words[0], words[1]) : NULL;
    g_autofree char *last = NULL;
    int folder = name ? open_parent(c->s, name, &last) : -1;
    int done = folder < 0 ? -1 : unlinkat(folder, last, 0), error = errno;

    if (folder >= 0)
        close(folder);
    return done < 0 ? fail(c, name ? error : EFAULT) : 0;
}

static uint64_t sys_rename(context *c)
{
    uint64_t words[4];
    bool taken = take(c, words, 4);
    g_autofree char *from = taken ? take_text(c, words[0], words[1]) : NULL;
    g_autofree char *to = from ? take_text(c, words[2], words[3]) : NULL;
    g_autofree char *from_last = NULL;
    g_autofree char *to_last = NULL;
    int from_folder = to ? open_parent(c->s, from, &from_last) : -1;
    int to_folder = from_folder >= 0 ? open_parent(c->s, to, &to_last) : -1;
    int done = to_folder < 0 ? -1 : renameat(from_folder, from_last, to_folder, to_last);
    int error = errno;

    if (from_folder >= 0)
        close(from_folder);
    if (to_folder >= 0)
        close(to_folder);
    return done < 0 ? fail(c, to ? error : EFAULT) : 0;
}

/* A name for a temporary file, the same for the same number. */
static uint64_t sys_tmpnam(context *c)
{
    uint64_t words[3];
    char name[16];

    if (!take(c, words, 3))
        return fail(c, EFAULT);
    g_snprintf(name, sizeof(name), "tmp%03u", (unsigned)(words[1] & 255));
    if (words[2] <= strlen(name))
        return fail(c, ERANGE);
    return write_bytes(c, words[0], (const uint8_t *)name, strlen(name) + 1) ? 0 : fail(c, EFAULT);
}

/* ---- time, and the rest ------------------------------------------------------------------------------------ */

static uint64_t sys_clock(context *c)
{
    return pb_clock_now_ns(c->vcpu->ops->clock(c->vcpu)) / 10000000; /* hundredths of a second */
}

static uint64_t sys_time(context *c)
{
    return (uint64_t)pb_clock_wall_s(c->vcpu->ops->clock(c->vcpu));
}

/* Ticks are nanoseconds; always 64 bits of them. */
static uint64_t sys_elapsed(context *c)
{
    uint64_t now = pb_clock_now_ns(c->vcpu->ops->clock(c->vcpu));
    uint64_t at = c->call->argument;

    if (c->call->word_bytes == 8)
        return store(c, at, 3, now) ? 0 : fail(c, EFAULT);
    return store(c, at, 2, (uint32_t)now) && store(c, at + 4, 2, now >> 32) ? 0 : fail(c, EFAULT);
}

static uint64_t sys_tickfreq(context *c)
{
    return 1000000000;
}

static uint64_t sys_system(context *c)
{
    return fail(c, EPERM);
}

static uint64_t sys_errno(context *c)
{
    return (uint64_t)c->s->error;
}

static uint64_t sys_iserror(context *c)
{
    uint64_t word = 0;

    if (!take(c, &word, 1))
        return fail(c, EFAULT);
    return c->call->word_bytes == 8 ? (int64_t)word < 0 : (int32_t)word < 0;
}

static uint64_t sys_get_cmdline(context *c)
{
    uint32_t bytes = c->call->word_bytes;
    uint64_t words[2], length = strlen(c->s->arguments);

    if (!take(c, words, 2))
        return fail(c, EFAULT);
    if (words[1] <= length)
        return fail(c, E2BIG);
    return write_bytes(c, words[0], (const uint8_t *)c->s->arguments, length + 1) &&
                   store(c, c->call->argument + bytes, bytes == 8 ? 3 : 2, length)
               ? 0
               : fail(c, EFAULT);
}

/* Base and limit of heap and stack: nothing is known. */
static uint64_t sys_heapinfo(context *c)
{
    uint32_t bytes = c->call->word_bytes;
    uint64_t block;

    if (!take(c, &block, 1))
        return fail(c, EFAULT);
    for (uint32_t i = 0; i < 4; i++) {
        if (!store(c, block + i * bytes, bytes == 8 ? 3 : 2, 0))
            return fail(c, EFAULT);
    }
    return 0;
}

#define APPLICATION_EXIT 0x20026

static uint64_t end(context *c, uint64_t reason, uint64_t status)
{
    c->s->exit(c->s->opaque, c->vcpu, reason == APPLICATION_EXIT ? (int)(status & 255) : 1);
    c->status = PB_SEMIHOSTING_ENDED;
    return 0;
}

static uint64_t sys_exit_extended(context *c)
{
    uint64_t words[2];

    return take(c, words, 2) ? end(c, words[0], words[1]) : end(c, 0, 0);
}

/* With 64 bits it is the same; with 32 the reason is the argument, and there is no status. */
static uint64_t sys_exit(context *c)
{
    return c->call->word_bytes == 8 ? sys_exit_extended(c) : end(c, c->call->argument, 0);
}

/* ---- the table --------------------------------------------------------------------------------------------- */

static const struct {
    uint32_t number;
    uint64_t (*make)(context *c);
} operations[] = {
    { 0x01, sys_open },          { 0x02, sys_close },    { 0x03, sys_writec },
    { 0x04, sys_write0 },        { 0x05, sys_write },    { 0x06, sys_read },
    { 0x07, sys_readc },         { 0x08, sys_iserror },  { 0x09, sys_istty },
    { 0x0a, sys_seek },          { 0x0c, sys_flen },     { 0x0d, sys_tmpnam },
    { 0x0e, sys_remove },        { 0x0f, sys_rename },   { 0x10, sys_clock },
    { 0x11, sys_time },          { 0x12, sys_system },   { 0x13, sys_errno },
    { 0x15, sys_get_cmdline },   { 0x16, sys_heapinfo }, { 0x18, sys_exit },
    { 0x20, sys_exit_extended }, { 0x30, sys_elapsed },  { 0x31, sys_tickfreq },
};

static pb_semihosting_status make_call(void *opaque, pb_vcpu *vcpu, const pb_semihosting_call *call,
                                       uint64_t *result)
{
    context c = { .s = opaque, .vcpu = vcpu, .call = call };

    pthread_mutex_lock(&c.s->lock);
    *result = FAILED;
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (operations[i].number == call->operation) {
            *result = operations[i].make(&c);
            break;
        }
    }
    pthread_mutex_unlock(&c.s->lock);
    return c.status;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

static bool open_root(pb_semihosting *s, const char *folder, GError **error)
{
    s->root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->root >= 0)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "--semihosting: root %s: %s", folder, g_strerror(errno));
    return false;
}

static bool parse(pb_semihosting *s, const char *spec, GError **error)
{
    while (spec && *spec) {
        const char *end_of_word = strchrnul(spec, ',');
        g_autofree char *word = g_strndup(spec, (gsize)(end_of_word - spec));

        if (g_str_has_prefix(spec, "args=")) {
            g_free(s->arguments);
            s->arguments = g_strdup(spec + strlen("args="));
            return true;
        }
        if (!g_str_has_prefix(word, "root=") || s->root >= 0) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "--semihosting: '%s' is not root=FOLDER or args=TEXT", word);
            return false;
        }
        if (!open_root(s, word + strlen("root="), error))
            return false;
        spec = *end_of_word ? end_of_word + 1 : end_of_word;
    }
    return true;
}

pb_semihosting *pb_semihosting_new(const char *spec, const char *arguments,
                                   pb_semihosting_exit *exit_guest, void *opaque, GError **error)
{
    pb_semihosting *s = g_new0(pb_semihosting, 1);

    s->ops = (pb_semihosting_ops){ .size = sizeof(s->ops), .opaque = s, .call = make_call };
    s->root = -1;
    s->exit = exit_guest;
    s->opaque = opaque;
    s->arguments = g_strdup(arguments ? arguments : "");
    pthread_mutex_init(&s->lock, NULL);
    if (parse(s, spec, error))
        return s;
    pb_semihosting_free(s);
    return NULL;
}

void pb_semihosting_keep_by(pb_semihosting *s, int (*keep)(void *opaque, int fd))
{
    s->keep = keep;
}

void pb_semihosting_free(pb_semihosting *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < MOST_HANDLES; i++) {
        if (s->handles[i].kind == ON_FILE)
            close(s->handles[i].fd);
    }
    if (s->root >= 0)
        close(s->root);
    pthread_mutex_destroy(&s->lock);
    g_free(s->arguments);
    g_free(s);
}

const pb_semihosting_ops *pb_semihosting_ops_of(const pb_semihosting *s)
{
    return &s->ops;
}
