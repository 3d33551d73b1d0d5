/* System calls whose arguments strace shows in ways of their own, between two getppid(); what happens must be the same everywhere. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

static char memory[65536];

static void handler(int signal)
{
    (void)signal;
}

static void files(void)
{
    static const char text[] =
        "a line\n\tand \"more\" \\ \001\0012\377 that is longer than is shown";
    struct iovec list[2] = { { (char *)text, 3 }, { (char *)text + 3, 40 } };
    struct timespec times[2] = { { 5, 6 }, { 0, UTIME_OMIT } };
    struct stat info;
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2 };
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT | O_TRUNC, 0640);

    syscall(SYS_openat, AT_FDCWD, "nothing", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    syscall(SYS_openat, 77, "x", O_WRONLY | O_APPEND | O_DIRECTORY | O_NOFOLLOW);
    syscall(SYS_openat, AT_FDCWD, (void *)8, O_PATH);
    syscall(SYS_write, fd, text, sizeof(text) - 1);
    syscall(SYS_write, fd, "short", 5);
    syscall(SYS_write, fd, (void *)8, 5);
    syscall(SYS_writev, fd, list, 2);
    syscall(SYS_pwrite64, fd, "abc", 3, 100);
    syscall(SYS_lseek, fd, 0, SEEK_SET);
    syscall(SYS_read, fd, memory, 9);
    syscall(SYS_readv, fd, list, 0);
    list[0].iov_base = memory, list[1].iov_base = memory + 100;
    syscall(SYS_readv, fd, list, 2);
    syscall(SYS_pread64, fd, memory, 100, 1 << 20);
    syscall(SYS_read, 77, memory, 100);
    syscall(SYS_lseek, fd, -1, SEEK_END);
    syscall(SYS_newfstatat, AT_FDCWD, "file", &info, AT_SYMLINK_NOFOLLOW);
    syscall(SYS_newfstatat, AT_FDCWD, "/dev/null", &info, 0);
    syscall(SYS_newfstatat, AT_FDCWD, "nothing", &info, 0);
    syscall(SYS_fstat, fd, &info);
    syscall(SYS_fstat, 77, &info);
    syscall(SYS_ftruncate, fd, 10);
    syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE, 0, 100);
    syscall(SYS_faccessat, AT_FDCWD, "file", R_OK | W_OK);
    syscall(SYS_faccessat, AT_FDCWD, "file", F_OK);
    syscall(SYS_fchmod, fd, 0600);
    syscall(SYS_utimensat, AT_FDCWD, "file", times, 0);
    syscall(SYS_utimensat, fd, NULL, NULL, 0);
    syscall(SYS_flock, fd, LOCK_EX | LOCK_NB);
    syscall(SYS_fcntl, fd, F_GETFD);
    syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    syscall(SYS_fcntl, fd, F_GETFD);
    syscall(SYS_fcntl, fd, F_SETFL, O_APPEND | O_NONBLOCK);
    syscall(SYS_fcntl, fd, F_SETLK, &lock);
    syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 50);
    syscall(SYS_fcntl, fd, 4711, 0);
    syscall(SYS_dup3, fd, 60, O_CLOEXEC);
    syscall(SYS_mkdirat, AT_FDCWD, "folder", 0750);
    syscall(SYS_symlinkat, "file", AT_FDCWD, "link");
    syscall(SYS_readlinkat, AT_FDCWD, "link", memory, 100);
    syscall(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "other", AT_SYMLINK_FOLLOW);
    syscall(SYS_unlinkat, AT_FDCWD, "other", 0);
    syscall(SYS_unlinkat, AT_FDCWD, "folder", AT_REMOVEDIR);
    syscall(SYS_renameat2, AT_FDCWD, "link", AT_FDCWD, "file", 1);
    syscall(SYS_ioctl, fd, TCGETS, memory);
    syscall(SYS_ioctl, fd, FIONREAD, memory);
    syscall(SYS_ioctl, fd, FIOCLEX);
    syscall(SYS_umask, 022);
    syscall(SYS_close, fd);
    syscall(SYS_close, fd);
}

static void waiting(void)
{
    struct timespec none = { 0, 0 }, little = { 0, 1000 };
    struct epoll_event event = { EPOLLIN | EPOLLET, { .u64 = 7 } };
    struct itimerspec when = { { 1, 2 }, { 3, 4 } };
    struct pollfd fds[3];
    fd_set set;
    int ends[2], epoll, other;

    syscall(SYS_pipe2, ends, O_CLOEXEC);
    fds[0] = (struct pollfd){ ends[0], POLLIN, 0 };
    fds[1] = (struct pollfd){ ends[1], POLLOUT | POLLIN, 0 };
    fds[2] = (struct pollfd){ -1, POLLOUT, 0 };
    syscall(SYS_ppoll, fds, 1, &none, NULL, 8);
    syscall(SYS_ppoll, fds, 3, NULL, NULL, 8);
    FD_ZERO(&set);
    FD_SET(ends[1], &set);
    syscall(SYS_pselect6, ends[1] + 1, NULL, &set, NULL, &none, NULL);
    epoll = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, ends[0], &event);
    syscall(SYS_epoll_pwait, epoll, memory, 4, 0, NULL, 8);
    syscall(SYS_write, ends[1], "x", 1);
    syscall(SYS_epoll_pwait, epoll, memory, 4, 0, NULL, 8);
    syscall(SYS_eventfd2, 3, EFD_NONBLOCK);
    other = (int)syscall(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
    syscall(SYS_timerfd_settime, other, 0, &when, NULL);
    syscall(SYS_nanosleep, &little, NULL);
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &little, NULL);
    syscall(SYS_clock_getres, CLOCK_MONOTONIC, &none);
    syscall(SYS_clock_gettime, 1000, &none);
}

static void sockets(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "place" };
    struct iovec part = { "message", 7 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    int pair[2], one = 1,
                 fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    socklen_t length = sizeof(one);

    syscall(SYS_bind, fd, &in, sizeof(in));
    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &one, &length);
    syscall(SYS_connect, fd, &un, sizeof(un));
    fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
    syscall(SYS_connect, fd, &un, sizeof(un));
    syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    syscall(SYS_sendto, pair[0], "hello", 5, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    syscall(SYS_recvfrom, pair[1], memory, 100, 0, NULL, NULL);
    syscall(SYS_sendmsg, pair[0], &message, MSG_NOSIGNAL);
    part.iov_base = memory;
    syscall(SYS_recvmsg, pair[1], &message, MSG_DONTWAIT);
    syscall(SYS_shutdown, pair[0], SHUT_WR);
}

static void pages(void)
{
    void *at = (void *)syscall(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    syscall(SYS_mprotect, at, 4096, PROT_READ | PROT_EXEC);
    syscall(SYS_mprotect, at, 4096, PROT_NONE);
    syscall(SYS_madvise, at, 4096, MADV_DONTNEED);
    syscall(SYS_munmap, at, 8192);
    syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED, 77, 4096);
}

static void processes(void)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
    struct rlimit limit = { 100, 200 };
    struct utsname names;
    uint64_t mask = 1 << 9 | UINT64_C(1) << 33, all = ~UINT64_C(0);
    uint32_t word = 3;
    struct timespec little = { 0, 1000 };
    siginfo_t info;
    int self = getpid();

    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGUSR2, &action, NULL);
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, memory, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    syscall(SYS_kill, getpid(), SIGUSR1);
    syscall(SYS_rt_sigpending, memory, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, memory, 8);
    syscall(SYS_tgkill, self, self, SIGUSR1);
    syscall(SYS_rt_sigtimedwait, &mask, NULL, &little, 8);
    syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, memory);
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL);
    syscall(SYS_uname, &names);
    syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
    syscall(SYS_futex, &word, FUTEX_WAIT, 4, NULL);
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 3,
            &little, NULL, -1);
    syscall(SYS_prctl, PR_SET_NAME, "a name");
    syscall(SYS_prctl, PR_GET_KEEPCAPS);
    syscall(SYS_wait4, -1, NULL, WNOHANG, NULL);
    syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG, NULL);
    syscall(SYS_getrandom, memory, 4, 77);
    syscall(SYS_execve, "nothing", (const char *[]){ "a", "b c", NULL },
            (const char *[]){ "x=y", NULL });
    syscall(SYS_getpriority, PRIO_PROCESS, 0);
    syscall(SYS_timer_delete, 99);
}

int main(int argc, char **argv)
{
    syscall(SYS_getppid);
    files();
    waiting();
    sockets();
    pages();
    processes();
    syscall(SYS_getppid);
    if (argc > 1 && strcmp(argv[1], "segv") == 0)
        *(volatile char *)8 = 0;
    return 7;
}
