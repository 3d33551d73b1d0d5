/* Looking at a program's mappings, and copying to and from its memory: see space.h. */
#include <core/user/space_mapping.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool pb_user_space_find(pb_user_space *space, uint64_t gva, uint32_t *prot)
{
    const mapping *m;

    pthread_rwlock_rdlock(&space->lock);
    m = mapping_at(space, gva);
    *prot = m ? m->prot : 0;
    pthread_rwlock_unlock(&space->lock);
    return m != NULL;
}

bool pb_user_space_permits(pb_user_space *space, uint64_t gva, uint32_t *prot)
{
    bool found;

    pthread_mutex_lock(&space->change);
    found = pb_user_space_find(space, gva, prot);
    pthread_mutex_unlock(&space->change);
    return found;
}

static uint64_t reach(const pb_user_space *space, uint64_t gva, uint64_t bytes, uint32_t prot)
{
    uint64_t end, next = gva;

    if (gva >= space->bytes)
        return 0;
    end = gva + MIN(bytes, space->bytes - gva);
    while (next < end) {
        const mapping *m = mapping_at(space, next);

        if (!m || (m->prot & prot) != prot)
            break;
        next = m->end;
    }
    return MIN(next, end) - gva;
}

uint64_t pb_user_space_reach(pb_user_space *space, uint64_t gva, uint64_t bytes, uint32_t prot)
{
    uint64_t n;

    pthread_rwlock_rdlock(&space->lock);
    n = reach(space, gva, bytes, prot);
    pthread_rwlock_unlock(&space->lock);
    return n;
}

/* Under the tree's lock: no mapping goes before its bookkeeping does. */
bool pb_user_space_read(pb_user_space *space, uint64_t gva, void *to, uint64_t bytes)
{
    bool all;

    pthread_rwlock_rdlock(&space->lock);
    all = reach(space, gva, bytes, PB_PROT_READ) == bytes;
    if (all)
        memcpy(to, space->base + gva, bytes);
    pthread_rwlock_unlock(&space->lock);
    return all;
}

bool pb_user_space_write(pb_user_space *space, uint64_t gva, const void *from, uint64_t bytes)
{
    bool all;

    pthread_rwlock_rdlock(&space->lock);
    all = reach(space, gva, bytes, PB_PROT_WRITE) == bytes;
    if (all)
        memcpy(space->base + gva, from, bytes);
    pthread_rwlock_unlock(&space->lock);
    if (all)
        pb_user_space_written(space, gva, bytes);
    return all;
}

/* The host forces it: permitted for a moment it would be to other threads, too, and its mapping might stay in parts. */
uint64_t pb_user_space_poke(pb_user_space *space, uint64_t gva, const void *from, uint64_t bytes,
                            int memory)
{
    uint64_t done = 0;

    pthread_mutex_lock(&space->change);
    while (done < bytes) {
        const mapping *m = mapping_at(space, gva + done);
        uint64_t n = m ? MIN(bytes - done, m->end - (gva + done)) : 0;
        off_t to = (off_t)((uintptr_t)space->base + gva + done);
        ssize_t written = n ? pwrite(memory, (const uint8_t *)from + done, n, to) : 0;

        if (written <= 0)
            break;
        done += (uint64_t)written;
    }
    pthread_mutex_unlock(&space->change);
    pb_user_space_written(space, gva, done);
    return done;
}

bool pb_user_space_compare_swap(pb_user_space *space, uint64_t gva, uint32_t *value, uint32_t next)
{
    bool all;

    pthread_rwlock_rdlock(&space->lock);
    all = reach(space, gva, sizeof(next), PB_PROT_WRITE) == sizeof(next);
    if (all)
        __atomic_compare_exchange_n((uint32_t *)(void *)(space->base + gva), value, next, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    pthread_rwlock_unlock(&space->lock);
    return all;
}

char *pb_user_space_string(pb_user_space *space, uint64_t gva, uint64_t most, int *error)
{
    uint64_t n, length;
    char *text = NULL;

    pthread_rwlock_rdlock(&space->lock);
    n = reach(space, gva, most + 1, PB_PROT_READ);
    length = strnlen((const char *)space->base + gva, n);
    if (length < n)
        text = g_strndup((const char *)space->base + gva, length);
    else
        *error = n == most + 1 ? ENAMETOOLONG : EFAULT;
    pthread_rwlock_unlock(&space->lock);
    return text;
}

void pb_user_space_written(pb_user_space *space, uint64_t gva, uint64_t bytes)
{
    if (space->ram && bytes && gva < space->bytes)
        pb_ram_written(space->ram, gva, MIN(bytes, space->bytes - gva));
}

static gboolean list_one(gpointer key, gpointer value, gpointer opaque)
{
    const mapping *m = value;
    FILE *file = opaque;
    int n = fprintf(file, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64,
                    m->first, m->end, m->prot & PB_PROT_READ ? 'r' : '-',
                    m->prot & PB_PROT_WRITE ? 'w' : '-', m->prot & PB_PROT_EXEC ? 'x' : '-',
                    m->shared ? 's' : 'p', m->offset, m->file ? major(m->file->device) : 0,
                    m->file ? minor(m->file->device) : 0, m->file ? m->file->inode : 0);

    if (m->file && m->file->name[0])
        fprintf(file, "%*s%s", MAX(1, 73 - n), "", m->file->name);
    fputc('\n', file);
    return FALSE;
}

typedef struct visit {
    void (*fn)(void *opaque, const pb_user_range *range);
    void *opaque;
} visit;

static gboolean visit_one(gpointer key, gpointer value, gpointer opaque)
{
    const mapping *m = value;
    const visit *v = opaque;
    const pb_user_range range = { .first = m->first,
                                  .end = m->end,
                                  .prot = m->prot,
                                  .shared = m->shared,
                                  .is_file = m->file && m->file->device,
                                  .name = m->file ? m->file->name : "",
                                  .offset = m->offset };

    v->fn(v->opaque, &range);
    return FALSE;
}

void pb_user_space_visit(pb_user_space *space, void (*fn)(void *opaque, const pb_user_range *range),
                         void *opaque)
{
    visit v = { fn, opaque };

    pthread_rwlock_rdlock(&space->lock);
    g_tree_foreach(space->tree, visit_one, &v);
    pthread_rwlock_unlock(&space->lock);
}

void pb_user_space_list(pb_user_space *space, FILE *file)
{
    pthread_rwlock_rdlock(&space->lock);
    g_tree_foreach(space->tree, list_one, file);
    pthread_rwlock_unlock(&space->lock);
}
