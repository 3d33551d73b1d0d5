/* Ends by the fault that its argument names. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    if (strcmp(how, "segv") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(how, "ill") == 0)
        __asm__ volatile("udf #0");
    if (strcmp(how, "trap") == 0)
        __asm__ volatile("brk #1");
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "term") == 0)
        kill(getpid(), SIGTERM);
    if (strcmp(how, "blocked") == 0) { /* a fault cannot be put off */
        sigset_t all;

        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        *(volatile int *)8 = 1;
    }
    if (strcmp(how, "stack") == 0) /* nowhere to put a frame */
        __asm__ volatile("mov x1, #0\n\tmov sp, x1\n\tldr x0, [sp]");
    return argc > 2 ? atoi(argv[2]) : 0;
}
