/*
 * Significands of 64 bits: wide enough for f16, f32, f64 and bf16. See core.h.
 */
#ifndef FP_SIG64_H
#define FP_SIG64_H

#include <stdint.h>

typedef uint64_t sig;

enum { SIG_BITS = 64 };

/* Leading zeros; a is not 0. */
static inline int sig_clz(sig a)
{
    return __builtin_clzll(a);
}

/* The upper half of a * b; the lower one in *lo. */
static inline sig sig_mul(sig a, sig b, sig *lo)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    *lo = (sig)product;
    return (sig)(product >> 64);
}

/* a * 2^62 / b, cut off, *rem telling whether it was exact (0). 2^62 <= b and a < 2b < 2^64. */
static inline sig sig_div(sig a, sig b, sig *rem)
{
    unsigned __int128 n = (unsigned __int128)a << 62;
    sig q = (sig)(n / b);

    *rem = (sig)n - q * b;
    return q;
}

#endif
