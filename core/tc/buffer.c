/*
 * Memory: the code, mapped twice, and sparse tables beside it.
 *
 * No page is writable and executable at once. What nobody touched takes no memory.
 */
#include <core/tc/internal.h>

#include <patchbay/accel.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* Linux 6.3; without it vm.memfd_noexec may refuse the mapping */
#endif

static int make_file(void)
{
    int fd = memfd_create("patchbay-code", MFD_CLOEXEC | MFD_EXEC);

    return fd < 0 && errno == EINVAL ? memfd_create("patchbay-code", MFD_CLOEXEC) : fd;
}

static bool fail(pb_error *error, const char *what, const char *hint)
{
    return pb_fail(error, "translation cache: cannot %s: %s%s", what, g_strerror(errno), hint);
}

static void *map_file(const pb_tc *tc, int protection)
{
    void *at = mmap(NULL, tc->bytes, protection, MAP_SHARED | MAP_NORESERVE, tc->fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

static bool map_code(pb_tc *tc, pb_error *error)
{
    tc->fd = make_file();
    if (tc->fd < 0)
        return fail(error, "create memory for code", "");
    if (ftruncate(tc->fd, (off_t)tc->bytes) != 0)
        return fail(error, "size memory for code", "");
    tc->rw = map_file(tc, PROT_READ | PROT_WRITE);
    if (!tc->rw)
        return fail(error, "map memory for code", "");
    tc->rx = map_file(tc, PROT_READ | PROT_EXEC);
    if (!tc->rx)
        return fail(error, "map memory as executable",
                    errno == EPERM || errno == EACCES
                        ? " (a security policy of the host forbids it; the interpreter needs none)"
                        : "");
    return true;
}

static void *map_table(uint64_t count, uint64_t each)
{
    void *at = mmap(NULL, count * each, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static void unmap(void *at, uint64_t bytes)
{
    if (at)
        munmap(at, bytes);
}

bool tc_map(pb_tc *tc, pb_error *error)
{
    tc->units = map_table((uint64_t)tc->n_slabs * slab_units(tc), sizeof(tc_unit));
    tc->links = map_table((uint64_t)tc->n_slabs * slab_links(tc), sizeof(tc_link));
    tc->buckets = map_table(UINT64_C(1) << tc->bucket_bits, sizeof(uint32_t));
    if (!tc->units || !tc->links || !tc->buckets)
        return fail(error, "map tables of units", "");
    return map_code(tc, error);
}

void tc_unmap(pb_tc *tc)
{
    unmap(tc->units, (uint64_t)tc->n_slabs * slab_units(tc) * sizeof(tc_unit));
    unmap(tc->links, (uint64_t)tc->n_slabs * slab_links(tc) * sizeof(tc_link));
    unmap(tc->buckets, (UINT64_C(1) << tc->bucket_bits) * sizeof(uint32_t));
    unmap(tc->rw, tc->bytes);
    unmap(tc->rx, tc->bytes);
    if (tc->fd >= 0)
        close(tc->fd);
}

/* ---- fork ------------------------------------------------------------------------------------------------ */

/* Through the file, so that the kernel neither clears pages first nor maps them here. */
static bool copy_range(const pb_tc *tc, int fd, uint32_t slab, uint32_t bytes)
{
    uint64_t at = (uint64_t)slab << tc->slab_log2, end = at + bytes;

    while (at < end) {
        ssize_t n = pwrite(fd, tc->rx + at, end - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (uint64_t)n;
    }
    return true;
}

static bool copy_code(const pb_tc *tc, int fd)
{
    if (ftruncate(fd, (off_t)tc->bytes) != 0 || !copy_range(tc, fd, 0, PB_CODEGEN_THUNK_BYTES))
        return false;
    for (uint32_t i = 1; i < tc->n_slabs; i++) {
        if (!copy_range(tc, fd, i, tc->slabs[i].used))
            return false;
    }
    return true;
}

static bool map_again(uint8_t *at, const pb_tc *tc, int protection)
{
    return mmap(at, tc->bytes, protection, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, tc->fd, 0) !=
           MAP_FAILED;
}

/* Rule 11, before fork(). */
static bool make_copy(pb_tc *tc, pb_error *error)
{
    int fd = make_file();

    if (fd < 0)
        return fail(error, "create memory for code", "");
    if (!copy_code(tc, fd)) {
        close(fd);
        return fail(error, "copy code", "");
    }
    tc->copy = fd;
    return true;
}

/* In the child. The file's number stays, too, unless a limit forbids it meanwhile: then the file is not kept open. */
static bool take_copy(pb_tc *tc, pb_error *error)
{
    bool kept = dup3(tc->copy, tc->fd, O_CLOEXEC) >= 0, mapped;

    if (kept) {
        close(tc->copy);
    } else {
        if (tc->fd >= 0)
            close(tc->fd);
        tc->fd = tc->copy;
    }
    mapped = map_again(tc->rw, tc, PROT_READ | PROT_WRITE) &&
             map_again(tc->rx, tc, PROT_READ | PROT_EXEC);
    if (!mapped)
        return fail(error, "map memory for code", "");
    if (!kept) {
        close(tc->fd);
        tc->fd = -1;
    }
    for (uint32_t i = 0; i < tc->n_slabs; i++)
        tc->slabs[i].present = 0;
    return true;
}

bool tc_fork(pb_tc *tc, uint32_t phase, pb_error *error)
{
    bool ok = true;

    if (phase == PB_FORK_BEFORE) {
        pthread_mutex_lock(&tc->lock);
        if (make_copy(tc, error))
            return true;
        ok = false;
    } else if (phase == PB_FORK_CHILD) {
        ok = take_copy(tc, error);
    } else {
        close(tc->copy);
    }
    pthread_mutex_unlock(&tc->lock);
    return ok;
}
