/*
 * Loads and stores: the probe of the first-level TLB inline, everything else by a slow path behind the code.
 *
 * The probe is seven instructions with the access (patchbay/memory.h says what tags are):
 *
 *     bextr t, a, r14              index: bits 21:12
 *     mov   u, [rbp + t * 8 + TAG]
 *     xor   u, a                   the offset in the page, if it hits
 *     cmp   u, 4096 - bytes        misses and page crossings in one
 *     ja    slow
 *     mov   t, [rbp + t * 8 + HOST]
 *     mov   value, [t + u]
 */
#include "rules_mem.h"

/* ---- the probe ----------------------------------------------------------------------------------------------- */

static bool tlb_of(cg *c, uint32_t mmu, int64_t *distance)
{
    pb_vcpu *vcpu = c->self->vcpu;
    intptr_t *cell = (intptr_t *)(uintptr_t)&c->self->tlb[mmu];
    intptr_t known = __atomic_load_n(cell, __ATOMIC_RELAXED);

    if (!known) {
        if (!PB_HAS(vcpu->ops, tlb_prepare) || !vcpu->ops->tlb_prepare)
            return false;
        known = vcpu->ops->tlb_prepare(vcpu, mmu) - (PB_VCPU_STATE_OFFSET + 128);
        __atomic_store_n(cell, known, __ATOMIC_RELAXED);
    }
    *distance = known;
    return known > INT32_MIN && known < INT32_MAX - (int64_t)sizeof(pb_tlb);
}

bool mem_can_probe(cg *c, uint32_t attr)
{
    int64_t distance;

    return PB_MEM_GET_SIZE_LOG2(attr) <= 4 && tlb_of(c, PB_MEM_GET_MMU(attr), &distance);
}

/* Alignment first, in a register of its own: the jump that fails, or CG_NONE. */
static uint32_t emit_alignment(cg *c, cg_reg address, uint32_t align_log2)
{
    if (!align_log2)
        return CG_NONE;
    asm_test_imm(&c->a, W8, address, (1 << align_log2) - 1);
    return asm_jcc(&c->a, CC_NE);
}

static void emit_index(cg *c, cg_reg t, cg_reg address)
{
    if (rule_has(c, CG_FAST_BEXTR)) {
        asm_bextr(&c->a, t, address, R14);
    } else if (rule_has(c, CG_BMI2)) {
        asm_rorx(&c->a, W64, t, address, PB_PAGE_BITS);
        asm_alu_imm(&c->a, ALU_AND, W32, t, PB_TLB_ENTRIES - 1);
    } else {
        asm_mov(&c->a, W32, t, address);
        asm_shift_imm(&c->a, SHIFT_SHR, W32, t, PB_PAGE_BITS);
        asm_alu_imm(&c->a, ALU_AND, W32, t, PB_TLB_ENTRIES - 1);
    }
}

void mem_probe(cg *c, mem_access *m)
{
    uint32_t align = PB_MEM_GET_ALIGN_LOG2(m->r->attr), again, unaligned, miss;
    int64_t distance = 0;
    asm_mem host;

    if (m->align_log2 > align)
        align = m->align_log2;
    tlb_of(c, PB_MEM_GET_MMU(m->r->attr), &distance);
    again = asm_offset(&c->a);
    unaligned = emit_alignment(c, m->address, align);
    emit_index(c, m->t, m->address);
    host = asm_index(RBP, m->t, 3, (int32_t)distance + (int32_t)offsetof(pb_tlb, host));
    asm_load(&c->a, W64, m->u,
             asm_index(RBP, m->t, 3,
                       (int32_t)distance + (int32_t)(m->write ? offsetof(pb_tlb, tag_write)
                                                              : offsetof(pb_tlb, tag_read))));
    asm_alu(&c->a, ALU_XOR, W64, m->u, m->address);
    asm_alu_imm(&c->a, ALU_CMP, W64, m->u, (int32_t)(PB_PAGE_SIZE - m->bytes));
    miss = asm_jcc(&c->a, CC_A);
    m->cold = cg_cold_slow(c, miss, m->r, m->second, m->args);
    cg_cold_refill(c, m->cold, again, m->address, m->write);
    if (unaligned != CG_NONE)
        cg_cold_also(c, m->cold, unaligned);
    if (m->both) { /* the same page's tag for reading, which is a without the offset */
        asm_alu(&c->a, ALU_XOR, W64, m->u, m->address);
        asm_alu_load(
            &c->a, ALU_CMP, W64, m->u,
            asm_index(RBP, m->t, 3, (int32_t)distance + (int32_t)offsetof(pb_tlb, tag_read)));
        cg_cold_also(c, m->cold, asm_jcc(&c->a, CC_NE));
        asm_alu(&c->a, ALU_XOR, W64, m->u, m->address);
    }
    asm_load(&c->a, W64, m->t, host);
}

void mem_always_slow(cg *c, const ir_op_record *r, bool has_result)
{
    cg_reg args[3] = { CG_NO_REG, CG_NO_REG, CG_NO_REG }, to = CG_NO_REG;
    uint32_t cold;

    cg_clobber_flags(c);
    for (uint32_t i = 0; i < r->n_args; i++)
        args[i] = cg_use(c, r->arg[i]);
    if (has_result)
        to = cg_def(c, 0, 0);
    cold = cg_cold_slow(c, asm_jmp(&c->a), r, NULL, args);
    cg_cold_back(c, cold, to, CG_NO_REG);
}

/* ---- fences -------------------------------------------------------------------------------------------------- */

/* A locked operation on the frame: orders everything, cheaper than mfence. */
void mem_full_fence(cg *c)
{
    if (!c->self->parallel)
        return;
    asm_lock(&c->a);
    asm_alu_mem_imm(&c->a, ALU_OR, W32, cg_frame_at(0), 0);
}

bool rule_fence(cg *c, const ir_op_record *r)
{
    if (!(r->attr & PB_FENCE_ST_LD) || !c->self->parallel)
        return true; /* x86 keeps the other pairs (Intel SDM volume 3, 9.2.2) */
    cg_clobber_flags(c);
    mem_full_fence(c);
    return true;
}

/* ---- loads --------------------------------------------------------------------------------------------------- */

/* Whether a vector register has code for the access: its own size, little-endian, and no more atomic than that. */
static bool vector_fits(cg *c, uint32_t type, uint32_t attr)
{
    uint32_t bytes = PB_MEM_GET_BYTES(attr);

    return 8 * bytes == ir_type_bits[type] && bytes > 2 &&
           !(attr & (PB_MEM_BIG_ENDIAN | PB_MEM_SIGNED)) &&
           (bytes < 16 || !(attr & PB_MEM_ATOMIC) || rule_has(c, CG_AVX));
}

static bool is_inline(cg *c, uint32_t type, uint32_t attr)
{
    uint32_t bits = ir_type_bits[type];

    if (!mem_can_probe(c, attr))
        return false;
    if (cg_is_vector(type))
        return vector_fits(c, type, attr);
    return bits >= 8 && type != IR_FL && 8 * PB_MEM_GET_BYTES(attr) <= bits;
}

static void load_vector(cg *c, uint32_t bytes, bool aligned, cg_reg to, asm_mem from)
{
    asm_sse_mem(&c->a, rule_has(c, CG_AVX),
                bytes == 4   ? SSE_MOVD_LOAD
                : bytes == 8 ? SSE_MOVQ_LOAD
                : aligned    ? SSE_MOVAPS_LOAD
                             : SSE_MOVUPS_LOAD,
                to - XMM0, from);
}

static void load_swapped(cg *c, uint32_t w, cg_reg to, asm_mem from)
{
    if (w == W16) {
        asm_load(&c->a, W16, to, from);
        asm_rr(&c->a, 0xc1 | ASM_66, SHIFT_ROL, to);
        asm_8(&c->a, 8);
    } else if (rule_has(c, CG_MOVBE)) {
        asm_rm(&c->a, 0xf0 | ASM_38 | (w == W64 ? ASM_W : 0), to, from);
    } else {
        asm_load(&c->a, w, to, from);
        asm_bswap(&c->a, w, to);
    }
}

/* The bytes of memory as the record's integer type wants them. */
static void load_integer(cg *c, const ir_op_record *r, cg_reg to, asm_mem from)
{
    uint32_t w = PB_MEM_GET_SIZE_LOG2(r->attr), bits = rule_bits(r);
    bool sign = r->attr & PB_MEM_SIGNED && (8u << w) < bits;

    if (r->attr & PB_MEM_BIG_ENDIAN && w > W8) {
        load_swapped(c, w, to, from);
        if (sign)
            asm_movsx(&c->a, w, bits == 64, to, to);
    } else if (sign) {
        asm_load_signed(&c->a, w, bits == 64, to, from);
    } else {
        asm_load(&c->a, w, to, from);
    }
    if (sign)
        rule_cut(c, bits, to);
}

/* Both records are done; the second one is ended by the pass. */
static void end_pair(cg *c, uint32_t first)
{
    uint32_t now = c->record;

    c->record = first;
    c->values[first << 1].flags &= ~CG_IS_LATE;
    cg_end_record(c);
    c->record = now;
}

/* ldp: at the second load, with one probe for both. */
static bool load_pair(cg *c, uint32_t first)
{
    const ir_op_record *r = &c->u->ops[first], *second = &c->u->ops[c->record];
    uint32_t bytes = PB_MEM_GET_BYTES(r->attr), now = c->record;
    mem_access m = { .r = r, .second = second, .bytes = 2 * bytes, .args = { CG_NO_REG } };
    bool vector = cg_is_vector(r->type);
    cg_reg to[2];

    cg_clobber_flags(c);
    c->record = first;
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    to[0] = cg_def(c, 0, 0);
    c->record = now;
    to[1] = cg_def(c, 0, CG_SET(to[0]));
    mem_probe(c, &m);
    for (uint32_t i = 0; i < 2; i++) {
        asm_mem from = asm_index(m.t, m.u, 0, (int32_t)(i * bytes));

        if (vector)
            load_vector(c, bytes, false, to[i], from);
        else
            load_integer(c, i ? second : r, to[i], from);
    }
    cg_cold_back(c, m.cold, to[0], to[1]);
    end_pair(c, first);
    return true;
}

bool cg_can_pair(const cg *c, const ir_op_record *r)
{
    uint32_t type = r->op == IR_OP_ST ? cg_type(c, r->arg[1]) : r->type;
    uint32_t align = PB_MEM_GET_ALIGN_LOG2(r->attr), size = PB_MEM_GET_SIZE_LOG2(r->attr);

    return is_inline((cg *)(uintptr_t)c, type, r->attr) && align <= size &&
           !PB_MEM_GET_ORDER(r->attr) && !(r->attr & PB_MEM_ATOMIC) &&
           (!(r->attr & PB_MEM_BIG_ENDIAN) || rule_has(c, CG_MOVBE));
}

bool rule_ld(cg *c, const ir_op_record *r)
{
    bool vector = cg_is_vector(r->type), atomic = r->attr & PB_MEM_ATOMIC;
    mem_access m = { .r = r, .bytes = PB_MEM_GET_BYTES(r->attr), .args = { CG_NO_REG } };
    cg_reg to;

    if (c->first_of[c->record])
        return load_pair(c, c->first_of[c->record] - 1);
    if (!is_inline(c, r->type, r->attr)) {
        mem_always_slow(c, r, true);
        return true;
    }
    cg_clobber_flags(c);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    m.align_log2 = vector && m.bytes == 16 && atomic ? 4 : 0;
    to = cg_def(c, 0, 0);
    mem_probe(c, &m);
    if (vector)
        load_vector(c, m.bytes, m.align_log2, to, asm_index(m.t, m.u, 0, 0));
    else
        load_integer(c, r, to, asm_index(m.t, m.u, 0, 0));
    cg_cold_back(c, m.cold, to, CG_NO_REG);
    return true;
}

/* ---- stores -------------------------------------------------------------------------------------------------- */

static void store_vector(cg *c, uint32_t bytes, bool aligned, cg_reg from, asm_mem to)
{
    asm_sse_mem(&c->a, rule_has(c, CG_AVX),
                bytes == 4   ? SSE_MOVD_STORE
                : bytes == 8 ? SSE_MOVQ_STORE
                : aligned    ? SSE_MOVAPS_STORE
                             : SSE_MOVUPS_STORE,
                from - XMM0, to);
}

/* scratch: a register that may be changed, for another byte order. */
static void store_integer(cg *c, uint32_t attr, cg_reg from, asm_mem to, cg_reg scratch)
{
    uint32_t w = PB_MEM_GET_SIZE_LOG2(attr);

    if (!(attr & PB_MEM_BIG_ENDIAN) || w == W8) {
        asm_store(&c->a, w, to, from);
    } else if (rule_has(c, CG_MOVBE)) {
        if (w == W16)
            asm_rm(&c->a, 0xf1 | ASM_38 | ASM_66, from, to);
        else
            asm_rm(&c->a, 0xf1 | ASM_38 | (w == W64 ? ASM_W : 0), from, to);
    } else {
        asm_mov(&c->a, W64, scratch, from);
        asm_bswap(&c->a, w == W64 ? W64 : W32, scratch);
        if (w == W16)
            asm_shift_imm(&c->a, SHIFT_SHR, W32, scratch, 16);
        asm_store(&c->a, w, to, scratch);
    }
}

static void order_behind_store(cg *c, uint32_t attr)
{
    if (PB_MEM_GET_ORDER(attr) >= PB_ORDER_RELEASE)
        mem_full_fence(c);
}

/* stp: the same. */
static bool store_pair(cg *c, uint32_t first)
{
    const ir_op_record *r = &c->u->ops[first], *second = &c->u->ops[c->record];
    uint32_t bytes = PB_MEM_GET_BYTES(r->attr), now = c->record;
    mem_access m = {
        .r = r, .second = second, .bytes = 2 * bytes, .write = true, .args = { CG_NO_REG }
    };

    cg_clobber_flags(c);
    c->record = first;
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.args[1] = cg_use(c, r->arg[1]);
    c->record = now;
    m.args[2] = cg_use(c, second->arg[1]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    mem_probe(c, &m);
    for (uint32_t i = 0; i < 2; i++) {
        asm_mem to = asm_index(m.t, m.u, 0, (int32_t)(i * bytes));

        if (cg_is_vector(cg_type(c, r->arg[1])))
            store_vector(c, bytes, false, m.args[i + 1], to);
        else
            store_integer(c, r->attr, m.args[i + 1], to, CG_NO_REG);
    }
    cg_cold_back(c, m.cold, CG_NO_REG, CG_NO_REG);
    end_pair(c, first);
    return true;
}

bool rule_st(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[1]), w = PB_MEM_GET_SIZE_LOG2(r->attr);
    bool vector = cg_is_vector(type), atomic = r->attr & PB_MEM_ATOMIC;
    mem_access m = {
        .r = r, .bytes = PB_MEM_GET_BYTES(r->attr), .write = true, .args = { CG_NO_REG, CG_NO_REG }
    };
    bool big = r->attr & PB_MEM_BIG_ENDIAN && w > W8;
    cg_reg from = CG_NO_REG, scratch = CG_NO_REG;
    asm_mem to;
    int32_t imm = 0;

    if (c->first_of[c->record])
        return store_pair(c, c->first_of[c->record] - 1);
    if (!is_inline(c, type, r->attr & ~PB_MEM_SIGNED)) {
        mem_always_slow(c, r, false);
        return true;
    }
    cg_clobber_flags(c);
    if (vector || big || !cg_const_imm(c, r->arg[1], 8 * m.bytes > 32 ? 64 : 32, &imm) ||
        cg_value_of(c, r->arg[1])->reg >= 0)
        from = m.args[1] = cg_use(c, r->arg[1]);
    m.address = m.args[0] = cg_use_clean(c, r->arg[0]);
    m.t = cg_temp(c);
    m.u = cg_temp(c);
    if (big && !rule_has(c, CG_MOVBE))
        scratch = cg_temp(c);
    m.align_log2 = vector && m.bytes == 16 && atomic ? 4 : 0;
    mem_probe(c, &m);
    to = asm_index(m.t, m.u, 0, 0);
    if (vector)
        store_vector(c, m.bytes, m.align_log2, from, to);
    else if (from == CG_NO_REG)
        asm_store_imm(&c->a, w, to, (uint32_t)imm);
    else
        store_integer(c, r->attr, from, to, scratch);
    order_behind_store(c, r->attr);
    cg_cold_back(c, m.cold, CG_NO_REG, CG_NO_REG);
    return true;
}
