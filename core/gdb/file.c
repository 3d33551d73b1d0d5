/*
 * Files of the program's system, for `set sysroot target:` and `info proc`: gdb manual, "Host I/O Packets". They are read, not
 * written: who may connect may have the program do so, but no client needs it.
 *
 * gdb keeps the files of all libraries open. So a descriptor of the protocol is a name here, which is opened when something is read:
 * there are few numbers that the program does not see.
 */
#include <core/gdb/internal.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 1024

/* ---- answers ----------------------------------------------------------------------------------------------- */

/* Numbers of the protocol's own: "Errno Values". */
static int error_number(int error)
{
    static const int known[] = { EPERM,  ENOENT, EINTR,  EBADF,   EACCES, EFAULT,
                                 EBUSY,  EEXIST, ENODEV, ENOTDIR, EISDIR, EINVAL,
                                 ENFILE, EMFILE, EFBIG,  ENOSPC,  ESPIPE, EROFS };

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (error == known[i])
            return error; /* they are Linux's */
    return error == ENAMETOOLONG ? 91 : 9999;
}

static void fail(pb_gdb *gdb, int error)
{
    g_autofree char *text = g_strdup_printf("F-1,%x", (unsigned)error_number(error));

    gdb_send_text(gdb, text);
}

static void succeed(pb_gdb *gdb, uint64_t result)
{
    g_autofree char *text = g_strdup_printf("F%" G_GINT64_MODIFIER "x", result);

    gdb_send_text(gdb, text);
}

static void succeed_with(pb_gdb *gdb, const void *bytes, gsize n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_printf(text, "F%zx;", n);
    g_string_append_len(text, bytes, (gssize)n);
    gdb_send(gdb, text->str, text->len);
}

/* ---- what is open ------------------------------------------------------------------------------------------- */

/* Descriptors of the protocol are places in the list. -1 with errno; to be closed. */
static int open_file(const pb_gdb *gdb, uint64_t fd)
{
    const char *name = gdb->files && fd < gdb->files->len ? gdb->files->pdata[fd] : NULL;

    if (!name) {
        errno = EBADF;
        return -1;
    }
    return gdb->host.program->open(gdb->host.opaque, name);
}

/* -1: too many. */
static int add_file(pb_gdb *gdb, const char *name)
{
    guint at = 0;

    if (!gdb->files)
        gdb->files = g_ptr_array_new_with_free_func(g_free);
    while (at < gdb->files->len && gdb->files->pdata[at])
        at++;
    if (at == MOST_FILES)
        return -1;
    if (at == gdb->files->len)
        g_ptr_array_add(gdb->files, NULL);
    gdb->files->pdata[at] = g_strdup(name);
    return (int)at;
}

void gdb_file_forget(pb_gdb *gdb)
{
    g_clear_pointer(&gdb->files, g_ptr_array_unref);
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

/* A name in hexadecimal digits, to a comma or the end; null: it is none. g_free() it. */
static char *take_name(const char **text)
{
    g_autoptr(GString) name = g_string_new(NULL);
    gsize digits = strcspn(*text, ",");

    if (!gdb_parse_hex(*text, digits, name) || name->len == 0 || strlen(name->str) != name->len)
        return NULL;
    *text += digits;
    return g_string_free(g_steal_pointer(&name), FALSE);
}

/* NAME,FLAGS,MODE. Flags of the protocol: 0 to 2 as Linux's, the others make or change files. */
static bool do_open(pb_gdb *gdb, const char *text)
{
    g_autofree char *name = take_name(&text);
    uint64_t flags, mode;
    int fd, number;

    if (!name || *text++ != ',' || !gdb_parse_number_to(&text, ',', &flags) ||
        !gdb_parse_number(&text, &mode) || *text)
        return false;
    if (flags != 0) {
        fail(gdb, EROFS);
        return true;
    }
    fd = gdb->host.program->open(gdb->host.opaque, name);
    if (fd < 0) {
        fail(gdb, errno);
        return true;
    }
    close(fd);
    number = add_file(gdb, name);
    if (number < 0)
        fail(gdb, EMFILE);
    else
        succeed(gdb, (uint64_t)number);
    return true;
}

static bool do_close(pb_gdb *gdb, const char *text)
{
    uint64_t fd;

    if (!gdb_parse_number(&text, &fd) || *text)
        return false;
    if (!gdb->files || fd >= gdb->files->len || !gdb->files->pdata[fd]) {
        fail(gdb, EBADF);
        return true;
    }
    g_clear_pointer(&gdb->files->pdata[fd], g_free);
    succeed(gdb, 0);
    return true;
}

/* FD,COUNT,OFFSET */
static bool do_pread(pb_gdb *gdb, const char *text)
{
    g_autofree uint8_t *bytes = NULL;
    uint64_t fd, count, offset;
    ssize_t n = -1;
    int file;

    if (!gdb_parse_number_to(&text, ',', &fd) || !gdb_parse_number_to(&text, ',', &count) ||
        !gdb_parse_number(&text, &offset) || *text || offset > INT64_MAX)
        return false;
    count = MIN(count, GDB_PACKET / 2 - 32); /* escapes make it longer */
    bytes = g_malloc(count + 1);
    file = open_file(gdb, fd);
    if (file >= 0)
        n = pread(file, bytes, count, (off_t)offset);
    if (n < 0)
        fail(gdb, errno);
    else
        succeed_with(gdb, bytes, (gsize)n);
    if (file >= 0)
        close(file);
    return true;
}

static void put_number(GByteArray *to, uint64_t number, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;) {
        uint8_t byte = (uint8_t)(number >> (8 * i));

        g_byte_array_append(to, &byte, 1);
    }
}

/* The protocol's struct stat: big-endian. */
static bool do_fstat(pb_gdb *gdb, const char *text)
{
    g_autoptr(GByteArray) made = g_byte_array_new();
    struct stat info;
    uint64_t fd;
    int file;

    if (!gdb_parse_number(&text, &fd) || *text)
        return false;
    file = open_file(gdb, fd);
    if (file < 0 || fstat(file, &info) < 0) {
        fail(gdb, errno);
        if (file >= 0)
            close(file);
        return true;
    }
    close(file);
    put_number(made, 0, 4); /* dev: 0 is a file */
    put_number(made, info.st_ino, 4);
    put_number(made, info.st_mode, 4);
    put_number(made, info.st_nlink, 4);
    put_number(made, info.st_uid, 4);
    put_number(made, info.st_gid, 4);
    put_number(made, 0, 4);
    put_number(made, (uint64_t)info.st_size, 8);
    put_number(made, (uint64_t)info.st_blksize, 8);
    put_number(made, (uint64_t)info.st_blocks, 8);
    put_number(made, (uint64_t)info.st_atime, 4);
    put_number(made, (uint64_t)info.st_mtime, 4);
    put_number(made, (uint64_t)info.st_ctime, 4);
    succeed_with(gdb, made->data, made->len);
    return true;
}

static bool do_readlink(pb_gdb *gdb, const char *text)
{
    g_autofree char *name = take_name(&text);
    g_autofree char *path = NULL;
    char target[4096];
    ssize_t n;

    if (!name || *text)
        return false;
    path = gdb->host.program->link(gdb->host.opaque, name);
    if (path) {
        succeed_with(gdb, path, strlen(path));
        return true;
    }
    path = gdb->host.program->host_path(gdb->host.opaque, name);
    n = path ? readlink(path, target, sizeof(target)) : -1;
    if (n < 0)
        fail(gdb, path ? errno : ELOOP);
    else
        succeed_with(gdb, target, (gsize)n);
    return true;
}

/* Whose files they are: the program's, or everybody's. */
static bool do_setfs(pb_gdb *gdb, const char *text)
{
    uint64_t process;

    if (!gdb_parse_number(&text, &process) || *text)
        return false;
    succeed(gdb, 0);
    return true;
}

static bool refuse(pb_gdb *gdb, const char *text)
{
    fail(gdb, EROFS);
    return true;
}

static const struct {
    const char *name;
    bool (*fn)(pb_gdb *gdb, const char *text); /* false: malformed */
} calls[] = {
    { "open:", do_open },   { "close:", do_close },       { "pread:", do_pread },
    { "fstat:", do_fstat }, { "readlink:", do_readlink }, { "setfs:", do_setfs },
    { "pwrite:", refuse },  { "unlink:", refuse },
};

void gdb_file(pb_gdb *gdb, const char *text, gsize length)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
        if (!g_str_has_prefix(text, calls[i].name))
            continue;
        if (strlen(text) != length || !calls[i].fn(gdb, text + strlen(calls[i].name)))
            fail(gdb, EINVAL);
        return;
    }
    gdb_send_text(gdb, "");
}
