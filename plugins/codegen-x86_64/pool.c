/*
 * Constants in memory, addressed from the instruction: those that all units share stand behind the thunks, a unit's own
 * behind its code.
 */
#include "note.h"

#include <stdlib.h>

typedef struct cg_pool {
    pb_u128 value;
    uint32_t fixups; /* displacements that wait for it: a list through the code, CG_NONE: none */
} cg_pool;

/* A displacement is counted from the end of the instruction: an immediate byte stands between. */
static uint32_t emit_op(cg *c, uint32_t op, int reg, int v, int imm)
{
    uint32_t at;

    asm_vrm(&c->a, op, reg, v, asm_at(ASM_RIP, 0));
    at = asm_offset(&c->a) - 4;
    if (imm >= 0)
        asm_8(&c->a, (uint32_t)imm);
    return at;
}

void cg_shared_op(cg *c, uint32_t op, int reg, int v, cg_shared constant, int imm)
{
    uint32_t at = emit_op(c, op, reg, v, imm);
    int32_t distance = (int32_t)(c->self->shared + 16 * (uint32_t)constant -
                                 (c->job->slice.rx + asm_offset(&c->a)));

    memcpy(c->a.start + at, &distance, 4);
}

static cg_pool *entry_of(cg *c, pb_u128 value)
{
    for (uint32_t i = 0; i < c->n_pool; i++)
        if (c->pool[i].value.lo == value.lo && c->pool[i].value.hi == value.hi)
            return &c->pool[i];
    if (c->n_pool == c->cap_pool) {
        uint32_t n = c->cap_pool ? 2 * c->cap_pool : 8;
        cg_pool *grown = realloc(c->pool, n * sizeof(*grown));

        if (!grown) {
            c->failed = true;
            return NULL;
        }
        c->pool = grown;
        c->cap_pool = n;
    }
    c->pool[c->n_pool] = (cg_pool){ .value = value, .fixups = CG_NONE };
    return &c->pool[c->n_pool++];
}

/* The list's links have the place in their upper 31 bits; the lowest one says whether an immediate follows. */
void cg_pool_op(cg *c, uint32_t op, int reg, int v, pb_u128 constant, int imm)
{
    uint32_t at = emit_op(c, op, reg, v, imm);
    cg_pool *p = entry_of(c, constant);

    if (!p)
        return;
    memcpy(c->a.start + at, &p->fixups, 4);
    p->fixups = at << 1 | (imm >= 0);
}

void cg_emit_pool(cg *c)
{
    uint32_t pad = (uint32_t)(16 - ((uintptr_t)c->job->slice.rx + asm_offset(&c->a))) & 15;

    if (!c->n_pool || c->a.full)
        return;
    if ((size_t)(c->a.end - c->a.p) < pad + 16 * (size_t)c->n_pool) {
        c->a.full = true;
        return;
    }
    if (c->noting)
        cg_note_data(c);
    memset(c->a.p, 0, pad);
    c->a.p += pad;
    for (uint32_t i = 0; i < c->n_pool; i++) {
        uint32_t here = asm_offset(&c->a), next;

        for (uint32_t fixup = c->pool[i].fixups; fixup != CG_NONE; fixup = next) {
            uint32_t at = fixup >> 1, distance = here - (at + 4 + (fixup & 1));

            memcpy(&next, c->a.start + at, 4);
            memcpy(c->a.start + at, &distance, 4);
        }
        memcpy(c->a.p, &c->pool[i].value, 16);
        c->a.p += 16;
    }
}
