/* Files of the user: see file.h. */
#include <core/util/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pb_file_writer {
    char *file;               /* as the user names it */
    char *target, *temporary; /* where links lead; null: written directly */
    int fd;
    int failure; /* errno of the first error */
};

static bool fail(GError **error, const char *doing, const char *file, int number)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number), "cannot %s '%s': %s", doing,
                file, g_strerror(number));
    return false;
}

char *pb_file_by_descriptor(int fd)
{
    return g_strdup_printf("/proc/thread-self/fd/%d", fd);
}

char *pb_file_of_descriptor(int fd)
{
    g_autofree char *link = pb_file_by_descriptor(fd);

    return g_file_read_link(link, NULL);
}

void pb_file_cut_deleted(char *path)
{
    static const char deleted[] = " (deleted)";

    if (g_str_has_suffix(path, deleted))
        path[strlen(path) - strlen(deleted)] = '\0';
}

static bool read_all(int fd, const char *file, gsize max, GString *into, GError **error)
{
    char buffer[16384];

    for (;;) {
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(error, "read", file, errno);
        if (n == 0)
            return true;
        if (into->len + (gsize)n > max) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "'%s' is longer than %" G_GSIZE_FORMAT " bytes", file, max);
            return false;
        }
        g_string_append_len(into, buffer, n);
    }
}

bool pb_file_read(const char *file, gsize max, char **bytes, gsize *length, GError **error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    GString *into;
    bool ok;

    if (fd < 0)
        return fail(error, "open", file, errno);
    into = g_string_new(NULL);
    ok = read_all(fd, file, max, into, error);
    close(fd);
    *length = into->len;
    *bytes = g_string_free(into, !ok);
    return ok;
}

static void free_writer(pb_file_writer *writer)
{
    g_free(writer->file);
    g_free(writer->target);
    g_free(writer->temporary);
    g_free(writer);
}

/* Whether there is something that a new file must not take the place of. */
static bool is_special(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 && !S_ISREG(st.st_mode);
}

static int create_temporary(pb_file_writer *writer)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    writer->temporary = g_strdup_printf("%s.XXXXXX", writer->target);
    fd = mkostemp(writer->temporary, O_CLOEXEC);
    if (fd >= 0 && fchmod(fd, 0666 & ~mask) != 0)
        writer->failure = errno;
    return fd;
}

pb_file_writer *pb_file_writer_new(const char *file, GError **error)
{
    pb_file_writer *writer = g_new0(pb_file_writer, 1);
    char *target = realpath(file, NULL);

    writer->file = g_strdup(file);
    writer->target = g_strdup(target ? target : file);
    free(target);
    writer->fd = is_special(file) ? open(file, O_WRONLY | O_CLOEXEC) : create_temporary(writer);
    if (writer->fd >= 0)
        return writer;
    fail(error, "create", file, errno);
    free_writer(writer);
    return NULL;
}

bool pb_file_write(pb_file_writer *writer, const void *bytes, gsize length)
{
    const char *at = bytes;

    while (length > 0 && !writer->failure) {
        ssize_t n = write(writer->fd, at, length);

        if (n < 0 && errno != EINTR) {
            writer->failure = errno;
        } else if (n > 0) {
            at += n;
            length -= (gsize)n;
        }
    }
    return !writer->failure;
}

void pb_file_abandon(pb_file_writer *writer)
{
    close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    free_writer(writer);
}

/* The rename is on the disk when the folder is. */
static void sync_folder(const char *file)
{
    g_autofree char *folder = g_path_get_dirname(file);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd); /* file systems that cannot sync folders order renames by themselves */
        close(fd);
    }
}

bool pb_file_commit(pb_file_writer *writer, GError **error)
{
    if (!writer->failure && writer->temporary && fsync(writer->fd) != 0)
        writer->failure = errno;
    if (!writer->failure && writer->temporary && rename(writer->temporary, writer->target) != 0)
        writer->failure = errno;
    if (writer->failure) {
        fail(error, "write", writer->file, writer->failure);
        pb_file_abandon(writer);
        return false;
    }
    close(writer->fd);
    sync_folder(writer->target);
    free_writer(writer);
    return true;
}
