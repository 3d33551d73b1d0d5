/* Files: opening, reading, writing, what is told about them, folders, links, pipes, waiting. In an empty folder. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

static void test_contents(void)
{
    char text[64] = { 0 };
    struct iovec parts[2] = { { text, 3 }, { text + 8, 20 } };
    int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);

    CHECK(fd == 3); /* the lowest that is free, as programs expect */
    CHECK(write(fd, "hello world", 11) == 11);
    CHECK(lseek(fd, 0, SEEK_CUR) == 11);
    CHECK(pread(fd, text, 5, 6) == 5 && strcmp(text, "world") == 0);
    CHECK(pwrite(fd, "W", 1, 6) == 1);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    memset(text, 0, sizeof(text));
    CHECK(readv(fd, parts, 2) == 11);
    CHECK(memcmp(text, "hel", 3) == 0 && strcmp(text + 8, "lo World") == 0);
    CHECK(ftruncate(fd, 4) == 0);
    CHECK(lseek(fd, 0, SEEK_END) == 4);
    REFUSED(open("file", O_CREAT | O_EXCL, 0600), EEXIST);
    REFUSED(open("nothing", O_RDONLY), ENOENT);
    REFUSED(open("file", O_DIRECTORY), ENOTDIR);
    REFUSED(syscall(SYS_pread64, fd, 8, 4, 0), EFAULT);
    REFUSED(write(fd, (void *)0x7fffffffff00, 4), EFAULT);
    REFUSED(write(fd, (void *)-64, 4), EFAULT);
    REFUSED(read(999, text, 1), EBADF);
    CHECK(close(fd) == 0);
    REFUSED(close(fd), EBADF);
    fd = open("file", O_WRONLY | O_APPEND);
    CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK((fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK)) == O_NONBLOCK);
    close(fd);
}

static void test_stat(void)
{
    struct stat a, b;
    struct statx x;
    struct statfs fs;

    CHECK(stat("file", &a) == 0 && S_ISREG(a.st_mode) && (a.st_mode & 0777) == 0640);
    CHECK(a.st_size == 4 && a.st_nlink == 1 && a.st_blksize > 0);
    CHECK(a.st_mtim.tv_sec > 1600000000 && a.st_mtim.tv_nsec < 1000000000);
    CHECK(symlink("file", "link") == 0);
    CHECK(lstat("link", &b) == 0 && S_ISLNK(b.st_mode) && b.st_size == 4);
    CHECK(stat("link", &b) == 0 && b.st_ino == a.st_ino && b.st_dev == a.st_dev);
    CHECK(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x) == 0 && x.stx_ino == a.st_ino);
    CHECK(statfs(".", &fs) == 0 && fs.f_bsize > 0);
    CHECK(stat("/dev/null", &b) == 0 && S_ISCHR(b.st_mode) && b.st_rdev == makedev(1, 3));
    REFUSED(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    REFUSED(stat("file/x", &b), ENOTDIR);
    REFUSED(syscall(SYS_newfstatat, AT_FDCWD, "file", 8, 0), EFAULT);
    REFUSED(syscall(SYS_newfstatat, AT_FDCWD, 8, &b, 0), EFAULT);
    CHECK(chmod("file", 0600) == 0 && stat("file", &b) == 0 && (b.st_mode & 0777) == 0600);
    CHECK(access("file", R_OK) == 0);
    REFUSED(access("file2", F_OK), ENOENT);
}

static void test_folders(void)
{
    char text[PATH_MAX], own[PATH_MAX];
    int seen = 0;
    DIR *dir;

    CHECK(mkdir("folder", 0755) == 0);
    CHECK(rename("file", "folder/other") == 0);
    CHECK(link("folder/other", "folder/again") == 0);
    dir = opendir("folder");
    CHECK(dir != NULL);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        CHECK(e->d_ino != 0);
        seen += strcmp(e->d_name, "other") == 0 ? 1 : strcmp(e->d_name, "again") == 0 ? 10 : 0;
    }
    CHECK(seen == 11);
    if (dir)
        closedir(dir);
    REFUSED(rmdir("folder"), ENOTEMPTY);
    CHECK(unlink("folder/other") == 0 && unlink("folder/again") == 0 && rmdir("folder") == 0);
    CHECK(readlink("link", text, sizeof(text)) == 4 && memcmp(text, "file", 4) == 0);
    CHECK(unlink("link") == 0);
    CHECK(getcwd(text, sizeof(text)) == text && text[0] == '/');
    memset(own, 0, sizeof(own));
    CHECK(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    CHECK(strstr(own, "files") != NULL);
}

/* The emulator's own are not to be seen. */
static void test_own(void)
{
    struct statx more;
    struct stat info;
    char c;

    for (int fd = 900; fd < 1024; fd++) {
        REFUSED(fstat(fd, &info), EBADF);
        REFUSED(fstatat(fd, "", &info, AT_EMPTY_PATH), EBADF);
        REFUSED(statx(fd, "", AT_EMPTY_PATH, 0, &more), EBADF);
        REFUSED(openat(fd, "x", O_RDONLY), EBADF);
        REFUSED(lseek(fd, 0, SEEK_CUR), EBADF);
        REFUSED(read(fd, &c, 1), EBADF);
        REFUSED(dup(fd), EBADF);
    }
}

static void test_pipes(void)
{
    int ends[2], events = epoll_create1(0), n = 0;
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 };
    struct pollfd poll_one;
    struct timeval none = { 0, 0 };
    fd_set set;
    char c;

    CHECK(pipe(ends) == 0);
    poll_one = (struct pollfd){ ends[0], POLLIN, 0 };
    CHECK(poll(&poll_one, 1, 0) == 0);
    CHECK(epoll_ctl(events, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(epoll_wait(events, &event, 1, 0) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(ioctl(ends[0], FIONREAD, &n) == 0 && n == 1);
    CHECK(poll(&poll_one, 1, -1) == 1 && poll_one.revents == POLLIN);
    memset(&event, 0, sizeof(event));
    CHECK(epoll_wait(events, &event, 1, -1) == 1 && event.data.u64 == 0x1122334455667788);
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    CHECK(select(ends[0] + 1, &set, NULL, NULL, &none) == 1 && FD_ISSET(ends[0], &set));
    CHECK(read(ends[0], &c, 1) == 1 && c == 'x');
    close(ends[1]);
    CHECK(read(ends[0], &c, 1) == 0);
    close(ends[0]);
    close(events);
    REFUSED(ioctl(0, 0x12345678, &n), ENOTTY);
}

static void test_descriptors(void)
{
    int fd = open("/dev/zero", O_RDONLY), copy;
    uint64_t one = 1;
    struct itimerspec soon = { .it_value.tv_nsec = 1 };

    copy = dup(fd);
    CHECK(copy >= 0 && dup2(fd, 50) == 50 && fcntl(50, F_GETFD) == 0);
    CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 60) == 60 && fcntl(60, F_GETFD) == FD_CLOEXEC);
    CHECK(syscall(SYS_close_range, 50, 70, 0) == 0);
    REFUSED(fcntl(50, F_GETFD), EBADF);
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0); /* the emulator goes on, all the same */
    REFUSED(fcntl(fd, F_GETFD), EBADF);
    fd = eventfd(0, 0);
    CHECK(fd == 3 && write(fd, &one, 8) == 8 && read(fd, &one, 8) == 8 && one == 1);
    close(fd);
    fd = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK(timerfd_settime(fd, 0, &soon, NULL) == 0 && read(fd, &one, 8) == 8 && one >= 1);
    close(fd);
    for (fd = 3; fd < 1100; fd++)
        close(fd);
    fd = open("/dev/zero", O_RDONLY);
    CHECK(fd == 3);
    for (int to = 4; to < 1020; to++)
        dup2(fd, to);
    CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

static void test_sockets(void)
{
    int pair[2], passed = -1;
    char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'a', name[16] = "";
    struct iovec part = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &pair[1], sizeof(int));
    CHECK(sendmsg(pair[0], &message, 0) == 1);
    memset(control, 0, sizeof(control));
    byte = 0;
    CHECK(recvmsg(pair[1], &message, 0) == 1 && byte == 'a');
    head = CMSG_FIRSTHDR(&message);
    CHECK(head && head->cmsg_type == SCM_RIGHTS);
    if (head)
        memcpy(&passed, CMSG_DATA(head), sizeof(int));
    CHECK(passed >= 0 && write(passed, "b", 1) == 1);
    CHECK(recv(pair[0], name, sizeof(name), 0) == 1 && name[0] == 'b');
    close(pair[0]);
    close(pair[1]);
    close(passed);
}

int main(void)
{
    struct utsname names;

    test_contents();
    test_stat();
    test_folders();
    test_own();
    test_pipes();
    test_sockets();
    test_descriptors();
    CHECK(uname(&names) == 0 && strcmp(names.machine, "aarch64") == 0);
    return done("files");
}
