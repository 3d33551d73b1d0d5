/*
 * Copies from memory that is not there: core/util/guard.c.
 */
#include "../runner.h"

#include <core/util/guard.h>

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static volatile int recovered, others;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)info;
    if (pb_guard_recover(context)) {
        recovered++;
        return;
    }
    others++; /* only by raise(): a fault would come again for ever */
    if (others > 1)
        _exit(128 + signal);
}

static uint8_t *two_pages(int fd)
{
    uint8_t *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                          fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    CU_ASSERT_PTR_NOT_EQUAL_FATAL(pages, MAP_FAILED);
    for (int i = 0; i < 2 * PAGE; i++)
        pages[i] = (uint8_t)(i * 7);
    return pages;
}

static void catch (void)
{
    const struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    recovered = others = 0;
    CU_ASSERT_EQUAL(sigaction(SIGSEGV, &action, NULL), 0);
    CU_ASSERT_EQUAL(sigaction(SIGBUS, &action, NULL), 0);
}

static void copies(void)
{
    uint8_t *pages = two_pages(-1), to[100];

    catch ();
    for (size_t n = 0; n <= sizeof(to); n++) {
        memset(to, 0xee, sizeof(to));
        CU_ASSERT_TRUE(pb_guard_copy(to, pages + PAGE - 50 + n, n));
        CU_ASSERT_EQUAL(memcmp(to, pages + PAGE - 50 + n, n), 0);
        CU_ASSERT_TRUE(n == sizeof(to) || to[n] == 0xee);
    }
    CU_ASSERT_EQUAL(recovered, 0);
    munmap(pages, 2 * PAGE);
}

static void refuses_what_is_protected(void)
{
    uint8_t *pages = two_pages(-1), to[100];

    catch ();
    CU_ASSERT_EQUAL(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
    CU_ASSERT_TRUE(pb_guard_copy(to, pages + PAGE - 100, 100));
    CU_ASSERT_FALSE(pb_guard_copy(to, pages + PAGE - 99, 100));
    CU_ASSERT_FALSE(pb_guard_copy(to, pages + PAGE, 1));
    CU_ASSERT_TRUE(pb_guard_copy(to, pages + PAGE, 0));
    CU_ASSERT_EQUAL(recovered, 2);
    CU_ASSERT_EQUAL(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
    CU_ASSERT_TRUE(pb_guard_copy(to, pages + PAGE - 99, 100));
    munmap(pages, 2 * PAGE);
    CU_ASSERT_FALSE(pb_guard_copy(to, pages, 1));
}

static void refuses_what_a_file_has_not(void)
{
    int fd = memfd_create("file", 0);
    uint8_t *pages, to[PAGE];

    catch ();
    CU_ASSERT_EQUAL(ftruncate(fd, 2 * PAGE), 0);
    pages = two_pages(fd);
    CU_ASSERT_EQUAL(ftruncate(fd, PAGE), 0);
    CU_ASSERT_TRUE(pb_guard_copy(to, pages, PAGE));
    CU_ASSERT_FALSE(pb_guard_copy(to, pages + 1, PAGE));
    CU_ASSERT_EQUAL(recovered, 1);
    munmap(pages, 2 * PAGE);
    close(fd);
}

static void knows_other_signals(void)
{
    catch ();
    CU_ASSERT_EQUAL(raise(SIGSEGV), 0);
    CU_ASSERT_EQUAL(recovered, 0);
    CU_ASSERT_EQUAL(others, 1);
}

int main(void)
{
    static const unit_case cases[] = {
        { "copies", copies },
        { "refuses what is protected", refuses_what_is_protected },
        { "refuses what a file has not", refuses_what_a_file_has_not },
        { "knows other signals", knows_other_signals },
        { 0 },
    };

    return unit_run("guarded copies", cases);
}
