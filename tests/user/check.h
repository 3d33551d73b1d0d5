/* What test programs share. They say what they found on standard output, and end with how many checks failed. */
#ifndef TESTS_USER_CHECK_H
#define TESTS_USER_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            printf("%s:%d: failed: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
            failures++;                                                                      \
        }                                                                                    \
    } while (0)

/* A call fails with this error. */
#define REFUSED(call, error)                     \
    do {                                         \
        errno = 0;                               \
        CHECK((call) == -1 && errno == (error)); \
    } while (0)

static inline int done(const char *name)
{
    printf("%s: %d failed\n", name, failures);
    return failures ? 1 : 0;
}

#endif
