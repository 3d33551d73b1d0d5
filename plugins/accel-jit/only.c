/*
 * Property `only`: units that begin in given ranges of guest addresses are compiled, all other code is executed by the
 * interpreter, one instruction after the other, so that no range is missed. For finding a unit that is compiled wrongly,
 * by making the ranges smaller (tools/bisect).
 */
#include "jit.h"

#include <stdlib.h>

/* "0x1000" or "0x1000-0x1fff". */
static bool read_range(const char **text, jit_range *r)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    r->first = r->last = strtoull(*text, &end, 0);
    if (*end == '-') {
        const char *last = end + 1;

        if (*last < '0' || *last > '9')
            return false;
        r->last = strtoull(last, &end, 0);
    }
    *text = end;
    return r->first <= r->last;
}

static bool read_ranges(jit *j, pb_error *error)
{
    const char *text = j->only;

    while (*text) {
        if (j->n_ranges == RANGES)
            return pb_fail(error, "only: more than %d ranges", RANGES);
        if (!read_range(&text, &j->ranges[j->n_ranges++]) || (*text && *text++ != '+') ||
            (text[-1] == '+' && !*text))
            return pb_fail(error,
                           "only: '%s' is not a list of ranges of addresses, such as "
                           "0x1000-0x1fff+0x2008",
                           j->only);
    }
    return true;
}

bool only_init(jit *j, pb_error *error)
{
    const pb_accel_ops *accels = pb_extension(j->self, PB_EXTENSION_ACCEL);

    j->n_ranges = 0;
    if (!*j->only)
        return true;
    if (!read_ranges(j, error))
        return false;
    if (!accels)
        return pb_fail(error, "only: the host has no %s", PB_EXTENSION_ACCEL);
    j->other_self = accels->open(j->self, "interp", "unit-insns=1", &j->other, error);
    if (!j->other_self)
        return false;
    if (!PB_ACCEL_HAS(j->other, step) || !j->other->step)
        return pb_fail(error, "only: the interpreter cannot execute single instructions");
    return true;
}

bool only_vcpu_init(jit *j, pb_vcpu *vcpu, void **other, pb_error *error)
{
    if (j->n_ranges == 0)
        return true;
    if (!j->other->vcpu_init(j->other_self, vcpu, error))
        return false;
    *other = vcpu->accel;
    return true;
}

void only_vcpu_finish(jit *j, pb_vcpu *vcpu, void *other)
{
    if (j->n_ranges == 0)
        return;
    vcpu->accel = other;
    j->other->vcpu_finish(j->other_self, vcpu);
}

jit_vcpu *only_own(jit *j, pb_vcpu *vcpu)
{
    jit_vcpu *x;

    if (j->n_ranges == 0)
        return vcpu->accel;
    pthread_mutex_lock(&j->lock);
    for (x = j->first; x->vcpu != vcpu;)
        x = x->next;
    pthread_mutex_unlock(&j->lock);
    return x;
}

void only_flush(jit_vcpu *x)
{
    void *now = x->vcpu->accel;

    if (x->jit->n_ranges == 0)
        return;
    x->vcpu->accel = x->other;
    x->jit->other->flush(x->jit->other_self, x->vcpu);
    x->vcpu->accel = now;
}

void only_drop_code(jit_vcpu *x, uint64_t first, uint64_t last)
{
    const pb_accel_type *other = x->jit->other;
    void *now = x->vcpu->accel;

    if (x->jit->n_ranges == 0)
        return;
    x->vcpu->accel = x->other;
    if (PB_ACCEL_HAS(other, drop_code) && other->drop_code)
        other->drop_code(x->jit->other_self, x->vcpu, first, last);
    else
        other->flush(x->jit->other_self, x->vcpu);
    x->vcpu->accel = now;
}

bool only_has(const jit *j, uint64_t pc)
{
    for (uint32_t i = 0; i < j->n_ranges; i++)
        if (pc >= j->ranges[i].first && pc <= j->ranges[i].last)
            return true;
    return j->n_ranges == 0;
}

uint32_t only_step(jit_vcpu *x)
{
    uint32_t reason;

    x->vcpu->accel = x->other;
    reason = x->jit->other->step(x->jit->other_self, x->vcpu);
    x->vcpu->accel = x;
    return reason;
}
