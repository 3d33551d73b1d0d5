/* Children of vfork(), clone() and posix_spawn() that have their parent's memory until they execute something or end. With an argument:
 * what they execute. */
#include "check.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char own[PATH_MAX];
static char *mapped;
static volatile int seen;
static volatile pid_t child; /* set by the child, for other threads */

static int wait_for(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

static int status_of(pid_t pid)
{
    int status = wait_for(pid);

    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void on_signal(int signal)
{
    seen = signal;
}

/* The lowest number that is free: what a child opened or closed is its own. */
static int lowest(void)
{
    int fd = open("/dev/null", O_RDONLY);

    close(fd);
    return fd;
}

static void test_memory(void)
{
    int before = lowest();
    pid_t pid;

    seen = 0;
    for (int i = 0; i < 20; i++) {
        pid = vfork();
        if (pid == 0) {
            seen++;
            _exit(40 + i);
        }
        CHECK(status_of(pid) == 40 + i && seen == i + 1);
    }
    pid = vfork();
    if (pid == 0) {
        mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(mapped, "mapped");
        open("/dev/null", O_RDONLY);
        umask(0);
        if (chdir("/"))
            _exit(1);
        execl("nothing", "nothing", (char *)NULL);
        seen = errno;
        _exit(0);
    }
    CHECK(status_of(pid) == 0 && seen == ENOENT && strcmp(mapped, "mapped") == 0);
    munmap(mapped, 4096);
    CHECK(umask(022) == 022 && lowest() == before && access("share-here", F_OK) == 0);
    pid = vfork();
    if (pid == 0) {
        close(0);
        execl(own, "name", "zero", (char *)NULL);
        seen = -errno;
        _exit(1);
    }
    CHECK(status_of(pid) == 50 && seen == ENOENT && fcntl(0, F_GETFD) == 0);
}

static void test_signals(void)
{
    struct sigaction action;
    sigset_t mask;
    pid_t pid;

    signal(SIGUSR1, on_signal);
    seen = 0;
    pid = vfork();
    if (pid == 0) { /* a handler is called in it, which it may change */
        raise(SIGUSR1);
        if (seen != SIGUSR1)
            _exit(1);
        signal(SIGUSR1, SIG_IGN);
        seen = 0;
        raise(SIGUSR1);
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR2);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        _exit(seen ? 2 : 3);
    }
    CHECK(status_of(pid) == 3);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == on_signal);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGUSR2));
    raise(SIGUSR1);
    CHECK(seen == SIGUSR1);
    for (int i = 0; i < 4; i++) {
        const int ends[] = { SIGTERM, SIGRTMAX, SIGABRT, SIGKILL };

        pid = vfork();
        if (pid == 0) {
            raise(ends[i]);
            _exit(1);
        }
        CHECK(status_of(pid) == 1000 + ends[i]);
    }
    pid = vfork();
    if (pid == 0)
        *(volatile int *)8 = 1;
    CHECK(status_of(pid) == 1000 + SIGSEGV);
    pid = vfork();
    if (pid == 0) { /* what is pending ends it before it can execute anything */
        sigfillset(&mask);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        raise(SIGTERM);
        sigemptyset(&mask);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        execl(own, "name", "zero", (char *)NULL);
        _exit(1);
    }
    CHECK(status_of(pid) == 1000 + SIGTERM);
    signal(SIGUSR1, SIG_DFL);
}

/* Children of such a child. */
static void test_family(void)
{
    int inner = 0, death = 0;
    pid_t pid = vfork();

    if (pid == 0) {
        pid_t first = fork();

        if (first == 0) {
            seen = 77;
            _exit(5);
        }
        seen = 78;
        waitpid(first, &inner, 0);
        _exit(WEXITSTATUS(inner));
    }
    CHECK(status_of(pid) == 5 && seen == 78);
    pid = vfork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        prctl(PR_GET_PDEATHSIG, &death);
        execl(own, "name", "death", (char *)NULL);
        _exit(1);
    }
    CHECK(status_of(pid) == SIGUSR1 && death == SIGUSR1);
    pid = vfork();
    if (pid == 0) {
        execl(own, "name", "death", (char *)NULL);
        _exit(1);
    }
    CHECK(status_of(pid) == 0);
}

#ifdef __aarch64__
/* Returns twice on one stack: so it has no place of its own there. */
static inline __attribute__((always_inline)) pid_t clone_here(unsigned long flags, int *pidfd,
                                                              int *child_tid)
{
    register unsigned long x0 __asm__("x0") = flags, x1 __asm__("x1") = 0, x3 __asm__("x3") = 0;
    register int *x2 __asm__("x2") = pidfd, *x4 __asm__("x4") = child_tid;
    register long x8 __asm__("x8") = SYS_clone;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8) : "memory");
    return (pid_t)x0;
}

/* A child that has memory of its own, and is waited for, where there are few descriptors. */
static int clone_in_limit(unsigned now, unsigned most)
{
    const struct rlimit few = { now, most };
    pid_t pid, outer = fork();

    if (outer == 0) {
        setrlimit(RLIMIT_NOFILE, &few);
        pid = clone_here(CLONE_VFORK | SIGCHLD, NULL, NULL);
        if (pid == 0) {
            pid = fork();
            _exit(pid ? status_of(pid) : 12);
        }
        _exit(status_of(pid));
    }
    return status_of(outer);
}

/* Ends that are told by what faults are, too. */
static void test_end_signals(void)
{
    static const int signals[] = { SIGILL, SIGTRAP, SIGFPE, SIGSEGV, SIGBUS };
    sigset_t set, old;

    for (int i = 0; i < 5; i++) {
        pid_t pid;

        sigemptyset(&set);
        sigaddset(&set, signals[i]);
        signal(signals[i], on_signal);
        for (int blocks = 0; blocks < 2; blocks++) {
            seen = 0;
            CHECK(sigprocmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &set, &old) == 0);
            pid = clone_here(CLONE_VM | CLONE_VFORK | signals[i], NULL, NULL);
            if (pid == 0)
                _exit(11);
            CHECK(status_of(pid) == 11 && seen == (blocks ? 0 : signals[i]));
            CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
            CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && seen == signals[i]);
        }
        signal(signals[i], SIG_DFL);
    }
}

static void test_clone(void)
{
    int pidfd = -1, fd = open("/dev/null", O_RDONLY), tid = 0;
    struct pollfd ended = { .events = POLLIN };
    pid_t pid;

    pid = clone_here(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_FILES | SIGCHLD, &pidfd, NULL);
    if (pid == 0) {
        close(fd);
        _exit(pidfd == fd + 1 ? 9 : 1);
    }
    ended.fd = pidfd;
    CHECK(poll(&ended, 1, 0) == 1 && status_of(pid) == 9);
    CHECK(lowest() == fd);
    close(pidfd);
    pid =
        clone_here(CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, NULL, &tid);
    if (pid == 0)
        _exit(tid == getpid() ? 10 : 1);
    CHECK(tid == 0 && waitpid(pid, NULL, WNOHANG) == -1 &&
          errno == ECHILD); /* no signal at its end */
    CHECK(status_of(pid) == 10);
    signal(SIGUSR1, on_signal);
    pid = clone_here(CLONE_VM | CLONE_VFORK | SIGUSR1, NULL, NULL);
    if (pid == 0)
        _exit(11);
    CHECK(status_of(pid) == 11 && seen == SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    test_end_signals();
    CHECK(clone_in_limit(lowest() + 3, 1024) == 12);
    CHECK(clone_in_limit(lowest() + 3, lowest() + 3) == 12);
    CHECK(clone_here(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, (int *)8, NULL) == -EFAULT);
    REFUSED(waitpid(-1, NULL, __WALL), ECHILD);
}
#endif

/* ---- with other threads ---------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *answer(void *way)
{
    int kind = *(int *)way;

    while (!child)
        sched_yield();
    if (kind == 0) /* go on, though the first thread does not */
        seen = 1;
    else
        kill(child, kind);
    return NULL;
}

/* A child of fork(), which gets threads for its code after a while, is a parent: what its child does is not counted for that, since
 * they would be the child's, and end with it. */
static int spawn_after_fork(int way)
{
    char *words[] = { "name", "zero-kept", NULL }, *none[] = { NULL };
    volatile unsigned sum = 0;
    pid_t pid;

    for (int i = 0; i < 4; i++) {
        pid = vfork();
        if (pid == 0) {
            for (int k = 0; k < 100; k++)
                getppid();
            for (int k = 0; k < 100000 && way; k++)
                sum += (unsigned)k * 3;
            execve(way == 1 ? "/nothing" : own, words, none);
            _exit(51);
        }
        if (status_of(pid) != 51)
            return 1;
        for (int k = 0; k < 100; k++)
            getppid();
        pid = fork();
        if (pid == 0)
            _exit(7);
        if (status_of(pid) != 7)
            return 2;
    }
    return 0;
}

static void test_after_fork(void)
{
    for (int i = 0; i < 6; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(spawn_after_fork(i % 3));
        CHECK(status_of(pid) == 0);
    }
}

/* A child that executes until another thread does something about it. */
static void test_others(void)
{
    static const int ways[] = { 0, SIGTERM, SIGUSR1, SIGINT };

    signal(SIGUSR1, on_signal);
    for (int i = 0; i < 4; i++) {
        int way = ways[i];
        pthread_t thread;
        pid_t pid;

        seen = child = 0;
        CHECK(pthread_create(&thread, NULL, answer, &way) == 0);
        pid = vfork();
        if (pid == 0) {
            child = getpid();
            while (!seen)
                continue;
            _exit(seen);
        }
        pthread_join(thread, NULL);
        CHECK(status_of(pid) == (way == SIGTERM || way == SIGINT ? 1000 + way : seen));
    }
    signal(SIGUSR1, SIG_DFL);
}

static void *read_threads(void *count)
{
    char line[256];
    FILE *file;

    while (!child)
        sched_yield();
    file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "Threads: %d", (int *)count);
    if (file)
        fclose(file);
    seen = 1;
    return NULL;
}

/* A child is none of its parent's threads. */
static void test_count(void)
{
    pthread_t thread;
    int count = 0;
    pid_t pid;

    seen = child = 0;
    CHECK(pthread_create(&thread, NULL, read_threads, &count) == 0);
    pid = vfork();
    if (pid == 0) {
        child = getpid();
        while (!seen)
            continue;
        _exit(0);
    }
    pthread_join(thread, NULL);
    CHECK(status_of(pid) == 0 && count == 2);
}

/* Parents are not seen in a namespace of processes. */
static void test_namespace(void)
{
    pid_t pid, outer = fork();

    if (outer == 0) {
        if (unshare(geteuid() == 0 ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER) != 0)
            _exit(errno == EPERM || errno == ENOSPC || errno == EINVAL ? 0 : 1);
        pid = vfork();
        if (pid == 0)
            _exit(getpid() == 1 && getppid() == 0 ? 8 : 2);
        _exit(status_of(pid) == 8 ? 0 : 3);
    }
    CHECK(status_of(outer) == 0);
}

#ifdef __aarch64__ /* the host's own goes on */
/* A child ends with its parent, though its credentials change. */
static void test_credentials(void)
{
    struct pollfd ended = { .events = POLLIN };
    int ends[2];
    pid_t pid = 0, outer;

    if (geteuid() != 0)
        return;
    CHECK(pipe(ends) == 0);
    outer = fork();
    if (outer == 0) {
        if (vfork() == 0) {
            child = getpid();
            setresgid(1, 1, 1);
            setresuid(1, 1, 1);
            write(ends[1], (const void *)&child, sizeof(child));
            for (;;)
                continue;
        }
        _exit(1);
    }
    close(ends[1]);
    CHECK(read(ends[0], &pid, sizeof(pid)) == sizeof(pid) && pid > 0);
    kill(outer, SIGKILL);
    CHECK(status_of(outer) == 1000 + SIGKILL);
    ended.fd = ends[0];
    CHECK(poll(&ended, 1, 10000) == 1 && read(ends[0], &pid, sizeof(pid)) == 0);
    if (!(ended.revents & POLLHUP) && pid > 0)
        kill(pid, SIGKILL);
    close(ends[0]);
}
#endif

#define ROUNDS 40

static void *spawn_some(void *name)
{
    char *words[] = { "name", "zero-kept", NULL }, *none[] = { NULL };
    long wrong = 0;

    for (int i = 0; i < ROUNDS / 4; i++) {
        pid_t pid;
        int status;
        char *memory;

        wrong += posix_spawn(&pid, "/nothing", NULL, NULL, words, none) != ENOENT;
        wrong += posix_spawn(&pid, own, NULL, NULL, words, none) != 0;
        wrong += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 51;
        /* The allocator at work. */
        memory = malloc(100000 + (size_t)i);
        pthread_mutex_lock(&lock);
        memset(memory, i, 100000);
        pthread_mutex_unlock(&lock);
        free(memory);
        pid = i % 3 ? 0 : fork();
        if (pid == 0 && i % 3 == 0)
            _exit(3);
        if (pid)
            wrong += waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3;
    }
    return (void *)wrong;
}

static void test_many(void)
{
    pthread_t threads[4];
    void *wrong;

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, spawn_some, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], &wrong) == 0);
        CHECK(wrong == NULL);
    }
}

/* ---- what execve() says ------------------------------------------------------------------------------------------ */

static void test_errors(void)
{
    char *words[] = { "name", "zero-kept", NULL }, *none[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t set;
    pid_t pid = -1;

    CHECK(posix_spawn(&pid, "./nothing", NULL, NULL, words, none) == ENOENT);
    CHECK(posix_spawn(&pid, "/", NULL, NULL, words, none) == EACCES);
    CHECK(posix_spawn(&pid, "share-here", NULL, NULL, words, none) == EACCES);
    CHECK(chmod("share-here", 0755) == 0);
    CHECK(posix_spawn(&pid, "share-here", NULL, NULL, words, none) == ENOEXEC);
    CHECK(chmod("share-here", 0644) == 0);
    REFUSED(waitpid(-1, NULL, __WALL), ECHILD);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 900, 1);
    CHECK(posix_spawn(&pid, own, &actions, NULL, words, none) == EBADF);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 0);
    posix_spawnattr_init(&attributes);
    sigfillset(&set);
    CHECK(posix_spawnattr_setsigdefault(&attributes, &set) == 0);
    CHECK(posix_spawnattr_setpgroup(&attributes, 0) == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF) ==
          0);
    words[1] = "zero";
    CHECK(posix_spawn(&pid, own, &actions, &attributes, words, none) == 0);
    CHECK(status_of(pid) == 50);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static void *end_all(void *opaque)
{
    while (!child)
        sched_yield();
    seen = 1;
    _exit(60);
}

static void *execute_all(void *opaque)
{
    while (!child)
        sched_yield();
    seen = 1;
    execl(own, "name", "zero-kept", (char *)NULL);
    return NULL;
}

/* A thread leaves the memory, for good, while the child of another one executes: that goes on, and is seen to. */
static void test_leaving(void *(*leave)(void *), int status)
{
    int ends[2];
    char byte = 0;
    pthread_t thread;
    pid_t pid;

    CHECK(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
        seen = child = 0;
        pthread_create(&thread, NULL, leave, NULL);
        if (vfork() == 0) {
            child = getpid();
            while (!seen)
                continue;
            for (int i = 0; i < 20000; i++)
                getppid();
            dup2(ends[1], 5);
            execl(own, "name", "tell", (char *)NULL);
            _exit(1);
        }
        pause();
    }
    CHECK(status_of(pid) == status);
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == '!');
    close(ends[0]);
}

static int executed(const char *what)
{
    int signal = 0;

    if (strcmp(what, "zero") == 0)
        return fcntl(0, F_GETFD) == -1 ? 50 : 1;
    if (strcmp(what, "zero-kept") == 0)
        return fcntl(0, F_GETFD) == 0 ? 51 : 1;
    if (strcmp(what, "tell") == 0)
        return write(5, "!", 1) != 1;
    return prctl(PR_GET_PDEATHSIG, &signal) == 0 ? signal : 255;
}

int main(int argc, char **argv)
{
    const struct rlimit none = { 0, 0 };

    if (argc > 1)
        return executed(argv[1]);
    if (readlink("/proc/self/exe", own, sizeof(own) - 1) <= 0)
        return 2;
    setrlimit(RLIMIT_CORE, &none);
    umask(022);
    close(open("share-here", O_CREAT | O_WRONLY, 0644));
    test_memory();
    test_signals();
    test_family();
#ifdef __aarch64__
    test_clone();
#endif
    test_others();
    test_after_fork();
    test_count();
    test_namespace();
#ifdef __aarch64__
    test_credentials();
#endif
    test_many();
    test_errors();
    test_leaving(end_all, 60);
    test_leaving(execute_all, 51);
    return done("share");
}
