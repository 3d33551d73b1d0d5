/* Runs the kernel that is linked as bench_kernel and prints its checksum: on the host, or on arm-virt's PL011. */
#include "bench.h"

uint64_t bench_kernel(uint64_t rounds);

static uint64_t seed = 88172645463325252u;

uint64_t bench_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 2685821657736338717u;
}

void bench_fill(void *data, size_t length)
{
    uint8_t *byte = data;

    for (size_t i = 0; i < length; i++)
        byte[i] = (uint8_t)(bench_random() >> 56);
}

uint64_t bench_sum(uint64_t sum, const void *data, size_t length)
{
    const uint8_t *byte = data;

    for (size_t i = 0; i + 8 <= length; i += 8) {
        uint64_t word;

        __builtin_memcpy(&word, byte + i, 8);
        sum = (sum ^ word) * 1099511628211u;
    }
    return sum ^ sum >> 29;
}

#if __STDC_HOSTED__
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    printf("%016llx\n",
           (unsigned long long)bench_kernel(argc > 1 ? strtoull(argv[1], NULL, 0) : 1));
    return 0;
}
#else
/* An absolute symbol given at link time: its address is the number. */
extern const char bench_rounds[];

int main(void);
void bench_trap(uint64_t syndrome, uint64_t pc);
void *memset(void *to, int byte, size_t length);
void *memcpy(void *restrict to, const void *restrict from, size_t length);

static void print(char byte)
{
    *(volatile uint32_t *)0x09000000 = (uint8_t)byte;
}

static void print_hex(uint64_t value)
{
    for (int i = 60; i >= 0; i -= 4)
        print("0123456789abcdef"[value >> i & 15]);
    print('\n');
}

int main(void)
{
    print_hex(bench_kernel((uintptr_t)bench_rounds));
    return 0;
}

/* An exception, which no kernel expects. */
void bench_trap(uint64_t syndrome, uint64_t pc)
{
    for (const char *s = "TRAP "; *s; s++)
        print(*s);
    print_hex(syndrome);
    print_hex(pc);
}

/* What the compiler may call. */
void *memset(void *to, int byte, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)byte;
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}
#endif
