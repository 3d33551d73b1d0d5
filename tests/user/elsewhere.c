/* elsewhere ROOT PROGRAM [ARGUMENT...]: becomes a program in another root. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3 || chroot(argv[1]) < 0 || chdir("/") < 0) {
        perror("chroot");
        return 2;
    }
    execv(argv[2], argv + 2);
    printf("%s\n", strerror(errno));
    return 1;
}
