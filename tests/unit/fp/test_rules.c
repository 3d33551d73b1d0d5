/*
 * The architectures' rules, as tables of cases from their manuals: which NaN comes out, what an
 * impossible conversion gives, why an operation was invalid, flushing to zero. f32 mostly: the core
 * is the same for all formats.
 */
#include <stddef.h>
#include <string.h>

#include <patchbay/fp.h>

#include "../runner.h"

/* f32: quiet and signalling NaNs with a number for a payload, and what becomes of the latter */
#define Q(n)     (0x7fc00000u + (n))
#define S(n)     (0x7f800000u + (n))
#define NEGATIVE 0x80000000u

enum {
    ONE = 0x3f800000,
    INF = 0x7f800000,
    ZERO = 0,
    TINY = 0x00000001,
};

typedef enum guest { ARM, ARM_DN, ARM_AH, X86, X87, PPC } guest;

static pb_fp_env env_of(guest g)
{
    pb_fp_env env = { .rules = pb_fp_rules_arm() };

    switch (g) {
    case ARM:
        break;
    case ARM_DN:
        env.rules.default_nan = 1;
        break;
    case ARM_AH: /* DDI 0487, FPProcessNaNs and FPMulAdd with FPCR.AH == 1 */
        env.rules.nan = PB_FP_NAN_X86;
        env.rules.infzero = PB_FP_INFZERO_QUIET;
        env.rules.default_nan_negative = 1;
        break;
    case X86:
        env.rules = pb_fp_rules_x86();
        break;
    case X87:
        env.rules = pb_fp_rules_x87();
        break;
    case PPC:
        env.rules = pb_fp_rules_ppc();
        break;
    }
    return env;
}

static void tell(const char *what, size_t row, uint64_t got, uint32_t flags)
{
    fprintf(stderr, "%s, row %zu: got %llx, flags %x\n", what, row, (unsigned long long)got, flags);
}

/* ---- NaNs ---- */

enum { SIGNALLED = PB_FP_INVALID | PB_FP_WHY_SNAN };

static const struct nan2_row {
    guest guest;
    uint32_t a, b, result, flags;
} nan2_rows[] = {
    /* Arm ARM DDI 0487, FPProcessNaNs: signalling first, then operand order */
    { ARM, Q(1), Q(2), Q(1), 0 },
    { ARM, Q(1), S(2), Q(2), SIGNALLED },
    { ARM, S(1), S(2), Q(1), SIGNALLED },
    { ARM, ONE, Q(2), Q(2), 0 },
    { ARM, S(1), ONE, Q(1), SIGNALLED },
    { ARM, NEGATIVE | Q(1), Q(2), NEGATIVE | Q(1), 0 },
    { ARM, INF, NEGATIVE | INF, Q(0), PB_FP_INVALID | PB_FP_WHY_INF_SUB },
    /* FPCR.DN */
    { ARM_DN, Q(1), Q(2), Q(0), 0 },
    { ARM_DN, NEGATIVE | Q(1), S(2), Q(0), SIGNALLED },
    { ARM_AH, Q(1), S(2), Q(1), SIGNALLED },
    { ARM_AH, INF, NEGATIVE | INF, NEGATIVE | Q(0), PB_FP_INVALID | PB_FP_WHY_INF_SUB },
    /* Intel SDM volume 1, table 4-7: SSE takes the first operand */
    { X86, Q(1), Q(2), Q(1), 0 },
    { X86, Q(1), S(2), Q(1), SIGNALLED },
    { X86, S(1), Q(2), Q(1), SIGNALLED },
    { X86, ONE, S(2), Q(2), SIGNALLED },
    { X86, INF, NEGATIVE | INF, NEGATIVE | Q(0), PB_FP_INVALID | PB_FP_WHY_INF_SUB },
    /* the x87 takes the larger significand, the quiet one of a quiet and a signalling NaN */
    { X87, Q(1), Q(2), Q(2), 0 },
    { X87, Q(2), Q(1), Q(2), 0 },
    { X87, Q(1), S(9), Q(1), SIGNALLED },
    { X87, S(9), Q(1), Q(1), SIGNALLED },
    { X87, S(1), S(2), Q(2), SIGNALLED },
    { X87, S(1), ONE, Q(1), SIGNALLED },
    { X87, NEGATIVE | Q(1), Q(1), Q(1), 0 },
    { X87, Q(1), NEGATIVE | Q(1), Q(1), 0 },
    /* Power ISA book I, 4.3.2: FRA, else FRB */
    { PPC, Q(1), S(2), Q(1), SIGNALLED },
    { PPC, S(1), Q(2), Q(1), SIGNALLED },
    { PPC, ONE, Q(2), Q(2), 0 },
    { PPC, INF, NEGATIVE | INF, Q(0), PB_FP_INVALID | PB_FP_WHY_INF_SUB },
};

static void test_nan2(void)
{
    for (size_t i = 0; i < sizeof(nan2_rows) / sizeof(nan2_rows[0]); i++) {
        const struct nan2_row *row = &nan2_rows[i];
        pb_fp_env env = env_of(row->guest);
        uint32_t got = pb_f32_add(row->a, row->b, &env);

        CU_ASSERT(got == row->result && env.flags == row->flags);
        if (got != row->result || env.flags != row->flags)
            tell("add", i, got, env.flags);
    }
}

/* a * b + c */
static const struct nan3_row {
    guest guest;
    uint32_t a, b, c, result, flags;
} nan3_rows[] = {
    /* FPProcessNaNs3: the addend first */
    { ARM, Q(1), Q(2), Q(3), Q(3), 0 },
    { ARM, Q(1), Q(2), ONE, Q(1), 0 },
    { ARM, Q(1), S(2), Q(3), Q(2), SIGNALLED },
    { ARM, S(1), S(2), S(3), Q(3), SIGNALLED },
    { ARM, S(1), S(2), Q(3), Q(1), SIGNALLED },
    /* FPMulAdd: inf * 0 with a quiet addend */
    { ARM, INF, ZERO, Q(3), Q(0), PB_FP_INVALID | PB_FP_WHY_INF_MUL },
    { ARM, ZERO, INF, S(3), Q(3), SIGNALLED },
    { ARM, INF, ZERO, ONE, Q(0), PB_FP_INVALID | PB_FP_WHY_INF_MUL },
    { ARM_AH, Q(1), S(2), Q(3), Q(1), SIGNALLED },
    { ARM_AH, INF, ZERO, Q(3), Q(3), 0 },
    /* Intel SDM volume 1, table 14-17 and 14.5.2 */
    { X86, Q(1), Q(2), Q(3), Q(1), 0 },
    { X86, ONE, Q(2), S(3), Q(2), SIGNALLED },
    { X86, INF, ZERO, Q(3), Q(3), 0 },
    { X86, INF, ZERO, S(3), Q(3), SIGNALLED },
    { X86, INF, ZERO, ONE, NEGATIVE | Q(0), PB_FP_INVALID | PB_FP_WHY_INF_MUL },
    /* Power ISA: FRA, FRB (the addend), FRC */
    { PPC, Q(1), Q(2), Q(3), Q(1), 0 },
    { PPC, ONE, Q(2), Q(3), Q(3), 0 },
    { PPC, ONE, Q(2), ONE, Q(2), 0 },
    { PPC, INF, ZERO, Q(3), Q(3), PB_FP_INVALID | PB_FP_WHY_INF_MUL },
    { PPC, INF, ZERO, S(3), Q(3), PB_FP_INVALID | PB_FP_WHY_INF_MUL | PB_FP_WHY_SNAN },
};

static void test_nan3(void)
{
    for (size_t i = 0; i < sizeof(nan3_rows) / sizeof(nan3_rows[0]); i++) {
        const struct nan3_row *row = &nan3_rows[i];

        /* Signs of NaNs do not follow neg. */
        for (unsigned neg = 0; neg < 8; neg++) {
            pb_fp_env env = env_of(row->guest);
            uint32_t got = pb_f32_fma(row->a, row->b, row->c, neg, &env);

            CU_ASSERT(got == row->result && env.flags == row->flags);
            if (got != row->result || env.flags != row->flags)
                tell("fma", i, got, env.flags);
        }
    }
}

/* Arm FPMinNum and FPMaxNum: a quiet NaN is missing data, a signalling one is not. */
static const struct nan2_row minnum_rows[] = {
    { ARM, Q(1), ONE, ONE, 0 },           { ARM, ONE, Q(1), ONE, 0 },
    { ARM, Q(1), Q(2), Q(1), 0 },         { ARM, S(1), ONE, Q(1), SIGNALLED },
    { ARM, Q(1), S(2), Q(2), SIGNALLED }, { ARM_DN, Q(1), ONE, ONE, 0 },
    { ARM_DN, Q(1), Q(2), Q(0), 0 },      { ARM, Q(1), INF, INF, 0 },
};

static void test_minnum(void)
{
    for (size_t i = 0; i < sizeof(minnum_rows) / sizeof(minnum_rows[0]); i++) {
        const struct nan2_row *row = &minnum_rows[i];
        pb_fp_env env = env_of(row->guest), env2 = env;

        CU_ASSERT_EQUAL(pb_f32_minnum(row->a, row->b, &env), row->result);
        CU_ASSERT_EQUAL(env.flags, row->flags);
        CU_ASSERT_EQUAL(pb_f32_maxnum(row->a, row->b, &env2), row->result);
        CU_ASSERT_EQUAL(env2.flags, row->flags);
    }
}

/* Signs of zeros: Arm FPMin and FPMax order them, MINSS and MAXSS return the second. */
static void test_zeros(void)
{
    const uint32_t minus = NEGATIVE;
    pb_fp_env env = env_of(ARM);

    CU_ASSERT_EQUAL(pb_f32_min(ZERO, minus, &env), minus);
    CU_ASSERT_EQUAL(pb_f32_min(minus, ZERO, &env), minus);
    CU_ASSERT_EQUAL(pb_f32_max(ZERO, minus, &env), ZERO);
    CU_ASSERT_EQUAL(pb_f32_maxnum(minus, ZERO, &env), ZERO);
    CU_ASSERT_EQUAL(pb_x86_f32_min(minus, ZERO, &env), ZERO);
    CU_ASSERT_EQUAL(pb_x86_f32_max(ZERO, minus, &env), minus);
    CU_ASSERT_EQUAL(pb_f32_compare(ZERO, minus, &env), PB_FP_EQUAL);
    CU_ASSERT_EQUAL(env.flags, 0);
}

/* ---- x87 operands ---- */

/* Intel SDM volume 1, table 8-3 and 4.2.2: what the 80387 does not support is invalid and gives the
 * default NaN, whatever the other operand. Pseudo-denormals are denormals. */
static void test_unsupported(void)
{
    static const pb_f80 unsupported[] = {
        { .mant = 0x4000000000000000, .se = 0x3fff }, /* unnormal */
        { .mant = 0x0000000000000000, .se = 0x4000 }, /* unnormal 0 */
        { .mant = 0x0000000000000000, .se = 0x7fff }, /* pseudo-infinity */
        { .mant = 0x4000000000000001, .se = 0xffff }, /* pseudo-NaN */
    };
    const pb_f80 quiet = { .mant = 0xc000000000000005, .se = 0x7fff };
    const pb_f80 pseudo = { .mant = 0x8000000000000000, .se = 0 };
    const pb_f80 smallest = { .mant = 0x8000000000000000, .se = 1 };
    pb_fp_env env;

    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        pb_f80 r;

        env = env_of(X87);
        r = pb_f80_add(quiet, unsupported[i], &env);
        CU_ASSERT_EQUAL(r.mant, 0xc000000000000000);
        CU_ASSERT_EQUAL(r.se, 0xffff);
        CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID);
        env = env_of(X87);
        CU_ASSERT_EQUAL(pb_f80_compare(unsupported[i], quiet, &env), PB_FP_UNORDERED);
        CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID);
        env = env_of(X87);
        CU_ASSERT_EQUAL(pb_f80_to_int(unsupported[i], 32, 0, PB_FP_TO_ZERO, &env), INT32_MIN);
    }
    env = env_of(X87);
    CU_ASSERT_EQUAL(pb_f80_compare(pseudo, smallest, &env), PB_FP_EQUAL);
    CU_ASSERT_EQUAL(env.flags, PB_FP_INPUT_DENORMAL);
}

/* ---- invalid operations and divisions by zero: PowerPC's causes ---- */

static void test_causes(void)
{
    static const struct cause_row {
        uint32_t (*run)(uint32_t a, uint32_t b, pb_fp_env *env);
        uint32_t a, b, flags;
    } rows[] = {
        { pb_f32_sub, INF, INF, PB_FP_INVALID | PB_FP_WHY_INF_SUB },
        { pb_f32_mul, INF, ZERO, PB_FP_INVALID | PB_FP_WHY_INF_MUL },
        { pb_f32_div, INF, INF, PB_FP_INVALID | PB_FP_WHY_INF_DIV },
        { pb_f32_div, ZERO, ZERO, PB_FP_INVALID | PB_FP_WHY_ZERO_DIV },
        { pb_f32_div, ONE, ZERO, PB_FP_DIVZERO },
        { pb_f32_div, INF, ZERO, 0 },
        { pb_f32_mul, S(1), ZERO, SIGNALLED },
    };
    pb_fp_env env;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        env = env_of(PPC);
        rows[i].run(rows[i].a, rows[i].b, &env);
        CU_ASSERT_EQUAL(env.flags, rows[i].flags);
    }
    env = env_of(PPC);
    pb_f32_sqrt(NEGATIVE | ONE, &env);
    CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID | PB_FP_WHY_SQRT);
    env = env_of(PPC);
    pb_f32_compare_signalling(Q(1), ONE, &env);
    CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID | PB_FP_WHY_COMPARE);
    env = env_of(PPC);
    pb_f32_to_int(S(1), 32, 0, PB_FP_TO_ZERO, &env);
    CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID | PB_FP_WHY_TO_INT | PB_FP_WHY_SNAN);
}

/* ---- integers ---- */

static const struct int_row {
    guest guest;
    uint32_t value;
    uint64_t to_s32, to_u32;
} int_rows[] = {
    /* Arm FPToFixed: saturated, NaN is 0 */
    { ARM, 0x4f800000 /* 2^32 */, INT32_MAX, UINT32_MAX },
    { ARM, 0xcf800000 /* -2^32 */, (uint64_t)INT32_MIN, 0 },
    { ARM, NEGATIVE | INF, (uint64_t)INT32_MIN, 0 },
    { ARM, Q(1), 0, 0 },
    /* x86: the integer indefinite; AVX-512's unsigned one is all ones */
    { X86, 0x4f800000, (uint64_t)INT32_MIN, UINT32_MAX },
    { X86, 0xcf800000, (uint64_t)INT32_MIN, UINT32_MAX },
    { X86, Q(1), (uint64_t)INT32_MIN, UINT32_MAX },
    /* Power ISA fctiw, fctiwu: saturated, NaN is the lowest */
    { PPC, 0x4f800000, INT32_MAX, UINT32_MAX },
    { PPC, 0xcf800000, (uint64_t)INT32_MIN, 0 },
    { PPC, NEGATIVE | Q(1), (uint64_t)INT32_MIN, 0 },
};

static void test_integers(void)
{
    for (size_t i = 0; i < sizeof(int_rows) / sizeof(int_rows[0]); i++) {
        const struct int_row *row = &int_rows[i];
        pb_fp_env env = env_of(row->guest), env2 = env;

        CU_ASSERT_EQUAL((uint64_t)pb_f32_to_int(row->value, 32, 0, PB_FP_TO_ZERO, &env),
                        row->to_s32);
        CU_ASSERT_EQUAL(env.flags, PB_FP_INVALID | PB_FP_WHY_TO_INT);
        CU_ASSERT_EQUAL(pb_f32_to_uint(row->value, 32, 0, PB_FP_TO_ZERO, &env2), row->to_u32);
        CU_ASSERT_EQUAL(env2.flags, PB_FP_INVALID | PB_FP_WHY_TO_INT);
    }
}

/* ---- flushing ---- */

static void test_flushing(void)
{
    const uint32_t smallest = 0x00800000, half = 0x3f000000;
    pb_fp_env env = env_of(ARM);

    /* FPCR.FZ: IDC for operands, UFC alone for results, exact or not */
    env.rules.flush_in = env.rules.flush_out = 1;
    CU_ASSERT_EQUAL(pb_f32_add(NEGATIVE | TINY, ONE, &env), ONE);
    CU_ASSERT_EQUAL(env.flags, PB_FP_INPUT_DENORMAL);
    env.flags = 0;
    CU_ASSERT_EQUAL(pb_f32_mul(NEGATIVE | smallest, half, &env), NEGATIVE);
    CU_ASSERT_EQUAL(env.flags, PB_FP_UNDERFLOW);

    /* MXCSR.DAZ: nothing; FTZ: UE and PE */
    env = env_of(X86);
    env.rules.flush_in = env.rules.flush_out = 1;
    CU_ASSERT_EQUAL(pb_f32_add(TINY, ONE, &env), ONE);
    CU_ASSERT_EQUAL(env.flags, 0);
    CU_ASSERT_EQUAL(pb_f32_mul(smallest, half, &env), ZERO);
    CU_ASSERT_EQUAL(env.flags, PB_FP_UNDERFLOW | PB_FP_INEXACT);

    /* Halves have their own mode, and conversions have none for them. */
    env = env_of(ARM);
    env.rules.flush_in16 = env.rules.flush_out16 = 1;
    CU_ASSERT_EQUAL(pb_f32_add(TINY, ZERO, &env), TINY);
    CU_ASSERT_EQUAL(pb_f16_add(0x0001, 0x3c00, &env), 0x3c00);
    CU_ASSERT_EQUAL(env.flags, 0);
    CU_ASSERT_EQUAL(pb_f16_to_f32(0x0001, &env), 0x33800000);
    CU_ASSERT_EQUAL(pb_f32_to_f16(0x33800000, &env), 0x0001);
    CU_ASSERT_EQUAL(env.flags, 0);
    CU_ASSERT_EQUAL(pb_f16_mul(0x0400, 0x3800, &env), 0);
    CU_ASSERT_EQUAL(env.flags, PB_FP_UNDERFLOW);
}

/* Rounds up to the smallest normal number: tiny before, not after (Intel SDM volume 1, 4.9.1.5). */
static void test_tininess(void)
{
    const uint32_t below = 0x3f7fffff, smallest = 0x00800000; /* 1 - 2^-24 times 2^-126 */
    pb_fp_env arm = env_of(ARM), x86 = env_of(X86);

    CU_ASSERT_EQUAL(pb_f32_mul(below, smallest, &arm), smallest);
    CU_ASSERT_EQUAL(arm.flags, PB_FP_UNDERFLOW | PB_FP_INEXACT | PB_FP_ROUNDED_UP);
    CU_ASSERT_EQUAL(pb_f32_mul(below, smallest, &x86), smallest);
    /* At full precision it would not need rounding, so x86 calls it tiny too. */
    CU_ASSERT_EQUAL(x86.flags, PB_FP_UNDERFLOW | PB_FP_INEXACT | PB_FP_ROUNDED_UP);
    arm.flags = x86.flags = 0;
    /* (1 + 2^-23) * (1 - 2^-23) * 2^-126 = (1 - 2^-46) * 2^-126 does. */
    CU_ASSERT_EQUAL(pb_f32_mul(0x3f800001, 0x007fffff, &arm), smallest);
    CU_ASSERT_EQUAL(arm.flags, PB_FP_UNDERFLOW | PB_FP_INEXACT | PB_FP_ROUNDED_UP);
    CU_ASSERT_EQUAL(pb_f32_mul(0x3f800001, 0x007fffff, &x86), smallest);
    CU_ASSERT_EQUAL(x86.flags, PB_FP_INPUT_DENORMAL | PB_FP_INEXACT | PB_FP_ROUNDED_UP);
}

/* Arm FPConvert with FPCR.AHP */
static void test_alternative_half(void)
{
    static const struct half_row {
        uint32_t single;
        uint16_t half;
        uint32_t flags;
    } rows[] = {
        { INF, 0x7fff, PB_FP_INVALID },         { NEGATIVE | INF, 0xffff, PB_FP_INVALID },
        { Q(1), 0x0000, PB_FP_INVALID },        { NEGATIVE | S(1), 0x8000, PB_FP_INVALID },
        { 0x47ffe000 /* 131008 */, 0x7fff, 0 }, { 0x48000000 /* 131072 */, 0x7fff, PB_FP_INVALID },
        { 0x47800000 /* 65536 */, 0x7c00, 0 },
    };
    pb_fp_env env;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        env = env_of(ARM);
        env.rules.alt_half = 1;
        CU_ASSERT_EQUAL(pb_f32_to_f16(rows[i].single, &env), rows[i].half);
        CU_ASSERT_EQUAL(env.flags, rows[i].flags);
    }
    env = env_of(ARM);
    env.rules.alt_half = 1;
    CU_ASSERT_EQUAL(pb_f16_to_f32(0x7c01, &env), 0x47802000);
    /* Arithmetic knows no alternative format. */
    CU_ASSERT_EQUAL(pb_f16_add(0x7c00, 0x3c00, &env), 0x7c00);
    CU_ASSERT_EQUAL(env.flags, 0);
}

/* FCVTXN: two roundings through odd are one. */
static void test_round_to_odd(void)
{
    const uint64_t value = 0x3ff0000010000001; /* 1 + 2^-24 + 2^-52: above halfway in f32 */
    pb_fp_env odd = env_of(ARM), nearest = env_of(ARM);
    pb_f80 x = pb_f64_to_f80(value, &nearest);

    odd.round = PB_FP_TO_ODD;
    CU_ASSERT_EQUAL(pb_f64_to_f32(value, &odd), 0x3f800001);
    CU_ASSERT_EQUAL(odd.flags, PB_FP_INEXACT | PB_FP_ROUNDED_UP);
    CU_ASSERT_EQUAL(pb_f64_to_f32(value, &nearest), 0x3f800001);
    x.mant++; /* 2^-63 more than f64 holds */
    CU_ASSERT_EQUAL(pb_f32_to_f16(pb_f80_to_f32(x, &odd), &nearest), pb_f80_to_f16(x, &nearest));
}

/* Every member of the table is there: plugins do not ask. */
static void test_table(void)
{
    const size_t first = offsetof(pb_fp_ops, f16_add);
    const size_t count = (sizeof(pb_fp_ops) - first) / sizeof(void *);

    CU_ASSERT_EQUAL(pb_fp_ops_table.size, sizeof(pb_fp_ops));
    for (size_t i = 0; i < count; i++) {
        uintptr_t function;

        memcpy(&function, (const char *)&pb_fp_ops_table + first + i * sizeof(void *),
               sizeof(function));
        CU_ASSERT(function != 0);
    }
}

int main(void)
{
    static const unit_case cases[] = {
        { "NaNs of two operands", test_nan2 },
        { "NaNs of three operands", test_nan3 },
        { "minNum, maxNum", test_minnum },
        { "signs of zeros", test_zeros },
        { "unsupported x87 operands", test_unsupported },
        { "causes of invalid", test_causes },
        { "integers out of range", test_integers },
        { "flushing to zero", test_flushing },
        { "tininess", test_tininess },
        { "alternative half precision", test_alternative_half },
        { "rounding to odd", test_round_to_odd },
        { "the table", test_table },
        { NULL, NULL },
    };

    return unit_run("rules of the architectures", cases);
}
