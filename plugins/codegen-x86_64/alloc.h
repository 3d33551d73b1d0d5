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
void cg_own(cg *c, cg_reg r, cg_value *v);
void cg_drop(cg *c, cg_reg r);
/* Another pinned register that has the value, or CG_NO_REG. */
int8_t cg_other_pin(const cg *c, uint32_t value, cg_reg but);
/* Free a value's places if nobody needs it. */
void cg_release_value(cg *c, cg_value *v);

/* The same, in most cases without a call. */
static inline void cg_release_if_idle(cg *c, cg_value *v)
{
    if (!v->uses && (v->reg >= 0 || v->spill >= 0))
        cg_release_value(c, v);
}

#endif
