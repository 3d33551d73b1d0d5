/*
 * What tests of operations' meanings share. Expectations are worked out in another way: bit by bit, by the host's own
 * instructions, by exact arithmetic on lanes, or from published examples.
 */
#ifndef IR_TEST_SEM_H
#define IR_TEST_SEM_H

#include "random.h"
#include "../runner.h"

enum { CASES = 400 };

static uint32_t factor;

typedef unsigned __int128 u128;
typedef __int128 s128;

/* Evaluate an operation on the given types. */
static inline void eval(ir_op op, ir_type result, uint32_t attr, uint32_t n, const ir_type *types,
                        const pb_u128 *args, pb_u128 out[2])
{
    ir_op_record r = { .op = (uint16_t)op, .n_args = (uint8_t)n, .attr = attr };
    ir_type all[5] = { result };

    for (uint32_t i = 0; i < n; i++)
        all[i + 1] = types[i];
    if (!ir_ops_eval(&r, all, args, NULL, out))
        CU_FAIL("not evaluated");
}

#define CHECK(op, got, expected, a, b)                                                         \
    do {                                                                                       \
        uint64_t got_ = (got), expected_ = (expected);                                         \
        if (got_ != expected_)                                                                 \
            printf("\n%s of 0x%" PRIx64 ", 0x%" PRIx64 ": 0x%" PRIx64 ", expected 0x%" PRIx64, \
                   ir_ops_table[op].name, (uint64_t)(a), (uint64_t)(b), got_, expected_);      \
        CU_ASSERT_EQUAL(got_, expected_);                                                      \
    } while (0)

static inline bool bit(uint64_t a, uint32_t n)
{
    return n < 64 && a >> n & 1;
}

/* Shift-and-add product. */
static inline u128 product(uint64_t a, uint64_t b)
{
    u128 r = 0;

    for (uint32_t i = 0; i < 64; i++)
        if (bit(b, i))
            r += (u128)a << i;
    return r;
}

#endif
