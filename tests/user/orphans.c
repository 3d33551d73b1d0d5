/* Children that end without a line of --strace: by SIGKILL, or as a program of the host, which is the argument. The parent is not
 * told how. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child(char *const *argv)
{
    int ends[2];
    pid_t pid;
    char byte;

    if (pipe(ends) < 0)
        _exit(1);
    pid = fork();
    if (pid == 0) {
        if (write(ends[1], "x", 1) == 1 && argv[0])
            execv(argv[0], argv);
        for (;;)
            pause();
    }
    if (read(ends[0], &byte, 1) == 1 && !argv[0])
        kill(pid, SIGKILL);
    return pid;
}

int main(int argc, char **argv)
{
    char *none[] = { NULL };

    for (int i = 0; i < 2; i++) {
        char *const *words = i ? argv + 1 : none;

        if (waitpid(child(words), NULL, 0) < 0 ||
            waitid(P_PID, (id_t)child(words), NULL, WEXITED) < 0)
            return 1;
    }
    return 0;
}
