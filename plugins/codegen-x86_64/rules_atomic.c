/*
 * Atomic operations and exclusives: locked host instructions behind the same probe as stores, of memory that may be read
 * too. What is not naturally aligned, or big-endian, the core does.
 *
 * Those of 16 bytes are `cmpxchg16b`, which wants its operands in rdx:rax and rcx:rbx, and loads that are single-copy atomic
 * only where there is AVX (Intel SDM volume 3, 9.1.1; AMD the same).
 *
 * An exclusive load remembers address and value in the vCPU, its store compares and swaps (patchbay/vcpu.h). The
 * physical address is not known here: it is left open, and found if the store goes the slow way.
 */
#include "rules_mem.h"

static bool is_inline(cg *c, const ir_op_record *r, uint32_t type)
{
    uint32_t bytes = PB_MEM_GET_BYTES(r->attr);

    return mem_can_probe(c, r->attr) && (!cg_is_vector(type) || (type == IR_I128 && bytes == 16)) &&
           8 * bytes <= ir_type_bits[type] && !(r->attr & PB_MEM_BIG_ENDIAN && bytes > 1);
}

static bool is_wide(const ir_op_record *r)
{
    return PB_MEM_GET_BYTES(r->attr) == 16;
}

static void lock(cg *c)
{
    if (c->self->parallel)
        asm_lock(&c->a);
}

static mem_access access_of(cg *c, const ir_op_record *r)
{
    return (mem_access){ .r = r,
                         .bytes = PB_MEM_GET_BYTES(r->attr),
                         .align_log2 = PB_MEM_GET_SIZE_LOG2(r->attr),
                         .write = true,
                         .both = true,
                         .base = r->arg[0],
                         .sum = CG_NONE,
                         .args = { CG_NO_REG, CG_NO_REG, CG_NO_REG } };
}

/* What was in memory, in the low bytes, as a load would give it. */
static void extend(cg *c, const ir_op_record *r, uint32_t type, cg_reg reg)
{
    uint32_t w = PB_MEM_GET_SIZE_LOG2(r->attr), bits = ir_type_bits[type];

    if (r->attr & PB_MEM_SIGNED && (8u << w) < bits) {
        asm_movsx(&c->a, w, bits == 64, reg, reg);
        rule_cut(c, bits, reg);
    } else {
        asm_movzx(&c->a, w, reg, reg);
    }
}

/* ---- 16 bytes ---------------------------------------------------------------------------------------------- */

/* Registers of cmpxchg16b; those that the convention has no slot for are the rule's now. rbx may have one. */
static void take_wide(cg *c)
{
    cg_take(c, RAX);
    cg_take(c, RCX);
    cg_take(c, RDX);
    if (c->free_set & CG_SET(RBX))
        cg_take(c, RBX);
}

static void take_apart(cg *c, cg_reg low, cg_reg high, cg_reg from)
{
    bool avx = rule_has(c, CG_AVX);

    asm_sse2(&c->a, avx, SSE_MOVD_STORE | ASM_W, from - XMM0, low);
    asm_sse2(&c->a, avx, SSE_PEXTRQ, from - XMM0, high);
    asm_8(&c->a, 1);
}

/* [t] = desired, if it is rdx:rax, which has what was there then; ZF says whether. */
static void emit_wide_cas(cg *c, const mem_access *m, cg_reg desired)
{
    bool keep = !(c->free_set & CG_SET(RBX));

    if (keep)
        asm_store(&c->a, W64, cg_frame_at(CG_FRAME_SCRATCH), RBX);
    take_apart(c, RBX, RCX, desired);
    cg_may_fault(c, keep && c->self->direct ? m->cold + 1 : m->cold);
    lock(c);
    asm_rm(&c->a, 0xc7 | ASM_0F | ASM_W, 1, asm_at(m->t, 0));
    if (keep)
        asm_load(&c->a, W64, RBX, cg_frame_at(CG_FRAME_SCRATCH));
}

/* The host refused cmpxchg16b while rbx had an operand. */
static void emit_restore(cg *c, const void *data, uint32_t number, uint32_t back)
{
    asm_load(&c->a, W64, RBX, cg_frame_at(CG_FRAME_SCRATCH));
    asm_patch(&c->a, asm_jmp(&c->a), cg_cold_start(c, number - 1));
}

/* t = the host address. */
static void probe_wide(cg *c, mem_access *m)
{
    mem_probe(c, m);
    if (c->self->direct) /* m->cold + 1 */
        cg_cold_code(c, CG_NONE, emit_restore, NULL, 0);
    mem_host_address(c, m);
}

static void cas_wide(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX);
    mem_access m = access_of(c, r);
    cg_reg to;

    take_wide(c);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.args[1] = cg_use(c, r->arg[1]);
    m.args[2] = cg_use(c, r->arg[2]);
    m.t = cg_temp(c);
    m.u = RCX;
    to = cg_def(c, 0, 0);
    probe_wide(c, &m);
    take_apart(c, RAX, RDX, m.args[1]);
    emit_wide_cas(c, &m, m.args[2]);
    asm_sse2(&c->a, avx, SSE_MOVD_LOAD | ASM_W, to - XMM0, RAX);
    asm_vrr(&c->a, SSE_PINSRQ | (avx ? ASM_VEX : 0), to - XMM0, to - XMM0, RDX);
    asm_8(&c->a, 1);
    cg_cold_back(c, m.cold, to, CG_NO_REG);
}

/* ---- read, modify, write ---------------------------------------------------------------------------------- */

/* x = old op operand; old is in rax. */
static void combine(cg *c, uint32_t op, uint32_t w, cg_reg x, cg_reg operand)
{
    static const uint8_t keeps_old[] = {
        [PB_RMW_SMAX] = CC_G, [PB_RMW_SMIN] = CC_L, [PB_RMW_UMAX] = CC_A, [PB_RMW_UMIN] = CC_B
    };
    uint32_t wide = w == W64 ? W64 : W32;

    switch (op) {
    case PB_RMW_AND:
    case PB_RMW_OR:
    case PB_RMW_XOR:
        asm_mov(&c->a, W64, x, RAX);
        asm_alu(&c->a,
                op == PB_RMW_AND  ? ALU_AND
                : op == PB_RMW_OR ? ALU_OR
                                  : ALU_XOR,
                wide, x, operand);
        break;
    case PB_RMW_ANDN:
        asm_mov(&c->a, W64, x, operand);
        asm_group3(&c->a, GROUP3_NOT, wide, x);
        asm_alu(&c->a, ALU_AND, wide, x, RAX);
        break;
    default:
        asm_mov(&c->a, W64, x, operand);
        asm_alu(&c->a, ALU_CMP, wide, RAX, operand);
        asm_cmov(&c->a, keeps_old[op], wide, x, RAX);
    }
}

/* In [t]; u is free. Gives where the old value is. */
static cg_reg emit_rmw(cg *c, const ir_op_record *r, const mem_access *m)
{
    uint32_t op = r->aux & 15, w = PB_MEM_GET_SIZE_LOG2(r->attr), again;
    asm_mem at = asm_at(m->t, 0);

    if (op == PB_RMW_ADD || op == PB_RMW_XCHG) {
        asm_mov(&c->a, W64, m->u, m->args[1]);
        cg_may_fault(c, m->cold);
        if (op == PB_RMW_ADD)
            lock(c);
        asm_rm(&c->a, op == PB_RMW_ADD ? asm_wide(0xc1, w) | ASM_0F : asm_wide(0x87, w), m->u, at);
        return m->u;
    }
    cg_may_fault(c, m->cold);
    asm_load(&c->a, w, RAX, at);
    again = asm_offset(&c->a);
    combine(c, op, w, m->u, m->args[1]);
    cg_may_fault(c, m->cold);
    lock(c);
    asm_rm(&c->a, asm_wide(0xb1, w) | ASM_0F, m->u, at); /* cmpxchg */
    asm_patch(&c->a, asm_jcc(&c->a, CC_NE), again);
    return RAX;
}

bool rule_rmw(cg *c, const ir_op_record *r)
{
    uint32_t op = r->aux & 15, size = PB_MEM_GET_SIZE_LOG2(r->attr);
    mem_access m = access_of(c, r);
    cg_reg old;

    if (!is_inline(c, r, r->type) || is_wide(r) ||
        (size < W32 && op >= PB_RMW_SMAX && op <= PB_RMW_UMIN)) {
        mem_always_slow(c, r, true);
        c->effect_done = true;
        return true;
    }
    cg_clobber_flags(c);
    cg_take(c, RAX);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.args[1] = cg_use(c, r->arg[1]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    mem_probe(c, &m);
    mem_host_address(c, &m);
    old = emit_rmw(c, r, &m);
    extend(c, r, r->type, old);
    cg_cold_back(c, m.cold, old, CG_NO_REG);
    cg_def_in(c, 0, old);
    c->effect_done = true;
    return true;
}

static void cas_narrow(cg *c, const ir_op_record *r)
{
    mem_access m = access_of(c, r);

    cg_use_in(c, r->arg[1], RAX);
    m.args[1] = RAX;
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.args[2] = cg_use(c, r->arg[2]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    mem_probe(c, &m);
    cg_may_fault(c, m.cold);
    lock(c);
    asm_rm(&c->a, asm_wide(0xb1, PB_MEM_GET_SIZE_LOG2(r->attr)) | ASM_0F, m.args[2],
           asm_index(m.t, m.address, 0, 0));
    extend(c, r, r->type, RAX);
    cg_cold_back(c, m.cold, RAX, CG_NO_REG);
    cg_def_in(c, 0, RAX);
}

bool rule_cas(cg *c, const ir_op_record *r)
{
    if (!is_inline(c, r, r->type)) {
        mem_always_slow(c, r, true);
    } else {
        cg_clobber_flags(c);
        if (is_wide(r))
            cas_wide(c, r);
        else
            cas_narrow(c, r);
    }
    c->effect_done = true;
    return true;
}

/* ---- exclusives ---------------------------------------------------------------------------------------------- */

static asm_mem reservation(size_t member)
{
    return cg_vcpu((int64_t)member);
}

/* What was loaded is remembered. */
static void reserve(cg *c, const mem_access *m, cg_reg value)
{
    asm_mem low = reservation(offsetof(pb_vcpu, exclusive_value));

    asm_store_imm(&c->a, W32, reservation(offsetof(pb_vcpu, exclusive_bytes)), m->bytes);
    asm_store(&c->a, W64, reservation(offsetof(pb_vcpu, exclusive_gva)), m->address);
    asm_store_imm(&c->a, W64, reservation(offsetof(pb_vcpu, exclusive_gpa)), UINT32_MAX);
    if (value >= XMM0) {
        asm_sse_mem(&c->a, rule_has(c, CG_AVX), SSE_MOVUPS_STORE, value - XMM0, low);
        return;
    }
    asm_store(&c->a, W64, low, value);
    asm_store_imm(&c->a, W64, reservation(offsetof(pb_vcpu, exclusive_value) + 8), 0);
}

/* Only of pages that may be written, so that the store comes this way too and progress is made. In counted mode
 * the reservation's physical address is part of a state that is compared: the core finds it. */
bool rule_ldx(cg *c, const ir_op_record *r)
{
    mem_access m = access_of(c, r);
    bool wide = is_wide(r);
    asm_mem from;
    cg_reg to;

    if (c->self->counted || !is_inline(c, r, r->type) || (wide && !rule_has(c, CG_AVX))) {
        mem_always_slow(c, r, true);
        return true;
    }
    cg_clobber_flags(c);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    to = cg_def(c, 0, CG_SET(m.address));
    mem_probe(c, &m);
    from = asm_index(m.t, m.address, 0, 0);
    cg_may_fault(c, m.cold);
    if (wide)
        asm_sse_mem(&c->a, true, SSE_MOVAPS_LOAD, to - XMM0, from);
    else
        asm_load(&c->a, PB_MEM_GET_SIZE_LOG2(r->attr), to, from);
    reserve(c, &m, to);
    if (!wide)
        extend(c, r, r->type, to);
    cg_cold_back(c, m.cold, to, CG_NO_REG);
    return true;
}

/* ZF: what was reserved is still there, and the new value in its place. */
static void emit_stx(cg *c, const ir_op_record *r, mem_access *m)
{
    asm_mem low = reservation(offsetof(pb_vcpu, exclusive_value));

    if (is_wide(r)) {
        probe_wide(c, m);
        asm_load(&c->a, W64, RAX, low);
        asm_load(&c->a, W64, RDX, reservation(offsetof(pb_vcpu, exclusive_value) + 8));
        emit_wide_cas(c, m, m->args[1]);
        return;
    }
    mem_probe(c, m);
    asm_load(&c->a, W64, RAX, low);
    cg_may_fault(c, m->cold);
    lock(c);
    asm_rm(&c->a, asm_wide(0xb1, PB_MEM_GET_SIZE_LOG2(r->attr)) | ASM_0F, m->args[1],
           asm_index(m->t, m->address, 0, 0));
}

bool rule_stx(cg *c, const ir_op_record *r)
{
    mem_access m = access_of(c, r);
    uint32_t none, other;

    if (!is_inline(c, r, cg_type(c, r->arg[1]))) {
        mem_always_slow(c, r, true);
        c->effect_done = true;
        return true;
    }
    m.both = false;
    m.sometimes = true;
    cg_clobber_flags(c);
    if (is_wide(r))
        take_wide(c);
    else
        cg_take(c, RAX);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.args[1] = cg_use(c, r->arg[1]);
    m.t = cg_temp(c);
    m.u = is_wide(r) ? RCX : cg_temp(c);
    asm_alu_mem_imm(&c->a, ALU_CMP, W32, reservation(offsetof(pb_vcpu, exclusive_bytes)),
                    (int32_t)m.bytes);
    none = asm_jcc(&c->a, CC_NE);
    asm_alu_load(&c->a, ALU_CMP, W64, m.address, reservation(offsetof(pb_vcpu, exclusive_gva)));
    other = asm_jcc(&c->a, CC_NE);
    emit_stx(c, r, &m);
    asm_patch(&c->a, none, asm_offset(&c->a)); /* there ZF is 0 too */
    asm_patch(&c->a, other, asm_offset(&c->a));
    asm_setcc(&c->a, CC_E, RAX);
    asm_movzx(&c->a, W8, RAX, RAX);
    asm_store_imm(&c->a, W32, reservation(offsetof(pb_vcpu, exclusive_bytes)), 0);
    cg_cold_back(c, m.cold, RAX, CG_NO_REG);
    cg_def_in(c, 0, RAX);
    c->effect_done = true;
    return true;
}

bool rule_clrex(cg *c, const ir_op_record *r)
{
    asm_store_imm(&c->a, W32, cg_vcpu(offsetof(pb_vcpu, exclusive_bytes)), 0);
    return true;
}
