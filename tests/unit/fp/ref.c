/*
 * See ref.h.
 */
#include <stdlib.h>

#include "ref.h"

/* Enough for every format's product, and for rounding twice. */
#define PRECISION 300

const ref_format ref_formats[REF_FMT_COUNT] = {
    [F16] = { "f16", 11, -14, 15, 16, false },
    [F32] = { "f32", 24, -126, 127, 32, false },
    [F64] = { "f64", 53, -1022, 1023, 64, false },
    [F80] = { "f80", 64, -16382, 16383, 80, true },
    [F128] = { "f128", 113, -16382, 16383, 128, false },
    [BF16] = { "bf16", 8, -126, 127, 16, false },
};

/* ---- reading and writing bit patterns ---- */

static bits ones(int n)
{
    return n >= 128 ? ~(bits)0 : ((bits)1 << n) - 1;
}

/* Stored bits of the significand */
static int field_bits(const ref_format *f)
{
    return f->explicit_int ? f->prec : f->prec - 1;
}

static int exp_bits(const ref_format *f)
{
    return f->width - 1 - field_bits(f);
}

void ref_init(ref_value *v)
{
    /* Scaling by any 32-bit exponent stays within MPFR's range. */
    mpfr_set_emin(mpfr_get_emin_min());
    mpfr_set_emax(mpfr_get_emax_max());
    mpfr_init2(v->v, PRECISION);
}

void ref_finish(ref_value *v)
{
    mpfr_clear(v->v);
}

static void set_bits(mpfr_t v, bits magnitude, long exp)
{
    mpfr_set_ui_2exp(v, (unsigned long)(magnitude >> 64), 64, MPFR_RNDN);
    mpfr_add_ui(v, v, (unsigned long)magnitude, MPFR_RNDN);
    mpfr_mul_2si(v, v, exp, MPFR_RNDN);
}

static bool flushes_in(ref_fmt f, const pb_fp_env *env)
{
    return f == F16 ? env->rules.flush_in16 : f != F80 && f != F128 && env->rules.flush_in;
}

static bool flushes_out(ref_fmt f, const pb_fp_env *env)
{
    return f == F16 ? env->rules.flush_out16 : f != F80 && f != F128 && env->rules.flush_out;
}

static void decode_special(ref_value *v, const ref_format *f, bits field)
{
    bits fraction = field & ones(f->prec - 1);

    v->payload = fraction << (128 - (f->prec - 1));
    if (f->explicit_int && !(field >> (f->prec - 1)))
        v->kind = REF_UNSUPPORTED;
    else if (fraction == 0)
        mpfr_set_inf(v->v, v->sign ? -1 : 1);
    else
        v->kind = v->payload >> 127 ? REF_QNAN : REF_SNAN;
}

void ref_decode(ref_value *v, ref_fmt fmt, bits raw, bool flush, const pb_fp_env *env,
                uint32_t *flags)
{
    const ref_format *f = &ref_formats[fmt];
    bits field = raw & ones(field_bits(f));
    long exp = (long)((raw >> field_bits(f)) & ones(exp_bits(f)));
    bool integer = f->explicit_int ? (field >> (f->prec - 1)) & 1 : exp != 0;

    v->kind = REF_NUMBER;
    v->sign = (raw >> (f->width - 1)) & 1;
    v->denormal = exp == 0 && field != 0;
    if (exp == (long)ones(exp_bits(f)) && !(fmt == F16 && !flush && env->rules.alt_half)) {
        decode_special(v, f, field);
        return;
    }
    if (f->explicit_int && exp != 0 && !integer) {
        v->kind = REF_UNSUPPORTED;
        return;
    }
    if (flush && v->denormal && flushes_in(fmt, env)) {
        field = 0;
        v->denormal = false;
        *flags |= fmt == F16 ? 0 : env->rules.flush_in_flags;
    }
    if (!f->explicit_int && integer)
        field |= (bits)1 << (f->prec - 1);
    set_bits(v->v, field, (exp ? exp : 1) - 1 + f->emin - (f->prec - 1));
    mpfr_setsign(v->v, v->v, v->sign, MPFR_RNDN);
}

static bits get_bits(const mpfr_t integral)
{
    mpz_t z;
    bits result;

    mpz_init(z);
    mpfr_get_z(z, integral, MPFR_RNDN);
    result = mpz_getlimbn(z, 0);
    result |= (bits)mpz_getlimbn(z, 1) << 64;
    mpz_clear(z);
    return result;
}

/* significand has the integer bit at prec - 1. */
static bits encode(const ref_format *f, bool sign, long biased, bits significand)
{
    return ((bits)sign << (f->width - 1)) | ((bits)biased << field_bits(f)) |
           (significand & ones(field_bits(f)));
}

/* ---- rounding ---- */

void ref_sticky(mpfr_t v, int inexact)
{
    if (inexact == 0 || mpfr_min_prec(v) == mpfr_get_prec(v))
        return;
    if (mpfr_signbit(v))
        mpfr_nextbelow(v);
    else
        mpfr_nextabove(v);
}

void ref_rint(mpfr_t out, const mpfr_t v, unsigned round)
{
    static const mpfr_rnd_t modes[] = { MPFR_RNDN, MPFR_RNDU, MPFR_RNDD, MPFR_RNDZ };
    mpfr_t half;

    if (round == PB_FP_NEAREST_AWAY) {
        mpfr_round(out, v);
    } else if (round == PB_FP_TO_ODD) {
        mpfr_trunc(out, v);
        mpfr_init2(half, PRECISION);
        mpfr_div_2ui(half, out, 1, MPFR_RNDN);
        if (!mpfr_equal_p(out, v) && mpfr_integer_p(half)) {
            mpfr_set_si(half, mpfr_signbit(v) ? -1 : 1, MPFR_RNDN);
            mpfr_add(out, out, half, MPFR_RNDN);
        }
        mpfr_clear(half);
    } else {
        mpfr_rint(out, v, modes[round]);
    }
}

/* v rounded to a multiple of 2^quantum, in *out as that multiple. */
static void round_to_quantum(mpfr_t out, const mpfr_t v, long quantum, unsigned round)
{
    mpfr_t scaled;

    mpfr_init2(scaled, PRECISION);
    mpfr_mul_2si(scaled, v, -quantum, MPFR_RNDN);
    ref_rint(out, scaled, round);
    mpfr_clear(scaled);
}

/* Exponent of the leading bit of a finite number other than 0 */
static long leading(const mpfr_t v)
{
    return mpfr_get_exp(v) - 1;
}

static bool overflow_gives_inf(bool sign, unsigned round)
{
    return round == PB_FP_NEAREST_EVEN || round == PB_FP_NEAREST_AWAY ||
           (round == PB_FP_UP && !sign) || (round == PB_FP_DOWN && sign);
}

static ref_result overflow(const ref_format *f, int prec, bool sign, unsigned round)
{
    ref_result r = { .flags = PB_FP_OVERFLOW | PB_FP_INEXACT };
    bits significand = ones(prec) << (f->prec - prec);

    if (overflow_gives_inf(sign, round)) {
        r.flags |= PB_FP_ROUNDED_UP;
        r.bits = encode(f, sign, (long)ones(exp_bits(f)), (bits)1 << (f->prec - 1));
    } else {
        r.bits = encode(f, sign, (long)ones(exp_bits(f)) - 1, significand);
    }
    return r;
}

static bool is_tiny(const mpfr_t v, const ref_format *f, int prec, unsigned round, bool after)
{
    mpfr_t n;
    long e = leading(v);

    if (after) {
        mpfr_init2(n, PRECISION);
        round_to_quantum(n, v, e - prec + 1, round);
        e = leading(n) + e - prec + 1;
        mpfr_clear(n);
    }
    return e < f->emin;
}

ref_result ref_round(const mpfr_t v, ref_fmt fmt, int prec, unsigned round, bool flush,
                     const pb_fp_env *env)
{
    const ref_format *f = &ref_formats[fmt];
    bool alternative = fmt == F16 && !flush && env->rules.alt_half;
    bool sign = mpfr_signbit(v) != 0, tiny;
    ref_result r = { 0 };
    long e, quantum;
    mpfr_t n, exact;

    if (mpfr_zero_p(v)) {
        r.bits = encode(f, sign, 0, 0);
        return r;
    }
    if (mpfr_inf_p(v)) {
        r.bits = encode(f, sign, (long)ones(exp_bits(f)), (bits)1 << (f->prec - 1));
        return r;
    }
    tiny = is_tiny(v, f, prec, round, env->rules.tiny_after);
    if (tiny && flush && flushes_out(fmt, env)) {
        r.flags = env->rules.flush_out_flags;
        r.bits = encode(f, sign, 0, 0);
        return r;
    }

    mpfr_inits2(PRECISION, n, exact, (mpfr_ptr)0);
    e = leading(v) < f->emin ? f->emin : leading(v);
    quantum = e - prec + 1;
    round_to_quantum(n, v, quantum, round);
    mpfr_mul_2si(exact, v, -quantum, MPFR_RNDN);
    if (!mpfr_equal_p(n, exact)) {
        r.flags |= PB_FP_INEXACT | (tiny ? PB_FP_UNDERFLOW : 0);
        if (mpfr_cmpabs(n, exact) > 0)
            r.flags |= PB_FP_ROUNDED_UP;
    }
    mpfr_abs(n, n, MPFR_RNDN);
    if (mpfr_cmp_ui_2exp(n, 1, prec) >= 0) { /* a carry; the quotient is exact */
        mpfr_div_2ui(n, n, 1, MPFR_RNDN);
        e++;
    }
    if (e > f->emax + alternative) {
        r = overflow(f, prec, sign, round);
        if (alternative) {
            r.flags = PB_FP_INVALID;
            r.bits = encode(f, sign, (long)ones(exp_bits(f)), ones(f->prec));
        }
    } else {
        bits significand = get_bits(n) << (f->prec - prec);
        bool normal = (significand >> (f->prec - 1)) & 1;

        r.bits = encode(f, sign, normal ? e - f->emin + 1 : 0, significand);
    }
    mpfr_clears(n, exact, (mpfr_ptr)0);
    return r;
}

/* ---- NaNs ---- */

static bits encode_nan(const ref_format *f, bool sign, bits payload)
{
    return encode(f, sign, (long)ones(exp_bits(f)),
                  (payload >> (128 - (f->prec - 1))) | ((bits)1 << (f->prec - 1)));
}

ref_result ref_default_nan(ref_fmt f, const pb_fp_env *env)
{
    return (ref_result){ .bits = encode_nan(&ref_formats[f], env->rules.default_nan_negative,
                                            (bits)1 << 127) };
}

ref_result ref_nan(ref_value *const *v, int n, ref_fmt f, const pb_fp_env *env)
{
    const ref_value *chosen = NULL;
    uint32_t flags = 0;
    ref_result r = ref_default_nan(f, env);

    for (int i = 0; i < n; i++) {
        if (v[i]->kind == REF_UNSUPPORTED) {
            r.flags = PB_FP_INVALID;
            return r;
        }
        if (v[i]->kind == REF_SNAN)
            flags = PB_FP_INVALID;
    }
    r.flags = flags;
    if (env->rules.default_nan)
        return r;
    for (int i = 0; i < n; i++) {
        bool better;

        if (v[i]->kind == REF_NUMBER)
            continue;
        if (!chosen)
            better = true;
        else if (env->rules.nan == PB_FP_NAN_ARM)
            better = v[i]->kind == REF_SNAN && chosen->kind == REF_QNAN;
        else if (env->rules.nan == PB_FP_NAN_X87)
            better = v[i]->payload > chosen->payload ||
                     (v[i]->payload == chosen->payload && chosen->sign);
        else
            better = false;
        if (better)
            chosen = v[i];
    }
    r.bits = encode_nan(&ref_formats[f], chosen->sign, chosen->payload | (bits)1 << 127);
    return r;
}

/* ---- operands, results ---- */

uint64_t ref_random(void)
{
    static uint64_t state;

    if (state == 0) {
        const char *seed = getenv("PATCHBAY_FP_SEED");

        state = seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15;
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static long random_between(long low, long high)
{
    return low + (long)(ref_random() % (uint64_t)(high - low + 1));
}

long ref_cases(long usual)
{
    const char *factor = getenv("PATCHBAY_FP_FACTOR");
    double f = factor ? strtod(factor, NULL) : 1;

    return f * (double)usual < 1 ? 1 : (long)(f * (double)usual);
}

/* A fraction of n bits: random, few bits, runs of ones from either end, next to those. */
static bits random_fraction(int n)
{
    bits r = ((bits)ref_random() << 64) | ref_random();
    int k = (int)(ref_random() % (unsigned)n);
    bits fraction;

    switch (ref_random() % 8) {
    case 0:
        fraction = 0;
        break;
    case 1:
        fraction = ones(k);
        break;
    case 2:
        fraction = ones(n) ^ ones(k);
        break;
    case 3:
        fraction = (bits)1 << k;
        break;
    case 4:
        fraction = r << k;
        break;
    case 5:
        fraction = ((bits)1 << k) | ((bits)1 << (ref_random() % (unsigned)n));
        break;
    default:
        return r & ones(n);
    }
    return (fraction + (bits)random_between(-2, 2) * (ref_random() % 4 == 0)) & ones(n);
}

/* A biased exponent such that with that of `near` sums and quotients get interesting. */
static long related_exp(const ref_format *f, bits near)
{
    long bias = f->emax, max = 2 * f->emax + 1;
    long other = (long)((near >> field_bits(f)) & ones(exp_bits(f)));
    long exp;

    switch (ref_random() % 5) {
    case 0: /* sums */
        exp = other + random_between(-f->prec - 3, f->prec + 3);
        break;
    case 1: /* products at the small end */
        exp = bias - other + random_between(-f->prec - 3, 3);
        break;
    case 2: /* products at the large end */
        exp = max + bias - other + random_between(-3, 3);
        break;
    case 3: /* quotients at the small end, if `near` is the dividend */
        exp = other + bias + random_between(-3, f->prec + 3);
        break;
    default: /* at the large end */
        exp = other - bias + random_between(-3, 3);
        break;
    }
    return exp < 0 ? 0 : exp > max ? max : exp;
}

bits ref_operand(ref_fmt fmt, const bits *near)
{
    const ref_format *f = &ref_formats[fmt];
    long max = 2 * f->emax + 1;
    bool sign = ref_random() & 1;
    bits fraction = random_fraction(f->prec - 1);
    unsigned kind = ref_random() % 32;
    bool integer = true;
    long exp;

    switch (kind) {
    case 0:
        fraction = 0; /* fall through */
    case 1:
    case 2:
        exp = 0;
        break;
    case 3:
        exp = random_between(0, 2);
        break;
    case 4:
        exp = random_between(max - 2, max);
        break;
    case 5:
        exp = max;
        fraction = ref_random() % 2 ? 0 : fraction;
        break;
    case 6: /* NaN: both quiet bits, small and large payloads */
        exp = max;
        fraction |= ref_random() % 2 ? (bits)1 << (f->prec - 2) : 1;
        break;
    case 7: /* integers and their neighbourhood */
    case 8:
        exp = f->emax + random_between(-3, f->prec + 2);
        break;
    default:
        exp = f->emax + random_between(-f->emax, f->emax);
        if (kind < 14)
            exp = f->emax + random_between(-3, 3);
        else if (near && kind < 26)
            exp = related_exp(f, *near);
        break;
    }
    exp = exp < 0 ? 0 : exp > max ? max : exp;
    if (f->explicit_int)
        integer = exp != 0;
    if (f->explicit_int && ref_random() % 64 == 0)
        integer = !integer;
    return encode(f, sign, exp, fraction | (bits)integer << (f->prec - 1));
}

pb_fp_env ref_env(ref_fmt f)
{
    static const uint8_t precisions[] = { 0, 64, 53, 24 };
    pb_fp_env env = { .round = (uint8_t)(ref_random() % 6) };
    uint64_t r = ref_random();

    if (f == F80) {
        env.rules = pb_fp_rules_x87();
        env.precision = precisions[r & 3];
        return env;
    }
    switch (r % 3) {
    case 0:
        env.rules = pb_fp_rules_arm();
        env.rules.default_nan = (r >> 8) & 1;
        env.rules.flush_in = env.rules.flush_out = (r >> 9) % 4 == 0;
        env.rules.flush_in16 = env.rules.flush_out16 = (r >> 11) % 4 == 0;
        env.rules.alt_half = (r >> 13) & 1;
        break;
    case 1:
        env.rules = pb_fp_rules_x86();
        env.rules.flush_in = (r >> 8) % 4 == 0;
        env.rules.flush_out = (r >> 10) % 4 == 0;
        break;
    default:
        env.rules = pb_fp_rules_ppc();
        break;
    }
    return env;
}

static void print_bits(ref_fmt f, bits raw)
{
    int digits = (ref_formats[f].width + 3) / 4;

    if (digits > 16)
        fprintf(stderr, " %0*llx", digits - 16, (unsigned long long)(raw >> 64));
    else
        fputc(' ', stderr);
    fprintf(stderr, "%0*llx", digits > 16 ? 16 : digits, (unsigned long long)raw);
}

bool ref_same(const char *op, ref_fmt from, ref_fmt to, const bits *operand, int n,
              const pb_fp_env *before, ref_result want, bits got, uint32_t flags)
{
    static int told;

    if (want.bits == got && ((want.flags ^ flags) & REF_FLAGS) == 0)
        return true;
    if (told++ >= 40)
        return false;
    fprintf(stderr, "%s %s:", ref_formats[from].name, op);
    for (int i = 0; i < n; i++)
        print_bits(from, operand[i]);
    fprintf(stderr,
            " (round %d, precision %d, nan %d, dn %d, after %d, fz %d %d, fz16 %d, ahp %d):",
            before->round, before->precision, before->rules.nan, before->rules.default_nan,
            before->rules.tiny_after, before->rules.flush_in, before->rules.flush_out,
            before->rules.flush_in16, before->rules.alt_half);
    print_bits(to, got);
    fprintf(stderr, " flags %x, should be", flags & REF_FLAGS);
    print_bits(to, want.bits);
    fprintf(stderr, " flags %x\n", want.flags);
    return false;
}
