/*
 * Paths of the program: the system root, and entries of /proc that tell about the program, not about the emulator.
 *
 * An absolute path is looked up below the system root first, with the links on its way, as if that were the root; where it
 * leaves what is there it is the host's. Relative paths are the host's: links below the system root that are absolute
 * lead out of it there.
 */
#include <core/user/internal.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_LINKS 40 /* on one path: as many as Linux follows */

/* The part of a path of the host that the program knows as its path; itself, if it is not below the root. */
static const char *without_root(const char *root, const char *path)
{
    size_t n = root ? strlen(root) : 0;

    if (n == 0 || strncmp(path, root, n) != 0)
        return path;
    return path[n] == '/' ? path + n : path[n] == '\0' ? "/" : path;
}

/* `path` is absolute, from the root on. Null: there are too many links. The walk is not the kernel's, so that where it leaves the root can be told; between it
 * and what is done with the result somebody may change a link, which lets no program reach anything that it could not name. */
static char *below(const char *root, const char *path, bool follow)
{
    g_autoptr(GString) at = g_string_new(root);
    g_autofree char *expanded = NULL;
    const char *rest = path;
    size_t root_bytes = at->len;
    unsigned links = 0;

    for (;;) {
        char target[PATH_MAX];
        size_t before = at->len, n;
        ssize_t bytes;
        char *next;

        rest += strspn(rest, "/");
        n = strcspn(rest, "/");
        if (n == 0)
            break;
        if (n == 2 && rest[0] == '.' && rest[1] == '.') {
            while (at->len > root_bytes && at->str[at->len - 1] != '/')
                g_string_truncate(at, at->len - 1);
            g_string_truncate(at, MAX(at->len, root_bytes + 1) - 1);
            rest += n;
            continue;
        }
        g_string_append_c(at, '/');
        g_string_append_len(at, rest, (gssize)n);
        bytes = n == 1 && rest[0] == '.' ? (g_string_truncate(at, before), -1)
                                         : readlink(at->str, target, sizeof(target) - 1);
        if (bytes < 0 && at->len > before && errno == ENOENT)
            return g_strconcat(at->str + root_bytes, rest + n, NULL);
        rest += n;
        if (bytes < 0 || (*rest == '\0' && !follow))
            continue;
        if (++links > MOST_LINKS)
            return NULL;
        target[bytes] = '\0';
        g_string_truncate(at, target[0] == '/' ? root_bytes : before);
        next = g_strconcat(target, rest, NULL);
        g_free(expanded);
        rest = expanded = next;
    }
    if (at->len == root_bytes || g_str_has_suffix(path, "/"))
        g_string_append_c(at, '/');
    return g_string_free(g_steal_pointer(&at), FALSE);
}

char *pb_user_find(const char *root, const char *path, bool follow)
{
    path = without_root(root, path);
    return root && path[0] == '/' ? below(root, path, follow) : g_strdup(path);
}

char *pb_user_host_path(const pb_user *user, const char *path, bool follow)
{
    return pb_user_find(user->options.sysroot, path, follow);
}

const char *pb_user_shown_path(const pb_user *user, const char *path)
{
    return without_root(user->options.sysroot, path);
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

bool pb_user_is_own_link(const char *path)
{
    const char *entry = own_entry(path);

    return entry && (strcmp(entry, "cwd") == 0 || g_str_has_prefix(entry, "fd/"));
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
