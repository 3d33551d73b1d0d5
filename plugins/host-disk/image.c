/*
 * Images: see image.h.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <unistd.h>

/* ---- transfers ------------------------------------------------------------------------------------------- */

static int read_all(int fd, uint8_t *to, uint64_t length, uint64_t offset)
{
    while (length) {
        ssize_t n = pread(fd, to, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return EIO; /* somebody shortened the file */
        to += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *from, uint64_t length, uint64_t offset)
{
    while (length) {
        ssize_t n = pwrite(fd, from, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        from += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

/* A write behind the end of a file that somebody shortened would make it longer, with zeros where data was. */
static int check_length(const disk_image *im, uint64_t end)
{
    struct stat st;

    if (im->device)
        return 0;
    if (fstat(im->fd, &st) < 0)
        return errno;
    return (uint64_t)st.st_size < end ? EIO : 0;
}

static bool is_in_overlay(const disk_image *im, uint64_t sector)
{
    return im->in_overlay[sector / 8] >> (sector % 8) & 1;
}

/* The bytes from offset on, up to `length`, that are all in the overlay or all not; *over: which. */
static uint64_t find_run(disk_image *im, uint64_t length, uint64_t offset, bool *over)
{
    uint64_t run = SECTOR - offset % SECTOR;

    pthread_mutex_lock(&im->lock);
    *over = is_in_overlay(im, offset / SECTOR);
    while (run < length && is_in_overlay(im, (offset + run) / SECTOR) == *over)
        run += SECTOR;
    pthread_mutex_unlock(&im->lock);
    return run < length ? run : length;
}

static void mark_overlay(disk_image *im, uint64_t length, uint64_t offset)
{
    pthread_mutex_lock(&im->lock);
    for (uint64_t sector = offset / SECTOR; sector < (offset + length) / SECTOR; sector++)
        im->in_overlay[sector / 8] |= (uint8_t)(1u << sector % 8);
    pthread_mutex_unlock(&im->lock);
}

/* A piece, which may begin and end inside sectors. */
static int read_piece(disk_image *im, uint8_t *to, uint64_t length, uint64_t offset)
{
    int error = 0;

    if (im->overlay < 0)
        return read_all(im->fd, to, length, offset);
    while (length && !error) {
        bool over;
        uint64_t run = find_run(im, length, offset, &over);

        error = read_all(over ? im->overlay : im->fd, to, run, offset);
        to += run;
        offset += run;
        length -= run;
    }
    return error;
}

int image_read(disk_image *im, const pb_iovec *iov, uint32_t count, uint64_t offset)
{
    int error = 0;

    for (uint32_t i = 0; i < count && !error; i++) {
        error = read_piece(im, iov[i].base, iov[i].length, offset);
        offset += iov[i].length;
    }
    return error;
}

int image_write(disk_image *im, const pb_iovec *iov, uint32_t count, uint64_t offset)
{
    bool over = im->overlay >= 0;
    uint64_t end = offset, at = offset;
    int error;

    for (uint32_t i = 0; i < count; i++)
        end += iov[i].length;
    error = over ? 0 : check_length(im, end);
    for (uint32_t i = 0; i < count && !error; i++) {
        error = write_all(over ? im->overlay : im->fd, iov[i].base, iov[i].length, at);
        at += iov[i].length;
    }
    if (!error && over)
        mark_overlay(im, end - offset, offset);
    return error;
}

/* The host's way to do something with a range, tried again when a signal came. 0 or an errno value. */
static int allocate(int fd, int mode, uint64_t length, uint64_t offset)
{
    int result;

    do
        result = fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static int write_zeros(int fd, uint64_t length, uint64_t offset)
{
    static const uint8_t zeros[64 * 1024];
    int error = 0;

    for (uint64_t piece; length && !error; length -= piece, offset += piece) {
        piece = length < sizeof(zeros) ? length : sizeof(zeros);
        error = write_all(fd, zeros, piece, offset);
    }
    return error;
}

/* Not every file system and device can do without being written to. */
static int zero(int fd, uint64_t length, uint64_t offset)
{
    static const int modes[] = { FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE };

    for (size_t i = 0; i < PB_ARRAY_SIZE(modes); i++) {
        int error = allocate(fd, modes[i], length, offset);

        if (error == 0 || error == EIO)
            return error;
    }
    return write_zeros(fd, length, offset);
}

int image_zero(disk_image *im, uint64_t length, uint64_t offset)
{
    int error;

    if (length == 0)
        return 0;
    if (im->overlay < 0) {
        error = check_length(im, offset + length);
        return error ? error : zero(im->fd, length, offset);
    }
    error = zero(im->overlay, length, offset);
    if (!error)
        mark_overlay(im, length, offset);
    return error;
}

/* Discarding is advice: a host that cannot do it has done enough. In front of an overlay nothing is worth it. */
int image_discard(disk_image *im, uint64_t length, uint64_t offset)
{
    int error = 0;

    if (length && im->overlay < 0) {
        error = check_length(im, offset + length);
        error = error ? error : allocate(im->fd, FALLOC_FL_PUNCH_HOLE, length, offset);
    }
    return error == EIO ? EIO : 0;
}

/* After a failure the host may have dropped what it could not write, and say that all is well the next time: so
 * nothing is ever again said to be on the disk. */
int image_flush(disk_image *im)
{
    uint32_t error = __atomic_load_n(&im->flush_error, __ATOMIC_SEQ_CST);
    int result;

    if (im->overlay >= 0 || error)
        return (int)error;
    do
        result = fdatasync(im->fd);
    while (result < 0 && errno == EINTR);
    if (result < 0) {
        error = (uint32_t)errno;
        __atomic_store_n(&im->flush_error, error, __ATOMIC_SEQ_CST);
    }
    return (int)error;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFCHR:
        return "a character device";
    case S_IFSOCK:
        return "a socket";
    }
    return "something else";
}

static bool check_kind(const char *path, const struct stat *st, pb_error *error)
{
    return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) ||
           pb_fail(error, "%s is %s: expected a file or a block device", path,
                   kind_of(st->st_mode));
}

/* Looks before it opens, because opening a FIFO waits and opening a device may do things; and afterwards, because
 * it may be something else by then. */
static bool open_file(disk_image *im, bool writable, pb_error *error)
{
    struct stat st;

    if (stat(im->path, &st) == 0 && !check_kind(im->path, &st, error))
        return false;
    im->fd = open(im->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (im->fd < 0)
        return pb_fail(error, "cannot open %s%s: %s", im->path, writable ? " for writing" : "",
                       strerror(errno));
    if (fstat(im->fd, &st) < 0)
        return pb_fail(error, "cannot examine %s: %s", im->path, strerror(errno));
    if (!check_kind(im->path, &st, error))
        return false;
    fcntl(im->fd, F_SETFL, fcntl(im->fd, F_GETFL) & ~O_NONBLOCK);
    im->device = S_ISBLK(st.st_mode);
    im->on = im->device ? st.st_rdev : st.st_dev;
    im->number = im->device ? 0 : st.st_ino;
    im->bytes = im->device ? 0 : (uint64_t)st.st_size;
    if (im->device && ioctl(im->fd, BLKGETSIZE64, &im->bytes) < 0)
        return pb_fail(error, "cannot tell the size of %s: %s", im->path, strerror(errno));
    return true;
}

static bool check_size(const disk_image *im, pb_error *error)
{
    if (im->bytes == 0)
        return pb_fail(error, "%s is empty", im->path);
    if (im->bytes % SECTOR)
        return pb_fail(error, "the size of %s, %llu bytes, is not a multiple of %u: truncated?",
                       im->path, (unsigned long long)im->bytes, SECTOR);
    return true;
}

/* A file without a name; in two steps where the file system has no such thing. */
static int open_temporary(const char *folder)
{
    char name[4096];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if (snprintf(name, sizeof(name), "%s/patchbay-XXXXXX", folder) >= (int)sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static bool make_overlay(disk_image *im, pb_error *error)
{
    const char *folder = getenv("TMPDIR");

    folder = folder && *folder ? folder : "/var/tmp";
    im->overlay = open_temporary(folder);
    if (im->overlay < 0)
        return pb_fail(error, "cannot make a temporary file in %s: %s", folder, strerror(errno));
    if (ftruncate(im->overlay, (off_t)im->bytes) < 0)
        return pb_fail(error, "cannot make a temporary file of %llu bytes in %s: %s",
                       (unsigned long long)im->bytes, folder, strerror(errno));
    im->in_overlay = calloc(1, im->bytes / SECTOR / 8 + 1);
    return im->in_overlay || pb_fail(error, "out of memory");
}

bool image_open(disk_image *im, const char *path, bool writable, bool overlay, pb_error *error)
{
    *im = (disk_image){ .path = path, .fd = -1, .overlay = -1 };
    pthread_mutex_init(&im->lock, NULL);
    return open_file(im, writable && !overlay, error) && check_size(im, error) &&
           (!overlay || make_overlay(im, error));
}

void image_close(disk_image *im)
{
    pthread_mutex_destroy(&im->lock);
    free(im->in_overlay);
    if (im->overlay >= 0)
        close(im->overlay);
    if (im->fd >= 0)
        close(im->fd);
}

int image_lock(disk_image *im, bool writer)
{
    struct flock lock = { .l_type = writer ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

    if (fcntl(im->fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? EAGAIN : errno;
}

bool image_is_same(const disk_image *a, const disk_image *b)
{
    return a->device == b->device && a->on == b->on && a->number == b->number;
}
