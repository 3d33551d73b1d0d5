/* Invalid operations of floating point: which NaN comes out, and that SIGFPE and SIGTRAP, which an emulator may need for them, stay
 * the program's. With an argument the operations are done so many times, and a sum is printed. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t operands[] = {
    0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000123, 0xfff8000000000456,
    0x7ff0000000000001, 0xfff4000000000002, 0x0000000000000000, 0x8000000000000000,
    0x3ff0000000000000, 0xbff0000000000000, 0x7fefffffffffffff, 0x0010000000000000,
};
enum { N = sizeof(operands) / sizeof(operands[0]) };

static double to_double(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static uint32_t to_bits_32(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static uint64_t sum_of(uint64_t sum, double x, double y)
{
    float f = (float)x, g = (float)y;
    double root, sum_of_product, least;

    __asm__("fsqrt %d0, %d1" : "=w"(root) : "w"(x));
    __asm__("fmadd %d0, %d1, %d2, %d2" : "=w"(sum_of_product) : "w"(x), "w"(y));
    __asm__("fminnm %d0, %d1, %d2" : "=w"(least) : "w"(x), "w"(y));
    sum = sum * 31 + to_bits(x + y);
    sum = sum * 31 + to_bits(x - y);
    sum = sum * 31 + to_bits(x * y);
    sum = sum * 31 + to_bits(x / y);
    sum = sum * 31 + to_bits(root);
    sum = sum * 31 + to_bits(sum_of_product);
    sum = sum * 31 + to_bits_32(f + g);
    sum = sum * 31 + to_bits_32(f - g);
    sum = sum * 31 + to_bits_32(f / g);
    sum = sum * 31 + to_bits(least);
    return sum * 31 + (uint64_t)(x < y) + 2 * (uint64_t)(x == y) + (uint64_t)(int)x;
}

static uint64_t rounds(uint64_t n)
{
    uint64_t sum = 0;

    while (n-- > 0)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                sum = sum_of(sum, to_double(operands[i]), to_double(operands[j]));
    return sum;
}

/* ---- the rules of the architecture ------------------------------------------------------------------------------ */

#define OPERATION(name, insn)                                                                     \
    static uint64_t name(uint64_t a, uint64_t b)                                                  \
    {                                                                                             \
        double d;                                                                                 \
                                                                                                  \
        __asm__ volatile(insn " %d0, %d1, %d2" : "=w"(d) : "w"(to_double(a)), "w"(to_double(b))); \
        return to_bits(d);                                                                        \
    }

OPERATION(add, "fadd")
OPERATION(subtract, "fsub")
OPERATION(divide, "fdiv")

static void test_results(void)
{
    const uint64_t infinity = operands[0], quiet = operands[2], quiet_2 = operands[3],
                   signalling = operands[4], nan = 0x7ff8000000000000, one = operands[8];
    uint64_t fpsr = 0;

    __asm__ volatile("msr fpsr, %0" : : "r"(fpsr));
    CHECK(add(quiet, quiet_2) == quiet && add(quiet_2, quiet) == quiet_2);
    CHECK(add(one, quiet) == quiet && divide(quiet_2, one) == quiet_2);
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    CHECK((fpsr & 1) == 0);
    CHECK(subtract(infinity, infinity) == nan && divide(0, 0) == nan);
    CHECK(add(infinity, operands[1]) == nan && divide(infinity, infinity) == nan);
    CHECK(add(quiet, signalling) == (signalling | 1ull << 51));
    CHECK(add(signalling, quiet) == (signalling | 1ull << 51));
    __asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
    CHECK(fpsr & 1);
}

/* All vector registers are zero but for the one that is written. */
static void test_zeros(void)
{
    double d;

    __asm__ volatile("movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\tmovi v3.2d, #0\n\t"
                     "movi v4.2d, #0\n\tmovi v5.2d, #0\n\tmovi v6.2d, #0\n\tmovi v7.2d, #0\n\t"
                     "fdiv d3, d1, d2\n\tfmov %d0, d3"
                     : "=w"(d)
                     :
                     : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
    CHECK(to_bits(d) == 0x7ff8000000000000);
}

/* ---- signals ------------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t seen;

static void note(int signal)
{
    seen = signal;
    CHECK(divide(0, 0) == 0x7ff8000000000000); /* the handler's own */
}

static void *in_a_thread(void *sum)
{
    sigset_t all;

    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    CHECK(rounds(3) == *(uint64_t *)sum);
    return NULL;
}

static void test_signals(void)
{
    static const int signals[] = { SIGFPE, SIGTRAP };
    uint64_t sum = rounds(3);
    pthread_t thread;

    for (int i = 0; i < 2; i++) {
        sigset_t all, old;

        CHECK(signal(signals[i], note) != SIG_ERR && raise(signals[i]) == 0 && seen == signals[i]);
        sigfillset(&all);
        CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0);
        seen = 0;
        CHECK(raise(signals[i]) == 0 && rounds(3) == sum && seen == 0);
        CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && seen == signals[i]);
        CHECK(signal(signals[i], SIG_IGN) != SIG_ERR && raise(signals[i]) == 0);
        CHECK(rounds(3) == sum);
        CHECK(signal(signals[i], SIG_DFL) != SIG_ERR && rounds(3) == sum);
    }
    CHECK(pthread_create(&thread, NULL, in_a_thread, &sum) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Somebody waits in a pipe for what a signal must not end. */
static void *in_a_call(void *ends)
{
    char c = 0;

    CHECK(read(*(int *)ends, &c, 1) == 1 && c == 'x');
    return NULL;
}

static void test_calls(void)
{
    static const int signals[] = { SIGFPE, SIGTRAP };

    for (int i = 0; i < 2; i++) {
        sigset_t set, old, none;
        pthread_t thread;
        int ends[2];

        sigemptyset(&none);
        sigemptyset(&set);
        sigaddset(&set, signals[i]);
        CHECK(signal(signals[i], note) != SIG_ERR);
        CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
        seen = 0;
        CHECK(raise(signals[i]) == 0 && seen == 0);
        REFUSED(sigsuspend(&none), EINTR);
        CHECK(seen == signals[i]);
        /* Blocked, and ignored: neither is told of. */
        for (int ignored = 0; ignored < 2; ignored++) {
            CHECK(pipe(ends) == 0 && pthread_create(&thread, NULL, in_a_call, ends) == 0);
            for (int k = 0; k < 20; k++) {
                CHECK(pthread_kill(thread, signals[i]) == 0);
                usleep(500);
            }
            CHECK(write(ends[1], "x", 1) == 1 && pthread_join(thread, NULL) == 0);
            CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
            CHECK(signal(signals[i], SIG_IGN) != SIG_ERR);
            CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
        }
        CHECK(signal(signals[i], SIG_DFL) != SIG_ERR);
    }
}

static void test_ends(void)
{
    static const int signals[] = { SIGFPE, SIGTRAP };
    const struct rlimit no_core = { 0, 0 };

    CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0);
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
            rounds(1);
            raise(signals[i]);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == signals[i]);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        printf("%016llx\n", (unsigned long long)rounds(strtoull(argv[1], NULL, 0)));
        return 0;
    }
    test_results();
    test_zeros();
    test_signals();
    test_calls();
    test_ends();
    return done("nans");
}
