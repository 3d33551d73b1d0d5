/* System V semaphores and shared memory, and POSIX message queues, as far as they are more than the host's own. */
#include <core/user/handlers.h>

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

/* ---- messages ------------------------------------------------------------------------------------------- */

/* With SIGEV_THREAD the kernel takes 32 bytes from where the value points to, which it sends back through a socket. */
HANDLER(sys_mq_notify)
{
    struct sigevent event;

    if (pb_user_owns_fd(t->user, (uint32_t)a[0]))
        return -EBADF;
    if (!a[1])
        return pb_user_host(t, SYS_mq_notify, a[0], 0, 0, 0, 0, 0);
    if (!pb_user_space_read(t->user->space, a[1], &event, sizeof(event)))
        return -EFAULT;
    if (event.sigev_notify == SIGEV_THREAD)
        event.sigev_value.sival_ptr =
            pb_user_pointer(t->user, (uint64_t)(uintptr_t)event.sigev_value.sival_ptr);
    return pb_user_host(t, SYS_mq_notify, a[0], (uintptr_t)&event, 0, 0, 0, 0);
}

HANDLER(sys_msgrcv)
{
    int64_t result = pb_user_host(t, SYS_msgrcv, a[0], host(t, a[1]), a[2], a[3], a[4], 0);

    if (result >= 0)
        pb_user_space_written(t->user->space, a[1], sizeof(long) + (uint64_t)result);
    return result;
}

/* ---- semaphores ------------------------------------------------------------------------------------------- */

/* struct semid64_ds of asm-generic; the host's has gaps in it. */
typedef struct semid_generic {
    struct ipc_perm perm;
    uint64_t otime, ctime, nsems, unused[2];
} semid_generic;

static int64_t semctl_set(pb_user_thread *t, const uint64_t a[6])
{
    struct semid_ds set = { 0 };
    semid_generic generic;

    if (!pb_user_space_read(t->user->space, a[3], &generic, sizeof(generic)))
        return -EFAULT;
    set.sem_perm = generic.perm;
    return pb_user_host(t, SYS_semctl, a[0], a[1], a[2], (uintptr_t)&set, 0, 0);
}

static int64_t semctl_stat(pb_user_thread *t, const uint64_t a[6])
{
    struct semid_ds set;
    int64_t result = pb_user_host(t, SYS_semctl, a[0], a[1], a[2], (uintptr_t)&set, 0, 0);
    semid_generic generic;

    if (result < 0)
        return result;
    generic = (semid_generic){ .perm = set.sem_perm,
                               .otime = (uint64_t)set.sem_otime,
                               .ctime = (uint64_t)set.sem_ctime,
                               .nsems = set.sem_nsems };
    return pb_user_space_write(t->user->space, a[3], &generic, sizeof(generic)) ? result : -EFAULT;
}

HANDLER(sys_semctl)
{
    switch ((int)a[2]) {
    case IPC_SET:
        return semctl_set(t, a);
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return semctl_stat(t, a);
    case GETALL:
    case SETALL:
    case IPC_INFO:
    case SEM_INFO:
        return pb_user_host(t, SYS_semctl, a[0], a[1], a[2], host(t, a[3]), 0, 0);
    default:
        return pb_user_host(t, SYS_semctl, a[0], a[1], a[2], a[3], 0, 0);
    }
}

/* ---- shared memory ------------------------------------------------------------------------------------------ */

HANDLER(sys_shmat)
{
    return pb_user_space_attach_shm(t->user->space, a[1], (int)a[0], (int)a[2]);
}

HANDLER(sys_shmdt)
{
    return pb_user_space_detach_shm(t->user->space, a[0]);
}
