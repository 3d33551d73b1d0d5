/*
 * Wrong code on purpose, for tests of what finds wrong code: property `inject`. The first result of an operation of one
 * guest instruction becomes one greater than it is.
 *
 * Who sets it must say so twice: without a variable of the environment no generator begins with it.
 */
#include "inject.h"
#include "passes.h"

#include <stdlib.h>

#define CONSENT "PATCHBAY_WRONG_CODE"

/* What stands behind the address: "@PASS": only if that pass is done; "@regions": only in those. */
static bool read_condition(x86_codegen *s, const char *text)
{
    s->inject_pass = 0;
    s->inject_region = !strcmp(text, "@regions");
    if (*text == '@' && !s->inject_region) {
        s->inject_pass = passes_named(text + 1, strlen(text + 1));
        return s->inject_pass != 0;
    }
    return !*text || s->inject_region;
}

bool inject_init(x86_codegen *s, pb_error *error)
{
    const char *consent = getenv(CONSENT);
    char *end;

    s->inject_pc = 0;
    if (!s->inject || !*s->inject)
        return true;
    s->inject_pc = strtoull(s->inject, &end, 0);
    if (end == s->inject || !read_condition(s, end))
        return pb_fail(error, "inject: '%s' is no address, with or without @PASS", s->inject);
    if (!consent || strcmp(consent, "yes") != 0)
        return pb_fail(error,
                       "inject makes wrong code, for tests: the environment has to say " CONSENT
                       "=yes too");
    pb_log(s->object, PB_LOG_WARNING, "wrong code is made for the instruction at 0x%llx",
           (unsigned long long)s->inject_pc);
    return true;
}

void inject(cg *c, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];
    const cg_value *v = &c->values[c->values[record << 1].rep];

    if ((c->self->inject_pass && !(c->self->passes & c->self->inject_pass)) ||
        (c->self->inject_region && !(c->job->flags & PB_CODE_REGION)))
        return;
    if (r->guest >= c->u->n_marks || c->u->marks[r->guest].pc != c->self->inject_pc ||
        r->op == IR_OP_GET || c->values[record << 1].uses == 0 || v->reg < 0 || v->reg >= XMM0 ||
        v->type == IR_FL)
        return;
    asm_lea(&c->a, ir_type_bits[v->type] == 64 ? W64 : W32, v->reg, asm_at(v->reg, 1));
}
