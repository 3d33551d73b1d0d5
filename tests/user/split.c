/* Asks for what is not there before and after a fork. */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    pid_t pid;

    syscall(425, 1, 0);
    syscall(425, 1, 0);
    syscall(425, 1, 0);
    pid = fork();
    if (pid == 0) {
        syscall(425, 1, 0);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return 0;
}
