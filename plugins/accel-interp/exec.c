/*
 * The interpreter's loop.
 *
 * The rules it keeps:
 *   - At an instruction's mark it looks whether the budget is used up, and whether the unit's code was
 *     written to since it was made; then it counts the instruction and writes the pc slot and vcpu->aux. So
 *     both are right whenever a memory function, a helper or an exception looks.
 *   - Memory goes through vcpu->ops, floating point through the softfloat library. There is no other way.
 *   - Requests are looked at there too, so when one is seen does not hang on what a unit is.
 */
#include "interp.h"

#define NEXT()        \
    do {              \
        s++;          \
        goto * s->go; \
    } while (0)

/* Slots of an indexed access; the number read from the guest is checked. */
static const pb_slot *indexed_slot(const interp_vcpu *x, uint32_t attr, uint64_t index)
{
    uint32_t first = attr & 0xffff, n = attr >> 16 & 0xff;

    return index < n ? &x->vcpu->type->slots[first + index] : NULL;
}

static void get_indexed(interp_vcpu *x, uint64_t *f, const step *s)
{
    const pb_slot *slot = indexed_slot(x, s->attr, f[s->a]);
    const pb_slot *first = &x->vcpu->type->slots[s->attr & 0xffff];
    uint32_t bytes = pb_slot_bytes(first->type);

    memset(&f[s->d], 0, bytes > 8 ? 16 : 8);
    if (slot)
        memcpy(&f[s->d], (const char *)x->vcpu->state + slot->offset, bytes);
}

static void put_indexed(interp_vcpu *x, const uint64_t *f, const step *s)
{
    const pb_slot *slot = indexed_slot(x, s->attr, f[s->a]);

    if (slot)
        memcpy((char *)x->vcpu->state + slot->offset, &f[s->b], pb_slot_bytes(slot->type));
}

static uint64_t call_scalar_helper(interp_vcpu *x, const uint64_t *f, const call_record *call)
{
    uint64_t a[PB_HELPER_MAX_ARGS] = { 0 };

    for (uint32_t i = 0; i < call->helper->n_args; i++)
        a[i] = f[call->args[i]];
    return call->helper->scalar(x->vcpu, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static pb_u128 call_vector_helper(interp_vcpu *x, const uint64_t *f, const call_record *call)
{
    pb_u128 result = { 0, 0 }, args[PB_HELPER_MAX_ARGS] = { { 0, 0 } };

    for (uint32_t i = 0; i < call->helper->n_args; i++) {
        const uint64_t *cell = &f[call->args[i]];

        args[i] = (pb_u128){ cell[0], two_cells(call->helper->args[i]) ? cell[1] : 0 };
    }
    call->helper->vector(x->vcpu, &result, args);
    return result;
}

/* The two cells of a value, or the one and zero. */
static pb_u128 wide_cell(const uint64_t *f, uint32_t cell, bool two)
{
    return (pb_u128){ f[cell], two ? f[cell + 1] : 0 };
}

static uint64_t result_mask(uint32_t type)
{
    return ir_sem_mask(ir_type_bits[type]);
}

/* Execute from the pc slot, or with x null give the labels. */
static uint32_t run(interp_vcpu *x, const label_set **labels)
{
    static const void *const variants[] = {
#include "interp_table.inc"
    };
    static const label_set all = {
        .variants = variants,
        .call_function = &&call_function,
        .insn_32 = &&insn_32,
        .insn_64 = &&insn_64,
        .get_1 = &&get_1,
        .get_2 = &&get_2,
        .get_4 = &&get_4,
        .get_8 = &&get_8,
        .get_16 = &&get_16,
        .put_1 = &&put_1,
        .put_2 = &&put_2,
        .put_4 = &&put_4,
        .put_8 = &&put_8,
        .put_16 = &&put_16,
        .put_flags = &&put_flags,
        .get_idx = &&get_idx,
        .put_idx = &&put_idx,
        .load = &&load,
        .load_16 = &&load_16,
        .store = &&store,
        .rmw = &&rmw,
        .cas = &&cas,
        .ldx = &&ldx,
        .stx = &&stx,
        .clrex = &&clrex,
        .fence = &&fence,
        .move = &&move,
        .move_16 = &&move_16,
        .go_to = &&go_to,
        .branch_if = &&branch_if,
        .branch_cc = &&branch_cc,
        .jump = &&jump,
        .jump_ind = &&jump_ind,
        .leave = &&leave,
        .call_scalar = &&call_scalar,
        .call_vector = &&call_vector,
    };
    const pb_vcpu_ops *ops;
    pb_guest_fault fault;
    pb_vcpu *vcpu;
    const step *s;
    uint64_t *f;
    char *state;
    iunit *u;

    if (!x) {
        *labels = &all;
        return 0;
    }
    vcpu = x->vcpu;
    ops = vcpu->ops;
    state = vcpu->state;

dispatch : {
    uint64_t pc = read_pc(x), key;
    recent *r;

    if (__atomic_load_n(&vcpu->exit_request, __ATOMIC_ACQUIRE))
        return PB_RUN_REQUEST;
    key = vcpu->type->translator->unit_key(vcpu);
    r = recent_of(x, pc);
    u = r->unit;
    if (!u || r->pc != pc || r->key != key || r->epoch != vcpu->tlb_epoch || !is_current(u) ||
        x->attention) {
        u = find_unit(x, pc, key, &fault);
        if (!u)
            goto no_unit;
    }
    f = u->cells;
    s = u->steps;
    goto * s->go;
}

no_unit: /* the fetch faults, which counts as an instruction; or there is no memory */
    if (vcpu->budget <= 0 || fault.kind == FAULT_STEPPED)
        return PB_RUN_BUDGET;
    if (!fault.kind) {
        pb_log(x->interp->self, PB_LOG_WARNING, "no memory for a unit at 0x%llx",
               (unsigned long long)read_pc(x));
        x->interp->self->ops->request(x->interp->self, PB_MACHINE_POWER_OFF, 71); /* EX_OSERR */
        return PB_RUN_REQUEST;
    }
    vcpu->budget--;
    vcpu->retired++;
    fault.aux = 0;
    goto raise;

fault:
    fault.attr = s->attr;
    fault.aux = vcpu->aux;
raise:
    vcpu->type->raise(vcpu, &fault);
unwind:
    vcpu->unwind = 0;
    if (vcpu->leave_reason) {
        uint32_t reason = vcpu->leave_reason;

        vcpu->leave_reason = 0;
        return reason;
    }
    goto dispatch;

insn_32:
    *(uint32_t *)(void *)x->pc_slot = (uint32_t)s->imm;
    goto insn;
insn_64:
    *(uint64_t *)(void *)x->pc_slot = s->imm;
insn:
    if (__builtin_expect(vcpu->budget <= 0, 0))
        return PB_RUN_BUDGET;
    if (__builtin_expect(__atomic_load_n(&vcpu->exit_request, __ATOMIC_RELAXED), 0))
        return PB_RUN_REQUEST;
    if (__builtin_expect(!is_current(u), 0))
        goto dispatch;
    vcpu->budget--;
    vcpu->retired++;
    vcpu->aux = s->attr;
    NEXT();

get_1:
    f[s->d] = *(const uint8_t *)(state + s->imm);
    NEXT();
get_2:
    f[s->d] = *(const uint16_t *)(const void *)(state + s->imm);
    NEXT();
get_4:
    f[s->d] = *(const uint32_t *)(const void *)(state + s->imm);
    NEXT();
get_8:
    f[s->d] = *(const uint64_t *)(const void *)(state + s->imm);
    NEXT();
get_16:
    memcpy(&f[s->d], state + s->imm, 16);
    NEXT();
put_1:
    *(uint8_t *)(state + s->imm) = (uint8_t)f[s->a];
    NEXT();
put_2:
    *(uint16_t *)(void *)(state + s->imm) = (uint16_t)f[s->a];
    NEXT();
put_4:
    *(uint32_t *)(void *)(state + s->imm) = (uint32_t)f[s->a];
    NEXT();
put_flags:
    *(uint32_t *)(void *)(state + s->imm) = (uint32_t)f[s->a] & s->attr;
    NEXT();
put_8:
    *(uint64_t *)(void *)(state + s->imm) = f[s->a];
    NEXT();
put_16:
    memcpy(state + s->imm, &f[s->a], 16);
    NEXT();
get_idx:
    get_indexed(x, f, s);
    NEXT();
put_idx:
    put_indexed(x, f, s);
    NEXT();

load : {
    pb_u128 value;

    if (ops->load(vcpu, f[s->a], s->attr, &value, &fault) != PB_MEM_OK)
        goto fault;
    f[s->d] = value.lo & s->imm;
}
    NEXT();

load_16 : {
    pb_u128 value;

    if (ops->load(vcpu, f[s->a], s->attr, &value, &fault) != PB_MEM_OK)
        goto fault;
    f[s->d] = value.lo;
    f[s->d + 1] = PB_MEM_GET_SIZE_LOG2(s->attr) == 4 ? value.hi : 0;
}
    NEXT();

store:
    if (ops->store(vcpu, f[s->a], s->attr, wide_cell(f, s->b, s->e), &fault) != PB_MEM_OK)
        goto fault;
    NEXT();

rmw : {
    uint64_t old;

    if (ops->rmw(vcpu, f[s->a], s->attr, s->c, f[s->b], &old, &fault) != PB_MEM_OK)
        goto fault;
    f[s->d] = old & s->imm;
}
    NEXT();

cas : {
    pb_u128 old;

    if (ops->cas(vcpu, f[s->a], s->attr, wide_cell(f, s->b, s->e), wide_cell(f, s->c, s->e), &old,
                 &fault) != PB_MEM_OK)
        goto fault;
    f[s->d] = old.lo & s->imm;
    if (s->e)
        f[s->d + 1] = PB_MEM_GET_SIZE_LOG2(s->attr) == 4 ? old.hi : 0;
}
    NEXT();

ldx : {
    pb_u128 value;

    if (ops->ldx(vcpu, f[s->a], s->attr, &value, &fault) != PB_MEM_OK)
        goto fault;
    f[s->d] = value.lo & s->imm;
    if (s->e)
        f[s->d + 1] = PB_MEM_GET_SIZE_LOG2(s->attr) == 4 ? value.hi : 0;
}
    NEXT();

stx : {
    pb_mem_result result = ops->stx(vcpu, f[s->a], s->attr, wide_cell(f, s->b, s->e), &fault);

    if (result == PB_MEM_FAULT)
        goto fault;
    f[s->d] = result == PB_MEM_OK;
}
    NEXT();

clrex:
    vcpu->exclusive_bytes = 0;
    NEXT();
fence:
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    NEXT();

move:
    f[s->d] = f[s->a];
    NEXT();
move_16:
    f[s->d] = f[s->a];
    f[s->d + 1] = f[s->a + 1];
    NEXT();
go_to:
    s = &u->steps[s->imm];
    goto * s->go;
branch_if:
    s = &u->steps[f[s->a] ? (uint32_t)s->imm : s->imm >> 32];
    goto * s->go;
branch_cc:
    s = &u->steps[ir_sem_cc(f[s->a], s->attr) ? (uint32_t)s->imm : s->imm >> 32];
    goto * s->go;

jump:
    write_pc(x, f[s->a]);
    goto dispatch;
jump_ind:
    write_pc(x, pb_jump_target(vcpu->type->translator, u->key, f[s->a]));
    goto dispatch;
leave: /* exit; to a computed pc where a step of a debugger's ends */
    write_pc(x, pb_jump_target(vcpu->type->translator, u->key, f[s->a]));
    return s->attr;

call_scalar : {
    uint64_t result = call_scalar_helper(x, f, &u->calls[s->imm]);

    if (vcpu->unwind)
        goto unwind;
    if (s->attr != IR_VOID)
        f[s->d] = result & result_mask(s->attr);
}
    NEXT();

call_vector : {
    pb_u128 result = call_vector_helper(x, f, &u->calls[s->imm]);

    if (vcpu->unwind)
        goto unwind;
    if (s->attr != IR_VOID)
        f[s->d] = result.lo & result_mask(s->attr);
    if (two_cells(s->attr))
        f[s->d + 1] = result.hi & (s->attr == IR_F80 ? 0xffff : UINT64_MAX);
}
    NEXT();

call_function:
    ((step_function *)(uintptr_t)s->imm)(f, s, x);
    NEXT();

#include "interp_labels.inc"
}

const label_set *exec_labels(void)
{
    const label_set *labels;

    run(NULL, &labels);
    return labels;
}

uint32_t execute(interp_vcpu *x)
{
    uint32_t reason;

    x->logging = x->interp->translate->log_exec_enabled(x->vcpu);
    if (x->logging) /* by virtual address there may be units of before */
        x->attention |= ATTENTION_LOG;
    else
        x->attention &= ~(uint32_t)ATTENTION_LOG;
    /* Left by whoever took an exception outside, an interrupt for instance: the pc slot is right. */
    x->vcpu->unwind = 0;
    x->vcpu->leave_reason = 0;
    x->running = true;
    reason = run(x, NULL);
    x->running = false;
    return reason;
}

/* Units are of one instruction then: the dispatch behind it ends the run. */
uint32_t execute_one(interp_vcpu *x)
{
    uint32_t reason;

    x->attention |= ATTENTION_STEP;
    x->stepped = false;
    reason = execute(x);
    x->attention &= ~(uint32_t)ATTENTION_STEP;
    return reason;
}
