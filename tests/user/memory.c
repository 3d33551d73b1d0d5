/* Memory: mappings, their permissions, changes of them, the heap; code that is written at run time. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static sigjmp_buf back;
static siginfo_t fault;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(back, signal);
}

/* The signal that an access raises, 0: none. */
static int try_read(const volatile char *at)
{
    int signal = sigsetjmp(back, 1);

    if (!signal)
        (void)*at;
    return signal;
}

static int try_write(volatile char *at)
{
    int signal = sigsetjmp(back, 1);

    if (!signal)
        *at = 1;
    return signal;
}

static int try_call(char *at)
{
    int signal = sigsetjmp(back, 1);

    if (!signal)
        ((void (*)(void))at)();
    return signal;
}

static void check_fault(int signal, const char *at, int code)
{
    CHECK(signal == SIGSEGV && fault.si_signo == SIGSEGV);
    CHECK(fault.si_code == code);
    CHECK(fault.si_addr == at);
}

static char *map(void *at, size_t bytes, int prot, int flags)
{
    return mmap(at, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void test_protection(void)
{
    char *p = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0);

    CHECK(p != MAP_FAILED);
    memset(p, 7, 4 * PAGE);
    CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
    CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(try_read(p + PAGE) == 0);
    check_fault(try_write(p + PAGE + 5), p + PAGE + 5, SEGV_ACCERR);
    check_fault(try_read(p + 2 * PAGE + 9), p + 2 * PAGE + 9, SEGV_ACCERR);
    CHECK(try_write(p + 3 * PAGE) == 0);
    CHECK(munmap(p + 3 * PAGE, PAGE) == 0);
    check_fault(try_read(p + 3 * PAGE), p + 3 * PAGE, SEGV_MAPERR);
    check_fault(try_call(p), p, SEGV_ACCERR);
    check_fault(try_read((char *)16), (char *)16, SEGV_MAPERR);
    CHECK(try_read((char *)0x0000ffff00000000) == SIGSEGV);
    CHECK(try_read((char *)-4096) == SIGSEGV);
    CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0 && p[2 * PAGE] == 7);
    REFUSED(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ), ENOMEM);
    REFUSED(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
    /* An access across a border faults at the first byte that is not there. */
    CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
    if (!sigsetjmp(back, 1)) {
        (void)*(volatile uint64_t *)(void *)(p + PAGE - 4);
        CHECK(!"came by");
    }
    check_fault(fault.si_signo, p + PAGE, SEGV_ACCERR);
    CHECK(munmap(p, 4 * PAGE) == 0);
    CHECK(munmap(p, 4 * PAGE) == 0); /* what is not there can be unmapped */
}

static void test_places(void)
{
    char *p = map(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_NORESERVE), *q;

    CHECK(map(p, PAGE, PROT_READ, MAP_FIXED) == p && p[0] == 0);
    q = map(p, PAGE, PROT_READ, MAP_FIXED_NOREPLACE);
    CHECK(q == MAP_FAILED && errno == EEXIST);
    q = map(p, PAGE, PROT_READ, 0); /* a wish */
    CHECK(q != MAP_FAILED && q != p);
    munmap(q, PAGE);
    q = map((void *)0x1000, PAGE, PROT_READ, MAP_FIXED);
    CHECK(q == MAP_FAILED && errno == EPERM);
    q = map(p + 1, PAGE, PROT_READ, MAP_FIXED);
    CHECK(q == MAP_FAILED && errno == EINVAL);
    q = map(NULL, 0, PROT_READ, 0);
    CHECK(q == MAP_FAILED && errno == EINVAL);
    q = map(NULL, (size_t)1 << 60, PROT_READ, MAP_NORESERVE);
    CHECK(q == MAP_FAILED && errno == ENOMEM);
    q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0);
    CHECK(q == MAP_FAILED && errno == EBADF);
    munmap(p, 8 * PAGE);
    q = map((void *)0x10000000, PAGE, PROT_READ, 0);
    CHECK(q == (char *)0x10000000);
    munmap(q, PAGE);
}

static void test_remap(void)
{
    char *p = map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, 0), *q;

    memset(p, 1, PAGE);
    memset(p + PAGE, 2, PAGE);
    q = mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[0] == 1 && q[PAGE] == 2 && q[2 * PAGE] == 0);
    q[63 * PAGE] = 3;
    p = mremap(q, 64 * PAGE, PAGE, 0);
    CHECK(p == q && try_read(q + PAGE) == SIGSEGV);
    q = map(NULL, 4 * PAGE, PROT_NONE, 0);
    p = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE);
    CHECK(p == q + PAGE && p[5] == 1 && try_read(q) == SIGSEGV);
    REFUSED((intptr_t)mremap((void *)0x20000000, PAGE, PAGE, MREMAP_MAYMOVE), EFAULT);
    munmap(q, 4 * PAGE);
}

/* Moved, and made larger, also what was larger before; pages of files and shared ones. */
static void test_remap_again(void)
{
    char *room = map(NULL, 100 * PAGE, PROT_NONE, 0), *p, *q;
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600),
        flags[] = { MAP_PRIVATE, MAP_SHARED };

    p = map(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, 0);
    p[0] = 1;
    p[PAGE] = 2;
    CHECK(munmap(room + 10 * PAGE, 80 * PAGE) == 0);
    p = mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 10 * PAGE);
    CHECK(p == room + 10 * PAGE);
    p = mremap(p, 2 * PAGE, 10 * PAGE, MREMAP_MAYMOVE);
    CHECK(p != MAP_FAILED && p[0] == 1 && p[PAGE] == 2 && p[9 * PAGE] == 0);
    p[9 * PAGE] = 3;
    q = mremap(p, 10 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 60 * PAGE);
    CHECK(q == room + 60 * PAGE && q[0] == 1 && q[9 * PAGE] == 3 && q[19 * PAGE] == 0);
    CHECK(try_read(p) == SIGSEGV && try_read(q + 20 * PAGE) == SIGSEGV);
    p = mremap(q, 20 * PAGE, 200 * PAGE, MREMAP_MAYMOVE);
    CHECK(p != MAP_FAILED && p[0] == 1 && p[9 * PAGE] == 3 && p[199 * PAGE] == 0);
    /* More than there is, mostly: it stays. */
    q = mremap(p, 200 * PAGE, (size_t)1 << 44, MREMAP_MAYMOVE);
    if (q != MAP_FAILED)
        p = mremap(q, (size_t)1 << 44, 200 * PAGE, 0);
    CHECK(p[0] == 1 && p[9 * PAGE] == 3);
    CHECK(try_write(p + 5 * PAGE) == 0 && p[5 * PAGE] == 1);
    q = mremap(p, 200 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 50 * PAGE);
    CHECK(q == room + 50 * PAGE && q[PAGE] == 2 && try_read(p) == SIGSEGV &&
          try_read(p + 9 * PAGE) == SIGSEGV);
    munmap(q, 3 * PAGE);
    CHECK(ftruncate(fd, 4 * PAGE) == 0 && pwrite(fd, "x", 1, 3 * PAGE) == 1);
    for (unsigned i = 0; i < 2; i++) {
        p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, flags[i], fd, PAGE);
        p[0] = 'a';
        q = mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 20 * PAGE);
        CHECK(q == room + 20 * PAGE && q[0] == 'a' && q[2 * PAGE] == 'x' && try_read(p) == SIGSEGV);
        if (flags[i] == MAP_SHARED) { /* the same pages once more */
            p = mremap(q, 0, 3 * PAGE, MREMAP_MAYMOVE);
            CHECK(p != MAP_FAILED && p != q);
            p[5] = 'b';
            CHECK(q[5] == 'b');
            munmap(p, 3 * PAGE);
        }
        munmap(q, 3 * PAGE);
    }
    munmap(room, 100 * PAGE);
    close(fd);
    unlink("mapped");
}

/* More than there is, of which nothing is kept. */
static void test_remap_unreserved(void)
{
    const size_t most = (size_t)1 << 40; /* 1 TiB */
    int mode = open("/proc/sys/vm/overcommit_memory", O_RDONLY);
    char c = '2', *room, *p, *q;

    CHECK(mode < 0 || read(mode, &c, 1) == 1);
    close(mode);
    room = map(NULL, most + 4 * PAGE, PROT_NONE, MAP_NORESERVE);
    if (c == '2' || room == MAP_FAILED)
        return;
    /* Where it is, and then elsewhere: something lies behind it. */
    CHECK(munmap(room, most) == 0);
    p = map(room, PAGE, PROT_READ | PROT_WRITE, MAP_NORESERVE | MAP_FIXED);
    CHECK(p == room);
    p[0] = 1;
    q = mremap(p, PAGE, most / 2, 0);
    CHECK(q == p);
    if (q == MAP_FAILED)
        return;
    CHECK(q[0] == 1 && q[most / 2 - 1] == 0);
    q[most / 2 - 1] = 2;
    p = mremap(q, most / 2, most + PAGE, MREMAP_MAYMOVE);
    CHECK(p != MAP_FAILED && p != q && p[0] == 1 && p[most / 2 - 1] == 2 && p[most] == 0);
    if (p == MAP_FAILED)
        p = q;
    munmap(p, most + PAGE);
    munmap(room, most + 4 * PAGE);
}

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    fault = *info;
    CHECK(truncate("mapped", 2 * PAGE) == 0);
}

/* Behind the end of a file that was cut off there is nothing. The signal may come somewhat late; the next call of the
 * system is after it. */
static void test_cut_file(const volatile char *shared)
{
    struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO }, old;

    CHECK(sigaction(SIGBUS, &action, &old) == 0);
    CHECK(truncate("mapped", PAGE) == 0);
    memset(&fault, 0, sizeof(fault));
    CHECK(shared[PAGE + 3] == 0);
    getppid();
    CHECK(fault.si_signo == SIGBUS && fault.si_code == BUS_ADRERR);
    CHECK(fault.si_addr == (void *)(uintptr_t)(shared + PAGE + 3));
    CHECK(sigaction(SIGBUS, &old, NULL) == 0);
}

static void test_files(void)
{
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *shared, *private, c;
    unsigned char there;

    CHECK(ftruncate(fd, 2 * PAGE) == 0);
    shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    shared[PAGE] = 'a';
    CHECK(pread(fd, &c, 1, PAGE) == 1 && c == 'a' && private[0] == 'a');
    private[0] = 'b';
    CHECK(shared[PAGE] == 'a');
    CHECK(msync(shared, 2 * PAGE, MS_SYNC) == 0);
    CHECK(madvise(private, PAGE, MADV_DONTNEED) == 0 && private[0] == 'a');
    close(fd);
    test_cut_file(shared);
    munmap(shared, 2 * PAGE);
    REFUSED(msync(shared, PAGE, MS_ASYNC), ENOMEM);
    REFUSED(mincore(shared, PAGE, &there), ENOMEM);
    munmap(private, PAGE);
    private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(private != MAP_FAILED && mincore(private, PAGE, &there) == 0 && !(there & 1));
    private[0] = 'a';
    CHECK(mincore(private, PAGE, &there) == 0 && there & 1);
    munmap(private, PAGE);
    fd = open("mapped", O_RDONLY);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared == MAP_FAILED && errno == EACCES);
    shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    REFUSED(mprotect(shared, PAGE, PROT_READ | PROT_WRITE), EACCES);
    check_fault(try_write(shared), shared, SEGV_ACCERR);
    close(fd);
    unlink("mapped");
}

static void test_heap(void)
{
    char *first = sbrk(0), *p = sbrk(3 * PAGE);

    CHECK(p == first);
    p[3 * PAGE - 1] = 1;
    CHECK(sbrk(-(intptr_t)(3 * PAGE)) != (void *)-1 && sbrk(0) == first);
    p = malloc(100 << 20);
    CHECK(p != NULL);
    for (size_t i = 0; p && i < 100u << 20; i += 1 << 20)
        p[i] = (char)(i >> 20);
    for (size_t i = 0; p && i < 100u << 20; i += 1 << 20)
        CHECK(p[i] == (char)(i >> 20));
    free(p);
}

/* More mappings than the host permits: what it refuses is an error for the program, or goes well, and ends nothing. */
static void test_many(void)
{
    enum { PAGES = 140000 };
    char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int wrong = 0;

    CHECK(at != MAP_FAILED);
    for (int i = 0; i < PAGES; i += 2)
        wrong += munmap(at + i * PAGE, PAGE) != 0 && errno != ENOMEM;
    for (int i = 1; i < PAGES; i += 4)
        wrong += mprotect(at + i * PAGE, PAGE, PROT_READ) != 0 && errno != ENOMEM;
    for (int i = 1; i < PAGES; i += 4)
        wrong += mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE) != 0 && errno != ENOMEM;
    for (int i = 0; i < PAGES; i += 4)
        wrong += mmap(at + i * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                      0) == MAP_FAILED &&
                 errno != ENOMEM;
    CHECK(wrong == 0);
    at[PAGE] = at[(PAGES - 1) * PAGE] = 1;
    CHECK(munmap(at, PAGES * PAGE) == 0);
    CHECK(try_read(at + PAGE) == SIGSEGV);
}

/* mov w0, #n; ret */
static void write_code(uint32_t *at, uint32_t n)
{
    at[0] = 0x52800000 | n << 5;
    at[1] = 0xd65f03c0;
    __builtin___clear_cache((char *)at, (char *)(at + 2));
}

static void test_code(void)
{
    uint32_t *code = (uint32_t *)(void *)map(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0);
    int fd = open("code", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int (*call)(void) = (int (*)(void))code;

    for (uint32_t n = 0; n < 100; n++) {
        write_code(code, n);
        CHECK(call() == (int)n);
    }
    /* Another mapping in its place. */
    CHECK(map(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_FIXED) == (char *)code);
    write_code(code, 1000);
    CHECK(call() == 1000);
    CHECK(write(fd, code, 8) == 8);
    write_code(code, 2000);
    CHECK(call() == 2000);
    /* Read by the kernel over what was executed. */
    CHECK(pread(fd, code, 8, 0) == 8);
    __builtin___clear_cache((char *)code, (char *)(code + 2));
    CHECK(call() == 1000);
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_WRITE) == 0);
    check_fault(try_call((char *)code), (char *)code, SEGV_ACCERR);
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0 && call() == 1000);
    munmap(code, PAGE);
    check_fault(try_call((char *)code), (char *)code, SEGV_MAPERR);
    close(fd);
    unlink("code");
}

/* Where /proc is mounted elsewhere, as far as that may be done. */
static void test_other_mount(void)
{
    int status = -1, fd;
    pid_t pid;

    CHECK(mkdir("other", 0700) == 0);
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("/proc", "other", NULL, MS_BIND, NULL) < 0)
            _exit(0);
        REFUSED(open("other/self/mem", O_RDWR), EACCES);
        REFUSED(open("other/thread-self/mem", O_WRONLY), EACCES);
        fd = open("other/self/mem", O_RDONLY);
        CHECK(fd >= 0);
        CHECK(chdir("other/self") == 0);
        REFUSED(open("mem", O_RDWR), EACCES);
        fflush(stdout);
        _exit(failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(rmdir("other") == 0);
}

static char *read_only;
static int reads;

/* Nobody else may write meanwhile. */
static void *read_into(void *opaque)
{
    int zero = open("/dev/zero", O_RDONLY);

    while (__atomic_load_n(&reads, __ATOMIC_SEQ_CST))
        CHECK(read(zero, read_only + PAGE, 1) == -1 && errno == EFAULT);
    close(zero);
    return NULL;
}

/* What is written without permission stays one mapping, which can be moved. */
static void test_forced(int fd)
{
    enum { PAGES = 140000 };
    char *p = map(NULL, PAGES * PAGE, PROT_READ, 0), *q;
    pthread_t thread;
    int wrong = 0;
    pid_t pid;
    int status = -1;

    read_only = p;
    reads = 1;
    CHECK(pthread_create(&thread, NULL, read_into, NULL) == 0);
    for (int i = 0; i < 2000; i++)
        wrong += pwrite(fd, "x", 1, (off_t)(intptr_t)p + (off_t)PAGE) != 1;
    __atomic_store_n(&reads, 0, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    for (int i = 0; i < PAGES; i += 2)
        wrong += pwrite(fd, "y", 1, (off_t)(intptr_t)p + (off_t)(i * PAGE)) != 1;
    CHECK(wrong == 0);
    q = mremap(p, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && q[0] == 'y' && q[PAGE] == 'x' && q[(PAGES - 2) * PAGE] == 'y');
    CHECK(try_write(q) == SIGSEGV);
    /* A child writes to its own. */
    pid = fork();
    if (pid == 0) {
        int own = open("/proc/self/mem", O_RDWR);

        CHECK(pwrite(own, "z", 1, (off_t)(intptr_t)q) == 1 && q[0] == 'z');
        CHECK(pwrite(fd, "z", 1, (off_t)(intptr_t)q) == -1 && errno == EIO);
        fflush(stdout);
        _exit(failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0 && q[0] == 'y');
    munmap(q, 2 * PAGES * PAGE);
}

/* As a file: whatever the permissions, but not what is the emulator's. */
static void test_own_memory(void)
{
    int fd = open("/proc/self/mem", O_RDWR), reader = open("/proc/thread-self/mem", O_RDONLY), link;
    char *p = map(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, 0), text[16] = "", *shared;
    uint32_t *code = (uint32_t *)(void *)map(NULL, PAGE, PROT_READ | PROT_WRITE, 0), other[2];
    int (*call)(void) = (int (*)(void))code;
    char *volatile constant = (char *)(uintptr_t) "constant", *volatile nowhere = (char *)8;
    struct iovec parts[] = { { text, 4 }, { text + 8, 4 } };
    off_t at = (off_t)(intptr_t)p;

    CHECK(fd >= 0 && reader >= 0 && fcntl(fd, F_GETFL) % 4 == O_RDWR);
    munmap(p + 3 * PAGE, PAGE);
    CHECK(pwrite(fd, "written", 8, at + 5) == 8 && strcmp(p + 5, "written") == 0);
    CHECK(pread(reader, text, 8, at + 5) == 8 && strcmp(text, "written") == 0);
    CHECK(lseek(fd, at + 4, SEEK_SET) == at + 4 && read(fd, text, 3) == 3 && text[1] == 'w');
    CHECK(readv(fd, parts, 2) == 8 && memcmp(text, "itte", 4) == 0 && text[8] == 'n');
    CHECK(lseek(fd, 0, SEEK_CUR) == at + 15);
    CHECK(write(fd, "end", 3) == 3 && memcmp(p + 15, "end", 3) == 0);
    REFUSED(pwrite(reader, "x", 1, at), EBADF);
    REFUSED(write(reader, "x", 1), EBADF);
    REFUSED(pwrite(fd, "x", 1, at + (off_t)(3 * PAGE)), EIO);
    REFUSED(pread(fd, text, 1, at + (off_t)(3 * PAGE)), EIO);
    REFUSED(pread(fd, text, 1, 0), EIO);
    REFUSED(pread(fd, nowhere, 1, at), EFAULT);
    REFUSED(pwrite(fd, nowhere, 1, at), EFAULT);
    CHECK(pread(fd, p, 2 * PAGE, at + (off_t)(2 * PAGE)) == (ssize_t)PAGE);
    /* Nobody may. */
    CHECK(mprotect(p, 2 * PAGE, PROT_NONE) == 0);
    CHECK(pwrite(fd, "acros", 6, at + (off_t)PAGE - 3) == 6);
    CHECK(pread(fd, text, 6, at + (off_t)PAGE - 3) == 6 && strcmp(text, "acros") == 0);
    check_fault(try_read(p), p, SEGV_ACCERR);
    CHECK(pwrite(fd, "changed", 8, (off_t)(intptr_t)constant) == 8);
    CHECK(strcmp(constant, "changed") == 0);
    check_fault(try_write(constant), constant, SEGV_ACCERR);
    shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REFUSED(pwrite(fd, "x", 1, (off_t)(intptr_t)shared), EIO);
    munmap(shared, PAGE);
    /* Code that was executed. */
    write_code(code, 1);
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    for (uint32_t n = 1; n < 50; n++) {
        CHECK(call() == (int)n);
        other[0] = 0x52800000 | (n + 1) << 5;
        other[1] = 0xd65f03c0;
        CHECK(pwrite(fd, other, 8, (off_t)(intptr_t)code) == 8);
    }
    /* What the emulator has lies somewhere between the program's addresses and the end of all. */
    for (off_t far = (off_t)1 << 40; far < (off_t)1 << 47; far += (off_t)1 << 42)
        CHECK(pwrite(fd, p + 2 * PAGE, 1, far) != 1 || pread(fd, text, 1, far) == 1);
    test_forced(fd);
    link = symlink("/proc/self/mem", "link");
    CHECK(link == 0);
    REFUSED(open("link", O_RDWR), EACCES);
    unlink("link");
    munmap(code, PAGE);
    munmap(p, 3 * PAGE);
    close(fd);
    close(reader);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    test_protection();
    test_places();
    test_remap();
    test_remap_again();
    test_remap_unreserved();
    test_files();
    test_heap();
    test_many();
    test_code();
    test_own_memory();
    test_other_mount();
    return done("memory");
}
