/*
 * The encoder: x86-64 instructions into a buffer.
 *
 * An instruction form is one word: opcode byte, map, mandatory prefix, W, VEX. Operands are register numbers
 * (0 to 15; an XMM register's number without its class bit) and memory operands. Nothing is checked
 * but room: when the buffer is full, `full` is set and writing goes on at its start, so that emitters need not look;
 * the result is dropped then.
 *
 * Manual: Intel SDM volume 2, chapter 2 "Instruction Format".
 */
#ifndef CODEGEN_X86_64_ASM_H
#define CODEGEN_X86_64_ASM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
};

/* Instruction forms. */
enum {
    ASM_0F = 0x100, /* opcode maps */
    ASM_38 = 0x200,
    ASM_3A = 0x300,
    ASM_MAP = 0x300,
    ASM_66 = 0x400, /* mandatory prefixes */
    ASM_F3 = 0x800,
    ASM_F2 = 0xc00,
    ASM_PREFIX = 0xc00,
    ASM_W = 0x1000,        /* REX.W, VEX.W */
    ASM_VEX = 0x2000,      /* VEX encoding, 128 bits or scalar */
    ASM_L = 0x4000,        /* 256 bits */
    ASM_BYTE = 0x8000,     /* byte registers: SPL to DIL instead of AH to BH */
    ASM_BYTE_RM = 0x10000, /* the same, only the r/m operand is one */
};

/* The ALU operations of opcodes 00 to 3F, by their number. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
/* Shifts of groups C0, C1, D2, D3. */
enum { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAR = 7 };
/* Group F6, F7. */
enum { GROUP3_TEST, GROUP3_NOT = 2, GROUP3_NEG, GROUP3_MUL, GROUP3_IMUL, GROUP3_DIV, GROUP3_IDIV };

/* Conditions of jcc, setcc, cmovcc; bit 0 negates. */
enum {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
};

/* Operand widths: log2 of bytes. */
enum { W8, W16, W32, W64 };

typedef struct asm_buffer {
    uint8_t *start, *p, *end;
    bool full;
} asm_buffer;

#define ASM_NO_REG (-1)
#define ASM_RIP    (-2) /* as a base: disp is from the end of the instruction */

/* [base + index << scale + disp]; index, or base, ASM_NO_REG: none. */
typedef struct asm_mem {
    int8_t base, index;
    uint8_t scale;
    int32_t disp;
} asm_mem;

static inline asm_mem asm_at(int base, int32_t disp)
{
    return (asm_mem){ .base = (int8_t)base, .index = ASM_NO_REG, .disp = disp };
}

static inline asm_mem asm_index(int base, int index, uint32_t scale, int32_t disp)
{
    return (asm_mem){ (int8_t)base, (int8_t)index, (uint8_t)scale, disp };
}

/* ---- bytes ------------------------------------------------------------------------------------------- */

/* The longest that is emitted between two looks. */
enum { ASM_MOST = 32 };

static inline void asm_room(asm_buffer *a)
{
    if (__builtin_expect((uintptr_t)a->p + ASM_MOST > (uintptr_t)a->end, 0)) {
        a->full = true;
        a->p = a->start;
    }
}

static inline uint32_t asm_offset(const asm_buffer *a)
{
    return (uint32_t)(a->p - a->start);
}

static inline void asm_8(asm_buffer *a, uint32_t byte)
{
    *a->p++ = (uint8_t)byte;
}

static inline void asm_32(asm_buffer *a, uint32_t word)
{
    memcpy(a->p, &word, 4);
    a->p += 4;
}

static inline void asm_64(asm_buffer *a, uint64_t word)
{
    memcpy(a->p, &word, 8);
    a->p += 8;
}

/* ---- instructions ------------------------------------------------------------------------------------ */

/* Bytes through a pointer of its own: one in the buffer would be stored and loaded again for each byte, for bytes may
 * alias anything. */
static inline uint8_t *asm_put_32(uint8_t *p, uint32_t word)
{
    memcpy(p, &word, 4);
    return p + 4;
}

/* Prefixes and opcode at p; where they end. reg, index, base: numbers whose bit 3 goes into REX or VEX; v: the second
 * source of VEX. */
static inline uint8_t *asm_put_opcode(uint8_t *p, uint32_t op, int reg, int index, int base, int v)
{
    uint32_t r = reg >> 3 & 1, x = index >> 3 & 1, b = base >> 3 & 1, w = (op & ASM_W) != 0;
    uint32_t prefix = (op & ASM_PREFIX) >> 10, map = (op & ASM_MAP) >> 8;

    if (op & ASM_VEX) {
        uint32_t l = (op & ASM_L) != 0;

        if (map == 1 && !x && !b && !w) {
            *p++ = 0xc5;
            *p++ = (uint8_t)((!r) << 7 | (~(uint32_t)v & 15) << 3 | l << 2 | prefix);
        } else {
            *p++ = 0xc4;
            *p++ = (uint8_t)((!r) << 7 | (!x) << 6 | (!b) << 5 | map);
            *p++ = (uint8_t)(w << 7 | (~(uint32_t)v & 15) << 3 | l << 2 | prefix);
        }
        *p++ = (uint8_t)op;
        return p;
    }
    if (prefix)
        *p++ = (uint8_t)(0xf2f36600u >> 8 * prefix);
    if (r | x | b | w || (op & ASM_BYTE && (reg >= 4 || base >= 4)) ||
        (op & ASM_BYTE_RM && base >= 4))
        *p++ = (uint8_t)(0x40 | w << 3 | r << 2 | x << 1 | b);
    if (map)
        *p++ = 0x0f;
    if (map > 1)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (uint8_t)op;
    return p;
}

static inline void asm_opcode(asm_buffer *a, uint32_t op, int reg, int index, int base, int v)
{
    asm_room(a);
    a->p = asm_put_opcode(a->p, op, reg, index, base, v);
}

/* op reg, rm: registers. v: see asm_put_opcode. */
static inline void asm_vrr(asm_buffer *a, uint32_t op, int reg, int v, int rm)
{
    uint8_t *p;

    asm_room(a);
    p = asm_put_opcode(a->p, op, reg, 0, rm, v);
    *p++ = (uint8_t)(0xc0u | ((uint32_t)reg & 7) << 3 | ((uint32_t)rm & 7));
    a->p = p;
}

static inline void asm_rr(asm_buffer *a, uint32_t op, int reg, int rm)
{
    asm_vrr(a, op, reg, 0, rm);
}

/* ModRM, SIB and displacement. r: the register, in its place. */
static inline uint8_t *asm_put_memory(uint8_t *p, uint32_t r, asm_mem m)
{
    uint32_t base = (uint32_t)m.base & 7, index = m.index >= 0 ? (uint32_t)m.index & 7 : RSP, mod;

    if (m.base == ASM_RIP) {
        *p++ = (uint8_t)(r | 5);
        return asm_put_32(p, (uint32_t)m.disp);
    }
    if (m.base == ASM_NO_REG) {
        *p++ = (uint8_t)(r | 4);
        *p++ = (uint8_t)((uint32_t)m.scale << 6 | ((uint32_t)m.index & 7) << 3 | 5);
        return asm_put_32(p, (uint32_t)m.disp);
    }
    mod = m.disp == 0 && base != RBP ? 0 : m.disp == (int8_t)m.disp ? 1 : 2;
    if (m.index >= 0 || base == RSP) {
        *p++ = (uint8_t)(mod << 6 | r | 4);
        *p++ = (uint8_t)((uint32_t)m.scale << 6 | index << 3 | base);
    } else {
        *p++ = (uint8_t)(mod << 6 | r | base);
    }
    if (mod == 2)
        return asm_put_32(p, (uint32_t)m.disp);
    *p = (uint8_t)m.disp;
    return p + mod; /* 0 or 1 bytes of it count */
}

/* op reg, [memory]. The base of a byte form is no byte register. */
static inline void asm_vrm(asm_buffer *a, uint32_t op, int reg, int v, asm_mem m)
{
    int base = m.base < 0 ? 0 : m.base, index = m.index < 0 ? 0 : m.index;
    bool byte = (op & ASM_BYTE) && reg >= 4;
    uint8_t *p;

    asm_room(a);
    op &= ~(uint32_t)(ASM_BYTE | ASM_BYTE_RM);
    p = asm_put_opcode(a->p, op | (byte ? ASM_BYTE : 0), reg, index, base, v);
    a->p = asm_put_memory(p, ((uint32_t)reg & 7) << 3, m);
}

static inline void asm_rm(asm_buffer *a, uint32_t op, int reg, asm_mem m)
{
    asm_vrm(a, op, reg, 0, m);
}

/* The form of an integer opcode (its word form, which has bit 0 set) for a width. */
static inline uint32_t asm_wide(uint32_t op, uint32_t w)
{
    return w == W8 ? (op & ~1u) | ASM_BYTE : w == W16 ? op | ASM_66 : w == W64 ? op | ASM_W : op;
}

/* ---- integers ---------------------------------------------------------------------------------------- */

/* 32 bits: clears the upper half. */
static inline void asm_mov(asm_buffer *a, uint32_t w, int d, int s)
{
    asm_rr(a, asm_wide(0x8b, w < W32 ? W32 : w), d, s);
}

/* A constant, by the shortest form that leaves the flags alone. */
static inline void asm_mov_imm(asm_buffer *a, int d, uint64_t value)
{
    if (value <= UINT32_MAX) {
        asm_opcode(a, 0xb8u | ((uint32_t)d & 7), 0, 0, d, 0);
        asm_32(a, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        asm_rr(a, 0xc7 | ASM_W, 0, d);
        asm_32(a, (uint32_t)value);
    } else {
        asm_opcode(a, 0xb8u | ((uint32_t)d & 7) | ASM_W, 0, 0, d, 0);
        asm_64(a, value);
    }
}

static inline void asm_load(asm_buffer *a, uint32_t w, int d, asm_mem m) /* zero-extending */
{
    static const uint32_t op[] = { 0xb6 | ASM_0F, 0xb7 | ASM_0F, 0x8b, 0x8b | ASM_W };

    asm_rm(a, op[w], d, m);
}

static inline void asm_load_signed(asm_buffer *a, uint32_t w, bool to_64, int d, asm_mem m)
{
    static const uint32_t op[] = { 0xbe | ASM_0F, 0xbf | ASM_0F, 0x63, 0x8b };

    if (w == W32 && !to_64)
        asm_rm(a, 0x8b, d, m);
    else
        asm_rm(a, op[w] | (to_64 ? ASM_W : 0), d, m);
}

static inline void asm_store(asm_buffer *a, uint32_t w, asm_mem m, int s)
{
    asm_rm(a, asm_wide(0x89, w), s, m);
}

/* A constant of at most 32 bits, sign-extended for 64. */
static inline void asm_store_imm(asm_buffer *a, uint32_t w, asm_mem m, uint32_t value)
{
    asm_rm(a, w == W8 ? 0xc6 : asm_wide(0xc7, w), 0, m);
    if (w == W8)
        asm_8(a, value);
    else if (w == W16)
        asm_8(a, value), asm_8(a, value >> 8);
    else
        asm_32(a, value);
}

static inline void asm_lea(asm_buffer *a, uint32_t w, int d, asm_mem m)
{
    asm_rm(a, w == W64 ? 0x8d | ASM_W : 0x8d, d, m);
}

static inline void asm_movzx(asm_buffer *a, uint32_t w, int d, int s)
{
    if (w >= W32)
        asm_mov(a, w, d, s);
    else
        asm_rr(a, w == W8 ? 0xb6 | ASM_0F | ASM_BYTE_RM : 0xb7 | ASM_0F, d, s);
}

static inline void asm_movsx(asm_buffer *a, uint32_t w, bool to_64, int d, int s)
{
    uint32_t op = w == W8    ? 0xbe | ASM_0F | ASM_BYTE_RM
                  : w == W16 ? 0xbf | ASM_0F
                  : to_64    ? 0x63
                             : 0x8b;

    asm_rr(a, op | (to_64 ? ASM_W : 0), d, s);
}

static inline void asm_alu(asm_buffer *a, uint32_t alu, uint32_t w, int d, int s)
{
    asm_rr(a, asm_wide(alu << 3 | 3, w), d, s);
}

static inline void asm_alu_load(asm_buffer *a, uint32_t alu, uint32_t w, int d, asm_mem m)
{
    asm_rm(a, asm_wide(alu << 3 | 3, w), d, m);
}

static inline void asm_alu_store(asm_buffer *a, uint32_t alu, uint32_t w, asm_mem m, int s)
{
    asm_rm(a, asm_wide(alu << 3 | 1, w), s, m);
}

static inline void asm_imm_of(asm_buffer *a, uint32_t w, bool byte, int32_t imm)
{
    if (byte || w == W8)
        asm_8(a, (uint32_t)imm);
    else if (w == W16)
        asm_8(a, (uint32_t)imm), asm_8(a, (uint32_t)imm >> 8);
    else
        asm_32(a, (uint32_t)imm);
}

static inline void asm_alu_imm(asm_buffer *a, uint32_t alu, uint32_t w, int d, int32_t imm)
{
    bool byte = imm == (int8_t)imm;

    asm_rr(a, (w == W8 ? 0x80 | ASM_BYTE_RM : asm_wide(byte ? 0x83 : 0x81, w)), (int)alu, d);
    asm_imm_of(a, w, byte, imm);
}

static inline void asm_alu_mem_imm(asm_buffer *a, uint32_t alu, uint32_t w, asm_mem m, int32_t imm)
{
    bool byte = imm == (int8_t)imm;

    asm_rm(a, w == W8 ? 0x80 : asm_wide(byte ? 0x83 : 0x81, w), (int)alu, m);
    asm_imm_of(a, w, byte, imm);
}

static inline void asm_test(asm_buffer *a, uint32_t w, int x, int y)
{
    asm_rr(a, asm_wide(0x85, w), x, y);
}

static inline void asm_test_imm(asm_buffer *a, uint32_t w, int x, int32_t imm)
{
    asm_rr(a, w == W8 ? 0xf6 | ASM_BYTE_RM : asm_wide(0xf7, w), 0, x);
    asm_imm_of(a, w, false, imm);
}

static inline void asm_test_mem(asm_buffer *a, uint32_t w, asm_mem m, int r)
{
    asm_rm(a, asm_wide(0x85, w), r, m);
}

static inline void asm_test_mem_imm(asm_buffer *a, uint32_t w, asm_mem m, int32_t imm)
{
    asm_rm(a, w == W8 ? 0xf6 : asm_wide(0xf7, w), 0, m);
    asm_imm_of(a, w, false, imm);
}

static inline void asm_group3(asm_buffer *a, uint32_t n, uint32_t w, int r)
{
    asm_rr(a, w == W8 ? 0xf6 | ASM_BYTE_RM : asm_wide(0xf7, w), (int)n, r);
}

static inline void asm_shift_imm(asm_buffer *a, uint32_t n, uint32_t w, int r, uint32_t count)
{
    asm_rr(a, w == W8 ? 0xc0 | ASM_BYTE_RM : asm_wide(0xc1, w), (int)n, r);
    asm_8(a, count);
}

static inline void asm_shift_cl(asm_buffer *a, uint32_t n, uint32_t w, int r)
{
    asm_rr(a, w == W8 ? 0xd2 | ASM_BYTE_RM : asm_wide(0xd3, w), (int)n, r);
}

/* SHLX, SHRX, SARX by SHIFT_*; RORX. Flags stay. */
static inline void asm_shiftx(asm_buffer *a, uint32_t n, uint32_t w, int d, int s, int count)
{
    uint32_t prefix = n == SHIFT_SHL ? ASM_66 : n == SHIFT_SHR ? ASM_F2 : ASM_F3;

    asm_vrr(a, 0xf7 | ASM_38 | ASM_VEX | prefix | (w == W64 ? ASM_W : 0), d, count, s);
}

/* The product of rdx and s, its high and low half; into one register: the high one. Flags stay. */
static inline void asm_mulx(asm_buffer *a, uint32_t w, int high, int low, int s)
{
    asm_vrr(a, 0xf6 | ASM_38 | ASM_VEX | ASM_F2 | (w == W64 ? ASM_W : 0), high, low, s);
}

static inline void asm_rorx(asm_buffer *a, uint32_t w, int d, int s, uint32_t count)
{
    asm_vrr(a, 0xf0 | ASM_3A | ASM_VEX | ASM_F2 | (w == W64 ? ASM_W : 0), d, 0, s);
    asm_8(a, count);
}

static inline void asm_bextr(asm_buffer *a, int d, int s, int control)
{
    asm_vrr(a, 0xf7 | ASM_38 | ASM_VEX | ASM_W, d, control, s);
}

/* The bits of s that the mask names, side by side. */
static inline void asm_pext(asm_buffer *a, uint32_t w, int d, int s, int mask)
{
    asm_vrr(a, 0xf5 | ASM_38 | ASM_VEX | ASM_F3 | (w == W64 ? ASM_W : 0), d, s, mask);
}

static inline void asm_andn(asm_buffer *a, uint32_t w, int d, int inverted, int s)
{
    asm_vrr(a, 0xf2 | ASM_38 | ASM_VEX | (w == W64 ? ASM_W : 0), d, inverted, s);
}

static inline void asm_imul(asm_buffer *a, uint32_t w, int d, int s)
{
    asm_rr(a, 0xaf | ASM_0F | (w == W64 ? ASM_W : 0), d, s);
}

static inline void asm_imul_imm(asm_buffer *a, uint32_t w, int d, int s, int32_t imm)
{
    asm_rr(a, 0x69 | (w == W64 ? ASM_W : 0), d, s);
    asm_32(a, (uint32_t)imm);
}

static inline void asm_bswap(asm_buffer *a, uint32_t w, int r)
{
    asm_opcode(a, 0xc8u | ((uint32_t)r & 7) | ASM_0F | (w == W64 ? ASM_W : 0), 0, 0, r, 0);
}

static inline void asm_setcc(asm_buffer *a, uint32_t cc, int r)
{
    asm_rr(a, 0x90 | cc | ASM_0F | ASM_BYTE_RM, 0, r);
}

static inline void asm_cmov(asm_buffer *a, uint32_t cc, uint32_t w, int d, int s)
{
    asm_rr(a, 0x40 | cc | ASM_0F | (w == W64 ? ASM_W : 0), d, s);
}

static inline void asm_push(asm_buffer *a, int r)
{
    asm_opcode(a, 0x50u | ((uint32_t)r & 7), 0, 0, r, 0);
}

static inline void asm_pop(asm_buffer *a, int r)
{
    asm_opcode(a, 0x58u | ((uint32_t)r & 7), 0, 0, r, 0);
}

static inline void asm_byte(asm_buffer *a, uint32_t byte)
{
    asm_room(a);
    asm_8(a, byte);
}

static inline void asm_lahf(asm_buffer *a)
{
    asm_byte(a, 0x9f);
}
static inline void asm_sahf(asm_buffer *a)
{
    asm_byte(a, 0x9e);
}
static inline void asm_cmc(asm_buffer *a)
{
    asm_byte(a, 0xf5);
}
static inline void asm_lock(asm_buffer *a)
{
    asm_byte(a, 0xf0);
}
static inline void asm_ret(asm_buffer *a)
{
    asm_byte(a, 0xc3);
}

/* ---- jumps ------------------------------------------------------------------------------------------- */

/* Displacement from the end of the instruction; asm_patch fills it in. Give where it stands. */
static inline uint32_t asm_jmp(asm_buffer *a)
{
    asm_room(a);
    asm_8(a, 0xe9);
    asm_32(a, 0);
    return asm_offset(a) - 4;
}

static inline uint32_t asm_jcc(asm_buffer *a, uint32_t cc)
{
    asm_room(a);
    asm_8(a, 0x0f);
    asm_8(a, 0x80 | cc);
    asm_32(a, 0);
    return asm_offset(a) - 4;
}

static inline uint32_t asm_call(asm_buffer *a)
{
    asm_room(a);
    asm_8(a, 0xe8);
    asm_32(a, 0);
    return asm_offset(a) - 4;
}

/* Let the displacement at offset `at` lead to offset `target`. */
static inline void asm_patch(asm_buffer *a, uint32_t at, uint32_t target)
{
    uint32_t value = target - (at + 4);

    memcpy(a->start + at, &value, 4);
}

static inline void asm_jmp_reg(asm_buffer *a, int r)
{
    asm_rr(a, 0xff, 4, r);
}
static inline void asm_jmp_mem(asm_buffer *a, asm_mem m)
{
    asm_rm(a, 0xff, 4, m);
}
static inline void asm_call_reg(asm_buffer *a, int r)
{
    asm_rr(a, 0xff, 2, r);
}

/* n bytes that do nothing, 0 to 9: Intel SDM volume 2, NOP, recommended sequences. */
static inline void asm_nop(asm_buffer *a, uint32_t n)
{
    static const char nops[10][10] = {
        "",
        "\x90",
        "\x66\x90",
        "\x0f\x1f\x00",
        "\x0f\x1f\x40\x00",
        "\x0f\x1f\x44\x00\x00",
        "\x66\x0f\x1f\x44\x00\x00",
        "\x0f\x1f\x80\x00\x00\x00\x00",
        "\x0f\x1f\x84\x00\x00\x00\x00\x00",
        "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
    };

    asm_room(a);
    for (uint32_t i = 0; i < n; i++)
        asm_8(a, (uint8_t)nops[n][i]);
}

/* ---- SSE and AVX ------------------------------------------------------------------------------------- */

/* Forms of moves: XMM register and memory, XMM and general. */
enum {
    SSE_MOVUPS_LOAD = 0x10 | ASM_0F,
    SSE_MOVUPS_STORE = 0x11 | ASM_0F,
    SSE_MOVAPS_LOAD = 0x28 | ASM_0F,
    SSE_MOVAPS_STORE = 0x29 | ASM_0F,
    SSE_MOVQ_LOAD = 0x7e | ASM_0F | ASM_F3, /* also register to register: clears the upper half */
    SSE_MOVQ_STORE = 0xd6 | ASM_0F | ASM_66,
    SSE_MOVD_LOAD = 0x6e | ASM_0F | ASM_66, /* from general or memory; with ASM_W 64 bits */
    SSE_MOVD_STORE = 0x7e | ASM_0F | ASM_66,
    SSE_PXOR = 0xef | ASM_0F | ASM_66,
    SSE_PINSRQ = 0x22 | ASM_3A | ASM_66 | ASM_W, /* imm8 follows */
    SSE_PEXTRQ = 0x16 | ASM_3A | ASM_66 | ASM_W,
    SSE_PSHUFB = 0x00 | ASM_38 | ASM_66,
    SSE_PSRLDQ = 0x73 | ASM_0F | ASM_66,   /* /3, imm8 follows */
    SSE_INSERTPS = 0x21 | ASM_3A | ASM_66, /* imm8 follows */
    /* Bitwise, of all 128 bits. */
    SSE_ANDPS = 0x54 | ASM_0F,
    SSE_ORPS = 0x56 | ASM_0F,
    SSE_XORPS = 0x57 | ASM_0F,
    /* Arithmetic of floats: with a prefix of SSE_SS, SSE_SD. */
    SSE_SQRT = 0x51 | ASM_0F,
    SSE_ADD = 0x58 | ASM_0F,
    SSE_MUL = 0x59 | ASM_0F,
    SSE_SUB = 0x5c | ASM_0F,
    SSE_MIN = 0x5d | ASM_0F,
    SSE_DIV = 0x5e | ASM_0F,
    SSE_MAX = 0x5f | ASM_0F,
    SSE_CONVERT = 0x5a | ASM_0F,  /* from this precision to the other */
    SSE_FROM_INT = 0x2a | ASM_0F, /* from a general register; ASM_W: 64 bits */
    SSE_TRUNCATE = 0x2c | ASM_0F, /* to a general register */
    SSE_SS = ASM_F3,
    SSE_SD = ASM_F2,
    SSE_UCOMISS = 0x2e | ASM_0F,
    SSE_UCOMISD = 0x2e | ASM_0F | ASM_66,
    SSE_COMISS = 0x2f | ASM_0F,
    SSE_COMISD = 0x2f | ASM_0F | ASM_66,
    SSE_ROUNDSS = 0x0a | ASM_3A | ASM_66, /* imm8 follows */
    SSE_ROUNDSD = 0x0b | ASM_3A | ASM_66,
    /* Four f16 in the low half, with VEX only (F16C). */
    VCVTPH2PS = 0x13 | ASM_38 | ASM_66 | ASM_VEX,
    VCVTPS2PH = 0x1d | ASM_3A | ASM_66 | ASM_VEX, /* imm8 follows; the register is the source */
    /* d = a * d + b and so on, scalar, VEX only; ASM_W: double. */
    FMA_132 = 0x99 | ASM_38 | ASM_66 | ASM_VEX, /* d = d * rm + v */
    FMA_213 = 0xa9 | ASM_38 | ASM_66 | ASM_VEX, /* d = v * d + rm */
    FMA_231 = 0xb9 | ASM_38 | ASM_66 | ASM_VEX, /* d = v * rm + d */
    FMA_NEG_ADDEND = 2,                         /* added to the form */
    FMA_NEG_PRODUCT = 4,
};

/* d = s1 op s2 where the legacy form has d = d op s2: with AVX in one instruction, without it d must be s1 or differ
 * from s2. */
static inline void asm_sse3(asm_buffer *a, bool avx, uint32_t op, int d, int s1, int s2)
{
    if (avx) {
        asm_vrr(a, op | ASM_VEX, d, s1, s2);
        return;
    }
    if (d != s1)
        asm_rr(a, SSE_MOVAPS_LOAD, d, s1);
    asm_rr(a, op, d, s2);
}

/* d = the lowest lane of 32 bits of s, zeros above: insertps. */
static inline void asm_lane_0(asm_buffer *a, bool avx, int d, int s)
{
    asm_vrr(a, SSE_INSERTPS | (avx ? ASM_VEX : 0), d, s, s);
    asm_8(a, 0x0e);
}

/* d = op s: two operands. */
static inline void asm_sse2(asm_buffer *a, bool avx, uint32_t op, int d, int s)
{
    asm_rr(a, avx ? op | ASM_VEX : op, d, s);
}

static inline void asm_sse_mem(asm_buffer *a, bool avx, uint32_t op, int r, asm_mem m)
{
    asm_rm(a, avx ? op | ASM_VEX : op, r, m);
}

#endif
