/*
 * Small integer programs that are timed: KERNEL selects one. Each prints one checksum, which must be the same
 * when compiled for the host, so that a fast wrong answer is noticed.
 */
#include <stdint.h>

#ifdef __STDC_HOSTED__
#if __STDC_HOSTED__
#include <stdio.h>
#define HOSTED 1
#endif
#endif

#ifndef REPEAT
#define REPEAT 1
#endif

/* xorshift64: the data of all kernels. */
static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t kernel_crc(void)
{
    static uint32_t table[256];
    static uint8_t data[4096];
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)next_random();
    for (int round = 0; round < 400; round++)
        for (uint32_t i = 0; i < sizeof(data); i++)
            crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return crc;
}

static uint64_t kernel_sieve(void)
{
    static uint8_t composite[200000];
    uint64_t primes = 0;

    for (int round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < sizeof(composite); i++)
            composite[i] = 0;
        for (uint32_t i = 2; i < sizeof(composite); i++) {
            if (composite[i])
                continue;
            primes += i;
            for (uint32_t j = 2 * i; j < sizeof(composite); j += i)
                composite[j] = 1;
        }
    }
    return primes;
}

static void sort(int64_t *a, int n)
{
    while (n > 1) {
        int64_t pivot = a[n / 2];
        int i = 0, j = n - 1;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                int64_t t = a[i];

                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, j + 1);
        a += i;
        n -= i;
    }
}

static uint64_t kernel_sort(void)
{
    static int64_t a[20000];
    uint64_t sum = 0;

    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 20000; i++)
            a[i] = (int64_t)next_random();
        sort(a, 20000);
        for (int i = 0; i < 20000; i += 100)
            sum = sum * 31 + (uint64_t)a[i];
    }
    return sum;
}

static __attribute__((noinline)) uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t kernel_calls(void)
{
    return fibonacci(29);
}

static uint64_t kernel_matrix(void)
{
    static uint32_t a[64][64], b[64][64], c[64][64];
    uint64_t sum = 0;

    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++) {
            a[i][j] = (uint32_t)next_random();
            b[i][j] = (uint32_t)next_random();
        }
    for (int round = 0; round < 8; round++)
        for (int i = 0; i < 64; i++)
            for (int j = 0; j < 64; j++) {
                uint32_t s = 0;

                for (int k = 0; k < 64; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
                sum += s;
            }
    return sum + c[3][5];
}

static uint64_t kernel_divide(void)
{
    uint64_t x = 0;

    for (int i = 1; i < 400000; i++) {
        uint64_t r = next_random();

        x += r / (uint64_t)i + r % ((uint64_t)i * 7 + 1) +
             (uint64_t)((unsigned __int128)r * x >> 64);
    }
    return x;
}

static uint64_t run(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < REPEAT; i++)
        sum = sum * 3 + KERNEL();
    return sum;
}

#ifdef HOSTED
int main(void)
{
    printf("%016llx\n", (unsigned long long)run());
    return 0;
}
#else
int main(void);
int main(void)
{
    volatile uint32_t *uart = (volatile uint32_t *)0x09000000;
    uint64_t sum = run();

    for (int i = 60; i >= 0; i -= 4)
        *uart = (uint32_t) "0123456789abcdef"[sum >> i & 15];
    *uart = '\n';
    return 0;
}
#endif
