/*
 * System calls: which there are, what they are called with, who does them. See pb_user_row in internal.h.
 *
 * Most are the host's own: numbers stay, pointers become the host's, which its kernel checks page by page, since pages of the
 * program have the host's protection too. The rest have a handler.
 */
#include <core/user/internal.h>

#include <core/user/handlers.h>
#include <core/user/strace.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS INT64_C(1000000000) /* in a second */

#define MOST_PATH 4096

#define ROW(name_, handler_, host_, flags_, arguments_) \
    { .name = name_, .handler = handler_, .host = host_, .flags = flags_, .arguments = arguments_ },
static const pb_user_row rows[] = {
#include <core/user/syscalls.def>
};
#undef ROW

bool pb_user_bind_syscalls(pb_user *user)
{
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    const pb_user_arch *arch = user->arch;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        g_hash_table_insert(by_name, (gpointer)rows[i].name, (gpointer)&rows[i]);
    user->rows = g_new0(const pb_user_row *, arch->n_syscalls);
    for (uint32_t i = 0; i < arch->n_syscalls; i++) {
        if (arch->syscalls[i])
            user->rows[i] = g_hash_table_lookup(by_name, arch->syscalls[i]);
    }
    return true;
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

void *pb_user_pointer(const pb_user *user, uint64_t gva)
{
    uint64_t most = pb_user_space_bytes(user->space);

    return gva ? pb_user_space_base(user->space) + MIN(gva, most) : NULL;
}

/* Members of the host's structures, in the order of their numbers. */
#define MEMBER(type, member)                                   \
    {                                                          \
        offsetof(type, member), sizeof(((type *)NULL)->member) \
    }

static const pb_user_field host_stat[PB_STAT_FIELDS] = {
    [PB_STAT_DEV] = MEMBER(struct stat, st_dev),
    [PB_STAT_INO] = MEMBER(struct stat, st_ino),
    [PB_STAT_MODE] = MEMBER(struct stat, st_mode),
    [PB_STAT_NLINK] = MEMBER(struct stat, st_nlink),
    [PB_STAT_UID] = MEMBER(struct stat, st_uid),
    [PB_STAT_GID] = MEMBER(struct stat, st_gid),
    [PB_STAT_RDEV] = MEMBER(struct stat, st_rdev),
    [PB_STAT_SIZE] = MEMBER(struct stat, st_size),
    [PB_STAT_BLKSIZE] = MEMBER(struct stat, st_blksize),
    [PB_STAT_BLOCKS] = MEMBER(struct stat, st_blocks),
    [PB_STAT_ATIME] = MEMBER(struct stat, st_atim.tv_sec),
    [PB_STAT_ATIME_NSEC] = MEMBER(struct stat, st_atim.tv_nsec),
    [PB_STAT_MTIME] = MEMBER(struct stat, st_mtim.tv_sec),
    [PB_STAT_MTIME_NSEC] = MEMBER(struct stat, st_mtim.tv_nsec),
    [PB_STAT_CTIME] = MEMBER(struct stat, st_ctim.tv_sec),
    [PB_STAT_CTIME_NSEC] = MEMBER(struct stat, st_ctim.tv_nsec),
};
static const pb_user_field host_epoll[PB_EPOLL_FIELDS] = {
    [PB_EPOLL_EVENTS] = MEMBER(struct epoll_event, events),
    [PB_EPOLL_DATA] = MEMBER(struct epoll_event, data),
};
static const pb_user_field host_sigaction[PB_SIGACTION_FIELDS] = {
    [PB_SIGACTION_HANDLER] = MEMBER(pb_user_action, handler),
    [PB_SIGACTION_FLAGS] = MEMBER(pb_user_action, flags),
    [PB_SIGACTION_RESTORER] = MEMBER(pb_user_action, restorer),
    [PB_SIGACTION_MASK] = MEMBER(pb_user_action, mask),
};

static const struct {
    const pb_user_field *fields;
    uint32_t count, bytes;
} host_structs[PB_USER_STRUCTS] = {
    [PB_USER_STAT] = { host_stat, PB_STAT_FIELDS, sizeof(struct stat) },
    [PB_USER_EPOLL_EVENT] = { host_epoll, PB_EPOLL_FIELDS, sizeof(struct epoll_event) },
    [PB_USER_SIGACTION] = { host_sigaction, PB_SIGACTION_FIELDS, sizeof(pb_user_action) },
};

#define MOST_STRUCT 256

static const pb_user_layout *layout_of(const pb_user *user, pb_user_struct which)
{
    const pb_user_layout *layout = user->arch->layouts[which];

    g_assert(layout && layout->bytes <= MOST_STRUCT);
    return layout;
}

uint32_t pb_user_struct_bytes(const pb_user *user, pb_user_struct which)
{
    return layout_of(user, which)->bytes;
}

void pb_user_encode(const pb_user *user, pb_user_struct which, uint8_t *to, const void *from)
{
    const pb_user_layout *layout = layout_of(user, which);

    memset(to, 0, layout->bytes);
    for (uint32_t i = 0; i < host_structs[which].count; i++) {
        pb_user_field host = host_structs[which].fields[i], guest = layout->fields[i];
        uint64_t value = 0;

        memcpy(&value, (const uint8_t *)from + host.offset, host.bytes);
        for (uint32_t k = 0; k < guest.bytes; k++)
            to[guest.offset + (user->arch->big_endian ? guest.bytes - 1u - k : k)] =
                (uint8_t)(value >> (8 * k));
    }
}

void pb_user_decode(const pb_user *user, pb_user_struct which, void *to, const uint8_t *from)
{
    const pb_user_layout *layout = layout_of(user, which);

    memset(to, 0, host_structs[which].bytes);
    for (uint32_t i = 0; i < host_structs[which].count; i++) {
        pb_user_field host = host_structs[which].fields[i], guest = layout->fields[i];
        uint64_t value = 0;

        for (uint32_t k = 0; k < guest.bytes; k++)
            value |=
                (uint64_t)from[guest.offset + (user->arch->big_endian ? guest.bytes - 1u - k : k)]
                << (8 * k);
        memcpy((uint8_t *)to + host.offset, &value, host.bytes);
    }
}

int pb_user_put(const pb_user *user, uint64_t gva, pb_user_struct which, const void *from)
{
    uint8_t bytes[MOST_STRUCT];

    pb_user_encode(user, which, bytes, from);
    return pb_user_space_write(user->space, gva, bytes, layout_of(user, which)->bytes) ? 0
                                                                                       : -EFAULT;
}

int pb_user_get(const pb_user *user, uint64_t gva, pb_user_struct which, void *to)
{
    uint8_t bytes[MOST_STRUCT];

    if (!pb_user_space_read(user->space, gva, bytes, layout_of(user, which)->bytes))
        return -EFAULT;
    pb_user_decode(user, which, to, bytes);
    return 0;
}

/* ---- the host's calls -------------------------------------------------------------------------------------- */

int64_t pb_user_host(pb_user_thread *t, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                     uint64_t e, uint64_t f)
{
    int64_t result;

    t->held_in_call = 0;
    pb_user_work_end(t);
    pb_user_share_open(t);
    result = pb_user_host_call(&t->queued, number, a, b, c, d, e, f);
    pb_user_share_close(t);
    pb_user_work_begin(t);
    if (number == SYS_close) /* is done, whatever came meanwhile */
        t->held_in_call = 0;
    return result;
}

/* A path of the program, as the host has it. Null with *result set. */
char *pb_user_take_path(pb_user_thread *t, uint64_t folder, uint64_t gva, bool follow,
                        int64_t *result)
{
    int error = 0;
    g_autofree char *path = pb_user_space_string(t->user->space, gva, MOST_PATH - 1, &error);
    char *found = path ? pb_user_host_path_at(t->user, (int)folder, path, follow) : NULL;
    const char *link;

    if (!found) {
        *result = path ? -ELOOP : -error;
        return NULL;
    }
    found = pb_user_proc_path((int)folder, found);
    if (pb_user_proc_hides(t->user, found)) {
        *result = -ENOENT;
        g_clear_pointer(&found, g_free);
        return NULL;
    }
    link = follow ? pb_user_proc_link(t->user, found) : NULL;
    if (link) {
        g_free(found);
        return g_strdup(link);
    }
    return found;
}

static bool is_followed(char kind, uint64_t last)
{
    return kind == 'p' || (kind == 'q' && !(last & AT_SYMLINK_NOFOLLOW));
}

uint64_t pb_user_wait_time(pb_user_thread *t, uint64_t gva)
{
    static _Thread_local struct timespec left;
    int64_t ns;

    if (!t->waited || !gva || !pb_user_space_read(t->user->space, gva, &left, sizeof(left)))
        return (uintptr_t)pb_user_pointer(t->user, gva);
    ns = (int64_t)left.tv_sec * NS + left.tv_nsec - t->waited;
    ns = MAX(ns, 0);
    left = (struct timespec){ ns / NS, ns % NS };
    return (uintptr_t)&left;
}

static int64_t pass(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6])
{
    uint64_t to[6] = { a[0], a[1], a[2], a[3], a[4], a[5] };
    char *paths[6] = { NULL };
    uint64_t folder, last = row->arguments[0] ? a[strlen(row->arguments) - 1] : 0;
    int64_t result = 0;

    for (uint32_t i = 0; row->arguments[i] && result == 0; i++) {
        switch (row->arguments[i]) {
        case 'p':
        case 'l':
        case 'q':
            if (a[i] == 0) { /* some take null for the descriptor itself */
                to[i] = 0;
                break;
            }
            folder = i > 0 && row->arguments[i - 1] == '@' ? a[i - 1] : (uint64_t)AT_FDCWD;
            paths[i] =
                pb_user_take_path(t, folder, a[i], is_followed(row->arguments[i], last), &result);
            to[i] = (uintptr_t)paths[i];
            break;
        case 't':
            to[i] = pb_user_wait_time(t, a[i]);
            break;
        case 's':
        case 'r':
        case 'w':
        case 'n':
            to[i] = (uintptr_t)pb_user_pointer(t->user, a[i]);
            break;
        default:
            break;
        }
    }
    if (result == 0)
        result = pb_user_host(t, row->host, to[0], to[1], to[2], to[3], to[4], to[5]);
    if (row->flags & PB_USER_CREDENTIALS)
        pb_user_share_stay(t);
    for (uint32_t i = 0; i < 6; i++)
        g_free(paths[i]);
    return result;
}

/* ---- one call ------------------------------------------------------------------------------------------------ */

static int64_t not_there(pb_user_thread *t, uint64_t number)
{
    const pb_user_arch *arch = t->user->arch;

    if (number < arch->n_syscalls && arch->syscalls[number])
        pb_user_missed(t->user, "system call", "%s", arch->syscalls[number]);
    else
        pb_user_missed(t->user, "system call", "%" G_GUINT64_FORMAT, number);
    return -ENOSYS;
}

/* Whether it is about a descriptor that the program does not have. */
static bool names_own(const pb_user *user, const pb_user_row *row, const uint64_t a[6])
{
    for (uint32_t i = 0; row->arguments[i]; i++) {
        char kind = row->arguments[i];

        if ((kind == 'f' || kind == '@') && pb_user_owns_fd(user, (uint32_t)a[i]))
            return true;
    }
    return false;
}

/* Of calls that may have to go on: when they began, or that it is such a one that does. */
static void begin_wait(pb_user_thread *t, const pb_user_row *row)
{
    struct timespec now;

    if (t->waited && t->user->arch->get_pc(t->vcpu) != t->goes_on_at)
        t->waited = 0;
    t->call_began = 0;
    if (!row || !(row->flags & PB_USER_GOES_ON) || !pb_user_may_end_in_vain(t))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    t->call_began = (int64_t)now.tv_sec * NS + now.tv_nsec - t->waited;
}

void pb_user_do_syscall(pb_user_thread *t)
{
    const pb_user *user = t->user;
    const pb_user_arch *arch = user->arch;
    uint64_t a[6], number = arch->syscall(t->vcpu, a);
    const pb_user_row *row = number < arch->n_syscalls ? user->rows[number] : NULL;
    const char *name = number < arch->n_syscalls ? arch->syscalls[number] : NULL;
    int64_t result;

    if (user->strace && t->queued) { /* the signal came before the call, and is shown so */
        arch->restart(t->vcpu, a[0]);
        return;
    }
    begin_wait(t, row);
    if (user->strace)
        pb_strace_enter(t, name, row, number, a);
    if (!row)
        result = not_there(t, number);
    else if (names_own(user, row, a))
        result = -EBADF;
    else if (row->handler)
        result = row->handler(t, a);
    else
        result = pass(t, row, a);
    if (user->strace)
        pb_strace_leave(t, row, a, result);
    if (result != -NO_RESULT && !t->ended)
        pb_user_finish_call(t, row, a, result);
}
