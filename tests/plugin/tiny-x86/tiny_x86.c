/*
 * A piece of an x86 in flat 32-bit protected mode, to prove that IR and ABI carry one. Intel SDM volume 2.
 *
 * There: flags with their borrow, partial registers, Jcc, calls, REP with a fault or interrupt at every
 * iteration, a segment base, x87 arithmetic on a register stack whose TOP is followed statically. Left out:
 * everything else, also the direction flag (clear), address prefixes, limits, exceptions (they leave with
 * PB_RUN_DEBUG), and the x87 tag, condition and control words.
 */
#include <patchbay/accel.h>

typedef struct tiny_x86 {
    pb_object *self;
    uint32_t r[8]; /* eax ecx edx ebx esp ebp esi edi */
    uint32_t eip;
    uint32_t flags; /* packed (ir.h), but CF and AF are borrows after a subtraction, as in EFLAGS */
    uint32_t fs_base;
    uint32_t top;   /* x87 */
    pb_u128 fpr[8]; /* x87 registers by physical number: R0 to R7 */
} tiny_x86;

enum {
    SLOT_EAX,
    SLOT_ECX,
    SLOT_EDX,
    SLOT_EBX,
    SLOT_ESP,
    SLOT_EBP,
    SLOT_ESI,
    SLOT_EDI,
    SLOT_EIP,
    SLOT_FLAGS,
    SLOT_FS_BASE,
    SLOT_TOP,
    SLOT_R0
};

#define GENERAL(name_, n)                                                                    \
    {                                                                                        \
        .name = name_, .type = IR_I32, PB_SLOT(tiny_x86, r[n]), .group = "general", .gdb = n \
    }
#define X87(name_, n)                                                                       \
    {                                                                                       \
        .name = name_, .type = IR_F80, PB_SLOT(tiny_x86, fpr[n]), .group = "x87", .gdb = -1 \
    }

static const pb_slot slots[] = {
    GENERAL("eax", 0),
    GENERAL("ecx", 1),
    GENERAL("edx", 2),
    GENERAL("ebx", 3),
    GENERAL("esp", 4),
    GENERAL("ebp", 5),
    GENERAL("esi", 6),
    GENERAL("edi", 7),
    { .name = "eip", .type = IR_I32, PB_SLOT(tiny_x86, eip), .group = "general", .gdb = 8 },
    { .name = "flags", .type = IR_FL, PB_SLOT(tiny_x86, flags), .group = "general", .gdb = 9 },
    { .name = "fs_base",
      .type = IR_I32,
      PB_SLOT(tiny_x86, fs_base),
      .group = "segment",
      .gdb = -1 },
    { .name = "top", .type = IR_I32, PB_SLOT(tiny_x86, top), .group = "x87", .gdb = -1 },
    X87("R0", 0),
    X87("R1", 1),
    X87("R2", 2),
    X87("R3", 3),
    X87("R4", 4),
    X87("R5", 5),
    X87("R6", 6),
    X87("R7", 7),
    { 0 },
};

/* ---- helpers ----------------------------------------------------------------------------------------------- */

enum { HELPER_UNDEFINED };

static uint64_t undefined(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    vcpu->leave_reason = PB_RUN_DEBUG;
    vcpu->unwind = 1;
    return 0;
}

static const pb_helper helpers[] = {
    [HELPER_UNDEFINED] = { .name = "undefined",
                           .flags = PB_HELPER_NO_RETURN | PB_HELPER_MAY_EXIT,
                           .scalar = undefined },
    { 0 },
};

/* ---- operands ------------------------------------------------------------------------------------------------ */

typedef struct x86_ctx {
    ir_builder *b;
    pb_code_reader *reader;
    uint64_t start, pc; /* of the instruction; of the next byte */
    bool fault;
    bool fs;      /* prefix */
    bool rep;     /* prefix */
    uint32_t top; /* x87 */
    /* ModRM */
    uint8_t mod, reg, rm;
    int32_t disp;
    uint8_t base, index, scale; /* 0xff: none */
} x86_ctx;

enum {
    NO_REG = 0xff,
    BYTE_MEM = PB_MEM_SIZE_LOG2(0),
    LONG_MEM = PB_MEM_SIZE_LOG2(2),
    DOUBLE_MEM = PB_MEM_SIZE_LOG2(3),
    STACK_MEM = PB_MEM_SIZE_LOG2(2) | PB_MEM_KIND(PB_MEM_STACK)
};

static uint8_t next_byte(x86_ctx *c)
{
    uint8_t byte = 0;

    if (c->fault || !c->reader->read(c->reader, c->pc, &byte, 1))
        c->fault = true;
    c->pc++;
    return byte;
}

static uint32_t next_long(x86_ctx *c)
{
    uint32_t v = next_byte(c);

    v |= (uint32_t)next_byte(c) << 8;
    v |= (uint32_t)next_byte(c) << 16;
    return v | (uint32_t)next_byte(c) << 24;
}

/* SDM volume 2, tables 2-2 and 2-3. */
static void next_modrm(x86_ctx *c)
{
    uint8_t m = next_byte(c);

    c->mod = m >> 6;
    c->reg = m >> 3 & 7;
    c->rm = m & 7;
    c->base = c->rm;
    c->index = NO_REG;
    c->disp = 0;
    if (c->mod == 3)
        return;
    if (c->rm == 4) {
        uint8_t sib = next_byte(c);

        c->scale = sib >> 6;
        c->index = (sib >> 3 & 7) == 4 ? NO_REG : sib >> 3 & 7;
        c->base = sib & 7;
    }
    if (c->mod == 0 && c->base == 5) {
        c->base = NO_REG;
        c->disp = (int32_t)next_long(c);
    } else if (c->mod == 1) {
        c->disp = (int8_t)next_byte(c);
    } else if (c->mod == 2) {
        c->disp = (int32_t)next_long(c);
    }
}

static ir_val read_r(x86_ctx *c, uint32_t n)
{
    return ir_get(c->b, IR_I32, SLOT_EAX + n);
}

static void write_r(x86_ctx *c, uint32_t n, ir_val v)
{
    ir_put(c->b, v, SLOT_EAX + n);
}

/* AL CL DL BL AH CH DH BH */
static ir_val read_r8(x86_ctx *c, uint32_t n)
{
    return ir_trunc(c->b, IR_I8, ir_extract(c->b, read_r(c, n & 3), n & 4 ? 8 : 0, 8));
}

static void write_r8(x86_ctx *c, uint32_t n, ir_val v)
{
    ir_val whole = read_r(c, n & 3);

    write_r(c, n & 3, ir_insert(c->b, whole, ir_zext(c->b, IR_I32, v), n & 4 ? 8 : 0, 8));
}

static ir_val address(x86_ctx *c)
{
    ir_val a = ir_imm32(c->b, (uint32_t)c->disp);

    if (c->base != NO_REG)
        a = ir_add(c->b, a, read_r(c, c->base));
    if (c->index != NO_REG)
        a = ir_add(c->b, a, ir_shl(c->b, read_r(c, c->index), ir_imm32(c->b, c->scale)));
    if (c->fs)
        a = ir_add(c->b, a, ir_get(c->b, IR_I32, SLOT_FS_BASE));
    return a;
}

static ir_val read_rm(x86_ctx *c)
{
    return c->mod == 3 ? read_r(c, c->rm) : ir_ld(c->b, IR_I32, address(c), LONG_MEM);
}

static void write_rm(x86_ctx *c, ir_val v)
{
    if (c->mod == 3)
        write_r(c, c->rm, v);
    else
        ir_st(c->b, address(c), v, LONG_MEM);
}

static ir_val read_rm8(x86_ctx *c)
{
    return c->mod == 3 ? read_r8(c, c->rm) : ir_ld(c->b, IR_I8, address(c), BYTE_MEM);
}

static void write_rm8(x86_ctx *c, ir_val v)
{
    if (c->mod == 3)
        write_r8(c, c->rm, v);
    else
        ir_st(c->b, address(c), v, BYTE_MEM);
}

/* ---- instructions ---------------------------------------------------------------------------------------------- */

static void put_flags(x86_ctx *c, ir_val fl)
{
    ir_put(c->b, fl, SLOT_FLAGS);
}

/* The flags of a + ~b + 1, with CF and AF as borrows. */
static ir_val borrows(x86_ctx *c, ir_val fl)
{
    return ir_fl_flip(c->b, fl, IR_FLM_C | IR_FLM_A);
}

enum { ALU_ADD = 0, ALU_SUB = 5, ALU_CMP = 7 };

/* The result (of CMP: to be dropped); the flags in *fl. */
static ir_val alu(x86_ctx *c, uint32_t op, ir_val a, ir_val b, ir_val *fl)
{
    ir_val r;

    if (op == ALU_ADD)
        return ir_add_fl(c->b, a, b, fl);
    r = ir_sub_fl(c->b, a, b, fl);
    *fl = borrows(c, *fl);
    return r;
}

/* Memory is written before registers and flags: a fault finds them as they were. */
static pb_tr_status alu_rm(x86_ctx *c, uint32_t op, ir_val b)
{
    ir_val fl, r = alu(c, op, read_rm(c), b, &fl);

    if (op != ALU_CMP)
        write_rm(c, r);
    put_flags(c, fl);
    return PB_TR_NEXT;
}

static pb_tr_status add_rm8(x86_ctx *c)
{
    ir_val fl, r = ir_add_fl(c->b, read_rm8(c), read_r8(c, c->reg), &fl);

    write_rm8(c, r);
    put_flags(c, fl);
    return PB_TR_NEXT;
}

/* CF stays. */
static pb_tr_status inc_dec(x86_ctx *c, uint32_t n, bool dec)
{
    ir_val fl, r = alu(c, dec ? ALU_SUB : ALU_ADD, read_r(c, n), ir_imm32(c->b, 1), &fl);
    ir_val old = ir_get(c->b, IR_FL, SLOT_FLAGS);

    write_r(c, n, r);
    put_flags(c, ir_fl_merge(c->b, old, fl, IR_FLM_N | IR_FLM_Z | IR_FLM_V | IR_FLM_P | IR_FLM_A));
    return PB_TR_NEXT;
}

/* A count of 0 leaves the flags alone. */
static pb_tr_status shl(x86_ctx *c, ir_val count)
{
    ir_val fl, r = ir_shl_fl(c->b, read_rm(c), count, &fl);
    ir_val none = ir_eq_zero(c->b, ir_and(c->b, count, ir_imm32(c->b, 31)));
    ir_val old = ir_get(c->b, IR_FL, SLOT_FLAGS);

    write_rm(c, r);
    put_flags(c, ir_select(c->b, none, old, fl));
    return PB_TR_NEXT;
}

static pb_tr_status jcc(x86_ctx *c, uint32_t condition, int32_t offset)
{
    static const uint8_t conditions[16] = {
        IR_VS, IR_VC, IR_CS, IR_CC, IR_EQ, IR_NE, IR_LS, IR_HI,
        IR_MI, IR_PL, IR_PS, IR_PC, IR_LT, IR_GE, IR_LE, IR_GT
    };
    ir_val fl = ir_get(c->b, IR_FL, SLOT_FLAGS);

    if (condition == 6 || condition == 7) /* BE, A: of a carry, not of a borrow */
        fl = ir_fl_flip(c->b, fl, IR_FLM_C);
    ir_branch_cc(c->b, (ir_cc)conditions[condition], fl, (uint32_t)(c->pc + (uint64_t)offset),
                 c->pc);
    return PB_TR_END;
}

static void push(x86_ctx *c, ir_val v)
{
    ir_val sp = ir_sub(c->b, read_r(c, 4), ir_imm32(c->b, 4));

    ir_st(c->b, sp, v, STACK_MEM);
    write_r(c, 4, sp);
}

static ir_val pop(x86_ctx *c)
{
    ir_val sp = read_r(c, 4), v = ir_ld(c->b, IR_I32, sp, STACK_MEM);

    write_r(c, 4, ir_add(c->b, sp, ir_imm32(c->b, 4)));
    return v;
}

/* MOVSB; with REP one iteration, which goes back to the instruction: between iterations it can be
 * interrupted, and a fault finds the iterations before it done. */
static pb_tr_status movsb(x86_ctx *c)
{
    ir_block body = { 0 }, done = { 0 };
    ir_val count = read_r(c, 1), from, to, byte, one = ir_imm32(c->b, 1);

    if (c->rep) {
        body = ir_block_new(c->b);
        done = ir_block_new(c->b);
        ir_br_if(c->b, ir_eq_zero(c->b, count), done, body);
        ir_block_begin(c->b, body);
    }
    from = read_r(c, 6);
    to = read_r(c, 7);
    byte = ir_ld(c->b, IR_I8, c->fs ? ir_add(c->b, from, ir_get(c->b, IR_I32, SLOT_FS_BASE)) : from,
                 BYTE_MEM);
    ir_st(c->b, to, byte, BYTE_MEM);
    write_r(c, 6, ir_add(c->b, from, one));
    write_r(c, 7, ir_add(c->b, to, one));
    if (!c->rep)
        return PB_TR_NEXT;
    write_r(c, 1, ir_sub(c->b, count, one));
    ir_jump(c->b, c->start);
    ir_block_begin(c->b, done);
    ir_jump(c->b, c->pc);
    return PB_TR_END;
}

/* ---- x87 --------------------------------------------------------------------------------------------------------- */

static uint32_t st_slot(x86_ctx *c, uint32_t i)
{
    return SLOT_R0 + ((c->top + i) & 7);
}

static ir_val read_st(x86_ctx *c, uint32_t i)
{
    return ir_get(c->b, IR_F80, st_slot(c, i));
}

/* The translator follows TOP; units that begin later have it in their key. */
static void move_top(x86_ctx *c, int32_t by)
{
    c->top = (c->top + (uint32_t)by) & 7;
    ir_put(c->b, ir_imm32(c->b, c->top), SLOT_TOP);
    c->b->jump_flags = IR_NEW_KEY;
}

static void push_st(x86_ctx *c, ir_val v)
{
    move_top(c, -1);
    ir_put(c->b, v, st_slot(c, 0));
}

/* D8 and DE C0+i: FADD ST0, STi; FADDP STi, ST0 */
static pb_tr_status fadd(x86_ctx *c, bool and_pop)
{
    ir_val r = ir_fadd(c->b, read_st(c, 0), read_st(c, c->rm), IR_ROUND_ENV, 0);

    ir_put(c->b, r, st_slot(c, and_pop ? c->rm : 0));
    if (and_pop)
        move_top(c, 1);
    return PB_TR_NEXT;
}

static pb_tr_status undefined_insn(x86_ctx *c)
{
    ir_call(c->b, HELPER_UNDEFINED, IR_VOID, NULL, 0);
    ir_jump(c->b, c->start);
    return PB_TR_END;
}

static pb_tr_status x87(x86_ctx *c, uint32_t op)
{
    if (op == 0xd9 && c->mod == 3 && c->reg == 5 && c->rm == 0) { /* FLD1 */
        push_st(c, ir_const128(c->b, IR_F80, (pb_u128){ UINT64_C(1) << 63, 0x3fff }));
        return PB_TR_NEXT;
    }
    if (op == 0xdd && c->mod != 3 && c->reg == 0) { /* FLD m64 */
        ir_val v = ir_ld(c->b, IR_F64, address(c), DOUBLE_MEM);

        push_st(c, ir_fcvt_f80(c->b, v, 0));
        return PB_TR_NEXT;
    }
    if (op == 0xdd && c->mod != 3 && c->reg == 3) { /* FSTP m64 */
        ir_st(c->b, address(c), ir_fcvt(c->b, IR_F64, read_st(c, 0), IR_ROUND_ENV, 0), DOUBLE_MEM);
        move_top(c, 1);
        return PB_TR_NEXT;
    }
    if ((op == 0xd8 || op == 0xde) && c->mod == 3 && c->reg == 0)
        return fadd(c, op == 0xde);
    return undefined_insn(c);
}

/* ---- decoding ------------------------------------------------------------------------------------------------------ */

/* Reads the rest of an instruction: immediates behind ModRM. */
typedef struct x86_insn {
    uint8_t op;
    uint32_t imm;
} x86_insn;

static bool has_modrm(uint8_t op)
{
    switch (op) {
    case 0x00:
    case 0x01:
    case 0x03:
    case 0x29:
    case 0x2b:
    case 0x39:
    case 0x83:
    case 0x88:
    case 0x89:
    case 0x8a:
    case 0x8b:
    case 0xc1:
    case 0xd3:
    case 0xd8:
    case 0xd9:
    case 0xdd:
    case 0xde:
        return true;
    default:
        return false;
    }
}

static x86_insn fetch(x86_ctx *c)
{
    x86_insn i = { 0 };

    c->fs = c->rep = false;
    for (uint32_t prefixes = 0; prefixes < 14; prefixes++) {
        i.op = next_byte(c);
        if (i.op == 0x64)
            c->fs = true;
        else if (i.op == 0xf3)
            c->rep = true;
        else
            break;
    }
    if (has_modrm(i.op))
        next_modrm(c);
    if (i.op == 0x83 || i.op == 0xc1 || (i.op & 0xf0) == 0x70 || (i.op & 0xf8) == 0xb0 ||
        i.op == 0xeb)
        i.imm = next_byte(c);
    else if ((i.op & 0xf8) == 0xb8 || i.op == 0xe8)
        i.imm = next_long(c);
    return i;
}

static pb_tr_status translate_two_operands(x86_ctx *c, const x86_insn *i)
{
    ir_val fl, r;

    switch (i->op) {
    case 0x00:
        return add_rm8(c);
    case 0x01:
        return alu_rm(c, ALU_ADD, read_r(c, c->reg));
    case 0x29:
        return alu_rm(c, ALU_SUB, read_r(c, c->reg));
    case 0x39:
        return alu_rm(c, ALU_CMP, read_r(c, c->reg));
    case 0x03:
    case 0x2b:
        r = alu(c, i->op == 0x03 ? ALU_ADD : ALU_SUB, read_r(c, c->reg), read_rm(c), &fl);
        write_r(c, c->reg, r);
        put_flags(c, fl);
        return PB_TR_NEXT;
    case 0x83:
        if (c->reg != ALU_ADD && c->reg != ALU_SUB && c->reg != ALU_CMP)
            return undefined_insn(c);
        return alu_rm(c, c->reg, ir_imm32(c->b, (uint32_t)(int8_t)i->imm));
    case 0x88:
        write_rm8(c, read_r8(c, c->reg));
        return PB_TR_NEXT;
    case 0x89:
        write_rm(c, read_r(c, c->reg));
        return PB_TR_NEXT;
    case 0x8a:
        write_r8(c, c->reg, read_rm8(c));
        return PB_TR_NEXT;
    case 0x8b:
        write_r(c, c->reg, read_rm(c));
        return PB_TR_NEXT;
    case 0xc1:
        return c->reg == 4 ? shl(c, ir_imm32(c->b, i->imm)) : undefined_insn(c);
    case 0xd3:
        return c->reg == 4 ? shl(c, read_r(c, 1)) : undefined_insn(c);
    default:
        return x87(c, i->op);
    }
}

static pb_tr_status translate(x86_ctx *c, const x86_insn *i)
{
    uint32_t n = i->op & 7;

    if (has_modrm(i->op))
        return translate_two_operands(c, i);
    switch (i->op & 0xf8) {
    case 0x40:
    case 0x48:
        return inc_dec(c, n, i->op & 8);
    case 0x50:
        push(c, read_r(c, n));
        return PB_TR_NEXT;
    case 0x58:
        write_r(c, n, pop(c));
        return PB_TR_NEXT;
    case 0x70:
    case 0x78:
        return jcc(c, i->op & 15, (int8_t)i->imm);
    case 0xb0:
        write_r8(c, n, ir_imm(c->b, IR_I8, i->imm));
        return PB_TR_NEXT;
    case 0xb8:
        write_r(c, n, ir_imm32(c->b, i->imm));
        return PB_TR_NEXT;
    default:
        break;
    }
    switch (i->op) {
    case 0xa4:
        return movsb(c);
    case 0xc3:
        ir_jump_ind(c->b, pop(c), IR_HINT_RETURN);
        return PB_TR_END;
    case 0xe8:
        push(c, ir_imm32(c->b, (uint32_t)c->pc));
        ir_jump(c->b, (uint32_t)(c->pc + i->imm));
        return PB_TR_END;
    case 0xeb:
        ir_jump(c->b, (uint32_t)(c->pc + (uint64_t)(int8_t)i->imm));
        return PB_TR_END;
    case 0xf4: /* HLT */
        ir_exit(c->b, PB_RUN_IDLE, c->pc);
        return PB_TR_END;
    default:
        return undefined_insn(c);
    }
}

static pb_tr_status insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    x86_ctx *c = ctx;
    x86_insn i;

    c->b = b;
    c->reader = reader;
    c->start = c->pc = pc;
    c->fault = false;
    i = fetch(c);
    if (c->fault)
        return PB_TR_FETCH_FAULT;
    ir_insn(b, pc, (uint32_t)(c->pc - pc), 0);
    return translate(c, &i);
}

/* ---- the type ---------------------------------------------------------------------------------------------------------- */

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    return ((const tiny_x86 *)vcpu->state)->top & 7;
}

static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}

static void begin(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key)
{
    x86_ctx *c = ctx;

    c->top = (uint32_t)key;
}

static const pb_translator translator = {
    .size = sizeof(pb_translator),
    .ctx_size = sizeof(x86_ctx),
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
    tiny_x86 *s = self;
    pb_vcpu *vcpu = pb_vcpu_of_state(self);

    memset(s->r, 0, sizeof(s->r));
    memset(s->fpr, 0, sizeof(s->fpr));
    s->eip = s->flags = s->fs_base = s->top = 0;
    vcpu->fp[0] = (pb_fp_env){ .rules = pb_fp_rules_x87(), .precision = 64 };
}

static const pb_cpu_type tiny_x86_type = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "tiny-x86",
              .doc = "A piece of an x86, for tests",
              .instance_size = sizeof(tiny_x86),
              PB_SELF(tiny_x86, self),
              .reset = reset },
    .slots = slots,
    .pc_slot = SLOT_EIP,
    .translator = &translator,
    .walk = walk,
    .raise = raise_fault,
    .interrupt = interrupt,
    .has_work = has_work,
    .data_mmu = data_mmu,
    .insn_align = 1,
};

static const pb_class *const types[] = { &tiny_x86_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "cpu-tiny-x86",
    .version = "0.1",
    .licence = "MIT",
    .doc = "A piece of an x86, for tests",
    .types = types,
};
