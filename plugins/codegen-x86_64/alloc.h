/*
 * What alloc.c and slots.c share.
 */
#ifndef CODEGEN_X86_64_ALLOC_H
#define CODEGEN_X86_64_ALLOC_H

#include "codegen.h"

static inline uint32_t index_of(const cg *c, const cg_value *v)
{
    return (uint32_t)(v - c->values);
}

static inline uint32_t class_of(const cg_value *v)
{
    return cg_is_vector(v->type) ? CG_VECTOR_SET : CG_GENERAL_SET;
}

static inline bool in_memory(const cg_value *v)
{
    return v->flags & CG_IS_CONST || v->spill >= 0 || v->home >= 0;
}

/* The value is in the host's flags alone, or is made again of operands. */
static inline bool cg_is_in_flags(const cg *c, const cg_value *v)
{
    return v->reg < 0 && (v->flags & CG_IN_FLAGS || c->made == index_of(c, v)) && v->spill < 0 &&
           v->home < 0;
}

/* The bits of a constant. */
pb_u128 cg_constant(const cg *c, const cg_value *v);
/* A free register of the set, emptied and locked. */
cg_reg cg_allocate(cg *c, uint32_t set);
/* cg_use() of a value. */
cg_reg cg_use_value(cg *c, cg_value *v);
void cg_move(cg *c, cg_reg to, cg_reg from);
/* The register has the value, or not any more. */
static inline void cg_own(cg *c, cg_reg r, cg_value *v)
{
    cg_set_register(c, r, index_of(c, v));
    v->reg = (int8_t)r;
}
void cg_drop(cg *c, cg_reg r);
/* Another pinned register that has the value, or CG_NO_REG. */
int8_t cg_other_pin(const cg *c, uint32_t value, cg_reg but);
/* Free a value's places if nobody needs it. */
void cg_release_value(cg *c, cg_value *v);

/* Whether that would do anything: a register of a slot stays, and what a clean slot's home has may stay too. */
static inline bool cg_is_idle(const cg *c, const cg_value *v)
{
    const uint64_t free = c->free_set; /* CG_NO_REG is above all registers */

    return !v->uses && !v->dirty &&
           ((free >> (v->reg & 63) & 1 && v->home < 0) || v->spill >= 0 || c->made != CG_NONE);
}

/* A record that uses it is done. */
static inline void cg_end_use(cg *c, cg_value *v)
{
    if (v->uses)
        v->uses--;
    if (cg_is_idle(c, v))
        cg_release_value(c, v);
}

/* cg_end_record() of the record r, in the loop over all records. */
static inline void cg_end_operation(cg *c, const ir_op_record *r)
{
    const uint32_t *args = r->n_args > 4 ? &c->u->extra[r->arg[0]] : r->arg;
    uint32_t n = r->n_args, first = c->record << 1;
    cg_value *values = c->values;

    for (uint32_t i = 0; i < n; i++)
        cg_end_use(c, &values[values[cg_index(c, args[i])].rep]);
    if (!values[first].uses && values[first].rep == first && cg_is_idle(c, &values[first]))
        cg_release_value(c, &values[first]);
    if (cg_second_of(cg_op_kinds[r->op]) && values[first | 1].rep == (first | 1) &&
        cg_is_idle(c, &values[first | 1]))
        cg_release_value(c, &values[first | 1]);
    c->locked = 0;
}

#endif
