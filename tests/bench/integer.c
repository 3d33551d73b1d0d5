/* Integer code of the usual kind: loops, tables, shifts, branches that depend on data; 64-bit multiply and divide. */
#include "bench.h"

uint64_t kernel_sieve(uint64_t rounds);
uint64_t kernel_sort(uint64_t rounds);
uint64_t kernel_beside(uint64_t rounds);
uint64_t kernel_matrix(uint64_t rounds);
uint64_t kernel_queens(uint64_t rounds);
uint64_t kernel_collatz(uint64_t rounds);
uint64_t kernel_table(uint64_t rounds);
uint64_t kernel_pack(uint64_t rounds);
uint64_t kernel_bits(uint64_t rounds);
uint64_t kernel_divide(uint64_t rounds);
uint64_t kernel_multiply(uint64_t rounds);
uint64_t kernel_power(uint64_t rounds);

uint64_t kernel_sieve(uint64_t rounds)
{
    static uint8_t composite[200000];
    uint64_t primes = 0;

    while (rounds--) {
        for (uint32_t i = 0; i < sizeof(composite); i++) {
            composite[i] = 0;
            BENCH_BARRIER();
        }
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

uint64_t kernel_sort(uint64_t rounds)
{
    static int64_t a[20000];
    uint64_t sum = 0;

    while (rounds--) {
        for (int i = 0; i < 20000; i++)
            a[i] = (int64_t)bench_random();
        sort(a, 20000);
        for (int i = 0; i < 20000; i += 100)
            sum = sum * 31 + (uint64_t)a[i];
    }
    return sum;
}

#if __STDC_HOSTED__
#define AMONG_CODE
#else
#define AMONG_CODE __attribute__((section(".text.data"))) /* program.lds */
#endif

/* A sort whose data share the pages of its code. */
uint64_t kernel_beside(uint64_t rounds)
{
    static int64_t a[200] AMONG_CODE;
    uint64_t sum = 0;

    while (rounds--) {
        for (int i = 0; i < 200; i++)
            a[i] = (int64_t)bench_random();
        sort(a, 200);
        for (int i = 0; i < 200; i += 10)
            sum = sum * 31 + (uint64_t)a[i];
    }
    return sum;
}

uint64_t kernel_matrix(uint64_t rounds)
{
    static uint32_t a[64][64], b[64][64], c[64][64];
    uint64_t sum = 0;

    bench_fill(a, sizeof(a));
    bench_fill(b, sizeof(b));
    while (rounds--) {
        for (int i = 0; i < 64; i++)
            for (int j = 0; j < 64; j++) {
                uint32_t s = 0;

                for (int k = 0; k < 64; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
                sum += s;
            }
        a[rounds & 63][rounds >> 6 & 63] = (uint32_t)sum;
    }
    return sum + c[3][5];
}

static NOINLINE uint32_t queens(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
    uint32_t found = 0;

    if (columns == all)
        return 1;
    for (uint32_t free = all & ~(columns | left | right); free; free &= free - 1) {
        uint32_t bit = free & -free;

        found += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return found;
}

uint64_t kernel_queens(uint64_t rounds)
{
    uint64_t sum = 0;

    while (rounds--)
        sum = sum * 3 + queens((1u << 8) - 1, 0, 0, 0);
    return sum;
}

uint64_t kernel_collatz(uint64_t rounds)
{
    uint64_t steps = 0;

    for (uint64_t start = 1; start <= rounds * 100; start++)
        for (uint64_t n = start; n != 1; steps++)
            n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}

/* Open addressing, as in symbol tables. */
uint64_t kernel_table(uint64_t rounds)
{
    static uint64_t keys[8192];
    static uint32_t counts[8192];
    uint64_t sum = 0;

    while (rounds--) {
        for (int i = 0; i < 8192; i++) {
            keys[i] = 0;
            counts[i] = 0;
            BENCH_BARRIER();
        }
        for (int i = 0; i < 20000; i++) {
            uint64_t key = (bench_random() >> 52) + 1;
            uint32_t slot = (uint32_t)(key * 0x9e3779b97f4a7c15u >> 51);

            while (keys[slot] && keys[slot] != key)
                slot = (slot + 1) & 8191;
            keys[slot] = key;
            sum += ++counts[slot] * key;
        }
    }
    return sum;
}

/* LZ77 with a hash of three bytes, greedy; the result is only counted and summed. */
uint64_t kernel_pack(uint64_t rounds)
{
    static uint8_t data[32768];
    static uint16_t last[4096];
    uint64_t sum = 0;

    for (uint32_t i = 0; i < sizeof(data); i++) {
        uint64_t r = bench_random();

        data[i] = i > 600 && r >> 61 ? data[i - 1 - (r >> 40 & 511)] : (uint8_t)(r >> 32 & 63);
    }
    while (rounds--) {
        for (int i = 0; i < 4096; i++)
            last[i] = 0;
        for (uint32_t i = 0; i + 16 < sizeof(data);) {
            uint32_t hash =
                (data[i] | data[i + 1] << 8 | (uint32_t)data[i + 2] << 16) * 2654435761u >> 20;
            uint32_t from = last[hash], length = 0;

            last[hash] = (uint16_t)i;
            if (from < i)
                while (length < 255 && i + length < sizeof(data) &&
                       data[from + length] == data[i + length])
                    length++;
            if (length >= 3) {
                sum = sum * 17 + ((i - from) << 8 | length);
                i += length;
            } else {
                sum = sum * 17 + data[i++];
            }
        }
        data[rounds & 32767] ^= (uint8_t)sum;
    }
    return sum;
}

uint64_t kernel_bits(uint64_t rounds)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < rounds * 1000; i++) {
        uint64_t r = bench_random() | 1;

        sum += (uint64_t)__builtin_clzll(r) * 3 + (uint64_t)__builtin_ctzll(r >> 9 | 1u << 30);
        sum ^= __builtin_bswap64(r) >> (sum & 31);
        sum = sum << 7 | sum >> 57;
        sum += (r >> 13 & 0x3ff) | (r >> 40 & 0xff) << 20;
    }
    return sum;
}

uint64_t kernel_divide(uint64_t rounds)
{
    uint64_t x = 0;

    for (uint64_t i = 1; i <= rounds * 1000; i++) {
        uint64_t r = bench_random();

        x += r / i + r % (i * 7 + 1) + (uint64_t)((unsigned __int128)r * x >> 64);
    }
    return x;
}

/* 64x64 to 128 bits: multiplication of 1024-bit numbers. */
uint64_t kernel_multiply(uint64_t rounds)
{
    static uint64_t a[16], b[16], c[32];

    bench_fill(a, sizeof(a));
    bench_fill(b, sizeof(b));
    while (rounds--) {
        for (int i = 0; i < 32; i++)
            c[i] = 0;
        for (int i = 0; i < 16; i++) {
            uint64_t carry = 0;

            for (int j = 0; j < 16; j++) {
                unsigned __int128 t = (unsigned __int128)a[i] * b[j] + c[i + j] + carry;

                c[i + j] = (uint64_t)t;
                carry = (uint64_t)(t >> 64);
            }
            c[i + 16] = carry;
        }
        for (int i = 0; i < 16; i++)
            a[i] ^= c[31 - i];
    }
    return bench_sum(0, a, sizeof(a));
}

/* Powers modulo 31-bit numbers: 64-bit remainders. */
uint64_t kernel_power(uint64_t rounds)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < rounds * 10; i++) {
        uint64_t modulus = (bench_random() >> 33) + 3, base = bench_random() % modulus, result = 1;

        for (uint64_t exponent = bench_random() >> 32; exponent; exponent >>= 1) {
            if (exponent & 1)
                result = result * base % modulus;
            base = base * base % modulus;
        }
        sum = sum * 5 + result;
    }
    return sum;
}
