/*
 * What the IR's operations mean, in C: the functions that the rows of core/ir/ops.def name.
 *
 * The constant folder and the reference interpreter are made of these; a code generator is right if
 * it does the same. Integers come zero-extended and W is their width in bits; results may have any
 * bits above W, the caller cuts them off. Vectors of 64 bits come zero-extended, W is the vector's
 * width and es the lane's size, log2 of bytes; results are zero above W. Floats are bit patterns; f80
 * is a pb_u128 of significand, and sign with exponent.
 *
 * Nothing here reads or writes anything but its operands and, for floating point, the environment.
 * Attributes in the range that ops.def gives them are assumed.
 */
#ifndef PATCHBAY_IR_SEM_H
#define PATCHBAY_IR_SEM_H

#include <patchbay/fp.h>
#include <patchbay/ir.h>

__extension__ typedef unsigned __int128 ir_uint128;
__extension__ typedef __int128 ir_int128;

/* ---- integers ------------------------------------------------------------------------------------ */

/* The low n bits set, n 0 to 64. */
static inline uint64_t ir_sem_mask(uint32_t n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* Bit W - 1. */
static inline uint64_t ir_sem_sign(uint32_t W)
{
    return UINT64_C(1) << (W - 1);
}

/* The low n bits as a signed number, n 1 to 64. */
static inline int64_t ir_sem_sx(uint64_t a, uint32_t n)
{
    return (int64_t)(a << (64 - n)) >> (64 - n);
}

static inline uint64_t ir_sem_mulhu(uint64_t a, uint64_t b, uint32_t W)
{
    return (uint64_t)(((ir_uint128)a * b) >> W);
}

static inline uint64_t ir_sem_mulhs(uint64_t a, uint64_t b, uint32_t W)
{
    return (uint64_t)(((ir_int128)ir_sem_sx(a, W) * ir_sem_sx(b, W)) >> W);
}

static inline uint64_t ir_sem_divs(uint64_t a, uint64_t b, uint32_t W)
{
    int64_t x = ir_sem_sx(a, W), y = ir_sem_sx(b, W);

    if (y == 0)
        return 0;
    return y == -1 ? 0 - a : (uint64_t)(x / y);
}

static inline uint64_t ir_sem_rems(uint64_t a, uint64_t b, uint32_t W)
{
    int64_t x = ir_sem_sx(a, W), y = ir_sem_sx(b, W);

    if (y == 0)
        return a;
    return y == -1 ? 0 : (uint64_t)(x % y);
}

static inline uint64_t ir_sem_ror(uint64_t a, uint64_t b, uint32_t W)
{
    uint32_t n = b & (W - 1);

    return n ? (a >> n) | (a << (W - n)) : a;
}

static inline uint64_t ir_sem_bswap(uint64_t a, uint32_t W)
{
    return __builtin_bswap64(a) >> (64 - W);
}

static inline uint64_t ir_sem_bitrev(uint64_t a, uint32_t W)
{
    a = (a & 0x5555555555555555) << 1 | (a >> 1 & 0x5555555555555555);
    a = (a & 0x3333333333333333) << 2 | (a >> 2 & 0x3333333333333333);
    a = (a & 0x0f0f0f0f0f0f0f0f) << 4 | (a >> 4 & 0x0f0f0f0f0f0f0f0f);
    return ir_sem_bswap(a, 64) >> (64 - W);
}

static inline uint64_t ir_sem_clz(uint64_t a, uint32_t W)
{
    return a ? (uint64_t)__builtin_clzll(a) - (64 - W) : W;
}

static inline uint64_t ir_sem_ctz(uint64_t a, uint32_t W)
{
    return a ? (uint64_t)__builtin_ctzll(a) : W;
}

static inline pb_u128 ir_sem_pair(uint64_t low, uint64_t high)
{
    return (pb_u128){ low, high };
}

/* CRC over the low n bytes of b, bit-reflected, without inversions at start and end. */
static inline uint64_t ir_sem_crc(uint64_t crc, uint64_t b, uint32_t n, uint32_t reflected)
{
    for (uint32_t i = 0; i < n; i++) {
        crc ^= b >> (8 * i) & 0xff;
        for (uint32_t bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? reflected : 0);
    }
    return crc;
}

static inline uint64_t ir_sem_crc32(uint64_t crc, uint64_t b, uint32_t n)
{
    return ir_sem_crc(crc, b, n, 0xedb88320);
}

static inline uint64_t ir_sem_crc32c(uint64_t crc, uint64_t b, uint32_t n)
{
    return ir_sem_crc(crc, b, n, 0x82f63b78);
}

/* ---- flags bundles --------------------------------------------------------------------------------- */

#define IR_SEM_FL(name) (UINT64_C(1) << IR_FLAG_##name)

static inline uint64_t ir_sem_flbit(uint64_t fl, uint32_t n)
{
    return fl >> n & 1;
}

static inline uint64_t ir_sem_fl(uint64_t n, uint64_t z, uint64_t c, uint64_t v)
{
    return n << IR_FLAG_N | z << IR_FLAG_Z | c << IR_FLAG_C | v << IR_FLAG_V;
}

/* N, Z and P of a result of W bits. */
static inline uint64_t ir_sem_nzp(uint64_t r, uint32_t W)
{
    uint64_t even = !__builtin_parity((unsigned)(r & 0xff));

    return (r >> (W - 1) & 1) << IR_FLAG_N | (uint64_t)(r == 0) << IR_FLAG_Z | even << IR_FLAG_P;
}

static inline uint64_t ir_sem_add_fl(uint64_t a, uint64_t b, uint64_t carry, uint32_t W,
                                     uint64_t *fl)
{
    ir_uint128 sum = (ir_uint128)a + b + carry;
    uint64_t r = (uint64_t)sum & ir_sem_mask(W);
    uint64_t v = ((a ^ r) & (b ^ r)) >> (W - 1) & 1;

    *fl = ir_sem_nzp(r, W) | (uint64_t)(sum >> W & 1) << IR_FLAG_C | v << IR_FLAG_V |
          ((a ^ b ^ r) >> 4 & 1) << IR_FLAG_A;
    return r;
}

static inline uint64_t ir_sem_sub_fl(uint64_t a, uint64_t b, uint64_t carry, uint32_t W,
                                     uint64_t *fl)
{
    return ir_sem_add_fl(a, ~b & ir_sem_mask(W), carry, W, fl);
}

static inline uint64_t ir_sem_logic_fl(uint64_t r, uint32_t W, uint64_t *fl)
{
    *fl = ir_sem_nzp(r & ir_sem_mask(W), W);
    return r;
}

static inline uint64_t ir_sem_shl_fl(uint64_t a, uint64_t b, uint32_t W, uint64_t *fl)
{
    uint32_t n = b & (W - 1);
    uint64_t r = a << n & ir_sem_mask(W);
    uint64_t c = n ? a >> (W - n) & 1 : 0;
    uint64_t v = n ? c ^ (r >> (W - 1)) : 0;

    *fl = ir_sem_nzp(r, W) | c << IR_FLAG_C | v << IR_FLAG_V;
    return r;
}

static inline uint64_t ir_sem_shr_fl(uint64_t a, uint64_t b, uint32_t W, uint64_t *fl)
{
    uint32_t n = b & (W - 1);
    uint64_t c = n ? a >> (n - 1) & 1 : 0;
    uint64_t v = n ? a >> (W - 1) : 0;

    *fl = ir_sem_nzp(a >> n, W) | c << IR_FLAG_C | v << IR_FLAG_V;
    return a >> n;
}

static inline uint64_t ir_sem_sar_fl(uint64_t a, uint64_t b, uint32_t W, uint64_t *fl)
{
    uint32_t n = b & (W - 1);
    uint64_t r = (uint64_t)(ir_sem_sx(a, W) >> n) & ir_sem_mask(W);
    uint64_t c = n ? a >> (n - 1) & 1 : 0;

    *fl = ir_sem_nzp(r, W) | c << IR_FLAG_C;
    return r;
}

/* a, with the flags of mask n (IR_FLM_*, V at bit 1) from b. */
static inline uint64_t ir_sem_fl_merge(uint64_t a, uint64_t b, uint32_t n)
{
    uint64_t mask = (n & 0xd5) << 8 | (n & IR_FLM_V ? IR_SEM_FL(V) : 0);

    return (a & ~mask) | (b & mask);
}

/* Whether a condition (ir_cc) holds. */
static inline bool ir_sem_cc(uint64_t fl, uint32_t cc)
{
    bool n = ir_sem_flbit(fl, IR_FLAG_N), z = ir_sem_flbit(fl, IR_FLAG_Z);
    bool c = ir_sem_flbit(fl, IR_FLAG_C), v = ir_sem_flbit(fl, IR_FLAG_V);
    bool holds = false;

    switch (cc >> 1) {
    case IR_EQ >> 1:
        holds = z;
        break;
    case IR_CS >> 1:
        holds = c;
        break;
    case IR_MI >> 1:
        holds = n;
        break;
    case IR_VS >> 1:
        holds = v;
        break;
    case IR_HI >> 1:
        holds = c && !z;
        break;
    case IR_GE >> 1:
        holds = n == v;
        break;
    case IR_GT >> 1:
        holds = !z && n == v;
        break;
    default:
        holds = ir_sem_flbit(fl, IR_FLAG_P);
    }
    return holds != (cc & 1);
}

static inline uint64_t ir_sem_pack_nzcv(uint64_t fl)
{
    return ir_sem_flbit(fl, IR_FLAG_N) << 31 | ir_sem_flbit(fl, IR_FLAG_Z) << 30 |
           ir_sem_flbit(fl, IR_FLAG_C) << 29 | ir_sem_flbit(fl, IR_FLAG_V) << 28;
}

static inline uint64_t ir_sem_unpack_nzcv(uint64_t a)
{
    return ir_sem_fl(a >> 31 & 1, a >> 30 & 1, a >> 29 & 1, a >> 28 & 1);
}

static inline uint64_t ir_sem_pack_eflags(uint64_t fl)
{
    return (fl >> 8 & 0xd5) | ir_sem_flbit(fl, IR_FLAG_V) << 11;
}

static inline uint64_t ir_sem_unpack_eflags(uint64_t a)
{
    return (a & 0xd5) << 8 | (a >> 11 & 1);
}

static inline uint64_t ir_sem_pack_cr(uint64_t fl, uint32_t n)
{
    return (uint64_t)ir_sem_cc(fl, n ? IR_CC : IR_LT) << 3 |
           (uint64_t)ir_sem_cc(fl, n ? IR_HI : IR_GT) << 2 | (uint64_t)ir_sem_cc(fl, IR_EQ) << 1;
}

/* ---- lanes ----------------------------------------------------------------------------------------- */

/* Bits of a lane. */
static inline uint32_t ir_sem_lane_bits(uint32_t es)
{
    return 8u << es;
}

static inline uint32_t ir_sem_lanes(uint32_t es, uint32_t W)
{
    return W >> (es + 3);
}

/* Lane n, zero-extended. */
static inline uint64_t ir_sem_v_lane(pb_u128 a, uint32_t es, uint32_t n)
{
    uint32_t at = n << (es + 3);

    return (at < 64 ? a.lo : a.hi) >> (at & 63) & ir_sem_mask(ir_sem_lane_bits(es));
}

static inline int64_t ir_sem_v_slane(pb_u128 a, uint32_t es, uint32_t n)
{
    return ir_sem_sx(ir_sem_v_lane(a, es, n), ir_sem_lane_bits(es));
}

static inline pb_u128 ir_sem_v_setlane(pb_u128 a, uint64_t b, uint32_t es, uint32_t n)
{
    uint32_t at = n << (es + 3);
    uint64_t mask = ir_sem_mask(ir_sem_lane_bits(es)) << (at & 63);
    uint64_t *half = at < 64 ? &a.lo : &a.hi;

    *half = (*half & ~mask) | (b << (at & 63) & mask);
    return a;
}

static inline pb_u128 ir_sem_v_zero(void)
{
    return (pb_u128){ 0, 0 };
}

static inline pb_u128 ir_sem_v_from(uint64_t a)
{
    return (pb_u128){ a, 0 };
}

/* The low W bits. */
static inline pb_u128 ir_sem_v_cut(pb_u128 a, uint32_t W)
{
    return (pb_u128){ a.lo, W > 64 ? a.hi : 0 };
}

static inline pb_u128 ir_sem_v_dup(uint64_t a, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, a, es, i);
    return r;
}

static inline pb_u128 ir_sem_v_half(pb_u128 a, uint32_t n)
{
    return (pb_u128){ n ? a.hi : a.lo, 0 };
}

static inline pb_u128 ir_sem_v_join(pb_u128 a, pb_u128 b)
{
    return (pb_u128){ a.lo, b.lo };
}

/* Apply a function of zero-extended lanes and their width to every lane. */
static inline pb_u128 ir_sem_map(pb_u128 a, uint32_t es, uint32_t W,
                                 uint64_t (*fn)(uint64_t x, uint32_t bits))
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, fn(ir_sem_v_lane(a, es, i), ir_sem_lane_bits(es)), es, i);
    return r;
}

/* The same with a number from the operation's attributes. */
static inline pb_u128 ir_sem_map_n(pb_u128 a, uint32_t n, uint32_t es, uint32_t W,
                                   uint64_t (*fn)(uint64_t x, uint32_t n, uint32_t bits))
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, fn(ir_sem_v_lane(a, es, i), n, ir_sem_lane_bits(es)), es, i);
    return r;
}

/* The same for two operands. */
static inline pb_u128 ir_sem_map2(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W,
                                  uint64_t (*fn)(uint64_t x, uint64_t y, uint32_t bits))
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        uint64_t x = ir_sem_v_lane(a, es, i), y = ir_sem_v_lane(b, es, i);

        r = ir_sem_v_setlane(r, fn(x, y, ir_sem_lane_bits(es)), es, i);
    }
    return r;
}

/* The same for functions that saturate; *sat: whether a lane did. */
static inline pb_u128 ir_sem_map2_sat(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat,
                                      uint64_t (*fn)(uint64_t x, uint64_t y, uint32_t bits,
                                                     uint64_t *sat))
{
    pb_u128 r = ir_sem_v_zero();

    *sat = 0;
    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        uint64_t x = ir_sem_v_lane(a, es, i), y = ir_sem_v_lane(b, es, i);

        r = ir_sem_v_setlane(r, fn(x, y, ir_sem_lane_bits(es), sat), es, i);
    }
    return r;
}

/* ---- vectors: bits, sums, comparisons -------------------------------------------------------------- */

static inline pb_u128 ir_sem_v_and(pb_u128 a, pb_u128 b)
{
    return (pb_u128){ a.lo & b.lo, a.hi & b.hi };
}

static inline pb_u128 ir_sem_v_or(pb_u128 a, pb_u128 b)
{
    return (pb_u128){ a.lo | b.lo, a.hi | b.hi };
}

static inline pb_u128 ir_sem_v_xor(pb_u128 a, pb_u128 b)
{
    return (pb_u128){ a.lo ^ b.lo, a.hi ^ b.hi };
}

static inline pb_u128 ir_sem_v_andn(pb_u128 a, pb_u128 b)
{
    return (pb_u128){ a.lo & ~b.lo, a.hi & ~b.hi };
}

static inline pb_u128 ir_sem_v_orn(pb_u128 a, pb_u128 b, uint32_t W)
{
    return ir_sem_v_cut((pb_u128){ a.lo | ~b.lo, a.hi | ~b.hi }, W);
}

static inline pb_u128 ir_sem_v_not(pb_u128 a, uint32_t W)
{
    return ir_sem_v_cut((pb_u128){ ~a.lo, ~a.hi }, W);
}

static inline pb_u128 ir_sem_v_bsl(pb_u128 a, pb_u128 b, pb_u128 c)
{
    return ir_sem_v_or(ir_sem_v_and(a, b), ir_sem_v_andn(c, a));
}

static inline uint64_t ir_sem_lane_add(uint64_t x, uint64_t y, uint32_t bits)
{
    return x + y;
}

static inline pb_u128 ir_sem_v_add(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_add);
}

static inline uint64_t ir_sem_lane_sub(uint64_t x, uint64_t y, uint32_t bits)
{
    return x - y;
}

static inline pb_u128 ir_sem_v_sub(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_sub);
}

static inline uint64_t ir_sem_lane_mul(uint64_t x, uint64_t y, uint32_t bits)
{
    return x * y;
}

static inline pb_u128 ir_sem_v_mul(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_mul);
}

static inline uint64_t ir_sem_lane_neg(uint64_t x, uint32_t bits)
{
    return 0 - x;
}

static inline pb_u128 ir_sem_v_neg(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_lane_neg);
}

static inline uint64_t ir_sem_lane_abs(uint64_t x, uint32_t bits)
{
    return x & ir_sem_sign(bits) ? 0 - x : x;
}

static inline pb_u128 ir_sem_v_abs(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_lane_abs);
}

static inline uint64_t ir_sem_lane_minu(uint64_t x, uint64_t y, uint32_t bits)
{
    return x < y ? x : y;
}

static inline pb_u128 ir_sem_v_minu(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_minu);
}

static inline uint64_t ir_sem_lane_maxu(uint64_t x, uint64_t y, uint32_t bits)
{
    return x > y ? x : y;
}

static inline pb_u128 ir_sem_v_maxu(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_maxu);
}

static inline uint64_t ir_sem_lane_mins(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_sx(x, bits) < ir_sem_sx(y, bits) ? x : y;
}

static inline pb_u128 ir_sem_v_mins(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_mins);
}

static inline uint64_t ir_sem_lane_maxs(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_sx(x, bits) > ir_sem_sx(y, bits) ? x : y;
}

static inline pb_u128 ir_sem_v_maxs(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_maxs);
}

/* A lane of all ones or zeros. */
static inline uint64_t ir_sem_lane_bool(bool yes)
{
    return yes ? UINT64_MAX : 0;
}

static inline uint64_t ir_sem_lane_cmeq(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(x == y);
}

static inline pb_u128 ir_sem_v_cmeq(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_cmeq);
}

static inline uint64_t ir_sem_lane_cmgts(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(ir_sem_sx(x, bits) > ir_sem_sx(y, bits));
}

static inline pb_u128 ir_sem_v_cmgts(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_cmgts);
}

static inline uint64_t ir_sem_lane_cmges(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(ir_sem_sx(x, bits) >= ir_sem_sx(y, bits));
}

static inline pb_u128 ir_sem_v_cmges(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_cmges);
}

static inline uint64_t ir_sem_lane_cmgtu(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(x > y);
}

static inline pb_u128 ir_sem_v_cmgtu(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_cmgtu);
}

static inline uint64_t ir_sem_lane_cmgeu(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(x >= y);
}

static inline pb_u128 ir_sem_v_cmgeu(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_cmgeu);
}

/* (x + y + n) >> 1 and (x - y) >> 1, with all bits of the sum. */
static inline pb_u128 ir_sem_v_uhadd(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        ir_uint128 sum = (ir_uint128)ir_sem_v_lane(a, es, i) + ir_sem_v_lane(b, es, i) + n;

        r = ir_sem_v_setlane(r, (uint64_t)(sum >> 1), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_shadd(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        ir_int128 sum = (ir_int128)ir_sem_v_slane(a, es, i) + ir_sem_v_slane(b, es, i) + n;

        r = ir_sem_v_setlane(r, (uint64_t)(sum >> 1), es, i);
    }
    return r;
}

static inline uint64_t ir_sem_lane_uhsub(uint64_t x, uint64_t y, uint32_t bits)
{
    return (uint64_t)(((ir_int128)x - y) >> 1);
}

static inline pb_u128 ir_sem_v_uhsub(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_uhsub);
}

static inline uint64_t ir_sem_lane_shsub(uint64_t x, uint64_t y, uint32_t bits)
{
    return (uint64_t)(((ir_int128)ir_sem_sx(x, bits) - ir_sem_sx(y, bits)) >> 1);
}

static inline pb_u128 ir_sem_v_shsub(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_shsub);
}

static inline uint64_t ir_sem_lane_uabd(uint64_t x, uint64_t y, uint32_t bits)
{
    return x > y ? x - y : y - x;
}

static inline pb_u128 ir_sem_v_uabd(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_uabd);
}

static inline uint64_t ir_sem_lane_sabd(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_sx(x, bits) > ir_sem_sx(y, bits) ? x - y : y - x;
}

static inline pb_u128 ir_sem_v_sabd(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_sabd);
}

static inline uint64_t ir_sem_lane_popcnt(uint64_t x, uint32_t bits)
{
    return (uint64_t)__builtin_popcountll(x);
}

static inline pb_u128 ir_sem_v_popcnt(pb_u128 a)
{
    return ir_sem_map(a, 0, 128, ir_sem_lane_popcnt);
}

static inline pb_u128 ir_sem_v_clz(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_clz);
}

static inline uint64_t ir_sem_lane_cls(uint64_t x, uint32_t bits)
{
    uint64_t flipped = (x & ir_sem_sign(bits) ? ~x : x) & ir_sem_mask(bits);

    return ir_sem_clz(flipped, bits) - 1;
}

static inline pb_u128 ir_sem_v_cls(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_lane_cls);
}

static inline pb_u128 ir_sem_v_bitrev(pb_u128 a)
{
    return ir_sem_map(a, 0, 128, ir_sem_bitrev);
}

/* ---- vectors: saturation --------------------------------------------------------------------------- */

/* x, or the nearest end of the unsigned range. */
static inline uint64_t ir_sem_satu(ir_int128 x, uint32_t bits, uint64_t *sat)
{
    if (x < 0) {
        *sat = 1;
        return 0;
    }
    if (x > (ir_int128)ir_sem_mask(bits)) {
        *sat = 1;
        return ir_sem_mask(bits);
    }
    return (uint64_t)x;
}

/* x, or the nearest end of the signed range. */
static inline uint64_t ir_sem_sats(ir_int128 x, uint32_t bits, uint64_t *sat)
{
    ir_int128 top = (ir_int128)ir_sem_mask(bits - 1);

    if (x > top || x < -top - 1) {
        *sat = 1;
        return x > top ? (uint64_t)top : ir_sem_sign(bits);
    }
    return (uint64_t)x;
}

static inline uint64_t ir_sem_lane_uqadd(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_satu((ir_int128)x + y, bits, sat);
}

static inline pb_u128 ir_sem_v_uqadd(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_uqadd);
}

static inline uint64_t ir_sem_lane_sqadd(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_sats((ir_int128)ir_sem_sx(x, bits) + ir_sem_sx(y, bits), bits, sat);
}

static inline pb_u128 ir_sem_v_sqadd(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_sqadd);
}

static inline uint64_t ir_sem_lane_uqsub(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_satu((ir_int128)x - y, bits, sat);
}

static inline pb_u128 ir_sem_v_uqsub(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_uqsub);
}

static inline uint64_t ir_sem_lane_sqsub(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_sats((ir_int128)ir_sem_sx(x, bits) - ir_sem_sx(y, bits), bits, sat);
}

static inline pb_u128 ir_sem_v_sqsub(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_sqsub);
}

/* High half of twice the product; rounded if n. */
static inline pb_u128 ir_sem_v_sqdmulh(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W,
                                       uint64_t *sat)
{
    uint32_t bits = ir_sem_lane_bits(es);
    ir_int128 round = n ? (ir_int128)1 << (bits - 1) : 0;
    pb_u128 r = ir_sem_v_zero();

    *sat = 0;
    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        ir_int128 twice = (ir_int128)ir_sem_v_slane(a, es, i) * ir_sem_v_slane(b, es, i) * 2;

        r = ir_sem_v_setlane(r, ir_sem_sats((twice + round) >> bits, bits, sat), es, i);
    }
    return r;
}

/* ---- vectors: shifts ------------------------------------------------------------------------------- */

/* x * 2^n, rounded down, or to nearest with ties up; exact in 128 bits for lanes up to 64 bits and n
 * between -128 and 63. */
static inline ir_int128 ir_sem_scale(ir_int128 x, int32_t n, bool round)
{
    if (n >= 0)
        return x * ((ir_int128)1 << n);
    if (n <= -66) /* |x| < 2^64: even rounding leaves zero, or the sign */
        return round || x >= 0 ? 0 : -1;
    return (x + (round ? (ir_int128)1 << (-n - 1) : 0)) >> -n;
}

/* The count of a shift by vector: the signed low byte. Left counts are cut to a lane's width, which
 * shifts out (or saturates) everything already. */
static inline int32_t ir_sem_count(uint64_t y, uint32_t bits)
{
    int32_t n = (int8_t)y;

    return n > (int32_t)bits ? (int32_t)bits : n;
}

/* x shifted left by the count n, at most the lane's width. */
static inline uint64_t ir_sem_lane_shift(ir_int128 x, int32_t n, bool round, uint32_t bits)
{
    return n >= (int32_t)bits ? 0 : (uint64_t)ir_sem_scale(x, n, round);
}

static inline uint64_t ir_sem_lane_shl(uint64_t x, uint32_t n, uint32_t bits)
{
    return ir_sem_lane_shift((ir_int128)x, (int32_t)n, false, bits);
}

static inline pb_u128 ir_sem_v_shl(pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_map_n(a, n, es, W, ir_sem_lane_shl);
}

static inline uint64_t ir_sem_lane_shr(uint64_t x, uint32_t n, uint32_t bits)
{
    return ir_sem_lane_shift((ir_int128)x, -(int32_t)n, false, bits);
}

static inline pb_u128 ir_sem_v_shr(pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_map_n(a, n, es, W, ir_sem_lane_shr);
}

static inline uint64_t ir_sem_lane_sar(uint64_t x, uint32_t n, uint32_t bits)
{
    return ir_sem_lane_shift(ir_sem_sx(x, bits), -(int32_t)n, false, bits);
}

static inline pb_u128 ir_sem_v_sar(pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_map_n(a, n, es, W, ir_sem_lane_sar);
}

static inline uint64_t ir_sem_lane_rshru(uint64_t x, uint32_t n, uint32_t bits)
{
    return ir_sem_lane_shift((ir_int128)x, -(int32_t)n, true, bits);
}

static inline pb_u128 ir_sem_v_rshru(pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_map_n(a, n, es, W, ir_sem_lane_rshru);
}

static inline uint64_t ir_sem_lane_rshrs(uint64_t x, uint32_t n, uint32_t bits)
{
    return ir_sem_lane_shift(ir_sem_sx(x, bits), -(int32_t)n, true, bits);
}

static inline pb_u128 ir_sem_v_rshrs(pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_map_n(a, n, es, W, ir_sem_lane_rshrs);
}

static inline uint64_t ir_sem_lane_ushl(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_shift((ir_int128)x, ir_sem_count(y, bits), false, bits);
}

static inline pb_u128 ir_sem_v_ushl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_ushl);
}

static inline uint64_t ir_sem_lane_sshl(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_shift(ir_sem_sx(x, bits), ir_sem_count(y, bits), false, bits);
}

static inline pb_u128 ir_sem_v_sshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_sshl);
}

static inline uint64_t ir_sem_lane_urshl(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_shift((ir_int128)x, ir_sem_count(y, bits), true, bits);
}

static inline pb_u128 ir_sem_v_urshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_urshl);
}

static inline uint64_t ir_sem_lane_srshl(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_shift(ir_sem_sx(x, bits), ir_sem_count(y, bits), true, bits);
}

static inline pb_u128 ir_sem_v_srshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_map2(a, b, es, W, ir_sem_lane_srshl);
}

static inline uint64_t ir_sem_lane_uqshl(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    int32_t n = ir_sem_count(y, bits);

    if (n >= (int32_t)bits) {
        *sat |= x != 0;
        return x ? ir_sem_mask(bits) : 0;
    }
    if (n > 0 && x >> (bits - (uint32_t)n)) {
        *sat = 1;
        return ir_sem_mask(bits);
    }
    return (uint64_t)ir_sem_scale((ir_int128)x, n, false);
}

static inline pb_u128 ir_sem_v_uqshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_uqshl);
}

static inline uint64_t ir_sem_lane_sqshl_by(uint64_t x, int32_t n, bool round, uint32_t bits,
                                            uint64_t *sat)
{
    int64_t value = ir_sem_sx(x, bits);

    if (n >= (int32_t)bits) {
        *sat |= value != 0;
        if (value == 0)
            return 0;
        return value > 0 ? ir_sem_mask(bits - 1) : ir_sem_sign(bits);
    }
    return ir_sem_sats(ir_sem_scale(value, n, round), bits, sat);
}

static inline uint64_t ir_sem_lane_sqshl(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_lane_sqshl_by(x, ir_sem_count(y, bits), false, bits, sat);
}

static inline pb_u128 ir_sem_v_sqshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_sqshl);
}

static inline uint64_t ir_sem_lane_uqrshl(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    int32_t n = ir_sem_count(y, bits);

    if (n >= 0)
        return ir_sem_lane_uqshl(x, y, bits, sat);
    return (uint64_t)ir_sem_scale((ir_int128)x, n, true);
}

static inline pb_u128 ir_sem_v_uqrshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_uqrshl);
}

static inline uint64_t ir_sem_lane_sqrshl(uint64_t x, uint64_t y, uint32_t bits, uint64_t *sat)
{
    return ir_sem_lane_sqshl_by(x, ir_sem_count(y, bits), true, bits, sat);
}

static inline pb_u128 ir_sem_v_sqrshl(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W, uint64_t *sat)
{
    return ir_sem_map2_sat(a, b, es, W, sat, ir_sem_lane_sqrshl);
}

/* ---- vectors: widening and narrowing; es is the narrow lane's size ----------------------------------- */

static inline pb_u128 ir_sem_v_widenu(pb_u128 a, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, i), es + 1, i);
    return r;
}

static inline pb_u128 ir_sem_v_widens(pb_u128 a, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, (uint64_t)ir_sem_v_slane(a, es, i), es + 1, i);
    return r;
}

static inline pb_u128 ir_sem_v_narrow(pb_u128 a, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es + 1, i), es, i);
    return r;
}

static inline pb_u128 ir_sem_v_uqxtn(pb_u128 a, uint32_t es, uint64_t *sat)
{
    pb_u128 r = ir_sem_v_zero();

    *sat = 0;
    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++) {
        ir_int128 x = (ir_int128)ir_sem_v_lane(a, es + 1, i);

        r = ir_sem_v_setlane(r, ir_sem_satu(x, ir_sem_lane_bits(es), sat), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_sqxtn(pb_u128 a, uint32_t es, uint64_t *sat)
{
    pb_u128 r = ir_sem_v_zero();

    *sat = 0;
    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++) {
        ir_int128 x = ir_sem_v_slane(a, es + 1, i);

        r = ir_sem_v_setlane(r, ir_sem_sats(x, ir_sem_lane_bits(es), sat), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_sqxtun(pb_u128 a, uint32_t es, uint64_t *sat)
{
    pb_u128 r = ir_sem_v_zero();

    *sat = 0;
    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++) {
        ir_int128 x = ir_sem_v_slane(a, es + 1, i);

        r = ir_sem_v_setlane(r, ir_sem_satu(x, ir_sem_lane_bits(es), sat), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_umull(pb_u128 a, pb_u128 b, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, i) * ir_sem_v_lane(b, es, i), es + 1, i);
    return r;
}

static inline pb_u128 ir_sem_v_smull(pb_u128 a, pb_u128 b, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++) {
        int64_t product = ir_sem_v_slane(a, es, i) * ir_sem_v_slane(b, es, i);

        r = ir_sem_v_setlane(r, (uint64_t)product, es + 1, i);
    }
    return r;
}

/* Carry-less product. */
static inline pb_u128 ir_sem_clmul(uint64_t x, uint64_t y)
{
    ir_uint128 r = 0;

    for (uint32_t i = 0; i < 64; i++)
        if (y >> i & 1)
            r ^= (ir_uint128)x << i;
    return (pb_u128){ (uint64_t)r, (uint64_t)(r >> 64) };
}

static inline pb_u128 ir_sem_v_pmull(pb_u128 a, pb_u128 b, uint32_t es)
{
    pb_u128 r = ir_sem_v_zero();

    if (es == 3)
        return ir_sem_clmul(a.lo, b.lo);
    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++) {
        pb_u128 product = ir_sem_clmul(ir_sem_v_lane(a, es, i), ir_sem_v_lane(b, es, i));

        r = ir_sem_v_setlane(r, product.lo, es + 1, i);
    }
    return r;
}

static inline uint64_t ir_sem_lane_pmul(uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_clmul(x, y).lo;
}

static inline pb_u128 ir_sem_v_pmul(pb_u128 a, pb_u128 b, uint32_t W)
{
    return ir_sem_map2(a, b, 0, W, ir_sem_lane_pmul);
}

/* ---- vectors: permutation and reduction -------------------------------------------------------------- */

static inline pb_u128 ir_sem_v_zip(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W)
{
    uint32_t half = ir_sem_lanes(es, W) / 2;
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < half; i++) {
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, n * half + i), es, 2 * i);
        r = ir_sem_v_setlane(r, ir_sem_v_lane(b, es, n * half + i), es, 2 * i + 1);
    }
    return r;
}

static inline pb_u128 ir_sem_v_uzp(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W)
{
    uint32_t half = ir_sem_lanes(es, W) / 2;
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < half; i++) {
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, 2 * i + n), es, i);
        r = ir_sem_v_setlane(r, ir_sem_v_lane(b, es, 2 * i + n), es, half + i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_trn(pb_u128 a, pb_u128 b, uint32_t n, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i += 2) {
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, i + n), es, i);
        r = ir_sem_v_setlane(r, ir_sem_v_lane(b, es, i + n), es, i + 1);
    }
    return r;
}

static inline pb_u128 ir_sem_v_ext(pb_u128 a, pb_u128 b, uint32_t n, uint32_t W)
{
    uint32_t bytes = W / 8;
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t from = n + i;
        uint64_t byte =
            from < bytes ? ir_sem_v_lane(a, 0, from) : ir_sem_v_lane(b, 0, from - bytes);

        r = ir_sem_v_setlane(r, byte, 0, i);
    }
    return r;
}

/* Reverse the lanes within groups of 1 << n bytes. Both halves; a short vector's upper half is zero. */
static inline pb_u128 ir_sem_v_rev(pb_u128 a, uint32_t n, uint32_t es)
{
    uint32_t flip = (1u << (n - es)) - 1;
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 128); i++)
        r = ir_sem_v_setlane(r, ir_sem_v_lane(a, es, i), es, i ^ flip);
    return r;
}

static inline pb_u128 ir_sem_v_tbl(pb_u128 a, pb_u128 b, pb_u128 c, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < W / 8; i++) {
        uint64_t index = ir_sem_v_lane(b, 0, i);
        uint64_t byte = index < 16 ? ir_sem_v_lane(a, 0, (uint32_t)index) : ir_sem_v_lane(c, 0, i);

        r = ir_sem_v_setlane(r, byte, 0, i);
    }
    return r;
}

/* Apply a function to adjacent pairs of b:a. */
static inline pb_u128 ir_sem_pairs(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W,
                                   uint64_t (*fn)(uint64_t x, uint64_t y, uint32_t bits))
{
    return ir_sem_map2(ir_sem_v_uzp(a, b, 0, es, W), ir_sem_v_uzp(a, b, 1, es, W), es, W, fn);
}

static inline pb_u128 ir_sem_v_addp(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_pairs(a, b, es, W, ir_sem_lane_add);
}

static inline pb_u128 ir_sem_v_umaxp(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_pairs(a, b, es, W, ir_sem_lane_maxu);
}

static inline pb_u128 ir_sem_v_smaxp(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_pairs(a, b, es, W, ir_sem_lane_maxs);
}

static inline pb_u128 ir_sem_v_uminp(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_pairs(a, b, es, W, ir_sem_lane_minu);
}

static inline pb_u128 ir_sem_v_sminp(pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_pairs(a, b, es, W, ir_sem_lane_mins);
}

static inline pb_u128 ir_sem_v_uaddlp(pb_u128 a, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es + 1, W); i++) {
        uint64_t sum = ir_sem_v_lane(a, es, 2 * i) + ir_sem_v_lane(a, es, 2 * i + 1);

        r = ir_sem_v_setlane(r, sum, es + 1, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_saddlp(pb_u128 a, uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es + 1, W); i++) {
        int64_t sum = ir_sem_v_slane(a, es, 2 * i) + ir_sem_v_slane(a, es, 2 * i + 1);

        r = ir_sem_v_setlane(r, (uint64_t)sum, es + 1, i);
    }
    return r;
}

/* Combine all lanes; the result is zero-extended from the lane's size. */
static inline uint64_t ir_sem_reduce(pb_u128 a, uint32_t es, uint32_t W,
                                     uint64_t (*fn)(uint64_t x, uint64_t y, uint32_t bits))
{
    uint64_t r = ir_sem_v_lane(a, es, 0);

    for (uint32_t i = 1; i < ir_sem_lanes(es, W); i++)
        r = fn(r, ir_sem_v_lane(a, es, i), ir_sem_lane_bits(es));
    return r & ir_sem_mask(ir_sem_lane_bits(es));
}

static inline uint64_t ir_sem_v_addv(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_reduce(a, es, W, ir_sem_lane_add);
}

static inline uint64_t ir_sem_v_umaxv(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_reduce(a, es, W, ir_sem_lane_maxu);
}

static inline uint64_t ir_sem_v_smaxv(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_reduce(a, es, W, ir_sem_lane_maxs);
}

static inline uint64_t ir_sem_v_uminv(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_reduce(a, es, W, ir_sem_lane_minu);
}

static inline uint64_t ir_sem_v_sminv(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_reduce(a, es, W, ir_sem_lane_mins);
}

/* ---- AES: FIPS 197. The state's byte n is lane n. ------------------------------------------------------ */

/* Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static inline uint32_t ir_sem_gf_mul(uint32_t x, uint32_t y)
{
    uint32_t r = 0;

    for (; y; y >>= 1) {
        if (y & 1)
            r ^= x;
        x = x << 1 ^ (x & 0x80 ? 0x11b : 0);
    }
    return r;
}

/* x^254: the inverse, and 0 of 0. */
static inline uint32_t ir_sem_gf_inverse(uint32_t x)
{
    uint32_t r = 1, power = x;

    for (uint32_t i = 0; i < 7; i++) {
        power = ir_sem_gf_mul(power, power);
        r = ir_sem_gf_mul(r, power);
    }
    return r;
}

/* x rotated left by n in 8 bits. */
static inline uint32_t ir_sem_rol8(uint32_t x, uint32_t n)
{
    return (x << n | x >> (8 - n)) & 0xff;
}

/* FIPS 197 section 5.1.1, equation 5.1, and its inverse. */
static inline uint32_t ir_sem_aes_sbox(uint32_t x)
{
    uint32_t i = ir_sem_gf_inverse(x);

    return i ^ ir_sem_rol8(i, 1) ^ ir_sem_rol8(i, 2) ^ ir_sem_rol8(i, 3) ^ ir_sem_rol8(i, 4) ^ 0x63;
}

static inline uint32_t ir_sem_aes_inverse_sbox(uint32_t x)
{
    return ir_sem_gf_inverse(ir_sem_rol8(x, 1) ^ ir_sem_rol8(x, 3) ^ ir_sem_rol8(x, 6) ^ 0x05);
}

static inline pb_u128 ir_sem_aese(pb_u128 a)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < 16; i++) {
        uint32_t from = (i + 4 * (i & 3)) & 15; /* ShiftRows: row i mod 4, column i / 4 */

        r = ir_sem_v_setlane(r, ir_sem_aes_sbox((uint32_t)ir_sem_v_lane(a, 0, from)), 0, i);
    }
    return r;
}

static inline pb_u128 ir_sem_aesd(pb_u128 a)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < 16; i++) {
        uint32_t from = (i - 4 * (i & 3)) & 15;

        r = ir_sem_v_setlane(r, ir_sem_aes_inverse_sbox((uint32_t)ir_sem_v_lane(a, 0, from)), 0, i);
    }
    return r;
}

/* Multiply every column by the circulant matrix with the first row m0 m1 m2 m3. */
static inline pb_u128 ir_sem_aes_mix(pb_u128 a, uint32_t m0, uint32_t m1, uint32_t m2, uint32_t m3)
{
    const uint32_t m[4] = { m0, m1, m2, m3 };
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < 16; i++) {
        uint32_t sum = 0;

        for (uint32_t k = 0; k < 4; k++) {
            uint32_t x = (uint32_t)ir_sem_v_lane(a, 0, (i & 12) + ((i + k) & 3));

            sum ^= ir_sem_gf_mul(x, m[k]);
        }
        r = ir_sem_v_setlane(r, sum, 0, i);
    }
    return r;
}

static inline pb_u128 ir_sem_aesmc(pb_u128 a)
{
    return ir_sem_aes_mix(a, 2, 3, 1, 1);
}

static inline pb_u128 ir_sem_aesimc(pb_u128 a)
{
    return ir_sem_aes_mix(a, 14, 11, 13, 9);
}

/* ---- hashes ---------------------------------------------------------------------------------------- */

/* FIPS 180-4, sections 4.1 and 6: SHA-1 and SHA-256. */

static inline uint32_t ir_sem_word(pb_u128 v, uint32_t i)
{
    return (uint32_t)ir_sem_v_lane(v, 2, i);
}

static inline pb_u128 ir_sem_words(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    return (pb_u128){ w0 | (uint64_t)w1 << 32, w2 | (uint64_t)w3 << 32 };
}

static inline uint32_t ir_sem_rotr32(uint32_t x, uint32_t n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t ir_sem_hash_choose(uint32_t x, uint32_t y, uint32_t z)
{
    return ((y ^ z) & x) ^ z;
}

static inline uint32_t ir_sem_hash_majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | ((x | y) & z);
}

static inline pb_u128 ir_sem_sha1(pb_u128 hash, pb_u128 e, pb_u128 schedule, uint32_t n)
{
    uint32_t y = ir_sem_word(e, 0);

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t a = ir_sem_word(hash, 0), b = ir_sem_word(hash, 1), c = ir_sem_word(hash, 2);
        uint32_t d = ir_sem_word(hash, 3);
        uint32_t mixed = n == 0   ? ir_sem_hash_choose(b, c, d)
                         : n == 1 ? b ^ c ^ d
                                  : ir_sem_hash_majority(b, c, d);
        uint32_t first = y + ir_sem_rotr32(a, 27) + mixed + ir_sem_word(schedule, i);

        y = d;
        hash = ir_sem_words(first, a, ir_sem_rotr32(b, 2), c);
    }
    return hash;
}

/* Four rounds on the words a to d (x) and e to h (y). */
static inline void ir_sem_sha256_rounds(pb_u128 *x, pb_u128 *y, pb_u128 schedule)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t a = ir_sem_word(*x, 0), e = ir_sem_word(*y, 0);
        uint32_t sum_0 = ir_sem_rotr32(a, 2) ^ ir_sem_rotr32(a, 13) ^ ir_sem_rotr32(a, 22);
        uint32_t sum_1 = ir_sem_rotr32(e, 6) ^ ir_sem_rotr32(e, 11) ^ ir_sem_rotr32(e, 25);
        uint32_t t = ir_sem_word(*y, 3) + sum_1 +
                     ir_sem_hash_choose(e, ir_sem_word(*y, 1), ir_sem_word(*y, 2)) +
                     ir_sem_word(schedule, i);
        uint32_t d = ir_sem_word(*x, 3);

        *x = ir_sem_words(t + sum_0 +
                              ir_sem_hash_majority(a, ir_sem_word(*x, 1), ir_sem_word(*x, 2)),
                          a, ir_sem_word(*x, 1), ir_sem_word(*x, 2));
        *y = ir_sem_words(d + t, e, ir_sem_word(*y, 1), ir_sem_word(*y, 2));
    }
}

static inline pb_u128 ir_sem_sha256h(pb_u128 abcd, pb_u128 efgh, pb_u128 schedule)
{
    ir_sem_sha256_rounds(&abcd, &efgh, schedule);
    return abcd;
}

static inline pb_u128 ir_sem_sha256h2(pb_u128 efgh, pb_u128 abcd, pb_u128 schedule)
{
    ir_sem_sha256_rounds(&abcd, &efgh, schedule);
    return efgh;
}

static inline pb_u128 ir_sem_sha256su0(pb_u128 a, pb_u128 b)
{
    uint32_t w[5] = { ir_sem_word(a, 0), ir_sem_word(a, 1), ir_sem_word(a, 2), ir_sem_word(a, 3),
                      ir_sem_word(b, 0) };

    for (uint32_t i = 0; i < 4; i++)
        w[i] += ir_sem_rotr32(w[i + 1], 7) ^ ir_sem_rotr32(w[i + 1], 18) ^ w[i + 1] >> 3;
    return ir_sem_words(w[0], w[1], w[2], w[3]);
}

static inline pb_u128 ir_sem_sha256su1(pb_u128 a, pb_u128 b)
{
    uint32_t w[6] = { ir_sem_word(b, 2), ir_sem_word(b, 3), ir_sem_word(a, 0),
                      ir_sem_word(a, 1), ir_sem_word(a, 2), ir_sem_word(a, 3) };

    for (uint32_t i = 0; i < 4; i++)
        w[i + 2] += ir_sem_rotr32(w[i], 17) ^ ir_sem_rotr32(w[i], 19) ^ w[i] >> 10;
    return ir_sem_words(w[2], w[3], w[4], w[5]);
}

/* ---- floating point: scalars ------------------------------------------------------------------------ */

/* What floating-point operations get: the functions, and the environment with the operation's rounding
 * mode in env->round. */
typedef struct ir_fp {
    const pb_fp_ops *ops;
    pb_fp_env *env;
} ir_fp;

static inline pb_f80 ir_sem_to_f80(pb_u128 a)
{
    return (pb_f80){ .mant = a.lo, .se = (uint16_t)a.hi };
}

static inline pb_u128 ir_sem_of_f80(pb_f80 a)
{
    return (pb_u128){ a.mant, a.se };
}

static inline uint64_t ir_sem_fadd(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_add((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_add((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_add(a, b, fp->env);
}

static inline pb_u128 ir_sem_fadd_80(const ir_fp *fp, pb_u128 a, pb_u128 b)
{
    return ir_sem_of_f80(fp->ops->f80_add(ir_sem_to_f80(a), ir_sem_to_f80(b), fp->env));
}

static inline uint64_t ir_sem_fsub(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_sub((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_sub((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_sub(a, b, fp->env);
}

static inline pb_u128 ir_sem_fsub_80(const ir_fp *fp, pb_u128 a, pb_u128 b)
{
    return ir_sem_of_f80(fp->ops->f80_sub(ir_sem_to_f80(a), ir_sem_to_f80(b), fp->env));
}

static inline uint64_t ir_sem_fmul(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_mul((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_mul((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_mul(a, b, fp->env);
}

static inline pb_u128 ir_sem_fmul_80(const ir_fp *fp, pb_u128 a, pb_u128 b)
{
    return ir_sem_of_f80(fp->ops->f80_mul(ir_sem_to_f80(a), ir_sem_to_f80(b), fp->env));
}

static inline uint64_t ir_sem_fdiv(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_div((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_div((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_div(a, b, fp->env);
}

static inline pb_u128 ir_sem_fdiv_80(const ir_fp *fp, pb_u128 a, pb_u128 b)
{
    return ir_sem_of_f80(fp->ops->f80_div(ir_sem_to_f80(a), ir_sem_to_f80(b), fp->env));
}

static inline uint64_t ir_sem_fsqrt(const ir_fp *fp, uint64_t a, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_sqrt((uint16_t)a, fp->env);
    if (W == 32)
        return fp->ops->f32_sqrt((uint32_t)a, fp->env);
    return fp->ops->f64_sqrt(a, fp->env);
}

static inline pb_u128 ir_sem_fsqrt_80(const ir_fp *fp, pb_u128 a)
{
    return ir_sem_of_f80(fp->ops->f80_sqrt(ir_sem_to_f80(a), fp->env));
}

static inline uint64_t ir_sem_fma(const ir_fp *fp, uint64_t a, uint64_t b, uint64_t c, uint32_t neg,
                                  uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_fma((uint16_t)a, (uint16_t)b, (uint16_t)c, neg, fp->env);
    if (W == 32)
        return fp->ops->f32_fma((uint32_t)a, (uint32_t)b, (uint32_t)c, neg, fp->env);
    return fp->ops->f64_fma(a, b, c, neg, fp->env);
}

static inline uint64_t ir_sem_fmin(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_min((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_min((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_min(a, b, fp->env);
}

static inline uint64_t ir_sem_fmax(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_max((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_max((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_max(a, b, fp->env);
}

static inline uint64_t ir_sem_fminnm(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_minnum((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_minnum((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_minnum(a, b, fp->env);
}

static inline uint64_t ir_sem_fmaxnm(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_maxnum((uint16_t)a, (uint16_t)b, fp->env);
    if (W == 32)
        return fp->ops->f32_maxnum((uint32_t)a, (uint32_t)b, fp->env);
    return fp->ops->f64_maxnum(a, b, fp->env);
}

static inline pb_u128 ir_sem_fneg_80(pb_u128 a)
{
    return (pb_u128){ a.lo, a.hi ^ 0x8000 };
}

static inline pb_u128 ir_sem_fabs_80(pb_u128 a)
{
    return (pb_u128){ a.lo, a.hi & 0x7fff };
}

/* PB_FP_LESS ... PB_FP_UNORDERED; signalling: quiet NaNs are invalid too. */
static inline int ir_sem_compare(const ir_fp *fp, uint64_t a, uint64_t b, bool signalling,
                                 uint32_t W)
{
    const pb_fp_ops *ops = fp->ops;

    if (W == 16)
        return (signalling ? ops->f16_compare_signalling : ops->f16_compare)((uint16_t)a,
                                                                             (uint16_t)b, fp->env);
    if (W == 32)
        return (signalling ? ops->f32_compare_signalling : ops->f32_compare)((uint32_t)a,
                                                                             (uint32_t)b, fp->env);
    return (signalling ? ops->f64_compare_signalling : ops->f64_compare)(a, b, fp->env);
}

/* The bundle of a comparison's outcome. */
static inline uint64_t ir_sem_compare_fl(int outcome)
{
    switch (outcome) {
    case PB_FP_LESS:
        return IR_SEM_FL(N);
    case PB_FP_EQUAL:
        return IR_SEM_FL(Z) | IR_SEM_FL(C);
    case PB_FP_GREATER:
        return IR_SEM_FL(C);
    default:
        return IR_SEM_FL(C) | IR_SEM_FL(V) | IR_SEM_FL(P);
    }
}

static inline uint64_t ir_sem_fcmp(const ir_fp *fp, uint64_t a, uint64_t b, uint32_t n, uint32_t W)
{
    return ir_sem_compare_fl(ir_sem_compare(fp, a, b, n, W));
}

static inline uint64_t ir_sem_fcmp_80(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t n)
{
    pb_f80 x = ir_sem_to_f80(a), y = ir_sem_to_f80(b);

    return ir_sem_compare_fl(n ? fp->ops->f80_compare_signalling(x, y, fp->env)
                               : fp->ops->f80_compare(x, y, fp->env));
}

/* From a format of WA bits to one of W. */
static inline uint64_t ir_sem_fcvt(const ir_fp *fp, uint64_t a, uint32_t WA, uint32_t W)
{
    const pb_fp_ops *ops = fp->ops;

    switch (WA << 8 | W) {
    case 16 << 8 | 32:
        return ops->f16_to_f32((uint16_t)a, fp->env);
    case 16 << 8 | 64:
        return ops->f16_to_f64((uint16_t)a, fp->env);
    case 32 << 8 | 16:
        return ops->f32_to_f16((uint32_t)a, fp->env);
    case 32 << 8 | 64:
        return ops->f32_to_f64((uint32_t)a, fp->env);
    case 64 << 8 | 16:
        return ops->f64_to_f16(a, fp->env);
    case 64 << 8 | 32:
        return ops->f64_to_f32(a, fp->env);
    default: /* to the same format */
        return a;
    }
}

static inline uint64_t ir_sem_fcvt_from_80(const ir_fp *fp, pb_u128 a, uint32_t W)
{
    pb_f80 x = ir_sem_to_f80(a);

    if (W == 16)
        return fp->ops->f80_to_f16(x, fp->env);
    if (W == 32)
        return fp->ops->f80_to_f32(x, fp->env);
    return fp->ops->f80_to_f64(x, fp->env);
}

static inline pb_u128 ir_sem_fcvt_to_80(const ir_fp *fp, uint64_t a, uint32_t W)
{
    if (W == 16)
        return ir_sem_of_f80(fp->ops->f16_to_f80((uint16_t)a, fp->env));
    if (W == 32)
        return ir_sem_of_f80(fp->ops->f32_to_f80((uint32_t)a, fp->env));
    return ir_sem_of_f80(fp->ops->f64_to_f80(a, fp->env));
}

/* Float of WA bits to an integer of W bits with n fraction bits. */
static inline uint64_t ir_sem_ftos(const ir_fp *fp, uint64_t a, uint32_t n, uint32_t WA, uint32_t W)
{
    if (WA == 16)
        return (uint64_t)fp->ops->f16_to_int((uint16_t)a, W, n, fp->env->round, fp->env);
    if (WA == 32)
        return (uint64_t)fp->ops->f32_to_int((uint32_t)a, W, n, fp->env->round, fp->env);
    return (uint64_t)fp->ops->f64_to_int(a, W, n, fp->env->round, fp->env);
}

static inline uint64_t ir_sem_ftos_80(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t W)
{
    return (uint64_t)fp->ops->f80_to_int(ir_sem_to_f80(a), W, n, fp->env->round, fp->env);
}

static inline uint64_t ir_sem_ftou(const ir_fp *fp, uint64_t a, uint32_t n, uint32_t WA, uint32_t W)
{
    if (WA == 16)
        return fp->ops->f16_to_uint((uint16_t)a, W, n, fp->env->round, fp->env);
    if (WA == 32)
        return fp->ops->f32_to_uint((uint32_t)a, W, n, fp->env->round, fp->env);
    return fp->ops->f64_to_uint(a, W, n, fp->env->round, fp->env);
}

static inline uint64_t ir_sem_ftou_80(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t W)
{
    return fp->ops->f80_to_uint(ir_sem_to_f80(a), W, n, fp->env->round, fp->env);
}

/* Integer of WA bits with n fraction bits to a float of W bits. */
static inline uint64_t ir_sem_stof(const ir_fp *fp, uint64_t a, uint32_t n, uint32_t WA, uint32_t W)
{
    int64_t value = ir_sem_sx(a, WA);

    if (W == 16)
        return fp->ops->f16_from_int(value, n, fp->env);
    if (W == 32)
        return fp->ops->f32_from_int(value, n, fp->env);
    return fp->ops->f64_from_int(value, n, fp->env);
}

static inline pb_u128 ir_sem_stof_80(const ir_fp *fp, uint64_t a, uint32_t WA)
{
    return ir_sem_of_f80(fp->ops->f80_from_int(ir_sem_sx(a, WA), 0, fp->env));
}

static inline uint64_t ir_sem_utof(const ir_fp *fp, uint64_t a, uint32_t n, uint32_t WA, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_from_uint(a, n, fp->env);
    if (W == 32)
        return fp->ops->f32_from_uint(a, n, fp->env);
    return fp->ops->f64_from_uint(a, n, fp->env);
}

static inline uint64_t ir_sem_frint(const ir_fp *fp, uint64_t a, uint32_t n, uint32_t W)
{
    if (W == 16)
        return fp->ops->f16_round_int((uint16_t)a, fp->env->round, n, fp->env);
    if (W == 32)
        return fp->ops->f32_round_int((uint32_t)a, fp->env->round, n, fp->env);
    return fp->ops->f64_round_int(a, fp->env->round, n, fp->env);
}

static inline pb_u128 ir_sem_frint_80(const ir_fp *fp, pb_u128 a, uint32_t n)
{
    return ir_sem_of_f80(fp->ops->f80_round_int(ir_sem_to_f80(a), fp->env->round, n, fp->env));
}

/* ---- floating point: lanes ---------------------------------------------------------------------------- */

/* Apply a scalar operation to every lane, lane 0 first. */
static inline pb_u128 ir_sem_fmap(const ir_fp *fp, pb_u128 a, uint32_t es, uint32_t W,
                                  uint64_t (*fn)(const ir_fp *fp, uint64_t x, uint32_t bits))
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, fn(fp, ir_sem_v_lane(a, es, i), ir_sem_lane_bits(es)), es, i);
    return r;
}

static inline pb_u128 ir_sem_fmap2(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W,
                                   uint64_t (*fn)(const ir_fp *fp, uint64_t x, uint64_t y,
                                                  uint32_t bits))
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        uint64_t x = ir_sem_v_lane(a, es, i), y = ir_sem_v_lane(b, es, i);

        r = ir_sem_v_setlane(r, fn(fp, x, y, ir_sem_lane_bits(es)), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_fmap_n(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es, uint32_t W,
                                    uint64_t (*fn)(const ir_fp *fp, uint64_t x, uint32_t n,
                                                   uint32_t from, uint32_t to))
{
    uint32_t bits = ir_sem_lane_bits(es);
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, fn(fp, ir_sem_v_lane(a, es, i), n, bits, bits), es, i);
    return r;
}

static inline pb_u128 ir_sem_v_fadd(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fadd);
}

static inline pb_u128 ir_sem_v_fsub(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fsub);
}

static inline pb_u128 ir_sem_v_fmul(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fmul);
}

static inline pb_u128 ir_sem_v_fdiv(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fdiv);
}

static inline pb_u128 ir_sem_v_fsqrt(const ir_fp *fp, pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_fmap(fp, a, es, W, ir_sem_fsqrt);
}

static inline pb_u128 ir_sem_v_fma(const ir_fp *fp, pb_u128 a, pb_u128 b, pb_u128 c, uint32_t neg,
                                   uint32_t es, uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++) {
        uint64_t x = ir_sem_v_lane(a, es, i), y = ir_sem_v_lane(b, es, i);
        uint64_t z = ir_sem_v_lane(c, es, i);

        r = ir_sem_v_setlane(r, ir_sem_fma(fp, x, y, z, neg, ir_sem_lane_bits(es)), es, i);
    }
    return r;
}

static inline pb_u128 ir_sem_v_fmin(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fmin);
}

static inline pb_u128 ir_sem_v_fmax(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fmax);
}

static inline pb_u128 ir_sem_v_fminnm(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es,
                                      uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fminnm);
}

static inline pb_u128 ir_sem_v_fmaxnm(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es,
                                      uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_fmaxnm);
}

static inline uint64_t ir_sem_lane_fneg(uint64_t x, uint32_t bits)
{
    return x ^ ir_sem_sign(bits);
}

static inline pb_u128 ir_sem_v_fneg(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_lane_fneg);
}

static inline uint64_t ir_sem_lane_fabs(uint64_t x, uint32_t bits)
{
    return x & ~ir_sem_sign(bits);
}

static inline pb_u128 ir_sem_v_fabs(pb_u128 a, uint32_t es, uint32_t W)
{
    return ir_sem_map(a, es, W, ir_sem_lane_fabs);
}

static inline uint64_t ir_sem_lane_fcmeq(const ir_fp *fp, uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(ir_sem_compare(fp, x, y, false, bits) == PB_FP_EQUAL);
}

static inline pb_u128 ir_sem_v_fcmeq(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_lane_fcmeq);
}

static inline uint64_t ir_sem_lane_fcmge(const ir_fp *fp, uint64_t x, uint64_t y, uint32_t bits)
{
    int outcome = ir_sem_compare(fp, x, y, true, bits);

    return ir_sem_lane_bool(outcome == PB_FP_EQUAL || outcome == PB_FP_GREATER);
}

static inline pb_u128 ir_sem_v_fcmge(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_lane_fcmge);
}

static inline uint64_t ir_sem_lane_fcmgt(const ir_fp *fp, uint64_t x, uint64_t y, uint32_t bits)
{
    return ir_sem_lane_bool(ir_sem_compare(fp, x, y, true, bits) == PB_FP_GREATER);
}

static inline pb_u128 ir_sem_v_fcmgt(const ir_fp *fp, pb_u128 a, pb_u128 b, uint32_t es, uint32_t W)
{
    return ir_sem_fmap2(fp, a, b, es, W, ir_sem_lane_fcmgt);
}

static inline pb_u128 ir_sem_v_ftos(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_fmap_n(fp, a, n, es, W, ir_sem_ftos);
}

static inline pb_u128 ir_sem_v_ftou(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_fmap_n(fp, a, n, es, W, ir_sem_ftou);
}

static inline pb_u128 ir_sem_v_stof(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_fmap_n(fp, a, n, es, W, ir_sem_stof);
}

static inline pb_u128 ir_sem_v_utof(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es, uint32_t W)
{
    return ir_sem_fmap_n(fp, a, n, es, W, ir_sem_utof);
}

static inline pb_u128 ir_sem_v_frint(const ir_fp *fp, pb_u128 a, uint32_t n, uint32_t es,
                                     uint32_t W)
{
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, W); i++)
        r = ir_sem_v_setlane(r, ir_sem_frint(fp, ir_sem_v_lane(a, es, i), n, ir_sem_lane_bits(es)),
                             es, i);
    return r;
}

static inline pb_u128 ir_sem_v_fcvtl(const ir_fp *fp, pb_u128 a, uint32_t es)
{
    uint32_t bits = ir_sem_lane_bits(es);
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, ir_sem_fcvt(fp, ir_sem_v_lane(a, es, i), bits, 2 * bits), es + 1,
                             i);
    return r;
}

static inline pb_u128 ir_sem_v_fcvtn(const ir_fp *fp, pb_u128 a, uint32_t es)
{
    uint32_t bits = ir_sem_lane_bits(es);
    pb_u128 r = ir_sem_v_zero();

    for (uint32_t i = 0; i < ir_sem_lanes(es, 64); i++)
        r = ir_sem_v_setlane(r, ir_sem_fcvt(fp, ir_sem_v_lane(a, es + 1, i), 2 * bits, bits), es,
                             i);
    return r;
}

#endif
