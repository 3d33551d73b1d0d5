/* Vectors of 128 bits: GCC's vector types, and loops that the compiler makes vector code of. */
#include "bench.h"

uint64_t kernel_chacha(uint64_t rounds);
uint64_t kernel_blend(uint64_t rounds);
uint64_t kernel_dot16(uint64_t rounds);
uint64_t kernel_xorvec(uint64_t rounds);
uint64_t kernel_maximum(uint64_t rounds);
uint64_t kernel_popcount(uint64_t rounds);
uint64_t kernel_saxpy(uint64_t rounds);
uint64_t kernel_fmatrix(uint64_t rounds);
uint64_t kernel_vmandel(uint64_t rounds);
uint64_t kernel_daxpy(uint64_t rounds);

typedef uint32_t vec4u __attribute__((vector_size(16)));
typedef float vec4f __attribute__((vector_size(16)));
typedef double vec2d __attribute__((vector_size(16)));
typedef int64_t vec2i __attribute__((vector_size(16)));

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define QUARTER(a, b, c, d)                                                                        \
    ((a) += (b), (d) = ROTATE((d) ^ (a), 16), (c) += (d), (b) = ROTATE((b) ^ (c), 12), (a) += (b), \
     (d) = ROTATE((d) ^ (a), 8), (c) += (d), (b) = ROTATE((b) ^ (c), 7))

/* ChaCha20's rounds on four rows. */
uint64_t kernel_chacha(uint64_t rounds)
{
    vec4u a = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, b = { 1, 2, 3, 4 },
          c = { 5, 6, 7, 8 }, d = { 9, 10, 11, 12 };

    while (rounds--) {
        vec4u a0 = a, b0 = b, c0 = c, d0 = d;

        for (int i = 0; i < 10; i++) {
            QUARTER(a, b, c, d);
            b = __builtin_shuffle(b, (vec4u){ 1, 2, 3, 0 });
            c = __builtin_shuffle(c, (vec4u){ 2, 3, 0, 1 });
            d = __builtin_shuffle(d, (vec4u){ 3, 0, 1, 2 });
            QUARTER(a, b, c, d);
            b = __builtin_shuffle(b, (vec4u){ 3, 0, 1, 2 });
            c = __builtin_shuffle(c, (vec4u){ 2, 3, 0, 1 });
            d = __builtin_shuffle(d, (vec4u){ 1, 2, 3, 0 });
        }
        a += a0;
        b += b0;
        c += c0;
        d += d0;
    }
    a ^= b + (c ^ d);
    return bench_sum(0, &a, sizeof(a));
}

#define PIXELS 4096

/* Mix of two pictures by weight: bytes widened, multiplied, narrowed. */
uint64_t kernel_blend(uint64_t rounds)
{
    static uint8_t a[PIXELS], b[PIXELS];

    bench_fill(a, sizeof(a));
    bench_fill(b, sizeof(b));
    while (rounds--) {
        uint8_t weight = (uint8_t)(rounds * 5);

        for (int i = 0; i < PIXELS; i++)
            a[i] = (uint8_t)((a[i] * weight + b[i] * (255 - weight) + 128) >> 8);
        b[rounds & (PIXELS - 1)] += 77;
    }
    return bench_sum(0, a, sizeof(a));
}

uint64_t kernel_dot16(uint64_t rounds)
{
    static int16_t a[2048], b[2048];
    uint64_t sum = 0;

    bench_fill(a, sizeof(a));
    bench_fill(b, sizeof(b));
    while (rounds--) {
        uint32_t dot = 0;

        for (int i = 0; i < 2048; i++)
            dot += (uint32_t)(a[i] * b[i]);
        sum = sum * 3 + dot;
        a[rounds & 2047] ^= (int16_t)sum;
    }
    return sum;
}

uint64_t kernel_xorvec(uint64_t rounds)
{
    static uint64_t a[512], b[512];

    bench_fill(a, sizeof(a));
    bench_fill(b, sizeof(b));
    while (rounds--) {
        for (int i = 0; i < 512; i++) {
            a[i] = (a[i] ^ b[i]) + (a[i] << 3);
            b[i] = (b[i] >> 1) - (a[i] & 0x00ff00ff00ff00ffu);
        }
        b[rounds & 511] += rounds;
    }
    return bench_sum(0, a, sizeof(a));
}

uint64_t kernel_maximum(uint64_t rounds)
{
    static int32_t a[1024];
    uint64_t sum = 0;

    bench_fill(a, sizeof(a));
    while (rounds--) {
        int32_t most = INT32_MIN, least = INT32_MAX, count = 0;

        for (int i = 0; i < 1024; i++) {
            most = a[i] > most ? a[i] : most;
            least = a[i] < least ? a[i] : least;
            count += a[i] > 1000;
        }
        sum = sum * 3 + (uint64_t)((int64_t)most - least) + (uint64_t)count;
        a[rounds & 1023] = (int32_t)sum;
    }
    return sum;
}

/* Not many bits at once, but A64 counts them in a vector register: there and back. */
uint64_t kernel_popcount(uint64_t rounds)
{
    static uint64_t a[512];
    uint64_t sum = 0;

    bench_fill(a, sizeof(a));
    while (rounds--) {
        for (int i = 0; i < 512; i++)
            sum += (uint64_t)__builtin_popcountll(a[i]) << (sum & 15);
        a[rounds & 511] ^= sum;
    }
    return sum;
}

uint64_t kernel_saxpy(uint64_t rounds)
{
    static float x[1024], y[1024];

    for (int i = 0; i < 1024; i++) {
        x[i] = (float)(bench_random() >> 40) * 0x1p-24f;
        y[i] = (float)i;
    }
    while (rounds--) {
        float a = (float)(rounds & 15) * 0.125f - 0.9f;

        for (int i = 0; i < 1024; i++)
            y[i] = y[i] * 0.5f + a * x[i];
    }
    return bench_sum(0, y, sizeof(y));
}

uint64_t kernel_fmatrix(uint64_t rounds)
{
    static float a[32][32];
    static vec4f b[32][8], c[32][8];

    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            a[i][j] = (float)(bench_random() >> 40) * 0x1p-24f;
            b[i][j / 4][j % 4] = (float)(bench_random() >> 40) * 0x1p-24f - 0.5f;
        }
    while (rounds--) {
        for (int i = 0; i < 32; i++)
            for (int j = 0; j < 8; j++) {
                vec4f s = { 0 };

                for (int k = 0; k < 32; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        a[rounds & 31][3] = c[4][rounds & 7][1] * 0.1f;
    }
    return bench_sum(0, c, sizeof(c));
}

uint64_t kernel_vmandel(uint64_t rounds)
{
    uint64_t sum = 0;

    while (rounds--)
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < 16; column += 2) {
                vec2d cr = { column * 0.15 - 1.8, column * 0.15 - 1.65 }, zr = { 0, 0 },
                      zi = { 0, 0 };
                double height = row * 0.13 - 1.0 + (double)(rounds & 7) * 0.01;
                vec2d ci = { height, height };
                vec2i count = { 0, 0 };

                for (int i = 0; i < 100; i++) {
                    vec2d rr = zr * zr, ii = zi * zi;
                    vec2i inside = rr + ii <= 4.0;

                    if (!(inside[0] | inside[1]))
                        break;
                    count -= inside;
                    zi = 2.0 * zr * zi + ci;
                    zr = rr - ii + cr;
                }
                sum = sum * 31 + (uint64_t)(count[0] * 101 + count[1]);
            }
    return sum;
}

uint64_t kernel_daxpy(uint64_t rounds)
{
    static double x[512], y[512];

    for (int i = 0; i < 512; i++)
        x[i] = (double)(bench_random() >> 11) * 0x1p-53;
    while (rounds--) {
        double a = (double)(rounds & 15) * 0.125 - 0.9;

        for (int i = 0; i < 512; i++)
            y[i] = (y[i] + a * x[i]) / 1.5;
    }
    return bench_sum(0, y, sizeof(y));
}
