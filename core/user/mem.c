/*
 * The program's memory as a file: /proc/self/mem.
 *
 * The host's file of that name is the emulator's memory, in which the program's has other addresses. The program gets a descriptor of it by which
 * nothing can be written, not by other calls (sendfile) nor by who is handed it. What it reads by that has its addresses moved here; what it
 * writes the emulator writes by one of its own, and drops the code that was made of it. Which of the file's two names the descriptor has tells whether
 * the program may write.
 *
 * Left out: a descriptor that was opened before fork() is of no use in the child (EIO), where it is the parent's memory.
 */
#include <core/user/handlers.h>
#include <core/util/file.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define READ_NAME  "/proc/self/mem"
#define WRITE_NAME "/proc/thread-self/mem"

/* ---- the emulator's own, by which it writes ----------------------------------------------------------------- */

static int open_own(void)
{
    return open(READ_NAME, O_RDWR | O_CLOEXEC);
}

/* Before the program has threads that could take the number away which it is opened by. */
void pb_user_take_memory(pb_user *user)
{
    user->memory_fd = open_own();
}

void pb_user_renew_memory(pb_user *user)
{
    int fd = open_own();

    /* Rather none than the parent's. */
    if (fd < 0 || dup3(fd, user->memory_fd, O_CLOEXEC) < 0) {
        close(user->memory_fd);
        user->memory_fd = -1;
    }
    if (fd >= 0)
        close(fd);
}

/* ---- the program's ------------------------------------------------------------------------------------------ */

/* Whether a path is such a file of any process. */
static bool is_memory(const char *path)
{
    int end = 0;

    if (!g_str_has_prefix(path, "/proc/"))
        return false;
    if (sscanf(path, "/proc/%*u/mem%n", &end) < 0 || !end)
        sscanf(path, "/proc/%*u/task/%*u/mem%n", &end);
    return end && path[end] == '\0';
}

bool pb_user_names_memory(const char *path)
{
    return is_memory(path) || pb_user_is_own_memory(path);
}

int64_t pb_user_open_memory(pb_user *user, char **path, int *flags)
{
    bool writes = (*flags & O_ACCMODE) != O_RDONLY;

    if (!pb_user_names_memory(*path) || (*flags & O_PATH))
        return 0;
    if (!pb_user_is_own_memory(*path)) /* of another emulator, perhaps */
        return writes ? -EACCES : 0;
    __atomic_store_n(&user->opens_memory, true, __ATOMIC_SEQ_CST);
    *flags &= ~(O_ACCMODE | O_TRUNC);
    g_free(*path);
    *path = g_strdup(writes ? WRITE_NAME : READ_NAME);
    return 0;
}

/* Whether it may be one, as it looks but for its name. What costs little is asked first: most files are others. */
static bool looks_like_memory(int fd)
{
    struct statfs system;
    struct stat info;

    return fstat(fd, &info) == 0 && info.st_size == 0 && (info.st_mode & 07777) == 0600 &&
           fstatfs(fd, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/* The name under which it was opened; null: nobody can say. */
static char *name_of(int fd)
{
    char *name = pb_file_of_descriptor(fd);

    if (name)
        pb_file_cut_deleted(name); /* its thread has ended */
    return name;
}

/* Wherever /proc is mounted. Under another name, or where nobody can say under which, it is taken for one. */
bool pb_user_is_memory_file(int fd)
{
    g_autofree char *name = NULL;

    if (!looks_like_memory(fd))
        return false;
    name = name_of(fd);
    return !name || g_str_has_suffix(name, "/mem") || !g_str_has_prefix(name, "/proc/");
}

static pb_user_memory kind_of(int fd)
{
    g_autofree char *name = looks_like_memory(fd) ? name_of(fd) : NULL, *own = NULL;

    if (!name || !g_str_has_suffix(name, "/mem"))
        return PB_USER_NO_MEMORY;
    own = g_strdup_printf("/proc/%d/", (int)getpid());
    if (!g_str_has_prefix(name, own) || !is_memory(name))
        return PB_USER_MEMORY_OF_OTHERS;
    return strstr(name, "/task/") ? PB_USER_MEMORY_WRITABLE : PB_USER_MEMORY_READABLE;
}

pb_user_memory pb_user_memory_of(const pb_user_thread *t, uint64_t fd)
{
    if (G_LIKELY(!__atomic_load_n(&t->user->opens_memory, __ATOMIC_SEQ_CST)))
        return PB_USER_NO_MEMORY;
    return kind_of((int)fd);
}

/* One buffer of the list; the bytes, which are fewer where something is not mapped, or an error. */
static int64_t read_one(const pb_user_thread *t, uint64_t fd, const struct iovec *to, uint64_t gva)
{
    pb_user_space *space = t->user->space;
    uint64_t bytes = pb_user_space_reach(space, gva, to->iov_len, 0);
    ssize_t n;

    if (to->iov_len == 0)
        return 0;
    if (bytes == 0)
        return -EIO;
    n = pread((int)fd, to->iov_base, bytes, (off_t)((uintptr_t)pb_user_space_base(space) + gva));
    return n < 0 ? -errno : n;
}

static int64_t write_one(const pb_user_thread *t, const struct iovec *from, uint64_t gva)
{
    pb_user_space *space = t->user->space;
    uint64_t source = (uint64_t)((uint8_t *)from->iov_base - pb_user_space_base(space)), done = 0;
    uint8_t bytes[PB_PAGE_SIZE];

    while (done < from->iov_len) {
        uint64_t n = MIN(from->iov_len - done, sizeof(bytes)), written;

        if (!pb_user_space_read(space, source + done, bytes, n))
            return done ? (int64_t)done : -EFAULT;
        written = pb_user_space_poke(space, gva + done, bytes, n, t->user->memory_fd);
        done += written;
        if (written < n)
            return done ? (int64_t)done : -EIO;
    }
    return (int64_t)done;
}

#define MOST_BYTES INT64_C(0x7ffff000) /* of one call: MAX_RW_COUNT */

static int64_t access_list(const pb_user_thread *t, uint64_t fd, const struct iovec *list,
                           int64_t count, uint64_t gva, bool writes)
{
    int64_t done = 0;

    for (int64_t i = 0; i < count && done < MOST_BYTES; i++) {
        const struct iovec part = { list[i].iov_base,
                                    MIN(list[i].iov_len, (size_t)(MOST_BYTES - done)) };
        int64_t n = writes ? write_one(t, &part, gva + (uint64_t)done)
                           : read_one(t, fd, &part, gva + (uint64_t)done);

        if (n < 0)
            return done ? done : n;
        done += n;
        if ((uint64_t)n < part.iov_len)
            break;
    }
    return done;
}

int64_t pb_user_access_memory(pb_user_thread *t, uint64_t fd, const struct iovec *list,
                              int64_t count, const uint64_t *position, bool writes)
{
    pb_user_memory kind = pb_user_memory_of(t, fd);
    uint64_t gva;
    int64_t done;

    if (kind == PB_USER_MEMORY_OF_OTHERS)
        return -EIO;
    if (writes && kind != PB_USER_MEMORY_WRITABLE)
        return -EBADF;
    gva = position ? *position : (uint64_t)lseek((int)fd, 0, SEEK_CUR);
    done = access_list(t, fd, list, count, gva, writes);
    if (!writes)
        pb_user_have_read_list(t, list, count, done);
    if (done > 0 && !position)
        lseek((int)fd, done, SEEK_CUR);
    return done;
}
