/*
 * Executes sequences of A64 code from standard input, and says what state each leaves behind: a program for aarch64
 * Linux, wherever that runs. fuzz_programs.py compares what it says in different places.
 *
 *     runner [--show] <sequences
 *
 * For each sequence a line: its number, and for each run of it a hash of registers, memory and what signals
 * came. With --show all registers, and the signals, instead.
 *
 * The registers before and after a run are those of a signal frame. A sequence ends with BRK, whose handler takes the state out
 * of the frame and puts the next run in. Another signal is noted, and the run goes on behind the instruction.
 *
 * What the architecture leaves open is made equal in the handler: the exclusive monitor, what an access that faulted has
 * loaded, and what it has stored of its bytes beside the page that faulted.
 */
#include "programs.h"
#include "../../tools/insn-test/frame.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { MOST_SIGNALS = 5000, LONGEST_ACCESS = 64 };

static program current;
static unsigned run;
static bool showing, started;
static uint64_t hash, signals;

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void *map(uintptr_t from, uintptr_t to, int protection)
{
    void *at =
        mmap((void *)from, to - from, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (at == MAP_FAILED)
        die("mmap");
    return at;
}

static void protect(uintptr_t from, uintptr_t to, int protection)
{
    if (mprotect((void *)from, to - from, protection))
        die("mprotect");
}

static void make_memory(void)
{
    uint64_t *low = map(LOW, LOW + PAGE, PROT_READ | PROT_WRITE);

    for (unsigned i = 0; i < PAGE / 8; i++)
        low[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    protect(LOW, LOW + PAGE, PROT_READ);
    map(CODE, CODE_END, PROT_READ | PROT_WRITE | PROT_EXEC);
    map(DATA, DATA_NONE, PROT_READ | PROT_WRITE);
    map(DATA_NONE + PAGE, DATA_END, PROT_READ | PROT_WRITE);
    memset((void *)DATA_RO, 0x5a, PAGE);
    protect(DATA_RO, DATA_RO + PAGE, PROT_READ);
}

/* Small numbers, floating-point ones, all kinds. */
static void fill(uint64_t *at, size_t bytes, uint64_t seed)
{
    for (size_t i = 0; i < bytes / 8; i++) {
        uint64_t value = mix(seed, i);

        switch (value & 7) {
        case 0:
            value = (int8_t)(value >> 8);
            break;
        case 1:
            value = UINT64_C(0x3ff0000000000000) | value >> 12;
            break;
        case 2:
            value = UINT64_C(0x3f8000003f800000) | (value & UINT64_C(0x007fffff007fffff));
            break;
        default:
            break;
        }
        at[i] = value;
    }
}

static void fill_memory(void)
{
    fill((uint64_t *)DATA, 3 * PAGE, current.memory);
    memset((void *)(uintptr_t)(DATA_RO + PAGE), 0, DATA_NONE - DATA_RO - PAGE);
    memset((void *)(uintptr_t)(DATA_NONE + PAGE), 0, DATA_END - DATA_NONE - PAGE);
    memset((void *)CODE, 0, CODE_END - CODE);
    memcpy((void *)(uintptr_t)current.start, current.words, current.n * sizeof(*current.words));
    __builtin___clear_cache((char *)CODE, (char *)CODE_END);
}

static void hash_memory(uintptr_t from, uintptr_t to)
{
    const uint64_t *at = (const uint64_t *)from, *end = (const uint64_t *)to;

    for (; at < end; at++)
        hash = mix(hash, *at);
}

/* ---- the state ---------------------------------------------------------------------------------------------- */

static void report(ucontext_t *context)
{
    const struct fpsimd_context *fp = fp_of(context);
    const mcontext_t *m = &context->uc_mcontext;
    uint64_t other[] = { m->sp, m->pc, m->pstate & 0xf0000000, fp->fpcr, fp->fpsr };

    for (unsigned i = 0; i < 31; i++)
        hash = mix(hash, m->regs[i]);
    for (unsigned i = 0; i < sizeof(other) / sizeof(*other); i++)
        hash = mix(hash, other[i]);
    for (unsigned i = 0; i < 32; i++)
        hash = mix(mix(hash, (uint64_t)fp->vregs[i]), (uint64_t)(fp->vregs[i] >> 64));
    hash_memory(CODE, CODE_END);
    hash_memory(DATA, DATA_NONE);
    hash_memory(DATA_NONE + PAGE, DATA_END);
    if (!showing) {
        if (run == 0)
            printf("%" PRIu64, current.number);
        printf(" %016" PRIx64 "%s", hash, run == RUNS - 1 ? "\n" : "");
        return;
    }
    printf("run %u\n", run);
    for (unsigned i = 0; i < 31; i++)
        printf("x%u %016" PRIx64 "\n", i, (uint64_t)m->regs[i]);
    printf("sp %016" PRIx64 "\npc %016" PRIx64 "\nnzcv %08" PRIx64 "\nfpcr %08" PRIx64
           "\nfpsr %08" PRIx64 "\n",
           other[0], other[1], other[2], other[3], other[4]);
    for (unsigned i = 0; i < 32; i++)
        printf("v%u %016" PRIx64 "%016" PRIx64 "\n", i, (uint64_t)(fp->vregs[i] >> 64),
               (uint64_t)fp->vregs[i]);
    printf("signals %" PRIu64 "\nhash %016" PRIx64 "\n", signals, hash);
}

static void set_up(ucontext_t *context)
{
    struct fpsimd_context *fp = fp_of(context);
    mcontext_t *m = &context->uc_mcontext;
    const operands *o = &current.runs[run];

    memcpy(m->regs, o->x, sizeof(o->x));
    m->sp = o->sp;
    m->pc = current.start;
    m->pstate = (m->pstate & ~UINT64_C(0xf0000c00)) | o->nzcv; /* BTYPE is 0 */
    fp->fpcr = (uint32_t)o->fpcr;
    fp->fpsr = (uint32_t)o->fpsr;
    memcpy(fp->vregs, o->v, sizeof(o->v));
    hash = signals = 0;
}

/* The next run; ends the program behind the last one. */
static void go_on(ucontext_t *context)
{
    if (started && ++run < RUNS) {
        set_up(context);
        return;
    }
    started = true;
    run = 0;
    if (fread(&current, sizeof(current), 1, stdin) != 1) {
        if (ferror(stdin) || fflush(stdout))
            die("sequences or results");
        _exit(0);
    }
    fill_memory();
    set_up(context);
}

/* ---- signals ------------------------------------------------------------------------------------------------- */

static bool is_in(uint64_t address, uint64_t from, uint64_t to)
{
    return address >= from && address < to;
}

/* An access that crosses into a page that faults may have stored what is before it, or behind. */
static void clean_edges(void)
{
    memset((void *)(uintptr_t)(DATA_RO - LONGEST_ACCESS), 0, LONGEST_ACCESS);
    memset((void *)(uintptr_t)(DATA_RO + PAGE), 0, LONGEST_ACCESS);
    memset((void *)(uintptr_t)(DATA_NONE - LONGEST_ACCESS), 0, LONGEST_ACCESS);
    memset((void *)(uintptr_t)(DATA_NONE + PAGE), 0, LONGEST_ACCESS);
    memset((void *)(uintptr_t)(DATA_END - LONGEST_ACCESS), 0, LONGEST_ACCESS);
    memset((void *)DATA, 0, LONGEST_ACCESS);
}

/* What it was to load: registers at its Rt, which are unknown then. */
static void clean_results(ucontext_t *context, uint32_t word)
{
    struct fpsimd_context *fp = fp_of(context);

    if ((word & 0xbe000000) == 0x0c000000) /* structures */
        for (unsigned i = 0; i < 4; i++)
            fp->vregs[(word + i) & 31] = 0;
    if ((word & 0x3e400000) == 0x2c400000) /* pairs */
        fp->vregs[word & 31] = fp->vregs[word >> 10 & 31] = 0;
}

/* Of addresses that are far away QEMU does not know more than that. */
static void note(int number, uint64_t pc, uint64_t address)
{
    signals++;
    hash = mix(mix(mix(hash, (uint64_t)number), pc), address);
    if (showing)
        printf("signal %d at %" PRIx64 ", address %" PRIx64 "\n", number, pc, address);
}

static void on_signal(int number, siginfo_t *info, void *frame)
{
    ucontext_t *context = frame;
    mcontext_t *m = &context->uc_mcontext;
    bool in_code = is_in(m->pc, CODE, CODE_END - 3);
    uint32_t word = in_code ? *(const uint32_t *)(uintptr_t)m->pc : 0;

    __asm__ volatile("clrex");
    if (!started) {
        go_on(context);
        return;
    }
    if (number == SIGSEGV && in_code) {
        clean_edges();
        clean_results(context, word);
    }
    if (!(number == SIGTRAP && word == END_WORD))
        note(number, m->pc,
             is_in((uintptr_t)info->si_addr, RAM, DATA_END + PAGE) ? (uintptr_t)info->si_addr : 0);
    if (!in_code || word == END_WORD || signals == MOST_SIGNALS) {
        report(context);
        go_on(context);
    } else {
        m->pc += 4;
    }
}

int main(int argc, char **argv)
{
    static const int numbers[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL };
    static uint8_t stack[1 << 16];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    showing = argc > 1 && !strcmp(argv[1], "--show");
    make_memory();
    if (sigaltstack(&alternate, NULL))
        die("sigaltstack");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (sigaction(numbers[i], &action, NULL))
            die("sigaction");
    __asm__ volatile("brk #0");
    return 1;
}
