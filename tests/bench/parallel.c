/* The same work on one processor, or on two at the same time. */
#include "bench.h"

uint64_t kernel_one_busy(uint64_t rounds);
uint64_t kernel_two_busy(uint64_t rounds);

/* Each on pages of its own: no line of the cache belongs to two. */
struct __attribute__((aligned(4096))) work {
    uint64_t rounds, seed, sum;
    uint64_t table[512];
    uint32_t done;
};

static struct work works[2];

/* Calls, loads and stores, arithmetic, branches: all on memory of its own. */
static NOINLINE uint64_t mix(struct work *work, uint64_t depth)
{
    uint64_t sum = 0;

    if (!depth)
        return work->seed;
    for (int i = 0; i < 8; i++) {
        work->seed = work->seed * 6364136223846793005u + 1442695040888963407u;
        sum += work->table[work->seed >> 55] ^= work->seed >> 7;
    }
    return sum & 1 ? mix(work, depth - 1) + sum : mix(work, depth - 1) * 3;
}

static void busy(struct work *work)
{
    for (uint64_t i = 0; i < work->rounds; i++)
        work->sum = work->sum * 5 + mix(work, 20);
    __atomic_store_n(&work->done, 1, __ATOMIC_RELEASE);
}

uint64_t kernel_one_busy(uint64_t rounds)
{
    works[0] = (struct work){ .rounds = rounds, .seed = 1 };
    busy(&works[0]);
    return works[0].sum;
}

#if __STDC_HOSTED__
uint64_t kernel_two_busy(uint64_t rounds)
{
    for (int i = 0; i < 2; i++) {
        works[i] = (struct work){ .rounds = rounds, .seed = (uint64_t)i + 1 };
        busy(&works[i]);
    }
    return works[0].sum * 7 + works[1].sum;
}
#else
/* start.S: calls bench_other() on the second processor. */
void bench_start_other(void);
void bench_other(void);

void bench_other(void)
{
    busy(&works[1]);
}

uint64_t kernel_two_busy(uint64_t rounds)
{
    for (int i = 0; i < 2; i++)
        works[i] = (struct work){ .rounds = rounds, .seed = (uint64_t)i + 1 };
    bench_start_other();
    busy(&works[0]);
    while (!__atomic_load_n(&works[1].done, __ATOMIC_ACQUIRE))
        __asm__ volatile("yield");
    return works[0].sum * 7 + works[1].sum;
}
#endif
