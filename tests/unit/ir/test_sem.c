/* What operations on integers and flags mean. */
#include "sem.h"

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

static const ir_type widths[4] = { IR_I8, IR_I16, IR_I32, IR_I64 };

/* ---- integers, bit by bit ----------------------------------------------------------------------------------- */

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

int main(void)
{
    static const unit_case cases[] = {
        { "sums, bit by bit", sums },
        { "products and quotients", products },
        { "shifts, fields and counts, bit by bit", bits },
        { "comparisons", comparisons },
        { "flags of sums, from the carries", sum_bundles },
        { "conditions", conditions },
        { "packed flags", packed_flags },
#if defined(__x86_64__)
        { "flags, against the host", host_flags },
#endif
        { 0 },
    };

    factor = random_init();
    return unit_run("IR meanings: integers and flags", cases);
}
