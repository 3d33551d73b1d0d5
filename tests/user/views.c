/* What a program finds in /proc about itself. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The text of a file in /proc; it stays until the next. */
static char *text_of(const char *path)
{
    static char text[1 << 20];
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    CHECK(file != NULL && n < sizeof(text) - 1);
    if (file)
        fclose(file);
    text[n] = '\0';
    return text;
}

static void test_stat(void)
{
    char *text = text_of("/proc/self/stat"), *rest = strrchr(text, ')');
    unsigned long field[64] = { 0 }, here = (unsigned long)&text;
    int n = 3;

    CHECK(rest && strncmp(strchr(text, '(') + 1, "views", 5) == 0);
    for (char *word = rest ? strtok(rest + 2, " ") : NULL; word && n < 64; word = strtok(NULL, " "))
        field[n++] = strtoul(word, NULL, 10);
    CHECK(n == 53);
    CHECK(field[4] == (unsigned long)getppid() && field[20] == 1);
    CHECK(field[23] > 8ul << 20 && field[23] < 1ul << 30);
    CHECK(field[26] <= (unsigned long)&test_stat && (unsigned long)&test_stat < field[27]);
    CHECK(field[28] > here && field[28] - here < 1 << 20);
    CHECK(field[47] && field[47] <= (unsigned long)sbrk(0));
}

static void test_comm(void)
{
    CHECK(strncmp(text_of("/proc/self/comm"), "views", 5) == 0);
    CHECK(strstr(text_of("/proc/self/status"), "Name:\tviews"));
    CHECK(strstr(text_of("/proc/self/cmdline"), "views"));
}

/* The pages of a mapping that were written; around it is nothing that it could become one with. */
static void test_smaps(void)
{
    char *whole = mmap(NULL, 7 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *at = whole + 4096;
    char head[64], *found;
    long size = 0, dirty = 0;

    CHECK(mprotect(at, 5 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    at[4096] = at[2 * 4096] = 1;
    snprintf(head, sizeof(head), "%08lx-%08lx rwxp ", (unsigned long)at,
             (unsigned long)at + 5 * 4096);
    CHECK(strstr(text_of("/proc/self/maps"), head));
    found = strstr(text_of("/proc/self/smaps"), head);
    CHECK(found && sscanf(strstr(found, "Size:"), "Size: %ld", &size) == 1);
    CHECK(found && sscanf(strstr(found, "Private_Dirty:"), "Private_Dirty: %ld", &dirty) == 1);
    CHECK(size == 20 && dirty == 8);
    CHECK(munmap(whole, 7 * 4096) == 0 && !strstr(text_of("/proc/self/smaps"), head));
}

/* How many entries a folder has, as read by parts of a size. */
static int count(const char *path, size_t size)
{
    union {
        char bytes[1024];
        struct dirent64 first;
    } part;
    int fd = open(path, O_RDONLY | O_DIRECTORY), number = 0;
    long n;

    CHECK(fd >= 0);
    while ((n = syscall(SYS_getdents64, fd, &part, size)) > 0) {
        for (long at = 0; at < n;) {
            struct dirent64 *entry = (void *)(part.bytes + at);

            number += entry->d_name[0] != '.';
            if (strstr(path, "fd") && entry->d_name[0] != '.')
                CHECK(fcntl(atoi(entry->d_name), F_GETFD) >= 0);
            at += entry->d_reclen;
        }
    }
    CHECK(n == 0);
    close(fd);
    return number;
}

/* The emulator's descriptors have high numbers. */
static void test_descriptors(void)
{
    int open_ones = 0, last = 0;

    for (int fd = 0; fd < 2000; fd++)
        open_ones += fcntl(fd, F_GETFD) >= 0;
    for (size_t size = 48; size <= 1024; size *= 2) {
        CHECK(count("/proc/self/fd", size) == open_ones + 1);
        CHECK(count("/proc/self/fdinfo", size) == open_ones + 1);
        CHECK(count("/proc/thread-self/fd/", size) == open_ones + 1);
    }
    for (int fd = 900; fd < 1024; fd++) {
        char path[64], target[64];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        REFUSED(open(path, O_RDONLY), ENOENT);
        REFUSED(readlink(path, target, sizeof(target)), ENOENT);
        last = fd;
    }
    CHECK(last == 1023 && dup2(1, 900) == 900);
    CHECK(access("/proc/self/fd/900", F_OK) == 0);
    close(900);
}

static pthread_barrier_t met;
static pid_t other;

static void *thread(void *opaque)
{
    other = gettid();
    pthread_setname_np(pthread_self(), "another");
    CHECK(atoi(text_of("/proc/thread-self/stat")) == other &&
          strstr(text_of("/proc/thread-self/stat"), "(another) "));
    pthread_barrier_wait(&met);
    pthread_barrier_wait(&met);
    return NULL;
}

static void test_tasks(void)
{
    pthread_t made;
    char path[64];

    CHECK(count("/proc/self/task", 1024) == 1 &&
          strstr(text_of("/proc/self/status"), "\nThreads:\t1\n"));
    pthread_barrier_init(&met, NULL, 2);
    CHECK(pthread_create(&made, NULL, thread, NULL) == 0);
    pthread_barrier_wait(&met);
    CHECK(count("/proc/self/task", 48) == 2 && count("/proc/self/task", 1024) == 2);
    CHECK(strstr(text_of("/proc/self/status"), "\nThreads:\t2\n"));
    snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", getpid(), other);
    CHECK(strcmp(text_of(path), "another\n") == 0);
    snprintf(path, sizeof(path), "/proc/self/task/%d/maps", other);
    CHECK(strstr(text_of(path), "[stack]"));
    for (pid_t near = other - 8; near < other + 8; near++) {
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", near);
        CHECK((access(path, F_OK) == 0) == (near == other || near == getpid()));
    }
    pthread_barrier_wait(&met);
    pthread_join(made, NULL);
}

static void on_signal(int signal) {}

static void test_status(void)
{
    unsigned long data = 0, size = 0, pages[2] = { 0 };
    char *text;
    sigset_t set;

    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    text = text_of("/proc/self/status");
    CHECK(strstr(text, "\nSigBlk:\t0000000000000001\n") &&
          strstr(text, "\nSigIgn:\t0000000000000800\n"));
    /* Without those that the library takes for itself. */
    CHECK(strtoul(strstr(text, "\nSigCgt:") + 8, NULL, 16) % (1ul << 31) == 1ul << (SIGUSR1 - 1));
    CHECK(sscanf(strstr(text, "VmSize:"), "VmSize: %lu", &size) == 1 && size > 8192 &&
          size < 1 << 20);
    CHECK(sscanf(strstr(text, "VmData:"), "VmData: %lu", &data) == 1 && data < size);
    CHECK(sscanf(text_of("/proc/self/statm"), "%lu %lu", &pages[0], &pages[1]) == 2);
    CHECK(pages[0] == size / 4 && pages[1] > 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* What it was at the start. */
static void test_environment(void)
{
    extern char **environ;
    char *first = strdup(environ[0] ? environ[0] : "");

    CHECK(setenv("NEVER", "shown", 1) == 0);
    CHECK(strcmp(text_of("/proc/self/environ"), first) == 0);
    CHECK(strcmp(text_of("/proc/thread-self/environ"), first) == 0);
    free(first);
}

/* What others see open of the process, and it does not: the emulator's. */
static void test_hidden(void)
{
    char line[64], path[64];
    int hidden = 0;
    FILE *list;

    snprintf(line, sizeof(line), "ls /proc/%d/fd", getpid());
    list = popen(line, "r");
    CHECK(list != NULL);
    while (list && fgets(line, sizeof(line), list)) {
        int fd = atoi(line);

        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        hidden++;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        REFUSED(open(path, O_RDONLY), ENOENT);
        REFUSED(open(path + strlen("/proc/self/"), O_RDONLY), ENOENT);
        snprintf(path, sizeof(path), "/dev/fd/%d", fd);
        REFUSED(open(path, O_RDONLY), ENOENT);
    }
    CHECK(list && pclose(list) == 0);
#ifdef __aarch64__
    CHECK(hidden > 0);
#else
    CHECK(hidden == 0);
#endif
}

/* The same by other ways: from folders on, over links. */
static void test_ways(void)
{
    static const char *const ways[] = { "/proc/self/../self/maps", "/proc/self/./task/../maps",
                                        "/proc//self/cwd/maps", "/proc/self/cwd/../self/maps",
                                        "/proc/self/root/proc/self/maps" };
    static char kept[4096];
    char target[256] = "", expected[256] = "";
    struct open_how {
        unsigned long flags, mode, resolve;
    } how = { O_RDONLY, 0, 0 };
    int task = open("/proc/thread-self", O_RDONLY | O_DIRECTORY), fd;
    struct stat info, of_exe;

    CHECK(getcwd(kept, sizeof(kept)) == kept);
    CHECK(readlink("/proc/self/exe", expected, sizeof(expected) - 1) > 0);
    CHECK(chdir("/proc/self") == 0 && strstr(text_of("maps"), "[stack]"));
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        CHECK(strstr(text_of(ways[i]), "[stack]"));
    CHECK(strstr(text_of("smaps"), "Size:") && strstr(text_of("cmdline"), "views"));
    CHECK(strstr(text_of("./status"), "SigCgt:") && strstr(text_of("../self/stat"), "(views"));
    CHECK(readlink("exe", target, sizeof(target) - 1) > 0 && strcmp(target, expected) == 0);
    CHECK(stat("exe", &info) == 0 && stat(expected, &of_exe) == 0 && info.st_ino == of_exe.st_ino);
    CHECK(faccessat(task, "exe", R_OK, 0) == 0);
    fd = open("exe", O_RDONLY);
    CHECK(fstat(fd, &info) == 0 && info.st_ino == of_exe.st_ino);
    close(fd);
    REFUSED(open("exe", O_RDONLY | O_NOFOLLOW), ELOOP);
    test_hidden();
    CHECK(chdir("/") == 0 && strstr(text_of("proc/self/maps"), "[stack]"));
    fd = openat(task, "maps", O_RDONLY);
    CHECK(read(fd, target, sizeof(target)) == sizeof(target) && target[8] == '-');
    close(fd);
    fd = (int)syscall(SYS_openat2, task, "maps", &how, sizeof(how));
    CHECK(read(fd, target, sizeof(target)) == sizeof(target) && target[8] == '-');
    close(fd);
    close(task);
    CHECK(chdir(kept) == 0);
}

static int looks;

static void *look(void *opaque)
{
    static const char *const names[] = { "stat", "exe", "../self/maps", "/tmp/1",
                                         "/proc/self/cwd/status" };

    while (__atomic_load_n(&looks, __ATOMIC_SEQ_CST))
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            access(names[i], F_OK);
    return NULL;
}

/* Looking at paths takes no numbers of descriptors, nor closes any. */
static void test_numbers(void)
{
    static char kept[4096];
    int lowest = dup(1), wrong = 0;
    pthread_t thread;

    close(lowest);
    CHECK(getcwd(kept, sizeof(kept)) == kept && chdir("/proc/self") == 0);
    looks = 1;
    CHECK(pthread_create(&thread, NULL, look, NULL) == 0);
    for (int i = 0; i < 20000; i++) {
        wrong += fcntl(lowest, F_GETFD) != -1;
        wrong += dup2(1, lowest) != lowest || fcntl(lowest, F_GETFD) == -1;
        wrong += close(lowest) != 0;
    }
    __atomic_store_n(&looks, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    CHECK(wrong == 0 && chdir(kept) == 0);
}

int main(void)
{
    test_environment();
    test_descriptors();
    test_stat(); /* before there are others: on Linux, too, one that was joined is counted for a moment */
    test_tasks();
    test_status();
    test_comm();
    test_smaps();
    test_ways();
    test_numbers();
    return done("views");
}
