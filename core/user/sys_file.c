/* System calls about files and descriptors that are more than the host's own. */
#include <core/user/handlers.h>
#include <core/user/strace.h>

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_own(const pb_user_thread *t, uint64_t fd)
{
    return pb_user_owns_fd(t->user, (uint32_t)fd);
}

/* ---- reading and writing ------------------------------------------------------------------------------- */

/* Bytes that the kernel put into the program's memory may have been code. */
static int64_t have_read(pb_user_thread *t, uint64_t gva, int64_t result)
{
    if (result > 0)
        pb_user_space_written(t->user->space, gva, (uint64_t)result);
    return result;
}

/* One buffer of the program's memory as a file; `at` null: at its position. */
static int64_t access_memory(pb_user_thread *t, const uint64_t a[6], const uint64_t *at,
                             bool writes)
{
    const struct iovec part = { pb_user_pointer(t->user, a[1]), a[2] };

    return pb_user_access_memory(t, a[0], &part, 1, at, writes);
}

HANDLER(sys_read)
{
    if (is_own(t, a[0]))
        return -EBADF;
    if (pb_user_memory_of(t, a[0]))
        return access_memory(t, a, NULL, false);
    return have_read(t, a[1], pb_user_host(t, SYS_read, a[0], host(t, a[1]), a[2], 0, 0, 0));
}

HANDLER(sys_pread64)
{
    if (is_own(t, a[0]))
        return -EBADF;
    if (pb_user_memory_of(t, a[0]))
        return access_memory(t, a, &a[3], false);
    return have_read(t, a[1], pb_user_host(t, SYS_pread64, a[0], host(t, a[1]), a[2], a[3], 0, 0));
}

HANDLER(sys_write)
{
    if (pb_user_memory_of(t, a[0]))
        return access_memory(t, a, NULL, true);
    return pb_user_host(t, SYS_write, a[0], host(t, a[1]), a[2], 0, 0, 0);
}

HANDLER(sys_pwrite64)
{
    if (pb_user_memory_of(t, a[0]))
        return access_memory(t, a, &a[3], true);
    return pb_user_host(t, SYS_pwrite64, a[0], host(t, a[1]), a[2], a[3], 0, 0);
}

int64_t pb_user_take_iovec(pb_user_thread *t, uint64_t gva, uint64_t count, struct iovec *list)
{
    if (count > IOV_MAX)
        return -EINVAL;
    if (!pb_user_space_read(t->user->space, gva, list, count * sizeof(*list)))
        return -EFAULT;
    for (uint64_t i = 0; i < count; i++)
        list[i].iov_base = pb_user_pointer(t->user, (uint64_t)(uintptr_t)list[i].iov_base);
    return (int64_t)count;
}

void pb_user_have_read_list(pb_user_thread *t, const struct iovec *list, int64_t count, int64_t n)
{
    const uint8_t *base = pb_user_space_base(t->user->space);

    for (int64_t i = 0; i < count && n > 0; n -= (int64_t)list[i++].iov_len) {
        if (list[i].iov_base)
            have_read(t, (uint64_t)((const uint8_t *)list[i].iov_base - base),
                      MIN(n, (int64_t)list[i].iov_len));
    }
}

static int64_t by_list(pb_user_thread *t, long number, const uint64_t a[6], bool reads)
{
    g_autofree struct iovec *list = g_new0(struct iovec, IOV_MAX);
    int64_t count = pb_user_take_iovec(t, a[1], a[2], list), result;

    if (is_own(t, a[0]))
        return -EBADF;
    if (count < 0)
        return count;
    if (pb_user_memory_of(t, a[0])) {
        bool newer = number == SYS_preadv2 || number == SYS_pwritev2;
        bool at_own = number == SYS_readv || number == SYS_writev || (newer && a[3] == UINT64_MAX);

        if (newer && a[5])
            return -EOPNOTSUPP;
        return pb_user_access_memory(t, a[0], list, count, at_own ? NULL : &a[3], !reads);
    }
    result = pb_user_host(t, number, a[0], (uintptr_t)list, (uint64_t)count, a[3], a[4], a[5]);
    if (reads)
        pb_user_have_read_list(t, list, count, result);
    return result;
}

HANDLER(sys_readv)
{
    return by_list(t, SYS_readv, a, true);
}

HANDLER(sys_preadv)
{
    return by_list(t, SYS_preadv, a, true);
}

HANDLER(sys_writev)
{
    return by_list(t, SYS_writev, a, false);
}

HANDLER(sys_pwritev)
{
    return by_list(t, SYS_pwritev, a, false);
}

HANDLER(sys_preadv2)
{
    return by_list(t, SYS_preadv2, a, true);
}

HANDLER(sys_pwritev2)
{
    return by_list(t, SYS_pwritev2, a, false);
}

HANDLER(sys_vmsplice)
{
    const uint64_t moved[6] = { a[0], a[1], a[2], a[3] };

    /* From a pipe into memory it copies. */
    return by_list(t, SYS_vmsplice, moved, true);
}

/* ---- opening and closing ------------------------------------------------------------------------------- */

/* Bits of open() that architectures number differently. */
static int move_bits(uint64_t flags, const uint32_t from[4], const uint32_t to[4])
{
    uint64_t moved = flags & ~(uint64_t)(from[0] | from[1] | from[2] | from[3]);

    for (unsigned i = 0; i < 4; i++)
        moved |= flags & from[i] ? to[i] : 0;
    return (int)moved;
}

#define HOST_LARGEFILE 0100000

static const uint32_t host_bits[4] = { O_DIRECTORY, O_NOFOLLOW, O_DIRECT, HOST_LARGEFILE };

static int host_flags(const pb_user *user, uint64_t flags)
{
    const pb_user_open_flags *f = &user->arch->open_flags;
    const uint32_t bits[4] = { f->directory, f->nofollow, f->direct, f->largefile };

    return move_bits(flags, bits, host_bits);
}

static int64_t guest_flags(const pb_user *user, int flags)
{
    const pb_user_open_flags *f = &user->arch->open_flags;
    const uint32_t bits[4] = { f->directory, f->nofollow, f->direct, f->largefile };

    return move_bits((uint32_t)flags, host_bits, bits);
}

/* A file that was opened. The emulator's memory in a way that paths do not tell: nothing is written there. */
static int64_t have_opened(int64_t fd, int flags)
{
    if (fd < 0 || (flags & O_ACCMODE) == O_RDONLY || !pb_user_is_memory_file((int)fd))
        return fd;
    close((int)fd);
    return -EACCES;
}

HANDLER(sys_openat)
{
    int64_t result = 0;
    int flags = host_flags(t->user, a[2]), fd;
    bool is_new = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    g_autofree char *path =
        pb_user_take_path(t, a[0], a[1], !(flags & O_NOFOLLOW) && !is_new, &result);

    if (!path)
        return result;
    fd = pb_user_open_proc(t->user, path, flags);
    if (fd >= 0)
        return fd;
    result = pb_user_open_memory(t->user, &path, &flags);
    if (result < 0)
        return result;
    return have_opened(
        pb_user_host(t, SYS_openat, a[0], (uintptr_t)path, (uint32_t)flags, a[3], 0, 0), flags);
}

/* As struct open_how and its longer successors: what is added is zero, or not understood. */
static int64_t take_how(pb_user_thread *t, const uint64_t a[6], struct open_how *how)
{
    g_autofree uint8_t *bytes = NULL;

    if (a[3] < sizeof(*how))
        return -EINVAL;
    if (a[3] > PB_PAGE_SIZE)
        return -E2BIG;
    bytes = g_malloc(a[3]);
    if (!pb_user_space_read(t->user->space, a[2], bytes, a[3]))
        return -EFAULT;
    memcpy(how, bytes, sizeof(*how));
    for (uint64_t i = sizeof(*how); i < a[3]; i++) {
        if (bytes[i])
            return -E2BIG;
    }
    return how->flags >> 32 ? -EINVAL : 0;
}

HANDLER(sys_openat2)
{
    struct open_how how;
    int64_t result = take_how(t, a, &how);
    g_autofree char *path = NULL;
    int flags, fd;

    if (result < 0)
        return result;
    how.flags = (uint32_t)host_flags(t->user, how.flags);
    /* Where `/` is the folder, or forbidden, the path is not one of the system root. */
    if (how.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH))
        return have_opened(
            pb_user_host(t, SYS_openat2, a[0], host(t, a[1]), (uintptr_t)&how, sizeof(how), 0, 0),
            (int)how.flags);
    path = pb_user_take_path(t, a[0], a[1], !(how.flags & (O_NOFOLLOW | O_EXCL)), &result);
    if (!path)
        return result;
    flags = (int)how.flags;
    fd = how.resolve ? -1 : pb_user_open_proc(t->user, path, flags);
    if (fd >= 0)
        return fd;
    result = pb_user_open_memory(t->user, &path, &flags);
    if (result < 0)
        return result;
    how.flags = (uint32_t)flags;
    return have_opened(
        pb_user_host(t, SYS_openat2, a[0], (uintptr_t)path, (uintptr_t)&how, sizeof(how), 0, 0),
        flags);
}

HANDLER(sys_pipe2)
{
    return pb_user_host(t, SYS_pipe2, host(t, a[0]), (uint32_t)host_flags(t->user, a[1]), 0, 0, 0,
                        0);
}

HANDLER(sys_close)
{
    return is_own(t, a[0]) ? -EBADF : pb_user_host(t, SYS_close, a[0], 0, 0, 0, 0, 0);
}

HANDLER(sys_close_range)
{
    uint32_t first = (uint32_t)a[0], last = (uint32_t)a[1], from = first;
    int64_t result = 0;

    if (first > last || a[2] & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return -EINVAL;
    /* Ranges between the emulator's own. */
    for (uint64_t fd = first; fd <= (uint64_t)last + 1 && result == 0; fd++) {
        bool stop = fd == (uint64_t)last + 1 || is_own(t, fd);

        if (!stop && fd >= 1024) {
            fd = last;
            continue;
        }
        if (stop && fd > from)
            result = pb_user_host(t, SYS_close_range, from, fd - 1, a[2], 0, 0, 0);
        if (stop)
            from = (uint32_t)fd + 1;
    }
    return result;
}

HANDLER(sys_dup3)
{
    if (is_own(t, a[0]) || is_own(t, a[1]))
        return -EBADF;
    return pb_user_host(t, SYS_dup3, a[0], a[1], a[2], 0, 0, 0);
}

static const struct {
    int command;
    pb_user_fcntl argument;
} fcntls[] = {
    { F_DUPFD, PB_USER_FCNTL_NUMBER },
    { F_DUPFD_CLOEXEC, PB_USER_FCNTL_NUMBER },
    { F_GETFD, PB_USER_FCNTL_NONE },
    { F_SETFD, PB_USER_FCNTL_FD_FLAGS },
    { F_GETFL, PB_USER_FCNTL_NONE },
    { F_SETFL, PB_USER_FCNTL_OPEN_FLAGS },
    { F_GETLK, PB_USER_FCNTL_LOCK },
    { F_SETLK, PB_USER_FCNTL_LOCK },
    { F_SETLKW, PB_USER_FCNTL_LOCK },
    { F_OFD_GETLK, PB_USER_FCNTL_LOCK },
    { F_OFD_SETLK, PB_USER_FCNTL_LOCK },
    { F_OFD_SETLKW, PB_USER_FCNTL_LOCK },
    { F_GETOWN, PB_USER_FCNTL_NONE },
    { F_SETOWN, PB_USER_FCNTL_NUMBER },
    { F_GETOWN_EX, PB_USER_FCNTL_STRUCTURE },
    { F_SETOWN_EX, PB_USER_FCNTL_STRUCTURE },
    { F_GETSIG, PB_USER_FCNTL_NONE },
    { F_SETSIG, PB_USER_FCNTL_BITS },
    { F_GETLEASE, PB_USER_FCNTL_NONE },
    { F_SETLEASE, PB_USER_FCNTL_BITS },
    { F_NOTIFY, PB_USER_FCNTL_BITS },
    { F_GETPIPE_SZ, PB_USER_FCNTL_NONE },
    { F_SETPIPE_SZ, PB_USER_FCNTL_NUMBER },
    { F_GET_SEALS, PB_USER_FCNTL_NONE },
    { F_ADD_SEALS, PB_USER_FCNTL_BITS },
    { F_GET_RW_HINT, PB_USER_FCNTL_STRUCTURE },
    { F_SET_RW_HINT, PB_USER_FCNTL_STRUCTURE },
    { F_GET_FILE_RW_HINT, PB_USER_FCNTL_STRUCTURE },
    { F_SET_FILE_RW_HINT, PB_USER_FCNTL_STRUCTURE },
};

pb_user_fcntl pb_user_fcntl_argument(int command)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fcntls); i++) {
        if (fcntls[i].command == command)
            return fcntls[i].argument;
    }
    return PB_USER_FCNTL_MISSING;
}

HANDLER(sys_fcntl)
{
    uint64_t argument = a[2];
    int64_t result;

    if (is_own(t, a[0]))
        return -EBADF;
    switch (pb_user_fcntl_argument((int)a[1])) {
    case PB_USER_FCNTL_OPEN_FLAGS:
        argument = (uint32_t)host_flags(t->user, a[2]);
        break;
    case PB_USER_FCNTL_LOCK:
    case PB_USER_FCNTL_STRUCTURE:
        argument = host(t, a[2]);
        break;
    case PB_USER_FCNTL_MISSING:
        pb_user_missed_number(t->user, "fcntl", pb_names_fcntl, (uint32_t)a[1]);
        return -EINVAL;
    default:
        break;
    }
    result = pb_user_host(t, SYS_fcntl, a[0], a[1], argument, 0, 0, 0);
    if ((int)a[1] != F_GETFL || result < 0)
        return result;
    if (pb_user_memory_of(t, a[0]) == PB_USER_MEMORY_WRITABLE)
        result |= O_RDWR;
    return guest_flags(t->user, (int)result);
}

/* ---- about files ---------------------------------------------------------------------------------------- */

HANDLER(sys_newfstatat)
{
    int64_t result = 0;
    g_autofree char *path =
        pb_user_take_path(t, a[0], a[1], !(a[3] & AT_SYMLINK_NOFOLLOW), &result);
    struct stat info;

    if (!path)
        return result;
    result = pb_user_host(t, SYS_newfstatat, a[0], (uintptr_t)path, (uintptr_t)&info, a[3], 0, 0);
    return result < 0 ? result : pb_user_put(t->user, a[2], PB_USER_STAT, &info);
}

HANDLER(sys_fstat)
{
    struct stat info;

    if (is_own(t, a[0]))
        return -EBADF;
    if (fstat((int)a[0], &info) < 0)
        return -errno;
    return pb_user_put(t->user, a[1], PB_USER_STAT, &info);
}

HANDLER(sys_statx)
{
    int64_t result = 0;
    bool follow = !(a[2] & AT_SYMLINK_NOFOLLOW);
    g_autofree char *path = a[1] ? pb_user_take_path(t, a[0], a[1], follow, &result) : NULL;

    if (a[1] && !path)
        return result;
    return pb_user_host(t, SYS_statx, a[0], (uintptr_t)path, a[2], a[3], host(t, a[4]), 0);
}

/* What a link leads to, as the program sees it, into its memory; without an end, cut off as the kernel does. */
static int64_t put_link(pb_user_thread *t, const char *link, uint64_t gva, uint64_t bytes)
{
    const char *shown = pb_user_shown_path(t->user, link);
    uint64_t length = MIN(strlen(shown), bytes);

    if ((int64_t)bytes <= 0)
        return -EINVAL;
    return pb_user_space_write(t->user->space, gva, shown, length) ? (int64_t)length : -EFAULT;
}

HANDLER(sys_readlinkat)
{
    int64_t result = 0;
    g_autofree char *path = pb_user_take_path(t, a[0], a[1], false, &result);
    char target[PATH_MAX + 1];

    if (!path)
        return result;
    if (pb_user_proc_link(t->user, path))
        return put_link(t, t->user->path, a[2], a[3]);
    if (!pb_user_is_own_link(path))
        return pb_user_host(t, SYS_readlinkat, a[0], (uintptr_t)path, host(t, a[2]), a[3], 0, 0);
    result = readlink(path, target, PATH_MAX);
    if (result < 0)
        return -errno;
    target[result] = '\0';
    return put_link(t, target, a[2], a[3]);
}

/* By way of a copy, which no other thread of the program changes. Who has a larger buffer gets a part of it filled. */
HANDLER(sys_getdents64)
{
    enum { MOST_ENTRIES = 65536 };
    uint64_t wanted = MIN((uint32_t)a[2], MOST_ENTRIES);
    uint64_t bytes = pb_user_space_reach(t->user->space, a[1], wanted, PB_PROT_WRITE);
    g_autofree uint8_t *list = g_malloc(MAX(bytes, 1));
    int64_t result, n;

    do { /* nothing left is the end: of what is read, not of what stays */
        n = pb_user_host(t, SYS_getdents64, a[0], (uintptr_t)list, bytes, 0, 0, 0);
        result = n > 0 ? pb_user_proc_list(t->user, (int)a[0], list, n) : n;
    } while (n > 0 && result == 0);
    if (result == -EINVAL && bytes < wanted) /* there is no room for one entry */
        return -EFAULT;
    return result > 0 && !pb_user_space_write(t->user->space, a[1], list, (uint64_t)result)
               ? -EFAULT
               : result;
}

HANDLER(sys_getcwd)
{
    char path[PATH_MAX];
    int64_t result = pb_user_host(t, SYS_getcwd, (uintptr_t)path, sizeof(path), 0, 0, 0, 0);
    const char *shown;
    uint64_t bytes;

    if (result < 0)
        return result;
    shown = pb_user_shown_path(t->user, path);
    bytes = strlen(shown) + 1;
    if (bytes > a[1])
        return -ERANGE;
    return pb_user_space_write(t->user->space, a[0], shown, bytes) ? (int64_t)bytes : -EFAULT;
}

/* ---- waiting -------------------------------------------------------------------------------------------- */

HANDLER(sys_ppoll)
{
    return pb_user_host_masked(t, a[3] != 0, SYS_ppoll, host(t, a[0]), a[1], host(t, a[2]),
                               host(t, a[3]), a[4], 0);
}

HANDLER(sys_pselect6)
{
    uint64_t mask[2] = { 0, 0 };

    if (a[5] && !pb_user_space_read(t->user->space, a[5], mask, sizeof(mask)))
        return -EFAULT;
    mask[0] = host(t, mask[0]);
    return pb_user_host_masked(t, mask[0] != 0, SYS_pselect6, a[0], host(t, a[1]), host(t, a[2]),
                               host(t, a[3]), host(t, a[4]), a[5] ? (uintptr_t)mask : 0);
}

HANDLER(sys_epoll_ctl)
{
    struct epoll_event event = { 0 };

    if (is_own(t, a[0]) || is_own(t, a[2]))
        return -EBADF;
    if ((int)a[1] != EPOLL_CTL_DEL && pb_user_get(t->user, a[3], PB_USER_EPOLL_EVENT, &event) < 0)
        return -EFAULT;
    return pb_user_host(t, SYS_epoll_ctl, a[0], a[1], a[2], (uintptr_t)&event, 0, 0);
}

#define MOST_EVENTS 4096

/* `number` tells how the time to wait is given: it is passed on as it is. */
static int64_t wait_epoll(pb_user_thread *t, long number, const uint64_t a[6], uint64_t time)
{
    uint32_t bytes = pb_user_struct_bytes(t->user, PB_USER_EPOLL_EVENT);
    int32_t most = (int32_t)a[2];
    g_autofree struct epoll_event *events = NULL;
    int64_t result;

    if (most <= 0)
        return -EINVAL;
    most = MIN(most, MOST_EVENTS); /* fewer than could be told are told */
    events = g_new0(struct epoll_event, most);
    result = pb_user_host_masked(t, a[4] != 0, number, a[0], (uintptr_t)events, (uint64_t)most,
                                 time, host(t, a[4]), a[5]);
    for (int64_t i = 0; i < result; i++) {
        if (pb_user_put(t->user, a[1] + (uint64_t)i * bytes, PB_USER_EPOLL_EVENT, &events[i]) < 0)
            return -EFAULT;
    }
    return result;
}

HANDLER(sys_epoll_pwait)
{
    return wait_epoll(t, SYS_epoll_pwait, a, a[3]);
}

HANDLER(sys_epoll_pwait2)
{
    return wait_epoll(t, SYS_epoll_pwait2, a, host(t, a[3]));
}
