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
 *     mov   t, [rbp + t * 8 + ADDEND]
 *     mov   value, [t + a]
 *
 * Where guest memory is a window of the host there is less to do: direct.c.
 *
 * Accesses near to one another, of one instruction or of several, are a *span*:
 * 1. The first one asks whether the page has room for all that follow it at known distances. If so the host address stays
 *    in a register and the others (members) test it for zero, which is all that is left of their probe. If not
 *    it does its own probe, away from the hot path, leaves zero, and so does each member. So every access
 *    faults by itself, in order, and only where it would.
 * 2. Between the first access and a member no C code may run that could take the page out of the TLB. Operations that
 *    call such code end the span (cg_keeps_span); after the slow path of another load or store the register is
 *    zero (site_head.span).
 * 3. The register is a free one that belongs to nobody. Who needs it takes it: that ends the span too.
 */
#include "note.h"
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
        known = vcpu->ops->tlb_prepare(vcpu, mmu) - (PB_VCPU_STATE_OFFSET + CG_BIAS);
        __atomic_store_n(cell, known, __ATOMIC_RELAXED);
    }
    *distance = known;
    return known > INT32_MIN && known < INT32_MAX - (int64_t)sizeof(pb_tlb);
}

bool mem_can_probe(cg *c, uint32_t attr)
{
    int64_t distance;

    return PB_MEM_GET_SIZE_LOG2(attr) <= 4 && !c->watched &&
           (c->self->direct || tlb_of(c, PB_MEM_GET_MMU(attr), &distance));
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
    } else if (rule_has(c, CG_FAST_PEXT)) {
        asm_pext(&c->a, W32, t, address, R14);
    } else if (rule_has(c, CG_BMI2)) {
        asm_rorx(&c->a, W64, t, address, PB_PAGE_BITS);
        asm_alu_imm(&c->a, ALU_AND, W32, t, PB_TLB_ENTRIES - 1);
    } else {
        asm_mov(&c->a, W32, t, address);
        asm_shift_imm(&c->a, SHIFT_SHR, W32, t, PB_PAGE_BITS);
        asm_alu_imm(&c->a, ALU_AND, W32, t, PB_TLB_ENTRIES - 1);
    }
}

/* Where the TLB is was found out when mem_can_probe() was asked. */
static inline asm_mem entry_of(const cg *c, const mem_access *m, cg_reg index, size_t array)
{
    intptr_t distance =
        __atomic_load_n(&c->self->tlb[PB_MEM_GET_MMU(m->r->attr)], __ATOMIC_RELAXED);

    return asm_index(RBP, index, 3, (int32_t)distance + (int32_t)array);
}

/* u = the offset in the page of the tag that it would have: compared with what is left of a page for the access. */
static void emit_compare(cg *c, const mem_access *m, cg_reg t, cg_reg u, uint32_t bytes)
{
    emit_index(c, t, m->address);
    asm_load(
        &c->a, W64, u,
        entry_of(c, m, t, m->write ? offsetof(pb_tlb, tag_write) : offsetof(pb_tlb, tag_read)));
    asm_alu(&c->a, ALU_XOR, W64, u, m->address);
    asm_alu_imm(&c->a, ALU_CMP, W64, u, (int32_t)(PB_PAGE_SIZE - bytes));
}

static uint32_t align_of(const mem_access *m)
{
    uint32_t align = PB_MEM_GET_ALIGN_LOG2(m->r->attr);

    return m->align_log2 > align ? m->align_log2 : align;
}

/* In place of a probe: whether the address is in the window. Instructions that may_fault() names access it then. */
static void check_window(cg *c, mem_access *m)
{
    uint32_t unaligned = emit_alignment(c, m->address, align_of(m));
    uint32_t outside = m->known ? CG_NONE : cg_compare_limit(c, m->address);

    m->cold = cg_cold_slow(c, outside, m->r, m->second, m->args, m->distance);
    if (unaligned != CG_NONE)
        cg_cold_also(c, m->cold, unaligned);
    if (!m->known && !m->sometimes && cg_note_known(c, m->base))
        cg_cold_relied_on(c, m->cold);
    if (m->t != CG_NO_REG)
        m->between = m->t;
    m->t = R14;
}

void mem_begin(cg *c, mem_access *m)
{
    uint32_t id = m->r->arg[0], late = c->self->direct ? cg_late(c, id) : CG_NONE;
    uint64_t k;

    m->base = id;
    m->sum = late;
    if (late != CG_NONE && cg_const(c, c->u->ops[late].arg[1], &k)) {
        m->base = c->u->ops[late].arg[0];
        m->distance = (int32_t)k;
    }
    m->known = c->self->direct && cg_is_known(c, m->base, m->distance);
    /* Nothing is compared: flags stay where they are, if the slow path can tell what they are. */
    if (!m->known || c->flags.form || c->flags.n_conditions || align_of(m) ||
        m->r->attr & PB_MEM_BIG_ENDIAN || PB_MEM_GET_ORDER(m->r->attr) >= PB_ORDER_RELEASE)
        cg_clobber_flags(c);
}

void mem_take_address(cg *c, mem_access *m)
{
    m->address = m->args[0] = cg_use_clean(c, m->base);
}

/* The sum was not emitted, and is not needed any more. */
static void end_sum(cg *c, const mem_access *m)
{
    uint32_t now = c->record;

    if (m->sum == CG_NONE)
        return;
    c->record = m->sum;
    c->values[m->sum << 1].flags &= ~CG_IS_LATE;
    cg_end_record(c);
    c->record = now;
}

void mem_host_address(cg *c, mem_access *m)
{
    if (c->self->direct) {
        m->t = m->between;
        asm_lea(&c->a, W64, m->t, asm_index(R14, m->address, 0, 0));
    } else {
        asm_alu(&c->a, ALU_ADD, W64, m->t, m->address);
    }
}

static cg_cold_emit emit_short;

void mem_probe(cg *c, mem_access *m)
{
    uint32_t align = align_of(m), again, unaligned, miss;

    if (c->self->direct) {
        check_window(c, m);
        return;
    }
    again = asm_offset(&c->a);
    unaligned = emit_alignment(c, m->address, align);
    emit_compare(c, m, m->t, m->u, m->reach ? m->reach : m->bytes);
    miss = asm_jcc(&c->a, CC_A);
    if (m->reach) {
        m->too_short = cg_cold_code(c, miss, emit_short, m, sizeof(*m));
        miss = CG_NONE;
    }
    m->cold = cg_cold_slow(c, miss, m->r, m->second, m->args, 0);
    cg_cold_refill(c, m->cold, again, m->address, m->write);
    if (unaligned != CG_NONE)
        cg_cold_also(c, m->cold, unaligned);
    if (m->both) { /* the same page's tag for reading, which is a without the offset */
        asm_alu(&c->a, ALU_XOR, W64, m->u, m->address);
        asm_alu_load(&c->a, ALU_CMP, W64, m->u, entry_of(c, m, m->t, offsetof(pb_tlb, tag_read)));
        cg_cold_also(c, m->cold, asm_jcc(&c->a, CC_NE));
    }
    asm_load(&c->a, W64, m->t, entry_of(c, m, m->t, offsetof(pb_tlb, addend)));
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
    cold = cg_cold_slow(c, asm_jmp(&c->a), r, NULL, args, 0);
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

/* ---- moving -------------------------------------------------------------------------------------------------- */

static void move_one(cg *c, const mem_access *m, uint32_t i, asm_mem at)
{
    const ir_op_record *r = i ? m->second : m->r;
    uint32_t bytes = PB_MEM_GET_BYTES(r->attr);
    bool vector = cg_is_vector(m->write ? cg_type(c, r->arg[1]) : r->type);

    if (!m->write && vector)
        load_vector(c, bytes, m->align_log2, m->to[i], at);
    else if (!m->write)
        load_integer(c, r, m->to[i], at);
    else if (vector)
        store_vector(c, bytes, m->align_log2, m->args[i + 1], at);
    else if (m->args[i + 1] == CG_NO_REG)
        asm_store_imm(&c->a, PB_MEM_GET_SIZE_LOG2(r->attr), at, (uint32_t)m->imm);
    else
        store_integer(c, r->attr, m->args[i + 1], at, m->scratch);
}

/* The bytes at base + index + distance; index may be CG_NO_REG. Of a pair the one last whose result is the index. */
static void emit_move(cg *c, const mem_access *m, cg_reg base, cg_reg index, int32_t distance)
{
    uint32_t n = m->second ? 2 : 1, first = n == 2 && m->to[0] == m->address;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = i ^ first;
        int32_t at = distance + (int32_t)(k * PB_MEM_GET_BYTES(m->r->attr));

        move_one(c, m, k, index == CG_NO_REG ? asm_at(base, at) : asm_index(base, index, 0, at));
    }
}

/* ---- spans --------------------------------------------------------------------------------------------------- */

enum { SPAN_RECORDS = 40, SPAN_BYTES = 512, SPAN_VALUES = 16, SPAN_SLOTS = 4 };

/* Behind the probe of a span's first access: the page has not all, or it is another one. */
static void emit_short(cg *c, const void *data, uint32_t number, uint32_t back)
{
    const mem_access *m = data;
    uint32_t miss;

    asm_alu_imm(&c->a, ALU_CMP, W64, m->u, (int32_t)(PB_PAGE_SIZE - m->bytes));
    miss = asm_jcc(&c->a, CC_A);
    asm_load(&c->a, W64, m->t, entry_of(c, m, m->t, offsetof(pb_tlb, addend)));
    emit_move(c, m, m->t, m->address, 0);
    asm_alu(&c->a, ALU_XOR, W32, m->t, m->t);
    asm_patch(&c->a, asm_jmp(&c->a), back);
    asm_patch(&c->a, miss, asm_offset(&c->a));
    asm_alu(&c->a, ALU_XOR, W32, m->t, m->t);
    cg_cold_also(c, number + 1, asm_jmp(&c->a));
}

/* A member whose first access found no address: it has no registers for a probe, and saves two. */
static void emit_member(cg *c, const void *data, uint32_t number, uint32_t back)
{
    static const uint8_t candidates[] = { RAX, RCX, RDX, RBX, RSI, RDI, R8, R9, R10, R11 };
    const mem_access *m = data;
    cg_reg used[] = { m->address, m->t, m->args[1], m->args[2], m->to[0], m->to[1], m->scratch };
    asm_mem saved[2] = { cg_frame_at(CG_FRAME_SCRATCH), cg_frame_at(CG_FRAME_SCRATCH + 8) };
    uint32_t again = asm_offset(&c->a), miss, set = 0;
    cg_reg t[2];

    for (uint32_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        set |= used[i] == CG_NO_REG ? 0 : CG_SET(used[i]);
    for (uint32_t i = 0, n = 0; n < 2; i++)
        if (!(set & CG_SET(candidates[i])))
            t[n++] = candidates[i];
    for (uint32_t i = 0; i < 2; i++)
        asm_store(&c->a, W64, saved[i], t[i]);
    emit_compare(c, m, t[0], t[1], m->bytes);
    miss = asm_jcc(&c->a, CC_A);
    asm_load(&c->a, W64, t[0], entry_of(c, m, t[0], offsetof(pb_tlb, addend)));
    emit_move(c, m, t[0], m->address, 0);
    for (uint32_t i = 0; i < 2; i++)
        asm_load(&c->a, W64, t[i], saved[i]);
    asm_patch(&c->a, asm_jmp(&c->a), back);
    asm_patch(&c->a, miss, asm_offset(&c->a));
    for (uint32_t i = 0; i < 2; i++)
        asm_load(&c->a, W64, t[i], saved[i]);
    cg_cold_also(c, number + 1, asm_jmp(&c->a));
    cg_cold_again(c, number + 1, again);
}

/* Distances of values and of slots from the first access's address, as far as they are known. */
typedef struct distances {
    struct {
        uint32_t id; /* a value, or a slot */
        int64_t at;
    } value[SPAN_VALUES], slot[SPAN_SLOTS];
    uint32_t n_values, n_slots;
} distances;

static void note_value(distances *d, uint32_t id, int64_t at)
{
    if (d->n_values < SPAN_VALUES) {
        d->value[d->n_values].id = id;
        d->value[d->n_values++].at = at;
    }
}

static bool find_value(const distances *d, uint32_t id, int64_t *at)
{
    for (uint32_t i = 0; i < d->n_values; i++) {
        if (d->value[i].id == id) {
            *at = d->value[i].at;
            return true;
        }
    }
    return false;
}

/* A slot has an address at a known distance, or not any more. */
static void note_slot(distances *d, uint32_t slot, bool known, int64_t at)
{
    uint32_t i = 0;

    while (i < d->n_slots && d->slot[i].id != slot)
        i++;
    if (known && i < SPAN_SLOTS) {
        d->n_slots += i == d->n_slots;
        d->slot[i].id = slot;
        d->slot[i].at = at;
    } else if (!known && i < d->n_slots) {
        d->slot[i] = d->slot[--d->n_slots];
    }
}

static void follow(const cg *c, distances *d, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];
    uint64_t k;
    int64_t at;

    if (r->op == IR_OP_ADD && r->type == IR_I64) {
        if (find_value(d, r->arg[0], &at) && cg_const(c, r->arg[1], &k))
            note_value(d, record << 1, at + (int64_t)k);
    } else if (r->op == IR_OP_GET) {
        for (uint32_t i = 0; i < d->n_slots; i++)
            if (d->slot[i].id == (r->attr & 0xffff))
                note_value(d, record << 1, d->slot[i].at);
    } else if (r->op == IR_OP_PUT) {
        bool known = find_value(d, r->arg[0], &at);

        note_slot(d, r->attr & 0xffff, known, known ? at : 0);
    }
}

/* What the first access's address was made of. */
static void trace_back(const cg *c, distances *d, uint32_t id, uint32_t record)
{
    int64_t at = 0;

    for (uint32_t depth = 0; depth < 4 && !(id & IR_CONST_BIT); depth++) {
        const ir_op_record *r = &c->u->ops[id >> 1];
        uint64_t k;

        note_value(d, id, at);
        if (r->op == IR_OP_GET && record - (id >> 1) < SPAN_RECORDS) {
            note_slot(d, r->attr & 0xffff, true, at);
            for (uint32_t i = (id >> 1) + 1; i <= record; i++)
                if (c->u->ops[i].op == IR_OP_PUT)
                    follow(c, d, i);
            return;
        }
        if (r->op != IR_OP_ADD || !cg_const(c, r->arg[1], &k))
            return;
        at -= (int64_t)k;
        id = r->arg[0];
    }
}

/* Accesses without conditions of their own. */
static bool may_join(cg *c, const ir_op_record *r)
{
    uint32_t type = r->op == IR_OP_ST ? cg_type(c, r->arg[1]) : r->type;
    uint32_t size = PB_MEM_GET_SIZE_LOG2(r->attr);

    return is_inline(c, type, r->op == IR_OP_ST ? r->attr & ~PB_MEM_SIGNED : r->attr) &&
           !PB_MEM_GET_ALIGN_LOG2(r->attr) && !PB_MEM_GET_ORDER(r->attr) &&
           !(r->attr & PB_MEM_BIG_ENDIAN) && !(size == 4 && r->attr & PB_MEM_ATOMIC) &&
           cg_type(c, r->arg[0]) == IR_I64;
}

/* Look for members of a span that the access of this record would begin: c->span, and m->reach. */
static void find_members(cg *c, mem_access *m)
{
    uint32_t end = c->u->blocks[c->block].end;
    distances d;

    if (!cg_does(c, CG_PASS_SPANS) || !may_join(c, m->r))
        return;
    d.n_values = d.n_slots = 0;
    trace_back(c, &d, m->r->arg[0], c->record);
    if (end > c->record + SPAN_RECORDS)
        end = c->record + SPAN_RECORDS;
    for (uint32_t i = c->record + 1; i < end && c->span.n < CG_SPAN_MEMBERS; i++) {
        const ir_op_record *r = &c->u->ops[i];
        uint32_t first = c->first_of[i] ? c->first_of[i] - 1 : i, bytes;
        int64_t at;

        if (!cg_keeps_span(r->op))
            return;
        follow(c, &d, i);
        if (r->op != m->r->op ||
            (first == i && c->values[i << 1].flags & (CG_IS_LATE | CG_IS_DEAD)) ||
            PB_MEM_GET_MMU(r->attr) != PB_MEM_GET_MMU(m->r->attr) || !may_join(c, r) ||
            !find_value(&d, c->u->ops[first].arg[0], &at))
            continue;
        bytes = PB_MEM_GET_BYTES(r->attr) << (first != i);
        if (at < 0 || at + bytes > SPAN_BYTES)
            continue;
        c->span.member[c->span.n].record = i;
        c->span.member[c->span.n++].distance = (int32_t)at;
        if (at + bytes > m->reach)
            m->reach = (uint32_t)at + bytes;
        if (c->noting)
            cg_note_member(c, i);
    }
}

/* Whether this record's access is a member, and its distance. */
static bool take_member(cg *c, int32_t *distance)
{
    if (c->span.reg == CG_NO_REG)
        return false;
    for (uint32_t i = 0; i < c->span.n; i++) {
        if (c->span.member[i].record == c->record) {
            *distance = c->span.member[i].distance;
            c->span.member[i] = c->span.member[--c->span.n];
            return true;
        }
    }
    return false;
}

static void move_member(cg *c, mem_access *m, int32_t distance)
{
    uint32_t path;

    m->t = c->span.reg;
    asm_test(&c->a, W64, m->t, m->t);
    path = cg_cold_code(c, asm_jcc(&c->a, CC_E), emit_member, m, sizeof(*m));
    m->cold = cg_cold_slow(c, CG_NONE, m->r, m->second, m->args, 0);
    cg_cold_refill(c, m->cold, 0, m->address, m->write);
    emit_move(c, m, m->t, CG_NO_REG, distance);
    cg_cold_back(c, path, CG_NO_REG, CG_NO_REG);
    cg_cold_back(c, m->cold, m->to[0], m->to[1]);
    if (!c->span.n)
        cg_end_span(c);
}

/* Registers that a rule takes for its own sake are not for spans. */
static bool is_for_span(cg_reg r)
{
    return r != RAX && r != RCX && r != RDX;
}

/* ---- direct memory ----------------------------------------------------------------------------------------- */

/* Whether a register has something that the slow path needs: a slot, or the address. */
static bool is_needed(const cg *c, const mem_access *m, cg_reg r)
{
    return !(c->free_set & CG_SET(r)) || r == m->address;
}

static void move_direct(cg *c, const mem_access *m, uint32_t i)
{
    int32_t at = m->distance + (int32_t)(i * PB_MEM_GET_BYTES(m->r->attr));

    cg_may_fault(c, m->cold);
    move_one(c, m, i, asm_index(R14, m->address, 0, at));
}

/* Two loads, either of which may fault: both registers are as they were then, as far as anybody needs them. */
static void load_both(cg *c, const mem_access *m)
{
    uint32_t first = is_needed(c, m, m->to[0]) && !is_needed(c, m, m->to[1]);
    mem_access waits = *m;

    if (m->between == CG_NO_REG) {
        move_direct(c, m, first);
        move_direct(c, m, first ^ 1);
        return;
    }
    waits.to[0] = m->between;
    move_direct(c, &waits, 0);
    move_direct(c, m, 1);
    if (m->to[0] >= XMM0)
        asm_sse2(&c->a, rule_has(c, CG_AVX), SSE_MOVAPS_LOAD, m->to[0] - XMM0, m->between - XMM0);
    else
        asm_mov(&c->a, W64, m->to[0], m->between);
}

static void emit_direct(cg *c, mem_access *m)
{
    bool loads = m->second && !m->write;

    if (loads && is_needed(c, m, m->to[0]) && is_needed(c, m, m->to[1]))
        m->between = m->to[0] >= XMM0 ? cg_temp_vector(c) : cg_temp(c);
    check_window(c, m);
    if (loads) {
        load_both(c, m);
    } else {
        move_direct(c, m, 0);
        if (m->second)
            move_direct(c, m, 1);
    }
    if (m->write && PB_MEM_GET_ORDER(m->r->attr) >= PB_ORDER_RELEASE)
        mem_full_fence(c);
    cg_cold_back(c, m->cold, m->to[0], m->to[1]);
}

/* Operands and results have their registers. */
static void emit_access(cg *c, mem_access *m)
{
    int32_t distance;

    if (c->self->direct) {
        emit_direct(c, m);
        end_sum(c, m);
        return;
    }
    if (take_member(c, &distance)) {
        move_member(c, m, distance);
        return;
    }
    m->t = cg_temp(c);
    m->u = cg_temp(c);
    if (!is_for_span(m->t)) {
        cg_reg t = m->t;

        m->t = m->u;
        m->u = t;
    }
    /* Looking ahead takes time that only code which is executed often gives back. */
    if (c->region && c->span.reg == CG_NO_REG && is_for_span(m->t))
        find_members(c, m);
    if (m->reach && m->reach < m->bytes)
        m->reach = m->bytes;
    mem_probe(c, m);
    if (m->reach) {
        asm_alu(&c->a, ALU_ADD, W64, m->t, m->address);
        emit_move(c, m, m->t, CG_NO_REG, 0);
        c->span.reg = m->t;
        cg_cold_back(c, m->too_short, CG_NO_REG, CG_NO_REG);
    } else {
        emit_move(c, m, m->t, m->address, 0);
    }
    if (m->write && PB_MEM_GET_ORDER(m->r->attr) >= PB_ORDER_RELEASE)
        mem_full_fence(c);
    cg_cold_back(c, m->cold, m->to[0], m->to[1]);
}

/* ---- loads and stores ---------------------------------------------------------------------------------------- */

static mem_access access_of(const ir_op_record *r, const ir_op_record *second)
{
    return (mem_access){ .r = r,
                         .second = second,
                         .bytes = PB_MEM_GET_BYTES(r->attr) << (second != NULL),
                         .write = r->op == IR_OP_ST,
                         .address = CG_NO_REG,
                         .t = CG_NO_REG,
                         .u = CG_NO_REG,
                         .args = { CG_NO_REG, CG_NO_REG, CG_NO_REG },
                         .to = { CG_NO_REG, CG_NO_REG },
                         .scratch = CG_NO_REG,
                         .sum = CG_NONE,
                         .between = CG_NO_REG };
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
    mem_access m = access_of(&c->u->ops[first], &c->u->ops[c->record]);
    uint32_t now = c->record;

    mem_begin(c, &m);
    c->record = first;
    mem_take_address(c, &m);
    m.to[0] = cg_def(c, 0, 0);
    c->record = now;
    m.to[1] = cg_def(c, 0, CG_SET(m.to[0]));
    emit_access(c, &m);
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

bool cg_sums(const cg *c, const ir_op_record *r)
{
    bool stores = r->op == IR_OP_ST;
    uint32_t type = stores ? cg_type(c, r->arg[1]) : r->type;

    return is_inline((cg *)(uintptr_t)c, type, stores ? r->attr & ~PB_MEM_SIGNED : r->attr) &&
           !PB_MEM_GET_ALIGN_LOG2(r->attr) &&
           !(cg_is_vector(type) && PB_MEM_GET_BYTES(r->attr) == 16 && r->attr & PB_MEM_ATOMIC);
}

bool rule_ld(cg *c, const ir_op_record *r)
{
    bool vector = cg_is_vector(r->type), atomic = r->attr & PB_MEM_ATOMIC;
    mem_access m = access_of(r, NULL);

    if (c->first_of[c->record])
        return load_pair(c, c->first_of[c->record] - 1);
    if (!is_inline(c, r->type, r->attr)) {
        mem_always_slow(c, r, true);
        return true;
    }
    m.align_log2 = vector && m.bytes == 16 && atomic ? 4 : 0;
    mem_begin(c, &m);
    mem_take_address(c, &m);
    m.to[0] = cg_def(c, 0, 0);
    emit_access(c, &m);
    return true;
}

/* stp: the same. */
static bool store_pair(cg *c, uint32_t first)
{
    mem_access m = access_of(&c->u->ops[first], &c->u->ops[c->record]);
    uint32_t now = c->record;

    mem_begin(c, &m);
    c->record = first;
    mem_take_address(c, &m);
    m.args[1] = cg_use(c, m.r->arg[1]);
    c->record = now;
    m.args[2] = cg_use(c, m.second->arg[1]);
    emit_access(c, &m);
    end_pair(c, first);
    return true;
}

bool rule_st(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[1]), w = PB_MEM_GET_SIZE_LOG2(r->attr);
    bool vector = cg_is_vector(type), atomic = r->attr & PB_MEM_ATOMIC;
    mem_access m = access_of(r, NULL);
    bool big = r->attr & PB_MEM_BIG_ENDIAN && w > W8;

    if (c->first_of[c->record])
        return store_pair(c, c->first_of[c->record] - 1);
    if (!is_inline(c, type, r->attr & ~PB_MEM_SIGNED)) {
        mem_always_slow(c, r, false);
        return true;
    }
    m.align_log2 = vector && m.bytes == 16 && atomic ? 4 : 0;
    mem_begin(c, &m);
    if (vector || big || !cg_const_imm(c, r->arg[1], 8 * m.bytes > 32 ? 64 : 32, &m.imm) ||
        cg_value_of(c, r->arg[1])->reg >= 0)
        m.args[1] = cg_use(c, r->arg[1]);
    mem_take_address(c, &m);
    if (big && !rule_has(c, CG_MOVBE))
        m.scratch = cg_temp(c);
    emit_access(c, &m);
    return true;
}
