/* Calls that are not there; what strace shows although standard error is closed. */
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct utsname names;

    syscall(425, 1, 0); /* io_uring_setup */
    syscall(425, 1, 0);
    syscall(0xfff, 5);
    syscall(SYS_ioctl, 0, 0x12345678, 0);
    if (argc > 1 && strcmp(argv[1], "close") == 0) {
        close(2);
        dup2(0, 2);
    }
    return uname(&names);
}
