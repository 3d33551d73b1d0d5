/* Memory that changes while it is accessed and executed: protection under threads, code that is written in all the ways that
 * programs have, and by the kernel. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

typedef int function(void);

static void *map(size_t bytes, int prot)
{
    void *p = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* mov w0, #n; ret */
static void write_code(uint32_t *at, uint32_t n)
{
    at[0] = 0x52800000 | n << 5;
    at[1] = 0xd65f03c0;
}

static void flush(void *at, size_t bytes)
{
    __builtin___clear_cache(at, (char *)at + bytes);
}

static int call(const void *code)
{
    return ((function *)(uintptr_t)code)();
}

/* ---- code -------------------------------------------------------------------------------------------------- */

static void test_writable(void)
{
    uint32_t *code = map(2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    uint64_t *data = (uint64_t *)(void *)(code + 512); /* on the same page */

    for (uint32_t i = 0; i < 2000; i++) {
        write_code(code + 8 * (i % 16), i);
        flush(code + 8 * (i % 16), 8);
        data[i % 64] += i;
        CHECK(call(code + 8 * (i % 16)) == (int)i);
        if (i >= 15)
            CHECK(call(code + 8 * ((i + 1) % 16)) == (int)i - 15);
    }
    munmap(code, 2 * PAGE);
}

static void test_toggled(void)
{
    uint32_t *code = map(4 * PAGE, PROT_READ | PROT_WRITE);

    for (uint32_t i = 0; i < 300; i++) {
        uint32_t *at = code + 1024 * (i % 4);

        CHECK(mprotect(code, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
        write_code(at, i);
        flush(at, 8);
        CHECK(mprotect(code, 4 * PAGE, PROT_READ | PROT_EXEC) == 0);
        CHECK(call(at) == (int)i && call(at) == (int)i);
    }
    /* Writable too, and not any more. */
    for (uint32_t i = 0; i < 100; i++) {
        CHECK(mprotect(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
        write_code(code, 1000 + i);
        flush(code, 8);
        CHECK(call(code) == 1000 + (int)i);
        CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
        CHECK(call(code) == 1000 + (int)i);
    }
    munmap(code, 4 * PAGE);
}

/* Two mappings of the same memory. */
static void test_two(void)
{
    int fd = memfd_create("code", 0);
    uint32_t *write, *execute;

    CHECK(ftruncate(fd, PAGE) == 0);
    write = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    execute = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(write != MAP_FAILED && execute != MAP_FAILED);
    for (uint32_t i = 0; i < 300; i++) {
        write_code(write, i);
        flush(write, 8);
        flush(execute, 8);
        CHECK(call(execute) == (int)i);
    }
    munmap(write, PAGE);
    munmap(execute, PAGE);
    close(fd);
}

/* The kernel writes it: a read() into it does not fail, whether code was executed there or not. */
static void test_read(void)
{
    uint32_t *code = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), words[2];
    int ends[2];

    CHECK(pipe(ends) == 0);
    for (uint32_t i = 0; i < 300; i++) {
        write_code(words, i);
        CHECK(write(ends[1], words, 8) == 8);
        CHECK(read(ends[0], code + 2 * (i % 8), 8) == 8);
        flush(code + 2 * (i % 8), 8);
        CHECK(call(code + 2 * (i % 8)) == (int)i);
    }
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0 && call(code) == 296);
    CHECK(write(ends[1], words, 8) == 8);
    REFUSED(read(ends[0], code, 8), EFAULT);
    CHECK(call(code) == 296);
    munmap(code, PAGE);
    close(ends[0]);
    close(ends[1]);
}

/* A child is in a loop that was executed often before it was made, and its parent writes over the branch back. */
static void test_child(void)
{
    const uint32_t loop[] = { 0xf9000020, 0xf1000400, 0x54ffffc1,
                              0xd65f03c0 }; /* str x0, [x1]; subs; b.ne; ret */
    const size_t bytes = 2 * PAGE;
    uint32_t *code =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile uint64_t *at = (void *)((char *)code + PAGE);
    void (*run)(uint64_t, volatile uint64_t *) =
        (void (*)(uint64_t, volatile uint64_t *))(uintptr_t)code;
    pid_t child;
    int status = -1;

    CHECK(code != MAP_FAILED);
    memcpy(code, loop, sizeof(loop));
    flush(code, sizeof(loop));
    run(10000000, at);
    CHECK(*at == 1);
    child = fork();
    if (child == 0) {
        run(0, at); /* for ever */
        _exit(3);
    }
    while (*at < 1000)
        sched_yield();
    __atomic_store_n(&code[2], 0xd503201f, __ATOMIC_SEQ_CST);
    flush(code, sizeof(loop));
    CHECK(waitpid(child, &status, 0) == child && status == 3 << 8);
    munmap(code, bytes);
}

/* Another page comes to the place, or the page goes to another. */
static void test_moved(void)
{
    uint32_t *code = map(2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), *other;
    int status;

    for (uint32_t i = 0; i < 100; i++) {
        CHECK(mmap(code, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) == code);
        write_code(code, i);
        flush(code, 8);
        CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0 && call(code) == (int)i);
        if (i % 10)
            continue;
        other = mremap(code, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, code + PAGE / 4);
        CHECK(other == code + PAGE / 4 && call(other) == (int)i);
        if (fork() == 0) {
            CHECK(mprotect(other, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
            write_code(other, 77);
            flush(other, 8);
            _exit(call(other));
        }
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77);
        CHECK(call(other) == (int)i);
    }
    munmap(code, 2 * PAGE);
}

/* The top byte of where a jump leads is ignored: by BLR, BR and RET, and in the link that is made there. */
static void test_tags(void)
{
    static const uint32_t words[] = {
        0x10000041, /*    adr x1, 1f */
        0xd65f0020, /*    ret x1 */
        0xaa1e03e0, /* 1: mov x0, x30 */
        0x10000062, /*    adr x2, 2f */
        0xb2440042, /*    orr x2, x2, #1 << 60 */
        0xd61f0040, /*    br x2 */
        0xb24803de, /* 2: orr x30, x30, #1 << 56 */
        0xd65f03c0, /*    ret */
    };
    uint32_t *code = map(PAGE, PROT_READ | PROT_WRITE);

    memcpy(code, words, sizeof(words));
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    flush(code, PAGE);
    for (uint64_t tag = 0; tag < 600; tag++) {
        uint64_t to = (uint64_t)code | tag << 56, link, here;

        __asm__ volatile("adr %1, 1f\n"
                         "mov x9, %2\n"
                         "blr x9\n"
                         "1: mov %0, x0\n"
                         : "=r"(link), "=&r"(here)
                         : "r"(to)
                         : "x0", "x1", "x2", "x9", "x30", "memory");
        CHECK(link == here);
    }
    munmap(code, PAGE);
}

/* A loop that is hot, and gone as soon as it has ended: somebody may want to look at it for longer. */
static void test_gone(void)
{
    static const uint32_t loop[] = { 0xf1000400, 0x54ffffe1,
                                     0xd65f03c0 }; /* subs x0, x0, #1; b.ne loop; ret */
    int fd = memfd_create("code", 0);

    for (uint32_t i = 0; i < 300; i++) {
        bool cut = i & 1;
        uint32_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                              MAP_SHARED | (cut ? 0 : MAP_ANONYMOUS), cut ? fd : -1, 0);

        CHECK(code != MAP_FAILED && (!cut || ftruncate(fd, PAGE) == 0));
        memcpy(code + i % 64, loop, sizeof(loop));
        CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
        flush(code, PAGE);
        ((void (*)(uint64_t))(uintptr_t)(code + i % 64))(200000 + 20000 * (i % 50));
        CHECK(!cut || ftruncate(fd, 0) == 0);
        munmap(code, PAGE);
    }
    close(fd);
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

static atomic_int ends_soon, goes;
static volatile int seen_faults;
static volatile uint64_t *watched;

/* Somebody has it permitted again. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    seen_faults++;
    CHECK((uint64_t)info->si_addr - (uint64_t)watched < PAGE);
}

static void *toggle(void *opaque)
{
    while (!atomic_load(&goes))
        sched_yield();
    for (int i = 0; i < 400; i++) {
        CHECK(mprotect((void *)watched, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ) == 0);
        if (i % 8 == 0)
            CHECK(mprotect((void *)watched, PAGE, PROT_NONE) == 0);
    }
    CHECK(mprotect((void *)watched, PAGE, PROT_READ | PROT_WRITE) == 0);
    atomic_store(&ends_soon, 1);
    return NULL;
}

/* Each store is done once, whatever happens to the page meanwhile. */
static void test_protection(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    uint64_t n = 0, wrong = 0;
    pthread_t thread;

    watched = map(PAGE, PROT_READ | PROT_WRITE);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, toggle, NULL) == 0);
    while (!atomic_load(&ends_soon)) {
        watched[n % 512] += n;
        wrong += watched[n % 512] < n;
        atomic_fetch_add((_Atomic uint64_t *)(uintptr_t)&watched[7], 0);
        atomic_store(&goes, 1);
        n++;
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(wrong == 0 && n > 0);
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t sum = 0;

        for (uint64_t k = i; k < n; k += 512)
            sum += k;
        wrong += watched[i] != sum;
    }
    CHECK(wrong == 0);
    munmap((void *)watched, PAGE);
    CHECK(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

static uint32_t *shared_code;
static atomic_int version;

/* Calls what the other thread writes: what it was, or is. */
static void *execute(void *opaque)
{
    int last = 0;

    while (!atomic_load(&ends_soon)) {
        int before = atomic_load(&version), got;

        __asm__ volatile("isb" ::: "memory");
        got = call(shared_code);
        if (got < before || got < last || got > atomic_load(&version) + 1)
            return "code that is too old, or none";
        last = got;
    }
    return NULL;
}

static void test_code_of_others(void)
{
    void *wrong = NULL;
    pthread_t thread;

    atomic_store(&ends_soon, 0);
    shared_code = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    write_code(shared_code, 0);
    flush(shared_code, 8);
    CHECK(pthread_create(&thread, NULL, execute, NULL) == 0);
    for (int i = 1; i < 500; i++) {
        __atomic_store_n(shared_code, 0x52800000 | (uint32_t)i << 5, __ATOMIC_RELEASE);
        flush(shared_code, 4);
        atomic_store(&version, i);
    }
    atomic_store(&ends_soon, 1);
    CHECK(pthread_join(thread, &wrong) == 0);
    CHECK(!wrong);
    munmap(shared_code, PAGE);
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* what other processes write is seen with direct memory only */
        test_child();
        return done("change");
    }
    test_writable();
    test_toggled();
    test_two();
    test_read();
    test_moved();
    test_tags();
    test_gone();
    test_protection();
    test_code_of_others();
    return done("change");
}
