/*
 * Significands of 128 bits: wide enough for every format. See core.h.
 */
#ifndef FP_SIG128_H
#define FP_SIG128_H

#include <stdint.h>

typedef unsigned __int128 sig;

enum { SIG_BITS = 128 };

/* Leading zeros; a is not 0. */
static inline int sig_clz(sig a)
{
    uint64_t hi = (uint64_t)(a >> 64);

    return hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)a);
}

/* The upper half of a * b; the lower one in *lo. */
static inline sig sig_mul(sig a, sig b, sig *lo)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a;
    uint64_t b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    sig low = (sig)a0 * b0;
    sig mid = (sig)a1 * b0 + (uint64_t)(low >> 64); /* at most (2^64-1)^2 + 2^64-1: fits */
    sig mid2 = (sig)a0 * b1 + (uint64_t)mid;

    *lo = (mid2 << 64) | (uint64_t)low;
    return (sig)a1 * b1 + (uint64_t)(mid >> 64) + (uint64_t)(mid2 >> 64);
}

/* a * 2^126 / b, cut off, *rem telling whether it was exact (0). 2^126 <= b and a < 2b < 2^128. */
static inline sig sig_div(sig a, sig b, sig *rem)
{
    const sig low63 = ((sig)1 << 63) - 1;
    sig q = 0;

    /* f80: the divisor fits 64 bits; divide by digits of 63 bits. */
    if (((a | b) & low63) == 0) {
        uint64_t d = (uint64_t)(b >> 63);
        sig next = (a % d) << 63;

        *rem = next % d;
        return ((a / d) << 63) + next / d;
    }
    for (int i = 0; i < 127; i++) {
        q <<= 1;
        if (a >= b) {
            a -= b;
            q |= 1;
        }
        a <<= 1;
    }
    *rem = a;
    return q;
}

#endif
