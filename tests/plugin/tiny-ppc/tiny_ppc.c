/*
 * A piece of a 32-bit PowerPC, to prove that IR and ABI carry one. PowerPC Microprocessor Family: The Programming
 * Environments for 32-Bit Microprocessors.
 *
 * There: big-endian memory, record forms and XER.CA, rotate and mask, load and store multiple, reservations, branches
 * through CTR and LR, a floating-point operation with FPSCR. Left out: everything else, also XER.OV, the enabled
 * floating-point exceptions, privileged state and exceptions (sc leaves with PB_RUN_IDLE, others with
 * PB_RUN_DEBUG).
 */
#include <patchbay/accel.h>

typedef struct tiny_ppc {
    pb_object *self;
    uint32_t gpr[32];
    uint8_t cr[8]; /* fields; LT GT EQ SO in bits 3:0 */
    uint32_t lr, ctr, pc;
    uint8_t so, ca; /* of XER */
    uint64_t fpr[32];
    uint32_t fpscr;
} tiny_ppc;

enum {
    SLOT_R0 = 0,
    SLOT_CR0 = 32,
    SLOT_LR = 40,
    SLOT_CTR,
    SLOT_PC,
    SLOT_SO,
    SLOT_CA,
    SLOT_FPSCR,
    SLOT_F0
};

#define GPR(name_, n)                                                                          \
    {                                                                                          \
        .name = name_, .type = IR_I32, PB_SLOT(tiny_ppc, gpr[n]), .group = "general", .gdb = n \
    }
#define CRF(name_, n)                                                                         \
    {                                                                                         \
        .name = name_, .type = IR_I8, PB_SLOT(tiny_ppc, cr[n]), .group = "general", .gdb = -1 \
    }
#define FPR(name_, n)                                                               \
    {                                                                               \
        .name = name_, .type = IR_F64, PB_SLOT(tiny_ppc, fpr[n]), .group = "float", \
        .gdb = 32 + (n)                                                             \
    }

static const pb_slot slots[] = {
    GPR("r0", 0),
    GPR("r1", 1),
    GPR("r2", 2),
    GPR("r3", 3),
    GPR("r4", 4),
    GPR("r5", 5),
    GPR("r6", 6),
    GPR("r7", 7),
    GPR("r8", 8),
    GPR("r9", 9),
    GPR("r10", 10),
    GPR("r11", 11),
    GPR("r12", 12),
    GPR("r13", 13),
    GPR("r14", 14),
    GPR("r15", 15),
    GPR("r16", 16),
    GPR("r17", 17),
    GPR("r18", 18),
    GPR("r19", 19),
    GPR("r20", 20),
    GPR("r21", 21),
    GPR("r22", 22),
    GPR("r23", 23),
    GPR("r24", 24),
    GPR("r25", 25),
    GPR("r26", 26),
    GPR("r27", 27),
    GPR("r28", 28),
    GPR("r29", 29),
    GPR("r30", 30),
    GPR("r31", 31),
    CRF("cr0", 0),
    CRF("cr1", 1),
    CRF("cr2", 2),
    CRF("cr3", 3),
    CRF("cr4", 4),
    CRF("cr5", 5),
    CRF("cr6", 6),
    CRF("cr7", 7),
    { .name = "lr", .type = IR_I32, PB_SLOT(tiny_ppc, lr), .group = "general", .gdb = 67 },
    { .name = "ctr", .type = IR_I32, PB_SLOT(tiny_ppc, ctr), .group = "general", .gdb = 68 },
    { .name = "pc", .type = IR_I32, PB_SLOT(tiny_ppc, pc), .group = "general", .gdb = 64 },
    { .name = "so", .type = IR_I1, PB_SLOT(tiny_ppc, so), .group = "xer", .gdb = -1 },
    { .name = "ca", .type = IR_I1, PB_SLOT(tiny_ppc, ca), .group = "xer", .gdb = -1 },
    { .name = "fpscr", .type = IR_I32, PB_SLOT(tiny_ppc, fpscr), .group = "float", .gdb = 70 },
    FPR("f0", 0),
    FPR("f1", 1),
    FPR("f2", 2),
    FPR("f3", 3),
    FPR("f4", 4),
    FPR("f5", 5),
    FPR("f6", 6),
    FPR("f7", 7),
    FPR("f8", 8),
    FPR("f9", 9),
    FPR("f10", 10),
    FPR("f11", 11),
    FPR("f12", 12),
    FPR("f13", 13),
    FPR("f14", 14),
    FPR("f15", 15),
    FPR("f16", 16),
    FPR("f17", 17),
    FPR("f18", 18),
    FPR("f19", 19),
    FPR("f20", 20),
    FPR("f21", 21),
    FPR("f22", 22),
    FPR("f23", 23),
    FPR("f24", 24),
    FPR("f25", 25),
    FPR("f26", 26),
    FPR("f27", 27),
    FPR("f28", 28),
    FPR("f29", 29),
    FPR("f30", 30),
    FPR("f31", 31),
    { 0 },
};

/* ---- helpers ----------------------------------------------------------------------------------------------- */

enum { HELPER_UNDEFINED, HELPER_FP_BEGIN, HELPER_FP_END };

static uint64_t undefined(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    vcpu->leave_reason = PB_RUN_DEBUG;
    vcpu->unwind = 1;
    return 0;
}

/* FPSCR, bit n being PowerPC's bit 31 - n. */
enum {
    FPSCR_FX = 1u << 31,
    FPSCR_FEX = 1 << 30,
    FPSCR_VX = 1 << 29,
    FPSCR_OX = 1 << 28,
    FPSCR_UX = 1 << 27,
    FPSCR_ZX = 1 << 26,
    FPSCR_XX = 1 << 25,
    FPSCR_VXSNAN = 1 << 24,
    FPSCR_VXISI = 1 << 23,
    FPSCR_VXIDI = 1 << 22,
    FPSCR_VXZDZ = 1 << 21,
    FPSCR_VXIMZ = 1 << 20,
    FPSCR_FR = 1 << 18,
    FPSCR_FI = 1 << 17,
    FPSCR_FPRF_SHIFT = 12,
    FPSCR_OF_ONE_OPERATION = FPSCR_FR | FPSCR_FI | 0x1f << FPSCR_FPRF_SHIFT,
};

/* Before an operation: its rounding mode, and none of its exceptions. */
static uint64_t fp_begin(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    static const uint8_t modes[4] = { PB_FP_NEAREST_EVEN, PB_FP_TO_ZERO, PB_FP_UP, PB_FP_DOWN };

    vcpu->fp[0].flags = 0;
    vcpu->fp[0].round = modes[((tiny_ppc *)vcpu->state)->fpscr & 3];
    return 0;
}

/* FPSCR[FPRF] of a result: class, less, greater, equal, unordered. Table 2-4. */
static uint32_t result_flags(uint64_t value)
{
    bool negative = value >> 63;
    uint64_t magnitude = value & ~(UINT64_C(1) << 63);

    if (magnitude > UINT64_C(0x7ff) << 52)
        return 0x11;
    if (magnitude == UINT64_C(0x7ff) << 52)
        return negative ? 0x09 : 0x05;
    if (magnitude == 0)
        return negative ? 0x12 : 0x02;
    if (magnitude < UINT64_C(1) << 52)
        return negative ? 0x18 : 0x14;
    return negative ? 0x08 : 0x04;
}

/* After an operation: what it raised goes to FPSCR. a: its result. */
static uint64_t fp_end(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                       uint64_t f)
{
    static const struct {
        uint32_t flag, bits;
    } raised[] = {
        { PB_FP_OVERFLOW, FPSCR_OX },
        { PB_FP_UNDERFLOW, FPSCR_UX },
        { PB_FP_DIVZERO, FPSCR_ZX },
        { PB_FP_INEXACT, FPSCR_XX },
        { PB_FP_WHY_SNAN, FPSCR_VX | FPSCR_VXSNAN },
        { PB_FP_WHY_INF_SUB, FPSCR_VX | FPSCR_VXISI },
        { PB_FP_WHY_INF_DIV, FPSCR_VX | FPSCR_VXIDI },
        { PB_FP_WHY_ZERO_DIV, FPSCR_VX | FPSCR_VXZDZ },
        { PB_FP_WHY_INF_MUL, FPSCR_VX | FPSCR_VXIMZ },
    };
    tiny_ppc *s = vcpu->state;
    uint32_t flags = vcpu->fp[0].flags, now = s->fpscr & ~(uint32_t)FPSCR_OF_ONE_OPERATION;

    for (uint32_t i = 0; i < PB_ARRAY_SIZE(raised); i++)
        if (flags & raised[i].flag)
            now |= raised[i].bits;
    if (now & ~s->fpscr)
        now |= FPSCR_FX;
    if (flags & PB_FP_INEXACT)
        now |= FPSCR_FI;
    if (flags & PB_FP_ROUNDED_UP)
        now |= FPSCR_FR;
    s->fpscr = now | result_flags(a) << FPSCR_FPRF_SHIFT;
    return 0;
}

static const uint16_t fpscr_only[] = { SLOT_FPSCR, PB_SLOT_END };

static const pb_helper helpers[] = {
    [HELPER_UNDEFINED] = { .name = "undefined",
                           .flags = PB_HELPER_NO_RETURN | PB_HELPER_MAY_EXIT,
                           .scalar = undefined },
    [HELPER_FP_BEGIN] = { .name = "fp_begin",
                          .flags = PB_HELPER_USES_FP,
                          .scalar = fp_begin,
                          .reads = fpscr_only },
    [HELPER_FP_END] = { .name = "fp_end",
                        .flags = PB_HELPER_USES_FP,
                        .n_args = 1,
                        .args = { IR_F64 },
                        .scalar = fp_end,
                        .reads = fpscr_only,
                        .writes = fpscr_only },
    { 0 },
};

/* ---- operands ------------------------------------------------------------------------------------------------ */

typedef struct ppc_ctx {
    ir_builder *b;
    uint32_t pc, word;
} ppc_ctx;

enum {
    WORD = PB_MEM_SIZE_LOG2(2) | PB_MEM_BIG_ENDIAN,
    DOUBLE = PB_MEM_SIZE_LOG2(3) | PB_MEM_BIG_ENDIAN,
    ALIGNED = PB_MEM_ALIGN_LOG2(2)
};

/* Field of `bits` bits that ends at PowerPC's bit `last` (0 is the highest). */
static uint32_t field(const ppc_ctx *c, uint32_t last, uint32_t bits)
{
    return c->word >> (31 - last) & ((1u << bits) - 1);
}

static uint32_t rt(const ppc_ctx *c)
{
    return field(c, 10, 5);
}
static uint32_t ra(const ppc_ctx *c)
{
    return field(c, 15, 5);
}
static uint32_t rb(const ppc_ctx *c)
{
    return field(c, 20, 5);
}
static uint32_t immediate(const ppc_ctx *c)
{
    return (uint32_t)(int16_t)c->word;
}
static bool record_form(const ppc_ctx *c)
{
    return c->word & 1;
}

static ir_val read_gpr(ppc_ctx *c, uint32_t n)
{
    return ir_get(c->b, IR_I32, SLOT_R0 + n);
}

/* (rA|0) */
static ir_val read_base(ppc_ctx *c)
{
    return ra(c) ? read_gpr(c, ra(c)) : ir_imm32(c->b, 0);
}

static void write_gpr(ppc_ctx *c, uint32_t n, ir_val v)
{
    ir_put(c->b, v, SLOT_R0 + n);
}

/* LT GT EQ of a comparison's flags, and SO. */
static void write_cr(ppc_ctx *c, uint32_t n, ir_val fl, bool is_unsigned)
{
    ir_val so = ir_zext(c->b, IR_I32, ir_get(c->b, IR_I1, SLOT_SO));
    ir_val bits = ir_or(c->b, ir_flpack_cr(c->b, fl, is_unsigned), so);

    ir_put(c->b, ir_trunc(c->b, IR_I8, bits), SLOT_CR0 + n);
}

/* The result, and CR0 if the instruction is of record form. */
static pb_tr_status result(ppc_ctx *c, uint32_t n, ir_val v, bool record)
{
    ir_val fl;

    write_gpr(c, n, v);
    if (record) {
        ir_sub_fl(c->b, v, ir_imm32(c->b, 0), &fl);
        write_cr(c, 0, fl, false);
    }
    return PB_TR_NEXT;
}

static void write_ca(ppc_ctx *c, ir_val fl)
{
    ir_put(c->b, ir_flbit(c->b, fl, IR_FLAG_C), SLOT_CA);
}

static ir_val d_address(ppc_ctx *c)
{
    return ir_add(c->b, read_base(c), ir_imm32(c->b, immediate(c)));
}

static ir_val x_address(ppc_ctx *c)
{
    return ir_add(c->b, read_base(c), read_gpr(c, rb(c)));
}

/* ---- instructions ---------------------------------------------------------------------------------------------- */

static pb_tr_status undefined_insn(ppc_ctx *c)
{
    ir_call(c->b, HELPER_UNDEFINED, IR_VOID, NULL, 0);
    ir_jump(c->b, c->pc);
    return PB_TR_END;
}

/* rlwinm: rotate left, and with the mask from MB to ME, which may wrap around. */
static pb_tr_status rlwinm(ppc_ctx *c)
{
    uint32_t sh = rb(c), mb = field(c, 25, 5), me = field(c, 30, 5);
    uint32_t from = 0xffffffffu >> mb, to = 0xffffffffu << (31 - me);
    uint32_t mask = mb <= me ? from & to : from | to;
    ir_val turned = ir_ror(c->b, read_gpr(c, rt(c)), ir_imm32(c->b, 32 - sh));

    return result(c, ra(c), ir_and(c->b, turned, ir_imm32(c->b, mask)), record_form(c));
}

/* Loads first, then registers: a fault in the middle leaves all of them as they were. */
static pb_tr_status lmw(ppc_ctx *c)
{
    ir_val base = d_address(c), values[32];

    for (uint32_t n = rt(c); n < 32; n++)
        values[n] = ir_ld(c->b, IR_I32, ir_add(c->b, base, ir_imm32(c->b, 4 * (n - rt(c)))),
                          WORD | ALIGNED | PB_MEM_SPAN(1));
    for (uint32_t n = rt(c); n < 32; n++)
        write_gpr(c, n, values[n]);
    return PB_TR_NEXT;
}

static pb_tr_status stmw(ppc_ctx *c)
{
    ir_val base = d_address(c);

    for (uint32_t n = rt(c); n < 32; n++)
        ir_st(c->b, ir_add(c->b, base, ir_imm32(c->b, 4 * (n - rt(c)))), read_gpr(c, n),
              WORD | ALIGNED | PB_MEM_SPAN(1));
    return PB_TR_NEXT;
}

/* CR0 is 0 0 stored SO. */
static pb_tr_status stwcx(ppc_ctx *c)
{
    ir_val stored = ir_stx(c->b, x_address(c), read_gpr(c, rt(c)), WORD | ALIGNED);
    ir_val eq = ir_shl(c->b, ir_zext(c->b, IR_I8, stored), ir_imm(c->b, IR_I8, 1));
    ir_val so = ir_zext(c->b, IR_I8, ir_get(c->b, IR_I1, SLOT_SO));

    ir_put(c->b, ir_or(c->b, eq, so), SLOT_CR0);
    return PB_TR_NEXT;
}

/* Whether a branch is taken, by BO and BI; counts CTR down if BO says so. False: always. */
static bool branch_condition(ppc_ctx *c, ir_val *taken)
{
    uint32_t bo = rt(c), bi = ra(c);
    bool any = false;

    if (!(bo & 4)) {
        ir_val ctr = ir_sub(c->b, ir_get(c->b, IR_I32, SLOT_CTR), ir_imm32(c->b, 1));

        ir_put(c->b, ctr, SLOT_CTR);
        *taken = bo & 2 ? ir_eq_zero(c->b, ctr) : ir_ne_zero(c->b, ctr);
        any = true;
    }
    if (!(bo & 16)) {
        ir_val cr = ir_get(c->b, IR_I8, SLOT_CR0 + bi / 4);
        ir_val bit = ir_trunc(c->b, IR_I1, ir_extract(c->b, cr, 3 - bi % 4, 1));

        if (!(bo & 8))
            bit = ir_not(c->b, bit);
        *taken = any ? ir_and(c->b, *taken, bit) : bit;
        any = true;
    }
    return any;
}

static void link(ppc_ctx *c)
{
    if (c->word & 1)
        ir_put(c->b, ir_imm32(c->b, c->pc + 4), SLOT_LR);
}

static pb_tr_status b(ppc_ctx *c)
{
    uint32_t offset = (uint32_t)((int32_t)(c->word << 6) >> 6) & ~3u;

    link(c);
    ir_jump(c->b, c->word & 2 ? offset : c->pc + offset);
    return PB_TR_END;
}

static pb_tr_status bc(ppc_ctx *c)
{
    uint32_t offset = immediate(c) & ~3u, target = c->word & 2 ? offset : c->pc + offset;
    ir_val taken;
    bool conditional = branch_condition(c, &taken);

    link(c);
    if (conditional)
        ir_branch(c->b, taken, target, c->pc + 4);
    else
        ir_jump(c->b, target);
    return PB_TR_END;
}

/* bclr, bcctr: through a register, which is read before LR is written. */
static pb_tr_status bc_register(ppc_ctx *c, uint32_t slot)
{
    ir_val target = ir_and(c->b, ir_get(c->b, IR_I32, slot), ir_imm32(c->b, ~3u)), taken;
    ir_block yes, no;

    if (!branch_condition(c, &taken)) {
        link(c);
        ir_jump_ind(c->b, target, slot == SLOT_LR ? IR_HINT_RETURN : IR_HINT_JUMP);
        return PB_TR_END;
    }
    link(c);
    yes = ir_block_new(c->b);
    no = ir_block_new(c->b);
    ir_br_if(c->b, taken, yes, no);
    ir_block_begin(c->b, yes);
    ir_jump_ind(c->b, target, slot == SLOT_LR ? IR_HINT_RETURN : IR_HINT_JUMP);
    ir_block_begin(c->b, no);
    ir_jump(c->b, c->pc + 4);
    return PB_TR_END;
}

/* The number of a special register has its halves swapped in the instruction. */
static pb_tr_status move_special(ppc_ctx *c, bool to)
{
    uint32_t n = ra(c) | rb(c) << 5, slot = n == 8 ? SLOT_LR : SLOT_CTR;

    if (n != 8 && n != 9)
        return undefined_insn(c);
    if (to)
        ir_put(c->b, read_gpr(c, rt(c)), slot);
    else
        write_gpr(c, rt(c), ir_get(c->b, IR_I32, slot));
    return PB_TR_NEXT;
}

/* Opcode 31 */
static pb_tr_status integer(ppc_ctx *c)
{
    ir_val fl, r, a = read_gpr(c, ra(c)), y = read_gpr(c, rb(c));

    switch (field(c, 30, 10)) {
    case 266: /* add */
        return result(c, rt(c), ir_add(c->b, a, y), record_form(c));
    case 10: /* addc */
        r = ir_add_fl(c->b, a, y, &fl);
        write_ca(c, fl);
        return result(c, rt(c), r, record_form(c));
    case 138: /* adde */
        r = ir_adc_fl(c->b, a, y, ir_get(c->b, IR_I1, SLOT_CA), &fl);
        write_ca(c, fl);
        return result(c, rt(c), r, record_form(c));
    case 40: /* subf */
        return result(c, rt(c), ir_sub(c->b, y, a), record_form(c));
    case 8: /* subfc: CA is the carry out of ~a + b + 1 */
        r = ir_sub_fl(c->b, y, a, &fl);
        write_ca(c, fl);
        return result(c, rt(c), r, record_form(c));
    case 444: /* or */
        return result(c, ra(c), ir_or(c->b, read_gpr(c, rt(c)), y), record_form(c));
    case 20: /* lwarx */
        r = ir_ldx(c->b, IR_I32, x_address(c), WORD | ALIGNED);
        write_gpr(c, rt(c), r);
        return PB_TR_NEXT;
    case 150: /* stwcx. */
        return stwcx(c);
    case 339:
        return move_special(c, false);
    case 467:
        return move_special(c, true);
    default:
        return undefined_insn(c);
    }
}

/* Opcode 63: double precision. FPRF, FI and FR are of the last operation. */
static pb_tr_status floating(ppc_ctx *c)
{
    uint32_t extended = field(c, 30, 10);
    ir_val a, y, r;

    if (extended == 583) { /* mffs */
        ir_val low = ir_zext(c->b, IR_I64, ir_get(c->b, IR_I32, SLOT_FPSCR));

        ir_put(c->b, ir_bitcast(c->b, IR_F64, low), SLOT_F0 + rt(c));
        return PB_TR_NEXT;
    }
    if (extended != 21 && extended != 18)
        return undefined_insn(c);
    a = ir_get(c->b, IR_F64, SLOT_F0 + ra(c));
    y = ir_get(c->b, IR_F64, SLOT_F0 + rb(c));
    ir_call(c->b, HELPER_FP_BEGIN, IR_VOID, NULL, 0);
    r = extended == 21 ? ir_fadd(c->b, a, y, IR_ROUND_ENV, 0)
                       : ir_fdiv(c->b, a, y, IR_ROUND_ENV, 0);
    ir_call(c->b, HELPER_FP_END, IR_VOID, &r, 1);
    ir_put(c->b, r, SLOT_F0 + rt(c));
    return PB_TR_NEXT;
}

static pb_tr_status compare(ppc_ctx *c, bool is_unsigned)
{
    ir_val fl, y = ir_imm32(c->b, is_unsigned ? c->word & 0xffff : immediate(c));

    ir_sub_fl(c->b, read_gpr(c, ra(c)), y, &fl);
    write_cr(c, rt(c) >> 2, fl, is_unsigned);
    return PB_TR_NEXT;
}

static pb_tr_status translate(ppc_ctx *c)
{
    switch (c->word >> 26) {
    case 10:
        return compare(c, true);
    case 11:
        return compare(c, false);
    case 14: /* addi */
        return result(c, rt(c), d_address(c), false);
    case 15: /* addis */
        return result(c, rt(c), ir_add(c->b, read_base(c), ir_imm32(c->b, c->word << 16)), false);
    case 16:
        return bc(c);
    case 17: /* sc */
        ir_exit(c->b, PB_RUN_IDLE, c->pc + 4);
        return PB_TR_END;
    case 18:
        return b(c);
    case 19:
        if (field(c, 30, 10) == 16)
            return bc_register(c, SLOT_LR);
        return field(c, 30, 10) == 528 ? bc_register(c, SLOT_CTR) : undefined_insn(c);
    case 21:
        return rlwinm(c);
    case 28: /* andi. */
        return result(c, ra(c), ir_and(c->b, read_gpr(c, rt(c)), ir_imm32(c->b, c->word & 0xffff)),
                      true);
    case 31:
        return integer(c);
    case 32:
        return result(c, rt(c), ir_ld(c->b, IR_I32, d_address(c), WORD), false);
    case 36:
        ir_st(c->b, d_address(c), read_gpr(c, rt(c)), WORD);
        return PB_TR_NEXT;
    case 46:
        return lmw(c);
    case 47:
        return stmw(c);
    case 50: /* lfd */
        ir_put(c->b, ir_ld(c->b, IR_F64, d_address(c), DOUBLE), SLOT_F0 + rt(c));
        return PB_TR_NEXT;
    case 54: /* stfd */
        ir_st(c->b, d_address(c), ir_get(c->b, IR_F64, SLOT_F0 + rt(c)), DOUBLE);
        return PB_TR_NEXT;
    case 63:
        return floating(c);
    default:
        return undefined_insn(c);
    }
}

static pb_tr_status insn(void *ctx, ir_builder *builder, pb_code_reader *reader, uint64_t pc)
{
    ppc_ctx *c = ctx;
    uint8_t bytes[4];

    if (!reader->read(reader, pc, bytes, 4))
        return PB_TR_FETCH_FAULT;
    c->b = builder;
    c->pc = (uint32_t)pc;
    c->word =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    ir_insn(builder, pc, 4, 0);
    return translate(c);
}

/* ---- the type ---------------------------------------------------------------------------------------------------------- */

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    return 0;
}

static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}

static void begin(void *ctx, ir_builder *builder, const pb_vcpu *vcpu, uint64_t pc, uint64_t key) {}

static const pb_translator translator = {
    .size = sizeof(pb_translator),
    .ctx_size = sizeof(ppc_ctx),
    .unit_key = unit_key,
    .fetch_mmu = fetch_mmu,
    .begin = begin,
    .insn = insn,
    .helpers = helpers,
};

static bool walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                 pb_guest_fault *fault)
{
    *out = (pb_translation){ .gpa = request->gva,
                             .page_bytes = PB_PAGE_SIZE,
                             .prot = PB_PROT_READ | PB_PROT_WRITE | PB_PROT_EXEC };
    return true;
}

/* No exceptions here: whoever runs us looks. */
static void raise_fault(pb_vcpu *vcpu, const pb_guest_fault *fault)
{
    vcpu->leave_reason = PB_RUN_DEBUG;
}

static bool interrupt(pb_vcpu *vcpu)
{
    return false;
}

static bool has_work(pb_vcpu *vcpu)
{
    return false;
}

static uint32_t data_mmu(const pb_vcpu *vcpu)
{
    return 0;
}

static void reset(void *self)
{
    tiny_ppc *s = self;
    pb_object *object = s->self;
    pb_vcpu *vcpu = pb_vcpu_of_state(self);

    *s = (tiny_ppc){ .self = object };
    vcpu->fp[0] = (pb_fp_env){ .rules = pb_fp_rules_ppc() };
}

static const pb_cpu_type tiny_ppc_type = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "tiny-ppc",
              .doc = "A piece of a PowerPC, for tests",
              .instance_size = sizeof(tiny_ppc),
              PB_SELF(tiny_ppc, self),
              .reset = reset },
    .slots = slots,
    .pc_slot = SLOT_PC,
    .translator = &translator,
    .walk = walk,
    .raise = raise_fault,
    .interrupt = interrupt,
    .has_work = has_work,
    .data_mmu = data_mmu,
    .insn_align = 4,
};

static const pb_class *const types[] = { &tiny_ppc_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "cpu-tiny-ppc",
    .version = "0.1",
    .licence = "MIT",
    .doc = "A piece of a PowerPC, for tests",
    .types = types,
};
