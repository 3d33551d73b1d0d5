/* Processes: fork, vfork by posix_spawn, waiting, execve of itself, of scripts and of what cannot be executed. */
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static char own[PATH_MAX];

static int wait_for(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void test_fork(void)
{
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int private = 1;
    int status, ends[2];
    pid_t pid, parent = getpid();
    char text[8] = "";

    CHECK(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
        private = 2;
        *shared = getpid() != parent && getppid() == parent ? 5 : 6;
        if (write(ends[1], "child", 5) != 5)
            _exit(1);
        _exit(77);
    }
    CHECK(pid > 0);
    status = wait_for(pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 77);
    CHECK(*shared == 5 && private == 1);
    CHECK(read(ends[0], text, 5) == 5 && strcmp(text, "child") == 0);
    /* The lowest descriptors are still the program's. */
    CHECK(open("/dev/null", O_RDONLY) == ends[1] + 1);
    close(ends[1] + 1);
    close(ends[0]);
    close(ends[1]);
    pid = fork();
    if (pid == 0)
        *(volatile int *)8 = 1;
    status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    REFUSED(waitpid(-1, &status, 0), ECHILD);
    munmap(shared, 4096);
}

static volatile sig_atomic_t children;

static void on_child(int signal)
{
    children++;
}

static void test_many(void)
{
    struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
    int sum = 0;

    sigaction(SIGCHLD, &action, NULL);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0)
            _exit(1 << i);
    }
    for (int i = 0; i < 8; i++) {
        int status;

        CHECK(wait(&status) > 0 && WIFEXITED(status));
        sum += WEXITSTATUS(status);
    }
    CHECK(sum == 255 && children > 0);
    signal(SIGCHLD, SIG_DFL);
}

static int spawn(const char *file, char *const argv[], char *const envp[])
{
    pid_t pid;
    int error = posix_spawn(&pid, file, NULL, NULL, argv, envp);
    int status;

    if (error)
        return -error;
    status = wait_for(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void write_script(const char *name, const char *format, const char *argument)
{
    FILE *file = fopen(name, "w");

    CHECK(file != NULL);
    fprintf(file, format, argument);
    fclose(file);
    CHECK(chmod(name, 0755) == 0);
}

static void test_execute(void)
{
    char *words[] = { "name", "check", "a b", "", NULL };
    char *variables[] = { "VARIABLE=value", NULL };
    char *broken[] = { "broken", NULL };
    int fd = open("/dev/null", O_RDONLY);

    CHECK(fd == 3 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(spawn(own, words, variables) == 33);
    CHECK(spawn("./nothing", words, variables) == -ENOENT);
    CHECK(spawn("/", words, variables) == -EACCES);
    write_script("script", "#! %s check\n", own);
    words[0] = "script";
    words[1] = NULL;
    CHECK(spawn("./script", words, variables) == 34);
    CHECK(system("exit 5") == 5 << 8); /* the host's shell */
    words[0] = "name";
    words[1] = "check";
    REFUSED(execve("nothing", words, variables), ENOENT);
    REFUSED(execve("/", words, variables), EACCES);
    write_script("text", "%s\n", "no program");
    REFUSED(execve("text", broken, variables), ENOEXEC);
    write_script("turns", "#!%s\n", "./turns");
    REFUSED(execve("./turns", broken, variables), ELOOP);
    REFUSED(syscall(SYS_execve, 8, words, variables), EFAULT);
    REFUSED(syscall(SYS_execve, own, 8, variables), EFAULT);
    close(fd);
}

static int execveat_of(int folder, const char *path, char **words, char **variables, int flags)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        syscall(SYS_execveat, folder, path, words, variables, flags);
        _exit(errno);
    }
    status = wait_for(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void test_execute_at(void)
{
    char *words[] = { "name", "check", "a b", "", NULL };
    char *variables[] = { "VARIABLE=value", NULL };
    char folder[sizeof(own)];
    const char *name = strrchr(own, '/') + 1;
    int fd = open(own, O_PATH | O_CLOEXEC), folder_fd;

    snprintf(folder, sizeof(folder), "%.*s", (int)(name - own), own);
    folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd == 3 && folder_fd == 4);
    CHECK(execveat_of(-1, own, words, variables, 0) == 33);
    CHECK(execveat_of(fd, "", words, variables, AT_EMPTY_PATH) == 33);
    CHECK(execveat_of(folder_fd, name, words, variables, 0) == 33);
    CHECK(execveat_of(fd, "", words, variables, 0) == ENOENT);
    CHECK(execveat_of(fd, name, words, variables, 0) == ENOTDIR);
    CHECK(execveat_of(100, name, words, variables, 0) == EBADF);
    CHECK(execveat_of(folder_fd, "nothing", words, variables, 0) == ENOENT);
    CHECK(execveat_of(folder_fd, name, words, variables, 1) == EINVAL);
    CHECK(symlink(own, "link") == 0);
    CHECK(execveat_of(AT_FDCWD, "link", words, variables, AT_SYMLINK_NOFOLLOW) == ELOOP);
    close(fd);
    close(folder_fd);
}

static void copy_to(int from, int to)
{
    char bytes[65536];
    ssize_t n;

    while ((n = read(from, bytes, sizeof(bytes))) > 0)
        CHECK(write(to, bytes, (size_t)n) == n);
}

/* The same, of files without a name. */
static void test_execute_nameless(void)
{
    char *words[] = { "name", "check", "a b", "", NULL };
    char *again[] = { "name", "again", "a b", "", NULL };
    char *variables[] = { "VARIABLE=value", NULL };
    const char *script = "#!/bin/sh\nexit 44\n";
    char path[64];

    for (unsigned flags = 0; flags <= MFD_CLOEXEC; flags += MFD_CLOEXEC) {
        int from = open(own, O_RDONLY | O_CLOEXEC), low = memfd_create("made", flags);
        int fd = fcntl(low, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 10);
        int text = memfd_create("text", flags);

        copy_to(from, fd);
        close(from);
        close(low);
        CHECK(execveat_of(fd, "", words, variables, AT_EMPTY_PATH) == 33);
        CHECK(execveat_of(fd, "", again, variables, AT_EMPTY_PATH) == 33);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        CHECK(spawn(path, words, variables) == 33);
        CHECK(execveat_of(AT_FDCWD, path, words, variables, 0) == 33);
        snprintf(path, sizeof(path), "/dev/fd/%d", fd);
        CHECK(execveat_of(AT_FDCWD, path, words, variables, 0) == 33);
        CHECK(write(text, script, strlen(script)) == (ssize_t)strlen(script));
        CHECK(execveat_of(text, "", words, variables, AT_EMPTY_PATH) == (flags ? ENOENT : 44));
        CHECK(ftruncate(text, 0) == 0 &&
              execveat_of(text, "", words, variables, AT_EMPTY_PATH) == ENOEXEC);
        CHECK(fchmod(fd, 0600) == 0 &&
              execveat_of(fd, "", words, variables, AT_EMPTY_PATH) == EACCES);
        close(fd);
        close(text);
        /* A file that had one. */
        from = open(own, O_RDONLY | O_CLOEXEC);
        fd = open("gone", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
        copy_to(from, fd);
        close(from);
        close(fd);
        fd = open("gone", flags ? O_PATH | O_CLOEXEC : O_RDONLY);
        CHECK(unlink("gone") == 0);
        fd = fcntl(low = fd, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 10);
        close(low);
        CHECK(execveat_of(fd, "", words, variables, AT_EMPTY_PATH) == 33);
        close(fd);
    }
}

/* In such a file: its name, and executed once more. */
static int again(char **argv)
{
    extern char **environ;
    char target[64] = "";
    struct stat info;

    CHECK(readlink("/proc/self/exe", target, sizeof(target) - 1) > 0);
    CHECK(strcmp(target, "/memfd:made (deleted)") == 0);
    CHECK(stat("/proc/self/exe", &info) == 0 && info.st_nlink == 0);
    CHECK(strncmp((char *)getauxval(AT_EXECFN), "/dev/fd/", 8) == 0);
    for (int fd = 900; fd < 1024; fd++)
        CHECK(fcntl(fd, F_GETFD) == -1);
    argv[1] = "check";
    if (!failures)
        execve("/proc/self/exe", argv, environ);
    return errno;
}

/* In what was executed: everything is as it was handed over. */
static int check(int argc, char **argv)
{
    sigset_t mask;
    struct sigaction action;

    if (argc == 3 && strstr(argv[2], "script"))
        return strcmp(argv[0], own) == 0 ? 34 : 1;
    CHECK(argc == 4 && strcmp(argv[0], "name") == 0 && strcmp(argv[2], "a b") == 0 && !*argv[3]);
    CHECK(getenv("VARIABLE") && strcmp(getenv("VARIABLE"), "value") == 0 && !getenv("PATH"));
    CHECK(fcntl(3, F_GETFD) == -1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR2) == 1);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGBUS, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    return failures ? 1 : 33;
}

static volatile pid_t alarmed;
static volatile int strange;

static void on_alarm(int signal)
{
    strange |= getpid() != alarmed;
}

/* What is pending for the parent, or was noted for it, is not its children's: none has a timer. */
static void test_signals(void)
{
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { { 0, 0 }, { 0, 0 } };
    int bad = 0;

    alarmed = getpid();
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            getppid();
            _exit(strange);
        }
        bad += wait_for(pid) != 0;
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    signal(SIGALRM, SIG_DFL);
    CHECK(bad == 0);
}

int main(int argc, char **argv)
{
    sigset_t mask;

    if (readlink("/proc/self/exe", own, sizeof(own) - 1) <= 0)
        return 2;
    if (argc > 1 && strcmp(argv[1], "again") == 0)
        return again(argv);
    if (argc > 1)
        return check(argc, argv);
    test_fork();
    test_many();
    test_signals();
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGUSR1, SIG_IGN);
    test_execute();
    test_execute_at();
    test_execute_nameless();
    return done("processes");
}
