/*
 * Addition, multiplication, division, square root and fma for any format; see core.h.
 */
#ifndef FP_ARITH_H
#define FP_ARITH_H

#include "core.h"

/* ---- addition ---- */

FP_INLINE fp_num exact_zero(unsigned round)
{
    return (fp_num){ .cls = CLS_ZERO, .sign = round == PB_FP_DOWN };
}

/* Both normal, either sign. */
FP_INLINE fp_num add_normal(fp_num a, fp_num b, unsigned round)
{
    if (a.exp < b.exp || (a.exp == b.exp && a.frac < b.frac)) {
        fp_num t = a;

        a = b;
        b = t;
    }
    b.frac = shift_right_sticky(b.frac, a.exp - b.exp);
    if (a.sign == b.sign) {
        a.frac += b.frac;
        if (a.frac >> (TOP + 1)) {
            a.frac = shift_right_sticky(a.frac, 1);
            a.exp++;
        }
        return a;
    }
    a.frac -= b.frac;
    return a.frac ? normalise(a) : exact_zero(round);
}

/* At least one is not normal. */
FP_INLINE fp_num add_special(fp_num a, fp_num b, pb_fp_env *env)
{
    if (a.cls == CLS_INF && b.cls == CLS_INF && a.sign != b.sign)
        return invalid(PB_FP_WHY_INF_SUB, env);
    note_denormals(a.denormal | b.denormal, env);
    if (a.cls == CLS_ZERO && b.cls == CLS_ZERO)
        return a.sign == b.sign ? a : exact_zero(env->round);
    if (a.cls == CLS_INF || b.cls == CLS_ZERO)
        return a;
    return b;
}

FP_INLINE fp_num add_num(fp_num a, fp_num b, pb_fp_env *env)
{
    if (unlikely(a.cls != CLS_NORMAL || b.cls != CLS_NORMAL))
        return add_special(a, b, env);
    note_denormals(a.denormal | b.denormal, env);
    return add_normal(a, b, env->round);
}

/* a + b, or a - b */
FP_INLINE sig fp_add(const fp_format *f, sig ra, sig rb, bool subtract, int drop, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);

    if (unlikely(is_nan(a) || is_nan(b)))
        return pack_nan(f, propagate2(a, b, env));
    b.sign ^= subtract;
    return round_pack(f, add_num(a, b, env), drop, env->round, env);
}

/* ---- multiplication ---- */

FP_INLINE fp_num mul_num(fp_num a, fp_num b, pb_fp_env *env)
{
    fp_num r = { .cls = CLS_NORMAL, .sign = a.sign ^ b.sign };
    sig lo;

    if (unlikely(a.cls != CLS_NORMAL || b.cls != CLS_NORMAL)) {
        if (inf_times_zero(a, b))
            return invalid(PB_FP_WHY_INF_MUL, env);
        note_denormals(a.denormal | b.denormal, env);
        r.cls = a.cls == CLS_INF || b.cls == CLS_INF ? CLS_INF : CLS_ZERO;
        return r;
    }
    note_denormals(a.denormal | b.denormal, env);
    r.exp = a.exp + b.exp + 1;
    r.frac = sig_mul(a.frac, b.frac, &lo) << 1;
    r.frac |= lo != 0;
    if (!(r.frac & SIG_ONE)) {
        r.frac <<= 1;
        r.exp--;
    }
    return r;
}

FP_INLINE sig fp_mul(const fp_format *f, sig ra, sig rb, int drop, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);

    if (unlikely(is_nan(a) || is_nan(b)))
        return pack_nan(f, propagate2(a, b, env));
    return round_pack(f, mul_num(a, b, env), drop, env->round, env);
}

/* ---- division and square root ---- */

FP_INLINE fp_num div_special(fp_num a, fp_num b, pb_fp_env *env)
{
    fp_num r = { .sign = a.sign ^ b.sign };

    if (a.cls == CLS_INF && b.cls == CLS_INF)
        return invalid(PB_FP_WHY_INF_DIV, env);
    if (a.cls == CLS_ZERO && b.cls == CLS_ZERO)
        return invalid(PB_FP_WHY_ZERO_DIV, env);
    if (b.cls == CLS_ZERO && a.cls == CLS_NORMAL)
        env->flags |= PB_FP_DIVZERO;
    else
        note_denormals(a.denormal | b.denormal, env);
    r.cls = a.cls == CLS_INF || b.cls == CLS_ZERO ? CLS_INF : CLS_ZERO;
    return r;
}

FP_INLINE sig fp_div(const fp_format *f, sig ra, sig rb, int drop, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);
    fp_num r = { .cls = CLS_NORMAL };
    sig rem;

    if (unlikely(is_nan(a) || is_nan(b)))
        return pack_nan(f, propagate2(a, b, env));
    if (unlikely(a.cls != CLS_NORMAL || b.cls != CLS_NORMAL))
        return round_pack(f, div_special(a, b, env), drop, env->round, env);

    note_denormals(a.denormal | b.denormal, env);
    r.sign = a.sign ^ b.sign;
    r.exp = a.exp - b.exp;
    if (a.frac < b.frac) {
        a.frac <<= 1;
        r.exp--;
    }
    r.frac = sig_div(a.frac, b.frac, &rem);
    r.frac |= rem != 0;
    return round_pack(f, r, drop, env->round, env);
}

/* The square root of a positive number, a digit at a time: after i digits,
 * rest = 2^i * (a - root^2). It is kept below 2^(TOP+2) by starting three bits lower; those bits of
 * a significand are zero in every format. */
FP_INLINE fp_num sqrt_normal(const fp_format *f, fp_num a)
{
    const int places = f->frac_bits + 1; /* one for halfway; what is left is sticky */
    sig unit = SIG_ONE >> 3;
    sig rest = a.frac >> 3;
    sig root = 0, twice = 0;

    if (a.exp & 1)
        rest <<= 1;
    a.exp = (a.exp - (a.exp & 1)) / 2;
    for (int i = 0; i <= places; i++) {
        sig t = twice + unit;

        if (t <= rest) {
            twice = t + unit;
            rest -= t;
            root += unit;
        }
        rest <<= 1;
        unit >>= 1;
    }
    a.frac = (root << 3) | (rest != 0);
    return a;
}

FP_INLINE sig fp_sqrt(const fp_format *f, sig ra, int drop, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);

    if (unlikely(is_nan(a)))
        return pack_nan(f, propagate1(a, env));
    if (unlikely(a.sign && a.cls != CLS_ZERO))
        return pack_nan(f, invalid(PB_FP_WHY_SQRT, env));
    note_denormals(a.denormal, env);
    if (a.cls == CLS_NORMAL)
        a = sqrt_normal(f, a);
    return round_pack(f, a, drop, env->round, env);
}

/* ---- fused multiplication and addition ---- */

/* A significand of twice the width */
typedef struct sig_pair {
    sig hi, lo;
} sig_pair;

FP_INLINE sig_pair pair_shift_right_sticky(sig_pair p, int n)
{
    if (n == 0)
        return p;
    if (n < SIG_BITS) {
        sig out = p.lo << (SIG_BITS - n);

        p.lo = (p.lo >> n) | (p.hi << (SIG_BITS - n)) | (out != 0);
        p.hi >>= n;
        return p;
    }
    p.lo = shift_right_sticky(p.hi, n - SIG_BITS) | (p.lo != 0);
    p.hi = 0;
    return p;
}

FP_INLINE sig_pair pair_shift_left(sig_pair p, int n)
{
    if (n >= SIG_BITS)
        return (sig_pair){ .hi = p.lo << (n - SIG_BITS) };
    if (n > 0) {
        p.hi = (p.hi << n) | (p.lo >> (SIG_BITS - n));
        p.lo <<= n;
    }
    return p;
}

FP_INLINE bool pair_less(sig_pair a, sig_pair b)
{
    return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

FP_INLINE sig_pair pair_add(sig_pair a, sig_pair b)
{
    sig_pair r = { .hi = a.hi + b.hi, .lo = a.lo + b.lo };

    r.hi += r.lo < a.lo;
    return r;
}

FP_INLINE sig_pair pair_sub(sig_pair a, sig_pair b)
{
    sig_pair r = { .hi = a.hi - b.hi, .lo = a.lo - b.lo };

    r.hi -= a.lo < b.lo;
    return r;
}

/* r (class, sign) takes the value p / 2^(2 * SIG_BITS - 2) * 2^exp; p is not 0. */
FP_INLINE fp_num from_pair(fp_num r, sig_pair p, int exp)
{
    int shift = p.hi ? sig_clz(p.hi) - 1 : SIG_BITS - 1 + sig_clz(p.lo);

    p = shift < 0 ? pair_shift_right_sticky(p, 1) : pair_shift_left(p, shift);
    r.frac = p.hi | (p.lo != 0);
    r.exp = exp - shift;
    return r;
}

/* a * b + c, all normal. The product is exact in a pair, with its leading bit one or two places
 * below that of an addend put in the upper half. */
FP_INLINE fp_num fma_normal(fp_num a, fp_num b, fp_num c, unsigned round)
{
    fp_num r = { .cls = CLS_NORMAL, .sign = a.sign ^ b.sign };
    sig_pair product, addend = { .hi = c.frac };
    int exp = a.exp + b.exp + 2;

    product.hi = sig_mul(a.frac, b.frac, &product.lo);
    if (exp >= c.exp) {
        addend = pair_shift_right_sticky(addend, exp - c.exp);
    } else {
        product = pair_shift_right_sticky(product, c.exp - exp);
        exp = c.exp;
    }
    if (r.sign == c.sign)
        return from_pair(r, pair_add(product, addend), exp);
    if (pair_less(product, addend)) {
        r.sign = c.sign;
        return from_pair(r, pair_sub(addend, product), exp);
    }
    product = pair_sub(product, addend);
    if ((product.hi | product.lo) == 0)
        return exact_zero(round);
    return from_pair(r, product, exp);
}

/* None is a NaN. */
FP_INLINE fp_num fma_num(fp_num a, fp_num b, fp_num c, pb_fp_env *env)
{
    bool denormal = a.denormal | b.denormal | c.denormal;

    if (unlikely(a.cls != CLS_NORMAL || b.cls != CLS_NORMAL || c.cls != CLS_NORMAL)) {
        bool inf = a.cls == CLS_INF || b.cls == CLS_INF;
        bool zero = a.cls == CLS_ZERO || b.cls == CLS_ZERO;

        if (inf_times_zero(a, b))
            return invalid(PB_FP_WHY_INF_MUL, env);
        if (inf || zero) {
            fp_num product = { .cls = inf ? CLS_INF : CLS_ZERO,
                               .sign = a.sign ^ b.sign,
                               .denormal = a.denormal | b.denormal };

            return add_special(product, c, env);
        }
        /* A product of numbers, plus zero or infinity. */
        note_denormals(denormal, env);
        return c.cls == CLS_INF ? c : mul_num(a, b, env);
    }
    note_denormals(denormal, env);
    return fma_normal(a, b, c, env->round);
}

FP_INLINE sig fp_fma(const fp_format *f, sig ra, sig rb, sig rc, unsigned neg, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);
    fp_num c = unpack(f, rc, env);
    fp_num r;

    if (unlikely(is_nan(a) || is_nan(b) || is_nan(c)))
        return pack_nan(f, propagate3(a, b, c, env));
    a.sign ^= (neg & PB_FP_NEG_PRODUCT) != 0;
    c.sign ^= (neg & PB_FP_NEG_ADDEND) != 0;
    r = fma_num(a, b, c, env);
    return round_pack(f, r, 0, env->round, env) ^
           ((neg & PB_FP_NEG_RESULT) && !is_nan(r) ? sign_bit(f) : 0);
}

#endif
