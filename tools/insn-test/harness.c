/*
 * Executes A64 instructions one case after another and reports the state that each leaves behind. Runs on
 * aarch64 Linux, or under QEMU's user mode. generate.py feeds it; tests/insn/README.md describes the state.
 *
 * usage: harness <cases >results
 *
 * The registers before and after a case are those of a signal frame: the case's instructions are followed
 * by BRK, whose handler takes the result out of the frame, puts the next case in, and returns into it. So
 * nothing but the kernel's (QEMU's) signal code stands between a case and what is recorded.
 */
#include "frame.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    PAGE = 0x1000,
    LOW = 0x10000000,  /* data: literals before the code */
    CODE = 0x10001000, /* the instructions */
    DATA = 0x10002000, /* data */
    MAX_CODE = 4,
    BRK = 0xd4200000,
};

static const uint64_t NZCV = 0xf0000000;

typedef struct state {
    uint64_t x[31], sp, pc, nzcv, fpcr, fpsr;
    __uint128_t v[32];
} state;

typedef struct test_case {
    uint64_t n_code;
    uint32_t code[MAX_CODE];
    uint64_t padding; /* of state's alignment */
    state before;
} test_case;

typedef struct result {
    uint64_t signal; /* that ended the case: SIGTRAP, or SIGSEGV after a jump to where no code is */
    uint64_t stored; /* whether the data page changed */
    state after;
    uint8_t data[PAGE];
} result;

static uint8_t pattern[PAGE]; /* the data page's contents before each case */
static test_case current;
static volatile sig_atomic_t started;

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* The contents of memory before a case: a byte that depends on the address alone. */
static uint8_t byte_at(uint32_t address)
{
    return (uint8_t)(address * UINT32_C(2654435761) >> 24);
}

static void report(int number, ucontext_t *context)
{
    static result r;
    struct fpsimd_context *fp = fp_of(context);
    mcontext_t *m = &context->uc_mcontext;

    r.signal = (uint64_t)number;
    memcpy(r.after.x, m->regs, sizeof r.after.x);
    r.after.sp = m->sp;
    r.after.pc = m->pc;
    r.after.nzcv = m->pstate & NZCV;
    r.after.fpcr = fp->fpcr;
    r.after.fpsr = fp->fpsr;
    memcpy(r.after.v, fp->vregs, sizeof r.after.v);
    r.stored = memcmp((void *)(uintptr_t)DATA, pattern, PAGE) != 0;
    memcpy(r.data, (void *)(uintptr_t)DATA, PAGE);
    if (fwrite(&r, sizeof r, 1, stdout) != 1)
        die("write");
}

/* Reads the next case and makes it what the handler returns to; ends the program after the last. */
static void set_up(ucontext_t *context)
{
    struct fpsimd_context *fp = fp_of(context);
    mcontext_t *m = &context->uc_mcontext;
    uint32_t *code = (uint32_t *)(uintptr_t)CODE;

    if (fread(&current, sizeof current, 1, stdin) != 1) {
        if (ferror(stdin) || fflush(stdout))
            die("cases or results");
        _exit(0);
    }
    for (uint64_t i = 0; i < MAX_CODE; i++)
        code[i] = i < current.n_code ? current.code[i] : BRK;
    __builtin___clear_cache((char *)code, (char *)(code + MAX_CODE));
    memcpy((void *)(uintptr_t)DATA, pattern, PAGE);
    memcpy(m->regs, current.before.x, sizeof current.before.x);
    m->sp = current.before.sp;
    m->pc = CODE;
    m->pstate = (m->pstate & ~UINT64_C(0xf0000c00)) | current.before.nzcv; /* BTYPE is 0 */
    fp->fpcr = (uint32_t)current.before.fpcr;
    fp->fpsr = (uint32_t)current.before.fpsr;
    memcpy(fp->vregs, current.before.v, sizeof current.before.v);
}

static void on_signal(int number, siginfo_t *info, void *frame)
{
    if (started)
        report(number, frame);
    started = 1;
    set_up(frame);
}

static void *map(uintptr_t address, int protection)
{
    void *at =
        mmap((void *)address, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (at == MAP_FAILED)
        die("mmap");
    return at;
}

int main(void)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL };
    static uint8_t stack[1 << 16];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    uint8_t *low = map(LOW, PROT_READ | PROT_WRITE);
    uint32_t *code = map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);

    map(DATA, PROT_READ | PROT_WRITE);
    for (uint32_t i = 0; i < PAGE; i++) {
        low[i] = byte_at(LOW + i);
        pattern[i] = byte_at(DATA + i);
    }
    for (int i = 0; i < PAGE / 4; i++)
        code[i] = BRK;
    if (sigaltstack(&alternate, NULL))
        die("sigaltstack");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &action, NULL))
            die("sigaction");
    __asm__ volatile("brk #0");
    return 1;
}
