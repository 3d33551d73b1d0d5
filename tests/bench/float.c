/* Scalar floating point. Results are compared bit by bit, so nothing is contracted (see the flags in tools/bench). */
#include "bench.h"

uint64_t kernel_nbody(uint64_t rounds);
uint64_t kernel_mandelbrot(uint64_t rounds);
uint64_t kernel_dmatrix(uint64_t rounds);
uint64_t kernel_fft(uint64_t rounds);
uint64_t kernel_spectral(uint64_t rounds);
uint64_t kernel_single(uint64_t rounds);

static double random_double(void)
{
    return (double)(bench_random() >> 11) * 0x1p-53;
}

struct body {
    double x, y, z, vx, vy, vz, mass;
};

uint64_t kernel_nbody(uint64_t rounds)
{
    struct body bodies[5];

    for (int i = 0; i < 5; i++)
        bodies[i] = (struct body){ random_double() * 10, random_double() * 10, random_double() * 10,
                                   random_double(),      random_double(),      random_double(),
                                   random_double() + 1 };
    while (rounds--) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                struct body *a = &bodies[i], *b = &bodies[j];
                double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
                double distance2 = dx * dx + dy * dy + dz * dz;
                double force = 0.001 / (distance2 * __builtin_sqrt(distance2));

                a->vx -= dx * b->mass * force;
                a->vy -= dy * b->mass * force;
                a->vz -= dz * b->mass * force;
                b->vx += dx * a->mass * force;
                b->vy += dy * a->mass * force;
                b->vz += dz * a->mass * force;
            }
        for (int i = 0; i < 5; i++) {
            bodies[i].x += 0.001 * bodies[i].vx;
            bodies[i].y += 0.001 * bodies[i].vy;
            bodies[i].z += 0.001 * bodies[i].vz;
        }
    }
    return bench_sum(0, bodies, sizeof(bodies));
}

uint64_t kernel_mandelbrot(uint64_t rounds)
{
    uint64_t sum = 0;

    while (rounds--)
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < 16; column++) {
                double cr = column * 0.15 - 1.8 + (double)(rounds & 7) * 0.01,
                       ci = row * 0.13 - 1.0, zr = 0, zi = 0;
                int i = 0;

                for (; i < 100 && zr * zr + zi * zi <= 4.0; i++) {
                    double t = zr * zr - zi * zi + cr;

                    zi = 2.0 * zr * zi + ci;
                    zr = t;
                }
                sum = sum * 31 + (uint64_t)i;
            }
    return sum;
}

uint64_t kernel_dmatrix(uint64_t rounds)
{
    static double a[32][32], b[32][32], c[32][32];

    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) {
            a[i][j] = random_double();
            b[i][j] = random_double() - 0.5;
        }
    while (rounds--) {
        for (int i = 0; i < 32; i++)
            for (int j = 0; j < 32; j++) {
                double s = 0;

                for (int k = 0; k < 32; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        a[rounds & 31][3] = c[4][rounds & 31] * 0.1;
    }
    return bench_sum(0, c, sizeof(c));
}

/* Radix 2, in place; the table of roots by multiplication. */
uint64_t kernel_fft(uint64_t rounds)
{
    enum { N = 256 };
    static double re[N], im[N], root_re[N / 2], root_im[N / 2];
    const double step_re = 0.99969881869620424997,
                 step_im = -0.02454122852291228812; /* exp(-2 pi i / 256) */
    double wr = 1, wi = 0;

    for (int i = 0; i < N / 2; i++) {
        double t = wr * step_re - wi * step_im;

        root_re[i] = wr;
        root_im[i] = wi;
        wi = wr * step_im + wi * step_re;
        wr = t;
    }
    for (int i = 0; i < N; i++)
        re[i] = random_double();
    while (rounds--) {
        for (int half = N / 2; half >= 1; half /= 2)
            for (int start = 0; start < N; start += 2 * half)
                for (int k = 0; k < half; k++) {
                    int i = start + k, j = i + half, w = k * (N / 2 / half);
                    double ar = (re[i] - re[j]) * 0.5, ai = (im[i] - im[j]) * 0.5;

                    re[i] = (re[i] + re[j]) * 0.5;
                    im[i] = (im[i] + im[j]) * 0.5;
                    re[j] = ar * root_re[w] - ai * root_im[w];
                    im[j] = ar * root_im[w] + ai * root_re[w];
                }
        for (int i = 0; i < N; i++)
            re[i] = re[i] * 0.25 + (double)(i + 1);
    }
    return bench_sum(bench_sum(0, re, sizeof(re)), im, sizeof(im));
}

/* Divisions and conversions from integers. */
uint64_t kernel_spectral(uint64_t rounds)
{
    static double u[64], v[64];

    for (int i = 0; i < 64; i++)
        u[i] = 1.0;
    while (rounds--) {
        for (int i = 0; i < 64; i++) {
            v[i] = 0;
            for (int j = 0; j < 64; j++)
                v[i] += u[j] / (double)((i + j) * (i + j + 1) / 2 + i + 1);
        }
        for (int i = 0; i < 64; i++)
            u[i] = v[i] * 0.75 + 0.1;
    }
    return bench_sum(0, u, sizeof(u));
}

/* Single precision: a filter with conversion to and from samples of 16 bits. */
uint64_t kernel_single(uint64_t rounds)
{
    static int16_t in[1024], out[1024];
    float y1 = 0, y2 = 0, x1 = 0, x2 = 0;

    bench_fill(in, sizeof(in));
    while (rounds--) {
        for (int i = 0; i < 1024; i++) {
            float x = (float)in[i] * (1.0f / 32768.0f);
            float y = 0.2f * x + 0.4f * x1 + 0.2f * x2 + 0.5f * y1 - 0.3f * y2;

            x2 = x1;
            x1 = x;
            y2 = y1;
            y1 = y;
            if (y > 1.0f)
                y = 1.0f;
            if (y < -1.0f)
                y = -1.0f;
            out[i] = (int16_t)(y * 32000.0f);
        }
        in[rounds & 1023] = out[rounds * 3 & 1023];
    }
    return bench_sum(0, out, sizeof(out));
}
