/*
 * A piece of an Armv7-M processor, to prove that IR and ABI carry one. Armv7-M Architecture Reference Manual,
 * DDI 0403.
 *
 * There: IT blocks, banked stack pointers, exception entry and return (SVC), a few Thumb instructions. Left out:
 * everything else, also faults (they leave with PB_RUN_DEBUG), priorities, privilege, the MPU and floating point.
 *
 * The unit key is ITSTATE in bits 7:0, handler mode in bit 8, CONTROL.SPSEL in bit 9.
 */
#include <patchbay/accel.h>

typedef struct tiny_m {
    pb_object *self;
    uint32_t r[13], msp, psp, lr, pc;
    uint32_t flags;   /* packed (ir.h) */
    uint8_t itstate;  /* EPSR.IT */
    uint32_t ipsr;    /* exception number, 0: thread mode */
    uint32_t control; /* SPSEL is bit 1 */
    uint32_t vtor;
} tiny_m;

enum {
    SLOT_R0 = 0,
    SLOT_MSP = 13,
    SLOT_PSP,
    SLOT_LR,
    SLOT_PC,
    SLOT_FLAGS,
    SLOT_ITSTATE,
    SLOT_IPSR,
    SLOT_CONTROL,
    SLOT_VTOR
};

#define GENERAL(name_, n)                                                                  \
    {                                                                                      \
        .name = name_, .type = IR_I32, PB_SLOT(tiny_m, r[n]), .group = "general", .gdb = n \
    }

static const pb_slot slots[] = {
    GENERAL("r0", 0),
    GENERAL("r1", 1),
    GENERAL("r2", 2),
    GENERAL("r3", 3),
    GENERAL("r4", 4),
    GENERAL("r5", 5),
    GENERAL("r6", 6),
    GENERAL("r7", 7),
    GENERAL("r8", 8),
    GENERAL("r9", 9),
    GENERAL("r10", 10),
    GENERAL("r11", 11),
    GENERAL("r12", 12),
    { .name = "msp", .type = IR_I32, PB_SLOT(tiny_m, msp), .group = "general", .gdb = -1 },
    { .name = "psp", .type = IR_I32, PB_SLOT(tiny_m, psp), .group = "general", .gdb = -1 },
    { .name = "lr", .type = IR_I32, PB_SLOT(tiny_m, lr), .group = "general", .gdb = 14 },
    { .name = "pc", .type = IR_I32, PB_SLOT(tiny_m, pc), .group = "general", .gdb = 15 },
    { .name = "flags", .type = IR_FL, PB_SLOT(tiny_m, flags), .group = "general", .gdb = -1 },
    { .name = "itstate", .type = IR_I8, PB_SLOT(tiny_m, itstate), .group = "system", .gdb = -1 },
    { .name = "ipsr", .type = IR_I32, PB_SLOT(tiny_m, ipsr), .group = "system", .gdb = -1 },
    { .name = "control", .type = IR_I32, PB_SLOT(tiny_m, control), .group = "system", .gdb = -1 },
    { .name = "vtor", .type = IR_I32, PB_SLOT(tiny_m, vtor), .group = "system", .gdb = -1 },
    { 0 },
};

/* ---- exceptions: section B1.5 ------------------------------------------------------------------------------ */

enum {
    WORD = PB_MEM_SIZE_LOG2(2),
    WORD_ALIGNED = WORD | PB_MEM_ALIGN_LOG2(2),
    STACK = WORD_ALIGNED | PB_MEM_KIND(PB_MEM_STACK)
};

enum { XPSR_THUMB = 1 << 24, XPSR_ALIGNED = 1 << 9, SPSEL = 2 };

static uint64_t leave(pb_vcpu *vcpu, uint32_t reason)
{
    vcpu->leave_reason = reason;
    vcpu->unwind = 1;
    return 0;
}

static uint32_t *current_sp(tiny_m *s)
{
    return s->ipsr == 0 && s->control & SPSEL ? &s->psp : &s->msp;
}

static uint32_t read_xpsr(const tiny_m *s)
{
    uint32_t it = s->itstate;
    uint32_t fl = s->flags;

    return (fl >> IR_FLAG_N & 1) << 31 | (fl >> IR_FLAG_Z & 1) << 30 | (fl >> IR_FLAG_C & 1) << 29 |
           (fl >> IR_FLAG_V & 1) << 28 | (it & 3) << 25 | XPSR_THUMB | (it >> 2) << 10 | s->ipsr;
}

static void write_xpsr(tiny_m *s, uint32_t xpsr)
{
    s->flags = (xpsr >> 31 & 1) << IR_FLAG_N | (xpsr >> 30 & 1) << IR_FLAG_Z |
               (xpsr >> 29 & 1) << IR_FLAG_C | (xpsr >> 28 & 1) << IR_FLAG_V;
    s->itstate = (uint8_t)((xpsr >> 25 & 3) | (xpsr >> 10 & 0x3f) << 2);
    s->ipsr = xpsr & 0x1ff;
}

/* PushStack and ExceptionTaken: a frame of eight words, aligned to 8. False: a store faulted. */
static bool take_exception(pb_vcpu *vcpu, uint32_t number, uint32_t return_address)
{
    tiny_m *s = vcpu->state;
    uint32_t *sp = current_sp(s), old = *sp, frame = (old - 32) & ~7u;
    uint32_t words[8] = { s->r[0],        s->r[1],
                          s->r[2],        s->r[3],
                          s->r[12],       s->lr,
                          return_address, read_xpsr(s) | (old & 4 ? XPSR_ALIGNED : 0) };
    pb_guest_fault fault;
    pb_u128 vector;

    for (uint32_t i = 0; i < 8; i++)
        if (vcpu->ops->store(vcpu, frame + 4 * i, STACK, (pb_u128){ words[i], 0 }, &fault) !=
            PB_MEM_OK)
            return false;
    if (vcpu->ops->load(vcpu, s->vtor + 4 * number, WORD_ALIGNED, &vector, &fault) != PB_MEM_OK)
        return false;
    *sp = frame;
    s->lr = s->ipsr ? 0xfffffff1 : s->control & SPSEL ? 0xfffffffd : 0xfffffff9;
    s->ipsr = number;
    s->itstate = 0;
    s->control &= ~(uint32_t)SPSEL;
    s->pc = (uint32_t)vector.lo & ~1u;
    return true;
}

/* a: address of the next instruction */
static uint64_t svc(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    if (!take_exception(vcpu, 11, (uint32_t)a))
        return leave(vcpu, PB_RUN_DEBUG);
    vcpu->unwind = 1;
    return 0;
}

/* ExceptionReturn and PopStack. a: EXC_RETURN */
static uint64_t exception_return(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                 uint64_t e, uint64_t f)
{
    tiny_m *s = vcpu->state;
    bool process = (a & 15) == 13;
    uint32_t *sp = process ? &s->psp : &s->msp, words[8];
    pb_guest_fault fault;
    pb_u128 value;

    if ((a & 15) != 1 && (a & 15) != 9 && (a & 15) != 13)
        return leave(vcpu, PB_RUN_DEBUG);
    for (uint32_t i = 0; i < 8; i++) {
        if (vcpu->ops->load(vcpu, *sp + 4 * i, STACK, &value, &fault) != PB_MEM_OK)
            return leave(vcpu, PB_RUN_DEBUG);
        words[i] = (uint32_t)value.lo;
    }
    memcpy(s->r, words, 16);
    s->r[12] = words[4];
    s->lr = words[5];
    s->pc = words[6] & ~1u;
    *sp = (*sp + 32) | (words[7] & XPSR_ALIGNED ? 4 : 0);
    write_xpsr(s, words[7]);
    s->control = process ? s->control | SPSEL : s->control & ~(uint32_t)SPSEL;
    vcpu->unwind = 1;
    return 0;
}

static uint64_t undefined(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    return leave(vcpu, PB_RUN_DEBUG);
}

enum { HELPER_UNDEFINED, HELPER_SVC, HELPER_EXCEPTION_RETURN };

enum {
    FLOW = PB_HELPER_ALL_SLOTS | PB_HELPER_NO_RETURN | PB_HELPER_MAY_EXIT | PB_HELPER_READS_MEMORY |
           PB_HELPER_WRITES_MEMORY
};

static const pb_helper helpers[] = {
    [HELPER_UNDEFINED] = { .name = "undefined", .flags = FLOW, .scalar = undefined },
    [HELPER_SVC] = { .name = "svc", .flags = FLOW, .n_args = 1, .args = { IR_I32 }, .scalar = svc },
    [HELPER_EXCEPTION_RETURN] = { .name = "exception_return",
                                  .flags = FLOW,
                                  .n_args = 1,
                                  .args = { IR_I32 },
                                  .scalar = exception_return },
    { 0 },
};

/* ---- operands ------------------------------------------------------------------------------------------------ */

typedef struct m_ctx {
    ir_builder *b;
    uint32_t pc, next;
    uint32_t word; /* the first halfword, and of long instructions the second below it */
    uint8_t itstate;
    bool handler;
    uint32_t sp_slot;
} m_ctx;

static uint32_t slot_of(const m_ctx *c, uint32_t n)
{
    return n < 13 ? SLOT_R0 + n : n == 13 ? c->sp_slot : SLOT_LR;
}

/* Rn; the pc reads as the instruction's address + 4. */
static ir_val read_r(m_ctx *c, uint32_t n)
{
    return n == 15 ? ir_imm32(c->b, c->pc + 4) : ir_get(c->b, IR_I32, slot_of(c, n));
}

static void write_r(m_ctx *c, uint32_t n, ir_val v)
{
    ir_put(c->b, n == 13 ? ir_and(c->b, v, ir_imm32(c->b, ~3u)) : v, slot_of(c, n));
}

static uint32_t bits(const m_ctx *c, uint32_t lsb, uint32_t n)
{
    return c->word >> lsb & ((1u << n) - 1);
}

static bool in_it(const m_ctx *c)
{
    return c->itstate & 15;
}

/* ITAdvance, section A7.3.3 */
static uint8_t advanced(uint8_t itstate)
{
    return itstate & 7 ? (uint8_t)((itstate & 0xe0) | (itstate << 1 & 0x1f)) : 0;
}

/* The last of an instruction in an IT block: its successor's state. Units that begin there have it in
 * their key. */
static void end_it(m_ctx *c)
{
    if (!in_it(c))
        return;
    ir_put(c->b, ir_imm(c->b, IR_I8, advanced(c->itstate)), SLOT_ITSTATE);
    c->b->jump_flags = IR_NEW_KEY;
}

static void put_flags(m_ctx *c, ir_val fl, uint32_t mask)
{
    if (mask)
        fl = ir_fl_merge(c->b, ir_get(c->b, IR_FL, SLOT_FLAGS), fl, mask);
    ir_put(c->b, fl, SLOT_FLAGS);
}

/* ---- instructions ---------------------------------------------------------------------------------------------- */

static pb_tr_status undefined_insn(m_ctx *c)
{
    ir_call(c->b, HELPER_UNDEFINED, IR_VOID, NULL, 0);
    ir_jump_flags(c->b, c->pc, IR_NEW_KEY);
    return PB_TR_END;
}

/* ADD, SUB: flags only outside of IT blocks, and for CMP (d is 16). */
static pb_tr_status add_sub(m_ctx *c, bool sub, uint32_t d, ir_val n, ir_val m)
{
    ir_val fl, r = sub ? ir_sub_fl(c->b, n, m, &fl) : ir_add_fl(c->b, n, m, &fl);

    if (d < 16)
        write_r(c, d, r);
    if (d == 16 || !in_it(c))
        put_flags(c, fl, 0);
    return PB_TR_NEXT;
}

static pb_tr_status mov_immediate(m_ctx *c)
{
    ir_val fl, v = ir_imm32(c->b, bits(c, 0, 8));

    write_r(c, bits(c, 8, 3), v);
    if (!in_it(c)) {
        ir_and_fl(c->b, v, v, &fl);
        put_flags(c, fl, IR_FLM_N | IR_FLM_Z);
    }
    return PB_TR_NEXT;
}

/* BXWritePC: in handler mode values from 0xf0000000 on return from an exception. */
static pb_tr_status branch_exchange(m_ctx *c, ir_val target, ir_jump_hint hint)
{
    ir_block back, normal;

    end_it(c);
    if (c->handler) {
        back = ir_block_new(c->b);
        normal = ir_block_new(c->b);
        ir_br_if(c->b, ir_le_u(c->b, ir_imm32(c->b, 0xf0000000), target), back, normal);
        ir_block_begin(c->b, back);
        ir_call(c->b, HELPER_EXCEPTION_RETURN, IR_VOID, &target, 1);
        ir_jump_flags(c->b, c->pc, IR_NEW_KEY);
        ir_block_begin(c->b, normal);
    }
    ir_jump_ind(c->b, ir_and(c->b, target, ir_imm32(c->b, ~1u)), hint);
    return PB_TR_END;
}

/* Registers of the list, and LR; lowest register at the lowest address. */
static pb_tr_status push(m_ctx *c)
{
    uint32_t list = bits(c, 0, 8) | bits(c, 8, 1) << 14;
    uint32_t count = (uint32_t)__builtin_popcount(list), at = 0;
    ir_val sp = ir_sub(c->b, read_r(c, 13), ir_imm32(c->b, 4 * count));

    for (uint32_t n = 0; n < 15; n++)
        if (list >> n & 1)
            ir_st(c->b, ir_add(c->b, sp, ir_imm32(c->b, 4 * at++)), read_r(c, n),
                  STACK | PB_MEM_SPAN(1));
    write_r(c, 13, sp);
    return PB_TR_NEXT;
}

static pb_tr_status pop(m_ctx *c)
{
    uint32_t list = bits(c, 0, 8), at = 0;
    bool to_pc = bits(c, 8, 1);
    ir_val sp = read_r(c, 13), values[9];

    for (uint32_t n = 0; n < 9; n++)
        if ((list | (uint32_t)to_pc << 8) >> n & 1)
            values[n] = ir_ld(c->b, IR_I32, ir_add(c->b, sp, ir_imm32(c->b, 4 * at++)),
                              STACK | PB_MEM_SPAN(1));
    for (uint32_t n = 0; n < 8; n++)
        if (list >> n & 1)
            write_r(c, n, values[n]);
    write_r(c, 13, ir_add(c->b, sp, ir_imm32(c->b, 4 * at)));
    return to_pc ? branch_exchange(c, values[8], IR_HINT_RETURN) : PB_TR_NEXT;
}

static pb_tr_status load_store(m_ctx *c, ir_val base, uint32_t offset, uint32_t t, bool load)
{
    ir_val at = ir_add(c->b, base, ir_imm32(c->b, offset));

    if (load)
        write_r(c, t, ir_ld(c->b, IR_I32, at, WORD));
    else
        ir_st(c->b, at, read_r(c, t), WORD);
    return PB_TR_NEXT;
}

/* IT: the condition and mask of the next one to four instructions. */
static pb_tr_status it(m_ctx *c)
{
    ir_put(c->b, ir_imm(c->b, IR_I8, bits(c, 0, 8)), SLOT_ITSTATE);
    c->b->jump_flags = IR_NEW_KEY;
    c->itstate = 0; /* insn() takes the new one */
    return PB_TR_NEXT;
}

static pb_tr_status jump(m_ctx *c, uint32_t target)
{
    end_it(c);
    ir_jump(c->b, target);
    return PB_TR_END;
}

static pb_tr_status conditional_branch(m_ctx *c)
{
    uint32_t cond = bits(c, 8, 4), target = c->pc + 4 + (uint32_t)((int32_t)(int8_t)c->word * 2);

    if (cond == 15) { /* SVC: the frame holds the next instruction and its ITSTATE */
        ir_val next = ir_imm32(c->b, c->next);

        end_it(c);
        ir_call(c->b, HELPER_SVC, IR_VOID, &next, 1);
        ir_jump_flags(c->b, c->next, IR_NEW_KEY);
        return PB_TR_END;
    }
    if (cond == 14)
        return undefined_insn(c);
    ir_branch_cc(c->b, (ir_cc)cond, ir_get(c->b, IR_FL, SLOT_FLAGS), target, c->next);
    return PB_TR_END;
}

/* BL, encoding T1 */
static pb_tr_status bl(m_ctx *c)
{
    uint32_t s = bits(c, 26, 1), j1 = bits(c, 13, 1), j2 = bits(c, 11, 1);
    uint32_t offset =
        bits(c, 0, 11) << 1 | bits(c, 16, 10) << 12 | (j2 == s) << 22 | (j1 == s) << 23;

    write_r(c, 14, ir_imm32(c->b, c->next | 1));
    return jump(c, c->pc + 4 + (s ? offset | 0xff000000 : offset));
}

static uint32_t special_slot(uint32_t sysm)
{
    return sysm == 8 ? SLOT_MSP : sysm == 9 ? SLOT_PSP : sysm == 20 ? SLOT_CONTROL : SLOT_IPSR;
}

/* MRS and MSR of MSP, PSP, CONTROL and IPSR. CONTROL.SPSEL can be changed in thread mode only. */
static pb_tr_status special(m_ctx *c, bool write)
{
    uint32_t sysm = bits(c, 0, 8), slot = special_slot(sysm);

    if (sysm != 5 && sysm != 8 && sysm != 9 && sysm != 20)
        return undefined_insn(c);
    if (!write) {
        write_r(c, bits(c, 8, 4), ir_get(c->b, IR_I32, slot));
        return PB_TR_NEXT;
    }
    if (slot == SLOT_IPSR || (slot == SLOT_CONTROL && c->handler))
        return PB_TR_NEXT;
    if (slot != SLOT_CONTROL) {
        ir_put(c->b, ir_and(c->b, read_r(c, bits(c, 16, 4)), ir_imm32(c->b, ~3u)), slot);
        return PB_TR_NEXT;
    }
    ir_put(c->b, ir_and(c->b, read_r(c, bits(c, 16, 4)), ir_imm32(c->b, SPSEL)), slot);
    end_it(c);
    ir_jump_flags(c->b, c->next, IR_NEW_KEY);
    return PB_TR_END;
}

static pb_tr_status translate_long(m_ctx *c)
{
    if ((c->word & 0xf800d000) == 0xf000d000)
        return bl(c);
    if ((c->word & 0xfffff000) == 0xf3ef8000)
        return special(c, false);
    if ((c->word & 0xfff0ff00) == 0xf3808800)
        return special(c, true);
    return undefined_insn(c);
}

/* Section A5.2 */
static pb_tr_status translate_short(m_ctx *c)
{
    uint32_t low = bits(c, 0, 3), next = bits(c, 3, 3), byte = bits(c, 0, 8), r8 = bits(c, 8, 3);

    switch (bits(c, 9, 7)) {
    case 0x0c: /* ADD, SUB register, 3-bit immediate */
    case 0x0d:
        return add_sub(c, bits(c, 9, 1), low, read_r(c, next), read_r(c, bits(c, 6, 3)));
    case 0x0e:
    case 0x0f:
        return add_sub(c, bits(c, 9, 1), low, read_r(c, next), ir_imm32(c->b, bits(c, 6, 3)));
    case 0x5a: /* PUSH */
        return push(c);
    case 0x5e: /* POP */
        return pop(c);
    default:
        break;
    }
    switch (bits(c, 11, 5)) {
    case 0x04:
        return mov_immediate(c);
    case 0x05: /* CMP */
        return add_sub(c, true, 16, read_r(c, r8), ir_imm32(c->b, byte));
    case 0x06:
    case 0x07:
        return add_sub(c, bits(c, 11, 1), r8, read_r(c, r8), ir_imm32(c->b, byte));
    case 0x09: /* LDR literal */
        return load_store(c, ir_imm32(c->b, (c->pc + 4) & ~3u), 4 * byte, r8, true);
    case 0x0c: /* STR, LDR immediate */
    case 0x0d:
        return load_store(c, read_r(c, next), 4 * bits(c, 6, 5), low, bits(c, 11, 1));
    case 0x1c: /* B */
        return jump(c, c->pc + 4 + (uint32_t)((int32_t)(c->word << 21) >> 20));
    default:
        break;
    }
    if (bits(c, 12, 4) == 0xd)
        return conditional_branch(c);
    if (bits(c, 8, 8) == 0x46) { /* MOV, any registers */
        uint32_t d = low | bits(c, 7, 1) << 3;

        if (d == 15)
            return undefined_insn(c);
        write_r(c, d, read_r(c, bits(c, 3, 4)));
        return PB_TR_NEXT;
    }
    if (bits(c, 7, 9) == 0x8e) /* BX */
        return branch_exchange(c, read_r(c, bits(c, 3, 4)),
                               bits(c, 3, 4) == 14 ? IR_HINT_RETURN : IR_HINT_JUMP);
    if (bits(c, 8, 8) == 0xbf && bits(c, 0, 4))
        return it(c);
    if (bits(c, 0, 16) == 0xbf00) /* NOP */
        return PB_TR_NEXT;
    if (bits(c, 0, 16) == 0xbf30) { /* WFI */
        end_it(c);
        ir_exit(c->b, PB_RUN_IDLE, c->next);
        return PB_TR_END;
    }
    return undefined_insn(c);
}

static pb_tr_status translate(m_ctx *c)
{
    return c->next - c->pc == 4 ? translate_long(c) : translate_short(c);
}

/* An instruction in an IT block: around it, if its condition does not hold. */
static pb_tr_status translate_conditional(m_ctx *c)
{
    uint32_t cond = c->itstate >> 4;
    ir_block yes, no;
    pb_tr_status status;

    if (cond == 14) {
        status = translate(c);
        if (status == PB_TR_NEXT)
            end_it(c);
        return status;
    }
    yes = ir_block_new(c->b);
    no = ir_block_new(c->b);
    ir_br_cc(c->b, (ir_cc)cond, ir_get(c->b, IR_FL, SLOT_FLAGS), yes, no);
    ir_block_begin(c->b, yes);
    status = translate(c);
    if (status == PB_TR_NEXT)
        ir_br(c->b, no, NULL, 0);
    ir_block_begin(c->b, no);
    end_it(c);
    if (status == PB_TR_END)
        ir_jump(c->b, c->next);
    return status;
}

static pb_tr_status insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    m_ctx *c = ctx;
    pb_tr_status status;
    uint16_t half[2];
    uint8_t before;

    if (!reader->read(reader, pc, &half[0], 2))
        return PB_TR_FETCH_FAULT;
    c->b = b;
    c->pc = (uint32_t)pc;
    c->next = c->pc + 2;
    c->word = half[0];
    if (half[0] >= 0xe800) {
        if (!reader->read(reader, pc + 2, &half[1], 2))
            return PB_TR_FETCH_FAULT;
        c->word = (uint32_t)half[0] << 16 | half[1];
        c->next += 2;
    }
    ir_insn(b, pc, c->next - c->pc, c->itstate);
    before = c->itstate;
    if (in_it(c))
        status = translate_conditional(c);
    else
        status = translate(c);
    if (before & 15)
        c->itstate = advanced(before);
    else if ((c->word & 0xffffff00) == 0xbf00 && c->word & 15)
        c->itstate = (uint8_t)c->word;
    return status;
}

/* ---- the type ---------------------------------------------------------------------------------------------------------- */

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    const tiny_m *s = vcpu->state;

    return s->itstate | (uint64_t)(s->ipsr != 0) << 8 | (uint64_t)(s->control >> 1 & 1) << 9;
}

static uint32_t fetch_mmu(uint64_t key)
{
    return 0;
}

static void begin(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key)
{
    m_ctx *c = ctx;

    c->itstate = (uint8_t)key;
    c->handler = key >> 8 & 1;
    c->sp_slot = !c->handler && key >> 9 & 1 ? SLOT_PSP : SLOT_MSP;
}

static const pb_translator translator = {
    .size = sizeof(pb_translator),
    .ctx_size = sizeof(m_ctx),
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

/* No fault exceptions here: whoever runs us looks. */
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
    tiny_m *s = self;
    pb_object *object = s->self;

    *s = (tiny_m){ .self = object };
}

static const pb_cpu_type tiny_m_type = {
    .head = { .size = sizeof(pb_cpu_type),
              .kind = PB_KIND_CPU,
              .name = "tiny-m",
              .doc = "A piece of an Armv7-M processor, for tests",
              .instance_size = sizeof(tiny_m),
              PB_SELF(tiny_m, self),
              .reset = reset },
    .slots = slots,
    .pc_slot = SLOT_PC,
    .translator = &translator,
    .walk = walk,
    .raise = raise_fault,
    .interrupt = interrupt,
    .has_work = has_work,
    .data_mmu = data_mmu,
    .insn_align = 2,
};

static const pb_class *const types[] = { &tiny_m_type.head, NULL };

PB_EXPORT const pb_plugin pb_plugin_entry = {
    .size = sizeof(pb_plugin),
    .abi_major = PB_ABI_MAJOR,
    .abi_minor = PB_ABI_MINOR,
    .id = "cpu-tiny-m",
    .version = "0.1",
    .licence = "MIT",
    .doc = "A piece of an Armv7-M processor, for tests",
    .types = types,
};
