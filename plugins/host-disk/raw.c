/*
 * Disk images without a format, byte for byte.
 *
 * Requests run on worker threads, several at once. A request is the main thread's until a worker takes it, the
 * worker's while that transfers, and then the main thread's again; `jobs` and the states of what is in it change
 * under `lock`. Whoever makes a job's request null has called done, or will.
 */
#include "image.h"

#include <patchbay/loader.h>
#include <patchbay/object.h>

#include <errno.h>
#include <stdlib.h>

typedef enum job_state { JOB_WAITS, JOB_RUNS, JOB_IS_DONE } job_state;

typedef struct job {
    struct raw_disk *disk;
    pb_block_request *request; /* null: was ended by drain */
    job_state state;
    struct job *next;
} job;

typedef struct raw_disk {
    pb_object *self;
    const char *path, *serial;
    bool read_only, snapshot;
    const pb_main_loop_ops *loop;
    disk_image image;
    bool ready;       /* the image is open */
    bool left_behind; /* the guest wrote to the overlay, which no snapshot has */
    job *jobs;
    pthread_mutex_t lock;
    pthread_cond_t finished; /* a job was transferred */
} raw_disk;

/* ---- requests ------------------------------------------------------------------------------------------- */

static int perform(disk_image *im, const pb_block_request *r)
{
    switch (r->op) {
    case PB_BLOCK_READ:
        return image_read(im, r->iov, r->iov_count, r->offset);
    case PB_BLOCK_WRITE:
        return image_write(im, r->iov, r->iov_count, r->offset);
    case PB_BLOCK_FLUSH:
        return image_flush(im);
    case PB_BLOCK_DISCARD:
        return image_discard(im, r->length, r->offset);
    case PB_BLOCK_WRITE_ZEROES:
        return image_zero(im, r->length, r->offset);
    }
    return ENOTSUP;
}

/* On a worker thread. */
static void job_work(void *opaque)
{
    job *j = opaque;
    raw_disk *s = j->disk;
    pb_block_request *r;

    pthread_mutex_lock(&s->lock);
    r = j->request;
    j->state = JOB_RUNS;
    pthread_mutex_unlock(&s->lock);
    if (r)
        r->error = perform(&s->image, r);
    pthread_mutex_lock(&s->lock);
    j->state = JOB_IS_DONE;
    pthread_cond_broadcast(&s->finished);
    pthread_mutex_unlock(&s->lock);
}

static void job_done(void *opaque)
{
    job *j = opaque, **at;
    raw_disk *s = j->disk;
    pb_block_request *r = j->request;

    pthread_mutex_lock(&s->lock);
    for (at = &s->jobs; *at != j;)
        at = &(*at)->next;
    *at = j->next;
    pthread_mutex_unlock(&s->lock);
    free(j);
    if (r)
        r->done(r);
}

static int check(const raw_disk *s, const pb_block_request *r)
{
    if (r->op == PB_BLOCK_FLUSH)
        return 0;
    if (r->offset % SECTOR || r->length % SECTOR)
        return EINVAL;
    if (r->offset > s->image.bytes || r->length > s->image.bytes - r->offset)
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
    s->left_behind |= s->image.overlay >= 0 && r->op != PB_BLOCK_READ && r->op != PB_BLOCK_FLUSH;
    pthread_mutex_lock(&s->lock);
    *j = (job){ .disk = s, .request = r, .next = s->jobs };
    s->jobs = j;
    pthread_mutex_unlock(&s->lock);
    s->loop->work(s->self, job_work, job_done, j);
}

/* Take a request back from its job; waits for a worker that has it. Null: there is none left. */
static pb_block_request *take_back(raw_disk *s)
{
    pb_block_request *r = NULL;
    job *j;

    pthread_mutex_lock(&s->lock);
    for (j = s->jobs; j && !j->request;)
        j = j->next;
    while (j && j->state == JOB_RUNS)
        pthread_cond_wait(&s->finished, &s->lock);
    if (j) {
        r = j->request;
        j->request = NULL;
        if (j->state == JOB_WAITS)
            r->error = ECANCELED;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

static bool raw_drain(void *self, uint32_t index)
{
    pb_block_request *r;

    while ((r = take_back(self)))
        r->done(r);
    return true;
}

static void raw_info(void *self, uint32_t index, pb_block_info *info)
{
    raw_disk *s = self;

    info->read_only = s->read_only;
    info->bytes = s->image.bytes;
    info->serial = s->serial;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static bool raw_loaded(void *self, pb_error *error)
{
    return !((raw_disk *)self)->left_behind ||
           pb_fail(error,
                   "the guest had written to the disk, with snapshot: true: what it wrote was in a "
                   "temporary file, which is gone");
}

static const pb_block_iface raw_iface = {
    sizeof(pb_block_iface),
    raw_info,
    raw_submit,
    raw_drain,
};

/* The path of another disk of this machine with the same image, null if there is none. */
static const char *other_user(const raw_disk *s)
{
    const pb_machine_ops *machine = pb_extension(s->self, PB_EXTENSION_MACHINE);
    pb_link link;

    for (uint32_t n = 0; machine && machine->provider(s->self, PB_PROTOCOL_BLOCK, n, &link); n++) {
        const raw_disk *other = link.self;

        if (link.iface == &raw_iface && other->ready && image_is_same(&other->image, &s->image))
            return other->self->ops->path(other->self);
    }
    return NULL;
}

static bool lock(raw_disk *s, pb_error *error)
{
    int result = image_lock(&s->image, !s->read_only && !s->snapshot);
    const char *other = result == EAGAIN ? other_user(s) : NULL;

    if (result == 0)
        return true;
    if (other)
        return pb_fail(error, "%s is opened twice by this machine: '%s' has it already", s->path,
                       other);
    if (result == EAGAIN)
        return pb_fail(error, "%s is in use by another process", s->path);
    return pb_fail(error, "cannot lock %s: %s", s->path, strerror(result));
}

static bool raw_init(void *self, pb_error *error)
{
    raw_disk *s = self;

    if (!s->path)
        return pb_fail(error, "path is empty: expected a disk image");
    s->loop = pb_extension(s->self, PB_EXTENSION_MAIN_LOOP);
    if (!s->loop)
        return pb_fail(error, "the host offers no %s", PB_EXTENSION_MAIN_LOOP);
    s->ready = image_open(&s->image, s->path, !s->read_only, s->snapshot && !s->read_only, error) &&
               lock(s, error);
    if (!s->ready) {
        image_close(&s->image);
        return false;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->finished, NULL);
    return true;
}

/* The host waited for the workers. */
static void raw_finish(void *self)
{
    raw_disk *s = self;

    s->ready = false;
    image_close(&s->image);
    pthread_cond_destroy(&s->finished);
    pthread_mutex_destroy(&s->lock);
}

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
    PB_TRANSIENT(raw_disk, image, "host file; the contents of disks are not part of a snapshot"),
    PB_TRANSIENT(raw_disk, ready, "true since init"),
    PB_STATE(raw_disk, left_behind),
    PB_TRANSIENT(raw_disk, jobs, "the machine waits for requests before it is saved"),
    PB_TRANSIENT(raw_disk, lock, "host mutex"),
    PB_TRANSIENT(raw_disk, finished, "host condition"),
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
    .loaded = raw_loaded,
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
