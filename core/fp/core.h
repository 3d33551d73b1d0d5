/*
 * The arithmetic behind patchbay/fp.h, for any format. IEEE 754-2008.
 *
 * The including file has included sig64.h or sig128.h, which define the type sig and four
 * operations on it. A number is unpacked into
 *
 *     (-1)^sign * frac / 2^TOP * 2^exp,   2^TOP <= frac < 2^(TOP+1)
 *
 * so there is one spare bit above the number for carries, and at least ten below that of the last
 * place. A bit lost below is kept as a 1 in bit 0 (sticky). Operations compute the exact result,
 * or one with the same sticky bit, and round_pack() is the only place that rounds to a format.
 */
#ifndef FP_CORE_H
#define FP_CORE_H

#include <patchbay/fp.h>

#include "format.h"

#define FP_INLINE static inline __attribute__((always_inline))
#define FP_COLD   static __attribute__((noinline, cold, unused))

#define unlikely(x) __builtin_expect(!!(x), 0)

enum { TOP = SIG_BITS - 2 };

#define SIG_ONE   ((sig)1 << TOP)
#define SIG_QUIET ((sig)1 << (TOP - 1)) /* of a NaN */

/* Classes. The order is used: from CLS_QNAN on there is a NaN. */
enum { CLS_NORMAL, CLS_ZERO, CLS_INF, CLS_QNAN, CLS_SNAN, CLS_UNSUPPORTED };

/* A NaN has its payload in frac, the quiet bit at SIG_QUIET; zeros and infinities have frac 0. */
typedef struct fp_num {
    sig frac;
    int32_t exp;
    uint8_t cls;
    bool sign;
    bool denormal; /* was subnormal in its format, and was not flushed */
} fp_num;

FP_INLINE bool is_nan(fp_num n)
{
    return n.cls >= CLS_QNAN;
}

/* ---- formats ---- */

FP_INLINE int bias(const fp_format *f)
{
    return (1 << (f->exp_bits - 1)) - 1;
}

FP_INLINE int exp_max(const fp_format *f)
{
    return (1 << f->exp_bits) - 1;
}

/* Bits below a normal number's last place */
FP_INLINE int guard_bits(const fp_format *f)
{
    return TOP - f->frac_bits;
}

FP_INLINE sig sign_bit(const fp_format *f)
{
    return (sig)1 << (f->exp_bits + f->frac_bits + f->explicit_int);
}

/* field holds the integer bit at frac_bits; where the format does not store it, it is dropped. */
FP_INLINE sig pack(const fp_format *f, bool sign, int biased, sig field)
{
    if (!f->explicit_int)
        field &= ((sig)1 << f->frac_bits) - 1;
    return (sign ? sign_bit(f) : 0) | ((sig)(unsigned)biased << (f->frac_bits + f->explicit_int)) |
           field;
}

FP_INLINE sig pack_zero(const fp_format *f, bool sign)
{
    return pack(f, sign, 0, 0);
}

FP_INLINE sig pack_inf(const fp_format *f, bool sign)
{
    return pack(f, sign, exp_max(f), (sig)1 << f->frac_bits);
}

FP_INLINE sig pack_nan(const fp_format *f, fp_num n)
{
    return pack(f, n.sign, exp_max(f), ((sig)1 << f->frac_bits) | (n.frac >> guard_bits(f)));
}

FP_INLINE bool flushes_in(const fp_format *f, const pb_fp_env *env)
{
    return (f->flush == FLUSH_STANDARD && env->rules.flush_in) ||
           (f->flush == FLUSH_HALF && env->rules.flush_in16);
}

FP_INLINE bool flushes_out(const fp_format *f, const pb_fp_env *env)
{
    return (f->flush == FLUSH_STANDARD && env->rules.flush_out) ||
           (f->flush == FLUSH_HALF && env->rules.flush_out16);
}

/* ---- significands ---- */

FP_INLINE sig shift_right_sticky(sig a, int n)
{
    if (n == 0)
        return a;
    if (n < SIG_BITS)
        return (a >> n) | ((a << (SIG_BITS - n)) != 0);
    return a != 0;
}

/* frac has any leading bit; brings it to TOP. */
FP_INLINE fp_num normalise(fp_num n)
{
    int shift = sig_clz(n.frac) - 1;

    if (shift < 0)
        n.frac = shift_right_sticky(n.frac, 1);
    else
        n.frac <<= shift;
    n.exp -= shift;
    return n;
}

/* ---- unpacking ---- */

FP_INLINE fp_num unpack(const fp_format *f, sig raw, pb_fp_env *env)
{
    sig field = raw & (((sig)1 << f->frac_bits) - 1);
    int exp_shift = f->frac_bits + f->explicit_int;
    int biased = (int)(raw >> exp_shift) & exp_max(f);
    bool integer = f->explicit_int ? (raw >> f->frac_bits) & 1 : biased != 0;
    fp_num n = { .cls = CLS_NORMAL, .sign = (raw & sign_bit(f)) != 0 };

    n.exp = biased - bias(f);
    n.frac = (field << guard_bits(f)) | ((sig)integer << TOP);
    if (unlikely(biased == 0)) {
        if (n.frac == 0) {
            n.cls = CLS_ZERO;
        } else if (flushes_in(f, env)) {
            if (f->flush == FLUSH_STANDARD)
                env->flags |= env->rules.flush_in_flags;
            n.cls = CLS_ZERO;
            n.frac = 0;
        } else {
            n.denormal = !f->silent_denormals;
            n.exp = 1 - bias(f);
            n = normalise(n);
        }
    } else if (unlikely(biased == exp_max(f)) && !(f->alternative && env->rules.alt_half)) {
        n.frac &= ~SIG_ONE;
        if (!integer)
            n.cls = CLS_UNSUPPORTED;
        else if (n.frac == 0)
            n.cls = CLS_INF;
        else
            n.cls = n.frac & SIG_QUIET ? CLS_QNAN : CLS_SNAN;
    } else if (f->explicit_int && unlikely(!integer)) {
        n.cls = CLS_UNSUPPORTED;
    }
    return n;
}

FP_INLINE bool inf_times_zero(fp_num a, fp_num b)
{
    return (a.cls == CLS_INF && b.cls == CLS_ZERO) || (a.cls == CLS_ZERO && b.cls == CLS_INF);
}

/* Called once the operation is known not to be invalid or a division by zero. */
FP_INLINE void note_denormals(bool any, pb_fp_env *env)
{
    if (unlikely(any))
        env->flags |= env->rules.denormal_flags;
}

/* ---- NaNs ---- */

FP_COLD fp_num default_nan(const pb_fp_env *env)
{
    return (fp_num){ .cls = CLS_QNAN, .sign = env->rules.default_nan_negative, .frac = SIG_QUIET };
}

FP_COLD fp_num invalid(uint32_t why, pb_fp_env *env)
{
    env->flags |= PB_FP_INVALID | why;
    return default_nan(env);
}

/* The first NaN in an order of operands; there is one. */
static inline fp_num first_nan(const fp_num *n, int count)
{
    int i = 0;

    while (i < count - 1 && !is_nan(n[i]))
        i++;
    return n[i];
}

/* Intel SDM volume 1, table 4-7. A quiet NaN has the larger significand by its quiet bit. */
static inline fp_num larger_nan(fp_num a, fp_num b)
{
    if (!is_nan(a) || !is_nan(b))
        return is_nan(a) ? a : b;
    if (a.frac != b.frac)
        return a.frac > b.frac ? a : b;
    return a.sign ? b : a;
}

/* The NaN that comes out of operands of which at least one is a NaN, in the rule's order. */
static inline fp_num choose_nan(const fp_num *n, int count, pb_fp_env *env)
{
    bool signalling = false;
    fp_num nan;

    for (int i = 0; i < count; i++) {
        if (n[i].cls == CLS_UNSUPPORTED)
            return invalid(0, env);
        signalling |= n[i].cls == CLS_SNAN;
    }
    if (signalling)
        env->flags |= PB_FP_INVALID | PB_FP_WHY_SNAN;
    if (env->rules.default_nan)
        return default_nan(env);

    nan = first_nan(n, count);
    if (env->rules.nan == PB_FP_NAN_X87 && count == 2)
        nan = larger_nan(n[0], n[1]);
    for (int i = 0; env->rules.nan == PB_FP_NAN_ARM && signalling && i < count; i++) {
        if (n[i].cls == CLS_SNAN) {
            nan = n[i];
            break;
        }
    }
    nan.cls = CLS_QNAN;
    nan.frac |= SIG_QUIET;
    return nan;
}

FP_COLD fp_num propagate1(fp_num a, pb_fp_env *env)
{
    return choose_nan(&a, 1, env);
}

FP_COLD fp_num propagate2(fp_num a, fp_num b, pb_fp_env *env)
{
    const fp_num n[] = { a, b };

    return choose_nan(n, 2, env);
}

/* For a * b + c */
FP_COLD fp_num propagate3(fp_num a, fp_num b, fp_num c, pb_fp_env *env)
{
    fp_num n[] = { a, b, c };

    if (inf_times_zero(a, b) && env->rules.infzero != PB_FP_INFZERO_QUIET) {
        if (env->rules.infzero == PB_FP_INFZERO_DEFAULT && c.cls == CLS_QNAN)
            return invalid(PB_FP_WHY_INF_MUL, env);
        if (env->rules.infzero == PB_FP_INFZERO_INVALID)
            env->flags |= PB_FP_INVALID | PB_FP_WHY_INF_MUL;
    }
    if (env->rules.nan == PB_FP_NAN_ARM) {
        n[0] = c;
        n[1] = a;
        n[2] = b;
    } else if (env->rules.nan == PB_FP_NAN_PPC) {
        n[1] = c;
        n[2] = b;
    }
    return choose_nan(n, 3, env);
}

/* ---- rounding ---- */

/* What to add to a significand before cutting it off below bit shift; PB_FP_TO_ODD is apart. */
FP_INLINE sig round_addend(bool sign, sig frac, int shift, unsigned round)
{
    sig half = (sig)1 << (shift - 1);
    sig rest = ((half - 1) << 1) | 1;

    switch (round) {
    case PB_FP_NEAREST_EVEN:
        return half - 1 + ((frac >> shift) & 1);
    case PB_FP_NEAREST_AWAY:
        return half;
    case PB_FP_UP:
        return sign ? 0 : rest;
    case PB_FP_DOWN:
        return sign ? rest : 0;
    default:
        return 0;
    }
}

/* frac rounded to a multiple of 2^shift, 1 <= shift < SIG_BITS; *inexact tells whether it changed.
 * The sum stays below 2^SIG_BITS if frac < 2^(TOP+1). */
FP_INLINE sig round_at(bool sign, sig frac, int shift, unsigned round, bool *inexact)
{
    sig unit = (sig)1 << shift;
    sig rest = frac & (unit - 1);

    *inexact = rest != 0;
    if (round == PB_FP_TO_ODD)
        return (frac - rest) | (rest ? unit : 0);
    return (frac + round_addend(sign, frac, shift, round)) & ~(unit - 1);
}

FP_COLD bool overflows_to_inf(bool sign, unsigned round)
{
    switch (round) {
    case PB_FP_NEAREST_EVEN:
    case PB_FP_NEAREST_AWAY:
        return true;
    case PB_FP_UP:
        return !sign;
    case PB_FP_DOWN:
        return sign;
    default:
        return false;
    }
}

FP_INLINE sig pack_overflow(const fp_format *f, bool sign, int drop, unsigned round, pb_fp_env *env)
{
    sig ones = ((sig)1 << (f->frac_bits + 1)) - 1;

    if (f->alternative && env->rules.alt_half) {
        env->flags |= PB_FP_INVALID;
        return pack(f, sign, exp_max(f), ones);
    }
    env->flags |= PB_FP_OVERFLOW | PB_FP_INEXACT;
    if (overflows_to_inf(sign, round)) {
        env->flags |= PB_FP_ROUNDED_UP;
        return pack_inf(f, sign);
    }
    return pack(f, sign, exp_max(f) - 1, ones & ~(((sig)1 << drop) - 1));
}

/* A number below the smallest normal one, as far as the significand of n tells. */
FP_INLINE sig round_pack_subnormal(const fp_format *f, fp_num n, int drop, unsigned round,
                                   pb_fp_env *env)
{
    int shift = guard_bits(f) + drop;
    int biased = n.exp + bias(f);
    bool tiny = true, inexact;
    sig rounded;

    /* After rounding, as if the exponent had no limit: only a carry into 2^1 helps. */
    if (env->rules.tiny_after && biased == 0)
        tiny = round_at(n.sign, n.frac, shift, round, &inexact) < SIG_ONE << 1;
    if (tiny && flushes_out(f, env)) {
        env->flags |= env->rules.flush_out_flags;
        return pack_zero(f, n.sign);
    }

    n.frac = shift_right_sticky(n.frac, 1 - biased);
    rounded = round_at(n.sign, n.frac, shift, round, &inexact);
    if (inexact) {
        env->flags |= PB_FP_INEXACT | (tiny ? PB_FP_UNDERFLOW : 0) |
                      (rounded > n.frac ? PB_FP_ROUNDED_UP : 0);
    }
    return pack(f, n.sign, (rounded & SIG_ONE) != 0, rounded >> guard_bits(f));
}

/* Round a normalised number and pack it. drop is the number of places less than the format has
 * (x87 precision control). */
FP_INLINE sig round_pack_normal(const fp_format *f, fp_num n, int drop, unsigned round,
                                pb_fp_env *env)
{
    bool alternative = f->alternative && env->rules.alt_half;
    int limit = exp_max(f) + alternative;
    int biased = n.exp + bias(f);
    bool inexact;
    sig rounded;

    if (unlikely(biased < 1))
        return round_pack_subnormal(f, n, drop, round, env);

    rounded = round_at(n.sign, n.frac, guard_bits(f) + drop, round, &inexact);
    if (unlikely(rounded >= SIG_ONE << 1)) {
        rounded >>= 1;
        biased++;
        n.frac >>= 1;
    }
    if (unlikely(biased >= limit))
        return pack_overflow(f, n.sign, drop, round, env);
    if (inexact)
        env->flags |= PB_FP_INEXACT | (rounded > n.frac ? PB_FP_ROUNDED_UP : 0);
    return pack(f, n.sign, biased, rounded >> guard_bits(f));
}

/* The same for any class. */
FP_INLINE sig round_pack(const fp_format *f, fp_num n, int drop, unsigned round, pb_fp_env *env)
{
    if (unlikely(n.cls != CLS_NORMAL)) {
        if (n.cls == CLS_ZERO)
            return pack_zero(f, n.sign);
        return n.cls == CLS_INF ? pack_inf(f, n.sign) : pack_nan(f, n);
    }
    return round_pack_normal(f, n, drop, round, env);
}

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

/* ---- comparison, minimum, maximum ---- */

/* Both numbers: -1, 0, 1. Zeros are equal. */
FP_INLINE int order(fp_num a, fp_num b)
{
    int magnitude;

    if (a.cls == CLS_ZERO && b.cls == CLS_ZERO)
        return 0;
    if (a.cls == CLS_ZERO)
        return b.sign ? 1 : -1;
    if (b.cls == CLS_ZERO || a.sign != b.sign)
        return a.sign ? -1 : 1;
    if (a.cls == CLS_INF || b.cls == CLS_INF)
        magnitude = (a.cls == CLS_INF) - (b.cls == CLS_INF);
    else if (a.exp != b.exp)
        magnitude = a.exp < b.exp ? -1 : 1;
    else
        magnitude = (a.frac > b.frac) - (a.frac < b.frac);
    return a.sign ? -magnitude : magnitude;
}

FP_COLD int compare_nan(fp_num a, fp_num b, bool signalling, pb_fp_env *env)
{
    bool snan = a.cls == CLS_SNAN || b.cls == CLS_SNAN;

    if (snan)
        env->flags |= PB_FP_INVALID | PB_FP_WHY_SNAN;
    if (a.cls == CLS_UNSUPPORTED || b.cls == CLS_UNSUPPORTED)
        env->flags |= PB_FP_INVALID;
    if (signalling)
        env->flags |= PB_FP_INVALID | PB_FP_WHY_COMPARE;
    return PB_FP_UNORDERED;
}

FP_INLINE int fp_compare(const fp_format *f, sig ra, sig rb, bool signalling, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);

    if (unlikely(is_nan(a) || is_nan(b)))
        return compare_nan(a, b, signalling, env);
    note_denormals(a.denormal | b.denormal, env);
    return order(a, b);
}

/* number: a quiet NaN loses against a number (minNum, maxNum). */
FP_INLINE sig fp_minmax(const fp_format *f, sig ra, sig rb, bool max, bool number, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);
    bool take_a;

    if (unlikely(is_nan(a) || is_nan(b))) {
        bool one_quiet = (a.cls == CLS_QNAN && !is_nan(b)) || (b.cls == CLS_QNAN && !is_nan(a));

        if (!number || !one_quiet)
            return pack_nan(f, propagate2(a, b, env));
        take_a = is_nan(b);
    } else if (a.cls == CLS_ZERO && b.cls == CLS_ZERO) {
        take_a = a.sign != max;
    } else {
        take_a = (order(a, b) < 0) != max;
    }
    note_denormals(a.denormal | b.denormal, env);
    return round_pack(f, take_a ? a : b, 0, env->round, env);
}

/* ---- integers ---- */

/* A number below 2^TOP rounded to an integral one: the significand to a multiple of 1, which may be
 * 0 or carry into 2^(TOP+1). *exp is changed so that it stays in reach of the significand. */
FP_INLINE sig round_integral(bool sign, sig frac, int *exp, unsigned round, bool *inexact)
{
    /* Below 1/2 only the sticky bit is left. */
    if (*exp < -1) {
        frac = 1;
        *exp = -1;
    }
    return round_at(sign, frac, TOP - *exp, round, inexact);
}

FP_INLINE sig fp_round_int(const fp_format *f, sig ra, unsigned round, bool exact, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    bool inexact;

    if (unlikely(is_nan(a)))
        return pack_nan(f, propagate1(a, env));
    if (f->explicit_int)
        note_denormals(a.denormal, env);
    if (a.cls == CLS_NORMAL && a.exp < f->frac_bits) {
        int exp = a.exp;

        a.frac = round_integral(a.sign, a.frac, &exp, round, &inexact);
        a.exp = exp;
        if (inexact && exact)
            env->flags |= PB_FP_INEXACT;
        if (a.frac == 0)
            a.cls = CLS_ZERO;
        else
            a = normalise(a);
    }
    return round_pack(f, a, 0, PB_FP_TO_ZERO, env);
}

/* What an impossible conversion gives; sign is that of a number. */
FP_COLD uint64_t to_int_invalid(fp_num a, unsigned width, bool is_signed, pb_fp_env *env)
{
    uint64_t max = (UINT64_MAX >> (64 - width)) >> is_signed;
    uint64_t min = is_signed ? ~max : 0;

    env->flags |= PB_FP_INVALID | PB_FP_WHY_TO_INT | (a.cls == CLS_SNAN ? PB_FP_WHY_SNAN : 0);
    if (env->rules.to_int == PB_FP_INT_INDEFINITE)
        return is_signed ? min : max;
    if (is_nan(a))
        return env->rules.to_int == PB_FP_INT_PPC ? min : 0;
    return a.sign ? min : max;
}

FP_INLINE bool fits(uint64_t magnitude, bool sign, unsigned width, bool is_signed)
{
    uint64_t half = UINT64_C(1) << (width - 1);

    if (is_signed)
        return sign ? magnitude <= half : magnitude < half;
    return sign ? magnitude == 0 : magnitude <= UINT64_MAX >> (64 - width);
}

/* The magnitude of a number rounded to an integer; false if it is 2^64 or more. */
FP_INLINE bool magnitude_of(fp_num a, unsigned round, uint64_t *magnitude, bool *inexact)
{
    int exp = a.exp;
    sig frac;

    *magnitude = 0;
    *inexact = false;
    if (a.cls == CLS_ZERO)
        return true;
    if (a.cls != CLS_NORMAL || exp >= 64)
        return false;
    if (exp >= TOP) {
        *magnitude = (uint64_t)(a.frac << (exp - TOP));
        return true;
    }
    frac = round_integral(a.sign, a.frac, &exp, round, inexact);
    frac >>= TOP - exp; /* exp may have changed */
    *magnitude = (uint64_t)frac;
    return frac == *magnitude;
}

FP_INLINE uint64_t to_int(fp_num a, unsigned width, unsigned fbits, bool is_signed, unsigned round,
                          pb_fp_env *env)
{
    uint64_t magnitude;
    bool inexact;

    a.exp += (int)fbits;
    if (unlikely(!magnitude_of(a, round, &magnitude, &inexact) ||
                 !fits(magnitude, a.sign, width, is_signed)))
        return to_int_invalid(a, width, is_signed, env);
    if (inexact)
        env->flags |= PB_FP_INEXACT;
    return a.sign ? 0 - magnitude : magnitude;
}

FP_INLINE int64_t fp_to_int(const fp_format *f, sig ra, unsigned width, unsigned fbits,
                            unsigned round, pb_fp_env *env)
{
    return (int64_t)to_int(unpack(f, ra, env), width, fbits, true, round, env);
}

FP_INLINE uint64_t fp_to_uint(const fp_format *f, sig ra, unsigned width, unsigned fbits,
                              unsigned round, pb_fp_env *env)
{
    return to_int(unpack(f, ra, env), width, fbits, false, round, env);
}

FP_INLINE sig from_magnitude(const fp_format *f, bool sign, uint64_t magnitude, unsigned fbits,
                             pb_fp_env *env)
{
    fp_num n = { .cls = CLS_NORMAL, .sign = sign, .frac = magnitude, .exp = TOP - (int)fbits };

    if (magnitude == 0)
        return pack_zero(f, false);
    return round_pack(f, normalise(n), 0, env->round, env);
}

FP_INLINE sig fp_from_int(const fp_format *f, int64_t v, unsigned fbits, pb_fp_env *env)
{
    return from_magnitude(f, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, fbits, env);
}

FP_INLINE sig fp_from_uint(const fp_format *f, uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return from_magnitude(f, false, v, fbits, env);
}

/* ---- conversion and scaling ---- */

/* The alternative half format has no place for NaNs and infinities: Arm FPConvert. */
FP_COLD fp_num alternative_special(fp_num a, pb_fp_env *env)
{
    env->flags |= PB_FP_INVALID;
    if (is_nan(a)) {
        a.cls = CLS_ZERO;
    } else {
        a.cls = CLS_NORMAL; /* overflows to the largest number, whatever the rounding */
        a.frac = SIG_ONE;
        a.exp = 64;
    }
    return a;
}

FP_INLINE sig fp_convert(const fp_format *from, const fp_format *to, sig ra, pb_fp_env *env)
{
    fp_num a = unpack(from, ra, env);

    if (unlikely(a.cls >= CLS_INF) && to->alternative && env->rules.alt_half)
        a = alternative_special(a, env);
    else if (unlikely(is_nan(a)))
        return pack_nan(to, propagate1(a, env));
    note_denormals(a.denormal, env);
    return round_pack(to, a, 0, env->round, env);
}

FP_INLINE sig fp_scale(const fp_format *f, sig ra, int32_t n, pb_fp_env *env)
{
    const int32_t enough = 1 << 17; /* more than any format's range of exponents, both ways */
    fp_num a = unpack(f, ra, env);

    if (unlikely(is_nan(a)))
        return pack_nan(f, propagate1(a, env));
    note_denormals(a.denormal, env);
    a.exp += n < -enough ? -enough : n > enough ? enough : n;
    return round_pack(f, a, 0, env->round, env);
}

#endif
