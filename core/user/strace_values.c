/*
 * How --strace shows values: numbers by their names, texts, structures. The forms are those of strace(1).
 *
 * Structures that are the same on all little-endian LP64 architectures are read as the host's; others by the architecture's
 * layout. What cannot be read, and what a call that failed did not fill in, is shown as its address.
 */
#include <core/user/strace.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#define MOST_BYTES   32 /* of a text */
#define MOST_PATH    4096
#define MOST_MEMBERS 32 /* of a list */

typedef pb_strace_view view;
typedef pb_strace_shape shape;

static void add(view *v, const char *text)
{
    g_string_append(v->text, text);
}

static G_GNUC_PRINTF(2, 3) void print(view *v, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(v->text, format, args);
    va_end(args);
}

static bool get(const view *v, uint64_t gva, void *to, uint64_t bytes)
{
    return pb_user_space_read(v->t->user->space, gva, to, bytes);
}

/* An address that is not followed. */
static void show_address(view *v, uint64_t value)
{
    if (value)
        print(v, "%#" G_GINT64_MODIFIER "x", value);
    else
        add(v, "NULL");
}

static bool failed(const view *v)
{
    return v->after && v->result < 0;
}

/* Read a structure, or show its address: then false. */
static bool take(view *v, const shape *s, uint64_t gva, void *to, uint64_t bytes)
{
    if (gva && !(s->out && failed(v)) && get(v, gva, to, bytes))
        return true;
    show_address(v, gva);
    return false;
}

/* ---- numbers --------------------------------------------------------------------------------------------- */

void pb_strace_bits(GString *text, const pb_strace_name *names, uint64_t value, const char *unknown)
{
    gsize start = text->len;

    for (const pb_strace_name *n = names; n->name; n++) {
        if (n->value == value && value == 0) {
            g_string_append(text, n->name);
            return;
        }
        if (n->value && (value & n->value) == n->value) {
            g_string_append_printf(text, "%s%s", text->len > start ? "|" : "", n->name);
            value &= ~n->value;
        }
    }
    if (value == 0 && text->len > start)
        return;
    if (text->len > start)
        g_string_append_printf(text, "|%#" G_GINT64_MODIFIER "x", value);
    else if (unknown && value)
        g_string_append_printf(text, "%#" G_GINT64_MODIFIER "x /* %s */", value, unknown);
    else
        g_string_append_printf(text, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
}

void pb_strace_number(GString *text, const pb_strace_name *names, uint64_t value,
                      const char *unknown)
{
    for (const pb_strace_name *n = names; n->name; n++) {
        if (n->value == value) {
            g_string_append(text, n->name);
            return;
        }
    }
    g_string_append_printf(text, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
    if (unknown)
        g_string_append_printf(text, " /* %s */", unknown);
}

void pb_strace_show_bits(view *v, const shape *s, uint64_t value)
{
    pb_strace_bits(v->text, s->names, (uint32_t)value, s->unknown);
}

void pb_strace_show_number(view *v, const shape *s, uint64_t value)
{
    pb_strace_number(v->text, s->names, (uint32_t)value, s->unknown);
}

static void show_d(view *v, const shape *s, uint64_t value)
{
    print(v, "%d", (int32_t)value);
}

static void show_ld(view *v, const shape *s, uint64_t value)
{
    print(v, "%" G_GINT64_FORMAT, (int64_t)value);
}

static void show_u(view *v, const shape *s, uint64_t value)
{
    print(v, "%u", (uint32_t)value);
}

static void show_lu(view *v, const shape *s, uint64_t value)
{
    print(v, "%" G_GUINT64_FORMAT, value);
}

static void show_x(view *v, const shape *s, uint64_t value)
{
    print(v, value ? "%#" G_GINT64_MODIFIER "x" : "0", value);
}

static void show_pointer(view *v, const shape *s, uint64_t value)
{
    show_address(v, value);
}

static void show_mode(view *v, const shape *s, uint64_t value)
{
    print(v, "%#03o", (uint32_t)value);
}

static void show_dirfd(view *v, const shape *s, uint64_t value)
{
    if ((int32_t)value == AT_FDCWD)
        add(v, "AT_FDCWD");
    else
        print(v, "%d", (int32_t)value);
}

static void show_nothing(view *v, const shape *s, uint64_t value)
{
    v->skip = true;
}

const pb_strace_shape pb_shape_d = { show_d }, pb_shape_ld = { show_ld }, pb_shape_u = { show_u },
                      pb_shape_lu = { show_lu }, pb_shape_x = { show_x },
                      pb_shape_pointer = { show_pointer }, pb_shape_mode = { show_mode },
                      pb_shape_fd = { show_d }, pb_shape_dirfd = { show_dirfd },
                      pb_shape_nothing = { show_nothing };

/* ---- texts ----------------------------------------------------------------------------------------------- */

static void add_octal(GString *text, uint8_t byte, bool digit_follows)
{
    g_string_append_printf(text, digit_follows ? "\\%03o" : "\\%o", byte);
}

void pb_strace_quote(GString *text, const uint8_t *bytes, uint64_t n, bool cut, bool hex)
{
    static const char escapes[] = { ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v', ['\f'] = 'f',
                                    ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };

    g_string_append_c(text, '"');
    for (uint64_t i = 0; i < n; i++) {
        uint8_t c = bytes[i];

        if (hex)
            g_string_append_printf(text, "\\x%02x", c);
        else if (c < sizeof(escapes) && escapes[c])
            g_string_append_printf(text, "\\%c", escapes[c]);
        else if (c >= ' ' && c < 0x7f)
            g_string_append_c(text, (char)c);
        else
            add_octal(text, c, i + 1 < n && g_ascii_isdigit(bytes[i + 1]));
    }
    g_string_append(text, cut ? "\"..." : "\"");
}

static void show_bytes(view *v, uint64_t gva, uint64_t n, bool hex)
{
    uint8_t bytes[MOST_BYTES];
    uint64_t shown = MIN(n, MOST_BYTES);

    if (gva && get(v, gva, bytes, shown))
        pb_strace_quote(v->text, bytes, shown, n > shown, hex);
    else
        show_address(v, gva);
}

/* A text that ends with 0: `most` bytes of it. */
static void show_string(view *v, uint64_t gva, uint64_t most)
{
    uint64_t reach = pb_user_space_reach(v->t->user->space, gva, most + 1, PB_PROT_READ), length;
    g_autofree uint8_t *bytes = g_malloc0(most + 1);

    if (!gva || !reach || !get(v, gva, bytes, reach)) {
        show_address(v, gva);
        return;
    }
    length = strnlen((const char *)bytes, reach);
    if (length == reach && reach <= most) /* it runs out of what is mapped */
        show_address(v, gva);
    else
        pb_strace_quote(v->text, bytes, MIN(length, most), length > most, false);
}

static void show_path(view *v, const shape *s, uint64_t value)
{
    show_string(v, value, MOST_PATH - 1);
}

static void show_text(view *v, const shape *s, uint64_t value)
{
    show_string(v, value, MOST_BYTES);
}

static void show_in(view *v, const shape *s, uint64_t value)
{
    show_bytes(v, value, v->a[s->count], false);
}

static void show_out(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        show_bytes(v, value, (uint64_t)v->result, false);
}

static void show_out_hex(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        show_bytes(v, value, (uint64_t)v->result, true);
}

static void show_out_text(view *v, const shape *s, uint64_t value)
{
    if (failed(v))
        show_address(v, value);
    else
        show_string(v, value, MOST_PATH - 1);
}

static void show_entries(view *v, const shape *s, uint64_t value)
{
    uint64_t n = 0;
    uint16_t length;

    show_address(v, value);
    if (failed(v))
        return;
    for (uint64_t at = 0; at + 19 <= (uint64_t)v->result; at += length, n++) {
        if (!get(v, value + at + 16, &length, sizeof(length)) || length < 19)
            return;
    }
    print(v, " /* %" G_GUINT64_FORMAT " entries */", n);
}

static void show_strings(view *v, const shape *s, uint64_t value)
{
    uint64_t at = 0;
    const char *separator = "[";

    for (unsigned i = 0;; i++, value += 8) {
        if (!value || !get(v, value, &at, sizeof(at))) {
            if (i == 0) {
                show_address(v, value);
                return;
            }
            break;
        }
        if (at == 0 || i == MOST_MEMBERS) {
            add(v, at ? ", ..." : i ? "" : "[");
            break;
        }
        add(v, separator);
        separator = ", ";
        show_string(v, at, MOST_BYTES);
    }
    add(v, "]");
}

static void show_environment(view *v, const shape *s, uint64_t value)
{
    uint64_t n = 0, at;

    show_address(v, value);
    if (!value)
        return;
    while (n < 131072 && get(v, value + 8 * n, &at, sizeof(at)) && at)
        n++;
    print(v, " /* %" G_GUINT64_FORMAT " var%s */", n, n == 1 ? "" : "s");
}

void pb_strace_texts(GString *text, const char *const *texts)
{
    g_string_append_c(text, '[');
    for (unsigned i = 0; texts[i]; i++) {
        size_t n = strlen(texts[i]);

        g_string_append(text, i ? ", " : "");
        if (i == MOST_MEMBERS) {
            g_string_append(text, "...");
            break;
        }
        pb_strace_quote(text, (const uint8_t *)texts[i], MIN(n, MOST_BYTES), n > MOST_BYTES, false);
    }
    g_string_append_c(text, ']');
}

const pb_strace_shape pb_shape_path = { show_path }, pb_shape_text = { show_text },
                      pb_shape_in1 = { show_in, .count = 2 },
                      pb_shape_in2 = { show_in, .count = 3 }, pb_shape_out = { show_out, true },
                      pb_shape_out_hex = { show_out_hex, true },
                      pb_shape_out_text = { show_out_text, true },
                      pb_shape_entries = { show_entries, true },
                      pb_shape_strings = { show_strings },
                      pb_shape_environment = { show_environment };

/* ---- files ----------------------------------------------------------------------------------------------- */

static void add_open_flags(view *v, uint64_t flags)
{
    static const char *const ways[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };
    const pb_user_open_flags *f = &v->t->user->arch->open_flags;
    const pb_strace_name own[] = { { f->direct, "O_DIRECT" },
                                   { f->largefile, "O_LARGEFILE" },
                                   { f->nofollow, "O_NOFOLLOW" },
                                   { f->directory, "O_DIRECTORY" },
                                   { 0, NULL } };
    uint64_t all = f->direct | f->largefile | f->nofollow | f->directory;
    uint64_t temporary = 020000000;

    add(v, ways[flags & 3]);
    flags &= ~UINT64_C(3);
    if ((flags & temporary) && (flags & f->directory)) {
        flags &= ~(temporary | f->directory);
        add(v, "|O_TMPFILE");
    }
    if (flags & ~all) {
        add(v, "|");
        pb_strace_bits(v->text, pb_names_open, flags & ~all, NULL);
    }
    if (flags & all) {
        add(v, "|");
        pb_strace_bits(v->text, own, flags & all, NULL);
    }
}

static void show_open_flags(view *v, const shape *s, uint64_t value)
{
    add_open_flags(v, (uint32_t)value);
}

/* The last argument of openat(), behind its flags: only if a file may be made. */
static void show_open_mode(view *v, const shape *s, uint64_t value)
{
    v->skip = (v->a[2] & (O_CREAT | 020000000)) == 0;
    show_mode(v, s, value);
}

static void add_file_mode(view *v, uint32_t mode)
{
    pb_strace_number(v->text, pb_names_file_type, mode & S_IFMT, "S_IF???");
    add(v, mode & S_ISUID ? "|S_ISUID" : "");
    add(v, mode & S_ISGID ? "|S_ISGID" : "");
    add(v, mode & S_ISVTX ? "|S_ISVTX" : "");
    print(v, "|%#03o", mode & 0777);
}

static void add_device(view *v, unsigned major_number, unsigned minor_number)
{
    print(v, "makedev(%#x, %#x)", major_number, minor_number);
}

static void show_stat(view *v, const shape *s, uint64_t value)
{
    struct stat info;

    if (failed(v) || pb_user_get(v->t->user, value, PB_USER_STAT, &info) < 0) {
        show_address(v, value);
        return;
    }
    add(v, "{st_mode=");
    add_file_mode(v, info.st_mode);
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
        add(v, ", st_rdev=");
        add_device(v, major(info.st_rdev), minor(info.st_rdev));
    } else {
        print(v, ", st_size=%" G_GINT64_FORMAT, (int64_t)info.st_size);
    }
    add(v, ", ...}");
}

static void show_statx(view *v, const shape *s, uint64_t value)
{
    struct statx info;

    if (!take(v, s, value, &info, sizeof(info)))
        return;
    add(v, "{stx_mask=");
    pb_strace_bits(v->text, pb_names_statx_mask, info.stx_mask, "STATX_???");
    print(v, ", stx_attributes=%s", info.stx_attributes ? "" : "0");
    if (info.stx_attributes)
        print(v, "%#" G_GINT64_MODIFIER "x", (uint64_t)info.stx_attributes);
    add(v, ", stx_mode=");
    add_file_mode(v, info.stx_mode);
    print(v, ", stx_size=%" G_GUINT64_FORMAT ", ...}", (uint64_t)info.stx_size);
}

static void show_statfs(view *v, const shape *s, uint64_t value)
{
    struct statfs info;

    if (take(v, s, value, &info, sizeof(info)))
        print(v,
              "{f_type=%#lx, f_bsize=%ld, f_blocks=%lu, f_bfree=%lu, f_bavail=%lu, f_files=%lu, "
              "f_ffree=%lu, ...}",
              (unsigned long)info.f_type, (long)info.f_bsize, (unsigned long)info.f_blocks,
              (unsigned long)info.f_bfree, (unsigned long)info.f_bavail,
              (unsigned long)info.f_files, (unsigned long)info.f_ffree);
}

static void show_fds(view *v, const shape *s, uint64_t value)
{
    int fds[2];

    if (take(v, s, value, fds, sizeof(fds)))
        print(v, "[%d, %d]", fds[0], fds[1]);
}

static void show_out_int(view *v, const shape *s, uint64_t value)
{
    int n;

    if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%d]", n);
}

static void show_offset(view *v, const shape *s, uint64_t value)
{
    int64_t n;

    if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%" G_GINT64_FORMAT "]", n);
}

const pb_strace_shape pb_shape_open_flags = { show_open_flags },
                      pb_shape_open_mode = { show_open_mode }, pb_shape_stat = { show_stat, true },
                      pb_shape_statx = { show_statx, true },
                      pb_shape_out_statfs = { show_statfs, true },
                      pb_shape_fds = { show_fds, true }, pb_shape_out_int = { show_out_int, true },
                      pb_shape_in_offset = { show_offset },
                      pb_shape_out_offset = { show_offset, true };

/* ---- descriptors ----------------------------------------------------------------------------------------- */

static void show_fcntl(view *v, const shape *s, uint64_t value)
{
    struct flock lock;

    switch ((int)v->a[1]) {
    case F_GETFD:
    case F_GETFL:
    case F_GETOWN:
    case F_GETSIG:
    case F_GETLEASE:
    case F_GETPIPE_SZ:
    case F_GET_SEALS:
        v->skip = true;
        break;
    case F_SETFD:
        pb_strace_bits(v->text, pb_names_fd_flags, value, "FD_???");
        break;
    case F_SETFL:
        add_open_flags(v, (uint32_t)value);
        break;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
    case F_SETOWN:
    case F_SETPIPE_SZ:
        print(v, "%d", (int)value);
        break;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        if (!take(v, s, value, &lock, sizeof(lock)))
            break;
        add(v, "{l_type=");
        pb_strace_number(v->text, pb_names_lock, (uint16_t)lock.l_type, "F_???");
        add(v, ", l_whence=");
        pb_strace_number(v->text, pb_names_whence, (uint16_t)lock.l_whence, "SEEK_???");
        print(v, ", l_start=%" G_GINT64_FORMAT ", l_len=%" G_GINT64_FORMAT "%s",
              (int64_t)lock.l_start, (int64_t)lock.l_len, v->after ? "" : "}");
        if (v->after)
            print(v, ", l_pid=%d}", lock.l_pid);
        break;
    default:
        show_x(v, s, value);
    }
}

void pb_strace_meaning_fcntl(pb_strace_view *v)
{
    if ((int)v->a[1] == F_GETFL) {
        add(v, " (flags ");
        add_open_flags(v, (uint64_t)v->result);
        add(v, ")");
    } else if ((int)v->a[1] == F_GETFD && v->result > 0) {
        add(v, " (flags ");
        pb_strace_bits(v->text, pb_names_fd_flags, (uint64_t)v->result, "FD_???");
        add(v, ")");
    }
}

static void add_termios(view *v, uint64_t gva)
{
    static const pb_strace_name speeds[] = {
        { B0, "B0" },         { B9600, "B9600" },     { B19200, "B19200" }, { B38400, "B38400" },
        { B57600, "B57600" }, { B115200, "B115200" }, { 0, NULL },
    };
    struct {
        uint32_t i, o, c, l;
    } modes;

    if (!get(v, gva, &modes, sizeof(modes))) {
        show_address(v, gva);
        return;
    }
    add(v, "{");
    pb_strace_number(v->text, speeds, modes.c & CBAUD, "B???");
    print(v, " %sopost %sisig %sicanon %secho ...}", modes.o & OPOST ? "" : "-",
          modes.l & ISIG ? "" : "-", modes.l & ICANON ? "" : "-", modes.l & ECHO ? "" : "-");
}

/* The argument of ioctl(); what the kernel fills in is known by the request. */
static void show_ioctl(view *v, const shape *s, uint64_t value)
{
    struct winsize size;
    int n;

    if (failed(v)) {
        show_address(v, value);
        return;
    }
    switch ((uint32_t)v->a[1]) {
    case TCGETS:
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        add_termios(v, value);
        break;
    case TIOCGWINSZ:
    case TIOCSWINSZ:
        if (get(v, value, &size, sizeof(size)))
            print(v, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", size.ws_row, size.ws_col,
                  size.ws_xpixel, size.ws_ypixel);
        else
            show_address(v, value);
        break;
    case FIONREAD:
    case FIONBIO:
    case FIOASYNC:
    case TIOCGPGRP:
    case TIOCSPGRP:
    case TIOCGSID:
    case TIOCOUTQ:
    case TIOCGPTN:
    case TIOCSPTLCK:
        if (get(v, value, &n, sizeof(n)))
            print(v, "[%d]", n);
        else
            show_address(v, value);
        break;
    case FIOCLEX:
    case FIONCLEX:
    case TIOCEXCL:
    case TIOCNXCL:
    case TIOCNOTTY:
        v->skip = true;
        break;
    default:
        show_x(v, s, value);
    }
}

static void add_poll(view *v, uint64_t gva, uint64_t count, bool results)
{
    const char *separator = "";

    add(v, "[");
    for (uint64_t i = 0, shown = 0; i < count; i++) {
        struct pollfd one;

        if (!get(v, gva + i * sizeof(one), &one, sizeof(one)))
            break;
        if (results && !one.revents)
            continue;
        add(v, separator);
        if (shown++ == MOST_MEMBERS) {
            add(v, "...");
            break;
        }
        print(v, "{fd=%d", one.fd);
        if (results || one.fd >= 0) {
            add(v, results ? ", revents=" : ", events=");
            pb_strace_bits(v->text, pb_names_poll, (uint16_t)(results ? one.revents : one.events),
                           "POLL???");
        }
        add(v, "}");
        separator = ", ";
    }
    add(v, "]");
}

static void show_poll(view *v, const shape *s, uint64_t value)
{
    if (value)
        add_poll(v, value, v->a[1], false);
    else
        add(v, "NULL");
}

/* What is left of a time at the end of ppoll() and pselect6(). */
static void add_left(view *v, uint64_t gva)
{
    struct timespec left;

    if (gva && get(v, gva, &left, sizeof(left)))
        print(v, ", left {tv_sec=%ld, tv_nsec=%ld}", (long)left.tv_sec, left.tv_nsec);
}

void pb_strace_meaning_poll(pb_strace_view *v)
{
    if (v->result == 0) {
        add(v, " (Timeout)");
        return;
    }
    add(v, " (");
    add_poll(v, v->a[0], v->a[1], true);
    add_left(v, v->a[2]);
    add(v, ")");
}

static void add_fd_set(view *v, uint64_t gva, uint64_t n)
{
    const char *separator = "";

    add(v, "[");
    for (uint64_t i = 0; i < MIN(n, 1024); i++) {
        uint8_t byte;

        if (get(v, gva + i / 8, &byte, 1) && (byte >> (i % 8) & 1)) {
            print(v, "%s%d", separator, (int)i);
            separator = " ";
        }
    }
    add(v, "]");
}

static void show_fd_set(view *v, const shape *s, uint64_t value)
{
    if (value)
        add_fd_set(v, value, v->a[0]);
    else
        add(v, "NULL");
}

void pb_strace_meaning_select(pb_strace_view *v)
{
    static const char *const names[] = { "in", "out", "except" };
    const char *separator = "";

    if (v->result == 0) {
        add(v, " (Timeout)");
        return;
    }
    add(v, " (");
    for (unsigned i = 0; i < 3; i++) {
        GString *text = v->text;
        g_autoptr(GString) set = g_string_new(NULL);

        if (!v->a[1 + i])
            continue;
        v->text = set;
        add_fd_set(v, v->a[1 + i], v->a[0]);
        v->text = text;
        if (strcmp(set->str, "[]") == 0)
            continue;
        print(v, "%s%s %s", separator, names[i], set->str);
        separator = ", ";
    }
    add_left(v, v->a[4]);
    add(v, ")");
}

static void add_epoll(view *v, uint64_t gva)
{
    struct epoll_event event;

    if (!gva || pb_user_get(v->t->user, gva, PB_USER_EPOLL_EVENT, &event) < 0) {
        show_address(v, gva);
        return;
    }
    add(v, "{events=");
    pb_strace_bits(v->text, pb_names_epoll, event.events, "EPOLL???");
    print(v, ", data={u32=%u, u64=%" G_GUINT64_FORMAT "}}", event.data.u32,
          (uint64_t)event.data.u64);
}

static void show_epoll(view *v, const shape *s, uint64_t value)
{
    add_epoll(v, value);
}

static void show_epoll_events(view *v, const shape *s, uint64_t value)
{
    uint32_t bytes = pb_user_struct_bytes(v->t->user, PB_USER_EPOLL_EVENT);

    if (failed(v)) {
        show_address(v, value);
        return;
    }
    add(v, "[");
    for (int64_t i = 0; i < v->result; i++) {
        add(v, i ? ", " : "");
        if (i == MOST_MEMBERS) {
            add(v, "...");
            break;
        }
        add_epoll(v, value + (uint64_t)i * bytes);
    }
    add(v, "]");
}

const pb_strace_shape pb_shape_fcntl = { show_fcntl }, pb_shape_ioctl = { show_ioctl },
                      pb_shape_out_ioctl = { show_ioctl, true }, pb_shape_pollfd = { show_poll },
                      pb_shape_fdset = { show_fd_set }, pb_shape_epoll_event = { show_epoll },
                      pb_shape_out_epoll_events = { show_epoll_events, true };

/* ---- buffers --------------------------------------------------------------------------------------------- */

/* `left`: how many bytes of them there are. */
static void add_iovec(view *v, uint64_t gva, uint64_t count, uint64_t left)
{
    add(v, "[");
    for (uint64_t i = 0; i < count; i++) {
        struct iovec one;

        add(v, i ? ", " : "");
        if (i == MOST_MEMBERS || !get(v, gva + i * sizeof(one), &one, sizeof(one))) {
            add(v, "...");
            break;
        }
        add(v, "{iov_base=");
        show_bytes(v, (uint64_t)(uintptr_t)one.iov_base, MIN(left, one.iov_len), false);
        print(v, ", iov_len=%zu}", one.iov_len);
        left -= MIN(left, one.iov_len);
    }
    add(v, "]");
}

static void show_iovec(view *v, const shape *s, uint64_t value)
{
    if (!value || failed(v))
        show_address(v, value);
    else
        add_iovec(v, value, v->a[2], s->out ? (uint64_t)v->result : UINT64_MAX);
}

/* ---- sockets --------------------------------------------------------------------------------------------- */

static void add_sockaddr(view *v, uint64_t gva, uint64_t bytes)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_nl nl;
        uint8_t bytes[sizeof(struct sockaddr_storage)];
    } address = { .bytes = { 0 } };
    char text[INET6_ADDRSTRLEN];
    uint64_t length;

    bytes = MIN(bytes, sizeof(address));
    if (!gva || bytes < sizeof(address.any.sa_family) || !get(v, gva, &address, bytes)) {
        show_address(v, gva);
        return;
    }
    add(v, "{sa_family=");
    pb_strace_number(v->text, pb_names_family, address.any.sa_family, "AF_???");
    switch (address.any.sa_family) {
    case AF_UNIX:
        length = bytes - offsetof(struct sockaddr_un, sun_path);
        if (bytes <= offsetof(struct sockaddr_un, sun_path))
            break;
        length = MIN(length, sizeof(address.un.sun_path));
        add(v, address.un.sun_path[0] ? ", sun_path=" : ", sun_path=@");
        if (address.un.sun_path[0])
            pb_strace_quote(v->text, (const uint8_t *)address.un.sun_path,
                            strnlen(address.un.sun_path, length), false, false);
        else
            pb_strace_quote(v->text, (const uint8_t *)address.un.sun_path + 1, length - 1, false,
                            false);
        break;
    case AF_INET:
        print(v, ", sin_port=htons(%u), sin_addr=inet_addr(\"%s\")", ntohs(address.in.sin_port),
              inet_ntop(AF_INET, &address.in.sin_addr, text, sizeof(text)));
        break;
    case AF_INET6:
        print(v,
              ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"%s\", "
              "&sin6_addr), sin6_scope_id=%u",
              ntohs(address.in6.sin6_port), ntohl(address.in6.sin6_flowinfo),
              inet_ntop(AF_INET6, &address.in6.sin6_addr, text, sizeof(text)),
              address.in6.sin6_scope_id);
        break;
    case AF_NETLINK:
        print(v, ", nl_pid=%d, nl_groups=%08x", (int)address.nl.nl_pid, address.nl.nl_groups);
        break;
    default:
        add(v, ", sa_data=");
        pb_strace_quote(v->text, address.bytes + 2, MIN(bytes - 2, 14), false, false);
    }
    add(v, "}");
}

static void show_sockaddr(view *v, const shape *s, uint64_t value)
{
    add_sockaddr(v, value, (uint32_t)v->a[s->count]);
}

/* The length of it lies behind a pointer. */
static void show_out_sockaddr(view *v, const shape *s, uint64_t value)
{
    uint32_t bytes = 0;

    if (failed(v) || !get(v, v->a[s->count], &bytes, sizeof(bytes)))
        show_address(v, value);
    else
        add_sockaddr(v, value, bytes);
}

static void show_msghdr(view *v, const shape *s, uint64_t value)
{
    struct msghdr m;

    if (!take(v, s, value, &m, sizeof(m)))
        return;
    add(v, "{msg_name=");
    add_sockaddr(v, (uint64_t)(uintptr_t)m.msg_name, m.msg_namelen);
    print(v, ", msg_namelen=%d, msg_iov=", (int)m.msg_namelen);
    add_iovec(v, (uint64_t)(uintptr_t)m.msg_iov, m.msg_iovlen,
              s->out ? (uint64_t)v->result : UINT64_MAX);
    print(v, ", msg_iovlen=%zu", m.msg_iovlen);
    if (m.msg_controllen) {
        add(v, ", msg_control=");
        show_address(v, (uint64_t)(uintptr_t)m.msg_control);
    }
    print(v, ", msg_controllen=%zu, msg_flags=", m.msg_controllen);
    pb_strace_bits(v->text, pb_names_message, (uint32_t)m.msg_flags, "MSG_???");
    add(v, "}");
}

static void show_socket_type(view *v, const shape *s, uint64_t value)
{
    uint64_t flags = value & ~UINT64_C(15);

    pb_strace_number(v->text, pb_names_socket_type, value & 15, "SOCK_???");
    if ((uint32_t)flags) {
        add(v, "|");
        pb_strace_bits(v->text, pb_names_socket_flags, (uint32_t)flags, NULL);
    }
}

static void show_protocol(view *v, const shape *s, uint64_t value)
{
    if (v->a[0] == AF_INET || v->a[0] == AF_INET6)
        pb_strace_number(v->text, pb_names_ip, (uint32_t)value, "IPPROTO_???");
    else if (v->a[0] == AF_NETLINK)
        pb_strace_number(v->text, pb_names_netlink, (uint32_t)value, "NETLINK_???");
    else
        print(v, "%u", (uint32_t)value);
}

static void show_option(view *v, const shape *s, uint64_t value)
{
    if ((int)v->a[1] == SOL_SOCKET)
        pb_strace_number(v->text, pb_names_so, (uint32_t)value, "SO_???");
    else if ((int)v->a[1] == IPPROTO_TCP)
        pb_strace_number(v->text, pb_names_tcp, (uint32_t)value, "TCP_???");
    else
        print(v, (uint32_t)value ? "%#x" : "0", (uint32_t)value);
}

static void show_sockopt(view *v, const shape *s, uint64_t value)
{
    uint64_t bytes = v->a[4];
    uint32_t n = 0;

    if (s->out) {
        bytes = get(v, v->a[4], &n, sizeof(n)) ? n : 0;
        n = 0;
    }
    if (bytes != sizeof(n))
        s->out || !value ? show_address(v, value) : show_bytes(v, value, bytes, false);
    else if (take(v, s, value, &n, sizeof(n)))
        print(v, "[%d]", (int)n);
}

const pb_strace_shape pb_shape_iovec = { show_iovec }, pb_shape_out_iovec = { show_iovec, true },
                      pb_shape_sockaddr = { show_sockaddr, .count = 2 },
                      pb_shape_out_sockaddr = { show_out_sockaddr, true, .count = 2 },
                      pb_shape_to_sockaddr = { show_sockaddr, .count = 5 },
                      pb_shape_from_sockaddr = { show_out_sockaddr, true, .count = 5 },
                      pb_shape_out_length = { show_out_int, true },
                      pb_shape_msghdr = { show_msghdr },
                      pb_shape_out_msghdr = { show_msghdr, true },
                      pb_shape_socket_type = { show_socket_type },
                      pb_shape_protocol = { show_protocol }, pb_shape_option = { show_option },
                      pb_shape_sockopt = { show_sockopt },
                      pb_shape_out_sockopt = { show_sockopt, true };

/* ---- time ------------------------------------------------------------------------------------------------ */

static void add_timespec(view *v, const struct timespec *t)
{
    print(v, "{tv_sec=%ld, tv_nsec=%ld}", (long)t->tv_sec, t->tv_nsec);
}

static void show_timespec(view *v, const shape *s, uint64_t value)
{
    struct timespec time;

    if (take(v, s, value, &time, sizeof(time)))
        add_timespec(v, &time);
}

/* What is left of a sleep: told only if it was interrupted. */
static void show_left(view *v, const shape *s, uint64_t value)
{
    struct timespec time;

    if (v->result == -EINTR && value && get(v, value, &time, sizeof(time)))
        add_timespec(v, &time);
    else
        show_address(v, value);
}

static void show_two_timespecs(view *v, const shape *s, uint64_t value)
{
    struct timespec times[2];

    if (!take(v, s, value, times, sizeof(times)))
        return;
    for (unsigned i = 0; i < 2; i++) {
        add(v, i ? ", " : "[");
        if (times[i].tv_nsec == UTIME_NOW)
            add(v, "UTIME_NOW");
        else if (times[i].tv_nsec == UTIME_OMIT)
            add(v, "UTIME_OMIT");
        else
            add_timespec(v, &times[i]);
    }
    add(v, "]");
}

static void show_timeval(view *v, const shape *s, uint64_t value)
{
    struct timeval time;

    if (take(v, s, value, &time, sizeof(time)))
        print(v, "{tv_sec=%ld, tv_usec=%ld}", (long)time.tv_sec, (long)time.tv_usec);
}

static void show_itimerval(view *v, const shape *s, uint64_t value)
{
    struct itimerval t;

    if (take(v, s, value, &t, sizeof(t)))
        print(v, "{it_interval={tv_sec=%ld, tv_usec=%ld}, it_value={tv_sec=%ld, tv_usec=%ld}}",
              (long)t.it_interval.tv_sec, (long)t.it_interval.tv_usec, (long)t.it_value.tv_sec,
              (long)t.it_value.tv_usec);
}

static void show_itimerspec(view *v, const shape *s, uint64_t value)
{
    struct itimerspec t;

    if (!take(v, s, value, &t, sizeof(t)))
        return;
    add(v, "{it_interval=");
    add_timespec(v, &t.it_interval);
    add(v, ", it_value=");
    add_timespec(v, &t.it_value);
    add(v, "}");
}

const pb_strace_shape pb_shape_timespec = { show_timespec },
                      pb_shape_out_timespec = { show_timespec, true },
                      pb_shape_left = { show_left, true },
                      pb_shape_two_timespecs = { show_two_timespecs },
                      pb_shape_out_timeval = { show_timeval, true },
                      pb_shape_itimerval = { show_itimerval },
                      pb_shape_out_itimerval = { show_itimerval, true },
                      pb_shape_itimerspec = { show_itimerspec },
                      pb_shape_out_itimerspec = { show_itimerspec, true };

/* ---- signals --------------------------------------------------------------------------------------------- */

#define FIRST_REALTIME 32 /* of the kernel */

/* Without SIG. */
static void short_name(int signal, char text[16])
{
    const char *name = signal < FIRST_REALTIME ? sigabbrev_np(signal) : NULL;

    if (name)
        g_strlcpy(text, name, 16);
    else if (signal == FIRST_REALTIME)
        g_strlcpy(text, "RTMIN", 16);
    else if (signal > FIRST_REALTIME && signal <= PB_USER_SIGNALS)
        g_snprintf(text, 16, "RT_%d", signal - FIRST_REALTIME);
    else
        g_snprintf(text, 16, "%d", signal);
}

const char *pb_strace_signal_name(int signal, char text[16])
{
    char name[16];

    short_name(signal, name);
    if (signal < 1 || signal > PB_USER_SIGNALS)
        g_strlcpy(text, name, 16);
    else
        g_snprintf(text, 16, "SIG%.12s", name);
    return text;
}

static void show_signal(view *v, const shape *s, uint64_t value)
{
    char name[16];

    add(v, pb_strace_signal_name((int)value, name));
}

/* With more than half of them those that are not in it. */
static void add_mask(view *v, uint64_t mask)
{
    bool inverted = __builtin_popcountll(mask) > 42;
    const char *separator = "";
    char name[16];

    mask = inverted ? ~mask : mask;
    add(v, inverted ? "~[" : "[");
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++) {
        if (!(mask >> (signal - 1) & 1))
            continue;
        short_name(signal, name);
        print(v, "%s%s", separator, name);
        separator = " ";
    }
    add(v, "]");
}

static void show_mask(view *v, const shape *s, uint64_t value)
{
    uint64_t mask;

    if (take(v, s, value, &mask, sizeof(mask)))
        add_mask(v, mask);
}

static void show_action(view *v, const shape *s, uint64_t value)
{
    pb_user_action action;

    if (!value || (s->out && failed(v)) ||
        pb_user_get(v->t->user, value, PB_USER_SIGACTION, &action) < 0) {
        show_address(v, value);
        return;
    }
    add(v, "{sa_handler=");
    if (action.handler <= 1)
        add(v, action.handler ? "SIG_IGN" : "SIG_DFL");
    else
        show_address(v, action.handler);
    add(v, ", sa_mask=");
    add_mask(v, action.mask);
    add(v, ", sa_flags=");
    pb_strace_bits(v->text, pb_names_sa, action.flags, "SA_???");
    if (action.flags & 0x04000000) {
        add(v, ", sa_restorer=");
        show_address(v, action.restorer);
    }
    add(v, "}");
}

static void show_altstack(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t base;
        uint32_t flags, pad;
        uint64_t bytes;
    } stack;

    if (!take(v, s, value, &stack, sizeof(stack)))
        return;
    add(v, "{ss_sp=");
    show_address(v, stack.base);
    add(v, ", ss_flags=");
    pb_strace_bits(v->text, pb_names_ss, stack.flags, "SS_???");
    print(v, ", ss_size=%" G_GUINT64_FORMAT "}", stack.bytes);
}

/* rt_sigreturn(): its registers and mask are on the stack. The mask is the thread's by then. */
static void show_frame(view *v, const shape *s, uint64_t value)
{
    add(v, "{mask=");
    add_mask(v, v->t->mask);
    add(v, "}");
}

/* Who sent a signal, or what it is about: by its code, as in signal(7). */
static void add_signal_details(GString *text, const siginfo_t *info)
{
    if (info->si_signo == SIGCHLD && info->si_code > 0) {
        char name[16];

        g_string_append_printf(text, ", si_pid=%d, si_uid=%d, si_status=", info->si_pid,
                               (int)info->si_uid);
        if (info->si_code == CLD_EXITED)
            g_string_append_printf(text, "%d", info->si_status);
        else
            g_string_append(text, pb_strace_signal_name(info->si_status, name));
        g_string_append_printf(text, ", si_utime=%ld, si_stime=%ld", (long)info->si_utime,
                               (long)info->si_stime);
    } else if (info->si_code > 0 && info->si_code < SI_KERNEL &&
               (info->si_signo == SIGILL || info->si_signo == SIGFPE || info->si_signo == SIGSEGV ||
                info->si_signo == SIGBUS || info->si_signo == SIGTRAP)) {
        if (info->si_addr)
            g_string_append_printf(text, ", si_addr=%p", info->si_addr);
        else
            g_string_append(text, ", si_addr=NULL");
    } else if (info->si_code == SI_TIMER) {
        g_string_append_printf(text, ", si_timerid=%#x, si_overrun=%d", info->si_timerid,
                               info->si_overrun);
    } else if (info->si_code <= 0) {
        g_string_append_printf(text, ", si_pid=%d, si_uid=%d", info->si_pid, (int)info->si_uid);
    }
    if (info->si_code == SI_TIMER || info->si_code == SI_QUEUE || info->si_code == SI_MESGQ) {
        g_string_append_printf(text, ", si_value={int=%d, ptr=", info->si_value.sival_int);
        if (info->si_value.sival_ptr)
            g_string_append_printf(text, "%p}", info->si_value.sival_ptr);
        else
            g_string_append(text, "NULL}");
    }
}

void pb_strace_siginfo(GString *text, const siginfo_t *info)
{
    const char *code = pb_strace_si_code(info->si_signo, info->si_code);
    char name[16];

    g_string_append_printf(text,
                           "{si_signo=%s, si_code=", pb_strace_signal_name(info->si_signo, name));
    if (code)
        g_string_append(text, code);
    else
        g_string_append_printf(text, "%#x", (uint32_t)info->si_code);
    add_signal_details(text, info);
    g_string_append_c(text, '}');
}

static void show_siginfo(view *v, const shape *s, uint64_t value)
{
    siginfo_t info;

    if (take(v, s, value, &info, sizeof(info)) && info.si_signo)
        pb_strace_siginfo(v->text, &info);
    else if (value && !failed(v))
        add(v, "{}");
}

static void show_timer_event(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t value;
        int32_t signal, notify;
    } event;
    char name[16];

    if (!take(v, s, value, &event, sizeof(event)))
        return;
    print(v, "{sigev_value={int=%d, ptr=", (int)event.value);
    show_address(v, event.value);
    print(v, "}, sigev_signo=%s, sigev_notify=", pb_strace_signal_name(event.signal, name));
    pb_strace_number(v->text, pb_names_timer_create, (uint32_t)event.notify, "SIGEV_???");
    add(v, "}");
}

const pb_strace_shape pb_shape_signal = { show_signal }, pb_shape_sigset = { show_mask },
                      pb_shape_out_sigset = { show_mask, true },
                      pb_shape_sigaction = { show_action },
                      pb_shape_out_sigaction = { show_action, true },
                      pb_shape_altstack = { show_altstack },
                      pb_shape_out_altstack = { show_altstack, true },
                      pb_shape_frame = { show_frame, true },
                      pb_shape_out_siginfo = { show_siginfo, true },
                      pb_shape_kernel_timer = { show_timer_event };

/* ---- processes ------------------------------------------------------------------------------------------- */

static void show_status(view *v, const shape *s, uint64_t value)
{
    char name[16];
    int status;

    if (v->result == 0 || !take(v, s, value, &status, sizeof(status))) {
        if (v->result == 0)
            show_address(v, value);
        return;
    }
    if (WIFEXITED(status))
        print(v, "[{WIFEXITED(s) && WEXITSTATUS(s) == %d}]", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        print(v, "[{WIFSIGNALED(s) && WTERMSIG(s) == %s%s}]",
              pb_strace_signal_name(WTERMSIG(status), name),
              WCOREDUMP(status) ? " && WCOREDUMP(s)" : "");
    else if (WIFSTOPPED(status))
        print(v, "[{WIFSTOPPED(s) && WSTOPSIG(s) == %s}]",
              pb_strace_signal_name(WSTOPSIG(status), name));
    else
        add(v, "[{WIFCONTINUED(s)}]");
}

static void show_rusage(view *v, const shape *s, uint64_t value)
{
    struct rusage usage;

    if (take(v, s, value, &usage, sizeof(usage)))
        print(v, "{ru_utime={tv_sec=%ld, tv_usec=%ld}, ru_stime={tv_sec=%ld, tv_usec=%ld}, ...}",
              (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
              (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec);
}

static void add_limit(view *v, uint64_t limit)
{
    if (limit == UINT64_MAX)
        add(v, "RLIM64_INFINITY");
    else if (limit > 1024 && limit % 1024 == 0)
        print(v, "%" G_GUINT64_FORMAT "*1024", limit / 1024);
    else
        print(v, "%" G_GUINT64_FORMAT, limit);
}

static void show_rlimit(view *v, const shape *s, uint64_t value)
{
    uint64_t limit[2];

    if (!take(v, s, value, limit, sizeof(limit)))
        return;
    add(v, "{rlim_cur=");
    add_limit(v, limit[0]);
    add(v, ", rlim_max=");
    add_limit(v, limit[1]);
    add(v, "}");
}

static void show_utsname(view *v, const shape *s, uint64_t value)
{
    struct utsname names;

    if (take(v, s, value, &names, sizeof(names)))
        print(v, "{sysname=\"%.64s\", nodename=\"%.64s\", ...}", names.sysname, names.nodename);
}

static void show_sysinfo(view *v, const shape *s, uint64_t value)
{
    struct sysinfo i;

    if (take(v, s, value, &i, sizeof(i)))
        print(v, "{uptime=%ld, loads=[%lu, %lu, %lu], totalram=%lu, freeram=%lu, ...}", i.uptime,
              i.loads[0], i.loads[1], i.loads[2], i.totalram, i.freeram);
}

static void show_cpu_set(view *v, const shape *s, uint64_t value)
{
    uint64_t bytes = s->out && v->result > 0 ? (uint64_t)v->result : v->a[1];

    if (!value || failed(v))
        show_address(v, value);
    else
        add_fd_set(v, value, bytes * 8);
}

static void add_clone_flags(view *v, uint64_t flags, int signal)
{
    char name[16];

    if (flags || !signal)
        pb_strace_bits(v->text, pb_names_clone, flags, "CLONE_???");
    if (signal)
        print(v, "%s%s", flags ? "|" : "", pb_strace_signal_name(signal, name));
}

/* All that clone() has, with names, in the order of strace(1). Arguments are in the order of asm-generic. */
static void show_clone(view *v, const shape *s, uint64_t value)
{
    add(v, "child_stack=");
    show_address(v, v->a[1]);
    add(v, ", flags=");
    add_clone_flags(v, v->a[0] & 0xffffff00u, (int)(v->a[0] & 0xff));
    if (v->a[0] & CLONE_PARENT_SETTID) {
        add(v, ", parent_tid=");
        show_address(v, v->a[2]);
    }
    if (v->a[0] & CLONE_SETTLS) {
        add(v, ", tls=");
        show_address(v, v->a[3]);
    }
    if (v->a[0] & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
        add(v, ", child_tidptr=");
        show_address(v, v->a[4]);
    }
}

static void show_clone3(view *v, const shape *s, uint64_t value)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } c;
    const struct {
        const char *name;
        uint64_t value, needs;
    } members[] = {
        { "child_tid", 0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID },
        { "parent_tid", 0, CLONE_PARENT_SETTID },
    };
    char name[16];

    if (!take(v, s, value, &c, sizeof(c)))
        return;
    add(v, "{flags=");
    pb_strace_bits(v->text, pb_names_clone, c.flags, "CLONE_???");
    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        if (c.flags & members[i].needs) {
            print(v, ", %s=", members[i].name);
            show_address(v, i ? c.parent_tid : c.child_tid);
        }
    }
    add(v, ", exit_signal=");
    if (c.exit_signal)
        add(v, pb_strace_signal_name((int)c.exit_signal, name));
    else
        add(v, "0");
    add(v, ", stack=");
    show_address(v, c.stack);
    print(v, ", stack_size=%#" G_GINT64_MODIFIER "x", c.stack_size);
    if (c.flags & CLONE_SETTLS) {
        add(v, ", tls=");
        show_address(v, c.tls);
    }
    add(v, "}");
}

/* ---- futexes --------------------------------------------------------------------------------------------- */

static void show_futex_op(view *v, const shape *s, uint64_t value)
{
    GString *text = v->text;

    pb_strace_number(text, pb_names_futex, (uint32_t)value & FUTEX_CMD_MASK, "FUTEX_???");
    g_string_append(text, value & FUTEX_PRIVATE_FLAG ? "_PRIVATE" : "");
    g_string_append(text, value & FUTEX_CLOCK_REALTIME ? "|FUTEX_CLOCK_REALTIME" : "");
}

static int futex_op(const view *v)
{
    return (int)v->a[1] & FUTEX_CMD_MASK;
}

static bool futex_has_time(const view *v)
{
    int op = futex_op(v);

    return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI || op == 13 ||
           op == FUTEX_WAIT_REQUEUE_PI;
}

static void show_futex_value(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    v->skip = op == FUTEX_LOCK_PI || op == 13 || op == FUTEX_UNLOCK_PI || op == FUTEX_TRYLOCK_PI;
    print(v, op == FUTEX_WAKE ? "%d" : "%u", (uint32_t)value);
}

static void show_futex_time(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (futex_has_time(v))
        show_timespec(v, s, value);
    else if (op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI ||
             op == FUTEX_WAKE_OP)
        print(v, "%u", (uint32_t)value);
    else
        v->skip = true;
}

static void show_futex_second(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (op == FUTEX_WAIT_BITSET || op == FUTEX_WAKE_BITSET)
        show_nothing(v, s, value);
    else if (op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI ||
             op == FUTEX_WAKE_OP || op == FUTEX_WAIT_REQUEUE_PI)
        show_address(v, value);
    else
        v->skip = true;
}

static void show_futex_third(view *v, const shape *s, uint64_t value)
{
    int op = futex_op(v);

    if (op == FUTEX_WAIT_BITSET && (uint32_t)value == UINT32_MAX)
        add(v, "FUTEX_BITSET_MATCH_ANY");
    else if (op == FUTEX_WAIT_BITSET || op == FUTEX_WAKE_BITSET || op == FUTEX_WAKE_OP)
        print(v, "%#x", (uint32_t)value);
    else if (op == FUTEX_CMP_REQUEUE || op == FUTEX_CMP_REQUEUE_PI)
        print(v, "%u", (uint32_t)value);
    else
        v->skip = true;
}

/* ---- others ---------------------------------------------------------------------------------------------- */

static void show_prctl2(view *v, const shape *s, uint64_t value)
{
    char name[16];

    switch ((int)v->a[0]) {
    case PR_SET_NAME:
        show_string(v, value, 15);
        break;
    case PR_SET_PDEATHSIG:
        add(v, pb_strace_signal_name((int)value, name));
        break;
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_TIMERSLACK:
        v->skip = true;
        break;
    default:
        show_x(v, s, value);
    }
}

static void show_prctl_more(view *v, const shape *s, uint64_t value)
{
    int option = (int)v->a[0];

    if (option == PR_SET_NO_NEW_PRIVS || option == PR_CAP_AMBIENT || option == PR_SET_MM ||
        option == 0x53564d41)
        show_x(v, s, value);
    else
        v->skip = true;
}

static void show_remap_to(view *v, const shape *s, uint64_t value)
{
    v->skip = (v->a[3] & 2) == 0; /* MREMAP_FIXED */
    show_address(v, value);
}

const pb_strace_shape pb_shape_status = { show_status, true },
                      pb_shape_out_rusage = { show_rusage, true },
                      pb_shape_rlimit = { show_rlimit },
                      pb_shape_out_rlimit = { show_rlimit, true },
                      pb_shape_utsname = { show_utsname, true },
                      pb_shape_out_sysinfo = { show_sysinfo, true },
                      pb_shape_cpu_set = { show_cpu_set },
                      pb_shape_out_cpu_set = { show_cpu_set, true },
                      pb_shape_clone_flags = { show_clone }, pb_shape_clone3 = { show_clone3 },
                      pb_shape_futex_op = { show_futex_op },
                      pb_shape_futex_value = { show_futex_value },
                      pb_shape_futex_time = { show_futex_time },
                      pb_shape_futex_second = { show_futex_second },
                      pb_shape_futex_third = { show_futex_third },
                      pb_shape_prctl2 = { show_prctl2 }, pb_shape_prctl_more = { show_prctl_more },
                      pb_shape_remap_to = { show_remap_to };
