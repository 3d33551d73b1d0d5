/* As gdbserver begins: a child that asks to be traced, which fails, and stops; its parent, who would trace it, waits without looking for
 * stopped children. It learns that the child has ended. Others may stop. */
#include "check.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int first_of(int (*stop)(void), int options)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        REFUSED(ptrace(PTRACE_TRACEME, 0, NULL, NULL), ENOSYS);
        _exit(stop());
    }
    CHECK(waitpid(pid, &status, options) == pid);
    if (WIFSTOPPED(status))
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    return status;
}

static int by_kill(void)
{
    return kill(getpid(), SIGSTOP) + 1;
}

static int by_raise(void)
{
    return raise(SIGSTOP) + 1;
}

/* A child of it has not asked. */
static int by_child(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(raise(SIGSTOP) + 1);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || kill(pid, SIGCONT))
        return 2;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? 40 + WEXITSTATUS(status) : 3;
}

int main(void)
{
    CHECK(first_of(by_kill, 0) == SIGKILL);
    CHECK(first_of(by_raise, 0) == SIGKILL);
    CHECK(first_of(by_child, 0) == 41 << 8);
    return done("untraced");
}
