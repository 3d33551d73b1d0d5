/* System calls about processes, threads and limits that are more than the host's own. */
#include <core/user/core.h>
#include <core/user/handlers.h>
#include <core/user/strace.h>

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

HANDLER(sys_exit)
{
    t->ended = true;
    t->status = (int)(a[0] & 255);
    return -NO_RESULT;
}

HANDLER(sys_exit_group)
{
    t->ends_all = true;
    return sys_exit(t, a);
}

HANDLER(sys_set_tid_address)
{
    t->clear_tid = a[0];
    return gettid();
}

/* ---- ends of others ---------------------------------------------------------------------------------------- */

static void tell_end(const pb_user_thread *t, pid_t pid, int status)
{
    if (t->user->strace && (WIFEXITED(status) || WIFSIGNALED(status)))
        pb_strace_child_ended(t->user, pid, status);
}

/* Which child has something to tell, for waitid(): 0 is none, without waiting. An error. It is not taken, so that it can be asked whether it
 * left a core file, which the host's kernel does not tell of ours. Taking it then does not wait, and no signal comes between. */
static int64_t await_child(pb_user_thread *t, uint64_t type, uint64_t id, uint64_t options,
                           bool *dumped)
{
    siginfo_t info = { .si_pid = 0 };
    int64_t result =
        pb_user_host(t, SYS_waitid, type, id, (uintptr_t)&info, options | WNOWAIT, 0, 0);

    *dumped =
        result == 0 && info.si_code == CLD_KILLED && pb_user_core_left(info.si_pid, info.si_status);
    return result < 0 ? result : info.si_pid;
}

#define WAIT4_OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)

HANDLER(sys_wait4)
{
    int32_t which = (int32_t)a[0];
    uint64_t type = which == -1 ? P_ALL : which <= 0 ? P_PGID : P_PID;
    uint64_t id = which == 0 ? (uint64_t)getpgrp() : (uint64_t)llabs(which);
    int64_t pid, result;
    bool dumped;
    int status = 0;

    if ((uint32_t)a[2] & ~(uint32_t)WAIT4_OPTIONS)
        return -EINVAL;
    if (which == INT32_MIN)
        return -ESRCH;
    do {
        pid = await_child(t, type, id, a[2] | WEXITED, &dumped);
        if (pid <= 0)
            return pid;
        result = syscall(SYS_wait4, pid, &status, a[2] | WNOHANG, host(t, a[3]));
    } while (result == 0 || (result < 0 && errno == ECHILD)); /* another thread has taken it */
    if (result < 0 &&
        errno != EFAULT) /* which is of the usage: the child is gone, and has a status */
        return -errno;
    result = result < 0 ? -EFAULT : pid;
    if (dumped && WIFSIGNALED(status))
        status |= WCOREFLAG;
    tell_end(t, (pid_t)pid, status);
    return a[1] && !pb_user_space_write(t->user->space, a[1], &status, sizeof(status)) ? -EFAULT
                                                                                       : result;
}

/* The members of siginfo_t that the kernel fills in: the first three, and those of SIGCHLD without times. */
static bool put_child(const pb_user_thread *t, uint64_t gva, const siginfo_t *info)
{
    const size_t first = offsetof(siginfo_t, si_code) + sizeof(info->si_code);
    const size_t child = offsetof(siginfo_t, si_pid);
    const size_t end = offsetof(siginfo_t, si_status) + sizeof(info->si_status);

    return !gva || (pb_user_space_write(t->user->space, gva, info, first) &&
                    pb_user_space_write(t->user->space, gva + child, (const uint8_t *)info + child,
                                        end - child));
}

/* As of wait(), if it is an end. */
static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return info->si_status << 8;
    case CLD_KILLED:
        return info->si_status;
    case CLD_DUMPED:
        return info->si_status | WCOREFLAG;
    default:
        return W_STOPCODE(0);
    }
}

HANDLER(sys_waitid)
{
    siginfo_t info;
    int64_t pid, result;
    bool dumped;

    do {
        info = (siginfo_t){ .si_pid = 0 };
        pid = await_child(t, a[0], a[1], a[3], &dumped);
        if (pid == -RESTART_AT_ONCE)
            return pid;
        if (pid <
            0) /* Linux writes what there is of no child, and says whether that could not be done first */
            return put_child(t, a[2], &info) ? pid : -EFAULT;
        result =
            pid == 0 ? 0 : syscall(SYS_waitid, P_PID, pid, &info, a[3] | WNOHANG, host(t, a[4]));
    } while (pid > 0 && (result < 0 ? errno == ECHILD : !info.si_pid)); /* another has taken it */
    if (result < 0)
        return -errno;
    if (info.si_code == CLD_KILLED && dumped)
        info.si_code = CLD_DUMPED;
    if (!(a[3] & WNOWAIT))
        tell_end(t, info.si_pid, status_of(&info));
    return put_child(t, a[2], &info) ? 0 : -EFAULT;
}

/* ---- futexes ----------------------------------------------------------------------------------------------- */

#define ROBUST_HEAD_BYTES 24

/* The emulator goes through it: the host's kernel would take its addresses for the host's. */
HANDLER(sys_set_robust_list)
{
    if (a[1] != ROBUST_HEAD_BYTES)
        return -EINVAL;
    __atomic_store_n(&t->robust_list, a[0], __ATOMIC_SEQ_CST);
    return 0;
}

/* Of one of this process's threads; of others it would be the emulator's. */
HANDLER(sys_get_robust_list)
{
    const uint64_t bytes = ROBUST_HEAD_BYTES;
    pb_user *user = t->user;
    uint64_t list = 0;
    bool found = false;

    pthread_mutex_lock(&user->threads_lock);
    for (const pb_user_thread *other = user->threads; other && !found; other = other->next) {
        found = a[0] == 0 ? other == t : (uint64_t)other->tid == a[0];
        list = __atomic_load_n(&other->robust_list, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&user->threads_lock);
    if (!found)
        return kill((pid_t)a[0], 0) < 0 && errno == ESRCH ? -ESRCH : -EPERM;
    return pb_user_space_write(user->space, a[2], &bytes, sizeof(bytes)) &&
                   pb_user_space_write(user->space, a[1], &list, sizeof(list))
               ? 0
               : -EFAULT;
}

/* FUTEX_LOCK_PI does not end with EINTR: the host's kernel makes it again after a signal (ERESTARTNOINTR), and our handler finds it not
 * begun. */
HANDLER(sys_futex)
{
    int op = (int)a[1] & FUTEX_CMD_MASK;
    /* The fourth argument is a time, or a number. */
    bool waits = op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_WAIT_REQUEUE_PI ||
                 op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2;
    uint64_t time = op == FUTEX_WAIT ? pb_user_wait_time(t, a[3]) : waits ? host(t, a[3]) : a[3];

    return pb_user_host(t, SYS_futex, host(t, a[0]), a[1], a[2], time, host(t, a[4]), a[5]);
}

/* ---- limits ---------------------------------------------------------------------------------------------- */

/* Limits of address space are for the program's, not for the emulator's, which needs more: they are remembered by nobody. */
static bool is_of_space(uint32_t resource)
{
    return resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK;
}

/* Whether a process is an emulator like this one: a child of the program's, if it is not another user's. */
static bool is_emulator(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int)pid);
    struct stat own, other;

    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static int64_t limit(pb_user_thread *t, uint64_t pid, uint32_t resource, uint64_t new, uint64_t old)
{
    /* The process, or one of its threads. */
    bool own = pid == 0 || tgkill(getpid(), (pid_t)pid, 0) == 0;

    if (own && resource == RLIMIT_NOFILE)
        return pb_user_limit_files((void *)host(t, new), (void *)host(t, old));
    new = is_of_space(resource) && (own || is_emulator((pid_t)pid)) ? 0 : host(t, new);
    return pb_user_host(t, SYS_prlimit64, pid, resource, new, host(t, old), 0, 0);
}

HANDLER(sys_prlimit64)
{
    return limit(t, a[0], (uint32_t)a[1], a[2], a[3]);
}

HANDLER(sys_getrlimit)
{
    if (!a[1]) /* which prlimit64 takes for nothing to do */
        return (uint32_t)a[0] < RLIM_NLIMITS ? -EFAULT : -EINVAL;
    return limit(t, 0, (uint32_t)a[0], 0, a[1]);
}

HANDLER(sys_setrlimit)
{
    if (!a[1])
        return -EFAULT;
    return limit(t, 0, (uint32_t)a[0], a[1], 0);
}

/* ---- about the system ------------------------------------------------------------------------------------ */

HANDLER(sys_uname)
{
    struct utsname names;

    if (uname(&names) < 0)
        return -errno;
    memset(names.machine, 0, sizeof(names.machine));
    g_strlcpy(names.machine, t->user->arch->name, sizeof(names.machine));
    return pb_user_space_write(t->user->space, a[0], &names, sizeof(names)) ? 0 : -EFAULT;
}

/* By the C library, which asks the host's vdso: the kernel is not entered. struct timespec is the host's. */
HANDLER(sys_clock_gettime)
{
    struct timespec now;

    if (clock_gettime((clockid_t)a[0], &now) < 0)
        return -errno;
    return pb_user_space_write(t->user->space, a[1], &now, sizeof(now)) ? 0 : -EFAULT;
}

HANDLER(sys_prctl)
{
    switch ((int)a[0]) {
    case PR_GET_PDEATHSIG:
        if (t->shares)
            return pb_user_space_write(t->user->space, a[1], &t->death_signal, sizeof(int))
                       ? 0
                       : -EFAULT;
        return pb_user_host(t, SYS_prctl, a[0], host(t, a[1]), 0, 0, 0, 0);
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_GET_CHILD_SUBREAPER:
        return pb_user_host(t, SYS_prctl, a[0], host(t, a[1]), 0, 0, 0, 0);
    case PR_SET_PDEATHSIG:
        if (t->shares && a[1] <= PB_USER_SIGNALS) {
            t->death_signal = (int)a[1];
            return 0;
        }
        return pb_user_host(t, SYS_prctl, a[0], a[1], 0, 0, 0, 0);
    case PR_GET_DUMPABLE:
    case PR_SET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_SET_KEEPCAPS:
    case PR_SET_CHILD_SUBREAPER:
    case PR_GET_NO_NEW_PRIVS:
    case PR_SET_NO_NEW_PRIVS:
    case PR_GET_TIMERSLACK:
    case PR_SET_TIMERSLACK:
    case PR_CAPBSET_READ:
        return pb_user_host(t, SYS_prctl, a[0], a[1], a[2], a[3], a[4], 0);
    default:
        pb_user_missed_number(t->user, "prctl", pb_names_prctl, (uint32_t)a[0]);
        return -EINVAL;
    }
}

/* There is no tracing: it would see the emulator. Who asked to be traced and stops then waits for a tracer (sys_kill). */
HANDLER(sys_ptrace)
{
    pb_user_missed(t->user, "system call", "ptrace");
    t->awaits_tracer |= a[0] == PTRACE_TRACEME;
    return -ENOSYS;
}

/* struct sigevent is the same but for what it points to, which the kernel hands back and does not follow. */
HANDLER(sys_timer_create)
{
    return pb_user_host(t, SYS_timer_create, a[0], host(t, a[1]), host(t, a[2]), 0, 0, 0);
}
