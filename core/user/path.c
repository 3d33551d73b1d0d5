/*
 * Paths of the program, and its system root.
 *
 * An absolute path is looked up below the system root first, with the links on its way, as if that were the root; where it
 * leaves what is there it is the host's. A relative path from a folder below the system root is the host's, too, unless a link on its way
 * is absolute, or it goes up at the root: then it is looked up in the same way.
 */
#include <core/user/internal.h>
#include <core/util/file.h>

#include <fcntl.h>
#include <limits.h>
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

/* `path` goes from a folder on, which is `start` below the root. *leaves: the host's kernel would come to something else. Null: there are too many
 * links. The walk is not the kernel's, so that where it leaves the root can be told; between it and what is done with the result somebody may
 * change a link, which lets no program reach anything that it could not name. */
static char *below(const char *root, const char *start, const char *path, bool follow, bool *leaves)
{
    g_autoptr(GString) at = g_string_new(root);
    g_autofree char *expanded = NULL;
    const char *rest = path;
    size_t root_bytes = at->len;
    unsigned links = 0;

    g_string_append(at, start);
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
            *leaves |= at->len == root_bytes;
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
        /* A root that the user may not look into, as after setuid(), has nothing. */
        if (bytes < 0 && at->len > before &&
            (errno == ENOENT || (errno == EACCES && before == root_bytes)))
            return g_strconcat(at->str + root_bytes, rest + n, NULL);
        rest += n;
        if (bytes < 0 || (*rest == '\0' && !follow))
            continue;
        if (++links > MOST_LINKS)
            return NULL;
        target[bytes] = '\0';
        *leaves |= target[0] == '/';
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
    bool leaves = false;

    path = without_root(root, path);
    return root && path[0] == '/' ? below(root, "", path, follow, &leaves) : g_strdup(path);
}

char *pb_user_host_path(const pb_user *user, const char *path, bool follow)
{
    return pb_user_find(user->options.sysroot, path, follow);
}

/* Where an open folder is; null: it cannot be told. */
static char *folder_of(int fd)
{
    g_autofree char *path = fd == AT_FDCWD ? g_file_read_link("/proc/thread-self/cwd", NULL)
                                           : pb_file_of_descriptor(fd);

    return path && path[0] == '/' ? g_steal_pointer(&path) : NULL;
}

char *pb_user_host_path_at(const pb_user *user, int fd, const char *path, bool follow)
{
    const char *root = user->options.sysroot, *start;
    g_autofree char *folder = NULL, *found = NULL;
    bool leaves = false;

    if (!root || !*path || *path == '/')
        return pb_user_find(root, path, follow);
    folder = folder_of(fd);
    start = folder ? without_root(root, folder) : NULL;
    if (!start || start == folder)
        return g_strdup(path);
    found = below(root, strcmp(start, "/") == 0 ? "" : start, path, follow, &leaves);
    return leaves || !found ? g_steal_pointer(&found) : g_strdup(path);
}

const char *pb_user_shown_path(const pb_user *user, const char *path)
{
    return without_root(user->options.sysroot, path);
}
