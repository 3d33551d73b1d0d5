/* The vdso: that the dynamic linker takes it for a library, what its functions do, and that stacks are unwound through it. */
#include "check.h"

#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifdef __aarch64__
#define PREFIX  "__kernel_"
#define VERSION "LINUX_2.6.39"
#else
#define PREFIX  "__vdso_"
#define VERSION "LINUX_2.6"
#endif

struct dwarf_eh_bases {
    void *tbase, *dbase, *func;
};
const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

static int (*get_time)(clockid_t clock, struct timespec *now);
static int (*get_res)(clockid_t clock, struct timespec *step);
static int (*get_day)(struct timeval *now, struct timezone *zone);
static const char *begin, *end;

static int find(struct dl_phdr_info *info, size_t bytes, void *opaque)
{
    if ((unsigned long)info->dlpi_addr != getauxval(AT_SYSINFO_EHDR))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            end = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_memsz;
    }
    begin = (const char *)info->dlpi_addr;
    return 1;
}

static int is_inside(const void *at)
{
    return (const char *)at >= begin && (const char *)at < end;
}

static void test_image(void)
{
    const ElfW(Ehdr) *header = (const void *)getauxval(AT_SYSINFO_EHDR);
    void *library = dlopen("linux-vdso.so.1", RTLD_NOLOAD | RTLD_LAZY);

    CHECK(header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_type == ET_DYN);
    CHECK(dl_iterate_phdr(find, NULL) == 1 && end > begin);
    CHECK(library != NULL);
    get_time =
        (int (*)(clockid_t, struct timespec *))dlvsym(library, PREFIX "clock_gettime", VERSION);
    get_res =
        (int (*)(clockid_t, struct timespec *))dlvsym(library, PREFIX "clock_getres", VERSION);
    get_day = (int (*)(struct timeval *, struct timezone *))dlvsym(library, PREFIX "gettimeofday",
                                                                   VERSION);
    CHECK(is_inside((void *)get_time) && is_inside((void *)get_res) && is_inside((void *)get_day));
    CHECK(dlvsym(library, PREFIX "clock_gettime", "LINUX_9.9") == NULL);
    CHECK(dlvsym(library, "nothing", VERSION) == NULL);
}

static long long nanoseconds(const struct timespec *t)
{
    return t->tv_sec * 1000000000ll + t->tv_nsec;
}

static void test_time(void)
{
    struct timespec before, now, after;
    struct timeval day;

    CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before) == 0);
    CHECK(get_time(CLOCK_MONOTONIC, &now) == 0);
    CHECK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after) == 0);
    CHECK(nanoseconds(&before) <= nanoseconds(&now) && nanoseconds(&now) <= nanoseconds(&after));
    CHECK(get_time(12345, &now) == -EINVAL);
    CHECK(get_time(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    CHECK(get_res(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec == 0 && now.tv_nsec > 0);
    CHECK(get_res(12345, &now) == -EINVAL);
    CHECK(clock_gettime(CLOCK_REALTIME, &before) == 0);
    CHECK(get_day(&day, NULL) == 0);
    CHECK(clock_gettime(CLOCK_REALTIME, &after) == 0);
    CHECK(before.tv_sec <= day.tv_sec && day.tv_sec <= after.tv_sec && day.tv_usec < 1000000);
#ifdef __aarch64__
    REFUSED(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8), EFAULT);
    REFUSED(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL), EFAULT);
#endif
}

static void *stack[32];
static int depth;

static void on_signal(int signal)
{
    depth = backtrace(stack, 32);
}

/* Known by its name to the dynamic linker. */
void raise_here(void);

__attribute__((noinline)) void raise_here(void)
{
    raise(SIGUSR1);
    __asm__ volatile(""); /* no tail call */
}

/* From the handler by the code that it returns to, to who was interrupted, and to the first frame. */
static void test_unwinding(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
    struct dwarf_eh_bases bases;
    int found = 0, trampoline = 0;

    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise_here();
    for (int i = 0; i < depth; i++) {
        Dl_info info;

        found +=
            dladdr(stack[i], &info) && info.dli_sname && strcmp(info.dli_sname, "raise_here") == 0;
#ifdef __aarch64__
        trampoline += is_inside(stack[i]) && dladdr(stack[i], &info) &&
                      strcmp(info.dli_sname, "__kernel_rt_sigreturn") == 0;
#else
        trampoline = 1;
#endif
    }
    CHECK(found == 1 && trampoline == 1);
    CHECK(_Unwind_Find_FDE((char *)get_time + 4, &bases) != NULL && bases.func == (void *)get_time);
#ifdef __aarch64__ /* the three lie together, and unwinders know what is behind them */
    CHECK(_Unwind_Find_FDE((char *)get_day + 11, &bases) != NULL);
    CHECK(_Unwind_Find_FDE((char *)get_day + 12, &bases) == NULL);
    CHECK(_Unwind_Find_FDE((char *)get_day + 16, &bases) == NULL);
#endif
}

int main(void)
{
    test_image();
    if (begin)
        test_time();
    if (begin)
        test_unwinding();
    return done("vdso");
}
