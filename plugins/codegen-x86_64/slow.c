/*
 * The slow path of memory operations, in C: called by a thunk that has saved all registers in the frame. It makes the
 * state complete (patchbay/codegen.h, rule 2), lets the core do the operation, and puts the result into the
 * frame's register; after a fault it takes the exception.
 */
#include "direct.h"
#include "slow.h"

#include <xmmintrin.h>

/* ---- MXCSR -------------------------------------------------------------------------------------------------- */

uint32_t guest_mxcsr(const pb_vcpu *vcpu)
{
    /* x86's rounding control for PB_FP_NEAREST_EVEN, UP, DOWN, TO_ZERO; for others no host code is emitted. */
    static const uint8_t control[8] = { 0, 2, 1, 3 };

    bool traps = vcpu->codegen[CG_WORD_TRAPS] && cg_can_trap(&vcpu->fp[0]);

    return (MXCSR_DEFAULT ^ (traps ? MXCSR_IM : 0)) | (uint32_t)control[vcpu->fp[0].round & 7]
                                                          << 13;
}

void merge_mxcsr(pb_vcpu *vcpu)
{
    /* Invalid, denormal (masked out: no guest's is the host's), divide by zero, overflow, underflow, inexact. */
    static const uint8_t place[6] = { PB_FP_INVALID,   0,
                                      PB_FP_DIVZERO,   PB_FP_OVERFLOW,
                                      PB_FP_UNDERFLOW, PB_FP_INEXACT };
    uint32_t mxcsr = _mm_getcsr();

    for (uint32_t i = 0; i < 6; i++)
        if (mxcsr >> i & 1)
            vcpu->fp[0].flags |= place[i];
    if (mxcsr != MXCSR_DEFAULT)
        _mm_setcsr(MXCSR_DEFAULT);
}

/* What C code computed meanwhile is not the guest's: the state's flags were merged before it, and are not now. */
static void back_to_guest(uint32_t mxcsr)
{
    if (_mm_getcsr() != mxcsr)
        _mm_setcsr(mxcsr);
}

uint32_t before_helper(pb_vcpu *vcpu)
{
    merge_mxcsr(vcpu);
    return guest_mxcsr(vcpu);
}

/* ---- the record ---------------------------------------------------------------------------------------------- */

static uint32_t take_word(const uint8_t **p)
{
    uint16_t w;

    memcpy(&w, *p, 2);
    *p += 2;
    return w;
}

static pb_u128 read_slot(const pb_vcpu *vcpu, const pb_slot *slot)
{
    pb_u128 v = { 0, 0 };

    memcpy(&v, (const char *)vcpu->state + slot->offset, pb_slot_bytes(slot->type));
    return v;
}

static pb_u128 take_sum(const cg_frame *f, const uint8_t **p)
{
    uint64_t base = f->general[*(*p)++];
    int32_t distance;

    memcpy(&distance, *p, sizeof(distance));
    *p += sizeof(distance);
    return (pb_u128){ base + (uint64_t)(int64_t)distance, 0 };
}

/* A bundle that was in the host's flags, as LAHF and SETO have it. */
static uint64_t bundle_of(uint64_t host, uint32_t how)
{
    uint64_t bundle = (host & 0xd5) << 8 | (host >> 11 & 1);

    if (how & 1)
        bundle ^= 1u << IR_FLAG_C;
    if (how & 2)
        bundle ^= 1u << IR_FLAG_A;
    return bundle;
}

static pb_u128 take_place(const pb_vcpu *vcpu, const cg_frame *f, const uint8_t **p)
{
    uint32_t place = *(*p)++, kind;
    pb_u128 v;

    switch (place) {
    case PLACE_SPILL:
        return f->spill[*(*p)++];
    case PLACE_CONST:
        memcpy(&v, *p, 16);
        *p += 16;
        return v;
    case PLACE_HOME:
        return read_slot(vcpu, &vcpu->type->slots[take_word(p)]);
    case PLACE_FLAGS:
        return (pb_u128){ bundle_of(f->host_flags, *(*p)++), 0 };
    case PLACE_MADE:
        kind = *(*p)++;
        v = take_place(vcpu, f, p);
        return (pb_u128){ cg_made_flags(kind, v.lo, take_place(vcpu, f, p).lo), 0 };
    case PLACE_SUM:
        return take_sum(f, p);
    default:
        return place < XMM0 ? (pb_u128){ f->general[place], 0 } : f->vector[place - XMM0];
    }
}

/* All values are read before the first slot is written: a place may be a slot's home. */
static void write_dirty(pb_vcpu *vcpu, const cg_frame *f, const site_head *head, const uint8_t *p)
{
    struct {
        uint32_t slot;
        pb_u128 value;
    } dirty[UINT8_MAX];

    for (uint32_t i = 0; i < head->n_sync; i++) {
        const pb_slot *slot;
        uint32_t valid = IR_FL_ALL;

        dirty[i].slot = take_word(&p);
        slot = &vcpu->type->slots[dirty[i].slot];
        if (slot->type == IR_FL)
            valid = take_word(&p);
        dirty[i].value = take_place(vcpu, f, &p);
        if (slot->type == IR_FL)
            dirty[i].value.lo &= valid;
    }
    for (uint32_t i = 0; i < head->n_sync; i++) {
        const pb_slot *slot = &vcpu->type->slots[dirty[i].slot];

        memcpy((char *)vcpu->state + slot->offset, &dirty[i].value, pb_slot_bytes(slot->type));
    }
}

static void write_state(pb_vcpu *vcpu, const cg_frame *f, const site_head *head, const uint8_t *p)
{
    const x86_codegen *self = f->self;
    const pb_slot *slots = vcpu->type->slots, *pc = &slots[vcpu->type->pc_slot];

    for (uint32_t i = 0; i < self->n_pins && !(head->flags & SITE_OWN_PINS); i++) {
        const cg_pin *pin = &self->pins[i];
        const void *from = pin->reg < XMM0 ? (const void *)&f->general[pin->reg]
                                           : (const void *)&f->vector[pin->reg - XMM0];

        memcpy((char *)vcpu->state + slots[pin->slot].offset, from,
               pb_slot_bytes(slots[pin->slot].type));
    }
    if (head->flags & SITE_OWN_PINS) /* a region's */
        pack_lazy(vcpu, f);
    write_dirty(vcpu, f, head, p);
    for (uint32_t i = 0; i < self->n_flag_slots; i++) {
        const pb_slot *slot = &slots[self->flag_slots[i]];
        uint32_t *home = (uint32_t *)(void *)((char *)vcpu->state + slot->offset);

        *home &= pb_slot_flags(slot);
    }
    memcpy((char *)vcpu->state + pc->offset, &head->pc, pb_slot_bytes(pc->type));
    vcpu->aux = head->aux;
}

/* ---- the operation ------------------------------------------------------------------------------------------- */

/* Emitted exclusive loads leave the physical address open (rules_atomic.c). */
static void find_reserved(pb_vcpu *vcpu, uint32_t attr)
{
    pb_walk_request request = { .gva = vcpu->exclusive_gva,
                                .type = PB_ACCESS_WRITE,
                                .mmu = PB_MEM_GET_MMU(attr),
                                .kind = PB_MEM_GET_KIND(attr) };
    pb_translation t;
    pb_guest_fault fault;

    if (vcpu->exclusive_bytes && vcpu->exclusive_gpa == UINT64_MAX &&
        vcpu->ops->translate(vcpu, &request, &t, &fault) == PB_MEM_OK)
        vcpu->exclusive_gpa = t.gpa; /* else the store faults likewise */
}

static pb_mem_result operate(pb_vcpu *vcpu, const site_head *head, const pb_u128 *args,
                             pb_u128 *result, pb_guest_fault *fault)
{
    const pb_vcpu_ops *ops = vcpu->ops;
    uint64_t gva = args[0].lo;
    pb_mem_result r;

    *result = (pb_u128){ 0, 0 };
    switch (head->op) {
    case IR_OP_LD:
        r = ops->load(vcpu, gva, head->attr, result, fault);
        break;
    case IR_OP_ST:
        return ops->store(vcpu, gva, head->attr, args[1], fault);
    case IR_OP_RMW:
        return ops->rmw(vcpu, gva, head->attr, head->sub, args[1].lo, &result->lo, fault);
    case IR_OP_CAS:
        r = ops->cas(vcpu, gva, head->attr, args[1], args[2], result, fault);
        break;
    case IR_OP_LDX:
        r = ops->ldx(vcpu, gva, head->attr, result, fault);
        break;
    default: /* stx */
        find_reserved(vcpu, head->attr);
        r = ops->stx(vcpu, gva, head->attr, args[1], fault);
        result->lo = r == PB_MEM_OK;
        return r == PB_MEM_FAULT ? r : PB_MEM_OK;
    }
    if (PB_MEM_GET_SIZE_LOG2(head->attr) != 4)
        result->hi = 0;
    return r;
}

static void put_result(cg_frame *f, uint32_t reg, uint32_t type, pb_u128 value)
{
    value = site_cut(value, type);
    if (reg < XMM0)
        f->general[reg] = value.lo;
    else if (reg < CG_REGS)
        f->vector[reg - XMM0] = value;
}

/* One access, or the two of a pair. */
static pb_mem_result operate_all(pb_vcpu *vcpu, const site_head *head, const uint8_t *types,
                                 const pb_u128 *args, pb_u128 results[2], pb_guest_fault *fault)
{
    pb_mem_result r = operate(vcpu, head, args, &results[0], fault);
    pb_u128 second[2];

    if (r != PB_MEM_OK || !(head->flags & SITE_PAIR))
        return r;
    second[0] = (pb_u128){ args[0].lo + PB_MEM_GET_BYTES(head->attr), 0 };
    second[0] = site_cut(second[0], types[0]);
    second[1] = args[2];
    return operate(vcpu, head, second, &results[1], fault);
}

/* Counted: what devices see of budget and retired, and what they leave. */
static void count_exactly(pb_vcpu *vcpu, uint32_t after)
{
    vcpu->budget += after;
    vcpu->retired = vcpu->codegen[CG_WORD_SUM] - (uint64_t)vcpu->budget;
}

static void count_ahead(pb_vcpu *vcpu, uint32_t after)
{
    vcpu->codegen[CG_WORD_SUM] = (uint64_t)vcpu->budget + vcpu->retired;
    vcpu->budget -= after;
}

/* The instruction wants a unit of its own: as if it had not begun. */
static const uint8_t *leave_alone(pb_vcpu *vcpu, const cg_frame *f, uint32_t after)
{
    vcpu->budget += after + 1;
    *f->exit = (pb_code_exit){ .kind = PB_CODE_EXIT_ALONE };
    return NULL;
}

/* Take the exception of a fault. */
static const uint8_t *take_fault(pb_vcpu *vcpu, const cg_frame *f, const site_head *head,
                                 pb_guest_fault *fault)
{
    fault->attr = head->attr;
    fault->aux = vcpu->aux;
    vcpu->type->raise(vcpu, fault);
    *f->exit = (pb_code_exit){ .kind = PB_CODE_EXIT_UNWOUND };
    return NULL;
}

/* The host found nothing behind the page, which the guest may access. */
static const uint8_t *take_absence(pb_vcpu *vcpu, const cg_frame *f, const site_head *head,
                                   uint64_t gva)
{
    uint64_t page = (vcpu->codegen[CG_WORD_ABSENT] - 1) & ~PB_PAGE_MASK;
    pb_guest_fault fault = {
        .kind = PB_FAULT_BUS,
        .type = head->op == IR_OP_LD || head->op == IR_OP_LDX ? PB_ACCESS_READ : PB_ACCESS_WRITE,
        .gva = gva > page ? gva : page
    }; /* of a pair any may be tried first */

    fault.gpa = fault.gva;
    vcpu->codegen[CG_WORD_ABSENT] = 0;
    return take_fault(vcpu, f, head, &fault);
}

/* Counted: whether the page is in the TLB now, without anybody's noticing, so that the probe will find it. */
static bool fill(pb_vcpu *vcpu, const site_head *head, uint64_t gva)
{
    return head->flags & SITE_REFILL && PB_HAS(vcpu->ops, tlb_fill) && vcpu->ops->tlb_fill &&
           vcpu->ops->tlb_fill(vcpu, gva, head->attr, head->op != IR_OP_LD);
}

static bool has_tags(const pb_vcpu *vcpu, const site_head *head, uint64_t gva)
{
    const pb_tlb *tlb = vcpu->tlb[PB_MEM_GET_MMU(head->attr)];
    uint64_t page = gva & ~PB_PAGE_MASK, i = (gva >> PB_PAGE_BITS) & (PB_TLB_ENTRIES - 1);
    bool reads = head->op != IR_OP_ST && head->op != IR_OP_STX;
    bool writes = head->op != IR_OP_LD && head->op != IR_OP_LDX;

    return tlb && (!reads || tlb->tag_read[i] == page) && (!writes || tlb->tag_write[i] == page);
}

/* A load or a store, of a pair perhaps, that is here only because it crosses into another page, and both have tags: it does
 * not fault, and nobody sees it, so the state need not be complete. Copying is full of those. */
static bool is_crossing(const pb_vcpu *vcpu, const site_head *head, uint64_t gva)
{
    uint32_t bytes = PB_MEM_GET_BYTES(head->attr) << (head->flags & SITE_PAIR ? 1 : 0);
    uint64_t aligned = (UINT64_C(1) << PB_MEM_GET_ALIGN_LOG2(head->attr)) - 1;

    return (head->op == IR_OP_LD || head->op == IR_OP_ST) && !(gva & aligned) &&
           (gva & PB_PAGE_MASK) + bytes > PB_PAGE_SIZE && bytes <= 32 &&
           has_tags(vcpu, head, gva) && has_tags(vcpu, head, gva + bytes - 1);
}

/* Counted: an operation that has no inline code, on plain memory, as the TLB's tags say: it does not fault, and nobody else
 * sees it, so that counts need not be exact and it wants no unit of its own. */
static bool is_plain(pb_vcpu *vcpu, const site_head *head, uint64_t gva)
{
    uint32_t bytes = PB_MEM_GET_BYTES(head->attr);
    bool write = head->op != IR_OP_LD && head->op != IR_OP_LDX;

    if (head->op == IR_OP_STX && (vcpu->exclusive_bytes != bytes || vcpu->exclusive_gva != gva))
        return true; /* it fails without an access */
    if (head->flags & SITE_PAIR || gva & (bytes - 1) || bytes > 16)
        return false;
    if (has_tags(vcpu, head, gva))
        return true;
    return PB_HAS(vcpu->ops, tlb_fill) && vcpu->ops->tlb_fill &&
           vcpu->ops->tlb_fill(vcpu, gva, head->attr, write) && has_tags(vcpu, head, gva);
}

/* Counted: a store that is trapped only because there is code in its page elsewhere. */
static bool is_beside_code(pb_vcpu *vcpu, const site_head *head, uint64_t gva)
{
    uint32_t bytes = PB_MEM_GET_BYTES(head->attr) << (head->flags & SITE_PAIR ? 1 : 0);

    return head->op == IR_OP_ST && PB_HAS(vcpu->ops, is_beside_code) && vcpu->ops->is_beside_code &&
           vcpu->ops->is_beside_code(vcpu, gva, head->attr, bytes);
}

/* Results go to the frame's registers. Where to go on. */
static const uint8_t *finish(cg_frame *f, const site_head *head, const uint8_t *record,
                             const pb_u128 results[2])
{
    if (head->span < XMM0)
        f->general[head->span] = 0;
    put_result(f, head->result, head->result_type, results[0]);
    if (head->flags & SITE_PAIR)
        put_result(f, head->result_2, head->result_type, results[1]);
    return record + head->resume;
}

/* Where to go on, null to leave. */
static const uint8_t *access_memory(pb_vcpu *vcpu, cg_frame *f, const uint8_t *record)
{
    bool counted = f->self->counted, exact, plain;
    const uint8_t *p = record + sizeof(site_head);
    pb_u128 args[3] = { { 0, 0 } }, results[2] = { { 0, 0 } };
    uint8_t types[3] = { 0 };
    pb_guest_fault fault = { 0 };
    site_head head;

    memcpy(&head, record, sizeof(head));
    for (uint32_t i = 0; i < head.n_args; i++) {
        types[i] = *p++;
        args[i] = site_cut(take_place(vcpu, f, &p), types[i]);
    }
    if (!f->self->direct && is_crossing(vcpu, &head, args[0].lo) &&
        operate_all(vcpu, &head, types, args, results, &fault) == PB_MEM_OK)
        return finish(f, &head, record, results);
    exact = counted && !(head.flags & (SITE_ALONE | SITE_EFFECT));
    if (exact && fill(vcpu, &head, args[0].lo))
        return record - REFILL_AGAIN;
    plain = exact && (is_plain(vcpu, &head, args[0].lo) || is_beside_code(vcpu, &head, args[0].lo));
    write_state(vcpu, f, &head, p);
    if (f->self->direct && vcpu->codegen[CG_WORD_ABSENT])
        return take_absence(vcpu, f, &head, args[0].lo);
    if (head.flags & SITE_RELIED_ON && !direct_is_near(vcpu, args[0].lo)) {
        *f->exit = (pb_code_exit){ .kind = PB_CODE_EXIT_ALONE };
        return NULL;
    }
    if (exact && !plain)
        return leave_alone(vcpu, f, head.after);
    if (counted)
        count_exactly(vcpu, head.after);
    if (operate_all(vcpu, &head, types, args, results, &fault) != PB_MEM_OK)
        return take_fault(vcpu, f, &head, &fault);
    if (counted)
        count_ahead(vcpu, head.after);
    return finish(f, &head, record, results);
}

const uint8_t *slow_path(pb_vcpu *vcpu, cg_frame *f, const uint8_t *record)
{
    uint32_t mxcsr = guest_mxcsr(vcpu);
    const uint8_t *resume;

    merge_mxcsr(vcpu);
    __atomic_store_n(&vcpu->codegen[CG_WORD_SLOW], vcpu->codegen[CG_WORD_SLOW] + 1,
                     __ATOMIC_RELAXED);
    resume = access_memory(vcpu, f, record);
    back_to_guest(mxcsr);
    return resume;
}
