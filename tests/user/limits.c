/* A limit of the process that a thread changes while another one makes processes. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
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
    REFUSED(setrlimit(RLIMIT_NOFILE, (void *)8), EFAULT);
    REFUSED(getrlimit(RLIMIT_NOFILE, (void *)8), EFAULT);
    return done("limits");
}
