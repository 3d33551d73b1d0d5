/*
 * The translator's frame: unit keys, one instruction after the other, and the verbs of translate.h.
 *
 * Manual: DDI 0487, C6.1 for operands, D1 for what the key holds, D2.12 "Software Step exceptions".
 */
#include "translate.h"
#include "sysregs.h"
#include "a64_decode.h"

/* ---- keys ------------------------------------------------------------------------------------ */

static uint64_t unit_key(const pb_vcpu *vcpu)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    uint32_t el = current_el(cpu), pstate = cpu->pstate, ec;
    uint64_t sctlr = arm64_sctlr(cpu, el);
    uint64_t key = KEY_EL(el) | KEY_TBI(arm64_tbi(cpu, el)) | KEY_FPCR(cpu->fpcr);

    if (pstate & PSTATE_SP)
        key |= KEY_SPSEL;
    if (pstate & PSTATE_PAN)
        key |= KEY_PAN;
    if (pstate & PSTATE_UAO)
        key |= KEY_UAO;
    if (pstate & PSTATE_IL)
        key |= KEY_IL;
    if (sctlr & SCTLR_A)
        key |= KEY_A;
    if (sctlr & (el == 0 ? SCTLR_SA0 : SCTLR_SA))
        key |= cpu->sp & 15 ? KEY_SA | KEY_SP_ODD : KEY_SA;
    if (sctlr & (el == 0 ? SCTLR_E0E : SCTLR_EE))
        key |= KEY_BE;
    if (arm64_fp_trap(cpu, &ec))
        key |= KEY_FP_TRAP;
    if (cpu->sys[MDSCR_EL1] & (MDSCR_SS | MDSCR_MDE)) {
        key |= KEY_ARMED;
        if (arm64_step_enabled(cpu, el))
            key |= KEY_STEP | (pstate & PSTATE_SS ? KEY_SS : 0);
        if (arm64_breakpoints_enabled(vcpu))
            key |= KEY_BREAK;
    }
    if (arm64_sysreg_traps(cpu))
        key |= KEY_CHECKED;
    if ((el > 0 || (sctlr & SCTLR_DZE)) &&
        !(el < 2 && arm64_el2_enabled(cpu) && (cpu->sys[HCR_EL2] & HCR_TDZ)))
        key |= KEY_DC_ZVA;
    return key;
}

static uint32_t mmu_of_key(uint64_t key)
{
    switch (KEY_GET_EL(key)) {
    case 0:
        return MMU_E10_0;
    case 1:
        return key & KEY_PAN ? MMU_E10_1_PAN : MMU_E10_1;
    case 2:
        return MMU_E2;
    default:
        return MMU_E3;
    }
}

static uint32_t fetch_mmu(uint64_t key)
{
    uint32_t mmu = mmu_of_key(key);

    return mmu == MMU_E10_1_PAN ? MMU_E10_1 : mmu;
}

static void key_text(uint64_t key, char *text, uint32_t size)
{
    snprintf(text, size, "el%u%s.%s%s%s%s%s%s%s%s%s.tbi%u.fpcr%x", KEY_GET_EL(key),
             key & KEY_SPSEL ? "h" : "t", key & KEY_BE ? "be" : "le", key & KEY_A ? ".a" : "",
             key & KEY_SA ? ".sa" : "", key & KEY_SP_ODD ? ".odd" : "", key & KEY_PAN ? ".pan" : "",
             key & KEY_UAO ? ".uao" : "", key & KEY_FP_TRAP ? "" : ".fp",
             key & KEY_STEP    ? key & KEY_SS ? ".step" : ".stepped"
             : key & KEY_BREAK ? ".break"
                               : "",
             key & KEY_IL ? ".il" : "", KEY_GET_TBI(key), KEY_GET_FPCR(key));
}

static void begin(void *ctx, ir_builder *b, const pb_vcpu *vcpu, uint64_t pc, uint64_t key)
{
    a64_ctx *c = ctx;
    uint32_t el = KEY_GET_EL(key);

    c->ir = b;
    c->vcpu = vcpu;
    c->key = key;
    c->pc = pc;
    c->el = el;
    c->mmu = mmu_of_key(key);
    /* LDTR and STTR act as EL0's at EL1, unless PSTATE.UAO is set; elsewhere as LDR and STR. */
    c->mmu_unpriv = el == 1 && !(key & KEY_UAO) ? MMU_E10_0 : c->mmu;
    c->big_endian = (key & KEY_BE) != 0;
    c->strict_align = (key & KEY_A) != 0;
    c->check_sp = (key & KEY_SA) != 0;
    c->sp_aligned = !(key & KEY_SP_ODD);
    c->sp_moved = false;
}

/* ---- one instruction ------------------------------------------------------------------------- */

bool a64_has_feature(const a64_ctx *c, a64_feature feature)
{
    /* What is not listed is not modelled. */
    static const uint8_t features[A64_FEATURE_COUNT] = {
        [A64_FEAT_AES] = FEAT_AES,       [A64_FEAT_PMULL] = FEAT_PMULL, [A64_FEAT_SHA1] = FEAT_SHA1,
        [A64_FEAT_SHA256] = FEAT_SHA256, [A64_FEAT_CRC32] = FEAT_CRC32, [A64_FEAT_LSE] = FEAT_LSE,
        [A64_FEAT_LRCPC] = FEAT_LRCPC,   [A64_FEAT_PAN] = FEAT_PAN,     [A64_FEAT_UAO] = FEAT_UAO,
        [A64_FEAT_RDM] = FEAT_RDM,       [A64_FEAT_LOR] = FEAT_LOR,
    };

    return features[feature] && has_feature(c->vcpu, (arm64_feature)features[feature]);
}

tr_status a64_unallocated(a64_ctx *c, uint32_t insn)
{
    ir_val word = ir_imm32(c->ir, insn);

    return end_call(c, H_UNALLOCATED, &word, 1);
}

tr_status a64_missing(a64_ctx *c, uint32_t insn, const a64_row *row)
{
    ir_val args[2] = { ir_imm32(c->ir, (uint32_t)(row - a64_rows)), ir_imm32(c->ir, insn) };

    return end_call(c, H_MISSING, args, 2);
}

/* What raise() needs to know of a load or store: of FEAT_LSE's read-modify-writes that they are; of those of
 * one general register without writeback ISV, SAS, SSE, SRT, SF, AR, where a stage 2 data abort has them in
 * ESR_ELx.ISS (D17 "ISS encoding for an exception from a Data Abort"). */
static uint32_t abort_syndrome(uint32_t insn)
{
    bool ordered = (insn & 0x3fa08000) == 0x08808000; /* LDAR, STLR */
    uint32_t size = insn >> 30, opc = insn >> 22 & 3, rt = insn & 31;
    bool sign = !ordered && (opc & 2);

    if ((insn & 0x3f000000) != 0x39000000 && /* an unsigned offset */
        (insn & 0x3f200400) != 0x38000000 && /* unscaled, or as the user */
        (insn & 0x3f200c00) != 0x38200800 && /* by a register */
        !ordered) {
        bool atomic = (insn & 0x3f200c00) == 0x38200000 || /* LDADD ... SWP */
                      (insn & 0x3fa07c00) == 0x08a07c00 || /* CAS */
                      (insn & 0xbfa07c00) == 0x08207c00;   /* CASP */

        return atomic ? AUX_ATOMIC : 0;
    }
    if (sign && size == 3)
        return 0; /* PRFM */
    return 1u << 24 | size << 22 | (uint32_t)sign << 21 | rt << 16 |
           (uint32_t)(sign ? opc == 2 : size == 3) << 15 | (uint32_t)ordered << 14;
}

/* C4.1 "Loads and Stores" */
static bool is_load_store(uint32_t insn)
{
    return (insn & 0x0a000000) == 0x08000000;
}

/* A stepped instruction ends with PSTATE.SS clear, which is another key. */
static void clear_ss(a64_ctx *c)
{
    ir_val pstate = ir_get(c->ir, IR_I32, SLOT_PSTATE);
    uint32_t stepped = c->load_exclusive ? STEPPED_EXCLUSIVE : STEPPED_OTHER;

    ir_put(c->ir, ir_imm32(c->ir, stepped), SLOT_STEPPED);
    ir_put(c->ir, ir_and(c->ir, pstate, ir_imm32(c->ir, ~PSTATE_SS)), SLOT_PSTATE);
}

static tr_status stepped(a64_ctx *c, tr_status status)
{
    return status == TR_NEXT ? end_jump(c, c->pc + 4, IR_HINT_JUMP) : status;
}

/* Whether the instruction is a floating-point or vector one, which are those with bits 27:26 set
 * (C4.1 "Top-level encodings"), and they are trapped. Words that are no instruction are
 * UNDEFINED before that. */
static bool fp_trapped(const a64_ctx *c)
{
    int row;

    if (!(c->key & KEY_FP_TRAP) || (c->insn >> 26 & 3) != 3)
        return false;
    row = a64_find_row(c, c->insn);
    return row >= 0 && !a64_rows[row].missing;
}

static ir_val is_odd(a64_ctx *c)
{
    ir_val low = ir_and(c->ir, read_x(c, 1, 31, SP), ir_imm64(c->ir, 15));

    return ir_ne(c->ir, low, ir_imm64(c->ir, 0));
}

/* What comes before the instruction itself, or instead of it, as the unit's key says. */
static __attribute__((noinline)) tr_status insn_watched(a64_ctx *c)
{
    if (c->key & KEY_BREAK)
        call0(c, H_BREAKPOINT, IR_VOID);
    if (c->key & KEY_IL)
        return end_call(c, H_ILLEGAL_STATE, NULL, 0);
    if (fp_trapped(c))
        return end_call(c, H_FP_TRAP, NULL, 0);
    if (c->key & KEY_STEP)
        return stepped(c, a64_decode(c, c->insn));
    return a64_decode(c, c->insn);
}

/* sp was written: the key holds behind the instruction only if sp is as aligned as before. */
static tr_status behind_sp(a64_ctx *c)
{
    ir_builder *b = c->ir;
    ir_block odd, even;

    c->sp_moved = false;
    if (c->key & KEY_SP_ODD)
        return end_unit(c);
    if (c->sp_aligned || !c->check_sp)
        return TR_NEXT;
    odd = ir_block_new(b);
    even = ir_block_new(b);
    ir_br_if(b, is_odd(c), odd, even);
    ir_block_begin(b, odd);
    ir_jump_flags(b, c->pc + 4, IR_NEW_KEY);
    ir_block_begin(b, even);
    c->sp_aligned = true;
    return TR_NEXT;
}

static tr_status insn(void *ctx, ir_builder *b, pb_code_reader *reader, uint64_t pc)
{
    a64_ctx *c = ctx;
    uint8_t bytes[4];
    tr_status status;

    c->ir = b;
    c->pc = pc;
    /* Step exceptions come before anything that the instruction itself does, its fetch included. */
    if ((c->key & (KEY_STEP | KEY_SS)) == KEY_STEP) {
        ir_insn(b, pc, 4, 0);
        return end_call(c, H_STEP, NULL, 0);
    }
    if (pc & 3) {
        ir_insn(b, pc, 4, 0);
        return end_call(c, H_PC_ALIGNMENT, NULL, 0);
    }
    if (!reader->read(reader, pc, bytes, 4))
        return PB_TR_FETCH_FAULT;
    c->insn = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
              (uint32_t)bytes[3] << 24;
    ir_insn(b, pc, 4, is_load_store(c->insn) ? abort_syndrome(c->insn) : 0);
    c->load_exclusive = false;
    if (c->key & (KEY_BREAK | KEY_IL | KEY_FP_TRAP | KEY_STEP))
        status = insn_watched(c);
    else
        status = a64_decode(c, c->insn);
    return c->sp_moved && status == TR_NEXT ? behind_sp(c) : status;
}

/* ---- verbs: registers ------------------------------------------------------------------------ */

ir_val imm_x(a64_ctx *c, uint32_t sf, uint64_t value)
{
    return ir_imm(c->ir, width_type(sf), value);
}

ir_val read_x(a64_ctx *c, uint32_t sf, uint32_t n, a64_r31 r31)
{
    ir_val value;

    if (n == 31 && r31 == ZR)
        return imm_x(c, sf, 0);
    value = ir_get(c->ir, IR_I64, n == 31 ? SLOT_SP : SLOT_X0 + n);
    return sf ? value : ir_trunc(c->ir, IR_I32, value);
}

static void note_known(a64_ctx *c, uint32_t n, uint64_t value)
{
    c->known |= UINT32_C(1) << n;
    c->known_value[n] = value;
}

void write_x(a64_ctx *c, uint32_t sf, uint32_t n, a64_r31 r31, ir_val value)
{
    uint64_t k;

    if (n == 31 && r31 == ZR)
        return;
    if (n == 31) {
        c->sp_moved = true;
        c->sp_aligned = ir_is_const(c->ir, value, &k) && k % 16 == 0;
    } else {
        c->known &= ~(UINT32_C(1) << n);
    }
    if (ir_is_const(c->ir, value, &k)) {
        if (!sf)
            value = ir_imm64(c->ir, k);
        if (n != 31)
            note_known(c, n, k);
    } else if (!sf) {
        value = ir_zext(c->ir, IR_I64, value);
    }
    ir_put(c->ir, value, n == 31 ? SLOT_SP : SLOT_X0 + n);
}

bool is_known(const a64_ctx *c, uint32_t n, uint64_t *value)
{
    if (n == 31 || !(c->known >> n & 1))
        return false;
    *value = c->known_value[n];
    return true;
}

ir_val read_nzcv(a64_ctx *c)
{
    return ir_get(c->ir, IR_FL, SLOT_NZCV);
}

void write_nzcv(a64_ctx *c, ir_val flags)
{
    ir_put(c->ir, flags, SLOT_NZCV);
}

ir_val read_v(a64_ctx *c, uint32_t n)
{
    return ir_get(c->ir, IR_V128, SLOT_V0 + n);
}

void write_v(a64_ctx *c, uint32_t n, ir_val value)
{
    ir_put(c->ir, value, SLOT_V0 + n);
}

ir_val read_sys(a64_ctx *c, arm64_sys sys)
{
    return ir_get(c->ir, IR_I64, SLOT_SYS0 + sys);
}

void write_sys(a64_ctx *c, arm64_sys sys, ir_val value)
{
    ir_put(c->ir, value, SLOT_SYS0 + sys);
}

ir_val shift_reg(a64_ctx *c, ir_val value, uint32_t type, uint32_t amount)
{
    ir_val count;

    if (!amount)
        return value;
    count = ir_imm(c->ir, ir_type_of(c->ir, value), amount);
    switch (type) {
    case 0:
        return ir_shl(c->ir, value, count);
    case 1:
        return ir_shr(c->ir, value, count);
    case 2:
        return ir_sar(c->ir, value, count);
    default:
        return ir_ror(c->ir, value, count);
    }
}

ir_val extend_reg(a64_ctx *c, uint32_t sf, uint32_t n, uint32_t option, uint32_t shift)
{
    uint32_t bits = 8u << (option & 3);
    ir_val value = read_x(c, sf, n, ZR);

    if (bits < (sf ? 64u : 32u))
        value = option & 4 ? ir_sextract(c->ir, value, 0, bits) : ir_extract(c->ir, value, 0, bits);
    return shift_reg(c, value, 0, shift);
}

bool bitmask_imm(uint32_t sf, uint32_t n, uint32_t imms, uint32_t immr, uint64_t *value)
{
    uint32_t pattern = n << 6 | (~imms & 0x3f), bits, ones, rotate;
    uint64_t element;

    if (pattern < 2)
        return false;
    bits = 1u << (31 - __builtin_clz(pattern));
    ones = (imms & (bits - 1)) + 1;
    rotate = immr & (bits - 1);
    if (ones == bits)
        return false;
    element = (UINT64_C(1) << ones) - 1;
    if (rotate)
        element = element >> rotate | element << (bits - rotate);
    if (bits < 64)
        element &= (UINT64_C(1) << bits) - 1;
    for (; bits < 64; bits *= 2)
        element |= element << bits;
    *value = sf ? element : (uint32_t)element;
    return true;
}

/* ---- verbs: memory --------------------------------------------------------------------------- */

/* SCTLR_ELx.SA: an access with sp as its base faults unless sp is a multiple of 16 (D1.8.2). The key says which: sp is looked at
 * where it is written. */
static void check_sp_alignment(a64_ctx *c)
{
    ir_builder *b = c->ir;
    ir_block bad = ir_block_new(b), good = ir_block_new(b);

    ir_br_if(b, is_odd(c), bad, good);
    ir_block_begin(b, bad);
    ir_call(b, H_SP_ALIGNMENT, IR_VOID, NULL, 0);
    ir_exit(b, PB_RUN_REQUEST, c->pc);
    ir_block_begin(b, good);
}

ir_val base_x(a64_ctx *c, uint32_t n)
{
    if (n == 31 && c->key & KEY_SP_ODD)
        check_sp_alignment(c);
    return read_x(c, 1, n, SP);
}

ir_val add_imm(a64_ctx *c, ir_val base, int64_t offset)
{
    return offset ? ir_add(c->ir, base, ir_imm64(c->ir, (uint64_t)offset)) : base;
}

void write_base(a64_ctx *c, uint32_t n, ir_val value)
{
    write_x(c, 1, n, SP, value);
}

void write_base_by(a64_ctx *c, uint32_t n, ir_val value, int64_t bytes)
{
    bool aligned = c->sp_aligned && bytes % 16 == 0;

    write_x(c, 1, n, SP, value);
    if (n == 31)
        c->sp_aligned = aligned;
}

uint32_t mem_attr(const a64_ctx *c, uint32_t size_log2)
{
    return PB_MEM_SIZE_LOG2(size_log2) | PB_MEM_MMU(c->mmu) |
           (c->big_endian ? PB_MEM_BIG_ENDIAN : 0) |
           (c->strict_align ? PB_MEM_ALIGN_LOG2(size_log2) : 0);
}

uint32_t mem_attr_aligned(const a64_ctx *c, uint32_t size_log2, pb_mem_order order)
{
    return PB_MEM_SIZE_LOG2(size_log2) | PB_MEM_MMU(c->mmu) |
           (c->big_endian ? PB_MEM_BIG_ENDIAN : 0) | PB_MEM_ALIGN_LOG2(size_log2) |
           PB_MEM_ORDER(order);
}

/* ---- verbs: control -------------------------------------------------------------------------- */

static bool stepping(const a64_ctx *c)
{
    return (c->key & KEY_STEP) != 0;
}

static uint64_t jump_target(uint64_t key, uint64_t pc)
{
    return arm64_without_tag(KEY_GET_TBI(key), KEY_GET_EL(key), pc);
}

static uint64_t static_branch_address(const a64_ctx *c, uint64_t target)
{
    return jump_target(c->key, target);
}

tr_status end_call(a64_ctx *c, uint32_t helper, const ir_val *args, uint32_t n)
{
    ir_call(c->ir, helper, IR_VOID, args, n);
    ir_exit(c->ir, PB_RUN_REQUEST, c->pc + 4);
    return TR_END;
}

tr_status end_jump(a64_ctx *c, uint64_t target, ir_jump_hint hint)
{
    if (stepping(c))
        clear_ss(c);
    ir_jump_flags(c->ir, static_branch_address(c, target), stepping(c) ? hint | IR_NEW_KEY : hint);
    return TR_END;
}

tr_status end_jump_ind(a64_ctx *c, ir_val target, ir_jump_hint hint)
{
    if (stepping(c))
        clear_ss(c);
    ir_jump_ind(c->ir, target, stepping(c) ? hint | IR_NEW_KEY : hint);
    return TR_END;
}

tr_status end_branch(a64_ctx *c, ir_val condition, uint64_t taken)
{
    ir_val to;

    taken = static_branch_address(c, taken);
    if (!stepping(c)) {
        ir_branch(c->ir, condition, taken, c->pc + 4);
        return TR_END;
    }
    to = ir_select(c->ir, condition, ir_imm64(c->ir, taken), ir_imm64(c->ir, c->pc + 4));
    clear_ss(c);
    ir_jump_ind(c->ir, to, IR_HINT_JUMP | IR_NEW_KEY);
    return TR_END;
}

tr_status end_branch_cc(a64_ctx *c, ir_cc cc, uint64_t taken)
{
    if (stepping(c))
        return end_branch(c, ir_set_cc(c->ir, read_nzcv(c), cc), taken);
    ir_branch_cc(c->ir, cc, read_nzcv(c), static_branch_address(c, taken), c->pc + 4);
    return TR_END;
}

tr_status end_unit(a64_ctx *c)
{
    if (stepping(c))
        return TR_NEXT; /* the step ends it */
    ir_jump_flags(c->ir, c->pc + 4, IR_NEW_KEY);
    return TR_END;
}

tr_status end_undefined(a64_ctx *c)
{
    return end_call(c, H_UNDEFINED, NULL, 0);
}

/* ---- helpers --------------------------------------------------------------------------------- */

ir_val call0(a64_ctx *c, uint32_t helper, ir_type result)
{
    return ir_call(c->ir, helper, result, NULL, 0);
}

ir_val call1(a64_ctx *c, uint32_t helper, ir_type result, ir_val x)
{
    return ir_call(c->ir, helper, result, &x, 1);
}

ir_val call2(a64_ctx *c, uint32_t helper, ir_type result, ir_val x, ir_val y)
{
    ir_val args[2] = { x, y };

    return ir_call(c->ir, helper, result, args, 2);
}

ir_val call3(a64_ctx *c, uint32_t helper, ir_type result, ir_val x, ir_val y, ir_val z)
{
    ir_val args[3] = { x, y, z };

    return ir_call(c->ir, helper, result, args, 3);
}

/* ---- the translator -------------------------------------------------------------------------- */

/* Slots by worth of a host register: arguments and results, the stack, the link, then the
 * callee-saved that compilers use first; the vector registers that are arguments and scratch. */
static const uint16_t pin_rank[] = {
    SLOT_X0,      SLOT_X0 + 1,  SLOT_X0 + 2,  SLOT_X0 + 3,  SLOT_SP,      SLOT_X0 + 4,  SLOT_X0 + 5,
    SLOT_X0 + 19, SLOT_X0 + 20, SLOT_X0 + 30, SLOT_X0 + 29, SLOT_X0 + 21, SLOT_X0 + 22, SLOT_X0 + 6,
    SLOT_X0 + 7,  SLOT_X0 + 8,  SLOT_V0,      SLOT_V0 + 1,  SLOT_V0 + 2,  SLOT_V0 + 3,  SLOT_V0 + 4,
    SLOT_V0 + 5,  SLOT_V0 + 6,  SLOT_V0 + 7,  PB_SLOT_END,
};

const pb_translator arm64_translator = {
    .size = sizeof(pb_translator),
    .ctx_size = sizeof(a64_ctx),
    .unit_key = unit_key,
    .fetch_mmu = fetch_mmu,
    .begin = begin,
    .insn = insn,
    .helpers = arm64_helpers,
    .pin_rank = pin_rank,
    .key_text = key_text,
    .jump_target = jump_target,
};
