/* How --strace shows what calls about files, descriptors and memory have. */
#include <core/user/handlers.h>
#include <core/user/strace_show.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <termios.h>

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

/* Without a way of access. */
static void show_pipe_flags(view *v, const shape *s, uint64_t value)
{
    uint64_t direct = v->t->user->arch->open_flags.direct, others = (uint32_t)value & ~direct;

    if (others || !(value & direct))
        pb_strace_bits(v->text, pb_names_pipe, others, "O_???");
    if (value & direct)
        add(v, others ? "|O_DIRECT" : "O_DIRECT");
}

/* The last argument of openat(), behind its flags: only if a file may be made. */
static void show_open_mode(view *v, const shape *s, uint64_t value)
{
    v->skip = (v->a[2] & (O_CREAT | 020000000)) == 0;
    show_as(v, &pb_shape_mode, value);
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

const pb_strace_shape pb_shape_open_flags = { show_open_flags },
                      pb_shape_pipe_flags = { show_pipe_flags },
                      pb_shape_open_mode = { show_open_mode }, pb_shape_stat = { show_stat, true },
                      pb_shape_statx = { show_statx, true },
                      pb_shape_out_statfs = { show_statfs, true };

/* ---- descriptors ----------------------------------------------------------------------------------------- */

static void show_fcntl(view *v, const shape *s, uint64_t value)
{
    struct flock lock;

    switch (pb_user_fcntl_argument((int)v->a[1])) {
    case PB_USER_FCNTL_NONE:
        v->skip = true;
        break;
    case PB_USER_FCNTL_FD_FLAGS:
        pb_strace_bits(v->text, pb_names_fd_flags, value, "FD_???");
        break;
    case PB_USER_FCNTL_OPEN_FLAGS:
        add_open_flags(v, (uint32_t)value);
        break;
    case PB_USER_FCNTL_NUMBER:
        show_as(v, &pb_shape_d, value);
        break;
    case PB_USER_FCNTL_LOCK:
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
        show_as(v, &pb_shape_x, value);
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
        show_as(v, &pb_shape_x, value);
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

static void show_fd_set(view *v, const shape *s, uint64_t value)
{
    if (value)
        pb_strace_add_set(v, value, v->a[0]);
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
        pb_strace_add_set(v, v->a[1 + i], v->a[0]);
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

void pb_strace_add_iovec(pb_strace_view *v, uint64_t gva, uint64_t count, uint64_t left)
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
        pb_strace_add_bytes(v, (uint64_t)(uintptr_t)one.iov_base, MIN(left, one.iov_len), false);
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
        pb_strace_add_iovec(v, value, v->a[2], s->out ? (uint64_t)v->result : UINT64_MAX);
}

const pb_strace_shape pb_shape_iovec = { show_iovec }, pb_shape_out_iovec = { show_iovec, true };

/* ---- memory ---------------------------------------------------------------------------------------------- */

static void show_remap_to(view *v, const shape *s, uint64_t value)
{
    v->skip = (v->a[3] & 2) == 0; /* MREMAP_FIXED */
    show_address(v, value);
}

const pb_strace_shape pb_shape_remap_to = { show_remap_to };
