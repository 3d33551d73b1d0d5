/*
 * Code that all units share: entering and leaving emitted code, calls of C with the registers saved.
 *
 * C is called by the System V ABI (x86-64 psABI 3.2). Of the registers in use it keeps rbx, rbp, r12 to r15; thunks
 * save the others that pins may be in. Units empty the free ones before they call.
 */
#include "slow.h"

enum { RDI_IS_VCPU = -(PB_VCPU_STATE_OFFSET + CG_BIAS) };

typedef struct maker {
    asm_buffer a;
    x86_codegen *self;
    const pb_code_slice *slice;
    uint32_t leave, leave_raw; /* offsets */
    uint32_t n_rows;           /* of frames; more than there is room for are counted only */
} maker;

/* Saved around C calls that do not look at the state. */
static const uint8_t caller_saved[] = { RSI, RDI, R8, R9, R10, R11 };

static const uint8_t *here(const maker *m)
{
    return m->slice->rx + asm_offset(&m->a);
}

static void begin(maker *m)
{
    asm_nop(&m->a, (16 - (asm_offset(&m->a) & 15)) % 16 > 9 ? 9 : 0);
    asm_nop(&m->a, (16 - (asm_offset(&m->a) & 15)) % 16);
}

static asm_mem home_of(const maker *m, uint32_t slot)
{
    return asm_at(RBP, (int32_t)m->self->cpu->slots[slot].offset - CG_BIAS);
}

static asm_mem vcpu_at(int64_t offset)
{
    return asm_at(RBP, (int32_t)(offset - PB_VCPU_STATE_OFFSET - CG_BIAS));
}

static void move_pin(maker *m, const cg_pin *pin, bool load)
{
    uint32_t bytes = pb_slot_bytes(m->self->cpu->slots[pin->slot].type);
    asm_mem home = home_of(m, pin->slot);

    if (pin->reg < XMM0) {
        if (load)
            asm_load(&m->a, bytes == 8 ? W64 : W32, pin->reg, home);
        else
            asm_store(&m->a, bytes == 8 ? W64 : W32, home, pin->reg);
    } else if (bytes == 8) {
        asm_rm(&m->a, load ? SSE_MOVQ_LOAD : SSE_MOVQ_STORE, pin->reg - XMM0, home);
    } else {
        asm_rm(&m->a, load ? SSE_MOVUPS_LOAD : SSE_MOVUPS_STORE, pin->reg - XMM0, home);
    }
}

static void load_pins(maker *m)
{
    for (uint32_t i = 0; i < m->self->n_pins; i++)
        move_pin(m, &m->self->pins[i], true);
}

/* Pinned slots to the state, and bundles as others want to see them. */
static void store_state(maker *m)
{
    for (uint32_t i = 0; i < m->self->n_pins; i++)
        move_pin(m, &m->self->pins[i], false);
    for (uint32_t i = 0; i < m->self->n_flag_slots; i++) {
        uint32_t slot = m->self->flag_slots[i];

        asm_alu_mem_imm(&m->a, ALU_AND, W32, home_of(m, slot),
                        (int32_t)pb_slot_flags(&m->self->cpu->slots[slot]));
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------- */

static const uint8_t pushed[] = { RBX, RBP, R12, R13, R14, R15 };

enum {
    DWARF_RETURN = 16,
    ENTERED_BYTES = 8 + 8 * sizeof(pushed),
    UNIT_BYTES = ENTERED_BYTES + CG_FRAME_BYTES
};

/* The return address, then `pushed`, by DWARF's numbers (x86-64 psABI, 3.6.2). */
static const uint8_t saved_in_frame[] = { DWARF_RETURN, 3, 6, 12, 13, 14, 15 };

/* From here on the frame has that many bytes, of which the return address and some of `pushed` are the last. */
static void frame(maker *m, uint32_t bytes, uint32_t n_pushed)
{
    if (m->n_rows < sizeof(m->self->frame_rows) / sizeof(m->self->frame_rows[0]))
        m->self->frame_rows[m->n_rows] =
            (pb_code_frame){ asm_offset(&m->a), (uint16_t)bytes, (uint16_t)(1 + n_pushed) };
    m->n_rows++;
}

/* Code from here on was jumped to, with a unit's frame. */
static void frame_of_unit(maker *m)
{
    frame(m, UNIT_BYTES, sizeof(pushed));
}

/* Code from here on was called by a unit, and has moved the stack pointer so far since. */
static void frame_of_called(maker *m, uint32_t moved)
{
    frame(m, 8 + moved, 0);
}

static void make_frames(maker *m)
{
    x86_codegen *s = m->self;

    s->frames = (pb_code_frames){ .size = sizeof(s->frames),
                                  .n_thunks = m->n_rows,
                                  .thunks = s->frame_rows,
                                  .unit = { 0, UNIT_BYTES, sizeof(saved_in_frame) },
                                  .saved = saved_in_frame,
                                  .n_saved = sizeof(saved_in_frame),
                                  .stack_pointer = 7,
                                  .return_address = DWARF_RETURN };
}

/* Before C is called or behind it: with an odd number of words on the stack it would be unaligned. */
static void move_stack(maker *m, int32_t bytes)
{
    asm_alu_imm(&m->a, bytes > 0 ? ALU_SUB : ALU_ADD, W64, RSP, bytes > 0 ? bytes : -bytes);
    frame_of_called(m, bytes > 0 ? (uint32_t)bytes : 0);
}

/* ---- entering and leaving ----------------------------------------------------------------------------------- */

/* Where the program's memory begins, or what emit_index() takes the index from an address with. */
static uint64_t value_of_r14(const x86_codegen *self)
{
    if (self->direct)
        return (uintptr_t)self->window.base;
    return self->features & CG_FAST_PEXT ? (PB_TLB_ENTRIES - 1) << PB_PAGE_BITS
                                         : PB_PAGE_BITS | PB_TLB_BITS << 8;
}

static void make_enter(maker *m)
{
    begin(m);
    m->self->thunk_enter = here(m);
    frame(m, 8, 0);
    for (uint32_t i = 0; i < sizeof(pushed); i++) {
        asm_push(&m->a, pushed[i]);
        frame(m, 16 + 8 * i, i + 1);
    }
    asm_alu_imm(&m->a, ALU_SUB, W64, RSP, CG_FRAME_BYTES);
    frame_of_unit(m);
    asm_store(&m->a, W64, cg_frame_at(CG_FRAME_EXIT), RDX);
    asm_store(&m->a, W64, cg_frame_at(CG_FRAME_SELF), RCX);
    asm_lea(&m->a, W64, RBP, asm_at(RDI, -(RDI_IS_VCPU)));
    asm_mov(&m->a, W64, RAX, RSI);
    asm_mov_imm(&m->a, R14, value_of_r14(m->self));
    load_pins(m);
    asm_jmp_reg(&m->a, RAX);
}

static void make_leave(maker *m)
{
    begin(m);
    m->leave = asm_offset(&m->a);
    m->self->thunk_exit = here(m);
    frame_of_unit(m);
    store_state(m);
    m->leave_raw = asm_offset(&m->a);
    asm_alu_imm(&m->a, ALU_ADD, W64, RSP, CG_FRAME_BYTES);
    frame(m, ENTERED_BYTES, sizeof(pushed));
    for (uint32_t i = sizeof(pushed); i-- > 0;) {
        asm_pop(&m->a, pushed[i]);
        frame(m, 8 + 8 * i, i);
    }
    asm_ret(&m->a);
}

/* Leave with a kind; rax: the pc, or the site; rdx: the reason, or the site beside a pc. */
static const uint8_t *make_exit(maker *m, uint32_t kind)
{
    const pb_slot *pc = &m->self->cpu->slots[m->self->cpu->pc_slot];
    const uint8_t *start;

    begin(m);
    start = here(m);
    asm_load(&m->a, W64, RCX, cg_frame_at(CG_FRAME_EXIT));
    asm_store_imm(&m->a, W32, asm_at(RCX, offsetof(pb_code_exit, kind)), kind);
    if (kind == PB_CODE_EXIT_LINK)
        asm_store(&m->a, W64, asm_at(RCX, offsetof(pb_code_exit, site)), RAX);
    else if (kind != PB_CODE_EXIT_UNWOUND)
        asm_store(&m->a, pc->type == IR_I32 ? W32 : W64, home_of(m, m->self->cpu->pc_slot), RAX);
    if (kind == PB_CODE_EXIT_CHANGED || kind == PB_CODE_EXIT_ALONE)
        asm_store(&m->a, W64, asm_at(RCX, offsetof(pb_code_exit, site)), RDX);
    if (kind == PB_CODE_EXIT_REASON)
        asm_store(&m->a, W32, asm_at(RCX, offsetof(pb_code_exit, reason)), RDX);
    asm_patch(&m->a, asm_jmp(&m->a), kind == PB_CODE_EXIT_UNWOUND ? m->leave_raw : m->leave);
    return start;
}

void emit_jump_index(asm_buffer *a, const pb_cpu_type *cpu)
{
    uint32_t shift = cpu->insn_align >= 4 ? 2 : cpu->insn_align == 2 ? 3 : 4;

    if (shift < 4) {
        asm_lea(a, W32, RDX, asm_index(ASM_NO_REG, RAX, shift, 0));
    } else {
        asm_mov(a, W32, RDX, RAX);
        asm_shift_imm(a, SHIFT_SHL, W32, RDX, shift);
    }
    asm_alu_imm(a, ALU_AND, W32, RDX, (PB_JUMP_ENTRIES - 1) * sizeof(pb_jump_entry));
}

/* An indirect jump found no entry; rax: the pc. The far entries are asked, and what they have gets its place among the
 * others: two jumps that take that place from each other would be looked up by the core each time. */
static const uint8_t *make_miss(maker *m)
{
    const int32_t far = PB_JUMP_ENTRIES * sizeof(pb_jump_entry);
    const int32_t pc = offsetof(pb_jump_entry, pc), entry = offsetof(pb_jump_entry, entry);
    const uint8_t *leave = make_exit(m, PB_CODE_EXIT_LOOKUP), *start;
    asm_buffer *a = &m->a;
    uint32_t misses[2];

    if (!m->self->far_bits)
        return leave;
    begin(m);
    start = here(m);
    asm_imul_imm(a, W32, RDX, RAX, (int32_t)pb_far_jump_index(1, 32));
    asm_load(a, W64, RCX, vcpu_at(offsetof(pb_vcpu, jumps)));
    asm_shift_imm(a, SHIFT_SHR, W32, RDX, 32 - m->self->far_bits);
    asm_shift_imm(a, SHIFT_SHL, W32, RDX, 4);
    asm_alu(a, ALU_ADD, W64, RDX, RCX);
    asm_alu_load(a, ALU_CMP, W64, RAX, asm_at(RDX, far + pc));
    misses[0] = asm_jcc(a, CC_NE);
    asm_load(a, W64, RDX, asm_at(RDX, far + entry));
    asm_test(a, W64, RDX, RDX);
    misses[1] = asm_jcc(a, CC_E);
    asm_store(a, W64, cg_frame_at(CG_FRAME_SCRATCH), RDX);
    emit_jump_index(a, m->self->cpu);
    asm_alu(a, ALU_ADD, W64, RCX, RDX);
    asm_store(a, W64, asm_at(RCX, pc), RAX);
    asm_load(a, W64, RAX, cg_frame_at(CG_FRAME_SCRATCH));
    asm_store(a, W64, asm_at(RCX, entry), RAX);
    asm_jmp_reg(a, RAX);
    for (uint32_t i = 0; i < 2; i++)
        asm_patch(a, misses[i], (uint32_t)(leave - m->slice->rx));
    return start;
}
_Static_assert(sizeof(pb_jump_entry) == 16, "an index is shifted by 4");

/* ---- the slow path of memory ----------------------------------------------------------------------------------- */

static void call_c(maker *m, uint64_t function)
{
    asm_mov_imm(&m->a, RAX, function);
    asm_call_reg(&m->a, RAX);
}

static void move_all(maker *m, bool load, int32_t offset)
{
    for (int i = 0; i < 16; i++) {
        asm_mem at = cg_frame_at(CG_FRAME_GENERAL + 8 * i + offset);

        if (i == RSP || i == RBP || i == R14)
            continue;
        if (load)
            asm_load(&m->a, W64, i, at);
        else
            asm_store(&m->a, W64, at, i);
    }
    for (int i = 0; i < 16; i++)
        asm_rm(&m->a, load ? SSE_MOVAPS_LOAD : SSE_MOVAPS_STORE, i,
               cg_frame_at(CG_FRAME_VECTOR + 16 * i + offset));
}

/* The host's flags to the frame, or back. rax is changed. */
static void move_flags(maker *m, bool load)
{
    asm_mem at = cg_frame_at(CG_FRAME_FLAGS + 8);

    if (load) {
        asm_load(&m->a, W64, RAX, at);
        asm_byte(&m->a, 0x50); /* push rax */
    } else {
        asm_byte(&m->a, 0x9c); /* pushfq */
    }
    frame_of_called(m, 8);
    asm_byte(&m->a, load ? 0x9d : 0x58); /* popfq, pop rax */
    frame_of_called(m, 0);
    if (!load)
        asm_store(&m->a, W64, at, RAX);
}

/* Called; the record stands behind the call, and a C function gets it with all registers in the frame. The return address
 * stays on the stack meanwhile, for backtraces. */
static const uint8_t *make_recorded(maker *m, uint64_t function, bool keeps_flags)
{
    const uint8_t *start;
    uint32_t going_on;

    begin(m);
    start = here(m);
    frame_of_called(m, 0);
    move_all(m, false, 8);
    if (keeps_flags)
        move_flags(m, false);
    asm_load(&m->a, W64, RDX, asm_at(RSP, 0));
    asm_lea(&m->a, W64, RDI, asm_at(RBP, RDI_IS_VCPU));
    asm_lea(&m->a, W64, RSI, asm_at(RSP, 8));
    move_stack(m, 8);
    call_c(m, function);
    move_stack(m, -8);
    asm_test(&m->a, W64, RAX, RAX);
    going_on = asm_jcc(&m->a, CC_NE);
    asm_alu_imm(&m->a, ALU_ADD, W64, RSP, 8);
    frame_of_unit(m);
    asm_patch(&m->a, asm_jmp(&m->a), m->leave_raw);
    asm_patch(&m->a, going_on, asm_offset(&m->a));
    frame_of_called(m, 0);
    asm_store(&m->a, W64, asm_at(RSP, 0), RAX);
    if (keeps_flags)
        move_flags(m, true);
    move_all(m, true, 8);
    asm_ret(&m->a); /* pairs with the call, for the host's return predictor */
    return start;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static void move_caller_saved(maker *m, bool load)
{
    for (uint32_t i = 0; i < sizeof(caller_saved); i++) {
        asm_mem at = cg_frame_at(CG_FRAME_GENERAL + 8 * caller_saved[i] + 8);

        if (load)
            asm_load(&m->a, W64, caller_saved[i], at);
        else
            asm_store(&m->a, W64, at, caller_saved[i]);
    }
    for (int i = 0; i < 8; i++)
        asm_rm(&m->a, load ? SSE_MOVAPS_LOAD : SSE_MOVAPS_STORE, i,
               cg_frame_at(CG_FRAME_VECTOR + 16 * i + 8));
}

static asm_mem argument(uint32_t i, int32_t pushed_bytes)
{
    return cg_frame_at(CG_FRAME_ARGS + 16 * (int32_t)i + pushed_bytes);
}

/* rax: the function. */
static void call_scalar(maker *m)
{
    static const uint8_t registers[] = { RSI, RDX, RCX, R8, R9 };

    asm_lea(&m->a, W64, RDI, asm_at(RBP, RDI_IS_VCPU));
    for (uint32_t i = 0; i < sizeof(registers); i++)
        asm_load(&m->a, W64, registers[i], argument(i, 8));
    asm_rm(&m->a, 0xff, 6, argument(5, 8)); /* push */
    frame_of_called(m, 8);
    asm_call_reg(&m->a, RAX);
    move_stack(m, -8);
}

static void call_vector(maker *m)
{
    asm_lea(&m->a, W64, RDI, asm_at(RBP, RDI_IS_VCPU));
    asm_lea(&m->a, W64, RSI, cg_frame_at(CG_FRAME_RESULTS + 8));
    asm_lea(&m->a, W64, RDX, argument(0, 8));
    move_stack(m, 8);
    asm_call_reg(&m->a, RAX);
    move_stack(m, -8);
}

static const uint8_t *make_pure(maker *m, void (*call)(maker *m))
{
    const uint8_t *start;

    begin(m);
    start = here(m);
    frame_of_called(m, 0);
    move_caller_saved(m, false);
    call(m);
    move_caller_saved(m, true);
    asm_ret(&m->a);
    return start;
}

/* Reference functions: (values, attr, vcpu, fp). edx: attr. */
static void call_reference(maker *m)
{
    asm_mov(&m->a, W32, RSI, RDX);
    asm_lea(&m->a, W64, RDI, argument(0, 8));
    asm_lea(&m->a, W64, RDX, asm_at(RBP, RDI_IS_VCPU));
    asm_mov_imm(&m->a, RCX, (uintptr_t)m->self->fp);
    move_stack(m, 8);
    asm_call_reg(&m->a, RAX);
    move_stack(m, -8);
}

/* A helper that may look at everything, and change it. It runs under the host's MXCSR, but for invalid operations perhaps, which
 * trap.c does for it, and what it leaves there is not the guest's: C code anywhere below it may compute with floating point. rbx:
 * the function. */
static const uint8_t *make_helper(maker *m, void (*call)(maker *m))
{
    asm_mem mxcsr = cg_frame_at(CG_FRAME_SCRATCH + 8), now = cg_frame_at(CG_FRAME_SCRATCH + 16);
    const uint8_t *start;
    uint32_t plain, same, going_on;

    begin(m);
    start = here(m);
    frame_of_called(m, 0);
    store_state(m);
    asm_mov(&m->a, W64, RBX, RAX);
    asm_rm(&m->a, 0xae | ASM_0F, 3, mxcsr); /* stmxcsr */
    asm_load(&m->a, W32, RAX, mxcsr);
    asm_alu_imm(&m->a, ALU_OR, W32, RAX, MXCSR_IM);
    asm_alu_imm(&m->a, ALU_CMP, W32, RAX, MXCSR_DEFAULT);
    plain = asm_jcc(&m->a, CC_E);
    move_stack(m, 8);
    asm_lea(&m->a, W64, RDI, asm_at(RBP, RDI_IS_VCPU));
    call_c(m, (uintptr_t)before_helper);
    move_stack(m, -8);
    asm_store(&m->a, W32, mxcsr, RAX);
    asm_patch(&m->a, plain, asm_offset(&m->a));
    asm_mov(&m->a, W64, RAX, RBX);
    call(m);
    asm_rm(&m->a, 0xae | ASM_0F, 3, now); /* stmxcsr */
    asm_load(&m->a, W32, RCX, now);
    asm_alu_load(&m->a, ALU_CMP, W32, RCX, mxcsr);
    same = asm_jcc(&m->a, CC_E);
    asm_rm(&m->a, 0xae | ASM_0F, 2, mxcsr); /* ldmxcsr */
    asm_patch(&m->a, same, asm_offset(&m->a));
    asm_alu_mem_imm(&m->a, ALU_CMP, W32, vcpu_at(offsetof(pb_vcpu, unwind)), 0);
    going_on = asm_jcc(&m->a, CC_E);
    asm_alu_imm(&m->a, ALU_ADD, W64, RSP, 8);
    frame_of_unit(m);
    asm_load(&m->a, W64, RCX, cg_frame_at(CG_FRAME_EXIT));
    asm_store_imm(&m->a, W32, asm_at(RCX, offsetof(pb_code_exit, kind)), PB_CODE_EXIT_UNWOUND);
    asm_patch(&m->a, asm_jmp(&m->a), m->leave_raw);
    asm_patch(&m->a, going_on, asm_offset(&m->a));
    frame_of_called(m, 0);
    load_pins(m);
    asm_ret(&m->a);
    return start;
}

/* ---- constants ---------------------------------------------------------------------------------------------------- */

/* Arm's flags for less, equal, greater and unordered. */
enum {
    IS_LESS = 1 << IR_FLAG_N,
    IS_EQUAL = 1 << IR_FLAG_Z | 1 << IR_FLAG_C,
    IS_GREATER = 1 << IR_FLAG_C,
    IS_UNORDERED = 1 << IR_FLAG_C | 1 << IR_FLAG_V | 1 << IR_FLAG_P,
};

/* By AH: SF ZF 0 AF 0 PF 1 CF. */
static void make_compared(uint16_t *table, uint16_t if_carry, uint16_t otherwise)
{
    table[0x03] = if_carry;
    table[0x42] = IS_EQUAL;
    table[0x02] = otherwise;
    table[0x47] = table[0x07] = IS_UNORDERED;
}

static const pb_u128 shared[SHARED_COUNT] = {
    [SHARED_ABS_32] = { INT32_MAX, 0 },
    [SHARED_ABS_64] = { INT64_MAX, 0 },
    [SHARED_SIGN_32] = { UINT64_C(1) << 31, 0 },
    [SHARED_SIGN_64] = { UINT64_C(1) << 63, 0 },
    [SHARED_TINY_32] = { UINT64_C(1) << 23, 0 },
    [SHARED_TINY_64] = { UINT64_C(1) << 52, 0 },
    /* 0x0e - 0x90 is 0x7e: even parity, borrow, no other flag. */
    [SHARED_UNORDERED] = { 0x0e, 0 },
};

static void make_shared(maker *m)
{
    begin(m);
    m->self->shared = here(m);
    if ((size_t)(m->a.end - m->a.p) < sizeof(shared) + ASM_MOST) {
        m->a.full = true;
        return;
    }
    memcpy(m->a.p, shared, sizeof(shared));
    make_compared((uint16_t *)(void *)(m->a.p + 16 * SHARED_COMPARED), IS_LESS, IS_GREATER);
    make_compared((uint16_t *)(void *)(m->a.p + 16 * SHARED_COMPARED_SWAPPED), IS_GREATER, IS_LESS);
    m->a.p += sizeof(shared);
}

bool make_thunks(x86_codegen *self, const pb_code_slice *slice)
{
    maker m = { .a = { .start = slice->rw, .p = slice->rw, .end = slice->rw + slice->bytes },
                .self = self,
                .slice = slice };

    make_leave(&m);
    make_enter(&m);
    frame_of_unit(&m);
    self->thunk_link = make_exit(&m, PB_CODE_EXIT_LINK);
    self->thunk_jump_miss = make_miss(&m);
    self->thunk_new_key = make_exit(&m, PB_CODE_EXIT_NEW_KEY);
    self->thunk_reason = make_exit(&m, PB_CODE_EXIT_REASON);
    self->thunk_entry = make_exit(&m, PB_CODE_EXIT_ENTRY);
    self->thunk_alone = make_exit(&m, PB_CODE_EXIT_ALONE);
    self->thunk_changed = make_exit(&m, PB_CODE_EXIT_CHANGED);
    self->thunk_unwound = make_exit(&m, PB_CODE_EXIT_UNWOUND);
    self->thunk_slow = make_recorded(&m, (uintptr_t)slow_path, self->direct);
    frame_of_called(&m, 0);
    make_refill(&m.a, self, slice->rx);
    self->thunk_redo = make_recorded(&m, (uintptr_t)redo, false);
    self->thunk_flags = make_recorded(&m, (uintptr_t)pack_and_go_on, false);
    self->thunk_reference = make_pure(&m, call_reference);
    self->thunk_pure_scalar = make_pure(&m, call_scalar);
    self->thunk_pure_vector = make_pure(&m, call_vector);
    self->thunk_scalar = make_helper(&m, call_scalar);
    self->thunk_vector = make_helper(&m, call_vector);
    make_shared(&m);
    make_frames(&m);
    return !m.a.full && m.n_rows <= sizeof(self->frame_rows) / sizeof(self->frame_rows[0]);
}
