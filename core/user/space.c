/* Mappings of a program: see space.h. Linux, mm/mmap.c and mremap.c, for what is an error. */
#include <core/user/space_mapping.h>
#include <core/util/file.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* What is tried, from the largest. Less is enough for most programs; hosts that restrict address space have it. */
static const uint8_t sizes_log2[] = { 46, 42, 39 };

/* Before the first address and behind the last one that can be mapped there is always nothing: what the host's kernel copies
 * sequentially from an address of the program ends there at the latest, and so does what emitted code adds to addresses. */
#define GUARD (UINT64_C(1) << 24)

/* What is aligned so in the program is in the host: then it gives huge pages where it would to a program of its own. */
#define HUGE_PAGE (UINT64_C(1) << 21)

/* ---- mappings ------------------------------------------------------------------------------------------ */

static int compare(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const mapping *x = a, *y = b;

    return (x->first > y->first) - (x->first < y->first);
}

static origin *origin_new(const char *name, uint64_t device, uint64_t inode)
{
    origin *o = g_new0(origin, 1);

    *o = (origin){ 1, g_strdup(name), device, inode };
    return o;
}

static void origin_unref(origin *o)
{
    if (o && --o->refs == 0) {
        g_free(o->name);
        g_free(o);
    }
}

static void mapping_free(gpointer value)
{
    origin_unref(((mapping *)value)->file);
    g_free(value);
}

/* Of a descriptor that is mapped; null: anonymous. */
static origin *origin_of(int fd)
{
    g_autofree char *name = pb_file_of_descriptor(fd);
    struct stat info = { 0 };

    fstat(fd, &info);
    return origin_new(name ? name : "", info.st_dev, info.st_ino);
}

/* The mapping that ends above gva, the lowest of them; null: none. The tree's lock is held. */
static GTreeNode *node_above(const pb_user_space *space, uint64_t gva)
{
    const mapping key = { .first = gva };
    GTreeNode *node = g_tree_upper_bound(space->tree, &key);
    GTreeNode *before = node ? g_tree_node_previous(node) : g_tree_node_last(space->tree);

    if (before && ((mapping *)g_tree_node_value(before))->end > gva)
        return before;
    return node;
}

static mapping *above(const pb_user_space *space, uint64_t gva)
{
    GTreeNode *node = node_above(space, gva);

    return node ? g_tree_node_value(node) : NULL;
}

mapping *mapping_at(const pb_user_space *space, uint64_t gva)
{
    mapping *m = above(space, gva);

    return m && m->first <= gva ? m : NULL;
}

static void insert(pb_user_space *space, mapping *m)
{
    g_tree_insert(space->tree, m, m);
}

/* Let no mapping lie on both sides of gva. */
static void split(pb_user_space *space, uint64_t gva)
{
    mapping *low = mapping_at(space, gva), *high;

    if (!low || low->first == gva)
        return;
    high = g_memdup2(low, sizeof(*low));
    if (high->file)
        high->file->refs++;
    high->first = gva;
    high->offset += gva - low->first;
    low->end = gva;
    insert(space, high);
}

static bool is_free(const pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    const mapping *m = above(space, gva);

    return !m || m->first >= gva + bytes;
}

/* Whether all of a range is mapped. */
static bool is_full(const pb_user_space *space, uint64_t gva, uint64_t end)
{
    while (gva < end) {
        const mapping *m = mapping_at(space, gva);

        if (!m)
            return false;
        gva = m->end;
    }
    return true;
}

/* The highest free range of that size below the top. 0: there is none. */
static uint64_t find_gap(const pb_user_space *space, uint64_t bytes)
{
    uint64_t high = space->top;
    GTreeNode *node = node_above(space, high);

    node = node ? g_tree_node_previous(node) : g_tree_node_last(space->tree);
    if (mapping_at(space, high - 1))
        high = mapping_at(space, high - 1)->first;
    for (;;) {
        const mapping *m = node ? g_tree_node_value(node) : NULL;
        uint64_t low = m ? m->end : PB_USER_LOWEST;

        if (high > low && high - low >= bytes)
            return high - bytes;
        if (!m)
            return 0;
        high = MIN(high, m->first);
        node = g_tree_node_previous(node);
    }
}

/* ---- the host's side ----------------------------------------------------------------------------------- */

static int host_prot(uint32_t prot)
{
    return prot & PB_PROT_WRITE ? PROT_READ | PROT_WRITE : prot ? PROT_READ : PROT_NONE;
}

/* Permissions of pages: what can be written or executed can be read, as on all processors without execute-only pages. */
static uint32_t prot_of(int prot)
{
    return (prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? PB_PROT_READ : 0) |
           (prot & PROT_WRITE ? PB_PROT_WRITE : 0) | (prot & PROT_EXEC ? PB_PROT_EXEC : 0);
}

static void reserve(const pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    if (mmap(space->base + gva, bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        g_error("cannot reserve addresses of the program again: %s", g_strerror(errno));
}

/* Linux permits 65,530 mappings if it is not told otherwise (vm.max_map_count). What the program has, and the holes between, take
 * two of the host's each; the emulator needs some for itself. */
enum { MOST_MAPPINGS = 30000 };

static bool is_full_of_mappings(const pb_user_space *space)
{
    return g_tree_nnodes(space->tree) >= MOST_MAPPINGS;
}

/* Whether a hole from gva to end would make a mapping of more than are permitted. */
static bool is_one_too_many(const pb_user_space *space, uint64_t gva, uint64_t end)
{
    const mapping *m = above(space, gva);

    return is_full_of_mappings(space) && m && m->first < gva && m->end > end;
}

/* The same for pages that become others than those around them. */
static bool is_cut_too_many(const pb_user_space *space, uint64_t gva, uint64_t end)
{
    const mapping *low = mapping_at(space, gva), *high = mapping_at(space, end);

    return is_full_of_mappings(space) && ((low && low->first < gva) || (high && high->first < end));
}

/* ---- changes ------------------------------------------------------------------------------------------- */

static void tell_flush(pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    if (space->flush)
        space->flush(space->opaque, gva, bytes);
}

/* Steps 1 and 2 for a range that goes. The host's mapping is still there. */
static void forget_range(pb_user_space *space, uint64_t gva, uint64_t end)
{
    bool was_code = false, any = false;
    mapping *m;

    pthread_rwlock_wrlock(&space->lock);
    split(space, gva);
    split(space, end);
    while ((m = above(space, gva)) && m->first < end) {
        was_code |= m->was_code;
        any = true;
        g_tree_remove(space->tree, m);
    }
    pthread_rwlock_unlock(&space->lock);
    if (any)
        tell_flush(space, gva, end - gva);
    if (was_code && space->ram)
        pb_ram_renew_code(space->ram, gva, end - gva);
}

/* A copy, which has the reference of its file; what it was before does not count. */
static void add_mapping(pb_user_space *space, const mapping *new)
{
    mapping *m = g_memdup2(new, sizeof(*new)), *before;

    m->was_code = (m->prot & PB_PROT_EXEC) != 0;
    m->moved = false;
    pthread_rwlock_wrlock(&space->lock);
    before = m->first ? mapping_at(space, m->first - 1) : NULL;
    if (!m->file && before && !before->file && before->prot == m->prot && !before->shared &&
        !m->shared && !before->moved && before->unreserved == m->unreserved) {
        before->end = m->end; /* one mapping, so that mremap() takes it for one */
        before->was_code |= m->was_code;
        g_free(m);
    } else {
        insert(space, m);
    }
    pthread_rwlock_unlock(&space->lock);
}

/* The range of a request in whole pages; false: it cannot be. */
static bool take_range(const pb_user_space *space, uint64_t gva, uint64_t bytes, uint64_t *end)
{
    if (gva & PB_PAGE_MASK || bytes > space->bytes || gva > space->bytes - bytes)
        return false;
    *end = (gva + bytes + PB_PAGE_MASK) & ~PB_PAGE_MASK;
    return *end <= space->bytes;
}

/* Where a new mapping goes; an error, below 0. */
static int64_t place(const pb_user_space *space, uint64_t gva, uint64_t bytes, int flags)
{
    uint64_t gap;

    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (gva & PB_PAGE_MASK)
            return -EINVAL;
        if (bytes > space->bytes || gva > space->bytes - bytes)
            return -ENOMEM;
        if (gva < PB_USER_LOWEST)
            return -EPERM;
        if ((flags & MAP_FIXED_NOREPLACE) && !is_free(space, gva, bytes))
            return -EEXIST;
        return (int64_t)gva;
    }
    gva = (gva + PB_PAGE_MASK) & ~PB_PAGE_MASK;
    if (gva >= PB_USER_LOWEST && bytes <= space->bytes && gva <= space->bytes - bytes &&
        is_free(space, gva, bytes))
        return (int64_t)gva;
    gap = find_gap(space, bytes);
    return gap ? (int64_t)gap : -ENOMEM;
}

static int64_t map_locked(pb_user_space *space, uint64_t gva, uint64_t bytes, int prot, int flags,
                          int fd, uint64_t offset)
{
    uint32_t allowed = prot_of(prot);
    int keep = flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_HUGETLB);
    int64_t to = place(space, gva, bytes, flags);
    void *host;

    if (to < 0)
        return to;
    gva = (uint64_t)to;
    if (flags & MAP_ANONYMOUS)
        fd = -1;
    /* Whether the host would: before what is there goes. */
    if (fd >= 0) {
        host = mmap(NULL, bytes, host_prot(allowed), keep, fd, (off_t)offset);
        if (host == MAP_FAILED)
            return -errno;
        munmap(host, bytes);
    }
    forget_range(space, gva, gva + bytes);
    if (allowed == 0)
        keep |= MAP_NORESERVE;
    host = mmap(space->base + gva, bytes, host_prot(allowed), keep | MAP_FIXED, fd, (off_t)offset);
    if (host == MAP_FAILED) {
        int error = errno;

        reserve(space, gva, bytes);
        return -error;
    }
    add_mapping(space, &(const mapping){ .first = gva,
                                         .end = gva + bytes,
                                         .prot = allowed,
                                         .shared = (flags & MAP_TYPE) == MAP_SHARED ||
                                                   (flags & MAP_TYPE) == MAP_SHARED_VALIDATE,
                                         .file = fd >= 0 ? origin_of(fd) : NULL,
                                         .offset = offset,
                                         .unreserved = (keep & MAP_NORESERVE) != 0 });
    return to;
}

int64_t pb_user_space_map(pb_user_space *space, uint64_t gva, uint64_t bytes, int prot, int flags,
                          int fd, uint64_t offset)
{
    int64_t result;

    if (bytes == 0 || offset & PB_PAGE_MASK)
        return -EINVAL;
    if (bytes > space->bytes)
        return -ENOMEM;
    bytes = (bytes + PB_PAGE_MASK) & ~PB_PAGE_MASK;
    if (offset + bytes < offset || offset + bytes > INT64_MAX)
        return -EOVERFLOW;
    pthread_mutex_lock(&space->change);
    result = is_full_of_mappings(space) ? -ENOMEM
                                        : map_locked(space, gva, bytes, prot, flags, fd, offset);
    pthread_mutex_unlock(&space->change);
    return result;
}

static void unmap_locked(pb_user_space *space, uint64_t gva, uint64_t end)
{
    if (is_free(space, gva, end - gva))
        return;
    forget_range(space, gva, end);
    reserve(space, gva, end - gva);
}

int pb_user_space_unmap(pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    uint64_t end;
    int result = 0;

    if (bytes == 0 || !take_range(space, gva, bytes, &end))
        return -EINVAL;
    pthread_mutex_lock(&space->change);
    if (is_one_too_many(space, gva, end))
        result = -ENOMEM;
    else
        unmap_locked(space, gva, end);
    pthread_mutex_unlock(&space->change);
    return result;
}

/* Permit `prot`, or with `less` no more than it, from gva to end; what was permitted there is kept in *old. */
static void set_prot(pb_user_space *space, uint64_t gva, uint64_t end, uint32_t prot, bool less,
                     GArray *old)
{
    pthread_rwlock_wrlock(&space->lock);
    split(space, gva);
    split(space, end);
    for (mapping *m = above(space, gva); m && m->first < end; m = above(space, m->end)) {
        if (old)
            g_array_append_val(old, m->prot);
        m->prot = less ? m->prot & prot : prot;
        m->was_code |= (m->prot & PB_PROT_EXEC) != 0;
    }
    pthread_rwlock_unlock(&space->lock);
}

static void put_back(pb_user_space *space, uint64_t gva, uint64_t end, const GArray *old)
{
    guint i = 0;

    pthread_rwlock_wrlock(&space->lock);
    for (mapping *m = above(space, gva); m && m->first < end; m = above(space, m->end))
        m->prot = g_array_index(old, uint32_t, i++);
    pthread_rwlock_unlock(&space->lock);
}

/* Whether there may be code to which it matters: it cannot be executed any more, or whether it is written to is noticed in
 * another way. */
static bool changes_code(const pb_user_space *space, uint64_t gva, uint64_t end, uint32_t prot)
{
    for (const mapping *m = above(space, gva); m && m->first < end; m = above(space, m->end))
        if (m->was_code && (m->prot ^ prot) & (PB_PROT_WRITE | PB_PROT_EXEC))
            return true;
    return false;
}

static int protect_locked(pb_user_space *space, uint64_t gva, uint64_t end, uint32_t prot)
{
    g_autoptr(GArray) old = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool changes;

    if (!is_full(space, gva, end) || is_cut_too_many(space, gva, end))
        return -ENOMEM;
    changes = changes_code(space, gva, end, prot);
    set_prot(space, gva, end, prot, true, old);
    tell_flush(space, gva, end - gva);
    if (mprotect(space->base + gva, end - gva, host_prot(prot)) < 0) {
        int error = errno;

        for (mapping *m = above(space, gva); m && m->first < end; m = above(space, m->end))
            mprotect(space->base + m->first, m->end - m->first, host_prot(m->prot));
        put_back(space, gva, end, old);
        return -error;
    }
    set_prot(space, gva, end, prot, false, NULL);
    if (changes && space->ram)
        pb_ram_renew_code(space->ram, gva, end - gva);
    return 0;
}

int pb_user_space_protect(pb_user_space *space, uint64_t gva, uint64_t bytes, int prot)
{
    uint64_t end;
    int result;

    if (gva & PB_PAGE_MASK)
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (!take_range(space, gva, bytes, &end))
        return -ENOMEM;
    pthread_mutex_lock(&space->change);
    result = protect_locked(space, gva, end, prot_of(prot));
    pthread_mutex_unlock(&space->change);
    return result;
}

/* ---- mremap -------------------------------------------------------------------------------------------- */

/* More of an anonymous mapping, behind it. */
static bool grow(pb_user_space *space, uint64_t gva, uint64_t end, uint64_t new_end)
{
    mapping m = *mapping_at(space, gva);

    if (m.end != end || m.file || m.shared || m.moved || new_end > space->bytes ||
        !is_free(space, end, new_end - end))
        return false;
    if (mmap(space->base + end, new_end - end, host_prot(m.prot),
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (m.unreserved ? MAP_NORESERVE : 0), -1,
             0) == MAP_FAILED) {
        reserve(space, end, new_end - end);
        return false;
    }
    m.first = end;
    m.end = new_end;
    add_mapping(space, &m);
    return true;
}

/* Addresses outside of the space, and whether the host has memory for what is added: other threads may write to what does not move in the
 * end. */
static uint8_t *make_room(uint64_t old_bytes, uint64_t new_bytes, bool takes_memory)
{
    uint8_t *room =
        mmap(NULL, new_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room != MAP_FAILED && takes_memory &&
        mmap(room + old_bytes, new_bytes - old_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        munmap(room, new_bytes);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return room;
}

/* A mapping of the host's, made larger, at a place outside of the space, or MAP_FAILED: what was there is empty. Growing there leaves holes where
 * nothing of the program's is. With 0 old bytes it is one more mapping of what is shared. */
static uint8_t *take_out(const mapping *m, uint8_t *from, uint64_t old_bytes, uint64_t new_bytes)
{
    uint8_t *room, *host;
    int error;

    if (!old_bytes)
        return mremap(from, 0, new_bytes, MREMAP_MAYMOVE);
    room = make_room(old_bytes, new_bytes, !m->shared && !m->unreserved && m->prot & PB_PROT_WRITE);
    if (room == MAP_FAILED)
        return MAP_FAILED;
    host =
        mremap(from, old_bytes, old_bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, room);
    if (host == MAP_FAILED) {
        error = errno;
        munmap(room, new_bytes);
        errno = error;
        return MAP_FAILED;
    }
    munmap(room + old_bytes, new_bytes - old_bytes);
    host = mremap(room, old_bytes, new_bytes, MREMAP_MAYMOVE);
    if (host != MAP_FAILED)
        return host;
    error = errno;
    if (mremap(room, old_bytes, old_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, from) == MAP_FAILED)
        g_error("cannot put memory of the program back: %s", g_strerror(errno));
    errno = error;
    return MAP_FAILED;
}

static void add_moved(pb_user_space *space, uint64_t gva, uint64_t end, const mapping *from)
{
    mapping *m = g_memdup2(from, sizeof(*from));

    m->first = gva;
    m->end = end;
    m->moved = true;
    pthread_rwlock_wrlock(&space->lock);
    insert(space, m);
    pthread_rwlock_unlock(&space->lock);
}

/* The host's part of move(): errno is EINVAL if the host cannot do it without a hole, which a mapping of another thread of the emulator could
 * fall into. The old place stays mapped, and is empty. */
static bool move_host(const pb_user_space *space, const mapping *m, uint64_t gva,
                      uint64_t old_bytes, uint64_t new_bytes, uint64_t to)
{
    uint8_t *from = space->base + gva, *outside;
    int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
    int error;

    if (old_bytes == new_bytes)
        return mremap(from, old_bytes, new_bytes, fixed | MREMAP_DONTUNMAP, space->base + to) !=
               MAP_FAILED;
    outside = take_out(m, from, old_bytes, new_bytes);
    if (outside == MAP_FAILED)
        return false;
    if (mremap(outside, new_bytes, new_bytes, fixed, space->base + to) != MAP_FAILED)
        return true;
    error = errno;
    if (old_bytes) { /* as it was, but for what was added */
        munmap(outside + old_bytes, new_bytes - old_bytes);
        if (mremap(outside, old_bytes, old_bytes, fixed, from) == MAP_FAILED)
            g_error("cannot put memory of the program back: %s", g_strerror(errno));
    } else {
        munmap(outside, new_bytes);
    }
    errno = error;
    return false;
}

/* With a hole: hosts before 5.13 for mappings of files, and some devices' mappings. What is shared can be mapped twice instead. */
static bool move_host_by_hole(const pb_user_space *space, const mapping *m, uint64_t gva,
                              uint64_t old_bytes, uint64_t new_bytes, uint64_t to)
{
    uint8_t *from = space->base + gva;
    int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

    return (m->shared && mremap(from, 0, new_bytes, fixed, space->base + to) != MAP_FAILED) ||
           mremap(from, old_bytes, new_bytes, fixed, space->base + to) != MAP_FAILED;
}

/* Move a mapping, or a part of one, to a place where nothing is. With 0 old bytes it stays where it is, too. */
static int64_t move(pb_user_space *space, uint64_t gva, uint64_t old_bytes, uint64_t new_bytes,
                    uint64_t to, bool keep)
{
    mapping m = *mapping_at(space, gva);
    bool moved;

    m.offset += gva - m.first;
    m.first = gva;
    m.end = gva + old_bytes;
    if (m.file)
        m.file->refs++;
    if (old_bytes)
        forget_range(space, gva, gva + old_bytes);
    moved = move_host(space, &m, gva, old_bytes, new_bytes, to);
    if (!moved && errno == EINVAL && !keep)
        moved = move_host_by_hole(space, &m, gva, old_bytes, new_bytes, to);
    if (!moved) {
        int error = errno;

        reserve(space, to, new_bytes); /* the host may have begun */
        if (!old_bytes)
            origin_unref(m.file);
        else if (m.moved)
            add_moved(space, gva, gva + old_bytes, &m);
        else
            add_mapping(space, &m);
        return -error;
    }
    if (old_bytes && !keep)
        reserve(space, gva, old_bytes);
    if (keep) {
        mapping empty = m;

        empty.file = NULL;
        empty.offset = 0;
        add_mapping(space, &empty);
    }
    add_moved(space, to, to + new_bytes, &m);
    return (int64_t)to;
}

static int64_t remap_locked(pb_user_space *space, uint64_t gva, uint64_t old_bytes,
                            uint64_t new_bytes, int flags, uint64_t to)
{
    const mapping *m = mapping_at(space, gva);
    uint64_t end = gva + old_bytes;

    if (!m || m->end < end)
        return -EFAULT;
    if (old_bytes == 0 && !m->shared)
        return -EINVAL;
    if (is_full_of_mappings(space))
        return -ENOMEM;
    if (flags & MREMAP_FIXED) {
        if (to & PB_PAGE_MASK || new_bytes > space->bytes || to > space->bytes - new_bytes ||
            (to < end && gva < to + new_bytes))
            return -EINVAL;
        if (to < PB_USER_LOWEST)
            return -EPERM;
        unmap_locked(space, to, to + new_bytes);
        if (new_bytes < old_bytes) {
            unmap_locked(space, gva + new_bytes, end);
            old_bytes = new_bytes;
        }
        return move(space, gva, old_bytes, new_bytes, to, (flags & MREMAP_DONTUNMAP) != 0);
    }
    if (old_bytes && new_bytes <= old_bytes && !(flags & MREMAP_DONTUNMAP)) {
        if (new_bytes < old_bytes)
            unmap_locked(space, gva + new_bytes, end);
        return (int64_t)gva;
    }
    if (old_bytes && !(flags & MREMAP_DONTUNMAP) && grow(space, gva, end, gva + new_bytes))
        return (int64_t)gva;
    if (!(flags & MREMAP_MAYMOVE))
        return -ENOMEM;
    to = find_gap(space, new_bytes);
    if (!to)
        return -ENOMEM;
    return move(space, gva, old_bytes, new_bytes, to, (flags & MREMAP_DONTUNMAP) != 0);
}

int64_t pb_user_space_remap(pb_user_space *space, uint64_t gva, uint64_t old_bytes,
                            uint64_t new_bytes, int flags, uint64_t to)
{
    int64_t result;
    uint64_t end;

    if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) ||
        ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE)) ||
        ((flags & MREMAP_DONTUNMAP) && old_bytes != new_bytes) || new_bytes == 0 ||
        gva & PB_PAGE_MASK)
        return -EINVAL;
    if (new_bytes > space->bytes)
        return -ENOMEM;
    if (!take_range(space, gva, old_bytes, &end))
        return -EFAULT;
    new_bytes = (new_bytes + PB_PAGE_MASK) & ~PB_PAGE_MASK;
    pthread_mutex_lock(&space->change);
    result = remap_locked(space, gva, end - gva, new_bytes, flags, to);
    pthread_mutex_unlock(&space->change);
    return result;
}

/* ---- memory of System V --------------------------------------------------------------------------------- */

/* The host attaches it somewhere and moves it: so nothing is changed if it refuses. */
static int64_t attach_locked(pb_user_space *space, uint64_t gva, uint64_t bytes, int id, int flags)
{
    int fixed = !gva ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    uint32_t prot = PB_PROT_READ | (flags & SHM_RDONLY ? 0 : PB_PROT_WRITE);
    int64_t to = place(space, gva, bytes, fixed);
    void *host;

    if (to < 0)
        return to == -EEXIST ? -EINVAL : to;
    if (is_full_of_mappings(space))
        return -ENOMEM;
    host = shmat(id, NULL, flags & SHM_RDONLY);
    if (host == (void *)-1) /* NOLINT(performance-no-int-to-ptr) */
        return -errno;
    gva = (uint64_t)to;
    forget_range(space, gva, gva + bytes);
    if (mremap(host, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, space->base + gva) ==
        MAP_FAILED) {
        int error = errno;

        shmdt(host);
        reserve(space, gva, bytes);
        return -error;
    }
    add_mapping(space, &(const mapping){ .first = gva,
                                         .end = gva + bytes,
                                         .prot = prot,
                                         .shared = true,
                                         .file = origin_new("/SYSV", 0, (uint64_t)id) });
    return to;
}

int64_t pb_user_space_attach_shm(pb_user_space *space, uint64_t gva, int id, int flags)
{
    struct shmid_ds info;
    int64_t result;

    if (flags & SHM_EXEC)
        return -EACCES; /* code that other processes change is not noticed */
    if (flags & SHM_RND)
        gva &= ~PB_PAGE_MASK;
    if ((gva & PB_PAGE_MASK) || (!gva && (flags & SHM_REMAP)))
        return -EINVAL;
    if (shmctl(id, IPC_STAT, &info) < 0)
        return -errno;
    if (info.shm_segsz > space->bytes)
        return -ENOMEM;
    pthread_mutex_lock(&space->change);
    result = attach_locked(space, gva, (info.shm_segsz + PB_PAGE_MASK) & ~PB_PAGE_MASK, id, flags);
    pthread_mutex_unlock(&space->change);
    return result;
}

int pb_user_space_detach_shm(pb_user_space *space, uint64_t gva)
{
    const mapping *m, *next;
    uint64_t end;
    int result = -EINVAL;

    pthread_mutex_lock(&space->change);
    m = mapping_at(space, gva);
    if (m && m->first == gva && m->offset == 0 && m->file && strcmp(m->file->name, "/SYSV") == 0) {
        for (end = m->end; (next = mapping_at(space, end)) && next->file == m->file;
             end = next->end)
            ;
        unmap_locked(space, gva, end);
        result = 0;
    }
    pthread_mutex_unlock(&space->change);
    return result;
}

/* ---- advice ----------------------------------------------------------------------------------------------- */

int pb_user_space_advise(pb_user_space *space, uint64_t gva, uint64_t bytes, int advice)
{
    uint64_t end;
    int result = 0;

    if (gva & PB_PAGE_MASK)
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (!take_range(space, gva, bytes, &end))
        return bytes > INT64_MAX ? -EINVAL : -ENOMEM;
    pthread_mutex_lock(&space->change);
    if (!is_full(space, gva, end))
        result = -ENOMEM;
    else if (madvise(space->base + gva, end - gva, advice) < 0)
        result = -errno;
    pthread_mutex_unlock(&space->change);
    if (result == 0) /* bytes may have become zeros */
        pb_user_space_written(space, gva, end - gva);
    return result;
}

/* ---- single questions ---------------------------------------------------------------------------------- */

bool pb_user_space_is_full(pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    uint64_t end;
    bool full;

    if (!take_range(space, gva, bytes, &end))
        return false;
    pthread_rwlock_rdlock(&space->lock);
    full = is_full(space, gva, end);
    pthread_rwlock_unlock(&space->lock);
    return full;
}

void pb_user_space_name(pb_user_space *space, uint64_t gva, const char *name)
{
    mapping *m;

    pthread_rwlock_wrlock(&space->lock);
    m = mapping_at(space, gva);
    if (m && !m->file)
        m->file = origin_new(name, 0, 0);
    pthread_rwlock_unlock(&space->lock);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void make_locks(pb_user_space *space)
{
    pthread_mutex_init(&space->change, NULL);
    pthread_rwlock_init(&space->lock, NULL);
}

void pb_user_space_fork_begin(pb_user_space *space)
{
    pthread_mutex_lock(&space->change);
    pthread_rwlock_wrlock(&space->lock);
}

void pb_user_space_fork_end(pb_user_space *space, bool child)
{
    if (child) { /* those who waited for them are not there */
        make_locks(space);
        return;
    }
    pthread_rwlock_unlock(&space->lock);
    pthread_mutex_unlock(&space->change);
}

pb_user_space *pb_user_space_new(GError **error)
{
    pb_user_space *space = g_new0(pb_user_space, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes_log2) && !space->base; i++) {
        uint64_t bytes = UINT64_C(1) << sizes_log2[i];
        void *base =
            mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (base != MAP_FAILED) {
            space->reserved = base;
            space->reserved_bytes = bytes;
            space->base = (uint8_t *)(((uintptr_t)base + GUARD + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
            space->bytes = space->top = bytes - 2 * GUARD - HUGE_PAGE;
        }
    }
    if (!space->base) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot reserve addresses for a program: %s (is there a limit, ulimit -v?)",
                    g_strerror(errno));
        g_free(space);
        return NULL;
    }
    make_locks(space);
    space->tree = g_tree_new_full(compare, NULL, NULL, mapping_free);
    return space;
}

/* pb_ram_set_unnoticed(): rule 5 of space.h. */
static bool is_unnoticed(void *opaque, uint64_t page)
{
    pb_user_space *space = opaque;
    uint32_t prot;

    return space->direct && pb_user_space_find(space, page << PB_PAGE_BITS, &prot) &&
           prot & PB_PROT_WRITE;
}

void pb_user_space_window(pb_user_space *space, pb_code_window *window)
{
    space->direct = true;
    *window = (pb_code_window){ space->base, space->bytes, GUARD };
}

bool pb_user_space_attach(pb_user_space *space, pb_bus *bus, pb_bus_region *root,
                          void (*flush)(void *opaque, uint64_t gva, uint64_t bytes), void *opaque,
                          GError **error)
{
    space->ram = pb_ram_new_around(bus, "program", space->base, space->bytes, error);
    if (!space->ram)
        return false;
    pb_ram_set_unnoticed(space->ram, is_unnoticed, space);
    space->region = pb_bus_region_new_ram(bus, "program", space->ram, 0, space->bytes);
    pb_bus_region_add(root, space->region, 0, 0);
    space->flush = flush;
    space->opaque = opaque;
    return true;
}

void pb_user_space_detach(pb_user_space *space)
{
    if (space->region) {
        pb_bus_region_remove(space->region);
        g_clear_pointer(&space->region, pb_bus_region_unref);
    }
    g_clear_pointer(&space->ram, pb_ram_unref);
    space->flush = NULL;
}

void pb_user_space_free(pb_user_space *space)
{
    if (!space)
        return;
    g_assert(!space->region);
    g_tree_unref(space->tree);
    munmap(space->reserved, space->reserved_bytes);
    pthread_mutex_destroy(&space->change);
    pthread_rwlock_destroy(&space->lock);
    g_free(space);
}

uint64_t pb_user_space_bytes(const pb_user_space *space)
{
    return space->bytes;
}

uint8_t *pb_user_space_base(const pb_user_space *space)
{
    return space->base;
}

void pb_user_space_set_top(pb_user_space *space, uint64_t top)
{
    space->top = top;
}
