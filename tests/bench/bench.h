/*
 * Programs that tools/bench times: plain C that is built for the bare machine and for the host. Each returns a
 * checksum, which must be the same in both, so that a fast wrong answer is noticed.
 *
 * A kernel is a function `uint64_t kernel_NAME(uint64_t rounds)`; the work grows with `rounds` only. What it sets up
 * before is done with `rounds` 0 too, and so is not counted: tools/bench subtracts such a run.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#define NOINLINE __attribute__((noinline, noclone))

/* Keeps the compiler from knowing what is in memory, and from dropping or moving work. */
#define BENCH_BARRIER() __asm__ volatile("" ::: "memory")

/* xorshift64*: the data of all kernels; always the same. */
uint64_t bench_random(void);
void bench_fill(void *data, size_t length);

/* The checksum of `length` bytes: FNV-1a by 8 bytes. */
uint64_t bench_sum(uint64_t sum, const void *data, size_t length);

#endif
