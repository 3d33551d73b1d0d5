/* Eight children that make calls at the same time, and end with 3; or each executes the program that is given. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 8

static void child(int from, int to)
{
    char byte;

    for (int i = 0; i < 50; i++) {
        if (write(to, "x", 1) != 1 || read(from, &byte, 1) != 1)
            _exit(1);
    }
    _exit(3);
}

int main(int argc, char **argv)
{
    int ends[2], status, good = 0;

    if (pipe(ends) < 0)
        return 1;
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();

        if (pid == 0 && argc > 1) {
            execl(argv[1], argv[1], NULL);
            _exit(1);
        }
        if (pid == 0)
            child(ends[0], ends[1]);
    }
    while (wait(&status) > 0)
        good += WIFEXITED(status) && WEXITSTATUS(status) == (argc > 1 ? 0 : 3);
    return good == CHILDREN ? 0 : 1;
}
