/*
 * Paths of the program: the system root, and entries of /proc that tell about the program, not about the emulator.
 *
 * An absolute path is looked up below the system root first; what is not there is the host's. Links in the system root
 * that are absolute lead to the host's files.
 */
#include <core/user/internal.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

char *pb_user_host_path(const pb_user *user, const char *path)
{
    if (user->options.sysroot && path[0] == '/') {
        char *below = g_strconcat(user->options.sysroot, path, NULL);

        if (faccessat(AT_FDCWD, below, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return below;
        g_free(below);
    }
    return g_strdup(path);
}

/* What follows /proc/self/, or the same by number; null: something else. */
static const char *own_entry(const char *path)
{
    g_autofree char *by_number = NULL;

    if (!g_str_has_prefix(path, "/proc/"))
        return NULL;
    if (g_str_has_prefix(path, "/proc/self/"))
        return path + strlen("/proc/self/");
    if (g_str_has_prefix(path, "/proc/thread-self/"))
        return path + strlen("/proc/thread-self/");
    by_number = g_strdup_printf("/proc/%d/", (int)getpid());
    return g_str_has_prefix(path, by_number) ? path + strlen(by_number) : NULL;
}

const char *pb_user_proc_link(const pb_user *user, const char *path)
{
    const char *entry = own_entry(path);

    return entry && strcmp(entry, "exe") == 0 ? user->path : NULL;
}

static int open_text(const char *bytes, size_t n, int flags)
{
    int fd = memfd_create("proc", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);

    if (fd < 0)
        return -1;
    if (write(fd, bytes, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_maps(pb_user *user, int flags)
{
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);
    int fd;

    if (!file)
        return -1;
    pb_user_space_list(user->space, file);
    fclose(file);
    fd = open_text(text, n, flags);
    free(text);
    return fd;
}

static int open_arguments(pb_user *user, int flags)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (const char *const *text = user->options.argv; *text; text++)
        g_byte_array_append(bytes, (const guint8 *)*text, (guint)strlen(*text) + 1);
    return open_text((const char *)bytes->data, bytes->len, flags);
}

int pb_user_open_proc(pb_user *user, const char *path, int flags)
{
    const char *entry = own_entry(path);

    if (!entry || (flags & O_ACCMODE) != O_RDONLY)
        return -1;
    if (strcmp(entry, "exe") == 0)
        return open(user->path, flags);
    if (strcmp(entry, "maps") == 0)
        return open_maps(user, flags);
    if (strcmp(entry, "cmdline") == 0)
        return open_arguments(user, flags);
    if (strcmp(entry, "auxv") == 0)
        return open_text((const char *)user->auxv, user->auxv_bytes, flags);
    return -1;
}
