/* System calls about memory: the address space (space.h) and the program's break. */
#include <core/user/handlers.h>

#include <sys/mman.h>
#include <sys/syscall.h>

static uint64_t page_up(uint64_t address)
{
    return (address + PB_PAGE_MASK) & ~PB_PAGE_MASK;
}

/* The break's pages are anonymous memory; errors are told by not moving it. */
static uint64_t set_break(pb_user *user, uint64_t wanted)
{
    uint64_t old = page_up(user->brk), new = page_up(wanted);

    if (wanted < user->brk_first || wanted > pb_user_space_bytes(user->space))
        return user->brk;
    if (new > old &&
        pb_user_space_map(user->space, old, new - old, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) < 0)
        return user->brk;
    if (new < old)
        pb_user_space_unmap(user->space, new, old - new);
    user->brk = wanted;
    return wanted;
}

HANDLER(sys_brk)
{
    pb_user *user = t->user;
    uint64_t result;

    pthread_mutex_lock(&user->brk_lock);
    result = set_break(user, a[0]);
    pthread_mutex_unlock(&user->brk_lock);
    return (int64_t)result;
}

/* What is passed on to the host of mmap()'s flags. */
#define KNOWN_FLAGS                                                                              \
    (MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE | \
     MAP_NONBLOCK | MAP_STACK | MAP_LOCKED | MAP_GROWSDOWN)

HANDLER(sys_mmap)
{
    int flags = (int)a[3];

    switch (flags & MAP_TYPE) {
    case MAP_SHARED:
    case MAP_PRIVATE:
        flags &= KNOWN_FLAGS;
        break;
    case MAP_SHARED_VALIDATE:
        if (flags & ~KNOWN_FLAGS)
            return -EOPNOTSUPP;
        break;
    default:
        return -EINVAL;
    }
    if (!(flags & MAP_ANONYMOUS) && ((int)a[4] < 0 || pb_user_owns_fd(t->user, (uint32_t)a[4])))
        return -EBADF;
    return pb_user_space_map(t->user->space, a[0], a[1],
                             (int)a[2] & (PROT_READ | PROT_WRITE | PROT_EXEC), flags, (int)a[4],
                             a[5]);
}

HANDLER(sys_munmap)
{
    return pb_user_space_unmap(t->user->space, a[0], a[1]);
}

HANDLER(sys_mprotect)
{
    if (a[2] & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
        return -EINVAL;
    return pb_user_space_protect(t->user->space, a[0], a[1], (int)a[2]);
}

/* Of protection keys there is the one that all pages have. */
HANDLER(sys_pkey_mprotect)
{
    return (int)a[3] == -1 ? sys_mprotect(t, a) : -EINVAL;
}

HANDLER(sys_mremap)
{
    return pb_user_space_remap(t->user->space, a[0], a[1], a[2], (int)a[3], a[4]);
}

/* Where the program has no mapping the host has one, which is in nobody's reach. */
static int64_t if_full(pb_user_thread *t, const uint64_t a[6], int64_t result)
{
    return result == 0 && !pb_user_space_is_full(t->user->space, a[0], a[1]) ? -ENOMEM : result;
}

HANDLER(sys_msync)
{
    return if_full(t, a, pb_user_host(t, SYS_msync, host(t, a[0]), a[1], a[2], 0, 0, 0));
}

HANDLER(sys_mincore)
{
    return if_full(t, a, pb_user_host(t, SYS_mincore, host(t, a[0]), a[1], host(t, a[2]), 0, 0, 0));
}

HANDLER(sys_madvise)
{
    switch ((int)a[2]) {
    case MADV_DONTFORK: /* the child's bookkeeping would say that it is there */
    case MADV_DOFORK:
        return 0;
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
    case MADV_COLD:
    case MADV_PAGEOUT:
        return pb_user_space_advise(t->user->space, a[0], a[1], (int)a[2]);
    default:
        return -EINVAL;
    }
}
