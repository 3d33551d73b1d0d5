/*
 * What operations mean, against expectations that are worked out in another way: bit by bit, by the host's own
 * instructions, by exact arithmetic on lanes, or from published examples.
 */
#include "random.h"
#include "../runner.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CASES = 400 };

static uint32_t factor;

typedef unsigned __int128 u128;
typedef __int128 s128;

/* Evaluate an operation on the given types. */
static void eval(ir_op op, ir_type result, uint32_t attr, uint32_t n, const ir_type *types,
                 const pb_u128 *args, pb_u128 out[2])
{
    ir_op_record r = { .op = (uint16_t)op, .n_args = (uint8_t)n, .attr = attr };
    ir_type all[5] = { result };

    for (uint32_t i = 0; i < n; i++)
        all[i + 1] = types[i];
    if (!ir_ops_eval(&r, all, args, NULL, out))
        CU_FAIL("not evaluated");
}

/* On integers of one type; the result is of it too. */
static uint64_t integer(ir_op op, ir_type type, uint32_t attr, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t *second)
{
    uint32_t n = ir_ops_table[op].n_operands;
    ir_type types[3] = { type, type, n == 3 && op != IR_OP_SELECT ? IR_I1 : type };
    pb_u128 args[3] = { { a, 0 }, { b, 0 }, { c, 0 } }, out[2];

    eval(op, type, attr, n, types, args, out);
    if (second)
        *second = out[1].lo;
    return out[0].lo;
}

#define CHECK(op, got, expected, a, b)                                                         \
    do {                                                                                       \
        uint64_t got_ = (got), expected_ = (expected);                                         \
        if (got_ != expected_) {                                                               \
            printf("\n%s of 0x%" PRIx64 ", 0x%" PRIx64 ": 0x%" PRIx64 ", expected 0x%" PRIx64, \
                   ir_ops_table[op].name, (uint64_t)(a), (uint64_t)(b), got_, expected_);      \
            CU_FAIL("wrong");                                                                  \
        }                                                                                      \
    } while (0)

static const ir_type widths[4] = { IR_I8, IR_I16, IR_I32, IR_I64 };

/* ---- integers, bit by bit ----------------------------------------------------------------------------------- */

static bool bit(uint64_t a, uint32_t n)
{
    return n < 64 && a >> n & 1;
}

/* Ripple-carry addition; carry[i] is the carry into bit i. */
static uint64_t ripple(uint64_t a, uint64_t b, bool carry_in, uint32_t W, bool carry[65])
{
    uint64_t r = 0;

    carry[0] = carry_in;
    for (uint32_t i = 0; i < W; i++) {
        uint32_t sum = bit(a, i) + bit(b, i) + carry[i];

        r |= (uint64_t)(sum & 1) << i;
        carry[i + 1] = sum >> 1;
    }
    return r;
}

/* Shift-and-add product. */
static u128 product(uint64_t a, uint64_t b)
{
    u128 r = 0;

    for (uint32_t i = 0; i < 64; i++)
        if (bit(b, i))
            r += (u128)a << i;
    return r;
}

/* Long division. */
static uint64_t quotient(uint64_t a, uint64_t b, uint32_t W, uint64_t *rest)
{
    u128 remainder = 0;
    uint64_t q = 0;

    for (uint32_t i = W; i-- > 0;) {
        remainder = remainder * 2 + bit(a, i);
        if (remainder >= b) {
            remainder -= b;
            q |= UINT64_C(1) << i;
        }
    }
    *rest = (uint64_t)remainder;
    return q;
}

static uint64_t negate(uint64_t a, uint32_t W)
{
    return (~a + 1) & ir_sem_mask(W);
}

static uint64_t magnitude(uint64_t a, uint32_t W)
{
    return bit(a, W - 1) ? negate(a, W) : a;
}

static void sums(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t];
            uint64_t a = random_word(W), b = random_word(W), c = random_below(2);
            bool carry[65];

            CHECK(IR_OP_ADD, integer(IR_OP_ADD, t, 0, a, b, 0, NULL), ripple(a, b, 0, W, carry), a,
                  b);
            CHECK(IR_OP_ADC, integer(IR_OP_ADC, t, 0, a, b, c, NULL), ripple(a, b, c, W, carry), a,
                  b);
            CHECK(IR_OP_SUB, integer(IR_OP_SUB, t, 0, a, b, 0, NULL), ripple(a, ~b, 1, W, carry), a,
                  b);
            CHECK(IR_OP_NEG, integer(IR_OP_NEG, t, 0, a, 0, 0, NULL), ripple(0, ~a, 1, W, carry), a,
                  0);
        }
}

static void products(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t];
            uint64_t a = random_word(W), b = random_word(W), rest, q, m = ir_sem_mask(W);
            u128 p = product(a, b), s = product(magnitude(a, W), magnitude(b, W));
            bool negative = bit(a, W - 1) != bit(b, W - 1);

            if (negative)
                s = ~s + 1;
            CHECK(IR_OP_MUL, integer(IR_OP_MUL, t, 0, a, b, 0, NULL), (uint64_t)p & m, a, b);
            CHECK(IR_OP_MULH_U, integer(IR_OP_MULH_U, t, 0, a, b, 0, NULL), (uint64_t)(p >> W) & m,
                  a, b);
            CHECK(IR_OP_MULH_S, integer(IR_OP_MULH_S, t, 0, a, b, 0, NULL), (uint64_t)(s >> W) & m,
                  a, b);
            if (b == 0) {
                CHECK(IR_OP_DIV_U, integer(IR_OP_DIV_U, t, 0, a, 0, 0, NULL), 0, a, b);
                CHECK(IR_OP_DIV_S, integer(IR_OP_DIV_S, t, 0, a, 0, 0, NULL), 0, a, b);
                CHECK(IR_OP_REM_U, integer(IR_OP_REM_U, t, 0, a, 0, 0, NULL), a, a, b);
                CHECK(IR_OP_REM_S, integer(IR_OP_REM_S, t, 0, a, 0, 0, NULL), a, a, b);
                continue;
            }
            q = quotient(a, b, W, &rest);
            CHECK(IR_OP_DIV_U, integer(IR_OP_DIV_U, t, 0, a, b, 0, NULL), q, a, b);
            CHECK(IR_OP_REM_U, integer(IR_OP_REM_U, t, 0, a, b, 0, NULL), rest, a, b);
            q = quotient(magnitude(a, W), magnitude(b, W), W, &rest);
            CHECK(IR_OP_DIV_S, integer(IR_OP_DIV_S, t, 0, a, b, 0, NULL),
                  negative ? negate(q, W) : q, a, b);
            CHECK(IR_OP_REM_S, integer(IR_OP_REM_S, t, 0, a, b, 0, NULL),
                  bit(a, W - 1) ? negate(rest, W) : rest, a, b);
        }
}

/* Every bit of the result is said on its own. */
static void bits(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t], by, lsb = random_below(W),
                     len = 1 + random_below(W - lsb);
            uint64_t a = random_word(W), b = random_word(W), m = ir_sem_mask(W);
            uint64_t shl = 0, shr = 0, sar = 0, ror = 0, extr = 0, x = 0, sx = 0, ins = 0, rev = 0,
                     swap = 0, leading = 0, trailing = 0, ones = 0;

            by = b & (W - 1);
            for (uint32_t k = 0; k < W; k++) {
                shl |= (uint64_t)(k >= by && bit(a, k - by)) << k;
                shr |= (uint64_t)(k + by < W && bit(a, k + by)) << k;
                sar |= (uint64_t)bit(a, k + by < W ? k + by : W - 1) << k;
                ror |= (uint64_t)bit(a, (k + by) % W) << k;
                extr |= (uint64_t)(k + lsb < W ? bit(b, k + lsb) : bit(a, k + lsb - W)) << k;
                x |= (uint64_t)(k < len && bit(a, k + lsb)) << k;
                sx |= (uint64_t)bit(a, lsb + (k < len ? k : len - 1)) << k;
                ins |= (uint64_t)(k >= lsb && k < lsb + len ? bit(b, k - lsb) : bit(a, k)) << k;
                rev |= (uint64_t)bit(a, W - 1 - k) << k;
                swap |= (uint64_t)bit(a, (W / 8 - 1 - k / 8) * 8 + k % 8) << k;
                ones += bit(a, k);
            }
            while (leading < W && !bit(a, W - 1 - (uint32_t)leading))
                leading++;
            while (trailing < W && !bit(a, (uint32_t)trailing))
                trailing++;
            CHECK(IR_OP_SHL, integer(IR_OP_SHL, t, 0, a, b, 0, NULL), shl, a, b);
            CHECK(IR_OP_SHR, integer(IR_OP_SHR, t, 0, a, b, 0, NULL), shr, a, b);
            CHECK(IR_OP_SAR, integer(IR_OP_SAR, t, 0, a, b, 0, NULL), sar, a, b);
            CHECK(IR_OP_ROR, integer(IR_OP_ROR, t, 0, a, b, 0, NULL), ror, a, b);
            CHECK(IR_OP_EXTR, integer(IR_OP_EXTR, t, lsb, a, b, 0, NULL), extr, a, b);
            CHECK(IR_OP_EXTRACT, integer(IR_OP_EXTRACT, t, lsb | len << 8, a, 0, 0, NULL), x, a,
                  lsb);
            CHECK(IR_OP_SEXTRACT, integer(IR_OP_SEXTRACT, t, lsb | len << 8, a, 0, 0, NULL), sx, a,
                  lsb);
            CHECK(IR_OP_INSERT, integer(IR_OP_INSERT, t, lsb | len << 8, a, b, 0, NULL), ins, a, b);
            CHECK(IR_OP_BITREV, integer(IR_OP_BITREV, t, 0, a, 0, 0, NULL), rev, a, 0);
            CHECK(IR_OP_BSWAP, integer(IR_OP_BSWAP, t, 0, a, 0, 0, NULL), swap, a, 0);
            CHECK(IR_OP_CLZ, integer(IR_OP_CLZ, t, 0, a, 0, 0, NULL), leading & m, a, 0);
            CHECK(IR_OP_CTZ, integer(IR_OP_CTZ, t, 0, a, 0, 0, NULL), trailing & m, a, 0);
            CHECK(IR_OP_POPCNT, integer(IR_OP_POPCNT, t, 0, a, 0, 0, NULL), ones, a, 0);
        }
}

static uint64_t compared(ir_op op, ir_type t, uint64_t a, uint64_t b)
{
    ir_type types[2] = { t, t };
    pb_u128 args[2] = { { a, 0 }, { b, 0 } }, out[2];

    eval(op, IR_I1, 0, 2, types, args, out);
    return out[0].lo;
}

/* By the first bit in which they differ. */
static void comparisons(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t], k = W;
            uint64_t a = random_word(W), b = random_below(4) ? random_word(W) : a;
            bool less, less_signed;

            while (k > 0 && bit(a, k - 1) == bit(b, k - 1))
                k--;
            less = k && bit(b, k - 1);
            less_signed = k == W ? bit(a, W - 1) : less;
            CHECK(IR_OP_EQ, compared(IR_OP_EQ, t, a, b), k == 0, a, b);
            CHECK(IR_OP_NE, compared(IR_OP_NE, t, a, b), k != 0, a, b);
            CHECK(IR_OP_LT_U, compared(IR_OP_LT_U, t, a, b), less, a, b);
            CHECK(IR_OP_LE_U, compared(IR_OP_LE_U, t, a, b), less || k == 0, a, b);
            CHECK(IR_OP_LT_S, compared(IR_OP_LT_S, t, a, b), less_signed, a, b);
            CHECK(IR_OP_LE_S, compared(IR_OP_LE_S, t, a, b), less_signed || k == 0, a, b);
            CHECK(IR_OP_MIN_U, integer(IR_OP_MIN_U, t, 0, a, b, 0, NULL), less ? a : b, a, b);
            CHECK(IR_OP_MAX_U, integer(IR_OP_MAX_U, t, 0, a, b, 0, NULL), less ? b : a, a, b);
            CHECK(IR_OP_MIN_S, integer(IR_OP_MIN_S, t, 0, a, b, 0, NULL), less_signed ? a : b, a,
                  b);
            CHECK(IR_OP_MAX_S, integer(IR_OP_MAX_S, t, 0, a, b, 0, NULL), less_signed ? b : a, a,
                  b);
        }
}

/* ---- flags -------------------------------------------------------------------------------------------------- */

/* The bundle of a sum, from the carries of the ripple. */
static uint64_t sum_flags(uint64_t r, uint32_t W, const bool carry[65])
{
    uint32_t ones = 0;

    for (uint32_t i = 0; i < 8; i++)
        ones += bit(r, i);
    return (uint64_t)carry[W] << IR_FLAG_C | (uint64_t) !(ones & 1) << IR_FLAG_P |
           (uint64_t)carry[4] << IR_FLAG_A | (uint64_t)(r == 0) << IR_FLAG_Z |
           (uint64_t)bit(r, W - 1) << IR_FLAG_N | (uint64_t)(carry[W] != carry[W - 1]) << IR_FLAG_V;
}

static void sum_bundles(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t];
            uint64_t a = random_word(W), b = random_word(W), c = random_below(2), fl, r;
            bool carry[65];

            r = ripple(a, b, 0, W, carry);
            CHECK(IR_OP_ADD_FL, integer(IR_OP_ADD_FL, t, 0, a, b, 0, &fl), r, a, b);
            CHECK(IR_OP_ADD_FL, fl, sum_flags(r, W, carry), a, b);
            r = ripple(a, b, c, W, carry);
            CHECK(IR_OP_ADC_FL, integer(IR_OP_ADC_FL, t, 0, a, b, c, &fl), r, a, b);
            CHECK(IR_OP_ADC_FL, fl, sum_flags(r, W, carry), a, b);
            r = ripple(a, ~b, 1, W, carry);
            CHECK(IR_OP_SUB_FL, integer(IR_OP_SUB_FL, t, 0, a, b, 0, &fl), r, a, b);
            CHECK(IR_OP_SUB_FL, fl, sum_flags(r, W, carry), a, b);
            r = ripple(a, ~b, c, W, carry);
            CHECK(IR_OP_SBC_FL, integer(IR_OP_SBC_FL, t, 0, a, b, c, &fl), r, a, b);
            CHECK(IR_OP_SBC_FL, fl, sum_flags(r, W, carry), a, b);
        }
}

/* Of EFLAGS. */
enum {
    X86_CF = 1 << IR_FLAG_C,
    X86_PF = 1 << IR_FLAG_P,
    X86_AF = 1 << IR_FLAG_A,
    X86_ZF = 1 << IR_FLAG_Z,
    X86_SF = 1 << IR_FLAG_N,
    X86_OF = 1 << IR_FLAG_V
};

/* The flags of a bundle where EFLAGS has them (Intel SDM volume 1, 3.4.3), and back. */
static uint32_t eflags_of(uint32_t fl)
{
    return (fl >> 8 & 0xd5) | (fl & 1) << 11;
}

static uint64_t bundle_of(uint64_t eflags)
{
    return (eflags & 0xd5) << 8 | (eflags >> 11 & 1);
}

#if defined(__x86_64__)

/* Run one instruction on the host with a in rax, b in rcx; the flags. */
#define HOST(text, result, flags, a, b)                              \
    do {                                                             \
        __asm__("pushfq\n\tpopq %1\n\t" text "\n\tpushfq\n\tpopq %1" \
                : "=a"(result), "=&r"(flags)                         \
                : "0"(a), "c"(b)                                     \
                : "cc", "memory");                                   \
        flags = bundle_of(flags);                                    \
    } while (0)

#define HOST_SIZES(name, W, result, flags, a, b)              \
    do {                                                      \
        if ((W) == 8)                                         \
            HOST(name "b %%cl, %%al", result, flags, a, b);   \
        else if ((W) == 16)                                   \
            HOST(name "w %%cx, %%ax", result, flags, a, b);   \
        else if ((W) == 32)                                   \
            HOST(name "l %%ecx, %%eax", result, flags, a, b); \
        else                                                  \
            HOST(name "q %%rcx, %%rax", result, flags, a, b); \
    } while (0)

#define HOST_SHIFTS(name, W, result, flags, a, b)            \
    do {                                                     \
        if ((W) == 8)                                        \
            HOST(name "b %%cl, %%al", result, flags, a, b);  \
        else if ((W) == 16)                                  \
            HOST(name "w %%cl, %%ax", result, flags, a, b);  \
        else if ((W) == 32)                                  \
            HOST(name "l %%cl, %%eax", result, flags, a, b); \
        else                                                 \
            HOST(name "q %%cl, %%rax", result, flags, a, b); \
    } while (0)

/* The host's own flags; carry after subtraction is its complement there, and so is A. */
static void host_flags(void)
{
    const uint64_t all = IR_FL_ALL, logic = X86_PF | X86_ZF | X86_SF | X86_CF | X86_OF;

    for (uint32_t n = 0; n < CASES * factor; n++)
        for (uint32_t i = 0; i < 4; i++) {
            ir_type t = widths[i];
            uint32_t W = ir_type_bits[t];
            uint64_t a = random_word(W), b = random_word(W), m = ir_sem_mask(W), fl, r, flags;
            uint64_t by = 1 + random_below(W - 1),
                     cared = by == 1 ? all & ~(uint64_t)X86_AF : all & ~(uint64_t)(X86_AF | X86_OF);

            HOST_SIZES("add", W, r, flags, a, b);
            CHECK(IR_OP_ADD_FL, integer(IR_OP_ADD_FL, t, 0, a, b, 0, &fl), r & m, a, b);
            CHECK(IR_OP_ADD_FL, fl, flags & all, a, b);
            HOST_SIZES("sub", W, r, flags, a, b);
            CHECK(IR_OP_SUB_FL, integer(IR_OP_SUB_FL, t, 0, a, b, 0, &fl), r & m, a, b);
            CHECK(IR_OP_SUB_FL, fl ^ (X86_CF | X86_AF), flags & all, a, b);
            HOST_SIZES("and", W, r, flags, a, b);
            CHECK(IR_OP_AND_FL, integer(IR_OP_AND_FL, t, 0, a, b, 0, &fl), r & m, a, b);
            CHECK(IR_OP_AND_FL, fl, flags & logic, a, b);
            HOST_SIZES("or", W, r, flags, a, b);
            CHECK(IR_OP_OR_FL, integer(IR_OP_OR_FL, t, 0, a, b, 0, &fl), r & m, a, b);
            CHECK(IR_OP_OR_FL, fl, flags & logic, a, b);
            HOST_SIZES("xor", W, r, flags, a, b);
            CHECK(IR_OP_XOR_FL, integer(IR_OP_XOR_FL, t, 0, a, b, 0, &fl), r & m, a, b);
            CHECK(IR_OP_XOR_FL, fl, flags & logic, a, b);
            HOST_SHIFTS("shl", W, r, flags, a, by);
            CHECK(IR_OP_SHL_FL, integer(IR_OP_SHL_FL, t, 0, a, by, 0, &fl), r & m, a, by);
            CHECK(IR_OP_SHL_FL, fl & cared, flags & cared, a, by);
            HOST_SHIFTS("shr", W, r, flags, a, by);
            CHECK(IR_OP_SHR_FL, integer(IR_OP_SHR_FL, t, 0, a, by, 0, &fl), r & m, a, by);
            CHECK(IR_OP_SHR_FL, fl & cared, flags & cared, a, by);
            HOST_SHIFTS("sar", W, r, flags, a, by);
            CHECK(IR_OP_SAR_FL, integer(IR_OP_SAR_FL, t, 0, a, by, 0, &fl), r & m, a, by);
            CHECK(IR_OP_SAR_FL, fl & cared, flags & cared, a, by);
        }
}

#endif

static uint64_t on_flags(ir_op op, ir_type result, uint32_t attr, uint64_t a, uint64_t b)
{
    ir_type types[2] = { op == IR_OP_FLUNPACK_NZCV || op == IR_OP_FLUNPACK_EFLAGS ? IR_I32 : IR_FL,
                         IR_FL };
    pb_u128 args[2] = { { a, 0 }, { b, 0 } }, out[2];

    eval(op, result, attr, ir_ops_table[op].n_operands, types, args, out);
    return out[0].lo;
}

/* After a subtraction, conditions are comparisons. */
static void conditions(void)
{
    for (uint32_t n = 0; n < CASES * factor; n++) {
        uint64_t a = random_word(32), b = random_below(3) ? random_word(32) : a, fl;
        int32_t sa = (int32_t)a, sb = (int32_t)b, diff = (int32_t)(uint32_t)(a - b);
        bool expected[16] = {
            [IR_EQ] = a == b,
            [IR_NE] = a != b,
            [IR_CS] = a >= b,
            [IR_CC] = a < b,
            [IR_MI] = diff<0, [IR_PL] = diff >= 0, [IR_VS] = (int64_t)sa - sb != diff,
                           [IR_VC] = (int64_t)sa - sb == diff, [IR_HI] = a>
                b,
            [IR_LS] = a <= b,
            [IR_GE] = sa >= sb,
            [IR_LT] = sa<sb, [IR_GT] = sa> sb,
            [IR_LE] = sa <= sb,
            [IR_PS] = __builtin_popcount((unsigned)diff & 0xff) % 2 == 0,
            [IR_PC] = __builtin_popcount((unsigned)diff & 0xff) % 2 == 1,
        };

        integer(IR_OP_SUB_FL, IR_I32, 0, a, b, 0, &fl);
        for (uint32_t cc = 0; cc < 16; cc++)
            CHECK(IR_OP_SET_CC, on_flags(IR_OP_SET_CC, IR_I1, cc, fl, 0), expected[cc], a, b);
        CHECK(IR_OP_FLPACK_CR, on_flags(IR_OP_FLPACK_CR, IR_I32, 1, fl, 0),
              a < b   ? 8
              : a > b ? 4
                      : 2,
              a, b);
        CHECK(IR_OP_FLPACK_CR, on_flags(IR_OP_FLPACK_CR, IR_I32, 0, fl, 0),
              sa < sb   ? 8
              : sa > sb ? 4
                        : 2,
              a, b);
    }
}

static void packed_flags(void)
{
    static const struct {
        uint32_t nzcv, eflags;
    } same[] = {
        { 0x80000000, X86_SF },
        { 0x40000000, X86_ZF },
        { 0x20000000, X86_CF },
        { 0x10000000, X86_OF },
    };

    for (uint32_t set = 0; set < 16; set++) {
        uint32_t nzcv = 0, eflags = 0;

        for (uint32_t i = 0; i < 4; i++) {
            nzcv |= set >> i & 1 ? same[i].nzcv : 0;
            eflags |= set >> i & 1 ? same[i].eflags : 0;
        }
        CHECK(IR_OP_FLUNPACK_NZCV, on_flags(IR_OP_FLUNPACK_NZCV, IR_FL, 0, nzcv, 0), eflags, nzcv,
              0);
        CHECK(IR_OP_FLPACK_NZCV,
              on_flags(IR_OP_FLPACK_NZCV, IR_I32, 0, eflags | X86_PF | X86_AF, 0), nzcv, eflags, 0);
        CHECK(IR_OP_FLUNPACK_EFLAGS,
              on_flags(IR_OP_FLUNPACK_EFLAGS, IR_FL, 0, eflags_of(eflags) | 0xfffff72a, 0), eflags,
              eflags, 0);
        CHECK(IR_OP_FLPACK_EFLAGS, on_flags(IR_OP_FLPACK_EFLAGS, IR_I32, 0, eflags, 0),
              eflags_of(eflags), eflags, 0);
        /* INC: everything but the carry. */
        CHECK(IR_OP_FL_MERGE,
              on_flags(IR_OP_FL_MERGE, IR_FL, IR_FLM_N | IR_FLM_Z | IR_FLM_V | IR_FLM_P | IR_FLM_A,
                       X86_CF, eflags),
              (eflags & ~(uint32_t)X86_CF) | X86_CF, eflags, 0);
        CHECK(IR_OP_FL_FLIP, on_flags(IR_OP_FL_FLIP, IR_FL, IR_FLM_C | IR_FLM_V, eflags, 0),
              eflags ^ (X86_CF | X86_OF), eflags, 0);
        CHECK(IR_OP_FLBIT, on_flags(IR_OP_FLBIT, IR_I1, IR_FLAG_V, eflags, 0), set >> 3 & 1, eflags,
              0);
    }
}

/* ---- lanes, by exact arithmetic ------------------------------------------------------------------------------- */

/* floor(x / 2^n), or rounded to nearest with ties up, by division. */
static s128 scaled(s128 x, int32_t n, bool round)
{
    s128 d, twice;

    if (n >= 0)
        return x * ((s128)1 << n);
    if (n < -70)
        n = -70;
    d = (s128)1 << -n;
    twice = round ? 2 * x + d : 2 * x;
    /* floor(twice / 2d) */
    return twice / (2 * d) - (twice % (2 * d) < 0);
}

static s128 clamp(s128 x, s128 low, s128 high, bool *sat)
{
    if (x >= low && x <= high)
        return x;
    *sat = true;
    return x < low ? low : high;
}

typedef struct lane {
    s128 ua, ub, sa, sb; /* the lanes, unsigned and signed */
    int32_t by;          /* b's signed low byte */
    uint32_t bits, n;
    s128 umax, smin, smax;
} lane;

/* The exact result, and the range that it is saturated to (kind 'u', 's'; 0: it wraps). */
static s128 lane_result(ir_op op, const lane *x, char *kind)
{
    int32_t by = x->by > 64 ? 64 : x->by;
    bool right = by < 0;

    *kind = 0;
    switch (op) {
    case IR_OP_V_ADD:
        return x->ua + x->ub;
    case IR_OP_V_SUB:
        return x->ua - x->ub;
    case IR_OP_V_MUL:
        return (s128)product((uint64_t)x->ua, (uint64_t)x->ub);
    case IR_OP_V_NEG:
        return -x->sa;
    case IR_OP_V_ABS:
        return x->sa < 0 ? -x->sa : x->sa;
    case IR_OP_V_MIN_U:
        return x->ua < x->ub ? x->ua : x->ub;
    case IR_OP_V_MAX_U:
        return x->ua < x->ub ? x->ub : x->ua;
    case IR_OP_V_MIN_S:
        return x->sa < x->sb ? x->sa : x->sb;
    case IR_OP_V_MAX_S:
        return x->sa < x->sb ? x->sb : x->sa;
    case IR_OP_V_CMEQ:
        return -(s128)(x->ua == x->ub);
    case IR_OP_V_CMGT_S:
        return -(s128)(x->sa > x->sb);
    case IR_OP_V_CMGE_S:
        return -(s128)(x->sa >= x->sb);
    case IR_OP_V_CMGT_U:
        return -(s128)(x->ua > x->ub);
    case IR_OP_V_CMGE_U:
        return -(s128)(x->ua >= x->ub);
    case IR_OP_V_SHL:
        return x->ua * ((s128)1 << x->n);
    case IR_OP_V_SHR:
        return scaled(x->ua, -(int32_t)x->n, false);
    case IR_OP_V_SAR:
        return scaled(x->sa, -(int32_t)x->n, false);
    case IR_OP_V_RSHR_U:
        return scaled(x->ua, -(int32_t)x->n, true);
    case IR_OP_V_RSHR_S:
        return scaled(x->sa, -(int32_t)x->n, true);
    case IR_OP_V_SHLV_U:
        return right ? scaled(x->ua, by, false) : (s128)((u128)x->ua << by);
    case IR_OP_V_SHLV_S:
        return right ? scaled(x->sa, by, false) : (s128)((u128)x->ua << by);
    case IR_OP_V_RSHLV_U:
        return right ? scaled(x->ua, by, true) : (s128)((u128)x->ua << by);
    case IR_OP_V_RSHLV_S:
        return right ? scaled(x->sa, by, true) : (s128)((u128)x->ua << by);
    case IR_OP_V_QADD_U:
        *kind = 'u';
        return x->ua + x->ub;
    case IR_OP_V_QADD_S:
        *kind = 's';
        return x->sa + x->sb;
    case IR_OP_V_QSUB_U:
        *kind = 'u';
        return x->ua - x->ub;
    case IR_OP_V_QSUB_S:
        *kind = 's';
        return x->sa - x->sb;
    case IR_OP_V_HADD_U:
        return scaled(x->ua + x->ub + x->n, -1, false);
    case IR_OP_V_HADD_S:
        return scaled(x->sa + x->sb + x->n, -1, false);
    case IR_OP_V_HSUB_U:
        return scaled(x->ua - x->ub, -1, false);
    case IR_OP_V_HSUB_S:
        return scaled(x->sa - x->sb, -1, false);
    case IR_OP_V_ABD_U:
        return x->ua > x->ub ? x->ua - x->ub : x->ub - x->ua;
    case IR_OP_V_ABD_S:
        return x->sa > x->sb ? x->sa - x->sb : x->sb - x->sa;
    case IR_OP_V_QDMULH:
        *kind = 's';
        return scaled(2 * x->sa * x->sb, -(int32_t)x->bits, x->n);
    default:
        break;
    }
    /* Saturating shifts: a left shift of 63 or more saturates what is not zero, as one of 63 does; of
     * 64-bit lanes the product is kept within 128 bits by going in two steps. */
    *kind = op == IR_OP_V_QSHLV_U || op == IR_OP_V_QRSHLV_U ? 'u' : 's';
    {
        s128 from = *kind == 'u' ? x->ua : x->sa;
        bool round = op == IR_OP_V_QRSHLV_U || op == IR_OP_V_QRSHLV_S;

        if (right)
            return scaled(from, by, round);
        for (; by > 0 && from <= x->umax && from >= x->smin; by--)
            from *= 2;
        return from;
    }
}

static void one_vector(ir_op op)
{
    const ir_op_info *info = &ir_ops_table[op];
    ir_type t = random_below(2) ? IR_V64 : IR_V128, types[2] = { t, t };
    uint32_t es = random_below(4), bits = 8u << es, n = random_below(bits + 1);
    pb_u128 args[2] = { random_value(t), random_value(t) }, out[2], expected = { 0, 0 };
    bool sat = false;

    if (op == IR_OP_V_QDMULH)
        bits = 8u << (es = 1 + random_below(2));
    if (op == IR_OP_V_QDMULH || op == IR_OP_V_HADD_U || op == IR_OP_V_HADD_S)
        n = random_below(2);
    if (random_below(2)) /* shift counts of the size of lanes */
        for (uint32_t i = 0; i < ir_type_bits[t] / bits; i++)
            args[1] = ir_sem_v_setlane(args[1], random_below(140) - 70u, es, i);
    for (uint32_t i = 0; i < ir_type_bits[t] / bits; i++) {
        uint64_t a = ir_sem_v_lane(args[0], es, i), b = ir_sem_v_lane(args[1], es, i);
        s128 top = (s128)1 << bits;
        lane x = { .ua = a,
                   .ub = b,
                   .sa = bit(a, bits - 1) ? (s128)a - top : (s128)a,
                   .sb = bit(b, bits - 1) ? (s128)b - top : (s128)b,
                   .by = (int8_t)b,
                   .bits = bits,
                   .n = n,
                   .umax = top - 1,
                   .smin = -top / 2,
                   .smax = top / 2 - 1 };
        char kind;
        s128 r = lane_result(op, &x, &kind);

        if (kind == 'u')
            r = clamp(r, 0, x.umax, &sat);
        else if (kind == 's')
            r = clamp(r, x.smin, x.smax, &sat);
        expected = ir_sem_v_setlane(expected, (uint64_t)r, es, i);
    }
    eval(op, t, es | n << 2, info->n_operands, types, args, out);
    CHECK(op, out[0].lo, expected.lo, args[0].lo, args[1].lo);
    CHECK(op, out[0].hi, expected.hi, args[0].hi, args[1].hi);
    if (info->n_results > 1)
        CHECK(op, out[1].lo, sat, args[0].lo, args[1].lo);
}

static void lanes(void)
{
    static const uint16_t ops[] = {
        IR_OP_V_ADD,      IR_OP_V_SUB,     IR_OP_V_MUL,     IR_OP_V_NEG,     IR_OP_V_ABS,
        IR_OP_V_MIN_U,    IR_OP_V_MAX_U,   IR_OP_V_MIN_S,   IR_OP_V_MAX_S,   IR_OP_V_CMEQ,
        IR_OP_V_CMGT_S,   IR_OP_V_CMGE_S,  IR_OP_V_CMGT_U,  IR_OP_V_CMGE_U,  IR_OP_V_SHL,
        IR_OP_V_SHR,      IR_OP_V_SAR,     IR_OP_V_RSHR_U,  IR_OP_V_RSHR_S,  IR_OP_V_SHLV_U,
        IR_OP_V_SHLV_S,   IR_OP_V_RSHLV_U, IR_OP_V_RSHLV_S, IR_OP_V_QADD_U,  IR_OP_V_QADD_S,
        IR_OP_V_QSUB_U,   IR_OP_V_QSUB_S,  IR_OP_V_QSHLV_U, IR_OP_V_QSHLV_S, IR_OP_V_QRSHLV_U,
        IR_OP_V_QRSHLV_S, IR_OP_V_QDMULH,  IR_OP_V_HADD_U,  IR_OP_V_HADD_S,  IR_OP_V_HSUB_U,
        IR_OP_V_HSUB_S,   IR_OP_V_ABD_U,   IR_OP_V_ABD_S,
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(ops); i++)
        for (uint32_t n = 0; n < CASES * factor; n++)
            one_vector((ir_op)ops[i]);
}

/* Permutations of a vector whose byte n is n, and of one whose byte n is 16 + n: the result names its sources. */
static void permutations(void)
{
    static const struct {
        ir_op op;
        ir_type type;
        uint32_t attr, n;
        uint8_t bytes[16];
    } cases[] = {
        { IR_OP_V_ZIP,
          IR_V128,
          0 | 0 << 2,
          2,
          { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 } },
        { IR_OP_V_ZIP,
          IR_V128,
          2 | 1 << 2,
          2,
          { 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31 } },
        { IR_OP_V_ZIP, IR_V64, 1 | 1 << 2, 2, { 4, 5, 20, 21, 6, 7, 22, 23 } },
        { IR_OP_V_UZP,
          IR_V128,
          0 | 1 << 2,
          2,
          { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 } },
        { IR_OP_V_UZP,
          IR_V128,
          3 | 0 << 2,
          2,
          { 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23 } },
        { IR_OP_V_UZP, IR_V64, 1 | 0 << 2, 2, { 0, 1, 4, 5, 16, 17, 20, 21 } },
        { IR_OP_V_TRN,
          IR_V128,
          2 | 0 << 2,
          2,
          { 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27 } },
        { IR_OP_V_TRN, IR_V64, 0 | 1 << 2, 2, { 1, 17, 3, 19, 5, 21, 7, 23 } },
        { IR_OP_V_EXT, IR_V128, 3, 2, { 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 } },
        { IR_OP_V_EXT, IR_V64, 7, 2, { 7, 16, 17, 18, 19, 20, 21, 22 } },
        { IR_OP_V_REV,
          IR_V128,
          0 | 1 << 2,
          1,
          { 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14 } },
        { IR_OP_V_REV,
          IR_V128,
          1 | 3 << 2,
          1,
          { 6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9 } },
        { IR_OP_V_REV, IR_V64, 0 | 2 << 2, 1, { 3, 2, 1, 0, 7, 6, 5, 4 } },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        ir_type types[2] = { cases[i].type, cases[i].type };
        pb_u128 args[2], out[2], expected;
        uint8_t a[16], b[16];

        for (uint8_t k = 0; k < 16; k++) {
            a[k] = k;
            b[k] = 16 + k;
        }
        memcpy(&args[0], a, 16);
        memcpy(&args[1], b, 16);
        memcpy(&expected, cases[i].bytes, 16);
        args[0] = ir_ops_cut(types[0], args[0]);
        args[1] = ir_ops_cut(types[0], args[1]);
        eval(cases[i].op, cases[i].type, cases[i].attr, cases[i].n, types, args, out);
        CHECK(cases[i].op, out[0].lo, expected.lo, i, 0);
        CHECK(cases[i].op, out[0].hi, expected.hi, i, 0);
    }
}

static pb_u128 of_bytes(const char *hex)
{
    pb_u128 v;
    uint8_t bytes[16];

    for (uint32_t i = 0; i < 16; i++)
        bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    memcpy(&v, bytes, 16);
    return v;
}

static void aes_step(ir_op op, const char *from, const char *to)
{
    ir_type type = IR_V128;
    pb_u128 a = of_bytes(from), expected = of_bytes(to), out[2];

    eval(op, IR_V128, 0, 1, &type, &a, out);
    CHECK(op, out[0].lo, expected.lo, a.lo, a.hi);
    CHECK(op, out[0].hi, expected.hi, a.lo, a.hi);
}

/* FIPS 197, appendix B, rounds 1 and 2; the inverses backwards. */
static void aes(void)
{
    aes_step(IR_OP_V_AESENC, "193de3bea0f4e22b9ac68d2ae9f84808",
             "d4bf5d30e0b452aeb84111f11e2798e5");
    aes_step(IR_OP_V_AESMC, "d4bf5d30e0b452aeb84111f11e2798e5", "046681e5e0cb199a48f8d37a2806264c");
    aes_step(IR_OP_V_AESENC, "a49c7ff2689f352b6b5bea43026a5049",
             "49db873b453953897f02d2f177de961a");
    aes_step(IR_OP_V_AESMC, "49db873b453953897f02d2f177de961a", "584dcaf11b4b5aacdbe7caa81b6bb0e5");
    aes_step(IR_OP_V_AESDEC, "d4bf5d30e0b452aeb84111f11e2798e5",
             "193de3bea0f4e22b9ac68d2ae9f84808");
    aes_step(IR_OP_V_AESIMC, "046681e5e0cb199a48f8d37a2806264c",
             "d4bf5d30e0b452aeb84111f11e2798e5");
}

static pb_u128 hash_step(ir_op op, uint32_t n, pb_u128 a, pb_u128 b, pb_u128 c)
{
    ir_type types[3] = { IR_V128, IR_V128, IR_V128 };
    pb_u128 args[3] = { a, b, c }, out[2];

    eval(op, IR_V128, n, op == IR_OP_V_SHA256SU0 || op == IR_OP_V_SHA256SU1 ? 2 : 3, types, args,
         out);
    return out[0];
}

static pb_u128 four_words(const uint32_t *w)
{
    return (pb_u128){ w[0] | (uint64_t)w[1] << 32, w[2] | (uint64_t)w[3] << 32 };
}

/* The message "abc": its padded block. */
static const uint32_t hashed_block[16] = { 0x61626380, [15] = 24 };

/* FIPS 180-4, 6.1.2, by NIST's example (SHA1.pdf). */
static void sha1(void)
{
    static const uint32_t start[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    static const uint32_t digest[5] = { 0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c,
                                        0x9cd0d89d };
    static const uint32_t constants[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    pb_u128 hash = four_words(start);
    uint32_t w[80], e = start[4];

    memcpy(w, hashed_block, sizeof(hashed_block));
    for (uint32_t i = 16; i < 80; i++) {
        uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];

        w[i] = x << 1 | x >> 31;
    }
    for (uint32_t i = 0; i < 80; i += 4) {
        uint32_t a = (uint32_t)hash.lo, n = i / 20, next = a << 30 | a >> 2, k[4];

        for (uint32_t j = 0; j < 4; j++)
            k[j] = w[i + j] + constants[n];
        hash = hash_step(IR_OP_V_SHA1, n == 3 ? 1 : n, hash,
                         (pb_u128){ e | random_bits() << 32, random_bits() }, four_words(k));
        e = next;
    }
    for (uint32_t i = 0; i < 5; i++) {
        uint64_t half = i < 2 ? hash.lo : hash.hi;
        uint32_t word = i == 4 ? e : (uint32_t)(half >> 32 * (i & 1));

        CHECK(IR_OP_V_SHA1, (uint32_t)(word + start[i]), digest[i], i, 0);
    }
}

/* FIPS 180-4, 4.2.2 */
static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* Sums by lane of 32 bits. */
static pb_u128 sum_words(pb_u128 a, pb_u128 b)
{
    return ir_sem_v_add(a, b, 2, 128);
}

/* FIPS 180-4, 6.2.2, by NIST's example (SHA256.pdf). */
static void sha256(void)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    static const uint32_t digest[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                        0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad };
    pb_u128 abcd = four_words(start), efgh = four_words(start + 4), w[16], none = { 0, 0 };

    for (uint32_t i = 0; i < 4; i++)
        w[i] = four_words(&hashed_block[4 * i]);
    for (uint32_t i = 4; i < 16;
         i++) { /* sixteen words before, with fifteen before; seven before; two before */
        pb_u128 part = hash_step(IR_OP_V_SHA256SU0, 0, w[i - 4], w[i - 3], none);

        part = sum_words(part, ir_sem_v_ext(w[i - 2], w[i - 1], 4, 128));
        w[i] = hash_step(IR_OP_V_SHA256SU1, 0, part, w[i - 1], none);
    }
    for (uint32_t i = 0; i < 16; i++) {
        pb_u128 k = sum_words(w[i], four_words(&sha256_constants[4 * i]));
        pb_u128 next = hash_step(IR_OP_V_SHA256H, 0, abcd, efgh, k);

        efgh = hash_step(IR_OP_V_SHA256H2, 0, efgh, abcd, k);
        abcd = next;
    }
    abcd = sum_words(abcd, four_words(start));
    efgh = sum_words(efgh, four_words(start + 4));
    CHECK(IR_OP_V_SHA256H, abcd.lo, four_words(digest).lo, 0, 0);
    CHECK(IR_OP_V_SHA256H, abcd.hi, four_words(digest).hi, 1, 0);
    CHECK(IR_OP_V_SHA256H2, efgh.lo, four_words(digest + 4).lo, 2, 0);
    CHECK(IR_OP_V_SHA256H2, efgh.hi, four_words(digest + 4).hi, 3, 0);
}

/* The check values of the two polynomials: over "123456789", inverted at start and end. */
static void crc(void)
{
    static const struct {
        ir_op op;
        uint32_t check;
    } cases[] = {
        { IR_OP_CRC32, 0xcbf43926 },
        { IR_OP_CRC32C, 0xe3069283 },
    };

    for (uint32_t i = 0; i < 2; i++) {
        static const uint32_t sizes[][4] = { { 8, 1 }, { 1, 8 }, { 4, 4, 1 }, { 2, 2, 4, 1 } };

        for (uint32_t k = 0; k < 4; k++) {
            uint64_t value = 0xffffffff;
            const char *at = "123456789";

            for (uint32_t part = 0; part < 4 && sizes[k][part]; part++) {
                ir_type types[2] = { IR_I32, IR_I64 };
                pb_u128 args[2] = { { value, 0 }, { 0, 0 } }, out[2];

                memcpy(&args[1].lo, at, sizes[k][part]);
                at += sizes[k][part];
                eval(cases[i].op, IR_I32, sizes[k][part], 2, types, args, out);
                value = out[0].lo;
            }
            CHECK(cases[i].op, value ^ 0xffffffff, cases[i].check, k, 0);
        }
    }
}

#if defined(__x86_64__)

static __m128i to_host(pb_u128 v)
{
    return _mm_set_epi64x((long long)v.hi, (long long)v.lo);
}

static pb_u128 of_host(__m128i v)
{
    pb_u128 r;

    _mm_storeu_si128((__m128i *)(void *)&r, v);
    return r;
}

static pb_u128 unary(ir_op op, pb_u128 a)
{
    ir_type type = IR_V128;
    pb_u128 out[2];

    eval(op, IR_V128, 0, 1, &type, &a, out);
    return out[0];
}

__attribute__((target("aes,pclmul,sse4.1"))) static void check_host_crypto(void)
{
    __m128i zero = _mm_setzero_si128();

    for (uint32_t n = 0; n < CASES; n++) {
        pb_u128 a = random_value(IR_V128), b = random_value(IR_V128), r, out[2];
        pb_u128 halves[2] = { { a.lo, 0 }, { b.lo, 0 } };
        ir_type types[2] = { IR_V64, IR_V64 };

        r = of_host(_mm_aesenclast_si128(to_host(a), zero));
        CHECK(IR_OP_V_AESENC, unary(IR_OP_V_AESENC, a).lo, r.lo, a.lo, a.hi);
        CHECK(IR_OP_V_AESENC, unary(IR_OP_V_AESENC, a).hi, r.hi, a.lo, a.hi);
        r = of_host(_mm_aesdeclast_si128(to_host(a), zero));
        CHECK(IR_OP_V_AESDEC, unary(IR_OP_V_AESDEC, a).lo, r.lo, a.lo, a.hi);
        CHECK(IR_OP_V_AESDEC, unary(IR_OP_V_AESDEC, a).hi, r.hi, a.lo, a.hi);
        r = of_host(_mm_aesimc_si128(to_host(a)));
        CHECK(IR_OP_V_AESIMC, unary(IR_OP_V_AESIMC, a).lo, r.lo, a.lo, a.hi);
        r = of_host(_mm_aesenc_si128(_mm_aesdeclast_si128(to_host(a), zero), zero));
        CHECK(IR_OP_V_AESMC, unary(IR_OP_V_AESMC, a).lo, r.lo, a.lo, a.hi);
        r = of_host(_mm_clmulepi64_si128(to_host(a), to_host(b), 0));
        eval(IR_OP_V_PMULL, IR_V128, 3, 2, types, halves, out);
        CHECK(IR_OP_V_PMULL, out[0].lo, r.lo, a.lo, b.lo);
        CHECK(IR_OP_V_PMULL, out[0].hi, r.hi, a.lo, b.lo);
    }
}

static void host_crypto(void)
{
    if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"))
        check_host_crypto();
    else
        printf("the host has no AES instructions ... ");
}

#endif

int main(void)
{
    static const unit_case cases[] = {
        { "sums, bit by bit", sums },
        { "products and quotients", products },
        { "shifts, fields and counts, bit by bit", bits },
        { "comparisons", comparisons },
        { "flags of sums, from the carries", sum_bundles },
#if defined(__x86_64__)
        { "flags, against the host", host_flags },
        { "AES and carry-less products, against the host", host_crypto },
#endif
        { "conditions", conditions },
        { "packed flags", packed_flags },
        { "lanes, by exact arithmetic", lanes },
        { "permutations", permutations },
        { "AES, by the standard's example", aes },
        { "SHA-1, by the standard's example", sha1 },
        { "SHA-256, by the standard's example", sha256 },
        { "CRC, by the check values", crc },
        { 0 },
    };

    factor = random_init();
    return unit_run("IR meanings", cases);
}
