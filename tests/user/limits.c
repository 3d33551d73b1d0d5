/* A limit of the process that a thread changes while another one makes processes. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 200

static _Atomic int over;

static void *change(void *argument)
{
    struct rlimit first;

    CHECK(getrlimit(RLIMIT_NOFILE, &first) == 0 && first.rlim_max >= 600);
    for (rlim_t most = 100; !atomic_load(&over) && !failures; most = most % 500 + 100) {
        struct rlimit limit = { most, first.rlim_max }, now;

        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == most);
        CHECK(now.rlim_max == first.rlim_max);
    }
    return NULL;
}

/* Limits are the process's, whichever of its threads is named. That of memory is not the emulator's. */
static void *limit_by_thread(void *argument)
{
    const struct rlimit few = { 1 << 20, 1 << 20 };

    (void)argument;
    CHECK(syscall(SYS_prlimit64, gettid(), RLIMIT_AS, &few, NULL) == 0);
    CHECK(syscall(SYS_prlimit64, gettid(), RLIMIT_NOFILE, NULL, NULL) == 0);
    return NULL;
}

static void *do_nothing(void *argument)
{
    return argument;
}

static void test_own_thread(void)
{
    pid_t child = fork();
    pthread_t thread;
    int status;

    if (child == 0) {
        CHECK(pthread_create(&thread, NULL, limit_by_thread, NULL) == 0);
        pthread_join(thread, NULL);
        CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
        _exit(failures != 0 || pthread_join(thread, NULL) != 0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = i % 2 ? vfork() : fork(); /* for which the emulator needs more descriptors */

        if (child == 0)
            _exit(0);
        CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    }
    atomic_store(&over, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    test_own_thread();
    REFUSED(setrlimit(RLIMIT_NOFILE, (void *)8), EFAULT);
    REFUSED(getrlimit(RLIMIT_NOFILE, (void *)8), EFAULT);
    REFUSED(syscall(SYS_setrlimit, RLIMIT_NOFILE, NULL), EFAULT);
    REFUSED(syscall(SYS_setrlimit, 1000, NULL), EFAULT);
    REFUSED(syscall(SYS_getrlimit, RLIMIT_NOFILE, NULL), EFAULT);
    REFUSED(syscall(SYS_getrlimit, 1000, NULL), EINVAL);
    return done("limits");
}
