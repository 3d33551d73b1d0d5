/*
 * Disk images without a format: a file or block device, byte for byte.
 *
 * With `snapshot` the image is opened read-only and writes go to a temporary file that nobody else
 * sees and that disappears with us; a bitmap tells which sectors are there.
 *
 * The image is locked (open file description locks): writers are alone with it, readers share it.
 * Requests run on worker threads. Data that was flushed is on the disk when `done` is called.
 */
#include <patchbay/object.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/fs.h>
#include <unistd.h>

#define SECTOR 512u

typedef struct raw_disk {
    pb_object *self;
    const char *path, *serial;
    bool read_only, snapshot;
    const pb_main_loop_ops *loop;
    uint64_t bytes;
    int fd, overlay;      /* overlay -1: none */
    uint8_t *in_overlay;  /* bit per sector */
    pthread_mutex_t lock; /* in_overlay */
} raw_disk;

/* ---- transfers, on a worker thread: 0 or an errno value ---------------------------------------------- */

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
        if (n < 0)
            return errno;
        from += n;
        offset += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

static bool sector_in_overlay(const raw_disk *s, uint64_t sector)
{
    return s->in_overlay[sector / 8] >> (sector % 8) & 1;
}

/* Read a piece that may begin and end inside sectors, run by run from image and overlay. */
static int overlay_read(raw_disk *s, uint8_t *to, uint64_t length, uint64_t offset)
{
    int error = 0;

    pthread_mutex_lock(&s->lock);
    while (length && !error) {
        bool over = sector_in_overlay(s, offset / SECTOR);
        uint64_t run = SECTOR - offset % SECTOR;

        while (run < length && sector_in_overlay(s, (offset + run) / SECTOR) == over)
            run += SECTOR;
        run = run < length ? run : length;
        error = read_all(over ? s->overlay : s->fd, to, run, offset);
        to += run;
        offset += run;
        length -= run;
    }
    pthread_mutex_unlock(&s->lock);
    return error;
}

static void mark_overlay(raw_disk *s, uint64_t offset, uint64_t length)
{
    for (uint64_t sector = offset / SECTOR; sector < (offset + length) / SECTOR; sector++)
        s->in_overlay[sector / 8] |= (uint8_t)(1u << sector % 8);
}

static int transfer(raw_disk *s, const pb_block_request *r)
{
    uint64_t offset = r->offset;
    int error = 0;

    for (uint32_t i = 0; i < r->iov_count && !error; i++) {
        const pb_iovec *v = &r->iov[i];

        if (r->op == PB_BLOCK_WRITE)
            error = write_all(s->overlay >= 0 ? s->overlay : s->fd, v->base, v->length, offset);
        else if (s->overlay >= 0)
            error = overlay_read(s, v->base, v->length, offset);
        else
            error = read_all(s->fd, v->base, v->length, offset);
        offset += v->length;
    }
    if (!error && r->op == PB_BLOCK_WRITE && s->overlay >= 0) {
        pthread_mutex_lock(&s->lock);
        mark_overlay(s, r->offset, r->length);
        pthread_mutex_unlock(&s->lock);
    }
    return error;
}

static int write_zeros(raw_disk *s, uint64_t offset, uint64_t length)
{
    static const uint8_t zeros[64 * 1024];
    int fd = s->overlay >= 0 ? s->overlay : s->fd, error = 0;
    uint64_t at = offset, left = length;

    while (left && !error) {
        uint64_t piece = left < sizeof(zeros) ? left : sizeof(zeros);

        error = write_all(fd, zeros, piece, at);
        at += piece;
        left -= piece;
    }
    if (!error && s->overlay >= 0) {
        pthread_mutex_lock(&s->lock);
        mark_overlay(s, offset, length);
        pthread_mutex_unlock(&s->lock);
    }
    return error;
}

/* Discarding is advice: a host that cannot do it has done enough. */
static int discard(raw_disk *s, uint64_t offset, uint64_t length)
{
    if (s->overlay < 0)
        (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                        (off_t)length);
    return 0;
}

static int flush(const raw_disk *s)
{
    return s->overlay < 0 && fdatasync(s->fd) < 0 ? errno : 0;
}

typedef struct job {
    raw_disk *disk;
    pb_block_request *request;
} job;

static void job_work(void *opaque)
{
    job *j = opaque;
    pb_block_request *r = j->request;

    switch (r->op) {
    case PB_BLOCK_READ:
    case PB_BLOCK_WRITE:
        r->error = transfer(j->disk, r);
        break;
    case PB_BLOCK_FLUSH:
        r->error = flush(j->disk);
        break;
    case PB_BLOCK_DISCARD:
        r->error = discard(j->disk, r->offset, r->length);
        break;
    case PB_BLOCK_WRITE_ZEROES:
        r->error = write_zeros(j->disk, r->offset, r->length);
        break;
    default:
        r->error = ENOTSUP;
    }
}

static void job_done(void *opaque)
{
    job *j = opaque;
    pb_block_request *r = j->request;

    free(j);
    r->done(r);
}

/* ---- the port ------------------------------------------------------------------------------------------- */

static int check(const raw_disk *s, const pb_block_request *r)
{
    if (r->op == PB_BLOCK_FLUSH)
        return 0;
    if (r->offset % SECTOR || r->length % SECTOR)
        return EINVAL;
    if (r->offset > s->bytes || r->length > s->bytes - r->offset)
        return EINVAL;
    return r->op != PB_BLOCK_READ && s->read_only ? EROFS : 0;
}

static void raw_submit(void *self, uint32_t index, pb_block_request *r)
{
    raw_disk *s = self;
    job *j;

    r->error = check(s, r);
    j = r->error ? NULL : malloc(sizeof(*j));
    if (!j) {
        r->error = r->error ? r->error : ENOMEM;
        r->done(r);
        return;
    }
    *j = (job){ s, r };
    s->loop->work(s->self, job_work, job_done, j);
}

static void raw_info(void *self, uint32_t index, pb_block_info *info)
{
    raw_disk *s = self;

    info->read_only = s->read_only;
    info->bytes = s->bytes;
    info->serial = s->serial;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static bool find_size(raw_disk *s, pb_error *error)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0)
        return pb_fail(error, "cannot examine %s: %s", s->path, strerror(errno));
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(s->fd, BLKGETSIZE64, &s->bytes) < 0)
            return pb_fail(error, "cannot tell the size of %s: %s", s->path, strerror(errno));
    } else if (S_ISREG(st.st_mode)) {
        s->bytes = (uint64_t)st.st_size;
    } else {
        return pb_fail(error, "%s is neither a file nor a block device", s->path);
    }
    if (s->bytes == 0)
        return pb_fail(error, "%s is empty", s->path);
    if (s->bytes % SECTOR)
        return pb_fail(error, "the size of %s, %llu bytes, is not a multiple of %u: truncated?",
                       s->path, (unsigned long long)s->bytes, SECTOR);
    return true;
}

static bool lock_image(raw_disk *s, bool writer, pb_error *error)
{
    struct flock lock = { .l_type = writer ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

    if (fcntl(s->fd, F_OFD_SETLK, &lock) == 0)
        return true;
    if (errno == EAGAIN || errno == EACCES)
        return pb_fail(error, "%s is in use by another process", s->path);
    return pb_fail(error, "cannot lock %s: %s", s->path, strerror(errno));
}

static bool make_overlay(raw_disk *s, pb_error *error)
{
    const char *folder = getenv("TMPDIR");

    folder = folder && *folder ? folder : "/var/tmp";
    s->overlay = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->overlay < 0)
        return pb_fail(error, "cannot make a temporary file in %s: %s", folder, strerror(errno));
    if (ftruncate(s->overlay, (off_t)s->bytes) < 0)
        return pb_fail(error, "cannot size a temporary file in %s: %s", folder, strerror(errno));
    s->in_overlay = calloc(1, s->bytes / SECTOR / 8 + 1);
    return s->in_overlay || pb_fail(error, "out of memory");
}

static void raw_finish(void *self)
{
    raw_disk *s = self;

    pthread_mutex_destroy(&s->lock);
    free(s->in_overlay);
    if (s->overlay >= 0)
        close(s->overlay);
    if (s->fd >= 0)
        close(s->fd);
}

static bool open_image(raw_disk *s, pb_error *error)
{
    bool writer = !s->read_only && !s->snapshot;

    if (!s->path)
        return pb_fail(error, "path is empty: expected a disk image");
    s->loop = pb_extension(s->self, PB_EXTENSION_MAIN_LOOP);
    if (!s->loop)
        return pb_fail(error, "the host offers no %s", PB_EXTENSION_MAIN_LOOP);
    s->fd = open(s->path, (writer ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (s->fd < 0)
        return pb_fail(error, "cannot open %s%s: %s", s->path, writer ? " for writing" : "",
                       strerror(errno));
    return find_size(s, error) && lock_image(s, writer, error) &&
           (!s->snapshot || make_overlay(s, error));
}

static bool raw_init(void *self, pb_error *error)
{
    raw_disk *s = self;

    s->fd = s->overlay = -1;
    pthread_mutex_init(&s->lock, NULL);
    if (open_image(s, error))
        return true;
    raw_finish(s);
    return false;
}

static const pb_block_iface raw_iface = { sizeof(pb_block_iface), raw_info, raw_submit };

static const pb_prop raw_props[] = {
    { "path", PB_PROP_PATH, PB_MEMBER(raw_disk, path), .doc = "The image" },
    { "read-only", PB_PROP_BOOL, PB_MEMBER(raw_disk, read_only), "false",
      .doc = "The guest cannot write" },
    { "snapshot", PB_PROP_BOOL, PB_MEMBER(raw_disk, snapshot), "false",
      .doc = "What the guest writes is dropped at the end" },
    { "serial", PB_PROP_STRING, PB_MEMBER(raw_disk, serial), "",
      .doc = "Serial number of the disk" },
    { 0 },
};

static const pb_port raw_ports[] = {
    { "port", PB_PROTOCOL_BLOCK, PB_PROVIDES, .iface = &raw_iface, .doc = "The disk" },
    { 0 },
};

static const pb_state raw_state[] = {
    PB_TRANSIENT(raw_disk, loop, "host services"),
    PB_TRANSIENT(raw_disk, bytes, "size of the image"),
    PB_TRANSIENT(raw_disk, fd, "host descriptor"),
    PB_TRANSIENT(raw_disk, overlay,
                 "host descriptor; the contents of disks are not part of a snapshot"),
    PB_TRANSIENT(raw_disk, in_overlay, "describes the overlay"),
    PB_TRANSIENT(raw_disk, lock, "host mutex"),
    { 0 },
};

static const pb_class raw_class = {
    .size = sizeof(pb_class),
    .kind = PB_KIND_BACKEND,
    .name = "raw",
    .doc = "Disk image without a format",
    .instance_size = sizeof(raw_disk),
    PB_SELF(raw_disk, self),
    .props = raw_props,
    .ports = raw_ports,
    .state = raw_state,
    .init = raw_init,
    .finish = raw_finish,
};

static const pb_class *const types[] = { &raw_class, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "host-disk",
    .version = "0.1",
    .licence = "MIT",
    .doc = "Disk images",
    .types = types,
};
