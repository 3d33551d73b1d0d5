/* Messages of sockets with what comes beside them, System V's and POSIX's ways between processes, and calls for several
 * buffers. */
#include "check.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- sockets -------------------------------------------------------------------------------------------- */

typedef struct rights {
    struct msghdr header;
    struct iovec list[2];
    char bytes[2][4];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
} rights;

static struct msghdr *prepare(rights *r)
{
    for (int i = 0; i < 2; i++)
        r->list[i] = (struct iovec){ r->bytes[i], sizeof(r->bytes[i]) };
    r->header = (struct msghdr){ .msg_iov = r->list,
                                 .msg_iovlen = 2,
                                 .msg_control = r->control.bytes,
                                 .msg_controllen = sizeof(r->control) };
    return &r->header;
}

static void put_rights(rights *r, const int fds[2])
{
    struct cmsghdr *c = CMSG_FIRSTHDR(prepare(r));

    memset(&r->control, 0, sizeof(r->control));
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
}

/* Descriptors go to a child, which writes to one what it reads from the other. */
static void test_rights(void)
{
    static const size_t wrong[] = { 0, 15, sizeof(((rights *)0)->control) + 1, (size_t)1 << 28,
                                    SIZE_MAX };
    int sockets[2], in[2], out[2], fds[2], status = -1;
    rights r;
    pid_t child;
    char c = 0;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && pipe(in) == 0 && pipe(out) == 0);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        struct cmsghdr *header;

        close(out[1]);
        close(in[0]);
        if (recvmsg(sockets[1], prepare(&r), MSG_CMSG_CLOEXEC) != 8 ||
            memcmp(r.bytes, "abcdefgh", 8) != 0 || !(header = CMSG_FIRSTHDR(&r.header)) ||
            header->cmsg_type != SCM_RIGHTS)
            _exit(1);
        memcpy(fds, CMSG_DATA(header), sizeof(fds));
        if (!(fcntl(fds[0], F_GETFD) & FD_CLOEXEC) || read(fds[0], &c, 1) != 1 ||
            write(fds[1], &c, 1) != 1)
            _exit(2);
        _exit(0);
    }
    fds[0] = in[0];
    fds[1] = out[1];
    put_rights(&r, fds);
    memcpy(r.bytes, "abcdefgh", 8);
    CHECK(sendmsg(sockets[0], &r.header, 0) == 8);
    CHECK(write(in[1], "x", 1) == 1 && read(out[0], &c, 1) == 1 && c == 'x');
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    fds[0] = 1000000;
    put_rights(&r, fds);
    REFUSED(sendmsg(sockets[0], &r.header, 0), EBADF);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put_rights(&r, fds);
        CMSG_FIRSTHDR(&r.header)->cmsg_len = wrong[i];
        REFUSED(sendmsg(sockets[0], &r.header, 0), EINVAL);
    }
    r.header.msg_controllen = (size_t)1 << 40;
    REFUSED(sendmsg(sockets[0], &r.header, 0), ENOBUFS);
    REFUSED(recvmsg(sockets[0], (struct msghdr *)16, MSG_DONTWAIT), EFAULT);
    for (int i = 0; i < 2; i++) {
        close(sockets[i]);
        close(in[i]);
        close(out[i]);
    }
}

/* A filter is a list that the option has the address of. */
static void test_filter(void)
{
    struct sock_filter take[] = { BPF_STMT(BPF_RET | BPF_K, 3) },
                       drop[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
    struct sock_fprog program = { 1, drop };
    char text[8];
    int sockets[2];

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
    CHECK(setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
    send(sockets[0], "text", 4, 0);
    REFUSED(recv(sockets[1], text, sizeof(text), MSG_DONTWAIT), EAGAIN);
    program.filter = take;
    CHECK(setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
    CHECK(send(sockets[0], "text", 4, 0) == 4);
    CHECK(recv(sockets[1], text, sizeof(text), MSG_DONTWAIT) == 3);
    program.filter = (void *)8;
    REFUSED(setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)),
            EFAULT);
    REFUSED(setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, 8), EINVAL);
    REFUSED(setsockopt(sockets[1], IPPROTO_IP, 64, &program, sizeof(program)), ENOPROTOOPT);
    close(sockets[0]);
    close(sockets[1]);
}

/* A flag whose number is another one on the host. */
static void test_packets(void)
{
    char text[8];
    int ends[2];

    CHECK(pipe2(ends, O_DIRECT) == 0 && fcntl(ends[1], F_GETFL) == (O_WRONLY | O_DIRECT));
    CHECK(write(ends[1], "one", 3) == 3 && write(ends[1], "two", 3) == 3);
    CHECK(read(ends[0], text, sizeof(text)) == 3);
    close(ends[0]);
    close(ends[1]);
}

static void test_several(void)
{
    struct iovec list[3] = { { (char[]){ "one" }, 3 }, { (char[]){ "three" }, 5 }, { NULL, 0 } };
    struct mmsghdr messages[3] = { { .msg_hdr = { .msg_iov = &list[0], .msg_iovlen = 1 } },
                                   { .msg_hdr = { .msg_iov = &list[1], .msg_iovlen = 1 } },
                                   { .msg_hdr = { .msg_iov = &list[2], .msg_iovlen = 1 } } };
    struct timespec time = { 1000, 0 };
    char texts[3][8];
    int sockets[2];

    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
    CHECK(sendmmsg(sockets[0], messages, 3, 0) == 3);
    CHECK(messages[0].msg_len == 3 && messages[1].msg_len == 5 && messages[2].msg_len == 0);
    for (int i = 0; i < 3; i++)
        list[i] = (struct iovec){ texts[i], sizeof(texts[i]) };
    CHECK(recvmmsg(sockets[1], messages, 3, MSG_WAITFORONE, &time) == 3);
    CHECK(messages[0].msg_len == 3 && memcmp(texts[0], "one", 3) == 0);
    CHECK(messages[1].msg_len == 5 && memcmp(texts[1], "three", 5) == 0);
    CHECK(messages[2].msg_len == 0 && time.tv_sec >= 900 && time.tv_sec < 1000);
    REFUSED(recvmmsg(sockets[1], messages, 3, MSG_DONTWAIT, NULL), EAGAIN);
    time.tv_nsec = -1;
    REFUSED(recvmmsg(sockets[1], messages, 3, MSG_DONTWAIT, &time), EINVAL);
    CHECK(send(sockets[0], "x", 1, 0) == 1);
    CHECK(recvmmsg(sockets[1], messages, 3, MSG_WAITFORONE, NULL) == 1);
    close(sockets[0]);
    close(sockets[1]);
}

/* ---- System V ------------------------------------------------------------------------------------------------ */

static void test_queue(void)
{
    struct {
        long type;
        char text[16];
    } message = { 5, "hello" };
    struct msqid_ds info;
    int id = msgget(IPC_PRIVATE, 0600);

    if (id < 0 && errno == ENOSYS)
        return; /* the host has none */
    CHECK(id >= 0 && msgsnd(id, &message, 6, 0) == 0);
    CHECK(msgctl(id, IPC_STAT, &info) == 0 && info.msg_qnum == 1 && info.msg_cbytes == 6);
    memset(&message, 0, sizeof(message));
    REFUSED(msgrcv(id, &message, sizeof(message.text), 6, IPC_NOWAIT), ENOMSG);
    CHECK(msgrcv(id, &message, sizeof(message.text), -9, 0) == 6);
    CHECK(message.type == 5 && strcmp(message.text, "hello") == 0);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
}

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static void test_semaphores(void)
{
    struct sembuf down = { 1, -3, IPC_NOWAIT };
    struct semid_ds info;
    unsigned short values[2] = { 4, 5 };
    struct timespec none = { 0, 0 };
    int id = semget(IPC_PRIVATE, 2, 0600);

    if (id < 0 && errno == ENOSYS)
        return;
    CHECK(id >= 0 && semctl(id, 0, SETALL, (union semun){ .array = values }) == 0);
    memset(&info, 0xff, sizeof(info));
    CHECK(semctl(id, 0, IPC_STAT, (union semun){ .buf = &info }) == 0);
    CHECK(info.sem_nsems == 2 && info.sem_otime == 0 && info.sem_ctime != 0);
    CHECK(info.sem_perm.mode == 0600);
    CHECK(semop(id, &down, 1) == 0 && semctl(id, 1, GETVAL) == 2);
    REFUSED(semop(id, &down, 1), EAGAIN);
    down.sem_flg = 0;
    REFUSED(semtimedop(id, &down, 1, &none), EAGAIN);
    CHECK(semctl(id, 0, SETVAL, (union semun){ .val = 9 }) == 0);
    CHECK(semctl(id, 0, GETALL, (union semun){ .array = values }) == 0);
    CHECK(values[0] == 9 && values[1] == 2);
    info.sem_perm.mode = 0640;
    CHECK(semctl(id, 0, IPC_SET, (union semun){ .buf = &info }) == 0);
    CHECK(semctl(id, 0, IPC_STAT, (union semun){ .buf = &info }) == 0);
    CHECK(info.sem_perm.mode == 0640 && info.sem_otime != 0);
    REFUSED(semctl(id, 0, IPC_STAT, (union semun){ .buf = NULL }), EFAULT);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
}

static void test_memory(void)
{
    struct shmid_ds info;
    int id = shmget(IPC_PRIVATE, 10000, 0600), status = -1;
    char *one, *two;
    pid_t child;

    if (id < 0 && errno == ENOSYS)
        return;
    one = shmat(id, NULL, 0);
    two = shmat(id, NULL, SHM_RDONLY);
    CHECK(one != (char *)-1 && two != (char *)-1 && one != two);
    strcpy(one + 9000, "shared");
    CHECK(strcmp(two + 9000, "shared") == 0);
    CHECK(shmctl(id, IPC_STAT, &info) == 0 && info.shm_segsz == 10000 && info.shm_nattch == 2);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        strcpy(one, "child");
        _exit(shmdt(two) != 0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(strcmp(two, "child") == 0);
    REFUSED((long)shmat(id, one + 1, 0), EINVAL);
    REFUSED((long)shmat(id, two, 0), EINVAL);
    CHECK(shmat(id, two + 5, SHM_REMAP | SHM_RND) == two);
    two[1] = 'H';
    CHECK(one[1] == 'H');
    REFUSED(shmdt(one + 4096), EINVAL);
    CHECK(shmdt(one) == 0 && shmdt(two) == 0);
    REFUSED(shmdt(two), EINVAL);
    CHECK(shmctl(id, IPC_STAT, &info) == 0 && info.shm_nattch == 0);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

/* ---- POSIX ------------------------------------------------------------------------------------------------- */

static void test_posix_queue(void)
{
    struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 32 };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    char name[64], text[32];
    unsigned priority = 0;
    sigset_t set, old;
    siginfo_t info;
    mqd_t queue;

    snprintf(name, sizeof(name), "/patchbay-%d", (int)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    if (queue == (mqd_t)-1 && (errno == ENOSYS || errno == EACCES))
        return;
    CHECK(queue != (mqd_t)-1 && mq_unlink(name) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    CHECK(mq_notify(queue, &event) == 0);
    CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 7) == 0);
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_MESGQ);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(mq_getattr(queue, &attributes) == 0 && attributes.mq_curmsgs == 2);
    CHECK(mq_receive(queue, text, sizeof(text), &priority) == 5 && priority == 7);
    CHECK(strcmp(text, "high") == 0);
    CHECK(mq_receive(queue, text, sizeof(text), &priority) == 4 && priority == 1);
    REFUSED(mq_receive(queue, text, sizeof(text), &priority), EAGAIN);
    CHECK(mq_close(queue) == 0);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static void test_lists(void)
{
    struct iovec list[2] = { { (char[]){ "abc" }, 3 }, { (char[]){ "defg" }, 4 } };
    char text[8] = "", more[8] = "";
    int fd = open("lists", O_RDWR | O_CREAT | O_TRUNC, 0600), ends[2];

    CHECK(pwritev2(fd, list, 2, 3, 0) == 7);
    CHECK(pread(fd, text, 8, 3) == 7 && memcmp(text, "abcdefg", 7) == 0);
    list[0] = (struct iovec){ text, 2 };
    list[1] = (struct iovec){ more, 8 };
    CHECK(preadv2(fd, list, 2, 4, 0) == 6);
    CHECK(memcmp(text, "bc", 2) == 0 && memcmp(more, "defg", 4) == 0);
    CHECK(pipe(ends) == 0);
    list[1].iov_len = 4;
    CHECK(vmsplice(ends[1], list, 2, 0) == 6 && read(ends[0], text, 8) == 6);
    CHECK(memcmp(text, "bcdefg", 6) == 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    unlink("lists");
}

static int openat2_of(int folder, const char *path, struct open_how *how, size_t bytes)
{
    return (int)syscall(SYS_openat2, folder, path, how, bytes);
}

static void test_openat2(void)
{
    struct {
        struct open_how how;
        uint64_t more;
    } h = { { .flags = O_RDWR | O_CREAT, .mode = 0600, .resolve = RESOLVE_BENEATH }, 0 };
    int fd = openat2_of(AT_FDCWD, "opened", &h.how, sizeof(h.how));

    if (fd < 0 && errno == ENOSYS)
        return; /* an old host */
    CHECK(fd >= 0 && close(fd) == 0);
    h.how = (struct open_how){ .flags = O_RDONLY | O_DIRECTORY };
    REFUSED(openat2_of(AT_FDCWD, "opened", &h.how, sizeof(h.how)), ENOTDIR);
    h.how = (struct open_how){ .flags = O_RDONLY };
    fd = openat2_of(AT_FDCWD, "opened", &h.how, sizeof(h));
    CHECK(fd >= 0 && close(fd) == 0);
    h.more = 1;
    REFUSED(openat2_of(AT_FDCWD, "opened", &h.how, sizeof(h)), E2BIG);
    REFUSED(openat2_of(AT_FDCWD, "opened", &h.how, 8), EINVAL);
    h.how.mode = 0600;
    REFUSED(openat2_of(AT_FDCWD, "opened", &h.how, sizeof(h.how)), EINVAL);
    h.how = (struct open_how){ .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    REFUSED(openat2_of(AT_FDCWD, "../x", &h.how, sizeof(h.how)), EXDEV);
    unlink("opened");
}

static void test_epoll(void)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1234567890abcdef };
    struct timespec none = { 0, 0 };
    int ends[2], fd = epoll_create1(EPOLL_CLOEXEC), n;

    CHECK(pipe(ends) == 0 && epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event) == 0);
    n = epoll_pwait2(fd, &event, 1, &none, NULL);
    if (n < 0 && errno == ENOSYS)
        return;
    CHECK(n == 0 && write(ends[1], "x", 1) == 1);
    memset(&event, 0, sizeof(event));
    CHECK(epoll_pwait2(fd, &event, 1, NULL, NULL) == 1);
    CHECK(event.events == EPOLLIN && event.data.u64 == 0x1234567890abcdef);
    REFUSED(epoll_pwait2(fd, &event, 0, &none, NULL), EINVAL);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

int main(void)
{
    test_rights();
    test_filter();
    test_packets();
    test_several();
    test_queue();
    test_semaphores();
    test_memory();
    test_posix_queue();
    test_lists();
    test_openat2();
    test_epoll();
    return done("messages");
}
