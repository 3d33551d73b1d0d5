/*
 * Paths of the program, and its system root.
 *
 * An absolute path is looked up below the system root first, with the links on its way, as if that were the root; where it
 * leaves what is there it is the host's. Relative paths are the host's: links below the system root that are absolute
 * lead out of it there.
 */
#include <core/user/internal.h>

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
