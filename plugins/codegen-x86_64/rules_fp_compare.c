/*
 * Comparisons of floats: the outcome stays in the host's flags.
 *
 * ucomis a, b leaves conditions for greater, not greater, greater or equal, and their opposites, as they are right for NaNs;
 * ucomis b, a those for less. "Equal" is right for NaNs only by a jump that a NaN takes. So it matters which condition is asked
 * for: mostly it stands close behind.
 */
#include "rules_fp.h"

enum { LOOK = 64 };

/* Names for the bundle of this record: itself, and what a slot gives that it was put into. */
typedef struct names {
    uint32_t slot; /* CG_NONE: none */
    uint32_t id[4], n;
} names;

static bool is_named(const names *n, uint32_t id)
{
    for (uint32_t i = 0; i < n->n; i++)
        if (n->id[i] == id)
            return true;
    return false;
}

/* The first condition that is asked of the record's bundle in this block; CG_NONE: none is. */
static uint32_t condition_asked(const cg *c)
{
    uint32_t end = c->u->blocks[c->block].end;
    names n = { .slot = CG_NONE, .id = { c->record << 1 }, .n = 1 };

    for (uint32_t i = c->record + 1; i < end && i < c->record + LOOK; i++) {
        const ir_op_record *r = &c->u->ops[i];

        switch (r->op) {
        case IR_OP_BR_CC:
        case IR_OP_SET_CC:
        case IR_OP_SEL_CC:
            if (is_named(&n, r->arg[0]))
                return r->attr & 15;
            break;
        case IR_OP_PUT:
            if (is_named(&n, r->arg[0]))
                n.slot = r->attr & 0xffff;
            else if ((r->attr & 0xffff) == n.slot)
                n.slot = CG_NONE;
            break;
        case IR_OP_GET:
            if ((r->attr & 0xffff) == n.slot && n.n < 4)
                n.id[n.n++] = i << 1;
            break;
        default:
            break;
        }
    }
    return CG_NONE;
}

bool rule_fcmp(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]), cc = condition_asked(c);
    bool signalling = r->attr & 1, avx = rule_has(c, CG_AVX);
    cg_flags_form form = CG_FLAGS_COMPARED;
    cg_reg args[2];

    if (!fp_host_type(type) || !fp_host_rules(c, r->attr >> 8 & 3))
        return false;
    if (cc != CG_NONE && !cg_form_has(form, cc))
        form = cg_form_has(CG_FLAGS_SWAPPED, cc) ? CG_FLAGS_SWAPPED : CG_FLAGS_EQUAL;
    cg_clobber_flags(c);
    args[0] = cg_use(c, r->arg[0]);
    args[1] = cg_use(c, r->arg[1]);
    fp_flush_in(c, fp_es(type), true, args, 2);
    asm_sse2(&c->a, avx,
             fp_double(type) ? (signalling ? SSE_COMISD : SSE_UCOMISD)
                             : (signalling ? SSE_COMISS : SSE_UCOMISS),
             args[form == CG_FLAGS_SWAPPED] - XMM0, args[form != CG_FLAGS_SWAPPED] - XMM0);
    if (form == CG_FLAGS_EQUAL)
        cg_cold_unordered(c, asm_jcc(&c->a, CC_P));
    cg_def_flags_form(c, 0, form);
    return true;
}
