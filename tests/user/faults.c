/* Faults of each kind of access: all registers are what they were before the instruction, and the address is right, in straight
 * code and in loops, at ends of pages, behind the end of files, at addresses no program has, and with tags. */
#include "../../tools/insn-test/frame.h"
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096

/* What the code under test begins with, and ends with. */
static struct registers {
    uint64_t x[30]; /* to x29 */
    uint64_t v[64];
} now;

/* Registers, to memory or from there: those that a function keeps at sp; x2 to x29 at x0; vectors at x1, which moves on. */
__asm__(".macro kept op\n"
        "   \\op x19, x20, [sp, #16]\n   \\op x21, x22, [sp, #32]\n"
        "   \\op x23, x24, [sp, #48]\n   \\op x25, x26, [sp, #64]\n"
        "   \\op x27, x28, [sp, #80]\n   \\op d8, d9, [sp, #96]\n"
        "   \\op d10, d11, [sp, #112]\n   \\op d12, d13, [sp, #128]\n"
        "   \\op d14, d15, [sp, #144]\n"
        ".endm\n"
        ".macro general op\n"
        "   \\op x2, x3, [x0, #16]\n   \\op x4, x5, [x0, #32]\n"
        "   \\op x6, x7, [x0, #48]\n   \\op x8, x9, [x0, #64]\n"
        "   \\op x10, x11, [x0, #80]\n   \\op x12, x13, [x0, #96]\n"
        "   \\op x14, x15, [x0, #112]\n   \\op x16, x17, [x0, #128]\n"
        "   \\op x18, x19, [x0, #144]\n   \\op x20, x21, [x0, #160]\n"
        "   \\op x22, x23, [x0, #176]\n   \\op x24, x25, [x0, #192]\n"
        "   \\op x26, x27, [x0, #208]\n   \\op x28, x29, [x0, #224]\n"
        ".endm\n"
        ".macro vectors op\n"
        "   \\op {v0.2d, v1.2d, v2.2d, v3.2d}, [x1], #64\n"
        "   \\op {v4.2d, v5.2d, v6.2d, v7.2d}, [x1], #64\n"
        "   \\op {v8.2d, v9.2d, v10.2d, v11.2d}, [x1], #64\n"
        "   \\op {v12.2d, v13.2d, v14.2d, v15.2d}, [x1], #64\n"
        "   \\op {v16.2d, v17.2d, v18.2d, v19.2d}, [x1], #64\n"
        "   \\op {v20.2d, v21.2d, v22.2d, v23.2d}, [x1], #64\n"
        "   \\op {v24.2d, v25.2d, v26.2d, v27.2d}, [x1], #64\n"
        "   \\op {v28.2d, v29.2d, v30.2d, v31.2d}, [x1], #64\n"
        ".endm\n");

/* Calls code with all registers but x30 and sp from `now`, which gets them back. */
void run_with_registers(const void *code);
__asm__(".globl run_with_registers\n"
        "run_with_registers:\n"
        "   stp x29, x30, [sp, #-176]!\n"
        "   kept stp\n"
        "   mov x30, x0\n"
        "   adrp x0, now\n   add x0, x0, :lo12:now\n"
        "   add x1, x0, #240\n"
        "   vectors ld1\n"
        "   general ldp\n"
        "   ldp x0, x1, [x0]\n"
        "   blr x30\n"
        "   stp x0, x1, [sp, #160]\n"
        "   adrp x0, now\n   add x0, x0, :lo12:now\n"
        "   general stp\n"
        "   ldp x2, x3, [sp, #160]\n   stp x2, x3, [x0]\n"
        "   add x1, x0, #240\n"
        "   vectors st1\n"
        "   kept ldp\n"
        "   ldp x29, x30, [sp], #176\n   ret\n");

/* ---- the accesses ---------------------------------------------------------------------------------------- */

enum { STORES = 1, ALIGNED = 2 /* it must be */, PAIR = 4 };

/* The instruction's text, its bytes, what it does: by x1, without an offset in all. */
#define ACCESSES(ROW)                                                \
    ROW("ldr x0, [x1]", 8, 0)                                        \
    ROW("ldr x1, [x1]", 8, 0)                                        \
    ROW("ldr w2, [x1]", 4, 0)                                        \
    ROW("ldr x20, [x1]", 8, 0)                                       \
    ROW("ldrh w3, [x1]", 2, 0)                                       \
    ROW("ldrb w4, [x1]", 1, 0)                                       \
    ROW("ldrsb x5, [x1]", 1, 0)                                      \
    ROW("ldrsh w6, [x1]", 2, 0)                                      \
    ROW("ldrsw x7, [x1]", 4, 0)                                      \
    ROW("ldr x0, [x1, x2]", 8, 0)                                    \
    ROW("ldr x0, [x1], #8", 8, 0)                                    \
    ROW("ldr x0, [x1, #0]!", 8, 0)                                   \
    ROW("ldtr x0, [x1]", 8, 0)                                       \
    ROW("ldar x0, [x1]", 8, ALIGNED)                                 \
    ROW("ldxr x0, [x1]", 8, ALIGNED)                                 \
    ROW("ldaxr w0, [x1]", 4, ALIGNED)                                \
    ROW("ldxp x0, x2, [x1]", 16, ALIGNED)                            \
    ROW("ldp x0, x2, [x1]", 16, PAIR)                                \
    ROW("ldp x1, x2, [x1]", 16, PAIR)                                \
    ROW("ldp x2, x1, [x1]", 16, PAIR)                                \
    ROW("ldp w3, w4, [x1]", 8, PAIR)                                 \
    ROW("ldp x20, x21, [x1]", 16, PAIR)                              \
    ROW("ldp x20, x4, [x1]", 16, PAIR)                               \
    ROW("ldp x4, x20, [x1]", 16, PAIR)                               \
    ROW("ldpsw x5, x6, [x1]", 8, PAIR)                               \
    ROW("ldp x0, x2, [x1], #16", 16, PAIR)                           \
    ROW("ldr q0, [x1]", 16, 0)                                       \
    ROW("ldr d1, [x1]", 8, 0)                                        \
    ROW("ldr s2, [x1]", 4, 0)                                        \
    ROW("ldr h3, [x1]", 2, 0)                                        \
    ROW("ldr b4, [x1]", 1, 0)                                        \
    ROW("ldr q20, [x1], #16", 16, 0)                                 \
    ROW("ldp q0, q1, [x1]", 32, PAIR)                                \
    ROW("ldp q20, q1, [x1]", 32, PAIR)                               \
    ROW("ldp d8, d9, [x1]", 16, PAIR)                                \
    ROW("ld1r {v5.4s}, [x1]", 4, 0)                                  \
    ROW("ld1 {v5.s}[2], [x1]", 4, 0)                                 \
    ROW("ld1 {v5.16b, v6.16b, v7.16b, v8.16b}, [x1]", 64, PAIR)      \
    ROW("ld4 {v5.4s, v6.4s, v7.4s, v8.4s}, [x1]", 64, PAIR)          \
    ROW("ld3 {v5.8b, v6.8b, v7.8b}, [x1], #24", 24, PAIR)            \
    ROW("str x0, [x1]", 8, STORES)                                   \
    ROW("str x1, [x1]", 8, STORES)                                   \
    ROW("str xzr, [x1]", 8, STORES)                                  \
    ROW("str w2, [x1]", 4, STORES)                                   \
    ROW("strh w3, [x1]", 2, STORES)                                  \
    ROW("strb w4, [x1]", 1, STORES)                                  \
    ROW("str x0, [x1], #8", 8, STORES)                               \
    ROW("str x0, [x1, #0]!", 8, STORES)                              \
    ROW("sttr x0, [x1]", 8, STORES)                                  \
    ROW("stlr x0, [x1]", 8, STORES | ALIGNED)                        \
    ROW("stp x0, x2, [x1]", 16, STORES | PAIR)                       \
    ROW("stp x20, x21, [x1], #16", 16, STORES | PAIR)                \
    ROW("stp w0, w2, [x1]", 8, STORES | PAIR)                        \
    ROW("str q0, [x1]", 16, STORES)                                  \
    ROW("str d20, [x1]", 8, STORES)                                  \
    ROW("stp q0, q20, [x1]", 32, STORES | PAIR)                      \
    ROW("st1 {v5.s}[2], [x1]", 4, STORES)                            \
    ROW("st1 {v5.16b, v6.16b}, [x1]", 32, STORES | PAIR)             \
    ROW("st4 {v5.4s, v6.4s, v7.4s, v8.4s}, [x1]", 64, STORES | PAIR) \
    ROW("ldadd x0, x2, [x1]", 8, STORES | ALIGNED)                   \
    ROW("ldaddal w3, w4, [x1]", 4, STORES | ALIGNED)                 \
    ROW("ldclrb w3, w4, [x1]", 1, STORES)                            \
    ROW("ldeor x20, x21, [x1]", 8, STORES | ALIGNED)                 \
    ROW("ldsetal x5, x6, [x1]", 8, STORES | ALIGNED)                 \
    ROW("ldumax w5, w6, [x1]", 4, STORES | ALIGNED)                  \
    ROW("ldsmin x5, x6, [x1]", 8, STORES | ALIGNED)                  \
    ROW("stadd x5, [x1]", 8, STORES | ALIGNED)                       \
    ROW("swp x0, x2, [x1]", 8, STORES | ALIGNED)                     \
    ROW("swpalh w0, w2, [x1]", 2, STORES | ALIGNED)                  \
    ROW("cas x0, x2, [x1]", 8, STORES | ALIGNED)                     \
    ROW("casalb w0, w2, [x1]", 1, STORES)                            \
    ROW("casp x4, x5, x6, x7, [x1]", 16, STORES | ALIGNED)           \
    ROW("casp w4, w5, w6, w7, [x1]", 8, STORES | ALIGNED)            \
    ROW("dc zva, x1", 64, STORES | ALIGNED)

struct access {
    const char *text;
    uint32_t bytes, flags;
};
static const struct access accesses[] = {
#define ROW(text, bytes, flags) { text, bytes, flags },
    ACCESSES(ROW)
#undef ROW
};
enum { ACCESSES_COUNT = sizeof(accesses) / sizeof(accesses[0]) };

/* Each is two words: the instruction, and ret. */
extern const uint32_t codes[];
__asm__(".arch armv8.2-a+lse\n"
        ".balign 64\n"
        ".globl codes\n"
        "codes:\n"
#define ROW(text, bytes, flags) text "\n    ret\n"
        ACCESSES(ROW)
#undef ROW
            ".arch armv8-a\n");

/* ---- the handler ------------------------------------------------------------------------------------------ */

static siginfo_t seen;
static uint64_t seen_pc;
static struct registers at_fault;
static int count;

static void on_fault(int signal, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    const struct fpsimd_context *fp = fp_of(context);

    count++;
    seen = *info;
    seen_pc = context->uc_mcontext.pc;
    memcpy(at_fault.x, context->uc_mcontext.regs, sizeof(at_fault.x));
    memcpy(at_fault.v, fp->vregs, sizeof(at_fault.v));
    context->uc_mcontext.pc += 4;
}

static void fill(void *address)
{
    for (int i = 0; i < 30; i++)
        now.x[i] = 0x0101010101010101 * (uint64_t)(i + 1);
    for (int i = 0; i < 64; i++)
        now.v[i] = 0x0203050709111317 * (uint64_t)(i + 3);
    now.x[1] = (uint64_t)address;
    now.x[2] = 0; /* an index */
}

/* The access at `address` faults, and is told at `where`. */
static void faults(int i, void *address, const void *where, int signal, int code)
{
    struct registers before;
    bool ok;

    fill(address);
    before = now;
    count = 0;
    run_with_registers(&codes[2 * i]);
    ok = count == 1 && seen.si_signo == signal && seen.si_code == code && seen.si_addr == where &&
         seen_pc == (uint64_t)&codes[2 * i] && !memcmp(&before, &at_fault, sizeof(before)) &&
         !memcmp(&before, &now, sizeof(before));
    if (ok)
        return;
    printf("%s at %p: %d faults, signal %d, code %d, address %p (not %p)\n", accesses[i].text,
           address, count, seen.si_signo, seen.si_code, seen.si_addr, where);
    for (int k = 0; k < 30; k++)
        if (before.x[k] != at_fault.x[k])
            printf("x%d is 0x%lx, was 0x%lx\n", k, at_fault.x[k], before.x[k]);
    failures++;
}

static void works(int i, void *address)
{
    fill(address);
    count = 0;
    run_with_registers(&codes[2 * i]);
    if (count)
        printf("%s at %p faults\n", accesses[i].text, address);
    failures += count != 0;
}

/* ---- tests ------------------------------------------------------------------------------------------------- */

static char *map(size_t bytes, int prot)
{
    char *p = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

static void *tagged(void *p, uint64_t tag)
{
    return (void *)((uint64_t)p | tag << 56);
}

/* Whether it can lie on both sides of a page's end. */
static bool can_cross(int i)
{
    return !(accesses[i].flags & ALIGNED) && accesses[i].bytes > 1;
}

static void test_pages(void)
{
    char *p = map(4 * PAGE, PROT_READ | PROT_WRITE), *none = p + PAGE;

    CHECK(mprotect(none, PAGE, PROT_NONE) == 0);
    CHECK(mprotect(p + 2 * PAGE, PAGE, PROT_READ) == 0);
    for (int i = 0; i < ACCESSES_COUNT; i++) {
        const struct access *a = &accesses[i];

        works(i, p + 64);
        works(i, tagged(p + 128, 0x5a));
        faults(i, none + 64, none + 64, SIGSEGV, SEGV_ACCERR);
        faults(i, tagged(none + 64, 3), none + 64, SIGSEGV, SEGV_ACCERR);
        faults(i, NULL, NULL, SIGSEGV, SEGV_MAPERR);
        if (a->flags & STORES)
            faults(i, p + 2 * PAGE, p + 2 * PAGE, SIGSEGV, SEGV_ACCERR);
        else
            works(i, p + 2 * PAGE);
        if (!can_cross(i))
            continue;
        faults(i, none - a->bytes / 2, none, SIGSEGV, SEGV_ACCERR);
        faults(i, none - 1, none, SIGSEGV, SEGV_ACCERR);
        works(i, none - a->bytes);
    }
    munmap(p, 4 * PAGE);
}

/* What lies before `end` is there, and what lies behind it is not. */
static void test_end(char *end, int signal, int code)
{
    for (int i = 0; i < ACCESSES_COUNT; i++) {
        works(i, end - PAGE);
        faults(i, end + 64, end + 64, signal, code);
        if (can_cross(i))
            faults(i, end - 1, end, signal, code);
    }
}

/* A mapping that is not there is no mapping without permission. */
static void test_unmapped(void)
{
    char *p = map(2 * PAGE, PROT_READ | PROT_WRITE);

    munmap(p + PAGE, PAGE);
    test_end(p + PAGE, SIGSEGV, SEGV_MAPERR);
    munmap(p, PAGE);
}

static void test_far(void)
{
    static const uint64_t far[] = { UINT64_C(1) << 46, (UINT64_C(1) << 46) - 4096,
                                    UINT64_C(1) << 47, UINT64_C(1) << 48,
                                    UINT64_C(1) << 52, (UINT64_C(1) << 48) - 4096 };

    for (unsigned k = 0; k < sizeof(far) / sizeof(far[0]); k++)
        for (int i = 0; i < ACCESSES_COUNT; i++)
            faults(i, (void *)far[k], (void *)far[k], SIGSEGV, SEGV_MAPERR);
}

static void test_cut_file(void)
{
    int fd = open("cut", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *p;

    CHECK(ftruncate(fd, 2 * PAGE) == 0);
    p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    p[PAGE] = 1;
    CHECK(ftruncate(fd, PAGE) == 0);
    test_end(p + PAGE, SIGBUS, BUS_ADRERR);
    CHECK(ftruncate(fd, 2 * PAGE) == 0);
    CHECK(p[PAGE] == 0);
    munmap(p, 2 * PAGE);
    close(fd);
}

/* One address after the other, from one base, of which the first may be no address of programs. */
uint64_t several(const void *base, uint64_t *sum);
__asm__(".globl several\n"
        "several:\n"
        "   ldr x2, [x0]\n"
        "   ldr x3, [x0, #8]\n"
        "   ldr x4, [x0, #16]!\n"
        "   ldp x5, x6, [x0, #-8]\n"
        "   ldr x7, [x0], #-16\n"
        "   add x2, x2, x3\n   add x2, x2, x4\n   add x2, x2, x5\n   add x2, x2, x6\n   add x2, "
        "x2, x7\n"
        "   str x2, [x1]\n"
        "   ret\n");

static void test_several(void)
{
    uint64_t *p = (void *)map(PAGE, PROT_READ | PROT_WRITE), sum = 0;

    for (int i = 0; i < 4; i++)
        p[i] = (uint64_t)1 << 8 * i;
    for (int round = 0; round < 100; round++) {
        count = 0;
        CHECK((several(p, &sum), sum) == p[0] + 2 * p[1] + 3 * p[2]);
        CHECK(several(tagged(p, 7), tagged(&sum, 9)) == (uint64_t)tagged(p, 7));
        CHECK(sum == p[0] + 2 * p[1] + 3 * p[2] && count == 0);
        several((void *)(UINT64_C(1) << 60 | UINT64_C(1) << 50), &sum);
        CHECK(count == 5 && seen.si_addr == (void *)(UINT64_C(1) << 50));
    }
    munmap(p, PAGE);
}

/* ---- loops -------------------------------------------------------------------------------------------------- */

static volatile int loop_faults;
static char *loop_page;

/* Permit what was refused, and have it done again. */
static void on_loop(int signal, siginfo_t *info, void *opaque)
{
    const ucontext_t *context = opaque;

    loop_faults++;
    CHECK(info->si_addr == loop_page);
    CHECK(context->uc_mcontext.regs[0] == (uint64_t)loop_page);
    CHECK(mprotect(loop_page, PAGE, PROT_READ | PROT_WRITE) == 0);
}

/* x0: address, x1: rounds; the sum of all of it, with much in registers meanwhile. */
uint64_t sum_loop(const void *from, uint64_t rounds);
uint64_t store_loop(void *to, uint64_t rounds);
__asm__(".macro loop name, access:vararg\n"
        ".globl \\name\n"
        "\\name:\n"
        "   mov x2, #0\n   mov x3, #1\n   mov x4, #2\n   mov x5, x3\n"
        "1: \\access, [x0], #8\n"
        "   add x2, x2, x5\n   add x3, x3, x2\n   eor x4, x4, x3\n"
        "   subs x1, x1, #1\n   b.ne 1b\n"
        "   add x0, x2, x3\n   add x0, x0, x4\n   ret\n"
        ".endm\n"
        "   loop sum_loop, ldr x5\n"
        "   loop store_loop, str x3\n");

static void test_loops(void)
{
    enum { PAGES = 64, WORDS = PAGES * PAGE / 8 };
    struct sigaction action = { .sa_sigaction = on_loop, .sa_flags = SA_SIGINFO }, old;
    char *p = map(PAGES * PAGE, PROT_READ | PROT_WRITE);
    uint64_t loads, stores;

    stores = store_loop(p, WORDS);
    loads = sum_loop(p, WORDS);
    CHECK(sigaction(SIGSEGV, &action, &old) == 0);
    loop_faults = 0;
    for (int round = 0; round < 200; round++) {
        loop_page = p + (round % PAGES) * PAGE;
        CHECK(mprotect(loop_page, PAGE, round & 1 ? PROT_NONE : PROT_READ) == 0);
        CHECK(store_loop(p, WORDS) == stores && loop_faults == 2 * round + 1);
        CHECK(mprotect(loop_page, PAGE, PROT_NONE) == 0);
        CHECK(sum_loop(p, WORDS) == loads && loop_faults == 2 * round + 2);
    }
    CHECK(sigaction(SIGSEGV, &old, NULL) == 0);
    munmap(p, PAGES * PAGE);
}

/* ---- flags -------------------------------------------------------------------------------------------------- */

#define FLAGS UINT64_C(0xf0000000)

static uint64_t flags_at_fault;

static void on_flags(int signal, siginfo_t *info, void *opaque)
{
    flags_at_fault = ((const ucontext_t *)opaque)->uc_mcontext.pstate & FLAGS;
    on_loop(signal, info, opaque);
}

/* NZCV of what a row does with x1 and x2, which has to last over an access. Behind another one beside it nothing is asked about
 * its address; alone it is, and the host's flags are needed for that. */
#define FLAG_ROWS                                               \
    ROW(cmp, SUB, 64, "cmp x1, x2", "str x1")                   \
    ROW(cmn, ADD, 64, "cmn x1, x2", "str x1")                   \
    ROW(load, SUB, 64, "cmp x1, x2", "ldr x3")                  \
    ROW(narrow, SUB, 32, "cmp w1, w2", "ldr x3")                \
    ROW(narrow_sum, ADD, 32, "cmn w1, w2", "ldr x3")            \
    ROW(test, AND, 64, "tst x1, x2", "ldr x3")                  \
    ROW(narrow_test, AND, 32, "tst w1, w2", "ldr x3")           \
    ROW(in_place, SUB, 64, "subs x1, x1, x2", "ldr x3")         \
    ROW(sum_in_place, ADD, 32, "adds w1, w1, w2", "ldr x3")     \
    ROW(both, AND, 64, "ands x1, x1, x2", "ldr x3")             \
    ROW(one, SUB_ONE, 64, "cmp x1, #1", "ldr x3")               \
    ROW(one_in_place, SUB_ONE, 32, "subs w1, w1, #1", "ldr x3") \
    ROW(plus_one, ADD_ONE, 64, "adds x1, x1, #1", "ldr x3")     \
    ROW(lost, SUB, 64, "cmp x1, x2\n mov x1, #0\n mov x2, #0", "ldr x3")

typedef uint64_t flags_function(void *p, uint64_t a, uint64_t b);
#define ROW(name, kind, bits, text, access) flags_function alone_##name, beside_##name;
FLAG_ROWS
#undef ROW
#define ONE(name, before, text, access) \
    ".globl " name "\n" name ":\n" before text "\n" access ", [x0]\n mrs x0, nzcv\n ret\n"
#define ROW(name, kind, bits, text, access)                   \
    ONE("beside_" #name, "str x1, [x0, #-8]\n", text, access) \
    ONE("alone_" #name, "", text, access)
__asm__(FLAG_ROWS);
#undef ROW

enum { SUB, ADD, AND, SUB_ONE, ADD_ONE };

static const struct {
    flags_function *functions[2];
    uint32_t kind, bits;
} flag_rows[] = {
#define ROW(name, kind, bits, text, access) { { alone_##name, beside_##name }, kind, bits },
    FLAG_ROWS
#undef ROW
};

static uint64_t flags_of(uint32_t kind, uint32_t bits, uint64_t a, uint64_t b)
{
    uint64_t mask = bits == 32 ? UINT32_MAX : UINT64_MAX, top = UINT64_C(1) << (bits - 1), r;
    bool adds = kind == ADD || kind == ADD_ONE, c = false, v = false;

    b = (kind == SUB_ONE || kind == ADD_ONE ? 1 : b) & mask;
    a &= mask;
    r = (kind == AND ? a & b : adds ? a + b : a - b) & mask;
    if (kind != AND) {
        c = adds ? r < a : a >= b;
        v = (adds ? ~(a ^ b) : a ^ b) & (a ^ r) & top;
    }
    return (r & top ? UINT64_C(1) << 31 : 0) | (r ? 0 : 1 << 30) | (c ? 1 << 29 : 0) |
           (v ? 1 << 28 : 0);
}

static void test_flags(void)
{
    static const uint64_t numbers[] = {
        0,         1, 2, INT32_MAX, (uint32_t)INT32_MIN, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN,
        UINT64_MAX
    };
    enum { NUMBERS = sizeof(numbers) / sizeof(*numbers), EACH = 2 * NUMBERS * NUMBERS };
    struct sigaction action = { .sa_sigaction = on_flags, .sa_flags = SA_SIGINFO }, old;
    char *p = map(2 * PAGE, PROT_READ | PROT_WRITE);

    CHECK(sigaction(SIGSEGV, &action, &old) == 0);
    loop_page = p + PAGE;
    for (size_t i = 0; i < EACH * sizeof(flag_rows) / sizeof(*flag_rows); i++) {
        uint64_t a = numbers[i / NUMBERS % NUMBERS], b = numbers[i % NUMBERS];
        flags_function *function = flag_rows[i / EACH].functions[i / NUMBERS / NUMBERS % 2];
        uint64_t expected = flags_of(flag_rows[i / EACH].kind, flag_rows[i / EACH].bits, a, b);

        CHECK(function(loop_page, a, b) == expected);
        CHECK(mprotect(loop_page, PAGE, PROT_NONE) == 0);
        flags_at_fault = 0;
        CHECK(function(loop_page, a, b) == expected);
        CHECK(flags_at_fault == expected);
    }
    CHECK(sigaction(SIGSEGV, &old, NULL) == 0);
    munmap(p, 2 * PAGE);
}

/* Two branches on the same flags in a loop, with what they were made from changed in between; what both lead to has them looked at, in the
 * last round, by an access to `bad`. */
void flags_twice(const void *bad, int64_t a, int64_t b, const void *good, uint64_t rounds);
__asm__(".globl flags_twice\n"
        "flags_twice:\n"
        "   mov x9, x1\n"
        "1: subs x4, x4, #1\n"
        "   csel x3, x0, x3, eq\n"
        "   and x1, x9, #0xff\n"
        "   cmp x1, x2\n"
        "   b.eq 2f\n"
        "   mov x1, #5\n"
        "   b.gt 2f\n"
        "   add x5, x5, #1\n"
        "   b 1b\n"
        "2: ldr x6, [x3]\n"
        "   cmp x6, x4\n"
        "   cbnz x4, 1b\n"
        "   ret\n");

static void test_flags_of_two(void)
{
    struct sigaction action = { .sa_sigaction = on_flags, .sa_flags = SA_SIGINFO }, old;
    char *p = map(2 * PAGE, PROT_READ | PROT_WRITE);

    CHECK(sigaction(SIGSEGV, &action, &old) == 0);
    loop_page = p + PAGE;
    for (unsigned i = 0; i < 8; i++) {
        int64_t a = i % 2 ? 9 : 7;

        CHECK(mprotect(loop_page, PAGE, PROT_NONE) == 0);
        flags_at_fault = 0;
        flags_twice(loop_page, a, 7, p, i < 6 ? 2 + i : 1000000);
        CHECK(flags_at_fault == flags_of(SUB, 64, (uint64_t)a, 7));
    }
    CHECK(sigaction(SIGSEGV, &old, NULL) == 0);
    munmap(p, 2 * PAGE);
}

/* ---- ways out with a condition --------------------------------------------------------------------------------- */

/* x0 < x1 as a number, which is in a register that units do not keep where the unit is left, behind something else there. */
uint64_t less(uint64_t a, uint64_t b);
uint64_t less_in_loop(uint64_t a, uint64_t b);
__asm__(".globl less\n"
        "less:\n"
        "   mov x15, #-1\n"
        "   cmp x0, x1\n"
        "   cset x15, lt\n"
        "   b.lt 1f\n"
        "   mov x0, #0\n"
        "   ret\n"
        "   .skip 64\n"
        "1: mov x0, x15\n"
        "   ret\n"
        ".globl less_in_loop\n"
        "less_in_loop:\n"
        "   mov x2, #9\n"
        "2: mov x15, #-1\n"
        "   cmp x0, x1\n"
        "   cset w15, lt\n"
        "   b.lt 1f\n"
        "   subs x2, x2, #1\n"
        "   b.ne 2b\n"
        "1: mov x0, x15\n"
        "   ret\n");

static void test_conditions(void)
{
    uint64_t (*volatile functions[])(uint64_t, uint64_t) = { less, less_in_loop };

    for (uint32_t i = 0; i < 24; i++)
        CHECK(functions[i % 2](i / 2 % 3, i / 6 % 2) == (i / 2 % 3 < i / 6 % 2));
}

/* ---- a stack pointer that is no multiple of 16 ------------------------------------------------------------------ */

/* Each of them moves sp by x0 in some way and accesses memory by it, at NAME_access; sp is right again behind NAME_end. */
#define ODD(name, code)                                                                   \
    extern const char name##_access[];                                                    \
    void name(uint64_t by, uint64_t rounds);                                              \
    __asm__(".globl " #name "\n" #name ":\n"                                              \
            "   mov x9, sp\n   mov x13, x30\n   sub sp, sp, #256\n" code "odd_end_" #name \
            ": mov sp, x9\n   ret x13\n")
#define ACCESS(name) #name "_access: ldr x10, [sp]\n"

ODD(by_register, "   sub sp, sp, x0\n" ACCESS(by_register));
ODD(by_move, "   mov x10, sp\n   sub x10, x10, x0\n   mov sp, x10\n" ACCESS(by_move));
ODD(by_mask, "   sub x10, x9, x0\n   and sp, x10, #0xfffffffffffffffc\n" ACCESS(by_mask));
ODD(by_post_index, "   ldr x10, [sp], #8\n" ACCESS(by_post_index));
ODD(by_pair, "   stp x10, x11, [sp, #-24]!\n" ACCESS(by_pair));
ODD(by_vector, "   ld1 {v16.2d}, [sp], x0\n" ACCESS(by_vector));
ODD(by_store, "   sub sp, sp, x0\nby_store_access: stp x9, x13, [sp, #-16]!\n");
/* An odd sp that nothing is accessed by does no harm: two times eight are sixteen. */
ODD(by_halves,
    "   lsr x0, x0, #1\n   sub sp, sp, x0\n   add x11, sp, #1\n   sub sp, sp, x0\n" ACCESS(
        by_halves));
/* In what is called. */
ODD(by_caller, "   sub sp, sp, x0\n   bl 1f\n   b odd_end_by_caller\n1: add x11, x11, #1\n" ACCESS(
                   by_caller) "   ret\n");
/* The same code again and again, at first with 16. */
ODD(by_rounds, "   mov x12, #16\n"
               "1: subs x1, x1, #1\n   csel x12, x0, x12, eq\n   sub sp, sp, x12\n" ACCESS(
                   by_rounds) "   add sp, sp, x12\n   cbnz x1, 1b\n");

static const struct odd {
    void (*run)(uint64_t by, uint64_t rounds);
    const char *access;
    bool always; /* whatever it is moved by */
} odd[] = {
    { by_register, by_register_access }, { by_move, by_move_access },
    { by_mask, by_mask_access },         { by_post_index, by_post_index_access, true },
    { by_pair, by_pair_access, true },   { by_vector, by_vector_access },
    { by_store, by_store_access },       { by_halves, by_halves_access },
    { by_caller, by_caller_access },     { by_rounds, by_rounds_access },
};
static const struct odd *volatile odd_now;
static volatile int odd_met;

/* Goes on with sp as it was, at the end of the function: x13 is where it returns to. */
static void on_odd(int signal, siginfo_t *info, void *opaque)
{
    mcontext_t *m = &((ucontext_t *)opaque)->uc_mcontext;

    odd_met++;
    CHECK(signal == SIGBUS && info->si_code == BUS_ADRALN);
    CHECK(m->pc == (uintptr_t)odd_now->access && m->sp % 16 != 0);
    m->sp = m->regs[9];
    m->pc = m->regs[13];
}

static void test_stack_pointer(void)
{
    struct sigaction action = { .sa_sigaction = on_odd, .sa_flags = SA_SIGINFO }, old;
    int expected = 0;

    CHECK(sigaction(SIGBUS, &action, &old) == 0);
    for (unsigned i = 0; i < 20 * sizeof(odd) / sizeof(odd[0]); i++) {
        bool halves;

        odd_now = &odd[i / 20];
        halves = odd_now->run == by_halves;
        /* By 16, and by what is none; halves of 16 are 8. */
        odd_now->run(i % 2 && !halves ? 8 : i % 2 ? 24 : 16, i % 20 < 18 ? 3 : 100000);
        expected += i % 2 || odd_now->always;
        CHECK(odd_met == expected);
    }
    CHECK(sigaction(SIGBUS, &old, NULL) == 0);
}

/* ---- signals that somebody sends ------------------------------------------------------------------------------ */

static volatile int sent;

static void on_sent(int signal, siginfo_t *info, void *opaque)
{
    sent += info->si_code <= 0;
}

/* SIGSEGV that is sent can be blocked, while memory faults all the time. */
static void test_sent(void)
{
    struct sigaction action = { .sa_sigaction = on_sent, .sa_flags = SA_SIGINFO }, old;
    sigset_t set;

    CHECK(sigaction(SIGSEGV, &action, &old) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    CHECK(raise(SIGSEGV) == 0 && sent == 1);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGSEGV) == 0 && sent == 1);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && sent == 2);
    CHECK(signal(SIGSEGV, SIG_IGN) != SIG_ERR && raise(SIGSEGV) == 0 && sent == 2);
    CHECK(sigaction(SIGSEGV, &old, NULL) == 0);
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
    test_pages();
    test_unmapped();
    test_far();
    if (argc > 1 && !strcmp(argv[1], "exact")) /* else it is told late */
        test_cut_file();
    test_several();
    test_loops();
    test_flags();
    test_flags_of_two();
    test_conditions();
    test_stack_pointer();
    test_sent();
    return done("faults");
}
