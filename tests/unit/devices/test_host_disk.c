/*
 * Disk images (plugins/host-disk) on real files, with work on threads, and a host that fails when the test says so.
 * Also under a virtio disk that is reset while it reads.
 */
#include "driver.h"
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <patchbay/object.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SECTOR 512u
#define BYTES  (64 * SECTOR)

extern const pb_plugin
    host_disk_entry; /* the plugin, which is linked in, has its entry by this name */

/* ---- the host's functions as the plugin sees them (the linker's --wrap) -------------------------------------- */

typedef struct fault {
    int error;       /* errno of the next call, 0: none */
    unsigned calls;  /* how many fail */
    unsigned shorts; /* how many transfer one byte only */
} fault;

static struct {
    fault read, write, sync, zero_range, punch_hole;
    unsigned zero_ranges, punched_holes, writes;
    /* A gate in front of reads. */
    bool closed, waits;
    GMutex lock;
    GCond changed;
} host;

ssize_t __real_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at);
ssize_t __real_pwrite64(int fd, const void *from, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fallocate64(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate64(int fd, int mode, off_t at, off_t n);

static bool fails(fault *f)
{
    if (!f->calls)
        return false;
    f->calls--;
    errno = f->error;
    return true;
}

static size_t shortened(fault *f, size_t n)
{
    if (!f->shorts)
        return n;
    f->shorts--;
    return 1;
}

ssize_t __wrap_pread64(int fd, void *to, size_t n, off_t at)
{
    g_mutex_lock(&host.lock);
    host.waits = host.closed;
    g_cond_broadcast(&host.changed);
    while (host.closed)
        g_cond_wait(&host.changed, &host.lock);
    g_mutex_unlock(&host.lock);
    if (fails(&host.read))
        return -1;
    return __real_pread64(fd, to, shortened(&host.read, n), at);
}

ssize_t __wrap_pwrite64(int fd, const void *from, size_t n, off_t at)
{
    __atomic_fetch_add(&host.writes, 1, __ATOMIC_SEQ_CST);
    if (fails(&host.write))
        return -1;
    return __real_pwrite64(fd, from, shortened(&host.write, n), at);
}

int __wrap_fdatasync(int fd)
{
    return fails(&host.sync) ? -1 : __real_fdatasync(fd);
}

int __wrap_fallocate64(int fd, int mode, off_t at, off_t n)
{
    bool zero = mode & FALLOC_FL_ZERO_RANGE;

    *(zero ? &host.zero_ranges : &host.punched_holes) += 1;
    if (fails(zero ? &host.zero_range : &host.punch_hole))
        return -1;
    return __real_fallocate64(fd, mode, at, n);
}

static gpointer open_gate(gpointer opaque)
{
    g_mutex_lock(&host.lock);
    host.closed = false;
    g_cond_broadcast(&host.changed);
    g_mutex_unlock(&host.lock);
    return NULL;
}

static void wait_at_gate(void)
{
    g_mutex_lock(&host.lock);
    while (!host.waits)
        g_cond_wait(&host.changed, &host.lock);
    g_mutex_unlock(&host.lock);
}

/* ---- a disk --------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    char *folder, *path;
    board b;
    loop *loop;
    pb_link port;
    unsigned done;
} fixture;

static fixture x;

static void forget_faults(void)
{
    host.read = host.write = host.sync = host.zero_range = host.punch_hole = (fault){ 0 };
    host.zero_ranges = host.punched_holes = host.writes = 0;
    host.closed = host.waits = false;
}

/* A file whose sector n is full of n + 1. */
static void make_image(void)
{
    uint8_t bytes[BYTES];

    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(1 + i / SECTOR);
    CU_ASSERT_FATAL(g_file_set_contents(x.path, (char *)bytes, BYTES, NULL));
}

static void make_machine(void)
{
    x.b.machine = fake_machine_new(NULL);
    x.b.device = fake_machine_add(x.b.machine, host_disk_entry.types[0], "disk");
    x.loop = loop_new(x.b.machine);
}

static void make_folder(void)
{
    memset(&x, 0, sizeof(x));
    forget_faults();
    x.folder = g_dir_make_tmp("patchbay-disk-XXXXXX", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x.folder);
    x.path = g_build_filename(x.folder, "image", NULL);
    g_setenv("TMPDIR", x.folder, TRUE);
}

static void drop_folder(void)
{
    g_remove(x.path);
    CU_ASSERT_EQUAL(g_rmdir(x.folder), 0); /* nothing else was left there */
    g_free(x.path);
    g_free(x.folder);
}

/* `property`: one to set, or null. */
static void setup(const char *property)
{
    make_folder();
    make_image();
    make_machine();
    CU_ASSERT_FATAL(pb_instance_set(x.b.device, "path", x.path, NULL));
    if (property)
        CU_ASSERT_FATAL(pb_instance_set(x.b.device, property, "true", NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(x.b.device, NULL));
    board_start(&x.b);
    x.port = board_attach(&x.b, "port", NULL, &x);
}

static void teardown(void)
{
    fake_machine_free(x.b.machine);
    loop_free(x.loop);
    drop_folder();
}

static uint8_t file_byte(uint64_t offset)
{
    uint8_t byte = 0;
    int fd = open(x.path, O_RDONLY);

    CU_ASSERT_EQUAL(__real_pread64(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
    return byte;
}

static void count_done(pb_block_request *r)
{
    x.done++;
}

static void submit(pb_block_request *r)
{
    r->size = sizeof(*r);
    r->done = count_done;
    r->error = -1;
    ((const pb_block_iface *)x.port.iface)->submit(x.port.self, 0, r);
}

/* A request from start to end: its error. */
static int run(uint32_t op, uint64_t offset, const pb_iovec *iov, uint32_t count, uint64_t length)
{
    pb_block_request r = {
        .op = op, .offset = offset, .length = length, .iov = iov, .iov_count = count
    };

    x.done = 0;
    submit(&r);
    loop_do_work(x.loop);
    CU_ASSERT_EQUAL(x.done, 1);
    return r.error;
}

static int run_flat(uint32_t op, uint64_t offset, void *bytes, uint64_t length)
{
    const pb_iovec iov = { bytes, length };

    return run(op, offset, &iov, 1, length);
}

/* What the guest reads at a byte. */
static uint8_t guest_byte(uint64_t offset)
{
    uint8_t sector[SECTOR];

    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_READ, offset & ~(uint64_t)(SECTOR - 1), sector, SECTOR), 0);
    return sector[offset % SECTOR];
}

/* ---- transfers -------------------------------------------------------------------------------------------------- */

static void scattered(void)
{
    uint8_t bytes[3 * SECTOR], back[3 * SECTOR];
    const pb_iovec out[] = { { bytes, 100 }, { bytes + 100, 1000 }, { bytes + 1100, 436 } };
    const pb_iovec in[] = {
        { back, 1 }, { back + 1, 511 }, { back + 512, 0 }, { back + 512, 1024 }
    };

    setup(NULL);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE, 5 * SECTOR, out, 3, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL(run(PB_BLOCK_READ, 5 * SECTOR, in, 4, sizeof(back)), 0);
    CU_ASSERT_EQUAL(memcmp(bytes, back, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL(file_byte(5 * SECTOR - 1), 5);
    CU_ASSERT_EQUAL(file_byte(5 * SECTOR + 1100), bytes[1100]);
    CU_ASSERT_EQUAL(file_byte(8 * SECTOR), 9);
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), 0);
    teardown();
}

static void information(void)
{
    pb_block_info info = { .size = sizeof(info) };

    setup("read-only");
    ((const pb_block_iface *)x.port.iface)->info(x.port.self, 0, &info);
    CU_ASSERT_EQUAL(info.bytes, BYTES);
    CU_ASSERT(info.read_only);
    CU_ASSERT_STRING_EQUAL(info.serial, "");
    teardown();
}

static void requests_that_do_not_fit(void)
{
    static const struct {
        uint64_t offset, length;
    } wrong[] = { { BYTES, SECTOR },
                  { BYTES - SECTOR, 2 * SECTOR },
                  { UINT64_MAX - 511, SECTOR },
                  { 0, UINT64_MAX - 511 },
                  { 1, SECTOR },
                  { 0, SECTOR - 1 } };
    uint8_t bytes[SECTOR];

    setup(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        pb_block_request r = { .op = PB_BLOCK_WRITE_ZEROES,
                               .offset = wrong[i].offset,
                               .length = wrong[i].length };

        x.done = 0;
        submit(&r);
        CU_ASSERT_EQUAL(x.done, 1);
        CU_ASSERT_EQUAL(r.error, EINVAL);
        CU_ASSERT_EQUAL(loop_work(x.loop), 0);
    }
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_READ, BYTES, bytes, 0), 0);
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, BYTES, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 0, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(run(99, 0, NULL, 0, 0), ENOTSUP);
    CU_ASSERT_EQUAL(file_byte(0), 1);
    teardown();
}

static void read_only(void)
{
    uint8_t bytes[SECTOR] = { 0 };

    setup("read-only");
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 0, bytes, SECTOR), EROFS);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 0, NULL, 0, SECTOR), EROFS);
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 0, NULL, 0, SECTOR), EROFS);
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(guest_byte(0), 1);
    CU_ASSERT_EQUAL(file_byte(0), 1);
    teardown();
}

static void zeroes(void)
{
    setup(NULL);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 3 * SECTOR, NULL, 0, 20 * SECTOR), 0);
    CU_ASSERT_EQUAL(host.writes, 0); /* the host did it */
    CU_ASSERT_EQUAL(guest_byte(3 * SECTOR - 1), 3);
    CU_ASSERT_EQUAL(guest_byte(3 * SECTOR), 0);
    CU_ASSERT_EQUAL(guest_byte(23 * SECTOR - 1), 0);
    CU_ASSERT_EQUAL(guest_byte(23 * SECTOR), 24);

    host.zero_range = (fault){ EOPNOTSUPP, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 30 * SECTOR, NULL, 0, SECTOR), 0);
    CU_ASSERT_EQUAL(host.punched_holes, 1);
    CU_ASSERT_EQUAL(host.writes, 0);
    CU_ASSERT_EQUAL(guest_byte(30 * SECTOR + 5), 0);
    CU_ASSERT_EQUAL(guest_byte(31 * SECTOR), 32);

    host.zero_range = host.punch_hole = (fault){ EOPNOTSUPP, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 40 * SECTOR, NULL, 0, 3 * SECTOR), 0);
    CU_ASSERT_EQUAL(host.writes, 1);
    CU_ASSERT_EQUAL(guest_byte(40 * SECTOR - 1), 40);
    CU_ASSERT_EQUAL(guest_byte(42 * SECTOR + 511), 0);
    CU_ASSERT_EQUAL(guest_byte(43 * SECTOR), 44);

    host.zero_range = (fault){ EINTR, 3, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 50 * SECTOR, NULL, 0, SECTOR), 0);
    host.zero_range = (fault){ EIO, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 60 * SECTOR, NULL, 0, SECTOR), EIO);
    teardown();
}

static void discards(void)
{
    setup(NULL);
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 0, NULL, 0, BYTES), 0);
    CU_ASSERT_EQUAL(guest_byte(0), 0);
    host.punch_hole = (fault){ EOPNOTSUPP, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 0, NULL, 0, BYTES), 0);
    host.punch_hole = (fault){ EIO, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 0, NULL, 0, BYTES), EIO);
    teardown();
}

/* ---- overlays --------------------------------------------------------------------------------------------------- */

static void overlay(void)
{
    uint8_t bytes[4 * SECTOR], back[6 * SECTOR];
    const pb_iovec out[] = { { bytes, 700 }, { bytes + 700, 1024 - 700 } };

    setup("snapshot");
    memset(bytes, 0xaa, sizeof(bytes));
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE, 10 * SECTOR, out, 2, 2 * SECTOR), 0);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 13 * SECTOR, bytes, SECTOR), 0);
    /* The image, two sectors of the overlay, the image, the overlay, the image. */
    for (unsigned cut = 1; cut <= 1000; cut += 333) {
        const pb_iovec in[] = { { back, cut }, { back + cut, sizeof(back) - cut } };

        memset(back, 0, sizeof(back));
        CU_ASSERT_EQUAL(run(PB_BLOCK_READ, 9 * SECTOR, in, 2, sizeof(back)), 0);
        for (unsigned i = 0; i < sizeof(back); i++) {
            static const uint8_t expected[] = { 10, 0xaa, 0xaa, 13, 0xaa, 15 };

            CU_ASSERT_EQUAL_FATAL(back[i], expected[i / SECTOR]);
        }
    }
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 10 * SECTOR, NULL, 0, SECTOR), 0);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 11 * SECTOR, NULL, 0, 2 * SECTOR), 0);
    CU_ASSERT_EQUAL(guest_byte(11 * SECTOR), 0);
    CU_ASSERT_EQUAL(guest_byte(12 * SECTOR + 511), 0);
    CU_ASSERT_EQUAL(guest_byte(13 * SECTOR), 0xaa);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, BYTES - SECTOR, bytes, SECTOR), 0);
    CU_ASSERT_EQUAL(guest_byte(BYTES - 1), 0xaa);
    for (unsigned i = 0; i < 64; i++)
        CU_ASSERT_EQUAL(file_byte(i * SECTOR), i + 1);
    teardown();
}

/* A write that failed does not count: the image shows. */
static void overlay_without_room(void)
{
    uint8_t bytes[2 * SECTOR] = { 0 };
    const pb_iovec out[] = { { bytes, SECTOR }, { bytes + SECTOR, SECTOR } };

    setup("snapshot");
    host.write = (fault){ ENOSPC, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE, 0, out, 2, sizeof(bytes)), ENOSPC);
    CU_ASSERT_EQUAL(guest_byte(0), 1);
    CU_ASSERT_EQUAL(guest_byte(SECTOR), 2);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE, 0, out, 2, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL(guest_byte(SECTOR), 0);
    teardown();
}

/* ---- a host that fails ------------------------------------------------------------------------------------------ */

static void errors_of_the_host(void)
{
    uint8_t bytes[SECTOR];

    setup(NULL);
    memset(bytes, 0x55, sizeof(bytes));
    host.read = (fault){ EIO, 1, 0 };
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_READ, 0, bytes, SECTOR), EIO);
    host.write = (fault){ ENOSPC, 1, 0 };
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 0, bytes, SECTOR), ENOSPC);
    host.read = host.write = (fault){ EINTR, 2, 3 };
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, SECTOR, bytes, SECTOR), 0);
    CU_ASSERT_EQUAL(guest_byte(SECTOR + 511), 0x55);
    teardown();
}

/* Linux forgets dirty pages that it could not write, and the next fdatasync is fine. */
static void a_flush_that_failed_stays_failed(void)
{
    setup(NULL);
    host.sync = (fault){ EINTR, 2, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), 0);
    host.sync = (fault){ EIO, 1, 0 };
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), EIO);
    CU_ASSERT_EQUAL(run(PB_BLOCK_FLUSH, 0, NULL, 0, 0), EIO);
    CU_ASSERT_EQUAL(guest_byte(0), 1);
    teardown();
}

static void an_image_that_shrinks(void)
{
    uint8_t bytes[2 * SECTOR] = { 0 };
    struct stat st;

    setup(NULL);
    CU_ASSERT_EQUAL_FATAL(truncate(x.path, 10 * SECTOR + 100), 0);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_READ, 9 * SECTOR, bytes, 2 * SECTOR), EIO);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 9 * SECTOR, bytes, 2 * SECTOR), EIO);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 40 * SECTOR, bytes, SECTOR), EIO);
    CU_ASSERT_EQUAL(run(PB_BLOCK_WRITE_ZEROES, 40 * SECTOR, NULL, 0, SECTOR), EIO);
    CU_ASSERT_EQUAL(run(PB_BLOCK_DISCARD, 40 * SECTOR, NULL, 0, SECTOR), EIO);
    CU_ASSERT_EQUAL(stat(x.path, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, 10 * SECTOR + 100);
    CU_ASSERT_EQUAL(run_flat(PB_BLOCK_WRITE, 8 * SECTOR, bytes, 2 * SECTOR), 0);
    teardown();
}

/* ---- several at once -------------------------------------------------------------------------------------------- */

/* Two writes to the same sectors: each sector is one or the other's, and what was not asked for stays. */
static void overlapping(const char *property)
{
    static uint8_t one[20 * SECTOR], two[20 * SECTOR];
    const pb_iovec first = { one, sizeof(one) }, second = { two, sizeof(two) };
    pb_block_request requests[] = {
        { .op = PB_BLOCK_WRITE,
          .offset = 10 * SECTOR,
          .length = sizeof(one),
          .iov = &first,
          .iov_count = 1 },
        { .op = PB_BLOCK_WRITE,
          .offset = 20 * SECTOR,
          .length = sizeof(two),
          .iov = &second,
          .iov_count = 1 },
    };

    setup(property);
    memset(one, 0xf1, sizeof(one));
    memset(two, 0xf2, sizeof(two));
    for (unsigned round = 0; round < 20; round++) {
        x.done = 0;
        submit(&requests[0]);
        submit(&requests[1]);
        loop_do_work(x.loop);
        CU_ASSERT_EQUAL(x.done, 2);
        CU_ASSERT_EQUAL(requests[0].error | requests[1].error, 0);
        CU_ASSERT_EQUAL(guest_byte(10 * SECTOR - 1), 10);
        CU_ASSERT_EQUAL(guest_byte(20 * SECTOR - 1), 0xf1);
        CU_ASSERT_EQUAL(guest_byte(20 * SECTOR) & 0xfc, 0xf0);
        CU_ASSERT_EQUAL(guest_byte(30 * SECTOR - 1) & 0xfc, 0xf0);
        CU_ASSERT_EQUAL(guest_byte(30 * SECTOR), 0xf2);
        CU_ASSERT_EQUAL(guest_byte(40 * SECTOR), 41);
    }
    teardown();
}

static void overlapping_writes(void)
{
    overlapping(NULL);
    overlapping("snapshot");
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static bool drain(void)
{
    return pb_block_drain(&x.port);
}

static void drain_before_work(void)
{
    uint8_t bytes[SECTOR] = { 0 };
    const pb_iovec iov = { bytes, SECTOR };
    pb_block_request requests[3];

    setup(NULL);
    for (unsigned i = 0; i < 3; i++) {
        requests[i] = (pb_block_request){
            .op = PB_BLOCK_READ, .length = SECTOR, .iov = &iov, .iov_count = 1
        };
        submit(&requests[i]);
    }
    CU_ASSERT_EQUAL(x.done, 0);
    CU_ASSERT(drain());
    CU_ASSERT_EQUAL(x.done, 3);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(requests[i].error, ECANCELED);
        memset(&requests[i], 0xff, sizeof(requests[i])); /* it is ours again */
    }
    loop_do_work(x.loop);
    CU_ASSERT_EQUAL(x.done, 3);
    CU_ASSERT_EQUAL(bytes[0], 0);
    CU_ASSERT(drain());
    CU_ASSERT_EQUAL(guest_byte(0), 1);
    teardown();
}

static void drain_while_it_works(void)
{
    uint8_t bytes[SECTOR] = { 0 };
    const pb_iovec iov = { bytes, SECTOR };
    pb_block_request r = { .op = PB_BLOCK_READ, .length = SECTOR, .iov = &iov, .iov_count = 1 };
    GThread *helper;

    setup(NULL);
    host.closed = true;
    submit(&r);
    loop_start_work(x.loop);
    wait_at_gate();
    helper = g_thread_new("gate", open_gate, NULL);
    CU_ASSERT(drain());
    CU_ASSERT_EQUAL(x.done, 1);
    CU_ASSERT_EQUAL(r.error, 0);
    CU_ASSERT_EQUAL(bytes[SECTOR - 1], 1);
    memset(bytes, 0, sizeof(bytes));
    memset(&r, 0xff, sizeof(r));
    g_thread_join(helper);
    loop_end_work(x.loop);
    CU_ASSERT_EQUAL(x.done, 1);
    CU_ASSERT_EQUAL(bytes[0], 0);
    teardown();
}

/* The whole way: a guest's request, of which the host has just begun to read, and a driver that resets the
 * device and uses the memory at once. */
static void reset_under_a_virtio_disk(void)
{
    const piece pieces[] = { { 0x40000, 16, 0 },
                             { 0x60000, SECTOR, WRITE },
                             { 0x50000, 1, WRITE } };
    pb_port_ref drive, disk;
    pb_instance *blk, *backend;
    GThread *helper;
    uint32_t written;
    driver d;

    make_folder();
    make_image();
    x.b = board_new("virtio/mmio", NULL);
    x.loop = loop_new(x.b.machine);
    blk = driver_plug(&x.b, "virtio/blk", "blk");
    backend = fake_machine_add(x.b.machine, host_disk_entry.types[0], "disk");
    CU_ASSERT_FATAL(pb_instance_set(backend, "path", x.path, NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(backend, NULL));
    CU_ASSERT_FATAL(pb_instance_port(blk, "drive", &drive, NULL));
    CU_ASSERT_FATAL(pb_instance_port(backend, "port", &disk, NULL));
    CU_ASSERT_FATAL(pb_instance_connect(&drive, &disk, NULL));
    board_start(&x.b);
    driver_start(&d, &x.b, 0, 1);

    host.closed = true;
    for (unsigned i = 0; i < 3; i++) /* the first sector, three times */
        driver_add(&d, 0, pieces, 3);
    driver_notify(&d, 0);
    CU_ASSERT_EQUAL(loop_work(x.loop), 3);
    loop_start_work(x.loop);
    wait_at_gate();
    helper = g_thread_new("gate", open_gate, NULL);
    reg_write(&d, STATUS, 0);
    CU_ASSERT_EQUAL(reg_read(&d, STATUS), 0); /* complete at once, so the memory is the driver's */
    memset(memory_at(&d, 0x50000), 0xee, 1);
    memset(memory_at(&d, 0x60000), 0xee, SECTOR);
    g_thread_join(helper);
    loop_end_work(x.loop);
    CU_ASSERT_EQUAL(*memory_at(&d, 0x50000), 0xee);
    CU_ASSERT_EQUAL(*memory_at(&d, 0x60000), 0xee);
    CU_ASSERT_EQUAL(driver_returned(&d, 0), 0);

    driver_start(&d, &x.b, 0, 1);
    driver_add(&d, 0, pieces, 3);
    driver_notify(&d, 0);
    loop_do_work(x.loop);
    driver_take(&d, 0, &written);
    CU_ASSERT_EQUAL(written, SECTOR + 1);
    CU_ASSERT_EQUAL(*memory_at(&d, 0x50000), 0);
    CU_ASSERT_EQUAL(*memory_at(&d, 0x60000), 1);
    board_free(&x.b);
    loop_free(x.loop);
    drop_folder();
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* The disk cannot be opened, for this reason; `text` has "%s" for the path. */
static void refused(const char *property, const char *text)
{
    g_autoptr(GString) expected = g_string_new(text);
    g_autoptr(GError) error = NULL;

    make_machine();
    g_string_replace(expected, "%s", x.path, 0);
    CU_ASSERT_FATAL(pb_instance_set(x.b.device, "path", x.path, NULL));
    if (property)
        CU_ASSERT_FATAL(pb_instance_set(x.b.device, property, "true", NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(x.b.device, NULL));
    CU_ASSERT_FALSE(fake_machine_start(x.b.machine, false, &error));
    CU_ASSERT_PTR_NOT_NULL_FATAL(error);
    if (!g_str_has_suffix(error->message, expected->str))
        printf("\n'%s' instead of '%s'\n", error->message, expected->str);
    CU_ASSERT(g_str_has_suffix(error->message, expected->str));
    fake_machine_free(x.b.machine);
    loop_free(x.loop);
    g_remove(x.path);
}

static void make_socket(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, x.path, sizeof(address.sun_path));
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

static void what_is_no_image(void)
{
    make_folder();
    refused(NULL, "cannot open %s for writing: No such file or directory");
    refused("read-only", "cannot open %s: No such file or directory");
    CU_ASSERT_EQUAL(mkfifo(x.path, 0600), 0);
    refused(NULL, "%s is a FIFO: expected a file or a block device");
    CU_ASSERT_EQUAL(mkfifo(x.path, 0600), 0);
    refused("read-only", "%s is a FIFO: expected a file or a block device");
    CU_ASSERT_EQUAL(g_mkdir(x.path, 0700), 0);
    refused("snapshot", "%s is a directory: expected a file or a block device");
    make_socket();
    refused(NULL, "%s is a socket: expected a file or a block device");
    CU_ASSERT_EQUAL(symlink("/dev/null", x.path), 0);
    refused(NULL, "%s is a character device: expected a file or a block device");
    CU_ASSERT_EQUAL(symlink(x.path, x.path), 0);
    refused(NULL, "cannot open %s for writing: Too many levels of symbolic links");
    g_file_set_contents(x.path, "", 0, NULL);
    refused(NULL, "%s is empty");
    make_image();
    CU_ASSERT_EQUAL(truncate(x.path, 513), 0);
    refused(NULL, "the size of %s, 513 bytes, is not a multiple of 512: truncated?");
    drop_folder();
}

static void no_path(void)
{
    g_autoptr(GError) error = NULL;

    make_folder();
    make_machine();
    CU_ASSERT_FATAL(pb_instance_set(x.b.device, "path", "", NULL));
    CU_ASSERT_FATAL(pb_instance_settle_properties(x.b.device, NULL));
    CU_ASSERT_FALSE(fake_machine_start(x.b.machine, false, &error));
    CU_ASSERT(g_str_has_suffix(error->message, "path is empty: expected a disk image"));
    fake_machine_free(x.b.machine);
    loop_free(x.loop);
    drop_folder();
}

static void no_place_for_an_overlay(void)
{
    make_folder();
    make_image();
    g_setenv("TMPDIR", "/nonexistent", TRUE);
    refused("snapshot", "cannot make a temporary file in /nonexistent: No such file or directory");
    drop_folder();
}

/* Somebody's lock on the image, by an open file of its own as another process has it. */
static int take_lock(short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    int fd = open(x.path, O_RDWR);

    CU_ASSERT_EQUAL(fcntl(fd, F_OFD_SETLK, &lock), 0);
    return fd;
}

static void locks(void)
{
    int fd;

    make_folder();
    make_image();
    fd = take_lock(F_RDLCK);
    refused(NULL, "%s is in use by another process");
    close(fd);
    make_image();
    fd = take_lock(F_WRLCK);
    refused("read-only", "%s is in use by another process");
    close(fd);
    drop_folder();

    setup("read-only"); /* readers share it */
    fd = take_lock(F_RDLCK);
    close(fd);
    teardown();
    setup("snapshot");
    fd = take_lock(F_RDLCK);
    close(fd);
    teardown();
}

int main(void)
{
    static const unit_case cases[] = {
        { "scattered reads and writes", scattered },
        { "information", information },
        { "requests that do not fit", requests_that_do_not_fit },
        { "read-only", read_only },
        { "zeroes", zeroes },
        { "discards", discards },
        { "overlay", overlay },
        { "an overlay without room", overlay_without_room },
        { "errors of the host", errors_of_the_host },
        { "a flush that failed stays failed", a_flush_that_failed_stays_failed },
        { "an image that shrinks", an_image_that_shrinks },
        { "overlapping writes", overlapping_writes },
        { "drain before the work begins", drain_before_work },
        { "drain while a worker has it", drain_while_it_works },
        { "reset under a virtio disk", reset_under_a_virtio_disk },
        { "what is no image", what_is_no_image },
        { "no path", no_path },
        { "no place for an overlay", no_place_for_an_overlay },
        { "locks", locks },
        { 0 },
    };

    return unit_run("host disk", cases);
}
