/*
 * Direct memory: a window of the host has the guest's memory, with the protection that the guest gave it
 * (pb_codegen_setup.window), so an access is
 *
 *     cmp  a, [rbp + LIMIT]        another address, or one with a tag?
 *     ja   slow
 *     mov  value, [r14 + a]
 *
 * 1. What the guest may not do, the host refuses: the instruction faults, and a handler of the host's signals looks the unit
 *    up and asks cg_direct_fault() where to go on. The table of accesses behind the unit's code gives the cold path of
 *    the access, which was made for the registers as they are there, because an access changes no register before it
 *    is done (of a pair neither). The slow path does all of the access anew, and tells the guest.
 * 2. Nothing is found out in the handler that needs a lock, or memory: the unit's code and its table stay where they are as
 *    long as its vCPU is in emitted code. What only the handler knows, that a page has nothing behind it, is left in a
 *    word of the vCPU.
 * 3. What is near to an address in the window, in it or not, may be tried too: for `guard` bytes around it the host refuses.
 *    So addresses are compared before constants are added to them, and what was compared in a block needs no second comparison.
 *    That holds only if the slow path of the first access does not come back: where the address is not in the
 *    window, it leaves the unit, and the instruction is executed alone (SITE_RELIED_ON).
 */
#include "direct.h"
#include "note.h"

#include <stdlib.h>

/* From a compared address to one that is not: the slow path lets one pass that is as far away, and a sum is too. */
enum { REACH = 4 << 20, MOST_BYTES = 64 };

typedef struct cg_fault {
    uint32_t at; /* offset of the instruction */
    uint32_t
        cold; /* number of the path, CG_NONE: see cg_may_fault(); in the table: the offset of where it goes on */
} cg_fault;

/* ---- the window ---------------------------------------------------------------------------------------------- */

void cg_direct_start(x86_codegen *self, const pb_codegen_setup *setup)
{
    self->direct = PB_HAS(setup, window) && setup->window.bytes && !setup->counted &&
                   setup->window.guard >= 3 * REACH + MOST_BYTES;
    self->window = self->direct ? setup->window : (pb_code_window){ 0 };
}

void cg_direct_vcpu(const x86_codegen *self, pb_vcpu *vcpu)
{
    vcpu->codegen[CG_WORD_LIMIT] = self->window.bytes - 1;
}

bool direct_is_near(const pb_vcpu *vcpu, uint64_t gva)
{
    return gva + REACH <= vcpu->codegen[CG_WORD_LIMIT] + 2 * REACH;
}

uint32_t cg_compare_limit(cg *c, cg_reg address)
{
    asm_alu_load(&c->a, ALU_CMP, W64, address,
                 cg_vcpu((int64_t)(offsetof(pb_vcpu, codegen) + 8 * CG_WORD_LIMIT)));
    return asm_jcc(&c->a, CC_A);
}

/* ---- what is known ------------------------------------------------------------------------------------------- */

static bool is_near(int64_t distance)
{
    return distance >= -REACH && distance <= REACH;
}

/* What a record adds to its first operand, if that is all it does. */
static bool is_sum(const cg *c, const ir_op_record *r, int64_t *k)
{
    uint64_t value;

    if ((r->op != IR_OP_ADD && r->op != IR_OP_SUB) || r->type != IR_I64 ||
        !cg_const(c, r->arg[1], &value))
        return false;
    *k = r->op == IR_OP_ADD ? (int64_t)value : (int64_t)(0 - value);
    return true;
}

/* The value that an address was made from by adding constants, and their sum. CG_NONE: it is a constant. */
static uint32_t origin(const cg *c, uint32_t id, int64_t *distance)
{
    uint32_t value = CG_NONE;

    for (uint32_t depth = 0; depth < 8; depth++) {
        const ir_op_record *r;
        int64_t k;

        if (id & IR_CONST_BIT)
            return CG_NONE;
        value = (uint32_t)(cg_value_of(c, id) - c->values);
        if (value >= 2 * c->u->n_ops || c->values[value].type != IR_I64)
            return CG_NONE;
        r = &c->u->ops[value >> 1];
        if (value & 1 || !is_sum(c, r, &k) || !is_near(k) || !is_near(*distance + k) ||
            r->arg[0] & IR_CONST_BIT)
            break;
        *distance += k;
        id = r->arg[0];
    }
    return value;
}

bool cg_is_known(const cg *c, uint32_t id, int32_t distance)
{
    int64_t at = distance;
    uint64_t address;
    uint32_t value;

    if (cg_const(c, id, &address))
        return address + (uint64_t)at < c->self->window.bytes;
    if (cg_type(c, id) == IR_I32)
        return c->self->window.bytes > UINT32_MAX;
    value = origin(c, id, &at);
    for (uint32_t i = 0; i < c->known.n; i++)
        if (value == c->known.address[i].value && is_near(at - c->known.address[i].distance))
            return true;
    return false;
}

bool cg_note_known(cg *c, uint32_t id)
{
    int64_t at = 0;
    uint32_t value, i;

    /* An instruction of which something was done, or that is alone already, cannot be left. */
    if (c->effect_done || c->job->flags & PB_CODE_ALONE || !cg_does(c, CG_PASS_SPANS) ||
        cg_type(c, id) != IR_I64)
        return false;
    value = origin(c, id, &at);
    if (value == CG_NONE)
        return false;
    i = c->known.n < CG_KNOWN ? c->known.n++ : c->known.next++ % CG_KNOWN;
    c->known.address[i].value = value;
    c->known.address[i].distance = (int32_t)at;
    return true;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

void cg_may_fault(cg *c, uint32_t cold)
{
    if (!c->self->direct)
        return;
    if (c->n_faults == c->cap_faults) {
        uint32_t n = c->cap_faults ? 2 * c->cap_faults : 64;
        cg_fault *grown = realloc(c->faults, n * sizeof(*grown));

        if (!grown) {
            c->failed = true;
            return;
        }
        c->faults = grown;
        c->cap_faults = n;
    }
    c->faults[c->n_faults++] = (cg_fault){ asm_offset(&c->a), cold };
}

/* The unit's last word is their number; they are before it. */
void cg_emit_faults(cg *c)
{
    uint32_t bytes = c->n_faults * (uint32_t)sizeof(cg_fault);

    if (!c->self->direct)
        return;
    if ((size_t)(c->a.end - c->a.p) < bytes + ASM_MOST) {
        c->a.full = true;
        return;
    }
    if (c->noting)
        cg_note_data(c);
    while (asm_offset(&c->a) & 3)
        asm_8(&c->a, 0);
    for (uint32_t i = 0; i < c->n_faults; i++) {
        cg_fault *f = &c->faults[i];

        f->cold = f->cold == CG_NONE ? c->changed : cg_cold_start(c, f->cold);
    }
    if (bytes)
        memcpy(c->a.p, c->faults, bytes);
    c->a.p += bytes;
    memcpy(c->a.p, &c->n_faults, sizeof(c->n_faults));
    c->a.p += sizeof(c->n_faults);
    if (PB_HAS(c->job, records))
        c->job->records += bytes + (uint32_t)sizeof(c->n_faults);
}

/* In a handler of signals. */
const uint8_t *cg_direct_fault(void *self, pb_vcpu *vcpu, const uint8_t *code, uint32_t bytes,
                               const pb_host_fault *fault)
{
    uint32_t offset = (uint32_t)(fault->pc - code), low = 0, n, high;
    const cg_fault *table;

    if (!((const x86_codegen *)self)->direct)
        return NULL;
    memcpy(&n, code + bytes - sizeof(n), sizeof(n));
    table = (const cg_fault *)(const void *)(code + bytes - sizeof(n)) - n;
    for (high = n; low < high;) { /* low: those before the instruction */
        uint32_t middle = low + (high - low) / 2;

        if (table[middle].at < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n || table[low].at != offset)
        return NULL;
    if (fault->absent)
        vcpu->codegen[CG_WORD_ABSENT] = fault->gva + 1;
    return code + table[low].cold;
}
