/*
 * SSE, FMA, F16C and x87 instructions of an x86-64 host against our functions under x86 rules:
 * results, NaNs, flags, MXCSR's DAZ and FTZ, the x87's precision control and C1. On other hosts
 * there is nothing to run.
 */
#include "call.h"
#include "ref.h"
#include "../runner.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <string.h>

enum { CASES = 200000 };

/* IE DE ZE OE UE PE of MXCSR and of the x87 status word */
static uint32_t flags_of(unsigned status)
{
    static const uint32_t flag[] = { PB_FP_INVALID,  PB_FP_INPUT_DENORMAL, PB_FP_DIVZERO,
                                     PB_FP_OVERFLOW, PB_FP_UNDERFLOW,      PB_FP_INEXACT };
    uint32_t flags = 0;

    for (int i = 0; i < 6; i++)
        flags |= status >> i & 1 ? flag[i] : 0;
    return flags;
}

/* Rounding control, both in MXCSR and in the control word: nearest, down, up, zero */
static unsigned rounding_control(const pb_fp_env *env)
{
    static const uint8_t rc[] = {
        [PB_FP_NEAREST_EVEN] = 0, [PB_FP_DOWN] = 1, [PB_FP_UP] = 2, [PB_FP_TO_ZERO] = 3
    };

    return rc[env->round];
}

/* ---- SSE ---- */

/* name: a function that runs one instruction on xmm0 (first source and result), xmm1, xmm2 and rax
 * (0 before) under an MXCSR; it returns xmm0, rax in *rax, and changes *mxcsr. */
#define INSN(name, text)                                                                        \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t *rax, uint32_t *mxcsr)    \
    {                                                                                           \
        uint64_t result, gpr = *rax;                                                            \
        uint32_t ours;                                                                          \
                                                                                                \
        __asm__ volatile("stmxcsr %[ours]\n\tldmxcsr %[mxcsr]\n\t"                              \
                         "movq %[a], %%xmm0\n\tmovq %[b], %%xmm1\n\tmovq %[c], %%xmm2\n\t" text \
                         "\n\tstmxcsr %[mxcsr]\n\tldmxcsr %[ours]\n\tmovq %%xmm0, %[result]"    \
                         : [result] "=r"(result),                                               \
                           "+a"(gpr), [mxcsr] "+m"(*mxcsr), [ours] "=m"(ours)                   \
                         : [a] "r"(a), [b] "r"(b), [c] "r"(c)                                   \
                         : "xmm0", "xmm1", "xmm2", "cc", "memory");                             \
        *rax = gpr;                                                                             \
        return result;                                                                          \
    }

INSN(addss, "addss %%xmm1, %%xmm0")
INSN(subss, "subss %%xmm1, %%xmm0")
INSN(mulss, "mulss %%xmm1, %%xmm0")
INSN(divss, "divss %%xmm1, %%xmm0")
INSN(sqrtss, "sqrtss %%xmm0, %%xmm0")
INSN(minss, "minss %%xmm1, %%xmm0")
INSN(maxss, "maxss %%xmm1, %%xmm0")
INSN(addsd, "addsd %%xmm1, %%xmm0")
INSN(subsd, "subsd %%xmm1, %%xmm0")
INSN(mulsd, "mulsd %%xmm1, %%xmm0")
INSN(divsd, "divsd %%xmm1, %%xmm0")
INSN(sqrtsd, "sqrtsd %%xmm0, %%xmm0")
INSN(minsd, "minsd %%xmm1, %%xmm0")
INSN(maxsd, "maxsd %%xmm1, %%xmm0")
INSN(cvtss2sd, "cvtss2sd %%xmm0, %%xmm0")
INSN(cvtsd2ss, "cvtsd2ss %%xmm0, %%xmm0")
INSN(roundsd, "roundsd $4, %%xmm0, %%xmm0")
INSN(roundss, "roundss $12, %%xmm0, %%xmm0")
INSN(vfmadd, "vfmadd213sd %%xmm2, %%xmm1, %%xmm0")
INSN(vfnmsub, "vfnmsub213ss %%xmm2, %%xmm1, %%xmm0")
INSN(vcvtps2ph, "vcvtps2ph $4, %%xmm0, %%xmm0")
INSN(vcvtph2ps, "vcvtph2ps %%xmm0, %%xmm0")
INSN(comisd, "comisd %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
INSN(ucomiss, "ucomiss %%xmm1, %%xmm0\n\tlahf\n\tmovq %%rax, %%xmm0")
INSN(cvtsd2si, "cvtsd2si %%xmm0, %%eax\n\tmovq %%rax, %%xmm0")
INSN(cvttss2si, "cvttss2si %%xmm0, %%rax\n\tmovq %%rax, %%xmm0")
INSN(cvtsi2ss, "cvtsi2ssl %k[a], %%xmm0")

/* ZF, PF and CF as LAHF gives them, in AH: SDM volume 2, COMISD */
static uint64_t lahf(int order)
{
    static const uint8_t flags[] = { 0x01, 0x40, 0x00, 0x45 };

    return (uint64_t)(flags[order + 1] | 2) << 8;
}

/* ROUNDSx and conversions to integer raise no DE; see pb_fp_rules.denormal_flags. */
static uint64_t our_result(int insn, uint64_t a, uint64_t b, uint64_t c, pb_fp_env *env)
{
    switch (insn) {
    case 0:
        return pb_f32_add((uint32_t)a, (uint32_t)b, env);
    case 1:
        return pb_f32_sub((uint32_t)a, (uint32_t)b, env);
    case 2:
        return pb_f32_mul((uint32_t)a, (uint32_t)b, env);
    case 3:
        return pb_f32_div((uint32_t)a, (uint32_t)b, env);
    case 4:
        return pb_f32_sqrt((uint32_t)a, env);
    case 5:
        return pb_x86_f32_min((uint32_t)a, (uint32_t)b, env);
    case 6:
        return pb_x86_f32_max((uint32_t)a, (uint32_t)b, env);
    case 7:
        return pb_f64_add(a, b, env);
    case 8:
        return pb_f64_sub(a, b, env);
    case 9:
        return pb_f64_mul(a, b, env);
    case 10:
        return pb_f64_div(a, b, env);
    case 11:
        return pb_f64_sqrt(a, env);
    case 12:
        return pb_x86_f64_min(a, b, env);
    case 13:
        return pb_x86_f64_max(a, b, env);
    case 14:
        return pb_f32_to_f64((uint32_t)a, env);
    case 15:
        return pb_f64_to_f32(a, env);
    case 16:
        return pb_f64_round_int(a, env->round, true, env);
    case 17:
        return pb_f32_round_int((uint32_t)a, env->round, false, env);
    case 18:
        return pb_f64_fma(b, a, c, 0, env); /* form 213: second operand * first + third */
    case 19:
        return pb_f32_fma((uint32_t)b, (uint32_t)a, (uint32_t)c,
                          PB_FP_NEG_PRODUCT | PB_FP_NEG_ADDEND, env);
    case 20:
        return pb_f32_to_f16((uint32_t)a, env);
    case 21:
        return pb_f16_to_f32((uint16_t)a, env);
    case 22:
        return lahf(pb_f64_compare_signalling(a, b, env));
    case 23:
        return lahf(pb_f32_compare((uint32_t)a, (uint32_t)b, env));
    case 24:
        return (uint32_t)pb_f64_to_int(a, 32, 0, env->round, env);
    case 25:
        return (uint64_t)pb_f32_to_int((uint32_t)a, 64, 0, PB_FP_TO_ZERO, env);
    default:
        return pb_f32_from_int((int32_t)a, 0, env);
    }
}

static const struct sse_insn {
    const char *name;
    uint64_t (*run)(uint64_t a, uint64_t b, uint64_t c, uint64_t *rax, uint32_t *mxcsr);
    ref_fmt from, to;
    const char *needs; /* a feature of the processor */
} sse_insns[] = {
    { "addss", addss, F32, F32, NULL },
    { "subss", subss, F32, F32, NULL },
    { "mulss", mulss, F32, F32, NULL },
    { "divss", divss, F32, F32, NULL },
    { "sqrtss", sqrtss, F32, F32, NULL },
    { "minss", minss, F32, F32, NULL },
    { "maxss", maxss, F32, F32, NULL },
    { "addsd", addsd, F64, F64, NULL },
    { "subsd", subsd, F64, F64, NULL },
    { "mulsd", mulsd, F64, F64, NULL },
    { "divsd", divsd, F64, F64, NULL },
    { "sqrtsd", sqrtsd, F64, F64, NULL },
    { "minsd", minsd, F64, F64, NULL },
    { "maxsd", maxsd, F64, F64, NULL },
    { "cvtss2sd", cvtss2sd, F32, F64, NULL },
    { "cvtsd2ss", cvtsd2ss, F64, F32, NULL },
    { "roundsd", roundsd, F64, F64, "sse4.1" },
    { "roundss without PE", roundss, F32, F32, "sse4.1" },
    { "vfmadd213sd", vfmadd, F64, F64, "fma" },
    { "vfnmsub213ss", vfnmsub, F32, F32, "fma" },
    { "vcvtps2ph", vcvtps2ph, F32, F16, "f16c" },
    { "vcvtph2ps", vcvtph2ps, F16, F32, "f16c" },
    { "comisd", comisd, F64, F64, NULL },
    { "ucomiss", ucomiss, F32, F64, NULL },
    { "cvtsd2si 32", cvtsd2si, F64, F64, NULL },
    { "cvttss2si 64", cvttss2si, F32, F64, NULL },
    { "cvtsi2ss 32", cvtsi2ss, F32, F32, NULL },
};

/* Compilers differ in the features that __builtin_cpu_supports knows: only AVX, for the operating
 * system's part, is asked there. */
static bool host_has(const char *needs)
{
    unsigned eax, ebx, ecx = 0, edx;

    if (!needs)
        return true;
    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    if (strcmp(needs, "sse4.1") == 0)
        return ecx & bit_SSE4_1;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx") &&
           (ecx & (strcmp(needs, "fma") == 0 ? bit_FMA : bit_F16C));
}

static pb_fp_env random_sse_env(void)
{
    pb_fp_env env = { .rules = pb_fp_rules_x86(), .round = ref_random() % 4 };

    env.rules.flush_in = ref_random() % 4 == 0;
    env.rules.flush_out = ref_random() % 4 == 0;
    return env;
}

static int sse_one(int i)
{
    const struct sse_insn *insn = &sse_insns[i];
    pb_fp_env before = random_sse_env(), env = before;
    uint32_t mxcsr = 0x1f80u | rounding_control(&env) << 13;
    uint64_t rax = 0;
    bits x = ref_operand(insn->from, NULL), y = ref_operand(insn->from, &x);
    bits raw[3] = { x, y, ref_operand(insn->from, &y) };
    ref_result want;
    uint64_t got;

    mxcsr |= env.rules.flush_in ? 0x40 : 0;
    mxcsr |= env.rules.flush_out ? 0x8000 : 0;
    want.bits = insn->run((uint64_t)raw[0], (uint64_t)raw[1], (uint64_t)raw[2], &rax, &mxcsr);
    if (insn->to != F64)
        want.bits &= insn->to == F16 ? 0xffff : 0xffffffff;
    want.flags = flags_of(mxcsr);
    got = our_result(i, (uint64_t)raw[0], (uint64_t)raw[1], (uint64_t)raw[2], &env);
    return !ref_same(insn->name, insn->from, insn->to, raw, 3, &before, want, got,
                     env.flags & PB_FP_IEEE_FLAGS);
}

static void test_sse(void)
{
    int wrong = 0;

    for (size_t i = 0; i < sizeof(sse_insns) / sizeof(sse_insns[0]); i++) {
        long cases = host_has(sse_insns[i].needs) ? ref_cases(CASES) : 0;

        for (long n = cases; n > 0; n--)
            wrong += sse_one((int)i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- x87 ---- */

typedef struct x87_words {
    uint16_t control, status;
} x87_words;

/* name: a function that runs instructions on st(0) = a and st(1) = b, result in st(0) (`load` loads
 * them and `store` stores it). */
#define X87(name, load, text, store)                                                          \
    static void name(const void *a, const void *b, void *result, x87_words *w)                \
    {                                                                                         \
        __asm__ volatile(                                                                     \
            "fninit\n\tfldcw %[cw]\n\t" load text "\n\tfnstsw %[sw]\n\t" store "\n\tfninit"   \
            : [sw] "=m"(w->status)                                                            \
            : [cw] "m"(w->control), [a] "r"(a), [b] "r"(b), [r] "r"(result)                   \
            : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "memory"); \
    }
#define LOAD2 "fldt (%[b])\n\tfldt (%[a])\n\tfnclex\n\t"
#define STORE "fstpt (%[r])"

X87(x87_add, LOAD2, "fadd %%st(1), %%st(0)", STORE)
X87(x87_sub, LOAD2, "fsub %%st(1), %%st(0)", STORE)
X87(x87_mul, LOAD2, "fmul %%st(1), %%st(0)", STORE)
X87(x87_div, LOAD2, "fdiv %%st(1), %%st(0)", STORE)
X87(x87_sqrt, LOAD2, "fsqrt", STORE)
X87(x87_rndint, LOAD2, "frndint", STORE)
X87(x87_fst32, LOAD2, "fstps (%[r])", "")
X87(x87_fst64, LOAD2, "fstpl (%[r])", "")
X87(x87_fld32, "", "flds (%[a])", STORE)
X87(x87_fld64, "", "fldl (%[a])", STORE)
X87(x87_fist16, LOAD2, "fistps (%[r])", "")
X87(x87_fist32, LOAD2, "fistpl (%[r])", "")
X87(x87_fist64, LOAD2, "fistpll (%[r])", "")
X87(x87_fild64, "", "fildll (%[a])", STORE)
X87(x87_com, LOAD2, "fcom %%st(1)", "")
X87(x87_ucom, LOAD2, "fucom %%st(1)", "")

/* The same, repeated until C2 is clear: the status words of the first and of all steps. */
#define X87_REM(name, text)                                                                       \
    static void name(const void *a, const void *b, void *result, uint16_t *first, uint16_t *last) \
    {                                                                                             \
        __asm__ volatile("fninit\n\t" LOAD2 text "\n\tfnstsw %[first]\n"                          \
                         "1:\tfnstsw %%ax\n\ttestb $4, %%ah\n\tjz 2f\n\t" text                    \
                         "\n\tjmp 1b\n2:\tfnstsw %[last]\n\t" STORE "\n\tfninit"                  \
                         : [first] "=m"(*first), [last] "=m"(*last)                               \
                         : [a] "r"(a), [b] "r"(b), [r] "r"(result)                                \
                         : "rax", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",        \
                           "st(6)", "st(7)", "memory");                                           \
    }

X87_REM(x87_rem, "fprem")
X87_REM(x87_rem1, "fprem1")

static bits our_x87(int insn, bits a, bits b, pb_fp_env *env)
{
    pb_f80 x = as_f80(a), y = as_f80(b);

    switch (insn) {
    case 0:
        return of_f80(pb_f80_add(x, y, env));
    case 1:
        return of_f80(pb_f80_sub(x, y, env));
    case 2:
        return of_f80(pb_f80_mul(x, y, env));
    case 3:
        return of_f80(pb_f80_div(x, y, env));
    case 4:
        return of_f80(pb_f80_sqrt(x, env));
    case 5:
        return of_f80(pb_f80_round_int(x, env->round, true, env));
    case 6:
        return pb_f80_to_f32(x, env);
    case 7:
        return pb_f80_to_f64(x, env);
    case 8:
        return of_f80(pb_f32_to_f80((uint32_t)a, env));
    case 9:
        return of_f80(pb_f64_to_f80((uint64_t)a, env));
    case 10:
        return (uint16_t)pb_f80_to_int(x, 16, 0, env->round, env);
    case 11:
        return (uint32_t)pb_f80_to_int(x, 32, 0, env->round, env);
    case 12:
        return (uint64_t)pb_f80_to_int(x, 64, 0, env->round, env);
    case 13:
        return of_f80(pb_f80_from_int((int64_t)a, 0, env));
    case 14:
        return (bits)(unsigned)pb_f80_compare_signalling(x, y, env);
    default:
        return (bits)(unsigned)pb_f80_compare(x, y, env);
    }
}

static const struct x87_insn {
    const char *name;
    void (*run)(const void *a, const void *b, void *result, x87_words *w);
    ref_fmt from, to;
    bool compares;
    bool rounds; /* C1 tells whether the result was rounded up */
} x87_insns[] = {
    { "fadd", x87_add, F80, F80, false, true },
    { "fsub", x87_sub, F80, F80, false, true },
    { "fmul", x87_mul, F80, F80, false, true },
    { "fdiv", x87_div, F80, F80, false, true },
    { "fsqrt", x87_sqrt, F80, F80, false, true },
    { "frndint", x87_rndint, F80, F80, false, false },
    { "fst m32", x87_fst32, F80, F32, false, true },
    { "fst m64", x87_fst64, F80, F64, false, true },
    { "fld m32", x87_fld32, F32, F80, false, false },
    { "fld m64", x87_fld64, F64, F80, false, false },
    { "fist m16", x87_fist16, F80, F16, false, false },
    { "fist m32", x87_fist32, F80, F32, false, false },
    { "fist m64", x87_fist64, F80, F64, false, false },
    { "fild m64", x87_fild64, F64, F80, false, false },
    { "fcom", x87_com, F80, F80, true, false },
    { "fucom", x87_ucom, F80, F80, true, false },
};

/* C3, C2, C0 of the status word as an order */
static int order_of(uint16_t status)
{
    if (status & 0x0400)
        return PB_FP_UNORDERED;
    return status & 0x4000 ? PB_FP_EQUAL : status & 0x0100 ? PB_FP_LESS : PB_FP_GREATER;
}

static int x87_one(int i)
{
    static const uint8_t precision_control[] = { [24] = 0, [53] = 2, [64] = 3 };
    static const uint8_t precisions[] = { 24, 53, 64, 64 };
    const struct x87_insn *insn = &x87_insns[i];
    pb_fp_env before = { .rules = pb_fp_rules_x87(),
                         .round = ref_random() % 4,
                         .precision = precisions[ref_random() % 4] };
    pb_fp_env env = before;
    bits x = ref_operand(insn->from, NULL);
    bits raw[2] = { x, ref_operand(insn->from, &x) };
    bits got = our_x87(i, raw[0], raw[1], &env);
    x87_words words = { .control = (uint16_t)(0x3f | precision_control[before.precision] << 8 |
                                              rounding_control(&before) << 10) };
    ref_result want = { 0 };
    uint32_t compared = PB_FP_IEEE_FLAGS | (insn->rounds ? PB_FP_ROUNDED_UP : 0);

    insn->run(&raw[0], &raw[1], &want.bits, &words);
    want.flags = flags_of(words.status);
    if (insn->rounds && (words.status & 0x0200))
        want.flags |= PB_FP_ROUNDED_UP;
    if (insn->compares)
        want.bits = (unsigned)order_of(words.status);
    return !ref_same(insn->name, insn->from, insn->to, raw, 2, &before, want, got,
                     env.flags & compared);
}

static void test_x87(void)
{
    int wrong = 0;

    for (size_t i = 0; i < sizeof(x87_insns) / sizeof(x87_insns[0]); i++) {
        for (long n = ref_cases(CASES); n > 0; n--)
            wrong += x87_one((int)i);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* FPREM and FPREM1 until they are done (C2). The low bits of the quotient are compared only where
 * one step did it. */
static int rem_one(bool nearest)
{
    pb_fp_env before = { .rules = pb_fp_rules_x87() }, env = before;
    bits x = ref_operand(F80, NULL), raw[2] = { x, ref_operand(F80, &x) };
    ref_result want = { 0 };
    uint64_t quotient;
    uint16_t first, last;
    bits got;
    int distance;

    if (ref_random() % 2) /* exponents close together */
        raw[1] = (raw[1] & ~((bits)0x7fff << 64)) | (x & ((bits)0x7fff << 64));
    distance = (int)((raw[0] >> 64) & 0x7fff) - (int)((raw[1] >> 64) & 0x7fff);
    got = of_f80(pb_f80_rem(as_f80(raw[0]), as_f80(raw[1]), nearest, &quotient, &env));
    if (nearest)
        x87_rem1(&raw[0], &raw[1], &want.bits, &first, &last);
    else
        x87_rem(&raw[0], &raw[1], &want.bits, &first, &last);
    want.flags = flags_of(first); /* later steps may see denormals of their own */
    /* C0, C3, C1 are bits 2, 1, 0. */
    if (!(first & 0x0400) && distance < 63 && !(first & 1)) {
        unsigned low = (last >> 8 & 1) << 2 | (last >> 14 & 1) << 1 | (last >> 9 & 1);

        if ((quotient & 7) != low) {
            fprintf(stderr, "quotient %llx, should be %x: ", (unsigned long long)quotient, low);
            want.bits = ~got;
        }
    }
    return !ref_same(nearest ? "fprem1" : "fprem", F80, F80, raw, 2, &before, want, got,
                     env.flags & PB_FP_IEEE_FLAGS);
}

static void test_rem(void)
{
    int wrong = 0;

    for (long n = ref_cases(CASES / 4); n > 0; n--)
        wrong += rem_one(n & 1);
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "SSE, FMA, F16C", test_sse },
        { "x87", test_x87 },
        { "FPREM, FPREM1", test_rem },
        { NULL, NULL },
    };

    return unit_run("the host's own instructions", cases);
}

#else

int main(void)
{
    puts("the host is no x86-64");
    return 77;
}

#endif
