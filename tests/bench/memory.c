/* Memory: streams, strides, and pointers that lead to pointers, in sets that fit a first cache, a second, none, and in
 * more pages than processors' TLBs have. */
#include "bench.h"

uint64_t kernel_stream(uint64_t rounds);
uint64_t kernel_copy(uint64_t rounds);
uint64_t kernel_stride(uint64_t rounds);
uint64_t kernel_chase16k(uint64_t rounds);
uint64_t kernel_chase1m(uint64_t rounds);
uint64_t kernel_chase16m(uint64_t rounds);
uint64_t kernel_chase64m(uint64_t rounds);

#define STREAM (64 << 10)

/* a = b + 3 c by 64-bit words. */
uint64_t kernel_stream(uint64_t rounds)
{
    static uint64_t a[STREAM], b[STREAM], c[STREAM];

    for (uint64_t i = 0; i < STREAM; i++) {
        b[i] = i * 7;
        c[i] = ~i;
    }
    while (rounds--) {
        for (int i = 0; i < STREAM; i++) {
            a[i] = b[i] + 3 * c[i];
            BENCH_BARRIER();
        }
        b[rounds & (STREAM - 1)] = a[0] + rounds;
    }
    return bench_sum(0, a, sizeof(a));
}

uint64_t kernel_copy(uint64_t rounds)
{
    static uint64_t a[STREAM], b[STREAM];

    bench_fill(b, 1024);
    while (rounds--) {
        for (int i = 0; i < STREAM; i += 4) {
            uint64_t w = b[i], x = b[i + 1], y = b[i + 2], z = b[i + 3];

            BENCH_BARRIER();
            a[i] = w;
            a[i + 1] = x;
            a[i + 2] = y;
            a[i + 3] = z;
        }
        b[rounds & (STREAM - 1)] += a[rounds * 3 & (STREAM - 1)] + rounds;
    }
    return bench_sum(0, a, sizeof(a));
}

/* Every access is on another page, and in another line of it: at multiples of 4 KiB host processors have each load wait for the
 * store before it, whoever emitted them. */
uint64_t kernel_stride(uint64_t rounds)
{
    static uint32_t a[528 * 1040];
    uint64_t sum = 0;

    while (rounds--)
        for (uint32_t column = 0; column < 16; column++)
            for (uint32_t row = 0; row < 512; row++)
                sum += a[row * 1040 + column * 16] += (uint32_t)rounds + row;
    return sum;
}

static uint64_t chase(uint64_t rounds, void **cells, uint64_t count)
{
    void **at = cells;

    for (uint64_t i = 0; i < count; i++)
        cells[i * 8] = &cells[i * 8];
    for (uint64_t i = count - 1; i > 0; i--) { /* Sattolo: one cycle */
        uint64_t j = bench_random() % i;
        void *t = cells[i * 8];

        cells[i * 8] = cells[j * 8];
        cells[j * 8] = t;
    }
    for (uint64_t i = 0; i < rounds * 1000 + 7; i++)
        at = *at;
    return (uint64_t)((uint8_t *)at - (uint8_t *)cells);
}

uint64_t kernel_chase16k(uint64_t rounds)
{
    static void *cells[(16 << 10) / sizeof(void *)];

    return chase(rounds, cells, (16 << 10) / 64);
}

uint64_t kernel_chase1m(uint64_t rounds)
{
    static void *cells[(1 << 20) / sizeof(void *)];

    return chase(rounds, cells, (1 << 20) / 64);
}

uint64_t kernel_chase16m(uint64_t rounds)
{
    static void *cells[(16 << 20) / sizeof(void *)];

    return chase(rounds, cells, (16 << 20) / 64);
}

uint64_t kernel_chase64m(uint64_t rounds)
{
    static void *cells[(64 << 20) / sizeof(void *)];

    return chase(rounds, cells, (64 << 20) / 64);
}
