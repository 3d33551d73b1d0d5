/*
 * Addition, subtraction, multiplication, division, square root and fma of every format, and Arm's
 * Newton steps, against MPFR: results and flags, all rounding modes, all guests' rules.
 */
#include "call.h"
#include "ref.h"
#include "../runner.h"

enum { CASES = 200000 };

static ref_value a, b, c;
static mpfr_t w;

static const binary_call binary_calls[] = {
    { "add", pb_f16_add, pb_f32_add, pb_f64_add, pb_f80_add, pb_f128_add },
    { "sub", pb_f16_sub, pb_f32_sub, pb_f64_sub, pb_f80_sub, pb_f128_sub },
    { "mul", pb_f16_mul, pb_f32_mul, pb_f64_mul, pb_f80_mul, pb_f128_mul },
    { "div", pb_f16_div, pb_f32_div, pb_f64_div, pb_f80_div, pb_f128_div },
};
static const unary_call sqrt_call = { "sqrt",      pb_f16_sqrt, pb_f32_sqrt,
                                      pb_f64_sqrt, pb_f80_sqrt, pb_f128_sqrt };

static const binary_call step_calls[] = {
    { "recps", pb_arm_f16_recps, pb_arm_f32_recps, pb_arm_f64_recps, NULL, NULL },
    { "rsqrts", pb_arm_f16_rsqrts, pb_arm_f32_rsqrts, pb_arm_f64_rsqrts, NULL, NULL },
    { "mulx", pb_arm_f16_mulx, pb_arm_f32_mulx, pb_arm_f64_mulx, NULL, NULL },
};

static int precision_of(ref_fmt f, const pb_fp_env *env)
{
    return f == F80 && env->precision ? env->precision : ref_formats[f].prec;
}

/* Round what MPFR made of numbers, with the flags that MPFR saw. */
static ref_result finish(ref_fmt f, int inexact, bool denormal, const pb_fp_env *env)
{
    ref_result r;

    if (mpfr_nan_p(w)) {
        r = ref_default_nan(f, env);
        r.flags = PB_FP_INVALID;
        return r;
    }
    ref_sticky(w, inexact);
    r = ref_round(w, f, precision_of(f, env), env->round, true, env);
    if (mpfr_divby0_p())
        r.flags |= PB_FP_DIVZERO;
    else if (denormal)
        r.flags |= env->rules.denormal_flags;
    return r;
}

/* An exact zero sum has the sign that the direction of rounding gives it. */
static mpfr_rnd_t toward_zero(const pb_fp_env *env, bool again)
{
    return again && env->round == PB_FP_DOWN ? MPFR_RNDD : MPFR_RNDZ;
}

static ref_result ref_binary(int op, ref_fmt f, const bits *raw, const pb_fp_env *env)
{
    ref_value *operands[] = { &a, &b };
    uint32_t flags = 0;
    int inexact = 0;
    ref_result r;

    ref_decode(&a, f, raw[0], true, env, &flags);
    ref_decode(&b, f, raw[1], true, env, &flags);
    if (a.kind != REF_NUMBER || b.kind != REF_NUMBER) {
        r = ref_nan(operands, 2, f, env);
    } else {
        mpfr_clear_flags();
        for (int again = 0; again < 2; again++) {
            mpfr_rnd_t round = toward_zero(env, again);

            if (again && (!mpfr_zero_p(w) || op > 1))
                break;
            if (op == 0)
                inexact = mpfr_add(w, a.v, b.v, round);
            else if (op == 1)
                inexact = mpfr_sub(w, a.v, b.v, round);
            else if (op == 2)
                inexact = mpfr_mul(w, a.v, b.v, round);
            else
                inexact = mpfr_div(w, a.v, b.v, round);
        }
        r = finish(f, inexact, a.denormal || b.denormal, env);
    }
    r.flags |= flags;
    return r;
}

static ref_result ref_sqrt(ref_fmt f, bits raw, const pb_fp_env *env)
{
    ref_value *operand = &a;
    uint32_t flags = 0;
    ref_result r;

    ref_decode(&a, f, raw, true, env, &flags);
    if (a.kind != REF_NUMBER) {
        r = ref_nan(&operand, 1, f, env);
    } else {
        mpfr_clear_flags();
        r = finish(f, mpfr_sqrt(w, a.v, MPFR_RNDZ), a.denormal, env);
    }
    r.flags |= flags;
    return r;
}

static bool inf_times_zero(void)
{
    return a.kind == REF_NUMBER && b.kind == REF_NUMBER &&
           ((mpfr_inf_p(a.v) && mpfr_zero_p(b.v)) || (mpfr_zero_p(a.v) && mpfr_inf_p(b.v)));
}

static ref_result ref_fma_nan(ref_fmt f, const pb_fp_env *env)
{
    ref_value *abc[] = { &a, &b, &c }, *cab[] = { &c, &a, &b }, *acb[] = { &a, &c, &b };
    ref_result r;

    switch (env->rules.nan) {
    case PB_FP_NAN_ARM:
        r = ref_nan(cab, 3, f, env);
        if (inf_times_zero() && c.kind == REF_QNAN) {
            r = ref_default_nan(f, env);
            r.flags = PB_FP_INVALID;
        }
        return r;
    case PB_FP_NAN_PPC:
        r = ref_nan(acb, 3, f, env);
        if (inf_times_zero())
            r.flags |= PB_FP_INVALID;
        return r;
    default:
        return ref_nan(abc, 3, f, env);
    }
}

static ref_result ref_fma(ref_fmt f, const bits *raw, unsigned neg, const pb_fp_env *env)
{
    uint32_t flags = 0;
    int inexact = 0;
    ref_result r;

    ref_decode(&a, f, raw[0], true, env, &flags);
    ref_decode(&b, f, raw[1], true, env, &flags);
    ref_decode(&c, f, raw[2], true, env, &flags);
    if (a.kind != REF_NUMBER || b.kind != REF_NUMBER || c.kind != REF_NUMBER) {
        r = ref_fma_nan(f, env);
    } else {
        if (neg & PB_FP_NEG_PRODUCT)
            mpfr_neg(a.v, a.v, MPFR_RNDN);
        if (neg & PB_FP_NEG_ADDEND)
            mpfr_neg(c.v, c.v, MPFR_RNDN);
        mpfr_clear_flags();
        inexact = mpfr_fma(w, a.v, b.v, c.v, MPFR_RNDZ);
        if (mpfr_zero_p(w))
            inexact = mpfr_fma(w, a.v, b.v, c.v, toward_zero(env, true));
        r = finish(f, inexact, a.denormal || b.denormal || c.denormal, env);
        if ((neg & PB_FP_NEG_RESULT) && !mpfr_nan_p(w))
            r.bits ^= (bits)1 << (ref_formats[f].width - 1);
    }
    r.flags |= flags;
    return r;
}

/* FPRecipStepFused, FPRSqrtStepFused, FPMulX */
static ref_result ref_step(int op, ref_fmt f, const bits *raw, const pb_fp_env *env)
{
    static const int constants[] = { 2, 3 };
    ref_value *operands[] = { &a, &b };
    bits sign = op < 2 ? (bits)1 << (ref_formats[f].width - 1) : 0;
    uint32_t flags = 0;
    int inexact;
    ref_result r;

    ref_decode(&a, f, raw[0] ^ sign, true, env, &flags);
    ref_decode(&b, f, raw[1], true, env, &flags);
    if (a.kind != REF_NUMBER || b.kind != REF_NUMBER) {
        r = ref_nan(operands, 2, f, env);
        r.flags |= flags;
        return r;
    }
    mpfr_clear_flags();
    if (op == 2) {
        inexact = mpfr_mul(w, a.v, b.v, MPFR_RNDZ);
        if (inf_times_zero())
            mpfr_set_si(w, a.sign == b.sign ? 2 : -2, MPFR_RNDN);
    } else {
        mpfr_set_si(c.v, constants[op], MPFR_RNDN);
        inexact = mpfr_fma(w, a.v, b.v, c.v, MPFR_RNDZ);
        if (mpfr_zero_p(w))
            inexact = mpfr_fma(w, a.v, b.v, c.v, toward_zero(env, true));
        if (inf_times_zero())
            mpfr_set(w, c.v, MPFR_RNDN);
        mpfr_div_ui(w, w, op == 1 ? 2 : 1, MPFR_RNDN);
    }
    r = finish(f, inexact, a.denormal || b.denormal, env);
    r.flags |= flags;
    return r;
}

/* ---- cases ---- */

static void test_binary(const binary_call *call, int op,
                        ref_result (*reference)(int, ref_fmt, const bits *, const pb_fp_env *))
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(CASES); i > 0 && binary_has(call, (ref_fmt)f); i--) {
            bits x = ref_operand((ref_fmt)f, NULL);
            bits raw[] = { x, ref_operand((ref_fmt)f, &x) };
            pb_fp_env before = ref_env((ref_fmt)f), env = before;
            bits got = call_binary(call, (ref_fmt)f, raw[0], raw[1], &env);
            ref_result want = reference(op, (ref_fmt)f, raw, &before);

            wrong += !ref_same(call->name, (ref_fmt)f, (ref_fmt)f, raw, 2, &before, want, got,
                               env.flags);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_add(void)
{
    test_binary(&binary_calls[0], 0, ref_binary);
}

static void test_sub(void)
{
    test_binary(&binary_calls[1], 1, ref_binary);
}

static void test_mul(void)
{
    test_binary(&binary_calls[2], 2, ref_binary);
}

static void test_div(void)
{
    test_binary(&binary_calls[3], 3, ref_binary);
}

static void test_recps(void)
{
    test_binary(&step_calls[0], 0, ref_step);
}

static void test_rsqrts(void)
{
    test_binary(&step_calls[1], 1, ref_step);
}

static void test_mulx(void)
{
    test_binary(&step_calls[2], 2, ref_step);
}

static void test_sqrt(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(CASES); i > 0; i--) {
            /* Half precision: every operand. */
            bits raw = f == F16 && i < 65536 ? (bits)i : ref_operand((ref_fmt)f, NULL);
            pb_fp_env before = ref_env((ref_fmt)f), env = before;
            bits got = call_unary(&sqrt_call, (ref_fmt)f, raw, &env);

            wrong += !ref_same("sqrt", (ref_fmt)f, (ref_fmt)f, &raw, 1, &before,
                               ref_sqrt((ref_fmt)f, raw, &before), got, env.flags);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Squares of short numbers and their neighbours: exact roots, and roots next to halfway. */
static void test_sqrt_exact(void)
{
    int wrong = 0;

    for (long i = ref_cases(CASES); i > 0; i--) {
        uint64_t root = (ref_random() >> 37) | 1; /* 27 bits */
        pb_fp_env before = ref_env(F64), env = before, exact = before;
        bits raw = pb_f64_from_uint(root * root, 0, &exact) + (ref_random() % 3) - 1;
        bits got = pb_f64_sqrt((uint64_t)raw, &env);

        wrong += !ref_same("sqrt", F64, F64, &raw, 1, &before, ref_sqrt(F64, raw, &before), got,
                           env.flags);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_fma(void)
{
    static const ref_fmt formats[] = { F16, F32, F64, F128 };
    int wrong = 0;

    for (int k = 0; k < 4; k++) {
        ref_fmt f = formats[k];

        for (long i = ref_cases(2 * CASES); i > 0; i--) {
            bits x = ref_operand(f, NULL);
            bits y = ref_operand(f, &x);
            pb_fp_env before = ref_env(f), env = before, quiet = before;
            bits product = call_binary(&binary_calls[2], f, x, y, &quiet);
            /* Every other addend cancels the product, or nearly. */
            bits z = i & 1 ? product ^ ((bits)1 << (ref_formats[f].width - 1)) ^ (ref_random() & 3)
                           : ref_operand(f, &product);
            bits raw[] = { x, y, z };
            unsigned neg = ref_random() & 7;
            bits got = call_fma(f, x, y, z, neg, &env);

            wrong += !ref_same("fma", f, f, raw, 3, &before, ref_fma(f, raw, neg, &before), got,
                               env.flags);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* A tie but for the last bit of a product that is 2^(4k+2) + 1 = (2^(2k+1) - 2^(k+1) + 1) *
 * (2^(2k+1) + 2^(k+1) + 1): the addend is so large that only a sticky bit is left of that one. */
static void test_fma_tie(void)
{
    static const ref_fmt formats[] = { F16, F32, F64, F128 };
    int wrong = 0;

    for (int n = 0; n < 4; n++) {
        ref_fmt f = formats[n];
        int prec = ref_formats[f].prec;

        for (int k = 1; 2 * k + 2 <= prec; k++) {
            for (unsigned round = 0; round < 6; round++) {
                pb_fp_env before = { .rules = pb_fp_rules_arm(), .round = (uint8_t)round };
                pb_fp_env env = before, quiet = { .rules = before.rules };
                bits one = call_from_int(f, 1, false, 0, &quiet);
                bits high = call_scale(f, one, 2 * k + 1, &quiet);
                bits mid = call_scale(f, one, k + 1, &quiet);
                bits low = call_binary(&binary_calls[1], f, high, mid, &quiet);
                bits raw[3], got;

                raw[0] = call_binary(&binary_calls[0], f, low, one, &quiet);
                low = call_binary(&binary_calls[0], f, high, mid, &quiet);
                raw[1] = call_binary(&binary_calls[0], f, low, one, &quiet);
                raw[2] = call_scale(f, one, 4 * k + 2 + prec, &quiet);
                got = call_fma(f, raw[0], raw[1], raw[2], (unsigned)k & 1, &env);
                wrong += !ref_same("fma", f, f, raw, 3, &before,
                                   ref_fma(f, raw, (unsigned)k & 1, &before), got, env.flags);
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "add", test_add },      { "sub", test_sub },
        { "mul", test_mul },      { "div", test_div },
        { "sqrt", test_sqrt },    { "sqrt of squares", test_sqrt_exact },
        { "fma", test_fma },      { "fma: almost a tie", test_fma_tie },
        { "FRECPS", test_recps }, { "FRSQRTS", test_rsqrts },
        { "FMULX", test_mulx },   { NULL, NULL },
    };
    int status;

    ref_init(&a);
    ref_init(&b);
    ref_init(&c);
    mpfr_init2(w, mpfr_get_prec(a.v));
    status = unit_run("arithmetic against MPFR", cases);
    ref_finish(&a);
    ref_finish(&b);
    ref_finish(&c);
    mpfr_clear(w);
    mpfr_free_cache();
    return status;
}
