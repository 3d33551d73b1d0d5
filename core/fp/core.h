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
 *
 * Here: unpacking, NaNs, rounding and packing. arith.h and convert.h have the operations.
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

#endif
