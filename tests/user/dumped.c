/* What parents see of children that left core files, and of those that did not. With an argument: what such a child executes. */
#include "check.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char own[PATH_MAX];

/* ---- how children end ---------------------------------------------------------------------------------------- */

static void leave_core(void)
{
    abort();
}

static void leave_no_core(void)
{
    const struct rlimit none = { 0, 100 };

    setrlimit(RLIMIT_CORE, &none);
    abort();
}

static void execute(void)
{
    execl(own, "name", "abort", (char *)NULL);
}

static void terminate(void)
{
    raise(SIGTERM);
}

static void end(void)
{
    _exit(3);
}

static void stop(void)
{
    sigset_t set;
    int signal;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGSTOP);
    sigwait(&set, &signal); /* until somebody has seen that it goes on */
    _exit(4);
}

static pid_t begin(void (*how)(void))
{
    pid_t pid = fork();

    if (pid == 0) {
        how();
        _exit(1);
    }
    return pid;
}

/* ---- how they are waited for ---------------------------------------------------------------------------------- */

static int by_number(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static int by_any(pid_t pid)
{
    int status = -1;

    CHECK(wait(&status) == pid);
    return status;
}

static int by_own_group(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(0, &status, 0) == pid);
    return status;
}

static int by_group(pid_t pid)
{
    struct rusage usage = { .ru_maxrss = 0 };
    int status = -1;

    CHECK(wait4(-getpgrp(), &status, 0, &usage) == pid && usage.ru_maxrss > 0);
    return status;
}

static int by_polling(pid_t pid)
{
    int status = -1;
    pid_t found;

    do
        found = waitpid(-1, &status, WNOHANG);
    while (found == 0);
    CHECK(found == pid);
    return status;
}

static int status_of(const siginfo_t *info, pid_t pid)
{
    CHECK(info->si_signo == SIGCHLD && info->si_pid == pid && info->si_errno == 0);
    if (info->si_code == CLD_EXITED)
        return info->si_status << 8;
    CHECK(info->si_code == CLD_DUMPED || info->si_code == CLD_KILLED);
    return info->si_status | (info->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

static int by_waitid(pid_t pid)
{
    siginfo_t first, info;

    memset(&first, 0x55, sizeof(first));
    CHECK(waitid(P_PID, (id_t)pid, &first, WEXITED | WNOWAIT) == 0);
    CHECK(((char *)&first)[sizeof(first) - 1] == 0x55); /* not all is written */
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_code == first.si_code);
    CHECK(status_of(&info, pid) == status_of(&first, pid));
    return status_of(&info, pid);
}

static int by_polling_waitid(pid_t pid)
{
    siginfo_t info;

    do {
        info.si_pid = 1;
        CHECK(waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0);
    } while (info.si_pid == 0);
    return status_of(&info, pid);
}

static siginfo_t told;

static void on_child(int signal, siginfo_t *info, void *context)
{
    told = *info;
}

/* What comes with the signal says the same. */
static int by_signal(pid_t pid)
{
    sigset_t set;
    int status;

    sigprocmask(SIG_BLOCK, NULL, &set);
    sigdelset(&set, SIGCHLD);
    while (told.si_pid != pid)
        sigsuspend(&set);
    CHECK(waitpid(pid, &status, 0) == pid && status == status_of(&told, pid));
    return status;
}

static void test_ends(void)
{
    static const struct {
        void (*how)(void);
        int status;
    } ends[] = { { leave_core, SIGABRT | WCOREFLAG },
                 { execute, SIGABRT | WCOREFLAG },
                 { leave_no_core, SIGABRT },
                 { terminate, SIGTERM },
                 { end, 3 << 8 } };
    static int (*const waits[])(pid_t) = { by_number,  by_any,    by_own_group,      by_group,
                                           by_polling, by_waitid, by_polling_waitid, by_signal };
    const struct sigaction action = { .sa_sigaction = on_child,
                                      .sa_flags = SA_SIGINFO | SA_RESTART };
    const struct timespec no_time = { 0, 0 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (unsigned k = 0; k < sizeof(waits) / sizeof(waits[0]); k++) {
            int status;

            while (sigtimedwait(&set, NULL, &no_time) > 0) /* of those before */
                ;
            status = waits[k](begin(ends[i].how));
            if (status != ends[i].status)
                printf("end %u, wait %u: status %x\n", i, k, (unsigned)status);
            CHECK(status == ends[i].status);
        }
    }
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

static void test_others(void)
{
    pid_t pid = begin(stop);
    siginfo_t info;
    int status;

    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(WSTOPSIG(status) == SIGSTOP && waitpid(pid, &status, WNOHANG | WUNTRACED) == 0);
    kill(pid, SIGCONT);
    CHECK(waitid(P_PID, (id_t)pid, &info, WCONTINUED) == 0 && info.si_code == CLD_CONTINUED);
    kill(pid, SIGUSR1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 4 << 8);
    REFUSED(waitpid(pid, &status, 0), ECHILD);
    REFUSED(waitpid(-1, &status, WNOHANG), ECHILD);
    REFUSED(waitpid(-1, &status, WEXITED), EINVAL);
    REFUSED(waitpid(INT_MIN, &status, 0), ESRCH);
    REFUSED(waitid(P_ALL, 0, &info, 0), EINVAL);
    info.si_signo = info.si_pid = 55; /* which are written then too */
    REFUSED(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK(info.si_signo == 0 && info.si_pid == 0);
    begin(end);
    REFUSED(waitpid(-1, (int *)8, 0), EFAULT); /* it is waited for nevertheless */
    begin(end);
    status = -1;
    REFUSED(wait4(-1, &status, 0, (struct rusage *)8), EFAULT); /* the status is written before */
    CHECK(status == 3 << 8);
    begin(end);
    REFUSED(waitid(P_ALL, 0, (siginfo_t *)8, WEXITED), EFAULT);
    REFUSED(waitpid(-1, &status, 0), ECHILD);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        abort();
    if (readlink("/proc/self/exe", own, sizeof(own) - 1) <= 0)
        return 2;
    test_ends();
    test_others();
    return done("dumped");
}
