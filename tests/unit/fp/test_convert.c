/*
 * Conversions between formats and from and to integers, rounding to integral, scaling, comparison,
 * minimum and maximum, against MPFR: results and flags, all rounding modes, all guests' rules.
 */
#include "call.h"
#include "ref.h"
#include "../runner.h"

enum { CASES = 100000 };

static ref_value a, b;
static mpfr_t w;

/* ---- between formats ---- */

/* 1 for an operand whose format does not raise rules.denormal_flags in conversions. */
static bool is_silent(ref_fmt f)
{
    return f == F16 || f == F80;
}

static ref_result ref_convert(ref_fmt from, ref_fmt to, bits raw, const pb_fp_env *env)
{
    ref_value *operand = &a;
    bool alternative = to == F16 && env->rules.alt_half;
    uint32_t flags = 0;
    ref_result r;

    ref_decode(&a, from, raw, from != F16, env, &flags);
    if (alternative && a.kind != REF_NUMBER) {
        r.bits = (bits)a.sign << 15;
        r.flags = PB_FP_INVALID;
    } else if (a.kind != REF_NUMBER) {
        r = ref_nan(&operand, 1, to, env);
    } else if (alternative && mpfr_inf_p(a.v)) {
        r.bits = ((bits)a.sign << 15) | 0x7fff;
        r.flags = PB_FP_INVALID;
    } else {
        r = ref_round(a.v, to, ref_formats[to].prec, env->round, to != F16, env);
        if (a.denormal && !is_silent(from))
            flags |= env->rules.denormal_flags;
    }
    r.flags |= flags;
    return r;
}

static bits convert(ref_fmt from, ref_fmt to, bits raw, pb_fp_env *env)
{
    switch (from * REF_FMT_COUNT + to) {
    case F16 *REF_FMT_COUNT + F32:
        return pb_f16_to_f32((uint16_t)raw, env);
    case F16 *REF_FMT_COUNT + F64:
        return pb_f16_to_f64((uint16_t)raw, env);
    case F16 *REF_FMT_COUNT + F80:
        return of_f80(pb_f16_to_f80((uint16_t)raw, env));
    case F16 *REF_FMT_COUNT + F128:
        return of_f128(pb_f16_to_f128((uint16_t)raw, env));
    case F32 *REF_FMT_COUNT + F16:
        return pb_f32_to_f16((uint32_t)raw, env);
    case F32 *REF_FMT_COUNT + F64:
        return pb_f32_to_f64((uint32_t)raw, env);
    case F32 *REF_FMT_COUNT + F80:
        return of_f80(pb_f32_to_f80((uint32_t)raw, env));
    case F32 *REF_FMT_COUNT + F128:
        return of_f128(pb_f32_to_f128((uint32_t)raw, env));
    case F32 *REF_FMT_COUNT + BF16:
        return pb_f32_to_bf16((uint32_t)raw, env);
    case F64 *REF_FMT_COUNT + F16:
        return pb_f64_to_f16((uint64_t)raw, env);
    case F64 *REF_FMT_COUNT + F32:
        return pb_f64_to_f32((uint64_t)raw, env);
    case F64 *REF_FMT_COUNT + F80:
        return of_f80(pb_f64_to_f80((uint64_t)raw, env));
    case F64 *REF_FMT_COUNT + F128:
        return of_f128(pb_f64_to_f128((uint64_t)raw, env));
    case F80 *REF_FMT_COUNT + F16:
        return pb_f80_to_f16(as_f80(raw), env);
    case F80 *REF_FMT_COUNT + F32:
        return pb_f80_to_f32(as_f80(raw), env);
    case F80 *REF_FMT_COUNT + F64:
        return pb_f80_to_f64(as_f80(raw), env);
    case F80 *REF_FMT_COUNT + F128:
        return of_f128(pb_f80_to_f128(as_f80(raw), env));
    case F128 *REF_FMT_COUNT + F16:
        return pb_f128_to_f16(as_f128(raw), env);
    case F128 *REF_FMT_COUNT + F32:
        return pb_f128_to_f32(as_f128(raw), env);
    case F128 *REF_FMT_COUNT + F64:
        return pb_f128_to_f64(as_f128(raw), env);
    case F128 *REF_FMT_COUNT + F80:
        return of_f80(pb_f128_to_f80(as_f128(raw), env));
    default: /* BF16 to F32 */
        return pb_bf16_to_f32((uint16_t)raw, env);
    }
}

static bool converts(ref_fmt from, ref_fmt to)
{
    if (from == BF16 || to == BF16)
        return from == F32 || to == F32;
    return from != to;
}

/* Narrowing: an operand near what the narrow format can hold, on or near its halfway points. */
static bits narrowing_operand(ref_fmt from, ref_fmt to)
{
    pb_fp_env quiet = { .rules = pb_fp_rules_arm() };
    bits narrow = ref_operand(to, NULL);
    bits wide;

    if (!converts(to, from) || ref_formats[to].prec >= ref_formats[from].prec)
        return ref_operand(from, NULL);
    wide = convert(to, from, narrow, &quiet);
    if (ref_random() % 2)
        wide += (bits)1 << (ref_formats[from].prec - ref_formats[to].prec - 1);
    return wide + ref_random() % 3 - 1;
}

static int convert_one(ref_fmt from, ref_fmt to, bits raw)
{
    pb_fp_env before = ref_env(from), env;
    bits got;

    if (to == F16)
        before.rules.alt_half = ref_random() & 1;
    env = before;
    got = convert(from, to, raw, &env);
    return !ref_same("convert", from, to, &raw, 1, &before, ref_convert(from, to, raw, &before),
                     got, env.flags);
}

static void test_formats(void)
{
    int wrong = 0;

    for (int from = 0; from < REF_FMT_COUNT; from++) {
        for (int to = 0; to < REF_FMT_COUNT; to++) {
            for (long i = ref_cases(CASES); i > 0 && converts((ref_fmt)from, (ref_fmt)to); i--) {
                bits raw = narrowing_operand((ref_fmt)from, (ref_fmt)to);

                if (ref_formats[from].width == 16 && i < 65536)
                    raw = (bits)i;
                raw &= ref_formats[from].width == 128 ? ~(bits)0
                                                      : ((bits)1 << ref_formats[from].width) - 1;
                wrong += convert_one((ref_fmt)from, (ref_fmt)to, raw);
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- to integers ---- */

static ref_result ref_to_int(ref_fmt f, bits raw, bool is_signed, unsigned width, unsigned fbits,
                             unsigned round, const pb_fp_env *env)
{
    uint64_t top = UINT64_MAX >> (64 - width), max = is_signed ? top >> 1 : top;
    uint64_t min = is_signed ? ~max : 0;
    uint32_t flags = 0;
    ref_result r = { 0 };
    bool nan, too_large, too_small;

    ref_decode(&a, f, raw, true, env, &flags);
    nan = a.kind != REF_NUMBER;
    if (!nan) {
        mpfr_mul_2ui(a.v, a.v, fbits, MPFR_RNDN);
        ref_rint(w, a.v, round);
        too_large = mpfr_sgn(w) > 0 && mpfr_cmp_ui(w, max) > 0;
        too_small = is_signed ? mpfr_cmp_si(w, (long)min) < 0 : mpfr_sgn(w) < 0;
        if (!too_large && !too_small) {
            r.bits = is_signed ? (uint64_t)mpfr_get_si(w, MPFR_RNDN) : mpfr_get_ui(w, MPFR_RNDN);
            r.flags = flags | (mpfr_equal_p(w, a.v) ? 0 : PB_FP_INEXACT);
            return r;
        }
        r.bits = too_large ? max : min;
    }
    r.flags = flags | PB_FP_INVALID;
    if (env->rules.to_int == PB_FP_INT_INDEFINITE)
        r.bits = is_signed ? min : max;
    else if (nan)
        r.bits = env->rules.to_int == PB_FP_INT_PPC ? min : 0;
    return r;
}

static int to_int_one(ref_fmt f, bits raw)
{
    static const unsigned widths[] = { 8, 16, 32, 32, 64, 64 };
    unsigned round = ref_random() % 6, width = widths[ref_random() % 6];
    unsigned fbits = ref_random() % 2 ? 0 : ref_random() % 65;
    bool is_signed = ref_random() & 1;
    pb_fp_env before = ref_env(f), env;
    ref_result want;
    bits got;
    char name[64];

    before.precision = 0;
    env = before;
    got = call_to_int(f, raw, is_signed, width, fbits, round, &env);
    want = ref_to_int(f, raw, is_signed, width, fbits, round, &before);
    snprintf(name, sizeof(name), "to_%s width %u fbits %u round %u", is_signed ? "int" : "uint",
             width, fbits, round);
    return !ref_same(name, f, F64, &raw, 1, &before, want, got, env.flags & PB_FP_IEEE_FLAGS);
}

/* A number around 2^k, where the limits of integers are. */
static bits limit_operand(ref_fmt f)
{
    pb_fp_env quiet = { .rules = pb_fp_rules_arm(), .round = ref_random() % 6 };
    uint64_t power = UINT64_C(1) << (ref_random() % 64);

    return call_from_int(f, power + ref_random() % 5 - 2, ref_random() & 1,
                         ref_random() % 4 ? 0 : ref_random() % 65, &quiet);
}

static void test_to_int(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(2 * CASES); i > 0; i--) {
            bits raw = i & 1 ? limit_operand((ref_fmt)f) : ref_operand((ref_fmt)f, NULL);

            wrong += to_int_one((ref_fmt)f, raw + (ref_random() % 4 == 0));
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- from integers ---- */

static void test_from_int(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(2 * CASES); i > 0; i--) {
            bool is_signed = ref_random() & 1;
            unsigned fbits = ref_random() % 2 ? 0 : ref_random() % 65;
            uint64_t v = (uint64_t)ref_operand(F128, NULL) >> (ref_random() % 64);
            pb_fp_env before = ref_env((ref_fmt)f), env = before;
            bits raw = ref_random() % 2 ? v : ref_random() >> (ref_random() % 64), got;
            ref_result want;

            got = call_from_int((ref_fmt)f, (uint64_t)raw, is_signed, fbits, &env);
            if (is_signed)
                mpfr_set_si(w, (long)raw, MPFR_RNDN);
            else
                mpfr_set_ui(w, (unsigned long)raw, MPFR_RNDN);
            mpfr_div_2ui(w, w, fbits, MPFR_RNDN);
            want = ref_round(w, (ref_fmt)f, ref_formats[f].prec, env.round, true, &before);
            wrong += !ref_same(is_signed ? "from_int" : "from_uint", F64, (ref_fmt)f, &raw, 1,
                               &before, want, got, env.flags);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- rounding to integral, scaling ---- */

static int round_int_one(ref_fmt f, bits raw)
{
    ref_value *operand = &a;
    unsigned round = ref_random() % 6;
    bool exact = ref_random() & 1;
    pb_fp_env before = ref_env(f), env = before;
    uint32_t flags = 0;
    ref_result want;
    bits got = call_round_int(f, raw, round, exact, &env);

    ref_decode(&a, f, raw, true, &before, &flags);
    if (a.kind != REF_NUMBER) {
        want = ref_nan(&operand, 1, f, &before);
    } else {
        ref_rint(w, a.v, round);
        if (!mpfr_equal_p(w, a.v) && exact)
            flags |= PB_FP_INEXACT;
        mpfr_setsign(w, w, a.sign, MPFR_RNDN);
        want = ref_round(w, f, ref_formats[f].prec, PB_FP_TO_ZERO, true, &before);
        if (f == F80 && a.denormal)
            flags |= before.rules.denormal_flags;
    }
    want.flags |= flags;
    return !ref_same("round_int", f, f, &raw, 1, &before, want, got, env.flags);
}

static void test_round_int(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(2 * CASES); i > 0; i--) {
            bits raw = i & 1 ? limit_operand((ref_fmt)f) : ref_operand((ref_fmt)f, NULL);

            wrong += round_int_one((ref_fmt)f, raw);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static int scale_one(ref_fmt f, bits raw)
{
    static const int32_t extremes[] = { INT32_MIN, INT32_MAX, -40000, 40000 };
    ref_value *operand = &a;
    uint32_t flags = 0;
    int32_t n = (int32_t)(ref_random() % (unsigned)(5 * ref_formats[f].emax));
    pb_fp_env before = ref_env(f), env = before;
    ref_result want;
    bits got;

    n = ref_random() % 8 ? n - 5 * ref_formats[f].emax / 2 : extremes[ref_random() % 4];
    got = call_scale(f, raw, n, &env);
    ref_decode(&a, f, raw, true, &before, &flags);
    if (a.kind != REF_NUMBER) {
        want = ref_nan(&operand, 1, f, &before);
    } else {
        mpfr_mul_2si(w, a.v, n, MPFR_RNDN);
        want = ref_round(w, f, ref_formats[f].prec, before.round, true, &before);
        if (a.denormal)
            flags |= before.rules.denormal_flags;
    }
    want.flags |= flags;
    return !ref_same("scale", f, f, &raw, 1, &before, want, got, env.flags);
}

static void test_scale(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(CASES); i > 0; i--)
            wrong += scale_one((ref_fmt)f, ref_operand((ref_fmt)f, NULL));
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- comparison, minimum, maximum ---- */

static const compare_call compare_calls[] = {
    { "compare", pb_f16_compare, pb_f32_compare, pb_f64_compare, pb_f80_compare, pb_f128_compare },
    { "compare_signalling", pb_f16_compare_signalling, pb_f32_compare_signalling,
      pb_f64_compare_signalling, pb_f80_compare_signalling, pb_f128_compare_signalling },
};

/* Second operand: often the first, its neighbour or its negative. */
static bits other_operand(ref_fmt f, bits x)
{
    bits sign = (bits)1 << (ref_formats[f].width - 1);

    switch (ref_random() % 4) {
    case 0:
        return x ^ (ref_random() % 2 ? sign : 0);
    case 1:
        return (x & ~(bits)1) | (ref_random() & 1);
    default:
        return ref_operand(f, &x);
    }
}

static int compare_one(ref_fmt f, bool signalling)
{
    bits x = ref_operand(f, NULL), raw[2] = { x, other_operand(f, x) };
    pb_fp_env before = ref_env(f), env = before;
    int got = call_compare(&compare_calls[signalling], f, raw[0], raw[1], &env);
    ref_result want = { 0 };

    ref_decode(&a, f, raw[0], true, &before, &want.flags);
    ref_decode(&b, f, raw[1], true, &before, &want.flags);
    if (a.kind != REF_NUMBER || b.kind != REF_NUMBER) {
        want.bits = PB_FP_UNORDERED;
        if (signalling || a.kind > REF_QNAN || b.kind > REF_QNAN)
            want.flags |= PB_FP_INVALID;
    } else {
        int order = mpfr_cmp(a.v, b.v);

        want.bits = (bits)((order > 0) - (order < 0));
        if (a.denormal || b.denormal)
            want.flags |= before.rules.denormal_flags;
    }
    return !ref_same(compare_calls[signalling].name, f, F128, raw, 2, &before, want,
                     (bits)(__int128)got, env.flags);
}

static void test_compare(void)
{
    int wrong = 0;

    for (int f = F16; f <= F128; f++) {
        for (long i = ref_cases(CASES); i > 0; i--)
            wrong += compare_one((ref_fmt)f, i & 1);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static const binary_call minmax_calls[] = {
    { "min", pb_f16_min, pb_f32_min, pb_f64_min, NULL, NULL },
    { "max", pb_f16_max, pb_f32_max, pb_f64_max, NULL, NULL },
    { "minnum", pb_f16_minnum, pb_f32_minnum, pb_f64_minnum, NULL, NULL },
    { "maxnum", pb_f16_maxnum, pb_f32_maxnum, pb_f64_maxnum, NULL, NULL },
    { "x86 min", pb_x86_f16_min, pb_x86_f32_min, pb_x86_f64_min, NULL, NULL },
    { "x86 max", pb_x86_f16_max, pb_x86_f32_max, pb_x86_f64_max, NULL, NULL },
};

/* An operand as it is, but for a denormal that is flushed */
static bits flushed(ref_fmt f, bits raw, const pb_fp_env *env)
{
    uint32_t flags = 0;

    ref_decode(&a, f, raw, true, env, &flags);
    return a.kind == REF_NUMBER && mpfr_zero_p(a.v) ? raw & (bits)1 << (ref_formats[f].width - 1)
                                                    : raw;
}

static ref_result ref_minmax(int op, ref_fmt f, const bits *raw, const pb_fp_env *env)
{
    ref_value *operands[] = { &a, &b };
    bool max = op & 1, number = (op & ~1) == 2, x86 = op >= 4, take_a;
    ref_result r = { 0 };
    uint32_t flags = 0;
    int order;

    ref_decode(&a, f, raw[0], true, env, &flags);
    ref_decode(&b, f, raw[1], true, env, &flags);
    if (a.kind != REF_NUMBER || b.kind != REF_NUMBER) {
        if (x86) {
            r.flags = flags | PB_FP_INVALID;
            r.bits = flushed(f, raw[1], env);
            return r;
        }
        if (!number || a.kind == b.kind || a.kind == REF_SNAN || b.kind == REF_SNAN) {
            r = ref_nan(operands, 2, f, env);
            r.flags |= flags;
            return r;
        }
        take_a = b.kind == REF_QNAN;
        if ((take_a ? &a : &b)->denormal)
            flags |= env->rules.denormal_flags;
    } else {
        order = mpfr_cmp(a.v, b.v);
        if (order == 0 && !x86)
            order = b.sign - a.sign;
        take_a = max ? order > 0 : order < 0;
        if (a.denormal || b.denormal)
            flags |= env->rules.denormal_flags;
    }
    if (x86)
        r.bits = flushed(f, raw[!take_a], env);
    else
        r = ref_round((take_a ? &a : &b)->v, f, ref_formats[f].prec, env->round, true, env);
    r.flags |= flags;
    return r;
}

static void test_minmax(void)
{
    int wrong = 0;

    for (int op = 0; op < 6; op++) {
        for (int f = F16; f <= F64; f++) {
            for (long i = ref_cases(CASES); i > 0; i--) {
                bits x = ref_operand((ref_fmt)f, NULL);
                bits raw[2] = { x, other_operand((ref_fmt)f, x) };
                pb_fp_env before = ref_env((ref_fmt)f), env = before;
                bits got = call_binary(&minmax_calls[op], (ref_fmt)f, raw[0], raw[1], &env);
                ref_result want = ref_minmax(op, (ref_fmt)f, raw, &before);

                wrong += !ref_same(minmax_calls[op].name, (ref_fmt)f, (ref_fmt)f, raw, 2, &before,
                                   want, got, env.flags);
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* ---- Arm's own conversions ---- */

static int round_int_n_one(ref_fmt f, bits raw)
{
    unsigned width = ref_random() & 1 ? 32 : 64, round = ref_random() % 4;
    pb_fp_env before = { .rules = pb_fp_rules_arm() }, env;
    ref_result want = { 0 };
    uint32_t flags = 0;
    bits got;

    before.rules.flush_in = before.rules.flush_out = ref_random() & 1;
    env = before;
    got = f == F32 ? pb_arm_f32_round_int_n((uint32_t)raw, width, round, &env)
                   : pb_arm_f64_round_int_n((uint64_t)raw, width, round, &env);
    ref_decode(&a, f, raw, true, &before, &flags);
    if (a.kind == REF_NUMBER) {
        ref_rint(w, a.v, round);
        mpfr_setsign(w, w, a.sign, MPFR_RNDN);
    }
    if (a.kind != REF_NUMBER || mpfr_cmp_ui_2exp(w, 1, width - 1) >= 0 ||
        mpfr_cmp_si_2exp(w, -1, width - 1) < 0) {
        mpfr_set_si_2exp(w, -1, width - 1, MPFR_RNDN);
        flags |= PB_FP_INVALID;
    } else if (!mpfr_equal_p(w, a.v)) {
        flags |= PB_FP_INEXACT;
    }
    want = ref_round(w, f, ref_formats[f].prec, PB_FP_TO_ZERO, true, &before);
    want.flags |= flags;
    return !ref_same("round_int_n", f, f, &raw, 1, &before, want, got, env.flags);
}

static void test_round_int_n(void)
{
    int wrong = 0;

    for (int f = F32; f <= F64; f++) {
        for (long i = ref_cases(CASES); i > 0; i--) {
            bits raw = i & 1 ? limit_operand((ref_fmt)f) : ref_operand((ref_fmt)f, NULL);

            wrong += round_int_n_one((ref_fmt)f, raw);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* FPToFixedJS */
static ref_result ref_js(bits raw, bool *exact, const pb_fp_env *env)
{
    ref_result r = { 0 };
    mpz_t z;

    ref_decode(&a, F64, raw, true, env, &r.flags);
    *exact = false;
    if (a.kind != REF_NUMBER || mpfr_inf_p(a.v)) {
        r.flags |= PB_FP_INVALID;
        return r;
    }
    mpfr_trunc(w, a.v);
    mpz_init(z);
    mpfr_get_z(z, w, MPFR_RNDN);
    mpz_fdiv_r_2exp(z, z, 32);
    r.bits = mpz_get_ui(z);
    mpz_clear(z);
    if (mpfr_cmp_si(w, INT32_MIN) < 0 || mpfr_cmp_si(w, INT32_MAX) > 0)
        r.flags |= PB_FP_INVALID;
    else if (!mpfr_equal_p(w, a.v))
        r.flags |= PB_FP_INEXACT;
    else
        *exact = !(mpfr_zero_p(a.v) && a.sign);
    return r;
}

static void test_js(void)
{
    int wrong = 0;

    for (long i = ref_cases(2 * CASES); i > 0; i--) {
        /* Exponents from 2^-2 to 2^90, or anything. */
        uint64_t exp = 1021 + ref_random() % 92;
        bits raw = ref_operand(F64, NULL);
        pb_fp_env before = { .rules = pb_fp_rules_arm() }, env;
        bool exact, want_exact;
        bits got;
        ref_result want;

        if (i & 1)
            raw = (raw & UINT64_C(0x800fffffffffffff)) | exp << 52;
        before.rules.flush_in = ref_random() & 1;
        env = before;
        got = pb_arm_f64_to_int32_js((uint64_t)raw, &exact, &env);
        want = ref_js(raw, &want_exact, &before);
        wrong += !ref_same("to_int32_js", F64, F32, &raw, 1, &before, want, got, env.flags);
        wrong += exact != want_exact;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const unit_case cases[] = {
        { "between formats", test_formats },
        { "to integers", test_to_int },
        { "from integers", test_from_int },
        { "round to integral", test_round_int },
        { "scale", test_scale },
        { "compare", test_compare },
        { "minimum and maximum", test_minmax },
        { "FRINT32, FRINT64", test_round_int_n },
        { "FJCVTZS", test_js },
        { NULL, NULL },
    };
    int status;

    ref_init(&a);
    ref_init(&b);
    mpfr_init2(w, mpfr_get_prec(a.v));
    status = unit_run("conversions and comparison against MPFR", cases);
    ref_finish(&a);
    ref_finish(&b);
    mpfr_clear(w);
    mpfr_free_cache();
    return status;
}
